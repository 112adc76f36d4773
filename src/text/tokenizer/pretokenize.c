/* Cutting texts into words, stage by stage: see pretokenize.h.
 *
 * The stages form a pipeline: the last one is asked for its next piece; when it has none left it asks the one before. A text is
 * gone through once per stage.
 *
 * Patterns run in PCRE2's JIT code. No input may fail for its length: match limits are off, and a match that outgrows the stack of
 * the JIT code runs again in the interpreter, which uses the heap. Most words of most texts never reach PCRE2: see ascii_word(). */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/tokenizer/pretokenize.h"

#include "base/error.h"
#include "base/utf8.h"

#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

struct splitter {
    int n_stage;
    const struct rule *rule[PRETOKENIZER_STAGES];
    pcre2_code *code[PRETOKENIZER_STAGES]; /* NULL where a rule has no pattern */
    int jit[PRETOKENIZER_STAGES];
    size_t bytes;
};

static int compile(struct splitter *s, const struct pretokenizer *row, int stage, struct error *err)
{
    int code;
    PCRE2_SIZE at;
    const char *pattern = s->rule[stage]->pattern;
    if (!pattern)
        return 0;
    pcre2_code *c = s->code[stage] = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_UCP,
                                                   &code, &at, NULL);
    if (!c && code == PCRE2_ERROR_HEAP_FAILED)
        return error_set(err, ERR_MEMORY, "no memory for the pre-tokenizer");
    if (!c)
        return error_set(err, ERR_BUG, "PCRE2 refuses rule %d of pre-tokenizer \"%.20s\" at byte %zu with error %d",
                         stage + 1, row->names, (size_t)at, code);
    s->jit[stage] = pcre2_jit_compile(c, PCRE2_JIT_COMPLETE) ==
                    0; /* without it the interpreter does the same, slower */
    size_t compiled = 0, jit = 0;
    pcre2_pattern_info(c, PCRE2_INFO_SIZE, &compiled);
    pcre2_pattern_info(c, PCRE2_INFO_JITSIZE, &jit);
    s->bytes += compiled + jit;
    return 0;
}

int splitter_create(struct splitter **out, const struct pretokenizer *row, struct error *err)
{
    struct splitter *s = calloc(1, sizeof *s);
    if (!s)
        return error_set(err, ERR_MEMORY, "no memory for the pre-tokenizer");
    s->bytes = sizeof *s;
    for (const struct rule *r; (r = pretokenizer_rule(row, s->n_stage));) {
        s->rule[s->n_stage++] = r;
        if (compile(s, row, s->n_stage - 1, err) != 0) {
            splitter_destroy(s);
            return -1;
        }
    }
    *out = s;
    return 0;
}

void splitter_destroy(struct splitter *s)
{
    for (int i = 0; s && i < s->n_stage; i++)
        pcre2_code_free(s->code[i]);
    free(s);
}

size_t splitter_bytes(const struct splitter *s) { return s ? s->bytes : 0; }

/* ---- matching -------------------------------------------------------------------------------------------------------------- */

enum { JIT_STACK = 256 << 10 };

struct matcher {
    pcre2_match_data *data;
    pcre2_match_context *context;
    pcre2_jit_stack *stack;
};

static void matcher_free(struct matcher *m)
{
    if (!m)
        return;
    pcre2_match_data_free(m->data);
    pcre2_match_context_free(m->context);
    pcre2_jit_stack_free(m->stack);
    free(m);
}

static struct matcher *matcher_create(void)
{
    struct matcher *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    m->data = pcre2_match_data_create(1, NULL);
    m->context = pcre2_match_context_create(NULL);
    m->stack = pcre2_jit_stack_create(32 << 10, JIT_STACK, NULL);
    if (!m->data || !m->context) {
        matcher_free(m);
        return NULL;
    }
    pcre2_set_match_limit(m->context, UINT32_MAX);
    pcre2_set_depth_limit(m->context, UINT32_MAX);
    pcre2_set_heap_limit(m->context, UINT32_MAX);
    pcre2_jit_stack_assign(m->context, NULL, m->stack); /* of no stack: the JIT code's own 32 KiB */
    return m;
}

