"""ONNX models predict what the network does, in ONNX's own evaluator and in ONNX Runtime."""

import json
import sys

import numpy as np
import pytest
from support.problems import random_params, relative_error

from ffnn_fast import Activation, Network, NetworkSpec
from ffnn_fast._model import model_files
from ffnn_fast.activations import ACTIVATIONS, OUTPUTS
from ffnn_fast.cli import main
from ffnn_fast.onnx import _operators, check_preprocessing, to_onnx
from ffnn_fast.preprocessing import CategoricalColumn, NumericColumn, TableEncoder, TargetEncoder

onnx = pytest.importorskip("onnx")
from onnx.reference import ReferenceEvaluator  # noqa: E402

TOLERANCE = 1e-6  # of the largest output, for float32
RUNTIMES = ["reference", "onnxruntime"]


def runner(model, runtime):
    """A function of the inputs by name that gives the outputs by name."""
    if runtime == "reference":
        session = ReferenceEvaluator(model)
        names = session.output_names
    else:
        onnxruntime = pytest.importorskip("onnxruntime")
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), providers=["CPUExecutionProvider"]
        )
        names = [value.name for value in session.get_outputs()]
    return lambda inputs: dict(zip(names, session.run(None, inputs), strict=True))


def network(
    rng, sizes=(7, 16, 9, 5), activation="tanh", output="softmax", dtype="float32", **options
):
    spec = NetworkSpec(sizes, activation, output, dtype=dtype, **options)
    return Network.from_params(spec, random_params(spec, rng))


def rows(rng, net, n=1000):
    return rng.normal(size=(n, net.spec.n_inputs)).astype(net.spec.dtype)


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation(activation, runtime, rng):
    net = network(rng, activation=[activation, "tanh"])
    X = rows(rng, net)
    run = runner(to_onnx(net), runtime)
    assert relative_error(run({"X": X})["y_hat"], net.forward(X)) < TOLERANCE
    assert run({"X": X[:1]})["y_hat"].shape == (1, 5)


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("output", OUTPUTS)
def test_every_output(output, runtime, rng):
    net = network(rng, output=output)
    X = rows(rng, net)
    assert (
        relative_error(runner(to_onnx(net), runtime)({"X": X})["y_hat"], net.forward(X)) < TOLERANCE
    )


def test_far_from_zero(rng):
    for activation in ACTIVATIONS:
        net = network(rng, (1, 1), output=activation)
        net.params[:] = [1, 0]
        X = np.linspace(-30, 30, 601, dtype="float32")[:, None]
        got = runner(to_onnx(net), "onnxruntime")({"X": X})["y_hat"]
        np.testing.assert_allclose(got, net.forward(X), rtol=2e-6, atol=1e-6, err_msg=activation)


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_in_either_dtype(activation, dtype, runtime):
    """h of single numbers near 0 and far from it, to 4e-15 of max(|h|, 1) in float64."""
    spec = NetworkSpec((1, 1), (), activation, dtype=dtype)
    net = Network.from_params(spec, [1, 0])
    ends = [-1e-9, 1e-9, 0, -3, 3, -80, 80]
    X = np.concatenate([np.linspace(-40, 40, 1001), np.linspace(-2, 2, 501), ends])
    X = (X if activation != "exp" else np.minimum(X, 5)).astype(dtype)[:, None]
    run = runner(to_onnx(net), runtime)
    with np.errstate(over="ignore", invalid="ignore"):  # in ONNX's own evaluator
        got = run({"X": X})["y_hat"]
    expected = net.forward(X)
    assert got.dtype == dtype
    scale = np.maximum(np.abs(expected), 1)
    tolerance = 4e-15 if dtype == "float64" else 2e-6
    assert (np.abs(got - expected) <= tolerance * scale).all()


@pytest.mark.parametrize("activation", ["logistic", "elu", "selu", "softplus", "silu", "mish"])
def test_tails_in_double_precision(activation):
    """Relative accuracy too, where cancellation would leave none."""
    net = Network.from_params(NetworkSpec((1, 1), (), activation, dtype="float64"), [1, 0])
    small = np.geomspace(1e-12, 1, 40)
    X = np.concatenate([-small, small, np.linspace(-20, -1, 40)])[:, None]
    got = runner(to_onnx(net), "onnxruntime")({"X": X})["y_hat"]
    np.testing.assert_allclose(got, net.forward(X), rtol=1e-12, atol=1e-120)


