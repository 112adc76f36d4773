/* links: eval engine text model store op machine kernel format base
 *
 * Statistics of evaluations, and programs of calltrace, against cases that were computed elsewhere.
 *
 *     build/tests/eval_stats FOLDER      stats_cases.json
 *
 * The bootstrap must be equal, for its sums have an order; the others to 1e-9. */
#include "base/error.h"
#include "base/sha256.h"
#include "eval/calltrace.h"
#include "eval/stats.h"
#include "test_lines.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static double number(const json_t *o, const char *name) { return json_number_value(json_object_get(o, name)); }

static void bootstrap(const json_t *c)
{
    const json_t *values = json_object_get(c, "diff_per_chunk");
    size_t n = json_array_size(values);
    double *x = calloc(n + 1, sizeof *x);
    struct eval_bootstrap b;
    struct error err = {0};
    for (size_t i = 0; i < n; i++)
        x[i] = json_number_value(json_array_get(values, i));
    expect(n > 0 && eval_bootstrap(&b, x, n, (size_t)number(c, "resamples"), &err) == 0, "%s", err.text);
    expect(fabs(b.mean - number(c, "mean")) <= 1e-15, "the mean is %.17g, not %.17g", b.mean, number(c, "mean"));
    expect(!(b.low < number(c, "lo") || b.low > number(c, "lo")), "low is %.17g, not %.17g", b.low, number(c, "lo"));
    expect(!(b.high < number(c, "hi") || b.high > number(c, "hi")), "high is %.17g, not %.17g", b.high,
           number(c, "hi"));
    expect(fabs(b.p - number(c, "p")) <= 1e-15, "p is %.17g, not %.17g", b.p, number(c, "p"));
    free(x);
    verdict("bootstrap", json_string_value(json_object_get(c, "name")));
}

static void wilson(const json_t *c)
{
    const json_t *interval = json_object_get(c, "interval");
    struct eval_rate r = eval_rate((size_t)number(c, "k"), (size_t)number(c, "n"));
    double low = json_number_value(json_array_get(interval, 0)), high = json_number_value(json_array_get(interval, 1));
    char name[80];
    expect(fabs(r.low - low) <= 1e-9, "low is %.17g, not %.17g", r.low, low);
    expect(fabs(r.high - high) <= 1e-9, "high is %.17g, not %.17g", r.high, high);
    snprintf(name, sizeof name, "%zu of %zu", r.k, r.n);
    verdict("wilson", name);
}

static void mcnemar(const json_t *c)
{
    double p = eval_mcnemar((size_t)number(c, "b"), (size_t)number(c, "c"));
    char name[80];
    expect(fabs(p - number(c, "p")) <= 1e-9, "p is %.17g, not %.17g", p, number(c, "p"));
    snprintf(name, sizeof name, "%.0f against %.0f", number(c, "b"), number(c, "c"));
    verdict("mcnemar", name);
}

/* All programs of seed 1, by the length and the hash of their definition. */
static void calltrace(void)
{
    static const char wanted[] = "afbe06acc819975110803d269f6d141d0302ae5bfb6bc015c05dd67f39594298";
    uint8_t hash[SHA256_BYTES];
    char hex[2 * SHA256_BYTES + 1], *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    if (f) {
        eval_calltrace_write(f, 1, EVAL_CALL_ITEMS);
        fclose(f);
    }
    sha256(text, n, hash);
    for (int i = 0; i < SHA256_BYTES; i++)
        snprintf(hex + 2 * i, 3, "%02x", hash[i]);
    expect(n == 184685, "%zu bytes", n);
    expect(strcmp(hex, wanted) == 0, "SHA-256 %s", hex);
    free(text);
    verdict("calltrace", "programs");
}

int main(int argc, char **argv)
{
    char path[4200];
    snprintf(path, sizeof path, "%s/stats_cases.json", argc > 1 ? argv[1] : ".");
    json_t *cases = json_load_file(path, 0, NULL), *c;
    size_t i;
    json_array_foreach(json_object_get(cases, "bootstrap"), i, c) bootstrap(c);
    json_array_foreach(json_object_get(cases, "wilson"), i, c) wilson(c);
    json_array_foreach(json_object_get(cases, "mcnemar"), i, c) mcnemar(c);
    calltrace();
    if (passed + failed < 2) {
        printf("FAIL %s has no cases\n", path);
        failed++;
    }
    json_decref(cases);
    printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
    return failed > 0;
}
