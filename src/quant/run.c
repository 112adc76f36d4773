/* A run: slabs of whole rows go from the source through the encoder to the output, in the order of the file.
 *
 *     reader thread       leader and pool           writer thread
 *     pread         ->    decode, check, encode ->  write, checkpoint       three slabs, which go round
 *
 * A slab of a tensor that keeps its type holds bytes, and passes the leader by. Rows know nothing of each other and slabs are written in
 * order, so neither threads nor memory change a byte. Whoever fails says so once; what was encoded before that is still written, so that it
 * can be resumed. The counters of struct run are guarded by its lock; a slab belongs to one of the three at a time. */
#include "quant/encode.h"
#include "quant/importance.h"
#include "quant/inside.h"
#include "quant/output.h"

#include "base/checked.h"
#include "base/file.h"
#include "base/log.h"
#include "base/pool.h"
#include "base/thread.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SLABS = QUANT_SLABS_IN_FLIGHT };
static const uint64_t CHECKPOINT = 16 << 20; /* bytes of output between two: at most so much is done twice */

struct slab {
    uint64_t tensor, unit, n; /* units: rows, or bytes where they are copied */
    uint64_t in_bytes, out_bytes;
    uint8_t *in, *out;
};

struct bad_value { /* the first of a slab that cannot be encoded, as one thread found it */
    uint64_t row;
    int64_t column;
    float value;
};

struct run {
    const struct quant_job *j;
    struct quant_watch *watch;
    struct output output;
    struct arena memory;
    struct slab slab[SLABS];
    float *row[POOL_MAX_THREADS];
    float *weights[POOL_MAX_THREADS];
    void *scratch[POOL_MAX_THREADS];
    float *importance;                /* memory of the tensor's at hand, of which */
    struct importance_values columns; /* the entry is NULL before the first */
    struct bad_value bad[POOL_MAX_THREADS];
    uint64_t lost[POOL_MAX_THREADS];        /* values of a slab that became 0 */
    uint64_t n_lost, first_lost;            /* of all slabs, and the tensor of the first */
    int is_flat[POOL_MAX_THREADS];          /* a row of a slab has importance whose mean is 0 or not finite */
    uint64_t n_flat, first_flat, last_flat; /* tensors with such rows, the first and the last */
    struct pool *pool;
    pthread_t reader, writer;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint64_t n_read, n_encoded, n_written; /* slabs */
    int read_over, encode_over;            /* no more will come */
    int stop;
    struct error err; /* of whoever failed first */
};

/* ---- the three ------------------------------------------------------------------------------------------------------------------- */

static uint64_t in_unit(const struct quant_job *j, uint64_t t)
{
    const struct gguf_tensor *from = &j->in->tensor[t];
    return quant_is_copied(j, t) ? 1 : type_row_bytes(type_info(from->type), from->ne[0]);
}

/* The slab that begins at a unit of a tensor. */
static void describe(const struct quant_job *j, struct slab *s, uint64_t t, uint64_t unit)
{
    uint64_t left = quant_units(j, t) - unit;
    uint64_t most = quant_is_copied(j, t) ? j->plan.in_bytes : j->plan.slab_weights / j->in->tensor[t].ne[0];
    most = most ? most : 1;
    s->tensor = t;
    s->unit = unit;
    s->n = left < most ? left : most;
    s->in_bytes = s->n * in_unit(j, t);
    s->out_bytes = s->n * quant_out_unit(j, t);
}

/* Records a failure, and wakes everybody. */
static void end_with(struct run *r, const struct error *err, int stop)
{
    pthread_mutex_lock(&r->lock);
    if (r->err.code == ERR_NONE)
        r->err = *err;
    r->stop |= stop;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
}

/* Adds one to a counter, or says that no more comes. */
static void tell(struct run *r, uint64_t *counter, int *over)
{
    pthread_mutex_lock(&r->lock);
    if (counter)
        ++*counter;
    if (over)
        *over = 1;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
}

/* 1: slab k is there; 0: it will not come. */
static int wait_for(struct run *r, const uint64_t *counter, const int *over, uint64_t k)
{
    pthread_mutex_lock(&r->lock);
    while (*counter <= k && !*over && !r->stop)
        pthread_cond_wait(&r->changed, &r->lock);
    int is_there = *counter > k && !r->stop;
    pthread_mutex_unlock(&r->lock);
    return is_there;
}

