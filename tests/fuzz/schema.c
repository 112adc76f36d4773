/* links: text format base */
/* Fuzzing constraints. The first byte chooses what the rest is: a schema, a grammar or a pattern as it stands, or the choices by
 * which a schema or a grammar is written. The second byte steers the walk over the masks.
 *
 * Laws: what compiles has a text and every walk ends within its limit; the text of a schema's walk is JSON; a mask says of each
 * token what trying it says; a state that was copied goes the same way. Walks of ambiguous grammars stop after a while: the masks
 * are right, but the instrumentation makes them some forty times slower. */
#include "text/schema.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/rng.h"
#include "format/gguf.h"
#include "text/constraint.h"
#include "text/gbnf.h"
#include "text/regex.h"
#include "text/tokenizer.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct tokenizer *tokenizer;
static struct token_trie *trie;
static uint8_t *allowed;
static int32_t n_vocab;

static void fail(const char *what, const struct error *err)
{
    fprintf(stderr, "law broken: %s: %s\n", what, err ? err->text : "");
    abort();
}

static void load(void)
{
    struct error err = {0};
    struct gguf *g;
    if (tokenizer)
        return;
    if (gguf_open(&g, "models/ember/ember.gguf", &err) || tokenizer_create(&tokenizer, g, NULL, &err) ||
        token_trie_create(&trie, tokenizer, &err))
        fail("the embedded model", &err);
    gguf_close(g);
    n_vocab = tokenizer_n_vocab(tokenizer);
    allowed = malloc((size_t)n_vocab);
}

/* ---- writing ---------------------------------------------------------------------------------------------------------------------- */

struct writer {
    const uint8_t *data;
    size_t n, at;
    char text[1 << 14];
    size_t length;
    int depth;
};

static unsigned choice(struct writer *w, unsigned n) { return w->at < w->n ? w->data[w->at++] % n : 0; }

static void put(struct writer *w, const char *text)
{
    size_t n = strlen(text);
    if (w->length + n < sizeof w->text) {
        memcpy(w->text + w->length, text, n);
        w->length += n;
    }
}

static const char *pick(struct writer *w, const char *const *list)
{
    unsigned n = 0;
    while (list[n])
        n++;
    return list[choice(w, n)];
}

static void schema(struct writer *w);

static void list_of_schemas(struct writer *w)
{
    put(w, "[");
    for (unsigned i = 0, n = 1 + choice(w, 3); i < n; i++) {
        if (i)
            put(w, ",");
        schema(w);
    }
    put(w, "]");
}

static void keyword(struct writer *w)
{
    static const char *const numbers[] = {"0",   "1",      "2",   "3",   "5", "10", "-3",
                                          "2.5", "-0.125", "1e2", "100", "7", NULL};
    static const char *const counts[] = {"minLength",     "maxLength",     "minItems", "maxItems",
                                         "minProperties", "maxProperties", NULL};
    static const char *const bounds[] = {"minimum",          "maximum",    "exclusiveMinimum",
                                         "exclusiveMaximum", "multipleOf", NULL};
    static const char *const types[] = {"\"string\"",
                                        "\"integer\"",
                                        "\"number\"",
                                        "\"boolean\"",
                                        "\"null\"",
                                        "\"array\"",
                                        "\"object\"",
                                        "[\"string\",\"null\"]",
                                        "[\"integer\",\"array\"]",
                                        NULL};
    static const char *const patterns[] = {"^a+$",   "b|c",   "^[a-z]{2,4}$", "^(x|yz)*$", "\\\\d{3}",
                                           "^.{2}$", "a.*b$", "^$",           "[^a]",      NULL};
    static const char *const formats[] = {"date",     "time",  "uuid",    "ipv4", "hostname",
                                          "duration", "email", "unknown", NULL};
    static const char *const values[] = {"1",       "\"a\"", "null", "true",           "[1,2]", "{\"a\":1}",
                                         "\"abc\"", "2.50",  "-0",   "\"\\u00e9\\n\"", NULL};
    static const char *const groups[] = {"anyOf", "oneOf", "allOf", "prefixItems", NULL};
    static const char *const refs[] = {"#", "#/$defs/a", "#/properties/a", "#/$defs/b", "#/items", NULL};
    static const char *const names[] = {"a", "b", "ab", "\\u00e9\\\"", "c d", NULL};
    static const char *const singles[] = {"items",         "additionalProperties", "not", "if",
                                          "propertyNames", "unevaluatedItems",     NULL};
    char item[200];
    switch (choice(w, 13)) {
    case 0:
        snprintf(item, sizeof item, "\"type\":%s", pick(w, types));
        put(w, item);
        break;
    case 1:
        snprintf(item, sizeof item, "\"%s\":%u", pick(w, counts), choice(w, 6));
        put(w, item);
        break;
    case 2:
        snprintf(item, sizeof item, "\"%s\":%s", pick(w, bounds), pick(w, numbers));
        put(w, item);
        break;
    case 3:
        snprintf(item, sizeof item, "\"pattern\":\"%s\"", pick(w, patterns));
        put(w, item);
        break;
    case 4:
        snprintf(item, sizeof item, "\"format\":\"%s\"", pick(w, formats));
        put(w, item);
        break;
    case 5:
        snprintf(item, sizeof item, "\"enum\":[%s,%s]", pick(w, values), pick(w, values));
        put(w, item);
        break;
    case 6:
        snprintf(item, sizeof item, "\"const\":%s", pick(w, values));
        put(w, item);
        break;
    case 7:
        snprintf(item, sizeof item, "\"%s\":", pick(w, groups));
        put(w, item);
        list_of_schemas(w);
        break;
    case 8:
        snprintf(item, sizeof item, "\"$ref\":\"%s\"", pick(w, refs));
        put(w, item);
        break;
    case 9:
    case 10:
        put(w, "\"properties\":{");
        for (unsigned i = 0, n = 1 + choice(w, 3); i < n; i++) {
            snprintf(item, sizeof item, "%s\"%s\":", i ? "," : "", names[(i + choice(w, 2)) % 5]);
            put(w, item);
            schema(w);
        }
        snprintf(item, sizeof item, "},\"required\":[\"%s\"]", pick(w, names));
        put(w, item);
        break;
    case 11:
        snprintf(item, sizeof item, "\"patternProperties\":{\"%s\":", pick(w, patterns));
        put(w, item);
        schema(w);
        put(w, "}");
        break;
    default:
        snprintf(item, sizeof item, "\"%s\":", pick(w, singles));
        put(w, item);
        schema(w);
    }
}

