/* stoker embed: vectors of lines, or scores of lines for a query. */
#include "base/json/float_text.h"
#include "cli/common/cli.h"
#include "cli/common/flags.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdarg.h>
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
    "Prefixes that a model wants (search_query: ...) are part of the lines. A line whose vector has a value that is no "
    "finite number\n"
    "has an error in its place, with --raw NaN; the others have theirs, and the exit status is 1.\n\n";

static const char no_number[] = "a value of its vector is not a finite number";

enum { LINE_MOST = 1 << 20, AT_ONCE = 256 /* lines of a request */, VECTORS_BYTES = 1 << 20 };

struct embed {
    struct stoker *engine;
    struct stoker_encoder encoder;
    const char *query;
    struct stoker_query *judge; /* of the query */
    int json, raw, plain, dimensions;
    size_t n_line, n_broken; /* printed so far; of them without a vector */
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
        fwrite(text, 1, float_text(text, x[i]), stdout);
    }
}

static size_t n_shown(const struct embed *e)
{
    return e->encoder.is_rank ? 1 : e->dimensions ? (size_t)e->dimensions : e->encoder.n_out;
}

/* The vectors of one line: one, or with pooling none one for each of its tokens. */
static void print_line(struct embed *e, float *x, size_t n_row)
{
    size_t n_out = e->encoder.n_out, n = n_shown(e);
    int rows = strcmp(e->encoder.pooling, "none") == 0;
    if (e->json)
        printf("{\"index\":%zu,\"%s\":%s", e->n_line, e->encoder.is_rank ? "scores" : "embedding", rows ? "[" : "");
    for (size_t r = 0; r < n_row; r++, x += n_out) {
        if (!e->plain)
            stoker_normalise(x, n_out, n);
        if (r)
            fputs(e->json ? "," : e->raw ? "" : "\n", stdout);
        fputs(e->json ? "[" : "", stdout);
        print_row(e, x, n);
        fputs(e->json ? "]" : "", stdout);
    }
    fputs(e->json ? rows ? "]}\n" : "}\n" : e->raw ? "" : "\n", stdout);
    e->n_line++;
}

/* In the place of the vectors of a line. */
static void print_broken(struct embed *e, size_t n_row)
{
    const float nothing = NAN;
    for (size_t i = 0; e->raw && i < n_row * n_shown(e); i++)
        print_row(e, &nothing, 1);
    if (e->json)
        printf("{\"index\":%zu,\"error\":\"%s\"}\n", e->n_line, no_number);
    else if (!e->raw)
        printf("error: %s\n", no_number);
    e->n_line++;
    e->n_broken++;
    fprintf(stderr, "stoker embed: line %zu: %s\n", e->n_line, no_number);
}

/* ---- lines to vectors ------------------------------------------------------------------------------------------------------- */

static void print_text(struct embed *e, const struct stoker_embed *job, const struct stoker_event *ev)
{
    size_t i = ev->u.vector.text, n_row = strcmp(e->encoder.pooling, "none") == 0 ? job->text[i].n : 1;
    if (ev->u.vector.is_no_number)
        print_broken(e, n_row);
    else
        print_line(e, job->out + i % job->n_place * job->place, n_row);
}

static int print_vectors(struct embed *e, const struct stoker_embed *job, struct stoker_error *err)
{
    stoker_id id;
    struct stoker_event ev;
    int failed = stoker_submit_embed(e->engine, job, &id, err);
    while (!failed && stoker_next_event(e->engine, id, -1, &ev) == 1) {
        if (ev.kind == STOKER_VECTOR)
            print_text(e, job, &ev);
        if (ev.kind == STOKER_FAILED) {
            *err = ev.error;
            failed = -1;
        }
    }
    return failed;
}

/* n lines, whose tokens are in text. */
static int embed_lines(struct embed *e, const struct stoker_tokens *text, size_t n, struct stoker_error *err)
{
    struct stoker_embed job = {.text = text, .n_text = n};
    job.out = malloc(stoker_embed_places(&job, &e->encoder, VECTORS_BYTES) * sizeof *job.out);
    if (!job.out) {
        *err = (struct stoker_error){STOKER_ERR_MEMORY, "no memory for the vectors", ""};
        return -1;
    }
    int failed = print_vectors(e, &job, err);
    free(job.out);
    return failed;
}

/* ---- lines of stdin, as they come ------------------------------------------------------------------------------------------- */

struct lines {
    char *text;   /* [LINE_MOST + 1] */
    size_t at, n; /* where the next line begins; bytes that were read */
    int ended;
};

__attribute__((format(printf, 3, 4))) static int fail_input(struct stoker_error *err, enum stoker_error_code code,
                                                            const char *format, ...)
{
    va_list args;
    *err = (struct stoker_error){.code = code};
    va_start(args, format);
    vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    return -1;
}

static int is_readable(void)
{
    struct pollfd p = {STDIN_FILENO, POLLIN, 0};
    return poll(&p, 1, 0) > 0;
}

