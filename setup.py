"""What TOML cannot express: the extension modules, of the engine one per ISA level, and directives.

Environment: FFNN_FAST_SANITIZE=1 builds with the address and undefined-behaviour sanitizers,
FFNN_FAST_COVERAGE=1 for gcov (.ci/coverage); FFNN_FAST_DEBUG=1 switches Cython's bounds checks on;
FFNN_FAST_LEVELS=v4 (or v2,v3 ...) builds only those instruction set levels, for a quick try.
"""

import os
import platform
import re
import sys
from pathlib import Path

import numpy as np
from setuptools import Extension, setup

SOURCE = Path("src")
ENGINE = SOURCE / "ffnn_fast/engine"
FILES = {  # modules of Cython: the engine is compiled for each level, the others once
    "engine": ENGINE / "engine.pyx",
    "cpu": ENGINE / "cpu.pyx",
    "cell_numbers": SOURCE / "ffnn_fast/cli/table/cell_numbers.pyx",
}
BUILD = Path("build/cython")
SETTINGS = BUILD / "settings.txt"
DEBUG = os.environ.get("FFNN_FAST_DEBUG") == "1"
SANITIZE = os.environ.get("FFNN_FAST_SANITIZE") == "1"
COVERAGE = os.environ.get("FFNN_FAST_COVERAGE") == "1"

DIRECTIVES = {
    "language_level": 3,
    "binding": True,
    "embedsignature": False,
    "boundscheck": DEBUG,
    "wraparound": False,
    "initializedcheck": DEBUG,
    "cdivision": not DEBUG,
}

# -fno-math-errno and -fno-trapping-math let loops vectorise and change no value (never fast-math).
# -g0, since many a Python passes its own -g on: debug symbols make the wheel five times as large.
# -O2 with those passes of -O3 that the loops need: as fast, of two thirds the size, sooner built.
LOOPS = [
    *("-ftree-vectorize", "-fvect-cost-model=dynamic", "-ftree-partial-pre"),
    *("-fpredictive-commoning", "-ftree-loop-distribution"),
    "-fgcse-after-reload",
    # No second loop of half vectors for what full ones leave over: as fast, of a tenth less size.
    "--param=vect-epilogues-nomask=0",
    # Loops inline what they need by attribute; other copies of functions only make calls larger.
    *("--param=max-inline-insns-single=10", "--param=max-inline-insns-auto=5"),
]
FLAGS = ["-O2", *LOOPS, "-g0", "-fno-math-errno", "-fno-trapping-math"]
FLAGS += ["-ffp-contract=fast"]  # multiply-adds in tiles in C too, as in those in assembly
FLAGS += ["-fno-asynchronous-unwind-tables"]  # nothing unwinds C
# No assembly: no check would see what it reads, and at -O1 GCC makes no multiply-add beside it.
PLAIN = ["-DMK_PLAIN"]
if SANITIZE:
    # Line numbers are enough to read a report; tracking variables would quadruple the build.
    FLAGS = ["-O1", "-g1", "-fno-var-tracking", "-fno-omit-frame-pointer"]
    # Python asks for -fwrapv, which would hide signed overflow.
    FLAGS += ["-fno-wrapv", "-fsanitize=address,undefined", *PLAIN]
elif COVERAGE:
    FLAGS = ["-O1", "-g0", "--coverage", "-fprofile-update=atomic", *PLAIN]
# OpenMP gives threads; clang on macOS has none of its own, and then everything runs on one thread.
OPENMP = [] if sys.platform == "darwin" else ["-fopenmp"]
# No table of symbols in the wheel, and no number of the build.
STRIP = ["-s", "-Wl,--build-id=none"] if sys.platform == "linux" else []
LINK = ["-fsanitize=address,undefined"] if SANITIZE else ["--coverage"] if COVERAGE else STRIP

# Functions of the engine that run once a call of Python, by the ends of their C names, and those
# for sparse rows, whose time goes into kernels; others that Python calls are as short as the call
# itself: predictors, forward, steps.
ONCE_A_CALL = re.compile(
    r"^static (?![^;]*(?:Predictor_\d+__call__|forward|train_epoch|\d+update|Stepper_\d+[a-z]))"
    r"(?:CYTHON_INLINE )?(?:PyObject \*|int |void |[\w ]+\*?\s?)__pyx_"
    r"(?:(?:pw|pf|tp)_|(?:fuse_\d__pyx_)?f_9ffnn_fast_6engine_"
    r"(?:6engine_4Plan|12plan_of_spec|9step_rule|9arguments_(?!is_plain)|6passes_1\dsparse_))"
    r"\w*\([^;{]*\);",
    re.MULTILINE,
)

