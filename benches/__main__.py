"""``python -m benches``: a quick form in minutes; ``--full`` for figures to quote.

``--compare OLD``: this version of ffnn_fast beside another one.
"""

import argparse
import sys
from pathlib import Path
from time import perf_counter

from benches import comparison, report
from benches.comparison_cases import CASES
from benches.runner import ROOT, Runner
from ffnn_fast._bench import machine


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benches", description=__doc__)
    parser.add_argument("--full", action="store_true", help="more cases, rounds and libraries")
    parser.add_argument(
        "--only", nargs="+", choices=report.QUESTIONS, default=report.QUESTIONS, metavar="QUESTION",
        help=f"some of: {', '.join(report.QUESTIONS)}",
    )  # fmt: skip
    parser.add_argument(
        "--rounds", type=int, help="measurements of each library (7; full: 31; --compare: 21)"
    )
    parser.add_argument(
        "--seconds", type=float, help="of a measurement (0.03; full: 0.1; --compare: 0.05)"
    )
    parser.add_argument("--out", type=Path, default=report.RESULTS, help="folder of the results")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data",
                        help="folder with fashion-mnist and wine-quality in it")  # fmt: skip
    parser.add_argument("--report", action="store_true", help="only write tables and plots again")
    group = parser.add_argument_group("comparison of two versions")
    group.add_argument("--compare", type=Path, metavar="OLD",
                       help="folder of the other, compiled version, or its checkout")  # fmt: skip
    group.add_argument("--rows", nargs="+", default=[""], metavar="TEXT",
                       help="only the rows whose name contains one of these")  # fmt: skip
    group.add_argument("--json", type=Path, metavar="FILE", help="write the times there")
    return parser.parse_args()


def compare(given):
    """Compare two versions; returns the exit code."""
    cases = [case for case in CASES if any(text in str(case) for text in given.rows)]
    if not cases:
        raise SystemExit(f"--rows {' '.join(given.rows)}: no such row; there are:\n"
                         + "\n".join(map(str, CASES)))  # fmt: skip
    old = comparison.package_folder(given.compare)
    chosen = {name: value for name in ("rounds", "seconds") if (value := getattr(given, name))}
    return comparison.main(comparison.Comparison(old, **chosen), cases, given.json)


def main():
    """Run the questions one after another, and write the results after each."""
    given = arguments()
    if given.compare:
        sys.exit(compare(given))
    if not given.report:
        described = machine.describe()
        if described["load"][0] > machine.QUIET:
            print(f"load average {described['load'][0]}: the times will be noisy")
        form = "full" if given.full else "quick"
        rounds = given.rounds or (31 if given.full else 7)
        seconds = given.seconds or (0.1 if given.full else 0.03)
        runner = Runner(rounds, seconds, print, full=given.full, data=given.data)
        try:
            for name in given.only:
                began = perf_counter()
                print(f"{name}: {report.headline(name)}", flush=True)
                records = report.question(name).run(runner)
                report.save(name, described, form, records, given.out)
                print(f"  {perf_counter() - began:.0f} s", flush=True)
        finally:
            runner.close()
    outcomes = report.write(given.out)
    print(report.outcome_table(outcomes))
    print(f"{sum(o['met'] for o in outcomes)} of {len(outcomes)} targets met; {given.out}")


if __name__ == "__main__":
    main()
