"""Benchmarks beside other libraries: one that fails or computes something else is excluded."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.faulty_libraries import FAULTY

from ffnn_fast._bench import interleaving, prediction_calls, processes, training_steps
from ffnn_fast._bench.interleaving import interleave, summarize
from ffnn_fast._bench.libraries import registry
from ffnn_fast._bench.pinning import can_pin, cores_available, pinned_to
from ffnn_fast._bench.prediction_calls import agrees, benchmark_calls, expected
from ffnn_fast._bench.prediction_calls import calibrate as calibrate_calls
from ffnn_fast._bench.problems import Problem, flat
from ffnn_fast._bench.processes import Library, WorkerError
from ffnn_fast._bench.runner import Runner
from ffnn_fast._bench.training_steps import benchmark_steps, calibrate, check, prepare
from ffnn_fast._bench.worker import Operations

TINY = Problem((3, 5, 3), 4, steps=3)
TRAINERS = [
    name
    for name in registry.MODULES
    if hasattr(registry.load(name), "Training") and name not in FAULTY
]
PREDICTORS = [
    name
    for name in registry.MODULES
    if hasattr(registry.load(name), "calls") and name not in (*FAULTY, prediction_calls.BARE_CALL)
]
EXIT = 60  # seconds; on a busy machine an exit may take longer than `EXIT_TIMEOUT`


class FaultyRunner(Runner):
    operations = "support.faulty_libraries"


@pytest.fixture
def log():
    return []


@pytest.fixture
def runner(log):
    """Two rounds of tiny measurements, with faulty libraries."""
    runner = FaultyRunner(2, 0.001, log.append)
    yield runner
    runner.close()


@pytest.fixture
def clock(monkeypatch):
    """A clock for `interleave` that moves only when it sleeps, or when a test moves it."""

    class Clock:
        now = 0.0

        def sleep(self, seconds):
            self.now += seconds

    clock = Clock()
    monkeypatch.setattr(interleaving, "perf_counter", lambda: clock.now)
    monkeypatch.setattr(interleaving, "sleep", clock.sleep)
    return clock


def libraries(*names):
    return [Library(name) for name in names]


@pytest.mark.slow
def test_all_libraries_are_measured_and_faulty_ones_excluded(runner, log):
    records = benchmark_steps(runner, TINY, libraries("ffnn_fast", "reference", "numpy", *FAULTY))
    assert [r["label"] for r in records] == ["ffnn_fast", "reference", "numpy"]
    assert [r["library"] for r in records] == ["ffnn_fast", "reference", "numpy"]
    assert records[0]["ratio"] == 1
    for r in records:
        low, high = r["quartiles"]
        assert 0 < low <= r["seconds"] <= high
        assert r["ratio"] > 0
        assert (r["case"], r["rounds"], r["n_params"]) == ("3-5-3", 2, 38)
    wrong, failing, exiting, later = log
    assert wrong.startswith(f"  wrong excluded: {TINY}: relative error of the change of θ is ")
    assert failing == "  failing excluded: RuntimeError: no such layer"
    assert exiting == "  exiting excluded: its process ended during epoch"
    assert later == "  exiting later excluded: its process ended during epoch"
    assert {library.name for library in runner.workers} == {"ffnn_fast", "reference", "numpy"}


def test_no_ratios_without_the_first_library(runner, log):
    assert benchmark_steps(runner, TINY, libraries("wrong", "numpy")) == []
    assert benchmark_steps(runner, TINY, libraries("exiting later", "numpy")) == []
    assert len(log) == 2


def test_every_form_of_call_is_timed(runner, log):
    records = benchmark_calls(
        runner, replace(TINY, batch_size=1), ["ffnn_fast", "bare call", "numpy", "wrong", "exiting"]
    )
    assert [r["library"] for r in records] == [*["ffnn_fast"] * 3, "bare call", "numpy"]
    assert (records[0]["call"], records[0]["ratio"]) == ("predictor(x, out)", 1)
    assert all(r["seconds"] > 0 for r in records)
    assert log == [
        "  wrong excluded: a function returns another output than the reference",
        "  exiting excluded: its process ended during time_calls",
    ]


@pytest.mark.parametrize("name", PREDICTORS)
def test_every_form_of_call_predicts(name):
    if registry.missing(name) or name == "torch.compile":
        pytest.skip(f"{name} is not installed, or takes too long to compile")
    worker = processes.start(Library(name))
    try:
        for problem in (TINY, replace(TINY, batch_size=1, activation="relu", dtype="float64")):
            for call in worker("prepare_calls", problem):
                assert agrees(worker("output", call), expected(problem)), call
                assert worker("time_calls", call, 1) > 0
    finally:
        worker.close(EXIT)
    assert worker.process.returncode == 0


def test_no_calls_without_the_predictor(runner, log):
    assert benchmark_calls(runner, TINY, ["wrong", "numpy"]) == []
    assert log == ["  wrong excluded: a function returns another output than the reference"]


def test_a_library_that_fails_in_a_round_is_excluded_once(runner, log, monkeypatch):
    def prepared(runner, problem, library):
        def measure():
            if library.name == "numpy":
                raise WorkerError("gone")
            return 1.0

        runner.workers[library] = FakeWorker(1.0)
        return {(library.name, call): measure for call in ("predictor(x, out)", "another call")}

    monkeypatch.setattr(prediction_calls, "prepare", prepared)
    records = benchmark_calls(runner, TINY, ["ffnn_fast", "numpy"])
    assert {r["library"] for r in records} == {"ffnn_fast"}
    assert log == ["  numpy excluded: gone"]
    assert runner.workers.keys() == {Library("ffnn_fast")}
    runner.workers.clear()


def test_a_missing_package_is_logged_once(runner, log, monkeypatch):
    found = registry.find_spec
    monkeypatch.setattr(registry, "find_spec", lambda name: None if name == "onnx" else found(name))
    for _ in range(2):
        assert runner.installed(libraries("numpy", "onnxruntime")) == libraries("numpy")
    assert runner.absent.keys() == {"onnxruntime"}
    assert len(log) == 1
    assert log[0].startswith("  onnxruntime excluded: onnx")
    assert log[0].endswith("not installed")


@pytest.mark.parametrize("name", TRAINERS)
def test_every_library_computes_the_same_steps(name):
    if registry.missing(name) or name == "torch.compile":
        pytest.skip(f"{name} is not installed, or takes too long to compile")
    worker = processes.start(Library(name))
    try:
        check(worker, TINY)
        check(worker, replace(TINY, batch_size=1, activation="relu", dtype="float64"))
        check(worker, replace(TINY, optimizer="adam", learning_rate=0.001))
    finally:
        worker.close(EXIT)
    assert worker.process.returncode == 0


@pytest.mark.parametrize("name", ["numpy", "scikit-learn"])
def test_a_whole_fit_draws_the_orders_of_network_fit(name):
    if registry.missing(name):
        pytest.skip(f"{name} is not installed")
    problem = replace(TINY, dtype="float64")
    fits = [
        registry.load(each).Training(problem, *problem.rows(), 1) for each in ("ffnn_fast", name)
    ]
    for training in fits:
        training.fit(3, seed=5)
    ours, theirs = (flat(fit.layers()) for fit in fits)
    np.testing.assert_allclose(theirs, ours, rtol=1e-9)
    other = registry.load(name).Training(problem, *problem.rows(), 1)
    other.fit(3, seed=6)
    assert not np.allclose(flat(other.layers()), ours, rtol=1e-9)


def test_what_trains_nothing_has_no_parameters_to_check():
    worker = Operations("bare call", 1)
    worker.training = object()
    assert worker.params() is None
    asked = []
    check(lambda operation, *args: asked.append(operation), TINY)  # replies None
    assert asked == ["train", "epoch", "params"]


def test_adams_state_lasts_from_epoch_to_epoch():
    adam = replace(TINY, optimizer="adam", learning_rate=0.001)
    parts = registry.load("ffnn_fast").Training(adam, *adam.rows(), 1)
    whole = registry.load("numpy").Training(adam, *adam.rows(), 1)
    for training in (parts, whole):
        training.epoch()
        training.epoch()
    for (W, b), (W_numpy, b_numpy) in zip(parts.layers(), whole.layers(), strict=True):
        np.testing.assert_allclose(W, W_numpy, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(b, b_numpy, rtol=1e-4, atol=1e-5)


def test_a_library_runs_isolated_on_its_cores():
    worker = processes.start(Library("numpy"), "support.faulty_libraries")
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
    worker = processes.start(Library("numpy"))
    check(worker, TINY)
    worker.close()


def test_a_process_that_does_not_reply_or_exit_is_ended(monkeypatch):
    worker = processes.start(Library("numpy"), "support.faulty_libraries")
    monkeypatch.setattr(processes, "REPLY_TIMEOUT", 0)
    with pytest.raises(WorkerError, match="no reply to sleep within 0 s"):
        worker("sleep")
    worker.close(0)
    assert worker.process.returncode == -signal.SIGKILL


def test_a_system_that_cannot_pin(monkeypatch):
    for name in ("sched_getaffinity", "sched_setaffinity"):
        monkeypatch.delattr(os, name, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    assert cores_available() == [0, 1, 2]
    assert not can_pin()
    with pinned_to([1]):
        pass
    assert "XLA_FLAGS" not in processes.environment(2).keys() - os.environ.keys()
    flags = processes.environment(1)["XLA_FLAGS"]
    assert flags == "--xla_cpu_multi_thread_eigen=false"


def test_measurements_are_interleaved_and_one_that_fails_is_excluded(clock):
    order, excluded, paused, shown = [], [], [], []

    def measure(label):
        order.append(label)
        paused.append(clock.now)
        if (label, order.count("c")) == ("c", 2):
            raise WorkerError("gone")
        return {"a": 1.0, "b": 3.0, "c": 2.0}[label]

    measurements = {label: lambda label=label: measure(label) for label in "abc"}
    times = interleave(
        measurements, 3, 0.5, status=shown.append,
        exclude=lambda label, error: excluded.append((label, str(error))),
    )  # fmt: skip
    assert "".join(order) == "abcabcab"
    assert paused == [0.5 * n for n in range(1, 9)]
    assert shown == ["round 1 of 3", "round 2 of 3", "round 3 of 3"]
    assert excluded == [("c", "gone")]
    assert times == {"a": [1.0] * 3, "b": [3.0] * 3}
    order.clear()
    with pytest.raises(WorkerError, match="gone"):
        interleave(measurements, 3)


@pytest.mark.parametrize(("limit", "rounds"), [(0.0, 1), (1.9, 1), (2.1, 2), (100.0, 5)])
def test_no_round_starts_after_the_time_limit(clock, limit, rounds):
    times = interleave({"a": lambda: 1.0, "b": lambda: 1.0}, 5, 1.0, time_limit=limit)
    assert times == {"a": [1.0] * rounds, "b": [1.0] * rounds}


def test_a_ratio_is_the_median_of_the_ratios_within_each_round():
    found = summarize({"a": [1, 2, 4], "b": [2, 2, 12]}, "a")
    assert found["a"] == {"seconds": 2, "quartiles": [1.5, 3], "ratio": 1, "rounds": 3}
    assert found["b"] == {"seconds": 2, "quartiles": [2, 7], "ratio": 2, "rounds": 3}


class FakeWorker:
    """Operations that take a given number of seconds per step or call, and are recorded."""

    def __init__(self, seconds):
        self.seconds, self.steps, self.operations = seconds, 0, []

    def close(self):
        pass

    def __call__(self, operation, *args):
        self.operations.append(operation)
        if operation == "train":
            self.steps = args[0].steps
        elif operation == "time_calls":
            self.steps = args[1]
        return self.seconds * self.steps


@pytest.mark.parametrize(("step", "steps"), [(1.0, 3), (1e-3, 150), (1e-6, 150_000)])
def test_as_many_steps_as_fill_a_measurement(step, steps):
    worker = FakeWorker(step)
    assert calibrate(worker, TINY, 0.15) == worker.steps == steps
    assert worker.operations[-3:] == ["train", "epoch", "epoch"]


def test_the_rows_of_a_measurement_are_limited(monkeypatch):
    monkeypatch.setattr(training_steps, "MAX_ROW_BYTES", 10 * 4 * 3 * 4)
    assert calibrate(FakeWorker(1e-9), TINY, 1.0) == 10


@pytest.mark.parametrize(
    ("call", "least", "most"), [(1.0, 1, 1), (1e-3, 50, 150), (1e-7, 5e5, 2e6)]
)
def test_as_many_calls_as_fill_a_measurement(call, least, most):
    worker = FakeWorker(call)
    assert least <= calibrate_calls(worker, "predict", 0.1) <= most


@pytest.mark.parametrize(("threads", "epochs"), [(1, 1), (2, 4)])
def test_teams_are_warmed_up_before_every_measurement(monkeypatch, threads, epochs):
    worker, library = FakeWorker(0.04), Library("numpy", threads, threads)
    worker.steps = 1
    monkeypatch.setattr(training_steps, "check", lambda worker, problem: None)
    monkeypatch.setattr(training_steps, "calibrate", lambda worker, problem, seconds: 2)
    measure = prepare(Runner(workers={library: worker}), TINY, library)
    for _ in range(2):
        worker.operations.clear()
        assert measure() == 0.02
        assert worker.operations == ["epoch"] * epochs


def test_problems_are_the_same_for_all():
    X, y = TINY.rows()
    assert (X.shape, X.dtype, y.shape) == ((12, 3), np.float32, (12,))
    assert [W.shape for W, _ in TINY.start()] == [(5, 3), (3, 5)]
    assert TINY.n_params == 38
    assert TINY.products_per_step == 4 * (3 * (2 * 15 + 2 * 15) - 2 * 15)


def test_the_package_does_not_load_its_benchmarks():
    code = "import ffnn_fast, sys; print('ffnn_fast._bench' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"
