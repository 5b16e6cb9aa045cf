"""The inverse of the matrix H of normal equations, also where the data do not determine all of θ.

With D the diagonal matrix that gives D H D ones in its diagonal, H⁻¹ = D (D H D)⁻¹ D by Cholesky's
factor. If D H D is singular to rounding it is D (D H D)⁺ D, by eigenvalues: a generalised inverse,
by which g H⁻¹ gᵀ is that of any other for a g that the data determine: one in the row space of H.
"""

from __future__ import annotations

import numpy as np

from ffnn_fast._solvers import cholesky

Array = np.ndarray
EPS = float(np.finfo(float).eps)
SLACK = 10  # times what rounding leaves, of a direction that the data do not determine


class NormalInverse:
    """H⁻¹ of H, (F, F), of which the lower triangle is read.

    Attributes
    ----------
    rank : int
        The number of directions of θ that the data determine, F or less.
    """

    def __init__(self, H: Array) -> None:
        diagonal, F = H.diagonal(), len(H)
        self.D = 1 / np.sqrt(np.where(diagonal > 0, diagonal, 1))
        lower = np.tril(H) * self.D[:, None] * self.D
        matrix = lower + np.tril(lower, -1).T
        size = float(np.abs(matrix).sum(axis=0).max())
        self.rank, self._factor = F, lower
        if cholesky.factorize(lower) and cholesky.reciprocal_condition(lower, size) > F * EPS:
            return
        values, vectors = np.linalg.eigh(matrix)
        self._cutoff = F * EPS * max(float(values[-1]), 0.0)
        some = values > self._cutoff
        self.rank = int(some.sum())
        self._roots = vectors[:, some] / np.sqrt(values[some])  # R Rᵀ = (D H D)⁺
        self._null = vectors[:, ~some]

    @property
    def regular(self) -> bool:
        """Whether the data determine all of θ."""
        return self.rank == len(self.D)

    def solve(self, g: Array) -> Array:
        """H⁻¹ gᵀ, (F, m), for g (m, F)."""
        scaled = g * self.D
        if self.regular:
            return cholesky.solve(self._factor, scaled).T * self.D[:, None]
        return self._roots @ (scaled @ self._roots).T * self.D[:, None]

    def matrix(self) -> Array:
        """H⁻¹, (F, F)."""
        inverse = cholesky.inverse(self._factor) if self.regular else self._roots @ self._roots.T
        return inverse * self.D[:, None] * self.D

    def determines(self, g: Array) -> Array:
        """Whether each row of g, (m, F), is in the row space of H; as a row of H = JᵀJ would be,
        scaled likewise.
        """
        if self.regular:
            return np.ones(len(g), dtype=bool)
        outside: Array = np.square((g * self.D) @ self._null).sum(axis=1)
        return outside <= SLACK * self._null.shape[1] * self._cutoff
