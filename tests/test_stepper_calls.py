"""Stepper: its arrays, its twin, and what a call leaves behind that cannot be completed."""

import inspect
import itertools
import threading
import warnings

import numpy as np
import pytest
from support.fits import classes, fitted, in_batches, network, values
from support.problems import random_params, random_problem, relative_error

from ffnn_fast import DivergedWarning, Network, NetworkSpec, reference
from ffnn_fast._runtime.bound_network import aligned_empty
from ffnn_fast._runtime.reference_stepper import ReferenceStepper
from ffnn_fast.engine import isa
from ffnn_fast.optimizers import Adam, StepRule
from ffnn_fast.schedules import (
    Cosine,
    Exponential,
    ReduceOnPlateau,
    WarmUp,
)

pytestmark = pytest.mark.engine


LOSSES = [
    {},
    {"output": "identity"},
    {"output": "identity", "missing_targets": "ignore"},
    {"output": "logistic"},
    {"output": "identity", "loss": "hinge"},
    {"output": "exp", "loss": "poisson"},
    {"heads": (2, 3)},
]


def twins(engine, spec, rule, rng, size=9):
    """The engine's Stepper and its twin, each with θ, state and counter of its own."""
    params, made = random_params(spec, rng), []
    for backend, kind in [(engine, engine.Stepper), (reference, ReferenceStepper)]:
        plan, theta = backend.Plan(spec), params.copy()
        state, t = np.zeros((rule.slots, len(theta)), spec.dtype), np.zeros(1, np.int64)
        work = aligned_empty(backend.workspace_size(plan, size), spec.dtype)
        made.append((kind(plan, theta, rule, state, t, size, work), theta, state, t))
    return made


def as_spec(given, dtype):
    options = {"loss": "auto", **given}
    return NetworkSpec([4, 6, 5 if "heads" in given else 3], dtype=dtype, **options)


@pytest.mark.parametrize("given", LOSSES, ids=str)
def test_the_twin_takes_the_same_steps(engine, given, dtype, rtol, rng):
    spec = as_spec(given, dtype)
    rule = StepRule(Adam(), clip_norm=0.5)
    (ours, theta, state, t), (theirs, theta_2, state_2, t_2) = twins(engine, spec, rule, rng)
    for n in (1, 5, 9):
        problem = random_problem(spec, n, rng, weighted=n == 5)
        rows = (problem.X, problem.Y, problem.sample_weight)
        assert ours.step(*rows, 1e-3) == pytest.approx(theirs.step(*rows, 1e-3), rel=10 * rtol)
        grads = np.empty_like(theta), np.empty_like(theta)
        ours.gradient(*rows, grads[0])
        theirs.gradient(*rows, grads[1])
        assert relative_error(grads[0], grads[1]) <= 100 * rtol
        ours.apply(grads[1], 1e-3)
        theirs.apply(grads[1], 1e-3)
    problem = random_problem(spec, 20, rng)
    order, hyper = rng.permutation(20), np.array([rule.optimizer.hyper])
    for stepper in (ours, theirs):
        stepper.steps(problem.X, problem.Y, None, order, hyper)
    assert relative_error(theta, theta_2) <= 100 * rtol
    assert relative_error(state, state_2) <= 1000 * rtol
    assert t[0] == t_2[0] == 9
    for name in ("step", "steps", "gradient", "apply"):
        mine, expected = (inspect.signature(getattr(one, name)) for one in (ours, theirs))
        assert list(mine.parameters) == list(expected.parameters)


def wrong_arrays(spec, problem):
    """Arguments of `step` of which one is wrong."""
    X, Y, n = problem.X, problem.Y, len(problem.X)
    good = {"X": X, "Y": Y, "sample_weight": None, "learning_rate": 0.1}

    def changed(array, value):
        other = array.copy()
        other[(-1,) * array.ndim] = value
        return other

    other_type = "float64" if spec.dtype == "float32" else "float32"
    yield from (
        good | {"X": wrong}
        for wrong in (
            changed(X, np.nan), changed(X, -np.inf), X.astype(other_type), X[:, :-1].copy(),
            X[::-1], np.asfortranarray(X), X.tolist(), X[:0], X[None], np.ma.masked_array(X),
            np.tile(X, (9, 1)),
        )
    )  # fmt: skip
    wrong = [changed(Y, np.inf), Y.astype(other_type), Y[:-1].copy(), Y.tolist(), Y.T.copy()]
    if spec.missing_targets == "refuse":
        wrong.append(changed(Y, np.nan))
    if spec.loss in ("cross_entropy", "binary_cross_entropy", "hinge", "poisson"):
        wrong.append(changed(Y, -0.5))
    if spec.loss in ("cross_entropy", "hinge"):
        wrong += [changed(Y, 0.9), np.zeros_like(Y), changed(Y, 2.0)]
    if spec.takes_labels:
        wrong += [np.full(n, 3), np.full(n, -1), np.zeros(n + 1, int), np.zeros(n, np.int32)]
    else:
        wrong.append(np.zeros(n, int))
    yield from (good | {"Y": Y} for Y in wrong)
    one = np.ones(n, spec.dtype)
    weights = [one[1:], changed(one, np.nan), one.astype(other_type), one[:, None], 1.0]
    yield from (good | {"sample_weight": weight} for weight in weights)
    yield from (good | {"learning_rate": rate} for rate in (-1.0, np.nan, np.inf))


