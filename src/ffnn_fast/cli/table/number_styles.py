"""How the numbers of a column are written: decimal comma, thousands separators, signs, units.

A style is inferred from all cells of a column together, never from one cell. The rules:

- A point is the decimal mark and there are no separators where the cells can be read so.
- Otherwise the decimal mark and the thousands separator are those that most cells agree with.
- Where each comma may be either (``1,234`` in every cell), it is what other columns of the file
  show; where none does, the decimal mark in a file whose delimiter is ``;``, else the separator.
- A currency or percent sign or a unit must be the same in the whole column. ``37%`` is 37.
- K, M and B are factors, not units, where every amount has a currency (``$1.2M``), or where every
  number but 0 has one and there are two of them (``3.4k``, ``2bn``).
"""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ffnn_fast._text import quoted

GROUPS = {"": "", ",": ",", ".": r"\.", "'": "['’]", " ": r"[ \u00a0\u2009\u202f]"}
MARKS = [(".", ""), (".", ","), (",", ""), (",", "."), (".", "'"), (".", " "), (",", " "),
         (",", "'")]  # fmt: skip
CODES = "USD|EUR|GBP|CHF|JPY|CNY|INR|AUD|CAD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|BRL|MXN|TRY|RUB|KRW"
CURRENCY = re.compile(rf"[A-Z]{{0,3}}[$€£¥₹₽₩₺₪₫฿₴₦₱]|{CODES}|Rs\.?|kr\.?")
PATTERN = re.compile(
    r"(?P<open>\()?\s*(?P<sign>[-+−–]?)\s*"
    rf"(?P<prefix>{CURRENCY.pattern})?\s*(?P<inner>[-−]?)"
    r"(?P<core>\d[\d.,'’ \u00a0\u2009\u202f]*|[.,]\d+)(?P<exponent>[eE][-+]?\d+)?\s*"
    r"(?P<suffix>[^\W\d_][^\d,;:()\[\]{}<>=+-]{0,14}|[%‰°$€£¥₹₽₩₺₪₫฿₴₦₱][^\W\d_]{0,3})?\s*(?P<close>\))?"
)
PLAIN_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
SCALES = {"k": 3, "K": 3, "M": 6, "mn": 6, "Mn": 6, "B": 9, "bn": 9, "Bn": 9}  # powers of ten
SAMPLE = 1000  # texts of a column from which the decimal mark of a file is inferred


@dataclass(frozen=True)
class NumberMarks:
    """The decimal mark and the thousands separator of a file.

    Attributes
    ----------
    decimal : {"auto", ".", ","}
    thousands : {"auto", "none", ",", ".", "'", " "}
    """

    decimal: str = "auto"
    thousands: str = "auto"

    def allow(self, decimal: str, thousands: str) -> bool:
        """Whether a style with these marks is among those that are left."""
        given = "" if self.thousands == "none" else self.thousands
        fits = self.thousands == "auto" or thousands in ("", given)
        return fits and self.decimal in ("auto", decimal)


NO_MARKS = NumberMarks()


