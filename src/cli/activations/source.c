/* From texts to sequences of tokens: a prompt, a file of one, ids, a corpus in windows, or one of many texts. See activations.h.
 *
 * Files are read before there is a plan. All that they take is requests' memory then (base/reqmem.h): it is counted, for the plan, and
 * is at most half of --memory, or of what is left where that is no size. What a message of --chat takes is known only with a model, when
 * the plan is made: it is estimated, and counted then. A prompt of -p, of which Linux takes 128 KiB, is not counted. */
#include "base/error.h"
#include "base/file.h"
#include "base/reqmem.h"
#include "cli/activations/activations.h"
#include "cli/common/cli.h"

#include <jansson.h>
#include <limits.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MOST = 256 << 20, TEMPLATE_BYTES = 2 << 20 }; /* of a template, what it takes for any message */

/* What tells tokens: the model, or, before it is open, its vocabulary. */
struct teller {
    const struct stoker *s; /* or: */
    struct stoker_vocab *v;
    struct reqmem_account *account; /* of what is read; of -p NULL */
};

static int is_a_size(uint64_t memory)
{
    return memory != 0 && memory != STOKER_MEMORY_MIN && memory != STOKER_MEMORY_MAX;
}

static int too_much(const struct activations *a)
{
    fprintf(stderr, "stoker %s: %s: reading it takes more than half of %s: give more memory, or a text in parts\n",
            a->command,
            a->tokens ? a->tokens
            : a->file ? a->file
                      : a->text,
            is_a_size(a->options.memory) ? "--memory" : "the memory that is left");
    return 1;
}

static int no_memory(const struct teller *t, const struct activations *a)
{
    int is_short = t->account && reqmem_short(t->account) != REQMEM_ENOUGH;
    if (is_short && !t->s)
        return too_much(a);
    if (is_short)
        fprintf(stderr,
                "stoker %s: %s: in the model's chat format it takes more than is planned for it: give a shorter text\n",
                a->command, a->file);
    else
        fprintf(stderr, "stoker %s: no memory for the tokens\n", a->command);
    return 1;
}

/* Counted: drop_text() it. */
static char *read_text(const struct teller *t, const struct activations *a, const char *path, size_t *n)
{
    struct error err = {0};
    size_t left = reqmem_left(t->account->of, REQMEM_LARGE);
    char *text = file_read(path, left < TEXT_MOST ? left : TEXT_MOST, n, &err);
    if (text)
        reqmem_take(t->account, *n, REQMEM_LARGE);
    else if (err.code == ERR_INPUT && left < TEXT_MOST)
        too_much(a);
    else
        fprintf(stderr, "stoker %s: %s\n", a->command, err.text);
    return text;
}

static void drop_text(const struct teller *t, char *text, size_t n)
{
    free(text);
    reqmem_give(t->account, n);
}

/* Ids with spaces, commas or brackets between them. */
static int parse_ids(const struct activations *a, const char *text, stoker_token *id, size_t *n)
{
    *n = 0;
    for (const char *p = text + strspn(text, " \t\r\n,[]"); *p; p += strspn(p, " \t\r\n,[]")) {
        char *end;
        long v = strtol(p, &end, 10);
        if (end == p || v < 0 || v > INT_MAX) {
            fprintf(stderr, "stoker %s: --tokens %s: ids with spaces or commas between them, not \"%.20s\"\n",
                    a->command, a->tokens, p);
            return 2;
        }
        id[(*n)++] = (stoker_token)v;
        p = end;
    }
    return 0;
}

static int read_ids(const struct teller *t, const struct activations *a, stoker_token **out, size_t *n)
{
    size_t size;
    char *text = read_text(t, a, a->tokens, &size);
    if (!text)
        return 1;
    int status = (*out = reqmem_malloc((size / 2 + 1) * sizeof **out)) ? parse_ids(a, text, *out, n) : no_memory(t, a);
    drop_text(t, text, size);
    stoker_token *used = status ? NULL : reqmem_realloc(*out, (*n + 1) * sizeof *used);
    *out = used ? used : *out;
    return status;
}

