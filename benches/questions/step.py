"""How long is a step of SGD or Adam, over shapes, batches, dtypes, activations and threads?"""

from dataclasses import replace

from benches import targets
from benches.charts import bars
from benches.report import RELATIVE, at_least, in_units, per
from ffnn_fast._bench.pinning import cores_available
from ffnn_fast._bench.problems import ADAM, MINIBATCH, ONLINE, WIDE, Problem
from ffnn_fast._bench.processes import FFNN_FAST, Library
from ffnn_fast._bench.training_steps import benchmark_steps

MORE = [
    Problem((8, 64, 64, 4), 1), Problem((100, 50, 3), 16), Problem((784, 256, 10), 128),
    Problem((784, 1000, 1000, 10), 64), Problem((256, 256, 256, 256, 10), 512),
]  # fmt: skip
LIBRARIES = ["reference", "numpy", "scikit-learn", "torch", "jax"]


def libraries(threads, full):
    """ffnn_fast first; JAX also on one core, where it may be faster."""
    names = [FFNN_FAST, *LIBRARIES, *(["torch.compile"] if full else [])]
    found = [Library(name, threads, threads) for name in names]
    return found + ([Library("jax", threads, 1)] if threads > 1 else [])


def grid(full):
    """(problem, threads): the cases with targets; in full also float64, relu and more shapes."""
    tanh = [*ONLINE, *MINIBATCH]
    cases = [(problem, 1) for problem in tanh]
    cases += [(problem, 1) for problem in ADAM]
    cases += [(MINIBATCH[-1], 2), (WIDE, 2)]
    if full:
        cases += [(replace(problem, activation="relu"), 1) for problem in tanh]
        cases += [(replace(problem, dtype="float64"), 1) for problem in tanh]
        cases += [(problem, 1) for problem in MORE]
        cases += [(problem, 2) for problem in [*MORE[2:], MINIBATCH[0]]]
        cases += [(replace(problem, dtype="float64"), 2) for problem in [MINIBATCH[-1], WIDE]]
    return cases


def run(runner):
    """A record per case and library."""
    records = []
    for problem, threads in grid(runner.full):
        if threads > len(cores_available()):
            print(f"  {problem}, {threads} threads: skipped, too few cores")
            continue
        print(f"  {problem}, {threads} thread{'s' if threads > 1 else ''}", flush=True)
        full = runner.full and problem.optimizer == "sgd"
        found = benchmark_steps(runner, problem, libraries(threads, full))
        records += [{"problem": str(problem)} | record for record in found]
    return records


def compare_with_targets(records):
    """A comparison for each targeted ratio, with the fastest variant of a library."""
    found = []
    for (problem, threads), ratios in targets.STEP.items():
        here = [r for r in records if (r["problem"], r["threads"]) == (problem, threads)]
        for name, least in ratios.items():
            best = [r["ratio"] for r in here if r["library"] == name]
            if best:
                what = f"{problem}, {per(threads, 'thread')}: {name} / ffnn_fast"
                found.append(at_least(what, min(best), least))
    return found


def tables(records):
    """One table; the last column is the time relative to ffnn_fast's."""
    header = ["problem", "threads", "library", "time per step", "quartiles", RELATIVE]
    rows = []
    for r in records:
        low, high = (in_units(seconds) for seconds in r["quartiles"])
        rows.append(
            [r["problem"], r["threads"], r["label"], in_units(r["seconds"]), f"{low} to {high}",
             f"{r['ratio']:.2f}×"]
        )  # fmt: skip
    return [("Time of a step", header, rows)]


def plots(records):
    """Bars in groups, a group for each case of the usual dtype and activation."""
    usual = [
        r for r in records
        if (r["dtype"], r["activation"], r["optimizer"]) == ("float32", "tanh", "sgd")
    ]  # fmt: skip
    labelled = [
        (f"{r['case']}\nbatch {r['batch_size']}, {per(r['threads'], 'thread')}", r["label"], r)
        for r in usual
    ]
    return {"step": lambda path: bars(labelled, "time of a step relative to ffnn_fast", path)}
