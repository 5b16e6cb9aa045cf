"""Simple models beside a network: constants, linear models, and boosted trees by scikit-learn."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ffnn_fast._model.model_files import ModelFileError
from ffnn_fast.cli.boosted_trees import BoostedTrees, exported
from ffnn_fast.cli.evaluation.scoring import ScoredRows
from ffnn_fast.cli.stored_baselines import LinearModel, StoredBaselines, outputs
from ffnn_fast.cli.table_preprocessing import TablePreprocessing
from ffnn_fast.cli.trained_models import TrainedModel
from ffnn_fast.cli.training.baselines import logistic_regression, ridge
from ffnn_fast.preprocessing import CategoricalColumn, TableEncoder

Array = np.ndarray
LARGEST = 20_000_000  # entries of X in a linear model; of more rows a part is taken
MOST_ROWS = 50_000  # that are fitted, as a dense matrix
WIDEST = 2000  # inputs
CHECKED = 1000  # rows for which stored trees must give what scikit-learn gives
LINEAR, HGB = "linear model", "gradient boosting"
NAMES = {"linear": LINEAR, "hgb": HGB}  # by the words of --baseline
FAILURES = (ArithmeticError, MemoryError, RuntimeError, ValueError)  # a model less, no more


@dataclass(frozen=True)
class Baseline:
    """Predictions of a simple model for the evaluated rows; of one target.

    Attributes
    ----------
    predicted : array of shape (n,)
        Labels or values in the target's units.
    proba : array of shape (n, k) or None
        Probabilities of the classes.
    model : LinearModel or BoostedTrees or None
        What is stored.
    """

    predicted: Array
    proba: Array | None = None
    model: LinearModel | BoostedTrees | None = None


class EncodedRows(NamedTuple):
    """Rows in the encoding of the plain model, with one target.

    Attributes
    ----------
    X : array of shape (m, d)
        Of rows that train.
    y : array of shape (m,)
        Their labels, or values in the target's units.
    others : array of shape (n, d)
        Of the rows that are evaluated.
    inputs : TableEncoder
        Which columns of X are the levels of one category.
    n_classes : int
        0 for values.
    """

    X: Array
    y: Array
    others: Array
    inputs: TableEncoder
    n_classes: int


@contextmanager
def quiet_packages() -> Iterator[None]:
    """A context that ignores the warnings of scikit-learn and SciPy, such as that of many classes,
    in all threads.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"(sklearn|scipy)(\.|$)")
        yield


def stored_models(
    model: TrainedModel, columns: Mapping[str, Array], n: int
) -> dict[str, tuple[Baseline, ...]]:
    """The predictions of each target by the simple models in a model file, for n rows of typed
    columns.

    Raises
    ------
    ModelFileError
        If they are damaged.
    """
    layout = model.layout
    if not layout.baselines:
        return {}
    n_classes = layout.targets.n_classes
    try:
        stored = StoredBaselines.from_json(layout.baselines, n_classes)
        found: dict[str, tuple[Baseline, ...]] = {}
        if stored.linear is not None or stored.trees is not None:
            text = stored.encoding
            encoding = TablePreprocessing.from_json(text) if text else layout
            if not isinstance(encoding, TablePreprocessing):
                raise ValueError("the simple models have no encoding")
            for name, simple in _loaded(stored, encoding.inputs, n_classes).items():
                each = zip(outputs(simple, encoding.encoded, columns, n), n_classes, strict=True)
                found[name] = tuple(of_classes(own) if k else Baseline(own) for own, k in each)
    except (KeyError, ValueError) as error:
        raise ModelFileError(f"the baselines in the model file are damaged: {error}") from error
    return found | of_constants(stored.constants, n)


def _loaded(
    stored: StoredBaselines, inputs: TableEncoder, n_classes: tuple[int, ...]
) -> dict[str, list[Callable[[Array], Array]]]:
    """The stored models of each target by name, from encoded rows to values or the probabilities of
    k classes.
    """
    found: dict[str, list[Callable[[Array], Array]]] = {}
    d = len(inputs.feature_names)
    if stored.linear is not None:
        linear = zip(stored.linear, n_classes, strict=True)
        found[LINEAR] = [LinearModel.from_dict(plain, d, k) for plain, k in linear]
    if stored.trees is not None:
        n_codes = len(with_codes(np.zeros((0, d)), inputs)[1])
        trees = zip(stored.trees, n_classes, strict=True)
        each = [BoostedTrees.from_dict(plain, n_codes, k) for plain, k in trees]
        found[HGB] = [partial(_of_codes, one, inputs) for one in each]
    return found


def _of_codes(trees: BoostedTrees, inputs: TableEncoder, X: Array) -> Array:
    """What trees give for encoded rows."""
    return trees(with_codes(X, inputs)[0])


