"""Model files: what is kept, and that a failure leaves the folder as it was."""

import errno
import io
import json
import os
import stat
import subprocess
import sys
import tempfile

import numpy as np
import pytest
import safetensors.numpy
from support import released

from ffnn_fast import Network
from ffnn_fast._model import model_files
from ffnn_fast._model.model_files import load, save
from ffnn_fast._model.spec import NetworkSpec

SPEC = NetworkSpec((3, 5, 4, 2), ("tanh", "relu"), l2=0.25)


def params_of(spec, seed=0):
    return np.random.default_rng(seed).normal(size=spec.n_params).astype(spec.dtype)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


@pytest.mark.parametrize("extra", [None, {}, {"a": "", "": "ü\n\0\ud800", "table": "{" * 5000}])
@pytest.mark.parametrize("sizes", [(1, 1), (3, 5, 4, 2), (7, *[3] * 12, 2)])
def test_round_trip_is_exact(path, sizes, dtype, extra):
    spec = NetworkSpec(sizes, "logistic", output="identity", dtype=dtype, l2=0.1)
    params = params_of(spec)
    params[0], params[-1] = np.finfo(dtype).tiny / 4, -0.0
    save(path, spec, params, extra)
    loaded, values, kept = load(path)
    assert loaded == spec
    assert values.dtype == dtype
    assert values.tobytes() == params.tobytes()
    assert kept == (extra or {})


def test_loaded_parameters_are_free_of_the_file(path):
    save(path, SPEC, params_of(SPEC))
    _, values, _ = load(path)
    path.write_bytes(b"")
    values += 1
    np.testing.assert_array_equal(values, params_of(SPEC) + 1)


def test_torch_names_and_shapes(path):
    save(path, SPEC, params_of(SPEC))
    tensors = safetensors.numpy.load_file(path)
    assert {name: array.shape for name, array in tensors.items()} == {
        "0.weight": (5, 3),
        "0.bias": (5,),
        "2.weight": (4, 5),
        "2.bias": (4,),
        "4.weight": (2, 4),
        "4.bias": (2,),
    }
    np.testing.assert_array_equal(tensors["2.weight"], SPEC.weights(params_of(SPEC))[1])


def test_header_says_what_the_file_is(path):
    save(path, SPEC, params_of(SPEC), {"note": "hello"})
    with safetensors.safe_open(path, framework="numpy") as file:
        metadata = file.metadata()
    assert metadata["format"] == "ffnn_fast"
    assert metadata["format_version"] == "2"
    assert metadata["library_version"]
    assert NetworkSpec.from_dict(json.loads(metadata["spec"])) == SPEC
    assert json.loads(metadata["extra"]) == {"note": "hello"}


def test_same_model_same_bytes(tmp_path):
    files = [tmp_path / str(i) for i in range(8)]
    for file in files:
        save(file, SPEC, params_of(SPEC), {"b": "1", "a": "2"})
    assert len({file.read_bytes() for file in files}) == 1


def test_strided_parameters_are_saved_in_order(path):
    wide = np.zeros((SPEC.n_params, 2), np.float32)
    wide[:, 0] = params_of(SPEC)
    save(path, SPEC, wide[:, 0])
    np.testing.assert_array_equal(load(path)[1], params_of(SPEC))


def test_file_of_version_1_still_loads(root):
    """Written by the first release; never write it anew."""
    spec, params, extra = load(root / "tests" / "fixtures" / "model-v1.safetensors")
    assert spec == NetworkSpec((2, 3, 2), ("relu",), dtype="float64", l2=0.5)
    np.testing.assert_array_equal(params, np.arange(17) / 8)
    assert extra == {"note": "first format"}


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_permissions_follow_the_umask(path, umask, mode):
    before = os.umask(umask)
    try:
        save(path, SPEC, params_of(SPEC))
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_replacing_keeps_permissions(path):
    path.write_bytes(b"old")
    path.chmod(0o640)
    save(path, SPEC, params_of(SPEC))
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert load(path)[0] == SPEC


