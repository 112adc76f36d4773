/* links: engine text model store op machine kernel format base
 *
 * The longest time between two tokens of an answer by the engine's own clock, without a server, its threads and a client: two answers
 * alone, then while texts become vectors. bench/embed_server.sh prints it beside what a client sees of the same models.
 *
 *     build/tests/gaps CHAT.gguf EMBED.gguf [PAIRS [TEXTS [TOKENS [SECONDS]]]]      5 pairs, 512 texts of 64 tokens, 10 s alone
 *
 * A line a pair, in the words of bench/embed_requests.py. All experts are read before. */
#include "base/clock.h"
#include "engine/engine.h"
#include "stoker.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ANSWERS = 2, PROMPT = 64, CONTEXT = 8192, TOKENS_MOST = CONTEXT, BEGUN = 16, LOOK_US = 5000 };

/* An answer, and when the engine's thread told each of its tokens. */
struct answer {
    stoker_id id;
    double at[TOKENS_MOST];
    atomic_int n;
};

struct texts {
    size_t n, n_token;
    struct stoker_tokens *text;
    float *out;
};

struct gaps {
    double longest, of_99, median, per_second; /* per_second: tokens of both answers */
};

static int complain(const struct stoker_error *err)
{
    fprintf(stderr, "gaps: %s\n", err->text);
    return -1;
}

static stoker_token any_token(void) { return 300 + rand() % 3700; }

/* In the engine's thread. */
static void on_token(void *answer)
{
    struct answer *a = answer;
    int n = atomic_load(&a->n);
    if (n == TOKENS_MOST)
        return;
    a->at[n] = clock_seconds();
    atomic_store(&a->n, n + 1);
}

static int begin(struct stoker *s, struct answer *a, struct stoker_error *err)
{
    stoker_token prompt[PROMPT];
    for (int i = 0; i < PROMPT; i++)
        prompt[i] = any_token();
    const struct stoker_request r = {.prompt = prompt,
                                     .n_prompt = PROMPT,
                                     .max_tokens = CONTEXT - PROMPT,
                                     .ignore_end = 1,
                                     .notify = on_token,
                                     .notify_arg = a};
    atomic_store(&a->n, 0);
    return stoker_submit(s, &r, &a->id, err) ? complain(err) : 0;
}

/* Takes what is there of a request. 1: it has ended; -1: it has failed, or is gone. */
static int drain(struct stoker *s, stoker_id id)
{
    struct stoker_event ev;
    int got;
    while ((got = stoker_next_event(s, id, 0, &ev)) == 1) {
        if (ev.kind == STOKER_FAILED)
            return complain(&ev.error);
        if (ev.kind == STOKER_END)
            return 1;
    }
    return got;
}

/* A moment, in which nothing but the engine runs. 0: an answer has ended, which is too early. */
static int wait_a_moment(struct stoker *s, struct answer *a)
{
    int running = 1;
    usleep(LOOK_US);
    for (int i = 0; i < ANSWERS; i++)
        running &= !drain(s, a[i].id);
    return running;
}

