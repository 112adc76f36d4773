/* Measuring this machine: see machine.h. Contents do not matter to the time of a kernel, as long as they are ordinary numbers: all memory
 * holds PATTERN, a small one as a code, a scale of any format, or a float. */
#include "machine/machine.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/pool.h"
#include "base/topology.h"
#include "machine/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    PATTERN = 0x3c,
    RUNS = 9,
    N_COLS = 2048, /* of weights that are measured, 256 rows of them at a time */
    N_WEIGHT_ROWS = 256,
    STATE_D = 128,
    STATE_ROWS = 64
};
#define READ_LEAST   ((size_t)256 << 20) /* of all threads */
#define READ_MOST    ((size_t)1 << 30)
#define CACHES       4 /* so many times what they hold, a cache has little of it when it is read again */
#define THREAD_BYTES ((size_t)8 << 20) /* the least of a thread: any of the works below fits */
#define FILL_BYTES   ((size_t)2 << 20) /* of a thread, between two questions whether to stop; shares are larger */
#define RUN_SECONDS  8e-3

/* What a thread's share does, `times` times; mem: THREAD_BYTES or more of its own. */
typedef void share_fn(const struct machine *m, uint8_t *mem, int times);

struct machine {
    const struct kernels *k;
    enum machine_run counts;
    struct pool *pool;
    struct arena memory;
    uint8_t *shares;        /* all of memory: that of thread i begins at i * share */
    size_t share;           /* bytes */
    int (*stop)(void *arg); /* or NULL */
    void *stop_arg;
    /* the work at hand */
    share_fn *fn;
    int times;
    enum block_type type;
    enum kv_type kv;
    int n_rows, d_k, d_v, n_page, stays; /* stays: weights do, in caches */
};

static volatile float sink; /* results that nobody wants */

size_t machine_read_bytes(const char *root)
{
    struct topology_set allowed;
    const char *from;
    topology_allowed(&allowed);
    uint64_t bytes = CACHES * topology_cache_bytes(root, &allowed), half = machine_memory(root, &from) / 2;
    bytes = bytes < READ_MOST ? bytes : READ_MOST;
    bytes = bytes < half ? bytes : half;
    return bytes > READ_LEAST ? (size_t)bytes : READ_LEAST;
}

/* Of each thread whole pages, of what all read together. */
size_t machine_bytes(const char *root, int n_threads)
{
    size_t n = n_threads > 0 ? (size_t)n_threads : 1, share = machine_read_bytes(root) / n / 4096 * 4096;
    return n * (share > THREAD_BYTES ? share : THREAD_BYTES);
}

int machine_open(struct machine **out, const struct kernels *k, int n_threads, size_t bytes, enum machine_run counts,
                 struct error *err)
{
    struct machine *m = calloc(1, sizeof *m);
    if (!m)
        return error_set(err, ERR_MEMORY, "no memory for measuring this machine");
    m->k = k;
    m->counts = counts;
    if (pool_create(&m->pool, n_threads, err) || arena_map(&m->memory, bytes, err)) {
        machine_close(m);
        return -1;
    }
    m->share = bytes / (size_t)n_threads;
    m->shares = arena_alloc(&m->memory, bytes);
    *out = m;
    return 0;
}

void machine_close(struct machine *m)
{
    if (!m)
        return;
    if (m->pool)
        pool_destroy(m->pool);
    if (m->memory.base)
        arena_unmap(&m->memory);
    free(m);
}

void machine_stop_when(struct machine *m, int (*stop)(void *arg), void *arg)
{
    m->stop = stop;
    m->stop_arg = arg;
}

/* ---- runs ------------------------------------------------------------------------------------------------------------------------- */

static void run_share(void *arg, int thread, int n_threads)
{
    (void)n_threads;
    const struct machine *m = arg;
    m->fn(m, m->shares + m->share * (size_t)thread, m->times);
}

