"""What it costs Python to call a function written in C with two arrays, doing nothing with them."""

import operator

import numpy as np

PACKAGES = ()


def ways(problem, threads):
    """``operator.is_``, the least work a call with two arguments can do."""
    X, _ = problem.with_steps(1).rows()
    names = {"call": operator.is_, "x": X, "out": np.empty(problem.sizes[-1], problem.dtype)}
    return {"two arrays": ("call(x, out)", names)}
