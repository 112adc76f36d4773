/* Vector code in place of the scalar unpackers: a step to the same integers (unpack.h), for the tiles of AVX2 and AVX-512. */
#if defined(__x86_64__)
#include "kernel/avx2/step.h"

INL void unpack_k(const enum block_type t, struct step *s, const uint8_t *p)
{
    const struct k_type k = k_type(t);
    struct head h;
    load_head(&h, t, p);
    const __m256i zero_point = _mm256_set1_epi8((char)k.zero_point);
    s->d[0] = f16_to_f32(load_d(t, p)) * k.factor;
    _mm256_storeu_si256((__m256i *)s->scale, h.scale);
    if (k.has_min) {
        s->dmin = load_f16(p + k.dmin);
        _mm256_storeu_si256((__m256i *)s->min, h.min);
    }
    UNROLL for (int j = 0; j < 8; j++)
    {
        const struct codes c = load_codes(t, p, j, &h);
        __m256i code = k.has_signs ? give_signs(c.u, c.signs) : _mm256_sub_epi8(c.u, zero_point);
        _mm256_storeu_si256((__m256i *)(s->code + 32 * j), code);
    }
}

#define UNPACK(name, TYPE)                                                                                             \
    static void vector_##name(struct step *s, const uint8_t *p, int n)                                                 \
    {                                                                                                                  \
        (void)n;                                                                                                       \
        unpack_k(TYPE, s, p);                                                                                          \
    }

UNPACK(q2_k, TYPE_Q2_K)
UNPACK(q3_k, TYPE_Q3_K)
UNPACK(q5_k, TYPE_Q5_K)
UNPACK(iq4_xs, TYPE_IQ4_XS)
UNPACK(iq3_s, TYPE_IQ3_S)
UNPACK(iq3_xxs, TYPE_IQ3_XXS)
UNPACK(iq2_s, TYPE_IQ2_S)
UNPACK(iq2_xs, TYPE_IQ2_XS)
UNPACK(iq2_xxs, TYPE_IQ2_XXS)
UNPACK(iq1_s, TYPE_IQ1_S)
UNPACK(iq1_m, TYPE_IQ1_M)
UNPACK(tq1_0, TYPE_TQ1_0)
UNPACK(tq2_0, TYPE_TQ2_0)

unpack_fn *const unpack_avx2[TYPE_COUNT] = {
    [TYPE_Q2_K] = vector_q2_k,     [TYPE_Q3_K] = vector_q3_k,     [TYPE_Q5_K] = vector_q5_k,
    [TYPE_IQ4_XS] = vector_iq4_xs, [TYPE_IQ3_S] = vector_iq3_s,   [TYPE_IQ3_XXS] = vector_iq3_xxs,
    [TYPE_IQ2_S] = vector_iq2_s,   [TYPE_IQ2_XS] = vector_iq2_xs, [TYPE_IQ2_XXS] = vector_iq2_xxs,
    [TYPE_IQ1_S] = vector_iq1_s,   [TYPE_IQ1_M] = vector_iq1_m,   [TYPE_TQ1_0] = vector_tq1_0,
    [TYPE_TQ2_0] = vector_tq2_0,
};

#endif
