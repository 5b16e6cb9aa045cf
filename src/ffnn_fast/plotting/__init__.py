"""Pictures with matplotlib: each function takes axes, draws on them and returns them.

Without axes it makes a new figure, which pyplot does not know of: ``ax.figure.savefig("net.png")``
writes it, and a notebook shows it where a cell ends on ``ax.figure``.
"""

from ffnn_fast.plotting.agreement import (
    binned_residuals,
    predicted_against_actual,
    reliability_diagram,
)
from ffnn_fast.plotting.confusion import confusion_matrix
from ffnn_fast.plotting.curves import learning_curve
from ffnn_fast.plotting.diagram import network_diagram
from ffnn_fast.plotting.histograms import activation_histograms, gradient_histograms
from ffnn_fast.plotting.images import weight_images
from ffnn_fast.plotting.surface import decision_surface

__all__ = [
    "activation_histograms",
    "binned_residuals",
    "confusion_matrix",
    "decision_surface",
    "gradient_histograms",
    "learning_curve",
    "network_diagram",
    "predicted_against_actual",
    "reliability_diagram",
    "weight_images",
]
