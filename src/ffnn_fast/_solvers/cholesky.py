"""LAPACK's Cholesky routines on lower triangles of row-major matrices, without the GIL.

SciPy's wrappers hold the GIL, so no other thread could handle a signal while they work. These call
the same routines by the addresses that SciPy exports for Cython.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

Array = np.ndarray
# To Fortran the lower triangle of a row-major matrix is an upper one.
UPPER = b"U"


def factorize(A: Array) -> bool:
    """A := its Cholesky factor, in the lower triangle; False if A is indefinite or has NaN."""
    n = len(A)
    return _call("dpotrf", UPPER, n, A, n) == 0


def solve(factor: Array, b: Array) -> Array:
    """A⁻¹ b for each row of b, (P,) or (m, P), as a new array of that shape."""
    x = np.array(b, np.float64, order="C")
    n = len(factor)
    _call("dpotrs", UPPER, n, x.size // n, factor, n, x, n)
    return x


def inverse(factor: Array) -> Array:
    """A⁻¹, (P, P)."""
    n, result = len(factor), factor.copy()
    _call("dpotri", UPPER, n, result, n)
    lower = np.tril(result)
    return lower + np.tril(lower, -1).T


def reciprocal_condition(factor: Array, norm: float) -> float:
    """An estimate of 1 / (‖A‖₁ ‖A⁻¹‖₁), where ‖A‖₁ is `norm`."""
    n, result = len(factor), np.zeros(1)
    work, integers = np.empty(3 * n), np.empty(n, np.intc)
    _call("dpocon", UPPER, n, factor, n, np.array([norm]), result, work, integers)
    return float(result[0])


def _call(name: str, *args: Any) -> int:
    """LAPACK's ``info`` of the routine with these arguments, integers and arrays by address."""
    given = [_argument(value) for value in args]
    info = ctypes.c_int(0)
    _routine(name, len(args) + 1)(*given, ctypes.byref(info))
    return info.value


def _argument(value: Any) -> Any:
    if isinstance(value, bytes):
        return value
    if isinstance(value, int):
        return ctypes.byref(ctypes.c_int(value))
    if not value.flags.c_contiguous:
        raise ValueError("LAPACK takes contiguous arrays only")
    return value.__array_interface__["data"][0]  # half of the time of value.ctypes.data


@cache
def _routine(name: str, n_arguments: int) -> Callable[..., None]:
    from scipy.linalg import cython_lapack

    capsule = cython_lapack.__pyx_capi__[name]
    api = ctypes.pythonapi
    name_of = ctypes.PYFUNCTYPE(ctypes.c_char_p, ctypes.py_object)(("PyCapsule_GetName", api))
    pointer_of = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
        ("PyCapsule_GetPointer", api)
    )
    prototype = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * n_arguments)
    return prototype(pointer_of(capsule, name_of(capsule)))
