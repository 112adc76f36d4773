/* Strings: how code points are written, lengths, patterns and formats.
 *
 * A code point is one code point of the decoded text. In JSON it is written raw, by a short escape, or as \uXXXX (two of them above
 * U+FFFF), so a pattern reads escapes and raw characters alike, and a length counts each once. */
#include "text/schema/string.h"

#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

/* ---- code points -------------------------------------------------------------------------------------------------------------------- */

static grammar_expr two(struct grammar_maker *m, grammar_expr a, grammar_expr b)
{
    return grammar_sequence(m, (grammar_expr[]){a, b}, 2);
}

/* Code points from..from + n - 1 whose bits are set, as runs. */
static size_t runs(uint32_t bits, uint32_t n, uint32_t from, struct grammar_range *out)
{
    size_t n_out = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (!(bits >> i & 1))
            continue;
        if (i == 0 || !(bits >> (i - 1) & 1))
            out[n_out++].first = from + i;
        out[n_out - 1].last = from + i;
    }
    return n_out;
}

/* One of some hexadecimal digits, either case: a bit each. */
static grammar_expr digit(struct grammar_maker *m, uint32_t bits)
{
    struct grammar_range r[16];
    size_t n = runs(bits, 10, '0', r);
    n += runs(bits >> 10, 6, 'A', r + n);
    n += runs(bits >> 10, 6, 'a', r + n);
    return grammar_class(m, r, n, 0);
}

enum { NONE = -1 };

/* A digit, and what may come behind it: [16] by digit, NONE where it may not be. Digits with the same behind them are one class, so
 * that each escape is read in one way. */
static grammar_expr digit_and(struct grammar_maker *m, const grammar_expr *behind)
{
    grammar_expr part[16];
    uint32_t parts = 0, done = 0;
    for (uint32_t d = 0; d < 16; d++) {
        uint32_t same = 0;
        for (uint32_t e = d; e < 16 && behind[d] != NONE && !(done >> d & 1); e++)
            same |= (uint32_t)(behind[e] == behind[d]) << e;
        done |= same;
        if (same)
            part[parts++] = two(m, digit(m, same), behind[d]);
    }
    return parts ? grammar_choice(m, part, parts) : NONE;
}

/* Code points, ascending, apart. */
struct points {
    struct grammar_maker *m;
    const struct grammar_range *range;
    size_t n;
};

/* The second surrogate of a pair, the first one stands for 1024 code points from one on. */
static grammar_expr second_half(const struct points *x, uint32_t first);

/* Numbers of so many digits, each of which stands for so many code points from one on: those that have points among them. */
static grammar_expr numbers(const struct points *x, uint32_t first, uint32_t each, int n_digit)
{
    uint32_t size = each << 4 * n_digit, last = first + size - 1;
    size_t low = 0, high = x->n;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (x->range[mid].last < first)
            low = mid + 1;
        else
            high = mid;
    }
    if (low == x->n || x->range[low].first > last)
        return NONE;
    if (n_digit == 0 || (x->range[low].first <= first && x->range[low].last >= last))
        return two(x->m, grammar_repeat(x->m, digit(x->m, 0xFFFF), n_digit, n_digit),
                   each == 1 ? grammar_text(x->m, "", 0) : second_half(x, first));
    grammar_expr behind[16];
    for (uint32_t d = 0; d < 16; d++)
        behind[d] = numbers(x, first + d * (size / 16), each, n_digit - 1);
    return digit_and(x->m, behind);
}

static grammar_expr second_half(const struct points *x, uint32_t first)
{
    grammar_expr behind[16];
    for (uint32_t d = 0; d < 16; d++)
        behind[d] = d < 0xC ? NONE : numbers(x, first + (d - 0xC) * 0x100, 1, 2);
    return grammar_sequence(
        x->m, (grammar_expr[]){grammar_text(x->m, "\\u", 2), digit(x->m, 1 << 0xD), digit_and(x->m, behind)}, 3);
}