# Debian's Python asks for guards around arrays on the stack: 8 kB of a wheel in tiles of kernels.
UNGUARDED = "-fno-stack-protector"

X86_LEVELS = {
    # For old machines: without these passes, and with loops alone aligned, code is 9 % smaller,
    # sooner built and 1 to 2 % slower.
    "v2": [
        "-march=x86-64-v2",
        *("-fno-schedule-insns2", "-fno-tree-slp-vectorize", "-fno-thread-jumps"),
        *("-fno-align-functions", "-fno-align-jumps", "-fno-align-labels", "-fno-caller-saves"),
    ],
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


def record_settings():
    """Note in a file what C files and modules depend on beside files: a change makes them old."""
    text = f"{DIRECTIVES}\n{FLAGS}\n{X86_LEVELS}\n{UNGUARDED}\n{OPENMP}\n{LINK}\n"
    if not SETTINGS.exists() or SETTINGS.read_text() != text:
        SETTINGS.parent.mkdir(parents=True, exist_ok=True)
        SETTINGS.write_text(text)


def is_current(file):
    """Whether a C file is newer than the settings and all that Cython reads.

    Cython's own check takes 2 s, and a build runs this script three times.
    """
    read = (Path(__file__), SETTINGS, *SOURCE.rglob("*.pyx"), *SOURCE.rglob("*.pxd"))
    return file.exists() and all(path.stat().st_mtime < file.stat().st_mtime for path in read)


def dotted(file):
    """The name of a module by its file."""
    return ".".join(file.relative_to(SOURCE).with_suffix("").parts)


def generated():
    """The C files of all modules: Cython runs once for all levels."""
    c_files = {name: (BUILD / file).with_suffix(".c") for name, file in FILES.items()}
    if not all(map(is_current, c_files.values())):
        from Cython.Build import cythonize

        cythonize(
            [Extension(dotted(file), [str(file)]) for file in FILES.values()],
            build_dir=str(BUILD),
            compiler_directives=DIRECTIVES,
            emit_linenums=COVERAGE,
            include_path=[str(SOURCE)],
            force=True,
            nthreads=len(FILES),  # a process for each file
        )
    return {name: smaller(file) for name, file in c_files.items()}


def smaller(source):
    """The C file with those functions marked as cold, which GCC and Clang compile for size.

    It makes each level about a twentieth smaller, and no call slower.
    """
    if COVERAGE or sys.platform == "win32":
        return source
    marked = source.with_name(f"{source.stem}_marked") / source.name
    text = ONCE_A_CALL.sub(r"__attribute__((cold)) \g<0>", source.read_text("utf-8"))
    marked.parent.mkdir(exist_ok=True)
    if not marked.exists() or marked.read_text("utf-8") != text:
        marked.write_text(text, "utf-8")
    return marked


def module(name, package, source, flags):
    """One extension: a C file of two lines, which gives `source` the name of the module."""
    renamed = BUILD / f"{name}.c"
    text = f"#define PyInit_{source.stem} PyInit_{name}\n" if source.stem != name else ""
    text += f'#include "{source.relative_to(BUILD).as_posix()}"\n'
    if not renamed.exists() or renamed.read_text() != text:
        renamed.write_text(text)
    return Extension(
        f"{package}.{name}",
        [str(renamed)],
        include_dirs=[str(ENGINE.resolve()), np.get_include()],
        depends=[str(source), str(SETTINGS), *map(str, ENGINE.rglob("*.h"))],
        define_macros=[("NPY_NO_DEPRECATED_API", "NPY_1_7_API_VERSION")],
        extra_compile_args=FLAGS + OPENMP + flags,
        extra_link_args=LINK + OPENMP,
    )


record_settings()
SOURCES = generated()
MODULES = [
    module(f"engine_{level}", dotted(ENGINE), SOURCES["engine"], [*flags, UNGUARDED])
    for level, flags in isa_levels().items()
]
MODULES += [
    module(name, dotted(file.parent), SOURCES[name], [])
    for name, file in FILES.items()
    if name != "engine"
]

# All at once: three levels on two cores finish sooner side by side than one after two.
setup(ext_modules=MODULES, options={"build_ext": {"parallel": len(MODULES)}})
