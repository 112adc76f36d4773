/* GGUF files: the parts of a set, the index of keys and names, and typed look-ups. See gguf.h; one file's header is read in
 * gguf_header.c.
 *
 * A split set says so by the keys split.count (u16), split.no (u16, from 0) and split.tensors.count in each part, and by its
 * names NAME-00001-of-0000N.gguf. All other keys are taken from the first part. */
#include "format/gguf.h"

#include "base/error.h"
#include "base/hash.h"
#include "base/rng.h"
#include "format/entry.h"
#include "format/gguf_header.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_PARTS = 99999, SUFFIX = 20 /* -00001-of-00003.gguf */ };

/* ---- the index: open addressing, at most half full; a slot holds 1 + the number of a key or tensor ---------------------- */

struct table {
    uint32_t *slot;
    uint64_t mask;
};

struct gguf_index {
    uint64_t seed; /* random: nobody can write a file whose names all collide */
    struct table keys, names;
};

typedef struct gguf_string name_fn(const struct gguf *g, uint64_t i);

static struct gguf_string key_name(const struct gguf *g, uint64_t i) { return g->value[i].key; }
static struct gguf_string tensor_name(const struct gguf *g, uint64_t i) { return gguf_text(g->tensor[i].name); }

/* The slot of a name: its own, or the empty one where it belongs. */
static uint32_t *find_slot(const struct gguf *g, const struct table *t, name_fn *name, struct gguf_string s)
{
    for (uint64_t h = hash64(s.text, s.length, g->index->seed);; h++) {
        uint32_t *slot = &t->slot[h & t->mask];
        if (!*slot)
            return slot;
        struct gguf_string other = name(g, *slot - 1);
        if (other.length == s.length && memcmp(other.text, s.text, s.length) == 0)
            return slot;
    }
}

static int make_table(struct gguf *g, struct table *t, name_fn *name, uint64_t n, const char *what, struct error *err)
{
    uint64_t size = 8;
    while (size < 2 * n)
        size *= 2;
    t->slot = arena_array(&g->arena, size, sizeof *t->slot);
    if (!t->slot)
        return error_set(err, ERR_MEMORY, "%s: no memory for the index of its %ss", g->file[0].path, what);
    t->mask = size - 1;
    for (uint64_t i = 0; i < n; i++) {
        uint32_t *slot = find_slot(g, t, name, name(g, i));
        if (*slot)
            return error_set(err, ERR_FORMAT, "%s: %s %s appears twice; the file is damaged", g->file[0].path, what,
                             shown(name(g, i)).text);
        *slot = (uint32_t)(i + 1); /* a header's size keeps i far below 2^32 */
    }
    return 0;
}

const struct gguf_value *gguf_find(const struct gguf *g, const char *key)
{
    uint32_t i = *find_slot(g, &g->index->keys, key_name, gguf_text(key));
    return i ? &g->value[i - 1] : NULL;
}

const struct gguf_tensor *gguf_tensor(const struct gguf *g, const char *name)
{
    uint32_t i = *find_slot(g, &g->index->names, tensor_name, gguf_text(name));
    return i ? &g->tensor[i - 1] : NULL;
}

int gguf_layer_of(const char *name, const char **rest)
{
    int layer = -1, used = 0;
    *rest = name;
    if (sscanf(name, "blk.%5d.%n", &layer, &used) != 1 || used == 0 || layer < 0)
        return -1;
    *rest = name + used;
    return layer;
}

int gguf_is_beside_text(const char *rest)
{
    static const char *const begins[] = {"v.", "a.", "mm.", "nextn.", "mtp."};
    static const char end[] = ".input_scale";
    size_t n = strlen(rest);
    for (size_t i = 0; i < sizeof begins / sizeof *begins; i++)
        if (strncmp(rest, begins[i], strlen(begins[i])) == 0)
            return 1;
    return n > strlen(end) && strcmp(rest + n - strlen(end), end) == 0;
}

int gguf_predicts(const struct gguf *g, uint64_t layer)
{
    static const char *const own[] = {"eh_proj", "enorm", "hnorm"};
    int n = 0;
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        char name[80];
        snprintf(name, sizeof name, "blk.%llu.nextn.%s.weight", (unsigned long long)layer, own[i]);
        n += gguf_tensor(g, name) != NULL;
    }
    return n > 0;
}

