"""What both estimators share: parameters, checks of what is given, fit and partial_fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator, _fit_context
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from ffnn_fast._model.arrays import all_finite
from ffnn_fast._model.samples import Samples
from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast.activations import ACTIVATIONS, ALIASES, Activation
from ffnn_fast.optimizers import OPTIMIZERS, Optimizer
from ffnn_fast.schedules import Schedule
from ffnn_fast.sklearn._epochs import Epochs, Judge, Rows, batch_rows, fit_epochs
from ffnn_fast.sklearn._estimator_network import Core, dense, threads
from ffnn_fast.sklearn._full_batch_solvers import minimize
from ffnn_fast.sklearn._steps import new_steps

Array = np.ndarray
FULL_BATCH = ("lbfgs", "lm")
STOCHASTIC = {*OPTIMIZERS} - {"momentum", "nesterov"}  # those two are solver="sgd"
ANY, SAME, KNOWN = "any", "same", "known"  # classes of y: new ones, those there are, some of them
SPARSE = ["csr", "csc"]
FLOATS = (np.float64, np.float32)


@dataclass(frozen=True)
class Given:
    """Rows as an estimator was given them, checked: X dense, (n, n_0), targets encoded."""

    X: Array
    Y: Array
    weight: Array | None


@dataclass(frozen=True)
class Start:
    """Weights of a user's own to begin with, per layer (n_{k-1}, n_k) and (n_k,), or None."""

    coefs: Sequence[Any] | None = None
    intercepts: Sequence[Any] | None = None


