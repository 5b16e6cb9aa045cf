"""``ffnn-fast bench``: tables and JSON of a quick run, refusals, and interruption."""

import json
import signal
import subprocess
import sys

import pytest
from support.processes import output_at_end

from ffnn_fast._bench.libraries import registry
from ffnn_fast._bench.pinning import cores_available
from ffnn_fast.cli import bench, main
from ffnn_fast.cli.command_line import parse

QUICK = ["bench", "--quick", "--rounds", "2"]


@pytest.fixture
def refused(tmp_path, monkeypatch, capsys):
    """A function that runs a command which must be refused before any work."""
    monkeypatch.chdir(tmp_path)

    def check(*args):
        assert main(["bench", *args]) == 2
        shown = capsys.readouterr()
        assert shown.out == ""
        assert shown.err.startswith("ffnn-fast: error: ")
        assert shown.err.count("\n") == 1
        assert list(tmp_path.iterdir()) == []
        return shown.err

    return check


@pytest.fixture
def without_torch(monkeypatch):
    found = registry.find_spec
    monkeypatch.setattr(
        registry, "find_spec", lambda name: None if name == "torch" else found(name)
    )


def test_tables_and_json(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    only = ["--only", "small", "latency", "numpy", "reference"]
    assert main([*QUICK, *only, "--json", "b.json"]) == 0
    shown, error = capsys.readouterr()
    assert error == ""
    for words in (
        ["CPU"],
        ["ISA", "level"],
        [
            "small:",
            "16-32-4,",
            "1",
            "thread",
            "time",
            "step",
            "quartiles",
            "relative",
            "to",
            "ffnn_fast",
        ],
        ["one", "row", "through", "8-64-64-4,", "time", "per", "call"],
        ["ffnn_fast", "1.00"],
        ["reference"],
        ["numpy", "to"],
        ["ffnn_fast:", "predictor(x,", "out)", "1.00"],
        ["numpy:", "a", "function"],
        ["2", "rounds"],
        ["warning:", "environment", "unset"],
    ):
        assert any(set(words) <= set(line.split()) for line in shown.splitlines()), (words, shown)
    content = json.loads((tmp_path / "b.json").read_text("utf-8"))
    assert content["machine"]["cores"] == len(cores_available())
    assert content["machine"]["libraries"]["numpy"] != "not installed"
    assert (content["rounds"], content["excluded"], content["not_installed"]) == (2, [], [])
    steps = {r["label"]: r for r in content["records"] if r["name"] == "small"}
    assert list(steps) == ["ffnn_fast", "reference", "numpy"]
    assert steps["ffnn_fast"]["ratio"] == 1
    assert steps["numpy"]["seconds"] > 0
    assert {r["library"] for r in content["records"] if r["name"] == "latency"} == {
        "ffnn_fast",
        "numpy",
    }


def test_absent_libraries_are_named_at_the_end(without_torch, monkeypatch, capsys):
    run = []
    monkeypatch.setattr(bench, "_run_case", lambda runner, *case: run.append(case) or [])
    assert main(["bench", "--quick", "--only", "small"]) == 1
    shown = capsys.readouterr().out
    assert "small: no results" in shown
    assert "torch" in shown.splitlines()[-1]
    assert shown.splitlines()[-1].startswith("not installed, excluded: ")
    assert shown.endswith('; pip install "ffnn_fast[comparison]"\n')
    assert [(name, threads) for name, threads, _ in run] == [("small", 1)]
    assert "torch" not in run[0][2]


def test_an_excluded_library_is_named_with_its_error(tmp_path, monkeypatch, capsys):
    def run_case(runner, name, threads, libraries):
        runner.log("  numpy excluded: RuntimeError: no memory\nin two lines")
        return []

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bench, "_run_case", run_case)
    assert main(["bench", "--quick", "--only", "small", "ffnn_fast", "--json", "b.json"]) == 1
    shown = capsys.readouterr().out
    assert "\n  numpy excluded: RuntimeError: no memory\n" in shown
    assert "in two lines" not in shown
    content = json.loads((tmp_path / "b.json").read_text("utf-8"))
    assert content["excluded"] == ["numpy excluded: RuntimeError: no memory\nin two lines"]


