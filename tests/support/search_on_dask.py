"""A search on Dask, one of whose workers is killed: ``search_on_dask.py FOLDER``."""

import os
import signal
import sys
from pathlib import Path

import numpy as np

from ffnn_fast.datasets import load_digits
from ffnn_fast.sklearn import MLPClassifier

FOLDER = Path(sys.argv[1]) if __name__ == "__main__" else None


def killing_score(estimator, X, y, folder=FOLDER):
    """The accuracy; the first of all calls kills the worker that makes it."""
    try:
        (folder / "killed").touch(exist_ok=False)
    except FileExistsError:
        return estimator.score(X, y)
    return os.kill(os.getpid(), signal.SIGKILL)


def search(scoring=None):
    """The search, not yet fitted, and its rows."""
    from sklearn.model_selection import GridSearchCV

    digits = load_digits()
    model = MLPClassifier((16,), max_iter=5, random_state=0)
    grid = {"alpha": [1e-4, 1e-2], "learning_rate_init": [0.001, 0.01]}
    return GridSearchCV(model, grid, cv=2, scoring=scoring), digits.X[:300] / 16, digits.y[:300]


def main():
    import dask
    import joblib
    from dask.distributed import Client, LocalCluster

    # Workers, also those that replace one, are forks of a process that has imported Dask.
    dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"})
    given = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with LocalCluster(**given) as cluster, Client(cluster):
        found, X, y = search(killing_score)
        with joblib.parallel_config("dask"):
            found.fit(X, y)
    np.savez(
        FOLDER / "found.npz",
        scores=found.cv_results_["mean_test_score"],
        best=found.best_index_,
        predicted=found.predict_proba(X),
    )


if __name__ == "__main__":
    main()
