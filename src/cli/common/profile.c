/* See profile.h. */
#include "cli/common/profile.h"

#include "base/cpu.h"
#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/toml/toml.h"
#include "base/utf8.h"
#include "cli/common/flag_value.h"
#include "cli/common/settings.h"
#include "cli/common/user_folder.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NUMBERS = 9 };

const char *const profile_setting[PROFILE_SETTINGS] = {"threads", "chunk", "reader", "reader-depth", "spin", "kv"};

/* The table of the file that a setting stands in: what changes answers was asked for. */
static const char *table_of(int setting) { return setting == PROFILE_KV ? "asked" : "settings"; }

/* ---- whom it is for --------------------------------------------------------------------------------------------------------- */

void profile_processor(char out[PROFILE_PROCESSOR])
{
    char line[256];
    const char *name = NULL;
    FILE *f = fopen("/proc/cpuinfo", "r");
    while (f && !name && fgets(line, sizeof line, f))
        if (strncmp(line, "model name", 10) == 0 && (name = strchr(line, ':')))
            name += 1 + (name[1] == ' ');
    if (f)
        fclose(f);
    snprintf(out, PROFILE_PROCESSOR, "%.*s", name ? (int)strcspn(name, "\n") : 0, name ? name : "");
}

void profile_machine(char out[PROFILE_MACHINE])
{
    char name[PROFILE_PROCESSOR];
    profile_processor(name);
    snprintf(out, PROFILE_MACHINE, "%s, %d cores, %s", *name ? name : "unnamed processor", cpu_usable_cores(),
             cpu_tier_name(cpu_best_tier()));
    utf8_make_plain(out);
}

int profile_key(struct profile_key *out, const char *model, uint64_t memory, struct stoker_error *err)
{
    uint64_t hash;
    if (stoker_model_hash(&hash, model, err))
        return -1;
    snprintf(out->model, sizeof out->model, "%016" PRIx64, hash);
    profile_machine(out->machine);
    if (memory == 0 || memory == STOKER_MEMORY_MIN || memory == STOKER_MEMORY_MAX)
        snprintf(out->memory, sizeof out->memory, "%s",
                 memory == 0                   ? "default"
                 : memory == STOKER_MEMORY_MIN ? "min"
                                               : "max");
    else
        snprintf(out->memory, sizeof out->memory, "%" PRIu64, memory);
    return 0;
}

/* The path of its file of this number, from 1. */
static int path_of(char out[PATH_MAX], const struct profile_key *k, int number)
{
    char name[128], behind[8] = "";
    if (number > 1)
        snprintf(behind, sizeof behind, "-%d", number);
    snprintf(name, sizeof name, "profiles/%s-%08x-%s%s.toml", k->model,
             (unsigned)hash64(k->machine, strlen(k->machine), 0), k->memory, behind);
    return user_path_of(out, USER_CONFIG, name);
}

/* ---- reading ---------------------------------------------------------------------------------------------------------------- */

static const char *text_of(const struct toml *t, const char *table, const char *key)
{
    for (size_t i = 0; i < t->n; i++)
        if (t->entry[i].key && strcmp(t->entry[i].table, table) == 0 && strcmp(t->entry[i].key, key) == 0 &&
            t->entry[i].n == 1)
            return t->text[t->entry[i].first];
    return "";
}

static const struct flag *flag_of(const struct flag_table *t, const char *name)
{
    for (size_t i = 0; i < t->n; i++)
        if (strcmp(t->flag[i].name + 2, name) == 0)
            return &t->flag[i];
    return NULL;
}

static int is_reader(const char *word)
{
    return strcmp(word, "uring") == 0 || strcmp(word, "threads") == 0 || strcmp(word, "buffered") == 0;
}

/* Of keys and values, another one than the default. */
static int is_type(const char *word) { return strcmp(word, "f32") == 0 || strcmp(word, "q8_0") == 0; }

static int is_value(int setting, const struct flag *f, const char *text)
{
    switch (setting) {
    case PROFILE_READER:
        return is_reader(text);
    case PROFILE_KV:
        return is_type(text);
    default:
        return flag_can_be(f, &text, 1);
    }
}

/* 0: a value of such a setting of this table, which is kept. */
static int take_value(struct profile *p, const char *table, const char *key, const char *text)
{
    struct stoker_options nobody = {0};
    struct flag_table t = model_flags(&nobody);
    for (int i = 0; i < PROFILE_SETTINGS; i++) {
        if (strcmp(key, profile_setting[i]) != 0 || strcmp(table, table_of(i)) != 0)
            continue;
        int fits = strlen(text) < sizeof p->value[i] && is_value(i, flag_of(&t, key), text);
        if (fits)
            snprintf(p->value[i], sizeof p->value[i], "%s", text);
        return fits ? 0 : -1;
    }
    return -1;
}

