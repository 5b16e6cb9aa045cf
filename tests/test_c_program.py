"""``ffnn-fast export --to c``: the file is written, compiled and run."""

import shutil
import subprocess

import numpy as np
import pytest
from support.c_programs import COMPILERS, Library
from support.problems import random_params

from ffnn_fast import Activation, Network, NetworkSpec
from ffnn_fast.cli import c_program, export, main
from ffnn_fast.cli.table_preprocessing import KEY, TablePreprocessing
from ffnn_fast.cli.target_encoders import TargetEncoders
from ffnn_fast.preprocessing import CategoricalColumn, NumericColumn, TableEncoder, TargetEncoder

INPUTS = TableEncoder(
    (
        NumericColumn("size", 100.0, 30.0, marks_missing=True),
        CategoricalColumn("town", ("north", "south")),
    )
)
TARGET = TargetEncoder("price", "regression", (), 2e5, 4e4)


@pytest.fixture
def model(tmp_path, monkeypatch):
    """A network of a table, in the file houses.safetensors of an empty folder."""
    monkeypatch.chdir(tmp_path)
    spec = NetworkSpec((4, 8, 1), "tanh", "identity")
    net = Network.from_params(spec, random_params(spec, np.random.default_rng(1)))
    preprocessing = TablePreprocessing(
        True, ("size", "town", "price"), (), INPUTS, TargetEncoders.of(TARGET)
    )
    net.save("houses.safetensors", extra={KEY: preprocessing.to_json()})
    return net


def test_with_preprocessing(model, tmp_path, capsys):
    assert main(["export", "houses.safetensors", "--to", "c", "--jacobian", "--fortran"]) == 0
    shown = capsys.readouterr().out
    assert {path.suffix for path in tmp_path.iterdir()} == {".safetensors", ".c", ".h", ".f90"}
    assert "houses_forward" in shown
    assert "houses_jacobian" in shown
    if not COMPILERS:
        assert "not compiled: found none of cc, gcc, clang" in shown
        pytest.skip("needs gcc or clang")
    assert "J: largest error" in shown
    assert "FAILED" not in shown
    found = Library(tmp_path / "houses.c", "houses", "float32", (2, 1))
    X = INPUTS.transform({"size": np.array([80.0]), "town": np.array(["south"], object)})
    expected = model.forward(X) * TARGET.scale + TARGET.mean
    np.testing.assert_allclose(found.forward([[80.0, 1.0]]), expected, rtol=1e-5)


def test_the_network_alone(model, tmp_path, capsys):
    options = ["--bare", "--dtype", "float64", "-o", "net.c"]
    assert main(["export", "houses.safetensors", *options]) == 0
    assert "void net_forward(const double *x, double *y);" in (tmp_path / "net.h").read_text()
    assert "#define NET_N_INPUTS 4" in (tmp_path / "net.h").read_text()
    assert "jacobian" not in capsys.readouterr().out


def test_without_a_compiler(model, capsys, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert main(["export", "houses.safetensors", "--to", "c"]) == 0
    assert "not compiled: found none of cc, gcc, clang" in capsys.readouterr().out


def completed(code, stdout="", stderr=""):
    return lambda command: subprocess.CompletedProcess(command, code, stdout, stderr)


@pytest.mark.parametrize(
    ("result", "code", "message"),
    [
        (completed(1, stderr="cannot find as\nmore"), 1, "failed: cannot find as"),
        (completed(1), 1, "failed: no message"),
        (completed(0, "y: ok\n"), 0, "y: ok"),
    ],
)
def test_what_the_compiler_reports(model, result, code, message, capsys, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}")
    monkeypatch.setattr(c_program, "_run", result)
    assert main(["export", "houses.safetensors", "--to", "c"]) == code
    assert message in capsys.readouterr().out


def test_a_compiler_that_cannot_run(model, capsys, monkeypatch):
    def refuse(command):
        raise OSError("exec format error")

    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}")
    monkeypatch.setattr(c_program, "_run", refuse)
    assert main(["export", "houses.safetensors", "--to", "c"]) == 0
    assert "not checked: exec format error" in capsys.readouterr().out


def test_a_program_that_fails(model, capsys, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}")
    results = iter([completed(0)([]), completed(1, "y: FAILED\n")([])])
    monkeypatch.setattr(c_program, "_run", lambda command: next(results))
    assert main(["export", "houses.safetensors", "--to", "c"]) == 1
    assert "y: FAILED" in capsys.readouterr().out


def test_what_c_code_cannot_express(model, capsys, monkeypatch):
    bump = Activation("bump", np.sin, np.cos)
    net = Network([4, 3, 1], activation=bump, output="identity", seed=0)
    monkeypatch.setattr("ffnn_fast.cli.table_preprocessing.load_model", lambda path: (net, None))
    assert main(["export", "houses.safetensors", "--to", "c"]) == 2
    assert "user-defined activation 'bump'" in capsys.readouterr().err


def test_names_of_files():
    assert export._c_name("some/folder/my houses.c") == "my_houses"
    assert export._c_name("double.c") == "net_double"
