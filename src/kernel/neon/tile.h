/* The tile of NEON, for the instructions that multiply four weight rows with one activation row (dotprod) and, where the compiler has
 * them, two with two (i8mm): eight weight rows are unpacked one step at a time to a panel in L1, which meets activation rows four at a
 * time.
 *
 *   dotprod   panel vector (k4, r): four signed codes, 4 k4 .. 4 k4 + 3, of each of four weight rows
 *             vector of sums: these rows with one activation row
 *   i8mm      panel vector (k8, p): eight signed codes, 8 k8 .. 8 k8 + 7, of each of two weight rows
 *             vector of sums: the first with two activation rows, then the second with them
 *
 * Lanes of floats are always four weight rows, so the float sums need no shuffles. */
#ifndef KERNEL_NEON_TILE_H
#define KERNEL_NEON_TILE_H

#include "kernel/neon/simd.h"
#include "kernel/neon/unpack.h"
#include "kernel/tiers.h"

enum { R = 2, ROWS = 4 * R, TOKENS = 4 };
#if defined(__ARM_FEATURE_MATMUL_INT8)
enum { VECTORS = 4, PER = 2 }; /* of panel codes with the same k; activation rows a vector of sums meets */
#else
enum { VECTORS = 2, PER = 1 };
#endif
enum { SUMS = VECTORS * TOKENS / PER };

struct panel {
    int8x16_t code[STEP / 16 * ROWS];         /* [k][VECTORS] */
    int32x4_t scale[16][VECTORS], min[16][R]; /* of groups of the K family; scales as the sums lie */
    float32x4_t d[16][R], dmin[R], m[8][R];
};

_Static_assert(sizeof(struct panel) <= TILE_PANEL_BYTES && (int)ROWS <= (int)TILE_GROUP, "the panel fits its scratch");

/* One step of some activation rows; the pointers are those of its first row. */
struct part {
    int m, n_blocks;
    const int8_t *q;
    const float *dx;
    const int16_t *s16, *s32;
    float *acc; /* [m][ROWS] */
};

/* ---- sums: [VECTORS][TOKENS / PER] vectors --------------------------------------------------------------------------------- */

INL int used(const int T) { return (T + PER - 1) / PER; }

INL void clear(int32x4_t a[SUMS]) { UNROLL for (int i = 0; i < SUMS; i++) a[i] = vdupq_n_s32(0); }

#if defined(__ARM_FEATURE_MATMUL_INT8)
/* + sixteen codes of all weight rows times those of T rows at q; the last of an odd number is taken twice. */
INL void add_products(int32x4_t a[SUMS], const int8x16_t *c, const int T, const int8_t *q)
{
    UNROLL for (int i = 0; i < used(T); i++)
    {
        int64x2_t x = vreinterpretq_s64_s8(vld1q_s8(q + 2 * i * STEP));
        int64x2_t y = 2 * i + 1 < T ? vreinterpretq_s64_s8(vld1q_s8(q + (2 * i + 1) * STEP)) : x;
        int8x16_t low = vreinterpretq_s8_s64(vzip1q_s64(x, y)), high = vreinterpretq_s8_s64(vzip2q_s64(x, y));
        UNROLL for (int v = 0; v < VECTORS; v++)
        {
            int32x4_t *s = &a[v * TOKENS / PER + i];
            *s = vmmlaq_s32(vmmlaq_s32(*s, c[v], low), c[VECTORS + v], high);
        }
    }
}

/* Four weight rows with one activation row. */
INL int32x4_t lanes_of(const int32x4_t a[SUMS], int r, int t)
{
    const int32x4_t *two = &a[2 * r * TOKENS / PER + t / 2], *next = two + TOKENS / PER;
    return t % 2 ? vuzp2q_s32(*two, *next) : vuzp1q_s32(*two, *next);
}

