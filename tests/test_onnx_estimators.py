"""Estimators and pipelines as ONNX models predict what they predict."""

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor, make_column_selector
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier as TheirClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    PowerTransformer,
    RobustScaler,
    StandardScaler,
)
from test_onnx import runner

from ffnn_fast import Activation, Network
from ffnn_fast.onnx import to_onnx
from ffnn_fast.preprocessing import NumericColumn, TableEncoder
from ffnn_fast.sklearn import MLPClassifier, MLPRegressor

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytestmark = pytest.mark.filterwarnings(
    f"ignore::{ConvergenceWarning.__module__}.ConvergenceWarning"
)
SMALL = {"hidden_layer_sizes": (6, 4), "max_iter": 30, "random_state": 0}
RNG = np.random.default_rng(0)
X = RNG.normal(3, 2, size=(120, 4))
TIMES = X[:, 0] * X[:, 1]
COLOURS = np.array(["red", "green", "blue"])[RNG.integers(0, 3, 120)]
FRAME = pd.DataFrame(X, columns=list("abcd")).assign(
    colour=COLOURS,
    town=np.array(["x", "y"])[RNG.integers(0, 2, 120)],
    floor=RNG.integers(0, 4, 120),
)


def classifier(**given):
    return MLPClassifier(**SMALL, **given)


def regressor(**given):
    return MLPRegressor(**SMALL, **given)


def check(model, inputs, rtol=1e-9):
    """The outputs of the ONNX model are those of the estimator's methods, of any number of rows."""
    names = list(inputs) if isinstance(inputs, pd.DataFrame) else []
    for rows in (inputs, inputs[:1]):
        run = runner(to_onnx(model), "onnxruntime")
        given = {"X": rows}
        if names:
            given = {}
            for name in run_inputs(model):
                values = rows[[name]].to_numpy()
                is_text = values.dtype == object
                given[name] = values if is_text else values.astype(np.float64)
        found = run(given)
        if "value" in found:
            expected = model.predict(rows).reshape(len(rows), -1)
            np.testing.assert_allclose(found["value"], expected, rtol=rtol, atol=rtol)
            continue
        np.testing.assert_array_equal(found["label"], model.predict(rows))
        np.testing.assert_allclose(
            found["probabilities"], model.predict_proba(rows), rtol=rtol, atol=rtol
        )


def run_inputs(model):
    return [value.name for value in to_onnx(model).graph.input]


@pytest.mark.parametrize(
    "y",
    [
        (TIMES > 9).astype(int),
        TIMES > 9,
        np.where(TIMES > 9, "high", "low"),
        np.digitize(TIMES, [5, 9]),
        np.digitize(TIMES, [5, 9]) * 10 - 7,
        COLOURS,
        (X > 3).astype(int),
        np.where(TIMES > 9, 1.0, 0.0),
    ],
    ids=["binary", "bool", "two texts", "classes", "labels", "texts", "multilabel", "floats"],
)
def test_classifiers(y):
    check(classifier(activation=["relu", "tanh"]).fit(X, y), X)


def test_float32_stays_float32():
    model = classifier().fit(X.astype(np.float32), COLOURS)
    check(model, X.astype(np.float32), rtol=1e-5)


@pytest.mark.parametrize("columns", [1, 2])
@pytest.mark.parametrize(
    "loss", [{}, {"loss": "gaussian_nll"}, {"loss": "poisson"},
             {"loss": "quantile", "loss_options": {"quantiles": (0.1, 0.9)}}],
)  # fmt: skip
def test_regressors(loss, columns):
    y = np.abs(np.column_stack([TIMES, X[:, 2]]))[:, :columns]
    check(regressor(**loss).fit(X, y if columns > 1 else y[:, 0]), X)


@pytest.mark.parametrize("loss", ["squared_error", "quantile", "gaussian_nll"])
def test_scaled_targets_are_in_units_of_the_target(loss):
    Y = np.column_stack([1e4 + 3e3 * TIMES, -TIMES])
    model = regressor(loss=loss, scale_target=True).fit(X, Y)
    assert np.abs(model.predict(X)).max() > 1e4
    check(model, X)


