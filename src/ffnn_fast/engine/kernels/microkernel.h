/* Products of feedforward layers on compiler vector types (GCC >= 12, clang): one source, compiled
 * once per instruction set. Every kernel exists for float (mk_..._f32) and double (mk_..._f64).
 *
 * W, b    weights (out, in), row-major, and biases (out,) of a layer
 * H, A    inputs and pre-activations of a layer for a batch; dH, dA their gradients
 * n, N    samples at hand, samples in the batch
 * S       samples in a panel, mk_samples()
 * panel   (width, S): S samples feature-major, row i holds feature i of all S samples. n samples
 *         fill ceil(n / S) panels, mk_panel_size(width) apart; what is beyond sample n is not used.
 * blocks  (ceil(width / S), N, S): samples as rows, cut into blocks of S features, so that a tile
 *         of dW reads consecutive memory. N is a multiple of S.
 *
 * Panels and blocks belong to the engine and are aligned to 64 bytes. All other arrays may have any
 * alignment and are not touched past their end.
 *
 * An element of a product is summed over the inner index in one order that depends on the widths
 * only: its bits are the same wherever it stands, whatever n and the number of threads.
 */
#ifndef FFNN_FAST_MICROKERNEL_H
#define FFNN_FAST_MICROKERNEL_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

/* A tile has MK_ROWS x 2 accumulators; two vectors and a broadcast number fill the registers up
 * (12 rows spill on ARM, where GCC loads the numbers early). */
#if defined(__AVX512VL__)
#define MK_BYTES 64
#define MK_ROWS 12
#elif defined(__AVX2__)
#define MK_BYTES 32
#define MK_ROWS 6
#elif defined(__aarch64__)
#define MK_BYTES 16
#define MK_ROWS 8
#else
#define MK_BYTES 16
#define MK_ROWS 6
#endif

/* One-sample kernels store as much as they compute. 64-byte stores take two cycles on Zen 4, and
 * narrow layers leave fewer lanes of 32 bytes idle. */
#if MK_BYTES == 64
#define MK_ONLINE_BYTES 32
#else
#define MK_ONLINE_BYTES MK_BYTES
#endif

/* Inner indices at a time: a strip of MK_ROWS x MK_DEPTH weights stays in L1 for all panels. A loop
 * ends with a jump that is predicted wrongly, and each further one reads and writes C again. */
#if MK_BYTES == 32
#define MK_DEPTH (3200 / (ptrdiff_t)sizeof(real))
#else
#define MK_DEPTH 256
#endif

/* A strip of a large W is copied where so many panels use it that the copy is cheap: rows of W where
 * they all lie on one cache set; rows of W^T, each from a page of its own, where a row of W is a
 * few tiles only (32-byte vectors), or W far exceeds the caches. */
#define MK_COPY_PANELS 3
#define MK_COPY_BYTES (1 << 19)
#define MK_COPY_TURNED (MK_BYTES == 64 ? 1 << 22 : 1 << 19)
#define MK_PAGE 4096

/* With 32-byte vectors, tiles and inner indices of op(W) that are copied together. */
#define MK_TILES (32 / (int)sizeof(real))
#define MK_BLOCK_DEPTH 256

/* Bytes of the dA of a tile of dW from which on it is fetched ahead: half of L1, or where as many
 * samples fill half of L1 with H. */
#define MK_FAR (MK_BYTES == 32 ? 1 << 12 : 1 << 14)

/* Whether the loop over a whole panel of a tile of M rows of dW is unrolled: its end, every S turns,
 * costs a twelfth to a third of the product on a core that is shared, else little. */
#define MK_PANELS(M) (MK_BYTES == 32 && M == MK_ROWS)

/* Tiles of dW of at most so many rows have their squares taken from memory: rare, and smaller code. */
#define MK_SMALL 4

/* Bytes of W, up to which one sample's update is by strips of columns: W stays in L1. */
#define MK_STRIPS (1 << 15)

/* Whether the steps of a whole tile are in assembly. */
#if MK_BYTES == 32 && defined(__FMA__) && !defined(MK_PLAIN)
#define MK_STEPS 1
#else
#define MK_STEPS 0
#endif

/* Inputs of a layer whose weight gradient has its vectors along the units. */
#define MK_NARROW 4

