"""``ffnn-fast evaluate``: scores of a model on rows whose target is known."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ffnn_fast.cli.arguments.declaration import group, option
from ffnn_fast.cli.arguments.parsing import Command
from ffnn_fast.cli.arguments.table_options import ModelAndData, TargetReadingOptions
from ffnn_fast.cli.arguments.value_types import Names, Switch, Text
from ffnn_fast.cli.output import blocks, command_text, counted, titled, write_line, write_notes

if TYPE_CHECKING:
    from ffnn_fast.cli.evaluation.scoring import ScoredRows
    from ffnn_fast.cli.trained_models import TrainedModel
    from ffnn_fast.cli.training.comparing import ByModel, Scores


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
    from ffnn_fast.cli.evaluation.stored_scores import stored_scores
    from ffnn_fast.cli.evaluation.tables import all_tables
    from ffnn_fast.cli.trained_models import load_trained
    from ffnn_fast.cli.training import comparing
    from ffnn_fast.cli.training.preparing import left_out_note
    from ffnn_fast.cli.training.simple_models import stored_models
    from ffnn_fast.cli.training.training_table import note_unknown

    if options.report:
        report_files.check_report(options.report, options.model, options.data)
    model = load_trained(options.model).with_missing(options.missing)
    layout = model.layout
    table = model.layout.read(options.data, **options.reading.given())
    known = layout.known_targets(table, drop_missing=True)
    columns = layout.typed(table)
    evaluations = model.evaluate(table, columns, known)
    n_rows = len(known.rows)
    left_out = left_out_note(layout.targets, len(table) - n_rows, known.missing)
    write_notes([*table.notes, *(left_out if options.json else ()), *model.unseen(columns)])
    rows = {name: values[known.rows] for name, values in columns.items()}
    baselines = stored_models(model, rows, n_rows)
    on = f"{counted(n_rows, 'row')} of {os.path.basename(options.data)}"
    found = comparing.all_scores(evaluations, baselines)
    results = found.tables(on)
    if options.json:
        write_line(json.dumps(_plain(evaluations, found, model.summary)))
    else:
        for note in note_unknown(known, layout.targets, options.data):
            write_line(note)
        for note in left_out:
            write_line(f"{note}\n")
        write_line(blocks(results))
        for title, cells in all_tables(evaluations):
            write_line(titled(title, cells))
        names = comparing.titles_of(layout.targets.names)
        if stored := stored_scores(model.summary, names):
            write_line(f"\n{blocks(stored)}")
        for sentence in comparing.verdict(found, f"the {on}"):
            write_line(f"\n{sentence}")
    if options.report:
        title = f"{layout.targets.shown}: {os.path.basename(options.model)}"
        facts = _facts(options, model, n_rows)
        contents = Report(
            title, facts, model.network, results, evaluations, None, f"the {on}",
            importances=model.importances,
        )  # fmt: skip
        report_files.write_report(contents, options.report)
        if not options.json:
            write_line(f"\nreport  {options.report}")
    return 0


def _plain(
    evaluations: Sequence[ScoredRows], found: Scores, summary: Mapping[str, str]
) -> dict[str, Any]:
    """What --json shows; a score that is not finite is null."""
    from ffnn_fast.cli.evaluation.stored_scores import of_title, plain_scores

    sections = [
        _of_target(*pair) for pair in zip(evaluations, found.of_targets.values(), strict=True)
    ]
    sections += [_scores(found.mean())] * (len(evaluations) > 1)
    for (title, _), plain in zip(found.sections(), sections, strict=True):
        if in_training := plain_scores(of_title(summary, title)):
            plain["training"] = in_training
    if len(evaluations) == 1:
        return sections[0]
    *each, mean = sections
    return {"rows": len(evaluations[0].truth), "targets": each, "mean": mean}


def _of_target(evaluation: ScoredRows, found: ByModel) -> dict[str, Any]:
    """What it shows of one target."""
    plain: dict[str, Any] = {
        "target": evaluation.target.name,
        "rows": len(evaluation.truth),
        **_scores(found),
    }
    if evaluation.is_classification:
        plain["classes"] = list(evaluation.target.classes)
        plain["confusion_matrix"] = evaluation.confusion.tolist()
    return plain


def _scores(found: ByModel) -> dict[str, Any]:
    """The scores of the network, and those of the baselines if there are any."""
    plain: dict[str, Any] = {"scores": _finite(found["network"])}
    if len(found) > 1:
        plain["baselines"] = {k: _finite(v) for k, v in found.items() if k != "network"}
    return plain


def _finite(scores: dict[str, float]) -> dict[str, float | None]:
    return {name: value if math.isfinite(value) else None for name, value in scores.items()}


def _facts(options: EvaluateOptions, model: TrainedModel, n_rows: int) -> list[tuple[str, str]]:
    from ffnn_fast.losses import loss_of

    trained = [(f"training: {name}", value) for name, value in model.summary.items()]
    return [
        ("command", command_text()),
        ("model", options.model),
        ("data", f"{options.data}, {counted(n_rows, 'row')}"),
        ("target", model.layout.targets.shown),
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
