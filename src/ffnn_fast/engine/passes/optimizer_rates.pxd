# The numbers of an optimizer's step, from its hyperparameters and its step counter t; as _rules.py.

from libc.math cimport pow, sqrt
from libc.stdint cimport uint64_t

cdef enum:
    SGD = 0
    MOMENTUM = 1
    NESTEROV = 2
    ADAGRAD = 3
    RMSPROP = 4
    RMSPROP_MOMENTUM = 5
    ADADELTA = 6
    RPROP = 7
    ADAM = 8  # from here on hyper begins with η, β_1, β_2, ε
    NADAM = 9
    ADAMW = 10
    ADAMAX = 11
    AMSGRAD = 12
    RADAM = 13

cdef struct rule_t:  # a StepRule: all of a step that is not the gradient
    int optimizer        # one of the codes above
    Py_ssize_t slots     # its state vectors
    double clip_value    # bound of |∇θ_i|, or infinity
    double clip_norm     # bound of ‖∇θ‖, or infinity
    double max_norm      # bound of the norm of a row of W_k, or infinity
    double average       # decay of the average of θ; 0: none is kept
    const char* frozen   # frozen[k]: whether layer k stays, 0: the input block; L + 1 entries
    uint64_t seed        # of the dropout masks
    bint plain           # θ := θ − η ∇θ and no more
    bint linear          # momentum or Nesterov's and no more
    bint adam            # Adam or AdamW and no more
    const double* rate_factor   # of η, for each group of parameters; NULL: all factors are 1
    const double* decay_factor  # of the decay
    const double* epsilon_factor  # of ε

cdef struct rates_t:  # the numbers of one step
    Py_ssize_t t
    double scale         # of ∇θ, to bound its norm
    double eta           # step size, with the correction of m where there is one
    double momentum      # of v; in NAdam the share of m beside the gradient
    double new_1         # 1 − β_1
    double new_2         # 1 − β_2, 1 − ρ
    double root          # 1 / sqrt(1 − β_2^t)
    double epsilon
    double keep          # 1 − η λ of AdamW, β_2 of AdaMax
    double decay         # η λ of AdamW
    bint rectified       # of RAdam: whether the step is divided by the root of v
    double eta_minus, eta_plus, step_min, step_max  # of Rprop
    double product       # π_t of NAdam, and what it was computed from
    double product_beta, product_decay
    Py_ssize_t product_t

cdef struct optimizer_t:
    const rule_t* rule
    rates_t rates    # of the step at hand
    void* state      # (slots, P) and the average, of the plan's dtype; NULL when there are none


cdef inline double mu(double beta, double decay, Py_ssize_t t) noexcept nogil:
    """μ_t of NAdam"""
    return beta * (1 - 0.5 * pow(0.96, t * decay))


cdef inline void set_product(
    double beta, double decay, Py_ssize_t t, rates_t* rates
) noexcept nogil:
    """π_t = μ_1 ⋯ μ_t, on from π_{t−1} where that is at hand; 1 − π is 1 once π is below 1e-17"""
    cdef Py_ssize_t i
    if (
        rates.product_t > t or rates.product_t == 0 or beta != rates.product_beta
        or decay != rates.product_decay
    ):
        rates.product, rates.product_t = 1, 0
        rates.product_beta, rates.product_decay = beta, decay
    for i in range(rates.product_t + 1, t + 1):
        if rates.product <= 1e-17:
            break
        rates.product *= mu(beta, decay, i)
    rates.product_t = t


cdef inline void rectify(double beta_2, Py_ssize_t t, rates_t* rates) noexcept nogil:
    """RAdam's eta and epsilon of step t, from those of Adam"""
    cdef double power = pow(beta_2, t)
    cdef double rho_inf = 2 / (1 - beta_2) - 1, rho = rho_inf - 2 * t * power / (1 - power)
    rates.rectified = rho > 5
    if rates.rectified:
        rates.eta *= sqrt(
            (rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho)
        )
        rates.epsilon *= rates.root


cdef inline bint averages_gradients(int optimizer) noexcept nogil:
    """Whether m is a mean of ∇θ: Adam and its variants"""
    return (
        optimizer == ADAM or optimizer == NADAM or optimizer == ADAMW or optimizer == ADAMAX
        or optimizer == AMSGRAD or optimizer == RADAM
    )


cdef inline void set_rates(
    const rule_t* rule, const double* hyper, Py_ssize_t t, rates_t* rates
) noexcept nogil:
    """The numbers of step t from its hyperparameters, which lie as the fields in _rules.py"""
    cdef double following, now
    cdef int optimizer = rule.optimizer
    rates.t, rates.scale, rates.eta = t, 1, hyper[0]
    if optimizer == MOMENTUM or optimizer == NESTEROV:
        rates.momentum = hyper[1]
    elif optimizer == ADAGRAD:
        rates.epsilon = hyper[1]
    elif optimizer == RMSPROP or optimizer == RMSPROP_MOMENTUM:
        rates.new_2, rates.momentum, rates.epsilon = 1 - hyper[1], hyper[2], hyper[3]
    elif optimizer == ADADELTA:
        rates.new_2, rates.epsilon = 1 - hyper[1], hyper[2]
    elif optimizer == RPROP:
        rates.eta_minus, rates.eta_plus = hyper[1], hyper[2]
        rates.step_min, rates.step_max = hyper[3], hyper[4]
    elif averages_gradients(optimizer):
        rates.new_1, rates.new_2, rates.epsilon = 1 - hyper[1], 1 - hyper[2], hyper[3]
        rates.root = 1 / sqrt(1 - pow(hyper[2], t))
        if optimizer == NADAM:
            set_product(hyper[1], hyper[4], t, rates)
            now, following = mu(hyper[1], hyper[4], t), mu(hyper[1], hyper[4], t + 1)
            rates.eta = hyper[0] * (1 - now) / (1 - rates.product)
            rates.momentum = hyper[0] * following / (1 - rates.product * following) / rates.eta
        else:
            rates.eta = hyper[0] / (1 - pow(hyper[1], t))
            if optimizer == ADAMW:
                rates.decay = hyper[0] * hyper[4]
                rates.keep = 1 - rates.decay
            elif optimizer == ADAMAX:
                rates.keep = hyper[2]
            elif optimizer == RADAM:
                rectify(hyper[2], t, rates)


cdef inline rates_t rates_of_group(
    const rule_t* rule, const rates_t* rates, Py_ssize_t group
) noexcept nogil:
    """The numbers of the step for a group of parameters"""
    cdef rates_t own = rates[0]
    own.eta *= rule.rate_factor[group]
    own.epsilon *= rule.epsilon_factor[group]
    if rule.optimizer == ADAMW:
        own.keep = 1 - own.decay * rule.decay_factor[group]
    return own
