/* --bench: rates of the kernels beside the roofs that they can reach, measured in the same run, kernel and roof in turn.
 * Single-core kernels by thread CPU time, pairs of cores by wall time; best of repeats, because the machine has other work. */
#ifndef KERNELS_BENCH_H
#define KERNELS_BENCH_H

#include "kernels_products.h"

#include "base/clock.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <strings.h>
#include <time.h>

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void *bench_memory(size_t n)
{
    void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) {
        perror("kernels: no memory for the bench");
        exit(1);
    }
    madvise(p, n, MADV_HUGEPAGE);
    return p;
}

static struct wmat bench_weights(enum block_type t, int n, int k)
{
    const struct block_info *info = type_info(t);
    size_t row = type_row_bytes(info, (size_t)k), bytes = row * (size_t)n;
    uint8_t *w = bench_memory(bytes);
    for (size_t i = 0; i + 4 <= bytes; i += 4) {
        uint32_t r = rnd();
        memcpy(w + i, &r, 4);
    }
    for (size_t b = 0; b < bytes; b += (size_t)info->bytes)
        set_block_scales(t, w + b, SCALES_SANE);
    return (struct wmat){w, t, n, k, row};
}

static struct xq bench_rows(enum act_family f, int m, int k)
{
    struct xq x = xq_place(f, m, k, bench_memory(xq_bytes(f, m, k)));
    float *v = malloc((size_t)k * 4);
    for (int r = 0; v && r < m; r++) {
        activation_row(v, k, VALUES_RANDOM, r);
        kernels_for(cpu_best_tier())->quantise(&x, r, v);
    }
    free(v);
    return x;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* ---- the roofs of arithmetic: what one core multiplies and adds in a second in a tier's registers, in twelve independent chains ---- */

#if defined(__x86_64__)
enum { CHAINS = 12, CHAIN_TIMES = 100000 };
#define CHAIN_OF(F)   F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8) F(9) F(10) F(11) F(12)
#define CLEAR(i)      "vxorps %%xmm" #i ", %%xmm" #i ", %%xmm" #i "\n\t"
#define WORDS(i)      "vpmaddwd %%ymm0, %%ymm0, %%ymm13\n\tvpaddd %%ymm13, %%ymm" #i ", %%ymm" #i "\n\t"
#define BYTES_VEX(i)  "%{vex%} vpdpbusd %%ymm0, %%ymm0, %%ymm" #i "\n\t"
#define BYTES_EVEX(i) "vpdpbusd %%ymm0, %%ymm0, %%ymm" #i "\n\t"
#define BYTES_512(i)  "vpdpbusd %%zmm0, %%zmm0, %%zmm" #i "\n\t"
#define FLOATS(i)     "vfmadd231ps %%ymm0, %%ymm0, %%ymm" #i "\n\t"
#define FLOATS_512(i) "vfmadd231ps %%zmm0, %%zmm0, %%zmm" #i "\n\t"
#define CHAIN_ASM(text)                                                                                                \
    __asm__ volatile(text ::                                                                                           \
                         : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",    \
                           "xmm11", "xmm12", "xmm13")
#define CHAIN_LOOP(name, F)                                                                                            \
    static void name(void)                                                                                             \
    {                                                                                                                  \
        CHAIN_ASM(CLEAR(0) CHAIN_OF(CLEAR)); /* numbers that are slow to add lie in no register */                     \
        for (int i = 0; i < CHAIN_TIMES; i++)                                                                          \
            CHAIN_ASM(CHAIN_OF(F));                                                                                    \
    }
CHAIN_LOOP(words_loop, WORDS)
CHAIN_LOOP(bytes_vex_loop, BYTES_VEX)
CHAIN_LOOP(bytes_evex_loop, BYTES_EVEX)
CHAIN_LOOP(bytes_512_loop, BYTES_512)
CHAIN_LOOP(floats_loop, FLOATS)
CHAIN_LOOP(floats_512_loop, FLOATS_512)

/* Operations a second, of which an instruction of the loop makes n: a median, because the clock is sometimes misread, twice too fast. */
static double roof_of(void (*loop)(void), int n)
{
    enum { TIMES = 15 };
    double seconds[TIMES];
    for (int z = 0; z < TIMES; z++) {
        double t0 = cpu_seconds();
        loop();
        seconds[z] = cpu_seconds() - t0;
    }
    qsort(seconds, TIMES, sizeof *seconds, ascending);
    return (double)CHAINS * CHAIN_TIMES * n / seconds[TIMES / 2];
}

/* Of products of int8 codes. AVX2 has no instruction that adds four of them: pairs of 16 bits and an addition, as its tiles have them. */
static double roof_int8(enum cpu_tier tier)
{
    if (tier == TIER_AVX512)
        return roof_of(bytes_512_loop, 128);
    if (tier == TIER_AVXVNNI)
        return roof_of(cpu_has_avxvnni() ? bytes_vex_loop : bytes_evex_loop, 64);
    return roof_of(words_loop, 32);
}

static double roof_floats(enum cpu_tier tier)
{
    return tier == TIER_AVX512 ? roof_of(floats_512_loop, 32) : roof_of(floats_loop, 16);
}
#else /* not measured */
static double roof_int8(enum cpu_tier tier) { return (void)tier, NAN; }
static double roof_floats(enum cpu_tier tier) { return (void)tier, NAN; }
#endif

static void bench_tile(const struct kernels *k, enum block_type t)
{
    const int n = 1536, cols = 2048, rows[] = {1, 2, 4, 8, 32, 128, 512};
    struct wmat w = bench_weights(t, n, cols);
    struct xq x = bench_rows(kernel_family(t), 512, cols);
    size_t ld = (size_t)n + 32;
    float *out = bench_memory(512 * ld * 4);
    void *work = bench_memory(kernel_tile_scratch(512));
    const double roof = roof_int8(k->tier);
    printf("tile %-7s %-7s Tops per core (of the roof of %.2f) at", cpu_tier_name(k->tier), type_info(t)->name,
           roof / 1e12);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int m = rows[i];
        struct xq part = xq_rows(&x, 0, m);
        double best = 1e9, begin = clock_seconds();
        for (int z = 0; z < 12 && (z < 2 || clock_seconds() - begin < 1); z++) {
            double t0 = cpu_seconds();
            k->tile[t](k, &w, 0, n, &part, out, ld, NULL, work);
            t0 = cpu_seconds() - t0;
            best = t0 < best ? t0 : best;
        }
        double rate = 2.0 * n * cols * m / best;
        printf("  M %d: %.3f (%.2f)", m, rate / 1e12, rate / roof);
        fflush(stdout);
    }
    printf("\n");
    munmap(work, kernel_tile_scratch(512));
    munmap(out, 512 * ld * 4);
    munmap((void *)(uintptr_t)w.data, w.row_bytes * (size_t)n);
    munmap(x.code, xq_bytes(x.family, 512, cols));
}

/* ---- few rows: by one dot each, by pairs, by the tile; weights in L2 ---- */

enum way { WAY_DOTS, WAY_PAIRS, WAY_TILE, WAYS };

static void few_rows(const struct kernels *k, enum way way, const struct wmat *w, const struct xq *x, float *out,
                     void *work)
{
    const int n = w->n_rows;
    int r = 0;
    if (way == WAY_TILE) {
        k->tile[w->type](k, w, 0, n, x, out, (size_t)n, NULL, work);
        return;
    }
    for (; way == WAY_PAIRS && r + 2 <= x->n_rows; r += 2)
        k->pair[w->type](w, 0, n, x, (const int[]){r, r + 1}, (float *[]){out + r * n, out + (r + 1) * n}, NULL);
    for (; r < x->n_rows; r++)
        k->dot[w->type](w, 0, n, x, r, out + r * n, NULL);
}

/* Medians of alternating runs: the minimum of such short times is sometimes a misreading of the clock, twice too fast. */
static void bench_few(const struct kernels *k, enum block_type t)
{
    enum { N = 256, COLS = 2048, M = 32, TIMES = 61 };
    static const int rows[] = {1, 2, 4, 8, 32};
    struct wmat w = bench_weights(t, N, COLS);
    struct xq x = bench_rows(kernel_family(t), M, COLS);
    float *out = bench_memory(sizeof(float) * N * M);
    void *work = bench_memory(kernel_tile_scratch(M));
    const double roof = roof_int8(k->tier);
    printf("few  %-7s %-7s Tops (of the roof of %.2f) by dots, pairs, tile at", cpu_tier_name(k->tier),
           type_info(t)->name, roof / 1e12);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct xq part = xq_rows(&x, 0, rows[i]);
        double seconds[WAYS][TIMES];
        for (int z = 0; z < TIMES; z++)
            for (int way = 0; way < WAYS; way++) {
                double t0 = cpu_seconds();
                few_rows(k, (enum way)way, &w, &part, out, work);
                seconds[way][z] = cpu_seconds() - t0;
            }
        printf("  M %d:", rows[i]);
        for (int way = 0; way < WAYS; way++) {
            qsort(seconds[way], TIMES, sizeof seconds[way][0], ascending);
            const double rate = 2.0 * N * COLS * rows[i] / seconds[way][TIMES / 2];
            printf(" %.3f (%.2f)", rate / 1e12, rate / roof);
        }
        fflush(stdout);
    }
    printf("\n");
    munmap(work, kernel_tile_scratch(M));
    munmap(out, sizeof(float) * N * M);
    munmap((void *)(uintptr_t)w.data, w.row_bytes * N);
    munmap(x.code, xq_bytes(x.family, M, COLS));
}

