"""The output functions of several heads as one module of PyTorch: `OutputHeads`, made when first
used, since it derives from a class of torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any


@cache
def output_heads() -> Any:
    """The class `OutputHeads`."""
    import torch

    class OutputHeads(torch.nn.Module):  # type: ignore[misc]
        """ŷ of several heads from a_L, (n, Σ widths): the columns of each through its module.

        Parameters
        ----------
        widths : sequence of int
        functions : sequence of torch.nn.Module
            O of each head.
        """

        def __init__(self, widths: Sequence[int], functions: Sequence[Any]) -> None:
            super().__init__()
            self.widths = list(widths)
            self.functions = torch.nn.ModuleList(functions)

        def forward(self, a: Any) -> Any:
            """ŷ, (n, Σ widths)."""
            heads = zip(self.functions, a.split(self.widths, dim=-1), strict=True)
            return torch.cat([function(part) for function, part in heads], dim=-1)

    OutputHeads.__qualname__ = "OutputHeads"  # where pickles find it
    return OutputHeads


def __getattr__(name: str) -> Any:
    if name == "OutputHeads":
        return output_heads()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
