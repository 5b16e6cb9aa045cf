"""Learning curves: what a history recorded, over the epochs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ffnn_fast.plotting.canvas import BLUE, ORANGE, one_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ffnn_fast.history import History

LABELS = {"r2": "R²", "accuracy": "accuracy", "loss": "loss"}


def learning_curve(history: History, ax: Axes | None = None, metric: str = "loss") -> Axes:
    """Draw a quantity over the epochs of a fit, for the training rows and the validation rows.

    Parameters
    ----------
    history : History
        What `Network.fit` returns.
    ax : matplotlib.axes.Axes, optional
        Default: axes of a new figure.
    metric : {"loss", "accuracy", "r2"}, default "loss"

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        If `history` has no record of `metric`.
    ImportError
        If matplotlib is not installed.
    """
    known = history.keys()
    recorded = [key for key in (metric, f"val_{metric}") if key in known]
    if not recorded:
        raise ValueError(f"history has no {metric!r}; recorded: {', '.join(known) or 'nothing'}")
    ax = one_axes(ax)
    from matplotlib.ticker import MaxNLocator

    for key in recorded:
        epochs = [record["epoch"] for record in history if key in record]
        held_out = key.startswith("val_")
        ax.plot(
            epochs,
            history[key],
            color=ORANGE if held_out else BLUE,
            marker="" if len(epochs) > 1 else "o",
            label="validation" if held_out else "training",
        )
    ax.set_xlabel("epoch")
    ax.set_ylabel(LABELS.get(metric, metric.replace("_", " ")))
    ax.margins(x=0)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.grid(alpha=0.3)
    ax.legend()
    return ax
