"""Small tables for questions about training: read, standardized, split for validation.

The rows of a table's test part are never read.
"""

import csv
import io
import zipfile
from dataclasses import dataclass

import numpy as np

from ffnn_fast.datasets import load_digits

TEST, VALIDATION = 0.2, 0.25  # of all rows; of the others


@dataclass(frozen=True)
class Split:
    """Training and validation rows in float32; labels in int64, or standardized values (n, 1)."""

    X: np.ndarray
    y: np.ndarray
    X_val: np.ndarray
    y_val: np.ndarray

    @property
    def n_outputs(self):
        """Classes, or 1."""
        return 1 if self.y.dtype == np.float32 else int(self.y.max()) + 1


def _numbers(path):
    table = np.loadtxt(path, delimiter=",")  # also from a .gz file
    return table[:, :-1], table[:, -1]


def _one_hot(column):
    return (np.asarray(column)[:, None] == np.unique(column)).astype(float)


def _bike(folder):
    with zipfile.ZipFile(folder / "bike-sharing" / "Bike-Sharing-Dataset.zip") as archive:
        rows = list(csv.reader(io.TextIOWrapper(archive.open("hour.csv"), "ascii")))[1:]
    table = np.array([[*map(float, row[2:14]), float(row[16])] for row in rows])
    return table[:, :12], table[:, 12]


def _california(folder):
    with (folder / "california-housing" / "housing.csv").open() as file:
        rows = [row for row in list(csv.reader(file))[1:] if all(row)]
    numbers = np.array([list(map(float, row[:9])) for row in rows])
    return np.hstack([numbers[:, :8], _one_hot([row[9] for row in rows])]), numbers[:, 8]


def _abalone(folder):
    with (folder / "abalone" / "abalone.csv").open() as file:
        rows = [row for row in csv.reader(file) if row]
    numbers = np.array([list(map(float, row[1:])) for row in rows])
    return np.hstack([_one_hot([row[0] for row in rows]), numbers[:, :-1]]), numbers[:, -1]


def _adult(folder):
    with (folder / "adult" / "adult-train.csv").open() as file:
        rows = [[cell.strip() for cell in row] for row in csv.reader(file) if len(row) == 15]
    columns = list(zip(*rows, strict=True))
    numeric = (0, 2, 4, 10, 11, 12)
    X = [
        np.array(column, float)[:, None] if j in numeric else _one_hot(column)
        for j, column in enumerate(columns[:14])
    ]
    return np.hstack(X), np.array(columns[14]) == ">50K"


def _digits(folder):
    digits = load_digits()
    return digits.X, digits.y


def _sklearn(name):
    def read(folder):
        from sklearn import datasets

        return getattr(datasets, f"load_{name}")(return_X_y=True)

    return read


REGRESSION = {
    "bike": _bike,
    "california": _california,
    "abalone": _abalone,
    "wine quality": lambda folder: _numbers(folder / "wine-quality" / "winequality-white.csv"),
    "airfoil": lambda folder: _numbers(folder / "uci-regression" / "airfoil.csv.gz"),
    "pol": lambda folder: _numbers(folder / "uci-regression" / "pol.csv.gz"),
    "elevators": lambda folder: _numbers(folder / "uci-regression" / "elevators.csv.gz"),
    "diabetes": _sklearn("diabetes"),
}
CLASSES = {
    "digits": _digits,
    "adult": _adult,
    "breast cancer": _sklearn("breast_cancer"),
    "wine cultivars": _sklearn("wine"),
}
NAMES = [*REGRESSION, *CLASSES]


def load(name, folder, n_rows=None):
    """A table, `n_rows` of its rows at most for training and validation together.

    Raises
    ------
    OSError, ImportError
        If its file or scikit-learn is missing.
    """
    X, y = {**REGRESSION, **CLASSES}[name](folder)
    order = np.random.default_rng(0).permutation(len(X))
    order = order[int(TEST * len(X)) :][:n_rows]
    cut = int(VALIDATION * len(order))
    train, validation = order[cut:], order[:cut]
    X = _standardized(X, train)
    y = _standardized(y.reshape(-1, 1), train) if name in REGRESSION else y.astype(np.int64)
    return Split(X[train], y[train], X[validation], y[validation])


def _standardized(values, train):
    """Mean 0 and deviation 1 of the training rows in each column that varies there."""
    mean, scale = values[train].mean(axis=0), values[train].std(axis=0)
    return ((values - mean) / np.where(scale > 1e-9, scale, 1)).astype(np.float32)