#define MK_INLINE static inline __attribute__((always_inline))
#define MK_APART static __attribute__((noinline, unused))
#if defined(__clang__)
#define MK_UNROLL _Pragma("clang loop unroll(full)")
#else
#define MK_UNROLL _Pragma("GCC unroll 16")
#endif

/* Rounds the product x here. Otherwise GCC merges a x + b y into a multiply-add one way in this
 * tile and the other way in that. */
#if defined(__x86_64__)
#define MK_ROUND(x) __asm__("" : "+v"(x))
#elif defined(__aarch64__)
#define MK_ROUND(x) __asm__("" : "+w"(x))
#else
#define MK_ROUND(x) (void)(x)
#endif

/* Keeps a x + y in one piece beside a store of the first n numbers of a vector, which has branches for
 * one sample at every level: GCC would move the product to before them, where it is rounded. x: a factor
 * before the sum, or the sum. */
#if MK_ONLINE_BYTES == 32 || defined(__aarch64__)
#define MK_HERE(n, x) do if (!__builtin_constant_p(n)) MK_ROUND(x); while (0)
#else
#define MK_HERE(n, x) (void)(n)
#endif

/* Calls TILE(m, ...) with a constant in place of the run-time m <= MK_ROWS. */
#define MK_CASE(m, TILE, ...) case m: TILE((m <= MK_ROWS ? m : 1), __VA_ARGS__); break;
#define MK_TILE(m, TILE, ...) do switch (m) { \
    MK_CASE(1, TILE, __VA_ARGS__) MK_CASE(2, TILE, __VA_ARGS__) MK_CASE(3, TILE, __VA_ARGS__) \
    MK_CASE(4, TILE, __VA_ARGS__) MK_CASE(5, TILE, __VA_ARGS__) MK_CASE(6, TILE, __VA_ARGS__) \
    MK_CASE(7, TILE, __VA_ARGS__) MK_CASE(8, TILE, __VA_ARGS__) MK_CASE(9, TILE, __VA_ARGS__) \
    MK_CASE(10, TILE, __VA_ARGS__) MK_CASE(11, TILE, __VA_ARGS__) MK_CASE(12, TILE, __VA_ARGS__) \
    } while (0)

/* Cuts `rows` into the fewest tiles r..r + m, as equal as can be: there is no thin last tile. */
#define MK_FOR_TILES(r, m, rows) \
    for (ptrdiff_t left_ = ((rows) + MK_ROWS - 1) / MK_ROWS, r = 0, m; \
         m = left_ ? ((rows) - r + left_ - 1) / left_ : 0, left_ > 0; left_--, r += m)

/* CALL(o, R) for groups of rows o..o + R with R = most, 4, 2, 1; `most` and R are constants. */
#define MK_GROUP(R, CALL) for (; rows_ - o_ >= R; o_ += R) CALL(o_, R);
#define MK_GROUPS(rows, most, CALL) do { \
    const ptrdiff_t rows_ = rows; \
    ptrdiff_t o_ = 0; \
    if (most > 4) MK_GROUP(most, CALL) \
    if (most >= 4) MK_GROUP(4, CALL) \
    MK_GROUP(2, CALL) MK_GROUP(1, CALL) } while (0)

/* Short names for the files below: a kernel, a helper on vectors of WIDTH bytes, its vector. */
#define MK_JOIN2(a, b) a##_##b
#define MK_JOIN3(a, b, c) a##_##b##_##c
#define MK_PASTE2(a, b) MK_JOIN2(a, b)
#define MK_PASTE3(a, b, c) MK_JOIN3(a, b, c)
#define fn(name) MK_PASTE2(mk_##name, TYPE)
#define vfn(name) MK_PASTE3(mk_##name, TYPE, WIDTH)
#define vec vfn(vec)
#define LANES (WIDTH / 16 * UNIT)
#define S (2 * LANES)

#define real float
#define TYPE f32
#define UNIT 4
#include "microkernel_type.h"
#undef real
#undef TYPE
#undef UNIT

#define real double
#define TYPE f64
#define UNIT 2
#include "microkernel_type.h"
#undef real
#undef TYPE
#undef UNIT

#undef fn
#undef vfn
#undef vec
#undef LANES
#undef S
#endif
