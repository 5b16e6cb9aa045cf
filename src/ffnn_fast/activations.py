"""Activation functions g and output functions O, by name: formula, derivative, Jacobian product.

Lecture modules 4.1 (activations), 4.3 (softmax) and 4.9 (derivatives).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from ffnn_fast._activation_derivatives import (
    FAR,
    GELU_CUBE,
    GELU_ROOT,
    SECOND,
    SELU_ALPHA,
    SELU_SCALE,
    THIRD,
    wave,
)
from ffnn_fast._conversion import as_numbers
from ffnn_fast._errstate import ignoring
from ffnn_fast._names import known_name, unknown
from ffnn_fast._scalars import as_bool, as_choice, convert_fields, described
from ffnn_fast._text import quoted

__all__ = [
    "ACTIVATIONS",
    "HEADS",
    "OUTPUTS",
    "Activation",
    "OutputHeads",
    "Softmax",
    "activation_name",
    "activation_of",
    "by_head",
    "log_logistic",
    "log_softmax",
    "logistic",
    "logsumexp",
    "output_name",
    "selu",
    "softmax",
    "softplus",
]

Array = np.ndarray
Axis = int | tuple[int, ...] | None
HEADS = "heads"  # what `output` and `loss` read where each head has its own
SLOPE = 0.01  # of leaky_relu for a < 0
LARGE = 1e30  # from here on softsign is ±1
VANISHED = 760.0  # from here on a e^−a is 0 in float64
MISH_TOP = 24.0  # from here on mish(a) rounds to a in float64


@dataclass(frozen=True)
class Activation:
    """An elementwise activation h = g(a), built in or user-defined.

    A network with a user-defined activation runs on the reference engine, since the compiled one
    does not call Python, and cannot be saved.

    Parameters
    ----------
    name : str
        Its name in messages and summaries.
    function : callable
        g: an array of pre-activations, any shape, to an array of that shape and dtype.
    derivative : callable
        g', likewise.
    of : {"a", "h"}, default "a"
        Whether `derivative` takes the pre-activations a or, as in module 4.9, the values h = g(a).
    initializer : str, default "glorot_uniform"
        The initializer of the weights before it with ``initializer="auto"``.
    second_derivative, third_derivative : callable, optional
        g'' and g''' of the pre-activations a, whatever `of` is, for `Network.taylor`,
        `Network.taylor_gradient` and `Network.hvp`. Every built-in activation has both; they are 0
        for straight lines (``identity``, ``relu``, ``leaky_relu``, ``hard_sigmoid``), at a kink
        too.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

    Examples
    --------
    >>> import numpy as np
    >>> from ffnn_fast import Activation, Network
    >>> bump = Activation("bump", lambda a: np.exp(-a * a), lambda a: -2 * a * np.exp(-a * a))
    >>> Network([2, 8, 1], activation=bump, output="identity", seed=0).engine
    'reference'
    """

    name: str
    function: Callable[[Array], Array]
    derivative: Callable[[Array], Array]
    of: str = "a"
    initializer: str = "glorot_uniform"
    second_derivative: Callable[[Array], Array] | None = None
    third_derivative: Callable[[Array], Array] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise TypeError(f"the name of an activation must be a string, got {self.name!r}")
        if not (callable(self.function) and callable(self.derivative)):
            raise TypeError(f"activation {self.name!r}: function and derivative must be callable")
        for name in ("second_derivative", "third_derivative"):
            if not (getattr(self, name) is None or callable(getattr(self, name))):
                raise TypeError(f"activation {self.name!r}: {name} must be callable or None")
        convert_fields(self, as_choice, "of", choices=("a", "h"))
        if not isinstance(self.initializer, str):
            raise TypeError(f"initializer must be a string, got {self.initializer!r}")

    def jacobian_product(self, a: Array, h: Array, dh: Array) -> Array:
        """∇a = ∇h ⊙ g'(a); all are (n, width)."""
        slope = self.derivative(a if self.of == "a" else h)
        if np.shape(slope) not in (a.shape, ()):  # one number is the slope of a line
            raise ValueError(self._expected("derivative", a, slope))
        return dh * slope

    def check_function(self, a: Array, h: Any) -> None:
        """ValueError unless h has the shape of a."""
        if not isinstance(h, np.ndarray) or h.shape != a.shape:
            raise ValueError(self._expected("function", a, h))

    def _expected(self, part: str, a: Array, got: Any) -> str:
        return (
            f"{part} of activation {self.name!r} must return an array of the shape of its "
            f"argument, {a.shape}; got {described(got)}"
        )


@dataclass(frozen=True)
class Softmax:
    """The softmax output ŷ_j = exp(a_j) / Σ_i exp(a_i), row by row."""

    name: str = "softmax"
    initializer: str = "glorot_uniform"

    def function(self, a: Array) -> Array:
        """ŷ for pre-activations (n, k); shifted by the row maximum so that exp cannot overflow."""
        return softmax(a, axis=1)

    def jacobian_product(self, a: Array, h: Array, dh: Array) -> Array:
        """∇a = ŷ ⊙ (∇ŷ − Σ_j ∇ŷ_j ŷ_j), from J = diag(ŷ) − ŷ ŷᵀ."""
        return h * (dh - (dh * h).sum(axis=1, keepdims=True))


@dataclass(frozen=True)
class OutputHeads:
    """The functions of several heads, whose columns are consecutive in a_L and in ŷ."""

    functions: tuple[Activation | Softmax, ...]
    widths: tuple[int, ...]
    name: str = HEADS
    initializer: str = "glorot_uniform"

    def function(self, a: Array) -> Array:
        """ŷ for pre-activations (n, k), head by head."""
        parts = []
        for g, (of_head,) in zip(self.functions, by_head(self.widths, a), strict=True):
            parts.append(g.function(of_head))
            if isinstance(g, Activation):
                g.check_function(of_head, parts[-1])
        return np.hstack(parts)

    def jacobian_product(self, a: Array, h: Array, dh: Array) -> Array:
        """∇a, head by head: J has no entries between heads."""
        heads = zip(self.functions, by_head(self.widths, a, h, dh), strict=True)
        return np.hstack([g.jacobian_product(*head) for g, head in heads])


def by_head(widths: tuple[int, ...], *arrays: Array) -> list[tuple[Array, ...]]:
    """For each head its columns, (n, width), of every array (n, k); all columns without widths."""
    if len(widths) < 2:
        return [arrays]
    cuts = np.cumsum(widths)[:-1]
    return list(zip(*(np.split(array, cuts, axis=1) for array in arrays), strict=True))


def softmax(a: npt.ArrayLike, axis: Axis = -1) -> Array:
    """exp(a_j) / Σ_i exp(a_i) along an axis; shifted by the maximum, so that exp cannot overflow.

    Parameters
    ----------
    a : array-like
        Real numbers; -inf has the probability 0.
    axis : int, tuple of int or None, default -1
        The axes that the sum runs over; None: all of them.

    Returns
    -------
    ndarray
        Of the shape and dtype of `a`; float64 where `a` holds integers.

    Raises
    ------
    TypeError
        If an entry is no real number.
    ValueError
        If the sum has no terms, `a` has no such axis, or an entry is missing.

    Examples
    --------
    >>> from ffnn_fast.activations import softmax
    >>> softmax([[0.0, 0.0], [1000.0, 0.0]])
    array([[0.5, 0.5],
           [1. , 0. ]])
    """
    a = _as_real(a)
    e = np.exp(a - a.max(axis=axis, keepdims=True))
    return np.asarray(e / e.sum(axis=axis, keepdims=True))


def log_softmax(a: npt.ArrayLike, axis: Axis = -1) -> Array:
    """log softmax(a) along an axis, finite where the probability rounds to 0, and not 0 where it
    rounds to 1: (a_j − max) − log(1 + Σ' exp(a_i − max)), Σ' without the maximum.

    Parameters
    ----------
    a : array-like
        Real numbers.
    axis : int, tuple of int or None, default -1
        The axes that the sum runs over; None: all of them.

    Returns
    -------
    ndarray
        Of the shape and dtype of `a`; float64 where `a` holds integers.

    Raises
    ------
    TypeError
        If an entry is no real number.
    ValueError
        If the sum has no terms, `a` has no such axis, or an entry is missing.

    Examples
    --------
    >>> from ffnn_fast.activations import log_softmax
    >>> log_softmax([40.0, 0.0])
    array([-4.24835426e-18, -4.00000000e+01])
    """
    a = _as_real(a)
    top, rest = _top_and_rest(a, axis)
    return np.asarray(ignoring("invalid", lambda: (a - top) - np.log1p(rest)))


def logsumexp(a: npt.ArrayLike, axis: Axis = -1, *, keepdims: bool = False) -> Array:
    """log Σ_j exp(a_j) along an axis, without overflow.

    Parameters
    ----------
    a : array-like
        Real numbers; -inf adds nothing.
    axis : int, tuple of int or None, default -1
        The axes that the sum runs over; None: all of them.
    keepdims : bool, default False
        Keep these axes, with length 1.

    Returns
    -------
    ndarray
        Of the dtype of `a`; float64 where `a` holds integers.

    Raises
    ------
    TypeError
        If an entry is no real number.
    ValueError
        If the sum has no terms, `a` has no such axis, or an entry is missing.

    Examples
    --------
    >>> from ffnn_fast.activations import logsumexp
    >>> round(float(logsumexp([1000.0, 1000.0])), 6)
    1000.693147
    """
    top, rest = _top_and_rest(_as_real(a), axis)
    total = top + np.log1p(rest)
    keep = as_bool(keepdims, "keepdims")
    return np.asarray(total if keep else np.squeeze(total, axis=axis))


def _as_real(a: npt.ArrayLike) -> Array:
    """`a` as an array of floating-point numbers."""
    array = as_numbers(a, "a")
    return array if array.dtype.kind == "f" else array.astype(np.float64)


def _top_and_rest(a: Array, axis: Axis) -> tuple[Array, Array]:
    """The maximum, and Σ exp(a − max) − 1 to all digits; axes have length 1."""
    top = a.max(axis=axis, keepdims=True)
    shift = np.where(np.isinf(top), np.zeros((), a.dtype), top)
    at_top = a == top
    e = ignoring("over", lambda: np.exp(a - shift))
    others = np.where(at_top, np.zeros((), a.dtype), e)
    ties = at_top.sum(axis=axis, keepdims=True).astype(a.dtype) - 1
    return top, others.sum(axis=axis, keepdims=True) + np.maximum(ties, 0)


def log_logistic(a: Array) -> Array:
    """log σ(a) = min(a, 0) − log(1 + e^−|a|)."""
    return np.minimum(a, 0) - np.log1p(np.exp(-np.abs(a)))


def logistic(a: Array) -> Array:
    """σ(a) = 1 / (1 + e^−a), written with e^−|a| so that nothing overflows.

    Its derivative is h(1 − h), which is exact in absolute terms only: 0 once h rounds to 1.
    """
    e = np.exp(-np.abs(a))
    return np.where(a >= 0, 1, e) / (1 + e)


def softplus(a: Array) -> Array:
    """log(1 + e^a) = max(a, 0) + log(1 + e^−|a|), whose derivative is σ(a) = 1 − e^−h."""
    return np.maximum(a, 0) + np.log1p(np.exp(-np.abs(a)))


def selu(a: Array) -> Array:
    """λ a for a > 0, else λ α (e^a − 1) (G. Klambauer et al., NeurIPS 2017)."""
    return SELU_SCALE * np.where(a > 0, a, SELU_ALPHA * np.expm1(np.minimum(a, 0)))


def _selu_derivative(a: Array) -> Array:
    """λ for a > 0, else λ α e^a."""
    return SELU_SCALE * np.where(a > 0, 1, SELU_ALPHA * np.exp(np.minimum(a, 0)))


def _exp_or_one(a: Array) -> Array:
    """1 for a > 0, else e^a."""
    return np.exp(np.minimum(a, 0))


def _softsign(a: Array) -> Array:
    """a / (1 + |a|), ±1 at ±∞."""
    b = np.clip(a, -LARGE, LARGE)
    return b / (1 + np.abs(b))


def _softsign_derivative(a: Array) -> Array:
    """1 / (1 + |a|)²."""
    return (1 / (1 + np.abs(a))) ** 2


# gelu, gelu_tanh and silu are g(a) = max(a, 0) − t(|a|), and g'(a) = t'(|a|) or, for a > 0,
# 1 − t'(|a|). t and t' are multiples of an exponential, so that relative accuracy is kept until
# they underflow.


def _double_magnitude(a: Array) -> Array:
    """min(|a|, FAR) in float64, since the exponentials of polynomials need the digits."""
    return np.minimum(np.abs(a.astype(np.float64)), FAR)


def _ramp(a: Array, tail: Array) -> Array:
    """max(a, 0) − t, in the dtype of a."""
    return (np.maximum(a, 0) - tail).astype(a.dtype)


def _ramp_derivative(a: Array, slope: Array) -> Array:
    """t' for a <= 0, else 1 − t', in the dtype of a."""
    return np.where(a > 0, 1 - slope, slope).astype(a.dtype)


def _normal_tail(x: Array) -> Array:
    """1 − Φ(x) = erfc(x / √2) / 2 for x >= 0."""
    tail = [0.5 * math.erfc(z) for z in (x.ravel() / math.sqrt(2)).tolist()]
    return np.array(tail).reshape(x.shape)


def _gelu(a: Array) -> Array:
    """a Φ(a) (D. Hendrycks and K. Gimpel, arXiv:1606.08415)."""
    x = _double_magnitude(a)
    return _ramp(a, x * _normal_tail(x))


def _gelu_derivative(a: Array) -> Array:
    """Φ(a) + a φ(a), φ the normal density."""
    x = _double_magnitude(a)
    density = np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)
    return _ramp_derivative(a, _normal_tail(x) - x * density)


def _gated(a: Array, x: Array, v: Array) -> Array:
    """max(a, 0) − x σ(−v), x = |a|; e^−v in two factors, neither of which underflows alone."""
    e = np.exp(-0.5 * v)
    return _ramp(a, x * e / (1 + e * e) * e)


def _gated_derivative(a: Array, x: Array, v: Array, dv: Array | float) -> Array:
    """The derivative, from t' = m (1 + m − x v'(x)) / (1 + m)², m = e^−v."""
    e = np.exp(-0.5 * v)
    d = 1 + e * e
    return _ramp_derivative(a, e * (d - x * dv) / (d * d) * e)


def _silu(a: Array) -> Array:
    """a σ(a)."""
    x = np.minimum(np.abs(a), VANISHED)
    return _gated(a, x, x)


def _silu_derivative(a: Array) -> Array:
    """σ (1 + a (1 − σ))."""
    x = np.minimum(np.abs(a), VANISHED)
    return _gated_derivative(a, x, x, 1)


def _gelu_tanh(a: Array) -> Array:
    """a σ(2u) = a (1 + tanh u) / 2, u = √(2/π) (a + 0.044715 a³)."""
    x = _double_magnitude(a)
    return _gated(a, x, 2 * GELU_ROOT * (x + GELU_CUBE * x**3))


def _gelu_tanh_derivative(a: Array) -> Array:
    """σ(2u) (1 + 2 a u' (1 − σ(2u)))."""
    x = _double_magnitude(a)
    v = 2 * GELU_ROOT * (x + GELU_CUBE * x**3)
    return _gated_derivative(a, x, v, 2 * GELU_ROOT * (1 + 3 * GELU_CUBE * x * x))


def _mish_terms(a: Array) -> tuple[Array, Array, Array]:
    """b = a between −VANISHED and MISH_TOP, √m for m = e^b, and m (m + 2) + 2."""
    b = np.clip(a, -VANISHED, MISH_TOP)
    e = np.exp(0.5 * b)
    m = e * e
    return b, e, m * (m + 2) + 2


def _mish(a: Array) -> Array:
    """a tanh(log(1 + e^a)) = a m (m + 2) / d, d as above (D. Misra, arXiv:1908.08681)."""
    b, e, d = _mish_terms(a)
    return np.where(a > MISH_TOP, a, b * e * (e * e + 2) / d * e).astype(a.dtype)


def _mish_derivative(a: Array) -> Array:
    """m ((m + 2) d + 4 a (1 + m)) / d², d = m (m + 2) + 2."""
    b, e, d = _mish_terms(a)
    m = e * e
    slope = e * ((m + 2 + 4 * b * (1 + m) / d) / d) * e
    return np.where(a > MISH_TOP, 1, slope).astype(a.dtype)


def _steps(h: Array, above: float, below: float) -> Array:
    """`above` where h > 0, else `below`."""
    return np.where(h > 0, above, below).astype(h.dtype)


# Kinks (relu, leaky_relu, hard_sigmoid) have the derivative of their left or flat side.
# logistic and tanh have the derivatives of module 4.9, h(1 − h) and 1 − h², which are exact in
# absolute terms only: they are 0 once h rounds to its limit. The others, but for sin and
# hard_sigmoid, keep relative accuracy wherever they are normal numbers, 1e-12 in float64 and 1e-6
# in float32, and so do their derivatives, but near a zero of the derivative.
ACTIVATIONS: dict[str, Activation] = {
    g.name: replace(g, second_derivative=SECOND[g.name], third_derivative=THIRD[g.name])
    for g in (
        Activation("identity", lambda a: a.copy(), np.ones_like, "h"),
        Activation("logistic", logistic, lambda h: h * (1 - h), "h"),
        Activation("tanh", np.tanh, lambda h: 1 - h * h, "h"),
        Activation("relu", lambda a: np.maximum(a, 0), lambda h: (h > 0).astype(h.dtype), "h"),
        Activation(
            "leaky_relu",
            lambda a: np.where(a > 0, a, SLOPE * a),
            lambda h: _steps(h, 1, SLOPE),
            "h",
        ),
        Activation("elu", lambda a: np.where(a > 0, a, np.expm1(np.minimum(a, 0))), _exp_or_one),
        Activation("selu", selu, _selu_derivative, initializer="lecun_normal"),
        Activation("softplus", softplus, lambda h: -np.expm1(-h), "h"),
        Activation("softsign", _softsign, _softsign_derivative),
        # torch's: clip(a/6 + 1/2, 0, 1); Keras once had a/5 + 1/2
        Activation(
            "hard_sigmoid",
            lambda a: np.clip(a / 6 + 0.5, 0, 1),
            lambda h: np.where((h > 0) & (h < 1), 1 / 6, 0).astype(h.dtype),
            "h",
        ),
        Activation("exp", np.exp, lambda h: h.copy(), "h"),
        Activation("gelu", _gelu, _gelu_derivative),
        Activation("gelu_tanh", _gelu_tanh, _gelu_tanh_derivative),
        Activation("silu", _silu, _silu_derivative),
        Activation("mish", _mish, _mish_derivative),
        Activation("sin", partial(wave, np.sin), partial(wave, np.cos)),
    )
}
OUTPUTS: dict[str, Activation | Softmax] = {**ACTIVATIONS, "softmax": Softmax()}
ALIASES = {"linear": "identity", "sigmoid": "logistic"}
OutputFunction = Activation | Softmax | OutputHeads


def activation_of(g: str | Activation, heads: tuple[Any, ...] = ()) -> OutputFunction:
    """The activation of a checked name; a user-defined one is returned as it is. A softmax with
    several heads, given as widths, or the outputs of heads, is an `OutputHeads`.
    """
    if g == HEADS:
        functions = [activation_of(head.output) for head in heads]
        return OutputHeads(tuple(functions), tuple(head.width for head in heads))  # type: ignore[arg-type]
    if heads and g == "softmax":
        return OutputHeads((Softmax(),) * len(heads), heads, "softmax")
    return OUTPUTS[g] if isinstance(g, str) else g


def activation_name(name: str | Activation) -> str | Activation:
    """The standard name of a hidden layer's activation; raises ValueError for an unknown one."""
    return _resolve(name, ACTIVATIONS, "activation")


def output_name(name: str | Activation) -> str | Activation:
    """The standard name of an output function; raises ValueError for an unknown one."""
    return _resolve(name, OUTPUTS, "output")


def _resolve(name: str | Activation, known: dict, what: str) -> str | Activation:
    if isinstance(name, Activation):
        return name
    if not isinstance(name, str):
        raise TypeError(f"{what} must be a name or an Activation, got {quoted(name)}")
    standard = known_name(name, [*known, *ALIASES])
    standard = ALIASES.get(standard, standard)
    if standard not in known:
        raise ValueError(unknown(what, name, [*known, *ALIASES]))
    return standard
