"""Input blocks and parametric activations: formulas, gradients, training, files, refusals."""

import pickle
from itertools import product

import numpy as np
import pytest
from support.input_blocks import ALL, BINS, NETWORKS, rows, small, spec_of

from ffnn_fast import Network, NetworkSpec
from ffnn_fast.inputs import InputBlock
from ffnn_fast.online import OnlineLearner
from ffnn_fast.optimizers import AdamW, Factors

X_CODES = np.arange(200) % 6


@pytest.fixture(params=NETWORKS)
def options(request):
    """Arguments of a description."""
    return NETWORKS[request.param]


# --- Formulas ---


def test_units_of_a_block():
    """The table of `ffnn_fast.inputs`, column by column, written once more."""
    block = InputBlock(categories={1: 12, 2: 3, 3: 2}, frequencies=4, outputs=2, width=3)
    net = Network([4, 5, 1], output="identity", inputs=block, dtype="float64", seed=0)
    named = net.input_params
    named["scale"][:] = np.arange(1, 11)
    X = np.array([[0.3, 7, 2, 1], [-1.2, 13, 0, 2], [0.0, 1.5, 4, 0]])
    angles = 2 * np.pi * X[:, :1] * named["frequencies"] + named["phases"]
    z = np.cos(angles) @ named["weights"][0].T + named["biases"]
    table = named["table_1"][[7, 0, 0]]  # 13 and 1.5 are no known codes
    one_hot = np.array([[0, 1, 0], [0, 0, 0], [0, 0, 0]])
    signed = np.array([[-1], [1], [0]])
    expected = np.hstack([z, X[:, :1], table, one_hot, signed]) * np.arange(1, 11)
    np.testing.assert_allclose(net.trace(X)["h_0"], expected, rtol=1e-14)
    assert net.weights[0].shape == (5, 10)


def test_units_of_a_piecewise_embedding():
    """z interpolates linearly between its values at the edges, and is constant beyond them."""
    q = np.array([-1.0, 0.0, 0.5, 3.0])
    block = InputBlock("piecewise", edges={1: q}, outputs=2, scale=False)
    net = Network([2, 5, 1], output="identity", inputs=block, dtype="float64", seed=0)
    named = net.input_params
    assert named["weights"].shape == (1, 2, 3)
    X = np.column_stack([np.arange(50), np.linspace(-2, 4, 50)])
    at_edges = named["biases"][0] + np.vstack([np.zeros(2), named["weights"][0].T]).cumsum(axis=0)
    z = np.column_stack([np.interp(X[:, 1], q, values) for values in at_edges.T])
    expected = np.hstack([X[:, :1], z, X[:, 1:]])
    np.testing.assert_allclose(net.trace(X)["h_0"], expected, rtol=1e-13, atol=1e-13)


def test_edges_are_quantiles(rng):
    X = np.column_stack([rng.normal(size=200), np.ones(200), rng.integers(1, 4, 200) ** 2, X_CODES])
    block = InputBlock("piecewise", {3: 5}).with_edges(X, bins=8)
    edges = dict(block.edges)
    assert list(edges) == [0, 2]  # 1 is constant
    assert edges[2] == (1, 4, 9)
    counts = np.histogram(X[:, 0], edges[0])[0]
    assert counts.max() - counts.min() <= 1
    assert block.n_units(4) == 4 + 1 + 4 + 5
    assert InputBlock.from_dict(block.to_dict()) == block
    assert list(dict(InputBlock("piecewise", embedded=[2]).with_edges(X).edges)) == [2]


def test_a_piecewise_embedding_learns_steps(rng):
    X = rng.uniform(-2, 2, (600, 2))
    y = np.floor(2 * X[:, 0]) + np.abs(X[:, 1])
    block, scores = InputBlock("piecewise").with_edges(X, bins=32), []
    for inputs in (block, None):
        net = Network([2, 16, 1], output="identity", inputs=inputs, seed=0)
        net.fit(X, y, epochs=60, optimizer=AdamW(learning_rate=0.01), rng=0)
        scores.append(net.score(X, y))
    assert scores[0] > 0.98
    assert scores[0] > scores[1]


