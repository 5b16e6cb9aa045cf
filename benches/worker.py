"""One contestant in a process of its own: ``python -m benches.worker PEER THREADS CORES HANDLE``.

The process is held to its cores before it imports anything that counts them.
"""

import os
import sys
from multiprocessing.connection import Connection
from time import perf_counter
from timeit import Timer


class Session:
    """What the parent may ask for, by name."""

    def __init__(self, peer, threads):
        from benches import peers

        self.module, self.threads = peers.load(peer), threads
        self.training, self.timers, self.data = None, {}, None

    def train(self, problem):
        """A training of the problem from its start, ready to run."""
        self.training = self.module.Training(problem, *problem.rows(), self.threads)

    def epoch(self):
        """Seconds of all steps of the problem, on from where the last epoch ended."""
        began = perf_counter()
        self.training.epoch()
        return perf_counter() - began

    def params(self):
        """θ as one vector, or None from a contestant that trains nothing."""
        from benches.problems import flat

        return flat(self.training.layers()) if hasattr(self.training, "layers") else None

    def ways(self, problem):
        """Names of the ways to predict the problem's rows."""
        ways = self.module.ways(problem, self.threads)
        self.timers = {name: (Timer(what, globals=names), what, names)
                       for name, (what, names) in ways.items()}  # fmt: skip
        return list(ways)

    def answer(self, way):
        """What a way returns."""
        import numpy as np

        _, what, names = self.timers[way]
        return np.asarray(eval(what, dict(names)))

    def calls(self, way, number):
        """Seconds of this many calls."""
        return self.timers[way][0].timeit(number)

    def load(self, folder):
        """Fashion-MNIST from its folder, or random rows where there is none."""
        from benches import fashion

        self.data = fashion.load(folder)

    def fit(self, problem, epochs, seed):
        """Seconds of a whole fit to the data, and the share of right answers on the test rows."""
        from benches import fashion

        X, y, X_test, y_test = self.data
        training = self.module.Training(problem, X, y, self.threads)
        began = perf_counter()
        training.fit(epochs, seed)
        seconds = perf_counter() - began
        return seconds, fashion.accuracy(training.layers(), problem.activation, X_test, y_test)

    def solve(self, regression, folder, way, limit):
        """Seconds of a solver's run, and the objective that it reached."""
        X, y = regression.rows(folder)
        seconds, layers = self.module.solve(regression, X, y, way, limit, self.threads)
        return seconds, regression.objective(layers, X, y)

    def script(self, name):
        """Seconds of a script with the contestant's estimators, its score and predictions."""
        from benches import scripts

        return scripts.run(self.module.estimators(), name)

    def peak_memory(self, problem, epochs):
        """Bytes that a fit needs beyond what the process, its libraries and the data take."""
        from benches.machine import peak_resident, resident

        before = resident()
        self.fit(problem, epochs, 0)
        return before, peak_resident() - before

    def probe(self, name, *args):
        """A figure of the machine itself."""
        from benches import probe

        return getattr(probe, name)(*args)


def serve(session, connection):
    """Answers until the parent hangs up: (True, result) or (False, what went wrong)."""
    while True:
        try:
            name, args = connection.recv()
        except EOFError:
            return
        try:
            connection.send((True, getattr(session, name)(*args)))
        except Exception as error:  # noqa: BLE001 (whatever a library raises is told, not lost)
            connection.send((False, f"{type(error).__name__}: {error}"))


if __name__ == "__main__":
    peer, threads, cores, handle = sys.argv[1:]
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {int(core) for core in cores.split(",")})
    serve(Session(peer, int(threads)), Connection(int(handle)))
