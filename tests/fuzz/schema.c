/* links: text format base */
/* Fuzzing constraints. The first byte chooses what the rest is: a schema, a grammar or a pattern as it stands, or the choices by
 * which a schema or a grammar is written. The second byte steers the walk over the masks.
 *
 * Laws: what compiles has a text and every walk ends within its limit; the text of a schema's walk is JSON; a mask says of each
 * token what trying it says, or of each short one; a state that was copied goes the same way. Walks of ambiguous
 * grammars stop after a while: the masks are right, but the instrumentation makes them some forty times slower. */
#include "text/schema/schema.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/rng.h"
#include "format/gguf.h"
#include "schema_writer.h"
#include "text/constraint/inner.h"
#include "text/grammar/gbnf.h"
#include "text/regex/regex.h"
#include "text/tokenizer/tokenizer.h"

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

/* ---- grammars --------------------------------------------------------------------------------------------------------------------- */

static void gbnf_item(struct schema_writer *w)
{
    static const char *const items[] = {"\"a\"", "\"bc\"", "[a-c]", "[^a]", "\"\"",  "\"\xC3\xA9\"",
                                        ".",     "x",      "y",     "root", "[0-9]", NULL};
    static const char *const repeats[] = {"",    "",      "",     "*",       "+",       "?",
                                          "{2}", "{0,3}", "{2,}", "{17,40}", "{0,500}", NULL};
    if (w->depth < 5 && schema_choice(w, 4) == 0) {
        w->depth++;
        schema_put(w, "(");
        for (unsigned i = 0, n = 1 + schema_choice(w, 3); i < n; i++) {
            schema_put(w, i ? (schema_choice(w, 2) ? " | " : " ") : "");
            gbnf_item(w);
        }
        schema_put(w, ")");
        w->depth--;
    } else {
        schema_put(w, schema_pick(w, items));
    }
    schema_put(w, schema_pick(w, repeats));
    schema_put(w, " ");
}

static void whole_gbnf(struct schema_writer *w)
{
    static const char *const heads[] = {"root ::= ", "\nx ::= ", "\ny ::= "};
    for (int r = 0; r < 3; r++) {
        schema_put(w, heads[r]);
        for (unsigned i = 0, n = 1 + schema_choice(w, 4); i < n; i++) {
            gbnf_item(w);
            schema_put(w, schema_choice(w, 4) == 0 && i + 1 < n ? "| " : "");
        }
    }
    schema_put(w, "\n");
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
        e = schema_value(s, "");
        schema_close(s);
    }
    if (grammar_finish(m, &e, 1, &g, &err) == 0)
        constraint_create(&c, trie, g, &how, &err);
    if (!c && !err.text[0])
        fail("refused without a sentence", NULL);
    return c;
}

/* Where all tokens are too much work, only those of some bytes at most are looked at (constraints.md 8); of these the mask says what trying
 * says all the same. */
static int is_looked_at(const struct constraint *c, int32_t token)
{
    size_t length = 0;
    tokenizer_piece(tokenizer, token, 0, &length);
    return length <= c->masks.longest || !bit_of(trie->is_text, (uint32_t)token);
}

static void try_every_token(const struct constraint *c, const struct constraint_state *s,
                            struct constraint_state *spare)
{
    for (int32_t t = 0; t < n_vocab; t++) {
        struct error err = {0};
        constraint_copy(spare, s);
        int accepted = constraint_accept(spare, t, &err) == 0;
        if (allowed[t] ? !accepted : accepted && is_looked_at(c, t)) {
            fprintf(stderr, "token %d: the mask says %d\n", t, allowed[t]);
            fail("a mask differs from trying", &err);
        }
    }
}

/* Too ambiguous, or too deep: an error that names the reason, and the answer fails. */
static int is_limit(const struct error *err) { return strstr(err->text, "ambiguous") || strstr(err->text, "MiB"); }

/* The limit of work of a mask, also of one that is refused: about 0.4 s, in any number of pieces. */
#define MOST_WORK (400 * CONSTRAINT_MS)

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
    int in_small_pieces = 0; /* then the limit may cut the text: constraints.md 8 */
    for (int step = 0; left > 0 && !constraint_finished(s); left--, step++) {
        int count = constraint_mask(s, close ? left : 1 << 20, allowed, &err);
        in_small_pieces |= c->masks.longest != MASK_ANY_LENGTH;
        if (constraint_work(c) > MOST_WORK) {
            fprintf(stderr, "%llu units of work\n", (unsigned long long)constraint_work(c));
            fail("a mask takes too much work", &err);
        }
        if ((count <= 0 && is_limit(&err)) || clock_seconds() - begun > 1)
            goto done;
        if (count <= 0)
            fail("no mask", &err);
        if (!close && step % 8 == (int)(seed % 8))
            try_every_token(c, s, spare);
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
    if (close && !constraint_complete(s) && !in_small_pieces)
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
    static struct schema_writer w;
    load();
    if (size < 2)
        return 0;
    unsigned kind = data[0] % KINDS, strict = data[0] / KINDS % 2, close = data[0] / KINDS / 2 % 2;
    uint64_t seed = data[1];
    w.data = data + 2;
    w.n = size - 2;
    w.at = w.length = 0;
    w.depth = 0;
    if (kind == WRITTEN_SCHEMA)
        schema_any_keywords(&w);
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
