/* links: op kernel format base */
/* Compressed keys, held against their definition in double; the same bits however rows come: in one step, one by one, in sevens, beside
 * another sequence, on any tier and any number of threads. */
#include "op/compress.h"
#include "op_world.h"

enum { N = 300, D = 150 }; /* two ranges of columns */

struct bench {
    struct compress c;
    float *z, *s, *ape;
    int32_t pos[N];
};

static int means; /* 1: without weights */

static void bench_open(struct bench *b, int ratio, int overlap, uint32_t seed)
{
    size_t width = (size_t)(D * (1 + overlap));
    b->z = world_floats(seed, N * width);
    b->s = world_floats(seed + 1, N * width);
    b->ape = world_floats(seed + 2, (size_t)ratio * width);
    for (size_t i = 0; i < N * width; i++)
        b->s[i] *= 5;
    for (int i = 0; i < N; i++)
        b->pos[i] = i;
    b->c = (struct compress){.ratio = ratio, .overlap = overlap, .d = D, .ape = b->ape};
}

static void bench_close(struct bench *b)
{
    free(b->z);
    free(b->s);
    free(b->ape);
}

static double by_definition(const struct bench *b, int block, int j)
{
    const struct compress *c = &b->c;
    size_t width = (size_t)(D * (1 + c->overlap));
    double sum = 0, weights = 0;
    for (int t = (block - c->overlap) * c->ratio; t < (block + 1) * c->ratio; t++) {
        size_t column = (size_t)j + (c->overlap && t >= block * c->ratio ? D : 0);
        if (t < 0)
            continue;
        double w = means ? 1
                         : exp((double)b->s[(size_t)t * width + column] +
                               (double)b->ape[(size_t)(t % c->ratio) * width + column]);
        sum += w * (double)b->z[(size_t)t * width + column];
        weights += w;
    }
    return sum / weights;
}

/* The rows of up to two sequences in steps of n rows each; out [2][N / ratio][D]. */
static void in_steps(const struct bench *b, int n_seq, int n, enum cpu_tier tier, int threads, float *out)
{
    struct op_world w;
    int ratio = b[0].c.ratio, overlap = b[0].c.overlap, done[2] = {0};
    size_t width = (size_t)(D * (1 + overlap)), blocks = (size_t)(N / ratio);
    float *state[2], *rows = malloc(4 * N * width * sizeof *rows), *made = malloc(2 * N * D * sizeof *made);
    world_open(&w, tier, threads, 64, 64);
    for (int q = 0; q < n_seq; q++)
        state[q] = calloc(means ? mean_state(ratio, D) : compress_state(ratio, overlap, D), sizeof(float));
    for (int at = 0; at < N; at += n) {
        int here = N - at < n ? N - at : n, n_made = 0;
        int32_t pos[2 * N];
        struct run run[2];
        struct compress c = b[0].c;
        float *z = rows, *s = rows + 2 * N * width;
        for (int q = 0; q < n_seq; q++) {
            run[q] = (struct run){.first = q * here, .n = here, .state = state[q]};
            memcpy(z + (size_t)(q * here) * width, b[q].z + (size_t)at * width, (size_t)here * width * sizeof *z);
            memcpy(s + (size_t)(q * here) * width, b[q].s + (size_t)at * width, (size_t)here * width * sizeof *s);
            memcpy(pos + q * here, b[q].pos + at, (size_t)here * sizeof *pos);
        }
        c.z = z;
        c.s = means ? NULL : s;
        c.pos = pos;
        op_compress(&w.op, &c, run, n_seq, made);
        for (int q = 0; q < n_seq; q++)
            for (int i = at; i < at + here; i++)
                if ((i + 1) % ratio == 0)
                    memcpy(out + ((size_t)q * blocks + (size_t)done[q]++) * D, made + (size_t)n_made++ * D,
                           D * sizeof *out);
    }
    for (int q = 0; q < n_seq; q++)
        free(state[q]);
    free(rows);
    free(made);
    world_close(&w);
}

static void check(int ratio, int overlap)
{
    struct bench b[2];
    size_t n = (size_t)(N / ratio) * D;
    float *want = malloc(2 * n * sizeof *want), *got = malloc(2 * n * sizeof *got);
    for (uint32_t q = 0; q < 2; q++)
        bench_open(&b[q], ratio, overlap, 10 + 3 * q);
    b[1].c.ape = b[0].ape; /* of one model */
    memcpy(b[1].ape, b[0].ape, (size_t)ratio * (size_t)(D * (1 + overlap)) * sizeof(float));
    in_steps(b, 2, N, TIER_SCALAR, 1, want);
    for (int q = 0; q < 2; q++)
        for (int block = 0; block < N / ratio; block++)
            for (int j = 0; j < D; j += 7)
                assert_near((double)want[(size_t)q * n + (size_t)(block * D + j)], by_definition(&b[q], block, j),
                            3e-6);
    static const int steps[] = {1, 7, 128, 131};
    for (int tier = 0; tier <= (int)cpu_best_tier(); tier++)
        for (int i = 0; i < 4; i++) {
            in_steps(b, 2, steps[i], (enum cpu_tier)tier, 1 + i, got);
            assert_bits(got, want, 2 * n);
            in_steps(b, 1, steps[i], (enum cpu_tier)tier, 2, got);
            assert_bits(got, want, n);
        }
    for (int q = 0; q < 2; q++)
        bench_close(&b[q]);
    free(want);
    free(got);
}

static void overlapping(void **state)
{
    (void)state;
    check(4, 1);
    check(64, 1);
}

static void apart(void **state)
{
    (void)state;
    check(128, 0);
    check(4, 0);
    check(1, 0);
}

static void mean_of_blocks(void **state)
{
    (void)state;
    means = 1;
    check(4, 0);
    check(3, 0);
    check(128, 0);
    means = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(overlapping), cmocka_unit_test(apart),
                                       cmocka_unit_test(mean_of_blocks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
