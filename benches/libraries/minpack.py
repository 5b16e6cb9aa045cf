"""SciPy's least_squares(method="lm"), MINPACK, on residuals and Jacobian in NumPy, one layer."""

from time import perf_counter

import numpy as np

PACKAGES = ("scipy",)


def residuals_and_jacobian(regression, X, y):
    """½ Σ r² is the objective; rows of √l2 θ are its penalty."""
    i, o, _ = regression.sizes
    n, weights = len(X), np.r_[: o * i, o * i + o : o * i + 2 * o]
    scale, ridge = np.sqrt(2 / n), np.sqrt(regression.l2)
    penalised = weights if ridge else weights[:0]

    def hidden(theta):
        return np.tanh(X @ theta[: o * i].reshape(o, i).T + theta[o * i : o * i + o])

    def residuals(theta):
        error = hidden(theta) @ theta[-o - 1 : -1] + theta[-1] - y
        return np.concatenate([scale * error, ridge * theta[penalised]])

    def jacobian(theta):
        h = hidden(theta)
        da = scale * (1 - h * h) * theta[-o - 1 : -1]
        J = np.zeros((n + len(penalised), len(theta)))
        J[:n, : o * i] = (da[:, :, None] * X[:, None, :]).reshape(n, -1)
        J[:n, o * i : o * i + o], J[:n, -o - 1 : -1], J[:n, -1] = da, scale * h, scale
        J[n + np.arange(len(penalised)), penalised] = ridge
        return J

    return residuals, jacobian


def solve(regression, X, y, solver, limit, threads):
    """Seconds of a whole run of at most `limit` evaluations, and (W_k, b_k)."""
    from scipy.optimize import least_squares

    from ffnn_fast._bench.problems import flat

    i, o, _ = regression.sizes
    residuals, jacobian = residuals_and_jacobian(regression, X, y)
    start = flat(regression.start())
    tolerances = dict.fromkeys(("ftol", "xtol", "gtol"), regression.tol)
    began = perf_counter()
    found = least_squares(residuals, start, jacobian, method=solver, max_nfev=limit, **tolerances).x
    seconds = perf_counter() - began
    W_1, b_1, W_2, b_2 = np.split(found, [o * i, o * i + o, o * i + 2 * o])
    return seconds, [(W_1.reshape(o, i), b_1), (W_2[None], b_2)]
