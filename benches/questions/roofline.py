"""How close is a step to the bound of the machine, and what do its matrix products alone cost?"""

from time import sleep

from benches import probe, targets
from benches.charts import shares
from benches.report import at_least, in_units
from ffnn_fast._bench.interleaving import PAUSE_OF_TEAMS
from ffnn_fast._bench.pinning import cores_available
from ffnn_fast._bench.problems import MINIBATCH, ONLINE, WIDE
from ffnn_fast._bench.processes import FFNN_FAST, Library
from ffnn_fast._bench.training_steps import benchmark_steps

PRODUCTS = "products alone"


def bound(runner, problem, threads):
    """A lower bound of a step in seconds: its products at the peak of the cores, or, for one
    sample, one read and one write of every parameter.
    """
    worker = runner.worker(Library(PRODUCTS, threads, threads))
    sleep(PAUSE_OF_TEAMS)  # its idle BLAS threads would share a core with the probe
    products = problem.products_per_step / worker("probe", "peak", problem.dtype, threads)
    if problem.batch_size > 1:
        return "products at the FMA peak", products
    return "one sweep over the parameters", worker("probe", "sweep", problem.n_params)


def run(runner):
    """A record per case: the bound, BLAS's products alone, and ffnn_fast's step."""
    if probe.compiler() is None:
        print("  skipped: no C compiler for the probe")
        return []
    cases = [(problem, 1) for problem in [*ONLINE, *MINIBATCH, *([WIDE] if runner.full else [])]]
    cases += [(problem, 2) for problem in (MINIBATCH[-1], WIDE) if len(cores_available()) > 1]
    records = []
    for problem, threads in cases:
        print(f"  {problem}, threads {threads}", flush=True)
        pair = [Library(name, threads, threads) for name in (FFNN_FAST, PRODUCTS)]
        times = {r["library"]: r for r in benchmark_steps(runner, problem, pair)}
        if FFNN_FAST not in times or PRODUCTS not in times:
            continue
        kind, limit = bound(runner, problem, threads)
        seconds = times[FFNN_FAST]["seconds"]
        records.append({
            "problem": str(problem), "case": problem.name, "batch_size": problem.batch_size,
            "threads": threads, "bound": kind, "bound_seconds": limit, "seconds": seconds,
            "products_seconds": times[PRODUCTS]["seconds"], "share": limit / seconds,
            "gflops": problem.products_per_step / seconds / 1e9,
        })  # fmt: skip
    return records


def compare_with_targets(records):
    """Shares of the peak and of the sweep."""
    found = []
    for r in records:
        for kind, targeted in (("peak", targets.SHARE_OF_PEAK), ("sweep", targets.SHARE_OF_SWEEP)):
            if r["problem"] in targeted:
                what = f"{r['problem']}, threads {r['threads']}: share of the {kind} bound"
                found.append(at_least(what, r["share"], targeted[r["problem"]]))
    return found


def tables(records):
    """One table."""
    header = ["problem", "threads", "bound", "time of the bound", "step", "share of the bound",
              "GFLOP/s", "products alone, NumPy's BLAS"]  # fmt: skip
    rows = [
        [r["problem"], r["threads"], r["bound"], in_units(r["bound_seconds"]),
         in_units(r["seconds"]), f"{r['share']:.0%}", f"{r['gflops']:.1f}",
         in_units(r["products_seconds"])]
        for r in records
    ]  # fmt: skip
    return [("Bounds of the machine", header, rows)]


def plots(records):
    """Each step's share of its bound."""
    bars = [
        (f"{r['case']}, batch {r['batch_size']}, threads {r['threads']}", r["share"],
         r["bound_seconds"] / r["products_seconds"])
        for r in records
    ]  # fmt: skip
    return {"roofline": lambda path: shares(bars, path)}
