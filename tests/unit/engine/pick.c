/* links: engine text model store op machine kernel format base */
/* Sampling as a request asks for it, through the public API; the chain itself: tests/sampling.c, tests/unit/text/sampler/sampler.c. */
#include "stoker.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static const char *const small = TEST_DATA "/golden/qwen3moe.gguf", *const ember = "models/ember/ember.gguf";

enum { N_VOCAB = 264, MOST = 400 };

static const stoker_token prompt[] = {72, 101, 108, 108, 111, 32, 72, 101, 108, 108};

static struct stoker *engine(const char *path, int n_parallel)
{
    struct stoker *s = NULL;
    struct stoker_error err = {0};
    const struct stoker_options o = {
        .memory = STOKER_MEMORY_MAX, .n_ctx = 512, .n_parallel = n_parallel, .n_threads = 2};
    if (stoker_open(&s, path, &o, &err))
        fail_msg("%s", err.text);
    return s;
}

static struct stoker_request request(double temperature, int max_tokens)
{
    struct stoker_request r = {.prompt = prompt,
                               .n_prompt = sizeof prompt / sizeof *prompt,
                               .max_tokens = max_tokens,
                               .sampling = stoker_sampling_defaults(),
                               .ignore_end = 1};
    r.sampling.temperature = temperature;
    r.sampling.seed = 5;
    r.sampling.has_seed = 1;
    return r;
}

struct answer {
    stoker_token id[MOST];
    double logprob[MOST];
    struct stoker_logprob top[MOST][STOKER_TOP];
    size_t n_top[MOST];
    int n;
    struct stoker_event end;
};

static stoker_id submit(struct stoker *s, const struct stoker_request *r)
{
    struct stoker_error err = {0};
    stoker_id id;
    if (stoker_submit(s, r, &id, &err))
        fail_msg("%s", err.text);
    return id;
}

static void collect(struct stoker *s, stoker_id id, struct answer *a)
{
    memset(a, 0, sizeof *a);
    while (stoker_next_event(s, id, -1, &a->end) == 1) {
        if (a->end.kind == STOKER_FAILED)
            fail_msg("%s", a->end.error.text);
        if (a->end.kind != STOKER_TOKEN)
            continue;
        a->id[a->n] = a->end.u.token.id;
        a->logprob[a->n] = a->end.u.token.logprob;
        a->n_top[a->n] = a->end.u.token.n_top;
        for (size_t i = 0; i < a->end.u.token.n_top; i++)
            a->top[a->n][i] = a->end.u.token.top[i];
        a->n++;
    }
}

static void ask(struct stoker *s, const struct stoker_request *r, struct answer *a) { collect(s, submit(s, r), a); }

static void expect_same(const struct answer *a, const struct answer *b)
{
    assert_int_equal(a->n, b->n);
    assert_memory_equal(a->id, b->id, sizeof a->id);
}

static int same(const struct answer *a, const struct answer *b)
{
    return a->n == b->n && memcmp(a->id, b->id, sizeof a->id) == 0;
}

/* ---- log-probabilities ------------------------------------------------------------------------------------------------------ */

static void expect_order(const struct answer *a, int i, size_t n)
{
    assert_int_equal(a->n_top[i], n);
    double sum = 0;
    for (size_t k = 0; k < n; k++) {
        const struct stoker_logprob *t = &a->top[i][k];
        sum += exp(t->logprob);
        if (k > 0)
            assert_true(t[-1].logprob > t->logprob || (t[-1].logprob == t->logprob && t[-1].id < t->id));
        if (t->id == a->id[i])
            assert_true(t->logprob == a->logprob[i]);
    }
    assert_true(sum > 0 && sum < 1);
}

