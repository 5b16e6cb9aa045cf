"""Second and third derivatives of the activations, g''(a) and g'''(a), by name.

Those of activations that are straight lines between kinks (identity, relu, leaky_relu,
hard_sigmoid) are 0, at a kink too; elu and selu have those of their left side at 0, softsign has
g''(0) = 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

__all__ = ["FAR", "GELU_CUBE", "GELU_ROOT", "SECOND", "SELU_ALPHA", "SELU_SCALE", "THIRD"]

Array = np.ndarray
SELU_SCALE, SELU_ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717
GELU_ROOT, GELU_CUBE = math.sqrt(2 / math.pi), 0.044715  # the constants of gelu_tanh
PHASES = 2.0**28  # bound of |a| for sin
FAR = 40.0  # beyond it e^−a²/2 and 1 − tanh(a) are 0 in float64; a is clipped in polynomials
BOUND = 20.0  # beyond it tanh(log(1 + e^a)) is 1 in float64


def wave(function: Callable[[Array], Array], a: Array) -> Array:
    """sin or cos; 0 from |a| = 2²⁸ on, where float32 numbers are 32 apart."""
    near = np.abs(a) < PHASES
    return np.where(near, function(np.where(near, a, 0)), 0 * a)


def _bell(a: Array) -> tuple[Array, Array]:
    """d = s (1 − s) and 1 − 2 s for s = σ(a), from e = e^−|a|."""
    e = np.exp(-np.abs(a))
    return e / (1 + e) ** 2, -np.sign(a) * (1 - e) / (1 + e)


def _logistic_second(a: Array) -> Array:
    d, m = _bell(a)
    return d * m


def _logistic_third(a: Array) -> Array:
    d, _ = _bell(a)
    return d * (1 - 6 * d)


def _tanh_slope(a: Array) -> Array:
    """1 − tanh²(a) = 4 e / (1 + e)², e = e^−2|a|."""
    e = np.exp(-2 * np.abs(a))
    return 4 * e / (1 + e) ** 2


def _tanh_third(a: Array) -> Array:
    d = _tanh_slope(a)
    return d * (4 - 6 * d)


def _elu_second(a: Array) -> Array:
    return np.where(a > 0, np.zeros((), a.dtype), np.exp(np.minimum(a, 0)))


def _selu_second(a: Array) -> Array:
    return SELU_SCALE * SELU_ALPHA * _elu_second(a)


def _density(b: Array) -> Array:
    return np.exp(-0.5 * b * b) / math.sqrt(2 * math.pi)


def _gelu_second(a: Array) -> Array:
    """φ(a) (2 − a²)."""
    b = np.clip(a, -FAR, FAR)
    return _density(b) * (2 - b * b)


def _gelu_third(a: Array) -> Array:
    """φ(a) a (a² − 4)."""
    b = np.clip(a, -FAR, FAR)
    return _density(b) * b * (b * b - 4)


def _gelu_tanh_parts(a: Array) -> tuple[Array, Array, Array, Array, Array]:
    """a, u', u'', t = tanh(u) and 1 − t² for u = √(2/π) (a + 0.044715 a³)."""
    b = np.clip(a, -FAR, FAR)
    u = GELU_ROOT * (b + GELU_CUBE * b**3)
    du, ddu = GELU_ROOT * (1 + 3 * GELU_CUBE * b * b), 6 * GELU_ROOT * GELU_CUBE * b
    return b, du, ddu, np.tanh(u), _tanh_slope(u)


def _gelu_tanh_second(a: Array) -> Array:
    """2 f' + a f'' for f = (1 + t) / 2, f' = d u' / 2, f'' = d (u'' − 2 t u'²) / 2."""
    b, du, ddu, t, d = _gelu_tanh_parts(a)
    return d * (du + 0.5 * b * (ddu - 2 * t * du * du))


def _gelu_tanh_third(a: Array) -> Array:
    """3 f'' + a f''', f''' = d (u''' − 6 t u' u'' + u'³ (4 − 6 d)) / 2."""
    b, du, ddu, t, d = _gelu_tanh_parts(a)
    third = 6 * GELU_ROOT * GELU_CUBE - 6 * t * du * ddu + du**3 * (4 - 6 * d)
    return d * (1.5 * (ddu - 2 * t * du * du) + 0.5 * b * third)


def _silu_second(a: Array) -> Array:
    """2 d + a d (1 − 2 s)."""
    d, m = _bell(a)
    return d * (2 + np.clip(a, -FAR, FAR) * m)


def _silu_third(a: Array) -> Array:
    """3 d (1 − 2 s) + a d (1 − 6 d)."""
    d, m = _bell(a)
    return d * (3 * m + np.clip(a, -FAR, FAR) * (1 - 6 * d))


def _mish_parts(a: Array) -> tuple[Array, Array, Array, Array, Array]:
    """a, f = tanh(log(1 + e^a)), 1 − f², s = σ(a) and d = s (1 − s)."""
    b = np.clip(a, -FAR, BOUND)
    e = np.exp(b)
    n = e * e + 2 * e
    return b, n / (n + 2), 4 * ((1 + e) / (n + 2)) ** 2, e / (1 + e), e / (1 + e) ** 2


def _mish_second(a: Array) -> Array:
    """2 f' + a f'', f' = p s, f'' = p (d − 2 f s²), p = 1 − f²."""
    b, f, p, s, d = _mish_parts(a)
    return p * (2 * s + b * (d - 2 * f * s * s))


def _mish_third(a: Array) -> Array:
    """3 f'' + a f''', f''' = p (d (1 − 2 s) − 2 p s³ − 4 f s d − 2 f s (d − 2 f s²))."""
    b, f, p, s, d = _mish_parts(a)
    v = d - 2 * f * s * s
    w = d * (1 - 2 * s) - 2 * p * s**3 - 4 * f * s * d - 2 * f * s * v
    return p * (3 * v + b * w)


LINES = dict.fromkeys(("identity", "relu", "leaky_relu", "hard_sigmoid"), np.zeros_like)
SECOND: dict[str, Callable[[Array], Array]] = {
    **LINES,
    "logistic": _logistic_second,
    "tanh": lambda a: -2 * np.tanh(a) * _tanh_slope(a),
    "elu": _elu_second,
    "selu": _selu_second,
    "softplus": lambda a: _bell(a)[0],
    "softsign": lambda a: -2 * np.sign(a) * (1 / (1 + np.abs(a))) ** 3,
    "exp": np.exp,
    "gelu": _gelu_second,
    "gelu_tanh": _gelu_tanh_second,
    "silu": _silu_second,
    "mish": _mish_second,
    "sin": lambda a: -wave(np.sin, a),
}
THIRD: dict[str, Callable[[Array], Array]] = {
    **LINES,
    "logistic": _logistic_third,
    "tanh": _tanh_third,
    "elu": _elu_second,
    "selu": _selu_second,
    "softplus": _logistic_second,
    "softsign": lambda a: 6 * (1 / (1 + np.abs(a))) ** 4,
    "exp": np.exp,
    "gelu": _gelu_third,
    "gelu_tanh": _gelu_tanh_third,
    "silu": _silu_third,
    "mish": _mish_third,
    "sin": lambda a: -wave(np.cos, a),
}
