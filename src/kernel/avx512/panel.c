/* Filling the panel (avx512/panel.h) from blocks as they lie in the file. All types consist of pieces of 16 bytes: a piece of
 * sixteen rows is loaded and transposed, and only then split into nibbles, which halves the shuffles. Every load lies inside its
 * block. */
#if defined(__x86_64__)
#include "kernel/avx512/panel.h"

#include "format/grids.h"

/* 16 bytes at p of sixteen rows: vector j holds their dword j, lane = row. */
INL void load_transposed(__m512i o[4], const uint8_t *p, size_t rs)
{
    __m512i v[4];
    UNROLL for (int i = 0; i < 4; i++)
    {
        const uint8_t *q = p + (size_t)i * rs;
        __m512i t = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)q));
        t = _mm512_inserti32x4(t, _mm_loadu_si128((const __m128i *)(q + 4 * rs)), 1);
        t = _mm512_inserti32x4(t, _mm_loadu_si128((const __m128i *)(q + 8 * rs)), 2);
        v[i] = _mm512_inserti32x4(t, _mm_loadu_si128((const __m128i *)(q + 12 * rs)), 3);
    }
    __m512i a = _mm512_unpacklo_epi32(v[0], v[1]), b = _mm512_unpackhi_epi32(v[0], v[1]);
    __m512i c = _mm512_unpacklo_epi32(v[2], v[3]), d = _mm512_unpackhi_epi32(v[2], v[3]);
    o[0] = _mm512_unpacklo_epi64(a, c);
    o[1] = _mm512_unpackhi_epi64(a, c);
    o[2] = _mm512_unpacklo_epi64(b, d);
    o[3] = _mm512_unpackhi_epi64(b, d);
}

INL __m512 half_low(__m512i v) { return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(v)); }

INL __m512i byte_u(__m512i v, int i)
{
    return _mm512_and_si512(_mm512_srli_epi32(v, (unsigned)(8 * i)), _mm512_set1_epi32(255));
}

INL __m512i byte_s(__m512i v, int i) { return _mm512_srai_epi32(_mm512_slli_epi32(v, (unsigned)(24 - 8 * i)), 24); }

INL __m256i gather16(const uint8_t *p, size_t rs) /* 16 bits at p of sixteen rows */
{
    return _mm256_set_epi64x((long long)u16x4(p + 12 * rs, rs), (long long)u16x4(p + 8 * rs, rs),
                             (long long)u16x4(p + 4 * rs, rs), (long long)u16x4(p, rs));
}

INL __m512 gather_half(const uint8_t *p, size_t rs) { return _mm512_cvtph_ps(gather16(p, rs)); }

/* d dmin | 12 bytes of eight 6-bit scales and eight minima: dwords s0 s1 s2 of the header are
 *   s0: scales 0..3, and the high bits of scales 4..7;  s1: minima 0..3 and the high bits of minima 4..7;  s2: low nibbles */
void panel_q4_k(struct panel *P, int r, const uint8_t *p, size_t rs, int n_blocks)
{
    (void)n_blocks;
    const __m512i m4 = _mm512_set1_epi8(15), m6 = _mm512_set1_epi8(63), m2 = _mm512_set1_epi8(3);
    __m512i h[4], v[4];
    load_transposed(h, p, rs);
    P->d[0][r] = half_low(h[0]);
    P->dmin[r] = half_low(_mm512_srli_epi32(h[0], 16));
    __m512i s_low = _mm512_and_si512(h[1], m6), n_low = _mm512_and_si512(h[2], m6);
    __m512i s_top = _mm512_slli_epi16(_mm512_and_si512(_mm512_srli_epi16(h[1], 6), m2), 4);
    __m512i n_top = _mm512_slli_epi16(_mm512_and_si512(_mm512_srli_epi16(h[2], 6), m2), 4);
    __m512i s_high = _mm512_or_si512(_mm512_and_si512(h[3], m4), s_top);
    __m512i n_high = _mm512_or_si512(_mm512_and_si512(_mm512_srli_epi16(h[3], 4), m4), n_top);
    UNROLL for (int i = 0; i < 4; i++)
    {
        P->scale[i][r] = byte_u(s_low, i);
        P->scale[4 + i][r] = byte_u(s_high, i);
    }
    UNROLL for (int i = 0; i < 2; i++)
    {
        P->min[i][r] = _mm512_or_si512(byte_u(n_low, 2 * i), _mm512_slli_epi32(byte_u(n_low, 2 * i + 1), 16));
        P->min[2 + i][r] = _mm512_or_si512(byte_u(n_high, 2 * i), _mm512_slli_epi32(byte_u(n_high, 2 * i + 1), 16));
    }
    for (int c = 0; c < 4; c++)
        for (int k = 0; k < 2; k++) {
            load_transposed(v, p + 16 + c * 32 + k * 16, rs);
            UNROLL for (int j = 0; j < 4; j++)
            {
                P->code[c * 16 + k * 4 + j][r] = _mm512_and_si512(v[j], m4);
                P->code[c * 16 + 8 + k * 4 + j][r] = _mm512_and_si512(_mm512_srli_epi16(v[j], 4), m4);
            }
        }
}

