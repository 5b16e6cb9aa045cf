"""What the estimators offer beyond scikit-learn's."""

import warnings

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import load_diabetes, load_iris
from sklearn.linear_model import LogisticRegression, QuantileRegressor
from sklearn.preprocessing import StandardScaler

from ffnn_fast import Activation
from ffnn_fast.optimizers import AdaDelta, Adam, Optimizer
from ffnn_fast.schedules import ReduceOnPlateau, StepDecay, WarmUp
from ffnn_fast.sklearn import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(scope="module")
def iris():
    X, y = load_iris(return_X_y=True)
    return StandardScaler().fit_transform(X), y


@pytest.fixture(scope="module")
def diabetes():
    X, y = load_diabetes(return_X_y=True)
    return StandardScaler().fit_transform(X), (y - y.mean()) / y.std()


def test_each_layer_has_its_activation(iris):
    X, y = iris
    names = ["gelu", "softsign"]
    model = MLPClassifier((8, 5), names, max_iter=60, random_state=0).fit(X, y)
    h = X
    for k, g in enumerate([lambda a: a * _normal(a), lambda a: a / (1 + abs(a))]):
        h = g(h @ model.coefs_[k] + model.intercepts_[k])
    a = h @ model.coefs_[2] + model.intercepts_[2]
    p = np.exp(a) / np.exp(a).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.predict_proba(X), p, rtol=1e-9)
    with pytest.raises(ValueError, match="one activation per hidden layer"):
        model.set_params(activation=["tanh"]).fit(X, y)


def _normal(a):
    from scipy.stats import norm

    return norm.cdf(a)


def test_a_function_of_ones_own(iris):
    X, y = iris
    square = Activation("square", lambda a: a * a, lambda a: 2 * a)
    model = MLPClassifier(6, square, max_iter=50, random_state=0, learning_rate_init=0.01)
    assert model.fit(X, y).score(X, y) > 0.9


def test_training_starts_from_given_weights(iris):
    X, y = iris
    rng = np.random.default_rng(0)
    start = ([rng.normal(size=(4, 5)), rng.normal(size=(5, 3))], [rng.normal(size=5), np.zeros(3)])
    model = MLPClassifier(5, "tanh", solver="sgd", learning_rate_init=1e-12, max_iter=1)
    model.fit(X, y, coef_init=start[0], intercept_init=start[1])
    for got, given in zip(model.coefs_ + model.intercepts_, start[0] + start[1], strict=True):
        np.testing.assert_allclose(got, given, atol=1e-9)
    with pytest.raises(ValueError, match="shape"):
        model.fit(X, y, coef_init=start[0][::-1], intercept_init=start[1])
    with pytest.raises(ValueError, match="biases of 2 layers, got 1 and 2"):
        model.fit(X, y, coef_init=start[0][:1], intercept_init=start[1])


def test_weights_put_in_place_are_used(iris):
    X, y = iris
    model = MLPClassifier(5, max_iter=30, random_state=0).fit(X, y)
    model.coefs_[1][:] = 0
    model.intercepts_[1] = np.array([0.0, 0.0, np.log(2)])
    np.testing.assert_allclose(model.predict_proba(X), [[0.25, 0.25, 0.5]] * len(X))


def test_float32_is_kept(iris):
    X, y = iris
    small = MLPClassifier(max_iter=20, random_state=0).fit(X.astype(np.float32), y)
    assert {W.dtype for W in small.coefs_ + small.intercepts_} == {np.dtype("float32")}
    assert small.predict_proba(X).dtype == np.float32
    large = MLPClassifier(max_iter=20, random_state=0).fit(X, y)
    np.testing.assert_allclose(small.predict_proba(X), large.predict_proba(X), atol=1e-4)
    lbfgs = MLPClassifier(5, solver="lbfgs", max_iter=20).fit(X.astype(np.float32), y)
    assert lbfgs.coefs_[0].dtype == np.float32


@pytest.mark.parametrize("form", [sparse.csr_array, sparse.csc_matrix])
def test_sparse_rows_are_the_same_as_dense_ones(iris, form):
    X, y = iris
    dense = MLPClassifier(5, max_iter=10, random_state=0).fit(X, y)
    model = MLPClassifier(5, max_iter=10, random_state=0).fit(form(X), y)
    np.testing.assert_allclose(model.predict_proba(form(X)), dense.predict_proba(X), rtol=1e-10)
    for one, rows in ((model, form(X[:5])), (dense, X[:5])):
        one.partial_fit(rows, y[:5])
    np.testing.assert_allclose(model.coefs_[0], dense.coefs_[0], rtol=1e-10)
    full = [MLPClassifier(5, solver="lbfgs", max_iter=5, random_state=0) for _ in range(2)]
    for one, rows in zip(full, (form(X), X), strict=True):
        one.fit(rows, y)
    np.testing.assert_allclose(full[0].coefs_[0], full[1].coefs_[0], rtol=1e-6)


