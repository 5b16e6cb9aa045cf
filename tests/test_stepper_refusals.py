"""Stepper: gradients, rates and copies that it refuses."""

import pickle
from copy import copy, deepcopy

import numpy as np
import pytest
from support.fits import classes, network


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_a_gradient_that_is_no_plain_vector_is_refused(engine):
    net = network(engine=engine)
    stepper, before = net.stepper(), net.params.copy()
    hidden = np.ma.array(np.ones_like(before), mask=True)
    for grad, message in (
        (hidden, "grad must have no missing entries"),
        (before[None], "grad must have shape"),
        (before[1:], "grad must have shape"),
    ):
        with pytest.raises(ValueError, match=message):
            stepper.apply(grad)
    np.testing.assert_array_equal(net.params, before)


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("rate", [10**400, "a", -1, np.nan])
def test_rates_that_are_none(engine, rate):
    X, y = classes(8)
    net = network(engine=engine)
    stepper, before = net.stepper(), net.params.copy()
    with pytest.raises((TypeError, ValueError), match="learning_rate"):
        stepper.step(X, y, learning_rate=rate)
    with pytest.raises((TypeError, ValueError), match="learning_rate"):
        stepper.apply(np.zeros_like(before), rate)
    np.testing.assert_array_equal(net.params, before)


@pytest.mark.parametrize("copied", [copy, deepcopy, pickle.dumps])
@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_a_stepper_is_not_copied_without_its_network(engine, copied):
    with pytest.raises(TypeError, match="pickle the network"):
        copied(network(engine=engine).stepper())
