"""Activations: torch's numbers, formulas to many digits, limits, and functions of one's own."""

import copy

import mpmath
import numpy as np
import pytest
from scipy import special
from support.activation_formulas import FORMULAS
from support.compiled_maths import evaluate

from ffnn_fast import Activation, Network, NetworkSpec
from ffnn_fast._activation_derivatives import SECOND, THIRD
from ffnn_fast.activations import (
    ACTIVATIONS,
    OUTPUTS,
    SELU_ALPHA,
    SELU_SCALE,
    log_softmax,
    logsumexp,
    softmax,
)
from ffnn_fast.engine import isa
from ffnn_fast.initializers import INITIALIZERS, initialize

POINTS = [-4.0, -1.3, -0.2, 0.0, 0.7, 3.5]
# h and g' at these points, from torch.nn.functional and its autograd, version 2, float64
TORCH = {
    "leaky_relu": ([-0.04, -0.013, -0.002, 0.0, 0.7, 3.5], [0.01, 0.01, 0.01, 0.01, 1.0, 1.0]),
    "elu": (
        [-0.9816843611112658, -0.7274682069659875, -0.18126924692201815, 0.0, 0.7, 3.5],
        [0.01831563888873418, 0.2725317930340126, 0.8187307530779818, 1.0, 1.0, 1.0],
    ),
    "selu": (
        [
            -1.7258986281898945, -1.2789613751543256, -0.31868934352950046, 0.0,
            0.7354906911488363, 3.677453455744182,
        ],
        [
            0.03220071265748214, 0.4791379656930512, 1.439409997317876, 1.7580993408473766,
            1.0507009873554805, 1.0507009873554805,
        ],
    ),
    "softplus": (
        [
            0.018149927917809738, 0.2410084538329922, 0.5981388693815918, 0.6931471805599453,
            1.103186048885458, 3.5297504182726205,
        ],
        [
            0.017986209962091555, 0.2141650169574414, 0.4501660026875221, 0.5,
            0.6681877721681662, 0.9706877692486436,
        ],
    ),
    "softsign": (
        [-0.8, -0.5652173913043479, -0.16666666666666669, 0.0, 0.4117647058823529, 7 / 9],
        [0.04, 0.1890359168241966, 0.6944444444444444, 1.0, 0.34602076124567477, 4 / 81],
    ),
    "hard_sigmoid": (
        [0.0, 0.2833333333333333, 0.4666666666666666, 0.5, 0.6166666666666667, 1.0],
        [0.0, 1 / 6, 1 / 6, 1 / 6, 1 / 6, 0.0],
    ),
    "gelu": (
        [
            -0.00012668496733247991, -0.1258406299612934, -0.0841480581121794, 0.0,
            0.5306254434438489, 3.4991857982233756,
        ],
        [
            -0.0005036496612264215, -0.12597868507653925, 0.34253175176580575, 0.5,
            0.9766141011336599, 1.0028217603536247,
        ],
    ),
    "gelu_tanh": (
        [
            -7.024594819227126e-05, -0.1260709876826906, -0.08414857021789374, 0.0,
            0.5305701347051167, 3.499383802344626,
        ],
        [
            -0.00033512319712218684, -0.12587806978401672, 0.3425418508043005, 0.5,
            0.976357218656104, 1.0024226437601167,
        ],
    ),
    "silu": (
        [
            -0.07194483984836623, -0.2784145220446738, -0.09003320053750444, 0.0,
            0.46773144051771626, 3.3974071923702525,
        ],
        [
            -0.05266461489107291, -0.004622854252336919, 0.40066268814515016, 0.5,
            0.8233867834733425, 1.0702733528277182,
        ],
    ),
    "mish": (
        [
            -0.07259174079202535, -0.3073824647494959, -0.10714478086835713, 0.0,
            0.5611483776438518, 3.4939907151175196,
        ],
        [
            -0.05377320979348033, -0.02640096215980155, 0.4715302415134095, 0.6,
            0.9687948682001859, 1.0099393249951327,
        ],
    ),
}  # fmt: skip


LEFT = {"elu": -1, "selu": -SELU_SCALE * SELU_ALPHA, "softsign": -1, "tanh": -1}
ZERO_ON_THE_LEFT = (
    "logistic", "relu", "softplus", "hard_sigmoid", "exp", "gelu", "gelu_tanh", "silu", "mish",
)  # fmt: skip


@pytest.fixture(params=ACTIVATIONS)
def g(request):
    return ACTIVATIONS[request.param]


def slope(g, a):
    """g'(a) as the reference has it."""
    return g.jacobian_product(a, g.function(a), np.ones_like(a))


