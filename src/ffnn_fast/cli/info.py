"""``ffnn-fast info``: the contents of a model file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ffnn_fast import _text
from ffnn_fast.cli.arguments.declaration import argument
from ffnn_fast.cli.arguments.parsing import Command
from ffnn_fast.cli.arguments.value_types import Text
from ffnn_fast.cli.output import aligned, write_line

if TYPE_CHECKING:
    from ffnn_fast.cli.table_preprocessing import TablePreprocessing
    from ffnn_fast.preprocessing import CategoricalColumn, NumericColumn


@dataclass(frozen=True)
class InfoOptions:
    """All options of ``ffnn-fast info``."""

    model: str = argument(Text(), "model file")


def run(options: InfoOptions) -> int:
    """Show the contents; returns the exit code."""
    from ffnn_fast._model.tensor_files import TensorFile
    from ffnn_fast.cli.table_preprocessing import load_model

    network, preprocessing = load_model(options.model)
    with TensorFile(options.model) as file:
        author = _text.shortened(file.metadata.get("library_version", "unknown"), 40)
    write_line(f"{options.model}: written by ffnn_fast {author}\n")
    write_line(repr(network))
    if preprocessing is None:
        write_line("\nno preprocessing: this file was not written by ffnn-fast train")
    else:
        _show(preprocessing)
    return 0


def _show(preprocessing: TablePreprocessing) -> None:
    target = preprocessing.target
    if target.classes:
        write_line(
            f"\ntarget {target.name}: {len(target.classes)} classes: {', '.join(target.classes)}"
        )
    else:
        write_line(
            f"\ntarget {target.name}: mean {target.mean:g}, standard deviation {target.scale:g}"
        )
    write_line(f"\ninputs, from a table {'with' if preprocessing.header else 'without'} a header")
    head = ("column", "kind", "inputs", "standardised by; levels")
    rows = [head, *(_described(column) for column in preprocessing.inputs.columns)]
    write_line(aligned(rows, right=False))
    write_line(f"\nmissing values: empty{''.join(f', {word}' for word in preprocessing.missing)}")
    if preprocessing.summary:
        write_line(
            "training: "
            + ", ".join(f"{key} {value}" for key, value in preprocessing.summary.items())
        )


def _described(column: NumericColumn | CategoricalColumn) -> tuple[str, str, str, str]:
    from ffnn_fast.cli.table import abbreviated
    from ffnn_fast.preprocessing import NumericColumn

    width = str(len(column.feature_names))
    if isinstance(column, NumericColumn):
        marked = ", missing marked" if column.marks_missing else ""
        scaling = f"mean {column.mean:g}, standard deviation {column.scale:g}{marked}"
        return column.name, "numeric", width, scaling
    levels = ["(missing)" if level is None else level for level in column.levels]
    return column.name, "categorical", width, abbreviated(levels, 8)


COMMAND = Command(
    "info",
    InfoOptions,
    run,
    description="Shows the layers of a model file and its preprocessing of tables.",
)
