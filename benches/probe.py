"""Bounds of the machine, measured by a small C library that is compiled on first use."""

import ctypes
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from time import perf_counter

import numpy as np

SOURCE = Path(__file__).with_name("probe.c")
FLAGS = ["-O3", "-march=native", "-funroll-loops", "-shared", "-fPIC"]


def compiler():
    """The C compiler, or None."""
    return shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


@cache
def library():
    """The compiled library."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "probe.so"
        subprocess.run([compiler(), *FLAGS, str(SOURCE), "-o", str(target)], check=True)
        return ctypes.CDLL(str(target))


def peak(dtype, threads):
    """Floating-point operations per second of this many cores at once."""
    kind, scalar = ("float", ctypes.c_float) if dtype == "float32" else ("double", ctypes.c_double)
    run = getattr(library(), f"fma_{kind}")
    run.restype = ctypes.c_double

    def one(_):
        return run(ctypes.c_long(2_000_000), ctypes.byref(scalar(1)))

    with ThreadPoolExecutor(threads) as pool:
        best = 0.0
        for _ in range(5):
            began = perf_counter()
            done = sum(pool.map(one, range(threads)))
            best = max(best, done / (perf_counter() - began))
    return best


def sweep(n):
    """Seconds to read and write n floats once, in the smallest cache that holds them."""
    w = np.zeros(n, np.float32)
    pointer = ctypes.c_void_p(w.ctypes.data)
    repeats = max(1, 20_000_000 // n)
    times = []
    for _ in range(7):
        began = perf_counter()
        library().sweep(ctypes.c_long(repeats), pointer, ctypes.c_long(n), ctypes.c_float(1))
        times.append((perf_counter() - began) / repeats)
    return float(np.median(times))
