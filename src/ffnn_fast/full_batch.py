"""FullBatch: what a Network learns by from all rows at each step; validates, then delegates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ffnn_fast._model.arrays import (
    as_rows,
    as_sample_weight,
    as_targets,
    positive_float,
    positive_int,
)
from ffnn_fast._model.samples import Samples
from ffnn_fast._runtime.bound_network import BoundNetwork, aligned_empty
from ffnn_fast._runtime.settings import Settings
from ffnn_fast._solvers import minimizers as solvers
from ffnn_fast.history import History, Listener

if TYPE_CHECKING:  # loads parts of SciPy that a network needs for nothing else
    from ffnn_fast._solvers import levenberg_marquardt as least_squares


class FullBatch:
    """The full-batch solvers of `ffnn_fast.Network`."""

    _machine: BoundNetwork
    _execution: Settings

    def gradient_descent(
        self, X: Any, y: Any, learning_rate: float, max_iterations: int = 1000
    ) -> History:
        """The lecture's algorithm: while t++ < max_iterations, θ := θ − η ∇θ over all rows."""
        rows, _ = as_rows(X, self._machine.spec)
        problem = Samples(rows, as_targets(y, self._machine.spec, len(rows)))
        return solvers.gradient_descent(
            self._machine,
            problem,
            positive_float(learning_rate, "learning_rate"),
            positive_int(max_iterations, "max_iterations"),
        )

    def minimize(
        self,
        X: Any,
        y: Any,
        method: str = "L-BFGS-B",
        sample_weight: Any = None,
        *,
        max_iterations: int = 1000,
        tol: float | None = None,
        options: Mapping[str, Any] | None = None,
        callback: Listener | None = None,
    ) -> solvers.SolverHistory:
        """Minimise the objective over all rows by a method of `scipy.optimize.minimize`.

        Everything is computed in float64, whatever the network's dtype, and without dropout. The
        parameters become the best that were seen, also when the method fails or is interrupted.

        Parameters
        ----------
        X, y, sample_weight
            As in `loss`.
        method : str, default "L-BFGS-B"
            Any of SciPy's minimisers by name, in upper or lower case. Those that want second
            derivatives get differences of gradients: 2 for a product with ∇²ℒ, 2 P for ∇²ℒ itself
            (``dogleg``, ``trust-exact``). Those that want no gradient (``Nelder-Mead``, ``Powell``,
            ``COBYLA``, ``COBYQA``) suit a handful of parameters.
        max_iterations : int, default 1000
            For ``TNC`` and ``COBYLA`` of evaluations of the objective.
        tol : float, optional
            SciPy's ``tol``; default: that of the method.
        options : mapping, optional
            Further options of the method, which take precedence.
        callback : callable, optional
            Called with the record of each iteration; may raise StopIteration to end there.

        Returns
        -------
        History
            A record per iteration: ``epoch`` (the iteration, from 1), ``loss`` after it,
            ``gradient_norm`` where gradients are used, ``seconds``. Its attributes ``converged``,
            ``message`` and ``result`` (SciPy's) say how it ended.

        Raises
        ------
        TypeError, ValueError
            If an argument is not as described, or the objective is not finite at the start;
            nothing has been changed then.
        """
        given = solvers.MinimizeOptions(
            method,
            positive_int(max_iterations, "max_iterations"),
            None if tol is None else positive_float(tol, "tol"),
            _as_mapping(options),
            _as_callback(callback),
        )
        machine, problem = self._in_double(X, y, sample_weight)
        return solvers.minimize(machine, problem, self._machine.params, given)

    def objective(self, X: Any, y: Any, sample_weight: Any = None) -> solvers.Objective:
        """The pair ``fun, jac`` of the objective over these rows, for a solver of your own.

        Examples
        --------
        >>> import numpy as np
        >>> from scipy.optimize import minimize
        >>> from ffnn_fast import Network
        >>> net = Network([1, 3, 1], output="identity", seed=0)
        >>> X = np.linspace(-1, 1, 20)[:, None]
        >>> fun, jac = net.objective(X, X[:, 0] ** 2)
        >>> found = minimize(fun, net.params.astype(float), jac=jac, method="CG")
        >>> net.params[:] = found.x
        >>> bool(found.fun < 1e-2)
        True
        """
        return solvers.Objective(*self._in_double(X, y, sample_weight))

    def levenberg_marquardt(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        max_iterations: int = 200,
        tol: float = 1e-8,
        damping: float = 1e-3,
        memory_limit: float = 2e9,
        callback: Listener | None = None,
    ) -> least_squares.LeastSquaresFit:
        """Fit a regression network by damped Gauss-Newton steps: the method for small networks.

        For squared errors and up to a few thousand parameters P, since a step takes n · n_L · P²
        operations and P² memory. The objective is the network's own, with its penalty, in float64
        whatever the network's dtype, and never rises.

        Parameters
        ----------
        X, y, sample_weight
            As in `loss`.
        max_iterations : int, default 200
        tol : float, default 1e-8
            Ends when the cosine between the residuals and every column of their Jacobian, the
            relative change of the objective (found and foretold), or that of θ is below it.
        damping : float, default 1e-3
            The first damping, relative to the largest diagonal entry of JᵀJ.
        memory_limit : float, default 2e9
            Bytes that the two (P, P) matrices may take.
        callback : callable, optional
            As in `minimize`.

        Returns
        -------
        LeastSquaresFit
            A `History` as from `minimize`, with ``damping`` in each record, ``converged``,
            ``message``, ``covariance()`` and ``interval(X, level)``.

        Raises
        ------
        TypeError, ValueError
            If an argument is not as described, the loss is no squared error, P is too large, or
            the objective is not finite at the start; nothing has been changed then.
        """
        from ffnn_fast._solvers import levenberg_marquardt as least_squares

        least_squares.require_least_squares(
            self._machine.spec, positive_float(memory_limit, "memory_limit")
        )
        options = least_squares.LevenbergMarquardtOptions(
            positive_int(max_iterations, "max_iterations"),
            positive_float(tol, "tol"),
            positive_float(damping, "damping"),
            _as_callback(callback),
        )
        machine, problem = self._in_double(X, y, sample_weight)
        return least_squares.levenberg_marquardt(machine, problem, self._machine.params, options)

    def _in_double(self, X: Any, y: Any, sample_weight: Any) -> tuple[BoundNetwork, Samples]:
        """The network on a copy of θ, and the rows: both in float64."""
        spec = replace(self._machine.spec, dtype="float64")
        rows, _ = as_rows(X, spec)
        targets = as_targets(y, spec, len(rows))
        theta = aligned_empty(spec.n_params, spec.dtype)
        theta[:] = self._machine.params
        problem = Samples(rows, targets, as_sample_weight(sample_weight, spec, len(rows)))
        return self._execution.machine(spec, theta), problem


def _as_callback(callback: Any) -> Listener | None:
    if callback is not None and not callable(callback):
        raise TypeError(f"callback must be callable, got {callback!r}")
    return callback


def _as_mapping(options: Any) -> Mapping[str, Any]:
    if options is not None and not isinstance(options, Mapping):
        raise TypeError(f"options must be a mapping, got {options!r}")
    return options or {}
