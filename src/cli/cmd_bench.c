/* stoker bench: speed of prompts (pp) and of generation (tg), with llama-bench's flags and columns.
 *
 * Random ids, no sampling, no text. Where experts stream, a line below each row tells hits, bytes, waiting, and what the
 * overlap model makes of the run's own misses (streaming.md M): per layer call with m misses of b bytes at rate D
 *
 *     t = a + x;  x <- (k - m) e, then for j = 1..m  x <- max(x, latency + j b / D) + e
 *
 * a: compute outside experts, e: compute of an expert, both from the same run with the waiting taken out. */
#include "cli/bench_mask.h"
#include "cli/cli.h"
#include "cli/flags.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "stoker bench [MODEL.gguf] [flags]: tokens a second of prompts (pp) and of generation (tg).\n\n"
    "  stoker bench MODEL.gguf                       pp512 and tg128, five times each\n"
    "  stoker bench MODEL.gguf -p 512,4096 -n 0 -r 3\n"
    "  stoker bench MODEL.gguf --memory 6GiB -p 0 -n 96 --disk-rate 2.5\n\n";

enum { MOST_RUNS = 100 };
static const double read_latency = 0.15e-3;

struct test {
    int n_prompt, n_gen;
    double seconds[MOST_RUNS];
    int n;
    struct stoker_stats before, after;
};

struct bench {
    struct stoker *engine;
    struct stoker_plan plan;
    int runs, n_vocab, stats;
    double disk_rate; /* bytes/s, 0: not given */
    const char *format;
};

