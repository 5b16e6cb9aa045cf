"""How do single cases compare with their aims: steps beside JAX, two cores, many predictions?"""

from statistics import median

from benches import probe, targets
from benches.report import at_least, in_units
from ffnn_fast._bench.pinning import cores_available
from ffnn_fast._bench.prediction_calls import BASE, benchmark_calls
from ffnn_fast._bench.processes import FFNN_FAST, Library
from ffnn_fast._bench.training_steps import benchmark_steps

STEPS, CORES, PREDICTIONS = "steps beside JAX", "two cores", "predictions of many rows"
TEAMS = [Library(FFNN_FAST, count, count) for count in (1, 2)]


def run(runner):
    """Records of the three kinds; of two cores only where there are two."""
    records = []
    for problem in targets.STEP_OF_JAX:
        print(f"  {problem}", flush=True)
        found = benchmark_steps(runner, problem, [Library(FFNN_FAST), Library("jax")])
        records += [{"kind": STEPS, "problem": str(problem), **r} for r in found]
    for problem in targets.TWO_CORES if len(cores_available()) > 1 else []:
        print(f"  {problem}, one core and two", flush=True)
        found = benchmark_steps(runner, problem, TEAMS)
        records += [{"kind": CORES, "problem": str(problem), **r} for r in found]
    for problem in targets.PREDICTIONS:
        print(f"  predictions: {problem}", flush=True)
        found = benchmark_calls(runner, problem, [FFNN_FAST, "jax", "onnxruntime"])
        limit = _bound(runner, problem)
        records += [
            {"kind": PREDICTIONS, **r, "label": f"{r['library']}: {r['call']}",
             "share": limit and limit / r["seconds"]}
            for r in found
        ]  # fmt: skip
    return records


def _bound(runner, problem):
    """Seconds of the products of all rows at the peak of a core; None without a C compiler."""
    if probe.compiler() is None:
        return None
    worker = runner.worker(Library(FFNN_FAST))
    peaks = [worker("probe", "peak", problem.dtype, 1) for _ in range(runner.rounds)]
    pairs = zip(problem.sizes, problem.sizes[1:], strict=False)
    return 2 * problem.batch_size * sum(i * o for i, o in pairs) / median(peaks)


def compare_with_targets(records):
    """The figure of every case beside its aim."""
    wanted = [
        *((STEPS, problem, "JAX / ffnn_fast", least)
          for problem, least in targets.STEP_OF_JAX.items()),
        *((CORES, problem, "one core / two", least)
          for problem, least in targets.TWO_CORES.items()),
        *((PREDICTIONS, problem, what, least)
          for problem, (what, least) in targets.PREDICTIONS.items()),
    ]  # fmt: skip
    found = []
    for kind, problem, what, least in wanted:
        here = [r for r in records if (r["kind"], r["problem"]) == (kind, str(problem))]
        got = [figure for r in here if (figure := _figure(r, what)) is not None]
        if got:
            found.append(at_least(f"{problem}: {what}", min(got), least))
    return found


def _figure(r, what):
    """What the record has of a figure: a ratio of times or a share of the peak; else None."""
    if what == "share of the peak":
        return r["share"] if (r["library"], r["call"]) == BASE else None
    if what == "one core / two":
        return 1 / r["ratio"] if r["threads"] == 2 else None
    return r["ratio"] if r["library"] == "jax" else None


def tables(records):
    """One table of each kind, with times relative to its first row."""
    found = []
    for kind in dict.fromkeys(r["kind"] for r in records):
        header = ["case", "library", "time", "relative to the first"]
        rows = [
            [r["problem"], r["label"], in_units(r["seconds"]), f"{r['ratio']:.2f}×"]
            for r in records if r["kind"] == kind
        ]  # fmt: skip
        found.append((kind.capitalize(), header, rows))
    return found


def plots(records):
    """No pictures."""
    return {}
