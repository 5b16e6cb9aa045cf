"""Training by ranks on RowBlocks: each reads its share, and all make the same steps."""

import numpy as np
import pytest
from support import blocks_of_ranks
from support.blocks_of_ranks import (
    CASES,
    EPOCHS,
    FIGURES,
    SIZE_OF,
    SIZES,
    N,
    blocks,
    network,
    rows,
)
from support.mpi_ranks import HAS_MPI, NEEDED, run_ranks

if not HAS_MPI:
    pytest.skip(NEEDED, allow_module_level=True)
pytestmark = pytest.mark.slow


def run(n, *args):
    """The ended process of mpiexec with n ranks that run the script."""
    return run_ranks(n, "-m", "mpi4py", blocks_of_ranks.__file__, *args)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ranks")
    ended = run(max(SIZES), "values", folder)
    assert ended.returncode == 0, ended.stderr
    return folder


@pytest.fixture(scope="module")
def found(folder):
    return {size: np.load(folder / f"{size}.npz") for size in SIZES}


def in_order_of_ranks(data, size):
    """The rows of the next pass as `size` ranks use them: a block of each at a time, whose rows are
    mixed evenly.
    """
    plan, parts = data.plan(), []
    for i in range(0, len(plan), size):
        of_ranks = [block.read() for block in plan[i : i + size]]
        places = [
            ((row + 0.5) / len(y), rank, row)
            for rank, (_, y) in enumerate(of_ranks)
            for row in range(len(y))
        ]
        parts += [
            (of_ranks[rank][0][row], of_ranks[rank][1][row]) for _, rank, row in sorted(places)
        ]
    return tuple(np.array(column) for column in zip(*parts, strict=True))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["plain", "one row", "slices"])
def test_the_steps_are_those_of_one_process_on_the_same_sequence(name, size, found):
    net, data, losses = network(), blocks(), []
    for _ in range(EPOCHS):
        X, y = in_order_of_ranks(data, size)
        assert len(X) == N
        losses.append(net.partial_fit(X, y, **CASES[name]))
    np.testing.assert_allclose(found[size][f"{name}/params"], net.params, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(found[size][f"{name}/loss"], losses, rtol=1e-10)
    X, y = rows()
    assert found[size][f"{name}/val_loss"][-1] == pytest.approx(net.loss(X, y), rel=1e-10)
    assert found[size][f"{name}/val_accuracy"][-1] == pytest.approx(net.score(X, y))


@pytest.mark.parametrize("name", CASES)
def test_one_rank_is_one_process(name, found):
    net = network()
    data = blocks(SIZE_OF[name])
    history = net.fit(data, epochs=EPOCHS, validation_data=blocks(200), **CASES[name])
    np.testing.assert_allclose(found[1][f"{name}/params"], net.params, rtol=1e-10, atol=1e-12)
    for figure in FIGURES:
        np.testing.assert_allclose(found[1][f"{name}/{figure}"], history[figure], rtol=1e-10)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", CASES)
def test_all_ranks_end_with_the_same_and_read_their_share_only(name, size, found):
    assert found[size][f"{name}/same"]
    n_read = found[size][f"{name}/read"]
    assert n_read.sum() == EPOCHS * N
    most_blocks = -(-len(blocks(SIZE_OF[name]).plan()) // size)
    assert n_read.max() <= EPOCHS * SIZE_OF[name] * most_blocks


@pytest.mark.parametrize("size", SIZES)
def test_the_same_number_of_ranks_resumes_within_an_epoch(size, found):
    np.testing.assert_array_equal(found[size]["resumed"], found[size]["plain/params"])


@pytest.mark.parametrize("size", SIZES[1:])
def test_ranks_without_a_block_take_part_in_the_steps(size, found):
    """A block for the first rank alone."""
    name = "one block"
    assert found[size][f"{name}/read"].tolist() == [EPOCHS * N] + [0] * (size - 1)
    for figure in ("params", *FIGURES):
        expected = found[1][f"{name}/{figure}"]
        np.testing.assert_allclose(found[size][f"{name}/{figure}"], expected, rtol=1e-9)


def test_what_ranks_do_not_share_is_refused(folder):
    refused = np.load(folder / "refused.npz")
    assert "does not take reduction='ordered'" in str(refused["ordered"])
    assert "'ranks': 3" in str(refused["ranks"])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("blocks", "the RowBlocks (rows, inputs, block_rows, blocks) of rank 1 is '(1000, 5, 140,"),
        ("rows", ": X must be finite in float64, got nan in row"),
        ("arrays", "the kind of X of rank 1 is 'arrays', of rank 0 'RowBlocks'"),
    ],
)
def test_an_error_on_one_rank_ends_all(name, message):
    ended = run(2, "failure", name)
    assert ended.returncode != 0
    assert message in ended.stderr
    assert "rank 1 of 2 ends all:" in ended.stderr
