/* The kernels: pure functions of pointers and counts, one table of them per CPU tier.
 *
 * The scalar tier defines every result (scalar/, written as in the definition); a faster tier replaces entries and must
 * give the same bits. Tables are filled upward: avx512 starts as a copy of avxvnni, that of avx2, i8mm of neon, avx2 and neon of scalar,
 * so an entry that a tier lacks is the next lower one. No allocation, no thread, no lock in here.
 *
 * The definition of the sums is in each family's scalar file; in short: integer dot products are exact, every f32 operation has
 * one defined order, a fused multiply-add is written fmaf and nothing else is fused, an output value is computed whole by one
 * thread, and absent elements take part in nothing.
 *
 * Memory is the caller's, row-major, aligned to nothing but where a comment says so; ld_*: floats from one row to the next. Inputs and
 * outputs do not overlap but where a comment says so. Kernels cannot fail, check nothing, and any number of threads may run them at a
 * time. */
#ifndef KERNEL_KERNEL_H
#define KERNEL_KERNEL_H

#include "base/cpu.h"
#include "format/types.h"

#include <stddef.h>
#include <stdint.h>

/* ---- quantised activations ------------------------------------------------------------------------------------------
 * Rows of activations as int8 codes with float scales, step-major: a step is 256 values, and all rows' codes of a step lie
 * together. Both formats share the planes:
 *
 *   code   int8  [n_steps][plane][256]                    64-byte aligned
 *   scale  float [n_steps][plane]        x256, one per step
 *          float [n_steps][plane][8]     x32, one per 32 values
 *   sum16  int16 [n_steps][plane][16]                     sums of codes per 16 values
 *   sum32  int16 [n_steps][plane][8]                      and per 32
 *
 * plane is the number of rows that memory was made for; a view of rows [r, r + n) keeps plane and advances the pointers.
 * x32 needs n_cols % 32 == 0 and fills the last step with zero codes and scale 0; x256 needs n_cols % 256 == 0. */
enum act_family { ACT_F32, ACT_X256, ACT_X32 }; /* the form of activations that a weight type is multiplied with */

struct xq {
    enum act_family family; /* not ACT_F32 */
    int n_rows, n_cols, n_steps, plane;
    int8_t *code;
    float *scale;
    int16_t *sum16, *sum32;
};

/* Bytes of memory for n_rows x n_cols (ACT_F32: 0), and the planes laid out in it: mem is 64-byte aligned, its contents are not
 * written. */
size_t xq_bytes(enum act_family family, int n_rows, int n_cols);
struct xq xq_place(enum act_family family, int n_rows, int n_cols, void *mem);

/* A view of rows [first, first + n) of the same planes. */
struct xq xq_rows(const struct xq *x, int first, int n);

/* What products with weights of this type want; ACT_F32 also of a type without kernels. */
enum act_family kernel_family(enum block_type t);

/* ---- weights ----------------------------------------------------------------------------------------------------------
 * A matrix as it lies in the file: rows of blocks, row_bytes apart, aligned to nothing. */
struct wmat {
    const uint8_t *data;
    enum block_type type;
    int n_rows, n_cols; /* output rows (N), row length in values (K) */
    size_t row_bytes;   /* from one row to the next */
    const float *scale; /* the product is multiplied by it (op/'s work, not a kernel's); NULL: 1 */
};

/* Products. x has the family of the weights' type and n_cols values a row, as w has.
 *
 * out[r * ld_out + n] = row n of w times row r of x, for all rows r of x and n in [n0, n1). Any n1 - n0 >= 0, any x->n_rows >= 1.
 * k: the table that the tile is of, whose pairs and dots it takes where rows are too few for unpacking weights to memory. then: the weights
 * that this thread reads next, prefetched towards the end; may be NULL.
 * scratch: kernel_tile_scratch(x->n_rows) bytes, 64-byte aligned, this thread's own. */
