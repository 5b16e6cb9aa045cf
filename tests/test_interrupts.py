"""Ctrl-C: heard soon, between whole steps, and without a trace afterwards."""

import os
import signal
import threading
from time import perf_counter

import numpy as np
import pytest
from support.fits import classes, network

from ffnn_fast import Network
from ffnn_fast._runtime.interrupts import Interrupts, in_background
from ffnn_fast.callbacks import Callback

SOON = 0.2  # seconds


def interrupt_after(seconds):
    """Ctrl-C from outside after a while; the list has the moment."""
    moment = []

    def work():
        moment.append(perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(seconds, work)
    timer.start()
    return timer, moment


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("batch_size", [1, 64, None])
def test_a_fit_ends_soon_with_whole_steps(engine, batch_size):
    rng = np.random.default_rng(0)
    n = 60000 if (engine, batch_size) == ("compiled", None) else 20000  # one long step
    X, y = rng.normal(size=(n, 256)).astype(np.float32), rng.integers(0, 10, n)
    net = Network([256, 256, 256, 10], seed=0, engine=engine)
    timer, moment = interrupt_after(0.3)
    with pytest.raises(KeyboardInterrupt):
        net.fit(X, y, epochs=10**6, batch_size=batch_size, optimizer="adam", learning_rate=1e-4)
    assert perf_counter() - moment[0] < SOON
    timer.join()
    assert net.history.stopped == "interrupted"
    assert np.isfinite(net.params).all()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_parameters_are_those_of_a_whole_number_of_steps(tmp_path):
    from ffnn_fast._training import checkpoint_files
    from ffnn_fast._training.checkpoint import Checkpoint

    X, y = classes(5000)
    net = network()
    timer, _ = interrupt_after(0.1)
    history = net.fit(
        X, y, epochs=10**6, batch_size=1, on_interrupt="return", shuffle=False,
        checkpoint=Checkpoint(tmp_path / "fit", every_epochs=None),
    )  # fmt: skip
    timer.join()
    assert history.stopped == "interrupted"
    tensors, metadata = checkpoint_files.load(tmp_path / "fit")
    np.testing.assert_array_equal(tensors["params"], net.params)
    t = metadata["progress"]["t"]
    assert t == 5000 * len(history) + metadata["progress"]["position"]
    again = network()
    again.fit(X, y, epochs=len(history), batch_size=1, shuffle=False, metrics=False)
    rest = t - 5000 * len(history)
    if rest:
        again.fit(X[:rest], y[:rest], epochs=1, batch_size=1, shuffle=False, metrics=False)
    np.testing.assert_array_equal(again.params, net.params)


def test_callbacks_are_told_of_the_end():
    class Ends(Callback):
        ended = 0

        def on_epoch_end(self, run, record):
            raise KeyboardInterrupt

        def on_train_end(self, run):
            self.ended += 1

    X, y = classes()
    ends = Ends()
    net = network()
    with pytest.raises(KeyboardInterrupt):
        net.fit(X, y, callbacks=[ends])
    assert ends.ended == 1
    assert len(net.history) == 1


def test_held_work_is_finished_first():
    with Interrupts() as interrupts:
        interrupts.hold()
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            interrupts.release()
        interrupts.release()
    with pytest.raises(KeyboardInterrupt), Interrupts():
        signal.raise_signal(signal.SIGINT)


def test_a_handler_of_ones_own_stays():
    heard = []
    before = signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
    try:
        own = signal.getsignal(signal.SIGINT)
        with Interrupts():
            assert signal.getsignal(signal.SIGINT) is own
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_fit_in_another_thread():
    X, y = classes()
    nets = [network(), network()]
    nets[0].fit(X, y)
    thread = threading.Thread(target=nets[1].fit, args=(X, y))
    thread.start()
    thread.join()
    np.testing.assert_array_equal(nets[0].params, nets[1].params)


def test_errors_of_work_in_the_background_arrive():
    assert in_background(max, 2, 3) == 3
    with pytest.raises(ZeroDivisionError):
        in_background(lambda: 1 // 0)


def test_a_long_call_is_made_in_the_background(monkeypatch):
    monkeypatch.setattr("ffnn_fast._runtime.bound_network.LONG_CALL", 1e-9)
    X, y = classes()
    long = network(dropout=0.2)
    long.fit(X, y, optimizer="adam")
    monkeypatch.undo()
    short = network(dropout=0.2)
    short.fit(X, y, optimizer="adam")
    np.testing.assert_allclose(long.params, short.params, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(long.history["loss"], short.history["loss"], rtol=1e-5)
