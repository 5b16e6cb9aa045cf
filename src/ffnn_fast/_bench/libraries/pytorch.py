"""PyTorch, eager: a functional forward pass, gradients by autograd, one in-place fused update.

Faster than nn.Sequential with torch.optim.SGD, foreach or fused, at every size of the benches. Adam
is what torch.optim.Adam(fused=True) calls, which is faster than foreach and than the plain loop.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ffnn_fast._bench.libraries.adapter import Calls, ShuffledTraining
from ffnn_fast._bench.problems import BETA_1, BETA_2, EPSILON, Layers, Problem

PACKAGES = ("torch",)


def logits(params: list[Any], activation: str, x: Any) -> Any:
    """a_L of the rows x; params is [W_1, b_1, W_2, ...]."""
    import torch
    from torch.nn.functional import linear

    g = torch.relu if activation == "relu" else torch.tanh
    for k in range(0, len(params) - 2, 2):
        x = g(linear(x, params[k], params[k + 1]))
    return linear(x, params[-2], params[-1])


def tensors(problem: Problem) -> list[Any]:
    """The problem's start as [W_1, b_1, W_2, ...]."""
    import torch

    return [torch.from_numpy(part.copy()) for layer in problem.start() for part in layer]


class Training(ShuffledTraining):
    """Parameters and rows as tensors; the batches are views made once."""

    def __init__(self, problem: Problem, X: np.ndarray, y: np.ndarray, threads: int) -> None:
        import torch

        torch.set_num_threads(threads)
        torch.set_grad_enabled(True)
        self.problem, self.params = problem, tensors(problem)
        self.X, self.y = torch.from_numpy(X), torch.from_numpy(y)
        size = problem.batch_size
        self.batches = list(zip(self.X.split(size), self.y.split(size), strict=True))
        self.step = self.make_step()

    def make_step(self) -> Callable[[Any, Any], None]:
        """One step on a batch."""
        import torch
        from torch.nn.functional import cross_entropy

        params, g, rate = self.params, self.problem.activation, self.problem.learning_rate
        for part in params:
            part.requires_grad_()

        def step(x: Any, y: Any) -> None:
            grads = torch.autograd.grad(cross_entropy(logits(params, g, x), y), params)
            with torch.no_grad():
                torch._foreach_add_(params, grads, alpha=-rate)

        means, squares = ([torch.zeros_like(part) for part in params] for _ in range(2))
        counts = [torch.zeros(()) for _ in params]

        def adam(x: Any, y: Any) -> None:
            grads = torch.autograd.grad(cross_entropy(logits(params, g, x), y), params)
            with torch.no_grad():
                torch._foreach_add_(counts, 1)
                torch._fused_adam_(
                    params, grads, means, squares, [], counts, lr=rate, beta1=BETA_1, beta2=BETA_2,
                    weight_decay=0.0, eps=EPSILON, amsgrad=False, maximize=False,
                )  # fmt: skip

        return adam if self.problem.optimizer == "adam" else step

    def epoch(self, order: np.ndarray | None = None) -> None:
        """Steps over the views, or over rows gathered batch by batch."""
        import torch

        if order is None:
            for x, y in self.batches:
                self.step(x, y)
            return
        for rows in torch.from_numpy(order).split(self.problem.batch_size):
            self.step(self.X[rows], self.y[rows])

    def layers(self) -> Layers:
        """W_k has the same layout in PyTorch."""
        arrays = [np.asarray(part.detach()) for part in self.params]
        return list(zip(arrays[::2], arrays[1::2], strict=True))


def calls(problem: Problem, threads: int) -> Calls:
    """A function of tensors without autograd, and the usual Sequential."""
    import torch
    from torch import nn

    torch.set_num_threads(threads)
    torch.set_grad_enabled(False)
    params = tensors(problem)
    g = nn.ReLU if problem.activation == "relu" else nn.Tanh
    modules: list[Any] = []
    for W, b in zip(params[::2], params[1::2], strict=True):
        linear = nn.Linear(W.shape[1], W.shape[0])
        linear.weight, linear.bias = nn.Parameter(W), nn.Parameter(b)
        modules += [linear, g()]
    model = nn.Sequential(*modules[:-1], nn.Softmax(dim=1)).eval()

    def forward(x: Any) -> Any:
        return torch.softmax(logits(params, problem.activation, x), 1)

    X, _ = problem.with_steps(1).rows()
    names = {"model": model, "forward": forward, "x": torch.from_numpy(X)}
    return {"a function": ("forward(x)", names), "nn.Sequential": ("model(x)", names)}
