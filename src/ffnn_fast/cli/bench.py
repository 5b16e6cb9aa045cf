"""``ffnn-fast bench``: time of steps and predictions, beside the libraries that are installed."""

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
    from ffnn_fast._bench.interleaving import Record
    from ffnn_fast._bench.problems import Problem
    from ffnn_fast._bench.processes import Library
    from ffnn_fast._bench.runner import Runner

FFNN_FAST = "ffnn_fast"
CASES = {
    "small": "16-32-4, one row a step",
    "online": "784-128-10, one row a step",
    "minibatch": "784-128-10, 32 rows a step",
    "adam": "784-128-10, 32 rows a step, Adam",
    "wide": "784-512-512-10, 256 rows a step",
    "latency": "one row through 8-64-64-4",
}
QUICK = ("online", "minibatch", "latency")
ONE_ROW = ("online", "small", "latency")  # run on one thread
TRAINING = ("reference", "numpy", "scikit-learn", "torch", "jax")
PREDICTION = ("bare call", "numpy", "onnxruntime", "torch", "jax", "scikit-learn")
ON_REQUEST = "torch.compile"  # takes long to compile: only where --only names it
NAMES = (*CASES, FFNN_FAST, *dict.fromkeys((*TRAINING, *PREDICTION, ON_REQUEST)))
INSTALL = 'pip install "ffnn_fast[comparison]"'


@dataclass(frozen=True)
class BenchOptions:
    """All options of ``ffnn-fast bench``."""

    quick: bool = option(Switch(), f"{', '.join(QUICK)} only, in 3 short rounds", default=False)
    threads: tuple[int, ...] | None = option(
        Words(Integer(1)),
        "threads for minibatch, adam and wide (default: 1, for wide also one per core)",
        metavar="N",
    )
    rounds: int | None = option(
        Integer(1), "measurements of each library (7; quick: 3)", metavar="R"
    )
    only: tuple[str, ...] | None = option(
        Words(OneOf(NAMES)), "some of the cases or libraries listed below", metavar="NAME"
    )
    json: str | None = option(
        Text(), "write the times and a description of the machine to this file", metavar="FILE"
    )


class Line:
    """The current status, in a line of the terminal that the next one overwrites."""

    def __init__(self) -> None:
        self.is_terminal = sys.stderr.isatty()

    def show(self, text: str = "") -> None:
        """Replace the line; without a text, remove it."""
        if self.is_terminal:
            width = shutil.get_terminal_size().columns - 1
            sys.stderr.write(f"\r\033[K{text[:width]}")
            sys.stderr.flush()

    def write(self, text: str = "") -> None:
        """Write a permanent line to standard output."""
        self.show()
        output.write_line(text)


def run(options: BenchOptions) -> int:
    """Run the benchmarks and write the tables; returns the exit code."""
    from ffnn_fast._bench import machine
    from ffnn_fast._bench.runner import Runner

    began, line = perf_counter(), Line()
    if options.json:
        check_output(options.json)
    cases = _cases(options)
    absent = _absent(options)
    described = machine.describe()
    _show_machine(described, line)
    excluded: list[str] = []

    def exclude(text: str) -> None:
        excluded.append(text.strip())
        line.write(text.splitlines()[0])  # a library's error may have many lines

    rounds = options.rounds or (3 if options.quick else 7)
    runner = Runner(rounds, 0.01 if options.quick else 0.03, exclude, line.show)
    records, failed = [], False
    try:
        for name, threads, names in cases:
            present = [library for library in names if library not in absent]
            found = _run_case(runner, name, threads, present)
            line.write()
            line.write(_table(name, threads, found) if found else f"  {name}: no results")
            failed = failed or not found
            records += [{"name": name, **record} for record in found]
    finally:
        line.show()
        runner.close()
    line.write(f"\n{perf_counter() - began:.0f} s, {rounds} rounds")
    if absent:
        line.write(f"not installed, excluded: {', '.join(absent)}; {INSTALL}")
    if options.json:
        _write(options.json, described, rounds, records, excluded, absent)
        line.write(options.json)
    return 1 if failed else 0


def _cases(options: BenchOptions) -> list[tuple[str, int, list[str]]]:
    """What to run: (case, threads, libraries, ffnn_fast first); CommandError if nothing."""
    from ffnn_fast._bench.pinning import cores_available
    from ffnn_fast._runtime.threads import available

    cores = len(cores_available())
    if options.threads and max(options.threads) > cores:
        given = max(options.threads)
        raise CommandError(f"--threads {given}: this process may use {cores} cores; give fewer")
    only = set(options.only or ())
    names = [name for name in CASES if name in only] or (QUICK if options.quick else tuple(CASES))
    libraries = only.difference(CASES)
    found = []
    for name in names:
        others = [
            other for other in _others(name, libraries) if not libraries or other in libraries
        ]
        if libraries and not others and FFNN_FAST not in libraries:
            continue
        usual = {1: None, min(cores, available()): None} if name == "wide" else {1: None}
        counts = [1] if name in ONE_ROW else dict.fromkeys(options.threads or usual)
        found += [(name, threads, [FFNN_FAST, *others]) for threads in counts]
    if not found:
        raise CommandError(
            f"--only {' '.join(options.only or ())}: {', '.join(names)} has no benchmark of "
            f"{', '.join(sorted(libraries))}"
        )
    return found


