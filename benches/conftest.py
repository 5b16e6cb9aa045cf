"""Describes the machine above the results and holds every library to one thread."""

import platform
from pathlib import Path

import pytest
from threadpoolctl import threadpool_limits

import ffnn_fast


def cpu_name() -> str:
    """The processor's name as the operating system tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def pytest_report_header() -> list[str]:
    config = ffnn_fast.show_config()
    blas = ", ".join(f"{b['internal_api']} {b['version']}" for b in config["blas"])
    return [
        f"cpu: {cpu_name()} ({config['machine']}), ISA level {config['isa_level']}",
        f"blas: {blas}; every library held to 1 thread",
    ]


@pytest.fixture(autouse=True)
def one_thread():
    with threadpool_limits(limits=1):
        yield
