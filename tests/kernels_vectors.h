/* Vector functions and attention: every tier against the scalar tier. */
#ifndef KERNELS_VECTORS_H
#define KERNELS_VECTORS_H

#include "kernels_common.h"

enum { MAX_LEN = 4096, KIND_VANISH = 16 };

static struct guarded mem_a, mem_b, mem_c;

/* Ordinary values, any bit pattern at all, the range where exp and tanh bend, or the points where they change branch. */
static float any_value(int kind)
{
    static const float edge[] = {0.0f,     -0.0f,    -87.0f,   88.0f,  -87.00001f, 88.00001f,  -86.99999f,
                                 1e-40f,   -1e-40f,  INFINITY, 0.625f, -0.625f,    0.6249999f, 65504.0f,
                                 65519.0f, 65520.0f, 1e30f,    -1e30f, 5.96e-8f,   2.98e-8f,   2.97e-8f,
                                 6.1e-5f,  6.09e-5f, 1.0f,     -1.0f,  44.0f,      -44.0f};
    switch (kind % 4) {
    case 0:
        return rnd_unit() * 8;
    case 1:
        return rnd() % 3 ? rnd_unit() * 100 : edge[rnd_below(sizeof edge / sizeof edge[0])];
    case 2:
        return rnd_unit() * 0x1p-14f;
    default:
        return f32_from_bits(rnd());
    }
}

/* Each case: arrays a and b of n values; the outputs of a function stand in out (m values). */
enum vec {
    V_DOT16,
    V_RMS,
    V_RMS_BARE,
    V_SOFTMAX,
    V_SILU,
    V_SIGMOID,
    V_ADD,
    V_ADD_SCALED,
    V_SCALE,
    V_ROPE_HALF,
    V_ROPE_PAIR,
    V_F16,
    V_MERGE,
    V_FINISH,
    V_SINK,
    V_MUL,
    V_L2,
    V_SWIGLU_OAI,
    V_GELU,
    V_SOFTCAP,
    V_RELU2,
    V_CONV,
    V_CONV_PLAIN,
    V_EXP,
    V_SOFTPLUS,
    V_CLAMP,
    V_SQRT_SOFTPLUS,
    V_SOFTMAX_SUM,
    V_FP8,
    V_LAYER_NORM,
    V_RELU,
    V_AXPY,
    V_GELU_UNGATED,
    V_ADAM,
    V_COUNT
};
static const char *const vec_name[V_COUNT] = {"dot16",       "rms_norm",    "rms_norm without weight",
                                              "softmax",     "silu_mul",    "sigmoid",
                                              "add",         "add_scaled",  "scale",
                                              "rope_half",   "rope_pair",   "f32_to_f16",
                                              "attn_merge",  "attn_finish", "attn_sink",
                                              "mul",         "l2_norm",     "swiglu_oai",
                                              "gelu_mul",    "softcap",     "relu2",
                                              "conv",        "conv_plain",  "exp",
                                              "softplus",    "clamp",       "sqrt_softplus",
                                              "softmax_sum", "round_fp8",   "layer_norm",
                                              "relu_mul",    "axpy",        "gelu",
                                              "adam"};

