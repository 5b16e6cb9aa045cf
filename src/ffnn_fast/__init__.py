"""ffnn_fast: feedforward networks, fast on a CPU and exact to the textbook."""

from ffnn_fast import _command_start  # noqa: F401 - first, so that it holds during the others

# isort: split
from importlib import import_module
from importlib.metadata import version
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ffnn_fast._ensembles.ensemble import Ensemble
from ffnn_fast._ensembles.fit_many import fit_many
from ffnn_fast._model.heads import Head
from ffnn_fast._model.model_files import ModelFileError
from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast._runtime.c_function import CFunction
from ffnn_fast._runtime.differentiation import VJP
from ffnn_fast._runtime.diverged import DivergedWarning
from ffnn_fast._runtime.inspection import GradientCheck, Trace
from ffnn_fast._runtime.predict_functions import JacobianFunction, PredictFunction
from ffnn_fast._runtime.taylor_calls import Taylor
from ffnn_fast._solvers.minimizers import Evaluation, Objective, SolverHistory
from ffnn_fast._training.averaging import Averaging
from ffnn_fast._training.checkpoint import Checkpoint, CheckpointError
from ffnn_fast._training.many import ManyProgress
from ffnn_fast._training.ranks import Distributed
from ffnn_fast._training.rate_finder import RateCurve
from ffnn_fast._training.stepper import Stepper
from ffnn_fast._training.stopping import EarlyStopping
from ffnn_fast.activations import Activation
from ffnn_fast.history import History, register_plot
from ffnn_fast.losses import Loss
from ffnn_fast.network import Network

if TYPE_CHECKING:
    from ffnn_fast._solvers.levenberg_marquardt import Interval, LeastSquaresFit
    from ffnn_fast.c import to_c
    from ffnn_fast.interchange import from_keras, from_sklearn, from_torch, to_torch
    from ffnn_fast.onnx import to_onnx

__version__ = version("ffnn_fast")
__all__ = [
    "VJP",
    "Activation",
    "Averaging",
    "CFunction",
    "Checkpoint",
    "CheckpointError",
    "Distributed",
    "DivergedWarning",
    "EarlyStopping",
    "Ensemble",
    "Evaluation",
    "GradientCheck",
    "Head",
    "History",
    "Interval",
    "JacobianFunction",
    "LeastSquaresFit",
    "Loss",
    "ManyProgress",
    "ModelFileError",
    "Network",
    "NetworkSpec",
    "Objective",
    "PredictFunction",
    "RateCurve",
    "SolverHistory",
    "Stepper",
    "Taylor",
    "Trace",
    "__version__",
    "fit_many",
    "from_keras",
    "from_sklearn",
    "from_torch",
    "show_config",
    "to_c",
    "to_onnx",
    "to_torch",
]
LAZY = {  # name: the module that defines it, imported on first access
    "Interval": "_solvers.levenberg_marquardt",
    "LeastSquaresFit": "_solvers.levenberg_marquardt",
    "from_keras": "interchange",
    "from_sklearn": "interchange",
    "from_torch": "interchange",
    "to_c": "c",
    "to_onnx": "onnx",
    "to_torch": "interchange",
}


def show_config() -> dict[str, object]:
    """Version, engine level, CPU features and the BLAS libraries loaded, as a dictionary."""
    from ffnn_fast._runtime.build_info import describe

    return {"version": __version__, **describe()}


def _learning_curve(history: History, ax: Any, metric: str) -> Any:
    from ffnn_fast.plotting import learning_curve

    return learning_curve(history, ax, metric)


register_plot(_learning_curve)


def __getattr__(name: str) -> Any:
    if name not in LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{LAZY[name]}"), name)


def __dir__() -> list[str]:
    modules = (name for name, value in globals().items() if isinstance(value, ModuleType))
    public = (name for name in modules if not name.startswith("_"))
    return sorted({*__all__, *public, *(name for name in globals() if name.startswith("__"))})