/* 1: an entry that print_profile() writes; of tables of settings take_value() knows. */
static int is_written(const struct toml_entry *e)
{
    static const struct {
        const char *table, *keys; /* with a space before and behind each */
    } of[] = {{"profile", " version model machine memory pairs tokens values "},
              {"settings", NULL},
              {"asked", NULL},
              {"end", " whole "}};
    char key[32];
    for (size_t i = 0; i < sizeof of / sizeof *of; i++)
        if (strcmp(e->table, of[i].table) == 0)
            return !e->key || !of[i].keys ||
                   (snprintf(key, sizeof key, " %s ", e->key) < (int)sizeof key && strstr(of[i].keys, key));
    return 0;
}

static int is_setting(const struct toml_entry *e)
{
    return e->key && (strcmp(e->table, "settings") == 0 || strcmp(e->table, "asked") == 0);
}

/* What is wrong with it; NULL: nothing. The last line says that it is whole. */
static const char *read_entries(struct profile *p, const struct profile_key *k, const struct toml *t)
{
    char version[8];
    snprintf(version, sizeof version, "%d", PROFILE_VERSION);
    if (t->n == 0 || strcmp(text_of(t, "end", "whole"), "true") != 0)
        return "is cut";
    if (strcmp(text_of(t, "profile", "version"), version) != 0)
        return "is of another version of stoker";
    if (strcmp(text_of(t, "profile", "machine"), k->machine) != 0)
        return "is of another machine";
    if (strcmp(text_of(t, "profile", "model"), k->model) != 0 ||
        strcmp(text_of(t, "profile", "memory"), k->memory) != 0)
        return "is of another model or budget";
    for (size_t i = 0; i < t->n; i++)
        if (!is_written(&t->entry[i]))
            return "has a table or key that no profile has";
    for (size_t i = 0; i < t->n; i++)
        if (is_setting(&t->entry[i]) &&
            (t->entry[i].n != 1 || take_value(p, t->entry[i].table, t->entry[i].key, t->text[t->entry[i].first])))
            return "has a setting that no profile has";
    return NULL;
}

static const char *read_profile(struct profile *p, const struct profile_key *k, const char *path)
{
    struct error err = {0};
    struct toml t;
    size_t n;
    *p = (struct profile){0};
    char *text = file_read_regular(path, TOML_BYTES_MOST, &n, &err);
    if (!text)
        return "cannot be read";
    const char *wrong = "is cut or damaged";
    if (toml_read(&t, text, n, &err) == 0) {
        wrong = read_entries(p, k, &t);
        toml_free(&t);
    }
    free(text);
    return wrong;
}

/* The first whole one, or the first path where there is none yet. 1: it is there. -1: there is no path. Others are named. */
static int find(struct profile *p, char path[PATH_MAX], const struct profile_key *k)
{
    for (int i = 1; i <= NUMBERS; i++) {
        if (path_of(path, k, i))
            return -1;
        if (access(path, F_OK) != 0)
            return 0;
        const char *wrong = read_profile(p, k, path);
        if (!wrong)
            return 1;
        fprintf(stderr, "stoker: profile %s %s, and is left alone\n", path, wrong);
    }
    return -1;
}

/* ---- use -------------------------------------------------------------------------------------------------------------------- */

static int is_open(const struct stoker_options *o, int setting)
{
    switch (setting) {
    case PROFILE_THREADS:
        return o->n_threads == 0;
    case PROFILE_CHUNK:
        return o->n_chunk == 0;
    case PROFILE_READER:
        return o->reader == NULL;
    case PROFILE_SPIN:
        return o->spin_ms == 0;
    case PROFILE_KV:
        return o->kv == NULL;
    default:
        return o->reader_depth == 0 && o->reader == NULL;
    }
}

/* A chunk is larger, and the page cache takes memory of the group, than what fits beside other options. */
static int is_planned(const char *model, const struct stoker_options *o)
{
    struct stoker_plan plan;
    struct stoker_error err;
    return stoker_plan(&plan, model, o, &err) == 0 || err.code != STOKER_ERR_MEMORY;
}

/* out: where what is set is named; NULL: nowhere. */
static void apply(const struct profile *p, const char *path, const char *model, struct stoker_options *o, FILE *out)
{
    struct flag_table t = model_flags(o);
    const char *before = ": ";
    const struct stoker_options given = *o;
    if (out)
        fprintf(out, "stoker: profile %s", path);
    for (int i = 0; i < PROFILE_SETTINGS; i++) {
        const struct flag *f = flag_of(&t, profile_setting[i]);
        const struct stoker_options less = *o;
        if (!*p->value[i] || !is_open(&given, i) || flag_set(f, p->value[i]))
            continue;
        if (!is_planned(model, o)) {
            *o = less;
            if (out)
                fprintf(out, "%s%s %s does not fit", before, profile_setting[i], p->value[i]);
            before = ", ";
            continue;
        }
        settings_note(f, p->value[i], path);
        if (out)
            fprintf(out, "%s%s %s%s", before, profile_setting[i], p->value[i],
                    i == PROFILE_KV ? ", which changes answers, as tune was asked to" : "");
        before = ", ";
    }
    if (out)
        fprintf(out, "%s; --no-profile ignores it\n", *before == ':' ? ": nothing is set otherwise" : "");
}

