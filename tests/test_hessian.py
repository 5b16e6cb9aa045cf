"""Products with ∇²ℒ: both twins, against differences of gradients, and what cannot have them."""

import decimal as digits
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from support.cases import each
from support.problems import (
    HIDDEN,
    PAIRS,
    bound_networks,
    options_of,
    random_params,
    random_problem,
    relative_error,
    twins,
)

from ffnn_fast import Activation, Loss, Network, NetworkSpec
from ffnn_fast._model.samples import Samples
from ffnn_fast._runtime.taylor_calls import hessian_product
from ffnn_fast.engine import isa

pytestmark = pytest.mark.engine
KINKED = ("absolute", "huber", "quantile", "hinge")


def difference(bound, samples, v, h=1e-5):
    """(∇θ(θ + h v) − ∇θ(θ − h v)) / 2 h."""
    above, below = (
        bound.on(bound.params + s * h * v).loss_gradient(samples)[1].copy() for s in (1, -1)
    )
    return (above - below) / (2 * h)


@each(pair=PAIRS)
def test_every_output_and_loss(pair, rng):
    output, loss = pair
    for activation, missing in (("tanh", "refuse"), ("gelu", "ignore")):
        spec = NetworkSpec(
            (4, 6, 3, 4), activation, output, loss, "float64", 0.01,
            loss_options=options_of(output, loss), missing_targets=missing,
        )  # fmt: skip
        for n, weighted in ((1, False), (17, True)):
            samples = random_problem(spec, n, rng, weighted=weighted)
            ours, theirs = twins(spec, random_params(spec, rng), isa.engine)
            v = rng.normal(size=spec.n_params)
            product = hessian_product(ours, samples, v)
            expected = hessian_product(theirs, samples, v)
            assert relative_error(product, expected) <= 1e-11
            numeric = difference(ours, samples, v)
            scale = np.abs(ours.loss_gradient(samples)[1]).max()
            if not (scale == 0 or loss in KINKED):
                assert relative_error(product, numeric) <= 1e-5


@each(
    pair=[("hard_sigmoid", "binary_cross_entropy"), ("softplus", "cross_entropy")],
    options=[{}, {"label_smoothing": 0.1}],
)
def test_cross_entropies_of_outputs_without_a_formula_of_their_own(pair, options, rng):
    spec = NetworkSpec((5, 7, 3), "tanh", *pair, "float64", loss_options=options)
    samples = random_problem(spec, 17, rng, "labels")
    ours, theirs = twins(spec, random_params(spec, rng), isa.engine)
    v = rng.normal(size=spec.n_params)
    product = hessian_product(ours, samples, v)
    assert relative_error(product, hessian_product(theirs, samples, v)) <= 1e-11
    assert relative_error(product, difference(ours, samples, v)) <= 1e-5


def exact_tangent(output, a, y, v):
    """R∇a_L of one sample in decimal numbers, from ŷ, y / ŷ² and so on; None: a missing target."""
    digits.getcontext().prec = 200
    a, v = ([Decimal(float(x)) for x in each] for each in (a, v))
    mass, k = sum(x.exp() for x in a), len(a)
    p = [x.exp() / mass if output == "softmax" else 1 / (1 + (-x).exp()) for x in a]
    J = [
        [p[i] * ((i == j) - (p[j] if output == "softmax" else 0)) for j in range(k)]
        for i in range(k)
    ]
    if output == "logistic":  # with cross-entropy, softmax with binary cross-entropy
        return [y_j * p_j * (1 - p_j) * v_j for y_j, p_j, v_j in zip(y, p, v, strict=True)]
    g = [
        0 if y_j is None else (1 - y_j) / (1 - p_j) - y_j / p_j
        for y_j, p_j in zip(y, p, strict=True)
    ]
    c = [
        0 if y_j is None else (1 - y_j) / (1 - p_j) ** 2 + y_j / p_j**2
        for y_j, p_j in zip(y, p, strict=True)
    ]
    moved = [sum(J[i][j] * v[j] for j in range(k)) for i in range(k)]
    curved = [c_j * m_j for c_j, m_j in zip(c, moved, strict=True)]
    mean, turned = (sum(x * g_j for x, g_j in zip(each, g, strict=True)) for each in (p, moved))
    return [
        sum(J[i][j] * curved[j] for j in range(k)) + moved[i] * (g[i] - mean) - p[i] * turned
        for i in range(k)
    ]


