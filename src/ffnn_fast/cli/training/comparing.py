"""The scores of a model beside those of simple models; a warning if one of them is better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ffnn_fast.cli.evaluation.scoring import (
    ScoredRows,
    as_cells,
    known_log_loss,
    point_scores,
    scores,
)
from ffnn_fast.cli.evaluation.tables import Table
from ffnn_fast.cli.training.simple_models import Baseline
from ffnn_fast.metrics import roc_auc

Array = np.ndarray
RISE, SMALLEST = 0.05, 1e-3  # of a held-out loss: a smaller rise is no difference
MARGIN, LEAST = 1e-3, 0.005  # of an RMSE, and of a log loss or accuracy: less is no difference


def results_table(found: Mapping[str, Mapping[str, float]], on: str) -> Table:
    """A table of the scores by model, as `all_scores` returns them."""
    names, _ = as_cells(found["network"])
    table: Table = [(f"on {on}", *names)]
    for model, figures in found.items():
        cells = dict(zip(*as_cells(figures), strict=True))
        table.append((model, *(cells.get(one, "") for one in names)))
    return table


def all_scores(
    evaluation: ScoredRows, baselines: Mapping[str, Baseline]
) -> dict[str, dict[str, float]]:
    """The scores of the network and of each simple model."""
    others = {name: _scores_of(baseline, evaluation) for name, baseline in baselines.items()}
    return {"network": scores(evaluation), **others}


def verdict(by_model: Mapping[str, Mapping[str, float]], on: str) -> list[str]:
    """A sentence for each simple model that predicts the rows better than the network, from the
    scores that `all_scores` returns.
    """
    found = by_model["network"]
    figure = "rmse" if "rmse" in found else "log_loss" if "log_loss" in found else "accuracy"
    shown = {"rmse": "RMSE", "log_loss": "log loss", "accuracy": "accuracy"}[figure]
    sentences = []
    for name, figures in by_model.items():
        if name == "network" or figure not in figures:
            continue
        mine, theirs = found[figure], figures[figure]
        sign = -1 if figure == "accuracy" else 1
        least = MARGIN * abs(theirs) if figure == "rmse" else LEAST
        if sign * (mine - theirs) > least:
            sentences.append(
                f"warning: on {on} the network is worse than the {name}: {shown} {mine:.4g} "
                f"against {theirs:.4g}"
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
