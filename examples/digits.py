"""Handwritten digits: the best network of a few, judged on rows none of them has seen.

Run it with ``python examples/digits.py``; the data come with the package.
"""

import numpy as np

from ffnn_fast import EarlyStopping, Network
from ffnn_fast.datasets import load_digits

CANDIDATES = {
    "one layer of 32, tanh": ([64, 32, 10], {"activation": "tanh"}),
    "one layer of 128, relu": ([64, 128, 10], {"activation": "relu"}),
    "two layers of 64, relu": ([64, 64, 64, 10], {"activation": "relu"}),
    "the same with dropout": ([64, 64, 64, 10], {"activation": "relu", "dropout": 0.1}),
}


def main() -> float:
    """Train the candidates, keep the best in validation; returns its test accuracy."""
    digits = load_digits()
    X, y = (digits.X / 16).astype(np.float32), digits.y
    order = np.random.default_rng(0).permutation(len(X))
    train, validation, test = order[:1100], order[1100:1450], order[1450:]

    best, best_score = None, 0.0
    for name, (sizes, options) in CANDIDATES.items():
        net = Network(sizes, seed=0, **options)
        history = net.fit(
            X[train],
            y[train],
            epochs=100,
            optimizer="adam",
            learning_rate=0.002,
            validation_data=(X[validation], y[validation]),
            early_stopping=EarlyStopping(patience=10),
        )
        score = net.score(X[validation], y[validation])
        print(f"{name:24} {score:.3f} in validation after {len(history)} epochs")
        if score > best_score:
            best, best_score = net, score

    accuracy = best.score(X[test], y[test])
    print(f"the best of them is right on {accuracy:.1%} of the test rows")
    wrong = test[best.predict(X[test]) != y[test]]
    for row in wrong[:2]:
        sure = best.predict_proba(X[row]).max()
        print(f"it takes this {y[row]} for a {best.predict(X[row])}, {sure:.0%} sure:")
        for line in digits.X[row].reshape(8, 8):
            print("   ", "".join(" .:-=+*#%"[int(ink) // 2] * 2 for ink in line))
    return accuracy


if __name__ == "__main__":
    main()
