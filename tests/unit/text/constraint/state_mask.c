/* links: text format base */
/* Masks in pieces: whatever the pieces are, the mask, its error and the state are those of the mask that is made at once by a constraint
 * of its own; a state's unfinished mask may be given up, and others may go on in the meantime. And work is counted: no piece goes far
 * beyond what it was given. */
#include "base/error.h"
#include "base/rng.h"
#include "text/answer/answer.h"
#include "text/constraint/completion_inner.h"
#include "text/constraint/inner.h"
#include "text/grammar/gbnf.h"
#include "text/grammar/grammar.h"
#include "text_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct tokenizer *tokenizer;
static struct token_trie *trie;
static uint8_t *allowed[2];
static size_t n_vocab;
static uint64_t n_again;

static int open_vocabulary(const char *path)
{
    struct error err = {0};
    tokenizer = load_file(path);
    if (!tokenizer || token_trie_create(&trie, tokenizer, &err))
        return -1;
    n_vocab = (size_t)tokenizer_n_vocab(tokenizer);
    for (int i = 0; i < 2; i++)
        allowed[i] = malloc(n_vocab);
    return 0;
}

static int open_ember(void **state)
{
    (void)state;
    return open_vocabulary(EMBER);
}

static int close_vocabulary(void **state)
{
    (void)state;
    free(allowed[0]);
    free(allowed[1]);
    token_trie_destroy(trie);
    tokenizer_destroy(tokenizer);
    return 0;
}

/* ---- languages ------------------------------------------------------------------------------------------------------------------ */

static const struct language {
    const char *text;
    int lazy; /* reasoning, then free text with a trigger */
} languages[] = {
    {"root ::= \"[\" item (\",\" item)* \"]\"\nitem ::= root | \"\\\"\" [^\"\\\\]{0,40} \"\\\"\" | [0-9]{1,9}", 0},
    {"root ::= word{3,20}\nword ::= [a-zé-ü]{1,12} \" \"?", 0},
    {"root ::= ([^a]{0,500} | \"b\"? ((. ((root{17,40}){17,40}){17,40} | [a-c]) \"a\")) | \"a\"\n", 0},
    {"root ::= (x{3,9} y){2,30} \"c\"\nx ::= \"a\" | \"aa\" | y\ny ::= \"b\"{1,5} | \"ab\" x?\n", 0},
    {"root ::= s s s s s s\ns ::= \"a\"* | \"a\" s \"b\"", 0},
    {"root ::= \"{\" pair (\", \" pair)* \"}\"\npair ::= [a-z]+ \": \" (root | [^,}]*)", 1},
};
enum { LANGUAGES = sizeof languages / sizeof *languages };

static struct constraint *make(const struct language *l)
{
    static const struct constraint_trigger think = {.text = "</think>", .n = 8, .entry = -1, .next = 1},
                                           call[2] = {{.text = "<call>", .n = 6, .entry = 0, .next = 1},
                                                      {.text = "{", .n = 1, .at_start = 1, .entry = 0, .next = 1}};
    const struct constraint_phase phase[2] = {{&think, 1, 1}, {call, 2, 1}};
    struct constraint_options how = {.phase = phase, .n_phase = l->lazy ? 2 : 0, .close_at_limit = 1};
    struct error err = {0};
    struct grammar *g;
    struct constraint *c;
    struct grammar_maker *m = grammar_begin(NULL);
    grammar_expr e = gbnf_parse(m, l->text, strlen(l->text), tokenizer);
    assert_int_equal(grammar_finish(m, &e, 1, &g, &err), 0);
    assert_int_equal(constraint_create(&c, trie, g, &how, &err), 0);
    return c;
}

static struct constraint_state *begin(struct constraint *c)
{
    struct constraint_state *s;
    struct error err = {0};
    assert_int_equal(constraint_begin(&s, c, &err), 0);
    return s;
}

/* Tokens that the shortest text needs, its end included, and some more. */
static int64_t limit_for(const struct constraint *c, uint64_t more)
{
    int64_t shortest = constraint_shortest(c);
    return (shortest < 1000 ? shortest : 1000) + 1 + (int64_t)more;
}

static int32_t allowed_at(const uint8_t *mask, uint64_t skip)
{
    int32_t id = 0;
    while (!mask[id] || skip-- > 0)
        id++;
    return id;
}

/* ---- pieces ---------------------------------------------------------------------------------------------------------------------- */

static int in_pieces(struct constraint *c, struct constraint_state *s, int64_t left, uint64_t work, uint8_t *mask,
                     struct error *err)
{
    memset(mask, 7, n_vocab);
    for (;;) {
        int n = constraint_mask_some(s, left, mask, work, err);
        assert_in_range(constraint_work(c), 0, work + CONSTRAINT_STEP);
        if (n != CONSTRAINT_AGAIN)
            return n;
        n_again++;
        assert_int_equal(mask[0], 7);
        assert_int_equal(mask[n_vocab - 1], 7);
    }
}

static void same(int n, int again, const struct error *err, const struct error *err_again)
{
    if (n != again)
        print_error("%s | %s\n", err->text, err_again->text);
    assert_int_equal(n, again);
    assert_int_equal(err->code, err_again->code);
    assert_string_equal(err->text, err_again->text);
    if (n > 0)
        assert_memory_equal(allowed[0], allowed[1], n_vocab);
}

