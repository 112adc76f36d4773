/* Products of weights and activations: every type and tier against the scalar tier, and the scalar tier against decoded weights in f64. */
#ifndef KERNELS_PRODUCTS_H
#define KERNELS_PRODUCTS_H

#include "kernel/tiers.h"
#include "kernels_common.h"

static struct guarded mem_weights, mem_act, mem_float, mem_out, mem_scratch;
static float *ref_out, *row_values;

enum { MAX_N = 96, MAX_K = 2880, MAX_M = 32, SENTINEL = 0x7fa5a5a5 };

static void products_memory(void)
{
    mem_weights = guarded_new((size_t)MAX_N * MAX_K * 4);
    mem_act = guarded_new(xq_bytes(ACT_X32, MAX_M + 8, MAX_K));
    mem_float = guarded_new((size_t)(MAX_M + 8) * (MAX_K + 16) * 4);
    mem_out = guarded_new((size_t)MAX_M * (MAX_N + 8) * 4);
    ref_out = malloc((size_t)MAX_M * (MAX_N + 8) * 4);
    row_values = malloc((MAX_K + 16) * sizeof(float));
    mem_scratch = guarded_new(kernel_tile_scratch(MAX_M));
    if (!ref_out || !row_values)
        exit(1);
}

/* ---- weights: random bytes, then the float scales of a type set to what the case asks for ---- */

enum scales { SCALES_SANE, SCALES_EDGE, SCALES_INFINITE };

static uint16_t f16_scale(enum scales s)
{
    static const uint16_t edge[] = {0, 0x8000, 1, 0x8001, 0x03ff, 0x0400, 0x7bff, 0xfbff, 0x3c00, 0xbc00};
    static const uint16_t infinite[] = {0x7c00, 0xfc00, 0x7e00, 0xfe01, 0x7c01, 0xfdff, 0x3c00, 0};
    if (s == SCALES_INFINITE) /* or NaN, quiet and signalling, beside a minimum that is neither */
        return infinite[rnd_below(sizeof infinite / sizeof infinite[0])];
    if (s == SCALES_EDGE)
        return edge[rnd_below(sizeof edge / sizeof edge[0])];
    return (uint16_t)(0x1c00 + (rnd() & 0x87ff)); /* 2^-8 .. 2^-6, either sign */
}

static void put_u16(uint8_t *p, uint16_t v) { memcpy(p, &v, 2); }

static void set_block_scales(enum block_type t, uint8_t *b, enum scales s)
{
    static const struct {
        int8_t at[2];
        uint8_t big;
    } field[TYPE_COUNT] = {
        [TYPE_Q4_1] = {{0, 2}},      [TYPE_Q5_1] = {{0, 2}},    [TYPE_Q2_K] = {{80, 82}},
        [TYPE_Q3_K] = {{108, 108}},  [TYPE_Q4_K] = {{0, 2}},    [TYPE_Q5_K] = {{0, 2}},
        [TYPE_Q6_K] = {{0, 0}, 208}, [TYPE_TQ1_0] = {{52, 52}}, [TYPE_TQ2_0] = {{64, 64}},
    };
    if (t == TYPE_MXFP4) {
        static const uint8_t edge[] = {0, 1, 2, 127, 254, 250};
        b[0] = s == SCALES_INFINITE ? 255 : s == SCALES_EDGE ? edge[rnd_below(6)] : (uint8_t)(118 + rnd_below(6));
    } else if (t == TYPE_NVFP4) {
        for (int i = 0; i < 4; i++)
            b[i] = (uint8_t)(s == SCALES_INFINITE ? 127 + rnd_below(2) * 128
                             : s == SCALES_EDGE   ? rnd_below(256)
                                                  : 40 + rnd_below(16));
    } else if (t == TYPE_IQ1_M) {
        uint16_t d = f16_scale(s);
        for (int i = 0; i < 4; i++)
            b[49 + 2 * i] = (uint8_t)((b[49 + 2 * i] & 15) | (d >> 4 * i & 15) << 4);
    } else {
        put_u16(b + field[t].at[0] + field[t].big, f16_scale(s));
        put_u16(b + field[t].at[1] + field[t].big, f16_scale(s));
    }
}

