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
from ffnn_fast.cli.arguments.value_types import Switch, Text
from ffnn_fast.cli.output import aligned, titled, write_line, write_notes

if TYPE_CHECKING:
    from ffnn_fast.cli.evaluation.scoring import ScoredRows
    from ffnn_fast.cli.evaluation.tables import Table
    from ffnn_fast.cli.table_preprocessing import TablePreprocessing
    from ffnn_fast.network import Network


@dataclass(frozen=True)
class EvaluateOptions(ModelAndData):
    """All options of ``ffnn-fast evaluate``."""

    report: str | None = option(
        Text(), "write a page with pictures (.html), or the pictures alone (.png)", metavar="FILE"
    )
    json: bool = option(
        Switch(), "write the scores as one JSON object and nothing else", default=False
    )
    reading: TargetReadingOptions = group(TargetReadingOptions)


def run(options: EvaluateOptions) -> int:
    """Evaluate the model and show the results; returns the exit code."""
    from ffnn_fast.cli.evaluation import report_files, scoring
    from ffnn_fast.cli.evaluation.report import Report
    from ffnn_fast.cli.evaluation.tables import tables
    from ffnn_fast.cli.predict import load

    if options.report:
        report_files.check_report(options.report, options.model, options.data)
    network, preprocessing = load(options.model)
    table = preprocessing.read(options.data, **options.reading.given())
    rows, y = preprocessing.targets(table, drop_missing=options.reading.drop_missing_target)
    X = preprocessing.matrix(table).astype(network.spec.dtype)[rows]
    write_notes(table.notes)
    evaluation = scoring.evaluate(network, preprocessing.target, X, y)
    found = scoring.scores(evaluation)
    names, values = scoring.as_cells(found)
    on = f"{len(rows)} rows of {os.path.basename(options.data)}"
    results: list[tuple[str, ...]] = [(f"on {on}", *names), ("network", *values)]
    if options.json:
        write_line(json.dumps(_plain(evaluation, found)))
    else:
        _show(results, tables(evaluation), len(table) - len(rows))
    if options.report:
        title = f"{preprocessing.target.name}: {os.path.basename(options.model)}"
        facts = _facts(options, network, preprocessing, len(rows))
        contents = Report(title, facts, network, results, evaluation, None, f"the {on}")
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


def _plain(evaluation: ScoredRows, found: dict[str, float]) -> dict[str, Any]:
    """What --json shows; a score that is not finite is null."""
    plain: dict[str, Any] = {
        "target": evaluation.target.name,
        "rows": len(evaluation.truth),
        "scores": {name: value if math.isfinite(value) else None for name, value in found.items()},
    }
    if evaluation.is_classification:
        plain["classes"] = list(evaluation.target.classes)
        plain["confusion_matrix"] = evaluation.confusion.tolist()
    return plain


def _facts(
    options: EvaluateOptions, network: Network, preprocessing: TablePreprocessing, n_rows: int
) -> list[tuple[str, str]]:
    from ffnn_fast.losses import loss_of

    trained = [(f"training: {name}", value) for name, value in preprocessing.summary.items()]
    return [
        ("model", options.model),
        ("data", f"{options.data}, {n_rows} rows"),
        ("target", preprocessing.target.name),
        ("loss", loss_of(network.spec.loss).name),
        *trained,
    ]


COMMAND = Command(
    "evaluate",
    EvaluateOptions,
    run,
    description="Predicts the target for each row of a file that has the columns of the "
    "training table, and compares the predictions with the target in the file.",
    epilog="example: ffnn-fast evaluate houses.safetensors more.csv --report houses.html",
)
