"""``python -m support.limited_memory TASK FOLDER``: a task with little more memory, then with more.

Prints for each limit "done" or the name of the exception; an abort ends the process.
"""

import importlib
import resource
import sys
from pathlib import Path

import numpy as np

from ffnn_fast import Network

SIZES = [200, 1000, 10]
MB = 2**20
LIMITS = [0, MB // 4, MB // 2, *range(MB, 24 * MB, MB), 64 * MB]  # more bytes


def new_network(sizes=SIZES):
    """1.7 MB of parameters; the reference engine starts no thread."""
    return Network(sizes, dtype="float64", seed=0, n_threads=1, engine="reference")


def fit(net, **given):
    """One epoch of a few steps, in which the moving means of Adam are kept."""
    X = np.zeros((8, net.spec.n_inputs))
    net.fit(X, np.zeros(8, int), epochs=1, optimizer="adam", metrics=False, **given)


def prepared(task, folder):
    """The task as a function; what it needs has been made."""
    # OpenBLAS allocates buffers when it is loaded and when it is first called. Where it cannot, it
    # tries for ever or ends the process.
    importlib.import_module("scipy.linalg.cython_blas")
    fit(new_network([2, 3]))
    if task == "checkpoint":
        return lambda: fit(new_network(), checkpoint=folder / "new")
    if task == "resume":
        return lambda: fit(new_network(), resume=folder / "checkpoint")
    if task == "load":
        return lambda: Network.load(folder / "model", n_threads=1, engine="reference")
    net = new_network()
    net.partial_fit(np.zeros((8, SIZES[0])), np.zeros(8, int), optimizer="adam")
    return lambda: net.save(folder / "new", with_state=task == "save with state")


def address_space():
    """That of this process, bytes."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def outcome(work, n_bytes):
    """What happens where `work` may use so many more bytes."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (address_space() + n_bytes, before[1]))
    try:
        work()
    except BaseException as error:  # noqa: BLE001
        return type(error).__name__
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
    return "done"


def main(task, folder):
    """Run the task under each limit."""
    work = prepared(task, Path(folder))
    for n_bytes in LIMITS:
        print(outcome(work, n_bytes), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