static double run(struct machine *m, int times)
{
    double begin = clock_seconds();
    m->times = times;
    pool_run(m->pool, run_share, m);
    return clock_seconds() - begin;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int is_stopped(const struct machine *m) { return m->stop && m->stop(m->stop_arg); }

/* The piece of this number, from 1. */
static void fill(const struct machine *m, uint8_t *mem, int number)
{
    size_t at = (size_t)(number - 1) * FILL_BYTES, left = m->share - at;
    memset(mem + at, PATTERN, left < FILL_BYTES ? left : FILL_BYTES);
}

/* The kernel looks for each page that is written first, which takes a second where it has few. 0: given up. */
static int filled(struct machine *m)
{
    m->fn = fill;
    for (int i = 1; (size_t)(i - 1) * FILL_BYTES < m->share; i++) {
        if (is_stopped(m))
            return 0;
        run(m, i);
    }
    return 1;
}

/* Seconds of fn once on every thread: of RUNS, of RUN_SECONDS each and more, the one that counts. The first ones wake threads. Without end
 * where it is given up: the rate of that is 0. */
static double seconds_of(struct machine *m, share_fn *fn)
{
    double seconds[RUNS];
    int times = 1;
    if (!filled(m))
        return INFINITY;
    m->fn = fn;
    run(m, 1);
    while (!is_stopped(m) && run(m, times) < RUN_SECONDS && times < 1 << 20)
        times *= 2;
    for (int i = 0; i < RUNS; i++) {
        if (is_stopped(m))
            return INFINITY;
        seconds[i] = run(m, times) / times;
    }
    qsort(seconds, RUNS, sizeof *seconds, ascending);
    return seconds[m->counts == MACHINE_BEST ? 0 : RUNS / 2];
}

static double n_threads(const struct machine *m) { return pool_threads(m->pool); }

/* ---- works ------------------------------------------------------------------------------------------------------------------------ */

static void read_memory(const struct machine *m, uint8_t *mem, int times)
{
    enum { N = 4096 };
    const float *v = (const float *)(void *)mem;
    float sum = 0;
    for (int i = 0; i < times; i++)
        for (size_t n = 0; n + 2 * N <= m->share / sizeof *v; n += 2 * N)
            sum += m->k->dot16(v + n, v + n + N, N);
    sink = sum;
}

double machine_read_rate(struct machine *m) { return (double)m->share * n_threads(m) / seconds_of(m, read_memory); }

/* Weights come from DRAM, as those of a layer do: each has been left for all others since it was last used; or there are only some, which
 * stay. They lie behind what a tile works in. */
static void multiply(const struct machine *m, uint8_t *mem, int times)
{
    size_t row = type_row_bytes(type_info(m->type), N_COLS), some = row * N_WEIGHT_ROWS,
           n = m->stays ? 1 : (m->share - THREAD_BYTES / 2) / some;
    uint8_t *weights = mem + THREAD_BYTES / 2;
    float *out = (float *)(void *)mem;
    uint8_t *x = (uint8_t *)(out + MACHINE_ROWS * N_WEIGHT_ROWS), *scratch = x + MACHINE_ROWS * N_COLS * sizeof(float);
    enum act_family family = kernel_family(m->type);
    for (int i = 0; i < times; i++) {
        struct wmat w = {weights + (size_t)i % n * some, m->type, N_WEIGHT_ROWS, N_COLS, row, NULL};
        if (family == ACT_F32) {
            m->k->tilef[m->type](&w, 0, N_WEIGHT_ROWS, (const float *)(const void *)x, N_COLS, m->n_rows, out,
                                 N_WEIGHT_ROWS);
        } else {
            struct xq q = xq_place(family, m->n_rows, N_COLS, x);
            const uint8_t *then = weights + (size_t)(i + 1) % n * some;
            if (m->n_rows == 1)
                m->k->dot[m->type](&w, 0, N_WEIGHT_ROWS, &q, 0, out, then);
            else
                m->k->tile[m->type](m->k, &w, 0, N_WEIGHT_ROWS, &q, out, N_WEIGHT_ROWS, then, scratch);
        }
    }
}

_Static_assert(N_WEIGHT_ROWS *N_COLS * sizeof(float) <= THREAD_BYTES / 2 &&
                   MACHINE_ROWS * (N_WEIGHT_ROWS + N_COLS) * sizeof(float) <= THREAD_BYTES / 4,
               "outputs, activations and a tile's scratch take half of a thread's memory, weights fit into the other");

static double product_rate(struct machine *m, enum block_type t, int n_rows, int stays)
{
    int floats = kernel_family(t) == ACT_F32;
    if (n_rows < 1 || n_rows > MACHINE_ROWS || !(floats ? (void *)m->k->tilef[t] : (void *)m->k->tile[t]) ||
        kernel_tile_scratch(MACHINE_ROWS) > THREAD_BYTES / 4 ||
        xq_bytes(kernel_family(t), MACHINE_ROWS, N_COLS) > MACHINE_ROWS * N_COLS * sizeof(float))
        return 0;
    m->type = t;
    m->n_rows = n_rows;
    m->stays = stays;
    return (double)N_WEIGHT_ROWS * N_COLS * n_rows * n_threads(m) / seconds_of(m, multiply);
}

double machine_product_rate(struct machine *m, enum block_type t, int n_rows) { return product_rate(m, t, n_rows, 0); }

double machine_peak_rate(struct machine *m, enum block_type t) { return product_rate(m, t, MACHINE_ROWS, 1); }

/* Of keys and values of one head, a page. */
static size_t page_bytes(const struct machine *m)
{
    return ((size_t)ATTN_PAGE * (size_t)(m->d_k + m->d_v) * sizeof(float) + 63) & ~(size_t)63;
}

/* Page after page of what a layer keeps: a row walks through all of it before the next one does. */
static void attend(const struct machine *m, uint8_t *mem, int times)
{
    float max[ATTN_QUERIES], sum[ATTN_QUERIES];
    int first[ATTN_QUERIES] = {0}, last[ATTN_QUERIES];
    size_t fit = (m->share - THREAD_BYTES / 2) / page_bytes(m), n = (size_t)m->n_page < fit ? (size_t)m->n_page : fit;
    struct attn_split s = {.d_k = m->d_k,
                           .d_v = m->d_v,
                           .ld_v = m->d_v,
                           .type = m->kv,
                           .n_q = ATTN_QUERIES,
                           .ld_q = (size_t)m->d_k,
                           .q = (const float *)(void *)mem,
                           .scale = 1e-3f,
                           .m = max,
                           .l = sum,
                           .first = first,
                           .last = last};
    s.a = (float *)(void *)(mem + ATTN_QUERIES * sizeof(float) * (size_t)m->d_k);
    for (int i = 0; i < ATTN_QUERIES; i++)
        last[i] = ATTN_PAGE - 1;
    for (int i = 0; i < times; i++) {
        uint8_t *page = mem + THREAD_BYTES / 2 + (size_t)i % n * page_bytes(m);
        s.k = page;
        s.v = page + (size_t)ATTN_PAGE * (size_t)m->d_k * sizeof(float);
        m->k->attn_split(&s, mem + THREAD_BYTES / 4);
    }
}

_Static_assert((size_t)ATTN_PAGE * 2 * MACHINE_HEAD * sizeof(float) <= THREAD_BYTES / 2 &&
                   (size_t)ATTN_QUERIES * 2 * MACHINE_HEAD * sizeof(float) <= THREAD_BYTES / 4,
               "a page fits into half of a thread's memory, queries and sums into a quarter");

double machine_attend_rate(struct machine *m, enum kv_type type, int d_k, int d_v, int n_page)
{
    if (d_k < 1 || d_v < 1 || n_page < 1 || d_k > MACHINE_HEAD || d_v > MACHINE_HEAD ||
        kernel_attn_scratch(d_k, d_v) > THREAD_BYTES / 4)
        return 0;
    m->kv = type;
    m->d_k = d_k;
    m->d_v = d_v;
    m->n_page = n_page;
    return (double)ATTN_QUERIES * ATTN_PAGE * (d_k + d_v) * n_threads(m) / seconds_of(m, attend);
}

static void recur(const struct machine *m, uint8_t *mem, int times)
{
    float *state = (float *)(void *)mem, *in = state + STATE_D * STATE_D;
    for (int i = 0; i < times; i++)
        for (int c = 0; c < STATE_D; c += STATE_PANEL)
            m->k->delta(&(struct delta_run){.state = state + c * STATE_D,
                                            .n_k = STATE_D,
                                            .panel = STATE_PANEL,
                                            .n_rows = STATE_ROWS,
                                            .q = in,
                                            .k = in,
                                            .v = in + c,
                                            .o = in + 2 * STATE_ROWS * STATE_D + c,
                                            .decay = in,
                                            .beta = in,
                                            .ld_k = STATE_D,
                                            .ld_v = STATE_D,
                                            .ld_o = STATE_D,
                                            .ld_decay = 1,
                                            .ld_beta = 1});
}

double machine_state_rate(struct machine *m)
{
    return (double)STATE_D * STATE_D * STATE_ROWS * n_threads(m) / seconds_of(m, recur);
}
