"""The epochs of the assignment's runs and a confusion matrix as a PNG file."""

from __future__ import annotations

from ffnn_fast.cli.course.assignment_results import Result, best_of
from ffnn_fast.cli.picture import write_png
from ffnn_fast.plotting import confusion_matrix


def draw_results(results: list[Result], path: str, title: str) -> None:
    """Write the epochs of all runs, and the confusion matrix of the best, to a PNG file."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(15, 4.5), layout="constrained")
    loss, accuracy, matrix = figure.subplots(1, 3)
    for result in results:
        epochs = [record["epoch"] for record in result.history]
        for ax, key in ((loss, "val_loss"), (accuracy, "val_accuracy")):
            values = [record[key] for record in result.history]
            label = f"{result.optimizer}, rate {result.learning_rate:g}"
            ax.plot(epochs, values, marker="o", markersize=3, label=label)
            ax.set(xlabel="epoch", ylabel=f"{key.removeprefix('val_')} in validation")
            ax.grid(alpha=0.3)
    loss.legend()
    best = best_of(results)
    confusion_matrix(best.confusion, matrix)
    matrix.set_title(f"{best.optimizer}: {best.test_accuracy:.1%} of the test images")
    figure.suptitle(title, parse_math=False)
    write_png(figure, path)