/* 1: slab k can be filled. */
static int wait_for_empty(struct run *r, uint64_t k)
{
    pthread_mutex_lock(&r->lock);
    while (k >= r->n_written + SLABS && !r->stop && !r->encode_over)
        pthread_cond_wait(&r->changed, &r->lock);
    int is_empty = !r->stop && !r->encode_over;
    pthread_mutex_unlock(&r->lock);
    return is_empty;
}

/* ---- reading --------------------------------------------------------------------------------------------------------------------- */

static int read_slab(const struct quant_job *j, struct slab *s, struct error *err)
{
    const struct gguf_tensor *t = &j->in->tensor[s->tensor];
    const struct gguf_file *f = &j->in->file[t->file];
    uint64_t at = t->offset + s->unit * in_unit(j, s->tensor);
    const char *why;
    if (file_read_at(f->fd, s->in, s->in_bytes, at, &why))
        return error_set(err, ERR_IO, "%s: reading %s at byte %" PRIu64 " failed: %s", f->path, t->name, at, why);
    /* From the beginning: the kernel keeps a file in pieces of up to some MiB, and drops those alone that lie in the range whole. */
    file_drop_cache(f->fd, 0, at + s->in_bytes);
    return 0;
}

static void *reader(void *arg)
{
    struct run *r = arg;
    struct error err = {0};
    uint64_t t = r->output.tensor, unit = r->output.unit, k = 0;
    while (t < r->j->in->n_tensor && !(r->watch->stop && *r->watch->stop) && wait_for_empty(r, k)) {
        struct slab *s = &r->slab[k % SLABS];
        describe(r->j, s, t, unit);
        if (read_slab(r->j, s, &err)) {
            end_with(r, &err, 0);
            break;
        }
        unit += s->n;
        if (unit == quant_units(r->j, t)) {
            t++;
            unit = 0;
        }
        tell(r, &r->n_read, NULL);
        k++;
    }
    tell(r, NULL, &r->read_over);
    return NULL;
}

/* ---- encoding -------------------------------------------------------------------------------------------------------------------- */

struct encoding {
    struct run *r;
    struct slab *s;
};

/* What the columns of a slab's tensor weigh is read when its work begins. */
static int take_importance(struct run *r, const struct slab *s, struct error *err)
{
    const struct importance_entry *e = r->j->tensor[s->tensor].importance;
    if (!e || e == r->columns.entry)
        return 0;
    return importance_read(r->j->importance, e, r->importance, &r->columns, err);
}

/* The weights of row i of a slab, which a matrix's rows have in common. NULL: all weigh the same. */
static const float *weights_of(struct run *r, const struct slab *s, int i, int is_first, int thread)
{
    const struct gguf_tensor *from = &r->j->in->tensor[s->tensor];
    uint64_t row = s->unit + (uint64_t)i;
    if (!r->j->tensor[s->tensor].importance)
        return NULL;
    if (is_first || row % from->ne[1] == 0) {
        importance_of(&r->columns, from->ne[0], row / from->ne[1], r->weights[thread]);
        r->is_flat[thread] |= quant_weights(r->weights[thread], (int64_t)from->ne[0], r->weights[thread]) != 0;
    }
    return r->weights[thread];
}

static void encode_share(void *arg, int thread, int n_threads)
{
    struct encoding *e = arg;
    const struct quant_job *j = e->r->j;
    const struct gguf_tensor *from = &j->in->tensor[e->s->tensor];
    enum block_type type = j->tensor[e->s->tensor].type;
    const struct quant_encoding how = {type, j->options->effort, !j->options->no_gain, TIER_COUNT};
    uint64_t in = in_unit(j, e->s->tensor), out = quant_out_unit(j, e->s->tensor);
    struct bad_value *bad = &e->r->bad[thread];
    float *row = e->r->row[thread];
    int first, end;
    bad->column = -1;
    e->r->lost[thread] = 0;
    e->r->is_flat[thread] = 0;
    pool_share((int)e->s->n, 1, thread, n_threads, &first, &end);
    for (int i = first; i < end; i++) {
        type_info(from->type)->decode(row, e->s->in + (uint64_t)i * in, from->ne[0]);
        int64_t column = quant_find_bad(type, row, (int64_t)from->ne[0]);
        if (column >= 0) {
            *bad = (struct bad_value){e->s->unit + (uint64_t)i, column, row[column]};
            return;
        }
        e->r->lost[thread] += quant_count_lost(type, row, (int64_t)from->ne[0]);
        const float *w = weights_of(e->r, e->s, i, i == first, thread);
        quant_encode(&how, row, w, (int64_t)from->ne[0], e->s->out + (uint64_t)i * out, e->r->scratch[thread]);
    }
}

