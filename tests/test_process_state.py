"""State of the process: as before, wherever a KeyboardInterrupt ends a call."""

import os
import signal
import threading

import numpy as np
import pytest
from support.exceptions_anywhere import interrupted_at, places_in
from support.fits import classes, network
from threadpoolctl import ThreadpoolController

from ffnn_fast import Network
from ffnn_fast._runtime import interrupts

CRITICAL = ("blas_limit", "interrupts", "_errstate", "_ufunc_config", "signal.py")
EVERY = 31  # of the other places, one in so many

X, y = classes(20)
TALL = np.tile(X, (300, 1)).astype("float64"), np.tile(y, 300)
CURVE = (np.linspace(-1, 1, 20)[:, None], np.linspace(-1, 1, 20) ** 2)
WIDE = (np.ones((60, 90)), np.arange(60) % 2)

blas_net = network(matmul="blas")
regressor = Network([1, 2, 1], output="identity", seed=0)
reference = Network([90, 90, 2], engine="reference", seed=0)
CALLS = {
    "construction": lambda: network(matmul="blas"),
    "copy": blas_net.copy,
    "conversion": lambda: blas_net.loss(*TALL),
    "fit": lambda: blas_net.fit(X, y, epochs=1, batch_size=10),
    "fit by the reference": lambda: reference.fit(*WIDE, epochs=1, batch_size=60, metrics=False),
    "partial_fit": lambda: blas_net.partial_fit(X, y),
    "step": lambda: blas_net.step(X, y, 0.1),
    "find_learning_rate": lambda: blas_net.find_learning_rate(X, y, steps=3),
    "gradient_descent": lambda: blas_net.gradient_descent(X, y, 0.1, 1),
    "minimize": lambda: regressor.copy().minimize(*CURVE, max_iterations=1),
    "levenberg_marquardt": lambda: regressor.copy().levenberg_marquardt(*CURVE, max_iterations=1),
}


def state_of_process(blas):
    return (
        [library.get_num_threads() for library in blas],
        signal.getsignal(signal.SIGINT),
        np.geterr(),
    )


@pytest.fixture
def blas(two_blas_threads):
    """All BLAS libraries, with two threads each."""
    return ThreadpoolController().select(user_api="blas").lib_controllers


def assert_that_the_state_stays(call, places, blas, **fine):
    before = state_of_process(blas)
    for place in places:
        interrupted_at(place, call, **fine)
        assert state_of_process(blas) == before, f"event {place}"
    released = threading.Thread(target=blas_net.predict, args=(X,), daemon=True)
    released.start()
    released.join(60)
    assert not released.is_alive()
    assert state_of_process(blas) == before


@pytest.mark.parametrize("long_call", [0.1, 0.0], ids=["short", "in the background"])
def test_predict_interrupted_anywhere(long_call, blas, monkeypatch):
    monkeypatch.setattr("ffnn_fast._runtime.bound_network.LONG_CALL", long_call)
    blas_net.predict(X)  # what is imported and cached at the first call is there from now on
    n = len(places_in(lambda: blas_net.predict(X)))
    assert n > 500
    assert_that_the_state_stays(lambda: blas_net.predict(X), range(n), blas)


LONG = {
    "fit by the reference", "find_learning_rate", "gradient_descent", "levenberg_marquardt",
    "minimize",
}  # fmt: skip
EACH_CALL = [pytest.param(name, marks=[pytest.mark.slow] * (name in LONG)) for name in CALLS]


@pytest.mark.parametrize("name", EACH_CALL)
def test_calls_interrupted_at_every_kind_of_place(name, blas):
    """Each instruction of the modules that change the state, by its callers, and some others."""
    call = CALLS[name]
    call()
    critical, others = {}, []
    for number, (file, instructions) in enumerate(places_in(call, CRITICAL)):
        if any(part in file for part in CRITICAL):
            critical.setdefault(instructions, number)
        else:
            others.append(number)
    assert len(critical) > 90 or name in ("construction", "conversion", "copy")
    assert_that_the_state_stays(
        call, sorted([*critical.values(), *others[::EVERY]]), blas, fine=CRITICAL
    )


def test_a_limit_that_an_exception_left_behind_is_found_by_the_next_call(blas):
    """Also two exceptions at the worst instructions leave nothing that later calls inherit."""
    from ffnn_fast._runtime.blas_limit import one_blas_thread

    seen = []

    def work():
        for library in blas:
            library.set_num_threads(2)  # as if an outer user's limit had been lost
        one_blas_thread(lambda: seen.extend(library.get_num_threads() for library in blas))

    one_blas_thread(work)
    assert set(seen) == {1}
    assert [library.get_num_threads() for library in blas] == [2] * len(blas)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # forking beside threads is the point
def test_a_child_forked_during_another_threads_call_has_the_former_limit(blas):
    from ffnn_fast._runtime.blas_limit import one_blas_thread

    limited, finish = threading.Event(), threading.Event()

    def work():
        limited.set()
        finish.wait(60)

    thread = threading.Thread(target=one_blas_thread, args=(work,))
    thread.start()
    limited.wait(60)
    child = os.fork()
    if child == 0:
        os._exit(0 if {library.get_num_threads() for library in blas} == {2} else 1)
    _, status = os.waitpid(child, 0)
    finish.set()
    thread.join()
    assert os.waitstatus_to_exitcode(status) == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # forking beside threads is the point
def test_a_child_forked_during_another_threads_call_does_not_wait_for_it_at_exit():
    """The child has no thread that could end the call."""
    begun, finish = threading.Event(), threading.Event()

    def work():
        begun.set()
        finish.wait(60)

    thread = threading.Thread(target=interrupts.finishing_before_exit, args=(work,))
    thread.start()
    begun.wait(60)
    child = os.fork()
    if child == 0:
        os._exit(len(interrupts._awaited))
    _, status = os.waitpid(child, 0)
    assert interrupts._awaited
    finish.set()
    thread.join()
    assert os.waitstatus_to_exitcode(status) == 0
    assert not interrupts._awaited


def test_the_exit_does_not_wait_for_a_thread_that_was_ended_before_its_call():
    """SystemExit between the entry of a call and its beginning leaves no end to wait for."""
    ended, thread = threading.Event(), threading.Thread(target=int)
    thread.start()
    thread.join()
    interrupts._awaited[ended] = thread
    handler = signal.getsignal(signal.SIGINT)
    try:
        interrupts._wait_at_exit()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL  # Ctrl-C ends the wait
    finally:
        signal.signal(signal.SIGINT, handler)
        del interrupts._awaited[ended]
    assert not ended.is_set()
