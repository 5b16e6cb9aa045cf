"""The table to train on: the uses of its columns, its targets, and what each row is for."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ffnn_fast._training.sampling import class_weights
from ffnn_fast.cli.arguments.declaration import flag
from ffnn_fast.cli.column_reading import NUMBER
from ffnn_fast.cli.output import CommandError, counted
from ffnn_fast.cli.table import Table, abbreviated, read_table
from ffnn_fast.cli.table_layout import KnownTargets, known_rows
from ffnn_fast.cli.table_preprocessing import TablePreprocessing
from ffnn_fast.cli.tabular_layout import TabularLayout
from ffnn_fast.cli.target_encoders import TargetEncoders
from ffnn_fast.cli.training.column_types import Target, mixture_problems, target_column
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
        Of every column but the targets.
    targets : TargetEncoders
    rows : array of shape (m,)
        Rows with every target.
    values : array of shape (m, T)
        Their targets: names of classes, or numbers.
    missing : tuple of int
        In how many rows of the table each target is missing.
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
    targets: TargetEncoders
    rows: Array
    values: Array
    missing: tuple[int, ...]
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
    known : KnownTargets
    notes : list of str
    """

    table: Table
    columns: dict[str, Array]
    known: KnownTargets
    notes: list[str]


def read_other_table(
    path: str, layout: TablePreprocessing | TabularLayout, options: TrainOptions,
    noted: Sequence[str],
) -> OtherTable:  # fmt: skip
    """Read the table of ``--test``; its notes leave out those that are `noted` already."""
    table = layout.read(path, **options.reading.given())
    known = layout.known_targets(table, drop_missing=options.drops_missing_targets)
    columns = layout.typed(table)
    notes = [f"{note} (in {table.path})" for note in table.notes if note not in noted]
    notes += note_unknown(known, layout.targets, path)
    return OtherTable(table, columns, known, notes)


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
    columns, uses = _examined(table, options)
    missing = {name: column.missing for name, column in columns.items()}
    rows = known_rows(table, missing, drop_missing=options.drops_missing_targets)
    targets = _encoders(table, columns, rows)
    values = np.stack([column.values[rows] for column in columns.values()], axis=1)
    weight = None
    if options.columns.weights:
        weight = row_weights(table, table.find(options.columns.weights), reading.missing)[rows]
    arranged = arrangement_of(table, rows, options)
    labels = values if targets.classifies else None
    train, validation, test = split(path, len(rows), labels, options, rng, arranged, validates)
    notes = [
        *table.notes,
        *(note for column in columns.values() for note in column.notes),
        *not_held_out(options, len(rows), test),
        *arranged.notes(test, validation),
        *determining_notes(uses, rows, targets.encode(values), targets),
    ]
    counts = tuple(int(one.sum()) for one in missing.values())
    return TrainingTable(
        table, uses, targets, rows, values, counts, weight, train, validation, test, notes,
        arranged,
    )  # fmt: skip


def _encoders(table: Table, columns: Mapping[str, Target], rows: Array) -> TargetEncoders:
    """The encoders fitted to these rows, which have every target."""
    try:
        return TargetEncoders(
            tuple(
                TargetEncoder.fit(name, column.values[rows], column.task)
                for name, column in columns.items()
            )
        )
    except ValueError as error:
        raise CommandError(f"{table.path}: {error}") from error


def _examined(table: Table, options: TrainOptions) -> tuple[dict[str, Target], list[ColumnUse]]:
    """The targets by name, and the uses of the other columns."""
    columns, words = options.columns, options.reading.missing
    problems: list[str] = []

    def found(option: str, given: Iterable[str]) -> list[str]:
        names = []
        for one in given if option == "target" else table.whole_names(list(given)):
            try:
                names.append(table.find(one))
            except CommandError as error:
                hint = _target_hint(table, one) if option == "target" else ""
                problems.append(f"{flag(option)}: {error}{hint}")
        return names

    dropped, categorical = found("drop", columns.drop), found("categorical", columns.categorical)
    kept = found("use", columns.use)
    weights = found("weights", [columns.weights] if columns.weights else [])
    groups = found("group_column", filter(None, [options.split.group_column]))
    times = found("time_column", filter(None, [options.split.time_column]))
    targets = found("target", options.target)
    problems += _repeated(targets)
    given = {"drop": dropped, "group_column": groups, "time_column": times}
    problems += [
        f"{flag(option)} names the target {name!r}"
        for name in dict.fromkeys(targets)
        for option, names in given.items()
        if name in names
    ]
    found_targets: dict[str, Target] = {}
    for name in dict.fromkeys(targets):
        try:
            task, of_values = columns.task, implies_values(options)
            alone = len(targets) == 1
            found_targets[name] = target_column(
                table, name, task, words, of_values=of_values, alone=alone
            )
        except CommandError as error:
            problems.append(str(error))
    problems += mixture_problems(table, found_targets, words)
    reserved = dict.fromkeys(dropped, "--drop")
    reserved |= dict.fromkeys({*groups} - {*kept, *categorical}, "--group-column")
    reserved |= dict.fromkeys(weights, "weights of the rows") | dict.fromkeys(targets, "")
    chosen = ColumnOptions(
        reserved, tuple(categorical), tuple(kept), tuple(words), columns.strict, columns.day_first
    )
    uses, refused = examine(table, chosen)
    problems += [f"{table.path}, {one}" if one.startswith("col") else one for one in refused]
    if not problems and not used(uses):
        reasons = [f"{use.name}: {use.feature.note}" for use in uses]
        why = f" ({abbreviated(reasons)})" if reasons else ""
        problems.append(f"{table.path}: no input column is left{why}")
    if problems:
        raise CommandError(_in_one(problems))
    return found_targets, uses


