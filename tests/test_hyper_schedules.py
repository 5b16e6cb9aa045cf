"""Schedules of weight decay, momentum, dropout: by hand, in both engines, refusals, estimators."""

import pickle
from dataclasses import dataclass, replace

import numpy as np
import pytest
from sklearn.base import clone
from support.fits import StopAt, classes, network
from support.problems import relative_error

from ffnn_fast import CheckpointError, Network, reference
from ffnn_fast._training import loop
from ffnn_fast.optimizers import OPTIMIZERS, AdamW, Optimizer, RMSprop, StepRule
from ffnn_fast.schedules import (
    Cosine,
    Custom,
    FlatCosine,
    ReduceOnPlateau,
    Schedule,
    StepDecay,
    WarmUp,
)
from ffnn_fast.sklearn import MLPClassifier, MLPRegressor

pytestmark = [
    pytest.mark.engine,
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]
X, Y = classes(100)


@pytest.mark.parametrize("engine_name", ["compiled", "reference"])
def test_weight_decay_and_dropout_follow_their_schedules(engine_name):
    """A fit, and the same steps by hand: a network and a rule of its own for every step."""
    steps = 12
    decay, drop = FlatCosine(0.5, 0.25), StepDecay(0.4, 3, 0.5, per="step")
    net = network(engine=engine_name, dropout=0.1, dtype="float64")
    spec, params = net.spec, net.params.copy()
    history = net.fit(
        X, Y, epochs=steps, batch_size=None, optimizer=AdamW(learning_rate=0.05, weight_decay=9.0),
        schedules={"weight_decay": decay, "dropout": drop}, rng=8,
    )  # fmt: skip
    seed = int(np.random.default_rng(8).integers(2**63))
    t = np.arange(steps)
    decays, drops = decay.at(t / steps), 0.4 * 0.5 ** (t // 3)
    state, grad = np.zeros((2, len(params))), np.empty_like(params)
    samples = (X.astype(np.float64), Y, None)
    for step in range(steps):
        rates = tuple(float(drops[step]) if rate else 0.0 for rate in spec.dropout_rates)
        plan = reference.Plan(replace(spec, dropout=rates))
        mask = (seed, step + 1)
        reference.loss_gradient(plan, params, *samples, grad, None, mask)
        optimizer = AdamW(learning_rate=0.05, weight_decay=float(decays[step]))
        reference.update(plan, StepRule(optimizer), optimizer.hyper, params, grad, state, step + 1)
    np.testing.assert_allclose(net.params, params, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(history["weight_decay"], decays, rtol=1e-12)
    np.testing.assert_allclose(history["dropout"], drops, rtol=1e-12)


def fit_options(**given):
    return {
        "epochs": 4, "batch_size": 9, "optimizer": "adamw", "learning_rate": Cosine(0.05),
        "schedules": {"weight_decay": FlatCosine(0.3), "dropout": FlatCosine(0.4)}, **given,
    }  # fmt: skip


@pytest.mark.parametrize("batch_size", [1, 9, 64, None])
def test_threads_and_chunks_change_no_bit(batch_size, monkeypatch):
    nets = [network(dropout=0.2, n_threads=n) for n in (1, 2, 2, 1)]
    callbacks = [(), (), [StopAt(0)], ()]
    for i, (net, per_batch) in enumerate(zip(nets, callbacks, strict=True)):
        if i == 3:
            monkeypatch.setattr(loop, "CHUNK", 1e-9)
        net.fit(X, Y, **fit_options(batch_size=batch_size, callbacks=per_batch))
        np.testing.assert_array_equal(net.params, nets[0].params)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("batch_size", [1, 9, None])
def test_a_fit_in_both_engines(dtype, batch_size):
    nets = [network(dropout=0.2, engine=e, dtype=dtype) for e in ("compiled", "reference")]
    for net in nets:
        net.fit(X, Y, **fit_options(batch_size=batch_size, epochs=2))
    tolerance = 1e-8 if dtype == "float64" else 2e-2
    assert relative_error(nets[0].params, nets[1].params) <= tolerance


def test_a_constant_schedule_has_the_bits_of_the_hyperparameter():
    nets = [network(dropout=rate) for rate in (0.4, 0.1)]
    given = {"epochs": 3, "batch_size": 9}
    nets[0].fit(X, Y, **given, optimizer=AdamW(weight_decay=0.3, beta_1=0.8))
    nets[1].fit(
        X, Y, **given, optimizer="adamw",
        schedules={"weight_decay": 0.3, "beta_1": lambda step: 0.8, "dropout": 0.4},
    )  # fmt: skip
    np.testing.assert_array_equal(nets[1].params, nets[0].params)


@pytest.mark.parametrize(
    "optimizer",
    [kind() for name, kind in OPTIMIZERS.items() if name != "sgd"],
    ids=lambda o: o.name,
)
def test_every_hyperparameter_of_every_optimizer(optimizer):
    """It has an effect, the same in both engines."""
    names = list(vars(optimizer))[1:]
    if optimizer.name == "rmsprop":
        optimizer = replace(optimizer, momentum=0.5)
    for name in names:
        value, low = getattr(optimizer, name), 1.0 if name == "eta_plus" else 0.0
        largest = value - low
        changed = Custom(lambda u, low=low, most=largest: low + most * (1 - 0.4 / (1 + u)))
        nets = [network(engine=e, dtype="float64") for e in ("compiled", "reference")]
        for net in nets:
            net.fit(X, Y, epochs=2, batch_size=25, optimizer=optimizer, schedules={name: changed})
        assert relative_error(nets[0].params, nets[1].params) <= 1e-7
        plain = network(dtype="float64")
        plain.fit(X, Y, epochs=2, batch_size=25, optimizer=optimizer)
        small = name in ("epsilon", "step_max", "step_min", "momentum_decay")
        assert small or relative_error(nets[0].params, plain.params) > 1e-6


@dataclass(frozen=True, kw_only=True)
class Shrinking(Optimizer):
    """A rule of the user with a hyperparameter of its own."""

    name = "shrinking"
    keep: float = 0.9

    def rule(self, hyper, params, grad, state, t):
        learning_rate, keep = hyper
        params *= keep
        params -= learning_rate * grad


@pytest.mark.parametrize("engine_name", ["compiled", "reference"])
def test_a_rule_of_the_user(engine_name):
    """It sees its own hyperparameters, and the gradient has the dropout of the step."""
    seen = []

    class Observed(Shrinking):
        def rule(self, hyper, params, grad, state, t):
            seen.append(tuple(map(float, hyper)))
            super().rule(hyper, params, grad, state, t)

    drop = FlatCosine(0.5)
    nets = [network(engine=engine_name, dropout=0.2, dtype="float64") for _ in range(2)]
    schedules = {"keep": lambda step: 1 - 0.1 / (1 + step), "dropout": drop}
    nets[0].fit(X, Y, epochs=3, optimizer=Observed(), schedules=schedules, batch_size=None)
    found = [hyper for hyper in seen if len(hyper) == 2]
    assert len(found) == len(seen)
    assert {0.9, 0.95, 1 - 0.1 / 3} <= {hyper[1] for hyper in seen}
    nets[1].fit(
        X, Y, epochs=3, optimizer="sgd", learning_rate=0.01, schedules={"dropout": drop},
        batch_size=None,
    )  # fmt: skip
    assert relative_error(nets[0].params, nets[1].params) > 1e-3
    kept = network(engine=engine_name, dropout=0.2, dtype="float64")
    kept.fit(
        X, Y, epochs=3, optimizer=Shrinking(), schedules=schedules | {"keep": lambda step: 1.0},
        batch_size=None,
    )  # fmt: skip
    assert relative_error(kept.params, nets[1].params) <= 1e-10


def test_a_fit_without_schedules_is_as_it_was_and_so_is_the_network_afterwards():
    net = network(dropout=0.2)
    history = net.fit(X, Y, **fit_options(schedules={}))
    assert "dropout" not in history[-1]
    assert "weight_decay" not in history[-1]
    net.fit(X, Y, **fit_options())
    assert net.spec.dropout == 0.2
    state = loop_state(schedules=None)
    assert state.hyper(0, 3).shape == (3, 5)
    assert state.options.described().keys() == {
        *("epochs", "batch_size", "rule", "schedule", "shuffle", "stopping", "averaging")
    }


def loop_state(**given):
    """The state of a fit before its first step."""
    seen = []

    class State(StopAt):
        def on_train_begin(self, run):
            seen.append(run)

    network(dropout=0.2).fit(X, Y, **fit_options(**given, callbacks=[State(0)]))
    return seen[0]


def test_diagnostics_and_divergence_use_the_hyperparameters_of_the_step():
    net = network(dropout=0.2)
    history = net.fit(X, Y, **fit_options(diagnostics=True))
    assert history[-1]["update_ratio_1"] > 0
    with pytest.warns(match="training diverged"):
        network(dropout=0.2).fit(
            X, Y, epochs=3, optimizer="adamw", learning_rate=1.0,
            schedules={"weight_decay": lambda step: 1e38 if step > 5 else 0.1, "dropout": 0.5},
        )  # fmt: skip


def test_a_checkpoint_is_of_these_schedules(tmp_path):
    path = tmp_path / "fit"
    whole, net = network(dropout=0.2), network(dropout=0.2)
    whole.fit(X, Y, **fit_options())
    with pytest.raises(KeyboardInterrupt):
        net.fit(X, Y, **fit_options(callbacks=[StopAt(17)], checkpoint=path))
    for other in ({}, {"dropout": FlatCosine(0.4)}, fit_options()["schedules"] | {"beta_1": 0.8}):
        with pytest.raises(CheckpointError, match=r"other options \(schedules\)"):
            network(dropout=0.2).fit(X, Y, **fit_options(schedules=other, resume=path))
    with pytest.raises(CheckpointError, match=r"other options \(epochs\)"):
        network(dropout=0.2).fit(X, Y, **fit_options(epochs=5, resume=path))
    again = network(seed=9, dropout=0.2)
    again.fit(X, Y, **fit_options(resume=path))
    np.testing.assert_array_equal(again.params, whole.params)


@dataclass(frozen=True)
class Nan(Schedule):
    """A schedule of the user that gives NaN."""

    def at(self, u):
        return np.full(len(u), np.nan)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (
            {"schedules": FlatCosine(0.1)},
            TypeError,
            "schedules must be a mapping of hyperparameters",
        ),
        ({"schedules": {"weight_decay": "a"}}, TypeError, r"schedules\['weight_decay'\] must be a"),
        (
            {"schedules": {"decay": 0.1}},
            ValueError,
            "a hyperparameter of AdamW in schedules must be one of beta_1, beta_2, epsilon, "
            "weight_decay, dropout; got 'decay'",
        ),
        (
            {"schedules": {"learning_rate": Cosine(0.1)}},
            ValueError,
            "give the schedule of the learning rate as learning_rate=",
        ),
        (
            {"schedules": {"beta_1": lambda step: 0.9 + 0.01 * step}},
            ValueError,
            r"schedules\['beta_1'\] gives 1.37 in step 48: beta_1 must be in \[0, 1\), got 1.37",
        ),
        (
            {"schedules": {"dropout": FlatCosine(1.0)}},
            ValueError,
            r"schedules\['dropout'\] gives 1 in step 1: a dropout rate must be in \[0, 1\), got 1",
        ),
        (
            {"schedules": {"epsilon": lambda step: 0.0}},
            ValueError,
            "epsilon must be a finite number",
        ),
        ({"schedules": {"dropout": Nan()}}, ValueError, r"schedules\['dropout'\] gives nan"),
        (
            {"schedules": {"dropout": lambda step: -1.0}},
            ValueError,
            "finite numbers >= 0, got -1.0",
        ),
        (
            {"schedules": {"dropout": WarmUp(ReduceOnPlateau(0.1, "loss"), 5)}},
            ValueError,
            r"schedules\['dropout'\] must depend on the number of the step alone; ReduceOnPlateau",
        ),
        (
            {"schedules": {"momentum": FlatCosine(0.5)}, "optimizer": "rmsprop"},
            ValueError,
            r"RMSprop\(momentum=0\) keeps no state for it; give the optimizer the first value",
        ),
    ],
)
def test_refusals_change_nothing(given, error, message):
    net = network(dropout=0.2)
    before, state = net.params.copy(), net.rng.bit_generator.state
    with pytest.raises(error, match=message):
        net.fit(X, Y, **fit_options(**given))
    np.testing.assert_array_equal(net.params, before)
    assert net.rng.bit_generator.state == state
    assert not net.history