def test_a_frozen_block_stays(rng):
    net, X, y = small(rng)
    block, weights = net.spec.block_views(net.params.copy()), net.weights[0].copy()
    net.fit(X, y, epochs=2, frozen=[0], optimizer="adamw", clip_norm=0.1)
    for name, values in net.spec.block_views(net.params).items():
        np.testing.assert_array_equal(values, block[name])
    assert (net.weights[0] != weights).any()
    with pytest.raises(ValueError, match="all layers are frozen"):
        net.fit(X, y, frozen=range(4))
    net.fit(X, y, epochs=1, frozen=[1, 2, 3])
    with pytest.raises(ValueError, match="in frozen must be at least 1"):
        Network([5, 2, 1], output="identity").fit(X, y, frozen=[0])


def test_parametric_activation():
    net = Network([5, 4, 1], activation="relu", output="identity", parametric=True, seed=0)
    net.alphas[0][:] = [0, 1, 0.5, 2]
    trace = net.trace(rows(9, np.random.default_rng(0)))
    a = trace["a_1"]
    expected = a + (np.maximum(a, 0) - a) * net.alphas[0]
    np.testing.assert_allclose(trace["h_1"], expected, rtol=1e-6)


def test_first_values():
    net = Network([5, 400, 1], inputs=ALL, parametric=True, output="identity", seed=0)
    named = net.input_params
    assert (named["scale"] == 1).all()
    assert (net.alphas[0] == 1).all()
    assert 0.05 < named["frequencies"].std() < 0.15
    assert np.abs(named["phases"]).max() <= np.pi
    assert np.abs(named["phases"]).max() > 2.5
    assert np.abs(named["weights"]).max() <= 0.25
    assert np.abs(named["biases"]).max() <= 0.25
    assert 0.7 < named["table_3"].std() < 1.3


def test_layers_start_as_without_a_block_beside_them():
    """The generator draws the layers first: a seed's weights do not depend on what follows."""
    plain = Network([5, 8, 1], output="identity", seed=3)
    further = Network([5, 8, 1], output="identity", parametric=True, seed=3)
    np.testing.assert_array_equal(plain.params, further.params[: plain.params.size])


LONG = {  # so many parameters that the differences take long
    ("wide tables", "compiled"),
    *((name, "reference") for name in ("all parametric", "largest", "most bins", "wide tables")),
}
DIFFERENCES = [
    pytest.param(*case, marks=[pytest.mark.slow] * (case in LONG))
    for case in product(NETWORKS, ("compiled", "reference"))
]


@pytest.mark.parametrize(("name", "backend"), DIFFERENCES)
def test_gradients_are_central_differences(name, backend, rng):
    net = Network(
        [5, 7, 6, 2], activation=["tanh", "mish"], output="identity", engine=backend, seed=0,
        **NETWORKS[name],
    )  # fmt: skip
    net.params[:] += rng.normal(0, 0.1, net.params.shape)
    check = net.check_gradients(rows(30, rng), rng.normal(size=(30, 2)))
    assert check.passed, check
    assert set(check.by_name) == set(net.spec.named(net.params))


def test_gradients_of_columns_are_central_differences(options, rng):
    net = Network(
        [5, 7, 6, 2], activation="mish", output="identity", dtype="float64", seed=0, **options
    )
    net.params[:] += rng.normal(0, 0.1, net.params.shape)
    X, y, step = rows(6, rng), rng.normal(size=(6, 2)), 1e-6
    found = net.input_gradient(X, y)
    known = net.spec.inputs.counts if net.spec.inputs else ()
    for column in range(5):
        if column in dict(known):
            assert (found[:, column] == 0).all()
            continue
        moved = np.zeros(5)
        moved[column] = step
        for i in range(6):
            above, below = (net.loss(X[i] + sign * moved, y[i]) for sign in (1, -1))
            assert found[i, column] == pytest.approx((above - below) / (2 * step), abs=1e-7)


def test_any_objective_by_its_gradient(rng):
    """`vjp` and `Stepper.backward` with the loss's own ∂ℓ/∂ŷ give its ∇θ."""
    net, X, y = small(rng, dropout=0.0, dtype="float64")
    u = 2 * (net.forward(X) - y[:, None]) / len(X)
    _, grad, _ = net.vjp(X, u)
    np.testing.assert_allclose(grad, net.gradient(X, y), rtol=1e-9, atol=1e-13)
    stepper = net.stepper(batch_size=len(X))
    np.testing.assert_allclose(stepper.backward(X, u), grad, rtol=1e-12, atol=1e-14)


# --- Training and files ---

FACTORS = {"rate_factors": Factors(biases=0.1, scale=6), "decay_factors": Factors(biases=0)}


