"""Pickles of estimators contain public names only, and files of skops open with the list."""

import pickle

import numpy as np
import pytest
from sklearn.datasets import load_iris
from support.pickles import check_public, globals_of, names_of_ours

from ffnn_fast import Activation
from ffnn_fast.optimizers import Adam, RAdam
from ffnn_fast.schedules import (
    Cosine,
    CosLog,
    Custom,
    FlatCosine,
    OneCycle,
    ReduceOnPlateau,
    WarmUp,
)
from ffnn_fast.sklearn import TRUSTED, MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X, y = load_iris(return_X_y=True)
COLUMNS = np.column_stack([y, y > 0]).astype(int)
SETTINGS = [
    {},
    {"solver": "sgd", "learning_rate": "adaptive"},
    {"solver": "sgd", "learning_rate": "invscaling", "nesterovs_momentum": False},
    {"solver": "sgd", "momentum": 0},
    {"solver": "lbfgs"},
    {"solver": "adamw", "dropout": 0.2},
    {"solver": Adam(learning_rate=0.01)},
    {"early_stopping": True},
    {"learning_rate": WarmUp(Cosine(0.01, 100), 5)},
    {
        "solver": "adamw",
        "dropout": 0.2,
        "learning_rate": CosLog(0.01),
        "schedules": {"dropout": FlatCosine(0.2), "weight_decay": FlatCosine(0.02)},
    },
    {"learning_rate": WarmUp(OneCycle(0.01), 0.1, per="fit"), "solver": RAdam()},
    *({"solver": name} for name in ("amsgrad", "adamax", "adadelta")),
    {"solver": "sgd", "learning_rate": ReduceOnPlateau(0.1, "loss")},
    {"activation": ["tanh"], "loss_options": {"label_smoothing": 0.1}},
]


def estimators():
    for settings in SETTINGS:
        yield MLPClassifier(8, max_iter=4, random_state=0, **settings).fit(X, y)
    yield MLPClassifier(8, max_iter=4, random_state=0)
    yield MLPClassifier(8, max_iter=4, random_state=0).fit(X, COLUMNS)
    yield MLPClassifier(8, random_state=0).partial_fit(X, y, classes=[0, 1, 2])
    yield MLPRegressor("squared_error", 4, solver="lm", max_iter=3, random_state=0).fit(X, y)
    yield MLPRegressor("quantile", 4, solver="rprop", max_iter=3, random_state=0).fit(X, y)


def test_every_name_is_public():
    found = set()
    for model in estimators():
        names = names_of_ours(model)
        check_public(names)
        assert names <= set(TRUSTED)
        found |= names
        assert all(module.split(".")[0] in OTHERS for module, _ in globals_of(model))
    assert {f"ffnn_fast.sklearn.{kind}" for kind in ("MLPClassifier", "MLPRegressor")} < found
    assert {"ffnn_fast.optimizers.Adam", "ffnn_fast.schedules.WarmUp"} < found


OTHERS = {"ffnn_fast", "sklearn", "numpy", "copyreg", "builtins", "_codecs"}


def test_the_list_names_public_classes():
    check_public(TRUSTED)
    assert list(TRUSTED) == sorted(set(TRUSTED))


def square(a):
    return a * a


def twice(a):
    return 2 * a


def rate(step):
    return 0.01 / (1 + step)


def test_functions_of_ones_own_are_not_on_the_list():
    activation = Activation("square", square, twice)
    model = MLPClassifier(4, activation, learning_rate=rate, max_iter=2, random_state=0).fit(X, y)
    names = names_of_ours(model)
    check_public(names)
    assert names - set(TRUSTED) == {
        "ffnn_fast.activations.Activation",
        "ffnn_fast.schedules.Custom",
    }
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    assert isinstance(again._optimizer_state.schedule, Custom)


@pytest.mark.parametrize("learning_rate", ["invscaling", "adaptive", WarmUp(Cosine(0.05, 40), 7)])
def test_a_pickle_continues_the_schedule(learning_rate):
    model = MLPClassifier(8, solver="sgd", learning_rate=learning_rate, random_state=0)
    for _ in range(3):
        model.partial_fit(X, y, classes=[0, 1, 2])
    again = pickle.loads(pickle.dumps(model))
    for _ in range(3):
        model.partial_fit(X, y)
        again.partial_fit(X, y)
    assert again.loss_curve_ == model.loss_curve_
    assert again._optimizer_state.rate == model._optimizer_state.rate


def test_skops_files_open_with_the_list():
    skops = pytest.importorskip("skops.io")
    for model in estimators():
        data = skops.dumps(model)
        assert set(skops.get_untrusted_types(data=data)) <= set(TRUSTED)
        opened = skops.loads(data, trusted=list(TRUSTED))
        if hasattr(model, "coefs_"):
            np.testing.assert_array_equal(opened.predict(X), model.predict(X))
        whole = model.early_stopping or getattr(model.learning_rate, "needs_n_steps", False)
        if hasattr(model, "coefs_") and hasattr(model, "partial_fit") and not whole:
            target = COLUMNS if isinstance(getattr(model, "classes_", None), list) else y
            np.testing.assert_array_equal(
                opened.partial_fit(X, target).predict(X), model.partial_fit(X, target).predict(X)
            )
