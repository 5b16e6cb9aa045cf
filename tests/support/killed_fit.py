"""Fits that may be killed at any moment: ``python -m support.killed_fit FOLDER FIRST [last]``.

Goes on with fit number FIRST from its checkpoint, then takes the next, until it is killed; with
``last`` ends after one. ``done-<number>.npy`` holds the parameters that a fit ended with.
"""

import os
import sys

import numpy as np

from ffnn_fast import Network
from ffnn_fast._training.checkpoint import Checkpoint
from ffnn_fast.optimizers import OPTIMIZERS
from ffnn_fast.schedules import Cosine
from support.fits import classes


def fit(number, checkpoint=None):
    """The parameters that a fit ends with; each is another optimizer, with dropout."""
    names = list(OPTIMIZERS)
    X, y = classes(2000)
    net = Network([5, 32, 32, 2], seed=number, dropout=0.2, n_threads=1)
    net.fit(
        X, y, epochs=30, batch_size=1, optimizer=names[number % len(names)], metrics=False,
        learning_rate=Cosine(0.001, 7), validation_fraction=0.1, averaging="ema",
        checkpoint=checkpoint, resume=checkpoint is not None,
    )  # fmt: skip
    return net.params


def main(folder, first, last=False):
    number = int(first)
    print("ready", flush=True)
    while True:
        path = os.path.join(folder, f"fit-{number}")
        params = fit(number, Checkpoint(path, every_epochs=None, every_seconds=0.005))
        with open(os.path.join(folder, "end.tmp"), "wb") as file:
            np.save(file, params)
        os.replace(os.path.join(folder, "end.tmp"), os.path.join(folder, f"done-{number}.npy"))
        if last:
            return
        number += 1


if __name__ == "__main__":
    main(*sys.argv[1:])
