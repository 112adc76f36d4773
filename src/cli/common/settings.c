/* See settings.h. */
#include "cli/common/settings.h"

#include "base/error.h"
#include "base/file.h"
#include "base/toml/toml.h"
#include "base/utf8.h"
#include "cli/common/cli.h"
#include "cli/common/flag_value.h"
#include "cli/common/foreign_flags.h"
#include "cli/common/suggest.h"
#include "cli/common/user_folder.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

extern char **environ;

enum { COMMANDS_MOST = 32, NAME_MOST = 64, FILES = 2, LOADS = 2 };

/* ---- commands and their flags ----------------------------------------------------------------------------------------------- */

static struct command {
    char name[16];
    struct flag *flag; /* [n] */
    size_t n;
} commands[COMMANDS_MOST];
static size_t n_command;

void settings_know(const char *command, const struct flag_table *table, size_t n_table)
{
    size_t n = 0;
    for (size_t i = 0; i < n_table; i++)
        n += table[i].n;
    struct flag *flag = calloc(n + 1, sizeof *flag);
    if (!flag || n_command == COMMANDS_MOST) {
        free(flag);
        return;
    }
    struct command *c = &commands[n_command++];
    snprintf(c->name, sizeof c->name, "%s", command);
    c->flag = flag;
    for (size_t i = 0; i < n_table; i++)
        for (size_t k = 0; k < table[i].n; k++)
            flag[c->n++] = table[i].flag[k];
}

/* "eval ppl" is of eval. */
static const struct command *find_command(const char *name)
{
    size_t n = strcspn(name, " ");
    for (size_t i = 0; i < n_command; i++)
        if (strlen(commands[i].name) == n && memcmp(commands[i].name, name, n) == 0)
            return &commands[i];
    return NULL;
}

int settings_know_of(const char *command) { return find_command(command) != NULL; }

/* "--max-tokens" without dashes. */
static const char *bare(const char *name) { return name + strspn(name, "-"); }

/* 1: key is the flag's name, with "_" for "-" or in capitals where a variable has them. */
static int is_named(const char *name, const char *key)
{
    if (!name)
        return 0;
    for (name = bare(name); *name && *key; name++, key++)
        if (*name != *key && !(*name == '-' && *key == '_'))
            return 0;
    return *name == *key;
}

static int is_key(const struct flag *f, const char *key) { return is_named(f->name, key) || is_named(f->other, key); }

static const struct flag *find_flag(const struct command *c, const char *key)
{
    for (size_t i = 0; i < c->n; i++)
        if (is_key(&c->flag[i], key))
            return &c->flag[i];
    return NULL;
}

/* The name that is shown: with two dashes, where there is one. */
static const char *long_name(const struct flag *f) { return f->name[1] != '-' && f->other ? f->other : f->name; }

/* Those that say where settings are. */
static int is_about_settings(const struct flag *f)
{
    return strcmp(f->name, "--config") == 0 || strcmp(f->name, "--no-config") == 0;
}

/* ---- files ------------------------------------------------------------------------------------------------------------------ */

/* The least first. What was noted of a load points into it, so the next one has files of its own. */
static struct file {
    char path[PATH_MAX], shown[PATH_MAX]; /* shown: fit for a line of a terminal, and for a comment of TOML */
    struct toml toml;
    int is_there;
} loads[LOADS][FILES], *files = loads[0];
static int is_loaded, has_environment;

static int complain(const struct file *f, const struct toml_entry *e)
{
    fprintf(stderr, "stoker: %s:%d:%d: ", f->shown, e->line, e->column);
    return 2;
}

/* A name of a command that c has and of which suggestions come; c NULL: of all. */
static void suggest_keys(struct suggestion *s, const struct command *c)
{
    for (size_t i = 0; i < c->n; i++)
        if (!is_about_settings(&c->flag[i])) {
            suggest_try(s, bare(c->flag[i].name));
            suggest_try(s, c->flag[i].other ? bare(c->flag[i].other) : NULL);
        }
    for (size_t i = 0; i < foreign_flags_n; i++) {
        const struct foreign_flag *o = &foreign_flags[i];
        const struct flag *same = o->same ? find_flag(c, bare(o->same)) : NULL;
        size_t length;
        for (const char *at = o->names; same && (length = strcspn(at, "|")) > 0; at += length + (at[length] == '|')) {
            size_t dashes = strspn(at, "-");
            suggest_name(s, at + dashes, length - dashes, bare(long_name(same)));
        }
    }
}

