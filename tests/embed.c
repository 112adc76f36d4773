/* links: quant engine text model store op machine kernel format base
 *
 * Vectors and scores: what an independent engine gives for the same texts, and the laws, by equality of bits.
 *
 *     build/tests/embed [--exact] [--memory min|max] [--cpu-tier T] [--threads N] FOLDER     FOLDER's models against FOLDER/NAME.json
 *     build/tests/embed [...] [--as TYPE] MODEL.gguf...     its matrices in this type: the reference is then that of a model of f32
 *
 *     ids        texts and pairs become the tokens of the reference
 *     right      each vector within the model's tolerance (--exact), each text alone and all together
 *     same       the bits of each text alone: all together, in reverse order, threads, every tier, budgets, one sequence, beside other
 *                requests; with places for few vectors, which their caller takes one after the other; in an engine beside a model that
 *                generates, whose answers have the tokens that they have without it
 *     pooled     the mean in the order of the rows, the first and the last: of what the same model gives with pooling none
 *     no number  a text with NaN in its rows says so, and the others have their bits
 *     leaves     a request that is cancelled ends, and the next one has its bits
 *     refused    text of such a model, a text without tokens, one that is too long, an id beyond the vocabulary: one sentence
 *
 * Format of NAME.json: the README of the folder. expected.h says which must run. */
#include "base/cpu.h"
#include "base/error.h"
#include "broken_model.h"
#include "expected.h"
#include "format/gguf.h"
#include "stoker.h"
#include "temporary.h"
#include "typed_copy.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_TEXTS = 64 };
static const double of_other_types = 0.05; /* error of what rounds more than the reference */

static int passed, failed;

static void verdict(const char *model, const char *law, int ok, const char *detail)
{
    printf("%s %-10s %-20s %s\n", ok ? "ok  " : "FAIL", law, model, detail);
    fflush(stdout);
    *(ok ? &passed : &failed) += 1;
}

/* A model, its texts, and their vectors alone, one behind the other. */
struct world {
    char path[4096], name[64];
    int is_typed; /* 1: a copy of the golden whose matrices are of another type */
    struct stoker_options options;
    struct stoker_encoder encoder;
    struct stoker_tokens text[MOST_TEXTS];
    size_t n, offset[MOST_TEXTS + 1]; /* offset: of each text's values */
    float *alone;
    char detail[256];
};

static struct stoker *open_model(struct world *w, const struct stoker_options *o)
{
    struct stoker *s = NULL;
    struct stoker_error err;
    if (stoker_open(&s, w->path, o, &err))
        snprintf(w->detail, sizeof w->detail, "%.250s", err.text);
    return s;
}

/* The texts of numbers order [n] in one request; values to where each has its place in out. 0, or -1. */
static int embed(struct world *w, struct stoker *s, const size_t *order, size_t n, float *out, int *broken)
{
    struct stoker_tokens text[MOST_TEXTS];
    struct stoker_error err;
    struct stoker_event ev;
    stoker_id id;
    size_t at = 0, told = 0;
    float *row = malloc((w->offset[w->n] + 1) * sizeof *row);
    for (size_t i = 0; i < n; i++)
        text[i] = w->text[order[i]];
    const struct stoker_embed e = {.text = text, .n_text = n, .out = row};
    int status = row ? stoker_submit_embed(s, &e, &id, &err) : -1;
    if (row && status)
        snprintf(w->detail, sizeof w->detail, "%.250s", err.text);
    while (status == 0 && stoker_next_event(s, id, -1, &ev) == 1) {
        if (ev.kind == STOKER_VECTOR && ev.u.vector.text != told++)
            status = -1;
        if (ev.kind == STOKER_VECTOR && broken)
            broken[order[ev.u.vector.text]] = ev.u.vector.is_no_number;
        if (ev.kind == STOKER_FAILED)
            snprintf(w->detail, sizeof w->detail, "%.250s", ev.error.text);
        status = ev.kind == STOKER_FAILED ? -1 : status;
    }
    for (size_t i = 0; i < n && status == 0; i++) {
        size_t values = w->offset[order[i] + 1] - w->offset[order[i]];
        memcpy(out + w->offset[order[i]], row + at, values * sizeof *out);
        at += values;
    }
    free(row);
    return status ? -1 : told == n ? 0 : -1;
}

