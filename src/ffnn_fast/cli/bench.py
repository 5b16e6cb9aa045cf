"""``ffnn-fast bench``: how fast it is on this machine, beside the libraries that are installed."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

from ffnn_fast.cli import output
from ffnn_fast.cli.arguments.declaration import option
from ffnn_fast.cli.arguments.parsing import Command
from ffnn_fast.cli.arguments.value_types import Integer, OneOf, Switch, Text, Words
from ffnn_fast.cli.output import CommandError, aligned, check_output, seconds, write_file

if TYPE_CHECKING:
    from ffnn_fast._bench.arena import Arena, Contestant
    from ffnn_fast._bench.problems import Problem
    from ffnn_fast._bench.race import Record

OURS = "ffnn_fast"
CASES = {
    "small": "16-32-4, one row a step",
    "online": "784-128-10, one row a step",
    "minibatch": "784-128-10, 32 rows a step",
    "adam": "784-128-10, 32 rows a step, Adam",
    "wide": "784-512-512-10, 256 rows a step",
    "latency": "one row through 8-64-64-4",
}
QUICK = ("online", "minibatch", "latency")
ONE_ROW = ("online", "small", "latency")  # nothing to share among threads
TRAINERS = ("reference", "numpy", "scikit-learn", "torch", "jax")
PREDICTORS = ("bare call", "numpy", "onnxruntime", "torch", "jax", "scikit-learn")
ASKED_FOR = "torch.compile"  # takes long to compile: only where it is named
NAMES = (*CASES, OURS, *dict.fromkeys((*TRAINERS, *PREDICTORS, ASKED_FOR)))
INSTALL = 'pip install "ffnn_fast[peers]"'


@dataclass(frozen=True)
class BenchOptions:
    """All options of ``ffnn-fast bench``."""

    quick: bool = option(Switch(), f"{', '.join(QUICK)} only, in 3 short rounds", default=False)
    threads: tuple[int, ...] | None = option(
        Words(Integer(1)),
        "threads for minibatch, adam and wide (default: 1, for wide also one per core)",
        metavar="N",
    )
    rounds: int | None = option(Integer(1), "turns of each (7; quick: 3)", metavar="R")
    only: tuple[str, ...] | None = option(
        Words(OneOf(NAMES)), "some of the cases, or of the contestants, named below", metavar="NAME"
    )
    json: str | None = option(Text(), "write the figures and the machine there", metavar="FILE")


class Line:
    """What is going on now, in a line of the terminal that the next one overwrites."""

    def __init__(self) -> None:
        self.live = sys.stderr.isatty()

    def show(self, text: str = "") -> None:
        """Replace the line; without a text, remove it."""
        if self.live:
            width = shutil.get_terminal_size().columns - 1
            sys.stderr.write(f"\r\033[K{text[:width]}")
            sys.stderr.flush()

    def say(self, text: str = "") -> None:
        """Write a line that stays to standard output."""
        self.show()
        output.say(text)


def run(options: BenchOptions) -> int:
    """Race, show the tables; returns the exit code."""
    from ffnn_fast._bench import machine
    from ffnn_fast._bench.arena import Arena

    began, line = perf_counter(), Line()
    if options.json:
        check_output(options.json)
    cases = _cases(options)
    absent = _absent(options)
    described = machine.describe()
    _show_machine(described, line)
    left_out: list[str] = []

    def leave_out(text: str) -> None:
        left_out.append(text.strip())
        line.say(text.splitlines()[0])  # a library may have much to say

    rounds = options.rounds or (3 if options.quick else 7)
    arena = Arena(rounds, 0.01 if options.quick else 0.03, leave_out, line.show)
    records, failed = [], False
    try:
        for name, threads, names in cases:
            found = _race(arena, name, threads, [peer for peer in names if peer not in absent])
            line.say()
            line.say(_table(name, threads, found) if found else f"  {name}: no figures")
            failed = failed or not found
            records += [{"name": name, **record} for record in found]
    finally:
        line.show()
        arena.close()
    line.say(f"\n{perf_counter() - began:.0f} s, {rounds} rounds")
    if absent:
        line.say(f"not installed, so left out: {', '.join(absent)}; {INSTALL}")
    if options.json:
        _write(options.json, described, rounds, records, left_out, absent)
        line.say(options.json)
    return 1 if failed else 0


def _cases(options: BenchOptions) -> list[tuple[str, int, list[str]]]:
    """What is to be run: (case, threads, contestants with ours first); CommandError if nothing."""
    from ffnn_fast._bench.arena import cores_available
    from ffnn_fast._runtime.threads import available

    cores = len(cores_available())
    if options.threads and max(options.threads) > cores:
        given = max(options.threads)
        raise CommandError(f"--threads {given}: this process may use {cores} cores; ask for fewer")
    only = set(options.only or ())
    names = [name for name in CASES if name in only] or (QUICK if options.quick else tuple(CASES))
    wanted = only.difference(CASES)
    found = []
    for name in names:
        entered = [peer for peer in _peers(name, wanted) if not wanted or peer in wanted]
        if wanted and not entered and OURS not in wanted:
            continue
        usual = {1: None, min(cores, available()): None} if name == "wide" else {1: None}
        counts = [1] if name in ONE_ROW else dict.fromkeys(options.threads or usual)
        found += [(name, threads, [OURS, *entered]) for threads in counts]
    if not found:
        raise CommandError(
            f"--only {' '.join(options.only or ())}: {', '.join(sorted(wanted))} takes no part in "
            f"{', '.join(names)}"
        )
    return found


def _peers(name: str, wanted: set[str]) -> tuple[str, ...]:
    """Who may take part in a case, besides us."""
    peers = PREDICTORS if name == "latency" else TRAINERS
    return (*peers, ASKED_FOR) if ASKED_FOR in wanted and name != "adam" else peers


def _absent(options: BenchOptions) -> list[str]:
    """Contestants that are not installed; CommandError where one of them was asked for."""
    from ffnn_fast._bench import peers

    asked = set(options.only or ())
    contestants = [name for name in NAMES if name not in CASES]
    absent = [name for name in contestants if peers.missing(name)]
    for name in absent:
        if name in asked:
            packages = ", ".join(peers.missing(name))
            raise CommandError(f"--only {name}: {packages} is not installed: {INSTALL}")
    return [] if asked.difference(CASES) else [name for name in absent if name != ASKED_FOR]


def _problem(name: str) -> Problem:
    """The network of a case and how it is trained."""
    from ffnn_fast._bench.problems import ADAM, MINIBATCH, ONE_PREDICTION, ONLINE

    return {
        "small": ONLINE[0],
        "online": ONLINE[1],
        "minibatch": MINIBATCH[0],
        "adam": ADAM[0],
        "wide": MINIBATCH[3],
        "latency": ONE_PREDICTION,
    }[name]


def _race(arena: Arena, name: str, threads: int, names: list[str]) -> list[Record]:
    """Records of a case."""
    from ffnn_fast._bench.calls import race_calls
    from ffnn_fast._bench.race import race

    problem = _problem(name)
    if name == "latency":
        return race_calls(arena, problem, names)
    return race(arena, problem, _entered(names, threads))


def _entered(names: list[str], threads: int) -> list[Contestant]:
    """With as many cores as threads; JAX also on one, where it may be faster."""
    from ffnn_fast._bench.arena import Contestant, can_hold

    entered = [Contestant(peer, threads, threads) for peer in names]
    if threads > 1 and "jax" in names and can_hold():
        entered.append(Contestant("jax", threads, 1))
    return entered


def _table(name: str, threads: int, records: list[Record]) -> str:
    """The figures of a case."""
    per = "call" if name == "latency" else "step"
    title = f"{name}: {CASES[name]}, {threads} thread{'s' if threads > 1 else ''}"
    rows = [(title, f"time per {per}", "middle half", "times ours")]
    for record in records:
        low, high = (seconds(value) for value in record["quartiles"])
        label = record.get("contestant") or f"{record['peer']}: {record['way']}"
        ratio = f"{record['ratio']:.{2 if record['ratio'] < 100 else 0}f}"
        rows.append((label, seconds(record["seconds"]), f"{low} to {high}", ratio))
    return aligned(rows)


def _show_machine(described: dict[str, Any], line: Line) -> None:
    """The machine, and what may spoil the figures."""
    from ffnn_fast._bench.arena import can_hold
    from ffnn_fast._bench.machine import NOT_INSTALLED, QUIET

    cores, load = described["cores"], described["load"][0]
    libraries = {k: v for k, v in described["libraries"].items() if v != NOT_INSTALLED}
    rows = [
        ("CPU", f"{described['cpu']}, {cores} core{'s' if cores > 1 else ''} in use"),
        ("caches", ", ".join(f"{k} {size}" for k, size in described["caches"].items())),
        ("engine", f"ISA level {described['isa_level']}, {described['architecture']}"),
        ("system", f"{described['os']}, Python {described['python']}"),
        ("libraries", ", ".join(f"{k} {v}" for k, v in libraries.items())),
        ("BLAS", ", ".join(described["blas"])),
        ("load average", f"{load}"),
    ]
    line.say(aligned([row for row in rows if row[1]], right=False))
    line.say("\n  all in float32, with tanh, softmax and cross-entropy")
    if load > QUIET:
        line.say("\n  warning: somebody else is at work here, so the figures will be noisy")
    if described["environment"]:
        given = ", ".join(f"{k}={value}" for k, value in described["environment"].items())
        line.say(
            f"\n  warning: {given} in the environment may make those slower who call BLAS; unset it"
        )
    if not can_hold():
        line.say("\n  this system holds no process to its cores; threads are limited by settings")


def _write(
    path: str,
    described: dict[str, Any],
    rounds: int,
    records: list[Record],
    left_out: list[str],
    absent: list[str],
) -> None:
    """The figures and all that they need to be understood, as JSON."""
    content = {
        "machine": described,
        "rounds": rounds,
        "records": records,
        "left_out": left_out,
        "not_installed": absent,
    }
    write_file(path, (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode())


COMMAND = Command(
    "bench",
    BenchOptions,
    run,
    description="Times a step of training in several networks, and the prediction of one "
    "row, beside the NumPy reference, NumPy written well, and scikit-learn, PyTorch, JAX and "
    "ONNX Runtime where they are installed. Each runs in a process of its own, held to its "
    "cores; first all must compute the same step, then they take turns. Shown are the median "
    "over the rounds, the middle half of them, and the median of the ratios within each "
    "round: above 1, ffnn_fast is faster. Takes about a minute; close everything else.",
    epilog=f"Cases: {'; '.join(f'{name}: {what}' for name, what in CASES.items())}. "
    f"Contestants: {', '.join(NAMES[len(CASES) :])}. The reference is ours in plain NumPy; a "
    "bare call does nothing.",
)
