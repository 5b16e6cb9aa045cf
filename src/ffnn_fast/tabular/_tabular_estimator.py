"""The base class of both estimators: from a table to a trained bag of networks."""

from __future__ import annotations

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

from ffnn_fast._columns.frames import Table, check_names, table_of
from ffnn_fast._model.model_files import ModelFileError
from ffnn_fast._runtime.threads import resolve
from ffnn_fast._text import quoted
from ffnn_fast.tabular import _files as files
from ffnn_fast.tabular._bag_fit import BagFit, splits_of
from ffnn_fast.tabular._choice import Choice, chosen
from ffnn_fast.tabular._explanation import (
    Explanation,
    OfOutputs,
    explain_network,
    input_units,
    permutation_importances,
)
from ffnn_fast.tabular._folds import Units
from ffnn_fast.tabular._inputs import TableInputs
from ffnn_fast.tabular._members import Rows, out_of_fold
from ffnn_fast.tabular._prediction import Bag, Encode
from ffnn_fast.tabular._recipes import PRESETS, Recipe, recipe_of
from ffnn_fast.tabular._rows import few_rows, matrix_of
from ffnn_fast.tabular._time_plan import Limit

Array = np.ndarray
LEAST_ROWS = 2
SAMPLED = 1000  # training rows, whose mean is the start of explanations
EXPLAINED_TOGETHER = 1024  # rows, for which memory is needed at a time


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
        "verbose": ["verbose"],
    }
    _task: ClassVar[str]
    _output: ClassVar[str]

    def __init__(
        self, preset: str = "default", *, n_networks: int | None = None, epochs: int | None = None,
        categorical_features: Any = None, numeric_features: Any = None,
        max_time: float | None = None, n_threads: int | None = None, random_state: Any = None,
        verbose: bool = False,
    ) -> None:  # fmt: skip
        self.preset = preset
        self.n_networks = n_networks
        self.epochs = epochs
        self.categorical_features = categorical_features
        self.numeric_features = numeric_features
        self.max_time = max_time
        self.n_threads = n_threads
        self.random_state = random_state
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, *, groups: Any = None, times: Any = None
    ) -> Self:
        """Train the bag on the rows of a table.

        Parameters
        ----------
        X : table or array-like of shape (n, d)
            A pandas, polars or Arrow table or a mapping of names to columns, with numbers, texts,
            categories, bools and dates; missing values are allowed.
        y : array-like of shape (n,) or (n, n_outputs)
            The targets; none may be missing. Classes are texts, bytes, bools or whole numbers, of
            one type in each column.
        sample_weight : array-like of shape (n,), optional
            Weights >= 0, two of them at least > 0.
        groups : array-like of shape (n,), optional
            Rows of one group, such as a patient, are in one fold: no network is judged on a group
            that it is trained on.
        times : array-like of shape (n,), optional
            Numbers or dates, instead of groups: each fold is a block of consecutive times, not
            random rows; rows of equal time are in one fold. With a published preset the last rows
            judge the epochs.

        Returns
        -------
        self

        Raises
        ------
        TypeError, ValueError
            If an argument or parameter is not as described, or no column can be used.
        KeyboardInterrupt
            After Ctrl-C, within a fraction of a second.

        After any exception the estimator is as it was before.
        """
        before = self.__dict__.copy()
        try:
            self._fit(X, y, sample_weight, groups, times)
        except BaseException:
            self.__dict__.clear()
            self.__dict__.update(before)
            raise
        return self

    def _fit(self, X: Any, y: Any, sample_weight: Any, groups: Any, times: Any) -> None:
        """Set the attributes of a fitted estimator."""
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None"
            )
        limit = Limit(self.max_time)
        table = self._table(X, reset=True)
        weight = _checked_weight(sample_weight, table.n_rows)
        units = Units.of(groups, times, table.n_rows)
        targets = self._fitted_targets(y, table.n_rows, weight)
        if table.n_rows < LEAST_ROWS:
            raise ValueError(f"fit needs at least {LEAST_ROWS} rows, got n_samples=1")
        categorical, numeric = (
            self._named_columns(table, option)
            for option in ("categorical_features", "numeric_features")
        )
        rng = np.random.default_rng(check_random_state(self.random_state).randint(2**31 - 1))
        recipe = self._recipe()
        splits = splits_of(recipe, targets, weight, rng, units)
        scaled_by: Array | slice = slice(None)
        if recipe.published and len(splits) == 1:
            scaled_by = splits[0][0]
            if self._task == "values":
                counts = np.bincount(scaled_by, minlength=table.n_rows)
                targets = self._fitted_targets(y, table.n_rows, counts)
        inputs = TableInputs.fit(table, categorical, True, recipe.most_one_hot, scaled_by, numeric)
        rows = Rows(inputs.transform(table), targets, weight)
        n_rows = table.n_rows
        del table
        job = BagFit(
            recipe, inputs, self._widths(), self._output, self._count_threads(), bool(self.verbose)
        )
        members, plan = job.members(rows, splits, limit, rng)
        self.histories_ = [member.history for member in members]
        if recipe.published:
            choice = Choice(members, out_of_fold(members, n_rows), len(members), 1)
        else:
            choice = chosen(members, rows, self._widths())
        members, y_hat = choice.members, choice.y_hat
        self._inputs = inputs
        self.networks_ = [member.net for member in members]
        self._bag = Bag(self.networks_)
        sample = rows.X[:: -(-n_rows // SAMPLED)]
        self._base_units = [input_units(net, sample).mean(axis=0) for net in self.networks_]
        self.importances_ = permutation_importances(
            members, rows, inputs.sources, rng, plan.importance_rows
        )
        judged = ~np.isnan(y_hat[:, 0])
        predicted = np.full(y_hat.shape, np.nan)
        self._calibrate(y_hat[judged], rows.part(judged), choice.by_fold(self._bag.outputs(sample)))
        predicted[judged] = self._predicted(y_hat[judged])
        self.oof_prediction_ = predicted

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
        names = self._inputs.names
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
            "n_features_in": self.n_features_in_,
            "feature_names_in": [str(name) for name in getattr(self, "feature_names_in_", [])],
            "importances": self.importances_,
            "fitted": self._fitted_to_dict(),
        }
        arrays = self._fitted_arrays()
        files.write(path, type(self).__name__, described, self.networks_, arrays, extra or {})

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
        described, networks, arrays = files.read(path, cls.__name__)
        try:
            self = cls(**described["parameters"])
            self._inputs = TableInputs.from_dict(described["inputs"])
            self._base_units = list(arrays["base_units"])
            self.n_features_in_ = int(described["n_features_in"])
            if described["feature_names_in"]:
                self.feature_names_in_ = np.array(described["feature_names_in"], dtype=object)
            self.importances_ = {str(k): float(v) for k, v in described["importances"].items()}
            self.networks_ = networks
            self._bag = Bag(networks)
            self._fitted_from_dict(described["fitted"], arrays)
            self._check_networks()
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise ModelFileError(f"{path!r} is damaged: {error}") from error
        return self

    def _explained(self, X: Any, function: OfOutputs) -> Explanation:
        """The contributions of the columns to f(ŷ), the mean over the networks."""
        encode, n = self._encoded(X)
        inputs, names = self._inputs, self._inputs.names
        by_column, predictions = np.zeros((n, len(names))), np.zeros(n)
        places = [names.index(source) for source in inputs.sources]
        share = 1 / len(self.networks_)
        for start in range(0, n, EXPLAINED_TOGETHER):
            rows = encode(start, min(n, start + EXPLAINED_TOGETHER))
            own = slice(start, start + len(rows))
            starts = []
            for net, base, y_hat in zip(
                self.networks_, self._base_units, self._bag.outputs(rows), strict=True
            ):
                by_input, at_base = explain_network(net, rows, y_hat, base, function)
                np.add.at(by_column[own].T, places, share * by_input.T)
                predictions[own] += share * function(y_hat)[0]
                starts.append(at_base)
        return Explanation(tuple(names), by_column, float(np.mean(starts)), predictions)

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

    def _count_threads(self) -> int:
        """Networks that are trained at a time."""
        return resolve(None if self.n_threads is None else int(self.n_threads))

    def _encoded(self, X: Any) -> tuple[Encode, int]:
        """A function that encodes a range of the rows of X, and their number."""
        if not hasattr(self, "_bag"):
            check_is_fitted(self, "networks_")
        inputs = self._inputs
        by_place = not hasattr(self, "feature_names_in_")
        few = few_rows(X, inputs, by_place)
        if few is not None:
            return lambda a, b: few[a:b], len(few)
        numbers = matrix_of(X, inputs, by_place)
        if numbers is not None:
            return lambda a, b: inputs.transform_numbers(numbers[a:b], a), len(numbers)
        table = self._table(X, reset=False)
        if not table.n_rows:
            raise ValueError(
                f"Found array with 0 sample(s) (shape=(0, {len(table.columns)})) while a minimum "
                f"of 1 is required by {type(self).__name__}."
            )
        rows = inputs.transform(table)
        return lambda a, b: rows[a:b], len(rows)

    def _table(self, X: Any, reset: bool) -> Table:
        """X as columns, checked as scikit-learn does."""
        if isinstance(X, Mapping) or getattr(getattr(X, "dtype", None), "names", None):
            return self._named_table(table_of(X), reset)
        if hasattr(X, "collect_schema") and not hasattr(X, "get_columns"):
            table_of(X)  # refuses a lazy frame
        if not getattr(getattr(X, "columns", None), "is_unique", True):
            check_names(X.columns)
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
        encode, n = self._encoded(X)
        return self._bag.mean(encode, n, self._predicted, self._count_threads)

    def _fitted_targets(self, y: Any, n: int, weight: Array | None) -> Array:
        raise NotImplementedError

    def _widths(self) -> tuple[int, ...]:
        """Outputs of each head of the networks, or of the only one."""
        raise NotImplementedError

    def _calibrate(self, y_hat: Array, rows: Rows, of_bag: Array) -> None:
        raise NotImplementedError

    def _predicted(self, y_hat: Array) -> Array:
        """What outputs (..., n_L) predict: calibrated probabilities, or values."""
        raise NotImplementedError

    def _fitted_to_dict(self) -> dict[str, Any]:
        raise NotImplementedError

    def _fitted_arrays(self) -> dict[str, Array]:
        """What a file has beside JSON values and networks."""
        return {"base_units": np.stack(self._base_units)}

    def _fitted_from_dict(self, plain: dict[str, Any], arrays: dict[str, Array]) -> None:
        raise NotImplementedError

    def _check_networks(self) -> None:
        """ValueError unless the networks fit the inputs, the outputs and the base units."""
        spec = self.networks_[0].spec
        sizes = spec.n_inputs, spec.n_outputs, len(self.networks_), spec.n_units
        base = np.shape(self._base_units)
        expected = self._inputs.n_inputs, sum(self._widths()), *base
        if sizes != expected or spec.inputs is None:
            raise ValueError(f"its networks have sizes {sizes}, the rest {expected}")
        if len(self._inputs.features) != self.n_features_in_:
            raise ValueError(f"it describes {len(self._inputs.features)} columns")

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
