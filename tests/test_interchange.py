"""Networks taken from scikit-learn, Keras and PyTorch, and given to PyTorch, predict the same."""

import sys
import warnings
from itertools import pairwise

import numpy as np
import pytest
from support.problems import random_params, relative_error

from ffnn_fast import Activation, Network, NetworkSpec
from ffnn_fast.activations import ACTIVATIONS, OUTPUTS
from ffnn_fast.interchange import _keras as keras
from ffnn_fast.interchange import from_keras, from_sklearn, from_torch, to_torch
from ffnn_fast.interchange._torch import MODULES

TOLERANCES = {"float32": 1e-6, "float64": 1e-13}  # of the largest output


def network(rng, sizes=(7, 16, 9, 5), activation="tanh", output="softmax", dtype="float32"):
    spec = NetworkSpec(sizes, activation, output, dtype=dtype)
    return Network.from_params(spec, random_params(spec, rng))


class TestScikitLearn:
    @pytest.fixture(autouse=True)
    def neural_network(self):
        self.made = pytest.importorskip("sklearn.neural_network")

    def fitted(self, kind, X, y, **options):
        made = getattr(self.made, kind)
        estimator = made(hidden_layer_sizes=(6, 5), max_iter=5, random_state=0, **options)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it has not converged, and need not
            return estimator.fit(X, y)

    @pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
    @pytest.mark.parametrize("n_classes", [2, 3])
    def test_classifier(self, activation, n_classes, dtype, rng):
        X = rng.normal(size=(1000, 4)).astype(dtype)
        y = np.array(["a", "b", "c"])[rng.integers(0, n_classes, 1000)]
        estimator = self.fitted("MLPClassifier", X, y, activation=activation)
        net = from_sklearn(estimator, n_threads=1)
        assert net.spec.layer_sizes == (4, 6, 5, 1 if n_classes == 2 else 3)
        assert net.spec.dtype == dtype
        assert net.n_threads == 1
        assert relative_error(net.predict_proba(X), estimator.predict_proba(X)) < TOLERANCES[dtype]
        assert (estimator.classes_[net.predict(X)] == estimator.predict(X)).all()

    def test_several_labels(self, rng):
        X, y = rng.normal(size=(200, 4)), rng.integers(0, 2, (200, 3))
        estimator = self.fitted("MLPClassifier", X, y)
        net = from_sklearn(estimator)
        assert (net.predict(X) == estimator.predict(X)).all()
        assert relative_error(net.forward(X), estimator.predict_proba(X)) < 1e-13

    @pytest.mark.parametrize("n_outputs", [1, 2])
    def test_regressor(self, n_outputs, rng):
        X, Y = rng.normal(size=(1000, 4)), rng.normal(size=(1000, n_outputs))
        y = Y[:, 0] if n_outputs == 1 else Y
        estimator = self.fitted("MLPRegressor", X, y)
        net = from_sklearn(estimator)
        assert net.spec.loss == "half_squared_error"
        assert relative_error(net.predict(X), estimator.predict(X)) < 1e-13

    def test_poisson(self, rng):
        X = rng.normal(size=(200, 4))
        estimator = self.fitted("MLPRegressor", X, rng.poisson(3, 200), loss="poisson")
        net = from_sklearn(estimator)
        assert net.spec.loss == "poisson"
        assert relative_error(net.predict(X), estimator.predict(X)) < 1e-13

    def test_nothing_is_shared(self, rng):
        X = rng.normal(size=(20, 4))
        estimator = self.fitted("MLPRegressor", X, X[:, 0])
        net = from_sklearn(estimator)
        net.params[:] = 0
        assert all(np.abs(W).max() > 0 for W in estimator.coefs_)

    def test_refusals(self):
        with pytest.raises(TypeError, match=r"MLPClassifier has no coefs_, intercepts_, out_activ"):
            from_sklearn(self.made.MLPClassifier())
        with pytest.raises(TypeError, match="list has no coefs_"):
            from_sklearn([])