/* A walk through a language: the same masks, and the same states behind the same tokens. */
static void walk(const struct language *l, uint64_t seed, uint64_t work)
{
    struct constraint *c[2] = {make(l), make(l)};
    struct constraint_state *s[2] = {begin(c[0]), begin(c[1])};
    assert_int_equal(constraint_shortest(c[0]), constraint_shortest(c[1]));
    int64_t left = limit_for(c[0], seed * 7 % 25);
    for (; left > 0 && !constraint_finished(s[0]); left--) {
        struct error err[2] = {{0}, {0}};
        int n[2] = {in_pieces(c[0], s[0], left, work, allowed[0], &err[0]),
                    constraint_mask(s[1], left, allowed[1], &err[1])};
        same(n[0], n[1], &err[0], &err[1]);
        if (n[0] <= 0)
            break;
        int32_t id = allowed_at(allowed[0], rng_u64(5, seed, (uint64_t)left, 0) % (uint64_t)n[0]);
        for (int i = 0; i < 2; i++)
            assert_int_equal(constraint_accept(s[i], id, &err[i]), 0);
        assert_int_equal(constraint_forced(s[0]), constraint_forced(s[1]));
        assert_int_equal(constraint_complete(s[0]), constraint_complete(s[1]));
        assert_int_equal(constraint_phase_of(s[0]), constraint_phase_of(s[1]));
    }
    for (int i = 0; i < 2; i++) {
        constraint_end(s[i]);
        constraint_destroy(c[i]);
    }
}

static void test_pieces(void **state)
{
    (void)state;
    static const uint64_t pieces[] = {0, 1, 37, 1000, 20000, CONSTRAINT_MS};
    n_again = 0;
    for (size_t l = 0; l < LANGUAGES; l++)
        for (uint64_t i = 0; i < sizeof pieces / sizeof *pieces; i++)
            for (uint64_t seed = 0; seed < 3; seed++)
                walk(&languages[l], i * 3 + seed, pieces[i]);
    assert_in_range(n_again, 100000, UINT64_MAX); /* they were in pieces */
}

/* An unfinished mask that is given up: for another limit, another token, or the end of its state. */
static void test_given_up(void **state)
{
    (void)state;
    for (size_t l = 0; l < LANGUAGES; l++) {
        struct constraint *c = make(&languages[l]), *fresh = make(&languages[l]);
        struct constraint_state *other = begin(fresh);
        int64_t left = limit_for(c, 2);
        struct error err[2] = {{0}, {0}};
        int n = constraint_mask(other, left, allowed[1], &err[1]);
        for (uint64_t pieces = 1; pieces < 40; pieces += 3) {
            struct constraint_state *s = begin(c);
            for (uint64_t i = 0; i < pieces; i++)
                constraint_mask_some(s, left + 1, allowed[0], 3, &err[0]);
            err[0] = (struct error){0};
            if (pieces % 2)
                same(in_pieces(c, s, left, 100, allowed[0], &err[0]), n, &err[0], &err[1]);
            else
                same(constraint_mask(s, left, allowed[0], &err[0]), n, &err[0], &err[1]);
            for (uint64_t i = 0; i < pieces && n > 0; i++)
                constraint_mask_some(s, left + 2, allowed[0], 3, &err[0]);
            if (n > 0)
                assert_int_equal(constraint_accept(s, allowed_at(allowed[1], pieces % (uint64_t)n), &err[0]), 0);
            constraint_mask_some(s, left, allowed[0], 3, &err[0]);
            constraint_end(s);
        }
        constraint_end(other);
        constraint_destroy(fresh);
        constraint_destroy(c);
    }
}

/* Answers of one constraint, each asking for a little in turn, as an engine does; they end and begin while others are unfinished. */
static void test_interleaved(void **state)
{
    (void)state;
    enum { MANY = 3, ROUNDS = 3000 };
    for (size_t l = 0; l < LANGUAGES; l++) {
        struct constraint *c = make(&languages[l]), *alone = make(&languages[l]);
        struct constraint_state *s[MANY], *twin[MANY];
        int64_t left[MANY];
        uint64_t masks = 0;
        for (int i = 0; i < MANY; i++)
            s[i] = NULL;
        for (uint64_t round = 0; round < ROUNDS; round++) {
            int i = (int)(rng_u64(9, round, 0, 0) % MANY);
            struct error err[2] = {{0}, {0}};
            if (!s[i]) {
                s[i] = begin(c);
                twin[i] = begin(alone);
                left[i] = limit_for(c, round % 9);
            }
            int n = constraint_mask_some(s[i], left[i], allowed[0], 200u << round % 6, &err[0]);
            int over = round % 97 == 0; /* the client disconnected */
            if (n != CONSTRAINT_AGAIN) {
                masks++;
                same(n, constraint_mask(twin[i], left[i], allowed[1], &err[1]), &err[0], &err[1]);
                int32_t id = n > 0 ? allowed_at(allowed[0], rng_u64(11, round, 0, 0) % (uint64_t)n) : 0;
                over |= n <= 0 || constraint_accept(s[i], id, &err[0]) || constraint_accept(twin[i], id, &err[1]) ||
                        --left[i] <= 0 || constraint_finished(s[i]);
            }
            if (over) {
                constraint_end(s[i]);
                constraint_end(twin[i]);
                s[i] = NULL;
            }
        }
        assert_in_range(masks, 20, ROUNDS);
        for (int i = 0; i < MANY; i++)
            if (s[i]) {
                constraint_end(s[i]);
                constraint_end(twin[i]);
            }
        constraint_destroy(alone);
        constraint_destroy(c);
    }
}

