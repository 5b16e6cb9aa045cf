"""Averages of the parameters over the way that training takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

KINDS = ("ema", "swa")


@dataclass(frozen=True)
class Averaging:
    """Average θ while it moves; the average often does better than the last point.

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
        Whether the network ends with the average, and validation judges it, or with θ itself; then
        the average is ``history.average``.

    Raises
    ------
    ValueError
        If an argument is not as described.
    """

    kind: str = "ema"
    decay: float = 0.999
    start: int = 1
    use: bool = True

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"averaging must be one of {', '.join(KINDS)}; got {self.kind!r}")
        if not 0 < self.decay < 1:
            raise ValueError(f"decay must be in (0, 1), got {self.decay}")
        if self.start < 1:
            raise ValueError(f"start must be at least 1, got {self.start}")


def as_averaging(value: Any) -> Averaging | None:
    """None, or an `Averaging` from one or from its kind."""
    if value is None or isinstance(value, Averaging):
        return value
    if not isinstance(value, str):
        raise TypeError(f"averaging must be 'ema', 'swa' or an Averaging, got {value!r}")
    return Averaging(value)
