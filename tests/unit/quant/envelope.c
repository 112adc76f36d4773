/* links: quant machine kernel format base */
/* Envelopes of grid points: the fast ways find what the plain one does, bit for bit, also where lines are alike, and say so where they do
 * not know. */
#include "quant/search_block.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

/* The search as this test compiles it. */
static const struct search here = {search_scratch, search_begin, search_blocks};
static struct side *side;

static const struct shape four = {.levels = LEVELS_GRID,
                                  .scales = SCALE_STEPS,
                                  .block = 256,
                                  .group = 32,
                                  .grid = grid_iq3_s,
                                  .n_point = 512,
                                  .cell = 4,
                                  .largest = 15};
static const struct shape flipping = {.levels = LEVELS_GRID,
                                      .scales = SCALE_STEPS,
                                      .block = 256,
                                      .group = 32,
                                      .grid = grid_iq3_xxs,
                                      .n_point = 256,
                                      .cell = 4,
                                      .is_even = 1,
                                      .largest = 62};
static const struct shape eight = {.levels = LEVELS_GRID,
                                   .scales = SCALE_STEPS,
                                   .block = 256,
                                   .group = 16,
                                   .grid = grid_iq2_xs,
                                   .n_point = 512,
                                   .cell = 8,
                                   .is_even = 1,
                                   .largest = 43};

static int random_below(int n) { return (int)(random() % n); }
static float uniform(void) { return (float)random_below(1 << 20) * 0x1p-20f; }

/* Numbers as weights have them, and such as have much alike. */
static void make_values(int kind, float *x, float *w)
{
    for (int i = 0; i < CELL; i++) {
        float v = uniform() + uniform() + uniform() - 1.5f;
        x[i] = kind == 1 ? 0.25f * (float)random_below(5) : kind == 2 && random_below(2) ? 0 : kind == 3 ? 0.7f : v;
        x[i] *= kind == 4 ? ldexpf(1, random_below(40) - 20) : kind == 5 ? 1e-30f : 1;
        w[i] = kind == 6         ? 1e-6f + (float)random_below(2)
               : random_below(2) ? 1
                                 : ldexpf(uniform() + 1e-3f, random_below(4));
    }
}

static float until_of(const struct shape *h, const float *x)
{
    return 2 * h->largest / (fabsf(extreme_of(x, CELL)) * (1 + 3 * uniform()) + 1e-30f);
}

/* The law: find_lines() without its short ways. */
static void plain(struct envelope *out, const struct parabolas *of, int first, struct parabolas *few, float until)
{
    struct line a = line_of(of, first), b = line_of(of, lowest_at(of, until));
    *out = (struct envelope){.n = 1, .line = {a}};
    if (!(b.q > a.q) || !(b.p > a.p))
        return;
    float t = meeting(&a, &b);
    struct line m = line_of(of, lowest_at(of, t));
    if (!(line_at(&m, t) < line_at(&a, t)) || !(m.q > a.q) || !(m.q < b.q)) {
        out->from[1] = t;
        out->line[out->n++] = b;
        return;
    }
    const float at[2] = {meeting(&a, &m), meeting(&m, &b)}, value[2] = {line_at(&a, at[0]), line_at(&m, at[1])};
    keep_below(few, of, at, value);
    add_point(few, m);
    add_point(few, b);
    pad(few);
    add_lines(out, few, until);
}

static void assert_same(const struct envelope *a, const struct envelope *b)
{
    assert_int_equal(a->n, b->n);
    assert_memory_equal(a->from, b->from, (size_t)a->n * sizeof *a->from);
    for (int i = 0; i < a->n; i++) {
        assert_memory_equal(&a->line[i].p, &b->line[i].p, sizeof(float));
        assert_memory_equal(&a->line[i].q, &b->line[i].q, sizeof(float));
        assert_int_equal(a->line[i].code, b->line[i].code);
    }
}

/* Of points of four values, all of them and those that come near alone. Returns how often the latter were enough. */
static int check_half(const struct shape *h, int kind, int flipped)
{
    float x[CELL], w[CELL];
    struct envelope law, near;
    struct cells *c = &side->cells;
    make_values(kind, x, w);
    float until = until_of(h, x);
    int is_found = flipped ? look_near(1, c, h, &near, x, w, until) : look_near(0, c, h, &near, x, w, until);
    c->all.n = h->n_point;
    count_points(&c->all, &c->grid, h, x, w, flipped);
    assert_int_equal(lowest_at(&c->all, 0), 0);
    plain(&law, &c->all, 0, &c->few, until);
    if (is_found)
        assert_same(&law, &near);
    make_envelope(&near, &c->all, 0, &c->few, until);
    assert_same(&law, &near);
    return is_found;
}