struct kernels;
typedef void tile_fn(const struct kernels *k, const struct wmat *w, int n0, int n1, const struct xq *x, float *out,
                     size_t ld_out, const uint8_t *then, void *scratch);

/* out[n] for row `row` of x and n in [n0, n1). */
typedef void dot_fn(const struct wmat *w, int n0, int n1, const struct xq *x, int row, float *out, const uint8_t *then);

/* Two dots, whose weights are unpacked once: out[i][n] for row[i] of x. */
typedef void pair_fn(const struct wmat *w, int n0, int n1, const struct xq *x, const int row[2], float *const out[2],
                     const uint8_t *then);

/* Three or four dots (n), likewise. */
enum { QUAD_ROWS = 4 };
typedef void quad_fn(const struct wmat *w, int n0, int n1, const struct xq *x, int n, const int *row, float *const *out,
                     const uint8_t *then);

/* Bytes. */
size_t kernel_tile_scratch(int n_rows);

/* Float weights (f32, f16, bf16) times f32 rows: dot16 of each pair. x [n_rows][ld_x]; out[r * ld_out + n] for n in [n0, n1). */
typedef void tilef_fn(const struct wmat *w, int n0, int n1, const float *x, size_t ld_x, int n_rows, float *out,
                      size_t ld_out);

/* ---- attention: one page of one KV head ----------------------------------------------------------------------------------
 * Up to ATTN_QUERIES queries (heads that share the KV head, rows of a prompt) against positions 0..255 of a page. Query t
 * sees positions [first[t], last[t]] of the page (first > last: none; the query takes no part and its outputs are left
 * alone). x_p = dot16(q, K_p) * scale, then the soft cap if cap > 0. Results: the split's own maximum m, sum l and
 * a[d_v] = sum of exp(x_p - m) V_p. Where rows were gathered, at[i] says which position of the page row i is.
 *
 * q8_0: a group of KV_GROUP values (the last of a row may be shorter) has int8 codes and one f16 scale. A row of codes is padded to whole
 * groups by zeros. x_p is the sum over groups, ascending, of fmaf(k_scale * q's scale, (float)isum, .), with q quantised to x32; the
 * weight of a value is exp(x_p - m) * v_scale, a rounded product. */
enum { ATTN_QUERIES = 8, ATTN_PAGE = 256, KV_GROUP = 32 };
enum kv_type { KV_F16, KV_F32, KV_Q8_0, KV_TYPES };

/* Groups of d values; codes of a row of them. */
static inline int kv_groups(int d) { return (d + KV_GROUP - 1) / KV_GROUP; }
static inline int kv_codes(int d) { return kv_groups(d) * KV_GROUP; }

struct attn_split {
    const float *q; /* query t at q + t * ld_q, d_k values */
    size_t ld_q;
    int n_q;
    const void *k, *v; /* [256][d_k], [256][ld_v] of which d_v; q8_0: codes, K of kv_codes(d_k) a row */
    int d_k, d_v;
    int ld_v; /* d_v, or d_k where V is the head of K; q8_0: kv_codes() of that */
    enum kv_type type;
    const int *first, *last; /* [n_q] */
    float scale, cap;        /* cap 0: none */
    float *m, *l;            /* [n_q] out */
    float *a;                /* [n_q][d_v] out */
    const uint8_t *at;       /* [256] ascending, or NULL: row i is position i */

    /* q8_0 only */
    const uint16_t *k_scale, *v_scale; /* f16, of group g and row p at g * ld_scale + p */
    int ld_scale;                      /* at least 16 */
    const struct xq *codes;            /* the queries as x32, row t query t, kv_codes(d_k) columns; q is not read */

    /* Behind scale and cap slope[t] times the distance of row p from pos[t], which may lie beyond the rows, is taken off; NULL: nothing.
     * Not with at. */
    const float *slope; /* [n_q] */
    const int *pos;     /* [n_q] */
};

