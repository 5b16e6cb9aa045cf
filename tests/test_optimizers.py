"""The rules: torch's trajectories, a step of each in plain numbers, errors, rules of one's own."""

import json
import math
import re
from dataclasses import dataclass, fields

import numpy as np
import pytest
from golden import optimizers as golden
from support.problems import random_params

from ffnn_fast import NetworkSpec, optimizers, reference
from ffnn_fast.engine import isa
from ffnn_fast.optimizers import OPTIMIZERS, SGD, Adam, Optimizer, RMSprop, StepRule, as_optimizer

pytestmark = pytest.mark.engine
TORCH = json.loads(golden.FILE.read_text())
SPEC = NetworkSpec((3, 4, 2), dtype="float64")


@pytest.fixture(params=["reference", *isa.available()])
def backend(request):
    """The reference and each engine module that this CPU can run."""
    return reference if request.param == "reference" else isa.load(request.param)


def stepper(backend, rule, spec=SPEC):
    """A function that makes step t on θ, and the state that it keeps."""
    plan, hyper = backend.Plan(spec), np.array(rule.optimizer.hyper)
    state = np.zeros((rule.slots, spec.n_params), dtype=spec.dtype)
    return (lambda theta, g, t: backend.update(plan, rule, hyper, theta, g, state, t)), state


@pytest.mark.parametrize("case", golden.CASES)
def test_trajectories_are_those_of_torch(backend, case):
    ours, arguments, _, _, options = golden.CASES[case]
    rule = StepRule(getattr(optimizers, ours)(**arguments), **options)
    step, state = stepper(backend, rule)
    theta, kept = golden.start(), []
    for t in range(1, golden.STEPS + 1):
        step(theta, golden.gradient(theta, t), t)
        if t in golden.KEPT:
            kept.append((state[-1] if rule.average else theta).copy())
    np.testing.assert_allclose(kept, TORCH[case], rtol=1e-10, atol=1e-12)


# One entry θ = 1 with gradient 0.5, then -0.25, learning rate 0.1: θ after each of the two steps.
def by_hand():
    yield "sgd", {}, 1 - 0.1 * 0.5, 0.95 + 0.1 * 0.25
    yield "momentum", {"momentum": 0.9}, 0.95, 0.95 - 0.1 * (0.9 * 0.5 - 0.25)
    yield (
        "nesterov", {"momentum": 0.9},
        1 - 0.1 * (0.5 + 0.9 * 0.5), 0.905 - 0.1 * (-0.25 + 0.9 * 0.2),
    )  # fmt: skip
    yield (
        "adagrad", {"epsilon": 0.5},
        1 - 0.1 * 0.5 / (0.5 + 0.5), 0.95 + 0.1 * 0.25 / (math.sqrt(0.25 + 0.0625) + 0.5),
    )  # fmt: skip
    yield (
        "rmsprop", {"rho": 0.75, "epsilon": 0.5},
        1 - 0.1 * 0.5 / (0.25 + 0.5),
        1 - 0.1 * 0.5 / 0.75 + 0.1 * 0.25 / (math.sqrt(0.75 * 0.0625 + 0.25 * 0.0625) + 0.5),
    )  # fmt: skip
    # m_hat = 0.5, v_hat = 0.25; then m = (0.9 0.05 - 0.025), v = 0.75 0.0625 + 0.25 0.0625
    second = 0.1 * (0.02 / 0.19) / (math.sqrt(0.0625 / 0.4375) + 0.5)
    adam = {"beta_1": 0.9, "beta_2": 0.75, "epsilon": 0.5}
    yield "adam", adam, 0.95, 0.95 - second
    decayed = 1 * (1 - 0.1 * 0.2) - 0.05
    yield "adamw", {**adam, "weight_decay": 0.2}, decayed, decayed * 0.98 - second
    # mu = 0.9 (1 - 0.96^0 / 2) = 0.45 throughout, pi = 0.45, 0.2025, 0.091125
    ahead = 1 - 0.1 * (0.45 * 0.05 / (1 - 0.2025) + 0.5) / (0.5 + 0.5)
    m_hat = 0.45 * 0.02 / (1 - 0.091125) - 0.55 * 0.25 / (1 - 0.2025)
    yield (
        "nadam", {**adam, "momentum_decay": 0.0},
        ahead, ahead - 0.1 * m_hat / (math.sqrt(0.0625 / 0.4375) + 0.5),
    )  # fmt: skip
    # s = 0.0625, d = sqrt(0.5 / 0.5625) 0.5, u = 0.25 d^2; then s = 0.0625
    d = math.sqrt(0.5 / 0.5625) * 0.5
    yield (
        "adadelta", {"rho": 0.75, "epsilon": 0.5},
        1 - 0.1 * d, 1 - 0.1 * d + 0.1 * math.sqrt((0.25 * d * d + 0.5) / 0.5625) * 0.25,
    )  # fmt: skip
    # m = 0.05, u = 0.5 + 0.5; then m = 0.02, u = max(0.75, 0.25 + 0.5)
    yield "adamax", adam, 0.95, 0.95 - 0.1 * (0.02 / 0.19) / 0.75
    # v = 0.0625, then 0.046875 + 0.015625 = 0.0625
    yield "amsgrad", adam, 0.95, 0.95 - second
    # rho = 1, and 7 - 4 0.5625 / 0.4375 < 5: no root in either step
    yield "radam", adam, 0.95, 0.95 - 0.1 * (0.02 / 0.19)
    # the sign changes, so the size is halved and no step is made
    yield "rprop", {}, 0.9, 0.9


