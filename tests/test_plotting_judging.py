"""Pictures of how good a model is: rendered and read back, with what users call their classes."""

import sys
from itertools import pairwise

import numpy as np
import pytest

from ffnn_fast import metrics, plotting

pytest.importorskip("matplotlib")
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def rendered(ax):
    canvas = FigureCanvasAgg(ax.figure)
    canvas.draw()
    return canvas.get_renderer()


def lines(ax):
    return {line.get_label(): line.get_xydata() for line in ax.get_lines()}


class TestConfusionMatrix:
    def test_counts_and_shades(self):
        ax = Figure().subplots()
        assert plotting.confusion_matrix([[8, 2], [0, 0]], ax) is ax
        shares = ax.get_images()[0].get_array()
        np.testing.assert_allclose(shares, [[0.8, 0.2], [0, 0]])
        written = {text.get_position(): text.get_text() for text in ax.texts}
        assert written == {(0, 0): "8", (1, 0): "2", (1, 1): "0"}
        assert [text.get_color() for text in ax.texts] == ["white", "black", "black"]
        assert (ax.get_xlabel(), ax.get_ylabel()) == ("predicted", "actual")

    @pytest.mark.parametrize("classes", [2, 3, 12, 30])
    def test_numbers_fit_their_cells(self, classes):
        ax = plotting.confusion_matrix(np.full((classes, classes), 12345))
        renderer = rendered(ax)
        cell = ax.transData.transform((1, 0))[0] - ax.transData.transform((0, 0))[0]
        boxes = [text.get_window_extent(renderer) for text in ax.texts]
        assert len(boxes) == classes**2
        assert 0.35 * cell < max(box.width for box in boxes) < cell or classes < 8
        names = [label.get_window_extent(renderer) for label in ax.get_xticklabels()]
        assert all(a.x1 <= b.x0 for a, b in pairwise(names))

    def test_many_classes_have_no_numbers_and_fewer_names(self):
        ax = plotting.confusion_matrix(np.eye(150, dtype=int))
        assert not ax.texts
        assert [label.get_text() for label in ax.get_yticklabels()][:3] == ["0", "3", "6"]

    def test_names_are_no_mathematics_and_not_too_long(self):
        names = ["$x^2", "a_{b}$ {", "a class of a very long name 1", r"\frac $\nonsense$"]
        ax = plotting.confusion_matrix(np.eye(4, dtype=int), classes=names)
        rendered(ax)  # would fail on mathematics that cannot be parsed
        for labels in (ax.get_xticklabels(), ax.get_yticklabels()):
            shown = [label.get_text() for label in labels]
            assert shown[:2] == names[:2]
            assert len(shown[2]) == 14
            assert (shown[2][:9], shown[2][-4:]) == ("a class o", "me 1")
            assert not any(label.get_parse_math() for label in labels)

    def test_refusals(self):
        for given, message in [
            ({"confusion": np.ones((2, 3))}, r"shape \(c, c\), got \(2, 3\)"),
            ({"confusion": np.ones((0, 0))}, r"shape \(c, c\), got \(0, 0\)"),
            ({"confusion": np.eye(2), "classes": ["a"]}, "expected 2 class names, got 1"),
        ]:
            with pytest.raises(ValueError, match=message):
                plotting.confusion_matrix(**given)


class TestValues:
    def test_predicted_against_actual(self, rng):
        y = rng.normal(size=50)
        said = y + 0.1
        ax = Figure().subplots()
        assert plotting.predicted_against_actual(y, said, ax) is ax
        diagonal, points = (line.get_xydata() for line in ax.get_lines())
        np.testing.assert_array_equal(diagonal, np.repeat([[y.min()], [said.max()]], 2, axis=1))
        np.testing.assert_array_equal(points, np.stack([y, said], axis=1))
        assert ax.get_title() == f"R² {metrics.r2(y, said):.4f}, RMSE 0.1"

    def test_many_rows_are_thinned(self, rng):
        y = np.sort(rng.normal(size=30_000))
        ax = plotting.predicted_against_actual(y, y)
        points = ax.get_lines()[1].get_xydata()
        assert len(points) == 1000
        assert (points[0, 0], points[-1, 0]) == (y[0], y[-1])
        assert ax.get_title().startswith("R² 1.0000")

    def test_binned_residuals(self):
        said = np.repeat([1.0, 2.0, 3.0], 11)
        residual = np.tile(np.arange(11.0), 3) + np.repeat([0.0, -5, 10], 11)
        order = np.random.default_rng(0).permutation(33)
        ax = plotting.binned_residuals((said + residual)[order], said[order], bins=3)
        np.testing.assert_allclose(lines(ax)["mean"], [[1, 5], [2, 0], [3, 15]])
        bars = [path.vertices.tolist() for path in ax.collections[0].get_paths()]
        np.testing.assert_allclose(bars, [[[1, 1], [1, 9]], [[2, -4], [2, 4]], [[3, 11], [3, 19]]])

    def test_few_rows(self):
        for draw in (plotting.binned_residuals, plotting.predicted_against_actual):
            rendered(draw([1.0], [2.0]))
        assert len(lines(plotting.binned_residuals([1.0, 2], [2.0, 2]))["mean"]) == 2

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            (([1.0], [1.0, 2]), r"shape \(n,\), got \(1,\) and \(2,\)"),
            (([], []), "shape"),
            (([[1.0]], [[1.0]]), "shape"),
            (([np.nan], [1.0]), "finite"),
            (([1.0], [np.inf]), "finite"),
        ],
    )
    def test_refusals(self, given, message):
        for draw in (plotting.binned_residuals, plotting.predicted_against_actual):
            with pytest.raises(ValueError, match=message):
                draw(*given)
        with pytest.raises(ValueError, match="bins must be at least 1, got 0"):
            plotting.binned_residuals([1.0], [1.0], bins=0)


class TestReliability:
    def test_bins(self):
        p = np.array([0.1, 0.3, 0.3, 0.3, 0.95, 0.99, 1.0, 0.0])
        happened = np.array([0, 1, 0, 0, 1, 1, 1, 0], dtype=bool)
        ax = Figure().subplots()
        assert plotting.reliability_diagram(happened, p, ax) is ax
        drawn = lines(ax)["observed frequency"]
        np.testing.assert_allclose(drawn, [[0.05, 0], [0.3, 1 / 3], [0.98, 1]])
        bars = [(bar.get_x(), bar.get_height()) for bar in ax.patches]
        np.testing.assert_allclose(bars, [(0, 0.25), (0.2, 0.375), (0.9, 0.375)])
        error = metrics.expected_calibration_error(happened, p)
        assert ax.get_title() == f"expected calibration error {error:.4f}"

    def test_refusals(self):
        with pytest.raises(ValueError, match=r"in \[0, 1\]"):
            plotting.reliability_diagram([True], [1.5])


def test_pyplot_knows_of_nothing():
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    plotting.confusion_matrix([[1]])
    plotting.reliability_diagram([True], [1.0])
    plotting.binned_residuals([1.0], [1.0])
    assert plt.get_fignums() == before


@pytest.mark.parametrize(
    "draw",
    [
        lambda: plotting.confusion_matrix([[1]]),
        lambda: plotting.predicted_against_actual([1.0], [1.0]),
        lambda: plotting.binned_residuals([1.0], [1.0]),
        lambda: plotting.reliability_diagram([True], [1.0]),
    ],
)
def test_without_matplotlib(monkeypatch, draw):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r'pip install "ffnn_fast\[plot\]"'):
        draw()
