"""Each figure is drawn, rendered and read back: its pixels, its lines and its text."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from ffnn_fast import Network, plotting

pytest.importorskip("matplotlib")
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Wedge

from ffnn_fast.plotting import _canvas as canvas
from ffnn_fast.plotting import _diagram as diagram


def pixels(ax):
    """The figure of these axes, rendered: (height, width, 3) in [0, 1], row 0 on top."""
    renderer = FigureCanvasAgg(ax.figure)
    renderer.draw()
    return np.asarray(renderer.buffer_rgba())[..., :3] / 255


def colour_at(ax, image, x, y):
    """The pixel of a rendered figure at data coordinates of `ax`."""
    column, row = ax.transData.transform((x, y))
    return image[image.shape[0] - 1 - int(row), int(column)]


def words(ax):
    return [text.get_text() for text in ax.texts]


@pytest.fixture
def halves():
    """Two classes that part at x_1 = 0, certainly."""
    net = Network([2, 2])
    net.params[:] = 0
    net.weights[0][1, 0] = 1000
    return net


def pale(c):
    return 1 - 0.62 * (1 - np.array(to_rgb(canvas.CLASSES[c])))


class TestDecisionSurface:
    def test_colours_of_two_classes(self, halves):
        ax = Figure().subplots()
        assert plotting.decision_surface(halves, ax=ax, limits=((-1, 1), (-2, 2))) is ax
        image = pixels(ax)
        for y in (-1.5, 0.1, 1.5):
            np.testing.assert_allclose(colour_at(ax, image, -0.5, y), pale(0), atol=0.01)
            np.testing.assert_allclose(colour_at(ax, image, 0.5, y), pale(1), atol=0.01)
        boundary = [path for line in ax.collections for path in line.get_paths()]
        assert np.abs(np.concatenate([path.vertices[:, 0] for path in boundary])).max() < 0.02
        assert (ax.get_xlim(), ax.get_ylim()) == ((-1, 1), (-2, 2))

    def test_a_doubt_is_a_mixture(self, halves):
        halves.params[:] = 0
        ax = plotting.decision_surface(halves, limits=((-1, 1), (-1, 1)))
        middle = (pale(0) + pale(1)) / 2
        np.testing.assert_allclose(colour_at(ax, pixels(ax), 0.3, 0.3), middle, atol=0.01)

    def test_three_classes_and_their_samples(self):
        net = Network([2, 3])
        net.params[:] = 0
        net.weights[0][:] = [[1000, 0], [0, 1000], [-1000, -1000]]
        X = np.array([[4.0, 0], [0, 4], [-4, -4], [3, 1]])
        ax = plotting.decision_surface(net, X, net.predict(X))
        image = pixels(ax)
        for c, (x, y) in enumerate([(3.5, 2), (2, 3.5), (-3.5, -2)]):
            np.testing.assert_allclose(colour_at(ax, image, x, y), pale(c), atol=0.01)
            strong = to_rgb(canvas.CLASSES[c])
            np.testing.assert_allclose(colour_at(ax, image, *X[c]), strong, atol=0.05)
        assert [text.get_text() for text in ax.get_legend().get_texts()] == ["0", "1", "2"]
        assert ax.get_xlim() == pytest.approx((-4 - 0.96, 4 + 0.96))
        one_hot = plotting.decision_surface(net, X, np.eye(3)[net.predict(X)])
        assert len(one_hot.get_legend().get_texts()) == 3

    def test_one_logistic_output(self):
        net = Network([2, 1], output="logistic")
        net.params[:] = [0, 1000, 0]
        ax = plotting.decision_surface(net, limits=((-1, 1), (-1, 1)))
        image = pixels(ax)
        np.testing.assert_allclose(colour_at(ax, image, 0.5, -0.5), pale(0), atol=0.01)
        np.testing.assert_allclose(colour_at(ax, image, 0.5, 0.5), pale(1), atol=0.01)

    def test_one_of_several_labels(self):
        net = Network([2, 2], output="logistic")
        net.params[:] = [1000, 0, 0, 1000, 0, 0]
        ax = plotting.decision_surface(net, limits=((-1, 1), (-1, 1)), output=1)
        image = pixels(ax)
        np.testing.assert_allclose(colour_at(ax, image, 0.5, -0.5), pale(0), atol=0.01)
        np.testing.assert_allclose(colour_at(ax, image, -0.5, 0.5), pale(1), atol=0.01)

    def test_values(self):
        import matplotlib as mpl

        net = Network([2, 2], output="identity")
        net.params[:] = [0, 0, 1, 0, 0, 0]  # the second output is x_1
        X = np.array([[-1.0, 0], [1, 0.5]])
        Y = np.array([[0.0, -2], [0, 2]])  # its targets widen the scale
        ax = plotting.decision_surface(net, X, Y, output=1)
        image, colours = pixels(ax), mpl.colormaps["viridis"]
        for x in (-0.6, 0.1, 0.85):  # between the contours
            expected = colours((x + 2) / 4)[:3]
            got = np.median([colour_at(ax, image, x, y) for y in (-0.05, 0.2, 0.28, 0.4)], axis=0)
            np.testing.assert_allclose(got, expected, atol=0.06)
        bar = ax.figure.axes[1]
        assert bar.get_ylim() == (-2, 2)
        assert bar.get_ylabel() == r"$\hat{y}$"

    def test_of_anything_with_a_spec_and_outputs(self, halves):
        described = SimpleNamespace(spec=halves.spec, forward=halves.forward)
        limits = ((-1, 1), (-1, 1))
        image = pixels(plotting.decision_surface(described, limits=limits))
        np.testing.assert_array_equal(
            image, pixels(plotting.decision_surface(halves, limits=limits))
        )

    def test_samples_without_targets(self, halves):
        ax = plotting.decision_surface(halves, [[-1.0, 0], [1, 1]])
        colour = colour_at(ax, pixels(ax), 1, 1)
        np.testing.assert_allclose(colour, to_rgb(canvas.INK), atol=0.05)

    def test_refusals(self, halves):
        square = {"limits": ((-1, 1), (-1, 1))}
        two = Network([2, 2], output="identity")
        for net, given, message in [
            (Network([3, 2]), square, "network of 2 inputs, got 3"),
            (halves, {}, "samples X or limits"),
            (halves, {"X": [[1, 2, 3]]}, r"shape \(n, 2\), got \(1, 3\)"),
            (halves, {"limits": ((1, -1), (-1, 1))}, r"\(smaller, larger\), got \(1, -1\)"),
            (halves, {**square, "output": 0}, "omit output"),
            (halves, {**square, "resolution": 1}, "at least 2, got 1"),
            (two, square, r"output=0\.\.1"),
            (two, {**square, "output": 2}, r"in 0\.\.1, got 2"),
        ]:
            with pytest.raises(ValueError, match=message):
                plotting.decision_surface(net, **given)


class TestNetworkDiagram:
    def test_words_and_units(self):
        ax = Figure().subplots()
        net = Network([3, 4, 2, 1], activation=["tanh", "relu"], output="identity", seed=0)
        assert plotting.network_diagram(net, ax) is ax
        found = words(ax)
        for word in (
            *("$h_0 = x$", r"$a_{1}\,|\,h_{1}$", r"$a_{2}\,|\,h_{2}$"),
            r"$a_{3}\,|\,h_{3} = \hat{y}$",
            *(rf"$W_{{{k}}},\ b_{{{k}}}$" for k in (1, 2, 3)),
            *("3 inputs", "4 tanh", "2 relu", "1 identity", "4 × 3", "2 × 4", "1 × 2"),
            *("$x_{1}$", "$x_{2}$", "$x_{3}$", r"$\hat{y}_{1}$"),
        ):
            assert found.count(word) == 1, word
        kinds = [type(patch) for patch in ax.patches]
        assert kinds.count(Circle) == 3
        assert kinds.count(Wedge) == 2 * (4 + 2 + 1)

    def test_halves_of_a_unit(self):
        ax = plotting.network_diagram(Network([1, 1], output="identity").spec)
        image = pixels(ax)
        for x, colour in (
            (0.2, diagram.INPUT),
            (diagram.GAP - 0.18, diagram.BEFORE),
            (diagram.GAP + 0.18, diagram.OUTPUT),
        ):
            np.testing.assert_allclose(colour_at(ax, image, x, 0.12), to_rgb(colour), atol=0.02)

    def test_wide_layers_are_elided(self):
        ax = plotting.network_diagram(Network([784, 5, 2], seed=0), max_units=6)
        inputs = [word for word in words(ax) if word.startswith("$x")]
        assert inputs == ["$x_{1}$", "$x_{2}$", "$x_{3}$", "$x_{4}$", "$x_{784}$"]
        assert len(ax.get_lines()) == 3  # dots
        assert "784 inputs" in words(ax)
        assert sum(isinstance(patch, Wedge) for patch in ax.patches) == 2 * (5 + 2)

    def test_colours_of_weights(self):
        net = Network([2, 1], output="identity")
        net.params[:] = [3, -3, 0]
        ax = plotting.network_diagram(net)
        image = pixels(ax)
        red = colour_at(ax, image, diagram.GAP / 2, 0.25)
        blue = colour_at(ax, image, diagram.GAP / 2, -0.25)
        assert red[0] > red[2] + 0.2
        assert blue[2] > blue[0] + 0.2
        (plain,) = plotting.network_diagram(net.spec).findobj(LineCollection)
        np.testing.assert_allclose(plain.get_colors()[0, :3], to_rgb(canvas.FAINT))

    def test_weights_of_zero(self):
        net = Network([2, 3, 1], output="identity", initializer="zeros")
        assert pixels(plotting.network_diagram(net)).std() > 0

    def test_of_anything_with_a_spec(self):
        net = Network([2, 3, 1], output="identity", seed=0)
        described = SimpleNamespace(spec=net.spec)
        (plain,) = plotting.network_diagram(described).findobj(LineCollection)[:1]
        np.testing.assert_allclose(plain.get_colors()[0, :3], to_rgb(canvas.FAINT))
        described.weights = net.weights
        for given, of_network in zip(
            plotting.network_diagram(described).findobj(LineCollection),
            plotting.network_diagram(net).findobj(LineCollection),
            strict=True,
        ):
            np.testing.assert_array_equal(given.get_colors(), of_network.get_colors())

    def test_at_least_three_places(self):
        with pytest.raises(ValueError, match="at least 3, got 2"):
            plotting.network_diagram(Network([2, 2]), max_units=2)


class TestWeightImages:
    def test_rows_of_the_first_layer(self):
        net = Network([6, 3, 2])
        net.weights[0][:] = np.arange(-9, 9).reshape(3, 6)
        axes = plotting.weight_images(net, (2, 3), units=[2, 0])
        assert [ax.get_title() for ax in axes] == ["unit 2", "unit 0"]
        for ax, unit in zip(axes, (2, 0), strict=True):
            shown = ax.get_images()[0]
            assert (shown.get_array() == net.weights[0][unit].reshape(2, 3)).all()
            assert shown.get_clim() == (-9, 9)
        image = pixels(axes[0])
        assert colour_at(axes[0], image, 2, 1)[0] > colour_at(axes[0], image, 2, 1)[2]
        assert colour_at(axes[1], image, 0, 0)[2] > colour_at(axes[1], image, 0, 0)[0]
        assert axes[0].figure.axes[-1].get_ylabel() == "weight"

    def test_given_axes(self):
        axes = Figure().subplots(2, 2)
        drawn = plotting.weight_images(Network([4, 3, 2], seed=0), (2, 2), axes)
        assert drawn.tolist() == axes.ravel()[:3].tolist()
        assert len(axes[0, 0].figure.axes) == 4

    def test_of_a_matrix(self):
        net = Network([4, 3, 2], seed=0)
        shown = plotting.weight_images(net.weights[0].tolist(), (2, 2))
        for given, of_network in zip(shown, plotting.weight_images(net, (2, 2)), strict=True):
            np.testing.assert_array_equal(
                given.get_images()[0].get_array(), of_network.get_images()[0].get_array()
            )
        with pytest.raises(ValueError, match=r"shape \(n_1, n_0\), got \(4,\)"):
            plotting.weight_images(np.ones(4), (2, 2))

    def test_places_left_over_in_a_grid_are_empty(self, rng):
        axes = plotting.weight_images(rng.normal(size=(11, 4)), (2, 2))
        assert len(axes) == 11
        (_, *colour_bar) = (ax for ax in axes[0].figure.axes if ax not in axes[1:])
        assert len(colour_bar) == 1

    def test_sixteen_of_many(self):
        axes = plotting.weight_images(Network([4, 30, 2], seed=0), (2, 2))
        assert [ax.get_title() for ax in axes] == [f"unit {unit}" for unit in range(16)]

    def test_refusals(self):
        net = Network([4, 3, 2])
        for given, message in [
            ({"shape": (2, 3)}, "height · width = 4 inputs, got 2 × 3"),
            ({"shape": (2, 2), "units": [3]}, r"in 0\.\.2, got \[3\]"),
            ({"shape": (2, 2), "units": []}, "units must be"),
            ({"shape": (2, 2), "axes": Figure().subplots()}, "expected 3 axes or more, got 1"),
        ]:
            with pytest.raises(ValueError, match=message):
                plotting.weight_images(net, **given)


def bars(ax):
    """Heights of the filled bars with their left edges."""
    return {bar.get_x(): bar.get_height() for bar in ax.patches if hasattr(bar, "get_height")}


class TestHistograms:
    @pytest.fixture
    def trace(self, rng):
        net = Network([5, 8, 6, 3], activation=["tanh", "relu"], seed=0)
        net.biases[1][0] = -100  # a dead unit
        return net.trace(rng.normal(size=(200, 5)), rng.integers(0, 3, 200))

    def test_activations(self, trace):
        axes = plotting.activation_histograms(trace)
        assert [ax.get_title("left") for ax in axes] == ["layer 1", "layer 2", "layer 3"]
        assert [ax.get_title("right") for ax in axes] == ["", "1 of 6 units constant", ""]
        legends = [[t.get_text() for t in ax.get_legend().get_texts()] for ax in axes]
        assert legends[0] == ["$h_{1}$", "$a_{1}$"]
        assert legends[2][0] == r"$h_{3} = \hat{y}$"
        for k, ax in enumerate(axes, start=1):
            heights = bars(ax)
            assert sum(heights.values()) == pytest.approx(1)
            negative = sum(height for x, height in heights.items() if x < -1e-9)
            assert negative == pytest.approx((trace[f"h_{k}"] < 0).mean(), abs=1e-9)
        assert pixels(axes[0]).std() > 0

    def test_gradients(self, trace):
        axes = plotting.gradient_histograms(trace)
        assert [ax.get_title("left") for ax in axes] == [
            rf"$|\nabla W_{{{k}}}|$" for k in (1, 2, 3)
        ]
        sizes = [np.abs(trace[f"grad_W_{k}"]) for k in (1, 2, 3)]
        least = 1e-12 * max(size.max() for size in sizes)
        assert (sizes[1] == 0).any()
        for ax, size in zip(axes, sizes, strict=True):
            zero = float((size == 0).mean())
            assert ax.get_xscale() == "log"
            assert ax.get_title("right") == (f"{zero:.0%} zero" if zero else "")
            assert sum(bars(ax).values()) == pytest.approx((size > least).mean())
        assert len({tuple(bars(ax)) for ax in axes}) == 1  # one scale for all
        written = axes[2].get_legend().get_texts()[0].get_text()
        assert written == f"median {np.median(sizes[2]):.1e}"

    def test_gradients_of_one_size(self):
        (ax,) = plotting.gradient_histograms(
            {"a_1": np.zeros((2, 1)), "grad_W_1": np.full((1, 4), -0.5)}, Figure().subplots()
        )
        shares = [bar.get_height() for bar in ax.patches]
        assert sum(shares) == pytest.approx(1)
        bar = ax.patches[int(np.argmax(shares))]
        assert bar.get_x() <= 0.5 <= bar.get_x() + bar.get_width()

    def test_of_nothing(self):
        net = Network([2, 2], output="identity", initializer="zeros")
        trace = net.trace(np.zeros((3, 2)), np.zeros((3, 2)))
        for draw in (plotting.activation_histograms, plotting.gradient_histograms):
            (ax,) = draw(trace, Figure().subplots())
            assert pixels(ax).std() > 0

    def test_refusals(self, trace):
        for draw in (plotting.activation_histograms, plotting.gradient_histograms):
            with pytest.raises(ValueError, match="expected 3 axes or more, got 2"):
                draw(trace, Figure().subplots(1, 2))
            with pytest.raises(ValueError, match="trace has no a_1"):
                draw({})
        forward = Network([2, 2]).trace(np.zeros((3, 2)))
        assert len(plotting.activation_histograms(forward, Figure().subplots())) == 1
        with pytest.raises(ValueError, match="trace has no gradients; make it with targets"):
            plotting.gradient_histograms(forward)


def test_figures_are_not_registered_with_pyplot(halves):
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    plotting.decision_surface(halves, limits=((0, 1), (0, 1)))
    plotting.network_diagram(halves)
    plotting.weight_images(halves, (1, 2))
    assert plt.get_fignums() == before


def test_without_matplotlib(halves, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r'pip install "ffnn_fast\[plot\]"'):
        plotting.decision_surface(halves, limits=((0, 1), (0, 1)))
    for draw in (plotting.network_diagram, lambda net: plotting.weight_images(net, (1, 2))):
        with pytest.raises(ImportError, match=r'pip install "ffnn_fast\[plot\]"'):
            draw(halves)
