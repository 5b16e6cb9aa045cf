"""Learning curves: recorded quantities over the epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ffnn_fast.plotting._canvas import BLUE, ORANGE, one_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LABELS = {"r2": "R²", "accuracy": "accuracy", "loss": "loss"}


def learning_curve(
    history: Sequence[Mapping[str, float]], ax: Axes | None = None, metric: str = "loss"
) -> Axes:
    """Draw a quantity over the epochs of a fit, for the training rows and the validation rows.

    Parameters
    ----------
    history : sequence of mappings from str to float
        One record per epoch, such as the `ffnn_fast.History` that `ffnn_fast.Network.fit` returns.
        The keys are ``epoch`` (default: the position in the sequence, counted from 1), `metric`,
        and ``val_<metric>`` for the validation rows. A record may lack some of them.
    ax : matplotlib.axes.Axes, optional
        Default: axes of a new figure.
    metric : str, default "loss"
        For example ``loss``, ``accuracy`` or ``r2``.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        If no record has `metric` or ``val_<metric>``.
    ImportError
        If matplotlib is not installed.
    """
    known = list(dict.fromkeys(key for record in history for key in record))
    recorded = [key for key in (metric, f"val_{metric}") if key in known]
    if not recorded:
        raise ValueError(f"history has no {metric!r}; recorded: {', '.join(known) or 'nothing'}")
    ax = one_axes(ax)
    from matplotlib.ticker import MaxNLocator

    for key in recorded:
        points = [
            (record.get("epoch", place), record[key])
            for place, record in enumerate(history, start=1)
            if key in record
        ]
        epochs, values = zip(*points, strict=True)
        validation = key.startswith("val_")
        ax.plot(
            epochs,
            values,
            color=ORANGE if validation else BLUE,
            marker="" if len(epochs) > 1 else "o",
            label="validation" if validation else "training",
        )
    ax.set_xlabel("epoch")
    ax.set_ylabel(LABELS.get(metric, metric.replace("_", " ")))
    ax.margins(x=0)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.grid(alpha=0.3)
    ax.legend()
    return ax
