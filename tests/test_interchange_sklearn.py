"""Networks taken from estimators of scikit-learn, and from ours, predict the same."""

import inspect
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from support.problems import relative_error

from ffnn_fast.interchange import from_keras, from_sklearn, from_torch

TOLERANCES = {"float32": 1e-6, "float64": 1e-13}  # of the largest output


class TestScikitLearn:
    @pytest.fixture(autouse=True)
    def neural_network(self):
        self.made = pytest.importorskip("sklearn.neural_network")
        self.ours = pytest.importorskip("ffnn_fast.sklearn")

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
        good = {
            "coefs_": [np.ones((3, 4)), np.ones((4, 2))],
            "intercepts_": [np.zeros(4), np.zeros(2)],
            "activation": "relu",
            "out_activation_": "identity",
            "loss": "squared_error",
        }
        assert from_sklearn(SimpleNamespace(**good)).spec.layer_sizes == (3, 4, 2)
        half = {name: [part.astype("float16") for part in good[name]]
                for name in ("coefs_", "intercepts_")}  # fmt: skip
        for change, message in [
            ({"coefs_": good["coefs_"][:1]}, "1 weight matrices and 2 bias vectors"),
            ({"coefs_": good["coefs_"][::-1]}, r"layer 1 has weights of shape \(2, 4\)"),
            ({"intercepts_": [np.zeros(4), np.zeros(3)]}, "layer 2, with 4 inputs, has weights"),
            ({"coefs_": [np.ones((3, 4)), np.full((4, 2), np.nan)]}, "finite"),
            (half, "dtype must be"),
            ({"coefs_": [], "intercepts_": []}, "at least one layer"),
            ({"activation": "step"}, "activation must be one of"),
            ({"activation": ["relu", "tanh"]}, "one activation per hidden layer"),
            ({"out_activation_": "step"}, "output must be one of"),
        ]:
            with pytest.raises(ValueError, match=message):
                from_sklearn(SimpleNamespace(**{**good, **change}))

    def test_settings_are_checked(self):
        for function in (from_sklearn, from_keras, from_torch):
            assert {"engine", "n_threads", "matmul"} <= set(inspect.signature(function).parameters)
        fitted = SimpleNamespace(
            coefs_=[np.ones((3, 2))], intercepts_=[np.zeros(2)], activation="relu",
            out_activation_="identity", loss="squared_error",
        )  # fmt: skip
        assert from_sklearn(fitted, engine="reference").engine == "reference"
        for given, error, message in [
            ({"engine": "gpu"}, ValueError, "engine must be one of"),
            ({"matmul": "mkl"}, ValueError, "matmul must be one of"),
            ({"n_threads": 0}, ValueError, "n_threads"),
            ({"threads": 1}, TypeError, "threads"),
        ]:
            with pytest.raises(error, match=message):
                from_sklearn(fitted, **given)
            with pytest.raises(error, match=message):
                from_keras([np.ones((3, 2))], [None], **given)

    @pytest.mark.parametrize(
        ("loss", "options"),
        [
            ("squared_error", None),
            ("absolute_error", None),
            ("poisson", None),
            ("huber", {"delta": 0.3}),
            ("log_cosh", None),
            ("quantile", {"quantiles": (0.1, 0.5, 0.9)}),
            ("gaussian_nll", None),
        ],
    )
    def test_regressors_of_ours(self, loss, options, rng):
        X = rng.normal(size=(60, 4))
        y = np.round(np.exp(X[:, 0]))
        estimator = self.ours.MLPRegressor(
            loss, (6, 5), ["tanh", "gelu"], loss_options=options, alpha=0.0, max_iter=3
        )
        with warnings.catch_warnings(action="ignore"):
            estimator.fit(X, y, X_val=X, y_val=y)
        net = from_sklearn(estimator)
        assert net.spec.activations == ("tanh", "gelu")
        predicted = net.predict(X)[:, 0] if loss == "gaussian_nll" else net.predict(X)
        np.testing.assert_array_equal(predicted, estimator.predict(X))
        # What belongs to the deviance and not to the network's loss: Σ y log y − y.
        constant = 0.0
        if loss == "poisson":
            constant = np.mean(y * np.log(np.maximum(y, 1)) - y)
        assert net.loss(X, y) + constant == pytest.approx(estimator.validation_loss_curve_[-1])

    @pytest.mark.parametrize("loss", ["log_loss", "squared_error"])
    @pytest.mark.parametrize("n_classes", [2, 3])
    def test_classifiers_of_ours(self, loss, n_classes, rng):
        X, y = rng.normal(size=(60, 4)), rng.integers(0, n_classes, 60)
        estimator = self.ours.MLPClassifier((6, 5), ["tanh", "gelu"], loss=loss, max_iter=3)
        with warnings.catch_warnings(action="ignore"):
            estimator.fit(X, y, X_val=X, y_val=y)
        net = from_sklearn(estimator)
        np.testing.assert_array_equal(net.predict_proba(X), estimator.predict_proba(X))
        np.testing.assert_array_equal(net.predict(X), estimator.predict(X))
        if n_classes == 3 or loss == "log_loss":
            assert net.loss(X, y) == pytest.approx(estimator.validation_loss_curve_[-1])
