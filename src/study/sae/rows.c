/* The rows that an autoencoder is trained of: found in their file, looked at as a whole, read one by one. See inside.h. */
#include "study/sae/inside.h"

#include "base/error.h"
#include "base/hash.h"
#include "base/rng.h"
#include "format/vector.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HEADER = 4 << 20, METADATA = 64 << 10, STREAM_ORDER = 2 };

/* N of "resid_post.N"; -1: another name. */
static int layer_of(const char *name)
{
    static const char stem[] = "resid_post.";
    const char *digit = name + sizeof stem - 1;
    size_t n = strncmp(name, stem, sizeof stem - 1) == 0 ? strspn(digit, "0123456789") : 0;
    return n >= 1 && n <= 4 && digit[n] == 0 ? atoi(digit) : -1;
}

static int find_tensor(struct training *t)
{
    struct rows *r = &t->rows;
    int n_found = 0;
    for (size_t i = 0; i < r->file.n; i++) {
        const struct safetensors_tensor *x = &r->file.tensor[i];
        int layer = layer_of(x->name);
        if (layer < 0 || (t->o->layer >= 0 && layer != t->o->layer))
            continue;
        n_found++;
        r->tensor = x;
        r->layer = layer;
    }
    if (n_found > 1)
        return error_set(t->err, ERR_INPUT, "%s: it has rows of %d layers: which is meant? --layer N", t->o->in,
                         n_found);
    if (n_found == 0 && t->o->layer >= 0)
        return error_set(t->err, ERR_INPUT, "%s: it has no tensor resid_post.%d", t->o->in, t->o->layer);
    if (n_found == 0)
        return error_set(t->err, ERR_INPUT, "%s: it has no tensor resid_post.N: rows of the end of a layer", t->o->in);
    if (safetensors_type(r->tensor) == TYPE_I32 || r->tensor->n_dim != 2 || r->tensor->shape[1] > VECTOR_WIDTH)
        return error_set(t->err, ERR_FORMAT, "%s: tensor %s is not rows of at most %d floats", t->o->in,
                         r->tensor->name, VECTOR_WIDTH);
    r->n = r->tensor->shape[0];
    r->n_embd = (int)r->tensor->shape[1];
    return 0;
}

/* The model's file in the metadata, as a name; it is only told. */
static void read_model(struct training *t)
{
    struct rows *r = &t->rows;
    uint64_t n = r->file.data_at - 8;
    char *text = n <= METADATA ? malloc((size_t)n) : NULL;
    json_t *root = text && pread(r->fd, text, (size_t)n, 8) == (ssize_t)n ? json_loadb(text, (size_t)n, 0, NULL) : NULL;
    const char *name = json_string_value(json_object_get(json_object_get(root, "__metadata__"), "model"));
    for (size_t i = 0; name && name[i] && i + 1 < sizeof r->model; i++)
        r->model[i] = name[i] >= ' ' && name[i] < 127 ? name[i] : '?';
    char *end = strstr(r->model, ".gguf");
    if (end && !end[5])
        *end = 0;
    json_decref(root);
    free(text);
}

int rows_open(struct training *t)
{
    struct rows *r = &t->rows;
    r->fd = open(t->o->in, O_RDONLY | O_CLOEXEC);
    if (r->fd < 0)
        return error_set(t->err, ERR_INPUT, "%s: cannot be opened: %s", t->o->in, strerror(errno));
    if (safetensors_open(&r->file, r->fd, t->o->in, HEADER, t->err) || find_tensor(t))
        return -1;
    read_model(t);
    return 0;
}

void rows_close(struct rows *r)
{
    safetensors_close(&r->file);
    if (r->fd >= 0)
        close(r->fd);
    r->fd = -1;
}

/* ---- as a whole -------------------------------------------------------------------------------------------------------------- */

static int check_row(const struct training *t, uint64_t i, const float *x)
{
    for (int j = 0; j < t->rows.n_embd; j++)
        if (!isfinite(x[j]))
            return error_set(t->err, ERR_FORMAT, "%s: %s: value %d of row %" PRIu64 " is not finite", t->o->in,
                             t->rows.tensor->name, j, i);
    return 0;
}

static int is_stopped(const struct training *t) { return t->watch->stop && *t->watch->stop; }

