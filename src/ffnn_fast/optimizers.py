"""Optimizers: one rule over one flat vector, with one step counter t; and all that a step is.

A rule of one's own is a subclass of `Optimizer`: a frozen dataclass with a `rule` in NumPy.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

import numpy as np

Array = np.ndarray
Hyper = tuple[float, ...]


def _number(default: float, low: float, high: float, includes_low: bool = False) -> Any:
    """A hyperparameter between two bounds."""
    return field(default=default, metadata={"bounds": (low, high, includes_low)})


def _positive(default: float) -> Any:
    return _number(default, 0.0, np.inf)


def _check_number(
    value: Any, name: str, low: float, high: float, includes_low: bool = False
) -> float:
    """`value` as a float in (low, high), or in [low, high) when `includes_low`."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.number)):
        raise TypeError(f"{name} must be a number, got {value!r}")
    if not (low < value < high or (includes_low and value == low)):
        least = f">= {low:g}" if includes_low else f"> {low:g}"
        most = "finite" if high == np.inf else f"< {high:g}"
        raise ValueError(f"{name} must be {least} and {most}, got {value}")
    return float(value)


@dataclass(frozen=True, kw_only=True)
class Optimizer:
    """A rule θ_t := rule(θ_{t-1}, ∇θ); a subclass says which.

    Parameters
    ----------
    learning_rate : float, default 0.01
        Step size; finite and > 0.

    Attributes
    ----------
    name : str
        What `as_optimizer` and the files call it.
    slots : int
        State vectors of length P that the rule keeps; they start at zero.

    Raises
    ------
    TypeError, ValueError
        If a hyperparameter is no number or out of its bounds.

    Examples
    --------
    A rule of one's own, signed steps:

    >>> from dataclasses import dataclass
    >>> import numpy as np
    >>> from ffnn_fast.optimizers import Optimizer
    >>> @dataclass(frozen=True, kw_only=True)
    ... class Sign(Optimizer):
    ...     name = "sign"
    ...     def rule(self, hyper, params, grad, state, t):
    ...         (learning_rate,) = hyper
    ...         params -= learning_rate * np.sign(grad)
    >>> Sign(learning_rate=0.5).hyper
    (0.5,)
    """

    learning_rate: float = _positive(0.01)
    name: ClassVar[str] = ""
    slots: ClassVar[int] = 0

    def __post_init__(self) -> None:
        for part in fields(self):
            if "bounds" in part.metadata:
                value = getattr(self, part.name)
                checked = _check_number(value, part.name, *part.metadata["bounds"])
                object.__setattr__(self, part.name, checked)

    @property
    def hyper(self) -> Hyper:
        """The hyperparameters in the order of the fields; the learning rate is entry 0."""
        return tuple(float(getattr(self, part.name)) for part in fields(self))

    @property
    def compiled(self) -> bool:
        """Whether the compiled engine has this rule: the rules of this module, as they are."""
        return type(self) is OPTIMIZERS.get(self.name)

    def rule(self, hyper: Array, params: Array, grad: Array, state: Array, t: int) -> None:
        """One step, in place.

        Parameters
        ----------
        hyper : sequence of float
            Values to use instead of this object's own; laid out like `hyper`.
        params, grad : array of shape (n,)
            θ and ∇θ of the entries that move. `grad` is only read.
        state : array of shape (slots, n)
        t : int
            Number of the step, from 1.
        """
        raise NotImplementedError(f"{type(self).__name__} has no rule")


@dataclass(frozen=True, kw_only=True)
class SGD(Optimizer):
    """Gradient descent, on a batch or on all the data (lecture module 4.2).

    * ``params := params - learning_rate * grad``
    """

    learning_rate: float = _positive(0.1)
    name: ClassVar[str] = "sgd"

    def rule(self, hyper: Array, params: Array, grad: Array, state: Array, t: int) -> None:
        """One step; see the class."""
        (learning_rate,) = map(float, hyper)
        params -= learning_rate * grad


OPTIMIZERS: dict[str, type[Optimizer]] = {rule.name: rule for rule in (SGD,)}


def as_optimizer(value: Any, learning_rate: float | None = None) -> Optimizer:
    """An optimizer from a name, a class or an object that is one.

    Parameters
    ----------
    value : str, Optimizer or subclass of Optimizer
        Names are the keys of `OPTIMIZERS`.
    learning_rate : float, optional
        For a name or a class; default: its own. An object has one already.

    Raises
    ------
    TypeError, ValueError
        If `value` is none of these, or a learning rate is given beside an object.
    """
    given = {} if learning_rate is None else {"learning_rate": learning_rate}
    if isinstance(value, Optimizer):
        if given:
            raise ValueError(
                f"learning_rate is given twice: {learning_rate} and in {value!r}; "
                "leave one of them out"
            )
        return value
    if isinstance(value, str):
        if value not in OPTIMIZERS:
            raise ValueError(f"optimizer must be one of {', '.join(OPTIMIZERS)}; got {value!r}")
        value = OPTIMIZERS[value]
    if isinstance(value, type) and issubclass(value, Optimizer):
        return value(**given)
    raise TypeError(f"optimizer must be a name, an Optimizer or a class of them, got {value!r}")


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
                value = _check_number(value, name, 0.0, np.inf)
            object.__setattr__(self, name, value)
        average = _check_number(self.average, "average", 0.0, 1.0, includes_low=True)
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
