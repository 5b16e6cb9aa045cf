"""How does the time of a step grow with width and depth, and shrink with threads?"""

from benches import targets
from benches.charts import curves
from benches.report import RELATIVE, at_least, in_units
from ffnn_fast._bench.pinning import cores_available
from ffnn_fast._bench.problems import MINIBATCH, ONLINE, WIDE, Problem
from ffnn_fast._bench.processes import FFNN_FAST, Library
from ffnn_fast._bench.training_steps import benchmark_steps

LIBRARIES = [FFNN_FAST, "numpy", "torch", "jax"]
GEMM_BOUND = [MINIBATCH[-1], Problem((1024, 1024, 1024, 10), 256), WIDE]
SMALL = [*ONLINE, *MINIBATCH[:-1], Problem((784, 128, 10), 128)]


def widths(full):
    """Two hidden layers as wide as the input."""
    sizes = [16, 64, 256, 1024] if not full else [16, 32, 64, 128, 256, 512, 1024, 2048]
    return {w: Problem((w, w, w, 10), 128) for w in sizes}


def depths(full):
    """Layers of 32."""
    numbers = [1, 4, 16] if not full else [1, 2, 4, 8, 16, 32]
    return {n: Problem((*[32] * n, 10), 32) for n in numbers}


def threads_of(problem, runner):
    """ffnn_fast on one thread and on every larger power of two up to all cores."""
    cores, counts = len(cores_available()), [1]
    while counts[-1] < cores:
        counts.append(min(2 * counts[-1], cores))
    return benchmark_steps(runner, problem, [Library(FFNN_FAST, count, count) for count in counts])


def run(runner):
    """Records of three axes: width, depth, threads."""
    records = []
    for axis, problems in (("width", widths(runner.full)), ("depth", depths(runner.full))):
        for value, problem in problems.items():
            print(f"  {axis} {value}", flush=True)
            found = benchmark_steps(runner, problem, [Library(name) for name in LIBRARIES])
            records += [{"axis": axis, "value": value} | record for record in found]
    for problem in [*GEMM_BOUND, *SMALL]:
        print(f"  threads: {problem}", flush=True)
        found = threads_of(problem, runner)
        records += [
            {"axis": "threads", "value": r["threads"], "problem": str(problem)} | r for r in found
        ]
    return records


def compare_with_targets(records):
    """Speed-up of two threads, for networks bound by products and for any network."""
    bound = {str(problem) for problem in GEMM_BOUND}
    found = []
    for r in records:
        if (r["axis"], r["value"]) == ("threads", 2):
            kind = "products" if r["problem"] in bound else "anywhere"
            what = f"{r['problem']}: 1 thread / 2 threads"
            found.append(at_least(what, 1 / r["ratio"], targets.TWO_THREADS[kind]))
    return found


def tables(records):
    """A table per axis, relative to one thread or to ffnn_fast."""
    found = []
    for axis in ("width", "depth", "threads"):
        here = [r for r in records if r["axis"] == axis]
        if axis == "threads":
            header = ["problem", "threads", "time per step", "speed-up"]
            rows = [
                [r["problem"], r["value"], in_units(r["seconds"]), f"{1 / r['ratio']:.2f}×"]
                for r in here
            ]
        else:
            header = [axis, "library", "time per step", RELATIVE]
            rows = [
                [r["value"], r["label"], in_units(r["seconds"]), f"{r['ratio']:.2f}×"] for r in here
            ]
        found.append((f"With {axis}", header, rows))
    return found


def plots(records):
    """A plot for width and one for depth."""
    found = {}
    for axis, what in (("width", "width w, network w-w-w-10, batch 128"),
                       ("depth", "layers of 32, batch 32")):  # fmt: skip
        points = [(r["label"], r["value"], r["seconds"]) for r in records if r["axis"] == axis]
        found[f"scaling_{axis}"] = lambda path, p=points, w=what: curves(p, w, path)
    return found
