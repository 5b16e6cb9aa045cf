"""Ctrl-C: acted on between whole steps, or during a long one, and without a trace afterwards."""

import os
import signal
import threading
import time

import numpy as np
import pytest
from support.fits import classes, network

from ffnn_fast import Checkpoint, Network, fit_many, reference
from ffnn_fast._runtime import interrupts
from ffnn_fast._runtime.bound_network import BoundNetwork
from ffnn_fast._runtime.interrupts import Interrupts, in_background
from ffnn_fast._solvers import cholesky
from ffnn_fast._training import checkpoint_files, loop
from ffnn_fast.callbacks import Callback
from ffnn_fast.engine import isa
from ffnn_fast.optimizers import SGD, Adam, StepRule


@pytest.fixture
def interrupt_in(monkeypatch):
    """A function: Ctrl-C while the call of `BoundNetwork.train` with this number changes θ.

    It returns the list of the numbers of the calls, and cuts epochs into chunks of fewer steps.
    """

    def prepare(number, chunk=1e-3):
        calls, train = [], BoundNetwork.train

        def counted(self, *args):
            *args, hold = args

            def hold_and_interrupt():
                hold()
                if len(calls) == number:
                    signal.raise_signal(signal.SIGINT)

            assert len(calls) < number, "training went on after the interrupt"
            calls.append(len(calls) + 1)
            return train(self, *args, hold_and_interrupt)

        monkeypatch.setattr(BoundNetwork, "train", counted)
        monkeypatch.setattr(loop, "CHUNK", chunk)
        return calls

    return prepare


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("batch_size", [1, 64, None])
def test_a_fit_ends_with_the_chunk_of_steps_that_was_interrupted(interrupt_in, engine, batch_size):
    X, y = classes(3000)
    net = network(engine=engine)
    calls = interrupt_in(3)
    with pytest.raises(KeyboardInterrupt):
        net.fit(X, y, epochs=10**6, batch_size=batch_size, optimizer="adam")
    assert calls == [1, 2, 3]
    assert net.history.stopped == "interrupted"
    assert np.isfinite(net.params).all()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize(
    "sizes", [(5, 8, 2), (2, 1000, 2), (256, 256, 256, 10), (784, 2000, 2000, 10)]
)
@pytest.mark.parametrize("batch_size", [1, 32, 20000])
@pytest.mark.parametrize("optimizer", [SGD(), Adam()])
def test_chunks_are_short(engine, sizes, batch_size, optimizer):
    """By the work that a core does in a tenth of a second; a longer step is a chunk of its own."""
    net, rule = Network(sizes, engine=engine), StepRule(optimizer)
    steps = net._bound.steps_in(loop.CHUNK, rule, batch_size)
    assert steps >= 1
    P, rows = len(net.params), steps * batch_size
    assert steps == 1 or 6 * rows * P <= 5e9  # operations in products
    assert steps == 1 or rows * sum(sizes[1:]) <= 5e6  # activations, forward and backward
    assert steps == 1 or steps * P * (1 + optimizer.slots) <= 5e7  # entries that a step changes


@pytest.fixture
def calls_in(monkeypatch):
    """Every call counts as long; returns the threads of calls of the backends' functions."""
    monkeypatch.setattr("ffnn_fast._runtime.bound_network.LONG_CALL", 0.0)
    threads = []

    def record(owner, name):
        function = getattr(owner, name)

        def recorded(*args):
            threads.append((name, threading.current_thread() is threading.main_thread()))
            return function(*args)

        monkeypatch.setattr(owner, name, recorded)

    for backend in (isa.engine, reference):
        for name in ("forward", "loss", "loss_gradient", "train_epoch", "normal_equations"):
            record(backend, name)
    for name in ("forward_propagation", "back_propagation", "jacobian"):
        record(reference, name)
    for name in ("factorize", "solve", "inverse"):
        record(cholesky, name)
    return threads


CURVE = (np.linspace(-1, 1, 30)[:, None], np.linspace(-1, 1, 30) ** 2)
LONG_WORK = {
    "forward": lambda net: net.forward(CURVE[0]),
    "predict": lambda net: net.predict(CURVE[0]),
    "score": lambda net: net.score(*CURVE),
    "loss": lambda net: net.loss(*CURVE),
    "gradient": lambda net: net.gradient(*CURVE),
    "step": lambda net: net.step(*CURVE, 0.1),
    "fit": lambda net: net.fit(*CURVE, epochs=1, validation_data=CURVE),
    "partial_fit": lambda net: net.partial_fit(*CURVE),
    "partial_fit of a generator": lambda net: net.partial_fit(iter([CURVE])),
    "find_learning_rate": lambda net: net.find_learning_rate(*CURVE, steps=5),
    "gradient_descent": lambda net: net.gradient_descent(*CURVE, 0.1, 2),
    "minimize": lambda net: net.minimize(*CURVE, max_iterations=2),
    "minimize without gradients": lambda net: net.minimize(*CURVE, "powell", max_iterations=1),
    "objective": lambda net: [function(net.params) for function in net.objective(*CURVE)],
    "trace": lambda net: net.trace(*CURVE),
    "trace without targets": lambda net: net.trace(CURVE[0]),
    "check_gradients": lambda net: net.check_gradients(*CURVE),
    "levenberg_marquardt": lambda net: net.levenberg_marquardt(*CURVE, max_iterations=2),
    "levenberg_marquardt from several starts": lambda net: net.levenberg_marquardt(
        *CURVE, max_iterations=2, n_starts=2, quasi_newton_steps=2
    ),
    "levenberg_marquardt with weights of outputs": lambda net: net.levenberg_marquardt(
        *CURVE, max_iterations=2, output_weight=[2.0], quasi_newton_steps=2
    ),
    "intervals": lambda net: net.levenberg_marquardt(*CURVE, max_iterations=9).interval(CURVE[0]),
    "covariance": lambda net: net.levenberg_marquardt(*CURVE, max_iterations=9).covariance(),
}


