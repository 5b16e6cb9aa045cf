"""Backpropagation equals central differences, for every activation, output and loss."""

import numpy as np
import pytest
from support.cases import each
from support.problems import (
    HIDDEN,
    PAIRS,
    bound_networks,
    options_of,
    random_params,
    random_problem,
)

from ffnn_fast import NetworkSpec, reference
from ffnn_fast._runtime.inspection import GradientCheck, check_gradients
from ffnn_fast.engine import isa

pytestmark = pytest.mark.engine


@pytest.fixture(params=["compiled", "reference"])
def backend(request):
    return isa.engine if request.param == "compiled" else reference


def check_on_rows(backend, spec, rng):
    """Six rows, with labels and with weighted dense targets."""
    for kind, weighted in (("labels", False), ("dense", True)):
        problem = random_problem(spec, 6, rng, kind, weighted)
        (bound,) = bound_networks(spec, random_params(spec, rng), backend)
        check = check_gradients(bound, problem)
        assert check.passed, check


@each(activation=HIDDEN, output=["softmax", "identity"])
def test_every_activation(backend, activation, output, rng):
    check_on_rows(
        backend, NetworkSpec((3, 5, 4, 3), activation, output, dtype="float64", l2=0.05), rng
    )


@pytest.mark.parametrize("half", [0, pytest.param(1, marks=pytest.mark.slow)])
@each(pair=PAIRS)
def test_every_output_and_loss(backend, half, pair, rng):
    """Each half refuses missing targets for every other pair, and leaves them out for the rest."""
    output, loss = pair
    missing = ("refuse", "ignore")[(half + PAIRS.index(pair)) % 2]
    spec = NetworkSpec(
        (2, 3, 4), "tanh", output, loss, "float64", 0.05, missing_targets=missing,
        loss_options=options_of(output, loss),
    )  # fmt: skip
    check_on_rows(backend, spec, rng)


def test_a_wrong_gradient_is_found(rng, monkeypatch):
    spec = NetworkSpec((3, 4, 2), dtype="float64")
    (bound,) = bound_networks(spec, random_params(spec, rng), reference)
    right = reference.loss_gradient

    def wrong(plan, params, X, Y, sample_weight, grad, work):
        value = right(plan, params, X, Y, sample_weight, grad, work)
        spec.named(grad)["b_1"][0] *= 1.001
        return value

    monkeypatch.setattr(reference, "loss_gradient", wrong)
    check = check_gradients(bound, random_problem(spec, 4, rng, "labels"))
    assert not check.passed
    assert check.by_name["b_1"] > 1e-6 > check.by_name["W_1"]
    assert "FAILED" in repr(check)


def test_the_largest_error_decides():
    check = GradientCheck({"W_1": 1e-9, "b_1": 3e-7})
    assert check.max_relative_error == 3e-7
    assert check.passed
    assert "passed" in repr(check)


def test_parameters_are_left_alone(rng):
    spec = NetworkSpec((3, 4, 2))
    (bound,) = bound_networks(spec, random_params(spec, rng), isa.engine)
    before = bound.params.copy()
    check_gradients(bound, random_problem(spec, 4, rng))
    np.testing.assert_array_equal(bound.params, before)
