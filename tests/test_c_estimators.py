"""Estimators and pipelines as C code give what they predict."""

import ctypes
import shutil

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier as TheirClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    RobustScaler,
    StandardScaler,
)
from support.c_programs import (
    COMPILERS,
    STRICT,
    Library,
    central_differences,
    need_compiler,
    run,
    run_main,
)

from ffnn_fast import Network, to_c
from ffnn_fast.preprocessing import NumericColumn, TableEncoder
from ffnn_fast.sklearn import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings(
    f"ignore::{ConvergenceWarning.__module__}.ConvergenceWarning"
)
compiles = pytest.mark.slow  # C for every case; the default run has one pipeline of each dtype
SMALL = {"hidden_layer_sizes": (6, 4), "max_iter": 20, "random_state": 0}
RNG = np.random.default_rng(0)
X = RNG.normal(3, 2, size=(90, 4)).astype(np.float32).astype(np.float64)  # exact in both types
TIMES = X[:, 0] * X[:, 1]
COLOURS = np.array(["red", 'g"\\?een', "Köln"])[RNG.integers(0, 3, 90)]
TOWNS = np.array(["x", "y"])[RNG.integers(0, 2, 90)]
FRAME = pd.DataFrame(X, columns=list("abcd")).assign(
    colour=COLOURS, town=TOWNS, floor=RNG.integers(0, 4, 90).astype(float)
)
ARRAYS = {str: ctypes.c_char_p, float: ctypes.c_double}


def classifier(**given):
    return MLPClassifier(**SMALL, **given)


def regressor(**given):
    return MLPRegressor(**SMALL, **given)


def library(model, folder, dtype, n_inputs, n_outputs):
    """Of a file, in a folder of its own, whose own program agrees with its reference vectors."""
    folder = folder / str(len(list(folder.iterdir())))
    folder.mkdir()
    source, _ = to_c(model, folder / "m.c", dtype=dtype, jacobian=True)
    assert run_main(source, "m").count(": ok\n") == 3
    return Library(source, "m", dtype, (n_inputs, n_outputs))


def classes_of(found, y, suffix=""):
    """The label of each row of y, by the functions and arrays of the file."""
    pointer = ctypes.POINTER({"float32": ctypes.c_float, "float64": ctypes.c_double}[found.dtype])
    place = getattr(found.library, f"m_class{suffix}")
    return [place(row.ctypes.data_as(pointer)) for row in y]


def label_array(found, classes, suffix=""):
    """The array of classes of the file."""
    kind = ARRAYS.get(type(classes.tolist()[0]), ctypes.c_longlong)
    labels = (kind * len(classes)).in_dll(found.library, f"m_classes{suffix}")
    return [one.decode() if isinstance(one, bytes) else one for one in labels]


def check(model, inputs, dtype, raw=None):
    """The C functions give what predict and predict_proba give; J agrees with differences."""
    raw = np.asarray(inputs if raw is None else raw, np.float64)
    rtol = {"float32": 3e-5, "float64": 1e-11}[dtype]
    is_classifier = hasattr(model, "predict_proba")
    expected = model.predict_proba(inputs) if is_classifier else model.predict(inputs)
    expected = expected.reshape(len(raw), -1)
    found = library(model, check.folder, dtype, raw.shape[1], expected.shape[1])
    y, J = found.jacobian(raw)
    np.testing.assert_allclose(y, expected, rtol=rtol, atol=rtol * np.abs(expected).max())
    np.testing.assert_array_equal(found.forward(raw), y)
    np.testing.assert_array_equal(found.batch(raw), y)
    if is_classifier and hasattr(found.library, "m_class"):
        labels = label_array(found, model.classes_)
        assert labels == model.classes_.tolist()
        given = model.predict(inputs)
        clear = np.abs(np.diff(np.sort(expected, axis=1)[:, -2:]))[:, 0] > 1e-5
        assert clear.sum() > len(raw) / 2
        chosen = np.array([labels[j] for j in classes_of(found, y)])
        np.testing.assert_array_equal(chosen[clear], given[clear])
    return raw, J, found


def check_derivatives(model, inputs, dtype):
    """J of numbers without gaps, away from kinks."""
    raw, J, found = check(model, inputs, dtype)
    if dtype == "float64":
        differences = central_differences(found.forward, raw)
        np.testing.assert_allclose(J, differences, atol=1e-6 * np.abs(differences).max())


@pytest.fixture(autouse=True)
def _folder(tmp_path):
    check.folder = tmp_path