/* Every text in a request of its own, one after the other. */
static int embed_alone(struct world *w, struct stoker *s, float *out)
{
    int status = 0;
    for (size_t i = 0; i < w->n && !status; i++)
        status = embed(w, s, &i, 1, out, NULL);
    return status;
}

static void place_texts(struct world *w)
{
    int rows = strcmp(w->encoder.pooling, "none") == 0;
    for (size_t i = 0; i < w->n; i++)
        w->offset[i + 1] = w->offset[i] + w->encoder.n_out * (rows ? w->text[i].n : 1);
}

/* ---- against the reference -------------------------------------------------------------------------------------------------- */

static int tokens_of(struct world *w, const struct stoker *s, const json_t *seq, stoker_token **id, size_t *n)
{
    const char *text = json_string_value(json_object_get(seq, "text"));
    const char *query = json_string_value(json_object_get(seq, "query"));
    const char *document = json_string_value(json_object_get(seq, "document"));
    struct stoker_error err;
    struct stoker_query *q = NULL;
    int cut = 0, status = 1;
    if (text)
        status = stoker_tokenize(s, text, strlen(text), 1, 0, id, n, &err);
    else if (query)
        status = stoker_query_open(&q, s, &(struct stoker_string){query, strlen(query)}, NULL, NULL, &err) ||
                         stoker_query_pair(q, &(struct stoker_string){document, strlen(document)}, id, n, &cut, &err)
                     ? -1
                     : 0;
    stoker_query_close(q);
    if (status < 0)
        snprintf(w->detail, sizeof w->detail, "%.250s", err.text);
    return cut ? -1 : status;
}

/* The texts of the reference, and whether their ids are its. */
static void read_texts(struct world *w, const struct stoker *s, const json_t *seqs)
{
    size_t i, k, wrong = 0, told = 0;
    const json_t *seq, *id;
    json_array_foreach(seqs, i, seq)
    {
        const json_t *ids = json_object_get(seq, "ids");
        stoker_token *mine = NULL, *list = malloc((json_array_size(ids) + 1) * sizeof *list);
        size_t n = 0;
        json_array_foreach(ids, k, id) list[k] = (stoker_token)json_integer_value(id);
        int status = tokens_of(w, s, seq, &mine, &n);
        told += status == 0;
        wrong += status < 0 ||
                 (status == 0 && (n != json_array_size(ids) || memcmp(mine, list, n * sizeof *list) != 0));
        stoker_free(mine);
        w->text[w->n++] = (struct stoker_tokens){list, json_array_size(ids)};
    }
    if (!*w->detail)
        snprintf(w->detail, sizeof w->detail, "%zu of %zu texts", told - wrong, told);
    verdict(w->name, "ids", told > 0 && wrong == 0, w->detail);
    *w->detail = 0;
}

static double error_of(const json_t *v, const float *x)
{
    double largest = 0, most = 0;
    size_t i;
    const json_t *value;
    json_array_foreach(v, i, value)
    {
        double want = json_number_value(value), d = fabs((double)x[i] - want);
        largest = fabs(want) > largest ? fabs(want) : largest;
        most = d <= most ? most : d;
    }
    return largest > 0 ? most / largest : INFINITY;
}

static void compare(struct world *w, const json_t *seqs, double tolerance, const float *x, const char *how)
{
    double most = 0;
    size_t i, wrong = 0;
    const json_t *seq;
    json_array_foreach(seqs, i, seq)
    {
        const json_t *v = json_object_get(seq, "v");
        double e = json_array_size(v) == w->offset[i + 1] - w->offset[i] ? error_of(v, x + w->offset[i]) : INFINITY;
        wrong += !(e <= tolerance);
        most = e <= most ? most : e;
    }
    snprintf(w->detail, sizeof w->detail, "%s: %zu texts, largest %.2e of %.0e", how, w->n, most, tolerance);
    verdict(w->name, "right", w->n > 0 && wrong == 0, w->detail);
    *w->detail = 0;
}