def test_a_block_fits_what_plain_columns_do_not(rng):
    """A periodic function of a number and a table of categories."""
    net, X, y = small(rng, dropout=0.0)
    plain = Network([5, 24, 24, 1], activation="silu", output="identity", seed=0)
    for each in (net, plain):
        each.fit(X, y, epochs=80, optimizer=AdamW(learning_rate=0.01), rng=0)
    assert net.score(X, y) > 0.97
    assert net.score(X, y) > plain.score(X, y)


@pytest.mark.parametrize("with_state", [False, True])
@pytest.mark.parametrize("inputs", [ALL, BINS], ids=["periodic", "piecewise"])
def test_files_and_pickles(tmp_path, rng, with_state, inputs):
    net, X, y = small(rng, inputs=inputs)
    net.partial_fit(X, y, optimizer="adamw", **FACTORS)
    net.save(tmp_path / "net", with_state=with_state)
    loaded = Network.load(tmp_path / "net")
    assert loaded.spec == net.spec
    for other in (loaded, pickle.loads(pickle.dumps(net)), net.copy()):
        np.testing.assert_array_equal(other.params, net.params)
        assert other.stream.rule.rate_factors == FACTORS["rate_factors"]
        assert other.stream.rule.decay_factors == FACTORS["decay_factors"]
    if with_state:
        assert loaded.partial_fit(X, y) == net.partial_fit(X, y)
        np.testing.assert_array_equal(loaded.params, net.params)


def test_description_as_json(options):
    spec = spec_of(options)
    assert NetworkSpec.from_dict(spec.to_dict()) == spec
    assert ("inputs" in spec.to_dict()) == ("inputs" in options)
    assert "inputs" not in NetworkSpec((2, 2)).to_dict()


@pytest.mark.parametrize("inputs", [ALL, BINS], ids=["periodic", "piecewise"])
def test_resumed_fits_have_the_same_bits(tmp_path, rng, inputs):
    net, X, y = small(rng, inputs=inputs)
    again = net.copy()
    given = {"optimizer": "adamw", "rng": 1, "averaging": "ema", "clip_norm": 1.0, **FACTORS}
    net.fit(X, y, epochs=4, **given)
    again.fit(X, y, epochs=2, checkpoint=tmp_path / "c", **given)
    with pytest.raises(ValueError, match="other options"):
        again.fit(X, y, epochs=4, resume=tmp_path / "c", **given | {"rate_factors": None})
    again.fit(X, y, epochs=4, resume=tmp_path / "c", **given)
    np.testing.assert_array_equal(again.params, net.params)


def test_steppers_predictors_and_solvers(rng):
    net, X, y = small(rng, dropout=0.0, dtype="float64")
    twin = net.copy()
    stepper = twin.stepper(optimizer="adamw", **FACTORS)
    for _ in range(3):
        stepper.step(X[:32], y[:32])
    net.fit(X[:32], y[:32], epochs=3, shuffle=False, optimizer="adamw", **FACTORS)
    np.testing.assert_array_equal(twin.params, net.params)
    gradient = stepper.gradient(X[:32], y[:32])
    np.testing.assert_array_equal(gradient, net.gradient(X[:32], y[:32]))
    predict = net.predictor(3)
    np.testing.assert_array_equal(predict(X[:3].copy()), net.forward(X[:3]))
    before = net.loss(X, y)
    net.minimize(X, y, max_iterations=20)
    assert net.loss(X, y) < 0.5 * before


def test_summary_counts_all_parameters(rng):
    net, _, _ = small(rng)
    lines = repr(net).splitlines()
    counts = [int(line.split()[-1].replace(",", "")) for line in lines[3:]]
    assert counts[-1] == sum(counts[:-1]) == net.params.size
    assert "silu (parametric)" in repr(net)
    assert "0 (block)" in repr(net)


