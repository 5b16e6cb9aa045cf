"""PyTorch with ``torch.compile``: a whole step, gradients and update, is one compiled function."""

from functools import cache, partial

from benches.peers import pytorch

PACKAGES = ("torch",)


@cache
def compiled_step(problem):
    """One step on a batch, compiled at its first call."""
    import torch
    from torch.nn.functional import cross_entropy

    torch._dynamo.reset()

    def loss(params, x, y):
        return cross_entropy(pytorch.logits(params, problem.activation, x), y)

    @torch.compile(fullgraph=True)
    def step(params, x, y):
        for part, grad in zip(params, torch.func.grad(loss)(params, x, y), strict=True):
            part.sub_(grad, alpha=problem.learning_rate)

    return step


class Training(pytorch.Training):
    """The same rows and parameters; torch.func.grad is traced into the graph."""

    def make_step(self):
        """One step on a batch."""
        import torch

        torch.set_grad_enabled(False)
        return partial(compiled_step(self.problem.with_steps(0)), self.params)


def ways(problem, threads):
    """The forward pass compiled, parameters as constants."""
    import torch

    torch._dynamo.reset()
    ways = pytorch.ways(problem, threads)
    statement, names = ways["a function"]
    return {"compiled": (statement, names | {"forward": torch.compile(names["forward"])})}
