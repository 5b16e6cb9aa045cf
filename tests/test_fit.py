"""fit: what each of its options does, and what it refuses."""

from dataclasses import dataclass

import numpy as np
import pytest
from support.clock import install
from support.fits import classes, network, values

from ffnn_fast import Network
from ffnn_fast._training.averaging import Averaging
from ffnn_fast._training.stopping import EarlyStopping
from ffnn_fast.metrics import Metric
from ffnn_fast.optimizers import SGD, Adam, Optimizer
from ffnn_fast.schedules import OneCycle, ReduceOnPlateau, StepDecay, WarmUp


@dataclass(frozen=True, kw_only=True)
class Plain(Optimizer):
    """SGD once more, as a user writes it."""

    name = "plain"

    def rule(self, hyper, params, grad, state, t):
        params -= float(hyper[0]) * grad


@dataclass(frozen=True, kw_only=True)
class Heavy(Optimizer):
    """A rule with a state and a clock."""

    mass: float = 0.9
    name = "heavy"
    slots = 1

    def rule(self, hyper, params, grad, state, t):
        rate, mass = map(float, hyper)
        state[0] = mass * state[0] + grad / t
        params -= rate * state[0]


@pytest.mark.parametrize("batch_size", [1, 32, None])
def test_a_rule_of_ones_own_runs_on_compiled_gradients(batch_size, dtype, rtol):
    X, y = classes()
    nets = [network(dtype=dtype) for _ in range(2)]
    options = {"batch_size": batch_size, "epochs": 2}
    nets[0].fit(X, y, optimizer=SGD(learning_rate=0.1), **options)
    nets[1].fit(X, y, optimizer=Plain(learning_rate=0.1), **options)
    np.testing.assert_allclose(nets[1].params, nets[0].params, rtol=10 * rtol, atol=10 * rtol)


def test_a_rule_of_ones_own_keeps_state_and_clock(dtype, rtol):
    X, y = classes()
    compiled, reference = (network(dtype=dtype, engine=e) for e in ("compiled", "reference"))
    for net in (compiled, reference):
        net.fit(X, y, optimizer=Heavy(learning_rate=0.05), epochs=3)
    np.testing.assert_allclose(compiled.params, reference.params, rtol=10 * rtol, atol=10 * rtol)


@pytest.mark.parametrize("optimizer", ["adam", Adam, Adam(learning_rate=0.001)])
def test_optimizers_by_name_class_and_object(optimizer):
    X, y = classes()
    net, other = network(), network()
    history = net.fit(X, y, optimizer=optimizer, epochs=2)
    other.fit(X, y, optimizer=Adam(learning_rate=0.001), epochs=2)
    np.testing.assert_array_equal(net.params, other.params)
    assert history["learning_rate"] == [0.001, 0.001]


def test_a_schedule_sets_the_rate_of_each_step():
    X, y = classes(64)
    by_schedule, by_hand = network(), network()
    history = by_schedule.fit(
        X, y, batch_size=32, epochs=2, shuffle=False, learning_rate=lambda u: 0.1 / (1 + u)
    )
    for u in range(4):
        rows = slice(32 * (u % 2), 32 * (u % 2) + 32)
        by_hand.step(X[rows], y[rows], 0.1 / (1 + u))
    np.testing.assert_array_equal(by_schedule.params, by_hand.params)
    assert history["learning_rate"] == [0.1 / 2, 0.1 / 4]


def test_a_schedule_may_stand_among_the_callbacks():
    X, y = classes()
    history = network().fit(X, y, epochs=3, callbacks=[StepDecay(0.2, 1, 0.5)])
    np.testing.assert_allclose(history["learning_rate"], [0.2, 0.1, 0.05])


