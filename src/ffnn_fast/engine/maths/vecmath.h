/* Branch-free exp, expm1, logistic, tanh, log, log1p for loops that the compiler vectorises.
 *
 * Each function is one straight line of bit casts, selects and polynomials: no call, table, branch.
 * A product that is to be fused with a sum is written vm_fma_*: one rounding where the target has
 * FMA, two where it has not. Any other product that meets a sum is exact, or has a second use that
 * keeps -ffp-contract off it: the bits depend on the presence of FMA only, not on vector width,
 * optimisation level or compiler.
 * IEEE arithmetic is assumed (no fast-math; -fno-trapping-math -fno-math-errno is what lets GCC
 * vectorise). NaN gives NaN everywhere.
 *
 * A select is at the end of a function: compilers specialise what follows an early clamp of the
 * argument for the clamped constant, which costs more instructions than the clamp.
 *
 * "Worst" is the largest error found, in ULP, with FMA / without: over all 2^32 arguments in float,
 * over more than 1e8 random ones and the edge cases in double.
 */
#ifndef FFNN_FAST_VECMATH_H
#define FFNN_FAST_VECMATH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define VM_INLINE static inline __attribute__((always_inline, unused))
#define VM_APART static __attribute__((noinline, unused))
#define VM_INF __builtin_inff()
#define VM_NAN __builtin_nanf("")

