"""Jacobians of the outputs: both twins, against each other and central differences."""

import numpy as np
import pytest
from support.cases import TOLERANCES, each
from support.problems import HIDDEN, random_params, relative_error, twins

from ffnn_fast import Network, NetworkSpec, reference
from ffnn_fast._runtime import bound_network
from ffnn_fast._runtime.bound_network import BoundNetwork
from ffnn_fast._runtime.durations import LONG_CALL
from ffnn_fast.activations import OUTPUTS
from ffnn_fast.engine import isa

ROWS = (1, 4, 19, 33)
SIZES = [(1, 2), (40, 5), (3, 1, 5), (3, 9, 7, 40), (17, 33, 9, 4), (65, 31, 30)]
BACKENDS = {"reference": reference, "engine": isa.engine}


def results(bound, X, V):
    """The three Jacobians, and ŷ, of the rows of X in the directions V."""
    y_hat, out = bound.jvp(X, V)
    return y_hat, out, bound.jacobian(X), bound.parameter_jacobian(X)


def compare(engine, spec, n, rng, tolerance):
    """All results of both twins agree."""
    X, V = (rng.normal(size=(n, spec.n_inputs)).astype(spec.dtype) for _ in range(2))
    ours, theirs = twins(spec, random_params(spec, rng), engine)
    for got, expected in zip(results(ours, X, V), results(theirs, X, V), strict=True):
        assert relative_error(got, expected) <= tolerance


@pytest.mark.engine
@pytest.mark.parametrize("activation", HIDDEN)
@each(output=OUTPUTS, dtype=TOLERANCES)
def test_every_activation_and_output(engine, activation, output, dtype, rtol, rng):
    spec = NetworkSpec((5, 7, 3, 4), activation, output, "squared_error", dtype)
    for n in ROWS:
        compare(engine, spec, n, rng, rtol)


@pytest.mark.engine
@each(sizes=SIZES, output=["softmax", "logistic"], n=[1, 2, 70], dtype=TOLERANCES)
def test_odd_sizes_in_either_mode(engine, sizes, output, n, dtype, rtol, rng):
    compare(engine, NetworkSpec(sizes, "tanh", output, "squared_error", dtype), n, rng, rtol)


@pytest.mark.engine
def test_heads(engine, dtype, rtol, rng):
    spec = NetworkSpec((5, 7, 5), "tanh", heads=(2, 3), dtype=dtype)
    for n in ROWS:
        compare(engine, spec, n, rng, rtol)


@pytest.mark.engine
@pytest.mark.parametrize("sizes", [(5, 500, 500, 3), (3, 500, 500, 40)])
def test_matrices_larger_than_the_cache(engine, sizes, rng):
    """Several rows or columns of a Jacobian go through the layers together."""
    spec = NetworkSpec(sizes, "tanh", dtype="float64")
    ours, theirs = twins(spec, random_params(spec, rng), engine)
    X, V = rng.normal(size=(2, 35, sizes[0]))
    assert relative_error(ours.jacobian(X), theirs.jacobian(X)) <= 1e-11
    assert relative_error(ours.jvp(X, V)[1], theirs.jvp(X, V)[1]) <= 1e-11


@pytest.mark.engine
@pytest.mark.parametrize("n", [1, 3, 33])
def test_where_blas_computes_other_products(engine, n, dtype, rtol, rng):
    spec = NetworkSpec((21, 34, 13, 4), "silu", dtype=dtype)
    X, V = (rng.normal(size=(n, 21)).astype(dtype) for _ in range(2))
    params = random_params(spec, rng)
    ours = BoundNetwork(spec, engine.Plan(spec, 2, "blas"), params, engine, calls_blas=True)
    _, theirs = twins(spec, params, engine)
    for got, expected in zip(results(ours, X, V), results(theirs, X, V), strict=True):
        assert relative_error(got, expected) <= rtol


@pytest.mark.engine
@pytest.mark.parametrize("sizes", [(7, 265, 133, 5), (3, 265, 133, 9)])
def test_same_bits_for_any_number_of_threads(engine, sizes, dtype, rng):
    spec = NetworkSpec(sizes, "tanh", dtype=dtype)
    X, V = (rng.normal(size=(700, sizes[0])).astype(dtype) for _ in range(2))
    params, found = random_params(spec, rng), []
    for n_threads in (1, 2, 3, 5):
        bound = BoundNetwork(spec, engine.Plan(spec, n_threads), params, engine)
        found.append((*bound.jvp(X, V), bound.jacobian(X), bound.parameter_jacobian(X[:40])))
    for other in found[1:]:
        for got, expected in zip(other, found[0], strict=True):
            np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("backend", BACKENDS.values(), ids=BACKENDS)
