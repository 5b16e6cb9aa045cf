"""The published recipes do what their authors' package does: the same inputs, steps and choice."""

from dataclasses import replace
from types import SimpleNamespace
from unittest.mock import patch

import numpy as np
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("pandas")

from golden import realmlp as golden

from ffnn_fast import Network
from ffnn_fast._columns.frames import table_of
from ffnn_fast.history import History
from ffnn_fast.tabular import TabularClassifier, TabularRegressor
from ffnn_fast.tabular._folds import random_split
from ffnn_fast.tabular._inputs import TableInputs
from ffnn_fast.tabular._members import Rows, Stop
from ffnn_fast.tabular._recipes import new_network, recipe_of, train_network
from ffnn_fast.tabular._selection import LastBest, error_of

STORED = np.load(golden.FILE)
FULL = golden.SIZES | {"hidden": 256}  # of the fits by an installed package


class Orders(np.random.Generator):
    """A generator that draws given orders of rows, and the seed of the golden dropout masks.

    The engine's `shuffle` takes bits from it in C; in its place is `in_order`.
    """

    def __init__(self, orders):
        super().__init__(np.random.PCG64(0))
        self.left = list(orders)

    def permutation(self, n):
        assert n == len(self.left[0])
        return self.left.pop(0)

    def integers(self, *bounds):
        return golden.SEED


def in_order(rng, orders):
    """Each row of `orders` in the next order of the generator."""
    for rows in orders:
        rows[:] = rows[rng.permutation(len(rows))]


class Parameters(Stop):
    """θ after each epoch, as `golden.views` has it."""

    def __init__(self, net):
        super().__init__()
        self.net, self.epochs = net, []

    def on_epoch_end(self, fit, record, /):
        self.epochs.append(theta_of(self.net))


def theta_of(net):
    return np.concatenate([values.ravel() for values in golden.views(net)])


def fitted(case, theirs, hidden, batch_size, epochs):
    """Our fit from the start of theirs, with their orders of the rows."""
    kind, preset, dropout = golden.CASES[case]
    classes = kind.endswith("Classifier")
    columns, labels, values = golden.table()
    kept, judged = golden.split()
    recipe = recipe_of(preset, "classes" if classes else "values")
    recipe = replace(
        recipe, hidden=(hidden,) * 3, batch_size=batch_size, epochs=epochs, dropout=dropout
    )
    known = table_of({name: column[: golden.N] for name, column in columns.items()})
    inputs = TableInputs.fit(known, (), True, recipe.most_one_hot, kept)
    X = inputs.transform(table_of(columns))
    if classes:
        y, n_outputs, undo = np.unique(labels, return_inverse=True)[1], 3, None
    else:
        mean, scale = values[kept].mean(), values[kept].std()
        y, n_outputs = ((values - mean) / scale).astype(np.float32)[:, None], 1
        low, high = (values[kept].min(), values[kept].max()) if recipe.clips else (-9e9, 9e9)

        def undo(y_hat):
            return np.clip(y_hat[:, 0] * scale + mean, low, high)

    net = new_network(
        recipe, inputs, (n_outputs,), "softmax" if classes else "identity", X[kept], seed=0
    )
    at = 0
    for view in golden.views(net):
        view[:] = theirs["first"][at : at + view.size].reshape(view.shape)
        at += view.size
    assert at == len(theirs["first"])
    net.rng = Orders(theirs["orders"])
    parts = (Rows(X[rows], y[rows], None) for rows in (kept, judged))
    seen = Parameters(net)
    with patch.object(net._bound.backend, "shuffle", in_order):
        member = train_network(net, recipe, *parts, seen)
    y_hat = net.forward(X)
    return {
        "X": X, "epochs": np.array(seen.epochs), "best": theta_of(net),
        "history": member.history, "predicted": y_hat if undo is None else undo(y_hat),
        "deviation": 1.0 if classes else scale,
    }  # fmt: skip