/* Shares ascend, so the first thread that found something found the first. */
static int check_values(struct run *r, const struct slab *s, struct error *err)
{
    const struct gguf_tensor *t = &r->j->in->tensor[s->tensor];
    const char *type = type_info(r->j->tensor[s->tensor].type)->name;
    for (int i = 0; i < pool_threads(r->pool); i++) {
        const struct bad_value *b = &r->bad[i];
        if (b->column < 0)
            continue;
        if (isfinite(b->value))
            return error_set(err, ERR_FORMAT,
                             "%s: %s has %g in row %" PRIu64 ", column %" PRId64 ", more than %s holds; %s",
                             r->j->in->file[t->file].path, t->name, (double)b->value, b->row, b->column, type,
                             r->j->tensor[s->tensor].type == TYPE_BF16 ? "f32 does" : "bf16 or f32 do");
        return error_set(err, ERR_FORMAT, "%s: %s has %s in row %" PRIu64 ", column %" PRId64 ": the file is damaged",
                         r->j->in->file[t->file].path, t->name, isnan(b->value) ? "NaN" : "Inf", b->row, b->column);
    }
    return 0;
}

static void add_lost(struct run *r, const struct slab *s)
{
    for (int i = 0; i < pool_threads(r->pool); i++) {
        if (r->n_lost == 0)
            r->first_lost = s->tensor;
        r->n_lost += r->lost[i];
    }
}

/* An earlier run, which this one goes on with, has counted its own. */
static void tell_lost(const struct run *r)
{
    if (r->n_lost)
        log_line(LOG_WARN,
                 "%s: values too small for f16 became 0, %s has the first of %" PRIu64 "%s; bf16 and f32 hold them",
                 r->j->options->in, r->j->in->tensor[r->first_lost].name, r->n_lost,
                 r->watch->resumed ? " since the run was resumed" : "");
}

static void add_flat(struct run *r, const struct slab *s)
{
    int is_flat = 0;
    for (int i = 0; i < pool_threads(r->pool); i++)
        is_flat |= r->is_flat[i];
    if (!is_flat || (r->n_flat && r->last_flat == s->tensor))
        return;
    if (r->n_flat++ == 0)
        r->first_flat = s->tensor;
    r->last_flat = s->tensor;
}

static void tell_flat(const struct run *r)
{
    if (r->n_flat)
        log_line(LOG_WARN,
                 "%s: the importance of %" PRIu64
                 " tensor%s, %s first, has a mean of 0 or one that is not finite: their "
                 "columns all weigh the same there; collect it over a longer text",
                 r->j->importance->path, r->n_flat, r->n_flat == 1 ? "" : "s", r->j->in->tensor[r->first_flat].name);
}

static void encode_all(struct run *r)
{
    struct error err = {0};
    for (uint64_t k = 0; wait_for(r, &r->n_read, &r->read_over, k); k++) {
        struct slab *s = &r->slab[k % SLABS];
        struct encoding e = {r, s};
        if (!quant_is_copied(r->j, s->tensor)) {
            int failed = take_importance(r, s, &err);
            if (!failed)
                pool_run(r->pool, encode_share, &e);
            if (failed || check_values(r, s, &err)) {
                end_with(r, &err, 0);
                break;
            }
            add_lost(r, s);
            add_flat(r, s);
        }
        tell(r, &r->n_encoded, NULL);
    }
    tell(r, NULL, &r->encode_over);
}

/* ---- writing --------------------------------------------------------------------------------------------------------------------- */

