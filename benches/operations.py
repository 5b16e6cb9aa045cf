"""The operations of a worker process of the benches, beyond training steps and predictions."""

from time import perf_counter, process_time

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

    def script_memory(self, name):
        """Bytes that a script needs beyond the process with the library's estimators."""
        from benches import scripts
        from benches.memory import peak_resident, resident

        estimators = additional.solvers_and_estimators(self.library).estimators()
        scripts.run(estimators, "sgd")  # loads what is loaded at the first use
        before = resident()
        scripts.run(estimators, name)
        return peak_resident() - before

    def derivative(self, label, name):
        """What a call of `derivative_calls` computes; None if nothing is compared."""
        from benches import derivative_calls

        return derivative_calls.prepare(label, name)[2]

    def derivative_time(self, label, name, seconds):
        """CPU seconds of one call, or one step, from as many as fill the time given."""
        from benches import derivative_calls

        run, steps, _ = derivative_calls.prepare(label, name)
        began, calls = process_time(), 0
        while process_time() - began < seconds:
            for _ in range(1 if steps > 1 else 10):
                run()
                calls += 1
        return (process_time() - began) / (calls * steps)

    def step_time(self, name):
        """CPU seconds of a step of a case of `step_cases`."""
        from benches import step_cases

        return step_cases.CASES[name].seconds()

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
