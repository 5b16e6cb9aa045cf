"""Losses: values by hand and from torch, layouts, domains, options, missing targets, one's own."""

import numpy as np
import pytest
from support.cases import TOLERANCES, each
from support.problems import PAIRS, options_of, random_params, random_targets, twins

from ffnn_fast import Loss, Network, NetworkSpec
from ffnn_fast._model.arrays import as_targets
from ffnn_fast._model.samples import Samples
from ffnn_fast.engine import isa
from ffnn_fast.losses import LOSSES, REAL, loss_of

LOG2 = np.log(2)
# loss, options, ŷ, y, ℓ, ∂ℓ/∂ŷ for one sample, worked out on paper
BY_HAND = [
    ("squared_error", {}, [3, -1], [1, -1], 4, [4, 0]),
    ("half_squared_error", {}, [3, -1], [1, -1], 2, [2, 0]),
    ("absolute", {}, [3, -1, 0], [1, -1, 1], 3, [1, 0, -1]),
    ("huber", {"delta": 0.5}, [3, 0.25, 0], [1, 0, 2], 0.5 * 1.75 * 2 + 1 / 32, [0.5, 0.25, -0.5]),
    ("log_cosh", {}, [LOG2, 0], [0, 0], np.log(1.25), [0.6, 0]),
    ("poisson", {}, [2, 0.5], [0, 3], 2.5 + 3 * LOG2, [1, -5]),
    ("quantile", {"quantiles": (0.25, 0.5)}, [1, 3, 0, 0], [2, 4], 0.75 + 3,
     [-0.25, 0.5, -0.25, -0.5]),
    ("gaussian_nll", {}, [1, 5, 0, LOG2], [3, 5], 2 + LOG2 / 2, [-2, 0, 0.5 - 2, 0.5]),
    ("hinge", {}, [0.5, 0.2, -1], [0, 1, 0], 1.3, [1, -1, 0]),
    ("hinge", {}, [0.5, 2, -1], [0, 1, 0], 0, [0, 0, 0]),
    ("linear", {}, [0.5, -2, 1], [2, 0.5, -3], 1 - 1 - 3, [2, 0.5, -3]),
    ("cross_entropy", {}, [0.5, 0.25, 0.25], [0, 1, 0], 2 * LOG2, [0, -4, 0]),
    ("cross_entropy", {"label_smoothing": 0.5}, [0.5, 0.5], [1, 0], LOG2, [-1.5, -0.5]),
    ("binary_cross_entropy", {}, [0.5, 0.25], [1, 0], LOG2 - np.log(0.75), [-2, 4 / 3]),
    ("binary_cross_entropy", {"label_smoothing": 0.5}, [0.5], [1], LOG2, [-1]),
]  # fmt: skip
P = np.array([[0.5, -1.2, 2.0], [0.1, 0.4, -0.3]])
Y = np.array([[0.0, 1.0, 1.9], [-2.0, 0.4, 0.6]])
# values and gradients of torch.nn.functional, version 2, float64
TORCH = [
    ("huber", {"delta": 0.7}, P, Y, [1.425, 1.61], [[0.5, -0.7, 0.1], [0.7, 0, -0.7]]),
    ("poisson", {}, abs(P), abs(Y), [2.200698800142149, 6.4940701613333145],
     [[1, 1 / 6, 0.05], [-19, 0, -1]]),
    ("gaussian_nll", {}, np.array([[0.5, -1.2, 0.3, -0.8]]), np.array([[1.0, -1.0]]),
     [-0.11288690384493594],
     [[-0.37040911034085894, -0.4451081856984935, 0.4073977224147853, 0.4554891814301507]]),
]  # fmt: skip


def one_layer(spec, y_hat, rows):
    """Machines of both engines whose a_L is y_hat: X is the unit matrix, W_1 the outputs."""
    params = np.concatenate([y_hat.T.ravel(), np.zeros(y_hat.shape[1])]).astype(spec.dtype)
    return twins(spec, params, isa.engine)


