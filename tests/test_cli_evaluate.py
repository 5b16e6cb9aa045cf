"""``ffnn-fast evaluate`` and ``predict`` on networks whose predictions are known."""

import json
import re
import sys

import numpy as np
import pytest
from support import small_models as models

from ffnn_fast import Network, metrics
from ffnn_fast.cli import main
from ffnn_fast.cli.evaluation import scoring
from ffnn_fast.cli.output import CommandError
from ffnn_fast.cli.target_encoders import TargetEncoders
from ffnn_fast.preprocessing import TargetEncoder

# Two wrong predictions: yes where no is true, and no where yes is.
ROWS = "a,y\n-1,no\n-2,no\n-1,yes\n3,yes\n1,no\n2,yes\n2,yes\n4,yes\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(folder, capsys):
    """A function that runs a command on a table and returns its output."""

    def run_command(command, table, *options, code=0):
        (folder / "data.csv").write_text(table)
        assert main([command, "m.safetensors", "data.csv", *options]) == code
        out, err = capsys.readouterr()
        assert err.count("\n") == (code != 0)
        return err if code else out

    return run_command


class TestClasses:
    def test_scores_and_confusion_matrix(self, folder, run):
        models.sign(folder / "m.safetensors")
        output = run("evaluate", ROWS)
        a = np.array([-1, -2, -1, 3, 1, 2, 2, 4])
        y = np.array([0, 0, 1, 1, 0, 1, 1, 1])
        p = 1 / (1 + np.exp(-2.0 * a))
        loss, area = metrics.log_loss(y, p[:, None]), metrics.roc_auc(y, p)
        f1 = metrics.f1(y, (a > 0).astype(int))
        row = re.search(
            r"on 8 rows of data.csv +accuracy +F1 macro +log loss +ROC AUC\n +network (.*)", output
        )
        assert row[1].split() == ["0.7500", *(f"{value:.4f}" for value in (f1, loss, area))]
        lines = [line.split() for line in output.splitlines()[-4:]]
        assert lines == [
            ["no", "yes", "recall", "F1"],
            ["no", "2", "1", "0.667", "0.667"],
            ["yes", "1", "4", "0.800", "0.800"],
            ["precision", "0.667", "0.800"],
        ]

    def test_json(self, folder, run):
        models.sign(folder / "m.safetensors")
        plain = json.loads(run("evaluate", ROWS, "--json"))
        assert (plain["target"], plain["rows"], plain["classes"]) == ("y", 8, ["no", "yes"])
        assert plain["confusion_matrix"] == [[2, 1], [1, 4]]
        assert plain["scores"]["accuracy"] == 0.75
        assert set(plain["scores"]) == {"accuracy", "f1", "log_loss", "roc_auc"}

    def test_one_class_in_the_rows(self, folder, run):
        models.sign(folder / "m.safetensors")
        plain = json.loads(run("evaluate", "a,y\n1,yes\n2,yes\n", "--json"))
        assert plain["scores"]["accuracy"] == 1
        assert "roc_auc" not in plain["scores"]

    def test_other_columns_and_another_order(self, folder, run):
        models.sign(folder / "m.safetensors")
        shuffled = "".join(",".join([*line.split(",")[::-1], "w"]) + "\n" for line in ROWS.split())
        assert json.loads(run("evaluate", shuffled, "--json"))["scores"]["accuracy"] == 0.75

    def test_a_class_that_the_model_has_not_counts_as_an_error(self, folder, run):
        models.sign(folder / "m.safetensors")
        table = ROWS + "1,maybe\n-3,maybe\n"
        plain = json.loads(run("evaluate", table, "--json"))
        assert plain["classes"] == ["no", "yes", "maybe"]
        assert plain["confusion_matrix"] == [[2, 1, 0], [1, 4, 0], [1, 1, 0]]
        assert plain["scores"]["accuracy"] == 0.6
        known = json.loads(run("evaluate", ROWS, "--json"))
        assert plain["scores"]["log_loss"] == known["scores"]["log_loss"]
        shown = run("evaluate", table, "--report", "r.png")
        assert shown.startswith(
            "note: 2 rows of data.csv have a class that no training row has (maybe); they count as "
        )

    def test_classes_that_another_file_spells_otherwise(self, folder, run):
        models.sign(folder / "m.safetensors")
        shown = run("evaluate", "a,y\n-1,No.\n2,YES\n")
        assert shown.startswith("note: y: read No. as no, YES as yes\n")
        assert re.search(r"^  network +1.0000 ", shown, re.MULTILINE)

    def test_words_for_missing_values(self, folder, run):
        models.sign(folder / "m.safetensors")
        table = ROWS + "gone,no\n"
        assert "--missing NA,gone" in run("evaluate", table, code=2)
        assert json.loads(run("evaluate", table, "--json", "--missing", "NA,gone"))["rows"] == 9
        assert run("predict", "a,b\n1,0\ngone,0\n", "--missing", "gone")[:6] == "y\nyes\n"

    def test_by_position(self, folder, run):
        models.sign(folder / "m.safetensors", header=False)
        bare = ROWS.partition("\n")[2]
        assert json.loads(run("evaluate", bare, "--json"))["confusion_matrix"] == [
            [2, 1],
            [1, 4],
        ]
        output = run("evaluate", "1,yes,no\n2,no,no\n", code=2)
        assert "has 3 columns" in output
        assert "2 columns of the training table" in output

    def test_one_logistic_output_says_the_same_as_two(self, folder, run):
        models.sign(folder / "m.safetensors")
        two, both = run("evaluate", ROWS), run("predict", ROWS, "--proba")
        options = {"output": "logistic", "loss": "binary_cross_entropy"}
        models.save(folder / "m.safetensors", models.YES_NO, [2, 0], **options)
        assert run("evaluate", ROWS) == two
        names, *rows = (line.split(",") for line in run("predict", ROWS, "--proba").split())
        assert names == ["no", "yes"]
        expected = np.loadtxt(both.splitlines()[1:], delimiter=",")
        np.testing.assert_allclose(np.array(rows, float), expected, rtol=1e-9)

    def test_scores_of_a_margin_are_no_probabilities(self, folder, run):
        options = {"output": "identity", "loss": "hinge"}
        models.sign(folder / "m.safetensors", **options)
        plain = json.loads(run("evaluate", ROWS, "--json"))
        expected = metrics.roc_auc([0, 0, 1, 1, 0, 1, 1, 1], [-1, -2, -1, 3, 1, 2, 2, 4])
        assert plain["scores"]["roc_auc"] == expected
        assert "log_loss" not in plain["scores"]
        assert run("predict", "a,b\n1,0\n-1,0\n") == "y\nyes\nno\n"
        assert "loss hinge gives scores" in run("predict", "a,b\n1,0\n", "--proba", code=2)

    def test_classes_that_are_numbers(self, folder, run):
        target = TargetEncoder("y", "classification", ("1", "2"))
        models.save(folder / "m.safetensors", target, [-1, 1, 0, 0])
        plain = json.loads(run("evaluate", "a,y\n-1,1.0\n1,2\n1,2.0\n", "--json"))
        assert plain["confusion_matrix"] == [[1, 0], [0, 2]]

    def test_missing_targets(self, folder, run, capsys):
        models.sign(folder / "m.safetensors")
        table = ROWS + "1,NA\n3,\n"
        output = run("evaluate", table)
        assert output.startswith("note: left out 2 rows without a target")
        assert "on 8 rows" in output
        assert main(["evaluate", "m.safetensors", "data.csv", "--json"]) == 0
        shown = capsys.readouterr()
        assert shown.err == "note: left out 2 rows without a target\n"
        assert np.sum(json.loads(shown.out)["confusion_matrix"]) == 8
        output = run("evaluate", "a,y\n1,NA\n", code=2)
        assert "no row with a target" in output


