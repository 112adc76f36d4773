/* Engrams: see engram.h. t_0 is the row's token, t_1, t_2 those before it, under the numbers of engram.token_map, where tokens that read
 * alike are one; those before the sequence count as engram.pad_id, which is such a number already.
 *
 *     h_n = xor over i < n of t_i times_i (64 bits);  row of head j = h_n mod prime_j + first_j;  e: all rows side by side
 *     [K_0 .. K_n, v] = Wkv e;  g_s = sigmoid(sign(a_s) sqrt(max(|a_s|, 1e-6))),  a_s = norm(K_s) norm(x)_s / sqrt(n_embd)
 *     x_s += g_s v
 *
 * Each layer has factors, primes and a table of its own. Source: docs/spec/architectures.md, part 5. */
#include "model/block/engram.h"

#include "base/error.h"
#include "format/gguf.h"
#include "op/matmul.h"
#include "op/streams.h"

#include <stdint.h>

enum { ENGRAM_LAYERS = MODEL_TABLES - 1 }; /* at most: beside the table of tokens */

/* What rows follow from: sizes, and the numbers of each layer's heads. */
struct engrams {
    int n, size, per_size, n_head,
        d; /* layers; tokens of an n-gram at most, heads of each length, and in all; values of a row */
    int32_t pad;
    const int32_t *number; /* [n_vocab] of tokens */
    struct hash {
        int layer;
        uint64_t times[NGRAM_SIZE];
        int32_t first[NGRAM_HEADS], prime[NGRAM_HEADS];
    } hash[ENGRAM_LAYERS];
};

static void rows_of(const struct engrams *e, const struct hash *h, const int32_t *last, int32_t *id)
{
    uint64_t x = (uint64_t)e->number[last[0]] * h->times[0];
    for (int i = 1; i < e->size; i++) {
        x ^= (uint64_t)(last[i] < 0 ? e->pad : e->number[last[i]]) * h->times[i];
        for (int j = (i - 1) * e->per_size; j < i * e->per_size; j++)
            id[j] = (int32_t)(x % (uint64_t)h->prime[j]) + h->first[j];
    }
}

static void rows_of_first(const struct model *m, const int32_t *last, int32_t *id)
{
    rows_of(m->engrams, &m->engrams->hash[0], last, id);
}

static void rows_of_second(const struct model *m, const int32_t *last, int32_t *id)
{
    rows_of(m->engrams, &m->engrams->hash[1], last, id);
}

static void rows_of_third(const struct model *m, const int32_t *last, int32_t *id)
{
    rows_of(m->engrams, &m->engrams->hash[2], last, id);
}

static int read_sizes(struct engrams *e, const struct params *p, const struct gguf *g, struct error *err)
{
    static const char layers_key[] = "engram.layer_ids";
    uint64_t layer[ENGRAM_LAYERS];
    if (params_count(g, layers_key, 1, ENGRAM_LAYERS, &e->n, err) || params_list(g, layers_key, e->n, layer, err) ||
        params_int(g, "engram.max_ngram_size", 2, NGRAM_SIZE, -1, &e->size, err) ||
        params_int(g, "engram.head_count", 1, NGRAM_HEADS / (e->size - 1), -1, &e->per_size, err) ||
        params_int(g, "engram.key_length", 1, 1 << 14, -1, &e->d, err) ||
        params_int(g, "engram.pad_id", 0, p->n_vocab - 1, -1, &e->pad, err))
        return -1;
    e->n_head = (e->size - 1) * e->per_size;
    for (int i = 0; i < e->n; i++) {
        if (layer[i] >= (uint64_t)p->n_layer || (i && layer[i] <= layer[i - 1]))
            return error_set(err, ERR_FORMAT, "%s: %s names layer %llu; they must ascend and be below %d",
                             g->file->path, layers_key, (unsigned long long)layer[i], p->n_layer);
        e->hash[i].layer = (int)layer[i];
    }
    return 0;
}

