"""The table to train on: the uses of its columns, its target, and what each row is for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from ffnn_fast._training.sampling import class_weights
from ffnn_fast.cli.arguments.declaration import flag
from ffnn_fast.cli.column_reading import NUMBER
from ffnn_fast.cli.output import CommandError
from ffnn_fast.cli.table import Table, abbreviated, read_table
from ffnn_fast.cli.table_layout import Targets
from ffnn_fast.cli.table_preprocessing import TablePreprocessing
from ffnn_fast.cli.tabular_layout import TabularLayout
from ffnn_fast.cli.training.column_types import Target, target_column
from ffnn_fast.cli.training.determining import determining_notes
from ffnn_fast.cli.training.examining import ColumnOptions, ColumnUse, examine, used
from ffnn_fast.cli.training.splitting import Arrangement, arrangement_of, not_held_out, split
from ffnn_fast.cli.training.train_options import TrainOptions
from ffnn_fast.losses import LOSSES
from ffnn_fast.preprocessing import TargetEncoder

Array = np.ndarray
OF_CLASSES_TOO = ("squared_error", "half_squared_error")  # losses for values and for classes


@dataclass(frozen=True)
class TrainingTable:
    """A table whose columns were examined.

    Attributes
    ----------
    table : Table
    uses : list of ColumnUse
        Of every column but the target.
    target : TargetEncoder
    rows : array of shape (m,)
        Rows with a target.
    values : array of shape (m,)
        Their targets: names of classes, or numbers.
    weight : array of shape (m,) or None
        The weight of each row in training, without the weights of classes.
    train, validation, test : arrays of int
        Indices below m.
    notes : list of str
    arranged : Arrangement
        What keeps the rows together, or in order.
    """

    table: Table
    uses: list[ColumnUse]
    target: TargetEncoder
    rows: Array
    values: Array
    weight: Array | None
    train: Array
    validation: Array
    test: Array
    notes: list[str]
    arranged: Arrangement


class OtherTable(NamedTuple):
    """The table of ``--test``.

    Attributes
    ----------
    table : Table
    columns : dict of str to array of shape (n,)
        Its typed columns.
    targets : Targets
    notes : list of str
    """

    table: Table
    columns: dict[str, Array]
    targets: Targets
    notes: list[str]


def read_other_table(
    path: str, layout: TablePreprocessing | TabularLayout, options: TrainOptions,
    noted: Sequence[str],
) -> OtherTable:  # fmt: skip
    """Read the table of ``--test``; its notes leave out those that are `noted` already."""
    table = layout.read(path, **options.reading.given())
    targets = layout.targets(table, drop_missing=options.drops_missing_targets)
    columns = layout.typed(table)
    notes = [f"{note} (in {table.path})" for note in table.notes if note not in noted]
    notes += note_unknown(targets, layout.target, path)
    return OtherTable(table, columns, targets, notes)


def read_training_table(path: str, options: TrainOptions, *, validates: bool) -> TrainingTable:
    """Read, examine and split a table; `validates` as in `split`.

    Raises
    ------
    CommandError
        If it cannot be used: one that names everything that must be decided.
    """
    reading = options.reading
    table = read_table(path, **reading.given(), named=_named(options))
    rng = np.random.default_rng(options.training.seed)
    column, name, uses = _examined(table, options)
    rows = table.known(column.missing, drop_missing=options.drops_missing_targets)
    try:
        target = TargetEncoder.fit(name, column.values[~column.missing], column.task)
    except ValueError as error:
        raise CommandError(f"{table.path}: {error}") from error
    values, weight = column.values[rows], None
    if options.columns.weights:
        weight = row_weights(table, table.find(options.columns.weights), reading.missing)[rows]
    classifies = column.task == "classification"
    arranged = arrangement_of(table, rows, options)
    labels = values if classifies else None
    train, validation, test = split(path, len(rows), labels, options, rng, arranged, validates)
    notes = [
        *table.notes,
        *column.notes,
        *not_held_out(options, len(rows), test),
        *arranged.notes(test, validation),
        *determining_notes(uses, rows, target.encode(values), classifies),
    ]
    return TrainingTable(
        table, uses, target, rows, values, weight, train, validation, test, notes, arranged
    )


def _examined(table: Table, options: TrainOptions) -> tuple[Target, str, list[ColumnUse]]:
    """The target, its name, and the uses of the other columns."""
    columns, words = options.columns, options.reading.missing
    problems: list[str] = []

    def found(option: str, given: Iterable[str]) -> list[str]:
        names = []
        for one in table.whole_names(list(given)):
            try:
                names.append(table.find(one))
            except CommandError as error:
                last = option == "target" and not table.has_header
                hint = "; for the last column, use --target -1" if last else ""
                problems.append(f"{flag(option)}: {error}{hint}")
        return names

    dropped, categorical = found("drop", columns.drop), found("categorical", columns.categorical)
    kept = found("use", columns.use)
    weights = found("weights", [columns.weights] if columns.weights else [])
    groups = found("group_column", filter(None, [options.split.group_column]))
    times = found("time_column", filter(None, [options.split.time_column]))
    targets = found("target", [options.target or ""])
    name = targets[0] if targets else ""
    given = {"drop": dropped, "group_column": groups, "time_column": times}
    problems += [
        f"{flag(o)} names the target {name!r}" for o, names in given.items() if name in names
    ]
    column = None
    if targets:
        try:
            task, of_values = columns.task, implies_values(options)
            column = target_column(table, name, task, words, of_values=of_values)
        except CommandError as error:
            problems.append(str(error))
    reserved = dict.fromkeys(dropped, "--drop")
    reserved |= dict.fromkeys({*groups} - {*kept, *categorical}, "--group-column")
    reserved |= dict.fromkeys(weights, "weights of the rows") | dict.fromkeys(targets, "")
    chosen = ColumnOptions(reserved, tuple(categorical), tuple(kept), tuple(words), columns.strict)
    uses, refused = examine(table, chosen)
    problems += [f"{table.path}, {one}" if one.startswith("col") else one for one in refused]
    if not problems and not used(uses):
        reasons = [f"{use.name}: {use.feature.note}" for use in uses]
        why = f" ({abbreviated(reasons)})" if reasons else ""
        problems.append(f"{table.path}: no input column is left{why}")
    if problems or column is None:
        raise CommandError(_in_one(problems))
    return column, name, uses


def _named(options: TrainOptions) -> tuple[str, ...]:
    """The columns that options name."""
    columns = options.columns
    lists = (*columns.drop, *columns.categorical, *columns.use)
    split = (options.split.time_column, options.split.group_column)
    return tuple(name for name in (options.target, columns.weights, *split, *lists) if name)


def styles_of(table: Table, uses: Sequence[ColumnUse], target: TargetEncoder) -> dict[str, Any]:
    """How the numbers of inputs, and of a target of values, are written, if not plainly."""
    numbers = {reading.name for _, reading, _ in used(uses) if reading.kind == NUMBER}
    numbers |= {target.name} if target.task == "regression" else set()
    return {name: style for name, style in table.styles.items() if name in numbers}


def _in_one(problems: Sequence[str]) -> str:
    """One message of all problems."""
    if len(problems) == 1:
        return problems[0]
    numbered = "; ".join(f"({i}) {problem}" for i, problem in enumerate(problems, 1))
    return f"{len(problems)} things to decide: {numbered}"


def implies_values(options: TrainOptions) -> bool:
    """Whether the loss or the output is one of values."""
    loss = options.network.loss
    of_values = loss is not None and not (
        LOSSES[loss.name].classifies or loss.name in OF_CLASSES_TOO
    )
    return of_values or options.network.output_activation is not None


def row_weights(table: Table, name: str, words: Sequence[str]) -> Array:
    """A column of numbers >= 0, (n,)."""
    values, bad = table.numbers(name, words)
    table.check_cells(name, bad, words, "")
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


def weighted_by_class(
    class_weight: str | dict[str, float] | None,
    weight: Array | None,
    target: TargetEncoder,
    y: Array,
    train: Array,
) -> Array | None:
    """Weights of rows times those of their classes; balanced over the training rows."""
    if class_weight is None:
        return weight
    classes = target.classes
    if not classes:
        raise CommandError(f"--class-weight is for classification, but {target.name!r} has values")
    by_label: Any = class_weight
    if not isinstance(class_weight, str):
        unknown = [name for name in class_weight if name not in classes]
        if unknown:
            raise CommandError(
                f"--class-weight: there is no class {unknown[0]!r}; classes: {abbreviated(classes)}"
            )
        by_label = {classes.index(name): value for name, value in class_weight.items()}
    whole = np.ones(len(y)) if weight is None else weight.copy()
    whole[train] *= class_weights(by_label, y[train])
    return whole


def note_unknown(others: Targets, target: TargetEncoder, path: str) -> list[str]:
    """Sentences about classes that these rows have in another spelling, or that only they have."""
    spelled = [f"note: {target.name}: {others.note}"] if others.note else []
    if not others.unknown:
        return spelled
    n = int((others.y >= len(target.classes)).sum())
    return [
        *spelled,
        f"note: {n} rows of {path} have a class that no training row has "
        f"({abbreviated(others.unknown)}); they count as errors",
    ]


def unscaled(target: TargetEncoder) -> TargetEncoder:
    """The target as it is, without mean and scale."""
    return replace(target, mean=0.0, scale=1.0)
