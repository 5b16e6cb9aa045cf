"""ffnn_fast: feedforward networks, fast on a CPU and exact to the textbook."""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from ffnn_fast._model.model_files import ModelFileError
from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast._training.checkpoint import Checkpoint
from ffnn_fast._training.divergence import DivergedWarning
from ffnn_fast._training.stopping import EarlyStopping
from ffnn_fast.activations import Activation
from ffnn_fast.history import History, register_plot
from ffnn_fast.losses import Loss
from ffnn_fast.network import Network

if TYPE_CHECKING:
    from ffnn_fast.interchange import from_keras, from_sklearn, from_torch, to_torch
    from ffnn_fast.onnx import to_onnx

__version__ = version("ffnn_fast")
__all__ = [
    "Activation",
    "Checkpoint",
    "DivergedWarning",
    "EarlyStopping",
    "History",
    "Loss",
    "ModelFileError",
    "Network",
    "NetworkSpec",
    "__version__",
    "from_keras",
    "from_sklearn",
    "from_torch",
    "show_config",
    "to_onnx",
    "to_torch",
]
DOORS = {  # names found in their rooms when they are first asked for
    "from_keras": "interchange",
    "from_sklearn": "interchange",
    "from_torch": "interchange",
    "to_onnx": "onnx",
    "to_torch": "interchange",
}


def show_config() -> dict[str, object]:
    """Version, engine level and the BLAS libraries loaded, as a dictionary."""
    from ffnn_fast._runtime.build_info import describe

    return {"version": __version__, **describe()}


def _learning_curve(history: History, ax: Any, metric: str) -> Any:
    from ffnn_fast.plotting import learning_curve

    return learning_curve(history, ax, metric)


register_plot(_learning_curve)


def __getattr__(name: str) -> Any:
    if name not in DOORS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{DOORS[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *DOORS})