static void halves(void **state)
{
    (void)state;
    for (int kind = 0; kind < 7; kind++) {
        int found[2] = {0, 0}, n = 1500;
        here.begin(&four, side);
        for (int i = 0; i < n; i++)
            found[0] += check_half(&four, kind, 0);
        here.begin(&flipping, side);
        for (int i = 0; i < n; i++)
            found[1] += check_half(&flipping, kind, i & 1);
        if (kind == 0)
            assert_true(found[0] > n * 9 / 10 && found[1] > n * 9 / 10);
    }
}

/* Sums of the envelopes of two points: in order, and two of them where a sign is changed in the one or the other. */
static void check_pair(int kind, int flips)
{
    float x[CELL], w[CELL];
    struct envelope law, ours, half[4];
    struct cells *c = &side->cells;
    make_values(kind, x, w);
    float until = until_of(&flipping, x);
    for (int i = 0; i < 4; i++)
        look_at_half(c, &flipping, &half[i], x + i % 2 * 4, w + i % 2 * 4, i / 2, until);
    c->all.n = 0;
    pair_up(&c->all, &half[flips ? 2 : 0], &half[1], 0);
    if (flips)
        pair_up(&c->all, &half[0], &half[3], FLIPPED << SECOND);
    pad(&c->all);
    assert_int_equal(lowest_at(&c->all, 0), 0);
    plain(&law, &c->all, 0, &c->few, until);
    make_envelope(&ours, &c->all, 0, &c->few, until);
    assert_same(&law, &ours);
    for (int k = 0; k < flipping.n_point; k++)
        c->all.code[k] = k;
}

static void pairs(void **state)
{
    (void)state;
    here.begin(&flipping, side);
    for (int i = 0; i < 14000; i++)
        check_pair(i % 7, i / 7 % 2);
}

static void cells_of_eight(void **state)
{
    (void)state;
    struct cells *c = &side->cells;
    here.begin(&eight, side);
    for (int i = 0; i < 7000; i++) {
        float x[CELL], w[CELL];
        struct envelope law, ours;
        make_values(i % 7, x, w);
        float until = until_of(&eight, x);
        c->all.n = eight.n_point;
        count_points(&c->all, &c->grid, &eight, x, w, i & 1);
        assert_int_equal(lowest_at(&c->all, 0), 0);
        plain(&law, &c->all, 0, &c->few, until);
        make_envelope(&ours, &c->all, 0, &c->few, until);
        assert_same(&law, &ours);
    }
}

/* Sums for each interval, and where several cells go on at once. */
static void sums(void **state)
{
    (void)state;
    struct envelope e[GROUP_CELLS];
    const struct envelope *of[GROUP_CELLS];
    struct total total;
    for (int i = 0; i < 2000; i++) {
        int n = i & 1 ? GROUP_CELLS : 2;
        for (int k = 0; k < n; k++) {
            of[k] = &e[k];
            e[k] = (struct envelope){.n = 1 + random_below(LINES)};
            for (int l = 0; l < e[k].n; l++) {
                e[k].from[l] = l ? e[k].from[l - 1] + (float)random_below(3) : 0;
                e[k].line[l] = (struct line){uniform(), uniform(), l};
            }
            e[k].from[e[k].n] = INFINITY;
        }
        add_envelopes(&total, of, n);
        for (int j = 0; j < total.n; j++) {
            float t = total.from[j], p = 0, q = 0;
            assert_true(j == 0 ? t == 0 : t > total.from[j - 1]);
            for (int k = 0; k < n; k++) {
                p += e[k].line[lookup(e[k].from, e[k].n, t)].p;
                q += e[k].line[lookup(e[k].from, e[k].n, t)].q;
            }
            assert_true(p == total.p[j] && q == total.q[j]);
        }
        for (int k = 0; k < n; k++)
            assert_true(total.from[lookup(total.from, total.n, e[k].from[e[k].n - 1])] == e[k].from[e[k].n - 1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(halves), cmocka_unit_test(pairs),
                                       cmocka_unit_test(cells_of_eight), cmocka_unit_test(sums)};
    side = aligned_alloc(64, (here.scratch() + 63) / 64 * 64);
    memset(side, 0, sizeof *side);
    int status = cmocka_run_group_tests(tests, NULL, NULL);
    free(side);
    return status;
}
