"""How long does a whole fit on Fashion-MNIST take, to the same accuracy?"""

import numpy as np

from benches import fashion, targets
from benches.charts import bars
from benches.report import at_least, at_most, in_units, per
from ffnn_fast._bench.arena import OURS, Contestant, cores_available
from ffnn_fast._bench.problems import Problem
from ffnn_fast._bench.race import summary, take_turns

FOLDER = "fashion-mnist"
CASE = Problem((784, 128, 10), 128, learning_rate=0.1)
MORE = [Problem((784, 256, 10), 128, activation="relu", learning_rate=0.1)]
PEERS = [OURS, "scikit-learn", "torch", "jax", "numpy"]


def turn(worker, problem, epochs, accuracies):
    """One fit; notes its accuracy. Each round shuffles from another seed, alike for all."""
    seconds, accuracy = worker("fit", problem, epochs, len(accuracies))
    accuracies.append(accuracy)
    return seconds


def race_fits(arena, problem, threads, epochs, rounds):
    """Records of whole fits; a fit of one epoch before leaves compilation out."""
    turns, accuracies = {}, {}
    entered = [Contestant(peer, threads, threads) for peer in PEERS]
    if threads > 1:
        entered.append(Contestant("jax", threads, 1))
    if arena.full:
        entered.append(Contestant("torch.compile", threads, threads))
    for contestant in arena.present(entered):

        def prepare(worker):
            worker("load", arena.data / FOLDER)
            worker("fit", problem, 1, 0)

        if arena.attempt(contestant, prepare):
            got = accuracies[contestant] = []
            turns[contestant] = lambda c=contestant, got=got: turn(
                arena.worker(c), problem, epochs, got
            )
    if entered[0] not in turns:
        return []
    found = summary(take_turns(turns, rounds), entered[0])
    return [
        {"problem": str(problem), "case": problem.name, "activation": problem.activation,
         "epochs": epochs, "budget": threads, "contestant": str(contestant),
         "peer": contestant.peer, "accuracy": float(np.median(accuracies[contestant])), **figures}
        for contestant, figures in found.items()
    ]  # fmt: skip


def run(arena):
    """A record per network, number of threads and contestant."""
    if not fashion.present(arena.data / FOLDER):
        print(f"  left out: no Fashion-MNIST in {arena.data / FOLDER}")
        return []
    epochs, rounds = (10, 3) if arena.full else (2, 2)
    budgets = [n for n in (1, 2) if n <= len(cores_available())] if arena.full else [1]
    records = []
    for problem in [CASE, *(MORE if arena.full else [])]:
        for threads in budgets:
            print(f"  {problem}, {per(threads, 'thread')}", flush=True)
            records += race_fits(arena, problem, threads, epochs, rounds)
    return records


def promises(records):
    """Ratios of whole fits, and equal accuracy."""
    found = []
    for budget in sorted({r["budget"] for r in records}):
        here = [r for r in records if (r["problem"], r["budget"]) == (str(CASE), budget)]
        ours = next(r["accuracy"] for r in here if r["peer"] == OURS)
        for peer, least in targets.FIT.items():
            theirs = [r for r in here if r["peer"] == peer]
            if theirs:
                best = min(theirs, key=lambda r: r["ratio"])
                what = f"fit of {CASE.name} to Fashion-MNIST, {per(budget, 'thread')}: {peer}"
                apart = abs(best["accuracy"] - ours)
                found.append(at_least(f"{what} / ours", best["ratio"], least))
                found.append(at_most(f"{what}, accuracy apart", apart, targets.SAME_ACCURACY))
    return found


def tables(records):
    """One table."""
    header = ["network", "epochs", "threads", "contestant", "time", "test accuracy", "times ours"]
    rows = [
        [f"{r['case']} {r['activation']}", r["epochs"], r["budget"], r["contestant"],
         in_units(r["seconds"]), f"{r['accuracy']:.2%}", f"{r['ratio']:.2f}×"]
        for r in records
    ]  # fmt: skip
    return [("Whole fit to Fashion-MNIST, batches of 128", header, rows)]


def plots(records):
    """Bars for each network and number of threads."""
    labelled = [
        (f"{r['case']} {r['activation']}\n{per(r['budget'], 'thread')}", r["contestant"], r)
        for r in records
    ]
    return {"fit": lambda path: bars(labelled, "time of a fit beside ours", path)}
