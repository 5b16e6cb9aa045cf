"""Losses and gradients of sure, wrong and huge outputs: relative accuracy, and no NaN."""

from functools import cache

import mpmath
import numpy as np
import pytest
from support.cases import TOLERANCES, each
from support.problems import PAIRS, bound_networks

from ffnn_fast import NetworkSpec, reference
from ffnn_fast._model.samples import Samples
from ffnn_fast.engine import isa

pytestmark = pytest.mark.engine
LOGITS = [
    [40, 0, 0], [0, 40, 1], [300, -300, 299], [-1e6, -1e6 - 1, -1e6 - 2], [1e6, 0, 0],
    [1e3, 1e3 + 0.5, 999], [0.25, -0.5, 2], [3, 3, 3], [-90, 20, -100], [-60, -50, -80],
]  # fmt: skip
TARGETS = [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0.5, 0.25, 0.25], [0.998046875, 0.001953125, 0]]
CLASSES = [
    ("softmax", "cross_entropy"), ("softmax", "binary_cross_entropy"),
    ("logistic", "cross_entropy"), ("logistic", "binary_cross_entropy"),
]  # fmt: skip


LARGE = 1e-20 * np.exp(100)


@pytest.fixture(params=[*isa.available(), "reference"])
def engine(request):
    """Each engine module that this CPU can run, and the reference."""
    return reference if request.param == "reference" else isa.load(request.param)


def loss_and_gradient(engine, spec, a_L, Y):
    """The mean loss, and ∂/∂a_L of each row: X is the unit matrix, W_1 the outputs, b_1 0."""
    a_L = np.asarray(a_L, spec.dtype)
    params = np.concatenate([a_L.T.ravel(), np.zeros(a_L.shape[1])]).astype(spec.dtype)
    (bound,) = bound_networks(spec, params, engine)
    problem = Samples(np.eye(len(a_L), dtype=spec.dtype), Y)
    value, grad = bound.loss_gradient(problem)
    assert bound.loss(problem) == value
    return value, spec.weights(grad)[0].T * len(a_L)


def exact_terms(output, a):
    """log ŷ and log(1 − ŷ) of every output."""
    if output == "logistic":
        return [-mpmath.log1p(mpmath.exp(-x)) for x in a], [-mpmath.log1p(mpmath.exp(x)) for x in a]
    e = [mpmath.exp(x) for x in a]
    total = mpmath.fsum(e)
    others = [mpmath.fsum(e[:j] + e[j + 1 :]) for j in range(len(e))]
    return [mpmath.log(x / total) for x in e], [mpmath.log(x / total) for x in others]


def exact_loss(output, loss, a, y, smoothing):
    """ℓ, and ∂ℓ/∂a by a quotient of differences."""
    classes = len(y) if loss == "cross_entropy" else 2
    y = [(1 - mpmath.mpf(smoothing)) * t + mpmath.mpf(smoothing) / classes for t in y]

    def value(*a):
        log_p, log_rest = exact_terms(output, list(a))
        total = mpmath.fsum(t * p for t, p in zip(y, log_p, strict=True) if t)
        if loss == "binary_cross_entropy":
            total += mpmath.fsum((1 - t) * q for t, q in zip(y, log_rest, strict=True) if t != 1)
        return -total

    h = mpmath.mpf(2) ** -60
    slopes = []
    for j in range(len(a)):
        ahead, behind = list(a), list(a)
        ahead[j] += h
        behind[j] -= h
        slopes.append(float((value(*ahead) - value(*behind)) / (2 * h)))
    return float(value(*a)), slopes


@cache
def exact_losses(output, loss, smoothing):
    """Each of the logits with each of the targets, ℓ and its slopes."""
    with mpmath.workprec(1200):
        return [
            (a, y, *exact_loss(output, loss, [*map(mpmath.mpf, a)], y, smoothing))
            for a in LOGITS
            for y in TARGETS
        ]


@pytest.mark.parametrize("smoothing", [0, 0.125])
@pytest.mark.parametrize(("output", "loss"), CLASSES)
def test_classes_by_many_digits(engine, output, loss, smoothing, dtype):
    """Every value to a relative error, row by row and in panels; gradients as numbers up to 1."""
    spec = NetworkSpec(
        (1, 3), (), output, loss, dtype, loss_options={"label_smoothing": smoothing}
    )  # fmt: skip
    eps, tiny = float(np.finfo(dtype).eps), 4 * float(np.finfo(dtype).smallest_subnormal)
    found, values, rows = [], [], []
    for a, y, exact, exact_slopes in exact_losses(output, loss, smoothing):
        value, slopes = loss_and_gradient(engine, spec, [a], np.array([y], dtype))
        assert value == pytest.approx(exact, rel=16 * eps, abs=tiny)
        np.testing.assert_allclose(slopes, [exact_slopes], rtol=16 * eps, atol=16 * eps)
        found.append(value)
        values.append(a)
        rows.append(y)
    spec = NetworkSpec(
        (len(rows), 3), (), output, loss, dtype, loss_options={"label_smoothing": smoothing}
    )  # fmt: skip
    value, _ = loss_and_gradient(engine, spec, values, np.array(rows, dtype))
    assert value == pytest.approx(np.mean(found), rel=16 * eps)


