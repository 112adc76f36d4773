/* Reading settings, from files and the environment: see settings.h. What holds in the end: settings_noted.c. */
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

/* 1: key is the flag's name, with "_" for "-" or in capitals where a variable has them. */
static int is_named(const char *name, const char *key)
{
    if (!name)
        return 0;
    for (name = flag_bare(name); *name && *key; name++, key++)
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
            suggest_try(s, flag_bare(c->flag[i].name));
            suggest_try(s, c->flag[i].other ? flag_bare(c->flag[i].other) : NULL);
        }
    for (size_t i = 0; i < foreign_flags_n; i++) {
        const struct foreign_flag *o = &foreign_flags[i];
        const struct flag *same = o->same ? find_flag(c, flag_bare(o->same)) : NULL;
        size_t length;
        for (const char *at = o->names; same && (length = strcspn(at, "|")) > 0; at += length + (at[length] == '|')) {
            size_t dashes = strspn(at, "-");
            suggest_name(s, at + dashes, length - dashes, flag_bare(flag_long_name(same)));
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

static int refuse_type(const struct file *f, const struct toml_entry *e, const struct command *c,
                       const struct flag *flag)
{
    const char *before = "";
    complain(f, e);
    fprintf(stderr, "%s of stoker %s: ", e->key, c->name);
    for (int t = TOML_STRING; t <= TOML_STRINGS; t++)
        if (flag_toml_types(flag) & 1u << t) {
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
    if (!(flag_toml_types(flag) & 1u << e->type))
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
    size_t n = (size_t)snprintf(out, cap, "%s%s%s%s", prefix, command, *command ? "_" : "", flag_bare(name));
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

void settings_print_files(FILE *f)
{
    static const char *const what[] = {"the user's", "of --config"};
    for (int i = 0; i < FILES; i++)
        if (*files[i].path)
            fprintf(f, "# %s file: %s%s\n", what[i], files[i].shown, files[i].is_there ? "" : " (there is none)");
}
