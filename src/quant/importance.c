/* See importance.h. A file is in memory as a whole, with what its entries point to; of a GGUF form the parser has the description. */
#include "quant/importance.h"

#include "base/checked.h"
#include "base/error.h"
#include "base/file.h"
#include "format/gguf.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const size_t MOST_BYTES = (size_t)4 << 30;
enum { OLD_CHUNK = 512, MOST_NAME = 4096, MOST_DATASETS = 256 };

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct importance_entry *)a)->name, ((const struct importance_entry *)b)->name);
}

static int check_values(const char *path, const struct importance_entry *e, struct error *err)
{
    for (uint64_t i = 0; i < e->n_cols * e->n_mat; i++)
        if (!(e->sum[i] >= 0 && e->sum[i] < INFINITY))
            return error_set(err, ERR_FORMAT, "%s: %s has %g in column %" PRIu64 " of matrix %" PRIu64, path, e->name,
                             (double)e->sum[i], i % e->n_cols, i / e->n_cols);
    for (uint64_t i = 0; i < e->n_counts; i++)
        if (!(e->count[i] >= 0 && e->count[i] < INFINITY))
            return error_set(err, ERR_FORMAT, "%s: %s has %g rows in matrix %" PRIu64, path, e->name,
                             (double)e->count[i], i);
    return 0;
}

float importance_rows(const struct importance_entry *e, uint64_t i) { return e->count[e->n_counts > 1 ? i : 0]; }

static int take_mean(struct importance *m, struct importance_entry *e)
{
    uint64_t n_seen = 0;
    e->mean = arena_array(&m->arena, e->n_cols, sizeof *e->mean);
    if (!e->mean)
        return -1;
    memset(e->mean, 0, e->n_cols * sizeof *e->mean);
    for (uint64_t i = 0; i < e->n_mat; i++) {
        float rows = importance_rows(e, i);
        n_seen += rows > 0;
        for (uint64_t k = 0; rows > 0 && k < e->n_cols; k++)
            e->mean[k] += e->sum[i * e->n_cols + k] / rows;
    }
    for (uint64_t k = 0; n_seen && k < e->n_cols; k++)
        e->mean[k] /= (float)n_seen;
    return 0;
}

static int finish(struct importance *m, const char *path, struct error *err)
{
    qsort(m->entry, m->n_entry, sizeof *m->entry, by_name);
    for (uint64_t i = 0; i < m->n_entry; i++) {
        if (i && strcmp(m->entry[i - 1].name, m->entry[i].name) == 0)
            return error_set(err, ERR_FORMAT, "%s: %s is there twice", path, m->entry[i].name);
        if (check_values(path, &m->entry[i], err))
            return -1;
        if (take_mean(m, &m->entry[i]))
            return error_set(err, ERR_MEMORY, "%s: no memory for its entries", path);
    }
    return m->n_entry ? 0 : error_set(err, ERR_FORMAT, "%s: no importance is in it", path);
}

static int note_dataset(struct importance *m, const char *path, const char *text, size_t n, struct error *err)
{
    if (m->n_datasets == MOST_DATASETS)
        return 0;
    if (!m->datasets)
        m->datasets = arena_array(&m->arena, MOST_DATASETS, sizeof(const char *));
    const char *copy = arena_copy(&m->arena, text, n);
    if (!m->datasets || !copy)
        return error_set(err, ERR_MEMORY, "%s: no memory for its entries", path);
    m->datasets[m->n_datasets++] = copy;
    m->dataset = m->datasets[0];
    return 0;
}

/* ---- GGUF -------------------------------------------------------------------------------------------------------------------------- */

static const struct gguf_tensor *tensor_of(const struct gguf *g, const char *name, size_t n, const char *end)
{
    for (uint64_t i = 0; i < g->n_tensor; i++)
        if (strncmp(g->tensor[i].name, name, n) == 0 && strcmp(g->tensor[i].name + n, end) == 0)
            return &g->tensor[i];
    return NULL;
}

static const float *values_of(struct importance *m, const uint8_t *bytes, const struct gguf_tensor *t)
{
    float *v = arena_alloc(&m->arena, t->n_bytes);
    if (v)
        memcpy(v, bytes + t->offset, t->n_bytes);
    return v;
}

static uint64_t n_values(const struct gguf_tensor *t) { return t->ne[0] * t->ne[1] * t->ne[2] * t->ne[3]; }