def check(case, theirs, sizes, strays=0.0):
    """Ours against theirs: inputs to 1e-6, parameters, errors, choice of the epoch, predictions.

    `strays` is the share of parameters that may differ by more than 1e-5. Adam moves an entry by
    its rate whatever the size of its gradient: where the terms of a gradient cancel, its rounding
    shows. The more units, the more such entries there are.
    """
    tolerance = 1e-4 if strays else 1e-5
    ours = fitted(case, theirs, **sizes)
    n = theirs["encoded"].shape[1]
    np.testing.assert_allclose(ours["X"][:, :n], theirs["encoded"], atol=1e-6, rtol=1e-6)
    close = np.isclose(ours["epochs"], theirs["epochs"], atol=1e-5, rtol=1e-5)
    assert np.mean(~close) <= strays
    np.testing.assert_allclose(ours["epochs"], theirs["epochs"], atol=10 * tolerance)
    errors = np.array(ours["history"]["val_error"]) * ours["deviation"]
    np.testing.assert_allclose(errors, theirs["errors"], rtol=10 * tolerance)
    best = np.flatnonzero(errors == errors.min())[-1]
    assert ours["history"].best_epoch == best + 1
    np.testing.assert_array_equal(ours["best"], ours["epochs"][best])
    np.testing.assert_allclose(ours["predicted"], theirs["predicted"], atol=10 * tolerance)


def stored(case):
    """The golden arrays of a case."""
    names = ("encoded", "orders", "errors", "first", "epochs", "predicted")
    return {name: STORED[f"{case}: {name}"] for name in names}


@pytest.mark.parametrize("case", golden.CASES)
def test_golden_fits(case):
    """Twelve steps from the same start, in the same order, are those of the package to 1e-5."""
    check(case, stored(case), golden.SIZES)


@pytest.mark.parametrize("case", golden.CASES)
def test_fits_by_the_installed_package(case):
    """The same with networks of the published size."""
    for name in ("torch", "pytabkit"):
        pytest.importorskip(name, reason=f"{name} makes the fits to compare with")
    check(case, golden.fit(case, **FULL), FULL, strays=0.01)


@pytest.mark.parametrize("preset", ["realmlp", "realmlp-s"])
def test_estimators_use_the_published_recipe(preset):
    """One network, judged on a fifth of the rows; the others give scales and the range."""
    columns, labels, values = golden.table()
    for kind, y in ((TabularClassifier, labels), (TabularRegressor, values)):
        model = kind(preset, epochs=3, random_state=0).fit(columns, y)
        net, history = model.networks_[0], model.histories_[0]
        assert net.spec.layer_sizes[1:-1] == (256, 256, 256)
        assert net.spec.parametric == (preset == "realmlp")
        judged = ~np.isnan(model.oof_prediction_[:, 0])
        assert judged.sum() == len(y) // 5
        errors = history["val_error"]
        assert history.best_epoch == 3 - int(np.argmin(errors[::-1]))
        x = columns["x"][~judged]
        assert model._inputs.scales[0].median == np.median(x)
        if kind is TabularClassifier:
            wrong = model.classes_[model.oof_prediction_[judged].argmax(axis=1)] != y[judged]
            assert wrong.mean() == pytest.approx(min(errors))
            assert net.spec.loss_options == {"label_smoothing": 0.1}
        else:
            assert model.target_mean_[0] == pytest.approx(y[~judged].mean())
            low, high = model.target_range_[:, 0]
            limits = (y[~judged].min(), y[~judged].max())
            assert (low, high) == limits if preset == "realmlp" else low < -1e300


def test_several_published_networks(tmp_path):
    """Each network has its own rows; scales are those of all rows."""
    columns, labels, _ = golden.table()
    model = TabularClassifier("realmlp", n_networks=2, epochs=1, random_state=0)
    model.fit(columns, labels)
    assert model._inputs.scales[0].median == np.median(columns["x"])
    assert model.networks_[0].params[0] != model.networks_[1].params[0]
    model.save(tmp_path / "model")
    again = TabularClassifier.load(tmp_path / "model")
    np.testing.assert_array_equal(again.predict_proba(columns), model.predict_proba(columns))


