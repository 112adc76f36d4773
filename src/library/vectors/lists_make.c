/* See lists_make.h: what is done with the segment, pass by pass. The rows of a pass come block by block; those that it wants are gathered
 * in a batch, which all threads work on. */
#include "library/vectors/lists_make.h"

#include "base/error.h"
#include "base/pool.h"
#include "base/rng.h"
#include "kernel/kernel.h"
#include "library/vectors/lists_layout.h"

#include <errno.h>
#include <fcntl.h>
#include <float.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    SEED = 11,
    BATCH = 1 << 20,   /* bytes of rows that are worked on at a time */
    TILE = 32,         /* rows that stay in a core's first cache while all centres pass by */
    COLUMNS = 16,      /* of a sum, that one thread has at least: a cache line */
    GROUP = 512 << 20, /* bytes of the file that one pass over the segment fills, where memory has no bound */
    GROUP_LEAST = 4 << 20,
    READING = 16 << 20 /* bytes that reading and a batch take, at most */
};

struct making {
    const struct segment *of;
    const struct lists_options *o;
    const struct kernels *k;
    struct pool *pool;
    struct lists l; /* the file: fd is that of its new name */
    int64_t n_sample, done, total;
    int is_stopped;
    /* centres */
    int8_t *centre; /* [n][stride] */
    float *scale;   /* [n] */
    float *sum;     /* [n][width], of the rows of each list; NULL: lists are not trained any more */
    /* a batch */
    int n_batch, most;
    int8_t *code;     /* [most][stride] */
    float *row_scale; /* [most] */
    int32_t *list;    /* [most] the nearest */
    /* a pass */
    void (*take)(struct making *m, const struct segment_rows *r);
    int64_t row, next, pick; /* rows so far; the next one of the sample, and which row that is */
    int32_t *list_of;        /* [n_row] */
    /* the part of the file that is being filled */
    uint8_t *group; /* [from, end) of the file */
    uint64_t from, end;
    int64_t *seen; /* [n] rows of each list so far */
};

static size_t width_of(const struct making *m) { return (size_t)m->of->about.width; }
static size_t stride_of(const struct making *m) { return m->of->stride; }

static int out_of_memory(const struct making *m, struct error *err)
{
    return error_set(err, ERR_MEMORY, "%s: no memory to make lists of its vectors; the same command tries it again",
                     m->of->source);
}

/* ---- passes ---------------------------------------- */

static int tick(void *arg)
{
    struct making *m = arg;
    m->is_stopped |= m->o->tick && m->o->tick(m->o->arg, m->done, m->total);
    return m->is_stopped;
}

/* The segment may have been replaced since its rows were counted: what is beyond their number has no memory here. */
static void take_rows(void *arg, const struct segment_rows *r)
{
    struct making *m = arg;
    if (r->n <= m->l.n_row - m->row)
        m->take(m, r);
}

static int pass(struct making *m, void (*take)(struct making *m, const struct segment_rows *r), struct error *err)
{
    const struct segment_reading o = {take_rows, m, tick, m};
    const struct segment_span all = {SEGMENT_HEAD, m->l.covered};
    m->take = take;
    m->row = 0;
    if (segment_read(m->of, &all, 1, &o, err))
        return -1;
    return m->row == m->l.n_row
               ? 0
               : error_set(err, ERR_FORMAT, "%s: its vectors have changed while lists were made; run the command again",
                           m->of->source);
}

/* Item i of n that are drawn out of `of`, one of each n-th part. */
static int64_t draw(int64_t i, int64_t n, int64_t of, uint32_t stream)
{
    const int64_t from = i * of / n, end = (i + 1) * of / n;
    return from + (int64_t)(rng_u64(SEED, (uint64_t)i, stream, 0) % (uint64_t)(end - from));
}

static int64_t row_of_sample(const struct making *m, int64_t i)
{
    return i < m->n_sample ? draw(i, m->n_sample, m->l.n_row, 0) : -1;
}

/* ---- the nearest list ---------------------------------------- */

