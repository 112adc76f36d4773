/* links: engine text model store op machine kernel format base
 *
 * Recorded rows: what an independent engine has at the same places, and the laws of recording, by equality of bytes.
 *
 *     build/tests/capture --exact [--memory min|max] [--cpu-tier T] [--chunk N] [--threads N] FOLDER    against FOLDER's files, and a hash
 *     build/tests/capture MODEL.gguf...                                                                 the laws
 *
 *     right      each tensor of NAME.acts.safetensors within its kind's tolerance; numbers equal
 *     features   those of NAME.sae/features.json, values within 1e-5 of the largest of all; no bit of the logits changes; the same bytes
 *                over chunks, threads, tiers, and with memory for few positions
 *     passive    with all taps on all layers the logits have the bits of a run without
 *     ends       resid_post of a layer is resid_pre of the next; the lens on the last layer, and final, give the model's own logits
 *     stable     the recorded bytes are one over chunks, threads, tiers, budgets, beside other requests, resumed and preempted
 *     held up    while its target takes nothing a job that records gets no rows, and four others get theirs in every step, which
 *                allocates nothing
 *     whole      a write that fails is one sentence, and all memory comes back
 *     closed     what was sent is in the file, although the engine closes while the ring is full
 *     busy       memory for lists that another job has is told as such
 *     least      what stoker_capture_least() says is enough with the smallest plan, for the same bytes, and an eighth less is not
 *     beside     jobs with and without a list, that record or do not, give in one step what each gives alone */
#include "base/half.h"
#include "base/hash.h"
#include "count_malloc.h"
#include "engine/engine.h"
#include "expected.h"
#include "op/matmul.h"
#include "temporary.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_TENSORS = 1024, MOST_TOKENS = 320, ALL_TAPS = (1 << STOKER_TAPS) - 1, TOP = 5 };

static int passed, failed;

static void verdict(const char *model, const char *law, int ok, const char *detail)
{
    printf("%s %-10s %-26s %s\n", ok ? "ok  " : "FAIL", law, model, detail);
    fflush(stdout);
    *(ok ? &passed : &failed) += 1;
}

static const char *name_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* ---- one request --------------------------------------------------------------------------------------------------------------- */

static struct stoker_options base = {.n_ctx = 512,
                                     .n_parallel = 1,
                                     .n_chunk = 64,
                                     .n_threads = 1,
                                     .kv = "f32",
                                     .memory = STOKER_MEMORY_MAX,
                                     .capture_memory = 1 << 20};

struct recorded {
    struct stoker_tensor tensor[MOST_TENSORS];
    int n;
    uint8_t *data;
    size_t bytes;
    uint64_t logits[MOST_TOKENS];      /* hashes, by position */
    int logits_are_equal, largest_are; /* what the lens and final give, against them */
    struct stoker_event end;
};

static struct stoker *engine(const char *path, const struct stoker_options *o)
{
    struct stoker_error err;
    struct stoker *s;
    if (stoker_open(&s, path, o, &err) == 0)
        return s;
    verdict(name_of(path), "open", 0, err.text);
    return NULL;
}

static void tokens_of(const struct stoker *s, stoker_token *id, int n)
{
    for (int i = 0; i < n; i++)
        id[i] = (stoker_token)((i * 37 + 11 + i * i % 13) % stoker_n_vocab(s));
}

static int lay_out(struct recorded *r, const struct stoker *s, struct stoker_capture *c, size_t rows)
{
    struct stoker_error err;
    c->n_rows = rows;
    c->n_requests = 1;
    r->n = stoker_capture_layout(s, c, r->tensor, MOST_TENSORS, &err);
    if (r->n < 0) {
        printf("     %s\n", err.text);
        return -1;
    }
    r->bytes = 0;
    for (int i = 0; i < r->n; i++)
        r->bytes += r->tensor[i].bytes;
    r->data = calloc(1, r->bytes);
    c->memory = r->data;
    c->n_memory = r->bytes;
    return 0;
}

static const struct stoker_tensor *tensor_of(const struct recorded *r, const char *name, int layer)
{
    char full[STOKER_TENSOR_NAME];
    snprintf(full, sizeof full, layer < 0 ? "%s" : "%s.%d", name, layer);
    for (int i = 0; i < r->n; i++)
        if (strcmp(r->tensor[i].name, full) == 0)
            return &r->tensor[i];
    return NULL;
}

static const void *data_of(const struct recorded *r, const struct stoker_tensor *t) { return r->data + t->offset; }

static void note_logits(void *arg, size_t pos, const float *logits)
{
    struct recorded *r = arg;
    r->logits[pos] = hash64(logits, sizeof(float) * (size_t)r->logits_are_equal,
                            0); /* its field lends the vocabulary's size */
}

/* Runs a request to its end. 0; -1 after a sentence. */
static int finish(struct stoker *s, stoker_id id, struct stoker_event *end)
{
    while (stoker_next_event(s, id, -1, end) == 1)
        if (end->kind == STOKER_END || end->kind == STOKER_FAILED)
            break;
    if (end->kind == STOKER_END)
        return 0;
    printf("     %s\n", end->error.text);
    return -1;
}

/* A prompt whose every row is scored; answer tokens behind it, if any. */
static int run(struct stoker *s, const stoker_token *id, int n, int answer, struct stoker_capture *c,
               struct recorded *r)
{
    static struct stoker_score score[MOST_TOKENS];
    struct stoker_error err;
    stoker_id job;
    r->logits_are_equal = stoker_n_vocab(s);
    struct stoker_request q = {.prompt = id,
                               .n_prompt = (size_t)n,
                               .score_from = 1,
                               .score = score,
                               .max_tokens = answer,
                               .only_score = answer == 0,
                               .ignore_end = 1,
                               .on_score = note_logits,
                               .on_score_arg = r,
                               .no_cache = 1,
                               .capture = c};
    if (stoker_submit(s, &q, &job, &err)) {
        printf("     %s\n", err.text);
        return -1;
    }
    return finish(s, job, &r->end);
}

/* ---- against an independent engine ---------------------------------------------------------------------------------------------- */

struct reference {
    json_t *header;
    uint8_t *bytes;
    const uint8_t *data;
};

static int read_reference(struct reference *f, const char *path)
{
    FILE *file = fopen(path, "rb");
    uint64_t n = 0;
    *f = (struct reference){.header = NULL};
    if (!file || fseek(file, 0, SEEK_END))
        return -1;
    long size = ftell(file);
    rewind(file);
    f->bytes = malloc((size_t)size);
    size_t got = fread(f->bytes, 1, (size_t)size, file);
    fclose(file);
    memcpy(&n, f->bytes, 8);
    f->header = got == (size_t)size ? json_loadb((char *)f->bytes + 8, n, 0, NULL) : NULL;
    f->data = f->bytes + 8 + n;
    return f->header ? 0 : -1;
}

/* The largest difference to the reference's largest value; of numbers, how many differ. */
static double difference(const struct stoker_tensor *t, const void *have, const void *want)
{
    double most = 0, size = 0, n = 0;
    for (uint64_t i = 0; i < t->bytes / 4; i++) {
        if (t->dtype == STOKER_I32) {
            n += ((const int32_t *)have)[i] != ((const int32_t *)want)[i];
            continue;
        }
        double w = (double)((const float *)want)[i], d = fabs((double)((const float *)have)[i] - w);
        most = !(d <= most) ? d : most;
        size = fabs(w) > size ? fabs(w) : size;
    }
    return t->dtype == STOKER_I32 ? n : most / (size > 0 ? size : 1);
}

