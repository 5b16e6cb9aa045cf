"""A tabular model trained on the rows of a table."""

from __future__ import annotations

from dataclasses import dataclass, replace
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from ffnn_fast.cli.evaluation.stored_scores import summarised
from ffnn_fast.cli.evaluation.tables import Titled
from ffnn_fast.cli.output import CommandError
from ffnn_fast.cli.table_layout import KnownTargets
from ffnn_fast.cli.tabular_layout import TABLE_KEY, TabularLayout
from ffnn_fast.cli.target_encoders import TargetEncoders, narrow
from ffnn_fast.cli.trained_models import TabularModel
from ffnn_fast.cli.training.examining import use_table, used
from ffnn_fast.cli.training.fitting import library_errors
from ffnn_fast.cli.training.preparing import left_out_note, rows_line, target_line
from ffnn_fast.cli.training.splitting import Arrangement
from ffnn_fast.cli.training.train_options import TrainOptions
from ffnn_fast.cli.training.training_table import (
    TrainingTable,
    note_unknown,
    read_other_table,
    styles_of,
    weighted_by_class,
)
from ffnn_fast.cli.unseen import ranges_of
from ffnn_fast.preprocessing import TargetEncoder

if TYPE_CHECKING:
    from ffnn_fast.tabular import TabularClassifier, TabularRegressor

Array = np.ndarray


@dataclass(frozen=True)
class TabularRows:
    """Rows as typed columns, and what each is used for.

    Attributes
    ----------
    layout : TabularLayout
    columns : dict of str to array of shape (n,)
        Of the rows that train.
    y : array of shape (n, T)
        Their targets, encoded.
    weight : array of shape (n,) or None
    others : dict of str to array of shape (m,)
        Columns of the rows that are evaluated.
    y_others : array of shape (m, T)
    unknown : tuple of tuple of str
        Classes of each target that only these have.
    on : str
        A description of them.
    notes : list of str
    uses : list of tuple of str
        How each column is used, for `output.aligned`.
    arranged : Arrangement
        What keeps the rows that train together, or in order.
    """

    layout: TabularLayout
    columns: dict[str, Array]
    y: Array
    weight: Array | None
    others: dict[str, Array]
    y_others: Array
    unknown: tuple[tuple[str, ...], ...]
    on: str
    notes: list[str]
    uses: list[tuple[str, ...]]
    arranged: Arrangement


def tabular_rows(found: TrainingTable, options: TrainOptions) -> TabularRows:
    """The rows of a table, and those of ``--test``, as typed columns."""
    targets, y, unknown = _of_training(found)
    inputs = used(found.uses)
    layout = TabularLayout(
        found.table.has_header, found.table.names, tuple(options.reading.missing), targets,
        tuple(reading for _, reading, _ in inputs),
        styles_of(found.table, found.uses, targets),
        {use.name: _shown(use.feature.use, use.feature.note) for use in found.uses},
        ranges=ranges_of({one.name: v[found.rows[found.train]] for one, _, v in inputs}),
    )  # fmt: skip
    train, test = found.train, found.test
    weight = weighted_by_class(options.columns.class_weight, found.weight, targets, y, train)
    n_left = len(found.table) - len(found.rows)
    notes = [*left_out_note(targets, n_left, found.missing), *found.notes]
    if options.split.test:
        _, typed, known, read = read_other_table(options.split.test, layout, options, notes)
        columns = {name: v[known.rows] for name, v in typed.items()}
        y_others, unknown = known.y, known.unknown
        notes += read
    else:
        rows = test if len(test) else train
        columns = {feature.name: v[found.rows[rows]] for feature, _, v in inputs}
        y_others = y[rows]
        notes += note_unknown(KnownTargets(rows, y_others, unknown), targets, found.table.path)
    held = len(y_others) if options.split.test else len(test)
    arranged = found.arranged.part(train)
    notes += _of_folds(arranged)
    first = rows_line(found.table.path, len(train), 0, held)
    return TabularRows(
        layout,
        {feature.name: values[found.rows[train]] for feature, _, values in inputs},
        y[train],
        None if weight is None else weight[train],
        columns,
        y_others,
        unknown,
        f"the {len(y_others)} {'held-out' if held else 'training'} rows",
        [f"{first}; {target_line(targets)}", *notes],
        use_table(found.uses),
        arranged,
    )


