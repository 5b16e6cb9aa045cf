# Dropout by a hash of (seed, step, layer, row of the batch, unit), the formulas of
# _model/dropout_masks.py.

from libc.math cimport rint
from libc.stdint cimport int32_t, uint32_t, uint64_t

from ffnn_fast.engine.floating cimport floating
from ffnn_fast.engine.kernels.products cimport MK_BYTES
from ffnn_fast.engine.plan cimport plan_t, step_t

cdef enum:
    MAX_S = 32  # samples of the widest panel, float32 with 64-byte vectors
    MOST_DROPPED = 0x7FFFFFFF  # hashes of 2^31 that may drop a unit: a rate below 1


cdef inline uint64_t splitmix(uint64_t start, uint64_t i) noexcept nogil:
    """The i-th output of SplitMix64, i from 0"""
    cdef uint64_t z = start + (i + 1) * <uint64_t>0x9E3779B97F4A7C15
    z = (z ^ (z >> 30)) * <uint64_t>0xBF58476D1CE4E5B9
    z = (z ^ (z >> 27)) * <uint64_t>0x94D049BB133111EB
    return z ^ (z >> 31)


cdef inline uint32_t fmix(uint32_t h) noexcept nogil:
    """The finaliser of MurmurHash3"""
    h = (h ^ (h >> 16)) * <uint32_t>0x85EBCA6B
    h = (h ^ (h >> 13)) * <uint32_t>0xC2B2AE35
    return h ^ (h >> 16)


cdef inline uint64_t layer_key(const step_t* step, Py_ssize_t k) noexcept nogil:
    """Where the keys of the rows start for h_k"""
    return splitmix(splitmix(step.seed, <uint64_t>step.mask), <uint64_t>k)


cdef inline void set_dropout(step_t* step, double rate) noexcept nogil:
    """The rate, in [0, 1), of every layer that drops units in this step; no masks where it is 0"""
    step.threshold = min(<Py_ssize_t>rint(rate * 2147483648.0), <Py_ssize_t>MOST_DROPPED)
    step.kept_scale = 1 / (1 - rate)
    if step.threshold == 0:
        step.mask = 0


cdef inline int32_t threshold_of(
    const plan_t* plan, const step_t* step, Py_ssize_t k
) noexcept nogil:
    """Of 2^31 hashes, how many drop a unit of h_k in this step"""
    return <int32_t>(plan.threshold[k] if step.threshold == 0 else step.threshold)


cdef inline double kept_scale_of(
    const plan_t* plan, const step_t* step, Py_ssize_t k
) noexcept nogil:
    """1 / (1 − rate) of h_k in this step"""
    return plan.kept_scale[k] if step.threshold == 0 else step.kept_scale


cdef inline void drop_panel(
    const plan_t* plan, const step_t* step, Py_ssize_t k, Py_ssize_t first, floating* z, floating* d
) noexcept nogil:
    """z, d := m z / (1 − rate), m d / (1 − rate) for a panel (n_k, S)

    Its samples are the rows first.. of the batch; d may be NULL.
    """
    cdef Py_ssize_t S = 2 * MK_BYTES // sizeof(floating), j, s
    cdef uint64_t start = layer_key(step, k), key
    cdef int32_t threshold = threshold_of(plan, step, k)
    cdef floating scale = <floating>kept_scale_of(plan, step, k)
    cdef uint32_t[MAX_S] low
    cdef uint32_t[MAX_S] high
    cdef int32_t[MAX_S] bits
    for s in range(S):
        key = splitmix(start, <uint64_t>(first + s))
        low[s], high[s] = <uint32_t>key, <uint32_t>(key >> 32)
    for j in range(plan.n[k]):
        for s in range(S):
            bits[s] = <int32_t>(fmix(fmix(<uint32_t>j ^ low[s]) ^ high[s]) >> 1)
        for s in range(S):
            z[s] = <floating>0 if bits[s] < threshold else scale * z[s]
        z += S
        if d is not NULL:
            for s in range(S):
                d[s] = <floating>0 if bits[s] < threshold else scale * d[s]
            d += S


cdef inline void drop_row(
    Py_ssize_t n, uint64_t key, int32_t threshold, floating scale, floating* z
) noexcept nogil:
    """z := m z / (1 − rate) for the n units of a row with this key"""
    cdef uint32_t low = <uint32_t>key, high = <uint32_t>(key >> 32), j
    cdef int32_t bits
    for j in range(<uint32_t>n):
        bits = <int32_t>(fmix(fmix(j ^ low) ^ high) >> 1)
        z[j] = <floating>0 if bits < threshold else scale * z[j]


cdef inline void drop_rows(
    const plan_t* plan, const step_t* step, Py_ssize_t k, Py_ssize_t first, Py_ssize_t n,
    floating* z, floating* d,
) noexcept nogil:
    """The same for the n rows first.. of the batch, (n, n_k)"""
    cdef uint64_t start = layer_key(step, k), key
    cdef int32_t threshold = threshold_of(plan, step, k)
    cdef floating scale = <floating>kept_scale_of(plan, step, k)
    cdef Py_ssize_t r, width = plan.n[k]
    for r in range(n):
        key = splitmix(start, <uint64_t>(first + r))
        drop_row(width, key, threshold, scale, z + r * width)
        if d is not NULL:
            drop_row(width, key, threshold, scale, d + r * width)