class TestValues:
    def test_in_the_units_of_the_target(self, folder, run):
        models.save(folder / "m.safetensors", models.PRICE, [2, 0], output="identity")
        table = "a,price\n0,101\n1,117\n-1,80\n2,145\n"  # predicted: 100 + 20 a
        plain = json.loads(run("evaluate", table, "--json"))
        y, predicted = [101, 117, 80, 145], [100, 120, 80, 140]
        expected = {name: getattr(metrics, name)(y, predicted) for name in ("r2", "rmse", "mae")}
        assert plain == {"target": "price", "rows": 4, "scores": pytest.approx(expected)}
        shown = run("evaluate", table)
        assert re.search(r"R2 +RMSE +MAE\n +network .* 2\.25\n", shown)
        assert re.search(r"50% of the rows +2\n.*\n +all rows +5\n", shown)
        assert run("predict", "a,b\n1,0\n") == "price\n120.0\n"

    def test_quantiles(self, folder, run):
        options = {"output": "identity", "loss": "quantile"}
        levels = {"loss_options": {"quantiles": (0.1, 0.5, 0.9)}}
        params = [1, 1, 1, -1, 0, 2]  # 100 + 10 a, less 10, as it is, and 20 more
        models.save(folder / "m.safetensors", models.PRICE, params, **options, **levels)
        assert run("predict", "a,b\n1,0\n") == "price 0.1,price 0.5,price 0.9\n100.0,110.0,130.0\n"
        table = "a,price\n1,99\n1,111\n1,129\n1,140\n"
        found = json.loads(run("evaluate", table, "--json"))["scores"]
        assert (found["below 0.1"], found["below 0.5"], found["below 0.9"]) == (0.25, 0.25, 0.75)
        assert found["mae"] == pytest.approx((11 + 1 + 19 + 30) / 4)

    def test_one_quantile_has_the_name_of_the_target(self, folder, run):
        options = {"output": "identity", "loss": "quantile", "loss_options": {"quantiles": 0.9}}
        models.save(folder / "m.safetensors", models.PRICE, [1, 0], **options)
        assert run("predict", "a,b\n1,0\n") == "price\n110.0\n"

    def test_a_mean_and_its_uncertainty(self, folder, run):
        options = {"output": "identity", "loss": "gaussian_nll"}
        params = [1, 0, 0, 2 * np.log(0.5)]  # 100 + 10 a, give or take 5
        models.save(folder / "m.safetensors", models.PRICE, params, **options)
        names, row = run("predict", "a,b\n1,0\n").splitlines()
        assert names == "price,price deviation"
        np.testing.assert_allclose([float(cell) for cell in row.split(",")], [110, 5])
        table = "a,price\n" + "".join(f"0,{100 + miss}\n" for miss in (-8.3, -8.2, 0, 8.2, 9))
        assert json.loads(run("evaluate", table, "--json"))["scores"]["within 90%"] == 0.6


