/* What the CPU and the operating system can run, by the compiler's own run-time check. */
#ifndef FFNN_FAST_CPU_H
#define FFNN_FAST_CPU_H

#if defined(__x86_64__) || defined(_M_X64)
#define HAS(feature) (__builtin_cpu_init(), __builtin_cpu_supports(feature) != 0)
#else
#define HAS(feature) 0
#endif
static int cpu_has_v2(void) {
    return HAS("sse3") && HAS("ssse3") && HAS("sse4.1") && HAS("sse4.2") && HAS("popcnt");
}
static int cpu_has_v3(void) {
    return cpu_has_v2() && HAS("avx") && HAS("avx2") && HAS("fma") && HAS("bmi") && HAS("bmi2");
}
static int cpu_has_v4(void) {
    return cpu_has_v3() && HAS("avx512f") && HAS("avx512bw") && HAS("avx512cd")
        && HAS("avx512dq") && HAS("avx512vl");
}
static const char *cpu_feature_names[] = {"sse4.2", "popcnt", "avx", "avx2", "fma", "bmi",
    "bmi2", "avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl", 0};
static int cpu_has(int i) {
    switch (i) {
        case 0: return HAS("sse4.2");
        case 1: return HAS("popcnt");
        case 2: return HAS("avx");
        case 3: return HAS("avx2");
        case 4: return HAS("fma");
        case 5: return HAS("bmi");
        case 6: return HAS("bmi2");
        case 7: return HAS("avx512f");
        case 8: return HAS("avx512bw");
        case 9: return HAS("avx512cd");
        case 10: return HAS("avx512dq");
        case 11: return HAS("avx512vl");
        default: return 0;
    }
}

#endif
