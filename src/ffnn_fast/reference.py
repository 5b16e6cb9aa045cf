"""The NumPy twin of the compiled engine: the lecture's formulas, same functions and signatures.

Vocabulary: n rows (samples), n_k units of layer k; a[k], h[k], da[k], dh[k] are (n, n_k), W_k is
(n_k, n_{k-1}). h[0] = X and h[L] = ŷ, so a[0] is unused. The reference never imports the engine.
"""

from __future__ import annotations

import numpy as np

from ffnn_fast._model.dropout_masks import Mask
from ffnn_fast._reference.derivatives import (
    input_gradient,
    input_jacobian,
    jacobian_workspace_size,
    jvp,
    parameter_jacobian,
    vjp,
    vjp_workspace_size,
)
from ffnn_fast._reference.digests import digest_of, with_transposed
from ffnn_fast._reference.group_steps import move, move_groups
from ffnn_fast._reference.hessian import hessian_product
from ffnn_fast._reference.input_blocks import further_gradient
from ffnn_fast._reference.point_functions import PointFunction
from ffnn_fast._reference.predictors import JacobianPredictor, Predictor
from ffnn_fast._reference.propagation import (
    Plan,
    back_propagation,
    dense_targets,
    forward_propagation,
    gradient_of_head,
    heads_of,
    matrix_product,
    output_gradient,
    outputs_gradient,
    penalty,
)
from ffnn_fast._reference.taylor import (
    taylor,
    taylor_gradient,
    taylor_jacobian,
    taylor_workspace_size,
)
from ffnn_fast.losses import CANONICAL, FROM_LOGITS, loss_of
from ffnn_fast.optimizers import StepRule

__all__ = [
    "JacobianPredictor",
    "Plan",
    "PointFunction",
    "Predictor",
    "back_propagation",
    "dense_targets",
    "forward",
    "forward_many",
    "forward_propagation",
    "gradient_of_head",
    "heads_of",
    "hessian_product",
    "input_gradient",
    "input_jacobian",
    "jacobian",
    "jacobian_workspace_size",
    "jvp",
    "loss",
    "loss_gradient",
    "loss_many",
    "losses_of_head",
    "moving_entries",
    "normal_equations",
    "normal_workspace_size",
    "output_gradient",
    "outputs_gradient",
    "parameter_jacobian",
    "penalty",
    "sample_losses",
    "taylor",
    "taylor_gradient",
    "taylor_jacobian",
    "taylor_workspace_size",
    "train_epoch",
    "update",
    "vjp",
    "vjp_workspace_size",
    "workspace_size",
]

Array = np.ndarray
CLIP_FLOOR = 1e-6  # added to ‖∇θ‖ by torch.nn.utils.clip_grad_norm_


def workspace_size(plan: Plan, n: int, forward_only: bool = False) -> int:
    """Elements of scratch that a call on `n` rows needs: none."""
    return 0


def sample_losses(plan: Plan, a_L: Array, y_hat: Array, y: Array) -> Array:
    """ℓ(ŷ, y) of every sample (module 4.3), (n,), the weighted sum over heads; those of canonical
    pairs, and of pairs in `FROM_LOGITS`, are computed from a_L.
    """
    heads = heads_of(plan, y, a_L, y_hat)
    losses = [
        weight * losses_of_head(head, *parts) if weight else np.zeros(len(y_hat), y_hat.dtype)
        for head, weight, parts in heads
    ]
    return np.sum(losses, axis=0)


def losses_of_head(plan: Plan, y: Array, a_L: Array, y_hat: Array) -> Array:
    """ℓ(ŷ, y) of every sample, (n,), for the targets and outputs of one head."""
    spec = plan.spec
    formulas = loss_of(spec.loss)
    pair = (spec.output, spec.loss)
    of_logits = CANONICAL[pair] if pair in CANONICAL else FROM_LOGITS.get(pair, (None,))[0]
    if of_logits is not None:
        losses = of_logits(a_L, y, **spec.loss_options)
    else:
        losses = formulas.value(y_hat, y, **spec.loss_options)
        if not isinstance(spec.loss, str):
            formulas.check_value(losses, y)
    if spec.missing_targets == "ignore":
        missing = np.isnan(y) if losses.ndim == 2 else np.isnan(y).any(axis=1)
        losses = np.where(missing, np.zeros((), losses.dtype), losses)
    return losses.sum(axis=1) if losses.ndim == 2 else losses


def first_layer_digest(plan: Plan, params: Array) -> int:
    """A number that differs, but for a chance of 2⁻⁶⁴, when W_1 does."""
    return digest_of(plan.spec.weights(params)[0])


def forward(
    plan: Plan, params: Array, X: Array, out: Array, work: Array | None,
    order: Array | None = None, transposed: Array | None = None, is_current: bool = False,
) -> bool:  # fmt: skip
    """out := ŷ, (n, n_L), for the rows of X, (n, n_0); (m, n_L) for those in `order`, (m,).

    `transposed` (n_0, n_1) := W_1ᵀ, for sparse rows, which read it, unless it holds that already.
    Returns whether the rows are known to be finite, since a_1 is; without an input block.
    """
    rows = X if order is None else X[order]
    if transposed is not None:
        params = with_transposed(plan.spec, params, transposed, is_current)
    a, h = forward_propagation(plan, params, rows)
    out[...] = h[-1]
    return bool(np.isfinite(a[1]).all())


