"""Vector-Jacobian products and Jacobians beside JAX and PyTorch, and ŷ with its Jacobian per row.

Every benchmark first checks that both give the same result; those of a library that is not
installed are skipped.
"""

import numpy as np
import pytest

from ffnn_fast import Network

CASES = {"vjp": ((4, 64, 64, 2), 64), "jacobian": ((3, 64, 64, 3), 1000)}


def case(name):
    """A tanh network with inputs and, for each output, a vector."""
    sizes, n = CASES[name]
    rng = np.random.default_rng(0)
    X, u = (rng.normal(size=(n, width)).astype(np.float32) for width in (sizes[0], sizes[-1]))
    return Network(sizes, output="identity", seed=0, n_threads=1), X, u


def jax_functions(net):
    """The network as a function of (layers, x), the layers, and JAX."""
    jax = pytest.importorskip("jax")

    def network(layers, x):
        for W, b in layers[:-1]:
            x = jax.numpy.tanh(x @ W.T + b)
        W, b = layers[-1]
        return x @ W.T + b

    layers = [
        (jax.numpy.array(W), jax.numpy.array(b))
        for W, b in zip(net.weights, net.biases, strict=True)
    ]
    return network, layers, jax


def test_vjp(benchmark):
    net, X, u = case("vjp")
    benchmark.group = "vjp of 4-64-64-2, 64 rows"
    benchmark(net.vjp, X, u)


def test_vjp_by_jax(benchmark):
    net, X, u = case("vjp")
    network, layers, jax = jax_functions(net)

    @jax.jit
    def products(layers, X, u):
        y_hat, back = jax.vjp(network, layers, X)
        return y_hat, *back(u)

    given = (layers, jax.numpy.array(X), jax.numpy.array(u))
    np.testing.assert_allclose(products(*given)[2], net.vjp(X, u).grad_X, rtol=1e-3, atol=1e-5)
    benchmark.group = "vjp of 4-64-64-2, 64 rows"
    benchmark(lambda: jax.block_until_ready(products(*given)))


def test_jacobian(benchmark):
    net, X, _ = case("jacobian")
    benchmark.group = "jacobian of 3-64-64-3, 1000 rows"
    benchmark(net.jacobian, X)


def test_jacobian_by_jax(benchmark):
    net, X, _ = case("jacobian")
    network, layers, jax = jax_functions(net)
    rows = jax.jit(jax.vmap(jax.jacrev(network, argnums=1), (None, 0)))
    given = (layers, jax.numpy.array(X))
    np.testing.assert_allclose(rows(*given), net.jacobian(X), rtol=1e-3, atol=1e-5)
    benchmark.group = "jacobian of 3-64-64-3, 1000 rows"
    benchmark(lambda: rows(*given).block_until_ready())


def test_jacobian_by_torch(benchmark):
    torch = pytest.importorskip("torch")
    net, X, _ = case("jacobian")
    torch.set_num_threads(1)
    layers = []
    for W, b in zip(net.weights, net.biases, strict=True):
        linear = torch.nn.Linear(*W.shape[::-1])
        linear.weight.data[:], linear.bias.data[:] = torch.tensor(W), torch.tensor(b)
        layers += [linear, torch.nn.Tanh()]
    rows = torch.func.vmap(torch.func.jacrev(torch.nn.Sequential(*layers[:-1])))
    given = torch.tensor(X)
    np.testing.assert_allclose(rows(given).detach().numpy(), net.jacobian(X), rtol=1e-3, atol=1e-5)
    benchmark.group = "jacobian of 3-64-64-3, 1000 rows"
    benchmark(rows, given)


@pytest.mark.parametrize("jacobian", [False, True])
def test_predictor_of_one_row(benchmark, jacobian):
    predict = Network([8, 64, 64, 4], output="identity", seed=0).predictor(jacobian=jacobian)
    x = np.ones(8, dtype=np.float32)
    out = [np.empty((1, 4), np.float32), np.empty((1, 4, 8), np.float32)][: 1 + jacobian]
    benchmark.group = "one row of 8-64-64-4"
    benchmark(predict, x, *out)
