/* links: text format base */
/* The sampler at its edges; the chain against its cases: tests/sampling.c. */
#include "text/sampler/sampler.h"

#include "base/error.h"
#include "format/gguf.h"
#include "gguf_write.h"
#include "text/sampler/history.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
    return sampler_init(mem, n_vocab);
}

static int32_t pick(struct sampler *s, const float *logits, const uint8_t *allowed, const struct sampling *how,
                    uint64_t index, uint32_t choice, struct error *err)
{
    return sampler_pick(
        s, how, &(struct sampler_row){.logits = logits, .allowed = allowed, .index = index, .choice = choice}, err);
}

/* The stages that every user sets, the others off. */
static struct sampling usual(double temperature, int top_k, double top_p, double min_p, uint64_t number)
{
    struct sampling s = sampling_defaults();
    s.temperature = temperature;
    s.top_k = top_k;
    s.top_p = top_p;
    s.min_p = min_p;
    s.seed = number;
    return s;
}

static void test_greedy(void **state)
{
    (void)state;
    struct error err = {0};
    struct sampler *s = make(5);
    struct sampling greedy = usual(0, 40, 0.5, 0.1, 0);
    float logits[5] = {-0.0f, 0.0f, -INFINITY, -1, -2};
    const uint8_t not_first[5] = {0, 1, 1, 1, 1}, third[5] = {0, 0, 1, 0, 0}, none[5] = {0};
    assert_int_equal(pick(s, logits, NULL, &greedy, 0, 0, &err), 0); /* -0 and 0 are equal: the lowest id */
    assert_int_equal(pick(s, logits, not_first, &greedy, 0, 0, &err), 1);
    assert_int_equal(err.code, ERR_NONE);
    assert_int_equal(pick(s, logits, third, &greedy, 0, 0, &err), -1); /* -inf is no candidate */
    assert_int_equal(err.code, ERR_INPUT);
    err = (struct error){0};
    assert_int_equal(pick(s, logits, none, &greedy, 0, 0, &err), -1);
    assert_int_equal(err.code, ERR_INPUT);
    free(s);
}

