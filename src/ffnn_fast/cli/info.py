"""``ffnn-fast info``: the contents of a model file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ffnn_fast.cli.arguments.declaration import argument
from ffnn_fast.cli.arguments.parsing import Command
from ffnn_fast.cli.arguments.value_types import Text
from ffnn_fast.cli.output import aligned, say

if TYPE_CHECKING:
    from ffnn_fast.cli.recipe import Recipe
    from ffnn_fast.preprocessing import CategoricalColumn, NumericColumn


@dataclass(frozen=True)
class InfoOptions:
    """All options of ``ffnn-fast info``."""

    model: str = argument(Text(), "model file")


def run(options: InfoOptions) -> int:
    """Show the contents; returns the exit code."""
    from safetensors import safe_open

    from ffnn_fast.cli.recipe import load_model

    network, recipe = load_model(options.model)
    with safe_open(options.model, framework="numpy") as file:
        say(f"{options.model}: written by ffnn_fast {file.metadata().get('library_version')}\n")
    say(repr(network))
    if recipe is None:
        say("\nno preprocessing: this file was not written by ffnn-fast train")
    else:
        _show(recipe)
    return 0


def _show(recipe: Recipe) -> None:
    target = recipe.target
    if target.classes:
        say(f"\ntarget {target.name}: {len(target.classes)} classes: {', '.join(target.classes)}")
    else:
        say(f"\ntarget {target.name}: mean {target.mean:g}, standard deviation {target.scale:g}")
    say(f"\ninputs, from a table {'with' if recipe.header else 'without'} a header")
    head = ("column", "kind", "inputs", "standardised by; levels")
    rows = [head, *(_described(column) for column in recipe.inputs.columns)]
    say(aligned(rows, right=False))
    say(f"\nmissing values: empty{''.join(f', {word}' for word in recipe.missing)}")
    if recipe.summary:
        say("training: " + ", ".join(f"{key} {value}" for key, value in recipe.summary.items()))


def _described(column: NumericColumn | CategoricalColumn) -> tuple[str, str, str, str]:
    from ffnn_fast.cli.table import shortened
    from ffnn_fast.preprocessing import NumericColumn

    width = str(len(column.feature_names))
    if isinstance(column, NumericColumn):
        marked = ", missing marked" if column.marks_missing else ""
        scaling = f"mean {column.mean:g}, standard deviation {column.scale:g}{marked}"
        return column.name, "numeric", width, scaling
    levels = ["(missing)" if level is None else level for level in column.levels]
    return column.name, "categorical", width, shortened(levels, 8)


COMMAND = Command(
    "info",
    InfoOptions,
    run,
    description="Shows the layers of a model file and how it reads a table.",
)
