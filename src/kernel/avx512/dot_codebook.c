/* The dot and the pair of iq2_xxs, iq2_xs, iq3_xxs and iq3_s, AVX-512: four weight rows at a time. Grids are looked up in registers, 32
 * cells at once, where loads would fetch them one by one. Grids of 1024 cells and more take too many rounds: dot_k.c.
 *
 *   cell of a grid      a word: each value as its place among the grid's values, half of them in each byte
 *                       iq2: eight values of 2 bits; iq3: four of 3
 *   indices of a step   32 words (iq3: 64) --> their cells: 64 entries of the grid at a time, by vpermi2w
 *   a round             two values of each cell, shifted to the bottom of their bytes, become codes by vpshufb and meet
 *                       activations in the same order; a lane sums the values of one scale
 *
 * What is summed is that of avx2/dot_k.h, so are the bits. Every load lies inside its block. */
#if defined(__x86_64__)
#include "format/grids.h"
#include "kernel/avx2/step.h"
#include "kernel/avx512/sums.h"
#include "kernel/dot_rows.h"
#include "kernel/tiers.h"

enum { ENTRIES = 64 /* of a grid, in two registers */ };

/* Filled once, with the table of the tier. */
static struct {
    uint16_t iq2_xxs[256], iq2_xs[512], iq3_xxs[256], iq3_s[512];
} cells __attribute__((aligned(64)));

static const uint8_t values_iq2[] = {8, 25, 43}, values_iq3_xxs[] = {4, 12, 20, 28, 36, 44, 52, 62},
                     values_iq3_s[] = {1, 3, 5, 7, 9, 11, 13, 15};

static int place_of(uint8_t value, const uint8_t *values)
{
    int i = 0;
    while (values[i] != value)
        i++;
    return i;
}

static void pack(uint16_t *to, const void *grid, int n_cells, const uint8_t *values, int width)
{
    const int n_values = width == 2 ? 8 : 4;
    const uint8_t *v = grid;
    for (int c = 0; c < n_cells; c++, v += n_values) {
        unsigned word = 0;
        for (int i = 0; i < n_values; i++)
            word |= (unsigned)place_of(v[i], values) << (i % (n_values / 2) * width + i / (n_values / 2) * 8);
        to[c] = (uint16_t)word;
    }
}

static void pack_grids(void)
{
    pack(cells.iq2_xxs, grid_iq2_xxs, 256, values_iq2, 2);
    pack(cells.iq2_xs, grid_iq2_xs, 512, values_iq2, 2);
    pack(cells.iq3_xxs, grid_iq3_xxs, 256, values_iq3_xxs, 3);
    pack(cells.iq3_s, grid_iq3_s, 512, values_iq3_s, 3);
}

/* ---- what a type says ---- */

INL int is_iq3(const enum block_type t) { return t == TYPE_IQ3_S || t == TYPE_IQ3_XXS; }

struct grid {
    const uint16_t *cells;
    int n_cells;
};

INL struct grid grid_of(const enum block_type t)
{
    switch (t) {
    case TYPE_IQ2_XXS:
        return (struct grid){cells.iq2_xxs, 256};
    case TYPE_IQ2_XS:
        return (struct grid){cells.iq2_xs, 512};
    case TYPE_IQ3_XXS:
        return (struct grid){cells.iq3_xxs, 256};
    default: /* iq3_s */
        return (struct grid){cells.iq3_s, 512};
    }
}

/* The code of each place. */
INL __m512i codes_of_places(const enum block_type t)
{
    const long long table = t == TYPE_IQ3_S ? 0x0f0d0b0907050301 : t == TYPE_IQ3_XXS ? 0x3e342c241c140c04 : 0x2b1908;
    return _mm512_set1_epi64(table);
}

/* ---- indices ---- */

/* The indices of the step at p; half: of iq3 alone. */
INL __m512i indices(const enum block_type t, const uint8_t *p, const int half)
{
    if (t == TYPE_IQ2_XXS) /* four bytes, then four of signs and scale */
        return _mm512_cvtepu8_epi16(_mm512_cvtepi64_epi32(_mm512_loadu_si512(p + 2)));
    if (t == TYPE_IQ2_XS)
        return _mm512_and_si512(_mm512_loadu_si512(p + 2), _mm512_set1_epi16(511));
    const __m512i low = _mm512_cvtepu8_epi16(load256(p + 2 + 32 * half)), ninth = _mm512_set1_epi16(256);
    if (t == TYPE_IQ3_XXS)
        return low;
    return _mm512_mask_add_epi16(low, _cvtu32_mask32(load_u32(p + 66 + 4 * half)), low, ninth);
}