/* fill: -1 random codes, else every byte of codes and integer scales is it. Of scales that are not finite one a row, by chance: of more
 * sums would be NaN alone. */
static struct wmat weights(enum block_type t, int n, int k, int fill, enum scales s)
{
    const struct block_info *info = type_info(t);
    size_t row = type_row_bytes(info, (size_t)k), bytes = row * (size_t)n;
    uint8_t *w = place_anywhere(mem_weights, bytes);
    for (size_t i = 0; i < bytes; i++)
        w[i] = (uint8_t)(fill < 0 ? rnd() >> 13 : (uint32_t)fill);
    for (size_t b = 0; b < bytes; b += (size_t)info->bytes)
        set_block_scales(t, w + b, s == SCALES_INFINITE && rnd_below(k / info->block + 1) ? SCALES_SANE : s);
    return (struct wmat){w, t, n, k, row};
}

/* ---- activations ---- */

enum values { VALUES_RANDOM, VALUES_PLUS, VALUES_MINUS, VALUES_SIGNS, VALUES_ODD };

static void activation_row(float *v, int k, enum values kind, int row)
{
    for (int i = 0; i < k; i++)
        switch (kind) {
        case VALUES_RANDOM:
            v[i] = rnd_unit() * (i % 97 ? 1.0f : 8.0f);
            break;
        case VALUES_PLUS:
            v[i] = 1;
            break;
        case VALUES_MINUS:
            v[i] = -1;
            break;
        case VALUES_SIGNS:
            v[i] = rnd() & 1 ? 3.0f : -3.0f;
            break;
        case VALUES_ODD:
            switch (row % 8) {
            case 0:
                v[i] = i & 1 ? 0.0f : -0.0f;
                break;
            case 1:
                v[i] = i == k / 2 ? 1e30f : 1e-3f;
                break;
            case 2:
                v[i] = 0x1p-101f;
                break;
            case 3:
                v[i] = i == 5 ? NAN : rnd_unit();
                break;
            case 4:
                v[i] = i == k - 1 ? -INFINITY : rnd_unit();
                break;
            case 5:
                v[i] = i == 0 ? 0x1p-100f : 0x1p-107f;
                break;
            case 6:
                v[i] = rnd_unit() * 3e38f;
                break;
            default:
                v[i] = rnd_unit() * 1e-29f;
                break;
            }
        }
}

/* Rows quantised by kernel table k; a view inside a bigger plane, as experts and prompt chunks make them. */
static struct xq activations(const struct kernels *k, enum act_family f, int m, int n_cols, int above, int below,
                             enum values kind, uint64_t seed)
{
    int plane = above + m + below;
    size_t bytes = xq_bytes(f, plane, n_cols);
    void *mem = place(mem_act, bytes);
    uint64_t keep = rng_state;
    memset(mem, 0x5a, bytes);
    struct xq x = xq_place(f, plane, n_cols, mem);
    rng_state = seed;
    for (int r = 0; r < plane; r++) {
        float *v = place(mem_float, (size_t)n_cols * 4);
        activation_row(v, n_cols, kind, r);
        k->quantise(&x, r, v);
    }
    rng_state = keep;
    return xq_rows(&x, above, m);
}

/* ---- one case: all tiers ---- */

static void sentinel_fill(float *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = f32_from_bits(SENTINEL);
}

/* Of each row of ld results, columns n0 to n1 were written, and no others. */
static int wrote_only(const float *out, size_t n, size_t ld, int n0, int n1)
{
    for (size_t i = 0; i < n; i++)
        if ((f32_bits(out[i]) == SENTINEL) != ((int)(i % ld) < n0 || (int)(i % ld) >= n1))
            return 0;
    return 1;
}

struct product {
    enum block_type t;
    int n, k, m, n0, n1;
    int fill;
    enum scales scales;
    enum values values;
};

