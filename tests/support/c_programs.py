"""Exported C code, compiled as its users would and called through ctypes."""

import ctypes
import os
import shutil
import subprocess

import numpy as np
import pytest

STRICT = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic"]
COMPILERS = [name for name in ("gcc", "clang") if shutil.which(name)]
SANITIZERS = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
CTYPES = {"float32": ctypes.c_float, "float64": ctypes.c_double}


def need_compiler():
    """Skips without a C compiler."""
    if not COMPILERS:
        pytest.skip("needs gcc or clang")


def run(command, folder, **environment):
    """Runs a command; its output, or the test fails with what it wrote."""
    done = subprocess.run(
        [str(part) for part in command], cwd=folder, capture_output=True, text=True,
        env={**os.environ, **environment}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


def run_main(source, name, compiler="", flags=("-O2",)):
    """Compiles an exported file as a program and runs it; what it prints."""
    need_compiler()
    program = source.with_suffix(".out")
    define = f"-D{name.upper()}_MAIN"
    run([compiler or COMPILERS[0], *STRICT, *flags, define, source, "-o", program], source.parent)
    return run([program], source.parent)


class Library:
    """The functions of an exported file."""

    def __init__(self, source, name, dtype, shape, flags=("-O2",)):
        need_compiler()
        file = source.with_suffix(".so")
        run([COMPILERS[0], *STRICT, *flags, "-shared", "-fPIC", source, "-o", file], source.parent)
        self.library, self.name, self.dtype = ctypes.CDLL(str(file)), name, dtype
        self.n_inputs, self.n_outputs = shape

    def _call(self, function, *arrays, before=()):
        pointer = ctypes.POINTER(CTYPES[self.dtype])
        getattr(self.library, f"{self.name}_{function}")(
            *before, *(array.ctypes.data_as(pointer) for array in arrays)
        )

    def forward(self, X):
        """y of each row, one call each."""
        X = np.ascontiguousarray(X, self.dtype)
        y = np.full((len(X), self.n_outputs), np.nan, self.dtype)
        for row, out in zip(X, y, strict=True):
            self._call("forward", row, out)
        return y

    def batch(self, X):
        """y of all rows in one call."""
        X = np.ascontiguousarray(X, self.dtype)
        y = np.full((len(X), self.n_outputs), np.nan, self.dtype)
        self._call("batch", X, y, before=[ctypes.c_size_t(len(X))])
        return y

    def jacobian(self, X):
        """y and J of each row."""
        X = np.ascontiguousarray(X, self.dtype)
        y = np.full((len(X), self.n_outputs), np.nan, self.dtype)
        J = np.full((len(X), self.n_outputs, self.n_inputs), np.nan, self.dtype)
        for row, out, slopes in zip(X, y, J, strict=True):
            self._call("jacobian", row, out, slopes)
        return y, J


def central_differences(function, X, h=1e-6):
    """(n, n_L, n_0) of a function of rows, in float64."""
    columns = []
    for j in range(X.shape[1]):
        step = np.zeros(X.shape[1])
        step[j] = h
        columns.append((function(X + step) - function(X - step)) / (2 * h))
    return np.stack(columns, axis=-1)
