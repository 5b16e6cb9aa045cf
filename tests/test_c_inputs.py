"""C code of networks with input blocks and parametric activations."""

import numpy as np
import pytest
from support.c_programs import SANITIZERS, Library, run_main
from support.input_blocks import NETWORKS, params_of, rows, spec_of
from support.problems import relative_error

from ffnn_fast import Network
from ffnn_fast.activations import ACTIVATIONS
from ffnn_fast.c import to_c
from ffnn_fast.inputs import InputBlock
from ffnn_fast.preprocessing import CategoricalColumn, NumericColumn, TableEncoder

TOLERANCE = {"float32": 1e-5, "float64": 1e-12}


def jacobian_of(net, X):
    """∂ŷ/∂x by one vector-Jacobian product for each output."""
    outputs = np.eye(net.spec.n_outputs, dtype=X.dtype)
    parts = [net.vjp(X, np.tile(one, (len(X), 1)))[2] for one in outputs]
    return np.stack(parts, axis=1)


@pytest.mark.slow  # compiles C many times
@pytest.mark.parametrize("name", NETWORKS)
def test_outputs_and_jacobian(name, dtype, tmp_path, rng):
    spec = spec_of(NETWORKS[name], dtype)
    net = Network.from_params(spec, 0.5 * params_of(spec, rng))
    X = rows(40, rng, dtype)
    X[0, [1, 3, 4]], X[1, [1, 3, 4]], X[2, [1, 3, 4]] = 1.5, -1, 13  # no known codes
    net.export_c(tmp_path / "net.c", jacobian=True)
    found = Library(tmp_path / "net.c", "net", dtype, (5, 2))
    expected, most = net.forward(X), TOLERANCE[dtype]
    assert relative_error(found.forward(X), expected) < most
    np.testing.assert_array_equal(found.batch(X), found.forward(X))
    y, J = found.jacobian(X)
    assert relative_error(y, expected) < most
    assert relative_error(J, jacobian_of(net, X)) < 10 * most
    sanitized = name in ("all parametric", "most bins")
    flags = SANITIZERS if sanitized else ["-O1"]
    assert "FAILED" not in run_main(tmp_path / "net.c", "net", flags=flags)


def test_without_a_jacobian(tmp_path, rng):
    """Nothing that is not used is left in the file, which is compiled with warnings as errors."""
    for name in ("piecewise parametric", "all parametric"):
        spec = spec_of(NETWORKS[name], "float32")
        net = Network.from_params(spec, params_of(spec, rng))
        to_c(net, tmp_path / "net.c")
        assert "ok" in run_main(tmp_path / "net.c", "net")
        assert "x[3]: a code from 1 to 12" in (tmp_path / "net.h").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_parametric_activations(activation, tmp_path, rng):
    spec = spec_of(NETWORKS["parametric"], "float64", activation, width=5)
    net = Network.from_params(spec, 0.3 * params_of(spec, rng))
    net.export_c(tmp_path / "net.c", jacobian=True)
    assert "FAILED" not in run_main(tmp_path / "net.c", "net")


def test_raw_columns(tmp_path, rng):
    """The block takes the columns that an encoder makes of raw ones."""
    encoder = TableEncoder(
        (NumericColumn("size", 100.0, 30.0), CategoricalColumn("town", ("north", "south")))
    )
    net = Network(
        [3, 6, 2], output="identity", dtype="float64", seed=0,
        inputs=InputBlock(categories={1: 2, 2: 20}), parametric=True,
    )  # fmt: skip
    net.export_c(tmp_path / "net.c", jacobian=True, preprocessing=encoder)
    assert "FAILED" not in run_main(tmp_path / "net.c", "net")
    found = Library(tmp_path / "net.c", "net", "float64", (2, 2))
    raw = np.array([[80.0, 1.0], [120.0, 0.0]])
    X = np.array([[-2 / 3, 0, 1], [2 / 3, 1, 0]])
    np.testing.assert_allclose(found.forward(raw), net.forward(X), rtol=1e-12)
    J = found.jacobian(raw)[1]
    np.testing.assert_allclose(J[:, :, 0], jacobian_of(net, X)[:, :, 0] / 30, rtol=1e-11)
