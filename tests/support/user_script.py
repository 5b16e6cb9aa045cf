"""A program as a user writes it: `mypy --strict` accepts it, and it runs."""

import numpy as np
from numpy.typing import NDArray

from ffnn_fast import (
    Averaging,
    Checkpoint,
    EarlyStopping,
    History,
    Network,
    NetworkSpec,
    PredictFunction,
    RateCurve,
)
from ffnn_fast.callbacks import Callback
from ffnn_fast.optimizers import Adam
from ffnn_fast.schedules import Cosine


def data(n: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Two classes of points in the plane."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, n)
    return (rng.normal(size=(n, 2)) + 2 * y[:, None]).astype(np.float32), y


class Print(Callback):
    """Prints each loss."""


def main(folder: str) -> float:
    """Train, predict, save, load."""
    X, y = data(200)
    net = Network([2, 8, 2], activation="relu", seed=0, dropout=[0.0, 0.1], n_threads=1)
    curve: RateCurve = net.find_learning_rate(X, y, steps=20)
    history: History = net.fit(
        X.tolist(),
        y.tolist(),
        epochs=3,
        optimizer=Adam(learning_rate=curve.suggestion),
        learning_rate=Cosine(0.01, 100),
        validation_data=(X[:20], y[:20]),
        callbacks=[Print(), lambda record: print(record["loss"])],
        early_stopping=EarlyStopping(patience=5),
        averaging=Averaging("ema"),
        checkpoint=Checkpoint(f"{folder}/fit.safetensors"),
        metrics=["accuracy", "f1"],
    )
    losses: list[float] = history["loss"]
    net.partial_fit((X[i : i + 50], y[i : i + 50]) for i in range(0, 200, 50))
    gradient = net.gradient(X, y)
    by_name = net.gradient(X, y, by_name=True)
    norms = {name: float(np.linalg.norm(part)) for name, part in by_name.items()}
    solved = net.minimize(X, y, max_iterations=5)
    predict: PredictFunction = net.predictor()
    y_hat = predict(X[0])
    net.save(f"{folder}/model.safetensors", {"note": "two classes"})
    again = Network.load(f"{folder}/model.safetensors", engine="reference")
    spec: NetworkSpec = again.spec
    copy = Network.from_params(spec, again.params, n_threads=2, matmul="own")
    line = Network([2, 1], output="identity", dtype="float64", seed=0)
    fit = line.levenberg_marquardt(X, X[:, 0])
    lower, upper = fit.interval(X[:3])
    print(losses, gradient.shape, norms, solved.converged, y_hat, lower, upper)
    return copy.score(X, y)


if __name__ == "__main__":
    import sys

    print(main(sys.argv[1]))
