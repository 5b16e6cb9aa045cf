/* Branch-free exp, log, tanh, logistic, expm1, log1p for loops that the compiler vectorises.
 *
 * Every function is a straight line: bit casts, blends, polynomials; no call, no table, no branch.
 * Products and sums that may be fused are written as vm_fma_*: one rounding where the target has
 * FMA, two where it has not. No other product feeds a sum, so -ffp-contract changes nothing and
 * the bits depend only on whether the target has FMA. Needs IEEE arithmetic: no fast-math.
 */
#ifndef FFNN_FAST_VECMATH_H
#define FFNN_FAST_VECMATH_H

#include <stdint.h>
#include <string.h>

#define VM_INLINE static inline __attribute__((always_inline, unused))
#define VM_INF __builtin_inff()
#define VM_NAN __builtin_nanf("")

#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
VM_INLINE float vm_fma_f32(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
VM_INLINE double vm_fma_f64(double a, double b, double c) { return __builtin_fma(a, b, c); }
#else
VM_INLINE float vm_fma_f32(float a, float b, float c) { return a * b + c; }
VM_INLINE double vm_fma_f64(double a, double b, double c) { return a * b + c; }
#endif

VM_INLINE uint32_t vm_bits_f32(float x) { uint32_t u; memcpy(&u, &x, sizeof u); return u; }
VM_INLINE float vm_from_bits_f32(uint32_t u) { float x; memcpy(&x, &u, sizeof x); return x; }
VM_INLINE uint64_t vm_bits_f64(double x) { uint64_t u; memcpy(&u, &x, sizeof u); return u; }
VM_INLINE double vm_from_bits_f64(uint64_t u) { double x; memcpy(&x, &u, sizeof x); return x; }

VM_INLINE float vm_abs_f32(float x) { return __builtin_fabsf(x); }
VM_INLINE double vm_abs_f64(double x) { return __builtin_fabs(x); }

/* y >= 0 (or NaN) with the sign of x */
VM_INLINE float vm_signed_f32(float y, float x)
{
    return vm_from_bits_f32(vm_bits_f32(y) | (vm_bits_f32(x) & 0x80000000u));
}
VM_INLINE double vm_signed_f64(double y, double x)
{
    return vm_from_bits_f64(vm_bits_f64(y) | (vm_bits_f64(x) & 0x8000000000000000u));
}

/* log2(e); ln 2 = HI + LO, HI short enough that k * HI is exact for every exponent k;
 * adding ROUND rounds to an integer, which then stands in the low bits of the sum */
#define VM_LOG2E_F32 0x1.715476p+0f
#define VM_LN2_F32 0x1.62e43p-1f
#define VM_LN2_HI_F32 0x1.62e4p-1f
#define VM_LN2_LO_F32 0x1.7f7d1cp-20f
#define VM_ROUND_F32 12582912.0f
#define VM_LOG2E_F64 0x1.71547652b82fep+0
#define VM_LN2_F64 0x1.62e42fefa39efp-1
#define VM_LN2_HI_F64 0x1.62e42fefa3800p-1
#define VM_LN2_LO_F64 0x1.ef35793c76730p-45
#define VM_ROUND_F64 6755399441055744.0

/* ROUND + bias + k with k the integer nearest to c x; at most `top`, compared as an integer so that
 * it costs one instruction: past `top`, x - k ln 2 grows and the polynomials (all coefficients > 0)
 * go to +inf by themselves. */
VM_INLINE float vm_exponent_f32(float x, float c, float bias, float top)
{
    int32_t t = (int32_t)vm_bits_f32(vm_fma_f32(x, c, VM_ROUND_F32 + bias));
    int32_t limit = 0x4b400000 + (int32_t)(bias + top);
    return vm_from_bits_f32((uint32_t)(t < limit ? t : limit));
}
VM_INLINE double vm_exponent_f64(double x, double c, double bias, double top)
{
    int64_t t = (int64_t)vm_bits_f64(vm_fma_f64(x, c, VM_ROUND_F64 + bias));
    int64_t limit = 0x4338000000000000 + (int64_t)(bias + top);
    return vm_from_bits_f64((uint64_t)(t < limit ? t : limit));
}

/* exp(x - k ln 2) - 1 for |x - k ln 2| <= ln(2) / 2: h + (r^2 q(r) - k LO), where h = x - k HI is
 * exact and r = h - k LO, which is rounded, only enters the small term */
VM_INLINE float vm_expm1_poly_f32(float x, float k)
{
    float h = vm_fma_f32(k, -VM_LN2_HI_F32, x), c = k * -VM_LN2_LO_F32, r = h + c;
    float q = 0x1.6d7226p-10f;
    q = vm_fma_f32(q, r, 0x1.12268p-7f);
    q = vm_fma_f32(q, r, 0x1.5554c8p-5f);
    q = vm_fma_f32(q, r, 0x1.5554b2p-3f);
    q = vm_fma_f32(q, r, 0.5f);
    return h + vm_fma_f32(r * r, q, c);
}
VM_INLINE double vm_expm1_poly_f64(double x, double k)
{
    double h = vm_fma_f64(k, -VM_LN2_HI_F64, x), c = k * -VM_LN2_LO_F64, r = h + c;
    double q = 0x1.af6e360f1572ep-26;
    q = vm_fma_f64(q, r, 0x1.2897b37683f2bp-22);
    q = vm_fma_f64(q, r, 0x1.71ddefbceab1fp-19);
    q = vm_fma_f64(q, r, 0x1.a019b354e454cp-16);
    q = vm_fma_f64(q, r, 0x1.a01a01b31980cp-13);
    q = vm_fma_f64(q, r, 0x1.6c16c17a13475p-10);
    q = vm_fma_f64(q, r, 0x1.111111110ef86p-7);
    q = vm_fma_f64(q, r, 0x1.5555555553ad6p-5);
    q = vm_fma_f64(q, r, 0x1.555555555555ap-3);
    q = vm_fma_f64(q, r, 0.5);
    return h + vm_fma_f64(r * r, q, c);
}

/* exp(x) = 2^k (1 + w), 2^k as two factors, so that the last product overflows or rounds to a
 * subnormal by itself */
VM_INLINE float vm_exp_f32(float x)
{
    float t = vm_exponent_f32(x, VM_LOG2E_F32, 254.0f, 128.0f);
    float w = vm_expm1_poly_f32(x, t - (VM_ROUND_F32 + 254.0f));
    uint32_t u = vm_bits_f32(t), half = u >> 1;
    float s = vm_from_bits_f32(half << 23);
    float y = vm_fma_f32(w, s, s) * vm_from_bits_f32((u - half) << 23);
    return x < -104.0f ? 0.0f : y;
}
VM_INLINE double vm_exp_f64(double x)
{
    double t = vm_exponent_f64(x, VM_LOG2E_F64, 2046.0, 1024.0);
    double w = vm_expm1_poly_f64(x, t - (VM_ROUND_F64 + 2046.0));
    uint64_t u = vm_bits_f64(t), half = u >> 1;
    double s = vm_from_bits_f64(half << 52);
    double y = vm_fma_f64(w, s, s) * vm_from_bits_f64((u - half) << 52);
    return x < -746.0 ? 0.0 : y;
}

/* exp(x) - 1 = 2 (2^(k-1) w + 2^(k-1) - 1/2); x itself where it is tiny */
VM_INLINE float vm_expm1_f32(float x)
{
    float t = vm_exponent_f32(x, VM_LOG2E_F32, 126.0f, 128.0f);
    float w = vm_expm1_poly_f32(x, t - (VM_ROUND_F32 + 126.0f));
    float s = vm_from_bits_f32(vm_bits_f32(t) << 23);
    float y = 2.0f * vm_fma_f32(s, w, s - 0.5f);
    y = x < -18.0f ? -1.0f : y;
    return vm_abs_f32(x) < 0x1p-25f ? x : y;
}
VM_INLINE double vm_expm1_f64(double x)
{
    double t = vm_exponent_f64(x, VM_LOG2E_F64, 1022.0, 1024.0);
    double w = vm_expm1_poly_f64(x, t - (VM_ROUND_F64 + 1022.0));
    double s = vm_from_bits_f64(vm_bits_f64(t) << 52);
    double y = 2.0 * vm_fma_f64(s, w, s - 0.5);
    y = x < -38.0 ? -1.0 : y;
    return vm_abs_f64(x) < 0x1p-54 ? x : y;
}

/* 1 / (1 + exp(-x)): q = 2^-b / (2^-b + 2^-b exp(|x|)) for x < 0, else 1 - q. The factor 2^-b keeps
 * exp finite until q has become 0. */
VM_INLINE float vm_logistic_f32(float x)
{
    float a = vm_abs_f32(x);
    float t = vm_exponent_f32(a, VM_LOG2E_F32, 63.0f, 151.0f);
    float w = vm_expm1_poly_f32(a, t - (VM_ROUND_F32 + 63.0f));
    float s = vm_from_bits_f32(vm_bits_f32(t) << 23);
    float q = 0x1p-64f / (vm_fma_f32(w, s, s) + 0x1p-64f);
    return x < 0.0f ? q : 1.0f - q;
}
VM_INLINE double vm_logistic_f64(double x)
{
    double a = vm_abs_f64(x);
    double t = vm_exponent_f64(a, VM_LOG2E_F64, 511.0, 1076.0);
    double w = vm_expm1_poly_f64(a, t - (VM_ROUND_F64 + 511.0));
    double s = vm_from_bits_f64(vm_bits_f64(t) << 52);
    double q = 0x1p-512 / (vm_fma_f64(w, s, s) + 0x1p-512);
    return x < 0.0 ? q : 1.0 - q;
}

/* tanh(x), a = |x|: a + a^3 P(a^2) for a < 0.55, else 1 - 2 / (exp(2a) + 1) */
VM_INLINE float vm_tanh_f32(float x)
{
    float a = vm_abs_f32(x), z = a * a, p, t, r, e, big;
    p = 0x1.0d5178p-6f;
    p = vm_fma_f32(p, z, -0x1.af7d36p-5f);
    p = vm_fma_f32(p, z, 0x1.10cefcp-3f);
    p = vm_fma_f32(p, z, -0x1.555452p-2f);
    p = vm_fma_f32(p * z, a, a);
    t = vm_exponent_f32(a, 2.0f * VM_LOG2E_F32, 127.0f, 40.0f);
    r = vm_fma_f32(t - (VM_ROUND_F32 + 127.0f), -0.5f * VM_LN2_F32, a);
    e = 0x1.0ebf3cp-2f;
    e = vm_fma_f32(e, r, 0x1.5730cap-1f);
    e = vm_fma_f32(e, r, 0x1.555ca6p+0f);
    e = vm_fma_f32(e, r, 0x1.fffde2p+0f);
    e = vm_fma_f32(e, r, 0x1.fffff2p+0f);
    e = vm_fma_f32(e, r, 1.0f);
    big = 1.0f - 2.0f / vm_fma_f32(e, vm_from_bits_f32(vm_bits_f32(t) << 23), 1.0f);
    return vm_signed_f32(a < 0.55f ? p : big, x);
}
/* tanh(x), a = |x|: a + a^3 P(a^2) / Q(a^2) for a < 0.75, else 1 - 2 / (exp(2a) + 1) */
VM_INLINE double vm_tanh_f64(double x)
{
    double a = vm_abs_f64(x), z = a * a, p, q, t, r, e;
    int small = a < 0.75;
    p = vm_fma_f64(z, -0x1.edcc2b79eccbap-1, -0x1.8da75d83aab28p+6);
    p = vm_fma_f64(p, z, -0x1.94523182a7633p+10);
    q = z + 0x1.c3ca99a5e33c5p+6;
    q = vm_fma_f64(q, z, 0x1.17df6812bc337p+11);
    q = vm_fma_f64(q, z, 0x1.2f3da521fd8b4p+12);
    t = vm_exponent_f64(a, 2.0 * VM_LOG2E_F64, 1023.0, 80.0);
    r = vm_fma_f64(t - (VM_ROUND_F64 + 1023.0), -0.5 * VM_LN2_F64, a);
    e = 0x1.adcf86cf5ba48p-15;
    e = vm_fma_f64(e, r, 0x1.28af57f65ba84p-12);
    e = vm_fma_f64(e, r, 0x1.71deef2e9dca5p-10);
    e = vm_fma_f64(e, r, 0x1.a01997b0ffe09p-8);
    e = vm_fma_f64(e, r, 0x1.a01a0144a0b84p-6);
    e = vm_fma_f64(e, r, 0x1.6c16c18532ff8p-4);
    e = vm_fma_f64(e, r, 0x1.111111112262bp-2);
    e = vm_fma_f64(e, r, 0x1.5555555550288p-1);
    e = vm_fma_f64(e, r, 0x1.5555555555512p+0);
    e = vm_fma_f64(e, r, 0x1.000000000000bp+1);
    e = vm_fma_f64(e, r, 2.0);
    e = vm_fma_f64(e, r, 1.0);
    e = vm_fma_f64(e, vm_from_bits_f64(vm_bits_f64(t) << 52), 1.0);
    p = (small ? z * a * p : -2.0) / (small ? q : e);
    return vm_signed_f64((small ? a : 1.0) + p, x);
}

/* k ln 2 + log(1 + f) (float: k / 2^23 instead of k) for sqrt(1/2) <= 1 + f < sqrt(2) */
VM_INLINE float vm_log_poly_f32(float f, float k)
{
    float p = -0x1.4210dap-4f;
    p = vm_fma_f32(p, f, 0x1.07da32p-3f);
    p = vm_fma_f32(p, f, -0x1.0cdd94p-3f);
    p = vm_fma_f32(p, f, 0x1.226c6cp-3f);
    p = vm_fma_f32(p, f, -0x1.5478a6p-3f);
    p = vm_fma_f32(p, f, 0x1.99a5b2p-3f);
    p = vm_fma_f32(p, f, -0x1.00022p-2f);
    p = vm_fma_f32(p, f, 0x1.55554ap-2f);
    p = vm_fma_f32(p, f, -0.5f);
    p = vm_fma_f32(f * f, p, vm_fma_f32(k, 0x1p-23f * VM_LN2_LO_F32, f));
    return vm_fma_f32(k, 0x1p-23f * VM_LN2_HI_F32, p);
}
VM_INLINE double vm_log_poly_f64(double f, double k)
{
    /* s = f / (2 + f), log(1 + f) = 2s + s R(s^2) = f - s (f - R) */
    double s = f / (2.0 + f), z = s * s, p;
    p = 0x1.2f0442e0a0188p-3;
    p = vm_fma_f64(p, z, 0x1.39a1dcd2d1699p-3);
    p = vm_fma_f64(p, z, 0x1.74663d52caab5p-3);
    p = vm_fma_f64(p, z, 0x1.c71c5212c0c57p-3);
    p = vm_fma_f64(p, z, 0x1.24924941e2bd1p-2);
    p = vm_fma_f64(p, z, 0x1.999999997ff0bp-2);
    p = vm_fma_f64(p, z, 0x1.5555555555592p-1);
    p = vm_fma_f64(p, z, -f);
    p = vm_fma_f64(s, p, k * VM_LN2_LO_F64);
    return vm_fma_f64(k, VM_LN2_HI_F64, f + p);
}

/* x = 2^k m, sqrt(1/2) <= m < sqrt(2): u = bits(x) + this has the exponent of 2^k */
#define VM_SHIFT_F64 (0x3ff0000000000000u - 0x3fe6a09e667f3bcdu)

/* log(x) */
VM_INLINE float vm_log_f32(float x)
{
    int32_t base = x < 0x1p-126f ? 0x3f3504f3 + (23 << 23) : 0x3f3504f3;
    uint32_t u = vm_bits_f32(x < 0x1p-126f ? x * 0x1p23f : x) - (uint32_t)base;
    float k = (float)(int32_t)(u & 0xff800000u);
    float m = vm_from_bits_f32((u & 0x007fffffu) + 0x3f3504f3u);
    float y = vm_log_poly_f32(m - 1.0f, k);
    y = x < VM_INF ? y : x;
    y = x == 0.0f ? -VM_INF : y;
    return x < 0.0f ? VM_NAN : y;
}
VM_INLINE double vm_log_f64(double x)
{
    double bias = x < 0x1p-1022 ? 0x1p52 + 1023.0 + 54.0 : 0x1p52 + 1023.0;
    uint64_t u = vm_bits_f64(x < 0x1p-1022 ? x * 0x1p54 : x) + VM_SHIFT_F64;
    double k = vm_from_bits_f64(0x4330000000000000u | (u >> 52)) - bias;
    double m = vm_from_bits_f64((u & 0x000fffffffffffffu) + 0x3fe6a09e667f3bcdu);
    double y = vm_log_poly_f64(m - 1.0, k);
    y = x < (double)VM_INF ? y : x;
    y = x == 0.0 ? -(double)VM_INF : y;
    return x < 0.0 ? (double)VM_NAN : y;
}

/* log(1 + x): the logarithm of u = fl(1 + x), with the rounding error of u put back into f */
VM_INLINE float vm_log1p_f32(float x)
{
    float v = 1.0f + x, c = x - (v - 1.0f), k, f, s, y;
    uint32_t u = vm_bits_f32(v) - 0x3f3504f3u;
    k = (float)(int32_t)(u & 0xff800000u);
    s = vm_from_bits_f32((128u << 23) - (u & 0xff800000u)); /* 2^(1-k) */
    f = vm_from_bits_f32((u & 0x007fffffu) + 0x3f3504f3u) - 1.0f;
    y = vm_log_poly_f32(vm_fma_f32(0.5f * c, s, f), k);
    y = v < VM_INF ? y : x;
    y = x == -1.0f ? -VM_INF : y;
    y = x < -1.0f ? VM_NAN : y;
    return vm_signed_f32(y, x);
}
VM_INLINE double vm_log1p_f64(double x)
{
    double v = 1.0 + x, c = x - (v - 1.0), k, f, s, y;
    uint64_t u = vm_bits_f64(v) + VM_SHIFT_F64;
    k = vm_from_bits_f64(0x4330000000000000u | (u >> 52)) - (0x1p52 + 1023.0);
    s = vm_from_bits_f64(((uint64_t)2047 << 52) - (u & 0x7ff0000000000000u)); /* 2^(1-k) */
    f = vm_from_bits_f64((u & 0x000fffffffffffffu) + 0x3fe6a09e667f3bcdu) - 1.0;
    y = vm_log_poly_f64(vm_fma_f64(0.5 * c, s, f), k);
    y = v < (double)VM_INF ? y : x;
    y = x == -1.0 ? -(double)VM_INF : y;
    y = x < -1.0 ? (double)VM_NAN : y;
    return vm_signed_f64(y, x);
}

#endif
