/* links: text base */
/* The sampler at its edges; the chain against its cases: tests/sampling.c. */
#include "text/sampler.h"

#include "base/error.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { N = 1000 };

static uint64_t seed = 1;
static uint32_t rnd(uint32_t n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % n;
}

/* As large as the plan is told, so that the sanitizer sees more. */
static struct sampler *make(int n_vocab)
{
    void *mem = NULL;
    assert_int_equal(posix_memalign(&mem, 64, sampler_bytes(n_vocab)), 0);
    return sampler_place(mem, n_vocab);
}

static const struct sampling greedy = {.temperature = 0, .top_k = 40, .top_p = 0.5, .min_p = 0.1};

static void test_greedy(void **state)
{
    (void)state;
    struct error err = {0};
    struct sampler *s = make(5);
    float logits[5] = {-0.0f, 0.0f, -INFINITY, -1, -2};
    const uint8_t not_first[5] = {0, 1, 1, 1, 1}, third[5] = {0, 0, 1, 0, 0}, none[5] = {0};
    assert_int_equal(sampler_pick(s, logits, NULL, &greedy, 0, 0, &err), 0); /* -0 and 0 are equal: the lowest id */
    assert_int_equal(sampler_pick(s, logits, not_first, &greedy, 0, 0, &err), 1);
    assert_int_equal(err.code, ERR_NONE);
    assert_int_equal(sampler_pick(s, logits, third, &greedy, 0, 0, &err), -1); /* -inf is no candidate */
    assert_int_equal(err.code, ERR_INPUT);
    err = (struct error){0};
    assert_int_equal(sampler_pick(s, logits, none, &greedy, 0, 0, &err), -1);
    assert_int_equal(err.code, ERR_INPUT);
    free(s);
}

static void test_non_finite(void **state)
{
    (void)state;
    const float bad[] = {NAN, -NAN, INFINITY};
    const uint8_t allowed[4] = {1, 1, 1, 0}; /* a token that is not allowed must be finite, too */
    struct sampler *s = make(4);
    struct sampling plain = {1, 0, 1, 0, 1};
    const struct sampling *how[] = {&greedy, &plain};
    for (size_t i = 0; i < 3; i++)
        for (int h = 0; h < 2; h++) {
            float logits[4] = {1, 2, 3, bad[i]};
            struct error err = {0};
            assert_int_equal(sampler_pick(s, logits, allowed, how[h], 17, 0, &err), -1);
            assert_non_null(strstr(err.text, "non-finite logits at position 17"));
        }
    free(s);
}

static const float *by_value;
static int in_order(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    if (by_value[x] != by_value[y])
        return by_value[x] > by_value[y] ? -1 : 1;
    return x < y ? -1 : x > y;
}

/* Few candidates by insertion, many by radix sort: both give the first k of the order. */
static void test_order(void **state)
{
    (void)state;
    static float logits[N];
    static int32_t want[N];
    const int ks[] = {1, 2, 40, 255, 256, 257, 600, N - 1, N, 2 * N, 0};
    struct sampler *s = make(N);
    struct error err = {0};
    for (int round = 0; round < 20; round++) {
        int coarse = round % 2; /* many ties, signs, subnormals */
        for (int i = 0; i < N; i++) {
            logits[i] = coarse ? (float)rnd(7) - 3 : ((float)rnd(1 << 20) - (1 << 19)) * 1e-4f;
            logits[i] = rnd(50) ? logits[i] : (rnd(2) ? 1e-42f : -1e-42f);
            want[i] = i;
        }
        by_value = logits;
        qsort(want, N, sizeof *want, in_order);
        for (size_t k = 0; k < sizeof ks / sizeof *ks; k++) {
            struct sampling how = {1, ks[k], 1, 0, 3};
            assert_in_range(sampler_pick(s, logits, NULL, &how, (uint64_t)round, 0, &err), 0, N - 1);
            size_t n = ks[k] > 0 && ks[k] < N ? (size_t)ks[k] : N;
            assert_int_equal(sampler_candidates(s), n);
            for (size_t i = 0; i < n; i++) {
                uint64_t weight;
                assert_int_equal(sampler_candidate(s, i, &weight), want[i]);
            }
        }
    }
    free(s);
}

/* A pick is a function of its arguments: not of what was picked before, nor of other tokens' scratch. */
static void test_pure(void **state)
{
    (void)state;
    static float logits[N], copy[N];
    int32_t first[50];
    struct sampler *s = make(N);
    struct error err = {0};
    struct sampling how = sampling_defaults();
    how.seed = 99;
    int different = 0;
    for (int i = 0; i < N; i++)
        copy[i] = logits[i] = (float)rnd(1000) * 0.001f;
    for (int i = 0; i < 50; i++)
        first[i] = sampler_pick(s, logits, NULL, &how, (uint64_t)i, 0, &err);
    for (int i = 49; i >= 0; i--) {
        assert_int_equal(sampler_pick(s, logits, NULL, &how, (uint64_t)i, 0, &err), first[i]);
        different += sampler_pick(s, logits, NULL, &how, (uint64_t)i, 1, &err) != first[i];
    }
    assert_in_range(different, 25, 50);
    assert_memory_equal(logits, copy, sizeof logits);
    free(s);
}

/* Parameters at the ends of their ranges keep at least one candidate. */
static void test_extremes(void **state)
{
    (void)state;
    float logits[4] = {3e38f, -3e38f, 3e38f, 0};
    const double temperatures[] = {1e-310, 1e-300, 1e-30, 1, 1e300}, ps[] = {-1, 0, 1e-300, 0.5, 1, 2};
    struct sampler *s = make(4);
    struct error err = {0};
    for (size_t t = 0; t < sizeof temperatures / sizeof *temperatures; t++)
        for (size_t p = 0; p < sizeof ps / sizeof *ps; p++)
            for (size_t m = 0; m < sizeof ps / sizeof *ps; m++) {
                struct sampling how = {temperatures[t], 0, ps[p], ps[m], 5};
                int32_t id = sampler_pick(s, logits, NULL, &how, 0, 0, &err);
                assert_in_range(id, 0, 3);
                assert_true(id == 0 || id == 2 || temperatures[t] == 1e300);
            }
    assert_int_equal(err.code, ERR_NONE);
    free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_greedy), cmocka_unit_test(test_non_finite), cmocka_unit_test(test_order),
        cmocka_unit_test(test_pure),   cmocka_unit_test(test_extremes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
