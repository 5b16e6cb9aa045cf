"""Ensemble: what networks predict together, their resampling, their files and exports."""

import itertools
import subprocess

import numpy as np
import pytest
from scipy.special import ndtr
from support.c_programs import need_compiler, run_main

from ffnn_fast import Ensemble, Head, ModelFileError, Network, to_c, to_onnx

GAUSSIAN = {"output": "identity", "loss": "gaussian_nll"}


def bag(n=4, outputs=3, **options):
    return Ensemble([Network([5, 4 + i, outputs], seed=i, **options) for i in range(n)])


@pytest.fixture
def X(rng):
    return rng.normal(size=(60, 5)).astype(np.float32)


def test_means_and_votes_of_classes(X):
    nets = bag()
    outputs = np.stack([net.forward(X) for net in nets])
    assert np.array_equal(nets.outputs(X), outputs)
    assert np.array_equal(nets.forward(X), outputs.mean(axis=0))
    assert np.array_equal(nets.predict_proba(X), outputs.mean(axis=0))
    assert np.array_equal(nets.predict(X), outputs.mean(axis=0).argmax(axis=1))
    votes = outputs.argmax(axis=2)
    expected = [np.bincount(column, minlength=3).argmax() for column in votes.T]
    assert np.array_equal(nets.vote(X), expected)
    spread = outputs.astype(np.float64).std(axis=0, ddof=1)
    assert np.allclose(nets.spread(X), spread, rtol=1e-12)


def test_votes_of_one_output_and_of_several_heads(X):
    nets = Ensemble([Network([5, 4, 1], output="logistic", seed=i) for i in range(3)])
    votes = np.stack([net.predict(X) for net in nets])
    assert np.array_equal(nets.vote(X), (votes.sum(axis=0) >= 2).astype(int))
    nets = bag(outputs=5, heads=(2, 3))
    votes = np.stack([net.predict(X) for net in nets])
    assert nets.vote(X).shape == (60, 2)
    first = [np.bincount(column, minlength=3).argmax() for column in votes[:, :, 1].T]
    assert np.array_equal(nets.vote(X)[:, 1], first)


def test_quantiles_over_the_networks(X):
    nets = bag(output="identity")
    expected = np.quantile(nets.outputs(X).astype(np.float64), [0.1, 0.5], axis=0)
    assert np.array_equal(nets.quantiles(X, [0.1, 0.5]), expected)
    assert np.array_equal(nets.quantiles(X, 0.5), expected[1])


def test_a_deep_ensemble_is_a_mixture(X):
    nets = bag(outputs=4, **GAUSSIAN)
    outputs = nets.outputs(X).astype(np.float64)
    means, variances = outputs[..., :2], np.exp(outputs[..., 2:])
    mean = means.mean(axis=0)
    variance = (variances + means**2).mean(axis=0) - mean**2
    found = nets.mean_and_variance(X)
    assert np.allclose(found[0], mean, rtol=1e-12)
    assert np.allclose(found[1], variance, rtol=1e-9)
    assert np.allclose(nets.spread(X), np.sqrt(variance), rtol=1e-9)
    assert np.allclose(nets.forward(X), np.hstack([mean, np.log(variance)]), rtol=1e-5, atol=1e-6)
    q = nets.quantiles(X, [0.05, 0.5])
    assert q.shape == (2, 60, 2)
    for level, value in zip((0.05, 0.5), q, strict=True):
        below = ndtr((value - means) / np.sqrt(variances)).mean(axis=0)
        assert np.allclose(below, level, atol=1e-12)


def test_folds_and_out_of_fold_predictions(X, rng):
    y = rng.integers(0, 3, 60)
    nets = bag()
    histories = nets.fit(X, y, resample="folds", seed=1, epochs=2, early_stopping=True)
    assert all("val_loss" in history[0] for history in histories)
    assert histories is nets.histories
    everything = np.arange(60)
    folds = [np.setdiff1d(everything, rows) for rows in nets.trained_rows]
    assert np.array_equal(np.sort(np.concatenate(folds)), everything)
    counts = np.stack([np.bincount(y[fold], minlength=3) for fold in folds])
    assert (np.ptp(counts, axis=0) <= 2).all()
    found = nets.out_of_sample(X)
    for net, fold in zip(nets, folds, strict=True):
        assert np.allclose(found[fold], net.forward(X)[fold], rtol=1e-6)
    alone = [Network([5, 4 + i, 3], seed=i) for i in range(4)]
    for net, fold, own in zip(alone, folds, nets, strict=True):
        kept = np.setdiff1d(everything, fold)
        net.fit(X, y, rows=kept, validation_rows=fold, epochs=2, early_stopping=True)
        assert np.array_equal(net.params, own.params)