/* The cells of n vectors of indices, in place. Each element is replaced in the round of its 64 entries. */
INL void look_up(__m512i *v, const int n, const struct grid g)
{
    __m512i round[8];
    UNROLL for (int i = 0; i < n; i++) round[i] = _mm512_srli_epi16(v[i], 6);
    for (int j = 0; j < g.n_cells / ENTRIES; j++) {
        const __m512i low = _mm512_load_si512(g.cells + ENTRIES * j),
                      high = _mm512_load_si512(g.cells + ENTRIES * j + 32);
        const __m512i this_round = _mm512_set1_epi16((short)j);
        UNROLL for (int i = 0; i < n; i++)
            v[i] = _mm512_mask2_permutex2var_epi16(low, v[i], _mm512_cmpeq_epi16_mask(round[i], this_round), high);
    }
}

/* ---- rounds: 64 values at a time, two of each cell ----
 *
 * A word of a cell holds half of its values in each byte, so that one shift brings value s to the bottom of its lower byte and value
 * s + half to that of its upper one. The activations are put into the same order. Sums of whole numbers have none. */

enum { ROUNDS = 4 };

/* Round i: of iq3's two halves of 32 cells i / 2 has the values s = i % 2; otherwise s = i of all cells. */
INL int value_of_round(const enum block_type t, const int i) { return is_iq3(t) ? i % 2 : i; }
INL int half_of_round(const enum block_type t, const int i) { return is_iq3(t) ? i / 2 : 0; }

/* The step's activations at q, in the order of the rounds. */
INL void arrange(__m512i x[ROUNDS], const enum block_type t, const int8_t *q)
{
    /* to words of two values that meet in a round */
    const __m512i meet = is_iq3(t) ? _mm512_broadcast_i32x4(
                                         _mm_setr_epi8(0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15))
                                   : _mm512_broadcast_i32x4(
                                         _mm_setr_epi8(0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15));
    uint16_t at[32];
    __m512i w[4];
    UNROLL for (int i = 0; i < 4; i++) w[i] = _mm512_shuffle_epi8(_mm512_loadu_si512(q + 64 * i), meet);
    UNROLL for (int i = 0; i < ROUNDS; i++)
    {
        const int s = value_of_round(t, i), a = is_iq3(t) ? 2 * half_of_round(t, i) : 0, words = is_iq3(t) ? 2 : 4;
        UNROLL for (int j = 0; j < 32; j++) at[j] = (uint16_t)((words * j + s) % 64);
        const __m512i order = _mm512_loadu_si512(at);
        x[i] = _mm512_permutex2var_epi16(w[a], order, w[a + 1]);
        if (!is_iq3(t))
            x[i] = _mm512_inserti64x4(x[i], _mm512_castsi512_si256(_mm512_permutex2var_epi16(w[2], order, w[3])), 1);
    }
}

/* The signs of the values of each cell, in both bytes of its word. */
INL __m512i signs_of_cells(const enum block_type t, const struct head *h, const int half)
{
    const __m512i lowest = is_iq3(t) ? _mm512_broadcast_i32x4(
                                           _mm_setr_epi8(0, 0, 0, 0, 4, 4, 4, 4, 8, 8, 8, 8, 12, 12, 12, 12))
                                     : _mm512_broadcast_i32x4(
                                           _mm_setr_epi8(0, 0, 2, 2, 4, 4, 6, 6, 8, 8, 10, 10, 12, 12, 14, 14));
    return _mm512_shuffle_epi8(is_iq3(t) ? _mm512_cvtepu8_epi32(load128(h->negative + 4 * half))
                                         : _mm512_cvtepu8_epi16(load256(h->negative)),
                               lowest);
}

/* The values of round i that are negative. A byte has the signs of two cells of iq3. */
INL __mmask64 negative_in_round(const enum block_type t, const int i, __m512i signs)
{
    const int s = value_of_round(t, i);
    const __m512i bits = is_iq3(t) ? _mm512_set1_epi32((int)(0x40100401u << s))
                                   : _mm512_set1_epi16((short)(0x1001 << s));
    return _mm512_test_epi8_mask(signs, bits);
}

