"""How long does one call take that predicts one row (in full: also a few and many rows)?"""

from benches import targets
from benches.charts import bars
from benches.report import at_least, at_most, in_units, per
from ffnn_fast._bench.prediction_calls import BARE_CALL, BASE, benchmark_calls
from ffnn_fast._bench.problems import ONE_PREDICTION as CASE
from ffnn_fast._bench.problems import Problem
from ffnn_fast._bench.processes import FFNN_FAST

MORE = [
    Problem((16, 32, 4), 1), Problem((784, 128, 10), 1), Problem((8, 64, 64, 4), 32),
    Problem((784, 128, 10), 1024),
]  # fmt: skip
LIBRARIES = [BARE_CALL, "numpy", "onnxruntime", "torch", "jax", "scikit-learn"]


def run(runner):
    """A record per case and form of call."""
    records = []
    names = [FFNN_FAST, *LIBRARIES, *(["torch.compile"] if runner.full else [])]
    for problem in [CASE, *(MORE if runner.full else [])]:
        print(f"  {problem}", flush=True)
        records += benchmark_calls(runner, problem, names)
    return records


def compare_with_targets(records):
    """Ratios to the fastest call of each library, the time above a bare call, and other calls."""
    here = [r for r in records if r["problem"] == str(CASE)]
    found = []
    for name, least in targets.LATENCY.items():
        ratios = [r["ratio"] for r in here if r["library"] == name]
        if ratios:
            what = f"one row, {CASE.name}: {name} / predictor(x, out)"
            found.append(at_least(what, min(ratios), least))
    seconds = {(r["library"], r["call"]): r["seconds"] for r in here}
    if (BARE_CALL, "two arrays") in seconds:
        above = seconds[BASE] - seconds[BARE_CALL, "two arrays"]
        what = f"one row, {CASE.name}: predictor(x, out) above a bare call, µs"
        found.append(at_most(what, above * 1e6, targets.ABOVE_BARE_CALL * 1e6))
    for call, most in targets.NETWORK_CALLS.items():
        if (FFNN_FAST, call) in seconds:
            what = f"one row, {CASE.name}: {call}, µs"
            found.append(at_most(what, seconds[FFNN_FAST, call] * 1e6, most * 1e6))
    return found


def tables(records):
    """One table; the last column is the time relative to the predictor's."""
    header = ["network and rows", "library", "call", "time", "relative to predictor(x, out)"]
    rows = [
        [f"{r['case']}, {r['batch_size']}", r["library"], f"`{r['call']}`", in_units(r["seconds"]),
         f"{r['ratio']:.2f}×"]
        for r in records
    ]  # fmt: skip
    return [("Time of one call", header, rows)]


def plots(records):
    """Bars for each form of call."""
    labelled = [
        (f"{r['case']}\n{per(r['batch_size'], 'row')}", f"{r['library']}: {r['call']}", r)
        for r in records
    ]
    return {
        "latency": lambda path: bars(labelled, "time of a call relative to predictor(x, out)", path)
    }
