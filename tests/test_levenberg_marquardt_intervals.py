"""The covariance and the intervals of a least-squares fit, beside formulas that know them."""

import pickle

import numpy as np
import pytest
from scipy import optimize, stats
from support.problems import smooth

from ffnn_fast import Network, reference
from ffnn_fast._solvers.levenberg_marquardt import CURVATURE

pytestmark = pytest.mark.engine


def least_squares_line(X, y, weight, new, level):
    """Ends of the interval for the mean and for an observation, of ordinary least squares."""
    A, B = (np.c_[rows, np.ones(len(rows))] for rows in (X, new))
    C = np.linalg.inv(A.T @ (weight[:, None] * A))
    b = C @ A.T @ (weight * y)
    freedom = len(y) - A.shape[1]
    s2 = (weight * (y - A @ b) ** 2).sum() / freedom
    t, spread = stats.t.ppf((1 + level) / 2, freedom), ((B @ C) * B).sum(axis=1)
    return [
        (B @ b - t * np.sqrt(s2 * v), B @ b + t * np.sqrt(s2 * v)) for v in (spread, 1 + spread)
    ]


@pytest.mark.parametrize("loss", CURVATURE)
@pytest.mark.parametrize("level", [0.5, 0.95])
def test_a_linear_network_has_the_intervals_of_least_squares(loss, level, rng):
    X, new = rng.normal(size=(40, 3)), rng.normal(size=(300, 3))
    y, weight = X @ [1, 2, -1] + rng.normal(size=40), rng.random(40)
    net = Network([3, 1], output="identity", loss=loss, dtype="float64", seed=0)
    fit = net.levenberg_marquardt(X, y, weight, damping=1e-12)
    expected = least_squares_line(X, y, weight / weight.mean(), new, level)
    for of, ends in zip(("mean", "observation"), expected, strict=True):
        np.testing.assert_allclose(fit.interval(new, level, of), ends, rtol=1e-9, atol=1e-11)
    assert fit.effective_parameters == 4
    assert fit.degrees_of_freedom == 36
    one = fit.interval(new[0], level)
    assert one.lower.shape == ()
    assert one.upper == pytest.approx(expected[0][1][0])


def test_a_ridge_has_the_covariance_of_ridge_regression(rng):
    X, y = rng.normal(size=(30, 3)), rng.normal(size=30)
    net = Network([3, 1], output="identity", dtype="float64", seed=0, l2=0.3)
    fit = net.levenberg_marquardt(X, y, tol=1e-14)
    A = np.c_[X, np.ones(30)]
    G, Λ = A.T @ A, np.diag([0.15 * 30] * 3 + [0])  # Σ (ŷ − y)² + 30 · 0.3/2 · ‖W‖²
    inverse = np.linalg.inv(G + Λ)
    hat = A @ inverse @ A.T
    effective = np.trace(2 * hat - hat @ hat)
    s2 = ((y - hat @ y) ** 2).sum() / (30 - effective)
    assert fit.effective_parameters == pytest.approx(effective)
    assert fit.residual_variance == pytest.approx(s2)
    np.testing.assert_allclose(fit.covariance(), s2 * inverse @ G @ inverse, rtol=1e-8)
    lower, upper = fit.interval(X)
    half = stats.t.ppf(0.975, 30 - effective) * np.sqrt(s2 * (hat @ hat).diagonal())
    np.testing.assert_allclose(upper - lower, 2 * half, rtol=1e-8)


def test_a_tanh_curve_has_the_covariance_of_curve_fit(rng):
    x = np.linspace(-3, 3, 60)
    y = 1.5 * np.tanh(1.2 * x - 0.3) + 0.4 + 0.1 * rng.normal(size=60)
    net = Network([1, 1, 1], output="identity", dtype="float64", seed=1)
    fit = net.levenberg_marquardt(x[:, None], y, tol=1e-14)

    def curve(x, W_1, b_1, W_2, b_2):
        return b_2 + W_2 * np.tanh(W_1 * x + b_1)

    theta, covariance = optimize.curve_fit(curve, x, y, p0=net.params, xtol=1e-14)
    np.testing.assert_allclose(fit.params, theta, rtol=1e-6)
    np.testing.assert_allclose(fit.covariance(), covariance, rtol=1e-5)