/* The list of each row from .. from + n - 1 of the batch: of equally near ones the first. A row's own scale changes no comparison. */
static void find_lists(const struct making *m, int from, int n)
{
    double best[TILE] = {0};
    int32_t sum[TILE];
    memset(m->list + from, 0, (size_t)n * sizeof *m->list);
    for (int list = 0; list < m->l.n; list++) {
        m->k->dot_codes(sum, m->code + (size_t)from * stride_of(m), n, m->centre + (size_t)list * stride_of(m),
                        (int)stride_of(m));
        for (int i = 0; i < n; i++) {
            const double score = (double)sum[i] * (double)m->scale[list];
            if (list == 0 || score > best[i]) {
                best[i] = score;
                m->list[from + i] = list;
            }
        }
    }
}

static void find_share(void *arg, int thread, int n_threads)
{
    const struct making *m = arg;
    int begin, end;
    pool_share(m->n_batch, TILE, thread, n_threads, &begin, &end);
    for (; begin < end; begin += TILE)
        find_lists(m, begin, end - begin < TILE ? end - begin : TILE);
}

/* Columns of the sums, of all rows in their order. */
static void add_share(void *arg, int thread, int n_threads)
{
    const struct making *m = arg;
    int begin, end;
    pool_share((int)width_of(m), COLUMNS, thread, n_threads, &begin, &end);
    for (int i = 0; i < m->n_batch; i++) {
        float *to = m->sum + (size_t)m->list[i] * width_of(m);
        const int8_t *code = m->code + (size_t)i * stride_of(m);
        for (int c = begin; c < end; c++)
            to[c] += m->row_scale[i] * (float)code[c];
    }
}

/* Who is to stop passes over the rest. */
static void end_batch(struct making *m)
{
    if (m->n_batch && !tick(m)) {
        pool_run(m->pool, find_share, m);
        if (m->sum)
            pool_run(m->pool, add_share, m);
        else
            memcpy(m->list_of + (m->row - m->n_batch), m->list, (size_t)m->n_batch * sizeof *m->list);
        m->done += m->n_batch;
    }
    m->n_batch = 0;
}

static void put_in_batch(struct making *m, const struct segment_rows *r, int i)
{
    memcpy(m->code + (size_t)m->n_batch * stride_of(m), r->code + (size_t)i * stride_of(m), stride_of(m));
    m->row_scale[m->n_batch++] = r->scale[i];
}

/* ---- centres ---------------------------------------- */

/* A row becomes the centre of a list. Kernels take no code below -127, which a file may have. */
static void begin_centre(struct making *m, int64_t list, const int8_t *code, float scale)
{
    int8_t *to = m->centre + (size_t)list * stride_of(m);
    for (size_t c = 0; c < stride_of(m); c++)
        to[c] = code[c] < -127 ? -127 : code[c];
    m->scale[list] = scale;
}

static int64_t row_of_first(const struct making *m, int64_t list)
{
    return list < m->l.n ? row_of_sample(m, draw(list, m->l.n, m->n_sample, 1)) : -1;
}

static void take_first(struct making *m, const struct segment_rows *r)
{
    for (int i = 0; i < r->n; i++, m->row++)
        if (m->row == m->pick) {
            begin_centre(m, m->next, r->code + (size_t)i * stride_of(m), r->scale[i]);
            m->pick = row_of_first(m, ++m->next);
        }
}

static void take_sample(struct making *m, const struct segment_rows *r)
{
    for (int i = 0; i < r->n; i++, m->row++) {
        if (m->row != m->pick)
            continue;
        put_in_batch(m, r, i);
        m->pick = row_of_sample(m, ++m->next);
        if (m->n_batch == m->most)
            end_batch(m);
    }
}

/* The mean of a list's rows, of length 1, becomes its centre. One that has no direction stays where it was. */
static void move_centre(struct making *m, int list)
{
    const float *sum = m->sum + (size_t)list * width_of(m);
    float x[SEGMENT_WIDTH_MOST];
    double squares = 0;
    for (size_t c = 0; c < width_of(m); c++)
        squares += (double)sum[c] * (double)sum[c];
    const double length = sqrt(squares);
    if (!(length > 0 && length <= DBL_MAX))
        return;
    for (size_t c = 0; c < width_of(m); c++)
        x[c] = (float)((double)sum[c] / length);
    m->scale[list] = segment_quantise(m->centre + (size_t)list * stride_of(m), x, (int)width_of(m));
}

