"""ŷ of one sample, and its Jacobian, as C functions: callbacks into NumPy."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np

from ffnn_fast._public import public
from ffnn_fast._reference.derivatives import input_jacobian
from ffnn_fast._reference.propagation import Plan, forward_propagation

Array = np.ndarray
ANY, SIZE = ctypes.c_void_p, ctypes.c_ssize_t
FLOATS, DOUBLES = ctypes.POINTER(ctypes.c_float), ctypes.POINTER(ctypes.c_double)
SUCCESS = 1
CAPSULE_NAME = b"ffnn_fast.network_t"


class _Network(ctypes.Structure):
    """network_t of ffnn_fast/c_api.pxd."""

    _fields_ = (
        ("n_inputs", SIZE),
        ("n_outputs", SIZE),
        ("workspace_size", ctypes.c_size_t),
        ("is_double", ctypes.c_int),
        ("plan", ANY),
        ("params", ANY),
        ("value", ctypes.CFUNCTYPE(None, ANY, DOUBLES, DOUBLES, ANY)),
        ("value_and_jacobian", ctypes.CFUNCTYPE(None, ANY, DOUBLES, DOUBLES, DOUBLES, ANY)),
        ("value_f32", ctypes.CFUNCTYPE(None, ANY, FLOATS, FLOATS, ANY)),
        ("value_and_jacobian_f32", ctypes.CFUNCTYPE(None, ANY, FLOATS, FLOATS, FLOATS, ANY)),
    )


@public("ffnn_fast.reference")
class PointFunction:
    """C functions of one sample: addresses, and what their `void *data` points to.

    `output` is the one that functions of one output return. Unlike those of the compiled engine,
    these functions take the GIL.

    Parameters
    ----------
    plan : Plan
    params : ndarray of shape (P,)
        θ; later changes take effect.
    output : int

    Raises
    ------
    ValueError
        If `params` has another length, or the network has no such output, or more than plain
        layers.
    """

    workspace_size = 0  # bytes of a workspace

    def __init__(self, plan: Plan, params: Array, output: int) -> None:
        spec = plan.spec
        spec.require_plain("a C function")
        for fits, what in (
            (params.shape == (spec.n_params,), "params"),
            (0 <= output < spec.n_outputs, "output"),
        ):
            if not fits:
                raise ValueError(f"{what} does not fit the network or the rows given")
        self.plan, self.params, self.output = plan, params, output
        self._functions = {
            "value_float32": ctypes.CFUNCTYPE(None, FLOATS, FLOATS, ANY)(self._value),
            "value_float64": ctypes.CFUNCTYPE(None, DOUBLES, DOUBLES, ANY)(self._value),
            "jacobian_float32": ctypes.CFUNCTYPE(None, *[FLOATS] * 3, ANY)(self._jacobian),
            "jacobian_float64": ctypes.CFUNCTYPE(None, *[DOUBLES] * 3, ANY)(self._jacobian),
            "integrand": ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_int, DOUBLES, ANY)(
                self._integrand
            ),
            "filter": ctypes.CFUNCTYPE(ctypes.c_int, DOUBLES, SIZE, DOUBLES, ANY)(self._filter),
        }
        numbers = (spec.n_inputs, spec.n_outputs, self.workspace_size, spec.dtype == "float64")
        functions: list[Callable[..., None]] = [self._value, self._jacobian] * 2
        callbacks = [
            kind(_without_first(function))
            for (_, kind), function in zip(_Network._fields_[6:], functions, strict=True)
        ]
        self._network = _Network(*numbers, None, None, *callbacks)

    @property
    def capsule(self) -> Any:
        """A network_t of ffnn_fast/c_api.pxd, valid as long as this object is."""
        new = ctypes.pythonapi.PyCapsule_New
        new.restype, new.argtypes = ctypes.py_object, (ANY, ctypes.c_char_p, ANY)
        return new(self.data, CAPSULE_NAME, None)

    @property
    def data(self) -> int:
        """The address that the functions take as `data`."""
        return ctypes.addressof(self._network)

    def addresses(self) -> dict[str, int]:
        """Of the functions, by name."""
        return {
            name: int(ctypes.cast(function, ANY).value or 0)
            for name, function in self._functions.items()
        }

    def _value(self, x: Any, y: Any, data: int | None) -> None:
        """y := ŷ."""
        spec = self.plan.spec
        X = np.ctypeslib.as_array(x, (1, spec.n_inputs)).astype(spec.dtype)
        _, h = forward_propagation(self.plan, self.params, X)
        np.ctypeslib.as_array(y, (1, spec.n_outputs))[...] = h[-1]

    def _jacobian(self, x: Any, y: Any, J: Any, data: int | None) -> None:
        """y := ŷ, J := ∂ŷ/∂x."""
        spec = self.plan.spec
        shape = (1, spec.n_outputs, spec.n_inputs)
        X, jacobian = np.ctypeslib.as_array(x, (1, spec.n_inputs)), np.empty(shape, spec.dtype)
        input_jacobian(self.plan, self.params, X.astype(spec.dtype), None, jacobian, None)
        np.ctypeslib.as_array(J, shape)[...] = jacobian
        self._value(x, y, data)

    def _one_output(self, x: Any, data: int | None) -> float:
        """One element of ŷ."""
        y = (ctypes.c_double * self.plan.spec.n_outputs)()
        self._value(x, ctypes.cast(y, DOUBLES), data)
        return y[self.output]

    def _integrand(self, n: int, x: Any, data: int | None) -> float:
        """ŷ_output of x, (n,); NaN unless n = n_0."""
        return self._one_output(x, data) if n == self.plan.spec.n_inputs else np.nan

    def _filter(self, x: Any, n: int, out: Any, data: int | None) -> int:
        """out := ŷ_output of x, (n,); 0 unless n = n_0."""
        if n != self.plan.spec.n_inputs:
            return 0
        out[0] = self._one_output(x, data)
        return SUCCESS


def _without_first(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function of all but the first argument."""
    return lambda first, *rest: function(*rest)
