# Included by engine.pyx: the normal equations of nonlinear least squares.

from ffnn_fast.engine.jacobian cimport block_panels, least_squares_scratch, sum_normal_equations
from ffnn_fast.engine.plan cimport HALF_SQUARED_ERROR, SOFTMAX, SQUARED_ERROR


cdef double _normal_equations(
    Plan plan, const floating[::1] params, const floating[:, ::1] X, const floating[:, ::1] Y,
    const floating[::1] sample_weight, floating[:, ::1] JTJ, floating[::1] JTr,
    floating[::1] work,
) except? -1:
    cdef Py_ssize_t n = X.shape[0], P = plan.c.P
    cdef const floating* weight = _optional[floating](sample_weight, n)
    cdef double value = 0
    _require(params.shape[0] == P, "params")
    _require(n > 0 and X.shape[1] == plan.c.n[0], "X")
    _require(Y.shape[0] == n and Y.shape[1] == plan.c.n[plan.c.L], "Y")
    _require(JTJ.shape[0] == P and JTJ.shape[1] == P and JTr.shape[0] == P, "JTJ or JTr")
    _require(work.shape[0] >= normal_workspace_size(plan, n), "work")
    _require(
        plan.c.g[plan.c.L] != SOFTMAX and plan.c.loss in (SQUARED_ERROR, HALF_SQUARED_ERROR),
        "the sum of squares",
    )
    # Threads meet after each block of J, which costs P operations for each of its elements.
    cdef int threads = plan.team(block_panels(&plan.c, n) * plan.c.S, P * plan.c.n[plan.c.L])
    if threads == 1:
        with nogil:
            sum_normal_equations(
                &plan.c, &params[0], &X[0, 0], &Y[0, 0], weight, n, &JTJ[0, 0], &JTr[0],
                &work[0], 0, 1, &value,
            )
    else:
        with nogil, parallel(num_threads=threads):
            sum_normal_equations(
                &plan.c, &params[0], &X[0, 0], &Y[0, 0], weight, n, &JTJ[0, 0], &JTr[0],
                &work[0], threadid(), threads, &value,
            )
    return value


def normal_workspace_size(Plan plan, Py_ssize_t n):
    """Elements of scratch for `normal_equations` on `n` rows: a block of J above all."""
    return least_squares_scratch(&plan.c, max(n, 1), plan.n_threads)


def normal_equations(Plan plan, params, X, Y, sample_weight, JTJ, JTr, work):
    """JTJ := lower triangle of JᵀJ, (P, P), JTr := Jᵀr, (P,); returns ½ Σ r², the mean loss.

    r_ij = √(c w_i / n) (ŷ_ij − y_ij) with c = 2 for squared_error, 1 for half_squared_error, and
    J = ∂r/∂θ; without the penalty. Needs an output other than softmax; Y is (n, n_L).
    """
    if plan.is_double:
        return _normal_equations[double](plan, params, X, Y, sample_weight, JTJ, JTr, work)
    return _normal_equations[float](plan, params, X, Y, sample_weight, JTJ, JTr, work)