# --- Refusals ---


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"embedding": "fourier"}, "embedding"),
        ({"categories": [(1, 3), (1, 4)]}, "a column once"),
        ({"categories": {1: 0}}, "a count"),
        ({"categories": {-1: 3}}, "a column"),
        ({"categories": "ab"}, "columns to counts"),
        ({"categories": [1, 2]}, "columns to counts"),
        ({"categories": {1: 2**24}}, "a count"),
        ({"frequencies": 65}, "frequencies"),
        ({"outputs": 0}, "outputs"),
        ({"bandwidth": -1.0}, "bandwidth"),
        ({"width": 0}, "width"),
        ({"scale": 1}, "scale"),
        ({"embedded": (1,), "categories": {1: 3}}, "in embedded and in categories"),
        ({"embedded": "ab"}, "embedded"),
        ({"edges": {0: [0, 1]}}, "edges go with embedding='piecewise'"),
        ({"embedding": "piecewise", "edges": {0: [0, 0]}}, "edges of column 0 must rise"),
        ({"embedding": "piecewise", "edges": {0: [0, np.inf]}}, "edges of column 0 must"),
        ({"embedding": "piecewise", "edges": {0: [0]}}, "2 to 65 edges"),
        ({"embedding": "piecewise", "edges": {0: range(66)}}, "2 to 65 edges"),
        ({"embedding": "piecewise", "edges": [(0, [0, 1]), (0, [0, 1])]}, "a column once"),
        ({"embedding": "piecewise", "edges": [1, 2]}, "edges must map"),
        ({"embedding": "piecewise", "edges": "ab"}, "edges must map"),
        ({"embedding": "piecewise", "edges": {-1: [0, 1]}}, "a column in edges"),
        ({"embedding": "piecewise", "edges": {1: [0, 1]}, "embedded": [0]}, "not in embedded"),
        ({"embedding": "piecewise", "edges": {1: [0, 1]}, "categories": {1: 3}}, "and in categ"),
    ],
)
def test_blocks_that_are_refused(given, message):
    with pytest.raises((TypeError, ValueError), match=message):
        InputBlock(**given)


def test_networks_that_are_refused():
    with pytest.raises(ValueError, match=r"columns \[7\]; X has columns 0 to 4"):
        Network([5, 3, 2], inputs=InputBlock(categories={7: 3}))
    with pytest.raises(TypeError, match="inputs must be an InputBlock"):
        Network([5, 3, 2], inputs=3)
    with pytest.raises(TypeError, match="parametric"):
        Network([5, 3, 2], parametric=1)
    with pytest.raises(ValueError, match="a piecewise embedding needs the edges"):
        Network([5, 3, 2], inputs=InputBlock("piecewise"))


@pytest.mark.parametrize(
    ("plain", "message"),
    [
        ({"categories": [1, 2, 3]}, "pairs"),
        ({"bandwidths": 1}, "an entry of an input block .*bandwidth"),
        ({3: "plain"}, "an entry of an input block"),
        ([("embedding", "plain")], "an input block must be a mapping"),
        ({"embedding": "piecewise", "edges": [3]}, "edges must be lists"),
        ({"embedding": "piecewise", "edges": [[]]}, "edges must be lists"),
    ],
)
def test_descriptions_of_blocks_that_are_refused(plain, message):
    with pytest.raises((TypeError, ValueError), match=message):
        InputBlock.from_dict(plain)


def test_rows_without_edges(rng):
    for given, options, message in [
        (np.ones((9, 2)), {}, "no number of these rows has two values"),
        (np.full((9, 2), np.nan), {}, "column 0 of X holds NaN"),
        (np.ones(9), {}, r"X must have shape \(n, c\)"),
        (rng.normal(size=(9, 2)), {"bins": 65}, "bins"),
    ]:
        with pytest.raises(ValueError, match=message):
            InputBlock("piecewise").with_edges(given, **options)
    with pytest.raises(ValueError, match="edges go with"):
        InputBlock().with_edges(np.ones((9, 2)))
    with pytest.raises(ValueError, match=r"columns \[7\]"):
        InputBlock("piecewise", embedded=[7]).with_edges(np.ones((9, 2)))


CALLS = {
    "jacobian": lambda net, X, y: net.jacobian(X),
    "jvp": lambda net, X, y: net.jvp(X, X),
    "parameter_jacobian": lambda net, X, y: net.parameter_jacobian(X),
    "Taylor": lambda net, X, y: net.taylor(X, X),
    "Taylor ": lambda net, X, y: net.laplacian(X),
    "hvp": lambda net, X, y: net.hvp(X, y, net.params),
    "predictor": lambda net, X, y: net.predictor(jacobian=True),
    "C function": lambda net, X, y: net.c_function(),
    "levenberg_marquardt": lambda net, X, y: net.levenberg_marquardt(X, y),
    "derivatives": lambda net, X, y: net.fit(X, y, derivatives=(X[:, None], 1.0)),
    "OnlineLearner": lambda net, X, y: OnlineLearner(net),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("options", "part"),
    [({"parametric": False}, "an input block"), ({"inputs": None}, "parametric activations")],
)
def test_parts_that_refuse_such_networks(call, options, part, rng):
    net, X, y = small(rng, dropout=0.0, **options)
    with pytest.raises(ValueError, match=f"{call.strip()}.* does not support .* with {part}"):
        CALLS[call](net, X, y)
