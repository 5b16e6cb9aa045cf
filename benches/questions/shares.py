"""What share of a core's peak do steps of many kinds reach, at each instruction set level?"""

from statistics import median

from benches import probe
from benches.report import at_least, at_most, in_units
from benches.step_cases import CASES
from ffnn_fast._bench.processes import FFNN_FAST, Library, WorkerProcess, environment
from ffnn_fast.engine import isa

LEVELS = ("v4", "v3")  # those of them that the CPU has are measured
NEAR_RELU = 1.1  # of the time of relu, which gelu and silu may take
DROPOUT = 1.05  # of the time without
OWN = 1.0  # of the time of BLAS, which the products of wide layers may take
ADAM_FULL_BATCH = 55e9  # operations a second of all rows of 4-32-16-4


def run(runner):
    """A record for each case and level: CPU seconds of a step beside the core's peak."""
    if probe.compiler() is None:
        print("  skipped: no C compiler for the probe")
        return []
    records = []
    for level in isa.available():
        if level not in LEVELS:
            continue
        worker = WorkerProcess(
            Library(FFNN_FAST), runner.operations, isolated=False,
            variables=environment(1) | {"FFNN_FAST_ISA": level},
        )  # fmt: skip
        try:
            records += [_measured(worker, runner, name, level) for name in CASES]
        finally:
            worker.close()
    return records


def _measured(worker, runner, name, level):
    """The record of a case: medians of rounds, in which the peak is measured too."""
    dtype = CASES[name].network.get("dtype", "float32")
    rounds = [(worker("step_time", name), worker("probe", "peak", dtype, 1))
              for _ in range(runner.rounds)]  # fmt: skip
    seconds, peak = (median(column) for column in zip(*rounds, strict=True))
    products = float(CASES[name].products)
    print(f"  {level}: {name}: {in_units(seconds)}", flush=True)
    return {
        "case": name, "level": level, "seconds": seconds, "peak": peak, "products": products,
        "share": products / seconds / peak, "gflops": products / seconds / 1e9,
    }  # fmt: skip


def compare_with_targets(records):
    """Shares and times of the cases that have a target, and times relative to plainer cases."""
    found = []
    for level in dict.fromkeys(r["level"] for r in records):
        of = {r["case"]: r for r in records if r["level"] == level}
        for name, r in of.items():
            case, what = CASES[name], f"{name}, {level}"
            if case.share is not None:
                found.append(at_least(f"{what}: share of the peak", r["share"], case.share))
            if case.most is not None:
                found.append(at_most(f"{what}: µs", r["seconds"] * 1e6, case.most))
            if case.batch_size == case.rows and "matmul" not in case.network:
                found.append(at_least(f"{what}: GFLOP/s", r["gflops"], ADAM_FULL_BATCH / 1e9))
            for more, plain, most in (("gelu", "relu", NEAR_RELU), ("silu", "relu", NEAR_RELU),
                                      (", dropout 0.2", "", DROPOUT),
                                      ("matmul own", "matmul blas", OWN)):  # fmt: skip
                other = of.get(name.replace(more, plain))
                if more in name and other is not None:
                    ratio = r["seconds"] / other["seconds"]
                    found.append(at_most(f"{what}, relative to {other['case']}", ratio, most))
    return found


def tables(records):
    """One table a level."""
    header = ["step", "time", "GFLOP/s", "share of the core's peak"]
    return [
        (f"Level {level}", header, [
            [r["case"], in_units(r["seconds"]), f"{r['gflops']:.1f}", f"{r['share']:.0%}"]
            for r in records if r["level"] == level
        ])
        for level in dict.fromkeys(r["level"] for r in records)
    ]  # fmt: skip


def plots(records):
    """No pictures."""
    return {}
