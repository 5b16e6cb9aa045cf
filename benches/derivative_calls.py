"""Steps, derivatives and integrands, one call at a time: what the question `derivatives` times.

`prepare(library, name)` gives the call and its result. Worker processes import this module, and
each imports its own library only.
"""

import functools
from itertools import pairwise

import numpy as np

from ffnn_fast._bench.problems import BETA_1, BETA_2, EPSILON, Problem, flat

STEPS = 100  # of the engine in one call
TRAINING = {
    f"step of {'-'.join(map(str, sizes))}, {rows} row{'s' if rows > 1 else ''}": Problem(
        sizes, rows, learning_rate=0.001, optimizer="adam", steps=STEPS
    )
    for sizes, rows in [((16, 32, 4), 16), ((4, 64, 64, 2), 1), ((4, 64, 64, 2), 64)]
}
VJP, JACOBIAN = "vjp of 4-64-64-2, 64 rows", "jacobian of 3-64-64-3, 1000 rows"
ROW, QUAD = "one row of 8-64-64-4 with its Jacobian", "integrand 1-64-64-1 in quad"
SIZES = {VJP: ((4, 64, 64, 2), 64), JACOBIAN: ((3, 64, 64, 3), 1000)}
LIBRARIES = {
    **{name: ["ffnn_fast", "ffnn_fast: engine alone", "numpy", "jax"] for name in TRAINING},
    VJP: ["ffnn_fast", "jax"],
    JACOBIAN: ["ffnn_fast", "torch", "jax"],
    ROW: ["ffnn_fast"],
    QUAD: ["ffnn_fast", "ffnn_fast: predict"],
}


def arrays(name):
    """Inputs, and a vector for each output, of a tanh network."""
    sizes, n = SIZES[name]
    rng = np.random.default_rng(0)
    return [rng.normal(size=(n, width)).astype(np.float32) for width in (sizes[0], sizes[-1])]


def layers(name):
    """W_k, b_k of the network of a case."""
    rng, sizes = np.random.default_rng(1), SIZES[name][0]
    return [
        (
            (rng.normal(size=(o, i)) / np.sqrt(i)).astype(np.float32),
            rng.normal(size=o).astype(np.float32),
        )
        for i, o in pairwise(sizes)
    ]


def batches(problem):
    """The rows of each step."""
    X, y = problem.rows()
    size = problem.batch_size
    return [(X[i : i + size], y[i : i + size]) for i in range(0, len(X), size)]


def steps_of(library, name):
    """A function that makes STEPS steps, and one that returns θ."""
    problem = TRAINING[name]
    if library == "ffnn_fast":
        from ffnn_fast._bench.libraries import ffnn_fast_compiled
        from ffnn_fast.optimizers import Adam

        net = ffnn_fast_compiled.network(problem, 1, "compiled")
        rule = Adam(
            learning_rate=problem.learning_rate, beta_1=BETA_1, beta_2=BETA_2, epsilon=EPSILON
        )
        step = net.stepper(optimizer=rule, batch_size=problem.batch_size).step
        given = batches(problem)

        def run():
            for X, y in given:
                step(X, y)

        return run, lambda: net.params
    if library == "jax":
        import jax

        from ffnn_fast._bench.libraries import jax_jitted

        training = jax_jitted.Training(problem, *problem.rows(), 1)
        step, _ = jax_jitted.epochs(problem.with_steps(0))  # jitted anew for a single step
        given = [(X, y.astype(np.int32)) for X, y in batches(problem)]

        def run():
            state = training.state
            for X, y in given:
                state = step(state, X, y)
            training.state = jax.block_until_ready(state)

        return run, lambda: flat(training.layers())
    from ffnn_fast._bench.libraries import ffnn_fast_compiled, plain_numpy

    module = plain_numpy if library == "numpy" else ffnn_fast_compiled
    training = module.Training(problem, *problem.rows(), 1)
    return training.epoch, lambda: flat(training.layers())


def of_ffnn_fast(name):
    """The call of a derivative and the array to compare."""
    from ffnn_fast import Network

    if name == ROW:
        predict = Network([8, 64, 64, 4], output="identity", seed=0).predictor(jacobian=True)
        x, y, J = np.ones(8, "f"), np.empty((1, 4), "f"), np.empty((1, 4, 8), "f")
        return lambda: predict(x, y, J), None
    net = Network(SIZES[name][0], output="identity", seed=0, n_threads=1)
    for W, b, (V, c) in zip(net.weights, net.biases, layers(name), strict=True):
        W[...], b[...] = V, c
    X, u = arrays(name)
    if name == VJP:
        return lambda: net.vjp(X, u), net.vjp(X, u).grad_X
    return lambda: net.jacobian(X), net.jacobian(X)


def of_jax(name):
    """The same, jitted."""
    import jax

    def network(layers, x):
        for W, b in layers[:-1]:
            x = jax.numpy.tanh(x @ W.T + b)
        W, b = layers[-1]
        return x @ W.T + b

    theta = [tuple(map(jax.numpy.array, layer)) for layer in layers(name)]
    X, u = map(jax.numpy.array, arrays(name))
    if name == JACOBIAN:
        rows = jax.jit(jax.vmap(jax.jacrev(network, argnums=1), (None, 0)))
        return lambda: rows(theta, X).block_until_ready(), np.array(rows(theta, X))

    @jax.jit
    def products(theta, X, u):
        y_hat, back = jax.vjp(network, theta, X)
        return y_hat, *back(u)

    return lambda: jax.block_until_ready(products(theta, X, u)), np.array(products(theta, X, u)[2])


def of_torch(name):
    """The Jacobian by torch.func."""
    import torch

    parts = []
    for W, b in layers(name):
        linear = torch.nn.Linear(*W.shape[::-1])
        linear.weight.data[:], linear.bias.data[:] = torch.tensor(W), torch.tensor(b)
        parts += [linear, torch.nn.Tanh()]
    rows = torch.func.vmap(torch.func.jacrev(torch.nn.Sequential(*parts[:-1])))
    X = torch.tensor(arrays(name)[0])
    return lambda: rows(X), rows(X).detach().numpy()


def integral(library):
    """quad of a network, through a C function or `predict`."""
    from scipy.integrate import quad

    from ffnn_fast import Network

    net = Network([1, 64, 64, 1], output="identity", seed=0)
    integrand = net.low_level_callable()
    if library != "ffnn_fast":
        integrand = lambda x: float(net.predict([[x]])[0])  # noqa: E731
    return lambda: quad(integrand, 0, 1), np.array(quad(integrand, 0, 1)[0])


@functools.cache
def prepare(library, name):
    """A function, how many calls or steps it makes, and what it computes, (or None)."""
    if name in TRAINING:
        run, params = steps_of(library, name)
        run()
        return run, STEPS, params()
    if name == QUAD:
        return integral(library)[0], 1, integral(library)[1]
    function = {"ffnn_fast": of_ffnn_fast, "jax": of_jax, "torch": of_torch}[library]
    run, result = function(name)
    return run, 1, result