def test_no_attribute_holds_a_number_in_double_precision(rng):
    """An attribute is a float32; constants have the dtype of the graph."""
    for activation in ACTIVATIONS:
        model = to_onnx(network(rng, (2, 3, 1), activation, activation, dtype="float64"))
        kinds = {a.type for node in model.graph.node for a in node.attribute}
        assert onnx.AttributeProto.FLOAT not in kinds


def test_double_precision(rng):
    net = network(rng, activation="tanh", dtype="float64")
    X = rows(rng, net)
    for runtime in RUNTIMES:
        run = runner(to_onnx(net), runtime)
        assert relative_error(run({"X": X})["y_hat"], net.forward(X)) < 1e-14
    single = runner(to_onnx(net, dtype="float32"), "onnxruntime")
    got = single({"X": X.astype("float32")})["y_hat"]
    assert got.dtype == np.float32
    assert relative_error(got, net.forward(X)) < TOLERANCE


def test_values_have_the_names_of_the_lecture(rng):
    model = to_onnx(network(rng, (3, 4, 2)))
    assert [node.output[0] for node in model.graph.node] == ["a_1", "h_1", "a_2", "y_hat"]
    assert [constant.name for constant in model.graph.initializer] == ["W_1", "b_1", "W_2", "b_2"]
    assert model.producer_name == "ffnn_fast"
    assert [(o.domain, o.version) for o in model.opset_import] == [("", 13)]


def test_file(tmp_path, rng):
    net = network(rng)
    path = tmp_path / "net.onnx"
    model = to_onnx(net, path)
    assert path.read_bytes() == model.SerializeToString(deterministic=True)
    assert onnx.load(str(path)) == model
    assert [file.name for file in tmp_path.iterdir()] == ["net.onnx"]


# Numbers and texts in turn, one number that never varies, missing values seen in training or not.
COLUMNS = {
    "town": np.array(["north", "south", None, "north", "west", "south"], dtype=object),
    "size": np.array([1.5, 2.0, np.nan, 8.0, -3.0, 1e6]),
    "level": np.array(["low", "high", "low", "low", "high", "low"], dtype=object),
    "age": np.array([2001.0, 2005.0, 2024.0, 1999.0, 2020.0, 2000.0]),
    "gap": np.array([3.0, np.nan, 3.0, 3.0, np.nan, 3.0]),
}
NEW = {
    "town": np.array(["west", None, "unheard of", "south"], dtype=object),
    "size": np.array([np.nan, 3.0, 2.0, -7.0]),
    "level": np.array(["high", "low", None, "unheard of"], dtype=object),
    "age": np.array([np.nan, 2001.5, 2010.0, 2022.0]),
    "gap": np.array([3.0, np.nan, 1.0, np.nan]),
}


def feed(columns, blank=""):
    """What the graph takes for columns of the encoder: (n, 1) each, text without None."""
    texts = {
        name: np.array([[blank if v is None else v] for v in values], dtype=object)
        for name, values in columns.items()
        if values.dtype == object
    }
    return {name: v[:, None] for name, v in columns.items() if name not in texts} | texts


