/* Products of feedforward layers on compiler vector types (GCC >= 12, clang): one source, compiled once per instruction set.
 *
 * Every kernel exists for float (mk_..._f32) and double (mk_..._f64).
 *
 * n, N    samples at hand, samples in the batch         W, b    weights (out, in), row-major, and biases (out,)
 * S       samples in a panel, mk_samples()              H, A    inputs and pre-activations of a layer; dH, dA their gradients
 * panel   (width, S): S samples feature-major, row i holds feature i of all S samples. n samples fill ceil(n / S) panels,
 *         mk_panel_size(width) apart; what lies beyond sample n is never used.
 * blocks  (ceil(in / S), N, S): samples as rows, cut into blocks of S features, so that a tile of dW reads consecutive memory.
 *
 * Panels and blocks belong to the engine and are aligned to 64 bytes. All else may have any alignment and is not touched past its end.
 * Every element of a product is summed over the inner index in one order fixed by the layer's width: its bits do not depend on its
 * place, on n or on threads.
 */
#ifndef FFNN_FAST_MICROKERNEL_H
#define FFNN_FAST_MICROKERNEL_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#if defined(__AVX__)
#include <immintrin.h>
#endif

/* A tile has MK_ROWS x 2 accumulators: with two vectors and one broadcast number they fill the 32 or 16 registers. */
#if defined(__AVX512VL__)
#define MK_BYTES 64
#define MK_ROWS 12
#elif defined(__AVX2__)
#define MK_BYTES 32
#define MK_ROWS 6
#elif defined(__aarch64__)
#define MK_BYTES 16
#define MK_ROWS 12
#else
#define MK_BYTES 16
#define MK_ROWS 6
#endif

/* One-sample kernels store as much as they compute: on Zen 4 a 64-byte store takes two cycles, and 32 bytes fit narrow layers better. */
#if MK_BYTES == 64
#define MK_ONLINE_BYTES 32
#else
#define MK_ONLINE_BYTES MK_BYTES
#endif

/* Inner indices taken at a time, so that a strip of MK_ROWS x MK_DEPTH weights stays in L1 for all panels. */
#define MK_DEPTH 256

/* Strips are copied (no two rows on one cache set, no page per row) when W is this large and enough panels share the cost. */
#define MK_COPY_BYTES (1 << 19)
#define MK_COPY_PANELS 3

#define MK_INLINE static inline __attribute__((always_inline))
#define MK_UNROLL _Pragma("GCC unroll 16")
/* Rounds the product x here: otherwise GCC merges a x + b y into a multiply-add one way in this tile and the other way in that. */
#if defined(__x86_64__)
#define MK_ROUND(x) __asm__("" : "+v"(x))
#elif defined(__aarch64__)
#define MK_ROUND(x) __asm__("" : "+w"(x))
#else
#define MK_ROUND(x) (void)(x)
#endif
#define MK_JOIN2(a, b) a##_##b
#define MK_JOIN3(a, b, c) a##_##b##_##c
#define MK_PASTE2(a, b) MK_JOIN2(a, b)
#define MK_PASTE3(a, b, c) MK_JOIN3(a, b, c)

/* Short names of the files below. UNIT: numbers in 16 bytes. */
#define fn(name) MK_PASTE2(mk_##name, TYPE)
#define vfn(name) MK_PASTE3(mk_##name, TYPE, WIDTH)
#define vec vfn(vec)
#define LANES (WIDTH / 16 * UNIT)
#define S (2 * LANES)

#define real float
#define TYPE f32
#define UNIT 4
#define WIDTH MK_BYTES
#include "microkernel_vectors.h"
#include "microkernel_panels.h"
#undef WIDTH
#define WIDTH MK_ONLINE_BYTES
#if MK_ONLINE_BYTES != MK_BYTES
#include "microkernel_vectors.h"
#endif
#include "microkernel_online.h"
#undef WIDTH
#undef UNIT
#undef TYPE
#undef real

#define real double
#define TYPE f64
#define UNIT 2
#define WIDTH MK_BYTES
#include "microkernel_vectors.h"
#include "microkernel_panels.h"
#undef WIDTH
#define WIDTH MK_ONLINE_BYTES
#if MK_ONLINE_BYTES != MK_BYTES
#include "microkernel_vectors.h"
#endif
#include "microkernel_online.h"
#undef WIDTH
#undef UNIT
#undef TYPE
#undef real

#undef fn
#undef vfn
#undef vec
#undef LANES
#undef S
#endif
