"""``ffnn-fast evaluate``: scores of a model on rows whose target is known."""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ffnn_fast.cli.arguments.declaration import group, option
from ffnn_fast.cli.arguments.parsing import Command
from ffnn_fast.cli.arguments.table_options import ModelAndData, TargetReadingOptions
from ffnn_fast.cli.arguments.value_types import Names, Switch, Text
from ffnn_fast.cli.output import aligned, command_text, titled, write_line, write_notes

if TYPE_CHECKING:
    from ffnn_fast.cli.evaluation.scoring import ScoredRows
    from ffnn_fast.cli.evaluation.tables import Table
    from ffnn_fast.cli.trained_models import TrainedModel


@dataclass(frozen=True)
class EvaluateOptions(ModelAndData):
    """All options of ``ffnn-fast evaluate``."""

    report: str | None = option(
        Text(), "write a page with pictures (.html), or the pictures alone (.png)", metavar="FILE"
    )
    json: bool = option(
        Switch(), "write the scores as one JSON object and nothing else", default=False
    )
    missing: tuple[str, ...] = option(
        Names(),
        "further words for a missing value, besides those of the training",
        default=(),
        metavar="A,B",
    )
    reading: TargetReadingOptions = group(TargetReadingOptions)


def run(options: EvaluateOptions) -> int:
    """Evaluate the model and show the results; returns the exit code."""
    from ffnn_fast.cli.evaluation import report_files
    from ffnn_fast.cli.evaluation.report import Report
    from ffnn_fast.cli.evaluation.stored_scores import plain_scores, stored_scores
    from ffnn_fast.cli.evaluation.tables import tables
    from ffnn_fast.cli.trained_models import load_trained
    from ffnn_fast.cli.training import comparing
    from ffnn_fast.cli.training.simple_models import stored_models
    from ffnn_fast.cli.training.training_table import note_unknown

    if options.report:
        report_files.check_report(options.report, options.model, options.data)
    model = load_trained(options.model).with_missing(options.missing)
    target = model.layout.target
    table = model.layout.read(options.data, **options.reading.given())
    targets = model.layout.targets(table, drop_missing=options.reading.drop_missing_target)
    columns = model.layout.typed(table)
    evaluation = model.evaluate(table, columns, targets)
    write_notes([*table.notes, *model.unseen(columns)])
    n_rows = len(targets.rows)
    rows = {name: values[targets.rows] for name, values in columns.items()}
    baselines = stored_models(model, rows, n_rows)
    on = f"{n_rows} rows of {os.path.basename(options.data)}"
    found = comparing.all_scores(evaluation, baselines)
    results = comparing.results_table(found, on)
    if options.json:
        plain = _plain(evaluation, found)
        if in_training := plain_scores(model.summary):
            plain["training"] = in_training
        write_line(json.dumps(plain))
    else:
        for note in note_unknown(targets, target, options.data):
            write_line(note)
        _show(results, tables(evaluation), len(table) - n_rows)
        if stored := stored_scores(model.summary):
            write_line(f"\n{aligned(stored)}")
        for sentence in comparing.verdict(found, f"the {on}"):
            write_line(f"\n{sentence}")
    if options.report:
        title = f"{target.name}: {os.path.basename(options.model)}"
        facts = _facts(options, model, n_rows)
        contents = Report(
            title, facts, model.network, results, evaluation, None, f"the {on}",
            importances=model.importances,
        )  # fmt: skip
        report_files.write_report(contents, options.report)
        if not options.json:
            write_line(f"\nreport  {options.report}")
    return 0


def _show(results: Table, tables: list[tuple[str, Table]], left_out: int) -> None:
    if left_out:
        write_line(f"note: left out {left_out} rows without a target\n")
    write_line(aligned(results))
    for title, rows in tables:
        write_line(titled(title, rows))


def _plain(evaluation: ScoredRows, found: dict[str, dict[str, float]]) -> dict[str, Any]:
    """What --json shows; a score that is not finite is null."""
    plain: dict[str, Any] = {
        "target": evaluation.target.name,
        "rows": len(evaluation.truth),
        "scores": _finite(found["network"]),
    }
    if len(found) > 1:
        plain["baselines"] = {k: _finite(v) for k, v in found.items() if k != "network"}
    if evaluation.is_classification:
        plain["classes"] = list(evaluation.target.classes)
        plain["confusion_matrix"] = evaluation.confusion.tolist()
    return plain


def _finite(scores: dict[str, float]) -> dict[str, float | None]:
    return {name: value if math.isfinite(value) else None for name, value in scores.items()}


def _facts(options: EvaluateOptions, model: TrainedModel, n_rows: int) -> list[tuple[str, str]]:
    from ffnn_fast.losses import loss_of

    trained = [(f"training: {name}", value) for name, value in model.summary.items()]
    return [
        ("command", command_text()),
        ("model", options.model),
        ("data", f"{options.data}, {n_rows} rows"),
        ("target", model.layout.target.name),
        ("loss", loss_of(model.network.spec.loss).name),
        *trained,
    ]


COMMAND = Command(
    "evaluate",
    EvaluateOptions,
    run,
    description="Predicts the target for each row of a file that has the columns of the "
    "training table, and compares the predictions with the target in the file. A class that the "
    "model has not counts as an error.",
    epilog="example: ffnn-fast evaluate houses.safetensors more.csv --report houses.html",
)
