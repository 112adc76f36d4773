/* N-grams: see ngram.h. t_0 is the row's token, t_1, t_2 those before it; the first of these that ends a text or lies before the sequence,
 * and all behind it, count as the end of a text.
 *
 *     h_n = xor over i < n of t_i times_i (64 bits);  row of head j = h_n mod n_row_j + first_j;  e: all rows side by side
 *     g_s = sigmoid(sign(a_s) sqrt(max(|a_s|, 1e-6))),  a_s = norm(Wk e)_s norm(x)_s / sqrt(n_embd)         each stream s by itself
 *     v_s = g_s Wv e;  x_s += v_s + silu(conv(norm(v)))_s         taps as many positions apart as n-grams are long at most
 *
 * Source: docs/spec/architectures.md, part 3. */
#include "model/block/ngram.h"

#include "base/error.h"
#include "format/gguf.h"
#include "op/streams.h"

#include <stdint.h>

static int read_rows(struct ngram_params *n, const struct gguf *g, struct error *err)
{
    uint64_t first[NGRAM_HEADS], rows[NGRAM_HEADS];
    if (params_list(g, "ple.layer_multipliers", n->size, n->times, err) ||
        params_list(g, "ple.head_offsets", n->n_head, first, err) ||
        params_list(g, "ple.head_vocab_sizes", n->n_head, rows, err))
        return -1;
    for (int j = 0; j < n->n_head; j++) {
        if (rows[j] == 0 || rows[j] > INT32_MAX || first[j] > INT32_MAX - rows[j])
            return error_set(err, ERR_FORMAT,
                             "%s: head %d has %llu rows from row %llu on (ple.head_vocab_sizes, ple.head_offsets); it "
                             "must have some, and none beyond %d",
                             g->file->path, j, (unsigned long long)rows[j], (unsigned long long)first[j], INT32_MAX);
        n->first[j] = (int32_t)first[j];
        n->n_row[j] = (int32_t)rows[j];
    }
    return 0;
}

int params_read_ngram(struct params *p, const struct gguf *g, struct error *err)
{
    struct ngram_params *n = &p->ngram;
    uint64_t layer;
    if (!params_has(g, "ple.layers"))
        return 0;
    if (params_list(g, "ple.layers", 1, &layer, err) ||
        params_int(g, "ple.ngram_size", 2, NGRAM_SIZE, -1, &n->size, err) ||
        params_int(g, "ple.heads_per_ngram", 1, NGRAM_HEADS / (n->size - 1), -1, &n->per_size, err) ||
        params_int(g, "ple.conv_kernel", 1, CONV_MOST, -1, &n->conv, err) ||
        params_int(g, "ple.eos_token_id", 0, p->n_vocab - 1, -1, &n->eos, err) ||
        params_int(g, "embedding_length_per_layer_input", 1, 1 << 14, -1, &n->d, err))
        return -1;
    if (layer >= (uint64_t)p->n_layer)
        return error_set(err, ERR_FORMAT, "%s: ple.layers names layer %llu of %d", g->file->path,
                         (unsigned long long)layer, p->n_layer);
    if ((n->conv - 1) * n->size > CONV_PAST)
        return error_set(
            err, ERR_UNSUPPORTED,
            "%s: ple.conv_kernel is %d: its taps, ple.ngram_size %d apart, reach %d positions back; stoker "
            "takes %d",
            g->file->path, n->conv, n->size, (n->conv - 1) * n->size, CONV_PAST);
    n->layer = (int)layer;
    n->n_head = (n->size - 1) * n->per_size;
    return read_rows(n, g, err);
}

static void row_ids(const struct model *m, const int32_t *last, int32_t *id)
{
    const struct ngram_params *n = &m->p.ngram;
    uint64_t h = (uint64_t)last[0] * n->times[0];
    int ended = 0;
    for (int i = 1; i < n->size; i++) {
        ended = ended || last[i] < 0 || last[i] == n->eos;
        h ^= (uint64_t)(ended ? n->eos : last[i]) * n->times[i];
        for (int j = (i - 1) * n->per_size; j < i * n->per_size; j++)
            id[j] = (int32_t)(h % (uint64_t)n->n_row[j]) + n->first[j];
    }
}

static int rows_of_heads(const struct ngram_params *n)
{
    int32_t least = 0;
    for (int j = 0; j < n->n_head; j++)
        least = n->first[j] + n->n_row[j] > least ? n->first[j] + n->n_row[j] : least;
    return least;
}

void bind_ngram(struct binder *b, int l, struct ngram_weights *w)
{
    const struct params *p = &b->m->p;
    const struct ngram_params *n = &p->ngram;
    int wide = p->hyper.n * p->n_embd, width = n->n_head * n->d;
    w->table = bind_rows_by_text(b, bind_matrix_least(b, -1, "per_layer_token_embd.weight", rows_of_heads(n), n->d),
                                 n->n_head, n->size - 1, row_ids);
    w->key = bind_matrix(b, l, "ple_key.weight", wide, width);
    w->value = bind_matrix(b, l, "ple_value.weight", p->n_embd, width);
    w->norm_key = bind_vector(b, l, "ple_norm_key.weight", wide);
    w->norm_query = bind_vector(b, l, "ple_norm_query.weight", wide);
    w->norm_conv = bind_vector(b, l, "ple_norm_conv.weight", wide);
    w->conv = bind_conv(b, l, "ple_conv1d.weight", n->conv, wide);
    w->history = bind_state(b, (size_t)((n->conv - 1) * n->size) * (size_t)wide);
}

void block_ngram(struct step *s, float *x, const struct ngram_weights *w)
{
    const struct params *p = &s->m->p;
    const struct ngram_params *n = &p->ngram;
    struct op *op = &s->m->op;
    int streams = p->hyper.n, wide = streams * p->n_embd, width = n->n_head * n->d;
    size_t mark = step_mark(s);
    float *e = step_rows(s, width), *key = step_rows(s, wide), *query = step_rows(s, wide);
    float *value = step_rows(s, p->n_embd), *gate = step_rows(s, streams), *v = step_rows(s, wide);

    take_rows(s, w->table, e, (size_t)width);
    struct act a = step_act(s, e, width);
    matmul(s, key, &a, w->key);
    matmul(s, value, &a, w->value);
    op_group_norm(op, key, key, w->norm_key->vector, s->n_rows, streams, p->n_embd, p->norm_eps);
    op_group_norm(op, query, x, w->norm_query->vector, s->n_rows, streams, p->n_embd, p->norm_eps);
    op_streams_gate(op, gate, key, query, streams, p->n_embd, s->n_rows);
    op_streams_set(op, v, value, gate, streams, p->n_embd, s->n_rows);
    op_group_norm(op, key, v, w->norm_conv->vector, s->n_rows, streams, p->n_embd, p->norm_eps);
    struct run *run = step_runs(s, w->history, 0);
    op_conv_apart(op, query, key, (const float *)w->conv->mat.data, n->conv, n->size, wide, run, s->n_run);
    add(s, v, query, wide);
    add(s, x, v, wide);
    step_reset(s, mark);
}
