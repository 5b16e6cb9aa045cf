"""Start values: the variance of each rule, its limits, seeds, and what a function may return."""

import numpy as np
import pytest

from ffnn_fast import Network
from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast.activations import ACTIVATIONS
from ffnn_fast.initializers import INITIALIZERS, initialize
from ffnn_fast.inputs import InputBlock

SIZES = (300, 200, 150)
FORMULAS = {
    "glorot": lambda fan_out, fan_in: 2 / (fan_in + fan_out),
    "he": lambda fan_out, fan_in: 2 / fan_in,
    "lecun": lambda fan_out, fan_in: 1 / fan_in,
    "fan_in": lambda fan_out, fan_in: 1 / (3 * fan_in),
}


def drawn(initializer, seed=0, **spec):
    spec = NetworkSpec(**{"layer_sizes": SIZES, "dtype": "float64", **spec})
    params = initialize(spec, initializer, np.random.default_rng(seed))
    return spec.weights(params), spec.biases(params)


@pytest.mark.parametrize("shape", ["uniform", "normal"])
@pytest.mark.parametrize("rule", FORMULAS)
def test_mean_and_variance_within_five_standard_errors(rule, shape):
    for W in drawn(f"{rule}_{shape}")[0]:
        variance = FORMULAS[rule](*W.shape)
        # Var of the sample variance is (kurtosis − 1) σ⁴ / n: kurtosis 3 if normal, 9/5 if uniform
        kurtosis = {"normal": 3, "uniform": 9 / 5}[shape]
        assert abs(W.mean()) < 5 * np.sqrt(variance / W.size)
        assert abs(W.var() - variance) < 5 * variance * np.sqrt((kurtosis - 1) / W.size)


@pytest.mark.parametrize("rule", FORMULAS)
def test_uniform_fills_its_interval_and_normal_goes_beyond(rule):
    for uniform, normal in zip(
        drawn(f"{rule}_uniform")[0], drawn(f"{rule}_normal")[0], strict=True
    ):
        bound = np.sqrt(3 * FORMULAS[rule](*uniform.shape))
        assert 0.999 * bound < np.abs(uniform).max() <= bound
        assert np.abs(normal).max() > 1.5 * bound


@pytest.mark.parametrize("name", ["auto", *INITIALIZERS])
def test_biases_are_zero_and_weights_only_for_zeros(name):
    weights, biases = drawn(name)
    assert all((b == 0).all() for b in biases)
    assert all((W == 0).all() for W in weights) == (name == "zeros")


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_auto_is_glorot_uniform_before_all_but_selu(activation):
    rng, widths = np.random.default_rng(7), (30, 20, 5)
    weights, _ = drawn("auto", seed=7, layer_sizes=widths, activations=(activation,))
    bound, bound_out = np.sqrt(6 / (30 + 20)), np.sqrt(6 / (20 + 5))
    first = rng.normal(0, np.sqrt(1 / 30), (20, 30)) if activation == "selu" else None
    expected = rng.uniform(-bound, bound, (20, 30)) if first is None else first
    np.testing.assert_array_equal(weights[0], expected)
    np.testing.assert_array_equal(weights[1], rng.uniform(-bound_out, bound_out, (5, 20)))


@pytest.mark.parametrize("name", ["auto", *INITIALIZERS])
def test_same_seed_same_values_in_both_dtypes(name):
    double, _ = drawn(name, seed=3)
    single, _ = drawn(name, seed=3, dtype="float32")
    for W, w in zip(double, single, strict=True):
        assert w.dtype == np.float32
        np.testing.assert_array_equal(W.astype(np.float32), w)


def test_seeds_differ_and_layers_differ():
    first, second = drawn("glorot_uniform", seed=0), drawn("glorot_uniform", seed=1)
    assert (first[0][0] != second[0][0]).any()
    W, V = drawn("lecun_normal", layer_sizes=(6, 6, 6))[0]
    assert (W != V).any()


def test_global_generator_is_left_alone():
    before = np.random.get_state(legacy=False)["state"]  # noqa: NPY002
    drawn("auto")
    after = np.random.get_state(legacy=False)["state"]  # noqa: NPY002
    np.testing.assert_array_equal(before["key"], after["key"])
    assert before["pos"] == after["pos"]


