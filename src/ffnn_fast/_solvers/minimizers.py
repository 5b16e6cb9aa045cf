"""Full-batch solvers: the lecture's gradient descent, and SciPy's minimisers."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ffnn_fast._errstate import ignoring, isolated
from ffnn_fast._model.samples import Samples
from ffnn_fast._names import known_name, unknown
from ffnn_fast._public import public
from ffnn_fast._reference.hessian import has_curvature
from ffnn_fast._runtime import taylor_calls
from ffnn_fast._runtime.blas_limit import one_blas_thread
from ffnn_fast._runtime.bound_network import BoundNetwork, aligned_empty, within
from ffnn_fast._runtime.diverged import DivergedWarning
from ffnn_fast._runtime.sobolev import SobolevNetwork
from ffnn_fast._scalars import as_float, as_int
from ffnn_fast._user_line import stacklevel
from ffnn_fast.history import History, Record, RecordCallback
from ffnn_fast.optimizers import SGD, StepRule

if TYPE_CHECKING:
    from scipy.optimize import OptimizeResult

Array = np.ndarray
GRADIENT_FREE = ("nelder-mead", "powell", "cobyla", "cobyqa")
HESSIAN = ("dogleg", "trust-exact")
HESSIAN_PRODUCT = ("newton-cg", "trust-ncg", "trust-krylov")
METHODS = (
    *("l-bfgs-b", "bfgs", "cg", "tnc", "slsqp", "trust-constr"),
    *(*HESSIAN, *HESSIAN_PRODUCT, *GRADIENT_FREE),
)
ARGUMENTS = {
    *("fun", "x0", "args", "method", "jac", "hess", "hessp", "bounds", "constraints", "options")
}
DENSE = ("bfgs", "slsqp", "trust-constr", *HESSIAN)  # methods that multiply (P, P) matrices
LARGE = 1000  # P from which such a product is faster on several threads
FLOPS = 20e9  # operations a second, for estimates of SciPy's own part of an iteration
PER_ENTRY = 5e-9  # seconds in it for each entry of θ and of each pair of vectors that L-BFGS keeps
PAIRS = 10  # so many by default
CENTRAL = float(np.cbrt(np.finfo(float).eps))  # the step of a central difference, relative


def gradient_descent(
    bound: BoundNetwork, samples: Samples, learning_rate: float, max_iterations: int
) -> History:
    """The lecture's algorithm (modules 4.2, 4.8), all rows at each step; θ changes in place.

    An iteration whose loss or parameters are not finite is undone and ends it, with a
    `DivergedWarning`.

    ::

        t ← 0
        while t++ < max_iterations:
            h_1..h_{L-1}, a_1..a_L, ŷ = forward_propagation(θ)
            ∇θ = back_propagation(h_1..h_{L-1}, a_1..a_L, y, ŷ)
            θ ← θ − η ∇θ
    """
    learning_rate = as_float(learning_rate, "learning_rate")
    max_iterations = as_int(max_iterations, "max_iterations")
    return bound.run(
        len(samples.X), ignoring, "over invalid", _descend, bound, samples, learning_rate,
        max_iterations,
    )  # fmt: skip


def _descend(
    bound: BoundNetwork, samples: Samples, learning_rate: float, max_iterations: int
) -> History:
    history, spec = History(), bound.spec
    grad = aligned_empty(spec.n_params, spec.dtype)
    rule = StepRule(SGD(learning_rate=learning_rate))
    hyper = np.array(rule.optimizer.hyper)
    state = np.zeros((rule.slots, spec.n_params), dtype=spec.dtype)
    before = aligned_empty(spec.n_params, spec.dtype)
    t = 0
    while t < max_iterations:
        t += 1
        began = perf_counter()
        before[:] = bound.params
        loss, _ = bound.loss_gradient(samples, grad)
        bound.backend.update(bound.plan, rule, hyper, bound.params, grad, state, t)
        if not (math.isfinite(loss) and bound.has_finite_params()):
            bound.params[:] = before
            history.stopped = "diverged"
            what = "a parameter" if math.isfinite(loss) else "the loss"
            warnings.warn(
                f"gradient descent diverged: {what} is not finite in iteration {t}; the parameters "
                "are those before it. Try a smaller learning rate "
                f"(it was {learning_rate:g}), or standardised inputs",
                DivergedWarning,
                stacklevel=stacklevel(),
            )
            break
        history.records.append({"epoch": t, "loss": loss, "seconds": perf_counter() - began})
    return history


def check_callback(callback: Any) -> None:
    """TypeError unless the callback is None or callable."""
    if callback is not None and not callable(callback):
        raise TypeError(f"callback must be callable, got {callback!r}")


@public()
class Evaluation(NamedTuple):
    """The objective at one θ.

    Attributes
    ----------
    theta : ndarray of shape (P,)
        θ, float64.
    value : float
    gradient : ndarray of shape (P,) or None
        ∇θ, if it was computed.
    """

    theta: Array
    value: float
    gradient: Array | None


@public()
class Objective:
    """The objective and ∇θ as functions of θ, in float64; result of `Network.objective`.

    Unpacks to two callables, ``fun, jac = net.objective(X, y)``: ``fun(theta) -> float`` and
    ``jac(theta) -> ndarray (P,)``. Both at the same θ take one evaluation. (Until the first call of
    ``jac`` only the value is computed; from then on, both.) The network's own θ is neither read nor
    changed. Make one for each thread.

    Attributes
    ----------
    best : Evaluation or None
        That of the lowest finite value so far.
    evaluations : int
        The number of evaluations so far.
    """

    def __init__(self, bound: BoundNetwork, samples: Samples) -> None:
        self._bound, self._samples = bound, samples
        self._work = bound.workspace(len(samples.X))
        self._last: Evaluation | None = None
        self.best: Evaluation | None = None
        self.evaluations = 0
        self._both = False
        self._exact = samples.derivatives is None and has_curvature(bound.spec)

    def __iter__(self) -> Iterator[Callable[[Any], Any]]:
        return iter((self.fun, self.jac))

    def fun(self, theta: Any) -> float:
        """The objective at θ, (P,)."""
        return self.at(theta).value

    def jac(self, theta: Any) -> Array:
        """∇θ at θ, (P,), a new array."""
        self._both = True
        gradient = self.at(theta).gradient
        return np.empty(0) if gradient is None else gradient.copy()

    def hessian_product(self, theta: Any, v: Any) -> Array:
        """∇²ℒ v, (P,): exact, or by a central difference of gradients along v where a user-defined
        function, or derivatives to be fitted, leave no other way.
        """
        if self._exact:
            self._bound.params[:] = np.asarray(theta, dtype=np.float64)
            direction = np.ascontiguousarray(v, dtype=np.float64)
            return np.array(taylor_calls.hessian_product(self._bound, self._samples, direction))
        length = float(np.linalg.norm(v))
        if length == 0:
            return np.zeros_like(v)
        h = CENTRAL * (1 + float(np.linalg.norm(theta))) / length * np.asarray(v)
        return (self.jac(theta + h) - self.jac(theta - h)) * (length / (2 * np.linalg.norm(h)))

    def hessian(self, theta: Any) -> Array:
        """∇²ℒ, (P, P), from P such products."""
        rows = np.array([self.hessian_product(theta, e) for e in np.eye(len(theta))])
        return (rows + rows.T) / 2

    def at(self, theta: Any) -> Evaluation:
        """A stored evaluation at θ, or a new one; ValueError if θ is not (P,)."""
        given = np.asarray(theta, dtype=np.float64)
        for seen in (self._last, self.best):
            if seen is None or (self._both and seen.gradient is None):
                continue
            if np.array_equal(seen.theta, given):
                return seen
        shape = self._bound.params.shape
        if given.shape != shape:
            raise ValueError(f"theta must have shape {shape}, got {given.shape}")
        self._bound.params[:] = given
        value, gradient = self._evaluate()
        self.evaluations += 1
        self._last = Evaluation(given.copy(), value, gradient)
        if np.isfinite(value) and (self.best is None or value <= self.best.value):
            self.best = self._last
        return self._last

    def _evaluate(self) -> tuple[float, Array | None]:
        bound, samples = self._bound, self._samples
        try:
            if not self._both:
                return bound.loss(samples, work=self._work), None
            return bound.loss_gradient(samples, work=self._work)
        except BaseException:
            # After an interrupt another thread may still write to the scratch.
            self._work = bound.workspace(len(samples.X))
            raise


@public()
class SolverHistory(History):
    """History of `Network.minimize`: a record per iteration, and how it ended.

    Attributes
    ----------
    converged : bool
        Whether SciPy reports success.
    message : str
        SciPy's message.
    result : scipy.optimize.OptimizeResult
        SciPy's result, with its counts.
    """

    _unit = "iteration"

    def __init__(self, records: list[Record], result: OptimizeResult) -> None:
        super().__init__(records)
        self.result = result
        self.converged, self.message = bool(result.success), str(result.message)


@dataclass(frozen=True)
class MinimizeOptions:
    """Options of `minimize`, converted; see `ffnn_fast.Network.minimize`."""

    method: str
    max_iterations: int
    tol: float | None = None
    options: Mapping[str, Any] | None = None
    callback: RecordCallback | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.method, str):
            raise TypeError(f"method must be the name of a SciPy minimiser, got {self.method!r}")
        put = object.__setattr__  # a frozen dataclass has no other way
        if self.method.lower() not in METHODS:
            put(self, "method", known_name(self.method, METHODS))
        if self.method.lower() not in METHODS:
            raise ValueError(unknown("method", self.method, METHODS))
        _check_options(self.options)
        check_callback(self.callback)
        put(self, "max_iterations", as_int(self.max_iterations, "max_iterations"))
        put(self, "tol", None if self.tol is None else as_float(self.tol, "tol"))

    def seconds_of_scipy(self, n_params: int) -> float:
        """What SciPy's own part of an iteration takes, estimated rather long."""
        if self.method.lower() in DENSE:
            return 4 * n_params**3 / FLOPS
        pairs = (self.options or {}).get("maxcor", PAIRS)
        known = isinstance(pairs, (int, np.integer))
        return PER_ENTRY * n_params * (1 + int(pairs if known else PAIRS))

    def for_scipy(self, objective: Objective) -> dict[str, Any]:
        """Keyword arguments of `scipy.optimize.minimize`; TNC limits evaluations only."""
        name = self.method.lower()
        limit = "maxfun" if name == "tnc" else "maxiter"
        keywords: dict[str, Any] = {"method": name, "tol": self.tol}
        keywords["options"] = {limit: self.max_iterations} | dict(self.options or {})
        if name not in GRADIENT_FREE:
            keywords["jac"] = objective.jac
        if name in HESSIAN:
            keywords["hess"] = objective.hessian
        if name in HESSIAN_PRODUCT:
            keywords["hessp"] = objective.hessian_product
        return keywords


