"""Inspection: every quantity of the lecture by name; backpropagation against differences."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ffnn_fast import reference
from ffnn_fast._model.samples import Samples
from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast._public import public
from ffnn_fast._runtime.bound_network import BoundNetwork, within
from ffnn_fast._runtime.durations import Durations

Array = np.ndarray
TOLERANCE = 1e-6  # relative error of a central difference in float64 that counts as agreement


@public()
class Trace(dict[str, Array]):
    """All quantities of one forward and backward pass, by the lecture's names.

    A dictionary of arrays of the network's dtype, for k = 1..L:

    ====================================  ===============================================
    key                                   shape
    ====================================  ===============================================
    ``h_0`` (= X), ``h_k``, ``a_k``       (n, n_k)
    ``y_hat`` (= h_L)                     (n, n_L)
    ``y``                                 (n, T), labels as one-hot rows
    ``loss``                              (n,): ℓ of each sample, without penalty
    ``grad_a_k``, ``grad_h_k`` (k < L)    (n, n_k)
    ``grad_W_k``, ``grad_b_k``            (n_k, n_{k-1}), (n_k,)
    ====================================  ===============================================

    Gradients are those of the mean over the n samples, without penalty, so for one sample
    ``grad_a_L`` is −(e(y) − ŷ) of module 4.5.
    """

    def __repr__(self) -> str:
        width = max(len(name) for name in self)
        rows = [f"  {name:<{width}}  {value.shape}" for name, value in self.items()]
        return "\n".join(["Trace", *rows])


def trace(spec: NetworkSpec, params: Array, samples: Samples) -> Trace:
    """One forward and one backward pass by the reference."""
    seconds = Durations(spec, reference).passes(len(samples.X), 3)
    quantities: Trace = within(seconds, _trace, spec, params, samples)
    return quantities


def _trace(spec: NetworkSpec, params: Array, samples: Samples) -> Trace:
    plan = reference.Plan(spec)
    y = reference.dense_targets(plan, samples.Y)
    a, h = reference.forward_propagation(plan, params, samples.X)
    n = np.asarray(len(samples.X), dtype=spec.dtype)
    da_L = reference.output_gradient(plan, h[-1], y, a[-1]) / n
    da, dh, dW, db = reference.back_propagation(plan, params, a, h, da_L)
    L, quantities = spec.n_layers, Trace(h_0=h[0])
    for k in range(1, L + 1):
        quantities[f"a_{k}"], quantities[f"h_{k}"] = a[k], h[k]
    quantities |= {"y_hat": h[L], "y": y, "loss": reference.sample_losses(plan, a[L], h[L], y)}
    for k in range(L, 0, -1):
        quantities[f"grad_a_{k}"], quantities[f"grad_W_{k}"], quantities[f"grad_b_{k}"] = (
            da[k],
            dW[k],
            db[k],
        )
        if k > 1:
            quantities[f"grad_h_{k - 1}"] = dh[k - 1]
    return quantities


@public()
@dataclass(frozen=True)
class GradientCheck:
    """Result of `Network.check_gradients`; its text form is a table.

    Attributes
    ----------
    by_name : dict of str to float
        Relative error ``|∇ − Δ| / max(|∇|, |Δ|)`` of each ``W_k`` and ``b_k``, in maximum norms; Δ
        is the central difference.
    tolerance : float, default 1e-6
        The largest error that counts as agreement.
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


def check_gradients(bound: BoundNetwork, samples: Samples, step: float = 1e-5) -> GradientCheck:
    """∇θ by backpropagation and (L(θ + ε e_i) − L(θ − ε e_i)) / 2ε for every i, in float64."""
    spec = replace(bound.spec, dtype="float64")
    theta = bound.params.astype(np.float64)
    exact = BoundNetwork(spec, bound.backend.Plan(spec), theta, bound.backend)
    samples = _as_float64(samples)
    _, grad = exact.loss_gradient(samples)
    difference = np.empty_like(grad)
    for i in range(len(theta)):
        centre = theta[i]
        theta[i] = centre + step
        above = exact.loss(samples)
        theta[i] = centre - step
        difference[i] = (above - exact.loss(samples)) / (2 * step)
        theta[i] = centre
    # Below this scale a difference is rounding error, so errors are relative to at least this.
    least = 1e-4 * max(np.abs(grad).max(), np.abs(difference).max(), np.finfo(float).tiny)
    named, found = spec.named(grad), spec.named(difference)
    errors = {}
    for name, exact_part in named.items():
        scale = max(np.abs(exact_part).max(), np.abs(found[name]).max(), least)
        errors[name] = float(np.abs(exact_part - found[name]).max() / scale)
    return GradientCheck(errors)


def _as_float64(samples: Samples) -> Samples:
    Y, weight = samples.Y, samples.sample_weight
    return Samples(
        samples.X.astype(np.float64),
        Y if Y.ndim == 1 else Y.astype(np.float64),
        None if weight is None else weight.astype(np.float64),
    )
