"""Fits by ranks: ``fits_of_ranks.py values FOLDER``, or ``... failure NAME FOLDER``."""

import os
import signal
import sys
from pathlib import Path
from time import sleep

import numpy as np
import scipy.sparse

from ffnn_fast import Distributed, EarlyStopping, Network
from ffnn_fast._training import shared_sums
from ffnn_fast._training.shared_sums import SharedSums
from ffnn_fast.optimizers import Momentum
from ffnn_fast.schedules import ReduceOnPlateau

N, SIZES = 203, (1, 2, 4)
MESSAGES = ("float64", "slices", "ordered", "ordered masks")
UNEVEN = {1: [0, N], 2: [0, 150, N], 4: [0, 1, 120, 140, N]}


class OwnMomentum(Momentum):
    """A rule in Python: the engine has no compiled one for it."""


def rows(dtype="float64"):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, 5)).astype(dtype)
    return X, (X[:, 0] > 0) + (X[:, 1] > 0.3).astype(int), rng.random(N)


def cases():
    """Name: dtype, options of the network, of the fit, and of Distributed."""
    fit = {"epochs": 3, "batch_size": 32, "optimizer": "adam"}
    ordered = {"reduction": "ordered"}
    return {
        "float64": ("float64", {}, fit, {}),
        "float32": ("float32", {}, fit, {}),
        "slices": ("float64", {"l2": 1e-2}, fit, {"accumulate": 3, "check_every": 1}),
        "one row": ("float64", {}, {**fit, "epochs": 1, "batch_size": 1}, {}),
        "all rows": ("float64", {}, {**fit, "batch_size": None}, {}),
        "class weights": ("float64", {}, {**fit, "class_weight": "balanced"}, {}),
        "python": ("float64", {}, {**fit, "optimizer": OwnMomentum(learning_rate=0.1)}, {}),
        "reference": ("float64", {"engine": "reference"}, fit, {}),
        "clipped": ("float64", {}, {**fit, "clip_norm": 0.1, "averaging": "ema"}, {}),
        "short": ("float64", {}, {**fit, "drop_last": True, "shuffle": False}, {}),
        "sparse": ("float64", {}, fit, {}),
        "ordered": ("float32", {"l2": 1e-3}, fit, ordered),
        "ordered masks": ("float32", {"dropout": 0.3}, fit, ordered),
        "ordered parts": ("float64", {}, {**fit, "batch_size": 7}, {**ordered, "parts": 4}),
    }


def network(dtype, options):
    return Network([5, 9, 3], seed=1, dtype=dtype, **options)


def of_case(name, comm=None, resumed=None):
    """θ and the history of a case, by one process or by the ranks of `comm`."""
    dtype, for_network, for_fit, for_ranks = cases()[name]
    X, y, weight = rows(dtype)
    net = network(dtype, for_network)
    share = slice(N)
    if comm is not None:
        if comm.rank > 0:
            net.params[:] = 0  # those of rank 0 count
        together = Distributed(comm, **for_ranks)
        for_fit = {**for_fit, "comm": together}
        share = together.share(N)
        if together.reduction == "fast":
            share = slice(*UNEVEN[comm.size][comm.rank : comm.rank + 2])
    if comm is None or comm.rank == 0:
        for_fit = {**for_fit, "validation_data": (X, y)}
    own = X[share]
    if name == "sparse":
        own = scipy.sparse.csr_array(own * (abs(own) > 1))
    if resumed is not None:
        for_fit = {**for_fit, "epochs": 5, "checkpoint": str(resumed), "resume": True}
    history = net.fit(own, y[share], sample_weight=weight[share], **for_fit)
    return net.params.copy(), history


def by_messages(comm):
    """Some cases again, as if ranks shared no memory; and how often their sums were made in it."""
    sums, total, free_bytes = [], SharedSums.total, shared_sums._free_bytes

    def counted(self, *args):
        sums.append(1)
        return total(self, *args)

    SharedSums.total = counted
    of_case("short", comm)
    found = {"sums/shared": len(sums)}
    shared_sums._free_bytes = lambda: 0.0
    for name in MESSAGES:
        found[f"{name}/messages"], _ = of_case(name, comm)
    found["sums/messages"] = len(sums) - found["sums/shared"]
    SharedSums.total, shared_sums._free_bytes = total, free_bytes
    return found


def stopping(comm=None):
    """A fit that ends early, by the validation loss that rank 0 alone has."""
    X, y, _ = rows()
    share = slice(N) if comm is None else Distributed(comm).share(N)
    first = comm is None or comm.rank == 0
    net = network("float64", {})
    history = net.fit(
        X[share], y[share], epochs=50, comm=comm,
        learning_rate=ReduceOnPlateau(0.5, patience=1, monitor="val_loss"),
        early_stopping=EarlyStopping(monitor="val_loss", patience=3),
        validation_data=(X, 2 - y) if first else None,
    )  # fmt: skip
    return net.params.copy(), history


def part_of(world, size):
    """The first ranks of a communicator as one of their own; None on the others."""
    part = world.Split(int(world.rank >= size))
    return part if world.rank < size else None


def refused(comm, together=None, **options):
    X, y, _ = rows()
    try:
        comm = Distributed(comm, **together) if together else comm
        network("float64", {}).fit(X, y, comm=comm, **options)
    except (TypeError, ValueError) as error:
        return str(error)
    return ""


