/* links: engine text model store op machine kernel format base
 *
 * Plans against search: models of known shapes (headers only, sparse_model.h), eight budgets each, as `run` and as `serve` plan, and one
 * that holds everything but drafts, as `serve --draft auto` plans. No plan on a grid over the same knobs (rows of a chunk, sequences, share
 * of prefixes, each filled up with experts) may be more than 10 % faster, by the same prediction, than the plan that was made. A figure of
 * the grid is a plan of its own, with everything given. The grid must have one that is nearly as fast as the plan: else nothing was
 * compared.
 *
 *     build/tests/plan_speed [-v]     a line a model; -v: a line a plan */
#include "engine/plan.h"
#include "sparse_model.h"
#include "test_lines.h"

#include <math.h>
#include <stdlib.h>

#define MIB    UINT64_C(1048576)
#define MARGIN 1.10
#define COARSE 1.25 /* a size of chunks of the grid, to the one before */

static char path[64] = "/tmp/stoker-speed-XXXXXX";
static int verbose;

static const struct {
    const char *name;
    struct shape s;
} models[] = {
    {"qwen3-30b-a3b", {"qwen3moe", 48, 2048, 32, 4, 128, 128, 262144, 0, 128, 8, 768, 151936, TYPE_Q4_K, .mixed = 1}},
    {"qwen3-235b-a22b",
     {"qwen3moe", 94, 4096, 64, 4, 128, 128, 262144, 0, 128, 8, 1536, 151936, TYPE_Q4_K, .mixed = 1}},
    {"gpt-oss-20b", {"gpt-oss", 24, 2880, 64, 8, 64, 64, 131072, 0, 32, 4, 2880, 201088, TYPE_MXFP4, .window = 128}},
    {"gpt-oss-120b", {"gpt-oss", 36, 2880, 64, 8, 64, 64, 131072, 0, 128, 4, 2880, 201088, TYPE_MXFP4, .window = 128}},
    {"olmoe-1b-7b", {"olmoe", 16, 2048, 16, 16, 128, 128, 4096, 0, 64, 8, 1024, 50304, TYPE_Q4_K}},
    {"mixtral-8x7b", {"llama", 32, 4096, 32, 8, 128, 128, 32768, 0, 8, 2, 14336, 32000, TYPE_Q4_K}},
    {"qwen3-next-80b-a3b",
     {"qwen3next", 48, 2048, 16, 2, 256, 256, 262144, 0, 512, 10, 512, 151936, TYPE_Q4_K, .n_head_state = 32,
      .n_group = 16, .d_state = 128, .n_conv = 4}},
    {"glm-4.5-air",
     {"glm4moe", 46, 4096, 96, 8, 128, 128, 131072, 10944, 128, 8, 1408, 151552, TYPE_Q4_0, .n_dense = 1,
      .n_draft = 1}},
    {"deepseek-v3",
     {"deepseek2", 61, 7168, 128, 1, 192, 128, 163840, 18432, 256, 8, 2048, 129280, TYPE_Q4_K, .q_rank = 1536,
      .kv_rank = 512, .n_rot = 64, .n_dense = 3}},
    {"kimi-linear-48b-a3b",
     {"kimi-linear",
      27,
      2304,
      32,
      1,
      192,
      128,
      1 << 20,
      9216,
      256,
      8,
      1024,
      163840,
      TYPE_Q4_K,
      .q_rank = 1536,
      .kv_rank = 512,
      .n_rot = 64,
      .n_dense = 1,
      .d_kda = 128,
      .n_conv = 4}},
    {"minimax-m2", {"minimax-m2", 62, 3072, 48, 8, 128, 128, 196608, 0, 256, 8, 1536, 200064, TYPE_Q4_K}},
    {"nemotron-3-nano",
     {"nemotron_h_moe",
      52,
      2688,
      32,
      2,
      128,
      128,
      262144,
      1856,
      128,
      6,
      1856,
      131072,
      TYPE_Q4_0,
      .n_head_state = 64,
      .n_group = 8,
      .d_state = 128,
      .n_conv = 4,
      .d_head_state = 64,
      .pattern = "MEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEMEM*EMEMEMEME"}},
};

/* How far from the minimum to where nothing streams. */
static const double budgets[] = {0, 0.01, 0.03, 0.1, 0.25, 0.5, 0.8, 1};

/* What the commands ask for, with the text and the connections of usual size. */
static struct plan_request request_of(int serve)
{
    struct plan_request w = {.n_threads = 4, .has_text = 1, .text_bytes = 24 * MIB, .constraint_state_bytes = 300000};
    if (!serve)
        return w;
    w.defaults = (struct plan_defaults){.n_ctx = 32768, .n_parallel = 4, .n_snapshots = 4, .cache_ram = 512 * MIB};
    w.server = 64 * MIB;
    w.n_queue = 128;
    return w;
}

struct tried {
    struct model *m;
    struct speed_model speed;
    struct speed_rates rates;
    struct plan_request request;
    struct plan plan, best; /* best: of the grid */
    double best_seconds;    /* INFINITY: no plan of the grid works */
    int n_compared;         /* plans of the grid that work */
};