def test_intervals_hold_what_they_promise(rng):
    """A curve known in full: of 400 fits to it, 90 % have it, or a new observation, within."""
    x, inside = np.linspace(-2, 2, 40)[:, None], []
    truth, at = 2 * np.tanh(x[:, 0]) - 0.5, [5, 20, 33]
    for _ in range(400):
        net = Network([1, 1, 1], output="identity", dtype="float64")
        net.params[:] = 1, 0, 2, -0.5
        fit = net.levenberg_marquardt(x, truth + 0.3 * rng.normal(size=40))
        new = truth[at] + 0.3 * rng.normal(size=3)
        inside.append(
            [(lower <= value) & (value <= upper) for (lower, upper), value in (
                (fit.interval(x[at], 0.9), truth[at]),
                (fit.interval(x[at], 0.9, "observation"), new),
            )]
        )  # fmt: skip
    np.testing.assert_allclose(np.mean(inside, axis=0), 0.9, atol=0.05)  # 3 standard errors


def test_two_outputs_share_one_variance(rng):
    X = rng.normal(size=(50, 2))
    Y = X @ rng.normal(size=(2, 2)) + rng.normal(size=(50, 2))
    net = Network([2, 2], output="identity", dtype="float64", seed=0)
    fit = net.levenberg_marquardt(X, Y, tol=1e-14)
    A = np.c_[X, np.ones(50)]
    squares = ((Y - A @ np.linalg.lstsq(A, Y, rcond=None)[0]) ** 2).sum()
    assert fit.residual_variance == pytest.approx(squares / (100 - 6))
    lower, upper = fit.interval(X[:4])
    assert lower.shape == upper.shape == (4, 2)
    spread = ((A @ np.linalg.inv(A.T @ A)) * A).sum(axis=1)[:4, None]
    half = stats.t.ppf(0.975, 94) * np.sqrt(fit.residual_variance * spread)
    np.testing.assert_allclose(upper - lower, np.repeat(2 * half, 2, axis=1), rtol=1e-9)


def test_a_column_of_zeros_leaves_the_intervals_of_the_others(rng):
    """Its weight is not determined: infinite where the column is not 0, else as without it."""
    X = rng.normal(size=(30, 3))
    y = X[:, 0] + rng.normal(size=30)
    X[:, 2] = 0
    net, rest = (Network([i, 1], output="identity", dtype="float64", seed=0) for i in (3, 2))
    fit, expected = (n.levenberg_marquardt(X[:, : n.spec.n_inputs], y) for n in (net, rest))
    assert fit.effective_parameters == expected.effective_parameters == 3
    assert fit.residual_variance == pytest.approx(expected.residual_variance)
    for of in ("mean", "observation"):
        for ours, theirs in zip(
            fit.interval(X, of=of), expected.interval(X[:, :2], of=of), strict=True
        ):
            np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    kept = [0, 1, 3]
    np.testing.assert_allclose(
        fit.covariance()[np.ix_(kept, kept)], expected.covariance(), rtol=1e-6
    )
    np.testing.assert_allclose(fit.covariance()[2], 0, atol=1e-12)
    X[0, 2] = 1e-3
    lower, upper = fit.interval(X)
    assert (lower[0], upper[0]) == (-np.inf, np.inf)
    assert np.isfinite(np.r_[lower[1:], upper[1:]]).all()


