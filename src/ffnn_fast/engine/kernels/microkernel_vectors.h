/* Vectors of WIDTH bytes: LANES numbers of type `real`. Part of microkernel.h. */

typedef real vec __attribute__((vector_size(WIDTH)));
typedef real vfn(loose) __attribute__((vector_size(WIDTH), aligned(sizeof(real)), may_alias));

MK_INLINE vec vfn(load)(const real *p) { return *(const vfn(loose) *)p; }
MK_INLINE void vfn(store)(real *p, vec x) { *(vfn(loose) *)p = x; }

/* The first n < LANES numbers at p, then zeros; the first n < LANES numbers of x to p. Nothing past
 * them is touched. (Masked 32-byte stores are slow on AVX2, and they stall loads nearby.) */
#if WIDTH == 64 && UNIT == 4
MK_INLINE vec vfn(load_part)(const real *p, ptrdiff_t n)
{
    return _mm512_maskz_loadu_ps((__mmask16)((1 << n) - 1), p);
}
MK_INLINE void vfn(store_part)(real *p, vec x, ptrdiff_t n)
{
    _mm512_mask_storeu_ps(p, (__mmask16)((1 << n) - 1), x);
}
#elif WIDTH == 64
MK_INLINE vec vfn(load_part)(const real *p, ptrdiff_t n)
{
    return _mm512_maskz_loadu_pd((__mmask8)((1 << n) - 1), p);
}
MK_INLINE void vfn(store_part)(real *p, vec x, ptrdiff_t n)
{
    _mm512_mask_storeu_pd(p, (__mmask8)((1 << n) - 1), x);
}
#elif WIDTH == 32 && UNIT == 4
MK_INLINE vec vfn(load_part)(const real *p, ptrdiff_t n)
{
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_maskload_ps(p, _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), lane));
}
MK_INLINE void vfn(store_part)(real *p, vec x, ptrdiff_t n)
{
    __m128 y = _mm256_castps256_ps128(x);
    if (n & 4) {
        _mm_storeu_ps(p, y);
        y = _mm256_extractf128_ps(x, 1);
        p += 4;
    }
    if (n & 2) {
        _mm_storel_pi((__m64 *)p, y);
        y = _mm_movehl_ps(y, y);
        p += 2;
    }
    if (n & 1) _mm_store_ss(p, y);
}
#elif WIDTH == 32
MK_INLINE vec vfn(load_part)(const real *p, ptrdiff_t n)
{
    const __m256i lane = _mm256_setr_epi64x(0, 1, 2, 3);
    return _mm256_maskload_pd(p, _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), lane));
}
MK_INLINE void vfn(store_part)(real *p, vec x, ptrdiff_t n)
{
    __m128d y = _mm256_castpd256_pd128(x);
    if (n & 2) {
        _mm_storeu_pd(p, y);
        y = _mm256_extractf128_pd(x, 1);
        p += 2;
    }
    if (n & 1) _mm_store_sd(p, y);
}
#else
MK_INLINE vec vfn(load_part)(const real *p, ptrdiff_t n)
{
    vec x = {p[0]};
    if (n > 1) x[1] = p[1];
    if (n > 2) x[2 % LANES] = p[2];
    return x;
}
MK_INLINE void vfn(store_part)(real *p, vec x, ptrdiff_t n)
{
    p[0] = x[0];
    if (n > 1) p[1] = x[1];
    if (n > 2) p[2] = x[2 % LANES];
}
#endif

/* The same for any n > 0: the first min(n, LANES) numbers. */
MK_INLINE vec vfn(load_some)(const real *p, ptrdiff_t n)
{
    return n >= LANES ? vfn(load)(p) : vfn(load_part)(p, n);
}
MK_INLINE void vfn(store_some)(real *p, vec x, ptrdiff_t n)
{
    if (n >= LANES) vfn(store)(p, x);
    else vfn(store_part)(p, x, n);
}