/* The last layers, from behind the last that has tensors and is none of them. */
uint64_t gguf_draft_layers(const struct gguf *g, uint64_t n_layer, uint64_t n_stated)
{
    uint64_t first = n_stated < n_layer ? n_layer - n_stated : 0;
    const char *rest;
    if (n_layer > GGUF_LAYERS_MOST)
        return 0;
    while (first > 1 && gguf_predicts(g, first - 1))
        first--;
    for (uint64_t i = 0; i < g->n_tensor; i++) {
        int layer = gguf_layer_of(g->tensor[i].name, &rest);
        if (layer >= 0 && (uint64_t)layer >= first && (uint64_t)layer < n_layer && !gguf_predicts(g, (uint64_t)layer))
            first = (uint64_t)layer + 1;
    }
    return n_layer - first;
}

/* ---- files and parts ---------------------------------------------------------------------------------------------- */

static int open_file(struct gguf_file *f, const char *path, int dir, struct arena *arena, struct error *err)
{
    struct stat st;
    f->path = arena_copy(arena, path, strlen(path));
    if (!f->path)
        return error_set(err, ERR_MEMORY, "%s: no memory to open it", path);
    if ((f->fd = entry_open(dir, path, 0, err)) < 0)
        return -1;
    if (fstat(f->fd, &st) != 0)
        return error_set(err, ERR_IO, "%s: cannot be examined: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return error_set(err, ERR_FORMAT, "%s: %s, not a GGUF file", path,
                         S_ISDIR(st.st_mode) ? "a folder" : "not a regular file");
    if (st.st_size == 0)
        return error_set(err, ERR_FORMAT, "%s: the file is empty", path);
    f->size = (uint64_t)st.st_size;
    f->dev = st.st_dev;
    f->ino = st.st_ino;
    f->mtime = st.st_mtim;
    return 0;
}

/* The numbers in a name that ends -00001-of-00003.gguf: 1 and *part, *count; 0 if it does not end so. */
static int name_numbers(const char *path, int *part, int *count)
{
    size_t n = strlen(path);
    int end = 0;
    if (n < SUFFIX || sscanf(path + n - SUFFIX, "-%5d-of-%5d.gguf%n", part, count, &end) != 2 || end != SUFFIX)
        return 0;
    return *part >= 1 && *count >= 1;
}

/* The path of part number (from 0) of a set whose path ends so; in the arena. */
static char *part_path(struct arena *arena, const char *path, int part, int count)
{
    char suffix[SUFFIX + 16];
    size_t n = strlen(path);
    char *p = arena_copy(arena, path, n);
    snprintf(suffix, sizeof suffix, "-%05d-of-%05d.gguf", part + 1, count);
    if (p)
        memcpy(p + n - SUFFIX, suffix, SUFFIX);
    return p;
}

/* A number among a part's own keys: 1 found, 0 absent, -1 wrong. */
static int part_u64(const char *path, const struct gguf_part *p, const char *key, uint64_t max, uint64_t *out,
                    struct error *err)
{
    const struct gguf_value *v = gguf_part_find(p, key);
    if (!v)
        return 0;
    return gguf_value_u64(path, v, 0, max, out, err) == 0 ? 1 : -1;
}

