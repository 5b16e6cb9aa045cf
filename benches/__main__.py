"""``python -m benches``: a quick form in minutes; ``--full`` for figures to quote."""

import argparse
from pathlib import Path
from time import perf_counter

from benches import report
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
    parser.add_argument("--rounds", type=int, help="measurements of each library (7; full: 31)")
    parser.add_argument("--seconds", type=float, help="of a measurement (0.03; full: 0.1)")
    parser.add_argument("--out", type=Path, default=report.RESULTS, help="folder of the results")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data",
                        help="folder with fashion-mnist and wine-quality in it")  # fmt: skip
    parser.add_argument("--report", action="store_true", help="only write tables and plots again")
    return parser.parse_args()


def main():
    """Run the questions one after another, and write the results after each."""
    given = arguments()
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
