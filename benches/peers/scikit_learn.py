"""scikit-learn's MLPClassifier, plain SGD or Adam: one ``partial_fit`` is an epoch of steps."""

import warnings
from time import perf_counter

import numpy as np

from benches.peers import Shuffled
from benches.problems import BETA_1, BETA_2, EPSILON

PACKAGES = ("sklearn",)


def classifier(problem):
    """A classifier with the problem's start, in the problem's dtype."""
    from sklearn.neural_network import MLPClassifier

    model = MLPClassifier(
        problem.sizes[1:-1], activation=problem.activation, solver=problem.optimizer, alpha=0.0,
        batch_size=problem.batch_size, learning_rate_init=problem.learning_rate, shuffle=False,
        momentum=0.0, nesterovs_momentum=False, beta_1=BETA_1, beta_2=BETA_2, epsilon=EPSILON,
    )  # fmt: skip
    X, y = problem.with_steps(1).rows()
    with warnings.catch_warnings(action="ignore"):
        model.partial_fit(X, y, classes=np.arange(problem.sizes[-1]))
    for coef, intercept, (W, b) in zip(
        model.coefs_, model.intercepts_, problem.start(), strict=True
    ):
        coef[:], intercept[:] = W.T, b
    if problem.optimizer == "adam":  # as if it had not seen those rows
        model._optimizer.t = 0
        for mean in (*model._optimizer.ms, *model._optimizer.vs):
            mean[:] = 0
    return model


class Training(Shuffled):
    """The classifier and its rows."""

    def __init__(self, problem, X, y, threads):
        self.X, self.y = X, y
        self.model = classifier(problem)

    def epoch(self, order=None):
        """partial_fit goes over its rows once, batch by batch."""
        rows = slice(None) if order is None else order
        self.model.partial_fit(self.X[rows], self.y[rows])

    def layers(self):
        """Our weights are the transposes of scikit-learn's."""
        return [(W.T, b) for W, b in zip(self.model.coefs_, self.model.intercepts_, strict=True)]


def ways(problem, threads):
    """predict_proba, as an estimator is used."""
    X, _ = problem.with_steps(1).rows()
    names = {"model": classifier(problem), "x": X}
    return {"predict_proba(x)": ("model.predict_proba(x)", names)}


def solve(regression, X, y, way, limit, threads):
    """Seconds of `limit` iterations of L-BFGS, or epochs of Adam ("adam 0.001"), and (W_k, b_k)."""
    from sklearn.neural_network import MLPRegressor

    solver, *rate = way.split()
    model = MLPRegressor(
        hidden_layer_sizes=regression.sizes[1:-1], activation="tanh", solver=solver,
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
    """The estimators themselves."""
    from sklearn import neural_network

    return neural_network
