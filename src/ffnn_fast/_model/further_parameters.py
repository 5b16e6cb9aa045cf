"""The parameters that follow the layers in θ: those of an input block, and the α_k."""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ffnn_fast.inputs import InputBlock


class FurtherParameters:
    """The part of `NetworkSpec` that describes these parameters."""

    inputs: InputBlock | None
    parametric: bool
    layer_sizes: tuple[int, ...]
    if TYPE_CHECKING:  # of NetworkSpec

        @property
        def n_layers(self) -> int: ...
        @property
        def n_inputs(self) -> int: ...
        @cached_property
        def n_params(self) -> int: ...
        @cached_property
        def shapes(self) -> tuple[tuple[int, int], ...]: ...
        @cached_property
        def offsets(self) -> tuple[tuple[int, int], ...]: ...

    @property
    def n_layer_params(self) -> int:
        """The number of weights and biases, with which θ begins."""
        return sum(o * i + o for o, i in self.shapes)

    @cached_property
    def further_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the parameters that follow the layers in θ, by name, in their order: those of
        the input block as ``inputs.<name>``, then ``alpha_1``, ..., ``alpha_{L-1}``.
        """
        found: dict[str, tuple[int, ...]] = {}
        if self.inputs is not None:
            block = self.inputs.shapes(self.n_inputs)
            found = {f"inputs.{name}": shape for name, shape in block.items()}
        if self.parametric:
            found |= {f"alpha_{k}": (n,) for k, n in enumerate(self.layer_sizes[1:-1], start=1)}
        return found

    def further(self, vector: np.ndarray) -> dict[str, np.ndarray]:
        """Views of these parameters in a vector laid out like θ, shape (P,)."""
        self.check_vector(vector)
        views, at = {}, self.n_layer_params
        for name, shape in self.further_shapes.items():
            size = math.prod(shape)
            views[name] = vector[at : at + size].reshape(shape)
            at += size
        return views

    def alphas(self, vector: np.ndarray) -> tuple[np.ndarray, ...]:
        """Views α_1, ..., α_{L-1}, each (n_k,), of a vector laid out like θ; () unless the network
        is parametric.
        """
        views = self.further(vector)
        return tuple(view for name, view in views.items() if name.startswith("alpha_"))

    def block_views(self, vector: np.ndarray) -> dict[str, np.ndarray]:
        """Views of the input block's parameters, by the names of `InputBlock.shapes`."""
        views, start = self.further(vector), len("inputs.")
        return {n[start:]: view for n, view in views.items() if n.startswith("inputs.")}

    @cached_property
    def groups(self) -> tuple[tuple[int, slice], ...]:
        """The parts of θ with the place of their group in `optimizers.Factors.by_group`."""
        L, at = self.n_layers, self.n_layer_params
        others = {"embedding": 3 * L, "scale": 3 * L + 2}
        found = []
        for k, ((w, b), (o, _)) in enumerate(zip(self.offsets, self.shapes, strict=True)):
            found += [(k, slice(w, b)), (L + k, slice(b, b + o))]
        for name, shape in self.further_shapes.items():
            part, size = name.removeprefix("inputs."), math.prod(shape)
            if part.startswith("alpha_"):
                group = 2 * L - 1 + int(part.removeprefix("alpha_"))
            else:
                group = others.get(part, 3 * L + 1)
            found.append((group, slice(at, at + size)))
            at += size
        return tuple(found)

    def draw_further(self, vector: np.ndarray, rng: np.random.Generator) -> None:
        """Set the parameters that follow the layers to their first values."""
        if self.inputs is not None:
            self.inputs.draw(self.block_views(vector), rng)
        for alpha in self.alphas(vector):
            alpha[:] = 1

    @property
    def has_input_params(self) -> bool:
        """Whether the network has an input block with parameters."""
        return any(name.startswith("inputs.") for name in self.further_shapes)

    @property
    def is_extended(self) -> bool:
        """Whether the network has an input block or parametric activations."""
        return self.inputs is not None or self.parametric

    def require_plain(self, what: str) -> None:
        """ValueError, which names the part, if the network has more than plain layers."""
        if self.is_extended:
            part = "parametric activations" if self.inputs is None else "an input block"
            raise ValueError(f"{what} does not support a network with {part}")

    def check_vector(self, vector: np.ndarray) -> None:
        """ValueError unless the vector has shape (P,)."""
        if vector.shape != (self.n_params,):
            raise ValueError(
                f"expected a vector of {self.n_params} parameters, got shape {vector.shape}"
            )
