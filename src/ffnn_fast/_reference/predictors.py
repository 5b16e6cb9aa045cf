"""Functions that predict a number of rows, and check no more than the memory of their arrays."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ffnn_fast._errstate import ignoring
from ffnn_fast._public import public
from ffnn_fast._reference.derivatives import input_jacobian
from ffnn_fast._reference.propagation import Plan, forward_propagation

Array = np.ndarray


@public("ffnn_fast.reference")
class Predictor:
    """ŷ of `n_rows` rows at a call, into `out` or a new array.

    Parameters
    ----------
    plan : Plan
    params : ndarray of shape (P,)
        θ; later changes take effect.
    n_rows : int
    work : ndarray or None
        Scratch; not used here.

    Raises
    ------
    ValueError
        If `params` has another length.
    """

    def __init__(self, plan: Plan, params: Array, n_rows: int, work: Array | None) -> None:
        spec = plan.spec
        if params.size != spec.n_params:
            raise ValueError("params does not fit the network or the rows given")
        self.plan, self.params, self.n_rows = plan, params, n_rows

    def __call__(self, x: Array, out: Array | None = None) -> Array:
        """ŷ of x, n_rows · n_0 elements; into `out`, n_rows · n_L elements, or a new array.

        Raises
        ------
        ValueError
            If an array is not C-contiguous, aligned, of the network's dtype and of that size, or
            `out` is read-only.
        """
        spec = self.plan.spec
        taken, given = (self.n_rows, spec.n_inputs), (self.n_rows, spec.n_outputs)
        if out is None:
            out = np.empty(given, spec.dtype)
        if not (
            _is_plain(x, spec.dtype, math.prod(taken), written=False)
            and _is_plain(out, spec.dtype, math.prod(given), written=True)
        ):
            raise ValueError(
                f"expected C-contiguous {spec.dtype} arrays: x of {math.prod(taken)} elements, "
                f"writable out of {math.prod(given)}; got {_described(x)} and {_described(out)}"
            )
        y_hat = forward_propagation(self.plan, self.params, x.reshape(taken))[1][-1]
        out.reshape(given)[...] = y_hat
        return out

    def of_row(self, X: Any) -> Array | None:
        """ŷ, (1, n_L), of one row X, (1, n_0) or (n_0,); None unless X is a C-contiguous array,
        not of a subclass, of float32 or float64, and finite in the network's dtype.

        Raises
        ------
        ValueError
            If the predictor takes several rows.
        """
        spec = self.plan.spec
        if self.n_rows != 1:
            raise ValueError("a row does not fit the network or the rows given")
        fits = any(
            _is_plain(X, dtype, spec.n_inputs, written=False) for dtype in ("float32", "float64")
        )
        if not (type(X) is np.ndarray and fits and X.shape in ((spec.n_inputs,), (1, X.size))):
            return None
        row = ignoring("over", X.astype, spec.dtype)
        return self(row) if np.isfinite(row).all() else None


@public("ffnn_fast.reference")
class JacobianPredictor:
    """ŷ and ∂ŷ/∂x of `n_rows` rows at a call, into `out` and `jacobian_out` or new arrays.

    Parameters
    ----------
    plan, params, n_rows, work
        As those of `Predictor`.
    """

    def __init__(self, plan: Plan, params: Array, n_rows: int, work: Array | None) -> None:
        self.predict = Predictor(plan, params, n_rows, work)

    def __call__(
        self, x: Array, out: Array | None = None, jacobian_out: Array | None = None
    ) -> tuple[Array, Array]:
        """ŷ of x, n_rows · n_0 elements, n_rows · n_L, and J, n_rows · n_L · n_0 elements.

        Raises
        ------
        ValueError
            As that of `Predictor`.
        """
        predict, spec = self.predict, self.predict.plan.spec
        shape = (predict.n_rows, spec.n_outputs, spec.n_inputs)
        if jacobian_out is None:
            jacobian_out = np.empty(shape, spec.dtype)
        if not _is_plain(jacobian_out, spec.dtype, math.prod(shape), written=True):
            raise ValueError(
                f"expected C-contiguous {spec.dtype} arrays: writable jacobian_out of "
                f"{math.prod(shape)} elements; got {_described(jacobian_out)}"
            )
        out = predict(x, out)
        X, J = x.reshape(predict.n_rows, -1), jacobian_out.reshape(shape)
        input_jacobian(predict.plan, predict.params, X, None, J, None)
        return out, jacobian_out


def _is_plain(x: object, dtype: str, size: int, written: bool) -> bool:
    """Whether x is an array of this dtype and size that can be used without a copy."""
    if not isinstance(x, np.ndarray) or x.dtype != dtype or x.size != size:
        return False
    return x.flags.carray if written else x.flags.c_contiguous and x.flags.aligned


def _described(x: object) -> str:
    """Dtype, shape and layout of an array, else the type, for messages."""
    if not isinstance(x, np.ndarray):
        return type(x).__name__
    layout = "" if x.flags.c_contiguous else " not C-contiguous"
    layout += "" if x.flags.aligned else " not aligned"
    return f"{x.dtype} {x.shape}{layout}" + ("" if x.flags.writeable else " read-only")
