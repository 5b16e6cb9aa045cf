/* Activations g and their derivatives g' for loops that the compiler vectorises, in the manner of
 * vecmath.h: straight lines of selects and polynomials. NaN gives NaN; an argument of any size gives
 * the limit. vm_<g>(x) = g(x), vm_<g>_slope(x) = g'(x). An error is below 4 max(|x|, 1) units of
 * 2^-24 (float) or 2^-53 (double), that of sin and cos below 4 such units; relative accuracy is not
 * kept where a formula cancels (gelu, silu, mish far to the left, sin near its zeros).
 */
#ifndef FFNN_FAST_VECMATH_ACTIVATIONS_H
#define FFNN_FAST_VECMATH_ACTIVATIONS_H

#include "vecmath.h"

#define VM_LEAKY_SLOPE 0.01                             /* of leaky_relu for x < 0 */
#define VM_SELU_SCALE 1.0507009873554804934193349852946 /* lambda */
#define VM_SELU_FLOOR 1.7580993408473768599402175208123 /* lambda alpha */
#define VM_POISSON_FLOOR 0x1p-64                        /* the loss takes a smaller y for this */

/* pi = P1 + P2 + P3; k P1 and k P2 are exact for |k| < 2^28 */
#define VM_PI_1 0x1.921fb4p+1
#define VM_PI_2 0x1.4442dp-23
#define VM_PI_3 0x1.8469898cc517p-47
#define VM_1_PI 0x1.45f306dc9c883p-2
#define VM_PHASES 0x1p28 /* sin and cos are 0 from here on: neighbouring floats are 32 apart */

/* x - k pi */
VM_INLINE double vm_minus_pi(double x, double k)
{
    return vm_fma_f64(k, -VM_PI_3, vm_fma_f64(k, -VM_PI_2, vm_fma_f64(k, -VM_PI_1, x)));
}
/* -x for odd k, which is in the low bit of t */
VM_INLINE double vm_alternate(double x, double t)
{
    return vm_float_f64(vm_bits_f64(x) ^ (vm_bits_f64(t) << 63));
}
/* sin(r) for |r| <= pi/2 */
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

/* x = k pi + r, sin(x) = (-1)^k sin(r); x = (k - 1/2) pi + r, cos(x) = (-1)^k sin(r). The phase is
 * taken in double for both types. */
VM_INLINE double vm_sin_phase(double x)
{
    double t = vm_fma_f64(x, VM_1_PI, VM_ROUND_F64);
    return vm_alternate(vm_minus_pi(x, t - VM_ROUND_F64), t);
}
VM_INLINE double vm_cos_phase(double x)
{
    double t = vm_fma_f64(x, VM_1_PI, 0.5) + VM_ROUND_F64;
    return vm_alternate(vm_minus_pi(x, (t - VM_ROUND_F64) - 0.5), t);
}
VM_INLINE double vm_sin_f64(double x)
{
    double y = vm_sin_reduced_f64(vm_sin_phase(x));
    return vm_abs_f64(x) < VM_PHASES ? y : 0.0 * x;
}
VM_INLINE double vm_sin_slope_f64(double x)
{
    double y = vm_sin_reduced_f64(vm_cos_phase(x));
    return vm_abs_f64(x) < VM_PHASES ? y : 0.0 * x;
}
VM_INLINE float vm_sin_f32(float x)
{
    float y = vm_sin_reduced_f32((float)vm_sin_phase((double)x));
    return vm_abs_f32(x) < (float)VM_PHASES ? y : 0.0f * x;
}
VM_INLINE float vm_sin_slope_f32(float x)
{
    float y = vm_sin_reduced_f32((float)vm_cos_phase((double)x));
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
#endif