/* Writes its outputs, as floats, to out; returns how many. a and b are scratch copies. */
static int vec_run(const struct kernels *k, enum vec v, float *a, float *b, float *out, int n, int alias)
{
    float *c = place(mem_c, (size_t)n * 4), *y = alias ? a : c, s = n ? b[0] : 1;
    switch (v) {
    case V_DOT16:
        out[0] = k->dot16(a, b, (size_t)n);
        return 1;
    case V_RMS:
        k->rms_norm(y, a, b, n, 1e-6f);
        break;
    case V_LAYER_NORM:
        k->layer_norm(y, a, b, b, n, 1e-6f);
        break;
    case V_RMS_BARE:
        k->rms_norm(y, a, NULL, n, 1e-5f);
        break;
    case V_SOFTMAX:
        k->softmax(a, n), y = a;
        break;
    case V_SILU:
        k->silu_mul(y, a, b, n);
        break;
    case V_SIGMOID:
        k->sigmoid(y, a, n);
        break;
    case V_ADD:
        k->add(a, b, n), y = a;
        break;
    case V_ADD_SCALED:
        k->add_scaled(a, s, b, n), y = a;
        break;
    case V_AXPY:
        k->axpy(a, s, b, n), y = a;
        break;
    case V_ADAM: { /* twice: what it leaves in the squares is in the second step */
        int h = n / 2;
        for (int i = 0; i < h; i++)
            b[i] = fabsf(b[i]);
        for (int i = 0; i < 2; i++)
            k->adam(a, a + h, b, b + h, 0.5f * s, 1.5f, h);
        y = a;
        break;
    }
    case V_SCALE:
        k->scale(a, s, n), y = a;
        break;
    case V_ROPE_HALF:
        k->rope_half(a, b, b + n / 4, n / 2), y = a;
        break;
    case V_ROPE_PAIR:
        k->rope_pair(a, b, b + n / 4, n / 2), y = a;
        break;
    case V_F16: {
        uint16_t *h = place(mem_c, (size_t)n * 2);
        k->f32_to_f16(h, a, n);
        for (int i = 0; i < n; i++)
            out[i] = (float)h[i];
        return n;
    }
    case V_MERGE: {
        float M = n % 3 ? s : -INFINITY, L = n % 3 ? 2 : 0;
        k->attn_merge(&M, &L, a, 0.5f, 3, b, n);
        out[n] = M;
        out[n + 1] = L;
        memcpy(out, a, (size_t)n * 4);
        return n + 2;
    }
    case V_SINK: {
        float M = n % 3 ? 0.25f : -INFINITY, L = n % 3 ? 2 : 0;
        k->attn_sink(&M, &L, a, s, n);
        out[n] = M;
        out[n + 1] = L;
        memcpy(out, a, (size_t)n * 4);
        return n + 2;
    }
    case V_MUL:
        k->mul(a, b, n), y = a;
        break;
    case V_L2:
        k->l2_norm(y, a, n, 1e-6f);
        break;
    case V_SWIGLU_OAI:
        k->swiglu_oai(y, a, b, n);
        break;
    case V_GELU:
        k->gelu_mul(y, a, b, n);
        break;
    case V_GELU_UNGATED:
        k->gelu(y, NULL, a, n);
        break;
    case V_SOFTCAP:
        k->softcap(a, 5, n), y = a;
        break;
    case V_RELU2:
        k->relu2(y, NULL, a, n);
        break;
    case V_RELU:
        k->relu_mul(y, a, b, n);
        break;
    case V_CONV: { /* three rows of a third of the values */
        int w = n / 3;
        const float *rows[3] = {a + w, a + 2 * w, a};
        k->conv(c, rows, b, n & 2 ? a : NULL, 3, w);
        memcpy(out, c, (size_t)w * 4);
        return w;
    }
    case V_CONV_PLAIN: {
        int w = n / 3;
        const float *rows[3] = {a + w, a + 2 * w, a};
        k->conv_plain(c, rows, b, 3, w);
        memcpy(out, c, (size_t)w * 4);
        return w;
    }
    case V_EXP:
        k->exp(a, n), y = a;
        break;
    case V_SOFTPLUS:
        k->softplus(y, a, b, n);
        break;
    case V_CLAMP:
        k->clamp(a, n % 2 ? -INFINITY : -0.75f, 1.5f, n), y = a;
        break;
    case V_SQRT_SOFTPLUS:
        k->sqrt_softplus(y, a, n);
        break;
    case V_SOFTMAX_SUM: { /* three rows of a third of the values */
        int w = n / 3;
        k->softmax_sum(c, (const float *[]){a, a + w, a + 2 * w}, (const float *[]){b + 2 * w, b, b + w}, 3, w);
        memcpy(out, c, (size_t)w * 4);
        return w;
    }
    case V_FP8:
        k->round_fp8(a, n), y = a;
        break;
    default:
        k->attn_finish(a, s, n), y = a;
        break;
    }
    memcpy(out, y, (size_t)n * 4);
    return n;
}

