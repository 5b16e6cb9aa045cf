"""Figures with matplotlib: each function takes axes, draws on them and returns them.

Without axes it creates a new figure, which is not registered with pyplot:
``ax.figure.savefig("net.png")`` writes it, and a notebook shows it where a cell ends on
``ax.figure``.
"""

from ffnn_fast.plotting._agreement import (
    binned_residuals,
    predicted_against_actual,
    reliability_diagram,
)
from ffnn_fast.plotting._confusion import confusion_matrix
from ffnn_fast.plotting._curves import learning_curve
from ffnn_fast.plotting._diagram import network_diagram
from ffnn_fast.plotting._histograms import activation_histograms, gradient_histograms
from ffnn_fast.plotting._images import weight_images
from ffnn_fast.plotting._surface import decision_surface

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
