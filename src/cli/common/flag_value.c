/* See flag_value.h. */
#include "cli/common/flag_value.h"

#include "base/toml/toml.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* "6G", "5.5GiB", "800MB", "123456", "0"; -1: anything else. */
static int parse_bytes(const char *text, uint64_t *bytes)
{
    static const struct {
        const char *unit;
        double factor;
    } units[] = {{"", 1},         {"K", 0x1p10},   {"M", 0x1p20},   {"G", 0x1p30},   {"T", 0x1p40},
                 {"KiB", 0x1p10}, {"MiB", 0x1p20}, {"GiB", 0x1p30}, {"TiB", 0x1p40}, {"KB", 1e3},
                 {"MB", 1e6},     {"GB", 1e9},     {"TB", 1e12},    {"B", 1}};
    char *end;
    if (*text < '0' || *text > '9' || strpbrk(text, "xXeEpP"))
        return -1;
    long double n = strtold(text, &end); /* holds every whole number of 64 bits */
    while (*end == ' ')
        end++;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strcasecmp(end, units[i].unit) == 0) {
            n *= units[i].factor;
            *bytes = n <= 0x1p62L ? (uint64_t)n : 0;
            return n <= 0x1p62L ? 0 : -1;
        }
    return -1;
}

static int parse_ints(const char *text, int *out, int most, int min)
{
    int n = 0;
    for (;;) {
        char *end;
        errno = 0;
        long v = strtol(text, &end, 10);
        if (end == text || errno || v < min || v > 1 << 30 || n == most)
            return -1;
        out[n++] = (int)v;
        if (*end == 0)
            return n;
        if (*end != ',')
            return -1;
        text = end + 1;
    }
}

static int number_of(const char *text, double min, double max, double *out)
{
    char *end;
    if (*text == 0)
        return -1;
    *out = strtod(text, &end);
    return *end == 0 && isfinite(*out) && *out >= min && *out <= max ? 0 : -1;
}

static int is_usual(const struct flag *f, const char *v) { return f->usual && strcmp(v, f->usual) == 0; }

/* "8k" is 8192. The factor of the letter at the end; *n_digit: what stands before it. */
static double factor_of(const char *v, size_t *n_digit)
{
    size_t n = strlen(v);
    char last = n > 1 ? v[n - 1] : 0;
    double factor = last == 'k' || last == 'K' ? 0x1p10 : last == 'm' || last == 'M' ? 0x1p20 : 1;
    *n_digit = factor > 1 ? n - 1 : n;
    return factor;
}

static int set_int(const struct flag *f, const char *v)
{
    double n, factor = 1;
    char digits[32];
    size_t n_digit = strlen(v);
    if (is_usual(f, v)) {
        *(int *)f->to = 0;
        return 0;
    }
    if (f->kind == FLAG_COUNT)
        factor = factor_of(v, &n_digit);
    if (n_digit >= sizeof digits)
        return -1;
    snprintf(digits, sizeof digits, "%.*s", (int)n_digit, v);
    if (number_of(digits, -HUGE_VAL, HUGE_VAL, &n) || (n *= factor) < f->min || n > f->max || n != floor(n))
        return -1;
    *(int *)f->to = (int)n;
    return 0;
}

static int set_limit(const struct flag *f, const char *v)
{
    double n;
    if (number_of(v, -1, f->max, &n) || n != floor(n) || n == 0)
        return -1;
    *(int *)f->to = n < 0 ? 0 : (int)n;
    return 0;
}

static int set_bytes(const struct flag *f, const char *v)
{
    uint64_t *to = f->to;
    if (strcmp(v, "min") == 0)
        *to = STOKER_MEMORY_MIN;
    else if (strcmp(v, "max") == 0)
        *to = STOKER_MEMORY_MAX;
    else if (parse_bytes(v, to))
        return -1;
    return (double)*to >= f->min ? 0 : -1;
}

