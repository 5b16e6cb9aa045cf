"""Fits of many networks on the same rows, by each library.

Each function returns the function that fits all once: SGD on shuffled minibatches, every network
from weights of its own.
"""

from functools import partial
from itertools import pairwise

import numpy as np

from ffnn_fast import Network, fit_many

RATE = 0.01


def data(problem, seed=0):
    """Rows and targets: values of one output, or labels."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(problem.n_rows, problem.sizes[0])).astype(np.float32)
    if problem.sizes[-1] == 1:
        return X, np.tanh(X[:, 0] * X[:, 1]).astype(np.float32)
    return X, np.argmax(X[:, : problem.sizes[-1]], axis=1)


def networks(problem):
    """New networks of this library."""
    values = problem.sizes[-1] == 1
    kind = {"output": "identity", "loss": "half_squared_error"} if values else {}
    return [Network(problem.sizes, activation="relu", seed=i, **kind) for i in range(problem.count)]


def options(problem):
    """Of every fit of this library."""
    return {
        "epochs": problem.epochs, "batch_size": problem.batch_size, "learning_rate": RATE,
        "metrics": False,
    }  # fmt: skip


def one_after_another(problem, X, y):
    """`Network.fit` of each, with one thread."""
    alone = [Network.from_params(net.spec, net.params, n_threads=1) for net in networks(problem)]
    return partial(_fit_each, alone, X, y, options(problem))


def _fit_each(networks, X, y, options):
    for net in networks:
        net.fit(X, y, **options)


def together(problem, X, y):
    """`fit_many`."""
    return partial(fit_many, networks(problem), X, y, **options(problem))


def scikit_learn(problem, X, y):
    """joblib over scikit-learn's estimators, in processes that are kept."""
    import joblib

    fit = joblib.delayed(partial(_fit_estimator, problem))
    parallel = joblib.Parallel(n_jobs=joblib.cpu_count())
    return lambda: parallel(fit(X, y, i) for i in range(problem.count))


def _fit_estimator(problem, X, y, seed):
    import warnings

    from sklearn.neural_network import MLPClassifier, MLPRegressor

    kind = MLPRegressor if problem.sizes[-1] == 1 else MLPClassifier
    model = kind(
        hidden_layer_sizes=problem.sizes[1:-1], solver="sgd", alpha=0.0, momentum=0.0,
        batch_size=problem.batch_size, learning_rate_init=RATE, max_iter=problem.epochs, tol=0.0,
        n_iter_no_change=10**9, random_state=seed,
    )  # fmt: skip
    with warnings.catch_warnings(action="ignore"):
        model.fit(X, y)


def jax(problem, X, y):
    """One compiled `jax.vmap` over the networks; the epochs and the steps are scans within."""
    return partial(_run, *_compiled(problem), X, y)


def _run(fits, theta, keys, X, y):
    fits(theta, keys, X, y)[0][0].block_until_ready()


_made = {}


def _compiled(problem):
    if problem not in _made:
        _made[problem] = _jax_fit(problem)
    return _made[problem]


def _jax_fit(problem):
    import jax
    import jax.numpy as jnp

    sizes, n, B = problem.sizes, problem.n_rows, problem.batch_size
    steps = n // B
    rng = np.random.default_rng(0)
    theta = [
        (
            rng.normal(size=(problem.count, i, o)).astype(np.float32) / np.float32(np.sqrt(i)),
            np.zeros((problem.count, o), np.float32),
        )
        for i, o in pairwise(sizes)
    ]

    def loss(theta, X, y):
        h = X
        for W, b in theta[:-1]:
            h = jax.nn.relu(h @ W + b)
        a = h @ theta[-1][0] + theta[-1][1]
        if sizes[-1] == 1:
            return 0.5 * jnp.mean((a[:, 0] - y) ** 2)
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(a), y[:, None], 1))

    def fit(theta, key, X, y):
        def step(theta, rows):
            grad = jax.grad(loss)(theta, X[rows], y[rows])
            return jax.tree.map(lambda p, g: p - RATE * g, theta, grad), None

        def epoch(theta, key):
            order = jax.random.permutation(key, n)[: steps * B].reshape(steps, B)
            return jax.lax.scan(step, theta, order)[0], None

        return jax.lax.scan(epoch, theta, jax.random.split(key, problem.epochs))[0]

    keys = jax.random.split(jax.random.key(0), problem.count)
    return jax.jit(jax.vmap(fit, in_axes=(0, 0, None, None))), theta, keys
