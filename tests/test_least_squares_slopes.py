"""Levenberg-Marquardt that fits derivatives: J, the minimum, uncertainty, and what is refused."""

from itertools import product

import numpy as np
import pytest
from scipy import optimize
from support.problems import random_params, random_problem, twins

from ffnn_fast import Activation, Network, NetworkSpec
from ffnn_fast._model.arrays import as_output_weight
from ffnn_fast._model.samples import Samples
from ffnn_fast._runtime import taylor_calls
from ffnn_fast._runtime.bound_network import BoundNetwork
from ffnn_fast._solvers import slope_residuals
from ffnn_fast._solvers.least_squares import CURVATURE, LeastSquares, Model, penalty_diagonal
from ffnn_fast.engine import isa

pytestmark = pytest.mark.engine
X = np.linspace(-3, 2.6, 16)[:, None]
Y, D = np.sin(X), np.cos(X)
SIGNALING_NAN = 0x7FF0_0000_0000_0001


def network(**options):
    settings = {"output": "identity", "dtype": "float64", "seed": 0} | options
    return Network([1, 6, 1], **settings)


def slopes_of(rng, *shape):
    """Derivatives, some of them missing."""
    slopes = rng.normal(size=shape)
    slopes[rng.random(shape) < 0.3] = np.nan
    return slopes


def residuals(bound, problem, weight):
    """The function r(θ) of targets and derivatives, formula by formula, without the penalty."""
    samples, v, n = problem.samples, problem.output_weight, len(problem.samples.X)
    w = np.ones(n) if samples.sample_weight is None else samples.sample_weight
    v = np.ones(bound.spec.n_outputs) if v is None else v
    c = CURVATURE[bound.spec.loss]

    def r(theta):
        here = bound.on(theta)
        errors = here.forward(samples.X) - samples.Y
        slopes = here.jacobian(samples.X).transpose(0, 2, 1) - samples.derivatives
        of_targets = np.sqrt(c * w[:, None] * v / n) * errors
        of_slopes = np.sqrt(weight * w[:, None, None] * v / n) * slopes
        return np.nan_to_num(np.r_[of_targets.ravel(), of_slopes.ravel()])

    return r


