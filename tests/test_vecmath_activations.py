"""vecmath_activations.h keeps its promises at every ISA level: accuracy, limits, bits."""

from functools import cache

import mpmath
import numpy as np
import pytest
from support.activation_formulas import FORMULAS, SLOPES
from support.compiled_maths import SINES, evaluate, levels

pytestmark = pytest.mark.engine
# The contract: the largest error of g, and of g' where it is far from its zero, in units in the
# last place; elsewhere, and of what cancels by itself, in units of 2^-24 or 2^-53.
MAX_ULP, NEAR_A_ZERO, MAX_UNITS = 6, 2, 4
ABSOLUTE = ("hard_sigmoid", "sin", "sin_slope")
WITH_SLOPES = ("elu", "selu", "softsign", "gelu", "gelu_tanh", "silu", "mish", "sin")
NAMES = [*WITH_SLOPES, "softplus", "hard_sigmoid", *(f"{name}_slope" for name in WITH_SLOPES)]


@pytest.fixture(params=levels())
def level(request):
    return request.param


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


@cache
def points(dtype):
    rng = np.random.default_rng(3)
    far = 112 if dtype == "float32" else 760  # e^a is 0 from there on
    parts = [
        *(rng.uniform(-size, size, 100) for size in (1e-3, 1, 3, 40, 300)),
        *(rng.uniform(-size, 0, 100) for size in (6, 15, 40, far)),
        -np.exp2(rng.uniform(-60, 3, 100)),
        np.array([20, -20, 40, -40, 1e4, -1e4]),
    ]
    return np.concatenate(parts).astype(dtype)


@cache
def exact(name, dtype):
    """name at the points, to more than 100 bits."""
    slopes = {f"{g}_slope": slope for g, slope in {**SLOPES, "sin": mpmath.cos}.items()}
    formula = {**FORMULAS, **slopes}[name]
    with mpmath.workprec(200):
        return [formula(mpmath.mpf(float(v))) for v in points(dtype)]


def errors(name, y):
    """|y - name(x)| at the points, in ULP and in units of 2^-24 or 2^-53; and name(x)."""
    info, wanted = np.finfo(y.dtype), exact(name, y.dtype.name)
    with mpmath.workprec(200):
        rounded = np.array([float(v) for v in wanted])
        error = [abs(mpmath.mpf(float(v)) - w) for v, w in zip(y, wanted, strict=True)]
        exponent = np.maximum(np.frexp(rounded)[1], info.minexp + 1) - 1 - info.nmant
        ulp = [mpmath.mpf(2) ** int(e) for e in exponent]
        in_ulp = np.array([float(e / u) for e, u in zip(error, ulp, strict=True)])
        return in_ulp, np.array([float(e) for e in error]) / (info.eps / 2), rounded


def test_error(level, name, dtype):
    x = points(dtype)
    in_ulp, units, y = errors(name, evaluate(level, name, x))
    near_zero = np.zeros(x.shape, bool)
    if name in ABSOLUTE:
        assert (units <= MAX_UNITS * np.maximum(np.abs(x), 1)).all()
        return
    if name.endswith("_slope"):
        near_zero = (x >= -2) & (np.abs(y) <= 0.25)
    assert in_ulp[~near_zero].max() <= MAX_ULP
    assert units[near_zero].max(initial=0) <= NEAR_A_ZERO


def test_error_of_sin_is_absolute(level, dtype, rng):
    x = rng.uniform(-1e5, 1e5, 2000).astype(dtype)
    for name, oracle in (("sin", np.sin), ("sin_slope", np.cos)):
        error = np.abs(evaluate(level, name, x) - oracle(x.astype(np.float64)))
        assert error.max() <= MAX_UNITS * np.finfo(dtype).eps / 2


@pytest.mark.parametrize("name", SINES)
def test_sines_of_an_array_have_the_bits_of_one_number(level, name, dtype, rng):
    # float32 has a faster phase below 8192, for parts of 256 numbers that are all below
    near, far = rng.uniform(-8000, 8000, 256), rng.uniform(8192, 1e6, 256)
    one_far = np.append(near[:255], -1e6)
    edge = np.array([8192, -8192, np.nextafter(np.float32(8192), np.float32(0))])
    parts = [near, one_far, -far, far, edge, near[:30], [np.nan, np.inf]]
    x = np.concatenate(parts).astype(dtype)
    for length in (1, 7, 256, 300, x.size):
        expected = evaluate(level, name, x[:length])
        np.testing.assert_array_equal(evaluate(level, f"{name}s", x[:length]), expected)


@pytest.mark.parametrize(("name", "oracle"), [("sin", np.sin), ("sin_slope", np.cos)])
def test_error_of_sines_where_the_phase_is_taken_in_float(level, name, oracle):
    x = np.arange(-8192, 8192, 0.0371).astype(np.float32)
    x = np.concatenate([x, np.float32(np.pi / 2 * np.arange(-5215, 5216))])
    error = np.abs(evaluate(level, f"{name}s", x) - oracle(x.astype(np.float64)))
    assert error.max() <= 2.5 * 2.0**-24


def test_any_nan_gives_nan(level, name, dtype):
    x = np.array([np.nan, -np.nan], dtype)
    assert np.isnan(evaluate(level, name, np.concatenate([x, np.copysign(x, -1)]))).all()


def test_infinity_gives_the_limit(level, name, dtype):
    x = np.array([-np.inf, np.inf], dtype)
    far = np.array([-1e30, 1e30], dtype)
    expected = evaluate(level, name, far)
    if name.startswith("sin"):
        assert np.isnan(evaluate(level, name, x)).all()
        return
    expected[np.abs(expected) > 1e20] *= np.inf
    np.testing.assert_allclose(evaluate(level, name, x), expected, rtol=1e-6, atol=1e-30)


def test_huge_arguments_are_finite(level, name, dtype):
    x = np.array([1e5, 1e20, 1e38, np.finfo(dtype).max / 2], dtype)
    assert np.isfinite(evaluate(level, name, np.concatenate([x, -x]))).all()


def test_a_value_does_not_depend_on_its_place(level, name, dtype):
    x = points(dtype)[:70]
    whole = evaluate(level, name, x)
    for length in range(len(x)):
        np.testing.assert_array_equal(evaluate(level, name, x[:length]), whole[:length])
