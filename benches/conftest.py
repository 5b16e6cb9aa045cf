"""Print the machine above the results, and limit every library to one thread."""

import pytest
from threadpoolctl import threadpool_limits

from ffnn_fast._bench.machine import describe


def pytest_report_header() -> list[str]:
    machine = describe()
    return [
        f"cpu: {machine['cpu']} ({machine['architecture']}), ISA level {machine['isa_level']}",
        f"blas: {', '.join(machine['blas'])}; every library limited to 1 thread",
    ]


@pytest.fixture(autouse=True)
def one_thread():
    with threadpool_limits(limits=1):
        yield