static void schema(struct writer *w)
{
    if (w->depth > 5 || choice(w, 12) == 0) {
        put(w, choice(w, 5) ? "true" : "false");
        return;
    }
    w->depth++;
    put(w, "{");
    for (unsigned i = 0, n = choice(w, 4); i < n; i++) {
        if (i)
            put(w, ",");
        keyword(w);
    }
    put(w, "}");
    w->depth--;
}

static void whole_schema(struct writer *w)
{
    put(w, "{\"$defs\":{\"a\":");
    schema(w);
    put(w, ",\"b\":");
    schema(w);
    put(w, "}");
    for (unsigned i = 0, n = 1 + choice(w, 4); i < n; i++) {
        put(w, ",");
        keyword(w);
    }
    put(w, "}");
}

static void gbnf_item(struct writer *w)
{
    static const char *const items[] = {"\"a\"", "\"bc\"", "[a-c]", "[^a]", "\"\"",  "\"\xC3\xA9\"",
                                        ".",     "x",      "y",     "root", "[0-9]", NULL};
    static const char *const repeats[] = {"",    "",      "",     "*",       "+",       "?",
                                          "{2}", "{0,3}", "{2,}", "{17,40}", "{0,500}", NULL};
    if (w->depth < 5 && choice(w, 4) == 0) {
        w->depth++;
        put(w, "(");
        for (unsigned i = 0, n = 1 + choice(w, 3); i < n; i++) {
            put(w, i ? (choice(w, 2) ? " | " : " ") : "");
            gbnf_item(w);
        }
        put(w, ")");
        w->depth--;
    } else {
        put(w, pick(w, items));
    }
    put(w, pick(w, repeats));
    put(w, " ");
}

static void whole_gbnf(struct writer *w)
{
    static const char *const heads[] = {"root ::= ", "\nx ::= ", "\ny ::= "};
    for (int r = 0; r < 3; r++) {
        put(w, heads[r]);
        for (unsigned i = 0, n = 1 + choice(w, 4); i < n; i++) {
            gbnf_item(w);
            put(w, choice(w, 4) == 0 && i + 1 < n ? "| " : "");
        }
    }
    put(w, "\n");
}

/* ---- laws ------------------------------------------------------------------------------------------------------------------------- */

enum { RAW_SCHEMA, RAW_GBNF, RAW_REGEX, WRITTEN_SCHEMA, WRITTEN_GBNF, KINDS };

