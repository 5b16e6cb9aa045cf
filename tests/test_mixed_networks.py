"""Networks whose heads have output functions and losses of their own, as a user has them."""

import json
import pickle
import re

import numpy as np
import pytest

from ffnn_fast import Activation, Head, Loss, Network, NetworkSpec
from ffnn_fast._model.arrays import as_targets
from ffnn_fast.metrics import Metric, accuracy, f1, mae, r2, top_k_accuracy
from ffnn_fast.online import OnlineLearner

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


def all_targets(X, labels, values):
    """Those of HEADS."""
    return labels, values, np.column_stack([values, X[:, 1]]), X[:, 1] > 0


@pytest.fixture(scope="module")
def learned():
    """A network that has learned a class and a value, and the rows with both."""
    X, labels, values = data()
    net = network()
    history = net.fit(
        X, (labels, values), epochs=100, batch_size=16, optimizer="adam", learning_rate=0.01,
        validation_fraction=0.2, metrics=["score", "accuracy", "r2", "f1", "top_2", "mae", whole],
    )  # fmt: skip
    return net, X, (labels, values), history


def whole(truth, predicted):
    """A metric of both heads."""
    return float(((truth[0] == predicted[0]) & (np.abs(truth[1] - predicted[1]) < 0.5)).mean())


def test_a_network_learns_a_class_and_a_value(learned):
    net, X, (labels, values), history = learned
    predicted, value = net.predict(X)
    assert predicted.dtype == np.int64
    assert predicted.shape == value.shape == (300,)
    parts = accuracy(labels, predicted), r2(values, value)
    assert min(parts) > 0.8
    assert net.score(X, (labels, values)) == pytest.approx(np.mean(parts))
    last = history[-1]
    assert last["val_score"] == pytest.approx((last["val_accuracy"] + last["val_r2"]) / 2)
    assert last["top_2"] >= last["accuracy"]
    assert 0.5 < last["whole"] <= last["accuracy"]


def test_a_row_has_predictions_without_their_first_axis(learned):
    net, X, _, _ = learned
    label, value = net.predict(X[0])
    assert np.ndim(label) == np.ndim(value) == 0
    p, none = net.predict_proba(X[0])
    assert p.shape == (3,)
    assert none is None


def test_outputs_are_split_by_head(learned):
    net, X, _, _ = learned
    y_hat = net.forward(X)
    p, value = net.split_heads(y_hat)
    assert np.shares_memory(p, y_hat)
    np.testing.assert_array_equal(p, net.predict_proba(X)[0])
    np.testing.assert_array_equal(value[:, 0], net.predict(X)[1])
    np.testing.assert_allclose(net.predict_log_proba(X)[0], np.log(p), rtol=1e-4, atol=2e-7)
    assert [part.shape for part in net.split_heads(net.forward(X[0]))] == [(3,), (1,)]
    assert len(Network([2, 3]).split_heads(np.zeros((5, 3)))) == 1
    for given in (np.zeros((2, 3)), 1.0):
        with pytest.raises(ValueError, match=r"shape \(\.\.\., 4\), got"):
            net.split_heads(given)


def test_probabilities_of_other_heads():
    net = network(HEADS)
    X = data(20)[0]
    p = net.predict_proba(X)
    assert p[1] is p[2] is None
    np.testing.assert_allclose(p[3].sum(axis=1), 1, rtol=1e-6)
    log_p = net.predict_log_proba(X)
    np.testing.assert_allclose(np.exp(log_p[3]), p[3], rtol=1e-5)
    assert net.predict(X)[2].shape == (20, 4)
    assert set(net.predict(X)[3]) <= {0, 1}
    plain = network([Head(2, "identity"), Head(3, "identity", "hinge")])
    for method in (plain.predict_proba, plain.predict_log_proba):
        with pytest.raises(ValueError, match=r"'identity' with loss 'hinge' gives none"):
            method(X)


