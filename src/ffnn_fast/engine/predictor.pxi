# Included by engine.pyx: a callable for the lowest latency, free of checks but for memory safety.


cdef class Predictor:
    """ŷ of `n_rows` rows at a call, into `out` or an array that the next call overwrites."""

    cdef Plan plan
    cdef cnp.ndarray params, work
    cdef readonly object out
    cdef Py_ssize_t n_rows
    cdef int typenum

    def __init__(self, Plan plan, cnp.ndarray params, Py_ssize_t n_rows, cnp.ndarray work):
        cdef cnp.npy_intp[2] shape
        _require(cnp.PyArray_SIZE(params) == plan.c.P, "params")
        _require(cnp.PyArray_SIZE(work) >= workspace_size(plan, n_rows), "work")
        shape[0], shape[1] = n_rows, plan.c.n[plan.c.L]
        self.plan, self.params, self.work, self.n_rows = plan, params, work, n_rows
        self.typenum = cnp.NPY_DOUBLE if plan.is_double else cnp.NPY_FLOAT
        self.out = cnp.PyArray_ZEROS(2, shape, self.typenum, 0)

    def __call__(self, x, out=None):
        """ŷ of x, n_rows · n_0 elements; into `out`, n_rows · n_L elements."""
        cdef plan_t* c = &self.plan.c
        if out is None:
            out = self.out
        if not (
            _plain(x, self.typenum, self.n_rows * c.n[0], False)
            and _plain(out, self.typenum, self.n_rows * c.n[c.L], True)
        ):
            raise ValueError(
                f"expected C-contiguous {self.plan.spec.dtype} arrays: x of "
                f"{self.n_rows * c.n[0]} elements, writable out of {self.n_rows * c.n[c.L]}"
            )
        if self.plan.is_double:
            _predict[double](self, cnp.PyArray_DATA(x), cnp.PyArray_DATA(out))
        else:
            _predict[float](self, cnp.PyArray_DATA(x), cnp.PyArray_DATA(out))
        return out


cdef inline bint _plain(object x, int typenum, Py_ssize_t size, bint written) noexcept:
    """Whether x is an array of this type and size whose memory can be used as it lies"""
    if not cnp.PyArray_Check(x):
        return False
    return (
        cnp.PyArray_TYPE(x) == typenum and cnp.PyArray_SIZE(x) == size
        and (cnp.PyArray_ISCARRAY(x) if written else cnp.PyArray_ISCARRAY_RO(x))
    )


cdef inline void _predict(Predictor p, void* x, void* out, floating unused=0) noexcept:
    forward_rows(
        &p.plan.c, <const floating*>cnp.PyArray_DATA(p.params), <const floating*>x, p.n_rows,
        <floating*>out, <floating*>cnp.PyArray_DATA(p.work), 0, 1,
    )
