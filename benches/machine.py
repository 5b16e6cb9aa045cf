"""The machine under the figures, and the memory of this process."""

import datetime
import os
import platform
import resource
import sys
from importlib import metadata
from pathlib import Path

LIBRARIES = ["numpy", "scipy", "scikit-learn", "torch", "jax", "onnxruntime", "ffnn_fast"]
STATUS = Path("/proc/self/status")


def cpu_name() -> str:
    """The processor's name as the operating system tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


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
    """Of the libraries that are installed."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def describe() -> dict:
    """What must stand beside a figure."""
    import ffnn_fast

    config = ffnn_fast.show_config()
    return {
        "cpu": cpu_name(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "caches": caches(),
        "architecture": platform.machine(),
        "isa_level": config["isa_level"],
        "os": platform.platform(),
        "python": platform.python_version(),
        "libraries": versions(),
        "blas": [f"{b['internal_api']} {b['version']}" for b in config["blas"]],
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "load": [round(value, 2) for value in os.getloadavg()],
    }


def resident() -> int:
    """Bytes in memory now; from here on `peak_resident` counts anew where the system lets it."""
    if not STATUS.exists():
        return peak_resident()
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def peak_resident() -> int:
    """The most bytes that were in memory (getrusage would count the parent's, before exec)."""
    if STATUS.exists():
        return _status("VmHWM")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
        1 if sys.platform == "darwin" else 1024
    )


def _status(key: str) -> int:
    lines = STATUS.read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(key))