def test_several_columns_of_labels():
    y = np.column_stack([np.digitize(TIMES, [5, 9]), np.digitize(X[:, 2], [2, 3, 4])])
    model = classifier().fit(X, y)
    found = runner(to_onnx(model), "onnxruntime")({"X": X})
    for j, p in enumerate(model.predict_proba(X)):
        np.testing.assert_array_equal(found[f"label_{j}"], model.predict(X)[:, j])
        np.testing.assert_allclose(found[f"probabilities_{j}"], p, rtol=1e-9)


def test_an_estimator_of_scikit_learn():
    check(TheirClassifier(**SMALL).fit(X, COLOURS), X)


@pytest.mark.parametrize(
    "steps",
    [
        [StandardScaler()],
        [StandardScaler(with_mean=False)],
        [StandardScaler(with_std=False)],
        [RobustScaler()],
        [RobustScaler(with_centering=False)],
        [MinMaxScaler((-1, 2))],
        [MinMaxScaler(clip=True)],
        [MaxAbsScaler(), StandardScaler()],
        ["passthrough", StandardScaler()],
        [FunctionTransformer(), StandardScaler()],
        [make_pipeline(MinMaxScaler(), StandardScaler())],
        [ColumnTransformer([("a", StandardScaler(), [2, 0]), ("b", "passthrough", slice(1, 2))])],
        [ColumnTransformer([("a", StandardScaler(), [-1])], remainder="passthrough")],
        [ColumnTransformer([("a", "drop", [1])], remainder=MinMaxScaler())],
        [ColumnTransformer([("a", MaxAbsScaler(), [True, False, False, True])])],
        [SimpleImputer(), StandardScaler()],
    ],
)
def test_numeric_pipelines(steps):
    for make in (classifier, regressor):
        y = COLOURS if make is classifier else TIMES
        check(make_pipeline(*steps, make()).fit(X, y), X)


def test_the_clip_of_a_scaler():
    model = make_pipeline(MinMaxScaler(clip=True), regressor()).fit(X, TIMES)
    check(model, 10 * X)


def test_missing_numbers_are_imputed():
    holes = np.where(RNG.random(X.shape) < 0.2, np.nan, X)
    for strategy in ("mean", "median", "most_frequent"):
        check(make_pipeline(SimpleImputer(strategy=strategy), regressor()).fit(holes, TIMES), holes)


def mixed(**given):
    return ColumnTransformer(
        [
            ("number", make_pipeline(SimpleImputer(), StandardScaler()), ["c", "a"]),
            ("text", OneHotEncoder(handle_unknown="ignore"), ["colour", "town"]),
            ("integer", OneHotEncoder(drop="first"), ["floor"]),
        ],
        **given,
    )


@pytest.mark.parametrize(
    "columns",
    [
        mixed(),
        mixed(remainder="passthrough"),
        mixed(remainder=MinMaxScaler()),
        ColumnTransformer([("text", OneHotEncoder(drop="if_binary"), ["town", "colour"])]),
        ColumnTransformer(
            [
                ("text", OneHotEncoder(), make_column_selector(dtype_exclude="number")),
                ("number", "passthrough", make_column_selector(dtype_include="number")),
            ]
        ),
        ColumnTransformer([("some", StandardScaler(), slice("b", "d"))]),
        ColumnTransformer(
            [("text", make_pipeline(OneHotEncoder(sparse_output=False), MaxAbsScaler()), ["town"]),
             ("number", MaxAbsScaler(), ["a"])]
        ),
    ],
)  # fmt: skip
def test_frames_of_texts_and_numbers(columns):
    frame = (
        FRAME.assign(a=FRAME["a"].where(FRAME["a"] > 2)) if "number" not in repr(columns) else FRAME
    )
    check(
        make_pipeline(columns, classifier()).fit(frame.fillna(2.0), np.where(TIMES > 9, "u", "v")),
        FRAME,
    )
    check(make_pipeline(columns, regressor()).fit(FRAME, TIMES), FRAME)


def test_only_the_columns_that_are_used_are_inputs():
    columns = ColumnTransformer([("number", StandardScaler(), ["d"])])
    model = make_pipeline(columns, regressor()).fit(FRAME, TIMES)
    assert run_inputs(model) == ["d"]


def test_an_unknown_category_gives_zeros():
    columns = ColumnTransformer([("t", OneHotEncoder(handle_unknown="ignore"), ["colour"])])
    model = make_pipeline(columns, regressor()).fit(FRAME, TIMES)
    check(model, FRAME.assign(colour="violet"))