/* ---- dots of one or two cores, against a plain read of the same bytes ---- */

static struct {
    atomic_int arrived, phase;
    int n;
} gate;

static void meet(void)
{
    int p = atomic_load(&gate.phase);
    if (atomic_fetch_add(&gate.arrived, 1) + 1 == gate.n) {
        atomic_store(&gate.arrived, 0);
        atomic_store(&gate.phase, p + 1);
    } else {
        while (atomic_load(&gate.phase) == p)
            sched_yield();
    }
}

struct dot_job {
    const struct kernels *k;
    const struct wmat *w;
    const struct xq *x;
    float *out;
    int n0, n1, cpu;
    double dot, read; /* seconds, best */
};

static volatile int64_t bench_sink;

/* The read roof: 64-byte loads, four sums. Loads of 32 bytes show less than half of what some machines can read. */
typedef long long v8 __attribute__((vector_size(64), aligned(8), may_alias));
#if defined(__x86_64__)
__attribute__((target("avx512f"), noinline))
#endif
static void
read_wide(const uint8_t *p, size_t bytes)
{
    const v8 *v = (const v8 *)(const void *)p;
    v8 a = {0}, b = {0}, c = {0}, d = {0};
    for (size_t i = 0; i + 4 <= bytes / 64; i += 4) {
        a += v[i];
        b += v[i + 1];
        c += v[i + 2];
        d += v[i + 3];
    }
    a += b + c + d;
    bench_sink = a[0] + a[1] + a[2] + a[3] + a[4] + a[5] + a[6] + a[7];
}

