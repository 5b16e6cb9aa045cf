"""Training, validation and test rows: at random, by time, or group by group."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ffnn_fast._columns.dates import date_format, dates_of
from ffnn_fast._training.sampling import hold_out
from ffnn_fast.cli.output import CommandError, counted
from ffnn_fast.cli.table import Table
from ffnn_fast.cli.training.train_options import Stopping, Training, TrainOptions

Array = np.ndarray
SIDES: tuple[Literal["left"], Literal["right"]] = ("left", "right")
HELD_OUT = 0.2  # share of the rows on which the model is evaluated
ROWS_PER_STRATUM = 5
LEAST_HELD_OUT = 6  # rows; of fewer none are held out by default
VALIDATED = 0.15  # share of the training rows on which the epoch of a plain model is chosen
LEAST_VALIDATED = 20  # training rows; of fewer none validate by default


@dataclass(frozen=True)
class Arrangement:
    """What keeps rows together, or in order, when some are held out.

    Attributes
    ----------
    times : array of shape (n,) or None
        The rows with the greatest are held out; those with equal ones stay together.
    groups : array of int, shape (n,), or None
        Rows of one group stay together.
    shown : str
        The column of either; empty for the order of the file.
    """

    times: Array | None = None
    groups: Array | None = None
    shown: str = ""

    def part(self, rows: Array) -> Arrangement:
        """The arrangement of some rows."""
        times = None if self.times is None else self.times[rows]
        groups = None if self.groups is None else self.groups[rows]
        return replace(self, times=times, groups=groups)

    def for_fit(self) -> dict[str, Array]:
        """The arguments of the fit of a tabular model; none if all rows have one value."""
        given = {"times": self.times, "groups": self.groups}
        return {k: v for k, v in given.items() if v is not None and len(np.unique(v)) > 1}

    def hold_out(
        self, n: int, fraction: float, rng: np.random.Generator, labels: Array | None
    ) -> tuple[Array, Array]:
        """Training rows and held-out rows of n, about ``fraction · n``; stratified by `labels`,
        (n, T), where nothing else decides.
        """
        if self.times is not None:
            return _last(self.times, fraction)
        if self.groups is not None:
            return _some_groups(self.groups, fraction, rng)
        if labels is None:
            return hold_out(n, fraction, rng)
        return _with_every_class(*hold_out(n, fraction, rng, strata_of(labels)), labels)

    def notes(self, test: Array, validation: Array) -> list[str]:
        """Sentences about the rows that are held out."""
        parts = [("test", test), ("validation", validation)]
        what = " and ".join(name for name, rows in parts if len(rows))
        if not what or (self.times is None and self.groups is None):
            return []
        if self.groups is not None:
            counts = [len(np.unique(self.groups[rows])) for _, rows in parts if len(rows)]
            listed = " and ".join(map(str, counts))
            n = len(np.unique(self.groups))
            return [f"note: the {what} rows are {listed} of the {n} groups of {self.shown!r}"]
        where = f"by {self.shown!r}" if self.shown else "of the file"
        return [f"note: the {what} rows are the last {where}"]


def arrangement_of(table: Table, rows: Array, options: TrainOptions) -> Arrangement:
    """What the options require of the split of some rows, (n,), of a table.

    Raises
    ------
    CommandError
        If options contradict each other, or a column cannot be used so.
    """
    time, group = options.split.time_column, options.split.group_column
    in_order = options.training.no_shuffle
    if group and (time or in_order):
        other = "--time-column" if time else "--no-shuffle"
        raise CommandError(f"--group-column and {other} contradict each other: give one of them")
    if group:
        name = table.find(group)
        texts = table.texts(name, options.reading.missing)[rows]
        place = {text: i for i, text in enumerate(dict.fromkeys(texts))}
        if len(place) < 2:
            raise CommandError(f"--group-column: column {name!r} has one group only")
        return Arrangement(groups=np.array([place[text] for text in texts]), shown=name)
    if time:
        name = table.find(time)
        return Arrangement(times=_times(table, name, rows, options), shown=name)
    return Arrangement(times=np.arange(len(rows))) if in_order else Arrangement()


def _times(table: Table, name: str, rows: Array, options: TrainOptions) -> Array:
    """A column of numbers or dates in some rows, (n,) float64 or datetime64."""
    words = options.reading.missing
    missing = table.missing(name, words)[rows]
    if missing.any():
        raise CommandError(
            f"{table.where(int(rows[np.argmax(missing)]))}, column {name!r}: the value is missing, "
            "but --time-column needs it in every row"
        )
    values, bad = table.numbers(name, words)
    if not bad.any():
        return values[rows]
    texts = table.texts(name, words)
    distinct = [text for text in dict.fromkeys(texts) if text is not None]
    found = date_format(distinct, day_first=options.columns.day_first)
    if not found:
        raise CommandError(
            f"--time-column: column {name!r} holds neither numbers nor dates of one format, but "
            f"{texts[int(np.argmax(bad))]!r}"
        )
    return dates_of(texts, found)[0][rows]


def strata_of(labels: Array) -> Array:
    """What rows with these classes, (n, T), are stratified by, (n,): the classes of one target, or
    of several their combinations; the classes of the target that has most of them, if fewer than
    `ROWS_PER_STRATUM` rows on average share a combination.
    """
    n, T = labels.shape
    if T == 1:
        return labels[:, 0]
    codes = np.stack([np.unique(own, return_inverse=True)[1] for own in labels.T], axis=1)
    combinations, place = np.unique(codes, axis=0, return_inverse=True)
    if len(combinations) * ROWS_PER_STRATUM <= n:
        return place.reshape(n)
    return np.asarray(codes[:, codes.max(axis=0).argmax()])


def _with_every_class(train: Array, held: Array, labels: Array) -> tuple[Array, Array]:
    """The same rows, but every class of every target has one that trains."""
    for own in labels.T if labels.shape[1] > 1 else ():
        absent, first = np.unique(own[held], return_index=True)
        moved = held[first[~np.isin(absent, own[train])]]
        train = np.sort(np.concatenate([train, moved]))
        held = np.setdiff1d(held, moved, assume_unique=True)
    return train, held


def _last(times: Array, fraction: float) -> tuple[Array, Array]:
    """Both in the order of time."""
    n = len(times)
    order = np.argsort(times, kind="stable")
    cut = n - min(round(fraction * n), n - 1)
    if cut == n:
        return order, order[:0]
    ordered = times[order]
    before, after = (int(np.searchsorted(ordered, ordered[cut], side)) for side in SIDES)
    if ordered[cut - 1] == ordered[cut]:
        cut = before if before and (cut - before <= after - cut or after == n) else after
    return order[:cut], order[cut:]


def _some_groups(groups: Array, fraction: float, rng: np.random.Generator) -> tuple[Array, Array]:
    """Groups at random, as long as they have no more than the fraction of the rows; one at least,
    and all but one at most.
    """
    distinct, place = np.unique(groups, return_inverse=True)
    wanted, sizes = round(fraction * len(groups)), np.bincount(place)
    held, count = np.zeros(len(distinct), dtype=bool), 0
    for group in rng.permutation(len(distinct))[: len(distinct) - 1].tolist():
        if wanted and (not count or count + sizes[group] <= wanted):
            held[group], count = True, count + sizes[group]
    return np.flatnonzero(~held[place]), np.flatnonzero(held[place])


def needs_validation(stopping: Stopping, training: Training) -> bool:
    """Whether figures of the validation rows decide when training stops or how the rate changes."""
    monitoring = [stopping.early_stopping.settings] if stopping.early_stopping else []
    if training.schedule and training.schedule.name == "plateau":
        monitoring.append(training.schedule.settings)
    return any(str(one.get("monitor", "val_loss")).startswith("val_") for one in monitoring)


def split(
    path: str, n: int, labels: Array | None, options: TrainOptions, rng: np.random.Generator,
    arranged: Arrangement, validates: bool,
) -> tuple[Array, Array, Array]:  # fmt: skip
    """Training, validation and test rows of n; `labels`, (n, T), are those of classes.

    `validates` is whether some rows choose the epoch where no option determines it.
    """
    given = options.split.test_fraction
    held = HELD_OUT if n >= LEAST_HELD_OUT else 0.0
    held = 0.0 if options.split.test else held if given is None else given
    train, test = arranged.hold_out(n, held, rng, labels)
    validated = needs_validation(options.stopping, options.training)
    followed = options.split.validation_fraction
    if followed is None:
        chosen = validated or (validates and len(train) >= LEAST_VALIDATED)
        followed = VALIDATED if chosen else 0.0
    rest, validation = arranged.part(train).hold_out(
        len(train), followed, rng, None if labels is None else labels[train]
    )
    if validated and not len(validation):
        raise CommandError(
            "--early-stopping and --schedule plateau need validation rows: give a larger "
            "--validation-fraction, or the setting monitor=loss"
        )
    if len(rest) < 2:
        left = counted(len(rest), "row")
        raise CommandError(f"{path} leaves {left} to train on; at least 2 are needed")
    if given is not None:
        _check_share("--test-fraction", held, n, len(test))
    if options.split.validation_fraction is not None:
        _check_share("--validation-fraction", followed, len(train), len(validation))
    return train[rest], train[validation], test


def not_held_out(options: TrainOptions, n: int, test: Array) -> list[str]:
    """A sentence if no rows of n are held out although no option determines it."""
    if len(test) or options.split.test or options.split.test_fraction is not None:
        return []
    why = f"{n} rows are too few" if n < LEAST_HELD_OUT else "all rows must stay together"
    return [
        f"note: no rows are held out, as {why}: the scores are those of rows that the model was "
        "trained on"
    ]


def _check_share(name: str, fraction: float, n: int, count: int) -> None:
    """CommandError if a fraction of n rows that is not 0 comes to no row."""
    if fraction and not count:
        raise CommandError(
            f"{name} {fraction:g} of {n} rows comes to no row (every class keeps one to train on); "
            f"use {name} 0, which holds out none"
        )
