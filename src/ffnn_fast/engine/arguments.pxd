# Checks of the arrays that Python passes in: a wrong shape would read or write past their end.

from cpython.bytearray cimport PyByteArray_AS_STRING
from libc.stdint cimport int32_t, int64_t

cimport numpy as cnp

from ffnn_fast.engine.passes.batch cimport batch_t, inputs_only, row_of
from ffnn_fast.engine.passes.optimizer_rates cimport rates_t
from ffnn_fast.engine.passes.sparse_rows cimport GROUP, group_count, sparse_t
from ffnn_fast.engine.plan cimport plan_t


cdef inline int require(bint fits, str what) except -1:
    """Raises a ValueError that names the argument unless it fits"""
    if not fits:
        raise ValueError(f"{what} does not fit the network or the rows given")
    return 0


cdef inline int require_plain(const plan_t* plan, str what) except -1:
    """Raises unless the network has neither an input block nor parametric activations"""
    if plan.extended:
        raise ValueError(
            f"{what} does not support a network with an input block or parametric activations"
        )
    return 0


cdef inline int check_array(x, int typenum, int axes, str what, bint written) except -1:
    """Raises unless x is an array of this type and number of axes, C-contiguous and aligned"""
    if not cnp.PyArray_Check(x):
        raise TypeError(f"{what} must be an array, got {x!r}")
    if not cnp.PyArray_EquivTypenums(cnp.PyArray_TYPE(x), typenum):
        raise ValueError(f"{what} has the wrong dtype, {x.dtype}")
    if not (cnp.PyArray_ISCARRAY(x) if written else cnp.PyArray_ISCARRAY_RO(x)):
        kind = "C-contiguous and writable" if written else "C-contiguous"
        raise ValueError(f"{what} must be {kind}, got strides {x.strides} of shape {x.shape}")
    return require(cnp.PyArray_NDIM(x) == axes, what)


cdef inline void* vector(x, int typenum, Py_ssize_t n, str what, bint written=False) except NULL:
    """Pointer to a vector (n,)"""
    check_array(x, typenum, 1, what, written)
    require(cnp.PyArray_DIM(x, 0) == n, what)
    return cnp.PyArray_DATA(x)


cdef inline void* matrix(
    x, int typenum, Py_ssize_t rows, Py_ssize_t columns, str what, bint written=False
) except NULL:
    """Pointer to a matrix (rows, columns)"""
    check_array(x, typenum, 2, what, written)
    require(cnp.PyArray_DIM(x, 0) == rows and cnp.PyArray_DIM(x, 1) == columns, what)
    return cnp.PyArray_DATA(x)


cdef inline void* stack(
    x, int typenum, Py_ssize_t n, Py_ssize_t rows, Py_ssize_t columns, str what,
    bint written=True,
) except NULL:
    """Pointer to n matrices, (n, rows, columns)"""
    check_array(x, typenum, 3, what, written)
    require(
        cnp.PyArray_DIM(x, 0) == n and cnp.PyArray_DIM(x, 1) == rows
        and cnp.PyArray_DIM(x, 2) == columns, what,
    )
    return cnp.PyArray_DATA(x)


cdef inline bint is_plain(object x, int typenum, Py_ssize_t size, bint written) noexcept:
    """Whether x is an array of this type and size whose memory can be used as it lies"""
    cdef Py_ssize_t entries = 1
    cdef int axis
    if not cnp.PyArray_Check(x):
        return False
    for axis in range(cnp.PyArray_NDIM(<cnp.ndarray>x)):
        entries *= cnp.PyArray_DIM(<cnp.ndarray>x, axis)
    return (
        cnp.PyArray_TYPE(<cnp.ndarray>x) == typenum and entries == size and (
            cnp.PyArray_ISCARRAY(<cnp.ndarray>x) if written
            else cnp.PyArray_ISCARRAY_RO(<cnp.ndarray>x)
        )
    )


cdef inline double checked_dropout(double rate) except -1:
    """A dropout rate, in [0, 1)"""
    if not 0 <= rate < 1:
        raise ValueError(f"a dropout rate must be in [0, 1), got {rate}")
    return rate


