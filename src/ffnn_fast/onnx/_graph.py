"""An ONNX graph under construction."""

from __future__ import annotations

from importlib.metadata import version
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

OPSET, ML_OPSET, IR_VERSION = 13, 2, 7  # those of ONNX 1.8 (2020)
ML = "ai.onnx.ml"


class Graph:
    """Nodes, constants, inputs and outputs of an ONNX graph, in the order in which they are added.

    Values are identified by their names. `dtype` is that of the computation.
    """

    def __init__(self, onnx: ModuleType, dtype: str) -> None:
        self.onnx, self.dtype = onnx, dtype
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.inputs: list[Any] = []
        self.outputs: list[Any] = []
        self.names: set[str] = set()

    def unique_name(self, name: str) -> str:
        """`name`, with underscores appended if another value has it."""
        while name in self.names:
            name += "_"
        self.names.add(name)
        return name

    def add(self, op: str, *inputs: str, name: str | None = None, **attributes: Any) -> str:
        """Add a node; returns the name of its value: `name`, by default that of the operator."""
        name = self.unique_name(name or op.lower())
        make = self.onnx.helper.make_node
        self.nodes.append(make(op, inputs, [name], name=f"{op}:{name}", **attributes))
        return name

    def split(self, value: str, widths: tuple[int, ...]) -> list[str]:
        """`value`, (n, Σ widths), split into parts of these widths."""
        names = [self.unique_name("part") for _ in widths]
        sizes = self.constant(widths, "int64", "widths")
        self.nodes.append(
            self.onnx.helper.make_node(
                "Split", [value, sizes], names, name=f"Split:{names[0]}", axis=1
            )
        )
        return names

    def cast(self, value: str, dtype: str, name: str | None = None) -> str:
        """`value` with elements of another type."""
        return self.add("Cast", value, name=name, to=self._type(dtype))

    def constant(
        self, value: npt.ArrayLike, dtype: str | None = None, name: str = "constant"
    ) -> str:
        """A constant, by default of the graph's dtype."""
        name = self.unique_name(name)
        array = np.asarray(value, dtype or self.dtype)
        self.constants.append(self.onnx.numpy_helper.from_array(array, name))
        return name

    def input(self, name: str, dtype: str, width: int) -> str:
        """An input of shape (n, width)."""
        name = self.unique_name(name)
        self.inputs.append(self._info(name, dtype, "n", width))
        return name

    def output(self, name: str, dtype: str, *width: int) -> None:
        """Declare the value `name`, of shape (n, *width), as an output."""
        self.outputs.append(self._info(name, dtype, "n", *width))

    def model(self, doc: str) -> Any:
        """The graph as a model, checked by ONNX's checker."""
        helper = self.onnx.helper
        graph = helper.make_graph(
            self.nodes, "ffnn_fast", self.inputs, self.outputs, initializer=self.constants
        )
        opsets = {"": OPSET}
        if any(node.domain == ML for node in self.nodes):
            opsets[ML] = ML_OPSET
        model = helper.make_model(
            graph,
            producer_name="ffnn_fast",
            producer_version=version("ffnn_fast"),
            doc_string=doc,
            opset_imports=[helper.make_opsetid(*opset) for opset in opsets.items()],
            ir_version=IR_VERSION,
        )
        self.onnx.checker.check_model(model, full_check=True)
        return model

    def _type(self, dtype: str) -> int:
        """ONNX's number of an element type; ``object`` is a string."""
        return int(self.onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def _info(self, name: str, dtype: str, *shape: int | str) -> Any:
        return self.onnx.helper.make_tensor_value_info(name, self._type(dtype), shape)