def encoder():
    made = TableEncoder.fit(COLUMNS)
    kinds = [type(column) for column in made.columns]
    assert kinds.count(NumericColumn) == 3
    assert kinds.count(CategoricalColumn) == 2
    assert {"gap missing", "size missing", "town missing"} <= set(made.feature_names)
    assert "gap" not in made.feature_names
    assert "level missing" not in made.feature_names
    return made


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_preprocessing(runtime, rng):
    inputs = encoder()
    net = network(rng, (len(inputs.feature_names), 6, 4), output="identity")
    run = runner(to_onnx(net, preprocessing=inputs), runtime)
    for columns in (COLUMNS, NEW):
        expected = net.forward(inputs.transform(columns).astype("float32"))
        assert relative_error(run(feed(columns))["y_hat"], expected) < TOLERANCE


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("n_outputs", [1, 2, 3])
def test_classes(n_outputs, runtime, rng):
    inputs = encoder()
    target = TargetEncoder("kind", "classification", ("b", "a", "c")[: max(n_outputs, 2)])
    output = "logistic" if n_outputs == 1 else "softmax"
    net = network(rng, (len(inputs.feature_names), 6, n_outputs), output=output)
    net.weights[-1][:] *= 3
    got = runner(to_onnx(net, preprocessing=(inputs, target)), runtime)(feed(COLUMNS))
    X = inputs.transform(COLUMNS).astype("float32")
    assert got["label"].tolist() == target.decode(net.predict(X)).tolist()
    assert len(set(got["label"].tolist())) > 1
    assert relative_error(got["probabilities"], net.predict_proba(X)) < TOLERANCE


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_values_in_the_units_of_the_target(runtime, rng):
    inputs = encoder()
    target = TargetEncoder("price", "regression", (), 2.5e5, 4e4)
    net = network(rng, (len(inputs.feature_names), 6, 1), output="identity")
    got = runner(to_onnx(net, preprocessing=(inputs, target)), runtime)(feed(NEW))["value"]
    expected = target.decode(net.predict(inputs.transform(NEW).astype("float32")))
    np.testing.assert_allclose(got[:, 0], expected, rtol=1e-6)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_several_targets(runtime, rng):
    inputs = encoder()
    width, X = len(inputs.feature_names), inputs.transform(NEW).astype("float32")
    values = tuple(TargetEncoder(f"y{t}", "regression", (), 10.0**t, 2.0 + t) for t in range(3))
    net = network(rng, (width, 6, 3), output="identity")
    got = runner(to_onnx(net, preprocessing=(inputs, values)), runtime)(feed(NEW))["value"]
    for t, target in enumerate(values):
        np.testing.assert_allclose(got[:, t], target.decode(net.predict(X)[:, t]), rtol=1e-5)
    kinds = (
        TargetEncoder("kind", "classification", ("c", "a", "b")),
        TargetEncoder("state", "classification", ("x", "y")),
    )
    net = Network((width, 6, 5), heads=(3, 2), seed=1)
    net.weights[-1][:] *= 5
    got = runner(to_onnx(net, preprocessing=(inputs, kinds)), runtime)(feed(NEW))
    for t, (target, part) in enumerate(zip(kinds, net.split_heads(net.forward(X)), strict=True)):
        assert got[f"label_{t}"].tolist() == target.decode(part.argmax(axis=1)).tolist()
        assert relative_error(got[f"probabilities_{t}"], part) < TOLERANCE


def test_columns_may_have_any_name(rng):
    names = ["y_hat", "a_1", "W_1", "concat", "constant", "x y"]
    inputs = TableEncoder(tuple(NumericColumn(name, 1.0, 2.0) for name in names))
    net = network(rng, (len(names), 3, 2))
    columns = {name: rng.normal(size=5) for name in names}
    model = to_onnx(net, preprocessing=inputs)
    got = runner(model, "onnxruntime")(feed(columns))
    expected = net.forward(inputs.transform(columns).astype("float32"))
    assert relative_error(next(iter(got.values())), expected) < TOLERANCE
    assert [value.name for value in model.graph.input] == names


@pytest.fixture
def trained(tmp_path, rng):
    """A model file that the command line wrote, and the rows of its table."""
    lines = ["size,town,price"]
    for i in range(60):
        town = ("north", "south", "", "?")[i % 4]
        size = "" if i % 7 == 0 else f"{rng.uniform(40, 200):.1f}"
        lines.append(f"{size},{town},{1000 * i + 30_000 * (town == 'north')}")
    table = tmp_path / "houses.csv"
    table.write_text("\n".join(lines) + "\n")
    model = tmp_path / "houses.safetensors"
    options = ["--model", "plain", "--target", "price", "--epochs", "3", "--seed", "0"]
    assert main(["train", str(table), *options, "-o", str(model)]) == 0
    return model, table, [line.split(",")[:2] for line in lines[1:]]


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_model_of_the_command_line(trained, runtime, capsys):
    path, table, cells = trained
    net = Network.load(path)
    text = model_files.load(path)[2]["preprocessing"]
    run = runner(to_onnx(net, preprocessing=text), runtime)
    size = np.array([[float(cell or "nan")] for cell, _ in cells])
    town = np.array([[cell] for _, cell in cells], dtype=object)
    capsys.readouterr()
    assert main(["predict", str(path), str(table)]) == 0
    expected = [float(line) for line in capsys.readouterr().out.splitlines()[1:]]
    np.testing.assert_allclose(
        run({"size": size, "town": town})["value"][:, 0], expected, rtol=1e-6
    )