@pytest.mark.parametrize("activation", HIDDEN)
@each(output=OUTPUTS)
def test_central_differences(backend, activation, output, rng):
    spec = NetworkSpec((4, 5, 6, 3), activation, output, "squared_error", "float64")
    params, X = random_params(spec, rng), rng.normal(size=(6, 4))
    bound = BoundNetwork(spec, backend.Plan(spec), params, backend)
    J, step = bound.jacobian(X), 1e-6
    for d in range(4):
        moved = [X.copy(), X.copy()]
        moved[0][:, d] += step
        moved[1][:, d] -= step
        slope = (bound.forward(moved[0]) - bound.forward(moved[1])) / (2 * step)
        assert relative_error(J[:, :, d], slope) <= 1e-6
    J = bound.parameter_jacobian(X)
    for m in rng.choice(spec.n_params, 12, replace=False):
        ends = [params.copy(), params.copy()]
        ends[0][m] += step
        ends[1][m] -= step
        slope = (bound.on(ends[0]).forward(X) - bound.on(ends[1]).forward(X)) / (2 * step)
        np.testing.assert_allclose(J[:, :, m], slope, atol=1e-6 * np.abs(J).max())


@pytest.mark.engine
def test_products_are_those_with_the_jacobians(engine, rng):
    for sizes in SIZES:
        spec = NetworkSpec(sizes, "gelu", dtype="float64")
        bound, _ = twins(spec, random_params(spec, rng), engine)
        X, V = rng.normal(size=(2, 37, sizes[0]))
        u = rng.normal(size=(37, sizes[-1]))
        J, by_params = bound.jacobian(X), bound.parameter_jacobian(X)
        y_hat, grad, grad_X = bound.vjp(X, u)
        assert relative_error(bound.jvp(X, V)[1], np.einsum("nji,ni->nj", J, V)) <= 1e-12
        assert relative_error(grad_X, np.einsum("nji,nj->ni", J, u)) <= 1e-12
        assert relative_error(grad, np.einsum("njm,nj->m", by_params, u)) <= 1e-12
        np.testing.assert_array_equal(y_hat, bound.forward(X))


