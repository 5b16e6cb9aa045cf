"""Networks as ONNX models, optionally with the preprocessing of raw columns in the graph."""

from ffnn_fast.onnx._encoders import check_preprocessing
from ffnn_fast.onnx._export import to_onnx

__all__ = ["check_preprocessing", "to_onnx"]
