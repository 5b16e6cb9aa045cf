"""Network.export_c: strict C99 that computes what the network does."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from support.c_programs import (
    COMPILERS,
    SANITIZERS,
    STRICT,
    Library,
    central_differences,
    need_compiler,
    run,
    run_main,
)
from support.cases import TOLERANCES
from support.problems import random_params

from ffnn_fast import Activation, Network
from ffnn_fast._c_code import c_maths
from ffnn_fast.activations import ACTIVATIONS, OUTPUTS
from ffnn_fast.preprocessing import CategoricalColumn, NumericColumn, TableEncoder, TargetEncoder

SIZES = [(1, 1), (3, 5, 2), (2, 1, 17, 33, 1), (9, 64, 4), (6, 35, 40, 3)]
GFORTRAN = shutil.which("gfortran")
INPUTS = TableEncoder(
    (
        NumericColumn("size */ of it", 100.0, 30.0, marks_missing=True),
        CategoricalColumn("town", ("Köln", "south", None)),
        NumericColumn("gap", 3.0, 0.0, marks_missing=True),
        NumericColumn("age", -2.0, 0.5),
        NumericColumn("same", -2.0, 0.0),
    )
)


def network(sizes, dtype="float64", seed=0, **options):
    """With biases that are not 0."""
    net = Network(sizes, dtype=dtype, seed=0, **options)
    net.params[:] = random_params(net.spec, np.random.default_rng(seed))
    return net


ALL_FILES = """
import sys
from ffnn_fast import Network
from ffnn_fast.activations import ACTIVATIONS
for dtype in ("float32", "float64"):
    for name in sorted(ACTIVATIONS):
        net = Network([2, 3, 2], activation=name, dtype=dtype, seed=0)
        net.export_c("net.c", jacobian=True)
        sys.stdout.write(open("net.c").read())
