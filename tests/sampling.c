/* links: text format base */
/* The sampling chain against its cases: sampling [PATH], a file like cases/sampling.json of the test data (sampling.md 7 tells
 * the format) or a folder of such files. sampling --bench [N_VOCAB] measures the cost of a token. */
#include "base/clock.h"
#include "base/error.h"
#include "base/rng.h"
#include "text/sampler/sampler.h"

#include <glob.h>
#include <jansson.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int n_passed, n_failed;

static void verdict(int ok, const char *what, const char *why)
{
    n_passed += ok;
    n_failed += !ok;
    if (!ok)
        printf("FAIL %s: %s\n", what, why);
}

/* Whole numbers that the parser of JSON cannot hold come as strings: see read_file(). */
static uint64_t whole(const json_t *x)
{
    if (json_is_string(x))
        return strtoull(json_string_value(x), NULL, 10);
    return json_is_integer(x) ? (uint64_t)json_integer_value(x) : (uint64_t)json_number_value(x);
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

static const struct {
    const char *name;
    size_t offset;
    int is_int;
} fields[] = {
#define REAL(NAME)                                                                                                     \
    {                                                                                                                  \
#NAME, offsetof(struct sampling, NAME), 0                                                                      \
    }
#define WHOLE(NAME)                                                                                                    \
    {                                                                                                                  \
#NAME, offsetof(struct sampling, NAME), 1                                                                      \
    }
    REAL(temperature),
    WHOLE(top_k),
    REAL(top_p),
    REAL(min_p),
    REAL(typical_p),
    REAL(top_n_sigma),
    REAL(xtc_probability),
    REAL(xtc_threshold),
    REAL(dynatemp_range),
    REAL(dynatemp_exponent),
    WHOLE(min_keep),
    REAL(repeat_penalty),
    REAL(presence_penalty),
    REAL(frequency_penalty),
    WHOLE(repeat_last_n),
    REAL(dry_multiplier),
    REAL(dry_base),
    WHOLE(dry_allowed_length),
    WHOLE(dry_penalty_last_n),
    WHOLE(mirostat),
    REAL(mirostat_tau),
    REAL(mirostat_eta)};
enum { N_FIELDS = sizeof fields / sizeof *fields };

/* NULL, or the name of a parameter that does not exist. */
static const char *read_params(const json_t *params, struct sampling *s)
{
    const char *key;
    json_t *x;
    json_object_foreach((json_t *)params, key, x)
    {
        struct error err = {0};
        size_t f = 0;
        while (f < N_FIELDS && strcmp(fields[f].name, key) != 0)
            f++;
        if (f < N_FIELDS && fields[f].is_int)
            *(int *)((char *)s + fields[f].offset) = (int)json_number_value(x);
        else if (f < N_FIELDS)
            *(double *)((char *)s + fields[f].offset) = json_number_value(x);
        else if (strcmp(key, "samplers") != 0 ||
                 sampling_set_order(s, json_string_value(x), json_string_length(x), &err))
            return key;
    }
    return NULL;
}

static void check_defaults(const json_t *d)
{
    struct sampling want = sampling_defaults(), s = want;
    const char *unknown = read_params(d, &s);
    verdict(!unknown && memcmp(&s, &want, sizeof s) == 0, "defaults", unknown ? unknown : "other values");
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
    return mem ? sampler_init(mem, n_vocab) : NULL;
}

static const char *compare(struct sampler *s, int32_t token, double mu, const struct error *err, const json_t *expect)
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
    if (json_object_get(expect, "mu") && fabs(mu - json_number_value(json_object_get(expect, "mu"))) > 1e-6)
        return "another mu";
    return token == (int32_t)number(expect, "token") ? NULL : "another token";
}

static void *aligned(size_t size) { return aligned_alloc(64, (size + 63) / 64 * 64); }

/* The history of a case, added token by token, or NULL. */
static struct sampler_history *read_history(const json_t *c, const struct sampling *how, int n_vocab, uint8_t *breakers)
{
    const json_t *tokens = json_object_get(c, "history"), *ids = json_object_get(c, "breakers");
    size_t n = json_array_size(tokens), size = sampler_history_bytes(how, n_vocab, n);
    void *mem = size ? aligned(size) : NULL;
    for (size_t i = 0; i < json_array_size(ids); i++)
        breakers[whole(json_array_get(ids, i))] = 1;
    if (!mem)
        return NULL;
    struct sampler_history *h = sampler_history_init(mem, how, n_vocab, n, breakers);
    for (size_t i = 0; i < n; i++)
        sampler_history_add(h, (int32_t)whole(json_array_get(tokens, i)));
    return h;
}

