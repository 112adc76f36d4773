/* links: engine text model store op machine kernel format base */
/* At which layer the rows of a request of texts leave that is cancelled.
 *
 * The model asks for experts in layers 1 and 3 of its four, and a row that has left asks for none: the counters of its store tell which
 * rows these layers had.
 *
 *     while its step pauses        beside a model that generates a step makes at most one layer between two tokens, and the engine stands
 *                                  still while a token is told (this test's notify() waits). Cancelled behind layer 0, the rows are in
 *                                  layer 1, not in 3
 *     while its step is made up    the clock is read between the look for cancelled requests and the one at the step's sequences; this
 *                                  test's clock cancels there. The rows leave behind layer 0 */
#include "stoker.h"

#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define CHAT  "models/ember/ember.gguf"
#define TEXTS TEST_DATA "/embeddings/nomic-bert-moe.gguf"

enum { ROWS = 60, USED = 2, ANSWER = 4000, TRIES = 3000, LOOKS = 64, SECONDS = 300 };

static const stoker_token one = 7;
static stoker_token many[ROWS];
static const struct stoker_tokens short_text = {&one, 1}, long_text = {many, ROWS};

static struct stoker *engine(const char *model, const char *embed)
{
    struct stoker *s = NULL;
    struct stoker_error err = {0};
    const struct stoker_options o = {
        .memory = STOKER_MEMORY_MAX, .n_ctx = embed ? 512 : 0, .n_threads = 1, .embed = embed};
    if (stoker_open(&s, model, &o, &err))
        fail_msg("%s", err.text);
    return s;
}

static struct stoker_stats stats_of(struct stoker *s)
{
    struct stoker_stats stats;
    stoker_stats_of(s, &stats);
    return stats;
}

/* Experts that layers have asked for, each once a layer and step. */
static uint64_t asked(struct stoker *s)
{
    struct stoker_stats stats = stats_of(s);
    return stats.hits + stats.misses;
}

static stoker_id submit(struct stoker *e, const struct stoker_tokens *text, float *out)
{
    struct stoker_error err = {0};
    stoker_id id;
    const struct stoker_embed request = {.text = text, .n_text = 1, .out = out};
    if (stoker_submit_embed(e, &request, &id, &err))
        fail_msg("%s", err.text);
    return id;
}

static enum stoker_end_reason end_of(struct stoker *s, stoker_id id)
{
    struct stoker_event ev = {.kind = STOKER_TOKEN};
    while (stoker_next_event(s, id, -1, &ev) == 1)
        ;
    assert_int_equal(ev.kind, STOKER_END);
    return ev.u.end.reason;
}

/* A clock that is slow, for a step pauses within a layer where that has taken long. */
enum { SLOWER = 100 };
static struct timespec slow_from[2]; /* of CLOCK_REALTIME and CLOCK_MONOTONIC */
static atomic_int is_slow;

static void slow_down(void)
{
    for (clockid_t c = 0; c < 2; c++)
        syscall(SYS_clock_gettime, c, &slow_from[c]);
    atomic_store(&is_slow, 1);
}

static void make_slow(const struct timespec *from, struct timespec *t)
{
    int64_t second = 1000000000, passed = ((t->tv_sec - from->tv_sec) * second + t->tv_nsec - from->tv_nsec) / SLOWER,
            ns = from->tv_nsec + passed;
    *t = (struct timespec){from->tv_sec + ns / second, ns % second};
}

/* ---- while its step pauses -------------------------------------------------------------------------------------------------- */

struct gate {
    sem_t at, go;
    atomic_int is_shut;
};

/* The engine's thread waits here with each token. */
static void wait_at(void *arg)
{
    struct gate *g = arg;
    if (!atomic_load(&g->is_shut))
        return;
    sem_post(&g->at);
    sem_wait(&g->go);
}

static void open_gate(struct gate *g)
{
    atomic_store(&g->is_shut, 0);
    sem_post(&g->go);
}

static void next_token(struct gate *g, struct stoker *s, stoker_id chat)
{
    struct stoker_event ev;
    sem_post(&g->go);
    sem_wait(&g->at);
    while (stoker_next_event(s, chat, 0, &ev) == 1)
        assert_int_equal(ev.kind, STOKER_TOKEN);
}

static stoker_id begin_chat(struct gate *g, struct stoker *s)
{
    static const stoker_token prompt[] = {5, 9, 300};
    struct stoker_error err = {0};
    stoker_id id;
    sem_init(&g->at, 0, 0);
    sem_init(&g->go, 0, 0);
    atomic_init(&g->is_shut, 1);
    const struct stoker_request r = {
        .prompt = prompt, .n_prompt = 3, .max_tokens = ANSWER, .ignore_end = 1, .notify = wait_at, .notify_arg = g};
    if (stoker_submit(s, &r, &id, &err))
        fail_msg("%s", err.text);
    sem_wait(&g->at);
    return id;
}

/* Both texts in one step, which pauses behind layer 0; the long one is cancelled there, or not. *in_first: experts of layer 1; returns
 * those of both layers. */
