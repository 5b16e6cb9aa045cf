"""Fits by ranks on RowBlocks: ``blocks_of_ranks.py values FOLDER``, or ``... failure NAME``."""

import sys
from pathlib import Path

import numpy as np

from ffnn_fast import Checkpoint, CheckpointError, Distributed, Network
from ffnn_fast.blocks import RowBlocks
from ffnn_fast.callbacks import Callback

N, SIZES, SIZE, EPOCHS = 1000, (1, 2, 3), 130, 3
CASES = {
    "plain": {"batch_size": 32},
    "one row": {"batch_size": 1},
    "weights": {"batch_size": 48, "class_weight": "balanced"},
    "slices": {"batch_size": 64, "optimizer": "adam"},
    "short": {"batch_size": 70, "drop_last": True},
    "one block": {"batch_size": 32, "class_weight": "balanced"},
}
SIZE_OF = {name: N if name == "one block" else SIZE for name in CASES}


def rows():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, 5))
    return X, (X[:, 0] > 0) + (X[:, 1] > 1).astype(int)


def blocks(size=SIZE, **given):
    made = RowBlocks(*rows(), **{"seed": 7, **given})
    made.block_rows = size
    return made


def network():
    return Network([5, 9, 3], seed=1, dtype="float64")


def counting(data):
    """A list of the numbers of rows whose inputs are read from now on."""
    read, found = data._rows.read, []

    def counted(start, end, *, inputs=True):
        found.append(end - start if inputs else 0)
        return read(start, end, inputs=inputs)

    data._rows.read = counted
    return found


def of_case(name, comm):
    net, data = network(), blocks(SIZE_OF[name], seed=7 if comm.rank == 0 else 8)
    if comm.rank > 0:
        net.params[:] = 0  # those of rank 0 count, and the state of its generator
    accumulate = 3 if name == "slices" else 1
    found = counting(data)
    history = net.fit(
        data, epochs=EPOCHS, comm=Distributed(comm, accumulate=accumulate),
        validation_data=blocks(200) if comm.rank == 0 else None, **CASES[name],
    )  # fmt: skip
    return net.params, history, sum(found) - 1  # the first row is read to check it


class Copy(Callback):
    """Copies the checkpoint of an early step of the second epoch."""

    def __init__(self, path, copy):
        self.path, self.copy = path, copy

    def on_batch_begin(self, fit, rows):
        if fit.t == 32 + 18:
            self.copy.write_bytes(self.path.read_bytes())


def resumed(comm, path):
    """θ of a fit that is resumed in the middle of the second epoch."""
    copy = path.with_suffix(".copy")
    options = {"epochs": EPOCHS, "batch_size": 32, "comm": comm}
    callbacks = [Copy(path, copy)] if comm.rank == 0 else []
    every_step = Checkpoint(path, every_seconds=0)
    network().fit(blocks(), callbacks=callbacks, checkpoint=every_step, **options)
    net = network()
    net.fit(blocks(seed=1), resume=copy, **options)
    return net.params


def refused(comm, **given):
    """The error of a fit of one rank."""
    options = {"reduction": given.pop("reduction", "fast"), "parts": 1}
    try:
        network().fit(blocks(), batch_size=32, comm=Distributed(comm, **options), **given)
    except (ValueError, CheckpointError) as error:
        return str(error)
    return ""


def values(folder):
    """All cases, on 1, 2 and 3 of the ranks."""
    from mpi4py import MPI

    world, folder = MPI.COMM_WORLD, Path(folder)
    for size in SIZES:
        comm = world.Split(int(world.rank >= size))
        if world.rank >= size:
            continue
        found = {}
        for name in CASES:
            params, history, n_read = of_case(name, comm)
            bits = comm.allgather((params.tobytes(), str(list(history))))
            found |= {f"{name}/params": params, f"{name}/same": len(set(bits)) == 1}
            found |= {f"{name}/read": np.array(comm.allgather(n_read))}
            found |= {f"{name}/{figure}": history[figure] for figure in FIGURES}
        found["resumed"] = resumed(comm, folder / f"{size}.checkpoint")
        if comm.rank == 0:
            np.savez(folder / f"{size}.npz", **found)
    world.Barrier()
    if world.rank == 0:
        alone = MPI.COMM_SELF
        np.savez(
            folder / "refused.npz",
            ordered=refused(alone, reduction="ordered"),
            ranks=refused(alone, resume=folder / "3.copy"),
        )


FIGURES = ("loss", "accuracy", "val_loss", "val_accuracy")


def failure(name):
    """A fit of two ranks, of which one passes other blocks or finds bad rows."""
    from mpi4py import MPI

    comm = MPI.COMM_WORLD
    X, y = rows()
    size = SIZE
    if comm.rank == 1:
        size = SIZE + 10 if name == "blocks" else SIZE
        if name == "arrays":
            network().fit(X, y, comm=comm)
        if name == "rows":
            X[1:] = np.nan
    data = RowBlocks(X, y, seed=0)
    data.block_rows = size
    network().fit(data, comm=comm)


if __name__ == "__main__":
    {"values": values, "failure": failure}[sys.argv[1]](*sys.argv[2:])
