"""Cross-validation: the scores of models that are each trained without a part of the rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from ffnn_fast.cli.evaluation.scoring import as_cells
from ffnn_fast.cli.evaluation.tables import Table, Titled
from ffnn_fast.cli.output import CommandError, counted
from ffnn_fast.cli.training.comparing import Scores
from ffnn_fast.cli.training.splitting import Arrangement, needs_validation, strata_of
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


def folds(found: TrainingTable, options: TrainOptions) -> list[TrainingTable]:
    """The table K times, each time with another part of its training rows as test rows.

    Random parts are stratified by class; a row whose class no other row has always trains. Groups
    are not divided. By time, the rows are K + 1 consecutive parts: all but the first are test rows
    once, and those before them train. The share of the validation rows stays.

    Raises
    ------
    CommandError
        If there are too few rows, groups or times, or a part cannot be trained or judged.
    """
    k = options.split.cv or 0
    rng = np.random.default_rng(options.training.seed)
    rows = np.sort(np.concatenate([found.train, found.validation]))
    share = len(found.validation) / len(rows)
    labels = found.values[rows] if found.targets.classifies else None
    strata = None if labels is None else strata_of(labels)
    arranged = found.arranged.part(rows)
    made = []
    for rest, test in _parts(arranged, len(rows), k, strata, rng):
        of_class = None if labels is None else labels[rest]
        train, validation = arranged.part(rest).hold_out(len(rest), share, rng, of_class)
        train, validation = rest[train], rest[validation]
        made.append(replace(found, train=rows[train], validation=rows[validation], test=rows[test]))
    for i, one in enumerate(made, 1):
        _check(one, f"--cv {k}: part {i} leaves", options)
    return made


def _parts(
    arranged: Arrangement, n: int, k: int, strata: Array | None, rng: np.random.Generator
) -> list[tuple[Array, Array]]:
    """Rows to train on, and to be scored, of n: k times."""
    times, groups, by = arranged.times, arranged.groups, f" of {arranged.shown!r}"
    least = LEAST * (k + 1 if times is not None else k)
    if n < least:
        most = n // LEAST - (least // LEAST - k)
        use = f"use --cv {most} at most" if most > 1 else "leave out --cv"
        raise CommandError(f"--cv {k} needs at least {least} rows to train on, got {n}; {use}")
    if times is not None:
        _check_number(k, k + 1, len(np.unique(times)), f"different values{by}")
        return _by_time(times, k)
    if groups is not None:
        _check_number(k, k, len(np.unique(groups)), f"groups{by}")
        return _by_groups(groups, k, rng)
    return _at_random(n, k, strata, rng)


def _check_number(k: int, least: int, n: int, what: str) -> None:
    """Raise CommandError if the rows to train on have fewer than the least number."""
    if n >= least:
        return
    possible = n - (least - k)
    use = f"use --cv {possible}" if possible > 1 else "leave out --cv"
    raise CommandError(
        f"--cv {k} needs at least {least} {what} in the rows to train on, got {n}; {use}"
    )


def _check(part: TrainingTable, leaves: str, options: TrainOptions) -> None:
    """Raise CommandError if a model cannot be trained on the rows of a part."""
    advice = "use another K, or leave out --cv"
    if len(part.train) < LEAST:
        raise CommandError(f"{leaves} {counted(len(part.train), 'row')} to train on; {advice}")
    if needs_validation(options.stopping, options.training) and not len(part.validation):
        raise CommandError(f"{leaves} no rows to validate on; {advice}")
    for target, values in zip(part.targets, part.values[part.train].T, strict=True):
        classes = set(values.tolist()) if target.classes else set()
        if len(classes) == 1:
            of = f" of {target.name!r}" if len(part.targets) > 1 else ""
            raise CommandError(
                f"{leaves} rows of the class {min(classes)!r}{of} only to train on; {advice}"
            )


def _at_random(
    n: int, k: int, strata: Array | None, rng: np.random.Generator
) -> list[tuple[Array, Array]]:
    order, every = rng.permutation(n), np.arange(n)
    if strata is not None:
        _, codes = np.unique(strata, return_inverse=True)
        order = order[np.argsort(codes[order], kind="stable")]
    made = []
    for i in range(k):
        test = np.sort(order[i::k])
        if strata is not None:
            rest = np.setdiff1d(every, test, assume_unique=True)
            test = test[np.isin(strata[test], strata[rest])]
        made.append((np.setdiff1d(every, test, assume_unique=True), test))
    return [(rest, test) for rest, test in made if len(test)]


def _by_groups(groups: Array, k: int, rng: np.random.Generator) -> list[tuple[Array, Array]]:
    """Each group goes to the part with the fewest rows so far, the largest group first."""
    _, place, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    shuffled = rng.permutation(len(sizes))
    part_of, counts = np.zeros(len(sizes), np.int64), np.zeros(k, np.int64)
    for group in shuffled[np.argsort(-sizes[shuffled], kind="stable")]:
        part_of[group] = counts.argmin()
        counts[part_of[group]] += sizes[group]
    of_row = part_of[place]
    return [(np.flatnonzero(of_row != i), np.flatnonzero(of_row == i)) for i in range(k)]


def _by_time(times: Array, k: int) -> list[tuple[Array, Array]]:
    """k + 1 parts of nearly equal size; equal times are in one part."""
    _, place, sizes = np.unique(times, return_inverse=True, return_counts=True)
    before = np.cumsum(sizes) - sizes  # rows before each time
    ends = [0]
    for i in range(1, k + 1):
        possible = np.arange(ends[-1] + 1, len(sizes) - (k - i))
        distance = np.abs(before[possible] - i * len(times) / (k + 1))
        ends.append(int(possible[distance.argmin()]))
    ends.append(len(sizes))
    return [
        (np.flatnonzero(place < begin), np.flatnonzero((begin <= place) & (place < end)))
        for begin, end in pairwise(ends[1:])
    ]


def described(found: TrainingTable, parts: Sequence[TrainingTable]) -> str:
    """What the parts of rows are, if they are not random, and which rows are never scored."""
    arranged = found.arranged
    if arranged.groups is not None:
        counts = [str(len(np.unique(arranged.groups[one.test]))) for one in parts]
        return f"the parts hold whole groups of {arranged.shown!r} ({', '.join(counts)} groups)"
    if arranged.times is None:
        return ""
    first = np.concatenate([parts[0].train, parts[0].validation])
    by = f"by {arranged.shown!r}" if arranged.shown else "in the order of the file"
    last = int(first[np.argmax(arranged.times[first])])
    return (
        f"the parts follow each other {by}, and each model is trained on the rows before the part "
        f"that it is scored on; the first {len(first)} rows, up to {_moment(found, last)}, are "
        "never scored"
    )


def shown(part: TrainingTable) -> str:
    """The rows of one part, in words."""
    followed = f"{len(part.validation)} to validate, " if len(part.validation) else ""
    counts = f"{len(part.train)} rows to train on, {followed}{len(part.test)} to score"
    times = part.arranged.times
    if times is None:
        return counts
    order = part.test[np.argsort(times[part.test], kind="stable")]
    begin, end = (_moment(part, int(row)) for row in order[[0, -1]])
    return f"{counts} ({begin}{f' to {end}' if end != begin else ''})"


def _moment(found: TrainingTable, row: int) -> str:
    """The time of a row as the file has it, or its line."""
    table, place, name = found.table, int(found.rows[row]), found.arranged.shown
    if not name:
        return f"{table.unit} {table.lines[place]}"
    cell = table.cells[name][place]
    return cell if isinstance(cell, str) else f"{cell:.15g}"


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
                some = f" ({len(values)} folds)" if len(values) < len(found) else ""
                cells.append(f"{mean} ± {spread}{some}")
            else:
                cells.append("")
        rows.append((model, *cells))
    return rows


def _in_order(found: Iterable[Iterable[str]]) -> list[str]:
    """All names, each once."""
    return list(dict.fromkeys(name for one in found for name in one))
