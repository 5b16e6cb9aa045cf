"""Scalar arguments from the user: converted to plain Python values, or refused in a sentence.

NumPy's scalars and arrays without dimensions count as numbers; bools do not.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

CLOSED = ("neither", "left", "right", "both")


def as_int(value: Any, name: str, low: int | None = 1, high: int | None = None) -> int:
    """`value` as an int in [low, high], `high` included; None for no bound.

    Raises
    ------
    TypeError
        If it is no integer: 1.0 is none.
    ValueError
        If it lies outside.
    """
    number = _plain(value)
    if isinstance(number, bool) or not isinstance(number, int):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    if low is not None and number < low and high is None:
        raise ValueError(f"{name} must be at least {low}, got {number}")
    if (low is not None and number < low) or (high is not None and number > high):
        raise ValueError(f"{name} must be in {_interval(low, high, 'both')}, got {number}")
    return number


def as_float(
    value: Any, name: str, low: float = 0.0, high: float = math.inf, closed: str = "neither"
) -> float:
    """`value` as a float between `low` and `high`, by default > 0 and finite.

    Parameters
    ----------
    value : Any
    name : str
        What messages call it.
    low, high : float, default 0.0 and inf
    closed : {"neither", "left", "right", "both"}, default "neither"
        Which of the bounds belong to the interval.

    Raises
    ------
    TypeError
        If it is no real number.
    ValueError
        If it lies outside, or is NaN.
    """
    number = _plain(value)
    if isinstance(number, bool) or not isinstance(number, (int, float)):
        raise TypeError(f"{name} must be a number, got {value!r}")
    above = low <= number if closed in ("left", "both") else low < number
    below = number <= high if closed in ("right", "both") else number < high
    if not (above and below):
        if high == math.inf and closed in ("neither", "left") and low != -math.inf:
            sign = ">=" if closed == "left" else ">"
            raise ValueError(f"{name} must be a finite number {sign} {low:g}, got {number}")
        raise ValueError(f"{name} must be in {_interval(low, high, closed)}, got {number}")
    return float(number)


def as_bool(value: Any, name: str) -> bool:
    """`value` as a bool; TypeError if it is neither True nor False."""
    flag = _plain(value)
    if not isinstance(flag, bool):
        raise TypeError(f"{name} must be True or False, got {value!r}")
    return flag


def as_choice(value: Any, name: str, choices: Iterable[str]) -> str:
    """`value`, one of the names in `choices`.

    Raises
    ------
    TypeError
        If it is no string.
    ValueError
        If it is another one; the message lists the choices.
    """
    known = list(choices)
    if not isinstance(value, str):
        raise TypeError(f"{name} must be one of {', '.join(known)}; got {value!r}")
    if value not in known:
        raise ValueError(f"{name} must be one of {', '.join(known)}; got {value!r}")
    return str(value)


def _plain(value: Any) -> Any:
    """A NumPy scalar, or an array without dimensions, as a Python value."""
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.ndim == 0):
        return value.item()
    return value


def _interval(low: float | None, high: float | None, closed: str) -> str:
    left = "[" if closed in ("left", "both") and low is not None else "("
    right = "]" if closed in ("right", "both") and high is not None else ")"
    ends = (
        f"{-math.inf if low is None else low:g}",
        f"{math.inf if high is None else high:g}",
    )
    return f"{left}{ends[0]}, {ends[1]}{right}"
