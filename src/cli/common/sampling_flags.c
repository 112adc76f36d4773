/* See sampling_flags.h; definitions and defaults: sampling.md of the specification. */
#include "cli/common/sampling_flags.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N_NUMBERS = 22, N_OTHERS = 4 };

static struct flag table[N_NUMBERS + N_OTHERS];
static const struct stoker_sampling *given; /* the struct whose fields the table sets */

static size_t offset_of(const struct flag *f) { return (size_t)((const char *)f->to - (const char *)given); }

/* "--top-k" is top_k. */
static void name_of(char name[40], const struct flag *f)
{
    snprintf(name, 40, "%s", f->name + 2);
    for (char *c = name; *c; c++)
        *c = *c == '-' ? '_' : *c;
}

/* "--top-k" may be what top_k may be. */
static void set_range(struct flag *f)
{
    char name[40];
    struct stoker_sampling_range range = {0};
    name_of(name, f);
    stoker_sampling_range(strcmp(name, "temp") ? name : "temperature", 0, &range);
    f->min = range.min;
    f->max = range.max;
}

struct flag_table sampling_flags(struct sampling_flags *f)
{
    struct stoker_sampling *s = &f->given;
    *f = (struct sampling_flags){0};
    given = s;
    const struct flag numbers[N_NUMBERS] = {
        {"--temp", NULL, FLAG_REAL, &s->temperature, 0, 0, "T",
         "temperature (default 0.8; 0: always the likeliest token)", .heading = "Sampling"},
        {"--top-k", NULL, FLAG_INT, &s->top_k, 0, 0, "N", "of the N likeliest tokens (default 40; 0: off)"},
        {"--top-p", NULL, FLAG_REAL, &s->top_p, 0, 0, "P", "of the likeliest that make up P (default 0.95; 1: off)"},
        {"--min-p", NULL, FLAG_REAL, &s->min_p, 0, 0, "P", "not below P times the likeliest (default 0.05; 0: off)"},
        {"--typical-p", NULL, FLAG_REAL, &s->typical_p, 0, 0, "P",
         "of the most typical that make up P (default 1: off)"},
        {"--top-n-sigma", NULL, FLAG_REAL, &s->top_n_sigma, 0, 0, "S",
         "within S deviations of the likeliest (default -1: off)"},
        {"--xtc-probability", NULL, FLAG_REAL, &s->xtc_probability, 0, 0, "P",
         "how often the likeliest are left out (default 0)"},
        {"--xtc-threshold", NULL, FLAG_REAL, &s->xtc_threshold, 0, 0, "P",
         "... but the last of those above P (default 0.1)"},
        {"--dynatemp-range", NULL, FLAG_REAL, &s->dynatemp_range, 0, 0, "D",
         "temperature by entropy, up to D around --temp (default 0: off)"},
        {"--dynatemp-exponent", NULL, FLAG_REAL, &s->dynatemp_exponent, 0, 0, "E", "... its curve (default 1)"},
        {"--min-keep", NULL, FLAG_INT, &s->min_keep, 0, 0, "N", "tokens that every stage leaves (default 1)"},
        {"--repeat-penalty", NULL, FLAG_REAL, &s->repeat_penalty, 0, 0, "R",
         "divides logits of tokens that occurred (default 1: off)"},
        {"--repeat-last-n", NULL, FLAG_INT, &s->repeat_last_n, 0, 0, "N",
         "tokens that penalties look back on (default 64; -1: all)"},
        {"--presence-penalty", NULL, FLAG_REAL, &s->presence_penalty, 0, 0, "X",
         "off the logits of tokens that occurred (default 0)"},
        {"--frequency-penalty", NULL, FLAG_REAL, &s->frequency_penalty, 0, 0, "X",
         "... each time they occurred (default 0)"},
        {"--dry-multiplier", NULL, FLAG_REAL, &s->dry_multiplier, 0, 0, "X",
         "penalty of tokens that repeat a passage (default 0: off)"},
        {"--dry-base", NULL, FLAG_REAL, &s->dry_base, 0, 0, "B", "... its growth by length (default 1.75)"},
        {"--dry-allowed-length", NULL, FLAG_INT, &s->dry_allowed_length, 0, 0, "N",
         "... passages up to N tokens are free (default 2)"},
        {"--dry-penalty-last-n", NULL, FLAG_INT, &s->dry_penalty_last_n, 0, 0, "N",
         "... tokens it looks back on (default -1: all)"},
        {"--mirostat", NULL, FLAG_INT, &s->mirostat, 0, 0, "0|2", "keep the surprise level instead (default 0: off)"},
        {"--mirostat-tau", NULL, FLAG_REAL, &s->mirostat_tau, 0, 0, "T", "... that surprise (default 5)"},
        {"--mirostat-eta", NULL, FLAG_REAL, &s->mirostat_eta, 0, 0, "E", "... how fast (default 0.1)"},
    };
    const struct flag others[N_OTHERS] = {
        {"--dry-sequence-breakers", NULL, FLAG_TEXTS, &f->breakers, 0, 0, "TEXT",
         "ends a passage; may be repeated (default newline : \" *; none: nothing does)"},
        {"--samplers", NULL, FLAG_TEXT, &f->samplers, 0, 0, "LIST",
         "stages and their order: dry,top_n_sigma,top_k,typical_p,top_p,min_p,xtc,temperature"},
        {"--logit-bias", NULL, FLAG_TEXTS, &f->bias, 0, 0, "ID=B",
         "adds B to a token's logit; -inf: never; may be repeated"},
        {"--seed", NULL, FLAG_SEED, s, 0, 0, "N", "same seed, same answer (default: drawn; --stats and --json show it)",
         "-1"},
    };
    memcpy(table, numbers, sizeof numbers);
    memcpy(table + N_NUMBERS, others, sizeof others);
    for (int i = 0; i < N_NUMBERS; i++) {
        set_range(&table[i]);
        if (table[i].kind == FLAG_INT)
            *(int *)table[i].to = INT_MIN;
        else
            *(double *)table[i].to = NAN;
    }
    return (struct flag_table){table, N_NUMBERS + N_OTHERS};
}

