"""Networks from and to other libraries, of which torch alone is imported: a file for each.

A network that comes in is a copy: it shares no memory with the model it was made from.
"""

from ffnn_fast.interchange.keras import from_keras
from ffnn_fast.interchange.sklearn import from_sklearn
from ffnn_fast.interchange.torch import from_torch, to_torch

__all__ = ["from_keras", "from_sklearn", "from_torch", "to_torch"]