@pytest.mark.parametrize(
    "a_L",
    [(0.3, -0.2, 0.1, 0), (40, 0, -3, 1), (-60, 3, -60, 0), (100, 50, 0, 2), (1, 38, 37.5, -200)],
)
@pytest.mark.parametrize(
    ("output", "loss", "y"),
    [
        ("softmax", "binary_cross_entropy", (1, 0, 0, 0)),
        ("softmax", "binary_cross_entropy", (0, 1, 1, 0.25)),
        ("softmax", "binary_cross_entropy", (None, 0, 0.5, 1)),
        ("logistic", "cross_entropy", (0.5, 0.25, 0.25, 0)),
    ],
)
def test_probabilities_that_round_to_0_or_1_keep_their_digits(a_L, output, loss, y, dtype, rng):
    missing = "ignore" if None in y else "refuse"
    spec = NetworkSpec((1, 4), output=output, loss=loss, dtype=dtype, missing_targets=missing)
    targets = np.array([[np.nan if y_j is None else y_j for y_j in y]], dtype)
    samples = Samples(np.zeros((1, 1), dtype), targets)
    params = np.array([0, 0, 0, 0, *a_L], dtype)
    y = [y_j if y_j is None else Decimal(y_j) for y_j in y]
    for direction in (rng.normal(size=4), np.ones(4), np.eye(4)[1]):
        v = np.array([0, 0, 0, 0, *direction], dtype)
        expected = np.array(exact_tangent(output, params[4:], y, v[4:]), float)
        for bound in twins(spec, params, isa.engine):
            tangent = hessian_product(bound, samples, v)[4:]
            # A common shift changes nothing for a softmax: what is left then is rounding.
            size = np.abs(expected).max()
            tolerance = 1000 * np.finfo(dtype).eps
            if size > 1e-30:
                np.testing.assert_allclose(tangent, expected, rtol=tolerance, atol=1e-30)
            else:
                assert np.abs(tangent).max() <= tolerance


@pytest.mark.parametrize("activation", HIDDEN)
def test_every_activation(activation, dtype, rtol, rng):
    spec = NetworkSpec((5, 7, 3, 4), activation, "softmax", dtype=dtype)
    for kind, n in (("labels", 1), ("dense", 19), ("labels", 300)):
        samples = random_problem(spec, n, rng, kind)
        ours, theirs = twins(spec, random_params(spec, rng), isa.engine)
        v = rng.normal(size=spec.n_params).astype(dtype)
        product = hessian_product(ours, samples, v)
        assert relative_error(product, hessian_product(theirs, samples, v)) <= 5 * rtol
        if dtype == "float64":
            assert relative_error(product, difference(ours, samples, v)) <= 1e-6


def test_several_heads(rng):
    spec = NetworkSpec((5, 7, 7), "tanh", "softmax", dtype="float64", heads=(2, 5))
    samples = random_problem(spec, 21, rng)
    v = rng.normal(size=spec.n_params)
    for bound in twins(spec, random_params(spec, rng), isa.engine):
        assert (
            relative_error(hessian_product(bound, samples, v), difference(bound, samples, v))
            <= 1e-6
        )


@pytest.mark.parametrize("sizes", [(1, 2), (3, 1, 5), (17, 33, 9, 4), (65, 31, 2)])
@pytest.mark.parametrize("n", [1, 31, 64, 517])
def test_odd_sizes(sizes, n, dtype, rtol, rng):
    spec = NetworkSpec(sizes, "silu", "identity", dtype=dtype)
    samples = random_problem(spec, n, rng, weighted=True)
    ours, theirs = twins(spec, random_params(spec, rng), isa.engine)
    v = rng.normal(size=spec.n_params).astype(dtype)
    product = hessian_product(ours, samples, v)
    assert relative_error(product, hessian_product(theirs, samples, v)) <= 5 * rtol


