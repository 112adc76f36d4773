/* links: engine text model store op machine kernel format base */
/* Requests that continue others: what is not computed again, and that nothing else changes. */
#include "base/rng.h"
#include "sanitized.h"
#include "stoker.h"

#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static const char *const recurrent = TEST_DATA "/golden/qwen35moe.gguf",
                         *const windows = TEST_DATA "/golden/gpt-oss-mxfp4.gguf",
                         *const latent = TEST_DATA "/golden/deepseek2-lite.gguf";

enum { PROMPT = 50, ANSWER = 6, N_VOCAB = 264 };

static stoker_token prompt[PROMPT];

struct answer {
    stoker_token id[ANSWER];
    int n;
    struct stoker_event end;
    stoker_id request;
};

static struct stoker *engine(const char *path, int n_snapshots, int n_parallel)
{
    struct stoker *s = NULL;
    struct stoker_error err = {0};
    const struct stoker_options o = {.memory = STOKER_MEMORY_MAX,
                                     .n_ctx = 512,
                                     .n_parallel = n_parallel,
                                     .n_chunk = 16,
                                     .n_threads = 2,
                                     .n_snapshots = n_snapshots};
    for (int i = 0; i < PROMPT; i++)
        prompt[i] = (stoker_token)(rng_u64(5, (uint64_t)i, 1, 2) % N_VOCAB);
    if (stoker_open(&s, path, &o, &err))
        fail_msg("%s", err.text);
    return s;
}

static struct stoker_request request(size_t n_prompt)
{
    return (struct stoker_request){
        .prompt = prompt, .n_prompt = n_prompt, .max_tokens = ANSWER, .sampling = {.temperature = 0}, .ignore_end = 1};
}

static stoker_id submit(struct stoker *s, const struct stoker_request *r)
{
    struct stoker_error err = {0};
    stoker_id id;
    if (stoker_submit(s, r, &id, &err))
        fail_msg("%s", err.text);
    return id;
}

static struct answer collect(struct stoker *s, stoker_id id, int cancel_after)
{
    struct answer a = {.request = id};
    while (stoker_next_event(s, id, -1, &a.end) == 1) {
        if (a.end.kind == STOKER_TOKEN)
            a.id[a.n++] = a.end.u.token.id;
        if (a.n == cancel_after)
            stoker_cancel(s, id);
        if (a.end.kind == STOKER_FAILED)
            fail_msg("%s", a.end.error.text);
    }
    return a;
}

static struct answer ask(struct stoker *s, const struct stoker_request *r) { return collect(s, submit(s, r), -1); }

static void expect_same(const struct answer *a, const struct answer *b)
{
    assert_int_equal(a->n, ANSWER);
    assert_int_equal(b->n, ANSWER);
    assert_memory_equal(a->id, b->id, sizeof a->id);
}

/* The first n tokens of the prompt stay; the others differ. */
static void diverge_at(size_t n)
{
    for (size_t i = n; i < PROMPT; i++)
        prompt[i] = (prompt[i] + 1) % N_VOCAB;
}

/* A request of 30 tokens that may be continued; then one of 50 that shares n of them: how much of it was cached. */
static size_t continued(const char *path, int n_snapshots, const size_t *snapshot_at, size_t n_snapshot_at,
                        size_t shared, int cancel_after)
{
    struct stoker *s = engine(path, n_snapshots, 1);
    diverge_at(shared);
    struct stoker_request second = request(PROMPT);
    struct answer fresh = ask(s, &second);
    stoker_close(s);

    s = engine(path, n_snapshots, 1);
    struct stoker_request first = request(30);
    first.snapshot_at = snapshot_at;
    first.n_snapshot_at = n_snapshot_at;
    collect(s, submit(s, &first), cancel_after);
    diverge_at(shared);
    struct answer b = ask(s, &second);
    expect_same(&fresh, &b);
    stoker_close(s);
    return b.end.u.end.n_cached;
}

static void pages_go_back_anywhere(void **state)
{
    (void)state;
    assert_int_equal(continued(windows, 0, NULL, 0, 30, -1), 30);
    assert_int_equal(continued(windows, 0, NULL, 0, 17, -1), 17);
    assert_int_equal(continued(latent, 0, NULL, 0, 1, -1), 1);
    assert_int_equal(continued(latent, 0, (size_t[]){7}, 1, 29, -1), 29); /* requested positions matter to others */
}

