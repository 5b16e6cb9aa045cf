"""This version of ffnn_fast beside another one, row by row, in one interleaved run.

Each version runs in a process of its own, both pinned to the same cores. Where arrays lie in memory
differs from process to process and can change a time by some percent, so both processes are started
anew for each row, several times.
"""

import json
import math
import os
import statistics
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import ffnn_fast
from benches.report import in_units, per
from benches.runner import ROOT
from ffnn_fast._bench import machine
from ffnn_fast._bench.interleaving import PAUSE, PAUSE_OF_TEAMS, interleave
from ffnn_fast._bench.pinning import cores_available
from ffnn_fast._bench.processes import Library, WorkerError, WorkerProcess, environment
from ffnn_fast._bench.training_steps import WARM_UP

OLD, NEW = "old", "new"
SLOWER = 1.02
ROW_SECONDS = 60  # after which a row starts no further round
TOLERANCE = {"float32": 1e-4, "float64": 1e-8}  # of a difference, relative to the largest value
CONFIDENCE = 0.95


def package_folder(path):
    """The folder with the package, of a checkout, its src, or an installation."""
    for folder in (path, path / "src"):
        if (folder / "ffnn_fast" / "__init__.py").is_file():
            return folder.resolve()
    raise SystemExit(f"--compare {path}: there is no ffnn_fast in {path} or {path / 'src'}")


def start(version, folder, threads):
    """A worker process whose ffnn_fast is the one in `folder`; WorkerError if it is not."""
    variables = environment(threads)
    path = [str(folder), str(ROOT), variables["PYTHONPATH"]]
    variables["PYTHONPATH"] = os.pathsep.join(path)
    worker = WorkerProcess(
        Library(version, threads, threads), "benches.comparison_worker", isolated=False,
        variables=variables,
    )  # fmt: skip
    try:
        imported = Path(worker("describe")["folder"])
        if imported != folder / "ffnn_fast":
            raise WorkerError(f"the {version} version was imported from {imported.parent}")
    except WorkerError:
        worker.close()
        raise
    return worker


def difference(old, new):
    """The largest difference of two results relative to the largest value; 0: the same bits."""
    if old.dtype == new.dtype and old.tobytes() == new.tobytes():
        return 0.0
    return float(np.abs(old - new).max() / np.abs(old).max())


def calibrate(worker, seconds):
    """The number of calls that takes about this long."""
    number = 1
    while (took := worker("time_calls", number)) < seconds / 2:
        number = max(number + 1, int(number * min(20, seconds / max(took, 1e-9))))
    return number


