"""StepRule: all of a step that is not the gradient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ffnn_fast.optimizers._rules import Optimizer, checked_number


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
        Layers k = 1..L whose W_k and b_k, with the optimizer's state of them, stay as they are.
    average : float, default 0.0
        Decay, in [0, 1), of an exponential moving average of θ, kept in the last row of the state;
        0 for none.
    seed : int, default 0
        Of the dropout masks, in [0, 2**63).

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

    def __post_init__(self) -> None:
        if not isinstance(self.optimizer, Optimizer):
            raise TypeError(f"optimizer must be an Optimizer, got {self.optimizer!r}")
        for name in ("clip_value", "clip_norm", "max_norm"):
            value = getattr(self, name)
            if not (isinstance(value, float) and value == np.inf):
                value = checked_number(value, name, 0.0, np.inf)
            object.__setattr__(self, name, value)
        average = checked_number(self.average, "average", 0.0, 1.0, includes_low=True)
        object.__setattr__(self, "average", average)
        object.__setattr__(self, "frozen", _checked_layers(self.frozen))
        seed = self.seed
        if isinstance(seed, (bool, np.bool_)) or not isinstance(seed, (int, np.integer)):
            raise TypeError(f"seed must be an integer, got {seed!r}")
        if not 0 <= seed < 2**63:
            raise ValueError(f"seed must be in [0, 2**63), got {seed}")
        object.__setattr__(self, "seed", int(seed))

    @property
    def slots(self) -> int:
        """Rows of the state: the optimizer's, and one for the average."""
        return self.optimizer.slots + (self.average > 0)


def _checked_layers(layers: Any) -> tuple[int, ...]:
    """Layer numbers >= 1, sorted, each once."""
    if not isinstance(layers, (tuple, list, set, frozenset, range)):
        raise TypeError(f"frozen must be a tuple of layer numbers, got {layers!r}")
    for k in layers:
        if isinstance(k, (bool, np.bool_)) or not isinstance(k, (int, np.integer)):
            raise TypeError(f"frozen must hold layer numbers, got {k!r}")
        if k < 1:
            raise ValueError(f"layers are numbered from 1, got {k} in frozen")
    return tuple(sorted({int(k) for k in layers}))