/* ---- the laws --------------------------------------------------------------------------------------------------------------- */

static void check_bits(struct world *w, const char *how, int status, const float *x)
{
    size_t differ = 0;
    for (size_t i = 0; i < w->n; i++)
        differ += memcmp(w->alone + w->offset[i], x + w->offset[i], (w->offset[i + 1] - w->offset[i]) * sizeof *x) != 0;
    char detail[600];
    snprintf(detail, sizeof detail, "%s%s%s", how,
             status   ? ": "
             : differ ? ": other bits"
                      : "",
             status ? w->detail : "");
    verdict(w->name, "same", status == 0 && differ == 0, detail);
    *w->detail = 0;
}

static void in_order(struct world *w, struct stoker *s, const char *how, size_t n, int reverse)
{
    size_t order[MOST_TEXTS];
    float *x = calloc(w->offset[w->n] + 1, sizeof *x);
    for (size_t i = 0; i < n; i++)
        order[i] = reverse ? n - 1 - i : i;
    check_bits(w, how, embed(w, s, order, n, x, NULL), x);
    free(x);
}

/* All texts in a request whose vectors have so many places. A place is spoilt once its vector was taken. */
static void in_places(struct world *w, struct stoker *s, size_t n_place)
{
    struct stoker_embed e = {.text = w->text, .n_text = w->n};
    struct stoker_event ev = {0};
    stoker_id id;
    char how[40];
    stoker_embed_places(&e, &w->encoder, 0);
    e.n_place = n_place;
    e.out = malloc(n_place * e.place * sizeof *e.out);
    float *x = calloc(w->offset[w->n] + 1, sizeof *x);
    int status = stoker_submit_embed(s, &e, &id, NULL);
    while (status == 0 && stoker_next_event(s, id, -1, &ev) == 1) {
        if (ev.kind != STOKER_VECTOR)
            continue;
        size_t i = ev.u.vector.text, values = w->offset[i + 1] - w->offset[i];
        usleep(500); /* the next ones are computed meanwhile */
        memcpy(x + w->offset[i], e.out + i % n_place * e.place, values * sizeof *x);
        memset(e.out + i % n_place * e.place, 0xFF, values * sizeof *x);
    }
    snprintf(how, sizeof how, "in %zu places", n_place);
    check_bits(w, how, status || ev.kind != STOKER_END ? -1 : 0, x);
    free(e.out);
    free(x);
}

static void with_options(struct world *w, const char *how, const struct stoker_options *o)
{
    struct stoker *s = open_model(w, o);
    if (s)
        in_order(w, s, how, w->n, 0);
    else
        verdict(w->name, "same", 0, w->detail);
    stoker_close(s);
}

static const char *tier_of(struct stoker *s)
{
    struct stoker_stats stats;
    stoker_stats_of(s, &stats);
    return stats.cpu_tier;
}

static void same_bits(struct world *w, struct stoker *s)
{
    struct stoker_options o;
    in_order(w, s, "all together", w->n, 0);
    in_order(w, s, "in reverse order", w->n, 1);
    in_places(w, s, 2);
    in_places(w, s, 3);
    in_places(w, s, w->n);
    o = w->options;
    o.n_threads = 4;
    with_options(w, "4 threads", &o);
    /* Sanitizers look at no bits, and at the kernels of every tier in tests/kernels.c. */
    for (int t = TIER_SCALAR; t <= (int)cpu_best_tier() && !SANITIZED; t++) {
        o = w->options;
        o.cpu_tier = cpu_tier_name((enum cpu_tier)t);
        if (strcmp(o.cpu_tier, tier_of(s)) != 0)
            with_options(w, o.cpu_tier, &o);
    }
    o = w->options;
    o.memory = STOKER_MEMORY_MIN;
    with_options(w, "least memory", &o);
    o = w->options;
    o.n_parallel = 1;
    with_options(w, "one sequence", &o);
}

