"""The questions of ``python -m benches``: their cases, and the report of published records."""

import json
import shutil
from types import SimpleNamespace

import pytest


def test_published_tables_are_those_of_the_published_records(benches, root, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    report = benches("report")
    monkeypatch.setattr(benches("charts"), "save", lambda drawn, path: None)
    results = root / "benches" / "results"
    for file in results.rglob("*.json"):
        copy = tmp_path / file.relative_to(results)
        copy.parent.mkdir(exist_ok=True)
        shutil.copy(file, copy)
    report.write(tmp_path)
    written, published = (
        {str(file.relative_to(folder)): file.read_text("utf-8") for file in folder.rglob("*.md")}
        for folder in (tmp_path, results)
    )
    tabular = published.pop("tabular.md")
    assert written == published
    named = {f"{name}.md" for name in (*report.QUESTIONS, "README")}
    assert {name for name in written if "/" not in name} == named
    lines = (results / "tabular.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert benches("tabular.report").markdown(rows) == tabular


def test_results_of_another_machine_stand_beside_those_of_this_one(benches, tmp_path):
    report = benches("report")
    case, missing = "784-128-10, batch 1, tanh, float32", "784-128-10, batch 32, tanh, float32"
    for folder, cache, cases in (
        (tmp_path, "1024K", [case]),
        (tmp_path / "b", "512K", [case, missing]),
    ):
        machine = {
            "cpu": "A CPU", "cores": 2, "architecture": "x86_64", "isa_level": "v3", "os": "Linux",
            "python": "3", "libraries": {}, "blas": [], "date": "today", "load": [0],
            "caches": {"L1 data": "32K", "L2 unified": cache},
        }  # fmt: skip
        seconds = 4e-6 if cache == "1024K" else 6e-6
        records = [{"case": name, "level": "v3", "seconds": seconds, "share": 0.5, "gflops": 1}
                   for name in cases]  # fmt: skip
        report.save("shares", machine, "quick", records, folder)
    outcomes = report.write(tmp_path)
    assert [o["got"] for o in outcomes] == pytest.approx([4])
    readme = (tmp_path / "README.md").read_text("utf-8")
    assert "- [b](b/README.md): the same on A CPU, engine level v3, L2 512K" in readme
    other = readme.split("## Targets on A CPU, engine level v3, L2 512K\n")[1]
    assert f"| {case}, v3: µs | 6 | 4 | ≤ 5 | **no** |" in other
    assert f"| {missing}, v3: share of the peak | 0.5 |  | ≥ 0.82 | **no** |" in other
    assert (tmp_path / "b" / "shares.md").exists()


def test_initializers_are_compared_on_validation_rows(benches, tmp_path, monkeypatch, capsys):
    question = benches("questions.initializers")
    few = [
        question.Case("digits", "relu", 2, 0.2, width=8, rows=300, epochs=2),
        question.Case("digits", "relu", 1, 0.0, "momentum", width=8, rows=300, epochs=1),
        question.Case("bike", "tanh", 1, 0.0),
    ]
    monkeypatch.setattr(question, "cases", lambda full: few)
    monkeypatch.setitem(question.OPTIMIZERS, "momentum", 1e30)
    records = question.run(SimpleNamespace(full=False, data=tmp_path))
    assert "skipped: " in capsys.readouterr().out  # there is no bike-sharing
    assert [record["depth"] for record in records] == [2, 1]
    assert all(0 < loss < 10 for (loss,) in records[0]["losses"].values())
    assert set(map(tuple, records[1]["losses"].values())) == {(None,)}  # diverged
    assert (question._ratios(records[1:]) == 1).all()
    tables = question.tables([{**record, "width": question.WIDTH} for record in records])
    assert tables[-1][2][1][-1] == "diverged"
    assert all(len(row) == len(header) for _, header, rows in tables for row in rows)


def test_tables_keep_test_rows_and_scale_by_training_rows(benches, tmp_path):
    tables = benches("tables")
    split = tables.load("digits", tmp_path)
    assert (len(split.X), len(split.X_val)) == (1079, 359)  # 359 of 1797 are test rows
    assert split.n_outputs == 10
    assert abs(split.X.mean()) < 1e-3 < abs(split.X_val.mean())
    pytest.importorskip("sklearn")
    split = tables.load("diabetes", tmp_path, 100)
    assert (len(split.X), len(split.X_val), split.n_outputs) == (75, 25, 1)
    assert split.y.std() == pytest.approx(1, rel=1e-5)


def test_shares_of_steps(benches, monkeypatch):
    cases, question = benches("step_cases"), benches("questions.shares")
    small = cases.StepCase((3, 4, 2), 5, 10, {"output": "linear", "loss": "half_squared_error"})
    assert small.products == 2 * 5 * (2 * 3 * 4 + 3 * 4 * 2)
    monkeypatch.setitem(cases.CASES, str(small), small)
    monkeypatch.setattr(cases, "FITTED", 1e-5)
    assert 0 < small.seconds() < 1
    records = [
        {"case": name, "level": "v4", "seconds": 1e-6 * (1 + (", gelu" in name)), "gflops": 60,
         "share": 0.81}
        for name in cases.CASES
    ]  # fmt: skip
    outcomes = {o["what"]: o for o in question.compare_with_targets(records)}
    relu, gelu = (f"54-200-200-7, batch 100, {g}, float32" for g in ("relu", "gelu"))
    relative = outcomes[f"{gelu}, v4, relative to {relu}"]
    assert (relative["got"], relative["met"]) == (2, False)
    assert outcomes["784-128-10, batch 1, tanh, float32, v4: µs"]["met"]
    assert not outcomes["784-128-10, batch 32, tanh, float32, v4: share of the peak"]["met"]
    assert outcomes["300-100-5, batch 48, tanh, float32, v4: share of the peak"]["met"]
    wide = "784-2048-2048-10, batch 1024, tanh, float32, matmul"
    assert outcomes[f"{wide} own, v4, relative to {wide} blas"]["met"]


def test_single_cases_beside_their_aims(benches, monkeypatch):
    targets, question = benches("targets"), benches("questions.aims")
    small, rows = targets.Problem((3, 4, 2), 5), targets.Problem((3, 4, 2), 7)
    monkeypatch.setattr(targets, "STEP_OF_JAX", {small: 2})
    monkeypatch.setattr(targets, "TWO_CORES", {small: 100})
    monkeypatch.setattr(targets, "PREDICTIONS", {rows: ("share of the peak", 0.9)})
    monkeypatch.setattr(question, "cores_available", lambda: [0])
    monkeypatch.setattr(question.probe, "compiler", lambda: None)
    runner = benches("runner").Runner(1, 1e-4, print)
    try:
        records = question.run(runner)
    finally:
        runner.close()
    ours = {(r["kind"], r["label"]) for r in records if r["library"] == "ffnn_fast"}
    assert (question.STEPS, "ffnn_fast") in ours
    assert (question.PREDICTIONS, "ffnn_fast: predictor(x, out)") in ours
    assert len(question.tables(records)) == 2
    step = next(r for r in records if r["label"] == "ffnn_fast")
    records = [
        {**step, "library": "jax", "ratio": 2.5},
        {**step, "kind": question.CORES, "threads": 2, "ratio": 0.5},
        *(r | {"share": 0.91} for r in records if r["kind"] == question.PREDICTIONS),
    ]
    outcomes = [(o["what"], o["got"], o["met"]) for o in question.compare_with_targets(records)]
    assert outcomes == [
        (f"{small}: JAX / ffnn_fast", 2.5, True),
        (f"{small}: one core / two", 2, False),
        (f"{rows}: share of the peak", 0.91, True),
    ]