static int train(struct making *m, struct error *err)
{
    m->next = 0;
    m->pick = row_of_first(m, 0);
    if (pass(m, take_first, err))
        return -1;
    for (int round = 0; round < LISTS_ROUNDS; round++) {
        memset(m->sum, 0, (size_t)m->l.n * width_of(m) * sizeof *m->sum);
        m->next = m->n_batch = 0;
        m->pick = row_of_sample(m, 0);
        if (pass(m, take_sample, err))
            return -1;
        end_batch(m);
        for (int i = 0; i < m->l.n; i++)
            move_centre(m, i);
    }
    return 0;
}

/* ---- every row's list ---------------------------------------- */

static void take_all(struct making *m, const struct segment_rows *r)
{
    for (int i = 0; i < r->n; i++) {
        put_in_batch(m, r, i);
        m->row++;
        if (m->n_batch == m->most)
            end_batch(m);
    }
}

static int assign(struct making *m, struct error *err)
{
    free(m->sum);
    m->sum = NULL;
    if (!(m->list_of = malloc((size_t)m->l.n_row * sizeof *m->list_of)))
        return out_of_memory(m, err);
    m->n_batch = 0;
    if (pass(m, take_all, err))
        return -1;
    end_batch(m);
    if (tick(m)) /* the last batch was not worked on */
        return error_set(err, ERR_CANCELLED, "%s: lists of its vectors were stopped", m->of->source);
    memset(m->l.n_of, 0, (size_t)m->l.n * sizeof *m->l.n_of);
    for (int64_t i = 0; i < m->l.n_row; i++)
        m->l.n_of[m->list_of[i]]++;
    lists_lay_out(&m->l);
    return 0;
}

/* ---- the file ---------------------------------------- */

static int cannot_write(const struct making *m, struct error *err)
{
    return error_set(err, ERR_IO, "%s: the lists of its vectors cannot be written: %s%s", m->of->source,
                     strerror(errno), block_is_full(errno) ? "; make space and run the command again" : "");
}

/* Where row k of a list is: its block, and its place there. */
static uint64_t block_of(const struct making *m, int list, int64_t k)
{
    return m->l.at[list] + (uint64_t)(k / SEGMENT_ROWS) * block_bytes(stride_of(m), SEGMENT_ROWS);
}

static void put_row(struct segment_block *b, size_t stride, int i, int64_t chunk, float scale, const int8_t *code)
{
    b->n = i + 1;
    b->chunk[i] = chunk;
    b->scale[i] = scale;
    memcpy(block_rows(b) + (size_t)i * stride, code, stride);
}

/* Rows whose blocks are in the part that is being filled. They come in the order of their chunks. */
static void take_group(struct making *m, const struct segment_rows *r)
{
    for (int i = 0; i < r->n; i++) {
        const int list = m->list_of[m->row++];
        const int64_t k = m->seen[list]++;
        const uint64_t at = block_of(m, list, k);
        if (at < m->from || at >= m->end)
            continue;
        put_row((struct segment_block *)(void *)(m->group + (at - m->from)), stride_of(m), (int)(k % SEGMENT_ROWS),
                r->chunk[i], r->scale[i], r->code + (size_t)i * stride_of(m));
        m->done++;
    }
}

/* A block's length behind a place in the file; *list is the one that it is in, or the next one with rows. Returns where it ends, or the
 * file's end where there is none. */
static uint64_t next_block(const struct making *m, int *list, int64_t *k)
{
    while (*list < m->l.n && *k >= m->l.n_of[*list]) {
        ++*list;
        *k = 0;
    }
    if (*list == m->l.n)
        return m->l.at[m->l.n];
    const int64_t left = m->l.n_of[*list] - *k;
    return block_of(m, *list, *k) + block_bytes(stride_of(m), left < SEGMENT_ROWS ? left : SEGMENT_ROWS);
}

