"""``ffnn-fast demo``: the two problems of the lecture on real data."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from ffnn_fast.cli.arguments.declaration import group, option
from ffnn_fast.cli.arguments.parsing import Command
from ffnn_fast.cli.arguments.value_types import Integer, OneOf, Text
from ffnn_fast.cli.output import CommandError, aligned, check_output, seconds, write_line

if TYPE_CHECKING:
    import numpy as np

    from ffnn_fast._model.spec import NetworkSpec
    from ffnn_fast._runtime.inspection import GradientCheck
    from ffnn_fast.cli.demo_problems import Outcome
    from ffnn_fast.network import Network

CHECKED_ROWS = 2  # rows of a gradient check
TIMED_EPOCHS = 3  # the fastest of them counts


@dataclass(frozen=True)
class DemoTraining:
    """Epochs and random numbers."""

    seed: int = option(
        Integer(0), "of all random numbers (default: {default})", default=0, metavar="N"
    )
    epochs: int | None = option(
        Integer(1),
        "passes over the rows (default: 40 for the digits, 200 for the movies)",
        metavar="N",
    )


@dataclass(frozen=True)
class DemoOptions:
    """All options of ``ffnn-fast demo``."""

    only: str | None = option(OneOf(("digits", "movies")), "run one problem only")
    out: str | None = option(
        Text(), "write the models and learning curves to this folder", metavar="FOLDER"
    )
    training: DemoTraining = group(DemoTraining)


def run(options: DemoOptions) -> int:
    """Train, compare, check and time; returns the exit code."""
    from ffnn_fast.cli.demo_problems import digits, movies

    if options.out:
        _check_folder(options.out)
    problems: dict[str, Callable[[int, int | None], Outcome]] = {"digits": digits, "movies": movies}
    failures = []
    for name, learn in problems.items():
        if options.only in (None, name):
            failures += _present(learn(options.training.seed, options.training.epochs), options.out)
    for failure in failures:
        write_line(f"FAILED: {failure}")
    return 1 if failures else 0


def _present(outcome: Outcome, folder: str | None) -> list[str]:
    """Show a problem's outcome; returns what went wrong."""
    X, y = outcome.rows
    write_line()
    write_line(aligned(outcome.results))
    write_line()
    check = _check(outcome.network.spec, X[:CHECKED_ROWS], y[:CHECKED_ROWS])
    verdict = "ok" if check.passed else "FAILED"
    write_line(
        "  gradient check with tanh, backpropagation against central differences: "
        f"relative error {check.max_relative_error:.1e}  {verdict}"
    )
    write_line()
    write_line(aligned(_timings(outcome.network, X, y)))
    write_line()
    if folder:
        _write(outcome, folder)
    failures = []
    if not outcome.beats_baseline:
        failures.append(f"{outcome.name}: the network does not beat its baseline")
    return failures + ([] if check.passed else [f"{outcome.name}: the gradient check"])


def _check(spec: NetworkSpec, X: np.ndarray, y: np.ndarray) -> GradientCheck:
    """A gradient check of new layers of this kind with tanh: across the kink of relu a central
    difference is wrong, and among thousands of pre-activations some are that close to 0.
    """
    from ffnn_fast.network import Network

    layers: dict[str, Any] = {"output": spec.output, "loss": spec.loss, "l2": spec.l2}
    return Network(spec.layer_sizes, seed=0, n_threads=1, **layers).check_gradients(X, y)


def _timings(network: Network, X: np.ndarray, y: np.ndarray) -> list[tuple[str, ...]]:
    """Time per epoch of engine and reference, one thread each."""
    from ffnn_fast._runtime.blas_limit import one_blas_thread
    from ffnn_fast.network import Network

    rows: list[tuple[str, ...]] = [
        (f"time per epoch of {len(X)} rows, one thread", "engine", "reference", "ratio")
    ]
    for title, batch_size in (("32 rows a step", 32), ("1 row a step", 1)):
        spent = []
        for engine in ("compiled", "reference"):
            net = Network.from_params(network.spec, network.params, engine=engine, n_threads=1)
            # A tiny step takes as long as any other, and the parameters stay finite.
            options: dict[str, Any] = {"epochs": TIMED_EPOCHS, "batch_size": batch_size}
            fit = partial(net.fit, X, y, learning_rate=1e-6, metrics=False, **options)
            history = one_blas_thread(fit)
            spent.append(min(history["seconds"]))
        ratio = f"{spent[1] / spent[0]:.1f}"
        rows.append((title, seconds(spent[0]), seconds(spent[1]), ratio))
    return rows


def _check_folder(folder: str) -> None:
    from ffnn_fast.cli.picture import is_drawable

    os.makedirs(folder, exist_ok=True)
    check_output(os.path.join(folder, "digits.safetensors"))
    if not is_drawable():
        raise CommandError(
            '--out draws learning curves with matplotlib: pip install "ffnn_fast[cli]"'
        )


def _write(outcome: Outcome, folder: str) -> None:
    from ffnn_fast.cli.picture import draw
    from ffnn_fast.cli.table_preprocessing import KEY

    path = os.path.join(folder, outcome.name)
    outcome.network.save(f"{path}.safetensors", extra={KEY: outcome.preprocessing.to_json()})
    draw(outcome.history, f"{path}.png", outcome.name)
    write_line(f"  {path}.safetensors, {path}.png\n")


COMMAND = Command(
    "demo",
    DemoOptions,
    run,
    description="Trains on (a) images of handwritten digits, 1 of 10 classes, and (b) movie "
    "ratings, Fandango's from those of five other sites. Compares the results with simple "
    "baselines, checks the gradients, and shows the time per epoch of the compiled engine and its "
    "NumPy reference. The exit code is 0 only if the networks beat nearest class mean "
    "and ridge regression and their gradients pass the check.",
)
