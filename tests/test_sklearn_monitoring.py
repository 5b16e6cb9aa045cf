"""`monitor`: early stopping by the score, the loss or a metric of the validation rows."""

import pickle

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.metrics import f1_score, log_loss, mean_absolute_error
from sklearn.preprocessing import StandardScaler

from ffnn_fast.metrics import Metric
from ffnn_fast.schedules import ReduceOnPlateau
from ffnn_fast.sklearn import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(scope="module")
def noisy():
    """Training and validation rows of two classes with wrong labels among them."""
    X, y = load_breast_cancer(return_X_y=True)
    X, rng = StandardScaler().fit_transform(X), np.random.default_rng(0)
    y = np.where(rng.random(len(y)) < 0.15, 1 - y, y)
    names = np.array(["malignant", "benign"])[y]
    order = rng.permutation(len(X))
    return X[order[:400]], names[order[:400]], X[order[400:]], names[order[400:]]


def fitted(noisy, **settings):
    X, y, X_val, y_val = noisy
    settings = {"hidden_layer_sizes": 32, "learning_rate_init": 3e-3, "max_iter": 60, "tol": 0.0,
                "random_state": 0, "early_stopping": True, "n_iter_no_change": 100,
                **settings}  # fmt: skip
    return MLPClassifier(**settings).fit(X, y, X_val=X_val, y_val=y_val)


def of_rows(model, noisy):
    X_val, y_val = noisy[2:]
    return {
        "score": model.score(X_val, y_val),
        "loss": log_loss(y_val, model.predict_proba(X_val), labels=model.classes_),
        "f1": f1_score(y_val, model.predict(X_val), average="macro"),
    }


@pytest.mark.parametrize("monitor", ["loss", "val_loss", "log_loss"])
def test_the_weights_are_those_of_the_smallest_loss(noisy, monitor):
    by_loss, by_score = fitted(noisy, monitor=monitor), fitted(noisy)
    curve = by_loss.validation_loss_curve_
    best = int(np.argmin(curve))
    assert 0 < best < len(curve) - 5  # the loss rises again, while the score is better later
    found = of_rows(by_loss, noisy)
    assert found["loss"] == pytest.approx(min(curve), rel=1e-9)
    assert by_loss.monitor_curve_ == pytest.approx(curve, rel=1e-9)
    assert by_loss.best_validation_score_ == by_loss.validation_scores_[best] == found["score"]
    assert of_rows(by_score, noisy)["loss"] > 1.01 * found["loss"]
    assert by_score.best_validation_score_ == max(by_score.validation_scores_)
    assert by_score.monitor_curve_ == by_score.validation_scores_


def test_patience_and_tol_are_those_of_the_monitored_figure(noisy):
    model = fitted(noisy, monitor="loss", n_iter_no_change=3, tol=1e-3, max_iter=500)
    best, bad, ended = np.inf, 0, None
    for epoch, loss in enumerate(model.validation_loss_curve_, start=1):
        bad = bad + 1 if -loss < -best + 1e-3 else 0
        best = min(best, loss)
        if bad > 3:
            ended = epoch
            break
    assert model.n_iter_ == ended
    assert model.n_iter_ < 100


def test_a_metric_by_name_and_ones_own(noisy):
    named = fitted(noisy, monitor="f1")
    own = Metric("macro", lambda y, p: f1_score(y, p, average="macro"), larger_is_better=True)
    same = fitted(noisy, monitor=own)
    assert named.monitor_curve_ == pytest.approx(same.monitor_curve_)
    assert of_rows(named, noisy)["f1"] == pytest.approx(max(named.monitor_curve_))
    assert (named.coefs_[0] == same.coefs_[0]).all()
    records = []
    fitted(noisy, monitor="val_f1", max_iter=3, early_stopping=False, callbacks=records.append)
    assert [sorted(record) for record in records] == [
        ["epoch", "learning_rate", "loss", "val_f1", "val_loss", "val_score"]
    ] * 3


def test_the_random_split_is_watched_too(noisy):
    X, y = noisy[:2]
    settings = {"hidden_layer_sizes": 32, "max_iter": 80, "random_state": 0, "tol": 0.0,
                "early_stopping": True, "n_iter_no_change": 200}  # fmt: skip
    model = MLPClassifier(**settings, monitor="loss").fit(X, y)
    best = int(np.argmin(model.validation_loss_curve_))
    again = MLPClassifier(**{**settings, "max_iter": best + 1}, monitor="loss").fit(X, y)
    assert best < 78
    assert (model.coefs_[0] == again.coefs_[0]).all()


