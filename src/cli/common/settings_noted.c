/* What holds: flags that were noted with where each came from, as TOML, as JSON, as words of another process. See settings.h. */
#include "cli/common/settings.h"

#include "base/toml/toml.h"
#include "base/utf8.h"
#include "cli/common/flag_value.h"

#include <stdlib.h>
#include <string.h>

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

int settings_is_typed(const char *name)
{
    for (size_t i = 0; i < n_noted; i++)
        if (strcmp(noted[i].flag.name, name) == 0 && !noted[i].where)
            return 1;
    return 0;
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
    unsigned types = flag_toml_types(&w->flag);
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
        fprintf(f, "# %s is not %s # %s\n", flag_bare(flag_long_name(&w->flag)),
                w->flag.is_secret ? "shown" : "UTF-8, as TOML must be, and is left out", where_of(w));
        return;
    }
    fprintf(f, "%s = ", flag_bare(flag_long_name(&w->flag)));
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

json_t *settings_json(void)
{
    json_t *o = json_object();
    for (size_t i = 0; i < n_noted && o; i++) {
        const char *name = flag_bare(flag_long_name(&noted[i].flag));
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
    const char *name = flag_long_name(&w->flag);
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
