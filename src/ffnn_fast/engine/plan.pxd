# The network as plain numbers behind pointers, filled once from a NetworkSpec (plan_of_spec.pxd).

from libc.stdint cimport uint64_t

from ffnn_fast.engine.machine cimport machine_t

cdef enum:  # activations g and outputs O; g' is written in h = g(a), from ELU on in a
    IDENTITY = 0
    LOGISTIC = 1
    TANH = 2
    RELU = 3
    SOFTMAX = 4
    LEAKY_RELU = 5
    SOFTPLUS = 6
    HARD_SIGMOID = 7
    EXP = 8
    ELU = 9
    SELU = 10
    SOFTSIGN = 11
    GELU = 12
    GELU_TANH = 13
    SILU = 14
    MISH = 15
    SIN = 16

cdef enum:  # losses
    CROSS_ENTROPY = 0
    SQUARED_ERROR = 1
    HALF_SQUARED_ERROR = 2
    BINARY_CROSS_ENTROPY = 3
    ABSOLUTE = 4
    HUBER = 5
    LOG_COSH = 6
    POISSON = 7
    QUANTILE = 8
    GAUSSIAN_NLL = 9
    HINGE = 10
    LINEAR = 11

cdef enum:  # how a column of X enters an input block: places in KINDS of inputs.py
    PLAIN = 0
    PERIODIC = 1
    TABLE = 2
    ONE_HOT = 3
    SIGNED = 4
    PIECEWISE = 5

cdef struct feature_t:  # a column of X in an input block
    Py_ssize_t kind
    Py_ssize_t at        # its first unit of h_0
    Py_ssize_t units     # of them
    Py_ssize_t start     # where its parameters, without the scale, begin in θ
    Py_ssize_t size      # of them
    Py_ssize_t count     # codes 1..count are known categories
    const double* bins   # (F, 2): lower edge and 1 / width of each

cdef struct head_t:  # outputs beside those of other heads, with targets and a loss of their own
    Py_ssize_t width      # outputs
    Py_ssize_t targets    # columns of dense targets
    Py_ssize_t output     # O
    int loss
    bint canonical        # ∇a_L = ŷ − y, and the loss is computed from a_L
    bint missing          # a target that is NaN is passed over
    double weight         # of this loss in the sum that is the loss of a sample; 1 for one head
    double smoothing      # of labels
    double delta          # of huber
    Py_ssize_t quantiles  # per target, levels in level
    double* level

cdef struct plan_t:
    Py_ssize_t L         # layers with parameters; the arrays below have L + 1 entries
    Py_ssize_t P         # length of θ
    Py_ssize_t itemsize  # bytes of a number
    Py_ssize_t units     # n_0 + n_1 + ... + n_L
    Py_ssize_t* n        # n[k]: units of layer k
    Py_ssize_t* below    # below[k]: n_0 + ... + n_{k-1}
    Py_ssize_t* W        # W[k]: where W_k (n[k], n[k-1]) starts in θ; entry 0 unused
    Py_ssize_t* b        # b[k]: where b_k (n[k],) starts in θ
    Py_ssize_t* g        # g[k]: activation of layer k; g[L]: SOFTMAX if O is applied head by head
    Py_ssize_t* panel         # panel[k]: elements from one panel of layer k to the next
    Py_ssize_t* panel_below   # panel[0] + ... + panel[k-1]; L + 2 entries
    Py_ssize_t* block_below   # the same of the widths padded to whole blocks
    Py_ssize_t S         # samples of a panel
    Py_ssize_t group     # panels that go through the layers together
    bint own_products    # kernels/; else BLAS
    double* l1           # l1[k]: coefficient of Σ|W_k| in the objective; entry 0 unused
    double* l2           # l2[k]: coefficient of ‖W_k‖²/2
    bint penalised       # whether any of them is not 0
    bint has_l1          # whether any l1[k] is not 0
    Py_ssize_t targets   # columns of dense targets of all heads
    Py_ssize_t heads
    head_t* head         # side by side in the outputs, and in dense targets
    bint missing         # a target that is NaN is passed over
    bint dropout         # some rate is not 0
    bint keeps_slopes    # keeps_slope(k) holds for some k when training
    Py_ssize_t* threshold     # threshold[k]: of 2^31 hashes, how many drop a unit of h_k
    double* kept_scale        # kept_scale[k]: 1 / (1 − rate)
    bint sparse          # X is sparse rows; see passes/sparse_rows.pxd
    bint extended        # an input block, or parametric activations
    Py_ssize_t columns   # of X; n_0 without an input block
    feature_t* feature   # the columns of X in the input block; NULL: there is none
    double* bins         # those of all columns
    Py_ssize_t frequencies  # or bins, of the embedding of a number
    Py_ssize_t outputs   # of the same
    Py_ssize_t mixing    # where W₂ (M, F) begins among its parameters
    Py_ssize_t scale     # where the scale of h_0 begins in θ; -1: there is none
    bint parametric      # h_k = a + (g(a) − a) α_k
    Py_ssize_t* alpha    # alpha[k]: where α_k (n[k],) begins in θ, 0 < k < L
    machine_t* machine   # of the process

