"""vecmath_derivatives.h and its NumPy twins: accuracy, limits and bits of g'' and g'''."""

from functools import cache

import mpmath
import numpy as np
import pytest
from support.compiled_maths import CURVED, EQUAL, evaluate, levels
from test_activations import FORMULAS

from ffnn_fast.activations import ACTIVATIONS

UNITS = 32  # the contract: the largest error in units of 2^-24 or 2^-53, times max(|x|, 1)
ORDERS = ("second", "third")
LINES = [name for name in ACTIVATIONS if name not in CURVED]


@cache
def points(name, dtype):
    rng = np.random.default_rng(3)
    sizes = (1e-3, 1, 3) if name == "exp" else (1e-3, 1, 3, 40, 300)
    parts = [*(rng.uniform(-size, size, 20) for size in sizes)]
    return np.concatenate([*parts, [] if name == "exp" else [20, -20, 40, -40]]).astype(dtype)


@cache
def exact(name, order, dtype):
    """g'' or g''' at the points, by differences of 400 bits."""
    with mpmath.workprec(400):
        x = [mpmath.mpf(float(v)) for v in points(name, dtype)]
        n = 2 + ORDERS.index(order)
        h = mpmath.mpf(2) ** -80
        return np.array([float(mpmath.diff(FORMULAS[name], v, n, h=h)) for v in x])


def compiled(level, name, order, x):
    """g'' or g''' by the functions that the kernels of this level inline."""
    function = f"{name}_{order}"
    return evaluate(level, EQUAL.get(function, function), x)


def scale(x):
    return np.maximum(np.abs(x.astype(np.float64)), 1)


# Derivatives of erf by many digits take seconds.
EACH_CURVED = [pytest.param(name, marks=[pytest.mark.slow] * (name == "gelu")) for name in CURVED]


@pytest.mark.engine
@pytest.mark.parametrize("level", levels())
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", EACH_CURVED)
def test_error(level, name, order, dtype):
    x, expected = points(name, dtype), exact(name, order, dtype)
    error = np.abs(compiled(level, name, order, x).astype(np.float64) - expected)
    unit = np.finfo(dtype).eps / 2 * np.maximum(np.abs(expected), 1)
    assert (error <= UNITS * unit * scale(x)).all()


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", EACH_CURVED)
def test_error_of_the_reference(name, order, dtype):
    x, expected = points(name, dtype), exact(name, order, dtype)
    values = getattr(ACTIVATIONS[name], f"{order}_derivative")(x)
    assert values.dtype == dtype
    unit = np.finfo(dtype).eps / 2 * np.maximum(np.abs(expected), 1)
    assert (np.abs(values.astype(np.float64) - expected) <= UNITS * unit * scale(x)).all()


@pytest.mark.engine
@pytest.mark.parametrize("level", levels())
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", CURVED)
def test_special_values(level, name, order, dtype):
    nan = np.array([np.nan, -np.nan], dtype)
    assert np.isnan(compiled(level, name, order, nan)).all()
    huge = np.array([1e5, 1e20, 1e38, np.finfo(dtype).max / 2], dtype)
    huge = -huge if name == "exp" else np.concatenate([huge, -huge])
    assert np.isfinite(compiled(level, name, order, huge)).all()
    assert np.isfinite(getattr(ACTIVATIONS[name], f"{order}_derivative")(huge)).all()


@pytest.mark.engine
@pytest.mark.parametrize("level", levels())
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", CURVED)
def test_a_value_does_not_depend_on_its_place(level, name, order, dtype):
    x = points(name, dtype)[:40]
    whole = compiled(level, name, order, x)
    for length in range(len(x)):
        np.testing.assert_array_equal(compiled(level, name, order, x[:length]), whole[:length])


@pytest.mark.parametrize("name", LINES)
def test_straight_lines_have_none(name, dtype):
    x = np.array([-3.0, -1, 0, 0.5, 3], dtype)
    assert not ACTIVATIONS[name].second_derivative(x).any()
    assert not ACTIVATIONS[name].third_derivative(x).any()


@pytest.mark.engine
@pytest.mark.parametrize("level", levels())
def test_at_zero(level):
    """The left side's of elu and selu, and 0 for softsign''."""
    zero = np.zeros(1)
    for order in ORDERS:
        assert getattr(ACTIVATIONS["elu"], f"{order}_derivative")(zero) == 1
        assert compiled(level, "elu", order, zero) == 1
    assert compiled(level, "softsign", "second", zero) == 0
    assert ACTIVATIONS["softsign"].second_derivative(zero) == 0