/* Temperature, bias and penalties choose other tokens; the log-probabilities of the first place stay the same. */
static void likelihood_is_the_models_own(void **state)
{
    (void)state;
    static struct answer plain, other;
    struct stoker *s = engine(small, 1);
    struct stoker_request r = request(0, 20);
    r.wants_logprobs = 1;
    r.n_top_logprobs = STOKER_TOP;
    ask(s, &r, &plain);
    for (int i = 0; i < plain.n; i++) {
        expect_order(&plain, i, STOKER_TOP);
        assert_int_equal(plain.top[i][0].id, plain.id[i]);
    }
    struct stoker_logit_bias bias = {plain.top[0][7].id, 100};
    r.sampling.temperature = 3;
    r.sampling.bias = &bias;
    r.sampling.n_bias = 1;
    r.sampling.frequency_penalty = 1;
    ask(s, &r, &other);
    assert_int_equal(other.id[0], bias.id);
    assert_true(other.logprob[0] == plain.top[0][7].logprob);
    for (int k = 0; k < STOKER_TOP; k++)
        assert_true(other.top[0][k].id == plain.top[0][k].id && other.top[0][k].logprob == plain.top[0][k].logprob);

    r.n_top_logprobs = 0;
    ask(s, &r, &plain);
    assert_true(plain.logprob[0] == other.logprob[0]);
    assert_int_equal(plain.n_top[0], 0);
    r.wants_logprobs = 0;
    ask(s, &r, &plain);
    assert_true(plain.logprob[0] == 0);
    stoker_close(s);
}

/* Forbidding the likeliest token again and again reveals nearly the whole vocabulary: the probabilities sum to one. */
static void likelihoods_sum_up(void **state)
{
    (void)state;
    static struct answer a;
    double sum = 0;
    struct stoker_logit_bias bias[N_VOCAB];
    struct stoker *s = engine(small, 1);
    struct stoker_request r = request(0, 1);
    r.wants_logprobs = 1;
    r.sampling.bias = bias;
    for (; r.sampling.n_bias < N_VOCAB - 10; r.sampling.n_bias++) { /* some control tokens are never picked */
        ask(s, &r, &a);
        sum += exp(a.logprob[0]);
        bias[r.sampling.n_bias] = (struct stoker_logit_bias){a.id[0], -INFINITY};
    }
    assert_true(sum > 0.9 && sum <= 1 + 1e-9);
    stoker_close(s);
}

/* A slow caller: the engine waits while the queue is full, and events that were handed out stay valid. */
static void late_reader(void **state)
{
    (void)state;
    static struct answer prompt_one, late;
    struct stoker *s = engine(small, 1);
    struct stoker_request r = request(0, MOST);
    r.wants_logprobs = 1;
    r.n_top_logprobs = 3;
    ask(s, &r, &prompt_one);
    stoker_id id = submit(s, &r);
    nanosleep(&(struct timespec){1, 0}, NULL);
    collect(s, id, &late);
    assert_int_equal(late.n, MOST);
    expect_same(&prompt_one, &late);
    assert_memory_equal(prompt_one.top, late.top, sizeof late.top);
    stoker_close(s);
}

/* ---- choosing -------------------------------------------------------------------------------------------------------------- */

static void choices_of_one_seed(void **state)
{
    (void)state;
    static struct answer a[4], again;
    struct stoker *s = engine(small, 4);
    stoker_id id[4];
    struct stoker_request r = request(1.5, 30);
    r.sampling.seed = UINT64_MAX;
    for (uint32_t i = 0; i < 4; i++) {
        r.sampling.choice = i;
        id[i] = submit(s, &r);
    }
    for (int i = 0; i < 4; i++) {
        collect(s, id[i], &a[i]);
        assert_true(a[i].end.u.end.seed == UINT64_MAX);
        for (int k = 0; k < i; k++)
            assert_false(same(&a[i], &a[k]));
    }
    r.sampling.choice = 2;
    ask(s, &r, &again);
    expect_same(&a[2], &again);
    r.sampling.seed = UINT64_MAX - 1;
    ask(s, &r, &again);
    assert_false(same(&a[2], &again));
    stoker_close(s);
}

static void drawn_seeds_differ(void **state)
{
    (void)state;
    static struct answer a, b;
    struct stoker *s = engine(small, 1);
    struct stoker_request r = request(1, 20);
    r.sampling.has_seed = 0;
    ask(s, &r, &a);
    ask(s, &r, &b);
    assert_true(a.end.u.end.seed != b.end.u.end.seed && a.end.u.end.seed < UINT64_C(1) << 53);
    r.sampling.has_seed = 1;
    r.sampling.seed = a.end.u.end.seed;
    ask(s, &r, &b);
    expect_same(&a, &b);
    assert_true(stoker_seed() < UINT64_C(1) << 53);
    stoker_close(s);
}

