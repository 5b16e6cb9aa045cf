"""Distillation: a small network that predicts as a fitted model does, in a microsecond a row."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.model_selection import cross_val_predict

from ffnn_fast._columns.frames import Table, table_of
from ffnn_fast._public import public
from ffnn_fast._scalars import as_generator, as_int
from ffnn_fast._training.stopping import EarlyStopping
from ffnn_fast.metrics import r2
from ffnn_fast.network import Network
from ffnn_fast.optimizers import AdamW
from ffnn_fast.schedules import OneCycle
from ffnn_fast.tabular._augmentation import augmented
from ffnn_fast.tabular._folds import one_split
from ffnn_fast.tabular._inputs import TableInputs

Array = np.ndarray
ROW_TIMINGS = 31  # of which the median is reported


@public("ffnn_fast.tabular")
@dataclass(frozen=True)
class DistillationReport:
    """A student beside its teacher.

    Attributes
    ----------
    agreement : float
        On rows held out from the student: the share of equal classes, or R² of the student's values
        with the teacher's as the truth.
    teacher_score, student_score : float
        Accuracy or R² on the same rows, out of fold for the teacher.
    teacher_microseconds, student_microseconds : float
        Time of `predict` for one raw row, median of 31.
    """

    agreement: float
    teacher_score: float
    student_score: float
    teacher_microseconds: float
    student_microseconds: float


@public("ffnn_fast.tabular")
class Student:
    """The network of `distill` with the encoding of its inputs; it predicts as its teacher does.

    Attributes
    ----------
    network : Network
        Its inputs are encoded rows; `Network.export_c` writes it as C.
    classes_ : ndarray of shape (n_classes,)
        Of a classifier.
    report : DistillationReport
    """

    network: Network
    report: DistillationReport

    def __init__(
        self,
        network: Network,
        inputs: TableInputs,
        classes: Array | None,
        mean: float,
        scale: float,
    ) -> None:
        self.network = network
        self._inputs, self._mean, self._scale = inputs, mean, scale
        if classes is not None:
            self.classes_ = classes

    def encode(self, X: Any) -> Array:
        """Rows of a table as inputs of the network, (n, n_0) float32."""
        return self._inputs.transform(table_of(X))

    def predict(self, X: Any) -> Array:
        """Classes or values, (n,)."""
        y_hat = self.network.forward(self.encode(X))
        if hasattr(self, "classes_"):
            return np.asarray(self.classes_[y_hat.argmax(axis=1)])
        return np.asarray(y_hat[:, 0] * self._scale + self._mean, np.float64)

    def predict_proba(self, X: Any) -> Array:
        """Probabilities of ``classes_``, (n, n_classes).

        Raises
        ------
        AttributeError
            If the teacher predicts values.
        """
        if not hasattr(self, "classes_"):
            raise AttributeError("the student of a regressor has no predict_proba; use predict")
        return self.network.forward(self.encode(X))


def distill(
    teacher: Any, X: Any, y: Any, *, hidden: tuple[int, ...] = (64, 64), epochs: int = 100,
    copies: int = 4, folds: int = 5, seed: int | np.random.Generator | None = None,
) -> Student:  # fmt: skip
    """Train a small network on what a fitted model predicts (G. Hinton et al., 2015).

    The network learns the teacher's out-of-fold probabilities or values for the rows, from clones
    that have not seen them, and the fitted teacher's for `copies` augmented rows each, in which
    values are exchanged between similar rows (C. Bucilă et al., 2006).

    Parameters
    ----------
    teacher : fitted estimator
        Of scikit-learn's form: ``predict``, and ``predict_proba`` if it classifies; `clone` must
        copy it. A pipeline may be one.
    X : table or array-like of shape (n, d)
        Raw rows, as the teacher takes them.
    y : array-like of shape (n,)
        Their targets.
    hidden : tuple of int, default (64, 64)
        Units of the student's hidden layers, with silu.
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
    folds, hidden = as_int(folds, "folds", 2), tuple(as_int(n, "hidden") for n in hidden)
    table, y = table_of(X), np.asarray(y)
    _check(teacher, table, y)
    classifies = is_classifier(teacher)
    method = "predict_proba" if classifies else "predict"
    inputs = TableInputs.fit(table, coded=False)
    rows = inputs.transform(table)
    own = _outputs(cross_val_predict(clone(teacher), X, y, cv=folds, method=method))
    mean, scale = (0.0, 1.0) if classifies else (float(own.mean()), float(own.std()) or 1.0)
    kept, held = one_split(len(y), 0.2, rng)
    encoded, truth = rows[kept], own[kept]
    if copies:
        more = augmented(_taken(X, kept), rows[kept], copies, rng)
        encoded = np.concatenate([encoded, inputs.transform(table_of(more))])
        truth = np.concatenate([truth, _outputs(getattr(teacher, method)(more))])
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
    student = Student(net, inputs, teacher.classes_ if classifies else None, mean, scale)
    student.report = _report(teacher, student, _taken(X, held), y[held], own[held])
    return student


def _check(teacher: Any, table: Table, y: Array) -> None:
    if is_classifier(teacher) and not hasattr(teacher, "predict_proba"):
        raise TypeError(f"the teacher must have predict_proba, got {type(teacher).__name__}")
    if not hasattr(teacher, "predict"):
        raise TypeError(f"the teacher must have predict, got {type(teacher).__name__}")
    if y.shape != (table.n_rows,):
        raise ValueError(f"y must have shape ({table.n_rows},), one entry a row, got {y.shape}")


def _outputs(predicted: Any) -> Array:
    """Probabilities or values, (n, K), float64."""
    array = np.asarray(predicted, np.float64)
    if array.ndim > 2:
        raise ValueError(f"the teacher must predict one column of targets, got {array.shape}")
    return array[:, None] if array.ndim == 1 else array


def _taken(X: Any, rows: Array) -> Any:
    """Some rows of a data frame or an array."""
    return X.iloc[rows] if hasattr(X, "iloc") else np.asarray(X)[rows]


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