/* A file that is written while we read it is neither the one nor the other. */
static int check_source(const struct quant_job *j, int i, struct error *err)
{
    const struct gguf_file *f = &j->in->file[i];
    struct stat st;
    if (fstat(f->fd, &st) == 0 && (uint64_t)st.st_size == f->size && st.st_mtim.tv_sec == f->mtime.tv_sec &&
        st.st_mtim.tv_nsec == f->mtime.tv_nsec)
        return 0;
    return error_set(err, ERR_FORMAT, "%s: it has changed while it was read; when it is still, --force begins anew",
                     f->path);
}

static int write_slab(struct run *r, const struct slab *s, struct error *err)
{
    const struct quant_job *j = r->j;
    const struct quant_tensor *t = &j->tensor[s->tensor];
    struct output *o = &r->output;
    uint64_t at = j->part[t->part].header + t->offset + s->unit * quant_out_unit(j, s->tensor);
    if (output_put(o, t->part, at, quant_is_copied(j, s->tensor) ? s->in : s->out, s->out_bytes, err))
        return -1;
    if (r->watch->progress)
        r->watch->progress(r->watch->arg, o->done, j->n_bytes);
    int is_last = s->unit + s->n == quant_units(j, s->tensor);
    o->tensor = s->tensor + (uint64_t)is_last;
    o->unit = is_last ? 0 : s->unit + s->n;
    if (o->at - o->from < CHECKPOINT)
        return 0;
    return check_source(j, j->in->tensor[s->tensor].file, err) || output_checkpoint(o, o->tensor, o->unit, err) ? -1
                                                                                                                : 0;
}

static void *writer(void *arg)
{
    struct run *r = arg;
    struct error err = {0};
    for (uint64_t k = 0; wait_for(r, &r->n_encoded, &r->encode_over, k); k++) {
        if (write_slab(r, &r->slab[k % SLABS], &err)) {
            end_with(r, &err, 1);
            break;
        }
        tell(r, &r->n_written, NULL);
    }
    return NULL;
}

/* ---- hashing ---------------------------------------------------------------------------------------------------------------------- */

/* The SHA-256 of a file of the source, by the memory of a slab. */
static int hash_file(struct run *r, int i, uint64_t *done, uint64_t all, struct error *err)
{
    const struct gguf_file *f = &r->j->in->file[i];
    uint8_t digest[SHA256_BYTES];
    struct sha256 hash;
    const char *why;
    sha256_begin(&hash);
    for (uint64_t at = 0; at < f->size;) {
        uint64_t n = f->size - at < r->j->plan.in_bytes ? f->size - at : r->j->plan.in_bytes;
        if (r->watch->stop && *r->watch->stop)
            return error_set(err, ERR_CANCELLED, "%s: stopped while it was hashed", f->path);
        if (file_read_at(f->fd, r->slab[0].in, n, at, &why))
            return error_set(err, ERR_IO, "%s: reading at byte %" PRIu64 " failed: %s", f->path, at, why);
        sha256_add(&hash, r->slab[0].in, n);
        at += n;
        *done += n;
        file_drop_cache(f->fd, 0, at);
        if (r->watch->hashed)
            r->watch->hashed(r->watch->arg, *done, all);
    }
    sha256_end(&hash, digest);
    for (int k = 0; k < SHA256_BYTES; k++)
        snprintf(r->j->source_sha256[i] + 2 * k, 3, "%02x", digest[k]);
    return 0;
}

/* Before anything is written: the output's header says it. So what is resumed is of the same source to the byte. It takes long, and what is
 * in the way of the output is told before. */
static int hash_sources(struct run *r, struct error *err)
{
    uint64_t done = 0, all = 0;
    if (!r->j->source_sha256)
        return 0;
    if (output_check(r->j, err))
        return -1;
    for (int i = 0; i < r->j->in->n_file; i++)
        all += r->j->in->file[i].size;
    for (int i = 0; i < r->j->in->n_file; i++)
        if (hash_file(r, i, &done, all, err))
            return -1;
    return 0;
}

/* ---- all of it ------------------------------------------------------------------------------------------------------------------- */

