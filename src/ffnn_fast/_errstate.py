"""NumPy's handling of floating-point errors, changed during one call only."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import copy_context
from typing import Any

import numpy as np


def isolated(function: Callable[..., Any], *args: Any) -> Any:
    """``function(*args)`` in a copy of the context that holds NumPy's handling (NumPy 2).

    For code of other libraries that uses `numpy.errstate`, which an interrupt may cut short: new
    generators of NumPy, minimisers of SciPy.
    """
    return copy_context().run(function, *args)


def ignoring(errors: str, function: Callable[..., Any], *args: Any) -> Any:
    """``function(*args)`` without warnings of these errors, such as "over invalid".

    An exception at any point, also a KeyboardInterrupt within `numpy.errstate`, leaves the caller's
    handling as it was.
    """
    return isolated(_with_errstate, errors, function, args)


def _with_errstate(errors: str, function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    with np.errstate(**dict.fromkeys(errors.split(), "ignore")):  # type: ignore[arg-type]
        return function(*args)
