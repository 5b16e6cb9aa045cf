"""Networks whose heads have functions of their own, in C, ONNX and PyTorch."""

import pickle

import numpy as np
import pytest
from support.c_programs import Library, central_differences, need_compiler

from ffnn_fast import Activation, Head, Network
from ffnn_fast.interchange import from_torch, to_torch

ACTOR_CRITIC = [Head(3, "softmax"), Head(1, "identity", "squared_error", weight=0.5)]
HEADS = [
    *ACTOR_CRITIC,
    Head(4, "identity", "quantile", {"quantiles": (0.1, 0.9)}),
    Head(1, "logistic"),
]


def network(heads=ACTOR_CRITIC, sizes=(2, 16), **options):
    return Network([*sizes, sum(head.width for head in heads)], heads=heads, seed=0, **options)


def data(n=300, seed=0):
    """Rows, the quadrant-like class of each, and a value."""
    X = np.random.default_rng(seed).normal(size=(n, 2))
    return X, np.digitize(X[:, 0], [-0.5, 0.5]), X[:, 0] * X[:, 1]


@pytest.mark.engine
@pytest.mark.parametrize("n_rows", [1, 3, 40])
def test_predictors_and_the_c_function(n_rows):
    net = network(HEADS, dtype="float64")
    rows = data(n_rows)[0]
    y_hat, J = net.predictor(n_rows, jacobian=True)(rows)
    np.testing.assert_allclose(net.predictor(n_rows)(rows), net.forward(rows), rtol=1e-12)
    np.testing.assert_allclose(y_hat, net.forward(rows), rtol=1e-12)
    np.testing.assert_allclose(J, central_differences(net.forward, rows), atol=1e-7)
    value = net.low_level_callable(output=3)
    assert value is not None


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("heads", [HEADS, [Head(1, "gelu"), Head(3, "exp", "poisson")]])
def test_exported_c(heads, dtype, tmp_path):
    need_compiler()
    net = network(heads, (2, 5), dtype=dtype)
    net.export_c(tmp_path / "net.c", jacobian=True)
    found = Library(tmp_path / "net.c", "net", dtype, (2, net.spec.n_outputs))
    X = data(7)[0].astype(dtype)
    rtol = {"float32": 1e-5, "float64": 1e-12}[dtype]
    np.testing.assert_allclose(found.forward(X), net.forward(X), rtol=rtol, atol=rtol)
    y, J = found.jacobian(X)
    np.testing.assert_allclose(y, net.forward(X), rtol=rtol, atol=rtol)
    np.testing.assert_allclose(J, net.jacobian(X), rtol=rtol, atol=10 * rtol)


def test_functions_that_c_cannot_express_are_refused(tmp_path):
    cube = Activation("cube", lambda a: a**3, lambda a: 3 * a**2)
    net = network([Head(2), Head(1, cube)])
    with pytest.raises(ValueError, match="user-defined activation 'cube' of layer 2"):
        net.export_c(tmp_path / "net.c")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_onnx_model_has_the_heads(dtype):
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    from ffnn_fast.onnx import to_onnx

    net = network([*HEADS, Head(2, "gelu")], dtype=dtype)
    X = data(9)[0].astype(dtype)
    model = to_onnx(net, dtype=dtype).SerializeToString()
    session = runtime.InferenceSession(model, providers=["CPUExecutionProvider"])
    (y_hat,) = session.run(["y_hat"], {"X": X})
    np.testing.assert_allclose(y_hat, net.forward(X), rtol=1e-4, atol=1e-6)


class TestTorch:
    @pytest.fixture(autouse=True)
    def torch(self):
        self.torch = pytest.importorskip("torch")

    def test_there_and_back(self):
        net = network([Head(3), Head(2, "identity"), Head(1, "logistic")])
        model, X = to_torch(net), data(20)[0].astype(np.float32)
        with self.torch.no_grad():
            y_hat = model(self.torch.from_numpy(X)).numpy()
        np.testing.assert_allclose(y_hat, net.forward(X), rtol=1e-5, atol=1e-6)
        back = from_torch(pickle.loads(pickle.dumps(model)))
        assert back.spec == net.spec
        np.testing.assert_array_equal(back.params, net.params)
        linear = self.torch.nn.Linear(6, 2)
        with pytest.raises(ValueError, match="follows the outputs of heads"):
            from_torch(self.torch.nn.Sequential(*model, linear))
        with pytest.raises(ValueError, match="heads; omit output"):
            from_torch(model, output="softmax")

    def test_losses_and_gradients_are_those_of_torch(self):
        torch, X, labels, values = self.torch, *data(50)
        heads = [
            Head(3, loss_options={"label_smoothing": 0.1}),
            Head(1, "identity", "huber", {"delta": 0.5}, weight=0.7),
            Head(2, "logistic", weight=0.2),
        ]
        net = network(heads, dtype="float64")
        both = (X > 0).astype(float)
        model, functions = to_torch(net)[:-1], torch.nn.functional
        a, b, c = model(torch.from_numpy(X)).split([3, 1, 2], dim=1)
        n = len(X)
        loss = functions.cross_entropy(a, torch.from_numpy(labels), label_smoothing=0.1)
        loss = loss + 0.7 * functions.huber_loss(b[:, 0], torch.from_numpy(values), delta=0.5)
        binary = functions.binary_cross_entropy_with_logits
        loss = loss + 0.2 * binary(c, torch.from_numpy(both), reduction="sum") / n
        loss.backward()
        value, grad = net.loss_gradient(X, (labels, values, both))
        assert value == pytest.approx(loss.item(), rel=1e-12)
        expected = [p.grad.numpy().ravel() for p in model.parameters()]
        np.testing.assert_allclose(grad, np.concatenate(expected), atol=1e-14)
