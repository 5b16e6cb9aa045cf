"""Levenberg-Marquardt: its normal equations, its minimum, what it refuses."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from scipy import optimize
from support.cases import TOLERANCES, each
from support.problems import random_params, random_problem, relative_error, smooth, taught, twins

from ffnn_fast import Network, NetworkSpec, reference
from ffnn_fast._runtime.bound_network import BoundNetwork, aligned_empty
from ffnn_fast._solvers.least_squares import CURVATURE, penalty_diagonal
from ffnn_fast.activations import OUTPUTS, Softmax
from ffnn_fast.engine import isa

pytestmark = pytest.mark.engine
ELEMENTWISE = [name for name, g in OUTPUTS.items() if not isinstance(g, Softmax)]
HIDDEN = [name for name in ELEMENTWISE if name not in ("identity", "exp")]  # e^(e^a) has no digits
# P from 2 to 1013, blocks that are full and that are not, several strips of JᵀJ.
SIZES = [(1, 1), (3, 1, 5), (7, 13, 3), (17, 33, 9, 4), (5, 90, 5)]


def normal(bound, problem):
    """JᵀJ with NaN above the diagonal, Jᵀr and ½ Σ r²."""
    P, backend, dtype = bound.spec.n_params, bound.backend, bound.spec.dtype
    JTJ, JTr = np.full((P, P), np.nan, dtype), np.empty(P, dtype)
    work = aligned_empty(backend.normal_workspace_size(bound.plan, len(problem.X)), dtype)
    work[:] = np.nan
    value = backend.normal_equations(
        bound.plan, bound.params, problem.X, problem.Y, problem.sample_weight, None, JTJ, JTr, work
    )
    return value, JTJ, JTr


def compare(engine, spec, problem, rng, tolerance):
    ours, theirs = (normal(m, problem) for m in twins(spec, random_params(spec, rng), engine))
    assert ours[0] == pytest.approx(theirs[0], rel=tolerance)
    np.testing.assert_array_equal(np.isnan(ours[1]), np.isnan(theirs[1]))
    assert relative_error(np.tril(ours[1]), np.tril(theirs[1])) <= tolerance
    assert relative_error(ours[2], theirs[2]) <= tolerance


@each(sizes=SIZES, n=[1, 2, 31, 64, 300], weighted=[False, True], dtype=TOLERANCES)
def test_normal_equations_of_both_twins(engine, sizes, n, weighted, dtype, rtol, rng):
    spec = NetworkSpec(sizes, "tanh", "identity", dtype=dtype)
    compare(engine, spec, random_problem(spec, n, rng, weighted=weighted), rng, rtol)


@pytest.mark.parametrize("activation", HIDDEN)
@each(output=ELEMENTWISE, loss=CURVATURE, dtype=TOLERANCES)
def test_every_activation_output_and_loss(engine, activation, output, loss, dtype, rtol, rng):
    spec = NetworkSpec((4, 6, 5, 2), activation, output, loss, dtype)
    compare(engine, spec, random_problem(spec, 19, rng, weighted=True), rng, rtol)


@pytest.mark.parametrize("loss", CURVATURE)
def test_normal_equations_are_those_of_the_objective(loss, rng):
    """Jᵀr + Λθ is ∇θ, the value is the loss without penalty, J is its finite differences."""
    spec = NetworkSpec((3, 4, 2), "logistic", "tanh", loss, "float64", l2=(0.1, 0.3))
    problem = random_problem(spec, 23, rng, weighted=True)
    bound, _ = twins(spec, random_params(spec, rng), isa.engine)
    value, JTJ, JTr = normal(bound, problem)
    objective, gradient = bound.loss_gradient(problem)
    Λ = penalty_diagonal(spec)
    assert value + 0.5 * bound.params @ (Λ * bound.params) == pytest.approx(objective)
    np.testing.assert_allclose(JTr + Λ * bound.params, gradient, atol=1e-14)

    def residuals(theta):
        y_hat = np.empty_like(problem.Y)
        bound.backend.forward(bound.plan, theta, problem.X, y_hat, bound.workspace(23))
        scale = np.sqrt(CURVATURE[loss] * problem.sample_weight / 23)
        return (scale[:, None] * (y_hat - problem.Y)).ravel()

    J = optimize.approx_fprime(bound.params.copy(), residuals, 1e-7)
    np.testing.assert_allclose(np.tril(JTJ), np.tril(J.T @ J), atol=1e-6)


def test_the_reference_jacobian_is_that_of_the_outputs(rng):
    spec = NetworkSpec((3, 4, 2), "tanh", "logistic", "squared_error", "float64")
    params, X = random_params(spec, rng), rng.normal(size=(5, 3))
    plan = reference.Plan(spec)
    y_hat, rows = reference.jacobian(plan, params, X)
    assert rows.shape == (2, 5, spec.n_params)

    def outputs(theta):
        return reference.forward_propagation(plan, theta, X)[1][-1].T.ravel()

    np.testing.assert_array_equal(y_hat.T.ravel(), outputs(params))
    differences = optimize.approx_fprime(params, outputs, 1e-7)
    np.testing.assert_allclose(rows.reshape(10, -1), differences, atol=1e-6)


@pytest.mark.parametrize("sizes", [(9, 80, 1), (9, 40, 3)])
def test_same_bits_for_any_number_of_threads(engine, sizes, dtype, rng):
    spec = NetworkSpec(sizes, "tanh", "identity", dtype=dtype)
    problem, params = random_problem(spec, 700, rng, weighted=True), random_params(spec, rng)
    alone, *teams = (
        normal(BoundNetwork(spec, engine.Plan(spec, t), params, engine), problem)
        for t in (1, 2, 3, 5)
    )
    for team in teams:
        for got, expected in zip(team, alone, strict=True):
            np.testing.assert_array_equal(got, expected)


def test_shapes_that_do_not_fit_are_refused(engine, rng):
    spec = NetworkSpec((3, 4, 2), "tanh", "identity", dtype="float64")
    bound, _ = twins(spec, random_params(spec, rng), engine)
    problem = random_problem(spec, 5, rng)
    for message, wrong in {
        "X": replace(problem, X=problem.X[:, :2].copy()),
        "Y": replace(problem, Y=problem.Y[:, :1].copy()),
        "sample_weight": replace(problem, sample_weight=np.ones(4)),
    }.items():
        with pytest.raises(ValueError, match=message):
            normal(bound, wrong)
    call = (bound.plan, bound.params, problem.X, problem.Y, None, None)
    work = bound.workspace(5)
    with pytest.raises(ValueError, match="JTJ"):
        engine.normal_equations(*call, np.empty((3, 3)), np.empty(3), work)
    P = spec.n_params
    with pytest.raises(ValueError, match="work"):
        engine.normal_equations(*call, np.empty((P, P)), np.empty(P), np.empty(3))
    spec = NetworkSpec((3, 2), "tanh", "softmax", "squared_error", "float64")
    bound, _ = twins(spec, random_params(spec, rng), engine)
    with pytest.raises(ValueError, match="sum of squares"):
        normal(bound, random_problem(spec, 5, rng))


def scipy_fit(net, X, y, weight):
    """The minimum that MINPACK finds on the same residuals from the same start."""
    spec, n = replace(net.spec, dtype="float64"), len(X)
    plan, Λ = reference.Plan(spec), penalty_diagonal(spec)
    scale = np.sqrt(CURVATURE[spec.loss] * weight / weight.mean() / n)[:, None]

    def residuals(theta):
        errors = scale * (reference.forward_propagation(plan, theta, X)[1][-1] - y)
        return np.r_[errors.T.ravel(), np.sqrt(Λ) * theta]

    def jacobian(theta):
        rows = scale * reference.jacobian(plan, theta, X)[1]
        return np.r_[rows.reshape(-1, spec.n_params), np.diag(np.sqrt(Λ))]

    start = net.params.astype(np.float64)
    options = dict.fromkeys(("ftol", "xtol", "gtol"), 1e-12)
    return optimize.least_squares(residuals, start, jacobian, method="lm", **options)


@pytest.mark.parametrize("loss", CURVATURE)
@pytest.mark.parametrize("n_outputs", [1, 2])
@pytest.mark.parametrize("engine_name", ["compiled", "reference"])
def test_the_minimum_of_scipys_least_squares(loss, n_outputs, engine_name, dtype, rng):
    X, y, theta = taught(80, rng, n_outputs)
    weight = rng.random(80)
    net = Network(
        [3, 2, n_outputs], output="identity", loss=loss, dtype=dtype, l2=1e-3, engine=engine_name
    )
    net.params[:] = theta + 0.3 * rng.normal(size=len(theta))
    expected = scipy_fit(net, X, y, weight)
    fit = net.levenberg_marquardt(X, y, weight, tol=1e-12)
    assert fit.converged
    assert fit[-1]["loss"] == pytest.approx(expected.cost, rel=1e-6)
    assert relative_error(fit.params, expected.x) < 1e-4
    np.testing.assert_array_equal(net.params, fit.params.astype(dtype))
    assert net.loss(X, y, weight) == pytest.approx(expected.cost, rel=1e-5)


def test_the_objective_never_rises_and_every_iteration_is_recorded(rng):
    X, y = smooth(200, rng)
    net, seen = Network([3, 8, 1], output="identity", seed=0), []
    fit = net.levenberg_marquardt(X, y, max_iterations=30, callback=seen.append)
    assert fit.records == seen
    assert fit.keys() == ["epoch", "loss", "gradient_norm", "damping", "seconds"]
    assert fit["epoch"] == list(range(1, len(fit) + 1))
    assert (np.diff(fit["loss"]) <= 0).all()
    assert fit[-1]["loss"] < 0.1 * np.var(y)
    assert (fit.converged, fit.message) == (False, "max_iterations reached")


def test_the_callback_may_end_it(rng):
    def stop(record):
        if record["epoch"] == 3:
            raise StopIteration

    fit = Network([3, 8, 1], output="identity", seed=0).levenberg_marquardt(
        *smooth(50, rng), callback=stop
    )
    assert len(fit) == 3
    assert not fit.converged
    assert "StopIteration" in fit.message


def test_an_interrupt_leaves_the_best_parameters(rng):
    X, y = smooth(50, rng)

    def interrupt(record):
        if record["epoch"] == 5:
            losses.append(record["loss"])
            raise KeyboardInterrupt

    net, losses = Network([3, 8, 1], output="identity", dtype="float64", seed=0), []
    with pytest.raises(KeyboardInterrupt):
        net.levenberg_marquardt(X, y, callback=interrupt)
    assert net.loss(X, y) == pytest.approx(losses[0])


def test_a_start_at_the_minimum_is_recognised(rng):
    X = rng.normal(size=(30, 2))
    net = Network([2, 3, 1], output="identity", dtype="float64", seed=0)
    start = net.params.copy()
    fit = net.levenberg_marquardt(X, net.forward(X))
    assert (len(fit), fit.converged) == (0, True)
    np.testing.assert_array_equal(net.params, start)


def test_wine_beats_a_longer_run_of_l_bfgs(shared_data):
    table = np.loadtxt(shared_data / "wine-quality" / "winequality-red.csv", delimiter=",")
    table = (table - table.mean(axis=0)) / table.std(axis=0)
    X, y = table[:, :-1], table[:, -1]
    one, other = (Network([11, 10, 1], output="identity", seed=0, l2=1e-3) for _ in range(2))
    fit = one.levenberg_marquardt(X, y, max_iterations=60)
    other.minimize(X, y, max_iterations=60)
    assert fit[-1]["loss"] < other.loss(X, y)
    assert one.score(X, y) > 0.5
    lower, upper = fit.interval(X, of="observation")
    assert np.mean((lower < y) & (y < upper)) == pytest.approx(0.95, abs=0.02)


@pytest.mark.parametrize(
    ("network", "arguments", "message"),
    [
        ({"output": "softmax"}, {}, r"regression network.*cross_entropy.*minimize"),
        ({"output": "logistic"}, {}, "binary_cross_entropy"),
        ({"output": "softmax", "loss": "squared_error"}, {}, "elementwise output"),
        ({}, {"memory_limit": 1e4}, "2 matrices of 44 by 44 parameters, 3.1e-05 GB"),
        ({}, {"tol": 0}, "tol"),
        ({}, {"damping": -1}, "damping"),
        ({}, {"max_iterations": 0}, "max_iterations"),
        ({}, {"sample_weight": np.ones(4)}, "sample_weight"),
    ],
)
def test_what_levenberg_marquardt_refuses(network, arguments, message, rng):
    net = Network([3, 7, 2], **{"output": "identity", "seed": 0, **network})
    before = net.params.copy()
    with pytest.raises(ValueError, match=message):
        net.levenberg_marquardt(rng.normal(size=(5, 3)), rng.random((5, 2)), **arguments)
    np.testing.assert_array_equal(net.params, before)


def test_a_penalty_without_second_derivatives_is_refused(rng):
    spec = NetworkSpec((3, 2, 1), output="identity", l1=(0.1, 0.0))
    net = Network.from_params(spec, random_params(spec, rng))
    with pytest.raises(ValueError, match=r"l1 must be 0, got \(0.1, 0.0\)"):
        net.levenberg_marquardt(*smooth(10, rng))


def test_a_start_that_is_not_finite_is_refused(rng):
    net = Network([3, 2, 1], output="identity", seed=0)
    net.params[0] = np.nan
    with pytest.raises(ValueError, match="objective at the initial parameters is nan"):
        net.levenberg_marquardt(*smooth(10, rng))
    with pytest.raises(TypeError, match="callable"):
        net.levenberg_marquardt(*smooth(10, rng), callback=3)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_float64_form_that_is_kept_follows_the_parameters(dtype):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 2))
    used = Network([2, 3, 1], output="identity", dtype=dtype, seed=0)
    start = used.params.copy()
    used.levenberg_marquardt(X, X[:, 0], max_iterations=2)
    for theta in (start, 0.5 * start):
        alike = Network.from_params(used.spec, theta)
        for net in (used, alike):
            net.params[:] = theta
        copied = pickle.loads(pickle.dumps(used))
        ends = [n.levenberg_marquardt(X, X[:, 0], max_iterations=3) for n in (used, alike, copied)]
        for end in ends[1:]:
            np.testing.assert_array_equal(end.params, ends[0].params)
