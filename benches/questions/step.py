"""How long is a step of SGD or Adam, over shapes, batches, dtypes, activations and threads?"""

from dataclasses import replace

from benches import targets
from benches.charts import bars
from benches.report import at_least, in_units, per
from ffnn_fast._bench.arena import OURS, Contestant, cores_available
from ffnn_fast._bench.problems import ADAM, MINIBATCH, ONLINE, WIDE, Problem
from ffnn_fast._bench.race import race

MORE = [
    Problem((8, 64, 64, 4), 1), Problem((100, 50, 3), 16), Problem((784, 256, 10), 128),
    Problem((784, 1000, 1000, 10), 64), Problem((256, 256, 256, 256, 10), 512),
]  # fmt: skip
PEERS = ["reference", "numpy", "scikit-learn", "torch", "jax"]


def contestants(threads, full):
    """Us first; JAX also on one core where there are more, since it may be faster so."""
    peers = [OURS, *PEERS, *(["torch.compile"] if full else [])]
    entered = [Contestant(peer, threads, threads) for peer in peers]
    return entered + ([Contestant("jax", threads, 1)] if threads > 1 else [])


def grid(full):
    """(problem, threads): the promised cases; in full also float64, relu and more shapes."""
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


def run(arena):
    """A record per case and contestant."""
    records = []
    for problem, threads in grid(arena.full):
        if threads > len(cores_available()):
            print(f"  {problem}, {threads} threads: left out, too few cores")
            continue
        print(f"  {problem}, {threads} thread{'s' if threads > 1 else ''}", flush=True)
        full = arena.full and problem.optimizer == "sgd"
        found = race(arena, problem, contestants(threads, full))
        records += [{"problem": str(problem), "budget": threads} | record for record in found]
    return records


def promises(records):
    """A verdict for each promised ratio; a peer counts at its fastest."""
    found = []
    for (problem, threads), ratios in targets.STEP.items():
        here = [r for r in records if (r["problem"], r["budget"]) == (problem, threads)]
        for peer, least in ratios.items():
            best = [r["ratio"] for r in here if r["peer"] == peer]
            if best:
                what = f"{problem}, {per(threads, 'thread')}: {peer} / ours"
                found.append(at_least(what, min(best), least))
    return found


def tables(records):
    """One table; the last column is a contestant's time over ours."""
    header = ["problem", "threads", "contestant", "time per step", "middle half", "times ours"]
    rows = []
    for r in records:
        low, high = (in_units(seconds) for seconds in r["quartiles"])
        rows.append(
            [r["problem"], r["budget"], r["contestant"], in_units(r["seconds"]), f"{low} to {high}",
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
        (f"{r['case']}\nbatch {r['batch_size']}, {per(r['budget'], 'thread')}", r["contestant"], r)
        for r in usual
    ]
    return {"step": lambda path: bars(labelled, "time of a step beside ours", path)}
