/* Parsing flags: see flags.h. */
#include "cli/common/flags.h"

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

const char *show_bytes(uint64_t n)
{
    static char text[8][32];
    static unsigned next;
    char *out = text[next++ % 8];
    if (n >= UINT64_C(1) << 30)
        snprintf(out, sizeof *text, "%.2f GiB", (double)n * 0x1p-30);
    else if (n >= 1 << 20)
        snprintf(out, sizeof *text, "%.1f MiB", (double)n * 0x1p-20);
    else if (n >= 1 << 10)
        snprintf(out, sizeof *text, "%.1f KiB", (double)n * 0x1p-10);
    else
        snprintf(out, sizeof *text, "%llu B", (unsigned long long)n);
    return out;
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

static int set_int(const struct flag *f, const char *v)
{
    double n;
    if (number_of(v, f->min, f->max, &n) || n != floor(n))
        return -1;
    *(int *)f->to = (int)n;
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
    s->has_seed = 1;
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

static int set_word(const struct flag *f, const char *v)
{
    size_t n = strlen(v);
    for (const char *word = f->value; n && *word; word += strcspn(word, "|"), word += *word == '|')
        if (strcspn(word, "|") == n && strncmp(word, v, n) == 0) {
            *(const char **)f->to = v;
            return 0;
        }
    return -1;
}

static int set(const struct flag *f, const char *v)
{
    switch (f->kind) {
    case FLAG_SWITCH:
        *(int *)f->to = 1;
        return 0;
    case FLAG_INT:
        return set_int(f, v);
    case FLAG_REAL:
        return number_of(v, f->min, f->max, f->to);
    case FLAG_SEED:
        return set_seed(f, v);
    case FLAG_TEXT:
        *(const char **)f->to = v;
        return 0;
    case FLAG_WORD:
        return set_word(f, v);
    case FLAG_BYTES:
        return set_bytes(f, v);
    case FLAG_SLOTS:
        return set_slots(f, v);
    case FLAG_TEXTS:
        return add_text(f, v);
    default:
        return set_list(f, v);
    }
}

static const struct flag *find(const struct flag_table *t, size_t n, const char *arg, size_t length)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < t[i].n; k++) {
            const struct flag *f = &t[i].flag[k];
            if ((strlen(f->name) == length && strncmp(f->name, arg, length) == 0) ||
                (f->other && strlen(f->other) == length && strncmp(f->other, arg, length) == 0))
                return f;
        }
    return NULL;
}

static void say_range(const struct flag *f, const char *command, const char *v)
{
    fprintf(stderr, "stoker %s: %s %s: ", command, f->name, v);
    if (f->kind == FLAG_BYTES)
        fprintf(stderr, "bytes are a number with K, M, G, T, KiB ... or KB ..., or min or max\n");
    else if (f->kind == FLAG_INT || f->kind == FLAG_REAL)
        fprintf(stderr, "%s from %.10g to %.10g are possible\n", f->kind == FLAG_INT ? "whole numbers" : "numbers",
                f->min, f->max);
    else if (f->kind == FLAG_SEED)
        fprintf(stderr, "whole numbers from 0 to 18446744073709551615 are possible\n");
    else if (f->kind == FLAG_TEXTS)
        fprintf(stderr, "at most %d of this flag are possible\n", TEXTS_MOST);
    else if (f->kind == FLAG_WORD)
        fprintf(stderr, "%s is expected\n", f->value);
    else
        fprintf(stderr, "%s is expected, in whole numbers\n", f->value);
}

static void help(const char *usage, const struct flag_table *t, size_t n)
{
    fputs(usage, stdout);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < t[i].n; k++) {
            const struct flag *f = &t[i].flag[k];
            char left[64];
            if (!f->help)
                continue;
            snprintf(left, sizeof left, "%s%s%s%s%s", f->name, f->other ? ", " : "", f->other ? f->other : "",
                     f->value ? " " : "", f->value ? f->value : "");
            printf("  %-26s %s\n", left, f->help);
        }
}

