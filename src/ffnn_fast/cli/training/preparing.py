"""From tables and options to rows that a network learns from, and others that judge it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ffnn_fast._training.sampling import class_weights, hold_out
from ffnn_fast.cli.output import CommandError
from ffnn_fast.cli.predict import load
from ffnn_fast.cli.recipe import Recipe
from ffnn_fast.cli.table import Table, read_table, shortened
from ffnn_fast.cli.training.columns import Target, input_columns, target_column
from ffnn_fast.network import Network
from ffnn_fast.preprocessing import NumericColumn, TableEncoder, TargetEncoder

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
            return self.test, f"the {len(self.test)} held-out rows"
        return self.train, f"the {len(self.train)} training rows"


def prepare(args: argparse.Namespace) -> Prepared:
    """Read the tables, split the rows, and learn the encoding from the training rows."""
    start, recipe = load(args.start, engine=args.engine) if args.start else (None, None)
    rng = np.random.default_rng(args.seed)
    if recipe is None:
        table = read_table(args.data, args.header, args.delimiter)
        column = target_column(table, table.find(args.target), args.task, args.missing)
        rows = table.known(column.missing, drop_missing=args.drop_missing_target)
        parts = _split(column.values[rows], column.task, args, rng)
        recipe, left_out = _learnt(table, column, rows[parts[0]], args)
        y = recipe.target.encode(column.values[rows])
    else:
        table, left_out = recipe.read(args.data, args.header, args.delimiter), []
        if args.target and table.find(args.target) != recipe.target_place(table):
            raise CommandError(f"{args.start} predicts {recipe.target.name!r}, not {args.target!r}")
        rows, y = recipe.targets(table, drop_missing=args.drop_missing_target)
        parts = _split(y, recipe.target.task, args, rng)
    train, validation, test = parts
    X, weight = recipe.matrix(table)[rows], None
    if args.weights:
        weight = _weights(table, table.find(args.weights), args.missing)[rows]
    if args.test:
        others = recipe.read(args.test, args.header, args.delimiter)
        judging, y_test = recipe.targets(others, drop_missing=args.drop_missing_target)
        test = np.arange(len(X), len(X) + len(judging))
        X = np.concatenate([X, recipe.matrix(others)[judging]])
        y = np.concatenate([y, y_test])
        weight = None if weight is None else np.concatenate([weight, np.ones(len(judging))])
    weight = _by_class(weight, args, recipe, y, train)
    counts = (len(train), len(validation), len(test), len(table) - len(rows))
    notes = _notes(table.path, recipe, counts, left_out)
    return Prepared(recipe, X, y, weight, train, validation, test, notes, start)


def looks_at_validation(args: argparse.Namespace) -> bool:
    """Whether something is chosen by figures of rows that do not train."""
    stopping, schedule = args.early_stopping, args.schedule
    watching = [stopping[1]] if stopping else []
    if schedule and schedule.name == "plateau":
        watching.append(schedule.settings)
    return any(str(one.get("monitor", "val_loss")).startswith("val_") for one in watching)


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
    targets: Array, task: str, args: argparse.Namespace, rng: np.random.Generator
) -> tuple[Array, Array, Array]:
    """Training, validation and test rows, class by class where there are classes."""
    classes = targets if task == "classification" else None
    held = 0.0 if args.test else args.test_fraction
    train, test = hold_out(len(targets), held, rng, classes)
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
    if len(rest) < 2:
        raise CommandError(f"{args.data} leaves {len(rest)} rows to train on: too few")
    return train[rest], train[validation], test


def _learnt(
    table: Table, column: Target, train: Array, args: argparse.Namespace
) -> tuple[Recipe, list[str]]:
    """The recipe that these training rows give, and the names of columns that never vary."""
    name = table.find(args.target)
    dropped = [table.find(column) for column in args.drop]
    if name in dropped:
        raise CommandError(f"--drop names the target {name!r}")
    if args.weights:
        dropped.append(table.find(args.weights))
    categorical = [table.find(column) for column in args.categorical]
    raw = input_columns(table, {name, *dropped}, categorical, args.missing)
    try:
        target = TargetEncoder.fit(name, column.values[~column.missing], column.task)
        inputs = TableEncoder.fit({key: values[train] for key, values in raw.items()})
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
    path: str, recipe: Recipe, counts: tuple[int, int, int, int], left_out: Sequence[str]
) -> list[str]:
    """Lines for people; counts: rows to train, to validate, held out, and without a target."""
    columns, target = recipe.inputs.columns, recipe.target
    numeric = [column for column in columns if isinstance(column, NumericColumn)]
    kind = f"{len(target.classes)} classes" if target.classes else "regression"
    followed = f"{counts[1]} to validate, " if counts[1] else ""
    notes = [
        f"{path}: {counts[0]} rows to train on, {followed}{counts[2]} held out; "
        f"{len(numeric)} numeric and {len(columns) - len(numeric)} categorical columns make "
        f"{len(recipe.inputs.feature_names)} inputs; target {target.name} ({kind})"
    ]
    marked = [column.name for column in numeric if column.marks_missing]
    if marked:
        notes.append(
            f"note: missing values become the mean of the training rows, and are marked by an "
            f"input of their own: {shortened(marked)}"
        )
    if counts[3]:
        notes.append(f"note: left out {counts[3]} rows without a target")
    if left_out:
        notes.append(f"note: left out, as they never vary: {shortened(left_out)}")
    return notes
