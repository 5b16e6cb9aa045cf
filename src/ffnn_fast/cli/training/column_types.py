"""The target of a training table, with its task."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ffnn_fast._columns.dates import date_format
from ffnn_fast.cli.output import CommandError
from ffnn_fast.cli.table import EXACT, Table
from ffnn_fast.preprocessing import TargetEncoder

FEW_CLASSES = 20  # a target with at most this many distinct whole numbers has classes ...
ROWS_PER_CLASS = 5  # ... if on average at least this many rows share each of them
TAKEN = {"regression": "values", "classification": "classes"}
COUNTED = 200  # distinct whole numbers that are noted


@dataclass(frozen=True)
class Target:
    """The target column: values (n,), class names or floats, where they are missing, (n,), and
    what is to be said about it.
    """

    task: str
    values: np.ndarray
    missing: np.ndarray
    notes: tuple[str, ...] = ()


def target_column(
    table: Table, name: str, task: str, words: Sequence[str], *, of_values: bool = False,
    alone: bool = True,
) -> Target:  # fmt: skip
    """Read a target; `task` is "classification", "regression" or "auto", which takes numbers as
    values if `of_values`. Advice on the task holds for one that is `alone`, else for a model of
    its own.
    """
    own = f"--target {shlex.quote(name)} --task"
    missing = table.missing(name, words)
    values, bad = table.numbers(name, words)
    known, notes, dates = values[~missing], tuple[str, ...](), None
    class_advice = ""
    if bad.any() and _can_be_classes(len(set(table.texts(name, words)[~missing])), len(known)):
        class_advice = "use --task" if alone else f"train a model of its own: {own}"
        class_advice = f"; if the target is a class, {class_advice} classification"
    if task != "classification" and int(bad.sum()) * 2 > int((~missing).sum()):
        dates = date_format(table.texts(name, words)[~missing])
        if task == "auto":
            task, notes = "classification", _date_note(name, dates)
    if task == "auto":
        table.check_cells(name, bad, words, class_advice)
        style = table.styles.get(name)
        amounts = style is not None and not style.has_unit  # 0,4 or 37% or $5 is a value
        values_only = of_values or amounts
        task, notes = ("regression", ()) if values_only else _task_of_numbers(name, known)
    if task == "regression":
        if dates:
            raise CommandError(_of_dates(table, name, dates))
        table.check_cells(name, bad, words, class_advice)
        return Target(task, values, missing, notes)
    texts = table.texts(name, words)
    exact = not bad.any() and bool((np.abs(known) <= EXACT).all())
    if exact and len(set(texts[~missing])) > len(np.unique(known)):
        texts[~missing] = [f"{value:.17g}" for value in known]
    n_classes = len(set(texts[~missing]))
    if not _can_be_classes(n_classes, len(known)):
        if dates:
            raise CommandError(_of_dates(table, name, dates))
        advice = "use --task" if alone else f"train a model of its own, {own}"
        raise CommandError(
            f"{table.path}: target {name!r} has {n_classes} classes in {len(known)} rows; choose "
            f"another --target, or {advice} regression if it holds numbers"
        )
    return Target(task, texts, missing, notes)


def _can_be_classes(n_classes: int, n: int) -> bool:
    """Whether n rows may have so many classes."""
    return n_classes <= max(2, n / 2)


def mixture_problems(
    table: Table, targets: Mapping[str, Target], words: Sequence[str]
) -> list[str]:
    """A sentence if some targets are values and others classes, with options that work."""
    if len({target.task for target in targets.values()}) < 2:
        return []
    by_task = {
        task: [name for name, target in targets.items() if target.task == task] for task in TAKEN
    }
    taken = " and ".join(
        f"{', '.join(map(repr, names))} {'is' if len(names) == 1 else 'are'} taken as {TAKEN[task]}"
        for task, names in by_task.items()
    )
    advice = [
        f"use --task {task} to take all as {TAKEN[task]}"
        for task in TAKEN
        if all(_can_be(table, name, task, words) for name in targets)
    ]
    parts = (" ".join(f"--target {shlex.quote(n)}" for n in names) for names in by_task.values())
    advice.append(f"train one model with {' and another with '.join(parts)}")
    return [
        f"{table.path}: one model predicts values or classes, but of the targets {taken}; "
        + ", or ".join(advice)
    ]


def _can_be(table: Table, name: str, task: str, words: Sequence[str]) -> bool:
    """Whether a column can be a target of this task."""
    try:
        found = target_column(table, name, task, words)
        TargetEncoder.fit(name, found.values[~found.missing], task)
    except (CommandError, ValueError):
        return False
    return True


def _date_note(name: str, dates: str | None) -> tuple[str, ...]:
    """That dates are taken as classes."""
    if not dates:
        return ()
    return (
        f"note: the target {name!r} holds dates ({dates}), each of which is taken as a class; to "
        "predict a time, replace them by numbers, such as days or hours",
    )


def _of_dates(table: Table, name: str, dates: str) -> str:
    """What to do about a target of dates that are too many classes, or no values."""
    return (
        f"{table.path}: target {name!r} holds dates ({dates}), which are not values that can be "
        "predicted; replace them by numbers, such as days or hours, or choose another --target"
    )


def _task_of_numbers(name: str, known: np.ndarray) -> tuple[str, tuple[str, ...]]:
    """The task for a target of numbers, and a note if it may be taken for another."""
    distinct = np.unique(known)
    few = len(distinct) <= min(FEW_CLASSES, max(2, len(known) / ROWS_PER_CLASS))
    whole = bool((distinct == np.round(distinct)).all())
    task = "classification" if few and whole else "regression"
    if not whole or not 2 < len(distinct) <= COUNTED:
        return task, ()
    taken, other, otherwise = (
        ("classes", "values", "regression")
        if task == "classification"
        else ("values", "classes", "classification")
    )
    possible = task == "classification" or _can_be_classes(len(distinct), len(known))
    advice = f"; --task {otherwise} takes them as {other}" if possible else ""
    return task, (
        f"note: the target {name!r} has {len(distinct)} different whole numbers, which are taken "
        f"as {taken}{advice}",
    )