/* ---- work ------------------------------------------------------------------------------------------------------------------------ */

static struct constraint *from_schema(const char *text)
{
    struct constraint *c;
    struct error err = {0};
    struct value_want want = {.kind = VALUE_SCHEMA, .text = text, .n = strlen(text)};
    assert_int_equal(value_constraint(&c, tokenizer, trie, &want, NULL, NULL, &err), 0);
    return c;
}

/* Letters of all scripts make each byte a class of its own, and lengths make each count a place of its own. */
static void test_work(void **state)
{
    (void)state;
    static const char *const schemas[] = {
        "{\"type\":\"string\",\"pattern\":\"^\\\\p{L}\",\"maxLength\":50}",
        "{\"type\":\"string\",\"pattern\":\"^\\\\p{Lu}\",\"maxLength\":100}",
        "{\"type\":\"string\",\"pattern\":\"(\\\\p{L}\\\\w|é|(aa){1,500}|\\\\p{L}\\\\p{L})\",\"maxLength\":50}",
        "{\"type\":\"string\",\"format\":\"hostname\"}"};
    for (size_t i = 0; i < sizeof schemas / sizeof *schemas; i++)
        for (uint64_t seed = 0; seed < 2; seed++) {
            struct constraint *c = from_schema(schemas[i]);
            struct constraint_state *s = begin(c);
            int64_t left = seed % 2 ? 1 << 20 : limit_for(c, 5 + seed);
            for (int step = 0; step < 15 && !constraint_finished(s); step++, left--) {
                struct error err = {0};
                int n = constraint_mask(s, left, allowed[0], &err);
                assert_in_range(n, 1, n_vocab);
                assert_in_range(constraint_work(c), 0, CONSTRAINT_MS); /* of 4,096 tokens */
                assert_int_equal(
                    constraint_accept(s, allowed_at(allowed[0], rng_u64(2, seed, (uint64_t)left, 0) % (uint64_t)n),
                                      &err),
                    0);
            }
            constraint_end(s);
            constraint_destroy(c);
        }
}

/* Near the limit each place in names that still have to come is counted once a mask: for the distance, and for the tokens that keep it. */
static void test_counted_once(void **state)
{
    (void)state;
    char text[4096];
    size_t n = (size_t)sprintf(text, "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[");
    for (int i = 0; i < 24; i++)
        n += (size_t)sprintf(text + n, "%s\"the_name_of_property_%d\"", i ? "," : "", i);
    n += (size_t)sprintf(text + n, "],\"properties\":{");
    for (int i = 0; i < 24; i++)
        n += (size_t)sprintf(text + n, "%s\"the_name_of_property_%d\":{\"enum\":[\"%d\",true]}", i ? "," : "", i, i);
    sprintf(text + n, "}}");
    struct constraint *c = from_schema(text);
    struct constraint_state *s = begin(c);
    for (int64_t left = limit_for(c, 0); !constraint_finished(s); left--) {
        struct error err = {0};
        int chosen = constraint_mask(s, left, allowed[0], &err);
        assert_in_range(chosen, 1, n_vocab);
        assert_in_range(constraint_work(c), 0, 56000); /* 86,336 where some were counted twice */
        assert_int_equal(constraint_accept(s, allowed_at(allowed[0], (uint64_t)left % (uint64_t)chosen), &err), 0);
    }
    constraint_end(s);
    constraint_destroy(c);
}

/* Hundreds of strings with lengths of their own: what one token can be of a string is found out once, not once for each. */
static void test_items_alike(void **state)
{
    (void)state;
    static char text[300 * 64];
    size_t n = (size_t)sprintf(text, "{\"anyOf\":[");
    for (int i = 0; i < 300; i++)
        n += (size_t)sprintf(text + n, "%s{\"type\":\"string\",\"minLength\":%d,\"maxLength\":%d}", i ? "," : "", i,
                             i + 300);
    sprintf(text + n, "]}");
    struct constraint *c = from_schema(text);
    struct constraint_state *s = begin(c);
    for (int64_t left = 20; left > 0 && !constraint_finished(s); left--) {
        struct error err = {0};
        int chosen = constraint_mask(s, left, allowed[0], &err);
        assert_in_range(chosen, 1, n_vocab);
        assert_in_range(constraint_work(c), 0, 20 * CONSTRAINT_MS); /* 6,429 where each string was looked at */
        assert_int_equal(constraint_accept(s, allowed_at(allowed[0], (uint64_t)left % (uint64_t)chosen), &err), 0);
    }
    constraint_end(s);
    constraint_destroy(c);
}

