"""StepRule: all of a step that is not the gradient."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ffnn_fast._public import public
from ffnn_fast._scalars import as_float, as_int, convert_fields
from ffnn_fast.optimizers._factors import Factors, as_factors
from ffnn_fast.optimizers._rules import Optimizer

FACTORS = ("rate_factors", "decay_factors", "epsilon_factors")


@public("ffnn_fast.optimizers")
@dataclass(frozen=True)
class StepRule:
    """All of a step that is not the gradient, in this order.

    1. Entries of ∇θ are cut to ``[-clip_value, clip_value]``.
    2. ∇θ is scaled by ``min(1, clip_norm / (‖∇θ‖ + 1e-6))``, as ``torch.nn.utils.clip_grad_norm_``
       does; ‖∇θ‖ is over all layers that move, penalties included.
    3. The optimizer moves θ.
    4. The weights into a unit, a row of W_k, are scaled to norm `max_norm` where it is larger.
    5. The average follows: ``mean += (1 - average) * (θ - mean)``; at step 1 it is θ.

    Parameters
    ----------
    optimizer : Optimizer
    clip_value, clip_norm, max_norm : float, default inf
        Bounds > 0; infinity for none.
    frozen : tuple of int, default ()
        Layers k = 1..L whose W_k, b_k and α_k, with the optimizer's state of them, stay as they
        are; 0: the input block.
    average : float, default 0.0
        Decay, in [0, 1), of an exponential moving average of θ, kept in the last row of the state;
        0 for none.
    seed : int, default 0
        Of the dropout masks, in [0, 2**63).
    rate_factors, decay_factors, epsilon_factors : Factors or None, default None
        Of the learning rate, > 0, of the decay of `AdamW`, which needs it, and of the optimizer's
        ε, > 0, by group; None: all 1. The rule is applied to each group by itself.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.
    """

    optimizer: Optimizer
    clip_value: float = np.inf
    clip_norm: float = np.inf
    max_norm: float = np.inf
    frozen: tuple[int, ...] = ()
    average: float = 0.0
    seed: int = 0
    rate_factors: Factors | None = None
    decay_factors: Factors | None = None
    epsilon_factors: Factors | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.optimizer, Optimizer):
            raise TypeError(f"optimizer must be an Optimizer, got {self.optimizer!r}")
        convert_fields(self, as_float, "clip_value", "clip_norm", "max_norm", closed="right")
        convert_fields(self, as_float, "average", high=1.0, closed="left")
        convert_fields(self, as_int, "seed", low=0, high=2**63 - 1)
        object.__setattr__(self, "frozen", _as_layers(self.frozen))
        for name in FACTORS:
            object.__setattr__(self, name, as_factors(getattr(self, name), name))
        if self.rate_factors is not None and not _all_positive(self.rate_factors):
            raise ValueError(
                f"rate_factors must be > 0, got {self.rate_factors}; to hold layers, use frozen"
            )
        if self.epsilon_factors is not None and not _all_positive(self.epsilon_factors):
            raise ValueError(f"epsilon_factors must be > 0, got {self.epsilon_factors}")
        if self.decay_factors is not None and self.optimizer.name != "adamw":
            raise ValueError(
                f"decay_factors multiply the decay of AdamW, and {self.optimizer.name} has none; "
                "use optimizer='adamw', or l2 of the network"
            )

    @cached_property
    def has_factors(self) -> bool:
        """Whether groups have factors of their own."""
        return any(getattr(self, name) is not None for name in FACTORS)

    def factors(self, n_layers: int) -> list[list[float]]:
        """Those of the rate, of the decay and of ε, in the order of `Factors.by_group`."""
        return [(getattr(self, name) or Factors()).by_group(n_layers) for name in FACTORS]

    def packed_factors(self, n_layers: int) -> bytes:
        """The same numbers as doubles, side by side; b"" without factors."""
        return np.array(self.factors(n_layers)).tobytes() if self.has_factors else b""

    @cached_property
    def slots(self) -> int:
        """Rows of the state: the optimizer's, and one for the average."""
        return self.optimizer.slots + (self.average > 0)


def _all_positive(factors: Factors) -> bool:
    return all(np.min(value) > 0 for value in vars(factors).values() if value != ())


def _as_layers(layers: Any) -> tuple[int, ...]:
    """Layer numbers >= 0, sorted, each once."""
    if not isinstance(layers, (tuple, list, set, frozenset, range)):
        raise TypeError(f"frozen must be a tuple of layer numbers, got {layers!r}")
    return tuple(sorted({as_int(k, "a layer number in frozen", 0) for k in layers}))
