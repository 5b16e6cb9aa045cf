"""The overhead of a call: Python calls a C function with two arrays, which computes nothing."""

from __future__ import annotations

import operator

import numpy as np

from ffnn_fast._bench.libraries.adapter import Calls
from ffnn_fast._bench.problems import Problem

PACKAGES: tuple[str, ...] = ()


def calls(problem: Problem, threads: int) -> Calls:
    """``operator.is_``, the least work a call with two arguments can do."""
    del threads
    X, _ = problem.with_steps(1).rows()
    names = {"call": operator.is_, "x": X, "out": np.empty(problem.sizes[-1], problem.dtype)}
    return {"two arrays": ("call(x, out)", names)}
