"""How long do a step per call, derivatives of a network and its integral take?"""

import numpy as np

from benches import targets
from benches.charts import bars
from benches.derivative_calls import LIBRARIES, ROW, TRAINING
from benches.report import RELATIVE, at_least, at_most, in_units
from ffnn_fast._bench.interleaving import interleave, summarize
from ffnn_fast._bench.processes import FFNN_FAST, Library, WorkerError

ENGINE_ALONE = "ffnn_fast: engine alone"
# Of the largest entry; of steps of Adam, which divides an entry by its magnitude, of ‖θ‖.
AGREE = 1e-2


def prepare(runner, name, label, measurements, results):
    """Add a measurement of a call after comparing what it computes with ffnn_fast's."""

    def checked(worker):
        found, expected = worker("derivative", label, name), results.get(FFNN_FAST)
        if expected is not None and found is not None:
            error = np.linalg.norm(found - expected) / np.linalg.norm(expected)
            if not error <= AGREE:
                raise WorkerError(f"{name}: {label} differs from {FFNN_FAST} by {error:.1e}")
        results[label] = found
        measurements[label] = lambda: worker("derivative_time", label, name, runner.seconds)

    runner.attempt(Library(label.split(":")[0]), checked)


def run(runner):
    """A record per case and library or way."""
    records = []
    for name, labels in LIBRARIES.items():
        print(f"  {name}", flush=True)
        measurements, results = {}, {}
        there = [library.name for library in runner.installed(
            [Library(each) for each in dict.fromkeys(label.split(":")[0] for label in labels)]
        )]  # fmt: skip
        for label in labels:
            if label.split(":")[0] in there:
                prepare(runner, name, label, measurements, results)
        if FFNN_FAST not in measurements:
            continue
        found = summarize(interleave(measurements, runner.rounds), FFNN_FAST)
        records += [{"case": name, "library": label, **each} for label, each in found.items()]
    return records


def compare_with_targets(records):
    """Ratios of times, the stepper's time above the engine's, and that of one row."""
    here = {(r["case"], r["library"]): r for r in records}
    found = []
    first = next(iter(TRAINING))
    if (first, ENGINE_ALONE) in here:
        above = here[first, FFNN_FAST]["seconds"] - here[first, ENGINE_ALONE]["seconds"]
        what = f"{first}: stepper.step above the engine alone, µs"
        found.append(at_most(what, above * 1e6, targets.STEPPER_ABOVE_ENGINE * 1e6))
    for case, bounds in targets.DERIVATIVES.items():
        found += [
            at_least(f"{case}: {library} / ffnn_fast", here[case, library]["ratio"], least)
            for library, least in bounds.items()
            if (case, library) in here
        ]
    if (ROW, FFNN_FAST) in here:
        seconds = here[ROW, FFNN_FAST]["seconds"]
        found.append(at_most(f"{ROW}, µs", seconds * 1e6, targets.ROW_WITH_JACOBIAN * 1e6))
    return found


def tables(records):
    """One table."""
    header = ["call", "library", "time", RELATIVE]
    rows = [
        [r["case"], r["library"], in_units(r["seconds"]), f"{r['ratio']:.2f}×"] for r in records
    ]
    return [("One call, or one step of Adam, on one thread in float32", header, rows)]


def plots(records):
    """Bars for each call."""
    labelled = [(r["case"], r["library"], r) for r in records]
    return {"derivatives": lambda path: bars(labelled, "time relative to ffnn_fast", path)}