static int tokenize(const struct teller *t, const struct activations *a, const char *text, size_t length,
                    stoker_token **out, size_t *n)
{
    struct stoker_error err;
    struct stoker_message user = {"user", text, length};
    int failed = t->v      ? stoker_vocab_tokenize(t->v, text, length, 1, 1, out, n, &err)
                 : a->chat ? stoker_chat(t->s, &user, 1, -1, out, n, &err)
                           : stoker_tokenize(t->s, text, length, 1, 1, out, n, &err);
    if (failed && t->account && err.code == STOKER_ERR_MEMORY)
        return no_memory(t, a);
    return failed ? report(&err) : 0;
}

static int no_token(const struct activations *a)
{
    fprintf(stderr, "stoker %s: there is no token to compute\n", a->command);
    return 2;
}

/* The n tokens as one sequence; of a corpus as windows that do not overlap. */
static int cut(struct sequences *q, const struct teller *t, const struct activations *a, size_t n)
{
    size_t most = a->max_tokens && (size_t)a->max_tokens < n ? (size_t)a->max_tokens : n,
           window = a->text ? (size_t)a->window : most;
    q->n = window ? (most + window - 1) / window : 0;
    q->first = reqmem_malloc((q->n + 1) * sizeof *q->first);
    if (!q->first)
        return no_memory(t, a);
    for (size_t i = 0; i <= q->n; i++)
        q->first[i] = i * window < most ? i * window : most;
    return q->n ? 0 : no_token(a);
}

/* ---- a corpus of texts, one a line ------------------------------------------------------------------------------------------- */

static int is_lines(const char *path)
{
    size_t n = path ? strlen(path) : 0;
    return n > 6 && strcmp(path + n - 6, ".jsonl") == 0;
}

/* Tokens [n] in windows behind those that q has; but for the first max_tokens of all nothing counts. */
static int add_windows(struct sequences *q, const struct teller *t, const struct activations *a, const stoker_token *id,
                       size_t n)
{
    size_t at = q->n ? q->first[q->n] : 0, most = a->max_tokens ? (size_t)a->max_tokens : SIZE_MAX,
           window = (size_t)a->window;
    n = n < most - at ? n : most - at;
    size_t more = (n + window - 1) / window;
    stoker_token *token = reqmem_realloc(q->token, (at + n + 1) * sizeof *token);
    q->token = token ? token : q->token;
    size_t *first = reqmem_realloc(q->first, (q->n + more + 1) * sizeof *first);
    q->first = first ? first : q->first;
    if (!token || !first)
        return no_memory(t, a);
    memcpy(token + at, id, n * sizeof *id);
    q->first[q->n] = at;
    for (size_t i = 1; i <= more; i++)
        q->first[q->n + i] = at + (i * window < n ? i * window : n);
    q->n += more;
    return 0;
}

static int wrong_line(const struct teller *t, const struct activations *a, size_t number)
{
    if (reqmem_short(t->account) != REQMEM_ENOUGH) /* nor did jansson get more */
        return no_memory(t, a);
    fprintf(stderr, "stoker %s: --text %s: line %zu is neither a JSON string nor an object with \"text\"\n", a->command,
            a->text, number);
    return 2;
}

/* A JSON string, or an object whose "text" is one. */
static int add_line(struct sequences *q, const struct activations *a, const struct teller *t, const char *line,
                    size_t length, size_t number)
{
    json_error_t why;
    json_t *v = json_loadb(line, length, JSON_DECODE_ANY | JSON_ALLOW_NUL, &why);
    const json_t *text = json_is_object(v) ? json_object_get(v, "text") : v;
    stoker_token *id = NULL;
    size_t n = 0;
    int status = json_is_string(text) ? tokenize(t, a, json_string_value(text), json_string_length(text), &id, &n)
                                      : wrong_line(t, a, number);
    status = status ? status : add_windows(q, t, a, id, n);
    reqmem_free(id);
    json_decref(v);
    return status;
}

