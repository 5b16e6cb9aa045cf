"""OnlineLearner: one sample at a time, with running statistics of the inputs."""

import json
import pickle
from copy import copy, deepcopy

import numpy as np
import pytest

from ffnn_fast import ModelFileError, Network
from ffnn_fast.online import OnlineLearner
from ffnn_fast.optimizers import Adam


def stream(n=60, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal([20, 1e5, -3], [5, 1e3, 0.1], (n, 3))
    return X, (X[:, 0] > 20).astype(int)


def learner(n_outputs=2, dtype="float64", **given):
    return OnlineLearner(Network([3, 6, n_outputs], seed=0, dtype=dtype), **given)


def test_the_statistics_are_those_of_the_rows(rng):
    X, y = stream()
    online = learner()
    for row, label in zip(X, y, strict=True):
        online.learn_one(row, label)
    assert online.count == 60
    np.testing.assert_allclose(online.mean, X.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(online.variance, X.var(axis=0), rtol=1e-9)


def test_the_steps_are_those_of_a_stepper_on_standardised_rows():
    X, y = stream()
    online = learner(optimizer="adam", clip_norm=0.5, frozen=[1])
    net = Network([3, 6, 2], seed=0, dtype="float64")
    stepper = net.stepper(optimizer="adam", clip_norm=0.5, frozen=[1])
    for n, (row, label) in enumerate(zip(X, y, strict=True), start=1):
        loss = online.learn_one(row, label)
        scale = X[:n].std(axis=0)
        z = (row - X[:n].mean(axis=0)) / (scale if n > 1 else 1)
        assert loss == pytest.approx(stepper.step(z[None], [label]), rel=1e-6)
    np.testing.assert_allclose(online.net.params, net.params, rtol=1e-5, atol=1e-9)


def test_it_learns_while_it_predicts():
    X, y = stream(1500)
    online = learner(optimizer=Adam(learning_rate=0.01), dtype="float32")
    correct = []
    for row, label in zip(X, y, strict=True):
        predicted = online.predict_one(row)
        assert isinstance(predicted, int)
        correct.append(predicted == label)
        online.learn_one(row, label)
    assert np.mean(correct[-500:]) > 0.95
    probabilities = online.predict_proba_one(X[0])
    assert probabilities.shape == (2,)
    assert probabilities.sum() == pytest.approx(1)


def test_targets_of_every_kind():
    X, _ = stream(2)
    value = OnlineLearner(Network([3, 4, 1], output="identity", seed=0))
    value.learn_one(X[0], 1.5)
    assert isinstance(value.predict_one(X[1]), float)
    several = OnlineLearner(Network([3, 4, 2], output="identity", seed=0))
    several.learn_one(X[0], [1.5, 2])
    assert several.predict_one(X[1]).shape == (2,)
    heads = OnlineLearner(Network([3, 4, 5], heads=[2, 3], seed=0))
    heads.learn_one(X[0], [1, 2])
    soft = learner()
    soft.learn_one(X[0], [0.25, 0.75])
    binary = OnlineLearner(Network([3, 4, 1], output="logistic", seed=0))
    binary.learn_one(X[0], 1)
    assert binary.predict_one(X[1]) in (0, 1)


def test_without_standardisation():
    X, y = stream(5)
    online, net = learner(standardize=False), Network([3, 6, 2], seed=0, dtype="float64")
    stepper = net.stepper()
    for row, label in zip(X * 1e-3, y, strict=True):
        online.learn_one(row, label)
        stepper.step(row[None], [label])
    np.testing.assert_array_equal(online.net.params, net.params)


def test_names():
    X, y = stream(10)
    names = ("temperature", "pressure", "height")
    by_name, by_place = learner(), learner()
    for row, label in zip(X, y, strict=True):
        named = dict(zip(names, row.tolist(), strict=True))
        by_name.learn_one(dict(reversed(named.items())) if by_name.count else named, label)
        by_place.learn_one(row, label)
    assert by_name.features == names
    assert by_place.features is None
    np.testing.assert_array_equal(by_name.net.params, by_place.net.params)
    with pytest.raises(ValueError, match="temperature, pressure, height; got"):
        by_name.predict_one({"temperature": 1.0, "pressure": 2.0})


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        ([1, 2], 0, r"x must have shape \(3,\), got \(2,\)"),
        ([1, np.nan, 2], 0, "x must be finite"),
        ([1, 2, 3], 2, "y must be class labels 0..1"),
        ([1, 2, 3], "a", "y"),
        ([[1, 2, 3]], 0, "x must have shape"),
        ({"a": 1, "b": 2}, 0, "x must have shape"),
    ],
)
def test_refusals_change_nothing(x, y, message):
    online = learner()
    before = online.net.params.copy()
    with pytest.raises((TypeError, ValueError), match=message):
        online.learn_one(x, y)
    np.testing.assert_array_equal(online.net.params, before)
    assert (online.count, online.features) == (0, None)
    with pytest.raises(TypeError, match="net must be a Network"):
        OnlineLearner([3, 2])


def test_saved_and_resumed_to_the_same_bits(tmp_path):
    X, y = stream(40)
    online = learner(optimizer="adam", dtype="float32")
    names = ("a", "b", "c")
    for row, label in zip(X[:20], y, strict=False):
        online.learn_one(dict(zip(names, row, strict=True)), label)
    online.save(tmp_path / "net")
    again = OnlineLearner.load(tmp_path / "net")
    assert again.features == names
    for row, label in zip(X[20:], y[20:], strict=True):
        for each in (online, again):
            each.learn_one(dict(zip(names, row, strict=True)), label)
    np.testing.assert_array_equal(again.net.params, online.net.params)
    np.testing.assert_array_equal(again.mean, online.mean)
    np.testing.assert_array_equal(again.variance, online.variance)


