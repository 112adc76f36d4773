/* links: quant engine text model store op machine kernel format base
 *
 * Importance: files of both forms, what is collected of ember against the peer's, and the laws of collecting on every golden.
 *
 *     build/tests/importance FOLDER EMBER [GOLDEN.gguf...]     FOLDER: tests/data/quantize; without goldens: all
 *
 *     forms      both of the peer's files say the same, and are written back bit for bit
 *     peer       collected on FOLDER/calib.txt: rows of every matrix, of experts, sums and profiles are the peer's, within quantize.md 8
 *     passive    no bit of any logit changes while importance is collected
 *     stable     the same bits for threads, steps of any length, several texts in a step, budgets
 *     sums       what is collected of a matrix is the sum of the squares of what operations were given, added up here
 *     latent     an unsplit attn_kv_b has the squares of the latents, as the cache of keys holds them
 *     output     has seen every row once
 *     routed     experts' rows are those that the routers chose; gate and up of all experts together have seen what the router has
 *     all        every matrix has sums, or is one of those that no product of rows is made with
 *     applied    of all goldens, some have latents, outputs and routes, attn_k_b and attn_v_b: the laws of these have held something */
#include "quant/importance.h"
#include "base/error.h"
#include "base/hash.h"
#include "engine/engine.h"
#include "format/gguf.h"
#include "model/collector.h"
#include "quant/importance_write.h"
#include "temporary.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { N_CTX = 40, N_CHUNK = 3, MOST_ENTRIES = 4096 };

static int passed, failed;

static void verdict(const char *model, const char *law, int ok, const char *detail)
{
    printf("%s %-8s %-26s %s\n", ok ? "ok  " : "FAIL", law, model, detail);
    fflush(stdout);
    *(ok ? &passed : &failed) += 1;
}

/* Runs that a law applied to, of those that not every model has something for: where none is left, a law holds nothing. */
static struct {
    int latents, outputs, routes, k_b, v_b;
} applied;

static const char *name_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* ---- a run ---------------------------------------------------------------------------------------------------------------------- */

static struct stoker_options usual(int n_ctx)
{
    return (struct stoker_options){.n_ctx = n_ctx,
                                   .n_parallel = 1,
                                   .n_chunk = 512,
                                   .n_threads = 1,
                                   .kv = "f32",
                                   .memory = STOKER_MEMORY_MAX,
                                   .importance = 1};
}

static struct stoker *engine(const char *path, const struct stoker_options *o)
{
    struct stoker_error err;
    struct stoker *s;
    if (stoker_open(&s, path, o, &err) == 0)
        return s;
    verdict(name_of(path), "open", 0, err.text);
    return NULL;
}

struct logits {
    uint64_t *hash; /* [n_ctx] */
    size_t n_vocab;
};

static void note_logits(void *arg, size_t pos, const float *logits)
{
    const struct logits *l = arg;
    l->hash[pos] = hash64(logits, l->n_vocab * sizeof *logits, 0);
}

/* Chunks of n_ctx tokens, `together` at a time. The hash of all logits. */
static uint64_t read_chunks(struct stoker *s, const stoker_token *token, int n_chunk, int n_ctx, int together)
{
    size_t n = (size_t)(n_chunk * n_ctx);
    struct stoker_score *score = calloc(n, sizeof *score);
    uint64_t *hash = calloc(n, sizeof *hash);
    struct stoker_request q[8];
    struct logits to[8];
    stoker_id id[8];
    struct stoker_error err;
    for (int at = 0; at < n_chunk; at += together) {
        int m = together < n_chunk - at ? together : n_chunk - at;
        for (int i = 0; i < m; i++) {
            size_t first = (size_t)(at + i) * (size_t)n_ctx;
            to[i] = (struct logits){hash + first, (size_t)stoker_n_vocab(s)};
            q[i] = (struct stoker_request){.prompt = token + first,
                                           .n_prompt = (size_t)n_ctx,
                                           .score_from = 1,
                                           .score = score + first,
                                           .only_score = 1,
                                           .no_cache = 1,
                                           .on_score = note_logits,
                                           .on_score_arg = &to[i]};
        }
        if (stoker_submit_all(s, q, (size_t)m, id, &err)) {
            verdict("", "submit", 0, err.text);
            break;
        }
        for (int i = 0; i < m; i++) {
            struct stoker_event e = {.kind = STOKER_PROGRESS};
            while (e.kind != STOKER_END && e.kind != STOKER_FAILED && stoker_next_event(s, id[i], -1, &e) == 1)
                ;
            if (e.kind == STOKER_FAILED)
                verdict("", "chunk", 0, e.error.text);
        }
    }
    uint64_t all = hash64(hash, n * sizeof *hash, 0);
    free(score);
    free(hash);
    return all;
}

