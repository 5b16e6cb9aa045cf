"""Model files that must not load: cut short, damaged, forged, of another version or program."""

import contextlib
import json
import os
import pickle

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st

from ffnn_fast._model.model_files import ModelFileError, load, save
from ffnn_fast._model.spec import NetworkSpec

SPEC = NetworkSpec((3, 5, 4, 2), ("tanh", "relu"), l2=0.25)
VALID = {"format": "ffnn_fast", "format_version": "1", "extra": "{}"}


def params_of(spec, seed=0):
    return np.random.default_rng(seed).normal(size=spec.n_params).astype(spec.dtype)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


@pytest.fixture
def content(path):
    """The bytes of a saved model; the file itself is removed."""
    save(path, SPEC, params_of(SPEC))
    whole = path.read_bytes()
    path.unlink()
    return whole


def tensors_of(spec):
    """Tensors under torch's names, written out independently of the code under test."""
    named = {}
    for k, (W, b) in enumerate(
        zip(spec.weights(params_of(spec)), spec.biases(params_of(spec)), strict=True)
    ):
        named |= {f"{2 * k}.weight": W, f"{2 * k}.bias": b}
    return named


def forge(path, tensors=None, **metadata):
    """Write a safetensors file with any header; None leaves an entry out."""
    entries = VALID | {"spec": json.dumps(SPEC.to_dict())} | metadata
    entries = {key: value for key, value in entries.items() if value is not None}
    tensors = tensors_of(SPEC) if tensors is None else tensors
    safetensors.numpy.save_file(tensors, path, metadata=entries)


def described(**changes):
    return json.dumps(SPEC.to_dict() | changes)


def test_every_truncation_is_refused(path, content):
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(ModelFileError, match="not a complete safetensors file"):
            load(path)


def test_appended_bytes_are_refused(path, content):
    path.write_bytes(content + b"\0")
    with pytest.raises(ModelFileError):
        load(path)


@settings(max_examples=300)
@given(st.data())
def test_changed_bytes_load_or_are_refused(tmp_path_factory, data):
    """Any other exception would be a traceback for the user of a damaged file."""
    path = tmp_path_factory.getbasetemp() / "changed.safetensors"
    save(path, SPEC, params_of(SPEC), {"a": "b"})
    damaged = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        damaged[at] = data.draw(st.integers(0, 255))
    path.write_bytes(damaged)
    with contextlib.suppress(ModelFileError):
        spec, params, _ = load(path)
        assert params.shape == (spec.n_params,)
        assert np.isfinite(params).all()


@pytest.mark.parametrize("junk", [b"", b"hello", b"\0" * 64, pickle.dumps({"a": 1}), b"PK\3\4" * 9])
def test_other_files_are_refused(path, junk):
    path.write_bytes(junk)
    with pytest.raises(ModelFileError, match=r"model\.safetensors' is not a complete safetensors"):
        load(path)


def test_no_file_and_no_regular_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none")
    for name in (tmp_path, os.devnull):
        with pytest.raises(ModelFileError, match="not a regular file"):
            load(name)


@pytest.mark.parametrize("name", [None, "torch"])
def test_file_of_another_program(path, name):
    forge(path, format=name)
    with pytest.raises(ModelFileError, match="not written by ffnn_fast"):
        load(path)


def test_plain_safetensors_file(path):
    safetensors.numpy.save_file(tensors_of(SPEC), path)
    with pytest.raises(ModelFileError, match="not written by ffnn_fast"):
        load(path)


@pytest.mark.parametrize("version", [None, "3", "1.0", ""])
def test_another_format_version(path, version):
    forge(path, format_version=version, library_version="9.1")
    with pytest.raises(
        ModelFileError, match=r"format version.*reads versions 1, 2;.*ffnn_fast 9\.1"
    ):
        load(path)


@pytest.mark.parametrize(
    "description",
    [
        None,
        "",
        "{",
        "[]",
        "null",
        "7",
        "[" * 100_000,
        '{"a":' * 100_000,
        "9" * 10_000,
        "{}",
        described(unknown=1),
        described(layer_sizes=[3, 5]),
        described(layer_sizes=[3.0, 5, 4, 2]),
        described(layer_sizes=[3, -5, 4, 2]),
        described(layer_sizes="3542"),
        described(layer_sizes=None),
        described(activations=["tanh", "swoosh"]),
        described(activations=[["tanh"], "relu"]),
        described(activations={"a": 1}),
        described(output=None),
        described(loss=["cross_entropy"]),
        described(loss={}),
        described(dtype="float16"),
        described(dtype=["a"]),
        described(dtype={"a": 1}),
        described(l2=float("nan")),
        described(l2=-1),
        described(l2=10**400),
        described(l2=[1]),
        described(loss_options={"delta": 1}),
        described(loss_options=[1]),
        described(dropout=1),
        described(dropout=[0.1]),
        described(dropout={"a": 1}),
        described(missing_targets="drop"),
        described(missing_targets=["ignore"]),
        described(l2="1"),
    ],
)
def test_forged_description(path, description):
    forge(path, spec=description)
    with pytest.raises(ModelFileError, match="invalid network description"):
        load(path)


@pytest.mark.parametrize("extra", [None, "[]", '{"a": 1}', "{", '"a"'])
def test_forged_extra(path, extra):
    forge(path, extra=extra)
    with pytest.raises(ModelFileError, match="invalid 'extra' entry"):
        load(path)


def changed_tensors(**changes):
    tensors = tensors_of(SPEC) | {name.replace("_", "."): a for name, a in changes.items()}
    return {name: array for name, array in tensors.items() if array is not None}


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"2_bias": None}, "tensors that differ from its description: .'2.bias'"),
        ({"6_bias": np.zeros(1, "f4")}, "tensors that differ.*'6.bias'"),
        ({"2_bias": np.zeros(5, "f4")}, r"'2.bias' of shape \[5\]"),
        ({"0_weight": np.zeros((3, 5), "f4")}, r"'0.weight' of shape \[3, 5\].*\[5, 3\]"),
        ({"0_weight": np.zeros(15, "f4")}, r"shape \[15\]"),
        ({"0_bias": np.zeros((5, 1), "f4")}, r"shape \[5, 1\]"),
        ({"4_bias": np.zeros(2, "f8")}, "type F64.*F32"),
        ({"4_bias": np.zeros(2, "i4")}, "type I32"),
        ({"4_bias": np.array([0, np.nan], "f4")}, "NaN or infinite"),
        ({"0_weight": np.full((5, 3), np.inf, "f4")}, "NaN or infinite"),
    ],
)
def test_tensors_that_do_not_fit(path, tensors, message):
    forge(path, changed_tensors(**tensors))
    with pytest.raises(ModelFileError, match=message):
        load(path)


def test_description_of_a_giant_allocates_nothing(path):
    giant = described(layer_sizes=[2**31 - 1, 2**31 - 1, 2**31 - 1, 2])
    forge(path, spec=giant)
    with pytest.raises(ModelFileError, match="shape"):
        load(path)