@pytest.mark.parametrize("name", TORCH)
def test_torch_has_the_same_numbers(name):
    a, (h, dh) = np.array(POINTS), TORCH[name]
    np.testing.assert_allclose(ACTIVATIONS[name].function(a), h, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(slope(ACTIVATIONS[name], a), dh, rtol=1e-12, atol=1e-15)


def test_formula_and_derivative_to_many_digits(g, rng):
    a = np.concatenate([rng.uniform(-3, 3, 60), rng.uniform(-30, 5, 40)])
    a = a[np.abs(np.abs(a) - 3) > 1e-3]  # the kinks of hard_sigmoid
    with mpmath.workprec(160):
        exact = [FORMULAS[g.name](mpmath.mpf(x)) for x in a.tolist()]
        slopes = [mpmath.diff(FORMULAS[g.name], mpmath.mpf(x)) for x in a.tolist()]
    scale = 1e-15 * np.maximum(np.abs(a), 1) * np.maximum(np.abs(np.array(exact, float)), 1)
    assert (np.abs(g.function(a) - np.array(exact, float)) <= 4 * scale).all()
    assert (np.abs(slope(g, a) - np.array(slopes, float)) <= 8 * scale).all()


def test_every_activation_has_a_formula_here():
    assert set(FORMULAS) == set(ACTIVATIONS)
    assert set(OUTPUTS) == {*ACTIVATIONS, "softmax"}


def test_large_arguments_give_the_limits(g, dtype):
    a = np.array([-1e30, -1e4, 1e4, 1e30] if g.name != "exp" else [-1e30, -1e4, 10, 80], dtype)
    h, dh = g.function(a), slope(g, a)
    assert h.dtype == dh.dtype == dtype
    assert np.isfinite(h).all()
    assert np.isfinite(dh).all()
    if g.name in ZERO_ON_THE_LEFT:
        np.testing.assert_allclose(h[:2], 0, atol=1e-30)
        np.testing.assert_allclose(dh[:2], 0, atol=1e-30)
    elif g.name in LEFT:
        np.testing.assert_allclose(h[:2], LEFT[g.name], rtol=2e-4)


def test_not_a_number_stays_one(g, dtype):
    a = np.array([np.nan, 1], dtype)
    assert np.isnan(g.function(a)).tolist() == [True, False]


def test_compiled_outputs_of_large_arguments(g, dtype):
    """a_L = ±10^30 and ±50 through both engines."""
    spec = NetworkSpec((1, 1), (), g.name, dtype=dtype)
    params = np.array([1, 0], dtype)
    X = np.array([[-1e30], [-50], [50], [1e30]][: 2 if g.name == "exp" else 4], dtype)
    found = []
    for engine in ("compiled", "reference"):
        net = Network.from_params(spec, params, engine=engine)
        found.append(net.forward(X))
    np.testing.assert_allclose(*found, rtol=1e-6 if dtype == "float32" else 1e-13)


def test_sin_far_from_zero(dtype):
    x = np.array([1e3, -1e5, 2.0**27, 2.0**28, 1e300 if dtype == "float64" else 1e30], dtype)
    out = evaluate(isa.level, "sin", x)
    np.testing.assert_allclose(out[:3], np.sin(x[:3]), atol=4 * np.finfo(dtype).eps)
    np.testing.assert_array_equal(out[3:], 0)
    np.testing.assert_array_equal(ACTIVATIONS["sin"].function(x)[3:], 0)
    np.testing.assert_array_equal(ACTIVATIONS["sin"].derivative(x)[3:], 0)
    for derivative in (SECOND["sin"], THIRD["sin"]):
        np.testing.assert_array_equal(derivative(x)[3:], 0)
    np.testing.assert_array_equal(ACTIVATIONS["sin"].function(x)[:3], np.sin(x[:3]))
    np.testing.assert_array_equal(ACTIVATIONS["sin"].derivative(x)[:3], np.cos(x[:3]))


EXTREMES = [
    [40.0, 0.0], [0.0, 0.0, 0.0], [-1e6, -1e6 - 1, -1e6 - 2], [1e3, -1e3], [1e-3, -2e-3, 5.0],
    [0.0, -800.0], [3.0],
]  # fmt: skip


@pytest.mark.parametrize("a", EXTREMES)
def test_sums_of_exponentials_to_all_digits(a, dtype):
    given = np.array(a, dtype)
    with mpmath.workprec(3000):
        x = [mpmath.mpf(float(v)) for v in given]
        total = mpmath.fsum(map(mpmath.exp, x))
        p, log_p = [mpmath.exp(v) / total for v in x], [v - mpmath.log(total) for v in x]
        p, log_p, log_total = [*map(float, p)], [*map(float, log_p)], float(mpmath.log(total))
    rtol, tiny = 4 * np.finfo(dtype).eps, np.finfo(dtype).tiny
    assert softmax(given).dtype == log_softmax(given).dtype == logsumexp(given).dtype == dtype
    np.testing.assert_allclose(softmax(given), p, rtol=rtol, atol=tiny)
    np.testing.assert_allclose(log_softmax(given), log_p, rtol=rtol)
    np.testing.assert_allclose(logsumexp(given), log_total, rtol=rtol)


@pytest.mark.parametrize("axis", [0, 1, -1, 2, (0, 2), None])
def test_sums_of_exponentials_on_any_axis(axis, rng):
    a = rng.normal(size=(3, 4, 5))
    np.testing.assert_allclose(softmax(a, axis), special.softmax(a, axis), rtol=1e-14)
    np.testing.assert_allclose(log_softmax(a, axis), special.log_softmax(a, axis), rtol=1e-13)
    for keepdims in (False, True):
        found = logsumexp(a, axis, keepdims=keepdims)
        expected = special.logsumexp(a, axis, keepdims=keepdims)
        assert found.shape == np.shape(expected)
        np.testing.assert_allclose(found, expected, rtol=1e-14)


def test_sums_of_exponentials_at_infinity_and_of_integers():
    inf = np.inf
    assert logsumexp([-inf, -inf]) == -inf
    assert logsumexp([inf, 0.0]) == inf
    assert np.isnan(logsumexp([np.nan, 0.0]))
    assert np.isnan(log_softmax([np.nan, 0.0])).all()
    np.testing.assert_array_equal(log_softmax([0.0, -inf]), [0, -inf])
    np.testing.assert_allclose(softmax([[1, 1], [0, -inf]]), [[0.5, 0.5], [1, 0]])
    assert softmax([1, 2]).dtype == np.float64
    for function in (softmax, log_softmax, logsumexp):
        with pytest.raises(ValueError, match=r"zero-size|axis"):
            function(np.zeros((2, 0)))
        with pytest.raises(ValueError, match="axis"):
            function([1.0], axis=1)


@pytest.mark.parametrize(
    ("activation", "rule"),
    [("gelu", "glorot_uniform"), ("silu", "glorot_uniform"), ("selu", "lecun_normal"),
     ("leaky_relu", "glorot_uniform"), ("softplus", "glorot_uniform"), ("sin", "glorot_uniform")],
)  # fmt: skip
def test_auto_initializer(activation, rule):
    spec = NetworkSpec((30, 20, 10), activation, dtype="float64")
    W = spec.weights(initialize(spec, "auto", np.random.default_rng(5)))[0]
    np.testing.assert_array_equal(W, INITIALIZERS[rule](20, 30, np.random.default_rng(5)))


BUMP = Activation("bump", lambda a: np.exp(-a * a), lambda a: -2 * a * np.exp(-a * a))
SQUARE = Activation("square", lambda a: a * a, lambda h: 2 * np.sqrt(h), of="h")


def test_a_function_of_your_own(rng, tmp_path):
    X, y = rng.normal(size=(40, 3)), rng.integers(0, 2, 40)
    net = Network([3, 6, 2], activation=BUMP, seed=0, dtype="float64")
    assert net.engine == "reference"
    assert "bump" in repr(net)
    assert net.check_gradients(X[:5], y[:5]).passed
    history = net.fit(X, y, epochs=5)
    assert history[-1]["loss"] < history[0]["loss"]
    twin = copy.deepcopy(net)
    np.testing.assert_array_equal(twin.forward(X), net.forward(X))
    with pytest.raises(ValueError, match="'bump'"):
        net.save(tmp_path / "net.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_a_derivative_in_terms_of_h(rng):
    net = Network([3, 4, 1], activation="tanh", output=SQUARE, loss="absolute", dtype="float64")
    net.biases[-1][:] = 3  # on the side where 2 √h is the derivative
    assert net.check_gradients(rng.normal(size=(4, 3)), np.zeros(4)).passed


def test_a_wrong_derivative_is_found(rng):
    wrong = Activation("wrong", np.tanh, lambda a: 1 - np.tanh(a))
    net = Network([3, 4, 2], activation=wrong, seed=0)
    assert not net.check_gradients(rng.normal(size=(4, 3)), [0, 1, 0, 1]).passed


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ((3, np.tanh, np.cos), TypeError, "name"),
        (("f", 3, np.cos), TypeError, "callable"),
        (("f", np.sin, None), TypeError, "callable"),
        (("f", np.sin, np.cos, "x"), ValueError, "of must be one of a, h"),
        (("f", np.sin, np.cos, "h", 3), TypeError, "initializer must be a string, got 3"),
    ],
)
def test_what_is_no_activation(arguments, error, match):
    with pytest.raises(error, match=match):
        Activation(*arguments)