int profile_sets(const struct profile *p)
{
    int n = 0;
    for (int i = 0; i < PROFILE_SETTINGS; i++)
        n += *p->value[i] != 0;
    return n > 0;
}

/* note: nothing is set but for being shown. */
static void take(const char *model, struct stoker_options *o, int note)
{
    static struct profile p; /* its texts are the options' */
    struct profile_key k;
    struct stoker_error err;
    char path[PATH_MAX];
    if (!settings_of_user() || strcmp(model, "-") == 0 || user_path_of(path, USER_CONFIG, "profiles") ||
        access(path, F_OK) != 0 || profile_key(&k, model, o->memory, &err))
        return;
    if (find(&p, path, &k) > 0 && profile_sets(&p))
        apply(&p, path, model, o, note ? NULL : stderr);
}

void profile_take(const char *model, struct stoker_options *o) { take(model, o, 0); }

void profile_note(const char *model)
{
    struct stoker_options o = {0};
    struct flag_table t = model_flags(&o);
    for (size_t i = 0; i < t.n; i++) {
        const struct flag *f = &t.flag[i];
        const char *value = settings_noted(f->name);
        char first[16];
        if (value && f->kind == FLAG_INT) { /* of bench's lists */
            snprintf(first, sizeof first, "%.*s", (int)strcspn(value, ",-+*"), value);
            value = first;
        } else if (value && f->to == &o.reader && !is_reader(value)) { /* -dio */
            value = strcmp(value, "0") == 0 ? "buffered" : "uring";
        }
        if (value && f->kind != FLAG_SWITCH)
            flag_set(f, value);
    }
    const char *off = settings_noted("--no-profile");
    if (!off || strcmp(off, "off") == 0 || strcmp(off, "false") == 0)
        take(model, &o, 1);
}

/* ---- writing ---------------------------------------------------------------------------------------------------------------- */

static void print_text(FILE *f, const char *name, const char *text)
{
    char quoted[1024];
    toml_quote(quoted, sizeof quoted, text);
    fprintf(f, "%s = %s\n", name, quoted);
}

static void print_profile(FILE *f, const struct profile_key *k, const struct profile *p, const char *note)
{
    fprintf(f, "# what stoker tune found; run, serve and bench take it by themselves\n%s[profile]\nversion = %d\n",
            note, PROFILE_VERSION);
    print_text(f, "model", k->model);
    print_text(f, "machine", k->machine);
    print_text(f, "memory", k->memory);
    fprintf(f, "pairs = %d\ntokens = %d\nvalues = %d\n", p->basis.pairs, p->basis.tokens, p->basis.values);
    fprintf(f, "[settings]\n");
    for (int i = 0; i < PROFILE_KV; i++)
        if (*p->value[i] && i == PROFILE_READER)
            print_text(f, profile_setting[i], p->value[i]);
        else if (*p->value[i])
            fprintf(f, "%s = %s\n", profile_setting[i], p->value[i]);
    if (*p->value[PROFILE_KV]) {
        fprintf(f, "# changes answers: stoker tune --try-kv asked for it\n[asked]\n");
        print_text(f, profile_setting[PROFILE_KV], p->value[PROFILE_KV]);
    }
    fprintf(f, "[end]\nwhole = true\n");
}

int profile_find(struct profile *out, char path[PATH_MAX], const struct profile_key *key)
{
    char folder[PATH_MAX];
    int found = find(out, path, key);
    if (found < 0 || user_path(folder, USER_CONFIG, "profiles/x")) {
        fprintf(stderr, "stoker: there is no place for a profile: set HOME or XDG_CONFIG_HOME, and remove profiles "
                        "that are damaged\n");
        return -1;
    }
    if (!found) /* of one that is left alone there may be something in it */
        *out = (struct profile){0};
    return found;
}

enum { PART_PATH = PATH_MAX + 8 };

/* A file beside it, which takes its place when it is whole. */
static int open_part(char part[PART_PATH], const char *path)
{
    snprintf(part, PART_PATH, "%s.XXXXXX", path);
    return mkstemp(part);
}

static int cannot_write(const char *path, int why)
{
    fprintf(stderr, "stoker: profile %s cannot be written: %s\n", path, strerror(why));
    return -1;
}

int profile_try_write(const char *path)
{
    char part[PART_PATH];
    int fd = open_part(part, path);
    if (fd < 0)
        return cannot_write(path, errno);
    close(fd);
    unlink(part);
    return 0;
}

int profile_write(const char *path, const struct profile_key *key, const struct profile *p, const char *note)
{
    char part[PART_PATH];
    int fd = open_part(part, path);
    FILE *f = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (f)
        print_profile(f, key, p, note);
    int failed = !f || fflush(f) || ferror(f) || fsync(fd) || rename(part, path), why = errno;
    if (f)
        fclose(f);
    if (failed && fd >= 0)
        unlink(part);
    return failed ? cannot_write(path, why) : 0;
}