static void seal(const struct making *m, uint8_t *block, uint64_t at)
{
    struct segment_block *b = (struct segment_block *)(void *)block;
    b->sum = block_sum(&m->l.file, block, b->n, at);
}

/* Blocks from *list, *k on, as many as `most` bytes are enough for, are filled and written. */
static int write_group(struct making *m, int *list, int64_t *k, size_t most, struct error *err)
{
    int first = *list;
    int64_t first_k = *k;
    (void)next_block(m, &first, &first_k);
    m->from = m->end = first < m->l.n ? block_of(m, first, first_k) : m->l.at[m->l.n];
    *list = first;
    *k = first_k;
    for (uint64_t end; *list < m->l.n && (end = next_block(m, list, k)) - m->from <= most; *k += SEGMENT_ROWS)
        m->end = end;
    memset(m->group, 0, (size_t)(m->end - m->from));
    memset(m->seen, 0, (size_t)m->l.n * sizeof *m->seen);
    if (pass(m, take_group, err))
        return -1;
    for (uint64_t at = m->from; at < m->end;) {
        const uint64_t end = next_block(m, &first, &first_k);
        at = block_of(m, first, first_k);
        if (at < m->end)
            seal(m, m->group + (at - m->from), at);
        first_k += SEGMENT_ROWS;
        at = end;
    }
    return block_write(m->l.file.fd, m->group, (size_t)(m->end - m->from), (int64_t)m->from) ? cannot_write(m, err) : 0;
}

static int write_lists(struct making *m, size_t most, struct error *err)
{
    int list = 0;
    int64_t k = 0;
    const size_t all = (size_t)(m->l.at[m->l.n] - m->l.at[0]);
    most = most < all ? most : all;
    m->group = malloc(most);
    m->seen = malloc((size_t)m->l.n * sizeof *m->seen);
    if (!m->group || !m->seen)
        return out_of_memory(m, err);
    while (list < m->l.n)
        if (write_group(m, &list, &k, most, err))
            return -1;
    return 0;
}

static int write_centres(struct making *m, struct error *err)
{
    struct segment_block *b = malloc(block_bytes(stride_of(m), SEGMENT_ROWS));
    int failed = b ? 0 : out_of_memory(m, err);
    uint64_t at = m->l.centres.from;
    for (int from = 0; !failed && from < m->l.n; from += SEGMENT_ROWS) {
        const int n = m->l.n - from < SEGMENT_ROWS ? m->l.n - from : SEGMENT_ROWS;
        const size_t bytes = block_bytes(stride_of(m), n);
        memset(b, 0, bytes);
        for (int i = 0; i < n; i++)
            put_row(b, stride_of(m), i, from + i, m->scale[from + i], m->centre + (size_t)(from + i) * stride_of(m));
        seal(m, (uint8_t *)b, at);
        failed = block_write(m->l.file.fd, b, bytes, (int64_t)at) ? cannot_write(m, err) : 0;
        at += bytes;
    }
    free(b);
    return failed;
}

/* The head comes last, and the file has its whole length, zeros where nothing was written. */
static int write_head(struct making *m, struct error *err)
{
    const struct lists_head h = lists_head_of(&m->l);
    const int fd = m->l.file.fd;
    return ftruncate(fd, m->l.file.about.bytes) ||
                   block_write(fd, m->l.n_of, (size_t)m->l.n * sizeof *m->l.n_of, SEGMENT_HEAD) ||
                   block_write(fd, &h, sizeof h, 0) || fdatasync(fd)
               ? cannot_write(m, err)
               : 0;
}

/* ---- all of it ---------------------------------------- */

/* Bytes of the file that a pass can fill: what is left of the memory behind the rest. 0: *err. */
static size_t group_bytes(const struct making *m, struct error *err)
{
    const uint64_t n = (uint64_t)m->l.n, centres = n * (stride_of(m) + sizeof(float)),
                   sums = n * width_of(m) * sizeof(float),
                   lists = (uint64_t)m->l.n_row * sizeof(int32_t) + n * sizeof(int64_t);
    const uint64_t behind = lists + GROUP_LEAST, need = READING + centres + (sums > behind ? sums : behind);
    if (m->o->memory && need + m->o->beside > m->o->memory) {
        error_set(err, ERR_MEMORY,
                  "%s: making lists of its vectors would take %" PRIu64 " MiB, and there are %" PRIu64
                  "; stoker library add with --embed and more --memory makes them",
                  m->of->source, ((need + m->o->beside) >> 20) + 1, m->o->memory >> 20);
        return 0;
    }
    return m->o->memory ? (size_t)(m->o->memory - m->o->beside - READING - centres - lists) : GROUP;
}

