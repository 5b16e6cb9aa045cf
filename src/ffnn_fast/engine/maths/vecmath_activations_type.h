/* The functions of vecmath_activations.h for one type. */

/* max(x, 0) + log(1 + e^-|x|) */
VM_INLINE real vm(softplus)(real x)
{
    return (x > 0 ? x : 0) + vm(softplus_tail)(vm(abs)(x));
}

/* x for x > 0, else e^x - 1 */
VM_INLINE real vm(elu)(real x)
{
    real y = vm(expm1)(x);
    return x > 0 ? x : y;
}

/* L x for x > 0, else L A (e^x - 1) */
VM_INLINE real vm(selu)(real x)
{
    real y = (real)VM_SELU_FLOOR * vm(expm1)(x);
    return x > 0 ? (real)VM_SELU_SCALE * x : y;
}

/* 1 for x > 0, else e^x */
VM_INLINE real vm(elu_slope)(real x)
{
    real y = vm(exp)(x);
    return x > 0 ? 1 : y;
}

/* L for x > 0, else L A e^x */
VM_INLINE real vm(selu_slope)(real x)
{
    real y = (real)VM_SELU_FLOOR * vm(exp)(x);
    return x > 0 ? (real)VM_SELU_SCALE : y;
}

/* max(x, 0) - t, t = -g(-|x|), which is 0 for large v */
VM_INLINE real vm(ramp)(real x, real t, real v)
{
    t = v > vm(all_zero) ? 0 : t;
    return (x > 0 ? x : 0) - t;
}
/* s = g'(-|x|), or 1 - s for x > 0; s is 0 for large v */
VM_INLINE real vm(ramp_slope)(real x, real s, real v)
{
    s = v > vm(all_zero) ? 0 : s;
    return x > 0 ? 1 - s : s;
}

/* e^(-a^2/2) = y * *scale, a^2 with its rounding error; v = a^2/2 */
VM_INLINE real vm(normal_density)(real a, real v, real *scale)
{
    real y = vm(exp_factors)(-v, scale), error = vm(product_error)(a, a, 2 * v);
    return vm(fma)((real)-0.5 * error, y, y);
}
/* max(x, 0) - a R(a) e^(-a^2/2), a = |x|, v = a^2/2, e^-v = e scale */
VM_INLINE real vm(gelu_of)(real x, real v, real tail, real e, real scale)
{
    return vm(ramp)(x, vm(abs)(x) * tail * e * scale, v);
}
/* g'(-a) = (R(a) - a / sqrt(2 pi)) e^(-a^2/2) */
VM_INLINE real vm(gelu_slope_of)(real x, real v, real tail, real e, real scale)
{
    real r = vm(fma)(vm(abs)(x), (real)-0.39894228040143267794, tail);
    return vm(ramp_slope)(x, r * e * scale, v);
}
VM_INLINE real vm(gelu)(real x)
{
    real a = vm(abs)(x), v = (real)0.5 * (a * a), scale, p;
    real e = vm(normal_density)(a, v, &scale), q = vm(normal_tail)(a, &p);
    return vm(gelu_of)(x, v, p / q, e, scale);
}
VM_INLINE real vm(gelu_slope)(real x)
{
    real a = vm(abs)(x), v = (real)0.5 * (a * a), scale, p;
    real e = vm(normal_density)(a, v, &scale), q = vm(normal_tail)(a, &p);
    return vm(gelu_slope_of)(x, v, p / q, e, scale);
}

/* max(x, 0) - a e^-v / (1 + e^-v), a = |x|, e^-v = e scale */
VM_INLINE real vm(gated_of)(real x, real v, real e, real scale)
{
    return vm(ramp)(x, vm(abs)(x) * e / (1 + e * scale) * scale, v);
}
/* g'(-a) = e^-v (1 + e^-v - a dv) / (1 + e^-v)^2, dv = v'(a) */
VM_INLINE real vm(gated_slope_of)(real x, real v, real dv, real e, real scale)
{
    real d = 1 + e * scale;
    return vm(ramp_slope)(x, e * vm(fma)(-vm(abs)(x), dv, d) / (d * d) * scale, v);
}
/* The same where the exponent is v + low */
VM_INLINE real vm(gated)(real x, real v, real low)
{
    real scale, e = vm(exp_factors)(-v, &scale);
    return vm(gated_of)(x, v, vm(fma)(-low, e, e), scale);
}
VM_INLINE real vm(gated_slope)(real x, real v, real low, real dv)
{
    real scale, e = vm(exp_factors)(-v, &scale);
    return vm(gated_slope_of)(x, v, dv, vm(fma)(-low, e, e), scale);
}

/* x logistic(x) */
VM_INLINE real vm(silu)(real x)
{
    return vm(gated)(x, vm(abs)(x), 0);
}
VM_INLINE real vm(silu_slope)(real x)
{
    return vm(gated_slope)(x, vm(abs)(x), 0, 1);
}

