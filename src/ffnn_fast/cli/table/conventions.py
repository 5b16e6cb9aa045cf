"""What the user has said, and what a command takes for granted, about a table in a file."""

from __future__ import annotations

from dataclasses import dataclass

from ffnn_fast.cli.table.number_styles import NO_MARKS, NumberMarks


@dataclass(frozen=True)
class Conventions:
    """How a table is written; the fields are arguments of `read_table`."""

    header: str = "auto"
    delimiter: str = "auto"
    encoding: str = "auto"
    sheet: str = ""
    assumed: str = "auto"
    marks: NumberMarks = NO_MARKS
    named: tuple[str, ...] = ()
    fewest: int = 2

    @property
    def known_header(self) -> str:
        """Whether the first line names the columns: "yes", "no", or "auto" where it is open."""
        return self.assumed if self.header == "auto" else self.header