/* Steps that take long from small sets, which a fuzzer found: refused before they have taken a tenth of a second. */
static void test_ambiguous(void **state)
{
    (void)state;
    static const struct language hostile[] = {
        {"root ::= ([^a]* | (([^a] [a-c] ((root{2}){17,40} [^a]{2,} (root+)?)+){2} | \"a\" \"a\") \"a\") | \"a\"\n", 0},
        {"root ::= ([^a]{0,500} | \"é\"? (\"bc\"? (\"a\" (root{17,40}){17,40}){17,40})) | \"a\"\n", 0}};
    for (size_t i = 0; i < 2; i++)
        for (uint64_t seed = 0; seed < 12; seed++) {
            struct constraint *c = make(&hostile[i]);
            struct constraint_state *s = begin(c);
            int64_t left = limit_for(c, seed);
            for (int n = 1; n > 0 && left > 0 && !constraint_finished(s); left--) {
                struct error err = {0};
                n = constraint_mask(s, left, allowed[0], &err);
                assert_in_range(constraint_work(c), 0, 60 * CONSTRAINT_MS);
                assert_true(n > 0 || strstr(err.text, "too ambiguous"));
                if (n > 0)
                    assert_int_equal(
                        constraint_accept(s, allowed_at(allowed[0], rng_u64(2, seed, (uint64_t)left, 0) % (uint64_t)n),
                                          &err),
                        0);
            }
            constraint_end(s);
            constraint_destroy(c);
        }
}

/* Each byte that may come next leads to more positions than are followed: the text is at fault, and is told so. */
static void test_no_byte_goes_on(void **state)
{
    (void)state;
    enum { LENGTHS = 3000 };
    static char text[LENGTHS * 40 + 100];
    size_t n = (size_t)sprintf(text, "{\"anyOf\":[");
    for (int i = 0; i < LENGTHS; i++)
        n += (size_t)sprintf(text + n, "%s{\"type\":\"string\",\"maxLength\":%d}", i ? "," : "", i + 1);
    sprintf(text + n, "]}");
    struct constraint *c = from_schema(text);
    struct constraint_state *s = begin(c);
    struct error err = {0};
    int chosen = 1;
    for (int step = 0; step < 4 && chosen > 0; step++)
        if ((chosen = constraint_mask(s, 1 << 20, allowed[0], &err)) > 0)
            assert_int_equal(constraint_accept(s, allowed_at(allowed[0], 0), &err), 0);
    assert_int_equal(err.code, ERR_INPUT);
    assert_non_null(strstr(err.text, "too ambiguous"));
    constraint_end(s);
    constraint_destroy(c);
}

/* Ends that take too much counting, or too much space to count: bounds stand, and the text is complete at its limit. What masks are does
 * not depend on what was asked for before. */
static void test_in_time(void **state)
{
    (void)state;
#define LONG_PATTERN "{\"type\":\"string\",\"pattern\":\"\\\\d\",\"minLength\":100}"
#define LONG_NUMBER  "{\"type\":\"number\",\"minimum\":1e300}"
    static const char *const schemas[] = {
        "{\"properties\":{\"p0\":{\"properties\":{\"p1\":" LONG_PATTERN
        "}},\"p2\":{\"type\":\"string\",\"minLength\":100}},"
        "\"required\":[\"p0\",\"p2\"],\"type\":\"object\"}",
        "{\"prefixItems\":[{\"properties\":{\"p0\":{\"properties\":{\"p1\":" LONG_PATTERN
        "}},\"p2\":{\"type\":\"string\","
        "\"minLength\":300}},\"required\":[\"p0\",\"p2\"],\"type\":\"object\"}],\"type\":\"array\"}",
        "{\"properties\":{\"a\":{\"type\":\"string\"},\"b\":" LONG_NUMBER "},\"required\":[\"a\"],\"type\":\"object\"}",
        "{\"items\":{\"properties\":{\"a\":" LONG_NUMBER
        "},\"required\":[\"a\"],\"type\":\"object\"},\"type\":\"array\"}",
        LONG_NUMBER};
    static const int64_t limits[] = {20, 60, 100, 300, 320};
    for (size_t i = 0; i < sizeof schemas / sizeof *schemas; i++) {
        struct constraint *experienced = from_schema(schemas[i]);
        assert_in_range(constraint_shortest(experienced), 1, 310);
        for (uint64_t walk = 0; walk < 10; walk++) {
            struct constraint *c[2] = {from_schema(schemas[i]), experienced};
            struct constraint_state *s[2] = {begin(c[0]), begin(c[1])};
            int64_t left = limits[walk % 5] > constraint_shortest(c[0]) ? limits[walk % 5] : limit_for(c[0], walk);
            for (; left > 0 && !constraint_finished(s[0]); left--) {
                struct error err[2] = {{0}, {0}};
                int n[2];
                for (int k = 0; k < 2; k++)
                    n[k] = constraint_mask(s[k], left, allowed[k], &err[k]);
                same(n[0], n[1], &err[0], &err[1]);
                assert_in_range(n[0], 1, n_vocab);
                int32_t id = allowed_at(allowed[0], rng_u64(4, walk, (uint64_t)left, i) % (uint64_t)n[0]);
                for (int k = 0; k < 2; k++)
                    assert_int_equal(constraint_accept(s[k], id, &err[k]), 0);
            }
            assert_true(constraint_complete(s[0]));
            for (int k = 0; k < 2; k++)
                constraint_end(s[k]);
            constraint_destroy(c[0]);
        }
        constraint_destroy(experienced);
    }
}

