"""From tables and options to encoded rows for training, validation and test."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ffnn_fast._columns.features import CATEGORY
from ffnn_fast.cli.column_reading import DATE
from ffnn_fast.cli.output import CommandError, counted
from ffnn_fast.cli.table import Table, abbreviated
from ffnn_fast.cli.table_preprocessing import TablePreprocessing
from ffnn_fast.cli.target_encoders import TargetEncoders
from ffnn_fast.cli.trained_models import is_tabular, load_plain
from ffnn_fast.cli.training.examining import MANY_LEVELS, use_table, used
from ffnn_fast.cli.training.splitting import arrangement_of, not_held_out, split
from ffnn_fast.cli.training.train_options import Model, TrainOptions
from ffnn_fast.cli.training.training_table import (
    TrainingTable,
    read_other_table,
    row_weights,
    styles_of,
    weighted_by_class,
)
from ffnn_fast.cli.unseen import ranges_of
from ffnn_fast.network import Network
from ffnn_fast.preprocessing import CategoricalColumn, NumericColumn, TableEncoder

Array = np.ndarray


@dataclass(frozen=True)
class Prepared:
    """Encoded rows, and what each is used for.

    Attributes
    ----------
    preprocessing : TablePreprocessing
    X : array of shape (n, d), float64
    y : array of shape (n, T)
        Encoded targets.
    weight : array of shape (n,) or None
        The weight of each row in training.
    train, validation, test : arrays of int
        Rows that train, that are evaluated after each epoch, and that are evaluated at the end.
    notes : list of str
    start : Network or None
        The network that training continues from.
    columns : list of tuple of str
        How each column is used, for `output.aligned`; empty with `start`.
    unknown : tuple of tuple of str
        Classes of each target that only test rows have.
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
    columns: list[tuple[str, ...]] = field(default_factory=list)
    unknown: tuple[tuple[str, ...], ...] = ()

    @property
    def evaluated(self) -> tuple[Array, str]:
        """The rows that the network is evaluated on, and a description of them."""
        if len(self.test):
            return self.test, f"the {len(self.test)} held-out rows"
        return self.train, f"the {len(self.train)} training rows"


def prepared(found: TrainingTable, options: TrainOptions) -> Prepared:
    """The rows of a table that was read, and those of ``--test``."""
    preprocessing = fitted(found, options)
    X = preprocessing.matrix(found.table)[found.rows]
    rows = Prepared(
        preprocessing, X, preprocessing.targets.encode(found.values), found.weight,
        found.train, found.validation, found.test, [], columns=use_table(found.uses),
    )  # fmt: skip
    return _completed(rows, options, found.table, found.notes, found.missing)


def validates(options: TrainOptions) -> bool:
    """Whether some rows choose the epoch by default: a network that is trained by steps."""
    return options.training.solver is None


def continued(path: str, options: TrainOptions, start: str) -> Prepared:
    """Rows in the encoding of a model that training continues from."""
    reading = options.reading
    if is_tabular(start):
        raise CommandError(
            f"--start continues a plain model, but {start} is a tabular one; train it again on all "
            "rows, without --start"
        )
    network, preprocessing = load_plain(start, engine=options.runtime.engine)
    table = preprocessing.read(path, **reading.given())
    targets = preprocessing.targets
    places = {preprocessing.target_place(table, name) for name in targets.names}
    if options.target and {table.find(name) for name in options.target} != places:
        asked = ", ".join(options.target)
        raise CommandError(f"{start} predicts {targets.shown!r}, not {asked!r}")
    known = preprocessing.known_targets(table, drop_missing=options.drops_missing_targets)
    rows, y = known.rows, known.y
    for target, unknown in zip(targets, known.unknown, strict=True):
        if unknown:
            raise CommandError(
                f"{path} has classes that {start} has not: {abbreviated(unknown)}; its classes: "
                f"{abbreviated(target.classes)}"
            )
    rng = np.random.default_rng(options.training.seed)
    arranged = arrangement_of(table, rows, options)
    labels = y if targets.classifies else None
    train, validation, test = split(
        path, len(y), labels, options, rng, arranged, validates(options)
    )
    X, weight = preprocessing.matrix(table)[rows], None
    if options.columns.weights:
        weight = row_weights(table, table.find(options.columns.weights), reading.missing)[rows]
    prepared = Prepared(preprocessing, X, y, weight, train, validation, test, [], network)
    unjudged = not_held_out(options, len(y), test)
    notes = [*table.notes, *unjudged, *arranged.notes(test, validation)]
    return _completed(prepared, options, table, notes, known.missing)


