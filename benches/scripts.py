"""Scripts of scikit-learn users; each takes the module that provides the estimators."""

import warnings
from time import perf_counter

EPOCHS = 30
ROWS = 500  # of the stream
SPARSE = ["sparse", "sparse predict", "sparse predict again"]
NAMES = ["sgd", "adam", "partial_fit", *SPARSE]
TEXTS, WORDS = 4000, 30_000  # rows and columns of sparse rows, of which 0.3 % are stored


def run(estimators, name):
    """Seconds, the score on rows held out, and the probabilities there."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    if name in SPARSE:
        return of_sparse_rows(estimators, name)
    X, y = load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X / 16, y, random_state=0)
    train = stream if name == "partial_fit" else fit
    with warnings.catch_warnings(action="ignore"):  # of missing convergence
        seconds, model = train(estimators, name, X, y)
    return seconds, model.score(X_test, y_test), model.predict_proba(X_test)


def of_sparse_rows(estimators, name):
    """The same for a few epochs on rows like those of words, or for their predictions."""
    import numpy as np
    from scipy.sparse import random_array

    X = random_array((TEXTS, WORDS), density=0.003, format="csr", rng=np.random.default_rng(0))
    y = np.asarray(X[:, : WORDS // 2].sum(axis=1)).ravel() > X.sum() / TEXTS / 2
    model = estimators.MLPClassifier((100,), batch_size=200, max_iter=5, random_state=0)
    began = perf_counter()
    with warnings.catch_warnings(action="ignore"):
        model.fit(X, y)
    seconds = perf_counter() - began
    if name == "sparse predict again":
        model.predict(X)
    if name != "sparse":
        began = perf_counter()
        model.predict(X)
        seconds = perf_counter() - began
    return seconds, model.score(X, y), model.predict_proba(X)


def fit(estimators, solver, X, y):
    """Some epochs with the defaults of a solver."""
    model = estimators.MLPClassifier(solver=solver, max_iter=EPOCHS, random_state=0)
    began = perf_counter()
    model.fit(X, y)
    return perf_counter() - began, model


def stream(estimators, name, X, y):
    """Row by row, as in a stream."""
    model = estimators.MLPClassifier(random_state=0)
    model.partial_fit(X[:1], y[:1], classes=range(10))
    began = perf_counter()
    for i in range(1, ROWS):
        model.partial_fit(X[i : i + 1], y[i : i + 1])
    return perf_counter() - began, model
