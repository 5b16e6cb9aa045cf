"""TabularClassifier."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.exceptions import DataConversionWarning
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from ffnn_fast._model.predictions import LEAST_PROBABILITY
from ffnn_fast._public import public
from ffnn_fast._scalars import as_int
from ffnn_fast._text import quoted
from ffnn_fast.tabular._calibration import calibration_error, temperature_of
from ffnn_fast.tabular._explanation import Explanation
from ffnn_fast.tabular._labels import COLUMNS, INDICATORS, ONE, Labels, fit_labels
from ffnn_fast.tabular._members import Rows
from ffnn_fast.tabular._tabular_estimator import BaseTabular

Array = np.ndarray
Probabilities = Array | list[Array]


@public("ffnn_fast.tabular")
class TabularClassifier(ClassifierMixin, BaseTabular):
    """A bag of networks that classifies the rows of a table.

    The networks have the recipe of RealMLP-TD (D. Holzmüller, L. Grinsztajn, I. Steinwart, "Better
    by Default", NeurIPS 2024): trained embeddings of numbers and categories, a trained scale of the
    inputs, parametric activations, the schedule `CosLog`, and initial parameters from the rows.
    Each network of a bag is trained on all rows but a fold. Out of fold, the bag is chosen that has
    the least loss: the networks at the end of the third or of the fourth cycle of the rate or both,
    with none, some or as many linear models of the same rows, or these alone.

    Parameters
    ----------
    preset : {"default", "fast", "realmlp", "realmlp-s"}, default "default"
        ``default``: a bag chosen of 8 networks of 3 × 96 units, trained for 48 epochs, and of
        linear models; ``fast``: of 4 networks, 24 epochs;
        ``realmlp``: RealMLP-TD as its authors' package pytabkit trains it, one network of 3 × 256
        units, 256 epochs in batches of 256, judged on a fifth of the rows, of which it keeps the
        last epoch with the least error; ``realmlp-s``: likewise their simpler RealMLP-TD-S.
    n_networks, epochs : int, optional
        In place of those of the preset; ``default`` and ``fast`` train 2 networks at least.
    categorical_features : sequence of str or int, optional
        Columns of numbers, by name or by place, that are categories.
    numeric_features : sequence of str or int, optional
        Columns of numbers that are used although they seem to number the rows.
    max_time : float, optional
        About how many seconds the whole fit may take. So many epochs are planned, if necessary of
        fewer networks, as some steps at the start let expect. Default: no limit.
    n_threads : int, optional
        Networks that are trained at a time, and threads of the prediction of many rows; default: as
        in `ffnn_fast.Network`. Without `max_time` the result does not depend on it.
    random_state : int, RandomState or None, default None
    verbose : bool, default False
        Show one progress bar over the epochs of all networks, as `ffnn_fast.callbacks.ProgressBar`.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,), or for several columns of y a list of such
    temperature_ : float, or list of one for each column
        T of softmax(log ŷ / T), from the rows out of fold (C. Guo et al., 2017).
    calibration_error_ : float, or list of one for each column
        Expected calibration error of `oof_prediction_` in 15 bins of equal counts.
    columns_ : dict of str to str
        How each column is used: as a number, a category, a date, or left out and why.
    feature_importances_ : ndarray of shape (d,)
        Permutation importances out of fold, with sum 1; `importances_` has the rise of the loss.
    networks_ : list of Network
        Of the bag; linear models have the same form, with α = 0.
    histories_ : list of History
    oof_prediction_ : ndarray of shape (n, n_L)
        Predictions out of fold, NaN for rows in no fold.

    Raises
    ------
    ValueError
        From `fit`, if a parameter is not as described.
    """

    _task: ClassVar[str] = "classes"
    _output: ClassVar[str] = "softmax"

    def predict(self, X: Any) -> Array:
        """The most probable class of each row.

        Parameters
        ----------
        X : table or array-like of shape (n, d)
            As in `fit`.

        Returns
        -------
        ndarray of shape (n,) or (n, n_columns)
            Of objects if the classes of some columns are of another type than those of others.

        Raises
        ------
        NotFittedError
            Before `fit`.
        TypeError, ValueError
            If X has not the columns of the training rows.
        """
        proba = self._mean_outputs(X)
        return self._labels.predicted(proba)

    def predict_proba(self, X: Any) -> Probabilities:
        """Calibrated probabilities of ``classes_``; otherwise as `predict`.

        Returns
        -------
        ndarray of shape (n, n_classes), or a list of such
            One for each of several columns of y; if these were columns of 0 and 1, an ndarray of
            shape (n, n_columns) with the probabilities of 1.
        """
        return self._by_column(self._mean_outputs(X))

    def predict_log_proba(self, X: Any) -> Probabilities:
        """Logarithms of `predict_proba`."""
        return self._by_column(np.log(self._mean_outputs(X)))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Accuracy; for several columns the share of the rows with all labels correct.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`.

        Returns
        -------
        float
        """
        check_is_fitted(self)
        if self._labels.form != COLUMNS:
            return float(super().score(X, y, sample_weight))
        truth, predicted = np.asarray(y), self.predict(X)
        if truth.shape != predicted.shape:
            raise ValueError(f"y must have shape {predicted.shape}, got {truth.shape}")
        return float(np.average((truth == predicted).all(axis=1), weights=sample_weight))

    def explain(self, X: Any, target: Any = None, column: int = 0) -> Explanation:
        """How much each column of X contributes to the probability of a class.

        Parameters
        ----------
        X : table or array-like of shape (n, d)
        target : optional
            The class; default: the last of ``classes_``, which is the positive one of two.
        column : int, default 0
            Which of several columns of y.

        Returns
        -------
        Explanation

        Raises
        ------
        ValueError
            If `target` is no class, or there is no such column.
        """
        check_is_fitted(self)
        labels = self._labels
        column = as_int(column, "column", 0, len(labels.classes) - 1)
        classes = labels.classes[column]
        place = len(classes) - 1
        if target is not None:
            found = [i for i, one in enumerate(classes) if one == target]
            if not found:
                raise ValueError(f"target must be one of classes_, got {quoted(target)}")
            place = found[0]
        first = sum(labels.widths[:column])
        own = slice(first, first + len(classes))
        return self._explained(X, lambda y_hat: self._probability_and_slopes(y_hat, own, place))

    def _probability_and_slopes(self, y_hat: Array, own: slice, c: int) -> tuple[Array, Array]:
        """The calibrated probability q_c of outputs ŷ, (n,), and its gradient, (n, n_L).

        With q = softmax(log ŷ / T) of the column's outputs: ∂q_c/∂ŷ_j = q_c (δ_cj − q_j) / (T ŷ_j).
        """
        y_hat = np.maximum(y_hat, LEAST_PROBABILITY)
        q = self._predicted(y_hat)[:, own]
        T = self._temperatures[own][0]
        slopes = np.zeros(y_hat.shape)
        slopes[:, own] = -q
        slopes[:, own.start + c] += 1
        slopes[:, own] *= q[:, c : c + 1] / (T * y_hat[:, own])
        return q[:, c], slopes

    @property
    def classes_(self) -> Any:
        """The classes, sorted; a list of those of each of several columns."""
        if not hasattr(self, "_labels"):
            raise AttributeError("classes_ is there after fit")
        classes = self._labels.classes
        return classes[0] if self._labels.form == ONE else list(classes)

    @property
    def temperature_(self) -> Any:
        """T of softmax(log ŷ / T); a list of those of each of several columns."""
        if not hasattr(self, "_T"):
            raise AttributeError("temperature_ is there after fit")
        return self._T[0] if self._labels.form == ONE else list(self._T)

    @property
    def calibration_error_(self) -> Any:
        """Expected calibration error out of fold; a list of those of each of several columns."""
        if not hasattr(self, "_errors"):
            raise AttributeError("calibration_error_ is there after fit")
        return self._errors[0] if self._labels.form == ONE else list(self._errors)

    def _by_column(self, values: Array) -> Probabilities:
        """What `predict_proba` returns of the values of all columns, (n, n_L)."""
        labels = self._labels
        if labels.form == ONE:
            return values
        return values[:, 1::2] if labels.form == INDICATORS else labels.split(values)

    def _fitted_targets(self, y: Any, n: int, weight: Array | None) -> Array:
        if getattr(y, "ndim", 1) == 2 and getattr(y, "shape", (0, 0))[1] == 1:
            warnings.warn(
                "A column-vector y was passed when a 1d array was expected. Please change the "
                "shape of y to (n_samples, ), for example using ravel().",
                DataConversionWarning, stacklevel=4,
            )  # fmt: skip
        self._labels, labels = fit_labels(y)
        check_consistent_length(labels, np.empty(n))
        return labels

    def _widths(self) -> tuple[int, ...]:
        return self._labels.widths

    def _calibrate(self, y_hat: Array, rows: Rows, of_bag: Array) -> None:
        logits = self._labels.split(np.log(np.maximum(y_hat, LEAST_PROBABILITY)))
        labels = rows.y.reshape(len(rows.y), -1).T
        self._T = [temperature_of(*pair, rows.weight) for pair in zip(logits, labels, strict=True)]
        self._set_temperatures()
        proba = self._labels.split(self._predicted(y_hat))
        self._errors = [
            calibration_error(*pair, rows.weight) for pair in zip(proba, labels, strict=True)
        ]

    def _set_temperatures(self) -> None:
        self._temperatures = np.repeat(self._T, self._labels.widths)

    def _predicted(self, y_hat: Array) -> Array:
        logits = np.log(np.maximum(y_hat, LEAST_PROBABILITY), dtype=np.float64)
        logits /= self._temperatures
        if self._labels.form == ONE:
            return _softmax(logits)
        first = 0
        for width in self._labels.widths:
            logits[..., first : first + width] = _softmax(logits[..., first : first + width])
            first += width
        return logits

    def _fitted_to_dict(self) -> dict[str, Any]:
        return {
            "labels": self._labels.to_dict(),
            "temperatures": self._T,
            "calibration_errors": self._errors,
        }

    def _fitted_from_dict(self, plain: dict[str, Any], arrays: dict[str, Array]) -> None:
        self._labels = Labels.from_dict(plain["labels"])
        n = len(self._labels.classes)
        self._T, self._errors = (
            [float(one) for one in plain[name]] for name in ("temperatures", "calibration_errors")
        )
        if not (len(self._T) == len(self._errors) == n and all(T > 0 for T in self._T)):
            raise ValueError(f"expected {n} temperatures > 0 and calibration errors")
        self._set_temperatures()

    def __sklearn_tags__(self) -> Any:
        """Tags of scikit-learn: indicator matrices and several columns of labels are accepted."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        tags.target_tags.multi_output = True
        return tags


def _softmax(logits: Array) -> Array:
    """exp(a) / Σ exp(a) over the last axis."""
    a = logits - np.maximum.reduce(logits, axis=-1, keepdims=True)
    np.exp(a, out=a)
    a /= np.add.reduce(a, axis=-1, keepdims=True)
    return a
