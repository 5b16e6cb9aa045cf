"""Our NumPy reference, which reads like the lecture: what plain NumPy costs without any tuning."""

from __future__ import annotations

import numpy as np

from ffnn_fast._bench.peers import ours
from ffnn_fast._bench.problems import Problem

PACKAGES = ("ffnn_fast",)


class Training(ours.Training):
    """The same network on the reference engine."""

    def __init__(self, problem: Problem, X: np.ndarray, y: np.ndarray, threads: int) -> None:
        super().__init__(problem, X, y, threads, "reference")
