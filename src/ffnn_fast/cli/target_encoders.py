"""The targets of a model: one, or several that one model predicts together (multi-output)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ffnn_fast.preprocessing import TargetEncoder

Array = np.ndarray


@dataclass(frozen=True)
class TargetEncoders:
    """The encoders of T targets, all of them of classes or all of values.

    Targets are arrays of shape (n, T): a column for each.

    Attributes
    ----------
    each : tuple of TargetEncoder
        T >= 1, with different names.

    Raises
    ------
    ValueError
        If there is none, a name occurs twice, or their tasks differ.
    """

    each: tuple[TargetEncoder, ...]

    def __post_init__(self) -> None:
        if not self.each or len(set(self.names)) < len(self.each):
            raise ValueError(f"targets must have different names, got {', '.join(self.names)}")
        if len({one.task for one in self.each}) > 1:
            raise ValueError("targets must be all of classes or all of values")

    @classmethod
    def of(cls, *each: TargetEncoder) -> TargetEncoders:
        """These encoders."""
        return cls(each)

    def __len__(self) -> int:
        return len(self.each)

    def __iter__(self) -> Iterator[TargetEncoder]:
        return iter(self.each)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(one.name for one in self.each)

    @property
    def shown(self) -> str:
        """The names in one text."""
        return ", ".join(self.names)

    def holding(self, what: str) -> str:
        """That they hold `what`, as ``'y' has values`` or ``'y' and 'z' have values``."""
        verb = "has" if len(self) == 1 else "have"
        return f"{' and '.join(map(repr, self.names))} {verb} {what}"

    @property
    def task(self) -> str:
        """``"classification"`` or ``"regression"``."""
        return self.each[0].task

    @property
    def classifies(self) -> bool:
        """Whether the targets are classes."""
        return self.task == "classification"

    @property
    def n_classes(self) -> tuple[int, ...]:
        """The number of classes of each target; 0 for values."""
        return tuple(len(one.classes) for one in self.each)

    def encode(self, values: Array) -> Array:
        """Labels, int64, or standardised values, float64, of (n, T) targets; raises as
        `TargetEncoder.encode`.
        """
        pairs = zip(self.each, values.T, strict=True)
        return np.stack([one.encode(column) for one, column in pairs], axis=1)

    def decode(self, y: Array) -> Array:
        """The inverse of `encode`."""
        pairs = zip(self.each, y.T, strict=True)
        return np.stack([one.decode(column) for one, column in pairs], axis=1)

    def unscaled(self) -> TargetEncoders:
        """The targets as they are, without mean and scale."""
        return TargetEncoders(tuple(replace(one, mean=0.0, scale=1.0) for one in self.each))

    def to_plain(self) -> dict[str, Any] | list[dict[str, Any]]:
        """Plain JSON values: an object for one target, a list of objects for several."""
        plain = [one.to_dict() for one in self.each]
        return plain[0] if len(plain) == 1 else plain

    @classmethod
    def from_plain(cls, plain: Any) -> TargetEncoders:
        """The inverse of `to_plain`; raises ValueError for anything else."""
        each = plain if isinstance(plain, list) else [plain]
        return cls(tuple(TargetEncoder.from_dict(one) for one in each))


def narrow(y: Array) -> Array:
    """Targets (n, T) as a network or an estimator takes them: (n,) of one target."""
    return y[:, 0] if y.shape[1] == 1 else y
