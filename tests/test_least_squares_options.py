"""Levenberg-Marquardt with missing targets, weights of outputs and frozen layers."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import optimize
from support.problems import random_params, random_problem, relative_error, taught, twins

from ffnn_fast import Network, NetworkSpec, reference
from ffnn_fast._model.arrays import as_output_weight
from ffnn_fast._runtime.bound_network import BoundNetwork, aligned_empty
from ffnn_fast._solvers.least_squares import CURVATURE, LeastSquares, Model, penalty_diagonal
from ffnn_fast.engine import isa

pytestmark = pytest.mark.engine
SIZES = [(3, 1, 2), (7, 13, 3), (17, 33, 9, 4)]


def normal(bound, problem, output_weight):
    """½ Σ r², the lower triangle of JᵀJ and Jᵀr."""
    P, backend, dtype = bound.spec.n_params, bound.backend, bound.spec.dtype
    JTJ, JTr = np.zeros((P, P), dtype), np.empty(P, dtype)
    work = aligned_empty(backend.normal_workspace_size(bound.plan, len(problem.X)), dtype)
    work[:] = np.nan
    value = backend.normal_equations(
        bound.plan, bound.params, problem.X, problem.Y, problem.sample_weight, output_weight,
        JTJ, JTr, work,
    )  # fmt: skip
    return value, np.tril(JTJ), JTr


class TestNormalEquations:
    @pytest.mark.parametrize("sizes", SIZES)
    @pytest.mark.parametrize("n", [1, 31, 300])
    @pytest.mark.parametrize("activation", ["tanh", "gelu"])
    @pytest.mark.parametrize("weighted", [False, True])
    def test_both_twins(self, engine, sizes, n, activation, weighted, dtype, rtol, rng):
        spec = NetworkSpec(sizes, activation, "identity", dtype=dtype, missing_targets="ignore")
        problem = random_problem(spec, n, rng, weighted=weighted)
        assert n == 1 or np.isnan(problem.Y).any()
        v = as_output_weight(rng.random(sizes[-1]), spec)
        for output_weight in (None, v):
            ours, theirs = (
                normal(bound, problem, output_weight)
                for bound in twins(spec, random_params(spec, rng), engine)
            )
            for got, expected in zip(ours, theirs, strict=True):
                assert relative_error(np.asarray(got), np.asarray(expected)) <= rtol

    def test_a_missing_target_is_a_residual_of_weight_0(self, engine, dtype, rng):
        """The same bits as weight 0 of the same output, where each row has one output."""
        spec = NetworkSpec((4, 9, 1), "tanh", "identity", dtype=dtype, missing_targets="ignore")
        params, problem = random_params(spec, rng), random_problem(spec, 77, rng)
        bound = BoundNetwork(spec, engine.Plan(spec), params, engine)
        present = ~np.isnan(problem.Y[:, 0])
        zeros = replace(problem, Y=np.nan_to_num(problem.Y), sample_weight=present.astype(dtype))
        for got, expected in zip(
            normal(bound, problem, None), normal(bound, zeros, None), strict=True
        ):
            np.testing.assert_array_equal(got, expected)

    def test_the_value_is_the_loss(self, engine, rng):
        spec = NetworkSpec((4, 9, 3), "tanh", "identity", dtype="float64", missing_targets="ignore")
        problem = random_problem(spec, 77, rng, weighted=True)
        bound, _ = twins(spec, random_params(spec, rng), engine)
        value, _, JTr = normal(bound, problem, None)
        loss, grad = bound.loss_gradient(problem)
        assert value == pytest.approx(loss)
        np.testing.assert_allclose(JTr, grad, atol=1e-14)

    @pytest.mark.parametrize("threads", [2, 3])
    def test_same_bits_for_any_number_of_threads(self, engine, threads, dtype, rng):
        spec = NetworkSpec((9, 40, 3), "tanh", "identity", dtype=dtype, missing_targets="ignore")
        problem, params = random_problem(spec, 700, rng, weighted=True), random_params(spec, rng)
        v = as_output_weight([1.0, 0.0, 2.5], spec)
        alone, team = (
            normal(BoundNetwork(spec, engine.Plan(spec, t), params, engine), problem, v)
            for t in (1, threads)
        )
        for got, expected in zip(team, alone, strict=True):
            np.testing.assert_array_equal(got, expected)

    def test_weights_that_do_not_fit_are_refused(self, engine, rng):
        spec = NetworkSpec((3, 4, 2), "tanh", "identity", dtype="float64")
        bound, _ = twins(spec, random_params(spec, rng), engine)
        for wrong in (np.ones(3), np.ones(2, np.float32), np.ones((2, 1))):
            with pytest.raises(ValueError, match="output_weight"):
                normal(bound, random_problem(spec, 5, rng), wrong)


@pytest.mark.parametrize("given", [{}, {"output_weight": [2.0, 0.5]}, {"frozen": (1,)}])
def test_the_gradient_is_that_of_the_objective(given, rng):
    """By differences of `Model.value`; and g of `Model.move` is the same."""
    spec = NetworkSpec(
        (3, 4, 2), output="logistic", loss="squared_error", dtype="float64", l2=0.1,
        missing_targets="ignore",
    )  # fmt: skip
    bound, _ = twins(spec, random_params(spec, rng), isa.engine)
    samples = random_problem(spec, 23, rng, weighted=True)
    weight = as_output_weight(given.get("output_weight"), spec)
    model = Model(bound, LeastSquares(samples, weight, given.get("frozen", ())))
    value, grad = model.gradient(bound.params)
    assert value == pytest.approx(model.value(bound.params))
    differences = optimize.approx_fprime(bound.params.copy(), model.value, 1e-7)
    moving = slice(None) if model.moving is None else model.moving
    np.testing.assert_allclose(grad, differences[moving], atol=1e-6)
    model.move(bound.params)
    np.testing.assert_allclose(model.g, grad, atol=1e-13)


def scipy_fit(net, X, y, weight, output_weight, frozen):
    """The minimum that SciPy finds on the same residuals from the same start, and its θ."""
    spec, n = replace(net.spec, dtype="float64"), len(X)
    plan, Λ, start = reference.Plan(spec), penalty_diagonal(spec), net.params.astype(np.float64)
    scale = CURVATURE[spec.loss] * weight[:, None] / weight.mean() / n
    scale = np.sqrt(scale * np.asarray(output_weight)) * ~np.isnan(y)
    moves = np.ones(spec.n_params, bool)
    for k in frozen:
        spec.weights(moves)[k - 1][...] = spec.biases(moves)[k - 1][...] = False

    def theta(moving):
        whole = start.copy()
        whole[moves] = moving
        return whole

    def residuals(moving):
        y_hat = reference.forward_propagation(plan, theta(moving), X)[1][-1]
        errors = scale * (y_hat - np.nan_to_num(y))
        return np.r_[errors.T.ravel(), np.sqrt(Λ) * theta(moving)]

    def jacobian(moving):
        rows = scale.T[:, :, None] * reference.jacobian(plan, theta(moving), X)[1]
        return np.r_[rows.reshape(-1, spec.n_params), np.diag(np.sqrt(Λ))][:, moves]

    options = dict.fromkeys(("ftol", "xtol", "gtol"), 1e-13)
    found = optimize.least_squares(residuals, start[moves], jacobian, method="lm", **options)
    return found.cost, theta(found.x)


CASES = {
    "missing": {"missing": True},
    "output weights": {"output_weight": [0.3, 2.0]},
    "frozen first layer": {"frozen": (1,)},
    "frozen last layer": {"frozen": (2,)},
    "all": {"missing": True, "output_weight": [0.3, 2.0], "frozen": (1,)},
}


@pytest.mark.parametrize("loss", CURVATURE)
@pytest.mark.parametrize("engine_name", ["compiled", "reference"])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("quasi_newton_steps", [0, None])
def test_the_minimum_of_scipys_least_squares(
    loss, engine_name, case, quasi_newton_steps, dtype, rng
):
    given = dict(CASES[case])
    X, y, theta = taught(80, rng, 2)
    weight = rng.random(80)
    if given.pop("missing", False):
        y[rng.random(y.shape) < 0.2] = np.nan
        y[3] = np.nan
    net = Network(
        [3, 2, 2], output="identity", loss=loss, dtype=dtype, l2=1e-3, engine=engine_name,
        missing_targets="ignore",
    )  # fmt: skip
    net.params[:] = theta + 0.3 * rng.normal(size=len(theta))
    before = net.params.copy()
    frozen, output_weight = given.get("frozen", ()), given.get("output_weight", [1.0, 1.0])
    cost, expected = scipy_fit(net, X, y, weight, output_weight, frozen)
    fit = net.levenberg_marquardt(
        X, y, weight, tol=1e-12, quasi_newton_steps=quasi_newton_steps, **given
    )
    assert fit.converged
    assert fit[-1]["loss"] == pytest.approx(cost, rel=1e-6)
    assert relative_error(fit.params, expected) < 1e-4
    for k in frozen:
        for part in ("weights", "biases"):
            stays = getattr(net.spec, part)(before)[k - 1]
            np.testing.assert_array_equal(getattr(net, part)[k - 1], stays)
            np.testing.assert_array_equal(getattr(net.spec, part)(fit.params)[k - 1], stays)


class TestIntervals:
    def test_missing_targets_do_not_count(self, rng):
        """The covariance is that of the rows that have a target."""
        X, y = rng.normal(size=(60, 2)), rng.normal(size=60)
        y[::4] = np.nan
        present = ~np.isnan(y)
        some = Network([2, 1], output="identity", dtype="float64", missing_targets="ignore", seed=0)
        rest = some.copy()
        fit = some.levenberg_marquardt(X, y, tol=1e-14)
        expected = rest.levenberg_marquardt(X[present], y[present], tol=1e-14)
        assert fit.degrees_of_freedom == expected.degrees_of_freedom == 45 - 3
        np.testing.assert_allclose(fit.params, expected.params, rtol=1e-8)
        np.testing.assert_allclose(fit.covariance(), expected.covariance(), rtol=1e-8)

    def test_weights_of_outputs_are_those_of_their_errors(self, rng):
        """Two linear outputs with errors of variance s²/v_j, by ordinary least squares."""
        X, v = rng.normal(size=(50, 2)), np.array([4.0, 0.25])
        Y = X @ rng.normal(size=(2, 2)) + rng.normal(size=(50, 2)) / np.sqrt(v)
        net = Network([2, 2], output="identity", dtype="float64", seed=0)
        fit = net.levenberg_marquardt(X, Y, output_weight=v, tol=1e-14)
        A = np.c_[X, np.ones(50)]
        B = np.linalg.lstsq(A, Y, rcond=None)[0]
        np.testing.assert_allclose(net.weights[0], B[:2].T, rtol=1e-8)
        s2 = (v * (Y - A @ B) ** 2).sum() / (100 - 6)
        assert fit.residual_variance == pytest.approx(s2)
        spread = np.einsum("ij,jk,ik->i", A, np.linalg.inv(A.T @ A), A)[:, None]
        mean, observation = fit.interval(X), fit.interval(X, of="observation")
        ratio = (observation.upper - observation.lower) / (mean.upper - mean.lower)
        np.testing.assert_allclose(ratio**2, np.tile((1 + spread) / spread, 2), rtol=1e-8)
        np.testing.assert_allclose(
            fit.covariance().diagonal()[:2], s2 / v[0] * np.linalg.inv(A.T @ A).diagonal()[:2]
        )

    def test_frozen_layers_are_known(self, rng):
        """With a frozen hidden layer it is a linear regression on h_1."""
        X, y = rng.normal(size=(40, 3)), rng.normal(size=40)
        net = Network([3, 4, 1], output="identity", dtype="float64", seed=0)
        A = np.c_[net.trace(X)["h_1"], np.ones(40)]
        fit = net.levenberg_marquardt(X, y, frozen=[1], tol=1e-14)
        b = np.linalg.lstsq(A, y, rcond=None)[0]
        np.testing.assert_allclose(fit.params[-5:], b, rtol=1e-6)
        s2 = ((y - A @ b) ** 2).sum() / 35
        assert fit.effective_parameters == 5
        covariance = fit.covariance()
        assert not covariance[:-5].any()
        np.testing.assert_allclose(covariance[-5:, -5:], s2 * np.linalg.inv(A.T @ A), rtol=1e-6)
        lower, upper = fit.interval(X)
        assert (upper > lower).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"output_weight": np.ones(3)}, r"output_weight must have shape \(2,\), got \(3,\)"),
        ({"output_weight": [1, -1]}, "output_weight must be >= 0, got -1"),
        ({"output_weight": [0, 0]}, "output_weight must have a positive sum"),
        ({"output_weight": [1, 1e200]}, "largest of output_weight must lie between 1e-100 and"),
        ({"output_weight": [0, 1e-200]}, "largest of output_weight must lie between 1e-100 and"),
        ({"output_weight": [1, np.nan]}, "output_weight must be finite"),
        ({"frozen": [3]}, r"the network has layers 1 to 2, got \[3\] in frozen"),
        ({"frozen": [1, 2]}, "all layers are frozen"),
        ({"frozen": [1], "memory_limit": 2.5 * 8 * 44**2}, "3 matrices of 44 by 44"),
        ({"n_starts": 0}, "n_starts"),
        ({"quasi_newton_steps": -1}, "quasi_newton_steps"),
    ],
)
def test_refusals(arguments, message, rng):
    net = Network([3, 7, 2], output="identity", seed=0)
    before, state = net.params.copy(), net.rng.bit_generator.state
    with pytest.raises(ValueError, match=message):
        net.levenberg_marquardt(rng.normal(size=(5, 3)), rng.random((5, 2)), **arguments)
    np.testing.assert_array_equal(net.params, before)
    assert net.rng.bit_generator.state == state