static void read_narrow(const uint8_t *p, size_t bytes)
{
    int64_t s[4] = {0};
    for (size_t i = 0; i + 64 <= bytes; i += 64) {
        __builtin_prefetch(p + i + 4096);
        for (int k = 0; k < 4; k++) {
            int64_t v;
            memcpy(&v, p + i + 16 * k, 8);
            s[k] += v;
        }
    }
    bench_sink = s[0] + s[1] + s[2] + s[3];
}

static void plain_read(const uint8_t *p, size_t bytes)
{
    (cpu_best_tier() == TIER_COUNT - 1 ? read_wide : read_narrow)(p, bytes);
}

static void *dot_run(void *p)
{
    struct dot_job *j = p;
    const uint8_t *w = j->w->data + (size_t)j->n0 * j->w->row_bytes;
    size_t bytes = (size_t)(j->n1 - j->n0) * j->w->row_bytes;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(j->cpu, &set);
    pthread_setaffinity_np(pthread_self(), sizeof set, &set);
    j->dot = j->read = 1e9;
    for (int z = 0; z < 12; z++) {
        meet();
        double t0 = clock_seconds();
        j->k->dot[j->w->type](j->w, j->n0, j->n1, j->x, 0, j->out, w);
        meet();
        double t1 = clock_seconds();
        plain_read(w, bytes);
        meet();
        double t2 = clock_seconds();
        j->dot = t1 - t0 < j->dot ? t1 - t0 : j->dot;
        j->read = t2 - t1 < j->read ? t2 - t1 : j->read;
    }
    return NULL;
}

static void bench_dot_rate(const struct kernels *k, const struct wmat *w, const struct xq *x, float *out, int n_threads,
                           const char *where)
{
    struct dot_job j[2];
    pthread_t th[2];
    int per = w->n_rows / n_threads;
    gate.n = n_threads;
    for (int i = 0; i < n_threads; i++) {
        j[i] = (struct dot_job){k, w, x, out, i * per, (i + 1) * per, i, 0, 0};
        pthread_create(&th[i], NULL, dot_run, &j[i]);
    }
    for (int i = 0; i < n_threads; i++)
        pthread_join(th[i], NULL);
    double bytes = (double)w->row_bytes * per * n_threads * 1e-9;
    printf("dot  %-7s %-7s %s, %d thread%s: %.1f GB/s, %.2f of a plain read's %.1f\n", cpu_tier_name(k->tier),
           type_info(w->type)->name, where, n_threads, n_threads > 1 ? "s" : "", bytes / j[0].dot, j[0].read / j[0].dot,
           bytes / j[0].read);
}

