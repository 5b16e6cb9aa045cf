"""Derivatives with respect to inputs and parameters: both twins, against each other and truth."""

from dataclasses import replace

import numpy as np
import pytest
from support.cases import TOLERANCES, each
from support.problems import (
    HIDDEN,
    PAIRS,
    options_of,
    random_params,
    random_problem,
    relative_error,
    twins,
)

from ffnn_fast import Network, NetworkSpec, reference
from ffnn_fast._model.samples import Samples
from ffnn_fast._runtime.bound_network import BoundNetwork, aligned_empty
from ffnn_fast.activations import OUTPUTS
from ffnn_fast.engine import isa

ROWS = (1, 2, 4, 19, 33)


def random_rows(spec, n, rng):
    """Inputs, and a vector for each output."""
    X = rng.normal(size=(n, spec.n_inputs)).astype(spec.dtype)
    return X, rng.normal(size=(n, spec.n_outputs)).astype(spec.dtype)


def compare_vjp(engine, spec, n, rng, tolerance, mask=None):
    """The three results of both twins agree, together and one at a time."""
    X, u = random_rows(spec, n, rng)
    ours, theirs = twins(spec, random_params(spec, rng), engine)
    expected = theirs.vjp(X, u, mask)
    for got, wanted in zip(ours.vjp(X, u, mask), expected, strict=True):
        assert relative_error(got, wanted) <= tolerance
    work = aligned_empty(engine.vjp_workspace_size(ours.plan, n), spec.dtype)
    for i, wanted in enumerate(expected):
        outputs = [None, None, None]
        outputs[i] = np.full_like(wanted, np.nan)
        engine.vjp(ours.plan, ours.params, X, u, *outputs, work, mask)
        assert relative_error(outputs[i], wanted) <= tolerance


@pytest.mark.engine
@pytest.mark.parametrize("activation", HIDDEN)
@each(output=OUTPUTS, dtype=TOLERANCES)
def test_vjp_of_every_activation_and_output(engine, activation, output, dtype, rtol, rng):
    spec = NetworkSpec((5, 7, 3, 4), activation, output, "squared_error", dtype)
    for n in ROWS:
        compare_vjp(engine, spec, n, rng, rtol)


@pytest.mark.engine
@pytest.mark.parametrize("sizes", [(1, 2), (3, 1, 5), (17, 33, 9, 4), (65, 31, 70)])
@pytest.mark.parametrize("n", [1, 64, 1025, 2500])
def test_vjp_of_odd_sizes(engine, sizes, n, dtype, rtol, rng):
    spec = NetworkSpec(sizes, "tanh", dtype=dtype, l2=0.3)  # a penalty adds nothing
    compare_vjp(engine, spec, n, rng, rtol)


@pytest.mark.engine
def test_vjp_of_heads(engine, dtype, rtol, rng):
    spec = NetworkSpec((5, 7, 5), "tanh", heads=(2, 3), dtype=dtype)
    for n in ROWS:
        compare_vjp(engine, spec, n, rng, rtol)


@pytest.mark.engine
@pytest.mark.parametrize("activation", ["tanh", "gelu"])
def test_vjp_with_dropout(engine, activation, dtype, rtol, rng):
    spec = NetworkSpec((9, 7, 5, 3), activation, dropout=(0.2, 0.4, 0.3), dtype=dtype)
    for n in (1, 2, 33, 1030):
        compare_vjp(engine, spec, n, rng, rtol, mask=(7, 3))


@pytest.mark.engine
@pytest.mark.parametrize("n", [1, 3, 33, 1030])
def test_vjp_where_blas_computes_other_products(engine, n, dtype, rtol, rng):
    spec = NetworkSpec((21, 34, 13, 4), "silu", dtype=dtype)
    X, u = random_rows(spec, n, rng)
    params = random_params(spec, rng)
    ours = BoundNetwork(spec, engine.Plan(spec, 2, "blas"), params, engine, calls_blas=True)
    _, theirs = twins(spec, params, engine)
    for got, wanted in zip(ours.vjp(X, u), theirs.vjp(X, u), strict=True):
        assert relative_error(got, wanted) <= rtol