/* Several requests at a time, whose texts share steps. */
static void beside(struct world *w, struct stoker *s)
{
    enum { REQUESTS = 3 };
    stoker_id id[REQUESTS];
    float *x[REQUESTS];
    int status = 0;
    struct stoker_event ev = {0};
    struct stoker_embed e = {.text = w->text, .n_text = w->n};
    for (int i = 0; i < REQUESTS; i++) {
        e.out = x[i] = calloc(w->offset[w->n] + 1, sizeof(float));
        status |= stoker_submit_embed(s, &e, &id[i], NULL);
    }
    for (int i = 0; i < REQUESTS && status == 0; i++) {
        while (stoker_next_event(s, id[i], -1, &ev) == 1)
            ;
        status = ev.kind == STOKER_END && ev.u.end.reason == STOKER_END_TEXT ? 0 : -1;
        check_bits(w, "beside other requests", status, x[i]);
    }
    for (int i = 0; i < REQUESTS; i++)
        free(x[i]);
}

static int has_tensor(const struct world *w, const char *name)
{
    struct error err = {0};
    struct gguf *g;
    if (gguf_open(&g, w->path, &err))
        return 0;
    int has = gguf_tensor(g, name) != NULL;
    gguf_close(g);
    return has;
}

/* ---- beside a model that generates ---- */

#define CHAT "models/ember/ember.gguf"
enum { CHATS = 3, CHAT_TOKENS = 72 }; /* more tokens than a queue of events has: they run until somebody reads */

struct chats {
    stoker_id id[CHATS];
    stoker_token token[CHATS][CHAT_TOKENS];
    size_t n[CHATS];
};

static int begin_chats(struct chats *c, struct stoker *s)
{
    *c = (struct chats){.n = {0}};
    for (int i = 0; i < CHATS; i++) {
        const stoker_token prompt[] = {5 + i, 70 * i + 9, 300};
        const struct stoker_request r = {.prompt = prompt, .n_prompt = 3, .max_tokens = CHAT_TOKENS, .ignore_end = 1};
        if (stoker_submit(s, &r, &c->id[i], NULL))
            return -1;
    }
    return 0;
}

static int read_chats(struct chats *c, struct stoker *s)
{
    struct stoker_event ev = {0};
    int status = 0;
    for (int i = 0; i < CHATS; i++) {
        while (stoker_next_event(s, c->id[i], -1, &ev) == 1)
            if (ev.kind == STOKER_TOKEN && c->n[i] < CHAT_TOKENS)
                c->token[i][c->n[i]++] = ev.u.token.id;
        status |= ev.kind == STOKER_END && c->n[i] == CHAT_TOKENS ? 0 : -1;
    }
    return status;
}

static struct stoker *open_chat(struct world *w, const char *encoder, uint64_t memory)
{
    struct stoker *s = NULL;
    struct stoker_error err;
    struct stoker_options o = w->options;
    o.n_parallel = CHATS;
    o.memory = memory;
    *(w->encoder.is_rank ? &o.rerank : &o.embed) = encoder;
    if (stoker_open(&s, CHAT, &o, &err))
        snprintf(w->detail, sizeof w->detail, "%.250s", err.text);
    return s;
}

/* The answers of that model, which no encoder beside it changes: made once. */
static const struct chats *chats_alone(struct world *w)
{
    static struct chats alone;
    static int made;
    struct stoker *s = made ? NULL : open_chat(w, NULL, STOKER_MEMORY_MAX);
    made = made || (s && begin_chats(&alone, s) == 0 && read_chats(&alone, s) == 0);
    stoker_close(s);
    return made ? &alone : NULL;
}

