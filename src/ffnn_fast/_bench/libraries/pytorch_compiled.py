"""PyTorch with ``torch.compile``: a whole step, gradients and update, is one compiled function."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

from ffnn_fast._bench.libraries import pytorch
from ffnn_fast._bench.libraries.adapter import Calls
from ffnn_fast._bench.problems import Problem

PACKAGES = ("torch",)


@cache
def compiled_step(problem: Problem) -> Callable[..., None]:
    """One step on a batch, compiled at its first call."""
    import torch
    from torch.nn.functional import cross_entropy

    torch._dynamo.reset()

    def loss(params: list[Any], x: Any, y: Any) -> Any:
        return cross_entropy(pytorch.logits(params, problem.activation, x), y)

    def step(params: list[Any], x: Any, y: Any) -> None:
        for part, grad in zip(params, torch.func.grad(loss)(params, x, y), strict=True):
            part.sub_(grad, alpha=problem.learning_rate)

    return torch.compile(step, fullgraph=True)


class Training(pytorch.Training):
    """The same rows and parameters; torch.func.grad is traced into the graph."""

    def make_step(self) -> Callable[[Any, Any], None]:
        """One step on a batch."""
        import torch

        torch.set_grad_enabled(False)
        return partial(compiled_step(self.problem.with_steps(0)), self.params)


def calls(problem: Problem, threads: int) -> Calls:
    """The forward pass compiled, parameters as constants."""
    import torch

    torch._dynamo.reset()
    statement, names = pytorch.calls(problem, threads)["a function"]
    return {"compiled": (statement, names | {"forward": torch.compile(names["forward"])})}