INL __m512i codes_of_round(const enum block_type t, const int i, __m512i of_cells)
{
    const int width = is_iq3(t) ? 3 : 2;
    __m512i w = _mm512_srli_epi16(of_cells, (unsigned)(width * value_of_round(t, i)));
    return _mm512_shuffle_epi8(codes_of_places(t), _mm512_and_si512(w, _mm512_set1_epi8(is_iq3(t) ? 7 : 3)));
}

/* The scales of the lanes of sums: one of 16 values each, or of iq3's half one of 8. */
INL __m512i scales_of_lanes(const enum block_type t, const struct head *h, const int half)
{
    if (!is_iq3(t))
        return _mm512_cvtepi16_epi32(h->scale);
    __m256i s = half ? _mm256_permute4x64_epi64(h->scale, 0xfa) : _mm256_permute4x64_epi64(h->scale, 0x50);
    return _mm512_cvtepi16_epi32(_mm256_unpacklo_epi16(s, s));
}

/* Adds half of a weight row (iq2: all of it) times m activation rows, arranged in q. */
INL void add_row(__m512i v[2], const enum block_type t, const int m, const struct head *h, const int half,
                 __m512i of_cells, __m512i q[2][ROUNDS])
{
    const __m512i signs = signs_of_cells(t, h, half), scale = scales_of_lanes(t, h, half),
                  zero = _mm512_setzero_si512();
    const int n = is_iq3(t) ? ROUNDS / 2 : ROUNDS;
    __m512i sum[2] = {zero, zero};
    UNROLL for (int j = 0; j < n; j++)
    {
        const int round = half * n + j;
        const __m512i u = codes_of_round(t, round, of_cells);
        const __mmask64 negative = negative_in_round(t, round, signs);
        UNROLL for (int i = 0; i < m; i++)
            sum[i] = _mm512_dpbusd_epi32(sum[i], u, _mm512_mask_sub_epi8(q[i][round], negative, zero, q[i][round]));
    }
    UNROLL for (int i = 0; i < m; i++) v[i] = _mm512_add_epi32(v[i], _mm512_mullo_epi32(sum[i], scale));
}

/* One step of four rows at p, rs bytes apart, with m activation rows; t and m are constants. */
INL void step_codebook(__m128 *acc, const enum block_type t, const int m, const uint8_t *p, size_t rs,
                       const struct xq *x, const size_t *at)
{
    const int halves = is_iq3(t) ? 2 : 1;
    __m512i of_cells[8], v[4][2], q[2][ROUNDS];
    UNROLL for (int i = 0; i < m; i++) arrange(q[i], t, x->code + at[i] * STEP);
    UNROLL for (int r = 0; r < 4; r++) UNROLL for (int half = 0; half < halves; half++)
        of_cells[halves * r + half] = indices(t, p + (size_t)r * rs, half);
    look_up(of_cells, 4 * halves, grid_of(t));
    UNROLL for (int r = 0; r < 4; r++)
    {
        struct head h;
        load_head(&h, t, p + (size_t)r * rs);
        v[r][0] = v[r][1] = _mm512_setzero_si512();
        UNROLL for (int half = 0; half < halves; half++) add_row(v[r], t, m, &h, half, of_cells[halves * r + half], q);
    }
    const __m128 d = load_d4(t, p, rs);
    UNROLL for (int i = 0; i < m; i++)
    {
        const __m512i sums[4] = {v[0][i], v[1][i], v[2][i], v[3][i]};
        acc[i] = close_rows(acc[i], sums, d, x->scale[at[i]]);
    }
}

#define DOT_CODEBOOK(name, TYPE)                                                                                       \
    DOT(dot_##name, step_codebook(acc, TYPE, 1, p, rs, x, at))                                                         \
    PAIR(pair_##name, step_codebook(acc, TYPE, 2, p, rs, x, at))

CODEBOOK_TYPES(DOT_CODEBOOK)

void fill_dot_codebook_avx512(struct kernels *k)
{
    static const struct own_dot own[] = {CODEBOOK_TYPES(OWN_DOT)};
    pack_grids();
    fill_dots(k, own, sizeof own / sizeof own[0]);
}

#endif
