"""How long does one call take that predicts one row (in full: also a few and many rows)?"""

from benches import targets
from benches.charts import bars
from benches.report import at_least, at_most, in_units, per
from ffnn_fast._bench.arena import OURS
from ffnn_fast._bench.calls import BASE, YARDSTICK, race_calls
from ffnn_fast._bench.problems import ONE_PREDICTION as CASE
from ffnn_fast._bench.problems import Problem

MORE = [
    Problem((16, 32, 4), 1), Problem((784, 128, 10), 1), Problem((8, 64, 64, 4), 32),
    Problem((784, 128, 10), 1024),
]  # fmt: skip
PEERS = [YARDSTICK, "numpy", "onnxruntime", "torch", "jax", "scikit-learn"]


def run(arena):
    """A record per case and way."""
    records = []
    peers = [OURS, *PEERS, *(["torch.compile"] if arena.full else [])]
    for problem in [CASE, *(MORE if arena.full else [])]:
        print(f"  {problem}", flush=True)
        records += race_calls(arena, problem, peers)
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
    if (YARDSTICK, "two arrays") in seconds:
        above = seconds[BASE] - seconds[YARDSTICK, "two arrays"]
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
