"""The scores of a training, of the model and its baselines, in the summary of a model file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ffnn_fast.cli.evaluation.tables import Table, Titled

BASELINE = re.compile(r"baseline (.+) (on the \d+ (?:held-out|training) rows)")


def summarised(results: Titled) -> dict[str, str]:
    """The scores of the network by name, and those of each baseline in one text; names begin with
    the title of their table.
    """
    return {
        _titled(title, key): text for title, table in results for key, text in _taken(table).items()
    }


def stored_scores(summary: Mapping[str, str], titles: Sequence[str]) -> Titled:
    """The tables with these titles that `summarised` took apart; without those that have no
    baselines.
    """
    found = []
    for title in titles:
        start = _titled(title, "")
        own = {key[len(start) :]: text for key, text in summary.items() if key.startswith(start)}
        found.append((title, _table(own)))
    return [(title, table) for title, table in found if table]


def _titled(title: str, key: str) -> str:
    return f"{title}: {key}" if title else key


def _taken(results: Table) -> dict[str, str]:
    """A table taken apart."""
    (where, *names), network, *baselines = results
    found = {f"{name} {where}": value for name, value in zip(names, network[1:], strict=True)}
    for baseline, *values in baselines:
        scores = zip(names, values, strict=True)
        text = ", ".join(f"{name} {value}" for name, value in scores if value)
        found[f"baseline {baseline} {where}"] = text
    return found


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
