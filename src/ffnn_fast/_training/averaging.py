"""Averages of the parameters over the steps or epochs of a fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ffnn_fast._public import public
from ffnn_fast._scalars import as_bool, as_choice, as_float, as_int, convert_fields

KINDS = ("ema", "swa")


@public()
@dataclass(frozen=True)
class Averaging:
    """Average θ while it is trained; the average often generalises better than the last θ.

    Parameters
    ----------
    kind : {"ema", "swa"}, default "ema"
        ``ema``: an exponential moving average, after each step
        ``mean += (1 − decay) (θ − mean)``. ``swa`` (stochastic weight averaging, Izmailov and
        others, 2018): the plain mean of θ at the ends of the epochs from `start` on.
    decay : float, default 0.999
        For ``ema``, in (0, 1).
    start : int, default 1
        For ``swa``, the first epoch that counts.
    use : bool, default True
        True: the metrics of each epoch are those of the average, and the network ends with it.
        False: both are those of θ; the average is ``history.average``.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.
    """

    kind: str = "ema"
    decay: float = 0.999
    start: int = 1
    use: bool = True

    def __post_init__(self) -> None:
        convert_fields(self, as_choice, "kind", choices=KINDS)
        convert_fields(self, as_float, "decay", high=1.0)
        convert_fields(self, as_int, "start")
        convert_fields(self, as_bool, "use")


def as_averaging(value: Any) -> Averaging | None:
    """Convert a kind to an `Averaging`; None and an `Averaging` are returned as they are."""
    if value is None or isinstance(value, Averaging):
        return value
    if not isinstance(value, str):
        raise TypeError(f"averaging must be 'ema', 'swa' or an Averaging, got {value!r}")
    return Averaging(as_choice(value, "averaging", KINDS))