@dataclass(frozen=True)
class NumberStyle:
    """How the numbers of a column are written.

    Parameters
    ----------
    decimal : {".", ","}
    thousands : {"", ",", ".", "'", " "}
        The separator of thousands, if there is one.
    prefix, suffix : str
        A currency before each number; a percent sign, currency or unit after it.
    signs : bool
        Whether numbers in parentheses, or with a typographic minus, are negative.
    ambiguous : bool
        Whether the cells could as well be read with another decimal mark.
    scaled : bool
        Whether K, M and B after a number are factors.

    Raises
    ------
    ValueError
        If a mark is none of these.
    """

    decimal: str = "."
    thousands: str = ""
    prefix: str = ""
    suffix: str = ""
    signs: bool = False
    ambiguous: bool = False
    scaled: bool = False

    def __post_init__(self) -> None:
        if (self.decimal, self.thousands) not in MARKS:
            raise ValueError(
                f"no style of numbers has {quoted(self.decimal)} and {quoted(self.thousands)}"
            )

    @property
    def is_plain(self) -> bool:
        """Whether `float` reads these numbers."""
        return self == PLAIN

    @property
    def affix(self) -> str:
        """The currency, percent sign or unit, or an empty string."""
        return self.prefix or self.suffix

    @property
    def has_unit(self) -> bool:
        """Whether the suffix is neither a percent sign nor a currency."""
        return bool(self.suffix) and self.suffix not in "%‰" and not _is_currency(self.suffix)

    def value(self, text: str) -> float:
        """The number, NaN for a text of another style."""
        if self.is_plain:
            return float(text) if is_number(text) else np.nan
        found = PATTERN.fullmatch(text)
        if not found or bool(found["open"]) != bool(found["close"]):
            return np.nan
        core = found["core"].rstrip()
        if not _core_pattern(self.decimal, self.thousands, False).fullmatch(core):
            return np.nan
        digits = re.sub(GROUPS[self.thousands], "", core) if self.thousands else core
        power, unit = _scale(found) if self.scaled else (0, _unit(found))
        exponent = f"e{power}" if power else found["exponent"] or ""
        number = float(digits.replace(self.decimal, ".") + exponent)
        bare = not found["prefix"] and not found["suffix"]
        unscaled = self.scaled and not self.prefix and not power
        if (unscaled or (found["prefix"] or "", unit) != (self.prefix, self.suffix)) and not (
            bare and number == 0
        ):
            return np.nan
        negative = found["sign"] in ("-", "−", "–") or found["inner"] or found["open"]
        return -number if negative else number

    def values(self, texts: Sequence[str]) -> np.ndarray:
        """The numbers, (n,) float64, NaN for texts of another style."""
        if not self.is_plain:
            return np.fromiter(map(self.value, texts), np.float64, len(texts))
        joined = "".join(texts)
        if joined.isascii() and "_" not in joined:
            with contextlib.suppress(ValueError):
                return np.fromiter(map(float, texts), np.float64, len(texts))
        plain = (float(text) if is_number(text) else np.nan for text in texts)
        return np.fromiter(plain, np.float64, len(texts))

    def described(self) -> str:
        """The style in words, such as "decimal comma, unit 'kg'"."""
        kind = "unit" if self.has_unit else "sign"
        words = [
            "decimal comma" if self.decimal == "," else "",
            f"thousands separated by {self.thousands!r}" if self.thousands else "",
            f"{kind} {self.affix!r}" if self.affix else "",
            "K, M and B as thousands, millions and billions" if self.scaled else "",
            "negative ones in parentheses or with a typographic minus" if self.signs else "",
        ]
        return ", ".join(filter(None, words))

    def to_dict(self) -> dict[str, Any]:
        """The style as plain JSON values."""
        plain = asdict(self)
        return plain if self.scaled else {k: v for k, v in plain.items() if k != "scaled"}

    @classmethod
    def from_dict(cls, plain: Any) -> NumberStyle:
        """The inverse of `to_dict`; raises ValueError for anything else."""
        kinds = {name: type(value) for name, value in asdict(cls()).items()}
        if isinstance(plain, Mapping):
            plain = {"scaled": False, **plain}
        if not isinstance(plain, Mapping) or {k: type(v) for k, v in plain.items()} != kinds:
            raise ValueError(f"a style of numbers has the entries {sorted(kinds)}")
        return cls(**plain)


PLAIN = NumberStyle()


def is_number(text: str) -> bool:
    """Whether a text is a decimal number, "inf" and "nan" included."""
    try:
        float(text)
    except ValueError:
        return False
    return text.isascii() and "_" not in text


def looks_numeric(text: str) -> bool:
    """Whether a text is a number in any style without a unit."""
    found = PATTERN.fullmatch(text)
    suffix = _unit(found) if found else ""
    return is_number(text) or (found is not None and (suffix in "%‰" or _is_currency(suffix)))


def infer_style(
    texts: Sequence[str], counts: np.ndarray, marks: NumberMarks, usual: str = ""
) -> NumberStyle:
    """The style that the cells of a column agree with; `PLAIN` if they agree with none.

    Parameters
    ----------
    texts : sequence of str
        The different texts of the column, without those that mark a missing value.
    counts : array of int, shape (n,)
        How many cells have each.
    marks : NumberMarks
    usual : {"", ".", ","}
        The decimal mark of the file, where a column leaves it open.
    """
    total = int(counts.sum())
    plain = np.fromiter(map(is_number, texts), bool, len(texts))
    free = marks == NO_MARKS and usual != ","
    if total == 0 or (free and plain.all()):
        return PLAIN
    matches = [PATTERN.fullmatch(text) for text in texts]
    like = np.array([m is not None and bool(m["open"]) == bool(m["close"]) for m in matches])
    if int(counts[like].sum()) * 2 <= total:
        return PLAIN
    found = [m for m, is_like in zip(matches, like, strict=True) if is_like and m]
    cores = [m["core"].rstrip() for m in found]
    affixes = _affix(found, cores, counts[like])
    scaled = bool(like.all()) and _are_scaled(found, cores)
    if scaled:
        affixes = (affixes[0], "")
    decimal, thousands, ambiguous = _marks_of(cores, counts[like], marks, usual)
    signs = any(m["open"] or m["sign"] in ("−", "–") or m["inner"] == "−" for m in found)
    style = NumberStyle(decimal, thousands, *affixes, signs, ambiguous, scaled)
    fits = np.isfinite(style.values(texts))
    share = int(counts[fits].sum())
    all_bracketed = signs and all(m["open"] for m in found)
    phone = thousands == " " and any(m["sign"] == "+" for m in found)
    refused = share < total if style.has_unit or scaled else share * 2 <= total
    if refused or all_bracketed or phone or share < int(counts[plain].sum()):
        return PLAIN
    return style