static int refuse_unknown(const struct file *f, const struct toml_entry *e, const struct command *c)
{
    struct suggestion s;
    const struct command *other = NULL;
    suggest_begin(&s, e->key, strlen(e->key));
    for (size_t i = 0; i < n_command; i++) {
        if (!c || c == &commands[i])
            suggest_keys(&s, &commands[i]);
        if (!other && find_flag(&commands[i], e->key))
            other = &commands[i];
    }
    complain(f, e);
    fprintf(stderr, "%s is no setting of ", show_text(e->key, strlen(e->key)));
    if (c)
        fprintf(stderr, "[%s]", c->name);
    else
        fprintf(stderr, "any command");
    if (other)
        fprintf(stderr, ", but one of [%s]\n", other->name);
    else if (s.word)
        fprintf(stderr, "; did you mean %s?\n", s.word);
    else
        fprintf(stderr, "; stoker %s --help names them\n", c ? c->name : "COMMAND");
    return 2;
}

static int check_table(const struct file *f, const struct toml_entry *e)
{
    struct suggestion s;
    if (find_command(e->table))
        return 0;
    suggest_begin(&s, e->table, strlen(e->table));
    for (size_t i = 0; i < n_command; i++)
        suggest_try(&s, commands[i].name);
    complain(f, e);
    fprintf(stderr, "[%s] is no command that has flags; ", show_text(e->table, strlen(e->table)));
    if (s.word)
        fprintf(stderr, "did you mean [%s]?\n", s.word);
    else
        fprintf(stderr, "tables are [run], [serve], [bench] and others\n");
    return 2;
}

/* Which types of TOML a flag takes, as bits. */
static unsigned types_of(const struct flag *f)
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

static int refuse_type(const struct file *f, const struct toml_entry *e, const struct command *c,
                       const struct flag *flag)
{
    const char *before = "";
    complain(f, e);
    fprintf(stderr, "%s of stoker %s: ", e->key, c->name);
    for (int t = TOML_STRING; t <= TOML_STRINGS; t++)
        if (types_of(flag) & 1u << t) {
            fprintf(stderr, "%s%s", before,
                    t == TOML_STRINGS ? "an array of strings" : toml_type_name((enum toml_type)t));
            before = " or ";
        }
    fprintf(stderr, " is expected, not %s\n", toml_type_name(e->type));
    return 2;
}

static int check_value(const struct file *f, const struct toml_entry *e, const struct command *c,
                       const struct flag *flag)
{
    const char *const *text = f->toml.text + e->first;
    char possible[200];
    if (!(types_of(flag) & 1u << e->type))
        return refuse_type(f, e, c, flag);
    if (flag_can_be(flag, text, e->n))
        return 0;
    complain(f, e);
    fprintf(stderr, "%s = %s of stoker %s: %s\n", e->key, e->n ? show_text(text[0], strlen(text[0])) : "[]", c->name,
            flag_possible(flag, possible, sizeof possible));
    return 2;
}

/* The same flag by its other name, or with "_" for "-". */
static int check_twice(const struct file *f, size_t i, const struct flag *flag)
{
    const struct toml_entry *e = f->toml.entry;
    for (size_t k = 0; k < i; k++)
        if (e[k].key && strcmp(e[k].table, e[i].table) == 0 && is_key(flag, e[k].key)) {
            complain(f, &e[i]);
            fprintf(stderr, "%s is given twice, first as %s in line %d\n", e[i].key, e[k].key, e[k].line);
            return 2;
        }
    return 0;
}

/* A key before the first table must be possible for all commands that have it. */
static int check_entry(const struct file *f, size_t i)
{
    const struct toml_entry *e = &f->toml.entry[i];
    const struct command *mine = *e->table ? find_command(e->table) : NULL;
    int status = e->type == TOML_TABLE ? check_table(f, e) : 0, found = 0;
    for (size_t k = 0; k < n_command && e->key && !status; k++) {
        const struct flag *flag = !mine || mine == &commands[k] ? find_flag(&commands[k], e->key) : NULL;
        if (!flag)
            continue;
        found = 1;
        if (is_about_settings(flag)) {
            complain(f, e);
            fprintf(stderr, "%s stands on the command line only\n", e->key);
            return 2;
        }
        if ((status = check_value(f, e, &commands[k], flag)) == 0)
            status = check_twice(f, i, flag);
    }
    return status || !e->key || found ? status : refuse_unknown(f, e, mine);
}

