"""Networks with data to run them on, for every test that compares or differentiates."""

from dataclasses import replace
from itertools import product

import numpy as np

from ffnn_fast import Head, reference
from ffnn_fast._model.samples import Samples
from ffnn_fast._runtime.bound_network import BoundNetwork
from ffnn_fast.activations import ACTIVATIONS, OUTPUTS, by_head
from ffnn_fast.initializers import initialize
from ffnn_fast.losses import LOSSES, loss_of
from ffnn_fast.optimizers import SGD, StepRule

PROBABILITIES = ("softmax", "logistic")
POSITIVE = (*PROBABILITIES, "exp", "softplus")
# The outputs on all of whose values a loss is defined, where these are not all outputs.
RANGES = {
    "cross_entropy": PROBABILITIES,
    "binary_cross_entropy": PROBABILITIES,
    "poisson": POSITIVE,
    "gaussian_nll": tuple(ACTIVATIONS),
}
PAIRS = [
    (output, loss)
    for output, loss in product(OUTPUTS, LOSSES)
    if output in RANGES.get(loss, OUTPUTS)
]
# But for exp: of an exponential of an exponential no digit is left to compare.
HIDDEN = [name for name in ACTIVATIONS if name != "exp"]
OPTIONS = {
    "huber": {"delta": 0.3},
    "quantile": {"quantiles": (0.2, 0.7)},
    "cross_entropy": {"label_smoothing": 0.1},
    "binary_cross_entropy": {"label_smoothing": 0.2},
}


DEFAULTS = {"quantile": {"quantiles": (0.5,)}}


def options_of(output, loss):
    """Options of the loss that are not its defaults, where it has any that go with the output."""
    return {} if (output, loss) == ("softmax", "quantile") else OPTIONS.get(loss, {})


def random_targets(spec, n, rng, kind="dense"):
    """Targets in the domain of the loss: labels (n,) when `kind` says so, where a sample has one
    class, else (n, T), in part NaN where the network ignores missing ones.
    """
    if spec.heads:
        return np.hstack([random_targets(one, n, rng) for one in spec.head_specs])
    k, domain = spec.n_targets, loss_of(spec.loss).targets
    if kind == "labels" and spec.takes_labels:
        return rng.integers(0, k, n)
    if domain.row == "one-hot":
        y = np.eye(k)[rng.integers(0, k, n)]
    elif domain.row == "distribution":
        y = rng.dirichlet(np.ones(k), n)
    elif domain.high == 1:
        y = rng.random((n, k))
    else:
        y = rng.normal(size=(n, k))
        y = np.abs(y) if domain.low == 0 else y
    if spec.missing_targets == "ignore":
        whole = domain.row != "any"
        missing = rng.random((n, 1 if whole else k)) < 0.3
        y[np.broadcast_to(missing, y.shape)] = np.nan
    return y.astype(spec.dtype)


def single_heads(spec):
    """For each of several heads the network that has it alone."""
    below, body = spec.layer_sizes[:-1], {"activations": spec.activations, "l2": spec.l2}
    return [replace(head, layer_sizes=(*below, head.n_outputs), **body) for head in spec.head_specs]


def mixtures(size, rng):
    """All pairs of output and loss as heads of odd widths, `size` in each network."""
    pairs = [PAIRS[i] for i in rng.permutation(len(PAIRS))]
    pairs += pairs[: -len(pairs) % size]
    heads = [random_head(*pair, rng) for pair in pairs]
    return [tuple(heads[at : at + size]) for at in range(0, len(heads), size)]


def random_head(output, loss, rng):
    """A head with options that are not the defaults, and a weight."""
    options = options_of(output, loss)
    each = loss_of(loss).heads(**{**DEFAULTS.get(loss, {}), **options})
    least = 2 if output == "softmax" or loss in ("cross_entropy", "hinge") else 1
    width = each * int(rng.integers(least, 6))
    return Head(width, output, loss, options, weight=float(rng.uniform(0.2, 2)))


