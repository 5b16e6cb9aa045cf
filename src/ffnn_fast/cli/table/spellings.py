"""Texts that different programs write for one value: 3 and 3.0, TRUE and True and yes."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

import numpy as np

NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?")  # without leading zeros, which are part of a name
TRUTHS = {"true": True, "t": True, "yes": True, "y": True} | {
    "false": False, "f": False, "no": False, "n": False,
}  # fmt: skip
MOST = 1000  # texts of a column that are compared with those of another file
DIGITS = {"1": True, "1.0": True, "0": False, "0.0": False}


def truth(text: str, *, digits: bool = False) -> bool | None:
    """What a word such as TRUE or no means, with `digits` also 1 or 0; None for other texts."""
    found = TRUTHS.get(text.lower())
    return DIGITS.get(text) if found is None and digits else found


def is_respelled(texts: Collection[str]) -> bool:
    """Whether another program may write these texts of a column differently."""
    if not texts or len(texts) > MOST:
        return False
    return all(map(NUMBER.fullmatch, texts)) or all(truth(text) is not None for text in texts)


def respelled(levels: Sequence[str], known: Sequence[str | None]) -> list[str]:
    """Each text of a column in the spelling among `known` that means the same, if only one does.

    A number is known in another spelling, such as 3.0 for 3. The words for true and false are
    known in another one if all texts of the column, and all known ones, are such words.
    """
    names = [text for text in known if text]
    by_value: dict[float, list[str]] = {}
    for text in names:
        if NUMBER.fullmatch(text):
            by_value.setdefault(float(text), []).append(text)
    truths = _spelling_of_truths(levels, names)
    there = set(names)
    found = []
    for text in levels:
        spelled = text
        if text not in there:
            same = by_value.get(float(text), []) if NUMBER.fullmatch(text) else []
            meant = truth(text, digits=True)
            if len(same) == 1:
                spelled = same[0]
            elif truths and meant is not None:
                spelled = truths.get(meant, text)
        found.append(spelled)
    return found


def _spelling_of_truths(levels: Sequence[str], names: Sequence[str]) -> dict[bool, str]:
    """The known word for true and that for false, if the texts and the known ones are such words
    and each has one spelling.
    """
    meant = [truth(text, digits=True) for text in names]
    if None in meant or len(set(meant)) < len(meant) or not names:
        return {}
    if any(truth(text, digits=True) is None for text in levels):
        return {}
    return {bool(value): text for value, text in zip(meant, names, strict=True)}


def one_spelling(levels: Sequence[str], counts: np.ndarray) -> list[str]:
    """The texts of a column, or, if they are words for true and false in several spellings, the
    most frequent spelling of each.
    """
    meant = [truth(text) for text in levels]
    if None in meant or len(set(meant)) == len(meant):
        return list(levels)
    order = np.argsort(counts, kind="stable")
    usual = {meant[place]: levels[place] for place in order}
    return [usual[value] for value in meant]