static int read_heads(struct engrams *e, const struct gguf *g, struct error *err)
{
    const int n = e->n * e->n_head;
    uint64_t times[ENGRAM_LAYERS * NGRAM_SIZE];
    int32_t prime[ENGRAM_LAYERS * NGRAM_HEADS], first[ENGRAM_LAYERS * NGRAM_HEADS];
    if (params_list(g, "engram.multipliers", e->n * e->size, times, err) ||
        params_numbers(g, "engram.primes", (uint64_t)n, prime, err) ||
        params_numbers(g, "engram.offsets", (uint64_t)n, first, err))
        return -1;
    for (int i = 0; i < e->n * e->size; i++)
        e->hash[i / e->size].times[i % e->size] = times[i];
    for (int i = 0; i < n; i++) {
        if (prime[i] == 0 || first[i] > INT32_MAX - prime[i])
            return error_set(err, ERR_FORMAT,
                             "%s: head %d of table %d has %d rows from row %d on (engram.primes, engram.offsets); it "
                             "must have some, and none beyond %d",
                             g->file->path, i % e->n_head, i / e->n_head, prime[i], first[i], INT32_MAX);
        e->hash[i / e->n_head].prime[i % e->n_head] = prime[i];
        e->hash[i / e->n_head].first[i % e->n_head] = first[i];
    }
    return 0;
}

static int read_map(int32_t *number, const struct params *p, const struct gguf *g, struct error *err)
{
    static const char key[] = "engram.token_map";
    if (params_numbers(g, key, (uint64_t)p->n_vocab, number, err))
        return -1;
    for (int i = 0; i < p->n_vocab; i++)
        if (number[i] >= p->n_vocab)
            return error_set(err, ERR_FORMAT, "%s: %s names token %d for token %d, of %d", g->file->path, key,
                             number[i], i, p->n_vocab);
    return 0;
}

/* Once for the model. */
static void read_engrams(struct binder *b)
{
    struct model *m = b->m;
    struct engrams *e = arena_array(&m->arena, 1, sizeof *e);
    int32_t *number = arena_array(&m->arena, (size_t)m->p.n_vocab, sizeof *number);
    if (!e || !number) {
        b->failed = error_set(b->err, ERR_MEMORY, "no memory for the description of the model");
        return;
    }
    *e = (struct engrams){.number = number};
    if (read_sizes(e, &m->p, m->file, b->err) || read_heads(e, m->file, b->err) ||
        read_map(number, &m->p, m->file, b->err))
        b->failed = -1;
    m->engrams = e;
}

static int rows_of_heads(const struct hash *h, int n_head)
{
    int32_t least = 0;
    for (int j = 0; j < n_head; j++)
        least = h->first[j] + h->prime[j] > least ? h->first[j] + h->prime[j] : least;
    return least;
}

void bind_engram(struct binder *b, int l, struct engram_weights *w)
{
    static row_ids_fn *const ids[] = {rows_of_first, rows_of_second, rows_of_third};
    const struct params *p = &b->m->p;
    if (l == 0 && params_has(b->m->file, "engram.layer_ids"))
        read_engrams(b);
    const struct engrams *e = b->m->engrams;
    for (int i = 0; e && i < e->n && !b->failed; i++) {
        if (e->hash[i].layer != l)
            continue;
        int least = rows_of_heads(&e->hash[i], e->n_head);
        w->table = bind_rows_by_text(b, bind_matrix_least(b, l, "engram_embd.weight", least, e->d), e->n_head,
                                     e->size - 1, ids[i]);
        w->wkv = bind_matrix(b, l, "engram_wkv.weight", (p->hyper.n + 1) * p->n_embd, e->n_head * e->d);
        w->q = bind_table(b, l, "engram_q.weight", p->hyper.n, p->n_embd);
        w->k = bind_table(b, l, "engram_k.weight", p->hyper.n, p->n_embd);
    }
}

void block_engram(struct step *s, float *x, const struct engram_weights *w)
{
    const struct params *p = &s->m->p;
    struct op *op = &s->m->op;
    int streams = p->hyper.n, wide = streams * p->n_embd, width = w->wkv->mat.n_cols;
    size_t mark = step_mark(s);
    float *e = step_rows(s, width), *key = step_rows(s, wide), *query = step_rows(s, wide);
    float *value = step_rows(s, p->n_embd), *gate = step_rows(s, streams);

    take_rows(s, w->table, e, (size_t)width);
    struct act a = step_act(s, e, width);
    matmul_rows(s, key, &a, w->wkv, 0, wide);
    matmul_rows(s, value, &a, w->wkv, wide, p->n_embd);
    op_group_norm(op, key, key, w->k->vector, s->n_rows, streams, p->n_embd, p->norm_eps);
    op_group_norm(op, query, x, w->q->vector, s->n_rows, streams, p->n_embd, p->norm_eps);
    op_streams_gate(op, gate, key, query, streams, p->n_embd, s->n_rows);
    op_streams_add(op, x, value, gate, streams, p->n_embd, s->n_rows);
    step_reset(s, mark);
}