def _target_hint(table: Table, given: str) -> str:
    """What to do about a target that is no column: one of several in a list, or without a name."""
    parts = [table.named(part.strip()) for part in given.split(",")]
    if len(parts) > 1 and None not in parts:
        options = " ".join(f"--target {shlex.quote(part)}" for part in parts if part)
        return f"; for several targets repeat the option: {options}"
    return "" if table.has_header else "; for the last column, use --target -1"


def _repeated(names: Sequence[str]) -> list[str]:
    """A sentence if a target is given twice."""
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    return [f"--target names the column {name!r} twice" for name in twice]


def _named(options: TrainOptions) -> tuple[str, ...]:
    """The columns that options name."""
    columns = options.columns
    lists = (*columns.drop, *columns.categorical, *columns.use)
    split = (options.split.time_column, options.split.group_column)
    return tuple(name for name in (*options.target, columns.weights, *split, *lists) if name)


def styles_of(table: Table, uses: Sequence[ColumnUse], targets: TargetEncoders) -> dict[str, Any]:
    """How the numbers of inputs, and of targets of values, are written, if not plainly."""
    numbers = {reading.name for _, reading, _ in used(uses) if reading.kind == NUMBER}
    numbers |= set() if targets.classifies else {*targets.names}
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
    targets: TargetEncoders,
    y: Array,
    train: Array,
) -> Array | None:
    """Weights of rows times those of their classes, y (n, T); balanced over the training rows."""
    if class_weight is None:
        return weight
    if not targets.classifies:
        values = targets.holding("values")
        raise CommandError(f"--class-weight is for classification, but {values}")
    if not isinstance(class_weight, str):
        _check_class_weight(class_weight, targets)
    whole = np.ones(len(y)) if weight is None else weight.copy()
    for target, labels in zip(targets, y[train].T, strict=True):
        whole[train] *= class_weights(_by_label(class_weight, target), labels)
    return whole


def _check_class_weight(class_weight: dict[str, float], targets: TargetEncoders) -> None:
    """CommandError unless each name is a class of one target."""
    known = [name for target in targets for name in target.classes]
    for name in class_weight:
        if name not in known:
            raise CommandError(
                f"--class-weight: there is no class {name!r}; classes: {abbreviated(known)}"
            )
        if known.count(name) > 1:
            which = [repr(target.name) for target in targets if name in target.classes]
            raise CommandError(
                f"--class-weight: the targets {' and '.join(which)} both have a class {name!r}; "
                "use --class-weight balanced"
            )


def _by_label(class_weight: str | dict[str, float], target: TargetEncoder) -> Any:
    """The weights by label of a target."""
    if isinstance(class_weight, str):
        return class_weight
    classes = target.classes
    return {classes.index(name): value for name, value in class_weight.items() if name in classes}


def note_unknown(known: KnownTargets, targets: TargetEncoders, path: str) -> list[str]:
    """Sentences about classes that these rows have in another spelling, or that only they have."""
    found = [f"note: {note}" for note in known.notes]
    for target, labels, unknown in zip(targets, known.y.T, known.unknown, strict=True):
        if not unknown:
            continue
        n, of = int((labels >= len(target.classes)).sum()), ""
        if len(targets) > 1:
            of = f" of {target.name}"
        have, count = ("has", "it counts as an error") if n == 1 else (
            "have", "they count as errors",
        )  # fmt: skip
        found.append(
            f"note: {counted(n, 'row')} of {path} {have} a class{of} that no training row has "
            f"({abbreviated(unknown)}); {count}"
        )
    return found
