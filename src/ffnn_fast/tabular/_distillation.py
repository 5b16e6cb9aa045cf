"""Distillation: a small network that predicts as a fitted model does, in a microsecond a row."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral
from time import perf_counter
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.utils.validation import check_is_fitted

from ffnn_fast._columns.frames import Table, array_of, table_of
from ffnn_fast._scalars import as_generator, as_int
from ffnn_fast._text import quoted
from ffnn_fast._training.stopping import EarlyStopping
from ffnn_fast.metrics import r2
from ffnn_fast.network import Network
from ffnn_fast.optimizers import AdamW
from ffnn_fast.schedules import OneCycle
from ffnn_fast.tabular._augmentation import augmented
from ffnn_fast.tabular._folds import folds_of, one_split
from ffnn_fast.tabular._inputs import TableInputs
from ffnn_fast.tabular._student import DistillationReport, Student

Array = np.ndarray
ROW_TIMINGS = 31  # of which the median is reported


def distill(
    teacher: Any, X: Any, y: Any, *, hidden: tuple[int, ...] | int = (64, 64), epochs: int = 100,
    copies: int = 4, folds: int = 5, seed: int | np.random.Generator | None = None,
) -> Student:  # fmt: skip
    """Train a small network on what a fitted model predicts (G. Hinton et al., 2015).

    The network learns the teacher's out-of-fold probabilities or values for the rows, from clones
    that have not seen them, and the fitted teacher's for `copies` augmented rows each, in which
    values are exchanged between similar rows (C. Bucilă et al., 2006).

    Parameters
    ----------
    teacher : fitted estimator
        Of scikit-learn's form: ``predict``, and ``predict_proba`` and ``classes_`` if it
        classifies; `clone` must copy it. Pipelines, boosters of other libraries and the estimators
        of this module are such.
    X : table or array-like of shape (n, d)
        Raw rows, as the teacher takes them.
    y : array-like of shape (n,)
        Their targets.
    hidden : tuple of int, or int, default (64, 64)
        Units of the student's hidden layers, with silu; an int is one layer.
    epochs : int, default 100
    copies : int, default 4
        Augmented rows for each row; 0: none.
    folds : int, default 5
        Of the out-of-fold predictions, at least 2.
    seed : int or Generator, optional

    Returns
    -------
    Student
        With ``report``, a `DistillationReport`.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.
    """
    rng = as_generator(seed, "seed")
    epochs, copies = as_int(epochs, "epochs"), as_int(copies, "copies", 0)
    folds, hidden = as_int(folds, "folds", 2), _as_hidden(hidden)
    table, y = table_of(X), _as_targets(y)
    _check(teacher, table, y, folds)
    classifies = hasattr(teacher, "predict_proba")
    method = "predict_proba" if classifies else "predict"
    inputs = TableInputs.fit(table, coded=False)
    rows = inputs.transform(table)
    own = _out_of_fold(teacher, X, y, folds, rng)
    mean, scale = (0.0, 1.0) if classifies else (float(own.mean()), float(own.std()) or 1.0)
    kept, held = one_split(len(y), 0.2, rng)
    encoded, truth = rows[kept], own[kept]
    if copies:
        more = augmented(_taken(X, kept), rows[kept], copies, rng)
        encoded = np.concatenate([encoded, inputs.transform(table_of(more))])
        truth = np.concatenate([truth, _outputs(getattr(teacher, method)(more), classifies)])
    net = Network(
        [inputs.n_inputs, *hidden, own.shape[1]], activation="silu",
        output="softmax" if classifies else "identity",
        loss="cross_entropy" if classifies else "half_squared_error", seed=rng,
    )  # fmt: skip
    net.fit(
        encoded, ((truth - mean) / scale).astype(np.float32), epochs=epochs, batch_size=128,
        optimizer=AdamW(weight_decay=0.01), learning_rate=OneCycle(0.01), metrics=False,
        validation_data=(rows[held], ((own[held] - mean) / scale).astype(np.float32)),
        early_stopping=EarlyStopping(patience=epochs), rng=rng,
    )  # fmt: skip
    classes = np.asarray(teacher.classes_) if classifies else None
    student = Student(net, inputs, classes, mean, scale)
    student.report = _report(teacher, student, _taken(X, held), y[held], own[held])
    return student


def _as_targets(y: Any) -> Array:
    """Targets as an array: of numbers or bools where all are."""
    array = np.asarray(array_of(y, exact=True) if hasattr(y, "to_numpy") else y)
    if array.dtype != object:
        return array
    plain = np.array(array.tolist())
    return plain if plain.dtype.kind in "biuf" else array


def _as_hidden(hidden: Any) -> tuple[int, ...]:
    """Units of each hidden layer."""
    given = (hidden,) if isinstance(hidden, Integral) else hidden
    if isinstance(given, (str, bytes)) or not np.iterable(given):
        raise TypeError(
            f"hidden must be the units of each hidden layer, such as (64, 64), got {quoted(hidden)}"
        )
    return tuple(as_int(n, "hidden") for n in given)


def _check(teacher: Any, table: Table, y: Array, folds: int) -> None:
    classifies = hasattr(teacher, "predict_proba")
    name = type(teacher).__name__
    if not hasattr(teacher, "predict"):
        raise TypeError(f"the teacher must have predict, got {name}")
    if isinstance(teacher, BaseEstimator):
        check_is_fitted(teacher)
    if not classifies and len(getattr(teacher, "classes_", ())):
        raise TypeError(f"the teacher must have predict_proba, got {name}")
    if classifies and not isinstance(getattr(teacher, "classes_", None), (np.ndarray, list)):
        raise TypeError(f"the teacher must have classes_, got {name}; fit it first")
    if classifies and np.ndim(teacher.classes_[0]):
        raise ValueError(f"the teacher must predict one column of targets, {name} predicts several")
    if y.shape != (table.n_rows,):
        raise ValueError(f"y must have shape ({table.n_rows},), one entry a row, got {y.shape}")
    if classifies:
        known = np.asarray(teacher.classes_)
        strange = [one for one in dict.fromkeys(y.tolist()) if one not in known.tolist()]
        if strange:
            raise ValueError(
                f"y must hold classes of the teacher, such as {quoted(known[0])}, got "
                f"{quoted(strange[0])}"
            )
    if folds > table.n_rows:
        raise ValueError(f"folds must be at most the number of rows, {table.n_rows}; got {folds}")


def _out_of_fold(teacher: Any, X: Any, y: Array, folds: int, rng: np.random.Generator) -> Array:
    """What clones of the teacher predict for the rows that they were not fitted to, (n, K)."""
    classifies = hasattr(teacher, "predict_proba")
    places = np.unique(y, return_inverse=True)[1] if classifies else None
    width = len(teacher.classes_) if classifies else 1
    own = np.zeros((len(y), width))
    for fold in folds_of(len(y), folds, rng, places):
        kept = np.setdiff1d(np.arange(len(y)), fold, assume_unique=True)
        model = clone(teacher).fit(_taken(X, kept), y[kept])
        rows = _taken(X, fold)
        if not classifies:
            own[fold] = _outputs(model.predict(rows), False)
            continue
        found = np.searchsorted(teacher.classes_, model.classes_)  # a fold may lack a rare class
        own[np.ix_(fold, found)] = _outputs(model.predict_proba(rows), True)
    return own


def _outputs(predicted: Any, classifies: bool) -> Array:
    """Probabilities or values, (n, K), float64."""
    array = np.asarray(predicted, np.float64)
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim > 2 or (array.shape[1] > 1 and not classifies):
        raise ValueError(f"the teacher must predict one column of targets, got {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError("the teacher must predict finite numbers, got NaN or infinity")
    return array / array.sum(axis=1, keepdims=True) if classifies else array


def _taken(X: Any, rows: Array) -> Any:
    """Some rows of a table of any library, as one of the same."""
    if hasattr(X, "iloc"):
        return X.iloc[rows]
    if isinstance(X, Mapping):
        return {name: np.asarray(values)[rows] for name, values in X.items()}
    if hasattr(X, "column_names") and hasattr(X, "take"):  # pyarrow.Table
        return X.take(rows)
    return X[rows] if hasattr(X, "get_columns") else np.asarray(X)[rows]


def _report(teacher: Any, student: Student, X: Any, y: Array, own: Array) -> DistillationReport:
    """The report from rows that are held out; `own` is out of fold."""
    predicted = student.predict(X)
    if hasattr(student, "classes_"):
        taught = student.classes_[own.argmax(axis=1)]
        scores = [float(np.mean(a == b)) for a, b in ((predicted, taught), (taught, y))]
        scores.append(float(np.mean(predicted == y)))
    else:
        pairs = ((own[:, 0], predicted), (y, own[:, 0]), (y, predicted))
        scores = [r2(truth, values) for truth, values in pairs]
    row = _taken(X, np.arange(1))
    times = [_microseconds(model, row) for model in (teacher, student)]
    return DistillationReport(scores[0], scores[1], scores[2], times[0], times[1])


def _microseconds(model: Any, row: Any) -> float:
    """Median time of a prediction for one raw row."""
    times = []
    for _ in range(ROW_TIMINGS):
        began = perf_counter()
        model.predict(row)
        times.append(perf_counter() - began)
    return 1e6 * float(np.median(times))
