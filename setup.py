"""What TOML cannot say: the extension modules, one per ISA level, and their one set of directives.

Environment: FFNN_FAST_SANITIZE=1 builds with the address and undefined-behaviour sanitizers,
FFNN_FAST_DEBUG=1 switches Cython's bounds checks on; FFNN_FAST_LEVELS=v4 (or v2,v3 ...) builds
only those instruction set levels, for a quick try.
"""

import os
import platform
import sys
from pathlib import Path

import numpy as np
from Cython.Build import cythonize
from setuptools import Extension, setup

ENGINE = Path("src/ffnn_fast/engine")
DEBUG = os.environ.get("FFNN_FAST_DEBUG") == "1"
SANITIZE = os.environ.get("FFNN_FAST_SANITIZE") == "1"

DIRECTIVES = {
    "language_level": 3,
    "binding": True,
    "embedsignature": False,
    "boundscheck": DEBUG,
    "wraparound": False,
    "initializedcheck": DEBUG,
    "cdivision": not DEBUG,
    "freethreading_compatible": True,
}

# -fno-math-errno and -fno-trapping-math let loops vectorise and change no value (never fast-math).
# -g0, since many a Python passes its own -g on: debug symbols make the wheel five times as large.
FLAGS = ["-O3", "-g0", "-fno-math-errno", "-fno-trapping-math"]
if SANITIZE:
    # Line numbers are enough to read a report; tracking variables would quadruple the build.
    FLAGS = ["-O1", "-g1", "-fno-var-tracking", "-fno-omit-frame-pointer"]
    # Python asks for -fwrapv, which would hide signed overflow.
    FLAGS += ["-fno-wrapv", "-fsanitize=address,undefined"]
# OpenMP gives threads; clang on macOS has none of its own, and then everything runs on one thread.
OPENMP = [] if sys.platform == "darwin" else ["-fopenmp"]
LINK = ["-fsanitize=address,undefined"] if SANITIZE else []

X86_LEVELS = {
    "v2": ["-march=x86-64-v2"],
    "v3": ["-march=x86-64-v3"],
    "v4": ["-march=x86-64-v4", "-mprefer-vector-width=512"],
}


def isa_levels():
    """Compiler flags of every engine module that this machine's architecture gets."""
    machine = platform.machine().lower()
    if machine in ("x86_64", "amd64"):
        wanted = os.environ.get("FFNN_FAST_LEVELS", ",".join(X86_LEVELS)).split(",")
        return {level: X86_LEVELS[level] for level in wanted}
    return {"neon": []} if machine in ("arm64", "aarch64") else {"base": []}


def module(name, source, flags):
    """One extension of `source`; its C file lives in a build folder of its own."""
    extension = Extension(
        f"ffnn_fast.engine.{name}",
        [str(ENGINE / source)],
        include_dirs=[str(ENGINE.resolve()), np.get_include()],
        depends=[
            str(path)
            for path in (*ENGINE.rglob("*.pxd"), *ENGINE.rglob("*.h"))
        ],
        define_macros=[("NPY_NO_DEPRECATED_API", "NPY_1_7_API_VERSION")],
        extra_compile_args=FLAGS + OPENMP + flags,
        extra_link_args=LINK + OPENMP,
    )
    return cythonize(
        [extension],
        build_dir=f"build/cython/{name}",
        compiler_directives=DIRECTIVES,
        include_path=[str(ENGINE)],
    )[0]


MODULES = [("cpu", "cpu.pyx", [])]
MODULES += [(f"engine_{level}", "engine.pyx", flags) for level, flags in isa_levels().items()]

setup(
    ext_modules=[module(*parts) for parts in MODULES],
    options={"build_ext": {"parallel": os.cpu_count() or 1}},
)
