"""The columns of a table that a tabular model takes, as the header of its file describes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ffnn_fast.cli.column_reading import ColumnReading
from ffnn_fast.cli.table import NumberStyle, Table
from ffnn_fast.cli.table_layout import (
    OPTIONAL,
    TableLayout,
    parsed,
    styles_from_dict,
    styles_to_dict,
)
from ffnn_fast.cli.target_encoders import TargetEncoders
from ffnn_fast.cli.unseen import TRUTHS, Range

TABLE_KEY = "table"  # of the file's header
LISTS = ("columns", "missing", "readings")
OBJECTS = ("numbers", "uses", "summary")


@dataclass(frozen=True)
class TabularLayout(TableLayout):
    """How the rows of a table become the columns that a tabular estimator takes.

    Attributes
    ----------
    header, columns, missing, targets, numbers, ranges, baselines
        As in `TableLayout`; the targets are not scaled.
    readings : tuple of ColumnReading
        The inputs.
    uses : mapping of str to str
        How each column is used, and those left out.
    summary : mapping of str to str
        Options and scores of the training.
    """

    header: bool
    columns: tuple[str, ...]
    missing: tuple[str, ...]
    targets: TargetEncoders
    readings: tuple[ColumnReading, ...]
    numbers: Mapping[str, NumberStyle] = field(default_factory=dict)
    uses: Mapping[str, str] = field(default_factory=dict)
    summary: Mapping[str, str] = field(default_factory=dict)
    ranges: Mapping[str, Range] = field(default_factory=dict)
    baselines: str = ""

    def typed(self, table: Table) -> dict[str, np.ndarray]:
        """The columns of a table by their names in the training table; others are ignored.

        Raises
        ------
        CommandError
            If a column is missing or a cell is no number or date where one is needed.
        """
        place = self.places(table, [reading.name for reading in self.readings])
        return {
            one.name: one.read(
                table,
                place[one.name],
                self.missing,
                style=self.numbers.get(one.name),
                truths=self.ranges.get(one.name) == TRUTHS,
            )
            for one in self.readings
        }

    def to_json(self) -> str:
        """The layout as JSON text."""
        entries = {
            "readings": [reading.to_dict() for reading in self.readings],
            "target": self.targets.to_plain(),
            "numbers": styles_to_dict(self.numbers),
            "uses": dict(self.uses),
            "summary": dict(self.summary),
        }
        return self.json_text(entries)

    @classmethod
    def from_json(cls, text: str) -> TabularLayout:
        """The inverse of `to_json`; raises ValueError for anything else."""
        plain = parsed(text)
        if not isinstance(plain, dict) or plain.keys() - OPTIONAL != {
            *("version", "header", "target", *LISTS, *OBJECTS)
        }:
            raise ValueError("it must be an object with the keys that ffnn-fast train writes")
        if plain["version"] != 1 or not isinstance(plain["header"], bool):
            raise ValueError("its version must be 1, and 'header' true or false")
        for kind, keys in ((list, LISTS), (dict, OBJECTS)):
            wrong = [key for key in keys if not isinstance(plain[key], kind)]
            if wrong:
                raise ValueError(f"{wrong[0]!r} must be a {kind.__name__}")
        layout = cls(
            plain["header"],
            tuple(map(str, plain["columns"])),
            tuple(map(str, plain["missing"])),
            TargetEncoders.from_plain(plain["target"]),
            tuple(ColumnReading.from_dict(reading) for reading in plain["readings"]),
            styles_from_dict(plain["numbers"]),
            {str(name): str(use) for name, use in plain["uses"].items()},
            {str(name): str(value) for name, value in plain["summary"].items()},
            **cls.optional_entries(plain),
        )
        layout.check_columns(reading.name for reading in layout.readings)
        return layout
