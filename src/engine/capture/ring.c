/* The ring of recorded rows, the thread that writes them, and what a job has of both: see capture.h. */
#include "engine/capture/capture.h"

#include "base/checked.h"
#include "base/half.h"
#include "base/queue.h"
#include "base/thread.h"
#include "op/largest.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- writing a piece --------------------------------------------------------------------------------------------------------- */

struct writing {
    struct capture *p;
    struct job_capture *c;
    uint64_t bytes;
    struct error err;
};

/* n bytes at an offset of the target's tensors. */
static void put(struct writing *w, uint64_t offset, const void *from, size_t n)
{
    const struct stoker_capture *how = &w->c->how;
    const uint8_t *at = from;
    if (w->err.code)
        return;
    w->bytes += n;
    if (how->memory) {
        memcpy((uint8_t *)how->memory + offset, from, n);
        return;
    }
    while (n > 0) {
        ssize_t done = w->p->write(how->fd, at, n, (off_t)(how->data_at + offset));
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0) {
            error_set(&w->err, ERR_IO, "writing recorded rows failed: %s", done < 0 ? strerror(errno) : "no space");
            return;
        }
        at += done;
        offset += (uint64_t)done;
        n -= (size_t)done;
    }
}

/* n rows of a tensor, the first of which is row of the request. */
static void put_rows(struct writing *w, const struct capture_tensor *t, size_t row, const void *from, size_t n)
{
    size_t first = t->shown.one_row ? w->c->how.request : w->c->how.row;
    put(w, t->shown.offset + (first + row) * t->row_bytes, from, n * t->row_bytes);
}

/* In place: what is narrower never overtakes what is read. */
static void narrow(float *x, size_t n, enum stoker_dtype type)
{
    uint8_t *to = (uint8_t *)x;
    for (size_t i = 0; i < n && type != STOKER_F32; i++) {
        uint16_t half = type == STOKER_F16 ? f16_from_f32(x[i]) : bf16_from_f32(x[i]);
        memcpy(to + 2 * i, &half, 2);
    }
}

static void put_mean(struct writing *w, const struct capture_tensor *t, float *x, const struct capture_piece *piece)
{
    double *sum = (double *)(void *)(w->c->sum + t->sum_at);
    size_t width = (size_t)t->width, rows = piece->row + (size_t)piece->n;
    for (int r = 0; r < piece->n; r++)
        for (size_t i = 0; i < width; i++)
            sum[i] += (double)x[(size_t)r * width + i];
    for (size_t i = 0; i < width; i++) /* of the rows up to here: the last piece leaves that of all */
        x[i] = (float)(sum[i] / (double)rows);
    narrow(x, width, t->shown.dtype);
    put_rows(w, t, 0, x, 1);
}

static void put_counts(struct writing *w, const struct capture_tensor *t, const int32_t *id,
                       const struct capture_piece *piece)
{
    int32_t *count = (int32_t *)(void *)(w->c->sum + t->sum_at);
    for (size_t i = 0; i < (size_t)piece->n * (size_t)t->width; i++)
        if (id[i] >= 0 && (uint64_t)id[i] < t->shown.shape[1])
            count[id[i]]++;
    put_rows(w, t, 0, count, 1);
}

/* The k largest by magnitude, of equals the lower index first. */
static void put_top(struct writing *w, const struct capture_tensor *t, const float *x,
                    const struct capture_piece *piece)
{
    int32_t id[STOKER_CAPTURE_TOP];
    float value[STOKER_CAPTURE_TOP];
    int k = (int)t->shown.shape[1];
    for (int r = 0; r < piece->n; r++) {
        const float *row = x + (size_t)r * (size_t)t->width;
        struct largest l = {value, id, k, 0};
        for (int i = 0; i < t->width; i++)
            largest_offer(&l, fabsf(row[i]), i);
        largest_sort(&l);
        for (int i = 0; i < l.held; i++)
            value[i] = row[id[i]];
        put_rows(w, t, piece->row + (size_t)r, id, 1);
        put_rows(w, t + 1, piece->row + (size_t)r, value, 1);
    }
}

static void put_products(struct writing *w, const struct capture_tensor *t, float *x, const struct capture_piece *piece)
{
    size_t width = (size_t)t->width;
    for (size_t r = 0; r < (size_t)piece->n; r++) {
        const float *row = x + r * width;
        x[r] = t->along ? w->p->k->dot16(row, t->along, width) : sqrtf(w->p->k->dot16(row, row, width));
    }
    put_rows(w, t, piece->row, x, (size_t)piece->n);
}