static void beside_chats(struct world *w, uint64_t memory, const char *how)
{
    struct chats now;
    const struct chats *alone = chats_alone(w);
    struct stoker_encoder encoder = {0};
    size_t n = w->n;
    struct stoker *s = open_chat(w, w->path, memory);
    struct stoker *e = s ? stoker_encoder(s, w->encoder.is_rank ? STOKER_RERANK : STOKER_EMBED) : NULL;
    if (!alone || !e || stoker_encoder_of(e, &encoder) || begin_chats(&now, s)) {
        verdict(w->name, "same", 0, w->detail);
        stoker_close(s);
        return;
    }
    while (n > 0 && w->text[n - 1].n > encoder.n_ctx) /* long texts are the last ones */
        n--;
    float *x = calloc(w->offset[w->n] + 1, sizeof *x);
    memcpy(x + w->offset[n], w->alone + w->offset[n], (w->offset[w->n] - w->offset[n]) * sizeof *x);
    size_t order[MOST_TEXTS];
    for (size_t i = 0; i < n; i++)
        order[i] = n - 1 - i;
    check_bits(w, how, embed(w, e, order, n, x, NULL), x);
    int status = read_chats(&now, s);
    verdict(w->name, "same", status == 0 && memcmp(now.token, alone->token, sizeof now.token) == 0,
            "the answers beside it");
    if (begin_chats(&now, s) == 0) { /* it is closed in the middle of a step */
        stoker_id id;
        const struct stoker_embed all = {.text = w->text, .n_text = n, .out = x};
        stoker_submit_embed(e, &all, &id, NULL);
    }
    stoker_close(s);
    free(x);
}

static void leaves(struct world *w, struct stoker *s)
{
    struct stoker_tokens *many = calloc(2000, sizeof *many);
    float *x = malloc(2000 * (w->offset[w->n] + 1) * sizeof *x);
    struct stoker_event ev = {0};
    stoker_id id;
    for (int i = 0; i < 2000; i++)
        many[i] = w->text[(size_t)i % w->n];
    const struct stoker_embed e = {.text = many, .n_text = 2000, .out = x};
    int ok = stoker_submit_embed(s, &e, &id, NULL) == 0 && stoker_next_event(s, id, -1, &ev) == 1;
    stoker_cancel(s, id);
    while (ok && stoker_next_event(s, id, -1, &ev) == 1)
        ;
    verdict(w->name, "leaves", ok && ev.kind == STOKER_END && ev.u.end.reason == STOKER_END_CANCELLED, "");
    in_order(w, s, "behind one that left", w->n, 0);
    free(many);
    free(x);
}

static void expect_refused(struct world *w, const char *what, int status, const struct stoker_error *err,
                           const char *words)
{
    char detail[600];
    int ok = status != 0 && strstr(err->text, words) != NULL;
    snprintf(detail, sizeof detail, "%s%s%s", what, ok ? "" : ": ", ok ? "" : status ? err->text : "accepted");
    verdict(w->name, "refused", ok, detail);
}

