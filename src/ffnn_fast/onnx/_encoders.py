"""Table and target encoders in ONNX's operators: raw columns to inputs, ŷ to decoded outputs."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast._model.target_outputs import check_targets
from ffnn_fast.onnx._estimators import add_label
from ffnn_fast.onnx._graph import ML, Graph
from ffnn_fast.preprocessing import (
    CategoricalColumn,
    Encoders,
    NumericColumn,
    TableEncoder,
    TargetEncoder,
    Targets,
    encoders_of,
)

PreprocessingLike = Encoders | str
UNITS = ("scale", "mean")
Block = tuple[str, list[int]]  # a value, (n, width), and the indices of its columns in h_0


@dataclass(frozen=True)
class Preprocessing:
    """Encoders of inputs and targets; `missing` are the texts that mark a missing value."""

    inputs: TableEncoder
    targets: Targets = ()
    missing: tuple[str, ...] = ()


def as_preprocessing(given: PreprocessingLike) -> Preprocessing:
    """The `preprocessing` argument of `to_onnx`; TypeError or ValueError if it is invalid."""
    if not isinstance(given, str):
        return Preprocessing(*encoders_of(given, ", or the JSON text of a model file"))
    try:
        plain = json.loads(given)
    except json.JSONDecodeError as error:
        raise ValueError(f"preprocessing is not JSON text: {error}") from error
    if not isinstance(plain, dict) or not {"inputs", "target", "missing"} <= set(plain):
        raise ValueError(
            "preprocessing must be the JSON text that ffnn-fast train stores, with the keys "
            "inputs, target and missing"
        )
    target = plain["target"]
    each = target if isinstance(target, list) else [target]
    targets = tuple(TargetEncoder.from_dict(one) for one in each)
    return Preprocessing(TableEncoder.from_dict(plain["inputs"]), targets, tuple(plain["missing"]))


def check_preprocessing(preprocessing: PreprocessingLike, spec: NetworkSpec) -> None:
    """Check that `to_onnx` can put this preprocessing in front of such a network.

    Parameters
    ----------
    preprocessing : TableEncoder, tuple or str
        As for `to_onnx`.
    spec : NetworkSpec

    Raises
    ------
    TypeError
        If `preprocessing` is of another type.
    ValueError
        If a str is not the JSON text that ``ffnn-fast train`` stores, the number of inputs differs,
        a column has no name, or task or number of classes of the targets differ.
    """
    check_match(as_preprocessing(preprocessing), spec)


def check_match(given: Preprocessing, spec: NetworkSpec) -> None:
    """ValueError if preprocessing and network do not match."""
    width = len(given.inputs.feature_names)
    if width != spec.n_inputs:
        raise ValueError(f"preprocessing gives {width} inputs, the network has {spec.n_inputs}")
    if not all(column.name for column in given.inputs.columns):
        raise ValueError("an input of an ONNX model needs a name; a column has none")
    if given.targets:
        check_targets(given.targets, spec)


def add_inputs(graph: Graph, given: Preprocessing) -> str:
    """Add the raw columns as inputs of the graph; returns the encoded h_0, (n, n_0)."""
    columns = given.inputs.columns
    starts = accumulate((len(c.feature_names) for c in columns), initial=0)
    at = {c.name: start for c, start in zip(columns, starts, strict=False)}
    values = {
        c.name: graph.input(c.name, "float64" if isinstance(c, NumericColumn) else "object", 1)
        for c in columns
    }
    numeric = [c for c in columns if isinstance(c, NumericColumn)]
    blocks: list[Block] = []
    if scaled := [c for c in numeric if c.scale]:
        x = _standardized(graph, scaled, [values[c.name] for c in scaled])
        blocks.append((x, [at[c.name] for c in scaled]))
    if marked := [c for c in numeric if c.marks_missing]:
        v = graph.add("Concat", *(values[c.name] for c in marked), axis=1)
        marks = graph.cast(graph.add("IsNaN", v), graph.dtype)
        blocks.append((marks, [at[c.name] + len(c.feature_names) - 1 for c in marked]))
    for c in columns:
        if isinstance(c, CategoricalColumn):
            place = range(at[c.name], at[c.name] + len(c.levels))
            blocks.append((_one_hot(graph, c, given.missing, values[c.name]), list(place)))
    return _in_order(graph, blocks)


def _standardized(graph: Graph, columns: list[NumericColumn], values: list[str]) -> str:
    """(v − mean) / scale in float64, as in the encoder; 0 where v is missing."""
    v = graph.add("Concat", *values, axis=1)
    mean = graph.constant([c.mean for c in columns], "float64", "mean")
    scale = graph.constant([c.scale for c in columns], "float64", "scale")
    x = graph.add("Div", graph.add("Sub", v, mean), scale)
    known = graph.add("Where", graph.add("IsNaN", v), graph.constant(0, "float64"), x)
    return graph.cast(known, graph.dtype)


def _one_hot(graph: Graph, column: CategoricalColumn, missing: Iterable[str], value: str) -> str:
    """1 at the value's level, (n, number of levels); "" and the texts of `missing` are None."""
    place = {level: j for j, level in enumerate(column.levels)}
    keys = {text: place.get(None, -1) for text in ("", *missing)}
    keys |= {text: j for text, j in place.items() if text is not None}
    level = graph.add(
        "LabelEncoder",
        value,
        domain=ML,
        keys_strings=list(keys),
        values_int64s=list(keys.values()),
        default_int64=-1,
    )
    levels = graph.constant(range(len(place)), "int64", "levels")
    return graph.cast(graph.add("Equal", level, levels), graph.dtype)