void panel_q6_k(struct panel *P, int r, const uint8_t *p, size_t rs, int n_blocks)
{
    (void)n_blocks;
    const __m512i m4 = _mm512_set1_epi8(15), m30 = _mm512_set1_epi8(0x30);
    __m512i s[4], a[4], b[4], h[4];
    load_transposed(s, p + 192, rs);
    UNROLL for (int i = 0; i < 16; i++) P->scale[i][r] = byte_s(s[i / 4], i % 4);
    P->d[0][r] = gather_half(p + 208, rs);
    for (int c = 0; c < 2; c++)
        for (int k = 0; k < 2; k++) {
            load_transposed(a, p + c * 64 + k * 16, rs);
            load_transposed(b, p + c * 64 + 32 + k * 16, rs);
            load_transposed(h, p + 128 + c * 32 + k * 16, rs);
            UNROLL for (int j = 0; j < 4; j++)
            {
                __m512i *o = &P->code[c * 32 + k * 4 + j][r];
                __m512i ah = _mm512_and_si512(_mm512_srli_epi16(a[j], 4), m4);
                __m512i bh = _mm512_and_si512(_mm512_srli_epi16(b[j], 4), m4);
                __m512i h0 = _mm512_and_si512(_mm512_slli_epi16(h[j], 4), m30);
                __m512i h1 = _mm512_and_si512(_mm512_slli_epi16(h[j], 2), m30);
                o[0] = _mm512_or_si512(_mm512_and_si512(a[j], m4), h0);
                o[8 * PANEL_R] = _mm512_or_si512(_mm512_and_si512(b[j], m4), h1);
                o[16 * PANEL_R] = _mm512_or_si512(ah, _mm512_and_si512(h[j], m30));
                o[24 * PANEL_R] = _mm512_or_si512(bh, _mm512_and_si512(_mm512_srli_epi16(h[j], 2), m30));
            }
        }
}

void panel_q8_0(struct panel *P, int r, const uint8_t *p, size_t rs, int n_blocks)
{
    const __m512i flip = _mm512_set1_epi8((char)0x80); /* + 128 */
    __m512i v[4];
    for (int g = 0; g < n_blocks; g++, p += 34) {
        P->d[g][r] = gather_half(p, rs);
        for (int k = 0; k < 2; k++) {
            load_transposed(v, p + 2 + 16 * k, rs);
            UNROLL for (int j = 0; j < 4; j++) P->code[g * 8 + k * 4 + j][r] = _mm512_xor_si512(v[j], flip);
        }
    }
}

/* The 32 nibbles of block g, split after the transpose: low halves are values 0..15. */
INL void nibbles(__m512i low[4], __m512i high[4], const uint8_t *p, size_t rs)
{
    const __m512i m4 = _mm512_set1_epi8(15);
    load_transposed(low, p, rs);
    UNROLL for (int j = 0; j < 4; j++)
    {
        high[j] = _mm512_and_si512(_mm512_srli_epi16(low[j], 4), m4);
        low[j] = _mm512_and_si512(low[j], m4);
    }
}

INL void nibble_block(struct panel *P, int r, int g, const uint8_t *p, size_t rs)
{
    __m512i low[4], high[4];
    nibbles(low, high, p, rs);
    UNROLL for (int j = 0; j < 4; j++)
    {
        P->code[g * 8 + j][r] = low[j];
        P->code[g * 8 + 4 + j][r] = high[j];
    }
}