static int set_seed(const struct flag *f, const char *v)
{
    struct stoker_sampling *s = f->to;
    char *end;
    errno = 0;
    s->seed = strtoull(v, &end, 10);
    s->has_seed = !is_usual(f, v);
    if (!s->has_seed)
        return 0;
    return *v >= '0' && *v <= '9' && *end == 0 && !errno ? 0 : -1;
}

static int set_slots(const struct flag *f, const char *v)
{
    struct stoker_options *o = f->to;
    o->n_slots = parse_ints(v, o->slots, STOKER_CLASSES, 1);
    return o->n_slots > 0 ? 0 : -1;
}

/* One item of a list at *text: a number, or a range with its step. 0, and *text stands behind it. */
static int read_range(const char **text, struct int_list *l)
{
    char *end;
    long long first = strtoll(*text, &end, 10), last = first, step = 1;
    int multiplies = 0;
    if (**text < '0' || **text > '9')
        return -1;
    if (*end == '-') {
        last = strtoll(end + 1, &end, 10);
        multiplies = *end == '*';
        if (*end == '+' || multiplies)
            step = strtoll(end + 1, &end, 10);
    }
    *text = end;
    if (last < first || last > 1 << 30 || step < 1 + multiplies || (multiplies && first < 1))
        return -1;
    for (; first <= last; first = multiplies ? first * step : first + step) {
        if (l->n == LIST_MOST)
            return -1;
        l->item[l->n++] = (int)first;
        if (step > last) /* and first + step, first * step might be no number any more */
            break;
    }
    return 0;
}

static int set_list(const struct flag *f, const char *v)
{
    struct int_list *l = f->to;
    l->n = 0;
    while (read_range(&v, l) == 0)
        if (*v++ != ',')
            return v[-1] == 0 ? 0 : -1;
    return -1;
}

static int add_text(const struct flag *f, const char *v)
{
    struct text_list *l = f->to;
    if (l->n == TEXTS_MOST)
        return -1;
    l->text[l->n++] = v;
    return 0;
}

/* A path is told from a word by its form. */
static int is_model_path(const char *v, size_t n)
{
    return strchr(v, '/') != NULL || (n > 5 && strcmp(v + n - 5, ".gguf") == 0);
}

static int set_word(const struct flag *f, const char *v)
{
    size_t n = strlen(v);
    if (strstr(f->value, "FILE.gguf") && is_model_path(v, n)) {
        *(const char **)f->to = v;
        return 0;
    }
    for (const char *word = f->value; n && *word; word += strcspn(word, "|"), word += *word == '|')
        if (strcspn(word, "|") == n && strncmp(word, v, n) == 0) {
            *(const char **)f->to = v;
            return 0;
        }
    return -1;
}

static int is_one_of(const char *v, const char *a, const char *b) { return strcmp(v, a) == 0 || strcmp(v, b) == 0; }

static int set_on_off(const struct flag *f, const char *v)
{
    int on = is_one_of(v, "on", "true"), off = is_one_of(v, "off", "false");
    *(const char **)f->to = on ? "on" : "off";
    return on || off ? 0 : -1;
}

/* "A-B" or "A B". */
static int set_range(const struct flag *f, const char *v)
{
    int *to = f->to, end = 0;
    if (sscanf(v, "%d%*[- ]%d%n", &to[0], &to[1], &end) != 2 || v[end])
        return -1;
    return to[0] >= (int)f->min && to[0] <= to[1] && to[1] <= (int)f->max ? 0 : -1;
}

static int set_switch(const struct flag *f, const char *v)
{
    int on = *v == 0 || is_one_of(v, "on", "true"), off = is_one_of(v, "off", "false"),
        full = f->kind == FLAG_DETAIL && strcmp(v, "full") == 0;
    *(int *)f->to = full ? 2 : on;
    return on || off || full ? 0 : -1;
}