/* Of all sums and counts. */
static uint64_t sums_hash(const struct stoker *s)
{
    struct stoker_importance e;
    uint64_t hash = 0;
    for (size_t i = 0; stoker_importance_of(s, i, &e);
         i++) { /* in the order of the weights' memory: added, not chained */
        uint64_t name = hash64(e.name, strlen(e.name), 0);
        hash += hash64(e.sum, e.n_cols * e.n_mat * sizeof *e.sum, name);
        hash += hash64(e.count, e.n_count * sizeof *e.count, name + 1);
    }
    return hash;
}

static void tokens_of(const struct stoker *s, stoker_token *id, int n)
{
    for (int i = 0; i < n; i++)
        id[i] = (stoker_token)((i * 37 + 11 + i * i % 13) % stoker_n_vocab(s));
}

/* ---- what operations are given -------------------------------------------------------------------------------------------------- */

/* Sums of each head's columns of one matrix. */
static struct seen {
    const uint8_t *data;
    size_t n_cols, n_head;
    double *sum, rows;
} seen[MOST_ENTRIES];
static size_t n_seen;
static void (*watch)(void *arg, const struct wmat *w, const struct op_rows *rows);

static void look(void *arg, const struct wmat *w, const struct op_rows *x)
{
    size_t i = 0;
    while (i < n_seen && seen[i].data != w->data)
        i++;
    if (i == n_seen) {
        seen[n_seen++] = (struct seen){w->data, (size_t)w->n_cols, (size_t)x->n_head, NULL, 0};
        seen[i].sum = calloc(seen[i].n_cols * seen[i].n_head, sizeof(double));
    }
    for (int r = 0; r < x->n; r++)
        for (size_t h = 0; h < seen[i].n_head; h++)
            for (size_t k = 0; k < seen[i].n_cols; k++) {
                double v = (double)x->x[(size_t)r * x->ld + h * x->stride + k];
                seen[i].sum[h * seen[i].n_cols + k] += v * v;
            }
    seen[i].rows += x->n;
    watch(arg, w, x);
}

static const struct seen *seen_of(const uint8_t *data)
{
    for (size_t i = 0; i < n_seen; i++)
        if (data && seen[i].data == data)
            return &seen[i];
    return NULL;
}

/* Heads that have no columns of their own add up. */
static int is_sum(const struct collected *c, const struct seen *x)
{
    int apart = c->n_mat > 1;
    for (size_t k = 0; k < x->n_cols * (apart ? x->n_head : 1); k++) {
        double want = x->sum[k];
        for (size_t h = 1; h < x->n_head && !apart; h++)
            want += x->sum[h * x->n_cols + k];
        if (fabs(c->sum[k] - want) > 1e-12 * want)
            return 0;
    }
    return *c->count == x->rows * (apart ? 1 : (double)x->n_head);
}