class BaseMLP(BaseEstimator):
    """Parameters and methods of `MLPClassifier` and `MLPRegressor`."""

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions({*ACTIVATIONS, *ALIASES}), list, tuple, Activation],
        "solver": [StrOptions({*FULL_BATCH, *STOCHASTIC}), Optimizer],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "learning_rate": [
            StrOptions({"constant", "invscaling", "adaptive"}),
            Schedule,
            callable,
        ],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "power_t": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "verbose": ["verbose"],
        "warm_start": ["boolean"],
        "momentum": [Interval(Real, 0, 1, closed="both")],
        "nesterovs_momentum": ["boolean"],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "beta_1": [Interval(Real, 0, 1, closed="left")],
        "beta_2": [Interval(Real, 0, 1, closed="left")],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), Options(Real, {np.inf})],
        "max_fun": [Interval(Integral, 1, None, closed="left")],
        "loss_options": [dict, None],
        "dropout": [Interval(Real, 0, 1, closed="left"), list, tuple],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "callbacks": [callable, list, tuple, None],
        "n_threads": [Integral, None],
    }

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
        coef_init: Any = None,
        intercept_init: Any = None,
    ) -> Any:
        """Fit the network to rows X and targets y.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            float32 and float64 are kept, all else becomes float64. A sparse matrix is made dense
            once: n_samples · n_features numbers. Rows that are C-contiguous are not copied.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Class labels (a classifier's may have several columns), indicators, or numbers.
        sample_weight : array-like of shape (n_samples,), optional
        X_val, y_val, sample_weight_val : array-like, optional
            Rows to judge by after each epoch, in place of a share of X: ``validation_scores_`` and
            ``validation_loss_curve_`` are recorded on them, and `early_stopping` stops by them.
        coef_init, intercept_init : sequence of array-like, optional
            Weights (n_{k-1}, n_k) and biases (n_k,) of every layer to start from; nothing is drawn
            for them then.

        Returns
        -------
        self

        Warns
        -----
        ConvergenceWarning
            When `max_iter` ends the fit.

        Raises
        ------
        ValueError, TypeError
            If something is not as described, or training left the finite numbers.
        """
        if (X_val is None) != (y_val is None):
            raise ValueError("give X_val and y_val, or neither")
        hidden = self._hidden_sizes()
        fresh = not self.warm_start or "coefs_" not in vars(self)
        given = self._checked(X, y, sample_weight, fresh)
        rng = self._generator()
        core = self._begin(given, hidden, fresh, Start(coef_init, intercept_init), rng)
        held = None
        if X_val is not None:
            held = self._validation_rows(core, X_val, y_val, sample_weight_val)
        if self.solver in FULL_BATCH:
            minimize(self, core, self._rows(core, given, None))
        else:
            self._fit_stochastic(core, given, held, rng, fresh)
        return self._finished(core)

    def _partial_fit(self, X: Any, y: Any, sample_weight: Any, first: bool) -> Any:
        """One epoch over the rows, from the optimizer's last state."""
        if first:
            self._validate_params()
        if self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True")
        if first:
            given = self._checked(X, y, sample_weight, True, incremental=True)
            rng = self._generator()
            core = self._begin(given, self._hidden_sizes(), True, Start(), rng)
        else:
            core, rng = self._ready(), self._generator()
            self.coefs_, self.intercepts_ = list(core.coefs), list(core.intercepts)
            given = self._quickly_checked(core, X, y, sample_weight) or self._checked(
                X, y, sample_weight, False, incremental=True
            )
        self._fit_stochastic(core, given, None, rng, first, incremental=True)
        return self._finished(core)

    def _fit_stochastic(
        self,
        core: Core,
        given: Given,
        held: Samples | None,
        rng: Callable[[], np.random.RandomState],
        fresh: bool,
        incremental: bool = False,
    ) -> None:
        if fresh or "loss_curve_" not in vars(self):
            self._open_curves(core, held is not None)
        if not incremental or "_steps" not in vars(self):
            seed = int(rng().randint(2**31 - 1)) if any(core.spec.dropout_rates) else 0
            self._steps = new_steps(self, core.spec, seed)
        which = None
        if self.early_stopping and held is None:
            which, rest = self._split(given, rng())
            part = Samples(given.X[rest], given.Y[rest], _take(given.weight, rest))
            held = Samples(part.X, part.Y, _mean_one(part.sample_weight, core.spec.dtype))
        rows = self._rows(core, given, which)
        size = batch_rows(self.batch_size, len(rows.which))
        epochs = Epochs(core, rows, self._steps, float(self.alpha), size)
        judge = None if held is None else self._judge(core, held)
        fit_epochs(self, epochs, judge, rng, 1 if incremental else self.max_iter, incremental)
        if self.early_stopping:
            core.params[:] = self._best

    def _hidden_sizes(self) -> list[int]:
        sizes = self.hidden_layer_sizes
        sizes = list(sizes) if hasattr(sizes, "__iter__") else [sizes]
        if any(size <= 0 for size in sizes):
            raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
        return [int(size) for size in sizes]

    def _generator(self) -> Callable[[], np.random.RandomState]:
        """The generator of this call, made when it is first wanted."""
        return cache(lambda: check_random_state(self.random_state))

    def _begin(
        self, given: Given, hidden: list[int], fresh: bool, start: Start, rng: Callable[[], Any]
    ) -> Core:
        """The network at its start, or where it was."""
        if fresh:
            self.n_iter_ = self.t_ = 0
            self.out_activation_ = self._output()
            self.n_outputs_ = self._count_outputs(given.Y)
            sizes = (given.X.shape[1], *hidden, self.n_outputs_)
            self.n_layers_ = len(sizes)
            asked = self._asked(sizes, given.X.dtype.name)
            core = self._core = Core(self._spec(*asked[:2]), threads(self.n_threads), asked)
            if start.coefs is None or start.intercepts is None:
                core.draw(rng())
        else:
            core = self._ready()
            if list(core.spec.layer_sizes[1:-1]) != hidden:
                raise ValueError(
                    f"warm_start goes on with hidden_layer_sizes {core.spec.layer_sizes[1:-1]}, "
                    f"got {hidden}"
                )
        core.adopt(start.coefs or core.coefs, start.intercepts or core.intercepts)
        self.coefs_, self.intercepts_ = list(core.coefs), list(core.intercepts)
        return core

    def _asked(self, sizes: tuple[int, ...], dtype: str) -> tuple[Any, ...]:
        """All that a network is made from; it is made anew when some of it has changed."""
        return (
            sizes, dtype, self.out_activation_, self.activation, self.loss, self.loss_options,
            self.dropout, self.n_threads,
        )  # fmt: skip

    def _spec(self, sizes: tuple[int, ...], dtype: str) -> NetworkSpec:
        activation = self.activation
        several = isinstance(activation, (list, tuple))
        return NetworkSpec(
            sizes,
            tuple(activation) if several else activation,
            self.out_activation_,
            self._engine_loss(),
            dtype,
            loss_options=self.loss_options or {},
            dropout=tuple(self.dropout) if isinstance(self.dropout, list) else self.dropout,
        )

    def _ready(self) -> Core:
        """The fitted network, with coefs_ and intercepts_ as they are now."""
        coefs = self.coefs_
        sizes = (coefs[0].shape[0], *(W.shape[1] for W in coefs))
        dtype = "float32" if coefs[0].dtype == np.float32 else "float64"
        asked, core = self._asked(sizes, dtype), vars(self).get("_core")
        if core is None or core.asked != asked:
            core = self._core = Core(self._spec(sizes, dtype), threads(self.n_threads), asked)
        core.adopt(coefs, self.intercepts_)
        return core

    def __getstate__(self) -> dict[str, Any]:
        """What is pickled: coefs_ and intercepts_, from which the network is made again."""
        state = super().__getstate__()
        return {name: value for name, value in state.items() if name != "_core"}

    def _checked(
        self, X: Any, y: Any, sample_weight: Any, fresh: bool, incremental: bool = False
    ) -> Given:
        """Rows, targets and weights; TypeError or ValueError if they are not as they should be."""
        X, y = validate_data(
            self, X, y, accept_sparse=SPARSE, multi_output=True, dtype=FLOATS, order="C",
            reset=fresh, y_numeric=self._y_numeric,
        )  # fmt: skip
        dtype = X.dtype.name if fresh else self.coefs_[0].dtype.name
        Y = self._encoded(y, dtype, self._classes_allowed(fresh, incremental))
        weight = None
        if sample_weight is not None:
            weight = _check_sample_weight(sample_weight, X, dtype=np.float64)
        weight = self._weighted(weight, y, incremental)
        if weight is not None and not weight.any():
            raise ValueError("Sample weights must contain at least one non-zero number.")
        return Given(dense(X, dtype), Y, weight)

    def _classes_allowed(self, fresh: bool, incremental: bool) -> str:
        """What classes y may have, beside those of before."""
        if incremental:
            return SAME if self.warm_start else KNOWN
        return ANY if fresh else SAME

    def _quickly_checked(self, core: Core, X: Any, y: Any, sample_weight: Any) -> Given | None:
        """The same for plain arrays that are as they should be; None: look more closely."""
        if sample_weight is not None or not self._is_plain(core, X):
            return None
        Y = self._quickly_encoded(y, core, len(X))
        return None if Y is None else Given(X, Y, None)

    def _is_plain(self, core: Core, X: Any) -> bool:
        """Whether X is an array that the engine can take as it is."""
        return (
            type(X) is np.ndarray
            and X.dtype == core.spec.dtype
            and X.ndim == 2
            and X.shape[1] == core.spec.n_inputs
            and len(X) > 0
            and X.flags.c_contiguous
            and "feature_names_in_" not in vars(self)
            and bool(all_finite(X))
        )

    def _validation_rows(self, core: Core, X: Any, y: Any, weight: Any) -> Samples:
        X, y = validate_data(
            self, X, y, accept_sparse=SPARSE, multi_output=True, dtype=FLOATS, order="C",
            reset=False, y_numeric=self._y_numeric,
        )  # fmt: skip
        if weight is not None:
            weight = _mean_one(_check_sample_weight(weight, X, dtype=np.float64), core.spec.dtype)
        Y = self._encoded(y, core.spec.dtype, KNOWN)
        return Samples(dense(X, core.spec.dtype), Y, weight)

    def _split(self, given: Given, rng: np.random.RandomState) -> tuple[Array, Array]:
        """Numbers of the rows to train on and of those held out, as scikit-learn draws them."""
        train, held = train_test_split(
            np.arange(len(given.X)), random_state=rng, test_size=self.validation_fraction,
            stratify=self._strata(given.Y),
        )  # fmt: skip
        if len(held) < 2:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' "
                "or the size of your dataset."
            )
        return train, held

    def _rows(self, core: Core, given: Given, which: Array | None) -> Rows:
        problem = Samples(given.X, given.Y, given.weight)
        if which is None:
            which = np.arange(len(given.X))
        return Rows(problem, which, self._constant(given.Y), self._shown_over(core))

    def _judge(self, core: Core, held: Samples) -> Judge:
        constant, over = self._constant(held.Y), self._shown_over(core)
        offset = 0.0 if constant is None else np.average(constant, weights=held.sample_weight)
        return Judge(
            lambda: self._grade(core.machine.forward(held.X), held),
            lambda: (core.machine.loss(held) + float(offset)) / over,
        )

    def _open_curves(self, core: Core, judged: bool) -> None:
        """The attributes that record a fit, empty."""
        self.loss_curve_: list[float] = []
        self._no_improvement_count = 0
        judged = judged or self.early_stopping
        self.validation_scores_: list[float] | None = [] if judged else None
        self.validation_loss_curve_: list[float] | None = [] if judged else None
        self.best_loss_ = None if self.early_stopping else np.inf
        self.best_validation_score_ = -np.inf if self.early_stopping else None
        if self.early_stopping:
            self._best = core.params.copy()

    def _finished(self, core: Core) -> Any:
        if not all_finite(core.params):
            raise ValueError(
                "Solver produced non-finite parameter weights. The input data may contain large "
                "values and need to be preprocessed."
            )
        return self

    def _forward(self, X: Any) -> Array:
        """ŷ, (n, n_L), of new rows."""
        check_is_fitted(self)
        core = self._ready()
        if self._is_plain(core, X):
            return core.machine.forward(X)
        return core.forward(validate_data(self, X, accept_sparse=SPARSE, reset=False))

    def _check_solver(self) -> bool:
        if self.solver in FULL_BATCH:
            raise AttributeError(
                "partial_fit is only available for stochastic optimizers. "
                f"{self.solver} is not stochastic."
            )
        return True

    def __sklearn_tags__(self) -> Any:
        """Sparse rows are accepted."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def _take(values: Array | None, rows: Array) -> Array | None:
    return None if values is None else values[rows]


def _mean_one(weight: Array | None, dtype: str) -> Array | None:
    """Weights scaled to mean 1."""
    return None if weight is None else (weight / weight.mean()).astype(dtype)
