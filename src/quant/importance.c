/* See importance.h. Of a GGUF form the parser has the description; the older form is one entry behind another. What is read once, from the
 * first byte to the last, is hashed and checked on the way. */
#include "quant/importance.h"

#include "base/error.h"
#include "base/file.h"
#include "format/gguf.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    OLD_CHUNK = 512,
    MOST_NAME = 4096,
    MOST_DATASETS = 256,
    PIECE = 64 << 10,      /* bytes that are checked at a time: whole values */
    DROP = 4 << 20,        /* after so many they leave the page cache */
    GGUF_BUFFER = 1 << 20, /* that the parser reads headers by */
    MOST_INDEX = 64 << 20, /* bytes; of 100,000 tensors some 15 MiB */
};

/* ---- index ------------------------------------------------------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct importance_entry *)a)->name, ((const struct importance_entry *)b)->name);
}

static int by_place(const void *a, const void *b)
{
    uint64_t x = ((const struct importance_entry *)a)->at, y = ((const struct importance_entry *)b)->at;
    return (x > y) - (x < y);
}

static int no_memory(const struct importance *m, struct error *err)
{
    return error_set(err, ERR_MEMORY, "%s: no memory for its entries", m->path);
}

/* The index is there before a plan counts it, so it has a bound of its own: that of n things more. */
static int check_index(const struct importance *m, uint64_t n, size_t size, struct error *err)
{
    if (n <= MOST_INDEX / size && m->arena.total + n * size <= MOST_INDEX)
        return 0;
    return error_set(err, ERR_FORMAT,
                     "%s: names and counts of its tensors take more than %d MiB, which those of no model do; it is "
                     "damaged, or no file of importance",
                     m->path, MOST_INDEX >> 20);
}

static int read_at(const struct importance *m, void *to, uint64_t n, uint64_t at, struct error *err)
{
    const char *why;
    if (file_read_at(m->fd, to, n, at, &why))
        return error_set(err, ERR_IO, "%s: reading %" PRIu64 " bytes at %" PRIu64 " failed: %s", m->path, n, at, why);
    return 0;
}

static int note_dataset(struct importance *m, const char *text, size_t n, struct error *err)
{
    if (m->n_datasets == MOST_DATASETS)
        return 0;
    if (check_index(m, n, 1, err))
        return -1;
    if (!m->datasets)
        m->datasets = arena_array(&m->arena, MOST_DATASETS, sizeof(const char *));
    const char *copy = arena_copy(&m->arena, text, n);
    if (!m->datasets || !copy)
        return no_memory(m, err);
    m->datasets[m->n_datasets++] = copy;
    m->dataset = m->datasets[0];
    return 0;
}

float importance_rows(const struct importance_entry *e, uint64_t i) { return e->count[e->n_counts > 1 ? i : 0]; }

static int is_sum(float v) { return v >= 0 && v < INFINITY; }

static int check_counts(const struct importance *m, const struct importance_entry *e, struct error *err)
{
    for (uint64_t i = 0; i < e->n_counts; i++)
        if (!is_sum(e->count[i]))
            return error_set(err, ERR_FORMAT, "%s: %s has %g rows in matrix %" PRIu64, m->path, e->name,
                             (double)e->count[i], i);
    return 0;
}

/* Value i of an entry is none. */
static int bad_sum(const struct importance *m, const struct importance_entry *e, uint64_t i, float v, struct error *err)
{
    return error_set(err, ERR_FORMAT, "%s: %s has %g in column %" PRIu64 " of matrix %" PRIu64, m->path, e->name,
                     (double)v, i % e->n_cols, i / e->n_cols);
}

/* ---- GGUF -------------------------------------------------------------------------------------------------------------------------- */

static const char sums_end[] = ".in_sum2";

/* Characters of a weight's name in the name of its sums; 0: it is another tensor. */
static size_t weight_name(const struct gguf_tensor *t)
{
    size_t n = strlen(t->name), n_end = sizeof sums_end - 1;
    return n > n_end && strcmp(t->name + n - n_end, sums_end) == 0 ? n - n_end : 0;
}

static const struct gguf_tensor *counts_of(const struct gguf *g, const struct gguf_tensor *sum, size_t n_name)
{
    char *name;
    if (asprintf(&name, "%.*s.counts", (int)n_name, sum->name) < 0)
        return NULL;
    const struct gguf_tensor *count = gguf_tensor(g, name);
    free(name);
    return count;
}

