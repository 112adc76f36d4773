/* Classes of code points that escapes stand for. Unicode properties are asked of PCRE2, which has the tables. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "base/error.h"
#include "base/utf8.h"
#include "text/regex/tree.h"

#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LAST = 0x10FFFF, PLANE = 0x10000, FIRST_EMPTY = 4 * PLANE, BEHIND_EMPTY = 14 * PLANE };

static int add_one(struct regex *r, uint32_t first, uint32_t last)
{
    if (r->n_range == r->capacity_range) {
        uint32_t capacity = r->capacity_range * 2 + 64;
        struct grammar_range *grown = compile_grow(r->compile, r->range, capacity, sizeof *grown);
        if (!grown)
            return -1;
        r->range = grown;
        r->capacity_range = capacity;
    }
    r->range[r->n_range++] = (struct grammar_range){first, last};
    return 0;
}

static int by_first(const void *a, const void *b)
{
    const struct grammar_range *x = a, *y = b;
    return (x->first > y->first) - (x->first < y->first);
}

int regex_add(struct regex *r, const struct grammar_range *range, size_t n, int negated)
{
    if (!negated) {
        for (size_t i = 0; i < n; i++)
            if (add_one(r, range[i].first, range[i].last))
                return -1;
        return 0;
    }
    struct grammar_range *sorted = compile_alloc(r->compile, n + 1, sizeof *sorted);
    uint32_t next = 0;
    int failed = !sorted;
    if (sorted) {
        memcpy(sorted, range, n * sizeof *sorted);
        qsort(sorted, n, sizeof *sorted, by_first);
    }
    for (size_t i = 0; !failed && i < n; i++) {
        if (sorted[i].first > next)
            failed = add_one(r, next, sorted[i].first - 1);
        if (sorted[i].last >= next)
            next = sorted[i].last + 1;
    }
    if (!failed && next <= LAST)
        failed = add_one(r, next, LAST);
    compile_free(r->compile, sorted);
    return failed ? -1 : 0;
}

int regex_escape_class(struct regex *r, int letter)
{
    static const struct grammar_range digits[] = {{'0', '9'}},
                                      words[] = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
    /* white space and line ends of JavaScript */
    static const struct grammar_range spaces[] = {
        {9, 13},          {' ', ' '},       {0xA0, 0xA0},     {0x1680, 0x1680}, {0x2000, 0x200A},
        {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F}, {0x3000, 0x3000}, {0xFEFF, 0xFEFF}};
    int negated = letter >= 'A' && letter <= 'Z';
    switch (letter | 0x20) {
    case 'd':
        return regex_add(r, digits, 1, negated);
    case 'w':
        return regex_add(r, words, 4, negated);
    case 's':
        return regex_add(r, spaces, sizeof spaces / sizeof *spaces, negated);
    default:
        return -2;
    }
}

/* Runs of matching code points in a text of code points. */
static int scan(struct regex *r, const pcre2_code *code, pcre2_match_data *match, const char *text, size_t n)
{
    int failed = 0;
    for (size_t at = 0; !failed && at < n;) {
        if (pcre2_match(code, (PCRE2_SPTR)text, n, at, PCRE2_NO_UTF_CHECK, match, NULL) < 0)
            break;
        const PCRE2_SIZE *found = pcre2_get_ovector_pointer(match);
        size_t last = found[1] - 1;
        while (!utf8_begins(text[last]))
            last--;
        uint32_t first_char, last_char;
        size_t length;
        utf8_read(text + found[0], n - found[0], &length, &first_char);
        utf8_read(text + last, n - last, &length, &last_char);
        failed = add_one(r, first_char, last_char);
        at = found[1];
    }
    return failed;
}

/* All code points but surrogates, which are no characters: a plane at a time, which stays in the processor's cache. In planes 4 to 13
 * Unicode has none: they are as their first code point is. */
