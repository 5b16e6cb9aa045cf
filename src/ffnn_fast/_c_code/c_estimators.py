"""Fitted estimators and their transformers, as what exported functions take and give."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ffnn_fast._c_code.c_columns import Columns, level_notes
from ffnn_fast._c_code.c_inputs import Input, Inputs, Step
from ffnn_fast._c_code.c_outputs import Classes, Outputs
from ffnn_fast._model.fitted import Fitted
from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast._model.transformers import (
    OPERATIONS,
    categories_of,
    inverse_operations,
    kind_of,
    limits,
    parts_of,
    passes,
    statistics_of,
)

EXPORT = "C export"
Array = np.ndarray


def network_of(fitted: Fitted, dtype: str) -> tuple[NetworkSpec, Array, Columns]:
    """The network of an estimator, without the outputs that it does not predict, and its columns.

    Raises
    ------
    ValueError
        If a transformer or the classes have no form in C.
    """
    spec, params = fitted.spec, fitted.params
    if getattr(fitted.estimator, "loss", None) == "gaussian_nll":
        spec, params = _means(spec, params)
    steps = [step for step in fitted.steps if not passes(step)]
    inputs, notes = _inputs(steps, fitted, dtype)
    outputs, more = _outputs(fitted, spec.n_outputs)
    n_inputs = spec.n_inputs if inputs is None else inputs.n_columns
    return spec, params, Columns(n_inputs, outputs, inputs, (*notes, *more))


def _means(spec: NetworkSpec, params: Array) -> tuple[NetworkSpec, Array]:
    """The network without the second half of its outputs, the logarithms of variances."""
    width = spec.n_outputs // 2
    smaller = replace(spec, layer_sizes=(*spec.layer_sizes[:-1], width))
    theta = np.empty(smaller.n_params, params.dtype)
    for parts in (NetworkSpec.weights, NetworkSpec.biases):
        for kept, given in zip(parts(smaller, theta), parts(spec, params), strict=True):
            kept[:] = given[: len(kept)]
    return smaller, theta


def _outputs(fitted: Fitted, n: int) -> tuple[Outputs, list[str]]:
    """As predict and predict_proba give them; and what they are."""
    classes = getattr(fitted.estimator, "classes_", None)
    if classes is None:
        return _regression(fitted, n), ["Outputs: the targets, in their own units"]
    if isinstance(classes, list):
        starts = np.cumsum([0, *(len(known) for known in classes)]).tolist()
        parts = [
            Classes(_labels(known), start, f"_{j}")
            for j, (known, start) in enumerate(zip(classes, starts, strict=False))
        ]
        note = "Outputs: probabilities of the classes of each column of labels, one after another"
        return Outputs(n, classes=tuple(parts)), [note]
    if n == 1:
        labels = _labels(classes)
        labels = labels * 2 if len(labels) == 1 else labels
        note = "Outputs: probabilities of both classes"
        return Outputs(2, pair=True, classes=(Classes(labels),)), [note]
    if fitted.spec.output == "softmax":
        return Outputs(n, classes=(Classes(_labels(classes)),)), ["Outputs: probabilities"]
    return Outputs(n), ["Outputs: the probability of each label, which is predicted above 0.5"]


def _labels(classes: Any) -> tuple[Any, ...]:
    return tuple(np.asarray(classes).tolist())


def _regression(fitted: Fitted, n: int) -> Outputs:
    """In the units of the target before its transformers."""
    if all(passes(step) for step in fitted.target):
        return Outputs(n)
    factor, offset = np.ones(n), np.zeros(n)
    for step in fitted.target:
        for op, values in inverse_operations(step, EXPORT):
            if op in ("Mul", "Div"):
                by = np.asarray(values) if op == "Mul" else 1 / np.asarray(values)
                factor, offset = factor * by, offset * by
            else:
                offset = offset + values if op == "Add" else offset - values
    return Outputs(n, factor, offset)


def _inputs(steps: list[Any], fitted: Fitted, dtype: str) -> tuple[Inputs | None, list[str]]:
    """How the steps make the inputs of raw columns, None if not at all; and what they are."""
    first = steps[0] if steps else fitted.estimator
    n = int(getattr(first, "n_features_in_", fitted.spec.n_inputs))
    names = [str(name) for name in getattr(first, "feature_names_in_", ())]
    walk = Walk(dtype, names or [f"column {c}" for c in range(n)])
    made = [Input(c) for c in range(n)]
    for step in steps:
        made = walk.transform(step, made)
    walk.check_types(made)
    inputs = None if not steps else Inputs(n, tuple(made))
    if not names and not walk.levels:
        return inputs, ["Inputs: the features, in the order of those that were fitted"]
    notes = ["Inputs, raw columns:"]
    for c, name in enumerate(walk.names):
        used = [one for one in made if one.column == c]
        if c in walk.levels:
            notes += level_notes(c, name, [text for _, text in walk.levels[c]])
        elif not used:
            notes.append(f"  x[{c}]: {name}, not used")
        else:
            filled = all({"Fill", "IsNaN"} & set(one.kinds) for one in used)
            notes.append(f"  x[{c}]: {name}, a number{', or NaN' if filled else ''}")
    return inputs, notes


@dataclass
class Walk:
    """From transformer to transformer.

    Attributes
    ----------
    dtype : {"float32", "float64"}
        Of the C code; raw values are compared with categories in it.
    names : list of str
        Of the raw columns.
    levels : dict
        Of a raw column of categories that are no numbers: their types and texts, with the numbers.
    """

    dtype: str
    names: list[str]
    levels: dict[int, dict[tuple[str, str], int]] = field(default_factory=dict)

    def transform(self, step: Any, columns: Sequence[Input]) -> list[Input]:
        """The columns that a fitted transformer makes; ValueError if it has no form here."""
        if passes(step):
            return list(columns)
        if hasattr(step, "steps"):
            for _, part in step.steps:
                columns = self.transform(part, columns)
            return list(columns)
        kind = kind_of(step)
        if kind not in TRANSFORMERS:
            known = ", ".join([*TRANSFORMERS, "Pipeline"])
            raise ValueError(f"{EXPORT} has no form for {kind}; it has forms for {known}")
        return TRANSFORMERS[kind](self, step, columns)

    def check_types(self, made: Sequence[Input]) -> None:
        """ValueError if a column of categories by number is used as a number as well."""
        for one in made:
            if one.column in self.levels and one.kinds[:1] != ("Equal",):
                raise ValueError(
                    f"{self.names[one.column]} is used as text and as numbers; an input of the C "
                    "functions is one of them"
                )

    def rounded(self, value: Any) -> float:
        """A value as the C code reads it from a raw column."""
        return float(np.asarray(value, self.dtype))


def _then(columns: Sequence[Input], kind: str, operands: Any) -> list[Input]:
    """One more step on each column."""
    return [
        Input(one.column, (*one.steps, Step(kind, tuple(map(float, np.atleast_1d(given))))))
        for one, given in zip(columns, operands, strict=True)
    ]


def _affine(walk: Walk, step: Any, columns: Sequence[Input]) -> list[Input]:
    """x · factor + shift, or (x − shift) / factor."""
    made = list(columns)
    for op, values in OPERATIONS[kind_of(step)](step):
        made = _then(made, op, values)
    if ends := limits(step):
        made = _then(made, "Clip", [ends] * len(made))
    return made


def _imputed(walk: Walk, step: Any, columns: Sequence[Input]) -> list[Input]:
    """The statistic of the column where a value is NaN."""
    statistics = statistics_of(step, EXPORT)
    return _then(columns, "Fill", [walk.rounded(value) for value in statistics])


def _one_hot(walk: Walk, step: Any, columns: Sequence[Input]) -> list[Input]:
    """1 at the category of each column; zeros for an unknown one, whatever handle_unknown is."""
    made = []
    for column, (categories, kept) in zip(columns, categories_of(step, EXPORT), strict=True):
        is_text = categories.dtype.kind in "OUST"
        if set(column.kinds) - (set() if is_text else {"Fill"}):
            raise ValueError(f"{EXPORT} expects a OneHotEncoder before the steps that scale")
        matches = _level_matches if is_text else _number_matches
        steps = matches(walk, column, categories)
        made += [Input(column.column, (*column.steps, steps[j])) for j in kept]
    return made


def _level_matches(walk: Walk, column: Input, categories: Array) -> list[Step]:
    """A step for each category; the raw column holds its number."""
    levels = walk.levels.setdefault(column.column, {})
    keys = [(type(one).__name__, str(one)) for one in categories.tolist()]
    return [Step("Equal", (float(levels.setdefault(key, len(levels))),)) for key in keys]


def _number_matches(walk: Walk, column: Input, categories: Array) -> list[Step]:
    """A step for each category, which is a number."""
    values = [walk.rounded(one) for one in categories]
    if len(set(values)) < len(values):
        raise ValueError(
            f"{walk.dtype} rounds several of the categories {categories.tolist()} to one number; "
            "give dtype='float64' or categories that are further apart"
        )
    return [Step("IsNaN") if v != v else Step("Equal", (v,)) for v in values]


def _by_column(walk: Walk, step: Any, columns: Sequence[Input]) -> list[Input]:
    """The outputs of the parts side by side."""
    made: list[Input] = []
    for part, places in parts_of(step, len(columns), EXPORT):
        made += walk.transform(part, [columns[j] for j in places])
    return made


TRANSFORMERS: dict[str, Callable[[Walk, Any, Sequence[Input]], list[Input]]] = {
    **dict.fromkeys(OPERATIONS, _affine),
    "SimpleImputer": _imputed,
    "OneHotEncoder": _one_hot,
    "ColumnTransformer": _by_column,
}