static void bench_dot(const struct kernels *k, enum block_type t)
{
    const int cols = 2048;
    size_t row = type_row_bytes(type_info(t), (size_t)cols);
    int n = (int)(((size_t)192 << 20) / row) / 8 * 8, cached = (int)(((size_t)384 << 10) / row) / 8 * 8;
    struct wmat w = bench_weights(t, n, cols), small = w;
    struct xq x = bench_rows(kernel_family(t), 1, cols);
    float *out = bench_memory((size_t)n * 4);
    small.n_rows = cached;
    bench_dot_rate(k, &small, &x, out, 1, "in L2");
    bench_dot_rate(k, &w, &x, out, 1, "DRAM ");
    if (cpu_usable_cores() > 1)
        bench_dot_rate(k, &w, &x, out, 2, "DRAM ");
    munmap((void *)(uintptr_t)w.data, row * (size_t)n);
    munmap(out, (size_t)n * 4);
    munmap(x.code, xq_bytes(x.family, 1, cols));
}

/* ---- float products, attention, the smaller functions ---- */

static void bench_tilef(const struct kernels *k, enum block_type t, int m)
{
    const int n = 512, cols = 2048;
    size_t width = (size_t)type_info(t)->bytes;
    uint8_t *w = bench_memory((size_t)n * cols * width);
    float *x = bench_memory((size_t)m * cols * 4), *out = bench_memory((size_t)m * n * 4);
    for (int i = 0; i < n * cols; i++) {
        float v = rnd_unit();
        uint16_t h = t == TYPE_F16 ? f16_from_f32(v) : (uint16_t)(f32_bits(v) >> 16);
        memcpy(w + (size_t)i * width, width == 4 ? (void *)&v : (void *)&h, width);
    }
    for (int i = 0; i < m * cols; i++)
        x[i] = rnd_unit();
    struct wmat wm = {w, t, n, cols, width * cols};
    double best = 1e9;
    const double roof = roof_floats(k->tier);
    for (int z = 0; z < 12; z++) {
        double t0 = cpu_seconds();
        k->tilef[t](&wm, 0, n, x, cols, m, out, n);
        t0 = cpu_seconds() - t0;
        best = t0 < best ? t0 : best;
    }
    double rate = 2.0 * n * cols * m / best;
    printf("tilef %-7s %-7s M %d: %.0f GFlop/s per core, %.2f of the roof of %.0f\n", cpu_tier_name(k->tier),
           type_info(t)->name, m, rate / 1e9, rate / roof, roof / 1e9);
    munmap(w, (size_t)n * cols * width);
    munmap(x, (size_t)m * cols * 4);
    munmap(out, (size_t)m * n * 4);
}