/* The bias is copied at submit. */
static void bias_is_copied(void **state)
{
    (void)state;
    static struct answer plain, without, only;
    struct stoker *s = engine(small, 1);
    struct stoker_request r = request(0, 10);
    ask(s, &r, &plain);
    struct stoker_logit_bias bias[2] = {{plain.id[0], -INFINITY}, {33, 50}};
    r.sampling.bias = bias;
    r.sampling.n_bias = 1;
    stoker_id id = submit(s, &r);
    bias[0].bias = 100;
    collect(s, id, &without);
    for (int i = 0; i < without.n; i++)
        assert_int_not_equal(without.id[i], plain.id[0]);
    bias[0] = (struct stoker_logit_bias){33, 50}; /* twice: they add up */
    r.sampling.n_bias = 2;
    ask(s, &r, &only);
    for (int i = 0; i < only.n; i++)
        assert_int_equal(only.id[i], 33);
    stoker_close(s);
}

static int occurs(const stoker_token *id, int n, stoker_token which)
{
    for (int i = 0; i < n; i++)
        if (id[i] == which)
            return 1;
    return 0;
}

/* Penalties see prompt and answer, and nothing of the request that used the sequence before. */
static void penalties(void **state)
{
    (void)state;
    static struct answer plain, first, second, fresh;
    struct stoker *s = engine(small, 1);
    struct stoker_request r = request(0, 100);
    r.sampling.presence_penalty = 1000;
    r.sampling.repeat_last_n = -1;
    ask(s, &r, &first);
    for (int i = 0; i < first.n; i++)
        assert_false(occurs(first.id, i, first.id[i]) || occurs(prompt, (int)r.n_prompt, first.id[i]));
    r.prompt = first.id;
    r.n_prompt = 50;
    r.sampling.repeat_last_n = 30;
    ask(s, &r, &second);
    for (int i = 30; i < second.n; i++)
        assert_false(occurs(second.id + i - 30, 30, second.id[i]));
    stoker_close(s);

    s = engine(small, 1);
    ask(s, &r, &fresh);
    expect_same(&second, &fresh);
    r.sampling.presence_penalty = 0;
    ask(s, &r, &plain);
    assert_false(same(&second, &plain));
    stoker_close(s);
}

/* No three tokens in a row come twice, unless a breaker stands between. */
static int repeats(const struct answer *a)
{
    int n = 0;
    for (int i = 0; i + 3 <= a->n; i++)
        for (int k = 0; k < i; k++)
            n += memcmp(a->id + i, a->id + k, 3 * sizeof *a->id) == 0;
    return n;
}

static void dry(void **state)
{
    (void)state;
    static struct answer plain, a, b;
    char text[N_VOCAB][2];
    struct stoker_string breaker[64];
    struct stoker *s = engine(small, 1);
    struct stoker_request r = request(0, MOST);
    ask(s, &r, &plain);
    assert_true(repeats(&plain) > 0);
    r.sampling.dry_multiplier = 1000;
    r.sampling.dry_breakers = breaker; /* none */
    ask(s, &r, &a);
    assert_int_equal(repeats(&a), 0);
    for (int i = 0; i < 64; i++) { /* every second printable character */
        text[i][0] = (char)(32 + 2 * i % 94);
        breaker[i] = (struct stoker_string){text[i], 1};
    }
    r.sampling.n_dry_breakers = 64;
    stoker_id id = submit(s, &r);
    memset(text, 0, sizeof text);
    collect(s, id, &b);
    assert_false(same(&a, &b));

    static const struct stoker_string usual[] = {{"\n", 1}, {":", 1}, {"\"", 1}, {"*", 1}};
    r.sampling.dry_breakers = NULL;
    ask(s, &r, &a);
    assert_false(same(&a, &b)); /* tables of the earlier request were cleared */
    r.sampling.dry_breakers = usual;
    r.sampling.n_dry_breakers = 4;
    ask(s, &r, &b);
    expect_same(&a, &b);
    stoker_close(s);
}

