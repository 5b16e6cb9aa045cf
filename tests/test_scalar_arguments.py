"""Every scalar argument of the public classes and functions is checked, NumPy's scalars included.

The arguments are found by their annotations, so a new one is tested without an entry here; only a
callable with required arguments needs an example of them.
"""

import importlib
import inspect
import re
import tempfile
from pathlib import Path

import numpy as np
import pytest
from support.cases import each
from support.fits import classes, network, values

from ffnn_fast import Network
from ffnn_fast.optimizers import SGD

MODULES = ("activations", "losses", "metrics", "optimizers", "preprocessing", "schedules")
X, Y = classes(40)
LABELS, SCORES = [0, 1, 1], np.eye(3)
REQUIRED = {  # valid values of the arguments without a default
    "Activation": {"name": "a", "function": np.tanh, "derivative": np.cos},
    "CategoricalColumn": {"name": "a", "levels": ("x", "y")},
    "Checkpoint": {"path": "a"},
    "Constant": {"rate": 0.5},
    "Cosine": {"rate": 0.5, "period": 0.5, "per": "fit"},
    "Exponential": {"rate": 0.5},
    "Head": {"width": 2},
    "InverseScaling": {"rate": 0.5},
    "Loss": {"name": "a", "value": np.subtract, "gradient": np.subtract},
    "Metric": {"name": "a", "function": max},
    "logsumexp": {"a": np.zeros(3)},
    "NumericColumn": {"name": "a", "mean": 0.0, "scale": 1.0},
    "CosLog": {"rate": 0.5, "total": 0.5, "per": "fit"},
    "FlatCosine": {"rate": 0.5, "total": 0.5, "per": "fit"},
    "OneCycle": {"peak": 0.5, "total": 0.5, "per": "fit"},
    "ReduceOnPlateau": {"rate": 0.5},
    "StepDecay": {"rate": 0.5, "every": 0.5, "per": "fit"},
    "StepRule": {"optimizer": SGD()},
    "TargetEncoder": {"name": "a", "task": "regression"},
    "WarmUp": {"schedule": 0.5, "length": 0.5, "per": "fit"},
    "as_optimizer": {"value": "sgd"},
    "calibration_curve": {"happened": LABELS, "probability": [0.0, 0.5, 1.0]},
    "confusion_matrix": {"labels": LABELS, "predicted": LABELS},
    "expected_calibration_error": {"happened": LABELS, "probability": [0.0, 0.5, 1.0]},
    "fit_many": {"networks": [Network((5, 3, 2))], "X": X, "y": Y},
    "top_k_accuracy": {"labels": LABELS, "scores": SCORES},
    "Network": {"layer_sizes": (5, 3, 2)},
    "NetworkSpec": {"layer_sizes": (5, 3, 2)},
    "Network.fit": {"X": X, "y": Y},
    "Network.partial_fit": {"X": X, "y": Y},
    "Network.find_learning_rate": {"X": X, "y": Y},
    "Network.gradient": {"X": X, "y": Y},
    "Network.gradient_descent": {"X": X, "y": Y, "learning_rate": 0.5},
    "Network.levenberg_marquardt": dict(zip("Xy", values(40), strict=True)),
    "Network.minimize": {"X": X, "y": Y},
    "Network.initialize": {"X": X},
    "Network.predictor": {},
    "Network.step": {"X": X, "y": Y, "learning_rate": 0.5},
}
GOOD = {  # valid values of optional arguments whose default is None, or takes long
    "Checkpoint.every_seconds": 2.0,
    "Head.width": 2,
    "Metric.larger_is_better": True,
    "Network.n_threads": 1,
    "Network.seed": 1,
    "Network.fit.epochs": 1,
    "Network.fit.early_stopping": False,
    "Network.fit.max_time": 100.0,
    "Network.fit.rng": 1,
    "Network.fit.tol": 0.5,
    "Network.fit.learning_rate": 0.5,
    "Network.find_learning_rate.rng": 1,
    "Network.initialize.rng": 1,
    "Network.initialize.most_rows": 2,
    "Network.gradient_descent.max_iterations": 2,
    "Network.levenberg_marquardt.max_iterations": 2,
    "Network.levenberg_marquardt.quasi_newton_steps": 2,
    "Network.minimize.max_iterations": 2,
    "Network.minimize.tol": 0.5,
    "Network.partial_fit.learning_rate": 0.5,
    "Network.stepper.learning_rate": 0.5,
    **{
        f"Network.{method}.{bound}": 0.5
        for method in ("partial_fit", "step", "stepper")
        for bound in ("clip_value", "clip_norm", "max_norm")
    },
    "as_optimizer.learning_rate": 0.5,
    "confusion_matrix.n_classes": 2,
    "fit_many.n_threads": 1,
    "top_k_accuracy.k": 2,
}
# Functions of a network and a path, and the file that each writes.
WRITERS = {"Network.save": "net", "Network.export_c": "net.c", "to_c": "net.c"}
MAY_BE_INFINITE = {"clip_value", "clip_norm", "max_norm", "max_time", "low", "high"}
# Formulas, whose arguments a loss has checked; results, which users do not construct; converters,
# which need another library and pass their options to `Network`.
NOT_CHECKED = {
    *("smoothed", "canonical_gradient", "softmax_cross_entropy", "logistic_binary_cross_entropy"),
    *("logistic_cross_entropy", "softmax_binary_cross_entropy"),
    *("logistic_cross_entropy_gradient", "softmax_binary_cross_entropy_gradient"),
    *("Trace", "GradientCheck", "Evaluation", "Objective", "SolverHistory", "RateCurve"),
    *(
        "Distributed",  # needs a communicator of MPI: in test_mpi.py
        "Interval",
        "LeastSquaresFit",
        "ManyProgress",
        "Stepper",
        "from_keras",
        "from_sklearn",
        "from_torch",
    ),
}


