"""Threads: what n_threads means, BLAS's limit, concurrent fits, forked children."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from ffnn_fast import Network
from ffnn_fast._runtime import threads
from ffnn_fast.callbacks import Callback

VARIABLES = ("FFNN_FAST_NUM_THREADS", "OMP_NUM_THREADS")
needs_openmp = pytest.mark.skipif(
    threads.openmp_limit() == threads.UNLIMITED, reason="the engine was built without OpenMP"
)
SIZES = [64, 128, 128, 10]


def rows(n=512):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, SIZES[0])).astype(np.float32), rng.integers(0, SIZES[-1], n)


def trained(n_threads, matmul="auto", epochs=3):
    X, y = rows()
    net = Network(SIZES, seed=0, n_threads=n_threads, matmul=matmul)
    net.fit(X, y, epochs=epochs, batch_size=256)
    return net.params


def test_what_n_threads_means(monkeypatch):
    monkeypatch.setattr(threads, "available", lambda: 4)
    monkeypatch.setattr(threads, "openmp_limit", lambda: 8)
    monkeypatch.delenv("FFNN_FAST_NUM_THREADS", raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    asked = {None: 4, 1: 1, 7: 7, -1: 4, -2: 3, -9: 1}
    assert {n: threads.resolve(n) for n in asked} == asked
    monkeypatch.setenv("FFNN_FAST_NUM_THREADS", "3")
    assert threads.resolve(None) == 3
    assert threads.resolve(2) == 2


def test_the_default_follows_openmp(monkeypatch):
    monkeypatch.setattr(threads, "available", lambda: 4)
    monkeypatch.delenv("FFNN_FAST_NUM_THREADS", raising=False)
    given = {"": 4, "2": 2, "3,1": 3, " 2 ": 2, "9": 4, "0": 4, "-1": 4, "many": 4}
    monkeypatch.setattr(threads, "openmp_limit", lambda: 8)
    for value, expected in given.items():
        monkeypatch.setenv("OMP_NUM_THREADS", value)
        assert threads.resolve(None) == expected
        assert threads.resolve(-1) == 4
    monkeypatch.setattr(threads, "openmp_limit", lambda: 1)
    assert threads.resolve(None) == 1
    assert threads.resolve(-1) == 4
    monkeypatch.setenv("FFNN_FAST_NUM_THREADS", "3")
    assert threads.resolve(None) == 3


@needs_openmp
def test_a_limit_in_force_holds_from_call_to_call(monkeypatch):
    """Also for a network made before it; and not for one with a number of its own."""
    monkeypatch.setattr(threads, "available", lambda: 4)
    monkeypatch.delenv("FFNN_FAST_NUM_THREADS", raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    X, y = rows()
    with threadpool_limits(limits=4, user_api="openmp"):
        net, fixed = Network(SIZES, seed=0), Network(SIZES, seed=0, n_threads=3)
        widest = net._bound.plan_now
        assert (net.n_threads, fixed.n_threads) == (4, 3)
        with threadpool_limits(limits=2):
            assert (net.n_threads, fixed.n_threads) == (2, 3)
            assert net._bound.plan_now is not widest
            net.fit(X, y, epochs=1, batch_size=256)
            assert net.predict(X).shape == (512,)
            assert net._bound.plan_now is net._bound.plan_now
        assert net.n_threads == 4
        assert net._bound.plan_now is widest
        fixed.fit(X, y, epochs=1, batch_size=256)
    np.testing.assert_array_equal(net.params, fixed.params)


@needs_openmp
def test_a_call_creates_no_more_threads_than_the_limit():
    """The number of threads of a process, which OpenMP keeps, after a fit."""
    code = """
        import os, numpy as np
        from threadpoolctl import threadpool_limits
        os.sched_getaffinity = lambda pid: range(4)
        import ffnn_fast
        X = np.ones((2048, 64), "f")
        net = ffnn_fast.Network([64, 256, 256, 10], seed=0)
        def threads(limit):
            before = len(os.listdir("/proc/self/task"))
            with threadpool_limits(limit, user_api="openmp"):
                net.fit(X, np.arange(2048) % 10, epochs=1, batch_size=512, metrics=False)
            return len(os.listdir("/proc/self/task")) - before
        print(threads(1), threads(3))
    """
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert result.stdout.split() == ["0", "2"]


def test_workers_of_loky_use_their_share():
    joblib = pytest.importorskip("joblib")
    with joblib.parallel_config("loky", n_jobs=2, inner_max_num_threads=1):
        given = joblib.Parallel()(joblib.delayed(default_threads)() for _ in range(2))
    assert given == [1, 1]


def default_threads():
    return Network([2, 2]).n_threads


@pytest.mark.parametrize(
    ("n_threads", "error"), [(0, ValueError), (1.5, TypeError), (True, TypeError), ("2", TypeError)]
)
def test_what_n_threads_cannot_be(n_threads, error):
    with pytest.raises(error, match="n_threads"):
        Network([2, 2], n_threads=n_threads)


def test_a_bad_environment_is_named(monkeypatch):
    monkeypatch.setenv("FFNN_FAST_NUM_THREADS", "many")
    with pytest.raises(ValueError, match="FFNN_FAST_NUM_THREADS"):
        Network([2, 2])


def test_matmul_is_checked():
    with pytest.raises(ValueError, match="matmul"):
        Network([2, 2], matmul="mine")


def test_available_respects_affinity_and_quota(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    for text, expected in (("max 100000", 8), ("250000 100000", 3), ("50000 100000", 1), ("?", 8)):
        (tmp_path / "cpu.max").write_text(text)
        monkeypatch.setattr(threads, "CGROUP_QUOTA", tmp_path / "cpu.max")
        assert threads.available() == expected


def test_same_bits_through_the_public_door():
    np.testing.assert_array_equal(trained(1), trained(2))
    np.testing.assert_array_equal(trained(1), trained(3))


@needs_openmp
@pytest.mark.engine
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this system")
def test_a_team_on_one_busy_core_gives_the_same_bits():
    """Two threads that share one core wait for each other, so the calling thread goes on alone,
    and tries the team again: in the middle of an epoch, and in calls that do not train.
    """
    script = """
        import os

        import numpy as np

        from ffnn_fast import Network

        rng = np.random.default_rng(0)
        X, y = rng.normal(size=(6_000, 64)).astype(np.float32), rng.integers(0, 10, 6_000)
        nets = [Network([64, 128, 128, 10], seed=0, n_threads=n) for n in (1, 2)]
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        for options in ({}, {"optimizer": "adam", "clip_norm": 1.0}):
            for net in nets:
                net.fit(X, y, epochs=3, batch_size=256, rng=0, **options)
            one, two = nets
            assert np.array_equal(one.params, two.params)
            assert one.history[-1]["loss"] == two.history[-1]["loss"]
        for _ in range(5):
            assert np.array_equal(one.forward(X), two.forward(X))
            assert one.loss(X, y) == two.loss(X, y)
            assert np.array_equal(one.gradient(X, y), two.gradient(X, y))
        print("same")
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.stdout == "same\n", done.stderr


