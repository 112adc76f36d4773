/* Keys and values of a batch into their pages, rounded to the pages' type: apart from attention.c, which only reads what is here written.
 * The layout is kv.h's. See attention.h. */
#include "op/attention.h"

#include <string.h>

static size_t padded_bytes(int d) { return (size_t)kv_codes(d) * sizeof(float); } /* 64-byte aligned: whole groups */

/* A row for q8_0 in a thread's scratch: padded, then its codes. */
static size_t store_scratch(const struct kv_shape *s)
{
    int d = s->d_k > s->d_v ? s->d_k : s->d_v;
    return s->type == KV_Q8_0 ? padded_bytes(d) + xq_bytes(ACT_X32, 1, kv_codes(d)) : 0;
}

/* The scale of 32 values is rounded to f16 after they were divided by it. */
static void store_codes(const struct op *op, const struct kv_shape *s, uint8_t *to, int slot, int d, const float *from,
                        uint8_t *scratch)
{
    struct xq x = xq_place(ACT_X32, 1, kv_codes(d), scratch + padded_bytes(d));
    float *padded = (float *)(void *)scratch;
    uint16_t *scale = kv_scales(s, to, d);
    memset(padded + d, 0, (size_t)(kv_codes(d) - d) * sizeof *padded);
    memcpy(padded, from, (size_t)d * sizeof *padded);
    op->k->quantise(&x, 0, padded);
    memcpy(to + (size_t)slot * kv_row_bytes(s->type, d), x.code,
           (size_t)kv_codes(d)); /* of one row steps are neighbours */
    for (int g = 0; g < kv_groups(d); g++)
        op->k->f32_to_f16(scale + (size_t)g * (size_t)kv_page_rows(s) + slot, x.scale + g, 1);
}

static void store_head(const struct op *op, const struct kv_shape *s, uint8_t *to, int slot, int d, const float *from,
                       uint8_t *scratch)
{
    if (s->type == KV_Q8_0)
        store_codes(op, s, to, slot, d, from, scratch);
    else if (s->type == KV_F16)
        op->k->f32_to_f16((uint16_t *)to + (size_t)slot * (size_t)d, from, d);
    else
        memcpy((float *)to + (size_t)slot * (size_t)d, from, (size_t)d * sizeof(float));
}

struct store {
    const struct op *op;
    const struct attention *a;
    const float *k, *v;
};

static void store_rows(void *arg, int begin, int end, int thread)
{
    const struct store *st = arg;
    uint8_t *scratch = op_thread_scratch(st->op, thread);
    const struct kv_shape *s = &st->a->shape;
    for (int r = begin; r < end; r++) {
        const struct attn_row *row = &st->a->row[r];
        int slot = row->pos % kv_page_rows(s);
        uint8_t *page = row->page[row->pos / kv_page_rows(s)] + st->a->layer_offset;
        for (int h = 0; h < s->n_head_kv; h++) {
            size_t at = (size_t)r * (size_t)s->n_head_kv + (size_t)h;
            store_head(st->op, s, kv_keys(s, page, h), slot, s->d_k, st->k + at * (size_t)s->d_k, scratch);
            if (s->d_v)
                store_head(st->op, s, kv_values(s, page, h), slot, s->d_v, st->v + at * (size_t)s->d_v, scratch);
        }
    }
}

void op_kv_store(struct op *op, const struct attention *a, const float *k, const float *v)
{
    op_need_thread(op, store_scratch(&a->shape));
    op_split(op, a->n_rows, 1, 4, store_rows, &(struct store){op, a, k, v});
}