class TestKeras:
    def arrays(self, rng, *sizes, bias=True):
        found = []
        for i, o in pairwise(sizes):
            found += [rng.normal(size=(i, o)), rng.normal(size=o)][: 2 if bias else 1]
        return found

    def test_dense_layers(self, rng):
        W1, b1, W2, b2 = arrays = self.arrays(rng, 4, 6, 3)
        net = from_keras(arrays, ["relu", "softmax"])
        X = rng.normal(size=(1000, 4))
        e = np.exp(np.maximum(X @ W1 + b1, 0) @ W2 + b2)
        assert relative_error(net.forward(X), e / e.sum(axis=1, keepdims=True)) < 1e-13
        assert net.spec.loss == "cross_entropy"

    def test_without_bias(self, rng):
        W1, W2 = arrays = self.arrays(rng, 4, 6, 3, bias=False)
        net = from_keras(arrays, ["sigmoid", None], loss="half_squared_error")
        X = rng.normal(size=(10, 4))
        assert relative_error(net.forward(X), 1 / (1 + np.exp(-X @ W1)) @ W2) < 1e-13
        assert net.spec.loss == "half_squared_error"

    def test_functions_go_by_their_names(self, rng):
        def relu(x):
            raise AssertionError("not to be called")

        net = from_keras(self.arrays(rng, 4, 6, 3), [relu, "log_softmax"])
        assert net.spec.layer_activations == ("relu", "softmax")

    def test_refusals(self, rng):
        arrays = self.arrays(rng, 4, 6, 3)
        for weights, activations, message in [
            (arrays, ["relu"], r"one activation for each of the 2 layers, got \['relu'\]"),
            (arrays, "relu", "one activation for each"),
            (arrays, ["leaky_relu", None], "the Keras activation 'leaky_relu' has no equivalent"),
            (arrays[1:], [None], r"array 0 of weights, of shape \(6,\)"),
            ([*arrays, arrays[1]], [None, None], "array 4"),
            ([np.ones((3, 3, 1, 8))], [None], "only Dense layers"),
            ([arrays[0], arrays[1][1:]], [None], "layer 1 has weights of shape"),
            ([arrays[0], *arrays[3:], arrays[2]], [None, None], r"bias of shape \(3,\)"),
            (arrays[:2] * 2, [None, None], "layer 2, with 6 inputs, has weights"),
            ([], [], "expected at least one layer, got none"),
            ([W.astype("float16") for W in arrays], [None, None], "dtype must be float32"),
            ([W * np.nan for W in arrays], [None, None], "finite"),
        ]:
            with pytest.raises(ValueError, match=message):
                from_keras(weights, activations)