def test_a_system_that_cannot_pin_is_named(monkeypatch, capsys):
    monkeypatch.setattr(bench, "_run_case", lambda *case: [])
    for can_pin in (True, False):
        monkeypatch.setattr("ffnn_fast._bench.pinning.can_pin", lambda can_pin=can_pin: can_pin)
        main(["bench", "--quick", "--only", "small", "ffnn_fast"])
        assert ("cannot pin processes" in capsys.readouterr().out) != can_pin


def test_cases_and_threads(monkeypatch):
    def cases(*argv):
        return bench._cases(parse(["bench", *argv])[1])

    monkeypatch.setattr("ffnn_fast._bench.pinning.cores_available", lambda: [0, 1, 2, 3])
    monkeypatch.setattr("ffnn_fast._runtime.threads.available", lambda: 4)
    once = [(name, 1) for name in ("small", "online", "minibatch", "adam", "wide")]
    usual = [(name, threads) for name, threads, _ in cases()]
    assert usual == [*once, ("wide", 4), ("latency", 1)]
    given = cases("--only", "wide", "online", "--threads", "2", "3")
    assert [(name, threads) for name, threads, _ in given] == [
        ("online", 1), ("wide", 2), ("wide", 3)
    ]  # fmt: skip
    assert cases("--only", "onnxruntime") == [("latency", 1, ["ffnn_fast", "onnxruntime"])]
    assert all(names == ["ffnn_fast"] for _, _, names in cases("--only", "ffnn_fast"))
    compiled = {name for name, _, names in cases("--only", "torch.compile") if names[1:]}
    assert compiled == {"small", "online", "minibatch", "wide", "latency"}
    assert not any("torch.compile" in names for _, _, names in cases())
    monkeypatch.setattr("ffnn_fast._bench.pinning.cores_available", lambda: [3])
    assert [threads for _, threads, _ in cases("--only", "wide")] == [1]


def test_jax_runs_once_on_one_core():
    assert [str(c) for c in bench._libraries(["ffnn_fast", "jax"], 1)] == ["ffnn_fast", "jax"]
    twice = [str(c) for c in bench._libraries(["ffnn_fast", "jax"], 2)]
    assert twice == ["ffnn_fast", "jax", "jax, one core"]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--threads", "0"], "each value of --threads must be at least 1, got 0"),
        (["--threads", "99999"], f"this process may use {len(cores_available())} cores"),
        (["--rounds", "none"], "--rounds must be an integer, got 'none'"),
        (["--only", "fastai"], "must be one of small, "),
        (["--only", "bare call", "wide"], "wide has no benchmark of bare call"),
        (["--json", "nowhere/b.json"], "there is no folder nowhere"),
        (["--full"], "unrecognized arguments: --full"),
    ],
)
def test_bad_options_are_refused(refused, args, message):
    assert message in refused(*args)


def test_a_named_library_that_is_absent_is_refused(refused, without_torch):
    message = refused("--only", "torch", "--json", "b.json")
    assert 'torch is not installed: pip install "ffnn_fast[comparison]"' in message


def test_the_live_line_is_for_terminals(monkeypatch, capsys):
    line = bench.Line()
    line.show("numpy")
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    line = bench.Line()
    line.show("numpy " * 100)
    line.write("done")
    shown = capsys.readouterr()
    assert shown.out == "done\n"
    assert shown.err.startswith("\r\033[Knumpy numpy")
    assert shown.err.endswith("\r\033[K")
    assert len(shown.err) < 300


def test_interrupted(tmp_path):
    """Output ends only when no worker is left that holds it."""
    command = [sys.executable, "-m", "ffnn_fast", "bench", "--only", "small", "reference",
               "--rounds", "100000"]  # fmt: skip
    pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=tmp_path, text=True, **pipe) as process:
        while "load average" not in process.stdout.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, error = output_at_end(process)
    assert process.returncode == 130
    assert error == "ffnn-fast: error: interrupted\n"