@pytest.mark.parametrize("settings", [{}, {"matmul": "blas"}, {"engine": "reference"}])
@pytest.mark.parametrize("name", LONG_WORK)
def test_no_long_call_runs_where_signals_are_handled(name, settings, calls_in):
    net = Network([1, 2, 1], output="identity", seed=0, **settings)
    LONG_WORK[name](net)
    assert calls_in
    assert [name for name, in_main_thread in calls_in if in_main_thread] == []


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_a_long_step_is_left_at_once_and_changes_nothing(monkeypatch, engine):
    """The signal ends the fit while the step's gradient is still being computed."""
    monkeypatch.setattr("ffnn_fast._runtime.bound_network.LONG_CALL", 0.0)
    X, y = classes()
    net = network(engine=engine)
    before, ended, threads, computed = net.params.copy(), threading.Event(), [], []

    def endless(*args):
        threads.append(threading.current_thread())
        os.kill(os.getpid(), signal.SIGINT)
        computed.append(not ended.wait(60))
        return 0.0

    monkeypatch.setattr(net._bound.backend, "train_epoch", endless)
    with pytest.raises(KeyboardInterrupt):
        net.fit(X, y, epochs=1, metrics=False)
    assert computed == []
    assert len(threads) == 1
    assert threads[0] is not threading.main_thread()
    ended.set()
    assert net.history.stopped == "interrupted"
    np.testing.assert_array_equal(net.params, before)


