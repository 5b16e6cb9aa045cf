"""Taylor passes: both twins against each other, central differences and JAX."""

import inspect
from dataclasses import replace

import numpy as np
import pytest
from support.cases import TOLERANCES, each
from support.problems import HIDDEN, bound_networks, random_params, relative_error, twins

from ffnn_fast import NetworkSpec, reference
from ffnn_fast._runtime import taylor_calls
from ffnn_fast.engine import isa

SIZES = [(1, 2), (3, 1, 5), (7, 13, 3), (17, 33, 9, 4), (65, 31, 2)]
OUTPUTS = ["softmax", "identity", "logistic", "mish"]


def problem(spec, n, m, rng):
    """X, V and gradients by the results of a pass."""
    X = rng.normal(size=(n, spec.n_inputs)).astype(spec.dtype)
    V = None if m is None else rng.normal(size=(n, m, spec.n_inputs)).astype(spec.dtype)
    m, k = spec.n_inputs if m is None else m, spec.n_outputs
    shapes = ((n, k), (n, m, k), (n, m, k))
    return X, V, tuple(rng.normal(size=shape).astype(spec.dtype) for shape in shapes)


def functional(bound, X, V, gradients):
    """⟨∇ŷ, ŷ⟩ + ⟨∇ẏ, ẏ⟩ + ⟨∇ÿ, ÿ⟩."""
    results = taylor_calls.taylor(bound, X, V)
    return sum((g * r).sum() for g, r in zip(gradients, results, strict=True))


def central_difference(function, x, h=1e-5):
    """∂function/∂x, for a float64 array of x, which is changed meanwhile."""
    gradient = np.empty_like(x)
    for i in range(x.size):
        old = x.flat[i]
        x.flat[i] = old + h
        above = function()
        x.flat[i] = old - h
        gradient.flat[i] = (above - function()) / (2 * h)
        x.flat[i] = old
    return gradient


def compare(engine, spec, n, m, rng, tolerance):
    """All results of both twins agree, with and without second derivatives."""
    X, V, gradients = problem(spec, n, m, rng)
    ours, theirs = twins(spec, random_params(spec, rng), engine)
    pairs = zip(taylor_calls.taylor(ours, X, V), taylor_calls.taylor(theirs, X, V), strict=True)
    assert all(relative_error(*pair) <= tolerance for pair in pairs)
    first = [taylor_calls.taylor(bound, X, V, (False, True, False))[1] for bound in (ours, theirs)]
    assert relative_error(*first) <= tolerance
    gy, g1, g2 = gradients
    for given in (
        (gy, g1, g2),
        (gy, g1, None),
        (None, None, g2),
        (None, g1, None),
        (gy, None, None),
    ):
        both = [taylor_calls.taylor_gradient(bound, X, V, given) for bound in (ours, theirs)]
        assert relative_error(*both) <= tolerance
    rows = [taylor_calls.taylor_jacobian(bound, X, V) for bound in (ours, theirs)]
    assert relative_error(*rows) <= tolerance
    total = np.einsum("ndk,ndkp->p", g1.astype(float), rows[0])
    summed = taylor_calls.taylor_gradient(ours, X, V, (None, g1, None))
    assert relative_error(total, summed) <= tolerance


@pytest.mark.engine
@pytest.mark.parametrize("level", isa.available())
@each(activation=HIDDEN, output=OUTPUTS, dtype=TOLERANCES)
def test_twins_agree_for_every_activation(level, activation, output, dtype, rtol, rng):
    spec = NetworkSpec((5, 7, 3, 4), activation, output, "squared_error", dtype)
    for n, m in ((1, 1), (2, None), (19, 2)):
        compare(isa.load(level), spec, n, m, rng, 5 * rtol)


@pytest.mark.engine
@pytest.mark.parametrize("level", isa.available())
@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("n", [1, 31, 64, 517])
def test_twins_agree_at_odd_sizes(level, sizes, n, dtype, rtol, rng):
    spec = NetworkSpec(sizes, "tanh", "identity", dtype=dtype)
    compare(isa.load(level), spec, n, 2, rng, 5 * rtol)


@pytest.mark.engine
def test_twins_agree_for_several_heads(dtype, rtol, rng):
    spec = NetworkSpec((5, 7, 7), "silu", "softmax", dtype=dtype, heads=(2, 5))
    compare(isa.engine, spec, 21, 3, rng, 5 * rtol)