def random_problem(spec, n, rng, kind="dense", weighted=False):
    """n rows of normal inputs with targets, and weights of mean 1 when `weighted`."""
    X = rng.normal(size=(n, spec.n_inputs)).astype(spec.dtype)
    weight = None
    if weighted:
        weight = rng.random(n)
        weight = (weight / weight.mean()).astype(spec.dtype)
    return Samples(X, random_targets(spec, n, rng, kind), weight)


def smooth(n, rng, n_outputs=1):
    """Rows of a sum of two tanh units, with a little noise."""
    X, y, _ = taught(n, rng, n_outputs)
    return X, y


def taught(n, rng, n_outputs):
    """The same with the θ that made them."""
    X, A, B = (rng.normal(size=shape) for shape in ((n, 3), (2, 3), (n_outputs, 2)))
    theta = np.concatenate([A.ravel(), np.zeros(2), B.ravel(), np.zeros(n_outputs)])
    return X, np.tanh(X @ A.T) @ B.T + 0.1 * rng.normal(size=(n, n_outputs)), theta


def random_params(spec, rng):
    """Glorot weights and small random biases; outputs of relu are kept well above zero, since a
    remainder of cancelled terms has no relative accuracy to compare.
    """
    params = initialize(spec, "glorot_uniform", rng)
    for b in spec.biases(params):
        b[:] = rng.normal(scale=0.1, size=b.shape)
    outputs = by_head(spec.head_widths, spec.biases(params)[-1][None])
    for (b,), head in zip(outputs, spec.head_specs, strict=True):
        b[:] += head.output == "relu"
    return params


def bound_networks(spec, params, *backends):
    """The same network for each backend, with parameters of its own."""
    return [BoundNetwork(spec, b.Plan(spec), params.copy(), b) for b in backends]


def twins(spec, params, engine):
    """The network bound to the compiled engine, and to the reference."""
    return bound_networks(spec, params, engine, reference)


def train(bound, problem, order, batch_size, learning_rate):
    """An epoch of SGD by the backend itself; the mean loss."""
    return take_steps(
        bound, problem, order, batch_size, StepRule(SGD(learning_rate=learning_rate))
    )[0]


def take_steps(bound, problem, order, batch_size, rule, pieces=1, hyper=None):
    """An epoch by the backend itself, cut into pieces of whole batches; mean loss and state."""
    state = np.zeros((rule.slots, bound.spec.n_params), dtype=bound.spec.dtype)
    work = bound.workspace(batch_size)
    steps = -(-len(order) // batch_size)
    hyper = np.array([rule.optimizer.hyper] if hyper is None else hyper)
    total, per_piece = 0.0, -(-steps // pieces)
    for t in range(0, steps, per_piece):
        rows = order[t * batch_size : (t + per_piece) * batch_size]
        total += len(rows) * bound.backend.train_epoch(
            bound.plan, bound.params, problem.X, problem.Y, problem.sample_weight, rows,
            batch_size, rule, hyper[t : t + per_piece] if len(hyper) > 1 else hyper, state, t, work,
        )  # fmt: skip
    return total / len(order), state


def relative_error(got, expected):
    """max|got − expected| / max|expected|: an error measured on the scale of the whole array."""
    got, expected = np.asarray(got, np.float64), np.asarray(expected, np.float64)
    scale = np.abs(expected).max()
    return np.abs(got - expected).max() / (scale if scale > 0 else 1)


def assert_same_bits_for_threads(engine, spec, problem, params, learning_rate):
    """Training in batches of 300, ŷ and ∇θ do not depend on the number of threads."""
    results = []
    for threads in (1, 2, 3):
        bound = BoundNetwork(spec, engine.Plan(spec, threads), params.copy(), engine)
        losses = train(bound, problem, np.arange(len(problem.X)), 300, learning_rate)
        _, grad = bound.loss_gradient(problem)
        results.append((bound.params, bound.forward(problem.X), grad, losses))
    for other in results[1:]:
        for got, expected in zip(other, results[0], strict=True):
            np.testing.assert_array_equal(got, expected)
