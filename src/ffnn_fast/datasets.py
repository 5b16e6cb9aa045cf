"""Small real data sets that come with the package; ``data/ATTRIBUTION.md`` has their licences."""

from __future__ import annotations

import csv
import gzip
import io
from dataclasses import dataclass
from importlib.resources import files

import numpy as np

MOVIE_SITES = ("RottenTomatoes", "RottenTomatoes_User", "Metacritic", "Metacritic_User", "IMDB")


@dataclass(frozen=True)
class Dataset:
    """A table for learning.

    Attributes
    ----------
    X : ndarray of shape (n, d), float64
    y : ndarray of shape (n,)
        int64 labels or float64 values.
    feature_names : tuple of str, length d
    target_name : str
    row_names : tuple of str, length n or 0
    """

    X: np.ndarray
    y: np.ndarray
    feature_names: tuple[str, ...]
    target_name: str
    row_names: tuple[str, ...] = ()


def load_digits() -> Dataset:
    """Handwritten digits: 1 797 images of 8 × 8 pixels, 10 classes (UCI; CC BY 4.0).

    Returns
    -------
    Dataset
        ``X`` (1797, 64) holds pixels 0 to 16, row by row (``X.reshape(-1, 8, 8)`` are the images);
        ``y`` (1797,) the digits 0 to 9.
    """
    table = np.loadtxt(io.BytesIO(gzip.decompress(_read("digits.csv.gz"))), delimiter=",")
    names = tuple(f"pixel_{row}_{column}" for row in range(8) for column in range(8))
    return Dataset(table[:, :64].copy(), table[:, 64].astype(np.int64), names, "digit")


def load_movie_ratings() -> Dataset:
    """Ratings of 146 films by five sites, and by Fandango (FiveThirtyEight; CC BY 4.0).

    Returns
    -------
    Dataset
        ``X`` (146, 5): Rotten Tomatoes critics and users (0 to 100), Metacritic critics (0 to 100)
        and users (0 to 10), IMDb (0 to 10); ``y`` (146,): the mean rating at Fandango (0 to 5);
        ``row_names``: the films.
    """
    text = io.StringIO(_read("fandango_score_comparison.csv").decode("utf-8"), newline="")
    rows = list(csv.DictReader(text))
    X = np.array([[float(row[site]) for site in MOVIE_SITES] for row in rows])
    y = np.array([float(row["Fandango_Ratingvalue"]) for row in rows])
    films = tuple(row["FILM"] for row in rows)
    return Dataset(X, y, MOVIE_SITES, "Fandango_Ratingvalue", films)


def _read(name: str) -> bytes:
    return files("ffnn_fast").joinpath("data", name).read_bytes()
