/* Reading safetensors: see safetensors.h. Each tensor by itself first, then all of them as parts of one file. */
#include "format/safetensors.h"

#include "base/checked.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json/scan.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { DEPTH = 3 }; /* of {"name": {"shape": []}} */

static const char *const dtypes[] = {"F32", "F16", "BF16", "I32"};

static int read_at(const struct safetensors_file *f, void *to, uint64_t n, uint64_t at, struct error *err)
{
    const char *why;
    if (file_read_at(f->fd, to, n, at, &why))
        return error_set(err, ERR_IO, "%s: reading %" PRIu64 " bytes at %" PRIu64 " failed: %s", f->path, n, at, why);
    return 0;
}

/* ---- one tensor -------------------------------------------------------------------------------------------------------------- */

struct reading {
    struct safetensors_file *f;
    struct error *err;
    const char *text; /* of what is being read */
    const char *name; /* [name_n] of the tensor */
    int name_n;
};

static int wrong(const struct reading *r, const char *what)
{
    return error_set(r->err, ERR_FORMAT, "%s: tensor %.*s: %s", r->f->path, r->name_n, r->name, what);
}

/* The text of a string without its quotes; n: -1 where it is none, or has more than plain characters. */
static const char *plain(const char *text, size_t at, size_t size, int *n)
{
    *n = -1;
    if (size < 2 || text[at] != '"')
        return "";
    for (size_t i = at + 1; i + 1 < at + size; i++)
        if (text[i] < ' ' || text[i] > '~' || text[i] == '\\')
            return "";
    *n = (int)(size - 2);
    return text + at + 1;
}

static int is_word(const char *text, int n, const char *word)
{
    return n == (int)strlen(word) && memcmp(text, word, (size_t)n) == 0;
}

/* A number of digits alone. 0: it is none, or too large. */
static int read_size(const char *text, size_t n, uint64_t *out)
{
    *out = 0;
    for (size_t i = 0; i < n; i++)
        if (text[i] < '0' || text[i] > '9' || !checked_mul(*out, 10, out) ||
            !checked_add(*out, (uint64_t)(text[i] - '0'), out))
            return 0;
    return n > 0;
}

/* A list of at most two sizes. Returns how many; -1: it is something else. */
static int read_sizes(const char *text, size_t n, uint64_t out[2])
{
    struct json_scan s;
    struct json_item item;
    size_t at = 0;
    int held = 0;
    json_scan_begin(&s, DEPTH);
    if (n == 0 || text[0] != '[')
        return -1;
    while (json_next(&s, text, n, &at, &item)) {
        if (held == 2 || !read_size(text + item.value, item.value_n, &out[held]))
            return -1;
        held++;
    }
    return held;
}

static int read_dtype(const struct reading *r, struct safetensors_tensor *t, const struct json_item *item)
{
    int n;
    const char *word = plain(r->text, item->value, item->value_n, &n);
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
        if (is_word(word, n, dtypes[i]))
            t->dtype = dtypes[i];
    return t->dtype ? 0
                    : error_set(r->err, ERR_FORMAT, "%s: tensor %.*s is of type %.*s; F32, F16, BF16 and I32 are read",
                                r->f->path, r->name_n, r->name, n < 0 || n > 20 ? 1 : n, n < 0 || n > 20 ? "?" : word);
}

/* A member of a tensor's object. */
static int read_member(const struct reading *r, struct safetensors_tensor *t, const struct json_item *item,
                       uint64_t offsets[2], int *has_offsets)
{
    int n;
    const char *key = plain(r->text, item->key, item->key_n, &n), *value = r->text + item->value;
    if (is_word(key, n, "dtype"))
        return t->dtype ? wrong(r, "\"dtype\" comes twice") : read_dtype(r, t, item);
    if (is_word(key, n, "shape")) {
        if (t->n_dim)
            return wrong(r, "\"shape\" comes twice");
        t->shape[1] = 1;
        t->n_dim = read_sizes(value, item->value_n, t->shape);
        return t->n_dim > 0 && t->shape[0] > 0 && t->shape[1] > 0
                   ? 0
                   : wrong(r, "\"shape\" must be a list of one or two sizes from 1");
    }
    if (!is_word(key, n, "data_offsets"))
        return wrong(r, "it has more than \"dtype\", \"shape\" and \"data_offsets\"");
    if ((*has_offsets)++)
        return wrong(r, "\"data_offsets\" comes twice");
    return read_sizes(value, item->value_n, offsets) == 2 ? 0 : wrong(r, "\"data_offsets\" must be two sizes");
}

