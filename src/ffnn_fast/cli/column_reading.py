"""How the cells of one column of a file are read: as numbers, texts or dates."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ffnn_fast._columns.dates import dates_of
from ffnn_fast.cli.arguments.name_lists import join_names
from ffnn_fast.cli.output import CommandError
from ffnn_fast.cli.table import PLAIN, NumberStyle, Table, is_respelled

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
    style : NumberStyle
        How the numbers of the training table were written.
    known : tuple of str
        The texts of the training table, if other programs may spell them differently: numbers,
        and words for true and false.
    """

    name: str
    kind: str
    format: str = ""
    words: tuple[str, ...] = ()
    style: NumberStyle = PLAIN
    known: tuple[str, ...] = ()

    def of_training(self, table: Table, place: str, values: np.ndarray) -> ColumnReading:
        """The reading with the style or the texts that the column has in the training table."""
        if self.kind == NUMBER:
            return replace(self, style=table.styles.get(place, PLAIN))
        texts = set(values.tolist()) - {None} if self.kind == TEXT else set()
        return replace(self, known=tuple(sorted(texts))) if is_respelled(texts) else self

    def read(
        self, table: Table, place: str, missing: Sequence[str], known: Sequence[str | None] = ()
    ) -> np.ndarray:
        """The column `place` of a table: (n,) float64, object of str, or datetime64[us].

        Missing values are NaN, None or NaT. `known` are texts whose spelling of whole numbers is
        taken over.

        Raises
        ------
        CommandError
            If a cell is no number, or no date of the format.
        """
        words = (*missing, *self.words)
        if self.kind == NUMBER:
            values, bad = table.numbers(place, words, self.style, truths=True)
            table.check_cells(place, bad, words, "")
            return values
        texts = table.texts(place, words, known or self.known)
        if self.kind == TEXT:
            return texts
        times, bad = dates_of(texts, self.format)
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
        plain: dict[str, Any] = {
            key: getattr(self, key) for key in ("name", "kind", "format", "words")
        }
        if not self.style.is_plain:
            plain["style"] = self.style.to_dict()
        return plain | ({"known": self.known} if self.known else {})

    @classmethod
    def from_dict(cls, plain: Any) -> ColumnReading:
        """The inverse of `to_dict`; raises ValueError for anything else."""
        needed, further = {"name", "kind", "format", "words"}, {"style", "known"}
        if not isinstance(plain, dict) or set(plain) - further != needed:
            raise ValueError("the reading of a column must have a name, kind, format and words")
        words, known = plain["words"], plain.get("known", [])
        if not isinstance(words, (list, tuple)) or not isinstance(known, (list, tuple)):
            raise ValueError("the words of a column must be lists")
        texts = [plain["name"], plain["kind"], plain["format"], *words, *known]
        if not all(isinstance(text, str) for text in texts):
            raise ValueError("the reading of a column must hold texts")
        if plain["kind"] not in (NUMBER, TEXT, DATE):
            raise ValueError(f"a column is a number, text or date, got {plain['kind']!r}")
        style = NumberStyle.from_dict(plain["style"]) if "style" in plain else PLAIN
        names = plain["name"], plain["kind"], plain["format"]
        return cls(*names, tuple(words), style, tuple(known))
