"""Results of the assignment's runs: figures of each epoch, on the test images, and their table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Records = list[dict[str, float]]


@dataclass(frozen=True)
class Result:
    """One run with an optimizer.

    Attributes
    ----------
    optimizer : str
    learning_rate : float
    history : list of dict of str to float
        A record for each epoch.
    test_accuracy : float
    confusion : array of shape (10, 10), int64
        Counts of the test images: a row for each true class, a column for each predicted one.
    """

    optimizer: str
    learning_rate: float
    history: Records
    test_accuracy: float
    confusion: np.ndarray

    @property
    def seconds(self) -> float:
        """Time of the steps alone, in seconds."""
        return sum(record["seconds"] for record in self.history)

    @property
    def validation_accuracy(self) -> float:
        """That after the last epoch."""
        return self.history[-1]["val_accuracy"]


def table(results: list[Result]) -> list[tuple[str, ...]]:
    """A row for each run, under a title."""
    head = ("optimizer", "rate", "loss", "validation", "accuracy", "test accuracy", "time")
    rows = [
        (
            result.optimizer,
            f"{result.learning_rate:g}",
            *(f"{result.history[-1][key]:.4f}" for key in ("loss", "val_loss", "val_accuracy")),
            f"{result.test_accuracy:.4f}",
            f"{result.seconds:.2f} s",
        )
        for result in results
    ]
    return [head, *rows]


def best_of(results: list[Result]) -> Result:
    """The run with the highest accuracy in validation."""
    return max(results, key=lambda result: result.validation_accuracy)