/* The first match in [at, end) of a piece that ends there: into c; at its end if there is none. -1: no memory. */
static int search(const struct splitting *p, int stage, struct piece_cursor *c, size_t at)
{
    const struct splitter *s = p->splitter;
    struct matcher *m = p->matcher;
    const uint8_t *text = p->text + at;
    size_t n = c->end - at;
    int rc = PCRE2_ERROR_JIT_STACKLIMIT;
    if (s->jit[stage])
        rc = pcre2_jit_match(s->code[stage], text, n, 0, 0, m->data, m->context);
    if (rc < 0 && rc != PCRE2_ERROR_NOMATCH)
        rc = pcre2_match(s->code[stage], text, n, 0, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, m->data, m->context);
    if (rc < 0 && rc != PCRE2_ERROR_NOMATCH)
        return -1; /* of what can be left only the heap's end */
    const PCRE2_SIZE *match = pcre2_get_ovector_pointer(m->data);
    c->match = rc < 0 ? c->end : at + match[0];
    c->match_end = rc < 0 ? c->end : at + match[1];
    return 0;
}

/* ---- characters ------------------------------------------------------------------------------------------------------------ */

static size_t char_length(uint8_t lead) { return lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4; }

/* Bytes of the white space (Unicode White_Space) that p begins with, 0: another character. */
static size_t space_at(const uint8_t *p)
{
    if (p[0] < 0x80)
        return p[0] == ' ' || (p[0] >= '\t' && p[0] <= '\r');
    if (p[0] == 0xC2)
        return p[1] == 0x85 || p[1] == 0xA0 ? 2 : 0;
    uint32_t c = p[0] < 0xE1 || p[0] > 0xE3 ? 0 : (p[0] & 15u) << 12 | (p[1] & 63u) << 6 | (p[2] & 63u);
    int is_space = c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
                   c == 0x205F || c == 0x3000;
    return is_space ? 3 : 0;
}

/* Length of the word at p that needs no pattern (see struct rule), 0: PCRE2 must look. */
static size_t ascii_word(const uint8_t *p, size_t n)
{
    size_t begin = p[0] == ' ', i = begin;
    while (i < n && p[i] >= 'A' && p[i] <= 'Z')
        i++;
    while (i < n && p[i] >= 'a' && p[i] <= 'z')
        i++;
    if (i == begin)
        return 0;
    return i == n || (p[i] < 0x80 && p[i] != '\'' && !(p[i] >= 'A' && p[i] <= 'Z')) ? i : 0;
}

/* ---- cutting --------------------------------------------------------------------------------------------------------------- */

/* Each of these gives out the next piece of c: up to the place that it returns through *to. -1: no memory. */

static int cut_matches(const struct splitting *p, int stage, struct piece_cursor *c, size_t *to)
{
    if (c->at == c->match_end) {
        size_t word = p->splitter->rule[stage]->words ? ascii_word(p->text + c->at, c->end - c->at) : 0;
        if (word) {
            *to = c->match_end = c->at + word;
            return 0;
        }
        if (search(p, stage, c, c->at) != 0)
            return -1;
    }
    *to = c->at < c->match ? c->match : c->match_end;
    return 0;
}

/* look is a place in the run [match, match_end), left characters before its end; or behind a run, with none left. */
static int cut_threes(const struct splitting *p, int stage, struct piece_cursor *c, size_t *to)
{
    for (;;) {
        if (c->left == 0) {
            if (search(p, stage, c, c->look) != 0)
                return -1;
            c->look = c->match;
            c->left = utf8_count(p->text + c->match, c->match_end - c->match);
        }
        if (c->left == 0 || (c->left % 3 == 0 && c->look > c->at)) { /* no run is left, or a place to cut */
            *to = c->look;
            return 0;
        }
        size_t step = c->left % 3 ? c->left % 3 : 3;
        c->left -= step;
        while (step-- > 0)
            c->look += char_length(p->text[c->look]);
    }
}

static void cut_trailing(const struct splitting *p, struct piece_cursor *c, size_t *to)
{
    size_t begin = c->end;
    for (size_t i = c->end; i > c->at; begin = i) {
        i--;
        while (i > c->at && !utf8_begins((char)p->text[i]))
            i--;
        if (space_at(p->text + i) == 0)
            break;
    }
    *to = begin == c->at ? c->end : begin;
}

