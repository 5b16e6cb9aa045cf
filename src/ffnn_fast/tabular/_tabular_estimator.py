"""The base class of both estimators: from a table to a trained bag of networks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, _fit_context
from sklearn.utils import check_array, check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import (
    _check_n_features,
    _check_sample_weight,
    check_is_fitted,
    validate_data,
)

from ffnn_fast._columns.frames import Table, table_of
from ffnn_fast._model.model_files import ModelFileError
from ffnn_fast._runtime.threads import resolve
from ffnn_fast._text import quoted
from ffnn_fast.tabular import _files as files
from ffnn_fast.tabular._explanation import (
    Explanation,
    OfOutputs,
    explain_network,
    input_units,
    permutation_importances,
)
from ffnn_fast.tabular._folds import folds_of, one_split
from ffnn_fast.tabular._inputs import TableInputs
from ffnn_fast.tabular._members import Member, Rows, Stop, out_of_fold, train_members
from ffnn_fast.tabular._recipes import (
    PRESETS,
    Recipe,
    new_network,
    recipe_of,
    train_network,
)

Array = np.ndarray
LEAST_ROWS = 2
FEWEST = 16  # rows of a prediction
EXPLAINED_FROM = 1000  # training rows whose mean is the start of explanations
ROWS_PER_FOLD = 5  # at least, if there are enough for two folds


class BaseTabular(BaseEstimator):
    """Parameters and methods of `TabularClassifier` and `TabularRegressor`."""

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "preset": [StrOptions(set(PRESETS))],
        "n_networks": [Interval(Integral, 1, None, closed="left"), None],
        "epochs": [Interval(Integral, 1, None, closed="left"), None],
        "categorical_features": ["array-like", None],
        "numeric_features": ["array-like", None],
        "max_time": [Interval(Real, 0, None, closed="neither"), None],
        "n_threads": [Interval(Integral, 1, None, closed="left"), None],
        "random_state": ["random_state"],
    }
    _task: ClassVar[str]
    _output: ClassVar[str]

    def __init__(
        self, preset: str = "default", *, n_networks: int | None = None, epochs: int | None = None,
        categorical_features: Any = None, numeric_features: Any = None,
        max_time: float | None = None, n_threads: int | None = None, random_state: Any = None,
    ) -> None:  # fmt: skip
        self.preset = preset
        self.n_networks = n_networks
        self.epochs = epochs
        self.categorical_features = categorical_features
        self.numeric_features = numeric_features
        self.max_time = max_time
        self.n_threads = n_threads
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train the bag on the rows of a table.

        Parameters
        ----------
        X : table or array-like of shape (n, d)
            A pandas, polars or Arrow table or a mapping of names to columns, with numbers, texts,
            categories, bools and dates; missing values are allowed.
        y : array-like of shape (n,) or (n, n_outputs)
            The targets; none may be missing.
        sample_weight : array-like of shape (n,), optional
            Weights >= 0, two of them at least > 0.

        Returns
        -------
        self

        Raises
        ------
        TypeError, ValueError
            If an argument or parameter is not as described, or no column can be used; the fit
            before it stays as it was.
        """
        before = self.__dict__.copy()
        try:
            self._fit(X, y, sample_weight)
        except BaseException:
            self.__dict__.clear()
            self.__dict__.update(before)
            raise
        return self

    def _fit(self, X: Any, y: Any, sample_weight: Any) -> None:
        """Set the attributes of a fitted estimator."""
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None"
            )
        table = self._table(X, reset=True)
        weight = _checked_weight(sample_weight, table.n_rows)
        targets = self._fitted_targets(y, table.n_rows, weight)
        if table.n_rows < LEAST_ROWS:
            raise ValueError(f"fit needs at least {LEAST_ROWS} rows, got n_samples=1")
        recipe = self._recipe()
        categorical, numeric = (
            self._named_columns(table, option)
            for option in ("categorical_features", "numeric_features")
        )
        inputs = TableInputs.fit(table, categorical, numeric=numeric)
        rows = Rows(inputs.transform(table), targets, weight)
        rng = np.random.default_rng(check_random_state(self.random_state).randint(2**31 - 1))
        members = self._trained(recipe, inputs, rows, rng)
        self._inputs = inputs
        self.networks_ = [member.net for member in members]
        sample = rows.X[:EXPLAINED_FROM]
        self._base_units = [input_units(net, sample).mean(axis=0) for net in self.networks_]
        self.histories_ = [member.history for member in members]
        self.importances_ = permutation_importances(members, rows, inputs.sources, rng)
        y_hat, judged = out_of_fold(members, table.n_rows)
        self._calibrate(y_hat[judged], rows.part(judged))
        self.oof_prediction_ = np.full(y_hat.shape, np.nan)
        self.oof_prediction_[judged] = self._predicted(y_hat[judged])

    @property
    def columns_(self) -> dict[str, str]:
        """How each column is used, by name."""
        check_is_fitted(self)
        return {
            feature.name: feature.use + (f" ({feature.note})" if feature.note else "")
            for feature in self._inputs.features
        }

    @property
    def feature_importances_(self) -> npt.NDArray[np.float64]:
        """Permutation importances out of fold, (d,); they sum to 1, and are >= 0."""
        check_is_fitted(self)
        names = [feature.name for feature in self._inputs.features]
        raised = np.array([max(0.0, self.importances_.get(name, 0.0)) for name in names])
        total = raised.sum()
        return raised / total if total > 0 else np.full(len(names), 1 / len(names))

    def save(self, path: Any, *, extra: Mapping[str, str] | None = None) -> None:
        """Write the fitted estimator to one safetensors file, atomically.

        Parameters
        ----------
        path : str or path-like
            An existing file is replaced.
        extra : mapping of str to str, optional
            Further entries of the file's header.

        Raises
        ------
        NotFittedError
            Before `fit`.
        TypeError, ValueError, OSError
            If the file cannot be written, or classes or parameters are not plain values.
        """
        check_is_fitted(self)
        parameters = {name: _plain(name, value) for name, value in self.get_params().items()}
        described = {
            "parameters": parameters,
            "inputs": self._inputs.to_dict(),
            "base_units": [units.tolist() for units in self._base_units],
            "n_features_in": self.n_features_in_,
            "feature_names_in": [str(name) for name in getattr(self, "feature_names_in_", [])],
            "importances": self.importances_,
            "fitted": self._fitted_to_dict(),
        }
        files.write(path, type(self).__name__, described, self.networks_, extra or {})

    @classmethod
    def load(cls, path: Any) -> Self:
        """Read an estimator from a file that `save` wrote; no code of the file is run.

        The loaded estimator predicts to the same bits. It has no `histories_` and no
        `oof_prediction_`.

        Raises
        ------
        ModelFileError
            If the file is not one of this class, or is damaged.
        OSError
            If it cannot be read.
        """
        described, networks = files.read(path, cls.__name__)
        try:
            self = cls(**described["parameters"])
            self._inputs = TableInputs.from_dict(described["inputs"])
            self._base_units = [np.array(one, np.float64) for one in described["base_units"]]
            self.n_features_in_ = int(described["n_features_in"])
            if described["feature_names_in"]:
                self.feature_names_in_ = np.array(described["feature_names_in"], dtype=object)
            self.importances_ = {str(k): float(v) for k, v in described["importances"].items()}
            self.networks_ = networks
            self._fitted_from_dict(described["fitted"])
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ModelFileError(f"{path!r} is damaged: {error}") from error
        return self

    def _explained(self, X: Any, function: OfOutputs) -> Explanation:
        """The contributions of the columns to f(ŷ), the mean over the networks."""
        check_is_fitted(self)
        rows = self._inputs.transform(self._table(X, reset=False))
        found = [
            explain_network(net, rows, base, function)
            for net, base in zip(self.networks_, self._base_units, strict=True)
        ]
        by_input = np.mean([one[0] for one in found], axis=0)
        names = [feature.name for feature in self._inputs.features]
        by_column = np.zeros((len(rows), len(names)))
        for j, source in enumerate(self._inputs.sources):
            by_column[:, names.index(source)] += by_input[:, j]
        base = float(np.mean([one[1] for one in found]))
        return Explanation(
            tuple(names), by_column, base, np.mean([one[2] for one in found], axis=0)
        )

    def _recipe(self) -> Recipe:
        """The recipe of the preset with the parameters that replace its own."""
        recipe = recipe_of(self.preset, self._task)
        if self.n_networks is not None:
            recipe = replace(recipe, n_networks=int(self.n_networks))
        if self.epochs is not None:
            recipe = replace(recipe, epochs=int(self.epochs))
        return recipe

    def _named_columns(self, table: Table, option: str) -> tuple[str, ...]:
        """The columns that the parameter `option` names, by name or by place."""
        given = () if getattr(self, option) is None else getattr(self, option)
        names = list(table.columns)
        found = []
        for one in given:
            if not isinstance(one, Integral) or isinstance(one, bool):
                found.append(str(one))
            elif 0 <= int(one) < len(names):
                found.append(names[int(one)])
            else:
                raise ValueError(
                    f"{option} must hold names of columns, or places from 0 to "
                    f"{len(names) - 1}; got {one}"
                )
        return tuple(found)

    def _trained(
        self, recipe: Recipe, inputs: TableInputs, rows: Rows, rng: np.random.Generator
    ) -> list[Member]:
        """The members of the bag."""
        n = len(rows.X)
        counted = np.arange(n) if rows.weight is None else np.flatnonzero(rows.weight)
        splits = self._splits(recipe, len(counted), rng, rows.y[counted])
        splits = [(counted[kept], counted[fold]) for kept, fold in splits]
        seeds = rng.integers(2**31 - 1, size=len(splits))
        stop = Stop(math.inf if self.max_time is None else float(self.max_time))
        n_outputs = self._n_network_outputs()

        def train(i: int, stop: Stop) -> Member:
            kept, fold = (rows.part(part) for part in splits[i])
            net = new_network(recipe, inputs, n_outputs, self._output, kept.X, int(seeds[i]))
            return replace(train_network(net, recipe, kept, fold, stop), fold=splits[i][1])

        return train_members(train, len(splits), self._count_threads(), stop)

    def _splits(
        self, recipe: Recipe, n: int, rng: np.random.Generator, y: Array
    ) -> list[tuple[Array, Array]]:
        """For each member the rows to train on and those to be judged on."""
        strata = y if y.ndim == 1 and y.dtype.kind == "i" else None
        if recipe.validation:
            return [one_split(n, recipe.validation, rng, strata) for _ in range(recipe.n_networks)]
        n_folds = max(2, min(recipe.n_networks, n // ROWS_PER_FOLD))
        everything = np.arange(n)
        n_networks = max(recipe.n_networks, n_folds)
        rounds = [folds_of(n, n_folds, rng, strata) for _ in range(-(-n_networks // n_folds))]
        folds = [fold for one in rounds for fold in one][:n_networks]
        return [(np.setdiff1d(everything, fold, assume_unique=True), fold) for fold in folds]

    def _count_threads(self) -> int:
        """Networks that are trained at a time."""
        return resolve(None if self.n_threads is None else int(self.n_threads))

    def _table(self, X: Any, reset: bool) -> Table:
        """X as columns, checked as scikit-learn does."""
        if isinstance(X, Mapping) or getattr(getattr(X, "dtype", None), "names", None):
            return self._named_table(table_of(X), reset)
        if isinstance(X, (list, tuple, np.ndarray)):
            X = check_array(X, dtype=None, ensure_all_finite=False, estimator=self)
        validate_data(self, X, reset=reset, skip_check_array=True)
        return table_of(X)

    def _named_table(self, table: Table, reset: bool) -> Table:
        """A table whose names scikit-learn does not find; columns may come in any order."""
        _check_n_features(self, np.empty((table.n_rows, len(table.columns))), reset=reset)
        if reset:
            self.feature_names_in_ = np.array(list(table.columns), dtype=object)
        return table

    def _mean_outputs(self, X: Any) -> Array:
        """The mean over the networks of what each predicts for new rows, (n, n_L); that of a row
        does not depend on the others.
        """
        check_is_fitted(self)
        rows = self._inputs.transform(self._table(X, reset=False))
        n = len(rows)
        if n < FEWEST:  # the engine computes few rows by other products, which round differently
            rows = np.concatenate([rows, np.repeat(rows[:1], FEWEST - n, axis=0)])
        total = sum(self._predicted(net.forward(rows)) for net in self.networks_)
        return np.asarray(total / len(self.networks_))[:n]

    def _fitted_targets(self, y: Any, n: int, weight: Array | None) -> Array:
        raise NotImplementedError

    def _n_network_outputs(self) -> int:
        raise NotImplementedError

    def _calibrate(self, y_hat: Array, rows: Rows) -> None:
        raise NotImplementedError

    def _predicted(self, y_hat: Array) -> Array:
        """What one network's outputs predict: calibrated probabilities, or values."""
        raise NotImplementedError

    def _fitted_to_dict(self) -> dict[str, Any]:
        raise NotImplementedError

    def _fitted_from_dict(self, plain: dict[str, Any]) -> None:
        raise NotImplementedError

    def __sklearn_tags__(self) -> Any:
        """Tags of scikit-learn: missing values, texts and categories are allowed."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        tags.non_deterministic = False
        return tags


def _checked_weight(sample_weight: Any, n: int) -> Array | None:
    """Weights of n rows, float64, of which two at least count."""
    if sample_weight is None:
        return None
    weight: Array = _check_sample_weight(sample_weight, np.empty((n, 0)))
    if (weight < 0).any() or np.count_nonzero(weight) < LEAST_ROWS:
        raise ValueError(f"sample_weight must hold weights >= 0, {LEAST_ROWS} at least > 0")
    return weight


def _plain(name: str, value: Any) -> Any:
    """A parameter as a JSON value."""
    if isinstance(value, np.generic):
        value = value.item()
    if name == "random_state" and not isinstance(value, int):
        return None  # a generator is of no use after the fit
    if name in ("categorical_features", "numeric_features") and value is not None:
        return [_plain("", one) for one in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"the parameter {name} cannot be saved: {quoted(value)}")
