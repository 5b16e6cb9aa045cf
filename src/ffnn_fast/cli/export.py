"""``ffnn-fast export``: a model file in the formats of other programs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ffnn_fast.cli.arguments.declaration import argument, option
from ffnn_fast.cli.arguments.parsing import Command
from ffnn_fast.cli.arguments.value_types import OneOf, Switch, Text
from ffnn_fast.cli.output import CommandError, aligned, check_output, write_line

if TYPE_CHECKING:
    from ffnn_fast.cli.onnx_comparison import Comparison
    from ffnn_fast.cli.table_layout import TableLayout
    from ffnn_fast.cli.table_preprocessing import TablePreprocessing
    from ffnn_fast.cli.trained_models import TabularModel
    from ffnn_fast.network import Network

FORMATS = ("onnx", "safetensors", "c")
Facts = tuple[tuple[str, list[str]], ...]
MOST = 8  # inputs, outputs or tensors shown


@dataclass(frozen=True)
class ExportOptions:
    """All options of ``ffnn-fast export``."""

    model: str = argument(Text(), "model file")
    to: str | None = option(
        OneOf(FORMATS), "the format (default: according to the suffix of the output)"
    )
    output: str | None = option(
        Text(),
        "the file to write (default: the model's name with the suffix of the format)",
        metavar="FILE",
        flags=("-o", "--output"),
    )
    bare: bool = option(
        Switch(),
        "ONNX or C of the network alone, which takes standardised inputs",
        default=False,
    )
    jacobian: bool = option(
        Switch(), "C: also a function for the derivatives of the outputs", default=False
    )
    fortran: bool = option(
        Switch(), "C: also a Fortran module of interfaces, suffix .f90", default=False
    )
    dtype: str | None = option(
        OneOf(("float32", "float64")), "the type of the numbers (default: the model's)"
    )


def run(options: ExportOptions) -> int:
    """Write and check; returns the exit code."""
    from ffnn_fast.cli.table_preprocessing import load_model
    from ffnn_fast.cli.trained_models import is_tabular

    kind = _kind(options.to, options.output)
    path = options.output or f"{os.path.splitext(options.model)[0]}.{kind}"
    check_output(path, options.model)
    if is_tabular(options.model):
        return _of_tabular(options, kind, path)
    network, preprocessing = load_model(options.model)
    dtype = options.dtype or network.spec.dtype
    if kind != "c" and (options.jacobian or options.fortran):
        raise CommandError(f"--jacobian and --fortran go with --to c, not with --to {kind}")
    if kind == "safetensors":
        return _to_safetensors(network, path, dtype)
    if preprocessing is None and not options.bare:
        write_line(f"note: {options.model} has no preprocessing: exporting the network alone")
    encoders = None if options.bare else preprocessing
    if kind == "c":
        return _to_c(network, encoders, path, options)
    return _to_onnx(network, encoders, path, dtype)


def _of_tabular(options: ExportOptions, kind: str, path: str) -> int:
    """Write and check a tabular model."""
    from ffnn_fast.cli.trained_models import load_tabular

    if kind == "safetensors":
        raise CommandError(
            f"{options.model} is a tabular model, a bag of networks, which is more than the "
            "tensors of one: export it with --to onnx or --to c, or train a plain model (ffnn-fast "
            "train ... --model plain) and export that"
        )
    if options.bare or options.jacobian or options.fortran:
        raise CommandError("--bare, --jacobian and --fortran are for plain models")
    loaded = load_tabular(options.model)
    try:
        return (_bag_to_c if kind == "c" else _bag_to_onnx)(loaded, path, options.dtype)
    except (ImportError, ValueError) as error:
        raise CommandError(str(error)) from error


def _bag_to_onnx(loaded: TabularModel, path: str, dtype: str | None) -> int:
    from ffnn_fast.cli.onnx_comparison import compare_tabular
    from ffnn_fast.onnx import to_onnx

    model = to_onnx(loaded.estimator, path, dtype=dtype)
    found = compare_tabular(path, loaded)
    return _report_onnx(path, model, found, _targets(loaded.layout))


def _bag_to_c(loaded: TabularModel, path: str, dtype: str | None) -> int:
    from ffnn_fast.c import to_c

    model, name = loaded.estimator, _c_name(path)
    header = to_c(model, path, name=name, dtype=dtype)[1]
    n_inputs = len(model._inputs.number_names) + len(model._inputs.code_sizes)
    outputs = ("outputs", [str(model.networks_[0].spec.n_outputs)]), *_targets(loaded.layout)
    return _report_c(path, name, [header], str(n_inputs), outputs)


def _report_onnx(path: str, model: Any, found: Comparison, targets: Facts) -> int:
    """Show the inputs and outputs of a file, and how it was checked; returns the exit code."""
    from ffnn_fast.cli.onnx_comparison import TOLERANCE

    passed = found.difference <= TOLERANCE
    verdict = f"{found.difference:.1e} of the largest output  {'ok' if passed else 'FAILED'}"
    _report(
        path,
        ("inputs", [_described(value) for value in model.graph.input]),
        ("outputs", [_described(value) for value in model.graph.output]),
        *targets,
        ("check", [f"{found.n_rows} random rows, by {found.runtime}"]),
        ("difference", [verdict]),
    )
    return 0 if passed else 1


def _kind(to: str | None, output: str | None) -> str:
    """The format, by ``--to`` or else by the suffix of the output."""
    suffix = os.path.splitext(output or "")[1].lower().removeprefix(".")
    if to is None and suffix not in FORMATS:
        raise CommandError(
            "give --to onnx, --to safetensors or --to c, or an -o that ends in one of them"
        )
    if to is not None and suffix in FORMATS and suffix != to:
        raise CommandError(f"--to {to} contradicts -o {output}, which ends in .{suffix}")
    return to or suffix


def _to_onnx(
    network: Network, preprocessing: TablePreprocessing | None, path: str, dtype: str
) -> int:
    from ffnn_fast.cli.onnx_comparison import compare
    from ffnn_fast.onnx import check_preprocessing, to_onnx

    given = None if preprocessing is None else preprocessing.to_json()
    if given is not None:
        try:
            check_preprocessing(given, network.spec)
        except ValueError as error:
            raise CommandError(
                f"the preprocessing cannot be expressed in ONNX: {error}; use --bare to export "
                "the network alone"
            ) from error
    try:
        model = to_onnx(network, path, preprocessing=given, dtype=dtype)
    except (ImportError, ValueError) as error:
        raise CommandError(str(error)) from error
    found = compare(path, network, preprocessing, dtype)
    return _report_onnx(path, model, found, _targets(preprocessing))


def _to_c(
    network: Network, preprocessing: TablePreprocessing | None, path: str, options: ExportOptions
) -> int:
    encoders = None
    if preprocessing is not None:
        encoders = preprocessing.inputs, preprocessing.targets.each
    name = _c_name(path)
    try:
        written = network.export_c(
            path, name=name, dtype=options.dtype, jacobian=options.jacobian,
            fortran=options.fortran, preprocessing=encoders,
        )  # fmt: skip
    except ValueError as error:
        raise CommandError(str(error)) from error
    inputs = network.spec.n_inputs if preprocessing is None else len(preprocessing.inputs.columns)
    outputs = ("outputs", [str(network.spec.n_outputs)]), *_targets(preprocessing)
    return _report_c(path, name, written[1:], str(inputs), outputs)


def _report_c(path: str, name: str, beside: Sequence[Path], inputs: str, outputs: Facts) -> int:
    """Compile and run the file, and show what it holds; returns the exit code."""
    from ffnn_fast.cli.c_program import check_program

    found = check_program(Path(path), name)
    known = ("forward", "batch", "jacobian", "class")
    header = beside[0].read_text()
    _report(
        path,
        ("beside it", [str(file) for file in beside]),
        ("inputs", [inputs]),
        *outputs,
        ("functions", [f"{name}_{one}" for one in known if f" {name}_{one}(" in header]),
        ("check", found.lines),
    )
    return 1 if found.passed is False else 0


def _c_name(path: str) -> str:
    """The prefix of the functions in a C file of this name."""
    from ffnn_fast._c_code import identifier_of

    return identifier_of(os.path.splitext(os.path.basename(path))[0])


def _described(value: Any) -> str:
    """Name, shape and type of an input or output of an ONNX graph."""
    from onnx import helper

    tensor = value.type.tensor_type
    shape = ", ".join(size.dim_param or str(size.dim_value) for size in tensor.shape.dim)
    kind = helper.tensor_dtype_to_np_dtype(tensor.elem_type)
    return f"{value.name} ({shape}) {'text' if kind.hasobject else kind}"


def _to_safetensors(network: Network, path: str, dtype: str) -> int:
    import numpy as np
    from safetensors.numpy import load

    from ffnn_fast._errstate import ignoring
    from ffnn_fast._model.model_files import named_tensors, packed, write_atomically

    params = ignoring("over", network.params.astype, dtype)
    if not np.isfinite(params).all():
        raise CommandError(f"{dtype} cannot hold parameters as large as {max(abs(network.params))}")
    names = ", ".join(map(str, network.spec.layer_activations))
    tensors = named_tensors(network.spec, params)
    content = packed(tensors, {"format": "pt", "activations": names})
    write_atomically(os.path.realpath(path), content)
    with open(path, "rb") as file:
        again = load(file.read())
    same = again.keys() == tensors.keys() and all(
        again[name].dtype == tensor.dtype and np.array_equal(again[name], tensor)
        for name, tensor in tensors.items()
    )
    _report(
        path,
        ("inputs", [str(network.spec.n_inputs)]),
        ("outputs", [str(network.spec.n_outputs)]),
        ("tensors", [f"{name} {tensor.shape} {dtype}" for name, tensor in tensors.items()]),
        ("activations", [names]),
        ("check", [f"every tensor of the file equals the model's  {'ok' if same else 'FAILED'}"]),
    )
    return 0 if same else 1


def _targets(layout: TableLayout | None) -> Facts:
    """The targets in the order of their outputs, if there are several."""
    if layout is None or len(layout.targets) == 1:
        return ()
    return (("targets", list(layout.targets.names)),)


def _report(path: str, *facts: tuple[str, list[str]]) -> None:
    from ffnn_fast.cli.table import abbreviated

    write_line(f"{path}: {os.path.getsize(path):,} bytes")
    write_line(aligned([(name, abbreviated(texts, MOST)) for name, texts in facts], right=False))


COMMAND = Command(
    "export",
    ExportOptions,
    run,
    description="Writes a model as ONNX or as C99 code, with the preprocessing of raw columns, "
    "or as a safetensors file with nothing but the tensors of a torch.nn.Sequential. The written "
    "file is checked (C code if a compiler is found); the exit code is 1 if its results differ "
    "from the model's.",
    epilog="example: ffnn-fast export houses.safetensors --to onnx",
)