/* What comes behind \u: four digits, or two surrogates above U+FFFF. NONE: no point is there. */
static grammar_expr four_digits(const struct points *x)
{
    grammar_expr behind[16], behind_d[16];
    for (uint32_t d = 0; d < 16; d++)
        behind_d[d] = d < 8     ? numbers(x, 0xD000 + d * 0x100, 1, 2)
                      : d < 0xC ? numbers(x, 0x10000 + (d - 8) * 0x40000, 0x400, 2)
                                : NONE;
    for (uint32_t d = 0; d < 16; d++)
        behind[d] = d == 0xD ? digit_and(x->m, behind_d) : numbers(x, d * 0x1000, 1, 3);
    return digit_and(x->m, behind);
}

static int has(const struct grammar_range *r, size_t n, uint32_t c)
{
    for (size_t i = 0; i < n; i++)
        if (c >= r[i].first && c <= r[i].last)
            return 1;
    return 0;
}

/* Part of ranges that lies within bounds, as ranges. */
static size_t within(const struct grammar_range *r, size_t n, uint32_t low, uint32_t high, struct grammar_range *out)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t first = r[i].first > low ? r[i].first : low, last = r[i].last < high ? r[i].last : high;
        if (first <= last)
            out[kept++] = (struct grammar_range){first, last};
    }
    return kept;
}

static int ascending(const void *a, const void *b)
{
    const struct grammar_range *x = a, *y = b;
    return (x->first > y->first) - (x->first < y->first);
}

/* Sorts ranges and joins those without a gap between them. Returns how many are left. */
static size_t put_in_order(struct grammar_range *r, size_t n)
{
    size_t kept = 0;
    qsort(r, n, sizeof *r, ascending);
    for (size_t i = 0; i < n; i++) {
        if (kept == 0 || r[i].first > r[kept - 1].last + 1)
            r[kept++] = r[i];
        else if (r[i].last > r[kept - 1].last)
            r[kept - 1].last = r[i].last;
    }
    return kept;
}

