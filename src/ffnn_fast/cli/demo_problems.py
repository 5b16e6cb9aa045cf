"""The two problems of the demo: data, training and scores."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ffnn_fast._training.sampling import hold_out
from ffnn_fast.cli.output import write_line
from ffnn_fast.cli.progress import progress
from ffnn_fast.cli.table_preprocessing import TablePreprocessing
from ffnn_fast.cli.target_encoders import TargetEncoders
from ffnn_fast.cli.training.baselines import nearest_mean, split_folds, tuned_ridge
from ffnn_fast.datasets import load_digits, load_movie_ratings
from ffnn_fast.history import History
from ffnn_fast.metrics import accuracy, r2
from ffnn_fast.network import Network
from ffnn_fast.preprocessing import NumericColumn, TableEncoder, TargetEncoder

FOLDS = 10


@dataclass(frozen=True)
class Outcome:
    """The results of a problem.

    Attributes
    ----------
    name : str
    results : list of tuple of str
        A table: the scores of the network and of the baselines.
    beats_baseline : bool
        Whether the network beats its simple baseline: nearest class mean, ridge regression.
    network, preprocessing, history
        A trained network, its preprocessing, and the history of its training.
    rows : tuple of array
        Encoded inputs and targets, for gradient checks and timing.
    """

    name: str
    results: list[tuple[str, ...]]
    beats_baseline: bool
    network: Network
    preprocessing: TablePreprocessing
    history: History
    rows: tuple[np.ndarray, np.ndarray]


def digits(seed: int, epochs: int | None) -> Outcome:
    """An image into 1 of 10 classes: softmax and cross-entropy (lecture module 4.3).

    Four fifths of the images train, each also shifted by a pixel in the four directions; the rest
    is used once, at the end. The baselines are fitted to the images without shifts, on which they
    are better.
    """
    data, epochs = load_digits(), epochs or 40
    rng = np.random.default_rng(seed)
    X, y = (data.X / 16).astype(np.float32), data.y
    train, test = hold_out(len(X), 0.2, rng, y)
    shifted, labels = _shifted(X[train]), np.tile(y[train], 5)
    write_line(
        f"digits: {len(train)} images of 8 x 8 pixels, each also shifted by one pixel "
        f"({len(shifted)} in all), 10 classes; {len(test)} other images to test"
    )
    net = Network([64, 128, 128, 10], activation="relu", l2=5e-4, seed=rng)
    with progress("digits", epochs) as show:
        history = net.fit(shifted, labels, epochs=epochs, learning_rate=0.15, callbacks=[show])
    linear = Network([64, 10], l2=1e-4, seed=rng)
    linear.fit(X[train], y[train], epochs=60, learning_rate=0.3, metrics=False)
    models = {
        f"network {_layers(net)}": net.predict,
        "softmax without hidden layers": linear.predict,
        "nearest class mean": nearest_mean(X[train], y[train], 10),
    }
    scores = [accuracy(y[test], predict(X[test])) for predict in models.values()]
    results: list[tuple[str, ...]] = [(f"on the {len(test)} test images", "accuracy")]
    results += [(name, f"{score:.4f}") for name, score in zip(models, scores, strict=True)]
    # The table as scikit-learn distributes it: no header, 64 pixels, then the digit.
    columns = tuple(str(position) for position in range(1, 66))
    inputs = TableEncoder(tuple(NumericColumn(name, 0.0, 16.0) for name in columns[:-1]))
    target = TargetEncoder(columns[-1], "classification", tuple("0123456789"))
    targets = TargetEncoders.of(target)
    preprocessing = TablePreprocessing(
        False, columns, (), inputs, targets, {"test accuracy": results[1][1]}
    )
    beats_baseline = scores[0] > scores[-1]
    return Outcome(
        "digits", results, beats_baseline, net, preprocessing, history, (X[train], y[train])
    )


def movies(seed: int, epochs: int | None) -> Outcome:
    """A rating from five others: linear output and squared error (lecture module 4.3).

    Evaluated by cross-validation, the network and ridge regression on the same folds; the strength
    of ridge is chosen by cross-validation within the training rows. The network that is returned
    is trained on all rows.
    """
    data, epochs = load_movie_ratings(), epochs or 200
    rng = np.random.default_rng(seed)
    folds = split_folds(len(data.X), FOLDS, rng)
    write_line(
        f"movies: {len(data.X)} films, {data.target_name} from {', '.join(data.feature_names)}; "
        f"{FOLDS}-fold cross-validation"
    )
    by_net, by_ridge, by_mean = (np.empty(len(data.X)) for _ in range(3))
    for k, fold in enumerate(folds, start=1):
        rest = np.setdiff1d(np.arange(len(data.X)), fold)
        X, y = data.X[rest], data.y[rest]
        net, preprocessing, _ = _rate(X, y, rng, epochs, f"movies, fold {k}/{FOLDS}")
        inputs = _encoded(preprocessing, data.X[fold])
        by_net[fold] = preprocessing.targets.each[0].decode(net.predict(inputs))
        by_ridge[fold] = tuned_ridge(X, y, rng)(data.X[fold])
        by_mean[fold] = y.mean()
    net, preprocessing, history = _rate(data.X, data.y, rng, epochs, "movies, all films")
    models = {
        f"network {_layers(net)}": by_net,
        "ridge regression": by_ridge,
        "mean rating": by_mean,
    }
    results: list[tuple[str, ...]] = [("on the films held out", "R2", "RMSE")]
    for name, values in models.items():
        error = np.sqrt(np.mean((values - data.y) ** 2))
        results.append((name, f"{r2(data.y, values):.4f}", f"{error:.3f}"))
    preprocessing = replace(preprocessing, summary={"R2 in cross-validation": results[1][1]})
    beats_baseline = r2(data.y, by_net) > r2(data.y, by_ridge)
    target = preprocessing.targets.each[0]
    rows = _encoded(preprocessing, data.X), target.encode(data.y).astype(np.float32)
    return Outcome("movies", results, beats_baseline, net, preprocessing, history, rows)


def _rate(
    X: np.ndarray, y: np.ndarray, rng: np.random.Generator, epochs: int, label: str
) -> tuple[Network, TablePreprocessing, History]:
    """A network trained to predict ratings y, (n,), from X, (n, 5), both standardised."""
    names = load_movie_ratings().feature_names
    inputs = TableEncoder.fit(dict(zip(names, X.T, strict=True)))
    target = TargetEncoder.fit("Fandango_Ratingvalue", y, "regression")
    preprocessing = TablePreprocessing(
        True, (*names, target.name), (), inputs, TargetEncoders.of(target)
    )
    net = Network([X.shape[1], 16, 1], activation="tanh", output="identity", l2=0.02, seed=rng)
    with progress(label, epochs, lines=1) as show:
        history = net.fit(
            _encoded(preprocessing, X),
            target.encode(y),
            epochs=epochs,
            batch_size=8,
            learning_rate=0.02,
            callbacks=[show],
        )
    return net, preprocessing, history


def _layers(net: Network) -> str:
    return "-".join(str(size) for size in net.spec.layer_sizes)


def _encoded(preprocessing: TablePreprocessing, X: np.ndarray) -> np.ndarray:
    names = [column.name for column in preprocessing.inputs.columns]
    return preprocessing.inputs.transform(dict(zip(names, X.T, strict=True))).astype(np.float32)


def _shifted(X: np.ndarray) -> np.ndarray:
    """The images (n, 64), then all of them a pixel up, down, left and right: (5 n, 64)."""
    padded = np.pad(X.reshape(-1, 8, 8), ((0, 0), (1, 1), (1, 1)))
    corners = ((1, 1), (2, 1), (0, 1), (1, 2), (1, 0))
    views = [padded[:, i : i + 8, j : j + 8].reshape(-1, 64) for i, j in corners]
    return np.ascontiguousarray(np.concatenate(views))
