"""A table with columns of every kind."""

import numpy as np
import pandas as pd


def mixed(n=300, seed=0):
    """A table with columns of every kind, and a class and a value that follow from it."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "x": rng.normal(size=n),
            "gap": np.where(rng.random(n) < 0.2, np.nan, rng.normal(size=n)),
            "kind": rng.choice(["a", "b", None], n), "town": rng.choice(list("abcdefghijklm"), n),
            "flag": rng.random(n) < 0.5, "row": np.arange(n),
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 400, n), "D"),
        }
    )  # fmt: skip
    value = frame["x"] + 2.0 * (frame["kind"] == "a") + 0.1 * rng.normal(size=n)
    return frame, np.where(value > 0.5, "yes", "no"), value.to_numpy()
