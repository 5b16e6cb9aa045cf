/* Second and third derivatives of activations for loops that the compiler vectorises, in the manner
 * of vecmath_activations.h: vm_<g>_second(x) = g''(x), vm_<g>_third(x) = g'''(x). Activations that
 * are straight lines between kinks have 0 and no function here; nor have exp, and those that are
 * equal to another: elu_third, selu_third, softplus_third = logistic_second. An error is below 32 max(|x|, 1)
 * units of 2^-24 (float) or 2^-53 (double). NaN gives NaN; an argument of any size gives the limit.
 */
#ifndef FFNN_FAST_VECMATH_DERIVATIVES_H
#define FFNN_FAST_VECMATH_DERIVATIVES_H

#include "vecmath_activations.h"

#define vm(name) VM_NAME(name, TYPE)

#define real float
#define TYPE f32
#include "vecmath_derivatives_type.h"
#undef real
#undef TYPE

#define real double
#define TYPE f64
#include "vecmath_derivatives_type.h"
#undef real
#undef TYPE

#undef vm
#endif