def test_named_metrics_are_means_over_the_heads_that_they_fit():
    X, labels, values = data(80)
    net, y = network(HEADS), all_targets(X, labels, values)
    names = ["score", "accuracy", "f1", "top_2", "rmse", "mae", "log_loss"]
    got = net.fit(X, y, epochs=1, learning_rate=1e-12, metrics=names)[-1]
    predicted = net.predict(X)
    positive = y[3].astype(int)
    assert got["accuracy"] == pytest.approx(
        (accuracy(labels, predicted[0]) + accuracy(positive, predicted[3])) / 2
    )
    assert got["f1"] == pytest.approx((f1(labels, predicted[0]) + f1(positive, predicted[3])) / 2)
    assert got["top_2"] == top_k_accuracy(labels, net.predict_proba(X)[0], 2)
    low = net.predict(X)[2][:, [0, 2]]  # the first of two levels as near to the median
    assert got["mae"] == pytest.approx((mae(values, predicted[1]) + mae(y[2], low)) / 2, rel=1e-5)
    scores = accuracy(labels, predicted[0]), r2(values, predicted[1])
    scores = *scores, r2(y[2], low), accuracy(positive, predicted[3])
    assert got["score"] == pytest.approx(np.mean(scores), rel=1e-4)


def test_metrics_of_ones_own_and_those_that_fit_no_head():
    X, labels, values = data(30)
    net = network()

    def outputs(truth, y_hat):
        assert truth.shape == y_hat.shape == (30, 4)
        return 0.25

    metric = Metric("outputs", outputs, "outputs")
    assert net.fit(X, (labels, values), epochs=1, metrics=[metric])[-1]["outputs"] == 0.25
    numbers = network([Head(1, "identity"), Head(2, "tanh", "huber")])
    for name in ("accuracy", "top_2", "log_loss"):
        with pytest.raises(ValueError, match=f"metric '{name}' fits none of the heads"):
            numbers.fit(X, np.zeros((30, 3)), epochs=1, metrics=[name])
    with pytest.raises(ValueError, match=r"class weights need .* one class per row, got .softmax"):
        net.fit(X, (labels, values), epochs=1, class_weight="balanced")


def test_each_head_ignores_its_own_missing_targets():
    X, labels, values = data(60)
    net = network(missing_targets="ignore", dtype="float64")
    labels, values = labels.astype(float), values.copy()
    labels[::2], values[1::3] = np.nan, np.nan
    dense = as_targets((labels, values), net.spec, 60)
    np.testing.assert_array_equal(np.isnan(dense[:, :3]).all(axis=1), np.isnan(labels))
    y_hat = net.forward(X)
    losses = -np.log(y_hat[np.arange(60), np.nan_to_num(labels).astype(int)])
    losses = np.where(np.isnan(labels), 0, losses)
    losses += 0.5 * np.nan_to_num((y_hat[:, 3] - values) ** 2)
    assert net.loss(X, (labels, values)) == pytest.approx(losses.mean())
    predicted, known = net.predict(X), ~np.isnan(labels)
    there = ~np.isnan(values)
    parts = (labels == predicted[0])[known].mean(), r2(values[there], predicted[1][there])
    assert net.score(X, (labels, values)) == pytest.approx(np.mean(parts))
    nothing = np.full(60, np.nan)
    assert net.score(X, (labels, nothing)) == pytest.approx(parts[0])
    record = net.fit(X, (labels, nothing), epochs=1, metrics=["r2", "accuracy"])[-1]
    assert np.isnan(record["r2"])
    assert record["accuracy"] > 0


def test_forms_of_targets():
    spec = network(HEADS, dtype="float64").spec
    X, labels, values = data(9)
    y = all_targets(X, labels, values)
    dense = as_targets(y, spec, 9)
    assert dense.shape == (9, spec.n_targets) == (9, 7)
    np.testing.assert_array_equal(dense[:, :3], np.eye(3)[labels])
    np.testing.assert_array_equal(dense[:, 3], values)
    np.testing.assert_array_equal(as_targets(dense, spec, 9), dense)
    np.testing.assert_array_equal(as_targets([np.asarray(part) for part in y], spec, 9), dense)
    soft = (dense[:, :3], values[:, None], y[2], y[3])
    np.testing.assert_array_equal(as_targets(soft, spec, 9), dense)
    np.testing.assert_array_equal(as_targets(dense.tolist(), spec, 9), dense)
    one = (1, 0.5, [0.1, 0.2], 1)
    np.testing.assert_array_equal(as_targets(one, spec, 1), [[0, 1, 0, 0.5, 0.1, 0.2, 1]])


