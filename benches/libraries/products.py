"""A step's matrix products alone, by NumPy's BLAS into buffers; nothing is trained."""

import numpy as np

PACKAGES = ("numpy",)


class Training:
    """The operands of a step."""

    def __init__(self, problem, X, y, threads):
        self.problem, self.X = problem, X
        self.W = [W for W, _ in problem.start()]
        self.dW = [np.empty_like(W) for W in self.W]
        rows = (problem.batch_size,)
        self.h = [np.ones((*rows, n), problem.dtype) for n in problem.sizes]
        self.da = [np.ones((*rows, n), problem.dtype) for n in problem.sizes]

    def epoch(self):
        """h Wᵀ of every layer, then ∇aᵀ h and, but for the first, ∇a W."""
        size = self.problem.batch_size
        for at in range(0, len(self.X), size):
            h = [self.X[at : at + size], *self.h[1:]]
            for k, W in enumerate(self.W, start=1):
                np.matmul(h[k - 1], W.T, out=self.h[k])
            for k in range(len(self.W), 0, -1):
                np.matmul(self.da[k].T, h[k - 1], out=self.dW[k - 1])
                if k > 1:
                    np.matmul(self.da[k], self.W[k - 1], out=self.da[k - 1])
