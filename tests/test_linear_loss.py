"""The loss ⟨ŷ, y⟩: any objective by its ∂ℒ/∂ŷ, with signed targets and weights."""

import numpy as np
import pytest

from ffnn_fast import Loss, Network


def network(**options):
    options = {"output": "tanh", "loss": "linear", "dtype": "float64", "seed": 0, **options}
    return Network([3, 5, 2], **options)


@pytest.fixture
def data(rng):
    """Inputs, coefficients and weights of either sign."""
    return rng.normal(size=(20, 3)), rng.normal(size=(20, 2)), rng.normal(size=20)


@pytest.fixture(params=["compiled", "reference"])
def engine(request):
    """Each engine."""
    return request.param


def test_loss_and_gradient_by_hand(engine, data):
    (X, y, w), net = data, network(engine=engine, l2=0.1)
    penalty = sum(0.05 * (W**2).sum() for W in net.weights)
    expected = np.mean(w * (y * net.forward(X)).sum(axis=1)) + penalty
    value, grad = net.loss_gradient(X, y, w)
    assert value == pytest.approx(expected, rel=1e-12)
    by_hand = net.vjp(X, w[:, None] * y / len(X)).grad_params
    for gradient, W in zip(net.spec.weights(by_hand), net.weights, strict=True):
        gradient[...] += 0.1 * W
    np.testing.assert_allclose(grad, by_hand, rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(net.gradient(X, y, -2 * w) - net.gradient(X, 0 * y),
                               -2 * (grad - net.gradient(X, 0 * y)), atol=1e-13)  # fmt: skip


def test_a_step_of_each_way_to_train(engine, data):
    (X, y, w), nets = data, [network(engine=engine) for _ in range(3)]
    expected = nets[0].params - 0.1 * nets[0].gradient(X, y, w)
    nets[0].fit(X, y, epochs=1, batch_size=None, learning_rate=0.1, sample_weight=w)
    nets[1].partial_fit(X, y, w, batch_size=20, learning_rate=0.1)
    for net in nets[:2]:
        np.testing.assert_allclose(net.params, expected, rtol=1e-10)
    weighted = w[:, None] * y
    nets[2].step(X, weighted, 0.1)
    np.testing.assert_allclose(nets[2].params, expected, rtol=1e-10)


def test_minimize_lowers_a_bounded_objective(data):
    (X, y, w), net = data, network(l2=1e-3)
    before = net.loss(X, y, w)
    net.minimize(X, y, sample_weight=w, max_iterations=50)
    assert net.loss(X, y, w) < before - 0.1


def test_there_are_no_scores(data):
    (X, y, _), net = data, network()
    for call in (
        lambda: net.score(X, y),
        lambda: net.fit(X, y, metrics=["rmse"]),
    ):
        with pytest.raises(ValueError, match="loss 'linear' has no score"):
            call()
    history = net.fit(X, y, epochs=2, validation_data=(X, y))
    assert {"loss", "val_loss"} <= set(history[0])
    assert "r2" not in history[0]


def test_weights_of_other_losses_stay_positive(data):
    X, y, w = data
    with pytest.raises(ValueError, match="sample_weight must be >= 0"):
        network(loss="squared_error").loss(X, y, w)
    with pytest.raises(ValueError, match="sample_weight must be >= 0"):
        network(loss="squared_error").fit(X, y, sample_weight=w)
    with pytest.raises(ValueError, match="sample_weight"):
        network().loss(X, y, np.where(w > 0, w, np.nan))


def test_a_users_loss_may_take_signed_weights(data):
    X, y, w = data
    inner = Loss("inner", lambda p, y: p * y, lambda p, y: y, joint=False, signed_weights=True)
    ours, theirs = network(loss=inner), network()
    np.testing.assert_allclose(ours.gradient(X, y, w), theirs.gradient(X, y, w), rtol=1e-10)


def test_missing_coefficients_add_nothing(engine, data):
    X, y, _ = data
    net = network(engine=engine, missing_targets="ignore")
    holes = y.copy()
    holes[::3, 0] = np.nan
    expected = net.gradient(X, np.nan_to_num(holes))
    np.testing.assert_allclose(net.gradient(X, holes), expected, atol=1e-14)
