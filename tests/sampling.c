/* links: text base */
/* The sampling chain against its cases: sampling [FILE] (without: ../shared/spec/sampling_cases.json; the last section of
 * sampling.md beside it tells the format). Cases that use stages which do not exist yet count as skipped. */
#include "base/error.h"
#include "base/rng.h"
#include "text/sampler.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int n_passed, n_failed, n_skipped;

static void verdict(int ok, const char *what, const char *why)
{
    n_passed += ok;
    n_failed += !ok;
    if (!ok)
        printf("FAIL %s: %s\n", what, why);
}

/* All numbers are read as doubles, because one seed is beyond the integers of the parser: 2^64 - 1, which rounds to 2^64. */
static uint64_t whole(const json_t *x)
{
    return json_number_value(x) >= 0x1p64 ? UINT64_MAX : (uint64_t)json_number_value(x);
}

static uint64_t number(const json_t *o, const char *key) { return whole(json_object_get(o, key)); }

static uint64_t hex(const json_t *x) { return strtoull(json_string_value(x), NULL, 16); }

static void check_philox(const json_t *vectors)
{
    size_t i;
    json_t *v;
    json_array_foreach(vectors, i, v)
    {
        uint32_t in[6], out[4];
        int same = 1;
        for (size_t k = 0; k < 6; k++)
            in[k] = (uint32_t)hex(k < 4 ? json_array_get(json_object_get(v, "ctr"), k)
                                        : json_array_get(json_object_get(v, "key"), k - 4));
        philox4x32(in, in + 4, out);
        for (size_t k = 0; k < 4; k++)
            same = same && out[k] == hex(json_array_get(json_object_get(v, "out"), k));
        verdict(same, "philox", "other numbers");
    }
}

static void check_rng(const json_t *rows)
{
    size_t i;
    json_t *r;
    json_array_foreach(rows, i, r)
    {
        uint64_t x = rng_u64(number(r, "seed"), number(r, "index"), (uint32_t)number(r, "stream"),
                             (uint32_t)number(r, "choice"));
        verdict(x == hex(json_object_get(r, "u64")), "rng", "other number");
    }
}

static void check_defaults(const json_t *d)
{
    struct sampling s = sampling_defaults();
    verdict(s.temperature == json_number_value(json_object_get(d, "temperature")) &&
                s.top_p == json_number_value(json_object_get(d, "top_p")) &&
                s.min_p == json_number_value(json_object_get(d, "min_p")) &&
                s.top_k == json_number_value(json_object_get(d, "top_k")),
            "defaults", "other values");
}

/* The parameters that exist; 0 when the case needs others. */
static int read_params(const json_t *params, const json_t *defaults, struct sampling *s)
{
    const char *key;
    json_t *x;
    *s = sampling_defaults();
    json_object_foreach((json_t *)params, key, x)
    {
        double v = json_number_value(x);
        if (!strcmp(key, "temperature"))
            s->temperature = v;
        else if (!strcmp(key, "top_k"))
            s->top_k = (int)v;
        else if (!strcmp(key, "top_p"))
            s->top_p = v;
        else if (!strcmp(key, "min_p"))
            s->min_p = v;
        else if (!json_is_number(x) || !json_object_get(defaults, key) ||
                 v != json_number_value(json_object_get(defaults, key)))
            return 0;
    }
    return 1;
}

/* Logits of a case, malloc'd: a list, or numbers by the rule of the format. */
static float *read_logits(const json_t *x, int *n)
{
    int made = json_is_object(x);
    *n = made ? (int)number(x, "philox_n") : (int)json_array_size(x);
    float *logits = malloc((size_t)*n * sizeof *logits + 1);
    for (int i = 0; logits && i < *n; i++) {
        const json_t *v = made ? NULL : json_array_get(x, (size_t)i);
        if (made) {
            uint32_t key = (uint32_t)number(x, "key"), out[4];
            philox4x32((uint32_t[]){(uint32_t)i, 0, 0, 0}, (uint32_t[]){key, key}, out);
            logits[i] = (float)((out[0] >> 8) * 0x1p-24 * 24 - 12);
        } else {
            logits[i] = json_is_string(v) ? -INFINITY : (float)json_number_value(v);
        }
    }
    return logits;
}

static struct sampler *make_sampler(int n_vocab)
{
    void *mem = aligned_alloc(64, (sampler_bytes(n_vocab) + 63) / 64 * 64);
    return mem ? sampler_place(mem, n_vocab) : NULL;
}

