"""Activations g and derivatives g' in mpmath, in forms that keep relative accuracy."""

import mpmath

from ffnn_fast.activations import SELU_ALPHA, SELU_SCALE, SLOPE

FORMULAS = {  # nothing cancels for a < 0
    "identity": lambda a: a,
    "logistic": lambda a: 1 / (1 + mpmath.exp(-a)),
    "tanh": mpmath.tanh,
    "relu": lambda a: max(a, 0),
    "leaky_relu": lambda a: a if a > 0 else SLOPE * a,
    "elu": lambda a: a if a > 0 else mpmath.expm1(a),
    "selu": lambda a: SELU_SCALE * (a if a > 0 else SELU_ALPHA * mpmath.expm1(a)),
    "softplus": lambda a: mpmath.log1p(mpmath.exp(a)),
    "softsign": lambda a: a / (1 + abs(a)),
    "hard_sigmoid": lambda a: min(max(a / 6 + mpmath.mpf(1) / 2, 0), 1),
    "exp": mpmath.exp,
    "gelu": lambda a: a * mpmath.erfc(-a / mpmath.sqrt(2)) / 2,
    "gelu_tanh": lambda a: a / (
        1 + mpmath.exp(-mpmath.sqrt(8 / mpmath.pi) * (a + mpmath.mpf("0.044715") * a**3))
    ),
    "silu": lambda a: a / (1 + mpmath.exp(-a)),
    "mish": lambda a: a * mpmath.tanh(mpmath.log1p(mpmath.exp(a))),
    "sin": mpmath.sin,
}  # fmt: skip


def gate_slope(a, v, dv):
    """Of a σ(v)."""
    s = FORMULAS["logistic"](v)
    return s + a * dv * s * FORMULAS["logistic"](-v)


def gelu_tanh_slope(a):
    cube, root = mpmath.mpf("0.044715"), mpmath.sqrt(8 / mpmath.pi)
    return gate_slope(a, root * (a + cube * a**3), root * (1 + 3 * cube * a**2))


def mish_slope(a):
    m = mpmath.exp(a)
    d = m * (m + 2) + 2
    return m * ((m + 2) * d + 4 * a * (1 + m)) / d**2


SLOPES = {  # of those that keep relative accuracy; nothing cancels for a < -2
    "elu": lambda a: 1 if a > 0 else mpmath.exp(a),
    "selu": lambda a: SELU_SCALE * (1 if a > 0 else SELU_ALPHA * mpmath.exp(a)),
    "softplus": FORMULAS["logistic"],
    "softsign": lambda a: 1 / (1 + abs(a)) ** 2,
    "gelu": lambda a: (
        mpmath.erfc(-a / mpmath.sqrt(2)) / 2
        + a * mpmath.exp(-a * a / 2) / mpmath.sqrt(2 * mpmath.pi)
    ),
    "gelu_tanh": gelu_tanh_slope,
    "silu": lambda a: gate_slope(a, a, 1),
    "mish": mish_slope,
}