static int compare(const struct recorded *r, const struct reference *f, const json_t *tolerance)
{
    const char *name;
    json_t *about;
    int ok = 1;
    json_object_foreach(f->header, name, about)
    {
        char kind[STOKER_TENSOR_NAME];
        const struct stoker_tensor *t = tensor_of(r, name, -1);
        if (strcmp(name, "__metadata__") == 0)
            continue;
        snprintf(kind, sizeof kind, "%.*s", (int)strcspn(name, "."), name);
        uint64_t at = (uint64_t)json_integer_value(json_array_get(json_object_get(about, "data_offsets"), 0)),
                 end = (uint64_t)json_integer_value(json_array_get(json_object_get(about, "data_offsets"), 1));
        double most = json_number_value(json_object_get(tolerance, kind)),
               d = t && t->bytes == end - at ? difference(t, data_of(r, t), f->data + at) : INFINITY;
        if (d <= most)
            continue;
        printf("     %s: %g, at most %g\n", name, d, most);
        ok = 0;
    }
    return ok;
}

/* ---- features of an autoencoder -------------------------------------------------------------------------------------------------- */

enum { FEATURES_TOP = 64 }; /* more than are active of any row */

/* Setting i of those that recorded bytes do not depend on: its name; NULL: there are no more. Sanitizers take the first ones: bits are not
 * what they look for. */
static const char *setting_of(int i, struct stoker_options *o)
{
    enum { PLAIN = 6, SANE = 3 };
    static const char *const name[PLAIN] = {"memory for few rows", "chunk 7, 2 threads", "memory min", "chunk 1",
                                            "2 threads",           "chunk 64, 1 thread"};
    o->capture_memory = i == 0 ? 32 * 1024 : o->capture_memory;
    o->n_chunk = i == 1 ? 7 : i == 3 ? 1 : i == 5 ? 64 : o->n_chunk;
    o->n_threads = i == 1 || i == 4 ? 2 : i == 5 ? 1 : o->n_threads;
    o->memory = i == 2 ? STOKER_MEMORY_MIN : o->memory;
    if (i < PLAIN)
        return SANITIZED && i >= SANE ? NULL : name[i];
    o->cpu_tier = cpu_tier_name((enum cpu_tier)(i - PLAIN));
    return i - PLAIN <= (int)cpu_best_tier() ? o->cpu_tier : NULL;
}

/* Records all features of a model's tokens under options. 0, and r->data is the caller's. */
static int record_features(const char *dir, const char *name, const struct stoker_options *o, const stoker_token *id,
                           int n, struct recorded *r)
{
    char path[4400];
    struct stoker_error err = {0};
    struct stoker_vector *v = NULL;
    r->data = NULL;
    snprintf(path, sizeof path, "%s/%s.gguf", dir, name);
    struct stoker *s = engine(path, o);
    if (!s)
        return -1;
    snprintf(path, sizeof path, "%s/%s.sae", dir, name);
    int ok = stoker_sae_open(&v, s, AT_FDCWD, path, NULL, &err) == 0;
    struct stoker_capture c = {.top = FEATURES_TOP, .sae = v};
    if (!ok)
        printf("     %s\n", err.text);
    ok = ok && lay_out(r, s, &c, (size_t)n) == 0 && r->n == 3 && run(s, id, n, 0, &c, r) == 0;
    stoker_vector_close(v);
    stoker_close(s);
    return ok ? 0 : -1;
}

/* The largest value of all rows. */
static double largest_of(const json_t *rows)
{
    double most = 0;
    size_t i;
    json_t *row;
    json_array_foreach(rows, i, row)
    {
        double v = json_number_value(json_array_get(json_array_get(row, 0), 1));
        most = v > most ? v : most;
    }
    return most;
}

/* 1: a row's features are those of the reference: [[id, value], ..], descending. */
static int are_features(const json_t *want, double most, const int32_t *id, const float *value)
{
    size_t n = json_array_size(want), i;
    json_t *pair;
    if (n == 0 || n >= FEATURES_TOP || id[n] != -1 || value[n] != 0)
        return 0;
    json_array_foreach(want, i, pair)
    {
        size_t at = 0;
        while (at < n && id[at] != json_integer_value(json_array_get(pair, 0)))
            at++;
        if (at == n || !(fabs((double)value[at] - json_number_value(json_array_get(pair, 1))) <= most) ||
            (i > 0 && !(value[i - 1] >= value[i])))
            return 0;
    }
    return 1;
}

static void features(const char *dir, const char *name, const struct stoker_options *how, const stoker_token *id, int n)
{
    static struct recorded r, other;
    char path[4400], detail[80];
    snprintf(path, sizeof path, "%s/%s.sae/features.json", dir, name);
    json_t *root = json_load_file(path, 0, NULL), *rows = json_object_get(root, "features");
    struct stoker_options o = *how;
    o.steer_memory = 1 << 20;
    int ok = record_features(dir, name, &o, id, n, &r) == 0 && (int)json_array_size(rows) == n;
    int layer = (int)json_integer_value(json_object_get(root, "layer")), active = 0;
    const struct stoker_tensor *ids = ok ? tensor_of(&r, "sae_ids", layer) : NULL,
                               *values = ok ? tensor_of(&r, "sae_values", layer) : NULL;
    ok = ok && ids && values && ids->shape[1] == FEATURES_TOP;
    for (int i = 0; ok && i < n; i++) {
        json_t *want = json_array_get(rows, (size_t)i);
        ok = are_features(want, 1e-5 * largest_of(rows), (const int32_t *)data_of(&r, ids) + i * FEATURES_TOP,
                          (const float *)data_of(&r, values) + i * FEATURES_TOP);
        active += (int)json_array_size(want);
        if (!ok)
            printf("     features of position %d differ\n", i);
    }
    struct stoker_options mine = o;
    const char *setting;
    for (int i = 0; ok && (setting = setting_of(i, &mine)); i++, mine = o) {
        ok = record_features(dir, name, &mine, id, n, &other) == 0 && other.bytes == r.bytes &&
             memcmp(other.data, r.data, r.bytes) == 0 &&
             memcmp(other.logits + 1, r.logits + 1, (size_t)(n - 1) * sizeof *r.logits) == 0;
        free(other.data);
        if (!ok)
            printf("     differs: %s\n", setting);
    }
    struct stoker_capture c = {.taps = 1u << STOKER_TAP_FINAL};
    snprintf(path, sizeof path, "%s/%s.gguf", dir, name);
    struct stoker *s = ok ? engine(path, &o) : NULL;
    other.data = NULL;
    ok = ok && s && lay_out(&other, s, &c, (size_t)n) == 0 && run(s, id, n, 0, &c, &other) == 0 &&
         memcmp(other.logits + 1, r.logits + 1, (size_t)(n - 1) * sizeof *r.logits) == 0;
    free(other.data);
    stoker_close(s);
    snprintf(detail, sizeof detail, "%d active, hash %016llx", active,
             ok ? (unsigned long long)hash64(r.data, r.bytes, 0) : 0);
    verdict(name, "features", ok, detail);
    free(r.data);
    json_decref(root);
}

/* Of a model's tokens [n], all taps that c names. 0, and r->data is the caller's. */
static int record_golden(const char *path, const struct stoker_options *o, const struct stoker_capture *all,
                         const stoker_token *id, int n, struct recorded *r)
{
    struct stoker_capture c = *all;
    struct stoker *s = engine(path, o);
    r->data = NULL;
    if (!s)
        return -1;
    int ok = lay_out(r, s, &c, (size_t)n) == 0 && run(s, id, n, 0, &c, r) == 0 && r->end.u.end.n_captured == (size_t)n;
    stoker_close(s);
    return ok ? 0 : -1;
}