static const char *compare(struct sampler *s, int32_t token, const struct error *err, const json_t *expect)
{
    const json_t *ids = json_object_get(expect, "candidates"), *probs = json_object_get(expect, "probs"),
                 *n = json_object_get(expect, "n");
    if (json_object_get(expect, "error"))
        return token < 0 && err->code != ERR_NONE ? NULL : "no error";
    if (token < 0)
        return err->text;
    size_t count = n ? (size_t)whole(n) : json_array_size(ids);
    if (sampler_candidates(s) != count)
        return "other number of candidates";
    uint64_t weight, sum = 0;
    for (size_t i = 0; i < count; i++) {
        sampler_candidate(s, i, &weight);
        sum += weight;
    }
    for (size_t i = 0; i < json_array_size(ids); i++)
        if (sampler_candidate(s, i, &weight) != (int32_t)whole(json_array_get(ids, i)))
            return "other candidates";
    for (size_t i = 0; i < json_array_size(probs); i++) {
        sampler_candidate(s, i, &weight);
        double want = json_number_value(json_array_get(probs, i));
        if (fabs((double)weight / (double)sum - want) > 1e-6 * want + 1e-11) /* integer weights: 2^-40 is the grain */
            return "other probabilities";
    }
    return token == (int32_t)number(expect, "token") ? NULL : "another token";
}

static void check_case(const json_t *c, const json_t *defaults)
{
    struct sampling how;
    struct error err = {0};
    const char *name = json_string_value(json_object_get(c, "name"));
    if (!read_params(json_object_get(c, "params"), defaults, &how) || json_object_get(c, "bias") ||
        json_object_get(c, "mu")) {
        n_skipped++;
        return;
    }
    int n;
    float *logits = read_logits(json_object_get(c, "logits"), &n);
    const json_t *mask = json_object_get(c, "mask");
    uint8_t *allowed = mask ? calloc((size_t)n, 1) : NULL;
    struct sampler *s = make_sampler(n);
    for (size_t i = 0; allowed && i < json_array_size(mask); i++)
        allowed[whole(json_array_get(mask, i))] = 1;
    how.seed = number(c, "seed");
    int32_t token = sampler_pick(s, logits, allowed, &how, number(c, "index"), (uint32_t)number(c, "choice"), &err);
    const char *why = compare(s, token, &err, json_object_get(c, "expect"));
    verdict(!why, name, why);
    free(logits);
    free(allowed);
    free(s);
}

static void check_histogram(const json_t *h, const json_t *defaults)
{
    struct sampling how;
    struct error err = {0};
    int n, counts[64] = {0}, same = 1;
    float *logits = read_logits(json_object_get(h, "logits"), &n);
    struct sampler *s = make_sampler(n);
    const json_t *range = json_object_get(h, "indexes"), *want = json_object_get(h, "counts");
    read_params(json_object_get(h, "params"), defaults, &how);
    how.seed = number(h, "seed");
    for (uint64_t i = whole(json_array_get(range, 0)); i < whole(json_array_get(range, 1)); i++) {
        int32_t id = sampler_pick(s, logits, NULL, &how, i, 0, &err);
        if (id >= 0 && id < 64)
            counts[id]++;
    }
    for (int i = 0; i < n && i < 64; i++)
        same = same && counts[i] == (int)whole(json_array_get(want, (size_t)i));
    verdict(same, "histogram", "other counts");
    free(logits);
    free(s);
}

int main(int argc, char **argv)
{
    char usual[900];
    const char *shared = getenv("STOKER_SHARED");
    snprintf(usual, sizeof usual, "%s/spec/sampling_cases.json", shared ? shared : "../shared");
    json_error_t e;
    json_t *all = json_load_file(argc > 1 ? argv[1] : usual, JSON_DECODE_INT_AS_REAL, &e);
    verdict(all != NULL, "the file", e.text);
    json_t *defaults = json_object_get(all, "defaults"), *c;
    size_t i;
    check_philox(json_object_get(all, "philox"));
    check_rng(json_object_get(all, "rng"));
    check_defaults(defaults);
    check_histogram(json_object_get(all, "histogram"), defaults);
    json_array_foreach(json_object_get(all, "cases"), i, c) check_case(c, defaults);
    json_decref(all);
    printf("%d passed, %d failed, %d skipped\n", n_passed, n_failed, n_skipped);
    return n_failed > 0;
}
