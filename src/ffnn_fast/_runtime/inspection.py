"""Inspection: every quantity of the lecture by name; backpropagation against differences."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ffnn_fast import reference
from ffnn_fast._errstate import ignoring
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

    A dictionary of arrays of the network's dtype, for k = 1..L and n rows, n = 1 for a vector:

    ====================================  =======================================================
    key                                   shape
    ====================================  =======================================================
    ``h_0``, ``h_k``, ``a_k``             (n, n_k); ``h_0`` is X, or the units of an input block
    ``y_hat`` (= h_L)                     (n, n_L)
    ``y``                                 (n, T), labels as one-hot rows
    ``loss``                              (n,): ℓ of each sample, without penalty
    ``grad_y_hat``                        (n, n_L)
    ``grad_a_k``                          (n, n_k)
    ``grad_W_k``, ``grad_b_k``            (n_k, n_{k-1}), (n_k,)
    ``grad_h_k`` (k < L), ``grad_h_0``    (n, n_k); ``grad_h_0`` is the gradient of ``h_0``
    ====================================  =======================================================

    The order is that of the two passes. Gradients are those of the mean over the n samples, without
    penalty, so for one sample ``grad_y_hat`` is −e(ℓ)/ŷ_ℓ and ``grad_a_L`` is −(e(ℓ) − ŷ) of module
    4.5. A trace without targets ends with ``y_hat``; asking it for more raises KeyError.
    """

    def __repr__(self) -> str:
        width = max(len(name) for name in self)
        rows = [f"  {name:<{width}}  {value.shape}" for name, value in self.items()]
        return "\n".join(["Trace", *rows])

    def __missing__(self, name: object) -> Array:
        if "y" not in self and str(name).startswith(("y", "loss", "grad_")):
            raise KeyError(
                f"{name!r} needs targets, and this trace has a forward pass only: trace(X, y)"
            )
        raise KeyError(f"{name!r} is not in this trace, which has {', '.join(self)}")


def trace(spec: NetworkSpec, params: Array, X: Array, Y: Array | None) -> Trace:
    """One forward pass by the reference and, with targets, one backward pass."""
    seconds = Durations(spec, reference).passes(len(X), 1 if Y is None else 3)
    quantities: Trace = within(seconds, _trace, spec, params, X, Y)
    return quantities


def _trace(spec: NetworkSpec, params: Array, X: Array, Y: Array | None) -> Trace:
    plan = reference.Plan(spec)
    a, h = reference.forward_propagation(plan, params, X)
    L, quantities = spec.n_layers, Trace(h_0=h[0])
    for k in range(1, L + 1):
        quantities[f"a_{k}"], quantities[f"h_{k}"] = a[k], h[k]
    quantities["y_hat"] = h[L]
    if Y is None:
        return quantities
    y, n = reference.dense_targets(plan, Y), np.asarray(len(X), dtype=spec.dtype)
    quantities |= {"y": y, "loss": reference.sample_losses(plan, a[L], h[L], y)}
    quantities["grad_y_hat"] = (
        ignoring("divide over", reference.outputs_gradient, plan, h[L], y) / n
    )
    da_L = reference.output_gradient(plan, h[L], y, a[L]) / n
    da, dh, dW, db = reference.back_propagation(plan, params, a, h, da_L)
    for k in range(L, 0, -1):
        quantities |= {
            f"grad_a_{k}": da[k],
            f"grad_W_{k}": dW[k],
            f"grad_b_{k}": db[k],
            f"grad_h_{k - 1}": dh[k - 1],
        }
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
