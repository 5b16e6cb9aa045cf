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
#define VM_LN2_HI_F32 0x1.62e4p-1f
#define VM_LN2_LO_F32 0x1.7f7d1cp-20f
#define VM_ROUND_F32 12582912.0f
#define VM_LOG2E_F64 0x1.71547652b82fep+0
#define VM_LN2_HI_F64 0x1.62e42fefa3800p-1
#define VM_LN2_LO_F64 0x1.ef35793c76730p-45
#define VM_ROUND_F64 6755399441055744.0

/* exp(x - k ln 2), |x - k ln 2| <= ln(2) / 2: 1 + (h + (r^2 q(r) - k LO)) with h = x - k HI, which is
 * exact, and r = h - k LO, which is not and only enters the small term */
VM_INLINE float vm_exp_poly_f32(float x, float k)
{
    float h = vm_fma_f32(k, -VM_LN2_HI_F32, x), r = vm_fma_f32(k, -VM_LN2_LO_F32, h);
    float q = 0x1.6a4e74p-10f;
    q = vm_fma_f32(q, r, 0x1.12398p-7f);
    q = vm_fma_f32(q, r, 0x1.5558aep-5f);
    q = vm_fma_f32(q, r, 0x1.555492p-3f);
    q = vm_fma_f32(q, r, 0x1.fffffcp-2f);
    return 1.0f + (h + vm_fma_f32(k, -VM_LN2_LO_F32, r * r * q));
}
VM_INLINE double vm_exp_poly_f64(double x, double k)
{
    double h = vm_fma_f64(k, -VM_LN2_HI_F64, x), r = vm_fma_f64(k, -VM_LN2_LO_F64, h);
    double q = 0x1.adcaf3cda41eep-26;
    q = vm_fma_f64(q, r, 0x1.28aebde0c5f7dp-22);
    q = vm_fma_f64(q, r, 0x1.71defa2c6dc8bp-19);
    q = vm_fma_f64(q, r, 0x1.a019989f3c686p-16);
    q = vm_fma_f64(q, r, 0x1.a01a013b3e14dp-13);
    q = vm_fma_f64(q, r, 0x1.6c16c184b2310p-10);
    q = vm_fma_f64(q, r, 0x1.111111112520fp-7);
    q = vm_fma_f64(q, r, 0x1.555555555060ap-5);
    q = vm_fma_f64(q, r, 0x1.5555555555502p-3);
    q = vm_fma_f64(q, r, 0x1.000000000000ap-1);
    return 1.0 + (h + vm_fma_f64(k, -VM_LN2_LO_F64, r * r * q));
}

/* exp for -104 <= x <= 89 (float), -746 <= x <= 710 (double): 2^k exp(r), 2^k as two factors,
 * so that the last product overflows or rounds to a subnormal by itself */
VM_INLINE float vm_exp_core_f32(float x)
{
    float t = vm_fma_f32(x, VM_LOG2E_F32, VM_ROUND_F32 + 254.0f);
    float p = vm_exp_poly_f32(x, t - (VM_ROUND_F32 + 254.0f));
    uint32_t u = vm_bits_f32(t), half = u >> 1;
    return p * vm_from_bits_f32(half << 23) * vm_from_bits_f32((u - half) << 23);
}
VM_INLINE double vm_exp_core_f64(double x)
{
    double t = vm_fma_f64(x, VM_LOG2E_F64, VM_ROUND_F64 + 2046.0);
    double p = vm_exp_poly_f64(x, t - (VM_ROUND_F64 + 2046.0));
    uint64_t u = vm_bits_f64(t), half = u >> 1;
    return p * vm_from_bits_f64(half << 52) * vm_from_bits_f64((u - half) << 52);
}

/* exp for |x| <= 87 (float), |x| <= 708 (double): 2^k as one factor */
VM_INLINE float vm_exp_mid_f32(float x)
{
    float t = vm_fma_f32(x, VM_LOG2E_F32, VM_ROUND_F32 + 127.0f);
    float p = vm_exp_poly_f32(x, t - (VM_ROUND_F32 + 127.0f));
    return p * vm_from_bits_f32(vm_bits_f32(t) << 23);
}
VM_INLINE double vm_exp_mid_f64(double x)
{
    double t = vm_fma_f64(x, VM_LOG2E_F64, VM_ROUND_F64 + 1023.0);
    double p = vm_exp_poly_f64(x, t - (VM_ROUND_F64 + 1023.0));
    return p * vm_from_bits_f64(vm_bits_f64(t) << 52);
}

