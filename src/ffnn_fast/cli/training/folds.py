"""Cross-validation: the scores of models that are each trained without a part of the rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from ffnn_fast._training.sampling import hold_out
from ffnn_fast.cli.evaluation.scoring import as_cells
from ffnn_fast.cli.evaluation.tables import Table, Titled
from ffnn_fast.cli.output import CommandError
from ffnn_fast.cli.training.comparing import Scores
from ffnn_fast.cli.training.train_options import Checkpoints, TrainOptions
from ffnn_fast.cli.training.training_table import TrainingTable

Array = np.ndarray
LEAST = 2  # rows of a fold


def of_folds(options: TrainOptions) -> TrainOptions:
    """The options with which the model of a fold is trained: it has no files."""
    return replace(
        options,
        split=replace(options.split, test=None),
        checkpoints=Checkpoints(),
        reporting=replace(options.reporting, log=None, tensorboard=None),
    )


def check_folds(found: TrainingTable, k: int) -> None:
    """Raise CommandError if there are too few rows."""
    n = len(found.train) + len(found.validation)
    if n < LEAST * k:
        raise CommandError(f"--cv {k} needs at least {LEAST * k} rows to train on, got {n}")


def folds(found: TrainingTable, k: int, seed: int) -> list[TrainingTable]:
    """The table k times, each time with another part of its training rows as test rows.

    The parts are stratified by class; a row whose class no other row has always trains. The share
    of the validation rows stays.
    """
    rng = np.random.default_rng(seed)
    rows = np.sort(np.concatenate([found.train, found.validation]))
    share = len(found.validation) / len(rows)
    labels = found.strata
    order = rng.permutation(len(rows))
    if labels is not None:
        _, codes = np.unique(labels[rows], return_inverse=True)
        order = order[np.argsort(codes[order], kind="stable")]
    made = []
    for i in range(k):
        test = np.sort(rows[order[i::k]])
        rest = np.setdiff1d(rows, test, assume_unique=True)
        if labels is not None:
            test = test[np.isin(labels[test], labels[rest])]
            rest = np.setdiff1d(rows, test, assume_unique=True)
        of_class = None if labels is None else labels[rest]
        train, validation = hold_out(len(rest), share, rng, of_class)
        made.append(replace(found, train=rest[train], validation=rest[validation], test=test))
    return [one for one in made if len(one.test)]


def scores_tables(found: Sequence[Scores]) -> Titled:
    """`scores_table` of each section of the scores of folds."""
    sections = zip(*(one.sections() for one in found), strict=True)
    return [(each[0][0], scores_table([scores for _, scores in each])) for each in sections]


def scores_table(found: Sequence[Mapping[str, Mapping[str, float]]]) -> Table:
    """Mean ± standard deviation over folds of the scores of each model.

    `found` has for each fold the scores by model.
    """
    names = _in_order(one["network"] for one in found)
    heads, _ = as_cells(dict.fromkeys(names, 0.0))
    rows: Table = [(f"{len(found)}-fold cross-validation", *heads)]
    for model in _in_order(found):
        cells = []
        for name in names:
            values = [one[model][name] for one in found if name in one.get(model, {})]
            if len(values) > 1:
                _, (mean,) = as_cells({name: float(np.mean(values))})
                _, (spread,) = as_cells({name: float(np.std(values, ddof=1))})
                cells.append(f"{mean} ± {spread}")
            else:
                cells.append("")
        rows.append((model, *cells))
    return rows


def _in_order(found: Iterable[Iterable[str]]) -> list[str]:
    """All names, each once."""
    return list(dict.fromkeys(name for one in found for name in one))