static void run_golden(const char *dir, const json_t *model, int exact)
{
    static struct recorded r, other;
    char path[4400], detail[80] = "";
    const char *name = json_string_value(json_object_get(model, "name")), *setting;
    struct reference f;
    struct stoker_options o = base, mine;
    o.exact = exact;
    snprintf(path, sizeof path, "%s/%s.acts.safetensors", dir, name);
    int n = (int)json_integer_value(json_object_get(model, "n_tokens"));
    if (read_reference(&f, path)) {
        verdict(path, "right", 0, "it cannot be read");
        return;
    }
    struct stoker_capture c = {.taps = ALL_TAPS, .top = TOP};
    if (json_object_get(f.header, "router_ids.0") == NULL)
        c.taps &= ~(unsigned)(1 << STOKER_TAP_ROUTER_LOGITS | 1 << STOKER_TAP_ROUTER_IDS |
                              1 << STOKER_TAP_ROUTER_WEIGHTS);
    const stoker_token *id = (const stoker_token *)(const void *)f.data;
    snprintf(path, sizeof path, "%s/%s.gguf", dir, name);
    int ok = record_golden(path, &o, &c, id, n, &r) == 0 &&
             compare(&r, &f, json_object_get(model, "activation_tolerance"));
    if (ok)
        snprintf(detail, sizeof detail, "hash %016llx", (unsigned long long)hash64(r.data, r.bytes, 0));
    verdict(name, "right", ok, detail);
    mine = o;
    for (int i = 0; ok && (setting = setting_of(i, &mine)); i++, mine = o) {
        mine.capture_memory = i == 0 ? base.capture_memory / 8 : mine.capture_memory; /* one position fits */
        int same = record_golden(path, &mine, &c, id, n, &other) == 0 && other.bytes == r.bytes &&
                   memcmp(other.data, r.data, r.bytes) == 0;
        free(other.data);
        verdict(name, "the same", same, setting);
    }
    if (ok)
        features(dir, name, &o, id, n);
    free(r.data);
    json_decref(f.header);
    free(f.bytes);
}

static void run_folder(const char *dir, int exact)
{
    enum { MODELS = 4 }; /* one that is lost would be missed by nobody */
    char path[4400];
    size_t i;
    json_t *model;
    snprintf(path, sizeof path, "%s/INDEX.json", dir);
    json_t *root = json_load_file(path, 0, NULL);
    json_array_foreach(json_object_get(root, "models"), i, model) run_golden(dir, model, exact);
    if (i != MODELS)
        verdict(path, "right", 0, "it has not all models");
    json_decref(root);
}

/* ---- the laws ------------------------------------------------------------------------------------------------------------------- */

/* All taps that the model has. */
static unsigned taps_of(const struct stoker *s)
{
    const struct model *m = s->session->model;
    unsigned all = 0;
    for (int l = 0; l < m->p.n_layer; l++)
        all |= m->taps[l];
    return all;
}

enum { N = 40 };

/* resid_post.l = resid_pre.(l + 1). */
static int ends_meet(const struct stoker *s, const struct recorded *r)
{
    for (int l = 0; l + 1 < s->session->model->p.n_layer; l++) {
        const struct stoker_tensor *post = tensor_of(r, "resid_post", l), *pre = tensor_of(r, "resid_pre", l + 1);
        if (!post || !pre || memcmp(data_of(r, post), data_of(r, pre), post->bytes))
            return 0;
    }
    return 1;
}

/* The logits of each row, made from the recorded input of the output matrix, have the bits of the model's own; and so has the lens, where
 * there is one. */
static int logits_meet(const struct stoker *s, const struct recorded *r)
{
    struct model *m = s->session->model;
    int n_vocab = m->p.n_vocab, n_embd = m->p.n_embd, ok = 1, has_lens = taps_of(s) >> STOKER_TAP_LENS & 1;
    const struct stoker_tensor *final = tensor_of(r, "final", -1), *ids = tensor_of(r, "lens_ids", m->p.n_layer - 1),
                               *values = tensor_of(r, "lens_values", m->p.n_layer - 1);
    float *logits = malloc((size_t)n_vocab * sizeof *logits);
    for (int i = 0; final && !ids == !has_lens && !values == !has_lens && i + 1 < N && ok;
         i++) { /* the engine's thread is idle */
        float *x = (float *)(uintptr_t)data_of(r, final) + (size_t)i * (size_t)n_embd, value[TOP];
        int32_t id[TOP];
        arena_reset(m->op.scratch, 0);
        struct act a = act_rows(&m->op, x, 1, n_embd, (size_t)n_embd);
        op_matmul(&m->op, logits, (size_t)n_vocab, &a, &m->output->mat);
        if (m->output_bias)
            op_add_vector(&m->op, logits, m->output_bias->vector, 1, n_vocab);
        if (m->p.logit_scale > 0)
            op_scale(&m->op, logits, m->p.logit_scale, 1, n_vocab);
        if (m->p.logit_cap > 0)
            op_softcap(&m->op, logits, m->p.logit_cap, 1, n_vocab);
        tap_largest(logits, n_vocab, TOP, id, value);
        ok = hash64(logits, sizeof *logits * (size_t)n_vocab, 0) == r->logits[i + 1] &&
             (!ids || (memcmp(id, (const int32_t *)data_of(r, ids) + i * TOP, sizeof id) == 0 &&
                       memcmp(value, (const float *)data_of(r, values) + i * TOP, sizeof value) == 0));
    }
    free(logits);
    return ok && final && !ids == !has_lens && !values == !has_lens;
}

static uint64_t hash_with(const char *path, const struct stoker_options *o, int others)
{
    struct recorded r;
    stoker_token id[N], other[3][N];
    stoker_id beside[3];
    struct stoker_error err;
    struct stoker_event e;
    uint64_t hash = 0;
    struct stoker *s = engine(path, o);
    if (!s)
        return 0;
    tokens_of(s, id, N);
    for (int i = 0; i < others; i++) {
        for (int k = 0; k < N; k++)
            other[i][k] = (id[k] + 3 * i + 1) % stoker_n_vocab(s);
        struct stoker_request q = {.prompt = other[i], .n_prompt = N, .max_tokens = 20, .ignore_end = 1};
        if (stoker_submit(s, &q, &beside[i], &err))
            others = i;
    }
    struct stoker_capture c = {.taps = taps_of(s), .top = TOP};
    if (lay_out(&r, s, &c, N) == 0) {
        if (run(s, id, N, 0, &c, &r) == 0)
            hash = hash64(r.data, r.bytes, 0);
        free(r.data);
    }
    for (int i = 0; i < others; i++)
        finish(s, beside[i], &e);
    stoker_close(s);
    return hash;
}

static void stable(const char *path, uint64_t truth)
{
    struct stoker_options how[5] = {base, base, base, base, base};
    char detail[100] = "";
    int ok = truth != 0;
    how[0].n_chunk = 1;
    how[1].n_chunk = 7;
    how[1].cpu_tier = "scalar";
    how[2].n_threads = 2;
    how[2].memory = STOKER_MEMORY_MIN;
    how[3].n_parallel = 4;
    how[4].n_parallel = 4;
    how[4].n_threads = 2;
    how[4].capture_memory = 300 << 10; /* rows wait for room */
    for (int i = 0; i < 5; i++)
        if (hash_with(path, &how[i], i > 2 ? 3 : 0) != truth)
            ok = 0, snprintf(detail, sizeof detail, "setting %d differs", i);
    verdict(name_of(path), "stable", ok, detail);
}

