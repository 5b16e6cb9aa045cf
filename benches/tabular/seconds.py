"""``python -m benches.tabular.seconds``: CPU-seconds of a fit by the number of rows.

``FFNN_FAST_ISA=v3`` selects AVX2.
"""

import time

import numpy as np

import ffnn_fast
from benches.report import at_most, outcome_table
from ffnn_fast.tabular import TabularClassifier, TabularRegressor

ROWS, COLUMNS, REPEATS = (1000, 2000, 4000, 8000), 20, 3


def problem(n):
    """Normal numbers, values with an interaction and noise, and classes by their sign."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, COLUMNS))
    values = X[:, 0] * X[:, 1] + np.sin(X[:, 2]) + 0.1 * rng.normal(size=n)
    return X, values, (values > 0).astype(int)


def seconds(kind, preset, X, y):
    """The least CPU time of some fits on one thread."""
    found = []
    for _ in range(REPEATS):
        began = time.process_time()
        kind(preset, random_state=0, n_threads=1).fit(X, y)
        found.append(time.process_time() - began)
    return min(found)


def main():
    """Print a table of times, and the goals of the default preset."""
    print(f"engine level {ffnn_fast.show_config()['isa_level']}")
    outcomes = []
    for preset in ("default", "fast"):
        for kind, which in ((TabularRegressor, 1), (TabularClassifier, 2)):
            found = []
            for n in ROWS:
                data = problem(n)
                found.append(seconds(kind, preset, data[0], data[which]))
            shown = ", ".join(f"{n}: {s:.2f} s" for n, s in zip(ROWS, found, strict=True))
            print(f"{kind.__name__} {preset}: {shown}", flush=True)
            if preset == "default":
                growth = found[-1] / found[0] / (ROWS[-1] / ROWS[0])
                name = kind.__name__
                outcomes.append(at_most(f"{name}, s for {ROWS[0]} rows of {COLUMNS}", found[0], 2))
                outcomes.append(at_most(f"{name}, growth of time / growth of rows", growth, 1))
    print(outcome_table(outcomes))


if __name__ == "__main__":
    main()