static uint64_t asked_by_both(int cancels, uint64_t *in_first)
{
    struct gate g;
    struct stoker *s = engine(CHAT, TEXTS), *e = stoker_encoder(s, STOKER_EMBED);
    struct stoker_encoder about;
    assert_int_equal(stoker_encoder_of(e, &about), 0);
    float *alone = calloc(3 * about.n_out, sizeof *alone), *left = alone + about.n_out, *stays = left + about.n_out;
    assert_int_equal(end_of(e, submit(e, &short_text, alone)), STOKER_END_TEXT);

    stoker_id chat = begin_chat(&g, s);
    uint64_t before = asked(e);
    slow_down();
    stoker_id leaves = submit(e, &long_text, left), other = submit(e, &short_text, stays);
    for (int i = 0; i < TRIES && stats_of(e).active == 0; i++)
        next_token(&g, s, chat);
    assert_int_equal(stats_of(e).active, 2);
    assert_int_equal(asked(e), before); /* layer 0 has no experts */
    if (cancels)
        stoker_cancel(e, leaves);
    for (int i = 0; i < TRIES && asked(e) == before; i++) /* behind a slow layer there are several tokens */
        next_token(&g, s, chat);
    *in_first = asked(e) - before;
    atomic_store(&is_slow, 0);
    open_gate(&g);
    assert_int_equal(end_of(e, leaves), cancels ? STOKER_END_CANCELLED : STOKER_END_TEXT);
    assert_int_equal(end_of(e, other), STOKER_END_TEXT);
    assert_memory_equal(stays, alone, about.n_out * sizeof *alone);
    uint64_t all = asked(e) - before;
    stoker_cancel(s, chat);
    end_of(s, chat);
    stoker_close(s);
    free(alone);
    sem_destroy(&g.at);
    sem_destroy(&g.go);
    return all;
}

static void leaves_behind_the_next_layer(void **state)
{
    uint64_t first, first_whole;
    (void)state;
    uint64_t all = asked_by_both(1, &first), whole = asked_by_both(0, &first_whole);
    assert_int_equal(first, first_whole); /* in layer 1 it is still there */
    assert_true(first > USED);
    assert_int_equal(all - first, USED); /* in layer 3 the other text alone */
    assert_true(whole - first_whole > USED);
}

/* ---- while its step is made up ---------------------------------------------------------------------------------------------- */

static struct {
    struct stoker *engine; /* NULL: the clock is only a clock */
    pthread_t caller;
    stoker_id id;
    uint64_t requests; /* before it */
    int looks;         /* that are let pass */
    atomic_int is_on;
    atomic_int thread; /* the engine's, as the kernel calls it */
} cancels;
static _Thread_local int is_inside;

/* When the engine's thread looks at the clock once the request is queued. */
static void cancel_by_clock(void)
{
    if (!atomic_load(&cancels.is_on) || is_inside || pthread_equal(pthread_self(), cancels.caller))
        return;
    is_inside = 1;
    atomic_store(&cancels.thread, gettid());
    if (stats_of(cancels.engine).requests > cancels.requests && cancels.looks-- == 0) {
        atomic_store(&cancels.is_on, 0);
        stoker_cancel(cancels.engine, cancels.id);
    }
    is_inside = 0;
}

/* Stands before the C library's. */
int clock_gettime(clockid_t clock, struct timespec *t)
{
    cancel_by_clock();
    int failed = (int)syscall(SYS_clock_gettime, clock, t);
    if (!failed && clock <= CLOCK_MONOTONIC && atomic_load(&is_slow))
        make_slow(&slow_from[clock], t);
    return failed;
}

/* An engine that waits for requests looks at the clock as often before each step. */
static void wait_until_it_rests(void)
{
    char path[64], state = 'R';
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", atomic_load(&cancels.thread));
    while (atomic_load(&cancels.thread) && state != 'S') {
        FILE *f = fopen(path, "r");
        assert_true(f && fscanf(f, "%*d (%*[^)]) %c", &state) == 1);
        fclose(f);
    }
}

/* Behind so many looks at the clock. 1: a step was made of it; 0: it was cancelled before. */
static int cancel_while_made_up(struct stoker *e, stoker_id id, int looks, float *out)
{
    struct stoker_stats before = stats_of(e);
    wait_until_it_rests();
    cancels.id = id;
    cancels.requests = before.requests;
    cancels.looks = looks;
    atomic_store(&cancels.is_on, 1);
    assert_int_equal(submit(e, &long_text, out), id);
    assert_int_equal(end_of(e, id), STOKER_END_CANCELLED);
    struct stoker_stats now = stats_of(e);
    assert_int_equal(now.hits + now.misses, before.hits + before.misses);
    return now.steps > before.steps;
}

static void leaves_a_step_that_takes_it(void **state)
{
    struct stoker *e = engine(TEXTS, NULL);
    struct stoker_encoder about;
    (void)state;
    assert_int_equal(stoker_encoder_of(e, &about), 0);
    float *out = calloc(about.n_out, sizeof *out);
    stoker_id id = submit(e, &long_text, out);
    assert_int_equal(end_of(e, id), STOKER_END_TEXT);
    assert_true(asked(e) > 0);
    cancels.engine = e;
    cancels.caller = pthread_self();
    int made = 0;
    for (int looks = 0; looks < LOOKS && !made; looks++)
        made = cancel_while_made_up(e, ++id, looks, out);
    assert_true(made);
    stoker_close(e);
    free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(leaves_behind_the_next_layer),
                                       cmocka_unit_test(leaves_a_step_that_takes_it)};
    for (int i = 0; i < ROWS; i++)
        many[i] = (3 + 17 * i) % 140;
    alarm(SECONDS); /* a broken law may leave the engine waiting */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
