# Optimizer rules: one loop over a range of the flat vector, with the numbers of one step.
#
# Formulas as in _rules.py, written so that no sum has two products of which the compiler could fuse
# either: an entry has the same bits in a vector and in the rest of a loop, wherever ranges begin.
# n entries; state vectors of a rule in order: v; s; s, v; s, u; m, v; m, u; m, v, most;
# previous gradient, size.
# A new number is kept in a variable: the compiler would load it again after stores, and a vector
# that crosses lines of the cache, as state vectors do, is not forwarded from a store.

from libc.math cimport sqrt as sqrt_f64
from libc.math cimport sqrtf as sqrt_f32
from libc.string cimport memcpy

from ffnn_fast.engine.floating cimport floating
from ffnn_fast.engine.passes.optimizer_rates cimport (
    ADADELTA, ADAGRAD, ADAM, ADAMAX, ADAMW, AMSGRAD, MOMENTUM, NADAM, NESTEROV, RADAM, RMSPROP,
    RMSPROP_MOMENTUM, RPROP, SGD, rates_t,
)


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
    cdef floating eta = <floating>rates.eta, epsilon = <floating>rates.epsilon, new_s
    cdef Py_ssize_t i
    for i in range(n):
        new_s = s[i] + grad[i] * grad[i]
        s[i] = new_s
        params[i] -= eta * grad[i] / (root_of(new_s) + epsilon)


cdef inline void rmsprop(
    const rates_t* rates, floating* params, const floating* grad, floating* s, Py_ssize_t n
) noexcept nogil:
    """s := s + (1 − rho) (grad² − s), params := params − eta grad / (√s + epsilon)"""
    cdef floating eta = <floating>rates.eta, epsilon = <floating>rates.epsilon
    cdef floating new = <floating>rates.new_2, new_s
    cdef Py_ssize_t i
    for i in range(n):
        new_s = s[i] + new * (grad[i] * grad[i] - s[i])
        s[i] = new_s
        params[i] -= eta * grad[i] / (root_of(new_s) + epsilon)


cdef inline void rmsprop_momentum(
    const rates_t* rates, floating* params, const floating* grad, floating* s, floating* v,
    Py_ssize_t n,
) noexcept nogil:
    """s as above, v := momentum v + grad / (√s + epsilon), params := params − eta v"""
    cdef floating eta = <floating>rates.eta, epsilon = <floating>rates.epsilon
    cdef floating new = <floating>rates.new_2, keep = <floating>rates.momentum, new_s, new_v
    cdef Py_ssize_t i
    for i in range(n):
        new_s = s[i] + new * (grad[i] * grad[i] - s[i])
        new_v = keep * v[i] + grad[i] / (root_of(new_s) + epsilon)
        s[i], v[i] = new_s, new_v
        params[i] -= eta * new_v


cdef inline void adadelta(
    const rates_t* rates, floating* params, const floating* grad, floating* s, floating* u,
    Py_ssize_t n,
) noexcept nogil:
    """s := mean of grad², d := √(u + epsilon) / √(s + epsilon) grad, u := mean of d²

    params := params − eta d
    """
    cdef floating eta = <floating>rates.eta, epsilon = <floating>rates.epsilon
    cdef floating new = <floating>rates.new_2, d, new_s
    cdef Py_ssize_t i
    for i in range(n):
        new_s = s[i] + new * (grad[i] * grad[i] - s[i])
        s[i] = new_s
        d = root_of(u[i] + epsilon) / root_of(new_s + epsilon) * grad[i]
        u[i] += new * (d * d - u[i])
        params[i] -= eta * d


cdef inline void adam(
    const rates_t* rates, floating* params, const floating* grad, floating* m, floating* v,
    Py_ssize_t n,
) noexcept nogil:
    """m, v := means of grad, grad²; params := params − eta m / (root √v + epsilon)"""
    cdef floating eta = <floating>rates.eta, epsilon = <floating>rates.epsilon
    cdef floating new_1 = <floating>rates.new_1, new_2 = <floating>rates.new_2, new_m, new_v
    cdef floating root = <floating>rates.root
    cdef Py_ssize_t i
    for i in range(n):
        new_m = m[i] + new_1 * (grad[i] - m[i])
        new_v = v[i] + new_2 * (grad[i] * grad[i] - v[i])
        m[i], v[i] = new_m, new_v
        params[i] -= eta * new_m / (root * root_of(new_v) + epsilon)