static struct constraint *compile(unsigned kind, const char *text, size_t n, int close, int strict)
{
    struct error err = {0};
    struct grammar_maker *m = grammar_begin(NULL);
    struct grammar *g = NULL;
    struct constraint *c = NULL;
    struct constraint_options how = {.close_at_limit = close};
    grammar_expr e = 0;
    if (kind == RAW_GBNF || kind == WRITTEN_GBNF) {
        e = gbnf_parse(m, text, n, tokenizer);
    } else if (kind == RAW_REGEX) {
        e = regex_parse(m, text, n, strict);
    } else {
        struct schema *s;
        struct schema_options o = {.strict = strict};
        if (schema_open(&s, m, text, n, &o, &err)) {
            grammar_abandon(m);
            return NULL;
        }
        const struct schema_property *p;
        schema_properties(s, "", &p);
        schema_types(s, "");
        e = schema_value(s, "");
        schema_close(s);
    }
    if (grammar_finish(m, &e, 1, &g, &err) == 0)
        constraint_create(&c, trie, g, &how, &err);
    if (!c && !err.text[0])
        fail("refused without a sentence", NULL);
    return c;
}

static void try_every_token(const struct constraint_state *s, struct constraint_state *spare)
{
    for (int32_t t = 0; t < n_vocab; t++) {
        struct error err = {0};
        constraint_copy(spare, s);
        if (allowed[t] != (constraint_accept(spare, t, &err) == 0)) {
            fprintf(stderr, "token %d: the mask says %d\n", t, allowed[t]);
            fail("a mask differs from trying", &err);
        }
    }
}

/* Too ambiguous, or too deep: said, and the answer fails. */
static int is_limit(const struct error *err) { return strstr(err->text, "ambiguous") || strstr(err->text, "MiB"); }

static void walk(struct constraint *c, int is_schema, int close, uint64_t seed)
{
    struct error err = {0};
    struct constraint_state *s, *spare;
    static char text[1 << 16];
    size_t n = 0, length;
    double begun = clock_seconds();
    int64_t left = close ? constraint_shortest(c) : 0;
    if (left == INT64_MAX) /* some 67 million tokens, and more */
        return;
    left = close ? left + 1 + (int64_t)(seed % 40) : 60;
    if (left > 2000 || constraint_begin(&s, c, &err))
        return;
    if (constraint_begin(&spare, c, &err))
        fail("a second state", &err);
    for (int step = 0; left > 0 && !constraint_finished(s); left--, step++) {
        int count = constraint_mask(s, close ? left : 1 << 20, allowed, &err);
        if ((count <= 0 && is_limit(&err)) || clock_seconds() - begun > 1)
            goto done;
        if (count <= 0)
            fail("no mask", &err);
        if (!close && step % 8 == (int)(seed % 8))
            try_every_token(s, spare);
        int skip = (int)(rng_u64(seed, (uint64_t)step, 0, 0) % (uint64_t)count);
        int32_t token = 0;
        while (!allowed[token] || skip-- > 0)
            token++;
        if (constraint_accept(s, token, &err)) {
            if (is_limit(&err))
                goto done;
            fail("an allowed token is not accepted", &err);
        }
        const char *piece = tokenizer_piece(tokenizer, token, 0, &length);
        if (!tokenizer_is_end(tokenizer, token) && n + length < sizeof text) {
            memcpy(text + n, piece, length);
            n += length;
        }
    }
    if (close && !constraint_complete(s))
        fail("the limit cut the text", NULL);
    if (is_schema && constraint_complete(s) && n + 256 < sizeof text) {
        json_error_t why;
        json_t *value = json_loadb(text, n, JSON_DECODE_ANY | JSON_ALLOW_NUL, &why);
        if (!value) {
            fprintf(stderr, "%.*s\n", (int)n, text);
            fail(why.text, NULL);
        }
        json_decref(value);
    }
done:
    constraint_end(s);
    constraint_end(spare);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct writer w;
    load();
    if (size < 2)
        return 0;
    unsigned kind = data[0] % KINDS, strict = data[0] / KINDS % 2, close = data[0] / KINDS / 2 % 2;
    uint64_t seed = data[1];
    w = (struct writer){.data = data + 2, .n = size - 2};
    if (kind == WRITTEN_SCHEMA)
        whole_schema(&w);
    else if (kind == WRITTEN_GBNF)
        whole_gbnf(&w);
    const char *text = kind < WRITTEN_SCHEMA ? (const char *)data + 2 : w.text;
    size_t n = kind < WRITTEN_SCHEMA ? size - 2 : w.length;
    struct constraint *c = compile(kind, text, n, (int)close, (int)strict);
    if (c)
        walk(c, kind == RAW_SCHEMA || kind == WRITTEN_SCHEMA, (int)close, seed);
    constraint_destroy(c);
    return 0;
}
