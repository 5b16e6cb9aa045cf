"""ffnn_fast through its public door: one call of ``Network.fit`` is an epoch of steps."""

from time import perf_counter

PACKAGES = ("ffnn_fast",)
ENGINE = "compiled"


def network(problem, threads, engine):
    """A Network with the problem's start."""
    from ffnn_fast import Network

    net = Network(
        problem.sizes, activation=problem.activation, dtype=problem.dtype, engine=engine,
        n_threads=threads,
    )  # fmt: skip
    for W, b, (W_0, b_0) in zip(net.weights, net.biases, problem.start(), strict=True):
        W[:], b[:] = W_0, b_0
    return net


class Training:
    """A network, its rows and its options."""

    engine = ENGINE

    def __init__(self, problem, X, y, threads):
        self.net = network(problem, threads, self.engine)
        self.data = (X, y)
        self.options = {
            "batch_size": problem.batch_size,
            "learning_rate": problem.learning_rate,
            "metrics": False,
        }

    def epoch(self):
        """Steps over the rows as they are."""
        self.net.fit(*self.data, epochs=1, shuffle=False, **self.options)

    def fit(self, epochs, seed):
        """Steps over rows gathered in the engine, in an order shuffled for each epoch."""
        self.net.fit(*self.data, epochs=epochs, rng=seed, **self.options)

    def layers(self):
        """Views of the parameters."""
        return list(zip(self.net.weights, self.net.biases, strict=True))


def ways(problem, threads):
    """The reusable predictor with a given output, then the validated calls."""
    import numpy as np

    net = network(problem, threads, ENGINE)
    X, _ = problem.with_steps(1).rows()
    names = {
        "net": net,
        "predict": net.predictor(len(X)),
        "x": X,
        "out": np.empty((len(X), problem.sizes[-1]), problem.dtype),
    }
    return {
        "predictor(x, out)": ("predict(x, out)", names),
        "net.forward(x)": ("net.forward(x)", names),
        "net.predict(x)": ("net.predict(x)", names),
    }


def solve(regression, X, y, way, limit, threads):
    """Seconds of a whole run of at most `limit` iterations, and (W_k, b_k).

    For "adam 0.001" the iterations are epochs of batches of 32, in float32 as it is used.
    """
    from ffnn_fast import Network

    dtype = "float32" if way.startswith("adam") else "float64"
    net = Network(
        regression.sizes, output="identity", l2=regression.l2, dtype=dtype, n_threads=threads
    )
    for W, b, (W_0, b_0) in zip(net.weights, net.biases, regression.start(), strict=True):
        W[:], b[:] = W_0, b_0
    began = perf_counter()
    if way == "levenberg_marquardt":
        net.levenberg_marquardt(X, y, max_iterations=limit, tol=regression.tol)
    elif way.startswith("adam"):
        adam(net, X.astype(dtype), y.astype(dtype)[:, None], float(way.split()[1]), limit)
    else:
        net.minimize(X, y, way, max_iterations=limit, options={"gtol": regression.tol})
    return perf_counter() - began, list(zip(net.weights, net.biases, strict=True))


def adam(net, X, Y, learning_rate, epochs):
    """Epochs of the engine's Adam over shuffled rows, in batches of 32."""
    import numpy as np

    from ffnn_fast.optimizers import StepRule
    from ffnn_fast.rules import Adam

    machine, rng, order = net._machine, np.random.default_rng(0), np.arange(len(X))
    rule = StepRule(Adam(learning_rate=learning_rate))
    hyper = np.array([rule.optimizer.hyper])
    state, t = np.zeros((rule.slots, net.spec.n_params), X.dtype), 0
    work = machine.workspace(32)
    for _ in range(epochs):
        rng.shuffle(order)
        machine.backend.train_epoch(
            machine.plan, machine.params, X, Y, None, order, 32, rule, hyper, state, t, work
        )
        t += -(-len(X) // 32)
