# Sparse rows (CSR): the products of the first layer over the stored entries alone.
#
# They read W_1ᵀ (n_0, n_1), in which the weights of an input lie side by side, and add the entries
# of a row of X, or of a column of a batch, in the order in which they are stored. So no bit depends
# on the rows beside a row, or on the threads.

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.string cimport memcpy

from ffnn_fast.engine.floating cimport floating
from ffnn_fast.engine.kernels.compiler cimport rare
from ffnn_fast.engine.kernels.products cimport gather_panel, scale_entries, sum_rows, turn
from ffnn_fast.engine.passes.batch cimport batch_t, row_of
from ffnn_fast.engine.passes.dropout_masks cimport (
    fmix, kept_scale_of, layer_key, splitmix, threshold_of,
)
from ffnn_fast.engine.passes.optimizer_rates cimport rates_t
from ffnn_fast.engine.passes.penalty cimport add_signs
from ffnn_fast.engine.passes.team cimport meet, share_end, share_start, team_t
from ffnn_fast.engine.plan cimport drops, plan_t, step_t

cdef enum:
    MASKED = 64     # entries of a row that are masked together
    TILE = 16       # rows or columns that a transposition takes together
    GROUP = 16      # columns of W_1 that are updated together, by one thread

cdef struct sparse_t:  # X of a batch_t where plan.sparse
    const int64_t* start     # entries start[r]..start[r + 1] - 1 are those of row r
    const int32_t* column    # of each entry
    const void* value        # of each entry, of the plan's dtype
    Py_ssize_t rows          # of all
    void* W                  # W_1ᵀ (n_0, n_1); NULL: W_1 is read where it lies
    bint is_current          # W holds W_1ᵀ already
    # For ∇W_1. Each thread sorts the entries of a block of rows in its groups by column.
    Py_ssize_t most          # entries of a block of rows
    int32_t* place           # (n_0,) where the entries of a column end; 0 between blocks of rows
    int32_t* count           # (groups,) entries of a group of columns; the same
    int32_t* first           # (groups,) where they begin
    int32_t* row             # (threads, most) row of each entry in the block
    void* entry              # (threads, most) its value
    void* sums               # (threads, GROUP, n_1) ∇ of a group
    # For steps that groups without entries make up for later; see sparse_steps.pxd.
    int32_t* done            # (groups,) steps of this call that are made; NULL: there are none such
    double* penalty          # (groups,) Σ rows · penalty of these steps
    rates_t* rates           # numbers of each step


cdef inline sparse_t* sparse_of(const batch_t* batch) noexcept nogil:
    """The sparse rows of a batch"""
    return <sparse_t*>batch.X


cdef inline void transpose(
    Py_ssize_t rows, Py_ssize_t columns, const floating* A, floating* B, team_t team
) noexcept nogil:
    """B (columns, rows) := Aᵀ, a thread's share of the longer side"""
    cdef Py_ssize_t first
    if rows > columns:
        first = share_start(rows, TILE, team)
        turn(
            share_end(rows, TILE, team) - first, columns, A + first * columns, columns, B + first,
            rows,
        )
    else:
        first = share_start(columns, TILE, team)
        turn(
            rows, share_end(columns, TILE, team) - first, A + first, columns, B + first * rows,
            rows,
        )


cdef inline void transpose_in_place(
    Py_ssize_t rows, Py_ssize_t columns, floating* A, floating* spare, team_t team
) noexcept nogil:
    """A (rows, columns) := Aᵀ (columns, rows), by all threads; spare: as many elements"""
    cdef Py_ssize_t first = share_start(rows * columns, TILE, team)
    transpose(rows, columns, A, spare, team)
    meet(team)
    memcpy(
        A + first, spare + first,
        (share_end(rows * columns, TILE, team) - first) * sizeof(floating),
    )
    meet(team)


cdef inline void share_transposed(
    const plan_t* plan, const floating* params, const batch_t* batch, team_t team
) noexcept nogil:
    """W_1ᵀ for sparse rows that read it, by all threads"""
    cdef const sparse_t* X = sparse_of(batch)
    if rare(plan.sparse) and X.W is not NULL and not X.is_current:
        transpose(plan.n[1], plan.n[0], params + plan.W[1], <floating*>X.W, team)
        meet(team)