@pytest.mark.parametrize("given", LOSSES, ids=str)
def test_both_twins_refuse_the_same_arrays_and_change_nothing(engine, given, dtype, rng):
    spec = as_spec(given, dtype)
    rule = StepRule(Adam())
    problem = random_problem(spec, 5, rng)
    for stepper, theta, state, t in twins(engine, spec, rule, rng):
        before = theta.copy()
        for arguments in wrong_arrays(spec, problem):
            with pytest.raises(ValueError, match="the stepper does not take"):
                stepper.step(**arguments)
        np.testing.assert_array_equal(theta, before)
        assert not state.any()
        assert t[0] == 0
        stepper.step(problem.X, problem.Y, None, 0.1)
        assert (theta != before).any()


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_arrays_of_other_types_are_converted(engine, rng):
    X, y = classes(16)
    nets = [network(engine=engine) for _ in range(8)]
    steppers = [net.stepper(optimizer="adam") for net in nets]
    weight = rng.random(16).astype(np.float32)
    steppers[0].step(X, y, weight)
    steppers[1].step(X.tolist(), y.tolist(), weight.tolist())
    steppers[2].step(X.astype(np.float64), y.astype(np.int32), weight.astype(np.float64))
    steppers[3].step(np.asfortranarray(X), y, weight)
    steppers[4].step(np.repeat(X, 2, axis=1)[:, ::2], y, np.repeat(weight, 2)[::2])
    steppers[5].step(X, np.eye(2, dtype=np.float32)[y], weight)
    steppers[7].step(X, y.tolist(), weight)
    grad = steppers[6].gradient(X.tolist(), y.tolist(), weight.tolist())
    steppers[6].apply(grad.tolist())
    for net in [*nets[1:6], nets[7]]:
        np.testing.assert_array_equal(net.params, nets[0].params)
    np.testing.assert_allclose(nets[6].params, nets[0].params, rtol=1e-5, atol=1e-7)


def test_one_row_may_lack_its_first_axis():
    X, y = values(1)
    nets = [Network([3, 4, 1], output="identity", seed=0) for _ in range(3)]
    nets[0].stepper().step(X, y)
    nets[1].stepper().step(X[0], y[0])
    nets[2].stepper().step(X[0].astype(np.float32), y.astype(np.float32))
    np.testing.assert_array_equal(nets[1].params, nets[0].params)
    np.testing.assert_array_equal(nets[2].params, nets[0].params)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"learning_rate": Exponential(0.1)}, ValueError, "Exponential per='step'"),
        ({"learning_rate": WarmUp(Cosine(0.1, 3), 4)}, ValueError, "Cosine per='step'"),
        ({"learning_rate": ReduceOnPlateau(0.1)}, ValueError, "ReduceOnPlateau"),
        ({"batch_size": 0}, ValueError, "batch_size"),
        ({"optimizer": "adm"}, ValueError, "adam"),
        ({"frozen": [3]}, ValueError, "frozen"),
        ({"clip_norm": -1}, ValueError, "clip_norm"),
        ({"rollback": 2}, TypeError, "rollback"),
    ],
)
def test_refusals(given, error, message):
    net = network()
    with pytest.raises(error, match=message):
        net.stepper(**given)
    assert net.stream is None


def test_a_network_that_is_not_finite_is_refused():
    net = network()
    net.params[0] = np.nan
    with pytest.raises(ValueError, match="NaN or infinity"):
        net.stepper()


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_refused_rows(engine):
    X, y = classes(8)
    net = network(engine=engine)
    stepper, before = net.stepper(optimizer="adam", batch_size=8), net.params.copy()
    broken = X.copy()
    broken[3, 2] = np.nan
    for given, message in [
        ((broken, y), "X must be finite in float32, got nan in row 3, column 2"),
        ((X, np.full(8, 2)), "y must be class labels 0..1"),
        ((np.tile(X, (2, 1)), np.tile(y, 2)), "made for batch_size=8 rows, got 16"),
        ((X, y, np.ones(7)), r"sample_weight must have shape \(8,\)"),
        ((X, y, np.full(8, np.inf)), "sample_weight must be finite"),
        ((X, y, None, -1.0), "learning_rate"),
        ((X[:, :4], y), r"X must have shape \(n, 5\)"),
        ((np.ma.masked_array(X, mask=X > 0), y), "mask|missing"),
    ]:
        with pytest.raises((TypeError, ValueError), match=message):
            stepper.step(*given)
    with pytest.raises(ValueError, match="got nan in row 3"):
        stepper.gradient(broken, y)
    with pytest.raises(ValueError, match="out must be a writable"):
        stepper.gradient(X, y, out=np.empty(3, np.float32))
    for grad, message in [
        (np.ones(3), "shape"), (np.full(len(before), np.nan, np.float32), "grad must be finite"),
    ]:  # fmt: skip
        with pytest.raises(ValueError, match=message):
            stepper.apply(grad)
    np.testing.assert_array_equal(net.params, before)
    assert stepper.t == 0
    assert not net.stream.optimizer_state.any()


