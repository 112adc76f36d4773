/* From texts to sequences of tokens: a prompt, a file of one, ids, a corpus in windows, or one of many texts. See activations.h. */
#include "base/error.h"
#include "base/file.h"
#include "cli/activations/activations.h"
#include "cli/common/cli.h"

#include <jansson.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { TEXT_MOST = 256 << 20 };

/* What tells tokens: the model, or, before it is open, its vocabulary. */
struct teller {
    const struct stoker *s; /* or: */
    struct stoker_vocab *v;
};

static int no_memory(const struct activations *a)
{
    fprintf(stderr, "stoker %s: no memory for the tokens\n", a->command);
    return 1;
}

/* A quarter of --memory for a text leaves the rest for its tokens, and what is there besides. */
static char *read_text(const struct activations *a, const char *path, size_t *n)
{
    struct error err = {0};
    uint64_t memory = a->options.memory, quarter = memory / 4;
    int is_bound = memory && memory < STOKER_MEMORY_MAX && memory < STOKER_MEMORY_MIN && quarter < TEXT_MOST;
    char *text = file_read(path, is_bound ? (size_t)quarter : TEXT_MOST, n, &err);
    if (!text && is_bound && err.code == ERR_INPUT) {
        err = (struct error){0};
        error_set(&err, ERR_MEMORY, "%s takes more than a quarter of --memory: give more, or a text in parts", path);
    }
    if (!text)
        fprintf(stderr, "stoker %s: %s\n", a->command, err.text);
    return text;
}

/* Ids with spaces, commas or brackets between them. */
static int read_ids(const struct activations *a, const char *path, stoker_token **out, size_t *n)
{
    size_t size;
    char *text = read_text(a, path, &size);
    stoker_token *id = text ? malloc((size / 2 + 1) * sizeof *id) : NULL;
    *n = 0;
    if (!text)
        return 1;
    for (char *p = text + strspn(text, " \t\r\n,[]"), *end; id && *p; p = end + strspn(end, " \t\r\n,[]")) {
        long v = strtol(p, &end, 10);
        if (end == p || v < 0 || v > INT_MAX) {
            fprintf(stderr, "stoker %s: --tokens %s: ids with spaces or commas between them, not \"%.20s\"\n",
                    a->command, path, p);
            free(text);
            free(id);
            return 2;
        }
        id[(*n)++] = (stoker_token)v;
    }
    free(text);
    *out = id;
    return id ? 0 : no_memory(a);
}

static int tokenize(const struct teller *t, const struct activations *a, const char *text, size_t length,
                    stoker_token **out, size_t *n)
{
    struct stoker_error err;
    struct stoker_message user = {"user", text, length};
    int failed = t->v      ? stoker_vocab_tokenize(t->v, text, length, 1, 1, out, n, &err)
                 : a->chat ? stoker_chat(t->s, &user, 1, -1, out, n, &err)
                           : stoker_tokenize(t->s, text, length, 1, 1, out, n, &err);
    return failed ? report(&err) : 0;
}

/* The ids of what the command line names; from the library if *of_library is 1. */
static int all_tokens(const struct teller *t, const struct activations *a, stoker_token **out, size_t *n,
                      int *of_library)
{
    const char *path = a->file ? a->file : a->text;
    size_t length = a->prompt ? strlen(a->prompt) : 0;
    char *text = NULL;
    *of_library = !a->tokens;
    if (a->tokens)
        return read_ids(a, a->tokens, out, n);
    if (path && !(text = read_text(a, path, &length)))
        return 1;
    int status = tokenize(t, a, text ? text : a->prompt, length, out, n);
    free(text);
    return status;
}

/* One sequence; of a corpus windows that do not overlap. */
static int cut(struct sequences *q, const struct activations *a, size_t n)
{
    size_t most = a->max_tokens && (size_t)a->max_tokens < n ? (size_t)a->max_tokens : n,
           window = a->text ? (size_t)a->window : most;
    q->n = window ? (most + window - 1) / window : 0;
    q->first = malloc((q->n + 1) * sizeof *q->first);
    if (!q->first)
        return no_memory(a);
    for (size_t i = 0; i <= q->n; i++)
        q->first[i] = i * window < most ? i * window : most;
    if (q->n)
        return 0;
    fprintf(stderr, "stoker %s: there is no token to compute\n", a->command);
    return 2;
}