/* Where this CPU can run two forms of a tier's kernels, the one that is not in its table: AVX-VNNI's instructions, AVX-512's look-ups in
 * grids. 0: there is no other. */
static int other_form(const struct kernels *k, struct kernels *other)
{
    *other = *k;
#if defined(__x86_64__)
    if (k->tier == TIER_AVXVNNI && cpu_best_tier() == TIER_AVX512 && cpu_has_avxvnni()) {
        fill_avxvnni_evex(other);
        return 1;
    }
    if (k->tier == TIER_AVX512) {
        fill_dot_k_avx512(other);
        fill_dot_codebook_avx512(other);
        if (other->dot[TYPE_IQ1_S] == k->dot[TYPE_IQ1_S])
            fill_dot_gather_avx512(other);
        return 1;
    }
#endif
    return 0;
}

/* The table gathers the cells of codebooks on the CPUs for which gathers are said to be fast, and on no others. */
static void check_gathers(void)
{
#if defined(__x86_64__)
    if (cpu_best_tier() != TIER_AVX512)
        return;
    const struct kernels *k = kernels_for(TIER_AVX512);
    struct kernels gathering = *k;
    fill_dot_gather_avx512(&gathering);
    check((k->dot[TYPE_IQ1_S] == gathering.dot[TYPE_IQ1_S]) == cpu_gathers_fast(cpu_is_intel(), ""),
          "the table and cpu_gathers_fast() differ");
#endif
}

/* The kernels of the other form that are not those of the table give the scalar results too. */
static void other_equal(const struct product *c, const struct kernels *k, const struct wmat *w, const struct xq *x,
                        float *out, size_t ld, void *scratch)
{
    struct kernels other;
    const size_t n_out = (size_t)c->m * ld;
    const char *tier = cpu_tier_name(k->tier), *type = type_info(c->t)->name;
    if (!other_form(k, &other))
        return;
    if (other.tile[c->t] != k->tile[c->t]) {
        sentinel_fill(out, n_out);
        other.tile[c->t](&other, w, c->n0, c->n1, x, out, ld, c->m % 2 ? w->data : NULL, scratch);
        long at = first_difference(out, ref_out, n_out);
        check(at < 0 && wrote_only(out, n_out, ld, c->n0, c->n1),
              "other tile %s %s, N %d [%d, %d) K %d M %d: differs at %ld", tier, type, c->n, c->n0, c->n1, c->k, c->m,
              at);
    }
    if (other.dot[c->t] != k->dot[c->t]) {
        sentinel_fill(out, n_out);
        for (int r = 0; r + 1 < c->m; r += 2)
            other.pair[c->t](w, c->n0, c->n1, x, (const int[]){r, r + 1},
                             (float *[]){out + (size_t)r * ld, out + (size_t)(r + 1) * ld}, NULL);
        for (int r = c->m / 2 * 2; r < c->m; r++)
            other.dot[c->t](w, c->n0, c->n1, x, r, out + (size_t)r * ld, w->data);
        long at = first_difference(out, ref_out, n_out);
        check(at < 0 && wrote_only(out, n_out, ld, c->n0, c->n1),
              "other dot, pair %s %s, N %d [%d, %d) K %d M %d: differs at %ld", tier, type, c->n, c->n0, c->n1, c->k,
              c->m, at);
    }
}

