"""The encoding of a table in exported C code."""

from __future__ import annotations

import numpy as np

from ffnn_fast._c_code.c_columns import Columns, level_notes
from ffnn_fast._c_code.c_inputs import Input, Inputs, Step
from ffnn_fast._c_code.c_outputs import Classes, Outputs
from ffnn_fast._columns.features import CATEGORY, DATE, LEFT_OUT, Feature
from ffnn_fast.tabular._inputs import TableInputs
from ffnn_fast.tabular._robust_scale import BEYOND, RobustScale

Array = np.ndarray


def raw_columns(inputs: TableInputs, classes: Array | None, mean: float, scale: float) -> Columns:
    """What a C function of raw rows takes and gives.

    Parameters
    ----------
    inputs : TableInputs
        With categories as ±1 and one-hot inputs.
    classes : ndarray or None
        Of a classifier; else the values are scale · ŷ + mean.
    mean, scale : float

    Raises
    ------
    ValueError
        If a column is a date, which C code has no form for.
    """
    dates = [feature.name for feature in inputs.features if feature.use == DATE]
    if dates:
        raise ValueError(
            f"C export has no form for dates, such as column {dates[0]!r}; give their parts, for "
            "example the year, as columns of numbers"
        )
    numbers, marks, binary = [], [], []
    scales = iter(inputs.scales)
    for c, feature in enumerate(inputs.features):
        if feature.use == CATEGORY:
            binary += _binary(feature, c)
        elif feature.use != LEFT_OUT:
            one = next(scales)
            numbers.append(_number(one, c))
            marks += [Input(c, (Step("IsNaN"),))] if one.marks_missing else []
    each = Inputs(len(inputs.features), (*numbers, *marks, *binary))
    if classes is None:
        outputs = Outputs(1, np.array([scale]), np.array([mean]))
    else:
        outputs = Outputs(len(classes), classes=(Classes(tuple(classes.tolist())),))
    notes = ["Inputs, raw columns:"]
    for c, feature in enumerate(inputs.features):
        notes += _notes(feature, c)
    notes.append("Outputs: probabilities" if classes is not None else "Output: the value")
    return Columns(len(inputs.features), outputs, each, tuple(notes))


def _number(scale: RobustScale, c: int) -> Input:
    """c(scale (v − median)), 0 where v is NaN."""
    steps = Step("Sub", (scale.median,)), Step("Mul", (scale.scale,))
    return Input(c, (*steps, Step("Clip", (-BEYOND, BEYOND)), Step("Squash"), Step("Fill", (0.0,))))


def _binary(feature: Feature, c: int) -> list[Input]:
    """±1 for two levels, else one-hot, of the number of the level."""
    if len(feature.levels) <= 2:
        return [Input(c, (Step("Signed"),))]
    return [Input(c, (Step("Equal", (float(j),)),)) for j in range(len(feature.levels))]


def _notes(feature: Feature, c: int) -> list[str]:
    """What a raw column is."""
    if feature.use == CATEGORY:
        return level_notes(c, feature.name, list(feature.levels))
    if feature.use == LEFT_OUT:
        return [f"  x[{c}]: {feature.name}, not used"]
    return [f"  x[{c}]: {feature.name}, a number, NaN where it is missing"]
