"""Arrays that ``numpy.savez`` wrote as the columns of a table; nothing is unpickled."""

from __future__ import annotations

import io
import zipfile
import zlib

import numpy as np

from ffnn_fast.cli.output import CommandError
from ffnn_fast.cli.table.data_table import Table, abbreviated
from ffnn_fast.cli.table.typed import Column, make_table

NAMES = "feature_names"


def read_npz(path: str, raw: bytes) -> Table:
    """The table in the bytes of an npz file.

    An array (n,) is a column with its name; an array (n, k, ...) is k·... columns, named by the
    array ``feature_names`` if that has as many entries, else name_1, name_2, ...

    Raises
    ------
    CommandError
        If the file is damaged or holds no arrays, or their lengths differ.
    """
    arrays, pickled = _arrays(path, raw)
    names = _feature_names(arrays)
    if names:
        del arrays[NAMES]
    if not arrays:
        raise CommandError(f"{path} holds no arrays of numbers or texts")
    lengths = {len(array) if array.ndim else -1 for array in arrays.values()}
    if len(lengths) > 1 or -1 in lengths:
        shapes = [f"{name} {_length(array)}" for name, array in arrays.items()]
        raise CommandError(
            f"{path}: each array must have one entry per row, but their lengths differ: "
            f"{abbreviated(shapes)}"
        )
    columns = [Column(name, "object, which would need unpickling", None) for name in pickled]
    for name, array in arrays.items():
        columns += _columns(name, array, names)
    return make_table(path, columns, lengths.pop())


def read_npy(path: str, raw: bytes) -> Table:
    """The table in the bytes of an npy file: an array (n, k) of columns 1 to k, or of records.

    Raises
    ------
    CommandError
        If the file is damaged, or needs unpickling.
    """
    try:
        array = np.load(io.BytesIO(raw), allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise CommandError(f"{path} is a damaged npy file, or a pickled one: {error}") from error
    if array.dtype.names:
        columns = [Column(name, str(array[name].dtype), array[name]) for name in array.dtype.names]
    elif array.ndim in (1, 2):
        flat = np.asfortranarray(array.reshape(len(array), -1))
        columns = [Column(str(k + 1), str(array.dtype), flat[:, k]) for k in range(flat.shape[1])]
    else:
        raise CommandError(f"{path} holds an array of {array.ndim} dimensions; a table has 2")
    return make_table(path, columns, len(array))


def _arrays(path: str, raw: bytes) -> tuple[dict[str, np.ndarray], list[str]]:
    """The arrays by name, and the names of those that only pickle can read."""
    arrays, pickled = {}, []
    try:
        with np.load(io.BytesIO(raw), allow_pickle=False) as archive:
            for name in archive.files:
                try:
                    array = archive[name]
                except ValueError as error:
                    if "allow_pickle" not in str(error):
                        raise
                    pickled.append(name)
                    continue
                if not isinstance(array, np.ndarray):
                    raise CommandError(
                        f"{path} is a zip file, but its entry {name!r} is not an array; only "
                        "zip files written by numpy.savez can be read"
                    )
                arrays[name] = array
    except (ValueError, OSError, EOFError, RuntimeError, zlib.error, zipfile.BadZipFile) as error:
        raise CommandError(f"{path} is a damaged or incomplete npz file: {error}") from error
    return arrays, pickled


def _feature_names(arrays: dict[str, np.ndarray]) -> list[str]:
    """The names of the columns, if an array has as many columns; else []."""
    given = arrays.get(NAMES)
    if given is None or given.ndim != 1 or given.dtype.kind not in "UT":
        return []
    widths = {_width(array) for array in arrays.values() if array.ndim > 1}
    return [str(name).strip() for name in given] if len(given) in widths else []


def _columns(name: str, array: np.ndarray, names: list[str]) -> list[Column]:
    kind = str(array.dtype)
    if array.ndim == 1:
        return [Column(name, kind, array)]
    width = _width(array)
    if width != len(names):
        names = [f"{name}_{k}" for k in range(1, width + 1)]
    flat = np.asfortranarray(array.reshape(len(array), width))  # each column in one piece
    return [Column(names[k], kind, flat[:, k]) for k in range(width)]


def _width(array: np.ndarray) -> int:
    return int(np.prod(array.shape[1:]))


def _length(array: np.ndarray) -> str:
    return str(len(array)) if array.ndim else "(a single value)"