static void laws(const char *path)
{
    static struct recorded plain, r;
    stoker_token id[N];
    struct stoker *s = engine(path, &base);
    if (!s)
        return;
    tokens_of(s, id, N);
    struct stoker_capture c = {.taps = taps_of(s), .top = TOP};
    int ok = run(s, id, N, 0, NULL, &plain) == 0 && lay_out(&r, s, &c, N) == 0 && run(s, id, N, 0, &c, &r) == 0;
    verdict(name_of(path), "passive", ok && memcmp(plain.logits, r.logits, sizeof r.logits) == 0, "");
    verdict(name_of(path), "ends", ok && ends_meet(s, &r) && logits_meet(s, &r), "");
    uint64_t truth = ok ? hash64(r.data, r.bytes, 0) : 0;
    free(r.data);
    stoker_close(s);
    stable(path, truth);
}

/* ---- where a job waits, and where it is preempted -------------------------------------------------------------------------------- */

static pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;

static ssize_t held_write(int fd, const void *from, size_t n, off_t at)
{
    pthread_mutex_lock(&held);
    pthread_mutex_unlock(&held);
    return pwrite(fd, from, n, at);
}

static off_t disk_bytes;

static ssize_t full_disk(int fd, const void *from, size_t n, off_t at)
{
    (void)fd, (void)from;
    if (at + (off_t)n <= disk_bytes)
        return (ssize_t)n;
    errno = ENOSPC;
    return -1;
}

static int open_target(void)
{
    char path[] = "/tmp/stoker-capture-XXXXXX";
    int fd = mkstemp(path);
    unlink(path);
    return fd;
}

static uint64_t hash_of_file(int fd, size_t n)
{
    uint8_t *all = calloc(1, n);
    uint64_t hash = pread(fd, all, n, 0) == (ssize_t)n ? hash64(all, n, 0) : 0;
    free(all);
    return hash;
}

enum { LONG = 300 };

static size_t rows_done(struct stoker *s, stoker_id id)
{
    struct stoker_slot slot[8];
    int n = stoker_slots(s, slot, 8);
    for (int i = 0; i < n; i++)
        if (slot[i].id == id)
            return slot[i].n_prompt_done;
    return 0;
}

/* Until so many steps more than `before` were made: what they had together. 0: they were not, for long. */
static int steps_made(struct stoker *s, const struct stoker_stats *before, uint64_t steps, struct stoker_stats *more)
{
    for (int ms = 0; ms < 60000; ms++) {
        stoker_stats_of(s, more);
        more->steps -= before->steps;
        more->rows -= before->rows;
        if (more->steps >= steps)
            return 1;
        usleep(1000);
    }
    return 0;
}

/* n tokens of each of four streams. 0: they do not come. */
static int tokens_come(struct stoker *s, const stoker_id stream[4], int n)
{
    struct stoker_event e;
    for (int k = 0; k < n; k++)
        for (int i = 0; i < 4; i++)
            if (stoker_next_event(s, stream[i], 20000, &e) != 1 || e.kind != STOKER_TOKEN)
                return 0;
    return 1;
}

/* While the writer is held up and the ring is full, each step has the rows of four streams and no others, and allocates nothing. Streams
 * rest alike once their events are not taken: until then all steps of the engine are theirs. */
static int streams_go_on(struct stoker *s, const stoker_token *id, int *calls)
{
    enum { PROMPT = 3, UNREAD = EVENTS - 2, SAID = 200 };
    struct stoker_error err;
    struct stoker_stats before, more;
    struct stoker_request t[4];
    stoker_id stream[4];
    for (int i = 0; i < 4; i++)
        t[i] = (struct stoker_request){
            .prompt = id + i, .n_prompt = PROMPT, .max_tokens = SAID, .ignore_end = 1, .no_cache = 1};
    stoker_stats_of(s, &before);
    if (stoker_submit_all(s, t, 4, stream, &err) || !steps_made(s, &before, UNREAD, &more))
        return 0;
    int ok = more.steps == UNREAD && more.rows == 4 * (PROMPT + UNREAD - 1);
    if (!ok)
        printf("     %d steps have %d rows\n", (int)more.steps, (int)more.rows);
    count_begin();
    ok = tokens_come(s, stream, SAID - EVENTS - 1) && ok; /* none of them has ended then */
    *calls = count_end();
    ok = tokens_come(s, stream, EVENTS + 1) && ok;
    for (int i = 0; i < 4; i++) {
        struct stoker_event e;
        ok = finish(s, stream[i], &e) == 0 && ok;
    }
    return ok && *calls == 0;
}

/* Rows in the ring once it is full and none of them is being computed; 0: it is not. */
static size_t rows_held(struct stoker *s, size_t row)
{
    struct capture *p = &s->capture;
    size_t rows = 0;
    int is_full = capture_free(p) < row;
    pthread_mutex_lock(&p->lock);
    for (int i = 0; i < p->n; i++) {
        const struct capture_piece *piece = &p->piece[(p->first + i) % CAPTURE_PIECES];
        rows += (size_t)piece->n;
        is_full = is_full && piece->state != CAPTURE_OPEN;
    }
    pthread_mutex_unlock(&p->lock);
    return is_full ? rows : 0;
}

static void held_up(const char *path)
{
    struct stoker_options o = base;
    struct stoker_error err;
    struct stoker_event e;
    static struct recorded r;
    static stoker_token id[LONG];
    stoker_id job;
    int calls = -1;
    char detail[160] = "";
    o.n_parallel = 5;
    o.capture_memory = 256 << 10;
    struct stoker *s = engine(path, &o);
    if (!s)
        return;
    s->capture.write = held_write;
    tokens_of(s, id, LONG);
    struct stoker_capture c = {.taps = 1 << STOKER_TAP_RESID_POST | 1 << STOKER_TAP_ATTN_OUT};
    int ok = lay_out(&r, s, &c, LONG) == 0;
    c.memory = NULL;
    c.fd = open_target();
    pthread_mutex_lock(&held);
    struct stoker_request q = {.prompt = id, .n_prompt = LONG, .only_score = 1, .no_cache = 1, .capture = &c};
    ok = ok && stoker_submit(s, &q, &job, &err) == 0;
    size_t row = (r.bytes / LONG + 63) / 64 * 64, fits = s->capture.size / row, full = 0;
    while (ok && ((full = rows_held(s, row)) == 0 || rows_done(s, job) != full))
        usleep(1000);
    ok = ok && full <= fits && fits < LONG && streams_go_on(s, id, &calls) && rows_done(s, job) == full;
    snprintf(detail, sizeof detail, "%zu of %d rows, room for %zu; %d allocations", full, LONG, fits, calls);
    pthread_mutex_unlock(&held);
    ok = finish(s, job, &e) == 0 && ok && e.u.end.n_captured == LONG;
    uint64_t slow = hash_of_file(c.fd, r.bytes);
    c.memory = r.data;
    ok = ok && stoker_submit(s, &q, &job, &err) == 0 && finish(s, job, &e) == 0 && hash64(r.data, r.bytes, 0) == slow;
    verdict(name_of(path), "held up", ok, detail);
    close(c.fd);
    free(r.data);
    stoker_close(s);
}