/* Sixteen codes of the four rows of half r. */
INL void put_codes(int8x16_t *to, int r, const int8x16_t row[4])
{
    UNROLL for (int p = 0; p < 2; p++)
    {
        int64x2_t a = vreinterpretq_s64_s8(row[2 * p]), b = vreinterpretq_s64_s8(row[2 * p + 1]);
        to[2 * r + p] = vreinterpretq_s8_s64(vzip1q_s64(a, b));
        to[VECTORS + 2 * r + p] = vreinterpretq_s8_s64(vzip2q_s64(a, b));
    }
}

INL void put_scale(int32x4_t scale[VECTORS], int r, int lane, int32_t s)
{
    scale[2 * r + lane / 2][lane % 2 * 2] = scale[2 * r + lane / 2][lane % 2 * 2 + 1] = s;
}
#else
INL void add_products(int32x4_t a[SUMS], const int8x16_t *c, const int T, const int8_t *q)
{
    int8x16_t v[TOKENS];
    UNROLL for (int t = 0; t < T; t++) v[t] = vld1q_s8(q + t * STEP);
    UNROLL for (int r = 0; r < R; r++) UNROLL for (int t = 0; t < T; t++)
    {
        int32x4_t s = a[r * TOKENS + t];
        s = vdotq_laneq_s32(s, c[r], v[t], 0);
        s = vdotq_laneq_s32(s, c[R + r], v[t], 1);
        s = vdotq_laneq_s32(s, c[2 * R + r], v[t], 2);
        a[r * TOKENS + t] = vdotq_laneq_s32(s, c[3 * R + r], v[t], 3);
    }
}

INL int32x4_t lanes_of(const int32x4_t a[SUMS], int r, int t) { return a[r * TOKENS + t]; }

/* Four dwords of each of four rows: vector j holds their dword j, lane = row. */
INL void put_codes(int8x16_t *to, int r, const int8x16_t row[4])
{
    int32x4_t v[4];
    UNROLL for (int l = 0; l < 4; l++) v[l] = vreinterpretq_s32_s8(row[l]);
    int64x2_t a = vreinterpretq_s64_s32(vtrn1q_s32(v[0], v[1])), b = vreinterpretq_s64_s32(vtrn2q_s32(v[0], v[1]));
    int64x2_t c = vreinterpretq_s64_s32(vtrn1q_s32(v[2], v[3])), d = vreinterpretq_s64_s32(vtrn2q_s32(v[2], v[3]));
    to[r] = vreinterpretq_s8_s64(vtrn1q_s64(a, c));
    to[R + r] = vreinterpretq_s8_s64(vtrn1q_s64(b, d));
    to[2 * R + r] = vreinterpretq_s8_s64(vtrn2q_s64(a, c));
    to[3 * R + r] = vreinterpretq_s8_s64(vtrn2q_s64(b, d));
}

INL void put_scale(int32x4_t scale[VECTORS], int r, int lane, int32_t s) { scale[r][lane] = s; }
#endif

/* The sums of group g, sub values, of T rows; sub and T are constants. */
INL void group_sums(int32x4_t a[SUMS], const struct panel *P, const int sub, const int T, int g, const int8_t *q)
{
    clear(a);
    UNROLL for (int k = 0; k < sub; k += 16)
    {
        const int at = g * sub + k;
        add_products(a, P->code + at / 16 * ROWS, T, q + at);
    }
}

/* ---- a step ------------------------------------------------------------------------------------------------------------------ */