static void check_sums(const char *path, const struct stoker *s)
{
    const struct collector *c = s->session->model->collector;
    char text[300] = "";
    int n = 0;
    for (int i = 0; i < c->n_weight; i++) {
        const struct seen *x = seen_of(c->entry[i].data);
        if (!x || c->entry[i].tensor == s->session->model->output->tensor)
            continue;
        if (!is_sum(&c->entry[i], x))
            snprintf(text, sizeof text, "%.100s is another sum", c->entry[i].tensor->name);
        n++;
    }
    if (!*text)
        snprintf(text, sizeof text, "%d matrices", n);
    verdict(name_of(path), "sums", n > 0 && strstr(text, "another") == NULL, text);
}

static void forget(void)
{
    while (n_seen)
        free(seen[--n_seen].sum);
}

/* ---- latents -------------------------------------------------------------------------------------------------------------------- */

/* Of latents in the pages of keys: the pool was zero before its only sequence. */
static int is_latents(const struct stoker *s, const struct collected *c, int layer)
{
    const struct kv_pool *kv = &s->session->model->kv[0];
    for (int k = 0; k < c->n_cols; k++) {
        double sum = 0;
        for (int page = 0; page < kv->n_page; page++) {
            const uint8_t *at = kv_keys(&kv->shape, kv_page_at(kv, page) + (size_t)layer * kv->layer_bytes, 0);
            for (int r = 0; r < KV_PAGE; r++) {
                float v;
                memcpy(&v, at + ((size_t)r * (size_t)kv->shape.d_k + (size_t)k) * sizeof v, sizeof v);
                sum += (double)v * (double)v;
            }
        }
        if (fabs(sum - c->sum[k]) > 1e-12 * sum || sum <= 0)
            return 0;
    }
    return 1;
}

static void check_latents(const char *path, const struct stoker *s)
{
    const struct model *m = s->session->model;
    int n = 0, wrong = 0;
    for (int i = 0; i < m->collector->n_weight; i++) {
        const char *rest, *name = m->collector->entry[i].tensor->name;
        int layer = gguf_layer_of(name, &rest);
        if (strcmp(rest, "attn_kv_b.weight") != 0 || m->kv[0].n_layer != m->p.n_layer)
            continue;
        wrong += !is_latents(s, &m->collector->entry[i], layer);
        n++;
    }
    applied.latents += n > 0;
    if (n)
        verdict(name_of(path), "latent", wrong == 0, "");
}

/* ---- routes --------------------------------------------------------------------------------------------------------------------- */

static const struct collected *weight_named(const struct collector *c, int layer, const char *rest)
{
    char name[128];
    snprintf(name, sizeof name, "blk.%d.%s", layer, rest);
    for (int i = 0; i < c->n_weight; i++)
        if (strcmp(c->entry[i].tensor->name, name) == 0)
            return &c->entry[i];
    return NULL;
}

/* All rows, whose logits are asked for or not, and each once. */
static void check_output(const char *path, const struct stoker *s, double rows)
{
    const struct model *m = s->session->model;
    char text[60];
    for (int i = 0; i < m->collector->n_weight; i++)
        if (m->collector->entry[i].tensor == m->output->tensor) {
            snprintf(text, sizeof text, "%.0f rows", *m->collector->entry[i].count);
            applied.outputs++;
            verdict(name_of(path), "output", *m->collector->entry[i].count == rows, text);
        }
}

static void check_routes(const char *path, const struct stoker *s, double rows, int same_input)
{
    const struct model *m = s->session->model;
    const struct collector *c = m->collector;
    int n = 0, wrong = 0;
    for (int l = 0; l < m->p.n_layer; l++) {
        if (c->experts[l] < 0)
            continue;
        const struct collected *in = &c->entry[c->experts[l]], *router = weight_named(c, l, "ffn_gate_inp.weight");
        double all = 0, used = m->p.n_expert_used;
        uint64_t use[1024] = {0};
        stoker_expert_use(s, l, use);
        for (int e = 0; e < in->n_mat; e++) {
            all += in->count[e];
            wrong += in->count[e] != in[1].count[e] || (in->n_mat <= 1024 && in->count[e] != (double)use[e]);
        }
        wrong += all <= 0 || all > rows * used;
        for (int k = 0; same_input && k < in->n_cols; k++) {
            double sum = 0;
            for (int e = 0; e < in->n_mat; e++)
                sum += in->sum[(size_t)e * (size_t)in->n_cols + (size_t)k];
            wrong += fabs(sum - used * router->sum[k]) > 1e-12 * sum;
        }
        n++;
    }
    applied.routes += n > 0;
    if (n)
        verdict(name_of(path), "routed", wrong == 0, "");
}

