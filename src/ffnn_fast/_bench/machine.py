"""The machine that a benchmark runs on: CPU, caches, engine level, libraries, load."""

from __future__ import annotations

import datetime
import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

from ffnn_fast._bench.pinning import cores_available

LIBRARIES = ["numpy", "scipy", "scikit-learn", "torch", "jax", "onnxruntime", "ffnn_fast"]
NOT_INSTALLED = "not installed"
BLAS_VARIABLES = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "MKL_ENABLE_INSTRUCTIONS", "MKL_CBWR")
QUIET = 0.5  # load average above which other processes disturb the times


def cpu_name() -> str:
    """The processor's name, as reported by the operating system."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def caches() -> dict[str, str]:
    """Sizes of the first core's caches."""
    found = {}
    for index in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind, size = (
            (index / name).read_text().strip() for name in ("level", "type", "size")
        )
        found[f"L{level} {kind.lower()}"] = size
    return found


def versions() -> dict[str, str]:
    """Versions of the libraries, or `NOT_INSTALLED`."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = NOT_INSTALLED
    return found


def describe() -> dict[str, Any]:
    """The machine, its software and its load, as a dictionary for JSON."""
    from ffnn_fast import show_config

    config: dict[str, Any] = show_config()
    return {
        "cpu": cpu_name(),
        "cores": len(cores_available()),
        "caches": caches(),
        "architecture": platform.machine(),
        "isa_level": config["isa_level"],
        "os": platform.platform(),
        "python": platform.python_version(),
        "libraries": versions(),
        "blas": [f"{b['internal_api']} {b['version']}" for b in config["blas"]],
        "environment": {name: os.environ[name] for name in BLAS_VARIABLES if name in os.environ},
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "load": [round(value, 2) for value in os.getloadavg()],
    }
