"""Factors: learning rates and decay by group of parameters."""

from dataclasses import replace

import numpy as np
import pytest
from support.input_blocks import small

from ffnn_fast import Network
from ffnn_fast.optimizers import (
    OPTIMIZERS,
    Adam,
    AdamW,
    Factors,
    epsilons_of_ntk,
    rates_of_ntk,
)


def test_factors_scale_the_step_of_each_group(rng):
    net, X, y = small(rng, dropout=0.0, dtype="float64")
    grad, before = net.gradient(X, y, by_name=True), net.spec.named(net.params.copy())
    factors = Factors((1, 2, 3), (4, 5, 6), (7, 8), 9, 10, 11)
    net.fit(X, y, batch_size=None, epochs=1, learning_rate=0.01, rate_factors=factors)
    expected = {f"W_{k}": k for k in (1, 2, 3)} | {f"b_{k}": k + 3 for k in (1, 2, 3)}
    expected |= {"alpha_1": 7, "alpha_2": 8, "inputs.table_3": 10, "inputs.scale": 11}
    for name, after in net.spec.named(net.params).items():
        step = before[name] - after
        np.testing.assert_allclose(
            step, 0.01 * expected.get(name, 9) * grad[name], rtol=1e-9, atol=1e-14
        )


def test_factors_of_a_fit_are_not_those_of_the_fit_before(rng):
    """Options of equal calls are kept."""
    net, X, y = small(rng, dropout=0.0)
    start, moved = net.params.copy(), []
    for factors in (None, Factors(scale=3.0), None, Factors(scale=3.0)):
        net.params[:] = start
        net.fit(X, y, epochs=1, rng=0, rate_factors=factors)
        moved.append(net.params.copy())
    assert not np.array_equal(moved[0], moved[1])
    np.testing.assert_array_equal(moved[0], moved[2])
    np.testing.assert_array_equal(moved[1], moved[3])


@pytest.mark.parametrize("engine_name", ["compiled", "reference"])
def test_decay_that_spares_biases(engine_name):
    """With a gradient of 0, AdamW only decays: by η λ and the factor of the decay alone."""
    net = Network([2, 3, 1], output="identity", engine=engine_name, dtype="float64", seed=0)
    net.biases[0][:] = 1
    before = net.weights[0].copy(), net.biases[0].copy()
    stepper = net.stepper(
        optimizer=AdamW(learning_rate=0.5, weight_decay=0.1),
        rate_factors=Factors(weights=0.3), decay_factors=Factors(weights=2.0, biases=0),
    )  # fmt: skip
    stepper.apply(np.zeros_like(net.params))
    np.testing.assert_allclose(net.weights[0], 0.9 * before[0], rtol=1e-14)
    np.testing.assert_array_equal(net.biases[0], before[1])


def test_rates_of_ntk_are_steps_of_the_ntk_form(rng):
    """Adam on V of W = V / √n, by hand, against Adam on W with the factors."""
    net = Network([9, 4, 1], output="identity", dtype="float64", seed=0)
    X, y = rng.normal(size=(20, 9)), rng.normal(size=20)
    V = [W * np.sqrt(W.shape[1]) for W in net.weights]
    m, v = [np.zeros_like(W) for W in V], [np.zeros_like(W) for W in V]
    twin = net.copy()
    stepper = net.stepper(
        optimizer=Adam(learning_rate=0.01, epsilon=1e-300),
        rate_factors=rates_of_ntk(net.spec.unit_sizes),
    )
    for t in range(1, 6):
        grad = twin.gradient(X, y, by_name=True)
        stepper.step(X, y)
        for k in range(2):
            g = grad[f"W_{k + 1}"] / np.sqrt(V[k].shape[1])
            m[k] = 0.9 * m[k] + 0.1 * g
            v[k] = 0.999 * v[k] + 0.001 * g**2
            corrected = m[k] / (1 - 0.9**t), v[k] / (1 - 0.999**t)
            V[k] -= 0.01 * corrected[0] / np.sqrt(corrected[1])
            np.testing.assert_allclose(net.weights[k], V[k] / np.sqrt(V[k].shape[1]), rtol=1e-9)
        twin.params[:] = net.params


