"""Reports are whole pages that fetch nothing, run no code that a user wrote, and do not vary."""

import base64
import re
import sys
from xml.etree import ElementTree

import numpy as np
import pytest
from support.html_page import Page
from support.small_models import PRICE

from ffnn_fast import Network
from ffnn_fast.cli.evaluation import charts, report_files, scoring
from ffnn_fast.cli.evaluation.report import Report
from ffnn_fast.cli.evaluation.tables import tables
from ffnn_fast.cli.output import CommandError
from ffnn_fast.cli.training.comparing import rising
from ffnn_fast.preprocessing import TargetEncoder

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")
SVG = "data:image/svg+xml;base64,"
EVIL = ("<script>alert(1)</script>", '$\\frac id="x"', "的>& xlink:href")


def classes(names=EVIL, *, hidden=(6,), **options):
    """A report of a network on some rows of these classes."""
    rng = np.random.default_rng(0)
    target = TargetEncoder("<target>", "classification", names)
    X, y = rng.normal(size=(90, 3)), np.arange(90) % len(names)
    width = 1 if options.get("output") == "logistic" else len(names)
    net = Network([3, *hidden, width], seed=0, **options)
    history = net.fit(X, y, epochs=2, batch_size=16, validation_data=(X, y))
    evaluation = scoring.scored(net.spec, target, net.forward(X), y)
    heads, values = scoring.as_cells(scoring.scores(evaluation))
    others = ("<i>linear", *["<b>0"] * len(values))
    results = [("on the 90 rows", *heads), ("network", *values), others]
    facts = [("data <file>", "a & b.csv")]
    return Report("a & b <c>", facts, net, [("", results)], (evaluation,), history, "the 90 <rows>")


def values(loss="squared_error", heads=1, **options):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 2)), rng.normal(size=60)
    net = Network([2, 4, heads], output="identity", loss=loss, loss_options=options, seed=0)
    evaluation = scoring.scored(net.spec, PRICE, net.forward(X), y)
    return Report("prices", [], net, [("", [("on", "R2")])], (evaluation,), None, "the 60 rows")


def read(made, folder):
    path = folder / "report.html"
    report_files.write_report(made, str(path))
    return path.read_text("utf-8")


def labels(page):
    return [picture["alt"] for picture in page.named("img")]


def pictures(page):
    """The pictures of a page as trees of XML."""
    encoded = [picture["src"].removeprefix(SVG) for picture in page.named("img")]
    return [ElementTree.fromstring(base64.b64decode(data, validate=True)) for data in encoded]


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    """The page of three classes with evil names."""
    return read(classes(), tmp_path_factory.mktemp("report"))


class TestPage:
    def test_every_tag_is_closed(self, text):
        assert Page(text).open == []

    def test_nothing_is_fetched_and_nothing_runs(self, text):
        page = Page(text)
        assert not {"script", "link", "iframe", "object", "base"} & {tag for tag, _ in page.tags}
        assert not re.search(r"https?://|@import|javascript:", text)
        for _, attributes in page.tags:
            assert not any(name.startswith("on") for name in attributes)
            assert "href" not in attributes
            assert attributes.get("src", SVG).startswith(SVG)
        assert "default-src 'none'" in page.named("meta")[2]["content"]

    def test_pictures_fetch_nothing_and_run_nothing(self, text):
        for picture in pictures(Page(text)):
            for element in picture.iter():
                assert element.tag.rpartition("}")[2] not in ("script", "foreignObject", "a")
                for name, value in element.attrib.items():
                    assert not name.startswith("on")
                    if name.rpartition("}")[2] == "href":
                        assert value.startswith(("#", "data:image/png;base64,"))

    def test_what_users_wrote_is_text(self, text):
        page = Page(text)
        for name in (*EVIL, "a & b <c>", "data <file>", "a & b.csv", "<i>linear", "<b>0"):
            assert name in page.words, name
        assert "Evaluated on the 90 <rows>." in page.words
        drawn = {word for picture in pictures(page) for word in picture.itertext()}
        assert {*EVIL[1:], "<script>a…ipt>"} <= drawn

    def test_its_parts_in_order(self, text):
        page = Page(text)
        heads = re.findall(r"<h2 id=\"[\w-]+\">(.*?)</h2>", text)
        assert heads == [
            "Results", "Learning curves", "Predictions", "Calibration", "Network", "Training",
        ]  # fmt: skip
        assert labels(page) == [
            *("loss over the epochs", "accuracy over the epochs", "gradient norm over the epochs"),
            *("confusion matrix", "calibration of the probabilities", "network"),
        ]
        for picture, drawn in zip(page.named("img"), pictures(page), strict=True):
            points = [float(drawn.get(side).removesuffix("pt")) for side in ("width", "height")]
            pixels = [int(picture[side]) for side in ("width", "height")]
            np.testing.assert_allclose(np.array(points) * 96 / 72, pixels, atol=1)
        assert {cell.get("scope") for cell in page.named("th")} == {"col", "row"}
        assert len(page.named("caption")) == len(page.named("table")) == 5
        assert page.named("html") == [{"lang": "en"}]
        assert "width=device-width" in page.named("meta")[1]["content"]

    def test_every_section_has_its_heading(self, text):
        page = Page(text)
        ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
        assert len(ids) == len(set(ids)) == 6
        assert [section["aria-labelledby"] for section in page.named("section")] == ids

    def test_its_size(self, text):
        assert 50_000 < len(text) < 210_000

    def test_the_same_bytes_again(self, text, tmp_path):
        assert read(classes(), tmp_path) == text