/* More bytes, or the end. number: of the line that begins at l->at. */
static int read_more(struct lines *l, size_t number, struct stoker_error *err)
{
    ssize_t got;
    memmove(l->text, l->text + l->at, l->n - l->at);
    l->n -= l->at;
    l->at = 0;
    if (l->n > LINE_MOST)
        return fail_input(err, STOKER_ERR_INPUT, "line %zu has more than %d bytes: shorten it", number, LINE_MOST);
    do
        got = read(STDIN_FILENO, l->text + l->n, LINE_MOST + 1 - l->n);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return fail_input(err, STOKER_ERR_IO, "stdin cannot be read: %s", strerror(errno));
    l->n += (size_t)got;
    l->ended = got == 0;
    return 0;
}

/* 1: *out is the next line, until the next call; 0: there is none, or with waits 0 none yet. */
static int next_line(struct lines *l, int waits, size_t number, struct stoker_string *out, struct stoker_error *err)
{
    for (;;) {
        const char *begin = l->text + l->at, *end = memchr(begin, '\n', l->n - l->at);
        if (end || (l->ended && l->at < l->n)) {
            size_t n = end ? (size_t)(end - begin) : l->n - l->at;
            l->at += end ? n + 1 : n;
            *out = (struct stoker_string){begin, n && begin[n - 1] == '\r' ? n - 1 : n};
            return 1;
        }
        if (l->ended || (!waits && !is_readable()))
            return 0;
        if (read_more(l, number, err))
            return -1;
    }
}

static int tokens_of(const struct embed *e, const struct stoker_string *line, struct stoker_tokens *out,
                     struct stoker_error *err)
{
    stoker_token *id = NULL;
    int cut = 0;
    int failed = e->judge ? stoker_query_pair(e->judge, line, &id, &out->n, &cut, err)
                          : stoker_tokenize(e->engine, line->text, line->n, 1, 0, &id, &out->n, err);
    out->id = id;
    return failed;
}

static int check_line(const struct embed *e, size_t number, const struct stoker_tokens *t, size_t length,
                      struct stoker_error *err)
{
    if (!length || !t->n)
        return fail_input(err, STOKER_ERR_INPUT, "line %zu is empty: there is nothing to embed", number);
    if (t->n > e->encoder.n_ctx)
        return fail_input(err, STOKER_ERR_INPUT, "line %zu has %zu tokens, the context %zu: shorten it", number, t->n,
                          e->encoder.n_ctx);
    return 0;
}

/* The next line as tokens: list[*n], and one more of them; none of a line that is refused. As next_line(). */
static int add_line(struct embed *e, struct lines *l, struct stoker_tokens *list, size_t *n, struct stoker_error *err)
{
    struct stoker_string line;
    size_t number = e->n_line + *n + 1;
    int got = next_line(l, *n == 0, number, &line, err);
    if (got <= 0)
        return got;
    if (tokens_of(e, &line, &list[*n], err))
        return -1;
    if (check_line(e, number, &list[*n], line.n, err)) {
        stoker_free((stoker_token *)(uintptr_t)list[*n].id);
        return -1;
    }
    *n += 1;
    return 1;
}

/* The lines that are there, at least one and at most AT_ONCE: those before one that is refused have their vectors. 1: there may be more;
 * 0: there was none. */
static int next_lines(struct embed *e, struct lines *l, struct stoker_error *err)
{
    struct stoker_tokens list[AT_ONCE];
    struct stoker_error refused;
    size_t n = 0;
    int got = 1;
    while (n < AT_ONCE && got > 0)
        got = add_line(e, l, list, &n, &refused);
    int failed = n && embed_lines(e, list, n, err);
    for (size_t i = 0; i < n; i++)
        stoker_free((stoker_token *)(uintptr_t)list[i].id);
    if (!failed && got < 0)
        *err = refused;
    return failed || got < 0 ? -1 : n > 0;
}

static int embed_all(struct embed *e)
{
    struct stoker_error err;
    struct lines l = {.text = malloc(LINE_MOST + 1)};
    int shows = isatty(STDERR_FILENO) && !isatty(STDOUT_FILENO), got = l.text ? 1 : -1;
    if (!l.text)
        fail_input(&err, STOKER_ERR_MEMORY, "no memory for a line");
    while (got > 0 && (got = next_lines(e, &l, &err)) > 0) {
        if (fflush(stdout) || ferror(stdout))
            break;
        if (shows)
            fprintf(stderr, "\r%zu lines", e->n_line);
    }
    free(l.text);
    if (shows && e->n_line)
        fputc('\n', stderr);
    if (got < 0)
        return report(&err);
    return ferror(stdout) || e->n_broken ? 1 : 0;
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
    struct stoker_error err;
    stoker_encoder_of(e->engine, &e->encoder);
    int status = check_flags(e, normalize);
    if (status)
        return status;
    const struct stoker_string query = {e->query, e->query ? strlen(e->query) : 0};
    if (e->query && stoker_query_open(&e->judge, e->engine, &query, NULL, NULL, &err))
        return report(&err);
    status = embed_all(e);
    stoker_query_close(e->judge);
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
