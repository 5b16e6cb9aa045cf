"""The choices of optimizer, schedule, loss, averaging and solver, and the settings of each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ffnn_fast._solvers.minimizers import METHODS
from ffnn_fast._training.averaging import Averaging
from ffnn_fast._training.stopping import EarlyStopping
from ffnn_fast.cli.arguments.named_settings import ANY, settings_of
from ffnn_fast.losses import LOSSES
from ffnn_fast.optimizers import OPTIMIZERS
from ffnn_fast.schedules import (
    Constant,
    Cosine,
    CosLog,
    Exponential,
    FlatCosine,
    InverseScaling,
    OneCycle,
    ReduceOnPlateau,
    Schedule,
    StepDecay,
    WarmUp,
)

RATES = ("rate", "peak", "schedule")  # what a schedule starts from: --learning-rate
SCHEDULES: dict[str, Callable[..., Schedule]] = {
    "constant": Constant,
    "step": StepDecay,
    "exponential": Exponential,
    "inverse": InverseScaling,
    "cosine": Cosine,
    "one_cycle": OneCycle,
    "cos_log": CosLog,
    "flat_cosine": FlatCosine,
    "plateau": ReduceOnPlateau,
}
LEVENBERG_MARQUARDT = "levenberg_marquardt"
SETTINGS: dict[str, dict[str, dict[str, Any]]] = {
    "optimizer": {name: settings_of(o, ["learning_rate"]) for name, o in OPTIMIZERS.items()},
    "schedule": {
        name: {} if kind is Constant else settings_of(kind, RATES)
        for name, kind in SCHEDULES.items()
    },
    "loss": {
        name: {key: option.default for key, option in loss.options.items()}
        for name, loss in LOSSES.items()
    },
    "averaging": {"ema": {"decay": Averaging.decay}, "swa": {"start": Averaging.start}},
}
OF_LEVENBERG_MARQUARDT = ("tol", "damping", "n_starts", "quasi_newton_steps", "memory_limit")
SOLVERS = {LEVENBERG_MARQUARDT: dict.fromkeys(OF_LEVENBERG_MARQUARDT)} | {
    name.replace("-", "_"): {ANY: None} for name in METHODS
}
STOPPING = settings_of(EarlyStopping, ["patience"])
WARM_UP = settings_of(WarmUp, ["schedule", "length"])


def described_settings() -> str:
    """Lines that list the settings of an option's choices, and their defaults."""
    lines = ["settings follow a colon, as --optimizer adam:beta_1=0.95,epsilon=1e-6"]
    for name, known in SETTINGS.items():
        lines += [f"  --{name} {choice}: {_listed(s)}" for choice, s in known.items() if s]
    lines += [f"  --early-stopping N: {_listed(STOPPING)}", f"  --warm-up N: {_listed(WARM_UP)}"]
    lines.append(f"  --solver {LEVENBERG_MARQUARDT}: {', '.join(SOLVERS[LEVENBERG_MARQUARDT])}")
    lines.append("  --solver of SciPy's: its own options")
    return "\n".join(lines)


def _listed(settings: dict[str, Any]) -> str:
    return ", ".join(
        name if default is None else f"{name}={_plain(default)}"
        for name, default in settings.items()
    )


def _plain(value: Any) -> str:
    return "/".join(map(str, value)) if isinstance(value, tuple) else f"{value}"