static void states_at_the_ends(void **state)
{
    (void)state;
    assert_int_equal(continued(recurrent, 2, NULL, 0, 30, -1), 30);
    assert_int_equal(continued(recurrent, 2, NULL, 0, 40, -1), 30);
    assert_int_equal(continued(recurrent, 2, NULL, 0, 29, -1), 0);
    assert_int_equal(continued(recurrent, 1, NULL, 0, 30, -1), 0); /* the end of the answer took its place */
}

static void states_where_requested(void **state)
{
    (void)state;
    static const size_t snapshot_at[] = {5, 16, 21};
    assert_int_equal(continued(recurrent, 5, snapshot_at, 3, 30, -1),
                     21); /* so close to a requested position the prompt's end is not worth a state */
    assert_int_equal(continued(recurrent, 5, snapshot_at, 1, 30, -1), 30);
    assert_int_equal(continued(recurrent, 4, snapshot_at, 3, 29, -1), 21);
    assert_int_equal(continued(recurrent, 4, snapshot_at, 3, 20, -1), 16);
    assert_int_equal(continued(recurrent, 4, snapshot_at, 3, 5, -1), 5);
    assert_int_equal(continued(recurrent, 4, snapshot_at, 3, 4, -1), 0);
    assert_int_equal(continued(recurrent, 3, snapshot_at, 3, 30, -1), 21);
    assert_int_equal(continued(recurrent, 3, snapshot_at, 3, 20, -1),
                     5); /* the end of the answer took the place of a passed one */
    assert_int_equal(continued(recurrent, 2, snapshot_at, 3, 30, -1),
                     21); /* the first and the last are worth more than ends */
    assert_int_equal(continued(recurrent, 2, snapshot_at, 3, 20, -1), 5);
    assert_int_equal(continued(recurrent, 1, snapshot_at, 3, 30, -1), 21);
    assert_int_equal(continued(recurrent, 1, snapshot_at, 3, 20, -1), 0);
}

/* A cancelled request may leave its state invalid; the next goes on from a copy. */
static void cancelled(void **state)
{
    (void)state;
    for (int after = 1; after < ANSWER; after++)
        assert_int_equal(continued(recurrent, 2, NULL, 0, 30, after), 30);
}

static void requests_that_cannot_be(void **state)
{
    (void)state;
    static const size_t bad[][2] = {{0, 5}, {5, 5}, {6, 5}, {5, 31}};
    struct stoker *s = engine(recurrent, 0, 1);
    for (int i = 0; i < 4; i++) {
        struct stoker_request r = request(30);
        struct stoker_error err = {0};
        stoker_id id;
        r.snapshot_at = bad[i];
        r.n_snapshot_at = 2;
        assert_int_equal(stoker_submit(s, &r, &id, &err), -1);
        assert_int_equal(err.code, STOKER_ERR_INPUT);
        assert_non_null(strstr(err.text, "snapshot_at["));
    }
    stoker_close(s);
}

/* Prompts and answers of several sequences in the same steps, one of them cancelled. */
static void neighbours(void **state)
{
    (void)state;
    enum { N = 4 };
    struct answer alone[N], together[N];
    stoker_id id[N];
    struct stoker *s = engine(recurrent, 2, 1);
    for (int i = 0; i < N; i++) {
        struct stoker_request r = request((size_t)(PROMPT - 11 * i));
        alone[i] = ask(s, &r);
    }
    stoker_close(s);
    s = engine(recurrent, 2, N);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < N; i++) {
            static const size_t snapshot_at[] = {3, 13};
            struct stoker_request r = request((size_t)(PROMPT - 11 * i));
            r.snapshot_at = snapshot_at;
            r.n_snapshot_at = 2;
            id[i] = submit(s, &r);
        }
        if (round == 1)
            stoker_cancel(s, id[1]);
        for (int i = 0; i < N; i++)
            together[i] = collect(s, id[i], i == 1 && round == 2 ? 2 : -1);
        for (int i = 0; i < N; i++)
            if (i != 1 || round == 0)
                expect_same(&alone[i], &together[i]);
    }
    stoker_close(s);
}