/* Items that may be empty, which may come often: that they have come once more without a byte is no position of its own, of which each
 * byte would lead to forty. A fuzzer found them: 253 and 72 million steps for one mask. */
static void test_empty_items(void **state)
{
    (void)state;
    static const struct language hostile[] = {
        {"root ::= ([^a]{0,500} | \"é\"? (\"bc\"? (\"a\" root){17,40}){17,40}){17,40} | [a-c]{17,40}\n", 0},
        {"root ::= ([^a]{0,500} | \"é\"? ((. | [a-c] [a-c]) root{17,40}){17,40}){17,40} [a-c]\n", 0}};
    for (size_t i = 0; i < 2; i++) {
        struct constraint *c = make(&hostile[i]);
        uint64_t most = 0;
        for (uint64_t seed = 0; seed < 12; seed++) {
            struct constraint_state *s = begin(c);
            for (int64_t left = limit_for(c, seed); left > 0 && !constraint_finished(s); left--) {
                struct error err = {0};
                int n = constraint_mask(s, left, allowed[0], &err);
                most = constraint_work(c) > most ? constraint_work(c) : most;
                assert_in_range(n, 1, n_vocab);
                int32_t id = allowed_at(allowed[0], rng_u64(2, seed, (uint64_t)left, 0) % (uint64_t)n);
                assert_int_equal(constraint_accept(s, id, &err), 0);
            }
            assert_true(constraint_complete(s));
            constraint_end(s);
        }
        assert_in_range(most, 0, 400 * CONSTRAINT_MS);
        constraint_destroy(c);
    }
}

/* Close to the limit, where all tokens are too much work: the text is led along the way to the end, not cut. A fuzzer found it. */
static void test_in_time_all_the_same(void **state)
{
    (void)state;
    static const struct language hostile = {
        "root ::= (\"a\" ((((\"a\"){0,3}){2,} .{17,40}){17,40} | \"a\"{17,40})?){2,} \"bc\" | \"aaa\"\n", 0};
    struct constraint *c = make(&hostile);
    int in_small_pieces = 0;
    for (uint64_t seed = 0; seed < 40; seed++) {
        struct constraint_state *s = begin(c);
        for (int64_t left = limit_for(c, seed); left > 0 && !constraint_finished(s); left--) {
            struct error err = {0};
            int n = constraint_mask(s, left, allowed[0], &err);
            assert_in_range(n, 1, n_vocab);
            assert_in_range(constraint_work(c), 0, 60 * CONSTRAINT_MS);
            in_small_pieces += c->masks.longest != MASK_ANY_LENGTH;
            int32_t id = allowed_at(allowed[0], rng_u64(10, seed, (uint64_t)left, 0) % (uint64_t)n);
            assert_int_equal(constraint_accept(s, id, &err), 0);
        }
        assert_true(constraint_complete(s));
        constraint_end(s);
    }
    assert_in_range(in_small_pieces, 10, 10000);
    constraint_destroy(c);
}

/* A token without the end of a string, if there is one. */
static int32_t inside_string(const uint8_t *mask, uint64_t seed, int n)
{
    int32_t id = 0;
    for (uint64_t i = 0; i < 100; i++) {
        size_t n_text;
        id = allowed_at(mask, rng_u64(6, seed, i, 0) % (uint64_t)n);
        const char *text = tokenizer_piece(tokenizer, id, 1, &n_text);
        if (text && !tokenizer_is_end(tokenizer, id) && !memchr(text, '"', n_text))
            return id;
    }
    return id;
}

/* Counts inside counts, which each letter may be the end of: a walk of the whole vocabulary is too much, and the answer goes on all the
 * same, in the same way whatever was asked for before. */
static void test_counts_of_counts(void **state)
{
    static const char *const schemas[] = {"{\"type\":\"string\",\"pattern\":\"^(\\\\p{L}{1,30} ?){2,60}$\"}",
                                          "{\"type\":\"string\",\"pattern\":\"^(\\\\p{L}{1,60} ?){2,90}$\"}"};
    enum { TOKENS = 20 };
    close_vocabulary(state);
    assert_int_equal(open_vocabulary(TEST_DATA "/tokenizers/vocab/gpt-2.gguf"), 0);
    for (size_t i = 0; i < sizeof schemas / sizeof *schemas; i++) {
        struct constraint *experienced = from_schema(schemas[i]);
        for (uint64_t seed = 0; seed < 2; seed++) {
            struct constraint *c[2] = {from_schema(schemas[i]), experienced};
            struct constraint_state *s[2] = {begin(c[0]), begin(c[1])};
            int64_t left = seed ? TOKENS + (int64_t)seed : 1 << 20;
            for (int step = 0; step < TOKENS && !constraint_finished(s[0]); step++, left--) {
                struct error err[2] = {{0}, {0}};
                int n = constraint_mask(s[0], left, allowed[0], &err[0]);
                same(n, in_pieces(c[1], s[1], left, 50000, allowed[1], &err[1]), &err[0], &err[1]);
                assert_in_range(n, 1, n_vocab);
                assert_in_range(constraint_work(c[0]), 0, 60 * CONSTRAINT_MS);
                int32_t id = inside_string(allowed[0], seed << 32 | (uint64_t)step, n);
                for (int k = 0; k < 2; k++)
                    assert_int_equal(constraint_accept(s[k], id, &err[k]), 0);
            }
            for (int k = 0; k < 2; k++)
                constraint_end(s[k]);
            constraint_destroy(c[0]);
        }
        constraint_destroy(experienced);
    }
    close_vocabulary(state);
    assert_int_equal(open_ember(state), 0);
}

