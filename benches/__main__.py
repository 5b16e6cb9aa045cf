"""``python -m benches``: a quick form in minutes; ``--full`` for figures to quote."""

import argparse
from pathlib import Path
from time import perf_counter

from benches import questions, report
from benches.arena import ROOT, Arena
from ffnn_fast._bench import machine


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benches", description=__doc__)
    parser.add_argument("--full", action="store_true", help="more cases, rounds and contestants")
    parser.add_argument(
        "--only", nargs="+", choices=questions.NAMES, default=questions.NAMES, metavar="QUESTION",
        help=f"some of: {', '.join(questions.NAMES)}",
    )  # fmt: skip
    parser.add_argument("--rounds", type=int, help="turns of each contestant (7; full: 31)")
    parser.add_argument("--seconds", type=float, help="of a turn (0.03; full: 0.1)")
    parser.add_argument("--out", type=Path, default=report.RESULTS, help="folder of the results")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data",
                        help="folder with fashion-mnist in it")  # fmt: skip
    parser.add_argument("--report", action="store_true", help="only write tables and plots again")
    return parser.parse_args()


def main():
    """Runs the questions one after another and writes what was found after each."""
    given = arguments()
    if not given.report:
        described = machine.describe()
        if described["load"][0] > machine.QUIET:
            print(f"load average {described['load'][0]}: figures will be noisy")
        form = "full" if given.full else "quick"
        rounds = given.rounds or (31 if given.full else 7)
        seconds = given.seconds or (0.1 if given.full else 0.03)
        arena = Arena(rounds, seconds, print, full=given.full, data=given.data)
        try:
            for name in given.only:
                began = perf_counter()
                print(f"{name}: {report.asked(name)}", flush=True)
                records = report.question(name).run(arena)
                report.save(name, described, form, records, given.out)
                print(f"  {perf_counter() - began:.0f} s", flush=True)
        finally:
            arena.close()
    verdicts = report.write(given.out)
    print(report.verdict_table(verdicts))
    print(f"{sum(v['met'] for v in verdicts)} of {len(verdicts)} promises met; {given.out}")


if __name__ == "__main__":
    main()
