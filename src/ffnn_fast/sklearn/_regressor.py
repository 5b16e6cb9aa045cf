"""MLPRegressor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import Interval
from sklearn.utils.metaestimators import available_if

from ffnn_fast._conversion import check_unmasked
from ffnn_fast._model.samples import Samples
from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast._names import hints_keywords
from ffnn_fast._public import public
from ffnn_fast._training.types import SchedulesLike
from ffnn_fast.activations import Activation
from ffnn_fast.losses import loss_of
from ffnn_fast.metrics import Metric
from ffnn_fast.optimizers import Optimizer
from ffnn_fast.schedules import Schedule
from ffnn_fast.sklearn._base import ANY, BaseMLP, Callbacks
from ffnn_fast.sklearn._estimator_network import EstimatorNetwork
from ffnn_fast.sklearn._parameters import Names
from ffnn_fast.sklearn._target_scaling import TargetScaling

Array = np.ndarray
LOSSES = {  # names of the estimator, and of the engine
    "squared_error": "half_squared_error",
    "poisson": "poisson",
    "absolute_error": "absolute",
    **{name: name for name in ("huber", "log_cosh", "quantile", "gaussian_nll")},
}


@hints_keywords
@public("ffnn_fast.sklearn")
class MLPRegressor(RegressorMixin, BaseMLP):
    """scikit-learn's ``MLPRegressor`` on this library's engine.

    Parameters up to `max_fun` and attributes have scikit-learn's names, defaults and meanings. For
    the same ``random_state`` and rows in float64, solvers ``lbfgs``, ``sgd`` and
    ``adam`` take the same steps up to rounding. With several targets ``loss_`` is, as there, the
    mean over targets, but ``lbfgs`` minimizes the function whose gradient it uses.

    Parameters
    ----------
    loss : str, default "squared_error"
        ``squared_error``, ``poisson`` (with exponential output), ``absolute_error``, ``huber``,
        ``log_cosh``, ``quantile`` or ``gaussian_nll``; see `ffnn_fast.NetworkSpec` for the
        formulas.
    hidden_layer_sizes : sequence of int, default (100,)
    activation : str or Activation, or a list of one per hidden layer, default "relu"
        Any activation of `ffnn_fast.NetworkSpec`.
    solver : str or Optimizer, default "adam"
        ``lbfgs``, ``sgd``, ``adam``, ``adamw``, ``nadam``, ``adamax``, ``amsgrad``, ``radam``,
        ``rmsprop``, ``adagrad``, ``adadelta``, ``rprop``, or an `ffnn_fast.optimizers.Optimizer`
        with its hyperparameters, which replace those of the estimator; or ``lm``,
        also ``levenberg_marquardt``, for squared errors and at most a few thousand parameters.
        ``adadelta`` makes no progress with the defaults of the estimator: use ``AdaDelta()``, or
        ``learning_rate_init=1.0`` and ``epsilon=1e-6``.
    alpha, batch_size
        As in scikit-learn.
    learning_rate : str, Schedule or callable, default "constant"
        ``constant``, ``invscaling`` or ``adaptive``, for ``sgd``; or, for any stochastic solver and
        in place of `learning_rate_init`, a schedule of `ffnn_fast.schedules` or a function from the
        number of completed steps to η. ``OneCycle(0.01)``, ``Cosine(0.01)`` and schedules with
        ``per="fit"`` cover `max_iter` epochs; `partial_fit` refuses them.
    learning_rate_init, power_t, max_iter, shuffle, random_state, tol, verbose, warm_start
        As in scikit-learn.
    momentum, nesterovs_momentum, early_stopping, validation_fraction, beta_1, beta_2, epsilon
        As in scikit-learn.
    n_iter_no_change, max_fun
        As in scikit-learn.
    loss_options : dict, optional
        For huber ``{"delta": 1.0}``, for quantile ``{"quantiles": (0.1, 0.5, 0.9)}``.
    monitor : str or Metric, default "score"
        The figure of the validation rows that `early_stopping` uses, also to choose the epoch
        whose weights are kept: ``score``, as in scikit-learn; ``loss``; or a metric: ``rmse``,
        ``mae``, ``r2`` or an `ffnn_fast.metrics.Metric`. Each name may begin with ``val_``.
        Metrics do not use sample weights.
    dropout : float or list of one per layer, default 0.0
        Probability of dropping a hidden unit in a step; the first element of a list is that of the
        inputs.
    weight_decay : float, default 0.01
        Coefficient of ``adamw``.
    schedules : dict of str to Schedule or callable, optional
        Schedules of other hyperparameters than the learning rate, for stochastic solvers: those of
        the optimizer, as ``{"weight_decay": FlatCosine(0.02)}``, and ``"dropout"``, which needs
        `dropout`. As in `ffnn_fast.Network.fit`.
    callbacks : callable or list of callable, optional
        Called after each epoch with a dictionary of ``epoch``, ``loss`` and ``learning_rate``, with
        validation data also ``val_loss``, ``val_score`` and the monitored metric. A callback that
        returns True ends the fit.
    scale_target : bool, default False
        Whether the network is trained on (y − mean) / standard deviation of each target; the
        predictions are converted back. The rows of the first call determine mean and deviation.
        Recommended unless y already has a magnitude of about 1. `loss_`, `loss_curve_`,
        ``validation_loss_curve_`` and the options of the loss are in units of the scaled target;
        so are ``coefs_`` and ``intercepts_``. Not for ``poisson``.
    n_threads : int, optional
        Maximum number of threads of a call; default: as in `ffnn_fast.Network`.
    n_starts : int, default 1
        Starts of ``lm``, of which the one with the lowest `loss_` is kept, with its `loss_curve_`
        and `n_iter_`. `random_state` draws the weights of each. They run on several threads, with
        the same result for any number. Other solvers have one start.

    Attributes
    ----------
    coefs_, intercepts_ : list of ndarray
        (n_{k-1}, n_k) and (n_k,) of each layer.
    target_mean_, target_scale_ : ndarray of shape (n_targets,)
        Mean and standard deviation of the targets; only with `scale_target`.
    loss_, best_loss_, loss_curve_, n_iter_, t_, n_layers_, n_outputs_, out_activation_
        As in scikit-learn, as are ``n_features_in_`` and ``feature_names_in_``.
    validation_scores_, best_validation_score_
        As in scikit-learn; scores are also recorded for `X_val` without early stopping. The best
        score is that of the epoch whose weights are kept.
    validation_loss_curve_ : list of float or None
        The loss on the validation data after each epoch, without penalty.
    monitor_curve_ : list of float or None
        The figure that `monitor` names, after each epoch.

    Notes
    -----
    float32 rows give a float32 network, which is about twice as fast. With the ``threading``
    backend of joblib pass ``n_threads=1``.

    Examples
    --------
    >>> import numpy as np
    >>> from ffnn_fast.sklearn import MLPRegressor
    >>> X = np.linspace(-1, 1, 50)[:, None]
    >>> y = X[:, 0] ** 2
    >>> net = MLPRegressor(hidden_layer_sizes=(8,), activation="tanh", solver="lm", random_state=0)
    >>> net.fit(X, y).score(X, y) > 0.999
    True
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BaseMLP._parameter_constraints,
        "loss": [Names({*LOSSES})],
        "scale_target": ["boolean"],
        "n_starts": [Interval(Integral, 1, None, closed="left")],
    }
    _y_numeric = True

    def __init__(
        self,
        loss: str = "squared_error",
        hidden_layer_sizes: Sequence[int] | int = (100,),
        activation: str | Activation | Sequence[str | Activation] = "relu",
        *,
        solver: str | Optimizer = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str | Schedule | Callable[[int], float] = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: int | np.random.RandomState | None = None,
        tol: float = 1e-4,
        verbose: bool = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        loss_options: dict[str, Any] | None = None,
        monitor: str | Metric = "score",
        dropout: float | Sequence[float] = 0.0,
        weight_decay: float = 0.01,
        schedules: SchedulesLike = None,
        callbacks: Callbacks = None,
        scale_target: bool = False,
        n_threads: int | None = None,
        n_starts: int = 1,
    ) -> None:
        self.loss = loss
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.loss_options = loss_options
        self.monitor = monitor
        self.dropout = dropout
        self.weight_decay = weight_decay
        self.schedules = schedules
        self.callbacks = callbacks
        self.scale_target = scale_target
        self.n_threads = n_threads
        self.n_starts = n_starts

    @available_if(lambda est: est._check_solver())
    def partial_fit(
        self, X: Any, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None
    ) -> Self:
        """One epoch over these rows, from the last state of weights and optimizer.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`.

        Returns
        -------
        self

        Raises
        ------
        AttributeError
            If `solver` is ``lbfgs``, ``lm`` or ``levenberg_marquardt``.
        ValueError, TypeError
            As `fit`; also if `early_stopping` is set, `learning_rate` counts in shares of a fit, or
            y has another number of targets.
        """
        check_unmasked(X=X, y=y, sample_weight=sample_weight)
        return self._partial_fit(X, y, sample_weight, "coefs_" not in vars(self))

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """Predict the targets of rows X.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            A sparse matrix is not made dense.
        return_std : bool, default False
            Whether to return standard deviations too, for loss ``gaussian_nll``.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_targets)
            Of the network's dtype. With loss ``quantile`` and several quantiles: a column for each
            quantile of target 1, then of target 2, ... With loss ``gaussian_nll``: the means.
        std : ndarray of the same shape
            Standard deviations; only with `return_std`.

        Raises
        ------
        ValueError
            If `return_std` is set and the loss is not ``gaussian_nll``.
        """
        if return_std and self._loss_name != "gaussian_nll":
            raise ValueError(f"return_std needs loss='gaussian_nll', got {self.loss!r}")
        y_hat = self._forward(X)
        if self._loss_name != "gaussian_nll":
            return _narrow(self._in_units(y_hat))
        mean, log_variance = np.hsplit(y_hat, 2)
        mean = _narrow(self._in_units(mean))
        if not return_std:
            return mean
        std = np.exp(log_variance / 2)
        if self._scaling is not None:
            std *= self._scaling.scale.astype(std.dtype)
        return mean, _narrow(std)

    def score(self, X: Any, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None) -> float:
        """R², averaged over targets; with several quantiles that of the one nearest to the median.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`.

        Returns
        -------
        float
        """
        check_unmasked(X=X, y=y, sample_weight=sample_weight)
        return float(
            r2_score(
                y,
                _narrow(self._in_units(self._point(self._forward(X)))),
                sample_weight=sample_weight,
            )
        )

    def _output(self) -> str:
        return "exp" if self._loss_name == "poisson" else "identity"

    def _engine_loss(self) -> str:
        return LOSSES[self._loss_name]

    def _count_outputs(self, Y: Array) -> int:
        return Y.shape[1] * loss_of(self._engine_loss()).heads(**self._options())

    def _options(self) -> dict[str, Any]:
        """Options of the loss, defaults included."""
        known, given = loss_of(self._engine_loss()).options, self.loss_options or {}
        return {
            name: option.check(given.get(name, option.default)) for name, option in known.items()
        }

    def _point(self, y_hat: Array) -> Array:
        """One value per target, (n, T)."""
        return loss_of(self._engine_loss()).point(y_hat, **self._options())

    def _in_units(self, values: Array) -> Array:
        """Outputs of the network in units of y, of the same shape and dtype."""
        scaling = self._scaling
        return values if scaling is None else scaling.unscaled(values)

    @property
    def _scaling(self) -> TargetScaling | None:
        """That of the fit, whatever `scale_target` is now."""
        if "target_mean_" not in vars(self):
            return None
        return TargetScaling(self.target_mean_, self.target_scale_)

    def _set_scaling(self, y: Array, sample_weight: Array | None) -> None:
        """Determine the scaling of a new fit, from y, (n, T)."""
        for name in {"target_mean_", "target_scale_"} & set(vars(self)):
            delattr(self, name)
        if self.scale_target:
            if self._loss_name == "poisson":
                raise ValueError(
                    "scale_target=True does not apply to loss='poisson', whose targets are >= 0"
                )
            found = TargetScaling.of(y, sample_weight)
            self.target_mean_, self.target_scale_ = found.mean, found.scale

    def _encoded(
        self, y: Any, dtype: str, classes: str, sample_weight: Array | None = None
    ) -> Array:
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if self._loss_name == "poisson" and (y < 0).any():
            raise ValueError("loss='poisson' needs y >= 0")
        Y = y.reshape(len(y), -1)
        if classes == ANY or "coefs_" not in vars(self):
            self._set_scaling(Y, sample_weight)
        elif self._count_outputs(Y) != len(self.intercepts_[-1]):
            raise ValueError(f"y has {Y.shape[1]} targets, another number than in the previous fit")
        if self._scaling is not None:
            Y = self._scaling.scaled(Y)
        return np.ascontiguousarray(Y, dtype=dtype)

    def _quickly_encoded(self, y: Any, net: EstimatorNetwork, n: int) -> Array | None:
        plain = type(y) is np.ndarray and y.shape == (n,) and y.dtype.kind in "fiu"
        if not plain or net.spec.n_targets != 1 or self._loss_name == "poisson":
            return None
        Y = y.reshape(n, 1)
        Y = (Y if self._scaling is None else self._scaling.scaled(Y)).astype(net.spec.dtype)
        return Y if np.isfinite(Y).all() else None

    def _weights_by_class(self, y: Any, incremental: bool) -> None:
        return None

    def _strata(self, Y: Array) -> None:
        return None

    def _metric_value(
        self, metric: Metric, spec: NetworkSpec, samples: Samples, y_hat: Array
    ) -> float:
        """The metric in units of y."""
        if metric.takes == "predictions":
            y_hat = self._point(y_hat)
        return float(
            metric.function(_narrow(self._in_units(samples.Y)), _narrow(self._in_units(y_hat)))
        )

    def _constant(self, Y: Array) -> Array | None:
        """y log y − y of each row, summed over targets: what completes the Poisson deviance."""
        if self._loss_name != "poisson":
            return None
        return (Y * np.log(np.where(Y > 0, Y, 1)) - Y).sum(axis=1)

    def _loss_divisor(self, net: EstimatorNetwork) -> int:
        return net.spec.n_targets if self._loss_name == "squared_error" else 1

    def _validation_score(self, y_hat: Array, samples: Samples) -> float:
        """R², the mean over targets; NaN if ŷ is not finite."""
        predicted, y, weight = self._point(y_hat), samples.Y, samples.sample_weight
        if not np.isfinite(predicted).all():
            return float("nan")
        w = np.ones((len(y), 1)) if weight is None else weight[:, None]
        errors = (w * (y - predicted) ** 2).sum(axis=0, dtype=np.float64)
        total = (w * (y - np.average(y, axis=0, weights=weight)) ** 2).sum(axis=0, dtype=float)
        unexplained = np.divide(errors, total, out=(errors > 0).astype(float), where=total > 0)
        return float(np.mean(1 - unexplained))

    def __sklearn_tags__(self) -> Any:
        """Tags of scikit-learn: several targets are accepted."""
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def _narrow(values: Array) -> Array:
    """(n,) if there is one column."""
    return values[:, 0] if values.shape[1] == 1 else values