static void vec_equal(enum vec v, int n, int kind, int alias)
{
    static float va[MAX_LEN], vb[MAX_LEN], ref[MAX_LEN + 2], out[MAX_LEN + 2];
    next_case();
    for (int i = 0; i < n; i++) {
        va[i] = any_value(kind);
        vb[i] = any_value(kind / 4);
        if (kind == KIND_VANISH) { /* every product rounds to -0, which an absent lane must not turn into +0 */
            va[i] = 1e-30f;
            vb[i] = -1e-30f;
        }
    }
    for (int tier = 0; tier <= (int)cpu_best_tier(); tier++) {
        float *a = place_copy(mem_a, va, (size_t)n * 4), *b = place_copy(mem_b, vb, (size_t)n * 4);
        int m = vec_run(kernels_for((enum cpu_tier)tier), v, a, b, out, n, alias);
        if (tier == 0)
            memcpy(ref, out, (size_t)m * 4);
        long at = first_difference(out, ref, (size_t)m);
        check(at < 0, "%s %s, n %d kind %d: differs at %ld: %a is not %a (a %a)", vec_name[v], cpu_tier_name(tier), n,
              kind, at, (double)out[at < 0 ? 0 : at], (double)ref[at < 0 ? 0 : at],
              n ? (double)va[at < 0 || at >= n ? 0 : at] : 0);
        hash_floats(tier, out, (size_t)m);
    }
}

/* the definition of exp against f64, through sigmoid and softmax, which are made of it. */
static void check_accuracy(void)
{
    const struct kernels *k = kernels_for(TIER_SCALAR);
    double worst = 0;
    for (int i = 0; i < 20000; i++) {
        float x = rnd_unit() * 80, y;
        k->sigmoid(&y, &x, 1);
        double e = fabs((double)y * (1 + exp(-(double)x)) - 1);
        worst = e > worst ? e : worst;
    }
    check(worst < 3 * 0x1p-24 * 2, "sigmoid is off by %g of its value", worst);
    for (uint32_t h = 0; h < 0x10000; h++) {
        float f = f16_to_f32((uint16_t)h);
        uint16_t back;
        k->f32_to_f16(&back, &f, 1);
        if (!isfinite(f))
            continue;
        if (back != h)
            check(0, "f16 %04x becomes %04x", h, back);
    }
}

/* The values of e4m3, ascending: 126 is the largest, 448. */
static double e4m3_value(int code)
{
    int e = code >> 3, m = code & 7;
    return e == 0 ? ldexp(m, -9) : ldexp(8 + m, e - 10);
}

/* the definition of fp8 against a search of all codes: the nearest, of two as near the even one. */
static void check_fp8(void)
{
    for (int i = 0; i < 2000; i++) {
        float x[FP8_BLOCK], y[FP8_BLOCK], size = ldexpf(1, rnd_below(40) - 20), largest = 1e-4f;
        for (int j = 0; j < FP8_BLOCK; j++) {
            x[j] = y[j] = i % 5 == 0 ? (float)e4m3_value(rnd_below(127)) * 0.96875f : rnd_unit() * size;
            largest = fabsf(x[j]) > largest ? fabsf(x[j]) : largest;
        }
        double scale = exp2(ceil(log2((double)(largest / 448))));
        kernels_for(TIER_SCALAR)->round_fp8(y, FP8_BLOCK);
        for (int j = 0; j < FP8_BLOCK; j++) {
            double a = fabs((double)x[j]) / scale;
            int best = 0;
            for (int code = 1; code < 127; code++) {
                double d = fabs(a - e4m3_value(code)), least = fabs(a - e4m3_value(best));
                best = d < least || (d == least && code % 2 == 0) ? code : best;
            }
            double want = copysign(e4m3_value(best) * scale, (double)x[j]);
            check((double)y[j] == want, "fp8 of %a is %a, not %a", (double)x[j], (double)y[j], want);
        }
    }
}

/* ---- attention ---- */

static struct guarded mem_q, mem_k, mem_v, mem_k_scale, mem_v_scale, mem_codes, mem_work, mem_results, mem_max, mem_sum;

struct attn_case {
    int d_k, d_v, ld_v, n_q;
    enum kv_type type;
    float cap;
    int infinite; /* some values are not finite */
    int first[ATTN_QUERIES], last[ATTN_QUERIES];
    const uint8_t *at;
    const float *slope; /* with pos, or NULL */
    const int *pos;
};

static void put_kv(void *rows, enum kv_type type, size_t i, float v)
{
    uint16_t h = isfinite(v) ? f16_from_f32(v) : v != v ? 0x7e01 : v < 0 ? 0xfc00 : 0x7c00;
    if (type == KV_F16)
        ((uint16_t *)rows)[i] = h;
    else
        ((float *)rows)[i] = v;
}

