"""Model files of ``ffnn-fast train``, both kinds with the same methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ffnn_fast._columns.features import CATEGORY
from ffnn_fast._model.model_files import ModelFileError
from ffnn_fast._model.tensor_files import TensorFile, TensorFileError
from ffnn_fast.cli.evaluation.digits import rounded
from ffnn_fast.cli.evaluation.prediction_columns import as_columns, check_probabilities
from ffnn_fast.cli.evaluation.scoring import COVERAGE, ScoredRows, evaluate, with_unknown
from ffnn_fast.cli.output import CommandError
from ffnn_fast.cli.table import Table
from ffnn_fast.cli.table_layout import Targets
from ffnn_fast.cli.table_preprocessing import TablePreprocessing, load_model
from ffnn_fast.cli.tabular_layout import TABLE_KEY, TabularLayout
from ffnn_fast.cli.unseen import unseen_notes
from ffnn_fast.network import Network

if TYPE_CHECKING:
    from ffnn_fast.tabular import TabularClassifier, TabularRegressor

Array = np.ndarray
TABULAR = "ffnn_fast.tabular"  # the format in the header of the file of an estimator
NEEDED = 'a tabular model needs scikit-learn: pip install "ffnn_fast[sklearn]"'


@dataclass(frozen=True)
class PlainModel:
    """A network with the preprocessing of its table."""

    network: Network
    layout: TablePreprocessing
    importances: ClassVar[dict[str, float]] = {}

    @property
    def summary(self) -> Mapping[str, str]:
        """Options and scores of the training."""
        return self.layout.summary

    def with_missing(self, words: Sequence[str]) -> PlainModel:
        """The model with further words for missing values."""
        return replace(self, layout=_with_missing(self.layout, words))

    def check_probabilities(self) -> None:
        """Raise CommandError if the model gives no probabilities of classes."""
        check_probabilities(self.network.spec, self.layout.target)

    def predictions(
        self, table: Table, columns: Mapping[str, Array], *, proba: bool
    ) -> dict[str, Array]:
        """Columns of predictions, by `as_columns`, for `layout.typed(table)`; numbers are rounded
        to the digits that the network's dtype gives them.
        """
        spec, target = self.network.spec, self.layout.target
        y_hat = self.network.forward(self.layout.matrix_of(table, columns, spec.dtype))
        found = as_columns(spec, target, y_hat, proba=proba)
        if target.classes:
            return {name: _probability(values, spec.dtype) for name, values in found.items()}
        return {
            name: rounded(values, spec.dtype, target.mean, target.scale)
            for name, values in found.items()
        }

    def unseen(self, columns: Mapping[str, Array]) -> list[str]:
        """`unseen_notes` for `layout.typed(table)`."""
        return unseen_notes(columns, self.layout.levels, self.layout.ranges)

    def evaluate(self, table: Table, columns: Mapping[str, Array], targets: Targets) -> ScoredRows:
        """The predictions for the rows that have targets, beside these."""
        X = self.layout.matrix_of(table, columns, self.network.spec.dtype)[targets.rows]
        return evaluate(self.network, self.layout.target, X, targets.y, targets.unknown)


@dataclass(frozen=True)
class TabularModel:
    """A tabular estimator with the layout of its table."""

    estimator: TabularClassifier | TabularRegressor
    layout: TabularLayout

    @property
    def network(self) -> Network:
        """The first network of the bag."""
        found: Network = self.estimator.networks_[0]
        return found

    @property
    def summary(self) -> Mapping[str, str]:
        """Options and scores of the training."""
        return self.layout.summary

    @property
    def importances(self) -> dict[str, float]:
        """The permutation importance of each input, with sum 1."""
        names = [reading.name for reading in self.layout.readings]
        return dict(zip(names, self.estimator.feature_importances_.tolist(), strict=True))

    def with_missing(self, words: Sequence[str]) -> TabularModel:
        """The model with further words for missing values."""
        return replace(self, layout=_with_missing(self.layout, words))

    def check_probabilities(self) -> None:
        """Raise CommandError if the model gives no probabilities of classes."""
        if self.layout.target.task == "regression":
            raise CommandError(
                f"--proba is for classes, but {self.layout.target.name!r} has values"
            )

    def predictions(
        self, table: Table, columns: Mapping[str, Array], *, proba: bool
    ) -> dict[str, Array]:
        """Columns of predictions for `layout.typed(table)`: of the target, or of the probability of
        each class; numbers are rounded to the digits that the networks' dtype gives them.
        """
        target, dtype = self.layout.target, self.network.spec.dtype
        y_hat = self.outputs(columns)
        if proba:
            values = (_probability(one, dtype) for one in y_hat.T)
            return dict(zip(target.classes, values, strict=True))
        if target.classes:
            return {target.name: target.decode(y_hat.argmax(axis=1))}
        model: Any = self.estimator
        mean, scale = float(model.target_mean_[0]), float(model.target_scale_[0])
        return {target.name: rounded(target.decode(y_hat[:, 0]), dtype, mean, scale)}

    def unseen(self, columns: Mapping[str, Array]) -> list[str]:
        """`unseen_notes` for `layout.typed(table)`."""
        features = self.estimator._inputs.features
        levels = {one.name: one.levels for one in features if one.use == CATEGORY}
        return unseen_notes(columns, levels, self.layout.ranges)

    def evaluate(self, table: Table, columns: Mapping[str, Array], targets: Targets) -> ScoredRows:
        """The predictions for the rows that have targets, beside these."""
        rows = {name: values[targets.rows] for name, values in columns.items()}
        return self.scored(rows, targets.y, targets.unknown)

    def scored(
        self, columns: Mapping[str, Array], y: Array, unknown: tuple[str, ...] = ()
    ) -> ScoredRows:
        """The predictions for rows as typed columns, (n,) each, beside their targets, (n,)."""
        spec, target = self.network.spec, self.layout.target
        y_hat = self.outputs(columns)
        if target.task == "classification":
            everything = with_unknown(target, unknown)
            return ScoredRows(everything, spec, y, y_hat.argmax(axis=1), y_hat, len(unknown))
        model: Any = self.estimator
        interval = model.predict_interval(columns, COVERAGE)
        if not np.isfinite(interval[0]).all():
            interval = None
        return ScoredRows(target, spec, y, y_hat[:, 0], y_hat, interval=interval)

    def outputs(self, columns: Mapping[str, Array]) -> Array:
        """Probabilities of the target's classes, (n, k), or values, (n, 1)."""
        model: Any = self.estimator
        try:
            if self.layout.target.task == "regression":
                return np.asarray(model.predict(columns))[:, None]
            return self.in_order(np.asarray(model.predict_proba(columns)))
        except (TypeError, ValueError) as error:
            raise CommandError(str(error)) from error

    def in_order(self, proba: Array) -> Array:
        """Probabilities of the estimator's classes, (n, k), in the order of the target's."""
        model: Any = self.estimator
        place = {str(name): i for i, name in enumerate(model.classes_)}
        return proba[:, [place[name] for name in self.layout.target.classes]]


