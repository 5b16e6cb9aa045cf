/* A digest of memory: whether it has changed since. */
#ifndef FFNN_FAST_DIGEST_H
#define FFNN_FAST_DIGEST_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MK_WORDS 64  /* lanes, side by side: the chains of as many words at a time do not wait */

/* h := rotl(h ^ w, 29) * M, one to one in h and in w: a change of one word always shows */
static inline __attribute__((always_inline)) uint64_t mk_mix(uint64_t h, uint64_t w)
{
    h ^= w;
    return (h << 29 | h >> 35) * UINT64_C(0x9E3779B97F4A7C15);
}

/* Of so many bytes, as words of 8 with zeros behind the last ones; word w goes to lane w % MK_WORDS,
 * the lanes and the size are mixed in the end. Its caller is compiled for size. */
static __attribute__((hot, noinline)) uint64_t mk_digest(ptrdiff_t bytes, const char *x)
{
    uint64_t lane[MK_WORDS] = {0}, word[MK_WORDS], all = (uint64_t)bytes;
    ptrdiff_t at = 0;
    for (; bytes - at >= (ptrdiff_t)sizeof word; at += sizeof word) {
        memcpy(word, x + at, sizeof word);
        for (int l = 0; l < MK_WORDS; l++) lane[l] = mk_mix(lane[l], word[l]);
    }
    memset(word, 0, sizeof word);
    memcpy(word, x + at, bytes - at);
    for (int l = 0; l < MK_WORDS; l++) all = mk_mix(all, mk_mix(lane[l], word[l]));
    return all;
}
#endif