def forward_many(plan: Plan, params: Array, X: Array, out: Array, work: Array | None) -> None:
    """out := ŷ of the same rows at each of K vectors θ, (K, n, n_L); params (K, P)."""
    for theta, y_hat in zip(params, out, strict=True):
        forward(plan, theta, X, y_hat, work)


def loss(
    plan: Plan, params: Array, X: Array, Y: Array, sample_weight: Array | None,
    work: Array | None, mask: Mask | None = None, order: Array | None = None,
) -> float:  # fmt: skip
    """(1/n) Σ_i w_i ℓ_i + penalty; Y is (n,) labels or (n, T), w is (n,) or None.

    `mask`, a seed and a step t >= 1, applies the dropout masks of that step. With `order`, (m,), of
    those rows only, m for n.
    """
    X, Y, sample_weight = _in_order(order, X, Y, sample_weight)
    a, h = forward_propagation(plan, params, X, mask)
    losses = sample_losses(plan, a[-1], h[-1], dense_targets(plan, Y))
    return _weighted_mean(losses, sample_weight) + penalty(plan, params)


def loss_many(
    plan: Plan, params: Array, X: Array, Y: Array, sample_weight: Array | None, values: Array,
    work: Array | None,
) -> None:  # fmt: skip
    """values := `loss` at each of K vectors θ, (K,) float64; params (K, P)."""
    values[:] = [loss(plan, theta, X, Y, sample_weight, work) for theta in params]


def loss_gradient(
    plan: Plan,
    params: Array,
    X: Array,
    Y: Array,
    sample_weight: Array | None,
    grad: Array,
    work: Array | None,
    mask: Mask | None = None,
    order: Array | None = None,
) -> float:
    """The same value, and grad := ∇θ, (P,), laid out like params."""
    spec = plan.spec
    X, Y, sample_weight = _in_order(order, X, Y, sample_weight)
    y = dense_targets(plan, Y)
    a, h = forward_propagation(plan, params, X, mask)
    scale = 1 / len(X) if sample_weight is None else sample_weight[:, None] / len(X)
    da_L = output_gradient(plan, h[-1], y, a[-1]) * np.asarray(scale, dtype=spec.dtype)
    _, dh, dW, db = back_propagation(plan, params, a, h, da_L, mask)
    for k, (W, gW, gb) in enumerate(
        zip(spec.weights(params), spec.weights(grad), spec.biases(grad), strict=True), start=1
    ):
        gW[...] = dW[k] + spec.layer_l2[k - 1] * W + spec.layer_l1[k - 1] * np.sign(W)
        gb[...] = db[k]
    further_gradient(spec, params, X, a, dh, grad)
    losses = sample_losses(plan, a[-1], h[-1], y)
    return _weighted_mean(losses, sample_weight) + penalty(plan, params)


def jacobian(plan: Plan, params: Array, X: Array) -> tuple[Array, Array]:
    """ŷ, (n, n_L), and ∂ŷ_ij/∂θ, (n_L, n, P)."""
    spec, n = plan.spec, len(X)
    y_hat = np.empty((n, spec.n_outputs), dtype=spec.dtype)
    J = np.empty((n, spec.n_outputs, spec.n_params), dtype=spec.dtype)
    forward(plan, params, X, y_hat, None)
    parameter_jacobian(plan, params, X, J, None)
    return y_hat, J.swapaxes(0, 1)


def normal_workspace_size(plan: Plan, n: int) -> int:
    """Elements of scratch for `normal_equations` on `n` rows: none."""
    return 0


def normal_equations(
    plan: Plan,
    params: Array,
    X: Array,
    Y: Array,
    sample_weight: Array | None,
    output_weight: Array | None,
    JTJ: Array,
    JTr: Array,
    work: Array | None,
) -> float:
    """JTJ := lower triangle of JᵀJ, (P, P), JTr := Jᵀr, (P,); returns ½ Σ r², the mean loss.

    r_ij = √(c w_i v_j / n) (ŷ_ij − y_ij) with c = 2 for squared_error, 1 for half_squared_error;
    J = ∂r/∂θ. r_ij is 0 where the network ignores a missing y_ij. Without the penalty. w is (n,) or
    None, v is (n_L,) or None. The output is not softmax; Y is (n, n_L).
    """
    curvature = {"squared_error": 2, "half_squared_error": 1}[str(plan.spec.loss)]
    weight = np.ones(len(X)) if sample_weight is None else sample_weight
    squared = (curvature * weight / len(X))[:, None]
    if output_weight is not None:
        squared = squared * output_weight
    scale = np.sqrt(squared).astype(plan.spec.dtype)
    if plan.spec.missing_targets == "ignore":
        missing = np.isnan(Y)
        scale, Y = np.where(missing, 0, scale).astype(scale.dtype), np.where(missing, 0, Y)
    y_hat, J = jacobian(plan, params, X)
    r = (scale * (y_hat - Y)).T.ravel()
    J = (scale.T[:, :, None] * J).reshape(len(r), -1)
    lower = np.tri(len(JTr), dtype=bool)
    JTJ[lower] = matrix_product(J.T, J)[lower]
    JTr[:] = matrix_product(J.T, r)
    return 0.5 * float((r.astype(np.float64) ** 2).sum())


