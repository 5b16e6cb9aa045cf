"""Tuned NumPy: every product and function writes into a buffer made once, the update is one
subtraction of flat vectors, and online steps work on vectors instead of matrices of one row.
"""

from __future__ import annotations

import numpy as np

from ffnn_fast._bench.libraries.adapter import Calls, ShuffledTraining
from ffnn_fast._bench.problems import BETA_1, BETA_2, EPSILON, Layers, Problem, flat

PACKAGES = ("numpy",)


def views(vector: np.ndarray, layers: Layers) -> Layers:
    """(W_k, b_k) as views of one vector."""
    found, at = [], 0
    for W, b in layers:
        end = at + W.size
        found.append((vector[at:end].reshape(W.shape), vector[end : end + b.size]))
        at = end + b.size
    return found


def times_derivative(activation: str, dh: np.ndarray, h: np.ndarray) -> None:
    """dh := dh ⊙ g'(a), from h = g(a), which it may destroy."""
    if activation == "relu":
        np.multiply(dh, h > 0, out=dh)
    else:
        np.multiply(h, h, out=h)
        np.subtract(1, h, out=h)
        np.multiply(dh, h, out=dh)


def activate(activation: str, a: np.ndarray) -> None:
    """g(a) in place."""
    if activation == "relu":
        np.maximum(a, 0, out=a)
    else:
        np.tanh(a, out=a)


class Training(ShuffledTraining):
    """Parameters, gradient and every intermediate result, allocated once."""

    def __init__(self, problem: Problem, X: np.ndarray, y: np.ndarray, threads: int) -> None:
        start, self.problem = problem.start(), problem
        self.X, self.y, self.L = X, y, len(start)
        self.params = flat(start)
        self.grad = np.empty_like(self.params)
        self.theta, self.grads = views(self.params, start), views(self.grad, start)
        shape = (problem.batch_size,) if problem.batch_size > 1 else ()
        self.h = [np.empty((*shape, n), problem.dtype) for n in problem.sizes]
        self.dh = [np.empty_like(h) for h in self.h]
        self.each = np.arange(problem.batch_size)
        adam = problem.optimizer == "adam"
        rate = 1 if adam else problem.learning_rate
        self.scale = np.asarray(rate / problem.batch_size, problem.dtype)
        self.move = self.adam if adam else self.descend
        self.t = 0
        self.m, self.v, self.spare = (np.zeros_like(self.params) for _ in range(3))

    def epoch(self, order: np.ndarray | None = None) -> None:
        """Online steps or minibatch steps."""
        size = self.problem.batch_size
        if size == 1:
            for row in range(len(self.X)) if order is None else order:
                self.one(self.X[row], self.y[row])
            return
        gathered = self.h[0]
        for at in range(0, len(self.X), size):
            if order is None:
                self.batch(self.X[at : at + size], self.y[at : at + size])
            else:
                rows = order[at : at + size]
                np.take(self.X, rows, axis=0, out=gathered, mode="clip")
                self.batch(gathered, self.y[rows])

    def one(self, x: np.ndarray, label: int) -> None:
        """A step on one sample, x of shape (n_0,)."""
        h = [x, *self.h[1:]]
        for k, (W, b) in enumerate(self.theta, start=1):
            np.matmul(W, h[k - 1], out=h[k])
            h[k] += b
            if k < self.L:
                activate(self.problem.activation, h[k])
        da = h[-1]
        da -= da.max()
        np.exp(da, out=da)
        da /= da.sum()
        da[label] -= 1
        da *= self.scale
        for k in range(self.L, 0, -1):
            dW, db = self.grads[k - 1]
            np.multiply(da[:, None], h[k - 1], out=dW)
            db[:] = da
            if k > 1:
                np.matmul(da, self.theta[k - 1][0], out=self.dh[k - 1])
                da = self.dh[k - 1]
                times_derivative(self.problem.activation, da, h[k - 1])
        self.move()

    def batch(self, X: np.ndarray, y: np.ndarray) -> None:
        """A step on a batch, X of shape (batch_size, n_0)."""
        h = [X, *self.h[1:]]
        for k, (W, b) in enumerate(self.theta, start=1):
            np.matmul(h[k - 1], W.T, out=h[k])
            h[k] += b
            if k < self.L:
                activate(self.problem.activation, h[k])
        da = h[-1]
        da -= da.max(axis=1, keepdims=True)
        np.exp(da, out=da)
        da /= da.sum(axis=1, keepdims=True)
        da[self.each, y] -= 1
        da *= self.scale
        for k in range(self.L, 0, -1):
            dW, db = self.grads[k - 1]
            np.matmul(da.T, h[k - 1], out=dW)
            np.sum(da, axis=0, out=db)
            if k > 1:
                np.matmul(da, self.theta[k - 1][0], out=self.dh[k - 1])
                da = self.dh[k - 1]
                times_derivative(self.problem.activation, da, h[k - 1])
        self.move()

    def descend(self) -> None:
        """The gradient holds the learning rate already."""
        self.params -= self.grad

    def adam(self) -> None:
        """A step from the gradient, which it destroys, over flat vectors."""
        self.t += 1
        m, v, g, spare = self.m, self.v, self.grad, self.spare
        m *= BETA_1
        np.multiply(g, 1 - BETA_1, out=spare)
        m += spare
        v *= BETA_2
        g *= g
        g *= 1 - BETA_2
        v += g
        np.sqrt(v, out=spare)
        spare *= (1 - BETA_2**self.t) ** -0.5
        spare += EPSILON
        np.divide(m, spare, out=spare)
        spare *= self.problem.learning_rate / (1 - BETA_1**self.t)
        self.params -= spare

    def layers(self) -> Layers:
        """Views of the parameters."""
        return self.theta


def forward(layers: Layers, activation: str, x: np.ndarray) -> np.ndarray:
    """ŷ of the rows x."""
    for W, b in layers[:-1]:
        x = x @ W
        x += b
        activate(activation, x)
    W, b = layers[-1]
    x = x @ W
    x += b
    x -= x.max(axis=1, keepdims=True)
    np.exp(x, out=x)
    x /= x.sum(axis=1, keepdims=True)
    return x


def calls(problem: Problem, threads: int) -> Calls:
    """A function of a few NumPy calls."""
    layers = [(np.ascontiguousarray(W.T), b) for W, b in problem.start()]
    X, _ = problem.with_steps(1).rows()
    names = {"forward": forward, "layers": layers, "g": problem.activation, "x": X}
    return {"a function": ("forward(layers, g, x)", names)}