def some_rows(n: int) -> Array:
    """The rows 0 .. n - 1, sorted, or MOST_ROWS of them at random."""
    if n <= MOST_ROWS:
        return np.arange(n)
    return np.sort(np.random.default_rng(0).choice(n, MOST_ROWS, replace=False))


def constant_of(y: Array, evaluation: ScoredRows) -> Array:
    """The mean of values, (n,), or the share of each class among labels."""
    if not evaluation.is_classification:
        return np.asarray(y.mean())
    return np.bincount(y, minlength=evaluation.n_known) / len(y)


def of_constants(constants: Sequence[Array], n: int) -> dict[str, tuple[Baseline, ...]]:
    """The predictions of `constant_of` each target for n rows."""
    if not constants[0].ndim:
        each = tuple(Baseline(np.full(n, float(one))) for one in constants)
        return {"mean of the training rows": each}
    return {"most frequent class": tuple(of_classes(np.tile(one, (n, 1))) for one in constants)}


def of_classes(proba: Array, model: LinearModel | BoostedTrees | None = None) -> Baseline:
    """Predictions by probabilities of classes."""
    return Baseline(proba.argmax(axis=1), proba, model)


def simple_models(
    kinds: Sequence[str], n_inputs: int, encoded: Callable[[], Sequence[EncodedRows]]
) -> tuple[dict[str, tuple[Baseline, ...]], list[str]]:
    """The predictions of each target by each of the models, and notes on those that are left out.

    `encoded` makes rows of `n_inputs` inputs, with each target.
    """
    if not kinds:
        return {}, []
    names = " and ".join(NAMES[kind] for kind in kinds)
    if n_inputs > WIDEST:
        return {}, [f"note: no {names}: {n_inputs} inputs are more than {WIDEST}"]
    fits = {"linear": linear, "hgb": boosted}
    found: dict[str, tuple[Baseline, ...]] = {}
    notes = []
    try:
        targets = encoded()
        for kind in kinds:
            try:
                with quiet_packages():
                    found[NAMES[kind]] = tuple(fits[kind](rows) for rows in targets)
            except FAILURES as error:
                notes.append(f"note: no {NAMES[kind]}: {error}")
    except FAILURES as error:
        notes.append(f"note: no {names}: {error}")
    return found, notes


def linear(rows: EncodedRows) -> Baseline:
    """Logistic regression, or ridge for values."""
    X, y, most = rows.X, rows.y, LARGEST // max(1, rows.X.shape[1])
    if len(X) > most:
        part = np.random.default_rng(0).choice(len(X), most, replace=False)
        X, y = X[part], y[part]
    if not rows.n_classes:
        values = ridge(X, y, 1.0)
        return Baseline(values(rows.others), model=values)
    proba = logistic_regression(X, y, rows.n_classes)
    return of_classes(proba(rows.others), proba)


def boosted(rows: EncodedRows) -> Baseline:
    """HistGradientBoosting of scikit-learn with its defaults, without early stopping."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    options: dict[str, Any] = {"random_state": 0, "early_stopping": False}
    X, is_category = with_codes(rows.X, rows.inputs)
    others, _ = with_codes(rows.others, rows.inputs)
    options["categorical_features"] = is_category
    if not rows.n_classes:
        model = HistGradientBoostingRegressor(**options).fit(X, rows.y)
        values = np.asarray(model.predict(others))
        return Baseline(values, model=_same(exported(model, 0), others, values))
    model = HistGradientBoostingClassifier(**options).fit(X, rows.y)
    proba = np.zeros((len(others), rows.n_classes))
    proba[:, model.classes_] = model.predict_proba(others)
    return of_classes(proba, _same(exported(model, rows.n_classes), others, proba))


def _same(trees: BoostedTrees | None, X: Array, outputs: Array) -> BoostedTrees | None:
    """The trees, if there are any and they give the outputs of the fitted model."""
    if trees is None or not np.allclose(trees(X[:CHECKED]), outputs[:CHECKED], rtol=1e-9):
        return None
    return trees


def with_codes(X: Array, inputs: TableEncoder) -> tuple[Array, Array]:
    """X with one column for each category, its level's code or NaN; and which columns these are."""
    parts, is_category, begin = [], [], 0
    for column in inputs.columns:
        end = begin + len(column.feature_names)
        part = X[:, begin:end]
        if isinstance(column, CategoricalColumn):
            known = part.any(axis=1)
            part = np.where(known, part.argmax(axis=1), np.nan)[:, None]
        parts.append(part)
        is_category += [isinstance(column, CategoricalColumn)] * part.shape[1]
        begin = end
    return np.concatenate(parts, axis=1), np.array(is_category)
