"""The solvers that take all rows at each step: L-BFGS, and Levenberg-Marquardt for regressors."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import optimize
from sklearn.exceptions import ConvergenceWarning

from ffnn_fast._model.samples import Samples
from ffnn_fast._runtime.bound_network import BoundNetwork, aligned_empty
from ffnn_fast._solvers.levenberg_marquardt import (
    LevenbergMarquardtOptions,
    check_least_squares,
    levenberg_marquardt,
)
from ffnn_fast.sklearn.core import Core
from ffnn_fast.sklearn.epochs import Rows

Array = np.ndarray
MEMORY = 2e9  # bytes that the matrices of Levenberg-Marquardt may take
DAMPING = 1e-3
TINY = 1e-16  # for a tolerance of 0
ADVICE = "https://scikit-learn.org/stable/modules/preprocessing.html"


def minimize(est: Any, core: Core, rows: Rows) -> None:
    """Fit by an estimator's full-batch solver; its ``loss_`` and ``n_iter_`` are set.

    All is computed in float64, whatever the dtype of the rows.
    """
    machine, problem, l2 = _in_double(core, rows.problem, est.alpha)
    with warnings.catch_warnings():
        # Steps that a line search tries and leaves may overflow.
        warnings.filterwarnings("ignore", "overflow encountered", RuntimeWarning)
        loss = (_lbfgs if est.solver == "lbfgs" else _lm)(est, machine, problem)
    core.params[:] = machine.params
    penalty = l2 / 2 * core.squares()
    constant = 0.0
    if rows.constant is not None:
        constant = float(np.average(rows.constant, weights=rows.problem.sample_weight))
    est.loss_ = (loss + constant - penalty) / rows.shown_over + penalty


def _in_double(core: Core, problem: Samples, alpha: float) -> tuple[BoundNetwork, Samples, float]:
    """The network on a copy of θ with the penalty alpha/(2 S) · Σ‖W_k‖², and its rows."""
    weight, S = problem.sample_weight, float(len(problem.X))
    if weight is not None:
        S = float(weight.sum())
        weight = np.ascontiguousarray(weight * (len(weight) / S), dtype=np.float64)
    spec = replace(core.spec, dtype="float64", l2=alpha / S)
    theta = aligned_empty(spec.n_params, spec.dtype)
    theta[:] = core.params
    Y = problem.Y if problem.Y.ndim == 1 else problem.Y.astype(np.float64, copy=False)
    X = problem.X.astype(np.float64, copy=False)
    return core.execution.bind(spec, theta), Samples(X, Y, weight), alpha / S


def _lbfgs(est: Any, machine: BoundNetwork, problem: Samples) -> float:
    """SciPy's L-BFGS-B with scikit-learn's limits."""

    def objective(theta: Array) -> tuple[float, Array]:
        machine.params[:] = theta
        return machine.loss_gradient(problem)

    options = {"maxfun": est.max_fun, "maxiter": est.max_iter, "gtol": est.tol}
    found = optimize.minimize(
        objective, machine.params.copy(), method="L-BFGS-B", jac=True, options=options
    )
    machine.params[:] = found.x
    est.n_iter_ = min(int(found.nit), est.max_iter)
    if found.status != 0:
        limit = f"\nIncrease the number of iterations (max_iter={est.max_iter})."
        warnings.warn(
            f"lbfgs failed to converge after {est.n_iter_} iteration(s) (status={found.status}):\n"
            f"{found.message}{limit if est.n_iter_ == est.max_iter else ''}\n"
            f"Scaling the data may help, see {ADVICE}",
            ConvergenceWarning,
            stacklevel=6,
        )
    return float(found.fun)


def _lm(est: Any, machine: BoundNetwork, problem: Samples) -> float:
    """Levenberg-Marquardt: damped Gauss-Newton steps for squared errors."""
    check_least_squares(machine.spec, MEMORY)
    options = LevenbergMarquardtOptions(est.max_iter, est.tol or TINY, DAMPING)
    target = machine.params.copy()
    found = levenberg_marquardt(machine, problem, target, options)
    machine.params[:] = target
    est.n_iter_ = len(found)
    est.loss_curve_ = found["loss"]
    if not found.converged:
        warnings.warn(
            f"lm has not converged: {found.message} (max_iter={est.max_iter})",
            ConvergenceWarning,
            stacklevel=6,
        )
    return float(machine.loss(problem))