def test_link_is_followed(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    link = tmp_path / "link"
    link.symlink_to(folder / "model")
    save(link, SPEC, params_of(SPEC))
    assert link.is_symlink()
    assert load(folder / "model")[0] == SPEC
    assert [p.name for p in folder.iterdir()] == ["model"]


def test_longest_file_name_and_relative_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save("m" * 255, SPEC, params_of(SPEC))
    assert load("m" * 255)[0] == SPEC


@pytest.mark.parametrize("existing", [None, b"the old model"])
@pytest.mark.parametrize("call", ["write", "fsync", "replace"])
def test_full_disk_leaves_the_folder_as_it_was(path, monkeypatch, call, existing):
    if existing:
        path.write_bytes(existing)
    before = sorted(path.parent.iterdir())

    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    class FullDisk(io.FileIO):
        def write(self, data):
            super().write(data[:100])
            full()

    if call == "write":
        monkeypatch.setattr(model_files.os, "fdopen", FullDisk)
    else:
        monkeypatch.setattr(model_files.os, call, full)
    with pytest.raises(OSError, match="No space left"):
        save(path, SPEC, params_of(SPEC))
    monkeypatch.undo()
    assert sorted(path.parent.iterdir()) == before
    if existing:
        assert path.read_bytes() == existing


def test_interruption_leaves_no_temporary_file(path, monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(model_files.os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        save(path, SPEC, params_of(SPEC))
    assert list(path.parent.iterdir()) == []


def test_file_and_folder_are_synced_in_order(path, monkeypatch):
    done = []
    fsync, replace = os.fsync, os.replace

    def record_fsync(descriptor):
        done.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    def record_replace(*names):
        done.append("replace")
        replace(*names)

    monkeypatch.setattr(model_files.os, "fsync", record_fsync)
    monkeypatch.setattr(model_files.os, "replace", record_replace)
    save(path, SPEC, params_of(SPEC))
    assert done == ["file", "replace", "folder"]


@pytest.mark.parametrize(("code", "fails"), [(errno.EINVAL, False), (errno.EIO, True)])
def test_folder_that_cannot_be_synced(path, monkeypatch, code, fails):
    fsync = os.fsync

    def refuse_folders(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(code, os.strerror(code))
        fsync(descriptor)

    monkeypatch.setattr(model_files.os, "fsync", refuse_folders)
    if fails:
        with pytest.raises(OSError, match="Input/output"):
            save(path, SPEC, params_of(SPEC))
    else:
        save(path, SPEC, params_of(SPEC))
    assert load(path)[0] == SPEC


def test_missing_folder(tmp_path):
    with pytest.raises(FileNotFoundError):
        save(tmp_path / "none" / "model", SPEC, params_of(SPEC))


AS_NOBODY = """
import os, sys
import numpy as np
from ffnn_fast._model import model_files
from ffnn_fast._model.spec import NetworkSpec

spec = NetworkSpec((2, 2))
model_files.version = lambda name: "0"  # the metadata may lie where only root reads
os.setuid(65534)
try:
    model_files.save(sys.argv[1], spec, np.zeros(spec.n_params, "float32"))
except PermissionError:
    print("refused")
"""


def test_folder_without_write_permission(tmp_path):
    if os.geteuid() != 0:
        tmp_path.chmod(0o555)
        with pytest.raises(PermissionError):
            save(tmp_path / "model", SPEC, params_of(SPEC))
        return
    # root may write everywhere, so a child gives up being root
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        command = [sys.executable, "-c", AS_NOBODY, os.path.join(folder, "model")]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        assert ran.stdout == "refused\n", ran.stderr
        assert os.listdir(folder) == []


def test_folders_and_devices_are_not_replaced(tmp_path):
    for target in (tmp_path, os.devnull):
        with pytest.raises(ValueError, match="not a regular file"):
            save(target, SPEC, params_of(SPEC))
    assert not os.path.isfile(os.devnull)


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        (params_of(SPEC)[:-1], ValueError, "expected 54 parameters of float32.*\\(53,\\)"),
        (params_of(SPEC)[None], ValueError, "one dimension"),
        (params_of(SPEC).astype("float64"), ValueError, "of float64"),
        (params_of(SPEC).tolist(), TypeError, "got list"),
        (np.where(np.arange(54) == 53, np.nan, params_of(SPEC)), ValueError, "NaN"),
        (np.where(np.arange(54) == 0, -np.inf, params_of(SPEC)), ValueError, "NaN or infinity"),
    ],
)
def test_wrong_parameters_are_not_saved(path, params, error, message):
    params = params.astype("float32") if "NaN" in message else params
    with pytest.raises(error, match=message):
        save(path, SPEC, params)
    assert not path.exists()


@pytest.mark.parametrize("extra", [{"a": 1}, {1: "a"}, [("a", "b")], "ab", {"a": b"b"}])
def test_extra_must_map_strings_to_strings(path, extra):
    with pytest.raises(TypeError, match="extra must map strings to strings"):
        save(path, SPEC, params_of(SPEC), extra)


def test_header_that_could_not_be_read_is_not_written(path, monkeypatch):
    monkeypatch.setattr(model_files, "MAX_HEADER_BYTES", 2000)
    with pytest.raises(ValueError, match="extra is too long"):
        save(path, SPEC, params_of(SPEC), {"a": "b" * 2000})
    assert not path.exists()


def test_a_released_file_of_version_2_opens(root):
    folder = root / "tests" / "fixtures"
    net = Network.load(folder / "model-v2.safetensors")
    assert net.spec == released.network().spec
    np.testing.assert_array_equal(net.params, released.network().params)
    expected = np.load(folder / "model-v2.npy")
    np.testing.assert_allclose(net.forward(released.rows()[0][:4]), expected, rtol=1e-5)


def test_a_missing_folder_is_named(tmp_path):
    """Not the temporary file in it."""
    with pytest.raises(FileNotFoundError, match="no such folder to write to") as error:
        Network([2, 2], seed=0).save(tmp_path / "nowhere" / "net.safetensors")
    assert error.value.filename == str(tmp_path / "nowhere")
