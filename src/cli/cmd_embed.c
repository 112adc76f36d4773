/* stoker embed: vectors of lines, or scores of lines for a query. */
#include "base/error.h"
#include "base/file.h"
#include "base/json/float_text.h"
#include "cli/common/cli.h"
#include "cli/common/flags.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
    "stoker embed MODEL.gguf [flags]: a vector for each line of stdin, by an embedding model.\n\n"
    "  stoker embed nomic-embed.gguf <lines.txt                      a line of numbers for each line, of length 1\n"
    "  stoker embed nomic-embed.gguf --json --dimensions 256 <lines.txt\n"
    "  stoker embed nomic-embed.gguf --raw <lines.txt >vectors.f32   f32, little-endian, without anything between "
    "them\n"
    "  stoker embed reranker.gguf --query 'What is iron?' <lines.txt a score for each line\n"
    "  stoker embed chat-model.gguf --pooling mean <lines.txt        a model that says nothing of vectors\n\n"
    "Prefixes that a model wants (search_query: ...) are part of the lines.\n\n";

enum { INPUT_MOST = 256 << 20, AT_ONCE = 256 /* lines of a request */ };

struct embed {
    struct stoker *engine;
    struct stoker_encoder encoder;
    const char *query;
    struct stoker_query *judge; /* of the query */
    int json, raw, plain, dimensions;
    size_t n_line; /* printed so far */
};

/* ---- printing --------------------------------------------------------------------------------------------------------------- */

static void print_row(const struct embed *e, const float *x, size_t n)
{
    if (e->raw) {
        for (size_t i = 0; i < n; i++) {
            uint32_t bits;
            memcpy(&bits, &x[i], sizeof bits);
            for (int b = 0; b < 4; b++)
                putchar((int)(bits >> 8 * b & 0xFF));
        }
        return;
    }
    for (size_t i = 0; i < n; i++) {
        char text[FLOAT_TEXT];
        if (i)
            fputs(e->json ? "," : " ", stdout);
        fputs(float_text(text, x[i]), stdout);
    }
}

/* The vectors of one line: one, or with pooling none one for each of its tokens. */
static void print_line(struct embed *e, float *x, size_t n_row)
{
    size_t n_out = e->encoder.n_out, n = e->encoder.is_rank ? 1 : e->dimensions ? (size_t)e->dimensions : n_out;
    int rows = strcmp(e->encoder.pooling, "none") == 0;
    if (e->json)
        printf("{\"index\":%zu,\"%s\":%s", e->n_line, e->encoder.is_rank ? "scores" : "embedding", rows ? "[" : "");
    for (size_t r = 0; r < n_row; r++, x += n_out) {
        if (!e->plain)
            stoker_normalise(x, n_out);
        if (!e->plain && n < n_out)
            stoker_normalise(x, n);
        if (r)
            fputs(e->json ? "," : e->raw ? "" : "\n", stdout);
        fputs(e->json ? "[" : "", stdout);
        print_row(e, x, n);
        fputs(e->json ? "]" : "", stdout);
    }
    fputs(e->json ? rows ? "]}\n" : "}\n" : e->raw ? "" : "\n", stdout);
    e->n_line++;
}

/* ---- lines ------------------------------------------------------------------------------------------------------------------ */

static int tokens_of(const struct embed *e, const char *line, size_t length, struct stoker_tokens *out,
                     struct stoker_error *err)
{
    stoker_token *id = NULL;
    int cut = 0;
    const struct stoker_string document = {line, length};
    int failed = e->judge ? stoker_query_pair(e->judge, &document, &id, &out->n, &cut, err)
                          : stoker_tokenize(e->engine, line, length, 1, 0, &id, &out->n, err);
    out->id = id;
    return failed;
}

static int wait_for(struct embed *e, const struct stoker_embed *job, struct stoker_error *err)
{
    stoker_id id;
    struct stoker_event ev;
    size_t broken = 0;
    if (stoker_submit_embed(e->engine, job, &id, err))
        return -1;
    while (stoker_next_event(e->engine, id, -1, &ev) == 1) {
        if (ev.kind == STOKER_VECTOR && ev.u.vector.is_no_number && !broken)
            broken = ev.u.vector.text + 1;
        if (ev.kind == STOKER_FAILED)
            *err = ev.error;
        if (ev.kind == STOKER_FAILED)
            return -1;
    }
    if (!broken)
        return 0;
    *err = (struct stoker_error){.code = STOKER_ERR_FORMAT};
    snprintf(err->text, sizeof err->text, "line %zu: a value of its vector is not a finite number", e->n_line + broken);
    return -1;
}

/* n lines, whose tokens are in text. */
static int embed_lines(struct embed *e, const struct stoker_tokens *text, size_t n, struct stoker_error *err)
{
    int rows = strcmp(e->encoder.pooling, "none") == 0;
    size_t all = 0;
    for (size_t i = 0; i < n; i++)
        all += rows ? text[i].n : 1;
    struct stoker_embed job = {.text = text, .n_text = n, .out = malloc(all * e->encoder.n_out * sizeof *job.out)};
    float *at = job.out;
    int failed = !job.out;
    if (failed)
        *err = (struct stoker_error){STOKER_ERR_MEMORY, "no memory for the vectors", ""};
    failed = failed || wait_for(e, &job, err);
    for (size_t i = 0; i < n && !failed; i++) {
        print_line(e, at, rows ? text[i].n : 1);
        at += e->encoder.n_out * (rows ? text[i].n : 1);
    }
    free(job.out);
    return failed;
}

