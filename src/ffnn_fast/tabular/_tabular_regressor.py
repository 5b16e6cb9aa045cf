"""TabularRegressor."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils.validation import check_array, check_consistent_length, check_is_fitted

from ffnn_fast._errstate import ignoring
from ffnn_fast._public import public
from ffnn_fast._scalars import as_float, as_int
from ffnn_fast.tabular._calibration import conformal_width, shrinkage
from ffnn_fast.tabular._explanation import Explanation
from ffnn_fast.tabular._members import Rows
from ffnn_fast.tabular._tabular_estimator import BaseTabular

Array = np.ndarray
LARGEST = np.finfo(np.float64).max


@public("ffnn_fast.tabular")
class TabularRegressor(RegressorMixin, BaseTabular):
    """A bag of networks that predicts values for the rows of a table.

    Targets are standardised, and predictions lie in the range of the training targets.

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

    _task: ClassVar[str] = "values"
    _output: ClassVar[str] = "identity"

    def predict(self, X: Any) -> Array:
        """The predicted values.

        Parameters
        ----------
        X : table or array-like of shape (n, d)
            As in `fit`.

        Returns
        -------
        ndarray of shape (n,) or (n, n_outputs)

        Raises
        ------
        NotFittedError
            Before `fit`.
        TypeError, ValueError
            If X has not the columns of the training rows.
        """
        values = self._mean_outputs(X)
        return values[:, 0] if self._one_column else values

    def predict_interval(self, X: Any, coverage: float = 0.9) -> tuple[Array, Array]:
        """Ends of intervals that hold the target of a new row with a probability of `coverage`.

        The half-width is the conformal quantile of the absolute out-of-fold residuals, the same for
        every row (J. Lei et al., 2018), times the ratio of the errors of the bag and of one
        network. The probability is that over all rows, which must be exchangeable with the training
        rows. Residuals are those of one network each, and the mean of K networks errs less: by
        E(y − mean)² = E(y − ŷ_k)² − V (K − 1)/K, V being the variance among the networks, which is
        taken from up to 1000 training rows.

        Parameters
        ----------
        X : table or array-like of shape (n, d)
        coverage : float, default 0.9
            In (0, 1).

        Returns
        -------
        low, high : ndarray of shape (n,) or (n, n_outputs)
            Infinite if there are too few training rows for the coverage.

        Raises
        ------
        TypeError, ValueError
            If an argument is not as described.
        """
        coverage = as_float(coverage, "coverage", high=1.0)
        values = self._mean_outputs(X)
        widths = self._shrinkage * [conformal_width(r, coverage) for r in self._residuals.T]
        low, high = values - widths, values + widths
        return (low[:, 0], high[:, 0]) if self._one_column else (low, high)

    def explain(self, X: Any, output: int = 0) -> Explanation:
        """How much each column contributes to a predicted value, before it is clipped.

        Parameters
        ----------
        X : table or array-like of shape (n, d)
        output : int, default 0
            Which of several columns of values.

        Returns
        -------
        Explanation

        Raises
        ------
        TypeError, ValueError
            If there is no such output.
        """
        check_is_fitted(self)
        place = as_int(output, "output", 0, len(self.target_mean_) - 1)
        scale, mean = self.target_scale_[place], self.target_mean_[place]

        def value_and_slopes(y_hat: Array) -> tuple[Array, Array]:
            slopes = np.zeros(y_hat.shape)
            slopes[:, place] = scale
            return y_hat[:, place].astype(np.float64) * scale + mean, slopes

        return self._explained(X, value_and_slopes)

    def _fitted_targets(self, y: Any, n: int, weight: Array | None) -> Array:
        y = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y")
        check_consistent_length(y, np.empty(n))
        self._one_column = y.ndim == 1
        y = y.reshape(len(y), -1)
        counted = y if weight is None else y[weight > 0]
        self.target_mean_, scale = ignoring("over invalid", _mean_and_deviation, counted)
        if not (np.isfinite(self.target_mean_) & np.isfinite(scale)).all():
            raise ValueError("the variance of y is beyond float64; divide y by a power of ten")
        self.target_scale_ = np.where(scale > 0, scale, 1.0)
        self.target_range_ = np.stack([counted.min(axis=0), counted.max(axis=0)])
        if not self._recipe().clips:
            self.target_range_[:] = [[-LARGEST], [LARGEST]]
        return ((y - self.target_mean_) / self.target_scale_).astype(np.float32)

    def _widths(self) -> tuple[int, ...]:
        return (len(self.target_mean_),)

    def _calibrate(self, y_hat: Array, rows: Rows, of_bag: Array) -> None:
        values = rows.y.astype(np.float64) * self.target_scale_ + self.target_mean_
        self._residuals = values - self._predicted(y_hat)
        self._shrinkage = shrinkage(self._residuals, self._predicted(of_bag))

    def _predicted(self, y_hat: Array) -> Array:
        low, high = self.target_range_
        values = y_hat * self.target_scale_
        values += self.target_mean_
        np.maximum(values, low, out=values)
        return np.minimum(values, high, out=values)

    def _fitted_to_dict(self) -> dict[str, Any]:
        return {
            "one_column": self._one_column,
            "mean": self.target_mean_.tolist(),
            "scale": self.target_scale_.tolist(),
            "range": self.target_range_.tolist(),
            "shrinkage": self._shrinkage.tolist(),
        }

    def _fitted_arrays(self) -> dict[str, Array]:
        return {**super()._fitted_arrays(), "residuals": self._residuals}

    def _fitted_from_dict(self, plain: dict[str, Any], arrays: dict[str, Array]) -> None:
        self._one_column = bool(plain["one_column"])
        self.target_mean_ = np.array(plain["mean"], np.float64)
        self.target_scale_ = np.array(plain["scale"], np.float64)
        self.target_range_ = np.array(plain["range"], np.float64)
        self._shrinkage = np.array(plain["shrinkage"], np.float64)
        self._residuals = arrays["residuals"]
        T = len(self.target_mean_)
        shapes = (
            self.target_scale_.shape,
            self._shrinkage.shape,
            self.target_range_.shape,
            self._residuals.shape[1:],
        )
        if shapes != ((T,), (T,), (2, T), (T,)) or (self._one_column and T != 1):
            raise ValueError(f"the shapes for {T} targets do not fit: {shapes}")

    def __sklearn_tags__(self) -> Any:
        """Tags of scikit-learn: several columns of values are allowed."""
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def _mean_and_deviation(y: Array) -> tuple[Array, Array]:
    return y.mean(axis=0), y.std(axis=0)