@pytest.mark.parametrize(("name", "arguments", "first", "second"), list(by_hand()))
def test_two_steps_by_hand(backend, name, arguments, first, second):
    spec = NetworkSpec((1, 1), (), "identity", dtype="float64")
    rule = StepRule(OPTIMIZERS[name](learning_rate=0.1, **arguments))
    step, _ = stepper(backend, rule, spec)
    theta = np.array([1.0, 1.0])
    step(theta, np.array([0.5, 0.5]), 1)
    np.testing.assert_allclose(theta, first, rtol=1e-14)
    step(theta, np.array([-0.25, -0.25]), 2)
    np.testing.assert_allclose(theta, second, rtol=1e-14)


def test_every_rule_is_tested():
    assert {case.split(",")[0] for case in golden.CASES} >= set(OPTIMIZERS)
    assert {name for name, *_ in by_hand()} == set(OPTIMIZERS)


def test_nadam_late_in_training_equals_nadam_step_by_step(backend):
    """The product of momenta is found from t alone, and stops where it no longer counts."""
    rule = StepRule(as_optimizer("nadam"))
    (fresh, fresh_state), (steady, steady_state) = (stepper(backend, rule) for _ in range(2))
    theta = golden.start()
    for t in range(1, 700):
        steady(theta, golden.gradient(theta, t), t)
    fresh_state[...], again = steady_state, theta.copy()
    for t in range(700, 703):
        for step, at in ((steady, theta), (fresh, again)):
            step(at, golden.gradient(at, t), t)
    np.testing.assert_array_equal(theta, again)
    assert np.isfinite(theta).all()


def test_amsgrad_keeps_the_largest_mean_of_squares(backend):
    """After a large gradient the steps stay small, where those of Adam grow again."""
    moved = {}
    for name in ("adam", "amsgrad"):
        step, _ = stepper(backend, StepRule(OPTIMIZERS[name](learning_rate=0.1, beta_2=0.5)))
        theta = np.zeros(SPEC.n_params)
        for t in range(1, 40):
            before = theta.copy()
            step(theta, np.full(SPEC.n_params, 100.0 if t == 1 else 1.0), t)
        moved[name] = (before - theta)[0]
    # m is 1 + 99 * 0.9^38 / 10 here, v is 1 for Adam; the largest v is 5000
    m_hat = (1 - 0.9**39 + 99 * 0.1 * 0.9**38) / (1 - 0.9**39)
    assert moved["adam"] == pytest.approx(0.1 * m_hat, rel=1e-6)
    assert moved["amsgrad"] == pytest.approx(0.1 * m_hat / math.sqrt(5000), rel=1e-6)


