"""``ffnn-fast train``: train a model to predict one column of a table from the others."""

from __future__ import annotations

import importlib.util
import os
import re
import textwrap
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from ffnn_fast.cli import mpi_launch
from ffnn_fast.cli.arguments.declaration import flag
from ffnn_fast.cli.arguments.parsing import Command
from ffnn_fast.cli.output import (
    CommandError,
    aligned,
    blocks,
    check_output,
    check_output_folder,
    command_text,
    titled,
    write_line,
    write_notes,
)
from ffnn_fast.cli.training.choice_settings import described_settings
from ffnn_fast.cli.training.train_options import Checkpoints, Reporting, TrainOptions
from ffnn_fast.metrics import as_metric

if TYPE_CHECKING:
    from ffnn_fast.cli.evaluation.tables import Titled
    from ffnn_fast.cli.training.outcome import Outcome

NAME = re.compile(r"[^\w.-]+")  # what a default name of a file does not take over
SUFFIXES = re.compile(r"(\.(csv|tsv|txt|data|parquet|npz|gz|zip|xlsx|json|jsonl|arff))+$", re.I)
MOST_COLUMNS = 40  # that are listed
MOST_NAMES = 3  # targets in the default name of a file


def run(options: TrainOptions) -> int:
    """Train and write the model; returns the exit code."""
    if not mpi_launch.launched():
        return _run(options)
    from ffnn_fast.cli.training import by_ranks

    return by_ranks.run_by_ranks(options, partial(_run, options, launched=True))


def _run(options: TrainOptions, is_first: bool = True, *, launched: bool = False) -> int:
    """Train in this process, one of several ranks if `launched`, of which the first reads, prints
    and writes.
    """
    if not is_first:
        from ffnn_fast.cli.training.fitting import fit_share

        fit_share(options)
        return 0
    data = _check(options)
    kind, note = _kind(options, launched=launched)
    output = options.output or default_output(data, options.target or ("model",))
    page = _page(options.reporting, output)
    _check_outputs(options, [data], [output, page])
    if note:
        write_line(note)
    from ffnn_fast.cli.training import outcome
    from ffnn_fast.cli.training.model_choice import TABULAR

    train = outcome.train_tabular if kind == TABULAR else outcome.train_plain
    trained = train(data, options, _announce)
    results = trained.scores({}).tables(trained.on)
    trained.save(output, results, "")
    write_line(f"{trained.ended}\n")
    try:
        _judge(trained, options, data, output, page)
    except KeyboardInterrupt:
        write_notes([f"note: the model was written before: {output}"])
        raise
    return 0


def _judge(
    trained: Outcome, options: TrainOptions, data: str, output: str, page: str | None
) -> None:
    """Compare a model in the file `output` with simple ones, and show and write the results."""
    from ffnn_fast.cli.evaluation import stored_scores

    baselines, left_out = trained.baselines(options.reporting.baseline)
    scores = trained.scores(baselines)
    results = scores.tables(trained.on)
    judged = trained.cross_validation(options.reporting.baseline)
    trained.training.update(stored_scores.summarised_folds(judged, trained.parts))
    if baselines or judged:
        trained.save(output, results, trained.stored(baselines))
    _show(trained, results)
    if judged:
        write_line(f"\n{blocks(judged)}")
    for note in left_out:
        write_line(f"\n{note}")
    remarks = trained.remarks(scores)
    for remark in remarks:
        write_line(f"\n{remark}")
    write_line(f"\nmodel   {output}")
    if page:
        from ffnn_fast.cli.evaluation import report_files

        facts = [("command", command_text()), ("data", data), *trained.training.items()]
        names = ", ".join(one.target.name for one in trained.evaluations)
        title = f"{names}, from {os.path.basename(data)}"
        report_files.write_report(trained.report(title, facts, results, remarks, judged), page)
        write_line(f"report  {page}")


def _kind(options: TrainOptions, *, launched: bool) -> tuple[str, str]:
    """The kind of the model, and a note; CommandError for a tabular model of several ranks."""
    from ffnn_fast.cli.training.model_choice import TABULAR, model_of

    kind, note = model_of(options)
    if launched and kind == TABULAR:
        raise CommandError(
            "a tabular model is trained by one process: give --model plain, which the ranks of "
            "mpiexec train together, or start without mpiexec"
        )
    return kind, note


