"""What a fit allocates: parameters, scratch for one batch, never the rows again."""

import tracemalloc

import numpy as np
import pytest

from ffnn_fast import Network
from ffnn_fast.engine import isa


@pytest.fixture
def mapped(tmp_path):
    """A float32 matrix of 8 MB in a file, mapped read-only."""
    rng = np.random.default_rng(0)
    np.save(tmp_path / "X.npy", rng.normal(size=(20000, 100)).astype(np.float32))
    return np.load(tmp_path / "X.npy", mmap_mode="r")


def peak_of(work):
    """The most memory that NumPy and Python held at once during `work`, bytes."""
    tracemalloc.start()
    work()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


def test_a_fit_copies_no_rows(mapped):
    net = Network([100, 16, 4], seed=0)
    labels = np.arange(len(mapped)) % 4
    peak = peak_of(lambda: net.fit(mapped, labels, epochs=2, batch_size=64))
    assert peak < mapped.nbytes / 2


def test_prediction_copies_no_rows(mapped):
    net = Network([100, 16, 4], seed=0)
    assert peak_of(lambda: net.predict(mapped)) < mapped.nbytes / 2


@pytest.mark.parametrize("matmul", ["own", "blas"])
def test_scratch_is_a_few_activations_of_one_batch(matmul, dtype):
    sizes, n = [64, 256, 128, 10], 512
    net = Network(sizes, dtype=dtype, seed=0)
    for n_threads in (1, 4):
        plan = isa.engine.Plan(net.spec, n_threads, matmul)
        scratch = isa.engine.workspace_size(plan, n) - net.spec.n_params
        assert scratch < 6 * n * sum(sizes)
    assert isa.engine.workspace_size(plan, 10 * n) < 1.1 * isa.engine.workspace_size(plan, 1024)


def test_batches_larger_than_a_block_need_no_more(mapped):
    """Activations of a large batch are held block by block."""
    net = Network([100, 256, 4], seed=0)
    labels = np.arange(len(mapped)) % 4
    peak = peak_of(lambda: net.gradient(mapped, labels))
    assert peak < len(mapped) * 256 * 4 / 2
