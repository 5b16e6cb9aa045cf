"""vecmath_activations.h keeps its promises at every ISA level: accuracy, limits, bits."""

from functools import cache

import mpmath
import numpy as np
import pytest
from support.compiled_maths import evaluate, levels
from test_activations import FORMULAS

pytestmark = pytest.mark.engine
BITS = 400  # of the exact values; with them gelu's slope is off by less than 1e-91
UNITS = 4  # the contract: the largest error in units of 2^-24 or 2^-53, times max(|x|, 1)
WITH_SLOPES = ("gelu", "gelu_tanh", "silu", "mish", "sin")
NAMES = [
    *("softplus", "elu", "selu", "softsign", "hard_sigmoid", *WITH_SLOPES),
    *(f"{name}_slope" for name in WITH_SLOPES),
]


@pytest.fixture(params=levels())
def level(request):
    return request.param


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


@cache
def points(dtype):
    rng = np.random.default_rng(3)
    parts = [
        *(rng.uniform(-size, size, 150) for size in (1e-3, 1, 3, 40, 300)),
        np.array([0.0, -0.0, 20, -20, 40, -40, 1e4, -1e4]),
    ]
    return np.concatenate(parts).astype(dtype)


@cache
def exact(name, dtype):
    """name at the points, rounded from BITS to float64 in two parts."""
    formula = FORMULAS[name.removesuffix("_slope")]
    with mpmath.workprec(BITS):
        x = [mpmath.mpf(float(v)) for v in points(dtype)]
        if name.endswith("_slope"):
            y = [mpmath.diff(formula, v, h=mpmath.mpf(2) ** -150) for v in x]
        else:
            y = [formula(v) for v in x]
        high = [float(v) for v in y]
        return np.array(high), np.array([float(v - h) for v, h in zip(y, high, strict=True)])


def test_error(level, name, dtype):
    x, (high, low) = points(dtype), exact(name, dtype)
    error = np.abs((evaluate(level, name, x).astype(np.float64) - high) - low)
    unit = np.finfo(dtype).eps / 2
    assert (error <= UNITS * unit * np.maximum(np.abs(x), 1)).all()


def test_error_of_sin_is_absolute(level, dtype, rng):
    x = rng.uniform(-1e5, 1e5, 2000).astype(dtype)
    for name, oracle in (("sin", np.sin), ("sin_slope", np.cos)):
        error = np.abs(evaluate(level, name, x) - oracle(x.astype(np.float64)))
        assert error.max() <= UNITS * np.finfo(dtype).eps / 2


def test_any_nan_gives_nan(level, name, dtype):
    x = np.array([np.nan, -np.nan], dtype)
    assert np.isnan(evaluate(level, name, np.concatenate([x, np.copysign(x, -1)]))).all()


def test_huge_arguments_are_finite(level, name, dtype):
    x = np.array([1e5, 1e20, 1e38, np.finfo(dtype).max / 2], dtype)
    assert np.isfinite(evaluate(level, name, np.concatenate([x, -x]))).all()


def test_a_value_does_not_depend_on_its_place(level, name, dtype):
    x = points(dtype)[:70]
    whole = evaluate(level, name, x)
    for length in range(len(x)):
        np.testing.assert_array_equal(evaluate(level, name, x[:length]), whole[:length])
