"""Files of tabular estimators: the same bits again, and no damaged or forged file."""

import json

import numpy as np
import pytest

pytest.importorskip("pandas")
pytest.importorskip("sklearn")

from support.mixed_tables import mixed

from ffnn_fast import Ensemble, ModelFileError, Network
from ffnn_fast._model.model_files import packed, write_atomically
from ffnn_fast._model.tensor_files import TensorFile
from ffnn_fast.tabular import TabularClassifier, TabularRegressor
from ffnn_fast.tabular import _files as files

QUICK = {"n_networks": 2, "epochs": 5, "random_state": 0, "n_threads": 1}


@pytest.fixture(scope="module")
def classifier():
    X, labels, _ = mixed()
    return TabularClassifier(**QUICK).fit(X, labels)


@pytest.fixture(scope="module")
def regressor():
    X, _, values = mixed()
    return TabularRegressor(**QUICK).fit(X, values)


@pytest.mark.parametrize("kind", ["classifier", "regressor"])
def test_files(kind, request, tmp_path):
    """A loaded estimator predicts to the same bits and goes on explaining."""
    model = request.getfixturevalue(kind)
    X, _, _ = mixed(seed=1)
    model.save(tmp_path / "model.safetensors")
    again = type(model).load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    np.testing.assert_array_equal(again.feature_importances_, model.feature_importances_)
    np.testing.assert_allclose(
        again.explain(X[:3]).contributions, model.explain(X[:3]).contributions
    )
    other = {"classifier": TabularRegressor, "regressor": TabularClassifier}[kind]
    with pytest.raises(ModelFileError, match="holds a Tabular"):
        other.load(tmp_path / "model.safetensors")


def test_damaged_file(classifier, tmp_path):
    """A file that is cut off, or is another model's, is refused."""
    path = tmp_path / "model.safetensors"
    classifier.save(path)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ModelFileError):
        TabularClassifier.load(path)
    Network([2, 2], seed=0).save(path)
    with pytest.raises(ModelFileError, match=r"load it with ffnn_fast\.Network\.load"):
        TabularClassifier.load(path)


def test_file_of_another_kind(classifier, tmp_path):
    """The message names the class that loads a file."""
    path = tmp_path / "model.safetensors"
    classifier.save(path)
    for other in (TabularRegressor, Network, Ensemble):
        with pytest.raises(ModelFileError, match=r"ffnn_fast\.tabular\.TabularClassifier\.load"):
            other.load(path)
    write_atomically(str(path), packed({"a": np.zeros(1)}, {"format": "ffnn_fast.tabular"}))
    with pytest.raises(ModelFileError, match="not written by ffnn_fast"):
        Network.load(path)
    write_atomically(str(path), packed({"a": np.zeros(1)}, {"format": "pt"}))
    with pytest.raises(ModelFileError, match=r"not a file of ffnn_fast\.tabular"):
        TabularRegressor.load(path)


def test_no_rows(classifier, regressor):
    """A table without rows is refused as scikit-learn does."""
    X, _, _ = mixed()
    for call in (
        classifier.predict, classifier.predict_proba, classifier.explain,
        regressor.predict, regressor.predict_interval, regressor.explain,
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"0 sample\(s\) .* minimum of 1 is required"):
            call(X[:0])


@pytest.mark.parametrize("kind", ["classifier", "regressor"])
def test_every_changed_byte_is_found(kind, request, tmp_path):
    """A file with one changed byte is refused, wherever it is."""
    model = request.getfixturevalue(kind)
    path = tmp_path / "model"
    model.save(path)
    content = path.read_bytes()
    places = np.random.default_rng(0).integers(len(content), size=60).tolist()
    places += [*range(8), len(content) - 1]
    for place in places:
        changed = bytearray(content)
        changed[place] ^= 4
        path.write_bytes(bytes(changed))
        with pytest.raises(ModelFileError):
            type(model).load(path)
    path.write_bytes(content)
    type(model).load(path)


def forged(path, change):
    """The file with another description or other tensors, under the right checksum."""
    with TensorFile(path) as file:
        metadata, tensors = file.metadata, {name: file.read(name) for name in file.tensors}
    metadata.pop("sha256")
    described = json.loads(metadata["described"])
    change(described, tensors, metadata)
    metadata["described"] = json.dumps(described)
    metadata["sha256"] = files._checksum(metadata, tensors)
    write_atomically(path, packed(tensors, metadata))


@pytest.mark.parametrize(
    "change",
    [
        lambda d, t, m: t.update({"arrays.base_units": t["arrays.base_units"][:, :-1].copy()}),
        lambda d, t, m: t.pop("arrays.base_units"),
        lambda d, t, m: t.pop("networks.0"),
        lambda d, t, m: d["inputs"]["scales"].pop(),
        lambda d, t, m: d["inputs"]["features"].pop(0),
        lambda d, t, m: d["fitted"]["labels"]["classes"][0].append("maybe"),
        lambda d, t, m: d["fitted"]["labels"].update(form="none"),
        lambda d, t, m: d["fitted"]["temperatures"].append(1.0),
        lambda d, t, m: d["fitted"].update(temperatures=[-1.0]),
        lambda d, t, m: d["parameters"].update(unknown=1),
        lambda d, t, m: d.update(n_features_in=3),
        lambda d, t, m: m.update(format_version="7"),
    ],
)
def test_forged_files(change, classifier, tmp_path):
    """Descriptions that do not fit are refused though the checksum is right."""
    path = str(tmp_path / "model")
    classifier.save(path)
    forged(path, change)
    with pytest.raises(ModelFileError):
        TabularClassifier.load(path)


def test_parameters_in_a_file(tmp_path):
    """A generator is left out, names of columns stay, and what JSON has not is refused."""
    X, _, values = mixed()
    names = list(X.columns)
    model = TabularRegressor(
        **{**QUICK, "random_state": np.random.RandomState(0)}, numeric_features=names[:1]
    ).fit(X, values)
    model.save(tmp_path / "model")
    again = TabularRegressor.load(tmp_path / "model")
    assert again.random_state is None
    assert again.numeric_features == names[:1]
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    model.epochs = {5}
    with pytest.raises(TypeError, match=r"the parameter epochs cannot be saved: '?\{5\}"):
        model.save(tmp_path / "other")
    assert not (tmp_path / "other").exists()
