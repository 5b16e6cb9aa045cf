"""Which columns are numeric, which are categorical, and the target with its task."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ffnn_fast.cli.arguments.name_lists import join_names
from ffnn_fast.cli.output import CommandError
from ffnn_fast.cli.table import EXACT, Table

FEW_CLASSES = 20  # a target with at most this many distinct whole numbers has classes ...
ROWS_PER_CLASS = 5  # ... if on average at least this many rows share each of them
CLASS_ADVICE = "; if the target is a class, use --task classification"
MANY_LEVELS = 100  # a text column with more is refused, unless --categorical names it


@dataclass(frozen=True)
class Target:
    """The target column: values (n,), class names or floats, and where they are missing, (n,)."""

    task: str
    values: np.ndarray
    missing: np.ndarray


def target_column(table: Table, name: str, task: str, words: Sequence[str]) -> Target:
    """Read the target; `task` is "classification", "regression" or "auto"."""
    missing = table.missing(name, words)
    values, bad = table.numbers(name, words)
    known = values[~missing]
    if task == "auto" and _is_text(bad, missing):
        task = "classification"
    if task == "auto":
        table.check_cells(name, bad, words, CLASS_ADVICE)
        distinct = np.unique(known)
        style = table.styles.get(name)
        amounts = style is not None and not style.has_unit  # 0,4 or 37% or $5 is a value
        few = len(distinct) <= min(FEW_CLASSES, max(2, len(known) / ROWS_PER_CLASS)) and not amounts
        whole = bool((distinct == np.round(distinct)).all())
        task = "classification" if few and whole else "regression"
    if task == "regression":
        table.check_cells(name, bad, words, CLASS_ADVICE)
        return Target(task, values, missing)
    texts = table.texts(name, words)
    exact = not bad.any() and bool((np.abs(known) <= EXACT).all())
    if exact and len(set(texts[~missing])) > len(np.unique(known)):
        texts[~missing] = [f"{value:.17g}" for value in known]
    n_classes = len(set(texts[~missing]))
    if n_classes > max(2, len(known) / 2):
        raise CommandError(
            f"{table.path}: target {name!r} has {n_classes} classes in {len(known)} rows; choose "
            "another --target, or use --task regression if it holds numbers"
        )
    return Target(task, texts, missing)


def input_columns(
    table: Table, without: set[str], categorical: Sequence[str], words: Sequence[str]
) -> dict[str, np.ndarray]:
    """Every other column: (n,) float64, NaN where missing, or (n,) object, None where missing.

    Raises
    ------
    CommandError
        For texts among numbers, and for a text column with too many different texts.
    """
    columns = {}
    for name in table.names:
        if name in without:
            continue
        quoted = shlex.quote(join_names([name]))
        values, bad = table.numbers(name, words)
        missing = table.missing(name, words)
        if name not in categorical and not _is_text(bad, missing):
            advice = f", if it is a category --categorical {quoted}, otherwise --drop {quoted}"
            table.check_cells(name, bad, words, advice)
            columns[name] = values
            continue
        columns[name] = table.texts(name, words)
        n_levels, n = len(set(columns[name]) - {None}), int((~missing).sum())
        if name not in categorical and n_levels > min(MANY_LEVELS, max(10, n / 2)):
            raise CommandError(
                f"{table.path}: column {name!r} has {n_levels} different texts in {n} rows; leave "
                f"it out with --drop {quoted}, or keep it with --categorical {quoted}"
            )
    if not columns:
        raise CommandError(f"{table.path}: no input column is left")
    return columns


def _is_text(bad: np.ndarray, missing: np.ndarray) -> bool:
    """Whether most of the cells that are not missing are no numbers."""
    return int(bad.sum()) * 2 > int((~missing).sum())