def all_finite(plan: Plan, params: Array) -> bool:
    """Whether no entry of θ is NaN or infinite."""
    return bool(np.isfinite(params).all())


def update(
    plan: Plan, rule: StepRule, hyper: Array, params: Array, grad: Array, state: Array, t: int
) -> None:
    """One step (module 4.2): params and state (rule.slots, P) change in place; t is from 1."""
    moving = moving_entries(plan, rule)
    g = np.clip(grad[moving], -rule.clip_value, rule.clip_value)
    if rule.clip_norm < np.inf:
        norm = float(np.sqrt((g.astype(np.float64) ** 2).sum()))
        g = g * min(1.0, rule.clip_norm / (norm + CLIP_FLOOR))
    if rule.has_factors:
        move_groups(plan.spec, rule, hyper, params, g, state, t, moving)
    else:
        theta, slots = params[moving], state[: rule.optimizer.slots, moving]
        move(rule, hyper, theta, g, slots, t)
        params[moving], state[: rule.optimizer.slots, moving] = theta, slots
    if rule.max_norm < np.inf:
        for k, W in enumerate(plan.spec.weights(params), start=1):
            if k not in rule.frozen:
                norms = np.sqrt((W.astype(np.float64) ** 2).sum(axis=1, keepdims=True))
                W[...] = W * (rule.max_norm / np.maximum(norms, rule.max_norm))
    if rule.average > 0:
        mean = state[-1]
        mean += (1 - rule.average) * (params - mean) if t > 1 else params - mean


def moving_entries(plan: Plan, rule: StepRule) -> slice | Array:
    """Which entries of θ a step moves: those of layers that are not frozen."""
    spec = plan.spec
    if any(k > spec.n_layers for k in rule.frozen):
        raise ValueError(f"frozen must be layers 0 to {spec.n_layers}, got {rule.frozen}")
    if not rule.frozen:
        return slice(None)
    moves = np.ones(spec.n_params, dtype=bool)
    layers = [
        spec.block_views(moves).values(),
        *zip(spec.weights(moves), spec.biases(moves), strict=True),
    ]
    for k in rule.frozen:
        for part in layers[k]:
            part[...] = False
    for k, alpha in enumerate(spec.alphas(moves), start=1):
        alpha[...] = k not in rule.frozen
    return moves


def shuffle(rng: np.random.Generator, rows: Array) -> None:
    """``rng.shuffle`` of each row of `rows` (E, n) int64: the same draws and orders."""
    for row in rows:
        rng.shuffle(row)


def train_epoch(
    plan: Plan,
    params: Array,
    X: Array,
    Y: Array,
    sample_weight: Array | None,
    order: Array,
    batch_size: int,
    rule: StepRule,
    hyper: Array,
    state: Array,
    t: int,
    work: Array | None,
    losses: Array | None = None,
) -> float:
    """Steps t+1, t+2, ... on consecutive batches of the rows `order`; the mean loss before them.

    `hyper` is (1, H), for all steps, or (steps, H). A further column is the dropout rate of every
    layer that has one. The mean is over samples, so a short last batch counts by its size.
    With `losses` (E,), `order` holds the dense rows of E epochs, one after another; their mean
    losses are written there.
    """
    if losses is not None:
        fixed = (plan, params, X, Y, sample_weight)
        for e, rows in enumerate(order.reshape(len(losses), -1)):
            losses[e] = train_epoch(*fixed, rows, batch_size, rule, hyper, state, t, work)
            t += -(-len(rows) // batch_size)
        return float(losses[-1])
    grad = np.empty_like(params)
    total, H = 0.0, len(rule.optimizer.hyper)
    for step, start in enumerate(range(0, len(order), batch_size)):
        rows = order[start : start + batch_size]
        weight = None if sample_weight is None else sample_weight[rows]
        t += 1
        batch = (X[rows], Y[rows], weight)
        row = hyper[step if len(hyper) > 1 else 0]
        mask: Mask = (rule.seed, t) if len(row) == H else (rule.seed, t, float(row[H]))
        total += len(rows) * loss_gradient(plan, params, *batch, grad, None, mask)
        update(plan, rule, row[:H], params, grad, state, t)
    return total / len(order)


def _in_order(
    order: Array | None, X: Array, Y: Array, sample_weight: Array | None
) -> tuple[Array, Array, Array | None]:
    """X, y and w of the rows in `order` only; None: of all."""
    if order is None:
        return X, Y, sample_weight
    return X[order], Y[order], None if sample_weight is None else sample_weight[order]


def _weighted_mean(losses: Array, sample_weight: Array | None) -> float:
    weighted = losses if sample_weight is None else sample_weight * losses
    return float(weighted.sum(dtype=np.float64) / len(losses))
