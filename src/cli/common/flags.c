/* Parsing flags: see flags.h. */
#include "cli/common/flags.h"

#include "base/utf8.h"
#include "cli/common/cli.h"
#include "cli/common/flag_value.h"
#include "cli/common/foreign_flags.h"
#include "cli/common/profile.h"
#include "cli/common/settings.h"
#include "cli/common/suggest.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *show_limit(uint64_t n)
{
    return show_bytes(n + (n < UINT64_C(1) << 30 ? (1 << 20) / 20 : (1 << 30) / 200));
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
    char possible[200];
    fprintf(stderr, "stoker %s: %s %s: %s\n", command, f->name, v, flag_possible(f, possible, sizeof possible));
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
            if (f->heading)
                printf("%s%s:\n", f == t[0].flag ? "" : "\n", f->heading);
            snprintf(left, sizeof left, "%s%s%s%s%s", f->name, f->other ? ", " : "", f->other ? f->other : "",
                     f->value ? " " : "", f->value ? f->value : "");
            printf("  %-26s %s\n", left, f->help);
        }
}

/* ---- the command line -------------------------------------------------------------------------------------------------------- */

enum { TABLES_MOST = 8, FLAGS_MOST = 256 };

/* Flags of every command, which say where settings are. */
struct about_settings {
    const char *file;
    int flags_alone, print;
    struct flag flag[4];
};