/* ---- all matrices --------------------------------------------------------------------------------------------------------------- */

/* Tables that are looked up, convolutions, small tables of norms, states, gates and positions. */
static int may_lack(const char *rest)
{
    static const char *const word[] = {"token_embd",  "engram_embd", "tid2eid", "conv1d",
                                       "conv.weight", "_norm",       ".bias",   "engram_k",
                                       "engram_q",    "ssm_a",       "ssm_d",   "compressor_ape"};
    for (size_t i = 0; i < sizeof word / sizeof *word; i++)
        if (strstr(rest, word[i]))
            return 1;
    return 0;
}

static const struct collected *entry_of(const struct collector *c, const char *name)
{
    for (int i = 0; i < c->n; i++)
        if (strcmp(c->entry[i].tensor->name, name) == 0 ||
            (c->entry[i].also && strcmp(c->entry[i].also->name, name) == 0))
            return &c->entry[i];
    return NULL;
}

static int has_rows(const struct collected *e)
{
    for (int i = 0; e && i < e->n_count; i++)
        if (e->count[i] > 0)
            return 1;
    return 0;
}

static void check_all(const char *path, const struct stoker *s)
{
    const struct gguf *g = s->session->file;
    char text[400] = "";
    for (uint64_t i = 0; i < g->n_tensor; i++) {
        const struct gguf_tensor *t = &g->tensor[i];
        const char *rest = t->name;
        if (gguf_layer_of(t->name, &rest) >= s->session->model->p.n_layer || t->ne[1] < 2)
            continue;
        int has = has_rows(entry_of(s->session->model->collector, t->name));
        applied.k_b += has && strcmp(rest, "attn_k_b.weight") == 0;
        applied.v_b += has && strcmp(rest, "attn_v_b.weight") == 0;
        if (!has && !may_lack(rest) && strlen(text) < 300)
            snprintf(text + strlen(text), sizeof text - strlen(text), " %.60s", t->name);
    }
    verdict(name_of(path), "all", !*text, text);
}

/* ---- the laws ------------------------------------------------------------------------------------------------------------------- */

static void check_stable(const char *path, const stoker_token *token, int n_ctx, uint64_t sums, uint64_t logits)
{
    static const struct {
        int threads, chunk, parallel;
        uint64_t memory;
        int collects;
    } setting[] = {{1, 512, 1, STOKER_MEMORY_MAX, 0},
                   {2, 16, 1, STOKER_MEMORY_MIN, 1},
                   {2, 7, 1, STOKER_MEMORY_MAX, 1},
                   {2, 1600, N_CHUNK, STOKER_MEMORY_MIN, 1}};
    for (size_t i = 0; i < sizeof setting / sizeof *setting; i++) {
        struct stoker_options o = usual(n_ctx);
        char text[100];
        o.n_threads = setting[i].threads;
        o.n_chunk = setting[i].chunk;
        o.n_parallel = setting[i].parallel;
        o.memory = setting[i].memory;
        o.importance = setting[i].collects;
        struct stoker *s = engine(path, &o);
        if (!s)
            continue;
        uint64_t got = read_chunks(s, token, N_CHUNK, n_ctx, setting[i].parallel);
        snprintf(text, sizeof text, "%d threads, steps of %d, %d texts, %s", o.n_threads, o.n_chunk, o.n_parallel,
                 o.memory == STOKER_MEMORY_MIN ? "least memory" : "all of it");
        if (setting[i].collects)
            verdict(name_of(path), "stable", sums_hash(s) == sums, text);
        else
            verdict(name_of(path), "passive", got == logits, "");
        stoker_close(s);
    }
}

