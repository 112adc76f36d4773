/* See results.h. */
#include "eval/results.h"

#include "base/error.h"
#include "base/file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum { FILE_MOST = 1 << 30 };

#define LINE (JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(17)) /* how lines are written */

struct eval_results {
    FILE *file;
    char *path;
    size_t n_item, most;     /* lines of items; of a file that is whole */
    int has_summary, is_new; /* is_new: made by this run, which has written no result yet */
};

static int is_summary(const json_t *line) { return json_object_get(line, "summary") != NULL; }

/* A field of both headers, of which one may be NULL. */
static int compare_field(const char *path, const char *key, const json_t *is, const json_t *wanted, struct error *err)
{
    if (json_equal(is, wanted))
        return 0;
    char *a = is ? json_dumps(is, JSON_ENCODE_ANY) : NULL, *b = wanted ? json_dumps(wanted, JSON_ENCODE_ANY) : NULL;
    error_set(err, ERR_INPUT, "%s has results of another run: %s is %.80s there and %.80s here", path, key,
              a ? a : "absent", b ? b : "absent");
    free(a);
    free(b);
    return -1;
}

static int compare_headers(const char *path, json_t *is, json_t *wanted, struct error *err)
{
    const char *key;
    json_t *value;
    json_object_foreach(wanted, key,
                        value) if (compare_field(path, key, json_object_get(is, key), value, err)) return -1;
    json_object_foreach(is, key,
                        value) if (compare_field(path, key, value, json_object_get(wanted, key), err)) return -1;
    return 0;
}

/* Line number `number` of a file that is taken up again. */
static int read_line(struct eval_results *r, const json_t *line, size_t number,
                     int (*on_item)(void *arg, const json_t *item, struct error *err), void *arg, struct error *err)
{
    struct error why = {0};
    if (r->has_summary)
        error_set(&why, ERR_INPUT, "stands behind the summary");
    else if (is_summary(line) && r->n_item < r->most)
        error_set(&why, ERR_INPUT, "is the summary of %zu results, and there are %zu", r->most, r->n_item);
    else if (!is_summary(line) && r->n_item == r->most)
        error_set(&why, ERR_INPUT, "there are %zu results already", r->most);
    else if (!is_summary(line))
        on_item(arg, line, &why);
    r->has_summary = is_summary(line);
    r->n_item += !r->has_summary;
    return why.code ? error_set(err, why.code, "%s, line %zu: %s", r->path, number, why.text) : 0;
}

/* A file without a whole line is cut to nothing: only what this run's own header can have left may be. */
static int check_torn_header(const char *path, const char *text, size_t n, const json_t *header, struct error *err)
{
    char *whole = json_dumps(header, LINE);
    if (!whole)
        return error_set(err, ERR_MEMORY, "no memory for results");
    int torn = n <= strlen(whole) && memcmp(text, whole, n) == 0;
    free(whole);
    return torn ? 0 : error_set(err, ERR_INPUT, "%s is no file of results of this run; it is left as it is", path);
}

/* *whole: bytes up to the end of the last whole line; 0: there is none. */
static int read_lines(struct eval_results *r, const json_t *header,
                      int (*on_item)(void *arg, const json_t *item, struct error *err), void *arg, size_t *whole,
                      struct error *err)
{
    size_t n, number = 0;
    char *text = file_read_regular(r->path, FILE_MOST, &n, err), *end;
    if (!text)
        return -1;
    int status = 0;
    *whole = 0;
    while (status == 0 && (end = memchr(text + *whole, '\n', n - *whole))) {
        json_error_t why;
        json_t *line = json_loadb(text + *whole, (size_t)(end - text) - *whole, JSON_REJECT_DUPLICATES, &why);
        number++;
        if (!json_is_object(line))
            status = error_set(err, ERR_INPUT, "%s, line %zu: is no JSON object", r->path, number);
        else if (number == 1)
            status = compare_headers(r->path, line, (json_t *)(uintptr_t)header, err);
        else
            status = read_line(r, line, number, on_item, arg, err);
        json_decref(line);
        *whole = (size_t)(end - text) + 1;
    }
    if (status == 0 && *whole == 0)
        status = check_torn_header(r->path, text, n, header, err);
    free(text);
    return status;
}

