"""SciPy's minimisers on the objective of a network, and the objective as a pair of callables."""

import numpy as np
import pytest
from scipy import optimize

from ffnn_fast import Network
from ffnn_fast._solvers.minimizers import GRADIENT_FREE, METHODS

pytestmark = pytest.mark.engine


def curve(n, rng):
    X = rng.normal(size=(n, 2))
    return X, np.tanh(X[:, 0]) + 0.1 * rng.normal(size=n)


def tiny(**options):
    """A network of 4 parameters with one minimum near its start."""
    net = Network([1, 1, 1], output="identity", l2=0.01, seed=1, **options)
    net.params[:] = 0.8, 0.1, 1.2, 0.2
    return net


@pytest.mark.parametrize("method", METHODS)
def test_every_minimiser_finds_the_minimum(method, dtype, rng):
    X = np.linspace(-2, 2, 30)[:, None]
    y = 1.5 * np.tanh(X[:, 0]) + 0.1 * rng.normal(size=30)
    net, best = tiny(dtype=dtype), tiny(dtype="float64")
    if method == "dogleg":  # needs a Hessian that is positive definite
        net.levenberg_marquardt(X, y, max_iterations=2)
    fit = best.levenberg_marquardt(X, y, tol=1e-12)
    history = net.minimize(X, y, method.upper())
    assert history.converged
    assert history.result.success
    assert net.loss(X, y) == pytest.approx(fit[-1]["loss"], rel=1e-4)
    expected = ["epoch", "loss", "gradient_norm", "seconds"]
    assert history.keys() == [key for key in expected if key != "gradient_norm" or (
        method not in GRADIENT_FREE
    )]  # fmt: skip
    assert history["epoch"] == list(range(1, len(history) + 1))


@pytest.mark.parametrize("method", ["L-BFGS-B", "BFGS", "CG"])
def test_a_classifier_with_weights(method, rng):
    X, y = rng.normal(size=(60, 2)), rng.integers(0, 3, 60)
    weight = rng.random(60)
    net = Network([2, 4, 3], l2=0.01, dtype="float64", seed=0)
    start = net.loss(X, y, weight)
    history = net.minimize(X, y, method, weight)
    assert history.converged
    assert np.abs(net.gradient(X, y, weight)).max() < 1e-4
    assert history[-1]["loss"] == pytest.approx(net.loss(X, y, weight), rel=1e-12)
    assert (np.diff([start, *history["loss"]]) <= 1e-12).all()


def test_l_bfgs_is_scipys_on_the_same_function(rng):
    X, y = curve(100, rng)
    net = Network([2, 5, 1], output="identity", dtype="float64", seed=0)
    reference = Network([2, 5, 1], output="identity", dtype="float64", seed=0, engine="reference")
    fun, jac = reference.objective(X, y)
    options = {"maxiter": 40}
    expected = optimize.minimize(fun, net.params, jac=jac, method="L-BFGS-B", options=options)
    history = net.minimize(X, y, max_iterations=40)
    assert history.result.nit == expected.nit == len(history)
    np.testing.assert_allclose(net.params, expected.x, rtol=1e-6)


def test_l_bfgs_reaches_the_minimum_of_scikit_learn(rng):
    sklearn = pytest.importorskip("sklearn.neural_network")
    X, y = curve(200, rng)
    net = Network([2, 5, 1], output="identity", loss="half_squared_error", dtype="float64", seed=0,
                  l2=2 / 200)  # fmt: skip
    peer = sklearn.MLPRegressor(
        hidden_layer_sizes=(5,), activation="tanh", solver="lbfgs", alpha=2, tol=1e-8,
        max_iter=5000, max_fun=50_000, random_state=0,
    )  # fmt: skip
    peer.fit(X, y)
    # From where the other library stopped, nothing is left to gain.
    for W, b, theirs, bias in zip(
        net.weights, net.biases, peer.coefs_, peer.intercepts_, strict=True
    ):
        W[:], b[:] = theirs.T, bias
    reached = net.loss(X, y)
    assert reached == pytest.approx(peer.loss_, rel=1e-6)
    net.minimize(X, y, tol=1e-12, max_iterations=5000)
    assert net.loss(X, y) == pytest.approx(reached, rel=1e-4)


def test_options_tol_and_max_iterations_reach_the_method(rng):
    X, y = curve(50, rng)
    nets = [Network([2, 5, 1], output="identity", seed=0) for _ in range(4)]
    few = nets[0].minimize(X, y, max_iterations=7)
    assert len(few) == few.result.nit == 7
    assert not few.converged
    assert "LIMIT" in few.message
    assert len(nets[1].minimize(X, y, options={"maxiter": 3}, max_iterations=7)) == 3
    assert nets[2].minimize(X, y, "TNC", max_iterations=20).result.nfev <= 21
    loose = nets[3].minimize(X, y, tol=1e-1)
    assert loose.converged
    assert len(loose) < 50


@pytest.mark.parametrize("method", ["L-BFGS-B", "CG", "TNC", "Nelder-Mead"])
def test_the_callback_sees_each_record_and_may_end_it(method, rng):
    X, y = curve(50, rng)
    seen = []

    def stop(record):
        seen.append(record)
        if record["epoch"] == 4:
            raise StopIteration

    net = Network([2, 5, 1], output="identity", dtype="float64", seed=0)
    history = net.minimize(X, y, method, callback=stop)
    assert history.records == seen
    assert len(seen) == 4
    assert not history.converged
    assert net.loss(X, y) <= seen[-1]["loss"] * (1 + 1e-12)


