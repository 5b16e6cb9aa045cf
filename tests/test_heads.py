"""Several softmax heads: formulas, the compiled engine, and what a network makes of them."""

import json
import re
from itertools import pairwise

import numpy as np
import pytest
from support.problems import (
    assert_same_bits_for_threads,
    options_of,
    random_params,
    random_problem,
    relative_error,
    single_heads,
    train,
    twins,
)

from ffnn_fast import Loss, Network, NetworkSpec, reference
from ffnn_fast._model import model_files
from ffnn_fast._model.arrays import as_targets
from ffnn_fast._model.samples import Samples
from ffnn_fast._runtime.bound_network import BoundNetwork
from ffnn_fast.activations import by_head
from ffnn_fast.interchange import from_torch, to_torch

LOSSES = ("cross_entropy", "squared_error", "half_squared_error", "absolute", "hinge")
HEADS = [(2, 3), (5, 2, 9), (17, 3, 2, 2, 33)]


def described(heads, loss="cross_entropy", dtype="float64", body=(5, 7), **options):
    return NetworkSpec((*body, sum(heads)), "tanh", "softmax", loss, dtype, heads=heads, **options)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("missing", ["refuse", "ignore"])
def test_loss_and_gradient_are_the_sum_of_networks_of_one_head(loss, missing, rng):
    options = {"loss_options": options_of("softmax", loss), "missing_targets": missing}
    spec = described((3, 2, 4), loss, **options)
    problem, params = random_problem(spec, 30, rng, weighted=True), random_params(spec, rng)
    whole = BoundNetwork(spec, reference.Plan(spec), params, reference)
    value, grad = whole.loss_gradient(problem)
    total, summed, y_hat = 0.0, np.zeros_like(grad), []
    cut = spec.offsets[-1][0]
    starts = np.cumsum([0, *spec.heads])
    for one, (first, end) in zip(single_heads(spec), pairwise(starts), strict=True):
        W, b = spec.weights(params)[-1][first:end], spec.biases(params)[-1][first:end]
        theta = np.concatenate([params[:cut], W.ravel(), b])
        bound = BoundNetwork(one, reference.Plan(one), theta, reference)
        part = Samples(problem.X, problem.Y[:, first:end], problem.sample_weight)
        loss_of_one, slopes = bound.loss_gradient(part)
        total += loss_of_one
        summed[:cut] += slopes[:cut]
        spec.weights(summed)[-1][first:end] = one.weights(slopes)[-1]
        spec.biases(summed)[-1][first:end] = one.biases(slopes)[-1]
        y_hat.append(bound.forward(problem.X))
    assert value == pytest.approx(total, rel=1e-12)
    np.testing.assert_allclose(grad, summed, atol=1e-14)
    np.testing.assert_allclose(whole.forward(problem.X), np.hstack(y_hat), rtol=1e-13)


@pytest.mark.engine
@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error"])
@pytest.mark.parametrize("engine_name", ["compiled", "reference"])
def test_gradients_are_central_differences(loss, engine_name, rng):
    net = Network(
        [4, 6, 9], loss=loss, heads=(2, 3, 4), dtype="float64", seed=1, engine=engine_name
    )
    y = np.column_stack([rng.integers(0, k, 12) for k in (2, 3, 4)])
    assert net.check_gradients(rng.normal(size=(12, 4)), y).passed


@pytest.mark.engine
@pytest.mark.parametrize("heads", HEADS)
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("missing", ["refuse", "ignore"])
def test_compiled_is_the_reference(engine, heads, loss, missing, dtype, rtol, rng):
    for smoothed in ({}, options_of("softmax", loss)):
        spec = described(
            heads, loss, dtype, (7, 13), loss_options=smoothed, missing_targets=missing, l2=0.01
        )
        for n in (1, 2, 15, 33, 65):
            problem = random_problem(spec, n, rng, weighted=n % 2 == 1)
            ours, theirs = twins(spec, random_params(spec, rng), engine)
            assert relative_error(ours.forward(problem.X), theirs.forward(problem.X)) <= rtol
            value, grad = theirs.loss_gradient(problem)
            assert ours.loss(problem) == pytest.approx(value, rel=rtol)
            got, found = ours.loss_gradient(problem)
            assert got == pytest.approx(value, rel=rtol)
            assert relative_error(found, grad) <= rtol