static void full(const char *path)
{
    struct stoker_options o = base;
    struct stoker_error err;
    struct stoker_event e = {.kind = STOKER_TOKEN};
    static struct recorded r;
    static stoker_token id[LONG];
    stoker_id job;
    struct stoker *s = engine(path, &o);
    if (!s)
        return;
    uint64_t left = atomic_load(&s->capture.left);
    s->capture.write = full_disk;
    tokens_of(s, id, LONG);
    struct stoker_capture c = {.taps = 1 << STOKER_TAP_RESID_POST};
    int ok = lay_out(&r, s, &c, LONG) == 0;
    disk_bytes = (off_t)(r.bytes / 2);
    c.memory = NULL;
    c.fd = open_target();
    struct stoker_request q = {.prompt = id, .n_prompt = LONG, .only_score = 1, .no_cache = 1, .capture = &c};
    ok = ok && stoker_submit(s, &q, &job, &err) == 0;
    while (ok && stoker_next_event(s, job, -1, &e) == 1 && e.kind != STOKER_FAILED && e.kind != STOKER_END)
        ;
    ok = ok && e.kind == STOKER_FAILED && e.error.code == STOKER_ERR_IO && strstr(e.error.text, "No space left");
    ok = ok && atomic_load(&s->capture.left) == left;
    verdict(name_of(path), "whole", ok, e.kind == STOKER_FAILED ? e.error.text : "it did not fail");
    close(c.fd);
    free(r.data);
    stoker_close(s);
}

static void *close_it(void *s)
{
    stoker_close(s);
    return NULL;
}

/* Rows of each tensor that are in the file as they should be: the fewest of all. */
static size_t rows_in_file(int fd, const struct recorded *r, size_t n)
{
    uint8_t *all = calloc(1, r->bytes);
    size_t least = pread(fd, all, r->bytes, 0) < 0 ? 0 : n;
    for (int i = 0; i < r->n; i++) {
        size_t row = r->tensor[i].bytes / n, at = r->tensor[i].offset, k = 0;
        while (k < least && memcmp(all + at + k * row, r->data + at + k * row, row) == 0)
            k++;
        least = k;
    }
    free(all);
    return least;
}

static void closed(const char *path)
{
    struct stoker_options o = base;
    struct stoker_error err;
    struct stoker_event e;
    static struct recorded r;
    static stoker_token id[LONG];
    stoker_id job;
    pthread_t closer;
    char detail[80];
    o.capture_memory = 256 << 10;
    struct stoker *s = engine(path, &o);
    if (!s)
        return;
    s->capture.write = held_write;
    tokens_of(s, id, LONG);
    struct stoker_capture c = {.taps = 1 << STOKER_TAP_RESID_POST | 1 << STOKER_TAP_ATTN_OUT};
    int ok = lay_out(&r, s, &c, LONG) == 0;
    struct stoker_request q = {.prompt = id, .n_prompt = LONG, .only_score = 1, .no_cache = 1, .capture = &c};
    ok = ok && stoker_submit(s, &q, &job, &err) == 0 && finish(s, job, &e) == 0;
    c.memory = NULL;
    c.fd = open_target();
    pthread_mutex_lock(&held);
    ok = ok && stoker_submit(s, &q, &job, &err) == 0;
    size_t row = (r.bytes / LONG + 63) / 64 * 64, done = 0;
    while (ok && (capture_free(&s->capture) >= row || (done = rows_done(s, job)) == 0))
        usleep(1000);
    ok = ok && pthread_create(&closer, NULL, close_it, s) == 0;
    while (ok && !atomic_load(&s->stop)) /* it cannot go on before its writer does */
        usleep(1000);
    pthread_mutex_unlock(&held);
    if (ok)
        pthread_join(closer, NULL);
    else
        stoker_close(s);
    size_t written = rows_in_file(c.fd, &r, LONG);
    snprintf(detail, sizeof detail, "%zu of %zu rows are written", written, done);
    verdict(name_of(path), "closed", ok && written >= done && written < LONG, detail);
    close(c.fd);
    free(r.data);
}

/* A second list while the first has more than half of the memory for lists; and one that this has no room for at all. */
static void busy(const char *path)
{
    static struct recorded r;
    struct stoker_error err = {0};
    struct stoker_event e;
    stoker_token id[N];
    stoker_id job[2];
    uint64_t list = 0;
    int ok = 1;
    for (int round = 0; round < 3 && ok; round++) {
        struct stoker_options o = base;
        o.capture_memory = round == 0 ? base.capture_memory : round == 1 ? 6 * list : 3 * list;
        struct stoker *s = engine(path, &o);
        if (!s)
            return;
        s->capture.write = held_write;
        tokens_of(s, id, N);
        uint64_t left = atomic_load(&s->capture.left);
        struct stoker_capture c = {.taps = 1 << STOKER_TAP_RESID_POST, .reduce = STOKER_REDUCE_MEAN};
        struct stoker_request q = {.prompt = id, .n_prompt = N, .only_score = 1, .capture = &c};
        ok = lay_out(&r, s, &c, N) == 0;
        free(r.data);
        c.memory = NULL;
        c.fd = open_target();
        pthread_mutex_lock(&held);
        int first = stoker_submit(s, &q, &job[0], &err);
        list = round ? list : left - atomic_load(&s->capture.left);
        if (round == 2)
            ok = ok && first && err.code == STOKER_ERR_MEMORY && strstr(err.text, "at most") &&
                 strcmp(err.field, "capture") == 0;
        else
            ok = ok && first == 0;
        if (round == 1)
            ok = ok && stoker_submit(s, &q, &job[1], &err) && err.code == STOKER_ERR_BUSY &&
                 strcmp(err.field, "capture") == 0;
        pthread_mutex_unlock(&held);
        ok = (first || finish(s, job[0], &e) == 0) && ok;
        if (round == 1)
            ok = ok && stoker_submit(s, &q, &job[1], &err) == 0 && finish(s, job[1], &e) == 0;
        close(c.fd);
        stoker_close(s);
    }
    verdict(name_of(path), "busy", ok && list > 0, err.text);
}

enum least_end { DONE, TOO_LARGE, NOT_OF_IT, WRONG };

/* A file beside the model, NAME.sae or NAME.a.gguf. NOT_OF_IT: there is none; WRONG: it cannot be opened. */
static enum least_end open_beside(struct stoker_vector **v, struct stoker *s, const char *path, const char *ending)
{
    char name[4400];
    struct stoker_error err;
    snprintf(name, sizeof name, "%.*s.%s", (int)strlen(path) - 5, path, ending);
    if (access(name, F_OK))
        return NOT_OF_IT;
    if (!(strcmp(ending, "sae") == 0 ? stoker_sae_open(v, s, AT_FDCWD, name, NULL, &err)
                                     : stoker_vector_open(v, s, AT_FDCWD, name, &err)))
        return DONE;
    printf("     %s\n", err.text);
    return WRONG;
}

/* With so much memory and the smallest plan, or, of 0, with plenty. r->data is the caller's. */
static enum least_end record_with(const char *path, uint64_t memory, const struct stoker_capture *of,
                                  const char *ending, struct recorded *r, struct stoker_error *err)
{
    struct stoker_options o = base;
    struct stoker_capture c = *of;
    struct stoker_event e;
    stoker_token id[N];
    stoker_id job;
    o.steer_memory = ending ? 16 << 20 : 0;
    if (memory) {
        o.memory = STOKER_MEMORY_MIN;
        o.n_chunk = 0;
        o.capture_memory = memory;
    }
    r->data = NULL;
    struct stoker *s = engine(path, &o);
    if (!s)
        return WRONG;
    struct stoker_vector *v = NULL;
    enum least_end end = ending ? open_beside(&v, s, path, ending) : DONE;
    *(c.reduce == STOKER_REDUCE_DOT ? &c.along : &c.sae) = v;
    tokens_of(s, id, N);
    struct stoker_request q = {.prompt = id, .n_prompt = N, .only_score = 1, .capture = &c};
    if (end == DONE && lay_out(r, s, &c, N))
        end = WRONG;
    if (end == DONE && stoker_submit(s, &q, &job, err))
        end = err->code == STOKER_ERR_MEMORY ? TOO_LARGE : WRONG;
    else if (end == DONE && finish(s, job, &e))
        end = WRONG;
    stoker_vector_close(v);
    stoker_close(s);
    return end;
}

