/* links: eval engine text model store op machine kernel format base */
/* Chunks of a text: as many steps as they fill, however fast threads are; each row once, with its own logits; what ends a run; progress. */
#include "eval/chunks.h"

#include "base/error.h"
#include "base/f64.h"
#include "base/rng.h"
#include "eval/ppl.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char *const model = TEST_DATA "/golden/qwen3moe.gguf";

enum { N_VOCAB = 264, N_CTX = 32, N_CHUNK = 24 };

static stoker_token token[N_CHUNK * N_CTX];

static struct stoker *engine(int n_parallel, int n_chunk)
{
    struct stoker *s = NULL;
    struct stoker_error err = {0};
    const struct stoker_options o = {
        .memory = STOKER_MEMORY_MAX, .n_ctx = N_CTX, .n_parallel = n_parallel, .n_chunk = n_chunk, .n_threads = 2};
    for (size_t i = 0; i < sizeof token / sizeof *token; i++)
        token[i] = (stoker_token)(rng_u64(7, i, 1, 2) % N_VOCAB);
    if (stoker_open(&s, model, &o, &err))
        fail_msg("%s", err.text);
    return s;
}

struct seen {
    size_t n_chunk, stop_at, fail_at; /* chunks that came; where to stop, and which row fails: SIZE_MAX: none */
    size_t n_row, stop_at_row;        /* rows that were told of; where to stop, 0: nowhere */
    double sum;                       /* of all scores, in order */
    atomic_int rows[N_CHUNK][N_CTX];
    double logprob[N_CHUNK][N_CTX]; /* by the logits of the rows */
};

static int on_row(void *arg, size_t chunk, int pos, const float *logits, double log_sum, struct error *err)
{
    struct seen *s = arg;
    double sum = 0;
    for (int i = 0; i < N_VOCAB; i++)
        sum += f64_exp(logits[i] - log_sum);
    atomic_fetch_add(&s->rows[chunk][pos], 1);
    s->logprob[chunk][pos] = logits[token[chunk * N_CTX + (size_t)pos]] - log_sum;
    if (chunk == s->fail_at)
        return error_set(err, ERR_IO, "row %d of chunk %zu", pos, chunk);
    return fabs(sum - 1) < 1e-9 ? 0 : error_set(err, ERR_BUG, "probabilities add up to %g", sum);
}

static int on_chunk(void *arg, size_t chunk, const struct stoker_score *score, struct error *err)
{
    struct seen *s = arg;
    (void)err;
    assert_int_equal(chunk, s->n_chunk);
    for (int i = eval_first_scored(N_CTX); i < N_CTX; i++) {
        assert_int_equal(s->rows[chunk][i], 1);
        assert_true(fabs(s->logprob[chunk][i] - score[i].logprob) < 1e-9);
        s->sum += score[i].logprob;
    }
    s->n_chunk++;
    return 0;
}

static void on_progress(void *arg, size_t n)
{
    struct seen *s = arg;
    s->n_row += n;
}

static int stopped(void *arg)
{
    const struct seen *s = arg;
    return s->n_chunk >= s->stop_at || (s->stop_at_row && s->n_row >= s->stop_at_row);
}

static int run(struct stoker *e, struct seen *s, size_t first, struct error *err)
{
    const struct eval_chunks c = {.token = token,
                                  .n_chunk = N_CHUNK,
                                  .first = first,
                                  .n_ctx = N_CTX,
                                  .score_from = eval_first_scored(N_CTX),
                                  .bos = -1,
                                  .on_row = on_row,
                                  .on_chunk = on_chunk,
                                  .on_progress = on_progress,
                                  .stopped = stopped,
                                  .arg = s};
    s->n_chunk = first;
    return eval_chunks_run(e, &c, err);
}

static uint64_t steps_of(struct stoker *e)
{
    struct stoker_stats st;
    stoker_stats_of(e, &st);
    return st.steps;
}

/* Chunks that share a step are there together, each time: 4 sequences, steps of 4, 3 and 2 chunks, and of a part of one. */
static void steps_are_full(void **state)
{
    (void)state;
    static const struct {
        int n_chunk;
        uint64_t steps;
    } cases[] = {{4 * N_CTX, 6}, {4 * N_CTX - 1, 8}, {2 * N_CTX, 12}, {N_CTX, 24}, {N_CTX / 2, 48}};
    double sum = 0;
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        struct stoker *e = engine(4, cases[k].n_chunk);
        for (int again = 0; again < 10; again++) {
            static struct seen s;
            struct error err = {0};
            uint64_t before = steps_of(e);
            memset(&s, 0, sizeof s);
            s.stop_at = s.fail_at = SIZE_MAX;
            if (run(e, &s, 0, &err))
                fail_msg("%s", err.text);
            assert_int_equal(s.n_chunk, N_CHUNK);
            assert_int_equal(steps_of(e) - before, cases[k].steps);
            sum = k + (size_t)again ? sum : s.sum;
            assert_memory_equal(&sum, &s.sum, sizeof sum);
        }
        stoker_close(e);
    }
}