static double value_of(const json_t *x) { return json_is_string(x) ? -INFINITY : json_number_value(x); }

static void check_case(const json_t *c)
{
    struct sampling how = sampling_defaults();
    struct error err = {0};
    const char *name = json_string_value(json_object_get(c, "name"));
    const char *unknown = read_params(json_object_get(c, "params"), &how);
    int n;
    float *logits = read_logits(json_object_get(c, "logits"), &n);
    const json_t *mask = json_object_get(c, "mask"), *pairs = json_object_get(c, "bias");
    uint8_t *allowed = calloc((size_t)n, 1), *breakers = calloc((size_t)n, 1);
    struct logit_bias *bias = calloc(json_array_size(pairs) + 1, sizeof *bias);
    struct sampler *s = make_sampler(n);
    for (size_t i = 0; i < json_array_size(mask); i++)
        allowed[whole(json_array_get(mask, i))] = 1;
    for (size_t i = 0; i < json_array_size(pairs); i++)
        bias[i] = (struct logit_bias){(int32_t)whole(json_array_get(json_array_get(pairs, i), 0)),
                                      value_of(json_array_get(json_array_get(pairs, i), 1))};
    how.seed = number(c, "seed");
    struct sampler_history *history = read_history(c, &how, n, breakers);
    double mu = json_number_value(json_object_get(c, "mu"));
    struct sampler_row row = {.logits = logits,
                              .allowed = mask ? allowed : NULL,
                              .bias = bias,
                              .n_bias = json_array_size(pairs),
                              .history = history,
                              .index = number(c, "index"),
                              .choice = (uint32_t)number(c, "choice"),
                              .mu = &mu};
    int32_t token = sampler_pick(s, &how, &row, &err);
    const char *why = unknown ? unknown : compare(s, token, mu, &err, json_object_get(c, "expect"));
    verdict(!why, name, why);
    free(logits);
    free(allowed);
    free(breakers);
    free(bias);
    free(history);
    free(s);
}

static void check_histogram(const json_t *h)
{
    struct sampling how = sampling_defaults();
    struct error err = {0};
    int n, counts[64] = {0}, same = 1;
    float *logits = read_logits(json_object_get(h, "logits"), &n);
    struct sampler *s = make_sampler(n);
    const json_t *range = json_object_get(h, "indexes"), *want = json_object_get(h, "counts");
    read_params(json_object_get(h, "params"), &how);
    how.seed = number(h, "seed");
    for (uint64_t i = whole(json_array_get(range, 0)); i < whole(json_array_get(range, 1)); i++) {
        int32_t id = sampler_pick(s, &how, &(struct sampler_row){.logits = logits, .index = i}, &err);
        if (id >= 0 && id < 64)
            counts[id]++;
    }
    for (int i = 0; i < n && i < 64; i++)
        same = same && counts[i] == (int)whole(json_array_get(want, (size_t)i));
    verdict(same, "histogram", "other counts");
    free(logits);
    free(s);
}

/* The text of a file with whole numbers of 19 digits and more made strings: the parser holds 63 bits. */
static char *read_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    char *text = NULL, *out = NULL;
    size_t n = 0, at = 0;
    struct stat st;
    if (f && fstat(fileno(f), &st) == 0 && (text = calloc((size_t)st.st_size + 1, 1)) &&
        (out = malloc((size_t)st.st_size * 2 + 1)))
        n = fread(text, 1, (size_t)st.st_size, f);
    for (size_t i = 0, digits; out && i < n; i += digits) {
        digits = strspn(text + i, "0123456789");
        int quoted = digits > 18 && i > 0 && strchr(" :,[", text[i - 1]) && strchr(" ,}]\n\r", text[i + digits]);
        digits = digits ? digits : 1;
        at += (size_t)sprintf(out + at, "%s%.*s%s", quoted ? "\"" : "", (int)digits, text + i, quoted ? "\"" : "");
    }
    if (f)
        fclose(f);
    free(text);
    return out;
}

