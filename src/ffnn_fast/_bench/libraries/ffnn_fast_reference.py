"""The NumPy reference of ffnn_fast, written like the lecture: NumPy without any tuning."""

from __future__ import annotations

from ffnn_fast._bench.libraries import ffnn_fast_compiled

PACKAGES = ("ffnn_fast",)


class Training(ffnn_fast_compiled.Training):
    """The same network on the reference engine."""

    engine = "reference"