static void name_file(struct file *f, const char *path)
{
    snprintf(f->path, sizeof f->path, "%s", path);
    snprintf(f->shown, sizeof f->shown, "%s", path);
    utf8_make_plain(f->shown);
}

/* Of a file that every command reads. 1: it is there; 0: not, or is a link to /dev/null, or it may not be looked at; -1 after a sentence:
 * reading it could wait for ever. */
static int is_user_file(const struct file *f)
{
    struct stat st;
    if (stat(f->path, &st) == 0) {
        if (S_ISCHR(st.st_mode))
            return 0;
        if (!S_ISREG(st.st_mode))
            fprintf(stderr, "stoker: %s: not a regular file; remove it, or give --no-config\n", f->shown);
        return S_ISREG(st.st_mode) ? 1 : -1;
    }
    if (errno != ENOENT && errno != ENOTDIR) /* a service may have a home that it cannot enter */
        fprintf(stderr, "stoker: warning: %s is not read: %s\n", f->shown, strerror(errno));
    return 0;
}

static int load_file(struct file *f)
{
    struct error err = {0};
    size_t n;
    char *text = file_read(f->path, TOML_BYTES_MOST, &n, &err);
    int unreadable = !text, failed = unreadable || toml_read(&f->toml, text, n, &err), status = 0;
    free(text);
    if (failed) {
        if (unreadable)
            fprintf(stderr, "stoker: %s\n", err.text);
        else
            fprintf(stderr, "stoker: %s:%s\n", f->shown, err.text);
        return unreadable && err.code == ERR_IO ? 1 : 2;
    }
    f->is_there = 1;
    for (size_t i = 0; i < f->toml.n && status == 0; i++)
        status = check_entry(f, i);
    return status;
}

/* ---- the environment -------------------------------------------------------------------------------------------------------- */

static const char prefix[] = "STOKER_";

