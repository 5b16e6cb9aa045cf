"""Network.c_function and low_level_callable: the network without Python, for other programs."""

import ctypes
import gc
import importlib.util
import pickle
import shutil
import subprocess
import sys
import sysconfig
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from support.c_programs import central_differences
from support.cases import TOLERANCES, each
from support.problems import random_params

from ffnn_fast import Activation, CFunction, Network, reference
from ffnn_fast._runtime.c_function import KINDS
from ffnn_fast.activations import ACTIVATIONS, OUTPUTS
from ffnn_fast.engine import isa

pytestmark = pytest.mark.engine
CASES = [
    *({"activation": g, "output": "identity"} for g in ACTIVATIONS),
    *({"output": output, "loss": "squared_error"} for output in OUTPUTS),
    {"heads": [3, 4]},
    {"output": "identity", "matmul": "blas"},
]


def network(sizes=(5, 9, 17, 7), dtype="float64", **options):
    net = Network(sizes, dtype=dtype, engine="compiled", seed=0, **options)
    net.params[:] = random_params(net.spec, np.random.default_rng(0))
    return net


def call(f, x, jacobian=False):
    """y, or y and J, through ctypes."""
    pointer = ctypes.POINTER({"float32": ctypes.c_float, "float64": ctypes.c_double}[f.dtype])
    x = np.ascontiguousarray(x, f.dtype)
    y = np.full(f.n_outputs, np.nan, f.dtype)
    J = np.full((f.n_outputs, f.n_inputs), np.nan, f.dtype)
    at_x, at_y, at_J = (a.ctypes.data_as(pointer) for a in (x, y, J))
    if not jacobian:
        f.ctypes(at_x, at_y, f.data)
        return y
    f.jacobian_ctypes(at_x, at_y, at_J, f.data)
    return y, J


@each(options=CASES, given=["float32", "float64"], dtype=TOLERANCES)
def test_value_and_jacobian(options, given, dtype, rtol):
    net = network(dtype=dtype, **options)
    f = net.c_function(given)
    assert (f.n_inputs, f.n_outputs, f.dtype) == (5, 7, given)
    x = np.random.default_rng(1).normal(size=5).astype(np.float32)
    expected, tolerance = net.forward(x), max(rtol, 1e-5 if given == "float32" else 0)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(call(f, x), expected, rtol=tolerance, atol=tolerance * scale)
    y, J = call(f, x, jacobian=True)
    np.testing.assert_allclose(y, expected, rtol=tolerance, atol=tolerance * scale)
    double = network(dtype="float64", **options)
    double.params[:] = net.params
    differences = central_differences(double.forward, x[None].astype(np.float64))[0]
    size = np.abs(differences).max()
    np.testing.assert_allclose(J, differences, atol=max(20 * tolerance, 1e-7) * size)


@pytest.mark.parametrize("sizes", [(1, 1), (3, 2), (1, 40, 1), (70, 3, 65), (2, 33, 16, 1)])
def test_sizes(sizes, dtype, rtol):
    net = network(sizes, dtype, output="identity")
    x = np.random.default_rng(1).normal(size=sizes[0]).astype(dtype)
    y, J = call(net.c_function(), x, jacobian=True)
    np.testing.assert_allclose(y, net.forward(x), rtol=rtol, atol=rtol)
    if dtype == "float64":
        differences = central_differences(net.forward, x[None])[0]
        np.testing.assert_allclose(J, differences, atol=1e-7 * np.abs(differences).max())


@pytest.mark.parametrize("level", isa.available())
def test_every_level(level, dtype, rtol):
    engine, net = isa.load(level), network(dtype=dtype, activation="gelu", heads=[3, 4])
    functions = engine.PointFunction(engine.Plan(net.spec), net.params, 0)
    x = np.random.default_rng(1).normal(size=5).astype(dtype)
    found = call(CFunction(functions, (5, 7), dtype), x, jacobian=True)
    for ours, expected in zip(found, call(net.c_function(), x, jacobian=True), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=rtol, atol=rtol)


def of_both_twins(net, output=0):
    """The functions of the compiled engine and of the reference."""
    return [
        backend.PointFunction(backend.Plan(net.spec), net.params, output)
        for backend in (isa.engine, reference)
    ]


