"""How near is a step to what the machine allows, and what do its matrix products alone cost?"""

from time import sleep

from benches import probe, targets
from benches.charts import shares
from benches.report import at_least, in_units
from ffnn_fast._bench.arena import OURS, Contestant, cores_available
from ffnn_fast._bench.problems import MINIBATCH, ONLINE, WIDE
from ffnn_fast._bench.race import BREATH, race

PRODUCTS = "products alone"


def bound(arena, problem, threads):
    """Seconds below which a step cannot be: its products at the cores' peak, or, for one sample,
    one read and one write of every parameter.
    """
    worker = arena.worker(Contestant(PRODUCTS, threads, threads))
    sleep(BREATH["teams"])  # its idle BLAS threads would share a core with the loops of the probe
    products = problem.products_per_step / worker("probe", "peak", problem.dtype, threads)
    if problem.batch_size > 1:
        return "products at the FMA peak", products
    return "one sweep over the parameters", worker("probe", "sweep", problem.n_params)


def run(arena):
    """A record per case: the bound, BLAS's products alone, and our step."""
    if probe.compiler() is None:
        print("  left out: no C compiler for the probe")
        return []
    cases = [(problem, 1) for problem in [*ONLINE, *MINIBATCH, *([WIDE] if arena.full else [])]]
    cases += [(problem, 2) for problem in (MINIBATCH[-1], WIDE) if len(cores_available()) > 1]
    records = []
    for problem, threads in cases:
        print(f"  {problem}, threads {threads}", flush=True)
        pair = [Contestant(peer, threads, threads) for peer in (OURS, PRODUCTS)]
        raced = {r["peer"]: r for r in race(arena, problem, pair)}
        if OURS not in raced or PRODUCTS not in raced:
            continue
        kind, limit = bound(arena, problem, threads)
        ours = raced[OURS]["seconds"]
        records.append({
            "problem": str(problem), "case": problem.name, "batch_size": problem.batch_size,
            "threads": threads, "bound": kind, "bound_seconds": limit, "seconds": ours,
            "products_seconds": raced[PRODUCTS]["seconds"], "share": limit / ours,
            "gflops": problem.products_per_step / ours / 1e9,
        })  # fmt: skip
    return records


def promises(records):
    """Shares of the peak and of the sweep."""
    found = []
    for r in records:
        for kind, promised in (("peak", targets.SHARE_OF_PEAK), ("sweep", targets.SHARE_OF_SWEEP)):
            if r["problem"] in promised:
                what = f"{r['problem']}, threads {r['threads']}: share of the {kind} bound"
                found.append(at_least(what, r["share"], promised[r["problem"]]))
    return found


def tables(records):
    """One table."""
    header = ["problem", "threads", "bound", "bound's time", "our step", "share of the bound",
              "GFLOP/s", "products alone, NumPy's BLAS"]  # fmt: skip
    rows = [
        [r["problem"], r["threads"], r["bound"], in_units(r["bound_seconds"]),
         in_units(r["seconds"]), f"{r['share']:.0%}", f"{r['gflops']:.1f}",
         in_units(r["products_seconds"])]
        for r in records
    ]  # fmt: skip
    return [("Beside the machine's bounds", header, rows)]


def plots(records):
    """Each step's share of its bound."""
    bars = [
        (f"{r['case']}, batch {r['batch_size']}, threads {r['threads']}", r["share"],
         r["bound_seconds"] / r["products_seconds"])
        for r in records
    ]  # fmt: skip
    return {"roofline": lambda path: shares(bars, path)}
