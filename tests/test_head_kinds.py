"""Heads with output functions and losses of their own: formulas, engine and derivatives."""

from itertools import pairwise

import numpy as np
import pytest
from support.problems import (
    assert_same_bits_for_threads,
    mixtures,
    random_head,
    random_params,
    random_problem,
    relative_error,
    single_heads,
    train,
    twins,
)

from ffnn_fast import Head, Network, NetworkSpec, reference
from ffnn_fast._model.samples import Samples
from ffnn_fast._runtime.bound_network import BoundNetwork

MIXTURES = mixtures(3, np.random.default_rng(7))
SMOOTH = (
    Head(3, "softmax", loss_options={"label_smoothing": 0.1}),
    Head(1, "identity", "half_squared_error", weight=0.5),
    Head(4, "identity", "gaussian_nll", weight=0.3),
    Head(2, "softmax", "binary_cross_entropy"),
    Head(3, "logistic", weight=2.0),
    Head(2, "tanh", "squared_error"),
    Head(1, "exp", "poisson"),
    Head(2, "gelu", "log_cosh"),
)


def described(heads, dtype="float64", body=(5, 7), activation="tanh", **options):
    sizes = (*body, sum(head.width for head in heads))
    return NetworkSpec(sizes, activation, dtype=dtype, heads=heads, **options)


def ids(heads):
    return "+".join(f"{head.output}-{head.loss}" for head in heads)


@pytest.mark.parametrize("heads", MIXTURES, ids=ids)
@pytest.mark.parametrize("missing", ["refuse", "ignore"])
def test_loss_and_gradient_are_the_weighted_sum_of_networks_of_one_head(heads, missing, rng):
    spec = described(heads, missing_targets=missing)
    problem, params = random_problem(spec, 20, rng, weighted=True), random_params(spec, rng)
    whole = BoundNetwork(spec, reference.Plan(spec), params, reference)
    value, grad = whole.loss_gradient(problem)
    total, summed, y_hat = 0.0, np.zeros_like(grad), []
    cut = spec.offsets[-1][0]
    outputs, targets = (
        pairwise(np.cumsum([0, *widths])) for widths in (spec.head_widths, spec.target_widths)
    )
    for one, weight, (first, end), (start, stop) in zip(
        single_heads(spec), spec.head_weights, outputs, targets, strict=True
    ):
        W, b = spec.weights(params)[-1][first:end], spec.biases(params)[-1][first:end]
        theta = np.concatenate([params[:cut], W.ravel(), b])
        bound = BoundNetwork(one, reference.Plan(one), theta, reference)
        part = Samples(problem.X, problem.Y[:, start:stop], problem.sample_weight)
        loss_of_one, slopes = bound.loss_gradient(part)
        total += weight * loss_of_one
        summed[:cut] += weight * slopes[:cut]
        spec.weights(summed)[-1][first:end] = weight * one.weights(slopes)[-1]
        spec.biases(summed)[-1][first:end] = weight * one.biases(slopes)[-1]
        y_hat.append(bound.forward(problem.X))
    assert value == pytest.approx(total, rel=1e-12)
    np.testing.assert_allclose(grad, summed, atol=1e-13 * np.abs(grad).max())
    np.testing.assert_allclose(whole.forward(problem.X), np.hstack(y_hat), rtol=1e-12)


@pytest.mark.engine
@pytest.mark.parametrize("heads", MIXTURES, ids=ids)
def test_compiled_is_the_reference(engine, heads, dtype, rtol, rng):
    for missing in ("refuse", "ignore"):
        spec = described(heads, dtype, (7, 13), missing_targets=missing, l2=0.01)
        for n in (1, 2, 15, 33, 65):
            problem = random_problem(spec, n, rng, weighted=n % 2 == 1)
            ours, theirs = twins(spec, random_params(spec, rng), engine)
            assert relative_error(ours.forward(problem.X), theirs.forward(problem.X)) <= rtol
            value, grad = theirs.loss_gradient(problem)
            scale = max(abs(value), 0.1)  # terms of linear losses cancel
            assert ours.loss(problem) == pytest.approx(value, abs=rtol * scale)
            got, found = ours.loss_gradient(problem)
            assert got == pytest.approx(value, abs=rtol * scale)
            assert relative_error(found, grad) <= rtol


