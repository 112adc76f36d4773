/* links: study format base */
/* Directions of rows whose answer is known: means, the direction along which pairs differ most, its sign, what does not count; and the same
 * bits whatever fits into memory. */
#include "study/contrast.h"

#include "base/error.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { E = 3 };

/* Positive rows, then negative ones. */
static FILE *rows_of(const float *x, size_t n)
{
    FILE *f = tmpfile();
    assert_non_null(f);
    assert_int_equal(fwrite(x, sizeof *x, n, f), n);
    assert_int_equal(fflush(f), 0);
    return f;
}

static int look(const float *x, struct contrast_rows r, struct contrast_wants w, float *v, struct contrast *c,
                struct error *err)
{
    size_t n = (r.n_positive + r.n_negative) * (size_t)(r.n_embd * r.n_stream);
    FILE *f = rows_of(x, n);
    r.fd = fileno(f);
    w.iterations = w.iterations ? w.iterations : 1000;
    *err = (struct error){0};
    int failed = contrast_layer(&r, &w, v, c, err);
    fclose(f);
    return failed;
}

static void is_near(const float *v, double a, double b, double c)
{
    const double want[] = {a, b, c};
    for (int i = 0; i < E; i++)
        if (!(fabs((double)v[i] - want[i]) <= 1e-6))
            fail_msg("value %d is %g, not %g", i, (double)v[i], want[i]);
}

static const float pairs[] = {5, 1, 0, 1, 2, 0, 0, 0, 0,  /* positive */
                              1, 1, 0, 1, 0, 0, 0, 0, 3}; /* negative: they differ by 4 0 0, 0 2 0, 0 0 -3 */
static const struct contrast_rows three = {.n_embd = E, .n_stream = 1, .n_positive = 3, .n_negative = 3, .layer = 7};

static void mean_of_pairs(void **state)
{
    (void)state;
    float v[E];
    struct contrast c;
    struct error err;
    assert_int_equal(look(pairs, three, (struct contrast_wants){.memory = 1 << 20}, v, &c, &err), 0);
    is_near(v, 4 / 3., 2 / 3., -1);
    assert_int_equal(c.n, 3);
    assert_true(c.has_pairs && fabs(c.difference - sqrt(29) / 3) < 1e-12 && c.separation == 1);
    assert_true(fabs(c.residual - sqrt(64 + 16 + 9) / 6) < 1e-12); /* of 8 4 3 over 6 rows */
    assert_true(fabs(c.share - (256 + 16 + 81) / 29. / 29) < 1e-12);
    assert_int_equal(look(pairs, three, (struct contrast_wants){.memory = 1 << 20, .unit = 1}, v, &c, &err), 0);
    is_near(v, 4 / sqrt(29), 2 / sqrt(29), -3 / sqrt(29));
}

static void principal(void **state)
{
    (void)state;
    float v[E];
    struct contrast c;
    struct error err;
    struct contrast_wants w = {.pca = 1, .unit = 1, .memory = 1 << 20};
    assert_int_equal(look(pairs, three, w, v, &c, &err), 0);
    is_near(v, 1, 0, 0);
    assert_true(c.change < CONTRAST_SETTLED && c.iterations > 2 && fabs(c.ratio - 9 / 16.) < 1e-3);
    assert_true(fabs(c.share - 16 / 29.) < 1e-9);
    w.iterations = 2;
    assert_int_equal(look(pairs, three, w, v, &c, &err), 0);
    assert_true(c.iterations == 2 && c.change > CONTRAST_SETTLED);
    /* two pairs that differ by opposite rows: their mean is zero, the search begins at the first value */
    const float opposite[] = {3, 4, 0, 0, 0, 0, 0, 0, 0, 3, 4, 0};
    struct contrast_rows two = {.n_embd = E, .n_stream = 1, .n_positive = 2, .n_negative = 2};
    assert_int_equal(look(opposite, two, (struct contrast_wants){.pca = 1, .unit = 1, .memory = 1 << 20}, v, &c, &err),
                     0);
    is_near(v, 0.6, 0.8, 0);
}

static void signs_and_parts(void **state)
{
    (void)state;
    float v[E];
    struct contrast c;
    struct error err;
    float other[2 * 3 * E];
    memcpy(other, pairs + 3 * E, 3 * E * sizeof(float)); /* positive and negative exchanged */
    memcpy(other + 3 * E, pairs, 3 * E * sizeof(float));
    assert_int_equal(look(other, three, (struct contrast_wants){.pca = 1, .unit = 1, .memory = 1 << 20}, v, &c, &err),
                     0);
    is_near(v, -1, 0, 0);
    /* without what it has of the negative mean: 2 1 3 */
    assert_int_equal(look(pairs, three, (struct contrast_wants){.orthogonalize = 1, .memory = 1 << 20}, v, &c, &err),
                     0);
    double along = (4 * 2 + 2 - 3 * 3) / 3. / 14;
    is_near(v, 4 / 3. - 2 * along, 2 / 3. - along, -1 - 3 * along);
}

