"""Online learning on a stream: the relation between inputs and targets changes halfway.

The network predicts each chunk before it trains on it, so the error is always measured on new rows.
A copy that is not trained after the change is shown for comparison. Run
``python examples/stream.py``.
"""

from collections.abc import Iterator

import numpy as np

from ffnn_fast import Network
from ffnn_fast.metrics import rmse

CHUNK, CHUNKS = 500, 80


def stream(rng: np.random.Generator) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Chunks (X, y) with noisy targets; the formula for y changes after half of them."""
    for chunk in range(CHUNKS):
        X = rng.uniform(-1, 1, (CHUNK, 4)).astype(np.float32)
        y = np.sin(3 * X[:, 0]) * X[:, 1] + X[:, 2] ** 2
        if chunk >= CHUNKS // 2:
            y = 0.5 * y - X[:, 3]
        yield X, y + rng.normal(0, 0.02, CHUNK)


def main() -> tuple[float, float]:
    """Predict and train; return the last errors of the network and of the untrained copy."""
    net = Network([4, 32, 32, 1], activation="tanh", output="identity", seed=0)
    frozen, errors = None, []
    for chunk, (X, y) in enumerate(stream(np.random.default_rng(0))):
        if chunk == CHUNKS // 2:
            frozen = net.copy()
        error = rmse(y, net.predict(X))
        frozen_error = rmse(y, frozen.predict(X)) if frozen else error
        errors.append((error, frozen_error))
        net.partial_fit(X, y, batch_size=1, learning_rate=0.02)
        if chunk % 10 == 9 or chunk == CHUNKS // 2:
            row = CHUNK * (chunk + 1)
            print(f"row {row:6}  RMSE {error:.3f}  without training {frozen_error:.3f}")
    return errors[-1]


if __name__ == "__main__":
    main()
