"""``ffnn-fast evaluate``: how good a model is on rows whose target is known."""

from __future__ import annotations

import argparse
import json
import math
import os
from typing import TYPE_CHECKING, Any

from ffnn_fast.cli import options
from ffnn_fast.cli.output import CommandError, aligned, say

if TYPE_CHECKING:
    import numpy as np

    from ffnn_fast.cli.judging import Judged
    from ffnn_fast.cli.recipe import Recipe
    from ffnn_fast.cli.table import Table
    from ffnn_fast.network import Network


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Declare the command and its options."""
    parser = commands.add_parser(
        "evaluate",
        help="judge a model on rows whose target is known",
        description="Predicts the target for each row of a CSV file that has the columns of the "
        "training table, and shows how the predictions agree with the target that it holds.",
        epilog="example: ffnn-fast evaluate houses.safetensors more.csv --report houses.html",
        allow_abbrev=False,
    )
    parser.set_defaults(run=run)
    parser.add_argument("model", help="model file that ffnn-fast train wrote")
    parser.add_argument("data", help="CSV file of UTF-8 text")
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
    group.add_argument(
        "--drop-missing-target",
        action="store_true",
        help="leave out rows whose target is missing (default: refuse them)",
    )


def run(args: argparse.Namespace) -> int:
    """Judge the model and show the results; returns the exit code."""
    from ffnn_fast.cli import judging, report
    from ffnn_fast.cli.predict import load

    if args.report:
        report.check(args.report, args.model, args.data)
    network, recipe = load(args.model)
    table = recipe.read(args.data, args.header, args.delimiter)
    rows, y = _targets(table, recipe, args.drop_missing_target)
    X = recipe.matrix(table).astype(network.spec.dtype)[rows]
    judged = judging.judge(network, recipe.target, X, y)
    found = judging.scores(judged)
    names, values = judging.cells(found)
    on = f"{len(rows)} rows of {os.path.basename(args.data)}"
    results: list[tuple[str, ...]] = [(f"on {on}", *names), ("network", *values)]
    if args.json:
        say(json.dumps(_plain(judged, found)))
    else:
        _show(results, judging.tables(judged), len(table) - len(rows))
    if args.report:
        title = f"{recipe.target.name}: {os.path.basename(args.model)}"
        facts = _facts(args, network, recipe, len(rows))
        report.write(
            report.Report(title, facts, network, results, judged, None, f"the {on}"), args.report
        )
        if not args.json:
            say(f"\nreport  {args.report}")
    return 0


def _targets(table: Table, recipe: Recipe, drop: bool) -> tuple[np.ndarray, np.ndarray]:
    """The rows that have a target (m,), and what they have (m,), as the network learnt it."""
    import numpy as np

    from ffnn_fast.cli.table import shortened

    name, target = _column(table, recipe), recipe.target
    missing = table.missing(name, recipe.missing)
    if missing.any() and not drop:
        raise CommandError(
            f"{table.where(int(np.argmax(missing)))}: the target is missing "
            f"({missing.sum()} such rows); say --drop-missing-target to leave them out"
        )
    rows = np.flatnonzero(~missing)
    if not len(rows):
        raise CommandError(f"{table.path} has no row with a target")
    if target.task == "regression":
        values, bad = table.numbers(name, recipe.missing)
        table.complain(name, bad, recipe.missing, "")
        return rows, target.encode(values[rows])
    texts = table.texts(name, recipe.missing)[rows]
    meant = _meant(set(texts), target.classes)
    for row, text in zip(rows.tolist(), texts, strict=True):
        if meant[text] is None:
            raise CommandError(
                f"{table.where(row)}: the model does not know the class "
                f"{text!r} of {target.name!r}; it knows {shortened(target.classes)}"
            )
    return rows, target.encode(np.array([meant[text] for text in texts], dtype=object))


def _column(table: Table, recipe: Recipe) -> str:
    """The name in `table` of the target, which has its place where there are no names to go by."""
    name = recipe.target.name
    if recipe.header and table.has_header:
        if name not in table.names:
            raise CommandError(f"{table.path} lacks the target, column {name}")
        return name
    if len(table.names) != len(recipe.columns):
        raise CommandError(
            f"{table.path} has {len(table.names)} columns; without names to go by, the target is "
            f"found only among the {len(recipe.columns)} columns of the training table"
        )
    return table.names[recipe.columns.index(name)]


def _meant(texts: set[str], classes: tuple[str, ...]) -> dict[str, str | None]:
    """The class that each text means, or None: 1.0 means the class 1."""
    names = set(classes)
    numbers = {_number(name): name for name in classes}
    numbers.pop(None, None)
    return {text: text if text in names else numbers.get(_number(text)) for text in texts}


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _show(results: Any, tables: Any, gone: int) -> None:
    if gone:
        say(f"note: left out {gone} rows without a target\n")
    say(aligned(results))
    for title, rows in tables:
        say(f"\n  {title}")
        say(aligned(rows))


def _plain(judged: Judged, found: dict[str, float]) -> dict[str, Any]:
    """What --json shows; a figure that is not finite is null."""
    plain: dict[str, Any] = {
        "target": judged.target.name,
        "rows": len(judged.truth),
        "scores": {name: value if math.isfinite(value) else None for name, value in found.items()},
    }
    if judged.classifies:
        plain["classes"] = list(judged.target.classes)
        plain["confusion_matrix"] = judged.confusion.tolist()
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