void panel_q4_0(struct panel *P, int r, const uint8_t *p, size_t rs, int n_blocks)
{
    for (int g = 0; g < n_blocks; g++, p += 18) {
        P->d[g][r] = gather_half(p, rs);
        nibble_block(P, r, g, p + 2, rs);
    }
}

INL __m512i gather32(const uint8_t *p, size_t rs) /* 32 bits at p of sixteen rows */
{
    uint32_t v[16];
    UNROLL for (int i = 0; i < 16; i++) v[i] = load_u32(p + (size_t)i * rs);
    return _mm512_loadu_si512(v);
}

void panel_q4_1(struct panel *P, int r, const uint8_t *p, size_t rs, int n_blocks)
{
    for (int g = 0; g < n_blocks; g++, p += 20) {
        __m512i both = gather32(p, rs);
        P->d[g][r] = half_low(both);
        P->m[g][r] = half_low(_mm512_srli_epi32(both, 16));
        nibble_block(P, r, g, p + 4, rs);
    }
}

/* Bits i .. i + 3 as the values 0 or 1 of four bytes. */
INL __m512i four_bits(__m512i bits, int i)
{
    __m512i four = _mm512_and_si512(_mm512_srli_epi32(bits, (unsigned)i), _mm512_set1_epi32(15));
    __m512i apart = _mm512_mullo_epi32(four, _mm512_set1_epi32(0x00204081)); /* bit b to bit 8 b */
    return _mm512_and_si512(apart, _mm512_set1_epi32(0x01010101));
}

/* The 32 nibbles of block g at p, and fifth bits before them. */
INL void five_bit_block(struct panel *P, int r, int g, const uint8_t *p, size_t rs)
{
    __m512i low[4], high[4], fifth = gather32(p - 4, rs);
    nibbles(low, high, p, rs);
    UNROLL for (int j = 0; j < 4; j++)
    {
        P->code[g * 8 + j][r] = _mm512_or_si512(low[j], _mm512_slli_epi32(four_bits(fifth, 4 * j), 4));
        P->code[g * 8 + 4 + j][r] = _mm512_or_si512(high[j], _mm512_slli_epi32(four_bits(fifth, 16 + 4 * j), 4));
    }
}

void panel_q5_0(struct panel *P, int r, const uint8_t *p, size_t rs, int n_blocks)
{
    for (int g = 0; g < n_blocks; g++, p += 22) {
        P->d[g][r] = gather_half(p, rs);
        five_bit_block(P, r, g, p + 6, rs);
    }
}

void panel_q5_1(struct panel *P, int r, const uint8_t *p, size_t rs, int n_blocks)
{
    for (int g = 0; g < n_blocks; g++, p += 24) {
        __m512i both = gather32(p, rs);
        P->d[g][r] = half_low(both);
        P->m[g][r] = half_low(_mm512_srli_epi32(both, 16));
        five_bit_block(P, r, g, p + 8, rs);
    }
}

/* Blocks of 128: codes 0 and 2. */
void panel_q1_0(struct panel *P, int r, const uint8_t *p, size_t rs, int n_blocks)
{
    for (int g = 0; g < n_blocks; g++) {
        const uint8_t *b = p + g / 4 * 18;
        __m512i bits = gather32(b + 2 + g % 4 * 4, rs);
        P->d[g][r] = gather_half(b, rs);
        UNROLL for (int j = 0; j < 8; j++) P->code[g * 8 + j][r] = _mm512_slli_epi32(four_bits(bits, 4 * j), 1);
    }
}

/* A code table, + 128. */
INL __m512i table_u8(const int8_t codes[16])
{
    __m128i t = _mm_xor_si128(_mm_loadu_si128((const __m128i *)codes), _mm_set1_epi8((char)0x80));
    return _mm512_broadcast_i32x4(t);
}

INL void table_block(struct panel *P, int r, int g, const uint8_t *p, size_t rs, __m512i table)
{
    __m512i low[4], high[4];
    nibbles(low, high, p, rs);
    UNROLL for (int j = 0; j < 4; j++)
    {
        P->code[g * 8 + j][r] = _mm512_shuffle_epi8(table, low[j]);
        P->code[g * 8 + 4 + j][r] = _mm512_shuffle_epi8(table, high[j]);
    }
}