int flags_parse(const char *command, const char *usage, const struct flag_table *table, size_t n_table, int argc,
                char **argv, const char **rest, int max, int *n_rest)
{
    *n_rest = 0;
    for (int i = 1; i < argc; i++) {
        const char *arg = argv[i], *equals = strchr(arg, '=');
        if (strcmp(arg, "-h") == 0 || strcmp(arg, "--help") == 0) {
            help(usage, table, n_table);
            return 0;
        }
        if (arg[0] != '-' || arg[1] == 0) {
            if (*n_rest == max) {
                fprintf(stderr, "stoker %s: \"%s\" is one argument too many; see stoker %s --help\n", command, arg,
                        command);
                return 2;
            }
            rest[(*n_rest)++] = arg;
            continue;
        }
        int has_equals = equals && arg[1] == '-';
        const struct flag *f = find(table, n_table, arg, has_equals ? (size_t)(equals - arg) : strlen(arg));
        if (!f) {
            fprintf(stderr, "stoker %s: %s is not a flag of this command; see stoker %s --help\n", command, arg,
                    command);
            return 2;
        }
        const char *v = has_equals ? equals + 1 : f->kind == FLAG_SWITCH ? "" : argv[i + 1];
        if (!v || (f->kind == FLAG_SWITCH && has_equals)) {
            fprintf(stderr, v ? "stoker %s: %s takes no value\n" : "stoker %s: %s needs a value\n", command, f->name);
            return 2;
        }
        i += f->kind != FLAG_SWITCH && !has_equals;
        if (set(f, v)) {
            say_range(f, command, v);
            return 2;
        }
    }
    return FLAGS_DONE;
}

struct flag_table model_flags(struct stoker_options *o)
{
    static struct flag f[24];
    const struct flag t[] = {
        {"--memory", NULL, FLAG_BYTES, &o->memory, 1, 0, "BYTES|min|max",
         "bound on the whole process (default: what the machine has left)"},
        {"--ctx", "--context", FLAG_INT, &o->n_ctx, 1, 1 << 28, "N",
         "positions a sequence (default: trained, at most 8192; serve: at most 32768)"},
        {"--parallel", NULL, FLAG_INT, &o->n_parallel, 1, 128, "N",
         "sequences at a time (default 1; serve: 4, as memory allows)"},
        {"--chunk", NULL, FLAG_INT, &o->n_chunk, 1, 1 << 16, "N", "prompt rows a step (default 512, adapted)"},
        {"--snapshots", NULL, FLAG_INT, &o->n_snapshots, 1, 1 << 10, "N",
         "recurrent states kept a sequence, besides its own (default 1; serve: 4)"},
        {"--kv", NULL, FLAG_TEXT, &o->kv, 0, 0, "f16|f32", "element of keys and values (default f16)"},
        {"--threads", "-t", FLAG_INT, &o->n_threads, 1, 256, "N", "compute threads (default: usable cores)"},
        {"--cpu-tier", NULL, FLAG_TEXT, &o->cpu_tier, 0, 0, "scalar|avx2|avx512", "caps the tier of kernels"},
        {"--exact", NULL, FLAG_SWITCH, &o->exact, 0, 0, NULL, "decoded weights, f32 activations (slow)"},
        {"--lock", NULL, FLAG_SWITCH, &o->lock, 0, 0, NULL, "the plan's memory may not be swapped out (mlock)"},
        {"--slots", NULL, FLAG_SLOTS, o, 0, 0, "N[,N]", "expert slots per class (tests, research)"},
        {"--reader", NULL, FLAG_TEXT, &o->reader, 0, 0, "uring|threads|buffered",
         "how the disk is read (default: first that works)"},
        {"--reader-depth", NULL, FLAG_INT, &o->reader_depth, 1, 4096, "N", "pieces in flight"},
        {"--mirror", NULL, FLAG_TEXT, &o->mirror, 0, 0, "DIR", "a second copy of the model's files, read in parallel"},
        {"--route-trace", NULL, FLAG_TEXT, &o->route_trace, 0, 0, "FILE", "write the experts of each row (research)"},
        {"--cache-log", NULL, FLAG_TEXT, &o->cache_log, 0, 0, "FILE", "write what the expert cache decides (research)"},
        {"--read-timeout", NULL, FLAG_REAL, &o->read_timeout, 0.01, 1e6, "S",
         "a read older than this has failed (default 120)"},
    };
    memcpy(f, t, sizeof t);
    return (struct flag_table){f, sizeof t / sizeof *t};
}