class TestTorch:
    @pytest.fixture(autouse=True)
    def torch(self):
        self.torch = pytest.importorskip("torch")

    def given(self, net, n=1000):
        X = np.random.default_rng(3).normal(size=(n, net.spec.n_inputs)).astype(net.spec.dtype)
        return X, self.torch.from_numpy(X)

    @pytest.mark.parametrize("activation", [*OUTPUTS])
    def test_every_activation_there_and_back(self, activation, dtype, rng):
        hidden = "tanh" if activation == "softmax" else activation
        net = network(rng, activation=hidden, output=activation, dtype=dtype)
        if activation not in MODULES:
            with pytest.raises(ValueError, match=f"no module for the activation '{activation}' of"):
                to_torch(net)
            return
        model = to_torch(net)
        X, rows = self.given(net)
        with self.torch.no_grad():
            got = model(rows).numpy()
        assert got.dtype == dtype
        assert relative_error(got, net.forward(X)) < TOLERANCES[dtype]
        back = from_torch(model, n_threads=1)
        assert back.spec == net.spec
        assert back.n_threads == 1
        assert (back.params == net.params).all()

    def test_few_activations_are_refused(self):
        assert set(OUTPUTS) - set(MODULES) == {"sin", "exp"}
        own = Activation("cube", lambda a: a**3, lambda a: 3 * a**2)
        with pytest.raises(ValueError, match="no module for the activation 'cube' of layer 1"):
            to_torch(Network([2, 3, 2], activation=own))

    def test_saved_files_open_in_torch(self, tmp_path, rng):
        from safetensors.torch import load_file

        net = network(rng, activation=["identity", "relu"])
        net.save(tmp_path / "net.safetensors")
        other = to_torch(network(rng, activation=["identity", "relu"]))
        other.load_state_dict(load_file(tmp_path / "net.safetensors"))
        X, rows = self.given(net)
        assert relative_error(other(rows).detach().numpy(), net.forward(X)) < 1e-6

    def test_nothing_is_shared(self, rng):
        net = network(rng)
        before = net.params.copy()
        state = self.torch.random.get_rng_state()
        model = to_torch(net)
        assert self.torch.equal(state, self.torch.random.get_rng_state())
        with self.torch.no_grad():
            for parameter in model.parameters():
                parameter.zero_()
        assert (net.params == before).all()
        back = from_torch(model)
        back.params[:] = 1
        assert all((parameter == 0).all() for parameter in model.parameters())

    def test_model_of_ones_own(self):
        nn, torch = self.torch.nn, self.torch
        torch.manual_seed(0)
        inner = nn.Sequential(nn.Linear(8, 6, bias=False), nn.ELU())
        model = nn.Sequential(
            nn.Flatten(), nn.Linear(4, 8), nn.Identity(), inner, nn.Linear(6, 5), nn.Linear(5, 3)
        )
        net = from_torch(model, output="softmax")
        assert net.spec.layer_activations == ("identity", "elu", "identity", "softmax")
        X, rows = self.given(net)
        expected = torch.softmax(model(rows.reshape(-1, 2, 2)), 1).detach().numpy()
        assert relative_error(net.forward(X), expected) < 1e-6

    def test_dropout(self):
        nn = self.torch.nn
        hidden = [nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 8), nn.ReLU()]
        last = nn.Linear(8, 3)
        assert from_torch(nn.Sequential(*hidden, last)).spec.dropout == (0.0, 0.5, 0.0)
        net = from_torch(nn.Sequential(nn.Dropout(0.2), *hidden, last))
        assert net.spec.dropout == (0.2, 0.5, 0.0)
        assert len(to_torch(net)) == 5
        for bad in ([hidden[0], hidden[2], hidden[1]], [*hidden[:3], hidden[2]], [last, hidden[2]]):
            with pytest.raises(
                ValueError, match=r"follow a Linear|no equivalent|ends with a Dropout"
            ):
                from_torch(nn.Sequential(*bad))

    def test_outputs(self):
        nn = self.torch.nn
        linear = nn.Linear(4, 3)
        X = np.eye(4, dtype="float32")
        log = from_torch(nn.Sequential(linear, nn.LogSoftmax(dim=1)))
        softmax = from_torch(nn.Sequential(linear, nn.Softmax()), loss="squared_error")
        assert (log.forward(X) == softmax.forward(X)).all()
        assert [log.spec.loss, softmax.spec.loss] == ["cross_entropy", "squared_error"]
        assert from_torch(nn.Sequential(linear)).spec.output == "identity"

    def test_refusals(self):
        nn = self.torch.nn
        first, last = nn.Linear(4, 3), nn.Linear(3, 2)

        class Own(nn.Sequential):
            def forward(self, x):
                return x

        for modules, message in [
            ([first, nn.ReLU6(), last], r"module 1, ReLU6\(\), has no equivalent; expected"),
            ([first, nn.LeakyReLU(0.2)], "has no equivalent"),
            ([first, nn.Softplus(beta=2)], "has no equivalent"),
            ([first, nn.Softmax(dim=0)], "has no equivalent"),
            ([first, nn.BatchNorm1d(3)], "BatchNorm1d"),
            ([first, nn.Flatten()], "Flatten"),
            ([nn.ReLU(), first], "module 0, ReLU.*does not follow a Linear"),
            ([first, nn.ReLU(), nn.Tanh()], "module 2, Tanh.*does not follow a Linear"),
            ([first, nn.Softmax(dim=1), last], "softmax can only be the output"),
            ([], "has no Linear module"),
            ([nn.Linear(4, 3, dtype=self.torch.bfloat16)], "weights of torch.bfloat16"),
            ([last, first], "layer 2, with 2 inputs,"),
            ([first, nn.Sequential(nn.ReLU6())], r"module 1\.0"),
        ]:
            with pytest.raises(ValueError, match=message):
                from_torch(nn.Sequential(*modules))
        with pytest.raises(ValueError, match="ends with the activation 'tanh'"):
            from_torch(nn.Sequential(first, nn.Tanh()), output="softmax")
        for model in (first, Own(first)):
            with pytest.raises(TypeError, match=r"takes a torch\.nn\.Sequential, got"):
                from_torch(model)


def test_without_torch(rng, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    for door in (lambda: to_torch(network(rng)), lambda: from_torch(None)):
        with pytest.raises(ImportError, match=r'pip install "ffnn_fast\[torch\]"'):
            door()


def test_the_tables_name_activations_of_ours():
    assert set(keras.ACTIVATIONS.values()) | set(MODULES) <= {*ACTIVATIONS, "softmax"}
