/* Activations g and their derivatives g' for loops that the compiler vectorises, in the manner of
 * vecmath.h: straight lines of selects and polynomials. vm_<g>(x) = g(x), vm_<g>_slope(x) = g'(x).
 * NaN gives NaN; an argument of any size, and +-inf, gives the limit (sin: NaN at +-inf).
 *
 * The error is below 6 ULP, in both dtypes and down to the subnormals, for g everywhere and for g'
 * where |g'| > 1/4 or x < -2. Elsewhere, near a zero of g', it is below 2 units of 2^-24 (float) or
 * 2^-53 (double). That of hard_sigmoid, sin and cos is below 4 such units, and no more is said.
 *
 * gelu, gelu_tanh and silu are g(x) = max(x, 0) - t(|x|), g'(x) = t'(|x|) or, for x > 0,
 * 1 - t'(|x|), where t is a multiple of an exponential and nothing cancels for large |x|.
 */
#ifndef FFNN_FAST_VECMATH_ACTIVATIONS_H
#define FFNN_FAST_VECMATH_ACTIVATIONS_H

#include "vecmath.h"

#define VM_LEAKY_SLOPE 0.01                             /* of leaky_relu for x < 0 */
#define VM_SELU_SCALE 1.0507009873554804934193349852946 /* lambda */
#define VM_SELU_FLOOR 1.7580993408473768599402175208123 /* lambda alpha */
#define VM_POISSON_FLOOR 0x1p-64                        /* the loss takes a smaller y for this */

/* C0 = 2 sqrt(2/pi), C1 = 0.044715 C0 of gelu_tanh, and the digits that follow */
#define VM_GELU_C0 0x1.9884533d43651p+0
#define VM_GELU_C0_LOW -0x1.cbc0d30ebfd15p-54
#define VM_GELU_C1 0x1.2444f2a4d8b4bp-4
#define VM_GELU_C1_LOW -0x1.6c843a29d1c7p-61

/* pi = P1 + P2 + P3; k P1, k P2 are exact for k in halves, |k| < 2^28 (double) or 2^12 (float) */
#define VM_PI_1_F64 0x1.921fb4p+1
#define VM_PI_2_F64 0x1.4442dp-23
#define VM_PI_3_F64 0x1.8469898cc517p-47
#define VM_PI_1_F32 0x1.92p+1f
#define VM_PI_2_F32 0x1.fb4p-11f
#define VM_PI_3_F32 0x1.4442d2p-23f
#define VM_1_PI 0x1.45f306dc9c883p-2
#define VM_PHASES 0x1p28 /* sin and cos are 0 from here on: neighbouring floats are 32 apart */
#define VM_NEAR_PHASES 0x1p13f /* below it the phase of a float is taken in float */

/* sin(r) for |r| <= pi/2 + 2^-10 */
VM_INLINE double vm_sin_reduced_f64(double r)
{
    double z = r * r;
    double p = VM_POLY8(vm_fma_f64, z, -0x1.5555555555555p-3, 0x1.1111111111107p-7,
                        -0x1.a01a01a018aaap-13, 0x1.71de3a54564dfp-19, -0x1.ae6455a1c0795p-26,
                        0x1.612401540ed0fp-33, -0x1.ae51366b753a9p-41, 0x1.89a43bea5b135p-49);
    return vm_fma_f64(p * z, r, r);
}
VM_INLINE float vm_sin_reduced_f32(float r)
{
    float z = r * r;
    float p = VM_POLY5(vm_fma_f32, z, -0x1.555556p-3f, 0x1.1111100p-7f, -0x1.a01906p-13f,
                       0x1.71968ep-19f, -0x1.9db16p-26f);
    return vm_fma_f32(p * z, r, r);
}

/* (-1)^k r for x = (k - turn) pi + r: sin of it is sin(x), cos(x), -sin(x), -cos(x) for turn =
 * 0, 1/2, 1, 3/2. The sign is flipped by the low bit of t = ROUND + k. */
VM_INLINE double vm_phase_f64(double x, double turn)
{
    double t = vm_fma_f64(x, VM_1_PI, turn) + VM_ROUND_F64, k = (t - VM_ROUND_F64) - turn;
    double r = vm_fma_f64(k, -VM_PI_2_F64, vm_fma_f64(k, -VM_PI_1_F64, x));
    r = vm_fma_f64(k, -VM_PI_3_F64, r);
    return vm_float_f64(vm_bits_f64(r) ^ (vm_bits_f64(t) << 63));
}
VM_INLINE float vm_phase_f32(float x, float turn)
{
    float t = vm_fma_f32(x, (float)VM_1_PI, turn) + VM_ROUND_F32, k = (t - VM_ROUND_F32) - turn;
    float r = vm_fma_f32(k, -VM_PI_2_F32, vm_fma_f32(k, -VM_PI_1_F32, x));
    r = vm_fma_f32(k, -VM_PI_3_F32, r);
    return vm_float_f32(vm_bits_f32(r) ^ (vm_bits_f32(t) << 31));
}
VM_INLINE double vm_turned_sin_f64(double x, double turn)
{
    double y = vm_sin_reduced_f64(vm_phase_f64(x, turn));
    return vm_abs_f64(x) < VM_PHASES ? y : 0.0 * x;
}
VM_INLINE float vm_turned_sin_f32(float x, float turn)
{
    float r = vm_phase_f32(x, turn), rounded = (float)vm_phase_f64((double)x, (double)turn);
    float y = vm_sin_reduced_f32(vm_abs_f32(x) < VM_NEAR_PHASES ? r : rounded);
    return vm_abs_f32(x) < (float)VM_PHASES ? y : 0.0f * x;
}

