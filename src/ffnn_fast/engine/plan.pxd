# The network as the kernels see it: plain numbers behind pointers, filled once by engine.Plan.

cdef enum:  # activations g and outputs O
    IDENTITY = 0
    LOGISTIC = 1
    TANH = 2
    RELU = 3
    SOFTMAX = 4

cdef enum:  # losses
    CROSS_ENTROPY = 0
    SQUARED_ERROR = 1
    HALF_SQUARED_ERROR = 2
    BINARY_CROSS_ENTROPY = 3

cdef struct plan_t:
    Py_ssize_t L         # layers with parameters; the arrays below have L + 1 entries
    Py_ssize_t P         # length of θ
    Py_ssize_t units     # n_0 + n_1 + ... + n_L
    Py_ssize_t* n        # n[k]: units of layer k
    Py_ssize_t* below    # below[k]: n_0 + ... + n_{k-1}
    Py_ssize_t* W        # W[k]: where W_k (n[k], n[k-1]) starts in θ; entry 0 unused
    Py_ssize_t* b        # b[k]: where b_k (n[k],) starts in θ
    Py_ssize_t* g        # g[k]: activation of layer k; g[L] is the output function
    Py_ssize_t* panel         # panel[k]: elements from one panel of layer k to the next
    Py_ssize_t* panel_below   # panel[0] + ... + panel[k-1]; L + 2 entries
    Py_ssize_t* block_below   # the same of the widths padded to whole blocks
    Py_ssize_t S         # samples of a panel
    Py_ssize_t group     # panels that go through the layers together
    bint own             # products of our own; else BLAS
    int loss
    bint canonical       # ∇a_L = ŷ − y, and the loss is computed from a_L
    double* l1           # l1[k]: coefficient of Σ|W_k| in the objective; entry 0 unused
    double* l2           # l2[k]: coefficient of ‖W_k‖²/2
    bint penalised       # whether any of them is not 0
    bint has_l1          # whether any l1[k] is not 0