static int lines(struct sequences *q, const struct activations *a, const struct teller *t, const char *text,
                 size_t size)
{
    int status = 0;
    for (size_t at = 0, n, number = 1; !status && at < size; at += n + 1, number++) {
        const char *end = memchr(text + at, '\n', size - at);
        n = end ? (size_t)(end - text) - at : size - at;
        if (strspn(text + at, " \t\r") < n)
            status = add_line(q, a, t, text + at, n, number);
    }
    return status || q->n ? status : no_token(a);
}

/* ---- before there is a plan --------------------------------------------------------------------------------------------------- */

static int read_and_tokenize(struct sequences *out, const struct activations *a, const struct teller *t)
{
    size_t size, n = 0;
    char *text = read_text(t, a, a->file ? a->file : a->text, &size);
    if (!text)
        return 1;
    int is_one = !is_lines(a->text),
        status = is_one ? tokenize(t, a, text, size, &out->token, &n) : lines(out, a, t, text, size);
    drop_text(t, text, size);
    return status || !is_one ? status : cut(out, t, a, n);
}

static int read_source(struct sequences *out, const struct activations *a, const struct teller *t)
{
    size_t n = 0;
    if (t->v)
        return read_and_tokenize(out, a, t);
    if (a->chat)
        return (out->message = read_text(t, a, a->file, &out->n_message)) ? 0 : 1;
    int status = read_ids(t, a, &out->token, &n);
    return status ? status : cut(out, t, a, n);
}

static size_t reading_most(const struct activations *a, size_t kept)
{
    const char *from;
    uint64_t half = (is_a_size(a->options.memory) ? a->options.memory : stoker_memory_left(&from)) / 2;
    return half > kept ? half - kept : 0;
}

int activations_read(struct sequences *out, struct reading *r, const struct activations *a, const char *model)
{
    struct reqmem budget;
    struct reqmem_account account = {.of = &budget};
    struct teller t = {.account = &account};
    struct stoker_error err;
    *out = (struct sequences){.token = NULL};
    if (a->prompt)
        return 0;
    mallopt(M_MMAP_THRESHOLD, 256 << 10); /* what grows moves its pages, so that it is not there twice */
    if (!a->chat && !a->tokens && stoker_vocab_open(&t.v, model, NULL, &err)) /* the plan has it as the model's */
        return report(&err);
    json_set_alloc_funcs(reqmem_malloc, reqmem_free);
    reqmem_init(&budget, reading_most(a, r->kept), 0);
    reqmem_enter(&account, 0);
    int status = read_source(out, a, &t);
    size_t most = r->kept + (size_t)account.peak;
    r->kept += (size_t)account.mine;
    stoker_vocab_close(t.v); /* before memory goes back to the system, and behind what is counted */
    reqmem_leave();
    out->planned = out->message ? out->n_message * TEXT_TO_TOKENS + TEMPLATE_BYTES : 0;
    most += out->planned;
    r->most = most > r->most ? most : r->most;
    return status;
}

int activations_sequences(struct sequences *out, const struct activations *a, const struct stoker *s)
{
    struct reqmem budget;
    struct reqmem_account account = {.of = &budget};
    const struct teller t = {.s = s, .account = out->message ? &account : NULL};
    size_t n;
    if (out->n)
        return 0;
    if (!out->message) {
        int failed = tokenize(&t, a, a->prompt, strlen(a->prompt), &out->token, &n);
        return failed ? failed : cut(out, &t, a, n);
    }
    reqmem_init(&budget, out->planned, 0);
    reqmem_enter(&account, 0);
    int status = tokenize(&t, a, out->message, out->n_message, &out->token, &n);
    status = status ? status : cut(out, &t, a, n);
    free(out->message);
    out->message = NULL;
    reqmem_leave();
    return status;
}

void activations_sequences_free(struct sequences *q)
{
    free(q->message);
    reqmem_free(q->token);
    reqmem_free(q->first);
}
