"""Images from idx and npz files: read as written, or refused in a sentence."""

import gzip
import struct

import numpy as np
import pytest

from ffnn_fast.datasets import IDX_FILES, load_idx, load_images


def idx(array, code=8):
    """The bytes of an IDX file."""
    head = bytes([0, 0, code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.tobytes()


@pytest.fixture
def arrays():
    """Images and labels, to train on and to test on."""
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (n, 4, 3), dtype=np.uint8) for n in (30, 10)]
    labels = [rng.integers(0, 10, n, dtype=np.uint8) for n in (30, 10)]
    return [images[0], labels[0], images[1], labels[1]]


@pytest.fixture
def folder(tmp_path, arrays):
    for name, array in zip(IDX_FILES, arrays, strict=True):
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(idx(array)))
    return tmp_path


@pytest.mark.parametrize(
    ("code", "kind"), [(8, ">u1"), (9, ">i1"), (11, ">i2"), (12, ">i4"), (13, ">f4"), (14, ">f8")]
)
def test_idx_of_every_type(tmp_path, code, kind):
    array = np.arange(-6, 6).reshape(2, 3, 2).astype(kind)
    (tmp_path / "x").write_bytes(idx(array, code))
    read = load_idx(tmp_path / "x")
    assert np.array_equal(read, array)
    assert read.dtype.isnative
    read[0] = 0  # a copy, writable


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no IDX file"),
        (b"\0\0\x07\1\0\0\0\1\0", "no IDX file"),
        (b"PNG.", "no IDX file"),
        (b"\0\0\x08\2\0\0\0\1", "no IDX file"),
        (b"\0\0\x08\1\0\0\0\2\1", r"must have 2 bytes of values for the shape \(2,\), has 1"),
        (b"\0\0\x08\1\0\0\0\1\1\1", "has 2"),
        (b"\x1f\x8bnot gzip", "damaged gzip"),
        (gzip.compress(b"\0" * 99, mtime=0)[:-9], "damaged gzip"),
    ],
)
def test_what_is_no_idx_file(tmp_path, content, message):
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        load_idx(tmp_path / "x")


@pytest.mark.parametrize("gzipped", [True, False])
def test_a_folder_of_idx_files(folder, arrays, gzipped):
    if not gzipped:
        for name in IDX_FILES:
            packed = folder / f"{name}.gz"
            (folder / name).write_bytes(gzip.decompress(packed.read_bytes()))
            packed.unlink()
    for part, images, labels in zip(load_images(folder), arrays[::2], arrays[1::2], strict=True):
        assert np.array_equal(part.X, images.reshape(len(images), 12))
        assert part.X.dtype == np.uint8
        assert np.array_equal(part.y, labels)
        assert part.y.dtype == np.int64
        assert part.feature_names[4] == "pixel_1_1"


def test_an_npz_file(tmp_path, arrays):
    names = ("x_train", "y_train", "x_test", "y_test")
    np.savez(tmp_path / "m.npz", **dict(zip(names, arrays, strict=True)))
    train, test = load_images(tmp_path / "m.npz")
    assert np.array_equal(train.X.reshape(30, 4, 3), arrays[0])
    assert np.array_equal(test.y, arrays[3])


def test_a_missing_file(folder):
    (folder / f"{IDX_FILES[3]}.gz").unlink()
    with pytest.raises(FileNotFoundError, match="t10k-labels"):
        load_images(folder)


@pytest.mark.parametrize("change", ["labels", "axes", "kind", "none"])
def test_arrays_that_are_no_images(tmp_path, arrays, change):
    images, labels = arrays[:2]
    wrong = {
        "labels": (images, labels[1:]),
        "axes": (images.reshape(30, 12), labels),
        "kind": (images.astype(float), labels),
        "none": (images[:0], labels[:0]),
    }[change]
    np.savez(tmp_path / "m.npz", x_train=wrong[0], y_train=wrong[1], x_test=images, y_test=labels)
    with pytest.raises(ValueError, match="must hold uint8 images"):
        load_images(tmp_path / "m.npz")


def test_an_npz_file_of_something_else(tmp_path):
    np.savez(tmp_path / "m.npz", a=np.zeros(3))
    (tmp_path / "t.npz").write_text("text")
    for name in ("m", "t"):
        with pytest.raises(ValueError, match="no npz file with x_train"):
            load_images(tmp_path / f"{name}.npz")


def test_the_real_files(shared_data):
    train, test = load_images(shared_data / "fashion-mnist")
    assert train.X.shape == (60_000, 784)
    assert np.array_equal(np.bincount(test.y), np.full(10, 1000))