/* ---- a corpus of texts, one a line ------------------------------------------------------------------------------------------- */

static int is_lines(const char *path)
{
    size_t n = path ? strlen(path) : 0;
    return n > 6 && strcmp(path + n - 6, ".jsonl") == 0;
}

/* Tokens [n] in windows behind those that q has; but for the first max_tokens of all nothing counts. */
static int add_windows(struct sequences *q, const struct activations *a, const stoker_token *id, size_t n)
{
    size_t at = q->n ? q->first[q->n] : 0, most = a->max_tokens ? (size_t)a->max_tokens : SIZE_MAX,
           window = (size_t)a->window;
    n = n < most - at ? n : most - at;
    size_t more = (n + window - 1) / window;
    stoker_token *token = realloc(q->token, (at + n + 1) * sizeof *token);
    q->token = token ? token : q->token;
    size_t *first = realloc(q->first, (q->n + more + 1) * sizeof *first);
    q->first = first ? first : q->first;
    if (!token || !first)
        return no_memory(a);
    memcpy(token + at, id, n * sizeof *id);
    q->first[q->n] = at;
    for (size_t i = 1; i <= more; i++)
        q->first[q->n + i] = at + (i * window < n ? i * window : n);
    q->n += more;
    return 0;
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
    int status = 0;
    if (!json_is_string(text)) {
        fprintf(stderr, "stoker %s: --text %s: line %zu is neither a JSON string nor an object with \"text\"\n",
                a->command, a->text, number);
        status = 2;
    }
    status = status ? status : tokenize(t, a, json_string_value(text), json_string_length(text), &id, &n);
    status = status ? status : add_windows(q, a, id, n);
    stoker_free(id);
    json_decref(v);
    return status;
}

static int lines(struct sequences *q, const struct activations *a, const struct teller *t)
{
    size_t size, number = 1;
    char *text = read_text(a, a->text, &size);
    int status = text ? 0 : 1;
    for (size_t at = 0, n; !status && at < size; at += n + 1, number++) {
        const char *end = memchr(text + at, '\n', size - at);
        n = end ? (size_t)(end - text) - at : size - at;
        if (strspn(text + at, " \t\r") < n)
            status = add_line(q, a, t, text + at, n, number);
    }
    free(text);
    if (!status && q->n == 0) {
        fprintf(stderr, "stoker %s: there is no token to compute\n", a->command);
        return 2;
    }
    return status;
}

static int sequences(struct sequences *out, const struct activations *a, const struct teller *t)
{
    stoker_token *id = NULL;
    size_t n = 0;
    int of_library;
    *out = (struct sequences){.token = NULL};
    if (is_lines(a->text))
        return lines(out, a, t);
    int status = all_tokens(t, a, &id, &n, &of_library);
    if (!status && !(out->token = malloc((n + 1) * sizeof *id)))
        status = no_memory(a);
    if (!status && n)
        memcpy(out->token, id, n * sizeof *id);
    if (of_library)
        stoker_free(id);
    else
        free(id);
    return status ? status : cut(out, a, n);
}

int activations_sequences(struct sequences *out, const struct activations *a, const struct stoker *s)
{
    return sequences(out, a, &(struct teller){.s = s});
}

/* What the corpus takes while it is recorded; with --memory min at least what it took while it was read. */
static uint64_t corpus_bytes(const struct sequences *q, const struct activations *a)
{
    uint64_t tokens = q->first[q->n] * sizeof *q->token, windows = (q->n + 1) * 2 * sizeof *q->first, text = 0;
    struct stat st;
    if (a->options.memory == STOKER_MEMORY_MIN && stat(a->text, &st) == 0 && st.st_size > 0)
        text = (uint64_t)st.st_size;
    return windows + (text ? text + 2 * tokens : tokens);
}

int activations_corpus(struct sequences *out, struct activations *a, const char *model)
{
    struct stoker_error err;
    struct teller t = {.s = NULL};
    *out = (struct sequences){.token = NULL};
    if (stoker_vocab_open(&t.v, model, NULL, &err))
        return report(&err);
    int status = sequences(out, a, &t);
    stoker_vocab_close(t.v);
    if (!status)
        a->options.server += corpus_bytes(out, a);
    return status;
}

void activations_sequences_free(struct sequences *q)
{
    free(q->token);
    free(q->first);
}
