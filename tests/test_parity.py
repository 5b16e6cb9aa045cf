"""The compiled engine equals the reference: signatures, values, gradients, trajectories."""

import inspect
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.cases import TOLERANCES, each
from support.problems import (
    HIDDEN,
    PAIRS,
    bound_networks,
    options_of,
    random_params,
    random_problem,
    relative_error,
    train,
    twins,
)

from ffnn_fast import Network, NetworkSpec, reference
from ffnn_fast._model.samples import Samples
from ffnn_fast._runtime.bound_network import BoundNetwork, aligned_empty
from ffnn_fast.engine import isa

pytestmark = pytest.mark.engine
FUNCTIONS = (
    "first_layer_digest", "forward", "forward_many", "loss", "loss_gradient", "loss_many",
    "train_epoch", "update", "workspace_size", "normal_equations", "normal_workspace_size", "vjp",
    "all_finite",
    "vjp_workspace_size", "input_gradient", "input_jacobian", "jvp", "parameter_jacobian",
    "jacobian_workspace_size", "JacobianPredictor", "taylor", "taylor_gradient",
    "taylor_jacobian", "taylor_workspace_size", "hessian_product", "Plan", "PointFunction",
    "Predictor", "shuffle",
)  # fmt: skip
SIZES = [(1, 2), (3, 1, 5), (7, 13, 3), (17, 33, 9, 4), (65, 31, 2)]


def test_losses_and_gradients_of_rows_in_an_order(engine, rng):
    """Those of the rows alone, bit for bit, by either twin."""
    spec = NetworkSpec([3, 5, 2], dropout=0.3)
    X, Y = rng.normal(size=(40, 3)).astype(np.float32), rng.integers(0, 2, 40)
    weight, order = rng.random(40).astype(np.float32), rng.permutation(40)[:33]
    for backend in (engine, reference):
        plan, theta = backend.Plan(spec), random_params(spec, rng)
        work = aligned_empty(backend.workspace_size(plan, 40), "float32")
        one, other = np.empty_like(theta), np.empty_like(theta)
        loss = backend.loss_gradient(plan, theta, X, Y, weight, one, work, (1, 1), order)
        rows = X[order], Y[order], weight[order]
        assert backend.loss_gradient(plan, theta, *rows, other, work, (1, 1)) == loss
        np.testing.assert_array_equal(one, other)


def compare(engine, spec, problem, rng, tolerance):
    """Forward, loss and gradient of both twins agree."""
    ours, theirs = twins(spec, random_params(spec, rng), engine)
    assert relative_error(ours.forward(problem.X), theirs.forward(problem.X)) <= tolerance
    # The terms of a linear loss have either sign: of a sum that cancels no digit may be left.
    close = {"rel": tolerance, "abs": tolerance if spec.loss == "linear" else 0}
    assert ours.loss(problem) == pytest.approx(theirs.loss(problem), **close)
    value, grad = ours.loss_gradient(problem)
    expected_value, expected_grad = theirs.loss_gradient(problem)
    assert value == pytest.approx(expected_value, **close)
    assert relative_error(grad, expected_grad) <= tolerance


def test_twins_export_the_same_functions_with_the_same_signatures(engine):
    for name in FUNCTIONS:
        ours, theirs = getattr(engine, name), getattr(reference, name)
        if name[0].islower():
            mine = inspect.signature(ours).parameters.values()
            expected = inspect.signature(theirs).parameters.values()
            assert [(p.name, p.default, p.kind) for p in mine] == [
                (p.name, p.default, p.kind) for p in expected
            ]
        assert ours.__doc__
    public = {
        name for name, value in vars(engine).items() if not name.startswith("_") and callable(value)
    }
    others = {"run_serially", "Stepper"}  # see test_stepper.py
    assert public == {*FUNCTIONS, *others}