/* exp(x) */
VM_INLINE float vm_exp_f32(float x)
{
    x = x > 89.0f ? 89.0f : x;
    x = x < -104.0f ? -104.0f : x;
    return vm_exp_core_f32(x);
}
VM_INLINE double vm_exp_f64(double x)
{
    x = x > 710.0 ? 710.0 : x;
    x = x < -746.0 ? -746.0 : x;
    return vm_exp_core_f64(x);
}

/* 1 / (1 + exp(-x)), as e / (1 + e) with e = exp(-|x|) for x < 0 */
VM_INLINE float vm_logistic_f32(float x)
{
    float a = -vm_abs_f32(x), e;
    a = a < -104.0f ? -104.0f : a;
    e = vm_exp_core_f32(a);
    return (x < 0.0f ? e : 1.0f) / (1.0f + e);
}
VM_INLINE double vm_logistic_f64(double x)
{
    double a = -vm_abs_f64(x), e;
    a = a < -746.0 ? -746.0 : a;
    e = vm_exp_core_f64(a);
    return (x < 0.0 ? e : 1.0) / (1.0 + e);
}

/* tanh(x): a + a^3 P(a^2) for a = |x| < 0.625, else 1 - 2 / (exp(2a) + 1) */
VM_INLINE float vm_tanh_f32(float x)
{
    float a = vm_abs_f32(x), z, p, big;
    a = a > 10.0f ? 10.0f : a;
    z = a * a;
    p = -0x1.767a12p-8f;
    p = vm_fma_f32(p, z, 0x1.524c4p-6f);
    p = vm_fma_f32(p, z, -0x1.b842c4p-5f);
    p = vm_fma_f32(p, z, 0x1.11075ep-3f);
    p = vm_fma_f32(p, z, -0x1.555534p-2f);
    p = vm_fma_f32(p * z, a, a);
    big = 1.0f - 2.0f / (vm_exp_mid_f32(a + a) + 1.0f);
    return vm_signed_f32(a < 0.625f ? p : big, x);
}
VM_INLINE double vm_tanh_f64(double x)
{
    double a = vm_abs_f64(x), z, p, big;
    a = a > 20.0 ? 20.0 : a;
    z = a * a;
    p = -0x1.0e279a7cbf288p-16;
    p = vm_fma_f64(p, z, 0x1.43d65fb7796eap-14);
    p = vm_fma_f64(p, z, -0x1.df75adae2125ep-13);
    p = vm_fma_f64(p, z, 0x1.336a4c9fc7292p-11);
    p = vm_fma_f64(p, z, -0x1.7d695317e647bp-10);
    p = vm_fma_f64(p, z, 0x1.d6cf3a60a949fp-9);
    p = vm_fma_f64(p, z, -0x1.226e16c8103b3p-7);
    p = vm_fma_f64(p, z, 0x1.664f478147ed6p-6);
    p = vm_fma_f64(p, z, -0x1.ba1ba1b52d357p-5);
    p = vm_fma_f64(p, z, 0x1.111111110b073p-3);
    p = vm_fma_f64(p, z, -0x1.5555555555503p-2);
    p = vm_fma_f64(p * z, a, a);
    big = 1.0 - 2.0 / (vm_exp_mid_f64(a + a) + 1.0);
    return vm_signed_f64(a < 0.625 ? p : big, x);
}