def _in_order(graph: Graph, blocks: list[Block]) -> str:
    """h_0: the blocks side by side, columns in the encoder's order."""
    h = graph.add("Concat", *(value for value, _ in blocks), axis=1)
    places = [place for _, part in blocks for place in part]
    if places == sorted(places):
        return h
    order = sorted(range(len(places)), key=places.__getitem__)
    return graph.add("Gather", h, graph.constant(order, "int64", "order"), axis=1)


def add_outputs(graph: Graph, spec: NetworkSpec, targets: Targets, y_hat: str) -> None:
    """Add the outputs of the graph: ŷ decoded by the targets, or ŷ itself without any."""
    if not targets:
        graph.output(y_hat, graph.dtype, spec.n_outputs)
        return
    classes = targets[0].classes
    if not classes:
        scale, mean = (_of_each(graph, [getattr(t, unit) for t in targets]) for unit in UNITS)
        scaled = graph.add("Mul", graph.cast(y_hat, "float64"), scale)
        graph.output(graph.add("Add", scaled, mean, name="value"), "float64", len(targets))
        return
    if len(targets) > 1:
        parts = graph.split(y_hat, spec.head_widths)
        for j, (part, target) in enumerate(zip(parts, targets, strict=True)):
            add_label(graph, np.array(target.classes, dtype=object), part, f"_{j}")
        return
    if spec.n_outputs == 1:
        chosen = graph.add("GreaterOrEqual", y_hat, graph.constant(0.5))
        label = graph.add("Squeeze", graph.cast(chosen, "int64"), graph.constant([1], "int64"))
        p_0 = graph.add("Sub", graph.constant(1), y_hat)
        probabilities = graph.add("Concat", p_0, y_hat, axis=1, name="probabilities")
    else:
        label = graph.add("ArgMax", y_hat, axis=1, keepdims=0)
        probabilities = graph.add("Identity", y_hat, name="probabilities")
    names = graph.constant(classes, "object", "classes")
    graph.output(graph.add("Gather", names, label, name="label"), "object")
    graph.output(probabilities, graph.dtype, len(classes))


def _of_each(graph: Graph, values: list[float]) -> str:
    """A constant of one target, or one for each of several."""
    return graph.constant(values[0] if len(values) == 1 else values, "float64")