static void stages_and_their_order(void **state)
{
    (void)state;
    static struct answer greedy, a;
    struct stoker_error err;
    struct stoker *s = engine(small, 1);
    struct stoker_request r = request(0, 40);
    ask(s, &r, &greedy);
    static const struct {
        const char *name;
        double value;
    } one[] = {{"top_k", 1}, {"top_p", 1e-9}, {"min_p", 1}, {"top_n_sigma", 0}};
    for (size_t i = 0; i < sizeof one / sizeof *one; i++) { /* each leaves the likeliest alone, however hot it is */
        r = request(3, 40);
        assert_int_equal(stoker_sampling_set(&r.sampling, one[i].name, one[i].value, &err), 0);
        ask(s, &r, &a);
        expect_same(&greedy, &a);
        assert_int_equal(stoker_sampling_order(&r.sampling, "temperature;typical_p", 21, &err), 0);
        ask(s, &r, &a); /* left out */
        assert_false(same(&greedy, &a));
    }
    r = request(3, 40);
    r.sampling.xtc_probability = 1;
    r.sampling.xtc_threshold = 1e-9;
    r.sampling.top_k = 2;
    r.sampling.top_p = 1;
    r.sampling.min_p = 0;
    ask(s, &r, &a); /* drops the likelier of two */
    assert_int_not_equal(a.id[0], greedy.id[0]);
    r = request(1, 40);
    r.sampling.mirostat = 2;
    r.sampling.mirostat_tau = 0;
    r.sampling.mirostat_eta = 0;
    ask(s, &r, &a);
    expect_same(&greedy, &a);
    r.sampling = (struct stoker_sampling){0}; /* nothing filled in */
    ask(s, &r, &a);
    expect_same(&greedy, &a);
    stoker_close(s);
}

/* ---- what is refused -------------------------------------------------------------------------------------------------------- */

static void expect_refused(struct stoker *s, const struct stoker_request *r, const char *sentence)
{
    struct stoker_error err = {0};
    stoker_id id;
    assert_int_equal(stoker_submit(s, r, &id, &err), -1);
    assert_int_equal(err.code, STOKER_ERR_INPUT);
    if (!strstr(err.text, sentence))
        fail_msg("%s: %s", sentence, err.text);
}

static void refusals(void **state)
{
    (void)state;
    struct stoker_error err = {0};
    struct stoker *s = engine(small, 1);
    struct stoker_request r = request(NAN, 1);
    expect_refused(s, &r, "temperature is nan; it must be a finite number from -1");
    r = request(1, 1);
    r.sampling.top_p = 2;
    expect_refused(s, &r, "top_p is 2; it must be a finite number from 0 to 1");
    r = request(1, 1);
    r.sampling.mirostat = 1;
    expect_refused(s, &r, "mirostat is 1");
    r = request(1, 1);
    r.wants_logprobs = 1;
    r.n_top_logprobs = STOKER_TOP + 1;
    expect_refused(s, &r, "21 likeliest tokens are asked for; from 0 to 20");
    static const struct {
        struct stoker_logit_bias bias;
        const char *sentence;
    } biases[] = {{{N_VOCAB, 1}, "logit_bias names token 264; the vocabulary has ids 0 to 263"},
                  {{-1, 1}, "logit_bias names token -1"},
                  {{0, INFINITY}, "logit_bias of token 0 is inf"},
                  {{0, NAN}, "logit_bias of token 0 is"}};
    for (size_t i = 0; i < sizeof biases / sizeof *biases; i++) {
        r = request(1, 1);
        r.sampling.bias = &biases[i].bias;
        r.sampling.n_bias = 1;
        expect_refused(s, &r, biases[i].sentence);
    }
    static struct stoker_logit_bias many[STOKER_BIAS_MOST + 1];
    r = request(1, 1);
    r.sampling.bias = many;
    r.sampling.n_bias = STOKER_BIAS_MOST + 1;
    expect_refused(s, &r, "logit_bias has 1025 entries; at most 1024 are possible");
    static struct stoker_string texts[65];
    static char long_text[4097];
    r = request(1, 1);
    r.sampling.dry_multiplier = 1;
    r.sampling.dry_breakers = texts;
    r.sampling.n_dry_breakers = 65;
    expect_refused(s, &r, "dry_sequence_breakers has 65 texts; at most 64 are possible, of 4096 bytes together");
    texts[0] = (struct stoker_string){long_text, sizeof long_text};
    r.sampling.n_dry_breakers = 1;
    expect_refused(s, &r, "at most 64 are possible, of 4096 bytes together");
    struct stoker_sampling d = stoker_sampling_defaults();
    assert_int_equal(stoker_sampling_set(&d, "seed", 1, &err), -1);
    assert_non_null(strstr(err.text, "seed is not a number of sampling"));
    assert_int_equal(stoker_sampling_set(&d, "top_k", 1.5, &err), -1);
    assert_non_null(strstr(err.text, "top_k is 1.5; it must be a whole number"));
    assert_int_equal(stoker_sampling_order(&d, "top_k,top_k", 11, &err), -1);
    assert_non_null(strstr(err.text, "\"top_k\" twice"));
    stoker_close(s);
}