cdef inline floating value_of(
    const plan_t* plan, const step_t* step, floating x, int32_t column, uint64_t key
) noexcept nogil:
    """x, the entry of a row with this key in a column, with the dropout mask of h_0"""
    cdef uint32_t bits
    if drops(plan, step, 0):
        bits = fmix(fmix(<uint32_t>column ^ <uint32_t>key) ^ <uint32_t>(key >> 32))
        if <int32_t>(bits >> 1) < threshold_of(plan, step, 0):
            return 0
        x *= <floating>kept_scale_of(plan, step, 0)
    return x


cdef inline uint64_t key_of(const plan_t* plan, const step_t* step, Py_ssize_t row) noexcept nogil:
    """The key of a row of the batch in the dropout mask of h_0"""
    return splitmix(layer_key(step, 0), <uint64_t>row) if drops(plan, step, 0) else 0


cdef inline void add_row(
    const plan_t* plan, const floating* params, const sparse_t* X, Py_ssize_t count,
    Py_ssize_t known, const floating* x, const int32_t* column, floating* a,
) noexcept nogil:
    """a (n_1,) := a + W_1 x for `count` entries x of a row, in these columns; column (known,)"""
    cdef const floating* W = params + plan.W[1]
    cdef Py_ssize_t i, e
    if X.W is not NULL:
        sum_rows(count, known, x, column, plan.n[1], <const floating*>X.W, a)
        return
    for i in range(plan.n[1]):
        for e in range(count):
            a[i] += x[e] * W[column[e]]
        W += plan.n[0]


cdef inline void sparse_row(
    const plan_t* plan, const step_t* step, const floating* params, const batch_t* batch,
    Py_ssize_t r, floating* a,
) noexcept nogil:
    """a (n_1,) := b_1 + W_1 x for row r of those at hand"""
    cdef const sparse_t* X = sparse_of(batch)
    cdef Py_ssize_t at = row_of(batch, r), e = X.start[at], end = X.start[at + 1], some, i
    cdef Py_ssize_t all = X.start[X.rows]
    cdef const floating* x = <const floating*>X.value
    cdef uint64_t key = key_of(plan, step, batch.first + r)
    cdef floating[MASKED] masked
    memcpy(a, params + plan.b[1], plan.n[1] * sizeof(floating))
    if not drops(plan, step, 0):
        add_row(plan, params, X, end - e, all - e, x + e, X.column + e, a)
        return
    while e < end:
        some = min(end - e, <Py_ssize_t>MASKED)
        for i in range(some):
            masked[i] = value_of(plan, step, x[e + i], X.column[e + i], key)
        add_row[floating](plan, params, X, some, all - e, masked, X.column + e, a)
        e += some


cdef inline void sparse_units(
    const plan_t* plan, const step_t* step, const floating* params, const batch_t* batch,
    floating* rows, floating* a,
) noexcept nogil:
    """a (n_1, S) := the panel of a_1 for the n <= S rows of the batch; rows: scratch (S, n_1)"""
    cdef Py_ssize_t r
    for r in range(batch.n):
        sparse_row(plan, step, params, batch, r, rows + r * plan.n[1])
    gather_panel(batch.n, plan.n[1], rows, NULL, a, <floating*>NULL, 0)


cdef inline Py_ssize_t group_count(const plan_t* plan) noexcept nogil:
    """Groups of columns"""
    return (plan.n[0] + GROUP - 1) // GROUP


cdef inline bint owns(team_t team, Py_ssize_t group) noexcept nogil:
    """Whether this thread updates a group of columns"""
    return group % 64 * team.threads // 64 == team.thread


cdef inline Py_ssize_t end_of_group(const plan_t* plan, Py_ssize_t group) noexcept nogil:
    """The first column after a group"""
    return min((group + 1) * GROUP, plan.n[0])


cdef inline Py_ssize_t group_size(const plan_t* plan, Py_ssize_t group) noexcept nogil:
    """Elements of W_1 in a group"""
    return (end_of_group(plan, group) - group * GROUP) * plan.n[1]