INL void k_step(const struct panel *P, const int sub, const int has_min, const int T, const struct part *a)
{
    int32x4_t s[SUMS];
    clear(s);
    for (int g = 0; g < STEP / sub; g++) {
        int32x4_t v[SUMS];
        group_sums(v, P, sub, T, g, a->q);
        UNROLL for (int i = 0; i < VECTORS; i++) UNROLL for (int t = 0; t < used(T); t++)
        {
            const int at = i * TOKENS / PER + t;
            s[at] = vmlaq_s32(s[at], v[at], P->scale[g][i]);
        }
    }
    UNROLL for (int t = 0; t < T; t++) UNROLL for (int r = 0; r < R; r++)
    {
        float *o = a->acc + t * ROWS + r * 4;
        const float32x4_t dx = f32x4(a->dx[t]);
        float32x4_t y = vfmaq_f32(vld1q_f32(o), vmulq_f32(P->d[0][r], dx), vcvtq_f32_s32(lanes_of(s, r, t)));
        if (has_min) {
            int32x4_t z = vdupq_n_s32(0);
            for (int g = 0; g < STEP / sub; g++)
                z = vmlaq_n_s32(z, P->min[g][r], sub == 16 ? a->s16[t * 16 + g] : a->s32[t * 8 + g]);
            y = vfmsq_f32(y, vmulq_f32(P->dmin[r], dx), vcvtq_f32_s32(z));
        }
        vst1q_f32(o, y);
    }
}

INL void small_step(const struct panel *P, const int sub, const int has_min, const int T, const struct part *a)
{
    for (int g = 0; g < a->n_blocks * (32 / sub); g++) {
        int32x4_t v[SUMS];
        group_sums(v, P, sub, T, g, a->q);
        UNROLL for (int t = 0; t < T; t++)
        {
            const int x = t * 8 + g * sub / 32;
            const float32x4_t dx = f32x4(a->dx[x]);
            UNROLL for (int r = 0; r < R; r++)
            {
                float *o = a->acc + t * ROWS + r * 4;
                float32x4_t y = vfmaq_f32(vld1q_f32(o), vmulq_f32(P->d[g][r], dx), vcvtq_f32_s32(lanes_of(v, r, t)));
                if (has_min)
                    y = vfmaq_f32(y, vmulq_f32(P->m[g][r], dx), f32x4((float)a->s32[x]));
                vst1q_f32(o, y);
            }
        }
    }
}

INL void some_rows(const struct panel *P, const enum act_family family, const int sub, const int has_min, const int T,
                   const struct part *a)
{
    if (family == ACT_X256)
        k_step(P, sub, has_min, T, a);
    else
        small_step(P, sub, has_min, T, a);
}

INL void all_rows(const struct panel *P, const enum act_family family, const int sub, const int has_min, struct part a)
{
    for (int left = (a.m + TOKENS - 1) / TOKENS; left > 0; left--) {
        int T = (a.m + left - 1) / left;
        switch (T) {
        case 4:
            some_rows(P, family, sub, has_min, 4, &a);
            break;
        case 3:
            some_rows(P, family, sub, has_min, 3, &a);
            break;
        case 2:
            some_rows(P, family, sub, has_min, 2, &a);
            break;
        default:
            some_rows(P, family, sub, has_min, 1, &a);
            break;
        }
        a.m -= T;
        a.q += T * STEP;
        a.dx += T * (family == ACT_X256 ? 1 : 8);
        a.s16 += T * 16;
        a.s32 += T * 8;
        a.acc += T * ROWS;
    }
}

typedef void variant_fn(const struct panel *P, const struct part *a);

#define VARIANT(name, family, sub, has_min)                                                                            \
    static __attribute__((noinline)) void name(const struct panel *P, const struct part *a)                            \
    {                                                                                                                  \
        all_rows(P, family, sub, has_min, *a);                                                                         \
    }
VARIANT(k16, ACT_X256, 16, 0)
VARIANT(k16_min, ACT_X256, 16, 1)
VARIANT(k32, ACT_X256, 32, 0)
VARIANT(k32_min, ACT_X256, 32, 1)
VARIANT(b16, ACT_X32, 16, 0)
VARIANT(b32, ACT_X32, 32, 0)
VARIANT(b32_min, ACT_X32, 32, 1)

static variant_fn *variant_of(const struct unpacking *u)
{
    if (u->family == ACT_X32)
        return u->minima == MIN_FLOAT ? b32_min : u->sub == 16 ? b16 : b32;
    if (u->minima == MIN_INT)
        return u->sub == 16 ? k16_min : k32_min;
    return u->sub == 16 ? k16 : k32;
}

/* ---- filling the panel ------------------------------------------------------------------------------------------------------- */

