"""Fashion-MNIST from its four files, and the accuracy of a network on it."""

import gzip

import numpy as np

ROWS = 59_904  # 468 batches of 128: JAX's scan takes no shorter last batch
FILES = [
    "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz",
]  # fmt: skip


def read(path):
    """An IDX file of bytes: two zeros, type 8, number of axes, their sizes, the values."""
    raw = gzip.decompress(path.read_bytes())
    axes = raw[3]
    shape = np.frombuffer(raw, ">i4", axes, 4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * axes).reshape(shape)


def present(folder):
    """Whether all four files are in the folder."""
    return all((folder / name).exists() for name in FILES)


def load(folder):
    """X (59904, 784) in 0..1 float32, y, X_test, y_test; random rows where the folder is None."""
    if folder is None:
        rng = np.random.default_rng(0)
        X, y = rng.random((ROWS, 784), dtype=np.float32), rng.integers(0, 10, ROWS)
        return X, y, X[:1000], y[:1000]
    images, labels, test_images, test_labels = (read(folder / name) for name in FILES)
    X, X_test = (
        pixels.reshape(len(pixels), -1) / np.float32(255) for pixels in (images, test_images)
    )
    return X[:ROWS], labels[:ROWS].astype(np.int64), X_test, test_labels.astype(np.int64)


def accuracy(layers, activation, X, y):
    """Share of rows whose largest output is at the true class."""
    h = X
    for W, b in layers[:-1]:
        a = h @ W.T + b
        h = np.maximum(a, 0) if activation == "relu" else np.tanh(a)
    W, b = layers[-1]
    return float(((h @ W.T + b).argmax(axis=1) == y).mean())
