"""One step of a two-layer network worked by hand, in plain numbers, with the lecture's formulas."""

import math

import numpy as np
import pytest
from support.cases import each
from support.problems import PAIRS, options_of, random_params, random_problem

from ffnn_fast import Network, NetworkSpec, reference
from ffnn_fast.activations import activation_of
from ffnn_fast.losses import loss_of

# 2 inputs, 2 logistic units, 2 softmax outputs; one sample x of label 1; learning rate η = 0.5
X = [0.5, -1.0]
W1, B1 = [[0.1, 0.2], [-0.3, 0.4]], [0.05, -0.05]
W2, B2 = [[0.6, -0.1], [0.2, 0.3]], [0.0, 0.1]
ETA = 0.5


def hand_worked_step():
    """Modules 4.1 to 4.9 in scalars: no array, no loop that hides a formula."""
    # pre-activations of layer 1: b_1 + W_1 x
    a11 = 0.05 + 0.1 * 0.5 + 0.2 * -1.0  # -0.1
    a12 = -0.05 + -0.3 * 0.5 + 0.4 * -1.0  # -0.6
    # their logistic
    h11 = 1 / (1 + math.exp(-a11))
    h12 = 1 / (1 + math.exp(-a12))
    # a_2 = b_2 + W_2 h_1, ŷ = softmax(a_2)
    a21 = 0.0 + 0.6 * h11 - 0.1 * h12
    a22 = 0.1 + 0.2 * h11 + 0.3 * h12
    total = math.exp(a21) + math.exp(a22)
    y1, y2 = math.exp(a21) / total, math.exp(a22) / total
    # L = −log ŷ_ℓ;  ∇a_2 = −(e(ℓ) − ŷ)
    loss = -math.log(y2)
    d21, d22 = y1, y2 - 1
    # ∇h_1 = W_2ᵀ ∇a_2;  ∇a_1 = ∇h_1 ⊙ h_1 (1 − h_1)
    d11 = (0.6 * d21 + 0.2 * d22) * h11 * (1 - h11)
    d12 = (-0.1 * d21 + 0.3 * d22) * h12 * (1 - h12)
    # θ := θ − η ∇θ with ∇W_k = ∇a_k h_{k-1}ᵀ, ∇b_k = ∇a_k
    new = {
        "W_1": [
            [0.1 - ETA * d11 * 0.5, 0.2 - ETA * d11 * -1.0],
            [-0.3 - ETA * d12 * 0.5, 0.4 - ETA * d12 * -1.0],
        ],
        "b_1": [0.05 - ETA * d11, -0.05 - ETA * d12],
        "W_2": [
            [0.6 - ETA * d21 * h11, -0.1 - ETA * d21 * h12],
            [0.2 - ETA * d22 * h11, 0.3 - ETA * d22 * h12],
        ],
        "b_2": [0.0 - ETA * d21, 0.1 - ETA * d22],
    }
    return {"y_hat": [y1, y2], "loss": loss, "grad_a_1": [d11, d12], "new": new}


def lecture_network(engine):
    net = Network([2, 2, 2], activation="logistic", dtype="float64", engine=engine)
    for W, value in zip(net.weights, (W1, W2), strict=True):
        W[:] = value
    for b, value in zip(net.biases, (B1, B2), strict=True):
        b[:] = value
    return net


@pytest.mark.engine
@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_one_step(engine):
    expected, net = hand_worked_step(), lecture_network(engine)
    np.testing.assert_allclose(net.forward(X), expected["y_hat"], rtol=1e-14)
    assert net.step(X, 1, ETA) == pytest.approx(expected["loss"], rel=1e-14)
    for name, values in net.spec.named(net.params).items():
        np.testing.assert_allclose(values, expected["new"][name], rtol=1e-13, atol=1e-15)


def test_plain_numbers():
    """The figures of the same step, as a calculator prints them."""
    expected = hand_worked_step()
    assert expected["y_hat"] == pytest.approx([0.4871, 0.5129], abs=5e-5)
    assert expected["loss"] == pytest.approx(0.6676, abs=5e-5)


def test_trace_names_every_quantity():
    expected, trace = hand_worked_step(), lecture_network("compiled").trace(X, 1)
    np.testing.assert_allclose(trace["y_hat"][0], expected["y_hat"])
    np.testing.assert_allclose(trace["loss"][0], expected["loss"])
    np.testing.assert_allclose(trace["grad_a_1"][0], expected["grad_a_1"])
    np.testing.assert_allclose(trace["grad_a_2"], trace["y_hat"] - trace["y"])
    np.testing.assert_allclose(trace["a_1"], [[-0.1, -0.6]])
    assert {"h_0", "h_1", "h_2", "a_2", "grad_h_1", "grad_W_1", "grad_W_2", "grad_b_1"} < set(trace)
    assert "grad_W_2" in repr(trace)


