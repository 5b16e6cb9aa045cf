"""The output functions of several heads as one module of PyTorch; imported with torch only."""

from __future__ import annotations

from collections.abc import Sequence

import torch


class OutputHeads(torch.nn.Module):  # type: ignore[misc]
    """ŷ of several heads from a_L, (n, Σ widths): the columns of each through a module of its own.

    Parameters
    ----------
    widths : sequence of int
    functions : sequence of torch.nn.Module
        O of each head.
    """

    def __init__(self, widths: Sequence[int], functions: Sequence[torch.nn.Module]) -> None:
        super().__init__()
        self.widths = list(widths)
        self.functions = torch.nn.ModuleList(functions)

    def forward(self, a: torch.Tensor) -> torch.Tensor:
        """ŷ, (n, Σ widths)."""
        heads = zip(self.functions, a.split(self.widths, dim=-1), strict=True)
        return torch.cat([function(part) for function, part in heads], dim=-1)
