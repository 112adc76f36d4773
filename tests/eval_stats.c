/* links: eval engine text model store op machine kernel format base
 *
 * Statistics of evaluations, and programs of calltrace, against cases that were computed elsewhere.
 *
 *     build/tests/eval_stats FOLDER      stats_cases.json; kld_tiny.base, .f32, .json
 *
 * The bootstrap must be equal, for its sums have an order; the others to 1e-9. KL divergence: within 1e-6 of every number, and a base
 * file written from the logits has the same bytes, but for the last bits of rows' least values, which are sums of f32 in the order of the
 * recorded file. */
#include "base/error.h"
#include "base/file.h"
#include "base/sha256.h"
#include "eval/calltrace.h"
#include "eval/chunks.h"
#include "eval/kld.h"
#include "eval/stats.h"
#include "temporary.h"
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

/* ---- KL divergence -------------------------------------------------------------------------------------------------------- */

enum { MOST = 1024 }; /* positions */

static const char *folder;

static char *read_data(const char *name, size_t *n)
{
    char path[4200];
    struct error err = {0};
    snprintf(path, sizeof path, "%s/%s", folder, name);
    char *bytes = file_read(path, 1 << 20, n, &err);
    expect(bytes != NULL, "%s", err.text);
    return bytes;
}

static double log_sum(const float *z, int n)
{
    double top = z[0], sum = 0;
    for (int i = 0; i < n; i++)
        top = z[i] > top ? z[i] : top;
    for (int i = 0; i < n; i++)
        sum += exp(z[i] - top);
    return top + log(sum);
}

static void near(const char *name, double is, double wanted)
{
    expect(fabs(is - wanted) <= 1e-6 * fabs(wanted), "%s is %.17g, not %.17g", name, is, wanted);
}

static void near_estimate(const json_t *want, const char *name, struct eval_estimate e)
{
    const json_t *pair = json_object_get(want, name);
    expect(json_array_size(pair) == 2, "%s is missing", name);
    near(name, e.value, json_number_value(json_array_get(pair, 0)));
    near(name, e.error, json_number_value(json_array_get(pair, 1)));
}

static void near_percentiles(const json_t *want, const char *name, float *value, size_t n)
{
    double p[EVAL_PERCENTILES];
    size_t found = 0;
    want = json_object_get(want, name);
    eval_percentiles(p, value, n);
    for (int i = 0; i < EVAL_PERCENTILES; i++) {
        char share[16];
        snprintf(share, sizeof share, "%g", eval_percentile[i]);
        const json_t *v = json_object_get(want, share);
        found += v != NULL;
        if (v)
            near(name, p[i], json_number_value(v));
    }
    expect(found == json_object_size(want) && found >= 11, "%s: %zu of %zu percentiles", name, found,
           json_object_size(want));
}

/* Chunk by chunk, as a run adds them up. */
static size_t compare_chunks(const struct eval_base *b, const float *logits, struct eval_kld_sums *total, float *kld,
                             float *dp)
{
    struct error err = {0};
    size_t at = 0, n = (size_t)b->n_vocab;
    for (size_t c = 0; c < b->n_chunk; c++) {
        struct eval_kld_sums sums = {0};
        for (int pos = eval_first_scored(b->n_ctx); pos < b->n_ctx && at < MOST; pos++, at++) {
            const float *q = logits + (2 * at + 1) * n;
            struct eval_distance d = {0};
            double sum = log_sum(q, b->n_vocab);
            expect(eval_base_compare(b, c, pos, q, sum, &d, &err) == 0, "%s", err.text);
            eval_kld_add_position(&sums, q[b->token[c * (size_t)b->n_ctx + (size_t)pos]] - sum, &d, &kld[at], &dp[at]);
        }
        eval_kld_add(total, &sums);
    }
    return at;
}

static void compare_figures(const struct eval_base *b, const float *logits, const json_t *want)
{
    static float kld[MOST], dp[MOST];
    struct eval_kld_sums total = {0};
    struct eval_kld r;
    struct error err = {0};
    size_t n = compare_chunks(b, logits, &total, kld, dp);
    const json_t *first = json_object_get(want, "first_kld"), *v;
    size_t i;
    expect(n == (size_t)number(want, "positions") && total.n == n, "%zu positions", n);
    expect(json_array_size(first) == eval_scored(b->n_ctx), "first_kld");
    json_array_foreach(first, i, v) near("first_kld", kld[i], json_number_value(v));
    expect(eval_kld_of(&r, &total, &err) == 0, "%s", err.text);
    near("correlation", r.correlation, number(want, "correlation"));
    near_estimate(want, "ppl", r.ppl);
    near_estimate(want, "ppl_base", r.ppl_base);
    near_estimate(want, "ln_ratio", r.ln_ratio);
    near_estimate(want, "ratio", r.ratio);
    near_estimate(want, "difference", r.difference);
    near_estimate(want, "kld", r.kld);
    near_estimate(want, "dp", r.dp);
    near_estimate(want, "dp_rms", r.dp_rms);
    near_estimate(want, "same_top", r.same_top);
    near_percentiles(want, "kld_percentiles", kld, n);
    near_percentiles(want, "dp_percentiles", dp, n);
    verdict("kld", "figures");
}

