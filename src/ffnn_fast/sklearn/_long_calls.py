"""Calls of scikit-learn on large arrays, during which this thread handles signals."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

from sklearn import config_context, get_config

from ffnn_fast._runtime.bound_network import within

ENTRY = 5e-9  # seconds to check and convert an entry of X, rather long
LABEL = 100e-9  # seconds to find the class of an entry of y


def seconds_of(X: Any, y: Any = None) -> float:
    """What scikit-learn's checks of rows and targets take, estimated.

    Of a sparse matrix the stored entries count. A value without a shape, such as a list, counts as
    empty.
    """
    return ENTRY * _entries(X) + LABEL * _entries(y)


def in_background_if_long(
    seconds: float, function: Callable[..., Any], *args: Any, **keywords: Any
) -> Any:
    """``function(*args, **keywords)``, under the caller's configuration of scikit-learn.

    See `ffnn_fast._runtime.interrupts.in_background`.
    """
    call = partial(function, *args, **keywords)
    return within(seconds, _configured, get_config(), call)


def _entries(values: Any) -> int:
    if hasattr(values, "nnz"):
        return int(values.nnz)
    shape: tuple[int, ...] = getattr(values, "shape", ())  # `size` is a method of PyTorch's tensors
    return math.prod(shape) if shape else 0


def _configured(config: dict[str, Any], call: Callable[[], Any]) -> Any:
    """scikit-learn's configuration is that of a thread."""
    with config_context(**config):
        return call()
