"""``ffnn-fast train`` trains a tabular model by default, which the other commands take as well."""

import json
import re
import shutil

import numpy as np
import pytest

pytest.importorskip("sklearn")

from support.refusals import refused

from ffnn_fast import metrics
from ffnn_fast.cli import main
from ffnn_fast.cli.c_program import COMPILERS
from ffnn_fast.cli.command_line import parse
from ffnn_fast.cli.train import default_output
from ffnn_fast.cli.training import model_choice
from ffnn_fast.cli.training.model_choice import model_of
from ffnn_fast.tabular import TabularClassifier, TabularRegressor

__all__ = ["refused"]  # a fixture
FAST = ["--preset", "fast", "--epochs", "6", "--networks", "2"]
N = 160


def rows(seed=0):
    """A table with columns of every kind: id, size, town, built, note, price, dear."""
    rng = np.random.default_rng(seed)
    size, town = rng.uniform(40, 200, N).round(1), rng.choice(["north", "south"], N)
    days = np.datetime64("2001-01-05") + rng.integers(0, 9000, N)
    price = (1000 * size + 30_000 * (town == "north") + rng.normal(0, 3000, N)).round()
    lines = [
        f"{i},{'' if i % 9 == 0 else s},{t},{d},n{i},{int(p)},{'dear' if p > 135_000 else 'cheap'}"
        for i, (s, t, d, p) in enumerate(zip(size, town, days, price, strict=True))
    ]
    return ["id,size,town,built,note,price,dear", *lines]


def write(path, lines):
    path.write_text("\n".join(lines) + "\n")


