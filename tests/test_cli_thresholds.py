"""Two classes at the thresholds of a report."""

import numpy as np
import pytest

from ffnn_fast import Network, metrics
from ffnn_fast.cli.evaluation.scoring import ScoredRows
from ffnn_fast.cli.evaluation.thresholds import threshold_charts, threshold_table, thresholds
from ffnn_fast.preprocessing import TargetEncoder

TARGET = TargetEncoder("y", "classification", ("no", "yes"))


def scored(truth, probability, n_unknown=0):
    spec = Network([1, 1], output="logistic", loss="binary_cross_entropy").spec
    p = np.asarray(probability)
    return ScoredRows(TARGET, spec, np.asarray(truth), (p > 0.5).astype(int), p[:, None], n_unknown)


def test_counts_by_hand():
    found = thresholds(scored([1, 0, 1, 1, 0], [0.9, 0.8, 0.8, 0.3, 0.1]))
    np.testing.assert_array_equal(found.threshold, [0.9, 0.8, 0.3, 0.1])
    np.testing.assert_array_equal(found.true, [1, 2, 3, 3])
    np.testing.assert_array_equal(found.false, [0, 1, 1, 2])
    np.testing.assert_allclose(found.precision, [1, 2 / 3, 3 / 4, 3 / 5])
    np.testing.assert_allclose(found.f1, [2 / 4, 4 / 6, 6 / 7, 6 / 8])


def test_areas_are_those_of_other_formulas():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 200)
    p = np.clip(0.3 * truth + rng.uniform(0, 0.7, 200), 0, 1).round(2)
    found = thresholds(scored(truth, p))
    x, y = np.append(0, found.false / found.false[-1]), np.append(0, found.recall)
    assert np.diff(x) @ (y[1:] + y[:-1]) / 2 == pytest.approx(metrics.roc_auc(truth, p))
    sklearn_metrics = pytest.importorskip("sklearn.metrics")
    expected = sklearn_metrics.average_precision_score(truth, p)
    assert found.average_precision == pytest.approx(expected)


def test_the_table():
    head, *rows = threshold_table(scored([1, 0, 1, 1, 0], [0.9, 0.8, 0.8, 0.35, 0.15]))
    assert head[:2] == ("threshold", "rows predicted yes")
    assert [row[0] for row in rows] == [
        *("0.1", "0.2", "0.3", "0.35 (highest F1)", "0.4", "0.5", "0.6", "0.7", "0.8", "0.9"),
    ]
    assert rows[3] == ("0.35 (highest F1)", "4", "0.7500", "1.0000", "0.8571", "0.5000", "0.8000")
    assert rows[-1][1:] == ("1", "1.0000", "0.3333", "0.5000", "0.0000", "0.6000")


@pytest.mark.parametrize(
    "judged", [scored([1, 1], [0.2, 0.7]), scored([0, 1, 0], [0.2, 0.7, 0.1], n_unknown=1)]
)
def test_no_curves_of_one_class(judged):
    assert threshold_charts(judged) == []
    assert threshold_table(judged) is None


def test_charts():
    pytest.importorskip("matplotlib")
    charts = threshold_charts(scored([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.1]))
    assert [chart.title for chart in charts] == ["ROC curve", "precision and recall"]
    assert "The area below the curve is 0.7500" in charts[0].caption
    line = charts[0].figure().axes[0].lines[0]
    np.testing.assert_allclose(line.get_xydata()[[0, -1]], [[0, 0], [1, 1]])