/* times[0]: how often it was the rows that do not fit into less, times[1] the list. */
static int least_of(const char *path, const struct stoker_capture *c, const char *ending, int times[2])
{
    static struct recorded all, r;
    struct stoker_error err = {0};
    uint64_t bytes = 0;
    r.data = NULL;
    enum least_end end = record_with(path, 0, c, ending, &all, &err);
    int ok = end == NOT_OF_IT;
    if (end == DONE) {
        ok = stoker_capture_least(&bytes, path, c, ending && strcmp(ending, "sae") == 0, &err) == 0 &&
             record_with(path, bytes, c, ending, &r, &err) == DONE && r.bytes == all.bytes &&
             memcmp(r.data, all.data, r.bytes) == 0;
        free(r.data);
        end = record_with(path, bytes - bytes / 8, c, ending, &r, &err);
        free(r.data);
        /* before a vector is open it counts as one of all layers */
        ok = ok && (end == TOO_LARGE || (c->reduce == STOKER_REDUCE_DOT && end == DONE));
        times[strstr(err.text, "a position of") == NULL] += end == TOO_LARGE;
    }
    if (!ok)
        printf("     %llu bytes, taps %x, reduced to %s: %s\n", (unsigned long long)bytes, c->taps,
               stoker_reduce_name((int)c->reduce), err.text);
    free(all.data);
    return ok;
}

/* Of few rows and of many, of lists and of sums. */
static void least(const char *path, int times[2])
{
    static const struct {
        struct stoker_capture c;
        const char *ending; /* of what it needs beside the model */
    } of[] = {
        {{.taps = 1 << STOKER_TAP_RESID_POST}, NULL},
        {{.taps = ALL_TAPS, .top = TOP}, NULL},
        {{.taps = ALL_TAPS & ~(1 << STOKER_TAP_LENS | 1 << STOKER_TAP_ROUTER_IDS), .reduce = STOKER_REDUCE_MEAN}, NULL},
        {{.taps = ALL_TAPS & ~(1 << STOKER_TAP_LENS), .reduce = STOKER_REDUCE_LAST, .no_tokens = 1}, NULL},
        {{.taps = 1 << STOKER_TAP_ROUTER_IDS, .reduce = STOKER_REDUCE_COUNT}, NULL},
        {{.taps = 1 << STOKER_TAP_LENS | 1 << STOKER_TAP_FINAL, .top = STOKER_CAPTURE_TOP}, NULL},
        {{.taps = 1 << STOKER_TAP_FINAL, .dtype = STOKER_BF16}, NULL},
        {{.taps = 1 << STOKER_TAP_RESID_POST, .reduce = STOKER_REDUCE_DOT}, "a.gguf"},
        {{.taps = 1 << STOKER_TAP_FFN_OUT, .top = STOKER_CAPTURE_TOP}, "sae"},
        {{.top = TOP}, "sae"}};
    struct stoker *s = engine(path, &base);
    if (!s)
        return;
    unsigned taps = taps_of(s);
    stoker_close(s);
    int ok = 1;
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        struct stoker_capture c = of[i].c;
        c.taps &= taps;
        ok = (!c.taps && of[i].c.taps) || (least_of(path, &c, of[i].ending, times) && ok);
    }
    verdict(name_of(path), "least", ok, "");
}

/* Of several streams, shared keys and values, recurrent layers, and of rows that are wide beside their list. */
static void leasts(void)
{
    static const char *const models[] = {TEST_DATA "/golden/deepseek4.gguf",
                                         TEST_DATA "/golden/gemma4-moe.gguf",
                                         TEST_DATA "/golden/gpt-oss-mxfp4.gguf",
                                         TEST_DATA "/golden/jamba.gguf",
                                         TEST_DATA "/golden/kimi-linear.gguf",
                                         TEST_DATA "/golden/minimax-m3.gguf",
                                         TEST_DATA "/golden/qwen4exp.gguf",
                                         TEST_DATA "/steering/steer-qwen35moe.gguf",
                                         "models/ember/ember.gguf"};
    int times[2] = {0, 0};
    char detail[60];
    for (size_t i = 0; i < sizeof models / sizeof *models; i++)
        least(models[i], times);
    snprintf(detail, sizeof detail, "%d times of rows, %d of lists", times[0], times[1]);
    verdict("all", "least", times[0] > 0 && times[1] > 0, detail);
}

/* ---- beside steering ------------------------------------------------------------------------------------------------------------ */

static uint64_t hash_of_answer(struct stoker *s, stoker_id id)
{
    uint64_t hash = 1;
    struct stoker_event e;
    while (stoker_next_event(s, id, -1, &e) == 1 && e.kind != STOKER_END && e.kind != STOKER_FAILED)
        if (e.kind == STOKER_TOKEN) {
            hash = hash64(&e.u.token.id, sizeof e.u.token.id, hash);
            hash = hash64(&e.u.token.logprob, sizeof e.u.token.logprob, hash);
        }
    return e.kind == STOKER_END ? hash : 0;
}

enum { KINDS = 4, SAID = 10 };

/* Each alone, or all at once: what is recorded, and what is answered. */
static int run_kinds(struct stoker *s, const struct stoker_vector *v, int together, uint64_t hash[KINDS])
{
    static const struct {
        int records;
        float scale; /* 0: no list */
    } kind[KINDS] = {{1, 0}, {1, 1.5F}, {0, -0.75F}, {0, 0}};
    static struct recorded r[KINDS];
    struct stoker_capture c[KINDS];
    struct stoker_steer list[KINDS];
    struct stoker_request q[KINDS];
    struct stoker_error err;
    stoker_token id[N];
    stoker_id job[KINDS];
    int ok = 1;
    tokens_of(s, id, N);
    for (int i = 0; i < KINDS; i++) {
        c[i] = (struct stoker_capture){.taps = taps_of(s) & ~(unsigned)(1 << STOKER_TAP_LENS)};
        list[i] = (struct stoker_steer){.vector = v, .amount = kind[i].scale, .has_amount = 1};
        q[i] = (struct stoker_request){.prompt = id,
                                       .n_prompt = N,
                                       .max_tokens = SAID,
                                       .ignore_end = 1,
                                       .wants_logprobs = 1,
                                       .no_cache = 1,
                                       .steer = kind[i].scale != 0 ? &list[i] : NULL,
                                       .n_steer = kind[i].scale != 0,
                                       .capture = kind[i].records ? &c[i] : NULL};
        r[i].data = NULL;
        ok = ok && (!kind[i].records || lay_out(&r[i], s, &c[i], N + SAID - 1) == 0);
    }
    ok = ok && (!together || stoker_submit_all(s, q, KINDS, job, &err) == 0);
    for (int i = 0; i < KINDS && ok; i++) {
        ok = together || stoker_submit(s, &q[i], &job[i], &err) == 0;
        hash[i] = ok ? hash_of_answer(s, job[i]) : 0;
        if (kind[i].records && hash[i])
            hash[i] = hash64(r[i].data, r[i].bytes, hash[i]);
    }
    for (int i = 0; i < KINDS; i++)
        free(r[i].data);
    return ok;
}

