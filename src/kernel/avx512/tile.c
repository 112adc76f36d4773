/* The tile, AVX-512 VNNI: 32 weight rows are unpacked one step at a time to a panel that stays in L1, and the panel meets the
 * activation rows six at a time.
 *
 *   panel vector (k4, r): four unsigned codes, 4 k4 .. 4 k4 + 3, of sixteen weight rows, one row a lane
 *
 * Lanes are rows, so the float sums run down the lanes without a shuffle. Codes are made unsigned by a zero point zp; the
 * accumulator of a group starts at -zp times the sum of its activations, which makes the integer sum exact again. The weights
 * stay as the file has them: unpacking is paid once for 32 rows and all activation rows.
 *
 * avx512/panel.c fills the panel. */
#if defined(__x86_64__)
#include "kernel/avx512/panel.h"
#include "kernel/tiers.h"
#include "kernel/unpack.h"

enum { TOKENS = 6 }; /* 6 x 2 sums of a group and 6 x 2 of a step, 2 of the panel, 1 broadcast: of 32 registers */

_Static_assert(sizeof(struct panel) <= TILE_PANEL_BYTES, "the panel fits its scratch");
_Static_assert((int)PANEL_ROWS == (int)TILE_GROUP, "and so do the sums");

/* One step of some activation rows; the pointers are those of its first row. */
struct part {
    int m, n_blocks, zp;
    const int8_t *q;
    const float *dx;
    const int16_t *s16, *s32;
    float *acc;        /* [m][PANEL_ROWS] */
    const char *ahead; /* what to prefetch meanwhile, */
    int ahead_lines;   /* spread over the groups of rows: in one burst it would stall them */
};

/* What the loops know at compile time. pairs: minima of 16-value pairs (8) or 32-value pairs (4), or none. */
struct variant {
    enum act_family family;
    int sub, signed_codes, pairs, float_minima;
};

/* -zp * (sums of activations), the starting values of a step's groups. */
INL void zero_points(int32_t nz[16], const int sub, const int16_t *s16, const int16_t *s32, int zp)
{
    __m512i z = sub == 16 ? _mm512_cvtepi16_epi32(_mm256_loadu_si256((const __m256i *)s16))
                          : _mm512_zextsi256_si512(_mm256_cvtepi16_epi32(_mm_loadu_si128((const __m128i *)s32)));
    _mm512_storeu_si512(nz, _mm512_mullo_epi32(z, _mm512_set1_epi32(-zp)));
}

/* The K family's float sums of one activation row on sixteen weight rows: sum s, minima by pairs. */
INL __m512 k_close(const struct panel *P, int r, const struct variant kind, __m512i s, float dx, const int16_t *s16,
                   const int16_t *s32, __m512 acc)
{
    __m512 d = _mm512_set1_ps(dx);
    acc = _mm512_fmadd_ps(_mm512_mul_ps(P->d[0][r], d), _mm512_cvtepi32_ps(s), acc);
    if (!kind.pairs)
        return acc;
    __m512i m = _mm512_setzero_si512();
    UNROLL for (int i = 0; i < kind.pairs; i++)
        m = _mm512_dpwssd_epi32(m, P->min[i][r], broadcast32((kind.pairs == 8 ? s16 : s32) + 2 * i));
    return _mm512_fnmadd_ps(_mm512_mul_ps(P->dmin[r], d), _mm512_cvtepi32_ps(m), acc);
}

/* One step for T activation rows, a constant. */
INL void tile_step(const struct panel *P, const struct variant kind, const int T, const struct part *a)
{
    const int k_family = kind.family == ACT_X256, depth = kind.sub / 4;
    const int groups = k_family ? 256 / kind.sub : a->n_blocks * (32 / kind.sub);
    __m512i v[PANEL_R][TOKENS], s[PANEL_R][TOKENS];
    __m512 y[PANEL_R][TOKENS];
    int32_t nz[TOKENS][16];
    if (kind.signed_codes)
        UNROLL for (int t = 0; t < T; t++) zero_points(nz[t], kind.sub, a->s16 + 16 * t, a->s32 + 8 * t, a->zp);
    UNROLL for (int t = 0; t < T; t++) UNROLL for (int r = 0; r < PANEL_R; r++)
    {
        if (k_family)
            s[r][t] = _mm512_setzero_si512();
        else
            y[r][t] = _mm512_loadu_ps(a->acc + t * PANEL_ROWS + r * 16);
    }
    for (int g = 0; g < groups; g++) {
        UNROLL for (int t = 0; t < T; t++) UNROLL for (int r = 0; r < PANEL_R; r++)
            v[r][t] = kind.signed_codes ? _mm512_set1_epi32(nz[t][g]) : _mm512_setzero_si512();
        const __m512i(*w)[PANEL_R] = &P->code[g * depth];
        const int8_t *q = a->q + g * kind.sub;
        UNROLL for (int k = 0; k < depth; k++) UNROLL for (int t = 0; t < T; t++)
        {
            __m512i b = broadcast32(q + t * STEP + k * 4);
            UNROLL for (int r = 0; r < PANEL_R; r++) v[r][t] = _mm512_dpbusd_epi32(v[r][t], w[k][r], b);
        }
        UNROLL for (int t = 0; t < T; t++)
        {
            const int x = t * 8 + g * kind.sub / 32;
            UNROLL for (int r = 0; r < PANEL_R; r++)
            {
                if (k_family) {
                    s[r][t] = _mm512_add_epi32(s[r][t], _mm512_mullo_epi32(v[r][t], P->scale[g][r]));
                    continue;
                }
                __m512 d = _mm512_set1_ps(a->dx[x]);
                y[r][t] = _mm512_fmadd_ps(_mm512_mul_ps(P->d[g][r], d), _mm512_cvtepi32_ps(v[r][t]), y[r][t]);
                if (kind.float_minima)
                    y[r][t] = _mm512_fmadd_ps(_mm512_mul_ps(P->m[g][r], d), _mm512_set1_ps((float)a->s32[x]), y[r][t]);
            }
        }
    }
    UNROLL for (int t = 0; t < T; t++) UNROLL for (int r = 0; r < PANEL_R; r++)
    {
        float *o = a->acc + t * PANEL_ROWS + r * 16;
        if (k_family)
            y[r][t] = k_close(P, r, kind, s[r][t], a->dx[t], a->s16 + 16 * t, a->s32 + 8 * t, _mm512_loadu_ps(o));
        _mm512_storeu_ps(o, y[r][t]);
    }
}

