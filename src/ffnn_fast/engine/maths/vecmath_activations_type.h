/* The functions of vecmath_activations.h for one type. */

/* max(x, 0) + log(1 + e^-|x|) */
VM_INLINE real vm(softplus)(real x)
{
    return (x > 0 ? x : 0) + vm(log1p)(vm(exp)(-vm(abs)(x)));
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

/* x between -40 and 40, beyond which e^(-x^2/2) = 0 and tanh = 1 in double; NaN may become 40 */
VM_INLINE real vm(near)(real x)
{
    return vm(signed)(vm(at_most)(vm(abs)(x), 40), x);
}

/* Phi(x) = (1 + erf(x / sqrt 2)) / 2 */
VM_INLINE real vm(normal_cdf)(real x)
{
    return vm(fma)((real)0.5, vm(erf)(x * (real)0.70710678118654752440), (real)0.5);
}
/* x Phi(x) */
VM_INLINE real vm(gelu)(real x) { return x * vm(normal_cdf)(x); }
/* Phi(x) + x e^(-x^2/2) / sqrt(2 pi) */
VM_INLINE real vm(gelu_slope)(real x)
{
    real b = vm(near)(x), density = (real)0.39894228040143267794 * vm(exp)((real)-0.5 * b * b);
    return vm(fma)(b, density, vm(normal_cdf)(x));
}

/* x (1 + tanh(u)) / 2, u = sqrt(2/pi) (x + 0.044715 x^3) */
#define VM_GELU_ROOT ((real)0.79788456080286535588)
#define VM_GELU_CUBE ((real)(0.79788456080286535588 * 0.044715))
VM_INLINE real vm(gelu_tanh)(real x)
{
    real b = vm(near)(x), t = vm(tanh)(b * vm(fma)(b * b, VM_GELU_CUBE, VM_GELU_ROOT));
    return x * vm(fma)((real)0.5, t, (real)0.5);
}
/* (1 + t) / 2 + x (1 - t^2) u' / 2, t = tanh(u) */
VM_INLINE real vm(gelu_tanh_slope)(real x)
{
    real b = vm(near)(x), z = b * b;
    real t = vm(tanh)(b * vm(fma)(z, VM_GELU_CUBE, VM_GELU_ROOT));
    real du = (real)0.5 * b * vm(fma)(z, 3 * VM_GELU_CUBE, VM_GELU_ROOT);
    real y = vm(fma)(vm(fma)(-t, t, 1), du, vm(fma)((real)0.5, t, (real)0.5));
    return x != x ? x : y;
}

/* x s, s = logistic(x) */
VM_INLINE real vm(silu)(real x) { return x * vm(logistic)(x); }
/* s + s x (1 - s) */
VM_INLINE real vm(silu_slope)(real x)
{
    real s = vm(logistic)(x);
    return vm(fma)(s, x * (1 - s), s);
}

/* x tanh(log(1 + e^x)) = x n / (n + 2), n = e^x (e^x + 2); n / (n + 2) = 1 from x = 20 on */
VM_INLINE real vm(mish)(real x)
{
    real e = vm(exp)(vm(at_most)(x, 20)), n = vm(fma)(e, e, 2 * e);
    return x * (n / (n + 2));
}
/* n / (n + 2) + x 4 e (1 + e) / (n + 2)^2 */
VM_INLINE real vm(mish_slope)(real x)
{
    real b = vm(at_most)(x, 20), e = vm(exp)(b), n = vm(fma)(e, e, 2 * e), d = 1 / (n + 2);
    real c = b * (4 * vm(fma)(e, e, e) * d);
    real y = vm(fma)(c, d, n * d);
    return x != x ? x : y;
}

/* x / (1 + |x|) */
VM_INLINE real vm(softsign)(real x) { return x / (1 + vm(abs)(x)); }

/* x / 6 + 1/2, at least 0, at most 1 */
VM_INLINE real vm(hard_sigmoid)(real x)
{
    real y = x / 6 + (real)0.5;
    y = y < 0 ? 0 : y;
    return y > 1 ? 1 : y;
}