/* With the vector beside the model, if there is one. */
static void beside(const char *path)
{
    char file[4400];
    struct stoker_options o = base;
    struct stoker_error err;
    struct stoker_vector *v = NULL;
    uint64_t alone[KINDS] = {0}, all[KINDS] = {0};
    snprintf(file, sizeof file, "%.*s.a.gguf", (int)strlen(path) - 5, path);
    if (access(file, R_OK))
        return;
    o.n_parallel = KINDS;
    o.steer_memory = 1 << 20;
    struct stoker *s = engine(path, &o);
    if (!s)
        return;
    int ok = stoker_vector_open(&v, s, AT_FDCWD, file, &err) == 0 && run_kinds(s, v, 0, alone) &&
             run_kinds(s, v, 1, all) && memcmp(alone, all, sizeof all) == 0;
    for (int i = 0; i < KINDS; i++)
        for (int k = 0; k < i; k++)
            ok = ok && alone[i] && alone[i] != alone[k];
    verdict(name_of(path), "beside", ok, "");
    stoker_vector_close(v);
    stoker_close(s);
}

/* Prompt and answer, recorded with so few pages that the job is preempted, and resumed from the cache, beside another. */
static void preempted(const char *path)
{
    static struct recorded r[2];
    static stoker_token id[LONG];
    struct stoker_options o = base;
    struct stoker_error err;
    struct stoker_event e;
    char detail[100];
    uint64_t times = 0;
    int ok = 1;
    for (int round = 0; round < 2 && ok; round++) {
        stoker_id job[2];
        size_t n = 1 + (size_t)round;
        o.n_parallel = 1 + round;
        o.n_pages = round ? 3 : 0;
        o.capture_memory =
            32 << 20; /* it never waits for the writer, so that the other one comes to its second page behind it */
        struct stoker *s = engine(path, &o);
        if (!s)
            return;
        tokens_of(s, id, LONG);
        struct stoker_capture c = {.taps = 1 << STOKER_TAP_RESID_POST | 1 << STOKER_TAP_FFN_OUT};
        struct stoker_request q = {.prompt = id, .n_prompt = 270, .max_tokens = 200, .ignore_end = 1, .capture = &c},
                              other = {.prompt = id + 7, .n_prompt = 240, .max_tokens = 50, .ignore_end = 1},
                              all[2] = {round ? other : q, q};
        size_t rows = stoker_capture_rows(s, &c, 270, 200);
        ok = rows == 469 && lay_out(&r[round], s, &c, rows) == 0 && stoker_submit_all(s, all, n, job, &err) == 0 &&
             finish(s, job[round], &e) == 0 && e.u.end.n_captured == rows && (!round || finish(s, job[0], &e) == 0);
        struct stoker_stats stats;
        stoker_stats_of(s, &stats);
        times = stats.preempted;
        stoker_close(s);
    }
    snprintf(detail, sizeof detail, "preempted %llu times", (unsigned long long)times);
    verdict(name_of(path), "preempted", ok && times > 0 && memcmp(r[0].data, r[1].data, r[0].bytes) == 0, detail);
    free(r[0].data);
    free(r[1].data);
}

/* The same prompt a second time: what is in the cache is computed all the same where it is recorded, and not before. */
static void cached(const char *path)
{
    static struct recorded r[2];
    static stoker_token id[LONG];
    struct stoker_error err;
    struct stoker_event e[2];
    stoker_id job;
    struct stoker *s = engine(path, &base);
    if (!s)
        return;
    tokens_of(s, id, LONG);
    int ok = 1;
    for (int i = 0; i < 2 && ok; i++) {
        struct stoker_capture c = {.taps = 1 << STOKER_TAP_RESID_POST, .from = {270, 0}};
        struct stoker_request q = {.prompt = id, .n_prompt = LONG, .max_tokens = 1, .ignore_end = 1, .capture = &c};
        ok = lay_out(&r[i], s, &c, 30) == 0 && stoker_submit(s, &q, &job, &err) == 0 && finish(s, job, &e[i]) == 0;
    }
    ok = ok && memcmp(r[0].data, r[1].data, r[0].bytes) == 0 && e[0].u.end.n_cached == 0 &&
         (s->session->model->state_bytes || e[1].u.end.n_cached == 270);
    verdict(name_of(path), "cached", ok, "");
    free(r[0].data);
    free(r[1].data);
    stoker_close(s);
}

/* The same in another engine, which finds it in a file. */
static void cached_on_disk(const char *path)
{
    static struct recorded r[2];
    static stoker_token id[LONG];
    char folder[TEMPORARY_PATH], remove[TEMPORARY_PATH + 8];
    struct stoker_options o = base;
    struct stoker_error err;
    struct stoker_event e[2] = {{.kind = STOKER_FAILED}, {.kind = STOKER_FAILED}};
    const size_t from = 270; /* recurrent states are kept there */
    stoker_id job;
    if (temporary_folder(folder, "capture"))
        return;
    o.cache_dir = folder;
    int ok = 1;
    for (int i = 0; i < 2 && ok; i++) {
        struct stoker *s = engine(path, &o);
        if (!s)
            return;
        tokens_of(s, id, LONG);
        struct stoker_capture c = {.taps = 1 << STOKER_TAP_RESID_POST, .from = {(int64_t)from, 0}};
        struct stoker_request q = {.prompt = id,
                                   .n_prompt = LONG,
                                   .max_tokens = 1,
                                   .ignore_end = 1,
                                   .snapshot_at = &from,
                                   .n_snapshot_at = 1,
                                   .capture = &c};
        ok = lay_out(&r[i], s, &c, 30) == 0 && stoker_submit(s, &q, &job, &err) == 0 && finish(s, job, &e[i]) == 0;
        stoker_close(s);
    }
    size_t n = e[1].u.end.n_cached;
    ok = ok && memcmp(r[0].data, r[1].data, r[0].bytes) == 0 && e[0].u.end.n_cached == 0;
    char detail[60];
    snprintf(detail, sizeof detail, "%zu of 270 positions from a file", n);
    verdict(name_of(path), "from a file", ok && n == from, detail);
    free(r[0].data);
    free(r[1].data);
    snprintf(remove, sizeof remove, "rm -r %s", folder);
    if (system(remove))
        printf("     %s is left\n", folder);
}

/* ---- what becomes of rows ------------------------------------------------------------------------------------------------------ */

static int is_near(double x, double want, double share) { return fabs(x - want) <= share * fabs(want) + 1e-30; }

/* One value of a tensor of floats of any type. */
static double value_at(const struct stoker_tensor *t, const uint8_t *data, size_t i)
{
    float f;
    uint16_t half;
    if (t->dtype == STOKER_F32) {
        memcpy(&f, data + 4 * i, 4);
        return (double)f;
    }
    memcpy(&half, data + 2 * i, 2);
    return (double)(t->dtype == STOKER_F16 ? f16_to_f32(half) : bf16_to_f32(half));
}

