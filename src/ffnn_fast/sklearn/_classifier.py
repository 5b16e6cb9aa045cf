"""MLPClassifier."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import ClassifierMixin
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import (
    _check_partial_fit_first_call,
    type_of_target,
    unique_labels,
)
from sklearn.utils.validation import check_is_fitted

from ffnn_fast._conversion import check_unmasked
from ffnn_fast._model.samples import Samples
from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast._names import hints_keywords
from ffnn_fast._public import public
from ffnn_fast._training.types import SchedulesLike
from ffnn_fast.activations import Activation
from ffnn_fast.metrics import Metric
from ffnn_fast.optimizers import Optimizer
from ffnn_fast.schedules import Schedule
from ffnn_fast.sklearn import _label_columns as label_columns
from ffnn_fast.sklearn._base import ANY, SAME, BaseMLP, Callbacks
from ffnn_fast.sklearn._class_weight import check_class_weight
from ffnn_fast.sklearn._estimator_network import EstimatorNetwork
from ffnn_fast.sklearn._label_columns import MULTIOUTPUT
from ffnn_fast.sklearn._parameters import Names

Array = np.ndarray
MULTICLASS, MULTILABEL = "multiclass", "multilabel"
Probabilities = npt.NDArray[np.floating] | list[npt.NDArray[np.floating]]


@hints_keywords
@public("ffnn_fast.sklearn")
class MLPClassifier(ClassifierMixin, BaseMLP):
    """scikit-learn's ``MLPClassifier`` on this library's engine.

    Parameters up to `max_fun` and attributes have scikit-learn's names, defaults and meanings. For
    the same ``random_state`` and rows in float64, solvers ``lbfgs``, ``sgd`` and
    ``adam`` take the same steps up to rounding.

    If y has several columns of labels that are not indicators (``multiclass-multioutput``), the
    network has one softmax output per column on shared hidden layers.

    Parameters
    ----------
    hidden_layer_sizes : sequence of int, default (100,)
    activation : str or Activation, or a list of one per hidden layer, default "relu"
        Any activation of `ffnn_fast.NetworkSpec`.
    solver : str or Optimizer, default "adam"
        ``lbfgs``, ``sgd``, ``adam``, ``adamw``, ``nadam``, ``adamax``, ``amsgrad``, ``radam``,
        ``rmsprop``, ``adagrad``, ``adadelta``, ``rprop``, or an `ffnn_fast.optimizers.Optimizer`
        with its hyperparameters, which replace those of the estimator. ``adadelta`` makes no
        progress with the defaults of the estimator: use ``AdaDelta()``, or
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
    loss : {"log_loss", "squared_error"}, default "log_loss"
        ``squared_error`` is Brier's score: the squared error of the probabilities.
    loss_options : dict, optional
        For log_loss ``{"label_smoothing": 0.1}``.
    class_weight : "balanced" or dict of label to weight, optional
        Multiplies `sample_weight`; for several columns of y "balanced" or a list of one dict per
        column, as for `sklearn.utils.class_weight.compute_sample_weight`.
    monitor : str or Metric, default "score"
        The figure of the validation rows that `early_stopping` uses, also to choose the epoch
        whose weights are kept: ``score``, as in scikit-learn; ``loss``; or a metric:
        ``accuracy``, ``f1``, ``log_loss``, ``top_<k>`` or an `ffnn_fast.metrics.Metric`, whose
        function receives classes as their positions in ``classes_``. Each name may begin with
        ``val_``. Metrics do not use sample weights. Monitor the loss if you need probabilities:
        accuracy may rise long after they have become too sure.
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
    n_threads : int, optional
        Maximum number of threads of a call; default: as in `ffnn_fast.Network`.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,), or for several columns a list of such
    coefs_, intercepts_ : list of ndarray
        (n_{k-1}, n_k) and (n_k,) of each layer.
    loss_, best_loss_, loss_curve_, n_iter_, t_, n_layers_, n_outputs_, out_activation_
        As in scikit-learn, as are ``n_features_in_`` and ``feature_names_in_``. Probabilities are
        not clipped to the machine epsilon in the loss.
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
    >>> from sklearn.datasets import load_iris
    >>> from ffnn_fast.sklearn import MLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> net = MLPClassifier(solver="lbfgs", alpha=0.1, random_state=0, max_iter=1000).fit(X, y)
    >>> net.score(X, y) > 0.95
    True
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BaseMLP._parameter_constraints,
        "loss": [Names({"log_loss", "squared_error"})],
        "class_weight": [dict, list, StrOptions({"balanced"}), None],
    }
    _y_numeric = False
    classes_: Any

    def __init__(
        self,
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
        loss: str = "log_loss",
        loss_options: dict[str, Any] | None = None,
        class_weight: str | Mapping[Any, float] | list[Mapping[Any, float]] | None = None,
        monitor: str | Metric = "score",
        dropout: float | Sequence[float] = 0.0,
        weight_decay: float = 0.01,
        schedules: SchedulesLike = None,
        callbacks: Callbacks = None,
        n_threads: int | None = None,
    ) -> None:
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
        self.loss = loss
        self.loss_options = loss_options
        self.class_weight = class_weight
        self.monitor = monitor
        self.dropout = dropout
        self.weight_decay = weight_decay
        self.schedules = schedules
        self.callbacks = callbacks
        self.n_threads = n_threads

    @available_if(lambda est: est._check_solver())
    def partial_fit(
        self,
        X: Any,
        y: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
        classes: npt.ArrayLike | Sequence[npt.ArrayLike] | None = None,
    ) -> Self:
        """One epoch over these rows, from the last state of weights and optimizer.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`.
        classes : array-like of shape (n_classes,), or for several columns a list of such, optional
            All labels of all calls; needed in the first call.

        Returns
        -------
        self

        Raises
        ------
        AttributeError
            If `solver` is ``lbfgs``.
        ValueError, TypeError
            As `fit`; also if `early_stopping` is set, `learning_rate` counts in shares of a fit, or
            y has labels that are not in `classes`.
        """
        check_unmasked(X=X, y=y, sample_weight=sample_weight, classes=classes)
        check_class_weight(self.class_weight)
        first = "coefs_" not in vars(self)
        needs_classes = classes is not None or "classes_" not in vars(self)
        if label_columns.are_lists(classes):
            self.classes_ = label_columns.check_same_classes(classes, vars(self).get("classes_"))
        elif needs_classes and _check_partial_fit_first_call(self, classes):
            indicators = type_of_target(y).startswith(MULTILABEL)
            self._label_binarizer = LabelBinarizer().fit(y if indicators else classes)
        return self._partial_fit(X, y, sample_weight, first)

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """Predict the classes of rows X.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            A sparse matrix is not made dense.

        Returns
        -------
        ndarray of shape (n_samples,), (n_samples, n_classes) or (n_samples, n_columns)
            Labels; an indicator matrix of 0 and 1 if y was one, sparse (CSR) if y was sparse; for
            several columns of labels one label per column.
        """
        y_hat, kind = self._forward(X), self._kind
        if kind == MULTIOUTPUT:
            return label_columns.labels_of(y_hat, self.classes_)
        if kind == MULTICLASS:
            return self.classes_.take(y_hat.argmax(axis=1))
        if kind == MULTILABEL:
            return self._label_binarizer.inverse_transform(y_hat)
        second = (y_hat[:, 0] > 0.5).astype(np.intp)
        return self.classes_.take(second if len(self.classes_) > 1 else 0 * second)

    def predict_proba(self, X: Any) -> Probabilities:
        """Predict the probabilities of the classes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes), or for several columns of labels a list of such
            Of the network's dtype; columns in the order of ``classes_``.
        """
        y_hat = self._forward(X)
        if self._kind == MULTIOUTPUT:
            return label_columns.by_column(y_hat, self.classes_)
        return np.concatenate([1 - y_hat, y_hat], axis=1) if y_hat.shape[1] == 1 else y_hat

    def predict_log_proba(self, X: Any) -> Probabilities:
        """Predict logarithms of the probabilities of the classes.

        Computed from the pre-activations of the outputs, so that they are finite where the
        probability itself rounds to 0.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes), or for several columns of labels a list of such
            As `predict_proba`.
        """
        net, rows = self._new_rows(X)
        log_p = net.log_proba(rows)
        if self._kind == MULTIOUTPUT:
            return label_columns.by_column(log_p, self.classes_)
        return log_p

    def score(self, X: Any, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None) -> float:
        """Accuracy; for several labels or columns the fraction of rows with all labels correct.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`.

        Returns
        -------
        float
        """
        check_is_fitted(self)
        check_unmasked(X=X, y=y, sample_weight=sample_weight)
        if self._kind != MULTIOUTPUT:
            return float(super().score(X, y, sample_weight))
        truth, predicted = np.asarray(y), self.predict(X)
        if truth.shape != predicted.shape:
            raise ValueError(f"y must have shape {predicted.shape}, got {truth.shape}")
        weight = None if sample_weight is None else np.asarray(sample_weight)
        return float(np.average((truth == predicted).all(axis=1), weights=weight))

    @property
    def _kind(self) -> str:
        """multiclass, multilabel, multiclass-multioutput or binary."""
        if isinstance(self.classes_, list):
            return MULTIOUTPUT
        kind = self._label_binarizer.y_type_
        return MULTILABEL if kind.startswith(MULTILABEL) else kind

    def _output(self) -> str:
        return "softmax" if self._kind in (MULTICLASS, MULTIOUTPUT) else "logistic"

    def _spec(self, sizes: tuple[int, ...], dtype: str) -> NetworkSpec:
        spec = super()._spec(sizes, dtype)
        if self._kind != MULTIOUTPUT:
            return spec
        return replace(spec, heads=label_columns.widths_of(self.classes_))

    def _engine_loss(self) -> str:
        if self._loss_name == "squared_error":
            return "squared_error"
        softmax = self.out_activation_ == "softmax"
        return "cross_entropy" if softmax else "binary_cross_entropy"

    def _count_outputs(self, Y: Array) -> int:
        return len(self.classes_) if self._kind == MULTICLASS else Y.shape[1]

    def _encoded(
        self, y: Any, dtype: str, classes: str, sample_weight: Array | None = None
    ) -> Array:
        """Labels 0..k-1, (n,), or 0 and 1 for each class, (n, k)."""
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if classes == ANY and label_columns.is_multioutput(y):
            self.classes_ = label_columns.classes_of(label_columns.columns_of(y))
        elif classes == ANY:
            self._label_binarizer = LabelBinarizer().fit(y)
            self.classes_ = self._label_binarizer.classes_
        else:
            self._check_classes(y, classes)
        if self._kind == MULTIOUTPUT:
            return label_columns.one_hot(y, self.classes_, dtype)
        if self._kind == MULTILABEL:
            indicators = self._label_binarizer.transform(y)
            return np.ascontiguousarray(indicators, dtype=dtype)
        return self._codes(np.searchsorted(self.classes_, y), dtype)

    def _check_classes(self, y: Any, allowed: str) -> None:
        """ValueError if y has classes that are not allowed."""
        if self._kind == MULTIOUTPUT:
            label_columns.check_columns(y, self.classes_, allowed == SAME)
            return
        classes = unique_labels(y)
        if allowed == SAME:
            if set(classes) != set(self.classes_):
                raise ValueError(
                    "warm_start can only be used where `y` has the same classes as in the previous "
                    f"call to fit. Previously got {self.classes_}, `y` has {classes}"
                )
        elif len(np.setdiff1d(classes, self.classes_, assume_unique=True)):
            raise ValueError(
                "`y` has classes not in `self.classes_`. "
                f"`self.classes_` has {self.classes_}. 'y' has {classes}."
            )

    def _codes(self, indices: Array, dtype: str) -> Array:
        """Indices of labels among the classes as targets of the engine."""
        if self._kind == MULTICLASS:
            return np.ascontiguousarray(indices, dtype=np.int64)
        return (indices == 1).astype(dtype).reshape(-1, 1)

    def _quickly_encoded(self, y: Any, net: EstimatorNetwork, n: int) -> Array | None:
        if self._kind in (MULTILABEL, MULTIOUTPUT) or self.class_weight is not None:
            return None
        plain = type(y) is np.ndarray and y.shape == (n,) and y.dtype == self.classes_.dtype
        if not plain or self.warm_start or y.dtype.kind == "O":
            return None
        indices = self.classes_.searchsorted(y)
        known = self.classes_.take(indices, mode="clip") == y
        return self._codes(indices, net.spec.dtype) if known.all() else None

    def _weights_by_class(self, y: Any, incremental: bool) -> Array | None:
        """The weight of each row's class, (n,)."""
        if self.class_weight is None:
            return None
        if incremental and self.class_weight == "balanced":
            raise ValueError(
                "class_weight='balanced' needs all rows; for partial_fit pass a dictionary, for "
                "example from sklearn.utils.class_weight.compute_class_weight"
            )
        by_class: Array = compute_sample_weight(self.class_weight, y)
        return by_class

    def _strata(self, Y: Array) -> Array | None:
        """Labels by which the split is stratified: those of two classes, as in scikit-learn."""
        return Y[:, 0] if Y.ndim == 2 and Y.shape[1] == 1 else None

    def _constant(self, Y: Array) -> None:
        return None

    def _loss_divisor(self, net: EstimatorNetwork) -> int:
        return 1

    def _validation_score(self, y_hat: Array, samples: Samples) -> float:
        """The fraction of rows with all labels correct."""
        Y = samples.Y
        if self._kind == MULTIOUTPUT:
            correct = label_columns.are_correct(y_hat, Y, self.classes_)
        elif Y.ndim == 1:
            correct = y_hat.argmax(axis=1) == Y
        else:
            correct = ((y_hat > 0.5) == (Y > 0.5)).all(axis=1)
        return float(np.average(correct, weights=samples.sample_weight))

    def __sklearn_tags__(self) -> Any:
        """Tags of scikit-learn: indicator matrices and several columns of labels are accepted."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        tags.target_tags.multi_output = True
        return tags