@pytest.mark.engine
@pytest.mark.parametrize("matmul", ["own", "blas"])
@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error"])
def test_steps_of_training(engine, matmul, loss, dtype, rtol, rng):
    options = {"loss_options": options_of("softmax", loss), "missing_targets": "ignore"}
    spec = described((3, 2, 6), loss, dtype, (70, 11), **options)
    problem, params = random_problem(spec, 45, rng, weighted=True), random_params(spec, rng)
    ours = BoundNetwork(spec, engine.Plan(spec, 2, matmul), params.copy(), engine)
    theirs = twins(spec, params, engine)[1]
    order = np.concatenate([rng.permutation(45) for _ in range(20)])
    for batch_size in (1, 7, 32):
        part = order[: 20 * batch_size]
        losses = [train(m, problem, part, batch_size, 0.02) for m in (ours, theirs)]
        assert losses[0] == pytest.approx(losses[1], rel=rtol)
    assert relative_error(ours.params, theirs.params) <= rtol


@pytest.mark.engine
def test_online_steps_that_defer_the_first_layer(engine, dtype, rtol, rng):
    spec = described((3, 2, 6), dtype=dtype, body=(130, 70, 11), missing_targets="ignore")
    problem, params = random_problem(spec, 40, rng, weighted=True), random_params(spec, rng)
    ours, theirs = twins(spec, params, engine)
    losses = [train(m, problem, np.arange(40), 1, 0.02) for m in (ours, theirs)]
    assert losses[0] == pytest.approx(losses[1], rel=rtol)
    assert relative_error(ours.params, theirs.params) <= rtol


def test_a_loss_of_ones_own_is_taken_head_by_head(rng):
    halves = Loss("halves", lambda p, y: 0.5 * ((p - y) ** 2).sum(axis=1), lambda p, y: p - y)
    own, named = (described((2, 3), loss) for loss in (halves, "half_squared_error"))
    problem, params = random_problem(own, 9, rng), random_params(own, rng)
    results = [
        BoundNetwork(spec, reference.Plan(spec), params, reference).loss_gradient(problem)
        for spec in (own, named)
    ]
    assert results[0][0] == pytest.approx(results[1][0])
    np.testing.assert_allclose(results[0][1], results[1][1], atol=1e-15)


@pytest.mark.engine
def test_same_bits_for_any_number_of_threads(engine, dtype, rng):
    spec = described((4, 3, 8), "cross_entropy", dtype, (200, 130), l2=1e-3)
    problem, params = random_problem(spec, 700, rng, weighted=True), random_params(spec, rng)
    assert_same_bits_for_threads(engine, spec, problem, params, 0.01)


@pytest.mark.engine
def test_the_engine_takes_no_labels_for_several_heads(engine, rng):
    spec = described((2, 3))
    ours, _ = twins(spec, random_params(spec, rng), engine)
    X = random_problem(spec, 5, rng).X
    with pytest.raises(ValueError, match="Y does not fit"):
        ours.loss(Samples(X, np.zeros(5, np.int64)))


def test_labels_become_one_hot_within_each_head():
    spec = described((2, 3), dtype="float32")
    dense = as_targets([[0, 2], [1, 0]], spec, 2)
    assert dense.dtype == np.float32
    np.testing.assert_array_equal(dense, [[1, 0, 0, 0, 1], [0, 1, 1, 0, 0]])
    np.testing.assert_array_equal(as_targets(dense.astype(int), spec, 2), dense)
    np.testing.assert_array_equal(as_targets([1, 1], spec, 1), [[0, 1, 0, 1, 0]])
    np.testing.assert_array_equal(as_targets([0, 1, 1, 0, 0], spec, 1), [[0, 1, 1, 0, 0]])