struct events {
    struct stoker *s;
    stoker_id id;
};

static void *read_events(void *of)
{
    struct stoker_event ev = {0};
    const struct events *a = of;
    intptr_t last = 0;
    while (stoker_next_event(a->s, a->id, -1, &ev) == 1)
        last += ev.kind == STOKER_END;
    return (void *)last;
}

/* Several threads may read the events of one request: each event goes to one of them, and none waits for ever. */
static void several_readers(void **state)
{
    (void)state;
    enum { READERS = 4 };
    struct events a = {engine(latent, 0, 1), 0};
    for (int round = 0; round < 20; round++) {
        struct stoker_request r = request(3);
        pthread_t thread[READERS];
        intptr_t ends = 0;
        a.id = submit(a.s, &r);
        for (int i = 0; i < READERS; i++)
            assert_int_equal(pthread_create(&thread[i], NULL, read_events, &a), 0);
        for (int i = 0; i < READERS; i++) {
            void *end;
            assert_int_equal(pthread_join(thread[i], &end), 0);
            ends += (intptr_t)end;
        }
        assert_int_equal(ends, 1);
    }
    stoker_close(a.s);
}

static void scripts_have_a_length(void **state)
{
    (void)state;
    struct stoker *s = engine(latent, 0, 1);
    struct stoker_request r = request(3);
    struct stoker_error err = {0};
    stoker_token one = 1;
    stoker_id id;
    r.script = &one;
    r.max_tokens = 0;
    assert_int_equal(stoker_submit(s, &r, &id, &err), -1);
    assert_int_equal(err.code, STOKER_ERR_INPUT);
    r.max_tokens = 1;
    struct answer a = ask(s, &r);
    assert_int_equal(a.n, 1);
    assert_int_equal(a.id[0], one);
    stoker_close(s);
}

/* A request to an engine that streams. Its events are taken when all of its answer is there. *all: what there is behind it. */
static void stream(int max_tokens, struct stoker_stats *at_first_token, struct stoker_stats *all)
{
    struct stoker *s = NULL;
    const struct stoker_options o = {.memory = STOKER_MEMORY_MIN, .n_ctx = 512, .n_chunk = 16, .n_threads = 2};
    assert_int_equal(stoker_open(&s, windows, &o, NULL), 0);
    struct stoker_request r = request(PROMPT);
    r.max_tokens = max_tokens;
    r.stats_at_first_token = at_first_token;
    stoker_id id = submit(s, &r);
    do {
        nanosleep(&(struct timespec){0, 1000000}, NULL);
        stoker_stats_of(s, all);
    } while (all->generated_tokens < (uint64_t)max_tokens);
    assert_int_equal(collect(s, id, -1).n, max_tokens);
    stoker_stats_of(s, all);
    stoker_close(s);
}

/* What is counted at the first token is the prompt's alone, however late a client asks: all that a request of one token does. */
static void prompts_and_answers_part(void **state)
{
    (void)state;
    struct stoker_stats first, all, one, all_of_one;
    stream(ANSWER, &first, &all);
    stream(1, &one, &all_of_one);
    assert_int_equal(first.steps, (PROMPT + 15) / 16);
    assert_int_equal(first.rows, PROMPT);
    assert_int_equal(first.prompt_tokens, PROMPT);
    assert_int_equal(first.generated_tokens, 1);
    assert_int_equal(first.first_token_time.count, 1);
    assert_true(first.misses > 0);
    assert_true(all.misses > first.misses);
    assert_int_equal(all.steps - first.steps, ANSWER - 1);
    assert_int_equal(all.rows - first.rows, ANSWER - 1);
    const struct stoker_stats *of[] = {&one, &all_of_one};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(of[i]->steps, first.steps);
        assert_int_equal(of[i]->hits, first.hits);
        assert_int_equal(of[i]->misses, first.misses);
        assert_int_equal(of[i]->reads, first.reads);
        assert_int_equal(of[i]->bytes_read, first.bytes_read);
    }
}

/* Where there is no token nothing is filled in. */
static void a_prompt_without_an_answer(void **state)
{
    (void)state;
    struct stoker *s = engine(latent, 0, 1);
    struct stoker_request r = request(PROMPT);
    struct stoker_stats alone = {.steps = 12345};
    r.stats_at_first_token = &alone;
    r.only_score = 1;
    assert_int_equal(ask(s, &r).n, 0);
    assert_int_equal(alone.steps, 12345);
    stoker_close(s);
}

