"""TabularClassifier."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from scipy.special import softmax
from sklearn.base import ClassifierMixin
from sklearn.utils import assert_all_finite
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, check_is_fitted, column_or_1d

from ffnn_fast._public import public
from ffnn_fast.tabular._calibration import temperature_of
from ffnn_fast.tabular._explanation import Explanation
from ffnn_fast.tabular._members import Rows
from ffnn_fast.tabular._tabular_estimator import BaseTabular

Array = np.ndarray
SMALLEST = 1e-30  # a float32 probability of which the logarithm is taken


@public("ffnn_fast.tabular")
class TabularClassifier(ClassifierMixin, BaseTabular):
    """A bag of networks that classifies the rows of a table.

    The networks have the recipe of RealMLP-TD (D. Holzmüller, L. Grinsztajn, I. Steinwart, "Better
    by Default", NeurIPS 2024): trained embeddings of numbers and categories, a trained scale of the
    inputs, parametric activations, the schedule `CosLog`, and initial parameters from the rows.
    Each network is trained on all rows but a fold, and keeps the epoch with the least loss there.

    Parameters
    ----------
    preset : {"default", "fast", "realmlp"}, default "default"
        ``default``: 4 networks of 3 × 128 units, 128 epochs; ``fast``: the same with 32 epochs;
        ``realmlp``: one network of 3 × 256 units, 256 epochs in batches of 256, judged on a fifth
        of the rows. Other than in the paper, the last short batch of an epoch is trained on too,
        and the epoch is chosen by the loss.
    n_networks, epochs : int, optional
        In place of those of the preset.
    categorical_features : sequence of str or int, optional
        Columns of numbers, by name or by place, that are categories.
    numeric_features : sequence of str or int, optional
        Columns of numbers that are used although they seem to number the rows.
    max_time : float, optional
        Seconds after which the fit ends with the epochs so far; the networks that have not begun
        are left out. Default: no limit.
    n_threads : int, optional
        Networks that are trained at a time; default: as in `ffnn_fast.Network`. The result does not
        depend on it.
    random_state : int, RandomState or None, default None

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    temperature_ : float
        T of softmax(log ŷ / T), from the rows out of fold (C. Guo et al., 2017).
    columns_ : dict of str to str
        How each column is used: as a number, a category, a date, or left out and why.
    feature_importances_ : ndarray of shape (d,)
        Permutation importances out of fold, with sum 1; `importances_` has the rise of the loss.
    networks_ : list of Network
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
        ndarray of shape (n,)

        Raises
        ------
        NotFittedError
            Before `fit`.
        TypeError, ValueError
            If X has not the columns of the training rows.
        """
        proba = self.predict_proba(X)
        return np.asarray(self.classes_[proba.argmax(axis=1)])

    def predict_proba(self, X: Any) -> Array:
        """Calibrated probabilities of ``classes_``, (n, n_classes); otherwise as `predict`."""
        return self._mean_outputs(X)

    def predict_log_proba(self, X: Any) -> Array:
        """Logarithms of `predict_proba`."""
        return np.log(self.predict_proba(X))

    def explain(self, X: Any, target: Any = None) -> Explanation:
        """How much each column contributes to the probability of a class.

        Parameters
        ----------
        X : table or array-like of shape (n, d)
        target : optional
            The class; default: the last of ``classes_``, which is the positive one of two.

        Returns
        -------
        Explanation

        Raises
        ------
        ValueError
            If `target` is no class.
        """
        check_is_fitted(self)
        place = len(self.classes_) - 1
        if target is not None:
            found = np.flatnonzero(self.classes_ == target)
            if not len(found):
                raise ValueError(f"target must be one of classes_, got {target!r}")
            place = int(found[0])
        return self._explained(X, lambda y_hat: self._probability_and_slopes(y_hat, place))

    def _probability_and_slopes(self, y_hat: Array, c: int) -> tuple[Array, Array]:
        """The calibrated probability q_c of outputs ŷ, (n,), and its gradient, (n, K).

        With q = softmax(log ŷ / T): ∂q_c/∂ŷ_j = q_c (δ_cj − q_j) / (T ŷ_j).
        """
        y_hat = np.maximum(y_hat, SMALLEST)
        q = self._predicted(y_hat)
        slopes = -q
        slopes[:, c] += 1
        return q[:, c], q[:, c : c + 1] * slopes / (self.temperature_ * y_hat)

    def _fitted_targets(self, y: Any, n: int, weight: Array | None) -> Array:
        y = column_or_1d(y, warn=True)
        assert_all_finite(y, input_name="y")
        check_classification_targets(y)
        check_consistent_length(y, np.empty(n))
        self.classes_, labels = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"y has one class only, {self.classes_[0]!r}; two are needed")
        return labels.astype(np.int64)

    def _n_network_outputs(self) -> int:
        return len(self.classes_)

    def _calibrate(self, y_hat: Array, rows: Rows) -> None:
        logits = np.log(np.maximum(y_hat, SMALLEST))
        self.temperature_ = temperature_of(logits, rows.y, rows.weight)

    def _predicted(self, y_hat: Array) -> Array:
        logits = np.log(np.maximum(y_hat, SMALLEST).astype(np.float64))
        return np.asarray(softmax(logits / self.temperature_, axis=1))

    def _fitted_to_dict(self) -> dict[str, Any]:
        if self.classes_.dtype.kind not in "biufUO":
            raise TypeError(f"classes of dtype {self.classes_.dtype} cannot be saved")
        classes, kind = self.classes_.tolist(), self.classes_.dtype.str
        if not all(isinstance(one, (bool, int, float, str)) for one in classes):
            raise TypeError(f"classes must be numbers, bools or texts to be saved, got {classes}")
        return {"classes": classes, "dtype": kind, "temperature": self.temperature_}

    def _fitted_from_dict(self, plain: dict[str, Any]) -> None:
        self.classes_ = np.array(plain["classes"], dtype=np.dtype(plain["dtype"]))
        self.temperature_ = float(plain["temperature"])