/* exp(x) - 1 = 2 (2^(k-1) (exp(r) - 1) + 2^(k-1) - 1/2); x itself where it is tiny */
VM_INLINE float vm_expm1_f32(float x)
{
    float a = x, t, k, r, s, q;
    a = a > 89.0f ? 89.0f : a;
    a = a < -18.0f ? -18.0f : a;
    t = vm_fma_f32(a, VM_LOG2E_F32, VM_ROUND_F32 + 126.0f);
    k = t - (VM_ROUND_F32 + 126.0f);
    r = vm_fma_f32(k, -VM_LN2_LO_F32, vm_fma_f32(k, -VM_LN2_HI_F32, a));
    s = vm_from_bits_f32(vm_bits_f32(t) << 23);
    q = 0x1.6d7226p-10f;
    q = vm_fma_f32(q, r, 0x1.12268p-7f);
    q = vm_fma_f32(q, r, 0x1.5554c8p-5f);
    q = vm_fma_f32(q, r, 0x1.5554b2p-3f);
    q = vm_fma_f32(q, r, 0.5f);
    r = vm_fma_f32(r * r, q, r);
    r = 2.0f * vm_fma_f32(s, r, s - 0.5f);
    return vm_abs_f32(x) < 0x1p-25f ? x : r;
}
VM_INLINE double vm_expm1_f64(double x)
{
    double a = x, t, k, r, s, q;
    a = a > 710.0 ? 710.0 : a;
    a = a < -38.0 ? -38.0 : a;
    t = vm_fma_f64(a, VM_LOG2E_F64, VM_ROUND_F64 + 1022.0);
    k = t - (VM_ROUND_F64 + 1022.0);
    r = vm_fma_f64(k, -VM_LN2_LO_F64, vm_fma_f64(k, -VM_LN2_HI_F64, a));
    s = vm_from_bits_f64(vm_bits_f64(t) << 52);
    q = 0x1.af6e360f1572ep-26;
    q = vm_fma_f64(q, r, 0x1.2897b37683f2bp-22);
    q = vm_fma_f64(q, r, 0x1.71ddefbceab1fp-19);
    q = vm_fma_f64(q, r, 0x1.a019b354e454cp-16);
    q = vm_fma_f64(q, r, 0x1.a01a01b31980cp-13);
    q = vm_fma_f64(q, r, 0x1.6c16c17a13475p-10);
    q = vm_fma_f64(q, r, 0x1.111111110ef86p-7);
    q = vm_fma_f64(q, r, 0x1.5555555553ad6p-5);
    q = vm_fma_f64(q, r, 0x1.555555555555ap-3);
    q = vm_fma_f64(q, r, 0.5);
    r = vm_fma_f64(r * r, q, r);
    r = 2.0 * vm_fma_f64(s, r, s - 0.5);
    return vm_abs_f64(x) < 0x1p-54 ? x : r;
}

/* k ln 2 + log(1 + f) for sqrt(1/2) <= 1 + f < sqrt(2) */
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
    p = vm_fma_f32(f * f, p, vm_fma_f32(k, VM_LN2_LO_F32, f));
    return vm_fma_f32(k, VM_LN2_HI_F32, p);
}
VM_INLINE double vm_log_poly_f64(double f, double k)
{
    /* s = f / (2 + f), log(1 + f) = f - s (f - R) = f - (f^2/2 - s (f^2/2 + R)), R = s^2 P(s^2) */
    double s = f / (2.0 + f), z = s * s, h = 0.5 * f * f, p;
    p = 0x1.2f0442e0a0188p-3;
    p = vm_fma_f64(p, z, 0x1.39a1dcd2d1699p-3);
    p = vm_fma_f64(p, z, 0x1.74663d52caab5p-3);
    p = vm_fma_f64(p, z, 0x1.c71c5212c0c57p-3);
    p = vm_fma_f64(p, z, 0x1.24924941e2bd1p-2);
    p = vm_fma_f64(p, z, 0x1.999999997ff0bp-2);
    p = vm_fma_f64(p, z, 0x1.5555555555592p-1);
    p = vm_fma_f64(p, z, h);
    p = vm_fma_f64(s, p, k * VM_LN2_LO_F64) - h;
    return vm_fma_f64(k, VM_LN2_HI_F64, f + p);
}

/* x = 2^k m, sqrt(1/2) <= m < sqrt(2): u = bits(x) + this has the exponent of 2^k */
#define VM_SHIFT_F32 (0x3f800000u - 0x3f3504f3u)
#define VM_SHIFT_F64 (0x3ff0000000000000u - 0x3fe6a09e667f3bcdu)

/* log(x) */
VM_INLINE float vm_log_f32(float x)
{
    float bias = x < 0x1p-126f ? 0x1p23f + 127.0f + 23.0f : 0x1p23f + 127.0f;
    uint32_t u = vm_bits_f32(x < 0x1p-126f ? x * 0x1p23f : x) + VM_SHIFT_F32;
    float k = vm_from_bits_f32(0x4b000000u | (u >> 23)) - bias;
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
    uint32_t u = vm_bits_f32(v) + VM_SHIFT_F32;
    k = vm_from_bits_f32(0x4b000000u | (u >> 23)) - (0x1p23f + 127.0f);
    s = vm_from_bits_f32((255u << 23) - (u & 0x7f800000u)); /* 2^(1-k) */
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