def test_bootstrap_and_out_of_bag_predictions(X, rng):
    y = rng.normal(size=60)
    nets = bag(3, outputs=1, output="identity")
    nets.fit(
        X, y, resample="bootstrap", seed=1, epochs=1, each=[{"batch_size": i + 1} for i in range(3)]
    )
    outputs = nets.outputs(X).astype(np.float64)
    found = nets.out_of_sample(X)
    unseen = np.array([[i not in rows for i in range(60)] for rows in nets.trained_rows])
    for i in range(60):
        if unseen[:, i].any():
            assert np.allclose(found[i], outputs[unseen[:, i], i].mean(axis=0))
        else:
            assert np.isnan(found[i]).all()
    assert np.isnan(found).any()
    gaussian = bag(3, outputs=2, **GAUSSIAN)
    gaussian.fit(X, y, resample="bootstrap", seed=1, epochs=1)
    some = gaussian.out_of_sample(X)
    i = int(np.flatnonzero(unseen.sum(axis=0) == 1)[0])
    assert np.allclose(some[i], gaussian.outputs(X)[unseen[:, i], i][0], rtol=1e-5)


def test_all_rows(X, rng):
    nets = bag()
    y = rng.integers(0, 3, 60)
    nets.fit(X, y, epochs=1)
    assert nets.trained_rows is None
    with pytest.raises(ValueError, match="resample"):
        nets.out_of_sample(X)


def test_one_file(tmp_path, X):
    nets = bag(l2=0.1)
    nets.save(tmp_path / "bag.safetensors")
    again = Ensemble.load(tmp_path / "bag.safetensors", n_threads=1)
    assert [net.spec for net in again] == [net.spec for net in nets]
    assert np.array_equal(again.outputs(X), nets.outputs(X))
    with pytest.raises(ModelFileError):
        Network.load(tmp_path / "bag.safetensors")
    nets[1].save(tmp_path / "net.safetensors")
    with pytest.raises(ModelFileError, match="not a file of an Ensemble"):
        Ensemble.load(tmp_path / "net.safetensors")


def test_damaged_files(tmp_path):
    path = tmp_path / "bag.safetensors"
    bag().save(path)
    data = path.read_bytes()
    for old, new in (
        (b'"format_version":"1"', b'"format_version":"9"'), (b'"0.0.bias"', b'"0.1.bias"'),
        (b"tanh", b"tank"), (b"[5, 4, 3]", b"[5, 9, 3]"),
    ):  # fmt: skip
        changed = data.replace(old, new, 1).replace(
            old.replace(b'"', b'\\"'), new.replace(b'"', b'\\"'), 1
        )
        assert changed != data, old
        path.write_bytes(changed)
        with pytest.raises(ModelFileError):
            Ensemble.load(path)
    with pytest.raises(FileNotFoundError):
        Ensemble.load(tmp_path / "none")
    bad = bag()
    bad[2].params[0] = np.nan
    with pytest.raises(ValueError, match=r"networks\[2\]"):
        bad.save(path)


