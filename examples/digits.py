"""Handwritten digits: select the best of four networks by validation, and test it on other rows.

Run ``python examples/digits.py``. The data set comes with the package.
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
    """Train the candidates and select the best by validation accuracy; return its test accuracy."""
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
        print(f"{name:24} validation accuracy {score:.3f} after {len(history)} epochs")
        if score > best_score:
            best, best_score = net, score

    accuracy = best.score(X[test], y[test])
    print(f"test accuracy of the best: {accuracy:.1%}")
    wrong = test[best.predict(X[test]) != y[test]]
    for row in wrong[:2]:
        predicted, probability = best.predict(X[row]), best.predict_proba(X[row]).max()
        print(f"predicted {predicted} with probability {probability:.0%}, actual {y[row]}:")
        for line in digits.X[row].reshape(8, 8):
            print("   ", "".join(" .:-=+*#%"[int(ink) // 2] * 2 for ink in line))
    return accuracy


if __name__ == "__main__":
    main()
