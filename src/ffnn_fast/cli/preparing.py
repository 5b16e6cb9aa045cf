"""From tables and options to rows that a network learns from, and others that judge it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ffnn_fast.cli.columns import Target, input_columns, target_column
from ffnn_fast.cli.output import CommandError
from ffnn_fast.cli.recipe import Recipe, load_model
from ffnn_fast.cli.table import Table, read_table, shortened
from ffnn_fast.network import Network
from ffnn_fast.preprocessing import NumericColumn, TableEncoder, TargetEncoder
from ffnn_fast.sampling import class_weights, hold_out

Array = np.ndarray
VALIDATED = 0.1  # share of the training rows, where something is chosen by the validation


@dataclass(frozen=True)
class Prepared:
    """Rows, and what becomes of them.

    Attributes
    ----------
    recipe : Recipe
    X : array of shape (n, d), float64
    y : array of shape (n,)
        Encoded targets.
    weight : array of shape (n,) or None
        How much each row counts in training.
    train, validation, test : arrays of int
        Which rows train, are followed, and judge at the end.
    notes : list of str
    start : Network or None
        Where the training begins, if not anew.
    """

    recipe: Recipe
    X: Array
    y: Array
    weight: Array | None
    train: Array
    validation: Array
    test: Array
    notes: list[str]
    start: Network | None = None

    @property
    def judged(self) -> tuple[Array, str]:
        """The rows that judge the network, and what to call them."""
        if len(self.test):
            return self.test, f"on the {len(self.test)} held-out rows"
        return self.train, f"on the {len(self.train)} training rows"


@dataclass(frozen=True)
class Known:
    """The rows of a table whose target is known: their places, values and weights."""

    table: Table
    rows: Array
    target: Target
    weight: Array | None

    @property
    def values(self) -> Array:
        """Targets, (number of rows,)."""
        return self.target.values[self.rows]


def prepare(args: argparse.Namespace) -> Prepared:
    """Read the tables, split the rows, and learn the encoding from the training rows."""
    start, old = load_model(args.start, engine=args.engine) if args.start else (None, None)
    if start is not None and old is None:
        raise CommandError(f"{args.start} does not say how to read a table: train did not write it")
    task = args.task if old is None else old.target.task
    known = _known(read_table(args.data, args.header, args.delimiter), args, task)
    rng = np.random.default_rng(args.seed)
    train, validation, test = _split(known, args, rng)
    if len(train) < 2:
        raise CommandError(f"{args.data} leaves {len(train)} rows to train on: too few")
    recipe, left_out = (old, []) if old is not None else _learnt(known, train, args)
    X, y = _encoded(recipe, known)
    weight = known.weight
    if args.test:
        table = read_table(args.test, args.header, args.delimiter)
        others = _known(table, args, recipe.target.task, judging=True)
        X_test, y_test = _encoded(recipe, others)
        test = np.arange(len(X), len(X) + len(X_test))
        X, y = np.concatenate([X, X_test]), np.concatenate([y, y_test])
        if weight is not None:
            weight = np.concatenate([weight, np.ones(len(X_test))])
    weight = _by_class(weight, args, recipe, y, train)
    notes = _notes(known, recipe, (len(train), len(validation), len(test)), left_out)
    return Prepared(recipe, X, y, weight, train, validation, test, notes, start)


def looks_at_validation(args: argparse.Namespace) -> bool:
    """Whether something is chosen by figures of rows that do not train."""
    stopping, schedule = args.early_stopping, args.schedule
    by_stopping = stopping and stopping[1].get("monitor", "val_loss").startswith("val_")
    plateau = schedule and schedule.name == "plateau"
    by_plateau = plateau and schedule.settings.get("monitor", "val_loss").startswith("val_")
    return bool(by_stopping or by_plateau)


def _known(table: Table, args: argparse.Namespace, task: str, judging: bool = False) -> Known:
    name = table.find(args.target)
    target = target_column(table, name, task, args.missing)
    if target.missing.any() and not args.drop_missing_target:
        row = int(np.argmax(target.missing))
        raise CommandError(
            f"{table.where(row)}: the target is missing "
            f"({target.missing.sum()} such rows); say --drop-missing-target to leave them out"
        )
    rows = np.flatnonzero(~target.missing)
    if not len(rows):
        raise CommandError(f"{table.path} has no row with a target")
    weight = None
    if args.weights and not judging:
        weight = _weights(table, table.find(args.weights), args.missing)[rows]
    return Known(table, rows, target, weight)


def _weights(table: Table, name: str, words: Sequence[str]) -> Array:
    """A column of numbers >= 0, (n,)."""
    values, bad = table.numbers(name, words)
    table.complain(name, bad, words, "")
    wrong = ~(values >= 0)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise CommandError(
            f"{table.where(row)}, column {name!r}: a weight must be a number "
            f">= 0, got {'nothing' if np.isnan(values[row]) else f'{values[row]:g}'}"
        )
    if not values.any():
        raise CommandError(f"{table.path}: all weights in column {name!r} are 0")
    return values


def _split(
    known: Known, args: argparse.Namespace, rng: np.random.Generator
) -> tuple[Array, Array, Array]:
    """Training, validation and test rows, class by class where there are classes."""
    classes = known.values if known.target.task == "classification" else None
    held = 0.0 if args.test else args.test_fraction
    train, test = hold_out(len(known.rows), held, rng, classes)
    followed = args.validation_fraction
    if followed is None:
        followed = VALIDATED if looks_at_validation(args) else 0.0
    rest, validation = hold_out(
        len(train), followed, rng, None if classes is None else classes[train]
    )
    if looks_at_validation(args) and not len(validation):
        raise CommandError(
            "--early-stopping and --schedule plateau need validation rows: say a larger "
            "--validation-fraction, or monitor=loss"
        )
    return train[rest], train[validation], test


def _learnt(known: Known, train: Array, args: argparse.Namespace) -> tuple[Recipe, list[str]]:
    """The recipe that these training rows give, and the names of columns that never vary."""
    table = known.table
    name = table.find(args.target)
    dropped = [table.find(column) for column in args.drop]
    if name in dropped:
        raise CommandError(f"--drop names the target {name!r}")
    if args.weights:
        dropped.append(table.find(args.weights))
    categorical = [table.find(column) for column in args.categorical]
    raw = input_columns(table, {name, *dropped}, categorical, args.missing)
    try:
        target = TargetEncoder.fit(name, known.values, known.target.task)
        inputs = TableEncoder.fit({key: v[known.rows][train] for key, v in raw.items()})
    except ValueError as error:
        raise CommandError(f"{table.path}: {error}") from error
    if _keeps_values(args):
        target = replace(target, mean=0.0, scale=1.0)
    used = {column.name for column in inputs.columns}
    recipe = Recipe(table.has_header, table.names, tuple(args.missing), inputs, target)
    return recipe, [key for key in raw if key not in used]


def _keeps_values(args: argparse.Namespace) -> bool:
    """Whether the network learns values as they are: its output has bounds, or counts."""
    counts = args.loss is not None and args.loss.name == "poisson"
    return counts or args.output_activation not in (None, "identity", "linear")


def _encoded(recipe: Recipe, known: Known) -> tuple[Array, Array]:
    X = recipe.matrix(known.table)[known.rows]
    try:
        return X, recipe.target.encode(known.values)
    except ValueError as error:
        raise CommandError(f"{known.table.path}: {error}") from error


def _by_class(
    weight: Array | None, args: argparse.Namespace, recipe: Recipe, y: Array, train: Array
) -> Array | None:
    """Weights of rows times those of their classes; balanced over the training rows."""
    if args.class_weight is None:
        return weight
    classes = recipe.target.classes
    if not classes:
        raise CommandError(f"--class-weight is for classes, but {recipe.target.name!r} has values")
    asked = args.class_weight
    if asked != "balanced":
        unknown = [name for name in asked if name not in classes]
        if unknown:
            raise CommandError(
                f"--class-weight: there is no class {unknown[0]!r}; classes: {shortened(classes)}"
            )
        asked = {classes.index(name): value for name, value in asked.items()}
    whole = np.ones(len(y)) if weight is None else weight.copy()
    whole[train] *= class_weights(asked, y[train])
    return whole


def _notes(
    known: Known, recipe: Recipe, counts: tuple[int, int, int], left_out: Sequence[str]
) -> list[str]:
    columns, target = recipe.inputs.columns, recipe.target
    numeric = [column for column in columns if isinstance(column, NumericColumn)]
    kind = f"{len(target.classes)} classes" if target.classes else "regression"
    followed = f"{counts[1]} to validate, " if counts[1] else ""
    notes = [
        f"{known.table.path}: {counts[0]} rows to train on, {followed}{counts[2]} held out; "
        f"{len(numeric)} numeric and {len(columns) - len(numeric)} categorical columns make "
        f"{len(recipe.inputs.feature_names)} inputs; target {target.name} ({kind})"
    ]
    marked = [column.name for column in numeric if column.marks_missing]
    if marked:
        notes.append(
            f"note: missing values become the mean of the training rows, and are marked by an "
            f"input of their own: {shortened(marked)}"
        )
    gone = len(known.table) - len(known.rows)
    if gone:
        notes.append(f"note: left out {gone} rows without a target")
    if left_out:
        notes.append(f"note: left out, as they never vary: {shortened(left_out)}")
    return notes