def test_any_number_of_threads_gives_the_same_bits(dtype, rng):
    spec = NetworkSpec((60, 300, 200, 3), "tanh", "softmax", dtype=dtype)
    samples, params = random_problem(spec, 700, rng), random_params(spec, rng)
    v = rng.normal(size=spec.n_params).astype(dtype)
    (bound,) = bound_networks(spec, params, isa.engine)
    found = [
        hessian_product(
            replace(bound, plan=isa.engine.Plan(spec, threads, "own"), n_threads=threads),
            samples, v,
        )
        for threads in (1, 2, 3, 7)
    ]  # fmt: skip
    for other in found[1:]:
        np.testing.assert_array_equal(found[0], other)


def test_the_hessian_is_symmetric_and_linear(rng):
    net = Network([3, 5, 2], activation="softplus", dtype="float64", seed=0)
    X, y = rng.normal(size=(9, 3)), rng.integers(0, 2, 9)
    u, v = rng.normal(size=(2, net.params.size))
    Hu, Hv = net.hvp(X, y, u), net.hvp(X, y, v)
    assert u @ Hv == pytest.approx(v @ Hu, rel=1e-10)
    np.testing.assert_allclose(net.hvp(X, y, 2 * u - v), 2 * Hu - Hv, rtol=1e-9, atol=1e-12)


def test_jax_agrees_to_ten_digits(rng):
    jax = pytest.importorskip("jax")
    jnp = jax.numpy
    net = Network([3, 5, 4, 2], activation="tanh", dtype="float64", seed=0)
    X, y = rng.normal(size=(9, 3)), rng.integers(0, 2, 9)
    v, spec = rng.normal(size=net.params.size), net.spec

    def loss(theta):
        h = X
        for k, ((w, b), (o, i)) in enumerate(zip(spec.offsets, spec.shapes, strict=True), 1):
            a = h @ theta[w : w + o * i].reshape(o, i).T + theta[b : b + o]
            h = jnp.tanh(a) if k < spec.n_layers else jax.nn.log_softmax(a)
        return -h[jnp.arange(9), y].mean()

    with jax.enable_x64(True):
        expected = np.array(jax.jvp(jax.grad(loss), (jnp.array(net.params),), (v,))[1])
    assert relative_error(net.hvp(X, y, v), expected) <= 1e-10


def test_functions_of_ones_own(rng):
    X, y = rng.normal(size=(6, 3)), rng.normal(size=(6, 1))
    own = {"name": "cube", "function": lambda a: a**3, "derivative": lambda a: 3 * a * a}
    cube = Activation(**own, second_derivative=lambda a: 6 * a, third_derivative=np.ones_like)
    net = Network([3, 4, 1], activation=cube, output="identity", dtype="float64", seed=0)
    v = rng.normal(size=net.params.size)
    h = 1e-5
    above, below = (
        Network.from_params(net.spec, net.params + s * h * v).gradient(X, y) for s in (1, -1)
    )
    assert relative_error(net.hvp(X, y, v), (above - below) / (2 * h)) <= 1e-6
    without = Network([3, 4, 1], activation=Activation(**own), output="identity", seed=0)
    for call in (
        lambda: without.hvp(X, y, v),
        lambda: without.taylor(X, X),
        lambda: without.laplacian(X),
    ):
        with pytest.raises(ValueError, match="'cube' has no second_derivative"):
            call()
    with pytest.raises(TypeError, match="second_derivative must be callable"):
        Activation(**own, second_derivative=3)
    wrong = Activation(**own, second_derivative=lambda a: a[0])
    net = Network([3, 4, 1], activation=wrong, output="identity", seed=0)
    with pytest.raises(ValueError, match="must return an array of the shape"):
        net.laplacian(X)


def test_a_loss_of_ones_own_is_refused(rng):
    own = Loss("own", lambda p, y: (p - y) ** 2, lambda p, y: 2 * (p - y))
    net = Network([3, 4, 1], output="identity", loss=own, seed=0)
    with pytest.raises(ValueError, match="'own' is user-defined"):
        net.hvp(np.eye(3), np.zeros(3), np.zeros(net.params.size))


def test_refused_vectors(rng):
    net = Network([3, 4, 1], output="identity", seed=0)
    with pytest.raises(ValueError, match=r"v must have shape \(21,\), got \(20,\)"):
        net.hvp(np.eye(3), np.zeros(3), np.zeros(20))
    with pytest.raises(ValueError, match="v must be finite"):
        net.hvp(np.eye(3), np.zeros(3), np.full(21, np.nan))