def _probability(values: Array, dtype: str) -> Array:
    """Probabilities, (n,), with the digits of a dtype; names of classes as they are."""
    return rounded(values, dtype) if values.dtype.kind == "f" else values


TrainedModel = PlainModel | TabularModel


def load_trained(path: str, *, engine: str | None = None) -> TrainedModel:
    """The model in a file that ``ffnn-fast train`` wrote.

    Raises
    ------
    CommandError
        If the file has no description of a table, or scikit-learn is needed and not installed.
    ModelFileError
        If it is no whole, consistent model file.
    OSError
        If it cannot be read.
    """
    if is_tabular(path):
        return load_tabular(path)
    return PlainModel(*load_plain(path, engine=engine))


def load_plain(path: str, *, engine: str | None = None) -> tuple[Network, TablePreprocessing]:
    """The network of a plain model's file, and its preprocessing; raises as `load_trained`."""
    network, preprocessing = load_model(path, engine=engine)
    if preprocessing is None:
        raise CommandError(
            f"{path} has no preprocessing of tables: it was not written by ffnn-fast train; use "
            "Network.load in Python"
        )
    return network, preprocessing


def is_tabular(path: str) -> bool:
    """Whether a file holds a tabular estimator."""
    try:
        with TensorFile(path) as file:
            return file.metadata.get("format") == TABULAR
    except TensorFileError:
        return False


def load_tabular(path: str) -> TabularModel:
    """The tabular model in a file; raises as `load_trained`."""
    try:
        from ffnn_fast import tabular
    except ImportError as error:
        raise CommandError(f"{path}: {NEEDED}") from error
    with TensorFile(path) as file:
        text, kind = file.metadata.get(TABLE_KEY), file.metadata.get("kind")
    classes = {c.__name__: c for c in (tabular.TabularClassifier, tabular.TabularRegressor)}
    if kind not in classes:
        raise ModelFileError(f"{path!r} holds an unknown kind of model")
    if text is None:
        raise CommandError(
            f"{path} has no description of a table: it was not written by ffnn-fast train; use "
            f"ffnn_fast.tabular.{kind}.load in Python"
        )
    estimator = classes[kind].load(path)
    try:
        layout = TabularLayout.from_json(text)
        _check_fit(estimator, layout)
    except ValueError as error:
        raise ModelFileError(f"{path!r} has a bad {TABLE_KEY!r} entry: {error}") from error
    return TabularModel(estimator, layout)


def _check_fit(estimator: Any, layout: TabularLayout) -> None:
    """Raise ValueError if the layout is not that of the estimator."""
    names = list(getattr(estimator, "feature_names_in_", []))
    if names != [reading.name for reading in layout.readings]:
        raise ValueError("its columns are not those of the model")
    classes = {str(name) for name in getattr(estimator, "classes_", ())}
    if classes != set(layout.target.classes):
        raise ValueError("its classes are not those of the model")


def _with_missing(layout: Any, words: Sequence[str]) -> Any:
    added = [word for word in words if word not in layout.missing]
    return replace(layout, missing=(*layout.missing, *added))
