"""Problems with sparse rows."""

import numpy as np
from scipy import sparse

from ffnn_fast._model.samples import Samples
from ffnn_fast._model.sparse_rows import as_sparse_rows
from support.problems import random_problem


def sparse_problem(spec, n, rng, kind="dense", weighted=False):
    """A problem with rows of which a few entries are stored, some rows and columns none of them,
    and the same one with dense rows.
    """
    samples = random_problem(spec, n, rng, kind, weighted)
    dense = np.where(rng.random(samples.X.shape) < 0.2, samples.X, 0).astype(spec.dtype)
    dense[n // 2] = 0
    if spec.n_inputs > 1:
        dense[:, spec.n_inputs // 2] = 0
    rows = as_sparse_rows(sparse.csr_array(dense), spec.n_inputs, spec.dtype)
    return tuple(Samples(X, samples.Y, samples.sample_weight) for X in (rows, dense))


def text_like(n=300, width=2000, dtype=np.float64, seed=0):
    """Rows like those of counted words, some of which occur often, and labels."""
    rng = np.random.default_rng(seed)
    columns = (width * rng.random((n, 40)) ** 3).astype(int)
    rows = np.repeat(np.arange(n), 40)
    X = sparse.csr_array((rng.random(40 * n), (rows, columns.ravel())), (n, width), dtype=dtype)
    return X, (np.arange(n) * 7 % 3)
