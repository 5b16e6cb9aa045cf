"""Levenberg-Marquardt: regression by damped Gauss-Newton steps, and intervals from the fit.

`least_squares` states the objective, its Gauss-Newton Hessian H and its gradient g.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from scipy.special import stdtrit

from ffnn_fast import reference
from ffnn_fast._model.arrays import as_rows
from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast._public import public
from ffnn_fast._runtime.blas_limit import one_blas_thread
from ffnn_fast._runtime.bound_network import BoundNetwork, aligned_copy, within
from ffnn_fast._runtime.durations import Durations
from ffnn_fast._runtime.settings import Settings
from ffnn_fast._scalars import as_choice, as_float, as_int
from ffnn_fast._solvers.least_squares import CURVATURE, LeastSquares, Model
from ffnn_fast._solvers.minimizers import check_callback
from ffnn_fast._solvers.normal_inverse import NormalInverse
from ffnn_fast._solvers.quasi_newton import descend, usual_steps
from ffnn_fast._solvers.slope_residuals import check_second_derivatives
from ffnn_fast._solvers.starts import Ended, Lowest, Starts
from ffnn_fast.activations import Activation, activation_of
from ffnn_fast.history import History, Record, RecordCallback

Array = np.ndarray
FLAT = "the gradient is zero within tol"
SETTLED = "the objective no longer changes within tol"
STILL = "the parameters no longer move within tol"
STUCK = "no step lowers the objective"
NOT_FINITE = "the objective at the start is not finite"
STOPPED = "the callback raised StopIteration"
SLOW = "max_iterations reached"
CONVERGED = (FLAT, SETTLED, STILL)
MATRICES = 2  # (P, P) arrays that a start holds: H and its factor; see `n_matrices`
ROWS_AT_ONCE = 256  # new rows whose ∂ŷ/∂θ is held at once


@dataclass(frozen=True)
class LevenbergMarquardtOptions:
    """Options of `levenberg_marquardt`, converted; see `ffnn_fast.Network.levenberg_marquardt`."""

    max_iterations: int
    tol: float
    damping: float
    quasi_newton_steps: int | None = None
    memory_limit: float = 2e9
    callback: RecordCallback | None = None

    def __post_init__(self) -> None:
        put = object.__setattr__  # a frozen dataclass has no other way
        put(self, "max_iterations", as_int(self.max_iterations, "max_iterations"))
        for name in ("tol", "damping", "memory_limit"):
            put(self, name, as_float(getattr(self, name), name))
        if self.quasi_newton_steps is not None:
            steps = as_int(self.quasi_newton_steps, "quasi_newton_steps", low=0)
            put(self, "quasi_newton_steps", steps)
        check_callback(self.callback)

    def further_steps(self, model: Model) -> int:
        """The number of quasi-Newton steps after each Gauss-Newton step."""
        if self.quasi_newton_steps is not None:
            return self.quasi_newton_steps
        return usual_steps(len(model.g), model.bound.spec.n_outputs)

    def starts_together(self, problem: LeastSquares, spec: NetworkSpec) -> int:
        """The number of starts whose matrices fit the memory limit."""
        slopes = problem.samples.derivatives is not None
        return int(self.memory_limit / (n_matrices(problem.frozen, slopes) * 8 * spec.n_params**2))


@public()
class Interval(NamedTuple):
    """Result of `LeastSquaresFit.interval`.

    Attributes
    ----------
    lower, upper : ndarray
        The ends, float64: (n,) for one output, else (n, n_L); for one sample without the first
        axis.
    """

    lower: Array
    upper: Array


def n_matrices(frozen: tuple[int, ...], derivatives: bool) -> int:
    """The number of (P, P) matrices of a start: one more with frozen layers, and with derivatives
    to be fitted.
    """
    return MATRICES + bool(frozen) + derivatives


def check_least_squares(
    spec: NetworkSpec,
    memory_limit: float,
    frozen: tuple[int, ...] = (),
    derivatives: bool = False,
) -> None:
    """ValueError unless the objective is a sum of squares and its matrices fit the limit, bytes."""
    memory_limit = as_float(memory_limit, "memory_limit")
    spec.require_plain("levenberg_marquardt")
    if spec.loss not in CURVATURE or not isinstance(activation_of(spec.output), Activation):
        raise ValueError(
            f"levenberg_marquardt needs a regression network with loss {' or '.join(CURVATURE)} "
            f"and an elementwise output; got loss {spec.loss!r} with output {spec.output!r}, for "
            "which minimize(method='L-BFGS-B') works"
        )
    if any(spec.layer_l1):
        raise ValueError(
            f"levenberg_marquardt needs an objective with second derivatives, so l1 must be 0, got "
            f"{spec.l1}; use l2, or fit"
        )
    if derivatives:
        check_second_derivatives(spec)
    matrices = n_matrices(frozen, derivatives)
    needed = matrices * 8 * spec.n_params**2
    if needed > memory_limit:
        raise ValueError(
            f"levenberg_marquardt needs {matrices} matrices of {spec.n_params} by "
            f"{spec.n_params} parameters, {needed / 1e9:.3g} GB; memory_limit is "
            f"{memory_limit / 1e9:.3g} GB. minimize(method='L-BFGS-B') needs far less"
        )


@public()
class LeastSquaresFit(History):
    """History of `Network.levenberg_marquardt`: a record per iteration, and uncertainty of the fit.

    Attributes
    ----------
    converged : bool
        Whether a tolerance was reached.
    message : str
        Why the iteration ended.
    params : ndarray of shape (P,)
        θ where it ended, float64.
    start : int
        The number of the start that these records and this θ are of, from 1.
    objectives : ndarray of shape (n_starts,)
        The objective at which each start ended; infinite if that of its first θ was not finite.
    """

    _unit = "iteration"

    def __init__(
        self, end: Ended, model: Model, start: int = 1, objectives: Array | None = None
    ) -> None:
        super().__init__(end.records)
        self.message, self.params, self.start = end.message, end.theta, start
        self.objectives = np.array([end.value]) if objectives is None else objectives
        self.converged = end.message in CONVERGED
        self._spec, self._moving = model.bound.spec, model.moving
        self._penalty, self._H = self._of_moving(model.penalty), model.H
        self._output_weight = model.problem.output_weight
        self._squares, self._residuals = model.squares(end.theta)
        # JᵀJ = scale Σ w v ∂ŷ ∂ŷᵀ
        self._scale = CURVATURE[str(self._spec.loss)] / len(model.problem.samples.X)
        engine = "compiled" if model.bound.compiled else "reference"
        self._engine_and_threads = engine, model.bound.n_threads  # pickles hold public classes only

    def _of_moving(self, array: Array) -> Array:
        """The entries, along the first axis, of parameters that moved."""
        return array if self._moving is None else array[self._moving]

    @cached_property
    def _normal(self) -> NormalInverse:
        """H⁻¹ of the F parameters that moved."""
        inverse: NormalInverse = self._long(NormalInverse, self._H)
        return inverse

    @cached_property
    def _inverse(self) -> Array:
        """H⁻¹, (F, F)."""
        inverse: Array = self._long(self._normal.matrix)
        return inverse

    @cached_property
    def effective_parameters(self) -> float:
        """tr(2 M − M²) for M = H⁻¹ JᵀJ: without a penalty the number of parameters, those of frozen
        layers and directions of θ that the data do not determine not counted; less with one.
        """
        penalty, rank = self._penalty, float(self._normal.rank)
        if not penalty.any():
            return rank
        # H⁻¹H is a projector of this rank, M = H⁻¹H − H⁻¹Λ, so tr(2 M − M²) = rank − tr((H⁻¹Λ)²)
        return rank - float(penalty @ self._inverse**2 @ penalty)

    @property
    def degrees_of_freedom(self) -> float:
        """Residuals, one for each target or derivative that is not missing, less the effective
        parameters.
        """
        return self._residuals - self.effective_parameters

    @property
    def residual_variance(self) -> float:
        """s² = Σ w v (ŷ − y)² / degrees_of_freedom, of an observation of weight 1.

        Derivatives that were fitted count as observations, with their weight / c for weight 1: c is
        2 for squared_error, 1 for half_squared_error.

        Raises
        ------
        ValueError
            If there are not more residuals than effective parameters.
        """
        if self.degrees_of_freedom <= 0:
            raise ValueError(
                f"{self._residuals} residuals leave no degrees of freedom beside "
                f"{self.effective_parameters:.1f} effective parameters"
            )
        return self._squares / self.degrees_of_freedom

    def covariance(self) -> Array:
        """Cov(θ) = s² c/n · H⁻¹ JᵀJ H⁻¹, (P, P): without a penalty s² (Σ w v ∂ŷᵀ ∂ŷ)⁻¹.

        Rows and columns of frozen layers are 0. If the data do not determine all parameters, as
        those of a unit that is 0 on every row, the inverse is D (D H D)⁺ D, D² = 1 / diag H: such
        parameters have variance 0.
        """
        inverse, scale = self._inverse, self._scale * self.residual_variance
        product: Array = self._long(lambda: scale * (inverse - inverse * self._penalty @ inverse))
        if self._moving is None:
            return product
        whole = np.zeros((len(self.params),) * 2)
        whole[np.ix_(self._moving, self._moving)] = product
        return whole

    def interval(self, X: Any, level: float = 0.95, of: str = "mean") -> Interval:
        """The interval of ŷ, or of a new observation, with this probability, by the delta method.

        Half the width is t · √(g Cov(θ) gᵀ), g = ∂ŷ/∂θ, for the mean response at a row; for an
        observation of weight 1, t · √(s² + g Cov(θ) gᵀ). t is Student's quantile for
        `degrees_of_freedom`. Exact for a linear network, else an approximation by linearisation.
        The errors of all outputs are assumed independent, and of the same variance or, with weights
        v_j of the outputs, of variance s² / v_j. Ends are infinite where ŷ depends on parameters
        that the data do not determine, such as those of a unit that was 0 on every row.

        Parameters
        ----------
        X : array-like of shape (n, n_0) or (n_0,)
        level : float, default 0.95
            In (0, 1).
        of : {"mean", "observation"}, default "mean"

        Returns
        -------
        Interval
            ``(lower, upper)``, each shaped as the network's `predict`, float64.

        Raises
        ------
        TypeError, ValueError
            If an argument is not as described; if there are not more residuals than effective
            parameters.

        References
        ----------
        .. [1] Bates & Watts, Nonlinear Regression Analysis and Its Applications, 1988, section 2.3
        .. [2] De Veaux, Schumi, Schweinsberg & Ungar, Prediction intervals for neural networks
               via nonlinear regression, Technometrics 40, 1998 (with the penalty)
        """
        rows, single = as_rows(X, self._spec)
        level = as_float(level, "level", high=1.0)
        as_choice(of, "of", ("mean", "observation"))
        noise, shape = self.residual_variance, (len(rows), self._spec.n_outputs)
        y_hat, variance = np.empty(shape), np.empty(shape)
        settings = Settings(*self._engine_and_threads)
        bound = settings.bind(self._spec, aligned_copy(self.params, "float64"))
        for start in range(0, len(rows), ROWS_AT_ONCE):
            part = slice(start, start + ROWS_AT_ONCE)
            y_hat[part], gradients = bound.forward(rows[part]), bound.parameter_jacobian(rows[part])
            spread = self._long(self._spreads, gradients)
            variance[part] = noise * self._scale * spread
        if of == "observation":
            variance += noise if self._output_weight is None else noise / self._output_weight
        half = stdtrit(self.degrees_of_freedom, (1 + level) / 2) * np.sqrt(variance)
        ends = (y_hat - half, y_hat + half)
        if self._spec.n_outputs == 1:
            ends = (ends[0][:, 0], ends[1][:, 0])
        return Interval(*(end[0] if single else end for end in ends))

    def _spreads(self, gradients: Array) -> Array:
        """The spread g H⁻¹ JᵀJ H⁻¹ gᵀ, (m, n_L), of g = ∂ŷ/∂θ, (m, n_L, P)."""
        m, n_outputs, _ = gradients.shape
        spread, root = np.empty((m, n_outputs)), np.sqrt(self._scale)
        for j in range(n_outputs):
            g = gradients[:, j] if self._moving is None else gradients[:, j, self._moving]
            solved = self._normal.solve(g)
            spread[:, j] = (g.T * solved).sum(axis=0) - self._penalty @ solved**2
            spread[~self._normal.determines(root * g), j] = np.inf
        return np.maximum(spread, 0)

    def _long(self, function: Callable[..., Any], *args: Any) -> Any:
        """A call that works on a (P, P) matrix, with one BLAS thread."""
        P = len(self.params)
        seconds = Durations(self._spec, reference).operations(P**3 + ROWS_AT_ONCE * P**2)
        return one_blas_thread(within, seconds, function, *args)


def levenberg_marquardt(
    bound: BoundNetwork,
    problem: LeastSquares,
    target: Array,
    options: LevenbergMarquardtOptions,
    further: Sequence[Array] = (),
) -> LeastSquaresFit:
    """Steps −(H + μI)⁻¹ g; `target` becomes every θ that lowers the objective.

    The damping μ starts at ``damping`` · max diag H. After a step with gain ratio ρ = (decrease of
    the objective) / (decrease of the quadratic model) > 0 it is multiplied by
    max(1/3, 1 − (2ρ − 1)³); after a step that is rejected, by ν = 2, 4, 8, ... [1]_ [2]_
    Quasi-Newton steps follow each that is not rejected, see `quasi_newton`; compare [3]_. The
    starts are ``bound.params`` and those in `further`.

    References
    ----------
    .. [1] Madsen, Nielsen & Tingleff, Methods for non-linear least squares problems, 2nd edition,
           DTU 2004, algorithm 3.16
    .. [2] Hagan & Menhaj, Training feedforward networks with the Marquardt algorithm, IEEE
           Transactions on Neural Networks 5, 1994
    .. [3] Dennis, Gay & Welsch, An adaptive nonlinear least-squares algorithm, ACM Transactions on
           Mathematical Software 7, 1981 (the same cause, mended by another quasi-Newton update)
    """
    fit: LeastSquaresFit = one_blas_thread(_fit, bound, problem, target, options, further)
    return fit


def _fit(
    bound: BoundNetwork,
    problem: LeastSquares,
    target: Array,
    options: LevenbergMarquardtOptions,
    further: Sequence[Array],
) -> LeastSquaresFit:
    model, first = Model(bound, problem), bound.params
    value = model.value(first)
    if not np.isfinite(value):
        raise ValueError(f"the objective at the initial parameters is {value}, not finite")
    if not further:
        end = _iterate(model, first, value, options, Lowest(target))
        return LeastSquaresFit(end, model)
    lowest, starts = Lowest(target, value), [first, *further]
    models = [model]
    fit_memory = options.starts_together(problem, bound.spec)
    together = min(fit_memory, bound.threads_now, len(starts))
    options = replace(options, callback=_one_at_a_time(options.callback))
    if together > 1:
        models = [model.on_one_thread() for _ in range(together)]

    def solve(model: Model, theta: Array, number: int) -> Ended:
        value = model.value(theta)
        if not np.isfinite(value):
            return Ended(np.inf, theta, [], NOT_FINITE)
        return _iterate(model, theta, value, options, lowest, number)

    ends = Starts(solve, lowest).run(starts, models)
    values = np.array([end.value for end in ends])
    best = int(np.argmin(values))
    end, model = ends[best], models[0]
    if end.value < value:
        target[:] = end.theta
    model.move(end.theta)
    return LeastSquaresFit(end, model, best + 1, values)


def _iterate(
    model: Model,
    theta: Array,
    value: float,
    options: LevenbergMarquardtOptions,
    lowest: Lowest,
    number: int | None = None,
) -> Ended:
    """The iterations from θ, where the objective is `value`; `number` of the start if several."""
    records: list[Record] = []
    model.move(theta)
    mu, nu = options.damping * float(model.H.diagonal().max()), 2.0
    further = options.further_steps(model)
    message = FLAT if model.cosine(value) <= options.tol else None
    while message is None:
        lowest.check()
        began, before, start = perf_counter(), value, theta
        step = model.step(mu)
        ahead = np.inf if step is None else model.value(model.moved(theta, step))
        predicted = 0.0 if step is None else 0.5 * float(step @ (mu * step - model.g))
        gain = (value - ahead) / predicted if predicted > 0 else -np.inf
        moved = np.inf if step is None else float(np.linalg.norm(step))
        if gain > 0 and step is not None:
            theta, value = model.moved(theta, step), ahead
            if further:
                theta, value = descend(model, theta, value, step, further)
                moved = model.length(theta - start)
            lowest.offer(theta, value)
            model.move(theta)
            mu, nu = mu * max(1 / 3, 1 - (2 * gain - 1) ** 3), 2.0
            ahead = value
        else:
            mu, nu = mu * nu, 2 * nu
        change = max(abs(before - ahead), predicted)
        record: Record = {
            "epoch": len(records) + 1, "loss": value,
            "gradient_norm": float(np.linalg.norm(model.g)), "damping": mu,
            "seconds": perf_counter() - began,
        }  # fmt: skip
        records.append(record if number is None else {**record, "start": number})
        endings = {
            FLAT: model.cosine(value) <= options.tol,
            SETTLED: change <= options.tol * value,
            STILL: moved <= options.tol * model.length(start),
            STUCK: not mu < np.inf,
            SLOW: len(records) == options.max_iterations,
            STOPPED: _stops(options.callback, records[-1]),
        }
        # All of them: an interrupt while a generator is closed in its middle would be lost.
        reasons = [why for why, holds in endings.items() if holds]
        message = reasons[0] if reasons else None
    return Ended(value, theta, records, message)


def _one_at_a_time(callback: RecordCallback | None) -> RecordCallback | None:
    """The callback for several threads."""
    if callback is None:
        return None
    lock = threading.Lock()

    def call(record: Record) -> None:
        with lock:
            callback(record)

    return call


def _stops(callback: RecordCallback | None, record: Record) -> bool:
    try:
        if callback is not None:
            callback(record)
    except StopIteration:
        return True
    return False