/* One plan of the grid: everything given, so that only the slots are left to choose. */
static void try_one(struct tried *t, int n_parallel, int n_chunk, uint64_t cache)
{
    struct plan_request w = t->request;
    struct error err = {0};
    struct plan p;
    w.n_ctx = t->plan.n_ctx;
    w.n_parallel = n_parallel;
    w.n_chunk = n_chunk;
    w.n_snapshots = t->plan.n_snapshots;
    w.cache_ram = cache;
    w.defaults.cache_ram = 0;
    w.n_draft = t->plan.n_draft;
    w.priced = 0;
    if (plan_make(&p, t->m, &w, &err) || p.part[PLAN_PREFIX] + 64 * MIB < cache) /* not so much cache after all */
        return;
    t->n_compared++;
    double seconds = plan_speed(&p, t->m, &t->speed, t->plan.asked_parallel, &t->rates).seconds;
    if (seconds < t->best_seconds) {
        t->best_seconds = seconds;
        t->best = p;
    }
}

static void try_grid(struct tried *t)
{
    enum { CACHES = 8 };
    uint64_t cache = t->plan.asked_cache;
    t->best_seconds = INFINITY;
    t->best = (struct plan){0};
    t->n_compared = 0;
    for (int n_parallel = 1; n_parallel <= t->plan.asked_parallel; n_parallel++)
        for (uint64_t k = 0; k <= (cache ? CACHES : 0); k++)
            for (int power = 16; power <= 2048; power *= 2)
                for (int n_chunk = power; n_chunk < 2 * power && n_chunk <= 2048; n_chunk += power / 4)
                    try_one(t, n_parallel, n_chunk, cache / CACHES * k);
}

static void print_plan(const char *what, const struct plan *p, double seconds)
{
    int slots = 0;
    for (int i = 0; i < p->n_class; i++)
        slots += p->slots[i];
    printf("       %-5s %8.1f s: context %d, %d sequences, %4d rows, %d slots, prefixes %llu MiB\n", what, seconds,
           p->n_ctx, p->n_parallel, p->n_chunk, slots, (unsigned long long)(p->part[PLAN_PREFIX] / MIB));
}

/* The time of the plan, as a multiple of that of the grid's best. */
static double compare(struct tried *t, const char *name, int serve, double share)
{
    struct error err = {0};
    if (plan_make(&t->plan, t->m, &t->request, &err)) {
        expect(0, "%s: %s", name, err.text);
        return 1;
    }
    expect(t->plan.total <= t->request.memory, "%s: more than the budget is planned", name);
    try_grid(t);
    double ratio = t->plan.speed.seconds / t->best_seconds;
    if (verbose || ratio > MARGIN || ratio < 1 / COARSE) {
        printf("     %s, %s, %.0f %%, %llu MiB: %.3f of the best of %d\n", name, serve ? "serve" : "run", share * 100,
               (unsigned long long)(t->request.memory / MIB), ratio, t->n_compared);
        print_plan("plan", &t->plan, t->plan.speed.seconds);
        print_plan("best", &t->best, t->best_seconds);
    }
    expect(ratio <= MARGIN, "%s: %.3f times the seconds of the best plan", name, ratio);
    expect(ratio >= 1 / COARSE, "%s: the best of %d plans of the grid is no measure", name, t->n_compared);
    return ratio;
}

/* whole: where everything but drafts fits. */
static double compare_with_drafts(struct tried *t, const char *name, uint64_t whole)
{
    t->request.memory = whole;
    t->request.n_draft = 16;
    t->request.ngrams = t->request.priced = 1;
    double ratio = compare(t, name, 1, 1);
    expect(t->plan.n_draft > 0, "%s: no drafts", name);
    return ratio;
}

static void check_model(struct model *m, const char *name)
{
    double worst = 0;
    int n = 0, n_compared = 0;
    for (int serve = 0; serve < 2; serve++) {
        struct tried t = {.m = m, .request = request_of(serve), .rates = speed_usual_rates(4)};
        struct error err = {0};
        speed_describe(&t.speed, m, t.request.kv);
        t.request.how = PLAN_MINIMUM;
        expect(plan_make(&t.plan, m, &t.request, &err) == 0, "%s: %s", name, err.text);
        t.request.how = PLAN_BYTES;
        uint64_t minimum = t.plan.minimum, whole = t.plan.whole;
        for (size_t i = 0; i < sizeof budgets / sizeof *budgets; i++, n++) {
            t.request.memory = minimum + (uint64_t)((double)(whole - minimum) * budgets[i]);
            double ratio = compare(&t, name, serve, budgets[i]);
            worst = ratio > worst ? ratio : worst;
            n_compared += t.n_compared;
        }
        if (serve) {
            double ratio = compare_with_drafts(&t, name, whole);
            worst = ratio > worst ? ratio : worst;
            n_compared += t.n_compared;
            n++;
        }
    }
    char detail[120];
    expect(n > 0, "%s: no plan was made", name);
    snprintf(detail, sizeof detail, "%d plans against %d of the grid, the worst takes %.3f times the best's seconds", n,
             n_compared, worst);
    verdict(name, detail);
}

int main(int argc, char **argv)
{
    int fd = mkstemp(path);
    verbose = argc > 1 && strcmp(argv[1], "-v") == 0;
    if (fd < 0) {
        fprintf(stderr, "plan_speed: no place for temporary files\n");
        return 2;
    }
    close(fd);
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        struct error err = {0};
        struct gguf *g = NULL;
        struct model *m = NULL;
        if (sparse_write(path, &models[i].s, &err) || gguf_open(&g, path, &err) || model_open(&m, g, &err)) {
            expect(0, "%s", err.text);
            verdict(models[i].name, "not opened");
        } else
            check_model(m, models[i].name);
        model_close(m);
        gguf_close(g);
    }
    unlink(path);
    if (passed + failed == 0) {
        expect(0, "no model was tried");
        verdict("models", "none");
    }
    printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
    return failed > 0;
}
