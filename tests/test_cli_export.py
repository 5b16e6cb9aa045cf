"""What ``ffnn-fast export`` writes computes what the model does; a file that does not is seen."""

import sys

import numpy as np
import pytest
from safetensors import safe_open
from support.problems import random_params

import ffnn_fast.onnx
from ffnn_fast import Network, NetworkSpec
from ffnn_fast.cli import main, onnx_comparison
from ffnn_fast.cli.onnx_comparison import UNKNOWN, random_columns
from ffnn_fast.cli.table_preprocessing import KEY, TablePreprocessing
from ffnn_fast.cli.target_encoders import TargetEncoders
from ffnn_fast.onnx import _operators
from ffnn_fast.preprocessing import CategoricalColumn, NumericColumn, TableEncoder, TargetEncoder

pytest.importorskip("onnx")
INPUTS = TableEncoder(
    (
        NumericColumn("size", 100.0, 30.0, marks_missing=True),
        CategoricalColumn("town", ("north", "south", None)),
        NumericColumn("gap", 3.0, 0.0, marks_missing=True),
        NumericColumn("age", -2.0, 0.5),
    )
)
TARGETS = {
    "value": TargetEncoder("price", "regression", (), 2e5, 4e4),
    "two": TargetEncoder("kind", "classification", ("b", "a")),
    "three": TargetEncoder("kind", "classification", ("c", "b", "a")),
}
OUTPUTS = {"value": ("identity", 1), "two": ("logistic", 1), "three": ("softmax", 3)}
ROWS = "age,town,size,gap\n-2,north,90.5,3\n,south,NA,3\n-1.5,,140,\n-2.5,nowhere,60,1\n"


def write_model(path, target="three", inputs=INPUTS, activation="tanh", dtype="float32", **more):
    """A model file with random parameters; returns the network."""
    output, width = OUTPUTS[target]
    sizes = (len(INPUTS.feature_names), 8, width)
    spec = NetworkSpec(sizes, activation, output, dtype=dtype)
    net = Network.from_params(spec, random_params(spec, np.random.default_rng(1)))
    names = tuple(column.name for column in inputs.columns)
    answer = TARGETS[target]
    preprocessing = TablePreprocessing(
        True, (*names, answer.name), ("NA",), inputs, TargetEncoders.of(answer)
    )
    net.save(path, extra=more.get("extra", {KEY: preprocessing.to_json()}))
    return net


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder, where the commands run."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("runtime", ["ONNX Runtime", "onnx"])
@pytest.mark.parametrize("target", TARGETS)
def test_onnx_with_preprocessing(here, target, runtime, capsys, monkeypatch):
    if runtime == "onnx":
        monkeypatch.setitem(sys.modules, "onnxruntime", None)
    else:
        pytest.importorskip("onnxruntime")
    write_model("m.safetensors", target)
    assert main(["export", "m.safetensors", "--to", "onnx"]) == 0
    shown = capsys.readouterr().out
    size = (here / "m.onnx").stat().st_size
    assert f"m.onnx: {size:,} bytes\n" in shown
    assert "size (n, 1) float64, town (n, 1) text, gap (n, 1) float64, age (n, 1) float64" in shown
    assert {"value": "value (n, 1) float64"}.get(target, "label (n) text, probabilities (") in shown
    assert f"300 random rows, by {runtime} " in shown
    assert shown.endswith(" of the largest output  ok\n")


def test_the_file_says_what_predict_says(here, capsys):
    onnxruntime = pytest.importorskip("onnxruntime")
    write_model("m.safetensors")
    (here / "new.csv").write_text(ROWS)
    assert main(["export", "m.safetensors", "-o", "deep.onnx"]) == 0
    capsys.readouterr()
    assert main(["predict", "m.safetensors", "new.csv", "--proba"]) == 0
    expected = np.loadtxt(capsys.readouterr().out.splitlines()[1:], delimiter=",")
    session = onnxruntime.InferenceSession("deep.onnx", providers=["CPUExecutionProvider"])
    feed = {
        "size": np.array([[90.5], [np.nan], [140], [60]]),
        "town": np.array([["north"], ["south"], [""], ["nowhere"]], dtype=object),
        "gap": np.array([[3.0], [3], [np.nan], [1]]),
        "age": np.array([[-2.0], [np.nan], [-1.5], [-2.5]]),
    }
    np.testing.assert_allclose(session.run(["probabilities"], feed)[0], expected, atol=1e-6)


