"""What the benches may ask of a contestant's process beyond training and predicting."""

from time import perf_counter

from benches import peers
from ffnn_fast._bench import worker


class Session(worker.Session):
    """Also whole fits, solvers, scripts, memory and the machine."""

    def __init__(self, peer, threads):
        super().__init__(peer, threads)
        self.peer, self.data = peer, None

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
        solve = peers.also(self.peer).solve
        seconds, layers = solve(regression, X, y, way, limit, self.threads)
        return seconds, regression.objective(layers, X, y)

    def script(self, name):
        """Seconds of a script with the contestant's estimators, its score and predictions."""
        from benches import scripts

        return scripts.run(peers.also(self.peer).estimators(), name)

    def peak_memory(self, problem, epochs):
        """Bytes that a fit needs beyond what the process, its libraries and the data take."""
        from benches.memory import peak_resident, resident

        before = resident()
        self.fit(problem, epochs, 0)
        return before, peak_resident() - before

    def probe(self, name, *args):
        """A figure of the machine itself."""
        from benches import probe

        return getattr(probe, name)(*args)