def _of_folds(arranged: Arrangement) -> list[str]:
    """A sentence about the folds within the training rows, if these are not random."""
    if arranged.times is not None and len(np.unique(arranged.times)) > 1:
        return [
            f"note: the folds that choose and calibrate the bag are blocks of time by "
            f"{arranged.shown!r}"
        ]
    if arranged.groups is not None and len(np.unique(arranged.groups)) > 1:
        return ["note: the folds that choose and calibrate the bag hold whole groups"]
    if arranged.times is None and arranged.groups is None:
        return []
    return [
        f"note: all training rows have one value of {arranged.shown!r}, so that the bag is chosen "
        "and calibrated on random folds of them"
    ]


def _of_training(
    found: TrainingTable,
) -> tuple[TargetEncoders, Array, tuple[tuple[str, ...], ...]]:
    """The targets with the classes of the training rows, the encoded targets, (m, T), and the
    classes that only held-out rows have, as in `KnownTargets`.
    """
    each = [
        _with_classes_of(target, values, found.train)
        for target, values in zip(found.targets.unscaled(), found.values.T, strict=True)
    ]
    y = np.stack([labels for _, labels, _ in each], axis=1)
    return TargetEncoders.of(*(one for one, _, _ in each)), y, tuple(more for _, _, more in each)


def _with_classes_of(
    target: TargetEncoder, values: Array, train: Array
) -> tuple[TargetEncoder, Array, tuple[str, ...]]:
    """A target with the classes of the rows `train`, its encoded values, (m,), and the classes that
    only others have.
    """
    trained = set(values[train].tolist()) if target.classes else set()
    unknown = tuple(name for name in target.classes if name not in trained)
    if not unknown:
        return target, target.encode(values), ()
    target = replace(target, classes=tuple(name for name in target.classes if name in trained))
    if len(target.classes) < 2:
        raise CommandError(
            f"all training rows have the class {target.classes[0]!r} of target {target.name!r}; "
            "hold out other rows"
        )
    place = {name: label for label, name in enumerate((*target.classes, *unknown))}
    return target, np.array([place[name] for name in values.tolist()]), unknown


def _shown(use: str, note: str) -> str:
    return f"{use} ({note})" if note else use


@dataclass(frozen=True)
class FittedTabular:
    """A trained tabular model, and how it was trained; see `fitting.Fitted`."""

    model: TabularModel
    training: dict[str, str]
    ended: str

    def save(self, path: str, results: Titled, baselines: str = "") -> None:
        """Write the model file, with the options and scores of the training in its summary."""
        summary = self.training | summarised(results)
        layout = replace(self.model.layout, summary=summary, baselines=baselines)
        try:
            self.model.estimator.save(path, extra={TABLE_KEY: layout.to_json()})
        except ValueError as error:
            raise CommandError(str(error)) from error


def fit_tabular(rows: TabularRows, options: TrainOptions) -> FittedTabular:
    """Train a tabular model."""
    layout, began = rows.layout, perf_counter()
    estimator = _estimator(layout, options)
    y: Any = layout.targets.decode(rows.y) if layout.targets.classifies else rows.y
    with library_errors():
        estimator.fit(rows.columns, narrow(y), rows.weight, **rows.arranged.for_fit())
    spent = perf_counter() - began
    counts = [len(history) for history in estimator.histories_]
    epochs = f"{min(counts)} to {max(counts)}" if min(counts) < max(counts) else f"{counts[0]}"
    training = {
        "model": f"tabular, preset {estimator.preset}",
        "rows": str(len(rows.y)),
        "networks": str(len(counts)),
        "epochs": epochs,
        "seed": str(options.training.seed),
    }
    if options.stopping.max_time:
        training["max time"] = f"{options.stopping.max_time:g} s"
    limit = f"; --max-time {training['max time']}" if "max time" in training else ""
    ended = f"{len(counts)} networks, {epochs} epochs in {spent:.1f} s{limit}"
    return FittedTabular(TabularModel(estimator, layout), training, ended)


def _estimator(
    layout: TabularLayout, options: TrainOptions
) -> TabularClassifier | TabularRegressor:
    """The estimator, which uses every column as it was decided here."""
    from ffnn_fast.tabular import TabularClassifier, TabularRegressor

    by_kind = {
        kind: [one.name for one in layout.readings if one.kind == kind]
        for kind in ("text", "number")
    }
    return (TabularClassifier if layout.targets.classifies else TabularRegressor)(
        options.tabular.preset or "default",
        n_networks=options.tabular.networks,
        epochs=options.training.epochs,
        categorical_features=by_kind["text"],
        numeric_features=by_kind["number"],
        max_time=options.stopping.max_time,
        n_threads=options.runtime.threads,
        random_state=options.training.seed,
        verbose=True,
    )
