"""Pictures with matplotlib: each function takes axes, draws on them and returns them."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
    if ax is None:
        ax = _new_axes()
    from matplotlib.ticker import MaxNLocator

    for key in recorded:
        epochs = [record["epoch"] for record in history if key in record]
        label = "validation" if key.startswith("val_") else "training"
        ax.plot(epochs, history[key], marker="" if len(epochs) > 1 else "o", label=label)
    ax.set_xlabel("epoch")
    ax.set_ylabel(LABELS.get(metric, metric))
    ax.margins(x=0)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.grid(alpha=0.3)
    ax.legend()
    return ax


def _new_axes() -> Axes:
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            'drawing needs matplotlib: pip install "ffnn_fast[plot]"', name="matplotlib"
        ) from error
    return plt.subplots()[1]