/* ---- the queue ---------------------------------------------------------------------------------------------------------------- */

enum { LONG = SANITIZED ? 2400 : 4000 }; /* a step takes some twenty times as long under a sanitizer */
static stoker_token text[LONG];

static struct stoker *server(int n_parallel, int n_queue, int n_chunk)
{
    struct stoker *s = NULL;
    struct stoker_error err = {0};
    const struct stoker_options o = {.memory = STOKER_MEMORY_MAX,
                                     .n_ctx = LONG + 100,
                                     .n_parallel = n_parallel,
                                     .n_queue = n_queue,
                                     .n_chunk = n_chunk,
                                     .n_threads = 2};
    for (int i = 0; i < LONG; i++)
        text[i] = (stoker_token)(rng_u64(6, (uint64_t)i, 1, 2) % N_VOCAB);
    if (stoker_open(&s, latent, &o, &err))
        fail_msg("%s", err.text);
    return s;
}

static struct stoker_request of_text(size_t from, size_t n)
{
    return (struct stoker_request){
        .prompt = text + from, .n_prompt = n, .max_tokens = ANSWER, .sampling = {.temperature = 0}, .ignore_end = 1};
}

struct heard {
    atomic_int calls, last;
};

static void hear(void *arg)
{
    struct heard *h = arg;
    static atomic_int clock;
    atomic_fetch_add(&h->calls, 1);
    atomic_store(&h->last, atomic_fetch_add(&clock, 1));
}

/* A short prompt that came later is answered first; tokens come while a long prompt is read; each event wakes its waiter. */
static void short_ones_overtake(void **state)
{
    (void)state;
    struct stoker *s = server(3, 8, 64);
    struct stoker_request longer = of_text(0, LONG), shorter = of_text(100, 40);
    struct heard a = {0}, b = {0};
    struct stoker_stats st;
    longer.notify = shorter.notify = hear;
    longer.notify_arg = &a;
    shorter.notify_arg = &b;
    stoker_id first = submit(s, &longer), second = submit(s, &shorter);
    struct answer quick = collect(s, second, -1);
    struct stoker_slot slot[3];
    assert_int_equal(stoker_slots(s, slot, 3), 3);
    int prefilling = 0;
    for (int i = 0; i < 3; i++)
        if (slot[i].id == first && slot[i].state == STOKER_PREFILL) {
            prefilling = slot[i].n_prompt == LONG && slot[i].n_prompt_done > 0 && slot[i].n_prompt_done < LONG;
            assert_true(slot[i].age_seconds > 0);
        }
    assert_true(prefilling);
    struct answer slow = collect(s, first, -1);
    assert_int_equal(quick.n + slow.n, 2 * ANSWER);
    assert_int_equal(atomic_load(&a.calls), ANSWER + 1);
    assert_int_equal(atomic_load(&b.calls), ANSWER + 1);
    assert_true(atomic_load(&b.last) < atomic_load(&a.last));
    stoker_stats_of(s, &st);
    assert_int_equal(st.requests, 2);
    assert_int_equal(st.generated_tokens, 2 * ANSWER);
    assert_int_equal(st.prompt_tokens, LONG + 40);
    assert_int_equal(st.first_token_time.count, 2);
    assert_int_equal(st.step_time.count, st.steps);
    stoker_close(s);
}

static void full_queue(void **state)
{
    (void)state;
    struct stoker *s = server(1, 2, 64);
    struct stoker_request r = of_text(0, LONG);
    struct stoker_error err = {0};
    struct stoker_stats st;
    stoker_id id[3], none;
    r.no_cache = 1;
    for (int i = 0; i < 3; i++)
        id[i] = submit(s, &r);
    assert_int_equal(stoker_submit(s, &r, &none, &err), -1);
    assert_int_equal(err.code, STOKER_ERR_BUSY);
    stoker_stats_of(s, &st);
    assert_int_equal(st.queued, 2);
    assert_int_equal(st.rejected, 1);
    stoker_cancel(s, id[1]); /* a waiting request ends at once */
    struct stoker_event e;
    assert_int_equal(stoker_next_event(s, id[1], 2000, &e), 1);
    assert_int_equal(e.kind, STOKER_END);
    assert_int_equal(e.u.end.reason, STOKER_END_CANCELLED);
    id[1] = submit(s, &r);
    stoker_cancel(s, id[0]);
    stoker_cancel(s, id[1]);
    for (int i = 0; i < 3; i++)
        assert_int_equal(collect(s, id[i], -1).end.u.end.reason, i == 2 ? STOKER_END_LENGTH : STOKER_END_CANCELLED);
    stoker_stats_of(s, &st);
    assert_int_equal(st.cancelled, 3);
    stoker_close(s);
}

