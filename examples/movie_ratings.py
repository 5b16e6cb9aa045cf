"""Ratings of films: a network beside ridge regression, by tenfold cross-validation.

146 films are few, so each takes its turn at being unknown, and several small networks vote.
``python examples/movie_ratings.py``; the data come with the package.
"""

import numpy as np

from ffnn_fast import Network
from ffnn_fast.datasets import load_movie_ratings

FOLDS, VOTES = 10, 5


def ridge(X: np.ndarray, y: np.ndarray, X_new: np.ndarray) -> np.ndarray:
    """(XᵀX + I)⁻¹ Xᵀy, applied to new rows."""
    return X_new @ np.linalg.solve(X.T @ X + np.eye(X.shape[1]), X.T @ y)


def network(X: np.ndarray, y: np.ndarray, X_new: np.ndarray) -> np.ndarray:
    """The mean of what a few small networks say, each from a start of its own."""
    votes = []
    for seed in range(VOTES):
        net = Network([X.shape[1], 8, 1], output="identity", l2=0.01, dtype="float64", seed=seed)
        net.fit(X, y, epochs=300, batch_size=16, learning_rate=0.02, metrics=False)
        votes.append(net.predict(X_new))
    return np.mean(votes, axis=0)


def main() -> dict[str, float]:
    """Predict every film by models that have not seen it; returns R² of both."""
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
        error = movies.y - values
        scores[name] = float(1 - error.var() / movies.y.var())
        print(f"{name:8} R² {scores[name]:.3f}, off by {np.abs(error).mean():.2f} stars")
    surprise = np.abs(movies.y - predicted["network"])
    for row in np.argsort(-surprise)[:3]:
        print(
            f"  {movies.row_names[row]}: {movies.y[row]} stars, "
            f"{predicted['network'][row]:.1f} expected"
        )
    return scores


if __name__ == "__main__":
    main()
