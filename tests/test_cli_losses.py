"""Every loss of training is one of ``ffnn-fast train``."""

import numpy as np
import pytest
from support.houses import here, prepared, train

from ffnn_fast.cli import main
from ffnn_fast.losses import LOSSES

__all__ = ["here"]  # a fixture
OF_VALUES = [n for n, loss in LOSSES.items() if not (loss.classifies or loss.signed_weights)]


def test_a_loss_that_gives_no_predictions_is_refused(here, capsys):
    train("--loss", "linear", code=2)
    assert "--loss linear gives no predictions" in capsys.readouterr().err


@pytest.mark.parametrize("loss", OF_VALUES)
def test_every_loss_for_values_learns(here, capsys, loss):
    settings = ":quantiles=0.1/0.5/0.9" if loss == "quantile" else ""
    optimizer = ["--optimizer", "adam", "--learning-rate", "0.02"]
    scale = "price_in_100000" if loss == "poisson" else "price"
    if loss == "poisson":
        lines = (here / "houses.csv").read_text().splitlines()
        rows = [line.split(",") for line in lines[1:]]
        small_prices = [[r[0], r[1], str(int(r[2]) / 1e5), r[3], r[4]] for r in rows]
        text = [lines[0].replace("price", scale), *map(",".join, small_prices)]
        (here / "houses.csv").write_text("\n".join(text))
    net = train("--loss", loss + settings, "--epochs", "40", *optimizer, target=scale)
    assert net.spec.loss == loss
    network = next(li for li in capsys.readouterr().out.splitlines() if "  network " in li)
    assert float(network.split()[1]) > 0.95


@pytest.mark.parametrize("loss", [name for name, loss in LOSSES.items() if loss.classifies])
def test_every_loss_for_classes_learns(here, capsys, loss):
    train("--loss", loss, "--epochs", "20", target="dear", drop="price,weight")
    network = next(li for li in capsys.readouterr().out.splitlines() if "  network " in li)
    assert float(network.split()[1]) > 0.85


def test_an_output_with_bounds_learns_values_as_they_are(here):
    lines = (here / "houses.csv").read_text().splitlines()
    rows = [line.split(",") for line in lines[1:]]
    shares = [",".join([r[0], r[1], str(int(r[2]) / 3e5), *r[3:]]) for r in rows]
    (here / "houses.csv").write_text("\n".join([lines[0], *shares]))
    net = train("--output-activation", "logistic", "--epochs", "30")
    assert net.spec.output == "logistic"
    assert prepared("--output-activation", "logistic").preprocessing.targets.each[0].scale == 1.0
    assert main(["predict", "m.safetensors", "houses.csv", "-o", "p.csv"]) == 0
    predicted = np.array((here / "p.csv").read_text().split()[1:], dtype=float)
    assert 0 < predicted.min() < predicted.max() < 1
