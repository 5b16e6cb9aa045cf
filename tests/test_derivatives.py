"""Derivatives with respect to inputs and parameters: both twins, against each other and truth."""

from dataclasses import replace

import numpy as np
import pytest
from support.problems import (
    HIDDEN,
    PAIRS,
    options_of,
    random_params,
    random_problem,
    relative_error,
    twins,
)

from ffnn_fast import NetworkSpec, reference
from ffnn_fast._model.samples import Samples
from ffnn_fast._runtime.bound_network import BoundNetwork, aligned_empty
from ffnn_fast.activations import OUTPUTS
from ffnn_fast.engine import isa

ROWS = (1, 2, 4, 19, 33)


@pytest.fixture(params=isa.available())
def engine(request):
    """Each engine module that this CPU can run."""
    return isa.load(request.param)


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
@pytest.mark.parametrize("output", OUTPUTS)
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
@pytest.mark.parametrize(("output", "loss"), PAIRS)
def test_input_gradient_of_every_output_and_loss(engine, output, loss, dtype, rtol, rng):
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
