"""Fitting derivatives: an objective with a term for ∂ŷ/∂x beside the loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np

from ffnn_fast._model.dropout_masks import Mask
from ffnn_fast._model.samples import Samples
from ffnn_fast._runtime.bound_network import BoundNetwork
from ffnn_fast._runtime.taylor_calls import taylor, taylor_gradient
from ffnn_fast.optimizers import StepRule

Array = np.ndarray


class SobolevNetwork(BoundNetwork):
    """A network whose objective has, on samples with derivatives D, the further term

    ``c/n Σ_i w_i Σ_jd (∂ŷ_ij/∂x_d − D_ijd)² / 2``,

    with their weight c and without the entries of D that are NaN: the squared error of Sobolev
    training (W. M. Czarnecki et al., *Sobolev Training for Neural Networks*, NeurIPS 2017). On
    samples without derivatives it is `BoundNetwork`. Its steps are computed one by one.
    """

    @classmethod
    def of(cls, bound: BoundNetwork) -> SobolevNetwork:
        """The same network, on the same θ."""
        bound.spec.require_plain("fit with derivatives")
        return cls(**{part.name: getattr(bound, part.name) for part in fields(bound) if part.init})

    def loss(self, samples: Samples, work: Array | None = None) -> float:
        """The objective on the samples."""
        value = super().loss(samples, work)
        if samples.derivatives is None:
            return value
        return value + slope_term(self, samples, samples.derivatives)[0]

    def loss_gradient(
        self,
        samples: Samples,
        grad: Array | None = None,
        mask: Mask | None = None,
        work: Array | None = None,
    ) -> tuple[float, Array]:
        """The objective and ∇θ, (P,), written to `grad` if given."""
        value, grad = super().loss_gradient(samples, grad, mask, work)
        if samples.derivatives is None:
            return value, grad
        term, gradient = slope_term(self, samples, samples.derivatives)
        grad += taylor_gradient(self, samples.X, None, (None, gradient, None))
        return value + term, grad

    def steps_in(self, seconds: float, rule: StepRule, batch_size: int) -> int:
        """As `BoundNetwork.steps_in`, of steps with n_0 tangents."""
        return super().steps_in(seconds / (1 + 3 * self.spec.n_inputs), rule, batch_size)

    def train(
        self,
        samples: Samples,
        order: Array,
        batch_size: int,
        rule: StepRule,
        hyper: Array,
        state: Array,
        t: int,
        work: Array,
        hold: Callable[[], None] = lambda: None,
    ) -> float:
        """As `BoundNetwork.train`."""
        return self._train_in_python(samples, order, batch_size, rule, hyper, state, t, hold)


def slope_term(
    bound: BoundNetwork, samples: Samples, D: Array, output_weight: Array | None = None
) -> tuple[float, Array]:
    """The term for the derivatives D of the samples and its gradient by ∂ŷ/∂x, (n, n_0, n_L); with
    weights v_j of the outputs as factors of their squares.
    """
    slopes, scale = slope_errors(bound, samples, D)
    if output_weight is not None:
        scale = scale * output_weight
    gradient = np.asarray(slopes * scale, dtype=bound.spec.dtype)
    return 0.5 * float(np.einsum("ijk,ijk->", gradient, slopes, dtype=np.float64)), gradient


def slope_errors(bound: BoundNetwork, samples: Samples, D: Array) -> tuple[Array, Any]:
    """∂ŷ/∂x − D, (n, n_0, n_L), 0 where D is NaN, and c w_i / n, of all or of each, (n, 1, 1)."""
    _, slopes, _ = taylor(bound, samples.X, None, (False, True, False))
    slopes -= D
    slopes[np.isnan(D)] = 0
    scale: Any = samples.derivative_weight / len(samples.X)
    weight = samples.sample_weight
    return slopes, scale if weight is None else scale * weight[:, None, None]