def _page(options: Reporting, output: str) -> str | None:
    """The file of the report, if one is to be written."""
    from ffnn_fast.cli.evaluation import report_files

    given = options.report
    page = None if options.no_report else given or f"{os.path.splitext(output)[0]}.html"
    if given:
        report_files.check_report(given)
        return given
    if page == output:
        raise CommandError(
            f"-o {output} is the name of the report, too; choose another, or give --report or "
            "--no-report"
        )
    if page and (missing := report_files.missing_packages(page)):
        write_line(f'note: no report without {" and ".join(missing)}: pip install "ffnn_fast[cli]"')
        return None
    return page


def _announce(notes: list[str], columns: list[tuple[str, ...]], network: str) -> None:
    """Show what is trained on, before it starts."""
    for note in notes:
        write_line(note)
    if columns:
        head, *rows = columns
        noted = [row for row in rows if row[2]] if len(rows) > MOST_COLUMNS else rows
        shown = noted[:MOST_COLUMNS]
        write_line("\n" + aligned([head, *shown], right=False))
        others = [row for row in rows if row not in shown]
        if others:
            counts = Counter(use for _, use, _ in others)
            listed = ", ".join(f"{use} {n}" for use, n in counts.items())
            write_line(f"  and {len(others)} more ({listed}); ffnn-fast info lists all")
    write_line(f"\n{network}\n")


def _show(trained: Outcome, results: Titled) -> None:
    from ffnn_fast.cli.evaluation.tables import all_tables

    write_line(blocks(results))
    for heading, table in all_tables(trained.evaluations):
        write_line(titled(heading, table))


def default_output(data: str, targets: Sequence[str]) -> str:
    """The name of the model file that no option gives: those of the table and the targets, or of
    many the first and the number of others.
    """
    table = "model" if data == "-" else SUFFIXES.sub("", os.path.basename(data))
    if len(targets) > MOST_NAMES:
        targets = [targets[0], f"and-{len(targets) - 1}-more"]
    names = [NAME.sub("-", name).strip("-.") for name in (table, *targets)]
    return f"{'-'.join(filter(None, names)) or 'model'}.safetensors"


def _check(options: TrainOptions) -> str:
    """The table; raises CommandError if options are missing or contradictory."""
    if not options.data:
        raise CommandError("train needs a table (see ffnn-fast train --help)")
    if not any(options.target) and not options.network.start:
        raise CommandError(
            "train needs --target, the column to predict (see ffnn-fast train --help)"
        )
    if options.split.cv and options.network.start:
        raise CommandError("--cv trains from the beginning: leave out --cv or --start")
    _check_checkpoints(options.checkpoints)
    _check_reporting(options.reporting)
    return options.data


def _check_checkpoints(options: Checkpoints) -> None:
    for name in ("resume", "checkpoint_every"):
        if getattr(options, name) and not options.checkpoint:
            raise CommandError(f"{flag(name)} needs a --checkpoint")


def _check_reporting(options: Reporting) -> None:
    if options.no_report and options.report:
        raise CommandError("--no-report and --report contradict each other")
    if "none" in options.baseline and len(options.baseline) > 1:
        raise CommandError(f"--baseline none excludes others, got {', '.join(options.baseline)}")
    if "hgb" in options.baseline and importlib.util.find_spec("sklearn") is None:
        raise CommandError('--baseline hgb needs scikit-learn: pip install "ffnn_fast[sklearn]"')
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
    if options.reporting.tensorboard:
        check_output_folder(options.reporting.tensorboard)


COMMAND = Command(
    "train",
    TrainOptions,
    run,
    description=textwrap.fill(
        "Trains a model to predict one column of a table, or several, from the others, and writes "
        "a model file that predicts from raw rows (ffnn-fast predict). Every column is examined "
        "first, and the use of each is shown."
    ),
    epilog="example: ffnn-fast train houses.csv --target price\n\n" + described_settings(),
    takes_config=True,
    preformatted=True,
)
