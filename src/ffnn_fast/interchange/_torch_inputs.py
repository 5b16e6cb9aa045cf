"""Input blocks and parametric activations as modules of PyTorch, `InputUnits` and `Parametric`,
made when first used, since they derive from a class of torch. Formulas: `ffnn_fast.inputs`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

from ffnn_fast.inputs import EMBEDDED, InputBlock


@cache
def input_units() -> Any:
    """The class `InputUnits`."""
    import torch

    class InputUnits(torch.nn.Module):  # type: ignore[misc]
        """The units h_0, (n, n_0), of an input block from columns of numbers and codes, (n, c).

        Parameters
        ----------
        block : InputBlock
        n_columns : int
        params : mapping of str to ndarray
            Its parameters by the names of `InputBlock.shapes`, which are copied.
        """

        def __init__(
            self, block: InputBlock, n_columns: int, params: Mapping[str, np.ndarray]
        ) -> None:
            super().__init__()
            self.block, self.n_columns = block, n_columns
            self.features = block.features(n_columns)
            for name, values in params.items():
                self.register_parameter(name, torch.nn.Parameter(torch.tensor(values)))
            self.numbers = [f.column for f in self.features if f.kind in EMBEDDED]
            self.others = [f for f in self.features if f.kind not in EMBEDDED]
            units = [
                f.at + unit
                for f in sorted(self.features, key=lambda f: f.kind not in EMBEDDED)
                for unit in range(f.units)
            ]
            self.register_buffer("order", torch.tensor(np.argsort(units)), persistent=False)
            bins = torch.tensor(block.bins())
            self.register_buffer("bins", bins, persistent=False)

        def forward(self, x: Any) -> Any:
            """h_0 of one row or of rows."""
            parts = [self._embedded(x[..., self.numbers])] if self.numbers else []
            parts += [self._unembedded(feature, x[..., feature.column]) for feature in self.others]
            h = torch.cat(parts, dim=-1)[..., self.order]
            return h * self.scale if self.block.scale else h

        def _embedded(self, x: Any) -> Any:
            """The units of all m numbers with an embedding, (n, m (M + 1))."""
            F, M = self.block.n_waves, self.block.outputs
            own = self.embedding
            if self.block.embedding == "periodic":
                turns = 2 * math.pi * x[..., None]
                waves, own = torch.cos(own[:, F : 2 * F] + turns * own[:, :F]), own[:, 2 * F :]
            else:
                bins = self.bins.to(x.dtype)
                waves = ((x[..., None] - bins[..., 0]) * bins[..., 1]).clamp(0, 1)
            weights = own[:, : M * F].reshape(-1, M, F)
            z = torch.einsum("...mf,mof->...mo", waves, weights) + own[:, M * F :]
            return torch.cat([z, x[..., None]], dim=-1).flatten(-2)

        def _unembedded(self, feature: Any, x: Any) -> Any:
            """The units of a category, or of a number as it is."""
            if feature.kind == "plain":
                return x[..., None]
            known = (x >= 1) & (x <= feature.known) & (x == x.floor())
            code = torch.where(known, x, torch.zeros_like(x)).long()
            if feature.kind == "table":
                return getattr(self, f"table_{feature.column}")[code]
            if feature.kind == "signed":
                return ((code == 2).to(x.dtype) - (code == 1).to(x.dtype))[..., None]
            return torch.nn.functional.one_hot(code, feature.known + 1)[..., 1:].to(x.dtype)

    InputUnits.__qualname__ = "InputUnits"  # where pickles find it
    return InputUnits


@cache
def parametric() -> Any:
    """The class `Parametric`."""
    import torch

    class Parametric(torch.nn.Module):  # type: ignore[misc]
        """h = a + (g(a) − a) ⊙ α of an activation g.

        Parameters
        ----------
        function : torch.nn.Module
            g.
        alpha : ndarray of shape (n_k,)
            α, which is copied.
        """

        def __init__(self, function: Any, alpha: np.ndarray) -> None:
            super().__init__()
            self.function, self.alpha = function, torch.nn.Parameter(torch.tensor(alpha))

        def forward(self, a: Any) -> Any:
            """h."""
            return a + (self.function(a) - a) * self.alpha

    Parametric.__qualname__ = "Parametric"
    return Parametric


def __getattr__(name: str) -> Any:
    classes = {"InputUnits": input_units, "Parametric": parametric}
    if name in classes:
        return classes[name]()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
