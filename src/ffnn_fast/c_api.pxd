# The network as C functions, for Cython: `from ffnn_fast.c_api cimport network_of, network_t`.
#
# network_of(f) of an object f = net.c_function() returns a network_t that is valid as long as f is.
# Its functions need no GIL, allocate nothing and read net.params at each call. Several threads may
# call them at the same time, each with a workspace of its own: workspace_size bytes that begin at
# a multiple of 64. They take and give doubles or floats, whatever the dtype of the network is.
# x has n_inputs elements, y n_outputs, J n_outputs * n_inputs: J[i * n_inputs + j] = dy_i / dx_j.

from cpython.pycapsule cimport PyCapsule_GetPointer

cdef struct network_t:
    Py_ssize_t n_inputs
    Py_ssize_t n_outputs
    size_t workspace_size  # bytes
    bint is_double         # the dtype of the network; the other one is converted
    const void* plan       # of the engine; private
    const void* params     # private
    void (*value)(const network_t* net, const double* x, double* y, void* work) noexcept nogil
    void (*value_and_jacobian)(
        const network_t* net, const double* x, double* y, double* J, void* work
    ) noexcept nogil
    void (*value_f32)(const network_t* net, const float* x, float* y, void* work) noexcept nogil
    void (*value_and_jacobian_f32)(
        const network_t* net, const float* x, float* y, float* J, void* work
    ) noexcept nogil


cdef inline const network_t* network_of(function) except NULL:
    """The C functions of an object that net.c_function() returned"""
    return <const network_t*>PyCapsule_GetPointer(function.capsule, b"ffnn_fast.network_t")