def test_the_rate_falls_on_a_plateau():
    X, y = classes()
    plateau = WarmUp(ReduceOnPlateau(1e-6, "val_loss", 0.5, 1, threshold=0.5), 3)
    history = network().fit(X, y, epochs=5, learning_rate=plateau, validation_fraction=0.3)
    np.testing.assert_allclose(history["learning_rate"], [1e-6] * 3 + [5e-7] * 2)


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("optimizer", ["sgd", Plain(learning_rate=0.1)])
def test_the_short_last_batch_is_left_out(engine, optimizer):
    """Each epoch trains on the first whole batches of its order, and the schedule counts them."""
    X, y = classes(70)
    rates = OneCycle(0.1) if optimizer == "sgd" else None
    options = {"optimizer": optimizer, "learning_rate": rates, "batch_size": 32, "metrics": False}
    net, other = network(engine=engine), network(engine=engine)
    history = net.fit(X, y, epochs=3, drop_last=True, **options)
    orders = [other.rng.permutation(70)[:64] for _ in range(3)]
    rows = np.concatenate(orders)
    whole = other.fit(X[rows], y[rows], epochs=1, shuffle=False, **options)
    np.testing.assert_array_equal(net.params, other.params)
    assert np.mean(history["loss"]) == pytest.approx(whole["loss"][0], rel=1e-6)
    assert history["learning_rate"][-1] == whole["learning_rate"][-1]


@pytest.mark.parametrize("batch_size", [20, 30, None])
def test_whole_batches_are_all_kept(batch_size):
    """Nothing is left out of rows that make whole batches, or less than one."""
    X, y = classes(20)
    nets = [network() for _ in range(2)]
    for net, drop_last in zip(nets, (False, True), strict=True):
        net.fit(X, y, epochs=2, batch_size=batch_size, drop_last=drop_last)
    np.testing.assert_array_equal(nets[0].params, nets[1].params)


def test_all_rows_are_one_batch():
    X, y = classes(50)
    net, other = network(), network()
    net.fit(X, y, batch_size=None, epochs=3, learning_rate=0.2)
    other.gradient_descent(X, y, 0.2, 3)
    np.testing.assert_allclose(net.params, other.params, rtol=1e-5, atol=1e-6)


def test_class_weights_are_sample_weights():
    X, y = classes(90)
    y[10:80] = 0
    weight = np.where(y == 1, 90 / (2 * (y == 1).sum()), 90 / (2 * (y == 0).sum()))
    own = np.random.default_rng(1).random(90)
    nets = [network() for _ in range(4)]
    nets[0].fit(X, y, class_weight="balanced", sample_weight=own)
    nets[1].fit(X, y, sample_weight=weight * own)
    nets[2].fit(X, y, class_weight={0: weight[y == 0][0], 1: weight[y == 1][0]}, sample_weight=own)
    nets[3].fit(X, y, sample_weight=own)
    for net in nets[1:3]:
        np.testing.assert_allclose(net.params, nets[0].params, rtol=1e-5, atol=1e-6)
    assert np.abs(nets[3].params - nets[0].params).max() > 1e-3


def test_class_weights_of_one_output():
    X, y = classes(60)
    net, other = (Network([5, 4, 1], output="logistic", seed=0) for _ in range(2))
    net.fit(X, y, class_weight={1: 3.0})
    other.fit(X, y, sample_weight=np.where(y == 1, 3.0, 1.0))
    np.testing.assert_array_equal(net.params, other.params)


def test_a_fraction_is_held_out_by_the_generator():
    X, y = classes(100)
    one, two = network(), network()
    history = one.fit(X, y, validation_fraction=0.25, epochs=3, rng=7)
    two.fit(X, y, validation_fraction=0.25, epochs=3, rng=7)
    np.testing.assert_array_equal(one.params, two.params)
    assert "val_accuracy" in history.keys()  # noqa: SIM118
    from ffnn_fast._training.sampling import hold_out

    generator = np.random.default_rng(7)
    train, held = hold_out(100, 0.25, generator, y)
    by_hand = network()
    records = by_hand.fit(
        X[train], y[train], validation_data=(X[held], y[held]), epochs=3, rng=generator
    )
    np.testing.assert_array_equal(by_hand.params, one.params)
    assert records["val_loss"] == history["val_loss"]


def test_early_stopping_restores_the_best():
    X, y = classes(60)
    net = network()
    seen = []
    rule = EarlyStopping(patience=3, min_delta=1e-4)
    history = net.fit(
        X, y, epochs=500, learning_rate=1.0, validation_fraction=0.4, early_stopping=rule,
        callbacks=[lambda record: seen.append(net.params.copy())], batch_size=8,
    )  # fmt: skip
    losses = history["val_loss"]
    assert len(history) < 500
    assert len(history) == history.best_epoch + 3
    best = losses[history.best_epoch - 1]
    assert min(losses) >= best - 1e-4
    np.testing.assert_array_equal(net.params, seen[history.best_epoch - 1])
    assert "val_loss has not improved for 3 epochs" in history.stopped