@pytest.mark.parametrize(
    ("y", "error", "message"),
    [
        ([[0, 3], [1, 0]], ValueError, "column 1 of y must be class labels 0..2, got 3 in row 0"),
        ([[0, 1], [-1, 0]], ValueError, "column 0 of y must be class labels 0..1, got -1 in row 1"),
        ([[0.0, 1.0], [1.0, 0.0]], TypeError, "must be integer labels of shape (2, 2)"),
        ([0, 1], ValueError, "a column for each head, or of shape (2, 5), got (2,)"),
        ([[0, 1, 1], [0, 1, 1]], ValueError, "got (2, 3)"),
        (np.tile([1, 0, 0.5, 0, 0], (2, 1)), ValueError, "must sum to 1"),
        (np.tile([np.nan, 0, 1, 0, 0], (2, 1)), ValueError, "finite"),
    ],
)
def test_targets_that_do_not_fit_are_refused(y, error, message):
    with pytest.raises(error, match=re.escape(message)):
        as_targets(y, described((2, 3)), 2)


def test_a_head_may_be_missing_whole_but_not_in_part():
    spec = described((2, 3), missing_targets="ignore")
    as_targets([[np.nan, np.nan, 0, 1, 0]] * 2, spec, 2)
    with pytest.raises(ValueError, match="NaN as a whole or not at all"):
        as_targets([[np.nan, 0, 0, 1, 0]] * 2, spec, 2)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"heads": (5,)}, ValueError, "two or more widths"),
        ({"heads": (4, 1)}, ValueError, "at least 2"),
        ({"heads": (2, 2)}, ValueError, "sum 5, the number of outputs"),
        ({"heads": (2.0, 3)}, TypeError, "a width in heads must be an integer, got 2.0"),
        ({"heads": 5}, TypeError, "a sequence of integers"),
        ({"heads": (2, 3), "output": "logistic"}, ValueError, "got 'logistic'"),
        ({"heads": (2, 3), "loss": "quantile"}, ValueError, "other than quantile"),
    ],
)
def test_heads_that_do_not_fit_are_refused(change, error, message):
    with pytest.raises(error, match=message):
        NetworkSpec((3, 5), **change)


def test_a_description_is_written_down_with_its_heads_only_where_it_has_some():
    spec = described((2, 3))
    plain = json.loads(json.dumps(spec.to_dict()))
    assert plain["heads"] == [2, 3]
    assert NetworkSpec.from_dict(plain) == spec
    assert "heads" not in NetworkSpec((3, 5)).to_dict()


