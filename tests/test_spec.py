"""NetworkSpec: layout of θ, names, defaults, and what it refuses."""

import json

import numpy as np
import pytest

from ffnn_fast import NetworkSpec
from ffnn_fast._model.spec import REQUIRED


def test_layout_is_layer_by_layer():
    spec = NetworkSpec((2, 3, 1), output="identity")
    theta = np.arange(spec.n_params, dtype=np.float32)
    assert spec.n_params == 3 * 2 + 3 + 1 * 3 + 1
    np.testing.assert_array_equal(spec.weights(theta)[0], [[0, 1], [2, 3], [4, 5]])
    np.testing.assert_array_equal(spec.biases(theta)[0], [6, 7, 8])
    np.testing.assert_array_equal(spec.weights(theta)[1], [[9, 10, 11]])
    np.testing.assert_array_equal(spec.biases(theta)[1], [12])
    assert list(spec.named(theta)) == ["W_1", "b_1", "W_2", "b_2"]
    assert all(np.shares_memory(view, theta) for view in spec.named(theta).values())


def test_defaults_and_aliases():
    assert NetworkSpec((2, 2)).loss == "cross_entropy"
    assert NetworkSpec((2, 1), output="sigmoid").loss == "binary_cross_entropy"
    assert NetworkSpec((2, 1), output="linear") == NetworkSpec((2, 1), (), "identity")
    assert NetworkSpec((2, 1), output="identity").loss == "squared_error"
    assert NetworkSpec((2, 3, 4, 2), "sigmoid").activations == ("logistic", "logistic")
    assert NetworkSpec(np.array([2, 2])).layer_sizes == (2, 2)


@pytest.mark.parametrize(
    ("output", "loss", "k", "task", "labels"),
    [
        ("softmax", "auto", 3, "classification", True),
        ("softmax", "squared_error", 3, "classification", True),
        ("logistic", "auto", 1, "classification", False),
        ("logistic", "auto", 3, "classification", False),
        ("identity", "auto", 3, "regression", False),
        ("logistic", "squared_error", 2, "regression", False),
    ],
)
def test_task(output, loss, k, task, labels):
    spec = NetworkSpec((2, k), (), output, loss)
    assert (spec.task, spec.takes_labels) == (task, labels)


def test_round_trip_through_json():
    spec = NetworkSpec((4, 5, 6, 3), ("tanh", "relu"), "softmax", "squared_error", "float64", 0.5)
    assert NetworkSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


def test_round_trip_of_options_through_json():
    spec = NetworkSpec(
        (4, 5, 6), "mish", "identity", "quantile", loss_options={"quantiles": (0.1, 0.5, 0.9)},
        dropout=(0.1, 0.2), missing_targets="ignore",
    )  # fmt: skip
    assert spec.n_targets == 2
    assert NetworkSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


def test_penalties_for_all_layers_or_for_each():
    spec = NetworkSpec((4, 5, 3), l1=0.5, l2=[0.0, 1])
    assert (spec.layer_l1, spec.layer_l2) == ((0.5, 0.5), (0.0, 1.0))
    plain = json.loads(json.dumps(spec.to_dict()))
    assert (plain["l1"], plain["l2"]) == (0.5, [0.0, 1.0])
    assert NetworkSpec.from_dict(plain) == spec


def test_descriptions_of_the_first_format_are_read():
    spec = NetworkSpec((4, 3), (), l2=0.25)
    old = {name: spec.to_dict()[name] for name in REQUIRED}
    assert NetworkSpec.from_dict(old) == spec
    for change in ({name: old[name] for name in REQUIRED - {"l2"}}, old | {"colour": "red"}):
        with pytest.raises(ValueError, match="has the keys"):
            NetworkSpec.from_dict(change)


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"layer_sizes": (3,)}, ValueError, "inputs and outputs"),
        ({"layer_sizes": (3, 0)}, ValueError, "layer size"),
        ({"layer_sizes": (3, 2.0)}, TypeError, "layer size must be an integer"),
        ({"layer_sizes": (3, True)}, TypeError, "layer size must be an integer"),
        ({"layer_sizes": (3, 2**31)}, ValueError, r"\[1, 2\*\*31\)"),
        ({"layer_sizes": "32"}, TypeError, "sequence"),
        ({"layer_sizes": 32}, TypeError, "sequence"),
        ({"activations": "swosh"}, ValueError, "activation must be one of"),
        ({"activations": ("tanh", "tanh")}, ValueError, "one activation per hidden layer"),
        ({"activations": (3,)}, TypeError, "name"),
        ({"activations": 3}, TypeError, "name"),
        ({"activations": "softmax"}, ValueError, "activation"),
        ({"layer_sizes": (3, 2), "activations": "swosh"}, ValueError, "activation must be one of"),
        ({"dtype": None}, ValueError, "None"),
        ({"l2": 10**400}, ValueError, "l2"),
        ({"output": "argmax"}, ValueError, "output must be one of"),
        ({"loss": "hinged"}, ValueError, "loss must be one of"),
        ({"dtype": "float16"}, ValueError, "float16"),
        ({"dtype": "decimal"}, ValueError, "decimal"),
        ({"l2": -1}, ValueError, "l2"),
        ({"l2": float("nan")}, ValueError, "l2"),
        ({"l2": "much"}, TypeError, "l2"),
        ({"l2": (0.1, 0.1, 0.1)}, ValueError, "l2 must be one number or one per layer"),
        ({"l1": (0.1, -0.1)}, ValueError, "l1"),
        ({"l1": None}, TypeError, "l1"),
        ({"layer_sizes": (3, 4, 1)}, ValueError, "at least 2 units"),
        (
            {"layer_sizes": (3, 4, 1), "output": "logistic", "loss": "cross_entropy"},
            ValueError,
            "at least 2 outputs",
        ),
    ],
)
def test_refusals(change, error, match):
    with pytest.raises(error, match=match):
        NetworkSpec(**{"layer_sizes": (3, 4, 2), **change})


def test_from_dict_refuses_what_is_not_a_description():
    good = NetworkSpec((3, 2)).to_dict()
    for bad in ({}, {**good, "extra": 1}, {**good, "layer_sizes": 3}, [good]):
        with pytest.raises(ValueError, match=r"description|layer_sizes"):
            NetworkSpec.from_dict(bad)


def test_a_vector_of_another_length_is_refused():
    with pytest.raises(ValueError, match="8 parameters"):
        NetworkSpec((3, 2)).weights(np.zeros(7))