@pytest.mark.parametrize("copied", [copy, deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_a_copy_goes_on_to_the_same_bits(copied):
    X, y = stream(40)
    online = learner(optimizer="adam", clip_norm=0.5, frozen=[1])
    names = ("a", "b", "c")
    for row, label in zip(X[:20], y, strict=False):
        online.learn_one(dict(zip(names, row, strict=True)), label)
    again = copied(online)
    shared = again.net is online.net
    assert shared == (copied is copy)
    before = online.net.params.copy()
    for row, label in zip(X[20:], y[20:], strict=True):
        again.learn_one(dict(zip(names, row, strict=True)), label)
    assert (online.count, again.count, again.features) == (20, 40, names)
    after = again.net.params.copy()
    assert (after != before).any()
    if shared:
        return
    np.testing.assert_array_equal(online.net.params, before)
    for row, label in zip(X[20:], y[20:], strict=True):
        online.learn_one(dict(zip(names, row, strict=True)), label)
    np.testing.assert_array_equal(online.net.params, after)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("x", [[1e300, 0, 0], [-1e308, 0, 0]])
def test_an_input_whose_square_overflows_changes_nothing(x):
    online = learner()
    online.learn_one([1.0, 2.0, 3.0], 1)
    online.learn_one([2.0, 3.0, 1.0], 0)
    before, mean = online.net.params.copy(), online.mean
    with pytest.raises(ValueError, match=r"x\[0\] is .*, too far from the mean"):
        online.learn_one(x, 1)
    assert online.count == 2
    np.testing.assert_array_equal(online.net.params, before)
    np.testing.assert_array_equal(online.mean, mean)


def test_names_that_a_file_cannot_hold_are_refused():
    online = learner()
    with pytest.raises(TypeError, match="names of the features must be strings"):
        online.learn_one({1: 1.0, 2: 2.0, 3: 3.0}, 1)
    assert online.features is None


def test_missing_targets():
    net = Network([3, 4, 2], output="identity", missing_targets="ignore", seed=0)
    online, before = OnlineLearner(net), net.params.copy()
    for none in ([None, None], [np.nan, np.nan], np.ma.array([5.0, 5.0], mask=True)):
        assert online.learn_one([1, 2, 3], none) == 0
    np.testing.assert_array_equal(net.params, before)
    online.learn_one([1, 2, 4], [None, 1])
    assert (net.biases[1] != 0).tolist() == [False, True]
    labels = OnlineLearner(Network([3, 4, 2], missing_targets="ignore", seed=0))
    for none in (np.nan, [None], np.ma.masked):
        assert labels.learn_one([1, 2, 3], none) == 0


@pytest.mark.parametrize(
    "changed",
    [
        None, {}, {"count": -1}, {"mean": [0, 0]},
        {"squares": [-1, 0, 0]}, {"squares": [1e999, 0, 0]},
        {"features": ["a", "a", "b"]}, {"features": [1, 2, 3]}, {"standardize": 3},
    ],
)  # fmt: skip
def test_other_files_are_refused(tmp_path, changed):
    online = learner()
    online.save(tmp_path / "net")
    assert OnlineLearner.load(tmp_path / "net").count == 0
    state = {"count": 1, "mean": [0] * 3, "squares": [1] * 3, "features": None, "standardize": True}
    state = {} if changed == {} else state | (changed or {})
    extra = None if changed is None else {"online": json.dumps(state)}
    online.net.save(tmp_path / "net", extra)
    with pytest.raises(ModelFileError, match="is no file of an OnlineLearner"):
        OnlineLearner.load(tmp_path / "net")


def test_bounds_are_those_of_the_stepper():
    bounds = {"clip_value": 0.5, "clip_norm": 1.0, "max_norm": 2.0, "frozen": [1]}
    online = learner(**bounds)
    rule = online.net.stream.rule
    assert (rule.clip_value, rule.clip_norm, rule.max_norm, rule.frozen) == (0.5, 1.0, 2.0, (1,))


def test_settings_may_change_while_it_learns(tmp_path):
    """A rate, and layers that are frozen from then on; the statistics and the state stay."""
    online = learner(optimizer="adam", learning_rate=0.01)
    for x in np.eye(3):
        online.learn_one(x, 0)
    online.stepper.learning_rate = 0.001
    before = online.net.weights[0].copy()
    online.stepper = online.net.stepper(frozen=[1])
    assert (online.stepper.t, online.stepper.learning_rate) == (3, 0.001)
    online.learn_one([1.0, 2.0, 3.0], 1)
    assert (online.count, online.stepper.t) == (4, 4)
    np.testing.assert_array_equal(online.net.weights[0], before)
    online.save(tmp_path / "net")
    again = OnlineLearner.load(tmp_path / "net")
    for each in (online, again):
        each.learn_one([0.0, 1.0, 0.0], 0)
    np.testing.assert_array_equal(again.net.params, online.net.params)
    np.testing.assert_array_equal(again.net.weights[0], before)


def test_messages_name_the_entry_that_is_not_finite():
    online = learner()
    with pytest.raises(ValueError, match="got nan in entry 2"):
        online.learn_one([0.0, 1.0, np.nan], 0)
    with pytest.raises(ValueError, match="got inf in feature 'b'"):
        online.learn_one({"a": 1.0, "b": np.inf, "c": 0.0}, 0)


def test_a_model_file_without_statistics_is_named_as_one(tmp_path):
    learner().net.save(tmp_path / "net")
    with pytest.raises(
        ModelFileError, match=r"no file of an OnlineLearner but .* Network.load reads"
    ):
        OnlineLearner.load(tmp_path / "net")
