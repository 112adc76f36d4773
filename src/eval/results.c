/* See results.h. */
#include "eval/results.h"

#include "base/error.h"
#include "base/file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILE_MOST = 1 << 30 };

struct eval_results {
    FILE *file;
    char *path;
    int has_summary;
};

static int is_summary(const json_t *line) { return json_object_get(line, "summary") != NULL; }

static int compare_headers(const char *path, const json_t *is, const json_t *wanted, struct error *err)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)wanted, key, value)
    {
        const json_t *other = json_object_get(is, key);
        if (json_equal(other, value))
            continue;
        char *a = other ? json_dumps(other, JSON_ENCODE_ANY) : NULL, *b = json_dumps(value, JSON_ENCODE_ANY);
        error_set(err, ERR_INPUT, "%s has results of another run: %s is %.80s there and %.80s here", path, key,
                  a ? a : "absent", b ? b : "?");
        free(a);
        free(b);
        return -1;
    }
    return 0;
}

/* Line number `number` of a file that is taken up again. */
static int read_line(struct eval_results *r, const json_t *line, size_t number, const json_t *header,
                     int (*on_item)(void *arg, const json_t *item, struct error *err), void *arg, struct error *err)
{
    if (number == 1)
        return compare_headers(r->path, line, header, err);
    if (r->has_summary)
        return error_set(err, ERR_INPUT, "%s, line %zu: stands behind the summary", r->path, number);
    r->has_summary = is_summary(line);
    return r->has_summary ? 0 : on_item(arg, line, err);
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
        status = json_is_object(line) ? read_line(r, line, number, header, on_item, arg, err)
                                      : error_set(err, ERR_INPUT, "%s, line %zu: is no JSON object", r->path, number);
        json_decref(line);
        *whole = (size_t)(end - text) + 1;
    }
    free(text);
    return status;
}

static int open_file(struct eval_results *r, const char *mode, struct error *err)
{
    r->file = fopen(r->path, mode);
    if (r->file)
        return 0;
    if (errno == EEXIST)
        return error_set(err, ERR_INPUT, "%s exists; --resume takes it up again", r->path);
    return error_set(err, ERR_IO, "%s: cannot be written: %s", r->path, strerror(errno));
}

int eval_results_open(struct eval_results **out, const char *path, const json_t *header, int resume,
                      int (*on_item)(void *arg, const json_t *item, struct error *err), void *arg, struct error *err)
{
    struct eval_results *r = calloc(1, sizeof *r);
    size_t whole = 0;
    int status = r && (r->path = strdup(path)) ? 0 : error_set(err, ERR_MEMORY, "no memory for results");
    int exists = status == 0 && resume && access(path, F_OK) == 0;
    if (exists)
        status = read_lines(r, header, on_item, arg, &whole, err);
    if (status == 0)
        status = open_file(r, exists ? "r+" : "wx", err);
    if (status == 0 && exists && (ftruncate(fileno(r->file), (off_t)whole) || fseeko(r->file, (off_t)whole, SEEK_SET)))
        status = error_set(err, ERR_IO, "%s: cannot be cut: %s", path, strerror(errno));
    if (status == 0 && whole == 0)
        status = eval_results_add(r, json_incref((json_t *)(uintptr_t)header), err);
    if (status) {
        eval_results_close(r);
        return -1;
    }
    *out = r;
    return 0;
}

int eval_results_add(struct eval_results *r, json_t *line, struct error *err)
{
    int summary = is_summary(line), status = 0;
    errno = 0;
    if (!line)
        status = error_set(err, ERR_MEMORY, "no memory for a result");
    else if (!(summary && r->has_summary) &&
             (json_dumpf(line, r->file, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(17)) ||
              putc('\n', r->file) == EOF || fflush(r->file)))
        status = error_set(err, ERR_IO, "%s: writing a result failed: %s", r->path,
                           errno ? strerror(errno) : "no memory");
    r->has_summary |= summary;
    json_decref(line);
    return status;
}

void eval_results_close(struct eval_results *r)
{
    if (!r)
        return;
    if (r->file)
        fclose(r->file);
    free(r->path);
    free(r);
}