static void products_equal(const struct product *c)
{
    next_case();
    const struct block_info *info = type_info(c->t);
    enum act_family f = kernel_family(c->t);
    struct wmat w = weights(c->t, c->n, c->k, c->fill, c->scales);
    void *scratch = place(mem_scratch, kernel_tile_scratch(c->m));
    int above = rnd_below(3), below = rnd_below(3), ld = c->n + rnd_below(4);
    uint64_t seed = ((uint64_t)rnd() << 32) | 77;
    size_t n_out = (size_t)c->m * (size_t)ld;
    for (int tier = 0; tier <= (int)cpu_best_tier(); tier++) {
        const struct kernels *k = kernels_for((enum cpu_tier)tier);
        struct xq x = activations(k, f, c->m, c->k, above, below, c->values, seed);
        float *out = place(mem_out, n_out * 4);
        sentinel_fill(out, n_out);
        k->tile[c->t](k, &w, c->n0, c->n1, &x, out, (size_t)ld, c->m % 2 ? w.data : NULL, scratch);
        if (tier == 0)
            memcpy(ref_out, out, n_out * 4);
        long at = first_difference(out, ref_out, n_out);
        int clean = wrote_only(out, n_out, (size_t)ld, c->n0, c->n1);
        check(at < 0 && clean, "tile %s %s, N %d [%d, %d) K %d M %d fill %d values %d: %s at %ld", cpu_tier_name(tier),
              info->name, c->n, c->n0, c->n1, c->k, c->m, c->fill, c->values, clean ? "differs" : "wrote elsewhere",
              at);
        hash_floats(tier, out, n_out);

        sentinel_fill(out, n_out);
        for (int r = 0; r < c->m; r++)
            k->dot[c->t](&w, c->n0, c->n1, &x, r, out + (size_t)r * (size_t)ld, r % 2 ? w.data : NULL);
        at = first_difference(out, ref_out, n_out);
        clean = wrote_only(out, n_out, (size_t)ld, c->n0, c->n1);
        check(at < 0 && clean, "dot %s %s, N %d [%d, %d) K %d M %d fill %d values %d: %s at %ld", cpu_tier_name(tier),
              info->name, c->n, c->n0, c->n1, c->k, c->m, c->fill, c->values, clean ? "differs" : "wrote elsewhere",
              at);
        hash_floats(tier, out, n_out);

        sentinel_fill(out, n_out);
        for (int r = 0; r < c->m; r++) { /* every row with the one before it, so it comes first and second */
            const int row[2] = {r, (r + c->m - 1) % c->m};
            float *to[2] = {out + (size_t)row[0] * (size_t)ld, out + (size_t)row[1] * (size_t)ld};
            k->pair[c->t](&w, c->n0, c->n1, &x, row, to, r % 2 ? w.data : NULL);
        }
        at = first_difference(out, ref_out, n_out);
        clean = wrote_only(out, n_out, (size_t)ld, c->n0, c->n1);
        check(at < 0 && clean, "pair %s %s, N %d [%d, %d) K %d M %d fill %d values %d: %s at %ld", cpu_tier_name(tier),
              info->name, c->n, c->n0, c->n1, c->k, c->m, c->fill, c->values, clean ? "differs" : "wrote elsewhere",
              at);

        other_equal(c, k, &w, &x, out, (size_t)ld, scratch);
    }
}

/* Quantised activations of a tier against scalar ones: all planes. */
static void quantise_equal(enum act_family f, int k, enum values kind)
{
    next_case();
    int m = 9;
    size_t bytes = xq_bytes(f, m, k);
    char *ref = malloc(bytes);
    uint64_t seed = ((uint64_t)rnd() << 32) | 5;
    for (int tier = 0; ref && tier <= (int)cpu_best_tier(); tier++) {
        struct xq x = activations(kernels_for((enum cpu_tier)tier), f, m, k, 0, 0, kind, seed);
        size_t n_scale = (size_t)x.n_steps * (size_t)m * (f == ACT_X256 ? 1 : 8);
        for (size_t i = 0; i < n_scale; i++) /* one NaN */
            if (x.scale[i] != x.scale[i])
                x.scale[i] = NAN;
        if (tier == 0)
            memcpy(ref, x.code, bytes);
        int same = memcmp(x.code, ref, (size_t)x.n_steps * (size_t)m * 256) == 0;
        same &= memcmp(x.scale, ref + ((char *)x.scale - (char *)x.code), n_scale * 4) == 0;
        same &= memcmp(x.sum16, ref + ((char *)x.sum16 - (char *)x.code), (size_t)x.n_steps * (size_t)m * 32) == 0;
        same &= memcmp(x.sum32, ref + ((char *)x.sum32 - (char *)x.code), (size_t)x.n_steps * (size_t)m * 16) == 0;
        check(same, "quantise %s family %d K %d values %d differs", cpu_tier_name(tier), (int)f, k, (int)kind);
        hash_bytes(tier, x.code, (size_t)x.n_steps * (size_t)m * 256);
    }
    free(ref);
}

