"""fit_many: the bits of single fits, whatever the order and the threads; what ends all fits."""

import signal
import threading

import numpy as np
import pytest

from ffnn_fast import DivergedWarning, EarlyStopping, ManyProgress, Network, NetworkSpec, fit_many
from ffnn_fast._runtime.settings import Settings
from ffnn_fast._training import option_arguments
from ffnn_fast.callbacks import Callback
from ffnn_fast.schedules import OneCycle

TIMES = {"seconds", "samples_per_second"}
EACH = [
    {"learning_rate": 0.05, "optimizer": "sgd"},
    {"learning_rate": OneCycle(0.01), "optimizer": "adam", "epochs": 4},
    {"batch_size": 7, "clip_norm": 1.0, "early_stopping": EarlyStopping("loss", 1)},
    {"batch_size": None, "averaging": "ema", "metrics": False},
    {"validation_fraction": 0.25, "shuffle": False},
    {"sample_weight": np.linspace(0, 1, 90)},
]


@pytest.fixture
def data(rng):
    X = rng.normal(size=(90, 4)).astype(np.float32)
    return X, np.tanh(X[:, 0] - X[:, 1])


def networks(n=6, **options):
    return [
        Network(
            [4, 3 + i, 1],
            activation=("tanh", "relu")[i % 2],
            output="identity",
            dtype=("float32", "float64")[i // 2 % 2],
            seed=i,
            l2=0.01 * i,
            dropout=0.1 * (i % 2),
            **options,
        )
        for i in range(n)
    ]


def equals(n=4):
    """Networks of one size, which begin in their order."""
    return [Network([4, 3, 1], output="identity", seed=i) for i in range(n)]


def figures(history):
    return [{k: v for k, v in record.items() if k not in TIMES} for record in history]


def one_after_another(data, rows, each, **options):
    nets = networks()
    for net, part, own in zip(nets, rows, each, strict=True):
        net.fit(*data, rows=part, **{**options, **own})
    return nets


@pytest.mark.parametrize("n_threads", [1, 2, 5, 20])
def test_the_bits_are_those_of_single_fits(data, rng, n_threads):
    rows = [rng.integers(0, 90, 60) for _ in range(5)] + [None]
    alone = one_after_another(data, rows, EACH, epochs=3)
    for order in (range(6), [4, 0, 5, 1, 3, 2]):
        nets = networks()
        histories = fit_many(
            [nets[i] for i in order], *data, rows=[rows[i] for i in order],
            each=[EACH[i] for i in order], epochs=3, n_threads=n_threads,
        )  # fmt: skip
        for i, history in zip(order, histories, strict=True):
            assert history is nets[i].history
            assert np.array_equal(nets[i].params, alone[i].params)
            assert figures(history) == figures(alone[i].history)
            assert history.stopped == alone[i].history.stopped
            assert nets[i].rng.bit_generator.state == alone[i].rng.bit_generator.state


@pytest.mark.parametrize("own_rows", [False, True])
@pytest.mark.parametrize("n_threads", [1, 2])
def test_equal_networks_are_checked_once_and_share_a_plan(data, n_threads, own_rows, monkeypatch):
    def equal():
        return [Network([4, 5, 1], output="identity", dropout=0.2, seed=i) for i in range(5)]

    options = {"epochs": 3, "validation_fraction": 0.2, "optimizer": "adam"}
    rows = [np.arange(i, 90) if own_rows else None for i in range(5)]
    alone = equal()
    for net, part in zip(alone, rows, strict=True):
        net.fit(*data, rows=part, **options)
    nets, checks, plans = equal(), [], []
    as_options, bind = option_arguments._as_options, Settings.bind
    monkeypatch.setattr(
        option_arguments, "_as_options", lambda *given: checks.append(1) or as_options(*given)
    )
    monkeypatch.setattr(Settings, "bind", lambda *given: plans.append(1) or bind(*given))
    histories = fit_many(nets, *data, rows=rows, n_threads=n_threads, **options)
    assert len(checks) == 1
    assert 1 <= len(plans) <= n_threads
    for net, one, history in zip(nets, alone, histories, strict=True):
        np.testing.assert_array_equal(net.params, one.params)
        assert figures(history) == figures(one.history)
        assert net.history is history
        assert net.rng.random() == one.rng.random()


def test_equal_networks_with_a_seed_of_all_draw_alike(data):
    nets = equals(3)
    for net in nets:
        net.params[:] = nets[0].params
    fit_many(nets, *data, epochs=2, rng=5, n_threads=2)
    np.testing.assert_array_equal(nets[0].params, nets[1].params)
    np.testing.assert_array_equal(nets[0].params, nets[2].params)


def test_the_reference_engine(data):
    nets, alone = networks(2, engine="reference"), networks(2, engine="reference")
    fit_many(nets, *data, epochs=2, n_threads=2)
    for net, other in zip(nets, alone, strict=True):
        other.fit(*data, epochs=2)
        assert np.array_equal(net.params, other.params)


def test_from_spec_draws_as_the_constructor(data):
    spec = NetworkSpec((4, 5, 1), "tanh", "identity")
    net, other = Network.from_spec(spec, seed=3), Network([4, 5, 1], output="identity", seed=3)
    assert np.array_equal(net.params, other.params)
    assert net.spec == other.spec
    fit_many([net], *data, epochs=1)
    other.fit(*data, epochs=1)
    assert np.array_equal(net.params, other.params)


def test_no_network():
    assert fit_many([], np.ones((2, 1)), np.ones(2)) == []


def test_the_rows_are_converted_once(data, monkeypatch):
    from ffnn_fast._training import many

    made = []
    convert = many.as_samples
    monkeypatch.setattr(
        many, "as_samples", lambda *args, **given: made.append(1) or convert(*args, **given)
    )
    fit_many(networks(), *data, epochs=1)
    assert len(made) == 2  # float32 and float64


@pytest.mark.parametrize("n_threads", [1, 3])
def test_a_network_that_diverges_does_not_end_the_others(data, n_threads):
    nets = networks()
    each = [{}] * 6
    each[2] = {"learning_rate": 1e30}
    with pytest.warns(DivergedWarning, match=r"^networks\[2\]: training diverged") as found:
        histories = fit_many(nets, *data, each=each, epochs=2, n_threads=n_threads)
    assert len(found) == 1
    assert found[0].filename == __file__
    assert [h.stopped for h in histories] == ["epochs"] * 2 + ["diverged"] + ["epochs"] * 3


@pytest.mark.parametrize("n_threads", [1, 3])
def test_progress_of_all(data, n_threads):
    seen = []
    caller = threading.get_ident()
    fit_many(
        networks(), *data, epochs=2, n_threads=n_threads,
        progress=lambda p: seen.append((p, threading.get_ident() == caller)),
    )  # fmt: skip
    last = seen[-1][0]
    assert all(here and isinstance(p, ManyProgress) for p, here in seen)
    assert (last.networks_done, last.n_networks) == (6, 6)
    assert (last.epochs_done, last.n_epochs) == (12, 12)
    counts = [(p.networks_done, p.epochs_done) for p, _ in seen]
    assert counts == sorted(counts)


class InEpochTwo(Callback):
    """Calls a function at the end of epoch 2."""

    def __init__(self, action):
        self.action = action

    def on_epoch_end(self, fit, record):
        if record["epoch"] == 2:
            self.action()


def interrupt():
    signal.raise_signal(signal.SIGINT)


class Begins(Callback):
    """Sets an event when its fit begins."""

    def __init__(self, event):
        self.event = event

    def on_train_begin(self, fit):
        self.event.set()


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("on_interrupt", ["raise", "return"])
def test_an_interrupt_ends_all(data, n_threads, on_interrupt):
    nets = equals()
    second = threading.Event()

    def act():
        if n_threads > 1:
            second.wait()
        interrupt()

    each = [{"callbacks": [InEpochTwo(act)]}, {"callbacks": [Begins(second)]}, {}, {}]
    given = {"epochs": 10**7, "n_threads": n_threads, "on_interrupt": on_interrupt}
    if on_interrupt == "raise":
        with pytest.raises(KeyboardInterrupt):
            fit_many(nets, *data, each=each, **given)
    else:
        assert [h.stopped for h in fit_many(nets, *data, each=each, **given)].count(
            "interrupted"
        ) >= 1
    stops = [net.history.stopped for net in nets]
    assert set(stops) <= {"interrupted", ""}
    assert stops[0] == "interrupted"
    if n_threads == 2:
        assert stops[1:] == ["interrupted", "", ""]
    for net in nets:
        assert np.isfinite(net.params).all()


@pytest.mark.parametrize("n_threads", [1, 2])
def test_an_exception_ends_all_and_names_the_network(data, n_threads):
    def fails():
        raise RuntimeError("no")

    nets = equals()
    each = [{}, {"callbacks": [InEpochTwo(fails)]}, {}, {}]
    epochs = 2 if n_threads == 1 else 10**7
    with pytest.raises(RuntimeError, match="no") as found:
        fit_many(nets, *data, each=each, epochs=epochs, n_threads=n_threads)
    assert found.value.__notes__ == ["in the fit of networks[1]"]
    assert nets[3].history.stopped == ""


def test_an_exception_of_progress_ends_all(data):
    def fails(progress):
        raise RuntimeError("no")

    nets = equals()
    with pytest.raises(RuntimeError, match="no"):
        fit_many(nets, *data, epochs=10**7, n_threads=2, progress=fails)
    stops = [net.history.stopped for net in nets]
    assert set(stops[:2]) <= {"interrupted", ""}
    assert stops[2:] == ["", ""]


def test_long_fits_begin_first(data):
    began = []

    class Begins(Callback):
        def __init__(self, i):
            self.i = i

        def on_train_begin(self, fit):
            began.append(self.i)

    each = [{"callbacks": [Begins(i)], "epochs": 1 + i % 3} for i in range(6)]
    nets = equals(6)
    fit_many(nets, *data, each=each, n_threads=1)
    assert began == [2, 5, 1, 4, 0, 3]


def test_one_network_uses_several_threads_and_many_use_one(data):
    used = {}

    class Threads(Callback):
        def on_train_begin(self, fit):
            used[threading.get_ident()] = fit.bound.threads_now

    for n in (1, 2, 3):
        used.clear()
        nets = networks(n, n_threads=3)
        fit_many(nets, *data, epochs=1, n_threads=4, callbacks=[Threads()])
        assert set(used.values()) == {4 // n}
        assert all(net.n_threads == 3 for net in nets)


def shared():
    rng = np.random.default_rng(0)
    return [Network([4, 3, 1], output="identity", seed=rng) for _ in range(2)]


@pytest.mark.parametrize(
    ("given", "options", "error", "message"),
    [
        (lambda: networks(1)[0], {}, TypeError, "sequence of Network, got Network"),
        (lambda: [3], {}, TypeError, r"networks\[0\] must be a Network, got int"),
        (lambda: networks(1) * 2, {}, ValueError, r"networks\[0\] and networks\[1\] are one"),
        (shared, {}, ValueError, r"networks\[0\] and networks\[1\] draw from the same generator"),
        (networks, {"rng": np.random.default_rng(0)}, ValueError, "the same generator"),
        (networks, {"rows": [None]}, ValueError, "rows must have 6 entries"),
        (networks, {"each": {}}, TypeError, "each must be a sequence"),
        (networks, {"epoch": 3}, TypeError, "unexpected option 'epoch'.*epochs"),
        (networks, {"each": [{"on_interrupt": "raise"}] * 6}, TypeError, "on_interrupt"),
        (networks, {"checkpoint": "x"}, ValueError, "cannot share one checkpoint"),
        (networks, {"on_interrupt": "go"}, ValueError, "on_interrupt"),
        (networks, {"n_threads": 0}, ValueError, "n_threads"),
        (networks, {"rows": [[0]] * 6, "each": [{"rows": [0]}] * 6}, ValueError, "in each"),
        (
            networks, {"each": [{}] * 5 + [{"epochs": 0}]}, ValueError,
            r"networks\[5\]: epochs must be at least 1",
        ),
        (networks, {"rows": [None] * 3 + [[90]] + [None] * 2}, ValueError, r"networks\[3\]: rows"),
    ],
)  # fmt: skip
def test_refusals(data, given, options, error, message):
    nets = given()
    several = nets if isinstance(nets, list) and isinstance(nets[0], Network) else []
    before = [net.params.copy() for net in several]
    with pytest.raises(error, match=message):
        fit_many(nets, *data, **options)
    assert all(np.array_equal(net.params, a) for net, a in zip(several, before, strict=True))
    assert all(len(net.history) == 0 for net in several)


def test_an_interrupt_ends_the_fits_within_their_epochs(rng):
    class InBatchThree(Callback):
        def on_batch_end(self, fit, loss):
            if fit.t == 3:
                second.wait()
                interrupt()

    second = threading.Event()

    X = rng.normal(size=(100_000, 64)).astype(np.float32)
    nets = [Network([64, 256, 256, 1], output="identity", seed=i) for i in range(2)]
    each = [{"callbacks": [InBatchThree()]}, {"callbacks": [Begins(second)]}]
    with pytest.raises(KeyboardInterrupt):
        fit_many(nets, X, X[:, 0], each=each, n_threads=2, metrics=False)
    assert [net.history.stopped for net in nets] == ["interrupted", "interrupted"]
    assert [len(net.history) for net in nets] == [0, 0]


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"each": [1, {}]}, r"each\[0\] must map names of options to values, got 1"),
        ({"each": [{}, {1: 2}]}, r"each\[1\] must map names of options"),
        ({"each": ["ab", {}]}, r"each\[0\] must map names of options"),
        ({"progress": 3}, "progress must be callable, got 3"),
    ],
)
def test_arguments_of_wrong_types_change_nothing(given, match):
    nets = [Network([2, 3, 1], output="identity", seed=i) for i in range(2)]
    before = [net.params.copy() for net in nets]
    with pytest.raises(TypeError, match=match):
        fit_many(nets, np.zeros((4, 2)), np.arange(4.0), epochs=1, **given)
    assert all(np.array_equal(net.params, old) for net, old in zip(nets, before, strict=True))


def test_iterators_are_options_of_all_networks(data):
    nets, seen = networks(3), []
    starts = [net.weights[0].copy() for net in nets]
    record = iter([seen.append])
    fit_many(nets, *data, epochs=1, callbacks=record, frozen=iter([1]), n_threads=1)
    assert len(seen) == 3
    for net, start in zip(nets, starts, strict=True):
        np.testing.assert_array_equal(net.weights[0], start)


def test_two_networks_with_one_checkpoint_are_refused(data, tmp_path):
    nets = networks(3)
    starts = [net.params.copy() for net in nets]
    same = {"checkpoint": tmp_path / "same"}
    message = r"networks\[0\] and networks\[2\] have one checkpoint"
    with pytest.raises(ValueError, match=message):
        fit_many(nets, *data, epochs=1, each=[same, {}, {"checkpoint": str(tmp_path / "same")}])
    for net, start in zip(nets, starts, strict=True):
        np.testing.assert_array_equal(net.params, start)
