"""Levenberg-Marquardt: regression by damped Gauss-Newton steps, and intervals from the fit.

The objective is ½‖r‖² + ½ θᵀ Λ θ with r_ij = √(c w_i / n) (ŷ_ij − y_ij), where c is ∂²ℓ/∂ŷ²: 2 for
squared_error, 1 for half_squared_error; Λ holds l2_k for weights and 0 for biases. With J = ∂r/∂θ
its Gauss-Newton Hessian is H = JᵀJ + Λ and its gradient g = Jᵀr + Λθ. All of it is in float64.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from scipy.special import stdtrit

from ffnn_fast import reference
from ffnn_fast._model.arrays import as_rows
from ffnn_fast._model.samples import Samples
from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast._public import public
from ffnn_fast._runtime.blas_limit import one_blas_thread
from ffnn_fast._runtime.bound_network import BoundNetwork, aligned_empty, within
from ffnn_fast._runtime.durations import Durations
from ffnn_fast._scalars import as_choice, as_float, as_int
from ffnn_fast._solvers import cholesky
from ffnn_fast._solvers.minimizers import check_callback
from ffnn_fast.activations import Activation, activation_of
from ffnn_fast.history import History, Record, RecordCallback

Array = np.ndarray
CURVATURE = {"squared_error": 2.0, "half_squared_error": 1.0}  # c
FLAT = "the gradient is zero within tol"
SETTLED = "the objective no longer changes within tol"
STILL = "the parameters no longer move within tol"
STUCK = "no step lowers the objective"
STOPPED = "the callback raised StopIteration"
SLOW = "max_iterations reached"
CONVERGED = (FLAT, SETTLED, STILL)
MATRICES = 2  # (P, P) arrays that a fit holds: H and its factor
ROWS_AT_ONCE = 256  # new rows whose ∂ŷ/∂θ is held at once


@dataclass(frozen=True)
class LevenbergMarquardtOptions:
    """Options of `levenberg_marquardt`, converted; see `ffnn_fast.Network.levenberg_marquardt`."""

    max_iterations: int
    tol: float
    damping: float
    callback: RecordCallback | None = None

    def __post_init__(self) -> None:
        put = object.__setattr__  # a frozen dataclass has no other way
        put(self, "max_iterations", as_int(self.max_iterations, "max_iterations"))
        for name in ("tol", "damping"):
            put(self, name, as_float(getattr(self, name), name))
        check_callback(self.callback)


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


def check_least_squares(spec: NetworkSpec, memory_limit: float) -> None:
    """ValueError unless the objective is a sum of squares and its matrices fit the limit, bytes."""
    memory_limit = as_float(memory_limit, "memory_limit")
    if spec.loss not in CURVATURE or not isinstance(activation_of(spec.output), Activation):
        raise ValueError(
            f"levenberg_marquardt needs a regression network with loss {' or '.join(CURVATURE)} "
            f"and an elementwise output; got loss {spec.loss!r} with output {spec.output!r}, for "
            "which minimize(method='L-BFGS-B') works"
        )
    if spec.missing_targets == "ignore":
        raise ValueError(
            "levenberg_marquardt needs every target; for missing ones use fit or minimize"
        )
    if any(spec.layer_l1):
        raise ValueError(
            f"levenberg_marquardt needs an objective with second derivatives, so l1 must be 0, got "
            f"{spec.l1}; use l2, or fit"
        )
    needed = MATRICES * 8 * spec.n_params**2
    if needed > memory_limit:
        raise ValueError(
            f"levenberg_marquardt needs {MATRICES} matrices of {spec.n_params} by "
            f"{spec.n_params} parameters, {needed / 1e9:.3g} GB; memory_limit is "
            f"{memory_limit / 1e9:.3g} GB. minimize(method='L-BFGS-B') needs far less"
        )


def ridge(spec: NetworkSpec) -> Array:
    """The diagonal of Λ, (P,)."""
    diagonal = np.zeros(spec.n_params)
    for W, l2 in zip(spec.weights(diagonal), spec.layer_l2, strict=True):
        W[:] = l2
    return diagonal


class _Model:
    """The objective and its quadratic model H, g at a point, with their buffers.

    Long calls run in the background. After an interrupt the model is not used again, so what they
    still write does not matter.
    """

    def __init__(self, bound: BoundNetwork, samples: Samples) -> None:
        self.bound = bound
        self.samples = samples
        self.data = (samples.X, samples.Y, samples.sample_weight)
        P, n, backend = bound.spec.n_params, len(samples.X), bound.backend
        self.ridge = ridge(bound.spec)
        self.H, self.factor = np.empty((P, P)), np.empty((P, P))
        self.g = aligned_empty(P, "float64")
        size = max(
            backend.workspace_size(bound.plan, n), backend.normal_workspace_size(bound.plan, n)
        )
        self.work = aligned_empty(size, "float64")
        operations = bound.durations.operations
        self.seconds_of_move = operations(bound.spec.n_outputs * n * P**2)
        self.seconds_of_step = operations(P**3 / 3 + P**2)

    def value(self, theta: Array) -> float:
        """The objective at θ."""
        return self.bound.on(theta).loss(self.samples, work=self.work)

    def move(self, theta: Array) -> None:
        """H, its lower triangle, and g := those of θ."""
        within(self.seconds_of_move, self._move, theta, exit_waits=self.bound.uses_blas)

    def _move(self, theta: Array) -> None:
        self.bound.backend.normal_equations(
            self.bound.plan_now, theta, *self.data, self.H, self.g, self.work
        )
        self.H.flat[:: len(theta) + 1] += self.ridge
        self.g += self.ridge * theta

    def step(self, mu: float) -> Array | None:
        """−(H + μI)⁻¹ g; None if the matrix is indefinite, by rounding or NaN."""
        step: Array | None = within(self.seconds_of_step, self._step, mu)
        return step

    def _step(self, mu: float) -> Array | None:
        self.factor[...] = self.H
        self.factor.flat[:: len(self.g) + 1] += mu
        return -cholesky.solve(self.factor, self.g) if cholesky.factorize(self.factor) else None

    def cosine(self, value: float) -> float:
        """The largest cosine of the angle between the residuals, Λ's too, and a column of J."""
        lengths = np.sqrt(self.H.diagonal() * 2 * value)
        cosines = np.divide(np.abs(self.g), lengths, out=np.zeros_like(lengths), where=lengths > 0)
        return float(cosines.max())


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
    """

    _unit = "iteration"

    def __init__(self, records: list[Record], model: _Model, params: Array, message: str) -> None:
        super().__init__(records)
        self.message, self.params = message, params
        self.converged = message in CONVERGED
        self._spec, self._ridge, self._H = model.bound.spec, model.ridge, model.H
        X, Y, weight = model.data
        error = (model.bound.forward(X) - Y) ** 2
        self._squares = float((error if weight is None else weight[:, None] * error).sum())
        self._residuals = Y.size
        self._scale = CURVATURE[str(self._spec.loss)] / len(Y)  # JᵀJ = scale Σ w ∂ŷ ∂ŷᵀ

    @cached_property
    def _factor(self) -> tuple[Array, Array]:
        """Cholesky factor of D H D, in the lower triangle, and the diagonal of D."""
        factor, D, reciprocal = self._long(_scaled_factor, self._H)
        if not reciprocal > len(D) * np.finfo(float).eps:
            raise ValueError(
                f"the data do not determine all {len(D)} parameters (reciprocal condition of the "
                f"normal equations {reciprocal:.1e}), so there is no covariance; use fewer units "
                "or an l2 penalty"
            )
        return factor, D

    @cached_property
    def _inverse(self) -> Array:
        """H⁻¹, (P, P)."""
        factor, D = self._factor
        inverse: Array = self._long(lambda: cholesky.inverse(factor) * D[:, None] * D)
        return inverse

    @cached_property
    def effective_parameters(self) -> float:
        """tr(2 M − M²) for M = H⁻¹ JᵀJ: P without a penalty, less with one."""
        if not self._ridge.any():
            return float(len(self.params))
        # M = I − H⁻¹Λ, so tr(2 M − M²) = P − tr((H⁻¹Λ)²)
        return len(self.params) - float(self._ridge @ self._inverse**2 @ self._ridge)

    @property
    def degrees_of_freedom(self) -> float:
        """Residuals, n · n_L, less the effective parameters."""
        return self._residuals - self.effective_parameters

    @property
    def residual_variance(self) -> float:
        """s² = Σ w (ŷ − y)² / degrees_of_freedom, of an observation of weight 1.

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
        """Cov(θ) = s² c/n · H⁻¹ JᵀJ H⁻¹, (P, P): without a penalty s² (Σ w ∂ŷᵀ ∂ŷ)⁻¹."""
        inverse, scale = self._inverse, self._scale * self.residual_variance
        product: Array = self._long(lambda: scale * (inverse - inverse * self._ridge @ inverse))
        return product

    def interval(self, X: Any, level: float = 0.95, of: str = "mean") -> Interval:
        """The interval of ŷ, or of a new observation, with this probability, by the delta method.

        Half the width is t · √(g Cov(θ) gᵀ), g = ∂ŷ/∂θ, for the mean response at a row; for an
        observation of weight 1, t · √(s² + g Cov(θ) gᵀ). t is Student's quantile for
        `degrees_of_freedom`. Exact for a linear network, else an approximation by linearisation.
        The errors of all outputs are assumed independent and of the same variance.

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
            If an argument is not as described; if the data do not determine the parameters.

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
        for start in range(0, len(rows), ROWS_AT_ONCE):
            part = slice(start, start + ROWS_AT_ONCE)
            y_hat[part], spread = self._long(self._spreads, rows[part])
            variance[part] = noise * self._scale * spread
        if of == "observation":
            variance += noise
        half = stdtrit(self.degrees_of_freedom, (1 + level) / 2) * np.sqrt(variance)
        ends = (y_hat - half, y_hat + half)
        if self._spec.n_outputs == 1:
            ends = (ends[0][:, 0], ends[1][:, 0])
        return Interval(*(end[0] if single else end for end in ends))

    def _spreads(self, rows: Array) -> tuple[Array, Array]:
        """ŷ and, for g = ∂ŷ/∂θ, the spread g H⁻¹ JᵀJ H⁻¹ gᵀ, both (m, n_L), of m rows."""
        factor, D = self._factor
        y_hat, gradients = reference.jacobian(reference.Plan(self._spec), self.params, rows)
        spread = np.empty_like(y_hat)
        for j, g in enumerate(gradients):
            solved = cholesky.solve(factor, g * D).T * D[:, None]
            spread[:, j] = (g.T * solved).sum(axis=0) - self._ridge @ solved**2
        return y_hat, np.maximum(spread, 0)

    def _long(self, function: Callable[..., Any], *args: Any) -> Any:
        """A call that works on a (P, P) matrix, with one BLAS thread."""
        P = len(self.params)
        seconds = Durations(self._spec, reference).operations(P**3 + ROWS_AT_ONCE * P**2)
        return one_blas_thread(within, seconds, function, *args)


def _scaled_factor(H: Array) -> tuple[Array, Array, float]:
    """Cholesky factor of D H D with ones in its diagonal, D, and its reciprocal condition."""
    diagonal = H.diagonal()
    D = 1 / np.sqrt(np.where(diagonal > 0, diagonal, 1))
    factor = np.tril(H) * D[:, None] * D
    size = float(np.abs(factor + np.tril(factor, -1).T).sum(axis=0).max())
    definite = cholesky.factorize(factor)
    return factor, D, cholesky.reciprocal_condition(factor, size) if definite else 0.0


def levenberg_marquardt(
    bound: BoundNetwork, samples: Samples, target: Array, options: LevenbergMarquardtOptions
) -> LeastSquaresFit:
    """Steps −(H + μI)⁻¹ g; `target` becomes every θ that lowers the objective.

    The damping μ starts at ``damping`` · max diag H. After a step with gain ratio ρ = (decrease of
    the objective) / (decrease of the quadratic model) > 0 it is multiplied by
    max(1/3, 1 − (2ρ − 1)³); after a step that is rejected, by ν = 2, 4, 8, ... [1]_ [2]_

    References
    ----------
    .. [1] Madsen, Nielsen & Tingleff, Methods for non-linear least squares problems, 2nd edition,
           DTU 2004, algorithm 3.16
    .. [2] Hagan & Menhaj, Training feedforward networks with the Marquardt algorithm, IEEE
           Transactions on Neural Networks 5, 1994
    """
    fit: LeastSquaresFit = one_blas_thread(
        _iterate, _Model(bound, samples), bound.params, target, options
    )
    return fit


def _iterate(
    model: _Model, theta: Array, target: Array, options: LevenbergMarquardtOptions
) -> LeastSquaresFit:
    records: list[Record] = []
    value = model.value(theta)
    if not np.isfinite(value):
        raise ValueError(f"the objective at the initial parameters is {value}, not finite")
    model.move(theta)
    mu, nu = options.damping * float(model.H.diagonal().max()), 2.0
    message = FLAT if model.cosine(value) <= options.tol else None
    while message is None:
        began, size = perf_counter(), float(np.linalg.norm(theta))
        step = model.step(mu)
        ahead = np.inf if step is None else model.value(theta + step)
        predicted = 0.0 if step is None else 0.5 * float(step @ (mu * step - model.g))
        gain = (value - ahead) / predicted if predicted > 0 else -np.inf
        moved = np.inf if step is None else float(np.linalg.norm(step))
        change = max(abs(value - ahead), predicted)
        if gain > 0:
            theta += step
            target[:] = theta
            value = ahead
            model.move(theta)
            mu, nu = mu * max(1 / 3, 1 - (2 * gain - 1) ** 3), 2.0
        else:
            mu, nu = mu * nu, 2 * nu
        records.append(
            {
                "epoch": len(records) + 1, "loss": value,
                "gradient_norm": float(np.linalg.norm(model.g)), "damping": mu,
                "seconds": perf_counter() - began,
            }
        )  # fmt: skip
        endings = {
            FLAT: model.cosine(value) <= options.tol,
            SETTLED: change <= options.tol * value,
            STILL: moved <= options.tol * size,
            STUCK: not mu < np.inf,
            SLOW: len(records) == options.max_iterations,
            STOPPED: _stops(options.callback, records[-1]),
        }
        message = next((why for why, holds in endings.items() if holds), None)
    return LeastSquaresFit(records, model, theta, message)


def _stops(callback: RecordCallback | None, record: Record) -> bool:
    try:
        if callback is not None:
            callback(record)
    except StopIteration:
        return True
    return False
