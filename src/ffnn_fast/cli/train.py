"""``ffnn-fast train``: train a network to predict one column of a table from the others."""

from __future__ import annotations

import os
import textwrap

from ffnn_fast.cli.arguments.declaration import flag
from ffnn_fast.cli.arguments.parsing import Command
from ffnn_fast.cli.output import CommandError, aligned, check_output, titled, write_line
from ffnn_fast.cli.training.choice_settings import described_settings
from ffnn_fast.cli.training.train_options import Checkpoints, Reporting, TrainOptions
from ffnn_fast.metrics import as_metric


def run(options: TrainOptions) -> int:
    """Train and write the model; returns the exit code."""
    data, output = _check(options)
    from ffnn_fast.cli.evaluation import report_files, scoring
    from ffnn_fast.cli.evaluation.report import Report
    from ffnn_fast.cli.evaluation.tables import tables
    from ffnn_fast.cli.training import building, fitting, preparing

    given = options.reporting.report
    page = None if options.reporting.no_report else given or f"{os.path.splitext(output)[0]}.html"
    if given:
        report_files.check_report(given)
    elif page and (missing := report_files.missing_packages(page)):
        write_line(f'note: no report without {" and ".join(missing)}: pip install "ffnn_fast[cli]"')
        page = None
    _check_outputs(options, [data], [output, page])
    prepared = preparing.prepare(data, options)
    for note in prepared.notes:
        write_line(note)
    with fitting.library_errors():
        network = building.build_network(prepared, options)
    write_line(f"\n{network!r}\n")
    fitted = fitting.fit(network, prepared, options)
    rows, on = prepared.evaluated
    X = prepared.X[rows].astype(network.spec.dtype)
    evaluation = scoring.evaluate(network, prepared.preprocessing.target, X, prepared.y[rows])
    results = fitting.results_table(prepared, evaluation)
    fitted.save(output, results)
    write_line(f"{fitted.ended}\n")
    write_line(aligned(results))
    for heading, table in tables(evaluation):
        write_line(titled(heading, table))
    write_line(f"\nmodel   {output}")
    if page:
        facts = [("data", data), *fitted.training.items()]
        title = f"{prepared.preprocessing.target.name}, from {os.path.basename(data)}"
        contents = Report(title, facts, network, results, evaluation, fitted.history, on)
        report_files.write_report(contents, page)
        write_line(f"report  {page}")
    return 0


def _check(options: TrainOptions) -> tuple[str, str]:
    """The table and the model file; raises CommandError if options are missing or contradictory."""
    if not options.data:
        raise CommandError("train needs a table (see ffnn-fast train --help)")
    if not options.target and not options.model.start:
        raise CommandError("train needs --target (see ffnn-fast train --help)")
    if not options.output:
        raise CommandError("train needs --output (see ffnn-fast train --help)")
    _check_checkpoints(options.checkpoints)
    _check_reporting(options.reporting)
    return options.data, options.output


def _check_checkpoints(options: Checkpoints) -> None:
    for name in ("resume", "checkpoint_every"):
        if getattr(options, name) and not options.checkpoint:
            raise CommandError(f"{flag(name)} needs a --checkpoint")


def _check_reporting(options: Reporting) -> None:
    if options.no_report and options.report:
        raise CommandError("--no-report and --report contradict each other")
    if options.log and not options.log.lower().endswith((".csv", ".jsonl")):
        raise CommandError(f"--log must end in .csv or .jsonl, got {options.log}")
    try:
        for name in options.metrics or ():
            as_metric(name)
    except ValueError as error:
        raise CommandError(f"--metrics: {error}") from error


def _check_outputs(options: TrainOptions, inputs: list[str], outputs: list[str | None]) -> None:
    """Refuse files that cannot be written, or that the command reads or writes as well."""
    needed = [*inputs, *filter(None, [options.split.test])]
    for path in (*outputs, options.reporting.log, options.checkpoints.checkpoint):
        if path:
            check_output(path, *needed)
            needed.append(path)


COMMAND = Command(
    "train",
    TrainOptions,
    run,
    description=textwrap.fill(
        "Trains a network to predict one column of a table from the others, and writes a "
        "model file that predicts from raw rows (ffnn-fast predict)."
    ),
    epilog="example: ffnn-fast train houses.csv --target price -o houses.safetensors\n\n"
    + described_settings(),
    takes_config=True,
    preformatted=True,
)