/* Behind a backslash: short escapes, and numbers. */
static grammar_expr escape(struct grammar_maker *m, const struct points *x)
{
    static const char plain[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    struct grammar_range code_points[8];
    grammar_expr part[2], number = four_digits(x);
    size_t n_code_points = 0, parts = 0;
    for (int i = 0; i < 8; i++)
        if (has(x->range, x->n, (unsigned char)meant[i]))
            code_points[n_code_points++] = (struct grammar_range){(unsigned char)plain[i], (unsigned char)plain[i]};
    if (n_code_points)
        part[parts++] = grammar_class(m, code_points, n_code_points, 0);
    if (number != NONE)
        part[parts++] = two(m, grammar_text(m, "u", 1), number);
    return two(m, grammar_text(m, "\\", 1), grammar_choice(m, part, parts));
}

static grammar_expr json_code_point(struct schema *s, const struct grammar_range *range, size_t n)
{
    struct grammar_maker *m = s->m;
    struct grammar_range *sorted = compile_alloc(s->compile, n + 1, sizeof *sorted),
                         *raw = compile_alloc(s->compile, (n + 1) * 3, sizeof *raw);
    grammar_expr e;
    if (sorted && raw) {
        memcpy(sorted, range, n * sizeof *sorted);
        n = put_in_order(sorted, n);
        size_t n_raw = within(sorted, n, 0x20, 0x21, raw);
        n_raw += within(sorted, n, 0x23, 0x5B, raw + n_raw);
        n_raw += within(sorted, n, 0x5D, 0x10FFFF, raw + n_raw);
        e = grammar_choice(
            m, (grammar_expr[]){grammar_class(m, raw, n_raw, 0), escape(m, &(struct points){m, sorted, n})}, 2);
    } else {
        e = schema_ended(s);
    }
    compile_free(s->compile, sorted);
    compile_free(s->compile, raw);
    return e;
}

static grammar_expr one_of(void *arg, struct grammar_maker *m, const struct grammar_range *range, size_t n)
{
    struct schema *s = arg;
    return s->how.syntax == SCHEMA_GEMMA ? grammar_class(m, range, n, 0) : json_code_point(s, range, n);
}

struct regex_code_points schema_code_points(struct schema *s) { return (struct regex_code_points){one_of, s}; }

static grammar_expr any_code_point(struct schema *s)
{
    static const struct grammar_range all = {0, 0x10FFFF};
    if (s->code_point < 0)
        s->code_point = one_of(s, s->m, &all, 1);
    return s->code_point;
}

/* ---- quotes --------------------------------------------------------------------------------------------------------------------- */

static const char gemma_quote[] = "<|\"|>";

static grammar_expr quote(struct schema *s)
{
    if (s->how.syntax != SCHEMA_GEMMA)
        return schema_word(s, "\"");
    return s->how.quote >= 0 ? grammar_token(s->m, s->how.quote) : schema_word(s, gemma_quote);
}

grammar_expr schema_quoted(struct schema *s, grammar_expr content)
{
    return grammar_sequence(s->m, (grammar_expr[]){quote(s), content, quote(s)}, 3);
}

grammar_expr schema_any_string(struct schema *s)
{
    if (s->string >= 0)
        return s->string;
    grammar_expr e;
    if (s->how.syntax == SCHEMA_GEMMA && s->how.quote < 0)
        e = schema_sequence(s, quote(s), grammar_until(s->m, gemma_quote, strlen(gemma_quote)));
    else
        e = schema_quoted(s, grammar_repeat(s->m, any_code_point(s), 0, GRAMMAR_MANY));
    int32_t rule = grammar_rule(s->m, "string");
    grammar_define(s->m, rule, e);
    return s->string = grammar_call(s->m, rule);
}

/* Keys that are not declared: strings, but bare words where keys are. */
static const struct grammar_range bare[] = {{'-', '.'}, {'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
enum { BARE = sizeof bare / sizeof *bare };

static grammar_expr one_of_bare(void *arg, struct grammar_maker *m, const struct grammar_range *range, size_t n)
{
    struct schema *s = arg;
    struct grammar_range *kept = compile_alloc(s->compile, (n + 1) * BARE, sizeof *kept);
    size_t n_kept = 0;
    if (!kept)
        return schema_ended(s);
    for (size_t i = 0; i < BARE; i++)
        n_kept += within(range, n, bare[i].first, bare[i].last, kept + n_kept);
    grammar_expr e = n_kept ? grammar_class(m, kept, n_kept, 0) : grammar_choice(m, NULL, 0);
    compile_free(s->compile, kept);
    return e;
}

struct regex_code_points schema_key_code_points(struct schema *s, int is_bare)
{
    return (struct regex_code_points){is_bare ? one_of_bare : one_of, s};
}

grammar_expr schema_bare_key(struct schema *s)
{
    return grammar_repeat(s->m, grammar_class(s->m, bare, BARE, 0), 1, GRAMMAR_MANY);
}

grammar_expr schema_before_key(struct schema *s, grammar_expr code_points)
{
    return s->how.syntax == SCHEMA_GEMMA ? code_points : schema_sequence(s, quote(s), code_points);
}

grammar_expr schema_behind_key(struct schema *s, grammar_expr rest)
{
    return s->how.syntax == SCHEMA_GEMMA ? rest : schema_sequence(s, quote(s), rest);
}

grammar_expr schema_any_key(struct schema *s)
{
    if (s->how.syntax != SCHEMA_GEMMA)
        return schema_any_string(s);
    return grammar_choice(s->m, (grammar_expr[]){schema_bare_key(s), schema_any_string(s)}, 2);
}

/* ---- formats -------------------------------------------------------------------------------------------------------------------- */

#define MONTH_DAYS                                                                                                     \
    "((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))"
/* not 0000, which RFC 3339 has and the calendars of many readers do not */
#define YEAR "([0-9]{3}[1-9]|[0-9]{2}[1-9]0|[0-9][1-9]00|[1-9]000)"
/* years that 4 divides, but not by 100 unless by 400 */
#define LEAP  "([0-9]{2}(0[48]|[2468][048]|[13579][26])|(0[48]|[2468][048]|[13579][26])00)-02-29"
#define DATE  "(" YEAR "-" MONTH_DAYS "|" LEAP ")"
#define TIME  "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?([zZ]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
#define OCTET "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
#define IPV4  OCTET "(\\." OCTET "){3}"
#define LABEL "[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
#define H16   "[0-9a-fA-F]{1,4}"
#define LS32  "(" H16 ":" H16 "|" IPV4 ")"
#define PCHAR "([a-zA-Z0-9._~!$&'()*+,;=:@-]|%[0-9a-fA-F]{2})"
#define AUTHORITY                                                                                                      \
    "(([a-zA-Z0-9._~!$&'()*+,;=:-]|%[0-9a-fA-F]{2})*@)?([a-zA-Z0-9._~!$&'()*+,;=-]|%[0-9a-fA-F]{2})*(:[0-9]*)?"

static const struct {
    const char *name, *pattern;
} formats[] = {
    {"date", "^" DATE "$"},
    {"time", "^" TIME "$"},
    {"date-time", "^" DATE "[tT]" TIME "$"},
    {"duration", "^P([0-9]+W|([0-9]+Y([0-9]+M([0-9]+D)?)?|[0-9]+M([0-9]+D)?|[0-9]+D)(T([0-9]+H([0-9]+M([0-9]+S)?)?|"
                 "[0-9]+M([0-9]+S)?|[0-9]+S))?|T([0-9]+H([0-9]+M([0-9]+S)?)?|[0-9]+M([0-9]+S)?|[0-9]+S))$"},
    {"email", "^[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]+(\\.[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]+)*@" LABEL "(\\." LABEL ")*$"},
    {"hostname", "^" LABEL "(\\." LABEL ")*$"},
    {"ipv4", "^" IPV4 "$"},
    {"ipv6",
     "^((" H16 ":){6}" LS32 "|::(" H16 ":){5}" LS32 "|(" H16 ")?::(" H16 ":){4}" LS32 "|((" H16 ":){0,1}" H16
     ")?::(" H16 ":){3}" LS32 "|((" H16 ":){0,2}" H16 ")?::(" H16 ":){2}" LS32 "|((" H16 ":){0,3}" H16 ")?::" H16
     ":" LS32 "|((" H16 ":){0,4}" H16 ")?::" LS32 "|((" H16 ":){0,5}" H16 ")?::" H16 "|((" H16 ":){0,6}" H16 ")?::)$"},
    {"uuid", "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"},
    {"uri", "^[a-zA-Z][a-zA-Z0-9+.-]*:(//" AUTHORITY "(/" PCHAR "*)*|/(" PCHAR "+(/" PCHAR "*)*)?|" PCHAR "+(/" PCHAR
            "*)*)?(\\?(" PCHAR "|[/?])*)?(#(" PCHAR "|[/?])*)?$"},
};

const char *string_format(const struct schema_node *format)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (node_is_text(format, formats[i].name))
            return formats[i].pattern;
    return NULL;
}

/* ---- a string ------------------------------------------------------------------------------------------------------------------- */

int string_collect(struct shape *x, struct string_patterns *p)
{
    struct schema *s = x->s;
    size_t most = 2 * (size_t)x->terms->n;
    p->r = pool_alloc(&s->pool, most + STRING_BARRED, sizeof *p->r);
    p->list = pool_alloc(&s->pool, most + STRING_BARRED, sizeof *p->list);
    p->at = pool_alloc(&s->pool, most + 1, sizeof *p->at);
    if (!p->r || !p->list || !p->at)
        return schema_ended(s), -1;
    for (uint32_t i = 0; i < 2 * x->terms->n; i++) {
        const struct schema_node *keyword = node_keyword(x->terms->t[i / 2].node, i % 2 ? "format" : "pattern");
        struct error err = {0};
        if (keyword && keyword->kind != NODE_STRING)
            return schema_fail(s, keyword, "%s is not a string", i % 2 ? "format" : "pattern"), -1;
        const char *pattern = keyword && i % 2 ? string_format(keyword) : keyword ? keyword->text : NULL;
        int known = !pattern;
        for (size_t j = 0; j < p->n && !known; j++)
            known = node_equal(s->compile, p->at[j], keyword) && (p->at[j]->n_key == keyword->n_key);
        if (known)
            continue;
        s->at = keyword;
        if (regex_read(&p->r[p->n], s->compile, pattern, i % 2 ? strlen(pattern) : keyword->n, &err)) {
            if (s->compile->end)
                return schema_ended(s), -1;
            if (err.code != ERR_UNSUPPORTED)
                return schema_fail(s, keyword, "%s", err.text), -1;
            if (schema_refuse(s, keyword, "%s", err.text))
                return -1;
            continue;
        }
        p->list[p->n] = &p->r[p->n];
        p->at[p->n++] = keyword;
    }
    return 0;
}

grammar_expr string_repeated(struct schema *s, grammar_expr code_point, int64_t min, int64_t max)
{
    return grammar_repeat(s->m, code_point, (int32_t)min, max < 0 ? GRAMMAR_MANY : (int32_t)max);
}

grammar_expr string_product(struct shape *x, struct string_patterns *p, const struct regex_code_points *code_points)
{
    struct regex_product product = {.pattern = p->list,
                                    .n_pattern = p->n + p->n_barred,
                                    .n_barred = p->n_barred,
                                    .all = 1,
                                    .min = x->min_length,
                                    .max = x->max_length};
    return regex_product(&product, x->s->m, code_points);
}

grammar_expr string_content(struct shape *x, struct string_patterns *p, const struct regex_code_points *code_points,
                            grammar_expr code_point)
{
    struct schema *s = x->s;
    int64_t shortest, longest;
    if (p->n == 0)
        return string_repeated(s, code_point, x->min_length, x->max_length);
    regex_lengths(p->list[0], &shortest, &longest);
    int long_enough = shortest >= x->min_length,
        short_enough = x->max_length < 0 || (longest >= 0 && longest <= x->max_length);
    if (p->n == 1 && long_enough && short_enough)
        return regex_expr(p->list[0], s->m, code_points, 0);
    int taken = p->n == 1 ? regex_take_lengths(&p->r[0], x->min_length, x->max_length) : 0;
    if (s->compile->end)
        return schema_ended(s);
    if (taken)
        return taken < 0 ? grammar_choice(s->m, NULL, 0) : regex_expr(p->list[0], s->m, code_points, 0);
    return string_product(x, p, code_points);
}

int string_no_length(const struct shape *x) { return x->max_length >= 0 && x->min_length > x->max_length; }

grammar_expr string_no_length_left(struct shape *x)
{
    return schema_empty(x->s, x->terms->t[0].node,
                        "minLength %lld and maxLength %lld of the schemas of this place leave no string",
                        (long long)x->min_length, (long long)x->max_length);
}

grammar_expr string_rule(struct shape *x, const struct string_patterns *p, grammar_expr inside, int quoted)
{
    struct schema *s = x->s;
    if (schema_is_empty(s, inside))
        return schema_empty(s, p->n ? p->at[0] : x->terms->t[0].node,
                            "no string fits the pattern and the other keywords");
    struct schema_large *known = p->n ? s->how.large : NULL; /* others are a new expression each time */
    for (uint32_t i = 0; known && i < known->n_rule && i < SCHEMA_LARGE; i++)
        if (known->rule[i].inside == inside && known->rule[i].quoted == quoted)
            return known->rule[i].call;
    int32_t rule = grammar_rule(s->m, "string with a pattern or a length");
    grammar_define(s->m, rule, quoted ? schema_quoted(s, inside) : inside);
    grammar_expr call = grammar_call(s->m, rule);
    if (known && !schema_failed(s)) {
        uint32_t at = known->n_rule++ % SCHEMA_LARGE;
        known->rule[at].inside = inside;
        known->rule[at].quoted = quoted;
        known->rule[at].call = call;
    }
    return call;
}

void string_forget(struct string_patterns *p)
{
    for (size_t i = 0; i < p->n + p->n_barred; i++)
        regex_free(&p->r[i]);
}

/* Of the patterns and the minLength. What had too many states has too many with any greater maxLength. */
static uint64_t key_of(const struct shape *x, const struct string_patterns *p)
{
    uint64_t key = (uint64_t)x->min_length;
    for (size_t i = 0; i < p->n; i++)
        if (schema_work(x->s, 16 + p->at[i]->n / 8) == 0)
            key = hash64(p->at[i]->text, p->at[i]->n, hash64(p->at[i]->key, p->at[i]->n_key, key));
    return key;
}

/* What was made of the same patterns and lengths; -1: nothing, or it is forgotten. */
static grammar_expr made_before(const struct shape *x, const struct string_patterns *p)
{
    const struct schema_large *known = x->s->how.large;
    for (uint32_t i = 0; known && i < known->n_content && i < SCHEMA_LARGE; i++) {
        int same = known->content[i].n == p->n && known->content[i].min == x->min_length &&
                   known->content[i].max == x->max_length;
        for (size_t k = 0; k < p->n && same; k++) {
            const struct schema_node *a = known->content[i].at[k], *b = p->at[k];
            schema_work(x->s, 4 + b->n / 16);
            same = a->n_key == b->n_key && a->n == b->n && memcmp(a->text, b->text, b->n) == 0;
        }
        if (same)
            return known->content[i].e;
    }
    return -1;
}

static void remember(const struct shape *x, const struct string_patterns *p, grammar_expr e)
{
    struct schema_large *known = x->s->how.large;
    if (!known || !p->n || schema_failed(x->s))
        return;
    uint32_t at = known->n_content++ % SCHEMA_LARGE;
    known->content[at].at = p->at;
    known->content[at].n = p->n;
    known->content[at].min = x->min_length;
    known->content[at].max = x->max_length;
    known->content[at].e = e;
}

/* string_content(), but what is known to have too many states, and what was made before. */
static grammar_expr content(struct shape *x, struct string_patterns *p, const struct regex_code_points *code_points,
                            grammar_expr code_point)
{
    struct schema *s = x->s;
    struct schema_large *large = s->how.large;
    uint64_t key = key_of(x, p);
    int64_t max = x->max_length < 0 ? INT64_MAX : x->max_length;
    for (uint32_t i = 0; large && i < large->n && i < SCHEMA_LARGE; i++)
        if (large->at[i].key == key && large->at[i].max_length <= max)
            return -1;
    grammar_expr e = p->n ? made_before(x, p) : -1;
    if (e >= 0)
        return e;
    e = string_content(x, p, code_points, code_point);
    if (e >= 0)
        remember(x, p, e);
    if (e < 0 && large) {
        uint32_t at = large->n++ % SCHEMA_LARGE;
        large->at[at].key = key;
        large->at[at].max_length = max;
    }
    return e;
}

static int leave(struct shape *x, const char *keyword)
{
    for (uint32_t i = 0; i < x->terms->n; i++) {
        const struct schema_node *at = node_keyword(x->terms->t[i].node, keyword);
        if (at && schema_refuse(x->s, at, "%s beside the patterns of this place needs more than %d states", keyword,
                                REGEX_STATES))
            return -1;
    }
    return 0;
}

/* Too many states. Where the schema is lenient the longest length is left out, else both lengths, else the patterns. */
static grammar_expr with_less(struct shape *x, struct string_patterns *p, const struct regex_code_points *code_points)
{
    struct schema *s = x->s;
    struct string_patterns none = {0};
    int64_t min = x->min_length, max = x->max_length;
    if (s->how.strict)
        return schema_fail(s, p->at[0], "patterns and lengths together need more than %d states", REGEX_STATES);
    x->max_length = -1;
    grammar_expr e = max < 0 ? -1 : content(x, p, code_points, -1);
    if (e < 0 && min > 0) {
        x->min_length = 0;
        e = content(x, p, code_points, -1);
    }
    int lengths = e >= 0, both = lengths && x->min_length != min;
    x->min_length = min;
    x->max_length = max;
    if (lengths)
        return leave(x, "maxLength") || (both && leave(x, "minLength")) ? 0 : e;
    return leave(x, "pattern") || leave(x, "format") ? 0 : string_content(x, &none, code_points, any_code_point(s));
}

grammar_expr schema_string(struct shape *x)
{
    struct schema *s = x->s;
    struct string_patterns p = {0};
    if (string_no_length(x))
        return string_no_length_left(x);
    const struct schema_node *outside = s->at;
    struct regex_code_points code_points = schema_code_points(s);
    int failed = string_collect(x, &p);
    int is_any = !failed && p.n == 0 && x->min_length <= 0 && x->max_length < 0;
    grammar_expr e = 0;
    if (is_any)
        e = schema_any_string(s);
    else if (!failed)
        e = content(x, &p, &code_points, p.n ? -1 : any_code_point(s));
    if (e < 0)
        e = with_less(x, &p, &code_points);
    if (!failed && !is_any && !schema_failed(s))
        e = string_rule(x, &p, e, 1);
    s->at = outside;
    string_forget(&p);
    return e;
}
