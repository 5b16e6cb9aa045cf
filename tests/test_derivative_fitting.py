"""Fitting derivatives: the objective and ∇θ, fit and minimize with them, and what is refused."""

from dataclasses import dataclass

import numpy as np
import pytest
from support.problems import random_params, random_problem, relative_error, twins

from ffnn_fast import CheckpointError, Network, NetworkSpec
from ffnn_fast._runtime import taylor_calls
from ffnn_fast._runtime.sobolev import SobolevNetwork
from ffnn_fast.engine import isa
from ffnn_fast.optimizers import OPTIMIZERS, Optimizer

X = np.linspace(-3, 2.6, 16)[:, None]  # not symmetric: then no gradient is a rounded 0
Y, D = np.sin(X), np.cos(X)


def network(**options):
    settings = {"output": "identity", "dtype": "float64", "seed": 0} | options
    return Network([1, 12, 1], **settings)


@pytest.mark.engine
@pytest.mark.parametrize("output", ["identity", "softmax", "logistic"])
def test_the_objective_and_its_gradient(output, rng):
    spec = NetworkSpec((3, 6, 4), "tanh", output, "squared_error", "float64", 0.01)
    samples = random_problem(spec, 9, rng, weighted=True)
    slopes = rng.normal(size=(9, 3, 4))
    slopes[rng.random(slopes.shape) < 0.3] = np.nan
    params = random_params(spec, rng)
    for bound in map(SobolevNetwork.of, twins(spec, params, isa.engine)):
        plain = bound.loss(samples)
        fitted = samples.with_derivatives(slopes, 0.7)
        value, grad = bound.loss_gradient(fitted)
        _, first, _ = taylor_calls.taylor(bound, samples.X, None)
        weight = samples.sample_weight[:, None, None]
        term = np.nansum(0.5 * weight * (first - slopes) ** 2) / 9
        assert value == pytest.approx(plain + 0.7 * term, rel=1e-12)
        assert bound.loss(fitted) == pytest.approx(value, rel=1e-12)
        v, h = rng.normal(size=spec.n_params), 1e-6
        above, below = (bound.on(params + s * h * v).loss(fitted) for s in (1, -1))
        assert grad @ v == pytest.approx((above - below) / (2 * h), rel=1e-6)


@pytest.mark.engine
@pytest.mark.parametrize("optimizer", sorted(OPTIMIZERS))
@pytest.mark.parametrize("batch_size", [1, 5, None])
def test_both_engines_train_alike(optimizer, batch_size):
    fits = []
    for engine in ("compiled", "reference"):
        net = network(engine=engine)
        options = {"clip_norm": 1.0, "frozen": [1], "averaging": "ema"} if batch_size == 5 else {}
        history = net.fit(
            X, Y, epochs=3, batch_size=batch_size, optimizer=optimizer, derivatives=(D, 0.5),
            validation_data=(X, Y), **options,
        )  # fmt: skip
        fits.append((net.params, history["loss"], history["gradient_norm"]))
    for one, other in zip(*fits, strict=True):
        assert relative_error(one, other) <= 1e-8


def test_a_term_of_weight_zero_would_change_nothing():
    """The steps that are computed one by one are those of an epoch in one call."""
    one, other = network(), network()
    one.fit(X, Y, epochs=3, optimizer="adam", derivatives=(D, 1e-300))
    other.fit(X, Y, epochs=3, optimizer="adam")
    np.testing.assert_allclose(one.params, other.params, rtol=1e-12, atol=1e-14)


def test_derivatives_help_where_rows_are_few():
    far = np.linspace(-3, 3, 200)[:, None]
    errors = []
    for derivatives in (None, (D[::5], 1.0)):
        net = network()
        net.minimize(X[::5], Y[::5], max_iterations=500, derivatives=derivatives)
        errors.append(np.abs(net.forward(far) - np.sin(far)).max())
    assert errors[1] < errors[0] / 5


def test_fit_lowers_the_error_of_derivatives():
    net = network()
    error = []
    for _ in range(2):
        error.append(np.square(net.taylor(X, [1.0]).first - D).mean())
        net.fit(X, Y, epochs=300, optimizer="adam", learning_rate=0.01, derivatives=(D, 1.0))
    assert error[1] < 0.05 * error[0]


