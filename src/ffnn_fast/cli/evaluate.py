"""``ffnn-fast evaluate``: how good a model is on rows whose target is known."""

from __future__ import annotations

import argparse
import json
import math
import os
from typing import TYPE_CHECKING, Any

from ffnn_fast.cli import options
from ffnn_fast.cli.output import aligned, say, titled

if TYPE_CHECKING:
    from ffnn_fast.cli.evaluation.scoring import Evaluation
    from ffnn_fast.cli.recipe import Recipe
    from ffnn_fast.network import Network


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Declare the command and its options."""
    parser = commands.add_parser(
        "evaluate",
        help="judge a model on rows whose target is known",
        description="Predicts the target for each row of a file that has the columns of the "
        "training table, and shows how the predictions agree with the target that it holds.",
        epilog="example: ffnn-fast evaluate houses.safetensors more.csv --report houses.html",
        allow_abbrev=False,
    )
    parser.set_defaults(run=run)
    options.add_model_and_data(parser)
    parser.add_argument(
        "--report",
        metavar="FILE",
        help="write a page with pictures (.html), or the pictures alone (.png)",
    )
    parser.add_argument(
        "--json", action="store_true", help="write the scores as one JSON object, nothing else"
    )
    group = parser.add_argument_group("data")
    options.add_table_options(group)
    options.add_drop_missing_target(group)


def run(args: argparse.Namespace) -> int:
    """Judge the model and show the results; returns the exit code."""
    from ffnn_fast.cli.evaluation import report_files, scoring
    from ffnn_fast.cli.evaluation.report import Report
    from ffnn_fast.cli.evaluation.tables import tables
    from ffnn_fast.cli.predict import load

    if args.report:
        report_files.check_report(args.report, args.model, args.data)
    network, recipe = load(args.model)
    table = recipe.read(args.data, args.header, args.delimiter)
    rows, y = recipe.targets(table, drop_missing=args.drop_missing_target)
    X = recipe.matrix(table).astype(network.spec.dtype)[rows]
    evaluation = scoring.evaluate(network, recipe.target, X, y)
    found = scoring.scores(evaluation)
    names, values = scoring.as_cells(found)
    on = f"{len(rows)} rows of {os.path.basename(args.data)}"
    results: list[tuple[str, ...]] = [(f"on {on}", *names), ("network", *values)]
    if args.json:
        say(json.dumps(_plain(evaluation, found)))
    else:
        _show(results, tables(evaluation), len(table) - len(rows))
    if args.report:
        title = f"{recipe.target.name}: {os.path.basename(args.model)}"
        facts = _facts(args, network, recipe, len(rows))
        contents = Report(title, facts, network, results, evaluation, None, f"the {on}")
        report_files.write_report(contents, args.report)
        if not args.json:
            say(f"\nreport  {args.report}")
    return 0


def _show(results: Any, tables: Any, gone: int) -> None:
    if gone:
        say(f"note: left out {gone} rows without a target\n")
    say(aligned(results))
    for title, rows in tables:
        say(titled(title, rows))


def _plain(evaluation: Evaluation, found: dict[str, float]) -> dict[str, Any]:
    """What --json shows; a figure that is not finite is null."""
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
    args: argparse.Namespace, network: Network, recipe: Recipe, n_rows: int
) -> list[tuple[str, str]]:
    from ffnn_fast.losses import loss_of

    trained = [(f"training: {name}", value) for name, value in recipe.summary.items()]
    return [
        ("model", args.model),
        ("data", f"{args.data}, {n_rows} rows"),
        ("target", recipe.target.name),
        ("loss", loss_of(network.spec.loss).name),
        *trained,
    ]
