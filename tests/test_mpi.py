"""Training by the ranks of an MPI communicator: the fit of one process on all rows."""

import signal
from pathlib import Path
from time import sleep

import numpy as np
import pytest
from conftest import TOLERANCES
from support import fits_of_ranks
from support.fits_of_ranks import FIGURES, MESSAGES, SIZES, cases, of_case, stopping
from support.mpi_ranks import HANGS, HAS_MPI, NEEDED, run_ranks, started_ranks

if not HAS_MPI:
    pytest.skip(NEEDED, allow_module_level=True)

needs_maps = pytest.mark.skipif(
    not Path("/proc/self/maps").exists(), reason="needs /proc/self/maps, of Linux"
)


def run(n, *args):
    """The ended process of mpiexec with n ranks that run the script."""
    return run_ranks(n, "-m", "mpi4py", fits_of_ranks.__file__, *args)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the ranks have written θ and the histories of all cases."""
    folder = tmp_path_factory.mktemp("ranks")
    ended = run(max(SIZES), "values", folder)
    assert ended.returncode == 0, ended.stderr
    return folder


@pytest.fixture(scope="module")
def found(folder):
    return {size: np.load(folder / f"{size}.npz") for size in SIZES}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", [name for name in cases() if "masks" not in name])
def test_a_fit_by_ranks_is_that_of_all_rows(name, size, found):
    params, history = of_case(name)
    tolerance = TOLERANCES[str(params.dtype)]
    np.testing.assert_allclose(
        found[size][f"{name}/params"], params, rtol=tolerance, atol=tolerance, strict=True
    )
    for figure in FIGURES:
        shown = found[size][f"{name}/{figure}"]
        np.testing.assert_allclose(shown, history[figure], rtol=10 * tolerance, err_msg=figure)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", [*cases(), "stopping"])
def test_all_ranks_end_with_the_same(name, size, found):
    assert found[size][f"{name}/same"]


@pytest.mark.parametrize("name", [name for name in cases() if "ordered" in name])
def test_ordered_sums_have_the_same_bits_on_any_number_of_ranks(name, found):
    bits = {found[size][f"{name}/params"].tobytes() for size in SIZES}
    losses = {found[size][f"{name}/loss"].tobytes() for size in SIZES}
    assert len(bits) == len(losses) == 1


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", MESSAGES)
def test_sums_in_shared_memory_are_those_by_messages(name, size, found):
    shared, messages = found[size][f"{name}/params"], found[size][f"{name}/messages"]
    if "ordered" in name:
        np.testing.assert_array_equal(messages, shared)
    else:
        np.testing.assert_allclose(messages, shared, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("size", SIZES)
def test_several_ranks_on_a_machine_add_in_shared_memory(size, found):
    steps = 3 * (fits_of_ranks.N // 32)
    assert found[size]["sums/shared"] == (steps if size > 1 else 0)
    assert found[size]["sums/messages"] == 0


def test_masks_differ_between_the_parts_of_a_batch(found):
    """One seed for all would drop the same units in the first row of every part."""
    alone, _ = of_case("ordered masks")
    assert not np.allclose(found[1]["ordered masks/params"], alone, rtol=1e-4)


@pytest.mark.parametrize("size", SIZES)
def test_the_first_rank_decides_when_to_stop(size, found):
    params, history = stopping()
    assert 3 < len(history) < 50
    assert found[size]["stopping/epochs"] == len(history)
    assert found[size]["stopping/reason"] == history.stopped
    np.testing.assert_allclose(found[size]["stopping/params"], params, rtol=1e-11, atol=1e-12)


def test_any_number_of_ranks_resumes_a_checkpoint(folder):
    """Of 2 epochs by 1, 2 or 4 ranks, 3 more by 1, 2 or 4, to the same bits."""
    resumed = [np.load(folder / f"of{m}on{n}.npy") for m in SIZES for n in SIZES]
    assert len({params.tobytes() for params in resumed}) == 1
    assert not np.array_equal(resumed[0], np.load(folder / "1.npz")["ordered masks/params"])


def test_options_that_ranks_do_not_share_are_refused(folder):
    refused = np.load(folder / "refused.npz")
    assert "validation_data" in str(refused["fraction"])
    assert "diagnostics" in str(refused["diagnostics"])
    assert "derivatives" in str(refused["derivatives"])
    assert "on_interrupt" in str(refused["interrupt"])
    assert "must be a communicator of mpi4py or a Distributed, got 3" in str(
        refused["communicator"]
    )
    assert "power of two, got 3" in str(refused["parts"])
    assert "check_every must be at least 1, got 0" in str(refused["check_every"])
    assert "accumulate must be an integer, got 1.5" in str(refused["whole"])
    assert not str(refused["none"])
    assert "one after another already" in str(refused["accumulate"])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("exception", "ZeroDivisionError: in the callback of one rank"),
        pytest.param(
            "changed", "the parameters after step 22 of rank 1 is", marks=pytest.mark.slow
        ),
        pytest.param(
            "options", "the batch_size of rank 1 is '16', of rank 0 '32'", marks=pytest.mark.slow
        ),
        pytest.param(
            "weights",
            "the sample_weight of rank 1 is 'given', of rank 0 'None'",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "rows", "X must be finite in float64, got nan in row 101", marks=pytest.mark.slow
        ),
        pytest.param(
            "share",
            "must have rows 0 to 101 of 203, it has 0 to 150; Distributed.share gives them",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_an_error_on_one_rank_ends_all(name, message, tmp_path):
    ended = run(2, "failure", name, tmp_path)
    assert ended.returncode != 0
    assert message in ended.stderr
    assert "of 2 ends all:" in ended.stderr


def test_a_killed_rank_ends_all_and_the_checkpoint_loads(tmp_path):
    ended = run(2, "failure", "killed", tmp_path)
    assert ended.returncode != 0
    X, y, _ = fits_of_ranks.rows()
    net = fits_of_ranks.network("float64", {})
    history = net.fit(X, y, epochs=4, resume=tmp_path / "checkpoint")
    assert history["epoch"] == [1, 2, 3, 4]
    unbroken = fits_of_ranks.network("float64", {})
    unbroken.fit(X, y, epochs=4)
    np.testing.assert_allclose(net.params, unbroken.params, rtol=1e-12, atol=1e-12)


def left_in_shared_memory(folder):
    """Files that ranks mapped in shared memory and that are still there; they did map some."""
    names = {name for path in folder.glob("mapped*") for name in path.read_text().split()}
    assert names
    return [name for name in names if Path("/dev/shm", name).exists()]


@needs_maps
@pytest.mark.parametrize(
    "name",
    ["killed", *(pytest.param(n, marks=pytest.mark.slow) for n in ("no failure", "exception"))],
)
def test_nothing_is_left_in_shared_memory(name, tmp_path):
    run(2, "failure", name, tmp_path)
    assert not left_in_shared_memory(tmp_path)


@needs_maps
@pytest.mark.parametrize(
    "sent", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)]
)
def test_nothing_is_left_in_shared_memory_after_a_signal(sent, tmp_path):
    """To mpiexec, while one rank waits for the other in a step."""
    with started_ranks(
        2, "-m", "mpi4py", fits_of_ranks.__file__, "failure", "ended", tmp_path, folder=tmp_path
    ) as launched:
        while not (tmp_path / "waiting").exists():
            assert launched.poll() is None
            sleep(0.05)
        launched.send_signal(sent)
        assert launched.wait(HANGS) != 0
    assert not left_in_shared_memory(tmp_path)


def test_a_fit_by_ranks_that_diverges_stops_before_that_step(tmp_path):
    ended = run(2, "failure", "diverged", tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("diverged True") == 2
    assert ended.stderr.count("training diverged") == 1