class TestContents:
    def test_two_classes_by_one_output(self, tmp_path):
        made = classes(("no", "yes"), output="logistic", loss="binary_cross_entropy")
        page = Page(read(made, tmp_path))
        assert "Share of the rows where the class yes is the true one" in " ".join(page.words)
        assert "yes" in page.words

    def test_margins_have_no_calibration(self, tmp_path):
        page = Page(read(classes(output="identity", loss="hinge"), tmp_path))
        assert "Calibration" not in page.words
        assert "confusion matrix" in labels(page)

    def test_many_classes_and_a_wide_network(self, tmp_path):
        names = tuple(f"c{c}" for c in range(40))
        page = Page(read(classes(names, hidden=(30,)), tmp_path))
        assert "network" not in labels(page)
        assert "the most frequent confusions" in page.words
        assert set(names) <= set(page.words)

    def test_values(self, tmp_path):
        text = read(values(), tmp_path)
        page = Page(text)
        assert labels(page) == ["predicted against actual", "residuals", "network"]
        assert "size of the errors" in page.words
        assert "Learning curves" not in page.words
        assert "Training" not in page.words
        assert page.open == []

    def test_quantiles(self, tmp_path):
        made = values("quantile", 2, quantiles=(0.2, 0.8))
        page = Page(read(made, tmp_path))
        found = scoring.coverage(made.evaluations[0])
        assert [name for name in found if name in page.words] == ["below 0.2", "below 0.8"]
        assert f"{found['below 0.2'][1]:.4f}" in page.words

    def test_a_mean_and_its_uncertainty(self, tmp_path):
        assert "within 90%" in Page(read(values("gaussian_nll", 2), tmp_path)).words


class TestPng:
    @pytest.mark.slow
    @pytest.mark.parametrize("made", [classes, values])
    def test_all_pictures_in_a_grid(self, tmp_path, made):
        from matplotlib.image import imread

        path = tmp_path / "r.PNG"
        report_files.write_report(made(), str(path))
        pixels = imread(path)
        rows, columns = (2, 3) if made is classes else (1, 3)
        assert pixels.shape[1] > 400 * columns
        assert pixels.shape[0] > 400 * rows
        again = path.read_bytes()
        report_files.write_report(made(), str(path))
        assert path.read_bytes() == again


class TestRefusals:
    def test_other_files(self, tmp_path):
        for name in ("r.pdf", "r", "r.html.gz"):
            with pytest.raises(CommandError, match=r"must end in \.html or \.png, got"):
                report_files.write_report(values(), str(tmp_path / name))
        assert not list(tmp_path.iterdir())

    def test_files_that_are_needed(self, tmp_path):
        data = tmp_path / "data.html"
        data.write_text("a")
        with pytest.raises(CommandError, match="the command needs that file"):
            report_files.check_report(str(data), str(data))

    def test_without_matplotlib(self, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "matplotlib", None)
        with pytest.raises(CommandError, match=r'needs matplotlib: pip install "ffnn_fast\[cli\]"'):
            report_files.write_report(values(), str(tmp_path / "r.html"))

    def test_a_page_needs_jinja2_but_a_picture_does_not(self, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "jinja2", None)
        with pytest.raises(CommandError, match=r'needs jinja2: pip install "ffnn_fast\[cli\]"'):
            report_files.write_report(values(), str(tmp_path / "r.html"))
        report_files.write_report(values(), str(tmp_path / "r.png"))
        assert [path.name for path in tmp_path.iterdir()] == ["r.png"]
        monkeypatch.setitem(sys.modules, "matplotlib", None)
        assert report_files.missing_packages("r.html") == ["matplotlib", "jinja2"]

    @pytest.mark.parametrize("name", ["r.html", "r.png"])
    def test_whole_or_not_at_all(self, tmp_path, monkeypatch, name):
        path = tmp_path / name
        path.write_text("before")
        made = values()

        def fail(*args, **kwargs):
            raise MemoryError

        monkeypatch.setattr(charts.plotting, "binned_residuals", fail)
        with pytest.raises(MemoryError):
            report_files.write_report(made, str(path))
        assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [(name, "before")]


@pytest.mark.parametrize(
    ("losses", "warns"),
    [
        ((2.0, 1.0, 1.2), True),
        ((2.0, 1.0, 1.04), False),  # 4 %
        ((1.0, 2.14e-14, 3.525e-13), False),  # 0 to rounding
        ((1.0, -2.0, -1.8), True),  # log densities may be positive
        ((1.0, 2.0), False),
    ],
)
def test_a_rise_of_the_held_out_loss_that_matters(losses, warns):
    assert bool(rising(losses)) is warns


def test_a_matrix_has_whole_names_and_f1():
    names = ("Iris-setosa", "Iris-versicolor and other long names", "Iris-virginica of the north")
    target = TargetEncoder("y", "classification", names)
    spec = Network([1, 3], output="softmax", loss="cross_entropy").spec
    truth, predicted = np.array([0, 0, 1, 2]), np.array([0, 1, 1, 2])
    judged = scoring.ScoredRows(target, spec, truth, predicted, np.eye(3)[predicted])
    _, table = tables(judged)[0]
    assert table[0] == ("", "(1)", "(2)", "(3)", "recall", "F1")
    assert [row[0] for row in table[1:]] == [
        *(f"({c}) {name}" for c, name in enumerate(names, 1)),
        "precision",
    ]
    assert table[1][-2:] == ("0.500", "0.667")


def test_two_classes_have_curves_and_thresholds(tmp_path):
    made = classes(("no", "yes"), output="logistic", loss="binary_cross_entropy")
    page = Page(read(made, tmp_path))
    assert {"ROC curve", "precision and recall"} <= set(labels(page))
    assert "rows predicted yes" in page.words
