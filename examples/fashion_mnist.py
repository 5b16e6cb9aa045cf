"""Fashion-MNIST from its idx files: a test accuracy above 89 % after a few seconds.

Run ``python examples/fashion_mnist.py [FOLDER] [--epochs N]``. FOLDER contains the four files of
https://github.com/zalandoresearch/fashion-mnist; default: ``../shared/data/fashion-mnist``.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from ffnn_fast import Network
from ffnn_fast.datasets import load_images
from ffnn_fast.metrics import confusion_matrix
from ffnn_fast.schedules import OneCycle

HERE = Path(__file__).resolve().parent
FOLDER = HERE.parent.parent / "shared" / "data" / "fashion-mnist"
CLASSES = (
    *("top", "trouser", "pullover", "dress", "coat"),
    *("sandal", "shirt", "sneaker", "bag", "boot"),
)
BATCH = 64


def main(folder: Path, epochs: int) -> float:
    """Train 784-256-128-10 with a one-cycle learning rate; return the test accuracy."""
    train, test = load_images(folder)
    mean, deviation = train.X.mean() / 255, train.X.std() / 255
    X, X_test = (
        ((part.X / np.float32(255) - mean) / deviation).astype(np.float32) for part in (train, test)
    )
    net = Network([784, 256, 128, 10], activation="relu", seed=0, l2=1e-4)
    steps = epochs * -(-len(X) // BATCH)
    history = net.fit(
        X,
        train.y,
        epochs=epochs,
        batch_size=BATCH,
        optimizer="momentum",
        learning_rate=OneCycle(peak=0.05, total=steps),
        validation_data=(X_test, test.y),
        callbacks=[
            lambda record: print(
                f"epoch {record['epoch']:2}  loss {record['loss']:.3f}  "
                f"test accuracy {record['val_accuracy']:.4f}  {record['seconds']:.2f} s"
            )
        ],
    )
    errors = confusion_matrix(test.y, net.predict(X_test))
    np.fill_diagonal(errors, 0)
    for largest in np.argsort(-errors, axis=None)[:3]:
        actual, predicted = divmod(int(largest), 10)
        count = errors[actual, predicted]
        print(f"{count:4} times predicted {CLASSES[predicted]}, actual {CLASSES[actual]}")
    return history[-1]["val_accuracy"]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    parser.add_argument("--epochs", type=int, default=12)
    args = parser.parse_args()
    if not args.folder.is_dir():
        sys.exit(f"skipped: there is no folder {args.folder} with the idx files")
    main(args.folder, args.epochs)