def callables():
    """(name, callable) of every public class and function that a user calls."""
    for module in ("", *(f".{name}" for name in MODULES)):
        found = importlib.import_module(f"ffnn_fast{module}")
        for name in found.__all__:
            value = getattr(found, name)
            package = str(getattr(value, "__module__", "")).startswith("ffnn_fast")
            if package and (inspect.isclass(value) or inspect.isfunction(value)):
                yield name, value
    for name, value in vars(Network).items():
        if inspect.isfunction(value) and not name.startswith("_"):
            yield f"Network.{name}", value


def scalar_kinds(annotation):
    """Which of int, float and bool an annotation allows at its top level."""
    top = re.sub(r"\[[^\[\]]*\]", "", re.sub(r"\[[^\[\]]*\]", "", str(annotation)))
    parts = {part.strip() for part in top.split("|")}
    aliases = {"Rate": {"float"}, "RateLike": {"float"}, "MetricsLike": {"bool"}}
    return set().union(*(aliases.get(part, {part}) for part in parts))


def arguments():
    """(callable's name, callable, argument, kinds) of every scalar argument."""
    seen = set()
    for name, value in callables():
        if name in NOT_CHECKED or name in seen:
            continue
        seen.add(name)
        try:
            parameters = inspect.signature(value).parameters.values()
        except ValueError:  # of an exception
            continue
        for parameter in parameters:
            kinds = scalar_kinds(parameter.annotation)
            if kinds & {"int", "float", "bool"}:
                yield name, value, parameter, kinds


ARGUMENTS = {f"{name}.{p.name}": (name, value, p, kinds) for name, value, p, kinds in arguments()}


def call(name, function, **given):
    """Call it with this argument and valid others."""
    required = [
        p.name
        for p in inspect.signature(function).parameters.values()
        if p.default is p.empty and p.name != "self" and p.kind is not p.VAR_KEYWORD
    ]
    known = {*REQUIRED.get(name, {}), *(["net", "path"] if name in WRITERS else [])}
    assert set(required) <= known, f"REQUIRED needs an example for {name}"
    given = {**REQUIRED.get(name, {}), **given}
    if name in WRITERS:
        with tempfile.TemporaryDirectory() as folder:
            return function(network(), Path(folder, WRITERS[name]), **given)
    if not name.startswith("Network."):
        return function(**given)
    if name == "Network.levenberg_marquardt":
        return function(Network([3, 2, 1], output="identity", seed=0), **given)
    if name in ("Network.fit", "Network.minimize", "Network.gradient_descent"):
        limit = "epochs" if name == "Network.fit" else "max_iterations"
        given = {limit: 1, **given}
    return function(network(), **given)


def bad_values(kinds, argument):
    """Values that no such argument takes."""
    others = kinds - {"int", "float", "bool"}
    if not others & {"str", "Path", "PathLike", "Initializer"}:
        yield "x"
    yield object()
    if "None" not in kinds and "Any" not in kinds and argument not in ("learning_rate", "resume"):
        yield None
    if "bool" not in kinds:
        yield True
    else:
        yield 1
    if "float" in kinds or "int" in kinds:
        yield float("nan")
        if argument not in MAY_BE_INFINITE:
            yield float("inf")
    if "int" in kinds and "float" not in kinds:
        yield 1.5


@each(full=ARGUMENTS)
def test_other_values_are_refused_in_a_sentence(full):
    name, function, parameter, kinds = ARGUMENTS[full]
    for bad in bad_values(kinds, parameter.name):
        with pytest.raises((TypeError, ValueError)) as caught:
            call(name, function, **{parameter.name: bad})
        assert parameter.name in str(caught.value), (full, bad, str(caught.value))
        assert "got" in str(caught.value) or "must" in str(caught.value)


@each(full=ARGUMENTS)
def test_scalars_of_numpy_are_accepted(full):
    name, function, parameter, kinds = ARGUMENTS[full]
    good = GOOD.get(full, REQUIRED.get(name, {}).get(parameter.name, parameter.default))
    assert isinstance(good, (int, float)), f"GOOD needs a value of {full}"
    if isinstance(good, bool):
        given = [np.bool_(good)]
    elif isinstance(good, int) and "float" not in kinds:
        given = [np.int64(good), np.int8(good), np.array(good)]
    else:
        given = [np.float32(good), np.float64(good), np.array(good)]
    for value in given:
        made = call(name, function, **{parameter.name: value})
        if hasattr(made, "__dataclass_fields__") and parameter.name in made.__dataclass_fields__:
            kept = getattr(made, parameter.name)
            assert type(kept) in (bool, int, float) or hasattr(kept, "rates"), (full, kept)
            assert kept == value or hasattr(kept, "rates")


def test_arguments_are_found():
    found = set(ARGUMENTS)
    assert {"Adam.beta_1", "Cosine.minimum", "EarlyStopping.patience", "Network.fit.tol"} <= found
    assert len(found) > 90