/* How many lists there are, and what of the rows they are trained on. */
static int count(struct making *m, struct error *err)
{
    struct lists *l = &m->l;
    l->covered = (uint64_t)m->of->about.bytes;
    if (lists_read_rows(l, m->of, tick, m, err))
        return -1;
    if (l->n_row < 1 || l->n_row > LISTS_ROWS)
        return error_set(err, ERR_INPUT, "%s: lists are of 1 to %d vectors, not of %" PRId64, m->of->source, LISTS_ROWS,
                         l->n_row);
    const double wanted = floor(LISTS_PER_ROOT * sqrt((double)l->n_row));
    l->n = wanted < (double)l->n_row ? (int)wanted : (int)l->n_row;
    m->n_sample = (int64_t)l->n * LISTS_TRAINED < l->n_row ? (int64_t)l->n * LISTS_TRAINED : l->n_row;
    m->total = LISTS_ROUNDS * m->n_sample + 2 * l->n_row;
    return 0;
}

static int take_memory(struct making *m, struct error *err)
{
    const size_t n = (size_t)m->l.n;
    m->most = (int)(BATCH / stride_of(m));
    m->l.n_of = malloc(n * sizeof *m->l.n_of);
    m->l.at = malloc((n + 1) * sizeof *m->l.at);
    m->centre = malloc(n * stride_of(m));
    m->scale = malloc(n * sizeof *m->scale);
    m->sum = malloc(n * width_of(m) * sizeof *m->sum);
    m->code = malloc((size_t)m->most * stride_of(m));
    m->row_scale = malloc((size_t)m->most * sizeof *m->row_scale);
    m->list = malloc((size_t)m->most * sizeof *m->list);
    if (!m->l.n_of || !m->l.at || !m->centre || !m->scale || !m->sum || !m->code || !m->row_scale || !m->list)
        return out_of_memory(m, err);
    return pool_create(&m->pool, m->o->n_threads < POOL_MAX_THREADS ? m->o->n_threads : POOL_MAX_THREADS, err);
}

static int write_file(struct making *m, const char *path, size_t group, struct error *err)
{
    char name[PATH_MAX];
    if (snprintf(name, sizeof name, "%s.new", path) >= (int)sizeof name)
        return error_set(err, ERR_INPUT, "%s: the path of its lists is too long", m->of->source);
    unlink(name); /* what a maker that was killed left, or a link of somebody's */
    m->l.file.fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (m->l.file.fd < 0)
        return cannot_write(m, err);
    int failed = write_lists(m, group, err) || write_centres(m, err) || write_head(m, err);
    if (!failed && rename(name, path))
        failed = cannot_write(m, err);
    if (failed)
        unlink(name);
    return failed ? -1 : 0;
}

static void free_all(struct making *m)
{
    if (m->pool)
        pool_destroy(m->pool);
    lists_close(&m->l);
    free(m->centre);
    free(m->scale);
    free(m->sum);
    free(m->code);
    free(m->row_scale);
    free(m->list);
    free(m->list_of);
    free(m->group);
    free(m->seen);
}

int lists_make(const char *path, const struct segment *of, const struct lists_options *o, struct error *err)
{
    struct making m = {.of = of, .o = o, .k = kernels_for(o->tier), .l.file = *of, .total = 1};
    size_t group = 0;
    m.l.file.fd = -1;
    m.l.file.held = NULL;
    int failed = count(&m, err) || (group = group_bytes(&m, err)) == 0 || take_memory(&m, err) || train(&m, err) ||
                 assign(&m, err) || write_file(&m, path, group, err);
    free_all(&m);
    return failed ? -1 : 0;
}