static void test_non_finite(void **state)
{
    (void)state;
    const float bad[] = {NAN, -NAN, INFINITY};
    const uint8_t allowed[4] = {1, 1, 1, 0}; /* a token that is not allowed must be finite, too */
    struct sampler *s = make(4);
    struct sampling plain = usual(1, 0, 1, 0, 1), greedy = usual(0, 40, 0.5, 0.1, 0);
    const struct sampling *how[] = {&greedy, &plain};
    for (size_t i = 0; i < 3; i++)
        for (int h = 0; h < 2; h++) {
            float logits[4] = {1, 2, 3, bad[i]};
            struct error err = {0};
            assert_int_equal(pick(s, logits, allowed, how[h], 17, 0, &err), -1);
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
            struct sampling how = usual(1, ks[k], 1, 0, 3);
            assert_in_range(pick(s, logits, NULL, &how, (uint64_t)round, 0, &err), 0, N - 1);
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
        first[i] = pick(s, logits, NULL, &how, (uint64_t)i, 0, &err);
    for (int i = 49; i >= 0; i--) {
        assert_int_equal(pick(s, logits, NULL, &how, (uint64_t)i, 0, &err), first[i]);
        different += pick(s, logits, NULL, &how, (uint64_t)i, 1, &err) != first[i];
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
                struct sampling how = usual(temperatures[t], 0, ps[p], ps[m], 5);
                int32_t id = pick(s, logits, NULL, &how, 0, 0, &err);
                assert_in_range(id, 0, 3);
                assert_true(id == 0 || id == 2 || temperatures[t] == 1e300);
            }
    assert_int_equal(err.code, ERR_NONE);
    free(s);
}

/* ---- history against the plainest way to say it ------------------------------------------------------------------------------ */

static uint32_t slow_count(const int32_t *t, int n, int window, int32_t id)
{
    uint32_t count = 0;
    for (int i = window >= 0 && window < n ? n - window : 0; i < n; i++)
        count += t[i] == id;
    return count;
}

/* sampling.md: L(v) = max n_j over j with T[j + 1] = v, 0 where there is none of at least `allowed`. */
static uint32_t slow_match(const int32_t *t, int n, int window, int allowed, const uint8_t *breakers, int32_t v)
{
    if (window >= 0 && window < n) {
        t += n - window;
        n = window;
    }
    int free_run = 0, best = 0;
    while (free_run < n && !breakers[t[n - 1 - free_run]])
        free_run++;
    if (n <= allowed || free_run < allowed || breakers[v])
        return 0;
    for (int j = 0; j + 1 < n; j++) {
        int same = 0;
        while (same <= j && same < free_run && t[j - same] == t[n - 1 - same])
            same++;
        if (t[j + 1] == v && same >= allowed && same > best)
            best = same;
    }
    return (uint32_t)best;
}

struct matches {
    uint32_t length[8];
};
static void collect(void *arg, int32_t id, uint32_t length)
{
    struct matches *m = arg;
    assert_int_equal(m->length[id], 0);
    m->length[id] = length;
}

static void test_history(void **state)
{
    (void)state;
    enum { VOCAB = 8, MOST = 80 };
    for (int round = 0; round < 400; round++) {
        struct sampling how = sampling_defaults();
        uint8_t breakers[VOCAB] = {0};
        int32_t text[MOST];
        int n_vocab = 2 + (int)rnd(VOCAB - 1);
        how.repeat_penalty = 1.1;
        how.repeat_last_n = (int)rnd(3) ? 1 + (int)rnd(20) : -1;
        how.dry_multiplier = 1;
        how.dry_allowed_length = 1 + (int)rnd(4);
        how.dry_penalty_last_n = rnd(2) ? 1 + (int)rnd(40) : -1;
        breakers[rnd(VOCAB)] = (uint8_t)rnd(2);
        void *mem = NULL;
        assert_int_equal(posix_memalign(&mem, 64, sampler_history_bytes(&how, n_vocab, MOST)), 0);
        struct sampler_history *h = sampler_history_init(mem, &how, n_vocab, MOST, breakers);
        for (int n = 0; n < MOST; n++) {
            const int32_t *id;
            const uint32_t *count;
            struct matches m = {{0}};
            uint32_t n_id = history_repeated(h, &id, &count), distinct = 0;
            int asks = round % 2 || rnd(6) == 0; /* else many tokens come at once, as prompts do */
            if (asks)
                history_matches(h, &how, collect, &m);
            for (int32_t v = 0; asks && v < n_vocab; v++) {
                uint32_t want = slow_count(text, n, how.repeat_last_n, v);
                assert_int_equal(count[v], want);
                distinct += want > 0;
                assert_int_equal(m.length[v],
                                 slow_match(text, n, how.dry_penalty_last_n, how.dry_allowed_length, breakers, v));
            }
            assert_true(!asks || n_id == distinct);
            text[n] = (int32_t)rnd((uint32_t)n_vocab);
            if (n > 10 && rnd(2)) /* repeat a while */
                text[n] = text[n - 5];
            sampler_history_add(h, text[n]);
        }
        sampler_history_clear(h);
        sampler_history_add(h, 1);
        struct matches none = {{0}};
        history_matches(h, &how, collect, &none);
        assert_int_equal(none.length[0], 0);
        free(mem);
    }
}

/* A stage does the same whether it comes to a short list, to buckets, or to buckets already scaled. */
static void test_paths(void **state)
{
    (void)state;
    static float logits[N];
    struct sampler *s = make(N);
    struct error err = {0};
    for (int round = 0; round < 60; round++) {
        for (int i = 0; i < N; i++)
            logits[i] = (float)rnd(1 << 16) * 4e-4f - (round % 3 ? 0 : 13);
        struct sampling few = usual(1, 200, 1, rnd(2) ? 0.1 : 0, (uint64_t)round), many = few, scaled = few;
        assert_int_equal(sampling_set_order(&many, "min_p;top_k;temperature", 23, &err), 0);
        assert_int_equal(sampling_set_order(&scaled, "temperature;min_p;top_k", 23, &err), 0);
        int32_t a = pick(s, logits, NULL, &few, 7, 0, &err), b, c;
        size_t n = sampler_candidates(s);
        b = pick(s, logits, NULL, &many, 7, 0, &err);
        assert_int_equal(sampler_candidates(s), n);
        c = pick(s, logits, NULL, &scaled, 7, 0, &err);
        assert_int_equal(sampler_candidates(s), n);
        assert_true(a == b && b == c);
    }
    free(s);
}

static void test_bias(void **state)
{
    (void)state;
    float logits[4] = {1, 2, -INFINITY, 3};
    const struct logit_bias bias[] = {{0, 5}, {3, -INFINITY}, {2, 100}, {3, 50}, {77, 1}};
    struct sampler *s = make(4);
    struct error err = {0};
    struct sampling how = usual(0, 0, 1, 0, 1);
    struct sampler_row row = {.logits = logits, .bias = bias, .n_bias = 5};
    assert_int_equal(sampler_pick(s, &how, &row, &err), 0);
    how.temperature = 1;
    assert_int_equal(sampler_pick(s, &how, &row, &err), 0);
    assert_int_equal(sampler_candidates(s), 2); /* what is removed or -inf does not come back */
    row.n_bias = 0;
    assert_in_range(sampler_pick(s, &how, &row, &err), 0, 3);
    assert_int_equal(sampler_candidates(s), 3); /* nothing is left of the biases */
    free(s);
}

static void test_logprobs(void **state)
{
    (void)state;
    float logits[4] = {0, 1, 1, -INFINITY};
    struct sampler *s = make(4);
    struct token_logprob token = {.id = 0}, top[4];
    assert_int_equal(sampler_logprobs(s, logits, &token, top, 9), 3);
    double all = log(1 + 2 * exp(1));
    assert_true(fabs(token.logprob + all) < 1e-12);
    assert_true(top[0].id == 1 && top[1].id == 2 && top[2].id == 0);
    assert_true(fabs(top[1].logprob - (1 - all)) < 1e-12);
    free(s);
}

static void says(const struct sampling *s, const char *about)
{
    struct error err = {0};
    assert_int_equal(sampling_check(s, &err), -1);
    if (!strstr(err.text, about))
        fail_msg("\"%s\" does not mention %s", err.text, about);
}

static void test_ranges(void **state)
{
    (void)state;
    struct sampling good = sampling_defaults(), s;
    struct error err = {0};
    assert_int_equal(sampling_check(&good, &err), 0);
    s = good;
    s.temperature = NAN;
    says(&s, "temperature");
    s = good;
    s.temperature = 2e6F;
    says(&s, "temperature");
    s.temperature = -1; /* greedy, as on the command line; requests may not */
    assert_int_equal(sampling_check(&s, &err), 0);
    struct sampling_range asked;
    assert_int_equal(sampling_range("temperature", 1, &asked), 0);
    assert_true(asked.min == 0);
    s = good;
    s.top_p = 1.5;
    says(&s, "top_p");
    s = good;
    s.min_p = -0.1;
    says(&s, "min_p");
    s = good;
    s.repeat_penalty = 0;
    says(&s, "repeat_penalty");
    s = good;
    s.repeat_last_n = -2;
    says(&s, "repeat_last_n");
    s = good;
    s.frequency_penalty = INFINITY;
    says(&s, "frequency_penalty");
    s = good;
    s.mirostat = 1;
    says(&s, "mirostat");
    assert_int_equal(sampling_set_order(&s, "top_k,nonsense", 14, &err), -1);
    assert_non_null(strstr(err.text, "nonsense"));
    err = (struct error){0};
    assert_int_equal(sampling_set_order(&s, "top_k,top_k", 11, &err), -1);
    assert_non_null(strstr(err.text, "twice"));
}

static void test_advice(void **state)
{
    (void)state;
    char path[] = "/tmp/stoker_advice_XXXXXX";
    struct gguf_writer w;
    struct gguf *g = NULL;
    struct error err = {0};
    close(mkstemp(path));
    gguf_write_begin(&w, path, 32);
    gguf_write_string(&w, "general.architecture", "llama", 5);
    gguf_write_f32(&w, "general.sampling.temp", 0.25f);
    gguf_write_u32(&w, "general.sampling.top_k", 20);
    gguf_write_f32(&w, "general.sampling.top_p", 7);
    gguf_write_string(&w, "general.sampling.sequence", "penalties;top_p;temperature", 27);
    assert_int_equal(gguf_write_end(&w, &err), 0);
    assert_int_equal(gguf_open(&g, path, &err), 0);
    struct sampling s = sampling_defaults();
    sampling_read(&s, g);
    assert_true(s.temperature == 0.25 && s.top_k == 20 && s.top_p == 0.95 && s.min_p == 0.05);
    assert_memory_equal(s.order, ((const uint8_t[]){STAGE_TOP_P, STAGE_TEMPERATURE, STAGE_END}), 3);
    gguf_close(g);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_greedy), cmocka_unit_test(test_non_finite), cmocka_unit_test(test_order),
        cmocka_unit_test(test_pure),   cmocka_unit_test(test_extremes),   cmocka_unit_test(test_history),
        cmocka_unit_test(test_paths),  cmocka_unit_test(test_bias),       cmocka_unit_test(test_logprobs),
        cmocka_unit_test(test_ranges), cmocka_unit_test(test_advice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
