"""Options that several commands share: a model, a table, and how the table is read."""

from __future__ import annotations

from dataclasses import dataclass

from ffnn_fast.cli.arguments.declaration import argument, option
from ffnn_fast.cli.arguments.value_types import OneOf, Switch, Text
from ffnn_fast.cli.table import FORMATS


@dataclass(frozen=True)
class ModelAndData:
    """A command that reads a table with a model."""

    model: str = argument(Text(), "model file written by ffnn-fast train")
    data: str = argument(Text(), FORMATS)


@dataclass(frozen=True)
class ReadingOptions:
    """How a text file is read."""

    header: str = option(
        OneOf(("auto", "yes", "no")),
        "whether the first line of a text file names the columns (default: {default})",
        default="auto",
    )
    delimiter: str = option(
        Text(),
        "what separates the fields of a text file: a character, or 'tab' (default: inferred from "
        ", ; tab and |)",
        default="auto",
        metavar="CHARACTER",
    )


@dataclass(frozen=True)
class TargetReadingOptions(ReadingOptions):
    """How a text file with a target is read."""

    drop_missing_target: bool = option(
        Switch(),
        "leave out rows whose target is missing (train does so unless --strict is given; "
        "evaluate refuses such rows otherwise)",
        default=False,
    )