/* "MAX_TOKENS" is max-tokens: with small letters, in out. */
static const char *as_key(char out[NAME_MOST], const char *variable, size_t n)
{
    snprintf(out, NAME_MOST, "%.*s", (int)(n < NAME_MOST ? n : NAME_MOST - 1), variable);
    for (char *c = out; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    return out;
}

/* What of a variable's name, behind STOKER_, is the command's: RUN_MEMORY is of run. NULL: nothing. */
static const char *behind_command(const struct command *c, const char *key)
{
    size_t n = strlen(c->name);
    return strncmp(key, c->name, n) == 0 && key[n] == '_' ? key + n + 1 : NULL;
}

/* 1: some command has it. STOKER_FLAGS is of the unit of systemd. */
static int is_known_variable(const char *key)
{
    int known = strcmp(key, "flags") == 0;
    for (size_t i = 0; i < n_command && !known; i++) {
        const char *own = behind_command(&commands[i], key);
        known = find_flag(&commands[i], key) || (own && find_flag(&commands[i], own));
    }
    return known;
}

/* "stoker_memory", "STOKER_MAX-TOKENS": a flag's, but written otherwise. 1: a line was said of it. */
static int is_written_otherwise(const char *v, size_t n)
{
    char key[NAME_MOST];
    size_t length = sizeof prefix - 1, plain = 0;
    if (n <= length || v[n] == 0 || v[n + 1] == 0 || strncasecmp(v, prefix, length - 1) != 0 ||
        !strchr("_-", v[length - 1]))
        return 0;
    while (plain < n && v[plain] != '-' && v[plain] == toupper((unsigned char)v[plain]))
        plain++;
    as_key(key, v + length, n - length);
    for (char *c = key; *c; c++)
        *c = *c == '-' ? '_' : *c;
    if (plain == n || !is_known_variable(key))
        return 0;
    for (char *c = key; *c; c++)
        *c = (char)toupper((unsigned char)*c);
    fprintf(stderr, "stoker: warning: %s of the environment does nothing: names are in capitals with _, %s%s\n",
            show_text(v, n), prefix, key);
    return 1;
}

/* Some program may have put it there for another reason: a line, and no end. */
static void check_environment(void)
{
    for (char **v = environ; *v; v++) {
        char key[NAME_MOST], word[NAME_MOST];
        size_t n = strcspn(*v, "=");
        struct suggestion s;
        if (is_written_otherwise(*v, n) || strncmp(*v, prefix, sizeof prefix - 1) != 0 || (*v)[n] == 0 ||
            (*v)[n + 1] == 0 || is_known_variable(as_key(key, *v + sizeof prefix - 1, n - (sizeof prefix - 1))))
            continue;
        for (char *c = key; *c; c++)
            *c = *c == '_' ? '-' : *c;
        suggest_begin(&s, key, strlen(key));
        for (size_t i = 0; i < n_command; i++)
            suggest_keys(&s, &commands[i]);
        snprintf(word, sizeof word, "%s", s.word ? s.word : "");
        for (char *c = word; *c; c++)
            *c = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
        fprintf(stderr, "stoker: warning: %s of the environment is no flag of any command, and does nothing",
                show_text(*v, n));
        if (*word)
            fprintf(stderr, "; did you mean %s%s?", prefix, word);
        fputc('\n', stderr);
    }
}

/* The value of a variable that is set and not empty; NULL: there is none. It is named in out [cap]. */
static const char *variable(char *out, size_t cap, const char *command, const char *name)
{
    size_t n = (size_t)snprintf(out, cap, "%s%s%s%s", prefix, command, *command ? "_" : "", bare(name));
    for (char *c = out; *c; c++)
        *c = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
    const char *value = n < cap ? getenv(out) : NULL;
    return value && *value ? value : NULL;
}

static int find_variable(struct setting *out, const struct command *c, const struct flag *f)
{
    static const char *text[1];
    const char *const of[] = {c->name, c->name, "", ""}, *const names[] = {f->name, f->other, f->name, f->other};
    const char *value = NULL;
    size_t i = 0;
    for (; i < 4 && !value; i++)
        if (names[i])
            value = variable(out->where, sizeof out->where, of[i], names[i]);
    if (!value)
        return 0;
    out->rank = 2 * FILES + (i <= 2);
    int is_switch = f->kind == FLAG_SWITCH || f->kind == FLAG_DETAIL || f->kind == FLAG_ON_OFF;
    text[0] = is_switch && strcmp(value, "1") == 0 ? "on" : is_switch && strcmp(value, "0") == 0 ? "off" : value;
    out->text = text;
    out->n = 1;
    out->is_variable = 1;
    return 1;
}

/* ---- all of them ------------------------------------------------------------------------------------------------------------ */

static int is_on(const char *value)
{
    return value && strcmp(value, "0") != 0 && strcmp(value, "off") != 0 && strcmp(value, "false") != 0;
}

int settings_load(const char *file, int flags_alone)
{
    char name[NAME_MOST], path[PATH_MAX];
    int status = 0;
    if (is_loaded)
        return 0;
    is_loaded = 1;
    has_environment = !flags_alone && !is_on(variable(name, sizeof name, "", "no-config"));
    if (has_environment) {
        if (files == loads[0])
            check_environment();
        if (!file)
            file = variable(name, sizeof name, "", "config");
        if (user_path_of(path, USER_CONFIG, "stoker.toml") == 0) {
            name_file(&files[0], path);
            int is = is_user_file(&files[0]);
            status = is < 0 ? 1 : is ? load_file(&files[0]) : 0;
        }
    }
    if (status == 0 && file) {
        if (strlen(file) >= PATH_MAX) {
            fprintf(stderr, "stoker: --config: the path is too long\n");
            return 2;
        }
        name_file(&files[1], file);
        status = load_file(&files[1]);
    }
    return status;
}

void settings_read_anew(void)
{
    files = loads[LOADS - 1];
    is_loaded = 0;
}

int settings_of_user(void) { return has_environment; }

static int find_in_file(struct setting *out, const struct file *file, const char *table, const struct flag *f)
{
    for (size_t i = 0; i < file->toml.n; i++) {
        const struct toml_entry *e = &file->toml.entry[i];
        if (!e->key || strcmp(e->table, table) != 0 || !is_key(f, e->key))
            continue;
        *out = (struct setting){.text = file->toml.text + e->first, .n = e->n};
        snprintf(out->where, sizeof out->where, "%s:%d", file->shown, e->line);
        return 1;
    }
    return 0;
}

int settings_find(struct setting *out, const char *command, const struct flag *flag)
{
    const struct command *c = find_command(command);
    struct flag own_names = *flag, *f = &own_names;
    for (size_t i = 0; c && i < c->n && f->other; i++) /* -t of bench is another flag than --threads, -t */
        if (strcmp(c->flag[i].name, f->other) == 0)
            f->other = NULL;
    *out = (struct setting){0};
    if (!c || is_about_settings(f))
        return 0;
    if (has_environment && find_variable(out, c, f))
        return 1;
    for (int i = FILES - 1; i >= 0; i--)
        for (int own = 1; own >= 0; own--)
            if (find_in_file(out, &files[i], own ? c->name : "", f)) {
                out->rank = 2 * i + own;
                return 1;
            }
    return 0;
}

/* ---- what holds ------------------------------------------------------------------------------------------------------------- */

static struct noted {
    struct flag flag; /* its names and kind */
    const char *value;
    char *where; /* NULL: the command line */
} * noted;
static size_t n_noted, cap_noted;

void settings_forget(void)
{
    for (size_t i = 0; i < n_noted; i++)
        free(noted[i].where);
    n_noted = 0;
}

void settings_note(const struct flag *f, const char *value, const char *where)
{
    size_t i = n_noted;
    if (f->kind != FLAG_TEXTS)
        for (i = 0; i < n_noted && strcmp(noted[i].flag.name, f->name) != 0;)
            i++;
    if (i == cap_noted) {
        size_t cap = cap_noted ? 2 * cap_noted : 32;
        struct noted *grown = realloc(noted, cap * sizeof *noted);
        if (!grown)
            return;
        noted = grown;
        cap_noted = cap;
    }
    if (i < n_noted)
        free(noted[i].where);
    noted[i] = (struct noted){*f, value, strcmp(where, "flag") == 0 ? NULL : strdup(where)};
    if (noted[i].where)
        utf8_make_plain(noted[i].where); /* a profile's path */
    n_noted += i == n_noted;
}

const char *settings_noted(const char *name)
{
    for (size_t i = 0; i < n_noted; i++)
        if (strcmp(noted[i].flag.name, name) == 0 ||
            (noted[i].flag.same_as && strcmp(noted[i].flag.same_as, name) == 0))
            return noted[i].value;
    return NULL;
}

static const char *where_of(const struct noted *w) { return w->where ? w->where : "flag"; }

/* A switch that is off is as if it were not there. */
static int is_switch(const struct noted *w) { return w->flag.kind == FLAG_SWITCH || w->flag.kind == FLAG_DETAIL; }
static int is_off(const struct noted *w)
{
    return is_switch(w) && (strcmp(w->value, "off") == 0 || strcmp(w->value, "false") == 0);
}
static int is_full(const struct noted *w) { return w->flag.kind == FLAG_DETAIL && strcmp(w->value, "full") == 0; }

/* 1: a number as TOML has it, which has no zeros before it. */
static int is_number(const char *text)
{
    size_t sign = *text == '-', n = sign + strspn(text + sign, "0123456789");
    return n > sign && text[n] == 0 && (text[sign] != '0' || n == sign + 1);
}

static void print_quoted(FILE *f, const char *text)
{
    size_t n = toml_quote(NULL, 0, text) + 1;
    char *quoted = malloc(n);
    if (quoted) {
        toml_quote(quoted, n, text);
        fputs(quoted, f);
    }
    free(quoted);
}

/* With as many digits as it takes. */
static void print_real(FILE *f, double x)
{
    char text[32];
    snprintf(text, sizeof text, "%.15g", x);
    fprintf(f, strtod(text, NULL) == x ? "%.15g" : "%.17g", x);
}

/* As TOML that is read back as the same. */
static void print_value(FILE *f, const struct noted *w)
{
    unsigned types = types_of(&w->flag);
    if (is_switch(w) && !is_full(w))
        fputs(is_off(w) ? "false" : "true", f);
    else if (types & 1u << TOML_INTEGER && is_number(w->value))
        fputs(w->value, f);
    else if (types & 1u << TOML_STRING)
        print_quoted(f, w->value);
    else
        print_real(f, strtod(w->value, NULL));
}

/* 1: an earlier one is of the same flag, and printed this one too. */
static int is_printed(size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (strcmp(noted[k].flag.name, noted[i].flag.name) == 0)
            return 1;
    return 0;
}

/* 1: all values of the flag are texts that a file can hold. */
static int is_utf8(const struct noted *of)
{
    int all = 1;
    for (size_t i = 0; i < n_noted; i++)
        if (strcmp(noted[i].flag.name, of->flag.name) == 0)
            all &= utf8_valid(noted[i].value, strlen(noted[i].value)) == strlen(noted[i].value);
    return all;
}

static void print_one(FILE *f, size_t i)
{
    const struct noted *w = &noted[i];
    if (w->flag.is_secret || !is_utf8(w)) {
        fprintf(f, "# %s is not %s # %s\n", bare(long_name(&w->flag)),
                w->flag.is_secret ? "shown" : "UTF-8, as TOML must be, and is left out", where_of(w));
        return;
    }
    fprintf(f, "%s = ", bare(long_name(&w->flag)));
    if (w->flag.kind != FLAG_TEXTS) {
        print_value(f, w);
    } else {
        const char *before = "[";
        for (size_t k = i; k < n_noted; k++)
            if (strcmp(noted[k].flag.name, w->flag.name) == 0) {
                fputs(before, f);
                print_value(f, &noted[k]);
                before = ", ";
            }
        fputs("]", f);
    }
    fprintf(f, " # %s\n", where_of(w));
}

void settings_print(FILE *f, const char *command)
{
    if (n_noted == 0)
        return;
    fprintf(f, "[%.*s]\n", (int)strcspn(command, " "), command);
    for (size_t i = 0; i < n_noted; i++)
        if (!is_printed(i))
            print_one(f, i);
}

void settings_print_files(FILE *f)
{
    static const char *const what[] = {"the user's", "of --config"};
    for (int i = 0; i < FILES; i++)
        if (*files[i].path)
            fprintf(f, "# %s file: %s%s\n", what[i], files[i].shown, files[i].is_there ? "" : " (there is none)");
}

json_t *settings_json(void)
{
    json_t *o = json_object();
    for (size_t i = 0; i < n_noted && o; i++) {
        const char *name = bare(long_name(&noted[i].flag));
        json_t *list = json_object_get(json_object_get(o, name), "value"),
               *value = noted[i].flag.is_secret                       ? json_null()
                        : is_switch(&noted[i]) && !is_full(&noted[i]) ? json_boolean(!is_off(&noted[i]))
                                                                      : json_string(noted[i].value);
        if (!value) /* not UTF-8 */
            value = json_null();
        if (list)
            json_array_append_new(list, value);
        else
            json_object_set_new(o, name,
                                json_pack(noted[i].flag.kind == FLAG_TEXTS ? "{s:[o], s:s}" : "{s:o, s:s}", "value",
                                          value, "from", where_of(&noted[i])));
    }
    return o;
}

/* One word or two of a noted flag at word; returns how many. */
static int as_words(char **word, const struct noted *w)
{
    const char *name = long_name(&w->flag);
    int is_long = name[1] == '-', has_value = !is_switch(w) || is_full(w);
    if (is_off(w))
        return 0;
    size_t n = strlen(name) + strlen(w->value) + 2;
    word[0] = malloc(n);
    if (!word[0])
        return -1;
    snprintf(word[0], n, "%s%s%s", name, has_value && is_long ? "=" : "", has_value && is_long ? w->value : "");
    if (!has_value || is_long)
        return 1;
    word[1] = strdup(w->value);
    return word[1] ? 2 : -1;
}

char **settings_as_words(char **argv, int *n)
{
    int n_word = 1;
    char **word = calloc(2 * n_noted + (size_t)*n + 1, sizeof *word);
    if (!word)
        return NULL;
    word[0] = argv[0];
    for (size_t i = 0; i < n_noted; i++) {
        int more = noted[i].where ? as_words(word + n_word, &noted[i]) : 0;
        if (more < 0)
            return NULL;
        n_word += more;
    }
    memcpy(word + n_word, argv + 1, (size_t)*n * sizeof *argv); /* with the NULL behind them */
    *n += n_word - 1;
    return word;
}