cdef inline void nadam(
    const rates_t* rates, floating* params, const floating* grad, floating* m, floating* v,
    Py_ssize_t n,
) noexcept nogil:
    """m, v as above; params := params − eta (grad + momentum m) / (root √v + epsilon)"""
    cdef floating eta = <floating>rates.eta, epsilon = <floating>rates.epsilon
    cdef floating new_1 = <floating>rates.new_1, new_2 = <floating>rates.new_2, new_m, new_v
    cdef floating root = <floating>rates.root, ahead = <floating>rates.momentum
    cdef Py_ssize_t i
    for i in range(n):
        new_m = m[i] + new_1 * (grad[i] - m[i])
        new_v = v[i] + new_2 * (grad[i] * grad[i] - v[i])
        m[i], v[i] = new_m, new_v
        params[i] -= eta * (grad[i] + ahead * new_m) / (root * root_of(new_v) + epsilon)


cdef inline void adamw(
    const rates_t* rates, floating* params, const floating* grad, floating* m, floating* v,
    Py_ssize_t n,
) noexcept nogil:
    """m, v as above; params := keep params − eta m / (root √v + epsilon)"""
    cdef floating eta = <floating>rates.eta, epsilon = <floating>rates.epsilon
    cdef floating new_1 = <floating>rates.new_1, new_2 = <floating>rates.new_2, new_m, new_v
    cdef floating root = <floating>rates.root, keep = <floating>rates.keep
    cdef Py_ssize_t i
    for i in range(n):
        new_m = m[i] + new_1 * (grad[i] - m[i])
        new_v = v[i] + new_2 * (grad[i] * grad[i] - v[i])
        m[i], v[i] = new_m, new_v
        params[i] = keep * params[i] - eta * new_m / (root * root_of(new_v) + epsilon)


cdef inline void adamax(
    const rates_t* rates, floating* params, const floating* grad, floating* m, floating* u,
    Py_ssize_t n,
) noexcept nogil:
    """m as above, u := max(keep u, |grad| + epsilon); params := params − eta m / u"""
    cdef floating eta = <floating>rates.eta, epsilon = <floating>rates.epsilon
    cdef floating new_1 = <floating>rates.new_1, keep = <floating>rates.keep, old, new_m, new_u
    cdef Py_ssize_t i
    for i in range(n):
        new_m = m[i] + new_1 * (grad[i] - m[i])
        old = keep * u[i]
        new_u = (grad[i] if grad[i] > 0 else -grad[i]) + epsilon
        new_u = old if old > new_u else new_u
        m[i], u[i] = new_m, new_u
        params[i] -= eta * new_m / new_u


cdef inline void amsgrad(
    const rates_t* rates, floating* params, const floating* grad, floating* m, floating* v,
    floating* most, Py_ssize_t n,
) noexcept nogil:
    """m, v as above, most := max(most, v); params := params − eta m / (root √most + epsilon)"""
    cdef floating eta = <floating>rates.eta, epsilon = <floating>rates.epsilon
    cdef floating new_1 = <floating>rates.new_1, new_2 = <floating>rates.new_2, new_m, new_v
    cdef floating root = <floating>rates.root, larger
    cdef Py_ssize_t i
    for i in range(n):
        new_m = m[i] + new_1 * (grad[i] - m[i])
        new_v = v[i] + new_2 * (grad[i] * grad[i] - v[i])
        m[i], v[i] = new_m, new_v
        larger = most[i] if most[i] > new_v else new_v
        most[i] = larger
        params[i] -= eta * new_m / (root * root_of(larger) + epsilon)


cdef inline void unrectified(
    const rates_t* rates, floating* params, const floating* grad, floating* m, floating* v,
    Py_ssize_t n,
) noexcept nogil:
    """m, v as above; params := params − eta m"""
    cdef floating eta = <floating>rates.eta
    cdef floating new_1 = <floating>rates.new_1, new_2 = <floating>rates.new_2, new_m, new_v
    cdef Py_ssize_t i
    for i in range(n):
        new_m = m[i] + new_1 * (grad[i] - m[i])
        new_v = v[i] + new_2 * (grad[i] * grad[i] - v[i])
        m[i], v[i] = new_m, new_v
        params[i] -= eta * new_m


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
    elif optimizer == ADADELTA:
        adadelta(rates, params, grad, state, state + P, n)
    elif optimizer == ADAM or (optimizer == RADAM and rates.rectified):
        adam(rates, params, grad, state, state + P, n)
    elif optimizer == RADAM:
        unrectified(rates, params, grad, state, state + P, n)
    elif optimizer == ADAMAX:
        adamax(rates, params, grad, state, state + P, n)
    elif optimizer == AMSGRAD:
        amsgrad(rates, params, grad, state, state + P, state + 2 * P, n)
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
