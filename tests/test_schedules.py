"""Schedules: their formulas by hand and by another library, steps and epochs, warming up."""

import json
import math
import pickle
from dataclasses import dataclass

import numpy as np
import pytest
from golden.schedules import FILE, LOSSES

from ffnn_fast.schedules import (
    Constant,
    Cosine,
    CosLog,
    Custom,
    Exponential,
    FlatCosine,
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
    "cos_log": CosLog(0.1, 3, 20),
    "flat_cosine": FlatCosine(0.1, 0.3, 20),
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


@pytest.mark.parametrize(
    ("of_the_fit", "in_steps"),
    [
        (StepDecay(0.1, 0.25, per="fit"), StepDecay(0.1, 10, per="step")),
        (StepDecay(0.1, 1e-9, 0.9, per="fit"), StepDecay(0.1, 1, 0.9, per="step")),
        (Cosine(0.1), Cosine(0.1, 40, per="step")),
        (Cosine(0.1, 0.21, 0.01, 2, per="fit"), Cosine(0.1, 8, 0.01, 2, per="step")),
        (Cosine(0.1, 1, per="fit"), Cosine(0.1, 40, per="step")),
        (OneCycle(0.1), OneCycle(0.1, 40)),
        (OneCycle(0.1, rise=0.5, end=10), OneCycle(0.1, 40, 0.5, end=10)),
        (OneCycle(0.1, 0.5, per="fit"), OneCycle(0.1, 20)),
        (WarmUp(0.1, 0.1, per="fit"), WarmUp(0.1, 4)),
        (WarmUp(OneCycle(0.1), 5), WarmUp(OneCycle(0.1, 40), 5)),
        (WarmUp(Cosine(0.1, 3), 0.1, per="fit"), WarmUp(Cosine(0.1, 3), 4)),
        (WarmUp(WarmUp(Cosine(0.1), 5), 2), WarmUp(WarmUp(Cosine(0.1, 40, per="step"), 5), 2)),
        (CosLog(0.1), CosLog(0.1, total=40)),
        (CosLog(0.1, 3, 0.5, per="fit"), CosLog(0.1, 3, 20)),
        (FlatCosine(0.1), FlatCosine(0.1, total=40)),
        (FlatCosine(0.1, 0.2, 0.25, per="fit"), FlatCosine(0.1, 0.2, 10)),
        (WarmUp(FlatCosine(0.1), 5), WarmUp(FlatCosine(0.1, total=40), 5)),
        (Constant(0.1, per="fit"), Constant(0.1, per="fit")),
        (Cosine(0.1, 5), Cosine(0.1, 5)),
    ],
)
def test_shares_of_a_fit_become_steps(of_the_fit, in_steps):
    assert of_the_fit.over(40) == in_steps
    assert pickle.loads(pickle.dumps(of_the_fit)) == of_the_fit


@pytest.mark.parametrize("kind", [int, np.int8, np.int64, np.array])
def test_lengths_in_steps_or_epochs_are_integers(kind):
    made = {
        "every": lambda n: StepDecay(0.1, n),
        "period": lambda n: Cosine(0.1, n),
        "total": lambda n: OneCycle(0.1, n),
        "cycles": lambda n: CosLog(0.1, n),
        "length": lambda n: WarmUp(0.1, n),
    }
    for name, make in made.items():
        kept = getattr(make(kind(7)), name)
        assert type(kept) is int
        assert kept == 7
        for bad in ("x", True, 7.0, 1.5, math.nan, math.inf, np.float64(7), 2**63):
            with pytest.raises((TypeError, ValueError), match=f"{name} must be"):
                make(bad)


def test_shares_of_a_fit_by_hand():
    u = np.arange(40) / 40
    np.testing.assert_allclose(rates(Exponential(2.0, 0.01, per="fit").over(40), 40), 2 * 0.01**u)
    np.testing.assert_allclose(
        rates(InverseScaling(2.0, per="fit").over(40), 40), 2 * (1 + u) ** -0.5
    )
    of_shares = Custom(lambda u: 1 - u, per="fit")
    np.testing.assert_allclose(rates(of_shares.over(40), 40), 1 - u)
    np.testing.assert_allclose(of_shares.at(u), 1 - u)
    cycle = rates(OneCycle(0.1, rise=0.25).over(40), 40)
    assert cycle[0] == pytest.approx(0.1 / 25)
    assert np.argmax(cycle) == 9  # the last of the first quarter
    assert cycle[9] == pytest.approx(0.1)
    assert cycle[39] == pytest.approx(0.1 / 25 / 1e4)
    fall = rates(Cosine(0.1).over(40), 40)
    np.testing.assert_allclose(fall, 0.05 * (1 + np.cos(np.pi * u)))


def test_a_schedule_of_ones_own_may_count_in_shares():
    @dataclass(frozen=True)
    class Linear(Schedule):
        """From 0.2 to 0."""

        def at(self, u):
            return 0.2 * (1 - u)

    np.testing.assert_allclose(rates(Linear(per="fit").over(4), 4), [0.2, 0.15, 0.1, 0.05])
    np.testing.assert_allclose(rates(WarmUp(Linear(per="fit"), 2, 0.5).over(4), 2), [0.1, 0.1125])


def test_a_whole_fit_is_the_default_of_cycles():
    assert OneCycle(0.1) == OneCycle(0.1, 1.0, per="fit")
    assert Cosine(0.1) == Cosine(0.1, 1.0, per="fit")
    assert CosLog(0.1) == CosLog(0.1, 4, 1.0, per="fit")
    assert FlatCosine(0.1) == FlatCosine(0.1, 0.5, 1.0, per="fit")
    np.testing.assert_allclose(OneCycle(0.1).at(np.array([0, 0.3, 1])), [0.004, 0.1, 4e-7])
    np.testing.assert_allclose(Cosine(0.1).at(np.array([0, 0.5])), [0.1, 0.05])


@pytest.mark.parametrize(
    "schedule",
    [
        OneCycle(0.1),
        CosLog(0.1),
        FlatCosine(0.1),
        WarmUp(Cosine(0.1), 3),
        WarmUp(0.1, 1, per="fit"),
    ],
)
def test_shares_need_the_number_of_steps(schedule):
    assert schedule.needs_n_steps
    assert not schedule.over(40).needs_n_steps
    with pytest.raises(ValueError, match="number of steps of a fit must be known"):
        rates(schedule, 3)


def test_one_cycle_stays_at_its_end():
    late = rates(OneCycle(0.1, 25), 40)[25:]
    np.testing.assert_allclose(late, 0.1 / 25 / 1e4)


def test_the_schedules_of_realmlp():
    """Their published formulas at the shares of a fit, and some values by hand."""
    t = np.arange(64) / 64
    coslog4 = 0.5 * (1 - np.cos(2 * np.pi * np.log2(1 + 15 * t)))
    np.testing.assert_allclose(rates(CosLog(0.04).over(64), 64), 0.04 * coslog4, rtol=1e-12)
    tops = (2 ** np.array([0.5, 1.5, 2.5, 3.5]) - 1) / 15  # where log2(1 + 15 t) is half of an odd
    np.testing.assert_allclose(CosLog(0.04).at(tops), 0.04, rtol=1e-12)
    np.testing.assert_allclose(CosLog(0.04).at(np.array([0, 1, 3, 7, 15, 99]) / 15), 0, atol=1e-16)
    np.testing.assert_allclose(CosLog(2.0, 1).at(np.array([0.0, 2**0.5 - 1, 1.0])), [0, 2, 0])
    flat_cos = np.where(t < 0.5, 1, 0.5 * (1 + np.cos(np.pi * (2 * t - 1))))
    np.testing.assert_allclose(rates(FlatCosine(0.02).over(64), 64), 0.02 * flat_cos, rtol=1e-12)
    assert (FlatCosine(0.02).at(t[:33]) == 0.02).all()
    np.testing.assert_allclose(
        FlatCosine(2.0, 0.2).at(np.array([0.2, 0.4, 0.6, 0.8, 1, 1.5])),
        [2, 1 + 0.5**0.5, 1, 1 - 0.5**0.5, 0, 0], atol=1e-15,
    )  # fmt: skip
    np.testing.assert_allclose(FlatCosine(1.0, 0.0).at(t), Cosine(1.0).at(t), rtol=1e-15)
    in_epochs = rates(FlatCosine(1.0, total=4, per="epoch"), 8, 2)
    np.testing.assert_allclose(in_epochs, [1, 1, 1, 1, 1, 1, 0.5, 0.5])


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
        (lambda: StepDecay(0.1, per="day"), ValueError, "per must be one of step, epoch, fit"),
        (lambda: StepDecay(0.1, 0), ValueError, "every"),
        (lambda: Cosine(0.1, 5, 0.2), ValueError, "minimum"),
        (lambda: Cosine(0.1, 5, growth=1.5), TypeError, "growth"),
        (lambda: OneCycle(0.1, 3, 0.1), ValueError, "rise"),
        (lambda: Cosine(0.1, 1.0), TypeError, "period must be an integer; per='fit' takes shares"),
        (lambda: OneCycle(0.1, 0.5), TypeError, "total must be an integer; per='fit' takes shares"),
        (
            lambda: OneCycle(0.1, 100, per="fit"),
            ValueError,
            r"total, a share of .* \(0, 1\], got 100",
        ),
        (lambda: OneCycle(0.1, rise=1.0), ValueError, "rise"),
        (lambda: OneCycle(0.1, per="epoch"), ValueError, "OneCycle with per='epoch' needs total"),
        (
            lambda: Exponential(0.1, per="fit").over(0),
            ValueError,
            "n_steps must be at least 1, got 0",
        ),
        (lambda: OneCycle(0.1, 3), ValueError, "than all of 3 steps, got 0.9: change rise"),
        (lambda: Cosine(0.1, per="step"), ValueError, "Cosine with per='step' needs period"),
        (lambda: CosLog(0.1, per="epoch"), ValueError, "CosLog with per='epoch' needs total"),
        (lambda: CosLog(0.1, 51), ValueError, "cycles must be in"),
        (lambda: CosLog(0.0), ValueError, "rate must be a finite number > 0"),
        (lambda: FlatCosine(0.1, 1.0), ValueError, r"flat must be in \[0, 1\), got 1"),
        (lambda: FlatCosine(0.1, total=0.5), TypeError, "total must be an integer; per='fit'"),
        (lambda: StepDecay(0.1, per="fit"), ValueError, "every, a share of the fit"),
        (lambda: WarmUp(0.1, 0, per="fit"), ValueError, "length, a share of the fit"),
        (lambda: ReduceOnPlateau(0.1, per="fit"), ValueError, "per must be one of step, epoch"),
        (
            lambda: Custom(lambda u: -u, per="fit").at(np.array([0.25])),
            ValueError,
            "got -0.25 at 0.25 of the fit",
        ),
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
