"""What stands before and behind a network in the graph: raw columns to inputs, ŷ to answers."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate

from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast.onnx.graph import ML, Graph
from ffnn_fast.preprocessing import CategoricalColumn, NumericColumn, TableEncoder, TargetEncoder

Given = TableEncoder | tuple[TableEncoder, TargetEncoder] | str
Block = tuple[str, list[int]]  # a value, (n, width), and the inputs, of 0..n_0-1, that it holds


@dataclass(frozen=True)
class Preprocessing:
    """How raw columns become inputs, and ŷ answers; `missing` are texts that mark no value."""

    inputs: TableEncoder
    target: TargetEncoder | None = None
    missing: tuple[str, ...] = ()


def as_preprocessing(given: Given | None) -> Preprocessing | None:
    """What `to_onnx` takes, checked; TypeError or ValueError if it is something else."""
    if given is None:
        return None
    if isinstance(given, TableEncoder):
        return Preprocessing(given)
    if isinstance(given, tuple) and [type(part) for part in given] == [TableEncoder, TargetEncoder]:
        return Preprocessing(*given)
    if not isinstance(given, str):
        raise TypeError(
            "preprocessing must be a TableEncoder, a pair of TableEncoder and TargetEncoder, or "
            f"the text that a model file keeps, got {given!r}"
        )
    plain = json.loads(given)
    if not isinstance(plain, dict) or not {"inputs", "target", "missing"} <= set(plain):
        raise ValueError("the text given as preprocessing is not one that ffnn-fast train stored")
    target = TargetEncoder.from_dict(plain["target"])
    return Preprocessing(TableEncoder.from_dict(plain["inputs"]), target, tuple(plain["missing"]))


def check_fit(given: Preprocessing, spec: NetworkSpec) -> None:
    """Whether the preprocessing and the network belong together; ValueError if not."""
    width = len(given.inputs.feature_names)
    if width != spec.n_inputs:
        raise ValueError(f"preprocessing makes {width} inputs, the network has {spec.n_inputs}")
    if not all(column.name for column in given.inputs.columns):
        raise ValueError("a column without a name cannot be an input of an ONNX model")
    if given.target is None:
        return
    if spec.heads:
        raise ValueError(f"the target is one column, but the network has {len(spec.heads)} heads")
    task, classes = given.target.task, len(given.target.classes)
    fits = spec.n_outputs == 1 if task == "regression" else max(spec.n_outputs, 2) == classes
    if task != spec.task or not fits:
        raise ValueError(
            f"the target has {classes} classes ({task}), but the network has {spec.n_outputs} "
            f"outputs ({spec.task})"
        )


def features(graph: Graph, given: Preprocessing) -> str:
    """The columns as inputs of the graph, and h_0, (n, n_0), made from them."""
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
        x = _standardised(graph, scaled, [values[c.name] for c in scaled])
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


def _standardised(graph: Graph, columns: list[NumericColumn], values: list[str]) -> str:
    """(v − mean) / scale in float64 as the encoder computes it, 0 where v is missing."""
    v = graph.add("Concat", *values, axis=1)
    mean = graph.constant([c.mean for c in columns], "float64", "mean")
    scale = graph.constant([c.scale for c in columns], "float64", "scale")
    x = graph.add("Div", graph.add("Sub", v, mean), scale)
    known = graph.add("Where", graph.add("IsNaN", v), graph.constant(0, "float64"), x)
    return graph.cast(known, graph.dtype)


def _one_hot(graph: Graph, column: CategoricalColumn, missing: Iterable[str], value: str) -> str:
    """1 at the value's level, (n, number of levels); "" and the words of `missing` are None."""
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
    """The blocks side by side, each input in its place."""
    h = graph.add("Concat", *(value for value, _ in blocks), axis=1)
    places = [place for _, held in blocks for place in held]
    if places == sorted(places):
        return h
    order = sorted(range(len(places)), key=places.__getitem__)
    return graph.add("Gather", h, graph.constant(order, "int64", "order"), axis=1)


def answers(graph: Graph, spec: NetworkSpec, target: TargetEncoder | None, y_hat: str) -> None:
    """The outputs: ŷ decoded by `target`, ŷ itself without one."""
    if target is None:
        graph.output(y_hat, graph.dtype, spec.n_outputs)
        return
    if target.task == "regression":
        scale = graph.constant(target.scale, "float64")
        mean = graph.constant(target.mean, "float64")
        spread = graph.add("Mul", graph.cast(y_hat, "float64"), scale)
        graph.output(graph.add("Add", spread, mean, name="value"), "float64", 1)
        return
    if spec.n_outputs == 1:
        chosen = graph.add("GreaterOrEqual", y_hat, graph.constant(0.5))
        label = graph.add("Squeeze", graph.cast(chosen, "int64"), graph.constant([1], "int64"))
        other = graph.add("Sub", graph.constant(1), y_hat)
        shares = graph.add("Concat", other, y_hat, axis=1, name="probabilities")
    else:
        label = graph.add("ArgMax", y_hat, axis=1, keepdims=0)
        shares = graph.add("Identity", y_hat, name="probabilities")
    classes = graph.constant(target.classes, "object", "classes")
    graph.output(graph.add("Gather", classes, label, name="label"), "object")
    graph.output(shares, graph.dtype, len(target.classes))