/* A run that stops, or fails at a row, leaves nothing behind: what came before has come, and the next run goes on there. */
static void runs_end_early(void **state)
{
    (void)state;
    static struct seen s;
    struct stoker *e = engine(4, 4 * N_CTX);
    struct error err = {0};
    memset(&s, 0, sizeof s);
    s.stop_at = 8;
    s.fail_at = SIZE_MAX;
    assert_int_equal(run(e, &s, 0, &err), 1);
    assert_int_equal(s.n_chunk, 8);
    memset(&s, 0, sizeof s);
    s.stop_at = SIZE_MAX;
    s.fail_at = 14;
    assert_int_equal(run(e, &s, 8, &err), -1);
    assert_int_equal(s.n_chunk, 14);
    assert_int_equal(err.code, ERR_IO);
    assert_non_null(strstr(err.text, " of chunk 14"));
    memset(&s, 0, sizeof s);
    s.stop_at = s.fail_at = SIZE_MAX;
    assert_int_equal(run(e, &s, 14, &err), 0);
    assert_int_equal(s.n_chunk, N_CHUNK);
    stoker_close(e);
}

/* All or none. */
static void groups_are_refused(void **state)
{
    (void)state;
    struct stoker *e = engine(1, N_CTX);
    struct stoker_error err = {0};
    struct stoker_stats st;
    stoker_id id[3];
    struct stoker_request q[3];
    for (int i = 0; i < 3; i++)
        q[i] = (struct stoker_request){.prompt = token, .n_prompt = N_CTX, .only_score = 1};
    q[2].n_prompt = N_CTX + 1;
    assert_int_equal(stoker_submit_all(e, q, 3, id, &err), -1);
    assert_int_equal(err.code, STOKER_ERR_INPUT);
    stoker_stats_of(e, &st);
    assert_int_equal(st.requests, 0);
    assert_int_equal(st.queued + st.active, 0);
    stoker_close(e);
    const struct stoker_options o = {.memory = STOKER_MEMORY_MAX, .n_ctx = N_CTX, .n_parallel = 1, .n_queue = 1};
    assert_int_equal(stoker_open(&e, model, &o, &err), 0);
    q[2].n_prompt = N_CTX;
    assert_int_equal(stoker_submit_all(e, q, 3, id, &err), -1);
    assert_int_equal(err.code, STOKER_ERR_BUSY);
    stoker_stats_of(e, &st);
    assert_int_equal(st.requests, 0);
    assert_int_equal(st.rejected, 3);
    assert_int_equal(st.queued + st.active, 0);
    stoker_close(e);
}

/* A run that is stopped within a group: the chunks of it that have ended come, for each may have taken minutes. */
static void ended_chunks_come(void **state)
{
    (void)state;
    static struct seen s;
    struct stoker *e = engine(4, 4 * N_CTX);
    struct error err = {0};
    size_t n_scored = (size_t)(N_CTX - eval_first_scored(N_CTX));
    memset(&s, 0, sizeof s);
    s.stop_at = s.fail_at = SIZE_MAX;
    s.stop_at_row = n_scored + 1; /* the second chunk has begun */
    assert_int_equal(run(e, &s, 0, &err), 1);
    assert_true(s.n_chunk >= 1 && s.n_chunk <= s.n_row / n_scored);
    stoker_close(e);
}

static int on_marked(void *arg, size_t chunk, struct error *err)
{
    struct seen *s = arg;
    (void)chunk, (void)err;
    s->n_chunk++;
    return 0;
}

/* What progress tells of marked positions adds up to what the caller shows as the total: of each chunk the same, from the first that is
 * marked in any of them. */
static void progress_adds_up(void **state)
{
    (void)state;
    static struct seen s;
    static uint8_t marked[N_CHUNK * N_CTX];
    struct eval_ppl_chunk chunk[N_CHUNK] = {{0}};
    struct stoker *e = engine(4, 4 * N_CTX);
    struct error err = {0};
    struct eval_ppl_run r = {.token = token,
                             .n_chunk = N_CHUNK,
                             .n_ctx = N_CTX,
                             .bos = -1,
                             .marked = marked,
                             .chunk = chunk,
                             .on_chunk = on_marked,
                             .on_progress = on_progress,
                             .stopped = stopped,
                             .arg = &s};
    memset(&s, 0, sizeof s);
    s.stop_at = SIZE_MAX;
    marked[2 * N_CTX + 7] = marked[2 * N_CTX + 9] = marked[5 * N_CTX + 20] = 1;
    assert_int_equal(eval_ppl_run(e, &r, &err), 0);
    assert_int_equal(s.n_chunk, 2);
    assert_int_equal(eval_ppl_rows(&r), N_CTX - 7);
    assert_int_equal(s.n_row, 2 * eval_ppl_rows(&r));
    r.marked = NULL;
    assert_int_equal(eval_ppl_rows(&r), eval_scored(N_CTX));
    stoker_close(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_are_full),     cmocka_unit_test(runs_end_early),   cmocka_unit_test(ended_chunks_come),
        cmocka_unit_test(groups_are_refused), cmocka_unit_test(progress_adds_up),
    };
    return cmocka_run_group_tests_name("chunks", tests, NULL, NULL);
}
