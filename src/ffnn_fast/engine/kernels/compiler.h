/* What GCC and clang offer beside the C language: hints, and OpenMP's barrier and clock. */
#ifndef FFNN_FAST_COMPILER_H
#define FFNN_FAST_COMPILER_H

#ifdef _OPENMP
#include <omp.h>
#endif

/* The condition, expected to be false: keeps its branch out of the way */
#define ff_rare(condition) __builtin_expect((condition) != 0, 0)

/* Loads the cache line of p into the second-level cache. The empty statement is a side effect: GCC
 * drops calls of a function that has none, and a prefetch is none. */
static inline void ff_prefetch(const void *p)
{
    __builtin_prefetch(p, 0, 2);
    __asm__ volatile("");
}

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

/* Seconds since some time in the past; 0 without OpenMP, where no team needs them */
static inline double ff_seconds(void)
{
#ifdef _OPENMP
    return omp_get_wtime();
#else
    return 0;
#endif
}

#endif
