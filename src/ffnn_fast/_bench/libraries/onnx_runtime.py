"""ONNX Runtime, inference only: ``session.run``, and bound buffers, its way without allocation."""

from __future__ import annotations

import numpy as np

from ffnn_fast._bench.libraries.adapter import Calls
from ffnn_fast._bench.problems import Problem

PACKAGES = ("onnx", "onnxruntime")


def model_bytes(problem: Problem) -> bytes:
    """The network as Gemm, Tanh or Relu, ..., Softmax."""
    from onnx import TensorProto, helper, numpy_helper

    real = TensorProto.FLOAT if problem.dtype == "float32" else TensorProto.DOUBLE
    start, g = problem.start(), problem.activation.capitalize()
    nodes, constants, x = [], [], "x"
    for k, (W, b) in enumerate(start, start=1):
        constants += [numpy_helper.from_array(W, f"W_{k}"), numpy_helper.from_array(b, f"b_{k}")]
        nodes.append(helper.make_node("Gemm", [x, f"W_{k}", f"b_{k}"], [f"a_{k}"], transB=1))
        kind, x = (g, f"h_{k}") if k < len(start) else ("Softmax", "y")
        nodes.append(helper.make_node(kind, [f"a_{k}"], [x]))
    shapes = {"x": problem.sizes[0], "y": problem.sizes[-1]}
    x, y = (helper.make_tensor_value_info(name, real, ["n", n]) for name, n in shapes.items())
    graph = helper.make_graph(nodes, "network", [x], [y], constants)
    opsets = [helper.make_opsetid("", 20)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString()


def calls(problem: Problem, threads: int) -> Calls:
    """A session that may use this many threads."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(
        model_bytes(problem), options, providers=["CPUExecutionProvider"]
    )
    X, _ = problem.with_steps(1).rows()
    out = np.empty((len(X), problem.sizes[-1]), problem.dtype)
    binding = session.io_binding()
    binding.bind_input("x", "cpu", 0, X.dtype, X.shape, X.ctypes.data)
    binding.bind_output("y", "cpu", 0, out.dtype, out.shape, out.ctypes.data)
    names = {"session": session, "binding": binding, "x": X, "out": out}
    return {
        "session.run": ("session.run(None, {'x': x})[0]", names),
        "bound buffers": ("session.run_with_iobinding(binding) or out", names),
    }