/* Even and odd numbers of a, then of b, within every 16 bytes. */
#if LANES == 16
#define MK_EVEN 0, 2, 16, 18, 4, 6, 20, 22, 8, 10, 24, 26, 12, 14, 28, 30
#define MK_ODD 1, 3, 17, 19, 5, 7, 21, 23, 9, 11, 25, 27, 13, 15, 29, 31
#elif LANES == 8 && UNIT == 4
#define MK_EVEN 0, 2, 8, 10, 4, 6, 12, 14
#define MK_ODD 1, 3, 9, 11, 5, 7, 13, 15
#elif LANES == 8
#define MK_EVEN 0, 8, 2, 10, 4, 12, 6, 14
#define MK_ODD 1, 9, 3, 11, 5, 13, 7, 15
#elif LANES == 4 && UNIT == 4
#define MK_EVEN 0, 2, 4, 6
#define MK_ODD 1, 3, 5, 7
#elif LANES == 4
#define MK_EVEN 0, 4, 2, 6
#define MK_ODD 1, 5, 3, 7
#else
#define MK_EVEN 0, 2
#define MK_ODD 1, 3
#endif
MK_INLINE vec vfn(even)(vec a, vec b) { return __builtin_shufflevector(a, b, MK_EVEN); }
MK_INLINE vec vfn(odd)(vec a, vec b) { return __builtin_shufflevector(a, b, MK_ODD); }
#undef MK_EVEN
#undef MK_ODD

/* Even and odd 16-byte units of a, then of b. */
typedef long long vfn(bits) __attribute__((vector_size(WIDTH)));
#if WIDTH == 64
#define MK_EVEN 0, 1, 4, 5, 8, 9, 12, 13
#define MK_ODD 2, 3, 6, 7, 10, 11, 14, 15
#elif WIDTH == 32
#define MK_EVEN 0, 1, 4, 5
#define MK_ODD 2, 3, 6, 7
#else
#define MK_EVEN 0, 1
#define MK_ODD 2, 3
#endif
MK_INLINE vec vfn(even_units)(vec a, vec b)
{
    return (vec)__builtin_shufflevector((vfn(bits))a, (vfn(bits))b, MK_EVEN);
}
MK_INLINE vec vfn(odd_units)(vec a, vec b)
{
    return (vec)__builtin_shufflevector((vfn(bits))a, (vfn(bits))b, MK_ODD);
}
#undef MK_EVEN
#undef MK_ODD

/* One bit of the row number trades places with one bit of the lane number. */
MK_INLINE void vfn(swap_bit)(const int bit, vec x[LANES])
{
    MK_UNROLL for (int i = 0; i < LANES; i++)
        if (!(i & bit)) {
            const vec a = x[i], b = x[i + bit];
            x[i] = bit < UNIT ? vfn(even)(a, b) : vfn(even_units)(a, b);
            x[i + bit] = bit < UNIT ? vfn(odd)(a, b) : vfn(odd_units)(a, b);
        }
}

/* x := x^T, (LANES, LANES) */
MK_INLINE void vfn(transpose)(vec x[LANES])
{
    vfn(swap_bit)(1, x);
    if (LANES > 2) vfn(swap_bit)(2 % LANES, x);
    if (LANES > 4) vfn(swap_bit)(4 % LANES, x);
    if (LANES > 8) vfn(swap_bit)(8 % LANES, x);
}

/* x[0..rows) := sums of neighbouring lanes of x[0..2 rows) */
MK_INLINE void vfn(fold)(const int rows, vec x[LANES])
{
    MK_UNROLL for (int i = 0; i < rows; i++) {
        const vec a = x[2 * i], b = x[2 * i + 1];
        x[i] = 2 * rows * UNIT > LANES ? vfn(even)(a, b) + vfn(odd)(a, b)
                                       : vfn(even_units)(a, b) + vfn(odd_units)(a, b);
    }
}

/* Lane r of the result = sum of the lanes of x[r]; x is overwritten. */
MK_INLINE vec vfn(sums)(vec x[LANES])
{
    if (LANES > 8) vfn(fold)(8 % LANES, x);
    if (LANES > 4) vfn(fold)(4 % LANES, x);
    if (LANES > 2) vfn(fold)(2 % LANES, x);
    vfn(fold)(1, x);
    return x[0];
}

/* |x|: every sign bit cleared */
MK_INLINE vec vfn(size)(vec x)
{
    return (vec)((vfn(bits))x & (UNIT == 4 ? 0x7fffffff7fffffffLL : 0x7fffffffffffffffLL));
}
