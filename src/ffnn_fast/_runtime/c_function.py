"""A network as C functions: addresses for ctypes, cffi, Numba, Cython and SciPy."""

from __future__ import annotations

import ctypes
from typing import Any

from ffnn_fast._public import public
from ffnn_fast._runtime.bound_network import BoundNetwork
from ffnn_fast._scalars import as_choice, as_int

REALS = {"float32": ("float", ctypes.c_float), "float64": ("double", ctypes.c_double)}
DTYPES = tuple(REALS)
KINDS = {
    "integrand": (
        "double (int, double *, void *)",
        ctypes.CFUNCTYPE(
            ctypes.c_double, ctypes.c_int, ctypes.POINTER(ctypes.c_double), ctypes.c_void_p
        ),
    ),
    "filter": (
        "int (double *, npy_intp, double *, void *)",
        ctypes.CFUNCTYPE(
            ctypes.c_int,
            ctypes.POINTER(ctypes.c_double),
            ctypes.c_ssize_t,
            ctypes.POINTER(ctypes.c_double),
            ctypes.c_void_p,
        ),
    ),
}


@public()
class CFunction:
    """ŷ of one sample, and its Jacobian, as C functions; from `Network.c_function`.

    With T for ``float`` or ``double``, by `dtype`::

        void value(const T *x, T *y, void *data);
        void value_and_jacobian(const T *x, T *y, T *J, void *data);

    x has n_0 elements, y n_L and J n_L · n_0: ``J[i * n_0 + j]`` is ∂ŷ_i/∂x_j. The functions need
    no GIL, allocate nothing, check nothing, and read ``net.params`` at each call, so later changes
    take effect. They use scratch of this object: call them from one thread at a time, and make an
    object for each thread. Everything stays valid as long as this object is referenced.

    Attributes
    ----------
    address : int
        Of ``value``.
    jacobian_address : int
        Of ``value_and_jacobian``.
    data : int
        The address to pass as ``data``.
    n_inputs, n_outputs : int
        n_0 and n_L.
    dtype : str
        Of x, y and J, which may differ from the network's: values are converted.
    signature, jacobian_signature : str
        The declarations above, with the type in the place of T.
    capsule : PyCapsule
        For Cython: ``ffnn_fast.c_api.network_of`` reads it.
    workspace_size : int
        Bytes of a caller-owned workspace, for Cython.
    """

    def __init__(self, functions: Any, spec_sizes: tuple[int, int], dtype: str) -> None:
        real, ctype = REALS[dtype]
        addresses = functions.addresses()
        self._functions, self._pointer = functions, ctypes.POINTER(ctype)
        self.address: int = addresses[f"value_{dtype}"]
        self.jacobian_address: int = addresses[f"jacobian_{dtype}"]
        self.data: int = functions.data
        self.n_inputs, self.n_outputs = spec_sizes
        self.dtype = dtype
        self.signature = f"void (const {real} *x, {real} *y, void *data)"
        self.jacobian_signature = f"void (const {real} *x, {real} *y, {real} *J, void *data)"
        self.capsule: Any = functions.capsule
        self.workspace_size: int = functions.workspace_size

    @property
    def ctypes(self) -> Any:
        """``value`` as a ctypes function, which holds a reference to this object."""
        return self._as_ctypes(self.address, 2)

    @property
    def jacobian_ctypes(self) -> Any:
        """``value_and_jacobian``, likewise."""
        return self._as_ctypes(self.jacobian_address, 3)

    def _as_ctypes(self, address: int, arrays: int) -> Any:
        kind = ctypes.CFUNCTYPE(None, *[self._pointer] * arrays, ctypes.c_void_p)
        function = kind(address)
        function.owner = self  # type: ignore[attr-defined]
        return function

    def __repr__(self) -> str:
        return f"<CFunction {self.signature}, {self.n_inputs} to {self.n_outputs}>"

    def __reduce__(self) -> Any:
        raise TypeError(
            "a CFunction holds addresses of this process and cannot be pickled; pickle the network "
            "and call c_function again"
        )


def c_function(bound: BoundNetwork, dtype: str | None) -> CFunction:
    """See `ffnn_fast.Network.c_function`."""
    chosen = bound.spec.dtype if dtype is None else as_choice(dtype, "dtype", DTYPES)
    sizes = bound.spec.n_inputs, bound.spec.n_outputs
    return CFunction(_functions(bound, 0), sizes, chosen)


def low_level_callable(bound: BoundNetwork, output: int, kind: str) -> Any:
    """See `ffnn_fast.Network.low_level_callable`."""
    from scipy import LowLevelCallable

    as_choice(kind, "kind", tuple(KINDS))
    output = as_int(output, "output", low=0)
    if output >= bound.spec.n_outputs:
        raise ValueError(
            f"output must be one of 0..{bound.spec.n_outputs - 1}, got {output}: the network has "
            f"{bound.spec.n_outputs} outputs"
        )
    functions = _functions(bound, output)
    signature, prototype = KINDS[kind]
    function = prototype(functions.addresses()[kind])
    function.owner = functions  # type: ignore[attr-defined]
    return LowLevelCallable(function, ctypes.c_void_p(functions.data), signature)


def _functions(bound: BoundNetwork, output: int) -> Any:
    """The engine's functions of this network; ValueError if it runs on the reference."""
    bound.spec.require_plain("a C function")
    if not bound.compiled:
        raise ValueError(
            "the reference engine has no C functions; use engine='compiled' and no user-defined "
            "activation"
        )
    return bound.backend.PointFunction(bound.plan, bound.params, output)
