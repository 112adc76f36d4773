/* See rules.h. Patterns are PCRE2, searched in the name, with bounds on their work: whoever writes a recipe may not stop a run. */
#include "quant/rules.h"

#include "base/error.h"
#include "base/file.h"
#include "quant/encode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

/* Steps of a match: most take few, of which a part is counted over all; more are tried where those do not suffice, and counted whole. */
enum { WORK_FEW = 100, WORK_PART = 10, WORK_MOST = 102400, WORK_ALL = 300000000 };
enum { FILE_MOST = 1 << 20, RULES_MOST = 4096, DEPTH_MOST = 2000, HEAP_KIB = 4096 };

int rule_type(const char *name)
{
    if (strcasecmp(name, "keep") == 0)
        return QUANT_KEEP;
    int t = type_by_name(name);
    return t >= 0 && type_info((uint32_t)t)->decode ? t : -1;
}

/* blk.A-B. at the beginning of a pattern; returns what stands behind it. */
static const char *take_layers(const char *pattern, struct rule *r)
{
    char first[7], last[7];
    int end = 0;
    r->first = -1;
    if (sscanf(pattern, "blk.%6[0-9]-%6[0-9].%n", first, last, &end) != 2 || end == 0)
        return pattern;
    r->first = atoi(first);
    r->last = atoi(last);
    return pattern + end;
}

/* The pattern is the first n bytes of the rule. */
static int compile(struct rule *r, size_t n, struct error *err)
{
    int code;
    size_t at;
    const char *rest = take_layers(r->text, r);
    uint32_t flags = r->first >= 0 ? PCRE2_ANCHORED : 0;
    r->code = pcre2_compile((PCRE2_SPTR)rest, n - (size_t)(rest - r->text), flags | PCRE2_NEVER_BACKSLASH_C, &code, &at,
                            NULL);
    if (r->code)
        return 0;
    char why[120] = "";
    pcre2_get_error_message(code, (PCRE2_UCHAR *)why, sizeof why);
    return error_set(err, ERR_INPUT, "%s: %.100s: the pattern is wrong at character %zu: %s", r->where, r->text, at + 1,
                     why);
}

/* One rule; text is the arena's. */
static int add(struct rules *r, char *text, const char *where, int *base, struct error *err)
{
    char *equals = strrchr(text, '=');
    if (!equals)
        return error_set(err, ERR_INPUT, "%s: %.100s: a rule is PATTERN=TYPE", where, text);
    int type = rule_type(equals + 1);
    if (type < 0)
        return error_set(err, ERR_INPUT, "%s: %.100s: no type of this name that can be written", where, text);
    if (equals == text) {
        *base = *base < 0 ? type : *base;
        return 0;
    }
    if (r->n == RULES_MOST)
        return error_set(err, ERR_INPUT, "%s: more than %d rules", where, RULES_MOST);
    struct rule *rule = &r->rule[r->n++];
    *rule = (struct rule){.text = text, .where = where, .type = type};
    return compile(rule, (size_t)(equals - text), err);
}

/* Without spaces around it, in the arena. */
static char *trimmed(struct arena *arena, const char *text, size_t n)
{
    for (; n && strchr(" \t\r", *text); n--)
        text++;
    while (n && strchr(" \t\r", text[n - 1]))
        n--;
    return arena_copy(arena, text, n);
}

static int read_file(struct rules *r, const char *path, struct arena *arena, struct error *err)
{
    size_t n;
    char *text = file_read_regular(path, FILE_MOST, &n, err);
    int status = text ? 0 : -1, line = 1;
    if (text && strlen(text) != n)
        status = error_set(err, ERR_INPUT, "%s: no text: it holds a NUL", path);
    for (char *at = text; status == 0 && at && *at; line++) {
        size_t length = strcspn(at, "\n");
        char where[300];
        snprintf(where, sizeof where, "%.280s:%d", path, line);
        char *rule = trimmed(arena, at, length), *kept = arena_copy(arena, where, strlen(where));
        if (!rule || !kept)
            status = error_set(err, ERR_MEMORY, "%s: no memory for its rules", path);
        else if (*rule && *rule != '#')
            status = add(r, rule, kept, &r->file_base, err);
        at += length + (at[length] == '\n');
    }
    free(text);
    return status;
}

int rules_read(struct rules *r, const struct quant_options *o, struct arena *arena, struct error *err)
{
    pcre2_match_context *limits = pcre2_match_context_create(NULL);
    *r = (struct rules){.flag_base = -1, .file_base = -1, .limits = limits};
    r->rule = arena_array(arena, RULES_MOST, sizeof *r->rule);
    r->match = pcre2_match_data_create(1, NULL);
    if (!limits || !r->match || !r->rule)
        return error_set(err, ERR_MEMORY, "no memory for rules");
    pcre2_set_depth_limit(limits, DEPTH_MOST);
    pcre2_set_heap_limit(limits, HEAP_KIB);
    for (int i = 0; i < o->n_rule; i++) {
        char *text = trimmed(arena, o->rule[i], strlen(o->rule[i]));
        if (!text)
            return error_set(err, ERR_MEMORY, "no memory for rules");
        if (add(r, text, "--rule", &r->flag_base, err))
            return -1;
    }
    return o->recipe ? read_file(r, o->recipe, arena, err) : 0;
}

void rules_end(struct rules *r)
{
    for (int i = 0; i < r->n; i++)
        pcre2_code_free(r->rule[i].code);
    pcre2_match_data_free(r->match);
    pcre2_match_context_free(r->limits);
    r->n = 0;
    r->match = r->limits = NULL;
}

/* pcre2_match() with more and more steps, as long as those of all matches suffice. */
static int match(struct rules *r, const struct rule *rule, const char *name)
{
    int rc = PCRE2_ERROR_MATCHLIMIT;
    for (uint32_t most = WORK_FEW; rc == PCRE2_ERROR_MATCHLIMIT && most <= WORK_MOST; most *= 4) {
        r->work += most > WORK_FEW ? most : WORK_PART;
        if (r->work > WORK_ALL)
            break;
        pcre2_set_match_limit(r->limits, most);
        rc = pcre2_match(rule->code, (PCRE2_SPTR)name, PCRE2_ZERO_TERMINATED, 0, 0, r->match, r->limits);
    }
    return rc;
}

int rule_matches(struct rules *r, const struct rule *rule, const char *name, int *matches, struct error *err)
{
    const char *rest = name;
    int layer = rule->first >= 0 ? gguf_layer_of(name, &rest) : 0;
    *matches = 0;
    if (rule->first >= 0 && (layer < rule->first || layer > rule->last))
        return 0;
    int rc = match(r, rule, rest);
    if (rc >= 0)
        *matches = 1;
    if (rc >= 0 || rc == PCRE2_ERROR_NOMATCH)
        return 0;
    if (r->work > WORK_ALL)
        return error_set(err, ERR_INPUT,
                         "%s: %.100s: up to %.80s the patterns of all rules take too long; write them without nested "
                         "repeats",
                         rule->where, rule->text, name);
    return error_set(err, ERR_INPUT, "%s: %.100s: the pattern takes too long on %.80s; write it without nested repeats",
                     rule->where, rule->text, name);
}
