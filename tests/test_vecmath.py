"""vecmath.h at every ISA level: accuracy within its bounds, special values, bits."""

import os
from functools import cache

import mpmath
import numpy as np
import pytest
from support.compiled_maths import evaluate, evaluate_in_place, levels
from support.problems import bound_networks

from ffnn_fast import NetworkSpec
from ffnn_fast.engine import isa

pytestmark = pytest.mark.engine

# The contract: the largest error over the whole range, in units in the last place, for both dtypes.
MAX_ULP = {"exp": 1, "log": 2, "tanh": 2, "logistic": 3, "expm1": 3, "log1p": 3}

INF, NAN = np.inf, np.nan
SPECIAL_VALUES = {
    "exp": [(0.0, 1), (-0.0, 1), (INF, INF), (-INF, 0), (1e6, INF), (-1e6, 0)],
    "log": [(0.0, -INF), (-0.0, -INF), (1, 0), (INF, INF), (-INF, NAN), (-1, NAN), (-1e-40, NAN)],
    "tanh": [(0.0, 0.0), (-0.0, -0.0), (INF, 1), (-INF, -1), (50, 1), (-50, -1)],
    "logistic": [(0.0, 0.5), (-0.0, 0.5), (INF, 1), (-INF, 0), (1e6, 1), (-1e6, 0)],
    "expm1": [(0.0, 0.0), (-0.0, -0.0), (INF, INF), (-INF, -1), (1e6, INF), (-1e6, -1)],
    "log1p": [(0.0, 0.0), (-0.0, -0.0), (-1, -INF), (INF, INF), (-INF, NAN), (-1.5, NAN)],
}
ODD = ("tanh", "expm1", "log1p")  # f(x) = x + O(x²)
EXTENDED = np.finfo(np.longdouble).nmant > np.finfo(np.float64).nmant
SWEEP_STEP = 1021  # a prime: 2^22 of the 2^32 float32 values, with all their low bits


def logistic(x):
    """1 / (1 + e^-x) without overflow, in x's own precision"""
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


ORACLES = {
    "exp": np.exp,
    "log": np.log,
    "tanh": np.tanh,
    "logistic": logistic,
    "expm1": np.expm1,
    "log1p": np.log1p,
}
MP_ORACLES = {
    "exp": mpmath.exp,
    "log": mpmath.log,
    "tanh": mpmath.tanh,
    "logistic": lambda x: 1 / (1 + mpmath.exp(-x)),
    "expm1": mpmath.expm1,
    "log1p": mpmath.log1p,
}


@pytest.fixture(params=levels())
def level(request):
    return request.param


@pytest.fixture(params=MAX_ULP)
def name(request):
    return request.param


def bits(x):
    return x.view(f"u{x.itemsize}")


def same_bits(x, y):
    return np.array_equal(bits(x), bits(y))


def in_domain(name, x):
    """The finite x for which name(x) is a finite number, or overflows."""
    lowest = {"log": 0, "log1p": -1}.get(name, -INF)
    with np.errstate(invalid="ignore"):
        return x[np.isfinite(x) & (x > lowest)]


def ulp_of(exact, dtype):
    """The distance of neighbours in `dtype` at `exact` (wider than dtype, clipped to its range)."""
    info = np.finfo(dtype)
    _, exponent = np.frexp(exact)
    exponent = np.clip(exponent, info.minexp + 1, info.maxexp)
    return np.ldexp(exact.dtype.type(1), exponent - 1 - info.nmant)


def clipped(y, wide, dtype):
    """y in the dtype `wide`, with the first power of two that overflows in place of infinity."""
    first = np.ldexp(wide(1), np.finfo(dtype).maxexp)
    return np.clip(y.astype(wide), -first, first)


def max_error(y, exact, ulp):
    return float(np.max(np.abs(clipped(y, exact.dtype.type, y.dtype) - exact) / ulp))


def with_oracle(name, x, wide):
    """x, name(x) to more digits, and the unit of the error there."""
    with np.errstate(all="ignore"):
        exact = clipped(ORACLES[name](x.astype(wide)), wide, x.dtype)
    return x, exact, ulp_of(exact, x.dtype)


def float32_values(start, stop, step=1):
    return np.arange(start, stop, step, dtype=np.uint64).astype(np.uint32).view(np.float32)


@cache
def float32_sweep(name):
    return with_oracle(name, in_domain(name, float32_values(0, 2**32, SWEEP_STEP)), np.float64)


@cache
def float64_points(name, n):
    """Random bit patterns, the ranges where something happens, near 0 (log: 1), edges."""
    rng = np.random.default_rng(7)
    info = np.finfo(np.float64)
    sign = rng.choice([-1.0, 1.0], n)
    near = (name == "log") + sign * np.exp2(rng.uniform(-60, 1, n))
    edges = [info.max, info.tiny, info.smallest_subnormal, 1, 0.75, 2**53, np.log(info.max)]
    edges += [745.1332191019411, 744.4400719213812, 708.3964185322641, np.sqrt(0.5), np.sqrt(2.0)]
    edges = np.array(edges)
    edges = np.concatenate([edges, np.nextafter(edges, 0), np.nextafter(edges, 1e9)])
    parts = [
        rng.integers(0, 2**64, n, dtype=np.uint64).view(np.float64),
        rng.uniform(-800, 800, n),
        rng.uniform(-40, 40, n),
        rng.uniform(-3, 3, n),
        near,
        edges,
        -edges,
    ]
    return in_domain(name, np.concatenate(parts))