/* The scalar tier against decoded weights times dequantised activations, in f64. */
static void ref_equals_decode(enum block_type t, int n, int k, enum scales s)
{
    const struct kernels *kn = kernels_for(TIER_SCALAR);
    const struct block_info *info = type_info(t);
    enum act_family f = kernel_family(t);
    struct wmat w = weights(t, n, k, -1, s);
    struct xq x = activations(kn, f, 1, k, 0, 0, VALUES_RANDOM, ((uint64_t)rnd() << 32) | 9);
    float out[MAX_N];
    kn->dot[t](&w, 0, n, &x, 0, out, NULL);
    int bad = -1;
    for (int j = 0; j < n; j++) {
        double sum = 0, size = 0;
        info->decode(row_values, w.data + (size_t)j * w.row_bytes, (size_t)k);
        for (int i = 0; i < k; i++) {
            double d = f == ACT_X256 ? x.scale[i / 256] : x.scale[i / 256 * 8 + i % 256 / 32];
            double v = (double)row_values[i] * d * x.code[i];
            sum += v;
            size += fabs(v);
        }
        if (!(size <= 1e37)) /* beyond f32, in the decoder too */
            continue;
        /* the sums cancel between codes and minima: measured against all terms */
        if (!(fabs(sum - (double)out[j]) <= 2e-6 * size + 1e-37))
            bad = j;
    }
    check(bad < 0, "definition of %s, K %d: row %d is not the decoded product", info->name, k, bad);
}

/* ---- float weights ---- */

static void floats_equal(enum block_type t, int n, int k, int m, int n0, int n1, int odd)
{
    next_case();
    size_t width = (size_t)type_info(t)->bytes, row = (size_t)k * width;
    uint8_t *w = place_anywhere(mem_weights, (size_t)n * row);
    for (size_t i = 0; i < (size_t)n * (size_t)k; i++) {
        float v = odd && i % 7 == 0 ? rnd_unit() * 1e-39f : rnd_unit();
        if (odd && i % 1013 == 0)
            v = i & 1 ? -0.0f : INFINITY;
        if (odd == 2) /* every product rounds to -0, which an absent lane must not turn into +0 */
            v = 1e-7f;
        if (odd == 3 && i % 61 == 0)
            v = not_finite();
        uint32_t u = f32_bits(v);
        uint16_t h = t == TYPE_F16 ? f16_from_f32(v) : (uint16_t)(u >> 16);
        if (t == TYPE_F32)
            memcpy(w + 4 * i, &u, 4);
        else
            memcpy(w + 2 * i, &h, 2);
    }
    size_t ld_x = (size_t)k + (size_t)rnd_below(5), ld = (size_t)n + 3;
    float *x = place(mem_float, ((size_t)(m - 1) * ld_x + (size_t)k) * 4);
    for (size_t i = 0; i < (size_t)(m - 1) * ld_x + (size_t)k; i++)
        x[i] = odd == 2                   ? -1e-40f
               : odd == 3 && i % 301 == 9 ? not_finite()
               : odd && i % 5 == 0        ? rnd_unit() * 1e-40f
                                          : rnd_unit() * 4;
    struct wmat wm = {w, t, n, k, row};
    size_t n_out = (size_t)m * ld;
    for (int tier = 0; tier <= (int)cpu_best_tier(); tier++) {
        const struct kernels *kn = kernels_for((enum cpu_tier)tier);
        float *out = place(mem_out, n_out * 4);
        sentinel_fill(out, n_out);
        kn->tilef[t](&wm, n0, n1, x, ld_x, m, out, ld);
        if (tier == 0)
            memcpy(ref_out, out, n_out * 4);
        int clean = wrote_only(out, n_out, ld, n0, n1);
        long at = first_difference(out, ref_out, n_out);
        check(at < 0 && clean, "tilef %s %s N %d [%d, %d) K %d M %d: %s at %ld", cpu_tier_name(tier),
              type_info(t)->name, n, n0, n1, k, m, clean ? "differs" : "wrote elsewhere", at);
        hash_floats(tier, out, n_out);
    }
}

