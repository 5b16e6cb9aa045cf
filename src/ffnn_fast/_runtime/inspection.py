"""Looking inside: every quantity of the lecture by name; backpropagation against differences."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ffnn_fast import reference
from ffnn_fast._model.samples import Samples
from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast._public import public
from ffnn_fast._runtime.bound_network import BoundNetwork

Array = np.ndarray
TOLERANCE = 1e-6  # relative error of a central difference in float64 that counts as agreement


@public()
class Trace(dict[str, Array]):
    """Everything one pass computes, under the lecture's names.

    Keys, for k = 1..L: ``h_0`` (= X), ``a_k``, ``h_k``, ``y_hat`` (= h_L), ``y``, ``loss`` (per
    sample, without penalty), ``grad_a_k``, ``grad_h_k`` (k < L), ``grad_W_k``, ``grad_b_k``.
    Batches are (n, width). Gradients are those of the mean over the n samples, without penalty, so
    for one sample ``grad_a_L`` is −(e(y) − ŷ) of module 4.5.
    """

    def __repr__(self) -> str:
        width = max(len(name) for name in self)
        rows = [f"  {name:<{width}}  {value.shape}" for name, value in self.items()]
        return "\n".join(["Trace", *rows])


def trace(spec: NetworkSpec, params: Array, problem: Samples) -> Trace:
    """One forward and one backward pass by the reference, with nothing thrown away."""
    plan = reference.Plan(spec)
    y = reference.dense_targets(plan, problem.Y)
    a, h = reference.forward_propagation(plan, params, problem.X)
    n = np.asarray(len(problem.X), dtype=spec.dtype)
    da_L = reference.output_gradient(plan, h[-1], y, a[-1]) / n
    da, dh, dW, db = reference.back_propagation(plan, params, a, h, da_L)
    L, seen = spec.n_layers, Trace(h_0=h[0])
    for k in range(1, L + 1):
        seen[f"a_{k}"], seen[f"h_{k}"] = a[k], h[k]
    seen |= {"y_hat": h[L], "y": y, "loss": reference.sample_losses(plan, a[L], h[L], y)}
    for k in range(L, 0, -1):
        seen[f"grad_a_{k}"], seen[f"grad_W_{k}"], seen[f"grad_b_{k}"] = da[k], dW[k], db[k]
        if k > 1:
            seen[f"grad_h_{k - 1}"] = dh[k - 1]
    return seen


@public()
@dataclass(frozen=True)
class GradientCheck:
    """Outcome of `check_gradients`.

    Attributes
    ----------
    by_name : dict of str to float
        Relative error ``|∇ − Δ| / max(|∇|, |Δ|)`` of each W_k and b_k, in maximum norms.
    tolerance : float
    """

    by_name: dict[str, float]
    tolerance: float = TOLERANCE

    @property
    def max_relative_error(self) -> float:
        """The largest of the errors."""
        return max(self.by_name.values())

    @property
    def passed(self) -> bool:
        """Whether every error is within the tolerance."""
        return self.max_relative_error <= self.tolerance

    def __repr__(self) -> str:
        verdict = "passed" if self.passed else "FAILED"
        rows = [f"  {name:<6} {error:.2e}" for name, error in self.by_name.items()]
        return "\n".join([f"GradientCheck {verdict} (tolerance {self.tolerance:g})", *rows])


def check_gradients(machine: BoundNetwork, problem: Samples, step: float = 1e-5) -> GradientCheck:
    """∇θ by backpropagation beside (L(θ + ε e_i) − L(θ − ε e_i)) / 2ε, in float64, for every i."""
    spec = replace(machine.spec, dtype="float64")
    theta = machine.params.astype(np.float64)
    exact = replace(machine, spec=spec, plan=machine.backend.Plan(spec), params=theta, spare=[])
    problem = _as_float64(problem)
    _, grad = exact.loss_gradient(problem)
    difference = np.empty_like(grad)
    for i in range(len(theta)):
        centre = theta[i]
        theta[i] = centre + step
        above = exact.loss(problem)
        theta[i] = centre - step
        difference[i] = (above - exact.loss(problem)) / (2 * step)
        theta[i] = centre
    # Below this scale a difference is rounding: an error is measured against it, not against zero.
    floor = 1e-4 * max(np.abs(grad).max(), np.abs(difference).max(), np.finfo(float).tiny)
    named, found = spec.named(grad), spec.named(difference)
    errors = {}
    for name, exact_part in named.items():
        scale = max(np.abs(exact_part).max(), np.abs(found[name]).max(), floor)
        errors[name] = float(np.abs(exact_part - found[name]).max() / scale)
    return GradientCheck(errors)


def _as_float64(problem: Samples) -> Samples:
    Y, weight = problem.Y, problem.sample_weight
    return Samples(
        problem.X.astype(np.float64),
        Y if Y.ndim == 1 else Y.astype(np.float64),
        None if weight is None else weight.astype(np.float64),
    )