@pytest.mark.usefixtures("two_blas_threads")
@pytest.mark.parametrize("matmul", ["own", "blas"])
def test_concurrent_fits_do_not_disturb_one_another(matmul):
    expected, results = trained(2, matmul), [None] * 4

    def work(i):
        results[i] = trained(2, matmul)

    workers = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for result in results:
        np.testing.assert_array_equal(result, expected)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # forking beside threads is the point
def test_a_forked_child_runs_alone_and_does_not_hang():
    expected = trained(2)  # the parent has a team now
    child = os.fork()
    if child == 0:
        same = np.array_equal(trained(2), expected)
        os._exit(0 if same else 1)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            break
        time.sleep(0.01)
    else:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        pytest.fail("the child hung")
    assert os.waitstatus_to_exitcode(status) == 0


@pytest.mark.engine
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs Linux's list of threads")
def test_what_a_forked_child_calls_first():
    """In a process that ends like any other: no thread is started, and no bit differs."""
    code = """
        import os
        from ffnn_fast._runtime import threads
        from test_threads import trained

        trained(1)
        before = len(os.listdir("/proc/self/task"))
        threads._after_fork_in_child()
        params = trained(2)
        print(len(os.listdir("/proc/self/task")) - before, params.tobytes().hex())
    """
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=Path(__file__).parent, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert result.stdout.split() == ["0", trained(2).tobytes().hex()]


def test_nothing_spins_when_idle():
    """A process that has trained on two threads and then sleeps soon takes no CPU time.

    Threads that wait for work for a limited time may do so longer on a busy machine.
    """
    code = """
        import time, resource, numpy as np
        from ffnn_fast import Network
        X = np.random.default_rng(0).normal(size=(512, 64)).astype("f")
        Network([64, 128, 10], n_threads=2, seed=0).fit(X, np.arange(512) % 10, batch_size=256)
        def cpu():
            used = resource.getrusage(resource.RUSAGE_SELF)
            return used.ru_utime + used.ru_stime
        for _ in range(100):
            before = cpu()
            time.sleep(0.3)
            if cpu() - before < 0.03:
                print("idle")
                break
    """
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True
    )
    assert result.stdout == "idle\n"


def test_interrupt_keeps_whole_steps():
    """After a signal at any moment of an epoch the parameters are finite."""
    X, y = rows(20000)
    net = Network([SIZES[0], 512, SIZES[-1]], seed=0, n_threads=2)
    sender = threading.Thread(target=signal.raise_signal, args=(signal.SIGINT,))

    class Start(Callback):
        def on_epoch_begin(self, fit):
            if fit.epoch == 2:
                sender.start()

    with pytest.raises(KeyboardInterrupt):
        net.fit(X, y, epochs=100, batch_size=64, metrics=False, callbacks=[Start()])
    sender.join()
    assert np.isfinite(net.params).all()
    assert np.isfinite(net.loss(X, y))