@pytest.mark.engine
@pytest.mark.parametrize("matmul", ["own", "blas"])
@pytest.mark.parametrize("body", [(70, 11), (130, 70, 11)])
def test_steps_of_training(engine, matmul, body, dtype, rtol, rng):
    spec = described(SMOOTH, dtype, body, missing_targets="ignore")
    problem, params = random_problem(spec, 45, rng, weighted=True), random_params(spec, rng)
    ours = BoundNetwork(spec, engine.Plan(spec, 2, matmul), params.copy(), engine)
    theirs = twins(spec, params, engine)[1]
    order = np.concatenate([rng.permutation(45) for _ in range(20)])
    for batch_size in (1, 7, 32):
        part = order[: 20 * batch_size]
        losses = [train(m, problem, part, batch_size, 0.01) for m in (ours, theirs)]
        assert losses[0] == pytest.approx(losses[1], rel=rtol)
    assert relative_error(ours.params, theirs.params) <= rtol


@pytest.mark.engine
def test_same_bits_for_any_number_of_threads(engine, dtype, rng):
    spec = described(SMOOTH, dtype, (200, 130), l2=1e-3)
    problem, params = random_problem(spec, 700, rng, weighted=True), random_params(spec, rng)
    assert_same_bits_for_threads(engine, spec, problem, params, 0.001)


@pytest.mark.engine
@pytest.mark.parametrize("body", [(3, 9), (40, 12, 5), (4,)])
def test_products_with_the_jacobian(engine, body, dtype, rtol, rng):
    spec = described(SMOOTH, dtype, body)
    for n in (1, 2, 40):
        samples, params = random_problem(spec, n, rng, weighted=True), random_params(spec, rng)
        u, v = (
            rng.normal(size=(n, width)).astype(dtype) for width in (spec.n_outputs, spec.n_inputs)
        )
        found, expected = (
            [
                *bound.vjp(samples.X, u),
                bound.input_gradient(samples),
                bound.jacobian(samples.X),
                *bound.jvp(samples.X, v),
                bound.parameter_jacobian(samples.X),
                *predicted_with_jacobian(bound, samples.X),
            ]
            for bound in twins(spec, params, engine)
        )
        for got, reference_value in zip(found, expected, strict=True):
            assert relative_error(got, reference_value) <= 2 * rtol


def predicted_with_jacobian(bound, X):
    return bound.jacobian_predictor(len(X))(X)


def networks(heads, body, rng, dtype="float64", activation="tanh"):
    spec = described(heads, dtype, body, activation)
    params = random_params(spec, rng)
    return [Network.from_params(spec, params, engine=e) for e in ("compiled", "reference")]


@pytest.mark.engine
@pytest.mark.parametrize("heads", [SMOOTH, *MIXTURES[::4]], ids=ids)
def test_second_derivatives(heads, rng):
    nets = networks(heads, (4, 9, 6), rng)
    n, m, n_L = 21, 3, nets[0].spec.n_outputs
    samples = random_problem(nets[0].spec, n, rng)
    V, v = rng.normal(size=(n, m, 4)), rng.normal(size=nets[0].spec.n_params)
    seeds = [rng.normal(size=shape) for shape in ((n, n_L), (n, m, n_L), (n, m, n_L))]
    found, expected = (
        [
            *net.taylor(samples.X, V),
            net.taylor_gradient(samples.X, V, *seeds),
            net.taylor_gradient(samples.X, V, None, seeds[1]),
            net.laplacian(samples.X),
            net.hvp(samples.X, samples.Y, v),
        ]
        for net in nets
    )
    for got, reference_value in zip(found, expected, strict=True):
        assert relative_error(got, reference_value) <= 1e-10


def central(function, x, direction, h=1e-5):
    return (function(x + h * direction) - function(x - h * direction)) / (2 * h)


@pytest.mark.engine
@pytest.mark.parametrize("engine_name", ["compiled", "reference"])
def test_derivatives_are_central_differences(engine_name, rng):
    spec = described(SMOOTH, body=(4, 6, 5))
    net = Network.from_params(spec, random_params(spec, rng), engine=engine_name)
    samples = random_problem(spec, 12, rng)
    X, Y = samples.X, samples.Y
    assert net.check_gradients(X, Y).passed
    v, theta = rng.normal(size=spec.n_params), net.params.copy()

    def gradient(params):
        net.params[:] = params
        return net.gradient(X, Y).copy()

    expected = central(gradient, theta, v)
    net.params[:] = theta
    assert relative_error(net.hvp(X, Y, v), expected) <= 1e-6
    V = rng.normal(size=X.shape)
    first = central(net.forward, X, V)
    assert relative_error(net.jvp(X, V)[1], first) <= 1e-6
    taylor = net.taylor(X, V)
    assert relative_error(taylor.first, first) <= 1e-6
    second = central(lambda x: net.jvp(x, V)[1], X, V)
    assert relative_error(taylor.second, second) <= 1e-6
    u = rng.normal(size=(12, spec.n_outputs))
    value = central(lambda x: (u * net.forward(x)).sum(axis=1), X, V)
    np.testing.assert_allclose((net.vjp(X, u)[2] * V).sum(axis=1), value, rtol=1e-6, atol=1e-8)


