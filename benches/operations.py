"""The operations of a worker process of the benches, beyond training steps and predictions."""

from time import perf_counter

from benches.libraries import additional
from ffnn_fast._bench import worker


class Operations(worker.Operations):
    """Also whole fits, solvers, scripts, memory and the machine's bounds."""

    def __init__(self, library, threads):
        super().__init__(library, threads)
        self.library, self.data = library, None

    def load(self, folder):
        """Fashion-MNIST from its folder, or random rows where there is none."""
        from benches import fashion

        self.data = fashion.load(folder)

    def fit(self, problem, epochs, seed):
        """Seconds of a whole fit to the data, and the accuracy on the test rows."""
        from benches import fashion

        X, y, X_test, y_test = self.data
        training = self.module.Training(problem, X, y, self.threads)
        began = perf_counter()
        training.fit(epochs, seed)
        seconds = perf_counter() - began
        return seconds, fashion.accuracy(training.layers(), problem.activation, X_test, y_test)

    def solve(self, regression, folder, solver, limit):
        """Seconds of a solver's run, and the objective that it reached."""
        X, y = regression.rows(folder)
        solve = additional.solvers_and_estimators(self.library).solve
        seconds, layers = solve(regression, X, y, solver, limit, self.threads)
        return seconds, regression.objective(layers, X, y)

    def script(self, name):
        """Seconds of a script with the library's estimators, its score and probabilities."""
        from benches import scripts

        return scripts.run(additional.solvers_and_estimators(self.library).estimators(), name)

    def peak_memory(self, problem, epochs):
        """Bytes of the process before a fit, and bytes that the fit needs beyond them."""
        from benches.memory import peak_resident, resident

        before = resident()
        self.fit(problem, epochs, 0)
        return before, peak_resident() - before

    def probe(self, name, *args):
        """A bound of the machine."""
        from benches import probe

        return getattr(probe, name)(*args)