static int take_counts(struct importance *m, struct importance_entry *e, const struct gguf_tensor *t, struct error *err)
{
    if (check_index(m, t->n_bytes, 1, err))
        return -1;
    float *count = arena_alloc_aligned(&m->arena, t->n_bytes, sizeof *count);
    e->count = count;
    return count ? read_at(m, count, t->n_bytes, t->offset, err) : no_memory(m, err);
}

static int read_pair(struct importance *m, const struct gguf *g, const struct gguf_tensor *sum, size_t n_name,
                     struct error *err)
{
    struct importance_entry *e = &m->entry[m->n_entry];
    const struct gguf_tensor *count = counts_of(g, sum, n_name);
    if (!count)
        return error_set(err, ERR_FORMAT, "%s: %s has no counts", m->path, sum->name);
    if (sum->type != TYPE_F32 || count->type != TYPE_F32)
        return error_set(err, ERR_FORMAT, "%s: %s and its counts are to be f32", m->path, sum->name);
    *e = (struct importance_entry){
        .n_cols = sum->ne[0], .n_mat = sum->ne[1] * sum->ne[2] * sum->ne[3], .at = sum->offset};
    e->n_counts = count->ne[0] * count->ne[1] * count->ne[2] * count->ne[3];
    if (e->n_counts != 1 && e->n_counts != e->n_mat && e->n_mat != 1)
        return error_set(err, ERR_FORMAT, "%s: %s has %" PRIu64 " matrices, and counts of %" PRIu64, m->path, sum->name,
                         e->n_mat, e->n_counts);
    if (e->n_mat == 1 && e->n_counts > 1) { /* heads one after another, each with a count */
        if (e->n_cols % e->n_counts)
            return error_set(err, ERR_FORMAT, "%s: %s has %" PRIu64 " columns, and counts of %" PRIu64 " heads",
                             m->path, sum->name, e->n_cols, e->n_counts);
        e->n_mat = e->n_counts;
        e->n_cols /= e->n_counts;
    }
    if (check_index(m, n_name, 1, err))
        return -1;
    e->name = arena_copy(&m->arena, sum->name, n_name);
    m->n_entry++;
    return e->name ? take_counts(m, e, count, err) : no_memory(m, err);
}

static int read_keys(struct importance *m, const struct gguf *g, struct error *err)
{
    const struct gguf_value *type = gguf_find(g, "general.type"), *chunks = gguf_find(g, "imatrix.chunk_count"),
                            *texts = gguf_find(g, "imatrix.datasets");
    if (type && (type->kind != GGUF_STRING || strcmp(type->as.string.text, "imatrix") != 0))
        return error_set(err, ERR_INPUT, "%s: it is no file of importance: its general.type is another", m->path);
    m->n_chunks = chunks && chunks->kind < GGUF_F32 ? chunks->as.u : 0;
    if (texts && texts->kind == GGUF_ARRAY && texts->item == GGUF_STRING)
        for (uint64_t i = 0; i < texts->n; i++)
            if (note_dataset(m, texts->as.strings[i].text, strlen(texts->as.strings[i].text), err))
                return -1;
    return 0;
}

static int read_pairs(struct importance *m, const struct gguf *g, struct error *err)
{
    uint64_t n = 0;
    for (uint64_t i = 0; i < g->n_tensor; i++)
        n += weight_name(&g->tensor[i]) > 0;
    if (check_index(m, n + 1, sizeof *m->entry, err))
        return -1;
    m->entry = arena_array(&m->arena, n + 1, sizeof *m->entry);
    if (!m->entry)
        return no_memory(m, err);
    for (uint64_t i = 0; i < g->n_tensor; i++) {
        size_t n_name = weight_name(&g->tensor[i]);
        if (n_name && read_pair(m, g, &g->tensor[i], n_name, err))
            return -1;
    }
    return 0;
}

static int read_gguf(struct importance *m, struct error *err)
{
    struct gguf *g;
    if (gguf_open(&g, m->path, err))
        return -1;
    int status = 0;
    if (g->n_file != 1)
        status = error_set(err, ERR_FORMAT, "%s: importance in several parts is not read", m->path);
    else if (g->file[0].size != m->size || !file_is_at(m->fd, m->path))
        status = error_set(err, ERR_IO, "%s: it has changed while it was read", m->path);
    if (status || read_keys(m, g, err) || read_pairs(m, g, err))
        status = -1;
    m->n_opening = g->arena.total + GGUF_BUFFER;
    gguf_close(g);
    return status;
}