def test_parameters_are_those_of_a_whole_number_of_steps(tmp_path, interrupt_in, monkeypatch):
    X, y = classes(5000)
    net = network()
    chunks = -(-5000 // net._bound.steps_in(1e-3, StepRule(SGD()), 1))  # of an epoch
    assert chunks > 1
    interrupt_in(chunks + 1)
    history = net.fit(
        X, y, epochs=10**6, batch_size=1, on_interrupt="return", shuffle=False,
        checkpoint=Checkpoint(tmp_path / "fit", every_epochs=None),
    )  # fmt: skip
    monkeypatch.undo()
    assert history.stopped == "interrupted"
    tensors, metadata = checkpoint_files.load(tmp_path / "fit")
    np.testing.assert_array_equal(tensors["params"], net.params)
    t, rest = metadata["progress"]["t"], metadata["progress"]["position"]
    assert len(history) >= 1
    assert 0 < rest < 5000
    assert t == 5000 * len(history) + rest
    again = network()
    again.fit(X, y, epochs=len(history), batch_size=1, shuffle=False, metrics=False)
    again.fit(X[:rest], y[:rest], epochs=1, batch_size=1, shuffle=False, metrics=False)
    np.testing.assert_array_equal(again.params, net.params)


def test_callbacks_are_notified_of_the_end():
    class Ends(Callback):
        ended = 0

        def on_epoch_end(self, fit, record):
            raise KeyboardInterrupt

        def on_train_end(self, fit):
            self.ended += 1

    X, y = classes()
    ends = Ends()
    net = network()
    with pytest.raises(KeyboardInterrupt):
        net.fit(X, y, callbacks=[ends])
    assert ends.ended == 1
    assert len(net.history) == 1


def test_held_work_is_finished_first():
    interrupts = Interrupts()

    def work():
        interrupts.hold()
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            interrupts.release()
        interrupts.release()
        return "done"

    assert interrupts.run(work) == "done"
    with pytest.raises(KeyboardInterrupt):
        Interrupts().run(signal.raise_signal, signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_handler_of_ones_own_stays():
    received = []
    before = signal.signal(signal.SIGINT, lambda number, frame: received.append(number))
    try:
        own = signal.getsignal(signal.SIGINT)
        assert Interrupts().run(signal.getsignal, signal.SIGINT) is own
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
    monkeypatch.setattr("ffnn_fast._runtime.bound_network.LONG_CALL", 0.0)
    X, y = classes()
    long = network(dropout=0.2)
    long.fit(X, y, optimizer="adam")
    monkeypatch.undo()
    short = network(dropout=0.2)
    short.fit(X, y, optimizer="adam")
    np.testing.assert_array_equal(long.params, short.params)
    np.testing.assert_allclose(long.history["loss"], short.history["loss"], rtol=1e-12)


def test_a_call_that_is_left_behind_ends():
    started, threads = threading.Event(), []

    def endless():
        threads.append(threading.current_thread())
        started.set()
        for _ in range(60_000):
            time.sleep(1e-3)

    def interrupt():
        started.wait(60)
        os.kill(os.getpid(), signal.SIGINT)

    sender = threading.Thread(target=interrupt)
    sender.start()
    with pytest.raises(KeyboardInterrupt):
        in_background(endless)
    sender.join()
    threads[0].join(60)
    assert not threads[0].is_alive()


@pytest.mark.parametrize("result", [lambda: 1, lambda: 1 // 0])
def test_nothing_is_sent_to_a_call_that_has_ended(monkeypatch, result):
    """Its thread's id may have become that of another thread."""
    sent = []

    def interrupted(thread):
        start(thread)
        thread.join()
        raise KeyboardInterrupt

    start = threading.Thread.start
    monkeypatch.setattr(threading.Thread, "start", interrupted)
    monkeypatch.setattr(interrupts, "_leave_behind", lambda *args: sent.append(args))
    with pytest.raises(KeyboardInterrupt):
        in_background(result)
    assert sent == []


def test_the_repetition_of_steps_after_a_divergence_is_interrupted(tmp_path, monkeypatch):
    """Ctrl-C in its third step: θ is that after three steps, and the counters agree."""
    X, y = classes()
    calls, train = [], BoundNetwork.train

    def diverging(self, samples, order, *args):
        calls.append(len(order))
        loss = train(self, samples, order, *args)
        if len(calls) == 4:
            signal.raise_signal(signal.SIGINT)
        return float("nan") if len(calls) == 1 else loss

    settings = {"batch_size": 10, "shuffle": False, "metrics": False, "on_interrupt": "return"}
    net, expected = network(), network()
    monkeypatch.setattr(BoundNetwork, "train", diverging)
    history = net.fit(X, y, checkpoint=Checkpoint(tmp_path / "fit", every_epochs=None), **settings)
    monkeypatch.undo()
    assert calls == [200, 10, 10, 10]
    assert history.stopped == "interrupted"
    _, metadata = checkpoint_files.load(tmp_path / "fit")
    assert (metadata["progress"]["t"], metadata["progress"]["position"]) == (3, 30)
    assert np.isfinite(metadata["progress"]["total"])
    expected.fit(X[:30], y[:30], epochs=1, **settings)
    np.testing.assert_array_equal(net.params, expected.params)


def test_an_interrupted_estimator_has_made_whole_steps(monkeypatch):
    """The number of steps of its optimizer agrees with θ."""
    sklearn = pytest.importorskip("ffnn_fast.sklearn")
    X, y = classes(300)
    train, calls = BoundNetwork.train, []

    def interrupted(self, *args):
        calls.append(train(self, *args))
        if len(calls) == 3:
            signal.raise_signal(signal.SIGINT)
        return calls[-1]

    monkeypatch.setattr("ffnn_fast.sklearn._epochs.CHUNK", 1e-9)
    monkeypatch.setattr(BoundNetwork, "train", interrupted)
    estimator = sklearn.MLPClassifier((4,), batch_size=10, max_iter=2, random_state=0)
    with pytest.warns(UserWarning, match="interrupted by user"):
        estimator.fit(X, y)
    assert len(calls) == estimator._optimizer_state.t == 3


class StopBeforeSteps(Callback):
    """Ctrl-C after the order of an epoch is drawn, before its first step."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_begin(self, run):
        if run.epoch == self.epoch:
            raise KeyboardInterrupt


@pytest.mark.parametrize("epoch", [1, 3])
def test_an_order_that_is_drawn_before_an_interrupt_is_drawn_again(tmp_path, epoch):
    X, y = classes()
    whole, first, second = network(), network(), network(seed=99)
    whole.fit(X, y, epochs=4)
    given = {"checkpoint": tmp_path / "fit", "epochs": 4}
    with pytest.raises(KeyboardInterrupt):
        first.fit(X, y, callbacks=[StopBeforeSteps(epoch)], **given)
    second.fit(X, y, resume=True, **given)
    np.testing.assert_array_equal(second.params, whole.params)


@pytest.mark.parametrize("n_threads", [1, 2])
def test_an_interrupt_after_the_last_fit_leaves_a_sign(n_threads, rng):
    """As in a single fit, whose history says so too if all epochs are done."""

    def at_the_end(progress):
        if progress.networks_done == len(nets):
            signal.raise_signal(signal.SIGINT)

    nets = [Network([2, 3, 1], output="identity", seed=i) for i in range(3)]
    X = rng.normal(size=(20, 2))
    given = {"epochs": 2, "n_threads": n_threads, "progress": at_the_end}
    histories = fit_many(nets, X, X[:, 0], on_interrupt="return", **given)
    assert [len(history) for history in histories] == [2] * len(nets)
    assert [h.stopped for h in histories] == ["epochs"] * (len(nets) - 1) + ["interrupted"]
