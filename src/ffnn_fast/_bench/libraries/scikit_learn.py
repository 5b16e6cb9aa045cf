"""scikit-learn's MLPClassifier, plain SGD or Adam: one ``partial_fit`` is an epoch of steps."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ffnn_fast._bench.libraries.adapter import Calls, ShuffledTraining
from ffnn_fast._bench.problems import BETA_1, BETA_2, EPSILON, Layers, Problem

PACKAGES = ("sklearn",)


def classifier(problem: Problem) -> Any:
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
    if problem.optimizer == "adam":  # as before its first step
        model._optimizer.t = 0
        for mean in (*model._optimizer.ms, *model._optimizer.vs):
            mean[:] = 0
    return model


class Training(ShuffledTraining):
    """The classifier and its rows."""

    def __init__(self, problem: Problem, X: np.ndarray, y: np.ndarray, threads: int) -> None:
        self.X, self.y = X, y
        self.model = classifier(problem)

    def epoch(self, order: np.ndarray | None = None) -> None:
        """partial_fit goes over its rows once, batch by batch."""
        rows = slice(None) if order is None else order
        self.model.partial_fit(self.X[rows], self.y[rows])

    def layers(self) -> Layers:
        """W_k is the transpose of scikit-learn's array."""
        return [(W.T, b) for W, b in zip(self.model.coefs_, self.model.intercepts_, strict=True)]


def calls(problem: Problem, threads: int) -> Calls:
    """predict_proba, as an estimator is used."""
    X, _ = problem.with_steps(1).rows()
    names = {"model": classifier(problem), "x": X}
    return {"predict_proba(x)": ("model.predict_proba(x)", names)}