@pytest.mark.parametrize(
    "y",
    [
        TIMES > 9,
        np.where(TIMES > 9, "high", "low"),
        np.digitize(TIMES, [5, 9]) * 10 - 7,
        COLOURS,
        (X > 3).astype(int),
        np.where(TIMES > 9, 2.0, -1.0),
        np.full(len(X), 3),
    ],
    ids=["bool", "two texts", "numbers", "texts", "multilabel", "floats", "one class"],
)
@compiles
def test_classifiers(y, dtype):
    check_derivatives(classifier(activation=["tanh", "softplus"]).fit(X, y), X, dtype)


def test_the_dtype_of_an_estimator_is_the_default(tmp_path):
    model = classifier(activation="tanh").fit(X.astype(np.float32), COLOURS)
    _, header = to_c(model, tmp_path / "m.c")
    assert "void m_forward(const float *x, float *y);" in header.read_text()
    assert "#define M_N_CLASSES 3\nextern const char *const m_classes[" in header.read_text()


@pytest.mark.parametrize("columns", [1, 2])
@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize(
    "loss", [{}, {"loss": "gaussian_nll"},
             {"loss": "quantile", "loss_options": {"quantiles": (0.1, 0.9)}}],
)  # fmt: skip
@compiles
def test_regressors(loss, columns, scaled, dtype):
    y = np.column_stack([1e4 + 3e3 * TIMES, X[:, 2]])[:, :columns]
    model = regressor(activation="tanh", scale_target=scaled, **loss)
    check_derivatives(model.fit(X, y if columns > 1 else y[:, 0]), X, dtype)


@compiles
def test_several_columns_of_labels(dtype, tmp_path):
    y = np.column_stack([np.digitize(TIMES, [5, 9]), np.digitize(X[:, 2], [2, 3, 4])])
    model = classifier().fit(X, y)
    expected = np.hstack(model.predict_proba(X))
    found = library(model, tmp_path, dtype, 4, 7)
    p = found.forward(X)
    np.testing.assert_allclose(p, expected, rtol=1e-4, atol=1e-6)
    for j, known in enumerate(model.classes_):
        labels = label_array(found, known, f"_{j}")
        assert labels == known.tolist()
        chosen = [labels[place] for place in classes_of(found, p, f"_{j}")]
        np.testing.assert_array_equal(chosen, model.predict(X)[:, j])


@compiles
def test_an_estimator_of_scikit_learn(dtype):
    check(TheirClassifier(**SMALL).fit(X, COLOURS), X, dtype)


@pytest.mark.parametrize(
    "steps",
    [
        [StandardScaler()],
        [StandardScaler(with_mean=False), StandardScaler(with_std=False)],
        [RobustScaler(), RobustScaler(with_centering=False)],
        [MinMaxScaler((-1, 2)), "passthrough", MaxAbsScaler()],
        [FunctionTransformer(), make_pipeline(MinMaxScaler(), StandardScaler())],
        ["passthrough"],
        [ColumnTransformer([("a", StandardScaler(), [2, 0]), ("b", "passthrough", slice(0, 2))])],
        [ColumnTransformer([("a", "drop", [1])], remainder=MinMaxScaler())],
    ],
)
@compiles
def test_numeric_pipelines(steps, dtype):
    """Also columns that are used twice, and that are not used."""
    model = make_pipeline(*steps, classifier(activation="tanh"))
    check_derivatives(model.fit(X, COLOURS), X, dtype)


@compiles
def test_clipped_and_missing_numbers(dtype):
    model = make_pipeline(MinMaxScaler(clip=True), regressor(activation="tanh")).fit(X, TIMES)
    raw, J, _ = check(model, 3 * X, dtype)
    outside = (raw < X.min(axis=0)) | (raw > X.max(axis=0))
    np.testing.assert_array_equal(J[:, 0] == 0, outside)
    holes = np.where(RNG.random(X.shape) < 0.2, np.nan, X)
    for strategy in ("mean", "median"):
        imputer = SimpleImputer(strategy=strategy)
        model = make_pipeline(imputer, MaxAbsScaler(), regressor(activation="tanh"))
        _, J, _ = check(model.fit(holes, TIMES), holes, dtype)
        np.testing.assert_array_equal(J[:, 0] == 0, np.isnan(holes))


