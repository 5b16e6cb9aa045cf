/* What one core can do at most: products and sums per second, and floats per second from a cache. */

#if defined(__AVX512F__)
#define BYTES 64
#elif defined(__AVX__)
#define BYTES 32
#else
#define BYTES 16
#endif
#define ACCUMULATORS 12 /* two units of latency 4 or 5 need at least 10; 16 registers hold 12 */

typedef float floats __attribute__((vector_size(BYTES)));
typedef double doubles __attribute__((vector_size(BYTES)));

/* a_i := a_i x + y, so often; returns the floating-point operations done */
#define DEFINE_FMA(name, vector, scalar)                                                    \
    double name(long repeats, scalar *out) {                                                \
        const int lanes = sizeof(vector) / sizeof(scalar);                                  \
        vector a[ACCUMULATORS], x, y;                                                       \
        for (int l = 0; l < lanes; l++) { x[l] = (scalar)0.999; y[l] = *out; }              \
        for (int i = 0; i < ACCUMULATORS; i++) a[i] = y + (scalar)i;                        \
        for (long r = 0; r < repeats; r++)                                                  \
            for (int i = 0; i < ACCUMULATORS; i++) a[i] = a[i] * x + y;                     \
        for (int i = 0; i < ACCUMULATORS; i++) *out += a[i][0];                             \
        return 2.0 * repeats * ACCUMULATORS * lanes;                                        \
    }

DEFINE_FMA(fma_float, floats, float)
DEFINE_FMA(fma_double, doubles, double)

/* w := w - c, so often: every float is read once and written once */
void sweep(long repeats, float *w, long n, float c) {
    for (long r = 0; r < repeats; r++) {
        for (long i = 0; i < n; i++) w[i] -= c;
        __asm__ volatile("" ::"r"(w) : "memory");
    }
}
