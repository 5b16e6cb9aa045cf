"""Factors: learning rates or decay by group of parameters."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from ffnn_fast._names import unknown
from ffnn_fast._public import public
from ffnn_fast._scalars import as_float

BY_LAYER = ("weights", "biases", "alpha")


@public("ffnn_fast.optimizers")
@dataclass(frozen=True)
class Factors:
    """Factors of the learning rate, of the decoupled decay, or of ε, for groups of parameters.

    A group moves as if the optimizer had η · factor, or ε · factor. Of `AdamW` a group decays by
    η λ · factor, with the factor of the decay alone: that of the rate does not enter.

    Parameters
    ----------
    weights, biases : float or tuple of float, default 1.0
        Of all W_k and b_k, or one for each of the L layers.
    alpha : float or tuple of float, default 1.0
        Of parametric activations: of all α_k, or one for each of the L − 1 hidden layers.
    embedding : float, default 1.0
        Of the embeddings of numbers.
    tables : float, default 1.0
        Of the embeddings of categories.
    scale : float, default 1.0
        Of the scale of an input block.

    Raises
    ------
    TypeError, ValueError
        If a factor is not a number >= 0.

    Notes
    -----
    `rates_of_ntk` and `epsilons_of_ntk` make the factors of the NTK parametrisation.
    """

    weights: float | tuple[float, ...] = 1.0
    biases: float | tuple[float, ...] = 1.0
    alpha: float | tuple[float, ...] = 1.0
    embedding: float = 1.0
    tables: float = 1.0
    scale: float = 1.0

    def __post_init__(self) -> None:
        for part in fields(self):
            value = getattr(self, part.name)
            if part.name in BY_LAYER and np.ndim(value) > 0:
                each = tuple(as_float(one, part.name, closed="left") for one in value)
                object.__setattr__(self, part.name, each)
            else:
                object.__setattr__(self, part.name, as_float(value, part.name, closed="left"))

    def by_group(self, n_layers: int) -> list[float]:
        """3 L + 3 factors: of W_1..W_L, b_1..b_L, α_1..α_L (the last of these is not used), of
        embeddings, of tables and of the scale.

        Raises
        ------
        ValueError
            If there are factors for another number of layers.
        """
        found: list[float] = []
        for name in BY_LAYER:
            value, expected = getattr(self, name), n_layers - (name == "alpha")
            each = value if isinstance(value, tuple) else (value,) * expected
            if len(each) != expected:
                raise ValueError(f"expected {expected} factors of {name}, got {len(each)}")
            found += each
        return [*found, 1.0, self.embedding, self.tables, self.scale]

    def to_dict(self) -> dict[str, Any]:
        """The factors as plain JSON values."""
        return {n: list(v) if isinstance(v, tuple) else v for n, v in asdict(self).items()}


def rates_of_ntk(widths: Sequence[int], **factors: Any) -> Factors:
    """Factors of the rate that make a step that of the NTK parametrisation, for Adam and its like.

    There a_k = W_k h_{k−1} / √n_{k−1} + b_k with W_k ~ N(0, 1). The same network in the usual form
    starts from W_k ~ N(0, 1/n_{k−1}), ``initializer="lecun_normal"``, and the rule, which does not
    depend on the size of a gradient, moves W_k by η / √n_{k−1}. Decay is relative: it has no
    such factor. ε is added to the size of a gradient, which is √n_{k−1} times that of the NTK form:
    `epsilons_of_ntk` has its factors, which count where gradients are about as small as ε.

    Parameters
    ----------
    widths : sequence of int
        n_0, ..., n_L, or more: the last is not used. With an input block n_0 is ``spec.n_units``.
    **factors
        Other factors of `Factors`; `weights`, one for all layers, multiplies those here.

    Returns
    -------
    Factors

    References
    ----------
    A. Jacot, F. Gabriel and C. Hongler, "Neural tangent kernel" (NeurIPS 2018).
    """
    weights = factors.pop("weights", 1.0)
    return Factors(weights=tuple(weights / math.sqrt(n) for n in widths[:-1]), **factors)


def epsilons_of_ntk(widths: Sequence[int]) -> Factors:
    """Factors √n_{k−1} of ε for W_k, the counterpart of `rates_of_ntk`.

    Parameters
    ----------
    widths : sequence of int
        As in `rates_of_ntk`.

    Returns
    -------
    Factors
    """
    return Factors(weights=tuple(math.sqrt(n) for n in widths[:-1]))


def as_factors(value: Any, name: str) -> Factors | None:
    """The factors, of a mapping of fields too; ValueError for a field that `Factors` has not,
    TypeError for anything else.
    """
    if isinstance(value, Mapping):
        known = [part.name for part in fields(Factors)]
        for group in value:
            if group not in known:
                raise ValueError(unknown(f"a group in {name}", group, known))
        value = Factors(**value)
    if value is not None and not isinstance(value, Factors):
        raise TypeError(f"{name} must be Factors, a mapping or None, got {value!r}")
    return value
