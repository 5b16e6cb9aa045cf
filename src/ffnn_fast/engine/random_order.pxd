# Random orders of rows, with the draws of NumPy's generators.

from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.stdint cimport int64_t, uint32_t

cimport numpy as cnp
from numpy.random cimport bitgen_t

from ffnn_fast.engine.arguments cimport matrix


cdef inline void shuffle_rows(bitgen_t* bits, Py_ssize_t n, int64_t* rows) noexcept nogil:
    """Fisher and Yates: swap rows[i] and rows[j], j uniform in 0, ..., i, for i = n-1, ..., 1

    As `numpy.random.Generator.shuffle`, j is the first draw of as many low bits as i has that is
    at most i. A draw above i swaps rows[i] with itself, since a branch would be mispredicted often.
    """
    cdef int64_t row
    cdef uint32_t i = <uint32_t>max(n - 1, 0), j, mask = 0xFFFFFFFF
    cdef bint found
    while i > 0:
        while mask >> 1 >= i:
            mask >>= 1
        j = bits.next_uint32(bits.state) & mask
        found = j <= i
        j = j if found else i
        row = rows[i]
        rows[i] = rows[j]
        rows[j] = row
        i -= found


cdef inline int shuffle_array(rng, rows) except -1:
    """The same of each row, one after another, without the GIL; rows (E, n) int64

    The method is called where a class before the last two, Generator and object, has one.
    """
    cdef Py_ssize_t i, count = rows.shape[0], n = rows.shape[1]
    cdef int64_t* order = <int64_t*>matrix(rows, cnp.NPY_INT64, count, n, "rows", True)
    cdef object source = rng.bit_generator
    cdef bitgen_t* bits = <bitgen_t*>PyCapsule_GetPointer(source.capsule, "BitGenerator")
    # Beyond 32 bits NumPy draws more at a time.
    if n > 0xFFFFFFFF or any(["shuffle" in vars(kind) for kind in type(rng).__mro__[:-2]]):
        for row in rows:
            rng.shuffle(row)
        return 0
    with source.lock, nogil:
        for i in range(count):
            shuffle_rows(bits, n, order + i * n)
    return 0
