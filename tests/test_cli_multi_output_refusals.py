"""Several targets: refusals with advice that works, class weights, and the strata of rows."""

import json
import re
import shlex

import numpy as np
import pytest
from support.buildings import CLASSES, VALUES, buildings, folder, here, predicted, run, write
from support.refusals import refused

from ffnn_fast.cli import main
from ffnn_fast.cli.command_line import parse
from ffnn_fast.cli.evaluation.prediction_columns import add_columns
from ffnn_fast.cli.target_encoders import TargetEncoders
from ffnn_fast.cli.training.splitting import Arrangement, strata_of
from ffnn_fast.cli.training.training_table import read_training_table
from ffnn_fast.preprocessing import TargetEncoder

__all__ = ["folder", "here", "refused"]  # fixtures


class TestRefusals:
    HINT = re.compile(r"(--[a-z-]+ (?:'[^']*'|[^\s,;)]+))")
    FAST = ("--model", "plain", "--hidden", "none", "--epochs", "1", "--no-report", "-o", "m")

    def table(self, folder):
        rows = [
            [name, *buildings(0)[0][1:], "whole", "text, or value"] if i == 0 else
            [name, *rest, str(i % 3), f"{i}.5" if i % 3 else "none at all"]
            for i, (name, *rest) in enumerate(buildings(0))
        ]  # fmt: skip
        write(folder / "t.csv", rows)

    def hints(self, message):
        return [shlex.split(one) for one in self.HINT.findall(message)]

    def test_values_and_classes_together(self, refused, tmp_path):
        self.table(tmp_path)
        command = ["train", "t.csv", *self.FAST]
        message = refused(*command, "--target", "heating", "--target", "whole")
        assert (
            "of the targets 'heating' is taken as values and 'whole' is taken as classes"
        ) in message
        assert "--task classification" not in message  # heating has too many
        task, *alone = self.hints(message)
        assert task == ["--task", "regression"]
        both = ["--target", "heating", "--target", "whole"]
        assert main([*command, *both, *task]) == 0
        assert alone == [["--target", "heating"], ["--target", "whole"]]
        for one in alone:
            assert main([*command, *one]) == 0

    def test_values_that_can_be_classes(self, refused, tmp_path):
        self.table(tmp_path)
        command = ["train", "t.csv", *self.FAST, "--target", "grade", "--target", "floor"]
        assert main([*command]) == 0  # both are classes
        rows = [[*row, "half" if i == 0 else f"{i % 3}.5"] for i, row in enumerate(buildings(0))]
        write(tmp_path / "t.csv", rows)
        command[-1] = "half"
        message = refused(*command)
        assert "'half' is taken as values and 'grade' is taken as classes" in message
        (task, *_) = self.hints(message)
        assert task == ["--task", "classification"]
        assert main([*command, *task]) == 0

    def test_a_target_of_another_task(self, refused, tmp_path):
        self.table(tmp_path)
        command = ["train", "t.csv", *self.FAST]
        message = refused(*command, *VALUES, "--target", "grade", "--task", "regression")
        assert "--drop names" not in message.partition("(2)")[2]
        advice = message.partition("train a model of its own: ")[2].strip().rstrip(")")
        assert main([*command, *shlex.split(advice)]) == 0
        message = refused(*command, "--target", "grade", "--target", "heating",
                          "--task", "classification")  # fmt: skip
        assert "target 'heating' has" in message
        own = re.search(r"a model of its own, (--target heating --task regression) if", message)
        assert main([*command, *shlex.split(own[1])]) == 0

    def test_a_list_with_commas(self, refused, tmp_path):
        self.table(tmp_path)
        command = ["train", "t.csv", *self.FAST]
        message = refused(*command, "--target", "heating, cooling")
        assert "for several targets repeat the option: " in message
        hints = [part for hint in self.hints(message)[-2:] for part in hint]
        assert hints == ["--target", "heating", "--target", "cooling"]
        assert main([*command, *hints]) == 0

    def test_names_with_commas(self, tmp_path, monkeypatch, capsys):
        monkeypatch.chdir(tmp_path)
        rows = buildings(0)
        rows[0][4:6] = ["load, heating", "load, cooling"]
        write(tmp_path / "t.csv", rows)
        command = ["--target", "load, heating", "--target", "load, cooling", "--drop", "grade"]
        run(capsys, "train", "t.csv", *self.FAST, *command)
        assert list(predicted(capsys, "m", "t.csv")) == ["load, heating", "load, cooling"]

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (["--target", "area", "--target", "1"], "--target names the column 'area' twice"),
            (["--target", "area", "--target", "height", "--drop", "area"], "the target 'area'"),
            (["--target", "heating", "--target", "warm"], "--target: t.csv has no column 'warm'"),
            ([*CLASSES, "--loss", "hinge"], "of classes; for several, leave out --lo"),
            ([*CLASSES, "--loss", "quantile"], "for regression, but 'grade' and 'state' have clas"),
            ([*CLASSES, "--class-weight", "A=2,x=1"], "there is no class 'x'; classes: A, B, C, h"),
            ([*VALUES, "--class-weight", "A=2"], "but 'heating' and 'cooling' have values"),
            ([*VALUES, "--loss", "cross_entropy"], "but 'heating' and 'cooling' have values"),
            ([*CLASSES, "--output-activation", "exp"], "but 'grade' and 'state' have classes"),
        ],
    )  # fmt: skip
    def test_options(self, refused, tmp_path, options, message):
        self.table(tmp_path)
        assert message in refused("train", "t.csv", *self.FAST, *options)

    def test_strict_refuses_rows_without_a_target(self, refused, tmp_path):
        rows = [row[:2] + row[4:6] for row in buildings(0, gaps=True)]
        write(tmp_path / "t.csv", rows)
        command = ["train", "t.csv", *self.FAST, *VALUES[:4], "--strict"]
        message = refused(*command)
        assert "line 5: the target 'heating' is missing (3 such rows)" in message
        assert main([*command, "--drop-missing-target"]) == 0

    def test_no_row_with_every_target(self, refused, tmp_path):
        write(tmp_path / "t.csv", [["a", "y", "z"], ["1", "2.5", ""], ["2", "", "3.5"]])
        message = refused("train", "t.csv", *self.FAST, "--target", "y", "--target", "z")
        assert "t.csv has no row with every target" in message