def test_a_row_has_the_same_jacobian_among_others(rng):
    spec = NetworkSpec((5, 17, 9, 4), "tanh", dtype="float64")
    bound, _ = twins(spec, random_params(spec, rng), isa.engine)
    X = rng.normal(size=(40, 5))
    alone = np.concatenate([bound.jacobian(x[None]) for x in X])
    np.testing.assert_allclose(bound.jacobian(X), alone, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("backend", BACKENDS.values(), ids=BACKENDS)
def test_a_predictor_with_the_jacobian(backend, dtype, rng):
    spec = NetworkSpec((5, 9, 3), "tanh", dtype=dtype)
    bound = BoundNetwork(spec, backend.Plan(spec), random_params(spec, rng), backend)
    for n in (1, 2, 40):
        X = rng.normal(size=(n, 5)).astype(dtype)
        predict = bound.jacobian_predictor(n)
        y_hat, J = predict(X)
        out, jacobian_out = np.empty((n, 3), dtype), np.empty((n, 3, 5), dtype)
        assert predict(X, out, jacobian_out)[0] is out
        assert predict(X, jacobian_out=jacobian_out)[1] is jacobian_out
        for got, expected in ((y_hat, bound.forward(X)), (J, bound.jacobian(X))):
            np.testing.assert_allclose(got, expected, rtol=1e-5 if dtype == "float32" else 1e-12)
        np.testing.assert_array_equal(out, y_hat)
        np.testing.assert_array_equal(jacobian_out, J)
        for bad in (X.tolist(), X[:, :4], X.astype("int32")):
            with pytest.raises(ValueError, match="expected C-contiguous"):
                predict(bad)
        with pytest.raises(ValueError, match=f"jacobian_out of {n * 15}"):
            predict(X, None, np.empty((n, 3, 4), dtype))
        with pytest.raises(ValueError, match="expected C-contiguous"):
            predict(X, np.empty((n, 4), dtype))


@pytest.mark.engine
def test_arrays_that_do_not_fit_are_refused(engine, rng):
    spec = NetworkSpec((3, 4, 2), dtype="float64")
    bound, _ = twins(spec, random_params(spec, rng), engine)
    X, u, call = rng.normal(size=(5, 3)), rng.normal(size=(5, 2)), (bound.plan, bound.params)
    grad, J = np.empty(spec.n_params), np.empty((5, 2, 3))
    work = np.zeros(engine.jacobian_workspace_size(bound.plan, 5))
    for name, function, given in [
        ("grad_y_hat", engine.vjp, (u[:4], None, None, None, work)),
        ("grad_y_hat", engine.vjp, (None, None, None, None, work)),
        ("y_hat", engine.vjp, (u, u[:, :1].copy(), None, None, work)),
        ("grad", engine.vjp, (u, None, grad[1:], None, work)),
        ("grad_X", engine.vjp, (u, None, None, u, work)),
        ("work", engine.vjp, (u, None, grad, None, work[:5])),
        ("J", engine.input_jacobian, (None, J[:4], work)),
        ("J", engine.input_jacobian, (None, J.reshape(5, 6), work)),
        ("y_hat", engine.input_jacobian, (X, J, work)),
        ("work", engine.input_jacobian, (None, J, work[:-1])),
        ("V", engine.jvp, (u, None, u, work)),
        ("out", engine.jvp, (X, None, X, work)),
        ("J", engine.parameter_jacobian, (J, work)),
    ]:
        with pytest.raises(ValueError, match=f"^{name} does not fit"):
            function(*call, X, *given)


def test_against_jax(rng):
    jax = pytest.importorskip("jax", reason="needs JAX to compare with")
    jax.config.update("jax_enable_x64", True)
    names = {
        "tanh": jax.numpy.tanh, "logistic": jax.nn.sigmoid, "relu": jax.nn.relu,
        "gelu": lambda a: jax.nn.gelu(a, approximate=False), "gelu_tanh": jax.nn.gelu,
        "silu": jax.nn.silu, "softplus": jax.nn.softplus, "elu": jax.nn.elu,
        "selu": jax.nn.selu, "mish": jax.nn.mish, "softsign": jax.nn.soft_sign,
        "sin": jax.numpy.sin, "leaky_relu": jax.nn.leaky_relu,
        "hard_sigmoid": jax.nn.hard_sigmoid,
    }  # fmt: skip
    X, V = rng.normal(size=(2, 7, 5))
    u = rng.normal(size=(7, 4))
    for activation, g in names.items():
        spec = NetworkSpec((5, 8, 6, 4), activation, "softmax", dtype="float64")
        params = random_params(spec, rng)

        def network(theta, x, spec=spec, g=g):
            h = x
            for k, ((w, b), (o, i)) in enumerate(zip(spec.offsets, spec.shapes, strict=True), 1):
                a = theta[w:b].reshape(o, i) @ h + theta[b : b + o]
                h = g(a) if k < spec.n_layers else jax.nn.softmax(a)
            return h

        both = jax.jit(jax.vmap(jax.jacrev(network, argnums=(0, 1)), (None, 0))).lower(params, X)
        compiled = both.compile({"xla_backend_optimization_level": 0})  # is called once
        by_params, J = (np.asarray(part) for part in compiled(params, X))
        bound, _ = twins(spec, params, isa.engine)
        _, grad, grad_X = bound.vjp(X, u)
        for got, expected in [
            (bound.jacobian(X), J),
            (bound.parameter_jacobian(X), by_params),
            (bound.jvp(X, V)[1], np.einsum("nji,ni->nj", J, V)),
            (grad, np.einsum("njm,nj->m", by_params, u)),
            (grad_X, np.einsum("nji,nj->ni", J, u)),
        ]:
            assert relative_error(got, expected) <= 1e-10, activation


def test_against_torch(rng):
    torch = pytest.importorskip("torch", reason="needs PyTorch to compare with")
    from ffnn_fast import Network, to_torch

    net = Network([5, 8, 4], activation="silu", output="softmax", dtype="float64", seed=0)
    module, X = to_torch(net), rng.normal(size=(6, 5))
    found = [torch.autograd.functional.jacobian(module, torch.tensor(x[None]))[0] for x in X]
    expected = np.array([J[:, 0].numpy() for J in found])
    logits = relative_error(net.jacobian(X), expected) > 1e-10
    if logits:  # the module ends at a_L, as torch's cross-entropy takes it
        y_hat = net.forward(X)
        inner = np.einsum("nj,nji->ni", y_hat, expected)
        expected = y_hat[:, :, None] * (expected - inner[:, None])
    assert relative_error(net.jacobian(X), expected) <= 1e-10


def test_a_large_parameter_jacobian_does_not_block_signals(monkeypatch):
    """The 300 MB that it writes take longer than its operations."""
    seconds = []
    monkeypatch.setattr(bound_network, "within", lambda s, *_, **__: seconds.append(s))
    net = Network([200, 500, 500, 50], output="identity", seed=0)
    net.parameter_jacobian(np.zeros((4, 200)))
    assert seconds[0] > LONG_CALL
