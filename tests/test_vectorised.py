"""Loops over vecmath.h and the optimizers' rules become vector code at every ISA level.

A stray branch costs fourfold.
"""

import platform
import re
import shutil
import subprocess
import sys

import pytest
from support.compiled_maths import ENGINE, X86_FLAGS, gcc, loops_source, sines_source

WIDTHS = {"v2": 16, "v3": 32, "v4": 64}  # bytes of a vector

pytestmark = pytest.mark.skipif(
    shutil.which("gcc") is None or platform.machine() != "x86_64", reason="needs gcc on x86-64"
)


def compiled(tmp_path, source, level):
    """What gcc reports of the loops it vectorised, and the assembly."""
    (tmp_path / "loops.c").write_text(source)
    options = ["-S", "-o", "loops.s", "-fopt-info-vec-optimized", "loops.c"]
    report = gcc([*X86_FLAGS[level], *options], tmp_path)
    return report, (tmp_path / "loops.s").read_text()


@pytest.mark.parametrize("level", WIDTHS)
def test_every_loop_is_vectorised(tmp_path, level):
    source = loops_source()
    report, assembly = compiled(tmp_path, source, level)
    for line, text in enumerate(source.splitlines()[1:], start=2):
        found = re.search(rf"loops\.c:{line}:.*vectorized using {WIDTHS[level]} byte", report)
        assert found, f"not vectorised: {text}"
    assert not re.findall(r"\bcall\s", assembly)


@pytest.mark.parametrize("level", WIDTHS)
def test_loops_over_sines_are_vectorised(tmp_path, level):
    report, _ = compiled(tmp_path, sines_source(), level)
    header = (ENGINE / "maths" / "vecmath_activations.h").read_text("utf-8").splitlines()
    begin = next(i for i, text in enumerate(header) if text.startswith("VM_APART"))
    loops = [i for i in range(begin, len(header)) if "for (ptrdiff_t i" in header[i]]
    assert len(loops) == 4
    for i in loops:
        found = re.search(
            rf"vecmath_activations\.h:{i + 1}:.*vectorized using {WIDTHS[level]} byte", report
        )
        assert found, f"not vectorised: {header[i + 1]}"


def test_a_branch_is_noticed(tmp_path):
    source = '#include "maths/vecmath.h"\nint f(void);\nvoid g(float* z, long n) {' + (
        "for (long i = 0; i < n; i++) z[i] = z[i] > 0 && f() ? vm_exp_f32(z[i]) : 0; }"
    )
    report, _ = compiled(tmp_path, source, "v3")
    assert "vectorized using" not in report


RATES = "from ffnn_fast.engine.passes.optimizer_rates cimport rates_t"
RULES = {
    *("sgd", "momentum", "adagrad", "adadelta", "adam", "nadam", "adamax", "amsgrad"),
    *("unrectified", "rprop", "clip", "update_average"),
}
ACTIVATIONS = {
    *("activate", "activate_rest", "apply_derivative", "apply_derivative_rest"),
    *("slopes_of_inputs", "multiply"),
}
DERIVATIVES = {"second_derivative", "third_derivative"}


KERNELS = {
    "optimizer_rules": RULES,
    "activation_loops": ACTIVATIONS,
    "derivative_loops": DERIVATIVES,
}


def calls_of_kernels(root, module):
    """Cython code that calls the functions of a .pxd file in both types."""
    text = (root / f"src/ffnn_fast/engine/passes/{module}.pxd").read_text("utf-8")
    names = re.findall(r"^cdef inline void (\w+)\([^)]*floating\*", text, re.MULTILINE)
    lines = [f"from ffnn_fast.engine.passes.{module} cimport {', '.join(names)}"]
    for name in names:
        head = re.search(rf"^cdef inline void {name}\((.*?)\) noexcept", text, re.M | re.S)[1]
        arguments = re.findall(r"(?:const )?\w+\*? \w+", head)
        for real in ("float", "double"):
            given = ", ".join(a.replace("floating", real) for a in arguments)
            passed = ", ".join(a.split()[-1] for a in arguments)
            lines.append(f"cdef public void {name}_{real}({given}) noexcept nogil:")
            lines.append(f"    {name}[{real}]({passed})")
    return lines


@pytest.fixture(scope="module")
def kernels_source(root, tmp_path_factory):
    """All kernels as Cython turns them into C."""
    pytest.importorskip("Cython")
    folder = tmp_path_factory.mktemp("kernels")
    lines = [RATES, *(line for module in KERNELS for line in calls_of_kernels(root, module))]
    (folder / "loops.pyx").write_text("\n".join(lines) + "\n")
    subprocess.run(
        [sys.executable, "-m", "cython", "-3", "-X", "cdivision=True", "-X", "wraparound=False",
         "-I", str(root / "src"), "loops.pyx"],
        cwd=folder, capture_output=True, check=True,
    )  # fmt: skip
    return (folder / "loops.c").read_text("utf-8")


@pytest.mark.parametrize("level", WIDTHS)
def test_every_kernel_is_vectorised(kernels_source, tmp_path, level):
    report, _ = compiled(tmp_path, kernels_source, level)
    inside, loops = None, {}
    modules = "|".join(KERNELS)
    head = re.compile(rf"static .*__pyx_(?:fuse_\d__pyx_)?f_\w+?\d({modules})_(\w+)\(.*{{$")
    for line, text in enumerate(kernels_source.splitlines(), start=1):
        if begins := head.match(text):
            inside = begins.groups()
        if inside and re.match(r"\s+for \(", text):
            found = re.search(
                rf"loops\.c:{line}:.*loop vectorized using {WIDTHS[level]} byte", report
            )
            loops.setdefault(inside, []).append(bool(found))
        inside = None if text.startswith("}") else inside
    expected = {(module, name) for module, names in KERNELS.items() for name in names}
    assert set(loops) >= expected
    assert all(len(loops[name]) >= 2 and all(loops[name]) for name in expected), loops
    # of one loop and, with 32-byte vectors, two instead
    assert sum(loops["activation_loops", "tanh_of"]) == 2 * (2 if WIDTHS[level] == 32 else 1)
