# Optimizer rules: one loop over a range of the flat vector, one step counter t.
#
# Formulas as in _rules.py, written so that no sum has two products of which the compiler could fuse
# either: an entry has the same bits in a vector and in the rest of a loop, wherever ranges begin.
# n entries; state vectors of a rule in order: v; s; s, v; m, v; previous gradient, size.

from libc.math cimport pow
from libc.math cimport sqrt as sqrt_f64
from libc.math cimport sqrtf as sqrt_f32
from libc.stdint cimport uint64_t
from libc.string cimport memcpy

from ffnn_fast.engine.floating cimport floating

cdef enum:
    SGD = 0
    MOMENTUM = 1
    NESTEROV = 2
    ADAGRAD = 3
    RMSPROP = 4
    RMSPROP_MOMENTUM = 5
    ADAM = 6
    NADAM = 7
    ADAMW = 8
    RPROP = 9

cdef struct rule_t:  # a StepRule: all of a step that is not the gradient
    int optimizer        # one of the codes above
    Py_ssize_t slots     # its state vectors
    double clip_value    # bound of |∇θ_i|, or infinity
    double clip_norm     # bound of ‖∇θ‖, or infinity
    double max_norm      # bound of the norm of a row of W_k, or infinity
    double average       # decay of the average of θ; 0: none is kept
    const char* frozen   # frozen[k]: whether layer k stays as it is; L + 1 entries
    uint64_t seed        # of the dropout masks
    bint plain           # θ := θ − η ∇θ and no more

cdef struct rates_t:  # the numbers of one step
    Py_ssize_t t
    double scale         # of ∇θ, to bound its norm
    double eta           # step size, with the correction of m where there is one
    double momentum      # of v; in NAdam the share of m beside the gradient
    double new_1         # 1 − β_1
    double new_2         # 1 − β_2, 1 − ρ
    double root          # 1 / sqrt(1 − β_2^t)
    double epsilon
    double keep          # 1 − η λ, of AdamW
    double eta_minus, eta_plus, step_min, step_max  # of Rprop
    double product       # π_t of NAdam, and what it was computed from
    double product_beta, product_decay
    Py_ssize_t product_t

cdef struct optimizer_t:
    const rule_t* rule
    rates_t rates    # of the step at hand
    void* state      # (slots, P) and the average, of the plan's dtype; NULL when there are none


cdef inline bint averages_gradients(int optimizer) noexcept nogil:
    """Whether m is a mean of ∇θ and v one of ∇θ²: Adam and its variants"""
    return optimizer == ADAM or optimizer == NADAM or optimizer == ADAMW


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
    elif optimizer == RPROP:
        rates.eta_minus, rates.eta_plus = hyper[1], hyper[2]
        rates.step_min, rates.step_max = hyper[3], hyper[4]
    elif averages_gradients(optimizer):
        rates.new_1, rates.new_2, rates.epsilon = 1 - hyper[1], 1 - hyper[2], hyper[3]
        rates.root = 1 / sqrt_f64(1 - pow(hyper[2], t))
        if optimizer == NADAM:
            set_product(hyper[1], hyper[4], t, rates)
            now, following = mu(hyper[1], hyper[4], t), mu(hyper[1], hyper[4], t + 1)
            rates.eta = hyper[0] * (1 - now) / (1 - rates.product)
            rates.momentum = hyper[0] * following / (1 - rates.product * following) / rates.eta
        else:
            rates.eta = hyper[0] / (1 - pow(hyper[1], t))
            if optimizer == ADAMW:
                rates.keep = 1 - hyper[0] * hyper[4]


cdef inline floating root_of(floating x) noexcept nogil:
    """√x"""
    return sqrt_f32(x) if floating is float else sqrt_f64(x)


cdef inline void sgd(
    const rates_t* rates, floating* params, const floating* grad, Py_ssize_t n
) noexcept nogil:
    """params := params − eta grad"""
    cdef floating eta = <floating>rates.eta
    cdef Py_ssize_t i
    for i in range(n):
        params[i] -= eta * grad[i]