static int seen(const struct attn_case *c, int p)
{
    for (int t = 0; t < c->n_q; t++)
        if (p >= c->first[t] && p <= c->last[t])
            return 1;
    return 0;
}

/* v, or where the case asks for it now and then what is not finite: one of `of`. */
static float or_infinite(const struct attn_case *c, int of, float v)
{
    return c->infinite && rnd_below(of) == 0 ? not_finite() : v;
}

/* Codes of all values, the largest among them often; scales, subnormal, 0 and the largest among them. Those of padding are 0; the last row
 * has `last` codes. */
static void put_codes(int8_t *rows, uint16_t *scale, const struct attn_case *c, int d, int ld, int last)
{
    for (int p = 0; p < ATTN_PAGE; p++) {
        for (int i = 0; i < (p < ATTN_PAGE - 1 ? ld : last); i++)
            rows[p * ld + i] = (int8_t)(i >= d ? 0 : rnd_below(8) ? rnd_below(255) - 127 : rnd_below(2) * 254 - 127);
        for (int g = 0; g < kv_groups(d); g++) {
            static const uint16_t edge[] = {0, 1, 0x03ff, 0x7bff};
            uint16_t h = rnd_below(16) ? f16_from_f32(fabsf(rnd_unit()) * 0x1p-6f) : edge[rnd_below(4)];
            scale[g * ATTN_PAGE + p] = seen(c, p) ? h : 0x7e01;
            if (!isfinite(or_infinite(c, 100 * kv_groups(d), 0)))
                scale[g * ATTN_PAGE + p] = rnd_below(3) ? 0x7c00 : 0x7e00;
        }
    }
}

/* The queries as x32, in planes with room for one more. */
static struct xq coded_queries(const struct attn_case *c)
{
    const int d = kv_codes(c->d_k);
    static float v[1024];
    struct xq x = xq_place(ACT_X32, c->n_q + 1, d, place(mem_codes, xq_bytes(ACT_X32, c->n_q + 1, d)));
    for (int t = 0; t < c->n_q; t++) {
        for (int i = 0; i < d; i++)
            v[i] = i >= c->d_k ? 0 : rnd_below(5) ? or_infinite(c, 3 * d, rnd_unit() * 3) : copysignf(3.0f, rnd_unit());
        kernels_for(TIER_SCALAR)->quantise(&x, t, v);
    }
    return x;
}

static void attn_compare(const struct attn_case *c, const struct attn_split *base, const char *type)
{
    static float m[ATTN_QUERIES], l[ATTN_QUERIES], a[ATTN_QUERIES * 600];
    const size_t n = (size_t)c->n_q, na = n * (size_t)c->d_v;
    void *work = place(mem_work, kernel_attn_scratch(c->d_k, c->d_v));
    struct attn_split s = *base;
    s.m = place(mem_max, n * 4);
    s.l = place(mem_sum, n * 4);
    s.a = place(mem_results, na * 4);
    for (int tier = 0; tier <= (int)cpu_best_tier(); tier++) {
        memset(s.m, 0x55, n * 4);
        memset(s.l, 0x55, n * 4);
        memset(s.a, 0x55, na * 4);
        kernels_for((enum cpu_tier)tier)->attn_split(&s, work);
        if (tier == 0) {
            memcpy(m, s.m, n * 4);
            memcpy(l, s.l, n * 4);
            memcpy(a, s.a, na * 4);
        }
        long at = first_difference(s.a, a, na);
        check(at < 0 && first_difference(s.m, m, n) < 0 && first_difference(s.l, l, n) < 0,
              "attention %s, %s d_k %d d_v %d, %d queries%s%s, cap %g, [%d, %d]: differs at %ld", cpu_tier_name(tier),
              type, c->d_k, c->d_v, c->n_q, c->slope ? " with slopes" : "", c->infinite ? ", not finite" : "",
              (double)c->cap, c->first[0], c->last[0], at);
        hash_floats(tier, s.a, na);
        hash_floats(tier, s.m, n);
        hash_floats(tier, s.l, n);
    }
}

