"""``ffnn-fast train``: learn one column of a table from the others."""

from __future__ import annotations

import argparse
import os
import textwrap

from ffnn_fast.cli import config
from ffnn_fast.cli.options import flag
from ffnn_fast.cli.output import CommandError, aligned, check_output, say, titled
from ffnn_fast.cli.table import FORMATS
from ffnn_fast.cli.training import options

SECTIONS = ("data", "model", "training", "ending", "records", "machine")


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Declare the command and its options."""
    parser = commands.add_parser(
        "train",
        help="train a network on your own table",
        description=textwrap.fill(
            "Trains a network to predict one column of a table from the others, and writes a "
            "model file that predicts from raw rows (ffnn-fast predict)."
        ),
        epilog="example: ffnn-fast train houses.csv --target price -o houses.safetensors\n\n"
        + options.described_settings(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(run=run)
    parser.add_argument("file", nargs="?", metavar="data", help=FORMATS)
    parser.add_argument("--data", help=argparse.SUPPRESS)  # the same, from a file of options
    parser.add_argument(
        "--target",
        metavar="COLUMN",
        help="the column to predict: its name, or its number (1 is the first, -1 the last)",
    )
    parser.add_argument("-o", "--output", metavar="MODEL", help="the model file to write")
    config.add_option(parser, SECTIONS)
    options.add_data_options(parser.add_argument_group("data"))
    options.add_model_options(parser.add_argument_group("model"))
    options.add_training_options(parser.add_argument_group("training"))
    options.add_ending_options(parser.add_argument_group("ending"))
    options.add_record_options(parser.add_argument_group("records"))
    options.add_machine_options(parser.add_argument_group("machine"))


def run(args: argparse.Namespace) -> int:
    """Train and write the model; returns the exit code."""
    _check(args)
    from ffnn_fast.cli.evaluation import report_files, scoring
    from ffnn_fast.cli.evaluation.report import Report
    from ffnn_fast.cli.evaluation.tables import tables
    from ffnn_fast.cli.training import building, fitting, preparing

    page = None if args.no_report else args.report or f"{os.path.splitext(args.output)[0]}.html"
    if args.report:
        report_files.check_report(args.report)
    elif page and (missing := report_files.missing_packages(page)):
        say(f'note: no report without {" and ".join(missing)}: pip install "ffnn_fast[cli]"')
        page = None
    _check_outputs(args, page)
    prepared = preparing.prepare(args)
    for note in prepared.notes:
        say(note)
    with fitting.refusals():
        network = building.network(prepared, args)
    say(f"\n{network!r}\n")
    fitted = fitting.fit(network, prepared, args)
    rows, on = prepared.judged
    X = prepared.X[rows].astype(network.spec.dtype)
    evaluation = scoring.evaluate(network, prepared.recipe.target, X, prepared.y[rows])
    results = fitting.results(prepared, evaluation)
    fitted.save(args.output, results)
    say(f"{fitted.ended}\n")
    say(aligned(results))
    for heading, table in tables(evaluation):
        say(titled(heading, table))
    say(f"\nmodel   {args.output}")
    if page:
        facts = [("data", args.data), *fitted.how.items()]
        title = f"{prepared.recipe.target.name}, from {os.path.basename(args.data)}"
        contents = Report(title, facts, network, results, evaluation, fitted.history, on)
        report_files.write_report(contents, page)
        say(f"report  {page}")
    return 0


def _check(args: argparse.Namespace) -> None:
    """Refuse what is missing or does not go together, before anything is read."""
    args.data = args.file or args.data
    for name, shown in (("data", "a table"), ("target", "--target"), ("output", "--output")):
        if not (getattr(args, name) or (name == "target" and args.start)):
            raise CommandError(f"train needs {shown} (see ffnn-fast train --help)")
    for name in ("resume", "checkpoint_every"):
        if getattr(args, name) and not args.checkpoint:
            raise CommandError(f"{flag(name)} needs a --checkpoint")
    if args.no_report and args.report:
        raise CommandError("--no-report and --report contradict each other")
    if args.log and not args.log.lower().endswith((".csv", ".jsonl")):
        raise CommandError(f"--log must end in .csv or .jsonl, got {args.log}")
    try:
        options.checked_metrics(args.metrics or ())
    except ValueError as error:
        raise CommandError(f"--metrics: {error}") from error


def _check_outputs(args: argparse.Namespace, page: str | None) -> None:
    """Refuse files that cannot be written, or that the command reads or writes as well."""
    needed = [path for path in (args.data, args.test) if path]
    for path in (args.output, page, args.log, args.checkpoint):
        if path:
            check_output(path, *needed)
            needed.append(path)