static void check_products(void)
{
    static const int k_256[] = {256, 768, 2048}, k_small[] = {32, 96, 128, 160, 192, 224, 256, 768, 1408, 2048, 2880};
    static const int fills[] = {0x00, 0xff, 0x7f, 0x80, 0x88, 0x77, 0x0f, 0xf0, 0x3f, 0xc0};
    static const int k_float[] = {1, 15, 16, 17, 64, 100, 255, 768};
    products_memory();
    for (int k = 256; k <= 2048; k += 256)
        for (int v = VALUES_RANDOM; v <= VALUES_ODD; v++) {
            quantise_equal(ACT_X256, k, (enum values)v);
            quantise_equal(ACT_X32, k + k / 256 % 8 * 32, (enum values)v);
        }
    for (int t = 0; t < TYPE_COUNT; t++) {
        enum act_family f = kernel_family((enum block_type)t);
        if (f == ACT_F32)
            continue;
        const int *ks = f == ACT_X256 ? k_256 : k_small, nk = f == ACT_X256 ? 3 : 11;
        for (int i = 0; i < nk; i++) {
            int k = ks[i];
            if (k % type_info((uint32_t)t)->block)
                continue;
            ref_equals_decode((enum block_type)t, 24, k, SCALES_SANE);
            ref_equals_decode((enum block_type)t, 24, k, SCALES_EDGE);
            for (int m = 1; m <= 14; m++) {
                int rows = m == 14 ? 32 : m, n = 33 + rnd_below(40), n0 = rnd_below(3), n1 = n - rnd_below(3);
                if (m % 5 == 0)
                    n = 1 + rnd_below(40), n0 = 0, n1 = n;
                if (k > 768 && m > 4 && m % 3)
                    continue;
                products_equal(&(struct product){(enum block_type)t, n, k, rows, n0, n1, -1,
                                                 m % 4 ? SCALES_SANE : SCALES_EDGE,
                                                 m % 3 == 2 ? VALUES_ODD : VALUES_RANDOM});
            }
            for (size_t j = 0; j < sizeof fills / sizeof fills[0]; j++)
                products_equal(&(struct product){(enum block_type)t, 34, k, 7, 0, 34, fills[j], SCALES_SANE,
                                                 j % 3 == 0   ? VALUES_PLUS
                                                 : j % 3 == 1 ? VALUES_MINUS
                                                              : VALUES_SIGNS});
            for (int m = 1; m <= 13; m += 6)
                products_equal(&(struct product){(enum block_type)t, 33 + m, k, m, 0, 33 + m, -1, SCALES_INFINITE,
                                                 m == 7 ? VALUES_ODD : VALUES_RANDOM});
            products_equal(&(struct product){(enum block_type)t, 40, k, 8, 0, 0, -1, SCALES_SANE, VALUES_RANDOM});
        }
    }
    static const enum block_type floats[] = {TYPE_F32, TYPE_F16, TYPE_BF16};
    for (int i = 0; i < 3; i++)
        for (size_t j = 0; j < sizeof k_float / sizeof k_float[0]; j++)
            for (int m = 1; m <= 9; m++)
                for (int odd = 0; odd < 4; odd++) {
                    int n = 1 + rnd_below(24), n0 = rnd_below(n), n1 = n0 + rnd_below(n - n0 + 1);
                    floats_equal(floats[i], n, k_float[j], m, n0, n1, odd);
                }
    for (int i = 0; i < 3; i++) /* more rows than meet a panel at once, more columns than it has */
        for (int m = 46; m <= 50; m++)
            for (int odd = 0; odd < 4; odd++)
                floats_equal(floats[i], 21, 505 + 13 * (m - 46), m + 48 * (odd % 2), odd, 21 - i, odd);
}

#endif
