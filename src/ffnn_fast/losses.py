"""Loss functions by name: value and gradient with respect to ŷ (modules 4.3, 4.5).

Shapes: ŷ is (n, n_L), y is (n, T); T = n_L unless the loss has several outputs for each target. A
value is (n, T), one term per target, or (n,) where the loss does not split over targets.
`CANONICAL` lists the pairs of output and loss whose ∇a_L is ŷ − y; their value is computed from
a_L, and is finite where log ŷ is not. `FROM_LOGITS` lists the other pairs whose value and gradient
are computed from a_L, since their ŷ may round to 0 or 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ffnn_fast._scalars import as_bool, as_choice, as_float, convert_fields, described
from ffnn_fast.activations import log_logistic, log_softmax, logistic, logsumexp, softmax

__all__ = [
    "CANONICAL",
    "CANONICAL_LOSS",
    "FROM_LOGITS",
    "LOSSES",
    "Domain",
    "Loss",
    "Option",
    "canonical_gradient",
    "exp_poisson",
    "identity_half_squared_error",
    "logistic_binary_cross_entropy",
    "logistic_cross_entropy",
    "logistic_cross_entropy_gradient",
    "loss_of",
    "smoothed",
    "softmax_binary_cross_entropy",
    "softmax_binary_cross_entropy_gradient",
    "softmax_cross_entropy",
]

Array = np.ndarray
FLOOR = 2.0**-64  # lower bound of ŷ in the poisson loss, so that log ŷ and y/ŷ are finite


@dataclass(frozen=True)
class Domain:
    """The domain of targets.

    Parameters
    ----------
    low, high : float, default -inf and inf
        Bounds of each entry.
    row : {"any", "distribution", "one-hot"}, default "any"
        What a row must be.
    """

    low: float = -np.inf
    high: float = np.inf
    row: str = "any"

    def __post_init__(self) -> None:
        convert_fields(self, as_float, "low", "high", low=-math.inf, closed="both")
        convert_fields(self, as_choice, "row", choices=("any", "distribution", "one-hot"))


REAL = Domain()
UNIT = Domain(0, 1)
SIMPLEX = Domain(0, 1, "distribution")
ONE_HOT = Domain(0, 1, "one-hot")
COUNTS = Domain(0)


@dataclass(frozen=True)
class Option:
    """A parameter of a loss.

    Parameters
    ----------
    default : object
    check : callable
        ``check(value)`` returns the value in standard form, or raises ValueError with what it must
        be, without the name.
    """

    default: Any
    check: Callable[[Any], Any]


@dataclass(frozen=True, eq=False)
class Loss:
    """A loss ℓ(ŷ, y) of every sample, built in or user-defined.

    A network with a user-defined loss runs on the reference engine, since the compiled one does not
    call Python, and cannot be saved.

    Parameters
    ----------
    name : str
        Its name in messages and summaries.
    value : callable
        ``value(y_hat, y)``, arrays of shape (n, n_L), to the loss of every sample, (n,), or its
        terms for each output, (n, n_L); called for each of several heads, (n, width).
    gradient : callable
        ``gradient(y_hat, y)``: ∂ℓ/∂ŷ, (n, n_L).
    targets : Domain, default any real number
    classifies : bool, default False
        Whether a network with this loss is a classifier.
    joint : bool, default True
        Whether `value` is (n,). With ``missing_targets="ignore"`` a sample with a NaN among its
        targets is then ignored; if False, only the outputs whose targets are NaN are.
    options : mapping of str to Option
        Parameters, given to `value` and `gradient` by name.
    heads : callable
        ``heads(**options)``: the number of outputs for each target.
    blocked : bool
        Whether outputs are ordered head by head, else target by target.
    point : callable, optional
        ``point(y_hat, **options)``: the one prediction per target, for R².
    signed_weights : bool, default False
        Whether sample weights may be negative. They are taken as they are then; otherwise they are
        scaled to mean 1.

    Raises
    ------
    TypeError
        If `name` is not a string, or `value` or `gradient` is not callable.
    """

    name: str
    value: Callable[..., Array]
    gradient: Callable[..., Array]
    targets: Domain = REAL
    classifies: bool = False
    joint: bool = True
    options: Mapping[str, Option] = field(default_factory=dict)
    heads: Callable[..., int] = lambda **options: 1
    blocked: bool = False
    point: Callable[..., Array] = lambda y_hat, **options: y_hat
    signed_weights: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise TypeError(f"the name of a loss must be a string, got {self.name!r}")
        if not (callable(self.value) and callable(self.gradient)):
            raise TypeError(f"loss {self.name!r}: value and gradient must be callable")
        convert_fields(self, as_bool, "classifies", "joint", "blocked", "signed_weights")

    def check_value(self, losses: Any, y: Array) -> None:
        """ValueError unless these are the losses of each sample, (n,), or each target, (n, T)."""
        if not isinstance(losses, np.ndarray) or losses.shape not in (y.shape[:1], y.shape):
            n, T = y.shape
            raise ValueError(
                f"value of loss {self.name!r} must return the loss of each sample, ({n},), or of "
                f"each of its targets, ({n}, {T}), without a mean or sum over samples; got "
                f"{described(losses)}"
            )

    def check_gradient(self, gradient: Any, y_hat: Array) -> None:
        """ValueError unless this is ∂ℓ/∂ŷ of each output, (n, n_L)."""
        if not isinstance(gradient, np.ndarray) or gradient.shape != y_hat.shape:
            raise ValueError(
                f"gradient of loss {self.name!r} must return ∂ℓ/∂ŷ of each sample and output, "
                f"{y_hat.shape}; got {described(gradient)}"
            )

    def over_outputs(self, missing: Array, n_outputs: int) -> Array:
        """Expand a mask of missing targets, (n, T), to outputs, (n, n_L)."""
        heads = n_outputs // missing.shape[1]
        if self.joint:
            missing = np.repeat(missing.any(axis=1, keepdims=True), missing.shape[1], axis=1)
        return np.tile(missing, (1, heads)) if self.blocked else np.repeat(missing, heads, axis=1)


def _number(low: float, high: float, closed: str = "both") -> Callable[[Any], float]:
    def check(value: Any) -> float:
        try:
            return as_float(value, "an option", low, high, closed)
        except (TypeError, ValueError):
            end = "]" if closed == "both" else ")"
            raise ValueError(f"must be a number in [{low:g}, {high:g}{end}") from None

    return check


def _levels(value: Any) -> tuple[float, ...]:
    given = value if np.iterable(value) and not isinstance(value, str) else [value]
    try:
        levels = tuple(as_float(q, "a level", 0, 1) for q in given)
    except (TypeError, ValueError) as error:
        raise ValueError("must be numbers in (0, 1)") from error
    if not levels or sorted(set(levels)) != list(levels):
        raise ValueError("must be numbers in (0, 1), each larger than the one before")
    return levels


SMOOTHING = {"label_smoothing": Option(0.0, _number(0, 1, "left"))}
DELTA = {"delta": Option(1.0, _number(1e-6, 1e6))}
QUANTILES = {"quantiles": Option((0.5,), _levels)}


def _y_log(y: Array, p: Array) -> Array:
    """y log p with 0 log 0 = 0."""
    return np.where(y == 0, 0, y * np.log(np.where(y == 0, 1, p)))


def _ratio(y: Array, p: Array) -> Array:
    """y / p with 0 / 0 = 0."""
    return np.where(y == 0, 0, y / np.where(y == 0, 1, p))


def smoothed(y: Array, share: float, classes: int) -> Array:
    """(1 − ε) y + ε / K: a share ε of certainty spread over K classes (C. Szegedy et al., 2016)."""
    return y if share == 0 else (1 - share) * y + share / classes


def _cross_entropy(p: Array, y: Array, label_smoothing: float = 0.0) -> Array:
    return -_y_log(smoothed(y, label_smoothing, y.shape[1]), p).sum(axis=1)


def _cross_entropy_gradient(p: Array, y: Array, label_smoothing: float = 0.0) -> Array:
    return -_ratio(smoothed(y, label_smoothing, y.shape[1]), p)


def _binary(p: Array, y: Array, label_smoothing: float = 0.0) -> Array:
    y = smoothed(y, label_smoothing, 2)
    return -(_y_log(y, p) + _y_log(1 - y, 1 - p))


def _binary_gradient(p: Array, y: Array, label_smoothing: float = 0.0) -> Array:
    y = smoothed(y, label_smoothing, 2)
    return _ratio(1 - y, 1 - p) - _ratio(y, p)


def _huber(p: Array, y: Array, delta: float) -> Array:
    """d²/2 for |d| <= δ, else δ (|d| − δ/2), d = ŷ − y."""
    d = np.abs(p - y)
    square = np.minimum(d, delta)
    return np.where(d <= delta, 0.5 * square * square, delta * (d - 0.5 * delta)).astype(p.dtype)


def _log_cosh(p: Array, y: Array) -> Array:
    """log cosh d = |d| + log(1 + e^−2|d|) − log 2, for |d| < 1 as log(1 + 2 sinh²(d/2))."""
    d = np.abs(p - y)
    half_sinh = np.sinh(0.5 * np.minimum(d, 1))
    large = d - (np.log(2).astype(p.dtype) - np.log1p(np.exp(-2 * d)))
    return np.where(d < 1, np.log1p(2 * half_sinh * half_sinh), large)


def _spread(p: Array, y: Array, quantiles: tuple[float, ...]) -> tuple[Array, Array]:
    """y − ŷ as (n, T, Q), and the levels q (Q,)."""
    levels = np.array(quantiles, dtype=p.dtype)
    return y[:, :, None] - p.reshape(*y.shape, len(levels)), levels


def _pinball(p: Array, y: Array, quantiles: tuple[float, ...]) -> Array:
    """Σ_q max(q d, (q − 1) d), d = y − ŷ."""
    d, q = _spread(p, y, quantiles)
    return np.maximum(q * d, (q - 1) * d).sum(axis=2)


def _pinball_gradient(p: Array, y: Array, quantiles: tuple[float, ...]) -> Array:
    """−q where ŷ < y, 1 − q where ŷ > y."""
    d, q = _spread(p, y, quantiles)
    return np.where(d > 0, -q, np.where(d < 0, 1 - q, 0)).astype(p.dtype).reshape(p.shape)


def _count(quantiles: tuple[float, ...]) -> int:
    return len(quantiles)


def _middle(p: Array, quantiles: tuple[float, ...]) -> Array:
    """The quantile nearest to the median, (n, T)."""
    at = int(np.argmin(np.abs(np.array(quantiles) - 0.5)))
    return p.reshape(len(p), -1, len(quantiles))[:, :, at]


def _standardized(p: Array, y: Array) -> tuple[Array, Array, Array]:
    """u = (μ − y) e^−s/2, 0 where μ = y however large e^−s/2; s, the log variance; and e^−s/2."""
    mu, s = np.hsplit(p, 2)
    d = mu - y
    root = np.exp(-0.5 * np.where(d == 0, np.zeros((), s.dtype), s))
    return d * root, s, root


def _gaussian(p: Array, y: Array) -> Array:
    """(s + (y − μ)² e^−s) / 2, s the logarithm of the variance."""
    u, s, _ = _standardized(p, y)
    return 0.5 * (s + u * u)


def _gaussian_gradient(p: Array, y: Array) -> Array:
    u, _, root = _standardized(p, y)
    return np.hstack([u * root, 0.5 - 0.5 * u * u])


def _margins(p: Array, y: Array) -> tuple[Array, Array, Array]:
    """1 + max_{j ≠ c} ŷ_j − ŷ_c, (n,); c and the arg max."""
    rows, c = np.arange(len(p)), y.argmax(axis=1)
    others = p.copy()
    others[rows, c] = -np.inf
    best = others.argmax(axis=1)
    return 1 + p[rows, best] - p[rows, c], c, best


def _hinge(p: Array, y: Array) -> Array:
    """max(0, 1 + max_{j ≠ c} ŷ_j − ŷ_c) (K. Crammer and Y. Singer, JMLR 2001)."""
    return np.maximum(_margins(p, y)[0], 0)


def _hinge_gradient(p: Array, y: Array) -> Array:
    margin, c, best = _margins(p, y)
    gradient, rows = np.zeros_like(p), np.arange(len(p))
    violated = (margin > 0).astype(p.dtype)
    gradient[rows, best] += violated
    gradient[rows, c] -= violated
    return gradient


def _shares(name: str, value: Callable, gradient: Callable, **options: Any) -> Loss:
    """A loss that is a sum over targets."""
    return Loss(name, value, gradient, joint=False, **options)


LOSSES: dict[str, Loss] = {
    loss.name: loss
    for loss in (
        Loss(
            "cross_entropy",
            _cross_entropy,
            _cross_entropy_gradient,
            targets=SIMPLEX,
            classifies=True,
            options=SMOOTHING,
        ),
        _shares("squared_error", lambda p, y: (p - y) ** 2, lambda p, y: 2 * (p - y)),
        _shares("half_squared_error", lambda p, y: 0.5 * (p - y) ** 2, lambda p, y: p - y),
        _shares(
            "binary_cross_entropy",
            _binary,
            _binary_gradient,
            targets=UNIT,
            classifies=True,
            options=SMOOTHING,
        ),
        _shares("absolute", lambda p, y: np.abs(p - y), lambda p, y: np.sign(p - y)),
        _shares("huber", _huber, lambda p, y, delta: np.clip(p - y, -delta, delta), options=DELTA),
        _shares("log_cosh", _log_cosh, lambda p, y: np.tanh(p - y)),
        _shares(
            "poisson",
            lambda p, y: p - y * np.log(np.maximum(p, FLOOR)),
            lambda p, y: 1 - y / np.maximum(p, FLOOR),
            targets=COUNTS,
        ),
        _shares(
            "quantile",
            _pinball,
            _pinball_gradient,
            options=QUANTILES,
            heads=_count,
            point=_middle,
        ),
        _shares(
            "gaussian_nll",
            _gaussian,
            _gaussian_gradient,
            heads=lambda: 2,
            blocked=True,
            point=lambda p: np.hsplit(p, 2)[0],
        ),
        Loss("hinge", _hinge, _hinge_gradient, targets=ONE_HOT, classifies=True),
        _shares("linear", lambda p, y: y * p, lambda p, y: y.astype(p.dtype), signed_weights=True),
    )
}


def _times(y: Array, x: Array) -> Array:
    """y x, and 0 where y is 0, for any x."""
    return y * np.where(y == 0, np.zeros((), x.dtype), x)


def softmax_cross_entropy(a: Array, y: Array, label_smoothing: float = 0.0) -> Array:
    """Σ_c y_c (log Σ_j e^{a_j} − a_c), the cross-entropy of softmax(a), per sample (n,)."""
    return -_times(smoothed(y, label_smoothing, y.shape[1]), log_softmax(a, axis=1)).sum(axis=1)


def logistic_binary_cross_entropy(a: Array, y: Array, label_smoothing: float = 0.0) -> Array:
    """|a_j| (1 − y_j if a_j > 0, else y_j) + log(1 + e^−|a_j|), per output (n, k)."""
    y = smoothed(y, label_smoothing, 2)
    x = np.abs(a)
    return _times(np.where(a > 0, 1 - y, y), x) + np.log1p(np.exp(-x))


def identity_half_squared_error(a: Array, y: Array) -> Array:
    """½ (a_j − y_j)², per output (n, k)."""
    return 0.5 * (a - y) ** 2


def exp_poisson(a: Array, y: Array) -> Array:
    """e^{a_j} − a_j y_j, per output (n, k)."""
    return np.exp(a) - _times(y, a)


def logistic_cross_entropy(a: Array, y: Array, label_smoothing: float = 0.0) -> Array:
    """−Σ_j y_j log σ(a_j), per sample (n,)."""
    return -_times(smoothed(y, label_smoothing, y.shape[1]), log_logistic(a)).sum(axis=1)


def logistic_cross_entropy_gradient(a: Array, y: Array, label_smoothing: float = 0.0) -> Array:
    """∇a_L = −y_j σ(−a_j), (n, k). A target that is NaN adds nothing."""
    y = smoothed(y, label_smoothing, y.shape[1])
    return -np.where(np.isnan(y), np.zeros((), y.dtype), y) * logistic(-a)


def _others(a: Array) -> Array:
    """For every j the a_i of the row, but −∞ for i = j, (n, k, k)."""
    k = a.shape[1]
    others = np.broadcast_to(a[:, None, :], (len(a), k, k)).copy()
    others[:, np.arange(k), np.arange(k)] = -np.inf
    return others


def softmax_binary_cross_entropy(a: Array, y: Array, label_smoothing: float = 0.0) -> Array:
    """−y_j log ŷ_j − (1 − y_j) log(1 − ŷ_j), per output (n, k).

    For ŷ_j > 1/2, 1 − ŷ_j is Σ_{i≠j} e^{a_i} / Σ_i e^{a_i}.
    """
    y = smoothed(y, label_smoothing, 2)
    a = a - a.max(axis=1, keepdims=True)
    log_p = log_softmax(a, axis=1)
    p = np.exp(log_p)
    small = np.log1p(-np.minimum(p, 0.5))
    log_rest = np.where(
        p > 0.5, logsumexp(_others(a), axis=2) - logsumexp(a, axis=1, keepdims=True), small
    )
    return -(_times(y, log_p) + _times(1 - y, log_rest))


def softmax_binary_cross_entropy_gradient(
    a: Array, y: Array, label_smoothing: float = 0.0
) -> Array:
    """∇a_L, (n, k): the entry m is Σ_j y_j (ŷ_m − [j = m]) + (1 − y_j) (ŷ_m − c_jm).

    ∂ log ŷ_j / ∂a_m = [j = m] − ŷ_m and ∂ log(1 − ŷ_j) / ∂a_m = c_jm − ŷ_m, where
    c_jm = e^{a_m} / Σ_{i≠j} e^{a_i} for m ≠ j, else 0. A target that is NaN adds nothing.
    """
    y = smoothed(y, label_smoothing, 2)
    yes, no = (np.where(np.isnan(y), np.zeros((), y.dtype), part) for part in (y, 1 - y))
    p, c = softmax(a, axis=1), softmax(_others(a), axis=2)
    by_no = (no[:, :, None] * (p[:, None, :] - c)).sum(axis=1)
    return yes.sum(axis=1, keepdims=True) * p - yes + by_no


CANONICAL: dict[tuple[Any, Any], Callable[..., Array]] = {
    ("softmax", "cross_entropy"): softmax_cross_entropy,
    ("logistic", "binary_cross_entropy"): logistic_binary_cross_entropy,
    ("identity", "half_squared_error"): identity_half_squared_error,
    ("exp", "poisson"): exp_poisson,
}
FROM_LOGITS: dict[tuple[Any, Any], tuple[Callable[..., Array], Callable[..., Array]]] = {
    ("logistic", "cross_entropy"): (logistic_cross_entropy, logistic_cross_entropy_gradient),
    ("softmax", "binary_cross_entropy"): (
        softmax_binary_cross_entropy,
        softmax_binary_cross_entropy_gradient,
    ),
}
CANONICAL_LOSS = {"softmax": "cross_entropy", "logistic": "binary_cross_entropy"}


def loss_of(loss: str | Loss) -> Loss:
    """The loss of a checked name; a user-defined loss is returned as it is."""
    return LOSSES[loss] if isinstance(loss, str) else loss


def canonical_gradient(
    y_hat: Array, y: Array, loss: str | Loss, label_smoothing: float = 0.0
) -> Array:
    """∇a_L of a canonical pair, −(y − ŷ), y smoothed."""
    classes = 2 if loss == "binary_cross_entropy" else y.shape[1]
    return -(smoothed(y, label_smoothing, classes) - y_hat)