@pytest.mark.parametrize(
    ("y", "error", "message"),
    [
        (([0, 3], [0.0, 1.0]), ValueError, "y[0] must be class labels 0..2, got 3 in row 1"),
        (([0, 1], [0.0]), ValueError, "y[1] must have one entry per row (2), got shape (1,)"),
        (([0.5, 1], [0.0, 1.0]), TypeError, "y[0] must be integer class labels"),
        (([0, 1], ["a", "b"]), TypeError, "y[1]"),
        ([0, 1], ValueError, "must be a tuple of the targets of each of 2 heads, or an array of"),
        (np.zeros((2, 3)), ValueError, "shape (2, 4) with those of all side by side, got"),
        (np.zeros((2, 4)), ValueError, "each row of y must sum to 1 for cross_entropy"),
        (np.array([[1, 0, 0, np.nan]] * 2), ValueError, "finite"),
    ],
)
def test_targets_that_do_not_fit_are_refused(y, error, message):
    with pytest.raises(error, match=re.escape(message)):
        as_targets(y, network().spec, 2)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"heads": [Head(4)]}, ValueError, "two or more, got 1; give output, loss"),
        ({"heads": [Head(3), Head(2)]}, ValueError, "the sum 4, the number of outputs, got [3, 2]"),
        ({"heads": [{"width": 3}, {"output": "tanh"}]}, ValueError, "heads[1]: expected width"),
        ({"heads": [{"width": 3}, {"width": 1, "x": 1}]}, ValueError, "heads[1]: expected width"),
        ({"heads": [Head(3), 1.0]}, TypeError, "heads[1]: the width of a head must be an integer"),
        ({"heads": [Head(3), 1]}, ValueError, "heads[1]: a softmax output needs at least 2 units"),
        ({"heads": 4}, TypeError, "a sequence of integers or of Head, got 4"),
        ({"output": "logistic"}, ValueError, "leave out those of the network, got output='logis"),
        ({"loss": "huber"}, ValueError, "loss='huber'"),
        ({"loss_options": {"delta": 1.0}}, ValueError, "loss_options={'delta': 1.0}"),
    ],
)
def test_heads_that_do_not_fit_are_refused(change, error, message):
    with pytest.raises(error, match=re.escape(message)):
        NetworkSpec((2, 4), **{"heads": ACTOR_CRITIC, **change})


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"width": 0}, ValueError, "the width of a head must be at least 1, got 0"),
        ({"width": 1}, ValueError, "a softmax output needs at least 2"),
        ({"width": 1, "output": "tanhh"}, ValueError, "tanh"),
        ({"width": 3, "loss": "squared_eror"}, ValueError, "squared_error"),
        ({"width": 3, "output": "identity", "loss": "gaussian_nll"}, ValueError, "2 outputs for"),
        ({"width": 2, "loss_options": {"delta": 1}}, ValueError, "label_smoothing; got delta"),
        (
            {"width": 2, "weight": -1},
            ValueError,
            "the weight of a head must be a finite number >= 0",
        ),
        ({"width": 2, "weight": np.inf}, ValueError, "the weight of a head"),
        ({"width": 2, "weight": "1"}, TypeError, "the weight of a head must be a number"),
    ],
)
def test_a_head_that_does_not_fit_is_refused(given, error, message):
    with pytest.raises(error, match=re.escape(message)):
        Head(**given)


def test_heads_in_other_forms():
    given = [3, {"width": 1, "output": "linear", "loss": "squared_error", "weight": 0.5}]
    spec = NetworkSpec((2, 16, 4), heads=given)
    assert spec == network().spec
    assert spec.heads[0] == Head(3)
    assert hash(spec) == hash(network().spec)
    assert spec.task == "mixed"
    assert (spec.output, spec.loss, spec.loss_options) == ("heads", "heads", {})


def test_a_description_is_written_down_and_read():
    spec = network(HEADS).spec
    plain = json.loads(json.dumps(spec.to_dict()))
    assert plain["heads"][2] == {
        "width": 4, "output": "identity", "loss": "quantile",
        "loss_options": {"quantiles": [0.1, 0.9]}, "weight": 1.0,
    }  # fmt: skip
    assert NetworkSpec.from_dict(plain) == spec
    with pytest.raises(ValueError, match=r"heads\[0\]"):
        NetworkSpec.from_dict({**plain, "heads": [{"width": 9, "weight": -1}]})


def test_files_pickles_and_copies(learned, tmp_path):
    net, X, _, _ = learned
    net.save(tmp_path / "net.safetensors")
    for again in (
        Network.load(tmp_path / "net.safetensors"), pickle.loads(pickle.dumps(net)), net.copy(),
    ):  # fmt: skip
        assert again.spec == net.spec
        np.testing.assert_array_equal(again.forward(X), net.forward(X))