static void attn_codes_equal(const struct attn_case *c)
{
    next_case();
    const int ld_v = kv_codes(c->ld_v);
    struct xq x = coded_queries(c);
    struct attn_split s = {.n_q = c->n_q,
                           .k = place(mem_k, (size_t)ATTN_PAGE * (size_t)kv_codes(c->d_k)),
                           .v = place(mem_v, (size_t)(ATTN_PAGE - 1) * (size_t)ld_v + (size_t)c->d_v),
                           .d_k = c->d_k,
                           .d_v = c->d_v,
                           .ld_v = ld_v,
                           .type = KV_Q8_0,
                           .first = c->first,
                           .last = c->last,
                           .scale = 0.0883f,
                           .cap = c->cap,
                           .at = c->at,
                           .k_scale = place(mem_k_scale, (size_t)(ATTN_PAGE * kv_groups(c->d_k)) * 2),
                           .v_scale = place(mem_v_scale, (size_t)(ATTN_PAGE * kv_groups(c->d_v)) * 2),
                           .ld_scale = ATTN_PAGE,
                           .codes = &x,
                           .slope = c->slope,
                           .pos = c->pos};
    put_codes((int8_t *)s.k, (uint16_t *)s.k_scale, c, c->d_k, kv_codes(c->d_k), kv_codes(c->d_k));
    put_codes((int8_t *)s.v, (uint16_t *)s.v_scale, c, c->d_v, ld_v, c->d_v);
    attn_compare(c, &s, "q8_0");
}

static void attn_equal(const struct attn_case *c)
{
    next_case();
    size_t width = c->type == KV_F16 ? 2 : 4, ld_q = (size_t)c->d_k + 7;
    float *q = place(mem_q, ((size_t)(c->n_q - 1) * ld_q + (size_t)c->d_k) * 4);
    void *k = place(mem_k, (size_t)ATTN_PAGE * (size_t)c->d_k * width);
    void *v = place(mem_v, ((size_t)(ATTN_PAGE - 1) * (size_t)c->ld_v + (size_t)c->d_v) * width);
    for (size_t i = 0; i < (size_t)(c->n_q - 1) * ld_q + (size_t)c->d_k; i++)
        q[i] = or_infinite(c, 4 * c->d_k, rnd_unit() * 3);
    for (int p = 0; p < ATTN_PAGE; p++) { /* rows that must not be read hold NaN */
        float poison = seen(c, p) ? 0 : NAN;
        for (int d = 0; d < c->d_k; d++)
            put_kv(k, c->type, (size_t)p * (size_t)c->d_k + (size_t)d,
                   or_infinite(c, 100 * c->d_k, rnd_unit()) + poison);
        for (int d = 0; d < c->d_v; d++)
            put_kv(v, c->type, (size_t)p * (size_t)c->ld_v + (size_t)d,
                   or_infinite(c, 10 * c->d_v, p & 1 ? rnd_unit() : -0.0f) + poison);
    }
    struct attn_split s = {q,        ld_q,    c->n_q,  k,      v,    c->d_k, c->d_v, c->ld_v, c->type,
                           c->first, c->last, 0.0883f, c->cap, NULL, NULL,   NULL,   c->at};
    s.slope = c->slope;
    s.pos = c->pos;
    attn_compare(c, &s, c->type == KV_F16 ? "f16" : "f32");
}

/* Visible ranges: a prompt's diagonal, a window's two edges, all alike (heads of one row), or any. */
static void visible(struct attn_case *c, int kind)
{
    int at = rnd_below(ATTN_PAGE);
    for (int t = 0; t < c->n_q; t++) {
        c->first[t] = 0;
        c->last[t] = at;
        if (kind == 1)
            c->last[t] = at + t < ATTN_PAGE ? at + t : ATTN_PAGE - 1;
        if (kind == 2) {
            c->first[t] = at / 3 + t;
            c->last[t] = at / 2 + t;
        }
        if (kind == 3) {
            c->first[t] = rnd_below(ATTN_PAGE);
            c->last[t] = rnd_below(ATTN_PAGE);
        }
        if (kind == 4)
            c->last[t] = ATTN_PAGE - 1;
    }
}

/* Which positions of a page gathered rows are. */
static const uint8_t *some_positions(void)
{
    static uint8_t at[ATTN_PAGE];
    for (int i = 0, p = 0; i < ATTN_PAGE; i++, p = p < ATTN_PAGE - 1 ? p + 1 + rnd_below(2) : p)
        at[i] = (uint8_t)(p < ATTN_PAGE ? p : ATTN_PAGE - 1);
    return at;
}