def test_every_name_is_an_activation_or_refused(rng, monkeypatch):
    monkeypatch.delitem(_operators.OPERATORS, "tanh")
    with pytest.raises(ValueError, match="ONNX cannot express the activation 'tanh' of layer 2"):
        to_onnx(network(rng, activation=["relu", "tanh"]))


def test_an_activation_of_ones_own_is_refused():
    own = Activation("cube", lambda a: a**3, lambda a: 3 * a**2)
    with pytest.raises(ValueError, match="ONNX cannot express the activation 'cube' of layer 1"):
        to_onnx(Network([2, 3, 2], activation=own))


def test_refusals(rng, tmp_path, monkeypatch):
    net = network(rng, (3, 2), output="identity")
    two = TableEncoder((NumericColumn("a", 0.0, 1.0), NumericColumn("b", 0.0, 1.0)))
    three = TableEncoder((*two.columns, NumericColumn("c", 0.0, 1.0)))
    nameless = TableEncoder((*two.columns, NumericColumn("", 0.0, 1.0)))
    kinds = TargetEncoder("kind", "classification", ("x", "y"))
    for bad, message in [
        (two, "preprocessing gives 2 inputs, the network has 3"),
        (nameless, "needs a name; a column has none"),
        ((three, kinds), r"2 classes \(classification\), the network has 2 outputs \(regr"),
        ((three, TargetEncoder("price", "regression")), "0 classes"),
        ((three, (kinds, kinds)), "the 2 targets have 2 and 2 classes"),
        ((three, (kinds, TargetEncoder("y", "regression"))), "all of classes or all of values"),
        (json.dumps({"inputs": {}}), "the JSON text that ffnn-fast train stores"),
        ("{", "not JSON text: Expecting"),
    ]:
        with pytest.raises(ValueError, match=message):
            to_onnx(net, tmp_path / "never.onnx", preprocessing=bad)
    heads = Network((3, 4), heads=(2, 2))
    four = TargetEncoder("kind", "classification", ("w", "x", "y", "z"))
    with pytest.raises(ValueError, match="one column, the network has 2 heads"):
        to_onnx(heads, preprocessing=(three, four))
    for wrong in (
        *([three, kinds], (kinds, three), (three,), three.to_dict(), 3),
        *((three, [kinds]), (three, (kinds, "y")), (three, kinds, kinds)),
    ):
        for call in (
            lambda given: to_onnx(net, preprocessing=given),
            lambda given: check_preprocessing(given, net.spec),
        ):
            with pytest.raises(TypeError, match="must be a TableEncoder"):
                call(wrong)
    check_preprocessing(three, net.spec)
    with pytest.raises(ValueError, match="preprocessing gives 2 inputs"):
        check_preprocessing(two, net.spec)
    with pytest.raises(ValueError, match="stores, with the keys inputs, target and missing"):
        check_preprocessing("[]", net.spec)
    labels = network(rng, (3, 1), output="logistic")
    check_preprocessing((three, kinds), labels.spec)
    with pytest.raises(
        ValueError, match=r"3 classes \(classification\), the network has 1 outputs"
    ):
        to_onnx(
            labels, preprocessing=(three, TargetEncoder("k", "classification", ("x", "y", "z")))
        )
    with pytest.raises(FileNotFoundError):
        to_onnx(net, tmp_path / "no folder" / "net.onnx")
    with pytest.raises(ValueError, match="dtype must be float32 or float64"):
        to_onnx(net, dtype="float16")
    monkeypatch.setattr("ffnn_fast.onnx._export.MAX_BYTES", 31)
    with pytest.raises(ValueError, match="at most 2 GiB, the parameters take 32 bytes"):
        to_onnx(net)
    assert list(tmp_path.iterdir()) == []


def test_without_onnx(rng, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r'pip install "ffnn_fast\[onnx\]"'):
        to_onnx(network(rng))