def _completed(
    prepared: Prepared, options: TrainOptions, table: Table, notes: list[str],
    missing: tuple[int, ...],
) -> Prepared:  # fmt: skip
    """With the rows of ``--test``, the weights of classes, and the notes; each target is `missing`
    in so many rows of the table.
    """
    preprocessing = prepared.preprocessing
    targets = preprocessing.targets
    X, y, weight, test = prepared.X, prepared.y, prepared.weight, prepared.test
    unknown: tuple[tuple[str, ...], ...] = ((),) * len(targets)
    if options.split.test:
        others, columns, known, read = read_other_table(
            options.split.test, preprocessing, options, notes
        )
        test, unknown = np.arange(len(X), len(X) + len(known.rows)), known.unknown
        X = np.concatenate([X, preprocessing.matrix_of(others, columns)[known.rows]])
        y = np.concatenate([y, known.y])
        weight = None if weight is None else np.concatenate([weight, np.ones(len(known.rows))])
        notes = [*notes, *read]
    class_weight = options.columns.class_weight
    weight = weighted_by_class(class_weight, weight, targets, y, prepared.train)
    line = rows_line(table.path, len(prepared.train), len(prepared.validation), len(test))
    left_out = left_out_note(targets, len(table) - len(prepared.y), missing)
    notes = [*_notes(line, preprocessing), *left_out, *notes]
    return replace(prepared, X=X, y=y, weight=weight, test=test, notes=notes, unknown=unknown)


def fitted(found: TrainingTable, options: TrainOptions) -> TablePreprocessing:
    """The encoding fitted to the training rows."""
    train = found.rows[found.train]
    readings, dates = [], []
    columns: list[NumericColumn | CategoricalColumn] = []
    try:
        for feature, reading, values in used(found.uses):
            if reading.words or reading.kind == DATE:
                readings.append(reading)
            if reading.kind == DATE:
                dates.append(feature)
            if feature.use == CATEGORY:
                columns.append(_pooled(feature.name, values[train], options.columns.strict))
            else:
                numbers = feature.numbers(values[train])
                columns += [NumericColumn.fit(name, part) for name, part in numbers.items()]
        inputs = TableEncoder(tuple(column for column in columns if column.feature_names))
        targets = _targets(found, options.network)
    except ValueError as error:
        raise CommandError(f"{found.table.path}: {error}") from error
    names = {column.name for column in inputs.columns}
    dates = [date for date in dates if names & set(date.number_names)]
    return TablePreprocessing(
        found.table.has_header, found.table.names, tuple(options.reading.missing), inputs, targets,
        numbers=styles_of(found.table, found.uses, targets), readings=tuple(readings),
        dates=tuple(dates), ranges=ranges_of({f.name: v[train] for f, _, v in used(found.uses)}),
    )  # fmt: skip


def _pooled(name: str, values: Array, everything: bool) -> CategoricalColumn:
    """A one-hot category; but the most frequent levels of many, the others have no input."""
    column = CategoricalColumn.fit(name, values)
    if everything or len(column.levels) <= MANY_LEVELS:
        return column
    counts = Counter(values.tolist())
    order = sorted(column.levels, key=lambda level: (level is None, -counts[level], level or ""))
    kept = set(order[:MANY_LEVELS])
    missing = (None,) if None in column.levels else ()
    return CategoricalColumn(
        name, (*(level for level in column.levels if level in kept and level is not None), *missing)
    )


def _targets(found: TrainingTable, model: Model) -> TargetEncoders:
    """The targets, standardised unless the output is bounded, or a count."""
    counts = model.loss is not None and model.loss.name == "poisson"
    keeps = counts or model.output_activation not in (None, "identity", "linear")
    return found.targets.unscaled() if keeps else found.targets


def _notes(line: str, preprocessing: TablePreprocessing) -> list[str]:
    """Lines to print after `rows_line`."""
    columns = preprocessing.inputs.columns
    numeric = [column for column in columns if isinstance(column, NumericColumn)]
    first = (
        f"{line}; {len(numeric)} numeric and {len(columns) - len(numeric)} "
        f"categorical columns make {len(preprocessing.inputs.feature_names)} inputs; "
        f"{target_line(preprocessing.targets)}"
    )
    notes = [first]
    marked = [column.name for column in numeric if column.marks_missing]
    if marked:
        notes.append(
            "note: missing values become the mean of the training rows, and an additional input "
            f"marks them: {abbreviated(marked)}"
        )
    return notes


def rows_line(path: str, n_train: int, n_validation: int, n_test: int) -> str:
    """How many rows there are for each purpose."""
    followed = f"{n_validation} to validate, " if n_validation else ""
    return f"{path}: {n_train} rows to train on, {followed}{n_test} held out"


def left_out_note(targets: TargetEncoders, n: int, missing: Sequence[int]) -> list[str]:
    """A line about n rows that lack a target, if there are any; each is `missing` in so many."""
    if not n:
        return []
    if len(targets) == 1:
        return [f"note: left out {counted(n, 'row')} without a target"]
    pairs = zip(targets.names, missing, strict=True)
    listed = ", ".join(f"{name} in {count}" for name, count in pairs if count)
    return [f"note: left out {counted(n, 'row')} in which a target is missing ({listed})"]


def target_line(targets: TargetEncoders) -> str:
    """The targets and their task."""
    what = "target" if len(targets) == 1 else "targets"
    if not targets.classifies:
        return f"{what} {targets.shown} (regression)"
    each = (f"{target.name} ({len(target.classes)} classes)" for target in targets)
    return f"{what} {', '.join(each)}"
