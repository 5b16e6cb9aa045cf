"""The base class of both estimators: validation of the input, fit and partial_fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import _fit_context
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, validate_data

from ffnn_fast._conversion import check_unmasked
from ffnn_fast._model.arrays import all_finite, checked_weights, with_mean_one
from ffnn_fast._model.predictions import metric_values
from ffnn_fast._model.samples import Samples
from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast.metrics import Metric
from ffnn_fast.schedules import Schedule, check_counts
from ffnn_fast.sklearn._class_weight import check_class_weight
from ffnn_fast.sklearn._epochs import (
    EpochRunner,
    TrainingRows,
    begin_epochs,
    continues_curves,
    fit_epochs,
    reset_curves,
    rows_per_batch,
)
from ffnn_fast.sklearn._estimator_network import (
    EstimatorNetwork,
    as_checked_rows,
    is_plain,
    restored_on_error,
)
from ffnn_fast.sklearn._fit_data import InitialWeights, RowWeights, TrainingData
from ffnn_fast.sklearn._fitted_network import SPARSE, FittedNetwork
from ffnn_fast.sklearn._full_batch_solvers import full_batch_fit
from ffnn_fast.sklearn._long_calls import in_background_if_long, seconds_of
from ffnn_fast.sklearn._monitoring import Monitor, Validation, as_monitor
from ffnn_fast.sklearn._optimizer_state import OptimizerState, new_optimizer_state
from ffnn_fast.sklearn._parameters import CONSTRAINTS, FULL_BATCH, hidden_sizes
from ffnn_fast.sklearn._validation_split import check_weight, split_rows

Array = np.ndarray
ANY, SAME, KNOWN = "any", "same", "known"  # classes that y may have: any, all known, some known
FLOATS = (np.float64, np.float32)
EpochCallback = Callable[[dict[str, float]], object]
Callbacks = EpochCallback | Sequence[EpochCallback] | None


class BaseMLP(FittedNetwork):
    """Parameters and methods of `MLPClassifier` and `MLPRegressor`."""

    _parameter_constraints: ClassVar[dict[str, Any]] = CONSTRAINTS

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Any,
        y: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
        *,
        X_val: Any = None,
        y_val: npt.ArrayLike | None = None,
        sample_weight_val: npt.ArrayLike | None = None,
        coef_init: Sequence[npt.ArrayLike] | None = None,
        intercept_init: Sequence[npt.ArrayLike] | None = None,
    ) -> Self:
        """Fit the network to rows X and targets y.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            float32 and float64 are kept; other types are converted to float64. C-contiguous
            rows are not copied. Of a sparse matrix only the stored entries are used, except by the
            solver ``lm``, which makes it dense.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Classifier: labels, columns of labels or an indicator matrix. Regressor: numbers.
        sample_weight : array-like of shape (n_samples,), optional
            Weights >= 0, at least one of them > 0. Default: 1 for each row.
        X_val, y_val, sample_weight_val : array-like, optional
            Validation data in place of a random part of X: ``validation_scores_``,
            ``validation_loss_curve_`` and ``monitor_curve_`` are computed on it after each epoch,
            and `early_stopping` uses the last of them.
        coef_init, intercept_init : sequence of array-like, optional
            Initial weights (n_{k-1}, n_k) and biases (n_k,) of every layer. Default: random ones.

        Returns
        -------
        self

        Warns
        -----
        ConvergenceWarning
            If `max_iter` ended the fit.

        Raises
        ------
        ValueError, TypeError
            If an argument or parameter is not as described, an argument has masked entries, or a
            weight is not finite after the fit.
        """
        if (X_val is None) != (y_val is None):
            raise ValueError("X_val and y_val must be passed together")
        check_unmasked(X=X, y=y, sample_weight=sample_weight)
        check_unmasked(X_val=X_val, y_val=y_val, sample_weight_val=sample_weight_val)
        check_class_weight(vars(self).get("class_weight"))
        initial = InitialWeights(coef_init, intercept_init)
        hidden, monitor = hidden_sizes(self.hidden_layer_sizes), self._monitor()
        fresh = not self.warm_start or "coefs_" not in vars(self)
        with restored_on_error(self):
            data = self._validated(X, y, sample_weight, fresh)
            rng = self._generator()
            net = self._begin(data, hidden, fresh, initial, rng)
            validation = None
            if X_val is not None:
                validation = self._validation_samples(net, X_val, y_val, sample_weight_val)
            if self._solver in FULL_BATCH:
                train = full_batch_fit(self, net, self._training_rows(net, data, None), rng)
            else:
                train = self._stochastic_fit(net, data, validation, rng, monitor, fresh)
        train()
        return self._finished(net)

    def _partial_fit(self, X: Any, y: Any, sample_weight: Any, first: bool) -> Self:
        """One epoch over the rows, from the last state of weights and optimizer."""
        if first:
            self._validate_params()
        if self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True")
        for schedule in (self.learning_rate, *(self.schedules or {}).values()):
            if isinstance(schedule, Schedule):
                check_counts(schedule, "partial_fit")
        with restored_on_error(self):
            if first:
                data = self._validated(X, y, sample_weight, True, incremental=True)
                rng = self._generator()
                hidden = hidden_sizes(self.hidden_layer_sizes)
                net = self._begin(data, hidden, True, InitialWeights(), rng)
            else:
                net, rng = self._current_network(), self._generator()
                self.coefs_, self.intercepts_ = list(net.coefs), list(net.intercepts)
                data = self._quickly_validated(net, X, y, sample_weight) or self._validated(
                    X, y, sample_weight, False, incremental=True
                )
            train = self._stochastic_fit(net, data, None, rng, Monitor(), first, incremental=True)
        train()
        return self._finished(net)

    def _stochastic_fit(
        self,
        net: EstimatorNetwork,
        data: TrainingData,
        validation: Samples | None,
        rng: Callable[[], np.random.RandomState],
        monitor: Monitor,
        fresh: bool,
        incremental: bool = False,
    ) -> Callable[[], None]:
        """A function that does the epochs of this call, of which all arguments are checked."""
        validated = validation is not None or self.early_stopping
        recorded = (monitor.name, self.early_stopping) if validated else None
        if fresh or not continues_curves(self, recorded, incremental):
            reset_curves(self, net.params, recorded)
        state = vars(self).get("_optimizer_state")
        if not incremental or state is None or state.needs_n_steps:
            seed = int(rng().randint(2**31 - 1)) if any(net.spec.dropout_rates) else 0
            self._optimizer_state = new_optimizer_state(self, net.spec, seed)
        indices = None
        if self.early_stopping and validation is None:
            indices, rest = self._split(data, rng())
            weight = None if data.weight is None else data.weight[rest]
            validation = Samples(data.X[rest], data.Y[rest], _mean_one(weight, net.spec.dtype))
        rows = self._training_rows(net, data, indices)
        size = rows_per_batch(self.batch_size, len(rows.indices))
        runner = EpochRunner(net, rows, self._optimizer_state, size)
        functions = None if validation is None else self._validation(net, validation, monitor)
        max_iter = 1 if incremental else self.max_iter
        begin_epochs(runner, functions, max_iter)

        def train() -> None:
            fit_epochs(self, runner, functions, rng, max_iter, incremental)
            if self.early_stopping:
                net.params[:] = self._best

        return train

    def _monitor(self) -> Monitor:
        return as_monitor(self.monitor, classifies=not self._y_numeric)

    def _generator(self) -> Callable[[], np.random.RandomState]:
        """A function that returns the generator of this call, created on first use."""
        return cache(lambda: check_random_state(self.random_state))

    def _begin(
        self,
        data: TrainingData,
        hidden: list[int],
        fresh: bool,
        initial: InitialWeights,
        rng: Callable[[], np.random.RandomState],
    ) -> EstimatorNetwork:
        """The network before the first step of this call, with new weights or the last ones."""
        if fresh:
            self.n_iter_ = self.t_ = 0
            self.out_activation_ = self._output()
            self.n_outputs_ = self._count_outputs(data.Y)
            sizes = (data.X.shape[1], *hidden, self.n_outputs_)
            self.n_layers_ = len(sizes)
            net = self._network = self._new_network(sizes, data.X.dtype.name)
            if initial.coefs is None or initial.intercepts is None:
                net.initialize(rng())
        else:
            net = self._current_network()
            if list(net.spec.layer_sizes[1:-1]) != hidden:
                raise ValueError(
                    "warm_start needs the hidden_layer_sizes of the previous fit, "
                    f"{net.spec.layer_sizes[1:-1]}, got {hidden}"
                )
        net.set_weights(initial.coefs or net.coefs, initial.intercepts or net.intercepts)
        self.coefs_, self.intercepts_ = list(net.coefs), list(net.intercepts)
        return net

    def __getstate__(self) -> dict[str, Any]:
        """The state that is pickled: parameters, arrays, plain data and public types."""
        state = {**super().__getstate__()}
        state.pop("_network", None)  # follows from coefs_ and intercepts_
        if "_optimizer_state" in state:
            state["_optimizer_state"] = state["_optimizer_state"].as_dict()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore what `__getstate__` returned."""
        if "_optimizer_state" in state:
            state = {**state, "_optimizer_state": OptimizerState(**state["_optimizer_state"])}
        super().__setstate__(state)

    def _validated(
        self, X: Any, y: Any, sample_weight: Any, fresh: bool, incremental: bool = False
    ) -> TrainingData:
        """Rows, targets and weights; TypeError or ValueError if they are invalid."""
        X, y = self._validated_arrays(X, y, reset=fresh)
        dtype = X.dtype.name if fresh else self.coefs_[0].dtype.name
        weight = None
        if sample_weight is not None:
            weight = _check_sample_weight(sample_weight, X, dtype=np.float64)
            weight = checked_weights(weight, X.shape[0])
        weights = RowWeights.of(weight)
        allowed = self._classes_allowed(fresh, incremental)
        seconds = seconds_of(None, y)
        Y = in_background_if_long(seconds, self._encoded, y, dtype, allowed, weights.values)
        weights = weights.times(self._weights_by_class(y, incremental))
        alpha = weights.penalty(float(self.alpha), dtype)
        return TrainingData(as_checked_rows(X, dtype), Y, weights.values, alpha)

    def _validated_arrays(self, X: Any, y: Any, reset: bool) -> tuple[Any, Any]:
        X, y = in_background_if_long(
            seconds_of(X, y), validate_data, self, X, y, accept_sparse=SPARSE, multi_output=True,
            dtype=FLOATS, order="C", reset=reset, y_numeric=self._y_numeric,
        )  # fmt: skip
        return X, y

    def _classes_allowed(self, fresh: bool, incremental: bool) -> str:
        """The classes that y may have, relative to those of previous calls."""
        if incremental:
            return SAME if self.warm_start else KNOWN
        return ANY if fresh else SAME

    def _quickly_validated(
        self, net: EstimatorNetwork, X: Any, y: Any, sample_weight: Any
    ) -> TrainingData | None:
        """The same for plain valid arrays; None if the input needs `_validated`."""
        if sample_weight is not None or not is_plain(self, net, X):
            return None
        Y = self._quickly_encoded(y, net, len(X))
        return None if Y is None else TrainingData(X, Y, None, float(self.alpha))

    def _validation_samples(self, net: EstimatorNetwork, X: Any, y: Any, weight: Any) -> Samples:
        """The user's validation data, validated and encoded."""
        X, y = self._validated_arrays(X, y, reset=False)
        if weight is not None:
            weight = checked_weights(weight, X.shape[0], "sample_weight_val")
        seconds = seconds_of(None, y)
        Y = in_background_if_long(seconds, self._encoded, y, net.spec.dtype, KNOWN)
        return Samples(as_checked_rows(X, net.spec.dtype), Y, _mean_one(weight, net.spec.dtype))

    def _split(self, data: TrainingData, rng: np.random.RandomState) -> tuple[Array, Array]:
        """Indices of the training rows and of the validation rows, as scikit-learn draws them."""
        fraction, labels = float(self.validation_fraction), vars(self).get("classes_")
        rows = split_rows(len(data.X), fraction, rng, self._strata(data.Y), labels)
        check_weight(data.weight, rows[1], fraction)
        return rows

    def _training_rows(
        self, net: EstimatorNetwork, data: TrainingData, indices: Array | None
    ) -> TrainingRows:
        """The rows to train on: those of `indices`, all of them if it is None."""
        samples = Samples(data.X, data.Y, data.weight)
        if indices is None:
            indices = np.arange(len(data.X))
        divisor = self._loss_divisor(net)
        return TrainingRows(samples, indices, data.alpha, self._constant(data.Y), divisor)

    def _validation(self, net: EstimatorNetwork, samples: Samples, monitor: Monitor) -> Validation:
        constant, divisor = self._constant(samples.Y), self._loss_divisor(net)
        offset = 0.0 if constant is None else np.average(constant, weights=samples.sample_weight)
        metric = None
        if monitor.metric is not None:
            metric = partial(self._metric_value, monitor.metric, net.spec, samples)
        return Validation(
            lambda: net.bound.forward(samples.X),
            lambda: (net.bound.loss(samples) + float(offset)) / divisor,
            lambda y_hat: self._validation_score(y_hat, samples),
            metric,
            monitor,
        )

    def _metric_value(
        self, metric: Metric, spec: NetworkSpec, samples: Samples, y_hat: Array
    ) -> float:
        return float(metric_values(spec, y_hat, samples, [metric])[metric.name])

    def _finished(self, net: EstimatorNetwork) -> Self:
        if not all_finite(net.params):
            raise ValueError(
                "Solver produced non-finite parameter weights. The input data may contain large "
                "values and need to be preprocessed."
            )
        return self

    def _check_solver(self) -> bool:
        if self._solver in FULL_BATCH:
            raise AttributeError(
                "partial_fit is only available for stochastic optimizers. "
                f"{self.solver} is not stochastic."
            )
        return True

    def __sklearn_tags__(self) -> Any:
        """Tags of scikit-learn: sparse X is accepted."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def _mean_one(weight: Array | None, dtype: str) -> Array | None:
    """Weights scaled to mean 1."""
    return None if weight is None else with_mean_one(weight).astype(dtype)
