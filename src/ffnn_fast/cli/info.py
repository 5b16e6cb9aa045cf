"""``ffnn-fast info``: the contents of a model file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ffnn_fast import _text
from ffnn_fast.cli.arguments.declaration import argument
from ffnn_fast.cli.arguments.parsing import Command
from ffnn_fast.cli.arguments.value_types import Text
from ffnn_fast.cli.output import aligned, write_line

if TYPE_CHECKING:
    from ffnn_fast.cli.table_preprocessing import TablePreprocessing
    from ffnn_fast.preprocessing import CategoricalColumn, NumericColumn, TargetEncoder


@dataclass(frozen=True)
class InfoOptions:
    """All options of ``ffnn-fast info``."""

    model: str = argument(Text(), "model file")


def run(options: InfoOptions) -> int:
    """Show the contents; returns the exit code."""
    from ffnn_fast.cli.table_preprocessing import load_model
    from ffnn_fast.cli.trained_models import is_tabular

    if is_tabular(options.model):
        return _show_tabular(options.model)
    network, preprocessing = load_model(options.model)
    author = _author(options.model)
    write_line(f"{options.model}: written by ffnn_fast {author}\n")
    write_line(repr(network))
    if preprocessing is None:
        write_line("\nno preprocessing: this file was not written by ffnn-fast train")
    else:
        _show(preprocessing)
    return 0


def _author(path: str) -> str:
    """The version of the package that wrote a file."""
    from ffnn_fast._model.tensor_files import TensorFile

    with TensorFile(path) as file:
        return _text.shortened(file.metadata.get("library_version", "unknown"), 40)


def _show_tabular(path: str) -> int:
    """Show a tabular model."""
    from ffnn_fast.cli.trained_models import load_tabular

    model = load_tabular(path)
    layout, networks = model.layout, model.estimator.networks_
    shares = model.importances
    write_line(f"{path}: written by ffnn_fast {_author(path)}\n")
    write_line(f"{type(model.estimator).__name__}: {len(networks)} networks, the first of them")
    write_line(repr(networks[0]))
    write_line()
    for target in layout.targets:
        kind = _classes(target) if target.classes else "values"
        write_line(f"target {target.name}: {kind}")
    write_line(f"\ncolumns, from a table {'with' if layout.header else 'without'} a header")
    rows = [
        (name, f"{shares[name]:.3f}" if name in shares else "", use)
        for name, use in layout.uses.items()
    ]
    write_line(aligned([("column", "importance", "used as"), *rows], right=False))
    _show_summary(layout.missing, layout.summary)
    return 0


def _show(preprocessing: TablePreprocessing) -> None:
    write_line()
    for target in preprocessing.targets:
        values = f"mean {target.mean:g}, standard deviation {target.scale:g}"
        write_line(f"target {target.name}: {_classes(target) if target.classes else values}")
    write_line(f"\ninputs, from a table {'with' if preprocessing.header else 'without'} a header")
    head = ("column", "kind", "inputs", "standardised by; levels")
    rows = [head, *(_described(column) for column in preprocessing.inputs.columns)]
    write_line(aligned(rows, right=False))
    _show_summary(preprocessing.missing, preprocessing.summary)


def _classes(target: TargetEncoder) -> str:
    return f"{len(target.classes)} classes: {', '.join(target.classes)}"


def _show_summary(missing: Sequence[str], summary: Mapping[str, str]) -> None:
    """The words for missing values, and how the model was trained."""
    write_line(f"\nmissing values: empty{''.join(f', {word}' for word in missing)}")
    if summary:
        write_line("training: " + ", ".join(f"{key} {value}" for key, value in summary.items()))


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
