"""Activations and derivatives where they vanish and at infinity: relative accuracy, limits."""

from functools import cache

import mpmath
import numpy as np
import pytest
from support.activation_formulas import FORMULAS, SLOPES
from support.compiled_maths import evaluate
from support.problems import bound_networks

from ffnn_fast import NetworkSpec
from ffnn_fast._model.samples import Samples
from ffnn_fast._runtime.bound_network import BoundNetwork
from ffnn_fast.activations import ACTIVATIONS, SELU_ALPHA, SELU_SCALE, SLOPE
from ffnn_fast.engine import isa

pytestmark = pytest.mark.engine


@pytest.fixture(params=ACTIVATIONS)
def g(request):
    return ACTIVATIONS[request.param]


def slope(g, a):
    """g'(a) as the reference has it."""
    return g.jacobian_product(a, g.function(a), np.ones_like(a))


@cache
def oracle(name, dtype):
    """Arguments, most of them to the left, with g and g' there, rounded to float64.

    And where g' keeps relative accuracy: it is far from its zero.
    """
    rng = np.random.default_rng(11)
    a = [rng.uniform(low, high, 60) for low, high in ((-750, 0), (-110, 0), (-40, 0), (-15, 6))]
    a = np.concatenate([*a, -np.exp2(rng.uniform(-40, 3, 60)), [-5.5, -6, -8, -20]]).astype(dtype)
    with mpmath.workprec(160):
        exact = [mpmath.mpf(float(x)) for x in a]
        h = [float(FORMULAS[name](x)) for x in exact]
        slopes = [float(SLOPES[name](x)) for x in exact]
    slopes = np.array(slopes)
    return a, np.array(h), slopes, (a < -2) | (np.abs(slopes) > 0.25)


def assert_relative(found, exact, dtype, rtol, smallest=4):
    """Equal up to rtol or to this many of the smallest numbers of the dtype."""
    tiny = smallest * float(np.finfo(dtype).smallest_subnormal)
    np.testing.assert_allclose(found.astype(np.float64), exact, rtol=rtol, atol=tiny)


@pytest.mark.parametrize("name", SLOPES)
def test_values_and_derivatives_keep_their_digits_where_they_vanish(name, dtype):
    a, h, slopes, relative = oracle(name, dtype)
    rtol = 1e-6 if dtype == "float32" else 1e-12
    g = ACTIVATIONS[name]
    found = slope(g, a)
    assert g.function(a).dtype == found.dtype == dtype
    assert_relative(g.function(a), h, dtype, rtol, smallest=64)
    assert_relative(found[relative], slopes[relative], dtype, rtol, smallest=64)
    np.testing.assert_allclose(found, slopes, rtol=0, atol=4 * np.finfo(dtype).eps)


@pytest.mark.parametrize("matmul", ["own", "blas"])
@pytest.mark.parametrize("n", [1, 40])
@pytest.mark.parametrize("level", isa.available())
@pytest.mark.parametrize("name", SLOPES)
def test_the_engines_keep_their_digits_where_they_vanish(name, level, n, matmul, dtype):
    """a_1 = x with W_1 = I, and ∇b_1 = g'(a_1) with W_2 = (1, ..., 1) and ∂ℓ/∂ŷ = 1"""
    a, h, slopes, relative = oracle(name, dtype)
    spec = NetworkSpec((a.size, a.size, 1), name, "identity", "absolute", dtype)
    params = np.concatenate([np.eye(a.size).ravel(), 0 * a, 0 * a + 1, [0]]).astype(dtype)
    engine = isa.load(level)
    bound = BoundNetwork(spec, engine.Plan(spec, 1, matmul), params, engine)
    X, y = np.tile(a, (n, 1)), np.full((n, 1), -1e6, dtype)
    _, grad = bound.loss_gradient(Samples(X, y, n * np.eye(n, dtype=dtype)[0]))
    rtol = 16 * np.finfo(dtype).eps
    found = spec.biases(grad)[0]
    assert_relative(found[relative], slopes[relative], dtype, rtol)
    np.testing.assert_allclose(found, slopes, rtol=0, atol=4 * np.finfo(dtype).eps)
    one = NetworkSpec((1, 1), (), name, dtype=dtype)
    (bound,) = bound_networks(one, np.array([1, 0], dtype), engine)
    assert_relative(bound.forward(a[:, None])[:, 0], h, dtype, rtol)


def test_infinite_arguments_give_the_limits(g, dtype):
    """In both engines; sin has none."""
    a = np.array([-np.inf, np.inf, np.nan], dtype)
    spec = NetworkSpec((1, 1), (), g.name, dtype=dtype)
    limits = {"elu": (-1, np.inf, 0, 1), "leaky_relu": (-np.inf, np.inf, SLOPE, 1)}
    limits |= {"selu": (-SELU_SCALE * SELU_ALPHA, np.inf, 0, SELU_SCALE)}
    limits |= {"identity": (-np.inf, np.inf, 1, 1), "exp": (0, np.inf, 0, np.inf)}
    limits |= dict.fromkeys(("softsign", "tanh"), (-1, 1, 0, 0))
    limits |= dict.fromkeys(("logistic", "hard_sigmoid"), (0, 1, 0, 0))
    left, right, *slopes = limits.get(g.name, (0, np.inf, 0, 1))
    if g.name == "sin":
        left, right, slopes = np.nan, np.nan, (np.nan, np.nan)
    with np.errstate(invalid="ignore"):
        found, found_slopes = g.function(a), slope(g, a)[:2]
    np.testing.assert_allclose(found, [left, right, np.nan], rtol=1e-6)
    np.testing.assert_allclose(found_slopes, slopes, rtol=1e-6)
    for bound in bound_networks(spec, np.array([1, 0], dtype), *map(isa.load, isa.available())):
        np.testing.assert_allclose(
            bound.forward(a[:, None])[:, 0], [left, right, np.nan], rtol=1e-6
        )


EXAMPLES = [  # activation, a, g(a), g'(a)
    ("gelu", -5.5, -1.04443e-7, -5.73347e-7), ("gelu", -6.0, -5.91953e-9, -3.54687e-8),
    ("gelu", -8.0, -4.97677e-15, -3.97961e-14), ("gelu_tanh", -5.0, -2.2918e-7, -1.54636e-6),
    ("gelu_tanh", -6.0, -8.43965e-11, -7.70997e-10), ("silu", -90.0, -7.37461e-38, -7.29267e-38),
    ("mish", -90.0, -7.37461e-38, -7.29267e-38), ("elu", -20.0, -1.0, 2.06115e-9),
    ("selu", -20.0, -1.7581, 3.62371e-9), ("softsign", -1000000.0, -0.999999, 9.99998e-13),
]  # fmt: skip


@pytest.mark.parametrize(("name", "a", "h", "derivative"), EXAMPLES)
def test_left_tails_by_example(name, a, h, derivative, dtype):
    a = np.array([a], dtype)
    assert ACTIVATIONS[name].function(a)[0] == pytest.approx(h, rel=1e-4)
    assert slope(ACTIVATIONS[name], a)[0] == pytest.approx(derivative, rel=1e-4)
    assert evaluate(isa.level, name, a)[0] == pytest.approx(h, rel=1e-4)
    assert evaluate(isa.level, f"{name}_slope", a)[0] == pytest.approx(derivative, rel=1e-4)
