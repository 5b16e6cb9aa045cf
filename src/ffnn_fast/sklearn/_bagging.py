"""BaggedMLPClassifier and BaggedMLPRegressor: several networks that predict together."""

from __future__ import annotations

from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    MetaEstimatorMixin,
    RegressorMixin,
    _fit_context,
    clone,
    is_classifier,
)
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _check_sample_weight,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from ffnn_fast._public import public
from ffnn_fast._runtime.threads import resolve
from ffnn_fast._runtime.worker_threads import run_each
from ffnn_fast.sklearn._classifier import MLPClassifier
from ffnn_fast.sklearn._regressor import MLPRegressor
from ffnn_fast.sklearn._side_by_side import Stop, for_one_thread

Array = np.ndarray
FLOATS = (np.float64, np.float32)


class BaseBag(MetaEstimatorMixin, BaseEstimator):
    """Parameters and methods of both bags."""

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "estimator": [HasMethods(["fit", "predict"]), None],
        "n_networks": [Interval(Integral, 1, None, closed="left")],
        "resample": [StrOptions({"none", "bootstrap", "folds"})],
        "n_threads": [Integral, None],
        "random_state": ["random_state"],
    }
    _default: ClassVar[type]

    def __init__(
        self,
        estimator: Any = None,
        *,
        n_networks: int = 10,
        resample: str = "bootstrap",
        n_threads: int | None = None,
        random_state: Any = None,
    ) -> None:
        self.estimator = estimator
        self.n_networks = n_networks
        self.resample = resample
        self.n_threads = n_threads
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None) -> Self:
        """Fit all networks, one a thread.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,), or (n_samples, n_outputs) for a regressor
        sample_weight : array-like of shape (n_samples,), optional

        Returns
        -------
        self

        Raises
        ------
        TypeError, ValueError
            If an argument or parameter is not as described.
        """
        base = self._default() if self.estimator is None else clone(self.estimator)
        _check_kind(self, base)
        X, y = validate_data(
            self, X, y, dtype=FLOATS, order="C", multi_output=True, y_numeric=self._y_numeric
        )
        y = self._checked_targets(y)
        weight = None
        if sample_weight is not None:
            weight = _check_sample_weight(sample_weight, X, dtype=np.float64)
        rng = check_random_state(self.random_state)
        n, M = len(X), int(self.n_networks)
        splits = self._splits(n, M, y, rng)
        stop = Stop()
        own = base.get_params(deep=True)
        changed = for_one_thread(base, stop)
        seeds = rng.randint(2**31 - 1, size=M)

        def fitted(i: int) -> Any:
            one = clone(base).set_params(**changed)
            if "random_state" in own:
                one.set_params(random_state=int(seeds[i]))
            self._fit_one(one, X, y, weight, splits[i])
            return one.set_params(**{name: own[name] for name in changed})

        n_threads = resolve(None if self.n_threads is None else int(self.n_threads))
        self.estimators_ = run_each(fitted, range(M), n_threads, stop.end)
        self.oof_prediction_ = self._out_of_sample(X, splits) if splits[0] is not None else None
        return self

    def _splits(self, n: int, M: int, y: Array, rng: Any) -> list[tuple[Array, Array] | None]:
        """For each network the rows to train on, and the others; None: all."""
        if self.resample == "none":
            return [None] * M
        if self.resample == "bootstrap":
            drawn = [self._drawn(n, y, rng) for _ in range(M)]
            return [(rows, np.setdiff1d(np.arange(n), rows)) for rows in drawn]
        kind = KFold if self._y_numeric or y.ndim == 2 else StratifiedKFold
        folds = kind(M, shuffle=True, random_state=rng.randint(2**31 - 1))
        return list(folds.split(np.empty((n, 1)), None if kind is KFold else y))

    def _drawn(self, n: int, y: Array, rng: Any) -> Array:
        """n rows drawn with replacement."""
        return np.asarray(rng.randint(n, size=n))

    def _fit_one(self, one: Any, X: Array, y: Array, weight: Array | None, split: Any) -> None:
        """Fit an estimator to its rows; a bootstrap sample counts them by their weights."""
        if split is None:
            one.fit(X, y, **({} if weight is None else {"sample_weight": weight}))
        elif self.resample == "bootstrap":
            counts = np.bincount(split[0], minlength=len(X)).astype(np.float64)
            one.fit(X, y, sample_weight=counts if weight is None else counts * weight)
        else:
            kept = split[0]
            given = {} if weight is None else {"sample_weight": weight[kept]}
            one.fit(X[kept], y[kept], **given)

    def _out_of_sample(self, X: Array, splits: list[Any]) -> Array:
        """The mean prediction of each row by the networks that were not trained on it."""
        total: Array | None = None
        count = np.zeros(len(X))
        for one, (_, others) in zip(self.estimators_, splits, strict=True):
            if not len(others):
                continue
            found = self._outputs(one, X[others])
            if total is None:
                total = np.zeros((len(X), *found.shape[1:]))
            total[others] += found
            count[others] += 1
        if total is None:
            return np.full(len(X), np.nan)
        count[count == 0] = np.nan
        return total / count.reshape(-1, *[1] * (total.ndim - 1))

    def _mean(self, X: Any) -> Array:
        """The mean of what the networks predict."""
        found = self._all_outputs(X)
        return np.mean(found, axis=0)

    def _all_outputs(self, X: Any) -> list[Array]:
        check_is_fitted(self)
        X = validate_data(self, X, dtype=FLOATS, order="C", reset=False)
        return [self._outputs(one, X) for one in self.estimators_]

    def spread(self, X: Any) -> npt.NDArray[np.floating]:
        """The standard deviation of the prediction over the networks.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray
            Of the probabilities of a classifier, (n_samples, n_classes); of the values of a
            regressor, as from `predict`. 0 for one network.
        """
        found = self._all_outputs(X)
        return np.asarray(np.std(found, axis=0, ddof=min(1, len(found) - 1)))

    _y_numeric: ClassVar[bool]

    def _checked_targets(self, y: Any) -> Array:
        raise NotImplementedError

    def _outputs(self, one: Any, X: Array) -> Array:
        raise NotImplementedError