@pytest.mark.engine
@pytest.mark.parametrize("output", ["identity", "softmax"])
def test_any_number_of_threads_gives_the_same_bits(output, dtype, rng):
    spec = NetworkSpec((60, 300, 200, 3), "tanh", output, dtype=dtype)
    X, V, gradients = problem(spec, 700, 3, rng)
    params = random_params(spec, rng)
    found = []
    for threads in (1, 2, 3, 7):
        plan = isa.engine.Plan(spec, threads, "own")
        bound = replace(bound_networks(spec, params, isa.engine)[0], plan=plan, n_threads=threads)
        results = taylor_calls.taylor(bound, X, V)
        found.append([*results, taylor_calls.taylor_gradient(bound, X, V, gradients)])
    for others in found[1:]:
        for one, other in zip(found[0], others, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("activation", HIDDEN)
def test_derivatives_are_central_differences(activation, output, rng):
    spec = NetworkSpec((3, 6, 5, 4), activation, output, "squared_error", "float64")
    (bound,) = bound_networks(spec, random_params(spec, rng), isa.engine)
    X, V, gradients = problem(spec, 5, 2, rng)
    y_hat, first, second = taylor_calls.taylor(bound, X, V)
    np.testing.assert_array_equal(y_hat, bound.forward(X))
    h = 1e-4
    for d in range(2):
        moved = [bound.forward(X + s * h * V[:, d]) for s in (-2, -1, 0, 1, 2)]
        slope = (moved[0] - 8 * moved[1] + 8 * moved[3] - moved[4]) / (12 * h)
        assert relative_error(first[:, d], slope) <= 1e-9
        below, above = (
            taylor_calls.taylor(bound, X + s * h * V[:, d], V)[1][:, d] for s in (-1, 1)
        )
        assert relative_error(second[:, d], (above - below) / (2 * h)) <= 1e-6
    grad = taylor_calls.taylor_gradient(bound, X, V, gradients)
    numeric = central_difference(lambda: functional(bound, X, V, gradients), bound.params)
    assert relative_error(grad, numeric) <= 1e-6


def test_unit_vectors_are_the_directions_by_default(rng):
    spec = NetworkSpec((3, 6, 2), "tanh", "identity", dtype="float64")
    for bound in twins(spec, random_params(spec, rng), isa.engine):
        X, _, gradients = problem(spec, 20, None, rng)
        V = np.ascontiguousarray(np.broadcast_to(np.eye(3), (20, 3, 3)))
        given, units = taylor_calls.taylor(bound, X, V), taylor_calls.taylor(bound, X, None)
        for one, other in zip(given, units, strict=True):
            np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(
            taylor_calls.taylor_gradient(bound, X, V, gradients),
            taylor_calls.taylor_gradient(bound, X, None, gradients),
        )


@pytest.mark.engine
def test_the_passes_refuse_arrays_that_do_not_fit(rng):
    spec = NetworkSpec((3, 6, 2), "tanh", "identity", dtype="float64")
    (bound,) = bound_networks(spec, random_params(spec, rng), isa.engine)
    X, V, (gy, g1, g2) = problem(spec, 4, 2, rng)
    work, params = taylor_calls.taylor_workspace(bound, 4), bound.params
    for arguments in (
        (X, V[:, :, :2].copy(), gy, g1, g2, work),
        (X, V[:3], gy, g1, g2, work),
        (X, V, gy[:3], g1, g2, work),
        (X, V, gy, g1[:, :1].copy(), g2, work),
        (X, V, gy, g1, g2[:, :, :1].copy(), work),
        (X, V, gy, g1, g2, work[:5]),
        (X.astype("f"), V, gy, g1, g2, work),
    ):
        with pytest.raises(ValueError, match=r"does not fit|dtype"):
            isa.engine.taylor(bound.plan, params, *arguments)
    v, y, weight = np.zeros(spec.n_params), np.zeros(4, int), np.ones(4)
    for name, arguments in (
        ("v", (v[1:].copy(), X, y, weight, v, work)),
        ("Y", (v, X, y[1:], weight, v, work)),
        ("a label in Y", (v, X, y + 2, weight, v, work)),
        ("sample_weight", (v, X, y, weight[1:], v, work)),
        ("product", (v, X, y, weight, v[1:].copy(), work)),
        ("work", (v, X, y, weight, v, work[:5])),
    ):
        with pytest.raises(ValueError, match=f"{name} does not fit"):
            isa.engine.hessian_product(bound.plan, params, *arguments)


def test_every_direction_of_the_lanes_of_one_panel(rng, dtype):
    """A row's results do not depend on the rows beside it."""
    spec = NetworkSpec((3, 6, 2), "gelu", "softmax", dtype=dtype)
    (bound,) = bound_networks(spec, random_params(spec, rng), isa.engine)
    X, V, _ = problem(spec, 70, 2, rng)
    whole = taylor_calls.taylor(bound, X, V)
    for n in (1, 2, 15, 33):
        for part, full in zip(taylor_calls.taylor(bound, X[:n], V[:n]), whole, strict=True):
            np.testing.assert_array_equal(part, full[:n])


def test_the_reference_has_the_same_signatures():
    for name in ("taylor", "taylor_gradient", "hessian_product"):
        assert (
            inspect.signature(getattr(reference, name)).parameters.keys()
            == inspect.signature(getattr(isa.engine, name)).parameters.keys()
        )


def jax_function(spec, params, jnp):
    """ŷ of one x, in JAX."""
    import jax

    functions = {
        "identity": lambda a: a,
        "logistic": jax.nn.sigmoid,
        "tanh": jnp.tanh,
        "softmax": jax.nn.softmax,
        "elu": jax.nn.elu,
        "selu": jax.nn.selu,
        "softplus": jax.nn.softplus,
        "softsign": jax.nn.soft_sign,
        "exp": jnp.exp,
        "gelu": lambda a: jax.nn.gelu(a, approximate=False),
        "gelu_tanh": lambda a: jax.nn.gelu(a, approximate=True),
        "silu": jax.nn.silu,
        "mish": jax.nn.mish,
        "sin": jnp.sin,
    }

    def y_hat(theta, x):
        for (w, b), (o, i), name in zip(
            spec.offsets, spec.shapes, spec.layer_activations, strict=True
        ):
            x = functions[name](theta[w : w + o * i].reshape(o, i) @ x + theta[b : b + o])
        return x

    return y_hat


FAST_COMPILATION = {"xla_backend_optimization_level": 0}  # XLA's; each case is called once
SMOOTH = [name for name in HIDDEN if name not in ("relu", "leaky_relu", "hard_sigmoid")]


@pytest.mark.parametrize(
    ("activation", "output"),
    [
        pytest.param(
            activation, output,
            marks=[pytest.mark.slow] * (output == "softmax" and activation not in ("tanh", "exp")),
        )
        for activation in (*SMOOTH, "exp")
        for output in ("identity", "softmax")
    ],
)  # fmt: skip
def test_jax_agrees_to_ten_digits(activation, output, rng):
    jax = pytest.importorskip("jax")
    jnp = jax.numpy
    spec = NetworkSpec((3, 6, 4), activation, output, "squared_error", "float64")
    params = random_params(spec, rng)
    X, V, (gy, g1, g2) = problem(spec, 7, 2, rng)
    (bound,) = bound_networks(spec, params, isa.engine)
    with jax.enable_x64(True):
        function = jax_function(spec, params, jnp)

        def along(theta, x, v):
            """ŷ, ẏ and ÿ."""

            def first(x):
                return jax.jvp(lambda x: function(theta, x), (x,), (v,))

            (y, y1), (_, y2) = jax.jvp(first, (x,), (v,))
            return y, y1, y2

        every = jax.vmap(jax.vmap(along, in_axes=(None, None, 0)), in_axes=(None, 0, 0))

        def objective(theta):
            y, y1, y2 = every(theta, X, V)
            return (gy * y[:, 0]).sum() + (g1 * y1).sum() + (g2 * y2).sum(), (y, y1, y2)

        both = jax.jit(jax.grad(objective, has_aux=True)).lower(params)
        grad, parts = both.compile(FAST_COMPILATION)(params)
        y, y1, y2 = map(np.array, parts)
    y_hat, first, second = taylor_calls.taylor(bound, X, V)
    assert relative_error(y_hat, y[:, 0]) <= 1e-10
    assert relative_error(first, y1) <= 1e-10
    assert relative_error(second, y2) <= 1e-10
    assert relative_error(taylor_calls.taylor_gradient(bound, X, V, (gy, g1, g2)), grad) <= 1e-10