/* Bytes of both files are equal but for each row's least value: within 2 units in the last place. */
static void compare_bytes(const struct eval_base *b, const char *is, const char *wanted, size_t n)
{
    size_t rows = 20 + 4 * b->n_chunk * (size_t)b->n_ctx, row = 8 + 2 * ((size_t)b->n_vocab + 1) / 2 * 2;
    expect(memcmp(is, wanted, rows) == 0, "another header, or other tokens");
    for (size_t at = rows; at < n; at += row) {
        float x, y;
        memcpy(&x, is + at + 4, 4);
        memcpy(&y, wanted + at + 4, 4);
        expect(memcmp(is + at, wanted + at, 4) == 0, "row at byte %zu: another scale", at);
        expect(fabsf(x - y) <= 2 * (nextafterf(fabsf(y), INFINITY) - fabsf(y)), "row at byte %zu: least %.9g, not %.9g",
               at, (double)x, (double)y);
        expect(memcmp(is + at + 8, wanted + at + 8, row - 8) == 0, "row at byte %zu: other codes", at);
    }
}

static void write_again(const struct eval_base *b, const float *logits)
{
    char path[TEMPORARY_PATH];
    struct error err = {0};
    size_t n = 0, wanted_n = 0, tokens = b->n_chunk * (size_t)b->n_ctx;
    close(temporary_file(path, "base"));
    unlink(path);
    struct eval_base w = {.path = path, .fd = -1, .n_ctx = b->n_ctx, .n_vocab = b->n_vocab, .n_chunk = b->n_chunk};
    w.token = malloc(tokens * sizeof *w.token);
    memcpy(w.token, b->token, tokens * sizeof *w.token);
    int bad = eval_base_create(&w, 0, NULL, &err);
    for (size_t at = b->n_chunk * eval_scored(b->n_ctx); at-- > 0 && !bad;) { /* in any order */
        const float *p = logits + 2 * at * (size_t)b->n_vocab;
        bad = eval_base_write(&w, at / eval_scored(b->n_ctx),
                              eval_first_scored(b->n_ctx) + (int)(at % eval_scored(b->n_ctx)), p,
                              log_sum(p, b->n_vocab), &err);
    }
    bad = bad || eval_base_finish(&w, &err);
    expect(!bad, "%s", err.text);
    eval_base_close(&w);
    char *is = bad ? NULL : file_read(path, 1 << 20, &n, &err), *wanted = read_data("kld_tiny.base", &wanted_n);
    expect(is && wanted && n == wanted_n, "%zu bytes", n);
    if (is && wanted && n == wanted_n)
        compare_bytes(b, is, wanted, n);
    free(is);
    free(wanted);
    unlink(path);
    verdict("kld", "a base file written from logits");
}

static void kld(void)
{
    char path[4200];
    struct eval_base b;
    struct error err = {0};
    uint8_t hash[SHA256_BYTES];
    size_t n, n_json;
    snprintf(path, sizeof path, "%s/kld_tiny.base", folder);
    int opened = eval_base_open(&b, path, &err) == 0 && eval_base_check(&b, b.n_chunk, hash, &err) == 0;
    expect(opened, "%s", err.text);
    char *logits = read_data("kld_tiny.f32", &n), *text = read_data("kld_tiny.json", &n_json);
    json_t *want = text ? json_loads(text, 0, NULL) : NULL;
    if (opened && logits && want && n == b.n_chunk * eval_scored(b.n_ctx) * 2 * (size_t)b.n_vocab * sizeof(float)) {
        compare_figures(&b, (const float *)(const void *)logits, want);
        write_again(&b, (const float *)(const void *)logits);
    } else {
        expect(0, "kld_tiny is not whole");
        verdict("kld", "data");
    }
    json_decref(want);
    free(text);
    free(logits);
    eval_base_close(&b);
}

int main(int argc, char **argv)
{
    char path[4200];
    folder = argc > 1 ? argv[1] : ".";
    snprintf(path, sizeof path, "%s/stats_cases.json", folder);
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
    kld();
    printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
    return failed > 0;
}