static void refused(struct world *w, struct stoker *s)
{
    struct stoker_error err = {0};
    stoker_id id;
    stoker_token *long_one = calloc(w->encoder.n_ctx + 1, sizeof *long_one), beyond = stoker_n_vocab(s);
    struct stoker_tokens text = {long_one, 0};
    struct stoker_embed e = {.text = &text, .n_text = 1, .out = w->alone};
    struct stoker_request r = {.prompt = long_one, .n_prompt = 1, .max_tokens = 1};
    const struct stoker_answer any = {.language = STOKER_REGEX, .text = "a", .n = 1};
    const struct stoker_constraint *c;
    const struct stoker_message message = {"user", "hello", 5};
    expect_refused(w, "an answer", stoker_submit(s, &r, &id, &err), &err, "embedding model");
    expect_refused(w, "a constraint", stoker_constraint_open(&c, s, &any, &err), &err, "embedding model");
    stoker_token *ids;
    size_t n;
    expect_refused(w, "a chat", stoker_chat(s, &message, 1, 0, &ids, &n, &err), &err, "embedding model");
    expect_refused(w, "no token", stoker_submit_embed(s, &e, &id, &err), &err, "no token");
    text.n = w->encoder.n_ctx + 1;
    expect_refused(w, "a long text", stoker_submit_embed(s, &e, &id, &err), &err, "the context");
    text = (struct stoker_tokens){&beyond, 1};
    expect_refused(w, "an id", stoker_submit_embed(s, &e, &id, &err), &err, "vocabulary");
    text = (struct stoker_tokens){long_one, 1};
    const struct stoker_tokens two[2] = {text, text};
    struct stoker_embed one_place = {.text = two, .n_text = 2, .out = w->alone, .n_place = 1, .place = w->offset[1]};
    expect_refused(w, "one place", stoker_submit_embed(s, &one_place, &id, &err), &err, "two places");
    struct stoker_embed small = {
        .text = two, .n_text = 2, .out = w->alone, .n_place = 2, .place = w->encoder.n_out - 1};
    expect_refused(w, "a small place", stoker_submit_embed(s, &small, &id, &err), &err, "needs a place of");
    e.n_text = 0;
    expect_refused(w, "no text", stoker_submit_embed(s, &e, &id, &err), &err, "no text");
    struct stoker_options o = w->options;
    struct stoker *other = NULL;
    o.use = STOKER_USE_TEXT;
    expect_refused(w, "opened for text", stoker_open(&other, w->path, &o, &err), &err, "embedding model");
    o = w->options;
    o.n_ctx = 1 << 20;
    expect_refused(w, "a long context", stoker_open(&other, w->path, &o, &err), &err, "positions");
    free(long_one);
}

static int holds(const struct stoker_tokens *t, stoker_token id)
{
    for (size_t i = 0; i < t->n; i++)
        if (t->id[i] == id)
            return 1;
    return 0;
}

static void no_number(struct world *w)
{
    struct world other = *w;
    size_t order[MOST_TEXTS], wrong = 0, n_broken = 0;
    int broken[MOST_TEXTS] = {0};
    stoker_token token = w->text[0].id[0];
    float *x = calloc(w->offset[w->n] + 1, sizeof *x);
    char path[TEMPORARY_PATH];
    int fd = temporary_file(path, "embed"), ok = fd >= 0 && write_broken_model(w->path, path, token) == 0;
    snprintf(other.path, sizeof other.path, "%s", path);
    struct stoker *s = ok ? open_model(&other, &w->options) : NULL;
    for (size_t i = 0; i < w->n; i++)
        order[i] = i;
    ok = s && embed(&other, s, order, w->n, x, broken) == 0;
    for (size_t i = 0; i < w->n && ok; i++) {
        n_broken += (size_t)broken[i];
        wrong += broken[i] != holds(&w->text[i], token);
        wrong += !broken[i] &&
                 memcmp(x + w->offset[i], w->alone + w->offset[i], (w->offset[i + 1] - w->offset[i]) * sizeof *x) != 0;
    }
    verdict(w->name, "no number", ok && !wrong && n_broken > 0 && n_broken < w->n, other.detail);
    stoker_close(s);
    free(x);
    if (fd >= 0) {
        close(fd);
        unlink(path);
    }
}

/* n rows of n_out values as the model's pooling has it. */
static void pool(const struct world *w, const float *row, size_t n, float *out)
{
    size_t n_out = w->encoder.n_out, first = strcmp(w->encoder.pooling, "last") == 0 ? n - 1 : 0;
    memcpy(out, row + first * n_out, n_out * sizeof *out);
    if (strcmp(w->encoder.pooling, "mean") != 0)
        return;
    for (size_t r = 1; r < n; r++)
        for (size_t i = 0; i < n_out; i++)
            out[i] += row[r * n_out + i];
    for (size_t i = 0; i < n_out; i++)
        out[i] /= (float)n;
}