@each(pair=PAIRS)
def test_the_gradients_of_outputs_and_inputs_in_a_trace(pair, rng):
    """∇ŷ by differences of ℓ in ŷ, and J_Oᵀ ∇ŷ = ∇a_L; ∇h_0 by differences of the loss in x."""
    output, loss = pair
    options = options_of(output, loss)
    spec = NetworkSpec((3, 4, 2), "tanh", output, loss, "float64", loss_options=options)
    net, problem = Network.from_params(spec, random_params(spec, rng)), random_problem(spec, 5, rng)
    t, plan, step = net.trace(problem.X, problem.Y), reference.Plan(spec), 1e-6
    formulas = loss_of(loss)

    def losses(y_hat):
        values = formulas.value(y_hat, t["y"], **spec.loss_options)
        return (values.sum(axis=1) if values.ndim == 2 else values) / 5

    for j, e in enumerate(np.eye(2)):
        difference = (losses(t["y_hat"] + step * e) - losses(t["y_hat"] - step * e)) / (2 * step)
        np.testing.assert_allclose(t["grad_y_hat"][:, j], difference, rtol=1e-5, atol=1e-8)
    product = activation_of(output, spec.heads).jacobian_product(
        t["a_2"], t["y_hat"], t["grad_y_hat"]
    )
    np.testing.assert_allclose(t["grad_a_2"], product, rtol=1e-8, atol=1e-12)
    for j, e in enumerate(np.eye(3)):
        above, below = (
            reference.forward_propagation(plan, net.params, problem.X + s * e)
            for s in (step, -step)
        )
        up, down = (
            reference.sample_losses(plan, a[-1], h[-1], t["y"]) / 5 for a, h in (above, below)
        )
        np.testing.assert_allclose(
            t["grad_h_0"][:, j], (up - down) / (2 * step), rtol=1e-5, atol=1e-8
        )


def test_a_trace_without_targets_is_its_forward_half(rng):
    net, X = lecture_network("compiled"), rng.normal(size=(4, 2))
    forward, whole = net.trace(X), net.trace(X, [0, 1, 1, 0])
    assert list(forward) == ["h_0", "a_1", "h_1", "a_2", "h_2", "y_hat"]
    assert list(forward) == list(whole)[: len(forward)]
    for name, values in forward.items():
        np.testing.assert_array_equal(values, whole[name])
    assert net.trace(X[0])["y_hat"].shape == (1, 2)
    for name in ("grad_W_1", "y", "loss", "grad_y_hat"):
        with pytest.raises(KeyError, match=rf"{name}' needs targets.*trace\(X, y\)"):
            forward[name]
    for trace in (forward, whole):
        with pytest.raises(KeyError, match="'a_3' is not in this trace, which has h_0, a_1"):
            trace["a_3"]
    assert forward.get("grad_W_1") is None


def test_a_trace_of_missing_targets_and_of_heads(rng):
    net = Network([2, 3, 2], output="identity", missing_targets="ignore", dtype="float64", seed=0)
    y = np.array([[1.0, np.nan], [np.nan, np.nan]])
    t = net.trace(rng.normal(size=(2, 2)), y)
    expected = np.where(np.isnan(y), 0, 2 * (t["y_hat"] - np.nan_to_num(y)) / 2)
    np.testing.assert_allclose(t["grad_y_hat"], expected)
    net = Network([2, 3, 5], heads=[2, 3], dtype="float64", seed=0)
    t = net.trace(rng.normal(size=(2, 2)), [[0, 1], [1, 2]])
    np.testing.assert_allclose(t["grad_y_hat"], -t["y"] / t["y_hat"] / 2)


def test_gradient_descent_is_the_lectures_loop():
    net, twin = lecture_network("compiled"), lecture_network("reference")
    rows, labels = np.array([X, [1.0, 2.0], [-0.5, 0.3]]), np.array([1, 0, 1])
    history = net.gradient_descent(rows, labels, learning_rate=0.3, max_iterations=50)
    for _ in range(50):
        twin.params[:] -= 0.3 * twin.gradient(rows, labels)
    np.testing.assert_allclose(net.params, twin.params, rtol=1e-12)
    assert len(history) == 50
    assert history["loss"][-1] < history["loss"][0]