static int read_pair(struct importance *m, const char *path, const struct gguf *g, const uint8_t *bytes,
                     const struct gguf_tensor *sum, size_t n_name, struct error *err)
{
    struct importance_entry *e = &m->entry[m->n_entry];
    const struct gguf_tensor *count = tensor_of(g, sum->name, n_name, ".counts");
    if (!count)
        return error_set(err, ERR_FORMAT, "%s: %s has no counts", path, sum->name);
    if (sum->type != TYPE_F32 || count->type != TYPE_F32)
        return error_set(err, ERR_FORMAT, "%s: %s and its counts are to be f32", path, sum->name);
    *e = (struct importance_entry){.n_cols = sum->ne[0], .n_mat = sum->ne[1] * sum->ne[2] * sum->ne[3]};
    e->n_counts = n_values(count);
    if (e->n_counts != 1 && e->n_counts != e->n_mat && e->n_mat != 1)
        return error_set(err, ERR_FORMAT, "%s: %s has %" PRIu64 " matrices, and counts of %" PRIu64, path, sum->name,
                         e->n_mat, e->n_counts);
    if (e->n_mat == 1 && e->n_counts > 1) { /* heads one after another, each with a count */
        if (e->n_cols % e->n_counts)
            return error_set(err, ERR_FORMAT, "%s: %s has %" PRIu64 " columns, and counts of %" PRIu64 " heads", path,
                             sum->name, e->n_cols, e->n_counts);
        e->n_mat = e->n_counts;
        e->n_cols /= e->n_counts;
    }
    e->name = arena_copy(&m->arena, sum->name, n_name);
    e->sum = values_of(m, bytes, sum);
    e->count = values_of(m, bytes, count);
    m->n_entry++;
    return e->name && e->sum && e->count ? 0 : error_set(err, ERR_MEMORY, "%s: no memory for its entries", path);
}

static int read_gguf(struct importance *m, const char *path, const uint8_t *bytes, size_t n, struct error *err)
{
    static const char end[] = ".in_sum2";
    struct gguf *g;
    if (gguf_open(&g, path, err))
        return -1;
    const struct gguf_value *type = gguf_find(g, "general.type"), *chunks = gguf_find(g, "imatrix.chunk_count"),
                            *texts = gguf_find(g, "imatrix.datasets");
    int status = 0;
    if (type && (type->kind != GGUF_STRING || strcmp(type->as.string.text, "imatrix") != 0))
        status = error_set(err, ERR_INPUT, "%s: it is no file of importance: its general.type is another", path);
    else if (g->n_file != 1 || g->file[0].size != n)
        status = error_set(err, ERR_IO, "%s: it has changed while it was read", path);
    m->n_chunks = chunks && chunks->kind < GGUF_F32 ? chunks->as.u : 0;
    if (texts && texts->kind == GGUF_ARRAY && texts->item == GGUF_STRING)
        for (uint64_t i = 0; i < texts->n && status == 0; i++)
            status = note_dataset(m, path, texts->as.strings[i].text, strlen(texts->as.strings[i].text), err);
    m->entry = arena_array(&m->arena, g->n_tensor + 1, sizeof *m->entry);
    if (!status && !m->entry)
        status = error_set(err, ERR_MEMORY, "%s: no memory for its entries", path);
    for (uint64_t i = 0; status == 0 && i < g->n_tensor; i++) {
        size_t length = strlen(g->tensor[i].name), n_end = sizeof end - 1;
        if (length > n_end && strcmp(g->tensor[i].name + length - n_end, end) == 0)
            status = read_pair(m, path, g, bytes, &g->tensor[i], length - n_end, err);
    }
    gguf_close(g);
    return status;
}

/* ---- .dat -------------------------------------------------------------------------------------------------------------------------- */

struct bytes {
    const uint8_t *p;
    size_t left;
};

/* The next whole number; -1: there is none, or it is negative. */
static int32_t take(struct bytes *b)
{
    int32_t v;
    if (b->left < sizeof v)
        return -1;
    memcpy(&v, b->p, sizeof v);
    b->p += sizeof v;
    b->left -= sizeof v;
    return v;
}

static int read_old_entry(struct importance *m, const char *path, struct bytes *b, int chunk, struct error *err)
{
    struct importance_entry *e = &m->entry[m->n_entry];
    int32_t length = take(b);
    if (length < 1 || length > MOST_NAME || (size_t)length > b->left)
        return error_set(err, ERR_FORMAT,
                         "%s: no GGUF file, and as one of the older form it is damaged at entry %" PRIu64, path,
                         m->n_entry + 1);
    e->name = arena_copy(&m->arena, (const char *)b->p, (size_t)length);
    b->p += length;
    b->left -= (size_t)length;
    int32_t calls = take(b), n = take(b);
    if (calls < 0 || n < 1 || (size_t)n > b->left / sizeof(float))
        return error_set(err, ERR_FORMAT, "%s: it ends within entry %" PRIu64, path, m->n_entry + 1);
    float *sum = arena_array(&m->arena, (size_t)n, sizeof *sum), *count = arena_array(&m->arena, 1, sizeof *count);
    if (!e->name || !sum || !count)
        return error_set(err, ERR_MEMORY, "%s: no memory for its entries", path);
    memcpy(sum, b->p, (size_t)n * sizeof *sum);
    for (int32_t i = 0; i < n; i++)
        sum[i] *= (float)chunk;
    *count = (float)calls * (float)chunk;
    b->p += (size_t)n * sizeof *sum;
    b->left -= (size_t)n * sizeof *sum;
    *e = (struct importance_entry){.name = e->name, .n_cols = (uint64_t)n, .n_mat = 1, .n_counts = 1};
    e->sum = sum;
    e->count = count;
    m->n_entry++;
    return 0;
}

