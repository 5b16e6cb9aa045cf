"""How training does inside: gradients, the size of the updates and dead units, layer by layer."""

from __future__ import annotations

import math

import numpy as np

from ffnn_fast import reference
from ffnn_fast._model.samples import Samples
from ffnn_fast._training.fit_state import FitState
from ffnn_fast.history import Record

Array = np.ndarray
MOST_ROWS = 1024


def epoch_figures(run: FitState, order: Array) -> Record:
    """What is recorded of ∇θ at the end of an epoch, at θ as it is then.

    ``gradient_norm`` is ‖∇θ‖ on the epoch's last batch, on no more than its first 1024 rows. With
    ``diagnostics`` also, for each layer k, on the same rows:

    * ``gradient_norm_k``: the norm of ∇W_k and ∇b_k together;
    * ``update_ratio_k``: ‖ΔW_k‖ / ‖W_k‖ of the step that would come next;
    * ``dead_units_k``, k < L: the share of units of h_k that put out the same for all these rows.
    """
    options = run.options
    if not (options.gradient_norm or options.diagnostics):
        return {}
    start = (len(order) - 1) // options.batch_size * options.batch_size
    problem = run.train.rows(order[start : start + options.batch_size][:MOST_ROWS])
    _, grad = run.machine.loss_gradient(problem)
    record: Record = {"gradient_norm": _norm(grad)}
    if options.diagnostics:
        record |= _by_layer(run, problem, grad)
    return record


def _by_layer(run: FitState, problem: Samples, grad: Array) -> Record:
    spec, record = run.spec, {}
    after, state = run.params.copy(), run.state.copy()
    plan, rule = reference.Plan(spec), run.options.rule
    reference.update(plan, rule, run.hyper(run.t, 1)[0], after, grad.copy(), state, run.t + 1)
    _, h = reference.forward_propagation(plan, run.params, problem.X)
    parts = zip(
        spec.weights(run.params), spec.weights(after), spec.weights(grad), spec.biases(grad),
        strict=True,
    )  # fmt: skip
    for k, (W, moved, gW, gb) in enumerate(parts, start=1):
        record[f"gradient_norm_{k}"] = math.hypot(_norm(gW), _norm(gb))
        record[f"update_ratio_{k}"] = _norm(moved - W) / max(_norm(W), np.finfo(float).tiny)
        if k < spec.n_layers:
            record[f"dead_units_{k}"] = float(np.mean(np.ptp(h[k], axis=0) == 0))
    return record


def _norm(array: Array) -> float:
    return math.sqrt(float(np.square(array, dtype=np.float64).sum()))
