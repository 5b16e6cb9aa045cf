"""The parameters that both estimators share, and the values that each of them accepts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import (
    Interval,
    InvalidParameterError,
    Options,
    StrOptions,
)

from ffnn_fast._names import hint, known_name
from ffnn_fast._scalars import as_int
from ffnn_fast.activations import ACTIVATIONS, ALIASES, Activation
from ffnn_fast.metrics import Metric
from ffnn_fast.optimizers import OPTIMIZERS, Optimizer
from ffnn_fast.schedules import Schedule


class Names(StrOptions):
    """A constraint: one of these names, in any spelling, or another library's name of it."""

    def standard(self, value: Any) -> Any:
        """The name that `value` stands for; `value` itself if there is none."""
        if not isinstance(value, str) or value in self.options:
            return value
        return known_name(value, sorted(self.options))

    def is_satisfied_by(self, val: Any) -> bool:
        """Whether `val` stands for one of the names."""
        return bool(super().is_satisfied_by(self.standard(val)))


FULL_BATCH = ("lbfgs", "lm", "levenberg_marquardt")  # the last two are one
STOCHASTIC = {*OPTIMIZERS} - {"momentum", "nesterov"}  # those two are forms of solver="sgd"
CONSTRAINTS: dict[str, Any] = {
    "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
    "activation": [Names({*ACTIVATIONS, *ALIASES}), list, tuple, Activation],
    "solver": [Names({*FULL_BATCH, *STOCHASTIC}), Optimizer],
    "alpha": [Interval(Real, 0, None, closed="left")],
    "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
    "learning_rate": [StrOptions({"constant", "invscaling", "adaptive"}), Schedule, callable],
    "schedules": [Mapping, None],
    "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
    "power_t": [Interval(Real, 0, None, closed="left")],
    "max_iter": [Interval(Integral, 1, None, closed="left")],
    "shuffle": ["boolean"],
    "random_state": ["random_state"],
    "tol": [Interval(Real, 0, None, closed="left")],
    "verbose": ["verbose"],
    "warm_start": ["boolean"],
    "momentum": [Interval(Real, 0, 1, closed="both")],
    "nesterovs_momentum": ["boolean"],
    "early_stopping": ["boolean"],
    "monitor": [str, Metric, callable],
    "validation_fraction": [Interval(Real, 0, 1, closed="left")],
    "beta_1": [Interval(Real, 0, 1, closed="left")],
    "beta_2": [Interval(Real, 0, 1, closed="left")],
    "epsilon": [Interval(Real, 0, None, closed="neither")],
    "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), Options(Real, {np.inf})],
    "max_fun": [Interval(Integral, 1, None, closed="left")],
    "loss_options": [dict, None],
    "dropout": [Interval(Real, 0, 1, closed="left"), list, tuple],
    "weight_decay": [Interval(Real, 0, None, closed="left")],
    "callbacks": [callable, list, tuple, None],
    "n_threads": [Integral, None],
}


class CheckedParameters(BaseEstimator):
    """An estimator whose messages about its parameters have hints."""

    def _validate_params(self) -> None:
        try:
            super()._validate_params()
        except InvalidParameterError as error:
            text = str(error)
            raise InvalidParameterError(f"{text}{self._parameter_hint(text)}") from None

    def _standard(self, parameter: str) -> Any:
        """The standard name where a checked parameter is one of `Names`, else its value."""
        value = getattr(self, parameter)
        for one in self._parameter_constraints[parameter]:
            value = one.standard(value) if isinstance(one, Names) else value
        return value

    @property
    def _solver(self) -> Any:
        """The standard name of the parameter `solver`, or the optimizer."""
        return self._standard("solver")

    @property
    def _loss_name(self) -> str:
        """The standard name of the parameter `loss`."""
        return str(self._standard("loss"))

    def _parameter_hint(self, message: str) -> str:
        """What is meant by the value of the parameter that the message is about."""
        constraints = self._parameter_constraints
        name = next((name for name in constraints if f"'{name}' parameter" in message), "")
        value = getattr(self, name, None)
        if name == "learning_rate_init" and (isinstance(value, Schedule) or callable(value)):
            return "; pass a schedule as learning_rate"
        if name == "learning_rate" and isinstance(value, Real):
            return "; pass a number as learning_rate_init"
        choices = (part for part in constraints.get(name, []) if isinstance(part, StrOptions))
        known = sorted(option for part in choices for option in part.options)
        return hint(value, known) if isinstance(value, str) else ""


def hidden_sizes(sizes: Any) -> list[int]:
    """The widths of the hidden layers, from the parameter `hidden_layer_sizes`.

    Raises
    ------
    InvalidParameterError
        If they are not integers > 0; it is a ValueError and a TypeError.
    """
    several = isinstance(sizes, Iterable) and getattr(sizes, "ndim", 1) > 0
    given = list(sizes) if several else [sizes]
    try:
        widths = [as_int(size, "hidden_layer_sizes", low=None) for size in given]
    except TypeError as error:
        raise InvalidParameterError(
            f"hidden_layer_sizes must be integers > 0, one for each hidden layer, got {sizes!r}"
        ) from error
    if any(width <= 0 for width in widths):
        raise InvalidParameterError(f"hidden_layer_sizes must be > 0, got {widths}.")
    return widths