def test_an_interrupt_leaves_the_best_parameters(rng):
    X, y = curve(50, rng)
    losses = []

    def interrupt(record):
        losses.append(record["loss"])
        if len(losses) == 5:
            raise KeyboardInterrupt

    net = Network([2, 5, 1], output="identity", dtype="float64", seed=0)
    with pytest.raises(KeyboardInterrupt):
        net.minimize(X, y, callback=interrupt)
    assert net.loss(X, y) == pytest.approx(min(losses), rel=1e-12)


def test_a_method_that_goes_astray_leaves_the_best_parameters(rng):
    """COBYLA with one evaluation more than the start, in a first step that is far too long."""
    X, y = curve(50, rng)
    net = Network([2, 2, 1], output="identity", dtype="float64", seed=0)
    before = net.loss(X, y)
    history = net.minimize(X, y, "COBYLA", max_iterations=12, options={"rhobeg": 1e4})
    assert not history.converged
    assert net.loss(X, y) <= before


def test_the_objective_is_a_pair_of_callables(dtype, rng):
    X, y = curve(40, rng)
    weight = rng.random(40)
    net = Network([2, 3, 1], output="identity", dtype=dtype, seed=0, l2=0.1)
    before = net.params.copy()
    fun, jac = objective = net.objective(X, y, weight)
    twin = Network([2, 3, 1], output="identity", dtype="float64", l2=0.1)
    twin.params[:] = theta = rng.normal(size=net.spec.n_params)
    assert fun(theta) == twin.loss(X, y, weight)
    assert isinstance(fun(theta), float)
    assert jac(theta).dtype == np.float64
    np.testing.assert_array_equal(jac(theta), twin.gradient(X, y, weight))
    assert optimize.check_grad(fun, jac, theta) < 1e-6
    np.testing.assert_array_equal(net.params, before)
    assert objective.best.value <= fun(theta)


def test_value_and_gradient_at_a_point_are_one_evaluation(rng):
    net = Network([2, 3, 1], output="identity", seed=0)
    fun, jac = objective = net.objective(*curve(40, rng))
    theta = net.params.astype(np.float64)
    jac(theta)
    assert objective.evaluations == 1
    fun(theta)
    jac(theta)
    assert objective.evaluations == 1
    theta += 0.1  # the very array that was given before, with other numbers in it
    moved = fun(theta)
    assert objective.evaluations == 2
    gradient = jac(theta)
    gradient[:] = 0  # the caller's own
    assert jac(theta).any()
    assert objective.evaluations == 2
    assert moved == net.objective(*curve(40, np.random.default_rng(20))).fun(theta)


def test_second_derivatives_are_differences_of_gradients(rng):
    net = tiny(dtype="float64")
    objective = net.objective(rng.normal(size=(30, 1)), rng.normal(size=30))
    theta = rng.normal(size=4)
    expected = optimize.approx_fprime(theta, objective.jac, 1e-6)
    np.testing.assert_allclose(objective.hessian(theta), expected, atol=1e-5)
    v = rng.normal(size=4)
    np.testing.assert_allclose(objective.hessian_product(theta, v), expected @ v, atol=1e-5)
    assert not objective.hessian_product(theta, 0 * v).any()


def test_what_is_refused(rng):
    X, y = curve(10, rng)
    net = Network([2, 3, 1], output="identity", seed=0)
    with pytest.raises(ValueError, match=r"one of l-bfgs-b, .*got 'adam'"):
        net.minimize(X, y, "adam")
    with pytest.raises(TypeError, match="name of a SciPy minimiser"):
        net.minimize(X, y, print)
    with pytest.raises(TypeError, match="options must be a mapping"):
        net.minimize(X, y, options=["maxiter"])
    with pytest.raises(TypeError, match="callback must be callable"):
        net.minimize(X, y, callback=1)
    with pytest.raises(ValueError, match="tol"):
        net.minimize(X, y, tol=-1)
    with pytest.raises(ValueError, match=r"theta must have shape \(13,\), got \(12,\)"):
        net.objective(X, y).fun(np.zeros(12))
    with pytest.raises(ValueError, match="one entry per row"):
        net.objective(X, y[:-1])
    net.params[:] = np.inf
    with pytest.raises(ValueError, match="objective at the initial parameters is nan, not finite"):
        net.minimize(X, y)


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"bounds": [(0, 1)]}, ValueError, "'bounds', which is an argument of scipy.optimize.min"),
        ({"maxiter": 3, "jac": None}, ValueError, "'jac'.* net.objective"),
        ({"callback": print}, ValueError, "'callback', which is an argument of minimize"),
        ({"constraints": ()}, ValueError, "'constraints'"),
        ({3: 1}, TypeError, "names in options must be strings, got 3"),
    ],
)
@pytest.mark.parametrize("method", ["L-BFGS-B", "SLSQP", "Nelder-Mead", "trust-constr"])
def test_options_that_are_arguments(method, options, error, match):
    net = tiny()
    before = net.params.copy()
    with pytest.raises(error, match=match):
        net.minimize([[0.0], [1.0]], [0.0, 1.0], method, options=options)
    np.testing.assert_array_equal(net.params, before)


def test_the_history_counts_iterations():
    X, y = np.linspace(-1, 1, 9)[:, None], np.linspace(0, 1, 9)
    net = Network([1, 2, 1], output="identity", seed=0)
    for history in (net.minimize(X, y, max_iterations=3), net.levenberg_marquardt(X, y)):
        name, n = type(history).__name__, len(history)
        text = repr(history)
        assert text.startswith(f"{name}({n} iteration{'s' * (n > 1)}; last: iteration {n}, loss")
        assert "epoch" not in text
