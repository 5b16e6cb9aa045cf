# Included by engine.pyx: the functions of vecmath.h for tests, which cannot call what is inlined.


cdef object _vecmath(str name, const floating[::1] x, floating[::1] out):
    cdef Py_ssize_t i, n = x.shape[0]
    _require(out.shape[0] == n, "out")
    if name == "exp":
        for i in range(n):
            out[i] = vm.exp(x[i])
    elif name == "log":
        for i in range(n):
            out[i] = vm.log(x[i])
    elif name == "tanh":
        for i in range(n):
            out[i] = vm.tanh(x[i])
    elif name == "logistic":
        for i in range(n):
            out[i] = vm.logistic(x[i])
    elif name == "expm1":
        for i in range(n):
            out[i] = vm.expm1(x[i])
    elif name == "log1p":
        for i in range(n):
            out[i] = vm.log1p(x[i])
    elif name == "erf":
        for i in range(n):
            out[i] = vm.erf(x[i])
    elif name == "softplus":
        for i in range(n):
            out[i] = vm.softplus(x[i])
    elif name == "elu":
        for i in range(n):
            out[i] = vm.elu(x[i])
    elif name == "selu":
        for i in range(n):
            out[i] = vm.selu(x[i])
    elif name == "softsign":
        for i in range(n):
            out[i] = vm.softsign(x[i])
    elif name == "hard_sigmoid":
        for i in range(n):
            out[i] = vm.hard_sigmoid(x[i])
    elif name == "gelu":
        for i in range(n):
            out[i] = vm.gelu(x[i])
    elif name == "gelu_slope":
        for i in range(n):
            out[i] = vm.gelu_slope(x[i])
    elif name == "gelu_tanh":
        for i in range(n):
            out[i] = vm.gelu_tanh(x[i])
    elif name == "gelu_tanh_slope":
        for i in range(n):
            out[i] = vm.gelu_tanh_slope(x[i])
    elif name == "silu":
        for i in range(n):
            out[i] = vm.silu(x[i])
    elif name == "silu_slope":
        for i in range(n):
            out[i] = vm.silu_slope(x[i])
    elif name == "mish":
        for i in range(n):
            out[i] = vm.mish(x[i])
    elif name == "mish_slope":
        for i in range(n):
            out[i] = vm.mish_slope(x[i])
    elif name == "sin":
        for i in range(n):
            out[i] = vm.sin(x[i])
    elif name == "sin_slope":
        for i in range(n):
            out[i] = vm.sin_slope(x[i])
    else:
        raise ValueError(f"unknown function {name!r}")


def vecmath(name, x, out):
    """A door for tests: out := name(x), elementwise, by the functions that the kernels inline."""
    if x.dtype.itemsize == 8:
        _vecmath[double](name, x, out)
    else:
        _vecmath[float](name, x, out)
