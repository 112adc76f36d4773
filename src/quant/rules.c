/* See rules.h. Patterns are PCRE2, searched in the name, with bounds on their work and their memory: whoever writes a recipe may neither
 * stop a run nor take what its plan does not have. */
#include "quant/rules.h"

#include "base/error.h"
#include "base/file.h"
#include "quant/encode.h"

#include <ctype.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

/* Steps of a match at each place where it may begin, as PCRE2 counts them: most take few, of which a part is counted over all; more are
 * tried where those do not suffice, and counted whole, for all of these places. */
enum { WORK_FEW = 100, WORK_PART = 10, WORK_MOST = 102400, WORK_ALL = 300000000 };
enum { FILE_MOST = 1 << 20, RULES_MOST = 4096, DEPTH_MOST = 2000, HEAP_KIB = 4096 };
/* MiB of all compiled patterns: those of a file of FILE_MOST that count nothing take at most 11. */
enum { PATTERNS_MOST = 16 };

/* ---- memory --------------------------------------------------------------------------------------------------------------------- */

union piece { /* what stands before a piece of PCRE2's memory, whose alignment stays that of malloc() */
    size_t n;
    max_align_t any;
};

static void count(struct rules *r, size_t n)
{
    r->n_bytes += n;
    r->most_bytes = r->n_bytes > r->most_bytes ? r->n_bytes : r->most_bytes;
}

static void *take(PCRE2_SIZE n, void *rules)
{
    union piece *p = n < SIZE_MAX / 2 ? malloc(sizeof *p + n) : NULL;
    if (!p)
        return NULL;
    p->n = sizeof *p + n;
    count(rules, p->n);
    return p + 1;
}

static void give_back(void *memory, void *rules)
{
    union piece *p = memory;
    if (!p)
        return;
    ((struct rules *)rules)->n_bytes -= p[-1].n;
    free(p - 1);
}

/* ---- reading -------------------------------------------------------------------------------------------------------------------- */

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
static int compile(struct rules *all, struct rule *r, size_t n, struct error *err)
{
    int code;
    size_t at;
    const char *rest = take_layers(r->text, r);
    uint32_t flags = r->first >= 0 ? PCRE2_ANCHORED : 0;
    r->code = pcre2_compile((PCRE2_SPTR)rest, n - (size_t)(rest - r->text), flags | PCRE2_NEVER_BACKSLASH_C, &code, &at,
                            all->compiling);
    if (r->code && all->n_bytes >> 20 >= PATTERNS_MOST)
        return error_set(err, ERR_INPUT,
                         "%s: %.100s: up to here the patterns of all rules take %d MiB; write them without counted "
                         "repeats, which PCRE2 writes out",
                         r->where, r->text, PATTERNS_MOST);
    if (r->code)
        return 0;
    char why[120] = "";
    pcre2_get_error_message(code, (PCRE2_UCHAR *)why, sizeof why);
    return error_set(err, ERR_INPUT, "%s: %.100s: the pattern is wrong at character %zu: %s", r->where, r->text, at + 1,
                     why);
}

/* One rule, whose text and place are copied where it is kept. */
static int add(struct rules *r, struct arena *arena, const char *text, const char *where, int *base, struct error *err)
{
    const char *equals = strrchr(text, '=');
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
    struct rule *rule = &r->rule[r->n];
    *rule = (struct rule){
        .text = arena_copy(arena, text, strlen(text)), .where = arena_copy(arena, where, strlen(where)), .type = type};
    if (!rule->text || !rule->where)
        return error_set(err, ERR_MEMORY, "%s: no memory for its rules", where);
    r->n++;
    return compile(r, rule, (size_t)(equals - text), err);
}

/* Without spaces around it, in place. */
static char *trimmed(char *text)
{
    text += strspn(text, " \t\r");
    size_t n = strlen(text);
    while (n && strchr(" \t\r", text[n - 1]))
        n--;
    text[n] = 0;
    return text;
}

static int read_file(struct rules *r, const char *path, struct arena *arena, struct error *err)
{
    size_t n = 0;
    char *text = file_read_regular(path, FILE_MOST, &n, err), *next;
    size_t n_read = 2 * n; /* at most: what it was read into has grown by doubling */
    int status = text ? 0 : -1, line = 1;
    count(r, n_read);
    if (text && strlen(text) != n)
        status = error_set(err, ERR_INPUT, "%s: no text: it holds a NUL", path);
    for (char *at = text; status == 0 && at; at = next, line++) {
        char where[300];
        next = strchr(at, '\n');
        if (next)
            *next++ = 0;
        at = trimmed(at);
        snprintf(where, sizeof where, "%.280s:%d", path, line);
        if (*at && *at != '#')
            status = add(r, arena, at, where, &r->file_base, err);
    }
    free(text);
    r->n_bytes -= n_read;
    return status;
}

static int read_flag(struct rules *r, const char *text, struct arena *arena, struct error *err)
{
    char *own = arena_copy(arena, text, strlen(text));
    if (!own)
        return error_set(err, ERR_MEMORY, "--rule: no memory for it");
    return add(r, arena, trimmed(own), "--rule", &r->flag_base, err);
}