class TestRefusals:
    @pytest.mark.parametrize(
        ("table", "options", "message"),
        [
            ("a,y\n1,perhaps\n2,maybe\n", [], "has a class of the model, but maybe, perhaps"),
            ("a,y\n1,perhaps\n2,maybe\n", [], "its classes: no, yes"),
            ("a,b\n1,no\n", [], "lacks the target, column y; it has: a, b"),
            ("b,y\n1,no\n", [], "lacks the column a; it has: b, y"),
            ("a,y\nx,no\n", [], "'x' is not a number"),
            ("a,y\n1,no\n", ["--report", "r.pdf"], "must end in .html or .png, got r.pdf"),
            ("a,y\n1,no\n", ["--report", "no/r.png"], "there is no folder no"),
            ("a,y\n1,no\n", ["--header", "no"], "line 1, column '1': 'a' is not a number"),
        ],
    )
    def test_tables_and_options(self, folder, run, table, options, message):
        models.sign(folder / "m.safetensors")
        assert message in run("evaluate", table, *options, code=2)

    @pytest.mark.parametrize(
        ("command", "table"),
        [
            ("evaluate", ROWS),
            ("predict", ROWS),
            ("predict", "a\n-1\n2\n3\n"),
            ("predict", "a\n-1\n"),  # a header alone, it seems
            ("predict", "a,y\n1,1\n2,2\n"),
            ("predict", "a,y\n3,yes\n-1,no\nNA,no\n"),
        ],
    )
    def test_a_first_row_taken_for_names(self, folder, run, command, table):
        """The message has an option that works, and the result is that of the table with names."""
        models.sign(folder / "m.safetensors")
        rows = table.partition("\n")[2]
        message = run(command, rows, code=2)
        assert message.endswith("; use --header no if its first line is data\n")
        assert run(command, rows, "--header", "no") == run(command, table)

    @pytest.mark.parametrize("names", ["b,y", "1,2", "b,2", "1", "1,2,3"])
    def test_other_names_and_words_are_names(self, folder, run, names):
        """A row has a number where the others have one, a word may be anything."""
        models.sign(folder / "m.safetensors")
        row = ["1", "no", "2"][: names.count(",") + 1]
        message = run("predict", f"{names}\n{','.join(row)}\n", code=2)
        assert ("use --header no" in message) == (names in ("1,2", "1"))

    def test_values_that_are_none(self, folder, run):
        models.save(folder / "m.safetensors", models.PRICE, [2, 0], output="identity")
        output = run("evaluate", "a,price\n1,2\n2,cheap\n", code=2)
        assert "line 3, column 'price': 'cheap' is not a number" in output

    def test_no_preprocessing(self, folder, run):
        Network([1, 2]).save(folder / "m.safetensors")
        assert "use Network.load" in run("evaluate", ROWS, code=2)

    def test_labels_that_do_not_exclude_each_other(self, folder, run):
        options = {"output": "logistic", "loss": "binary_cross_entropy"}
        models.sign(folder / "m.safetensors", **options)
        assert "bad 'preprocessing' entry" in run("evaluate", ROWS, code=2)

    def test_without_matplotlib(self, folder, run, monkeypatch):
        models.sign(folder / "m.safetensors")
        monkeypatch.setitem(sys.modules, "matplotlib", None)
        output = run("evaluate", ROWS, "--report", "r.html", code=2)
        assert 'matplotlib: pip install "ffnn_fast[cli]"' in output
        assert "accuracy" in run("evaluate", ROWS)

    def test_outputs_that_are_not_finite(self):
        net = Network([1, 1], output="identity", dtype="float64")
        net.params[:] = [1e308, 0]
        targets = TargetEncoders.of(models.PRICE)
        with pytest.raises(CommandError, match="not finite for 1 of 2 rows"):
            scoring.evaluate(net, targets, np.array([[1.0], [10]]), np.zeros((2, 1)), [()])