static int read_bias(const char *text, struct stoker_logit_bias *b)
{
    char *end;
    long id = strtol(text, &end, 10);
    if (*text < '0' || *text > '9' || *end == 0 || !strchr("=+-", *end) || id > INT_MAX)
        return -1;
    const char *value = end + (*end == '='); /* llama.cpp has "7+1.5" and "7-1.5" */
    *b = (struct stoker_logit_bias){(stoker_token)id, strtod(value, &end)};
    return end > value && *end == 0 && (b->bias == -INFINITY || fabs(b->bias) <= 1e6) ? 0 : -1;
}

int sampling_flags_check(const char *command, struct sampling_flags *f)
{
    struct stoker_error err;
    for (int i = 0; i < f->bias.n; i++)
        if (read_bias(f->bias.text[i], &f->bias_of[i])) {
            fprintf(stderr, "stoker %s: --logit-bias %s: ID=B is expected, B from -1000000 to 1000000 or -inf\n",
                    command, f->bias.text[i]);
            return 2;
        }
    int none = f->breakers.n == 1 && strcmp(f->breakers.text[0], "none") == 0;
    for (int i = 0; i < f->breakers.n; i++)
        f->breaker_of[i] = (struct stoker_string){f->breakers.text[i], none ? 0 : strlen(f->breakers.text[i])};
    if (f->given.mirostat == 1) {
        fprintf(stderr, "stoker %s: --mirostat 1: only 2 (the second version) and 0 (off) are possible\n", command);
        return 2;
    }
    if (f->samplers && stoker_sampling_order(&f->given, f->samplers, strlen(f->samplers), &err)) {
        fprintf(stderr, "stoker %s: --%s\n", command, err.text);
        return 2;
    }
    return 0;
}

void sampling_flags_apply(const struct sampling_flags *f, struct stoker_sampling *s)
{
    for (int i = 0; i < N_NUMBERS; i++) {
        size_t at = offset_of(&table[i]);
        const void *value = (const char *)&f->given + at;
        if (table[i].kind == FLAG_INT && *(const int *)value != INT_MIN)
            memcpy((char *)s + at, value, sizeof(int));
        else if (table[i].kind == FLAG_REAL && !isnan(*(const double *)value))
            memcpy((char *)s + at, value, sizeof(double));
    }
    if (f->samplers)
        memcpy(s->order, f->given.order, sizeof s->order);
    if (f->breakers.n) {
        s->dry_breakers = f->breaker_of;
        s->n_dry_breakers = (size_t)f->breakers.n;
    }
    if (f->bias.n) {
        s->bias = f->bias_of;
        s->n_bias = (size_t)f->bias.n;
    }
    if (f->given.has_seed) {
        s->seed = f->given.seed;
        s->has_seed = 1;
    }
}

int sampling_flags_show(const struct stoker_sampling *s, const char *only)
{
    int n = 0;
    for (int i = 0; i < N_NUMBERS; i++) {
        char name[40];
        const void *at = (const char *)s + offset_of(&table[i]);
        name_of(name, &table[i]);
        if (only && strcmp(only, name) != 0)
            continue;
        double value = table[i].kind == FLAG_INT ? *(const int *)at : *(const double *)at;
        if (at == &s->min_keep && value < 1) /* one token is always left */
            value = 1;
        fprintf(stderr, "  %s %.10g\n", name, value);
        n++;
    }
    if (s->n_bias > 0 && !only) {
        fprintf(stderr, "  logit_bias of %zu tokens\n", s->n_bias);
        n++;
    }
    return n;
}
