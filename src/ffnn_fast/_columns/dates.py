"""Dates and times as people write them: the format of a whole column, and its values."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime

import numpy as np

from ffnn_fast._columns.frames import NAT, TIME, in_utc

Array = np.ndarray
ISO, TIME_OF_DAY = "ISO 8601", "time of day"
CLOCK = r"(?P<H>\d{1,2}):(?P<M>\d\d)(?::(?P<S>\d\d)(?:\.\d+)?)?(?: ?(?P<half>[AP])\.?M\.?)?"
NAME = r"(?P<name>[A-Z]{3,9})\.?"
SEPARATED = {  # name → pattern; of two that fit, the first
    "year-month-day": r"(?P<y>\d{4})([./-])(?P<m>\d{1,2})\2(?P<d>\d{1,2})",
    "month/day/year": r"(?P<m>\d{1,2})([/-])(?P<d>\d{1,2})\2(?P<y>\d{4})",
    "day.month.year": r"(?P<d>\d{1,2})([./-])(?P<m>\d{1,2})\2(?P<y>\d{4})",
    "month/day/yy": r"(?P<m>\d{1,2})/(?P<d>\d{1,2})/(?P<y>\d\d)",
    "day/month/yy": r"(?P<d>\d{1,2})/(?P<m>\d{1,2})/(?P<y>\d\d)",
    "day month year": r"(?:[A-Z]{3,9},? )?(?P<d>\d{1,2})[ -]" + NAME + r"[ -]+(?P<y>\d{4}|\d\d)",
    "month day, year": r"(?:[A-Z]{3,9},? )?" + NAME + r"[ -](?P<d>\d{1,2})(?:,? |-)(?P<y>\d{4})",
    "year-month": r"(?P<y>\d{4})-(?P<m>\d{1,2})",
}
PATTERNS = {
    name: re.compile(f"{text}(?:(?:,? +|T){CLOCK})?", re.IGNORECASE)
    for name, text in SEPARATED.items()
} | {TIME_OF_DAY: re.compile(CLOCK, re.IGNORECASE)}
MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september",
    "october", "november", "december",
)  # fmt: skip
DAY_FIRST = {"month/day/year": "day.month.year", "month/day/yy": "day/month/yy"}
TURN = 69  # the first of two digits that mean a year of the 20th century
SAMPLE = 20  # texts that are tried before all others


def date_format(texts: Iterable[str], *, day_first: bool = False) -> str | None:
    """The name of the format in which every one of these texts is a date, or None.

    Where both orders of day and month fit, the month comes first, or the day if `day_first`.
    """
    distinct = list(dict.fromkeys(texts))
    for name in (ISO, *PATTERNS) if distinct else ():
        if _fits(distinct, name):
            other = DAY_FIRST.get(name) if day_first else None
            return other if other and _fits(distinct, other) else name
    return None


def has_open_order(texts: Iterable[str], name: str) -> bool:
    """Whether texts, dates of the format `name`, are other dates if the day comes first."""
    other, distinct = DAY_FIRST.get(name), list(dict.fromkeys(texts))
    if other is None or not _fits(distinct, other):
        return False
    return any(_date(text, name) != _date(text, other) for text in distinct)


def dates_of(texts: Array, name: str) -> tuple[Array, Array]:
    """Texts, (n,) str or None where missing, as datetime64[us], and which are no dates, (n,) bool.

    Missing ones, and those that are no dates of the format `name`, become NaT.
    """
    found = {text: _date(text, name) for text in dict.fromkeys(texts) if text is not None}
    out = np.array([found.get(text) or NAT for text in texts], dtype=TIME)
    bad = np.fromiter((text is not None and not found[text] for text in texts), bool, len(texts))
    return out, bad


def _fits(distinct: list[str], name: str) -> bool:
    """Whether all texts are dates of the format `name`."""
    return all(_date(text, name) for part in (distinct[:SAMPLE], distinct) for text in part)


def _date(text: str, name: str) -> datetime | None:
    """The date that a text is in a format, in UTC, or None."""
    try:
        if name == ISO:
            return _iso(text)
        match = PATTERNS[name].fullmatch(text)
        return None if match is None else _of_parts(match.groupdict())
    except ValueError:
        return None


def _iso(text: str) -> datetime | None:
    if len(text) < 8 or not text[:4].isdigit() or "-" not in text[:8]:
        return None
    time: datetime = in_utc(datetime.fromisoformat(text))
    return time


def _month(name: str) -> int:
    """The number of a month by its name or the first letters of it; ValueError if there is none."""
    if name == "sept":
        return 9
    return 1 + [month.startswith(name) for month in MONTHS].index(True)


def _of_parts(part: dict[str, str | None]) -> datetime:
    """The date of named parts; ValueError if there is none. A time of day is of the year 1970."""
    digits = part.get("y") or "1970"
    year = int(digits)
    if len(digits) == 2:
        year += 1900 if year >= TURN else 2000
    name = part.get("name")
    month = _month(name.lower()) if name else int(part.get("m") or 1)
    hour = int(part["H"] or 0)
    if half := part["half"]:
        if hour > 23:
            raise ValueError("there is no such hour")
        hour = hour % 12 + 12 * (half.upper() == "P")
    day = int(part.get("d") or 1)
    return datetime(year, month, day, hour, int(part["M"] or 0), int(part["S"] or 0))
