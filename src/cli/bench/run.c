/* A test of `stoker bench`: see bench.h. As llama-bench measures: prompts (pp) until the first token is chosen, generation (tg) of
 * ids that are given, so that nothing is sampled. Depth is a prefix that was computed before: what the engine does not find of it
 * again counts as tokens of the test. */
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "cli/bench/bench.h"
#include "cli/bench/core_wait.h"
#include "cli/common/cli.h"
#include "cli/common/progress.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static uint64_t next_random(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15u; /* SplitMix64 */
    uint64_t z = (*state ^ *state >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* ---- engines ---------------------------------------------------------------------------------------------------------------- */

static int fail(struct stoker_error *err, const char *sentence)
{
    *err = (struct stoker_error){STOKER_ERR_MEMORY, ""};
    snprintf(err->text, sizeof err->text, "%s", sentence);
    return -1;
}

static int read_text(struct bench *b, struct stoker_error *err)
{
    enum { MOST = 64 << 20 };
    struct error why = {0};
    size_t n;
    char *text = file_read_regular(b->text, MOST, &n, &why);
    int failed = !text;
    if (failed) {
        *err = (struct stoker_error){STOKER_ERR_IO, ""};
        snprintf(err->text, sizeof err->text, "--text %.400s", why.text);
    } else {
        failed = stoker_tokenize(b->engine, text, n, 0, 0, &b->id, &b->n_id, err);
    }
    free(text);
    if (!failed && b->n_id == 0) {
        *err = (struct stoker_error){STOKER_ERR_INPUT, ""};
        snprintf(err->text, sizeof err->text, "--text %.300s: has no token", b->text);
        failed = -1;
    }
    return failed ? -1 : 0;
}

static int read_schema(struct bench *b, struct stoker_error *err)
{
    enum { MOST = 1 << 20 };
    struct error why = {0};
    size_t n;
    char *text = file_read_regular(b->schema, MOST, &n, &why);
    if (!text) {
        *err = (struct stoker_error){STOKER_ERR_IO, ""};
        snprintf(err->text, sizeof err->text, "--schema %.400s", why.text);
        return -1;
    }
    struct stoker_answer answer = {.language = STOKER_JSON_SCHEMA, .text = text, .n = n, .free_limit = 1};
    int failed = stoker_constraint_open(&b->constraint, b->engine, &answer, err);
    free(text);
    return failed;
}

static void find_bos(struct bench *b)
{
    struct stoker_error none;
    stoker_token *id = NULL;
    size_t n = 0;
    b->bos = stoker_tokenize(b->engine, "", 0, 1, 0, &id, &n, &none) == 0 && n > 0 ? id[0] : -1;
    stoker_free(id);
}

int bench_open(struct bench *b, struct stoker_error *err)
{
    struct progress loading;
    progress_begin(&loading, "loading", PROGRESS_BYTES, 0);
    b->options.progress = progress_show_loading;
    b->options.progress_arg = &loading;
    int failed = stoker_open(&b->engine, b->model, &b->options, err);
    progress_end(&loading);
    if (failed)
        return -1;
    stoker_plan_of(b->engine, &b->plan);
    stoker_encoder_of(b->engine, &b->encoder);
    find_bos(b);
    if (steer_flags_open("bench", &b->steer, b->engine, err) || (b->text && !b->id && read_text(b, err)) ||
        (b->schema && read_schema(b, err)) || stoker_about(&b->about, b->model, err)) {
        bench_close(b);
        return -1;
    }
    return 0;
}

void bench_close(struct bench *b)
{
    steer_flags_close(&b->steer);
    if (b->constraint)
        stoker_constraint_close(b->engine, b->constraint);
    b->constraint = NULL;
    stoker_close(b->engine);
    b->engine = NULL;
    stoker_free(b->id);
    b->id = NULL;
    b->n_id = 0;
}

/* ---- runs ------------------------------------------------------------------------------------------------------------------- */

void bench_ids(const struct bench *b, stoker_token *id, size_t n, size_t same, uint64_t number)
{
    uint64_t common = 1, own = number + 2, at = own * 1009;
    uint64_t n_vocab = (uint64_t)stoker_n_vocab(b->engine);
    for (size_t i = 0; i < n; i++) {
        if (b->n_id)
            id[i] = b->id[(i < same || b->in_order ? i : at + i) % b->n_id];
        else
            id[i] = (stoker_token)(next_random(i < same ? &common : &own) % n_vocab);
    }
    if (b->bos >= 0)
        id[0] = b->bos;
}

/* The depth is computed, and remembered to its last position. */
static int go_down(struct bench *b, const stoker_token *id, const size_t *depth, struct stoker_error *err)
{
    struct stoker_request r = {.prompt = id,
                               .n_prompt = *depth,
                               .max_tokens = 1,
                               .ignore_end = 1,
                               .script = id,
                               .snapshot_at = depth,
                               .n_snapshot_at = 1,
                               .steer = b->steer.list,
                               .n_steer = b->steer.n_list};
    return stoker_generate(b->engine, &r, NULL, NULL, NULL, err);
}

/* Threads that wait for others, and reads that go on meanwhile, make a wait for a core cost less than it is long. */
static double waited_alone(const struct bench *b, const struct bench_run *run, const struct core_wait *before)
{
    struct core_wait after;
    if (b->plan.n_threads != 1 || run->after.reads != run->before.reads)
        return -1;
    core_wait_now(&after, "");
    return core_wait_between(before, &after);
}

/* A text that began anew would repeat itself, which is what drafts live on. An answer under a schema is whole. */
static int check_text(const struct bench *b, size_t n, int n_gen, struct stoker_error *err)
{
    int too_few = b->in_order && n > b->n_id, too_many = b->schema && (size_t)n_gen < b->n_id;
    if (!too_few && !too_many)
        return 0;
    *err = (struct stoker_error){STOKER_ERR_INPUT, ""};
    snprintf(
        err->text, sizeof err->text,
        too_few
            ? "--text %.300s: has %zu tokens, and a test with --in-order takes %zu: give a longer one, or a smaller -n"
            : "--text %.300s: has %zu tokens, and with --schema all of them are the answer: give -n %zu",
        b->text, b->n_id, too_few ? n : b->n_id);
    return -1;
}

/* The ids of a run: what comes before the answer, and the answer. Returns what it may be, or NULL. */
static const struct stoker_constraint *fill(const struct bench *b, const struct bench_test *t, stoker_token *id,
                                            size_t prompt, int n_gen, uint64_t number)
{
    size_t n = prompt + (size_t)n_gen + 1;
    bench_ids(b, id, n, (size_t)t->n_depth, number);
    if (!b->schema || n_gen != t->n_gen) /* what warms up is no whole answer */
        return NULL;
    for (size_t i = 0; i < n - prompt; i++)
        id[prompt + i] = b->id[i < b->n_id ? i : b->n_id - 1];
    return b->constraint;
}

/* ---- texts ------------------------------------------------------------------------------------------------------------------ */

int bench_embed(struct bench *b, const stoker_token *id, size_t n, float *out, struct stoker_error *err)
{
    struct stoker_tokens *text = calloc((size_t)b->n_texts, sizeof *text);
    struct stoker_event ev;
    stoker_id request;
    if (!text)
        return fail(err, "no memory for the texts of a run");
    for (int i = 0; i < b->n_texts; i++)
        text[i] = (struct stoker_tokens){id + (size_t)i * n, n};
    const struct stoker_embed e = {.text = text, .n_text = (size_t)b->n_texts, .out = out};
    int failed = stoker_submit_embed(b->engine, &e, &request, err);
    while (!failed && stoker_next_event(b->engine, request, -1, &ev) == 1)
        if (ev.kind == STOKER_FAILED) {
            *err = ev.error;
            failed = -1;
        }
    free(text);
    return failed;
}

/* From the request to its last vector. */
static int time_texts(struct bench *b, const struct bench_test *t, const stoker_token *id, float *out,
                      struct bench_run *run, struct stoker_error *err)
{
    struct core_wait before;
    stoker_stats_of(b->engine, &run->before);
    run->begun = run->before;
    core_wait_now(&before, "");
    double begin = clock_seconds();
    if (bench_embed(b, id, (size_t)t->n_prompt, out, err))
        return -1;
    run->seconds = clock_seconds() - begin;
    run->n_prompt = b->n_texts * t->n_prompt;
    run->n_answer = 0;
    run->tokens = run->n_prompt;
    stoker_stats_of(b->engine, &run->after);
    run->waited = waited_alone(b, run, &before);
    return 0;
}

static int run_texts(struct bench *b, const struct bench_test *t, uint64_t number, struct bench_run *run,
                     struct stoker_error *err)
{
    size_t n = (size_t)t->n_prompt, n_text = (size_t)b->n_texts,
           rows = strcmp(b->encoder.pooling, "none") == 0 ? n * n_text : n_text;
    stoker_token *id = malloc(n * n_text * sizeof *id);
    float *out = malloc(rows * b->encoder.n_out * sizeof *out);
    for (size_t i = 0; id && i < n_text; i++)
        bench_ids(b, id + i * n, n, 0, number * n_text + i);
    int failed = id && out ? time_texts(b, t, id, out, run, err) : fail(err, "no memory for the texts of a run");
    free(id);
    free(out);
    return failed;
}

/* ---- prompts and answers ---------------------------------------------------------------------------------------------------- */

/* Where the answer alone is timed, its time begins with the first token, which the prompt's last step gave. */
struct first_token {
    struct stoker *engine;
    struct stoker_stats *out; /* NULL: there was one, or nobody wants to know */
};

static int on_token(void *arg, stoker_token id)
{
    struct first_token *first = arg;
    (void)id;
    if (first->out)
        stoker_stats_of(first->engine, first->out);
    first->out = NULL;
    return 0;
}

static int run_prompt(struct bench *b, const struct bench_test *t, int n_gen, uint64_t number, struct bench_run *run,
                      struct stoker_error *err)
{
    size_t depth = (size_t)t->n_depth, n = depth + (size_t)(t->n_prompt + n_gen) + 2;
    size_t prompt = depth + (t->n_prompt ? (size_t)t->n_prompt : 1);
    if (check_text(b, prompt + (size_t)(n_gen ? n_gen + 1 : 0), n_gen == t->n_gen ? n_gen : INT_MAX, err))
        return -1;
    stoker_token *id = malloc(n * sizeof *id);
    if (!id)
        return fail(err, "no memory for the ids of a run");
    const struct stoker_constraint *under = fill(b, t, id, prompt, n_gen, number);
    struct core_wait before;
    struct stoker_request r = {.prompt = id,
                               .n_prompt = prompt,
                               .max_tokens = n_gen ? n_gen + 1 : 1,
                               .ignore_end = 1,
                               .no_cache = depth == 0,
                               .script = id + prompt,
                               .draft_coin = 1 + b->draft_coin,
                               .constraint = under,
                               .steer = b->steer.list,
                               .n_steer = b->steer.n_list};
    struct stoker_event end;
    int failed = depth && go_down(b, id, &depth, err);
    stoker_stats_of(b->engine, &run->before);
    run->begun = run->before;
    struct first_token first = {b->engine, t->n_prompt ? NULL : &run->begun};
    core_wait_now(&before, "");
    failed = failed || stoker_generate(b->engine, &r, on_token, &first, &end, err);
    free(id);
    if (failed)
        return -1;
    stoker_stats_of(b->engine, &run->after);
    if (run->begun.steps == run->after.steps) /* the token was seen when all was over */
        run->begun = run->before;
    run->waited = waited_alone(b, run, &before);
    run->seconds = (t->n_prompt ? end.u.end.prompt_seconds : 0) + (n_gen ? end.u.end.generate_seconds : 0);
    run->n_prompt = (int)(end.u.end.n_prompt - end.u.end.n_cached);
    run->n_answer = under ? (int)end.u.end.n_generated - 1 : n_gen;
    run->tokens = (t->n_prompt ? run->n_prompt : 0) + run->n_answer;
    return 0;
}

static int run_once(struct bench *b, const struct bench_test *t, int n_gen, uint64_t number, struct bench_run *run,
                    struct stoker_error *err)
{
    return b->encoder.n_out ? run_texts(b, t, number, run, err) : run_prompt(b, t, n_gen, number, run, err);
}

/* ---- tests ------------------------------------------------------------------------------------------------------------------ */

enum { WARM_TOKENS = 64, WARM_MOST = 32, WARM_SECONDS = 120 }; /* of a pass; passes; of all, at most */

/* Runs what the test runs until the hit rate of WARM_TOKENS tokens is within a point of that of those before them: a cache that fills would
 * make each repetition faster than the last. Where no expert streams, or all are there, one pass shows it. */
static int warm_experts(struct bench *b, const struct bench_test *t, const char *progress, struct stoker_error *err)
{
    struct bench_test pass = {.n_depth = t->n_depth, .n_prompt = t->n_gen ? 0 : t->n_prompt};
    const int step = t->n_gen ? t->n_gen : t->n_prompt;
    double rate = -1, before = -1, until = clock_seconds() + WARM_SECONDS;
    int i = 0;
    for (; i < WARM_MOST && clock_seconds() < until; i++) {
        struct stoker_stats begin, end;
        if (progress)
            fprintf(stderr, "stoker bench: %s, warming up, %d tokens\n", progress, i * WARM_TOKENS);
        stoker_stats_of(b->engine, &begin);
        for (int n = 0; n < WARM_TOKENS; n += step) { /* the context is as long as the test needs it */
            struct bench_run run;
            int left = WARM_TOKENS - n, n_gen = left < t->n_gen ? left : t->n_gen;
            if (run_once(b, &pass, n_gen, (uint64_t)(BENCH_RUNS + i * WARM_TOKENS + n), &run, err))
                return -1;
        }
        stoker_stats_of(b->engine, &end);
        double hits = (double)(end.hits - begin.hits), misses = (double)(end.misses - begin.misses);
        before = rate;
        rate = misses > 0 ? hits / (hits + misses) : 1;
        if (rate == 1 || fabs(rate - before) < 0.01)
            return 0;
    }
    fprintf(stderr,
            "stoker bench: warming up was cut after %d tokens: the hit rate still went from %.1f %% to %.1f %%\n",
            i * WARM_TOKENS, before * 100, rate * 100);
    return 0;
}

static int warm_up(struct bench *b, const struct bench_test *t, const char *progress, struct stoker_error *err)
{
    struct bench_run run;
    /* a long prompt meets most experts in one run */
    const int is_short = t->n_gen || (t->n_prompt > 0 && t->n_prompt < WARM_TOKENS);
    if (is_short && b->plan.n_class && warm_experts(b, t, progress, err))
        return -1;
    return run_once(b, t, t->n_gen ? 1 : 0, 0, &run, err);
}

static void show_run(const struct bench *b, const struct bench_test *t, const char *progress)
{
    double seconds = 0;
    for (int i = 0; i < t->n; i++)
        seconds += t->seconds[i];
    fprintf(stderr, "stoker bench: %s, run %d of %d", progress, t->n + 1, b->runs);
    if (t->n > 0)
        fprintf(stderr, ", %.0f s left", ceil(seconds / t->n * (b->runs - t->n)));
    fputc('\n', stderr);
}

static void keep_run(struct bench *b, struct bench_test *t, const struct bench_run *run)
{
    add_stream_stats(&t->sum, &run->before, &run->after);
    t->counted += (double)run->n_prompt + run->n_answer;
    t->seconds[t->n] = run->seconds;
    t->tokens[t->n] = run->tokens;
    t->waited[t->n] = run->waited;
    bench_account(b, t, run);
    if (b->disk_rate > 0)
        t->model_seconds[t->n] = bench_timed_share(b, t, run) *
                                 bench_model_seconds(&run->begun, &run->after, b->disk_rate);
    t->n++;
}

int bench_test(struct bench *b, struct bench_test *t, const char *progress, struct stoker_error *err)
{
    t->begun = time(NULL);
    if (b->warm && !b->cold && warm_up(b, t, progress, err))
        return -1;
    while (t->n < b->runs) {
        struct bench_run run;
        if (b->cold) {
            bench_close(b);
            if (bench_open(b, err))
                return -1;
        }
        if (progress)
            show_run(b, t, progress);
        if (run_once(b, t, t->n_gen, (uint64_t)t->n + 1, &run, err))
            return -1;
        keep_run(b, t, &run);
    }
    return 0;
}