@cache
def float64_sample(name):
    return with_oracle(name, float64_points(name, 2**17), np.longdouble)


def mp_error(name, x, y):
    """The largest error of y against name(x) to 40 digits or more, in ULP of float64."""
    with mpmath.workprec(1200 if name == "logistic" else 140):
        exact = [MP_ORACLES[name](mpmath.mpf(float(v))) for v in x]
        first = mpmath.mpf(2) ** 1024
        exact = [max(min(v, first), -first) for v in exact]
        wide = np.array([float(v) if abs(v) < first else np.sign(v) * 1.7e308 for v in exact])
        ulp = ulp_of(wide, np.float64)
        got = [mpmath.mpf(float(v)) if np.isfinite(v) else np.sign(v) * first for v in y]
        return max(float(abs(g - e) / u) for g, e, u in zip(got, exact, ulp, strict=True))


def test_float32_error(level, name):
    x, exact, ulp = float32_sweep(name)
    assert max_error(evaluate(level, name, x), exact, ulp) <= MAX_ULP[name]


@pytest.mark.slow
def test_float32_error_of_very_many_arguments(name):
    """Every 17th float32 there is; all of them with FFNN_FAST_EVERY_FLOAT32=1, in half an hour."""
    step = 1 if os.environ.get("FFNN_FAST_EVERY_FLOAT32") == "1" else 17
    for start in range(0, 2**32, step * 2**22):
        x = in_domain(name, float32_values(start, min(start + step * 2**22, 2**32), step))
        if x.size:
            x, exact, ulp = with_oracle(name, x, np.float64)
            for level in levels():
                assert max_error(evaluate(level, name, x), exact, ulp) <= MAX_ULP[name]


@pytest.mark.skipif(not EXTENDED, reason="long double has no more digits than double here")
def test_float64_error(level, name):
    x, exact, ulp = float64_sample(name)
    assert max_error(evaluate(level, name, x), exact, ulp) <= MAX_ULP[name]


def test_float64_error_against_mpmath(level, name):
    x = float64_points(name, 100)
    assert mp_error(name, x, evaluate(level, name, x)) <= MAX_ULP[name]


def test_special_values(level, name, dtype):
    x, expected = np.array(SPECIAL_VALUES[name]).astype(dtype).T.copy()
    y = evaluate(level, name, x)
    np.testing.assert_array_equal(y, expected)
    number = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(y[number]), np.signbit(expected[number]))


def test_any_nan_gives_nan(level, name, dtype):
    infinity = bits(np.array([INF, -INF], dtype))
    payloads = np.array([1, 2, 3, 5, 127, 128, 2**21, 2**22 - 1, 2**22, 2**22 + 2], infinity.dtype)
    x = (infinity[:, None] | payloads).ravel().view(dtype)
    assert np.isnan(x).all()
    assert np.isnan(evaluate(level, name, x)).all()


@pytest.mark.parametrize("name", ODD)
def test_tiny_arguments_are_kept(level, name, dtype):
    info = np.finfo(dtype)
    x = info.smallest_subnormal * np.array([1, 2, 3, 1001, 12345], dtype)
    x = np.concatenate([x, -x, [info.tiny, -info.tiny, 2 * info.tiny]]).astype(dtype)
    assert same_bits(evaluate(level, name, x), x)


@pytest.mark.parametrize("name", ["exp", "logistic"])
def test_underflow_is_gradual(level, name, dtype):
    info = np.finfo(dtype)
    exponent = np.arange(info.minexp - info.nmant, info.minexp)
    x = (exponent * np.log(2.0)).astype(dtype)
    y = evaluate(level, name, x)
    assert (y > 0).all()
    assert (np.diff(y) > 0).all()
    assert y[0] == info.smallest_subnormal
    assert evaluate(level, name, x[:1] - 1)[0] == 0


def test_a_value_does_not_depend_on_its_place(level, name, dtype, rng):
    x = np.concatenate([rng.normal(0, 5, 150), np.array(SPECIAL_VALUES[name])[:, 0]]).astype(dtype)
    whole = evaluate(level, name, x)
    assert same_bits(
        np.concatenate([evaluate(level, name, x[i : i + 1]) for i in range(len(x))]), whole
    )
    for length in range(len(x)):
        assert same_bits(evaluate(level, name, x[:length]), whole[:length])
    evaluate_in_place(level, name, x)
    assert same_bits(x, whole)


def test_levels_that_have_fma_agree_bit_for_bit(name, dtype):
    fused = [level for level in levels() if level in ("v3", "v4")]
    if len(fused) < 2:
        pytest.skip("needs two levels with FMA")
    x = float32_sweep(name)[0] if dtype == "float32" else float64_points(name, 2**17)
    low, high = (evaluate(level, name, x) for level in fused)
    assert same_bits(low, high)


@pytest.mark.parametrize("engine_level", isa.available())
@pytest.mark.parametrize("function", ["logistic", "tanh", "exp", "softplus"])
def test_the_engine_has_the_bits_of_these_functions(engine_level, function, dtype, rng):
    """ŷ = g(0 + 1 x) of a network with one input and one output."""
    spec = NetworkSpec((1, 1), output=function, dtype=dtype)
    (bound,) = bound_networks(spec, np.array([1, 0], dtype), isa.load(engine_level))
    x = rng.uniform(0.1, 9, 50).astype(dtype)
    x[::2] *= -1
    assert same_bits(bound.forward(x[:, None])[:, 0].copy(), evaluate(engine_level, function, x))
