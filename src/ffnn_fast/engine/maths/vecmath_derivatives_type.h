/* The functions of vecmath_derivatives.h for one type. */

/* x between -40 and 40, beyond which e^(-x^2/2) = 0 and tanh = 1 in double; NaN may become 40 */
VM_INLINE real vm(near)(real x)
{
    return vm(signed)(vm(at_most)(vm(abs)(x), 40), x);
}

/* The derivative of logistic, d = s (1 - s), s = logistic(x): e / (1 + e)^2, e = e^-|x| */
VM_INLINE real vm(softplus_second)(real x)
{
    real e = vm(exp)(-vm(abs)(x)), r = 1 / (1 + e);
    return e * r * r;
}
/* d (1 - 2 s) */
VM_INLINE real vm(logistic_second)(real x)
{
    real e = vm(exp)(-vm(abs)(x)), r = 1 / (1 + e);
    return vm(signed)(e * r * r * ((1 - e) * r), -x);
}
/* d (1 - 6 d) */
VM_INLINE real vm(logistic_third)(real x)
{
    real d = vm(softplus_second)(x);
    return d * vm(fma)(-6, d, 1);
}

/* d = 1 - t^2, t = tanh(x): 4 e / (1 + e)^2, e = e^-2|x| */
VM_INLINE real vm(tanh_slope)(real x)
{
    real e = vm(exp)(-2 * vm(abs)(x)), r = 1 / (1 + e);
    return 4 * e * r * r;
}
/* -2 t d */
VM_INLINE real vm(tanh_second)(real x) { return -2 * vm(tanh)(x) * vm(tanh_slope)(x); }
/* d (4 - 6 d) */
VM_INLINE real vm(tanh_third)(real x)
{
    real d = vm(tanh_slope)(x);
    return d * vm(fma)(-6, d, 4);
}

/* e^x for x <= 0, else 0 */
VM_INLINE real vm(elu_second)(real x)
{
    real y = vm(exp)(x);
    return x > 0 ? 0 : y;
}
/* L A e^x for x <= 0, else 0 */
VM_INLINE real vm(selu_second)(real x) { return (real)VM_SELU_FLOOR * vm(elu_second)(x); }

/* -2 sign(x) / (1 + |x|)^3 */
VM_INLINE real vm(softsign_second)(real x)
{
    real r = 1 / (1 + vm(abs)(x)), y = vm(signed)(2 * r * r * r, -x);
    return x == 0 ? 0 : y;
}
/* 6 / (1 + |x|)^4 */
VM_INLINE real vm(softsign_third)(real x)
{
    real r = 1 / (1 + vm(abs)(x)), z = r * r;
    return 6 * z * z;
}

/* p (2 - x^2), p = e^(-x^2/2) / sqrt(2 pi) */
VM_INLINE real vm(gelu_second)(real x)
{
    real b = vm(near)(x), z = b * b, p = (real)0.39894228040143267794 * vm(exp)((real)-0.5 * z);
    real y = p * (2 - z);
    return x != x ? x : y;
}
/* p x (x^2 - 4) */
VM_INLINE real vm(gelu_third)(real x)
{
    real b = vm(near)(x), z = b * b, p = (real)0.39894228040143267794 * vm(exp)((real)-0.5 * z);
    real y = p * b * (z - 4);
    return x != x ? x : y;
}

#define VM_GELU_ROOT ((real)0.79788456080286535588)
#define VM_GELU_CUBE ((real)(0.79788456080286535588 * 0.044715))
/* f' and f'' of f = tanh(u) / 2, u = sqrt(2/pi) (x + 0.044715 x^3); d = 1 - tanh(u)^2 */
VM_INLINE real vm(gelu_tanh_parts)(real b, real *u, real *du, real *t, real *d)
{
    real z = b * b;
    *u = b * vm(fma)(z, VM_GELU_CUBE, VM_GELU_ROOT);
    *du = vm(fma)(z, 3 * VM_GELU_CUBE, VM_GELU_ROOT);
    *t = vm(tanh)(*u);
    *d = vm(tanh_slope)(*u);
    return 6 * VM_GELU_CUBE * b;
}
/* 2 f' + x f'' */
VM_INLINE real vm(gelu_tanh_second)(real x)
{
    real b = vm(near)(x), u, du, t, d, ddu = vm(gelu_tanh_parts)(b, &u, &du, &t, &d);
    real second = vm(fma)(-2 * t * du, du, ddu);
    real y = d * vm(fma)((real)0.5 * b, second, du);
    return x != x ? x : y;
}
/* 3 f'' + x f''' */
VM_INLINE real vm(gelu_tanh_third)(real x)
{
    real b = vm(near)(x), u, du, t, d, ddu = vm(gelu_tanh_parts)(b, &u, &du, &t, &d);
    real second = vm(fma)(-2 * t * du, du, ddu);
    real cube = du * du * du, third = vm(fma)(cube, vm(fma)(-6, d, 4), 6 * VM_GELU_CUBE);
    third = vm(fma)(-6 * t * du, ddu, third);
    real y = d * ((real)0.5 * vm(fma)(b, third, 3 * second));
    return x != x ? x : y;
}
#undef VM_GELU_ROOT
#undef VM_GELU_CUBE

/* 2 d + x d (1 - 2 s), s = logistic(x) and d = s (1 - s) */
VM_INLINE real vm(silu_second)(real x)
{
    real b = vm(near)(x), e = vm(exp)(-vm(abs)(x)), r = 1 / (1 + e), d = e * r * r;
    return d * vm(fma)(b, vm(signed)((1 - e) * r, -x), 2);
}
/* 3 d (1 - 2 s) + x d (1 - 6 d) */
VM_INLINE real vm(silu_third)(real x)
{
    real b = vm(near)(x), e = vm(exp)(-vm(abs)(x)), r = 1 / (1 + e), d = e * r * r;
    return d * vm(fma)(b, vm(fma)(-6, d, 1), 3 * vm(signed)((1 - e) * r, -x));
}

/* f = tanh(log(1 + e^x)): p = 1 - f^2, s = logistic(x), d = s (1 - s), f' = p s, f'' = p v,
 * v = d - 2 f s^2, f''' = p (d (1 - 2 s) - 2 p s^3 - 4 f s d - 2 f s v); all 0 from x = 20 on */
VM_INLINE real vm(mish_parts)(real b, real *f, real *s, real *d)
{
    real e = vm(exp)(b), n = vm(fma)(e, e, 2 * e), r = 1 / (1 + e), q = (1 + e) / (n + 2);
    *f = n / (n + 2);
    *s = e * r;
    *d = e * r * r;
    return 4 * q * q;
}
/* 2 f' + x f'' */
VM_INLINE real vm(mish_second)(real x)
{
    real b = vm(at_most)(vm(near)(x), 20), f, s, d, p = vm(mish_parts)(b, &f, &s, &d);
    real v = vm(fma)(-2 * f * s, s, d);
    real y = p * vm(fma)(b, v, 2 * s);
    return x != x ? x : y;
}
/* 3 f'' + x f''' */
VM_INLINE real vm(mish_third)(real x)
{
    real b = vm(at_most)(vm(near)(x), 20), f, s, d, p = vm(mish_parts)(b, &f, &s, &d);
    real v = vm(fma)(-2 * f * s, s, d);
    real w = vm(fma)(d, vm(fma)(-2, s, 1), -2 * s * vm(fma)(f, v, vm(fma)(p * s, s, 2 * f * d)));
    real y = p * vm(fma)(b, w, 3 * v);
    return x != x ? x : y;
}
