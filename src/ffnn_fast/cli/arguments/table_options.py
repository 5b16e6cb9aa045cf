"""Options that several commands share: a model, a table, and how the table is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ffnn_fast.cli.arguments.declaration import argument, option
from ffnn_fast.cli.arguments.value_types import OneOf, Switch, Text
from ffnn_fast.cli.table import FORMATS, NumberMarks


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
        "what separates the fields of a text file: a character, 'tab' or 'space' (default: "
        "inferred from , ; tab | and blanks)",
        default="auto",
        metavar="CHARACTER",
    )
    encoding: str = option(
        Text(),
        "the encoding of a text file, such as cp1252 (default: UTF-8 or UTF-16, else Windows-1252)",
        default="auto",
        metavar="NAME",
    )
    sheet: str = option(
        Text(),
        "the sheet of an Excel file: its name, or its number (1 is the first, -1 the last; "
        "default: the first that has cells)",
        default="",
        metavar="SHEET",
    )
    decimal: str = option(
        OneOf(("auto", ".", ",")),
        "the decimal mark of numbers in texts (default: inferred from whole columns)",
        default="auto",
    )
    thousands: str = option(
        OneOf(("auto", "none", ",", ".", "'", "space")),
        "what separates thousands in numbers in texts (default: inferred from whole columns)",
        default="auto",
    )

    def given(self) -> dict[str, Any]:
        """These options as arguments of `table.read_table`."""
        thousands = {"space": " "}.get(self.thousands, self.thousands)
        return {
            "header": self.header,
            "delimiter": self.delimiter,
            "encoding": self.encoding,
            "sheet": self.sheet,
            "marks": NumberMarks(self.decimal, thousands),
        }


@dataclass(frozen=True)
class TargetReadingOptions(ReadingOptions):
    """How a text file with a target is read."""

    drop_missing_target: bool = option(
        Switch(),
        "leave out rows whose target is missing also if --strict is given (without it, train and "
        "evaluate leave them out with a note)",
        default=False,
    )