def values(folder):
    """All cases, on 1, 2 and 4 of the ranks."""
    from mpi4py import MPI

    world = MPI.COMM_WORLD
    for size in SIZES:
        comm = part_of(world, size)
        if comm is None:
            continue
        found = {}
        for name in cases():
            params, history = of_case(name, comm)
            found |= {f"{name}/params": params, f"{name}/same": same(comm, params, history)}
            found |= {f"{name}/{figure}": history[figure] for figure in FIGURES}
        found |= by_messages(comm)
        params, history = stopping(comm)
        found |= {"stopping/params": params, "stopping/same": same(comm, params, history)}
        found["stopping/epochs"] = len(history)
        found["stopping/reason"] = history.stopped
        # A checkpoint of a fit by `size` ranks, resumed by all numbers of ranks.
        path = Path(folder) / f"of{size}.checkpoint"
        checkpointed(comm, path)
        if comm.rank == 0:
            np.savez(Path(folder) / f"{size}.npz", **found)
    world.Barrier()
    resumed(world, Path(folder))
    if world.rank == 0:
        alone = MPI.COMM_SELF
        np.savez(
            Path(folder) / "refused.npz",
            fraction=refused(alone, validation_fraction=0.1),
            diagnostics=refused(alone, diagnostics=True),
            interrupt=refused(alone, on_interrupt="return"),
            communicator=refused(3),
            parts=refused(alone, {"parts": 3}),
            none=refused(alone, {"parts": np.int64(4), "accumulate": np.array(2)}, epochs=1),
            check_every=refused(alone, {"check_every": 0}),
            whole=refused(alone, {"accumulate": 1.5}),
            accumulate=refused(alone, {"reduction": "ordered", "accumulate": 2}),
            derivatives=refused(alone, derivatives=(np.zeros((N, 3, 5)), 1.0)),
        )


FIGURES = ("loss", "accuracy", "val_loss", "val_accuracy")


def same(comm, params, history):
    """Whether all ranks have the same parameters and history."""
    shown = (params.tobytes(), str(list(history)), history.stopped)
    return all(given == shown for given in comm.allgather(shown))


def checkpointed(comm, path):
    dtype, for_network, for_fit, for_ranks = cases()["ordered masks"]
    X, y, weight = rows(dtype)
    together = Distributed(comm, **for_ranks)
    share = together.share(N)
    network(dtype, for_network).fit(
        X[share], y[share], sample_weight=weight[share], comm=together, checkpoint=str(path),
        **{**for_fit, "epochs": 2}, validation_data=(X, y) if comm.rank == 0 else None,
    )  # fmt: skip


def resumed(world, folder):
    for size in SIZES:
        comm = part_of(world, size)
        if comm is None:
            continue
        for written_by in SIZES:
            path = folder / f"of{written_by}on{size}.checkpoint"
            if comm.rank == 0:
                path.write_bytes((folder / f"of{written_by}.checkpoint").read_bytes())
            comm.Barrier()
            params, _ = of_case("ordered masks", comm, path)
            if comm.rank == 0:
                np.save(folder / f"of{written_by}on{size}.npy", params)
        comm.Barrier()


def kill(net):
    os.kill(os.getpid(), signal.SIGKILL)


def change(net):
    net.params[0] += 1


def fail(net):
    raise ZeroDivisionError("in the callback of one rank")


def wait(net):
    """Until a signal ends the process; "waiting" is there for the one that sends it."""
    Path("waiting").touch()
    sleep(60)


IN_EPOCH_3 = {  # of rank 1
    "killed": kill, "changed": change, "exception": fail, "ended": wait,
}  # fmt: skip


def mapped_files():
    """Names of the files in shared memory that this process maps."""
    maps = Path("/proc/self/maps")
    lines = maps.read_text().splitlines() if maps.exists() else []
    return [line.partition("/dev/shm/")[2].split()[0] for line in lines if "/dev/shm/" in line]


def options_of(name, comm, X):
    """Options of the fit of a failure; changes X."""
    if name in ("share", "changed"):
        ordered = name == "share"
        return {"comm": Distributed(comm, "ordered" if ordered else "fast", check_every=1)}
    if name == "diverged":
        return {"learning_rate": 10}
    if comm.rank == 0:
        return {}
    if name == "rows":
        X[-1, 0] = np.nan
    return {"options": {"batch_size": 16}, "weights": {"sample_weight": np.ones(101)}}.get(name, {})


def failure(name, folder):
    """A fit of two ranks, one of which fails."""
    from mpi4py import MPI

    comm = MPI.COMM_WORLD
    X, y, _ = rows()
    share = Distributed(comm).share(N)
    if name == "share":
        share = slice(*UNEVEN[2][comm.rank : comm.rank + 2])
    net = network("float64", {})
    if name == "diverged":
        net = Network([5, 9, 3], activation="relu", output="identity", loss="squared_error", seed=0)
        y = np.eye(3)[y]

    def callback(record):
        (Path(folder) / f"mapped{comm.rank}").write_text("\n".join(mapped_files()))
        if record["epoch"] == 3 and comm.rank == 1 and name in IN_EPOCH_3:
            IN_EPOCH_3[name](net)

    given = {"epochs": 6, "comm": comm} | options_of(name, comm, X)
    path = Path(folder) / "checkpoint"
    history = net.fit(X[share], y[share], callbacks=[callback], checkpoint=path, **given)
    # One write, which that of another rank cannot cut.
    sys.stdout.write(f"{history.stopped} {np.isfinite(net.params).all()}\n")


if __name__ == "__main__":
    {"values": values, "failure": failure}[sys.argv[1]](*sys.argv[2:])
