"""Networks from and to the models of other libraries.

`from_keras` and `from_sklearn` read arrays and attributes and do not import those libraries;
`from_torch` and `to_torch` import torch. Every conversion copies: the result shares no memory with
its source.
"""

from ffnn_fast.interchange._keras import from_keras
from ffnn_fast.interchange._perceptrons import from_sklearn
from ffnn_fast.interchange._torch import from_torch, to_torch

__all__ = ["from_keras", "from_sklearn", "from_torch", "to_torch"]