/* All activation rows, in groups of nearly equal size: 32 = 6 + 6 + 5 + 5 + 5 + 5. */
INL void all_rows(const struct panel *P, const struct variant kind, struct part a)
{
    for (int left = (a.m + TOKENS - 1) / TOKENS; left > 0; left--) {
        int T = (a.m + left - 1) / left, lines = (a.ahead_lines + left - 1) / left;
        for (int i = 0; i < lines; i++, a.ahead += 64)
            _mm_prefetch(a.ahead, _MM_HINT_T1);
        a.ahead_lines -= lines;
        switch (T) {
        case 6:
            tile_step(P, kind, 6, &a);
            break;
        case 5:
            tile_step(P, kind, 5, &a);
            break;
        case 4:
            tile_step(P, kind, 4, &a);
            break;
        case 3:
            tile_step(P, kind, 3, &a);
            break;
        case 2:
            tile_step(P, kind, 2, &a);
            break;
        default:
            tile_step(P, kind, 1, &a);
            break;
        }
        a.m -= T;
        a.q += T * STEP;
        a.dx += T * (kind.family == ACT_X256 ? 1 : 8);
        a.s16 += T * 16;
        a.s32 += T * 8;
        a.acc += T * PANEL_ROWS;
    }
}

#define VARIANT(name, ...)                                                                                             \
    static __attribute__((noinline)) void name(const struct panel *P, const struct part *a)                            \
    {                                                                                                                  \
        all_rows(P, (struct variant){__VA_ARGS__}, *a);                                                                \
    }
VARIANT(k32_unsigned_min, ACT_X256, 32, 0, 4, 0)
VARIANT(k32_signed, ACT_X256, 32, 1, 0, 0)
VARIANT(k16_signed, ACT_X256, 16, 1, 0, 0)
VARIANT(k32_signed_min, ACT_X256, 32, 1, 8, 0)
VARIANT(k16_signed_min, ACT_X256, 16, 1, 8, 0)
VARIANT(b32_signed, ACT_X32, 32, 1, 0, 0)
VARIANT(b32_unsigned_min, ACT_X32, 32, 0, 0, 1)
VARIANT(b16_signed, ACT_X32, 16, 1, 0, 0)

typedef void variant_fn(const struct panel *P, const struct part *a);

/* How types come into the panel; without a way of their own, as unpacked steps. */
static const struct own_panel {
    panel_fn *unpack;
    variant_fn *products;
    int zp;
} own[TYPE_COUNT] = {
    [TYPE_Q4_K] = {panel_q4_k, k32_unsigned_min, 0},     [TYPE_Q6_K] = {panel_q6_k, k16_signed, 32},
    [TYPE_Q8_0] = {panel_q8_0, b32_signed, 128},         [TYPE_Q4_0] = {panel_q4_0, b32_signed, 8},
    [TYPE_Q5_0] = {panel_q5_0, b32_signed, 16},          [TYPE_IQ4_NL] = {panel_iq4_nl, b32_signed, 128},
    [TYPE_MXFP4] = {panel_mxfp4, b32_signed, 128},       [TYPE_Q4_1] = {panel_q4_1, b32_unsigned_min, 0},
    [TYPE_Q5_1] = {panel_q5_1, b32_unsigned_min, 0},     [TYPE_NVFP4] = {panel_nvfp4, b16_signed, 128},
    [TYPE_Q1_0] = {panel_q1_0, b32_signed, 1},           [TYPE_Q2_K] = {NULL, k16_signed_min, PANEL_STEP_ZP},
    [TYPE_Q5_K] = {NULL, k32_signed_min, PANEL_STEP_ZP}, [TYPE_Q3_K] = {NULL, k16_signed, PANEL_STEP_ZP},
    [TYPE_IQ2_XS] = {NULL, k16_signed, PANEL_STEP_ZP},   [TYPE_IQ2_S] = {NULL, k16_signed, PANEL_STEP_ZP},
    [TYPE_IQ1_M] = {NULL, k16_signed, PANEL_STEP_ZP},    [TYPE_IQ4_XS] = {NULL, k32_signed, PANEL_STEP_ZP},
    [TYPE_IQ3_S] = {NULL, k32_signed, PANEL_STEP_ZP},    [TYPE_IQ3_XXS] = {NULL, k32_signed, PANEL_STEP_ZP},
    [TYPE_IQ2_XXS] = {NULL, k32_signed, PANEL_STEP_ZP},  [TYPE_IQ1_S] = {NULL, k32_signed, PANEL_STEP_ZP},
    [TYPE_TQ1_0] = {NULL, k32_signed, PANEL_STEP_ZP},    [TYPE_TQ2_0] = {NULL, k32_signed, PANEL_STEP_ZP},
};