/* Calls use with each row, in order, as f32. */
static int for_each(struct training *t, int pass, void (*use)(struct training *t, const float *x))
{
    struct rows *r = &t->rows;
    const struct block_info *type = type_info(safetensors_type(r->tensor));
    uint64_t row_bytes = (uint64_t)r->n_embd * (uint64_t)type->bytes, most = IO / row_bytes;
    uint8_t *raw = most ? t->io : t->lane[0].raw;
    struct hash_stream *hash = pass == 0 ? hash_begin() : NULL;
    int failed = pass == 0 && !hash ? error_set(t->err, ERR_MEMORY, "no memory for a hash of rows") : 0;
    most = most ? most : 1;
    for (uint64_t i = 0; i < r->n && !failed; i += most) {
        uint64_t n = r->n - i < most ? r->n - i : most;
        failed = safetensors_read(&r->file, r->tensor, i * (uint64_t)r->n_embd, n * (uint64_t)r->n_embd, raw, t->err);
        if (!failed && hash)
            hash_add(hash, raw, (size_t)(n * row_bytes));
        for (uint64_t m = 0; m < n && !failed; m++) {
            type->decode(t->lane[0].x, raw + m * row_bytes, (size_t)r->n_embd);
            failed = pass == 0 ? check_row(t, i + m, t->lane[0].x) : 0;
            if (!failed)
                use(t, t->lane[0].x);
        }
        if (!failed && is_stopped(t))
            failed = error_set(t->err, ERR_CANCELLED, "interrupted before the first batch");
        if (t->watch->progress)
            t->watch->progress(
                t->watch->arg,
                &(struct train_step){.what = "reading", .done = (uint64_t)pass * r->n + i + n, .total = 2 * r->n});
    }
    if (hash)
        r->hash = hash_end(hash);
    return failed ? -1 : 0;
}

static void add_row(struct training *t, const float *x)
{
    for (int j = 0; j < t->rows.n_embd; j++)
        t->rows.mean[j] += (double)x[j];
}

/* scale collects norms, and spread squares, until they are divided. */
static void add_norm(struct training *t, const float *x)
{
    double square = 0;
    for (int j = 0; j < t->rows.n_embd; j++) {
        double d = (double)x[j] - t->rows.mean[j];
        square += d * d;
    }
    t->rows.scale += sqrt(square);
    t->rows.spread += square;
}

int rows_look(struct training *t)
{
    struct rows *r = &t->rows;
    if (for_each(t, 0, add_row))
        return -1;
    for (int j = 0; j < r->n_embd; j++)
        r->mean[j] /= (double)r->n;
    if (for_each(t, 1, add_norm))
        return -1;
    if (!(r->scale > 0) || !isfinite(r->spread))
        return error_set(t->err, ERR_INPUT, "%s: %s: its rows %s", t->o->in, r->tensor->name,
                         r->scale > 0 ? "are too large" : "are all the same: there is nothing to learn");
    r->scale = sqrt((double)r->n_embd) / (r->scale / (double)r->n);
    r->spread = r->scale * r->scale * (r->spread / (double)r->n);
    return 0;
}

/* ---- one by one -------------------------------------------------------------------------------------------------------------- */

int rows_read(const struct training *t, struct lane *lane, uint64_t i, float *y)
{
    const struct rows *r = &t->rows;
    uint64_t n = (uint64_t)r->n_embd;
    if (safetensors_read(&r->file, r->tensor, i * n, n, lane->raw, &lane->err))
        return -1;
    type_info(safetensors_type(r->tensor))->decode(lane->x, lane->raw, (size_t)n);
    for (uint64_t j = 0; j < n; j++)
        y[j] = (float)(r->scale * (double)lane->x[j]);
    return 0;
}

void rows_ahead(const struct training *t, uint64_t i, uint64_t n)
{
    const struct rows *r = &t->rows;
    uint64_t each = (uint64_t)r->n_embd * (uint64_t)type_info(safetensors_type(r->tensor))->bytes;
    posix_fadvise(r->fd, (off_t)(r->file.data_at + r->tensor->offset + i * each), (off_t)(n * each),
                  POSIX_FADV_WILLNEED);
}

/* ---- the order of an epoch ---------------------------------------------------------------------------------------------------- */

static int is_above(const struct order *a, const struct order *b)
{
    return a->key > b->key || (a->key == b->key && a->row > b->row);
}

static void sink(struct order *heap, uint64_t n, uint64_t i)
{
    for (;;) {
        uint64_t top = i, left = 2 * i + 1;
        for (uint64_t c = left; c < n && c <= left + 1; c++)
            if (is_above(&heap[c], &heap[top]))
                top = c;
        if (top == i)
            return;
        struct order x = heap[i];
        heap[i] = heap[top];
        heap[top] = x;
        i = top;
    }
}

/* By a heap: qsort() would take memory that no plan has. */
void rows_order(struct training *t, uint64_t epoch)
{
    struct order *a = t->order;
    uint64_t n = t->rows.n;
    if (t->epoch == epoch)
        return;
    for (uint64_t i = 0; i < n; i++)
        a[i] = (struct order){rng_u64(t->o->seed, i, STREAM_ORDER, (uint32_t)epoch), i};
    for (uint64_t i = n / 2; i-- > 0;)
        sink(a, n, i);
    for (uint64_t m = n; m-- > 1;) {
        struct order x = a[0];
        a[0] = a[m];
        a[m] = x;
        sink(a, m, 0);
    }
    t->epoch = epoch;
}
