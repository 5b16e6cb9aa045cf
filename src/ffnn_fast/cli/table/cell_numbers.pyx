# cython: binding=False
"""Decimal numbers in the cells of a text, each as `float` reads it; Python's reader is the twin."""

from cpython.buffer cimport (
    PyBUF_SIMPLE,
    PyBUF_WRITABLE,
    PyBuffer_Release,
    PyObject_GetBuffer,
)
from libc.math cimport fabs
from libc.stdint cimport int64_t, uint8_t, uint64_t

cdef extern from "Python.h":
    double PyOS_string_to_double(const char* text, char** end, void* overflow) except? -1.0

cdef enum:
    DIGITS = 15  # float64 holds each whole number of so many digits
    LONGEST = 64  # bytes of a number

cdef enum:  # what a cell holds; PADDED: a number with zeros before it
    C_OTHER, C_NUMBER, C_PADDED

OTHER, NUMBER, PADDED = C_OTHER, C_NUMBER, C_PADDED
cdef double EXACT = 2.0**53  # float64 holds every whole number up to it
cdef double[DIGITS + 1] POWERS  # exact, so that a division by one rounds once
POWERS[:] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15]


cdef inline const uint8_t* after_digits(
    const uint8_t* at, const uint8_t* end, uint64_t* whole
) noexcept nogil:
    """Where the digits from `at` on end; they are appended to a whole number (modulo 2^64)."""
    while at < end and <uint8_t> (at[0] - c'0') < 10:
        whole[0] = 10 * whole[0] + <uint8_t> (at[0] - c'0')
        at += 1
    return at


cdef double rounded(const uint8_t* at, Py_ssize_t size, uint8_t mark) except? -1.0:
    """The float64 next to a number of up to LONGEST bytes, by the function that `float` calls."""
    cdef char[LONGEST + 1] plain
    cdef Py_ssize_t i
    for i in range(size):
        plain[i] = c'.' if at[i] == mark else <char> at[i]
    plain[size] = 0
    return PyOS_string_to_double(plain, NULL, NULL)


cdef int read_number(
    const uint8_t* at, Py_ssize_t size, uint8_t mark, double* value
) except -1 nogil:
    """What a cell holds, and its value if that is a number."""
    cdef const uint8_t* end = at + size
    cdef const uint8_t* stop
    cdef const uint8_t* start
    cdef uint64_t whole = 0
    cdef Py_ssize_t n_digits, decimals = 0
    cdef int kind
    if size > 1 and at[0] == c'"':
        at, end = at + 1, end - 1
    while at < end and at[0] == c' ':
        at += 1
    while at < end and (end - 1)[0] == c' ':
        end -= 1
    start = at
    if at < end and at[0] == c'-':
        at += 1
    stop = after_digits(at, end, &whole)
    n_digits = stop - at
    kind = C_PADDED if n_digits > 1 and at[0] == c'0' else C_NUMBER
    if stop < end and stop[0] == mark:
        at = stop + 1
        stop = after_digits(at, end, &whole)
        decimals = stop - at
        if decimals == 0 and mark == c',':
            return C_OTHER
    n_digits += decimals
    if n_digits == 0 or end - start > LONGEST:
        return C_OTHER
    if stop == end and n_digits <= DIGITS:
        value[0] = <double> whole / POWERS[decimals]
        if start[0] == c'-':
            value[0] = -value[0]
        return kind
    if stop < end:
        if stop[0] != c'e' and stop[0] != c'E':
            return C_OTHER
        at = stop + 1
        if at < end and (at[0] == c'-' or at[0] == c'+'):
            at += 1
        stop = after_digits(at, end, &whole)
        if stop == at or stop < end:
            return C_OTHER
    with gil:
        value[0] = rounded(start, end - start, mark)
    return kind if fabs(value[0]) < EXACT else C_OTHER


def read_numbers(data, begin, size, uint8_t mark, values, kinds):
    """Read the numbers in n cells of a text.

    A number is an optional "-", digits with at most one decimal mark, and an optional exponent,
    with blanks or double quotes around it. Numbers from 2^53 on are none here: float64 rounds them.

    Parameters
    ----------
    data : array of uint8
        The text.
    begin, size : array of int64, shape (n,)
        Where each cell begins, and its length in bytes.
    mark : {ord("."), ord(",")}
        The decimal mark.
    values : array of float64, shape (n,)
        Output: the numbers; other entries are not set.
    kinds : array of uint8, shape (n,)
        Output: `NUMBER`, `PADDED` (a number with zeros before it) or `OTHER` for each cell.

    Raises
    ------
    ValueError
        If the arrays have other sizes, or are not contiguous.
    IndexError
        If a cell is not within the text.
    """
    cdef Py_buffer[5] views
    cdef Py_ssize_t i, n = len(kinds), length
    cdef int opened = 0
    cdef bint inside = True
    cdef const uint8_t* text
    cdef const int64_t* begins
    cdef const int64_t* sizes
    try:
        for array in (data, begin, size, values, kinds):
            flags = PyBUF_WRITABLE if opened > 2 else PyBUF_SIMPLE
            PyObject_GetBuffer(array, &views[opened], flags)
            opened += 1
            if opened > 1 and views[opened - 1].len != n * (1 if opened == 5 else 8):
                raise ValueError("read_numbers: arrays of another size")
        text, length = <const uint8_t*> views[0].buf, views[0].len
        begins, sizes = <const int64_t*> views[1].buf, <const int64_t*> views[2].buf
        with nogil:
            for i in range(n):
                if not 0 <= sizes[i] <= length or not 0 <= begins[i] <= length - sizes[i]:
                    inside = False
                    break
                (<uint8_t*> views[4].buf)[i] = read_number(
                    text + begins[i], sizes[i], mark, <double*> views[3].buf + i
                )
        if not inside:
            raise IndexError("read_numbers: a cell is not within the text")
    finally:
        while opened:
            opened -= 1
            PyBuffer_Release(&views[opened])