static void check_model(const char *path, int n_ctx)
{
    struct stoker_options o = usual(n_ctx);
    stoker_token *token = calloc((size_t)(N_CHUNK * n_ctx), sizeof *token);
    struct stoker *s = engine(path, &o);
    if (s) {
        tokens_of(s, token, N_CHUNK * n_ctx);
        watch = s->session->model->op.watch;
        s->session->model->op.watch = look;
        uint64_t logits = read_chunks(s, token, 1, n_ctx, 1);
        check_latents(path, s);
        logits = read_chunks(s, token + n_ctx, N_CHUNK - 1, n_ctx, 1);
        check_sums(path, s);
        check_all(path, s);
        check_output(path, s, N_CHUNK * n_ctx);
        check_routes(path, s, N_CHUNK * n_ctx, strstr(path, "qwen3moe") || strstr(path, "ember"));
        forget();
        uint64_t sums = sums_hash(s);
        stoker_close(s);
        if ((s = engine(path, &o))) {
            logits = read_chunks(s, token, N_CHUNK, n_ctx, 1);
            verdict(name_of(path), "stable", sums_hash(s) == sums, "unwatched");
            stoker_close(s);
            check_stable(path, token, n_ctx, sums, logits);
        }
    }
    free(token);
}

/* ---- files ---------------------------------------------------------------------------------------------------------------------- */

static struct importance *opened(const char *folder, const char *name)
{
    char path[1024];
    struct error err = {0};
    struct importance *m = NULL;
    snprintf(path, sizeof path, "%s%s%s", folder, *folder ? "/" : "", name);
    if (importance_open(&m, path, &err))
        verdict(name, "open", 0, err.text);
    return m;
}

/* The values of an entry; free() their sums. */
static struct importance_values values_of(const struct importance *m, const struct importance_entry *e)
{
    struct importance_values v = {0};
    struct error err = {0};
    float *room = malloc(importance_floats(e) * sizeof *room);
    if (!room || importance_read(m, e, room, &v, &err))
        verdict(e->name, "read", 0, err.text);
    return v;
}

/* What is there of a file, as one writes it. */
static struct importance_sums *sums_of(const struct importance *m)
{
    struct importance_sums *s = calloc(m->n_entry, sizeof *s);
    for (uint64_t i = 0; i < m->n_entry; i++) {
        const struct importance_entry *e = &m->entry[i];
        uint64_t n = e->n_cols * e->n_mat;
        double *sum = calloc(n, sizeof *sum), *count = calloc(e->n_counts, sizeof *count);
        struct importance_values v = values_of(m, e);
        for (uint64_t k = 0; k < n; k++)
            sum[k] = (double)v.sum[k];
        free((void *)v.sum);
        for (uint64_t k = 0; k < e->n_counts; k++)
            count[k] = (double)e->count[k];
        s[i] = (struct importance_sums){e->name, e->n_cols, e->n_mat, e->n_counts, sum, count};
    }
    return s;
}

static int is_equal(const struct importance *a, const struct importance *b)
{
    int equal = a->n_entry == b->n_entry && a->n_chunks == b->n_chunks && strcmp(a->dataset, b->dataset) == 0;
    for (uint64_t i = 0; equal && i < a->n_entry; i++) {
        const struct importance_entry *x = &a->entry[i], *y = &b->entry[i];
        struct importance_values v = values_of(a, x), w = values_of(b, y);
        equal = strcmp(x->name, y->name) == 0 && x->n_cols == y->n_cols && x->n_mat == y->n_mat &&
                x->n_counts == y->n_counts && memcmp(v.sum, w.sum, x->n_cols * x->n_mat * sizeof *v.sum) == 0 &&
                memcmp(x->count, y->count, x->n_counts * sizeof *x->count) == 0;
        free((void *)v.sum);
        free((void *)w.sum);
    }
    return equal;
}

