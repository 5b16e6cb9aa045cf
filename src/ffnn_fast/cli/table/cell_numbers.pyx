# cython: binding=False
"""Decimal numbers in the cells of a text, each as `float` reads it; Python's reader is the twin."""

from cpython.buffer cimport (
    PyBUF_SIMPLE,
    PyBUF_WRITABLE,
    PyBuffer_Release,
    PyObject_GetBuffer,
)
from libc.math cimport fabs, fma
from libc.stdint cimport int32_t, uint8_t, uint64_t

cdef extern from "Python.h":
    double PyOS_string_to_double(const char* text, char** end, void* overflow) except? -1.0

cdef enum:
    DIGITS = 15  # float64 holds each whole number of so many digits
    MOST_DIGITS = 19  # uint64 does
    MOST_POWER = 22  # float64 holds each power of ten up to it
    LONGEST = 64  # bytes of a number

cdef enum:  # what a cell holds; PADDED: a number with zeros before it
    C_OTHER, C_NUMBER, C_PADDED

OTHER, NUMBER, PADDED = C_OTHER, C_NUMBER, C_PADDED
cdef double EXACT = 2.0**53  # float64 holds every whole number up to it
cdef double[MOST_POWER + 1] POWERS
POWERS[:] = [10.0**k for k in range(MOST_POWER + 1)]


cdef inline const uint8_t* after_digits(
    const uint8_t* at, const uint8_t* end, uint64_t* whole
) noexcept nogil:
    """Where the digits from `at` on end; they are appended to a whole number (modulo 2^64)."""
    while at < end and <uint8_t> (at[0] - c'0') < 10:
        whole[0] = 10 * whole[0] + <uint8_t> (at[0] - c'0')
        at += 1
    return at


cdef inline bint quotient(uint64_t whole, Py_ssize_t power, double* value) noexcept nogil:
    """Set the float64 next to whole / 10^power, power <= MOST_POWER; False if it is in doubt.

    q + c, with q = fl(hi / p) and c = (hi - q p + lo) / p, is the quotient, of which only c is
    rounded, twice: its error is below e. If q + (c - e) and q + (c + e) have one float64, so has
    the quotient, since rounding is monotonic.
    """
    cdef double hi = <double> (whole & ~<uint64_t> 2047)  # 53 bits
    cdef double lo = <double> (whole & 2047)
    cdef double p = POWERS[power]
    cdef double q = hi / p
    cdef double c = (fma(-q, p, hi) + lo) / p
    cdef double e = fabs(c) * 2.0**-50
    value[0] = q + (c - e)
    return value[0] == q + (c + e)


cdef inline Py_ssize_t leading_zeros(
    const uint8_t* at, const uint8_t* end, uint8_t mark
) noexcept nogil:
    """How many zeros a number begins with."""
    cdef Py_ssize_t n = 0
    while at < end and (at[0] == c'0' or at[0] == mark or at[0] == c'-'):
        n += at[0] == c'0'
        at += 1
    return n


cdef inline bint read_exponent(
    const uint8_t* at, const uint8_t* end, Py_ssize_t* power
) noexcept nogil:
    """Subtract the exponent that begins at `at` from `power`, which becomes too large for one of
    many digits; False if there is none, or something after it.
    """
    cdef uint64_t number = 0
    cdef const uint8_t* stop
    cdef bint negative = at < end and at[0] == c'-'
    if at < end and (negative or at[0] == c'+'):
        at += 1
    stop = after_digits(at, end, &number)
    if stop == at or stop < end:
        return False
    if stop - at > 3:
        number = 1000
    power[0] += <Py_ssize_t> number if negative else -<Py_ssize_t> number
    return True


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
    cdef Py_ssize_t n_digits, decimals = 0, power
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
    power = decimals
    if stop < end:
        if (stop[0] != c'e' and stop[0] != c'E') or not read_exponent(stop + 1, end, &power):
            return C_OTHER
    if n_digits > DIGITS:
        n_digits -= leading_zeros(start, end, mark)
    if n_digits <= DIGITS and -MOST_POWER <= power <= MOST_POWER:  # exact, so it rounds once
        value[0] = whole / POWERS[power] if power >= 0 else whole * POWERS[-power]
    elif (
        n_digits > MOST_DIGITS
        or not 0 <= power <= MOST_POWER
        or not quotient(whole, power, value)
    ):
        with gil:
            value[0] = fabs(rounded(start, end - start, mark))
    if start[0] == c'-':
        value[0] = -value[0]
    return kind if fabs(value[0]) < EXACT else C_OTHER


def read_numbers(data, begin, size, uint8_t mark, values, kinds):
    """Read the numbers in n cells of a text.

    A number is an optional "-", digits with at most one decimal mark, and an optional exponent,
    with blanks or double quotes around it. Numbers from 2^53 on are none here: float64 rounds them.

    Parameters
    ----------
    data : array of uint8
        The text.
    begin, size : array of int32, shape (n,)
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
    cdef const int32_t* begins
    cdef const int32_t* sizes
    try:
        for array in (data, begin, size, values, kinds):
            flags = PyBUF_WRITABLE if opened > 2 else PyBUF_SIMPLE
            PyObject_GetBuffer(array, &views[opened], flags)
            opened += 1
            if opened > 1 and views[opened - 1].len != n * (4, 4, 8, 1)[opened - 2]:
                raise ValueError("read_numbers: arrays of another size")
        text, length = <const uint8_t*> views[0].buf, views[0].len
        begins, sizes = <const int32_t*> views[1].buf, <const int32_t*> views[2].buf
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