def test_radam_divides_by_the_root_from_the_sixth_step_on(backend):
    """With ∇θ = 2 a step is 2 η at first; rectified it is r η, r = 0.017 in step 6."""
    step, state = stepper(backend, StepRule(OPTIMIZERS["radam"](learning_rate=0.1)))
    theta, moved = np.zeros(SPEC.n_params), []
    for t in range(1, 7):
        before = theta.copy()
        step(theta, np.full(SPEC.n_params, 2.0), t)
        moved.append((before - theta)[0])
    rho = 1999 - 12 * 0.999**6 / (1 - 0.999**6)
    r = math.sqrt((rho - 4) * (rho - 2) * 1999 / (1995 * 1997 * rho))
    np.testing.assert_allclose(moved, [0.2] * 5 + [0.1 * r], rtol=1e-6)
    assert state[1] == pytest.approx(4 * (1 - 0.999**6))


def test_steps_by_zero_and_huge_gradients_are_finite(backend, dtype):
    spec = NetworkSpec((3, 4, 2), dtype=dtype)
    for name in ("adadelta", "adamax", "amsgrad", "radam"):
        step, _ = stepper(backend, StepRule(as_optimizer(name)), spec)
        theta = np.zeros(spec.n_params, dtype)
        for t, g in enumerate((0.0, 0.0, 1e18, -1e18, 0.0, 0.0, 1e-30, 0.0), start=1):
            step(theta, np.full(spec.n_params, g, dtype), t)
            assert np.isfinite(theta).all(), (name, t)
            assert t > 2 or not theta.any(), (name, t)


def test_the_gradient_is_left_alone(backend, dtype, rng):
    spec = NetworkSpec((3, 4, 2), dtype=dtype)
    for name in OPTIMIZERS:
        rule = StepRule(as_optimizer(name), clip_value=0.5, clip_norm=0.3, max_norm=1, average=0.5)
        step, _ = stepper(backend, rule, spec)
        grad = random_params(spec, rng)
        before = grad.copy()
        step(random_params(spec, rng), grad, 1)
        np.testing.assert_array_equal(grad, before)


def test_a_rule_of_ones_own():
    @dataclass(frozen=True, kw_only=True)
    class Sign(Optimizer):
        """Signed steps that shrink."""

        shrink: float = 0.5
        name = "sign"

        def rule(self, hyper, params, grad, state, t):
            learning_rate, shrink = hyper
            params -= learning_rate * shrink**t * np.sign(grad)

    mine = Sign(learning_rate=0.1)
    assert mine.hyper == (0.1, 0.5)
    assert not mine.compiled
    assert as_optimizer(Sign, 0.2) == Sign(learning_rate=0.2)
    step, _ = stepper(reference, StepRule(mine, frozen=(1,)))
    theta, grad = np.zeros(SPEC.n_params), np.full(SPEC.n_params, -3.0)
    step(theta, grad, 2)
    np.testing.assert_allclose(theta[:16], 0)
    np.testing.assert_allclose(theta[16:], 0.1 * 0.25)
    step, _ = stepper(isa.engine, StepRule(mine))
    with pytest.raises(ValueError, match=r"no rule .*Sign"):
        step(theta, grad, 1)
    with pytest.raises(NotImplementedError, match="has no rule"):
        stepper(reference, StepRule(Optimizer()))[0](theta, grad, 1)


def test_a_changed_rule_is_not_compiled():
    class Louder(Adam):
        def rule(self, hyper, params, grad, state, t):
            params -= 1

    assert Adam().compiled
    assert not Louder().compiled


def test_as_optimizer():
    assert as_optimizer("adam") == Adam()
    assert as_optimizer("adam", 0.5) == Adam(learning_rate=0.5)
    assert as_optimizer(SGD, 0.5) == SGD(learning_rate=0.5)
    assert as_optimizer(Adam(beta_1=0.5)) == Adam(beta_1=0.5)
    with pytest.raises(ValueError, match="given twice"):
        as_optimizer(Adam(), 0.5)
    with pytest.raises(ValueError, match=r"must be one of sgd, .*; got 'lion'"):
        as_optimizer("lion")
    for wrong in (None, 3, int, [Adam()]):
        with pytest.raises(TypeError, match="optimizer must be a name"):
            as_optimizer(wrong)


def test_hyper_begins_with_the_learning_rate():
    for name, rule in OPTIMIZERS.items():
        assert rule(learning_rate=0.125).hyper[0] == 0.125
        assert rule.name == name


