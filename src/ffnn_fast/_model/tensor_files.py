"""Files in the safetensors format, read and written with Python and NumPy alone.

The safetensors library ends the process where it cannot allocate memory; here that is a
MemoryError. A file is the length of the header, 8 bytes, little-endian; the header, JSON; and the
bytes of the tensors, without gaps. All platforms of the package are little-endian.

https://huggingface.co/docs/safetensors
"""

from __future__ import annotations

import io
import json
import math
import os
import stat
import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ffnn_fast._text import quoted

Array = np.ndarray
Buffer = bytes | memoryview
MAX_DIGITS = 4000  # of an integer; Python converts up to 4300
MAX_HEADER_BYTES = 100_000_000  # the library reads no longer headers
MAX_DIMENSIONS = 64  # of a NumPy array
METADATA = "__metadata__"
TYPES = {"float32": "F32", "float64": "F64", "uint8": "U8"}  # those that are written
BITS = {
    **dict.fromkeys(("F4",), 4),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0"), 8),
    **dict.fromkeys(("F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("I16", "U16", "F16", "BF16"), 16),
    **dict.fromkeys(("I32", "U32", "F32"), 32),
    **dict.fromkeys(("I64", "U64", "F64", "C64"), 64),
}


class TensorFileError(ValueError):
    """The file has not the safetensors format, or is incomplete."""


class Tensor(NamedTuple):
    """Type, shape and place of a tensor: its bytes are [start, stop) of those after the header."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    stop: int


class TensorFile:
    """A file that is open for reading; its header is read and checked, its tensors are not.

    Attributes
    ----------
    metadata : dict of str to str
    tensors : dict of str to Tensor
        In the order of their bytes.

    Raises
    ------
    TensorFileError
        If it is not a regular file, or not a whole one of this format.
    OSError
        If it cannot be read.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        if not stat.S_ISREG(os.stat(path).st_mode):  # opening a pipe would wait for a writer
            raise TensorFileError("is not a regular file")
        self._file: io.BufferedReader = open(path, "rb")  # noqa: SIM115
        try:
            size = os.fstat(self._file.fileno()).st_size
            header = _read_header(self._file, size)
            self._start = self._file.tell()
            self.metadata = _as_metadata(header.pop(METADATA, None))
            self.tensors = _as_tensors(header, size - self._start)
        except TensorFileError as error:
            self._file.close()
            raise TensorFileError(f"is not a complete safetensors file: {error}") from error
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> TensorFile:
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()

    def read_into(self, name: str, array: Array) -> None:
        """Fill a C-contiguous array, of the tensor's size and type, with its elements."""
        tensor = self.tensors[name]
        if array.size == 0:
            return
        self._file.seek(self._start + tensor.start)
        if self._file.readinto(_bytes_of(array)) != tensor.stop - tensor.start:
            raise TensorFileError(f"is not a complete safetensors file: {quoted(name)} is cut off")

    def read(self, name: str) -> Array:
        """A tensor of one of the types that are written, as a new array."""
        tensor = self.tensors[name]
        array = np.empty(tensor.shape, next(n for n, t in TYPES.items() if t == tensor.dtype))
        self.read_into(name, array)
        return array


def content_of(tensors: Mapping[str, Array], metadata: Mapping[str, str]) -> list[Buffer]:
    """A file's content in parts, the header first; the arrays are not copied.

    As by the library: wider types first, then by name; the header has sorted keys, so the same
    content gives the same bytes.
    """
    ordered = sorted(tensors, key=lambda name: (-tensors[name].itemsize, name))
    header: dict[str, Any] = {METADATA: dict(metadata)}
    parts: list[Buffer] = []
    start = 0
    for name in ordered:
        array = np.ascontiguousarray(tensors[name])
        stop = start + array.nbytes
        header[name] = {
            "dtype": TYPES[array.dtype.name],
            "shape": list(tensors[name].shape),
            "data_offsets": [start, stop],
        }
        start = stop
        if array.size:
            parts.append(_bytes_of(array))
    text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    padded = text + b" " * (-len(text) % 8)
    return [len(padded).to_bytes(8, "little") + padded, *parts]


def bytes_of(array: Array) -> Buffer:
    """The bytes of a C-contiguous array, not copied."""
    return _bytes_of(array) if array.size else b""


def _bytes_of(array: Array) -> memoryview:
    return array.data.cast("B")


def _read_header(file: io.BufferedReader, size: int) -> dict[str, Any]:
    """The header as JSON values; a tensor's entry, which has three fixed keys, as a `Tensor`."""
    length = int.from_bytes(file.read(8), "little")
    if size < 8 or not 2 <= length <= size - 8:
        raise TensorFileError("its header does not fit into the file")
    if length > MAX_HEADER_BYTES:
        raise TensorFileError(f"its header is longer than {MAX_HEADER_BYTES} bytes")
    try:
        text = file.read(length).decode()
        if not text.startswith("{"):
            raise TensorFileError("its header is not a JSON object")
        header = json.loads(
            text, object_pairs_hook=_as_entry, parse_constant=_refuse_constant,
            parse_int=int_of_file,
        )  # fmt: skip
    except RecursionError as error:
        raise TensorFileError("its header is nested too deeply") from error
    except TensorFileError:
        raise
    except ValueError as error:
        raise TensorFileError(f"its header is not valid JSON: {error}") from error
    if not isinstance(header, dict):
        raise TensorFileError("its header describes one tensor without a name")
    return header


def int_of_file(digits: str) -> int:
    """An integer in a file; ValueError if it is longer than any that is written."""
    if len(digits) > MAX_DIGITS:
        raise ValueError(f"a number has more than {MAX_DIGITS} digits")
    return int(digits)


def _as_entry(pairs: list[tuple[str, Any]]) -> Any:
    """A JSON object as a dictionary; as a `Tensor` if it describes one."""
    entry = dict(pairs)
    if len(entry) != len(pairs):
        raise TensorFileError("an object in its header has the same key twice")
    if len(entry) == 3 and entry.keys() == {"dtype", "shape", "data_offsets"}:
        dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
        placed = _are_sizes(offsets, 2) and len(offsets) == 2
        known = isinstance(dtype, str) and dtype in BITS
        if placed and known and _are_sizes(shape, MAX_DIMENSIONS):
            return Tensor(sys.intern(dtype), tuple(shape), *offsets)
    return entry


def _are_sizes(values: Any, most: int) -> bool:
    short = isinstance(values, list) and len(values) <= most
    return short and all(type(value) is int and 0 <= value < 2**63 for value in values)


def _refuse_constant(name: str) -> None:
    raise TensorFileError(f"its header holds {name}")


def _as_metadata(given: Any) -> dict[str, str]:
    if given is None:
        return {}
    if not isinstance(given, dict) or not all(isinstance(v, str) for v in given.values()):
        raise TensorFileError(f"{METADATA} must map strings to strings")
    return given


def _as_tensors(header: dict[str, Any], n_bytes: int) -> dict[str, Tensor]:
    """The entries in the order of their bytes, if they fill the file without gaps."""
    for name, tensor in header.items():
        if not isinstance(tensor, Tensor):
            raise TensorFileError(f"the entry of tensor {quoted(name)} is invalid")
    ordered = dict(sorted(header.items(), key=lambda item: item[1][2:]))
    end = 0
    for name, tensor in ordered.items():
        bits = math.prod(tensor.shape) * BITS[tensor.dtype]
        if tensor.start != end or bits != 8 * (tensor.stop - tensor.start):
            raise TensorFileError(f"shape and place of tensor {quoted(name)} do not fit")
        end = tensor.stop
    if end != n_bytes:
        raise TensorFileError(f"its tensors take {end} bytes, but {n_bytes} follow the header")
    return ordered
