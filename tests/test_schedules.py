"""Schedules: their formulas by hand and by another library, steps and epochs, warming up."""

import json
import math
import pickle

import numpy as np
import pytest
from golden.schedules import FILE, LOSSES

from ffnn_fast.schedules import (
    Constant,
    Cosine,
    Custom,
    Exponential,
    InverseScaling,
    OneCycle,
    ReduceOnPlateau,
    Schedule,
    StepDecay,
    WarmUp,
    as_schedule,
)

GOLDEN = json.loads(FILE.read_text())
SCHEDULES = {
    "step": StepDecay(0.1, 7, 0.3, per="step"),
    "exponential": Exponential(0.1, 0.9, per="step"),
    "cosine": Cosine(0.1, 6, 0.01, per="step"),
    "cosine_growing": Cosine(0.1, 3, 0.01, 2, per="step"),
    "one_cycle": OneCycle(0.1, 25),
    "plateau": ReduceOnPlateau(0.1, "loss", 0.5, 2, cooldown=1, minimum=0.01),
    "warm_up_exponential": WarmUp(Exponential(0.1, 0.9, per="step"), 5, 0.25),
}


def rates(schedule, n, steps_per_epoch=1):
    return schedule.rates(0, n, steps_per_epoch, schedule.new_memory())


@pytest.mark.parametrize("name", GOLDEN)
def test_same_rates_as_torch(name):
    schedule, found = SCHEDULES[name], []
    memory = schedule.new_memory()
    for step, loss in enumerate(LOSSES):
        found += schedule.rates(step, 1, 1, memory).tolist()
        schedule.observe({"loss": loss}, memory)
    np.testing.assert_allclose(found, GOLDEN[name], rtol=1e-12)


def test_by_hand():
    assert rates(Constant(0.3), 4).tolist() == [0.3]
    np.testing.assert_allclose(rates(InverseScaling(1.0), 3), [1, 1 / math.sqrt(2), 3**-0.5])
    np.testing.assert_allclose(rates(StepDecay(1.0, 2, 0.5), 5), [1, 1, 0.5, 0.5, 0.25])
    np.testing.assert_allclose(rates(Exponential(1.0, 0.5), 3), [1, 0.5, 0.25])
    np.testing.assert_allclose(
        rates(Cosine(1.0, 4), 5), [1, 0.5 + 0.125**0.5, 0.5, 0.5 - 0.125**0.5, 1]
    )
    np.testing.assert_allclose(rates(WarmUp(2.0, 4, 0.5), 6), [1, 1.25, 1.5, 1.75, 2, 2])
    np.testing.assert_allclose(rates(Custom(lambda u: 1 / (1 + u)), 3), [1, 1 / 2, 1 / 3])


def test_one_cycle_stays_at_its_end():
    late = rates(OneCycle(0.1, 25), 40)[25:]
    np.testing.assert_allclose(late, 0.1 / 25 / 1e4)


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_any_cut_gives_the_same_rates(schedule):
    """Bits do not depend on how many steps are asked for at a time."""
    memory = schedule.new_memory()
    whole = np.broadcast_to(schedule.rates(0, 24, 5, memory), 24)
    parts = [
        np.broadcast_to(schedule.rates(first, n, 5, memory), n) for first, n in ((0, 7), (7, 17))
    ]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_epochs_count_as_units():
    assert rates(Exponential(1.0, 0.5, per="epoch"), 6, 3).tolist() == [1, 1, 1, 0.5, 0.5, 0.5]
    assert rates(Custom(float, per="epoch"), 6, 2).tolist() == [0, 0, 1, 1, 2, 2]
    warmed = WarmUp(StepDecay(1.0, 1, 0.5), 2, 0.5, per="step")
    np.testing.assert_allclose(rates(warmed, 4, 2), [0.5, 0.75, 0.5, 0.5])


def test_plateau_watches_figures_that_should_grow_and_can_be_warmed_up():
    schedule = WarmUp(ReduceOnPlateau(1.0, "r2", 0.5, 0, mode="max"), 1, 0.5)
    memory = schedule.new_memory()
    for value in (0.1, 0.2, 0.2):
        schedule.observe({"r2": value}, memory)
    assert schedule.rates(5, 1, 1, memory).tolist() == [0.5]
    assert json.loads(json.dumps(memory)) == memory