/* ---- .dat -------------------------------------------------------------------------------------------------------------------------- */

/* The next whole number; -1: there is none, or it is negative. */
static int32_t take(const struct importance *m, uint64_t *at)
{
    int32_t v;
    const char *why;
    if (m->size - *at < sizeof v || file_read_at(m->fd, &v, sizeof v, *at, &why))
        return -1;
    *at += sizeof v;
    return v;
}

static int read_old_entry(struct importance *m, uint64_t *at, int chunk, struct error *err)
{
    struct importance_entry *e = &m->entry[m->n_entry];
    char name[MOST_NAME];
    int32_t length = take(m, at);
    if (length < 1 || length > MOST_NAME || (uint64_t)length > m->size - *at)
        return error_set(err, ERR_FORMAT,
                         "%s: no GGUF file, and as one of the older form it is damaged at entry %" PRIu64, m->path,
                         m->n_entry + 1);
    if (read_at(m, name, (uint64_t)length, *at, err))
        return -1;
    *at += (uint64_t)length;
    int32_t calls = take(m, at), n = take(m, at);
    if (calls < 0 || n < 1 || (uint64_t)n > (m->size - *at) / sizeof(float))
        return error_set(err, ERR_FORMAT, "%s: it ends within entry %" PRIu64, m->path, m->n_entry + 1);
    if (check_index(m, (uint64_t)length + sizeof *e->count, 1, err))
        return -1;
    float *count = arena_alloc_aligned(&m->arena, sizeof *count, sizeof *count);
    *e = (struct importance_entry){.n_cols = (uint64_t)n, .n_mat = 1, .n_counts = 1, .count = count, .at = *at};
    e->name = arena_copy(&m->arena, name, strnlen(name, (size_t)length));
    if (!e->name || !count)
        return no_memory(m, err);
    *count = (float)calls * (float)chunk;
    *at += (uint64_t)n * sizeof(float);
    m->n_entry++;
    return 0;
}

static int read_old(struct importance *m, int chunk, struct error *err)
{
    uint64_t at = 0;
    char text[MOST_NAME];
    int32_t entries = take(m, &at);
    if (entries < 1 || (uint64_t)entries > m->size / 16)
        return error_set(err, ERR_FORMAT, "%s: neither a GGUF file nor one of importance in the older form", m->path);
    m->scale = (float)chunk;
    if (check_index(m, (uint64_t)entries, sizeof *m->entry, err))
        return -1;
    m->entry = arena_array(&m->arena, (size_t)entries, sizeof *m->entry);
    if (!m->entry)
        return no_memory(m, err);
    for (int32_t i = 0; i < entries; i++)
        if (read_old_entry(m, &at, chunk, err))
            return -1;
    int32_t chunks = take(m, &at), length = take(m, &at);
    m->n_chunks = chunks > 0 ? (uint64_t)chunks : 0;
    if (length <= 0 || (uint64_t)length > m->size - at)
        return 0;
    size_t n = length < MOST_NAME ? (size_t)length : MOST_NAME;
    return read_at(m, text, n, at, err) || note_dataset(m, text, n, err) ? -1 : 0;
}

/* ---- every byte, once -------------------------------------------------------------------------------------------------------------- */

struct look {
    struct importance *m;
    struct sha256 hash;
    uint64_t at, dropped; /* of the next byte; of the first that may be in the page cache */
    float *piece;
};

/* From the piece before on: the kernel drops only what lies in the range whole. */
static void drop(struct look *l)
{
    uint64_t from = l->dropped > DROP ? l->dropped - DROP : 0;
    file_drop_cache(l->m->fd, from, l->at - from);
    l->dropped = l->at;
}

static int next_piece(struct look *l, uint64_t n, struct error *err)
{
    if (read_at(l->m, l->piece, n, l->at, err))
        return -1;
    sha256_add(&l->hash, l->piece, n);
    l->at += n;
    if (l->at - l->dropped >= DROP)
        drop(l);
    return 0;
}

