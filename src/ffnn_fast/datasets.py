"""Small real data sets that are part of the package, and readers of image files.

``_dataset_files/ATTRIBUTION.md`` has the licences of the data sets.
"""

from __future__ import annotations

import csv
import gzip
import io
import lzma
import math
import os
import zipfile
import zlib
from dataclasses import dataclass
from importlib.resources import files

import numpy as np

__all__ = [
    "Dataset",
    "load_digits",
    "load_idx",
    "load_images",
    "load_movie_ratings",
]

IDX_TYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
IDX_FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte",
             "t10k-labels-idx1-ubyte")  # fmt: skip
NPZ_ARRAYS = ("x_train", "y_train", "x_test", "y_test")
MOVIE_SITES = ("RottenTomatoes", "RottenTomatoes_User", "Metacritic", "Metacritic_User", "IMDB")


@dataclass(frozen=True)
class Dataset:
    """Inputs and targets with their names.

    Attributes
    ----------
    X : ndarray of shape (n, d), float64
        uint8 for images from files.
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
    columns = np.frombuffer(lzma.decompress(_read("digits.xz")), np.uint8).reshape(65, 1797)
    names = tuple(f"pixel_{row}_{column}" for row in range(8) for column in range(8))
    X = np.ascontiguousarray(columns[:64].T, np.float64)
    return Dataset(X, columns[64].astype(np.int64), names, "digit")


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


def load_idx(path: str | os.PathLike[str]) -> np.ndarray:
    """The array of an IDX file, the format of MNIST; gzipped or not.

    Two zero bytes, the type of the values, the number of axes, their sizes, the values.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    ndarray
        In the native byte order.

    Raises
    ------
    ValueError
        If the file is not a complete IDX file.
    OSError
        If it cannot be read.
    """
    name = os.fspath(path)
    with open(name, "rb") as file:
        raw = file.read()
    try:
        raw = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{name!r} is a damaged gzip file: {error}") from error
    if len(raw) < 4 or raw[:2] != b"\0\0" or raw[2] not in IDX_TYPES or len(raw) < 4 + 4 * raw[3]:
        raise ValueError(f"{name!r} is no IDX file")
    shape = tuple(np.frombuffer(raw, ">u4", raw[3], 4).tolist())
    kind = np.dtype(IDX_TYPES[raw[2]])
    start, size = 4 + 4 * raw[3], math.prod(shape)
    if len(raw) != start + size * kind.itemsize:
        raise ValueError(
            f"{name!r} must have {size * kind.itemsize} bytes of values for the shape {shape}, "
            f"has {len(raw) - start}"
        )
    return np.frombuffer(raw, kind, size, start).reshape(shape).astype(kind.newbyteorder("="))


def load_images(path: str | os.PathLike[str]) -> tuple[Dataset, Dataset]:
    """Training and test images from files such as those of MNIST or Fashion-MNIST.

    Parameters
    ----------
    path : str or path-like
        A folder with ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte`` and the two that
        begin with ``t10k``, each with ``.gz`` or without; or a ``.npz`` file with the arrays
        ``x_train``, ``y_train``, ``x_test`` and ``y_test``.

    Returns
    -------
    train, test : Dataset
        ``X`` (n, pixels) uint8, one image per row; ``y`` (n,) int64.

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    ValueError
        If a file is damaged, or its arrays are not images and their labels.
    """
    place = os.fspath(path)
    arrays = _from_npz(place) if os.path.isfile(place) else _from_idx(place)
    return _image_rows(place, *arrays[:2]), _image_rows(place, *arrays[2:])


def _from_idx(folder: str) -> list[np.ndarray]:
    arrays = []
    for name in IDX_FILES:
        places = [os.path.join(folder, name + ending) for ending in (".gz", "")]
        found = [place for place in places if os.path.exists(place)]
        if not found:
            raise FileNotFoundError(f"there is no {places[1]!r}, nor with .gz")
        arrays.append(load_idx(found[0]))
    return arrays


def _from_npz(name: str) -> list[np.ndarray]:
    try:
        with np.load(name, allow_pickle=False) as file:
            return [file[key] for key in NPZ_ARRAYS]
    except (KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{name!r} is no npz file with {', '.join(NPZ_ARRAYS)}: {error}"
        ) from error


def _image_rows(place: str, images: np.ndarray, labels: np.ndarray) -> Dataset:
    """A row for each image, (n, height, width) or (n, height, width, colours)."""
    fits = images.ndim in (3, 4) and labels.shape == images.shape[:1] and len(labels)
    if not fits or images.dtype != np.uint8 or labels.dtype.kind not in "iu":
        raise ValueError(
            f"{place!r} must hold uint8 images (n, height, width) with n labels; got "
            f"{images.dtype} {images.shape} and {labels.dtype} {labels.shape}"
        )
    rows = images.reshape(len(images), -1)
    names = tuple(f"pixel_{'_'.join(map(str, at))}" for at in np.ndindex(images.shape[1:]))
    return Dataset(rows, labels.astype(np.int64), names, "class")


def _read(name: str) -> bytes:
    return files("ffnn_fast").joinpath("_dataset_files", name).read_bytes()
