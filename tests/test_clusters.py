"""Searches on a cluster: a worker that dies changes no result."""

import subprocess
import sys

import numpy as np
import pytest
from support import search_on_dask

HANGS = 240  # s


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_a_search_on_dask_outlives_a_killed_worker(tmp_path):
    pytest.importorskip("distributed", reason="needs dask and distributed")
    pytest.importorskip("sklearn")
    command = [sys.executable, search_on_dask.__file__, str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=HANGS, check=False)
    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "killed").exists()
    found = np.load(tmp_path / "found.npz")
    alone, X, y = search_on_dask.search()
    alone.fit(X, y)
    np.testing.assert_array_equal(found["scores"], alone.cv_results_["mean_test_score"])
    assert found["best"] == alone.best_index_
    np.testing.assert_array_equal(found["predicted"], alone.predict_proba(X))