/* What is beside the codes of row `lane` of half r. */
INL void put_scales(struct panel *P, const struct unpacking *u, const struct step *s, int r, int lane, int n)
{
    if (u->family == ACT_X32) {
        for (int g = 0; g < n / u->sub; g++)
            P->d[g][r][lane] = s->d[g * u->sub / 16];
        for (int g = 0; u->minima == MIN_FLOAT && g < n / 32; g++)
            P->m[g][r][lane] = s->m[g];
        return;
    }
    P->d[0][r][lane] = s->d[0];
    for (int g = 0; g < STEP / u->sub; g++)
        put_scale(P->scale[g], r, lane, s->scale[g * u->sub / 16]);
    if (u->minima == MIN_NONE)
        return;
    P->dmin[r][lane] = s->dmin;
    for (int g = 0; g < STEP / u->sub; g++)
        P->min[g][r][lane] = s->min[g * u->sub / 16];
}

/* n values of eight rows at p. */
static void fill_panel(struct panel *P, const struct wmat *w, const uint8_t *p, int n)
{
    const struct unpacking *u = &unpackings[w->type];
    struct step s[4];
    for (int r = 0; r < R; r++) {
        for (int lane = 0; lane < 4; lane++, p += w->row_bytes) {
            unpack_neon[w->type](&s[lane], p, n);
            put_scales(P, u, &s[lane], r, lane, n);
        }
        for (int i = 0; i < n; i += 16)
            put_codes(P->code + i / 16 * ROWS, r,
                      (const int8x16_t[]){vld1q_s8(s[0].code + i), vld1q_s8(s[1].code + i), vld1q_s8(s[2].code + i),
                                          vld1q_s8(s[3].code + i)});
    }
}

static void group_rows(const struct wmat *w, const uint8_t *rows, const struct xq *x, struct panel *P, float *acc)
{
    variant_fn *products = variant_of(&unpackings[w->type]);
    const size_t step_bytes = type_row_bytes(type_info(w->type), STEP);
    const size_t d_row = x->family == ACT_X256 ? 1 : 8;
    memset(acc, 0, (size_t)x->n_rows * ROWS * sizeof *acc);
    for (int b = 0; b < x->n_steps; b++, rows += step_bytes) {
        const size_t at = (size_t)b * (size_t)x->plane;
        const int n = step_values(w->n_cols, b);
        fill_panel(P, w, rows, n);
        products(P, &(struct part){
                        .m = x->n_rows,
                        .n_blocks = n / 32,
                        .q = x->code + at * STEP,
                        .dx = x->scale + at * d_row,
                        .s16 = x->sum16 + at * 16,
                        .s32 = x->sum32 + at * 8,
                        .acc = acc,
                    });
    }
}

/* Below this many activation rows pairs are taken: a choice by the count of instructions, not measured. */
enum { ROWS_MIN = 4 };

static void tile(const struct kernels *k, const struct wmat *w, int n0, int n1, const struct xq *x, float *out,
                 size_t ld_out, const uint8_t *then, void *scratch)
{
    struct panel *P = scratch;
    float *acc = (float *)((char *)scratch + TILE_PANEL_BYTES);
    if (n1 - n0 < ROWS || x->n_rows < ROWS_MIN) {
        tile_by_dots(k, w, n0, n1, x, out, ld_out, then);
        return;
    }
    for (int n = n0; n < n1; n += ROWS) {
        if (n + ROWS > n1)
            n = n1 - ROWS; /* overlaps the group before: the same bits, written twice */
        group_rows(w, w->data + (size_t)n * w->row_bytes, x, P, acc);
        for (int r = 0; r < x->n_rows; r++)
            memcpy(out + (size_t)r * ld_out + n, acc + (size_t)r * ROWS, ROWS * sizeof *acc);
    }
}

static inline void fill_tile(struct kernels *k)
{
    for (int t = 0; t < TYPE_COUNT; t++)
        if (unpack_neon[t])
            k->tile[t] = tile;
}

#endif
