"""Arguments of unusual types and sizes: what works, and messages that name the argument."""

import json

import numpy as np
import pytest
from support.fits import classes, network, values

from ffnn_fast import Network
from ffnn_fast._model.model_files import ModelFileError
from ffnn_fast.optimizers import Optimizer
from ffnn_fast.sklearn import MLPClassifier


def test_more_threads_than_an_int_of_c():
    for n_threads in (2**31, 2**40, 10**30):
        with pytest.raises(ValueError, match=r"^n_threads must be at most 2"):
            Network([3, 1], output="identity", n_threads=n_threads)
    with pytest.raises(ValueError, match=r"^n_threads must be at most 2"):
        MLPClassifier(n_threads=2**40).fit(*classes(20))


@pytest.mark.parametrize(
    ("slots", "error", "message"),
    [
        (-1, ValueError, "must be at least 0, got -1"),
        (1.5, TypeError, r"must be an integer, got 1\.5"),
        ("1", TypeError, "must be an integer, got '1'"),
        (None, TypeError, "must be an integer, got None"),
    ],
)
def test_slots_are_a_number_of_vectors(slots, error, message):
    own = type("Own", (Optimizer,), {"name": "own", "slots": slots})
    with pytest.raises(error, match=f"^Own.slots {message}"):
        own(learning_rate=0.1)
    with pytest.raises(error, match=f"^Own.slots {message}"):
        network().fit(*classes(20), optimizer=own, epochs=1)


def test_paths_may_be_bytes(tmp_path):
    net, path = network(), tmp_path / "net.st"
    net.save(bytes(path))
    np.testing.assert_array_equal(Network.load(bytes(path)).params, net.params)
    assert path.exists()
    for call in (net.save, Network.load, net.export_c):
        with pytest.raises(TypeError, match=r"^path must be a string or path-like, got 5"):
            call(5)


def test_an_integer_beyond_every_float_is_named():
    X = [[1, 2, 10**400], [1, 2, 3]]
    net = Network([3, 1], output="identity", seed=0)
    for call in (net.predict, lambda rows: net.fit(rows, [1.0, 2.0], epochs=1)):
        with pytest.raises(ValueError, match=r"^X must be finite .* got inf in row 0, column 2"):
            call(X)
    with pytest.raises(ValueError, match=r"^y must be finite .* got -inf in row 1"):
        net.fit(values(2)[0][:, :3], [1, -(10**400)], epochs=1)


@pytest.mark.parametrize("place", ["header", "spec"])
def test_a_number_of_many_digits_in_a_file(tmp_path, place):
    path = tmp_path / "net.st"
    network().save(path)
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header, many = json.loads(content[8 : 8 + length]), 10**4200
    metadata = header["__metadata__"]
    if place == "spec":
        metadata["spec"] = json.dumps({**json.loads(metadata["spec"]), "l2": 0}).replace(
            '"l2": 0', f'"l2": {many}{many}'
        )
    else:
        first = next(name for name in header if name != "__metadata__")
        header[first]["shape"][0] = "many"
    text = json.dumps(header).replace('"many"', f"{many}{many}").encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + length :])
    with pytest.raises(ModelFileError, match="a number has more than 4000 digits"):
        Network.load(path)