@pytest.mark.engine
def test_a_stepper_goes_back_from_the_gradient_of_all_outputs(rng):
    (net, twin) = networks(SMOOTH, (4, 6), rng)
    X, u = rng.normal(size=(9, 4)), rng.normal(size=(9, net.spec.n_outputs))
    grad = net.stepper(batch_size=9).backward(X, u)
    assert relative_error(grad, twin.vjp(X, u)[1]) <= 1e-12


def test_trace_has_the_weighted_loss_and_its_gradients(rng):
    net = networks(SMOOTH, (4, 6), rng)[1]
    samples = random_problem(net.spec, 8, rng)
    trace = net.trace(samples.X, samples.Y)
    assert trace["loss"].mean() == pytest.approx(net.loss(samples.X, samples.Y))
    np.testing.assert_allclose(
        trace["grad_W_1"], net.gradient(samples.X, samples.Y, by_name=True)["W_1"]
    )
    start, end = 3, 4  # half_squared_error, with the weight 0.5
    expected = 0.5 * (trace["y_hat"] - trace_columns(net.spec, trace["y"]))[:, start:end] / 8
    np.testing.assert_allclose(trace["grad_y_hat"][:, start:end], expected)


def trace_columns(spec, y):
    """Targets in the places of the outputs, up to the second head, which has one of each."""
    return np.hstack([y[:, :4], np.zeros((len(y), spec.n_outputs - 4))])


@pytest.mark.engine
def test_a_weight_of_0_leaves_a_head_out(rng):
    heads = [Head(3), Head(2, "identity", weight=0.0)]
    net = Network([4, 6, 5], heads=heads, dtype="float64", seed=0)
    samples = random_problem(net.spec, 10, rng)
    grad = net.gradient(samples.X, samples.Y, by_name=True)
    assert not grad["W_2"][3:].any()
    assert grad["W_2"][:3].any()


@pytest.mark.engine
@pytest.mark.parametrize("engine_name", ["compiled", "reference"])
@pytest.mark.parametrize("n", [1, 40])
@pytest.mark.parametrize("other", [{}, {"output": "identity"}])
def test_an_infinite_loss_of_weight_0_counts_as_0(engine_name, n, other, rng):
    heads = [Head(2, "identity", weight=0.0), Head(3, **other)]
    net = Network([4, 6, 5], activation="tanh", heads=heads, engine=engine_name, seed=0)
    X, kept = rng.normal(size=(n, 4)), np.eye(3)[rng.integers(0, 3, n)]
    far, near = (np.hstack([np.full((n, 2), value), kept]) for value in (1e30, 1.0))
    assert net.loss(X, far) == net.loss(X, near)
    np.testing.assert_array_equal(net.gradient(X, far), net.gradient(X, near))
    v = rng.normal(size=net.params.shape)
    np.testing.assert_array_equal(net.hvp(X, far, v), net.hvp(X, near, v))
    assert net.fit(X, far, epochs=2)[-1]["loss"] < np.inf


def test_targets_of_another_number_of_heads(rng):
    net = Network([4, 6, 5], heads=[Head(2, "identity"), Head(3)], seed=0)
    X, y = rng.normal(size=(9, 4)), np.zeros(9, int)
    for given in ((np.zeros((9, 2)), y, y), [y, y, y], (y,)):
        with pytest.raises(ValueError, match=f"of each of 2 heads, got those of {len(given)}"):
            net.loss(X, given)


def test_short_form_and_heads_are_one_loss(engine, dtype, rng):
    short = NetworkSpec((5, 7, 7), dtype=dtype, heads=(3, 4))
    long = NetworkSpec((5, 7, 7), dtype=dtype, heads=(Head(3), {"width": 4}))
    problem, params = random_problem(short, 40, rng, weighted=True), random_params(short, rng)
    results = [
        BoundNetwork(spec, engine.Plan(spec), params.copy(), engine).loss_gradient(problem)
        for spec in (short, long)
    ]
    assert results[0][0] == results[1][0]
    np.testing.assert_array_equal(results[0][1], results[1][1])


def test_mixtures_cover_odd_widths_and_every_loss():
    heads = [head for heads in MIXTURES for head in heads]
    assert {head.loss for head in heads} >= {"hinge", "quantile", "gaussian_nll", "linear"}
    assert len({head.width for head in heads}) > 4
    assert random_head("identity", "quantile", np.random.default_rng(0)).width % 2 == 0