#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
VM_INLINE float vm_fma_f32(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
VM_INLINE double vm_fma_f64(double a, double b, double c) { return __builtin_fma(a, b, c); }
#else
VM_INLINE float vm_fma_f32(float a, float b, float c) { return a * b + c; }
VM_INLINE double vm_fma_f64(double a, double b, double c) { return a * b + c; }
#endif

/* c0 + x (c1 + x (...)), coefficients of rising powers */
#define VM_POLY2(fma, x, c0, c1) fma(c1, x, c0)
#define VM_POLY3(fma, x, c0, ...) fma(VM_POLY2(fma, x, __VA_ARGS__), x, c0)
#define VM_POLY4(fma, x, c0, ...) fma(VM_POLY3(fma, x, __VA_ARGS__), x, c0)
#define VM_POLY5(fma, x, c0, ...) fma(VM_POLY4(fma, x, __VA_ARGS__), x, c0)
#define VM_POLY6(fma, x, c0, ...) fma(VM_POLY5(fma, x, __VA_ARGS__), x, c0)
#define VM_POLY7(fma, x, c0, ...) fma(VM_POLY6(fma, x, __VA_ARGS__), x, c0)
#define VM_POLY8(fma, x, c0, ...) fma(VM_POLY7(fma, x, __VA_ARGS__), x, c0)

VM_INLINE uint32_t vm_bits_f32(float x) { uint32_t u; memcpy(&u, &x, sizeof u); return u; }
VM_INLINE uint64_t vm_bits_f64(double x) { uint64_t u; memcpy(&u, &x, sizeof u); return u; }
VM_INLINE float vm_float_f32(uint32_t u) { float x; memcpy(&x, &u, sizeof x); return x; }
VM_INLINE double vm_float_f64(uint64_t u) { double x; memcpy(&x, &u, sizeof x); return x; }

VM_INLINE float vm_abs_f32(float x) { return __builtin_fabsf(x); }
VM_INLINE double vm_abs_f64(double x) { return __builtin_fabs(x); }

/* y, whose sign is + or that of x, with the sign of x */
VM_INLINE float vm_signed_f32(float y, float x)
{
    return vm_float_f32(vm_bits_f32(y) | (vm_bits_f32(x) & 0x80000000u));
}
VM_INLINE double vm_signed_f64(double y, double x)
{
    return vm_float_f64(vm_bits_f64(y) | (vm_bits_f64(x) & 0x8000000000000000u));
}

/* a b - p for p = fl(a b), where nothing underflows. Without FMA from the halves of a and b (T. J.
 * Dekker, 1971): the upper ones have 12 or 26 bits, so that their products are exact. */
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
VM_INLINE float vm_product_error_f32(float a, float b, float p) { return vm_fma_f32(a, b, -p); }
VM_INLINE double vm_product_error_f64(double a, double b, double p) { return vm_fma_f64(a, b, -p); }
#else
VM_INLINE float vm_product_error_f32(float a, float b, float p)
{
    float a1 = vm_float_f32(vm_bits_f32(a) & 0xfffff000u), a2 = a - a1;
    float b1 = vm_float_f32(vm_bits_f32(b) & 0xfffff000u), b2 = b - b1;
    return (((a1 * b1 - p) + a1 * b2) + a2 * b1) + a2 * b2;
}
VM_INLINE double vm_product_error_f64(double a, double b, double p)
{
    double a1 = vm_float_f64(vm_bits_f64(a) & 0xfffffffff8000000u), a2 = a - a1;
    double b1 = vm_float_f64(vm_bits_f64(b) & 0xfffffffff8000000u), b2 = b - b1;
    return (((a1 * b1 - p) + a1 * b2) + a2 * b1) + a2 * b2;
}
#endif

/* ln 2 = HI + LO with HI so short that k HI is exact for every exponent k.
 * x + ROUND is x rounded to an integer, which is then in the low bits of the sum. */
#define VM_LOG2E_F32 0x1.715476p+0f
#define VM_LN2_F32 0x1.62e43p-1f
#define VM_LN2_HI_F32 0x1.62e4p-1f
#define VM_LN2_LO_F32 0x1.7f7d1cp-20f
#define VM_ROUND_F32 0x1.8p23f
#define VM_LOG2E_F64 0x1.71547652b82fep+0
#define VM_LN2_F64 0x1.62e42fefa39efp-1
#define VM_LN2_HI_F64 0x1.62e42fefa38p-1
#define VM_LN2_LO_F64 0x1.ef35793c7673p-45
#define VM_ROUND_F64 0x1.8p52

/* ROUND + bias + k, k the integer nearest to c x but at most `top`. The bound is put on the bits as
 * an integer: a bare minimum. Above it x - k ln 2 grows, and since all coefficients of the
 * polynomials for exp are positive, they run to +inf by themselves. */
VM_INLINE float vm_exponent_f32(float x, float c, float bias, float top)
{
    int32_t t = (int32_t)vm_bits_f32(vm_fma_f32(x, c, VM_ROUND_F32 + bias));
    int32_t limit = (int32_t)0x4b400000 + (int32_t)(bias + top);
    return vm_float_f32((uint32_t)(t < limit ? t : limit));
}
VM_INLINE double vm_exponent_f64(double x, double c, double bias, double top)
{
    int64_t t = (int64_t)vm_bits_f64(vm_fma_f64(x, c, VM_ROUND_F64 + bias));
    int64_t limit = (int64_t)0x4338000000000000 + (int64_t)(bias + top);
    return vm_float_f64((uint64_t)(t < limit ? t : limit));
}

/* 2^k from ROUND + 127 + k (float) or ROUND + 1023 + k (double) */
VM_INLINE float vm_power_f32(float t) { return vm_float_f32(vm_bits_f32(t) << 23); }
VM_INLINE double vm_power_f64(double t) { return vm_float_f64(vm_bits_f64(t) << 52); }

/* exp(x - k ln 2) - 1 for |x - k ln 2| <= ln(2) / 2, as h + (r^2 q(r) - k LO): h = x - k HI is
 * exact, r = h - k LO is rounded but enters only the small term. In double q is two chains. */
VM_INLINE float vm_expm1_reduced_f32(float x, float k)
{
    float h = vm_fma_f32(k, -VM_LN2_HI_F32, x), c = k * -VM_LN2_LO_F32, r = h + c;
    float q = VM_POLY5(vm_fma_f32, r, 0.5f, 0x1.5554b2p-3f, 0x1.5556b2p-5f, 0x1.12271cp-7f,
                       0x1.6b3c62p-10f);
    return h + vm_fma_f32(r * r, q, c);
}
VM_INLINE double vm_expm1_reduced_f64(double x, double k)
{
    double h = vm_fma_f64(k, -VM_LN2_HI_F64, x), c = k * -VM_LN2_LO_F64, r = h + c, z = r * r;
    double q0 = VM_POLY5(vm_fma_f64, z, 0.5, 0x1.5555555553925p-5, 0x1.6c16c17aafd4dp-10,
                         0x1.a019b141d79ccp-16, 0x1.2899dc133fc3bp-22);
    double q1 = VM_POLY5(vm_fma_f64, z, 0x1.555555555552dp-3, 0x1.111111111f8e9p-7,
                         0x1.a01a014215b16p-13, 0x1.71df1512c51e8p-19, 0x1.ad6a6d0af23fdp-26);
    return h + vm_fma_f64(z, vm_fma_f64(q1, r, q0), c);
}

/* exp(x) = 2^k (1 + w) = y * *scale, k the integer nearest to x / ln 2, *scale a power of two. For
 * -170 <= x <= 88 (float), -1400 <= x <= 709 (double) neither factor overflows or underflows, so
 * that a multiple of exp(x) can be rounded once. */
VM_INLINE float vm_exp_factors_f32(float x, float *scale)
{
    float t = vm_exponent_f32(x, VM_LOG2E_F32, 254.0f, 128.0f);
    float w = vm_expm1_reduced_f32(x, t - (VM_ROUND_F32 + 254.0f));
    uint32_t u = vm_bits_f32(t), half = u >> 1;
    float s = vm_float_f32(half << 23);
    *scale = vm_float_f32((u - half) << 23);
    return vm_fma_f32(w, s, s);
}
VM_INLINE double vm_exp_factors_f64(double x, double *scale)
{
    double t = vm_exponent_f64(x, VM_LOG2E_F64, 2046.0, 1024.0);
    double w = vm_expm1_reduced_f64(x, t - (VM_ROUND_F64 + 2046.0));
    uint64_t u = vm_bits_f64(t), half = u >> 1;
    double s = vm_float_f64(half << 52);
    *scale = vm_float_f64((u - half) << 52);
    return vm_fma_f64(w, s, s);
}

/* exp(x): the last product overflows to inf, or rounds to a subnormal or 0, as it should.
 * exp(-inf) = 0.
 * Worst: float 0.89 / 0.91, double 0.94 / 0.96. */
VM_INLINE float vm_exp_f32(float x)
{
    float scale, y = vm_exp_factors_f32(x, &scale);
    y *= scale;
    return x < -104.0f ? 0.0f : y;
}
VM_INLINE double vm_exp_f64(double x)
{
    double scale, y = vm_exp_factors_f64(x, &scale);
    y *= scale;
    return x < -746.0 ? 0.0 : y;
}

/* exp(x) - 1 = 2 (s w + (s - 1/2)), s = 2^(k-1), k and w as in exp; -1 far to the left; x itself
 * (with its sign, and if subnormal) where it is tiny.
 * Worst: float 1.57 / 1.68, double 1.90 / 1.75. */
VM_INLINE float vm_expm1_f32(float x)
{
    float t = vm_exponent_f32(x, VM_LOG2E_F32, 126.0f, 128.0f), s = vm_power_f32(t);
    float w = vm_expm1_reduced_f32(x, t - (VM_ROUND_F32 + 126.0f));
    float y = 2.0f * vm_fma_f32(s, w, s - 0.5f);
    y = x < -18.0f ? -1.0f : y;
    return vm_abs_f32(x) < 0x1p-25f ? x : y;
}
VM_INLINE double vm_expm1_f64(double x)
{
    double t = vm_exponent_f64(x, VM_LOG2E_F64, 1022.0, 1024.0), s = vm_power_f64(t);
    double w = vm_expm1_reduced_f64(x, t - (VM_ROUND_F64 + 1022.0));
    double y = 2.0 * vm_fma_f64(s, w, s - 0.5);
    y = x < -38.0 ? -1.0 : y;
    return vm_abs_f64(x) < 0x1p-54 ? x : y;
}

/* y logistic(-a) = y c / (c + c exp(a)), a >= 0. The small factor c keeps c exp(a) finite until the
 * quotient is 0, so that it passes through the subnormals with one rounding. */
VM_INLINE float vm_logistic_tail_f32(float a, float y)
{
    float t = vm_exponent_f32(a, VM_LOG2E_F32, 127.0f - 64.0f, 151.0f), s = vm_power_f32(t);
    float w = vm_expm1_reduced_f32(a, t - (VM_ROUND_F32 + 127.0f - 64.0f));
    return y * 0x1p-64f / (vm_fma_f32(w, s, s) + 0x1p-64f);
}
VM_INLINE double vm_logistic_tail_f64(double a, double y)
{
    double t = vm_exponent_f64(a, VM_LOG2E_F64, 1023.0 - 512.0, 1076.0), s = vm_power_f64(t);
    double w = vm_expm1_reduced_f64(a, t - (VM_ROUND_F64 + 1023.0 - 512.0));
    return y * 0x1p-512 / (vm_fma_f64(w, s, s) + 0x1p-512);
}

/* logistic(x) = 1 / (1 + exp(-x)): q = logistic(-|x|) for x < 0, else 1 - q.
 * logistic(-inf) = 0, logistic(inf) = 1.
 * Worst: float 2.49 / 2.49, double 2.43 / 2.43. */
VM_INLINE float vm_logistic_f32(float x)
{
    float q = vm_logistic_tail_f32(vm_abs_f32(x), 1.0f);
    return x < 0.0f ? q : 1.0f - q;
}
VM_INLINE double vm_logistic_f64(double x)
{
    double q = vm_logistic_tail_f64(vm_abs_f64(x), 1.0);
    return x < 0.0 ? q : 1.0 - q;
}

/* tanh(x), a = |x|: 1 - 2 / (exp(2a) + 1), with exp(2a) = 2^k e(a - k ln(2)/2); for small a instead
 * a + a^3 p(a^2) (float, a < 0.55), a + a^3 p(a^2) / q(a^2) (double, a < 0.75, one division for
 * both sides). tanh(-0) = -0, tanh(+-inf) = +-1.
 * In two parts: the divisor exp(2a) + 1, and the rest.
 * Worst: float 1.59 / 1.53, double 1.17 / 1.49. */
VM_INLINE float vm_tanh_divisor_f32(float x)
{
    float a = vm_abs_f32(x), t = vm_exponent_f32(a, 2.0f * VM_LOG2E_F32, 127.0f, 40.0f);
    float r = vm_fma_f32(t - (VM_ROUND_F32 + 127.0f), -0.5f * VM_LN2_F32, a);
    float e = VM_POLY7(vm_fma_f32, r, 1.0f, 2.0f, 0x1.fffffap+0f, 0x1.55549cp+0f, 0x1.555a2p-1f,
                       0x1.1233a2p-2f, 0x1.6952eep-4f);
    return vm_fma_f32(e, vm_power_f32(t), 1.0f);
}
VM_INLINE float vm_tanh_of_divisor_f32(float x, float d)
{
    float a = vm_abs_f32(x), z = a * a;
    float p = VM_POLY4(vm_fma_f32, z, -0x1.555452p-2f, 0x1.10cefcp-3f, -0x1.af7d36p-5f,
                       0x1.0d5178p-6f);
    float small = vm_fma_f32(p * z, a, a), large = 1.0f - 2.0f / d;
    return vm_signed_f32(a < 0.55f ? small : large, x);
}
VM_INLINE float vm_tanh_f32(float x)
{
    return vm_tanh_of_divisor_f32(x, vm_tanh_divisor_f32(x));
}
VM_INLINE double vm_tanh_divisor_f64(double x)
{
    double a = vm_abs_f64(x), t = vm_exponent_f64(a, 2.0 * VM_LOG2E_F64, 1023.0, 80.0);
    double r = vm_fma_f64(t - (VM_ROUND_F64 + 1023.0), -0.5 * VM_LN2_F64, a), w = r * r;
    double e0 = VM_POLY5(vm_fma_f64, w, 0x1.000000000000bp+1, 0x1.5555555550288p-1,
                         0x1.6c16c18532ff8p-4, 0x1.a01997b0ffe09p-8, 0x1.28af57f65ba84p-12);
    double e1 = VM_POLY5(vm_fma_f64, w, 0x1.5555555555512p+0, 0x1.111111112262bp-2,
                         0x1.a01a0144a0b84p-6, 0x1.71deef2e9dca5p-10, 0x1.adcf86cf5ba48p-15);
    double e = VM_POLY3(vm_fma_f64, r, 1.0, 2.0, vm_fma_f64(e1, r, e0));
    return vm_fma_f64(e, vm_power_f64(t), 1.0);
}
VM_INLINE double vm_tanh_of_divisor_f64(double x, double d)
{
    double a = vm_abs_f64(x), z = a * a;
    double p = VM_POLY3(vm_fma_f64, z, -0x1.94523182a7633p+10, -0x1.8da75d83aab28p+6,
                        -0x1.edcc2b79eccbap-1);
    double q = VM_POLY3(vm_fma_f64, z, 0x1.2f3da521fd8b4p+12, 0x1.17df6812bc337p+11,
                        z + 0x1.c3ca99a5e33c5p+6);
    int is_small = a < 0.75;
    double n = is_small ? p * z * a : -2.0;
    return vm_signed_f64((is_small ? a : 1.0) + n / (is_small ? q : d), x);
}
VM_INLINE double vm_tanh_f64(double x)
{
    return vm_tanh_of_divisor_f64(x, vm_tanh_divisor_f64(x));
}

/* k ln 2 + log(1 + f) for sqrt(1/2) <= 1 + f < sqrt(2). Float: f - f^2/2 + f^3 p(f), and takes
 * 2^23 k instead of k. Double: s = f / (2 + f), log(1 + f) = f - s (f - s^2 p(s^2)). */
VM_INLINE float vm_log_reduced_f32(float f, float k)
{
    float z = f * f;
    float p0 = VM_POLY5(vm_fma_f32, z, -0.5f, -0x1.00022p-2f, -0x1.5478a4p-3f, -0x1.0cdda2p-3f,
                        -0x1.4210dcp-4f);
    float p1 = VM_POLY4(vm_fma_f32, z, 0x1.55554ap-2f, 0x1.99a5b2p-3f, 0x1.226c6cp-3f,
                        0x1.07da36p-3f);
    float y = vm_fma_f32(k, 0x1p-23f * VM_LN2_LO_F32, f);
    y = vm_fma_f32(vm_fma_f32(p1, f, p0), z, y);
    return vm_fma_f32(k, 0x1p-23f * VM_LN2_HI_F32, y);
}
VM_INLINE double vm_log_reduced_f64(double f, double k)
{
    double s = f / (2.0 + f), z = s * s, w = z * z;
    double p0 = VM_POLY4(vm_fma_f64, w, -f, 0x1.999999997ff0bp-2, 0x1.c71c5212c0c57p-3,
                         0x1.39a1dcd2d1699p-3);
    double p1 = VM_POLY4(vm_fma_f64, w, 0x1.5555555555592p-1, 0x1.24924941e2bd1p-2,
                         0x1.74663d52caab5p-3, 0x1.2f0442e0a0188p-3);
    double y = vm_fma_f64(s, vm_fma_f64(p1, z, p0), k * VM_LN2_LO_F64);
    return vm_fma_f64(k, VM_LN2_HI_F64, f + y);
}

/* x = 2^k m with sqrt(1/2) <= m < sqrt(2): subtracting the bits of sqrt(1/2) from those of x leaves
 * k in the exponent's place and m in the mantissa's, counted from sqrt(1/2). */
#define VM_ROOT_F32 0x3f3504f3u
#define VM_ROOT_F64 0x3fe6a09e667f3bcdu

VM_INLINE float vm_mantissa_f32(uint32_t u) { return vm_float_f32((u & 0x7fffffu) + VM_ROOT_F32); }
VM_INLINE double vm_mantissa_f64(uint64_t u)
{
    return vm_float_f64((u & 0xfffffffffffffu) + VM_ROOT_F64);
}
/* 2^23 k */
VM_INLINE float vm_scaled_exponent_f32(uint32_t u) { return (float)(int32_t)(u & 0xff800000u); }
/* 2^52 + 1023 + k: put together from bits, since the lower levels cannot convert 64-bit integers */
VM_INLINE double vm_biased_exponent_f64(uint64_t u)
{
    return vm_float_f64(0x4330000000000000u | ((u + 0x3ff0000000000000u) >> 52));
}

/* log(x): log(0) = -inf, log(x < 0) = NaN, log(inf) = inf; a subnormal x is scaled first.
 * Worst: float 0.97 / 1.11, double 1.00 / 1.00. */
VM_INLINE float vm_log_f32(float x)
{
    uint32_t base = x < 0x1p-126f ? VM_ROOT_F32 + (23u << 23) : VM_ROOT_F32;
    uint32_t u = vm_bits_f32(x < 0x1p-126f ? x * 0x1p23f : x) - base;
    float y = vm_log_reduced_f32(vm_mantissa_f32(u) - 1.0f, vm_scaled_exponent_f32(u));
    y = x < VM_INF ? y : x;
    y = x == 0.0f ? -VM_INF : y;
    return x < 0.0f ? VM_NAN : y;
}
VM_INLINE double vm_log_f64(double x)
{
    double bias = x < 0x1p-1022 ? 0x1p52 + 1023.0 + 54.0 : 0x1p52 + 1023.0;
    uint64_t u = vm_bits_f64(x < 0x1p-1022 ? x * 0x1p54 : x) - VM_ROOT_F64;
    double y = vm_log_reduced_f64(vm_mantissa_f64(u) - 1.0, vm_biased_exponent_f64(u) - bias);
    y = x < VM_INF ? y : x;
    y = x == 0.0 ? -VM_INF : y;
    return x < 0.0 ? VM_NAN : y;
}

/* log(1 + x): as log(v), v = fl(1 + x), with the rounding error of v (exact where it matters),
 * scaled by 2^-k, put back into f. log1p(-0) = -0, log1p(-1) = -inf, log1p(x < -1) = NaN,
 * log1p(inf) = inf.
 * Worst: float 1.54 / 1.59, double 1.54 / 1.54. */
VM_INLINE float vm_log1p_f32(float x)
{
    float v = 1.0f + x, error = x - (v - 1.0f);
    uint32_t u = vm_bits_f32(v) - VM_ROOT_F32;
    float scale = vm_float_f32(0x40000000u - (u & 0xff800000u)); /* 2^(1-k) */
    float twice = vm_float_f32((u & 0x7fffffu) + VM_ROOT_F32 + 0x800000u); /* 2m */
    float f = 0.5f * vm_fma_f32(error, scale, twice - 2.0f);
    float y = vm_log_reduced_f32(f, vm_scaled_exponent_f32(u));
    y = v < VM_INF ? y : x;
    y = x == -1.0f ? -VM_INF : y;
    y = x < -1.0f ? VM_NAN : y;
    return vm_signed_f32(y, x);
}
VM_INLINE double vm_log1p_f64(double x)
{
    double v = 1.0 + x, error = x - (v - 1.0);
    uint64_t u = vm_bits_f64(v) - VM_ROOT_F64;
    double scale = vm_float_f64(0x4000000000000000u - (u & 0xfff0000000000000u)); /* 2^(1-k) */
    double twice = vm_float_f64((u & 0xfffffffffffffu) + VM_ROOT_F64 + 0x10000000000000u); /* 2m */
    double f = 0.5 * vm_fma_f64(error, scale, twice - 2.0);
    double y = vm_log_reduced_f64(f, vm_biased_exponent_f64(u) - (0x1p52 + 1023.0));
    y = v < VM_INF ? y : x;
    y = x == -1.0 ? -VM_INF : y;
    y = x < -1.0 ? VM_NAN : y;
    return vm_signed_f64(y, x);
}

/* log(1 + exp(-v)) for v >= 0: with e = exp(-v) and t = e / (1 + e/2), it is t + t^3 p(t^2). Minimax
 * in relative error: 2^-27 (float), 2^-54 (double). NaN gives NaN.
 * Worst: float 2.72 / 2.72, double 3.05 / 3.05. */
VM_INLINE float vm_softplus_tail_f32(float v)
{
    float e = vm_exp_f32(-v), t = e / vm_fma_f32(e, 0.5f, 1.0f), w = t * t;
    float p = VM_POLY4(vm_fma_f32, w, 0x1.555502p-4f, 0x1.99d208p-7f, 0x1.1ebd0ep-9f,
                       0x1.1ed7bep-11f);
    return vm_fma_f32(p * w, t, t);
}
VM_INLINE double vm_softplus_tail_f64(double v)
{
    double e = vm_exp_f64(-v), t = e / vm_fma_f64(e, 0.5, 1.0), w = t * t, z = w * w;
    double p0 = VM_POLY5(vm_fma_f64, z, 0x1.5555555555937p-4, 0x1.2492497829bep-9,
                         0x1.74624fee0e07p-14, 0x1.163f69480fb9bp-18, 0x1.6b4f5fe67e19dp-22);
    double p1 = VM_POLY4(vm_fma_f64, z, 0x1.99999998ebdd5p-7, 0x1.c71c4a6db4437p-12,
                         0x1.3aa92878431e4p-16, 0x1.959ea64cb6323p-21);
    return vm_fma_f64(vm_fma_f64(p1, w, p0) * w, t, t);
}

#endif
