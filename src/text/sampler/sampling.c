/* Parameters of sampling: what they are where nobody says anything, what they may be, and what a file advises. sampling.md 3, 4. */
#include "text/sampler/sampler.h"

#include "base/error.h"
#include "base/log.h"
#include "format/gguf.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

struct sampling sampling_defaults(void)
{
    return (struct sampling){.temperature = 0.8,
                             .top_k = 40,
                             .top_p = 0.95,
                             .min_p = 0.05,
                             .typical_p = 1,
                             .top_n_sigma = -1,
                             .xtc_threshold = 0.1,
                             .dynatemp_exponent = 1,
                             .repeat_penalty = 1,
                             .repeat_last_n = 64,
                             .dry_base = 1.75,
                             .dry_allowed_length = 2,
                             .dry_penalty_last_n = -1,
                             .mirostat_tau = 5,
                             .mirostat_eta = 0.1};
}

/* The numbers of sampling by name, and the only ranges there are of them. key: of general.sampling, NULL where files give no advice. */
static const struct field {
    const char *name, *key;
    size_t offset;
    int is_int;
    double min, max;
} fields[] = {
#define REAL(NAME, KEY, MIN, MAX)                                                                                      \
    {                                                                                                                  \
#NAME, KEY, offsetof(struct sampling, NAME), 0, MIN, MAX                                                       \
    }
#define WHOLE(NAME, KEY, MIN, MAX)                                                                                     \
    {                                                                                                                  \
#NAME, KEY, offsetof(struct sampling, NAME), 1, MIN, MAX                                                       \
    }
    REAL(temperature, "temp", -1e6, 1e6),
    WHOLE(top_k, "top_k", -1, INT32_MAX),
    REAL(top_p, "top_p", 0, 1),
    REAL(min_p, "min_p", 0, 1),
    REAL(typical_p, NULL, 0, 1),
    REAL(top_n_sigma, NULL, -1, 1e6),
    REAL(xtc_probability, "xtc_probability", 0, 1),
    REAL(xtc_threshold, "xtc_threshold", 0, 1),
    REAL(dynatemp_range, NULL, 0, 1e6),
    REAL(dynatemp_exponent, NULL, 0, 1e6),
    WHOLE(min_keep, NULL, 0, INT32_MAX),
    REAL(repeat_penalty, "penalty_repeat", 1e-6, 1e6),
    REAL(presence_penalty, NULL, -1e6, 1e6),
    REAL(frequency_penalty, NULL, -1e6, 1e6),
    WHOLE(repeat_last_n, "penalty_last_n", -1, INT32_MAX),
    REAL(dry_multiplier, NULL, 0, 1e6),
    REAL(dry_base, NULL, 0, 1e6),
    WHOLE(dry_allowed_length, NULL, 1, INT32_MAX),
    WHOLE(dry_penalty_last_n, NULL, -1, INT32_MAX),
    WHOLE(mirostat, "mirostat", 0, 2),
    REAL(mirostat_tau, "mirostat_tau", 0, 1e6),
    REAL(mirostat_eta, "mirostat_eta", 0, 1e6),
#undef REAL
#undef WHOLE
};

enum { N_FIELDS = sizeof fields / sizeof *fields };

/* What the published APIs allow where that is less. */
static const struct {
    const char *name;
    struct sampling_range range;
} asked[] = {{"temperature", {.min = 0, .max = 1e6}},        {"top_k", {.is_int = 1, .min = 0, .max = INT32_MAX}},
             {"top_p", {.min_open = 1, .min = 0, .max = 1}}, {"repeat_penalty", {.min = 1e-6, .max = 10}},
             {"presence_penalty", {.min = -2, .max = 2}},    {"frequency_penalty", {.min = -2, .max = 2}}};

int sampling_range(const char *name, int of_request, struct sampling_range *out)
{
    for (size_t i = 0; of_request && i < sizeof asked / sizeof *asked; i++)
        if (strcmp(asked[i].name, name) == 0) {
            *out = asked[i].range;
            return 0;
        }
    for (const struct field *f = fields; f < fields + N_FIELDS; f++)
        if (strcmp(f->name, name) == 0) {
            *out = (struct sampling_range){f->is_int, 0, f->min, f->max};
            return 0;
        }
    return -1;
}

static double field_value(const struct sampling *s, const struct field *f)
{
    const char *at = (const char *)s + f->offset;
    return f->is_int ? *(const int *)at : *(const double *)at;
}

static void set_field(struct sampling *s, const struct field *f, double value)
{
    char *at = (char *)s + f->offset;
    if (f->is_int)
        *(int *)at = (int)value;
    else
        *(double *)at = value;
}

