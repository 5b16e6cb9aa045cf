"""MLPSearchCV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import clone
from sklearn.metrics import get_scorer_names
from sklearn.model_selection import ParameterGrid, ParameterSampler
from sklearn.model_selection._search import BaseSearchCV
from sklearn.utils._param_validation import Interval

from ffnn_fast._public import public
from ffnn_fast._runtime.threads import resolve
from ffnn_fast.metrics import METRICS, Metric, as_metric
from ffnn_fast.sklearn._side_by_side import Stop, for_one_thread

Array = np.ndarray


@public("ffnn_fast.sklearn")
class MLPSearchCV(BaseSearchCV):
    """scikit-learn's search over parameters by cross-validation, with one candidate a thread.

    Candidates are fitted in threads of this process, dealt out as threads become free, each on one
    thread: nothing is pickled, and the engine computes without the GIL. Results are those of
    `sklearn.model_selection.GridSearchCV` and ``RandomizedSearchCV``.

    Parameters
    ----------
    estimator : MLPClassifier, MLPRegressor or Pipeline
        Of `ffnn_fast.sklearn`, alone or at the end of a pipeline.
    param_grid : dict or list of dict
        As for ``GridSearchCV``; with `n_iter` values may be distributions, as for
        ``RandomizedSearchCV``.
    n_iter : int, optional
        Candidates to draw from `param_grid`; default: all of the grid.
    scoring : str, callable, Metric, list or dict, optional
        As in scikit-learn; also a `ffnn_fast.metrics.Metric`, or the name of one that scikit-learn
        does not have, such as ``"rmse"`` or ``"top_2"``, whose sign is such that more is better.
    n_threads : int, optional
        Candidates at a time; default and negative numbers as in `ffnn_fast.Network`.
    refit, cv, verbose, error_score, return_train_score
        As in scikit-learn; ``return_train_score`` is False by default.
    random_state : int, RandomState or None, optional
        Of the draw of `n_iter` candidates.

    Attributes
    ----------
    cv_results_, best_estimator_, best_score_, best_params_, best_index_, scorer_, n_splits_
        As in scikit-learn, as are ``refit_time_``, ``multimetric_`` and ``classes_``.

    Raises
    ------
    TypeError, ValueError
        By `fit`, if a parameter is not as described.

    Notes
    -----
    After Ctrl-C the fits in progress end after their epoch. Each thread has a copy of the rows of
    the fold that it works on.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from ffnn_fast.sklearn import MLPClassifier, MLPSearchCV
    >>> X, y = load_iris(return_X_y=True)
    >>> net = MLPClassifier(solver="lbfgs", max_iter=1000, random_state=0)
    >>> search = MLPSearchCV(net, {"alpha": [0.1, 0.3, 1.0]}, cv=3).fit(X, y)
    >>> len(search.cv_results_["params"]), bool(search.best_score_ > 0.9)
    (3, True)
    """

    estimator: Any
    scoring: Any
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BaseSearchCV._parameter_constraints,
        "scoring": [*BaseSearchCV._parameter_constraints["scoring"], Metric, str],
        "param_grid": [dict, list],
        "n_iter": [Interval(Integral, 1, None, closed="left"), None],
        "n_threads": [Integral, None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator: Any,
        param_grid: Mapping[str, Any] | Sequence[Mapping[str, Any]],
        *,
        n_iter: int | None = None,
        scoring: Any = None,
        n_threads: int | None = None,
        refit: Any = True,
        cv: Any = None,
        verbose: int = 0,
        random_state: Any = None,
        error_score: Any = np.nan,
        return_train_score: bool = False,
    ) -> None:
        super().__init__(
            estimator, scoring=scoring, refit=refit, cv=cv, verbose=verbose,
            error_score=error_score, return_train_score=return_train_score,
        )  # fmt: skip
        self.param_grid = param_grid
        self.n_iter = n_iter
        self.n_threads = n_threads
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None, **params: Any) -> Self:
        """Fit every candidate on every split, then the best one on all rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        **params
            Passed to `fit` of the estimator, such as ``sample_weight``, and to the scorers and the
            splitter by scikit-learn's rules.

        Returns
        -------
        self
        """
        from joblib import parallel_config

        self._validate_params()
        n_threads = resolve(None if self.n_threads is None else int(self.n_threads))
        own, scoring, stop = self.estimator, self.scoring, Stop()
        changed = for_one_thread(own, stop)
        _check_grids(own, self._grids, self.n_iter)
        try:
            self.estimator = clone(own).set_params(**changed)
            self.scoring = _as_scoring(scoring)
            with parallel_config(backend="threading", n_jobs=n_threads):
                super().fit(X, y, **params)
        finally:
            stop.end()  # of fits that an interrupt or an error has left running
            self.estimator, self.scoring = own, scoring
        if hasattr(self, "best_estimator_"):
            before = own.get_params(deep=True)
            self.best_estimator_.set_params(
                **{name: before[name] for name in changed if name not in self.best_params_}
            )
        return self

    @property
    def _grids(self) -> Sequence[Mapping[str, Any]]:
        return [self.param_grid] if isinstance(self.param_grid, Mapping) else self.param_grid

    def _run_search(self, evaluate_candidates: Any) -> None:
        """Evaluate the candidates."""
        if self.n_iter is None:
            evaluate_candidates(ParameterGrid(self.param_grid))
        else:
            evaluate_candidates(
                ParameterSampler(self.param_grid, self.n_iter, random_state=self.random_state)
            )


def _check_grids(estimator: Any, grids: Sequence[Mapping[str, Any]], n_iter: int | None) -> None:
    """ValueError if the estimator, as the user gave it, has not a parameter of a grid, or if there
    are distributions without `n_iter`.
    """
    each = [pair for grid in grids for pair in grid.items()]
    drawn = {name for name, values in each if hasattr(values, "rvs")}
    if drawn and n_iter is None:
        raise ValueError(
            f"param_grid has a distribution for {', '.join(sorted(drawn))}: give n_iter, how many "
            "candidates are drawn"
        )
    own = estimator.get_params(deep=True)
    for name, _ in each:
        if name.partition("__")[0] not in own:
            clone(estimator).set_params(**{name: None})  # raises: its message names the estimator
    for grid in grids:
        listed = {name: values for name, values in grid.items() if not hasattr(values, "rvs")}
        first = next(iter(ParameterGrid(listed)))
        candidate = clone(estimator).set_params(**clone(first, safe=False))
        for name in grid.keys() - listed.keys() - candidate.get_params(deep=True).keys():
            candidate.set_params(**{name: None})


class _Scorer:
    """A metric of this library as a scorer: more is better."""

    def __init__(self, metric: Metric) -> None:
        self.metric = metric
        if metric.larger_is_better is None:
            raise ValueError(
                f"scoring={metric.name!r}: whether a larger figure is better is not known; pass "
                "ffnn_fast.metrics.Metric(name, function, larger_is_better=...)"
            )

    def __call__(self, estimator: Any, X: Any, y: Any) -> float:
        metric, y = self.metric, np.asarray(y)
        if hasattr(estimator, "classes_"):
            y = np.searchsorted(estimator.classes_, y)
            predicted = np.searchsorted(estimator.classes_, estimator.predict(X))
            if metric.takes == "outputs":
                predicted = estimator.predict_proba(X)
        else:
            predicted = estimator.predict(X)
        figure = float(metric.function(y, predicted))
        return figure if metric.larger_is_better else -figure


def _as_scoring(scoring: Any) -> Any:
    """A scoring of scikit-learn."""
    if isinstance(scoring, Mapping):
        return {name: _as_scoring(one) for name, one in scoring.items()}
    if isinstance(scoring, (list, tuple, set)):
        ours = {one for one in scoring if _is_ours(one)}
        return {_name(one): _as_scoring(one) for one in scoring} if ours else scoring
    return _Scorer(as_metric(scoring)) if _is_ours(scoring) else scoring


def _is_ours(scoring: Any) -> bool:
    """Whether it is a metric of this library, and no scorer of scikit-learn."""
    if not isinstance(scoring, str):
        return isinstance(scoring, Metric)
    known = scoring in METRICS or scoring.startswith("top_")
    return known and scoring not in get_scorer_names()


def _name(scoring: Any) -> str:
    return scoring.name if isinstance(scoring, Metric) else str(scoring)
