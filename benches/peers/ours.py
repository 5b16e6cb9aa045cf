"""What benches ask of us beyond training by steps: solvers, and our estimators."""

from time import perf_counter

import numpy as np


def solve(regression, X, y, way, limit, threads):
    """Seconds of a whole run of at most `limit` iterations, and (W_k, b_k).

    For "adam 0.001" the iterations are epochs of batches of 32, in float32 as it is used.
    """
    from ffnn_fast import Network

    dtype = "float32" if way.startswith("adam") else "float64"
    net = Network(
        regression.sizes, output="identity", l2=regression.l2, dtype=dtype, n_threads=threads
    )
    for W, b, (W_0, b_0) in zip(net.weights, net.biases, regression.start(), strict=True):
        W[:], b[:] = W_0, b_0
    began = perf_counter()
    if way == "levenberg_marquardt":
        net.levenberg_marquardt(X, y, max_iterations=limit, tol=regression.tol)
    elif way.startswith("adam"):
        adam(net, X.astype(dtype), y.astype(dtype)[:, None], float(way.split()[1]), limit)
    else:
        net.minimize(X, y, way, max_iterations=limit, options={"gtol": regression.tol})
    return perf_counter() - began, list(zip(net.weights, net.biases, strict=True))


def adam(net, X, Y, learning_rate, epochs):
    """Epochs of the engine's Adam over shuffled rows, in batches of 32."""
    from ffnn_fast.optimizers import StepRule
    from ffnn_fast.optimizers._rules import Adam

    machine, rng = net._bound, np.random.default_rng(0)
    rule = StepRule(Adam(learning_rate=learning_rate))
    hyper = np.array([rule.optimizer.hyper])
    state, t = np.zeros((rule.slots, net.spec.n_params), X.dtype), 0
    work = machine.workspace(32)
    for _ in range(epochs):
        order = rng.permutation(len(X))
        machine.backend.train_epoch(
            machine.plan, machine.params, X, Y, None, order, 32, rule, hyper, state, t, work
        )
        t += -(-len(X) // 32)


def estimators():
    """Our namesakes of scikit-learn's estimators."""
    from ffnn_fast import sklearn

    return sklearn