/* scratch of this thread: kernel_attn_scratch() bytes, 64-byte aligned. */
typedef void attn_split_fn(const struct attn_split *s, void *scratch);
size_t kernel_attn_scratch(int d_k, int d_v);

/* ---- recurrences: one panel of columns of one head's state, over rows of one sequence in order --------------------------------
 * The state of a head lies in panels of STATE_PANEL columns, each contiguous: [n_v / panel][n_k][panel]. (A head narrower than
 * a panel is one panel of its width.) Row t: q, k at q + t * ld_k, k + t * ld_k; v and o at v + t * ld_v, o + t * ld_o, from the
 * panel's first column; beta at t * ld_beta; at t * ld_decay one decay for the whole state, or with by_key one for each of its
 * rows, [n_k]. The state is read and written; formulas: kernels.md G. */
enum { STATE_PANEL = 32 };

struct delta_run {
    float *state; /* [n_k][panel] */
    int n_k, panel;
    int n_rows;
    const float *q, *k; /* [n_k] of a row */
    const float *v;
    float *o;
    const float *decay, *beta;
    size_t ld_k, ld_v, ld_o, ld_decay, ld_beta;
    int by_key;
};

/* Mamba-2, in the same panels. Row t: B and C [n_state] and x [panel] at t * ld, y at t * ld_y; dt, and the decay of the whole state,
 * at t * ld_dt. */
struct ssm_run {
    float *state; /* [n_state][panel] */
    int n_state, panel;
    int n_rows;
    const float *x, *B, *C;
    float *y;
    const float *decay, *dt;
    size_t ld, ld_y, ld_dt;
    float D;
};

/* The hidden row of a feed-forward, h [n], from its products gate [n] and up [n]; h may be gate or up. */
typedef void ffn_act_fn(float *h, const float *gate, const float *up, int n);

struct kernels {
    enum cpu_tier tier;

    void (*quantise)(struct xq *x, int row, const float *v); /* one row of n_cols values */
    dot_fn *dot[TYPE_COUNT];                                 /* block types of the families x256 and x32 */
    pair_fn *pair[TYPE_COUNT];
    quad_fn *quad[TYPE_COUNT]; /* NULL: there is none, and pairs are taken */
    tile_fn *tile[TYPE_COUNT];
    tilef_fn *tilef[TYPE_COUNT]; /* f32, f16, bf16 */

    /* Vectors of n values. dot16: sixteen lanes, value i in lane i % 16, added up as a tree. */
    float (*dot16)(const float *a, const float *b, size_t n);
    /* y = x / sqrt(dot16(x, x) / n + eps) * w; w NULL: no weight; y may be x */
    void (*rms_norm)(float *y, const float *x, const float *w, int n, float eps);
    /* Around the mean: y = fmaf(c / sqrt(dot16(c, c) / n + eps), w, b), c = x - mean; the mean a sum of sixteen lanes. y may be x */
    void (*layer_norm)(float *y, const float *x, const float *w, const float *b, int n, float eps);
    void (*softmax)(float *x, int n);                             /* in place */
    ffn_act_fn *silu_mul;                                         /* silu(gate) * up */
    ffn_act_fn *relu2;                                            /* max(up, 0) squared; there is no gate */
    ffn_act_fn *gelu;                                             /* gelu(up); there is no gate */
    void (*sigmoid)(float *y, const float *x, int n);             /* y may be x */
    void (*add)(float *x, const float *y, int n);                 /* x += y */
    void (*add_scaled)(float *y, float w, const float *o, int n); /* y = y + w * o: product rounded, then one add */
    void (*scale)(float *x, float s, int n);                      /* x *= s */
    ffn_act_fn *gelu_mul;                                         /* gelu(gate) * up */
    ffn_act_fn *relu_mul;                                         /* max(gate, 0) * up; NaN stays */
    void (*softcap)(float *x, float cap, int n);                  /* x = cap tanh(x / cap) */
    /* Rotate x [2 * n_pair] in place by cosines c and sines s [n_pair]: pairs (i, i + n_pair), or (2i, 2i + 1). */
    void (*rope_half)(float *x, const float *c, const float *s, int n_pair);
    void (*rope_pair)(float *x, const float *c, const float *s, int n_pair);
    void (*f32_to_f16)(uint16_t *y, const float *x, int n); /* nearest even, saturating */