/* What pooling makes of the rows that the same model gives without it. */
static void pooled(struct world *w)
{
    struct world rows = *w;
    rows.options.pooling = "none";
    struct stoker *s = open_model(&rows, &rows.options);
    int ok = s && stoker_encoder_of(s, &rows.encoder) == 0 && rows.encoder.n_out == w->encoder.n_out;
    for (size_t i = 0; i < w->n; i++)
        rows.offset[i + 1] = rows.offset[i] + rows.encoder.n_out * w->text[i].n;
    float *row = calloc(rows.offset[w->n] + 1, sizeof *row), *x = calloc(w->offset[w->n] + 1, sizeof *x);
    ok = ok && embed_alone(&rows, s, row) == 0;
    for (size_t i = 0; i < w->n && ok; i++)
        pool(w, row + rows.offset[i], w->text[i].n, x + w->offset[i]);
    ok = ok && memcmp(x, w->alone, w->offset[w->n] * sizeof *x) == 0;
    verdict(w->name, "pooled", ok, rows.detail);
    stoker_close(s);
    free(row);
    free(x);
}

/* Texts that cross pages, as far as the context goes. */
static void add_long_texts(struct world *w, int n_vocab)
{
    static const size_t lengths[] = {128, 255, 257, 500};
    uint32_t seed = 7;
    for (size_t k = 0; k < sizeof lengths / sizeof *lengths && w->n < MOST_TEXTS; k++) {
        if (lengths[k] > w->encoder.n_ctx || (SANITIZED && lengths[k] != 257)) /* it goes where the others do */
            continue;
        stoker_token *list = malloc(lengths[k] * sizeof *list);
        for (size_t i = 0; i < lengths[k]; i++)
            list[i] = (stoker_token)((seed = seed * 1664525 + 1013904223) >> 8) % n_vocab;
        w->text[w->n++] = (struct stoker_tokens){list, lengths[k]};
    }
}

/* ---- a model ---------------------------------------------------------------------------------------------------------------- */

static void run_reference(struct world *w, struct stoker *s, const json_t *root)
{
    const json_t *seqs = json_object_get(root, "seqs");
    double tolerance = w->options.exact && !w->is_typed ? json_number_value(json_object_get(root, "tolerance"))
                                                        : of_other_types;
    int n_out = (int)json_integer_value(json_object_get(root, "n_out"));
    read_texts(w, s, seqs);
    if ((size_t)n_out != w->encoder.n_out ||
        strcmp(json_string_value(json_object_get(root, "pooling")), w->encoder.pooling) != 0)
        verdict(w->name, "right", 0, "another width or pooling");
    size_t n = w->n, order[MOST_TEXTS];
    place_texts(w);
    float *x = calloc(w->offset[n] + 1, sizeof *x);
    for (size_t i = 0; i < n; i++)
        order[i] = i;
    if (embed_alone(w, s, x) == 0)
        compare(w, seqs, tolerance, x, "alone");
    else
        verdict(w->name, "right", 0, w->detail);
    if (embed(w, s, order, n, x, NULL) == 0)
        compare(w, seqs, tolerance, x, "together");
    else
        verdict(w->name, "right", 0, w->detail);
    free(x);
}

static void run_laws(struct world *w, struct stoker *s)
{
    add_long_texts(w, stoker_n_vocab(s));
    place_texts(w);
    w->alone = calloc(w->offset[w->n] + 1, sizeof *w->alone);
    if (embed_alone(w, s, w->alone)) {
        verdict(w->name, "same", 0, w->detail);
        return;
    }
    same_bits(w, s);
    beside(w, s);
    beside_chats(w, STOKER_MEMORY_MAX, "beside three answers");
    if (has_tensor(w, "blk.1.ffn_up_exps.weight")) /* whose experts come from the drive then */
        beside_chats(w, STOKER_MEMORY_MIN, "beside three answers, least memory");
    leaves(w, s);
    refused(w, s);
    no_number(w);
    if (strcmp(w->encoder.pooling, "none") != 0 && !w->encoder.is_rank && !has_tensor(w, "dense_2.weight"))
        pooled(w);
}

