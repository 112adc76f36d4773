/* What constraints cost: stoker bench --mask. Schemas and the texts that fit them come from files like those of
 * tests/data/schema_cases: a folder, a case, a list of tools in OpenAI's form, or a schema. Texts go through twice, token by token:
 * the first time finds what each place needs, the second time is what an answer sees. A list of tools has no texts; random walks
 * take their place. All of it is done three times: without close_at_limit, with it and the limit far away, and with a limit that
 * suffices for just this text or walk. Times are of this thread's processor. */
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/rng.h"
#include "engine/engine.h"
#include "engine/public_error.h"
#include "format/gguf.h"
#include "text/answer/answer.h"

#include <errno.h>
#include <glob.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { PATH = 4096, WALKS = 20, WALK = 200 };

struct times {
    double *second;
    size_t n, capacity;
};

struct bench {
    struct tokenizer *tokenizer;
    struct token_trie *trie;
    uint8_t *allowed;
    enum stoker_mask_limit limit;
    struct times compile, first, cold, warm;
    size_t skipped;
    uint64_t random;
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void add_time(struct times *t, double second)
{
    if (t->n == t->capacity) {
        size_t capacity = t->capacity * 2 + 1024;
        double *grown = realloc(t->second, capacity * sizeof *grown);
        if (!grown)
            return;
        t->second = grown;
        t->capacity = capacity;
    }
    t->second[t->n++] = second;
}

static int ascending(const void *a, const void *b)
{
    return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b);
}

static struct stoker_mask_times summary(struct times *t)
{
    struct stoker_mask_times s = {.n = t->n};
    if (t->n) {
        qsort(t->second, t->n, sizeof *t->second, ascending);
        s.median = t->second[t->n / 2];
        s.p99 = t->second[t->n * 99 / 100];
        s.worst = t->second[t->n - 1];
    }
    free(t->second);
    return s;
}

/* left: tokens, if this is the text that just fits the limit. */
static int timed_mask(struct bench *b, struct constraint_state *s, int64_t left, struct times *t, struct error *err)
{
    double begin = now();
    int n = constraint_mask(s, b->limit == STOKER_MASK_LIMIT_NEAR ? left : 1 << 20, b->allowed, err);
    add_time(t, now() - begin);
    return n;
}

/* One text, its own tokens; ends where they do not fit (another validator may differ from the tokens' borders). */
static int run_text(struct bench *b, struct constraint *c, const char *text, size_t n, struct times *t,
                    struct error *err)
{
    struct token_list ids = {0};
    struct constraint_state *s = NULL;
    int failed = tokenizer_encode(b->tokenizer, text, n, 0, 0, &ids, err) || constraint_begin(&s, c, err);
    for (size_t i = 0; !failed && i < ids.n && !constraint_finished(s); i++)
        failed = timed_mask(b, s, (int64_t)(ids.n - i) + 1, t, err) < 0 || constraint_accept(s, ids.id[i], err);
    constraint_end(s);
    token_list_free(&ids);
    return failed;
}

/* Any allowed token, many times. */
static int run_walk(struct bench *b, struct constraint *c, struct times *t, struct error *err)
{
    struct constraint_state *s;
    if (constraint_begin(&s, c, err))
        return -1;
    int failed = 0, n_vocab = tokenizer_n_vocab(b->tokenizer);
    for (int i = 0; i < WALK && !failed && !constraint_finished(s); i++) {
        int n = timed_mask(b, s, WALK - i, t, err),
            skip = n > 0 ? (int)(rng_u64(1, b->random++, 0, 0) % (uint64_t)n) : 0;
        int32_t id = 0;
        while (n > 0 && id < n_vocab && !(b->allowed[id] && skip-- == 0))
            id++;
        failed = n <= 0 || constraint_accept(s, id, err);
    }
    constraint_end(s);
    return failed;
}

/* ---- cases ---------------------------------------------------------------------------------------------------------------------- */

/* texts NULL: walks. */
static int run_constraint(struct bench *b, struct constraint *c, json_t *texts, struct error *err)
{
    json_t *text;
    size_t i;
    struct times first = {0};
    struct constraint_state *s;
    int failed = constraint_begin(&s, c, err);
    if (!failed) {
        failed = timed_mask(b, s, 1 << 20, &first, err) < 0;
        constraint_end(s);
        add_time(&b->first, first.n ? first.second[0] : 0);
        free(first.second);
    }
    for (int pass = 0; pass < 2 && !failed; pass++) {
        struct times *t = pass ? &b->warm : &b->cold;
        uint64_t random = b->random;
        json_array_foreach(texts, i, text)
            failed |= run_text(b, c, json_string_value(text), json_string_length(text), t, err);
        for (int k = 0; k < WALKS && !texts && !failed; k++)
            failed = run_walk(b, c, t, err);
        if (pass == 0)
            b->random = random;
    }
    constraint_destroy(c);
    return failed;
}

