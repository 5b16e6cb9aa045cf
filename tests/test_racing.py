"""Races between processes: all must compute the same, and whoever does not is left out, aloud."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.planted import FAULTY

from ffnn_fast._bench import peers
from ffnn_fast._bench.arena import Arena, Contestant, ContestantError, Worker, cores_available
from ffnn_fast._bench.calls import race_calls
from ffnn_fast._bench.problems import Problem
from ffnn_fast._bench.race import check, entered, race, summary, take_turns

TINY = Problem((3, 5, 3), 4, steps=3)
TRAINERS = [
    name for name in peers.MODULES if hasattr(peers.load(name), "Training") and name not in FAULTY
]


class Planted(Arena):
    session = "support.planted"


@pytest.fixture
def said():
    return []


@pytest.fixture
def arena(said):
    """Two rounds of tiny turns, with planted contestants."""
    arena = Planted(2, 0.001, said.append)
    yield arena
    arena.close()


def contestants(*names):
    return [Contestant(name) for name in names]


def test_a_race_has_figures_for_all_and_leaves_out_whoever_fails(arena, said):
    records = race(arena, TINY, contestants("ffnn_fast", "reference", "numpy", *FAULTY))
    assert [r["contestant"] for r in records] == ["ffnn_fast", "reference", "numpy"]
    assert records[0]["ratio"] == 1
    for r in records:
        low, high = r["quartiles"]
        assert 0 < low <= r["seconds"] <= high
        assert (r["case"], r["rounds"], r["n_params"]) == ("3-5-3", 2, 38)
    assert records[1]["ratio"] > 0
    wrong, failing, dying, mortal = said
    assert wrong.startswith(f"  wrong left out: {TINY}: off by ")
    assert failing == "  failing left out: RuntimeError: no such layer"
    assert dying == "  dying left out: its process ended during epoch"
    assert mortal == "  mortal left out: its process ended during epoch"
    assert {c.peer for c in arena.workers} == {"ffnn_fast", "reference", "numpy"}


def test_without_the_first_there_is_nothing_to_compare_with(arena, said):
    assert race(arena, TINY, contestants("wrong", "numpy")) == []
    assert race(arena, TINY, contestants("mortal", "numpy")) == []
    assert len(said) == 2


def test_calls_are_timed_in_every_way(arena, said):
    records = race_calls(
        arena, replace(TINY, batch_size=1), ["ffnn_fast", "bare call", "numpy", "wrong", "dying"]
    )
    assert [r["peer"] for r in records] == [*["ffnn_fast"] * 3, "bare call", "numpy"]
    assert (records[0]["way"], records[0]["ratio"]) == ("predictor(x, out)", 1)
    assert all(r["seconds"] > 0 for r in records)
    assert said == [
        "  wrong left out: a function gives another answer than the reference",
        "  dying left out: its process ended during calls",
    ]


def test_what_is_not_installed_is_named_once(arena, said, monkeypatch):
    found = peers.find_spec
    monkeypatch.setattr(peers, "find_spec", lambda name: None if name == "onnx" else found(name))
    for _ in range(2):
        assert arena.present(contestants("numpy", "onnxruntime")) == contestants("numpy")
    assert arena.absent.keys() == {"onnxruntime"}
    assert len(said) == 1
    assert said[0].startswith("  onnxruntime left out: onnx")
    assert said[0].endswith("not installed")


@pytest.mark.parametrize("name", TRAINERS)
def test_every_trainer_computes_our_steps(name):
    if peers.missing(name) or name == "torch.compile":
        pytest.skip(f"{name} is not installed, or takes too long to compile")
    worker = Worker(Contestant(name))
    try:
        check(worker, TINY)
        check(worker, replace(TINY, batch_size=1, activation="relu", dtype="float64"))
        check(worker, replace(TINY, optimizer="adam", learning_rate=0.001))
    finally:
        worker.close()
    assert worker.process.returncode == 0


def test_a_library_is_measured_alone_on_its_cores():
    worker = Worker(Contestant("numpy"), "support.planted")
    loaded, environment, cores = worker("process")
    worker.close()
    assert {"scipy", "threadpoolctl", "ffnn_fast.network"}.isdisjoint(loaded)
    assert environment["OPENBLAS_NUM_THREADS"] == environment["OMP_NUM_THREADS"] == "1"
    if cores is not None:
        assert cores == set(cores_available()[-1:])


def test_a_module_in_the_current_folder_hides_none(tmp_path, monkeypatch):
    Path(tmp_path, "numpy.py").write_text("raise SystemExit(5)")
    Path(tmp_path, "random.py").write_text("raise SystemExit(5)")
    monkeypatch.chdir(tmp_path)
    worker = Worker(Contestant("numpy"))
    check(worker, TINY)
    worker.close()


def test_turns_alternate_and_one_that_fails_is_lost():
    order, lost = [], []

    def turn(label):
        order.append(label)
        if (label, order.count("c")) == ("c", 2):
            raise ContestantError("gone")
        return {"a": 1.0, "b": 3.0, "c": 2.0}[label]

    turns = {label: lambda label=label: turn(label) for label in "abc"}
    times = take_turns(turns, 3, 0, lambda label, error: lost.append((label, str(error))))
    assert "".join(order) == "abcabcab"
    assert lost == [("c", "gone")]
    assert times == {"a": [1.0] * 3, "b": [3.0] * 3}
    assert summary({"a": [1, 2, 4], "b": [2, 2, 12]}, "a")["b"]["ratio"] == 2
    order.clear()
    with pytest.raises(ContestantError, match="gone"):
        take_turns(turns, 3, 0)


@pytest.mark.parametrize(("threads", "epochs"), [(1, 1), (2, 4)])
def test_teams_are_warm_before_their_turn(monkeypatch, threads, epochs):
    asked = []
    contestant = Contestant("numpy", threads, threads)
    arena = Arena(workers={contestant: lambda name: asked.append(name) or 0.04})
    monkeypatch.setattr("ffnn_fast._bench.race.check", lambda worker, problem: None)
    monkeypatch.setattr("ffnn_fast._bench.race.settle", lambda worker, problem, seconds: 2)
    turn = entered(arena, TINY, contestant)
    asked.clear()
    assert turn() == 0.02
    assert asked == ["epoch"] * epochs


def test_problems_are_the_same_for_all():
    X, y = TINY.rows()
    assert (X.shape, X.dtype, y.shape) == ((12, 3), np.float32, (12,))
    assert [W.shape for W, _ in TINY.start()] == [(5, 3), (3, 5)]
    assert TINY.n_params == 38
    assert TINY.products_per_step == 4 * (3 * (2 * 15 + 2 * 15) - 2 * 15)


def test_the_package_does_not_load_its_races():
    code = "import ffnn_fast, sys; print('ffnn_fast._bench' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"
