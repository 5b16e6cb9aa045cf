"""The safetensors format: the bytes that the library writes, and what it refuses is refused."""

import contextlib
import json
import random

import numpy as np
import pytest
import safetensors.numpy
from safetensors import SafetensorError, safe_open
from support import released

from ffnn_fast import Network
from ffnn_fast._model import model_files
from ffnn_fast._model.tensor_files import TensorFile, TensorFileError, content_of


def library_content(tensors, metadata):
    """The library's file with its header sorted: it writes metadata in random order."""
    content = safetensors.numpy.save(tensors, metadata=metadata)
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.dumps(json.loads(content[8:start]), sort_keys=True, separators=(",", ":"))
    padded = header.encode() + b" " * (-len(header) % 8)
    return len(padded).to_bytes(8, "little") + padded + content[start:]


@pytest.mark.parametrize(
    "tensors",
    [
        {},
        {f"{k}.weight": np.full((2, k), k, np.float32) for k in range(12)},
        {"b": np.ones(3, np.float32), "a": np.ones((2, 2)), "c": np.arange(5, dtype=np.uint8)},
        {"empty": np.empty((0, 7), np.float32), "ä€😀": np.array(2.5)},
        {"turned": np.arange(6.0).reshape(2, 3).T},
    ],
)
def test_the_bytes_are_those_of_the_library(tmp_path, tensors):
    metadata = {"format": "x", "text": 'quote " and \\ and \n and ä€😀'}
    content = b"".join(content_of(tensors, metadata))
    plain = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    plain = {name: array.reshape(tensors[name].shape) for name, array in plain.items()}
    assert content == library_content(plain, metadata)
    (tmp_path / "file").write_bytes(content)
    with TensorFile(tmp_path / "file") as file:
        assert file.metadata == metadata
        assert set(file.tensors) == set(tensors)
        for name, array in tensors.items():
            read = file.read(name)
            assert read.dtype == array.dtype
            np.testing.assert_array_equal(read, array)


def test_a_released_file_is_written_with_the_same_bytes(root, tmp_path, monkeypatch):
    """The library wrote the fixture."""
    path = root / "tests" / "fixtures" / "model-v2.safetensors"
    monkeypatch.setattr(model_files, "version", lambda name: "0.1.0")
    Network.load(path).save(tmp_path / "again", {"note": "written by 0.1"})
    assert (tmp_path / "again").read_bytes() == path.read_bytes()
    assert released.network().spec == Network.load(path).spec


def with_header(text, data=b""):
    """A file with any header."""
    header = text if isinstance(text, bytes) else text.encode()
    return len(header).to_bytes(8, "little") + header + data


def entry(dtype="F32", shape=(2,), offsets=(0, 8), **others):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets), **others}


def one(**changes):
    return json.dumps({"a": entry(**changes)})


INVALID = {
    "nothing": b"",
    "no header": (2).to_bytes(8, "little"),
    "a long header": (2**63).to_bytes(8, "little") + b"{}" * 20,
    "an array": with_header("[]"),
    "a number": with_header("12"),
    "white space": with_header(' {"a": 1}'),
    "two values": with_header("{} {}"),
    "UTF-16": with_header("{}".encode("utf-16-le")),
    "Latin-1": with_header(b'{"\xe4": 1}'),
    "no JSON": with_header("{a: 1}"),
    "NaN": with_header('{"a": NaN}'),
    "nested": with_header("{" + '"a":{' * 50_000),
    "the same name twice": with_header(
        '{"a": %s, "a": %s}' % ((json.dumps(entry()),) * 2), bytes(8)
    ),
    "one entry alone": with_header(json.dumps(entry()), bytes(8)),
    "metadata of numbers": with_header('{"__metadata__": {"a": 1}}'),
    "metadata in a list": with_header('{"__metadata__": ["a"]}'),
    "no shape": with_header('{"a": {"dtype": "F32", "data_offsets": [0, 0]}}'),
    "a list": with_header('{"a": []}'),
    "an unknown type": with_header(one(dtype="F33"), bytes(8)),
    "a type that is none": with_header(one(dtype=["F32"]), bytes(8)),
    "a negative size": with_header(one(shape=(-2, -1)), bytes(8)),
    "a broken size": with_header(one(shape=(2.0,)), bytes(8)),
    "a true size": with_header(one(shape=(2, True)), bytes(8)),
    "a large size": with_header(one(shape=(2**62, 2**62, 2**62)), bytes(8)),
    "three offsets": with_header(one(offsets=(0, 8, 8)), bytes(8)),
    "offsets turned": with_header(one(offsets=(8, 0)), bytes(8)),
    "beyond the end": with_header(one(), bytes(7)),
    "bytes left over": with_header(one(), bytes(9)),
    "a gap": with_header(json.dumps({"a": entry(), "b": entry(offsets=(9, 17))}), bytes(17)),
    "an overlap": with_header(json.dumps({"a": entry(), "b": entry(offsets=(4, 12))}), bytes(12)),
}


@pytest.mark.parametrize("content", INVALID.values(), ids=INVALID.keys())
def test_what_is_refused(tmp_path, content):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(TensorFileError, match="is not a complete safetensors file") as caught:
        TensorFile(tmp_path / "file")
    assert len(str(caught.value)) < 1000


def test_the_files_of_other_programs_are_read(tmp_path):
    """Types that this library does not write, and a header without metadata."""
    tensors = {"half": np.ones(3, np.float16), "whole": np.arange(4), "flag": np.array([True])}
    safetensors.numpy.save_file(tensors, tmp_path / "file")
    with TensorFile(tmp_path / "file") as file:
        found = {name: (tensor.dtype, tensor.shape) for name, tensor in file.tensors.items()}
        assert file.metadata == {}
    assert found == {"half": ("F16", (3,)), "whole": ("I64", (4,)), "flag": ("BOOL", (1,))}


def changed(content, chance):
    """A few bytes changed, preferably to those that JSON uses; sometimes the length too."""
    damaged = bytearray(content)
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(8, len(damaged))
        byte = chance.choice([*b'{}[]",:0123456789.-eFU ', chance.randrange(256)])
        kind = chance.randrange(3)
        damaged[at : at + (kind != 1)] = b"" if kind == 2 else bytes([byte])
    length = int.from_bytes(content[:8], "little") + len(damaged) - len(content)
    if chance.random() < 0.9:
        damaged[:8] = length.to_bytes(8, "little")
    return bytes(damaged)


def test_what_is_read_is_read_alike_by_the_library(tmp_path):
    """1200 damaged files: what this reader accepts, the library accepts and reads alike."""
    tensors = {"0.weight": np.arange(6.0).reshape(2, 3), "0.bias": np.zeros(2, np.float32)}
    content, chance = b"".join(content_of(tensors, {"format": "x"})), random.Random(7)
    path, accepted = tmp_path / "file", 0
    for _ in range(1200):
        path.write_bytes(changed(content, chance))
        with contextlib.suppress(TensorFileError):
            with TensorFile(path) as file:
                metadata, found = file.metadata, file.tensors
            accepted += 1
            try:
                with safe_open(path, framework="numpy") as file:
                    assert (file.metadata() or {}) == metadata
                    assert set(file.keys()) == set(found)
                    for name, tensor in found.items():
                        theirs = file.get_slice(name)
                        assert theirs.get_shape() == list(tensor.shape)
                        assert theirs.get_dtype() == tensor.dtype
            except SafetensorError as error:
                pytest.fail(f"{path.read_bytes()!r} is refused by the library: {error}")
    assert 20 < accepted < 1000
