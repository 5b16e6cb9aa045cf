"""The options of ``ffnn-fast train`` that concern the table: its reading, columns and rows."""

from __future__ import annotations

from dataclasses import dataclass

from ffnn_fast.cli.arguments.declaration import option
from ffnn_fast.cli.arguments.table_options import TargetReadingOptions
from ffnn_fast.cli.arguments.value_types import (
    ClassWeights,
    ColumnName,
    Integer,
    Names,
    Number,
    OneOf,
    Switch,
    Text,
)
from ffnn_fast.cli.table import DEFAULT_MISSING


@dataclass(frozen=True)
class Reading(TargetReadingOptions):
    """How the table is read."""

    missing: tuple[str, ...] = option(
        Names(),
        f"words for a missing value, besides the empty one (default: {','.join(DEFAULT_MISSING)})",
        default=DEFAULT_MISSING,
        metavar="A,B",
    )


@dataclass(frozen=True)
class Columns:
    """The use of the columns."""

    task: str = option(
        OneOf(("auto", "classification", "regression")),
        "auto: classification if the target is text or has few distinct whole numbers (default: "
        "{default})",
        default="auto",
    )
    categorical: tuple[str, ...] = option(
        Names(ColumnName()),
        "columns of numbers that are categories; a name with a comma is quoted: '\"a,b\",c'",
        default=(),
        metavar="A,B",
    )
    drop: tuple[str, ...] = option(
        Names(ColumnName()), "columns to leave out", default=(), metavar="A,B"
    )
    use: tuple[str, ...] = option(
        Names(ColumnName()),
        "columns to use although they would be left out: those that number the rows, or whose "
        "texts are nearly all different",
        default=(),
        metavar="A,B",
    )
    day_first: bool = option(
        Switch(),
        "dates such as 1/2/2021 begin with the day, in columns where they may begin with the month "
        "too (default: the month, with a note)",
        default=False,
    )
    strict: bool = option(
        Switch(),
        "refuse what is otherwise treated and noted: words among numbers, many different texts, "
        "types that cannot be used, rows without a target; take dates and row numbers as they are",
        default=False,
    )
    weights: str | None = option(
        ColumnName(),
        "a column of numbers >= 0: the weight of each row in training",
        metavar="COLUMN",
    )
    class_weight: str | dict[str, float] | None = option(
        ClassWeights(),
        "the weight of each class in training: balanced, or for example yes=2,no=1",
        metavar="WEIGHTS",
    )


@dataclass(frozen=True)
class Split:
    """Training rows, validation rows and test rows."""

    test: str | None = option(
        Text(), "evaluate on the rows of this file, and train on all others", metavar="FILE"
    )
    test_fraction: float | None = option(
        Number(0, 1),
        "share of the rows held out for evaluation where there is no --test (default: 0.2, or 0 of "
        "fewer than 6 rows)",
        metavar="F",
    )
    cv: int | None = option(
        Integer(2),
        "cross-validation: also train a model for each of K parts of the training rows, without "
        "that part, and show mean and standard deviation of the scores; the model file is that of "
        "all training rows. With --group-column the parts hold whole groups; with --time-column or "
        "--no-shuffle each model is trained on the rows before the part",
        metavar="K",
    )
    time_column: str | None = option(
        ColumnName(),
        "a column of dates or numbers: hold out the last rows by it, never earlier ones",
        metavar="COLUMN",
    )
    group_column: str | None = option(
        ColumnName(),
        "hold out whole groups of rows, those with one value in this column; it is no input",
        metavar="COLUMN",
    )
    validation_fraction: float | None = option(
        Number(0, 1),
        "share of the other rows held out to choose the epoch (plain model; default: 0.15, or 0 "
        "with --solver; with 0 the metrics of each epoch are those of the test rows, which "
        "influence no decision)",
        metavar="F",
    )
