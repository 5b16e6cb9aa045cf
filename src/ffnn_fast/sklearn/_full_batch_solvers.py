"""The solvers that use all rows in each step: L-BFGS, and Levenberg-Marquardt for regressors."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from scipy import optimize
from sklearn.exceptions import ConvergenceWarning

from ffnn_fast._errstate import ignoring
from ffnn_fast._model.samples import Samples
from ffnn_fast._runtime.blas_limit import one_blas_thread
from ffnn_fast._runtime.bound_network import BoundNetwork, aligned_copy, within
from ffnn_fast._solvers.least_squares import LeastSquares
from ffnn_fast._solvers.levenberg_marquardt import (
    LevenbergMarquardtOptions,
    check_least_squares,
    levenberg_marquardt,
)
from ffnn_fast._solvers.minimizers import MinimizeOptions
from ffnn_fast._user_line import stacklevel
from ffnn_fast.sklearn._epochs import TrainingRows
from ffnn_fast.sklearn._estimator_network import EstimatorNetwork, as_checked_rows, as_dense

Array = np.ndarray
MAX_BYTES = 2e9  # of the matrices of Levenberg-Marquardt
DAMPING = 1e-3
MIN_TOL = 1e-16  # in place of tol=0
ADVICE = "https://scikit-learn.org/stable/modules/preprocessing.html"


def full_batch_fit(
    est: Any,
    net: EstimatorNetwork,
    rows: TrainingRows,
    rng: Callable[[], np.random.RandomState],
) -> Callable[[], None]:
    """A function that fits by an estimator's full-batch solver, of which all is checked.

    It works in float64 and sets ``loss_`` and ``n_iter_``. The generator draws the further starts
    of Levenberg-Marquardt.
    """
    bound, samples, l2 = _in_double(net, rows.samples, rows.alpha, est._solver == "lbfgs")
    solve = _lbfgs
    if est._solver != "lbfgs":
        check_least_squares(bound.spec, MAX_BYTES)
        solve = partial(_lm, [net.drawn(rng()) for _ in range(est.n_starts - 1)])
    return partial(_fit, est, net, rows, bound, samples, l2, solve)


def _fit(
    est: Any,
    net: EstimatorNetwork,
    rows: TrainingRows,
    bound: BoundNetwork,
    samples: Samples,
    l2: float,
    solve: Callable[[Any, BoundNetwork, Samples], float],
) -> None:
    loss = solve(est, bound, samples)
    net.params[:] = bound.params
    penalty = l2 / 2 * net.squared_norm()
    constant = 0.0
    if rows.constant is not None:
        constant = float(np.average(rows.constant, weights=rows.samples.sample_weight))
    est.loss_ = (loss + constant - penalty) / rows.loss_divisor + penalty


def _in_double(
    net: EstimatorNetwork, samples: Samples, alpha: float, sparse: bool
) -> tuple[BoundNetwork, Samples, float]:
    """The network on a copy of θ with the penalty l2/2 · Σ‖W_k‖², the samples, and l2 = alpha/S;
    `sparse`: sparse rows stay so.
    """
    weight, S = samples.sample_weight, float(len(samples.X))
    if weight is not None:
        S = float(weight.sum())
        weight = np.ascontiguousarray(weight * (len(weight) / S), dtype=np.float64)
    spec = replace(net.spec, dtype="float64", l2=alpha / S)
    bound = net.settings.bind(spec, aligned_copy(net.params, spec.dtype))
    Y = samples.Y if samples.Y.ndim == 1 else samples.Y.astype(np.float64, copy=False)
    X = (as_checked_rows if sparse else as_dense)(samples.X, spec.dtype)
    return bound.taking(X), Samples(X, Y, weight), alpha / S


def _lbfgs(est: Any, bound: BoundNetwork, samples: Samples) -> float:
    """SciPy's L-BFGS-B with scikit-learn's limits."""

    def objective(theta: Array) -> tuple[float, Array]:
        bound.params[:] = theta
        return bound.loss_gradient(samples)

    options = {"maxfun": est.max_fun, "maxiter": est.max_iter, "gtol": est.tol}
    seconds = MinimizeOptions("l-bfgs-b", est.max_iter).seconds_of_scipy(len(bound.params))
    call = partial(optimize.minimize, method="L-BFGS-B", jac=True, options=options)
    search = partial(within, seconds, call, objective, bound.params.copy())
    # Steps that a line search tries and rejects may overflow.
    found = ignoring("over", one_blas_thread, search)
    bound.params[:] = found.x
    est.n_iter_ = min(int(found.nit), est.max_iter)
    if found.status != 0:
        limit = f"\nIncrease the number of iterations (max_iter={est.max_iter})."
        warnings.warn(
            f"lbfgs failed to converge after {est.n_iter_} iteration(s) (status={found.status}):\n"
            f"{found.message}{limit if est.n_iter_ == est.max_iter else ''}\n"
            f"Scaling the data may help, see {ADVICE}",
            ConvergenceWarning,
            stacklevel=stacklevel(),
        )
    return float(found.fun)


def _lm(further: list[Array], est: Any, bound: BoundNetwork, samples: Samples) -> float:
    """Levenberg-Marquardt: damped Gauss-Newton steps for squared errors; the best of the starts."""
    options = LevenbergMarquardtOptions(est.max_iter, est.tol or MIN_TOL, DAMPING)
    target = bound.params.copy()
    problem = LeastSquares(samples)
    found = ignoring("over", levenberg_marquardt, bound, problem, target, options, further)
    bound.params[:] = target
    est.n_iter_ = len(found)
    est.loss_curve_ = found["loss"]
    if not found.converged:
        warnings.warn(
            f"{est.solver} has not converged: {found.message} (max_iter={est.max_iter})",
            ConvergenceWarning,
            stacklevel=stacklevel(),
        )
    return float(bound.loss(samples))
