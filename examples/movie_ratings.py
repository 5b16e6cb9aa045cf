"""Film ratings: an ensemble of small networks and ridge regression, by tenfold cross-validation.

Run ``python examples/movie_ratings.py``. The data set, 146 films, comes with the package.
"""

import numpy as np

from ffnn_fast import Network
from ffnn_fast.datasets import load_movie_ratings
from ffnn_fast.metrics import mae, r2

FOLDS, NETWORKS = 10, 5


def ridge(X: np.ndarray, y: np.ndarray, X_new: np.ndarray) -> np.ndarray:
    """Predictions X_new w of ridge regression, w = (XᵀX + I)⁻¹ Xᵀy."""
    return X_new @ np.linalg.solve(X.T @ X + np.eye(X.shape[1]), X.T @ y)


def network(X: np.ndarray, y: np.ndarray, X_new: np.ndarray) -> np.ndarray:
    """The mean prediction of several small networks, each with its own initial weights."""
    predictions = []
    for seed in range(NETWORKS):
        net = Network([X.shape[1], 8, 1], output="identity", l2=0.01, dtype="float64", seed=seed)
        net.fit(X, y, epochs=300, batch_size=16, learning_rate=0.02, metrics=False)
        predictions.append(net.predict(X_new))
    return np.mean(predictions, axis=0)


def main() -> dict[str, float]:
    """Predict every film with models trained on the other folds; return R² of both methods."""
    movies = load_movie_ratings()
    fold = np.random.default_rng(0).permutation(len(movies.y)) % FOLDS
    predicted = {"ridge": np.empty(len(movies.y)), "network": np.empty(len(movies.y))}
    for k in range(FOLDS):
        train, test = fold != k, fold == k
        mean, deviation = movies.X[train].mean(axis=0), movies.X[train].std(axis=0)
        X, centre = (movies.X - mean) / deviation, movies.y[train].mean()
        for name, model in (("ridge", ridge), ("network", network)):
            predicted[name][test] = centre + model(X[train], movies.y[train] - centre, X[test])

    scores = {}
    for name, values in predicted.items():
        scores[name] = r2(movies.y, values)
        print(f"{name:8} R² {scores[name]:.3f}, MAE {mae(movies.y, values):.2f} stars")
    error = np.abs(movies.y - predicted["network"])
    for row in np.argsort(-error)[:3]:
        print(
            f"  {movies.row_names[row]}: predicted {predicted['network'][row]:.1f}, "
            f"actual {movies.y[row]}"
        )
    return scores


if __name__ == "__main__":
    main()