def test_the_network_says_which_layers_drop_units():
    schedules = {"dropout": FlatCosine(0.1)}
    with pytest.raises(ValueError, match=r"needs a network with dropout, as Network\(dropout="):
        network().fit(X, Y, schedules=schedules)
    with pytest.raises(ValueError, match=r"gives one rate to all layers .* the rates 0\.1, 0\.3"):
        network(dropout=(0.1, 0.3)).fit(X, Y, schedules=schedules)
    inputs_only = Network([5, 8, 2], dropout=(0.1, 0.0), seed=0, dtype="float64")
    twin = Network([5, 8, 2], dropout=(0.4, 0.0), seed=0, dtype="float64")
    inputs_only.fit(X, Y, epochs=2, schedules={"dropout": 0.4})
    twin.fit(X, Y, epochs=2)
    np.testing.assert_array_equal(inputs_only.params, twin.params)


def test_values_of_a_very_long_fit_are_checked_at_its_ends_and_when_they_are_used(monkeypatch):
    monkeypatch.setattr("ffnn_fast._training.hyper_schedules.CHECKED", 10)
    calls = []

    def late(step):
        calls.append(step)
        return 2.0 if step == 24 else 0.1

    net = network(dropout=0.2)
    before = net.params.copy()
    with pytest.raises(ValueError, match=r"schedules\['dropout'\] gives 2 in step 25"):
        net.fit(X, Y, **fit_options(schedules={"dropout": late}, callbacks=[StopAt(0)]))
    assert calls[:20] == [*range(10), *range(38, 48)]
    assert not np.array_equal(net.params, before)