static void what_does_not_count(void **state)
{
    (void)state;
    float v[E];
    struct contrast c;
    struct error err;
    const float x[] = {1, 2, 3, 2, 0, 0, 1, 2, 3.0000005f, 0, 0, 0};
    struct contrast_rows two = {.n_embd = E, .n_stream = 1, .n_positive = 2, .n_negative = 2};
    assert_int_equal(look(x, two, (struct contrast_wants){.drop_equal = 1, .memory = 1 << 20}, v, &c, &err), 0);
    is_near(v, 2, 0, 0);
    assert_int_equal(c.n, 1);
    assert_int_equal(look(x, two, (struct contrast_wants){.memory = 1 << 20}, v, &c, &err), 0);
    is_near(v, 1, 0, -2.5e-7);
}

static void more_of_one_kind(void **state)
{
    (void)state;
    float v[E];
    struct contrast c;
    struct error err;
    const float x[] = {2, 0, 0, 4, 0, 0, 1, 1, 0};
    struct contrast_rows r = {.n_embd = E, .n_stream = 1, .n_positive = 2, .n_negative = 1};
    assert_int_equal(look(x, r, (struct contrast_wants){.memory = 1 << 20}, v, &c, &err), 0);
    is_near(v, 2, -1, 0);
    assert_false(c.has_pairs);
}

static void streams_count_by_their_mean(void **state)
{
    (void)state;
    float v[E];
    struct contrast c;
    struct error err;
    const float x[] = {2, 0, 0, 4, 2, 0, 1, 1, 0, 1, 1, 4};
    struct contrast_rows r = {.n_embd = E, .n_stream = 2, .n_positive = 1, .n_negative = 1};
    assert_int_equal(look(x, r, (struct contrast_wants){.memory = 1 << 20}, v, &c, &err), 0);
    is_near(v, 2, 0, -2);
}

/* 300 pairs of 40 values, with some that do not count: all in memory, and 4 at a time. */
static void any_memory(void **state)
{
    (void)state;
    enum { N = 300, W = 40 };
    static float x[2 * N * W], a[W], b[W];
    struct contrast c, d;
    struct error err;
    uint32_t r = 1;
    for (size_t i = 0; i < 2 * N * W; i++)
        x[i] = (float)((r = r * 1664525u + 1013904223u) >> 8) / (float)(1 << 24);
    memcpy(x + N * W, x, 5 * W * sizeof *x);
    struct contrast_rows rows = {.n_embd = W, .n_stream = 1, .n_positive = N, .n_negative = N};
    for (int pca = 0; pca < 2; pca++) {
        struct contrast_wants w = {.pca = pca, .unit = 1, .drop_equal = 1, .orthogonalize = 1, .iterations = 50};
        assert_int_equal(look(x, rows, w, a, &c, &err), 0);
        w.memory = 1 << 20;
        assert_int_equal(look(x, rows, w, b, &d, &err), 0);
        assert_memory_equal(a, b, sizeof a);
        assert_int_equal(c.n, N - 5);
        assert_true(c.share == d.share && c.separation == d.separation && c.change == d.change);
    }
}

static void refused(const float *x, const char *words)
{
    float v[E];
    struct contrast c;
    struct error err;
    struct contrast_rows r = {.n_embd = E, .n_stream = 1, .n_positive = 1, .n_negative = 1, .layer = 7};
    for (int pca = 0; pca < 2; pca++) {
        assert_int_equal(look(x, r, (struct contrast_wants){.pca = pca, .unit = 1, .memory = 99}, v, &c, &err), -1);
        if (!strstr(err.text, words) || !strstr(err.text, "layer 7"))
            fail_msg("%s", err.text);
    }
}

static void no_direction(void **state)
{
    (void)state;
    refused((const float[]){1, 2, 3, 1, 2, 3}, "there is no direction");
    refused((const float[]){1, NAN, 3, 1, 2, 3}, "value 1 of recorded row 0 is not finite");
    refused((const float[]){1, 2, 3, 1, 2, INFINITY}, "value 2 of recorded row 1 is not finite");
}

/* Twice the negative row, up to rounding: what is left beside its mean is noise. */
static void nothing_beside_the_mean(void **state)
{
    (void)state;
    float v[E];
    struct contrast c;
    struct error err;
    const float x[] = {0.2f, 0.4f, 0.60000006f, 0.1f, 0.2f, 0.3f};
    struct contrast_rows r = {.n_embd = E, .n_stream = 1, .n_positive = 1, .n_negative = 1, .layer = 7};
    struct contrast_wants w = {.unit = 1, .memory = 1 << 20};
    assert_int_equal(look(x, r, w, v, &c, &err), 0);
    w.orthogonalize = 1;
    assert_int_equal(look(x, r, w, v, &c, &err), -1);
    assert_non_null(strstr(err.text, "layer 7: positive and negative rows differ along the mean"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(mean_of_pairs),
                                       cmocka_unit_test(principal),
                                       cmocka_unit_test(signs_and_parts),
                                       cmocka_unit_test(what_does_not_count),
                                       cmocka_unit_test(more_of_one_kind),
                                       cmocka_unit_test(streams_count_by_their_mean),
                                       cmocka_unit_test(any_memory),
                                       cmocka_unit_test(no_direction),
                                       cmocka_unit_test(nothing_beside_the_mean)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
