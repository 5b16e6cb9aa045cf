"""The checked options of a fit, which the network keeps for the next one with equal arguments."""

from types import SimpleNamespace

import pytest
from support.fits import classes, network

from ffnn_fast._training import option_arguments
from ffnn_fast._training.fit_request import FitRequest
from ffnn_fast.schedules import FlatCosine

X, Y = classes(100)


def test_schedules_after_equal_fits_without_them():
    net, given = network(), {"epochs": 1, "optimizer": "adamw"}
    for schedules in (None, {"weight_decay": FlatCosine(0.5)}, None, {"weight_decay": 0.25}):
        history = net.fit(X, Y, **given, schedules=schedules)
        assert ("weight_decay" in history[-1]) == (schedules is not None)
    assert history["weight_decay"][-1] == 0.25
    net.fit(X, Y, **given)
    with pytest.raises(ValueError, match="hyperparameter of AdamW"):
        net.fit(X, Y, **given, schedules={"momentum": 0.5})


def test_every_argument_of_a_fit_counts_when_options_are_kept():
    """Each is compared, or is read anew in every fit."""
    fields = {name: name for name in FitRequest._fields}
    compared = set(option_arguments._arguments_of_options(SimpleNamespace(**fields)))
    read = {
        *("rows", "validation_rows", "validation_data", "validation_fraction"),
        *("sample_weight", "class_weight"),
        *("derivatives", "missing_derivatives", "rng", "resume", "comm"),
    }
    assert compared | read == set(fields)
    assert not compared & read