static void put_tensor(struct writing *w, const struct capture_tensor *t, const struct capture_piece *piece)
{
    size_t n = (size_t)piece->n, width = (size_t)t->width, top = (size_t)w->c->how.top;
    uint8_t *from = w->p->ring + piece->at + t->in * n;
    float *x = (float *)(void *)from;
    switch (t->form) {
    case CAPTURE_ROWS:
        narrow(x, n * width, t->shown.dtype); /* fallthrough */
    case CAPTURE_TOKENS:
    case CAPTURE_IDS:
        put_rows(w, t, piece->row, from, n);
        return;
    case CAPTURE_LAST:
        narrow(x + (n - 1) * width, width, t->shown.dtype); /* fallthrough */
    case CAPTURE_LAST_IDS:
        put_rows(w, t, 0, x + (n - 1) * width, 1);
        return;
    case CAPTURE_MEAN:
        put_mean(w, t, x, piece);
        return;
    case CAPTURE_COUNT:
        put_counts(w, t, (const int32_t *)(const void *)from, piece);
        return;
    case CAPTURE_TOP_INDEX:
        put_top(w, t, x, piece);
        return;
    case CAPTURE_TOP_VALUE:
        return;
    case CAPTURE_NORM:
    case CAPTURE_DOT:
        put_products(w, t, x, piece);
        return;
    case CAPTURE_LENS_IDS:
        put_rows(w, t, piece->row, from + n * width * 4, n);
        return;
    case CAPTURE_LENS_VALUES:
        put_rows(w, t, piece->row, from + n * (width + top) * 4, n);
        return;
    case CAPTURE_SAE_IDS:
        put_rows(w, t, piece->row, from, n);
        return;
    case CAPTURE_SAE_VALUES:
        put_rows(w, t, piece->row, from + n * top * 4, n);
        return;
    }
}

static void *write_behind(void *capture)
{
    struct capture *p = capture;
    int any = 0;
    pthread_mutex_lock(&p->lock);
    for (;;) {
        struct capture_piece *piece = &p->piece[p->first];
        if (p->n == 0 && p->stop)
            break;
        if (p->n == 0 || piece->state == CAPTURE_OPEN) {
            pthread_cond_wait(&p->changed, &p->lock);
            continue;
        }
        struct writing w = {.p = p, .c = piece->of};
        int writes = piece->state == CAPTURE_SENT && !w.c->failed.code;
        pthread_mutex_unlock(&p->lock);
        for (int i = 0; writes && i < w.c->n_tensor; i++)
            put_tensor(&w, &w.c->tensor[i], piece);
        pthread_mutex_lock(&p->lock);
        if (w.err.code)
            w.c->failed = w.err;
        w.c->pending--;
        p->written += w.bytes;
        p->first = (p->first + 1) % CAPTURE_PIECES;
        p->n--;
        queue_push(p->wakeup, &any);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* ---- the ring ---------------------------------------------------------------------------------------------------------------- */

/* Free bytes from *at on, the longer of the two stretches. Call it under the lock. */
static size_t free_part(const struct capture *p, size_t wants, size_t *at)
{
    *at = 0;
    if (p->n == 0)
        return p->size;
    const struct capture_piece *first = &p->piece[p->first], *last = &p->piece[(p->first + p->n - 1) % CAPTURE_PIECES];
    size_t end = last->at + last->bytes;
    if (last->at < first->at) {
        *at = end;
        return first->at - end;
    }
    if (p->size - end >= first->at || (wants && p->size - end >= wants)) {
        *at = end;
        return p->size - end;
    }
    return first->at;
}

/* A step has at most a piece for each sequence: so many must be left of the queue. */
size_t capture_free(struct capture *p)
{
    size_t at;
    pthread_mutex_lock(&p->lock);
    size_t bytes = p->n > CAPTURE_PIECES / 2 ? 0 : free_part(p, 0, &at);
    pthread_mutex_unlock(&p->lock);
    return bytes;
}

int capture_open(struct capture *p, uint64_t memory, const struct kernels *k, struct queue *wakeup, struct error *err)
{
    pthread_attr_t attr;
    if (memory == 0)
        return 0;
    p->size = (size_t)round_down(memory - memory / 4, CAPTURE_ALIGN);
    p->ring = p->size ? aligned_alloc(CAPTURE_ALIGN, p->size) : NULL;
    if (!p->ring)
        return error_set(err, ERR_MEMORY, "no memory for recording rows: %" PRIu64 " bytes", memory);
    p->k = k;
    p->wakeup = wakeup;
    p->write = pwrite;
    p->kept = memory / 4;
    atomic_init(&p->left, p->kept);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->changed, NULL);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, CAPTURE_STACK);
    p->runs = thread_create(&p->thread, &attr, write_behind, p) == 0;
    pthread_attr_destroy(&attr);
    return p->runs ? 0 : error_set(err, ERR_MEMORY, "starting the writer of recorded rows failed");
}

