"""Network.export_c with the encoders of several targets."""

import numpy as np
import pytest
from support.c_programs import Library, run_main

from ffnn_fast import Network
from ffnn_fast.preprocessing import CategoricalColumn, NumericColumn, TableEncoder, TargetEncoder

INPUTS = TableEncoder(
    (
        NumericColumn("size", 100.0, 30.0, marks_missing=True),
        CategoricalColumn("town", ("Köln", "south", None)),
    )
)
VALUES = tuple(TargetEncoder(f"y{t}", "regression", (), 10.0**t, 2.0 + t) for t in range(3))
KINDS = (
    TargetEncoder("kind", "classification", ("c", "b", "a")),
    TargetEncoder("state", "classification", ("x", "y")),
)
TOLERANCES = [("float32", 1e-5), ("float64", 1e-12)]


def network(width, dtype, **options):
    return Network([len(INPUTS.feature_names), 8, width], dtype=dtype, seed=0, **options)


def raw_rows(dtype):
    """Two rows as the C functions take them, and their columns."""
    raw = np.array([[90.0, 0], [np.nan, 1]], dtype)
    return raw, {"size": raw[:, 0], "town": np.array(["Köln", "south"], object)}


@pytest.mark.parametrize(("dtype", "rtol"), TOLERANCES)
def test_values_in_the_units_of_each(dtype, rtol, tmp_path):
    net = network(3, dtype, output="identity")
    source, header = net.export_c(tmp_path / "v.c", preprocessing=(INPUTS, VALUES))
    assert "ok" in run_main(source, "v")
    text = header.read_text()
    assert "Outputs, the targets, in their own units:\n *   y[0]: y0\n *   y[1]: y1\n" in text
    raw, columns = raw_rows(dtype)
    predicted = net.forward(INPUTS.transform(columns))
    expected = [one.decode(part) for one, part in zip(VALUES, predicted.T, strict=True)]
    found = Library(source, "v", dtype, (2, 3)).forward(raw)
    np.testing.assert_allclose(found, np.transpose(expected), rtol=rtol)


@pytest.mark.parametrize(("dtype", "rtol"), TOLERANCES)
def test_probabilities_of_the_classes_of_each(dtype, rtol, tmp_path):
    net = network(5, dtype, heads=(3, 2))
    source, header = net.export_c(tmp_path / "k.c", preprocessing=(INPUTS, KINDS))
    assert "ok" in run_main(source, "k")
    assert "y[0], ...: kind, 0 = c, 1 = b, 2 = a\n" in header.read_text()
    assert "y[3], ...: state, 0 = x, 1 = y\n" in header.read_text()
    raw, columns = raw_rows(dtype)
    found = Library(source, "k", dtype, (2, 5)).forward(raw)
    np.testing.assert_allclose(found, net.forward(INPUTS.transform(columns)), rtol=rtol)
    np.testing.assert_allclose(found[:, 3:].sum(axis=1), 1, rtol=rtol)


def test_targets_that_do_not_fit_are_refused(tmp_path):
    net = network(3, "float64")
    for targets, message in (
        (KINDS, "the 2 targets have 3 and 2 classes"),
        (VALUES, "the 3 targets have 0 and 0 and 0 classes"),
        ((KINDS[0], VALUES[0]), "all of classes or all of values"),
    ):
        with pytest.raises(ValueError, match=message):
            net.export_c(tmp_path / "net.c", preprocessing=(INPUTS, targets))
    with pytest.raises(TypeError, match="with a tuple of encoders; got"):
        net.export_c(tmp_path / "net.c", preprocessing=(INPUTS, list(KINDS)))
