"""From a CSV file and options to a trained network with its recipe."""

from __future__ import annotations

import argparse
import math
import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ffnn_fast.cli.baselines import linear_classifier, ridge
from ffnn_fast.cli.columns import Target, input_columns, target_column
from ffnn_fast.cli.output import CommandError
from ffnn_fast.cli.progress import progress
from ffnn_fast.cli.recipe import KEY, Recipe
from ffnn_fast.cli.table import read_table, shortened
from ffnn_fast.divergence import DivergedWarning
from ffnn_fast.history import History
from ffnn_fast.metrics import accuracy, r2
from ffnn_fast.network import Network
from ffnn_fast.preprocessing import NumericColumn, TableEncoder, TargetEncoder
from ffnn_fast.sampling import hold_out
from ffnn_fast.schedules import StepDecay

STEPS = 20_000  # about how many the default number of epochs makes
EPOCHS = (20, 500)  # the least and the most that are made by default
LAST_PART = 4  # the last quarter of the epochs takes steps of a tenth, so that the noise settles


@dataclass(frozen=True)
class Prepared:
    """Inputs (n, d) float64 and encoded targets (n,), which rows train and which are held out."""

    recipe: Recipe
    X: np.ndarray
    y: np.ndarray
    train: np.ndarray
    test: np.ndarray
    notes: list[str]


@dataclass(frozen=True)
class Fitted:
    """A trained network, what it was made with, and its result beside the baselines."""

    network: Network
    recipe: Recipe
    history: History
    report: list[tuple[str, ...]]

    def save(self, path: str) -> None:
        """Write the model file."""
        try:
            self.network.save(path, extra={KEY: self.recipe.to_json()})
        except ValueError as error:
            raise CommandError(str(error)) from error


def prepare(args: argparse.Namespace) -> Prepared:
    """Read the table, split its rows, and learn the encoding from the training rows."""
    table = read_table(args.data, args.header, args.delimiter)
    name = table.find(args.target)
    dropped = [table.find(column) for column in args.drop]
    if name in dropped:
        raise CommandError(f"--drop names the target {name!r}")
    target = target_column(table, name, args.task, args.missing)
    rows = _rows_with_target(table.path, table.lines, target, args.drop_missing_target)
    rng = np.random.default_rng(args.seed)
    classes = target.values[rows] if target.task == "classification" else None
    train, test = hold_out(len(rows), args.test_fraction, rng, classes)
    if len(train) < 2:
        raise CommandError(f"{table.path} leaves {len(train)} rows to train on: too few")
    categorical = [table.find(column) for column in args.categorical]
    raw = input_columns(table, {name, *dropped}, categorical, args.missing)
    try:
        encoder = TargetEncoder.fit(name, target.values[rows], target.task)
        inputs = TableEncoder.fit({key: column[rows][train] for key, column in raw.items()})
    except ValueError as error:
        raise CommandError(f"{table.path}: {error}") from error
    recipe = Recipe(table.has_header, table.names, tuple(args.missing), inputs, encoder)
    X = recipe.matrix(table)[rows]
    y = encoder.encode(target.values[rows])
    notes = _notes(table.path, recipe, len(table) - len(rows), len(train), len(test))
    left_out = [key for key in raw if key not in {column.name for column in inputs.columns}]
    if left_out:
        notes.append(f"note: left out, as they never vary: {shortened(left_out)}")
    return Prepared(recipe, X, y, train, test, notes)