static void check_file(const char *path)
{
    json_error_t e = {.text = "cannot be read"};
    char *text = read_file(path);
    json_t *all = text ? json_loads(text, 0, &e) : NULL, *c;
    size_t i;
    free(text);
    if (!all) {
        verdict(0, path, e.text);
        return;
    }
    check_philox(json_object_get(all, "philox"));
    check_rng(json_object_get(all, "rng"));
    if (json_object_get(all, "defaults"))
        check_defaults(json_object_get(all, "defaults"));
    if (json_object_get(all, "histogram"))
        check_histogram(json_object_get(all, "histogram"));
    json_array_foreach(json_object_get(all, "cases"), i, c) check_case(c);
    json_decref(all);
}

static void check_path(const char *path)
{
    struct stat st;
    char pattern[1000];
    glob_t files = {0};
    if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode)) {
        check_file(path);
        return;
    }
    snprintf(pattern, sizeof pattern, "%s/*.json", path);
    if (glob(pattern, 0, NULL, &files) != 0)
        verdict(0, path, "holds no .json file");
    for (size_t i = 0; i < files.gl_pathc; i++)
        check_file(files.gl_pathv[i]);
    globfree(&files);
}

/* ---- cost ------------------------------------------------------------------------------------------------------------------ */

/* Logits like a model's: most near 0, a few far above. */
static float *model_like(int n)
{
    float *logits = malloc((size_t)n * sizeof *logits);
    for (int i = 0; logits && i < n; i++) {
        double sum = 0;
        for (uint32_t k = 0; k < 6; k++)
            sum += (double)(rng_u64(7, (uint64_t)i, k, 0) >> 40) * 0x1p-24 - 0.5;
        logits[i] = (float)(4 * sum + (i % 5000 == 17 ? 14 : 0));
    }
    return logits;
}

static void measure(const char *name, struct sampler *s, const float *logits, const struct sampling *how,
                    struct sampler_history *h)
{
    struct error err = {0};
    double best = 1e9;
    for (uint64_t i = 0; i < 60; i++) {
        double begin = clock_seconds();
        int32_t id = sampler_pick(s, how, &(struct sampler_row){.logits = logits, .index = i, .history = h}, &err);
        if (h)
            sampler_history_add(h, id);
        double took = clock_seconds() - begin;
        best = took < best ? took : best;
    }
    printf("  %-28s %8.1f us/token, of %zu candidates\n", name, best * 1e6, sampler_candidates(s));
}

static int bench(int n)
{
    float *flat = malloc((size_t)n * sizeof *flat), *model = model_like(n);
    struct sampler *s = make_sampler(n);
    for (int i = 0; flat && i < n; i++)
        flat[i] = (float)((double)(rng_u64(9, (uint64_t)i, 0, 0) >> 40) * 0x1p-24 * 24 - 12);
    const struct {
        const char *name;
        const float *logits;
    } of[] = {{"logits like a model's", model}, {"uniform logits", flat}};
    for (int i = 0; s && model && flat && i < 2; i++) {
        struct sampling usual = sampling_defaults(), x = usual;
        printf("%d %s\n", n, of[i].name);
        measure("defaults", s, of[i].logits, &usual, NULL);
        x.temperature = 0;
        measure("greedy", s, of[i].logits, &x, NULL);
        x = usual;
        x.top_k = 0;
        x.min_p = 0;
        measure("top-p alone", s, of[i].logits, &x, NULL);
        x.top_p = 1;
        measure("nothing but temperature", s, of[i].logits, &x, NULL);
        x.typical_p = 0.9;
        measure("typical", s, of[i].logits, &x, NULL);
        x = usual;
        x.repeat_penalty = 1.1;
        x.repeat_last_n = -1;
        x.dry_multiplier = 0.8;
        size_t n_token = 100000;
        void *mem = aligned(sampler_history_bytes(&x, n, n_token));
        struct sampler_history *h = mem ? sampler_history_init(mem, &x, n, n_token, NULL) : NULL;
        for (uint64_t k = 0; h && k + 100 < n_token; k++)
            sampler_history_add(h, (int32_t)(rng_u64(3, k % 1000, 0, 0) % 500));
        measure("penalties, DRY, 100 K tokens", s, of[i].logits, &x, h);
        free(mem);
    }
    free(flat);
    free(model);
    free(s);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "--bench"))
        return bench(argc > 2 ? atoi(argv[2]) : 151936);
    check_path(argc > 1 ? argv[1] : TEST_DATA "/cases/sampling.json");
    printf("%d passed, %d failed\n", n_passed, n_failed);
    return n_failed > 0;
}