static int scan_planes(struct regex *r, const pcre2_code *code, pcre2_general_context *memory)
{
    enum { STEPS = 2 * PLANE };
    char *text = compile_alloc(r->compile, PLANE, 4);
    pcre2_match_data *match = pcre2_match_data_create(1, memory);
    int failed = !text || !match;
    for (uint32_t first = 0, behind; !failed && first <= LAST; first = behind) {
        int empty = first == FIRST_EMPTY;
        size_t n = 0;
        behind = empty ? BEHIND_EMPTY : first + PLANE;
        if (compile_work(r->compile, STEPS)) {
            failed = 1;
            break;
        }
        for (uint32_t c = first; c < (empty ? first + 1 : behind); c++)
            if (c < 0xD800 || c > 0xDFFF)
                n += utf8_write(c, text + n);
        uint32_t before = r->n_range;
        failed = scan(r, code, match, text, n);
        if (!failed && empty && r->n_range > before)
            r->range[before].last = behind - 1;
    }
    pcre2_match_data_free(match);
    compile_free(r->compile, text);
    return failed ? -1 : 0;
}

/* Memory of PCRE2. */
static void *take(size_t n, void *compile) { return compile_alloc(compile, n, 1); }

static void give(void *p, void *compile) { compile_free(compile, p); }

/* A property that was found before. */
struct regex_named {
    char pattern[64];
    uint32_t range, n;
};

/* 1: it is known, and was added. */
static int add_known(struct regex *r, const char *pattern)
{
    for (uint32_t i = 0; i < r->n_named; i++) {
        struct regex_named known = r->named[i];
        if (strcmp(known.pattern, pattern) != 0)
            continue;
        for (uint32_t k = 0; k < known.n; k++)
            if (add_one(r, r->range[known.range + k].first, r->range[known.range + k].last))
                return -1;
        return 1;
    }
    return 0;
}

static int remember(struct regex *r, const char *pattern, uint32_t range)
{
    if (r->n_named == r->capacity_named) {
        uint32_t capacity = r->capacity_named * 2 + 4;
        struct regex_named *grown = compile_grow(r->compile, r->named, capacity, sizeof *grown);
        if (!grown)
            return -1;
        r->named = grown;
        r->capacity_named = capacity;
    }
    struct regex_named *known = &r->named[r->n_named++];
    snprintf(known->pattern, sizeof known->pattern, "%s", pattern);
    known->range = range;
    known->n = r->n_range - range;
    return 0;
}

static int is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

/* "Script=Greek": PCRE2 knows kinds of properties of that form, but not that of categories, whose names it knows alone. */
static size_t without_category(const char *name, size_t n)
{
    static const char *const kinds[] = {"General_Category=", "gc="};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (n > strlen(kinds[i]) && memcmp(name, kinds[i], strlen(kinds[i])) == 0)
            return strlen(kinds[i]);
    return 0;
}

int regex_property(struct regex *r, const char *name, size_t n, int negated)
{
    char pattern[64];
    int error;
    PCRE2_SIZE where;
    size_t kind = without_category(name, n);
    name += kind;
    n -= kind;
    if (n == 0 || n > 48)
        return -2;
    for (size_t i = 0; i < n; i++)
        if (!is_letter(name[i]) && name[i] != '=')
            return -2;
    snprintf(pattern, sizeof pattern, "\\%c{%.*s}+", negated ? 'P' : 'p', (int)n, name);
    int known = add_known(r, pattern);
    if (known)
        return known < 0 ? -1 : 0;
    uint32_t from = r->n_range;
    pcre2_general_context *memory = pcre2_general_context_create(take, give, r->compile);
    pcre2_compile_context *how = memory ? pcre2_compile_context_create(memory) : NULL;
    pcre2_code *code = how ? pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, PCRE2_UTF, &error, &where, how)
                           : NULL;
    int failed = code ? 0 : r->compile->end ? -1 : -2;
    if (code) {
        pcre2_jit_compile(code, PCRE2_JIT_COMPLETE); /* without it the same is found more slowly */
        failed = scan_planes(r, code, memory);
    }
    pcre2_code_free(code);
    pcre2_compile_context_free(how);
    pcre2_general_context_free(memory);
    return failed ? failed : remember(r, pattern, from);
}
