"""Student: a small network of raw rows, in Python and as C."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ffnn_fast._c_code import CExportOptions, export_columns
from ffnn_fast._columns.frames import table_of
from ffnn_fast._public import public
from ffnn_fast.network import Network
from ffnn_fast.tabular._c_columns import raw_columns
from ffnn_fast.tabular._inputs import TableInputs
from ffnn_fast.tabular._prediction import Bag
from ffnn_fast.tabular._rows import few_rows, matrix_of

Array = np.ndarray


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
        Its inputs are encoded rows.
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
        self._bag = Bag([network])
        if classes is not None:
            self.classes_ = classes

    def encode(self, X: Any) -> Array:
        """Rows of a table as inputs of the network, (n, n_0) float32."""
        few = few_rows(X, self._inputs, by_place=True)
        if few is not None:
            return few
        numbers = matrix_of(X, self._inputs, by_place=True)
        if numbers is not None:
            return self._inputs.transform_numbers(numbers)
        return self._inputs.transform(table_of(X))

    def predict(self, X: Any) -> Array:
        """Classes or values, (n,)."""
        y_hat = self._outputs(X)
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
        return self._outputs(X)

    def to_c(
        self,
        path: str | os.PathLike[str],
        *,
        name: str | None = None,
        dtype: str | None = None,
        jacobian: bool = False,
        fortran: bool = False,
    ) -> tuple[Path, ...]:
        """The student as C, of raw rows: a source file of C99 and its header.

        ``<name>_forward`` takes all columns of the table that the student was trained on, in their
        order, and gives what `predict_proba` or `predict` gives. A number is NaN where it is
        missing; a category is the number of its level, which the header lists, any other number an
        unknown or missing level. Columns that are left out are not used.

        Parameters
        ----------
        path, name, dtype, jacobian, fortran
            As for `ffnn_fast.to_c`. With ``dtype="float64"`` raw numbers are not rounded.

        Returns
        -------
        tuple of Path
            The files written.

        Raises
        ------
        TypeError, ValueError, OSError
            As `ffnn_fast.to_c`; ValueError also if a column is a date.
        """
        spec = self.network.spec
        classes = self.classes_ if hasattr(self, "classes_") else None
        columns = raw_columns(self._inputs, classes, self._mean, self._scale)
        options = CExportOptions(name, dtype, jacobian, fortran)
        return export_columns(spec, self.network.params, columns, path, options)

    def _outputs(self, X: Any) -> Array:
        """ŷ of raw rows, (n, n_L); that of a row does not depend on the others."""
        return self._bag.outputs(self.encode(X))[0]
