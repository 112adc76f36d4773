/* Pre-tokenizer rules over PCRE2: see pretokenize.h.
 *
 * Rules are those of tokenizer.md 4, with \s written out as the class that the specification names (PCRE2's own \s differs
 * between releases) and \S as its complement. UTF and UCP: \p{L} and case folding are Unicode's, so that 'ſ counts as 's.
 *
 * No input may fail for its length: the match limits are off, and a match that outgrows the small stack of the JIT code runs
 * again in the interpreter, which uses the heap. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/pretokenize.h"

#include "base/error.h"
#include "text/utf8.h"

#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SPACE "\\t-\\r \\x{85}\\x{A0}\\x{1680}\\x{2000}-\\x{200A}\\x{2028}\\x{2029}\\x{202F}\\x{205F}\\x{3000}"
#define RUN   "[" SPACE "]+(?![^" SPACE "])|[" SPACE "]+"

/* R2, R5 and R21 of the specification. R5 and R21 differ in the digits only. */
#define RULE_GPT2 "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^" SPACE "\\p{L}\\p{N}]+|" RUN
#define RULE_GPT4(NUMBERS)                                                                                             \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" NUMBERS "| ?[^" SPACE                                \
    "\\p{L}\\p{N}]+[\\r\\n]*|[" SPACE "]*[\\r\\n]+|" RUN
#define RULE_LLAMA3 RULE_GPT4("\\p{N}{1,3}")
#define RULE_QWEN2  RULE_GPT4("\\p{N}")

static const struct pretokenizer table[] = {
    {"gpt-2 phi-2 jina-es jina-de gigachat jina-v2-es jina-v2-de a.x-4.0 mellum modern-bert jina-v1-en jina-v2-code "
     "roberta-bpe mpt olmo jais trillion granite-docling exaone4",
     RULE_GPT2, 0, 0},
    {"qwen2 deepseek-r1-qwen kormo f2llmv2 openpangu megrez stablelm2 hunyuan solar-open grok-2", RULE_QWEN2, 0, 0},
    {"llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano laguna", RULE_LLAMA3, 1, 1},
    {"dbrx smaug-bpe glm4 chatglm-bpe", RULE_LLAMA3, 0, 0},
};

enum { N_TABLE = sizeof table / sizeof *table };

static int names_hold(const char *names, const char *name, size_t length)
{
    for (const char *p = names; *p;) {
        size_t n = strcspn(p, " ");
        if (n == length && memcmp(p, name, n) == 0)
            return 1;
        p += n + (p[n] == ' ');
    }
    return 0;
}

const struct pretokenizer *pretokenizer_find(const char *name, size_t length, struct error *err)
{
    char known[200] = ""; /* the first name of each row: all would outgrow the sentence */
    for (size_t i = 0, at = 0; i < N_TABLE; i++) {
        const char *names = table[i].names;
        if (names_hold(names, name, length))
            return &table[i];
        at += (size_t)snprintf(known + at, sizeof known - at, "%s%.*s", i ? ", " : "", (int)strcspn(names, " "), names);
        if (at >= sizeof known)
            at = sizeof known - 1;
    }
    error_set(
        err, ERR_UNSUPPORTED,
        "pre-tokenizer \"%.*s\" (tokenizer.ggml.pre) is not known; known are %s and the other names of their rules",
        (int)(length < 40 ? length : 40), name, known);
    return NULL;
}

struct splitter {
    pcre2_code *code;
    size_t bytes;
};

int splitter_create(struct splitter **out, const struct pretokenizer *row, struct error *err)
{
    struct splitter *s = calloc(1, sizeof *s);
    if (!s)
        return error_set(err, ERR_MEMORY, "no memory for the pre-tokenizer");
    int code;
    PCRE2_SIZE at;
    s->code = pcre2_compile((PCRE2_SPTR)row->rule, PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_UCP, &code, &at, NULL);
    if (!s->code) {
        free(s);
        return error_set(err, ERR_BUG, "PCRE2 refuses the rule of pre-tokenizer \"%.20s\" at byte %zu with error %d",
                         row->names, (size_t)at, code);
    }
    pcre2_jit_compile(s->code, PCRE2_JIT_COMPLETE); /* without it the interpreter does the same, slower */
    size_t compiled = 0, jit = 0;
    pcre2_pattern_info(s->code, PCRE2_INFO_SIZE, &compiled);
    pcre2_pattern_info(s->code, PCRE2_INFO_JITSIZE, &jit);
    s->bytes = sizeof *s + compiled + jit;
    *out = s;
    return 0;
}

void splitter_destroy(struct splitter *s)
{
    if (!s)
        return;
    pcre2_code_free(s->code);
    free(s);
}

size_t splitter_bytes(const struct splitter *s) { return s ? s->bytes : 0; }

struct matcher {
    pcre2_match_data *data;
    pcre2_match_context *context;
};

static void matcher_free(struct matcher *m)
{
    if (!m)
        return;
    pcre2_match_data_free(m->data);
    pcre2_match_context_free(m->context);
    free(m);
}

static struct matcher *matcher_create(const struct splitter *s)
{
    struct matcher *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    m->data = pcre2_match_data_create_from_pattern(s->code, NULL);
    m->context = pcre2_match_context_create(NULL);
    if (!m->data || !m->context) {
        matcher_free(m);
        return NULL;
    }
    pcre2_set_match_limit(m->context, UINT32_MAX);
    pcre2_set_depth_limit(m->context, UINT32_MAX);
    pcre2_set_heap_limit(m->context, UINT32_MAX);
    return m;
}

int splitting_begin(struct splitting *p, const struct splitter *s, const uint8_t *text, size_t length)
{
    if (!p->data && !(p->data = matcher_create(s)))
        return -1;
    p->splitter = s;
    p->text = text;
    p->length = length;
    p->at = p->match = p->match_end = 0;
    return 0;
}

int splitting_next(struct splitting *p, size_t *start, size_t *n)
{
    struct matcher *m = p->data;
    if (p->at == p->length)
        return 0;
    if (p->at == p->match_end) {
        int rc = PCRE2_ERROR_JIT_STACKLIMIT;
        for (uint32_t options = PCRE2_NO_UTF_CHECK; rc == PCRE2_ERROR_JIT_STACKLIMIT; options |= PCRE2_NO_JIT)
            rc = pcre2_match(p->splitter->code, p->text, p->length, p->at, options, m->data, m->context);
        if (rc < 0 && rc != PCRE2_ERROR_NOMATCH)
            return -1; /* of what can be left only the heap's end */
        const PCRE2_SIZE *match = pcre2_get_ovector_pointer(m->data);
        p->match = rc < 0 ? p->length : match[0];
        p->match_end = rc < 0 ? p->length : match[1];
    }
    *start = p->at;
    p->at = p->at < p->match ? p->match : p->match_end; /* text between matches is a word, too */
    *n = p->at - *start;
    return 1;
}

void splitting_end(struct splitting *p)
{
    matcher_free(p->data);
    *p = (struct splitting){0};
}

size_t pretokenize_clean(const uint8_t *text, size_t length, uint8_t *out)
{
    size_t n = 0;
    for (size_t i = 0, head; i < length; i += head) {
        int whole = utf8_head(text + i, length - i, &head) == UTF8_WHOLE;
        if (out)
            memcpy(out + n, whole ? (const char *)text + i : UTF8_REPLACEMENT, whole ? head : 3);
        n += whole ? head : 3;
        head = whole ? head : 1;
    }
    return n;
}