@pytest.mark.engine
@each(pair=PAIRS, dtype=TOLERANCES)
def test_input_gradient_of_every_output_and_loss(engine, pair, dtype, rtol, rng):
    output, loss = pair
    options = options_of(output, loss)
    spec = NetworkSpec((5, 7, 3, 4), "tanh", output, loss, dtype, loss_options=options)
    for n in ROWS:
        for kind in ("labels", "dense"):
            problem = random_problem(spec, n, rng, kind, weighted=True)
            ours, theirs = twins(spec, random_params(spec, rng), engine)
            expected = theirs.input_gradient(problem)
            assert relative_error(ours.input_gradient(problem), expected) <= rtol


@pytest.mark.engine
@pytest.mark.parametrize("sizes", [(784, 130, 10), (40, 65, 33, 5)])
def test_same_bits_for_any_number_of_threads(engine, sizes, dtype, rng):
    spec = NetworkSpec(sizes, "tanh", dtype=dtype)
    X, u = random_rows(spec, 1600, rng)
    problem, params = random_problem(spec, 1600, rng, weighted=True), random_params(spec, rng)
    results = []
    for n_threads in (1, 2, 3, 5):
        bound = BoundNetwork(spec, engine.Plan(spec, n_threads), params, engine)
        results.append((*bound.vjp(X, u), bound.input_gradient(problem)))
    for other in results[1:]:
        for got, expected in zip(other, results[0], strict=True):
            np.testing.assert_array_equal(got, expected)


def test_the_gradient_of_the_loss_is_a_vector_jacobian_product(rng):
    spec = NetworkSpec((4, 6, 3), "tanh", "identity", "half_squared_error", "float64")
    problem = random_problem(spec, 7, rng)
    for bound in twins(spec, random_params(spec, rng), isa.engine):
        y_hat = bound.forward(problem.X)
        _, grad, grad_X = bound.vjp(problem.X, y_hat - problem.Y)
        np.testing.assert_allclose(grad / 7, bound.loss_gradient(problem)[1], rtol=1e-11)
        np.testing.assert_allclose(grad_X, bound.input_gradient(problem), rtol=1e-11)


@pytest.mark.parametrize("backend", [reference, isa.engine], ids=["reference", "engine"])
def test_input_gradient_by_central_differences(backend, rng):
    spec = NetworkSpec((4, 6, 3), "gelu", dtype="float64", l2=0.1)
    problem = random_problem(spec, 5, rng, weighted=True)
    bound = BoundNetwork(spec, backend.Plan(spec), random_params(spec, rng), backend)
    plain = replace(spec, l2=0.0)
    plain = BoundNetwork(plain, reference.Plan(plain), bound.params, reference)
    grad_X, step = bound.input_gradient(problem), 1e-5
    for i, j in np.ndindex(grad_X.shape):
        values = []
        for sign in (1, -1):
            x = problem.X[i : i + 1].copy()
            x[0, j] += sign * step
            row = Samples(x, problem.Y[i : i + 1], None)
            values.append(plain.loss(row) * problem.sample_weight[i])
        assert grad_X[i, j] == pytest.approx((values[0] - values[1]) / (2 * step), rel=1e-6)