struct parsing {
    const char *command, *usage;
    const struct flag_table *table;
    size_t n_table;
    const char **rest;
    int max, *n_rest;
    int argc;
    char **argv;
    int is_first; /* 1: which flags are given is noted, and nothing set but those about settings, the last table */
    unsigned char given[FLAGS_MOST];
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

static int is_same(const char *a, const char *b) { return a && b && strcmp(a, b) == 0; }

static void note_given(struct parsing *p, const struct flag *f)
{
    size_t n = 0;
    for (size_t i = 0; i < p->n_table; i++)
        for (size_t k = 0; k < p->table[i].n; k++, n++) {
            const struct flag *g = &p->table[i].flag[k];
            p->given[n] |= g == f || is_same(g->same_as, f->name) || is_same(f->same_as, g->name);
        }
}

/* 1: one of the flags of names, "-p|--prompt", is on the command line. */
static int is_given(const struct parsing *p, const char *names)
{
    size_t n = 0;
    for (size_t i = 0; i < p->n_table; i++)
        for (size_t k = 0; k < p->table[i].n; k++, n++)
            if (p->given[n] && foreign_names_hold(names, p->table[i].flag[k].name, strlen(p->table[i].flag[k].name)))
                return 1;
    return 0;
}

static int is_about_settings(const struct parsing *p, const struct flag *f)
{
    const struct flag_table *last = &p->table[p->n_table - 1];
    return f >= last->flag && f < last->flag + last->n;
}

/* Two words of a command line are one value of a flag of two, in room of their own. */
static void note_value(const struct flag *f, const char *value)
{
    const char *kept = f->kind == FLAG_RANGE ? strdup(value) : value;
    if (kept)
        settings_note(f, kept, "flag");
}

static int set_flag(struct parsing *p, const struct flag *f, const char *value)
{
    int of_settings = is_about_settings(p, f);
    if (p->is_first)
        note_given(p, f);
    if (p->is_first != of_settings)
        return 0;
    if (flag_set(f, value)) {
        say_range(f, p->command, value);
        return 2;
    }
    if (!of_settings)
        note_value(f, value);
    return 0;
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

/* A flag of another program. Sets *used to the arguments that it takes behind itself. */
static int take_foreign(struct parsing *p, const struct foreign_flag *o, const struct argument *a, int *used)
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
    if (foreign_flag_is_always(o, value) && (!o->beside || p->is_first || is_given(p, o->beside)))
        return 0;
    const struct foreign_flag *reason = o->same ? foreign_flag_find(o->same, strlen(o->same)) : o;
    if (!reason || !reason->why)
        return unknown(p, a->name, a->n);
    fprintf(stderr, "stoker %s: %.*s: %s\n", p->command, (int)a->n, a->name, reason->why);
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

/* 1: on and off, whichever is meant, need not stand behind it (as ollama has --think): nothing does, or another flag, or a file. */
static int stands_alone(const struct argument *a)
{
    return !a->value && (!a->next || *a->next == '-' || strpbrk(a->next, "./"));
}

/* One argument. Sets *used to the arguments behind it that belong to it. 0: go on; else the exit status. */
static int take_argument(struct parsing *p, struct argument *a, int *used)
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
    int is_on = f->kind == FLAG_ON_OFF && stands_alone(a);
    const char *value = a->value ? a->value : is_switch ? "" : is_on ? "on" : a->next;
    if (!value)
        return needs_value(p, f->name);
    if (f->kind == FLAG_SWITCH && a->value && !flag_can_be(f, &value, 1)) {
        fprintf(stderr, "stoker %s: %s takes no value but on and off\n", p->command, f->name);
        return 2;
    }
    *used = !is_switch && !is_on && !a->value;
    if (f->kind == FLAG_RANGE && *used && a->after && !strchr(value, '-')) {
        snprintf(a->both, sizeof a->both, "%.30s %.30s", value, a->after);
        value = a->both;
        *used = 2;
    }
    return set_flag(p, f, value);
}

/* Every argument once. */
static int take_arguments(struct parsing *p)
{
    *p->n_rest = 0;
    for (int i = 1; i < p->argc; i++) {
        struct argument a;
        int used = 0, status;
        char *const *arg = p->argv + i;
        if (strcmp(arg[0], "-h") == 0 || strcmp(arg[0], "--help") == 0) {
            help(p->usage, p->table, p->n_table);
            return 0;
        }
        if (arg[0][0] != '-' || arg[0][1] == 0) {
            status = add_rest(p, arg[0]);
        } else {
            take_apart(&a, arg[0], arg[1]);
            a.after = arg[1] ? arg[2] : NULL;
            status = take_argument(p, &a, &used);
        }
        if (status != 0)
            return status;
        i += used;
    }
    return FLAGS_DONE;
}

/* ---- settings --------------------------------------------------------------------------------------------------------------- */

static enum flags_mode mode;
static int prints_config;
static char model_hash[17];
static const char *setting_model;

void flags_set_mode(enum flags_mode m) { mode = m; }

const char *flags_setting_model(void) { return setting_model; }

const char *flags_print_config(void) { return prints_config ? model_hash : NULL; }

static struct flag_table about_settings(struct about_settings *a)
{
    const struct flag t[] = {
        {"--config", NULL, FLAG_TEXT, &a->file, 0, 0, "FILE", "flags of this file too, over those of your stoker.toml",
         .heading = "Settings"},
        {"--no-config", NULL, FLAG_SWITCH, &a->flags_alone, 0, 0, NULL,
         "neither your stoker.toml nor variables STOKER_..."},
        {"--print-config", NULL, FLAG_SWITCH, &a->print, 0, 0, NULL, "say on stderr what is set, and where"},
    };
    memcpy(a->flag, t, sizeof t);
    return (struct flag_table){a->flag, sizeof t / sizeof *t};
}

/* The model of a command that has no flag for it: MODEL.gguf. */
static const struct flag model_flag = {.name = "--model", .other = "-m", .kind = FLAG_TEXT};

static int takes_model(const struct parsing *p)
{
    static const char *const others[] = {"inspect", "check", "disk", "render", "tokenize"}; /* without an engine */
    int takes = find(p->table, p->n_table, "--memory", 8) != NULL;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        takes |= strcmp(p->command, others[i]) == 0;
    int names_all = strcmp(p->command, "quantize") == 0 || strcmp(p->command, "library") == 0; /* never from settings */
    return p->max > 0 && takes && !names_all && !find(p->table, p->n_table, "--model", 7);
}

/* Its first argument is a model, whatever it is: not of a command that may have a text there. */
static int begins_with_model(const struct parsing *p) { return takes_model(p) && strcmp(p->command, "tokenize") != 0; }

/* A service called stoker leaves STOKER_PORT=tcp://ADDRESS:PORT in each container beside it. */
static int is_service(const struct flag *f, const struct setting *s)
{
    return s->is_variable && strcmp(f->name, "--port") == 0 && strstr(s->text[0], "://");
}

static int take_setting(const struct parsing *p, const struct flag *f)
{
    struct setting s;
    char possible[200];
    if (!settings_find(&s, p->command, f))
        return 0;
    for (size_t i = 0; i < s.n; i++) {
        if (is_service(f, &s)) {
            fprintf(stderr,
                    "stoker %s: warning: %s=%s is what Kubernetes sets for a service of this name, and does nothing\n",
                    p->command, s.where, show_text(s.text[i], strlen(s.text[i])));
            return 0;
        }
        if (f->to && flag_set(f, s.text[i])) {
            fprintf(stderr, "stoker %s: %s=%s: %s\n", p->command, s.where, show_text(s.text[i], strlen(s.text[i])),
                    flag_possible(f, possible, sizeof possible));
            return 2;
        }
        settings_note(f, s.text[i], s.where);
    }
    return 0;
}

/* A setting of f, or of one that f is the same as, from two places: the higher one holds. 1: this one does not. -1: both are of one place,
 * after a sentence. */
static int is_under(const struct parsing *p, const struct flag *f)
{
    static struct setting mine, its;
    for (size_t i = 0; i < p->n_table; i++)
        for (size_t k = 0; k < p->table[i].n; k++) {
            const struct flag *g = &p->table[i].flag[k];
            if (g == f || !(is_same(f->same_as, g->name) || is_same(g->same_as, f->name)) ||
                !settings_find(&mine, p->command, f) || !settings_find(&its, p->command, g))
                continue;
            if (mine.rank == its.rank) {
                fprintf(stderr, "stoker %s: %s sets %s, and %s %s, which is the same; leave one of them\n", p->command,
                        mine.where, f->name, its.where, g->name);
                return -1;
            }
            if (mine.rank < its.rank)
                return 1;
        }
    return 0;
}

/* What the command line does not give. */
static int take_settings(struct parsing *p, const char **model)
{
    size_t n = 0;
    struct setting s;
    for (size_t i = 0; i < p->n_table; i++)
        for (size_t k = 0; k < p->table[i].n; k++, n++) {
            const struct flag *f = &p->table[i].flag[k];
            int is_model_twice = *p->n_rest > 0 && is_same(f->other, "--model");
            int under = p->given[n] || is_model_twice ? 1 : is_under(p, f);
            if (under < 0 || (!under && take_setting(p, f)))
                return 2;
        }
    if (takes_model(p) && (*p->n_rest == 0 || !begins_with_model(p)) && settings_find(&s, p->command, &model_flag) &&
        s.n) {
        *model = setting_model = s.text[0];
        settings_note(&model_flag, *model, s.where);
    }
    return 0;
}

/* A file of settings and the hash of its model make the same answer. */
static void print_config(const struct parsing *p, FILE *f)
{
    uint64_t hash;
    struct stoker_error err;
    char shown[PATH_MAX];
    const char *model = !begins_with_model(p) ? setting_model
                        : *p->n_rest          ? p->rest[0]
                        : prints_config       ? embedded_model()
                                              : NULL,
               *profiled = model;
    *model_hash = 0;
    if (!profiled) /* of bench, which has a flag for it */
        profiled = *p->n_rest ? p->rest[0] : settings_noted("-m");
    if (profiled && find(p->table, p->n_table, "--no-profile", 12))
        profile_note(profiled);
    settings_print(f, p->command);
    if (model && strcmp(model, "-") != 0 && stoker_model_hash(&hash, model, &err) == 0)
        snprintf(model_hash, sizeof model_hash, "%016" PRIx64, hash);
    if (*model_hash) {
        snprintf(shown, sizeof shown, "%s", model);
        utf8_make_plain(shown); /* a comment is one line */
        fprintf(f, "# stoker %s, model %s: %s\n", stoker_version(), model_hash, shown);
    }
}

/* Settings, then the command line over them. */
static int take_all(struct parsing *p, struct about_settings *about)
{
    const char *model = NULL;
    int status = take_arguments(p);
    if (status != FLAGS_DONE)
        return status;
    settings_forget();
    if ((status = settings_load(about->file, about->flags_alone)) != 0 || (status = take_settings(p, &model)) != 0)
        return status;
    p->is_first = 0;
    status = take_arguments(p);
    if (status == FLAGS_DONE && model && begins_with_model(p)) {
        p->rest[0] = model;
        *p->n_rest = 1;
    } else if (status == FLAGS_DONE && begins_with_model(p) && *p->n_rest) {
        settings_note(&model_flag, p->rest[0], "flag");
    }
    return status;
}

/* How many tokens are drafted at most says nothing while none are: the plan would keep memory for them. */
static void drop_unused(const struct parsing *p)
{
    const struct flag *draft = find(p->table, p->n_table, "--draft", 7),
                      *most = find(p->table, p->n_table, "--draft-max", 11);
    const char *from = draft ? *(const char *const *)draft->to : NULL;
    if (draft && most && (!from || is_same(from, "off")))
        *(int *)most->to = 0;
}

int flags_parse(const char *command, const char *usage, const struct flag_table *table, size_t n_table, int argc,
                char **argv, const char **rest, int max, int *n_rest)
{
    struct about_settings about = {0};
    setting_model = NULL;
    struct flag_table tables[TABLES_MOST];
    struct parsing p = {command, usage, tables, n_table, rest, max, n_rest, argc, argv, n_table > 0, {0}};
    for (size_t i = 0; i < n_table; i++)
        tables[i] = table[i];
    if (n_table)
        tables[p.n_table++] = about_settings(&about);
    if (mode == FLAGS_LIST) {
        struct flag_table model = {&model_flag, (size_t)takes_model(&p)};
        tables[p.n_table] = model;
        if (n_table > 1 || (n_table == 1 && table[0].n > 0))
            settings_know(command, tables, p.n_table + 1);
        return 0;
    }
    int status = n_table ? take_all(&p, &about) : take_arguments(&p);
    prints_config = about.print;
    drop_unused(&p);
    /* Last: for the profile it makes the table of model_flags() anew, and where that one points to is gone then. */
    if (status == FLAGS_DONE && (about.print || mode == FLAGS_PRINT))
        print_config(&p, mode == FLAGS_PRINT ? stdout : stderr);
    return status == FLAGS_DONE && mode == FLAGS_PRINT ? 0 : status;
}

struct flag_table model_flags(struct stoker_options *o)
{
    static struct flag f[24];
    o->use = o->use ? o->use : STOKER_USE_TEXT; /* what most commands are for; the others say so behind it */
    const struct flag t[] = {
        {"--memory", NULL, FLAG_BYTES, &o->memory, 1, 0, "BYTES|min|max",
         "bound on the whole process (default: what the machine has left)", .heading = "Memory and speed"},
        {"--ctx", "--context", FLAG_COUNT, &o->n_ctx, 1, 1 << 28, "N",
         "positions a sequence, 8k is 8192 (default: trained, at most 8192; serve: at most 32768; eval ppl, kld: 512, "
         "others: what their prompts need)",
         "0"},
        {"--parallel", NULL, FLAG_INT, &o->n_parallel, 1, 128, "N",
         "sequences at a time (default 1; serve, eval: 4, as memory allows)"},
        {"--chunk", NULL, FLAG_INT, &o->n_chunk, 1, 1 << 16, "N", "prompt rows a step (default 512, adapted)"},
        {"--snapshots", NULL, FLAG_INT, &o->n_snapshots, 1, 1 << 10, "N",
         "recurrent states kept a sequence, besides its own (default 1; serve: 4)"},
        {"--draft", NULL, FLAG_WORD, &o->draft, 0, 0, "off|ngram|mtp|auto|FILE.gguf",
         "compute tokens that may come next in the same step; answers stay the same (run, serve, plan: auto; others: "
         "off)"},
        {"--draft-max", NULL, FLAG_INT, &o->n_draft, 1, STOKER_DRAFT_MOST, "N",
         "most such tokens of a step (default 16)"},
        {"--kv", NULL, FLAG_TEXT, &o->kv, 0, 0, "f16|f32|q8_0", "element of keys and values (default f16)"},
        {"--threads", "-t", FLAG_INT, &o->n_threads, 1, 256, "N", "compute threads (default: one for each fast core)",
         "-1"},
        {"--cpu-tier", NULL, FLAG_TEXT, &o->cpu_tier, 0, 0, "scalar|avx2|avxvnni|avx512|neon|i8mm",
         "caps the tier of kernels", .heading = "CPU and drive"},
        {"--spin", NULL, FLAG_REAL, &o->spin_ms, 0.001, 1e4, "MS",
         "milliseconds that threads without work stay awake (default 5; less with few cores)"},
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
