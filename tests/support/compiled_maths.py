"""The C functions of engine/maths as a library per ISA level, compiled by gcc for the tests."""

import ast
import ctypes
import os
import platform
import shutil
import subprocess
import sysconfig
import tempfile
from functools import cache
from pathlib import Path

import pytest

from ffnn_fast.engine import isa

ENGINE = Path(__file__).resolve().parents[2] / "src" / "ffnn_fast" / "engine"
CURVED = (
    *("logistic", "tanh", "elu", "selu", "softplus", "softsign", "exp", "gelu", "gelu_tanh"),
    *("silu", "mish", "sin"),
)
EQUAL = {  # to another function of the engine
    "exp_second": "exp",
    "exp_third": "exp",
    "elu_third": "elu_second",
    "selu_third": "selu_second",
    "softplus_third": "logistic_second",
}
FUNCTIONS = (
    *("exp", "log", "tanh", "logistic", "expm1", "log1p"),
    *("softplus", "elu", "elu_slope", "selu", "selu_slope", "softsign", "softsign_slope"),
    *("hard_sigmoid", "gelu", "gelu_slope", "gelu_tanh", "gelu_tanh_slope", "silu", "silu_slope"),
    *("mish", "mish_slope", "sin", "sin_slope"),
    *(
        function
        for name in CURVED
        for order in ("second", "third")
        if (function := f"{name}_{order}") not in EQUAL
    ),
)
SINES = ("sin", "sin_slope", "sin_second", "sin_third")  # by order, with loops of their own
TYPES = (("float", "f32", "float32"), ("double", "f64", "float64"))


def setup_values(*names):
    """Values that setup.py assigns at its top level, without running it."""
    tree = ast.parse((ENGINE.parents[2] / "setup.py").read_text("utf-8"))
    assigned = [s for s in tree.body if isinstance(s, ast.Assign) and s.targets[0].id in names]
    values = {}
    exec(compile(ast.Module(assigned, []), "setup.py", "exec"), values)
    return values


SETUP = setup_values("LOOPS", "FLAGS", "X86_LEVELS")
FLAGS, X86_FLAGS = SETUP["FLAGS"], SETUP["X86_LEVELS"]


def loops_source():
    """A loop in place over each function and dtype, one a line, as the kernels have them."""
    lines = ['#include "maths/vecmath_derivatives.h"']
    for name in FUNCTIONS:
        for real, suffix, _ in TYPES:
            value = f"vm_{name}_{suffix}(z[i])"
            if name in SINES:
                value = f"vm_turned_sin_{suffix}(z[i], {SINES.index(name)} * ({real})0.5)"
            lines.append(
                f"void {name}_{suffix}({real}* z, long n)"
                f" {{ for (long i = 0; i < n; i++) z[i] = {value}; }}"
            )
    return "\n".join(lines)


def sines_source():
    """The loops of the header itself over the derivatives of sin, by which the kernels call it."""
    lines = ['#include "maths/vecmath_activations.h"']
    lines += [
        f"void {name}s_{suffix}({real}* z, long n)"
        f" {{ vm_turned_sines_{suffix}(n, z, ({real}){order / 2}); }}"
        for order, name in enumerate(SINES)
        for real, suffix, _ in TYPES
    ]
    return "\n".join(lines)


def gcc(arguments, folder):
    """Runs gcc with the engine's flags and include folders; what it reports."""
    includes = [f"-I{ENGINE}", f"-I{sysconfig.get_paths()['include']}"]
    return subprocess.run(
        ["gcc", *FLAGS, *includes, *arguments],
        cwd=folder, capture_output=True, text=True, check=True,
    ).stderr  # fmt: skip


@cache
def library(level):
    """The loops of one ISA level, compiled as the engine is."""
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")
    flags = ["-shared", "-fPIC", *X86_FLAGS.get(level, [])]
    if os.environ.get("FFNN_FAST_SANITIZE") == "1":
        flags += ["-O1", "-g1", "-fno-wrapv", "-fsanitize=address,undefined"]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "loops.c").write_text(loops_source(), "utf-8")
        (Path(folder) / "sines.c").write_text(sines_source(), "utf-8")
        gcc([*flags, "loops.c", "sines.c", "-o", "loops.so"], folder)
        return ctypes.CDLL(f"{folder}/loops.so")


def evaluate(level, name, x):
    """name(x), elementwise, by the functions of this level."""
    out = x.copy()
    evaluate_in_place(level, name, out)
    return out


def evaluate_in_place(level, name, x):
    """x := name(x), for a contiguous array."""
    assert name in (*FUNCTIONS, *(f"{sine}s" for sine in SINES))
    assert x.flags.c_contiguous
    suffix = {dtype: suffix for _, suffix, dtype in TYPES}[x.dtype.name]
    function = getattr(library(level), f"{name}_{suffix}")
    function.argtypes, function.restype = [ctypes.c_void_p, ctypes.c_long], None
    function(x.ctypes.data, x.size)


def levels():
    """The levels this CPU can run: those of the installed engine and, with gcc, all of x86-64."""
    if platform.machine() != "x86_64" or shutil.which("gcc") is None:
        return isa.available()
    return isa.cpu.levels()
