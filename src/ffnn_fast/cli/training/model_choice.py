"""Which model the options of ``ffnn-fast train`` are for: the tabular or the plain one."""

from __future__ import annotations

import importlib.util
from dataclasses import MISSING, fields
from typing import Any

from ffnn_fast.cli.arguments.declaration import declarations, flag
from ffnn_fast.cli.output import CommandError
from ffnn_fast.cli.trained_models import NEEDED
from ffnn_fast.cli.training.train_options import TrainOptions

TABULAR, PLAIN = "tabular", "plain"
OF_BOTH = {  # options in groups of the plain model
    *("epochs", "seed", "max_time", "report", "no_report", "baseline", "threads", "test", "cv"),
    *("test_fraction", "time_column", "group_column"),
}
GROUPS = ("split", "network", "training", "stopping", "checkpoints", "reporting", "runtime")


def model_of(options: TrainOptions) -> tuple[str, str]:
    """The kind of the model, and a note if it is not what `options.model` or its default is.

    Raises
    ------
    CommandError
        If options contradict each other, or scikit-learn is needed and not installed.
    """
    plain = [flag(name) for group in GROUPS for name in _given(getattr(options, group))]
    tabular = [flag(name) for name in _given(options.tabular)]
    if options.model == TABULAR and plain:
        raise CommandError(
            f"{_listed(plain)} for the plain model: leave out --model tabular, or leave out "
            f"{', '.join(plain)}"
        )
    if tabular and (plain or options.model == PLAIN):
        other = _listed(plain) if plain else "--model plain is"
        raise CommandError(
            f"{_listed(tabular)} for the tabular model, but {other} for the plain one; leave out "
            f"one of them"
        )
    if plain or options.model == PLAIN:
        note = "" if options.model else f"note: {_listed(plain)} for the plain model: --model plain"
        return PLAIN, note
    if importlib.util.find_spec("sklearn") is None:
        if options.model or tabular:
            raise CommandError(NEEDED)
        return PLAIN, f"note: the plain model is trained, as {NEEDED}"
    return TABULAR, ""


def _given(group: Any) -> list[str]:
    """The options of a group that were given, and that are not for both models."""
    defaults = {field.name: field.default for field in fields(group)}
    return [
        field.name
        for field, _ in declarations(group)
        if field.name not in OF_BOTH
        and defaults[field.name] is not MISSING
        and getattr(group, field.name) != defaults[field.name]
    ]


def _listed(flags: list[str]) -> str:
    return f"{', '.join(flags)} {'is' if len(flags) == 1 else 'are'}"
