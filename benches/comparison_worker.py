"""A worker process of ``python -m benches --compare``, which runs one version of ffnn_fast.

It imports the version that is first on its path, and uses nothing but the public API.
"""

from inspect import signature
from pathlib import Path
from time import perf_counter, process_time
from timeit import Timer

import numpy as np

from benches import comparison_cases as cases

STATEMENTS = {
    cases.FIT: "net.fit(X, y, epochs=n, batch_size=batch, optimizer=optimizer, learning_rate=rate, "
    "rng=0, metrics=False)",
    cases.FIT_WITH_METRICS: "net.fit(X, y, epochs=n, validation_data=(X[:300], y[:300]), rng=0)",
    cases.PARTIAL_FIT: "net.partial_fit(X, y)",
    cases.PREDICT: "net.predict(X)",
    cases.PREDICTOR: "predict(X, out)",
    cases.FORWARD: "net.forward(X)",
    cases.LEVENBERG_MARQUARDT: "net.levenberg_marquardt(X, y, max_iterations=n, tol=1e-14, "
    "**plain)",
    cases.LBFGS: "net.minimize(X, y, max_iterations=n)",
}
LARGE = 30 << 20  # bytes; once freed, malloc retains freed memory as in a longer process


def plain_iterations(net):
    """Options by which every version makes the same iterations of Levenberg-Marquardt."""
    known = "quasi_newton_steps" in signature(net.levenberg_marquardt).parameters
    return {"quasi_newton_steps": 0} if known else {}


class Operations:
    """The operations that the parent process can call."""

    def __init__(self, version, threads):
        del version, threads
        freed = np.empty(LARGE, np.uint8)
        del freed

    def describe(self):
        """The folder that the package was imported from, its version and its engine level."""
        import ffnn_fast

        config = ffnn_fast.show_config()
        folder = Path(ffnn_fast.__file__).resolve().parent
        return {"folder": str(folder), **{key: config[key] for key in ("version", "isa_level")}}

    def prepare(self, case):
        """A network of the case, its rows and the call to time."""
        from ffnn_fast import Network

        X, y = case.rows()
        net = Network(
            case.sizes, output=case.output, dtype=case.dtype, engine="compiled",
            n_threads=case.threads, matmul=case.matmul,
        )  # fmt: skip
        self.case, self.net, self.start = case, net, case.start()
        self.statement = STATEMENTS[case.call]
        self.names = {
            "net": net, "X": X, "y": y, "n": case.iterations, "batch": case.batch_size,
            "optimizer": case.optimizer, "rate": case.learning_rate,
            "predict": net.predictor(len(X)), "plain": plain_iterations(net),
            "out": np.empty((len(X), case.sizes[-1]), case.dtype),
        }  # fmt: skip
        # On one thread the CPU time, which other processes on the same core do not add to.
        clock = process_time if case.threads == 1 else perf_counter
        self.timer = Timer(self.statement, timer=clock, globals=self.names)
        net.params[:] = self.start

    def result(self):
        """θ after one call from the start, or the output of a prediction."""
        self.net.params[:] = self.start
        returned = eval(self.statement, self.names)
        return self.net.params.copy() if self.case.trains else np.array(returned)

    def time_calls(self, number):
        """Seconds of this many calls; training starts from the same θ in each."""
        if not self.case.trains:
            return self.timer.timeit(number)
        seconds = 0.0
        for _ in range(number):
            self.net.params[:] = self.start
            seconds += self.timer.timeit(1)
        return seconds
