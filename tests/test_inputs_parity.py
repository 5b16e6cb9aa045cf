"""Input blocks and parametric activations: the engine equals the reference, for any threads."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from support.cases import TOLERANCES, each
from support.input_blocks import NETWORKS, params_of, problem_of, rows, spec_of
from support.problems import bound_networks, relative_error, take_steps, twins

from ffnn_fast import reference
from ffnn_fast._runtime.bound_network import BoundNetwork
from ffnn_fast.optimizers import SGD, Adam, AdamW, Factors, NAdam, StepRule

pytestmark = pytest.mark.engine
RULES = [
    StepRule(SGD(learning_rate=0.001)),
    StepRule(Adam(learning_rate=0.001), clip_norm=0.5, average=0.9, max_norm=1.5),
    StepRule(NAdam(learning_rate=0.001), frozen=(2,), clip_value=0.01),
    StepRule(Adam(learning_rate=0.001), frozen=(0, 1), clip_norm=0.05, average=0.5),
    StepRule(
        AdamW(learning_rate=0.001, weight_decay=0.1),
        rate_factors=Factors((0.5, 0.4, 0.3), 0.1, (0.2, 0.3), 0.6, 0.7, 6),
        decay_factors=Factors(0.5, 0, scale=36),
    ),
]


@pytest.fixture(params=NETWORKS)
def options(request):
    """Arguments of a description."""
    return NETWORKS[request.param]


def tolerance(dtype):
    return 1e-11 if dtype == "float64" else 3e-5


@each(matmul=["own", "blas"], n=[1, 3, 70, 1100], dtype=TOLERANCES)
def test_outputs_and_gradients(engine, options, dtype, matmul, n, rng):
    spec = spec_of(options, dtype)
    params, problem = params_of(spec, rng), problem_of(spec, n, rng)
    bound = BoundNetwork(spec, engine.Plan(spec, 2, matmul), params, engine)
    twin = BoundNetwork(spec, reference.Plan(spec), params, reference)
    most = tolerance(dtype)
    assert relative_error(bound.forward(problem.X), twin.forward(problem.X)) < most
    assert bound.loss(problem) == pytest.approx(twin.loss(problem), rel=most)
    value, grad = bound.loss_gradient(problem, mask=(5, 7))
    expected, twin_grad = twin.loss_gradient(problem, mask=(5, 7))
    assert value == pytest.approx(expected, rel=most)
    for name, part in spec.named(twin_grad).items():
        assert relative_error(spec.named(grad)[name], part) < 10 * most, name


@each(n=[1, 3, 70, 1100], dtype=TOLERANCES)
def test_vector_jacobian_products(engine, options, dtype, n, rng):
    spec = spec_of(options, dtype)
    params, problem = params_of(spec, rng), problem_of(spec, n, rng)
    networks = [
        BoundNetwork(spec, engine.Plan(spec, 2), params, engine),
        BoundNetwork(spec, reference.Plan(spec), params, reference),
    ]
    for mask in (None, (5, 7)):
        found, expected = (bound.vjp(problem.X, problem.Y, mask) for bound in networks)
        for one, two in zip(found, expected, strict=True):
            assert relative_error(one, two) < 10 * tolerance(dtype)
    found, expected = (bound.input_gradient(problem) for bound in networks)
    assert relative_error(found, expected) < 10 * tolerance(dtype)


@pytest.mark.parametrize("activation", ["tanh", "relu", "selu", "mish", "softplus"])
def test_activations(engine, activation, rng):
    spec = spec_of(NETWORKS["all parametric"], activations=activation)
    params, problem = params_of(spec, rng), problem_of(spec, 40, rng)
    bound, twin = twins(spec, params, engine)
    _, grad = bound.loss_gradient(problem)
    _, expected = twin.loss_gradient(problem)
    assert relative_error(grad, expected) < 1e-11


TRAININGS = [  # a third of them has every pair of a network, a rule and a batch size
    pytest.param(
        name, rule, batch_size,
        marks=[pytest.mark.slow] * bool((i + j + k) % 3),
        id=f"{name}-{batch_size}-{rule.optimizer.name} {rule.frozen}",
    )
    for (i, name), (j, rule), (k, batch_size) in product(
        enumerate(NETWORKS), enumerate(RULES), enumerate([1, 32, 1500])
    )
]  # fmt: skip


@pytest.mark.parametrize(("name", "rule", "batch_size"), TRAININGS)
def test_trajectories(engine, name, rule, batch_size, rng):
    options = NETWORKS[name]
    if "parametric" not in options and rule.rate_factors is not None:
        rule = replace(rule, rate_factors=replace(rule.rate_factors, alpha=1))
    spec = spec_of(options)
    n = 1600 if batch_size > 1000 else 70
    problem, order = problem_of(spec, n, rng), rng.permutation(n)
    networks = twins(spec, params_of(spec, rng), engine)
    start = networks[0].params.copy()
    (loss, state), (expected, twin_state) = (
        take_steps(bound, problem, order, batch_size, rule) for bound in networks
    )
    assert loss == pytest.approx(expected, rel=1e-10)
    moved = [bound.params - start for bound in networks]
    assert relative_error(*moved) < 1e-8
    if rule.slots:
        assert relative_error(state, twin_state) < 1e-8


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.optimizer.name} {rule.frozen}")
@pytest.mark.parametrize("batch_size", [256, 1500])
@pytest.mark.parametrize("name", ["all parametric", "piecewise parametric"])
def test_bits_do_not_depend_on_the_number_of_threads(engine, rule, batch_size, name, rng):
    spec = spec_of(NETWORKS[name], "float32", width=512)
    params, problem = params_of(spec, rng), problem_of(spec, 1500, rng)
    order, found = np.arange(1500), []
    for n_threads in (1, 2, 3, 7):
        bound = BoundNetwork(spec, engine.Plan(spec, n_threads), params.copy(), engine)
        _, state = take_steps(bound, problem, order, batch_size, rule)
        found.append((bound.params, state, bound.forward(problem.X)))
    for other in found[1:]:
        for one, two in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("name", ["all parametric", "piecewise parametric"])
def test_a_row_has_the_same_bits_in_any_batch(engine, name, rng):
    spec = spec_of(NETWORKS[name], "float32")
    params, X = params_of(spec, rng), rows(150, rng, "float32")
    bound = bound_networks(spec, params, engine)[0]
    whole = bound.forward(X)
    for n in (1, 7, 40):
        np.testing.assert_array_equal(bound.forward(np.ascontiguousarray(X[:n])), whole[:n])


def test_the_engine_refuses_by_itself(engine, rng):
    """Its passes would read n_0 columns of X."""
    spec = spec_of(NETWORKS["all"])
    bound, X = bound_networks(spec, params_of(spec, rng), engine)[0], rows(3, rng)
    work = np.empty(10**6)
    calls = [
        lambda: engine.input_jacobian(bound.plan, bound.params, X, None, np.ones((3, 2, 5)), work),
        lambda: engine.jvp(bound.plan, bound.params, X, X, None, np.ones((3, 2)), work),
        lambda: engine.parameter_jacobian(bound.plan, bound.params, X, None, work),
        lambda: engine.taylor(bound.plan, bound.params, X, None, None, None, None, work),
        lambda: engine.hessian_product(bound.plan, bound.params, None, X, None, None, None, work),
        lambda: engine.JacobianPredictor(bound.plan, bound.params, 1, work),
        lambda: engine.PointFunction(bound.plan, bound.params, 0),
        lambda: reference.PointFunction(reference.Plan(spec), bound.params, 0),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="does not support a network with"):
            call()