def test_a_pipeline_of_texts_alone():
    model = make_pipeline(OneHotEncoder(), classifier()).fit(
        COLOURS[:, None].astype(object), TIMES > 9
    )
    check(model, COLOURS[:, None].astype(object))


def test_searches_and_transformed_targets():
    search = GridSearchCV(
        make_pipeline(StandardScaler(), regressor()), {"mlpregressor__alpha": [0.1]}
    )
    check(search.fit(X, TIMES), X)
    for transformer in (StandardScaler(), MinMaxScaler((1, 3)), RobustScaler(), None):
        model = TransformedTargetRegressor(
            make_pipeline(StandardScaler(), regressor()), transformer=transformer
        )
        check(model.fit(X, TIMES), X)
        check(make_pipeline(MaxAbsScaler(), model).fit(X, TIMES), X)


def test_it_is_written_to_a_file(tmp_path):
    to_onnx(regressor().fit(X, TIMES), tmp_path / "m.onnx")
    assert (tmp_path / "m.onnx").stat().st_size > 100


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (classifier, ValueError, "MLPClassifier is not fitted"),
        (lambda: make_pipeline(StandardScaler(), classifier()), ValueError, "Pipeline is not fit"),
        (lambda: 5, TypeError, "takes a Network, an estimator of ffnn_fast.sklearn or a pipeline"),
        (lambda: make_pipeline(StandardScaler()).fit(X), TypeError, "got Pipeline"),
        (lambda: LogisticRegression().fit(X, TIMES > 9), TypeError, "got LogisticRegression"),
        (
            lambda: make_pipeline(PCA(2), regressor()).fit(X, TIMES),
            ValueError,
            "no form for PCA; it has forms for StandardScaler",
        ),
        (
            lambda: make_pipeline(PowerTransformer(), regressor()).fit(X, TIMES),
            ValueError,
            "no form for PowerTransformer",
        ),
        (
            lambda: make_pipeline(FunctionTransformer(np.log1p), regressor()).fit(abs(X), TIMES),
            ValueError,
            "no form for FunctionTransformer",
        ),
        (
            lambda: make_pipeline(SimpleImputer(add_indicator=True), regressor()).fit(
                np.where(X < 1, np.nan, X), TIMES
            ),
            ValueError,
            "SimpleImputer of numbers",
        ),
        (
            lambda: make_pipeline(
                ColumnTransformer([("t", OneHotEncoder(max_categories=2), ["colour"])]),
                regressor(),
            ).fit(FRAME, TIMES),
            ValueError,
            "infrequent categories",
        ),
        (
            lambda: make_pipeline(
                ColumnTransformer([("t", OneHotEncoder(), ["colour"])]), regressor()
            ).fit(FRAME.assign(colour=[None, *COLOURS[1:]]), TIMES),
            ValueError,
            "texts only or numbers only",
        ),
        (
            lambda: make_pipeline(
                ColumnTransformer([("a", StandardScaler(), [0])], transformer_weights={"a": 2}),
                regressor(),
            ).fit(X, TIMES),
            ValueError,
            "ColumnTransformer with weights",
        ),
        (
            lambda: make_pipeline(
                ColumnTransformer([("a", StandardScaler(), [0]), ("t", OneHotEncoder(), [1])]),
                regressor(),
            ).fit(np.column_stack([X[:, :1].astype(object), COLOURS]), TIMES),
            ValueError,
            "used as text and as numbers",
        ),
        (
            lambda: TransformedTargetRegressor(
                regressor(), func=np.log, inverse_func=np.exp
            ).fit(X, np.abs(TIMES) + 1),
            ValueError,
            "no inverse for FunctionTransformer",
        ),
        (
            lambda: classifier(
                activation=Activation("own", np.tanh, lambda h: 1 - h * h, "h")
            ).fit(X, TIMES > 9),
            ValueError,
            "cannot express the activation 'own'",
        ),
    ],
)  # fmt: skip
def test_what_is_refused(make, error, match):
    with pytest.raises(error, match=match):
        to_onnx(make())


def test_preprocessing_goes_with_a_network():
    encoder = TableEncoder((NumericColumn("a", 0.0, 1.0),))
    with pytest.raises(ValueError, match="MLPRegressor has its own steps"):
        to_onnx(regressor().fit(X, TIMES), preprocessing=encoder)
    assert to_onnx(Network([1, 1], output="identity", seed=0), preprocessing=encoder).graph.input
