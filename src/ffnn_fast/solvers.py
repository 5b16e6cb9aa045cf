"""Full-batch solvers: gradient descent as the lecture writes it."""

from __future__ import annotations

from time import perf_counter

import numpy as np

from ffnn_fast.optimizers import SGD, StepRule
from ffnn_fast.training import History, Machine, Problem, aligned_empty


def gradient_descent(
    machine: Machine, problem: Problem, learning_rate: float, max_iterations: int
) -> History:
    """The lecture's algorithm (modules 4.2, 4.8), all rows at each step; θ changes in place.

    ::

        t ← 0
        while t++ < max_iterations:
            h_1..h_{L-1}, a_1..a_L, ŷ = forward_propagation(θ)
            ∇θ = back_propagation(h_1..h_{L-1}, a_1..a_L, y, ŷ)
            θ ← θ − η ∇θ
    """
    history, spec = History(), machine.spec
    grad = aligned_empty(spec.n_params, spec.dtype)
    rule = StepRule(SGD(learning_rate=learning_rate))
    hyper = np.array(rule.optimizer.hyper)
    state = np.zeros((rule.slots, spec.n_params), dtype=spec.dtype)
    t = 0
    while t < max_iterations:
        t += 1
        began = perf_counter()
        loss, _ = machine.loss_gradient(problem, grad)
        machine.backend.update(machine.plan, rule, hyper, machine.params, grad, state, t)
        history.records.append({"epoch": t, "loss": loss, "seconds": perf_counter() - began})
    return history
