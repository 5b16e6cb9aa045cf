"""How long does a scikit-learn user's script take when only its import is changed?"""

import numpy as np

from benches import scripts, targets
from benches.charts import bars
from benches.report import at_least, at_most, in_units
from ffnn_fast._bench.arena import OURS, Contestant, ContestantError
from ffnn_fast._bench.race import summary, take_turns

PEER = "scikit-learn"
SAME = 1e-6  # of probabilities


def enter(arena, name, contestant, turns, said):
    """Adds a turn for a contestant that runs the script."""

    def prepare(worker):
        _, score, proba = worker("script", name)
        others = [other for _, other in said.values()]
        if any(np.abs(proba - other).max() > SAME for other in others):
            raise ContestantError(f"{name}: other probabilities than {OURS}'s")
        said[contestant.peer] = score, proba
        turns[contestant.peer] = lambda: worker("script", name)[0]

    arena.attempt(contestant, prepare)


def run(arena):
    """A record per script and contestant."""
    records = []
    for name in scripts.NAMES:
        print(f"  {name}", flush=True)
        turns, said = {}, {}
        for contestant in arena.present([Contestant(OURS), Contestant(PEER)]):
            enter(arena, name, contestant, turns, said)
        if OURS not in turns:
            continue
        found = summary(take_turns(turns, arena.rounds), OURS)
        records += [
            {"script": name, "peer": peer, "score": said[peer][0], **figures}
            for peer, figures in found.items()
        ]  # fmt: skip
    return records


def promises(records):
    """Their time over ours, and scores that are the same."""
    found = []
    for name, least in targets.ESTIMATORS.items():
        here = {r["peer"]: r for r in records if r["script"] == name}
        if PEER in here and OURS in here:
            apart = abs(here[PEER]["score"] - here[OURS]["score"])
            found.append(at_least(f"{name}: {PEER} / ours", here[PEER]["ratio"], least))
            found.append(at_most(f"{name}: scores apart", apart, 0))
    return found


def tables(records):
    """One table."""
    header = ["script", "estimator of", "time", "times ours", "score"]
    rows = [
        [r["script"], r["peer"], in_units(r["seconds"]), f"{r['ratio']:.2f}×", f"{r['score']:.4f}"]
        for r in records
    ]
    return [("Digits, 64-100-10 in float64 with scikit-learn's defaults", header, rows)]


def plots(records):
    """Bars for each script."""
    labelled = [(r["script"], r["peer"], r) for r in records]
    return {"estimators": lambda path: bars(labelled, "time of a script beside ours", path)}
