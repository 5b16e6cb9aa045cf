"""Fixtures and tolerances that all tests share."""

# ruff: noqa: E402  (OpenMP and BLAS read the environment when they are loaded)
import gc
import importlib
import os
import signal
from pathlib import Path

# Workers of pytest-xdist share the CPUs: more threads than CPUs wait for one another. This is a
# default only; tests of threads pass n_threads.
N_WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
if N_WORKERS > 1:
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // N_WORKERS)))

import numpy as np
import pytest
from hypothesis import settings
from support.cases import TOLERANCES
from threadpoolctl import threadpool_limits

from ffnn_fast.engine import isa

settings.register_profile("steady", deadline=None, derandomize=True, database=None)
settings.load_profile("steady")

ROOT = Path(__file__).resolve().parent.parent
SHARED_DATA = ROOT.parent / "shared" / "data"


def exact_empty(n, dtype):
    """Like `aligned_empty`, but the memory ends where the vector does."""
    size, tried = n * np.dtype(dtype).itemsize, []
    while True:
        for shift in range(0, 64, 16):
            raw = np.empty(size + shift, np.uint8)
            if (raw.ctypes.data + shift) % 64 == 0:
                return raw[shift:].view(dtype)
            tried.append(raw)  # held, so that the next one lies elsewhere


@pytest.fixture(scope="session", autouse=True)
def exact_buffers():
    """Under the sanitizers no buffer has slack in which a small overflow could hide."""
    if os.environ.get("FFNN_FAST_SANITIZE") == "1":
        from ffnn_fast._runtime import bound_network

        bound_network.aligned_empty = exact_empty


def level_of(parameter):
    """The instruction set level that a test's parameter stands for, or None."""
    name = parameter if isinstance(parameter, str) else getattr(parameter, "__name__", "")
    level = name.rpartition("engine_")[2]
    return level if level in isa.LEVELS else None


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Collect the tests without Python's garbage collector, and exempt them from it afterwards.

    It would visit all modules and tests anew each time that their number has grown by a quarter.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items):
    """Mark the tests of the levels below that of this machine."""
    for item in items:
        parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
        if {level_of(parameter) for parameter in parameters} - {None, isa.level}:
            item.add_marker(pytest.mark.lower_level)


@pytest.fixture(scope="session", autouse=True)
def foreground():
    """Ctrl-C has an effect, as in the foreground of a terminal; a shell's ``&`` ignores it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def sigint(foreground):
    """A test leaves the handler of Ctrl-C as it was; another would end a later test's process."""
    before = signal.getsignal(signal.SIGINT)
    yield
    after = signal.getsignal(signal.SIGINT)
    if after is not before:
        signal.signal(signal.SIGINT, before)
        pytest.fail(f"left {after} as the handler of SIGINT, which was {before}")


@pytest.fixture
def two_blas_threads():
    """Two threads for each BLAS, set by this thread: threadpoolctl may ignore what others set."""
    with threadpool_limits(limits=2, user_api="blas"):
        yield


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository, for tests that read its files."""
    return ROOT


@pytest.fixture
def benches(root, monkeypatch):
    """A function that imports a module of the benches."""
    monkeypatch.syspath_prepend(root)
    return lambda name: importlib.import_module(f"benches.{name}")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of public data sets beside the repository; tests that need it skip without it."""
    if not SHARED_DATA.is_dir():
        pytest.skip("needs the data sets in ../shared/data, beside the repository")
    return SHARED_DATA


@pytest.fixture(params=TOLERANCES)
def dtype(request) -> str:
    """Each supported dtype in turn."""
    return request.param


@pytest.fixture(params=isa.available())
def engine(request):
    """Each engine module that this CPU can run."""
    return isa.load(request.param)


@pytest.fixture
def rtol(dtype) -> float:
    """The relative tolerance that goes with `dtype`."""
    return TOLERANCES[dtype]


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator with a fixed seed."""
    return np.random.default_rng(20)