def measurement(worker, number, threads):
    """A function that returns the seconds of one of so many calls, after untimed ones."""
    untimed = max(1, number // 5)

    def measure():
        remaining = WARM_UP if threads > 1 else 0.0
        remaining -= worker("time_calls", untimed)
        while remaining > 0:
            remaining -= worker("time_calls", untimed)
        return worker("time_calls", number) / number

    return measure


def interval(ratios):
    """A confidence interval of the median from order statistics, for any distribution."""
    n, ordered = len(ratios), sorted(ratios)
    tail, rank = 0.0, 0  # P(fewer than rank + 1 of n ratios are below the median)
    while rank < n // 2 and (tail := tail + math.comb(n, rank) / 2**n) <= (1 - CONFIDENCE) / 2:
        rank += 1
    rank = max(1, rank)
    return ordered[rank - 1], ordered[n - rank]


@dataclass
class Comparison:
    """Two versions, and how often and how long each row runs.

    Attributes
    ----------
    old, new : Path
        Folders with the package.
    rounds : int
        Of each row, over all launches.
    seconds : float
        About the length of a measurement.
    launches : int
        How often both processes are started anew for a row; their order alternates.
    """

    old: Path
    new: Path = Path(ffnn_fast.__file__).resolve().parents[1]
    rounds: int = 21
    seconds: float = 0.05
    launches: int = 3

    def run(self, cases, log=print):
        """A record for each row that has enough cores: times, ratio and interval, or the error."""
        records = []
        for case in cases:
            if case.threads > len(cores_available()):
                log(f"{case}: skipped, too few cores")
                continue
            try:
                records.append(self.compare(case))
            except WorkerError as error:
                records.append({"row": str(case), "error": str(error)})
            log(line(records[-1]))
        return records

    def compare(self, case):
        """The record of a row; WorkerError if a version fails or the results differ."""
        times, apart, number = {OLD: [], NEW: []}, 0.0, None
        for launch in range(launches := min(self.launches, self.rounds)):
            until, since = (self.rounds * n // launches for n in (launch + 1, launch))
            workers = self.started(case, reverse=launch % 2 == 1)
            try:
                for worker in workers.values():
                    worker("prepare", case)
                apart = max(apart, self.agreement(case, workers))
                number = number or calibrate(workers[OLD], self.seconds)
                found = interleave(
                    {v: measurement(w, number, case.threads) for v, w in workers.items()},
                    until - since,
                    PAUSE_OF_TEAMS if case.threads > 1 else PAUSE,
                    time_limit=ROW_SECONDS / launches,
                )
            finally:
                for worker in workers.values():
                    worker.close()
            for version, seconds in found.items():
                times[version] += seconds
        ratios = [new / old for old, new in zip(times[OLD], times[NEW], strict=True)]
        return {
            "row": str(case), "old_seconds": statistics.median(times[OLD]),
            "new_seconds": statistics.median(times[NEW]), "ratio": statistics.median(ratios),
            "interval": interval(ratios), "difference": apart, "ratios": ratios,
        }  # fmt: skip

    def started(self, case, *, reverse):
        """{version: worker process}, in the order of their measurements."""
        folders = {OLD: self.old, NEW: self.new}
        workers = {}
        try:
            for version in (NEW, OLD) if reverse else (OLD, NEW):
                workers[version] = start(version, folders[version], case.threads)
        except WorkerError:
            for worker in workers.values():
                worker.close()
            raise
        return workers

    def agreement(self, case, workers):
        """The relative difference of the results; WorkerError beyond the tolerance."""
        results = {version: worker("result") for version, worker in workers.items()}
        apart = difference(results[OLD], results[NEW])
        if not apart <= TOLERANCE[case.dtype]:
            raise WorkerError(f"the results differ by {apart:.1e} of the largest value")
        return apart


def slower(record):
    """Whether the new version is slower than allowed."""
    return record.get("ratio", 0) > SLOWER


def line(record):
    """A record as a line of the table."""
    if "error" in record:
        return f"{record['row']:<50} failed: {record['error']}"
    low, high = record["interval"]
    old, new = (in_units(record[f"{version}_seconds"]) for version in (OLD, NEW))
    shown = (
        f"{record['row']:<50} {old:>8} {new:>8} {record['ratio']:>7.3f}  {low:.3f} to {high:.3f}"
    )
    if record["difference"]:
        shown += f"  results differ by {record['difference']:.0e}"
    return shown + (f"  slower by more than {SLOWER - 1:.0%}" if slower(record) else "")


def main(comparison, cases, path=None):
    """Print the table, write JSON; returns 1 if a row is slower than allowed or failed."""
    described = machine.describe()
    print(f"old: {comparison.old}\nnew: {comparison.new}")
    if described["load"][0] > machine.QUIET:
        print(f"load average {described['load'][0]}: the times will be noisy")
    print(f"{'row':<50} {'old':>8} {'new':>8} {'new/old':>7}  {CONFIDENCE:.0%} interval")
    records = comparison.run(cases, lambda text: print(text, flush=True))
    if path is not None:
        content = {"old": str(comparison.old), "new": str(comparison.new), "machine": described,
                   "records": records}  # fmt: skip
        path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    failed, slow = (sum(map(test, records)) for test in (lambda r: "error" in r, slower))
    print(
        f"{per(len(records), 'row')}: {slow} slower by more than {SLOWER - 1:.0%}, {failed} failed"
    )
    return 1 if failed or slow else 0