def test_several_classes_and_columns():
    X, y = load_iris(return_X_y=True)
    settings = {"max_iter": 5, "random_state": 0, "early_stopping": True}
    for monitor in ("top_2", "log_loss", "accuracy", "f1"):
        model = MLPClassifier(8, monitor=monitor, **settings).fit(X, y)
        assert len(model.monitor_curve_) == 5
    both = np.column_stack([y, X[:, 0] > 6]).astype(int)
    model = MLPClassifier(8, monitor="loss", **settings).fit(X, both)
    assert model.monitor_curve_ == model.validation_loss_curve_


def test_regressors_by_errors_in_units_of_the_target():
    X, y = load_diabetes(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    for scale_target in (False, True):
        model = MLPRegressor(
            hidden_layer_sizes=50, max_iter=40, random_state=0, early_stopping=True, tol=0.0,
            monitor="mae", scale_target=scale_target, n_iter_no_change=100,
            learning_rate_init=0.01,
        ).fit(X[:300], y[:300], X_val=X[300:], y_val=y[300:])  # fmt: skip
        error = mean_absolute_error(y[300:], model.predict(X[300:]))
        assert error == pytest.approx(min(model.monitor_curve_), rel=1e-9)


def test_schedules_monitor_it(noisy):
    rate = ReduceOnPlateau(3e-3, "val_log_loss", patience=2)
    model = fitted(noisy, monitor="log_loss", learning_rate=rate)
    assert model._optimizer_state.rate < 3e-3
    with pytest.raises(ValueError, match=r"'val_f1'; recorded: .*val_loss, val_score, val_log_l"):
        fitted(noisy, monitor="log_loss", learning_rate=ReduceOnPlateau(3e-3, "val_f1"))
    rising = Metric("rising", lambda y, p: next(counter), larger_is_better=True)
    for figures, reduced in ((range(99), False), (range(99, 0, -1), True)):
        counter = iter(figures)
        rate = ReduceOnPlateau(3e-3, "val_rising", patience=2)
        model = fitted(noisy, monitor=rising, learning_rate=rate, max_iter=9)
        assert (model._optimizer_state.rate < 3e-3) == reduced


def test_warm_starts_and_pickles_go_on(noisy):
    X, y, X_val, y_val = noisy
    model = fitted(noisy, monitor="loss", max_iter=4, warm_start=True)
    copy = pickle.loads(pickle.dumps(model))
    for one in (model, copy):
        one.fit(X, y, X_val=X_val, y_val=y_val)
        assert len(one.monitor_curve_) == 8
    assert model.monitor_curve_ == copy.monitor_curve_
    model.set_params(monitor="score").fit(X, y, X_val=X_val, y_val=y_val)
    assert model.monitor_curve_ == model.validation_scores_  # another figure: new curves
    model.set_params(early_stopping=False).fit(X, y)
    assert model.monitor_curve_ is None
    assert model.best_loss_ == min(model.loss_curve_)


def test_what_is_printed_names_the_figure(noisy, capsys):
    fitted(noisy, monitor="loss", n_iter_no_change=1, tol=1e-2, verbose=True)
    shown = capsys.readouterr().out
    assert "val_loss: 0." in shown
    assert "val_loss did not improve more than tol=0.010000 for 1 consecutive epochs" in shown


@pytest.mark.parametrize(
    ("kind", "monitor", "message"),
    [
        (MLPClassifier, "rmse", "monitor='rmse' is for regressors; choose 'score', 'loss'"),
        (MLPClassifier, "val_r2", "is for regressors"),
        (MLPRegressor, "accuracy", "is for classifiers; choose .*rmse"),
        (MLPRegressor, "top_3", "is for classifiers"),
        (MLPClassifier, "auc", r"monitor must be 'score', 'loss' or a metric \(accuracy, f1"),
        (MLPClassifier, lambda y, p: 0.0, "larger_is_better"),
        (MLPClassifier, Metric("own", lambda y, p: 0.0), "monitor='own': whether a larger"),
        (MLPClassifier, 3, "'monitor' parameter of MLPClassifier must be"),
    ],
)
def test_monitors_that_do_not_apply_are_refused_before_any_work(kind, monitor, message):
    X, y = load_iris(return_X_y=True)
    model = kind(monitor=monitor, early_stopping=True, max_iter=2)
    with pytest.raises(ValueError, match=message):
        model.fit(X, y)
    assert not hasattr(model, "coefs_")