@pytest.mark.parametrize(
    ("output", "loss"),
    [("softmax", "cross_entropy"), ("logistic", "squared_error"), ("identity", "huber")],
)
@each(activation=HIDDEN, dtype=TOLERANCES)
def test_every_activation(engine, activation, output, loss, dtype, rtol, rng):
    spec = NetworkSpec((5, 7, 3, 4), activation, output, loss, dtype)
    for n in (1, 2, 19):
        for kind in ("labels", "dense"):
            compare(engine, spec, random_problem(spec, n, rng, kind), rng, rtol)


def test_one_hidden_layer_of_exponentials(engine, dtype, rtol, rng):
    spec = NetworkSpec((5, 7, 4), "exp", dtype=dtype)
    for n in (1, 19):
        compare(engine, spec, random_problem(spec, n, rng), rng, rtol)


@each(pair=PAIRS, dtype=TOLERANCES)
def test_every_output_and_loss(engine, pair, dtype, rtol, rng):
    output, loss = pair
    for activation, options in (("tanh", {}), ("gelu", options_of(output, loss))):
        spec = NetworkSpec((5, 7, 3, 4), activation, output, loss, dtype, loss_options=options)
        for n in (1, 2, 19):
            for kind in ("labels", "dense"):
                compare(engine, spec, random_problem(spec, n, rng, kind), rng, rtol)


@pytest.mark.parametrize(
    ("output", "loss"), [("hard_sigmoid", "binary_cross_entropy"), ("softplus", "cross_entropy")]
)
def test_cross_entropies_of_outputs_without_a_formula_of_their_own(engine, output, loss, dtype):
    rng = np.random.default_rng(5)
    spec = NetworkSpec((5, 7, 3), "tanh", output, loss, dtype)
    for n in (1, 40):
        for kind in ("labels", "dense"):
            problem = random_problem(spec, n, rng, kind)
            compare(engine, spec, problem, rng, 1e-5 if dtype == "float32" else 1e-12)


@each(pair=PAIRS, dtype=TOLERANCES)
def test_every_loss_of_weighted_samples_in_several_panels(engine, pair, dtype, rtol, rng):
    output, loss = pair
    spec = NetworkSpec((3, 5, 4), "tanh", output, loss, dtype)
    for kind in ("labels", "dense"):
        compare(engine, spec, random_problem(spec, 71, rng, kind, weighted=True), rng, rtol)


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("n", [1, 2, 31, 64, 1025])
def test_odd_sizes_with_weights_and_penalty(engine, sizes, n, dtype, rtol, rng):
    output = "softmax" if sizes[-1] > 1 else "identity"
    spec = NetworkSpec(sizes, "tanh", output, dtype=dtype, l2=0.01)
    compare(engine, spec, random_problem(spec, n, rng, weighted=True), rng, rtol)


@pytest.mark.parametrize("width", [1, 2, 3, 4, 5])
def test_few_inputs(engine, width, dtype, rtol, rng):
    spec = NetworkSpec((width, 37, 2), "tanh", "softmax", dtype=dtype, l2=0.01)
    for n in (32, 45, 64, 97):
        compare(engine, spec, random_problem(spec, n, rng, weighted=True), rng, rtol)


@pytest.mark.parametrize("activation", ["tanh", "gelu"])
@pytest.mark.parametrize("n", [4, 24, 35, 49])
def test_last_samples_of_a_batch(engine, activation, n, dtype, rtol, rng):
    """Samples, and inputs of layers, that fill a part of a vector, beside sums in several parts."""
    spec = NetworkSpec((270, 300, 20, 5), activation, "softmax", dtype=dtype, l2=0.01)
    compare(engine, spec, random_problem(spec, n, rng, weighted=True), rng, rtol)


def test_rows_do_not_depend_on_those_beside_them(engine, dtype, rng):
    """Outputs of a row have the same bits in batches of any size."""
    spec = NetworkSpec((270, 37, 14, 3), "gelu", "softmax", dtype=dtype)
    X, params = rng.normal(size=(70, 270)).astype(dtype), random_params(spec, rng)
    bound = BoundNetwork(spec, engine.Plan(spec), params, engine)
    whole = bound.forward(X)
    for n in range(8, 70):
        np.testing.assert_array_equal(bound.forward(X[:n]), whole[:n])


