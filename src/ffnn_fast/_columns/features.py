"""How each column of a table is used: as a number, a category, the parts of a date, or not at all.

Fitted to the training rows; the same columns of other rows are converted alike.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ffnn_fast._columns.frames import NAT, Table, levels_of

Array = np.ndarray
NUMBER, CATEGORY, DATE, LEFT_OUT = "number", "category", "date", "left out"
MOST_LEVELS = 255  # of a category; rarer ones count as unknown
TEXT_SHARE = 0.5  # of distinct texts among the known: more are names or free text ...
TEXT_ROWS = 20  # ... if there are at least so many
COUNTER = re.compile(  # names of columns that number the rows: pandas, R, databases
    r"((?i:unnamed: ?\d+|index|level_\d+|row_?names?|row[_ ]?(id|no|number)|id|.*[_ ]id)|\w+I[dD])?"
)
DATE_PARTS = ("year", "month", "weekday", "hour", "elapsed")
DAY = np.timedelta64(1, "D")
# Levels of bools that come as numbers.
BOOLS = {"0": "False", "1": "True"}


@dataclass(frozen=True)
class Feature:
    """One column as it is used.

    Attributes
    ----------
    name : str
    use : {"number", "category", "date", "left out"}
    note : str
        Why it is left out, or what was done to it; may be empty.
    levels : tuple of str
        Of a category, in sorted order; a text that is none of them counts as unknown.
    parts : tuple of str
        Of a date: those of ``year``, ``month``, ``weekday`` (0 is Monday), ``hour`` and
        ``elapsed`` (days since `origin`) that vary; of times of one day ``hour`` alone.
    origin : str
        Of a date: the first one, ISO 8601.
    """

    name: str
    use: str
    note: str = ""
    levels: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    origin: str = ""

    @property
    def number_names(self) -> tuple[str, ...]:
        """Names of the numbers that the column gives."""
        if self.use == DATE:
            return tuple(f"{self.name} {part}" for part in self.parts)
        return (self.name,) if self.use == NUMBER else ()

    def numbers(self, values: Array) -> dict[str, Array]:
        """The numbers that a column, (n,), gives: float64 with NaN, by name."""
        if self.use == NUMBER:
            return {self.name: values.astype(np.float64)}
        if self.use == DATE:
            found = date_parts(values, np.datetime64(self.origin, "us"))
            parts = zip(self.number_names, self.parts, strict=True)
            return {name: found[part] for name, part in parts}
        return {}

    @cached_property
    def code_of_level(self) -> dict[str, int]:
        """1 + the place of each level of a category; bools may come as 0 and 1."""
        place = {level: code for code, level in enumerate(self.levels, 1)}
        if place and set(place) <= set(BOOLS.values()):
            place |= {number: place[level] for number, level in BOOLS.items() if level in place}
        return place

    def codes(self, values: Array) -> Array:
        """Of a category: 1 + the place of the level of each value, 0 where it is missing or
        unknown; (n,) int64.
        """
        place = self.code_of_level
        code = {
            value: 0 if level is None else place.get(level, 0)
            for value, level in levels_of(values).items()
        }
        found = (code.get(value, 0) for value in values)  # no key is NaN
        return np.fromiter(found, np.int64, len(values))

    def to_dict(self) -> dict[str, Any]:
        """The feature as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Feature:
        """The inverse of `to_dict`."""
        lists = {name: tuple(plain[name]) for name in ("levels", "parts")}
        return cls(**{**plain, **lists})


def fit_features(
    table: Table, categorical: tuple[str, ...] = (), numeric: tuple[str, ...] = ()
) -> tuple[Feature, ...]:
    """How each column of the training rows is used, in the order of the table.

    Parameters
    ----------
    table : Table
    categorical : tuple of str
        Columns that are categories, whatever they hold.
    numeric : tuple of str
        Columns of numbers that are used although they seem to number the rows.

    Raises
    ------
    ValueError
        If `categorical` or `numeric` names a column that is not there, or no column can be used.
    """
    for option, given in (("categorical", categorical), ("numeric", numeric)):
        unknown = [name for name in given if name not in table.columns]
        if unknown:
            raise ValueError(
                f"{option}_features names {unknown[0]!r}, which X has not; its columns are "
                f"{', '.join(list(table.columns)[:20])}"
            )
    if not table.columns:
        raise ValueError("X has no columns; at least 1 is needed")
    features = tuple(
        feature_of(name, values, table.named and name not in numeric, name in categorical)
        for name, values in table.columns.items()
    )
    if all(feature.use == LEFT_OUT for feature in features):
        reasons = "; ".join(f"{feature.name}: {feature.note}" for feature in features[:10])
        raise ValueError(f"no column of X can be used ({reasons})")
    return features


