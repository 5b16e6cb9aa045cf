"""`export_c`: a network as a C source file and its header."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from ffnn_fast._c_code.c_bags import Bag
from ffnn_fast._c_code.c_check import main_program, vectors
from ffnn_fast._c_code.c_columns import Columns, columns_of
from ffnn_fast._c_code.c_estimators import network_of
from ffnn_fast._c_code.c_fortran import fortran_module
from ffnn_fast._c_code.c_functions import functions
from ffnn_fast._c_code.c_layers import Network, check_activations, parameters
from ffnn_fast._c_code.c_maths import maths_source
from ffnn_fast._c_code.c_outputs import Outputs
from ffnn_fast._c_code.c_text import check_file_name, check_identifier, comment, identifier_of
from ffnn_fast._errstate import ignoring
from ffnn_fast._model.fitted import as_fitted, is_tabular
from ffnn_fast._model.model_files import write_atomically
from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast._model.summary import summary
from ffnn_fast._scalars import as_bool, as_choice, as_path, convert_fields
from ffnn_fast.preprocessing import Encoders

PathLike = str | os.PathLike[str]
EncodersLike = Encoders | None
REALS = {"float32": "float", "float64": "double"}
ORDER = (
    "Order of sums: of the terms of one output, those of the inputs 0, 4, 8, ... are added to the "
    "bias, those of 1, 5, 9, ..., of 2, 6, 10, ... and of 3, 7, 11, ... to sums of their own, then "
    "(s0 + s1) + (s2 + s3). A product and its sum have one rounding where the target has FMA, else "
    "two: results have the same bits for all compilers and options that keep IEEE arithmetic (no "
    "-ffast-math), on targets with FMA and on targets without."
)
ARITHMETIC = """\
/* Products and sums are fused where vm_fma_ says so and nowhere else. The other two options, which
 * change no value, let GCC vectorise loops with selects. */
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
#pragma GCC optimize("fp-contract=off", "no-trapping-math", "no-math-errno")
#endif
"""
ACCURACY = (
    "exp, tanh and the like are the polynomials below; the error of each, in units in the last "
    "place, is stated there. No function of a mathematical library is called, nothing is "
    "allocated, and any number of threads may call."
)


@dataclass(frozen=True)
class CExportOptions:
    """The options of `ffnn_fast.Network.export_c`, under the same names.

    Raises
    ------
    TypeError, ValueError
        If one is not as described there.
    """

    name: str | None = None
    dtype: str | None = None
    jacobian: bool = False
    fortran: bool = False
    preprocessing: EncodersLike = None

    def __post_init__(self) -> None:
        convert_fields(self, as_bool, "jacobian", "fortran")
        if self.name is not None:
            check_identifier(self.name)
        if self.dtype is not None:
            as_choice(self.dtype, "dtype", REALS)


def export_c(
    spec: NetworkSpec, params: np.ndarray, path: PathLike, options: CExportOptions
) -> tuple[Path, ...]:
    """See `ffnn_fast.Network.export_c`."""
    columns = columns_of(options.preprocessing, spec)
    return export_columns(spec, params, columns, path, options)


def export_estimator(model: Any, path: PathLike, options: CExportOptions) -> tuple[Path, ...]:
    """See `ffnn_fast.c.to_c`."""
    if options.preprocessing is not None:
        raise ValueError(
            f"preprocessing goes with a Network; {type(model).__name__} has its own steps"
        )
    if is_tabular(model, "to_c"):
        return _write_bag(model, path, options)
    fitted = as_fitted(model, "to_c")
    parts = network_of(fitted, options.dtype or fitted.spec.dtype)
    return export_columns(*parts, path, options)


def export_mean(
    spec: NetworkSpec, params: np.ndarray, members: int, path: PathLike, options: CExportOptions
) -> tuple[Path, ...]:
    """A network whose outputs are those of `members` networks, as C that gives their mean."""
    outputs = Outputs(spec.n_outputs // members, members=members)
    about = f"The outputs are the means of those of {members} networks, which lie side by side."
    columns = Columns(spec.n_inputs, outputs, description=("", about))
    return export_columns(spec, params, columns, path, options)


def export_columns(
    spec: NetworkSpec, params: np.ndarray, columns: Columns, path: PathLike, options: CExportOptions
) -> tuple[Path, ...]:
    """A network of raw columns, as `ffnn_fast.c.to_c` writes it."""
    source, name = _named(path, options)
    check_activations(spec)
    net = Network(spec, *_parameters(params, options.dtype or spec.dtype))
    header = source.with_suffix(".h")
    texts = {
        source: _source(net, columns, name, header.name, options.jacobian),
        header: _header(net, columns, name, options.jacobian),
    }
    if options.fortran:
        texts[source.with_suffix(".f90")] = fortran_module(
            name, header.name, net.real, columns, options.jacobian
        )
    return _written(texts)


def _write_bag(model: Any, path: PathLike, options: CExportOptions) -> tuple[Path, ...]:
    """The same of an estimator for tables."""
    for option in ("jacobian", "fortran"):
        if getattr(options, option):
            raise ValueError(f"{option} is for single networks; {type(model).__name__} has several")
    source, name = _named(path, options)
    bag = Bag(model, options.dtype or model.networks_[0].spec.dtype)
    net, header, written = bag.nets[0], source.with_suffix(".h"), bag.source(name)
    parts = [
        *_begin(net, name, header.name),
        maths_source(bag.maths(), net.real), written,
        main_program(net, bag.vectors(), name, False),
    ]  # fmt: skip
    return _written({source: "\n".join(parts), header: _header(net, bag.columns, name, False)})


def _named(path: PathLike, options: CExportOptions) -> tuple[Path, str]:
    """The source file, and the prefix of the names in it; ValueError for one that C cannot have."""
    source = Path(as_path(path))
    if source.suffix != ".c":
        raise ValueError(f"the file must end in .c, got {str(source)!r}")
    check_file_name(source.stem)
    return source, options.name or check_identifier(identifier_of(source.stem))


def _written(texts: dict[Path, str]) -> tuple[Path, ...]:
    for file, text in texts.items():
        write_atomically(os.path.realpath(file), [text.encode("ascii")])
    return tuple(texts)


def _parameters(params: np.ndarray, dtype: str) -> tuple[np.ndarray, str]:
    """θ in a dtype, and the name of that in C; ValueError unless it is finite."""
    theta = ignoring("over", params.astype, dtype)
    if np.isfinite(theta).all():
        return theta, REALS[dtype]
    if np.isfinite(params).all():
        raise ValueError(f"{dtype} cannot hold parameters as large as {np.abs(params).max()}")
    raise ValueError("the parameters are not finite; C code of this network would compute NaN")


def _source(net: Network, columns: Columns, name: str, header: str, jacobian: bool) -> str:
    written = functions(net, columns, name, jacobian)
    parts = [
        *_begin(net, name, header),
        maths_source(net.maths, net.real),
        "/* Parameters: W_k[j][i] is the weight of input j of layer k for its output i */\n"
        + parameters(net),
    ]
    if jacobian and len(net.names) > 1:
        parts.append(f"static const {net.real} zeros[{max(net.widths()[1:])}] = {{0}};\n")
    parts += [written, main_program(net, vectors(net, columns), name, jacobian)]
    return "\n".join(parts)


def _begin(net: Network, name: str, header: str) -> list[str]:
    """The first parts of a source file."""
    return [
        comment([*_title(net, name), "", ORDER, "", ACCURACY, "",
                 f"With -D{name.upper()}_MAIN this file is a program that compares the functions "
                 "with reference vectors; its exit code is 0 if they agree."]),
        f'#include "{header}"\n\n#include <math.h> /* INFINITY, NAN */\n#include <stdint.h>\n'
        "#include <string.h>\n",
        ARITHMETIC,
    ]  # fmt: skip


def _title(net: Network, name: str) -> list[str]:
    first = f"{name}: a feedforward network as C99 code, written by ffnn_fast {_version()}"
    return [first, "", *(line.rstrip() for line in summary(net.spec).splitlines())]


def _version() -> str:
    try:
        return version("ffnn_fast")
    except PackageNotFoundError:
        return "(not installed)"


def _header(net: Network, columns: Columns, name: str, jacobian: bool) -> str:
    upper, real = name.upper(), net.real
    declared = [
        "/* y := the outputs for the inputs x */",
        f"void {name}_forward(const {real} *x, {real} *y);",
        "/* the same for n samples, row by row */",
        f"void {name}_batch(size_t n, const {real} *x, {real} *y);",
    ]
    if jacobian:
        declared += [
            "/* the same y as forward, and J[i * inputs + c] := dy_i / dx_c */",
            f"void {name}_jacobian(const {real} *x, {real} *y, {real} *J);",
        ]
    for known in columns.outputs.classes:
        declared += known.declarations(name, real)
    return "\n".join(
        [
            comment([*_title(net, name), *columns.description]).rstrip("\n"),
            f"#ifndef {upper}_H\n#define {upper}_H\n",
            "#include <stddef.h>\n",
            f"#define {upper}_N_INPUTS {columns.n_inputs}",
            f"#define {upper}_N_OUTPUTS {columns.outputs.n}\n",
            '#ifdef __cplusplus\nextern "C" {\n#endif\n',
            *declared,
            f"\n#ifdef __cplusplus\n}}\n#endif\n\n#endif /* {upper}_H */\n",
        ]
    )