int rules_read(struct rules *r, const struct quant_options *o, struct arena *arena, struct error *err)
{
    *r = (struct rules){.flag_base = -1, .file_base = -1};
    pcre2_general_context *memory = pcre2_general_context_create(take, give_back, r);
    r->memory = memory;
    r->compiling = memory ? pcre2_compile_context_create(memory) : NULL;
    r->limits = memory ? pcre2_match_context_create(memory) : NULL;
    r->match = memory ? pcre2_match_data_create(1, memory) : NULL;
    r->rule = arena_array(arena, RULES_MOST, sizeof *r->rule);
    if (!r->compiling || !r->limits || !r->match || !r->rule)
        return error_set(err, ERR_MEMORY, "no memory for rules");
    pcre2_set_depth_limit(r->limits, DEPTH_MOST);
    pcre2_set_heap_limit(r->limits, HEAP_KIB);
    for (int i = 0; i < o->n_rule; i++)
        if (read_flag(r, o->rule[i], arena, err))
            return -1;
    return o->recipe ? read_file(r, o->recipe, arena, err) : 0;
}

void rules_end(struct rules *r)
{
    for (int i = 0; i < r->n; i++)
        pcre2_code_free(r->rule[i].code);
    pcre2_match_data_free(r->match);
    pcre2_match_context_free(r->limits);
    pcre2_compile_context_free(r->compiling);
    pcre2_general_context_free(r->memory);
    r->n = 0;
    r->match = r->limits = r->compiling = r->memory = NULL;
}

/* ---- matching ------------------------------------------------------------------------------------------------------------------- */

/* At how many places of a name PCRE2 may begin, at most: by what every match begins with, or by its first bytes. */
static uint64_t begins(const struct rule *rule, const char *name)
{
    uint32_t options = 0, by = 0, first = 0;
    const uint8_t *set = NULL;
    uint64_t n = 0;
    pcre2_pattern_info(rule->code, PCRE2_INFO_ALLOPTIONS, &options);
    pcre2_pattern_info(rule->code, PCRE2_INFO_FIRSTCODETYPE, &by); /* 1: a byte; 2: a line's beginning */
    pcre2_pattern_info(rule->code, PCRE2_INFO_FIRSTCODEUNIT, &first);
    pcre2_pattern_info(rule->code, PCRE2_INFO_FIRSTBITMAP, &set);
    if (options & PCRE2_ANCHORED)
        return 1;
    if (options & PCRE2_NO_START_OPTIMIZE || (by == 0 && !set) || (by == 1 && first > 127))
        return strlen(name) + 1;
    for (const uint8_t *p = (const uint8_t *)name; *p; p++)
        n += by == 2   ? *p < ' ' || *p > 126 /* it may end a line */
             : by == 1 ? tolower(*p) == tolower((int)first)
                       : set[*p / 8] >> *p % 8 & 1;
    return n + 1;
}

/* pcre2_match() with more and more steps, as long as those of all matches suffice: its limit holds anew at each place. */
static int match(struct rules *r, const struct rule *rule, const char *name)
{
    int rc = PCRE2_ERROR_MATCHLIMIT;
    uint64_t places = begins(rule, name);
    for (uint32_t most = WORK_FEW; rc == PCRE2_ERROR_MATCHLIMIT && most <= WORK_MOST; most *= 4) {
        r->work += most > WORK_FEW ? most * places : WORK_PART + places;
        if (r->work > WORK_ALL)
            break;
        pcre2_set_match_limit(r->limits, most);
        rc = pcre2_match(rule->code, (PCRE2_SPTR)name, PCRE2_ZERO_TERMINATED, 0, 0, r->match, r->limits);
    }
    return rc;
}

/* Why there is neither a match nor none. */
static int refuse(const struct rules *r, const struct rule *rule, const char *name, int rc, struct error *err)
{
    char why[120] = "";
    if (r->work > WORK_ALL)
        return error_set(err, ERR_INPUT,
                         "%s: %.100s: up to %.80s the patterns of all rules take too long; write them without nested "
                         "repeats",
                         rule->where, rule->text, name);
    if (rc == PCRE2_ERROR_MATCHLIMIT || rc == PCRE2_ERROR_DEPTHLIMIT || rc == PCRE2_ERROR_HEAPLIMIT)
        return error_set(err, ERR_INPUT,
                         "%s: %.100s: the pattern takes too long on %.80s; write it without nested repeats",
                         rule->where, rule->text, name);
    pcre2_get_error_message(rc, (PCRE2_UCHAR *)why, sizeof why);
    return error_set(err, ERR_INPUT, "%s: %.100s: the pattern cannot be searched for in %.80s: %s", rule->where,
                     rule->text, name, why);
}

int rule_matches(struct rules *r, const struct rule *rule, const char *name, int *matches, struct error *err)
{
    const char *rest = name;
    int layer = rule->first >= 0 ? gguf_layer_of(name, &rest) : 0;
    *matches = 0;
    if (rule->first >= 0 && (layer < rule->first || layer > rule->last))
        return 0;
    int rc = match(r, rule, rest);
    *matches = rc >= 0;
    return rc >= 0 || rc == PCRE2_ERROR_NOMATCH ? 0 : refuse(r, rule, name, rc, err);
}