def test_columns_do_not_depend_on_those_beside_them(engine, dtype, rng):
    """An element of ∇W_1 has the same bits whether its row has few inputs or many."""
    X, y = rng.normal(size=(77, 20)).astype(dtype), rng.integers(0, 2, 77)
    wide = NetworkSpec((20, 37, 2), "relu", "softmax", dtype=dtype)
    params = random_params(wide, rng)
    wide.weights(params)[0][:, 3:] = 0
    gradients = []
    for width in (20, 3):
        spec = NetworkSpec((width, *wide.layer_sizes[1:]), "relu", "softmax", dtype=dtype)
        theta = np.empty(spec.n_params, dtype)
        for W, V in zip(spec.weights(theta), wide.weights(params), strict=True):
            W[...] = V[:, : W.shape[1]]
        for b, c in zip(spec.biases(theta), wide.biases(params), strict=True):
            b[...] = c
        (bound,) = bound_networks(spec, theta, engine)
        _, grad = bound.loss_gradient(Samples(np.ascontiguousarray(X[:, :width]), y))
        gradients.append(spec.weights(grad)[0][:, :3])
    np.testing.assert_array_equal(*gradients)


@settings(max_examples=60)
@given(
    sizes=st.lists(st.integers(1, 40), min_size=2, max_size=5),
    n=st.integers(1, 70),
    pair=st.sampled_from(PAIRS),
    hidden=st.data(),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_network(sizes, n, pair, hidden, seed):
    rng = np.random.default_rng(seed)
    output, loss = pair
    if output == "softmax" or loss in ("cross_entropy", "hinge"):
        sizes[-1] += 1
    if loss == "gaussian_nll":
        sizes[-1] *= 2
    activations = tuple(hidden.draw(st.sampled_from(HIDDEN)) for _ in sizes[1:-1])
    spec = NetworkSpec(tuple(sizes), activations, output, loss, "float64", l2=0.1)
    problem = random_problem(spec, n, rng, hidden.draw(st.sampled_from(["labels", "dense"])))
    compare(isa.engine, spec, problem, rng, 1e-11)


CANONICAL = [("softmax", "cross_entropy"), ("identity", "squared_error")]
BATCH_SIZES = [1, 5, 32]
# Half of the product, with every two of its values together; the slow tests run the other half.
TRAININGS = [
    pytest.param(
        *(CANONICAL[i], HIDDEN[j], BATCH_SIZES[k], dtype),
        marks=[pytest.mark.slow] * ((i + j + k + m) % 2),
    )
    for i, j, k, (m, dtype) in product(
        range(2), range(len(HIDDEN)), range(3), enumerate(TOLERANCES)
    )
]


@pytest.mark.parametrize(("pair", "activation", "batch_size", "dtype"), TRAININGS)
def test_hundred_steps_of_training(engine, pair, activation, batch_size, dtype, rtol, rng):
    spec = NetworkSpec((9, 11, 6, 3), activation, *pair, dtype=dtype, l2=1e-3)
    problem = random_problem(spec, 45, rng, weighted=True)
    ours, theirs = twins(spec, random_params(spec, rng), engine)
    order = np.concatenate([rng.permutation(45) for _ in range(100)])[: 100 * batch_size]
    losses = [train(m, problem, order, batch_size, 0.02) for m in (ours, theirs)]
    np.testing.assert_allclose(losses[0], losses[1], rtol=rtol)
    assert relative_error(ours.params, theirs.params) <= rtol


def test_train_epoch_takes_rows_in_order_and_a_short_last_batch(engine, dtype, rtol, rng):
    spec = NetworkSpec((4, 6, 3), dtype=dtype)
    problem = random_problem(spec, 50, rng, kind="labels")
    ours, theirs = twins(spec, random_params(spec, rng), engine)
    order = rng.integers(0, 50, 23)  # rows may repeat and be left out
    expected = train(theirs, problem, order, 7, 0.1)
    assert train(ours, problem, order, 7, 0.1) == pytest.approx(expected, rel=rtol)
    assert relative_error(ours.params, theirs.params) <= rtol


def test_a_value_does_not_depend_on_the_other_rows(engine, dtype, rng):
    spec = NetworkSpec((13, 21, 5), "tanh", dtype=dtype)
    ours, _ = twins(spec, random_params(spec, rng), engine)
    X = random_problem(spec, 40, rng).X
    together = ours.forward(X)
    np.testing.assert_allclose(
        [ours.forward(x[None])[0] for x in X], together, rtol=1e-5 if dtype == "float32" else 1e-13
    )


def test_large_pre_activations_stay_finite(engine, dtype, rng):
    spec = NetworkSpec((2, 3), dtype=dtype)
    ours, theirs = twins(spec, random_params(spec, rng) * 1e4, engine)
    problem = Samples(np.array([[1.0, -1.0], [3.0, 2.0]], dtype=dtype), np.array([0, 2]))
    value, grad = ours.loss_gradient(problem)
    assert np.isfinite(value)
    assert np.isfinite(grad).all()
    assert value == pytest.approx(theirs.loss(problem), rel=1e-5)


def test_not_a_number_passes_through(engine, dtype):
    for activation in HIDDEN:
        spec = NetworkSpec((1, 1, 2), activation, dtype=dtype)
        ours, _ = twins(spec, np.full(spec.n_params, np.nan, dtype=dtype), engine)
        assert np.isnan(ours.forward(np.ones((1, 1), dtype=dtype))).all()


def test_predictor_of_either_dtype(engine, dtype, rng):
    spec = NetworkSpec((13, 21, 5), "tanh", dtype=dtype)
    ours, _ = twins(spec, random_params(spec, rng), engine)
    X = random_problem(spec, 40, rng).X
    for rows in (1, 2, 40):
        predict = engine.Predictor(ours.plan, ours.params, rows, ours.workspace(rows))
        np.testing.assert_array_equal(predict(X[:rows]), ours.forward(X[:rows]))
        with pytest.raises(ValueError, match=f"C-contiguous {dtype} arrays"):
            predict(X.tolist())


@pytest.mark.parametrize("sizes", [(784, 130, 10), (40, 65, 33, 5), (3, 65, 5)])
@pytest.mark.parametrize("batch_size", [70, 256, 1500])
def test_same_bits_for_any_number_of_threads(engine, sizes, batch_size, dtype, rng):
    spec = NetworkSpec(sizes, "tanh", dtype=dtype, l2=1e-3)
    problem = random_problem(spec, 1600, rng, kind="labels", weighted=True)
    params, order = random_params(spec, rng), rng.permutation(1600)
    results = []
    for n_threads in (1, 2, 3, 5):
        bound = BoundNetwork(spec, engine.Plan(spec, n_threads), params.copy(), engine)
        losses = train(bound, problem, order, batch_size, 0.01)
        value, grad = bound.loss_gradient(problem)
        results.append((bound.params, bound.forward(problem.X), grad, losses, value))
        assert value == pytest.approx(bound.loss(problem))
    for other in results[1:]:
        for got, expected in zip(other, results[0], strict=True):
            np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("n", [17, 33, 127, 300])
def test_a_team_on_few_rows(engine, n, dtype, rng):
    """Shares of less than a group of panels, each in scratch of its own."""
    spec = NetworkSpec((300, 2100, 7), "relu", dtype=dtype)
    problem, params = random_problem(spec, n, rng), random_params(spec, rng)
    alone, team = (BoundNetwork(spec, engine.Plan(spec, t), params, engine) for t in (1, 4))
    np.testing.assert_array_equal(team.forward(problem.X), alone.forward(problem.X))
    assert team.loss(problem) == alone.loss(problem)
    np.testing.assert_array_equal(team.loss_gradient(problem)[1], alone.loss_gradient(problem)[1])


@pytest.mark.parametrize("matmul", ["own", "blas"])
@pytest.mark.parametrize("n", [1, 2, 33, 1030])
def test_either_product(engine, matmul, n, dtype, rtol, rng):
    spec = NetworkSpec((21, 34, 13, 4), "relu", dtype=dtype, l2=1e-3)
    problem = random_problem(spec, n, rng, weighted=True)
    params = random_params(spec, rng)
    ours = BoundNetwork(spec, engine.Plan(spec, 2, matmul), params.copy(), engine)
    _, theirs = twins(spec, params, engine)
    assert relative_error(ours.forward(problem.X), theirs.forward(problem.X)) <= rtol
    assert ours.loss(problem) == pytest.approx(theirs.loss(problem), rel=rtol)
    assert relative_error(ours.loss_gradient(problem)[1], theirs.loss_gradient(problem)[1]) <= rtol
    order = rng.integers(0, n, 40)
    for batch_size in (1, 16, n):
        losses = [train(m, problem, order, batch_size, 0.05) for m in (ours, theirs)]
        assert losses[0] == pytest.approx(losses[1], rel=rtol)
    assert relative_error(ours.params, theirs.params) <= rtol


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_an_invalid_product_shows_in_the_result_only(engine):
    """∞ − ∞; pytest makes each of NumPy's warnings an error."""
    net = Network([2, 3, 1], output="identity", seed=0, engine=engine)
    net.weights[0][:] = [np.inf, -np.inf]
    assert np.isnan(net.forward(np.ones((4, 2)))).all()


@pytest.mark.parametrize("matmul", ["own", "blas"])
@pytest.mark.parametrize("n", [1, 2, 40])
def test_rows_by_their_order(engine, matmul, dtype, rtol, rng, n):
    spec = NetworkSpec((7, 13, 3), "tanh", "identity", "huber", dtype, l2=0.1)
    problem = random_problem(spec, 50, rng, "dense")
    params, order = random_params(spec, rng), rng.integers(0, 50, n)
    weight = rng.random(50).astype(dtype)
    found = []
    for backend in (engine, reference):
        plan = backend.Plan(spec, 1, matmul)
        work = aligned_empty(backend.workspace_size(plan, 50), dtype)
        out = np.empty((n, 3), dtype)
        again = np.empty_like(out)
        backend.forward(plan, params, problem.X, out, work, order)
        backend.forward(plan, params, problem.X[order], again, work)
        assert np.array_equal(out, again)
        given = problem.X, problem.Y, weight
        value = backend.loss(plan, params, *given, work, None, order)
        assert value == backend.loss(plan, params, *(a[order] for a in given), work)
        found.append((out, value))
    assert relative_error(found[0][0], found[1][0]) <= rtol
    assert found[0][1] == pytest.approx(found[1][1], rel=rtol)


def test_many_parameter_vectors(engine, dtype, rtol, rng):
    spec = NetworkSpec((7, 13, 3), "relu", "identity", "huber", dtype, l2=0.1)
    problem = random_problem(spec, 9, rng, "dense")
    thetas = np.stack([random_params(spec, rng) for _ in range(5)])
    found = []
    for backend in (engine, reference):
        plan = backend.Plan(spec, 1, "own")
        work = aligned_empty(backend.workspace_size(plan, 9), dtype)
        out, values = np.empty((5, 9, 3), dtype), np.empty(5)
        backend.forward_many(plan, thetas, problem.X, out, work)
        backend.loss_many(plan, thetas, problem.X, problem.Y, None, values, work)
        for theta, y_hat, value in zip(thetas, out, values, strict=True):
            alone = np.empty_like(y_hat)
            backend.forward(plan, theta, problem.X, alone, work)
            assert np.array_equal(alone, y_hat)
            assert value == backend.loss(plan, theta, problem.X, problem.Y, None, work)
        found.append((out, values))
    assert relative_error(found[0][0], found[1][0]) <= rtol
    assert found[0][1] == pytest.approx(found[1][1], rel=rtol)
