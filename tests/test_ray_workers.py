"""Workers of Ray: the default number of threads is the CPUs of the task."""

import json
import os
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest
from support import threads_on_ray
from support.processes import HANGS
from threadpoolctl import threadpool_limits

from ffnn_fast import Network
from ffnn_fast._runtime import ray_workers, threads
from ffnn_fast._runtime.worker_threads import run_each

needs_openmp = pytest.mark.skipif(
    threads.openmp_limit() == threads.UNLIMITED, reason="the engine was built without OpenMP"
)


class FakeRay:
    """What of Ray is used, in a process of this mode that has these resources."""

    def __init__(self, resources, mode=ray_workers.WORKER_MODE, initialized=True):
        self.resources, self.mode, self.initialized = resources, mode, initialized

    def is_initialized(self):
        return self.initialized

    def get_runtime_context(self):
        assert self.initialized, "Ray was started"
        return SimpleNamespace(worker=self, get_assigned_resources=self.get_assigned_resources)

    def get_assigned_resources(self):
        assert self.mode == ray_workers.WORKER_MODE
        return self.resources


@pytest.fixture
def use(monkeypatch):
    """A function that replaces Ray; on 8 CPUs, without OMP_NUM_THREADS."""
    monkeypatch.setattr(threads, "available", lambda: 8)
    for name in ("FFNN_FAST_NUM_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    return lambda ray: monkeypatch.setitem(sys.modules, "ray", ray)


@pytest.mark.parametrize(
    ("ray", "expected"),
    [
        (FakeRay({"CPU": 1.0}), 1),
        (FakeRay({"CPU": 3.0, "GPU": 1.0}), 3),
        (FakeRay({"CPU": 2.5}), 2),
        (FakeRay({"CPU": 0.5}), 1),
        (FakeRay({}), 1),
        (FakeRay({}, mode=0), None),
        (FakeRay({}, initialized=False), None),
        (SimpleNamespace(), None),
        (None, None),
    ],
)
def test_the_cpus_of_a_task(ray, expected, use, monkeypatch):
    use(ray)
    assert ray_workers.assigned_cpus() == expected
    monkeypatch.setattr(threads, "_follow_task", lambda most: None)
    assert threads.most_threads(None) == (8 if expected is None else expected)
    assert threads.most_threads(-1) == 8
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert threads.most_threads(None) == 5


@needs_openmp
def test_tasks_of_one_worker_have_their_own_numbers(use, monkeypatch):
    """OpenMP's runtime has read that of the first."""

    def tasks():
        threads.use_one_thread_here()
        threads._first_limit.cache_clear()
        del threads._here.limit
        for cpus in (1, 3, 2, 5, 1):
            use(FakeRay({"CPU": float(cpus)}))
            monkeypatch.setenv("OMP_NUM_THREADS", str(cpus))  # as Ray does
            found.append(Network([2, 2]).n_threads)
            with threadpool_limits(limits=4, user_api="openmp"):
                limited.append(Network([2, 2]).n_threads)
            inner.append(run_each(lambda i: Network([2, 2]).n_threads, range(2), 2))

    found, limited, inner = [], [], []
    thread = threading.Thread(target=tasks)
    thread.start()
    thread.join()
    threads._first_limit.cache_clear()
    assert found == [1, 3, 2, 5, 1]
    assert limited == [1, 3, 2, 4, 1]
    assert inner == [[1, 1]] * 5


def test_ray_itself():
    pytest.importorskip("ray", reason="needs ray")
    pytest.importorskip("joblib", reason="needs joblib")
    environment = os.environ | {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
    for name in ("FFNN_FAST_NUM_THREADS", "OMP_NUM_THREADS"):
        environment.pop(name, None)
    ended = subprocess.run(
        [sys.executable, threads_on_ray.__file__],
        env=environment, capture_output=True, text=True, timeout=HANGS, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout.splitlines()[-1])
    two = min(2, threads.available())
    assert {name: n for name, (n, _) in found.items()} == {
        "driver": threads.available(),
        "task 0 of 1": 1, "task 1 of 2": two, "task 2 of 1": 1, "task 3 of 2": two,
        "task 4 of 0.5": 1, "task 5 of 0": 1, "actor of 0": 1, "actor of 2": two,
        **{f"joblib {i}": 1 for i in range(4)},
    }  # fmt: skip
    tasks = [process for name, (_, process) in found.items() if name.startswith("task")]
    assert len(set(tasks)) < len(tasks), "no worker was used again"
