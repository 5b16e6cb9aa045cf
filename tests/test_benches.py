"""``python -m benches``: the report of published records, and the comparison of two versions."""

import importlib
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import ffnn_fast
from ffnn_fast._bench.pinning import cores_available

PACKAGE = Path(ffnn_fast.__file__).resolve().parent


@pytest.fixture
def benches(root, monkeypatch):
    """A function that imports a module of the benches."""
    monkeypatch.syspath_prepend(root)
    return lambda name: importlib.import_module(f"benches.{name}")


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


def test_published_tables_are_those_of_the_published_records(benches, root, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    report = benches("report")
    monkeypatch.setattr(benches("charts"), "save", lambda drawn, path: None)
    results = root / "benches" / "results"
    for file in results.rglob("*.json"):
        copy = tmp_path / file.relative_to(results)
        copy.parent.mkdir(exist_ok=True)
        shutil.copy(file, copy)
    report.write(tmp_path)
    written, published = (
        {str(file.relative_to(folder)): file.read_text("utf-8") for file in folder.rglob("*.md")}
        for folder in (tmp_path, results)
    )
    tabular = published.pop("tabular.md")
    assert written == published
    named = {f"{name}.md" for name in (*report.QUESTIONS, "README")}
    assert {name for name in written if "/" not in name} == named
    lines = (results / "tabular.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert benches("tabular.report").markdown(rows) == tabular


def test_results_of_another_machine_stand_beside_those_of_this_one(benches, tmp_path):
    report = benches("report")
    case, missing = "784-128-10, batch 1, tanh, float32", "784-128-10, batch 32, tanh, float32"
    for folder, cache, cases in (
        (tmp_path, "1024K", [case]),
        (tmp_path / "b", "512K", [case, missing]),
    ):
        machine = {
            "cpu": "A CPU", "cores": 2, "architecture": "x86_64", "isa_level": "v3", "os": "Linux",
            "python": "3", "libraries": {}, "blas": [], "date": "today", "load": [0],
            "caches": {"L1 data": "32K", "L2 unified": cache},
        }  # fmt: skip
        seconds = 4e-6 if cache == "1024K" else 6e-6
        records = [{"case": name, "level": "v3", "seconds": seconds, "share": 0.5, "gflops": 1}
                   for name in cases]  # fmt: skip
        report.save("shares", machine, "quick", records, folder)
    outcomes = report.write(tmp_path)
    assert [o["got"] for o in outcomes] == pytest.approx([4, 6, 0.5])
    readme = (tmp_path / "README.md").read_text("utf-8")
    assert "- [b](b/README.md): the same on A CPU, engine level v3, L2 512K" in readme
    other = readme.split("## Targets on A CPU, engine level v3, L2 512K\n")[1]
    assert f"| {case}, v3: µs | 6 | 4 | ≤ 5 | **no** |" in other
    assert f"| {missing}, v3: share of the peak | 0.5 |  | ≥ 0.82 | **no** |" in other
    assert (tmp_path / "b" / "shares.md").exists()


def test_initializers_are_compared_on_validation_rows(benches, tmp_path, monkeypatch, capsys):
    question = benches("questions.initializers")
    few = [
        question.Case("digits", "relu", 2, 0.2, width=8, rows=300, epochs=2),
        question.Case("digits", "relu", 1, 0.0, "momentum", width=8, rows=300, epochs=1),
        question.Case("bike", "tanh", 1, 0.0),
    ]
    monkeypatch.setattr(question, "cases", lambda full: few)
    monkeypatch.setitem(question.OPTIMIZERS, "momentum", 1e30)
    records = question.run(SimpleNamespace(full=False, data=tmp_path))
    assert "skipped: " in capsys.readouterr().out  # there is no bike-sharing
    assert [record["depth"] for record in records] == [2, 1]
    assert all(0 < loss < 10 for (loss,) in records[0]["losses"].values())
    assert set(map(tuple, records[1]["losses"].values())) == {(None,)}  # diverged
    assert (question._ratios(records[1:]) == 1).all()
    tables = question.tables([{**record, "width": question.WIDTH} for record in records])
    assert tables[-1][2][1][-1] == "diverged"
    assert all(len(row) == len(header) for _, header, rows in tables for row in rows)


def test_tables_keep_test_rows_and_scale_by_training_rows(benches, tmp_path):
    tables = benches("tables")
    split = tables.load("digits", tmp_path)
    assert (len(split.X), len(split.X_val)) == (1079, 359)  # 359 of 1797 are test rows
    assert split.n_outputs == 10
    assert abs(split.X.mean()) < 1e-3 < abs(split.X_val.mean())
    pytest.importorskip("sklearn")
    split = tables.load("diabetes", tmp_path, 100)
    assert (len(split.X), len(split.X_val), split.n_outputs) == (75, 25, 1)
    assert split.y.std() == pytest.approx(1, rel=1e-5)


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


def test_shares_of_steps(benches, monkeypatch):
    cases, question = benches("step_cases"), benches("questions.shares")
    small = cases.StepCase((3, 4, 2), 5, 10, {"output": "linear", "loss": "half_squared_error"})
    assert small.products == 2 * 5 * (2 * 3 * 4 + 3 * 4 * 2)
    monkeypatch.setitem(cases.CASES, str(small), small)
    monkeypatch.setattr(cases, "FITTED", 1e-5)
    assert 0 < small.seconds() < 1
    records = [
        {"case": name, "level": "v4", "seconds": 1e-6 * (1 + (", gelu" in name)), "gflops": 60,
         "share": 0.81}
        for name in cases.CASES
    ]  # fmt: skip
    outcomes = {o["what"]: o for o in question.compare_with_targets(records)}
    relu, gelu = (f"54-200-200-7, batch 100, {g}, float32" for g in ("relu", "gelu"))
    relative = outcomes[f"{gelu}, v4, relative to {relu}"]
    assert (relative["got"], relative["met"]) == (2, False)
    assert outcomes["784-128-10, batch 1, tanh, float32, v4: µs"]["met"]
    assert not outcomes["784-128-10, batch 32, tanh, float32, v4: share of the peak"]["met"]
    assert outcomes["300-100-5, batch 48, tanh, float32, v4: share of the peak"]["met"]
    wide = "784-2048-2048-10, batch 1024, tanh, float32, matmul"
    assert outcomes[f"{wide} own, v4, relative to {wide} blas"]["met"]


def test_single_cases_beside_their_aims(benches, monkeypatch):
    targets, question = benches("targets"), benches("questions.aims")
    small, rows = targets.Problem((3, 4, 2), 5), targets.Problem((3, 4, 2), 7)
    monkeypatch.setattr(targets, "STEP_OF_JAX", {small: 2})
    monkeypatch.setattr(targets, "TWO_CORES", {small: 100})
    monkeypatch.setattr(targets, "PREDICTIONS", {rows: ("share of the peak", 0.9)})
    monkeypatch.setattr(question, "cores_available", lambda: [0])
    monkeypatch.setattr(question.probe, "compiler", lambda: None)
    runner = benches("runner").Runner(1, 1e-4, print)
    try:
        records = question.run(runner)
    finally:
        runner.close()
    ours = {(r["kind"], r["label"]) for r in records if r["library"] == "ffnn_fast"}
    assert (question.STEPS, "ffnn_fast") in ours
    assert (question.PREDICTIONS, "ffnn_fast: predictor(x, out)") in ours
    assert len(question.tables(records)) == 2
    step = next(r for r in records if r["label"] == "ffnn_fast")
    records = [
        {**step, "library": "jax", "ratio": 2.5},
        {**step, "kind": question.CORES, "threads": 2, "ratio": 0.5},
        *(r | {"share": 0.91} for r in records if r["kind"] == question.PREDICTIONS),
    ]
    outcomes = [(o["what"], o["got"], o["met"]) for o in question.compare_with_targets(records)]
    assert outcomes == [
        (f"{small}: JAX / ffnn_fast", 2.5, True),
        (f"{small}: one core / two", 2, False),
        (f"{rows}: share of the peak", 0.91, True),
    ]
