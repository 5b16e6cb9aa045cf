"""Initial values of θ, by name or by a function; every b_k starts at zero.

A rule draws W_k with mean 0 and the variance below, from a uniform distribution on (−√(3·variance),
√(3·variance)) or a normal one. fan_in is n_{k-1}, fan_out is n_k.

===========  ==============================  ================================================
rule         variance                        property
===========  ==============================  ================================================
``glorot``   2 / (fan_in + fan_out)          a_k and ∇a_k keep their variance where g' is 1
``he``       2 / fan_in                      a_k keep their variance with relu, at any depth
``lecun``    1 / fan_in                      a_k keep the variance 1 with selu
``fan_in``   1 / (3 fan_in)                  the uniform form is PyTorch's: on (−1/√n, 1/√n)
===========  ==============================  ================================================

``glorot_uniform`` is the default of every activation but selu: in 498 cases with several data sets,
activations, depths, with and without dropout, the validation loss after it was on average 14 %
lower than after ``he_normal``, up to 75 % in wide networks with dropout
(``benches/results/initializers.md``).

`ffnn_fast.Network.initialize` draws weights and biases from rows instead.

References: X. Glorot and Y. Bengio (AISTATS 2010); K. He et al. (ICCV 2015); Y. LeCun et al.,
"Efficient BackProp" (1998).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from ffnn_fast._names import known_name, unknown
from ffnn_fast.activations import Activation, activation_of

__all__ = ["INITIALIZERS", "VARIANCES", "Initializer", "Layout", "initialize"]

Initializer = Callable[[int, int, np.random.Generator], ArrayLike]


class Layout(Protocol):
    """What `initialize` needs of a description; `ffnn_fast.NetworkSpec` has it."""

    @property
    def dtype(self) -> str:
        """``"float32"`` or ``"float64"``."""

    @property
    def n_params(self) -> int:
        """P, the length of θ."""

    @property
    def layer_activations(self) -> tuple[str | Activation, ...]:
        """g_1, ..., g_{L-1}, O."""

    def weights(self, vector: np.ndarray) -> tuple[np.ndarray, ...]:
        """Views W_1, ..., W_L, each (n_k, n_{k-1}), of a vector of length P."""

    def draw_further(self, vector: np.ndarray, rng: np.random.Generator) -> None:
        """Set what follows the layers in a vector of length P to its first values."""


VARIANCES: dict[str, Callable[[int, int], float]] = {
    "glorot": lambda fan_out, fan_in: 2 / (fan_in + fan_out),
    "he": lambda fan_out, fan_in: 2 / fan_in,
    "lecun": lambda fan_out, fan_in: 1 / fan_in,
    "fan_in": lambda fan_out, fan_in: 1 / (3 * fan_in),
}


def _uniform(variance: Callable[[int, int], float]) -> Initializer:
    def draw(fan_out: int, fan_in: int, rng: np.random.Generator) -> np.ndarray:
        bound = np.sqrt(3 * variance(fan_out, fan_in))
        return rng.uniform(-bound, bound, (fan_out, fan_in))

    return draw


def _normal(variance: Callable[[int, int], float]) -> Initializer:
    def draw(fan_out: int, fan_in: int, rng: np.random.Generator) -> np.ndarray:
        return rng.normal(0, np.sqrt(variance(fan_out, fan_in)), (fan_out, fan_in))

    return draw


INITIALIZERS: dict[str, Initializer] = {
    **{f"{rule}_uniform": _uniform(variance) for rule, variance in VARIANCES.items()},
    **{f"{rule}_normal": _normal(variance) for rule, variance in VARIANCES.items()},
    "zeros": lambda fan_out, fan_in, rng: np.zeros((fan_out, fan_in)),
}


def initialize(
    spec: Layout, initializer: str | Initializer, rng: np.random.Generator
) -> np.ndarray:
    """Draw θ in float64, then cast: a seed gives the same initial values in both dtypes.

    Parameters
    ----------
    spec : NetworkSpec
    initializer : str or callable
        ``"auto"`` (``lecun_normal`` for layers whose activation is selu, else ``glorot_uniform``,
        or what `Activation.initializer` names), a name in `INITIALIZERS`, or a function
        ``(fan_out, fan_in, rng)`` that returns W_k, an array of shape (fan_out, fan_in).
    rng : numpy.random.Generator
        The only source of randomness; layers draw in order, then an input block.

    Returns
    -------
    params : array of shape (P,) and of the dtype of `spec`

    Raises
    ------
    TypeError
        If `initializer` is neither a name nor callable, or `rng` is no Generator.
    ValueError
        If the name is unknown, or a function returns a wrong shape or values that are not finite.
    """
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"rng must be a numpy.random.Generator, got {type(rng).__name__}")
    params = np.zeros(spec.n_params, spec.dtype)
    for W, activation in zip(spec.weights(params), spec.layer_activations, strict=True):
        W[...] = _drawn(_rule(initializer, activation), W.shape, rng, spec.dtype)
    spec.draw_further(params, rng)
    return params


def _rule(initializer: str | Initializer, activation: str | Activation) -> Initializer:
    if callable(initializer):
        return initializer
    if not isinstance(initializer, str):
        raise TypeError(f"initializer must be a name or a function, got {initializer!r}")
    known = ["auto", *INITIALIZERS]
    name = known_name(initializer, known)
    if name not in known:
        raise ValueError(unknown("initializer", initializer, known))
    return INITIALIZERS[activation_of(activation).initializer if name == "auto" else name]


def _drawn(
    rule: Initializer, shape: tuple[int, ...], rng: np.random.Generator, dtype: str
) -> np.ndarray:
    """W_k from `rule`, checked; (fan_out, fan_in)."""
    fan_out, fan_in = shape
    drawn = np.asarray(rule(fan_out, fan_in, rng), np.float64)
    if drawn.shape != shape:
        raise ValueError(
            f"the initializer must return shape (fan_out, fan_in) = {shape}, got {drawn.shape}"
        )
    if not (np.abs(drawn) <= np.finfo(dtype).max).all():
        raise ValueError(f"the initializer returned values that are not finite in {dtype}")
    return drawn
