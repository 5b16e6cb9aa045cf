"""Diagnostics of training: norms of gradients, sizes of updates and dead units, for each layer."""

from __future__ import annotations

import math

import numpy as np

from ffnn_fast import reference
from ffnn_fast._model.samples import Samples
from ffnn_fast._training.epoch_rows import EpochPart
from ffnn_fast._training.fit_state import FitState
from ffnn_fast.history import Record

Array = np.ndarray
MAX_ROWS = 1024


def epoch_figures(state: FitState, part: EpochPart) -> Record:
    """Figures of ∇θ at the end of an epoch, for its record.

    ``gradient_norm`` is ‖∇θ‖ at the current θ on the epoch's last batch, of which at most the first
    1024 rows count. With ``diagnostics`` also, for each layer k, on the same rows:

    * ``gradient_norm_k``: the norm of ∇W_k and ∇b_k together;
    * ``update_ratio_k``: ‖ΔW_k‖ / ‖W_k‖ of the step that these rows would cause next;
    * ``dead_units_k``, k < L: the share of units of h_k with the same output for all these rows.

    `part` holds the last rows of the epoch.
    """
    options = state.options
    if not (options.gradient_norm or options.diagnostics):
        return {}
    start = (len(part.order) - 1) // options.batch_size * options.batch_size
    samples = part.samples.rows(part.order[start : start + options.batch_size][:MAX_ROWS])
    _, grad = state.bound.loss_gradient(samples)
    record: Record = {"gradient_norm": _norm(grad)}
    if options.diagnostics:
        record |= _by_layer(state, samples, grad)
    return record


def _by_layer(state: FitState, samples: Samples, grad: Array) -> Record:
    spec, record = state.spec, {}
    after, optimizer_state = state.params.copy(), state.optimizer_state.copy()
    plan, rule = reference.Plan(spec), state.options.rule
    hyper = state.hyper(state.t, 1)[0, : len(rule.optimizer.hyper)]
    reference.update(plan, rule, hyper, after, grad.copy(), optimizer_state, state.t + 1)
    _, h = reference.forward_propagation(plan, state.params, samples.X)
    parts = zip(
        spec.weights(state.params), spec.weights(after), spec.weights(grad), spec.biases(grad),
        strict=True,
    )  # fmt: skip
    for k, (W, moved, gW, gb) in enumerate(parts, start=1):
        record[f"gradient_norm_{k}"] = math.hypot(_norm(gW), _norm(gb))
        record[f"update_ratio_{k}"] = _norm(moved - W) / max(_norm(W), np.finfo(float).tiny)
        if k < spec.n_layers:
            record[f"dead_units_{k}"] = float(np.mean(np.ptp(h[k], axis=0) == 0))
    return record


def _norm(array: Array) -> float:
    squares = array.astype(np.float64)
    squares *= squares
    return math.sqrt(float(squares.sum()))