/* Slopes as of ALiBi, one of them 0; positions before, within and beyond the page. */
static void with_slopes(struct attn_case *c)
{
    static float slope[ATTN_QUERIES];
    static int pos[ATTN_QUERIES];
    for (int t = 0; t < c->n_q; t++) {
        slope[t] = t % 3 == 2 ? 0 : 0x1p-1f / (float)(1 << rnd_below(8));
        pos[t] = rnd_below(5 * ATTN_PAGE) - 2 * ATTN_PAGE;
    }
    c->slope = slope;
    c->pos = pos;
}

static void check_attention(void)
{
    static const int dims[][2] = {{64, 64},   {128, 128}, {80, 80}, {96, 96}, {16, 16},  {192, 128},
                                  {256, 256}, {112, 48},  {20, 12}, {72, 40}, {576, 512}};
    mem_q = guarded_new((size_t)ATTN_QUERIES * 600 * 4);
    mem_k = guarded_new((size_t)ATTN_PAGE * 600 * 4);
    mem_v = guarded_new((size_t)ATTN_PAGE * 640 * 4);
    mem_k_scale = guarded_new((size_t)ATTN_PAGE * 20 * 2);
    mem_v_scale = guarded_new((size_t)ATTN_PAGE * 20 * 2);
    mem_codes = guarded_new(xq_bytes(ACT_X32, ATTN_QUERIES + 1, 1024));
    mem_work = guarded_new(kernel_attn_scratch(600, 600));
    mem_results = guarded_new((size_t)ATTN_QUERIES * 600 * 4);
    mem_max = guarded_new(ATTN_QUERIES * 4);
    mem_sum = guarded_new(ATTN_QUERIES * 4);
    for (size_t i = 0; i < sizeof dims / sizeof dims[0]; i++)
        for (int n_q = 1; n_q <= ATTN_QUERIES; n_q++)
            for (int kind = 0; kind < 5; kind++) {
                if (dims[i][0] > 192 && (n_q + kind) % 4)
                    continue;
                int d_v = dims[i][1], ld_v = d_v + (kind == 1 ? 24 : 0);
                struct attn_case c = {.d_k = dims[i][0], .d_v = d_v, .ld_v = ld_v, .n_q = n_q};
                c.type = (n_q + kind) % 2 ? KV_F16 : KV_F32;
                c.cap = kind % 3 == 1 ? 2.5f : 0;
                visible(&c, kind);
                attn_equal(&c);
                attn_codes_equal(&c);
                c.infinite = 1;
                attn_equal(&c);
                attn_codes_equal(&c);
                c.infinite = 0;
                c.at = some_positions();
                attn_equal(&c);
                attn_codes_equal(&c);
                c.at = NULL;
                with_slopes(&c);
                attn_equal(&c);
                attn_codes_equal(&c);
            }
}

/* ---- the delta rule ---- */

enum { DELTA_KEYS = 128, DELTA_WIDTH = 64, DELTA_ROWS = 8 };

struct delta_case {
    int n_k, panel, n_rows;
    float start[DELTA_KEYS * DELTA_WIDTH], q[DELTA_ROWS * (DELTA_KEYS + 2)], k[DELTA_ROWS * (DELTA_KEYS + 2)],
        v[DELTA_ROWS * DELTA_WIDTH], decay[DELTA_ROWS * (DELTA_KEYS + 2)], beta[DELTA_ROWS];
};

struct delta_result {
    float state[DELTA_KEYS * DELTA_WIDTH], o[DELTA_ROWS * DELTA_WIDTH];
};

static void delta_draw(struct delta_case *c)
{
    for (int i = 0; i < c->n_k * c->panel; i++)
        c->start[i] = rnd_unit();
    for (int i = 0; i < c->n_rows * (c->n_k + 2); i++) {
        c->q[i] = rnd_unit() * 0.1f;
        c->k[i] = rnd_unit() * 0.1f;
        c->decay[i] = 0.95f + 0.05f * rnd_unit();
    }
    for (int i = 0; i < c->n_rows * (c->panel + 3); i++)
        c->v[i] = rnd_unit();
    for (int i = 0; i < c->n_rows; i++)
        c->beta[i] = 0.5f + 0.4f * rnd_unit();
}