def _check_options(options: Any) -> None:
    """TypeError or ValueError unless this is None or a mapping with names of a method's options."""
    if options is None:
        return
    if not isinstance(options, Mapping):
        raise TypeError(f"options must be a mapping, got {options!r}")
    for name in options:
        if not isinstance(name, str):
            raise TypeError(f"the names in options must be strings, got {name!r}")
    if "callback" in options:
        raise ValueError("options holds 'callback', which is an argument of minimize itself")
    taken = [name for name in options if name in ARGUMENTS]
    if taken:
        raise ValueError(
            f"options holds {taken[0]!r}, which is an argument of scipy.optimize.minimize and no "
            "option of a method; fun, jac = net.objective(X, y) are for calling that yourself"
        )


def minimize(
    bound: BoundNetwork, samples: Samples, target: Array, options: MinimizeOptions
) -> SolverHistory:
    """`scipy.optimize.minimize` on θ; `target` becomes the best θ evaluated, also on an error."""
    from scipy import optimize  # would double the package's import time

    if samples.derivatives is not None:
        bound = SobolevNetwork.of(bound)
    objective = Objective(bound, samples)
    records: list[Record] = []
    start, began = bound.params.copy(), perf_counter()
    first = objective.fun(start)
    if not np.isfinite(first):
        raise ValueError(f"the objective at the initial parameters is {first}, not finite")

    def record_iteration(theta: Array, *_: Any) -> None:
        nonlocal began
        seen, now = objective.at(theta), perf_counter()
        record: Record = {"epoch": len(records) + 1, "loss": seen.value}
        if seen.gradient is not None:
            record["gradient_norm"] = float(np.linalg.norm(seen.gradient))
        record["seconds"], began = now - began, now
        records.append(record)
        if options.callback is not None:
            options.callback(record)

    def search() -> OptimizeResult:
        # A user's callback runs in the user's thread.
        seconds = options.seconds_of_scipy(len(start)) if options.callback is None else 0.0
        call = partial(optimize.minimize, callback=record_iteration, **options.for_scipy(objective))
        result: OptimizeResult = within(seconds, call, objective.fun, start)
        return result

    large = options.method.lower() in DENSE and len(start) >= LARGE
    try:
        result = isolated(search) if large else one_blas_thread(isolated, search)
    except StopIteration:  # of the callback, in a method that does not catch it
        result = optimize.OptimizeResult(
            success=False, message="`callback` raised `StopIteration`."
        )
    finally:
        if objective.best is not None:
            target[:] = objective.best.theta
    return SolverHistory(records, result)
