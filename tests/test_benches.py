"""``python -m benches --compare``: the comparison of two versions."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import ffnn_fast
from ffnn_fast._bench.pinning import cores_available

PACKAGE = Path(ffnn_fast.__file__).resolve().parent


@pytest.fixture
def comparison(benches):
    return benches("comparison")


@pytest.fixture
def cases(benches):
    """A tiny case of every call that is compared."""
    module = benches("comparison_cases")
    tiny = {}
    for case in module.CASES:
        sizes = (case.sizes[0], 3, case.sizes[-1])
        tiny[case.call] = replace(case, sizes=sizes, n_rows=min(case.n_rows, 20), iterations=2)
    two_threads = [replace(tiny["fit"], threads=2)] if len(cores_available()) > 1 else []
    return [*tiny.values(), *two_threads]


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The folder of a copy of the package."""
    folder = tmp_path_factory.mktemp("copy")
    shutil.copytree(PACKAGE, folder / PACKAGE.name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture
def changed(copy, tmp_path):
    """A function that adds code to the end of the package's ``__init__.py`` in a copy."""

    def change(code):
        shutil.copytree(copy, tmp_path / "changed")
        with (tmp_path / "changed" / PACKAGE.name / "__init__.py").open("a") as file:
            file.write(code)
        return tmp_path / "changed"

    return change


class FakeWorker:
    """A version whose calls take a given number of seconds; all operations are recorded."""

    def __init__(self, version, seconds, operations, result=(1.0, 2.0)):
        self.version, self.seconds, self.operations = version, seconds, operations
        self.outcome = np.array(result)

    def __call__(self, operation, *args):
        self.operations.append((self.version, operation, *args))
        if operation == "result":
            return self.outcome
        return self.seconds * args[0] if operation == "time_calls" else None

    def close(self):
        self.operations.append((self.version, "close"))


@pytest.fixture
def fake(comparison, monkeypatch):
    """A function that makes the comparison use fake workers; it returns their operations."""

    def install(old, new, results=((1.0, 2.0), (1.0, 2.0))):
        operations = []

        def start(version, folder, threads):
            seconds, result = {"old": (old, results[0]), "new": (new, results[1])}[version]
            return FakeWorker(version, seconds, operations, result)

        monkeypatch.setattr(comparison, "start", start)
        monkeypatch.setattr(comparison, "PAUSE", 0)
        monkeypatch.setattr(comparison, "PAUSE_OF_TEAMS", 0)
        return operations

    return install


class StaysOpen:
    """A worker process that `close` leaves running."""

    def __init__(self, worker):
        self.worker = worker

    def __call__(self, operation, *args):
        return self.worker(operation, *args)

    def close(self):
        pass


@pytest.fixture
def shared_processes(comparison, monkeypatch):
    """One process for each version and number of threads, instead of new ones for every row."""
    started, start = {}, comparison.start

    def start_once(version, folder, threads):
        if (version, threads) not in started:
            started[version, threads] = start(version, folder, threads)
        return StaysOpen(started[version, threads])

    monkeypatch.setattr(comparison, "start", start_once)
    yield
    for worker in started.values():
        worker.close()


@pytest.mark.slow
@pytest.mark.usefixtures("shared_processes")
def test_two_copies_of_a_version_agree(comparison, cases, copy):
    lines = []
    records = comparison.Comparison(copy, rounds=3, seconds=1e-4, launches=1).run(
        cases, lines.append
    )
    assert [r["row"] for r in records] == [str(case) for case in cases]
    for r, line in zip(records, lines, strict=True):
        assert r["difference"] == 0, r
        assert len(r["ratios"]) == 3
        assert min(r["old_seconds"], r["new_seconds"], r["ratio"]) > 0
        assert r["interval"] == (min(r["ratios"]), max(r["ratios"]))
        assert line.startswith(r["row"])


@pytest.mark.slow
def test_a_version_with_other_results_fails(comparison, cases, changed):
    old = changed(
        "forward = Network.forward\n"
        "Network.forward = lambda net, X: forward(net, X) * 1.01\n"
        "def refuse(*args, **options): raise ValueError('no such option')\n"
        "Network.partial_fit = refuse\n"
    )
    rows = [case for case in cases if case.call in ("forward", "partial_fit", "predictor")]
    lines = []
    records = comparison.Comparison(old, rounds=1, seconds=1e-4, launches=1).run(rows, lines.append)
    found = {r["row"].split()[0]: r for r in records}
    assert found["forward"]["error"].startswith("the results differ by 9.9e-03")
    assert found["partial_fit"]["error"] == "ValueError: no such option"
    assert found["predictor"]["difference"] == 0
    assert [("failed: " in line) for line in lines] == ["error" in r for r in records]


@pytest.mark.slow
def test_the_version_of_the_folder_is_the_one_that_runs(comparison, copy, tmp_path):
    worker = comparison.start("old", copy, 1)
    assert Path(worker("describe")["folder"]) == copy / PACKAGE.name
    worker.close()
    with pytest.raises(comparison.WorkerError, match="the old version was imported from"):
        comparison.start("old", tmp_path, 1)
    assert comparison.package_folder(copy) == copy
    (tmp_path / "src").symlink_to(copy)
    assert comparison.package_folder(tmp_path) == copy
    with pytest.raises(SystemExit, match=r"--compare .*nowhere: there is no ffnn_fast in"):
        comparison.package_folder(tmp_path / "nowhere")


def test_measurements_alternate_in_every_launch(comparison, cases, fake):
    operations, case = fake(1e-3, 2e-3), cases[0]
    record = comparison.Comparison(Path(), Path(), rounds=3, seconds=1e-2, launches=2).compare(case)
    assert record["ratio"] == pytest.approx(2)
    assert record["old_seconds"] == pytest.approx(1e-3)
    timed = [(version, *args) for version, name, *args in operations if name == "time_calls"]
    number = max(count for _, count in timed)
    assert 5 <= number <= 20
    calibration = [("old", count) for _, count in timed[: timed.index(("new", number // 5)) - 2]]
    first, second = ([(v, number // 5), (v, number)] for v in ("old", "new"))
    assert timed == [*calibration, *first, *second, *second, *first, *second, *first]
    assert [entry for entry in operations if entry[1] == "prepare"] == [
        ("old", "prepare", case), ("new", "prepare", case),
        ("new", "prepare", case), ("old", "prepare", case),
    ]  # fmt: skip
    assert [name for _, name, *_ in operations].count("close") == 4


def test_teams_are_warmed_up(comparison, cases, fake):
    operations = fake(0.03, 0.03)
    case = replace(cases[0], threads=2)
    comparison.Comparison(Path(), Path(), rounds=1, seconds=1e-3, launches=1).compare(case)
    timed = [version for version, name, *_ in operations if name == "time_calls"]
    assert timed == ["old", *["old"] * 5, *["new"] * 5]  # 0.1 s of untimed calls, then one


def test_a_row_needs_enough_cores(comparison, cases):
    lines = []
    many = replace(cases[0], threads=len(cores_available()) + 1)
    assert comparison.Comparison(Path()).run([many], lines.append) == []
    assert lines == [f"{many}: skipped, too few cores"]


@pytest.mark.parametrize(
    ("new", "results", "mark", "code"),
    [
        (1.01, ((1.0, 2.0), (1.0, 2.0)), "", 0),
        (1.03, ((1.0, 2.0), (1.0, 2.0)), "  slower by more than 2%", 1),
        (0.50, ((1.0, 2.0), (1.0, 2.00001)), "  results differ by 5e-06", 0),
        (0.50, ((1.0, 2.0), (1.0, 2.1)), "failed: the results differ by 5.0e-02", 1),
        (0.50, ((1.0, 2.0), (1.0, np.nan)), "failed: the results differ by nan", 1),
    ],
)
def test_slower_rows_are_marked(
    comparison, cases, fake, tmp_path, capsys, new, results, mark, code
):
    fake(1.0, new, results)
    file = tmp_path / "c.json"
    compared = comparison.Comparison(Path("o"), Path("n"), rounds=3, seconds=0.1, launches=1)
    assert comparison.main(compared, cases[:1], file) == code
    shown = capsys.readouterr().out.splitlines()
    row = next(line for line in shown if line.startswith(str(cases[0])))
    assert mark in row
    assert ("slower" in row) == ("slower" in mark)
    content = json.loads(file.read_text("utf-8"))
    assert (content["old"], content["new"]) == ("o", "n")
    assert content["machine"]["cores"] == len(cores_available())
    assert [r["row"] for r in content["records"]] == [str(cases[0])]
    assert shown[-1].startswith("1 row: ")


@pytest.mark.parametrize(("n", "low", "high"), [(1, 1, 1), (3, 1, 3), (6, 1, 6), (21, 6, 16)])
def test_interval_of_the_median(comparison, n, low, high):
    ratios = np.random.default_rng(0).permutation(np.arange(1.0, n + 1)).tolist()
    assert comparison.interval(ratios) == (low, high)


@pytest.mark.slow
def test_compare_on_the_command_line(root, copy, tmp_path):
    command = [
        sys.executable, "-m", "benches", "--compare", copy, "--rows", "predictor", "--rounds", "1",
        "--seconds", "0.0001", "--json", tmp_path / "c.json",
    ]  # fmt: skip
    ran = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert ran.returncode in (0, 1), ran.stderr  # 1 if the clock finds the row slower
    content = json.loads((tmp_path / "c.json").read_text("utf-8"))
    assert content["old"] == str(copy)
    assert [r["row"] for r in content["records"]] == ["predictor 8-64-64-4, 1 row"]
    assert content["records"][0]["difference"] == 0
    refused = subprocess.run(
        [*command[:6], "no such row"], cwd=root, capture_output=True, text=True, check=False
    )
    assert refused.returncode == 1
    assert "--rows no such row: no such row; there are:\nfit 16-32-4" in refused.stderr