uint64_t capture_written(struct capture *p)
{
    if (!p->ring)
        return 0;
    pthread_mutex_lock(&p->lock);
    uint64_t written = p->written;
    pthread_mutex_unlock(&p->lock);
    return written;
}

void capture_close(struct capture *p)
{
    if (p->runs) {
        pthread_mutex_lock(&p->lock);
        p->stop = 1;
        pthread_cond_broadcast(&p->changed);
        pthread_mutex_unlock(&p->lock);
        pthread_join(p->thread, NULL);
    }
    if (p->ring) {
        pthread_cond_destroy(&p->changed);
        pthread_mutex_destroy(&p->lock);
    }
    free(p->ring);
    *p = (struct capture){.ring = NULL};
}

/* ---- a job's rows ------------------------------------------------------------------------------------------------------------ */

size_t capture_resumable(const struct job_capture *c) { return c && c->next < c->to ? c->next : SIZE_MAX; }

int capture_goes_on(const struct job_capture *c, size_t pos) { return c && c->next < c->to && pos < c->to; }

/* Rows that come before the first wanted one; of the next n those that are wanted. */
static size_t rows_before(const struct job_capture *c, size_t n_done)
{
    return c->next >= c->to ? SIZE_MAX : c->next > n_done ? c->next - n_done : 0;
}

static size_t rows_wanted(const struct job_capture *c, size_t n_done, size_t n)
{
    size_t before = rows_before(c, n_done), end = n_done + n < c->to ? n_done + n : c->to;
    return before >= n ? 0 : end - (n_done + before);
}

int capture_most(const struct job_capture *c, size_t n_done, int rows, size_t *bytes, int left)
{
    size_t wanted = rows_wanted(c, n_done, (size_t)rows), fit = *bytes / (size_t)left / c->row_bytes;
    if (fit > 1 && c->taps.has_lens) /* an output product for each layer: others wait for one position's, not for 64 */
        fit = 1;
    if (fit == 0 && *bytes >= c->row_bytes)
        fit = 1;
    if (wanted > fit) {
        rows = (int)(rows_before(c, n_done) + fit);
        wanted = fit;
    }
    *bytes -= wanted * c->row_bytes;
    return rows;
}

void capture_reserve(struct job_capture *c, size_t n_done, int n)
{
    struct capture *p = c->of;
    size_t wanted = rows_wanted(c, n_done, (size_t)n), at;
    c->taps.n = (int)wanted;
    c->piece = NULL;
    if (wanted == 0)
        return;
    pthread_mutex_lock(&p->lock);
    free_part(p, wanted * c->row_bytes, &at);
    c->piece = &p->piece[(p->first + p->n++) % CAPTURE_PIECES];
    *c->piece = (struct capture_piece){c, at, wanted * c->row_bytes, (int)wanted, c->next - c->from, CAPTURE_OPEN};
    c->pending++;
    pthread_mutex_unlock(&p->lock);
    c->taps.first = (int)c->next;
    c->taps.data = p->ring + at;
}

static void give(struct job_capture *c, enum capture_state state)
{
    struct capture *p = c->of;
    pthread_mutex_lock(&p->lock);
    c->piece->state = state;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
    c->piece = NULL;
    c->taps.n = 0;
}

void capture_send(struct job_capture *c, const stoker_token *history)
{
    if (!c->piece)
        return;
    memcpy(c->taps.data, history + c->next, (size_t)c->taps.n * sizeof *history);
    c->next += (size_t)c->taps.n;
    give(c, CAPTURE_SENT);
}

void capture_drop(struct job_capture *c)
{
    if (c->piece)
        give(c, CAPTURE_VOID);
}

int capture_is_pending(struct job_capture *c, struct error *err)
{
    pthread_mutex_lock(&c->of->lock);
    int pending = c->pending > 0;
    if (!pending)
        *err = c->failed;
    pthread_mutex_unlock(&c->of->lock);
    return pending;
}

int capture_has_failed(struct job_capture *c, struct error *err)
{
    pthread_mutex_lock(&c->of->lock);
    *err = c->failed;
    pthread_mutex_unlock(&c->of->lock);
    return err->code != ERR_NONE;
}
