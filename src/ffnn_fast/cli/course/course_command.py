"""``ffnn-fast course``: the assignment of the lecture, with its options, on images from files."""

from __future__ import annotations

import os

from ffnn_fast.cli.arguments.parsing import Command
from ffnn_fast.cli.course.assignment_results import Result, best_of, table
from ffnn_fast.cli.course.course_options import OPTIMIZERS, CourseOptions
from ffnn_fast.cli.output import CommandError, aligned, check_output, write_line

DEFAULT_RATE = 0.1


def run(options: CourseOptions) -> int:
    """Train, once or with each optimizer, and show the results; returns the exit code."""
    from ffnn_fast.cli.course import assignment

    data, training, plot = options.data, options.training, options.results.plot
    if plot:
        _check_plot(plot)
    images = assignment.load(data.data, data.dataset, training.seed)
    write_line(
        f"{data.dataset}: {len(images.train.X)} images to train on, "
        f"{len(images.validation.X)} to validate, {len(images.test.X)} to test"
    )
    if not options.results.compare:
        rate = training.learning_rate or DEFAULT_RATE
        result = assignment.learn(images, options, training.optimizer, rate)
        _show(result)
        results = [result]
    else:
        results = []
        for name in OPTIMIZERS:
            rate = training.learning_rate or assignment.USUAL_RATES[name]
            results.append(assignment.learn(images, options, name, rate))
        write_line()
        write_line(aligned(table(results)))
        best = best_of(results)
        write_line(f"\n  best in validation: {best.optimizer}")
        _show(best)
    if plot:
        from ffnn_fast.cli.course.course_picture import draw_results

        draw_results(results, plot, data.dataset)
        write_line(f"\n  {plot}")
    return 0


def _show(result: Result) -> None:
    write_line()
    write_line(
        f"  test accuracy {result.test_accuracy:.4f}, "
        f"validation {result.validation_accuracy:.4f}, {result.seconds:.2f} s to train"
    )
    write_line(
        "\n  confusion matrix of the test images: rows are true classes, columns predicted ones"
    )
    rows = [["", *map(str, range(len(result.confusion)))]]
    rows += [[str(k), *map(str, row)] for k, row in enumerate(result.confusion)]
    write_line(aligned(rows))


def _check_plot(path: str) -> None:
    from ffnn_fast.cli.picture import is_drawable

    check_output(path)
    if not is_drawable():
        raise CommandError('--plot needs matplotlib: pip install "ffnn_fast[cli]"')
    if os.path.splitext(path)[1].lower() != ".png":
        raise CommandError(f"--plot writes a PNG file, so its name must end in .png; got {path}")


COMMAND = Command(
    "course",
    CourseOptions,
    run,
    description="Trains on images of 10 classes, with the options of the lecture's assignment. A "
    "tenth of the training images is held out for validation; loss and accuracy of each epoch, the "
    "test accuracy and the confusion matrix are shown. Both losses have softmax outputs.",
    epilog="example: ffnn-fast course --data FOLDER -e 10 -b 64 -o nadam -lr 0.001 -beta1 0.9 "
    "-beta2 0.999 -nhl 2 -sz 128 -a tanh -w_i Xavier",
)
