"""The solvers and scikit-learn estimators of ffnn_fast."""

from time import perf_counter


def solve(regression, X, y, solver, limit, threads):
    """Seconds of a whole run of at most `limit` iterations, and (W_k, b_k).

    For "adam 0.001" the iterations are epochs of batches of 32, in float32, the usual dtype.
    """
    from ffnn_fast import Network

    dtype = "float32" if solver.startswith("adam") else "float64"
    net = Network(
        regression.sizes, output="identity", l2=regression.l2, dtype=dtype, n_threads=threads
    )
    for W, b, (W_0, b_0) in zip(net.weights, net.biases, regression.start(), strict=True):
        W[:], b[:] = W_0, b_0
    X, y = X.astype(dtype), y.astype(dtype)
    began = perf_counter()
    if solver == "levenberg_marquardt":
        net.levenberg_marquardt(X, y, max_iterations=limit, tol=regression.tol)
    elif solver.startswith("adam"):
        rate = float(solver.split()[1])
        net.fit(
            X, y, epochs=limit, batch_size=32, optimizer="adam", learning_rate=rate, rng=0,
            metrics=False,
        )  # fmt: skip
    else:
        net.minimize(X, y, solver, max_iterations=limit, options={"gtol": regression.tol})
    return perf_counter() - began, list(zip(net.weights, net.biases, strict=True))


def estimators():
    """The module of ffnn_fast's scikit-learn estimators."""
    from ffnn_fast import sklearn

    return sklearn