cdef inline const double* hyperparameters(
    hyper, Py_ssize_t steps, Py_ssize_t H, bint dropout
) except NULL:
    """Pointer to hyperparameters (1, H), for all steps, or (steps, H)

    With dropout one more column may hold rates of it.
    """
    cdef Py_ssize_t row
    check_array(hyper, cnp.NPY_DOUBLE, 2, "hyper", False)
    require(cnp.PyArray_DIM(hyper, 0) == 1 or cnp.PyArray_DIM(hyper, 0) == steps, "hyper")
    cdef const double* values = <const double*>cnp.PyArray_DATA(hyper)
    if dropout and cnp.PyArray_DIM(hyper, 1) == H + 1:
        for row in range(cnp.PyArray_DIM(hyper, 0)):
            checked_dropout(values[row * (H + 1) + H])
    else:
        require(cnp.PyArray_DIM(hyper, 1) == H, "hyper")
    return values


cdef inline void* workspace(x, int typenum, Py_ssize_t least) except NULL:
    """Pointer to scratch of at least so many elements"""
    check_array(x, typenum, 1, "work", True)
    require(cnp.PyArray_DIM(x, 0) >= least, "work")
    return cnp.PyArray_DATA(x)


cdef inline bint all_below(
    const int64_t* values, Py_ssize_t count, const int64_t* order, Py_ssize_t most
) noexcept nogil:
    """Whether all `count` values, values[order] unless that is NULL, are in 0..most-1"""
    cdef Py_ssize_t r
    cdef int64_t found
    for r in range(count):
        found = values[r] if order is NULL else values[order[r]]
        if not 0 <= found < most:
            return False
    return True


cdef inline batch_t batch_of_inputs(const plan_t* plan, X, int typenum) except *:
    """The rows of X (n, columns), n > 0, without targets"""
    cdef batch_t batch
    require(not plan.sparse, "X")
    check_array(X, typenum, 2, "X", False)
    require(cnp.PyArray_DIM(X, 0) > 0 and cnp.PyArray_DIM(X, 1) == plan.columns, "X")
    batch.X, batch.n, batch.first = cnp.PyArray_DATA(X), cnp.PyArray_DIM(X, 0), 0
    batch.Y, batch.labels, batch.weight, batch.order = NULL, NULL, NULL, NULL
    return batch


cdef inline int put_in_order(batch_t* batch, order) except -1:
    """Of the rows of the batch only those in `order` (m,), m > 0; None: all"""
    cdef Py_ssize_t n = batch.n
    if order is not None:
        check_array(order, cnp.NPY_INT64, 1, "order", False)
        batch.order, batch.n = <const int64_t*>cnp.PyArray_DATA(order), cnp.PyArray_DIM(order, 0)
        require(batch.n > 0 and all_below(batch.order, batch.n, NULL, n), "a row in order")
    return 0


cdef inline bint put_transposed(
    const plan_t* plan, sparse_t* rows, transposed, bint is_current, int typenum
) except -1:
    """The sparse rows read `transposed` (n_0, n_1), W_1ᵀ, unless it is None; whether they do"""
    if transposed is None:
        return False
    require(plan.sparse, "transposed")
    rows.W = matrix(transposed, typenum, plan.n[0], plan.n[1], "transposed", True)
    rows.is_current = is_current
    return True


cdef inline batch_t batch_of_arrays(
    const plan_t* plan, X, Y, sample_weight, order, int typenum
) except *:
    """The rows of X (n, n_0), or those in `order` (m,), with their targets and weights

    Y is (n,) labels, which several heads do not take, or (n, T).
    """
    cdef batch_t batch = batch_of_inputs(plan, X, typenum)
    return batch_with_targets(plan, batch, Y, sample_weight, order, typenum)


cdef inline batch_t batch_with_targets(
    const plan_t* plan, batch_t batch, Y, sample_weight, order, int typenum
) except *:
    """The same of the rows of a batch"""
    cdef Py_ssize_t n = batch.n
    put_in_order(&batch, order)
    if cnp.PyArray_Check(Y) and cnp.PyArray_NDIM(Y) == 1:
        batch.labels = <const int64_t*>vector(Y, cnp.NPY_INT64, n, "Y")
        require(plan.heads == 1, "Y")
        require(all_below(batch.labels, batch.n, batch.order, plan.n[plan.L]), "a label in Y")
    else:
        batch.Y = matrix(Y, typenum, n, plan.targets, "Y")
    if sample_weight is not None:
        batch.weight = vector(sample_weight, typenum, n, "sample_weight")
    return batch