void panel_iq4_nl(struct panel *P, int r, const uint8_t *p, size_t rs, int n_blocks)
{
    for (int g = 0; g < n_blocks; g++, p += 18) {
        P->d[g][r] = gather_half(p, rs);
        table_block(P, r, g, p + 2, rs, table_u8(codes_iq4_nl));
    }
}

void panel_mxfp4(struct panel *P, int r, const uint8_t *p, size_t rs, int n_blocks)
{
    for (int g = 0; g < n_blocks; g++, p += 17) {
        __m512i e = _mm512_cvtepu16_epi32(_mm256_and_si256(gather16(p, rs), _mm256_set1_epi16(255)));
        P->d[g][r] = e8m0_half512(e);
        table_block(P, r, g, p + 1, rs, table_u8(codes_e2m1));
    }
}

/* Blocks of 64: four scales, then eight bytes for each sixteen values, low nibbles first. */
void panel_nvfp4(struct panel *P, int r, const uint8_t *p, size_t rs, int n_blocks)
{
    const __m512i table = table_u8(codes_e2m1);
    __m512i low[4], high[4];
    for (int b = 0; b < n_blocks / 2; b++, p += 36) {
        __m512i scales = gather32(p, rs);
        UNROLL for (int i = 0; i < 4; i++) P->d[4 * b + i][r] = ue4m3_half512(byte_u(scales, i));
        for (int k = 0; k < 2; k++) {
            nibbles(low, high, p + 4 + 16 * k, rs);
            UNROLL for (int j = 0; j < 4; j++)
            {
                __m512i *o = &P->code[16 * b + 8 * k + j / 2 * 4 + j % 2][r];
                o[0] = _mm512_shuffle_epi8(table, low[j]);
                o[2 * PANEL_R] = _mm512_shuffle_epi8(table, high[j]);
            }
        }
    }
}

/* Pairs of int16 of sixteen rows: the first of each pair, and the second, as int32. */
INL __m512i first_of_pair(__m512i v) { return _mm512_srai_epi32(_mm512_slli_epi32(v, 16), 16); }
INL __m512i second_of_pair(__m512i v) { return _mm512_srai_epi32(v, 16); }

/* Scales and minima of sixteen unpacked steps at s. */
INL void step_scales(struct panel *P, int r, const struct step *s, const struct unpacking *u)
{
    __m512i v[4];
    load_transposed(v, (const uint8_t *)s->d, sizeof *s);
    P->d[0][r] = _mm512_castsi512_ps(v[0]);
    for (int k = 0; k < 2; k++) {
        load_transposed(v, (const uint8_t *)(s->scale + 8 * k), sizeof *s);
        UNROLL for (int j = 0; j < 4; j++)
        {
            if (u->sub == 32) {
                P->scale[4 * k + j][r] = second_of_pair(v[j]); /* both are equal */
            } else {
                P->scale[8 * k + 2 * j][r] = first_of_pair(v[j]);
                P->scale[8 * k + 2 * j + 1][r] = second_of_pair(v[j]);
            }
        }
    }
    if (u->minima != MIN_INT)
        return;
    load_transposed(v, (const uint8_t *)&s->dmin, sizeof *s);
    P->dmin[r] = _mm512_castsi512_ps(v[0]);
    for (int k = 0; k < 2; k++) {
        load_transposed(v, (const uint8_t *)(s->min + 8 * k), sizeof *s);
        UNROLL for (int j = 0; j < 4; j++) P->min[4 * k + j][r] = v[j];
    }
}

void panel_step(struct panel *P, int r, const uint8_t *p, size_t rs, enum block_type t)
{
    const __m512i zero_point = _mm512_set1_epi8((char)PANEL_STEP_ZP);
    struct step s[16];
    __m512i v[4];
    for (int lane = 0; lane < 16; lane++)
        unpack_avx2[t](&s[lane], p + (size_t)lane * rs, STEP);
    for (int k = 0; k < STEP / 16; k++) {
        load_transposed(v, (const uint8_t *)(s[0].code + 16 * k), sizeof s[0]);
        UNROLL for (int j = 0; j < 4; j++) P->code[4 * k + j][r] = _mm512_add_epi8(v[j], zero_point);
    }
    step_scales(P, r, s, &unpackings[t]);
}

#endif