def test_the_random_rows_reach_every_input():
    columns = random_columns(INPUTS, 300, np.random.default_rng(0))
    assert set(columns["town"]) == {"north", "south", None, UNKNOWN}
    assert np.isnan(columns["size"]).any()
    assert not np.isnan(columns["age"]).any()
    X = INPUTS.transform(columns)
    assert (X.std(axis=0) > 0.1).all()
    assert abs(X[:, 0].std() - 1) < 0.2


def wrong_weight(net, preprocessing):
    other = Network.from_params(net.spec, net.params.copy())
    other.params[0] += 1e-3
    return other, preprocessing


def wrong_mean(net, preprocessing):
    return net, preprocessing.replace("100.0", "100.01")


def wrong_level(net, preprocessing):
    return net, preprocessing.replace('"south"', '"sauth"')


def wrong_order(net, preprocessing):
    return net, preprocessing.replace('"c", "b"', '"b", "c"')


@pytest.mark.parametrize("fault", [wrong_weight, wrong_mean, wrong_level, wrong_order])
def test_a_wrong_file_is_seen(here, fault, capsys, monkeypatch):
    write_model("m.safetensors")
    right = ffnn_fast.onnx.to_onnx

    def wrong(net, path, *, preprocessing, dtype):
        net, changed = fault(net, preprocessing)
        assert net is not None
        assert changed != preprocessing or fault is wrong_weight
        return right(net, path, preprocessing=changed, dtype=dtype)

    monkeypatch.setattr(ffnn_fast.onnx, "to_onnx", wrong)
    assert main(["export", "m.safetensors", "--to", "onnx"]) == 1
    assert capsys.readouterr().out.endswith(" of the largest output  FAILED\n")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_network_alone(here, dtype, capsys):
    write_model("m.safetensors")
    options = ["--bare", "--dtype", dtype]
    assert main(["export", "m.safetensors", "-o", "bare.onnx", *options]) == 0
    shown = capsys.readouterr().out
    assert f"X (n, 7) {dtype}" in shown
    assert f"y_hat (n, 3) {dtype}" in shown
    assert "note" not in shown
    write_model("m.safetensors", extra={})
    assert main(["export", "m.safetensors", "-o", "bare.ONNX"]) == 0
    shown = capsys.readouterr().out
    assert "note: m.safetensors has no preprocessing: exporting the network alone\n" in shown
    assert "X (n, 7) float32" in shown


def test_where_onnx_runtime_lacks_an_operator(here, capsys, monkeypatch):
    pytest.importorskip("onnxruntime")
    monkeypatch.setattr(_operators, "DOUBLE", {})  # gelu by Erf, which it has in float32 only
    write_model("m.safetensors", activation="gelu", dtype="float64")
    assert main(["export", "m.safetensors", "--to", "onnx"]) == 0
    shown = capsys.readouterr().out
    assert "cannot run it: " in shown
    assert shown.endswith(" ok\n")
    assert main(["export", "m.safetensors", "--to", "onnx", "--dtype", "float32"]) == 0
    assert "cannot run it" not in capsys.readouterr().out


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_safetensors(here, dtype, capsys):
    net = write_model("m.model", activation="relu")
    assert main(["export", "m.model", "--to", "safetensors", "--dtype", dtype]) == 0
    shown = capsys.readouterr().out
    assert f"0.weight (8, 7) {dtype}, 0.bias (8,) {dtype}, 2.weight (3, 8) {dtype}" in shown
    assert f"{(here / 'm.safetensors').stat().st_size:,} bytes" in shown
    with safe_open("m.safetensors", framework="numpy") as file:
        assert file.metadata() == {"format": "pt", "activations": "relu, softmax"}
        found = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    assert list(found) == ["0.bias", "0.weight", "2.bias", "2.weight"]
    for k in (0, 1):
        for name, value in (("weight", net.weights[k]), ("bias", net.biases[k])):
            tensor = found[f"{2 * k}.{name}"]
            assert tensor.dtype == dtype
            np.testing.assert_array_equal(tensor, value)