def test_class_weights_are_weights_of_rows(iris):
    X, y = iris
    weight = {0: 1.0, 1: 5.0, 2: 0.5}
    settings = {"max_iter": 20, "random_state": 0, "batch_size": 30}
    by_class = MLPClassifier(**settings, class_weight=weight).fit(X, y)
    by_row = MLPClassifier(**settings).fit(X, y, sample_weight=np.array([1, 5, 0.5])[y])
    np.testing.assert_array_equal(by_class.predict_proba(X), by_row.predict_proba(X))
    few = np.r_[0:50, 50:55]
    plain, balanced = (
        MLPClassifier((), "identity", solver="lbfgs", alpha=5.0, class_weight=w, max_iter=500)
        .fit(X[few, :1], y[few]).predict(X[few, :1]) for w in (None, "balanced")
    )  # fmt: skip
    expected = LogisticRegression(C=1 / 5, class_weight="balanced").fit(X[few, :1], y[few])
    assert (balanced == 1).sum() > (plain == 1).sum()
    assert (balanced == expected.predict(X[few, :1])).mean() > 0.95
    with pytest.raises(ValueError, match="balanced"):
        MLPClassifier(class_weight="balanced").partial_fit(X, y, classes=[0, 1, 2])
    with pytest.raises(ValueError, match="at least one non-zero"):
        MLPClassifier(class_weight={0: 0, 1: 0, 2: 0}).fit(X, y)


def test_validation_rows_of_ones_own(iris):
    X, y = iris
    train, held = np.arange(0, 150, 2), np.arange(1, 150, 2)
    model = MLPClassifier(max_iter=40, random_state=0)
    model.fit(X[train], y[train], X_val=X[held], y_val=y[held])
    assert len(model.validation_loss_curve_) == len(model.validation_scores_) == model.n_iter_
    assert model.validation_scores_[-1] == model.score(X[held], y[held])
    p = model.predict_proba(X[held])[np.arange(len(held)), y[held]]
    assert model.validation_loss_curve_[-1] == pytest.approx(-np.log(p).mean())
    model.set_params(early_stopping=True, n_iter_no_change=3, max_iter=500)
    model.fit(X[train], y[train], X_val=X[held], y_val=y[held])
    assert model.n_iter_ < 500
    assert model.t_ == model.n_iter_ * len(train)
    assert model.score(X[held], y[held]) == model.best_validation_score_
    with pytest.raises(ValueError, match="X_val and y_val"):
        model.fit(X, y, X_val=X)
    with pytest.raises(ValueError, match="features"):
        model.fit(X, y, X_val=X[:, :2], y_val=y)


def test_validation_losses_of_regressors(diabetes):
    X, y = diabetes
    counts = np.round(np.exp(y + 1))
    weight = np.linspace(0.5, 2, 100)
    for loss, value in {
        "squared_error": lambda p, t: (p - t) ** 2 / 2,
        "absolute_error": lambda p, t: abs(p - t),
        "poisson": lambda p, t: t * np.log(np.maximum(t, 1e-300) / p) - t + p,
    }.items():
        model = MLPRegressor(loss, 10, max_iter=5, random_state=0)
        model.fit(X[100:], counts[100:], X_val=X[:100], y_val=counts[:100],
                  sample_weight_val=weight)  # fmt: skip
        mean = np.average(value(model.predict(X[:100]), counts[:100]), weights=weight)
        assert model.validation_loss_curve_[-1] == pytest.approx(mean)
        score = model.score(X[:100], counts[:100], sample_weight=weight)
        assert model.validation_scores_[-1] == pytest.approx(score)


def test_losses_of_regressors(diabetes):
    X, y = diabetes
    settings = {"hidden_layer_sizes": (), "activation": "identity", "alpha": 0.0,
                "max_iter": 3000, "learning_rate_init": 0.02, "tol": 0.0,
                "n_iter_no_change": np.inf, "learning_rate": lambda t: 0.05 / (1 + t / 100),
                "random_state": 0}  # fmt: skip
    levels = (0.1, 0.5, 0.9)
    model = MLPRegressor("quantile", loss_options={"quantiles": levels}, **settings).fit(X, y)
    predicted = model.predict(X)
    assert predicted.shape == (len(X), 3)
    for j, q in enumerate(levels):
        exact = QuantileRegressor(quantile=q, alpha=0).fit(X, y).predict(X)
        np.testing.assert_allclose(predicted[:, j], exact, atol=0.3)
    assert 0.3 < model.score(X, y) < 0.6
    noisy = MLPRegressor("gaussian_nll", 10, max_iter=300, random_state=0).fit(X, y)
    mean, std = noisy.predict(X, return_std=True)
    assert mean.shape == std.shape == y.shape
    assert 0.5 < np.mean(np.abs(y - mean) < std) < 0.85
    for loss in ("absolute_error", "huber", "log_cosh"):
        assert MLPRegressor(loss, 10, max_iter=200, random_state=0).fit(X, y).score(X, y) > 0.4
    with pytest.raises(ValueError, match="return_std"):
        model.predict(X, return_std=True)
    with pytest.raises(ValueError, match="poisson"):
        MLPRegressor("poisson").fit(X, y)


