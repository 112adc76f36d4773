/* links: engine text model store op machine kernel format base */
/* How much of an encoder's step is made between two tokens of an answer: a layer where layers are short, a part of a product or of
 * attention where they are long. The vectors have the same bits. The clock is this test's: each look at it takes as long as a case says. */
#include "stoker.h"

#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define CHAT  "models/ember/ember.gguf"
#define TEXTS TEST_DATA "/embeddings/nomic-bert.gguf"
#define DENSE TEST_DATA "/embeddings/gemma-embed-dense.gguf"

enum { ROWS = 60, LAYERS = 2, PARTS = 4 /* of a layer, at least */, TOKENS_MOST = 1000, SECONDS = 300 };
enum { SHORT = 1000, LONG = 20 * 1000 * 1000 }; /* ns; far below what reading an expert may take */

static stoker_token many[ROWS];
static const struct stoker_tokens text = {many, ROWS};

static struct timespec start;         /* of the time below, which may not be before what the engine has seen */
static atomic_llong looks, ns_a_look; /* 0: the time is the system's */

/* Stands before the C library's. */
int clock_gettime(clockid_t clock, struct timespec *t)
{
    long long step = atomic_load(&ns_a_look), ns = step * atomic_fetch_add(&looks, 1);
    if (step == 0 || clock != CLOCK_MONOTONIC)
        return (int)syscall(SYS_clock_gettime, clock, t);
    ns += start.tv_nsec;
    *t = (struct timespec){start.tv_sec + ns / 1000000000, ns % 1000000000};
    return 0;
}

/* The engine's thread waits here with each token. */
static struct {
    sem_t at, go;
    atomic_int is_open;
} gate;

static void wait_at(void *arg)
{
    (void)arg;
    if (atomic_load(&gate.is_open))
        return;
    sem_post(&gate.at);
    sem_wait(&gate.go);
}

static int has_ended(struct stoker *s, stoker_id id)
{
    struct stoker_event ev;
    while (stoker_next_event(s, id, 0, &ev) == 1)
        if (ev.kind == STOKER_END || ev.kind == STOKER_FAILED) {
            assert_int_equal(ev.kind, STOKER_END);
            assert_int_equal(ev.u.end.reason, STOKER_END_TEXT);
            return 1;
        }
    return 0;
}

static stoker_id submit(struct stoker *e, float *out)
{
    struct stoker_error err;
    stoker_id id;
    const struct stoker_embed request = {.text = &text, .n_text = 1, .out = out};
    if (stoker_submit_embed(e, &request, &id, &err))
        fail_msg("%s", err.text);
    return id;
}

/* Tokens of an answer while a text becomes a vector, when each look at the clock takes so long. */
static int tokens_beside(const char *model, long long ns)
{
    struct stoker *s = NULL;
    struct stoker_error err;
    struct stoker_encoder about;
    struct stoker_event ev;
    const struct stoker_options o = {
        .memory = STOKER_MEMORY_MAX,
        .n_ctx = 512,
        .n_threads = 2,
        .spin_ms = 1e-3, /* threads that stay awake look at the clock, which is no time of the step */
        .embed = model};
    static const stoker_token prompt[] = {5, 9, 300};
    const struct stoker_request r = {
        .prompt = prompt, .n_prompt = 3, .max_tokens = 400, .ignore_end = 1, .notify = wait_at};
    stoker_id chat, id;
    int n = 0;
    if (stoker_open(&s, CHAT, &o, &err))
        fail_msg("%s", err.text);
    struct stoker *e = stoker_encoder(s, STOKER_EMBED);
    assert_int_equal(stoker_encoder_of(e, &about), 0);
    float *alone = calloc(2 * about.n_out, sizeof *alone), *beside = alone + about.n_out;
    for (id = submit(e, alone); !has_ended(e, id);)
        usleep(1000);

    sem_init(&gate.at, 0, 0);
    sem_init(&gate.go, 0, 0);
    atomic_store(&gate.is_open, 0);
    if (stoker_submit(s, &r, &chat, &err))
        fail_msg("%s", err.text);
    sem_wait(&gate.at);
    clock_gettime(CLOCK_MONOTONIC, &start);
    atomic_store(&looks, 0);
    atomic_store(&ns_a_look, ns);
    id = submit(e, beside);
    for (; n < TOKENS_MOST && !has_ended(e, id); n++) {
        sem_post(&gate.go);
        sem_wait(&gate.at);
        while (stoker_next_event(s, chat, 0, &ev) == 1)
            assert_int_equal(ev.kind, STOKER_TOKEN);
    }
    atomic_store(&ns_a_look, 0);
    atomic_store(&gate.is_open, 1);
    sem_post(&gate.go);
    assert_memory_equal(beside, alone, about.n_out * sizeof *alone);
    stoker_cancel(s, chat);
    while (stoker_next_event(s, chat, -1, &ev) == 1)
        ;
    stoker_close(s);
    free(alone);
    sem_destroy(&gate.at);
    sem_destroy(&gate.go);
    return n;
}

static void a_short_layer_is_one_piece(void **state)
{
    (void)state;
    int n = tokens_beside(TEXTS, SHORT);
    assert_in_range(n, LAYERS, PARTS * LAYERS - 1);
}

static void a_long_layer_is_several(void **state)
{
    (void)state;
    int n = tokens_beside(TEXTS, LONG);
    assert_in_range(n, PARTS * LAYERS, TOKENS_MOST - 1);
}

/* What is behind pooling multiplies too, in one piece with the end of its step. */
static void matrices_behind_pooling(void **state)
{
    (void)state;
    assert_in_range(tokens_beside(DENSE, LONG), PARTS, TOKENS_MOST - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_short_layer_is_one_piece),
                                       cmocka_unit_test(a_long_layer_is_several),
                                       cmocka_unit_test(matrices_behind_pooling)};
    for (int i = 0; i < ROWS; i++)
        many[i] = (3 + 17 * i) % 140;
    alarm(SECONDS); /* a broken law may leave the engine waiting */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