def exploding(**given):
    X, y = values(16)
    net = Network([3, 4, 1], output="identity", activation="relu", seed=0, **given)
    return net, X.astype(np.float32), y.astype(np.float32)


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_a_step_that_diverges_is_undone(engine):
    net, X, y = exploding(engine=engine)
    stepper = net.stepper(optimizer="momentum", learning_rate=0.01)
    stepper.step(X, y)
    params, state = net.params.copy(), net.stream.optimizer_state.copy()
    with pytest.warns(DivergedWarning, match="loss is not finite in epoch 1, step 2, layer 2"):
        assert not np.isfinite(stepper.step(1e30 * X, y))
    with pytest.warns(DivergedWarning, match="a parameter is not finite"):
        stepper.step(X, y, learning_rate=1e308)
    with pytest.warns(DivergedWarning, match="a parameter is not finite"):
        stepper.apply(np.full_like(params, 1e38), learning_rate=100.0)
    np.testing.assert_array_equal(net.params, params)
    np.testing.assert_array_equal(net.stream.optimizer_state, state)
    assert stepper.t == 1
    twin, *_ = exploding(engine=engine)
    other = twin.stepper(optimizer="momentum", learning_rate=0.01)
    for each in (stepper, other, other):
        each.step(X, y)
    np.testing.assert_array_equal(net.params, twin.params)


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_without_rollback(engine):
    net, X, y = exploding(engine=engine)
    stepper = net.stepper(rollback=False)
    one, *_ = exploding(engine=engine)
    one.stepper().step(X, y)
    stepper.step(X, y)
    np.testing.assert_array_equal(net.params, one.params)
    with pytest.warns(DivergedWarning, match="those after it"):
        stepper.step(1e30 * X, y)
    assert stepper.t == 2


def test_the_warning_names_the_users_line():
    net, X, y = exploding()
    stepper = net.stepper()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        stepper.step(1e30 * X, y)
    assert [warning.filename for warning in caught] == [__file__]


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_a_long_step_runs_in_the_background(monkeypatch, engine):
    monkeypatch.setattr("ffnn_fast._runtime.bound_network.LONG_CALL", 0.0)
    X, y = classes(40)
    threads = []
    kind = ReferenceStepper if engine == "reference" else isa.engine.Stepper

    class Recorded:
        def __init__(self, *args, **given):
            self.inner = kind(*args, **given)

        def step(self, *args):
            threads.append(threading.current_thread() is threading.main_thread())
            return self.inner.step(*args)

        def apply(self, *args):
            return self.inner.apply(*args)

    owner = isa.engine if engine == "compiled" else None
    if owner is None:
        monkeypatch.setattr("ffnn_fast._runtime.bound_network.ReferenceStepper", Recorded)
    else:
        monkeypatch.setattr(owner, "Stepper", Recorded)
    one, other = network(engine=engine), network(engine=engine)
    stepper = one.stepper(optimizer="adam")
    in_batches(stepper, X, y, 8)
    fitted(other, X, y, 8, optimizer="adam")
    np.testing.assert_array_equal(one.params, other.params)
    assert threads == [False] * 5
    assert stepper.t == 5
    with pytest.warns(DivergedWarning, match="not finite"):
        stepper.step(X[:8], y[:8], learning_rate=1e60)
    np.testing.assert_array_equal(one.params, other.params)
    assert stepper.t == 5


def test_an_interrupt_separates_nothing(monkeypatch):
    """Raised within the call of the twin, at every place where the backend is called."""
    X, y = classes(8)
    for at in itertools.count(1):
        net = network(engine="reference")
        stepper, before, calls = net.stepper(optimizer="adam"), net.params.copy(), []

        def interrupted(name, calls=calls, at=at):
            function = getattr(reference, name)

            def call(*args):
                function(*args)
                calls.append(name)
                if len(calls) == at:
                    raise KeyboardInterrupt

            return call

        with monkeypatch.context() as patch:
            patch.setattr(reference, "update", interrupted("update"))
            try:
                stepper.step(X, y)
            except KeyboardInterrupt:
                np.testing.assert_array_equal(net.params, before)
                assert not net.stream.optimizer_state.any()
                assert stepper.t == 0
                continue
        assert at > 1
        break