def test_a_fit_is_resumed(tmp_path):
    X, labels, values = data(60)
    nets, y = [network() for _ in range(2)], (labels, values)
    nets[0].fit(X, y, epochs=4, optimizer="adam")
    nets[1].fit(X, y, epochs=2, optimizer="adam", checkpoint=tmp_path / "fit")
    other = network([Head(3), Head(1, "identity", "huber")])
    with pytest.raises(ValueError, match="network"):
        other.fit(X, y, epochs=4, optimizer="adam", resume=tmp_path / "fit")
    nets[1].fit(X, y, epochs=4, optimizer="adam", resume=tmp_path / "fit")
    np.testing.assert_array_equal(nets[1].params, nets[0].params)


def test_heads_with_functions_of_ones_own():
    cube = Activation("cube", lambda a: a**3, lambda a: 3 * a**2)
    halves = Loss("halves", lambda p, y: 0.5 * ((p - y) ** 2).sum(axis=1), lambda p, y: p - y)
    net = network([Head(3), Head(2, cube, halves, weight=0.3)], dtype="float64")
    assert net.engine == "reference"
    assert net.spec.own_functions == ("cube", "halves")
    X, labels, values = data(20)
    y = labels, np.column_stack([values, X[:, 1]])
    assert net.check_gradients(X, y).passed
    assert "cube, loss halves" in repr(net)
    with pytest.raises(ValueError, match="cannot be saved"):
        net.spec.to_dict()
    with pytest.raises(ValueError, match="loss 'halves' is user-defined"):
        net.hvp(X, y, net.params)
    with pytest.raises(ValueError, match="no second_derivative"):
        net.laplacian(X)


def test_solvers_steps_and_online_learning():
    X, labels, values = data(60)
    net, y = network(dtype="float64"), (labels, values)
    before = net.loss(X, y)
    net.partial_fit(X, y, learning_rate=0.1)
    net.step(X, y, learning_rate=0.1)
    net.stepper(batch_size=60, optimizer="adam").step(X, y)
    middle = net.loss(X, y)
    assert middle < before
    net.minimize(X, y, max_iterations=20)
    assert net.loss(X, y) < middle
    with pytest.raises(ValueError, match="squared"):
        net.levenberg_marquardt(X, y)
    learner = OnlineLearner(net)
    learner.learn_one(X[0], (labels[0], values[0]))
    learner.learn_one(X[0], [*np.eye(3)[labels[0]], values[0]])
    assert len(learner.predict_one(X[0])) == 2


def test_weights_of_a_policy_gradient_are_signed_where_every_loss_is_linear():
    signed = network([Head(3, "identity", "linear"), Head(1, "tanh", "linear")])
    X = data(4)[0]
    Y, weight = np.ones((4, 4)), np.array([1, -1, 2, -2])
    assert np.isfinite(signed.loss(X, Y, weight))
    with pytest.raises(ValueError, match="has no score"):
        signed.score(X, Y)
    actor = network([Head(3, "softmax", "linear"), Head(1, "identity")])
    with pytest.raises(ValueError, match="must be >= 0"):
        actor.loss(X, Y, weight)
    y = Y[:, :3], np.arange(4.0)
    assert actor.score(X, y) == pytest.approx(r2(np.arange(4.0), actor.predict(X)[1]))


def test_a_summary_has_a_line_for_each_head():
    text = repr(network(HEADS))
    for line in (
        "head 0: 3 softmax, loss cross_entropy",
        "head 1: 1 identity, loss squared_error, weight 0.5",
        "head 2: 4 identity, loss quantile, quantiles (0.1, 0.9)",
        "head 3: 1 logistic, loss binary_cross_entropy",
    ):
        assert line in text.splitlines()


def test_pictures(learned):
    pytest.importorskip("matplotlib")
    from ffnn_fast.plotting import decision_surface, network_diagram

    net, X, y, _ = learned
    ax = decision_surface(net, X, y, output=0, resolution=20)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["0", "1", "2"]
    decision_surface(net, X, y, output=1, resolution=20)
    decision_surface(network(HEADS), X, output=3, resolution=20)
    with pytest.raises(ValueError, match="head 2 has 4 outputs"):
        decision_surface(network(HEADS), X, output=2)
    with pytest.raises(ValueError, match=r"2 heads; choose one with output=0\.\.1"):
        decision_surface(net, X)
    texts = [text.get_text() for text in network_diagram(net).texts]
    assert "3 softmax, 1 identity" in texts