@pytest.mark.parametrize("engine_name", ["compiled", "reference"])
def test_epsilon_factors(engine_name):
    """The first step of Adam is η g / (|g| + ε factor)."""
    net = Network([3, 2, 1], output="identity", engine=engine_name, dtype="float64", seed=0)
    before = net.spec.named(net.params.copy())
    stepper = net.stepper(
        optimizer=Adam(learning_rate=0.1, epsilon=1e-3),
        epsilon_factors=Factors(weights=(2.0, 5.0), biases=10.0),
    )
    stepper.apply(np.full(len(net.params), 1e-3))
    for name, factor in (("W_1", 2), ("W_2", 5), ("b_1", 10), ("b_2", 10)):
        step = before[name] - net.spec.named(net.params)[name]
        np.testing.assert_allclose(step, 0.1 / (1 + factor), rtol=1e-9)


@pytest.mark.parametrize(
    "optimizer", ["adagrad", "rmsprop", "adadelta", "nadam", "adamax", "radam"]
)
def test_epsilon_factors_of_other_rules(optimizer, rng):
    """A common factor is another ε; in both engines."""
    net, X, y = small(rng, dropout=0.0, dtype="float64")
    nets = [net, net.copy(), net.copy()]
    nets[2] = Network.from_params(net.spec, net.params.copy(), engine="reference")
    factor = 100.0
    other = replace(OPTIMIZERS[optimizer](), epsilon=factor * OPTIMIZERS[optimizer]().epsilon)
    nets[1].fit(X, y, epochs=2, optimizer=other, shuffle=False)
    each = Factors(*(factor,) * 6)
    for one in (nets[0], nets[2]):
        one.fit(X, y, epochs=2, optimizer=optimizer, epsilon_factors=each, shuffle=False)
        np.testing.assert_allclose(one.params, nets[1].params, rtol=1e-9, atol=1e-12)


def test_ntk_with_epsilon(rng):
    """ε of the NTK form is √n ε here: both give the same steps for gradients as small as ε."""
    net = Network([9, 1], output="identity", dtype="float64", seed=0)
    W = net.weights[0].copy()
    g = 1e-8 * rng.normal(size=(1, 9))
    stepper = net.stepper(
        optimizer=Adam(learning_rate=0.1), rate_factors=rates_of_ntk(net.spec.unit_sizes),
        epsilon_factors=epsilons_of_ntk(net.spec.unit_sizes),
    )  # fmt: skip
    stepper.apply(np.concatenate([g.ravel(), [0.0]]))
    V = 3 * W - 0.1 * (g / 3) / (np.abs(g / 3) + 1e-8)
    np.testing.assert_allclose(net.weights[0], V / 3, rtol=1e-9)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"epsilon_factors": Factors(biases=0)}, "epsilon_factors must be > 0"),
        ({"rate_factors": Factors(weights=(1.0, 2.0))}, "3 factors of weights, got 2"),
        ({"rate_factors": Factors(alpha=(1.0,) * 3)}, "2 factors of alpha, got 3"),
        ({"rate_factors": Factors(scale=0)}, "must be > 0"),
        ({"decay_factors": 3}, "must be Factors"),
        (
            {"decay_factors": Factors(biases=0)},
            "decay_factors multiply the decay of AdamW, and sgd",
        ),
        ({"decay_factors": {"scales": 3}}, "group in decay_factors .*weights,.*'scales'.*'scale'"),
    ],
)
def test_factors_that_are_refused(given, message, rng):
    net, X, y = small(rng)
    before = net.params.copy()
    with pytest.raises((TypeError, ValueError), match=message):
        net.fit(X, y, **given)
    np.testing.assert_array_equal(net.params, before)
