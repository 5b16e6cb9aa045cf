"""What a step by several ranks costs: the sum of gradients, the step, and a model for more of them.

``mpiexec -n 2 -genv OMP_NUM_THREADS 1 python -m benches.ranks`` from the repository's root, and the
same with 4. The model has two figures of a network between machines, the latency α of a message and
the bandwidth β, and two measured here, the times of a row and of an update on one thread:

    step(R, b) = row · (b + √b m_R) + update + allreduce(R)
    allreduce(R) = 2 ⌈log₂ R⌉ α + 2 (R − 1)/R · bytes / β

with b rows of a batch on each of R ranks on average. Of the R shares of a shuffled batch the
largest has about √b m_R more, where m_R is the mean largest of R standard normal numbers, here
after Blom.
The Allreduce is after R. Thakur, R. Rabenseifner and W. Gropp, IJHPCA 2005.
"""

import math
from itertools import pairwise
from statistics import NormalDist
from time import perf_counter, process_time

import numpy as np

from ffnn_fast import Distributed, Network
from ffnn_fast._training.shared_sums import SharedSums, shares_memory

NETWORKS = ((54, 200, 200, 7), (784, 512, 512, 10), (1024, 2048, 2048, 1000))
LINKS = {"10 Gbit/s Ethernet": (30e-6, 1.1e9), "100 Gbit/s InfiniBand": (2e-6, 11e9)}  # s, B/s
RANKS = (2, 4, 16, 64, 256, 1024, 4096)
LOCAL = (64, 1024)  # rows of a batch on each rank
MEASURED_ROWS = 256
BATCH = 512
REPEATS = 30


def slowest_seconds(comm, function):
    """The least and the median time of a call by all ranks, on the slowest of them."""
    from mpi4py import MPI

    times = []
    for _ in range(REPEATS):
        comm.Barrier()
        began = perf_counter()
        function()
        times.append(comm.allreduce(perf_counter() - began, op=MPI.MAX))
    return min(times), float(np.median(times))


def allreduce_seconds(comm, size):
    """Those of an Allreduce of so many float32."""
    from mpi4py import MPI

    vector = np.zeros(size, dtype=np.float32)
    return slowest_seconds(comm, lambda: comm.Allreduce(MPI.IN_PLACE, vector))


def shared_seconds(comm, size):
    """Those of their sum in memory that the ranks share; NaN if they do not."""
    if not shares_memory(comm, size, "float32"):
        return math.nan, math.nan
    sums = SharedSums(comm, size, "float32")
    sums.own[:] = 0
    found = slowest_seconds(comm, sums.total)
    sums.free()
    return found


def step_seconds(sizes):
    """CPU times of a row's gradient and of an update, on one thread: medians."""
    net = Network(sizes, activation="relu", seed=0, n_threads=1)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(MEASURED_ROWS, sizes[0])).astype(np.float32)
    y = rng.integers(0, sizes[-1], MEASURED_ROWS)
    stepper = net.stepper(batch_size=MEASURED_ROWS, learning_rate=1e-6)
    grad = stepper.gradient(X, y)
    gradients, updates = [], []
    for _ in range(REPEATS // 3):
        began = process_time()
        stepper.gradient(X, y, out=grad)
        between = process_time()
        stepper.apply(grad)
        gradients.append(between - began)
        updates.append(process_time() - between)
    return float(np.median(gradients)) / MEASURED_ROWS, float(np.median(updates))


def epoch_seconds(sizes, comm):
    """The least time of an epoch of two batches of `BATCH` rows: by one rank, and by all."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2 * BATCH, sizes[0])).astype(np.float32)
    y = rng.integers(0, sizes[-1], len(X))
    given = {"epochs": 8, "batch_size": BATCH, "learning_rate": 1e-6, "metrics": False}
    share, alone = Distributed(comm).share(len(X)), math.inf
    if comm.rank == 0:
        history = Network(sizes, activation="relu", seed=0, n_threads=1).fit(X, y, **given)
        alone = min(history["seconds"])
    comm.Barrier()
    net = Network(sizes, activation="relu", seed=0, n_threads=1)
    history = net.fit(X[share], y[share], comm=comm, **given)
    return alone, min(history["seconds"])


def efficiency(n_ranks, local, row, update, n_bytes, latency, bandwidth):
    """Share of R times the rows per second of one rank that R ranks reach, by the model."""
    alone = row * local + update
    largest = NormalDist().inv_cdf((n_ranks - 0.375) / (n_ranks + 0.25))
    uneven = math.sqrt(local) * largest
    messages = 2 * math.ceil(math.log2(n_ranks)) * latency
    transfer = 2 * (n_ranks - 1) / n_ranks * n_bytes / bandwidth
    return alone / (row * (local + uneven) + update + messages + transfer)


def main():
    from mpi4py import MPI

    comm = MPI.COMM_WORLD
    for sizes in NETWORKS:
        n_params = sum((a + 1) * b for a, b in pairwise(sizes))
        sums = {
            "Allreduce": allreduce_seconds(comm, n_params),
            "sum in shared memory": shared_seconds(comm, n_params),
        }
        alone, together = epoch_seconds(sizes, comm)
        if comm.rank > 0:
            continue
        row, update = step_seconds(sizes)
        print(f"\n{'-'.join(map(str, sizes))}: {4 * n_params / 1e6:.2f} MB a step")
        for name, (least, median) in sums.items():
            print(f"  {name} of {comm.size} ranks here: least {1e3 * least:.2f} ms, median "
                  f"{1e3 * median:.2f} ms")  # fmt: skip
        print(f"  two steps of {BATCH} rows here: {1e3 * alone:.1f} ms by one rank, "
              f"{1e3 * together:.1f} ms by {comm.size}, {alone / together:.2f} times")  # fmt: skip
        print(f"  one thread: {1e6 * row:.2f} µs a row, {1e3 * update:.2f} ms an update")
        for link, (latency, bandwidth) in LINKS.items():
            for local in LOCAL:
                shown = (
                    efficiency(n, local, row, update, 4 * n_params, latency, bandwidth)
                    for n in RANKS
                )
                figures = "  ".join(f"{100 * share:3.0f} %" for share in shown)
                print(f"  {link:22} {local:5} rows a rank: {figures}")
    comm.Barrier()


if __name__ == "__main__":
    main()
