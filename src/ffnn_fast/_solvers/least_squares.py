"""A sum of squares and its quadratic model at a point, for Levenberg-Marquardt.

The objective is ½‖r‖² + ½ θᵀ Λ θ with r_ij = √(c w_i v_j / n) (ŷ_ij − y_ij), where c is ∂²ℓ/∂ŷ²: 2
for squared_error, 1 for half_squared_error; w_i and v_j weigh samples and outputs; missing targets
have no residual; Λ holds l2_k for weights and 0 for biases. Derivatives that are fitted have
further residuals, see `slope_residuals`. With J = ∂r/∂θ its Gauss-Newton Hessian
is H = JᵀJ + Λ and its gradient g = Jᵀr + Λθ. All of it is in float64.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ffnn_fast._model.samples import Samples
from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast._runtime.bound_network import BoundNetwork, aligned_copy, aligned_empty, within
from ffnn_fast._runtime.sobolev import SobolevNetwork, slope_term
from ffnn_fast._runtime.taylor_calls import taylor_gradient
from ffnn_fast._solvers import cholesky
from ffnn_fast._solvers.slope_residuals import add_slopes, slope_squares
from ffnn_fast.initializers import Initializer, initialize

Array = np.ndarray
CURVATURE = {"squared_error": 2.0, "half_squared_error": 1.0}  # c


def penalty_diagonal(spec: NetworkSpec) -> Array:
    """The diagonal of Λ, (P,)."""
    diagonal = np.zeros(spec.n_params)
    for W, l2 in zip(spec.weights(diagonal), spec.layer_l2, strict=True):
        W[:] = l2
    return diagonal


@dataclass(frozen=True)
class LeastSquares:
    """A problem: rows with targets, weights of outputs, (n_L,) or None, and layers that stay."""

    samples: Samples
    output_weight: Array | None = None
    frozen: tuple[int, ...] = ()

    def moving(self, spec: NetworkSpec) -> Array | None:
        """Which entries of θ move, as indices; None for all."""
        if not self.frozen:
            return None
        moves = np.ones(spec.n_params, dtype=bool)
        for k in self.frozen:
            spec.weights(moves)[k - 1][...] = False
            spec.biases(moves)[k - 1][...] = False
        return np.flatnonzero(moves)

    def further_starts(
        self, bound: BoundNetwork, n: int, initializer: str | Initializer, rng: np.random.Generator
    ) -> list[Array]:
        """n further θ in float64, drawn in order; those of frozen layers as in ``bound.params``."""
        moving = self.moving(bound.spec)
        which = slice(None) if moving is None else moving
        starts = [aligned_copy(bound.params, "float64") for _ in range(n)]
        for start in starts:
            start[which] = initialize(bound.spec, initializer, rng)[which]
        return starts

    def squares(self, spec: NetworkSpec, y_hat: Array) -> tuple[float, int]:
        """Σ w_i v_j (ŷ_ij − y_ij)² over the targets that are not missing, and their number."""
        Y, weight = self.samples.Y, self.samples.sample_weight
        error = (y_hat - Y) ** 2
        if weight is not None:
            error = weight[:, None] * error
        count = Y.size
        if spec.missing_targets == "ignore":
            missing = np.isnan(Y)
            error, count = np.where(missing, 0, error), count - int(missing.sum())
        if self.output_weight is not None:
            error = error * self.output_weight
        return float(error.sum()), count


class Model:
    """The objective and its quadratic model H, g at a point, with their buffers.

    H, g and steps have F entries a side, for the entries of θ that move; F = P unless layers are
    frozen. Long calls run in the background. After an interrupt the model is not used again, so
    what they still write does not matter.
    """

    def __init__(self, bound: BoundNetwork, problem: LeastSquares) -> None:
        samples = problem.samples
        slopes = samples.derivatives is not None
        bound = SobolevNetwork.of(bound) if slopes else bound
        self.bound, self.problem = bound, problem
        self.data = (samples.X, samples.Y, samples.sample_weight, problem.output_weight)
        P, n, backend = bound.spec.n_params, len(samples.X), bound.backend
        self.moving = problem.moving(bound.spec)
        self.penalty = penalty_diagonal(bound.spec)
        F = P if self.moving is None else len(self.moving)
        self._H, self._g = np.empty((P, P)), aligned_empty(P, "float64")  # of all entries of θ
        self.H: Array = self._H if self.moving is None else np.empty((F, F))
        self.g: Array = self._g if self.moving is None else np.empty(F)
        self.factor = np.empty((F, F))
        self._product = np.empty((P, P) if slopes else 0)
        size = max(
            backend.workspace_size(bound.plan, n), backend.normal_workspace_size(bound.plan, n)
        )
        self.work = aligned_empty(size, "float64")
        operations = bound.durations.operations
        residuals = n * bound.spec.n_outputs * (1 + slopes * bound.spec.n_inputs)
        self._seconds_of_move = operations(residuals * P**2)
        self._seconds_of_step = operations(F**3 / 3 + F**2)
        self._seconds_of_solution = operations(2 * F**2)

    def value(self, theta: Array) -> float:
        """The objective at θ."""
        here = self.bound.on(theta)
        if self.problem.output_weight is None:
            return here.loss(self.problem.samples, work=self.work)
        value = self._weighted_value(theta, here.forward(self.problem.samples.X))
        return value + self._weighted_slopes(here)[0]

    def _weighted_value(self, theta: Array, y_hat: Array) -> float:
        spec = self.bound.spec
        squares, _ = self.problem.squares(spec, y_hat)
        c = CURVATURE[str(spec.loss)]
        return 0.5 * (c * squares / len(y_hat) + float(self.penalty @ theta**2))

    def _weighted_slopes(self, here: BoundNetwork) -> tuple[float, Array | None]:
        """The term for derivatives and its gradient by ∂ŷ/∂x."""
        samples = self.problem.samples
        if samples.derivatives is None:
            return 0.0, None
        return slope_term(here, samples, samples.derivatives, self.problem.output_weight)

    def squares(self, theta: Array) -> tuple[float, int]:
        """Σ w v (ŷ − y)² of the residuals that count at θ, and their number; those of derivatives
        times their weight / c.
        """
        here, samples, v = self.bound.on(theta), self.problem.samples, self.problem.output_weight
        squares, count = self.problem.squares(here.spec, here.forward(samples.X))
        if samples.derivatives is not None:
            further, slopes = slope_squares(here, samples, samples.derivatives, v)
            squares += further / CURVATURE[str(here.spec.loss)]
            count += slopes
        return squares, count

    def gradient(self, theta: Array) -> tuple[float, Array]:
        """The objective at θ and its gradient for the entries that move, a new array."""
        here, samples, v = self.bound.on(theta), self.problem.samples, self.problem.output_weight
        if v is None:
            value, grad = here.loss_gradient(samples, work=self.work)
        else:
            # With targets ŷ − v (ŷ − y) the residuals are v (ŷ − y).
            y_hat = here.forward(samples.X)
            value = self._weighted_value(theta, y_hat)
            targets = Samples(samples.X, y_hat - v * (y_hat - samples.Y), samples.sample_weight)
            _, grad = here.loss_gradient(targets, work=self.work)
            term, slopes = self._weighted_slopes(here)
            if slopes is not None:
                value += term
                grad += taylor_gradient(here, samples.X, None, (None, slopes, None))
        return value, grad if self.moving is None else grad[self.moving]

    def move(self, theta: Array) -> None:
        """H, its lower triangle, and g := those of θ.

        BLAS multiplies JᵀJ on every engine, on the one thread that the solvers limit it to. A long
        call has a limit of its own, which lasts after an interrupt: on several threads it would
        compete with the engine's.
        """
        within(self._seconds_of_move, self._move, theta, limits_blas=True)

    def _move(self, theta: Array) -> None:
        samples, v = self.problem.samples, self.problem.output_weight
        if samples.derivatives is not None:
            self._H.fill(0)  # the engine writes the lower triangle, and `add_slopes` reads all
        self.bound.backend.normal_equations(
            self.bound.plan_now, theta, *self.data, self._H, self._g, self.work
        )
        if samples.derivatives is not None:
            here, D = self.bound.on(theta), samples.derivatives
            add_slopes(here, samples, D, v, self._H, self._g, self._product)
        self._H.flat[:: len(theta) + 1] += self.penalty
        self._g += self.penalty * theta
        if self.moving is not None:
            self.H[...] = self._H[np.ix_(self.moving, self.moving)]
            self.g[...] = self._g[self.moving]

    def step(self, mu: float) -> Array | None:
        """−(H + μI)⁻¹ g; None if the matrix is indefinite, by rounding or NaN."""
        step: Array | None = within(self._seconds_of_step, self._step, mu)
        return step

    def _step(self, mu: float) -> Array | None:
        self.factor[...] = self.H
        self.factor.flat[:: len(self.g) + 1] += mu
        return -cholesky.solve(self.factor, self.g) if cholesky.factorize(self.factor) else None

    def solve(self, b: Array) -> Array:
        """(H + μI)⁻¹ b, with H and μ of the last step."""
        solution: Array = within(self._seconds_of_solution, cholesky.solve, self.factor, b)
        return solution

    def moved(self, theta: Array, step: Array) -> Array:
        """θ + step, a new array."""
        if self.moving is None:
            return theta + step
        ahead = theta.copy()
        ahead[self.moving] += step
        return ahead

    def length(self, theta: Array) -> float:
        """‖θ‖ of the entries that move."""
        return float(np.linalg.norm(theta if self.moving is None else theta[self.moving]))

    def cosine(self, value: float) -> float:
        """The largest cosine of the angle between the residuals, Λ's too, and a column of J."""
        lengths = np.sqrt(self.H.diagonal() * 2 * value)
        cosines = np.divide(np.abs(self.g), lengths, out=np.zeros_like(lengths), where=lengths > 0)
        return float(cosines.max())

    def on_one_thread(self) -> Model:
        """A model of the same problem with buffers of its own, for one thread."""
        bound = self.bound
        plan = bound.backend.Plan(bound.spec, 1, "blas" if bound.calls_blas else "own")
        return Model(replace(bound, plan=plan, n_threads=1, limited_plan=None), self.problem)