@pytest.fixture(scope="module")
def learned():
    """A network that has learned two things of a row, and the rows with their labels."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 2))
    y = np.column_stack([X[:, 0] > 0, np.digitize(X[:, 1], [-0.5, 0.5])]).astype(int)
    net = Network([2, 16, 5], heads=[2, 3], seed=0)
    history = net.fit(
        X, y, epochs=60, batch_size=16, learning_rate=0.2, validation_fraction=0.2,
        metrics=["accuracy", "f1", "log_loss", "top_2", by_columns],
    )  # fmt: skip
    return net, X, y, history


def by_columns(truth, predicted):
    return float((truth == predicted).all(axis=1).mean())


def test_a_network_learns_several_things_at_once(learned):
    net, X, y, history = learned
    predicted, p = net.predict(X), net.predict_proba(X)
    assert predicted.shape == y.shape
    np.testing.assert_allclose([head.sum(axis=1) for (head,) in by_head((2, 3), p)], 1, rtol=1e-5)
    assert net.score(X, y) == pytest.approx((predicted == y).mean())
    assert net.score(X, y) > 0.95
    assert net.predict(X[0]).shape == (2,)
    last = history[-1]
    assert last["val_f1"] > 0.8
    assert last["top_2"] > last["accuracy"]
    assert last["by_columns"] <= last["accuracy"]
    assert last["log_loss"] == pytest.approx(last["loss"], rel=0.3)
    assert "heads 2 3" in repr(net)


def test_each_heads_metric_counts_the_rows_where_it_is_known(learned):
    net, X, y, _ = learned
    known = Network.from_params(
        NetworkSpec((2, 16, 5), heads=(2, 3), missing_targets="ignore"), net.params
    )
    dense = as_targets(y, net.spec, len(y)).astype(float)
    right = net.predict(X) == y
    dense[:200, :2] = np.nan
    dense[::2, 2:] = np.nan
    expected = np.concatenate([right[200:, 0], right[1::2, 1]])
    assert known.score(X, dense) == pytest.approx(expected.mean())
    got = known.fit(X, dense, epochs=1, learning_rate=1e-9, metrics=["top_1", "accuracy"])[-1]
    assert got["accuracy"] == pytest.approx(expected.mean())
    assert got["top_1"] == pytest.approx((right[200:, 0].mean() + right[1::2, 1].mean()) / 2)


def test_class_weights_need_one_class_per_row(learned):
    net, X, y, _ = learned
    with pytest.raises(ValueError, match="one class per row"):
        net.copy().fit(X, y, epochs=1, class_weight="balanced")


def test_a_model_file_keeps_the_heads(learned, tmp_path):
    net, X, _, _ = learned
    net.save(tmp_path / "net.safetensors")
    again = Network.load(tmp_path / "net.safetensors")
    assert again.spec == net.spec
    np.testing.assert_array_equal(again.forward(X), net.forward(X))
    assert model_files.load(tmp_path / "net.safetensors")[0].heads == (2, 3)


def test_a_fit_is_resumed(tmp_path, learned):
    _, X, y, _ = learned
    nets = [Network([2, 6, 5], heads=(2, 3), seed=0) for _ in range(2)]
    nets[0].fit(X, y, epochs=4)
    nets[1].fit(X, y, epochs=2, checkpoint=tmp_path / "fit")
    other = Network([2, 6, 5], heads=(3, 2), seed=0)
    with pytest.raises(ValueError, match="network"):
        other.fit(X, y[:, ::-1], epochs=4, resume=tmp_path / "fit")
    nets[1].fit(X, y, epochs=4, resume=tmp_path / "fit")
    np.testing.assert_array_equal(nets[1].params, nets[0].params)


@pytest.mark.parametrize("n_rows", [1, 3, 40])
def test_the_predictor_knows_heads(learned, n_rows):
    net, X, _, _ = learned
    rows = X[:n_rows].astype(np.float32)
    np.testing.assert_allclose(
        net.predictor(n_rows)(rows), reference_of(net).forward(rows), rtol=2e-5
    )


def reference_of(net):
    return Network.from_params(net.spec, net.params, engine="reference")


def test_full_batch_solvers_and_partial_fit_take_label_columns(learned):
    _, X, y, _ = learned
    net = Network([2, 8, 5], heads=(2, 3), dtype="float64", seed=0)
    net.partial_fit(X, y, learning_rate=0.1)
    before = net.loss(X, y)
    net.minimize(X, y, max_iterations=20)
    assert net.loss(X, y) < before
    with pytest.raises(ValueError, match="squared"):
        net.levenberg_marquardt(X, y)


def test_torch_and_back(learned):
    torch = pytest.importorskip("torch")
    net, X, _, _ = learned
    model = to_torch(net)
    with torch.no_grad():
        y_hat = model(torch.from_numpy(X.astype(np.float32))).numpy()
    np.testing.assert_allclose(y_hat, net.forward(X), rtol=1e-4, atol=1e-6)
    assert from_torch(model).spec == net.spec


def test_a_surface_shows_one_head(learned):
    pytest.importorskip("matplotlib")
    from ffnn_fast.plotting import decision_surface

    net, X, y, _ = learned
    ax = decision_surface(net, X, y, output=1, resolution=20)
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert texts == ["0", "1", "2"]
    with pytest.raises(ValueError, match=r"2 heads; choose one with output=0\.\.1"):
        decision_surface(net, X)
    with pytest.raises(ValueError, match=r"0\.\.1, got 2"):
        decision_surface(net, X, output=2)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_onnx_model_has_the_heads(learned, dtype):
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    from ffnn_fast.onnx import to_onnx

    net, X, _, _ = learned
    model = to_onnx(net, dtype=dtype).SerializeToString()
    session = runtime.InferenceSession(model, providers=["CPUExecutionProvider"])
    (y_hat,) = session.run(["y_hat"], {"X": X.astype(dtype)})
    np.testing.assert_allclose(y_hat, net.forward(X), rtol=1e-4, atol=1e-6)
