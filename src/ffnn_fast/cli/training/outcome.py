"""Training of either model, and what the command shows and writes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from ffnn_fast.cli.evaluation import scoring
from ffnn_fast.cli.evaluation.report import Report
from ffnn_fast.cli.evaluation.scoring import ScoredRows
from ffnn_fast.cli.evaluation.tables import Titled
from ffnn_fast.cli.output import CommandError, write_line
from ffnn_fast.cli.stored_baselines import MOST, StoredBaselines
from ffnn_fast.cli.training import building, comparing, fitting, folds, preparing
from ffnn_fast.cli.training.comparing import Scores
from ffnn_fast.cli.training.fitting import library_errors
from ffnn_fast.cli.training.preparing import Prepared
from ffnn_fast.cli.training.simple_models import (
    HGB,
    LINEAR,
    Baseline,
    EncodedRows,
    constant_of,
    of_constants,
    simple_models,
    some_rows,
)
from ffnn_fast.cli.training.tabular_fitting import TabularRows, fit_tabular, tabular_rows
from ffnn_fast.cli.training.train_options import TrainOptions
from ffnn_fast.cli.training.training_table import TrainingTable, read_training_table
from ffnn_fast.history import History
from ffnn_fast.network import Network

Array = np.ndarray
Announce = Callable[[list[str], list[tuple[str, ...]], str], None]
Baselines = dict[str, tuple[Baseline, ...]]  # of each target
Simple = Callable[[Sequence[str]], tuple[Baselines, list[str]]]


@dataclass(frozen=True)
class Outcome:
    """A trained model.

    Attributes
    ----------
    network : Network
        The model, or the first of its bag.
    save : callable
        ``save(path, results, baselines)`` writes the model file.
    training : dict of str to str
        How it was trained, by name.
    ended : str
        Epochs, time, and the reason why training ended.
    history : History
    evaluations : tuple of ScoredRows
        Of each target.
    on : str
        The rows of the evaluations.
    known : array of shape (n, T)
        Targets of the training rows: labels, or values in the targets' units.
    simple : callable
        ``simple(kinds)`` fits simple models; see `simple_models`.
    columns : list of tuple of str
    importances : dict of str to float
    losses : list of float
        The held-out loss after each epoch, if the parameters are those of the last epoch.
    encoding : callable
        ``encoding()`` is the preprocessing of the simple models as JSON text; empty: the model's.
    fold_outcomes : callable
        ``fold_outcomes()`` trains a model for each fold of ``--cv``.
    parts : str
        What the folds hold, if they are not random.
    """

    network: Network
    save: Callable[[str, Titled, str], None]
    training: dict[str, str]
    ended: str
    history: History
    evaluations: tuple[ScoredRows, ...]
    on: str
    known: Array
    simple: Simple
    columns: list[tuple[str, ...]]
    importances: Mapping[str, float]
    losses: Sequence[float] = ()
    encoding: Callable[[], str] = str
    fold_outcomes: Callable[[], Iterator[Outcome]] = lambda: iter(())
    parts: str = ""

    def baselines(self, kinds: Sequence[str]) -> tuple[Baselines, list[str]]:
        """Simple models for the same rows, the best constant too, and notes on those left out."""
        if "none" in kinds:
            return {}, []
        found, notes = self.simple(tuple(dict.fromkeys(kinds)))
        n = len(self.evaluations[0].truth)
        return found | of_constants(self._constants, n), notes

    @property
    def _constants(self) -> tuple[Array, ...]:
        """`constant_of` each target."""
        pairs = zip(self.known.T, self.evaluations, strict=True)
        return tuple(constant_of(y, one) for y, one in pairs)

    def stored(self, baselines: Mapping[str, Sequence[Baseline]]) -> str:
        """The constants, the linear models and the trees as JSON text, for the model file."""
        if not baselines:
            return ""
        kept = {}
        for name, each in baselines.items():
            models = [one.model for one in each if one.model is not None]
            if len(models) == len(each) and sum(model.size for model in models) <= MOST:
                kept[name] = tuple(model.to_dict() for model in models)
        encoding = self.encoding() if kept else ""
        stored = StoredBaselines(self._constants, kept.get(LINEAR), encoding, kept.get(HGB))
        return stored.to_json()

    def scores(self, baselines: Mapping[str, Sequence[Baseline]]) -> Scores:
        """The scores of the model, "network", and of the baselines."""
        return comparing.all_scores(self.evaluations, baselines)

    def cross_validation(self, kinds: Sequence[str]) -> Titled:
        """The scores of models and baselines over the folds of ``--cv``; empty without it."""
        found = []
        for one in self.fold_outcomes():
            simple, _ = one.baselines(kinds)
            found.append(one.scores(simple))
        return folds.scores_tables(found) if found else []

    def remarks(self, scores: Scores) -> list[str]:
        """Warnings where a baseline predicts better, or the held-out loss has risen."""
        if "held-out" not in self.on:
            return []
        return [*comparing.verdict(scores, self.on), *comparing.rising(self.losses)]

    def report(
        self, title: str, facts: list[tuple[str, str]], results: Titled, remarks: list[str],
        cross_validation: Titled,
    ) -> Report:  # fmt: skip
        """The contents of the report."""
        return Report(
            title, facts, self.network, results, self.evaluations, self.history, self.on,
            self.columns, dict(self.importances), remarks, cross_validation,
            self.parts,
        )  # fmt: skip


def train_plain(path: str, options: TrainOptions, announce: Announce) -> Outcome:
    """Train one network."""
    start = options.network.start
    if start:
        return _plain(preparing.continued(path, options, start), options, announce)
    found = read_training_table(path, options, validates=preparing.validates(options))
    return _with_folds(found, options, _plain_of, announce)


def _with_folds(
    found: TrainingTable,
    options: TrainOptions,
    train: Callable[[TrainingTable, TrainOptions, Announce], Outcome],
    announce: Announce,
) -> Outcome:
    """The model of all training rows, and a function that trains those of the folds."""
    if not options.split.cv:
        return train(found, options, announce)
    parts = folds.folds(found, options)
    described = folds.described(found, parts)
    if described:
        note = f"note: --cv {options.split.cv}: {described}"
        found = replace(found, notes=[*found.notes, note])
    trained = train(found, options, announce)

    def outcomes() -> Iterator[Outcome]:
        for i, part in enumerate(parts, 1):
            write_line(f"fold {i} of {len(parts)}: {folds.shown(part)}")
            yield train(part, folds.of_folds(options), lambda *_: None)

    return replace(trained, fold_outcomes=outcomes, parts=described)


def _plain_of(found: TrainingTable, options: TrainOptions, announce: Announce) -> Outcome:
    return _plain(preparing.prepared(found, options), options, announce)


def _plain(prepared: Prepared, options: TrainOptions, announce: Announce) -> Outcome:
    """Train one network on prepared rows."""
    with library_errors():
        network = building.build_network(prepared, options)
    announce(prepared.notes, prepared.columns, repr(network))
    fitted = fitting.fit(network, prepared, options)
    rows, on = prepared.evaluated
    targets = prepared.preprocessing.targets
    X = prepared.X[rows].astype(network.spec.dtype)
    evaluations = scoring.evaluate(network, targets, X, prepared.y[rows], prepared.unknown)
    known = prepared.y[prepared.train]
    known = known if targets.classifies else targets.decode(known)

    def simple(kinds: Sequence[str]) -> tuple[Baselines, list[str]]:
        part, inputs = some_rows(len(known)), prepared.preprocessing.inputs

        def encoded() -> list[EncodedRows]:
            X, others = prepared.X[prepared.train[part]], prepared.X[rows]
            pairs = zip(known[part].T, targets.n_classes, strict=True)
            return [EncodedRows(X, y, others, inputs, k) for y, k in pairs]

        return simple_models(kinds, prepared.X.shape[1], encoded)

    return Outcome(
        network, fitted.save, fitted.training, fitted.ended, fitted.history, evaluations, on, known,
        simple, prepared.columns, {}, _held_out(fitted.history),
    )  # fmt: skip


def train_tabular(path: str, options: TrainOptions, announce: Announce) -> Outcome:
    """Train a bag of networks."""
    found = read_training_table(path, options, validates=False)
    return _with_folds(found, options, _tabular, announce)


def _tabular(found: TrainingTable, options: TrainOptions, announce: Announce) -> Outcome:
    rows = tabular_rows(found, options)
    announce(rows.notes, rows.uses, "tabular model: a bag of networks")
    fitted = fit_tabular(rows, options)
    model = fitted.model
    evaluations = model.scored(rows.others, rows.y_others, rows.unknown)
    return Outcome(
        model.network, fitted.save, fitted.training, fitted.ended, model.estimator.histories_[0],
        evaluations, rows.on, rows.y, partial(_simple, found, rows, options),
        rows.uses, model.importances,
        encoding=lambda: preparing.fitted(found, options).to_json(),
    )  # fmt: skip


def _simple(
    found: TrainingTable, rows: TabularRows, options: TrainOptions, kinds: Sequence[str]
) -> tuple[Baselines, list[str]]:
    """Simple models of a table in the encoding of the plain model."""
    try:
        preprocessing = preparing.fitted(found, options)
    except CommandError as error:
        return {}, [f"note: no baselines: {error}"]
    part, inputs = some_rows(len(rows.y)), preprocessing.inputs

    def encoded() -> list[EncodedRows]:
        train = {name: values[part] for name, values in rows.columns.items()}
        X, others = (preprocessing.encoded(columns) for columns in (train, rows.others))
        pairs = zip(rows.y[part].T, rows.layout.targets.n_classes, strict=True)
        return [EncodedRows(X, y, others, inputs, k) for y, k in pairs]

    return simple_models(kinds, len(inputs.feature_names), encoded)


def _held_out(history: History) -> Sequence[float]:
    """The held-out losses, if there are any and the parameters are not of the best epoch."""
    if getattr(history, "best_epoch", None) is not None or "val_loss" not in history.keys():  # noqa: SIM118
        return ()
    return list(history["val_loss"])
