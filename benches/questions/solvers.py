"""How fast do the full-batch solvers reach a minimum, and how far does Adam get meanwhile?"""

from benches import targets
from benches.charts import bars
from benches.regressions import BESIDE_ADAM, BESIDE_LBFGS, SAME_MINIMUM
from benches.report import at_least, at_most, in_units, per
from ffnn_fast._bench.arena import OURS, Contestant, cores_available
from ffnn_fast._bench.race import summary, take_turns

LM, LBFGS = "levenberg_marquardt", "lbfgs"
ITERATIONS = {LM: 50, LBFGS: 300, "to the minimum": 2000}
RATES = (0.001, 0.003, 0.01)  # of Adam; its best counts
EPOCHS = 20  # of Adam, to learn how long one takes


def race_solvers(arena, question, regression, entered, limit):
    """Records of whole runs of {contestant: way}; the first is whom others are compared with."""
    turns, reached = {}, {}
    for contestant in arena.present(list(entered)):
        way = entered[contestant]
        run = ("solve", regression, arena.data, way, limit)

        def turn(contestant=contestant, run=run):
            seconds, reached[contestant] = arena.worker(contestant)(*run)
            return seconds

        if arena.attempt(contestant, lambda worker, run=run: worker(*run)):
            turns[contestant] = turn
    first = next(iter(entered))
    if first not in turns:
        return []
    found = summary(take_turns(turns, arena.rounds), first)
    return [
        {"question": question, "case": str(regression), "budget": contestant.cores,
         "contestant": str(contestant), "peer": contestant.peer, "way": entered[contestant],
         "limit": limit, "objective": reached[contestant], **figures}
        for contestant, figures in found.items()
    ]  # fmt: skip


def race_adam(arena, regression, ours):
    """Records of what Adam reaches in its time: as many epochs as fill it, at each of its rates."""
    records, budget = [], targets.ADAMS_TIME * ours["seconds"]
    for contestant in arena.present([Contestant(OURS), Contestant("scikit-learn")]):
        for rate in RATES:
            way = f"adam {rate:g}"

            def run(worker, way=way, contestant=contestant):
                took, _ = worker("solve", regression, arena.data, way, EPOCHS)
                epochs = max(1, int(EPOCHS * budget / took))
                seconds, reached = worker("solve", regression, arena.data, way, epochs)
                records.append({
                    "question": "adam", "case": str(regression), "budget": 1, "way": way,
                    "contestant": str(contestant), "peer": contestant.peer, "limit": epochs,
                    "objective": reached, "seconds": seconds, "ratio": seconds / ours["seconds"],
                })  # fmt: skip

            arena.attempt(contestant, run)
    return records


def run(arena):
    """A record per race and contestant, and per rate of Adam."""
    records = []
    alone = Contestant(OURS)
    print(f"  {SAME_MINIMUM}: to the same minimum", flush=True)
    pair = {alone: LM, Contestant("MINPACK"): "lm"}
    records += race_solvers(arena, "minimum", SAME_MINIMUM, pair, ITERATIONS["to the minimum"])
    for regression in filter(lambda r: r.present(arena.data), BESIDE_LBFGS):
        print(f"  {regression}: L-BFGS", flush=True)
        pair = {alone: "L-BFGS-B", Contestant("scikit-learn"): LBFGS}
        records += race_solvers(arena, "lbfgs", regression, pair, ITERATIONS[LBFGS])
    for regression in [SAME_MINIMUM, *BESIDE_ADAM]:
        if not regression.present(arena.data):
            print(f"  {regression} left out: no data in {arena.data}")
            continue
        print(f"  {regression}: beside Adam", flush=True)
        entered = {alone: LM}
        if len(cores_available()) > 1:
            entered[Contestant(OURS, 2, 2)] = LM
        found = race_solvers(arena, "adam", regression, entered, ITERATIONS[LM])
        records += found + (race_adam(arena, regression, found[0]) if found else [])
    return records


def promises(records):
    """Ratios of times, and objectives compared."""
    verdicts = []
    for r in records:
        ours = next(o for o in records if (o["question"], o["case"]) == (r["question"], r["case"]))
        what = f"{r['case']}: {r['contestant']} {r['way']}"
        if r["question"] == "minimum" and r["peer"] != OURS:
            apart = abs(r["objective"] / ours["objective"] - 1)
            verdicts.append(at_least(f"{what} / ours", r["ratio"], targets.SOLVERS["MINPACK"]))
            verdicts.append(at_most(f"{what}, minima apart", apart, targets.SAME_MINIMUM))
        elif r["question"] == "lbfgs" and r["peer"] != OURS:
            least = targets.SOLVERS["scikit-learn lbfgs"]
            verdicts.append(at_least(f"{what} / ours", r["ratio"], least))
    for case in dict.fromkeys(r["case"] for r in records if r["question"] == "adam"):
        here = [r for r in records if (r["question"], r["case"]) == ("adam", case)]
        for peer in dict.fromkeys(r["peer"] for r in here):
            adam = [r["objective"] for r in here if r["peer"] == peer and r["way"] != LM]
            if adam:
                what = f"{case}: error of {peer}'s best Adam in {targets.ADAMS_TIME} times the time"
                verdicts.append(at_least(what, min(adam) / here[0]["objective"], 1))
    return verdicts


def tables(records):
    """A table for each kind of race."""
    titles = {
        "minimum": "Levenberg-Marquardt to the same minimum",
        "lbfgs": f"L-BFGS, {ITERATIONS[LBFGS]} iterations",
        "adam": f"Levenberg-Marquardt, {ITERATIONS[LM]} iterations, and Adam in "
        f"{targets.ADAMS_TIME} times its time",
    }
    header = ["problem", "threads", "contestant", "solver", "time", "times ours",
              "objective reached"]  # fmt: skip
    found = []
    for question, title in titles.items():
        rows = [
            [r["case"], r["budget"], r["contestant"],
             f"{r['way']}, {per(r['limit'], 'epoch')}" if "adam" in r["way"] else r["way"],
             in_units(r["seconds"]), f"{r['ratio']:.2f}×", f"{r['objective']:.6g}"]
            for r in records if r["question"] == question
        ]  # fmt: skip
        if rows:
            found.append((title, header, rows))
    return found


def plots(records):
    """Bars for the races of time; Adam's time is given."""
    labelled = [
        (f"{r['case']}\n{'minimum' if r['question'] == 'minimum' else 'L-BFGS'}",
         f"{r['contestant']}: {r['way']}", r)
        for r in records if r["question"] != "adam"
    ]  # fmt: skip
    return {"solvers": lambda path: bars(labelled, "time of a solver beside ours", path)}
