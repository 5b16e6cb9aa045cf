/* What GCC and clang offer beside the C language: hints, and OpenMP's barrier. */
#ifndef FFNN_FAST_COMPILER_H
#define FFNN_FAST_COMPILER_H

/* The condition, expected to be false: keeps its branch out of the way */
#define ff_rare(condition) __builtin_expect((condition) != 0, 0)

/* Loads the cache line of p into the second-level cache */
#define ff_prefetch(p) __builtin_prefetch(p, 0, 2)

/* Waits for the other threads of a parallel region; nothing for a single thread */
static inline void ff_team_barrier(int threads)
{
#ifdef _OPENMP
    if (threads > 1) {
        _Pragma("omp barrier")
    }
#else
    (void)threads;
#endif
}

#endif