static void bench_attention(const struct kernels *k, enum kv_type type, int d, int n_q)
{
    enum { PAGES = 32 };
    const int coded = type == KV_Q8_0;
    size_t rows = (size_t)ATTN_PAGE * (size_t)d *
                  (coded            ? 1
                   : type == KV_F16 ? 2
                                    : 4),
           page = rows + (coded ? (size_t)(ATTN_PAGE * kv_groups(d)) * 2 : 0);
    struct xq x = bench_rows(ACT_X32, n_q, d);
    char *kv = bench_memory(2 * PAGES * page);
    float q[ATTN_QUERIES * 256], a[ATTN_QUERIES * 256], m[ATTN_QUERIES], l[ATTN_QUERIES];
    int first[ATTN_QUERIES] = {0}, last[ATTN_QUERIES];
    void *work = aligned_alloc(64, (kernel_attn_scratch(d, d) + 63) / 64 * 64);
    for (size_t i = 0; i < 2 * PAGES * page / 4; i++)
        ((uint32_t *)kv)[i] = type != KV_F32 ? 0x30003000 + (rnd() & 0x0fff0fff) : f32_bits(rnd_unit());
    for (int i = 0; i < n_q * d; i++)
        q[i] = rnd_unit();
    for (int t = 0; t < n_q; t++)
        last[t] = ATTN_PAGE - 1;
    double best = 1e9;
    for (int z = 0; work && z < 20; z++) {
        double t0 = cpu_seconds();
        for (int p = 0; p < PAGES; p++) {
            struct attn_split s = {q,
                                   (size_t)d,
                                   n_q,
                                   kv + (size_t)(2 * p) * page,
                                   kv + (size_t)(2 * p + 1) * page,
                                   d,
                                   d,
                                   d,
                                   type,
                                   first,
                                   last,
                                   0.088f,
                                   0,
                                   m,
                                   l,
                                   a,
                                   .ld_scale = ATTN_PAGE,
                                   .codes = &x};
            s.k_scale = (const uint16_t *)(const void *)((const char *)s.k + rows);
            s.v_scale = (const uint16_t *)(const void *)((const char *)s.v + rows);
            k->attn_split(&s, work);
        }
        t0 = cpu_seconds() - t0;
        best = t0 < best ? t0 : best;
    }
    double rate = 4.0 * n_q * PAGES * ATTN_PAGE * d / best, roof = roof_floats(k->tier);
    printf("attention %s, %s, d %d, %d queries x %d positions: %.0f GFlop/s per core, %.2f of the roof of float "
           "products, KV %.1f GB/s\n",
           cpu_tier_name(k->tier),
           coded            ? "q8_0"
           : type == KV_F16 ? "f16"
                            : "f32",
           d, n_q, PAGES * ATTN_PAGE, rate / 1e9, rate / roof, 2.0 * PAGES * (double)page / best / 1e9);
    free(work);
    munmap(x.code, xq_bytes(ACT_X32, n_q, d));
    munmap(kv, 2 * PAGES * page);
}

static void bench_functions(const struct kernels *k)
{
    enum { N = 2048, TIMES = 200 };
    static float a[N], b[N];
    struct xq x = bench_rows(ACT_X256, 1, N), y = bench_rows(ACT_X32, 1, N);
    double t[6];
    for (int i = 0; i < N; i++)
        a[i] = b[i] = rnd_unit();
    t[0] = cpu_seconds();
    for (int i = 0; i < TIMES; i++)
        k->quantise(&x, 0, a);
    t[1] = cpu_seconds();
    for (int i = 0; i < TIMES; i++)
        k->quantise(&y, 0, a);
    t[2] = cpu_seconds();
    for (int i = 0; i < TIMES; i++)
        k->silu_mul(b, a, a, N);
    t[3] = cpu_seconds();
    for (int i = 0; i < TIMES; i++)
        k->rms_norm(b, a, a, N, 1e-6f);
    t[4] = cpu_seconds();
    for (int i = 0; i < TIMES; i++)
        k->layer_norm(b, a, a, a, N, 1e-6f);
    t[5] = cpu_seconds();
    printf(
        "2048 values, %s: quantise x256 %.2f us, x32 %.2f us, silu_mul %.2f us, rms_norm %.2f us, layer_norm %.2f us\n",
        cpu_tier_name(k->tier), (t[1] - t[0]) / TIMES * 1e6, (t[2] - t[1]) / TIMES * 1e6, (t[3] - t[2]) / TIMES * 1e6,
        (t[4] - t[3]) / TIMES * 1e6, (t[5] - t[4]) / TIMES * 1e6);
}

/* Of a recurrence that does so much for a row of a head. */
static void print_recurrence(const struct kernels *k, double operations, double seconds)
{
    const double roof = roof_floats(k->tier);
    printf(": %.2f us a row and head, %.1f GFlop/s, %.2f of the roof of float products\n", seconds * 1e6,
           operations / seconds / 1e9, operations / seconds / roof);
}