/* How many parts the set of the first file has; its keys must agree with its name, and it must be the first. */
static int count_parts(struct gguf *g, const struct gguf_part *p, int *count, struct error *err)
{
    const char *path = g->file[0].path;
    uint64_t n = 1, number = 0;
    int in_name = 1, of_name = 1;
    int named = name_numbers(path, &in_name, &of_name);
    int has_count = part_u64(path, p, "split.count", MAX_PARTS, &n, err);
    int has_number = part_u64(path, p, "split.no", MAX_PARTS, &number, err);
    if (has_count < 0 || has_number < 0)
        return -1;
    if (number != 0) {
        const char *first = named ? part_path(&g->arena, path, 0, of_name) : NULL;
        return error_set(err, ERR_FORMAT, "%s: part %" PRIu64 " of a split model; open its first part%s%s", path,
                         number + 1, first ? ", " : "", first ? first : "");
    }
    if (n <= 1 && of_name == 1) {
        *count = 1;
        return 0;
    }
    if (n <= 1)
        return error_set(err, ERR_FORMAT,
                         "%s: its name says part %d of %d, but its keys (split.count) do not speak of parts; "
                         "rename it, or fetch the set again",
                         path, in_name, of_name);
    if (!has_number)
        return error_set(err, ERR_FORMAT, "%s: split.count is %" PRIu64 ", but there is no split.no", path, n);
    if (!named && g->header_only)
        return error_set(err, ERR_FORMAT,
                         "%s: the first of %" PRIu64
                         " parts: the beginnings of all are needed, in files that are named as "
                         "the parts are (NAME-00001-of-%05" PRIu64 ".gguf); then --header-only with the first",
                         path, n, n);
    if (!named)
        return error_set(err, ERR_FORMAT,
                         "%s: the first of %" PRIu64 " parts, but its name does not end in "
                         "-00001-of-%05" PRIu64 ".gguf, so the others cannot be found; rename it",
                         path, n, n);
    if ((uint64_t)of_name != n || in_name != 1)
        return error_set(err, ERR_FORMAT,
                         "%s: its name says part %d of %d, its keys say 1 of %" PRIu64 " (split.count); fetch "
                         "the set again",
                         path, in_name, of_name, n);
    *count = of_name;
    return 0;
}

/* Another part: it must say that it is this one of this set. */
static int read_part(struct gguf *g, struct gguf_part *p, int i, struct error *err)
{
    struct gguf_file *f = &g->file[i];
    struct gguf_cursor c = {0};
    uint64_t number = UINT64_MAX, count = UINT64_MAX;
    const char *path = part_path(&g->arena, g->file[0].path, i, g->n_file);
    if (!path)
        return error_set(err, ERR_MEMORY, "%s: no memory for its parts", g->file[0].path);
    if (g->header_only && access(path, F_OK) != 0)
        return error_set(err, ERR_IO, "%s: is not here: the beginning of each of the %d parts is needed", path,
                         g->n_file);
    int status = open_file(f, path, AT_FDCWD, &g->arena, err);
    if (status == 0)
        status = gguf_cursor_begin(&c, f, i, &g->arena, err);
    c.header_only = g->header_only;
    if (status == 0)
        status = gguf_read_keys(&c, p);
    if (status == 0 && (part_u64(path, p, "split.no", MAX_PARTS, &number, err) < 0 ||
                        part_u64(path, p, "split.count", MAX_PARTS, &count, err) < 0))
        status = -1;
    if (status == 0 && (number != (uint64_t)i || count != (uint64_t)g->n_file))
        status = error_set(err, ERR_FORMAT,
                           "%s: its keys split.no and split.count must be %d and %d, but are %" PRId64 " and %" PRId64
                           " (-1: absent); fetch the set again",
                           path, i, g->n_file, (int64_t)number, (int64_t)count);
    if (status == 0)
        status = gguf_read_tensors(&c, p);
    gguf_cursor_end(&c);
    return status;
}

/* All parts' tensors in one table. */
static int join_tensors(struct gguf *g, const struct gguf_part *part, struct error *err)
{
    uint64_t stated, n = 0;
    for (int i = 0; i < g->n_file; i++)
        n += part[i].n_tensor;
    int has = part_u64(g->file[0].path, &part[0], "split.tensors.count", INT64_MAX, &stated, err);
    if (has < 0)
        return -1;
    if (has && g->n_file > 1 && stated != n)
        return error_set(err, ERR_FORMAT,
                         "%s: split.tensors.count is %" PRIu64 ", but the %d parts hold %" PRIu64
                         " tensors; fetch the set again",
                         g->file[0].path, stated, g->n_file, n);
    g->n_tensor = n;
    g->tensor = part[0].tensor;
    if (g->n_file == 1)
        return 0;
    g->tensor = arena_array(&g->arena, n, sizeof *g->tensor);
    if (!g->tensor)
        return error_set(err, ERR_MEMORY, "%s: no memory for its %" PRIu64 " tensors", g->file[0].path, n);
    struct gguf_tensor *to = g->tensor;
    for (int i = 0; i < g->n_file; i++) {
        if (part[i].n_tensor)
            memcpy(to, part[i].tensor, part[i].n_tensor * sizeof *to);
        to += part[i].n_tensor;
    }
    return 0;
}