@pytest.mark.parametrize(
    "options",
    [
        {}, {"output": "identity"}, {"output": "logistic"}, {"heads": (2, 3), "outputs": 5},
        {**GAUSSIAN, "outputs": 4},
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("dtype", [None, "float64"])
def test_one_onnx_model(tmp_path, X, options, dtype):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    nets = bag(3, **options)
    to_onnx(nets, tmp_path / "bag.onnx", dtype=dtype)
    session = onnxruntime.InferenceSession(
        tmp_path / "bag.onnx", providers=["CPUExecutionProvider"]
    )
    assert [value.name for value in session.get_inputs()] == ["X"]
    (found,) = session.run(["y_hat"], {"X": X.astype(dtype or "float32")})
    assert np.allclose(found, nets.forward(X), rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("options", [{}, {"output": "identity"}, {"output": "logistic"}], ids=str)
@pytest.mark.parametrize("sizes", [((7,), (3,)), ((4, 6), (5, 2), (3, 3)), ((2,),)], ids=str)
def test_one_c_file(tmp_path, X, options, sizes):
    need_compiler()
    nets = Ensemble([Network([5, *hidden, 3], seed=i, **options) for i, hidden in enumerate(sizes)])
    source, header = nets.export_c(tmp_path / "bag.c")
    assert "#define BAG_N_OUTPUTS 3" in header.read_text()
    run_main(source, "bag")


def test_the_exported_mean_is_that_of_the_ensemble(tmp_path, X):
    """The reference vectors of the file come from the wide network, so compare with the bag."""
    import ctypes

    need_compiler()
    nets = bag(3)
    source, _ = to_c(nets, tmp_path / "bag.c")
    library = tmp_path / "bag.so"
    subprocess.run(["cc", "-shared", "-fPIC", str(source), "-o", str(library)], check=True)
    batch = ctypes.CDLL(str(library)).bag_batch
    out = np.empty((60, 3), np.float32)
    batch(
        ctypes.c_size_t(60), X.ctypes.data_as(ctypes.c_void_p), out.ctypes.data_as(ctypes.c_void_p)
    )
    assert np.allclose(out, nets.forward(X), rtol=1e-5, atol=1e-6)


def test_c_needs_equal_depths(tmp_path):
    nets = Ensemble([Network([5, 4, 3], seed=0), Network([5, 4, 4, 3], seed=1)])
    with pytest.raises(ValueError, match="same depth and activations"):
        nets.export_c(tmp_path / "bag.c")
    with pytest.raises(ValueError, match="use to_onnx"):
        bag(outputs=2, **GAUSSIAN).export_c(tmp_path / "bag.c")


@pytest.mark.parametrize(
    ("networks", "error", "message"),
    [
        ([], TypeError, "at least one"),
        (Network([2, 1], output="identity"), TypeError, "at least one"),
        ([3], TypeError, r"networks\[0\] must be a Network"),
        ([Network([2, 2]), Network([3, 2])], ValueError, r"networks\[1\] has 3 inputs"),
        ([Network([2, 2]), Network([2, 2], output="identity")], ValueError, "has output 'identi"),
        ([Network([2, 2]), Network([2, 2], dtype="float64")], ValueError, "has dtype 'float64'"),
        ([Network([2, 3], heads=[Head(2), Head(1, "identity")])], ValueError, "no heads of Head"),
    ],
)  # fmt: skip
def test_refusals(networks, error, message):
    with pytest.raises(error, match=message):
        Ensemble(networks)


def test_refusals_of_methods(X, rng):
    y = rng.integers(0, 3, 60)
    with pytest.raises(ValueError, match="resample"):
        bag().fit(X, y, resample="half")
    with pytest.raises(ValueError, match="folds need 2 to 60 networks"):
        bag(1).fit(X, y, resample="folds")
    for resample in ("folds", "none", "bootstrap"):
        with pytest.raises(ValueError, match="each must have 4 entries"):
            bag().fit(X, y, resample=resample, each=[{}])
    with pytest.raises(ValueError, match="vote needs classifiers"):
        bag(output="identity").vote(X)
    with pytest.raises(ValueError, match="predict_proba"):
        bag(output="identity").predict_proba(X)
    with pytest.raises(ValueError, match="q must"):
        bag().quantiles(X, 1.5)
    with pytest.raises(ValueError, match="q must"):
        bag(outputs=2, **GAUSSIAN).quantiles(X, 0.0)
    with pytest.raises(ValueError, match="go with a Network"):
        to_c(bag(), "bag.c", fortran=True)
    nets = bag()
    nets.fit(X, y, resample="folds", seed=0, epochs=1)
    with pytest.raises(ValueError, match="rows of fit"):
        nets.out_of_sample(X[:3])
    assert "Ensemble of 4 networks" in repr(nets)
    assert len(list(itertools.islice(nets, 9))) == len(nets) == 4
