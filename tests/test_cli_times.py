"""Times of day in a table are hours, for every command."""

import pytest
from support.tables import write_csv

from ffnn_fast.cli import main
from ffnn_fast.cli.table import DEFAULT_MISSING, read_table
from ffnn_fast.cli.training.examining import ColumnOptions, examine

N = 60


@pytest.mark.parametrize("model", ["plain", "tabular"])
def test_times_of_day_are_hours(tmp_path, monkeypatch, capsys, model):
    """They may be missing, or have words among them; later files may hold whole times."""
    if model == "tabular":
        pytest.importorskip("sklearn")
    monkeypatch.chdir(tmp_path)
    times = [f"{i % 24}:{7 * i % 60:02d}" for i in range(N)]
    opened = ["closed" if i == 3 else "" if i == 5 else f"{t}:30" for i, t in enumerate(times)]
    write_csv(tmp_path / "t.csv", {"at": times, "open": opened, "y": [i % 24 for i in range(N)]})
    options = ColumnOptions({"y": ""}, missing=DEFAULT_MISSING)
    uses, _ = examine(read_table("t.csv"), options)
    found = {use.name: (use.feature.use, use.feature.note) for use in uses}
    assert found["at"] == ("date", "hour, as time of day")
    assert found["open"] == (
        "date", "hour, as time of day, 'closed' in 1 row taken as missing, 2 missing",
    )  # fmt: skip
    fast = {"plain": ["--epochs", "200"], "tabular": ["--preset", "fast", "--networks", "1"]}
    options = ["--model", model, *fast[model], "--task", "regression", "--no-report"]
    assert main(["train", "t.csv", "--target", "y", "-o", "m", *options]) == 0
    assert main(["evaluate", "m", "t.csv"]) == 0
    shown = []
    for at, opens in (("10:30", "closed"), ("2020-03-01 10:30", ""), ("20:15", "9:00"), ("", "")):
        write_csv(tmp_path / "new.csv", {"at": [at], "open": [opens]})
        capsys.readouterr()
        assert main(["predict", "m", "new.csv"]) == 0
        shown.append(capsys.readouterr())
    values = [float(out.split()[-1]) for out, _ in shown]
    assert values[0] == values[1]
    assert values[0] < values[2]
    assert "note: at: dates as ISO 8601; those of the training are as time of day" in shown[1].err
    write_csv(tmp_path / "bad.csv", {"at": ["noon"], "open": ["9:00"]})
    assert main(["predict", "m", "bad.csv"]) == 2
    assert "'noon' is not a date as time of day" in capsys.readouterr().err
