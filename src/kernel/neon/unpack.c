/* Vector code in place of the scalar unpackers: a step to the same numbers (unpack.h), for the tiles. */
#if defined(__aarch64__)
#include "kernel/neon/unpack.h"
#include "kernel/neon/small.h"

INL void put_codes(int8_t *to, codes_t c)
{
    vst1q_s8(to, c.val[0]);
    vst1q_s8(to + 16, c.val[1]);
}

/* Sixteen numbers of groups; of groups of 32 values each twice. */
INL void put_groups(int16_t to[16], const int16x8_t v[2], const int sub)
{
    vst1q_s16(to, sub == 16 ? v[0] : vzip1q_s16(v[0], v[0]));
    vst1q_s16(to + 8, sub == 16 ? v[1] : vzip2q_s16(v[0], v[0]));
}

INL void unpack_k(const enum block_type t, struct step *s, const uint8_t *p)
{
    const struct k_type k = k_type(t);
    struct head h;
    load_head(&h, t, p);
    s->d[0] = load_d(t, p);
    put_groups(s->scale, h.scale, k.sub);
    if (k.has_min) {
        s->dmin = load_f16(p + k.dmin);
        put_groups(s->min, h.min, k.sub);
    }
    UNROLL for (int j = 0; j < 8; j++) put_codes(s->code + 32 * j, load_codes(t, p, j, &h));
}

INL void unpack_small(const enum block_type t, struct step *s, const uint8_t *p, int n)
{
    const struct small_type k = small_type(t);
    for (int g = 0; g < n / 32; g++) {
        const uint8_t *b = p + (size_t)(32 * g / k.values) * k.bytes;
        const int part = 32 * g % k.values / 32;
        float *d = s->d + 2 * g;
        put_codes(s->code + 32 * g, block_codes(t, b, part));
        d[0] = d[1] = t == TYPE_NVFP4 ? ue4m3_half(b[2 * part]) : t == TYPE_MXFP4 ? e8m0_half(b[0]) : load_f16(b);
        if (t == TYPE_NVFP4)
            d[1] = ue4m3_half(b[2 * part + 1]);
        if (k.has_min)
            s->m[g] = load_f16(b + 2);
    }
}

#define UNPACK_K(name, TYPE)                                                                                           \
    static void name(struct step *s, const uint8_t *p, int n)                                                          \
    {                                                                                                                  \
        (void)n;                                                                                                       \
        unpack_k(TYPE, s, p);                                                                                          \
    }
#define UNPACK_SMALL(name, TYPE)                                                                                       \
    static void name(struct step *s, const uint8_t *p, int n) { unpack_small(TYPE, s, p, n); }
#define ENTRY(name, TYPE) [TYPE] = name,

K_TYPES(UNPACK_K)
SMALL_TYPES(UNPACK_SMALL)

unpack_fn *const unpack_neon[TYPE_COUNT] = {K_TYPES(ENTRY) SMALL_TYPES(ENTRY)};

#endif