@pytest.mark.parametrize("loss", CURVATURE)
@pytest.mark.parametrize("output", ["identity", "logistic"])
@pytest.mark.parametrize("given", [{}, {"output_weight": [2.0, 0.5]}, {"frozen": (1,)}])
@pytest.mark.parametrize("block", [slope_residuals.BLOCK, 16])
def test_the_normal_equations_are_those_of_differences(
    loss, output, given, block, rng, monkeypatch
):
    """JᵀJ, Jᵀr and the objective, of both twins, from central differences of r."""
    monkeypatch.setattr(slope_residuals, "BLOCK", block)
    spec = NetworkSpec(
        (3, 4, 5, 2), ("tanh", "gelu"), output, loss, "float64", l2=0.1, missing_targets="ignore"
    )
    samples = random_problem(spec, 37, rng, weighted=True)
    samples = samples.with_derivatives(slopes_of(rng, 37, 3, 2), 0.7)
    theta = random_params(spec, rng)
    v = as_output_weight(given.get("output_weight"), spec)
    problem = LeastSquares(samples, v, given.get("frozen", ()))
    for bound in twins(spec, theta, isa.engine):
        model, r = Model(bound, problem), residuals(bound, problem, 0.7)
        steps = 1e-5 * np.eye(spec.n_params)
        J = np.array([(r(theta + e) - r(theta - e)) / 2e-5 for e in steps]).T
        which = np.arange(spec.n_params) if model.moving is None else model.moving
        Λ = model.penalty
        H, g = (J.T @ J + np.diag(Λ))[np.ix_(which, which)], (J.T @ r(theta) + Λ * theta)[which]
        model._H.view(np.uint64)[...] = SIGNALING_NAN  # as memory may hold before it is written
        model.move(theta)
        np.testing.assert_allclose(np.tril(model.H), np.tril(H), rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(model.g, g, rtol=1e-6, atol=1e-9)
        objective = 0.5 * (r(theta) @ r(theta) + Λ @ theta**2)
        value, gradient = model.gradient(theta)
        assert value == pytest.approx(objective, rel=1e-12)
        assert model.value(theta) == pytest.approx(objective, rel=1e-12)
        np.testing.assert_allclose(gradient, model.g, rtol=1e-11, atol=1e-13)
        count = np.isfinite(samples.Y).sum() + np.isfinite(samples.derivatives).sum()
        squares = r(theta) @ r(theta) * 37 / CURVATURE[loss]
        assert model.squares(theta) == (pytest.approx(squares), count)


@pytest.mark.parametrize("threads", [2, 3])
def test_same_bits_for_any_number_of_threads(threads, dtype, rng):
    spec = NetworkSpec((6, 40, 30, 4), "tanh", "logistic", "squared_error", dtype)
    theta, rows = random_params(spec, rng), rng.normal(size=(200, 6)).astype(dtype)
    alone, team = (
        taylor_calls.taylor_jacobian(
            BoundNetwork(spec, isa.engine.Plan(spec, t), theta, isa.engine), rows, None
        )
        for t in (1, threads)
    )
    np.testing.assert_array_equal(alone, team)


# Half of the product, with every two of its values together; the slow tests run the other half.
MINIMA = [
    pytest.param(loss, steps, engine, marks=[pytest.mark.slow] * ((i + j + k) % 2))
    for (i, loss), (j, steps), (k, engine) in product(
        enumerate(["squared_error", "half_squared_error"]),
        enumerate([0, None]),
        enumerate(["compiled", "reference"]),
    )
]


@pytest.mark.parametrize(("loss", "quasi_newton_steps", "engine"), MINIMA)
def test_the_minimum_is_that_of_scipys_least_squares(loss, quasi_newton_steps, engine):
    net = network(loss=loss, l2=1e-3, engine=engine)
    some = np.where(np.arange(16)[:, None] % 3 == 0, np.nan, D)
    fit = net.levenberg_marquardt(
        X, Y, derivatives=(some, 0.5), missing_derivatives="ignore", tol=1e-12,
        quasi_newton_steps=quasi_newton_steps, max_iterations=3000,
    )  # fmt: skip
    problem = LeastSquares(Samples(X, Y).with_derivatives(some[:, :, None], 0.5))
    r, Λ = residuals(net._bound, problem, 0.5), penalty_diagonal(net.spec)
    found = optimize.least_squares(
        lambda theta: np.r_[r(theta), np.sqrt(Λ) * theta], net.params + 1e-3, method="lm",
        xtol=1e-14, ftol=1e-14, gtol=1e-14,
    )  # fmt: skip
    assert fit.converged
    assert fit[-1]["loss"] == pytest.approx(found.cost, rel=1e-9)


def test_it_agrees_with_minimize():
    one, other = network(l2=1e-3), network(l2=1e-3)
    fit = one.levenberg_marquardt(X, Y, derivatives=(D, 1.0))
    other.params[:] = one.params
    history = other.minimize(X, Y, derivatives=(D, 1.0), max_iterations=500)
    # From the minimum itself it may take no step.
    assert not history or history[-1]["loss"] == pytest.approx(fit[-1]["loss"], rel=1e-6)


def test_derivatives_help_where_rows_are_few():
    far, errors = np.linspace(-3, 3, 200)[:, None], []
    for derivatives in (None, (D[::3], 1.0)):
        net = network()
        net.levenberg_marquardt(X[::3], Y[::3], derivatives=derivatives)
        errors.append(np.abs(net.forward(far) - np.sin(far)).max())
    assert errors[1] < errors[0] / 3


def test_several_starts_have_the_same_bits_for_any_number_of_threads():
    fits = [
        network(n_threads=t).levenberg_marquardt(X, Y, derivatives=(D, 1.0), n_starts=3)
        for t in (1, 2)
    ]
    np.testing.assert_array_equal(fits[0].params, fits[1].params)
    np.testing.assert_array_equal(fits[0].objectives, fits[1].objectives)


def test_derivatives_count_as_observations(rng):
    """A linear network: ordinary least squares on rows (x, 1) and, for ∂ŷ/∂x_d, (e_d, 0)."""
    rows, beta = rng.normal(size=(30, 2)), np.array([1.0, -2.0])
    y, slopes = rows @ beta + rng.normal(size=30), beta + 0.5 * rng.normal(size=(30, 2))
    slopes[::4, 1] = np.nan
    net = Network([2, 1], output="identity", dtype="float64", seed=0, loss="half_squared_error")
    fit = net.levenberg_marquardt(
        rows, y, derivatives=(slopes, 4.0), missing_derivatives="ignore", tol=1e-14
    )
    A = np.r_[np.c_[rows, np.ones(30)], 2 * np.tile(np.eye(2, 3), (30, 1))]
    b = np.r_[y, 2 * slopes.ravel()]
    A, b = A[~np.isnan(b)], b[~np.isnan(b)]
    theta, squares, *_ = np.linalg.lstsq(A, b, rcond=None)
    np.testing.assert_allclose(fit.params, theta, rtol=1e-8)
    assert fit.degrees_of_freedom == len(b) - 3 == 30 + 60 - 8 - 3
    assert fit.residual_variance == pytest.approx(squares[0] / (len(b) - 3))
    expected = fit.residual_variance * np.linalg.inv(A.T @ A)
    np.testing.assert_allclose(fit.covariance(), expected, rtol=1e-8)


@pytest.mark.parametrize(
    ("settings", "given", "error", "message"),
    [
        ({"loss": "huber"}, {"derivatives": (D, 1.0)}, ValueError, "loss squared_error or half"),
        ({}, {"derivatives": D}, TypeError, r"a pair \(dY_dX, weight\)"),
        ({}, {"derivatives": (D[1:], 1.0)}, ValueError, r"shape \(16, 1, 1\), got \(15, 1\)"),
        ({}, {"derivatives": (D * np.nan, 1.0)}, ValueError, "NaN in 16 entries"),
        ({}, {"derivatives": (D, 0.0)}, ValueError, "weight of derivatives"),
        ({"dropout": 0.1}, {"derivatives": (D, 1.0)}, ValueError, "with dropout"),
        ({}, {"missing_derivatives": "drop"}, ValueError, "missing_derivatives"),
        (
            {"activation": Activation("own", np.tanh, lambda a: 1 - np.tanh(a) ** 2)},
            {"derivatives": (D, 1.0)}, ValueError, "'own' has no second_derivative",
        ),
        (
            {}, {"derivatives": (D, 1.0), "memory_limit": 2.5 * 8 * 19**2}, ValueError,
            "3 matrices of 19 by 19",
        ),
    ],
)  # fmt: skip
def test_refusals(settings, given, error, message):
    net = network(**settings)
    before, state = net.params.copy(), net.rng.bit_generator.state
    with pytest.raises(error, match=message):
        net.levenberg_marquardt(X, Y, n_starts=2, **given)
    np.testing.assert_array_equal(net.params, before)
    assert net.rng.bit_generator.state == state


def test_rows_that_do_not_fit_are_refused(rng):
    spec = NetworkSpec((3, 4, 2), output="identity", dtype="float64")
    bound, _ = twins(spec, random_params(spec, rng), isa.engine)
    rows, work = rng.normal(size=(5, 3)), taylor_calls.taylor_workspace(bound, 5)
    for shape in ((5, 6, spec.n_params + 1), (5, 5, spec.n_params), (4, 6, spec.n_params)):
        with pytest.raises(ValueError, match="J"):
            isa.engine.taylor_jacobian(bound.plan, bound.params, rows, None, np.empty(shape), work)
