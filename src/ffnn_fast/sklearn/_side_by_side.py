"""Fits of several estimators at a time, one a thread, that end together."""

from __future__ import annotations

from typing import Any, Self


class Stop:
    """A callback of an estimator that ends its fit after an epoch once `set` is true.

    Copies are the object itself, so that clones of an estimator share it.
    """

    def __init__(self) -> None:
        self.set = False

    def __call__(self, record: dict[str, float]) -> bool:
        """Whether the fit is to end."""
        return self.set

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def end(self) -> None:
        """End the fits that have this callback."""
        self.set = True


def for_one_thread(estimator: Any, stop: Stop) -> dict[str, Any]:
    """Values of the parameters of the networks in `estimator`, which may be a pipeline: one thread,
    and the callback `stop` after its own.
    """
    changed: dict[str, Any] = {}
    for name, value in estimator.get_params(deep=True).items():
        last = name.rpartition("__")[2]
        if last == "n_threads":
            changed[name] = 1
        elif last == "callbacks":
            own = () if value is None else value
            own = own if isinstance(own, (list, tuple)) else (own,)
            changed[name] = [*own, stop]
    return changed