static int look_until(struct look *l, uint64_t end, struct error *err)
{
    while (l->at < end)
        if (next_piece(l, end - l->at < PIECE ? end - l->at : PIECE, err))
            return -1;
    return 0;
}

static int look_at(struct look *l, struct importance_entry *e, struct error *err)
{
    const uint64_t all = e->n_cols * e->n_mat, most = PIECE / sizeof *l->piece;
    int has_sums = 0, has_rows = 0;
    for (uint64_t done = 0, n; done < all; done += n) {
        n = all - done < most ? all - done : most;
        if (next_piece(l, n * sizeof *l->piece, err))
            return -1;
        for (uint64_t i = 0; i < n; i++) {
            float v = l->piece[i] * l->m->scale;
            if (!is_sum(v))
                return bad_sum(l->m, e, done + i, v, err);
            has_sums |= v > 0;
        }
    }
    for (uint64_t i = 0; i < e->n_counts; i++)
        has_rows |= e->count[i] > 0;
    e->is_empty = !has_sums || !has_rows;
    return check_counts(l->m, e, err);
}

/* Before every byte is looked at: of a file of something else there may be many. */
static int check_names(struct importance *m, struct error *err)
{
    qsort(m->entry, m->n_entry, sizeof *m->entry, by_name);
    for (uint64_t i = 1; i < m->n_entry; i++)
        if (strcmp(m->entry[i - 1].name, m->entry[i].name) == 0)
            return error_set(err, ERR_FORMAT, "%s: %s is there twice", m->path, m->entry[i].name);
    return m->n_entry ? 0 : error_set(err, ERR_FORMAT, "%s: no importance is in it", m->path);
}

/* Sums lie one behind another, and something between them. */
static int look_at_all(struct importance *m, struct error *err)
{
    struct look l = {.m = m, .piece = malloc(PIECE)};
    uint8_t hash[SHA256_BYTES];
    int status = l.piece ? 0 : no_memory(m, err);
    sha256_begin(&l.hash);
    qsort(m->entry, m->n_entry, sizeof *m->entry, by_place);
    for (uint64_t i = 0; i < m->n_entry && status == 0; i++)
        status = look_until(&l, m->entry[i].at, err) || look_at(&l, &m->entry[i], err) ? -1 : 0;
    if (status == 0)
        status = look_until(&l, m->size, err);
    qsort(m->entry, m->n_entry, sizeof *m->entry, by_name);
    drop(&l);
    sha256_end(&l.hash, hash);
    for (int i = 0; i < SHA256_BYTES; i++)
        snprintf(m->sha256 + 2 * i, 3, "%02x", hash[i]);
    free(l.piece);
    return status;
}

/* ---- opening ----------------------------------------------------------------------------------------------------------------------- */