static int check_line(const struct embed *e, size_t line, const struct stoker_tokens *t, size_t length,
                      struct stoker_error *err)
{
    if (length && t->n && t->n <= e->encoder.n_ctx)
        return 0;
    *err = (struct stoker_error){.code = STOKER_ERR_INPUT};
    if (!length || !t->n)
        snprintf(err->text, sizeof err->text, "line %zu is empty: there is nothing to embed", line);
    else
        snprintf(err->text, sizeof err->text, "line %zu has %zu tokens, the context %zu: shorten it", line, t->n,
                 e->encoder.n_ctx);
    return -1;
}

/* The next lines of text [n], at most AT_ONCE. *used: how far they reach. */
static int next_lines(struct embed *e, const char *text, size_t n, size_t *used, struct stoker_error *err)
{
    struct stoker_tokens list[AT_ONCE];
    size_t n_list = 0, at = 0;
    int failed = 0;
    while (at < n && n_list < AT_ONCE && !failed) {
        const char *end = memchr(text + at, '\n', n - at);
        size_t length = end ? (size_t)(end - (text + at)) : n - at;
        size_t shown = length && text[at + length - 1] == '\r' ? length - 1 : length;
        failed = tokens_of(e, text + at, shown, &list[n_list], err);
        if (failed)
            break;
        n_list++;
        failed = check_line(e, e->n_line + n_list, &list[n_list - 1], shown, err);
        at += length + 1;
    }
    failed = failed || embed_lines(e, list, n_list, err);
    for (size_t i = 0; i < n_list; i++)
        stoker_free((stoker_token *)(uintptr_t)list[i].id);
    *used = at < n ? at : n;
    return failed;
}

static int embed_all(struct embed *e, const char *text, size_t n)
{
    struct stoker_error err;
    int shows = isatty(STDERR_FILENO) && !isatty(STDOUT_FILENO);
    for (size_t at = 0, used; at < n; at += used) {
        if (next_lines(e, text + at, n - at, &used, &err))
            return report(&err);
        if (shows)
            fprintf(stderr, "\r%zu lines, %zu %%", e->n_line, (at + used) * 100 / n);
    }
    if (shows && n)
        fputc('\n', stderr);
    return fflush(stdout) || ferror(stdout) ? 1 : 0;
}

/* ---- the command ------------------------------------------------------------------------------------------------------------ */

static int wrong(const char *sentence)
{
    fprintf(stderr, "stoker embed: %s\n", sentence);
    return 2;
}

static int check_flags(struct embed *e, const char *normalize)
{
    e->plain = (normalize && strcmp(normalize, "none") == 0) || e->encoder.is_rank;
    if (e->json && e->raw)
        return wrong("--json and --raw exclude each other: leave one of them out");
    if (e->encoder.is_rank && !e->query)
        return wrong("this model judges pairs: --query TEXT says what the lines are judged by");
    if (!e->encoder.is_rank && e->query)
        return wrong("--query is for models that judge pairs, and this one gives vectors: leave it out");
    if (e->encoder.is_rank && e->dimensions)
        return wrong("--dimensions is for vectors, and this model gives scores: leave it out");
    if (e->dimensions > (int)e->encoder.n_out) {
        fprintf(stderr, "stoker embed: --dimensions %d: this model's vectors have %zu\n", e->dimensions,
                e->encoder.n_out);
        return 2;
    }
    return 0;
}

static int run(struct embed *e, const char *normalize)
{
    struct error err = {0};
    size_t n;
    stoker_encoder_of(e->engine, &e->encoder);
    int status = check_flags(e, normalize);
    if (status)
        return status;
    const struct stoker_string query = {e->query, e->query ? strlen(e->query) : 0};
    struct stoker_error why;
    if (e->query && stoker_query_open(&e->judge, e->engine, &query, NULL, NULL, &why))
        return report(&why);
    char *text = file_read_stream(stdin, "stdin", INPUT_MOST, &n, &err);
    if (text)
        status = embed_all(e, text, n);
    else
        fprintf(stderr, "stoker embed: %s\n", err.text);
    status = text ? status : 1;
    stoker_query_close(e->judge);
    free(text);
    return status;
}

int cmd_embed(int argc, char **argv)
{
    struct stoker_options o = {.use = STOKER_USE_VECTORS};
    struct embed e = {.query = NULL};
    const char *normalize = NULL, *rest[1] = {NULL};
    int n_rest;
    const struct flag mine[] = {
        {"--pooling", NULL, FLAG_WORD, &o.pooling, 0, 0, "mean|cls|last|none|rank",
         "how rows become a vector (default: as the file says)"},
        {"--normalize", NULL, FLAG_WORD, &normalize, 0, 0, "l2|none",
         "vectors of length 1, or as the model gives them (default l2)"},
        {"--dimensions", NULL, FLAG_INT, &e.dimensions, 1, 1 << 20, "K",
         "the first K values, of length 1 again (models trained for that)"},
        {"--json", NULL, FLAG_SWITCH, &e.json, 0, 0, NULL, "an object a line"},
        {"--raw", NULL, FLAG_SWITCH, &e.raw, 0, 0, NULL, "f32, little-endian, and nothing else"},
        {"--query", NULL, FLAG_TEXT, &e.query, 0, 0, "TEXT", "of models that rank: scores of the lines for this query"},
    };
    const struct flag_table table[] = {{mine, sizeof mine / sizeof *mine}, model_flags(&o)};
    int status = flags_parse("embed", usage, table, 2, argc, argv, rest, 1, &n_rest);
    struct stoker_error err;
    if (status != FLAGS_DONE)
        return status;
    if (!n_rest)
        return wrong("it needs an embedding model: stoker embed MODEL.gguf <lines.txt");
    const char *model = model_of(rest[0]);
    if (!model)
        return 1;
    if (stoker_open(&e.engine, model, &o, &err))
        return report(&err);
    status = run(&e, normalize);
    stoker_close(e.engine);
    return status;
}