@pytest.mark.parametrize(
    ("logits", "loss"), [([40, 0], 4.248354255291589e-18), ([40, 0, 0], 8.496708510583178e-18)]
)
def test_a_sure_prediction_keeps_its_loss(engine, logits, loss, dtype):
    for n in (1, 40):
        spec = NetworkSpec((n, len(logits)), dtype=dtype)
        for Y in (np.zeros(n, np.int64), np.eye(len(logits), dtype=dtype)[[0] * n]):
            value, _ = loss_and_gradient(engine, spec, [logits] * n, Y)
            assert value == pytest.approx(loss, rel=1e-5)


@pytest.mark.parametrize("output", ["logistic", "softmax"])
def test_missing_targets_of_sure_predictions(engine, output, dtype):
    """As without the outputs that miss: their share of ℓ is 0, their ŷ stays in the softmax."""
    spec = NetworkSpec(
        (1, 3), (), output, "binary_cross_entropy", dtype, missing_targets="ignore"
    )  # fmt: skip
    for a in ([200, 0, 1], [0, 1, 200]):
        for missing in range(3):
            y = np.array([[1, 0, 1]], dtype)
            y[0, missing] = np.nan
            value, slopes = loss_and_gradient(engine, spec, [a], y)
            parts = [(j, y[0, j]) for j in range(3) if j != missing]
            with mpmath.workprec(800):
                log_p, log_rest = exact_terms(output, [*map(mpmath.mpf, a)])
                exact = -mpmath.fsum(log_p[j] if t else log_rest[j] for j, t in parts)
            assert value == pytest.approx(float(exact), rel=1e-6)
            assert np.isfinite(slopes).all()
            if output == "softmax":
                assert abs(slopes.sum()) <= 1e-6


@pytest.mark.parametrize(
    ("mu", "s", "y", "value", "slopes"),
    [
        (2, -100, 2, -50, [0, 0.5]),
        (2, -1500, 2, -750, [0, 0.5]),
        (0, -100, 1e-10, -50 + LARGE / 2, [-LARGE * 1e10, 0.5 - LARGE / 2]),
        (1, 1000, 2, 500, [0, 0.5]),
        (2, -2000, 1, np.inf, [np.inf, -np.inf]),
    ],
)  # fmt: skip
def test_gaussian_nll_of_extreme_variances(engine, mu, s, y, value, slopes, dtype):
    spec = NetworkSpec((1, 2), (), "identity", "gaussian_nll", dtype)
    with np.errstate(over="ignore"):
        found, grad = loss_and_gradient(engine, spec, [[mu, s]], np.array([[y]], dtype))
    rtol = 1e-4 if dtype == "float32" else 1e-12
    assert found == pytest.approx(value, rel=rtol)
    np.testing.assert_allclose(grad, [slopes], rtol=rtol)


def test_log_cosh_of_small_and_large_residuals(engine, dtype, rng):
    d = np.concatenate([np.exp2(rng.uniform(-40, 6, 60)), [1e-4, 0.999, 1, 1.001, 1e4]])
    d = d.astype(dtype)
    spec = NetworkSpec((1, 1), (), "identity", "log_cosh", dtype)
    for x in (*d, *-d):
        with mpmath.workprec(400):
            exact = float(mpmath.log(mpmath.cosh(mpmath.mpf(float(x)))))
        value, _ = loss_and_gradient(engine, spec, [[x]], np.zeros((1, 1), dtype))
        assert value == pytest.approx(exact, rel=16 * float(np.finfo(dtype).eps))


@each(pair=PAIRS, dtype=TOLERANCES)
def test_no_loss_of_finite_logits_is_not_a_number(engine, pair, dtype):
    """Values may overflow; parity where they do not."""
    output, loss = pair
    if output in ("exp", "sin") or (output == "hard_sigmoid" and "entropy" in loss):
        pytest.skip("ŷ overflows, or has no digits, or is 0 or 1 by definition")
    spec = NetworkSpec((1, 4), (), output, loss, dtype)
    for size in (1, 50, 1e3, 1e5):
        a = size * np.array([[1, -0.5, -1, 0.25]])
        y = np.eye(spec.n_targets, dtype=dtype)[:1]
        if loss == "gaussian_nll":
            a[:, 2:] = [[0.5, -1]]
        with np.errstate(over="ignore"):
            value, slopes = loss_and_gradient(engine, spec, a, y)
            expected, expected_slopes = loss_and_gradient(reference, spec, a, y)
        assert not np.isnan(value)
        assert not np.isnan(slopes).any()
        rtol = 1e-4 if dtype == "float32" else 1e-10
        assert value == pytest.approx(expected, rel=rtol, abs=1e-30)
        np.testing.assert_allclose(slopes, expected_slopes, rtol=rtol, atol=rtol)