    attn_split_fn *attn_split;
    /* Merge a split (m, l, a [d_v]) into the running (M, L, o [d_v]) of one query; start: M = -Inf, L = 0, o = 0. */
    void (*attn_merge)(float *M, float *L, float *o, float m, float l, const float *a, int d_v);
    void (*attn_finish)(float *o, float L, int d_v); /* o * (1 / L) */
    /* A head's sink: a score without a value, after the last split. */
    void (*attn_sink)(float *M, float *L, float *o, float sink, int d_v);

    void (*mul)(float *x, const float *y, int n);                /* x *= y */
    void (*l2_norm)(float *y, const float *x, int n, float eps); /* y = x / sqrt(dot16(x, x) + eps); y may be x */
    ffn_act_fn *swiglu_oai; /* g = min(gate, 7): silu with slope 1.702 of g, times (up within 7) + 1; gpt-oss */
    /* y_j = silu(sum over t ascending of c[t * n + j] x[t][j], + bias_j, or bias NULL); x [width] rows of n, the oldest first. */
    void (*conv)(float *y, const float *const *x, const float *c, const float *bias, int width, int n);
    void (*conv_plain)(float *y, const float *const *x, const float *c, int width, int n); /* the sum alone */
    void (*exp)(float *x, int n);                                                          /* in place */
    void (*softplus)(float *y, const float *x, const float *b, int n); /* log(1 + exp(x + b)); y may be x */
    void (*delta)(const struct delta_run *r);
    void (*ssm)(const struct ssm_run *r);

    void (*clamp)(float *x, float low, float high, int n);  /* NaN stays */
    void (*sqrt_softplus)(float *y, const float *x, int n); /* y may be x */
    /* y_j = sum over rows of softmax(score)_j x_j, each column by itself; x and score [n_rows] rows of n; n_rows >= 1. */
    void (*softmax_sum)(float *y, const float *const *x, const float *const *score, int n_rows, int n);
    void (*axpy)(float *x, float s, const float *v, int n); /* x = fmaf(s, v, x), one rounding */
    void (*round_fp8)(float *x, int n); /* through e4m3, in place, FP8_BLOCK values with a scale of their own */
    /* A step of Adam: values w with moments m and v by the gradient g; root corrects v's beginning, step m's and has the rate. */
    void (*adam)(float *w, float *m, float *v, const float *g, float step, float root, int n);

    /* out[r] = the sum of row[r * n + i] * x[i], an exact integer: n is a multiple of 64 and at most 2^16, x within -127..127. */
    void (*dot_codes)(int32_t *out, const int8_t *row, int n_row, const int8_t *x, int n);
};
/* beta 0.9 and 0.999, epsilon; moments below ADAM_LEAST are 0, since products of such numbers cost a hundred times as much */
#define ADAM_M     0.9f
#define ADAM_M_NEW 0.1f
#define ADAM_V     0.999f
#define ADAM_V_NEW 0.001f
#define ADAM_EPS   1e-8f
#define ADAM_LEAST 0x1p-100f
enum { FP8_BLOCK = 64 };

/* The table of the best tier of this CPU that is not above cap; static, from any thread. */
const struct kernels *kernels_for(enum cpu_tier cap);

/* The tier whose code multiplies with weights of type t in the table of cap: of the dot and the tile the lower one. -1: nothing
 * multiplies with them. */
int kernel_tier_of(enum cpu_tier cap, enum block_type t);

#endif