static int run_schema(struct bench *b, json_t *schema, json_t *texts, struct error *err)
{
    struct constraint *c = NULL;
    struct error ignored = {0};
    char *text = json_dumps(schema, JSON_ENCODE_ANY | JSON_COMPACT);
    struct value_want want = {.kind = VALUE_SCHEMA_LENIENT,
                              .text = text,
                              .n = text ? strlen(text) : 0,
                              .free_limit = b->limit == STOKER_MASK_LIMIT_NONE};
    double begin = now();
    int refused = !text || value_constraint(&c, b->tokenizer, b->trie, &want, NULL, NULL, &ignored);
    if (!refused)
        add_time(&b->compile, now() - begin);
    free(text);
    b->skipped += (size_t)refused;
    return refused ? 0 : run_constraint(b, c, texts, err);
}

static int run_tools(struct bench *b, json_t *tools, struct error *err)
{
    char *text = json_dumps(tools, JSON_COMPACT);
    const struct tool_format *format = tool_format_find("hermes", err);
    struct tool_list *list = NULL;
    struct constraint *c = NULL;
    if (!text || !format || tool_list_parse(&list, text, strlen(text), format, err)) {
        free(text);
        return -1;
    }
    struct tool_want want = {.format = format,
                             .tools = list,
                             .choice = TOOL_CHOICE_REQUIRED,
                             .parallel = 1,
                             .reasoning = REASONING_CLOSED,
                             .free_limit = b->limit == STOKER_MASK_LIMIT_NONE};
    double begin = now();
    int failed = tool_constraint(&c, b->tokenizer, b->trie, &want, err);
    add_time(&b->compile, now() - begin);
    tool_list_free(list);
    free(text);
    return failed ? -1 : run_constraint(b, c, NULL, err);
}

static int run_file(struct bench *b, const char *path, int alone, struct error *err)
{
    enum { MOST = 64 << 20 };
    json_error_t why;
    size_t n;
    char *text = file_read(path, MOST, &n, err);
    json_t *doc = text ? json_loadb(text, n, JSON_ALLOW_NUL | JSON_DECODE_ANY, &why) : NULL;
    int failed = 0;
    free(text);
    if (!text)
        return -1;
    if (!doc)
        return error_set(err, ERR_INPUT, "%s: %s (line %d)", path, why.text, why.line);
    json_t *schema = json_object_get(doc, "schema"), *valid = json_object_get(doc, "valid");
    if (schema && json_is_array(valid))
        failed = run_schema(b, schema, valid, err);
    else if (alone && json_is_array(doc))
        failed = run_tools(b, doc, err);
    else if (alone && json_is_object(doc))
        failed = run_schema(b, schema ? schema : doc, NULL, err);
    json_decref(doc);
    return failed;
}

static int run_path(struct bench *b, const char *path, struct error *err)
{
    struct stat st;
    char pattern[PATH];
    glob_t files = {0};
    int failed = 0;
    if (stat(path, &st) != 0)
        return error_set(err, ERR_IO, "%s: %s", path, strerror(errno));
    if (!S_ISDIR(st.st_mode))
        return run_file(b, path, 1, err);
    if (snprintf(pattern, sizeof pattern, "%s/*.json", path) < (int)sizeof pattern &&
        glob(pattern, 0, NULL, &files) == 0)
        for (size_t i = 0; i < files.gl_pathc && !failed; i++)
            failed = run_file(b, files.gl_pathv[i], 0, err);
    globfree(&files);
    return failed;
}

static int run_limit(struct bench *b, enum stoker_mask_limit limit, const char *path, struct stoker_mask_costs *out,
                     struct error *err)
{
    b->limit = limit;
    b->skipped = 0;
    b->compile = b->first = b->cold = b->warm = (struct times){0};
    int failed = run_path(b, path, err);
    if (!failed && b->cold.n == 0)
        failed = error_set(err, ERR_INPUT, "%s holds neither schemas with texts nor tools", path);
    out->compile = summary(&b->compile);
    out->first = summary(&b->first);
    out->cold = summary(&b->cold);
    out->warm = summary(&b->warm);
    return failed;
}

int stoker_mask_bench(const char *model, const char *path, struct stoker_mask_bench *out, struct stoker_error *public)
{
    struct error err = {0};
    struct gguf *g = NULL;
    struct bench b = {0};
    *out = (struct stoker_mask_bench){0};
    int failed = gguf_open(&g, model, &err) || tokenizer_create(&b.tokenizer, g, NULL, &err);
    double begin = now();
    failed = failed || token_trie_create(&b.trie, b.tokenizer, &err);
    out->trie_seconds = now() - begin;
    if (!failed) {
        out->n_vocab = tokenizer_n_vocab(b.tokenizer);
        out->trie_bytes = token_trie_bytes(b.trie);
        b.allowed = malloc((size_t)out->n_vocab);
        failed = b.allowed ? 0 : error_set(&err, ERR_MEMORY, "no memory for a mask");
    }
    for (int i = 0; i < STOKER_MASK_LIMITS && !failed; i++)
        failed = run_limit(&b, (enum stoker_mask_limit)i, path, &out->costs[i], &err);
    out->skipped = b.skipped;
    free(b.allowed);
    token_trie_destroy(b.trie);
    tokenizer_destroy(b.tokenizer);
    gguf_close(g);
    if (failed)
        error_to_public(public, &err);
    return failed ? -1 : 0;
}