def test_columns_that_determine_some_targets(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    head, *rows = buildings(0)
    heating, cooling = head.index("heating"), head.index("cooling")
    doubles = [[*row, 2 * float(row[heating])] for row in rows]
    write(tmp_path / "t.csv", [[*head, "double"], *doubles])
    command = ["train", "t.csv", *TestRefusals.FAST, *VALUES]
    shown = run(capsys, *command)
    assert "column 'double' alone determines the target 'heating' almost perfectly" in shown
    assert shown.count("alone determines") == 1
    for row in doubles:
        row[cooling] = row[heating]
    write(tmp_path / "t.csv", [[*head, "double"], *doubles])
    shown = run(capsys, *command)
    assert "column 'double' alone determines the targets 'heating' and 'cooling' almost" in shown


class TestClassWeights:
    def weights(self, *options):
        from ffnn_fast.cli.training.preparing import prepared

        _, parsed = parse(["train", "t.csv", *CLASSES, *options])
        found = read_training_table("t.csv", parsed, validates=True)
        return found, prepared(found, parsed).weight

    def test_balanced_is_that_of_scikit_learn(self, here):
        from sklearn.utils.class_weight import compute_sample_weight

        found, weight = self.weights("--class-weight", "balanced")
        y = found.targets.encode(found.values)[found.train]
        np.testing.assert_allclose(weight[found.train], compute_sample_weight("balanced", y))

    def test_by_name(self, here):
        found, weight = self.weights("--class-weight", "A=3,mild=5")
        grade, state = found.values.T
        expected = np.where(grade == "A", 3.0, 1.0) * np.where(state == "mild", 5.0, 1.0)
        np.testing.assert_array_equal(weight[found.train], expected[found.train])

    def test_a_class_of_two_targets(self, refused, tmp_path):
        rows = [row[:4] for row in buildings(0)]
        rows = [[*row, f"p{i % 2}", f"p{i % 3}"] for i, row in enumerate(rows)]
        rows[0][4:] = ["y", "z"]
        write(tmp_path / "t.csv", rows)
        command = ["train", "t.csv", *TestRefusals.FAST, "--target", "y", "--target", "z"]
        message = refused(*command, "--class-weight", "p1=2")
        assert "the targets 'y' and 'z' both have a class 'p1'; use --class-weight bal" in message
        assert main([*command, "--class-weight", "balanced"]) == 0
        assert main([*command, "--class-weight", "p2=2"]) == 0


class TestStrata:
    def test_combinations(self):
        labels = np.array([["a", "x"], ["a", "y"], ["b", "x"]] * 20, dtype=object)
        strata = strata_of(labels)
        assert [len(np.unique(part)) for part in (strata, strata[:3])] == [3, 3]
        train, held = Arrangement().hold_out(60, 0.25, np.random.default_rng(0), labels)
        assert sorted(map("".join, labels[held])) == ["ax"] * 5 + ["ay"] * 5 + ["bx"] * 5
        assert len(train) == 45

    def test_every_class_of_every_target_trains(self):
        """With too many combinations rows are stratified by one target only."""
        rng = np.random.default_rng(0)
        labels = np.stack([rng.integers(0, 9, 100), np.arange(100) % 8], axis=1)
        labels[::50, 1] = [8, 9]  # two classes of one row
        assert len(np.unique(labels, axis=0)) * 5 > 100
        for seed in range(20):
            train, held = Arrangement().hold_out(100, 0.5, np.random.default_rng(seed), labels)
            assert np.array_equal(np.sort(np.concatenate([train, held])), np.arange(100))
            for own in labels.T:
                assert set(own[train]) == set(own)
            assert len(held) > 40


class TestEncoders:
    def test_plain_values(self):
        one = TargetEncoders.of(TargetEncoder("y", "regression", (), 1.0, 2.0))
        two = TargetEncoders.of(*one, TargetEncoder("z", "regression"))
        assert isinstance(one.to_plain(), dict)  # as files of earlier versions
        for encoders in (one, two):
            assert (
                TargetEncoders.from_plain(json.loads(json.dumps(encoders.to_plain()))) == encoders
            )
        values = np.array([[3.0, 3.0], [5.0, -1.0]])
        np.testing.assert_array_equal(two.encode(values), [[1, 3], [2, -1]])
        np.testing.assert_array_equal(two.decode(two.encode(values)), values)

    @pytest.mark.parametrize(
        "each",
        [
            [],
            [TargetEncoder("y", "regression")] * 2,
            [TargetEncoder("y", "regression"), TargetEncoder("z", "classification", ("a", "b"))],
        ],
    )
    def test_refusals(self, each):
        with pytest.raises(ValueError, match="targets must"):
            TargetEncoders(tuple(each))


def test_columns_of_one_name_get_numbers():
    found = {}
    for _ in range(3):
        add_columns(found, {"a b": np.zeros(1)})
    assert list(found) == ["a b", "a b.1", "a b.2"]