cdef inline void place_groups(const plan_t* plan, sparse_t* X, team_t team) noexcept nogil:
    """From the number of entries of each column: where its entries begin"""
    cdef int32_t total = 0, count
    cdef Py_ssize_t group, j
    for group in range(group_count(plan)):
        if X.count[group] > 0 and owns(team, group):
            X.first[group] = total
            for j in range(group * GROUP, end_of_group(plan, group)):
                count = X.place[j]
                X.place[j] = total
                total += count


cdef inline void sort_entries(
    const plan_t* plan, const step_t* step, const batch_t* batch, floating* entry, team_t team
) noexcept nogil:
    """Sorts the entries of the batch in a thread's groups by column, then by row

    Values go to `entry`, that of the sparse rows.
    """
    cdef sparse_t* X = sparse_of(batch)
    cdef Py_ssize_t most = X.most * team.thread, r, e, at
    cdef const floating* value = <const floating*>X.value
    cdef int32_t column
    cdef uint64_t key
    for r in range(batch.n):
        at = row_of(batch, r)
        for e in range(X.start[at], X.start[at + 1]):
            column = X.column[e]
            if owns(team, column // GROUP):
                X.count[column // GROUP] += 1
                X.place[column] += 1
    place_groups(plan, X, team)
    for r in range(batch.n):
        at, key = row_of(batch, r), key_of(plan, step, batch.first + r)
        for e in range(X.start[at], X.start[at + 1]):
            column = X.column[e]
            if owns(team, column // GROUP):
                X.row[most + X.place[column]] = <int32_t>r
                entry[most + X.place[column]] = value_of(plan, step, value[e], column, key)
                X.place[column] += 1


cdef inline void add_group(
    const plan_t* plan, sparse_t* X, Py_ssize_t group, const floating* da, floating* total,
    team_t team,
) noexcept nogil:
    """total (GROUP, n_1) := total + ∇ of a group that has entries; da: rows of ∇a_1

    The entries are forgotten.
    """
    cdef Py_ssize_t most = X.most * team.thread, j, at = X.first[group], count
    cdef const floating* entry = <const floating*>X.entry + most
    for j in range(group * GROUP, end_of_group(plan, group)):
        count = X.place[j] - at
        sum_rows(count, count, entry + at, X.row + most + at, plan.n[1], da, total)
        at, X.place[j] = X.place[j], 0
        total += plan.n[1]
    X.count[group] = 0


cdef inline void start_gradient(
    const plan_t* plan, const batch_t* batch, floating* grad, team_t team
) noexcept nogil:
    """grad (n_0, n_1) := l2 W_1ᵀ + l1 sign(W_1ᵀ) in a thread's columns"""
    cdef const floating* W = <const floating*>sparse_of(batch).W
    cdef Py_ssize_t group, at
    for group in range(group_count(plan)):
        if owns(team, group):
            at = group * GROUP * plan.n[1]
            penalty_gradient(plan, group_size(plan, group), W + at, grad + at)


cdef inline void penalty_gradient(
    const plan_t* plan, Py_ssize_t n, const floating* w, floating* grad
) noexcept nogil:
    """grad := l2 w + l1 sign(w) for n entries w of W_1"""
    scale_entries(n, <floating>plan.l2[1], w, grad)
    if plan.l1[1] != 0:
        add_signs(plan.l1[1], w, grad, n)


cdef inline void add_entries(
    const plan_t* plan, const step_t* step, const batch_t* batch, const floating* da,
    floating* grad, team_t team,
) noexcept nogil:
    """grad (n_0, n_1) := grad + ∇W_1ᵀ in a thread's groups; da: rows of ∇a_1"""
    cdef sparse_t* X = sparse_of(batch)
    cdef Py_ssize_t group
    sort_entries(plan, step, batch, <floating*>X.entry, team)
    for group in range(group_count(plan)):
        if owns(team, group) and X.count[group] > 0:
            add_group(plan, X, group, da, grad + group * GROUP * plan.n[1], team)