def test_several_targets_of_any_loss(diabetes):
    X, y = diabetes
    model = MLPRegressor("huber", 10, max_iter=100, random_state=0).fit(X, np.c_[y, -y])
    predicted = model.predict(X)
    assert predicted.shape == (len(X), 2)
    assert np.corrcoef(predicted.T)[0, 1] < -0.9
    with pytest.raises(ValueError, match="targets"):
        model.partial_fit(X, y)


@pytest.mark.parametrize(
    "solver",
    [
        *("adamw", "nadam", "adamax", "amsgrad", "radam", "rmsprop", "adagrad"),
        *(Adam(epsilon=1e-4), AdaDelta()),
    ],
)
def test_other_solvers(iris, solver):
    X, y = iris
    model = MLPClassifier(20, solver=solver, learning_rate_init=0.01, max_iter=100, random_state=0)
    first = model.fit(X, y).loss_curve_[0]
    assert model.loss_ < 0.8 * first


def test_adadelta_by_name_is_the_object_with_its_own_hyperparameters(iris):
    X, y = iris
    options = {"max_iter": 20, "random_state": 0}
    named = MLPClassifier(20, solver="adadelta", learning_rate_init=1.0, epsilon=1e-6, **options)
    expected = MLPClassifier(20, solver=AdaDelta(), **options).fit(X, y).loss_curve_
    assert named.fit(X, y).loss_curve_ == expected


def test_a_rule_of_ones_own(iris):
    class Sign(Optimizer):
        name = "sign"

        def rule(self, hyper, params, grad, state, t):
            params -= hyper[0] * np.sign(grad)

    X, y = iris
    model = MLPClassifier(10, solver=Sign(learning_rate=5e-3), random_state=0).fit(X, y)
    assert model.score(X, y) > 0.9


def test_weight_decay_of_adamw_is_used(iris):
    X, y = iris
    sizes = [
        np.linalg.norm(
            MLPClassifier(20, solver="adamw", weight_decay=decay, random_state=0,
                          learning_rate_init=0.01).fit(X, y).coefs_[0]
        )
        for decay in (0.0, 1.0)
    ]  # fmt: skip
    assert sizes[1] < 0.7 * sizes[0]


def test_schedules_and_callbacks(iris):
    X, y = iris
    seen = []
    model = MLPClassifier(
        solver="sgd", learning_rate=lambda step: 0.1 if step < 10 else 0.01, max_iter=50,
        callbacks=[seen.append, lambda record: record["epoch"] == 7], random_state=0,
    )  # fmt: skip
    model.fit(X, y)
    assert model.n_iter_ == 7
    assert [record["epoch"] for record in seen] == list(range(1, 8))
    assert [record["loss"] for record in seen] == model.loss_curve_
    scheduled = MLPClassifier(solver="sgd", learning_rate=StepDecay(0.1, 5, 0.5), max_iter=12)
    assert scheduled.fit(X, y).score(X, y) > 0.5


def test_a_schedule_reports_its_rate(iris):
    X, y = iris
    seen = []
    MLPClassifier(
        solver="sgd", learning_rate=lambda step: 0.1 / (1 + step), max_iter=3, batch_size=50,
        callbacks=lambda record: seen.append(record["learning_rate"]),
    ).fit(X, y)  # fmt: skip
    assert seen == pytest.approx([0.1 / 3, 0.1 / 6, 0.1 / 9])  # those of the last of 3 steps each


@pytest.mark.parametrize("wrap", [lambda schedule: schedule, lambda schedule: WarmUp(schedule, 3)])
def test_a_monitored_figure_must_be_recorded(iris, wrap):
    X, y = iris
    model = MLPClassifier(learning_rate=wrap(ReduceOnPlateau(0.01, "val_score")), max_iter=3)
    with pytest.raises(ValueError, match="monitors 'val_score'; recorded: epoch, loss, learning"):
        model.fit(X, y)
    model.fit(X, y, X_val=X, y_val=y)
    model.set_params(early_stopping=True).fit(X, y)


