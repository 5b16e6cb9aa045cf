"""Describes the machine above the results and holds every library to one thread."""

import pytest
from threadpoolctl import threadpool_limits

from ffnn_fast._bench.machine import describe


def pytest_report_header() -> list[str]:
    machine = describe()
    return [
        f"cpu: {machine['cpu']} ({machine['architecture']}), ISA level {machine['isa_level']}",
        f"blas: {', '.join(machine['blas'])}; every library held to 1 thread",
    ]


@pytest.fixture(autouse=True)
def one_thread():
    with threadpool_limits(limits=1):
        yield
