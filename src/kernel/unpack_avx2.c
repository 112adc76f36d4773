/* Vector code in place of the scalar unpackers: a step to the same integers (unpack.h), for the tiles of AVX2 and AVX-512. */
#if defined(__x86_64__)
#include "kernel/step_avx2.h"

INL void unpack_k(const enum block_type t, struct step *s, const uint8_t *p)
{
    const struct k_type k = k_type(t);
    const struct head h = load_head(t, p);
    const __m256i zero_point = _mm256_set1_epi8((char)k.zero_point);
    s->d[0] = load_f16(p + k.d) * k.factor;
    _mm256_storeu_si256((__m256i *)s->scale, h.scale);
    if (k.has_min) {
        s->dmin = load_f16(p + k.dmin);
        _mm256_storeu_si256((__m256i *)s->min, h.min);
    }
    UNROLL for (int j = 0; j < 8; j++)
    {
        const struct codes c = load_codes(t, p, j, &h);
        __m256i code = k.has_signs ? _mm256_sign_epi8(c.u, c.sign) : _mm256_sub_epi8(c.u, zero_point);
        _mm256_storeu_si256((__m256i *)(s->code + 32 * j), code);
    }
}

#define UNPACK(name, TYPE)                                                                                             \
    static void unpack_##name(struct step *s, const uint8_t *p, int n)                                                 \
    {                                                                                                                  \
        (void)n;                                                                                                       \
        unpack_k(TYPE, s, p);                                                                                          \
    }

UNPACK(q2_k, TYPE_Q2_K)
UNPACK(q3_k, TYPE_Q3_K)
UNPACK(q5_k, TYPE_Q5_K)

unpack_fn *const unpack_avx2[TYPE_COUNT] = {
    [TYPE_Q2_K] = unpack_q2_k,
    [TYPE_Q3_K] = unpack_q3_k,
    [TYPE_Q5_K] = unpack_q5_k,
};

#endif