def test_dropout_depends_on_the_seed_alone(iris):
    X, y = iris
    same, again, other, none = (
        MLPClassifier(20, dropout=rate, max_iter=30, random_state=seed).fit(X, y)
        for rate, seed in ((0.5, 0), ([0.0, 0.5], 0), (0.5, 1), (0.0, 0))
    )
    assert same.loss_curve_ == again.loss_curve_
    assert len({tuple(model.loss_curve_) for model in (same, other, none)}) == 3
    assert none.loss_curve_[-1] < same.loss_curve_[-1]


def test_smoothed_labels_and_squared_errors(iris):
    X, y = iris
    settings = {"hidden_layer_sizes": 20, "solver": "lbfgs", "alpha": 0.0, "max_iter": 2000}
    settings["random_state"] = 0
    smooth = MLPClassifier(**settings, loss_options={"label_smoothing": 0.3}).fit(X, y)
    assert smooth.predict_proba(X).max() < 0.9
    squares = MLPClassifier(20, loss="squared_error", max_iter=300, random_state=0).fit(X, y)
    p = squares.predict_proba(X)
    assert squares.loss_ == pytest.approx(((p - np.eye(3)[y]) ** 2).sum(axis=1).mean(), rel=0.1)
    assert squares.score(X, y) > 0.9


def test_threads_change_no_bit(iris):
    X, y = np.tile(iris[0], (20, 1)), np.tile(iris[1], 20)
    one, two = (
        MLPClassifier((256, 256), max_iter=3, batch_size=1000, n_threads=n, random_state=0)
        .fit(X, y).predict_proba(X) for n in (1, 2)
    )  # fmt: skip
    np.testing.assert_array_equal(one, two)


def test_levenberg_marquardt(diabetes):
    X, y = diabetes
    settings = {"hidden_layer_sizes": 3, "activation": "tanh", "alpha": 1.0, "random_state": 0}
    weight = np.linspace(0.5, 2, len(X))
    found = MLPRegressor(solver="lm", max_iter=500, **settings).fit(X, y, sample_weight=weight)
    other = MLPRegressor(solver="lbfgs", max_iter=5000, tol=1e-9, **settings)
    other.fit(X, y, sample_weight=weight)
    assert found.loss_ <= other.loss_ * 1.02
    with pytest.raises(ValueError, match="loss"):
        MLPClassifier(solver="lm").fit(X, y > 0)
    assert not hasattr(MLPRegressor(solver="lm"), "partial_fit")


def test_several_starts_of_levenberg_marquardt(diabetes):
    X, y = diabetes
    settings = {"hidden_layer_sizes": 3, "activation": "tanh", "alpha": 1.0, "random_state": 0}
    settings |= {"solver": "lm", "max_iter": 20, "tol": 1e-8}
    with warnings.catch_warnings(action="ignore"):
        one, alone, team = (
            MLPRegressor(n_starts=n, n_threads=threads, **settings).fit(X, y)
            for n, threads in ((1, 1), (6, 1), (6, 3))
        )
        rest = [
            MLPRegressor(**settings | {"random_state": rng}).fit(X, y)
            for rng in [np.random.RandomState(0)]
            for _ in range(6)
        ]
    for theirs, ours in zip(alone.coefs_, team.coefs_, strict=True):
        np.testing.assert_array_equal(theirs, ours)
    assert alone.loss_ == team.loss_ < one.loss_
    assert alone.loss_curve_ == team.loss_curve_
    assert alone.loss_ == min(est.loss_ for est in rest)  # the same draws, one after the other
    assert len(alone.loss_curve_) == alone.n_iter_ <= 20
    with pytest.raises(ValueError, match="n_starts"):
        MLPRegressor(n_starts=0).fit(X, y)


def test_what_leaves_the_finite_numbers_is_an_error(diabetes):
    X, y = diabetes
    model = MLPRegressor(solver="sgd", learning_rate_init=1e6, max_iter=50, random_state=0)
    with (
        warnings.catch_warnings(action="ignore"),
        pytest.raises(ValueError, match="non-finite"),
    ):
        model.fit(X, y, X_val=X, y_val=y)
    assert np.isnan(model.validation_scores_[-1])


def test_an_interrupt_leaves_what_was_learnt(iris):
    X, y = iris

    def interrupt(record):
        if record["epoch"] == 4:
            raise KeyboardInterrupt

    model = MLPClassifier(callbacks=interrupt, random_state=0)
    with pytest.warns(UserWarning, match="interrupted"):
        model.fit(X, y)
    assert model.n_iter_ == 4
    assert model.predict(X).shape == y.shape