def test_early_stopping_can_keep_the_last_and_watch_a_score():
    X, y = classes(60)
    net, seen = network(), []
    rule = EarlyStopping("accuracy", patience=2, restore_best=False)
    history = net.fit(
        X,
        y,
        epochs=300,
        learning_rate=1e-9,
        callbacks=[rule, lambda r: seen.append(net.params.copy())],
    )
    assert len(history) == 3
    np.testing.assert_array_equal(net.params, seen[-1])


def test_tol_stops_when_the_loss_no_longer_falls():
    X, y = classes(60)
    history = network().fit(X, y, epochs=100, learning_rate=1e-7, tol=1e-3)
    assert len(history) == 11


@pytest.mark.parametrize(("rows", "epochs"), [(200, 3), (20_000, 0)])
def test_max_time(monkeypatch, rows, epochs):
    """Two and a half seconds are over after three chunks, each an epoch or a part of one."""
    clock = install(monkeypatch, "ffnn_fast._training.loop.perf_counter")
    monkeypatch.setattr("ffnn_fast._training.loop.CHUNK", 1e-3)
    X, y = classes(rows)
    history = network().fit(X, y, epochs=10**7, batch_size=1, max_time=2.5, metrics=False)
    assert clock.calls == 3
    assert len(history) == epochs
    assert history.stopped == "max_time"


@pytest.mark.parametrize("optimizer", ["momentum", "adam"])
def test_a_later_fit_starts_with_a_new_state_of_the_optimizer(optimizer):
    X, y = classes(64)
    net, ends = network(), []
    start = net.params.copy()
    for _ in range(3):
        net.params[:] = start
        net.fit(X, y, optimizer=optimizer, epochs=2, rng=0)
        ends.append(net.params.tobytes())
    assert len(set(ends)) == 1


def test_ema_is_the_average_after_each_step():
    X, y = classes(64)
    net, plain, mean = network(dtype="float64"), network(dtype="float64"), None
    history = net.fit(X, y, averaging=Averaging(decay=0.9), epochs=2, shuffle=False)
    for u in range(4):
        rows = slice(32 * (u % 2), 32 * (u % 2) + 32)
        plain.step(X[rows], y[rows], 0.1)
        mean = plain.params.copy() if mean is None else mean + 0.1 * (plain.params - mean)
    np.testing.assert_allclose(net.params, mean, rtol=1e-12)
    np.testing.assert_array_equal(history.average, net.params)
    assert history["accuracy"][-1] == net.score(X, y)


def test_swa_is_the_mean_of_the_ends_of_epochs():
    X, y = classes(64)
    net, seen = network(dtype="float64"), []
    history = net.fit(
        X, y, averaging=Averaging("swa", start=3), epochs=6, validation_data=(X, y),
        callbacks=[lambda record: seen.append(net.params.copy())],
    )  # fmt: skip
    np.testing.assert_allclose(net.params, np.mean(seen[2:], axis=0), rtol=1e-12)
    assert history["val_loss"][-1] == pytest.approx(net.loss(X, y))


@pytest.mark.parametrize("kind", ["ema", "swa"])
def test_the_net_may_end_with_its_last_parameters(kind):
    X, y = classes(64)
    net, plain = network(), network()
    history = net.fit(X, y, averaging=Averaging(kind, use=False))
    plain.fit(X, y)
    np.testing.assert_allclose(net.params, plain.params, rtol=1e-4, atol=1e-6)
    assert (history.average != net.params).any()


def test_layers_can_be_frozen():
    X, y = classes(64)
    net = network()
    before = net.copy()
    net.fit(X, y, frozen=[1])
    np.testing.assert_array_equal(net.weights[0], before.weights[0])
    np.testing.assert_array_equal(net.biases[0], before.biases[0])
    assert (net.weights[1] != before.weights[1]).any()


def test_bounds():
    X, y = classes(64)
    net = network(dtype="float64")
    before = net.params.copy()
    net.fit(X, y, batch_size=None, epochs=1, clip_norm=1e-3, learning_rate=1.0)
    assert np.linalg.norm(net.params - before) == pytest.approx(1e-3, rel=1e-2)
    net.fit(X, y, max_norm=0.5)
    assert max(np.linalg.norm(W, axis=1).max() for W in net.weights) <= 0.5 + 1e-9