/* Every token forbidden: the request fails, the next one does not. */
static void nothing_allowed(void **state)
{
    (void)state;
    static struct answer a;
    struct stoker_logit_bias bias[N_VOCAB];
    struct stoker_error err;
    stoker_id id;
    struct stoker *s = engine(small, 1);
    struct stoker_request r = request(1, 5);
    for (int i = 0; i < N_VOCAB; i++)
        bias[i] = (struct stoker_logit_bias){i, -INFINITY};
    r.sampling.bias = bias;
    r.sampling.n_bias = N_VOCAB;
    assert_int_equal(stoker_submit(s, &r, &id, &err), -1);
    assert_int_equal(err.code, STOKER_ERR_INPUT);
    assert_string_equal(err.text, "logit_bias forbids every token that may follow at position 0");
    bias[7].bias = -1e6;
    ask(s, &r, &a);
    assert_int_equal(a.n, 5);
    for (int i = 0; i < a.n; i++)
        assert_int_equal(a.id[i], 7);
    r.sampling.n_bias = 0;
    ask(s, &r, &a);
    assert_int_equal(a.n, 5);
    stoker_close(s);
}

/* ---- what a file advises ---------------------------------------------------------------------------------------------------- */

/* The embedded model with one key renamed, as long as before. */
static char *advising(void)
{
    static const char old[] = "tokenizer.ggml.padding_token_id", key[] = "general.sampling.penalty_last_n";
    static char path[] = "/tmp/stoker-pick-XXXXXX";
    FILE *f = fopen(ember, "rb");
    assert_non_null(f);
    fseek(f, 0, SEEK_END);
    size_t n = (size_t)ftell(f);
    char *bytes = malloc(n);
    rewind(f);
    assert_int_equal(fread(bytes, 1, n, f), n);
    fclose(f);
    char *at = memmem(bytes, n, old, sizeof old - 1);
    assert_non_null(at);
    memcpy(at, key, sizeof key - 1);
    int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, bytes, n) == (ssize_t)n && close(fd) == 0);
    free(bytes);
    return path;
}

static void advice_of_a_file(void **state)
{
    (void)state;
    char *path = advising();
    struct stoker *s = engine(path, 1);
    struct stoker_sampling a = stoker_sampling_of(s), d = stoker_sampling_defaults();
    unlink(path);
    assert_int_equal(d.repeat_last_n, 64);
    assert_int_equal(a.repeat_last_n, 4087);
    a.repeat_last_n = 64;
    assert_memory_equal(&a, &d, sizeof a);
    stoker_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(likelihood_is_the_models_own),
        cmocka_unit_test(likelihoods_sum_up),
        cmocka_unit_test(late_reader),
        cmocka_unit_test(choices_of_one_seed),
        cmocka_unit_test(drawn_seeds_differ),
        cmocka_unit_test(bias_is_copied),
        cmocka_unit_test(penalties),
        cmocka_unit_test(dry),
        cmocka_unit_test(stages_and_their_order),
        cmocka_unit_test(refusals),
        cmocka_unit_test(nothing_allowed),
        cmocka_unit_test(advice_of_a_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
