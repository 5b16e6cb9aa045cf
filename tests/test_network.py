"""Network: what a user sees, from making one to predicting with it."""

import copy
import pickle

import mpmath
import numpy as np
import pytest

import ffnn_fast
from ffnn_fast import Network, NetworkSpec


@pytest.fixture(params=["compiled", "reference"])
def engine(request):
    return request.param


def xor():
    return np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=np.float32), np.array([0, 1, 1, 0])


def test_learns_xor(engine):
    X, y = xor()
    net = Network([2, 8, 2], seed=0, engine=engine)
    history = net.fit(X, y, epochs=1000, batch_size=4, learning_rate=0.5)
    np.testing.assert_array_equal(net.predict(X), y)
    assert history["accuracy"][-1] == net.score(X, y) == 1
    assert history["loss"][-1] < 0.1 < history["loss"][0]
    assert net.engine == engine


def test_views_write_through_and_the_vector_is_aligned():
    net = Network([3, 4, 2], seed=1)
    net.weights[1][0, 2] = 7
    net.biases[0][3] = -5
    assert net.params[3 * 4 + 4 + 2] == 7
    assert net.params[3 * 4 + 3] == -5
    assert net.params.ctypes.data % 64 == 0


def test_same_seed_same_bits():
    X, y = np.random.default_rng(0).normal(size=(40, 3)), np.arange(40) % 2
    nets = [Network([3, 5, 2], seed=4) for _ in range(2)]
    for net in nets:
        net.fit(X, y, epochs=3)
    np.testing.assert_array_equal(nets[0].params, nets[1].params)
    other = Network([3, 5, 2], seed=5)
    assert (other.params != nets[0].params).any()


def test_the_global_generator_is_untouched():
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    Network([3, 5, 2], seed=4).fit(np.ones((4, 3)), [0, 1, 0, 1])
    np.testing.assert_array_equal(state, np.random.get_state()[1])  # noqa: NPY002


def test_shapes_of_what_is_predicted():
    X = np.ones((5, 3))
    classes = Network([3, 4], seed=0)
    assert classes.forward(X).shape == (5, 4)
    assert classes.predict(X).dtype == np.int64
    assert classes.predict(X).shape == (5,)
    assert classes.forward(X[0]).shape == (4,)
    assert classes.predict(X[0]).shape == ()
    np.testing.assert_allclose(classes.predict_proba(X).sum(axis=1), 1, rtol=1e-6)
    one = Network([3, 1], output="identity", seed=0)
    assert one.forward(X).shape == (5, 1)
    assert one.predict(X).shape == (5,)
    assert Network([3, 2], output="identity").predict(X).shape == (5, 2)
    binary = Network([3, 1], output="logistic", seed=0)
    assert binary.predict_proba(X).shape == (5, 2)
    assert set(binary.predict(X)) <= {0, 1}
    several = Network([3, 2], output="logistic", seed=0)
    assert several.predict(X).shape == (5, 2)
    with pytest.raises(ValueError, match="classifier"):
        one.predict_proba(X)


