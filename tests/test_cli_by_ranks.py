"""``mpiexec -n N ffnn-fast train``: one plain network, trained by all ranks."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
from support.mpi_ranks import HAS_MPI, NEEDED, run_ranks

from ffnn_fast import Network
from ffnn_fast.cli.command_line import main
from ffnn_fast.cli.mpi_launch import is_other_rank, launched
from ffnn_fast.cli.trained_models import load_plain

needs_mpi = pytest.mark.skipif(not HAS_MPI, reason=NEEDED)
PLAIN = ("--model", "plain", "--epochs", "3", "--hidden", "5", "--baseline", "none", "--no-report")


@pytest.fixture
def table(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(203, 3))
    y = 2 * X[:, 0] - X[:, 1] + 0.1 * rng.normal(size=len(X))
    path = tmp_path / "table.csv"
    np.savetxt(path, np.c_[X, y], delimiter=",", header="a,b,c,y", comments="")
    return path


def by_ranks(n, *args, folder):
    return run_ranks(n, "-m", "ffnn_fast", "train", *args, folder=folder)


@needs_mpi
@pytest.mark.parametrize("n", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_ranks_train_the_network_of_one_process(table, tmp_path, n):
    model, alone, log = (tmp_path / name for name in ("model", "alone", "log.csv"))
    common = [table, "--target", "y", *PLAIN, "--dtype", "float64"]
    ended = by_ranks(n, *common, "-o", model, "--log", log, folder=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("held-out rows") == 1
    assert ended.stdout.count(f"model   {model}") == 1
    assert len(log.read_text().splitlines()) == 4
    assert main(["train", *map(str, common), "-o", str(alone)]) == 0
    params = [Network.load(path).params for path in (model, alone)]
    np.testing.assert_allclose(*params, rtol=1e-9, atol=1e-12)


@pytest.mark.slow
@needs_mpi
def test_an_error_of_all_ranks_ends_them(table, tmp_path):
    ended = by_ranks(2, table, "--target", "nix", *PLAIN, folder=tmp_path)
    assert ended.returncode == 2
    assert "has no column 'nix'" in ended.stderr
    assert ended.stderr.count("ffnn-fast: error:") == 1
    assert not list(tmp_path.glob("*.safetensors"))


@needs_mpi
@pytest.mark.parametrize("options", [["--epochs", "x"], ["--nix"]])
def test_a_bad_argument_is_one_line(table, tmp_path, options):
    ended = by_ranks(2, table, *options, folder=tmp_path)
    assert ended.returncode == 2
    assert ended.stderr.count("ffnn-fast: error:") == 1


REFUSED = [
    (["--target", "y"], "a tabular model is trained by one process: give --model plain"),
    (["--target", "nix", *PLAIN], "has no column 'nix'"),
    (["--target", "y", *PLAIN, "--cv", "3"], "--cv is for one process"),
    (["--target", "y", *PLAIN, "--diagnostics"], "--diagnostics is for one process"),
    (["--target", "y", "--model", "plain", "--solver", "bfgs"], "--solver is for one"),
]


@pytest.mark.slow
@needs_mpi
def test_an_error_of_all_ranks_is_one_line(table, tmp_path):
    """Commands one after another in the same ranks, each of which writes a file of its own."""
    script = tmp_path / "ranks.py"
    script.write_text(
        "import contextlib, json, sys\n"
        "from mpi4py import MPI\n"
        "from ffnn_fast.cli.command_line import main\n"
        "for i, options in enumerate(json.loads(sys.argv[2])):\n"
        "    path = f'{i} of {MPI.COMM_WORLD.rank}.txt'\n"
        "    with open(path, 'w') as file, contextlib.redirect_stderr(file):\n"
        "        print(main(['train', sys.argv[1], *options]), file=file)\n"
    )
    refused = json.dumps([options for options, _ in REFUSED])
    ended = run_ranks(2, script, table, refused, folder=tmp_path)
    assert ended.returncode == 0, ended.stderr
    for i, (_, message) in enumerate(REFUSED):
        shown = [(tmp_path / f"{i} of {rank}.txt").read_text() for rank in range(2)]
        assert [text.split()[-1] for text in shown] == ["2", "2"]
        assert message in "".join(shown)
        assert "".join(shown).count("ffnn-fast: error:") == 1
    assert not list(tmp_path.glob("*.safetensors"))


@pytest.mark.slow
@needs_mpi
def test_a_divergence_is_one_line(table, tmp_path):
    options = ("--optimizer", "sgd", "--learning-rate", "1e6", "--activation", "relu")
    ended = by_ranks(3, table, "--target", "y", *PLAIN, *options, folder=tmp_path)
    assert ended.returncode == 2
    assert ended.stderr.count("training diverged") == 1
    assert "try a smaller --learning-rate" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not list(tmp_path.glob("*.safetensors"))


@needs_mpi
def test_an_error_of_one_rank_ends_all(table, tmp_path):
    """The second rank has an option that the others have not."""
    script = tmp_path / "rank.py"
    script.write_text(
        "import sys\nfrom mpi4py import MPI\nfrom ffnn_fast.cli.command_line import main\n"
        "own = [] if MPI.COMM_WORLD.rank == 0 else ['--cv', '3']\n"
        "sys.exit(main(['train', *sys.argv[1:], *own]))\n"
    )
    ended = run_ranks(2, script, table, "--target", "y", *PLAIN, folder=tmp_path)
    assert ended.returncode == 2
    assert "--cv is for one process" in ended.stderr
    assert ended.stderr.count("ffnn-fast: error:") == 1
    assert not list(tmp_path.glob("*.safetensors"))


@pytest.mark.slow
@needs_mpi
def test_an_interrupt_ends_ranks_that_wait_for_each_other(table, tmp_path):
    """The second rank waits for the first, which reads the table."""
    script = tmp_path / "rank.py"
    script.write_text(
        "import signal, sys, time\nfrom mpi4py import MPI\n"
        "from ffnn_fast.cli.command_line import main\n"
        "from ffnn_fast.cli.training import by_ranks\n"
        "def check(options):\n"
        "    time.sleep(0.5)\n"
        "    signal.raise_signal(signal.SIGINT)\n"
        "def pause(seconds):\n"
        "    by_ranks.sleep = time.sleep\n"
        "    signal.raise_signal(signal.SIGINT)\n"
        "if MPI.COMM_WORLD.rank == 0: by_ranks._check = check\n"
        "else: by_ranks.sleep = pause\n"
        "sys.exit(main(['train', *sys.argv[1:]]))\n"
    )
    ended = run_ranks(2, script, table, "--target", "y", *PLAIN, folder=tmp_path)
    assert ended.returncode != 0
    assert "ffnn-fast: error: interrupted" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.slow
@needs_mpi
def test_the_first_rank_alone_reads_and_the_others_hold_their_share(table, tmp_path):
    """The others have no table: a file system that only some machines have."""
    script = tmp_path / "rank.py"
    script.write_text(
        "import sys\nimport numpy as np\nfrom pathlib import Path\nfrom mpi4py import MPI\n"
        "from ffnn_fast import Network\nfrom ffnn_fast.cli.command_line import main\n"
        "rank, fit = MPI.COMM_WORLD.rank, Network.fit\n"
        "def kept(self, X, y, sample_weight=None, **others):\n"
        "    np.savez(f'of{rank}.npz', X=X, y=y, weight=sample_weight)\n"
        "    return fit(self, X, y, sample_weight=sample_weight, **others)\n"
        "Network.fit = kept\n"
        "path = sys.argv[1] if rank == 0 else 'nowhere.csv'\n"
        "sys.exit(main(['train', path, *sys.argv[2:]]))\n"
    )
    model, alone, common = tmp_path / "model", tmp_path / "alone", [*PLAIN, "--weights", "c"]
    options = ["--target", "y", *common, "--validation-fraction", "0.2"]
    table.write_text(table.read_text().replace("-", ""))  # weights are at least 0
    ended = run_ranks(2, script, table, *options, "-o", model, folder=tmp_path)
    assert ended.returncode == 0, ended.stderr
    (tmp_path / "one").mkdir()
    one = run_ranks(1, script, table, *options, "-o", alone, folder=tmp_path / "one")
    assert one.returncode == 0, one.stderr
    whole = np.load(tmp_path / "one" / "of0.npz")
    shares = [np.load(tmp_path / f"of{rank}.npz") for rank in range(2)]
    for name in ("X", "y", "weight"):
        assert abs(len(shares[0][name]) - len(shares[1][name])) <= 1
        joined = np.concatenate([share[name] for share in shares])
        np.testing.assert_array_equal(joined, whole[name], strict=True)
    own, others = (load_plain(str(path))[1] for path in (model, alone))
    assert replace(own, summary={}) == replace(others, summary={})


@needs_mpi
@pytest.mark.slow
def test_ordered_sums_give_the_same_bits_by_any_number_of_ranks(table, tmp_path):
    """The command has no option for the order; all of it comes before the fit and after it."""
    script = tmp_path / "ordered.py"
    script.write_text(
        "import sys\nfrom functools import partial\n"
        "from ffnn_fast import Distributed\nfrom ffnn_fast.cli.command_line import main\n"
        "from ffnn_fast.cli import mpi_launch\n"
        "from ffnn_fast.cli.training import by_ranks\n"
        "by_ranks.Distributed = partial(Distributed, reduction='ordered')\n"
        "mpi_launch.launched = lambda: True\n"
        "sys.exit(main(['train', *sys.argv[1:]]))\n"
    )
    bits = set()
    for n in (1, 2, 4):
        ended = run_ranks(
            n, script, table, "--target", "y", *PLAIN, "-o", f"of{n}", folder=tmp_path
        )
        assert ended.returncode == 0, ended.stderr
        bits.add(Network.load(tmp_path / f"of{n}").params.tobytes())
    assert len(bits) == 1


@pytest.mark.slow
@needs_mpi
def test_fewer_rows_than_ranks(tmp_path):
    path = tmp_path / "short.csv"
    path.write_text("a,y\n" + "\n".join(f"{i},{2 * i}" for i in range(3)))
    options = ("--target", "y", *PLAIN, "--test-fraction", "0")
    ended = by_ranks(4, path, *options, folder=tmp_path)
    assert ended.returncode == 2
    assert "3 training rows are too few for 4 ranks" in ended.stderr
    assert ended.stderr.count("ffnn-fast: error:") == 1


@pytest.mark.parametrize("name", ["PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE"])
def test_launchers(monkeypatch, name):
    for known in ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE"):
        monkeypatch.delenv(known, raising=False)
    assert not launched()
    for size, several in (("1", False), ("4", True)):
        monkeypatch.setenv(name, size)
        assert launched() is several
    rank = name.replace("_SIZE", "_RANK")
    for number, is_other in (("0", False), ("3", True)):
        monkeypatch.setenv(rank, number)
        assert is_other_rank() is is_other


def test_an_argument_that_other_ranks_do_not_report(monkeypatch, tmp_path, capsys):
    """What they alone may have, a configuration file, they do."""
    (tmp_path / "o.toml").write_text("epochs = 'x'\n")
    monkeypatch.setenv("PMI_SIZE", "2")
    monkeypatch.setenv("PMI_RANK", "1")
    assert main(["train", "--epochs", "x"]) == 2
    assert capsys.readouterr().err == ""
    assert main(["train", "t.csv", "--config", str(tmp_path / "o.toml")]) == 2
    assert "ffnn-fast: error:" in capsys.readouterr().err


def test_a_launcher_without_mpi4py(table, monkeypatch, capsys):
    monkeypatch.setenv("PMI_SIZE", "2")
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    assert main(["train", str(table), "--target", "y", *PLAIN]) == 2
    assert 'needs mpi4py and an MPI: pip install "ffnn_fast[mpi]"' in capsys.readouterr().err
