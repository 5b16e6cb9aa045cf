"""An exported C file, compiled and run as the program that compares itself with references."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

COMPILERS = ("cc", "gcc", "clang")
FLAGS = ("-std=c99", "-O2")
SECONDS = 300.0  # for the compiler, and for the program


@dataclass(frozen=True)
class ProgramCheck:
    """What compiling and running showed; `passed` is None without a compiler."""

    passed: bool | None
    lines: list[str]


def check_program(source: Path, name: str) -> ProgramCheck:
    """Compile an exported file with its main, in a temporary folder, and run it.

    Parameters
    ----------
    source : Path
    name : str
        The prefix of its functions.
    """
    compiler = next((found for one in COMPILERS if (found := shutil.which(one))), None)
    if compiler is None:
        return ProgramCheck(None, [f"not compiled: found none of {', '.join(COMPILERS)}"])
    with tempfile.TemporaryDirectory() as folder:
        program = os.path.join(folder, "check")
        define = f"-D{name.upper()}_MAIN"
        try:
            built = _run([compiler, *FLAGS, define, str(source), "-o", program])
            if built.returncode:
                first = (built.stderr.strip().splitlines() or ["no message"])[0]
                return ProgramCheck(False, [f"{compiler} failed: {first}"])
            ran = _run([program])
        except (OSError, subprocess.TimeoutExpired) as error:
            return ProgramCheck(None, [f"not checked: {error}"])
    return ProgramCheck(ran.returncode == 0, ran.stdout.splitlines())


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