/* From NULL nothing. Returns what is behind. */
static const char *prefetch_some(const char *p, size_t lines)
{
    for (size_t i = 0; p && i < lines; i++, p += 64)
        _mm_prefetch(p, _MM_HINT_T1);
    return p;
}

/* acc[n_rows][32] of the 32 weight rows at w; next: the bytes that this thread reads after them, prefetched in shares, two thirds before
 * the halves are unpacked: few activation rows leave too little time for as many behind it. */
static void group_rows(const struct wmat *w, const uint8_t *rows, const uint8_t *next, const struct xq *x,
                       struct panel *P, float *acc)
{
    const struct own_panel *o = &own[w->type];
    const size_t step_bytes = type_row_bytes(type_info(w->type), STEP), rs = w->row_bytes;
    const size_t share = (size_t)PANEL_ROWS * rs / (size_t)x->n_steps, lines = share / 64 + 1;
    const size_t d_row = x->family == ACT_X256 ? 1 : 8;
    memset(acc, 0, (size_t)x->n_rows * PANEL_ROWS * sizeof *acc);
    for (int b = 0; b < x->n_steps; b++, rows += step_bytes) {
        const size_t at = (size_t)b * (size_t)x->plane;
        const int values = step_values(w->n_cols, b);
        const char *ahead = next ? (const char *)next + (size_t)b * share : NULL;
        for (int r = 0; r < PANEL_R; r++) {
            const uint8_t *p = rows + (size_t)r * 16 * rs;
            ahead = prefetch_some(ahead, lines / 3);
            if (o->unpack)
                o->unpack(P, r, p, rs, values / 32);
            else
                panel_step(P, r, p, rs, w->type);
        }
        o->products(P, &(struct part){
                           .m = x->n_rows,
                           .n_blocks = values / 32,
                           .zp = o->zp,
                           .q = x->code + at * STEP,
                           .dx = x->scale + at * d_row,
                           .s16 = x->sum16 + at * 16,
                           .s32 = x->sum32 + at * 8,
                           .acc = acc,
                           .ahead = ahead,
                           .ahead_lines = ahead ? (int)(lines - PANEL_R * (lines / 3)) : 0,
                       });
    }
}

/* Below this many activation rows dots are faster (AMD family 25; with quads family 26, weights from DRAM). */
static int tile_rows_min(const struct kernels *k, enum block_type t)
{
    if (k->quad[t])
        return QUAD_ROWS + 1;
    return t == TYPE_Q2_K || t == TYPE_Q5_K || t == TYPE_TQ2_0 ? 5 : own[t].unpack ? 3 : 4;
}

static void tile(const struct kernels *k, const struct wmat *w, int n0, int n1, const struct xq *x, float *out,
                 size_t ld_out, const uint8_t *then, void *scratch)
{
    struct panel *P = scratch;
    float *acc = (float *)((char *)scratch + TILE_PANEL_BYTES);
    if (n1 - n0 < PANEL_ROWS || x->n_rows < tile_rows_min(k, w->type)) {
        tile_by_dots(k, w, n0, n1, x, out, ld_out, then);
        return;
    }
    for (int n = n0; n < n1; n += PANEL_ROWS) {
        if (n + PANEL_ROWS > n1)
            n = n1 - PANEL_ROWS; /* overlaps the group before: the same bits, written twice */
        const uint8_t *rows = w->data + (size_t)n * w->row_bytes;
        const uint8_t *next = n + PANEL_ROWS < n1 ? rows + PANEL_ROWS * w->row_bytes : then;
        group_rows(w, rows, next, x, P, acc);
        for (int r = 0; r < x->n_rows; r++)
            memcpy(out + (size_t)r * ld_out + n, acc + (size_t)r * PANEL_ROWS, PANEL_ROWS * sizeof *acc);
    }
}

void fill_tile_avx512(struct kernels *k)
{
    for (int t = 0; t < TYPE_COUNT; t++)
        if (own[t].products)
            k->tile[t] = tile;
}

#endif
