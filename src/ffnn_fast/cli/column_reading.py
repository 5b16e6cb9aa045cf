"""How the cells of one column of a file are read: as numbers, texts or dates."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from ffnn_fast._columns.dates import ISO, dates_of
from ffnn_fast.cli.arguments.name_lists import join_names
from ffnn_fast.cli.output import CommandError
from ffnn_fast.cli.table import NumberStyle, Table, is_respelled

NUMBER, TEXT, DATE = "number", "text", "date"


@dataclass(frozen=True)
class ColumnReading:
    """The type of a column.

    Attributes
    ----------
    name : str
    kind : {"number", "text", "date"}
    format : str
        Of dates, as in `ffnn_fast._columns.dates`.
    words : tuple of str
        Further words of this column that mark a missing value.
    known : tuple of str
        The texts of the training table, if other programs may spell them differently: numbers,
        and words for true and false.
    """

    name: str
    kind: str
    format: str = ""
    words: tuple[str, ...] = ()
    known: tuple[str, ...] = ()

    def of_training(self, values: np.ndarray) -> ColumnReading:
        """The reading with the texts of the training table, (n,), where they are respelled."""
        texts = set(values.tolist()) - {None} if self.kind == TEXT else set()
        return replace(self, known=tuple(sorted(texts))) if is_respelled(texts) else self

    def read(
        self, table: Table, place: str, missing: Sequence[str],
        known: Sequence[str | None] = (), style: NumberStyle | None = None, *, truths: bool = False,
    ) -> np.ndarray:  # fmt: skip
        """The column `place` of a table: (n,) float64, object of str, or datetime64[us].

        Missing values are NaN, None or NaT. `known` are texts whose spelling is taken over, `style`
        is how the numbers of the training table were written, and `truths` holds if they were 0
        and 1 only, for which words of true and false are read too.

        Raises
        ------
        CommandError
            If a cell is no number, or no date of the format, and not all dates are of ISO 8601.
        """
        words = (*missing, *self.words)
        if self.kind == NUMBER:
            values, bad = table.numbers(place, words, style or NumberStyle(), truths=truths)
            table.check_cells(place, bad, words, "")
            return values
        texts = table.texts(place, words, known or self.known)
        if self.kind == TEXT:
            return texts
        times, bad = dates_of(texts, self.format)
        if bad.any() and self.format != ISO:
            of_iso, other_bad = dates_of(texts, ISO)
            if not other_bad.any():
                table.note(place, f"dates as {ISO}; those of the training are as {self.format}")
                return of_iso
        if bad.any():
            row = int(np.argmax(bad))
            raise CommandError(
                f"{table.where(row)}, column {place!r}: {texts[row]!r} is not a date as "
                f"{self.format}, which the training table had; if it marks a missing value, use "
                f"--missing {shlex.quote(join_names([*words, texts[row]]))}"
            )
        return times

    def to_dict(self) -> dict[str, Any]:
        """The reading as plain JSON values."""
        plain = asdict(self)
        if not self.known:
            del plain["known"]
        return plain

    @classmethod
    def from_dict(cls, plain: Any) -> ColumnReading:
        """The inverse of `to_dict`; raises ValueError for anything else."""
        needed = {"name", "kind", "format", "words"}
        if not isinstance(plain, dict) or plain.keys() - {"known"} != needed:
            raise ValueError("the reading of a column must have a name, kind, format and words")
        words, known = plain["words"], plain.get("known", [])
        if not isinstance(words, list) or not isinstance(known, list):
            raise ValueError("the reading of a column must hold lists of texts")
        texts = [plain["name"], plain["kind"], plain["format"], *words, *known]
        if not all(isinstance(text, str) for text in texts):
            raise ValueError("the reading of a column must hold texts")
        if plain["kind"] not in (NUMBER, TEXT, DATE):
            raise ValueError(f"a column is a number, text or date, got {plain['kind']!r}")
        return cls(plain["name"], plain["kind"], plain["format"], tuple(words), tuple(known))