/* ---- collections ------------------------------------------------------------------------------------------------------------------ */

static void accept_text(struct constraint_state *s, const char *text)
{
    struct error err = {0};
    assert_int_equal(constraint_accept_text(s, text, strlen(text), &err), 1);
}

/* Returns the pieces that it took. */
static int collect_all(struct constraint *c, uint32_t **root, size_t n)
{
    int pieces = 0;
    for (int done = 0; !done; pieces++) {
        uint64_t before = c->matcher.meter.done;
        done = matcher_collect(&c->matcher, root, n);
        assert_in_range(done, 0, 1);
        assert_in_range(c->matcher.meter.done - before, 1, CONSTRAINT_STEP);
    }
    return pieces;
}

/* A text that n rules have begun to read, each of which waits for the end of the same rule: the work of collecting its memory,
 * and of finding how far behind it the end is. */
static void work_of_many(int n, uint64_t *collected, uint64_t *weighed)
{
    char *text = malloc(80 * (size_t)n + 80), *to = text + sprintf(text, "s ::= \"'\" [a-z]* \"'\"\nroot ::= r0");
    for (int i = 1; i < n; i++)
        to += sprintf(to, " | r%d", i);
    for (int i = 0; i < n; i++)
        to += sprintf(to, "\nr%d ::= \"(\" s \"%d)\"", i, i);
    struct constraint *c = make(&(struct language){text, 0});
    struct constraint_state *s = begin(c);
    accept_text(s, "('a");
    uint32_t *root = &s->set;
    uint64_t before = c->matcher.meter.done;
    for (int again = 0; again < 2; again++) /* of what was collected too */
        collect_all(c, &root, 1);
    *collected = c->matcher.meter.done - before;
    before = c->matcher.meter.done;
    completion_frame_weight(c->completion, set_at(&c->matcher, s->set)->config[0].frame);
    *weighed = c->matcher.meter.done - before;
    constraint_end(s);
    constraint_destroy(c);
    free(text);
}

/* Both are counted as work, and take time in proportion to what they go through. */
static void test_collections(void **state)
{
    (void)state;
    uint64_t few[2], many[2];
    work_of_many(250, &few[0], &few[1]);
    work_of_many(2000, &many[0], &many[1]);
    for (int i = 0; i < 2; i++) {
        assert_in_range(few[i], 2 * 250, 1 << 20);
        assert_in_range(many[i], 2 * 2000, 12 * few[i]);
    }
}

static const struct language nested = {
    "root ::= \"[\" (item (\",\" item)*)? \"]\"\nitem ::= root | [a-z]+ | \"{\" item \"}\"\n", 0};

static void same_as(struct constraint_state *s, const char *text, int64_t left)
{
    struct constraint *alone = make(&nested);
    struct constraint_state *twin = begin(alone);
    struct error err[2] = {{0}, {0}};
    accept_text(twin, text);
    int n = constraint_mask(twin, left, allowed[1], &err[1]);
    same(constraint_mask(s, left, allowed[0], &err[0]), n, &err[0], &err[1]);
    constraint_end(twin);
    constraint_destroy(alone);
}

/* Texts go on between the pieces of a collection, end, and begin; each is where it would be without. */
static void test_texts_go_on(void **state)
{
    (void)state;
    enum { TEXTS = 4, DEEP = 3000 };
    static char text[TEXTS][2 * DEEP + 100];
    struct constraint *c = make(&nested);
    struct constraint_state *s[TEXTS];
    for (int i = 0; i < TEXTS; i++) {
        s[i] = begin(c);
        for (int k = 0; k < DEEP; k++)
            strcat(text[i], k % (i + 2) ? "[" : "[{");
        accept_text(s[i], text[i]);
    }
    int all_pieces = 0;
    for (int round = 0, pieces = 0; round < 6; round++, pieces = 0) {
        uint32_t *root[TEXTS];
        for (int i = 0; i < TEXTS; i++)
            root[i] = &s[i]->set;
        while (matcher_collect(&c->matcher, root, TEXTS) == 0) {
            static const char *const more[] = {"[", "a,", "{[", "b", "[[[{"};
            int i = pieces++ % TEXTS;
            const char *next = more[(round + pieces) % 5];
            char last = text[i][strlen(text[i]) - 1];
            if (strchr(next[0] == 'a' ? "[," : "[{,", last) && pieces < 40) {
                accept_text(s[i], next);
                strcat(text[i], next);
            }
        }
        all_pieces += pieces;
        masks_forget(&c->masks); /* as memory.c does */
        completion_forget(c->completion);
        memset(c->start, 0, sizeof *c->start);
        for (int i = 0; i < TEXTS; i++)
            same_as(s[i], text[i], i % 2 ? 1 << 20 : 2 * DEEP);
        constraint_end(s[round % TEXTS]);
        s[round % TEXTS] = begin(c);
        strcpy(text[round % TEXTS], "[[{");
        accept_text(s[round % TEXTS], "[[{");
    }
    assert_in_range(all_pieces, 10, 1000);
    for (int i = 0; i < TEXTS; i++)
        constraint_end(s[i]);
    constraint_destroy(c);
}