def shown_decimal(texts: Sequence[str]) -> str:
    """The decimal mark that the cells of a column leave no doubt about, or an empty string."""
    found = [PATTERN.fullmatch(text) for text in texts[:SAMPLE] if text]
    cores = [m["core"].rstrip() for m in found if m and m["exponent"] is None]
    if not cores or len(cores) * 2 <= len(found):
        return ""
    point = all(map(_reads(".", ""), cores)) or all(map(_reads(".", ","), cores))
    comma = all(map(_reads(",", ""), cores)) or all(map(_reads(",", "."), cores))
    return {(True, False): ".", (False, True): ","}.get((point, comma), "")


def _reads(decimal: str, thousands: str) -> Any:
    return _core_pattern(decimal, thousands, True).fullmatch


def _affix(
    found: Sequence[re.Match[str]], cores: Sequence[str], counts: np.ndarray
) -> tuple[str, str]:
    """The most frequent pair of prefix and suffix; zeros may have none."""
    shares: dict[tuple[str, str], int] = {}
    for match, core, count in zip(found, cores, counts.tolist(), strict=True):
        pair = (match["prefix"] or "", _unit(match))
        if pair != ("", "") or core.strip("0.,"):
            shares[pair] = shares.get(pair, 0) + count
    return max(shares, key=lambda pair: shares[pair], default=("", ""))


def _unit(match: re.Match[str]) -> str:
    return (match["suffix"] or "").strip()


def _scale(match: re.Match[str]) -> tuple[int, str]:
    """The power of ten that a suffix is, or 0, and what else the suffix is."""
    unit = _unit(match)
    return (SCALES[unit], "") if unit in SCALES and not match["exponent"] else (0, unit)


def _are_scaled(found: Sequence[re.Match[str]], cores: Sequence[str]) -> bool:
    """Whether the suffixes of all cells of a column are factors."""
    pairs = zip(found, cores, strict=True)
    nonzero = [match for match, core in pairs if core.strip("0.,") or match["suffix"]]
    units = {_unit(match) for match in nonzero}
    if not units & SCALES.keys() or units - SCALES.keys() - {""}:
        return False
    currencies = {match["prefix"] for match in nonzero}
    if None not in currencies:
        return len(currencies) == 1
    return len(currencies) == 1 and "" not in units and len({SCALES[one] for one in units}) > 1


def _is_currency(text: str) -> bool:
    return CURRENCY.fullmatch(text) is not None


def _marks_of(
    cores: Sequence[str], counts: np.ndarray, marks: NumberMarks, usual: str
) -> tuple[str, str, bool]:
    """Decimal mark, thousands separator, and whether the cells leave them open."""
    shares: dict[tuple[str, str], int] = {}
    for strict in (True, False):
        for pair in MARKS:
            if marks.allow(*pair):
                reads = _core_pattern(*pair, strict).fullmatch
                fits = np.array([reads(core) is not None for core in cores])
                shares.setdefault(pair, 2 * int(counts[fits].sum()) + strict)
        if strict and shares and max(shares.values()) > 2 * int(counts.sum()):
            break
        shares = {pair: share - 1 for pair, share in shares.items()} if strict else shares
    if not shares:
        return ".", "", False
    most = max(shares.values())
    best = [pair for pair in MARKS if shares.get(pair) == most]
    if best[0] == (".", "") and usual == "," and marks.decimal == "auto":
        best = [pair for pair in best if pair[0] == ","] or best
        return *best[0], best[0][0] == "," and any("." in core for core in cores)
    ambiguous = best[0] == (".", ",") and (",", "") in best
    if ambiguous and usual == ",":
        return ",", "", ambiguous
    return *best[0], ambiguous


@functools.cache
def _core_pattern(decimal: str, thousands: str, strict: bool) -> re.Pattern[str]:
    """Digits with these marks; if strict, more than three in a row are separated."""
    fraction = r"(\.\d*)?" if decimal == "." else r"(,\d+)?"
    if not thousands:
        return re.compile(rf"(?=.?\d)\d*{fraction}")
    whole = r"\d{1,3}" if strict else r"\d+"
    grouped = rf"[1-9]\d{{0,2}}({GROUPS[thousands]}\d{{3}})+"
    return re.compile(rf"(?=.?\d)({grouped}|{whole})?{fraction}")
