"""Scalar arguments from the user: converted to plain Python values, or an error that names them.

NumPy's scalars and arrays without dimensions count as numbers; bools do not.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ffnn_fast._errstate import isolated
from ffnn_fast._names import unknown
from ffnn_fast._text import quoted

LARGEST = 2**63 - 1


def as_int(value: Any, name: str, low: int | None = 1, high: int | None = None) -> int:
    """`value` as an int in [low, high], `high` included; without `high` up to 2**63 - 1.

    Raises
    ------
    TypeError
        If it is not an integer; 1.0 is not.
    ValueError
        If it lies outside.
    """
    number = _plain(value)
    if isinstance(number, bool) or not isinstance(number, int):
        raise TypeError(f"{name} must be an integer, got {quoted(value)}")
    if low is not None and number < low and high is None:
        raise ValueError(f"{name} must be at least {low}, got {quoted(number)}")
    if high is None and number > LARGEST:
        raise ValueError(f"{name} must be at most 2**63 - 1, got {quoted(number)}")
    if (low is not None and number < low) or (high is not None and number > high):
        raise ValueError(f"{name} must be in {_interval(low, high, 'both')}, got {quoted(number)}")
    return number


def as_float(
    value: Any, name: str, low: float = 0.0, high: float = math.inf, closed: str = "neither"
) -> float:
    """`value` as a float between `low` and `high`, by default > 0 and finite.

    Parameters
    ----------
    value : Any
    name : str
        The name of the argument in messages.
    low, high : float, default 0.0 and inf
    closed : {"neither", "left", "right", "both"}, default "neither"
        Which of the bounds belong to the interval.

    Raises
    ------
    TypeError
        If it is not a real number.
    ValueError
        If it lies outside, or is NaN.
    """
    number = _plain(value)
    if isinstance(number, bool) or not isinstance(number, (int, float)):
        raise TypeError(f"{name} must be a number, got {quoted(value)}")
    try:
        number = float(number)
    except OverflowError:  # an int beyond every float
        number = math.inf if number > 0 else -math.inf
    above = low <= number if closed in ("left", "both") else low < number
    below = number <= high if closed in ("right", "both") else number < high
    if not (above and below):
        if high == math.inf and closed in ("neither", "left"):
            bound = "" if low == -math.inf else f" {'>=' if closed == 'left' else '>'} {low:g}"
            raise ValueError(f"{name} must be a finite number{bound}, got {_shown(value)}")
        raise ValueError(f"{name} must be in {_interval(low, high, closed)}, got {_shown(value)}")
    return number


def as_real(value: Any, name: str) -> float:
    """`value` as a float, which may be NaN or infinite.

    Raises
    ------
    TypeError
        If it is not a real number.
    """
    number = _plain(value)
    if isinstance(number, float) and math.isnan(number):
        return number
    return as_float(number, name, -math.inf, math.inf, "both")


def as_bool(value: Any, name: str) -> bool:
    """`value` as a bool; TypeError if it is neither True nor False."""
    flag = _plain(value)
    if not isinstance(flag, bool):
        raise TypeError(f"{name} must be True or False, got {quoted(value)}")
    return flag


def as_choice(value: Any, name: str, choices: Iterable[str]) -> str:
    """`value`, one of the names in `choices`.

    Raises
    ------
    TypeError
        If it is not a string.
    ValueError
        If it is another one; the message lists the choices.
    """
    known = list(choices)
    if not isinstance(value, str):
        raise TypeError(unknown(name, value, known))
    if value not in known:
        raise ValueError(unknown(name, value, known))
    return str(value)


def as_path(value: Any, name: str = "path") -> str:
    """A string, bytes or path-like object as a string; TypeError for anything else."""
    try:
        return os.fsdecode(value)
    except TypeError as error:
        raise TypeError(f"{name} must be a string or path-like, got {quoted(value)}") from error


def as_generator(value: Any, name: str) -> np.random.Generator:
    """`value` itself if it is a generator, else a new one with this seed; None: a random seed.

    Raises
    ------
    TypeError, ValueError
        If it is a bool, a string or a float, or `numpy.random.default_rng` does not take it.
    """
    seed = _plain(value)
    try:
        if isinstance(seed, (bool, str, float)):
            raise TypeError("no seed")
        generator: np.random.Generator = isolated(np.random.default_rng, seed)
        return generator
    except (TypeError, ValueError) as error:
        raise type(error)(
            f"{name} must be None, an integer >= 0 or a numpy.random.Generator, got {quoted(value)}"
        ) from error


def generator_from(state: dict[str, Any]) -> np.random.Generator:
    """A generator with the state of one of NumPy's bit generators."""
    bit_generator = isolated(getattr(np.random, state["bit_generator"]))
    bit_generator.state = state
    return np.random.Generator(bit_generator)


def convert_fields(instance: Any, convert: Callable[..., Any], *names: str, **bounds: Any) -> None:
    """Replace fields of a frozen dataclass by ``convert(value, name, **bounds)``."""
    for name in names:
        object.__setattr__(instance, name, convert(getattr(instance, name), name, **bounds))


def described(value: Any) -> str:
    """What a function of the user returned, for a message: an array by its shape."""
    if isinstance(value, np.ndarray) and value.ndim:
        return f"an array of shape {value.shape}"
    if isinstance(value, (np.ndarray, np.generic)):
        return f"one number, {value}"
    return repr(value)


def _plain(value: Any) -> Any:
    """A NumPy scalar, or an array without dimensions, as a Python value."""
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    if isinstance(value, np.floating):  # item() leaves a longdouble as it is
        return float(value)
    return value.item() if isinstance(value, np.generic) else value


def _shown(value: Any) -> str:
    """A number without its NumPy type, shortened."""
    return quoted(value) if isinstance(value, int) else f"{value}"


def _interval(low: float | None, high: float | None, closed: str) -> str:
    left = "[" if closed in ("left", "both") and low is not None else "("
    right = "]" if closed in ("right", "both") and high is not None else ")"
    ends = (
        f"{-math.inf if low is None else low:g}",
        f"{math.inf if high is None else high:g}",
    )
    return f"{left}{ends[0]}, {ends[1]}{right}"
