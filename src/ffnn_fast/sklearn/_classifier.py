"""MLPClassifier."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
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

from ffnn_fast._model.samples import Samples
from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast.activations import Activation
from ffnn_fast.optimizers import Optimizer
from ffnn_fast.schedules import Schedule
from ffnn_fast.sklearn import _label_columns as label_columns
from ffnn_fast.sklearn._base import ANY, SAME, BaseMLP
from ffnn_fast.sklearn._estimator_network import Core
from ffnn_fast.sklearn._label_columns import MULTIOUTPUT

Array = np.ndarray
MULTICLASS, MULTILABEL = "multiclass", "multilabel"


class MLPClassifier(ClassifierMixin, BaseMLP):
    """scikit-learn's ``MLPClassifier`` on this library's engine.

    The parameters up to `max_fun` are scikit-learn's, with its defaults and meanings; so are the
    attributes. For the same ``random_state`` and rows in float64, solvers ``lbfgs``, ``sgd`` and
    ``adam`` take the same steps up to rounding.

    Where y has several columns of labels that are not indicators (``multiclass-multioutput``), the
    network has a softmax over the classes of each, on hidden layers that all share.

    Parameters
    ----------
    hidden_layer_sizes : sequence of int, default (100,)
    activation : str or Activation, or a list of one per hidden layer, default "relu"
        Any of `ffnn_fast.NetworkSpec`.
    solver : str or Optimizer, default "adam"
        ``lbfgs``, ``sgd``, ``adam``; ``adamw``, ``nadam``, ``rmsprop``, ``adagrad``, ``rprop``, or
        an object of `ffnn_fast.optimizers` with hyperparameters of its own.
    alpha, batch_size
        As in scikit-learn.
    learning_rate : str, Schedule or callable, default "constant"
        ``constant``, ``invscaling``, ``adaptive`` (for ``sgd``); a schedule of
        `ffnn_fast.schedules` or a function from the steps done to η, for any stochastic solver, in
        place of `learning_rate_init`.
    learning_rate_init, power_t, max_iter, shuffle, random_state, tol, verbose, warm_start
        As in scikit-learn.
    momentum, nesterovs_momentum, early_stopping, validation_fraction, beta_1, beta_2, epsilon
        As in scikit-learn.
    n_iter_no_change, max_fun
        As in scikit-learn.
    loss : {"log_loss", "squared_error"}, default "log_loss"
        ``squared_error`` is that of the probabilities (Brier's score).
    loss_options : dict, optional
        ``{"label_smoothing": 0.1}`` of log_loss.
    class_weight : "balanced" or dict of label to weight, optional
        Multiplies `sample_weight`; for several labels or columns at once "balanced" or a list of a
        dict for each, as for `sklearn.utils.class_weight.compute_sample_weight`.
    dropout : float or list of one per layer, default 0.0
        Share of hidden units left out of a step; a list begins with that of the inputs.
    weight_decay : float, default 0.01
        Of ``adamw``.
    callbacks : callable or list of callable, optional
        Called after each epoch with a dictionary: ``epoch``, ``loss``, ``learning_rate``,
        ``val_loss``, ``val_score``. One that returns True ends the fit.
    n_threads : int, optional
        The most threads a call may use. Default: ``FFNN_FAST_NUM_THREADS``, else
        ``OMP_NUM_THREADS``, which joblib's workers are given so that together they use no more
        than all cores; else all.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,), or for several columns a list of such
    coefs_, intercepts_ : list of ndarray
        (n_{k-1}, n_k) and (n_k,) of each layer.
    loss_, best_loss_, loss_curve_, n_iter_, t_, n_layers_, n_outputs_, out_activation_
        As in scikit-learn, as are ``n_features_in_`` and ``feature_names_in_``. Logarithms of
        probabilities are not cut off at the machine's precision.
    validation_scores_, best_validation_score_
        As in scikit-learn; the scores also with rows to validate on but no early stopping.
    validation_loss_curve_ : list of float or None
        The loss on the validation rows after each epoch, without penalty.

    Notes
    -----
    float32 rows make a float32 network, about twice as fast. With the ``threading`` backend of
    joblib say ``n_threads=1``.

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
        "loss": [StrOptions({"log_loss", "squared_error"})],
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
        random_state: Any = None,
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
        dropout: float | Sequence[float] = 0.0,
        weight_decay: float = 0.01,
        callbacks: Any = None,
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
        self.dropout = dropout
        self.weight_decay = weight_decay
        self.callbacks = callbacks
        self.n_threads = n_threads

    @available_if(lambda est: est._check_solver())
    def partial_fit(
        self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None
    ) -> MLPClassifier:
        """One epoch over these rows, from where the last call left weights and optimizer.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`.
        classes : array-like of shape (n_classes,), or for several columns a list of such, optional
            All labels there will be; needed at the first call.

        Returns
        -------
        self
        """
        first = "coefs_" not in vars(self)
        asked = classes is not None or "classes_" not in vars(self)
        if label_columns.are_classes(classes):
            self.classes_ = label_columns.same_classes(classes, vars(self).get("classes_"))
        elif asked and _check_partial_fit_first_call(self, classes):
            several = type_of_target(y).startswith(MULTILABEL)
            self._label_binarizer = LabelBinarizer().fit(y if several else classes)
        return self._partial_fit(X, y, sample_weight, first)

    def predict(self, X: Any) -> Array:
        """Predict the class of each of the rows X, or for several labels 0 or 1 of each, or for
        several columns the class of each.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            A sparse one is made dense in blocks of rows.

        Returns
        -------
        ndarray of shape (n_samples,), (n_samples, n_classes) or (n_samples, n_columns)
        """
        y_hat = self._forward(X)
        if self._kind == MULTIOUTPUT:
            return label_columns.labels_of(y_hat, self.classes_)
        if self._kind == MULTICLASS:
            return self.classes_.take(y_hat.argmax(axis=1))
        if self._kind == MULTILABEL:
            return (y_hat > 0.5).astype(np.int64)
        says_second = (y_hat[:, 0] > 0.5).astype(np.intp)
        return self.classes_.take(says_second if len(self.classes_) > 1 else 0 * says_second)

    def predict_proba(self, X: Any) -> Array | list[Array]:
        """Probabilities of the classes, (n_samples, n_classes), of the network's dtype; for several
        columns a list of such, one for each.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        """
        y_hat = self._forward(X)
        if self._kind == MULTIOUTPUT:
            return label_columns.by_column(y_hat, self.classes_)
        return np.hstack([1 - y_hat, y_hat]) if y_hat.shape[1] == 1 else y_hat

    def predict_log_proba(self, X: Any) -> Array | list[Array]:
        """Logarithms of `predict_proba`."""
        y_prob = self.predict_proba(X)
        if isinstance(y_prob, list):
            return [np.log(head) for head in y_prob]
        return np.log(y_prob, out=y_prob)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Accuracy; for several labels or columns the share of rows whose labels are all right.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`.
        """
        check_is_fitted(self)
        if self._kind != MULTIOUTPUT:
            return float(super().score(X, y, sample_weight))
        truth, said = np.asarray(y), self.predict(X)
        if truth.shape != said.shape:
            raise ValueError(f"y must have shape {said.shape}, got {truth.shape}")
        return float(np.average((truth == said).all(axis=1), weights=sample_weight))

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
        if self.loss == "squared_error":
            return "squared_error"
        softmax = self.out_activation_ == "softmax"
        return "cross_entropy" if softmax else "binary_cross_entropy"

    def _count_outputs(self, Y: Array) -> int:
        return len(self.classes_) if self._kind == MULTICLASS else Y.shape[1]

    def _encoded(self, y: Any, dtype: str, classes: str) -> Array:
        """Labels 0..k-1, (n,), or 0 and 1 for each class, (n, k)."""
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if classes == ANY and label_columns.are_columns(y):
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
        """ValueError if there are other classes than before."""
        if self._kind == MULTIOUTPUT:
            label_columns.check(y, self.classes_, allowed == SAME)
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

    def _codes(self, places: Array, dtype: str) -> Array:
        """Places of labels among the classes, as the engine takes them."""
        if self._kind == MULTICLASS:
            return np.ascontiguousarray(places, dtype=np.int64)
        return (places == 1).astype(dtype).reshape(-1, 1)

    def _quickly_encoded(self, y: Any, core: Core, n: int) -> Array | None:
        if self._kind in (MULTILABEL, MULTIOUTPUT) or self.class_weight is not None:
            return None
        plain = type(y) is np.ndarray and y.shape == (n,) and y.dtype == self.classes_.dtype
        if not plain or self.warm_start or y.dtype.kind == "O":
            return None
        places = self.classes_.searchsorted(y)
        known = self.classes_.take(places, mode="clip") == y
        return self._codes(places, core.spec.dtype) if known.all() else None

    def _weighted(self, weight: Array | None, y: Any, incremental: bool) -> Array | None:
        """Weights of the rows times those of their classes."""
        if self.class_weight is None:
            return weight
        if incremental and self.class_weight == "balanced":
            raise ValueError(
                "class_weight='balanced' needs all rows; for partial_fit give a dictionary, such "
                "as from sklearn.utils.class_weight.compute_class_weight"
            )
        by_class = compute_sample_weight(self.class_weight, y)
        return by_class if weight is None else weight * by_class

    def _strata(self, Y: Array) -> Array | None:
        """Two classes are held out in their shares, as in scikit-learn; several are not."""
        return Y[:, 0] if Y.ndim == 2 and Y.shape[1] == 1 else None

    def _constant(self, Y: Array) -> None:
        return None

    def _shown_over(self, core: Core) -> int:
        return 1

    def _grade(self, y_hat: Array, held: Samples) -> float:
        """The share of rows whose labels are all right."""
        Y = held.Y
        if self._kind == MULTIOUTPUT:
            right = label_columns.are_right(y_hat, Y, self.classes_)
        elif Y.ndim == 1:
            right = y_hat.argmax(axis=1) == Y
        else:
            right = ((y_hat > 0.5) == (Y > 0.5)).all(axis=1)
        return float(np.average(right, weights=held.sample_weight))

    def __sklearn_tags__(self) -> Any:
        """Several labels at once and several columns of them are accepted."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        tags.target_tags.multi_output = True
        return tags