static void bench_delta(const struct kernels *k, int n_rows, int by_key)
{
    enum { D = 128, TIMES = 50, PANELS = D / STATE_PANEL };
    static _Alignas(64) float state[D * D], q[64 * D], v[64 * D], o[64 * D], decay[64 * D], beta[64];
    for (int i = 0; i < 64 * D; i++)
        q[i] = v[i] = rnd_unit() * 0.1f;
    for (int i = 0; i < 64 * D; i++)
        decay[i] = beta[i / D] = 0.5f;
    double best = 1e9;
    for (int z = 0; z < TIMES; z++) {
        double t0 = cpu_seconds();
        for (int p = 0; p < PANELS; p++)
            k->delta(&(struct delta_run){.state = state + p * D * STATE_PANEL,
                                         .n_k = D,
                                         .panel = STATE_PANEL,
                                         .n_rows = n_rows,
                                         .q = q,
                                         .k = q,
                                         .v = v + p * STATE_PANEL,
                                         .o = o + p * STATE_PANEL,
                                         .ld_k = D,
                                         .ld_v = D,
                                         .ld_o = D,
                                         .ld_decay = by_key ? D : 1,
                                         .ld_beta = 1,
                                         .by_key = by_key,
                                         .decay = decay,
                                         .beta = beta});
        t0 = cpu_seconds() - t0;
        best = t0 < best ? t0 : best;
    }
    printf("delta %s, 128 x 128, %s, %d rows", cpu_tier_name(k->tier), by_key ? "a decay a key" : "one decay", n_rows);
    print_recurrence(k, 7.0 * D * D, best / n_rows); /* decay, k S, S += k d, q S */
}

static void bench_ssm(const struct kernels *k, int n_rows)
{
    enum { N_STATE = 128, D = 64, TIMES = 50 };
    static _Alignas(64) float state[N_STATE * D], in[64 * (2 * N_STATE + D)], y[64 * D], dt[64];
    for (size_t i = 0; i < sizeof in / sizeof *in; i++)
        in[i] = rnd_unit() * 0.1f;
    for (int i = 0; i < 64; i++)
        dt[i] = 0.5f;
    double best = 1e9;
    for (int z = 0; z < TIMES; z++) {
        double t0 = cpu_seconds();
        for (int p = 0; p < D / STATE_PANEL; p++)
            k->ssm(&(struct ssm_run){.state = state + p * N_STATE * STATE_PANEL,
                                     .n_state = N_STATE,
                                     .panel = STATE_PANEL,
                                     .n_rows = n_rows,
                                     .B = in,
                                     .C = in + N_STATE,
                                     .x = in + 2 * N_STATE + p * STATE_PANEL,
                                     .y = y + p * STATE_PANEL,
                                     .decay = dt,
                                     .dt = dt,
                                     .ld = 2 * N_STATE + D,
                                     .ld_y = D,
                                     .ld_dt = 1,
                                     .D = 1});
        t0 = cpu_seconds() - t0;
        best = t0 < best ? t0 : best;
    }
    printf("ssm %s, 128 x 64, %d rows", cpu_tier_name(k->tier), n_rows);
    print_recurrence(k, 5.0 * N_STATE * D, best / n_rows); /* decay, S += B x, C S */
}

/* only: tile, few, dot or attention, or "" for all; type: the block type to measure, or "" for all. */
static int bench(const char *only, const char *type)
{
    int wants_tile = strstr("tile", only) != NULL, wants_dot = strstr("dot", only) != NULL;
    int wants_few = strstr("few", only) != NULL;
    for (int tier = (int)cpu_best_tier(); tier > TIER_SCALAR; tier--) {
        const struct kernels *k = kernels_for((enum cpu_tier)tier);
        for (int t = 0; t < TYPE_COUNT; t++) {
            if (!k->dot[t] || (*type && strcasecmp(type, type_info((uint32_t)t)->name) != 0))
                continue;
            if (wants_tile)
                bench_tile(k, (enum block_type)t);
            if (wants_few)
                bench_few(k, (enum block_type)t);
            if (wants_dot)
                bench_dot(k, (enum block_type)t);
        }
        if (!strstr("attention", only))
            continue;
        for (int n_q = 1; n_q <= 8; n_q *= 2)
            bench_attention(k, KV_F16, 128, n_q);
        for (int n_q = 1; n_q <= 8; n_q *= 2)
            bench_attention(k, KV_Q8_0, 128, n_q);
        bench_attention(k, KV_F32, 128, 1);
        bench_attention(k, KV_F32, 128, 8);
        bench_attention(k, KV_F16, 64, 8);
        for (int m = 1; m <= 64; m *= 8) {
            bench_tilef(k, TYPE_F32, m);
            bench_tilef(k, TYPE_F16, m);
            bench_tilef(k, TYPE_BF16, m);
        }
        bench_functions(k);
        for (int by_key = 0; by_key < 2; by_key++) {
            bench_delta(k, 1, by_key);
            bench_delta(k, 64, by_key);
        }
        bench_ssm(k, 1);
        bench_ssm(k, 64);
    }
    if (strstr("attention", only))
        bench_functions(kernels_for(TIER_SCALAR));
    return 0;
}

#endif
