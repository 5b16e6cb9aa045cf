# h := g(a) of a panel (rows, S): only the quarters of its S samples that are in use are computed.

from ffnn_fast.engine.floating cimport floating
from ffnn_fast.engine.kernels.products cimport pack_panel, unpack_panel
from ffnn_fast.engine.passes.activation_loops cimport activate_any, value_and_slope
from ffnn_fast.engine.plan cimport RELU

cdef enum:
    PACKED = 512  # elements that are computed together


cdef inline void activate_samples(
    Py_ssize_t g, Py_ssize_t rows, Py_ssize_t S, Py_ssize_t n, floating* a, floating* h
) noexcept nogil:
    """h (rows, S) := g(a), and a := g'(a) where h has a place of its own, for n samples at least"""
    cdef floating[2][PACKED] packed
    cdef floating* z = packed[0]
    cdef floating* values = z if h == a else packed[1]
    cdef Py_ssize_t lanes = (4 * n + S - 1) // S * (S // 4), r = 0, some
    if lanes == S or g == RELU:
        if h == a:
            activate_any(g, a, rows * S)
        else:
            value_and_slope(g, a, h, rows * S)
        return
    while r < rows:
        some = min(rows - r, PACKED // lanes)
        pack_panel(some, lanes, a + r * S, z)
        if h == a:
            activate_any(g, z, some * lanes)
        else:
            value_and_slope(g, z, values, some * lanes)
            unpack_panel(some, lanes, z, a + r * S)
        unpack_panel(some, lanes, values, h + r * S)
        r += some
