"""How long does a scikit-learn user's script take when only its import is changed?"""

import numpy as np

from benches import scripts, targets
from benches.charts import bars
from benches.report import RELATIVE, at_least, at_most, in_megabytes, in_units
from benches.runner import Runner
from ffnn_fast._bench import processes
from ffnn_fast._bench.interleaving import interleave, summarize
from ffnn_fast._bench.pinning import cores_available
from ffnn_fast._bench.processes import FFNN_FAST, Library, WorkerError

SCIKIT_LEARN = "scikit-learn"
SAME = 1e-6  # of probabilities
SPARSE = f"{scripts.TEXTS} of {scripts.WORDS} words, 100 hidden units"
TITLE = f"Digits, 64-100-10; sparse rows, {SPARSE}; in float64 with scikit-learn's defaults"


def prepare(runner, name, library, measurements, results):
    """Add a measurement of the script with a library, after comparing its probabilities."""

    def checked(worker):
        _, score, proba = worker("script", name)
        others = [other for _, other in results.values()]
        if any(np.abs(proba - other).max() > SAME for other in others):
            raise WorkerError(f"{name}: probabilities differ from those of {FFNN_FAST}")
        results[library.name] = score, proba
        measurements[library.name] = lambda: worker("script", name)[0]

    runner.attempt(library, checked)


def run(runner):
    """A record per script and library."""
    records = []
    for name in scripts.NAMES:
        print(f"  {name}", flush=True)
        measurements, results = {}, {}
        threads = len(cores_available()) if name in scripts.SPARSE else 1
        used = [Library(library, threads, threads) for library in (FFNN_FAST, SCIKIT_LEARN)]
        for library in runner.installed(used):
            prepare(runner, name, library, measurements, results)
        if FFNN_FAST not in measurements:
            continue
        found = summarize(interleave(measurements, runner.rounds), FFNN_FAST)
        records += [
            {"script": name, "library": library, "threads": threads, "score": results[library][0],
             "bytes": memory(library, name) if name == scripts.SPARSE[0] else None, **figures}
            for library, figures in found.items()
        ]  # fmt: skip
    return records


def memory(name, script):
    """Bytes that the script needs with a library, in a new process."""
    worker = processes.start(Library(name), Runner.operations)
    try:
        return worker("script_memory", script)
    finally:
        worker.close()


def compare_with_targets(records):
    """The ratio of the times, and the difference of the scores."""
    found = []
    for name, least in targets.ESTIMATORS.items():
        here = {r["library"]: r for r in records if r["script"] == name}
        if SCIKIT_LEARN in here and FFNN_FAST in here:
            difference = abs(here[SCIKIT_LEARN]["score"] - here[FFNN_FAST]["score"])
            found.append(
                at_least(f"{name}: {SCIKIT_LEARN} / ffnn_fast", here[SCIKIT_LEARN]["ratio"], least)
            )
            found.append(at_most(f"{name}: difference of scores", difference, 0))
            if here[FFNN_FAST].get("bytes"):
                share = here[FFNN_FAST]["bytes"] / here[SCIKIT_LEARN]["bytes"]
                found.append(at_most(f"{name}: memory / that of {SCIKIT_LEARN}", share, 1))
    return found


def tables(records):
    """One table."""
    header = ["script", "estimator of", "threads", "time", RELATIVE, "score", "memory"]
    rows = [
        [
            r["script"],
            r["library"],
            str(r.get("threads", 1)),
            in_units(r["seconds"]),
            f"{r['ratio']:.2f}×",
            f"{r['score']:.4f}",
            in_megabytes(r.get("bytes")),
        ]
        for r in records
    ]
    return [(TITLE, header, rows)]


def plots(records):
    """Bars for each script."""
    labelled = [(r["script"], r["library"], r) for r in records]
    return {
        "estimators": lambda path: bars(labelled, "time of a script relative to ffnn_fast", path)
    }