/* min(x, top) for top > 0, of the bits as integers: a bare minimum. NaN may become top. */
VM_INLINE float vm_at_most_f32(float x, float top)
{
    int32_t u = (int32_t)vm_bits_f32(x), limit = (int32_t)vm_bits_f32(top);
    return vm_float_f32((uint32_t)(u < limit ? u : limit));
}
VM_INLINE double vm_at_most_f64(double x, double top)
{
    int64_t u = (int64_t)vm_bits_f64(x), limit = (int64_t)vm_bits_f64(top);
    return vm_float_f64((uint64_t)(u < limit ? u : limit));
}

/* R(a) = e^(a^2/2) (1 - Phi(a)) = erfcx(a / sqrt 2) / 2 for a >= 0, as *p / q; returns q. Minimax
 * in relative error: 2^-27 for a <= 15 (float), 2^-54 for a <= 39 (double). All coefficients are
 * positive. */
VM_INLINE float vm_normal_tail_f32(float a, float *p)
{
    *p = VM_POLY5(vm_fma_f32, a, 0.5f, 0x1.c1d33ep-2f, 0x1.78c466p-3f, 0x1.4ee55cp-5f,
                  0x1.102eecp-8f);
    return VM_POLY6(vm_fma_f32, a, 1.0f, 0x1.ad2bdp+0f, 0x1.349e9ap+0f, 0x1.e2b86ap-2f,
                    0x1.a3c14p-4f, 0x1.5520a2p-7f);
}
VM_INLINE double vm_normal_tail_f64(double a, double *p)
{
    double w = a * a;
    double p0 = VM_POLY5(vm_fma_f64, w, 0x1p-1, 0x1.30286ce170996p-1, 0x1.90317c5a1265dp-4,
                         0x1.0c03f891222abp-8, 0x1.388af5bb1242bp-15);
    double p1 = VM_POLY5(vm_fma_f64, w, 0x1.8cbd58341c6aep-1, 0x1.284925b8a731p-2,
                         0x1.830d015e542c1p-6, 0x1.01243ec80561ap-11, 0x1.7404ceb3472d5p-20);
    double q0 = VM_POLY6(vm_fma_f64, w, 1.0, 0x1.47d7adf516efap+1, 0x1.906aa796606b5p-1,
                         0x1.ef1c4d446723bp-5, 0x1.4330993e223fbp-10, 0x1.d241a31b60482p-19);
    double q1 = VM_POLY5(vm_fma_f64, w, 0x1.2c7fc0e95f0d4p+1, 0x1.b6e412e02c602p+0,
                         0x1.0516fcf43635ap-2, 0x1.52f7c821166abp-7, 0x1.87b6ddfe5f96fp-14);
    *p = vm_fma_f64(p1, a, p0);
    return vm_fma_f64(q1, a, q0);
}

/* From here on e^-v rounds to 0, also times the factors it has here. */
#define vm_all_zero_f32 110.0f
#define vm_all_zero_f64 760.0
/* From here on mish(x) rounds to x and its derivative to 1. */
#define vm_mish_top_f32 12.0f
#define vm_mish_top_f64 24.0

#define VM_AT_ONCE 256 /* numbers of an array on the stack, or of a part of an array */

#define VM_NAME2(name, type) vm_##name##_##type
#define VM_NAME(name, type) VM_NAME2(name, type)
#define vm(name) VM_NAME(name, TYPE)

#define real float
#define TYPE f32
#include "vecmath_activations_type.h"
#undef real
#undef TYPE

#define real double
#define TYPE f64
#include "vecmath_activations_type.h"
#undef real
#undef TYPE

#undef vm

/* z := the derivative of sin of order 2 turn, n numbers */
VM_APART void vm_turned_sines_f64(ptrdiff_t n, double *z, double turn)
{
    for (ptrdiff_t i = 0; i < n; i++)
        z[i] = vm_turned_sin_f64(z[i], turn);
}
/* The same, without double where all numbers of a part are near: of the same bits. */
VM_APART void vm_turned_sines_f32(ptrdiff_t n, float *z, float turn)
{
    for (; n > 0; n -= VM_AT_ONCE, z += VM_AT_ONCE) {
        const ptrdiff_t some = n < VM_AT_ONCE ? n : VM_AT_ONCE;
        int32_t top = 0;
        for (ptrdiff_t i = 0; i < some; i++) {
            const int32_t u = (int32_t)vm_bits_f32(vm_abs_f32(z[i]));
            top = u > top ? u : top;
        }
        if (vm_float_f32((uint32_t)top) < VM_NEAR_PHASES)
            for (ptrdiff_t i = 0; i < some; i++)
                z[i] = vm_sin_reduced_f32(vm_phase_f32(z[i], turn));
        else
            for (ptrdiff_t i = 0; i < some; i++)
                z[i] = vm_turned_sin_f32(z[i], turn);
    }
}
#endif