cdef inline batch_t batch_of_sparse(
    const plan_t* plan, X, int typenum, sparse_t* rows
) except *:
    """The sparse rows X, a `SparseRows`, without targets; `rows` is what the batch points to"""
    cdef Py_ssize_t n = len(X), count = len(X.values)
    rows.start = <const int64_t*>vector(X.starts, cnp.NPY_INT64, n + 1, "X.starts")
    rows.column = <const int32_t*>vector(X.columns, cnp.NPY_INT32, count, "X.columns")
    rows.value = vector(X.values, typenum, count, "X.values")
    require(n > 0 and rows.start[0] == 0 and rows.start[n] == count, "X.starts")
    require(
        is_ascending(rows.start, n) and columns_fit(rows.column, count, plan.n[0]), "X.columns"
    )
    rows.rows, rows.W, rows.is_current, rows.done = n, NULL, False, NULL
    return inputs_only(rows, n)


cdef inline bint is_ascending(const int64_t* values, Py_ssize_t n) noexcept nogil:
    """Whether none of the n values after the first is smaller than the one before it"""
    cdef Py_ssize_t r
    for r in range(n):
        if values[r + 1] < values[r]:
            return False
    return True


cdef inline bint columns_fit(const int32_t* column, Py_ssize_t n, Py_ssize_t most) noexcept nogil:
    """Whether all columns are in 0..most-1"""
    cdef Py_ssize_t e
    cdef int32_t lowest = 0, highest = 0
    for e in range(n):
        lowest, highest = min(lowest, column[e]), max(highest, column[e])
    return lowest >= 0 and highest < most


cdef inline Py_ssize_t most_entries(
    const batch_t* rows, Py_ssize_t batch_size, Py_ssize_t block
) noexcept nogil:
    """The most entries of a block of rows, when batches are cut into blocks"""
    cdef const sparse_t* X = <const sparse_t*>rows.X
    cdef Py_ssize_t r, at, most = 0, count = 0
    for r in range(rows.n):
        if r % batch_size % block == 0:
            count = 0
        at = row_of(rows, r)
        count += X.start[at + 1] - X.start[at]
        most = max(most, count)
    return most


cdef inline char* part(char** at, Py_ssize_t size) noexcept:
    """The memory at `at`, which moves on by so many bytes, in whole cache lines"""
    cdef char* start = at[0]
    at[0] += (size + 63) // 64 * 64
    return start


cdef inline void lay_out(
    const plan_t* plan, sparse_t* X, Py_ssize_t threads, Py_ssize_t steps, char** at
) noexcept:
    """Places what ∇W_1 needs at `at`, and for steps > 0 what groups that make up for them need"""
    cdef Py_ssize_t entries = threads * X.most, groups = group_count(plan)
    X.place = <int32_t*>part(at, plan.n[0] * sizeof(int32_t))
    X.count = <int32_t*>part(at, groups * sizeof(int32_t))
    X.first = <int32_t*>part(at, groups * sizeof(int32_t))
    X.row = <int32_t*>part(at, entries * sizeof(int32_t))
    X.entry = part(at, entries * plan.itemsize)
    X.sums = part(at, threads * GROUP * plan.n[1] * plan.itemsize)
    if steps > 0:
        X.done = <int32_t*>part(at, groups * sizeof(int32_t))
        X.penalty = <double*>part(at, groups * sizeof(double))
        X.rates = <rates_t*>part(at, steps * sizeof(rates_t))


cdef inline bytearray memory_for_gradient(
    const plan_t* plan, const batch_t* rows, Py_ssize_t batch_size, Py_ssize_t block,
    Py_ssize_t threads, Py_ssize_t steps,
):
    """Zeros for the lists of sparse rows, which the caller keeps; see `lay_out`"""
    cdef sparse_t* X = <sparse_t*>rows.X
    cdef char* at = NULL
    cdef bytearray memory
    X.most = most_entries(rows, batch_size, block)
    lay_out(plan, X, threads, steps, &at)
    memory = bytearray(<Py_ssize_t>at)
    at = PyByteArray_AS_STRING(memory)
    lay_out(plan, X, threads, steps, &at)
    return memory