NET = Network([3, 5, 2], activation="tanh", output="softmax", dtype="float64", seed=0)
CALLS = {
    "vjp": lambda net, X: net.vjp(X, net.forward(X))[2],
    "vjp of y_hat": lambda net, X: net.vjp(X, net.forward(X)).y_hat,
    "input_gradient": lambda net, X: net.input_gradient(X, np.zeros(len(np.atleast_2d(X)), int)),
    "jacobian": lambda net, X: net.jacobian(X),
    "jvp": lambda net, X: net.jvp(X, X)[1],
    "parameter_jacobian": lambda net, X: net.parameter_jacobian(X),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_one_sample_lacks_the_first_axis(call, rng):
    X = rng.normal(size=(4, 3))
    together = call(NET, X)
    assert len(together) == 4
    for x, expected in zip(X, together, strict=True):
        np.testing.assert_allclose(call(NET, x), expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_any_array_of_numbers(call, dtype, rng):
    """Other orders, strides, dtypes and lists give the result of a plain array."""
    net = Network.from_params(replace(NET.spec, dtype=dtype), NET.params)
    X = rng.integers(-2, 3, (20, 3))
    expected = call(net, X.astype(dtype))
    assert expected.dtype == dtype
    wide = np.zeros((40, 6))
    wide[::2, ::2] = X
    for given in (X, X.tolist(), np.asfortranarray(X.astype(dtype)), wide[::2, ::2]):
        np.testing.assert_array_equal(call(net, given), expected)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda X: NET.vjp(X, np.ones((4, 3))),
            ValueError,
            r"grad_y_hat must have shape \(4, 2\).*got \(4, 3\)",
        ),
        (lambda X: NET.vjp(X[0], np.ones((1, 2))), ValueError, r"shape \(2,\).*got \(1, 2\)"),
        (lambda X: NET.vjp(X, np.full((4, 2), np.nan)), ValueError, "grad_y_hat"),
        (lambda X: NET.vjp(X, [["a", "b"]] * 4), TypeError, "grad_y_hat"),
        (lambda X: NET.vjp(X[:, :2], np.ones((4, 2))), ValueError, "X must have shape"),
        (lambda X: NET.jvp(X, X[:3]), ValueError, r"V must have shape \(4, 3\).*got \(3, 3\)"),
        (lambda X: NET.jacobian(X * np.inf), ValueError, "X"),
        (lambda X: NET.parameter_jacobian(X[None]), ValueError, "X must have shape"),
        (lambda X: NET.input_gradient(X, [0, 1]), ValueError, "y must have one entry per row"),
        (lambda X: NET.input_gradient(X, [0] * 4, [1, 2]), ValueError, r"shape \(4,\), got \(2,\)"),
        (lambda X: NET.predictor(jacobian=1), TypeError, "jacobian"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(call, error, message, rng):
    with pytest.raises(error, match=message):
        call(rng.normal(size=(4, 3)))


def test_weights_of_an_input_gradient_multiply(rng):
    X, y = rng.normal(size=(4, 3)), [0, 1, 1, 0]
    expected = np.array([2, -1, 0, 0.5])[:, None] * NET.input_gradient(X, y)
    np.testing.assert_allclose(NET.input_gradient(X, y, [2, -1, 0, 0.5]), expected)
    np.testing.assert_allclose(NET.input_gradient(X[0], 0, 2.0), expected[0])


def test_scratch_is_kept_for_the_next_call(rng):
    bound, _ = twins(NET.spec, NET.params, isa.engine)
    X, u = random_rows(NET.spec, 30, rng)
    expected = bound.vjp(X, u)
    (kept,) = bound.kept
    for got, wanted in zip(bound.vjp(X, u), expected, strict=True):
        np.testing.assert_array_equal(got, wanted)
    assert bound.kept[0] is kept
    bound.vjp(*random_rows(NET.spec, 300, rng))  # needs more
    assert len(bound.kept[0]) > len(kept)
    assert bound.on(bound.params.copy()).kept == []


@pytest.mark.parametrize("n_rows", [1, 3])
def test_the_networks_predictor_with_the_jacobian(n_rows, rng):
    X = rng.normal(size=(n_rows, 3))
    y_hat, J = NET.predictor(n_rows, jacobian=True)(X)
    np.testing.assert_allclose(y_hat, NET.forward(X), rtol=1e-12)
    np.testing.assert_allclose(J, NET.jacobian(X), rtol=1e-12)
    np.testing.assert_array_equal(NET.predictor(n_rows, jacobian=False)(X), NET.forward(X))
