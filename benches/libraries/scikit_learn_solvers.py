"""The solvers and estimators of scikit-learn."""

import warnings
from time import perf_counter


def solve(regression, X, y, solver, limit, threads):
    """Seconds of `limit` iterations of L-BFGS, or epochs of Adam ("adam 0.001"), and (W_k, b_k)."""
    from sklearn.neural_network import MLPRegressor

    name, *rate = solver.split()
    model = MLPRegressor(
        hidden_layer_sizes=regression.sizes[1:-1], activation="tanh", solver=name,
        alpha=regression.l2 * len(X) / 2, batch_size=min(32, len(X)), random_state=0, max_iter=1,
        tol=regression.tol, max_fun=20 * limit, n_iter_no_change=limit + 1, warm_start=True,
        learning_rate_init=float(rate[0]) if rate else 0.001,
    )  # fmt: skip
    with warnings.catch_warnings(action="ignore"):
        model.fit(X[:32], y[:32])
        for coef, intercept, (W, b) in zip(
            model.coefs_, model.intercepts_, regression.start(), strict=True
        ):
            coef[:], intercept[:] = W.T, b
        model.max_iter, model.n_iter_, model.t_ = limit, 0, 0
        began = perf_counter()
        model.fit(X, y)
        seconds = perf_counter() - began
    return seconds, [(W.T, b) for W, b in zip(model.coefs_, model.intercepts_, strict=True)]


def estimators():
    """The module of scikit-learn's estimators."""
    from sklearn import neural_network

    return neural_network