@each(options=CASES[:-1], given=["float32", "float64"], dtype=TOLERANCES)
def test_the_reference_has_the_same_functions(options, given, dtype, rtol):
    tolerance = max(20 * rtol, 1e-5 if given == "float32" else 0)
    for sizes in [(1, 7), (5, 9, 17, 7), (13, 31, 7), (33, 1, 65, 7)]:
        net = network(sizes, dtype, **options)
        x = np.random.default_rng(1).normal(size=sizes[0]).astype(np.float32)
        ours, theirs = (
            call(CFunction(functions, (sizes[0], 7), given), x, jacobian=True)
            for functions in of_both_twins(net)
        )
        for found, expected in zip(ours, theirs, strict=True):
            scale = np.abs(expected).max()
            np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance * scale)


def test_the_reference_has_the_same_functions_of_one_output(dtype, rtol):
    net = network(dtype=dtype)
    x, out = (ctypes.c_double * 5)(0.3, -1, 0, 2, 0.1), ctypes.c_double(7)
    found = []
    for functions in of_both_twins(net, 3):
        integrand, filtered = (
            KINDS[kind][1](functions.addresses()[kind]) for kind in ("integrand", "filter")
        )
        assert np.isnan(integrand(4, x, functions.data))
        assert filtered(x, 6, out, functions.data) == 0
        assert filtered(x, 5, out, functions.data) == 1
        assert out.value == integrand(5, x, functions.data)
        found.append(out.value)
    assert found[0] == pytest.approx(found[1], rel=rtol)
    for backend in (isa.engine, reference):
        plan = backend.Plan(net.spec)
        for params, output, what in ((net.params[1:], 0, "params"), (net.params, 7, "output")):
            with pytest.raises(ValueError, match=f"{what} does not fit"):
                backend.PointFunction(plan, params, output)


@pytest.mark.parametrize("width", [1, 3, 16, 37])
def test_a_layer_of_one_input_is_computed_as_any_other(width, dtype):
    net = network((1, width), dtype, output="identity")
    x = np.array([0.7], dtype)
    expected = net.biases[0] + net.weights[0][:, 0] * x  # each operation rounded
    np.testing.assert_array_equal(call(net.c_function(), x), expected)
    np.testing.assert_array_equal(net.forward(x), expected)


def test_later_changes_take_effect(dtype):
    net = network(dtype=dtype)
    f, x = net.c_function(), np.ones(5, dtype)
    before = call(f, x)
    net.params[:] *= 0.5
    assert not np.array_equal(call(f, x), before)
    np.testing.assert_allclose(call(f, x), net.forward(x), rtol=1e-6)


def test_the_function_keeps_what_it_needs():
    net = network()
    x, expected, f = np.ones(5), net.forward(np.ones(5)), net.c_function()
    owner, function, data = weakref.ref(f), f.ctypes, f.data
    del net
    gc.collect()
    np.testing.assert_array_equal(call(f, x), expected)
    del f
    gc.collect()
    assert owner() is not None  # the ctypes function refers to it
    y = np.empty(7)
    pointer = ctypes.POINTER(ctypes.c_double)
    function(x.ctypes.data_as(pointer), y.ctypes.data_as(pointer), data)
    np.testing.assert_array_equal(y, expected)


def test_description():
    f = network().c_function()
    assert isinstance(f, CFunction)
    assert f.signature == "void (const double *x, double *y, void *data)"
    assert f.jacobian_signature == "void (const double *x, double *y, double *J, void *data)"
    assert repr(f) == f"<CFunction {f.signature}, 5 to 7>"
    assert len({f.address, f.jacobian_address, f.data}) == 3
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(f)


def test_refusals():
    net = network()
    with pytest.raises(ValueError, match="dtype"):
        net.c_function("float16")
    with pytest.raises(ValueError, match=r"output must be one of 0\.\.6, got 7"):
        net.low_level_callable(7)
    with pytest.raises(ValueError, match="output must be at least 0"):
        net.low_level_callable(-1)
    with pytest.raises(ValueError, match="kind"):
        net.low_level_callable(0, kind="quad")
    bump = Activation("bump", lambda a: np.exp(-a * a), lambda a: -2 * a * np.exp(-a * a))
    for other in (Network([2, 3], engine="reference"), Network([2, 3, 2], activation=bump)):
        with pytest.raises(ValueError, match="the reference engine has no C functions"):
            other.c_function()
        with pytest.raises(ValueError, match="the reference engine has no C functions"):
            other.low_level_callable()