"""


@pytest.mark.slow
def test_a_file_is_the_same_in_every_process(tmp_path):
    """The order of functions in it does not depend on the hash of their names."""
    found = [
        subprocess.run(
            [sys.executable, "-c", ALL_FILES], cwd=tmp_path, check=True, capture_output=True,
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
        ).stdout
        for seed in range(2)
    ]  # fmt: skip
    assert b"vm_exp_f32" in found[0]
    assert found[0] == found[1]


def rows(net, n=7, seed=1):
    return np.random.default_rng(seed).normal(size=(n, net.spec.n_inputs)).astype(net.spec.dtype)


def library(net, folder, flags=("-O2",), **options):
    net.export_c(folder / "net.c", jacobian=True, **options)
    dtype = options.get("dtype") or net.spec.dtype
    return Library(folder / "net.c", "net", dtype, (net.spec.n_inputs, net.spec.n_outputs), flags)


def check(net, folder, rtol, flags=("-O2",)):
    """The C functions agree with the engine, and J with central differences."""
    found, X = library(net, folder, flags), rows(net)
    expected = net.forward(X)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(found.forward(X), expected, rtol=rtol, atol=rtol * scale)
    np.testing.assert_array_equal(found.batch(X), found.forward(X))
    y, J = found.jacobian(X)
    np.testing.assert_array_equal(y, found.forward(X))
    differences = central_differences(exact_forward(net), X.astype(np.float64))
    size = np.abs(differences).max()
    np.testing.assert_allclose(J, differences, atol=max(20 * rtol, 1e-7) * size)


def exact_forward(net):
    """ŷ by NumPy in float64."""
    spec = replace(net.spec, dtype="float64")
    return Network.from_params(spec, net.params, engine="reference").forward


def with_flags(name, values):
    """Both dtypes, without optimisation and with; the default run has one dtype of each value.

    GCC compiles in half the time without optimisation.
    """
    grid = product(enumerate(values), enumerate(TOLERANCES), [("-O0",), ("-O2",)])
    cases = [
        pytest.param(
            value, dtype, flags, marks=[pytest.mark.slow] * ((i + j) % 2 or flags != ("-O0",))
        )
        for (i, value), (j, dtype), flags in grid
    ]
    return pytest.mark.parametrize((name, "dtype", "flags"), cases)


@with_flags("activation", ACTIVATIONS)
def test_every_activation(activation, flags, dtype, rtol, tmp_path):
    net = network((5, 9, 6, 3), dtype, activation=activation, output="identity")
    check(net, tmp_path, rtol, flags)


@with_flags("output", OUTPUTS)
def test_every_output(output, flags, dtype, rtol, tmp_path):
    check(network((4, 6, 5), dtype, output=output, loss="squared_error"), tmp_path, rtol, flags)


@pytest.mark.parametrize("sizes", SIZES)
def test_every_size(sizes, dtype, rtol, tmp_path):
    check(network(sizes, dtype, output="identity"), tmp_path, rtol)


def test_several_heads(dtype, rtol, tmp_path):
    check(network((3, 6, 9), dtype, heads=(4, 2, 3)), tmp_path, rtol)


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize(
    "flags",
    [
        ("-O2",),
        pytest.param(("-O0",), marks=pytest.mark.slow),
        pytest.param(("-O3", "-march=native"), marks=pytest.mark.slow),
    ],
)
def test_the_program_agrees_with_its_references(compiler, flags, dtype, tmp_path):
    if compiler not in COMPILERS:
        pytest.skip(f"needs {compiler}")
    for activation in ("tanh", "gelu", "sin", "softplus", "selu"):
        net = network((5, 35, 7, 3), dtype, activation=activation)
        source, _ = net.export_c(tmp_path / "net.c", jacobian=True)
        shown = run_main(source, "net", compiler, flags)
        assert shown.count(": ok\n") == 3


def test_the_program_under_the_sanitizers(dtype, tmp_path):
    net = network((5, 35, 6, 7), dtype, activation="mish", heads=(3, 4))
    source, _ = net.export_c(tmp_path / "net.c", jacobian=True)
    need_compiler()
    probe = tmp_path / "probe.c"
    probe.write_text("int main(void) { return 0; }\n")
    command = [COMPILERS[0], *SANITIZERS, str(probe), "-o", str(tmp_path / "probe")]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("the compiler has no sanitizers")
    assert "ok" in run_main(source, "net", flags=SANITIZERS)


def test_the_program_finds_a_difference(dtype, tmp_path):
    source, _ = network((3, 4, 2), dtype).export_c(tmp_path / "net.c")
    text = source.read_text()
    at = text.index("b_2[")
    first = text[text.index("0x", at) : text.index(",", at)]
    source.write_text(text[:at] + text[at:].replace(first, "0x1p+2", 1))
    with pytest.raises(AssertionError, match="FAILED"):
        run_main(source, "net")


@pytest.mark.slow
@pytest.mark.parametrize("target", [(), ("-march=native",)])
def test_bits_do_not_depend_on_optimisation(target, dtype, tmp_path):
    """Neither without FMA, as on the baseline of x86-64, nor with it."""
    net = network((5, 35, 7, 3), dtype, activation="tanh", output="identity")
    net.export_c(tmp_path / "net.c", jacobian=True)
    results = []
    for number, level in enumerate(("-O0", "-O2", "-O3")):
        folder = tmp_path / str(number)
        folder.mkdir()
        for file in ("net.c", "net.h"):
            shutil.copy(tmp_path / file, folder)
        shape = net.spec.n_inputs, net.spec.n_outputs
        found = Library(
            folder / "net.c", "net", dtype, shape, [level, *target, "-ffp-contract=fast"]
        )
        results.append(found.jacobian(rows(net)))
    for y, J in results[1:]:
        np.testing.assert_array_equal(y, results[0][0])
        np.testing.assert_array_equal(J, results[0][1])


def test_parameters_are_exact(dtype, tmp_path):
    """One linear layer: the derivative is W_1 itself, and the value at 0 is b_1."""
    net = network((4, 3), dtype, output="identity")
    y, J = library(net, tmp_path).jacobian(np.zeros((1, 4)))
    np.testing.assert_array_equal(J[0], net.weights[0])
    np.testing.assert_array_equal(y[0], net.biases[0])


def test_the_other_type(dtype, tmp_path):
    other = {"float32": "float64", "float64": "float32"}[dtype]
    net = network((4, 8, 3), dtype)
    found = library(net, tmp_path, dtype=other)
    np.testing.assert_allclose(found.forward(rows(net)), net.forward(rows(net)), rtol=2e-6)


@pytest.mark.parametrize("target", ["value", "two", "three", None])
def test_preprocessing(target, dtype, rtol, tmp_path):
    targets = {
        "value": (TargetEncoder("price", "regression", (), 2e5, 4e4), "identity", 1),
        "two": (TargetEncoder("kind", "classification", ("b", "a")), "logistic", 1),
        "three": (TargetEncoder("kind", "classification", ("c", "b", "a")), "softmax", 3),
        None: (None, "identity", 2),
    }
    encoder, output, width = targets[target]
    net = network((len(INPUTS.feature_names), 8, width), dtype, output=output)
    given = INPUTS if encoder is None else (INPUTS, encoder)
    source, header = net.export_c(tmp_path / "net.c", jacobian=True, preprocessing=given)
    assert "ok" in run_main(source, "net")
    raw = np.array(
        [[90.0, 0, 3, -2.5, 1], [np.nan, 1, np.nan, -1, 1], [130, 2, 3, -2, 1], [7, 9, 3, 0, 1]],
        dtype,
    )
    levels = np.array(["Köln", "south", None, "elsewhere"], object)
    values = [raw[:, 0], levels, *raw[:, 2:].T]
    names = [column.name for column in INPUTS.columns]
    expected = net.forward(INPUTS.transform(dict(zip(names, map(np.array, values), strict=True))))
    if target == "value":
        expected = expected * encoder.scale + encoder.mean
    found = Library(source, "net", dtype, (5, width))
    np.testing.assert_allclose(found.forward(raw), expected, rtol=10 * rtol)
    y, J = found.jacobian(raw)
    np.testing.assert_array_equal(y, found.forward(raw))
    assert (J[:, :, [1, 2, 4]] == 0).all()
    assert (J[1, :, 0] == 0).all()
    if dtype == "float64":
        differences = central_differences(found.forward, raw[[0, 2, 3]])[:, :, [0, 3]]
        np.testing.assert_allclose(J[[0, 2, 3]][:, :, [0, 3]], differences, rtol=1e-4, atol=1e-8)
    text = header.read_text("ascii")
    assert "x[1]: town, the number of its level: 0 = K\\xf6ln, 1 = south, 2 = (missing);" in text
    assert "size * / of it" in text
    if target == "three":
        assert "Outputs: probabilities of the classes 0 = c, 1 = b, 2 = a" in text


def test_names(tmp_path):
    net = network((2, 3, 1), output="identity")
    source, header = net.export_c(tmp_path / "2 of-them.c")
    assert "void net_2_of_them_forward(const double *x, double *y);" in header.read_text()
    source, header = net.export_c(tmp_path / "2 of-them.c", name="brake")
    assert "void brake_batch(size_t n, const double *x, double *y);" in header.read_text()
    assert "ok" in run_main(source, "brake")
    assert "#define BRAKE_N_INPUTS 2\n#define BRAKE_N_OUTPUTS 1\n" in header.read_text()


def test_lines_of_fortran_are_short_enough(tmp_path):
    name = "a_name_of_as_many_letters_as_are_allowed"
    assert len(name) == 40
    net = network((2, 3, 1), output="identity")
    module = net.export_c(tmp_path / "net.c", name=name, jacobian=True, fortran=True)[2]
    assert max(map(len, module.read_text().splitlines())) <= 132
    if GFORTRAN is None:
        pytest.skip("needs gfortran")
    strict = ["-std=f2008", "-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only"]
    run([GFORTRAN, *strict, module], tmp_path)


def test_two_networks_in_one_program(tmp_path):
    """The header also serves C++."""
    for name, width in (("one", 2), ("two", 3)):
        network((2, 4, width), output="identity").export_c(tmp_path / f"{name}.c")
    (tmp_path / "use.c").write_text(
        '#include "one.h"\n#include "two.h"\n'
        "int main(void)\n{\n    const double x[2] = {1, 2};\n    double y[3];\n"
        "    one_forward(x, y);\n    two_forward(x, y);\n    return 0;\n}\n"
    )
    need_compiler()
    run([COMPILERS[0], *STRICT, "use.c", "one.c", "two.c", "-o", "use"], tmp_path)
    run(["./use"], tmp_path)
    if shutil.which("g++"):
        shutil.copy(tmp_path / "use.c", tmp_path / "use.cpp")
        run([COMPILERS[0], *STRICT, "-c", "one.c", "two.c"], tmp_path)
        run(["g++", "-Wall", "-Werror", "use.cpp", "one.o", "two.o", "-o", "use_cpp"], tmp_path)
        run(["./use_cpp"], tmp_path)


@pytest.mark.slow
def test_no_library_is_called(tmp_path):
    """Only memcpy and memset, which compilers make, may be undefined symbols."""
    if shutil.which("nm") is None:
        pytest.skip("needs nm")
    need_compiler()
    for dtype in ("float32", "float64"):
        net = Network((3, *[5] * len(ACTIVATIONS), 4), activation=tuple(ACTIVATIONS), dtype=dtype)
        net.export_c(tmp_path / "net.c", jacobian=True)
        run([COMPILERS[0], *STRICT, "-O2", "-c", "net.c"], tmp_path)
        undefined = run(["nm", "-u", "net.o"], tmp_path).split()
        assert set(undefined) <= {"U", "memcpy", "memset", "__stack_chk_fail"}


def test_fortran(dtype, tmp_path):
    net = network((3, 4, 2), dtype, output="identity")
    source, _, module = net.export_c(tmp_path / "net.c", jacobian=True, fortran=True)
    assert 'subroutine net_jacobian(x, y, jac) bind(c, name="net_jacobian")' in module.read_text()
    if GFORTRAN is None:
        pytest.skip("needs gfortran")
    kind = {"float32": "c_float", "float64": "c_double"}[dtype]
    (tmp_path / "use.f90").write_text(
        "program use_net\n  use net_interface\n"
        f"  use, intrinsic :: iso_c_binding, only: {kind}, c_size_t\n  implicit none\n"
        f"  real({kind}) :: x(net_n_inputs, 2), y(net_n_outputs, 2), z(2), jac(3, 2)\n"
        "  integer :: r\n"
        "  x(:, 1) = [0.5, -1.0, 2.0]\n  x(:, 2) = [1.0, 0.25, 0.0]\n"
        "  call net_batch(2_c_size_t, x, y)\n"
        "  do r = 1, 2\n    call net_jacobian(x(:, r), z, jac)\n"
        "    if (any(abs(z - y(:, r)) > 0)) error stop\n"
        "    print *, z\n    print *, jac\n  end do\n"
        "end program\n"
    )
    need_compiler()
    run([COMPILERS[0], *STRICT, "-c", source], tmp_path)
    strict = ["-std=f2008", "-Wall", "-Wextra", "-Werror", "-pedantic"]
    run([GFORTRAN, *strict, module, "use.f90", "net.o", "-o", "use"], tmp_path)
    numbers = np.array(run(["./use"], tmp_path).split(), float).reshape(2, 8)
    X = np.array([[0.5, -1.0, 2.0], [1.0, 0.25, 0.0]])
    y, J = library(net, tmp_path).jacobian(X)
    np.testing.assert_allclose(numbers[:, :2], y, rtol=1e-6)
    np.testing.assert_allclose(numbers[:, 2:], J.reshape(2, 6), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"path": "net.cpp"}, ValueError, "must end in .c"),
        ({"path": "ne\u0301.c"}, ValueError, "must be printable ASCII"),
        ({"path": 'a"b.c'}, ValueError, "must be printable ASCII"),
        ({"path": "a\nb.c"}, ValueError, "must be printable ASCII"),
        ({"path": "math.c"}, ValueError, "a header math.h would stand in for that of C"),
        ({"path": "Signal.c", "name": "net"}, ValueError, "stand in for that of C"),
        ({"name": "no name"}, ValueError, "name must begin with a letter"),
        ({"name": "double"}, ValueError, "no keyword of C"),
        ({"name": 3}, TypeError, "name must be a string"),
        ({"dtype": "float16"}, ValueError, "dtype"),
        ({"dtype": "float32"}, ValueError, "float32 cannot hold parameters as large as 1e"),
        ({"jacobian": 2}, (TypeError, ValueError), "jacobian"),
        ({"preprocessing": 3}, TypeError, "preprocessing must be a TableEncoder"),
        ({"preprocessing": INPUTS}, ValueError, "preprocessing gives 7 inputs, the network has 2"),
    ],
)
def test_refusals(options, error, message, tmp_path):
    net = network((2, 3, 1), output="identity")
    net.params[0] = 1e300
    path = tmp_path / options.get("path", "net.c")
    given = {name: value for name, value in options.items() if name != "path"}
    with pytest.raises(error, match=message):
        net.export_c(path, **given)
    assert list(tmp_path.iterdir()) == []


def test_own_activations_are_refused_by_name(tmp_path):
    bump = Activation("bump", lambda a: np.exp(-a * a), lambda a: -2 * a * np.exp(-a * a))
    net = Network([2, 3, 1], activation=bump, output="identity", seed=0)
    with pytest.raises(ValueError, match=r"user-defined activation 'bump' of layer 1"):
        net.export_c(tmp_path / "net.c")
    net = Network([2, 3, 1], output="identity", seed=0)
    net.params[2] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        net.export_c(tmp_path / "net.c")
    assert list(tmp_path.iterdir()) == []


def test_a_target_that_does_not_fit_is_refused(tmp_path):
    net = network((len(INPUTS.feature_names), 4, 3))
    target = TargetEncoder("kind", "classification", ("b", "a"))
    with pytest.raises(ValueError, match="the target has 2 classes"):
        net.export_c(tmp_path / "net.c", preprocessing=(INPUTS, target))


def test_the_headers_have_what_activations_need():
    """Every g without a formula of its own is a function of the engine's headers, in both types."""
    from ffnn_fast._c_code.c_layers import SLOPES, VALUES

    for g in ACTIVATIONS:
        assert g in VALUES or c_maths.has_maths(g)
        assert g in SLOPES or c_maths.has_maths(f"{g}_slope")
    for real in ("float", "double"):
        text = c_maths.maths_source({"tanh"}, real)
        assert "__attribute__" not in text
        assert "VM_INLINE" not in text


def test_the_same_network_gives_the_same_file(tmp_path):
    net = network((3, 4, 2))
    first = [file.read_bytes() for file in net.export_c(tmp_path / "net.c", jacobian=True)]
    again = [file.read_bytes() for file in net.export_c(tmp_path / "net.c", jacobian=True)]
    assert first == again
