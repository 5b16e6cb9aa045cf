"""Reference vectors, and the program under ``#ifdef`` that compares with them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ffnn_fast import reference
from ffnn_fast._c_code.c_columns import Columns
from ffnn_fast._c_code.c_layers import Network
from ffnn_fast._c_code.c_text import array, literal
from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast._reference.input_blocks import columns_gradient
from ffnn_fast.activations import activation_of

Array = np.ndarray
ROWS = 8
LIMITS = {"float": 1e-5, "double": 1e-12}  # of the largest reference value
MARGIN = 8.0  # times the error of NumPy in float32, or what that is in float64
UNIT = 2.0**-29  # from float32 to float64


@dataclass(frozen=True)
class Vectors:
    """x (n, inputs), y (n, n_L) and J (n, n_L, inputs), in float64, and the limits of errors."""

    x: Array
    y: Array
    J: Array
    y_limit: float
    J_limit: float


def vectors(net: Network, columns: Columns) -> Vectors:
    """Reference vectors of the plain NumPy formulas in float64, from random inputs."""
    dtype = {"float": "float32", "double": "float64"}[net.real]
    x, h_0, d_0 = columns.samples(ROWS, dtype, np.random.default_rng(0))
    exact = _value_and_jacobian(net.spec, net.params, h_0, "float64")
    rough = _value_and_jacobian(net.spec, net.params, h_0, "float32")
    factor = MARGIN * (1.0 if net.real == "float" else UNIT)
    limits = [
        max(LIMITS[net.real], factor * float(np.abs(a - b).max()) / _size(a))
        for a, b in zip(exact, rough, strict=True)
    ]
    y, J = exact
    return Vectors(x, *columns.outputs.decode(y, columns.by_column(J, d_0)), *limits)


def _size(x: Array) -> float:
    return float(np.abs(x).max()) or 1.0


def _value_and_jacobian(
    spec: NetworkSpec, params: Array, X: Array, dtype: str
) -> tuple[Array, Array]:
    """ŷ (n, n_L) and ∂ŷ/∂x (n, n_L, c), computed in a dtype: tangents, layer by layer."""
    spec, theta, X = replace(spec, dtype=dtype), params.astype(dtype), X.astype(dtype)
    a, h = reference.forward_propagation(reference.Plan(spec), theta, X)
    T, alphas = _tangents_of_units(spec, theta, X), spec.alphas(theta)  # T[r, c] = ∂h_k/∂x_c
    for k, (W, g) in enumerate(
        zip(spec.weights(theta), spec.layer_activations, strict=True), start=1
    ):
        T = T @ W.T
        # The Jacobian of every g and O is symmetric.
        product = activation_of(g, spec.heads).jacobian_product
        parametric = k <= len(alphas)
        g_k = activation_of(g).function(a[k]) if parametric else h[k]
        moved = np.stack([product(a[k], g_k, T[:, c]) for c in range(X.shape[1])], axis=1)
        T = T + (moved - T) * alphas[k - 1] if parametric else moved
    return h[-1].astype(np.float64), T.swapaxes(1, 2).astype(np.float64)


def _tangents_of_units(spec: NetworkSpec, theta: Array, X: Array) -> Array:
    """∂h_0/∂x, (n, c, n_0); each unit of a block is made of one column."""
    n, columns = X.shape
    if spec.inputs is None:
        return np.broadcast_to(np.eye(columns, dtype=X.dtype), (n, columns, columns))
    T = np.zeros((n, columns, spec.n_units), X.dtype)
    features = spec.inputs.features(columns)
    for unit in range(max(feature.units for feature in features)):
        some = [feature for feature in features if feature.units > unit]
        at, of = [feature.at + unit for feature in some], [feature.column for feature in some]
        chosen = np.zeros((n, spec.n_units), X.dtype)
        chosen[:, at] = 1
        T[:, of, at] = columns_gradient(spec, theta, X, chosen)[:, of]
    return T


def main_program(net: Network, found: Vectors, name: str, jacobian: bool) -> str:
    """The program: exit code 0 if all errors are within their limits, else 1."""
    n_L, n_0, real = found.y.shape[1], found.x.shape[1], net.real
    arrays = [
        array(real, "reference_x", found.x, real),
        array("double", "reference_y", found.y, "double"),
    ]
    if jacobian:
        arrays.append(array("double", "reference_J", found.J.reshape(ROWS, -1), "double"))
    text = MAIN_JACOBIAN if jacobian else MAIN
    filled = {
        "@name": name, "@real": real, "@rows": str(ROWS), "@n_L": str(n_L), "@n_0": str(n_0),
        "@y_limit": literal(found.y_limit, "double"), "@J_limit": literal(found.J_limit, "double"),
    }  # fmt: skip
    text = ERROR + text
    for mark, given in filled.items():
        text = text.replace(mark, given)
    begin, end = f"#ifdef {name.upper()}_MAIN\n#include <stdio.h>\n\n", "#endif\n"
    return begin + "\n".join(arrays) + text + end


ERROR = """
/* the largest |x_i - reference_i|, as a share of the largest |reference_i|; NaN if an x_i is */
static double error_of(const @real *x, const double *reference, size_t n)
{
    double largest = 0, error = 0;
    size_t i;
    for (i = 0; i < n; ++i) {
        const double size = reference[i] < 0 ? -reference[i] : reference[i];
        const double gap = (double)x[i] - reference[i], e = gap < 0 ? -gap : gap;
        largest = size > largest ? size : largest;
        error = e <= error ? error : e;
        if (e != e) return e;
    }
    return largest > 0 ? error / largest : error;
}

static int report(const char *what, double error, double limit)
{
    const int passed = error <= limit;
    printf("%s: largest error %.3g of the largest value, limit %.3g: %s\\n", what, error, limit,
           passed ? "ok" : "FAILED");
    return passed;
}
"""
MAIN = """
int main(void)
{
    @real y[@rows * @n_L];
    @name_batch(@rows, reference_x[0], y);
    return report("y", error_of(y, reference_y[0], @rows * @n_L), @y_limit) ? 0 : 1;
}
"""
MAIN_JACOBIAN = """
int main(void)
{
    static @real y[@rows * @n_L], J[@rows * @n_L * @n_0];
    int passed, r;
    @name_batch(@rows, reference_x[0], y);
    passed = report("y", error_of(y, reference_y[0], @rows * @n_L), @y_limit);
    for (r = 0; r < @rows; ++r) {
        @name_jacobian(reference_x[r], y + r * @n_L, J + r * @n_L * @n_0);
    }
    passed &= report("y with J", error_of(y, reference_y[0], @rows * @n_L), @y_limit);
    passed &= report("J", error_of(J, reference_J[0], @rows * @n_L * @n_0), @J_limit);
    return passed ? 0 : 1;
}
"""
