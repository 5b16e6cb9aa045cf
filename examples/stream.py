"""A stream whose rule changes half-way: a network that learns from each row as it comes.

Each row is first predicted, then learnt, so the error is always on rows not yet seen. A network
trained on the first half and left alone stands beside it. ``python examples/stream.py``
"""

from collections.abc import Iterator

import numpy as np

from ffnn_fast import Network

CHUNK, CHUNKS = 500, 80


def stream(rng: np.random.Generator) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Readings of a sensor and what they should be; after half the chunks the sensor ages."""
    for chunk in range(CHUNKS):
        X = rng.uniform(-1, 1, (CHUNK, 4)).astype(np.float32)
        y = np.sin(3 * X[:, 0]) * X[:, 1] + X[:, 2] ** 2
        if chunk >= CHUNKS // 2:
            y = 0.5 * y - X[:, 3]
        yield X, y + rng.normal(0, 0.02, CHUNK)


def main() -> tuple[float, float]:
    """Predict and learn; returns the last error of the learner, and that of the one left alone."""
    net = Network([4, 32, 32, 1], activation="tanh", output="identity", seed=0)
    left_alone, errors = None, []
    for chunk, (X, y) in enumerate(stream(np.random.default_rng(0))):
        if chunk == CHUNKS // 2:
            left_alone = net.copy()
        error = float(np.sqrt(np.mean((net.predict(X) - y) ** 2)))
        other = float(np.sqrt(np.mean((left_alone.predict(X) - y) ** 2))) if left_alone else error
        errors.append((error, other))
        net.partial_fit(X, y, batch_size=1, learning_rate=0.02)
        if chunk % 10 == 9 or chunk == CHUNKS // 2:
            print(f"row {CHUNK * (chunk + 1):6}  error {error:.3f}  left alone {other:.3f}")
    return errors[-1]


if __name__ == "__main__":
    main()