static int open_file(struct importance *m, const char *path, struct error *err)
{
    struct stat st;
    m->path = arena_copy(&m->arena, path, strlen(path));
    if (!m->path)
        return error_set(err, ERR_MEMORY, "%s: no memory to read it", path);
    m->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe by mistake could block for ever */
    if (m->fd < 0 || fstat(m->fd, &st) != 0)
        return error_set(err, ERR_IO, "%s: cannot be opened: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return error_set(err, ERR_INPUT, "%s: not a regular file", path);
    m->size = (uint64_t)st.st_size;
    m->mtime = st.st_mtim;
    return 0;
}

static int read_index(struct importance *m, int chunk, struct error *err)
{
    char magic[4] = "";
    if (m->size >= sizeof magic && read_at(m, magic, sizeof magic, 0, err))
        return -1;
    return memcmp(magic, "GGUF", sizeof magic) == 0 ? read_gguf(m, err) : read_old(m, chunk, err);
}

int importance_open(struct importance **out, const char *path, struct error *err)
{
    return importance_open_of(out, path, OLD_CHUNK, err);
}

int importance_open_of(struct importance **out, const char *path, int chunk, struct error *err)
{
    *out = NULL;
    struct importance *m = calloc(1, sizeof *m);
    if (!m)
        return error_set(err, ERR_MEMORY, "%s: no memory to read it", path);
    arena_init_growing(&m->arena);
    m->fd = -1;
    m->dataset = "";
    m->prior = m->scale = 1;
    if (open_file(m, path, err) || read_index(m, chunk, err) || check_names(m, err) || look_at_all(m, err)) {
        importance_close(m);
        return -1;
    }
    *out = m;
    return 0;
}

void importance_close(struct importance *m)
{
    if (!m)
        return;
    if (m->fd >= 0)
        close(m->fd);
    arena_free(&m->arena);
    free(m);
}

/* ---- looking up -------------------------------------------------------------------------------------------------------------------- */

const struct importance_entry *importance_named(const struct importance *m, const char *name)
{
    struct importance_entry key = {.name = name};
    return bsearch(&key, m->entry, m->n_entry, sizeof *m->entry, by_name);
}

static const struct importance_entry *telling(const struct importance_entry *e) { return e && !e->is_empty ? e : NULL; }

/* The entry of the name with a part of it replaced. */
static const struct importance_entry *entry_with(const struct importance *m, const char *name, const char *part,
                                                 const char *other)
{
    char text[MOST_NAME];
    const char *at = strstr(name, part);
    if (!at)
        return NULL;
    snprintf(text, sizeof text, "%.*s%s%s", (int)(at - name), name, other, at + strlen(part));
    return telling(importance_named(m, text));
}

const struct importance_entry *importance_find(const struct importance *m, const char *name)
{
    static const char *const alike[][2] = {{"ffn_gate", "ffn_up"}, {"ffn_up", "ffn_gate"}, {"token_embd.", "output."}};
    const struct importance_entry *e = telling(importance_named(m, name));
    for (size_t i = 0; !e && i < sizeof alike / sizeof *alike; i++)
        e = entry_with(m, name, alike[i][0], alike[i][1]);
    return e;
}

int importance_fits(const struct importance_entry *e, uint64_t n_cols, uint64_t n_mat)
{
    return (e->n_cols == n_cols && e->n_mat == n_mat) || (e->n_mat == 1 && e->n_cols == n_cols * n_mat);
}

/* ---- values ------------------------------------------------------------------------------------------------------------------------ */

uint64_t importance_floats(const struct importance_entry *e) { return e->n_cols * e->n_mat + e->n_cols; }

static void take_mean(const struct importance_entry *e, const float *sum, float *mean)
{
    uint64_t n_seen = 0;
    memset(mean, 0, e->n_cols * sizeof *mean);
    for (uint64_t i = 0; i < e->n_mat; i++) {
        float rows = importance_rows(e, i);
        n_seen += rows > 0;
        for (uint64_t k = 0; rows > 0 && k < e->n_cols; k++)
            mean[k] += sum[i * e->n_cols + k] / rows;
    }
    for (uint64_t k = 0; n_seen && k < e->n_cols; k++)
        mean[k] /= (float)n_seen;
}

static int is_unchanged(const struct importance *m)
{
    struct stat st;
    return fstat(m->fd, &st) == 0 && (uint64_t)st.st_size == m->size && st.st_mtim.tv_sec == m->mtime.tv_sec &&
           st.st_mtim.tv_nsec == m->mtime.tv_nsec;
}

int importance_read(const struct importance *m, const struct importance_entry *e, float *room,
                    struct importance_values *out, struct error *err)
{
    const uint64_t n = e->n_cols * e->n_mat;
    if (read_at(m, room, n * sizeof *room, e->at, err))
        return -1;
    /* All of it: tensors are read in any order, and the kernel drops only such of its larger pieces as lie in the range whole. */
    file_drop_cache(m->fd, 0, m->size);
    if (!is_unchanged(m))
        return error_set(err, ERR_FORMAT, "%s: it has changed while it was read", m->path);
    for (uint64_t i = 0; i < n; i++)
        room[i] *= m->scale;
    take_mean(e, room, room + n);
    *out = (struct importance_values){e, room, room + n, m->prior};
    return 0;
}

void importance_of(const struct importance_values *v, uint64_t n_cols, uint64_t i, float *out)
{
    const struct importance_entry *e = v->entry;
    int in_one = e->n_cols != n_cols; /* matrices one after another */
    const float *sum = v->sum + i * n_cols;
    float own = importance_rows(e, in_one ? 0 : i), prior = in_one ? 0 : v->prior, rows = own + prior;
    for (uint64_t k = 0; k < n_cols; k++)
        out[k] = rows > 0 ? (sum[k] + (in_one ? 0 : prior * v->mean[k])) / rows : 1;
}