static int read_tensor(struct reading *r, struct safetensors_tensor *t, const struct json_item *whole)
{
    const char *text = r->text;
    struct json_scan s;
    struct json_item item;
    uint64_t offsets[2] = {0, 0}, values, bytes;
    size_t at = 0;
    int has_offsets = 0;
    *t = (struct safetensors_tensor){.name = r->name};
    r->text = text + whole->value;
    json_scan_begin(&s, DEPTH);
    if (*r->text != '{')
        return wrong(r, "it must be an object");
    while (json_next(&s, r->text, whole->value_n, &at, &item))
        if (read_member(r, t, &item, offsets, &has_offsets))
            return -1;
    r->text = text;
    if (!t->dtype || !t->n_dim || !has_offsets)
        return wrong(r, "\"dtype\", \"shape\" or \"data_offsets\" is missing");
    if (offsets[1] < offsets[0] || !checked_mul(t->shape[0], t->shape[1], &values) ||
        !checked_mul(values, (uint64_t)type_info(safetensors_type(t))->bytes, &bytes) ||
        bytes != offsets[1] - offsets[0])
        return error_set(r->err, ERR_FORMAT,
                         "%s: tensor %.*s: data_offsets [%" PRIu64 ", %" PRIu64 "] are not those of %" PRIu64
                         " x %" PRIu64 " values of %s",
                         r->f->path, r->name_n, r->name, offsets[0], offsets[1], t->shape[0], t->shape[1], t->dtype);
    t->offset = offsets[0];
    t->bytes = bytes;
    return 0;
}

/* "__metadata__": texts, of which nothing is used. */
static int check_metadata(const struct reading *r, const struct json_item *whole)
{
    struct json_scan s;
    struct json_item item;
    const char *text = r->text + whole->value;
    size_t at = 0;
    int ok = *text == '{';
    json_scan_begin(&s, DEPTH);
    while (ok && json_next(&s, text, whole->value_n, &at, &item))
        ok = text[item.value] == '"';
    return ok ? 0 : error_set(r->err, ERR_FORMAT, "%s: __metadata__ must be an object of texts", r->f->path);
}

/* ---- all of them ------------------------------------------------------------------------------------------------------------- */

/* One member of the header; the tensor to t, unless it is NULL. Returns 1 for a tensor, 0 for metadata. */
static int read_item(struct reading *r, const struct json_item *item, struct safetensors_tensor *t)
{
    r->name = plain(r->text, item->key, item->key_n, &r->name_n);
    if (r->name_n < 1 || r->name_n > SAFETENSORS_NAME)
        return error_set(r->err, ERR_FORMAT,
                         "%s: a tensor's name is not 1 to %d characters of printable ASCII without \\ in it",
                         r->f->path, SAFETENSORS_NAME);
    if (is_word(r->name, r->name_n, "__metadata__"))
        return t ? 0 : check_metadata(r, item);
    return t && read_tensor(r, t, item) ? -1 : 1;
}

/* Counts tensors, or with f->tensor reads them. */
static int64_t walk(struct safetensors_file *f, const char *text, uint64_t length, struct error *err)
{
    struct reading r = {.f = f, .err = err, .text = text};
    struct json_scan s;
    struct json_item item;
    size_t at = 0, n = 0;
    int metadata = 0;
    json_scan_begin(&s, DEPTH);
    while (json_next(&s, text, length, &at, &item)) {
        int is_tensor = read_item(&r, &item, f->tensor ? &f->tensor[n] : NULL);
        if (is_tensor < 0)
            return -1;
        n += is_tensor > 0;
        metadata += is_tensor == 0;
    }
    if (metadata > 1)
        return error_set(err, ERR_FORMAT, "%s: __metadata__ comes twice", f->path);
    return (int64_t)n;
}

static int by_offset(const void *a, const void *b)
{
    const struct safetensors_tensor *s = a, *t = b;
    return (s->offset > t->offset) - (s->offset < t->offset);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct safetensors_tensor *)a)->name, ((const struct safetensors_tensor *)b)->name);
}

static int check_names(const struct safetensors_file *f, struct error *err)
{
    qsort(f->tensor, f->n, sizeof *f->tensor, by_name);
    for (size_t i = 1; i < f->n; i++)
        if (strcmp(f->tensor[i - 1].name, f->tensor[i].name) == 0)
            return error_set(err, ERR_FORMAT, "%s: tensor %s comes twice", f->path, f->tensor[i].name);
    return 0;
}

