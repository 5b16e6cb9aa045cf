"""The data that come with the package are those of their sources, unchanged and credited."""

import csv
import hashlib
import io
from importlib.resources import files

import numpy as np
import pytest

from ffnn_fast.datasets import load_digits, load_movie_ratings

DATA = files("ffnn_fast").joinpath("_dataset_files")
SHA256 = {
    "digits.xz": "71cb75aa7a57b1799c92fedcee1f51afc5026ae29150a10636431a5312f1a7d9",
    "fandango_score_comparison.csv": (
        "f7d626fe7bf22f65f7e862e0aad68c9f228cb05951ce24d862b1638bf70f51f1"
    ),
}


@pytest.mark.parametrize("name", SHA256)
def test_files_are_unchanged_and_credited(name):
    assert hashlib.sha256(DATA.joinpath(name).read_bytes()).hexdigest() == SHA256[name]
    credit = (
        DATA.joinpath("ATTRIBUTION.md").read_text("utf-8").split(f"## {name}")[1].split("\n## ")[0]
    )
    assert SHA256[name] in credit
    assert "Licence: CC BY 4.0" in credit
    assert "Cite: " in credit


def test_every_file_is_credited():
    assert {path.name for path in DATA.iterdir()} == {"ATTRIBUTION.md", *SHA256}


def test_digits():
    digits = load_digits()
    assert digits.X.shape == (1797, 64)
    assert digits.X.dtype == np.float64
    assert digits.X.flags.c_contiguous
    assert (digits.X.min(), digits.X.max()) == (0, 16)
    assert digits.y.dtype == np.int64
    assert np.bincount(digits.y).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert len(digits.feature_names) == 64
    rows = np.column_stack([digits.X, digits.y]).astype(int).tolist()
    text = "".join(",".join(map(str, row)) + "\n" for row in rows)
    source = hashlib.sha256(text.encode()).hexdigest()
    assert source in DATA.joinpath("ATTRIBUTION.md").read_text("utf-8")


def test_a_zero_has_a_hole():
    images = load_digits().X.reshape(-1, 8, 8)[load_digits().y == 0]
    middle, ring = images[:, 3:5, 3:5].mean(), images[:, 3:5, [1, 2, 5, 6]].mean()
    assert middle < 0.2 * ring


def test_movie_ratings():
    movies = load_movie_ratings()
    assert movies.X.shape == (146, 5)
    assert movies.y.shape == (146,)
    assert len(set(movies.row_names)) == 146
    assert movies.target_name == "Fandango_Ratingvalue"
    assert np.isfinite(movies.X).all()
    assert 0 <= movies.y.min() < movies.y.max() <= 5
    text = DATA.joinpath("fandango_score_comparison.csv").read_text("utf-8")
    row = list(csv.DictReader(io.StringIO(text)))[7]
    assert movies.row_names[7] == row["FILM"]
    assert movies.X[7].tolist() == [float(row[name]) for name in movies.feature_names]
    assert movies.y[7] == float(row["Fandango_Ratingvalue"])