def test_first_parameters_of_td():
    """Every unit has pre-activations of deviation 1, the last ones too, and biases inside them."""
    net, X = first_network("realmlp")
    trace = net.trace(X)
    for k in range(1, 5):
        a = trace[f"a_{k}"].astype(float)
        b = net.biases[k - 1]
        np.testing.assert_allclose(a.std(axis=0), 1, rtol=1e-5)
        assert ((a - b).min(axis=0) <= -b).all()
        assert (-b <= (a - b).max(axis=0)).all()


def test_first_parameters_of_td_s():
    """W_k ~ N(0, 1/n) and b_k ~ N(0, 1), and a last layer of 0."""
    net, _ = first_network("realmlp-s")
    for W, b in zip(net.weights[:-1], net.biases[:-1], strict=True):
        assert W.std() * np.sqrt(W.shape[1]) == pytest.approx(1, abs=0.05)
        assert b.std() == pytest.approx(1, abs=0.2)
    assert not net.weights[-1].any()
    assert not net.biases[-1].any()
    assert (net.input_params["scale"] == 1).all()


def first_network(preset):
    """A network before its training, and its rows."""
    columns, _, _ = golden.table()
    recipe = recipe_of(preset, "values")
    inputs = TableInputs.fit(table_of(columns), (), True, recipe.most_one_hot)
    X = inputs.transform(table_of(columns))
    return new_network(recipe, inputs, (1,), "identity", X, seed=0), X


def test_the_last_of_the_best_epochs_is_kept():
    """A tie goes to the later epoch, and NaN is never better."""
    rows = Rows(np.zeros((4, 1), np.float32), np.array([0, 0, 1, 1]), None)
    net = Network([1, 1, 2], seed=0)
    kept = LastBest(net, rows)
    fit = SimpleNamespace(params=net.params, history=History())
    for epoch, bias in enumerate([1.0, -1.0, 0.5], 1):
        net.params[:] = 0
        net.biases[-1][0] = bias
        record = {"epoch": epoch}
        kept.on_epoch_end(fit, record)
        assert record["val_error"] == 0.5
    values = Rows(rows.X, np.full((4, 1), np.nan), None)
    kept.fold, kept.net = values, Network([1, 1, 1], output="identity", seed=0)
    kept.on_epoch_end(fit, {"epoch": 4})
    net.params[:] = 7
    kept.on_train_end(fit)
    assert fit.history.best_epoch == 3
    assert net.biases[-1][0] == 0.5


def constant(*outputs):
    """A network with these outputs for every row."""
    net = Network([1, len(outputs)], output="identity", seed=0)
    net.weights[0][:], net.biases[0][:] = 0, outputs
    return net


@pytest.mark.parametrize("within", [None, (np.array([0.0]), np.array([1.0]))])
def test_error_of_values(within):
    """Predictions are clipped first; weights count."""
    X, y = np.zeros((2, 1), np.float32), np.array([[1.0], [0.0]], np.float32)
    rows = Rows(X, y, np.array([3.0, 1.0]))
    expected = np.sqrt(1 / 4) if within else np.sqrt((3 * 1 + 4) / 4)
    assert error_of(constant(2.0), rows, within) == pytest.approx(expected)


def test_error_of_several_columns_of_classes():
    """The mean of the shares of wrong classes."""
    net = Network([1, 5], output="softmax", loss="cross_entropy", heads=[2, 3], seed=0)
    net.weights[0][:], net.biases[0][:] = 0, [0, 1, 0, 0, 1]
    rows = Rows(np.zeros((4, 1), np.float32), np.array([[1, 2], [1, 0], [1, 0], [0, 0]]), None)
    assert error_of(net, rows) == pytest.approx((1 / 4 + 3 / 4) / 2)


@pytest.mark.parametrize(("n", "expected"), [(2, 1), (3, 2), (5, 4), (11, 9), (100, 80)])
def test_random_splits(n, expected):
    """⌈0.8 n⌉ rows are trained on, but one at most is left out."""
    kept, judged = random_split(n, 0.2, np.random.default_rng(0))
    assert len(kept) == expected
    np.testing.assert_array_equal(np.sort(np.concatenate([kept, judged])), np.arange(n))