/* left: characters of the rest, 0 where the piece is of another kind. */
static void cut_powers(const struct splitting *p, struct piece_cursor *c, size_t *to)
{
    size_t size = 512;
    *to = c->end;
    if (c->left == 0)
        return;
    while (size > c->left)
        size /= 2;
    c->left -= size;
    for (*to = c->at; size > 0; size--)
        *to += char_length(p->text[*to]);
}

static size_t count_blank(const uint8_t *p, size_t n)
{
    size_t count = 0;
    for (size_t i = 0, length; i < n; i += length, count++)
        if ((length = space_at(p + i)) == 0)
            return 0;
    return n > 0 && (p[n - 1] == '\n' || p[n - 1] == '\r') ? 0 : count;
}

static void cut_lines(const struct splitting *p, struct piece_cursor *c, size_t *to)
{
    const uint8_t *at = p->text + c->at, *end = p->text + c->end, *newline = memchr(at, '\n', (size_t)(end - at));
    if (newline == at)
        while (newline < end && *newline == '\n')
            newline++;
    *to = newline ? (size_t)(newline - p->text) : c->end;
}

/* ---- the pipeline ---------------------------------------------------------------------------------------------------------- */

static void begin_piece(struct splitting *p, int stage, size_t start, size_t end)
{
    struct piece_cursor *c = &p->stage[stage];
    *c = (struct piece_cursor){.end = end, .at = start, .match = start, .match_end = start, .look = start};
    if (p->splitter->rule[stage]->cut == CUT_POWERS)
        c->left = count_blank(p->text + start, end - start);
}

static int next(struct splitting *p, int stage, size_t *start, size_t *end)
{
    struct piece_cursor *c = &p->stage[stage];
    if (c->at == c->end) {
        size_t from, to;
        int rc = stage == 0 ? 0 : next(p, stage - 1, &from, &to);
        if (rc <= 0)
            return rc;
        begin_piece(p, stage, from, to);
    }
    int failed = 0;
    switch (p->splitter->rule[stage]->cut) {
    case CUT_MATCHES:
        failed = cut_matches(p, stage, c, end);
        break;
    case CUT_THREES:
        failed = cut_threes(p, stage, c, end);
        break;
    case CUT_TRAILING:
        cut_trailing(p, c, end);
        break;
    case CUT_POWERS:
        cut_powers(p, c, end);
        break;
    case CUT_LINES:
        cut_lines(p, c, end);
        break;
    }
    *start = c->at;
    c->at = *end;
    return failed ? -1 : 1;
}

int splitting_begin(struct splitting *p, const struct splitter *s, const uint8_t *text, size_t length)
{
    if (!p->matcher && !(p->matcher = matcher_create()))
        return -1;
    p->splitter = s;
    p->text = text;
    begin_piece(p, 0, 0, length);
    for (int i = 1; i < s->n_stage; i++)
        p->stage[i] = (struct piece_cursor){0};
    return 0;
}

int splitting_next(struct splitting *p, size_t *start, size_t *n)
{
    size_t end;
    int rc = next(p, p->splitter->n_stage - 1, start, &end);
    *n = rc > 0 ? end - *start : 0;
    return rc;
}

void splitting_end(struct splitting *p)
{
    matcher_free(p->matcher);
    *p = (struct splitting){0};
}

/* Bytes of ASCII at the beginning, a multiple of 8. */
static size_t plain(const uint8_t *p, size_t n)
{
    size_t i = 0;
    for (uint64_t eight; i + 8 <= n; i += 8) {
        memcpy(&eight, p + i, 8);
        if (eight & 0x8080808080808080u)
            break;
    }
    return i;
}

size_t pretokenize_clean(const uint8_t *text, size_t length, uint8_t *out)
{
    size_t n = 0;
    for (size_t i = 0, head; i < length; i += head) {
        if ((head = plain(text + i, length - i)) > 0) {
            if (out)
                memcpy(out + n, text + i, head);
            n += head;
            continue;
        }
        int whole = utf8_head(text + i, length - i, &head) == UTF8_WHOLE;
        if (out)
            memcpy(out + n, whole ? (const char *)text + i : UTF8_REPLACEMENT, whole ? head : 3);
        n += whole ? head : 3;
        head = whole ? head : 1;
    }
    return n;
}