def _others(name: str, libraries: set[str]) -> tuple[str, ...]:
    """The libraries of a case, besides ffnn_fast."""
    others = PREDICTION if name == "latency" else TRAINING
    return (*others, ON_REQUEST) if ON_REQUEST in libraries and name != "adam" else others


def _absent(options: BenchOptions) -> list[str]:
    """Libraries that are not installed; CommandError where --only names one of them."""
    from ffnn_fast._bench.libraries import registry

    only = set(options.only or ())
    absent = [name for name in NAMES if name not in CASES and registry.missing(name)]
    for name in absent:
        if name in only:
            packages = ", ".join(registry.missing(name))
            raise CommandError(f"--only {name}: {packages} is not installed: {INSTALL}")
    return [] if only.difference(CASES) else [name for name in absent if name != ON_REQUEST]


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


def _run_case(runner: Runner, name: str, threads: int, names: list[str]) -> list[Record]:
    """Records of a case."""
    from ffnn_fast._bench.prediction_calls import benchmark_calls
    from ffnn_fast._bench.training_steps import benchmark_steps

    problem = _problem(name)
    if name == "latency":
        return benchmark_calls(runner, problem, names)
    return benchmark_steps(runner, problem, _libraries(names, threads))


def _libraries(names: list[str], threads: int) -> list[Library]:
    """With as many cores as threads; JAX also on one, where it may be faster."""
    from ffnn_fast._bench.pinning import can_pin
    from ffnn_fast._bench.processes import Library

    found = [Library(name, threads, threads) for name in names]
    if threads > 1 and "jax" in names and can_pin():
        found.append(Library("jax", threads, 1))
    return found


def _table(name: str, threads: int, records: list[Record]) -> str:
    """The results of a case."""
    per = "call" if name == "latency" else "step"
    title = f"{name}: {CASES[name]}, {threads} thread{'s' if threads > 1 else ''}"
    rows = [(title, f"time per {per}", "quartiles", f"relative to {FFNN_FAST}")]
    for record in records:
        low, high = (seconds(value) for value in record["quartiles"])
        label = record.get("label") or f"{record['library']}: {record['call']}"
        ratio = f"{record['ratio']:.{2 if record['ratio'] < 100 else 0}f}"
        rows.append((label, seconds(record["seconds"]), f"{low} to {high}", ratio))
    return aligned(rows)


def _show_machine(described: dict[str, Any], line: Line) -> None:
    """The machine, and a warning of what may disturb the times."""
    from ffnn_fast._bench.machine import NOT_INSTALLED, QUIET
    from ffnn_fast._bench.pinning import can_pin

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
    line.write(aligned([row for row in rows if row[1]], right=False))
    line.write("\n  all in float32, with tanh, softmax and cross-entropy")
    if load > QUIET:
        line.write("\n  warning: other processes are running, so the times will be noisy")
    if described["environment"]:
        given = ", ".join(f"{k}={value}" for k, value in described["environment"].items())
        line.write(f"\n  warning: {given} in the environment may slow down calls of BLAS; unset it")
    if not can_pin():
        line.write(
            "\n  this system cannot pin processes to cores; threads are limited by settings only"
        )


def _write(
    path: str,
    described: dict[str, Any],
    rounds: int,
    records: list[Record],
    excluded: list[str],
    absent: list[str],
) -> None:
    """The records, the machine and the exclusions, as JSON."""
    content = {
        "machine": described,
        "rounds": rounds,
        "records": records,
        "excluded": excluded,
        "not_installed": absent,
    }
    write_file(path, (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode())


COMMAND = Command(
    "bench",
    BenchOptions,
    run,
    description="Times a step of training in several networks, and the prediction of one "
    "row, beside the NumPy reference, NumPy written well, and scikit-learn, PyTorch, JAX and "
    "ONNX Runtime where they are installed. Each runs in a process of its own, pinned to its "
    "cores. A library that does not compute the same step is excluded. The measurements are "
    "interleaved. The tables show the median over the rounds, the quartiles, and the median of the "
    "ratios to ffnn_fast within each round: above 1, ffnn_fast is faster. Takes about a minute; "
    "close other programs first.",
    epilog=f"Cases: {'; '.join(f'{name}: {what}' for name, what in CASES.items())}. "
    f"Libraries: {', '.join(NAMES[len(CASES) :])}. The reference is ffnn_fast's NumPy "
    "implementation; a bare call computes nothing.",
)