/* The same by the rows that were recorded whole: x [rows][n]. */
static int meets_rows(const struct recorded *r, enum stoker_reduce how, const float *x, size_t rows, size_t n)
{
    int ok = 1;
    const struct stoker_tensor *t = &r->tensor[0];
    const uint8_t *data = data_of(r, t);
    const double share = t->dtype == STOKER_F32 ? 1e-6 : t->dtype == STOKER_F16 ? 0x1p-11 : 0x1p-8;
    if (how == STOKER_REDUCE_NONE)
        for (size_t i = 0; i < rows * n; i++)
            ok &= is_near(value_at(t, data, i), (double)x[i], share) || fabsf(x[i]) < 0x1p-14F;
    for (size_t i = 0; i < n && how == STOKER_REDUCE_LAST; i++)
        ok &= value_at(t, data, i) == (double)x[(rows - 1) * n + i];
    for (size_t i = 0; i < n && how == STOKER_REDUCE_MEAN; i++) {
        double sum = 0;
        for (size_t k = 0; k < rows; k++)
            sum += (double)x[k * n + i];
        ok &= (float)(sum / (double)rows) == (float)value_at(t, data, i);
    }
    for (size_t k = 0; k < rows && how == STOKER_REDUCE_NORM; k++) {
        double sum = 0;
        for (size_t i = 0; i < n; i++)
            sum += (double)x[k * n + i] * (double)x[k * n + i];
        ok &= is_near(value_at(t, data, k), sqrt(sum), 1e-5);
    }
    for (size_t k = 0; k < rows && how == STOKER_REDUCE_TOP; k++)
        for (int j = 0; j < TOP; j++) {
            const int32_t *id = (const int32_t *)(const void *)data + k * TOP;
            const float *row = x + k * n;
            double v = value_at(&r->tensor[1], data_of(r, &r->tensor[1]), k * TOP + (size_t)j);
            size_t above = 0;
            for (size_t i = 0; i < n; i++)
                above += fabsf(row[i]) > fabsf(row[id[j]]) ||
                         (fabsf(row[i]) == fabsf(row[id[j]]) && (int32_t)i < id[j]);
            ok &= v == (double)row[id[j]] && above == (size_t)j;
        }
    return ok;
}

/* Reductions and types of elements, of rows that come in one piece and in many. */
static void reduced(const char *path)
{
    static const struct {
        enum stoker_reduce how;
        enum stoker_dtype dtype;
        const char *law;
    } each[] = {{STOKER_REDUCE_NONE, STOKER_F16, "f16"},  {STOKER_REDUCE_NONE, STOKER_BF16, "bf16"},
                {STOKER_REDUCE_MEAN, STOKER_F32, "mean"}, {STOKER_REDUCE_LAST, STOKER_F32, "last"},
                {STOKER_REDUCE_NORM, STOKER_F32, "norm"}, {STOKER_REDUCE_TOP, STOKER_F32, "top"}};
    stoker_token id[N];
    for (int chunk = 7; chunk <= N; chunk += N - 7) {
        struct stoker_options o = base;
        o.n_chunk = chunk;
        struct stoker *s = engine(path, &o);
        struct recorded whole = {0};
        struct stoker_capture rows = {.taps = 1U << STOKER_TAP_RESID_POST, .no_tokens = 1};
        if (!s)
            return;
        unsigned char *layer = calloc((size_t)s->session->model->p.n_layer, 1);
        layer[0] = 1;
        rows.layer = layer;
        tokens_of(s, id, N);
        int ok = lay_out(&whole, s, &rows, N) == 0 && run(s, id, N, 0, &rows, &whole) == 0;
        verdict(name_of(path), "recorded whole", ok, "");
        for (size_t i = 0; ok && i < sizeof each / sizeof *each; i++) {
            struct recorded r = {0};
            struct stoker_capture c = {.taps = rows.taps,
                                       .no_tokens = 1,
                                       .layer = layer,
                                       .reduce = each[i].how,
                                       .dtype = each[i].dtype,
                                       .top = TOP};
            int runs = lay_out(&r, s, &c, N) == 0 && run(s, id, N, 0, &c, &r) == 0;
            const float *x = data_of(&whole, &whole.tensor[0]);
            verdict(name_of(path), each[i].law,
                    runs && meets_rows(&r, each[i].how, x, N, (size_t)whole.tensor[0].shape[1]), "other values");
            free(r.data);
        }
        free(layer);
        free(whole.data);
        stoker_close(s);
    }
}

/* Places that a caller got wrong are refused before anything is written. */
static void refused(const char *path)
{
    stoker_token id[N];
    struct stoker_error err;
    stoker_id job;
    struct stoker *s = engine(path, &base);
    if (!s)
        return;
    static uint8_t memory[16];
    const struct stoker_capture good = {
        .taps = 1U << STOKER_TAP_RESID_POST, .memory = memory, .n_memory = sizeof memory};
    struct stoker_capture bad[7];
    int pipes[2] = {-1, -1};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        bad[i] = good; /* [0]: 16 bytes are too few */
    bad[1].row = 1;
    bad[2].n_rows = (size_t)1 << 62;
    bad[3].request = 1;
    bad[4].from = (struct stoker_at){.n = INT64_MAX, .from_prompt_end = 1};
    bad[5].memory = NULL;
    bad[5].fd = open_target();
    bad[5].data_at = INT64_MAX;
    bad[6].memory = NULL;
    bad[6].fd = pipe(pipes) ? -1 : pipes[1];
    tokens_of(s, id, N);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct stoker_request q = {.prompt = id, .n_prompt = N, .only_score = 1, .max_tokens = 0, .capture = &bad[i]};
        verdict(name_of(path), "refused", stoker_submit(s, &q, &job, &err) && *err.text,
                "a place that is none was taken");
    }
    close(bad[5].fd);
    close(pipes[0]);
    close(pipes[1]);
    verdict(name_of(path), "memory given back", atomic_load(&s->capture.left) == base.capture_memory / 4,
            "some is lost");
    stoker_close(s);
}

static void all_laws(const char *path, int with_waits)
{
    laws(path);
    if (!with_waits)
        return;
    reduced(path);
    refused(path);
    cached(path);
    cached_on_disk(path);
    held_up(path);
    full(path);
    closed(path);
    busy(path);
    least(path, (int[2]){0, 0});
    beside(path);
    preempted(path);
}

/* ---- flags ---------------------------------------------------------------------------------------------------------------------- */

static int option(char **argv, int *exact)
{
    const char *v = argv[1];
    if (strcmp(*argv, "--exact") == 0) {
        *exact = 1;
        return 1;
    }
    if (!v)
        return 0;
    if (strcmp(*argv, "--memory") == 0)
        base.memory = strcmp(v, "min") == 0 ? STOKER_MEMORY_MIN : STOKER_MEMORY_MAX;
    else if (strcmp(*argv, "--cpu-tier") == 0)
        base.cpu_tier = v;
    else if (strcmp(*argv, "--chunk") == 0)
        base.n_chunk = atoi(v);
    else if (strcmp(*argv, "--threads") == 0)
        base.n_threads = atoi(v);
    else
        return 0;
    return 2;
}

int main(int argc, char **argv)
{
    int exact = 0, any = 0;
    for (int i = 1, used; i < argc; i += used) {
        size_t n = strlen(argv[i]);
        used = option(argv + i, &exact);
        any |= !used;
        if (used)
            continue;
        used = 1;
        if (n > 5 && strcmp(argv[i] + n - 5, ".gguf") == 0)
            all_laws(argv[i], 1);
        else
            run_folder(argv[i], exact);
    }
    for (int i = 0; !any && expected_lawful()[i]; i++) {
        char path[256];
        snprintf(path, sizeof path, TEST_DATA "/golden/%s.gguf", expected_lawful()[i]);
        all_laws(path, 0);
    }
    if (!any)
        leasts();
    printf("%d passed, %d failed, 0 skipped\n", passed, failed);
    return failed > 0;
}
