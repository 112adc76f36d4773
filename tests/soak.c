/* links: engine text model store op machine kernel format base
 *
 * A soak: engines under random budgets, random prompts, several at a time, some cancelled; every answer that was not cancelled
 * must have the ids that the same request had alone in a resident engine, and at the end nothing has leaked: neither memory nor
 * descriptors. Experts must have been read and evicted, and some before their layer's routes were known: chunks are up to 512.
 *
 *     build/tests/soak [SECONDS] [MODEL.gguf]        default 20 seconds, the embedded model; make soak: 30 minutes */
#include "base/clock.h"
#include "base/rng.h"
#include "sanitized.h"
#include "stoker.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { REQUESTS = 24, MOST_PROMPT = 90, LONG_PROMPT = 500, MOST_ANSWER = 24, PARALLEL = 4 };
enum { GROWTH_KIB = 8 * 1024 }; /* of the peak, beyond the largest engine's: what the allocator keeps */

struct request {
    stoker_token prompt[LONG_PROMPT], answer[MOST_ANSWER];
    int n_prompt, n_answer;
    struct stoker_sampling sampling;
};

static struct request requests[REQUESTS];
static const char *model = "models/ember/ember.gguf";
static uint64_t drawn;
static int passed, failed;
static uint64_t misses, evictions, early_reads;

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
        r->n_prompt = i % 6 == 5 ? 1 + (int)draw(LONG_PROMPT) : 1 + (int)draw(MOST_PROMPT);
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

/* Take all events, of which the last must be its end; cancel after a few tokens if asked. */
static void follow(struct stoker *s, stoker_id id, const struct request *r, int cancel_at)
{
    struct stoker_event ev;
    int n = 0, same = 1, ended = 0;
    while (stoker_next_event(s, id, -1, &ev) == 1) {
        if (ev.kind == STOKER_TOKEN) {
            same &= n < r->n_answer && ev.u.token.id == r->answer[n];
            if (++n == cancel_at)
                stoker_cancel(s, id);
        }
        if (ev.kind == STOKER_FAILED)
            same = 0;
        if (ev.kind == STOKER_END) {
            ended = 1;
            same &= n == r->n_answer || (cancel_at > 0 && ev.u.end.reason == STOKER_END_CANCELLED);
        }
    }
    *(same && ended ? &passed : &failed) += 1;
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

/* A random budget that is possible with the other options; the largest engine if asked. */
static void engine_once(int largest, int chunk)
{
    static const char *const readers[] = {NULL, "threads", "buffered"};
    struct stoker_options o = {.memory = STOKER_MEMORY_MAX, .n_parallel = PARALLEL, .n_ctx = LONG_PROMPT + MOST_ANSWER};
    o.n_chunk = chunk;
    o.n_threads = largest ? 3 : 1 + (int)draw(3);
    o.reader = readers[draw(3)];
    struct stoker_plan limits;
    struct stoker *s;
    struct stoker_error err;
    int failed_to_plan = stoker_plan(&limits, model, &o, &err);
    if (!largest && !failed_to_plan)
        o.memory = limits.minimum + draw(limits.whole - limits.minimum + 1);
    if (failed_to_plan || stoker_open(&s, model, &o, &err)) {
        printf("FAIL %s\n", err.text);
        failed++;
        return;
    }
    for (int i = 0; i < 6; i++)
        round_of(s);
    struct stoker_stats st;
    stoker_stats_of(s, &st);
    misses += st.misses;
    evictions += st.evictions;
    early_reads += st.early;
    stoker_close(s);
}

static void must(int holds, const char *what)
{
    *(holds ? &passed : &failed) += 1;
    if (!holds)
        printf("FAIL %s\n", what);
}

static int descriptors(void)
{
    int n = 0;
    DIR *d = opendir("/proc/self/fd");
    while (d && readdir(d))
        n++;
    if (d)
        closedir(d);
    return n;
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
    int open_before = descriptors();
    if (record()) {
        printf("0 passed, 1 failed, 0 skipped\n");
        return 1;
    }
    double end = clock_seconds() + (argc > 1 ? atof(argv[1]) : 20);
    engine_once(1, 512);
    long first = peak_kib();
    int engines = 1;
    do {
        static const int chunk[] = {512, 0, 0, 256, 0};
        int is = chunk[engines % 5];
        engine_once(0, is ? is : 1 + (int)draw(64));
    } while (engines++ < 5 || clock_seconds() < end);
    long last = peak_kib();
    must(SANITIZED || last <= first + GROWTH_KIB, "the peak resident set grew beyond the largest engine's");
    must(descriptors() == open_before, "descriptors were left open");
    must(misses > 0 && evictions > 0, "no expert was read and evicted");
    must(early_reads > 0, "nothing was read early");
    printf("%d engines, peak %ld KiB (of the largest: %ld), %llu misses, %llu evictions, %llu early reads\n", engines,
           last, first, (unsigned long long)misses, (unsigned long long)evictions, (unsigned long long)early_reads);
    printf("%d passed, %d failed, 0 skipped\n", passed, failed);
    return failed > 0;
}