def test_a_missing_derivative_does_not_count():
    some = D.copy()
    some[3:] = np.nan
    with pytest.raises(ValueError, match='NaN in 13 entries; give missing_derivatives="ignore"'):
        network().fit(X, Y, derivatives=(some, 1.0))
    fits = []
    for masked in (some, np.ma.masked_invalid(some), some[:, None, :], some.tolist()):
        net = network()
        net.fit(X, Y, epochs=2, derivatives=(masked, 1.0), missing_derivatives="ignore")
        fits.append(net.params.copy())
    for other in fits[1:]:
        np.testing.assert_array_equal(fits[0], other)
    net = network()
    net.fit(
        X, Y, epochs=2, derivatives=(np.full_like(D, np.nan), 1.0), missing_derivatives="ignore"
    )
    plain = network()
    plain.fit(X, Y, epochs=2)
    np.testing.assert_allclose(net.params, plain.params, rtol=1e-12)


@pytest.mark.parametrize(
    ("derivatives", "error", "message"),
    [
        (D, TypeError, r"a pair \(dY_dX, weight\)"),
        ((D,), TypeError, "a pair"),
        ((D[1:], 1.0), ValueError, r"must have shape \(16, 1, 1\), got \(15, 1\)"),
        ((np.hstack([D, D]), 1.0), ValueError, "must have shape"),
        ((D * np.inf, 1.0), ValueError, "must be finite"),
        ((D, 0.0), ValueError, "weight of derivatives"),
        ((D, -1.0), ValueError, "weight of derivatives"),
        ((D, "much"), TypeError, "weight of derivatives"),
        ((D.astype(str), 1.0), TypeError, "real numbers"),
    ],
)
def test_refused_derivatives(derivatives, error, message):
    net = network()
    before = net.params.copy()
    for method in (net.fit, net.minimize):
        with pytest.raises(error, match=message):
            method(X, Y, derivatives=derivatives)
    np.testing.assert_array_equal(net.params, before)


def test_refused_settings():
    with pytest.raises(ValueError, match="with dropout"):
        network(dropout=0.1).fit(X, Y, derivatives=(D, 1.0))
    with pytest.raises(ValueError, match="missing_derivatives"):
        network().fit(X, Y, derivatives=(D, 1.0), missing_derivatives="drop")


def test_stop_and_resume_make_the_same_bits(tmp_path):
    options = {"optimizer": "adam", "batch_size": 5, "derivatives": (D, 0.5)}
    whole, first, second = network(), network(), network()
    whole.fit(X, Y, epochs=6, **options)
    path = tmp_path / "fit.safetensors"
    first.fit(X, Y, epochs=3, checkpoint=path, **options)
    second.fit(X, Y, epochs=6, resume=path, **options)
    np.testing.assert_array_equal(second.params, whole.params)
    with pytest.raises(CheckpointError, match="other options"):
        network().fit(X, Y, epochs=6, resume=path, optimizer="adam", batch_size=5)
    other = options | {"derivatives": (D, 0.6)}
    with pytest.raises(CheckpointError, match=r"options \(derivatives\)"):
        network().fit(X, Y, epochs=6, resume=path, **other)


def test_held_out_rows_keep_their_derivatives():
    net = network()
    history = net.fit(
        X, Y, epochs=1, batch_size=4, derivatives=(D + 100, 1.0), validation_fraction=0.25
    )
    assert history["val_loss"][0] > 1000
    history = network().fit(X, Y, epochs=1, derivatives=(D + 100, 1.0), validation_data=(X, Y))
    assert history["val_loss"][0] < 1000


@dataclass(frozen=True)
class Halved(Optimizer):
    """θ := θ − η ∇θ / 2."""

    learning_rate: float = 0.1
    name = "halved"
    slots = 0

    def rule(self, hyper, params, grad, state, t):
        params -= hyper[0] / 2 * grad


def test_a_rule_of_ones_own():
    own, sgd = network(), network()
    own.fit(X, Y, epochs=2, optimizer=Halved(0.1), derivatives=(D, 1.0))
    sgd.fit(X, Y, epochs=2, learning_rate=0.05, derivatives=(D, 1.0))
    np.testing.assert_allclose(own.params, sgd.params, rtol=1e-12)


@pytest.mark.parametrize("method", ["L-BFGS-B", "trust-ncg", "Newton-CG"])
def test_minimize(method):
    net = network()
    history = net.minimize(X, Y, method, derivatives=(D, 1.0), max_iterations=60)
    assert history["loss"][-1] < 0.01 * history["loss"][0]


@pytest.mark.parametrize("method", ["trust-ncg", "trust-krylov", "trust-exact", "Newton-CG"])
def test_second_order_methods_use_exact_products(method):
    net = network()
    history = net.minimize(X, Y, method, max_iterations=100)
    fun, _ = objective = net.objective(X, Y)
    v = np.ones_like(net.params)
    np.testing.assert_array_equal(objective.hessian_product(net.params, v), net.hvp(X, Y, v))
    assert history["loss"][-1] < 1e-3
    assert fun(net.params) == pytest.approx(history["loss"][-1])
