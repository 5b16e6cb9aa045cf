"""Network.taylor and its kin: shapes, single samples, refused arguments, both engines."""

import numpy as np
import pytest
from support.problems import relative_error

from ffnn_fast import Network, Taylor


@pytest.fixture(params=["compiled", "reference"])
def net(request):
    return Network(
        [3, 7, 2], activation="silu", output="identity", dtype="float64", seed=0,
        engine=request.param,
    )  # fmt: skip


def test_shapes(net, rng):
    X = rng.normal(size=(5, 3))
    cases = [
        ((3,), (5, 2)),
        ((5, 3), (5, 2)),
        ((5, 4, 3), (5, 4, 2)),
    ]
    for given, expected in cases:
        found = net.taylor(X, rng.normal(size=given))
        assert isinstance(found, Taylor)
        assert (found.y_hat.shape, found.first.shape) == ((5, 2), expected)
        assert found.second.shape == expected
    for given, expected in (((3,), (2,)), ((4, 3), (4, 2))):
        found = net.taylor(X[0], rng.normal(size=given))
        assert (found.y_hat.shape, found.first.shape, found.second.shape) == (
            (2,), expected, expected,
        )  # fmt: skip
    assert net.input_hessian_diagonal(X).shape == (5, 2, 3)
    assert net.input_hessian_diagonal(X[0]).shape == (2, 3)
    assert net.laplacian(X).shape == (5, 2)
    assert net.laplacian(X[0]).shape == (2,)


def test_one_direction_for_all_rows(net, rng):
    X, v = rng.normal(size=(5, 3)), rng.normal(size=3)
    for one, other in zip(net.taylor(X, v), net.taylor(X, np.tile(v, (5, 1))), strict=True):
        np.testing.assert_array_equal(one, other)
    for one, other in zip(net.taylor(X[0], v), net.taylor(X, v), strict=True):
        np.testing.assert_allclose(one, other[0], rtol=1e-13)


def test_a_laplacian_is_the_sum_of_second_derivatives(net, rng):
    X, h = rng.normal(size=(5, 3)), 1e-4
    diagonal = net.input_hessian_diagonal(X)
    for d, e in enumerate(np.eye(3)):
        np.testing.assert_array_equal(diagonal[:, :, d], net.taylor(X, e).second)
        numeric = (net.forward(X + h * e) - 2 * net.forward(X) + net.forward(X - h * e)) / h**2
        assert relative_error(diagonal[:, :, d], numeric) <= 1e-5
    np.testing.assert_allclose(net.laplacian(X), diagonal.sum(axis=2), rtol=1e-14)


def test_the_gradient_of_a_laplacian(net, rng):
    X, u = rng.normal(size=(5, 3)), rng.normal(size=(5, 2))
    units = np.broadcast_to(np.eye(3), (5, 3, 3))
    grad = net.taylor_gradient(X, units, grad_second=np.repeat(u[:, None], 3, axis=1))
    v, h = rng.normal(size=net.params.size), 1e-5
    above, below = (
        (u * Network.from_params(net.spec, net.params + s * h * v).laplacian(X)).sum()
        for s in (1, -1)
    )
    assert grad @ v == pytest.approx((above - below) / (2 * h), rel=1e-7)


def test_a_gradient_of_values_alone_is_backpropagation(net, rng):
    X, y = rng.normal(size=(5, 3)), rng.normal(size=(5, 2))
    u = 2 * (net.forward(X) - y) / 5
    grad = net.taylor_gradient(X, np.ones(3), grad_y_hat=u)
    assert relative_error(grad, net.gradient(X, y)) <= 1e-13
    assert not net.taylor_gradient(X, np.ones(3)).any()
    single = net.taylor_gradient(X[0], np.ones(3), u[0], u[0], u[0])
    assert relative_error(single, net.taylor_gradient(X[:1], np.ones(3), *[u[:1]] * 3)) <= 1e-13


@pytest.mark.parametrize(
    ("V", "message"),
    [
        (np.ones(2), r"V must have shape \(3,\), \(5, 3\) or \(5, m, 3\), got \(2,\)"),
        (np.ones((4, 3)), "V must have shape"),
        (np.ones((5, 2, 2)), "V must have shape"),
        (np.ones((5, 0, 3)), "V must have shape"),
        (np.ones((1, 5, 2, 3)), "V must have shape"),
        (np.full(3, np.inf), "V must be finite"),
    ],
)
def test_refused_directions(net, V, message):
    for call in (net.taylor, net.taylor_gradient):
        with pytest.raises(ValueError, match=message):
            call(np.ones((5, 3)), V)


def test_refused_gradients(net):
    X, v = np.ones((5, 3)), np.ones((5, 4, 3))
    for name, shape in (("grad_y_hat", (5, 2)), ("grad_first", (5, 4, 2))):
        with pytest.raises(ValueError, match=rf"{name} must have shape .{str(shape)[1:-1]}"):
            net.taylor_gradient(X, v, **{name: np.ones((5, 3))})
    with pytest.raises(ValueError, match="grad_second must be finite"):
        net.taylor_gradient(X, v, grad_second=np.full((5, 4, 2), np.nan))
    with pytest.raises(TypeError, match="V must hold real numbers"):
        net.taylor(X, [["a"] * 3] * 5)


def test_relu_has_no_second_derivative(rng):
    net = Network([3, 7, 2], activation="relu", output="identity", seed=0)
    assert not net.laplacian(rng.normal(size=(9, 3))).any()


@pytest.mark.engine
@pytest.mark.parametrize("matmul", ["own", "blas"])
def test_matrix_products_of_blas_change_nothing(matmul, rng):
    X, V = rng.normal(size=(40, 3)), rng.normal(size=(40, 3))
    options = {"output": "identity", "dtype": "float64", "seed": 0}
    one = Network([3, 7, 2], matmul=matmul, **options).taylor(X, V)
    other = Network([3, 7, 2], engine="reference", **options).taylor(X, V)
    for ours, theirs in zip(one, other, strict=True):
        assert relative_error(ours, theirs) <= 1e-12