def test_function_gets_fans_and_generator():
    calls = []

    def ramp(fan_out, fan_in, rng):
        calls.append((fan_out, fan_in, type(rng)))
        return np.arange(fan_out * fan_in).reshape(fan_out, fan_in)

    weights, biases = drawn(ramp, layer_sizes=(3, 4, 2))
    assert calls == [(4, 3, np.random.Generator), (2, 4, np.random.Generator)]
    np.testing.assert_array_equal(weights[1], [[0, 1, 2, 3], [4, 5, 6, 7]])
    assert not biases[0].any()


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (np.zeros((3, 4)), r"\(4, 3\), got \(3, 4\)"),
        (np.zeros(12), r"got \(12,\)"),
        (0.5, r"got \(\)"),
        (np.full((4, 3), np.nan), "finite"),
        (np.full((4, 3), -np.inf), "finite"),
        (np.full((4, 3), 1e39), "finite in float32"),
    ],
)
def test_function_with_a_wrong_result_is_refused(result, message):
    with pytest.raises(ValueError, match=message):
        drawn(lambda fan_out, fan_in, rng: result, layer_sizes=(3, 4), dtype="float32")


def test_unknown_name_and_wrong_types_are_refused():
    with pytest.raises(ValueError, match=r"one of auto, glorot_uniform.*got 'xaviour'"):
        drawn("xaviour")
    with pytest.raises(TypeError, match="name or a function"):
        drawn(3)
    with pytest.raises(TypeError, match=r"numpy.random.Generator, got int"):
        initialize(NetworkSpec((2, 2)), "zeros", 0)


# --- From rows ---


@pytest.fixture
def rows(rng):
    return rng.uniform(900, 1100, (400, 5)) * [1, 10, 1e-3, 1, 1]


@pytest.mark.parametrize("options", [{}, {"inputs": InputBlock(), "parametric": True}])
def test_pre_activations_have_deviation_one(rows, options):
    net = Network([5, 30, 20, 3], output="identity", dtype="float64", seed=0, **options)
    further = net.params[net.spec.n_layer_params :].copy()
    net.initialize(rows)
    trace = net.trace(rows)
    for k in (1, 2, 3):
        np.testing.assert_allclose(trace[f"a_{k}"].std(axis=0), 1, rtol=1e-9)
        assert (trace[f"a_{k}"].min(axis=0) < 0).all()  # the zero lies among the rows
        assert (trace[f"a_{k}"].max(axis=0) > 0).all()
    np.testing.assert_array_equal(net.params[net.spec.n_layer_params :], further)


def test_biases_are_convex_combinations_of_pre_activations_at_rows(rows):
    """With one row they are that row's; a unit without deviation keeps N(0, 1/n_{k-1})."""
    net = Network([5, 2000, 1], output="identity", dtype="float64", seed=0)
    net.initialize(rows[:1])
    trace = net.trace(rows[:1])
    np.testing.assert_allclose(trace["a_1"], 0, atol=1e-9)
    np.testing.assert_allclose(trace["a_2"], 0, atol=1e-9)
    assert 0.97 < net.weights[0].std() * np.sqrt(5) < 1.03
    net.initialize(rows, biases="zeros")
    assert all((b == 0).all() for b in net.biases)


@pytest.mark.parametrize("most_rows", [40, 1000])
def test_no_more_rows_than_allowed_are_drawn(rows, most_rows):
    """Only on all rows is the deviation 1 throughout."""
    net = Network([5, 30, 1], output="identity", dtype="float64", seed=0)
    net.initialize(rows, most_rows=most_rows)
    deviation = net.trace(rows)["a_1"].std(axis=0)
    assert (np.abs(deviation - 1).max() < 1e-9) == (most_rows > len(rows))


def test_draws_from_rows_have_a_seed_of_their_own_or_the_networks(rows):
    nets = [Network([5, 8, 1], output="identity", seed=seed) for seed in (0, 0, 1)]
    for net in nets[:2]:
        net.initialize(rows)
    np.testing.assert_array_equal(nets[0].params, nets[1].params)
    for net in nets[1:]:
        net.initialize(rows, rng=3)
    np.testing.assert_array_equal(nets[1].params, nets[2].params)
    assert (nets[0].params != nets[1].params).any()


def test_the_optimizer_begins_anew_after_it(rows, rng):
    net = Network([5, 8, 1], output="identity", seed=0)
    net.partial_fit(rows, rng.normal(size=400), optimizer="adam")
    net.initialize(rows)
    assert net.stream is None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"biases": "he"}, "biases must be one of"),
        ({"rng": "a"}, "rng"),
        ({"most_rows": 0}, "most_rows"),
        ({"X": np.ones((3, 4))}, "X must have shape"),
        ({"X": np.diag(np.full(5, 1e300))}, "deviation of the pre-activations of layer 1"),
    ],
)
def test_rows_that_are_refused(rows, given, message):
    net = Network([5, 8, 1], output="identity", dtype="float64", seed=0)
    before = net.params.copy()
    with pytest.raises((TypeError, ValueError), match=message):
        net.initialize(**{"X": rows} | given)
    np.testing.assert_array_equal(net.params, before)
