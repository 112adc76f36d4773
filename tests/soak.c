/* links: engine text model store op kernel format base
 *
 * A soak: engines under random budgets, random prompts, several at a time, some cancelled; every answer that was not cancelled
 * must have the ids that the same request had alone in a resident engine, and at the end nothing has leaked.
 *
 *     build/tests/soak [SECONDS] [MODEL.gguf]        default 20 seconds, the embedded model; make soak: 30 minutes */
#include "base/clock.h"
#include "base/rng.h"
#include "stoker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { REQUESTS = 24, MOST_PROMPT = 90, MOST_ANSWER = 24, PARALLEL = 4 };

struct request {
    stoker_token prompt[MOST_PROMPT], answer[MOST_ANSWER];
    int n_prompt, n_answer;
    struct stoker_sampling sampling;
};

static struct request requests[REQUESTS];
static const char *model = "models/ember/ember.gguf";
static uint64_t drawn;
static int passed, failed;

static uint64_t draw(uint64_t n) { return rng_u64(20, drawn++, 0, 0) % n; }

static struct stoker_request as_request(struct request *r)
{
    return (struct stoker_request){.prompt = r->prompt,
                                   .n_prompt = (size_t)r->n_prompt,
                                   .max_tokens = MOST_ANSWER,
                                   .sampling = r->sampling,
                                   .ignore_end = 1};
}

static int keep_token(void *arg, stoker_token t)
{
    struct request *r = arg;
    r->answer[r->n_answer++] = t;
    return 0;
}

/* What each request answers alone, with everything resident. */
static int record(void)
{
    struct stoker *s;
    struct stoker_error err;
    struct stoker_options o = {.memory = STOKER_MEMORY_MAX};
    if (stoker_open(&s, model, &o, &err)) {
        printf("FAIL %s\n", err.text);
        return -1;
    }
    for (int i = 0; i < REQUESTS; i++) {
        struct request *r = &requests[i];
        r->n_prompt = 1 + (int)draw(MOST_PROMPT);
        for (int k = 0; k < r->n_prompt; k++)
            r->prompt[k] = (stoker_token)draw((uint64_t)stoker_n_vocab(s));
        r->sampling = stoker_sampling_defaults();
        r->sampling.has_seed = 1;
        r->sampling.seed = draw(1 << 20);
        struct stoker_request q = as_request(r);
        if (stoker_generate(s, &q, keep_token, r, NULL, &err)) {
            printf("FAIL %s\n", err.text);
            return -1;
        }
    }
    stoker_close(s);
    return 0;
}

/* Take all events; cancel after a few tokens if asked. */
static void follow(struct stoker *s, stoker_id id, const struct request *r, int cancel_at)
{
    struct stoker_event ev;
    int n = 0, same = 1;
    while (stoker_next_event(s, id, -1, &ev) == 1) {
        if (ev.kind == STOKER_TOKEN) {
            same &= n < r->n_answer && ev.u.token.id == r->answer[n];
            if (++n == cancel_at)
                stoker_cancel(s, id);
        }
        if (ev.kind == STOKER_FAILED)
            same = 0;
        if (ev.kind == STOKER_END)
            same &= n == r->n_answer || ev.u.end.reason == STOKER_END_CANCELLED;
    }
    *(same ? &passed : &failed) += 1;
}

static void round_of(struct stoker *s)
{
    stoker_id id[2 * PARALLEL];
    int which[2 * PARALLEL], n = 1 + (int)draw(2 * PARALLEL);
    struct stoker_error err;
    for (int i = 0; i < n; i++) {
        which[i] = (int)draw(REQUESTS);
        struct stoker_request q = as_request(&requests[which[i]]);
        if (stoker_submit(s, &q, &id[i], &err)) {
            printf("FAIL %s\n", err.text);
            failed++;
            n = i;
        }
    }
    for (int i = 0; i < n; i++)
        follow(s, id[i], &requests[which[i]], draw(3) == 0 ? 1 + (int)draw(MOST_ANSWER) : 0);
}

/* Any budget that is possible with the other wishes. */
static void engine_once(void)
{
    static const char *const readers[] = {NULL, "threads", "buffered"};
    struct stoker_options o = {.memory = STOKER_MEMORY_MAX, .n_parallel = PARALLEL, .n_ctx = 256};
    o.n_chunk = 1 + (int)draw(64);
    o.n_threads = 1 + (int)draw(3);
    o.reader = readers[draw(3)];
    struct stoker_plan limits;
    struct stoker *s;
    struct stoker_error err;
    int failed_to_plan = stoker_plan(&limits, model, &o, &err);
    o.memory = limits.minimum + draw(limits.whole - limits.minimum + 1);
    if (failed_to_plan || stoker_open(&s, model, &o, &err)) {
        printf("FAIL %s\n", err.text);
        failed++;
        return;
    }
    for (int i = 0; i < 6; i++)
        round_of(s);
    stoker_close(s);
}

static long peak_kib(void)
{
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return r.ru_maxrss;
}

int main(int argc, char **argv)
{
    model = argc > 2 ? argv[2] : model;
    if (record()) {
        printf("0 passed, 1 failed, 0 skipped\n");
        return 1;
    }
    double end = clock_seconds() + (argc > 1 ? atof(argv[1]) : 20);
    int engines = 0;
    long early = 0;
    do {
        engine_once();
        if (engines++ == 4)
            early = peak_kib();
    } while (clock_seconds() < end);
    long late = peak_kib();
    if (early && late > early + 64 * 1024) {
        printf("FAIL the peak resident set grew from %ld to %ld KiB\n", early, late);
        failed++;
    }
    printf("%d engines, peak %ld KiB\n%d passed, %d failed, 0 skipped\n", engines, late, passed, failed);
    return failed > 0;
}
