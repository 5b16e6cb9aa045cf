"""The types of the functions that `ffnn_fast.Network.predictor` returns."""

from __future__ import annotations

from typing import Any, Protocol

from numpy.typing import NDArray

from ffnn_fast._public import public


@public()
class PredictFunction(Protocol):
    """What `ffnn_fast.Network.predictor` returns: ``predict(x, out=None) -> ŷ``."""

    def __call__(self, x: NDArray[Any], out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Write ŷ for `x`, n_rows · n_0 elements, to `out`, n_rows · n_L elements; return it.

        Both are C-contiguous and of the network's dtype. Without `out` the result is a new array,
        (n_rows, n_L).

        Raises
        ------
        ValueError
            If dtype, number of elements or layout differ.
        """


@public()
class JacobianFunction(Protocol):
    """What `ffnn_fast.Network.predictor` returns with ``jacobian=True``:
    ``predict(x, out=None, jacobian_out=None) -> (ŷ, J)``.
    """

    def __call__(
        self,
        x: NDArray[Any],
        out: NDArray[Any] | None = None,
        jacobian_out: NDArray[Any] | None = None,
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Write ŷ for `x` to `out`, as `PredictFunction`, and J = ∂ŷ/∂x to `jacobian_out`,
        n_rows · n_L · n_0 elements; return both.

        All are C-contiguous and of the network's dtype. Without `out` and `jacobian_out` the
        results are new arrays, (n_rows, n_L) and (n_rows, n_L, n_0).

        Raises
        ------
        ValueError
            If dtype, number of elements or layout differ.
        """
