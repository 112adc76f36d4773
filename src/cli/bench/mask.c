/* stoker bench --mask PATH: what constraints cost with a model's vocabulary. */
#include "cli/bench/bench.h"

#include "cli/common/cli.h"

#include <string.h>

static void print_row(const char *name, const struct stoker_mask_times *t, int json)
{
    if (json)
        printf("\"%s\": {\"n\": %zu, \"median_us\": %.1f, \"p99_us\": %.1f, \"worst_us\": %.1f}", name, t->n,
               t->median * 1e6, t->p99 * 1e6, t->worst * 1e6);
    else
        printf("| %-10s | %8zu | %10.1f | %10.1f | %10.1f |\n", name, t->n, t->median * 1e6, t->p99 * 1e6,
               t->worst * 1e6);
}

static void print_costs(const struct stoker_mask_costs *c, const char *limit, int json)
{
    const struct {
        const char *name;
        const struct stoker_mask_times *times;
    } rows[] = {{"compile", &c->compile}, {"first mask", &c->first}, {"cold", &c->cold}, {"warm", &c->warm}};
    if (json)
        printf(", \"close_at_limit %s\": {", limit);
    else
        printf("\nclose_at_limit %s\n\n"
               "|            |        n | median us  |   p99 us   |  worst us  |\n"
               "|------------|---------:|-----------:|-----------:|-----------:|\n",
               limit);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        printf("%s", json && i ? ", " : "");
        print_row(rows[i].name, rows[i].times, json);
    }
    printf("%s", json ? "}" : "");
}

int bench_mask(const char *model, const char *path, const char *format)
{
    struct stoker_mask_bench b;
    struct stoker_error err;
    int json = !strcmp(format, "json");
    if (stoker_mask_bench(model, path, &b, &err))
        return report(&err);
    static const char *const limits[STOKER_MASK_LIMITS] = {"off", "far away", "near"};
    if (json)
        printf("{\"n_vocab\": %d, \"trie_ms\": %.1f, \"trie_bytes\": %llu, \"skipped\": %zu", b.n_vocab,
               b.trie_seconds * 1e3, (unsigned long long)b.trie_bytes, b.skipped);
    else
        printf("vocabulary of %d tokens: trie of %.1f MB in %.1f ms; %zu schemas refused\n", b.n_vocab,
               (double)b.trie_bytes * 1e-6, b.trie_seconds * 1e3, b.skipped);
    for (int i = 0; i < STOKER_MASK_LIMITS; i++)
        print_costs(&b.costs[i], limits[i], json);
    if (json)
        printf("}\n");
    return 0;
}