def test_as_many_effective_parameters_as_residuals(rng):
    few = Network([3, 1], output="identity", seed=0)
    fit = few.levenberg_marquardt(rng.normal(size=(4, 3)), np.arange(4.0))
    with pytest.raises(ValueError, match="4 residuals leave no degrees of freedom"):
        fit.interval(np.zeros(3))


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("l2", [0.0, 1e-4])
def test_a_dead_unit_changes_no_interval(engine, l2, rng):
    """A unit of relu that is 0 on every row beside the same network without it."""
    X = rng.uniform(-1, 1, size=(60, 2))
    y = np.abs(X[:, 0]) + 0.1 * rng.normal(size=60)
    settings = {"output": "identity", "dtype": "float64", "activation": "relu", "engine": engine}
    net, rest = (Network([2, m, 1], l2=l2, seed=3, **settings) for m in (4, 3))
    for part in ("weights", "biases"):
        for ours, theirs in zip(getattr(net, part), getattr(rest, part), strict=True):
            theirs[...] = ours[tuple(slice(n) for n in theirs.shape)]
    net.weights[0][3], net.biases[0][3], net.weights[1][0, 3] = (0, 0) if l2 else (1, 1), -5, 0
    fit, expected = (
        n.levenberg_marquardt(X, y, max_iterations=900, tol=1e-12) for n in (net, rest)
    )
    assert fit[-1]["loss"] == pytest.approx(expected[-1]["loss"])
    assert fit.effective_parameters == pytest.approx(expected.effective_parameters, rel=1e-5)
    assert expected.effective_parameters < 13  # (c W_1, W_2 / c) makes the same relu network
    for ours, theirs in zip(fit.interval(X), expected.interval(X), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    if not l2:
        net.weights[1][0, 3] = fit.params[-2] = 1.0
        lower, upper = fit.interval([[5.0, 5.0], [0.0, 0.0]])
        np.testing.assert_array_equal(np.isfinite([lower, upper]), [[False, True]] * 2)


def test_a_penalty_does_not_determine_the_bias_of_a_unit_without_weights(rng):
    """Nor does ŷ depend on it."""
    net = Network([1, 2, 1], output="identity", dtype="float64", l2=1.0, seed=0)
    y = 1 + rng.normal(size=20)
    fit = net.levenberg_marquardt(rng.normal(size=(20, 1)), y, tol=1e-14)
    half = stats.t.ppf(0.975, 19) * y.std(ddof=1) / np.sqrt(20)
    lower, upper = fit.interval([[0.0]])
    np.testing.assert_allclose([lower[0], upper[0]], [y.mean() - half, y.mean() + half], rtol=1e-4)


def test_both_engines_have_the_same_intervals(rng):
    X, y = smooth(50, rng)
    fits = [
        Network([3, 4, 1], output="identity", seed=0, engine=engine).levenberg_marquardt(
            X, y, max_iterations=3
        )
        for engine in ("compiled", "reference")
    ]
    ours, theirs = (np.array(fit.interval(X)) for fit in fits)
    np.testing.assert_allclose(ours, theirs, rtol=1e-7)


def test_an_interval_takes_the_compiled_jacobian(rng, monkeypatch):
    fit = Network([3, 4, 1], output="identity", seed=0).levenberg_marquardt(*smooth(50, rng))
    for name in ("jacobian", "parameter_jacobian", "forward"):
        monkeypatch.setattr(reference, name, None)
    assert np.isfinite(fit.interval(np.zeros((300, 3)))).all()


def test_a_fit_is_pickled_with_its_intervals(rng):
    fit = Network([3, 4, 1], output="identity", seed=0).levenberg_marquardt(*smooth(50, rng))
    expected = fit.interval(np.zeros(3))
    assert pickle.loads(pickle.dumps(fit)).interval(np.zeros(3)) == expected


def test_what_an_interval_refuses(rng):
    fit = Network([3, 1], output="identity", seed=0).levenberg_marquardt(*smooth(30, rng))
    for level in (0, 1, 1.5, float("nan")):
        with pytest.raises(ValueError, match="level"):
            fit.interval(np.zeros(3), level)
    with pytest.raises(ValueError, match="one of mean, observation"):
        fit.interval(np.zeros(3), of="median")
    with pytest.raises(ValueError, match="shape"):
        fit.interval(np.zeros((2, 2)))
