"""distill: teachers of every kind, the student's raw rows, and its C code."""

import numpy as np
import pytest

pd = pytest.importorskip("pandas")
pytest.importorskip("sklearn")

from sklearn.base import BaseEstimator  # noqa: E402
from sklearn.datasets import load_diabetes  # noqa: E402
from sklearn.ensemble import (  # noqa: E402
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.linear_model import LinearRegression  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import OrdinalEncoder  # noqa: E402
from sklearn.svm import LinearSVC  # noqa: E402
from support.c_programs import Library, need_compiler, run_main  # noqa: E402

from ffnn_fast import to_c  # noqa: E402
from ffnn_fast.tabular import TabularClassifier, TabularRegressor, distill  # noqa: E402
from ffnn_fast.tabular._distillation import _out_of_fold  # noqa: E402

QUICK = {"epochs": 3, "copies": 1, "folds": 2, "seed": 0}
RNG = np.random.default_rng(0)
N = 300
FRAME = pd.DataFrame(
    {
        "x": RNG.normal(3, 2, N).astype(np.float32), "gap": RNG.normal(size=N),
        "one": np.ones(N), "colour": RNG.choice(["red", 'g"\\?een', "Köln"], N),
        "town": RNG.choice(["u", "v"], N), "flag": RNG.random(N) < 0.5,
    }
)  # fmt: skip
FRAME.loc[::7, "gap"] = np.nan
VALUE = (FRAME["x"] + 2.0 * (FRAME["colour"] == "red")).to_numpy(np.float64)
LABEL = np.where(VALUE > 3, "yes", "no")
NUMBERS = np.column_stack([FRAME["x"], FRAME["gap"].fillna(0)]).astype(np.float64)


class Booster:
    """A classifier in the form of other libraries': no base class of scikit-learn."""

    def __init__(self, rounds=3):
        self.rounds = rounds

    def get_params(self, deep=True):
        return {"rounds": self.rounds}

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.model = HistGradientBoostingClassifier(max_iter=self.rounds).fit(X, y)
        return self

    def predict_proba(self, X):
        return self.model.predict_proba(X)

    def predict(self, X):
        return self.model.predict(X)[:, None]


def test_teacher_of_another_library():
    """A teacher needs predict, predict_proba and classes_ only."""
    student = distill(Booster().fit(NUMBERS, LABEL), NUMBERS, LABEL, **QUICK)
    assert student.classes_.tolist() == ["no", "yes"]
    assert set(student.predict(NUMBERS)) <= {"no", "yes"}
    report = student.report
    assert 0 <= report.agreement <= 1
    assert report.teacher_score > 0.7
    assert report.teacher_microseconds > report.student_microseconds > 0


@pytest.mark.parametrize("kind", [TabularClassifier, TabularRegressor])
def test_bag_as_teacher(kind):
    """The estimators of this module are teachers; mixed columns are augmented too."""
    y = LABEL if kind is TabularClassifier else VALUE
    teacher = kind(n_networks=2, epochs=10, random_state=0, n_threads=1).fit(FRAME, y)
    student = distill(teacher, FRAME, y, **{**QUICK, "epochs": 60})
    assert student.report.agreement > 0.7
    assert student.predict(FRAME).shape == (N,)


def test_pipeline_as_teacher():
    """A pipeline takes the raw rows."""
    X = FRAME[["colour", "town"]]
    teacher = make_pipeline(OrdinalEncoder(), RandomForestClassifier(5, random_state=0))
    student = distill(teacher.fit(X, LABEL), X, LABEL, **QUICK)
    assert student.predict_proba(X).shape == (N, 2)


def test_out_of_fold_predictions():
    """Of each row the student learns what a model that was not fitted to it predicts."""

    class Memory(BaseEstimator):
        """Predicts 1 for the rows that it was fitted to, else 0."""

        def fit(self, X, y):
            self.rows_ = set(X[:, 0])
            return self

        def predict(self, X):
            return np.array([float(x in self.rows_) for x in X[:, 0]])

    X = RNG.normal(size=(50, 1))
    teacher = Memory().fit(X, X[:, 0])
    np.testing.assert_array_equal(teacher.predict(X), 1)
    own = _out_of_fold(teacher, X, X[:, 0], 3, np.random.default_rng(0))
    np.testing.assert_array_equal(own, np.zeros((50, 1)))


def test_rare_classes():
    """A class with one row is in no training fold of its own; the others have probabilities."""
    y = LABEL.astype(object)
    y[5] = "rare"
    teacher = HistGradientBoostingClassifier(max_iter=3).fit(NUMBERS, y)
    student = distill(teacher, NUMBERS, y, **QUICK)
    assert student.classes_.tolist() == ["no", "rare", "yes"]
    np.testing.assert_allclose(student.predict_proba(NUMBERS).sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("kind", [list, pd.Series, lambda y: pd.Series(y, dtype="Int64")])
def test_targets_of_distillation(kind):
    """Targets may be lists and series, also of nullable types."""
    y = (LABEL == "yes").astype(int)
    teacher = HistGradientBoostingClassifier(max_iter=3).fit(NUMBERS, y)
    student = distill(teacher, NUMBERS, kind(y.tolist()), **QUICK)
    assert student.report.teacher_score > 0.7


def test_one_hidden_layer():
    """An int is one hidden layer; what is none is refused."""
    teacher = LinearRegression().fit(NUMBERS, VALUE)
    student = distill(teacher, NUMBERS, VALUE, hidden=8, **QUICK)
    assert student.network.spec.layer_sizes == (2, 8, 1)
    for hidden, error in (("8", TypeError), (2.5, TypeError), ((8, 0), ValueError)):
        with pytest.raises(error, match="hidden"):
            distill(teacher, NUMBERS, VALUE, hidden=hidden, **QUICK)


@pytest.mark.parametrize(
    ("teacher", "y", "error", "match"),
    [
        (LinearSVC().fit(NUMBERS, LABEL), LABEL, TypeError, "predict_proba, got LinearSVC"),
        (object(), LABEL, TypeError, "must have predict, got object"),
        (Booster(), LABEL, TypeError, "must have classes_, got Booster; fit it"),
        (LinearRegression(), VALUE, ValueError, "not fitted"),
        (
            LinearRegression().fit(NUMBERS, np.column_stack([VALUE, VALUE])), VALUE, ValueError,
            "one column of targets",
        ),
        (LinearRegression().fit(NUMBERS, VALUE), VALUE[:9], ValueError, "one entry a row"),
    ],
)  # fmt: skip
def test_refused_teachers(teacher, y, error, match):
    """What is no teacher is refused by name."""
    if isinstance(teacher, LinearRegression) and hasattr(teacher, "coef_") and len(y) == N:
        teacher.predict = lambda X: np.ones((len(X), 2))
        teacher.fit = lambda X, y: teacher
        teacher.__sklearn_clone__ = lambda: teacher
    with pytest.raises(error, match=match):
        distill(teacher, NUMBERS, y, **QUICK)


@pytest.mark.parametrize("library", ["polars", "pyarrow", "mapping"])
def test_tables_of_other_libraries(library):
    """Rows are taken from tables of any library, without augmented ones."""

    class Constant(BaseEstimator):
        def fit(self, X, y):
            self.mean_ = np.mean(y)
            return self

        def predict(self, X):
            return np.full(X.shape[0] if hasattr(X, "shape") else len(X["x"]), self.mean_)

    data = FRAME[["x", "colour"]]
    if library == "mapping":
        X = {name: data[name].to_numpy() for name in data}
    else:
        package = pytest.importorskip(library)
        X = package.from_pandas(data) if library == "polars" else package.table(data)
    teacher = Constant().fit(X, VALUE)
    student = distill(teacher, X, VALUE, **{**QUICK, "copies": 0})
    np.testing.assert_array_equal(student.predict(X), student.predict(data))
    with pytest.raises(TypeError, match="copies=0"):
        distill(teacher, X, VALUE, **QUICK)


def test_rows_of_students():
    """The bits of a row do not depend on the other rows or the type of the table."""
    X, y = load_diabetes(return_X_y=True, as_frame=True)
    teacher = HistGradientBoostingRegressor(max_iter=5).fit(X, y)
    student = distill(teacher, X, y, **QUICK)
    expected = student.predict(X)
    np.testing.assert_array_equal(student.predict(X.to_numpy()), expected)
    np.testing.assert_array_equal(student.predict(X.astype(object)), expected)
    for i in (0, 7):
        np.testing.assert_array_equal(student.predict(X[i : i + 1]), expected[i : i + 1])


def raw(frame):
    """Rows as the C functions take them: numbers, and numbers of levels."""
    levels = {"colour": ["Köln", 'g"\\?een', "red"], "town": ["u", "v"]}
    columns = [
        [levels[name].index(value) if value in levels[name] else -1 for value in frame[name]]
        if name in levels
        else frame[name].to_numpy(np.float64)
        for name in frame
    ]
    return np.column_stack(columns).astype(np.float64)


@pytest.fixture(scope="module", params=["classes", "values"])
def student(request):
    """Of a mixed table."""
    if request.param == "classes":
        teacher, y = TabularClassifier, LABEL
    else:
        teacher, y = TabularRegressor, VALUE
    fitted = teacher(n_networks=2, epochs=2, random_state=0, n_threads=1).fit(FRAME, y)
    return distill(fitted, FRAME, y, **QUICK, hidden=(6, 5))


@pytest.mark.slow  # compiles C
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_c_code(student, dtype, tmp_path):
    """The C functions give for raw rows what the student predicts, and their derivatives."""
    need_compiler()
    source, header = to_c(student, tmp_path / "m.c", dtype=dtype, jacobian=True)
    assert run_main(source, "m").count(": ok\n") == 3
    assert "x[2]: one, not used" in header.read_text()
    new = FRAME[:40].assign(colour=["elsewhere", *FRAME["colour"][1:40]])
    new.loc[3, "x"] = np.float32(1e30)
    is_classifier = hasattr(student, "classes_")
    expected = student.predict_proba(new) if is_classifier else student.predict(new)[:, None]
    found = Library(source, "m", dtype, (6, expected.shape[1]))
    y = found.batch(raw(new).astype(dtype))
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-5)


def test_c_code_without_compiler(student, tmp_path):
    """The files list raw columns, levels and classes."""
    source, header = student.to_c(tmp_path / "m.c", name="flat")
    text = header.read_text()
    assert "#define FLAT_N_INPUTS 6" in text
    assert "x[1]: gap, a number, NaN where it is missing" in text
    assert "0 = u, 1 = v" in text
    assert "square_root" in source.read_text()
    assert ("flat_classes" in text) == hasattr(student, "classes_")


def test_no_c_code_of_dates(tmp_path):
    """A date has no form in C."""
    X = FRAME[["x"]].assign(day=pd.date_range("2024-01-01", periods=N, freq="25h"))
    teacher = TabularRegressor(n_networks=2, epochs=1, random_state=0, n_threads=1).fit(X, VALUE)
    student = distill(teacher, X, VALUE, **QUICK)
    with pytest.raises(ValueError, match="no form for dates, such as column 'day'"):
        to_c(student, tmp_path / "m.c")


@pytest.mark.parametrize("y", [["a", "b"] * 20, [0, 1, 2, 1] * 10, [0.5, 0.0] * 20, [None, 1] * 20])
def test_targets_that_are_no_classes_of_the_teacher(y):
    from sklearn.linear_model import LogisticRegression

    X = np.random.default_rng(0).normal(size=(40, 3))
    teacher = LogisticRegression().fit(X, X[:, 0] > 0)
    with pytest.raises(ValueError, match="y must hold classes of the teacher, such as"):
        distill(teacher, X, y, epochs=1, folds=2)
