"""What it costs Python to call a function written in C with two arrays, doing nothing with them."""

from __future__ import annotations

import operator

import numpy as np

from ffnn_fast._bench.peers import Ways
from ffnn_fast._bench.problems import Problem

PACKAGES: tuple[str, ...] = ()


def ways(problem: Problem, threads: int) -> Ways:
    """``operator.is_``, the least work a call with two arguments can do."""
    del threads
    X, _ = problem.with_steps(1).rows()
    names = {"call": operator.is_, "x": X, "out": np.empty(problem.sizes[-1], problem.dtype)}
    return {"two arrays": ("call(x, out)", names)}