cdef struct part_t:  # units of a layer
    Py_ssize_t width
    Py_ssize_t g

cdef struct step_t:  # the step at hand
    bint train           # the backward pass follows
    uint64_t seed        # of the dropout masks
    Py_ssize_t mask      # number of the step in the hash of the dropout masks; 0: no masks
    Py_ssize_t threshold      # of every layer that drops units; 0: those of the plan
    double kept_scale         # with it


cdef inline step_t outputs_only() noexcept nogil:
    """A forward pass without masks, after which no backward pass follows"""
    cdef step_t step
    step.train, step.seed, step.mask, step.threshold, step.kept_scale = False, 0, 0, 0, 1
    return step


cdef inline Py_ssize_t grain_of_samples(const plan_t* plan) noexcept nogil:
    """Samples that one thread trains on at least, but for the last ones"""
    return plan.S if plan.sparse or plan.extended else plan.S // 2


cdef inline Py_ssize_t shares_of_samples(const plan_t* plan, Py_ssize_t n) noexcept nogil:
    """Threads that n samples are enough for"""
    return (n + grain_of_samples(plan) - 1) // grain_of_samples(plan)


cdef inline bint is_less_frequent(Py_ssize_t g) noexcept nogil:
    """Whether the loops of g are apart from those of the frequent activations"""
    return g > SOFTMAX


cdef inline bint derivative_from_input(Py_ssize_t g) noexcept nogil:
    """Whether g' is written in a; else it is written in h = g(a)"""
    return g >= ELU


cdef inline Py_ssize_t parts_of(const plan_t* plan, Py_ssize_t k) noexcept nogil:
    """Parts of layer k that have an activation each: heads, below them the whole layer"""
    return plan.heads if k == plan.L else 1


cdef inline part_t part_of(const plan_t* plan, Py_ssize_t k, Py_ssize_t i) noexcept nogil:
    """Part i of layer k"""
    cdef part_t part
    part.width, part.g = plan.n[k], plan.g[k]
    if k == plan.L:
        part.width, part.g = plan.head[i].width, plan.head[i].output
    return part


cdef inline bint drops(const plan_t* plan, const step_t* step, Py_ssize_t k) noexcept nogil:
    """Whether units of h_k are dropped"""
    return step.mask != 0 and plan.threshold[k] != 0


cdef inline bint keeps_slope(const plan_t* plan, const step_t* step, Py_ssize_t k) noexcept nogil:
    """Whether g'(a_k), with the mask, is stored beside h_k, which does not determine it"""
    return step.train and (
        derivative_from_input(plan.g[k]) or drops(plan, step, k) or plan.parametric
    )