def estimator(**given):
    options = {
        "max_iter": 5, "batch_size": 15, "n_iter_no_change": 100, "random_state": 0,
        "solver": "adamw", "dropout": [0.0, 0.3], **given,
    }  # fmt: skip
    return MLPClassifier(8, **options)


SCHEDULES = {"weight_decay": FlatCosine(0.4), "dropout": FlatCosine(0.3, 0.2)}


def test_estimators_take_schedules():
    records = []
    model = estimator(schedules=SCHEDULES, callbacks=records.append).fit(X, Y)
    share = np.arange(6, 35, 7) / 35
    for name, schedule in SCHEDULES.items():
        np.testing.assert_allclose([r[name] for r in records], schedule.at(share), rtol=1e-12)
    plain = estimator().fit(X, Y)
    assert relative_error(model.coefs_[0], plain.coefs_[0]) > 1e-3
    model.set_params(callbacks=None)
    for copied in (clone(model), pickle.loads(pickle.dumps(model))):
        assert copied.get_params()["schedules"] == SCHEDULES
        assert copied.fit(X, Y).loss_curve_ == model.loss_curve_


@pytest.mark.parametrize("solver", ["sgd", "adam", "adamw", RMSprop(momentum=0.9)])
def test_constant_schedules_of_estimators_have_the_bits_of_the_parameters(solver):
    values = {"sgd": {"momentum": 0.5}, "adam": {"beta_2": 0.99, "epsilon": 1e-3}}
    given = values.get(solver, {"weight_decay": 0.2}) if isinstance(solver, str) else {}
    expected = estimator(solver=solver, **given, dropout=[0.0, 0.5]).fit(X, Y)
    model = estimator(solver=solver, schedules={**given, "dropout": 0.5}).fit(X, Y)
    assert model.loss_curve_ == expected.loss_curve_


def test_refusals_of_estimators():
    model = estimator(schedules=SCHEDULES)
    with pytest.raises(ValueError, match="partial_fit has no known number of steps"):
        model.partial_fit(X, Y, classes=[0, 1])
    in_steps = {"weight_decay": FlatCosine(0.4, total=10)}
    model.set_params(schedules=in_steps).partial_fit(X, Y, classes=[0, 1]).partial_fit(X, Y)
    with pytest.raises(ValueError, match=r"schedules\['beta_1'\] gives 3 in step 1"):
        estimator(schedules={"beta_1": 3.0}).fit(X, Y)
    with pytest.raises(ValueError, match="needs a network with dropout"):
        MLPRegressor(schedules={"dropout": FlatCosine(0.1)}).fit(X, X[:, 0])
    with pytest.raises(ValueError, match="The 'schedules' parameter"):
        MLPRegressor(schedules=3).fit(X, X[:, 0])