/* One value of one input is not finite, in half of the cases one of start or v, which spoils its column alone, and a few are subnormal. */
static void delta_spoil(struct delta_case *c)
{
    float *in[] = {c->start, c->q, c->k, c->v, c->decay, c->beta};
    const int keys = c->n_rows * (c->n_k + 2),
              n[] = {c->n_k * c->panel, keys, keys, c->n_rows * (c->panel + 3), keys, c->n_rows};
    const int which = rnd_below(2) ? 3 * rnd_below(2) : rnd_below(6);
    for (int i = 0; i < n[0]; i += 1 + rnd_below(16))
        c->start[i] *= 1e-39f;
    in[which][rnd_below(n[which])] = not_finite();
}

static int delta_same(const struct delta_result *a, const struct delta_result *b)
{
    return first_difference(a->state, b->state, sizeof a->state / 4) < 0 &&
           first_difference(a->o, b->o, sizeof a->o / 4) < 0;
}

static void delta_compute(enum cpu_tier tier, const struct delta_case *c, int by_key, struct delta_result *out)
{
    const size_t n_k = (size_t)c->n_k, n = n_k * (size_t)c->panel, ld_k = n_k + 2, ld_v = (size_t)c->panel + 3;
    const size_t last = (size_t)c->n_rows - 1, keys = (last * ld_k + n_k) * 4,
                 values = (last * ld_v + (size_t)c->panel) * 4;
    float *at = place_copy(mem_k, c->start, n * 4), *o = memset(place(mem_c, values), 0, values);
    kernels_for(tier)->delta(
        &(struct delta_run){.state = at,
                            .n_k = c->n_k,
                            .panel = c->panel,
                            .n_rows = c->n_rows,
                            .q = place_copy(mem_q, c->q, keys),
                            .k = place_copy(mem_v, c->k, keys),
                            .v = place_copy(mem_a, c->v, values),
                            .o = o,
                            .decay = place_copy(mem_b, c->decay, keys - 4 * (by_key ? 0 : n_k - 1)),
                            .beta = place_copy(mem_sum, c->beta, (last + 1) * 4),
                            .ld_k = ld_k,
                            .ld_v = ld_v,
                            .ld_o = ld_v,
                            .ld_decay = ld_k,
                            .ld_beta = 1,
                            .by_key = by_key});
    *out = (struct delta_result){0};
    memcpy(out->state, at, n * 4);
    memcpy(out->o, o, values);
}

/* odd: with values that are not finite; these cases are in no hash. */
static void delta_equal(int n_k, int panel, int n_rows, int odd)
{
    static struct delta_case c;
    static struct delta_result want, one, got;
    next_case();
    c = (struct delta_case){.n_k = n_k, .panel = panel, .n_rows = n_rows};
    delta_draw(&c);
    if (odd)
        delta_spoil(&c);
    for (int by_key = 1; by_key >= 0; by_key--)
        for (int tier = 0; tier <= (int)cpu_best_tier(); tier++) {
            delta_compute((enum cpu_tier)tier, &c, by_key, &got);
            want = tier == 0 ? got : want;
            check(delta_same(&got, &want), "delta %s, %d x %d, %d rows%s differs", cpu_tier_name((enum cpu_tier)tier),
                  n_k, panel, n_rows, by_key ? ", a decay a key" : "");
            if (odd)
                continue;
            hash_floats(tier, got.o, sizeof got.o / 4);
            hash_floats(tier, got.state, (size_t)n_k * (size_t)panel);
        }
    one = want;
    for (int i = 0; i < n_rows * (n_k + 2); i++) /* each row's first, for all its keys */
        c.decay[i] = c.decay[i / (n_k + 2) * (n_k + 2)];
    delta_compute(TIER_SCALAR, &c, 1, &got);
    check(delta_same(&got, &one), "delta, %d x %d, %d rows: one decay and as many equal ones differ", n_k, panel,
          n_rows);
}

static void check_delta(int odd)
{
    static const int rows[] = {1, 3, 4, 18, 64, 128}, panels[] = {4, 8, 12, 16, 24, 32, 48};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (size_t j = 0; j < sizeof panels / sizeof panels[0]; j++)
            for (int n = 1; n <= 6; n += 5)
                delta_equal(rows[i], panels[j], n, odd);
}

/* ---- Mamba-2 ---- */