/* The world's model, whose reference is that of the golden at path. */
static void run_world(struct world *w, const char *path)
{
    char reference[4096];
    snprintf(reference, sizeof reference, "%.*s.json", (int)strlen(path) - 5, path);
    json_t *root = json_load_file(reference, 0, NULL);
    struct stoker *s = root ? open_model(w, &w->options) : NULL;
    if (!root || !s || stoker_encoder_of(s, &w->encoder))
        verdict(w->name, "opens", 0, root ? w->detail : "it has no reference");
    else {
        run_reference(w, s, root);
        run_laws(w, s);
    }
    stoker_close(s);
    for (size_t i = 0; i < w->n; i++)
        free((stoker_token *)(uintptr_t)w->text[i].id);
    free(w->alone);
    json_decref(root);
}

static const char *base_of(const char *path) { return strrchr(path, '/') ? strrchr(path, '/') + 1 : path; }

static void run_model(const struct stoker_options *o, const char *path)
{
    struct world w = {.options = *o};
    snprintf(w.path, sizeof w.path, "%s", path);
    snprintf(w.name, sizeof w.name, "%.*s", (int)strcspn(base_of(path), "."), base_of(path));
    run_world(&w, path);
}

/* A copy of the golden with matrices of this type. */
static void run_typed(const struct stoker_options *o, const char *path, enum block_type type)
{
    struct world w = {.options = *o, .is_typed = 1};
    struct error err = {0};
    char copy[TEMPORARY_PATH];
    int fd = temporary_file(copy, "typed");
    snprintf(w.path, sizeof w.path, "%s", copy);
    snprintf(w.name, sizeof w.name, "%.*s %s", (int)strcspn(base_of(path), "."), base_of(path), type_info(type)->name);
    if (fd < 0 || typed_copy(path, copy, type, &err) <= 0)
        verdict(w.name, "opens", 0, err.code ? err.text : "no matrix of it can be of that type");
    else
        run_world(&w, path);
    if (fd >= 0) {
        close(fd);
        unlink(copy);
    }
}

static void run_folder(const struct stoker_options *o, const char *folder)
{
    char path[4200];
    snprintf(path, sizeof path, "%s/INDEX.json", folder);
    json_t *root = json_load_file(path, 0, NULL);
    const json_t *model;
    size_t i;
    if (json_array_size(json_object_get(root, "models")) == 0)
        verdict(folder, "opens", 0, "no INDEX.json with models");
    json_array_foreach(json_object_get(root, "models"), i, model)
    {
        snprintf(path, sizeof path, "%s/%s.gguf", folder, json_string_value(json_object_get(model, "name")));
        if (expected_in(expected_encoders(), json_string_value(json_object_get(model, "name"))) >= 0)
            run_model(o, path);
        else { /* what is there without being expected */
            struct stoker *s = NULL;
            if (stoker_open(&s, path, o, NULL) == 0)
                verdict(path, "expected", 0, "it runs, but expected.h does not name it");
            stoker_close(s);
        }
    }
    json_decref(root);
}

int main(int argc, char **argv)
{
    struct stoker_options o = {.memory = STOKER_MEMORY_MAX, .n_threads = 1};
    int type = -1;
    for (int i = 1; i < argc; i++) {
        struct stat st;
        if (strcmp(argv[i], "--exact") == 0)
            o.exact = 1;
        else if (strcmp(argv[i], "--memory") == 0 && i + 1 < argc)
            o.memory = strcmp(argv[++i], "min") == 0 ? STOKER_MEMORY_MIN : STOKER_MEMORY_MAX;
        else if (strcmp(argv[i], "--cpu-tier") == 0 && i + 1 < argc)
            o.cpu_tier = argv[++i];
        else if (strcmp(argv[i], "--threads") == 0 && i + 1 < argc)
            o.n_threads = atoi(argv[++i]);
        else if (strcmp(argv[i], "--as") == 0 && i + 1 < argc)
            type = type_by_name(argv[++i]);
        else if (stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode))
            run_folder(&o, argv[i]);
        else if (type >= 0)
            run_typed(&o, argv[i], (enum block_type)type);
        else
            run_model(&o, argv[i]);
    }
    printf("%d passed, %d failed, 0 skipped\n", passed, failed);
    return failed > 0;
}
