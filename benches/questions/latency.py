"""How long does one call take that predicts one row (in full: also a few and many rows)?"""

import numpy as np

from benches import targets
from benches.charts import bars
from benches.problems import Problem
from benches.race import OURS, Contestant, ContestantError, summary, take_turns
from benches.report import at_least, at_most, in_units, per

CASE = Problem((8, 64, 64, 4), 1)
MORE = [
    Problem((16, 32, 4), 1), Problem((784, 128, 10), 1), Problem((8, 64, 64, 4), 32),
    Problem((784, 128, 10), 1024),
]  # fmt: skip
PEERS = ["bare call", "numpy", "onnxruntime", "torch", "jax", "scikit-learn"]
BASE = (OURS, "predictor(x, out)")
TOLERANCE = 1e-5


def answers(problem):
    """ŷ by our reference in float64."""
    from ffnn_fast import Network

    net = Network(problem.sizes, activation=problem.activation, dtype="float64", engine="reference")
    for W, b, (W_0, b_0) in zip(net.weights, net.biases, problem.start(), strict=True):
        W[:], b[:] = W_0, b_0
    return net.forward(problem.with_steps(1).rows()[0])


def agree(got, right):
    """Whether an answer is ŷ, or the class that ŷ says."""
    if got.shape == right.shape[:1]:
        return (got == right.argmax(axis=1)).all()
    return np.allclose(got.reshape(right.shape), right, atol=TOLERANCE)


def number_for(worker, way, seconds):
    """Calls that last about so long."""
    number = 1
    while (took := worker("calls", way, number)) < seconds / 2:
        number = int(number * min(20, 1 + seconds / max(took, 1e-9)))
    return number


def enter(arena, problem, contestant, turns):
    """Adds a turn for each of the contestant's ways."""
    right = answers(problem)

    def prepare(worker):
        for way in worker("ways", problem):
            if contestant.peer != "bare call" and not agree(worker("answer", way), right):
                raise ContestantError(f"{way} gives another answer than the reference")
            number = number_for(worker, way, arena.seconds)
            turns[contestant.peer, way] = lambda way=way, n=number: worker("calls", way, n) / n

    arena.attempt(contestant, prepare)


def run(arena):
    """A record per case and way."""
    records = []
    peers = [OURS, *PEERS, *(["torch.compile"] if arena.full else [])]
    for problem in [CASE, *(MORE if arena.full else [])]:
        print(f"  {problem}", flush=True)
        turns = {}
        for contestant in arena.present([Contestant(peer) for peer in peers]):
            enter(arena, problem, contestant, turns)
        if BASE not in turns:
            continue
        found = summary(take_turns(turns, arena.rounds), BASE)
        records += [
            {"problem": str(problem), "case": problem.name, "batch_size": problem.batch_size,
             "peer": peer, "way": way, **figures}
            for (peer, way), figures in found.items()
        ]  # fmt: skip
    return records


def promises(records):
    """Ratios to each peer's fastest way, and the distance from a bare call."""
    here = [r for r in records if r["problem"] == str(CASE)]
    found = []
    for peer, least in targets.LATENCY.items():
        ratios = [r["ratio"] for r in here if r["peer"] == peer]
        if ratios:
            what = f"one row, {CASE.name}: {peer} / predictor(x, out)"
            found.append(at_least(what, min(ratios), least))
    seconds = {(r["peer"], r["way"]): r["seconds"] for r in here}
    if ("bare call", "two arrays") in seconds:
        above = seconds[BASE] - seconds["bare call", "two arrays"]
        what = f"one row, {CASE.name}: predictor(x, out) above a bare call, µs"
        found.append(at_most(what, above * 1e6, targets.ABOVE_BARE_CALL * 1e6))
    return found


def tables(records):
    """One table; the last column is a way's time over our predictor's."""
    header = ["network and rows", "library", "call", "time", "times predictor(x, out)"]
    rows = [
        [f"{r['case']}, {r['batch_size']}", r["peer"], f"`{r['way']}`", in_units(r["seconds"]),
         f"{r['ratio']:.2f}×"]
        for r in records
    ]  # fmt: skip
    return [("Time of one call", header, rows)]


def plots(records):
    """Bars for each way."""
    labelled = [
        (f"{r['case']}\n{per(r['batch_size'], 'row')}", f"{r['peer']}: {r['way']}", r)
        for r in records
    ]
    return {"latency": lambda path: bars(labelled, "time of a call beside predictor(x, out)", path)}