static void check_written_back(const char *folder, const char *name, enum importance_form form)
{
    char path[TEMPORARY_PATH];
    struct error err = {0};
    struct importance *m = opened(folder, name), *again = NULL;
    if (!m)
        return;
    temporary_file(path, "importance");
    const char *dataset[] = {m->dataset};
    const struct importance_notes notes = {
        .dataset = dataset, .n_dataset = 1, .n_chunks = (uint32_t)m->n_chunks, .chunk_size = 512};
    struct importance_sums *s = sums_of(m);
    if (importance_write(path, form, s, m->n_entry, &notes, &err) || !(again = opened("", path)))
        verdict(name, "forms", 0, err.text);
    else
        verdict(name, "forms", is_equal(m, again), "written back");
    for (uint64_t i = 0; i < m->n_entry; i++) {
        free((void *)s[i].sum);
        free((void *)s[i].count);
    }
    free(s);
    importance_close(m);
    importance_close(again);
    unlink(path);
}

/* The importance of every column of both, without a prior, so of what an old file cannot tell. */
static void check_alike(const char *folder)
{
    struct importance *a = opened(folder, "imatrix_ember.gguf"), *b = opened(folder, "imatrix_ember.dat");
    double worst = a && b && a->n_entry == b->n_entry ? 0 : 1;
    char text[60];
    for (uint64_t i = 0; worst < 1 && i < a->n_entry; i++) {
        const struct importance_entry *x = &a->entry[i], *y = &b->entry[i];
        struct importance_values of_a = values_of(a, x), of_b = values_of(b, y);
        for (uint64_t k = 0; k < x->n_cols * x->n_mat; k++) {
            double rows = (double)importance_rows(x, k / x->n_cols), v = (double)of_a.sum[k] / rows,
                   w = (double)of_b.sum[k] / (double)*y->count;
            if (rows > 0 && fabs(v - w) > worst * v)
                worst = fabs(v - w) / v;
        }
        free((void *)of_a.sum);
        free((void *)of_b.sum);
    }
    snprintf(text, sizeof text, "largest difference %.2g", worst);
    verdict("imatrix_ember", "forms", worst <= 1e-5, text);
    importance_close(a);
    importance_close(b);
}

/* ---- the peer's ----------------------------------------------------------------------------------------------------------------- */

static char *read_all(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rb");
    char *text = malloc(1 << 20);
    *n = f ? fread(text, 1, 1 << 20, f) : 0;
    if (f)
        fclose(f);
    return text;
}

/* Bounds of quantize.md 8: rows and sums of tensors, profiles of tensors; those of single experts, to which a row more or less goes, are
 * held less tightly. */
static int is_near(const struct importance_values *values, const struct collected *got, char *text, size_t room)
{
    const struct importance_entry *want = values->entry;
    double ours = 0, theirs = 0, rows = 0, all[3] = {0};
    if ((int)want->n_cols != got->n_cols || (int)want->n_mat != got->n_mat)
        return 0;
    for (int e = 0; e < got->n_mat; e++) {
        double one[3] = {0}, count = (double)importance_rows(want, (uint64_t)e), have = got->count[e];
        rows += have;
        for (int k = 0; k < got->n_cols; k++) {
            double x = got->sum[e * got->n_cols + k], y = (double)values->sum[e * got->n_cols + k];
            one[0] += x * y;
            one[1] += x * x;
            one[2] += y * y;
            ours += x;
            theirs += y;
        }
        for (int i = 0; i < 3; i++)
            all[i] += one[i];
        if (fabs(have - count) > (got->n_count > 1 ? count / 100 + 16 : 0) || one[0] < 0.999 * sqrt(one[1] * one[2])) {
            snprintf(text, room, "%.60s: expert %d has %.0f rows, not %.0f, and a cosine of %.6f", want->name, e, have,
                     count, one[0] / sqrt(one[1] * one[2]));
            return 0;
        }
    }
    if (fabs(ours / theirs - 1) <= 0.005 && rows == (got->n_count > 1 ? 36864 : 18432) &&
        all[0] >= 0.9999 * sqrt(all[1] * all[2]))
        return 1;
    snprintf(text, room, "%.60s: %.0f rows, a sum of %.4f of the peer's, a cosine of %.6f", want->name, rows,
             ours / theirs, all[0] / sqrt(all[1] * all[2]));
    return 0;
}

