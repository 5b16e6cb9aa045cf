"""How fast do the full-batch solvers reach a minimum, and how far does Adam get meanwhile?"""

from benches import targets
from benches.charts import bars
from benches.regressions import BESIDE_ADAM, BESIDE_LBFGS, SAME_MINIMUM
from benches.report import RELATIVE, at_least, at_most, in_units, per
from ffnn_fast._bench.interleaving import interleave, summarize
from ffnn_fast._bench.pinning import cores_available
from ffnn_fast._bench.processes import FFNN_FAST, Library

LM, LBFGS = "levenberg_marquardt", "lbfgs"
ITERATIONS = {LM: 50, LBFGS: 300, "to the minimum": 2000}
RATES = (0.001, 0.003, 0.01)  # of Adam; the best result counts
EPOCHS = 20  # of Adam, to measure the time of one


def benchmark_solvers(runner, comparison, regression, solvers, limit):
    """Records of whole runs of {library: solver}; the ratios are relative to the first."""
    measurements, reached = {}, {}
    for library in runner.installed(list(solvers)):
        run = ("solve", regression, runner.data, solvers[library], limit)

        def measure(library=library, run=run):
            seconds, reached[library] = runner.worker(library)(*run)
            return seconds

        if runner.attempt(library, lambda worker, run=run: worker(*run)):
            measurements[library] = measure
    first = next(iter(solvers))
    if first not in measurements:
        return []
    found = summarize(interleave(measurements, runner.rounds), first)
    return [
        {"comparison": comparison, "case": str(regression), "threads": library.threads,
         "label": str(library), "library": library.name, "solver": solvers[library],
         "limit": limit, "objective": reached[library], **figures}
        for library, figures in found.items()
    ]  # fmt: skip


def benchmark_adam(runner, regression, base):
    """Records of the objective that Adam reaches in its time, at each of its learning rates."""
    records, budget = [], targets.ADAM_TIME * base["seconds"]
    for library in runner.installed([Library(FFNN_FAST), Library("scikit-learn")]):
        for rate in RATES:
            solver = f"adam {rate:g}"

            def run(worker, solver=solver, library=library):
                took, _ = worker("solve", regression, runner.data, solver, EPOCHS)
                epochs = max(1, int(EPOCHS * budget / took))
                seconds, reached = worker("solve", regression, runner.data, solver, epochs)
                records.append({
                    "comparison": "adam", "case": str(regression), "threads": 1,
                    "solver": solver, "label": str(library), "library": library.name,
                    "limit": epochs, "objective": reached, "seconds": seconds,
                    "ratio": seconds / base["seconds"],
                })  # fmt: skip

            runner.attempt(library, run)
    return records


def run(runner):
    """A record per problem and library, and per learning rate of Adam."""
    records = []
    alone = Library(FFNN_FAST)
    print(f"  {SAME_MINIMUM}: to the same minimum", flush=True)
    pair = {alone: LM, Library("MINPACK"): "lm"}
    records += benchmark_solvers(
        runner, "minimum", SAME_MINIMUM, pair, ITERATIONS["to the minimum"]
    )
    for regression in filter(lambda r: r.present(runner.data), BESIDE_LBFGS):
        print(f"  {regression}: L-BFGS", flush=True)
        pair = {alone: "L-BFGS-B", Library("scikit-learn"): LBFGS}
        records += benchmark_solvers(runner, "lbfgs", regression, pair, ITERATIONS[LBFGS])
    for regression in [SAME_MINIMUM, *BESIDE_ADAM]:
        if not regression.present(runner.data):
            print(f"  {regression} skipped: no data in {runner.data}")
            continue
        print(f"  {regression}: beside Adam", flush=True)
        solvers = {alone: LM}
        if len(cores_available()) > 1:
            solvers[Library(FFNN_FAST, 2, 2)] = LM
        found = benchmark_solvers(runner, "adam", regression, solvers, ITERATIONS[LM])
        records += found + (benchmark_adam(runner, regression, found[0]) if found else [])
    return records


def compare_with_targets(records):
    """Ratios of times, and of the objectives that were reached."""
    outcomes = []
    for r in records:
        same = ("comparison", "case")
        base = next(b for b in records if all(b[key] == r[key] for key in same))
        what = f"{r['case']}: {r['label']} {r['solver']}"
        if r["comparison"] == "minimum" and r["library"] != FFNN_FAST:
            difference = abs(r["objective"] / base["objective"] - 1)
            outcomes.append(at_least(f"{what} / ffnn_fast", r["ratio"], targets.SOLVERS["MINPACK"]))
            outcomes.append(
                at_most(f"{what}, difference of minima", difference, targets.SAME_MINIMUM)
            )
        elif r["comparison"] == "lbfgs" and r["library"] != FFNN_FAST:
            least = targets.SOLVERS["scikit-learn lbfgs"]
            outcomes.append(at_least(f"{what} / ffnn_fast", r["ratio"], least))
    for case in dict.fromkeys(r["case"] for r in records if r["comparison"] == "adam"):
        here = [r for r in records if (r["comparison"], r["case"]) == ("adam", case)]
        for name in dict.fromkeys(r["library"] for r in here):
            adam = [r["objective"] for r in here if r["library"] == name and r["solver"] != LM]
            if adam:
                what = f"{case}: error of {name}'s best Adam in {targets.ADAM_TIME} times the time"
                outcomes.append(at_least(what, min(adam) / here[0]["objective"], 1))
    return outcomes


def tables(records):
    """A table for each comparison."""
    titles = {
        "minimum": "Levenberg-Marquardt to the same minimum",
        "lbfgs": f"L-BFGS, {ITERATIONS[LBFGS]} iterations",
        "adam": f"Levenberg-Marquardt, {ITERATIONS[LM]} iterations, and Adam in "
        f"{targets.ADAM_TIME} times its time",
    }
    header = ["problem", "threads", "library", "solver", "time", RELATIVE, "objective reached"]
    found = []
    for comparison, title in titles.items():
        rows = [
            [r["case"], r["threads"], r["label"],
             f"{r['solver']}, {per(r['limit'], 'epoch')}" if "adam" in r["solver"] else r["solver"],
             in_units(r["seconds"]), f"{r['ratio']:.2f}×", f"{r['objective']:.6g}"]
            for r in records if r["comparison"] == comparison
        ]  # fmt: skip
        if rows:
            found.append((title, header, rows))
    return found


def plots(records):
    """Bars for the comparisons of time; Adam's time is given."""
    labelled = [
        (f"{r['case']}\n{'minimum' if r['comparison'] == 'minimum' else 'L-BFGS'}",
         f"{r['label']}: {r['solver']}", r)
        for r in records if r["comparison"] != "adam"
    ]  # fmt: skip
    return {"solvers": lambda path: bars(labelled, "time of a solver relative to ffnn_fast", path)}
