"""How long does a whole fit on Fashion-MNIST take, to the same accuracy?"""

import numpy as np

from benches import fashion, targets
from benches.charts import bars
from benches.report import RELATIVE, at_least, at_most, in_units, per
from ffnn_fast._bench.interleaving import interleave, summarize
from ffnn_fast._bench.pinning import cores_available
from ffnn_fast._bench.problems import Problem
from ffnn_fast._bench.processes import FFNN_FAST, Library

FOLDER = "fashion-mnist"
CASE = Problem((784, 128, 10), 128, learning_rate=0.1)
MORE = [Problem((784, 256, 10), 128, activation="relu", learning_rate=0.1)]
LIBRARIES = [FFNN_FAST, "scikit-learn", "torch", "jax", "numpy"]


def measure(worker, problem, epochs, accuracies):
    """Seconds of one fit, whose accuracy is appended; each round has its own seed, for all."""
    seconds, accuracy = worker("fit", problem, epochs, len(accuracies))
    accuracies.append(accuracy)
    return seconds


def benchmark_fits(runner, problem, threads, epochs, rounds):
    """Records of whole fits; compilation falls into a fit of one epoch before them."""
    measurements, accuracies = {}, {}
    libraries = [Library(name, threads, threads) for name in LIBRARIES]
    if threads > 1:
        libraries.append(Library("jax", threads, 1))
    if runner.full:
        libraries.append(Library("torch.compile", threads, threads))
    for library in runner.installed(libraries):

        def prepare(worker):
            worker("load", runner.data / FOLDER)
            worker("fit", problem, 1, 0)

        if runner.attempt(library, prepare):
            got = accuracies[library] = []
            measurements[library] = lambda library=library, got=got: measure(
                runner.worker(library), problem, epochs, got
            )
    if libraries[0] not in measurements:
        return []
    found = summarize(interleave(measurements, rounds), libraries[0])
    return [
        {"problem": str(problem), "case": problem.name, "activation": problem.activation,
         "epochs": epochs, "threads": threads, "label": str(library), "library": library.name,
         "accuracy": float(np.median(accuracies[library])), **figures}
        for library, figures in found.items()
    ]  # fmt: skip


def run(runner):
    """A record per network, number of threads and library."""
    if not fashion.present(runner.data / FOLDER):
        print(f"  skipped: no Fashion-MNIST in {runner.data / FOLDER}")
        return []
    epochs, rounds = (10, 3) if runner.full else (2, 2)
    counts = [n for n in (1, 2) if n <= len(cores_available())] if runner.full else [1]
    records = []
    for problem in [CASE, *(MORE if runner.full else [])]:
        for threads in counts:
            print(f"  {problem}, {per(threads, 'thread')}", flush=True)
            records += benchmark_fits(runner, problem, threads, epochs, rounds)
    return records


def compare_with_targets(records):
    """Ratios of whole fits, and equal accuracy."""
    found = []
    for threads in sorted({r["threads"] for r in records}):
        here = [r for r in records if (r["problem"], r["threads"]) == (str(CASE), threads)]
        base = next(r["accuracy"] for r in here if r["library"] == FFNN_FAST)
        for name, least in targets.FIT.items():
            candidates = [r for r in here if r["library"] == name]
            if candidates:
                best = min(candidates, key=lambda r: r["ratio"])
                what = f"fit of {CASE.name} to Fashion-MNIST, {per(threads, 'thread')}: {name}"
                difference = abs(best["accuracy"] - base)
                found.append(at_least(f"{what} / ffnn_fast", best["ratio"], least))
                found.append(
                    at_most(f"{what}, difference of accuracy", difference, targets.SAME_ACCURACY)
                )
    return found


def tables(records):
    """One table."""
    header = ["network", "epochs", "threads", "library", "time", "test accuracy", RELATIVE]
    rows = [
        [f"{r['case']} {r['activation']}", r["epochs"], r["threads"], r["label"],
         in_units(r["seconds"]), f"{r['accuracy']:.2%}", f"{r['ratio']:.2f}×"]
        for r in records
    ]  # fmt: skip
    return [("Whole fit to Fashion-MNIST, batches of 128", header, rows)]


def plots(records):
    """Bars for each network and number of threads."""
    labelled = [
        (f"{r['case']} {r['activation']}\n{per(r['threads'], 'thread')}", r["label"], r)
        for r in records
    ]
    return {"fit": lambda path: bars(labelled, "time of a fit relative to ffnn_fast", path)}