/* Memory for n files and the contents of their headers; the first of each is copied from what is already read. */
static struct gguf_part *allocate_parts(struct gguf *g, const struct gguf_part *first, int n, struct error *err)
{
    struct gguf_file *file = arena_array(&g->arena, (size_t)n, sizeof *file);
    struct gguf_part *part = arena_array(&g->arena, (size_t)n, sizeof *part);
    if (!file || !part) {
        error_set(err, ERR_MEMORY, "%s: no memory for its %d parts", g->file[0].path, n);
        return NULL;
    }
    file[0] = g->file[0];
    part[0] = *first;
    for (int i = 1; i < n; i++)
        file[i].fd = -1;
    g->file = file;
    g->n_file = n;
    return part;
}

static int read_set(struct gguf *g, struct gguf_cursor *c, const struct gguf_small *small, struct error *err)
{
    struct gguf_part first = {0}, *part = &first;
    int n_parts = 1;
    if (gguf_cursor_begin(c, g->file, 0, &g->arena, err) != 0)
        return -1;
    c->header_only = g->header_only;
    c->end = small && small->header < c->end ? small->header : c->end;
    if (gguf_read_keys(c, &first) != 0)
        return -1;
    g->version = first.version;
    g->alignment = first.alignment;
    g->value = first.value;
    g->n_value = first.n_value;
    if (make_table(g, &g->index->keys, key_name, g->n_value, "key", err) != 0 ||
        count_parts(g, &first, &n_parts, err) != 0 || gguf_read_tensors(c, &first) != 0)
        return -1;
    if (n_parts > 1 && small)
        return error_set(err, ERR_FORMAT, "%s: a part of a model of %d files", g->file->path, n_parts);
    if (n_parts > 1 && !(part = allocate_parts(g, &first, n_parts, err)))
        return -1;
    for (int i = 1; i < n_parts; i++)
        if (read_part(g, &part[i], i, err) != 0)
            return -1;
    return join_tensors(g, part, err) == 0 ? make_table(g, &g->index->names, tensor_name, g->n_tensor, "tensor", err)
                                           : -1;
}

static int open_set(struct gguf **out, const char *path, int header_only, const struct gguf_small *small,
                    struct error *err)
{
    struct gguf_cursor c = {0};
    struct gguf *g = calloc(1, sizeof *g);
    *out = NULL;
    if (!g)
        return error_set(err, ERR_MEMORY, "%s: no memory to open it", path);
    arena_init_growing(&g->arena);
    g->file = arena_array(&g->arena, 1, sizeof *g->file);
    g->index = arena_array(&g->arena, 1, sizeof *g->index);
    int status = -1;
    if (!g->file || !g->index) {
        error_set(err, ERR_MEMORY, "%s: no memory to open it", path);
    } else {
        g->n_file = 1;
        g->header_only = header_only;
        g->file[0].fd = -1;
        g->index->seed = rng_seed();
        status = open_file(g->file, path, small ? small->dir : AT_FDCWD, &g->arena, err);
    }
    if (status == 0 && small && g->file->size > small->file)
        status = error_set(err, ERR_FORMAT, "%s: it has %" PRIu64 " bytes, at most %" PRIu64 " are read", path,
                           g->file->size, small->file);
    if (status == 0)
        status = read_set(g, &c, small, err);
    gguf_cursor_end(&c);
    if (status == 0)
        *out = g;
    else
        gguf_close(g);
    return status;
}

int gguf_open(struct gguf **out, const char *path, struct error *err) { return open_set(out, path, 0, NULL, err); }

int gguf_open_header(struct gguf **out, const char *path, struct error *err)
{
    return open_set(out, path, 1, NULL, err);
}

int gguf_open_small(struct gguf **out, const char *path, const struct gguf_small *small, struct error *err)
{
    return open_set(out, path, 0, small, err);
}

void gguf_close(struct gguf *g)
{
    if (!g)
        return;
    for (int i = 0; i < g->n_file; i++)
        if (g->file[i].fd >= 0)
            close(g->file[i].fd);
    arena_free(&g->arena);
    free(g);
}

/* ---- typed look-ups ----------------------------------------------------------------------------------------------- */