/* What is known of the way to the end outlives a collection: it need not be found again through a stack of any depth. */
static void test_weights_are_kept(void **state)
{
    (void)state;
    struct constraint *c = make(&nested);
    struct constraint_state *s = begin(c);
    accept_text(s, "[[{[{{[[");
    uint32_t *root = &s->set,
             weight = completion_frame_weight(c->completion, set_at(&c->matcher, s->set)->config[0].frame);
    assert_int_not_equal(weight, 0);
    collect_all(c, &root, 1);
    assert_int_equal(frame_at(&c->matcher, set_at(&c->matcher, s->set)->config[0].frame)->weight_left, weight + 1);
    constraint_end(s);
    constraint_destroy(c);
}

/* Where memory is short a mask collects in pieces like all else that it does, and the steps of other texts do not collect for it. */
static void test_masks_collect_in_pieces(void **state)
{
    (void)state;
    enum { DEEP = 60000, WORK = 20000 };
    struct constraint *c = make(&nested);
    struct constraint_state *s = begin(c), *other = begin(c);
    char *text = malloc(DEEP + 1);
    memset(text, '[', DEEP);
    text[DEEP] = 0;
    c->matcher.capacity = (4 << 20) / 8; /* and no more is to be had */
    c->matcher.most = c->matcher.capacity;
    accept_text(s, text);
    accept_text(other, "[{");
    while (!matcher_low(&c->matcher))
        for (int i = 0; i < 26; i++) {
            struct constraint_state *third = begin(c);
            accept_text(third, (char[]){'[', (char)('a' + i), ',', (char)('a' + c->matcher.used % 26), ',', '[', 0});
            accept_text(third, "[[[[{{{{[[[[[");
            constraint_end(third);
            accept_text(s, "[[[[[[[[");
        }
    uint32_t epoch = c->epoch;
    int collecting = 0, n = CONSTRAINT_AGAIN;
    struct error err = {0};
    while (n == CONSTRAINT_AGAIN) {
        n = constraint_mask_some(s, 1 << 20, allowed[0], WORK, &err);
        assert_in_range(constraint_work(c), 0, 3 * WORK);
        if (c->matcher.collection.active && collecting++ % 8 == 0) {
            accept_text(other, "[");
            assert_int_equal(c->epoch, epoch);
        }
    }
    assert_in_range(collecting, 20, 10000);
    assert_int_equal(c->epoch, epoch + 1);
    assert_in_range(n, 1, n_vocab);
    constraint_end(s);
    constraint_end(other);
    constraint_destroy(c);
    free(text);
}

/* One that has begun and is told that there is more memory makes use of it. */
static void test_memory_grows_during_a_collection(void **state)
{
    (void)state;
    enum { FEW = 4000, MANY = 60000 };
    struct constraint *c = make(&nested);
    struct constraint_state *s = begin(c);
    uint32_t *root = &s->set;
    c->matcher.capacity = (2 << 20) / 8;
    for (int i = 0; i < FEW; i++)
        accept_text(s, "[");
    assert_int_equal(c->matcher.capacity, (2 << 20) / 8);
    assert_int_equal(matcher_collect(&c->matcher, &root, 1), 0);
    for (int i = FEW; i < MANY; i++)
        accept_text(s, "[");
    assert_in_range(c->matcher.capacity, (4 << 20) / 8, c->matcher.most);
    collect_all(c, &root, 1);
    assert_in_range(c->matcher.used, (2 << 20) / 8, c->matcher.capacity); /* what is live did not fit before */
    constraint_end(s);
    constraint_destroy(c);
}

/* That there was no memory to look something up is not what was found: once there is, it is looked up. */
static void test_nothing_is_found_without_memory(void **state)
{
    (void)state;
    struct constraint *c = make(&(struct language){"root ::= (\"a\" \"d\")* b\nb ::= \"(\" b \")\" | \"c\"", 0});
    struct matcher *m = &c->matcher;
    matcher_forget(m);
    uint32_t states = matcher_begin_states(m, m->g->entry[0]), used = m->used;
    assert_true(states_at(m, states)->calls && states_at(m, states)->reads);
    m->used = m->capacity;
    assert_int_equal(matcher_stepping(m, states), 0);
    assert_true(m->full);
    m->used = used;
    matcher_begin(m);
    assert_int_not_equal(matcher_stepping(m, states), 0);
    assert_false(m->full);
    matcher_forget(m);
    constraint_destroy(c);
}

/* ---- ambiguity -------------------------------------------------------------------------------------------------------------------- */

enum { TEXT = 48 };