def fit(prepared: Prepared, args: argparse.Namespace) -> Fitted:
    """Train a network on the training rows and judge it on those held out."""
    network = _network(prepared, args)
    X, y = prepared.X.astype(args.dtype), prepared.y
    train, test = prepared.train, prepared.test
    epochs = args.epochs or _default_epochs(len(train), args.batch_size)
    held_out = (X[test], y[test]) if len(test) else None
    with progress("training", epochs) as show, warnings.catch_warnings():
        warnings.simplefilter("error", DivergedWarning)
        try:
            history = network.fit(
                X[train],
                y[train],
                epochs=epochs,
                batch_size=args.batch_size,
                learning_rate=StepDecay(args.learning_rate, every=epochs - epochs // LAST_PART),
                validation_data=held_out,
                callbacks=[show],
            )
        except DivergedWarning as warning:
            what = str(warning).partition(";")[0]
            raise CommandError(f"{what}: try a smaller --learning-rate") from None
    report = _report(prepared, network, X)
    summary = {"epochs": str(epochs), "rows": str(len(train))}
    summary |= {
        f"{name} {report[0][0]}": v for name, v in zip(report[0][1:], report[1][1:], strict=True)
    }
    return Fitted(network, replace(prepared.recipe, summary=summary), history, report)


def _rows_with_target(path: str, lines: np.ndarray, target: Target, drop: bool) -> np.ndarray:
    if target.missing.any() and not drop:
        row = int(np.argmax(target.missing))
        raise CommandError(
            f"{path}, line {lines[row]}: the target is missing ({target.missing.sum()} such "
            "rows); say --drop-missing-target to leave them out"
        )
    rows = np.flatnonzero(~target.missing)
    if not len(rows):
        raise CommandError(f"{path} has no row with a target")
    return rows


def _notes(path: str, recipe: Recipe, gone: int, n_train: int, n_test: int) -> list[str]:
    columns = recipe.inputs.columns
    numeric = [column for column in columns if isinstance(column, NumericColumn)]
    target = recipe.target
    kind = f"{len(target.classes)} classes" if target.classes else "regression"
    notes = [
        f"{path}: {n_train} rows to train on, {n_test} held out; {len(numeric)} numeric and "
        f"{len(columns) - len(numeric)} categorical columns make "
        f"{len(recipe.inputs.feature_names)} inputs; target {target.name} ({kind})"
    ]
    marked = [column.name for column in numeric if column.marks_missing]
    if marked:
        notes.append(
            f"note: missing values become the mean of the training rows, and are marked by an "
            f"input of their own: {shortened(marked)}"
        )
    if gone:
        notes.append(f"note: left out {gone} rows without a target")
    return notes


def _network(prepared: Prepared, args: argparse.Namespace) -> Network:
    """A network whose output suits target and loss."""
    target, loss = prepared.recipe.target, args.loss
    k = len(target.classes)
    output, width = "softmax", k
    if target.task == "regression":
        if loss.endswith("cross_entropy"):
            raise CommandError(f"--loss {loss} is for classes, but {target.name!r} has values")
        output, width = "identity", 1
    elif loss == "binary_cross_entropy":
        if k != 2:
            raise CommandError(f"--loss {loss} is for two classes, but {target.name!r} has {k}")
        output, width = "logistic", 1
    sizes = (len(prepared.recipe.inputs.feature_names), *args.hidden, width)
    options: dict[str, Any] = {"activation": args.activation, "output": output, "loss": loss}
    try:
        return Network(sizes, dtype=args.dtype, l2=args.l2, seed=args.seed, **options)
    except ValueError as error:
        raise CommandError(str(error)) from error


def _default_epochs(n: int, batch_size: int) -> int:
    least, most = EPOCHS
    return max(least, min(most, STEPS // math.ceil(n / batch_size)))


def _report(prepared: Prepared, network: Network, X: np.ndarray) -> list[tuple[str, ...]]:
    """A table: the network and two simple models on the held-out rows, or on the training rows
    where none are held out.
    """
    train, target = prepared.train, prepared.recipe.target
    judged = prepared.test if len(prepared.test) else train
    where = "held-out" if len(prepared.test) else "training"
    truth, known = target.decode(prepared.y[judged]), prepared.y[train]
    predicted = target.decode(network.predict(X[judged]))
    title = f"on the {len(judged)} {where} rows"
    if target.task == "classification":
        k = len(target.classes)
        linear = linear_classifier(prepared.X[train], known, k)(prepared.X[judged])
        most = np.full(len(judged), np.bincount(known, minlength=k).argmax())
        rows = [
            ("network", f"{accuracy(truth, predicted):.4f}"),
            ("linear model", f"{accuracy(truth, target.decode(linear)):.4f}"),
            ("most frequent class", f"{accuracy(truth, target.decode(most)):.4f}"),
        ]
        return [(title, "accuracy"), *rows]
    linear = target.decode(ridge(prepared.X[train], known, 1.0)(prepared.X[judged]))
    mean = target.decode(np.full(len(judged), known.mean()))
    models = {"network": predicted, "linear model": linear, "mean of the training rows": mean}
    return [
        (title, "R2", "RMSE"),
        *(
            (name, f"{r2(truth, values):.4f}", f"{np.sqrt(np.mean((truth - values) ** 2)):.6g}")
            for name, values in models.items()
        ),
    ]
