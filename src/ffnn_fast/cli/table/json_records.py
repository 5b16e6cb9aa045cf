"""JSON as a table: records in lines or in a list, or a list for each column."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ffnn_fast.cli.output import CommandError
from ffnn_fast.cli.table.coded_texts import EXACT
from ffnn_fast.cli.table.conventions import Conventions
from ffnn_fast.cli.table.data_table import Table
from ffnn_fast.cli.table.encodings import survey
from ffnn_fast.cli.table.sources import Source
from ffnn_fast.cli.table.typed import Column, make_table

SHAPES = (
    'a record {"column": value, ...} in each line, a list of records, or one object with a list of '
    "equal length for each column"
)


def read_json(source: Source, conventions: Conventions) -> Table:
    """The table in JSON text; null and an absent entry are missing values.

    Raises
    ------
    CommandError
        If the text is no JSON, or has another shape than a table.
    """
    found = survey(source, conventions.encoding)
    text = source.read().decode(found.encoding)
    columns, n_rows = _columns(source.name, _parsed(source.name, text), conventions.named)
    made = [_column(name, values) for name, values in columns.items()]
    return make_table(source.name, made, n_rows, marks=conventions.marks)


def _parsed(name: str, text: str) -> Any:
    """The value of a text, or the list of those in its lines."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        whole = error
    found = []
    for line, content in enumerate(text.splitlines(), start=1):
        if content.strip():
            try:
                found.append(json.loads(content))
            except (ValueError, RecursionError) as error:
                shown = error if found else whole
                where = f", line {line}" if found else ""
                raise CommandError(f"{name}{where} is no valid JSON: {shown}") from error
    return found


def _columns(name: str, value: Any, named: Sequence[str] = ()) -> tuple[dict[str, list[Any]], int]:
    """The values of each column, None where missing, and the number of rows; options have `named`
    some columns.
    """
    if isinstance(value, Mapping):
        return _columns_of_object(name, value, named)
    if value and all(isinstance(record, Mapping) for record in value):
        names = dict.fromkeys(key for record in value for key in record)
        return {key: [record.get(key) for record in value] for key in names}, len(value)
    raise CommandError(f"{name} is JSON, but not a table: {SHAPES} is needed")


def _columns_of_object(
    name: str, value: Mapping[str, Any], named: Sequence[str]
) -> tuple[dict[str, list[Any]], int]:
    rows = value.get("data")
    if isinstance(value.get("columns"), list) and isinstance(rows, list):  # pandas: orient="split"
        keys = [str(key) for key in value["columns"]]
        if all(isinstance(row, list) and len(row) == len(keys) for row in rows):
            return {key: [row[k] for row in rows] for k, key in enumerate(keys)}, len(rows)
    if isinstance(rows, list) and rows and all(isinstance(row, Mapping) for row in rows):
        return _columns(name, rows)
    if value and all(isinstance(column, Mapping) for column in value.values()):  # by row label
        labels = dict.fromkeys(label for column in value.values() for label in column)
        if _holds_rows(value, labels, named):  # pandas: orient="index"
            return _columns(name, list(value.values()))
        by_label = {k: [c.get(label) for label in labels] for k, c in value.items()}
        return by_label, len(labels)
    lengths = {len(c) if isinstance(c, list) else -1 for c in value.values()}
    if len(lengths) == 1 and -1 not in lengths:
        return dict(value), lengths.pop()
    if not any(isinstance(entry, (list, Mapping)) for entry in value.values()) and value:
        return _columns(name, [value])  # a file of one record
    raise CommandError(f"{name} is JSON, but not a table: {SHAPES} is needed")


def _holds_rows(keys: Iterable[str], labels: Iterable[str], named: Sequence[str]) -> bool:
    """Whether the objects in an object are rows: their labels are columns that options name, or
    its keys are numbers, but no label is.
    """
    keys, labels = set(keys), set(labels)
    if bool(keys & {*named}) != bool(labels & {*named}):
        return bool(labels & {*named})
    return all(map(str.isdigit, keys)) and not any(map(str.isdigit, labels))


def _column(name: str, values: Sequence[Any]) -> Column:
    """A column with the type that its values have."""
    missing = np.array([value is None for value in values])
    known = [value for value in values if value is not None]
    if nested := next((value for value in known if isinstance(value, (list, Mapping))), None):
        return Column(name, "list" if isinstance(nested, list) else "object", None, missing)
    if any(isinstance(value, (list, Mapping)) for value in known):
        return Column(name, "list or object", None, missing)
    if all(type(value) in (int, float) for value in known) and all(
        isinstance(value, float) or abs(value) <= EXACT for value in known
    ):
        numbers = np.array([np.nan if value is None else value for value in values], np.float64)
        return Column(name, "number", numbers, missing)
    texts = np.empty(len(values), dtype=object)
    texts[:] = ["" if value is None else str(value) for value in values]
    return Column(name, "text", texts, missing)