/* root ::= ("x" a)*, a ::= "x" (a|b)? | "y" b a, b ::= "x" a b | "y" | "x", by tables: from i up to j. */
struct by_tables {
    const char *text;
    uint8_t a[TEXT + 1][TEXT + 1], b[TEXT + 1][TEXT + 1], root[TEXT + 1];
};

/* The letter at j - 1 has come. */
static void read_letter(struct by_tables *t, int j)
{
    for (int i = j - 1; i >= 0; i--) {
        int is_x = t->text[i] == 'x', a_then_b = 0, b_then_a = 0;
        for (int k = i + 1; k < j; k++) {
            a_then_b |= t->a[i + 1][k] && t->b[k][j];
            b_then_a |= t->b[i + 1][k] && t->a[k][j];
        }
        t->a[i][j] = is_x ? j == i + 1 || t->a[i + 1][j] || t->b[i + 1][j] : b_then_a;
        t->b[i][j] = j == i + 1 || (is_x && a_then_b);
    }
    for (int i = 0; i < j; i++)
        t->root[j] |= t->root[i] && t->text[i] == 'x' && t->a[i + 1][j];
}

/* A text that can be read in ever more ways: thousands of calls at once, most of them alike, are what they are one by one. */
static void test_calls_at_once(void **state)
{
    (void)state;
    struct constraint *c = make(
        &(struct language){"root ::= (\"x\" a)*\na ::= \"x\" (a|b)? | \"y\" b a\nb ::= \"x\" a b | \"y\" | \"x\"", 0});
    int ends = 0;
    for (uint64_t seed = 0; seed < 6; seed++) {
        struct constraint_state *s = begin(c);
        char text[TEXT + 1] = {0};
        struct by_tables t = {.text = text, .root[0] = 1};
        for (int j = 1; j <= TEXT; j++) {
            struct error err = {0};
            text[j - 1] = j < 3 || rng_u64(8, seed, (uint64_t)j, 0) % 3 ? 'x' : 'y';
            if (constraint_accept_text(s, text + j - 1, 1, &err) != 1)
                break;
            read_letter(&t, j);
            ends += t.root[j];
            assert_int_equal(constraint_may_end(s), t.root[j]);
        }
        constraint_end(s);
    }
    assert_in_range(ends, TEXT, 6 * TEXT);
    constraint_destroy(c);
}

/* A mask pauses between steps: each of them, a refused one too, is less than what constraint.h promises to the others. */
static void test_work_of_steps(void **state)
{
    (void)state;
    static const char alphabet[] = "aabbzz09AZxykklmncoq";
    struct constraint *c[] = {
        make(&(struct language){"root ::= (\"x\" a)*\na ::= \"x\" (a|b)? | \"y\" b a\nb ::= \"x\" a b | \"y\" | \"x\"",
                                0}),
        from_schema(
            "{\"type\":\"string\",\"pattern\":\"^((((([a-z]{0,9}[0-9]{0,9}){0,9}[A-Z]{0,9}){0,9}(x|yy|zzz){0,9}){0,9}"
            "([ab]{0,9}c{0,9}){0,9}){0,9}(k|l|mm){0,9}(n{0,9}o{0,9}){0,9}q{0,9}){0,9}$\"}")};
    int refused = 0;
    for (uint64_t walk = 0; walk < 24; walk++) {
        struct matcher *m = &c[walk % 2]->matcher;
        struct constraint_state *s = begin(c[walk % 2]);
        uint32_t set = walk % 2 ? matcher_step(m, s->set, '"') : s->set;
        for (uint64_t at = 0; at < 40 && set != SET_DEAD && !matcher_low(m); at++) {
            uint64_t before = m->meter.done;
            set = matcher_step(m, set, (uint8_t)alphabet[rng_u64(11, walk, at, 0) % (sizeof alphabet - 1)]);
            assert_in_range(m->meter.done - before, 0, CONSTRAINT_STEP);
            refused += m->ambiguous;
            matcher_begin(m);
        }
        constraint_end(s);
    }
    assert_in_range(refused, 4, 24);
    for (int i = 0; i < 2; i++)
        constraint_destroy(c[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_given_up),
        cmocka_unit_test(test_interleaved),
        cmocka_unit_test(test_work),
        cmocka_unit_test(test_counted_once),
        cmocka_unit_test(test_items_alike),
        cmocka_unit_test(test_ambiguous),
        cmocka_unit_test(test_no_byte_goes_on),
        cmocka_unit_test(test_in_time),
        cmocka_unit_test(test_counts_of_counts),
        cmocka_unit_test(test_empty_items),
        cmocka_unit_test(test_in_time_all_the_same),
        cmocka_unit_test(test_collections),
        cmocka_unit_test(test_texts_go_on),
        cmocka_unit_test(test_weights_are_kept),
        cmocka_unit_test(test_masks_collect_in_pieces),
        cmocka_unit_test(test_memory_grows_during_a_collection),
        cmocka_unit_test(test_nothing_is_found_without_memory),
        cmocka_unit_test(test_calls_at_once),
        cmocka_unit_test(test_work_of_steps),
    };
    return cmocka_run_group_tests(tests, open_ember, close_vocabulary);
}