cdef inline void momentum(
    const rates_t* rates, floating* params, const floating* grad, floating* v, Py_ssize_t n
) noexcept nogil:
    """v := momentum v + grad, params := params − eta v"""
    cdef floating eta = <floating>rates.eta, keep = <floating>rates.momentum
    cdef Py_ssize_t i
    for i in range(n):
        v[i] = keep * v[i] + grad[i]
        params[i] -= eta * v[i]


cdef inline void nesterov(
    const rates_t* rates, floating* params, const floating* grad, floating* v, Py_ssize_t n
) noexcept nogil:
    """v := momentum v + grad, params := params − eta (grad + momentum v)"""
    cdef floating eta = <floating>rates.eta, keep = <floating>rates.momentum
    cdef Py_ssize_t i
    for i in range(n):
        v[i] = keep * v[i] + grad[i]
        params[i] -= eta * (grad[i] + keep * v[i])


cdef inline void adagrad(
    const rates_t* rates, floating* params, const floating* grad, floating* s, Py_ssize_t n
) noexcept nogil:
    """s := s + grad², params := params − eta grad / (√s + epsilon)"""
    cdef floating eta = <floating>rates.eta, epsilon = <floating>rates.epsilon
    cdef Py_ssize_t i
    for i in range(n):
        s[i] += grad[i] * grad[i]
        params[i] -= eta * grad[i] / (root_of(s[i]) + epsilon)


cdef inline void rmsprop(
    const rates_t* rates, floating* params, const floating* grad, floating* s, Py_ssize_t n
) noexcept nogil:
    """s := s + (1 − rho) (grad² − s), params := params − eta grad / (√s + epsilon)"""
    cdef floating eta = <floating>rates.eta, epsilon = <floating>rates.epsilon
    cdef floating new = <floating>rates.new_2
    cdef Py_ssize_t i
    for i in range(n):
        s[i] += new * (grad[i] * grad[i] - s[i])
        params[i] -= eta * grad[i] / (root_of(s[i]) + epsilon)


cdef inline void rmsprop_momentum(
    const rates_t* rates, floating* params, const floating* grad, floating* s, floating* v,
    Py_ssize_t n,
) noexcept nogil:
    """s as above, v := momentum v + grad / (√s + epsilon), params := params − eta v"""
    cdef floating eta = <floating>rates.eta, epsilon = <floating>rates.epsilon
    cdef floating new = <floating>rates.new_2, keep = <floating>rates.momentum
    cdef Py_ssize_t i
    for i in range(n):
        s[i] += new * (grad[i] * grad[i] - s[i])
        v[i] = keep * v[i] + grad[i] / (root_of(s[i]) + epsilon)
        params[i] -= eta * v[i]


cdef inline void adam(
    const rates_t* rates, floating* params, const floating* grad, floating* m, floating* v,
    Py_ssize_t n,
) noexcept nogil:
    """m, v := means of grad, grad²; params := params − eta m / (root √v + epsilon)"""
    cdef floating eta = <floating>rates.eta, epsilon = <floating>rates.epsilon
    cdef floating new_1 = <floating>rates.new_1, new_2 = <floating>rates.new_2
    cdef floating root = <floating>rates.root
    cdef Py_ssize_t i
    for i in range(n):
        m[i] += new_1 * (grad[i] - m[i])
        v[i] += new_2 * (grad[i] * grad[i] - v[i])
        params[i] -= eta * m[i] / (root * root_of(v[i]) + epsilon)


cdef inline void nadam(
    const rates_t* rates, floating* params, const floating* grad, floating* m, floating* v,
    Py_ssize_t n,
) noexcept nogil:
    """m, v as above; params := params − eta (grad + momentum m) / (root √v + epsilon)"""
    cdef floating eta = <floating>rates.eta, epsilon = <floating>rates.epsilon
    cdef floating new_1 = <floating>rates.new_1, new_2 = <floating>rates.new_2
    cdef floating root = <floating>rates.root, ahead = <floating>rates.momentum
    cdef Py_ssize_t i
    for i in range(n):
        m[i] += new_1 * (grad[i] - m[i])
        v[i] += new_2 * (grad[i] * grad[i] - v[i])
        params[i] -= eta * (grad[i] + ahead * m[i]) / (root * root_of(v[i]) + epsilon)


