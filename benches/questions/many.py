"""How long do fits of many networks take together?"""

import importlib.util
from dataclasses import dataclass
from functools import partial

from benches import targets
from benches.charts import bars
from benches.libraries import many_networks
from benches.report import RELATIVE, at_least, in_units
from ffnn_fast._bench.interleaving import interleave, summarize

TOGETHER, ALONE = "fit_many", "one after another"
OTHERS = {"joblib, scikit-learn": ("sklearn", "scikit_learn"), "jax.vmap": ("jax", "jax")}


@dataclass(frozen=True)
class Problem:
    """So many networks of these sizes, each for some epochs over the same rows."""

    count: int
    sizes: tuple
    n_rows: int
    epochs: int = 10
    batch_size: int = 32

    def __str__(self):
        return f"{self.count} networks {'-'.join(map(str, self.sizes))}"


PROBLEMS = [Problem(64, (16, 32, 1), 5000), Problem(8, (54, 200, 200, 7), 5000, 4)]


def run(runner):
    """A record per problem and library, each with all cores."""
    records = []
    for problem in PROBLEMS:
        print(f"  {problem}", flush=True)
        X, y = many_networks.data(problem)
        functions = {TOGETHER: many_networks.together, ALONE: many_networks.one_after_another}
        for name, (module, function) in OTHERS.items():
            if importlib.util.find_spec(module) is None:
                print(f"  without {name}: {module} is not installed")
                continue
            functions[name] = getattr(many_networks, function)
        for function in functions.values():
            function(problem, X, y)()  # compiles, starts processes
        timed = {name: partial(_seconds, f, problem, X, y) for name, f in functions.items()}
        found = summarize(interleave(timed, runner.rounds), TOGETHER)
        records += [
            {"problem": str(problem), "library": name, **figures} for name, figures in found.items()
        ]
    return records


def _seconds(function, *args):
    """The time of the fits, without the drawing of the networks before them."""
    from time import perf_counter

    fit_all = function(*args)
    began = perf_counter()
    fit_all()
    return perf_counter() - began


def compare_with_targets(records):
    """The ratios of the times."""
    found = []
    for problem, bounds in targets.MANY.items():
        here = {r["library"]: r["ratio"] for r in records if r["problem"] == problem}
        found += [
            at_least(f"{problem}: {name} / fit_many", here[name], least)
            for name, least in bounds.items()
            if name in here
        ]
    return found


def tables(records):
    """One table."""
    header = ["fits", "by", "time", RELATIVE.replace("ffnn_fast", TOGETHER)]
    rows = [
        [r["problem"], r["library"], in_units(r["seconds"]), f"{r['ratio']:.2f}×"] for r in records
    ]
    return [("Epochs of SGD over 5000 rows in float32, batches of 32", header, rows)]


def plots(records):
    """Bars for each problem."""
    labelled = [(r["problem"], r["library"], r) for r in records]
    return {"many": lambda path: bars(labelled, "time of all fits relative to fit_many", path)}