def aligned(feature: Feature, values: Array) -> Array:
    """The column of other rows in the type that the feature was fitted to.

    Raises
    ------
    ValueError
        If it holds something that cannot be converted.
    """
    kind = values.dtype.kind
    empty = kind == "f" and bool(np.isnan(values).all())
    if feature.use == NUMBER and kind != "f":
        raise ValueError(_mismatch(feature, values, "numbers"))
    if feature.use == DATE and kind != "M":
        if empty:
            return np.full(len(values), NAT)
        raise ValueError(_mismatch(feature, values, "dates"))
    return values


def date_parts(times: Array, origin: np.datetime64) -> dict[str, Array]:
    """Year, month, weekday, hour and days since `origin` of times, (n,) float64 each."""
    missing = np.isnat(times)
    days = times.astype("datetime64[D]")
    months = days.astype("datetime64[M]").astype(np.int64)
    found = {
        "year": months // 12 + 1970,
        "month": months % 12 + 1,
        "weekday": (days.astype(np.int64) + 3) % 7,  # 1970-01-01 was a Thursday
        "hour": (times - days) / np.timedelta64(1, "h"),
        "elapsed": (times - origin) / DAY,
    }
    return {part: np.where(missing, np.nan, values) for part, values in found.items()}


def feature_of(name: str, values: Array, may_count: bool, categorical: bool) -> Feature:
    """How one column, (n,), is used.

    Parameters
    ----------
    name : str
    values : array of shape (n,)
        As in `Table`.
    may_count : bool
        Whether a column of whole numbers that numbers the rows is left out.
    categorical : bool
        Whether it is a category, whatever it holds.
    """
    if categorical or values.dtype.kind == "O":
        return _category(name, values, categorical)
    return _date(name, values) if values.dtype.kind == "M" else _number(name, values, may_count)


def _number(name: str, values: Array, may_count: bool) -> Feature:
    known = values[~np.isnan(values)]
    if not len(known):
        return Feature(name, LEFT_OUT, "no value is known")
    if known.min() == known.max() and len(known) == len(values):
        return Feature(name, LEFT_OUT, f"constant ({known[0]:g})")
    if may_count and len(known) == len(values) and _counts_rows(name, values):
        return Feature(name, LEFT_OUT, "numbers the rows")
    return Feature(name, NUMBER)


def _counts_rows(name: str, values: Array) -> bool:
    """Whether whole numbers, all different, rise by one, or have the name of a row number."""
    if len(values) < TEXT_ROWS or (values != np.trunc(values)).any():
        return False
    if (values[1:] == values[:-1] + 1).all():
        return True
    return COUNTER.fullmatch(name) is not None and len(np.unique(values)) == len(values)


def _date(name: str, values: Array) -> Feature:
    known = values[~np.isnat(values)]
    if not len(known) or known.min() == known.max():
        return Feature(name, LEFT_OUT, "constant")
    parts = date_parts(known, known.min())
    varying = tuple(part for part in DATE_PARTS if parts[part].min() < parts[part].max())
    if known.min().astype("datetime64[D]") == known.max().astype("datetime64[D]"):
        varying = ("hour",)  # elapsed is a twenty-fourth of it
    return Feature(name, DATE, ", ".join(varying), parts=varying, origin=str(known.min()))


def _category(name: str, values: Array, chosen: bool) -> Feature:
    level_of_value = levels_of(values)
    counts: dict[str, int] = {}
    for value, count in Counter(values).items():
        level = level_of_value.get(value)  # no key is NaN
        if level is not None:
            counts[level] = counts.get(level, 0) + count
    known = sum(counts.values())
    if len(counts) <= 1 and known == len(values):
        return Feature(name, LEFT_OUT, "constant" if counts else "no value is known")
    many = known >= TEXT_ROWS and len(counts) > TEXT_SHARE * known
    if many and not chosen:
        return Feature(name, LEFT_OUT, f"{len(counts)} different texts in {known} rows")
    frequent = sorted(counts, key=lambda value: (-counts[value], value))[:MOST_LEVELS]
    rare = len(counts) - len(frequent)
    note = "1 level" if len(counts) == 1 else f"{len(counts)} levels"
    note += f", the {rare} rarest taken together" if rare else ""
    return Feature(name, CATEGORY, note, levels=tuple(sorted(frequent)))


def _mismatch(feature: Feature, values: Array, expected: str) -> str:
    kind = {"f": "numbers", "M": "dates", "O": "texts"}[values.dtype.kind]
    at = next((i for i, value in enumerate(values) if value is not None), 0)
    return (
        f"column {feature.name!r} of X held {expected} in the training rows and holds {kind} now, "
        f"such as {str(values[at])!r} in row {at}"
    )