/* v = 2 u = a (C0 + C1 a^2), u = sqrt(2/pi) (a + 0.044715 a^3); v + *low in twice the digits */
#define VM_LOW(c, rest) ((real)((c) - (double)(real)(c) + (rest)))
VM_INLINE real vm(gelu_tanh_exponent)(real a, real *low)
{
    real c0 = (real)VM_GELU_C0, c1 = (real)VM_GELU_C1, z = a * a, p = c1 * z, m = c0 + p, v = a * m;
    real t = m - c0, sum_error = (c0 - (m - t)) + (p - t);
    real p_error = vm(fma)(c1, vm(product_error)(a, a, z),
                           vm(fma)(VM_LOW(VM_GELU_C1, VM_GELU_C1_LOW), z,
                                   vm(product_error)(c1, z, p)));
    real m_error = sum_error + (p_error + VM_LOW(VM_GELU_C0, VM_GELU_C0_LOW));
    *low = vm(fma)(a, m_error, vm(product_error)(a, m, v));
    return v;
}
/* x logistic(2 u) = x (1 + tanh(u)) / 2 */
VM_INLINE real vm(gelu_tanh)(real x)
{
    real low, v = vm(gelu_tanh_exponent)(vm(abs)(x), &low);
    return vm(gated)(x, v, low);
}
VM_INLINE real vm(gelu_tanh_slope)(real x)
{
    real a = vm(abs)(x), low, v = vm(gelu_tanh_exponent)(a, &low);
    return vm(gated_slope)(x, v, low, vm(fma)(a * a, 3 * (real)VM_GELU_C1, (real)VM_GELU_C0));
}

/* x tanh(log(1 + e^x)) = x n / (n + 2), n = e^x (e^x + 2) */
VM_INLINE real vm(mish)(real x)
{
    real scale, e = vm(exp_factors)(vm(at_most)(x, vm(mish_top)), &scale);
    real n = e * (e * scale + 2), y = x * (n / (n * scale + 2)) * scale;
    return x < -vm(all_zero) ? 0 : y;
}
/* e^x ((e^x + 2) d + 4 x (1 + e^x)) / d^2, d = n + 2 */
VM_INLINE real vm(mish_slope)(real x)
{
    real b = vm(at_most)(x, vm(mish_top)), scale, e = vm(exp_factors)(b, &scale), m = e * scale;
    real d = vm(fma)(m, m + 2, 2), c = vm(fma)(m + 2, d, 4 * b * (1 + m));
    real y = e * c / (d * d) * scale;
    y = x < -vm(all_zero) ? 0 : y;
    y = x > vm(mish_top) ? 1 : y;
    return x != x ? x : y;
}

/* x / (1 + |x|) */
VM_INLINE real vm(softsign)(real x)
{
    real a = vm(abs)(x), y = x / (1 + a);
    return a == VM_INF ? vm(signed)(1, x) : y;
}
/* 1 / (1 + |x|)^2 */
VM_INLINE real vm(softsign_slope)(real x)
{
    real s = 1 / (1 + vm(abs)(x));
    return s * s;
}

/* x / 6 + 1/2, at least 0, at most 1 */
VM_INLINE real vm(hard_sigmoid)(real x)
{
    real y = x / 6 + (real)0.5;
    y = y < 0 ? 0 : y;
    return y > 1 ? 1 : y;
}

VM_INLINE real vm(sin)(real x) { return vm(turned_sin)(x, 0); }
VM_INLINE real vm(sin_slope)(real x) { return vm(turned_sin)(x, (real)0.5); }

/* h := g(a), a := g'(a), n numbers: the compiler computes what the two share once */
#define VM_PAIR(g)                                                                              \
    static inline void vm(g##_pair)(ptrdiff_t n, real *restrict a, real *restrict h)            \
    {                                                                                           \
        for (ptrdiff_t i = 0; i < n; i++) {                                                     \
            const real x = a[i];                                                                \
            h[i] = vm(g)(x);                                                                    \
            a[i] = vm(g##_slope)(x);                                                            \
        }                                                                                       \
    }
VM_PAIR(gelu_tanh)
VM_PAIR(mish)
#if !defined(__AVX2__) || defined(__AVX512VL__)
VM_PAIR(gelu)
VM_PAIR(silu)
#else
/* In several loops: more numbers at a time are under way in each. */
static inline void vm(gelu_pair)(ptrdiff_t n, real *restrict a, real *restrict h)
{
    real factor[VM_AT_ONCE], scales[VM_AT_ONCE], tails[VM_AT_ONCE];
    for (; n > 0; n -= VM_AT_ONCE, a += VM_AT_ONCE, h += VM_AT_ONCE) {
        const ptrdiff_t some = n < VM_AT_ONCE ? n : VM_AT_ONCE;
        for (ptrdiff_t i = 0; i < some; i++) {
            real x = vm(abs)(a[i]), v = (real)0.5 * (x * x), scale;
            factor[i] = vm(normal_density)(x, v, &scale);
            scales[i] = scale;
        }
        for (ptrdiff_t i = 0; i < some; i++) {
            real p, q = vm(normal_tail)(vm(abs)(a[i]), &p);
            tails[i] = p / q;
        }
        for (ptrdiff_t i = 0; i < some; i++) {
            const real x = a[i], v = (real)0.5 * (x * x);
            h[i] = vm(gelu_of)(x, v, tails[i], factor[i], scales[i]);
            a[i] = vm(gelu_slope_of)(x, v, tails[i], factor[i], scales[i]);
        }
    }
}
static inline void vm(silu_pair)(ptrdiff_t n, real *restrict a, real *restrict h)
{
    real factor[VM_AT_ONCE], scales[VM_AT_ONCE];
    for (; n > 0; n -= VM_AT_ONCE, a += VM_AT_ONCE, h += VM_AT_ONCE) {
        const ptrdiff_t some = n < VM_AT_ONCE ? n : VM_AT_ONCE;
        for (ptrdiff_t i = 0; i < some; i++) {
            real scale;
            factor[i] = vm(exp_factors)(-vm(abs)(a[i]), &scale);
            scales[i] = scale;
        }
        for (ptrdiff_t i = 0; i < some; i++) {
            const real x = a[i], v = vm(abs)(x);
            h[i] = vm(gated_of)(x, v, factor[i], scales[i]);
            a[i] = vm(gated_slope_of)(x, v, 1, factor[i], scales[i]);
        }
    }
}
#endif
#undef VM_PAIR