static int is_signed(enum gguf_kind k) { return k == GGUF_I8 || k == GGUF_I16 || k == GGUF_I32 || k == GGUF_I64; }
static int is_float(enum gguf_kind k) { return k == GGUF_F32 || k == GGUF_F64; }

static int wrong_kind(const struct gguf *g, const struct gguf_value *v, const char *wanted, struct error *err)
{
    return error_set(err, ERR_FORMAT, "%s: key %s is of kind %s, but must be %s", g->file[0].path, shown(v->key).text,
                     gguf_kind_name(v->kind), wanted);
}

int gguf_u64(const struct gguf *g, const char *key, uint64_t min, uint64_t max, uint64_t *out, struct error *err)
{
    const struct gguf_value *v = gguf_find(g, key);
    if (!v)
        return 0;
    return gguf_value_u64(g->file[0].path, v, min, max, out, err) == 0 ? 1 : -1;
}

int gguf_f64(const struct gguf *g, const char *key, double min, double max, double *out, struct error *err)
{
    const struct gguf_value *v = gguf_find(g, key);
    if (!v)
        return 0;
    if (v->kind == GGUF_STRING || v->kind == GGUF_ARRAY || v->kind == GGUF_BOOL)
        return wrong_kind(g, v, "a number", err);
    double x = is_float(v->kind) ? v->as.f : is_signed(v->kind) ? (double)v->as.i : (double)v->as.u;
    if (!(x >= min && x <= max)) /* NaN is outside too */
        return error_set(err, ERR_FORMAT, "%s: key %s is %g, but must be %g to %g", g->file[0].path, key, x, min, max);
    *out = x;
    return 1;
}

int gguf_bool(const struct gguf *g, const char *key, int *out, struct error *err)
{
    const struct gguf_value *v = gguf_find(g, key);
    if (!v)
        return 0;
    if (v->kind != GGUF_BOOL)
        return wrong_kind(g, v, "a bool", err);
    *out = (int)v->as.u;
    return 1;
}

int gguf_str(const struct gguf *g, const char *key, struct gguf_string *out, struct error *err)
{
    const struct gguf_value *v = gguf_find(g, key);
    if (!v)
        return 0;
    if (v->kind != GGUF_STRING)
        return wrong_kind(g, v, "a string", err);
    *out = v->as.string;
    return 1;
}

/* A whole number of the file's architecture; 0: absent or absurd. */
static uint64_t arch_number(const struct gguf *g, const char *arch, const char *name)
{
    char key[160];
    struct error ignored = {0};
    uint64_t v;
    snprintf(key, sizeof key, "%.100s.%s", arch, name);
    return gguf_u64(g, key, 0, UINT32_MAX, &v, &ignored) == 1 ? v : 0;
}

uint64_t gguf_first_draft(const struct gguf *g)
{
    struct gguf_string arch = {"", 0};
    struct error ignored = {0};
    gguf_str(g, "general.architecture", &arch, &ignored);
    uint64_t n_layer = arch_number(g, arch.text, "block_count"),
             n_stated = arch_number(g, arch.text, "nextn_predict_layers");
    uint64_t n = n_stated < n_layer ? gguf_draft_layers(g, n_layer, n_stated) : 0;
    return n ? n_layer - n : UINT64_MAX;
}

int64_t gguf_item_int(const struct gguf_value *v, uint64_t i)
{
    switch (v->item) {
    case GGUF_U8:
    case GGUF_BOOL:
        return ((const uint8_t *)v->as.items)[i];
    case GGUF_I8:
        return ((const int8_t *)v->as.items)[i];
    case GGUF_U16:
        return ((const uint16_t *)v->as.items)[i];
    case GGUF_I16:
        return ((const int16_t *)v->as.items)[i];
    case GGUF_U32:
        return ((const uint32_t *)v->as.items)[i];
    case GGUF_I32:
        return ((const int32_t *)v->as.items)[i];
    case GGUF_U64:
    case GGUF_I64:
        return ((const int64_t *)v->as.items)[i];
    default:
        return 0;
    }
}

double gguf_item_float(const struct gguf_value *v, uint64_t i)
{
    switch (v->item) {
    case GGUF_F32:
        return (double)((const float *)v->as.items)[i];
    case GGUF_F64:
        return ((const double *)v->as.items)[i];
    default:
        return (double)gguf_item_int(v, i);
    }
}