def test_torch_opens_the_tensors(here):
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_model

    net = write_model("m.model")
    assert main(["export", "m.model", "-o", "t.safetensors"]) == 0
    layers = [torch.nn.Linear(7, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3), torch.nn.Softmax(1)]
    load_model(model := torch.nn.Sequential(*layers), "t.safetensors")
    X = np.random.default_rng(0).normal(size=(5, 7)).astype("float32")
    with torch.no_grad():
        np.testing.assert_allclose(model(torch.tensor(X)).numpy(), net.forward(X), atol=1e-6)


def nameless():
    first = NumericColumn("", 100.0, 30.0, marks_missing=True)
    return TableEncoder((first, *INPUTS.columns[1:]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "give --to onnx, --to safetensors or --to c"),
        (["-o", "m.bin"], "give --to onnx, --to safetensors or --to c"),
        (["--to", "onnx", "-o", "a.safetensors"], "--to onnx contradicts -o a.safetensors"),
        (["--to", "safetensors"], "cannot write m.safetensors: the command needs that file"),
        (["--to", "keras"], "--to must be one of onnx, safetensors, c; got 'keras'"),
        (["--to", "onnx", "--jacobian"], "--jacobian and --fortran go with --to c"),
        (["-o", "no/m.onnx"], "there is no folder no"),
        (["--to", "onnx"], "cannot be expressed in ONNX: an input of an ONNX model needs"),
        (["--to", "onnx"], "use --bare to export the network alone"),
    ],
)
def test_refusals(here, options, message, capsys):
    write_model("m.safetensors", inputs=nameless())
    assert main(["export", "m.safetensors", *options]) == 2
    assert message in capsys.readouterr().err
    assert [path.name for path in here.iterdir()] == ["m.safetensors"]


@pytest.mark.parametrize(
    ("found", "expected", "difference"),
    [
        ([[1.0, 2.5]], [[1.0, 2.0]], 0.25),
        ([[1e-3]], [[0.0]], 1e-3),
        ([1.0], [[1.0]], np.inf),
        ([[np.nan]], [[1.0]], np.inf),
    ],
)
def test_the_difference_is_relative_to_the_largest_value(found, expected, difference):
    assert onnx_comparison._difference(np.array(found), np.array(expected)) == difference


def test_what_onnx_lacks(here, capsys, monkeypatch):
    write_model("m.safetensors", dtype="float64")
    monkeypatch.delitem(_operators.OPERATORS, "tanh")
    assert main(["export", "m.safetensors", "--to", "onnx"]) == 2
    assert "ONNX cannot express the activation 'tanh' of layer 1" in capsys.readouterr().err
    monkeypatch.setitem(_operators.OPERATORS, "tanh", ("Tanh", {}))
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert main(["export", "m.safetensors", "--to", "onnx"]) == 2
    assert 'need onnx: pip install "ffnn_fast[onnx]"' in capsys.readouterr().err


def test_numbers_that_are_too_large(here, capsys):
    net = write_model("m.model", dtype="float64")
    net.params[3] = 1e300
    net.save("m.model")
    assert main(["export", "m.model", "-o", "t.safetensors", "--dtype", "float32"]) == 2
    assert "float32 cannot hold parameters as large as 1e+300" in capsys.readouterr().err
    assert not (here / "t.safetensors").exists()
