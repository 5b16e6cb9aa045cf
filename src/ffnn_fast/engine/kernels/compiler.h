/* What GCC and clang offer beside the C language: hints, and OpenMP's barrier. */
#ifndef FFNN_FAST_COMPILER_H
#define FFNN_FAST_COMPILER_H

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

#endif
