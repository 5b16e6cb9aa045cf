"""BLAS has one thread during calls that need it so, whichever threads make them."""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.fits import classes, network
from threadpoolctl import threadpool_info, threadpool_limits

from ffnn_fast._runtime import blas_limit
from ffnn_fast._runtime.blas_limit import one_blas_thread


def blas_threads():
    """The different numbers of threads of the BLAS libraries."""
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


@pytest.fixture
def other():
    """Another thread, which makes the calls that it is given."""
    with ThreadPoolExecutor(1) as executor:
        yield lambda *call: executor.submit(*call).result(60)


@pytest.mark.usefixtures("two_blas_threads")
def test_nested_calls_and_exceptions():
    assert blas_threads() == {2}

    def nested():
        assert one_blas_thread(blas_threads) == {1}
        assert blas_threads() == {1}
        return "result"

    assert one_blas_thread(nested) == "result"
    assert blas_threads() == {2}
    with pytest.raises(ZeroDivisionError):
        one_blas_thread(lambda: 1 // 0)
    assert blas_threads() == {2}
    network(matmul="blas").fit(*classes(20), epochs=1)
    assert blas_threads() == {2}


@pytest.mark.usefixtures("two_blas_threads")
def test_every_thread_has_the_limit(other):
    assert blas_threads() == {2}
    assert other(one_blas_thread, blas_threads) == {1}
    assert blas_threads() == {2}
    assert one_blas_thread(blas_threads) == {1}
    assert other(one_blas_thread, blas_threads) == {1}
    assert blas_threads() == {2}
    assert one_blas_thread(blas_threads) == {1}
    assert blas_threads() == {2}


@pytest.mark.usefixtures("two_blas_threads")
@pytest.mark.parametrize("last", ["here", "there"])
def test_the_last_to_leave_restores_the_number(last, other):
    assert blas_threads() == {2}
    entered, finish = threading.Event(), threading.Event()

    def there():
        entered.set()
        finish.wait(60)
        return blas_threads()

    def here():
        entered.wait(60)
        if last == "here":
            finish.set()
            thread.join()
        return blas_threads()

    seen = []
    thread = threading.Thread(target=lambda: seen.append(one_blas_thread(there)))
    thread.start()
    assert one_blas_thread(here) == {1}
    finish.set()
    thread.join()
    assert seen == [{1}]
    assert blas_threads() == {2}
    assert other(one_blas_thread, blas_threads) == {1}
    assert blas_threads() == {2}


def test_other_threads_may_set_the_number_after_a_call(other):
    """The worker of `other` lives on after its call."""
    with threadpool_limits(limits=2, user_api="blas"):
        other(one_blas_thread, int)
        with threadpool_limits(limits=3, user_api="blas"):
            assert blas_threads() == {3}
            assert one_blas_thread(blas_threads) == {1}
            assert other(one_blas_thread, blas_threads) == {1}
            assert blas_threads() == {3}


class Slow:
    """A BLAS of one limit for the process; changing it takes a while."""

    internal_api, threading_layer = "openblas", "pthreads"

    def __init__(self):
        self.n, self.unfinished, self.begun = 2, 0, threading.Event()

    def get_num_threads(self):
        return self.n

    def set_num_threads(self, n):
        self.unfinished += 1
        self.begun.set()
        time.sleep(0.05)
        self.n = n
        self.unfinished -= 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # forking beside threads is the point
def test_a_fork_waits_until_a_limit_is_changed(monkeypatch):
    """BLAS has a lock of its own, which a child would find locked for ever."""
    library = Slow()
    monkeypatch.setattr(blas_limit, "_libraries", lambda: [library])
    thread = threading.Thread(target=one_blas_thread, args=(int,))
    thread.start()
    library.begun.wait(60)
    child = os.fork()
    if child == 0:
        os._exit(library.unfinished or one_blas_thread(library.get_num_threads) != 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    thread.join()
    assert library.n == 2
    assert one_blas_thread(library.get_num_threads) == 1


class OfEachThread:
    """A BLAS whose limit is that of the calling thread."""

    def __init__(self, internal_api, threading_layer):
        self.internal_api, self.threading_layer = internal_api, threading_layer
        self.here = threading.local()

    def get_num_threads(self):
        return getattr(self.here, "n", 8)

    def set_num_threads(self, n):
        self.here.n = n


@pytest.mark.parametrize("name", ["openblas openmp", "mkl intel"])
def test_a_limit_of_each_thread_is_restored_in_each(monkeypatch, other, name):
    library = OfEachThread(*name.split())
    monkeypatch.setattr(blas_limit, "_libraries", lambda: [library])
    limit, number = blas_limit._BlasLimit(), library.get_num_threads
    assert other(limit, number) == 1
    assert other(number) == 8

    def beside_another():
        assert other(limit, number) == 1
        assert other(number) == 8
        return limit(number), number()

    assert limit(beside_another) == (1, 1)
    assert number() == 8
    library.set_num_threads(4)
    assert limit(number) == 1
    assert number() == 4
    assert not limit._before
    assert not limit._users