@pytest.mark.parametrize(("name", "options", "y_hat", "y", "value", "gradient"), BY_HAND)
def test_values_by_hand(name, options, y_hat, y, value, gradient):
    p, y = np.array([y_hat], float), np.array([y], float)
    spec = NetworkSpec((1, p.shape[1]), (), "identity", name, "float64", loss_options=options)
    X = np.ones((1, 1))
    for bound in one_layer(spec, p, 1):
        found, grad = bound.loss_gradient(Samples(X, y))
        assert found == pytest.approx(value, rel=1e-12, abs=1e-15)
        assert bound.loss(Samples(X, y)) == pytest.approx(value, rel=1e-12, abs=1e-15)
        np.testing.assert_allclose(spec.biases(grad)[0], gradient, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(("name", "options", "p", "y", "values", "gradients"), TORCH)
def test_torch_has_the_same_numbers(name, options, p, y, values, gradients):
    loss = LOSSES[name]
    found = loss.value(p, y, **options)
    np.testing.assert_allclose(found.sum(axis=1), values, rtol=1e-12)
    np.testing.assert_allclose(loss.gradient(p, y, **options), gradients, rtol=1e-12, atol=1e-15)


def test_label_smoothing_as_in_torch(dtype):
    """torch.nn.functional.cross_entropy(P, [2, 0], label_smoothing=0.1), labels and one-hot rows"""
    spec = NetworkSpec((2, 3), dtype=dtype, loss_options={"label_smoothing": 0.1})
    expected = np.mean([0.39086280380246485, 1.1086493860167086])
    slopes = np.array([[0.14320872553303782, -0.001082007876099328, -0.14212671765693852],
                       [-0.6022271146389793, 0.4136133122144268, 0.1886138024245526]])  # fmt: skip
    rtol = 1e-6 if dtype == "float32" else 1e-12
    for Y in (np.array([2, 0]), np.eye(3, dtype=dtype)[[2, 0]]):
        for bound in one_layer(spec, P, 2):
            value, grad = bound.loss_gradient(Samples(np.eye(2, dtype=dtype), Y))
            assert value == pytest.approx(expected, rel=rtol)
            np.testing.assert_allclose(spec.weights(grad)[0].T, slopes / 2, rtol=1e-4, atol=1e-7)


def test_every_loss_has_a_value_by_hand():
    assert {row[0] for row in BY_HAND} == set(LOSSES)


@each(pair=PAIRS, n=[1, 5, 40], dtype=TOLERANCES)
def test_missing_targets_are_passed_over(pair, n, dtype, rtol, rng):
    """As a sum over what is there, and with no share in the gradient."""
    output, loss = pair
    spec = NetworkSpec(
        (3, 5, 4), "tanh", output, loss, dtype, missing_targets="ignore",
        loss_options=options_of(output, loss),
    )  # fmt: skip
    X = rng.normal(size=(n, 3)).astype(dtype)
    Y = random_targets(spec, n, rng)
    Y[0] = np.nan
    ours, theirs = twins(spec, random_params(spec, rng), isa.engine)
    value, grad = ours.loss_gradient(Samples(X, Y))
    expected, expected_grad = theirs.loss_gradient(Samples(X, Y))
    cancelled = rtol if loss == "linear" else 0  # of terms of either sign no digit may be left
    assert value == pytest.approx(expected, rel=rtol, abs=cancelled)
    np.testing.assert_allclose(grad, expected_grad, rtol=0, atol=rtol * np.abs(grad).max() + 1e-300)
    known = ~np.isnan(Y).all(axis=1)
    if known.any():  # a sample with nothing known counts in the mean only
        rest = ours.loss(Samples(X[known], Y[known]))
        assert value == pytest.approx(rest * known.sum() / n, rel=10 * rtol, abs=cancelled)
    else:
        assert value == 0


def test_one_missing_entry_takes_its_share_only():
    spec = NetworkSpec((1, 2), (), "identity", "absolute", "float64", missing_targets="ignore")
    for bound in one_layer(spec, np.array([[1.0, 5.0]]), 1):
        value, grad = bound.loss_gradient(Samples(np.ones((1, 1)), np.array([[np.nan, 2.0]])))
        assert value == 3
        np.testing.assert_array_equal(spec.biases(grad)[0], [0, 1])


def legal_and_illegal(domain, k, rng):
    """A row in the domain, and rows just outside of it."""
    low, high = max(domain.low, -5), min(domain.high, 5)
    if domain.row == "any":
        row = rng.uniform(low, high, k)
    else:
        row = np.eye(k)[1] if domain.row == "one-hot" else rng.dirichlet(np.ones(k))
    illegal = [bound for bound in (domain.low - 0.1, domain.high + 0.1) if np.isfinite(bound)]
    rows = [np.concatenate([[bound], row[1:]]) for bound in illegal]
    if domain.row != "any":
        rows.append(row / 2)
    if domain.row == "one-hot":
        rows.append(np.full(k, 1 / k))
    return row, rows


@pytest.mark.parametrize("name", LOSSES)
def test_domains(name, rng):
    domain = LOSSES[name].targets
    spec = NetworkSpec((2, 4), (), "identity", name, "float64")
    k = spec.n_targets
    row, illegal = legal_and_illegal(domain, k, rng)
    np.testing.assert_array_equal(as_targets(row[None], spec, 1), row[None])
    assert (domain == REAL) == (not illegal)
    for bad in illegal:
        with pytest.raises(ValueError, match=f"for {name}"):
            as_targets(np.stack([row, bad]), spec, 2)
    with pytest.raises(ValueError, match="finite"):
        as_targets(np.full((1, k), np.nan), spec, 1)


@pytest.mark.parametrize("name", LOSSES)
def test_missing_targets_where_they_are_allowed(name, rng):
    domain = LOSSES[name].targets
    spec = NetworkSpec((2, 4), (), "identity", name, "float64", missing_targets="ignore")
    row, illegal = legal_and_illegal(domain, spec.n_targets, rng)
    given = np.stack([row, np.full_like(row, np.nan)])
    np.testing.assert_array_equal(as_targets(given, spec, 2), given)
    for bad in illegal:
        with pytest.raises(ValueError, match=f"for {name}"):
            as_targets(np.stack([bad, row]), spec, 2)
    part = np.where(np.arange(len(row)) == 0, np.nan, row)[None]
    if domain.row == "any":
        as_targets(part, spec, 1)
    else:
        with pytest.raises(ValueError, match="as a whole"):
            as_targets(part, spec, 1)
    with pytest.raises(ValueError, match="finite"):
        as_targets(np.full((1, spec.n_targets), np.inf), spec, 1)


@pytest.mark.parametrize(
    ("loss", "options", "error", "match"),
    [
        ("huber", {"delta": 0}, ValueError, "delta of huber must be a number"),
        ("huber", {"delta": "wide"}, ValueError, "delta of huber"),
        ("huber", {"width": 1}, ValueError, "expected delta; got width"),
        ("absolute", {"delta": 1}, ValueError, "expected none; got delta"),
        ("quantile", {"quantiles": (0.5, 0.1)}, ValueError, "larger than the one before"),
        ("quantile", {"quantiles": ()}, ValueError, r"in \(0, 1\)"),
        ("quantile", {"quantiles": 1.5}, ValueError, r"in \(0, 1\)"),
        ("quantile", {"quantiles": "all"}, ValueError, "numbers"),
        ("cross_entropy", {"label_smoothing": 1}, ValueError, r"\[0, 1\)"),
        ("quantile", {"quantiles": (0.2, 0.4, 0.6)}, ValueError, "3 outputs for each target"),
        ("huber", 0.5, TypeError, "mapping"),
    ],
)
def test_options_are_checked(loss, options, error, match):
    with pytest.raises(error, match=match):
        NetworkSpec((2, 4), (), "identity", loss, loss_options=options)


def test_heads_need_outputs_of_their_own():
    with pytest.raises(ValueError, match="softmax"):
        NetworkSpec((2, 4), loss="gaussian_nll")
    with pytest.raises(ValueError, match="2 outputs for each target"):
        NetworkSpec((2, 3), output="identity", loss="gaussian_nll")
    with pytest.raises(ValueError, match="hinge needs at least 2"):
        NetworkSpec((2, 1), output="identity", loss="hinge")
    with pytest.raises(ValueError, match="missing_targets"):
        NetworkSpec((2, 1), output="identity", missing_targets="drop")


def test_gaussian_heads_learn_mean_and_variance(rng):
    X = rng.normal(size=(2000, 1))
    y = 2 * X[:, 0] + np.exp(0.5 * X[:, 0]) * rng.normal(size=2000)
    net = Network([1, 2], output="identity", loss="gaussian_nll", dtype="float64", seed=0)
    assert net.spec.n_targets == 1
    net.fit(X, y, epochs=60, learning_rate=0.05)
    np.testing.assert_allclose(net.weights[0].ravel(), [2, 1], atol=0.15)
    assert net.predict(X).shape == (2000, 2)
    assert net.score(X, y) == pytest.approx(1 - np.var(y - 2 * X[:, 0]) / np.var(y), abs=0.02)


def test_quantiles_are_quantiles(rng):
    y = rng.normal(size=(4000, 2)) * [1, 3]
    X = np.ones((4000, 1))
    levels = (0.1, 0.5, 0.9)
    net = Network(
        [1, 6], output="identity", loss="quantile", loss_options={"quantiles": levels},
        dtype="float64", seed=0,
    )  # fmt: skip
    net.fit(X, y, epochs=60, batch_size=200, learning_rate=0.3)
    found = net.predict(X[:1]).reshape(2, 3)
    np.testing.assert_allclose(found, np.quantile(y, levels, axis=0).T, atol=0.25)
    assert net.score(X, y) == pytest.approx(0, abs=0.01)


def test_hinge_classifies_but_gives_no_probabilities(rng):
    X = rng.normal(size=(300, 2))
    labels = (X[:, 0] > 0) + (X[:, 1] > 0).astype(int)
    net = Network([2, 16, 3], output="identity", loss="hinge", seed=0)
    net.fit(X, labels, epochs=30)
    assert net.score(X, labels) > 0.9
    assert net.score(X, np.eye(3)[labels]) == net.score(X, labels)
    with pytest.raises(ValueError, match="probabilities"):
        net.predict_proba(X)


def test_several_labels_for_each_sample(rng):
    """Multi-label targets: logistic outputs, each a class of its own, some of them unknown."""
    X = rng.normal(size=(400, 2))
    labels = (X[:, [0, 1, 0]] > [0, 0, 1]).astype(float)
    net = Network([2, 8, 3], output="logistic", missing_targets="ignore", seed=0)
    given = np.where(rng.random(labels.shape) < 0.3, np.nan, labels)
    net.fit(X, given, epochs=30, learning_rate=0.5)
    np.testing.assert_array_equal(net.predict(X), net.predict_proba(X) >= 0.5)
    right = net.predict(X) == labels
    assert right.mean() > 0.95
    assert net.score(X, given) == right[~np.isnan(given)].mean()


def test_score_leaves_missing_values_out(rng):
    net = Network([2, 3], output="identity", missing_targets="ignore", seed=0)
    X, y = rng.normal(size=(50, 2)), rng.normal(size=(50, 3))
    y[:20, 0] = np.nan
    y[:, 1] = np.nan
    apart = [Network([2, 1], output="identity") for _ in range(2)]
    for one, column in zip(apart, (0, 2), strict=True):
        one.weights[0][:], one.biases[0][:] = net.weights[0][column], net.biases[0][column]
    expected = [apart[0].score(X[20:], y[20:, 0]), apart[1].score(X, y[:, 2])]
    assert net.score(X, y) == pytest.approx(np.mean(expected), rel=1e-6)


def cubic(p, y):
    return np.abs(p - y) ** 3


def cubic_gradient(p, y):
    return 3 * (p - y) * np.abs(p - y)


@pytest.mark.parametrize("joint", [True, False])
def test_a_loss_of_your_own(joint, rng, tmp_path):
    value = (lambda p, y: cubic(p, y).sum(axis=1)) if joint else cubic
    mine = Loss("cubic", value, cubic_gradient, joint=joint)
    net = Network([3, 4, 2], output="identity", loss=mine, dtype="float64", seed=0)
    X, y = rng.normal(size=(6, 3)), rng.normal(size=(6, 2))
    assert net.engine == "reference"
    assert net.loss(X, y) == pytest.approx(cubic(net.forward(X), y).sum(axis=1).mean())
    assert net.check_gradients(X, y).passed
    assert "cubic" in repr(net)
    with pytest.raises(ValueError, match="'cubic'"):
        net.save(tmp_path / "net.safetensors")


def test_missing_targets_of_a_loss_of_your_own(rng):
    mine = Loss("cubic", cubic, cubic_gradient, joint=False)
    net = Network([3, 2], output="identity", loss=mine, missing_targets="ignore", seed=0)
    X, y = rng.normal(size=(1, 3)), np.array([[np.nan, 1.0]])
    assert net.loss(X, y) == pytest.approx(cubic(net.forward(X), y)[0, 1], rel=1e-5)


@pytest.mark.parametrize(
    ("arguments", "match"), [((3, cubic, cubic), "name"), (("f", 3, cubic), "callable")]
)
def test_what_is_no_loss(arguments, match):
    with pytest.raises(TypeError, match=match):
        Loss(*arguments)
    assert loss_of("huber") is LOSSES["huber"]
