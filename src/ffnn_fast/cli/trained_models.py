"""Model files of ``ffnn-fast train``, both kinds with the same methods."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ffnn_fast._columns.features import CATEGORY
from ffnn_fast._model.model_files import ModelFileError
from ffnn_fast._model.tensor_files import TensorFile, TensorFileError
from ffnn_fast.cli.evaluation.digits import rounded
from ffnn_fast.cli.evaluation.prediction_columns import (
    add_columns,
    as_columns,
    by_target,
    check_probabilities,
    probability_names,
)
from ffnn_fast.cli.evaluation.scoring import COVERAGE, ScoredRows, evaluate, with_unknown
from ffnn_fast.cli.output import CommandError
from ffnn_fast.cli.table import Table
from ffnn_fast.cli.table_layout import KnownTargets
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
        check_probabilities(self.network.spec, self.layout.targets)

    def predictions(
        self, table: Table, columns: Mapping[str, Array], *, proba: bool
    ) -> dict[str, Array]:
        """Columns of predictions, by `as_columns` of each target, for `layout.typed(table)`;
        numbers are rounded to the digits that the network's dtype gives them.
        """
        dtype = self.network.spec.dtype
        y_hat = self.network.forward(self.layout.matrix_of(table, columns, dtype))
        found: dict[str, Array] = {}
        targets = self.layout.targets
        for spec, target, own in by_target(self.network.spec, targets, y_hat):
            columns = as_columns(spec, target, own, proba=proba, alone=len(targets) == 1)
            for name, values in columns.items():
                if target.classes:
                    columns[name] = _probability(values, dtype)
                else:
                    columns[name] = rounded(values, dtype, target.mean, target.scale)
            add_columns(found, columns)
        return found

    def unseen(self, columns: Mapping[str, Array]) -> list[str]:
        """`unseen_notes` for `layout.typed(table)`."""
        return unseen_notes(columns, self.layout.levels, self.layout.ranges)

    def evaluate(
        self, table: Table, columns: Mapping[str, Array], known: KnownTargets
    ) -> tuple[ScoredRows, ...]:
        """The predictions of each target for the rows that have them, beside these."""
        X = self.layout.matrix_of(table, columns, self.network.spec.dtype)[known.rows]
        return evaluate(self.network, self.layout.targets, X, known.y, known.unknown)


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
        check_probabilities(self.network.spec, self.layout.targets)

    def predictions(
        self, table: Table, columns: Mapping[str, Array], *, proba: bool
    ) -> dict[str, Array]:
        """Columns of predictions for `layout.typed(table)`: of each target, or of the probability
        of each class; numbers are rounded to the digits that the networks' dtype gives them.
        """
        found: dict[str, Array] = {}
        dtype = self.network.spec.dtype
        for t, (target, y_hat) in enumerate(
            zip(self.layout.targets, self.outputs(columns), strict=True)
        ):
            if proba:
                names = probability_names(target, alone=len(self.layout.targets) == 1)
                shares = (_probability(one, dtype) for one in y_hat.T)
                add_columns(found, dict(zip(names, shares, strict=True)))
            elif target.classes:
                found[target.name] = target.decode(y_hat.argmax(axis=1))
            else:
                model: Any = self.estimator
                mean, scale = float(model.target_mean_[t]), float(model.target_scale_[t])
                found[target.name] = rounded(target.decode(y_hat[:, 0]), dtype, mean, scale)
        return found

    def unseen(self, columns: Mapping[str, Array]) -> list[str]:
        """`unseen_notes` for `layout.typed(table)`."""
        features = self.estimator._inputs.features
        levels = {one.name: one.levels for one in features if one.use == CATEGORY}
        return unseen_notes(columns, levels, self.layout.ranges)

    def evaluate(
        self, table: Table, columns: Mapping[str, Array], known: KnownTargets
    ) -> tuple[ScoredRows, ...]:
        """The predictions of each target for the rows that have them, beside these."""
        rows = {name: values[known.rows] for name, values in columns.items()}
        return self.scored(rows, known.y, known.unknown)

    def scored(
        self, columns: Mapping[str, Array], y: Array, unknown: Sequence[tuple[str, ...]]
    ) -> tuple[ScoredRows, ...]:
        """The predictions for rows as typed columns, (n,) each, beside their targets, (n, T)."""
        outputs, intervals = self.outputs(columns), self._intervals(columns)
        spec, found = self.network.spec, []
        for t, (target, y_hat) in enumerate(zip(self.layout.targets, outputs, strict=True)):
            if target.classes:
                more, others = with_unknown(target, unknown[t]), len(unknown[t])
                own = spec.head_specs[t]
                found.append(ScoredRows(more, own, y[:, t], y_hat.argmax(axis=1), y_hat, others))
            else:
                one = ScoredRows(target, spec, y[:, t], y_hat[:, 0], y_hat, interval=intervals[t])
                found.append(one)
        return tuple(found)

    def _intervals(self, columns: Mapping[str, Array]) -> list[tuple[Array, Array] | None]:
        """Ends of the intervals of each target, (n,); None for classes, and where they are
        infinite.
        """
        if self.layout.targets.classifies:
            return [None] * len(self.layout.targets)
        model: Any = self.estimator
        ends = (end.reshape(len(end), -1).T for end in model.predict_interval(columns, COVERAGE))
        return [pair if np.isfinite(pair[0]).all() else None for pair in zip(*ends, strict=True)]

    def outputs(self, columns: Mapping[str, Array]) -> list[Array]:
        """Of each target the probabilities of its classes, (n, k), or values, (n, 1)."""
        model: Any = self.estimator
        try:
            if not self.layout.targets.classifies:
                values = np.asarray(model.predict(columns))
                return list(values.reshape(len(values), -1, 1).transpose(1, 0, 2))
            proba = model.predict_proba(columns)
        except (TypeError, ValueError) as error:
            raise CommandError(str(error)) from error
        return self.in_order(proba if isinstance(proba, list) else [proba])

    def in_order(self, proba: Sequence[Array]) -> list[Array]:
        """Probabilities of the estimator's classes of each target, (n, k), in the order of the
        target's.
        """
        found = []
        for known, target, own in zip(
            classes_of(self.estimator), self.layout.targets, proba, strict=True
        ):
            place = {str(name): i for i, name in enumerate(known)}
            found.append(own[:, [place[name] for name in target.classes]])
        return found


def classes_of(estimator: Any) -> list[Array]:
    """The classes of each target of a tabular classifier; [] for a regressor."""
    found = getattr(estimator, "classes_", [])
    return found if isinstance(found, list) else [found]


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
    try:
        return PlainModel(*load_plain(path, engine=engine))
    except ModelFileError as error:
        if _begins_otherwise(path):
            raise CommandError(
                f"{path} is no model file, as ffnn-fast train writes it; the model is the first "
                "argument"
            ) from error
        raise


def _begins_otherwise(path: str) -> bool:
    """Whether a file has not even the first bytes of a model file, as a table has not."""
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        return file.read(9)[8:] not in (b"", b"{")


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
    known = [{str(name) for name in classes} for classes in classes_of(estimator)]
    given = [set(target.classes) for target in layout.targets if target.classes]
    n_values = 0 if known else len(estimator.target_mean_)
    if known != given or n_values not in (0, len(layout.targets)):
        raise ValueError("its targets or classes are not those of the model")


def _with_missing(layout: Any, words: Sequence[str]) -> Any:
    added = [word for word in words if word not in layout.missing]
    return replace(layout, missing=(*layout.missing, *added))