def test_an_integrand(dtype):
    from scipy.integrate import dblquad, quad

    net = network((1, 16, 2), dtype, output="identity")
    found, _ = quad(net.low_level_callable(1), -1, 2)
    expected, _ = quad(lambda x: float(net.forward([x])[1]), -1, 2)
    assert found == pytest.approx(expected, rel=1e-12)
    two = network((2, 8, 1), dtype, output="identity")
    found, _ = quad(two.low_level_callable(), 0, 1, args=(0.5,))
    expected, _ = quad(lambda x: float(two.forward([x, 0.5])[0]), 0, 1)
    assert found == pytest.approx(expected, rel=1e-12)
    if dtype == "float64":
        found, _ = dblquad(two.low_level_callable(), 0, 1, 0, 1, epsabs=1e-6)
        expected, _ = dblquad(lambda a, b: float(two.forward([a, b])[0]), 0, 1, 0, 1, epsabs=1e-6)
        assert found == pytest.approx(expected, rel=1e-12)


def test_an_integrand_of_another_number_of_variables_is_nan():
    from scipy.integrate import IntegrationWarning, quad

    with pytest.warns(IntegrationWarning):
        assert np.isnan(quad(network((2, 1), output="identity").low_level_callable(), 0, 1)[0])


def test_a_filter(dtype):
    from scipy.ndimage import generic_filter

    net = network((9, 8, 2), dtype, output="identity")
    image = np.random.default_rng(0).normal(size=(7, 11))
    found = generic_filter(image, net.low_level_callable(1, kind="filter"), size=3)
    expected = generic_filter(image, lambda values: net.forward(values)[1], size=3)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    with pytest.raises(RuntimeError):
        generic_filter(image, net.low_level_callable(1, kind="filter"), size=2)


def test_cffi():
    cffi = pytest.importorskip("cffi")
    net, ffi = network(), cffi.FFI()
    f = net.c_function()
    value = ffi.cast("void (*)(const double *, double *, void *)", f.address)
    x, y = np.ones(5), np.empty(7)
    buffers = ffi.from_buffer("double[]", x), ffi.from_buffer("double[]", y, require_writable=True)
    value(*buffers, ffi.cast("void *", f.data))
    np.testing.assert_array_equal(y, net.forward(x))


def euler(function, x, steps, h):
    """x' = function(x) by explicit steps."""
    for _ in range(steps):
        x = x + h * function(x)
    return x


def test_the_right_hand_side_of_an_equation_stepped_in_numba():
    numba = pytest.importorskip("numba")
    net = network((2, 16, 2), output="identity")
    f = net.c_function()
    value, data = f.ctypes, f.data

    @numba.njit
    def steps(x, n, h):
        slope = np.empty_like(x)
        for _ in range(n):
            value(x.ctypes, slope.ctypes, data)
            x += h * slope

    x = np.array([0.3, -0.2])
    steps(x, 50, 0.02)
    np.testing.assert_allclose(x, euler(net.forward, np.array([0.3, -0.2]), 50, 0.02), rtol=1e-12)


CYTHON = """
# cython: language_level=3
from libc.stdint cimport uintptr_t
from ffnn_fast.c_api cimport network_of, network_t


def euler(function, double[::1] x, int steps, double h, unsigned char[::1] workspace):
    cdef const network_t* net = network_of(function)
    cdef void* work = <void*>((<uintptr_t>&workspace[0] + 63) // 64 * 64)
    cdef double[16] slope
    cdef int step, i
    with nogil:
        for step in range(steps):
            net.value(net, &x[0], slope, work)
            for i in range(net.n_outputs):
                x[i] += h * slope[i]


def jacobian(
    function, double[::1] x, double[::1] y, double[:, ::1] J, unsigned char[::1] workspace
):
    cdef const network_t* net = network_of(function)
    cdef void* work = <void*>((<uintptr_t>&workspace[0] + 63) // 64 * 64)
    with nogil:
        net.value_and_jacobian(net, &x[0], &y[0], &J[0, 0], work)


def jacobian_f32(
    function, float[::1] x, float[::1] y, float[:, ::1] J, unsigned char[::1] workspace
):
    cdef const network_t* net = network_of(function)
    cdef void* work = <void*>((<uintptr_t>&workspace[0] + 63) // 64 * 64)
    with nogil:
        net.value_and_jacobian_f32(net, &x[0], &y[0], &J[0, 0], work)
        net.value_f32(net, &x[0], &y[0], work)
"""