static uint64_t next_random(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15u; /* SplitMix64 */
    uint64_t z = (*state ^ *state >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static int run_once(struct bench *b, int n_prompt, int n_gen, uint64_t seed, double *seconds, struct stoker_error *err)
{
    size_t n = (size_t)(n_prompt + n_gen) + 2;
    stoker_token *ids = malloc(n * sizeof *ids);
    if (!ids) {
        *err = (struct stoker_error){STOKER_ERR_MEMORY, "no memory for the ids of a run"};
        return -1;
    }
    for (size_t i = 0; i < n; i++)
        ids[i] = (stoker_token)(next_random(&seed) % (uint64_t)b->n_vocab);
    int prompt = n_prompt ? n_prompt : 1, answer = n_gen ? n_gen + 1 : 1;
    struct stoker_request r = {.prompt = ids,
                               .n_prompt = (size_t)prompt,
                               .max_tokens = answer,
                               .ignore_end = 1,
                               .no_cache = 1,
                               .script = ids + prompt};
    struct stoker_event end;
    int failed = stoker_generate(b->engine, &r, NULL, NULL, &end, err);
    free(ids);
    if (!failed)
        *seconds = (n_prompt ? end.u.end.prompt_seconds : 0) + (n_gen ? end.u.end.generate_seconds : 0);
    return failed;
}

static int run_test(struct bench *b, struct test *t, int warm, struct stoker_error *err)
{
    double ignored;
    if (warm && run_once(b, t->n_prompt, t->n_gen ? 1 : 0, 1, &ignored, err))
        return -1;
    stoker_stats_of(b->engine, &t->before);
    for (int i = 0; i < b->runs; i++)
        if (run_once(b, t->n_prompt, t->n_gen, (uint64_t)i + 2, &t->seconds[t->n++], err))
            return -1;
    stoker_stats_of(b->engine, &t->after);
    return 0;
}

static int ascending(const void *a, const void *b)
{
    return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b);
}

struct speed {
    double mean, deviation, median, p10, p90;
};

static struct speed speed_of(const struct test *t)
{
    double rate[MOST_RUNS], sum = 0, square = 0;
    for (int i = 0; i < t->n; i++) {
        rate[i] = (t->n_prompt + t->n_gen) / t->seconds[i];
        sum += rate[i];
    }
    struct speed s = {.mean = sum / t->n};
    for (int i = 0; i < t->n; i++)
        square += (rate[i] - s.mean) * (rate[i] - s.mean);
    s.deviation = t->n > 1 ? sqrt(square / (t->n - 1)) : 0;
    qsort(rate, (size_t)t->n, sizeof *rate, ascending);
    s.median = t->n % 2 ? rate[t->n / 2] : (rate[t->n / 2 - 1] + rate[t->n / 2]) / 2;
    s.p10 = rate[(int)(0.1 * (t->n - 1) + 0.5)];
    s.p90 = rate[(int)(0.9 * (t->n - 1) + 0.5)];
    return s;
}

/* Seconds that the overlap model gives for the decode steps of a test. */
static double model_seconds(const struct test *t, double rate)
{
    const struct stoker_stats *x = &t->before, *y = &t->after;
    double wait = y->wait_seconds - x->wait_seconds, experts = y->expert_seconds - x->expert_seconds;
    double compute = y->step_seconds - x->step_seconds - wait, calls = 0,
           uses = (double)(y->hits + y->misses - x->hits - x->misses);
    double bytes = (double)(y->bytes_read - x->bytes_read) / fmax(1, (double)(y->misses - x->misses)),
           total = compute - experts;
    double e = experts / fmax(1, uses);
    for (int m = 0; m < STOKER_CALLS; m++)
        calls += (double)(y->calls[m] - x->calls[m]);
    double k = uses / fmax(1, calls);
    for (int m = 0; m < STOKER_CALLS; m++) {
        double s = fmax(0, k - m) * e;
        for (int j = 1; j <= m; j++)
            s = fmax(s, read_latency + j * bytes / rate) + e;
        total += (double)(y->calls[m] - x->calls[m]) * s;
    }
    return total;
}

static void print_streaming(const struct bench *b, const struct test *t)
{
    int n = t->n * (t->n_prompt + t->n_gen);
    if (t->after.misses + t->after.hits == t->before.misses + t->before.hits)
        return;
    printf("  ");
    print_stream_line(stdout, &t->before, &t->after, (size_t)n);
    if (b->stats)
        print_stream_table(stdout, &b->plan, &t->before, &t->after, (size_t)n);
    if (b->disk_rate > 0 && !t->n_prompt) {
        double sum = 0, model = model_seconds(t, b->disk_rate);
        for (int i = 0; i < t->n; i++)
            sum += t->seconds[i];
        printf("  overlap model at %.2f GB/s: %.2f tok/s; measured %.2f of it\n", b->disk_rate / 1e9, n / model,
               model / sum);
    }
}

static void name_test(const struct test *t, char *out, size_t room)
{
    if (t->n_prompt && t->n_gen)
        snprintf(out, room, "pp%d+tg%d", t->n_prompt, t->n_gen);
    else
        snprintf(out, room, t->n_prompt ? "pp%d" : "tg%d", t->n_prompt ? t->n_prompt : t->n_gen);
}

static const char *base_name(const char *path) { return strrchr(path, '/') ? strrchr(path, '/') + 1 : path; }

static void print_row(const struct bench *b, const struct test *t, uint64_t size)
{
    struct speed s = speed_of(t);
    char name[48], rate[48];
    name_test(t, name, sizeof name);
    if (strcmp(b->format, "json") == 0) {
        json_t *o = json_pack(
            "{s:s, s:I, s:s, s:i, s:i, s:i, s:i, s:f, s:f, s:f, s:f, s:f, s:I, s:I}", "model_filename", b->plan.model,
            "model_size", (json_int_t)size, "backends", t->after.cpu_tier, "n_threads", b->plan.n_threads, "n_ubatch",
            b->plan.n_chunk, "n_prompt", t->n_prompt, "n_gen", t->n_gen, "avg_ts", s.mean, "stddev_ts", s.deviation,
            "median_ts", s.median, "p10_ts", s.p10, "p90_ts", s.p90, "memory_budget", (json_int_t)b->plan.memory,
            "disk_bytes", (json_int_t)(t->after.bytes_read - t->before.bytes_read));
        add_stream_json(o, &b->plan, &t->before, &t->after, (size_t)(t->n * (t->n_prompt + t->n_gen)));
        json_dumpf(o, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
        putchar('\n');
        json_decref(o);
        return;
    }
    snprintf(rate, sizeof rate, "%.2f ± %.2f", s.mean, s.deviation);
    printf("| %-30s | %10s | %-8s | %7d | %12s | %16s | %8.2f |\n", base_name(b->plan.model), show_bytes(size),
           t->after.cpu_tier, b->plan.n_threads, name, rate, s.median);
    print_streaming(b, t);
    fflush(stdout);
}

static uint64_t weights_of(const struct stoker_plan *p)
{
    uint64_t n = p->bank;
    for (int i = 0; i < STOKER_PLAN_PARTS; i++)
        if (strcmp(p->part_name[i], "weights") == 0 || strcmp(p->part_name[i], "embedding") == 0)
            n += p->part[i];
    return n;
}

static int run_all(struct bench *b, struct test *tests, int n, int warm)
{
    struct stoker_error err;
    if (strcmp(b->format, "md") == 0)
        printf("| %-30s | %10s | %-8s | %7s | %12s | %16s | %8s |\n| %.30s | %.9s: | %.8s | %.6s: | %.11s: | %.15s: | "
               "%.7s: |\n",
               "model", "size", "backend", "threads", "test", "t/s", "median", "------------------------------",
               "------------------------------", "------------------------------", "------------------------------",
               "------------------------------", "------------------------------", "------------------------------");
    for (int i = 0; i < n; i++) {
        if (run_test(b, &tests[i], warm, &err))
            return report(&err);
        print_row(b, &tests[i], weights_of(&b->plan));
    }
    return 0;
}

int cmd_bench(int argc, char **argv)
{
    struct stoker_options o = {.progress = show_loading};
    struct bench b = {.runs = 5, .format = "md"};
    struct int_list prompts = {{512}, 1}, gens = {{128}, 1};
    const char *model = NULL, *named = NULL, *masks = NULL;
    int no_warmup = 0, n_rest;
    double rate = 0;
    const struct flag mine[] = {
        {"-m", "--model", FLAG_TEXT, &named, 0, 0, "MODEL.gguf", "the model, also without -m"},
        {"-p", NULL, FLAG_LIST, &prompts, 0, 0, "N[,N]", "prompt tokens (default 512; 0: none)"},
        {"-n", NULL, FLAG_LIST, &gens, 0, 0, "N[,N]", "generated tokens (default 128; 0: none)"},
        {"-r", NULL, FLAG_INT, &b.runs, 1, MOST_RUNS, "N", "repetitions (default 5)"},
        {"-o", NULL, FLAG_TEXT, &b.format, 0, 0, "md|json", "table, or a JSON object a line"},
        {"--no-warmup", NULL, FLAG_SWITCH, &no_warmup, 0, 0, NULL, "time the first run too"},
        {"--disk-rate", NULL, FLAG_REAL, &rate, 0.001, 1000, "GB/s",
         "compare with the overlap model (rate: stoker disk)"},
        {"--stats", NULL, FLAG_SWITCH, &b.stats, 0, 0, NULL, "all figures of streaming below each row"},
        {"--routes", NULL, FLAG_TEXT, &o.routes, 0, 0, "FILE",
         "experts as a trace (--route-trace) has them, instead of the model's choice"},
        {"--mask", NULL, FLAG_TEXT, &masks, 0, 0, "PATH", "masks of constraints instead: schemas with texts, or tools"},
        {"-ub", NULL, FLAG_INT, &o.n_chunk, 1, 1 << 16, "N", "= --chunk"},
    };
    const struct flag_table tables[] = {{mine, sizeof mine / sizeof *mine}, model_flags(&o)};
    int status = flags_parse("bench", usage, tables, 2, argc, argv, &model, 1, &n_rest);
    if (status != FLAGS_DONE)
        return status;
    if (strcmp(b.format, "md") != 0 && strcmp(b.format, "json") != 0) {
        fprintf(stderr, "stoker bench: -o %s: md and json are possible\n", b.format);
        return 2;
    }
    model = named ? named : model;
    if (!model && !(model = embedded_model()))
        return 1;
    if (masks)
        return bench_mask(model, masks, b.format);
    b.disk_rate = rate * 1e9;
    struct test *tests = calloc(2 * LIST_MOST, sizeof *tests);
    int n = 0, longest = 0;
    for (int i = 0; tests && i < prompts.n; i++)
        if (prompts.item[i])
            tests[n++].n_prompt = prompts.item[i];
    for (int i = 0; tests && i < gens.n; i++)
        if (gens.item[i])
            tests[n++].n_gen = gens.item[i];
    for (int i = 0; i < n; i++)
        longest = tests[i].n_prompt + tests[i].n_gen > longest ? tests[i].n_prompt + tests[i].n_gen : longest;
    if (!o.n_ctx) /* as llama-bench: what the tests take */
        o.n_ctx = longest + 8;

    struct stoker_error err;
    if (stoker_open(&b.engine, model, &o, &err)) {
        end_loading();
        free(tests);
        return report(&err);
    }
    end_loading();
    stoker_plan_of(b.engine, &b.plan);
    b.n_vocab = stoker_n_vocab(b.engine);
    if (strcmp(b.format, "md") == 0)
        print_plan_line(stdout, &b.plan);
    status = run_all(&b, tests, n, !no_warmup);
    stoker_close(b.engine);
    free(tests);
    return status;
}