static void check_peer(const char *folder, const char *ember)
{
    char path[1024], text[200] = "";
    size_t n_text, n = 0;
    stoker_token *token = NULL;
    struct stoker_options o = usual(512);
    struct importance *want = opened(folder, "imatrix_ember.gguf");
    struct stoker *s = engine(ember, &o);
    snprintf(path, sizeof path, "%s/calib.txt", folder);
    char *calib = read_all(path, &n_text);
    struct stoker_error err = {0};
    if (!want || !s || stoker_tokenize(s, calib, n_text, 1, 1, &token, &n, &err) || n != 18495)
        verdict("ember", "peer", 0, err.text);
    else {
        uint64_t found = 0;
        read_chunks(s, token, 36, 512, 1);
        for (uint64_t i = 0; i < want->n_entry && !*text; i++) {
            const struct collected *got = entry_of(s->session->model->collector, want->entry[i].name);
            struct importance_values v = values_of(want, &want->entry[i]);
            found += got && is_near(&v, got, text, sizeof text);
            free((void *)v.sum);
        }
        if (!*text)
            snprintf(text, sizeof text, "%llu of %llu tensors", (unsigned long long)found,
                     (unsigned long long)want->n_entry);
        verdict("ember", "peer", found == want->n_entry && found == 48, text);
    }
    free(calib);
    stoker_free(token);
    stoker_close(s);
    importance_close(want);
}

/* ---- all goldens ---------------------------------------------------------------------------------------------------------------- */

static int is_model(const struct dirent *d)
{
    const char *end = strrchr(d->d_name, '.');
    return end && strcmp(end, ".gguf") == 0;
}

/* Of all goldens together, each law has held something. */
static void check_applied(void)
{
    char text[160];
    snprintf(text, sizeof text, "latents of %d, outputs of %d, routes of %d models, %d attn_k_b, %d attn_v_b",
             applied.latents, applied.outputs, applied.routes, applied.k_b, applied.v_b);
    verdict("goldens", "applied", applied.latents && applied.outputs && applied.routes && applied.k_b && applied.v_b,
            text);
}

static void check_goldens(void)
{
    struct dirent **list;
    memset(&applied, 0, sizeof applied); /* not of ember, which is no golden */
    int n = scandir(TEST_DATA "/golden", &list, is_model, alphasort);
    if (n <= 0)
        verdict("goldens", "open", 0, "none is in " TEST_DATA "/golden");
    for (int i = 0; i < n; i++) {
        char path[1024];
        snprintf(path, sizeof path, "%s/golden/%s", TEST_DATA, list[i]->d_name);
        check_model(path, N_CTX);
        free(list[i]);
    }
    if (n >= 0)
        free(list);
    check_applied();
}

int main(int argc, char **argv)
{
    char ember[1024];
    if (argc < 3) {
        fprintf(stderr, "usage: importance FOLDER EMBER [GOLDEN.gguf...]\n");
        return 2;
    }
    snprintf(ember, sizeof ember, "%s/ember.gguf", argv[2]);
    check_alike(argv[1]);
    check_written_back(argv[1], "imatrix_ember.gguf", IMPORTANCE_GGUF);
    check_written_back(argv[1], "imatrix_ember.dat", IMPORTANCE_OLD);
    check_peer(argv[1], ember);
    check_model(ember, 512);
    for (int i = 3; i < argc; i++)
        check_model(argv[i], N_CTX);
    if (argc == 3)
        check_goldens();
    printf("%d passed, %d failed, 0 skipped\n", passed, failed);
    return failed != 0;
}