static int open_file(struct eval_results *r, const char *mode, struct error *err)
{
    r->file = fopen(r->path, mode);
    if (r->file && (flock(fileno(r->file), LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK))
        return 0; /* some filesystems have no locks */
    if (r->file)
        return error_set(err, ERR_INPUT, "%s: another run writes its results there", r->path);
    if (errno == EEXIST)
        return error_set(err, ERR_INPUT, "%s exists; --resume takes it up again", r->path);
    return error_set(err, ERR_IO, "%s: cannot be written: %s", r->path, strerror(errno));
}

int eval_results_open(struct eval_results **out, const char *path, const json_t *header, size_t n_item, int resume,
                      int (*on_item)(void *arg, const json_t *item, struct error *err), void *arg, struct error *err)
{
    struct eval_results *r = calloc(1, sizeof *r);
    size_t whole = 0;
    if (r)
        r->most = n_item;
    int status = r && (r->path = strdup(path)) ? 0 : error_set(err, ERR_MEMORY, "no memory for results");
    int exists = status == 0 && resume && access(path, F_OK) == 0;
    if (status == 0)
        status = open_file(r, exists ? "r+" : "wx", err);
    if (status == 0 && exists)
        status = read_lines(r, header, on_item, arg, &whole, err);
    if (status == 0 && exists && (ftruncate(fileno(r->file), (off_t)whole) || fseeko(r->file, (off_t)whole, SEEK_SET)))
        status = error_set(err, ERR_IO, "%s: cannot be cut: %s", path, strerror(errno));
    if (status == 0 && whole == 0)
        status = eval_results_add(r, json_incref((json_t *)(uintptr_t)header), err);
    if (r)
        r->is_new = !exists;
    if (status) {
        eval_results_close(r);
        return -1;
    }
    *out = r;
    return 0;
}

/* Digits of an f32 that read as the same f32. */
static int write_list(FILE *f, const struct eval_list *l)
{
    int failed = fprintf(f, ",\"%s\":[", l->name) < 0;
    for (size_t i = 0; i < l->n && !failed; i++)
        failed = fprintf(f, i ? ",%.9g" : "%.9g", (double)l->value[i]) < 0;
    return failed || putc(']', f) == EOF;
}

static int write_line(FILE *f, const json_t *line, const struct eval_list *list, size_t n_list)
{
    int failed = putc('{', f) == EOF || json_dumpf(line, f, LINE | JSON_EMBED);
    for (size_t i = 0; i < n_list && !failed; i++)
        failed = write_list(f, &list[i]);
    return failed || fputs("}\n", f) == EOF || fflush(f);
}

int eval_results_add_lists(struct eval_results *r, json_t *line, const struct eval_list *list, size_t n_list,
                           struct error *err)
{
    int summary = is_summary(line), status = 0;
    errno = 0;
    if (!line)
        status = error_set(err, ERR_MEMORY, "no memory for a result");
    else if (!(summary && r->has_summary) && write_line(r->file, line, list, n_list))
        status = error_set(err, ERR_IO, "%s: writing a result failed: %s", r->path,
                           errno ? strerror(errno) : "no memory");
    r->has_summary |= summary;
    r->is_new = 0;
    json_decref(line);
    return status;
}

int eval_results_add(struct eval_results *r, json_t *line, struct error *err)
{
    return eval_results_add_lists(r, line, NULL, 0, err);
}

int eval_results_is_new(const struct eval_results *r) { return r->is_new; }

void eval_results_close(struct eval_results *r)
{
    if (!r)
        return;
    if (r->is_new && r->file && file_is_at(fileno(r->file), r->path))
        unlink(r->path);
    if (r->file)
        fclose(r->file);
    free(r->path);
    free(r);
}