/* odd: one value of one input is not finite, some states are subnormal; these cases are in no hash. */
static void ssm_equal(int n_state, int panel, int n_rows, int odd)
{
    enum { LD = 128 + 128 + 48 + 5 };
    static float start[128 * 48], state[2][128 * 48], y[2][8 * 50], in[8 * LD], decay[8 * 3], dt[8 * 3];
    const size_t n = (size_t)n_state * (size_t)panel, last = (size_t)n_rows - 1, ld_y = (size_t)panel + 2;
    const size_t outputs = (last * ld_y + (size_t)panel) * 4;
    next_case();
    for (size_t i = 0; i < n; i++)
        start[i] = rnd_unit();
    for (int i = 0; i < n_rows * LD; i++)
        in[i] = rnd_unit();
    for (int i = 0; i < n_rows * 3; i++) {
        decay[i] = 0.95f + 0.05f * rnd_unit();
        dt[i] = 0.2f + 0.1f * rnd_unit();
    }
    if (odd) {
        float *input[] = {start, in, decay, dt};
        const int length[] = {(int)n, n_rows * LD, n_rows * 3, n_rows * 3}, which = rnd_below(4);
        for (size_t i = 0; i < n; i += 1 + (size_t)rnd_below(16))
            start[i] *= 1e-39f;
        input[which][rnd_below(length[which])] = not_finite();
    }
    const float *rows = place_copy(mem_a, in, (last * LD + 2 * (size_t)n_state + (size_t)panel) * 4);
    for (int tier = 0; tier <= (int)cpu_best_tier(); tier++) {
        int a = tier > 0;
        float *at = place_copy(mem_k, start, n * 4), *to = memset(place(mem_c, outputs), 0, outputs);
        kernels_for((enum cpu_tier)tier)
            ->ssm(&(struct ssm_run){.state = at,
                                    .n_state = n_state,
                                    .panel = panel,
                                    .n_rows = n_rows,
                                    .B = rows,
                                    .C = rows + n_state,
                                    .x = rows + 2 * n_state,
                                    .y = to,
                                    .decay = place_copy(mem_q, decay, (3 * last + 1) * 4),
                                    .dt = place_copy(mem_v, dt, (3 * last + 1) * 4),
                                    .ld = LD,
                                    .ld_y = ld_y,
                                    .ld_dt = 3,
                                    .D = 0.75f});
        memcpy(state[a], at, n * 4);
        memset(y[a], 0, sizeof y[a]);
        memcpy(y[a], to, outputs);
        check(first_difference(y[a], y[0], sizeof y[0] / 4) < 0 && first_difference(state[a], state[0], n) < 0,
              "ssm %s, %d x %d, %d rows differs", cpu_tier_name((enum cpu_tier)tier), n_state, panel, n_rows);
        if (odd)
            continue;
        hash_floats(tier, y[a], sizeof y[a] / 4);
        hash_floats(tier, state[a], n);
    }
}

static void check_ssm(int odd)
{
    static const int states[] = {1, 3, 4, 18, 64, 128}, panels[] = {4, 8, 12, 16, 24, 32, 48};
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++)
        for (size_t j = 0; j < sizeof panels / sizeof panels[0]; j++)
            for (int n = 1; n <= 6; n += 5)
                ssm_equal(states[i], panels[j], n, odd);
}

static void check_vectors(void)
{
    mem_a = guarded_new(MAX_LEN * 4);
    mem_b = guarded_new(MAX_LEN * 4);
    mem_c = guarded_new(MAX_LEN * 4);
    check_accuracy();
    check_fp8();
    for (int v = 0; v < V_COUNT; v++) {
        for (int n = 0; n <= 70; n++)
            for (int kind = 0; kind < KIND_VANISH; kind += 1 + n % 3)
                vec_equal((enum vec)v, n, kind, n & 1);
        for (int n = 0; n <= 70; n++)
            vec_equal((enum vec)v, n, KIND_VANISH, 0);
        for (int i = 0; i < 16; i++)
            vec_equal((enum vec)v, MAX_LEN - 3 * i, i, i & 1);
    }
    check_attention();
    check_delta(0);
    check_ssm(0);
}

/* Behind all others, whose random numbers they leave alone. */
static void check_odd_states(void)
{
    check_delta(1);
    check_ssm(1);
}

#endif
