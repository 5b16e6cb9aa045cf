"""Networks that were trained on scaled targets, with their scale in the last layer."""

from __future__ import annotations

import numpy as np

Array = np.ndarray


def layer_in_units(
    W: Array, b: Array, mean: Array, scale: Array, variances: bool = False
) -> tuple[Array, Array]:
    """The last layer, with which ŷ is mean + scale · (W h + b).

    Parameters
    ----------
    W, b : ndarray of shape (n_L, n_{L-1}) and (n_L,)
    mean, scale : ndarray of shape (T,)
        Of each target; n_L is a multiple of T, the outputs of a target are consecutive.
    variances : bool, default False
        Whether the outputs are T means, then T logarithms of variances (``gaussian_nll``).

    Returns
    -------
    tuple of ndarray
        W and b of the same shapes and dtypes.
    """
    offset, factor = mean, scale
    if variances:
        offset = np.concatenate([mean, 2 * np.log(scale)])
        factor = np.concatenate([scale, np.ones_like(scale)])
    heads = len(b) // len(factor)
    offset, factor = np.repeat(offset, heads), np.repeat(factor, heads)
    return (factor[:, None] * W).astype(W.dtype), (factor * b + offset).astype(b.dtype)
