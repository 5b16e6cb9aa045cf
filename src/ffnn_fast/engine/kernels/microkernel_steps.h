/* Four inner indices k of a whole tile with 32-byte vectors: acc[m, :] += a[m, k] B[k, :] for MK_ROWS
 * rows m, B (4, S). Part of microkernel.h.
 *
 * On a core that is shared, the number and the bytes of the instructions limit a tile. GCC's loops
 * take 124 bytes an index, these about 116: products of float64 took 0.92 of the time then, and the
 * same on an undisturbed core. Offsets fit into a byte: B from its third row on, rows 3 to 5 of a from
 * a pointer of their own.
 */

#undef MK_MULTIPLY_ADD
#undef MK_BROADCAST
#undef MK_NUMBER
#if UNIT == 4
#define MK_BROADCAST "vbroadcastss "
#define MK_MULTIPLY_ADD "vfmadd231ps "
#define MK_NUMBER "4"
#else
#define MK_BROADCAST "vbroadcastsd "
#define MK_MULTIPLY_ADD "vfmadd231pd "
#define MK_NUMBER "8"
#endif

/* A row: sums `first` and `second` += its number at `from`, by way of the register `by`, times B[k] */
#define MK_ONE(from, first, second, by) \
    MK_BROADCAST from ", %%ymm" by "\n\t" MK_MULTIPLY_ADD "%%ymm" by ", %%ymm14, %" first "\n\t" \
    MK_MULTIPLY_ADD "%%ymm" by ", %%ymm15, %" second "\n\t"
#define MK_SIX(a0, a1, a2, a3, a4, a5) \
    MK_ONE(a0, "0", "1", "12") MK_ONE(a1, "2", "3", "13") MK_ONE(a2, "4", "5", "12") \
    MK_ONE(a3, "6", "7", "13") MK_ONE(a4, "8", "9", "12") MK_ONE(a5, "10", "11", "13")
#define MK_VECTORS(at, next) "vmovaps " at "(%[b]), %%ymm14\n\tvmovaps " next "(%[b]), %%ymm15\n\t"
#define MK_FOUR(step0, step1, step2, step3) \
    MK_VECTORS("-128", "-96") step0 MK_VECTORS("-64", "-32") step1 \
    MK_VECTORS("0", "32") step2 MK_VECTORS("64", "96") step3
#define MK_SUMS(m) "+x"(acc[m][0]), "+x"(acc[m][1])
#define MK_ALL_SUMS MK_SUMS(0), MK_SUMS(1), MK_SUMS(2), MK_SUMS(3), MK_SUMS(4), MK_SUMS(5)
#define MK_USED "xmm12", "xmm13", "xmm14", "xmm15", "memory"

/* a: rows `ra` apart, of which four numbers in a row are used */
MK_INLINE void fn(four_of_rows)(const real *a, ptrdiff_t ra, const real *B, vec acc[MK_ROWS][2])
{
#define MK_STEP(k) \
    MK_SIX(MK_NUMBER "*" k "(%[a])", MK_NUMBER "*" k "(%[a],%[row])", \
           MK_NUMBER "*" k "(%[a],%[row],2)", MK_NUMBER "*" k "(%[far])", \
           MK_NUMBER "*" k "(%[far],%[row])", MK_NUMBER "*" k "(%[far],%[row],2)")
    __asm__ volatile(
        MK_FOUR(MK_STEP("0"), MK_STEP("1"), MK_STEP("2"), MK_STEP("3"))
        : MK_ALL_SUMS
        : [a] "r"(a), [far] "r"(a + 3 * ra), [row] "r"(ra * (ptrdiff_t)sizeof(real)), [b] "r"(B + 2 * S)
        : MK_USED);
#undef MK_STEP
}

/* a: the numbers of the rows side by side, those of the next k `ca` on */
MK_INLINE void fn(four_of_columns)(const real *a, ptrdiff_t ca, const real *B, vec acc[MK_ROWS][2])
{
#define MK_STEP \
    MK_SIX("(%[a])", MK_NUMBER "(%[a])", MK_NUMBER "*2(%[a])", MK_NUMBER "*3(%[a])", \
           MK_NUMBER "*4(%[a])", MK_NUMBER "*5(%[a])")
#define MK_NEXT "add %[column], %[a]\n\t"
    __asm__ volatile(
        MK_FOUR(MK_STEP MK_NEXT, MK_STEP MK_NEXT, MK_STEP MK_NEXT, MK_STEP)
        : MK_ALL_SUMS, [a] "+&r"(a)
        : [column] "r"(ca * (ptrdiff_t)sizeof(real)), [b] "r"(B + 2 * S)
        : MK_USED);
#undef MK_NEXT
#undef MK_STEP
}

#undef MK_USED
#undef MK_ALL_SUMS
#undef MK_SUMS
#undef MK_FOUR
#undef MK_VECTORS
#undef MK_SIX
#undef MK_ONE