def run(capsys, *args, code=0):
    """Run the command; returns what it wrote."""
    assert main([str(one) for one in args]) == code
    shown = capsys.readouterr()
    return shown.err if code else shown.out


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with models of a class and of a value, and what train wrote of them."""
    folder = tmp_path_factory.mktemp("tabular")
    write(folder / "houses.csv", rows())
    write(folder / "new.csv", rows(1))
    return folder


@pytest.fixture
def here(trained, monkeypatch):
    monkeypatch.chdir(trained)
    return trained


@pytest.fixture
def models(here, capsys):
    """The models, trained once; returns what train wrote."""
    shown = here / "shown.json"
    if not shown.exists():
        common = ["train", "houses.csv", *FAST, "--target"]
        found = {
            "dear": run(capsys, *common, "dear", "--drop", "price"),
            "price": run(capsys, *common, "price", "--drop", "dear", "-o", "M"),
        }
        shown.write_text(json.dumps(found))
    return json.loads(shown.read_text())


def test_train_shows_columns_and_scores(here, models):
    shown = models["dear"]
    assert "houses.csv: 128 rows to train on, 32 held out; target dear (2 classes)" in shown
    for line in (
        r"size +number +18 missing", r"town +category +2 levels", r"built +date +year, .*ISO 8601",
        r"id +left out +numbers the rows; --use id keeps it", r"note +left out +160 different",
        r"price +left out +--drop",
        r"on the 32 held-out rows +accuracy +F1 macro +log loss +ROC AUC",
        r"linear model +[01]\.\d+ +[01]\.\d+ +0\.\d+ +[01]\.\d+",
        r"most frequent class +0\.\d+ +0\.\d+ +0\.\d+ +0\.5000",
    ):  # fmt: skip
        assert re.search(f"^ +{line}", shown, re.MULTILINE), line
    assert "2 networks, 6 epochs in " in shown
    assert shown.endswith("\nmodel   houses-dear.safetensors\nreport  houses-dear.html\n")
    assert "within 90%" in models["price"]


def test_predictions_are_those_of_the_estimator(here, models, capsys):
    lines = run(capsys, "predict", "houses-dear.safetensors", "new.csv", "--proba").split()
    proba = np.array([line.split(",") for line in lines[1:]], dtype=float)
    assert lines[0] == "cheap,dear"
    columns = [line.split(",") for line in rows(1)[1:]]
    model = TabularClassifier.load("houses-dear.safetensors")
    table = {
        "size": [float(row[1]) if row[1] else np.nan for row in columns],
        "town": [row[2] for row in columns],
        "built": np.array([row[3] for row in columns], "datetime64[us]"),
    }
    expected = model.predict_proba(table).astype(np.float32)
    np.testing.assert_array_equal(expected, proba.astype(np.float32))
    predicted = run(capsys, "predict", "M", "new.csv").split()
    assert predicted[0] == "price"
    table = {name: table[name] for name in ("size", "town", "built")}
    model = TabularRegressor.load("M")
    values = model.predict(table)
    spread = float(model.target_scale_[0])  # of the float32 outputs
    np.testing.assert_allclose(np.array(predicted[1:], float), values, rtol=0, atol=2e-7 * spread)


def test_evaluate(here, models, capsys):
    found = json.loads(run(capsys, "evaluate", "M", "new.csv", "--json"))
    predicted = np.array(run(capsys, "predict", "M", "new.csv").split()[1:], dtype=float)
    truth = [float(line.split(",")[5]) for line in rows(1)[1:]]
    assert found["scores"]["r2"] == pytest.approx(metrics.r2(truth, predicted))
    assert set(found["scores"]) == {"r2", "rmse", "mae", "within 90%"}
    write(here / "more.csv", [*rows(1), "900,100,north,2005-01-01,n,1,odd"])
    shown = run(capsys, "evaluate", "houses-dear.safetensors", "more.csv")
    assert "note: 1 row of more.csv has a class that no training row has (odd)" in shown
    assert re.search(r"^  odd +(0 +\d|\d +0) +0 +0\.000 +0\.000$", shown, re.MULTILINE)


def test_reports(here, models, capsys):
    pytest.importorskip("jinja2")
    page = (here / "houses-dear.html").read_text("utf-8")
    assert "ffnn-fast train houses.csv --preset fast" in page
    assert "ROC curve" in page
    for fact in ("importance of the columns", "left out", "numbers the rows", "use of the columns"):
        assert fact in page
    for name in ("r.html", "r.png"):
        run(capsys, "evaluate", "M", "new.csv", "--report", name)
        assert (here / name).stat().st_size > 10_000


def test_info(here, models, capsys):
    shown = run(capsys, "info", "houses-dear.safetensors")
    assert re.search(r"TabularClassifier: \d+ networks, the first of them\n", shown)
    assert "target dear: 2 classes: cheap, dear" in shown
    assert re.search(r"size +0\.\d+ +number \(18 missing\)\n", shown)
    assert "model tabular, preset fast, rows 128" in shown


def test_export_names_what_to_do(here, models, capsys):
    shown = run(capsys, "export", "M", "--to", "safetensors", "-o", "x.safetensors", code=2)
    assert "M is a tabular model" in shown
    assert "--model plain" in shown
    assert not (here / "x.safetensors").exists()


@pytest.mark.slow
@pytest.mark.skipif(not any(map(shutil.which, COMPILERS)), reason="needs a C compiler")
def test_export_to_c(here, models, capsys):
    """The C function gives what predict gives: size, town, and the parts of the date."""
    shown = run(capsys, "export", "M", "--to", "c", "-o", "m.c")
    header = (here / "m.h").read_text()
    assert re.search(r"outputs +1\n +functions +m_forward, m_batch\n", shown)
    assert "FAILED" not in shown
    assert "d_class" in run(capsys, "export", "houses-dear.safetensors", "--to", "c", "-o", "d.c")
    names = re.findall(r"x\[\d+\]: (.+?), (?:a number|the number of its level)", header)
    assert names[:2] == ["size", "town"]
    assert re.search(rf"inputs +{len(names)}\n", shown)
    assert "are for plain models" in run(
        capsys, "export", "M", "--to", "c", "-o", "m.c", "--jacobian", code=2
    )


@pytest.mark.parametrize("model", ["M", "houses-dear.safetensors"])
def test_export_to_onnx(here, models, capsys, model):
    pytest.importorskip("onnx")
    shown = run(capsys, "export", model, "--to", "onnx", "-o", "m.onnx")
    assert "built year (n, 1) float64" in shown
    assert re.search(r"difference +\d\.\de-\d\d of the largest output  ok\n", shown)
    assert "are for plain models" in run(
        capsys, "export", model, "--to", "onnx", "-o", "m.onnx", "--bare", code=2
    )


def test_the_same_model_again(here, models, capsys):
    common = ["train", "houses.csv", *FAST, "--target", "price", "--drop", "dear", "--no-report"]
    run(capsys, *common, "-o", "again", "--threads", "1")
    assert run(capsys, "predict", "again", "new.csv") == run(capsys, "predict", "M", "new.csv")


def test_rows_of_another_file_and_weights(here, capsys):
    write(here / "few.csv", [*rows(1)[:30], "900,100,north,2005-01-01,n,1,odd"])
    options = ["--target", "dear", "--drop", "price", "--test", "few.csv", "--no-report", "-o", "w"]
    shown = run(capsys, "train", "houses.csv", *FAST, *options, "--class-weight", "balanced",
                "--weights", "id")  # fmt: skip
    assert "160 rows to train on, 30 held out" in shown
    assert "1 row of few.csv has a class that no training row has" in shown
    assert "on the 30 held-out rows" in shown


def test_the_limit_of_time(here, capsys):
    options = ["--target", "price", "--epochs", "100000", "--max-time", "0.5s", "--no-report"]
    shown = run(capsys, "train", "houses.csv", *options, "--preset", "fast", "-o", "t")
    ended = r"networks, (?:\d+ to )?(\d+) epochs in .* s; --max-time 0.5 s\n"
    found = re.search(ended, shown)
    assert int(found[1]) < 100_000


def test_where_a_baseline_wins(here, capsys):
    rng = np.random.default_rng(3)
    x = rng.normal(size=(200, 3)).round(4)
    lines = [",".join([*map(str, row), f"{row @ (3, -2, 1):.4f}"]) for row in x]
    write(here / "line.csv", ["a,b,c,y", *lines])
    common = ["train", "line.csv", "--target", "y", "--no-report", "-o", "line", "--epochs", "1"]
    for model in (["--preset", "fast"], ["--model", "plain"]):
        shown = run(capsys, *common, *model)
        assert "warning: on the 40 held-out rows the network is worse than the linear mo" in shown


@pytest.mark.parametrize(
    ("data", "target", "name"),
    [
        ("houses.csv", ["price"], "houses-price.safetensors"),
        ("/a b/t.csv.gz", ["the price, €"], "t-the-price.safetensors"),
        ("-", ["y"], "model-y.safetensors"),
        ("x", ["../y"], "x-y.safetensors"),
        ("x.csv", ["y", "z"], "x-y-z.safetensors"),
        ("x.csv", list("stuvw"), "x-s-and-4-more.safetensors"),
    ],
)
def test_default_output(data, target, name):
    assert default_output(data, target) == name


class TestChoice:
    @pytest.mark.parametrize(
        ("options", "kind", "note"),
        [
            ([], "tabular", ""),
            (["--model", "plain"], "plain", ""),
            (
                ["--epochs", "3", "--seed", "1", "--max-time", "5m", "--test", "t.csv"],
                "tabular",
                "",
            ),
            (["--hidden", "8"], "plain", "note: --hidden is for the plain model: --model plain"),
            (
                ["--optimizer", "adam", "--checkpoint", "c"],
                "plain",
                "note: --optimizer, --checkpoint are for the plain model: --model plain",
            ),
            (["--model", "plain", "--hidden", "8"], "plain", ""),
        ],
    )
    def test_model(self, options, kind, note):
        assert model_of(parse(["train", "t.csv", *options])[1]) == (kind, note)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (["--model", "tabular", "--hidden", "8"], "--hidden is for the plain model: leave out"),
            (
                ["--preset", "fast", "--loss", "huber"],
                "--preset is for the tabular model, but --los",
            ),
            (["--model", "plain", "--networks", "2"], "--networks is for the tabular model, but"),
            (["--model", "forest"], "--model must be one of tabular, plain; got 'forest'"),
            (["--max-time", "soon"], "--max-time must be a number of seconds, or as 90s, 5m or 2h"),
        ],
    )
    def test_contradictions(self, refused, tmp_path, options, message):
        write(tmp_path / "t.csv", rows())
        assert message in refused("train", "t.csv", "--target", "price", *options)

    def test_without_scikit_learn(self, monkeypatch):
        monkeypatch.setattr(model_choice.importlib.util, "find_spec", lambda name: None)
        kind, note = model_of(parse(["train", "t.csv"])[1])
        assert kind == "plain"
        assert note.endswith('pip install "ffnn_fast[sklearn]"')
        with pytest.raises(model_choice.CommandError, match="a tabular model needs scikit-learn"):
            model_of(parse(["train", "t.csv", "--model", "tabular"])[1])

    def test_a_tabular_model_cannot_be_continued(self, here, models, capsys):
        shown = run(capsys, "train", "houses.csv", "--start", "M", "-o", "n", code=2)
        assert "--start continues a plain model, but M is a tabular one" in shown


class TestFiles:
    def forged(self, here, change):
        """M with another description of the table."""
        from ffnn_fast.cli.tabular_layout import TABLE_KEY, TabularLayout
        from ffnn_fast.cli.trained_models import load_tabular

        model = load_tabular("M")
        plain = json.loads(model.layout.to_json())
        assert TabularLayout.from_json(json.dumps(plain)) == model.layout
        change(plain)
        model.estimator.save("forged", extra={TABLE_KEY: json.dumps(plain)})

    @pytest.mark.parametrize(
        "change",
        [
            lambda p: p.update(version=2),
            lambda p: p.update(header="yes"),
            lambda p: p.update(more=1),
            lambda p: p.update(readings={}),
            lambda p: p["readings"].pop(),
            lambda p: p["readings"][0].update(kind="colour"),
            lambda p: p["readings"][0].update(words=[1]),
            lambda p: p.update(columns=["size"]),
            lambda p: p["target"].update(task="classification", classes=["a", "b"]),
            lambda p: p.update(summary=[]),
        ],
    )
    def test_forged(self, here, models, capsys, change):
        self.forged(here, change)
        for command in (["info", "forged"], ["predict", "forged", "new.csv"]):
            assert "has a bad 'table' entry" in run(capsys, *command, code=2)

    def test_of_the_estimator_alone(self, here, models, capsys):
        TabularRegressor.load("M").save("bare")
        shown = run(capsys, "predict", "bare", "new.csv", code=2)
        assert "use ffnn_fast.tabular.TabularRegressor.load in Python" in shown

    def test_columns_that_are_missing_or_of_another_kind(self, here, models, capsys):
        write(here / "bad.csv", ["size,town", "1,north"])
        assert "lacks the column built" in run(capsys, "predict", "M", "bad.csv", code=2)
        write(here / "bad.csv", ["size,town,built", "wide,north,2003-01-01"])
        assert "column 'size': 'wide' is not a number" in run(
            capsys, "predict", "M", "bad.csv", code=2
        )
        shown = run(capsys, "predict", "M", "bad.csv", "--missing", "wide")
        assert shown.startswith("price\n1")
