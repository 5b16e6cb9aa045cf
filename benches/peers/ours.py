"""ffnn_fast through its public door: one call of ``Network.fit`` is an epoch of steps.

Adam goes through the engine's own door, so that its state lasts from epoch to epoch.
"""

from time import perf_counter

import numpy as np

from benches.problems import BETA_1, BETA_2, EPSILON

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

    def __init__(self, problem, X, y, threads, engine=ENGINE):
        self.net = network(problem, threads, engine)
        X = np.asarray(X, problem.dtype)
        self.data = (X, y)
        self.options = {
            "batch_size": problem.batch_size,
            "learning_rate": problem.learning_rate,
            "metrics": False,
        }
        self.adam = AdamSteps(self.net, problem) if problem.optimizer == "adam" else None

    def epoch(self):
        """Steps over the rows as they are."""
        if self.adam is not None:
            self.adam.epoch(*self.data)
        else:
            self.net.fit(*self.data, epochs=1, shuffle=False, **self.options)

    def fit(self, epochs, seed):
        """Steps over rows gathered in the engine, in an order shuffled for each epoch."""
        self.net.fit(*self.data, epochs=epochs, rng=seed, **self.options)

    def layers(self):
        """Views of the parameters."""
        return list(zip(self.net.weights, self.net.biases, strict=True))


class AdamSteps:
    """Adam's state beside a network."""

    def __init__(self, net, problem):
        from ffnn_fast.execution import Execution
        from ffnn_fast.optimizers import Adam, StepRule

        rate = problem.learning_rate
        adam = Adam(learning_rate=rate, beta_1=BETA_1, beta_2=BETA_2, epsilon=EPSILON)
        self.rule, self.hyper, self.t = StepRule(adam), np.array([adam.hyper]), 0
        self.machine = Execution(net.engine, net.n_threads).machine(net.spec, net.params)
        self.state = np.zeros((self.rule.slots, net.spec.n_params), net.spec.dtype)
        self.batch_size = problem.batch_size
        self.work = self.machine.workspace(self.batch_size)

    def epoch(self, X, y):
        """Steps over the rows as they are."""
        machine, order = self.machine, np.arange(len(X))
        machine.backend.train_epoch(
            machine.plan, machine.params, X, y, None, order, self.batch_size, self.rule, self.hyper,
            self.state, self.t, self.work,
        )  # fmt: skip
        self.t += -(-len(X) // self.batch_size)


def ways(problem, threads):
    """The reusable predictor with a given output, then the validated calls."""
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

    machine, rng = net._machine, np.random.default_rng(0)
    rule = StepRule(Adam(learning_rate=learning_rate))
    hyper = np.array([rule.optimizer.hyper])
    state, t = np.zeros((rule.slots, net.spec.n_params), X.dtype), 0
    work = machine.workspace(32)
    for _ in range(epochs):
        order = rng.permutation(len(X))
        machine.backend.train_epoch(
            machine.plan, machine.params, X, Y, None, order, 32, rule, hyper, state, t, work
        )
        t += -(-len(X) // 32)


def estimators():
    """Our namesakes of scikit-learn's estimators."""
    from ffnn_fast import sklearn

    return sklearn