int flag_set(const struct flag *f, const char *v)
{
    switch (f->kind) {
    case FLAG_SWITCH:
    case FLAG_DETAIL:
        return set_switch(f, v);
    case FLAG_INT:
    case FLAG_COUNT:
        return set_int(f, v);
    case FLAG_LIMIT:
        return set_limit(f, v);
    case FLAG_REAL:
        return number_of(v, f->min, f->max, f->to);
    case FLAG_SEED:
        return set_seed(f, v);
    case FLAG_TEXT:
        *(const char **)f->to = v;
        return 0;
    case FLAG_WORD:
        return set_word(f, v);
    case FLAG_ON_OFF:
        return set_on_off(f, v);
    case FLAG_BYTES:
        return set_bytes(f, v);
    case FLAG_SLOTS:
        return set_slots(f, v);
    case FLAG_TEXTS:
        return add_text(f, v);
    case FLAG_RANGE:
        return set_range(f, v);
    default:
        return set_list(f, v);
    }
}

int flag_can_be(const struct flag *f, const char *const *text, size_t n)
{
    static union {
        struct stoker_options options;
        struct stoker_sampling sampling;
        struct int_list list;
        struct text_list texts;
    } somewhere;
    struct flag of_nobody = *f;
    int possible = 1;
    memset(&somewhere, 0, sizeof somewhere);
    of_nobody.to = &somewhere;
    for (size_t i = 0; i < n; i++)
        possible &= flag_set(&of_nobody, text[i]) == 0;
    return possible;
}

const char *flag_possible(const struct flag *f, char *out, size_t cap)
{
    if (f->kind == FLAG_BYTES)
        snprintf(out, cap, "bytes are a number with K, M, G, T, KiB ... or KB ..., or min or max");
    else if (f->kind == FLAG_INT || f->kind == FLAG_COUNT || f->kind == FLAG_REAL)
        snprintf(out, cap, "%s from %.10g to %.10g are possible%s", f->kind == FLAG_REAL ? "numbers" : "whole numbers",
                 f->min, f->max, f->kind == FLAG_COUNT ? ", and 8k for 8192" : "");
    else if (f->kind == FLAG_LIMIT)
        snprintf(out, cap, "whole numbers from 1 to %.10g are possible, and -1: no limit", f->max);
    else if (f->kind == FLAG_DETAIL)
        snprintf(out, cap, "nothing or =full is possible");
    else if (f->kind == FLAG_SEED)
        snprintf(out, cap, "whole numbers from 0 to 18446744073709551615 are possible");
    else if (f->kind == FLAG_TEXTS)
        snprintf(out, cap, "at most %d of this flag are possible", TEXTS_MOST);
    else if (f->kind == FLAG_ON_OFF || f->kind == FLAG_SWITCH)
        snprintf(out, cap, "on or off");
    else if (f->kind == FLAG_WORD)
        snprintf(out, cap, "%s is expected", f->value);
    else if (f->kind == FLAG_RANGE)
        snprintf(out, cap, "two whole numbers from %.10g to %.10g, the smaller one first", f->min, f->max);
    else
        snprintf(out, cap, "%s is expected, in whole numbers", f->value);
    return out;
}

/* ---- in files --------------------------------------------------------------------------------------------------------------- */

const char *flag_long_name(const struct flag *f) { return f->name[1] != '-' && f->other ? f->other : f->name; }

const char *flag_bare(const char *name) { return name + strspn(name, "-"); }

unsigned flag_toml_types(const struct flag *f)
{
    switch (f->kind) {
    case FLAG_SWITCH:
        return 1u << TOML_BOOLEAN;
    case FLAG_DETAIL:
    case FLAG_ON_OFF:
        return 1u << TOML_BOOLEAN | 1u << TOML_STRING;
    case FLAG_INT:
    case FLAG_LIMIT:
        return 1u << TOML_INTEGER;
    case FLAG_REAL:
        return 1u << TOML_INTEGER | 1u << TOML_FLOAT;
    case FLAG_TEXT:
    case FLAG_WORD:
    case FLAG_RANGE:
        return 1u << TOML_STRING;
    case FLAG_TEXTS:
        return 1u << TOML_STRING | 1u << TOML_STRINGS;
    default: /* numbers with units, lists of numbers */
        return 1u << TOML_INTEGER | 1u << TOML_STRING;
    }
}
