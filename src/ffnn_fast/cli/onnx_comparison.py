"""An ONNX file compared with the network that it was exported from, on random rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ffnn_fast._columns.features import DATE, LEFT_OUT, NUMBER
from ffnn_fast.cli.evaluation.prediction_columns import by_target, class_probabilities
from ffnn_fast.preprocessing import NumericColumn, TableEncoder

if TYPE_CHECKING:
    from ffnn_fast.cli.table_preprocessing import TablePreprocessing
    from ffnn_fast.cli.trained_models import TabularModel
    from ffnn_fast.network import Network

Run = Callable[[dict[str, Any]], list[np.ndarray]]  # inputs by name to the outputs in order
ROWS = 300
TOLERANCE = 1e-5  # of the largest output
GAPS = 0.2  # the share of values that are missing, where some were in training
MINUTES = 1000 * 24 * 60  # after the first date of the training rows
UNKNOWN = "(unknown)"  # a level that no training row had


@dataclass(frozen=True)
class Comparison:
    """The largest difference over `n_rows` rows, as a share of the largest output."""

    runtime: str
    n_rows: int
    difference: float


def compare(
    path: str, network: Network, preprocessing: TablePreprocessing | None, dtype: str
) -> Comparison:
    """Predict random rows from the file, through ONNX Runtime or else ONNX's own evaluator.

    Parameters
    ----------
    path : str
        An ONNX file that takes the raw columns of `preprocessing`, or else X, (n, n_0), of `dtype`.
    network : Network
    preprocessing : TablePreprocessing, optional
    dtype : {"float32", "float64"}
    """
    rng = np.random.default_rng(0)
    runtime, run = _session(path)
    if preprocessing is None:
        X = rng.normal(size=(ROWS, network.spec.n_inputs)).astype(dtype)
        found, expected = run({"X": X})[0], network.forward(X.astype(network.spec.dtype))
        return Comparison(runtime, ROWS, _difference(found, expected))
    columns = random_columns(preprocessing.inputs, ROWS, rng)
    inputs = {
        name: np.array([["" if v is None else v] for v in values], dtype=values.dtype)
        for name, values in columns.items()
    }
    outputs = run(inputs)
    X = preprocessing.inputs.transform(columns).astype(network.spec.dtype)
    y_hat = network.forward(X)
    targets = preprocessing.targets
    if not targets.classifies:
        values = targets.encode(outputs[0])
        return Comparison(runtime, ROWS, _difference(values, y_hat))
    labels = targets.decode(network.predict(X).reshape(ROWS, -1)).T
    parts = [part for _, _, part in by_target(network.spec, targets, y_hat)]
    differences = [
        _of_classes(pair, (own, class_probabilities(part)))
        for *pair, own, part in zip(outputs[::2], outputs[1::2], labels, parts, strict=True)
    ]
    return Comparison(runtime, ROWS, max(differences))


def _of_classes(found: Sequence[Any], expected: tuple[Any, Any]) -> float:
    """The largest difference of the probabilities of a target, given as pairs of labels and these;
    infinite where labels differ that no rounding decides.
    """
    (labels, shares), (names, y_hat) = found, expected
    best = np.sort(y_hat, axis=1)
    clear = best[:, -1] - best[:, -2] > 2 * TOLERANCE * np.abs(y_hat).max()
    return np.inf if (labels != names)[clear].any() else _difference(shares, y_hat)


def compare_tabular(path: str, model: TabularModel) -> Comparison:
    """As `compare`, for the file of a tabular model that takes the columns of its table."""
    rng = np.random.default_rng(0)
    runtime, run = _session(path)
    inputs = model.estimator._inputs
    scales = dict(zip(inputs.number_names, inputs.scales, strict=True))
    columns, feed = {}, {}
    for feature in inputs.features:
        if feature.use == LEFT_OUT:
            values = np.full(ROWS, np.nan)
        elif feature.use == NUMBER:
            scale = scales[feature.name]
            values = rng.normal(scale.median, 1 / (scale.scale or 1.0), ROWS)
            if scale.marks_missing:
                values[rng.random(ROWS) < GAPS] = np.nan
        elif feature.use == DATE:
            minutes = rng.integers(0, MINUTES, ROWS).astype("timedelta64[m]")
            values = np.datetime64(feature.origin, "us") + minutes
        else:
            levels = np.array([*feature.levels, UNKNOWN], dtype=object)
            values = levels[rng.integers(0, len(levels), ROWS)]
            feed[feature.name] = values[:, None]
        columns[feature.name] = values
        feed |= {name: part[:, None] for name, part in feature.numbers(values).items()}
    expected, found = model.outputs(columns), run(feed)
    if model.layout.targets.classifies:
        parts = model.in_order(found[1::2])
    else:
        parts = list(found[0].T[:, :, None])
    differences = [_difference(*pair) for pair in zip(parts, expected, strict=True)]
    return Comparison(runtime, ROWS, max(differences))


def random_columns(encoder: TableEncoder, n: int, rng: np.random.Generator) -> dict[str, Any]:
    """Raw columns, (n,) each, like those that the encoder was fitted to: normal numbers, the levels
    and an unknown one, and some missing values.
    """
    columns: dict[str, Any] = {}
    for column in encoder.columns:
        if isinstance(column, NumericColumn):
            values = rng.normal(column.mean, column.scale, n)
            if column.marks_missing:
                values[rng.random(n) < GAPS] = np.nan
        else:
            levels = np.array([*column.levels, UNKNOWN], dtype=object)
            values = levels[rng.integers(0, len(levels), n)]
        columns[column.name] = values
    return columns


def _session(path: str) -> tuple[str, Run]:
    """The name of a runtime, and a function that runs the file in it."""
    import onnx
    from onnx.reference import ReferenceEvaluator

    name, why = f"onnx {onnx.__version__}", ""
    try:
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as errors
    except ImportError:
        pass
    else:
        try:
            session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
            return f"ONNX Runtime {onnxruntime.__version__}", lambda feed: session.run(None, feed)
        except (errors.Fail, errors.InvalidGraph, errors.NotImplemented) as error:
            why = f", as ONNX Runtime {onnxruntime.__version__} cannot run it: {error}"
    evaluator = ReferenceEvaluator(path)
    return f"{name}{why}", lambda feed: evaluator.run(None, feed)


def _difference(found: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference, as a share of the largest expected value; infinite for NaN."""
    if found.shape != expected.shape:
        return np.inf
    size = float(np.abs(expected).max()) or 1.0
    gap = float(np.abs(found - expected).max()) / size
    return gap if np.isfinite(gap) else np.inf
