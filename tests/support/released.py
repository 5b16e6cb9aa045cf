"""The network, rows and options of the files in ``fixtures/``, which an earlier layout wrote.

``python -m support.released FOLDER`` writes such files anew, in the formats of today.
"""

import sys
from pathlib import Path

import numpy as np

from ffnn_fast import EarlyStopping, Network
from ffnn_fast.optimizers import Adam
from ffnn_fast.schedules import Cosine, ReduceOnPlateau, WarmUp


def rows():
    """60 rows of 3 numbers, and their classes 0 to 2."""
    X = np.random.default_rng(5).normal(size=(60, 3)).astype(np.float32)
    return X, (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)


def network():
    """A network that uses most of what a description can hold."""
    return Network(
        [3, 6, 5, 3], activation=["tanh", "gelu"], l2=1e-3, l1=(0.0, 1e-4, 0.0), dropout=0.1,
        loss_options={"label_smoothing": 0.1}, seed=11, n_threads=1,
    )  # fmt: skip


def options():
    """Arguments of a fit that uses most of what a checkpoint can hold."""
    return {
        "batch_size": 7,
        "optimizer": Adam(learning_rate=0.01),
        "learning_rate": WarmUp(Cosine(0.01, 40), 5),
        "clip_norm": 1.0,
        "early_stopping": EarlyStopping("loss", patience=4),
        "averaging": "ema",
        "frozen": (1,),
    }


def streamed():
    """A network after a `partial_fit` whose schedule has a state."""
    net = network()
    rate = WarmUp(ReduceOnPlateau(0.01, "loss", patience=0, threshold=0.9), 5)
    net.partial_fit(*rows(), batch_size=7, optimizer=Adam(beta_1=0.8), learning_rate=rate)
    return net


def main(folder):
    """Write the model and its outputs, a checkpoint of epoch 3 with the θ of epoch 6, and a model
    within a stream with the θ after its continuation.
    """
    (X, y), net, folder = rows(), network(), Path(folder)
    stream = streamed()
    stream.save(folder / "stream-v2.safetensors", with_state=True)
    stream.partial_fit(X, y, batch_size=7)
    np.save(folder / "stream-v2.npy", stream.params)
    net.save(folder / "model-v2.safetensors", {"note": "written by 0.1"})
    np.save(folder / "model-v2.npy", net.forward(X[:4]))
    net.fit(X, y, epochs=3, checkpoint=folder / "checkpoint-v1.safetensors", **options())
    whole = network()
    whole.fit(X, y, epochs=6, **options())
    np.save(folder / "checkpoint-v1.npy", whole.params)


if __name__ == "__main__":
    main(*sys.argv[1:])
