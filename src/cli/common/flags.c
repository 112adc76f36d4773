/* Parsing flags: see flags.h. */
#include "cli/common/flags.h"

#include "cli/common/foreign_flags.h"
#include "cli/common/suggest.h"

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

static int set_on_off(const struct flag *f, const char *v)
{
    int on = strcmp(v, "on") == 0 || strcmp(v, "true") == 0, off = strcmp(v, "off") == 0 || strcmp(v, "false") == 0;
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

static int set(const struct flag *f, const char *v)
{
    switch (f->kind) {
    case FLAG_SWITCH:
        *(int *)f->to = 1;
        return 0;
    case FLAG_DETAIL:
        *(int *)f->to = *v ? 2 : 1;
        return *v && strcmp(v, "full") ? -1 : 0;
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
    else if (f->kind == FLAG_INT || f->kind == FLAG_COUNT || f->kind == FLAG_REAL)
        fprintf(stderr, "%s from %.10g to %.10g are possible%s\n", f->kind == FLAG_REAL ? "numbers" : "whole numbers",
                f->min, f->max, f->kind == FLAG_COUNT ? ", and 8k for 8192" : "");
    else if (f->kind == FLAG_LIMIT)
        fprintf(stderr, "whole numbers from 1 to %.10g are possible, and -1: no limit\n", f->max);
    else if (f->kind == FLAG_DETAIL)
        fprintf(stderr, "nothing or =full is possible\n");
    else if (f->kind == FLAG_SEED)
        fprintf(stderr, "whole numbers from 0 to 18446744073709551615 are possible\n");
    else if (f->kind == FLAG_TEXTS)
        fprintf(stderr, "at most %d of this flag are possible\n", TEXTS_MOST);
    else if (f->kind == FLAG_ON_OFF)
        fprintf(stderr, "on or off\n");
    else if (f->kind == FLAG_WORD)
        fprintf(stderr, "%s is expected\n", f->value);
    else if (f->kind == FLAG_RANGE)
        fprintf(stderr, "two whole numbers from %.10g to %.10g, the smaller one first\n", f->min, f->max);
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

/* ---- the command line -------------------------------------------------------------------------------------------------------- */

struct parsing {
    const char *command;
    const struct flag_table *table;
    size_t n_table;
    const char **rest;
    int max, *n_rest;
    int argc;
    char **argv;
};

static int unknown(const struct parsing *p, const char *name, size_t n)
{
    struct suggestion s;
    suggest_begin(&s, name, n);
    for (size_t i = 0; i < p->n_table; i++)
        for (size_t k = 0; k < p->table[i].n; k++) {
            suggest_try(&s, p->table[i].flag[k].name);
            suggest_try(&s, p->table[i].flag[k].other);
        }
    for (size_t i = 0; i < foreign_flags_n; i++) {
        const struct foreign_flag *o = &foreign_flags[i];
        const struct flag *same = o->same ? find(p->table, p->n_table, o->same, strlen(o->same)) : NULL;
        size_t length;
        for (const char *at = o->names; same && (length = strcspn(at, "|")) > 0; at += length + (at[length] == '|'))
            suggest_name(&s, at, length, same->name);
    }
    fprintf(stderr, "stoker %s: %.*s is not a flag of this command; ", p->command, (int)n, name);
    if (s.word)
        fprintf(stderr, "did you mean %s?\n", s.word);
    else
        fprintf(stderr, "see stoker %s --help\n", p->command);
    return 2;
}

static int add_rest(const struct parsing *p, const char *arg)
{
    if (*p->n_rest == p->max) {
        fprintf(stderr, "stoker %s: \"%s\" is one argument too many; %ssee stoker %s --help\n", p->command, arg,
                find(p->table, p->n_table, "--prompt", 8) ? "a prompt stands behind -p; " : "", p->command);
        return 2;
    }
    p->rest[(*p->n_rest)++] = arg;
    return 0;
}

static int set_flag(const struct parsing *p, const struct flag *f, const char *value)
{
    if (set(f, value) == 0)
        return 0;
    say_range(f, p->command, value);
    return 2;
}

/* An argument that begins with a dash, taken apart. */
struct argument {
    const char *name; /* dashes inside, where underscores may have been given */
    size_t n;
    const char *value;         /* behind "=", or behind a short flag, as in -n5; NULL: none */
    const char *next, *after;  /* the arguments behind it; NULL: none */
    char dashed[64], both[64]; /* both: of a flag with two values */
};

static void take_apart(struct argument *a, const char *arg, const char *next)
{
    const char *equals = strchr(arg, '=');
    int is_long = arg[1] == '-', has_number = arg[1] && (strchr("0123456789", arg[2]) || arg[2] == '-') && arg[2];
    size_t n = is_long && equals ? (size_t)(equals - arg) : !is_long && has_number ? 2 : strlen(arg);
    a->name = arg;
    a->n = n;
    a->value = arg[n] == 0 ? NULL : arg + n + (arg[n] == '=');
    a->next = next;
    if (n >= sizeof a->dashed)
        return;
    for (size_t i = 0; i < n; i++)
        a->dashed[i] = arg[i] == '_' ? '-' : arg[i];
    a->name = a->dashed;
}

/* 1: one of these flags is on the command line. */
static int is_given(const struct parsing *p, const char *names)
{
    for (int i = 1; i < p->argc; i++)
        if (foreign_names_hold(names, p->argv[i], strcspn(p->argv[i], "=")))
            return 1;
    return 0;
}

/* A flag of another program. Sets *used to the arguments that it takes behind itself. */
static int take_foreign(const struct parsing *p, const struct foreign_flag *o, const struct argument *a, int *used)
{
    const char *value = a->value;
    int takes = o->value == FOREIGN_VALUE || (o->value == FOREIGN_SWITCH && foreign_switch_word(a->next));
    if (!value && takes) {
        value = a->next;
        *used = value != NULL;
    }
    if (o->value == FOREIGN_VALUE && !value) {
        fprintf(stderr, "stoker %s: %.*s needs a value\n", p->command, (int)a->n, a->name);
        return 2;
    }
    if (o->value == FOREIGN_NO_VALUE && value) {
        fprintf(stderr, "stoker %s: %.*s takes no value\n", p->command, (int)a->n, a->name);
        return 2;
    }
    const struct flag *same = o->same ? find(p->table, p->n_table, o->same, strlen(o->same)) : NULL;
    const char *before = same && o->why ? *(const char **)same->to : NULL;
    if (before && strcmp(before, value) != 0) {
        fprintf(stderr, "stoker %s: %.*s %s: %s is already %s, %s\n", p->command, (int)a->n, a->name, value, same->name,
                before, o->why);
        return 2;
    }
    if (same)
        return set_flag(p, same, value ? value : "");
    if (foreign_flag_is_always(o, value) && (!o->beside || is_given(p, o->beside)))
        return 0;
    if (!o->why || o->same) /* of another command */
        return unknown(p, a->name, a->n);
    fprintf(stderr, "stoker %s: %.*s: %s\n", p->command, (int)a->n, a->name, o->why);
    return 2;
}

static int needs_value(const struct parsing *p, const char *name)
{
    fprintf(stderr, "stoker %s: %s needs a value\n", p->command, name);
    return 2;
}

static int is_model(const struct argument *a)
{
    return (a->n == 2 && memcmp(a->name, "-m", 2) == 0) || (a->n == 7 && memcmp(a->name, "--model", 7) == 0);
}

/* One argument. Sets *used to the arguments behind it that belong to it. 0: go on; else the exit status. */
static int take_argument(const struct parsing *p, struct argument *a, int *used)
{
    const struct flag *f = find(p->table, p->n_table, a->name, a->n);
    const struct foreign_flag *foreign = f ? NULL : foreign_flag_find(a->name, a->n);
    if (foreign)
        return take_foreign(p, foreign, a, used);
    if (!f && p->max > 0 && is_model(a)) {
        *used = !a->value && a->next;
        return a->value ? add_rest(p, a->value) : a->next ? add_rest(p, a->next) : needs_value(p, "-m");
    }
    if (!f)
        return unknown(p, a->name, a->n);
    int has_word = f->kind == FLAG_DETAIL && !a->value && a->next && strcmp(a->next, "full") == 0,
        is_switch = f->kind == FLAG_SWITCH || (f->kind == FLAG_DETAIL && !has_word);
    const char *value = a->value ? a->value : is_switch ? "" : a->next;
    if (!value)
        return needs_value(p, f->name);
    if (f->kind == FLAG_SWITCH && a->value) {
        fprintf(stderr, "stoker %s: %s takes no value\n", p->command, f->name);
        return 2;
    }
    *used = !is_switch && !a->value;
    if (f->kind == FLAG_RANGE && *used && a->after && !strchr(value, '-')) {
        snprintf(a->both, sizeof a->both, "%.30s %.30s", value, a->after);
        value = a->both;
        *used = 2;
    }
    return set_flag(p, f, value);
}

int flags_parse(const char *command, const char *usage, const struct flag_table *table, size_t n_table, int argc,
                char **argv, const char **rest, int max, int *n_rest)
{
    struct parsing p = {command, table, n_table, rest, max, n_rest, argc, argv};
    *n_rest = 0;
    for (int i = 1; i < argc; i++) {
        struct argument a;
        int used = 0, status;
        if (strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "--help") == 0) {
            help(usage, table, n_table);
            return 0;
        }
        if (argv[i][0] != '-' || argv[i][1] == 0) {
            status = add_rest(&p, argv[i]);
        } else {
            take_apart(&a, argv[i], argv[i + 1]);
            a.after = argv[i + 1] ? argv[i + 2] : NULL;
            status = take_argument(&p, &a, &used);
        }
        if (status != 0)
            return status;
        i += used;
    }
    return FLAGS_DONE;
}

struct flag_table model_flags(struct stoker_options *o)
{
    static struct flag f[24];
    const struct flag t[] = {
        {"--memory", NULL, FLAG_BYTES, &o->memory, 1, 0, "BYTES|min|max",
         "bound on the whole process (default: what the machine has left)"},
        {"--ctx", "--context", FLAG_COUNT, &o->n_ctx, 1, 1 << 28, "N",
         "positions a sequence, 8k is 8192 (default: trained, at most 8192; serve: at most 32768; eval ppl, kld: 512, "
         "others: what their prompts need)",
         "0"},
        {"--parallel", NULL, FLAG_INT, &o->n_parallel, 1, 128, "N",
         "sequences at a time (default 1; serve, eval: 4, as memory allows)"},
        {"--chunk", NULL, FLAG_INT, &o->n_chunk, 1, 1 << 16, "N", "prompt rows a step (default 512, adapted)"},
        {"--snapshots", NULL, FLAG_INT, &o->n_snapshots, 1, 1 << 10, "N",
         "recurrent states kept a sequence, besides its own (default 1; serve: 4)"},
        {"--kv", NULL, FLAG_TEXT, &o->kv, 0, 0, "f16|f32|q8_0", "element of keys and values (default f16)"},
        {"--threads", "-t", FLAG_INT, &o->n_threads, 1, 256, "N", "compute threads (default: one for each fast core)",
         "-1"},
        {"--cpu-tier", NULL, FLAG_TEXT, &o->cpu_tier, 0, 0, "scalar|avx2|avxvnni|avx512|neon|i8mm",
         "caps the tier of kernels"},
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