@pytest.fixture(scope="module")
def stepping(tmp_path_factory):
    """A module of another package that cimports ffnn_fast.c_api."""
    pytest.importorskip("Cython")
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")
    folder = tmp_path_factory.mktemp("cython")
    (folder / "stepping.pyx").write_text(CYTHON, "utf-8")
    suffix, include = sysconfig.get_config_var("EXT_SUFFIX"), sysconfig.get_paths()["include"]
    for command in (
        [sys.executable, "-m", "cython", "stepping.pyx"],
        ["gcc", "-O1", "-shared", "-fPIC", f"-I{include}", "stepping.c", "-o", f"stepping{suffix}"],
    ):
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    spec = importlib.util.spec_from_file_location("stepping", folder / f"stepping{suffix}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def workspace_of(f):
    """Bytes that can be shifted to a multiple of 64, with a mark behind them."""
    return np.full(f.workspace_size + 64 + 8, 0xA5, np.uint8)


def test_the_right_hand_side_of_an_equation_stepped_in_cython(stepping, dtype):
    net = network((2, 16, 2), dtype, output="identity")
    f, x = net.c_function(), np.array([0.3, -0.2])
    stepping.euler(f, x, 50, 0.02, workspace_of(f))
    expected = euler(net.forward, np.array([0.3, -0.2]), 50, 0.02)
    np.testing.assert_allclose(x, expected, rtol=1e-12 if dtype == "float64" else 1e-6)


@pytest.mark.parametrize("sizes", [(1, 2), (5, 9, 17, 7), (70, 3, 65)])
def test_a_workspace_of_the_caller(stepping, sizes, dtype):
    net = network(sizes, dtype)
    f, work = net.c_function(), workspace_of(net.c_function())
    for given, function in (("float64", stepping.jacobian), ("float32", stepping.jacobian_f32)):
        x = np.random.default_rng(1).normal(size=sizes[0]).astype(given)
        y, J = np.empty(sizes[-1], given), np.empty((sizes[-1], sizes[0]), given)
        function(f, x, y, J, work)
        expected_y, expected_J = call(net.c_function(given), x, jacobian=True)
        np.testing.assert_array_equal(J, expected_J)
        np.testing.assert_allclose(y, expected_y, rtol=1e-6)
    assert (work[-8:] == 0xA5).all()


def test_the_reference_has_a_capsule_too(stepping, dtype, rtol):
    net = network((2, 16, 2), dtype, output="identity")
    _, functions = of_both_twins(net)
    f, work = CFunction(functions, (2, 2), dtype), np.zeros(128, np.uint8)
    for given, function in (("float64", stepping.jacobian), ("float32", stepping.jacobian_f32)):
        x, y, J = np.ones(2, given), np.empty(2, given), np.empty((2, 2), given)
        function(f, x, y, J, work)
        expected = call(net.c_function(given), x, jacobian=True)
        tolerance = max(rtol, 1e-5 if given == "float32" else 0)
        np.testing.assert_allclose(y, expected[0], rtol=tolerance, atol=tolerance)
        np.testing.assert_allclose(J, expected[1], rtol=tolerance, atol=tolerance)


def test_a_capsule_of_another_object_is_refused(stepping):
    class Other:
        capsule = None

    with pytest.raises(ValueError, match="PyCapsule"):
        stepping.euler(Other(), np.zeros(2), 1, 0.1, np.zeros(64, np.uint8))


def test_threads_with_objects_of_their_own(dtype):
    net = network(dtype=dtype)
    rows = np.random.default_rng(0).normal(size=(4, 5)).astype(dtype)
    expected = [net.forward(x) for x in rows]

    def work(x):
        f = net.c_function()
        return [call(f, x) for _ in range(300)]

    with ThreadPoolExecutor(4) as pool:
        for found, y in zip(pool.map(work, rows), expected, strict=True):
            np.testing.assert_array_equal(found, np.tile(y, (300, 1)))