@pytest.mark.parametrize("matmul", ["own", "blas"])
@pytest.mark.parametrize("sizes", [(6, 3), (6, 20, 3), (700, 300, 3)])  # the last: groups of panels
def test_rows_that_are_not_finite_are_named(engine, matmul, sizes, dtype):
    """Also where every weight of a unit is 0. Finite rows may make a_1 infinite."""
    net = Network(sizes, dtype=dtype, engine=engine, matmul=matmul, seed=0)
    largest = np.finfo(dtype).max * np.sign(net.weights[0][0])
    for n in (2, 9, 70):
        X = np.ones((n, sizes[0]), dtype)
        net.weights[0][0] = 2 * np.sign(largest)
        X[n // 2] = largest
        with np.errstate(over="ignore", invalid="ignore"):
            assert net.forward(X).shape == (n, 3)
        net.weights[0][0] = 0
        for row, value in ((0, np.nan), (n // 2, np.inf), (n - 1, -np.inf)):
            bad = np.ones((n, sizes[0]), dtype)
            bad[row, 4] = value
            message = rf"^X must be finite in {dtype}, got {value} in row {row}, column 4 \(1 such"
            for call in (net.forward, net.predict, net.predict_proba):
                with pytest.raises(ValueError, match=message):
                    call(bad)


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_logarithms_of_probabilities_that_round_to_0_and_1(engine, dtype):
    """a_L = (0, 200, 1000) x: in float32 two of the probabilities are 0, one is 1."""
    a = np.array([0, 200, 1000])
    spec = NetworkSpec((1, 3), (), dtype=dtype)
    net = Network.from_params(spec, [*a, 0, 0, 0], engine=engine)
    for scale in (1, 0.04, -1):
        with mpmath.workprec(3000):
            total = mpmath.fsum(mpmath.exp(mpmath.mpf(float(scale * v))) for v in a)
            exact = [float(mpmath.mpf(float(scale * v)) - mpmath.log(total)) for v in a]
        found = net.predict_log_proba([scale])
        assert found.shape == (3,)
        assert found.dtype == dtype
        rtol, atol = (1e-6, 1e-45) if dtype == "float32" else (1e-14, 0)
        np.testing.assert_allclose(found, exact, rtol=rtol, atol=atol)
    X = np.array([[1e-3], [1e-2], [-2e-3]])
    for rows in (X[:1], X, np.tile(X, (30, 1))):
        np.testing.assert_allclose(
            net.predict_log_proba(rows), np.log(net.predict_proba(rows)), rtol=1e-5, atol=1e-7
        )


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_logarithms_of_probabilities_of_every_kind_of_output(engine, dtype):
    def of(sizes, params, **options):
        return Network.from_params(NetworkSpec(sizes, (), dtype=dtype, **options), params,
                                   engine=engine)  # fmt: skip

    sure = -np.log1p(np.exp(-np.float64(50)))
    rtol = 1e-6 if dtype == "float32" else 1e-14
    one = of((1, 1), [50, 0], output="logistic")
    found = one.predict_log_proba([[1.0], [-1.0], [200.0]])
    expected = [[sure - 50, sure], [sure, sure - 50], [-10000, 0]]
    np.testing.assert_allclose(found, expected, rtol=rtol)
    several = of((1, 2), [50, -10, 0, 0], output="logistic", loss="absolute")
    with pytest.raises(ValueError, match="predict_log_proba needs a classifier"):
        several.predict_log_proba([[1.0]])
    several = of((1, 2), [50, -1000, 0, 0], output="logistic")
    np.testing.assert_allclose(several.predict_log_proba([1.0]), [sure, -1000], rtol=rtol)
    heads = of((1, 5), [0, 300, 0, 0, 50, *[0] * 5], heads=(2, 3))
    two = -np.log1p(2 * np.exp(-np.float64(50)))
    np.testing.assert_allclose(
        heads.predict_log_proba([[1.0]])[0, 2:], [two - 50, two - 50, two], rtol=rtol
    )
    np.testing.assert_allclose(
        heads.predict_log_proba([[1.0]])[0, :2], [-300, -np.exp(-300)], rtol=rtol, atol=1e-45
    )
    other = of((1, 1), [0.25, 0], output="identity", loss="binary_cross_entropy")
    np.testing.assert_allclose(
        other.predict_log_proba([1.0]), [np.log(0.75), np.log(0.25)], rtol=1e-6
    )


def test_loss_and_gradient_in_one_call(dtype):
    X, y = xor()
    net = Network([2, 5, 2], seed=0, dtype=dtype, l2=0.1, dropout=0.3)
    weight = [1, 2, 3, 4]
    value, grad = net.loss_gradient(X, y, weight)
    assert isinstance(value, float)
    assert value == pytest.approx(net.loss(X, y, weight), rel=1e-6)
    np.testing.assert_array_equal(grad, net.gradient(X, y, weight))
    assert not np.shares_memory(grad, net.loss_gradient(X, y, weight)[1])


def test_labels_and_their_one_hot_rows_are_the_same_target(dtype):
    X = np.random.default_rng(0).normal(size=(9, 3))
    y = np.arange(9) % 4
    net = Network([3, 5, 4], dtype=dtype, seed=0)
    assert net.loss(X, y) == pytest.approx(net.loss(X, np.eye(4)[y]), rel=1e-6)
    np.testing.assert_allclose(net.gradient(X, y), net.gradient(X, np.eye(4)[y]), rtol=1e-4)


def test_sample_weights_count_as_repeated_rows(dtype):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(3, 2)), np.array([0, 1, 1])
    net = Network([2, 4, 2], dtype="float64", seed=0)
    repeated = [0, 1, 1, 1, 2, 2]
    weight = [10, 30, 20]
    assert net.loss(X, y, weight) == pytest.approx(net.loss(X[repeated], y[repeated]))
    np.testing.assert_allclose(
        net.gradient(X, y, weight), net.gradient(X[repeated], y[repeated]), atol=1e-15
    )


def test_gradient_by_name():
    net = Network([2, 3, 2], seed=0)
    X, y = xor()
    named, flat = net.gradient(X, y, by_name=True), net.gradient(X, y)
    assert [*named] == ["W_1", "b_1", "W_2", "b_2"]
    np.testing.assert_array_equal(np.concatenate([v.ravel() for v in named.values()]), flat)


def test_step_is_gradient_descent_on_the_batch(dtype, rtol):
    X, y = xor()
    net = Network([2, 3, 2], seed=0, dtype=dtype)
    expected = net.params - np.asarray(0.3, dtype) * net.gradient(X, y)
    loss = net.loss(X, y)
    assert net.step(X, y, 0.3) == pytest.approx(loss, rel=rtol)
    np.testing.assert_allclose(net.params, expected, rtol=rtol, atol=rtol / 10)


def test_fit_records_validation_and_calls_back():
    X, y = xor()
    seen = []
    net = Network([2, 3, 2], seed=0)
    history = net.fit(X, y, epochs=3, validation_data=(X, y), callbacks=[seen.append])
    assert seen == history.records
    assert [record["epoch"] for record in history] == [1, 2, 3]
    assert set(history.keys()) == {
        "epoch", "loss", "accuracy", "val_loss", "val_accuracy", "gradient_norm", "learning_rate",
        "seconds", "samples_per_second",
    }  # fmt: skip
    assert history[-1]["val_loss"] == pytest.approx(net.loss(X, y))
    assert len(history[:2]) == 2
    assert "3 epochs" in repr(history)
    with pytest.raises(KeyError, match="recorded"):
        history["val_r2"]


def test_regression_records_r2():
    X = np.linspace(-1, 1, 30)[:, None]
    net = Network([1, 1], output="identity", seed=0, dtype="float64")
    history = net.fit(X, 3 * X[:, 0] + 1, epochs=60, batch_size=1, learning_rate=0.05)
    assert history["r2"][-1] > 0.999
    np.testing.assert_allclose(net.weights[0], 3, rtol=1e-2)


@pytest.mark.parametrize(
    "make", [copy.copy, copy.deepcopy, lambda n: pickle.loads(pickle.dumps(n))]
)
def test_copies_are_independent_and_continue_alike(make, engine):
    X, y = xor()
    net = Network([2, 3, 2], seed=0, engine=engine)
    net.fit(X, y, epochs=2)
    twin = make(net)
    assert twin.engine == engine
    net.fit(X, y, epochs=2, batch_size=1)
    assert (twin.params != net.params).any()
    twin.fit(X, y, epochs=2, batch_size=1)
    np.testing.assert_array_equal(twin.params, net.params)


def test_save_and_load(tmp_path):
    net = Network([2, 3, 2], seed=0, l2=0.5, l1=(0.0, 0.25))
    assert net.spec.layer_l1 == (0.0, 0.25)
    net.save(tmp_path / "net.safetensors", extra={"note": "a"})
    again = Network.load(tmp_path / "net.safetensors")
    assert again.spec == net.spec
    np.testing.assert_array_equal(again.params, net.params)


def test_from_params_copies():
    spec = NetworkSpec((2, 2))
    theta = np.zeros(6, np.float32)
    net = Network.from_params(spec, theta)
    net.params[:] = 1
    assert theta.sum() == 0
    with pytest.raises(ValueError, match="shape"):
        Network.from_params(spec, theta[:-1])


def test_repr_is_a_table():
    text = repr(Network([784, 128, 10], l2=0.1))
    assert "(128, 784)" in text
    assert "100,480" in text
    assert "total 101,770" in text
    assert "l2 0.1" in text
    assert "missing targets" not in text
    assert "missing targets ignore" in repr(
        Network([3, 2], output="identity", missing_targets="ignore")
    )


def test_check_gradients():
    X, y = xor()
    assert Network([2, 3, 2], seed=0).check_gradients(X, y).passed


def test_the_engine_can_be_chosen(monkeypatch):
    assert Network([2, 2]).engine == "compiled"
    monkeypatch.setenv("FFNN_FAST_ENGINE", "reference")
    assert Network([2, 2]).engine == "reference"
    with pytest.raises(ValueError, match="engine"):
        Network([2, 2], engine="quantum")


def test_show_config():
    config = ffnn_fast.show_config()
    assert config["version"] == ffnn_fast.__version__
    assert config["isa_level"] in config["isa_available"]
    assert config["blas"]


def test_a_matching_array_is_not_copied(tmp_path):
    from ffnn_fast._model.arrays import as_rows

    X = np.lib.format.open_memmap(tmp_path / "X.npy", "w+", np.float32, (10, 3))
    X[:] = 1
    rows, _ = as_rows(np.load(tmp_path / "X.npy", mmap_mode="r"), NetworkSpec((3, 2)))
    assert isinstance(rows.base, np.memmap) or isinstance(rows, np.memmap)
    assert Network([3, 2]).predict(np.load(tmp_path / "X.npy", mmap_mode="r")).shape == (10,)