def test_many_classes(folder, run):
    """Of twenty classes those with the lowest F1 are shown, and the most frequent confusions."""
    names = tuple(f"c{c}" for c in range(20))
    target = TargetEncoder("y", "classification", names)
    weights = np.arange(20.0)
    # a in c ± 0.5 says c: ŷ_c grows with c a − c²/2
    models.save(folder / "m.safetensors", target, [weights, -(weights**2) / 2])
    rows = [(c, f"c{c}") for c in range(20)] * 2
    rows += [(4, "c9")] * 12 + [(5, "c7")] * 3
    output = run("evaluate", "a,y\n" + "".join(f"{a},{y}\n" for a, y in rows))
    assert re.search(r"the 10 classes .* lowest F1\n +class .*\n +c4 +2 +0\.1429 +1\.0000", output)
    assert re.search(r"c9 +14 +1\.0000 +0\.1429 +0\.2500\n", output)
    assert re.search(
        r"frequent confusions\n +confusion +rows\n +predicted c4, actual c9 +12\n", output
    )
    assert "predicted c5, actual c7     3" in output
    assert output.count("actual") == 2


@pytest.mark.parametrize("name", ["r.html", "r.png"])
def test_reports(folder, run, name):
    pytest.importorskip("matplotlib")
    models.sign(folder / "m.safetensors")
    assert run("evaluate", ROWS, "--report", name).endswith(f"report  {name}\n")
    start = {"r.html": b"<!DOCTYPE html>", "r.png": b"\x89PNG"}[name]
    assert (folder / name).read_bytes().startswith(start)
    assert json.loads(run("evaluate", ROWS, "--report", name, "--json"))["rows"] == 8
