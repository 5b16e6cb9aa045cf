"""From tables and options to encoded rows for training, validation and test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ffnn_fast._training.sampling import class_weights, hold_out
from ffnn_fast.cli.output import CommandError
from ffnn_fast.cli.predict import load
from ffnn_fast.cli.table import Table, abbreviated, read_table
from ffnn_fast.cli.table_preprocessing import TablePreprocessing
from ffnn_fast.cli.training.column_types import Target, input_columns, target_column
from ffnn_fast.cli.training.train_options import Model, Stopping, Training, TrainOptions
from ffnn_fast.network import Network
from ffnn_fast.preprocessing import NumericColumn, TableEncoder, TargetEncoder

Array = np.ndarray
VALIDATED = 0.1  # share of the training rows, where a validation figure decides something


@dataclass(frozen=True)
class Prepared:
    """Encoded rows, and what each is used for.

    Attributes
    ----------
    preprocessing : TablePreprocessing
    X : array of shape (n, d), float64
    y : array of shape (n,)
        Encoded targets.
    weight : array of shape (n,) or None
        The weight of each row in training.
    train, validation, test : arrays of int
        Rows that train, that are evaluated after each epoch, and that are evaluated at the end.
    notes : list of str
    start : Network or None
        The network that training continues from.
    """

    preprocessing: TablePreprocessing
    X: Array
    y: Array
    weight: Array | None
    train: Array
    validation: Array
    test: Array
    notes: list[str]
    start: Network | None = None

    @property
    def evaluated(self) -> tuple[Array, str]:
        """The rows that the network is evaluated on, and a description of them."""
        if len(self.test):
            return self.test, f"the {len(self.test)} held-out rows"
        return self.train, f"the {len(self.train)} training rows"


def prepare(path: str, options: TrainOptions) -> Prepared:
    """Read the tables, split the rows, and fit the encoding to the training rows."""
    reading, seed = options.reading, options.training.seed
    start, preprocessing = None, None
    if options.model.start:
        start, preprocessing = load(options.model.start, engine=options.runtime.engine)
    rng = np.random.default_rng(seed)
    if preprocessing is None:
        table = read_table(path, **reading.given(), named=_named(options))
        column = target_column(
            table, table.find(options.target or ""), options.columns.task, reading.missing
        )
        rows = table.known(column.missing, drop_missing=reading.drop_missing_target)
        parts = _split(path, column.values[rows], column.task, options, rng)
        preprocessing, left_out = _fitted(table, column, rows[parts[0]], options)
        y = preprocessing.target.encode(column.values[rows])
    else:
        table, left_out = preprocessing.read(path, **reading.given()), []
        if options.target and table.find(options.target) != preprocessing.target_place(table):
            raise CommandError(
                f"{options.model.start} predicts {preprocessing.target.name!r}, "
                f"not {options.target!r}"
            )
        rows, y = preprocessing.targets(table, drop_missing=reading.drop_missing_target)
        parts = _split(path, y, preprocessing.target.task, options, rng)
    train, validation, test = parts
    X, weight = preprocessing.matrix(table)[rows], None
    read = list(table.notes)
    if options.columns.weights:
        weight = _weights(table, table.find(options.columns.weights), reading.missing)[rows]
    if options.split.test:
        others = preprocessing.read(options.split.test, **reading.given())
        known, y_test = preprocessing.targets(others, drop_missing=reading.drop_missing_target)
        test = np.arange(len(X), len(X) + len(known))
        X = np.concatenate([X, preprocessing.matrix(others)[known]])
        read += [f"{note} (in {others.path})" for note in others.notes if note not in read]
        y = np.concatenate([y, y_test])
        weight = None if weight is None else np.concatenate([weight, np.ones(len(known))])
    if options.columns.class_weight is not None:
        weight = _by_class(options.columns.class_weight, weight, preprocessing.target, y, train)
    counts = (len(train), len(validation), len(test), len(table) - len(rows))
    notes = read + _notes(table.path, preprocessing, counts, left_out)
    return Prepared(preprocessing, X, y, weight, train, validation, test, notes, start)


def _named(options: TrainOptions) -> tuple[str, ...]:
    """The columns that options name."""
    columns = options.columns
    found = (options.target, columns.weights, *columns.drop, *columns.categorical)
    return tuple(name for name in found if name)


def needs_validation(stopping: Stopping, training: Training) -> bool:
    """Whether figures of the validation rows decide when training stops or how the rate changes."""
    monitoring = [stopping.early_stopping.settings] if stopping.early_stopping else []
    if training.schedule and training.schedule.name == "plateau":
        monitoring.append(training.schedule.settings)
    return any(str(one.get("monitor", "val_loss")).startswith("val_") for one in monitoring)


def _weights(table: Table, name: str, words: Sequence[str]) -> Array:
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


def _split(
    path: str, targets: Array, task: str, options: TrainOptions, rng: np.random.Generator
) -> tuple[Array, Array, Array]:
    """Training, validation and test rows; stratified by class in classification."""
    classes = targets if task == "classification" else None
    held = 0.0 if options.split.test else options.split.test_fraction
    train, test = hold_out(len(targets), held, rng, classes)
    validated = needs_validation(options.stopping, options.training)
    followed = options.split.validation_fraction
    if followed is None:
        followed = VALIDATED if validated else 0.0
    rest, validation = hold_out(
        len(train), followed, rng, None if classes is None else classes[train]
    )
    if validated and not len(validation):
        raise CommandError(
            "--early-stopping and --schedule plateau need validation rows: give a larger "
            "--validation-fraction, or the setting monitor=loss"
        )
    if len(rest) < 2:
        raise CommandError(f"{path} leaves {len(rest)} rows to train on; at least 2 are needed")
    _check_share("--test-fraction", held, len(targets), len(test))
    _check_share("--validation-fraction", followed, len(train), len(validation))
    return train[rest], train[validation], test


def _check_share(name: str, fraction: float, n: int, count: int) -> None:
    """CommandError if a fraction of n rows that is not 0 comes to no row."""
    if fraction and not count:
        raise CommandError(
            f"{name} {fraction:g} of {n} rows comes to no row (every class keeps one to train on); "
            "give a larger fraction, or 0"
        )


def _fitted(
    table: Table, column: Target, train: Array, options: TrainOptions
) -> tuple[TablePreprocessing, list[str]]:
    """The encoding fitted to these training rows, and the names of columns that never vary."""
    columns, missing = options.columns, options.reading.missing
    name = table.find(options.target or "")
    dropped = table.find_all(columns.drop)
    if name in dropped:
        raise CommandError(f"--drop names the target {name!r}")
    if columns.weights:
        dropped.append(table.find(columns.weights))
    categorical = table.find_all(columns.categorical)
    raw = input_columns(table, {name, *dropped}, categorical, missing)
    try:
        target = TargetEncoder.fit(name, column.values[~column.missing], column.task)
        inputs = TableEncoder.fit({key: values[train] for key, values in raw.items()})
    except ValueError as error:
        raise CommandError(f"{table.path}: {error}") from error
    if _keeps_values(options.model):
        target = replace(target, mean=0.0, scale=1.0)
    used = {column.name for column in inputs.columns}
    numeric = {column.name for column in inputs.columns if isinstance(column, NumericColumn)} | (
        {name} if target.task == "regression" else set()
    )
    styles = {key: style for key, style in table.styles.items() if key in numeric}
    preprocessing = TablePreprocessing(
        table.has_header, table.names, tuple(missing), inputs, target, numbers=styles
    )
    return preprocessing, [key for key in raw if key not in used]


def _keeps_values(model: Model) -> bool:
    """Whether the target is not standardised: the output is bounded, or a count."""
    counts = model.loss is not None and model.loss.name == "poisson"
    return counts or model.output_activation not in (None, "identity", "linear")


def _by_class(
    class_weight: str | dict[str, float],
    weight: Array | None,
    target: TargetEncoder,
    y: Array,
    train: Array,
) -> Array:
    """Weights of rows times those of their classes; balanced over the training rows."""
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


def _notes(
    path: str,
    preprocessing: TablePreprocessing,
    counts: tuple[int, int, int, int],
    left_out: Sequence[str],
) -> list[str]:
    """Lines to print; counts: rows to train, to validate, held out, and without a target."""
    columns, target = preprocessing.inputs.columns, preprocessing.target
    numeric = [column for column in columns if isinstance(column, NumericColumn)]
    kind = f"{len(target.classes)} classes" if target.classes else "regression"
    followed = f"{counts[1]} to validate, " if counts[1] else ""
    notes = [
        f"{path}: {counts[0]} rows to train on, {followed}{counts[2]} held out; "
        f"{len(numeric)} numeric and {len(columns) - len(numeric)} categorical columns make "
        f"{len(preprocessing.inputs.feature_names)} inputs; target {target.name} ({kind})"
    ]
    marked = [column.name for column in numeric if column.marks_missing]
    if marked:
        notes.append(
            "note: missing values become the mean of the training rows, and an additional input "
            f"marks them: {abbreviated(marked)}"
        )
    if counts[3]:
        notes.append(f"note: left out {counts[3]} rows without a target")
    if left_out:
        notes.append(f"note: left out, as they never vary: {abbreviated(left_out)}")
    return notes
