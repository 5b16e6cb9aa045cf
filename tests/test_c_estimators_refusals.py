"""Estimators and pipelines that C code cannot express are refused by name."""

import numpy as np
import pytest
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
)
from test_c_estimators import COLOURS, FRAME, TIMES, X, classifier, regressor

from ffnn_fast import Activation, to_c
from ffnn_fast.preprocessing import NumericColumn, TableEncoder

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (classifier, ValueError, "MLPClassifier is not fitted; call fit before to_c"),
        (lambda: 5, TypeError, "to_c takes a Network, an estimator of ffnn_fast.sklearn or"),
        (lambda: LogisticRegression().fit(X, TIMES > 9), TypeError, "got LogisticRegression"),
        (
            lambda: make_pipeline(PCA(2), regressor()).fit(X, TIMES),
            ValueError,
            "C export has no form for PCA; it has forms for StandardScaler",
        ),
        (
            lambda: make_pipeline(OrdinalEncoder(), regressor()).fit(X, TIMES),
            ValueError,
            "no form for OrdinalEncoder",
        ),
        (
            lambda: make_pipeline(FunctionTransformer(np.log1p), regressor()).fit(abs(X), TIMES),
            ValueError,
            "no form for FunctionTransformer",
        ),
        (
            lambda: make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(),
                                  classifier()).fit(COLOURS[:, None].astype(object), TIMES > 9),
            ValueError,
            "C export expects a SimpleImputer of numbers",
        ),
        (
            lambda: make_pipeline(StandardScaler(), OneHotEncoder(), regressor()).fit(
                X[:, :1].round(), TIMES
            ),
            ValueError,
            "a OneHotEncoder before the steps that scale",
        ),
        (
            lambda: make_pipeline(
                ColumnTransformer([("n", StandardScaler(), [0]), ("t", OneHotEncoder(), [0])]),
                regressor(),
            ).fit(FRAME[["floor"]].astype(object), TIMES),
            ValueError,
            "floor is used as text and as numbers",
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
            "user-defined activation 'own'",
        ),
    ],
)  # fmt: skip
def test_what_is_refused(make, error, match, tmp_path):
    with pytest.raises(error, match=match):
        to_c(make(), tmp_path / "m.c")
    assert list(tmp_path.iterdir()) == []


def test_other_refusals(tmp_path):
    encoder = TableEncoder((NumericColumn("a", 0.0, 1.0),))
    with pytest.raises(ValueError, match="MLPRegressor has its own steps"):
        to_c(regressor().fit(X, TIMES), tmp_path / "m.c", preprocessing=encoder)
    close = np.where(TIMES > 9, 1.0, 1.0 + 1e-12)[:, None]
    model = make_pipeline(OneHotEncoder(), regressor()).fit(close, TIMES)
    with pytest.raises(ValueError, match="float32 rounds several of the categories"):
        to_c(model, tmp_path / "m.c", dtype="float32")
    model = classifier().fit(X, TIMES > 9)
    for labels, match in (((1, "a"), "one type"), ((0, 2**64), "64 bits")):
        model.classes_ = np.array(labels, object)
        with pytest.raises(ValueError, match=match):
            to_c(model, tmp_path / "m.c")
    assert list(tmp_path.iterdir()) == []