def test_docstrings_describe_every_hyperparameter_with_its_default():
    for rule in OPTIMIZERS.values():
        text = rule.__doc__.partition("Parameters\n")[2].partition("Raises\n")
        assert "ValueError" in text[2], rule
        named = {}
        for names, defaults in re.findall(
            r"^ +(\w+(?:, \w+)*) : float, default (.+)$", text[0], re.M
        ):
            values = map(float, defaults.split(" and "))
            named |= dict(zip(names.split(", "), values, strict=True))
        assert named == {part.name: part.default for part in fields(rule)}, rule


def test_slots():
    assert RMSprop().slots == 1
    assert RMSprop(momentum=0.5).slots == 2
    assert OPTIMIZERS["amsgrad"]().slots == 3
    assert StepRule(SGD()).slots == 0
    assert StepRule(Adam(), average=0.5).slots == 3


@pytest.mark.parametrize(
    ("name", "arguments", "error"),
    [
        ("sgd", {"learning_rate": 0}, ValueError),
        ("sgd", {"learning_rate": float("nan")}, ValueError),
        ("sgd", {"learning_rate": float("inf")}, ValueError),
        ("sgd", {"learning_rate": "0.1"}, TypeError),
        ("sgd", {"learning_rate": True}, TypeError),
        ("momentum", {"momentum": 1.0}, ValueError),
        ("nesterov", {"momentum": -0.1}, ValueError),
        ("adagrad", {"epsilon": 0.0}, ValueError),
        ("rmsprop", {"rho": 1.5}, ValueError),
        ("adam", {"beta_1": 1}, ValueError),
        ("adam", {"beta_2": None}, TypeError),
        ("nadam", {"momentum_decay": -1}, ValueError),
        ("adamw", {"weight_decay": -0.1}, ValueError),
        ("adadelta", {"rho": 1.0}, ValueError),
        ("adadelta", {"epsilon": 0}, ValueError),
        ("adamax", {"beta_2": 1.0}, ValueError),
        ("adamax", {"epsilon": -1e-8}, ValueError),
        ("amsgrad", {"beta_1": -0.1}, ValueError),
        ("radam", {"beta_2": "0.9"}, TypeError),
        ("rprop", {"eta_minus": 1.0}, ValueError),
        ("rprop", {"eta_plus": 0.9}, ValueError),
        ("rprop", {"step_min": 2.0, "step_max": 1.0}, ValueError),
    ],
)
def test_bad_hyperparameters(name, arguments, error):
    with pytest.raises(error, match=next(iter(arguments))):
        OPTIMIZERS[name](**arguments)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"optimizer": "adam"}, TypeError),
        ({"clip_value": 0}, ValueError),
        ({"clip_norm": -1.0}, ValueError),
        ({"max_norm": "1"}, TypeError),
        ({"average": 1.0}, ValueError),
        ({"frozen": 1}, TypeError),
        ({"frozen": (-1,)}, ValueError),
        ({"frozen": (1.0,)}, TypeError),
        ({"seed": -1}, ValueError),
        ({"seed": 0.5}, TypeError),
    ],
)
def test_bad_step_rules(change, error):
    (name,) = change
    with pytest.raises(error, match="layer" if name == "frozen" else name):
        StepRule(**{"optimizer": SGD(), **change})


def test_arrays_that_do_not_fit_are_refused(rng):
    rule, plan = StepRule(Adam()), isa.engine.Plan(SPEC)
    theta, hyper = random_params(SPEC, rng), np.array(Adam().hyper)
    state = np.zeros((2, SPEC.n_params))
    for bad, arguments in {
        "params": (rule, hyper, theta[:-1], theta, state),
        "grad": (rule, hyper, theta, theta[:-1], state),
        "state": (rule, hyper, theta, theta, state[:1]),
        "hyper": (rule, hyper[:-1], theta, theta, state),
        "frozen": (StepRule(Adam(), frozen=(3,)), hyper, theta, theta, state),
    }.items():
        with pytest.raises(ValueError, match=bad):
            isa.engine.update(plan, *arguments, 1)
    with pytest.raises(ValueError, match="frozen"):
        reference.update(
            reference.Plan(SPEC), StepRule(Adam(), frozen=(3,)), hyper, theta, theta, state, 1
        )