static int take_memory(struct run *r, struct error *err)
{
    const struct quant_plan *p = &r->j->plan;
    uint64_t in = round_up(p->in_bytes, 64), out = round_up(p->out_bytes, 64), row = round_up(p->row_bytes, 64);
    uint64_t scratch = row ? round_up(quant_scratch_bytes(), 64) : 0, importance = round_up(p->importance_bytes, 64);
    uint64_t all = SLABS * (in + out) + (uint64_t)p->n_threads * (2 * row + scratch) + importance;
    if (arena_map(&r->memory, (size_t)all, err))
        return -1;
    r->importance = arena_alloc(&r->memory, (size_t)importance);
    for (int i = 0; i < SLABS; i++) {
        r->slab[i].in = arena_alloc(&r->memory, (size_t)in);
        r->slab[i].out = arena_alloc(&r->memory, (size_t)out);
    }
    for (int i = 0; i < p->n_threads; i++) {
        r->row[i] = arena_alloc(&r->memory, (size_t)row);
        r->weights[i] = arena_alloc(&r->memory, (size_t)row);
        r->scratch[i] = arena_alloc(&r->memory, (size_t)scratch);
    }
    return 0;
}

static int run_threads(struct run *r, struct error *err)
{
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, POOL_STACK);
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->changed, NULL);
    int no_reader = thread_create(&r->reader, &attr, reader, r);
    int no_writer = no_reader ? no_reader : thread_create(&r->writer, &attr, writer, r);
    if (no_writer) {
        struct error e = {0};
        error_set(&e, ERR_MEMORY, "a thread could not be started: %s", strerror(no_writer));
        end_with(r, &e, 1);
    } else {
        encode_all(r);
        pthread_join(r->writer, NULL);
    }
    if (!no_reader)
        pthread_join(r->reader, NULL);
    pthread_attr_destroy(&attr);
    pthread_mutex_destroy(&r->lock);
    pthread_cond_destroy(&r->changed);
    return r->err.code == ERR_NONE ? 0 : error_set(err, r->err.code, "%s", r->err.text);
}

/* What was written is noted, so that the next run begins there. */
static int keep(struct run *r, struct error *err)
{
    struct error ignored = {0};
    struct output *o = &r->output;
    for (int i = 0; i < r->j->in->n_file; i++)
        if (check_source(r->j, i, &ignored))
            return -1;
    return output_checkpoint(o, o->tensor, o->unit, err);
}

static int end_output(struct run *r, struct error *err)
{
    for (int i = 0; i < r->j->in->n_file; i++)
        if (check_source(r->j, i, err))
            return -1;
    return output_finish(&r->output, err);
}

/* What --dry-run shows and a run cannot do. */
static int check_job(const struct quant_job *j, struct error *err)
{
    const struct quant_options *o = j->options;
    if (o->header_only)
        return error_set(err, ERR_INPUT, "%s: of a beginning only --dry-run shows what would become", o->in);
    if (j->n_needs_importance && !o->no_imatrix_ok)
        return quant_refuse_needs(j, err);
    return 0;
}

int quant_run(struct quant_job *j, struct quant_watch *w, struct error *err)
{
    if (check_job(j, err))
        return -1;
    struct run *r = calloc(1, sizeof *r);
    struct error ignored = {0};
    if (!r)
        return error_set(err, ERR_MEMORY, "%s: no memory for a run", j->options->out);
    r->j = j;
    r->watch = w;
    int status = take_memory(r, err) || pool_create(&r->pool, j->plan.n_threads, err) ? -1 : 0;
    if (!status)
        status = hash_sources(r, err);
    if (!status)
        status = output_open(&r->output, j, err);
    int is_open = !status;
    w->has_begun |= is_open;
    w->resumed = r->output.done;
    if (!status)
        status = run_threads(r, err);
    if (is_open && !status && r->output.tensor < j->in->n_tensor)
        status = error_set(err, ERR_CANCELLED, "%s: stopped after %" PRIu64 " of %" PRIu64 " MiB", j->options->out,
                           r->output.done >> 20, j->n_bytes >> 20);
    if (is_open && !status)
        status = end_output(r, err);
    else if (is_open)
        keep(r, &ignored);
    if (!status) {
        tell_lost(r);
        tell_flat(r);
    }
    if (is_open)
        output_close(&r->output);
    pool_destroy(r->pool);
    arena_unmap(&r->memory);
    free(r);
    return status;
}