static int check_field(const struct field *f, double v, struct error *err)
{
    int whole = !f->is_int || v == floor(v);
    if (!(v >= f->min && v <= f->max) || !whole)
        return error_set(err, ERR_INPUT, "%s is %g; it must be %s from %g to %g", f->name, v,
                         f->is_int ? "a whole number" : "a finite number", f->min, f->max);
    if (f->offset == offsetof(struct sampling, mirostat) && v == 1)
        return error_set(err, ERR_INPUT, "mirostat is 1; only 2 (the second version) and 0 (off) are supported");
    return 0;
}

int sampling_check(const struct sampling *s, struct error *err)
{
    for (const struct field *f = fields; f < fields + N_FIELDS; f++)
        if (check_field(f, field_value(s, f), err))
            return -1;
    return 0;
}

int sampling_set(struct sampling *s, const char *name, double value, struct error *err)
{
    for (const struct field *f = fields; f < fields + N_FIELDS; f++)
        if (strcmp(f->name, name) == 0) {
            if (check_field(f, value, err))
                return -1;
            set_field(s, f, value);
            return 0;
        }
    return error_set(err, ERR_INPUT, "%.40s is not a number of sampling", name);
}

/* ---- order ----------------------------------------------------------------------------------------------------------------- */

static int stage_of(const char *name, size_t n)
{
    static const struct {
        const char *name;
        enum sampling_stage stage;
    } names[] = {{"dry", STAGE_DRY},       {"top_n_sigma", STAGE_TOP_N_SIGMA},
                 {"top_k", STAGE_TOP_K},   {"typical_p", STAGE_TYPICAL},
                 {"typ_p", STAGE_TYPICAL}, {"typical", STAGE_TYPICAL},
                 {"top_p", STAGE_TOP_P},   {"min_p", STAGE_MIN_P},
                 {"xtc", STAGE_XTC},       {"temperature", STAGE_TEMPERATURE}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strlen(names[i].name) == n && memcmp(names[i].name, name, n) == 0)
            return names[i].stage;
    return -1;
}

int sampling_set_order(struct sampling *s, const char *names, size_t length, struct error *err)
{
    uint8_t order[STAGE_END + 1] = {STAGE_END}, seen[STAGE_END] = {0};
    int n_stage = 0;
    for (size_t i = 0, n; i < length; i += n + 1) {
        for (n = 0; i + n < length && names[i + n] != ',' && names[i + n] != ';';)
            n++;
        if (n == 9 && memcmp(names + i, "penalties", 9) == 0)
            continue;
        int stage = stage_of(names + i, n);
        if (stage < 0 || seen[stage])
            return error_set(
                err, ERR_INPUT,
                "samplers names \"%.*s\"%s; stages are dry, top_n_sigma, top_k, typical_p, top_p, min_p, xtc "
                "and temperature, each once",
                (int)(n < 40 ? n : 40), names + i, stage < 0 ? "" : " twice");
        seen[stage] = 1;
        order[n_stage++] = (uint8_t)stage;
        order[n_stage] = STAGE_END;
    }
    memcpy(s->order, order, sizeof order);
    return 0;
}

/* ---- advice of a file ------------------------------------------------------------------------------------------------------ */

enum { ADVICE = 300 };

static void note(char *advice, const char *name, const char *value)
{
    size_t n = strlen(advice);
    snprintf(advice + n, ADVICE - n, "%s%s %s", n ? ", " : "", name, value);
}

static void read_field(struct sampling *s, const struct gguf *g, const struct field *f, char *advice)
{
    char key[64], text[32];
    struct error odd = {0};
    double v;
    snprintf(key, sizeof key, "general.sampling.%s", f->key);
    int found = gguf_f64(g, key, -INFINITY, INFINITY, &v, &odd);
    if (found == 0)
        return;
    if (found < 0 || check_field(f, v, &odd)) {
        log_line(LOG_WARN, "%s of the file is ignored: %s", key, odd.text);
        return;
    }
    set_field(s, f, v);
    snprintf(text, sizeof text, "%g", v);
    note(advice, f->name, text);
}

static void read_order(struct sampling *s, const struct gguf *g, char *advice)
{
    struct gguf_string names;
    struct error odd = {0};
    int found = gguf_str(g, "general.sampling.sequence", &names, &odd);
    if (found == 0)
        return;
    if (found < 0 || sampling_set_order(s, names.text, (size_t)names.length, &odd) != 0) {
        log_line(LOG_WARN, "general.sampling.sequence of the file is ignored: %s", odd.text);
        return;
    }
    char text[100];
    snprintf(text, sizeof text, "%.*s", (int)(names.length < 90 ? names.length : 90), names.text);
    note(advice, "samplers", text);
}

void sampling_read(struct sampling *s, const struct gguf *g)
{
    char advice[ADVICE] = "";
    for (const struct field *f = fields; f < fields + N_FIELDS; f++)
        if (f->key)
            read_field(s, g, f, advice);
    read_order(s, g, advice);
    if (*advice)
        log_line(LOG_INFO, "sampling defaults of the file: %s", advice);
}
