"""ffnn_fast: feedforward networks, fast on a CPU and exact to the textbook."""

from importlib.metadata import version

from ffnn_fast.activations import Activation
from ffnn_fast.checkpoint import Checkpoint
from ffnn_fast.divergence import DivergedWarning
from ffnn_fast.history import History
from ffnn_fast.losses import Loss
from ffnn_fast.network import Network
from ffnn_fast.persistence import ModelFileError
from ffnn_fast.spec import NetworkSpec
from ffnn_fast.stopping import EarlyStopping

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
    "show_config",
]


def show_config() -> dict[str, object]:
    """Version, engine level and the BLAS libraries loaded, as a dictionary."""
    from ffnn_fast.config import describe

    return {"version": __version__, **describe()}
