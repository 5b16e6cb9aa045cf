"""One table as columns of a dict, and as a file of each format."""

import csv

import numpy as np
import pytest

N = 60


def a_table():
    """Columns as lists: numbers, whole numbers, categories as numbers and texts, classes; gaps."""
    rng = np.random.default_rng(5)
    size = [None if i % 9 == 0 else round(float(v), 3) for i, v in enumerate(rng.normal(size=N))]
    town = [(None, "Gent, east", 'the "old" town', "Århus")[i % 4] for i in range(N)]
    zone = [None if i % 11 == 0 else int(v) for i, v in enumerate(rng.integers(1, 5, N))]
    count = [int(v) for v in rng.integers(0, 10**6, N)]
    fits = [bool(v) for v in rng.integers(0, 2, N)]
    kind = [int(v) for v in rng.integers(1, 4, N)]
    return {"size": size, "town": town, "zone": zone, "count": count, "fits": fits, "kind": kind}


def write_csv(path, columns, delimiter=","):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))


def write_parquet(path, columns):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet as files

    files.write_table(pyarrow.table(columns), path)


def write_npz(path, columns):
    kinds = {float: np.nan, str: ""}
    arrays = {}
    for name, values in columns.items():
        filler = kinds.get(type(next(v for v in values if v is not None)), np.nan)
        arrays[name] = np.array([filler if v is None else v for v in values])
    np.savez(path, **arrays)
