"""``python -m benches.tabular``: errors of networks, boosters and linear models on many tables.

Results are written after each fit; those that a file has are not computed again.
"""

import argparse
import json
import time
import warnings
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from benches.runner import ROOT
from benches.tabular import models, tables
from benches.tabular.report import markdown

MODELS = ["ours", "linear", "hgb", "lightgbm", "catboost"]


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benches.tabular", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="JSON lines, one a fit")
    parser.add_argument(
        "--models", nargs="+", default=["ours", "linear", "hgb", "lightgbm", "catboost"]
    )
    parser.add_argument("--tables", nargs="+", help="default: all")
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--most-rows", type=int, default=3_000, help="training rows of a table")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--report", action="store_true", help="only write OUT with the suffix .md")
    return parser.parse_args()


def split(task, number, most):
    """Indices of training rows (at most `most`) and test rows, stratified for classes."""
    from sklearn.model_selection import train_test_split

    every = np.arange(len(task.y))
    strata = task.y if task.classes and np.unique(task.y, return_counts=True)[1].min() > 1 else None
    train, test = train_test_split(every, test_size=0.2, random_state=number, stratify=strata)
    return train[:most], test


def figures(task, model, X, y):
    """Error (share of wrong classes, or RMSE over deviation), log loss, calibration error."""
    if not task.classes:
        rmse = float(np.sqrt(np.mean((model.predict(X) - y) ** 2)))
        found = {"error": rmse / float(np.std(y)), "r2": 1 - (rmse / float(np.std(y))) ** 2}
        if hasattr(model, "predict_interval"):
            low, high = model.predict_interval(X, 0.9)
            found["coverage"] = float(np.mean((low <= y) & (y <= high)))
        return found
    proba = np.asarray(model.predict_proba(X), float)
    classes = np.asarray(model.classes_).astype(str)
    wrong = classes[proba.argmax(axis=1)] != y.astype(str)
    at = np.searchsorted(classes, y.astype(str), sorter=(order := np.argsort(classes)))
    true = proba[np.arange(len(y)), order[np.minimum(at, len(classes) - 1)]]
    confidence = proba.max(axis=1)
    bins = np.minimum((confidence * 15).astype(int), 14)
    ece = sum(abs(np.sum((~wrong)[bins == b] - confidence[bins == b])) for b in range(15)) / len(y)
    return {
        "error": float(wrong.mean()), "log_loss": float(-np.log(np.maximum(true, 1e-15)).mean()),
        "ece": float(ece),
    }  # fmt: skip


def main():
    """Fit every model to every split of every table."""
    given = arguments()
    lines = given.out.read_text().splitlines() if given.out.exists() else []
    done = [json.loads(line) for line in lines]
    if given.report:
        given.out.with_suffix(".md").write_text(markdown(done))
        return
    known = {(row["table"], row["split"], row["model"]) for row in done}
    found = tables.names(given.data)
    tasks = {name: found[name]() for name in given.tables or found}
    for number in range(given.splits):
        for name, task in tasks.items():
            parts = split(task, number, given.most_rows)
            for label in given.models:
                if (name, number, label) in known:
                    continue
                with threadpool_limits(1):
                    row = {"table": name, "split": number, "model": label, "rows": len(parts[0])}
                    row |= judged(task, label, number, *parts)
                with given.out.open("a") as file:
                    file.write(json.dumps(row) + "\n")
                print(row, flush=True)


def judged(task, label, number, train, test):
    """Figures of a model fitted to the training rows, and CPU-seconds."""
    model = models.MODELS[label](task, number)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        began = time.process_time()
        model.fit(task.X.iloc[train], task.y[train])
        fitted = time.process_time()
        row = figures(task, model, task.X.iloc[test], task.y[test])
    return {
        "fit_seconds": fitted - began, **row, "predict_seconds": time.process_time() - fitted
    }  # fmt: skip


if __name__ == "__main__":
    main()
