"""The scores of a model beside those of simple models; a warning if one of them is better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ffnn_fast.cli.evaluation.scoring import (
    IN_UNITS,
    ScoredRows,
    as_cells,
    known_log_loss,
    point_scores,
    scores,
)
from ffnn_fast.cli.evaluation.tables import Table, Titled
from ffnn_fast.cli.training.simple_models import HGB, Baseline
from ffnn_fast.metrics import roc_auc

Array = np.ndarray
ByModel = dict[str, dict[str, float]]
MEAN = "mean over the targets"  # the title of a table
RISE, SMALLEST = 0.05, 1e-3  # of a held-out loss: a smaller rise is no difference
MARGIN, LEAST = 1e-3, 0.005  # of an RMSE, and of a log loss or accuracy: less is no difference


@dataclass(frozen=True)
class Scores:
    """The scores of the network and of simple models on the same rows.

    Attributes
    ----------
    of_targets : dict of str to dict
        Target → model, "network" first → score → value.
    """

    of_targets: dict[str, ByModel]

    def mean(self) -> ByModel:
        """The means over the targets of the scores that all of them have; without errors in the
        units of a target.
        """
        each = list(self.of_targets.values())
        found: ByModel = {}
        for model in each[0]:
            figures = [one[model] for one in each if model in one]
            names = [name for name in figures[0] if name not in IN_UNITS]
            found[model] = {
                name: float(np.mean([one[name] for one in figures]))
                for name in names
                if all(name in one for one in figures)
            }
        return found

    def sections(self) -> list[tuple[str, ByModel]]:
        """Of one target its scores, without a title; of several those of each, and their mean."""
        if len(self.of_targets) == 1:
            return [("", one) for one in self.of_targets.values()]
        return [*self.of_targets.items(), (MEAN, self.mean())]

    def tables(self, on: str) -> Titled:
        """The sections as tables."""
        return [(title, _results_table(found, on)) for title, found in self.sections()]


def titles_of(names: Sequence[str]) -> tuple[str, ...]:
    """The titles of `Scores.sections` of targets with these names."""
    return ("",) if len(names) == 1 else (*names, MEAN)


def _results_table(found: Mapping[str, Mapping[str, float]], on: str) -> Table:
    """A table of the scores by model."""
    names, _ = as_cells(found["network"])
    table: Table = [(f"on {on}", *names)]
    for model, figures in found.items():
        cells = dict(zip(*as_cells(figures), strict=True))
        table.append((model, *(cells.get(one, "") for one in names)))
    return table


def all_scores(
    evaluations: Sequence[ScoredRows], baselines: Mapping[str, Sequence[Baseline]]
) -> Scores:
    """The scores of the network and of each simple model, which has a baseline for each target."""
    of_targets = {}
    for t, one in enumerate(evaluations):
        others = {name: _scores_of(each[t], one) for name, each in baselines.items()}
        of_targets[one.target.name] = {"network": scores(one), **others}
    return Scores(of_targets)


def verdict(found: Scores, on: str) -> list[str]:
    """A sentence for each simple model that predicts a target better than the network."""
    several = len(found.of_targets) > 1
    return [
        sentence
        for name, by_model in found.of_targets.items()
        for sentence in _verdict(by_model, on, f" for {name}" if several else "")
    ]


def _verdict(by_model: ByModel, on: str, target: str) -> list[str]:
    found = by_model["network"]
    figure = "rmse" if "rmse" in found else "log_loss" if "log_loss" in found else "accuracy"
    sentences = []
    for name, figures in by_model.items():
        if name == "network" or figure not in figures:
            continue
        mine, theirs = found[figure], figures[figure]
        sign = -1 if figure == "accuracy" else 1
        least = MARGIN * abs(theirs) if figure == "rmse" else LEAST
        if sign * (mine - theirs) > least:
            (shown,), (cell,) = as_cells({figure: mine})
            _, (other,) = as_cells({figure: theirs})
            article = "" if name == HGB else "the "
            sentences.append(
                f"warning: on {on} the network is worse than {article}{name}{target}: {shown} "
                f"{cell} against {other}"
            )
    return sentences


def _scores_of(baseline: Baseline, evaluation: ScoredRows) -> dict[str, float]:
    """The scores of a simple model, by the names of `scoring.scores`."""
    truth, proba = evaluation.truth, baseline.proba
    found = point_scores(evaluation.target, truth, baseline.predicted)
    if proba is None:
        return found
    found |= known_log_loss(evaluation, proba)
    if len(evaluation.target.classes) == proba.shape[1] == 2 and 0 < truth.sum() < len(truth):
        found["roc_auc"] = roc_auc(truth == 1, proba[:, 1])
    return found


def rising(losses: Sequence[float]) -> list[str]:
    """A sentence if the held-out loss of a plain model has risen since its best epoch."""
    if len(losses) < 3:
        return []
    best = int(np.nanargmin(losses))
    if losses[-1] - losses[best] <= max(RISE * abs(losses[best]), SMALLEST):
        return []
    return [
        f"warning: the held-out loss was {losses[best]:.4g} after epoch {best + 1} and is "
        f"{losses[-1]:.4g} now: the network fits the training rows too closely; keep "
        "the best epoch with --validation-fraction 0.15"
    ]