static int compare(const void *x, const void *y)
{
    double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

/* Of both answers, the tokens from `begin` on. */
static struct gaps gaps_since(const struct answer *a, double begin)
{
    static double gap[ANSWERS * TOKENS_MOST];
    double seconds = clock_seconds() - begin;
    size_t n = 0;
    for (int k = 0; k < ANSWERS; k++)
        for (int i = 1, told = atomic_load(&a[k].n); i < told; i++)
            if (a[k].at[i] >= begin)
                gap[n++] = a[k].at[i] - a[k].at[i - 1];
    qsort(gap, n, sizeof *gap, compare);
    return n ? (struct gaps){gap[n - 1], gap[n * 99 / 100], gap[n / 2], (double)n / seconds} : (struct gaps){0};
}

/* Experts are read behind an engine's start, beside whoever computes. */
static void wait_until_read(struct stoker *s)
{
    struct stoker_stats before, now;
    stoker_stats_of(s, &now);
    do {
        before = now;
        sleep(1);
        stoker_stats_of(s, &now);
    } while (now.bytes_read != before.bytes_read);
}

/* Both answers, until each has some tokens and so many seconds behind that. 0, or -1: an answer ended. */
static int run_alone(struct stoker *s, struct answer *a, double seconds, struct gaps *out)
{
    int running = 1;
    while (running && (atomic_load(&a[0].n) < BEGUN || atomic_load(&a[1].n) < BEGUN))
        running = wait_a_moment(s, a);
    double from = clock_seconds();
    while (running && clock_seconds() < from + seconds)
        running = wait_a_moment(s, a);
    *out = gaps_since(a, from);
    return running ? 0 : -1;
}

/* Until the texts are vectors; seconds of a layer of theirs, and of all of it. 0, or -1: an answer ended, or there are no vectors. */
static int run_beside(struct stoker *s, struct answer *a, const struct texts *t, struct gaps *out, double *layer,
                      double *seconds)
{
    struct stoker *e = stoker_encoder(s, STOKER_EMBED);
    struct stoker_stats before, after;
    struct stoker_error err;
    stoker_id id;
    int running = 1, ended;
    stoker_stats_of(e, &before);
    double from = clock_seconds();
    const struct stoker_embed request = {.text = t->text, .n_text = t->n, .out = t->out};
    if (stoker_submit_embed(e, &request, &id, &err))
        return complain(&err);
    while (!(ended = drain(e, id)))
        running &= wait_a_moment(s, a);
    *seconds = clock_seconds() - from;
    *out = gaps_since(a, from);
    stoker_stats_of(e, &after);
    *layer = (after.step_seconds - before.step_seconds) / (double)(after.steps - before.steps) /
             e->session->model->p.n_layer;
    return running && ended > 0 ? 0 : -1;
}

static int measure(struct stoker *s, const struct texts *t, double alone_seconds)
{
    static struct answer a[ANSWERS];
    struct gaps alone, beside;
    struct stoker_error err;
    double layer = 0, seconds = 0;
    for (int i = 0; i < ANSWERS; i++)
        if (begin(s, &a[i], &err))
            return -1;
    int failed = run_alone(s, a, alone_seconds, &alone) || run_beside(s, a, t, &beside, &layer, &seconds);
    for (int i = 0; i < ANSWERS; i++)
        for (stoker_cancel(s, a[i].id); !drain(s, a[i].id);)
            usleep(LOOK_US);
    if (failed) {
        fprintf(stderr,
                "gaps: a request failed, or an answer had its end first: take fewer texts, or less time alone\n");
        return -1;
    }
    printf("gap %.1f (p99 %.1f, half of them %.1f) of %.1f ms, with the longest gap alone as the step %.1f (step %.1f, "
           "layer %.1f; alone %.1f (p99 %.1f, half of them %.1f)), tokens/s %.1f beside, %.1f alone: %.2f; %.0f "
           "tokens/s of texts\n",
           1e3 * beside.longest, 1e3 * beside.of_99, 1e3 * beside.median, 1e3 * (alone.median + layer),
           1e3 * (alone.longest + layer), 1e3 * alone.median, 1e3 * layer, 1e3 * alone.longest, 1e3 * alone.of_99,
           1e3 * alone.median, beside.per_second, alone.per_second, beside.per_second / alone.per_second,
           (double)t->n_token / seconds);
    fflush(stdout);
    return 0;
}

static int make_texts(struct texts *t, struct stoker *e, size_t n, size_t n_token)
{
    struct stoker_encoder about;
    if (!e || stoker_encoder_of(e, &about) || n_token > about.n_ctx) {
        fprintf(stderr, "gaps: there is no model of vectors, or its texts have fewer tokens\n");
        return -1;
    }
    stoker_token *id = malloc(n * n_token * sizeof *id);
    *t = (struct texts){.n = n,
                        .n_token = n * n_token,
                        .text = malloc(n * sizeof *t->text),
                        .out = malloc(n * about.n_out * sizeof *t->out)};
    if (!id || !t->text || !t->out)
        return -1;
    for (size_t i = 0; i < n * n_token; i++)
        id[i] = any_token() % stoker_n_vocab(e);
    for (size_t i = 0; i < n; i++)
        t->text[i] = (struct stoker_tokens){id + i * n_token, n_token};
    return 0;
}

int main(int argc, char **argv)
{
    struct stoker_error err;
    struct stoker *s = NULL;
    struct texts t;
    if (argc < 3) {
        fprintf(stderr, "gaps CHAT.gguf EMBED.gguf [PAIRS [TEXTS [TOKENS [SECONDS]]]]\n");
        return 2;
    }
    int pairs = argc > 3 ? atoi(argv[3]) : 5, texts = argc > 4 ? atoi(argv[4]) : 512,
        tokens = argc > 5 ? atoi(argv[5]) : 64;
    const struct stoker_options o = {
        .embed = argv[2], .memory = STOKER_MEMORY_MAX, .n_ctx = CONTEXT, .n_parallel = ANSWERS};
    int status = stoker_open(&s, argv[1], &o, &err) ? complain(&err) : 0;
    if (status == 0)
        status = make_texts(&t, stoker_encoder(s, STOKER_EMBED), (size_t)texts, (size_t)tokens);
    if (status == 0)
        wait_until_read(s);
    for (int i = 0; i < pairs && status == 0; i++)
        status = measure(s, &t, argc > 6 ? atof(argv[6]) : 10);
    stoker_close(s);
    return status != 0;
}