def test_a_frame_of_texts_and_numbers(dtype, tmp_path):
    columns = ColumnTransformer(
        [
            ("number", make_pipeline(SimpleImputer(), StandardScaler()), ["c", "a"]),
            ("text", OneHotEncoder(handle_unknown="ignore"), ["colour"]),
            ("binary", OneHotEncoder(drop="if_binary"), ["town"]),
            ("both", make_pipeline(OneHotEncoder(drop="first"), MaxAbsScaler()), ["floor"]),
            ("again", MaxAbsScaler(), ["floor", "a"]),
        ]
    )
    frame = FRAME.assign(a=FRAME["a"].where(FRAME["a"] > 2))
    levels = sorted(set(COLOURS))
    codes = {text: j for j, text in enumerate(levels)}
    given = pd.concat([frame, frame.assign(colour="violet")]).fillna({"a": 2.0})
    raw = given.assign(
        colour=[codes.get(one, -1) for one in given["colour"]],
        town=given["town"].map({"x": 0, "y": 1}),
    )
    for model, y in ((classifier(), TOWNS), (regressor(), TIMES)):
        made = make_pipeline(columns, model).fit(frame.fillna({"a": 2.0}), y)
        _, J, _ = check(made, given, dtype, raw.to_numpy(float))
        assert (J[:, :, [1, 3, 4, 5]] == 0).all()
        assert (J[:, :, [0, 2, 6]] != 0).any(axis=(0, 1)).all()
    text = (tmp_path / "0" / "m.h").read_text("ascii")
    assert "x[1]: b, not used" in text
    assert "x[2]: c, a number, or NaN" in text
    assert "x[0]: a, a number\n" in text
    assert 'x[4]: colour, the number of its level: 0 = K\\xf6ln, 1 = g"\\?een, 2 = red;' in text


@compiles
def test_categories_that_are_missing_or_numbers(dtype):
    names = np.array(["u", None, np.nan], object)[RNG.integers(0, 3, 90)]
    tenths = np.round(RNG.integers(0, 4, 90) * 0.1, 1)
    tenths[::7] = np.nan
    frame = pd.DataFrame({"tenths": tenths, "filled": tenths})
    filled = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder())
    columns = ColumnTransformer([("t", OneHotEncoder(), ["tenths"]), ("f", filled, ["filled"])])
    check(make_pipeline(columns, regressor()).fit(frame, TIMES), frame, dtype)
    model = make_pipeline(OneHotEncoder(), regressor()).fit(names[:, None], TIMES)
    known = model[0].categories_[0].tolist()
    codes = [[[str(one) for one in known].index(str(name))] for name in names]
    check(model, names[:, None], dtype, codes)


@compiles
def test_searches_and_transformed_targets(dtype):
    inner = make_pipeline(StandardScaler(), regressor(activation="tanh"))
    search = GridSearchCV(inner, {"mlpregressor__alpha": [0.1]}, cv=2)
    check(search.fit(X, TIMES), X, dtype)
    Y = np.column_stack([TIMES, 100 + X[:, 2]])
    for transformer in (StandardScaler(), MinMaxScaler((1, 3)), RobustScaler(), None):
        model = TransformedTargetRegressor(inner, transformer=transformer)
        check_derivatives(make_pipeline(MaxAbsScaler(), model).fit(X, Y), X, dtype)


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@compiles
def test_every_compiler(compiler, dtype, tmp_path):
    if compiler not in COMPILERS:
        pytest.skip(f"needs {compiler}")
    model = make_pipeline(SimpleImputer(), StandardScaler(), classifier()).fit(X, COLOURS)
    for jacobian in (False, True):
        source, _ = to_c(model, tmp_path / "m.c", dtype=dtype, jacobian=jacobian)
        assert "ok" in run_main(source, "m", compiler)


@compiles
def test_a_network(tmp_path):
    net = Network([1, 1], output="identity", seed=0)
    encoder = TableEncoder((NumericColumn("a", 0.0, 1.0),))
    given = net.export_c(tmp_path / "net.c", preprocessing=encoder)
    text = given[0].read_text()
    assert to_c(net, tmp_path / "net.c", preprocessing=encoder) == given
    assert given[0].read_text() == text


@compiles
def test_fortran(tmp_path):
    model = make_pipeline(StandardScaler(), classifier()).fit(X, COLOURS)
    source, _, module = to_c(model, tmp_path / "m.c", jacobian=True, fortran=True)
    text = module.read_text()
    assert 'function m_class(y) bind(c, name="m_class") result(place)' in text
    assert "only: c_double, c_size_t, c_int\n" in text
    if not (compiler := shutil.which("gfortran")):
        pytest.skip("needs gfortran")
    need_compiler()
    (tmp_path / "use.f90").write_text(
        "program use_m\n  use m_interface\n"
        "  use, intrinsic :: iso_c_binding, only: c_double\n  implicit none\n"
        "  real(c_double) :: x(m_n_inputs), y(m_n_outputs)\n"
        f"  x = [{', '.join(f'{v!r}_c_double' for v in X[0].tolist())}]\n"
        "  call m_forward(x, y)\n  print *, m_class(y)\nend program\n"
    )
    run([COMPILERS[0], *STRICT, "-c", source], tmp_path)
    strict = ["-std=f2008", "-Wall", "-Wextra", "-Werror", "-pedantic"]
    run([compiler, *strict, module, "use.f90", "m.o", "-o", "use"], tmp_path)
    assert model.classes_[int(run(["./use"], tmp_path))] == model.predict(X[:1])[0]