cdef inline void adamw(
    const rates_t* rates, floating* params, const floating* grad, floating* m, floating* v,
    Py_ssize_t n,
) noexcept nogil:
    """m, v as above; params := keep params − eta m / (root √v + epsilon)"""
    cdef floating eta = <floating>rates.eta, epsilon = <floating>rates.epsilon
    cdef floating new_1 = <floating>rates.new_1, new_2 = <floating>rates.new_2
    cdef floating root = <floating>rates.root, keep = <floating>rates.keep
    cdef Py_ssize_t i
    for i in range(n):
        m[i] += new_1 * (grad[i] - m[i])
        v[i] += new_2 * (grad[i] * grad[i] - v[i])
        params[i] = keep * params[i] - eta * m[i] / (root * root_of(v[i]) + epsilon)


cdef inline void rprop(
    const rates_t* rates, floating* params, const floating* grad, floating* previous,
    floating* size, Py_ssize_t n,
) noexcept nogil:
    """size grows or shrinks by the sign of grad · previous; params := params − sign(grad) size"""
    cdef floating eta = <floating>rates.eta
    cdef floating minus = <floating>rates.eta_minus, plus = <floating>rates.eta_plus
    cdef floating low = <floating>rates.step_min, high = <floating>rates.step_max
    cdef floating kept, step, g, sign
    cdef Py_ssize_t i
    for i in range(n):
        kept = grad[i] * previous[i]
        step = eta if size[i] == 0 else size[i]
        step = step * (plus if kept > 0 else (minus if kept < 0 else <floating>1))
        step = low if step < low else step
        step = high if step > high else step
        g = <floating>0 if kept < 0 else grad[i]
        sign = <floating>1 if g > 0 else (<floating>-1 if g < 0 else g)
        params[i] -= sign * step
        previous[i] = g
        size[i] = step


cdef inline void apply_rule(
    int optimizer, const rates_t* rates, floating* params, const floating* grad, floating* state,
    Py_ssize_t P, Py_ssize_t n,
) noexcept nogil:
    """One step of n entries: pointers to the first of them; state vectors lie P apart"""
    if optimizer == SGD:
        sgd(rates, params, grad, n)
    elif optimizer == MOMENTUM:
        momentum(rates, params, grad, state, n)
    elif optimizer == NESTEROV:
        nesterov(rates, params, grad, state, n)
    elif optimizer == ADAGRAD:
        adagrad(rates, params, grad, state, n)
    elif optimizer == RMSPROP:
        rmsprop(rates, params, grad, state, n)
    elif optimizer == RMSPROP_MOMENTUM:
        rmsprop_momentum(rates, params, grad, state, state + P, n)
    elif optimizer == ADAM:
        adam(rates, params, grad, state, state + P, n)
    elif optimizer == NADAM:
        nadam(rates, params, grad, state, state + P, n)
    elif optimizer == ADAMW:
        adamw(rates, params, grad, state, state + P, n)
    elif optimizer == RPROP:
        rprop(rates, params, grad, state, state + P, n)


cdef inline void clip(
    double bound, double scale, const floating* grad, floating* out, Py_ssize_t n
) noexcept nogil:
    """out := scale · grad cut to ±bound"""
    cdef floating high = <floating>bound, low = <floating>(-bound), factor = <floating>scale, g
    cdef Py_ssize_t i
    for i in range(n):
        g = grad[i]
        g = high if g > high else g
        g = low if g < low else g
        out[i] = factor * g


cdef inline void update_average(
    double decay, Py_ssize_t t, const floating* params, floating* mean, Py_ssize_t n
) noexcept nogil:
    """mean := mean + (1 − decay) (params − mean), at step 1 params"""
    cdef floating new = <floating>(1 - decay)
    cdef Py_ssize_t i
    if t == 1:
        memcpy(mean, params, n * sizeof(floating))
        return
    for i in range(n):
        mean[i] += new * (params[i] - mean[i])