/* They fill the file. */
static int check_places(const struct safetensors_file *f, uint64_t size, struct error *err)
{
    uint64_t end = 0;
    qsort(f->tensor, f->n, sizeof *f->tensor, by_offset);
    for (size_t i = 0; i < f->n; i++) {
        const struct safetensors_tensor *t = &f->tensor[i];
        if (t->offset != end)
            return error_set(err, ERR_FORMAT,
                             "%s: tensor %s begins at %" PRIu64 " of the data, and the one before it ends at %" PRIu64,
                             f->path, t->name, t->offset, end);
        end += t->bytes; /* it is the end of its data_offsets */
    }
    if (end == size - f->data_at)
        return 0;
    return error_set(err, ERR_FORMAT, "%s: its tensors take %" PRIu64 " bytes, and the file has %" PRIu64 " for them",
                     f->path, end, size - f->data_at);
}

/* The header's text is one object; spaces may stand behind it. */
static int check_text(const struct safetensors_file *f, const char *text, uint64_t length, struct error *err)
{
    struct json_scan s;
    size_t at = 0;
    json_scan_begin(&s, DEPTH);
    int ok = length > 0 && text[0] == '{' && json_scan(&s, text, length, &at, 1) == SCAN_OK;
    while (ok && at < length)
        ok = text[at++] == ' ';
    return ok ? 0 : error_set(err, ERR_FORMAT, "%s: its header is no JSON object as safetensors have it", f->path);
}

static int read_header(struct safetensors_file *f, uint64_t length, struct error *err)
{
    if (!(f->header = malloc(length + 1)))
        return error_set(err, ERR_MEMORY, "%s: no memory for a header of %" PRIu64 " bytes", f->path, length);
    if (read_at(f, f->header, length, 8, err) || check_text(f, f->header, length, err))
        return -1;
    int64_t n = walk(f, f->header, length, err);
    if (n < 0)
        return -1;
    if (n == 0 || n > SAFETENSORS_TENSORS)
        return error_set(err, ERR_FORMAT, "%s: it has %" PRId64 " tensors; from 1 to %d are read", f->path, n,
                         SAFETENSORS_TENSORS);
    f->n = (size_t)n;
    if (!(f->tensor = calloc(f->n, sizeof *f->tensor)))
        return error_set(err, ERR_MEMORY, "%s: no memory for %zu tensors", f->path, f->n);
    if (walk(f, f->header, length, err) < 0)
        return -1;
    for (size_t i = 0; i < f->n; i++) /* the quote behind a name */
        *strchr((char *)(uintptr_t)f->tensor[i].name, '"') = 0;
    return 0;
}

int safetensors_open(struct safetensors_file *f, int fd, const char *path, uint64_t most, struct error *err)
{
    struct stat st;
    uint8_t head[8];
    uint64_t length = 0;
    *f = (struct safetensors_file){.path = path, .fd = fd};
    if (fstat(fd, &st))
        return error_set(err, ERR_IO, "%s: cannot be examined: %s", path, strerror(errno));
    uint64_t size = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
    if (size < sizeof head)
        return error_set(err, ERR_FORMAT, "%s: no safetensors file: it is %s", path,
                         S_ISREG(st.st_mode) ? "shorter than 8 bytes" : "not a regular file");
    if (read_at(f, head, sizeof head, 0, err))
        return -1;
    for (int i = 7; i >= 0; i--)
        length = length << 8 | head[i];
    if (length > most || length > size - sizeof head)
        return error_set(err, ERR_FORMAT,
                         "%s: its header is of %" PRIu64 " bytes; the file has %" PRIu64 ", and at most %" PRIu64
                         " are read: is it a safetensors file?",
                         path, length, size - sizeof head, most);
    f->data_at = sizeof head + length;
    if (read_header(f, length, err) == 0 && check_names(f, err) == 0 && check_places(f, size, err) == 0)
        return 0;
    safetensors_close(f);
    return -1;
}

void safetensors_close(struct safetensors_file *f)
{
    free(f->tensor);
    free(f->header);
    *f = (struct safetensors_file){.fd = -1};
}

/* ---- what is in it ----------------------------------------------------------------------------------------------------------- */

const struct safetensors_tensor *safetensors_find(const struct safetensors_file *f, const char *name)
{
    for (size_t i = 0; i < f->n; i++)
        if (strcmp(f->tensor[i].name, name) == 0)
            return &f->tensor[i];
    return NULL;
}

enum block_type safetensors_type(const struct safetensors_tensor *t) { return (enum block_type)type_by_name(t->dtype); }

int safetensors_read(const struct safetensors_file *f, const struct safetensors_tensor *t, uint64_t first, uint64_t n,
                     void *to, struct error *err)
{
    uint64_t size = (uint64_t)type_info(safetensors_type(t))->bytes;
    return read_at(f, to, n * size, f->data_at + t->offset + first * size, err);
}
