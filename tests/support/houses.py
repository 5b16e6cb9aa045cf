"""A table of houses, and a plain model that the command trains on it."""

import numpy as np
import pytest

from ffnn_fast import Network
from ffnn_fast.cli import main
from ffnn_fast.cli.command_line import parse
from ffnn_fast.cli.training import preparing
from ffnn_fast.cli.training.training_table import read_training_table

PLAIN = ["--model", "plain"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with a table of houses (200 rows: a price, whether it is dear, a weight)."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(5)
    size, rooms = rng.uniform(40, 200, 200).round(1), rng.integers(1, 7, 200)
    price = (1000 * size + 5000 * rooms + rng.normal(0, 5000, 200)).round()
    rows = [
        f"{s},{r},{int(p)},{'dear' if p > 130_000 else 'cheap'},{w}"
        for s, r, p, w in zip(size, rooms, price, rng.integers(0, 4, 200), strict=True)
    ]
    text = "\n".join(["size,rooms,price,dear,weight", *rows]) + "\n"
    (tmp_path / "houses.csv").write_text(text)
    return tmp_path


def train(*options, target="price", drop="dear,weight", code=0):
    """Run the command with small layers."""
    common = ["--target", target, "-o", "m.safetensors", "--no-report", "--drop", drop, *PLAIN]
    assert main(["train", "houses.csv", *common, *options]) == code
    return Network.load("m.safetensors") if code == 0 else None


def prepared(*options, target="price", drop="dear,weight"):
    """The rows as the command sees them."""
    common = ["train", "houses.csv", "--target", target, "-o", "m", "--drop", drop, *PLAIN]
    _, parsed = parse([*common, *options])
    found = read_training_table(parsed.data, parsed, validates=preparing.validates(parsed))
    return preparing.prepared(found, parsed)