/* A request that holds the engine's thread up until others wait behind it. */
static sem_t held;

static void hold(void *arg)
{
    int *once = arg;
    if (!*once)
        sem_wait(&held);
    *once = 1;
}

/* Ends are numbered as they come. */
static int n_ended;

static void number_end(void *arg)
{
    int *is = arg;
    if (*is == 0)
        *is = ++n_ended;
}

/* Of two prompts, the second the beginning of the first, the one whose first token comes first. */
static int first_of_two(struct stoker *s, const struct stoker_steer *list, size_t n_list)
{
    enum { WHOLE = 1000, BEGINS = 900 };
    static stoker_token both[WHOLE];
    struct stoker_request r = request(1), second;
    stoker_id id[3];
    int once = 0, end[2] = {0};
    for (int i = 0; i < WHOLE; i++)
        both[i] = (stoker_token)(rng_u64(8, (uint64_t)i, 1, 2) % N_VOCAB);
    n_ended = 0;
    r.max_tokens = 1;
    r.prompt = both + 1;
    r.notify = hold;
    r.notify_arg = &once;
    id[0] = submit(s, &r);
    r.prompt = both;
    r.n_prompt = WHOLE;
    r.notify = number_end;
    r.notify_arg = &end[0];
    second = r;
    second.n_prompt = BEGINS;
    second.steer = list;
    second.n_steer = n_list;
    second.notify_arg = &end[1];
    id[1] = submit(s, &r);
    id[2] = submit(s, &second);
    sem_post(&held);
    for (int i = 0; i < 3; i++) {
        struct answer a = collect(s, id[i], -1);
        assert_int_equal(a.end.u.end.n_cached, i == 2 && n_list == 0 ? BEGINS / 256 * 256 : 0);
    }
    stoker_cache_clear(s);
    return end[0] < end[1] ? 0 : 1;
}

/* What a steered job could not use it does not wait for. */
static void steered_jobs_wait_for_their_like(void **state)
{
    (void)state;
    struct stoker *s = NULL;
    struct stoker_vector *v = NULL;
    const struct stoker_options o = {.memory = STOKER_MEMORY_MAX,
                                     .n_ctx = 1100,
                                     .n_parallel = 3,
                                     .n_chunk = 16,
                                     .n_threads = 2,
                                     .steer_memory = 1 << 20};
    assert_int_equal(stoker_open(&s, TEST_DATA "/steering/steer-llama-tied.gguf", &o, NULL), 0);
    assert_int_equal(stoker_vector_open(&v, s, AT_FDCWD, TEST_DATA "/steering/steer-llama-tied.a.gguf", NULL), 0);
    sem_init(&held, 0, 0);
    const struct stoker_steer all = {.vector = v};
    assert_int_equal(first_of_two(s, &all, 1), 1);
    first_of_two(s, NULL, 0);
    sem_destroy(&held);
    stoker_vector_close(v);
    stoker_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_go_back_anywhere),
        cmocka_unit_test(states_at_the_ends),
        cmocka_unit_test(states_where_requested),
        cmocka_unit_test(cancelled),
        cmocka_unit_test(requests_that_cannot_be),
        cmocka_unit_test(neighbours),
        cmocka_unit_test(several_readers),
        cmocka_unit_test(scripts_have_a_length),
        cmocka_unit_test(prompts_and_answers_part),
        cmocka_unit_test(a_prompt_without_an_answer),
        cmocka_unit_test(short_ones_overtake),
        cmocka_unit_test(full_queue),
        cmocka_unit_test(steered_jobs_wait_for_their_like),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
