"""Loops over vecmath.h and the optimizers' rules become vector code at every ISA level.

A stray branch costs fourfold.
"""

import platform
import re
import shutil
import subprocess
import sys
import sysconfig

import pytest

FUNCTIONS = (
    *("exp", "log", "tanh", "logistic", "expm1", "log1p", "erf"),
    *("softplus", "elu", "selu", "softsign", "hard_sigmoid", "gelu", "gelu_slope", "gelu_tanh"),
    *("gelu_tanh_slope", "silu", "silu_slope", "mish", "mish_slope", "sin", "sin_slope"),
)
FLAGS = ["-O3", "-fno-math-errno", "-fno-trapping-math"]  # as in setup.py
LEVELS = {
    "v2": (["-march=x86-64-v2"], 16),
    "v3": (["-march=x86-64-v3"], 32),
    "v4": (["-march=x86-64-v4", "-mprefer-vector-width=512"], 64),
}

pytestmark = pytest.mark.skipif(
    shutil.which("gcc") is None or platform.machine() != "x86_64", reason="needs gcc on x86-64"
)


def loops_source():
    """A loop in place over each function and dtype, one per line, as the kernels have them."""
    lines = ['#include "vecmath_activations.h"']
    for name in FUNCTIONS:
        for real, suffix in (("float", "f32"), ("double", "f64")):
            lines.append(
                f"void {name}_{suffix}({real}* z, long n)"
                f" {{ for (long i = 0; i < n; i++) z[i] = vm_{name}_{suffix}(z[i]); }}"
            )
    return "\n".join(lines)


def compiled(root, tmp_path, source, flags):
    """What gcc says of the loops it vectorised, and the assembly."""
    (tmp_path / "loops.c").write_text(source)
    includes = [f"-I{root / 'src/ffnn_fast/engine'}", f"-I{sysconfig.get_paths()['include']}"]
    command = ["gcc", *FLAGS, *flags, *includes, "-S", "-o", "loops.s"]
    result = subprocess.run(
        [*command, "-fopt-info-vec-optimized", "loops.c"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return result.stderr, (tmp_path / "loops.s").read_text()


@pytest.mark.parametrize("level", LEVELS)
def test_every_loop_is_vectorised(root, tmp_path, level):
    flags, width = LEVELS[level]
    source = loops_source()
    report, assembly = compiled(root, tmp_path, source, flags)
    for line, text in enumerate(source.splitlines()[1:], start=2):
        found = re.search(rf"loops\.c:{line}:.*vectorized using {width} byte", report)
        assert found, f"not vectorised: {text}"
    assert not re.findall(r"\bcall\s", assembly)


def test_a_branch_is_noticed(root, tmp_path):
    source = '#include "vecmath.h"\nint f(void);\nvoid g(float* z, long n) {' + (
        "for (long i = 0; i < n; i++) z[i] = z[i] > 0 && f() ? vm_exp_f32(z[i]) : 0; }"
    )
    report, _ = compiled(root, tmp_path, source, LEVELS["v3"][0])
    assert "vectorized using" not in report


RULES = {"sgd", "momentum", "adagrad", "adam", "nadam", "rprop", "clip", "follow"}
ACTIVATIONS = {
    *("activate", "activate_rest", "apply_derivative", "apply_derivative_rest"),
    *("slopes_of_inputs", "multiply"),
}


def kernels_source(root, tmp_path, module, extra):
    """Functions of a .pxd file as Cython turns it into C, in both types."""
    pytest.importorskip("Cython")
    text = (root / f"src/ffnn_fast/engine/{module}.pxd").read_text("utf-8")
    names = re.findall(r"^cdef inline void (\w+)\([^)]*floating\*", text, re.MULTILINE)
    lines = [f"from ffnn_fast.engine.{module} cimport {', '.join(extra + names)}"]
    for name in names:
        head = re.search(rf"^cdef inline void {name}\((.*?)\) noexcept", text, re.M | re.S)[1]
        arguments = re.findall(r"(?:const )?\w+\*? \w+", head)
        for real in ("float", "double"):
            given = ", ".join(a.replace("floating", real) for a in arguments)
            passed = ", ".join(a.split()[-1] for a in arguments)
            lines.append(f"cdef public void {name}_{real}({given}) noexcept nogil:")
            lines.append(f"    {name}[{real}]({passed})")
    (tmp_path / "loops.pyx").write_text("\n".join(lines) + "\n")
    subprocess.run(
        [sys.executable, "-m", "cython", "-3", "-X", "cdivision=True", "-X", "wraparound=False",
         "-I", str(root / "src"), "loops.pyx"],
        cwd=tmp_path, capture_output=True, check=True,
    )  # fmt: skip
    return (tmp_path / "loops.c").read_text("utf-8")


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(
    ("module", "extra", "names"),
    [("updates", ["rates_t"], RULES), ("activations", [], ACTIVATIONS)],
)
def test_every_kernel_is_vectorised(root, tmp_path, module, extra, names, level):
    flags, width = LEVELS[level]
    source = kernels_source(root, tmp_path, module, extra)
    report, _ = compiled(root, tmp_path, source, flags)
    inside, loops = None, {}
    for line, text in enumerate(source.splitlines(), start=1):
        if begins := re.match(rf"static .*__pyx_fuse_\d__pyx_f_\w+?\d{module}_(\w+)\(.*{{$", text):
            inside = begins[1]
        if inside and re.match(r"\s+for \(", text):
            found = re.search(rf"loops\.c:{line}:.*loop vectorized using {width} byte", report)
            loops.setdefault(inside, []).append(bool(found))
        inside = None if text.startswith("}") else inside
    assert set(loops) >= names
    assert all(len(loops[name]) >= 2 and all(loops[name]) for name in names), loops
