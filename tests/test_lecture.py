"""One step of a two-layer network worked by hand, in plain numbers, with the lecture's formulas."""

import math

import numpy as np
import pytest

from ffnn_fast import Network

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


def test_gradient_descent_is_the_lectures_loop():
    net, twin = lecture_network("compiled"), lecture_network("reference")
    rows, labels = np.array([X, [1.0, 2.0], [-0.5, 0.3]]), np.array([1, 0, 1])
    history = net.gradient_descent(rows, labels, learning_rate=0.3, max_iterations=50)
    for _ in range(50):
        twin.params[:] -= 0.3 * twin.gradient(rows, labels)
    np.testing.assert_allclose(net.params, twin.params, rtol=1e-12)
    assert len(history) == 50
    assert history["loss"][-1] < history["loss"][0]
