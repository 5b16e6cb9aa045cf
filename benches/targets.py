"""Targets: the smallest ratio of a library's time to ffnn_fast's, or the smallest figure."""

from benches.scripts import SPARSE
from ffnn_fast._bench.problems import ADAM, MINIBATCH, ONLINE, WIDE, Problem

CASES = [*ONLINE, *MINIBATCH, WIDE]
EVERY_LIBRARY = ["numpy", "scikit-learn", "torch", "torch.compile", "jax"]

# (case, threads) -> {library: at least}
STEP = {
    (str(ONLINE[0]), 1): {"numpy": 100, "jax": 4, "torch": 600},
    (str(ONLINE[1]), 1): {"numpy": 15, "jax": 3.5, "torch": 20},
    (str(MINIBATCH[0]), 1): {"numpy": 2, "jax": 1.4, "torch": 4.5},
    (str(MINIBATCH[1]), 1): {"numpy": 3.7, "jax": 1.7, "torch": 11, "scikit-learn": 8},
    (str(MINIBATCH[2]), 1): {"numpy": 5.5, "jax": 2.5, "torch": 27},
    (str(MINIBATCH[3]), 1): {"jax": 1.15, "torch": 1.4},
    (str(MINIBATCH[3]), 2): {"jax": 1.35, "torch": 1.7},
    (str(ADAM[0]), 1): {"jax": 1.4, "torch": 4.5},
    (str(ADAM[1]), 1): {"jax": 1.15, "torch": 1.4},
    (str(WIDE), 2): dict.fromkeys(EVERY_LIBRARY, 1.1),
}
LATENCY = {"numpy": 15, "onnxruntime": 10, "torch": 40}
ABOVE_BARE_CALL = 0.5e-6  # seconds
NETWORK_CALLS = {"net.forward(x)": 2e-6, "net.predict(x)": 3e-6}  # seconds, one row
FIT = {"scikit-learn": 3, "torch": 2, "jax": 1.2}
SAME_ACCURACY = 0.003
# scikit-learn / ffnn_fast, the same script
ESTIMATORS = {"sgd": 3, "adam": 3, "partial_fit": 10, **dict.fromkeys(SPARSE, 3)}
TWO_THREADS = {"products": 1.85, "anywhere": 0.97}  # one thread / two threads
# aims of single cases: see questions/aims.py
STEP_OF_JAX = {ONLINE[1]: 3.3, MINIBATCH[0]: 1.5, ADAM[0]: 1.7}  # JAX / ffnn_fast
TWO_CORES = {
    MINIBATCH[3]: 1.9, Problem((54, 200, 200, 7), 100): 1.8, Problem((784, 128, 10), 128): 1.8,
}  # fmt: skip
PREDICTIONS = {
    Problem((784, 128, 10), 10_000): ("JAX / ffnn_fast", 1.1),
    Problem((54, 200, 200, 7), 10_000): ("share of the peak", 0.92),
}
SHARE_OF_PEAK = {str(MINIBATCH[3]): 0.88}
SHARE_OF_SWEEP = {str(ONLINE[1]): 0.6}
SOLVERS = {"MINPACK": 10, "scikit-learn lbfgs": 1}  # of the time of ffnn_fast
SAME_MINIMUM = 1e-6  # relative
ADAM_TIME = 10  # times that of Levenberg-Marquardt, in which Adam must not be better
STEPPER_ABOVE_ENGINE = 1.5e-6  # seconds, 16-32-4, 16 rows
# case -> {library: at least}
DERIVATIVES = {
    "step of 4-64-64-2, 1 row": {"jax": 10, "numpy": 8},
    "step of 4-64-64-2, 64 rows": {"jax": 5, "numpy": 5},
    "vjp of 4-64-64-2, 64 rows": {"jax": 3},
    "jacobian of 3-64-64-3, 1000 rows": {"torch": 8, "jax": 3},
    "integrand 1-64-64-1 in quad": {"ffnn_fast: predict": 20},
}
ROW_WITH_JACOBIAN = 5.6e-6  # seconds, the published time of another library
# problem -> {how it is fitted: at least}
MANY = {
    "64 networks 16-32-1": {"one after another": 1.9, "joblib, scikit-learn": 10, "jax.vmap": 3},
    "8 networks 54-200-200-7": {"one after another": 1.9},
}