static int read_old(struct importance *m, const char *path, const uint8_t *p, size_t n, int chunk, struct error *err)
{
    struct bytes b = {p, n};
    int32_t entries = take(&b);
    if (entries < 1 || (size_t)entries > n / 16)
        return error_set(err, ERR_FORMAT, "%s: neither a GGUF file nor one of importance in the older form", path);
    m->entry = arena_array(&m->arena, (size_t)entries, sizeof *m->entry);
    if (!m->entry)
        return error_set(err, ERR_MEMORY, "%s: no memory for its entries", path);
    for (int32_t i = 0; i < entries; i++)
        if (read_old_entry(m, path, &b, chunk, err))
            return -1;
    int32_t chunks = take(&b), length = take(&b);
    m->n_chunks = chunks > 0 ? (uint64_t)chunks : 0;
    if (length > 0 && (size_t)length <= b.left)
        return note_dataset(m, path, (const char *)b.p, (size_t)length, err);
    return 0;
}

/* ---- all of it --------------------------------------------------------------------------------------------------------------------- */

static void note_hash(struct importance *m, const char *bytes, size_t n)
{
    uint8_t hash[SHA256_BYTES];
    sha256(bytes, n, hash);
    for (int i = 0; i < SHA256_BYTES; i++)
        snprintf(m->sha256 + 2 * i, 3, "%02x", hash[i]);
}

int importance_open(struct importance **out, const char *path, struct error *err)
{
    return importance_open_of(out, path, OLD_CHUNK, err);
}

int importance_open_of(struct importance **out, const char *path, int chunk, struct error *err)
{
    size_t n;
    *out = NULL;
    char *bytes = file_read_regular(path, MOST_BYTES, &n, err);
    struct importance *m = bytes ? calloc(1, sizeof *m) : NULL;
    if (!m) {
        free(bytes);
        return err->code ? -1 : error_set(err, ERR_MEMORY, "%s: no memory to read it", path);
    }
    arena_init_growing(&m->arena);
    m->dataset = "";
    m->prior = 1;
    note_hash(m, bytes, n);
    int is_gguf = n >= 4 && memcmp(bytes, "GGUF", 4) == 0;
    int status = is_gguf ? read_gguf(m, path, (uint8_t *)bytes, n, err)
                         : read_old(m, path, (uint8_t *)bytes, n, chunk, err);
    free(bytes);
    if (!status)
        status = finish(m, path, err);
    if (status) {
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
    arena_free(&m->arena);
    free(m);
}

static const struct importance_entry *entry_of(const struct importance *m, const char *name)
{
    struct importance_entry key = {.name = name};
    return bsearch(&key, m->entry, m->n_entry, sizeof *m->entry, by_name);
}

/* The entry of the name with a part of it replaced. */
static const struct importance_entry *entry_with(const struct importance *m, const char *name, const char *part,
                                                 const char *other)
{
    char text[MOST_NAME];
    const char *at = strstr(name, part);
    if (!at)
        return NULL;
    snprintf(text, sizeof text, "%.*s%s%s", (int)(at - name), name, other, at + strlen(part));
    return entry_of(m, text);
}

const struct importance_entry *importance_find(const struct importance *m, const char *name)
{
    static const char *const alike[][2] = {{"ffn_gate", "ffn_up"}, {"ffn_up", "ffn_gate"}, {"token_embd.", "output."}};
    const struct importance_entry *e = entry_of(m, name);
    for (size_t i = 0; !e && i < sizeof alike / sizeof *alike; i++)
        e = entry_with(m, name, alike[i][0], alike[i][1]);
    return e;
}

int importance_fits(const struct importance_entry *e, uint64_t n_cols, uint64_t n_mat)
{
    return (e->n_cols == n_cols && e->n_mat == n_mat) || (e->n_mat == 1 && e->n_cols == n_cols * n_mat);
}

void importance_of(const struct importance *m, const struct importance_entry *e, uint64_t n_cols, uint64_t i,
                   float *out)
{
    int in_one = e->n_cols != n_cols; /* matrices one after another */
    const float *sum = e->sum + i * n_cols;
    float own = importance_rows(e, in_one ? 0 : i), prior = in_one ? 0 : m->prior, rows = own + prior;
    for (uint64_t k = 0; k < n_cols; k++)
        out[k] = rows > 0 ? (sum[k] + (in_one ? 0 : prior * e->mean[k])) / rows : 1;
}