@pytest.mark.parametrize(
    ("monitor", "rises"),
    [
        *((name, True) for name in ("val_accuracy", "accuracy", "val_r2", "f1", "top_3")),
        *((name, True) for name in ("val_top_12", "val_score")),
        *((name, False) for name in ("loss", "val_loss", "log_loss", "rmse", "val_mae")),
        *((name, False) for name in ("gradient_norm", "gradient_norm_2", "dead_units_1")),
    ],
)
def test_plateau_knows_which_way_a_figure_improves(monitor, rises):
    better = [0.1, 0.2, 0.3, 0.4] if rises else [0.4, 0.3, 0.2, 0.1]
    for values, rate in ((better, 1.0), (better[::-1], 0.125)):
        schedule = WarmUp(ReduceOnPlateau(1.0, monitor, 0.5, 0), 1)
        memory = schedule.new_memory()
        for value in values:
            schedule.observe({monitor: value}, memory)
        assert memory["rate"] == rate


def test_plateau_needs_the_mode_of_an_unknown_figure():
    schedule = WarmUp(ReduceOnPlateau(1.0, "val_own", 0.5, 0), 1)
    with pytest.raises(ValueError, match="ReduceOnPlateau by 'val_own' needs mode='min' or"):
        schedule.with_mode({"own": None})
    assert schedule.with_mode({"own": True}).schedule.mode == "max"
    assert schedule.with_mode({"own": False}).schedule.mode == "min"
    given = ReduceOnPlateau(1.0, "accuracy", mode="min")
    assert given.with_mode({"accuracy": True}) == given
    assert Cosine(0.1, 5).with_mode({}) == Cosine(0.1, 5)


@pytest.mark.parametrize("mode", ["min", "max"])
def test_plateau_takes_nan_for_no_improvement_and_recovers_from_infinity(mode):
    sign = 1 if mode == "min" else -1
    schedule = ReduceOnPlateau(1.0, "own", 0.5, 0, mode=mode)
    memory, found = schedule.new_memory(), []
    for value in (np.nan, sign * np.inf, sign * 5.0, sign * 4.0, np.nan):
        schedule.observe({"own": value}, memory)
        found.append(memory["rate"])
    assert found == [0.5, 0.5, 0.5, 0.5, 0.25]


def test_as_schedule():
    assert as_schedule(0.5) == Constant(0.5)
    assert as_schedule(Constant(0.5)) == Constant(0.5)
    assert isinstance(as_schedule(math.sqrt), Custom)
    assert pickle.loads(pickle.dumps(Cosine(0.1, 5))) == Cosine(0.1, 5)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Constant(0.0), ValueError, "rate must be a finite number > 0"),
        (lambda: Constant("a"), TypeError, "rate must be a number"),
        (lambda: StepDecay(0.1, per="day"), ValueError, "per must be one of step, epoch"),
        (lambda: StepDecay(0.1, 0), ValueError, "every"),
        (lambda: Cosine(0.1, 5, 0.2), ValueError, "minimum"),
        (lambda: Cosine(0.1, 5, growth=1.5), TypeError, "growth"),
        (lambda: OneCycle(0.1, 3, 0.1), ValueError, "rise"),
        (lambda: ReduceOnPlateau(0.1, factor=1.5), ValueError, "factor"),
        (lambda: ReduceOnPlateau(0.1, mode="up"), ValueError, "mode"),
        (lambda: ReduceOnPlateau(0.1, patience=-1), ValueError, "patience"),
        (lambda: ReduceOnPlateau(0.1, monitor=3), TypeError, "monitor must be the name of a"),
        (lambda: WarmUp(0.1, 5, 2.0), ValueError, "start"),
        (lambda: WarmUp("x", 5), TypeError, "a number or a schedule"),
        (lambda: Custom(3), TypeError, "callable"),
        (lambda: as_schedule(True), TypeError, "a number or a schedule"),
        (lambda: as_schedule(math.nan), ValueError, "finite number > 0"),
        (lambda: rates(Custom(lambda u: -1.0), 3), ValueError, "got -1.0 after 0 steps"),
        (lambda: rates(Schedule(), 3), NotImplementedError, "has no rates"),
    ],
)
def test_refusals(make, error, message):
    with pytest.raises(error, match=message):
        make()
