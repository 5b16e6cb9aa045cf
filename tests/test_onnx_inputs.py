"""ONNX models of networks with input blocks and parametric activations."""

import numpy as np
import pytest
from support.input_blocks import NETWORKS, params_of, rows, spec_of
from support.problems import relative_error

from ffnn_fast import Network
from ffnn_fast.activations import ACTIVATIONS
from ffnn_fast.inputs import InputBlock
from ffnn_fast.onnx import to_onnx

onnx = pytest.importorskip("onnx")
from onnx.reference import ReferenceEvaluator  # noqa: E402

TOLERANCE = {"float32": 2e-6, "float64": 1e-13}


def outputs(model, X, runtime):
    if runtime == "reference":
        return ReferenceEvaluator(model).run(None, {"X": X})[0]
    session = pytest.importorskip("onnxruntime").InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"X": X})[0]


@pytest.mark.parametrize("runtime", ["reference", "onnxruntime"])
@pytest.mark.parametrize("name", NETWORKS)
def test_outputs(name, dtype, runtime, rng):
    spec = spec_of(NETWORKS[name], dtype)
    net = Network.from_params(spec, params_of(spec, rng))
    X = rows(300, rng, dtype)
    X[0, [1, 3, 4]], X[1, [1, 3, 4]] = 1.5, -1  # no known codes
    for some in (X, X[:1]):
        found = outputs(to_onnx(net), some, runtime)
        assert found.dtype == dtype
        assert relative_error(found, net.forward(some)) < TOLERANCE[dtype]


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_parametric_activations(activation, dtype, rng):
    spec = spec_of(NETWORKS["all parametric"], dtype, activation)
    net = Network.from_params(spec, 0.3 * params_of(spec, rng))
    X = rows(300, rng, dtype)
    found = outputs(to_onnx(net), X, "onnxruntime")
    assert relative_error(found, net.forward(X)) < TOLERANCE[dtype]


def test_codes_alone(rng):
    """A block without numbers, and one whose columns are a single table."""
    for categories in ({0: 3, 1: 2}, {0: 40, 1: 1}):
        net = Network([2, 4, 1], output="identity", inputs=InputBlock(categories=categories))
        X = rng.integers(0, 42, (100, 2)).astype(np.float32)
        assert relative_error(outputs(to_onnx(net), X, "onnxruntime"), net.forward(X)) < 2e-6