def _check_kind(bag: BaseBag, estimator: Any) -> None:
    """Raise TypeError unless an estimator predicts what a bag of it needs."""
    if is_classifier(bag) and not hasattr(estimator, "predict_proba"):
        needed = "a classifier with predict_proba"
    elif not is_classifier(bag) and is_classifier(estimator):
        needed = "a regressor"
    else:
        return
    kind = type(estimator).__name__
    raise TypeError(f"estimator of {type(bag).__name__} must be {needed}, got {kind}")


@public("ffnn_fast.sklearn")
class BaggedMLPClassifier(ClassifierMixin, BaseBag):
    """Several classifiers, fitted one a thread, whose mean probabilities predict.

    Parameters
    ----------
    estimator : MLPClassifier, optional
        What is cloned; default: ``MLPClassifier()``. Each clone has its own ``random_state``.
    n_networks : int, default 10
    resample : {"bootstrap", "folds", "none"}, default "bootstrap"
        ``bootstrap``: each is trained on n rows drawn with replacement, by weights that count
        them, so that no row is copied; every class keeps a row. ``folds``: on all but one of
        `n_networks` stratified folds. ``none``: on all rows, from different initial weights.
    n_threads : int, optional
        Networks at a time; default and negative numbers as in `ffnn_fast.Network`.
    random_state : int, RandomState or None, optional
        The result depends on it, and not on the number of threads.

    Attributes
    ----------
    estimators_ : list of MLPClassifier
    classes_ : ndarray of shape (n_classes,)
    oof_prediction_ : ndarray of shape (n_samples, n_classes) or None
        Mean probabilities of each training row by the networks that were not trained on it, NaN
        where there is none; None with ``resample="none"``.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from ffnn_fast.sklearn import BaggedMLPClassifier, MLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> net = MLPClassifier(solver="lbfgs", alpha=0.1, max_iter=1000)
    >>> bag = BaggedMLPClassifier(net, n_networks=5, resample="folds", random_state=0).fit(X, y)
    >>> float((bag.oof_prediction_.argmax(axis=1) == y).mean()) > 0.9
    True
    """

    _default = MLPClassifier
    _y_numeric = False

    def predict_proba(self, X: Any) -> npt.NDArray[np.floating]:
        """Mean probabilities of the classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Columns in the order of ``classes_``.
        """
        return self._mean(X)

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """The class with the highest mean probability.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        probable = self._mean(X).argmax(axis=1)
        return np.asarray(self.classes_.take(probable))

    def _checked_targets(self, y: Any) -> Array:
        check_classification_targets(y)
        y = column_or_1d(y, warn=True)
        self.classes_ = np.unique(y)
        return np.asarray(y)

    def _drawn(self, n: int, y: Array, rng: Any) -> Array:
        """As the base, with a row of every class."""
        drawn = super()._drawn(n, y, rng)
        for label in np.setdiff1d(self.classes_, y[drawn]):
            drawn = np.append(drawn, rng.choice(np.flatnonzero(y == label)))
        return drawn

    def _outputs(self, one: Any, X: Array) -> Array:
        """Probabilities in the order of ``classes_``; 0 for classes that a fold did not have."""
        found = one.predict_proba(X)
        if len(one.classes_) == len(self.classes_):
            return np.asarray(found)
        whole = np.zeros((len(X), len(self.classes_)), found.dtype)
        whole[:, np.searchsorted(self.classes_, one.classes_)] = found[:, : len(one.classes_)]
        return whole


@public("ffnn_fast.sklearn")
class BaggedMLPRegressor(RegressorMixin, BaseBag):
    """Several regressors, fitted one a thread, whose mean predicts.

    Parameters
    ----------
    estimator : MLPRegressor, optional
        What is cloned; default: ``MLPRegressor()``. Each clone has its own ``random_state``.
    n_networks : int, default 10
    resample : {"bootstrap", "folds", "none"}, default "bootstrap"
        As in `BaggedMLPClassifier`, without classes.
    n_threads, random_state : optional
        As in `BaggedMLPClassifier`.

    Attributes
    ----------
    estimators_ : list of MLPRegressor
    oof_prediction_ : ndarray of shape (n_samples,) or (n_samples, n_outputs), or None
        The mean prediction of each training row by the networks that were not trained on it, NaN
        where there is none; None with ``resample="none"``.

    Examples
    --------
    >>> import numpy as np
    >>> from ffnn_fast.sklearn import BaggedMLPRegressor, MLPRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 2))
    >>> y = X[:, 0] - X[:, 1]
    >>> net = MLPRegressor(
    ...     hidden_layer_sizes=(8,), learning_rate_init=0.01, max_iter=1000, tol=1e-3
    ... )
    >>> bag = BaggedMLPRegressor(net, n_networks=4, random_state=0).fit(X, y)
    >>> bag.score(X, y) > 0.9, bag.spread(X).shape
    (True, (200,))
    """

    _default = MLPRegressor
    _y_numeric = True

    def predict(self, X: Any) -> npt.NDArray[np.floating]:
        """The mean of the predictions.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
        """
        return self._mean(X)

    def _checked_targets(self, y: Any) -> Array:
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        return np.asarray(y)

    def _outputs(self, one: Any, X: Array) -> Array:
        return np.asarray(one.predict(X))