def test_metrics_by_name_and_function():
    X, y = classes(80)

    def share_of_ones(truth, predicted):
        assert set(truth) <= {0, 1}
        return float(np.mean(predicted))

    mass = Metric("mass", lambda truth, y_hat: float(y_hat.sum()), takes="outputs")
    net = network()
    history = net.fit(
        X, y, metrics=["accuracy", "f1", "top_1", "log_loss", share_of_ones, mass],
        validation_data=(X, y), epochs=2,
    )  # fmt: skip
    last = history[-1]
    assert last["accuracy"] == last["top_1"] == net.score(X, y)
    assert last["log_loss"] == pytest.approx(net.loss(X, y), rel=1e-5)
    assert last["val_share_of_ones"] == net.predict(X).mean()
    assert last["mass"] == pytest.approx(80, rel=1e-5)


def test_metrics_of_values():
    X, y = values()
    net = Network([3, 8, 1], output="identity", seed=0)
    last = net.fit(X, y, metrics=["r2", "rmse", "mae"], epochs=5)[-1]
    predicted = net.predict(X)
    assert last["rmse"] == pytest.approx(np.sqrt(np.mean((y - predicted) ** 2)), rel=1e-5)
    assert last["mae"] == pytest.approx(np.abs(y - predicted).mean(), rel=1e-5)


def test_missing_targets_do_not_count():
    X, y = values()
    net = Network([3, 8, 1], output="identity", missing_targets="ignore", seed=0)
    y[::3] = np.nan
    last = net.fit(X, y, metrics=["rmse", lambda truth, predicted: float(len(truth))], epochs=2)[-1]
    known = ~np.isnan(y)
    assert last["rmse"] == pytest.approx(
        np.sqrt(np.mean((y - net.predict(X))[known] ** 2)), rel=1e-5
    )
    assert last["<lambda>"] == known.sum()


def test_without_metrics_nothing_else_is_computed(monkeypatch):
    from ffnn_fast._runtime.bound_network import BoundNetwork

    for name in ("forward", "loss_gradient"):
        monkeypatch.setattr(BoundNetwork, name, None)
    X, y = classes()
    assert "gradient_norm" not in network().fit(X, y, metrics=False)[-1]


def test_a_short_epoch_is_one_call_of_the_engine(monkeypatch):
    from ffnn_fast._runtime.bound_network import BoundNetwork

    calls, train = [], BoundNetwork.train
    monkeypatch.setattr(BoundNetwork, "train", lambda *args: calls.append(1) or train(*args))
    X, y = classes(6400)
    network().fit(X, y, epochs=3, batch_size=1)
    assert len(calls) == 3


def test_an_epoch_in_pieces_has_the_same_bits(monkeypatch):
    X, y = classes(1000)
    whole, pieces = network(dropout=0.2), network(dropout=0.2)
    whole.fit(X, y, epochs=2, optimizer="adam", batch_size=8)
    monkeypatch.setattr("ffnn_fast._training.loop.CHUNK", 1e-5)
    pieces.fit(X, y, epochs=2, optimizer="adam", batch_size=8)
    np.testing.assert_array_equal(whole.params, pieces.params)


def test_a_memory_mapped_file_is_not_copied(tmp_path, monkeypatch):
    from ffnn_fast._runtime.bound_network import BoundNetwork

    X, y = classes(500)
    np.save(tmp_path / "X.npy", X)
    mapped, seen, train = np.load(tmp_path / "X.npy", mmap_mode="r"), [], BoundNetwork.train
    monkeypatch.setattr(BoundNetwork, "train", lambda *args: seen.append(args[1].X) or train(*args))
    net, other = network(), network()
    net.fit(mapped, y)
    other.fit(X, y)
    np.testing.assert_array_equal(net.params, other.params)
    assert np.shares_memory(seen[0], mapped)


@pytest.mark.parametrize("factor", [2.0**1022, 2.0**-1072])
def test_weights_of_any_size_train_alike(factor):
    """Their sum overflows, or they are the smallest floats."""
    X, y = classes()
    weight = np.tile([1.0, 2.0, 0.0, 1.0], len(X) // 4 + 1)[: len(X)]
    plain, scaled = network(), network()
    plain.fit(X, y, sample_weight=weight, epochs=2)
    scaled.fit(X, y, sample_weight=factor * weight, epochs=2)
    np.testing.assert_array_equal(plain.params, scaled.params)
