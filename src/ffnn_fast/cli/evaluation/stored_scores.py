"""The scores of a training, of the model and its baselines, in the summary of a model file."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ffnn_fast.cli.evaluation.scoring import HEADS
from ffnn_fast.cli.evaluation.tables import Table, Titled

WHERE = r"on the \d+ (?:held-out|training) rows"
BASELINE = re.compile(rf"baseline (.+) ({WHERE})")
FIGURE = re.compile(rf"(.+) ({WHERE})")
OF_FOLDS = re.compile(r"(\d+)-fold cross-validation(?:, (.+))?")
MEAN = re.compile(r"(.+?) (\S+) ± (\S+)(?: \((\d+) folds\))?")
NAMES = {shown: name for name, shown in HEADS.items()}


def summarised(results: Titled) -> dict[str, str]:
    """The scores of the network by name, and those of each baseline in one text; names begin with
    the title of their table.
    """
    return _with_titles((title, _taken(table)) for title, table in results)


def summarised_folds(judged: Titled, parts: str) -> dict[str, str]:
    """The scores of each model over folds in one text, and what the folds hold."""
    return _with_titles((title, _taken_folds(table, parts)) for title, table in judged)


def _with_titles(tables: Iterable[tuple[str, Mapping[str, str]]]) -> dict[str, str]:
    return {_start(title) + key: text for title, found in tables for key, text in found.items()}


def of_title(summary: Mapping[str, str], title: str) -> dict[str, str]:
    """The entries of a summary whose names begin with a title, without it."""
    n = len(_start(title))
    return {key[n:]: text for key, text in summary.items() if key.startswith(_start(title))}


def _start(title: str) -> str:
    return f"{title}: " if title else ""


def stored_scores(summary: Mapping[str, str], titles: Sequence[str]) -> Titled:
    """The tables with these titles that `summarised` took apart; without those that have no
    baselines.
    """
    found = [(title, _table(of_title(summary, title))) for title in titles]
    return [(title, table) for title, table in found if table]


def _taken(results: Table) -> dict[str, str]:
    """A table taken apart."""
    (where, *names), network, *baselines = results
    found = {f"{name} {where}": value for name, value in zip(names, network[1:], strict=True)}
    for baseline, *values in baselines:
        found[f"baseline {baseline} {where}"] = _in_one(names, values)
    return found


def _taken_folds(judged: Table, parts: str) -> dict[str, str]:
    """A table of scores over folds taken apart."""
    (head, *names), *rows = judged
    found = {f"{head}, {model}": _in_one(names, values) for model, *values in rows}
    return ({head: parts} if parts else {}) | found


def _table(summary: Mapping[str, str]) -> Table:
    """The table that `_taken` took apart; empty without baselines."""
    rows: dict[str, dict[str, str]] = {}
    where = ""
    for key, text in summary.items():
        if match := BASELINE.fullmatch(key):
            parts = (one.rpartition(" ") for one in text.split(", "))
            rows[match[1]], where = {name: value for name, _, value in parts}, match[2]
    if not rows:
        return []
    own = {key.removesuffix(f" {where}"): v for key, v in summary.items() if key.endswith(where)}
    names = [name for name in own if not BASELINE.fullmatch(f"{name} {where}")]
    return [
        (f"in training, {where}", *names),
        ("network", *(own[name] for name in names)),
        *((name, *(row.get(one, "") for one in names)) for name, row in rows.items()),
    ]


def plain_scores(summary: Mapping[str, str]) -> dict[str, Any]:
    """The scores of the training for JSON, those over folds too: numbers as the summary has them.

    ``rows`` says which rows they are of; ``scores`` and ``cross_validation`` have them by model.
    """
    found: dict[str, Any] = {}
    scores: dict[str, dict[str, float | None]] = {}
    folds: dict[str, Any] = {}
    for key, text in summary.items():
        if match := BASELINE.fullmatch(key):
            parts = (one.rpartition(" ") for one in text.split(", "))
            scores[match[1]] = {NAMES.get(name, name): _number(value) for name, _, value in parts}
        elif match := FIGURE.fullmatch(key):
            found["rows"] = match[2].removeprefix("on ")
            scores.setdefault("network", {})[NAMES.get(match[1], match[1])] = _number(text)
        elif match := OF_FOLDS.fullmatch(key):
            folds["folds"] = int(match[1])
            if match[2]:
                folds.setdefault("scores", {})[match[2]] = _means(text)
            else:
                folds["parts"] = text
    found |= {"scores": scores} if scores else {}
    return found | ({"cross_validation": folds} if folds else {})


def _number(text: str) -> float | None:
    """A number; None for one that is not finite, which JSON does not have."""
    value = float(text)
    return value if math.isfinite(value) else None


def _means(text: str) -> dict[str, dict[str, float | None]]:
    """Mean and standard deviation by score."""
    found = {}
    for match in filter(None, map(MEAN.fullmatch, text.split(", "))):
        of_some = {"folds": int(match[4])} if match[4] else {}
        found[NAMES.get(match[1], match[1])] = {
            "mean": _number(match[2]), "std": _number(match[3]), **of_some,
        }  # fmt: skip
    return found


def _in_one(names: list[str], values: list[str]) -> str:
    """Scores by name in one text, without those that have no value."""
    return ", ".join(f"{n} {value}" for n, value in zip(names, values, strict=True) if value)
