/* links: text format base */
/* Memory of constraints: what they take from a budget, what happens when it is used up, and that masks do not depend on it. Limits: texts
 * that are hard to close. What constraints allow is held by tests/schema_cases.c. */
#include "text/constraint/constraint.h"
#include "base/rng.h"
#include "text/grammar/gbnf.h"
#include "text/grammar/grammar.h"
#include "text/regex/regex.h"
#include "text_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct tokenizer *tokenizer;
static struct token_trie *trie;
static const char nested[] =
    "root ::= \"(\" root \")\" | \"[\" root \"]\" | word\nword ::= [a-z]{1,60} (\" \" [a-z]{1,60})*";

static int open_ember(void **state)
{
    (void)state;
    struct error err = {0};
    tokenizer = load_file(EMBER);
    return !tokenizer || token_trie_create(&trie, tokenizer, &err);
}

static int close_ember(void **state)
{
    (void)state;
    token_trie_destroy(trie);
    tokenizer_destroy(tokenizer);
    return 0;
}

static int finish(struct constraint **out, struct grammar_maker *m, grammar_expr e, struct constraint_budget *budget,
                  struct error *err)
{
    struct grammar *g = NULL;
    *out = NULL;
    return grammar_finish(m, &e, 1, &g, err) ||
           constraint_create(out, trie, g, &(struct constraint_options){.close_at_limit = 1, .budget = budget}, err);
}

static int make(struct constraint **out, struct constraint_budget *budget, struct error *err)
{
    struct grammar_maker *m = grammar_begin(NULL);
    return finish(out, m, gbnf_parse(m, nested, sizeof nested - 1, tokenizer), budget, err);
}

static struct constraint *from_gbnf(const char *text)
{
    struct constraint *c;
    struct error err = {0};
    struct grammar_maker *m = grammar_begin(NULL);
    assert_int_equal(finish(&c, m, gbnf_parse(m, text, strlen(text), tokenizer), NULL, &err), 0);
    return c;
}

static int32_t allowed_at(const uint8_t *allowed, uint64_t skip)
{
    int32_t id = 0;
    while (!allowed[id] || skip-- > 0)
        id++;
    return id;
}

/* Parentheses until the text is too deep; how many. */
static int nest(struct constraint *c, int most, struct error *err)
{
    struct constraint_state *s;
    int32_t open = tokenizer_find(tokenizer, "(", 1);
    int depth = 0;
    assert_int_equal(constraint_begin(&s, c, err), 0);
    while (depth < most && constraint_accept(s, open, err) == 0)
        depth++;
    constraint_end(s);
    return depth;
}

static void test_depth(void **state)
{
    (void)state;
    const size_t small = 1 << 20, large = 60 << 20;
    int depth[2];
    for (int i = 0; i < 2; i++) {
        struct constraint *c;
        struct error err = {0};
        struct constraint_budget budget = {i ? large : small};
        assert_int_equal(make(&c, &budget, &err), 0);
        assert_int_equal(atomic_load(&budget.left),
                         i ? large : small); /* the compiled constraint is counted by its owner */
        depth[i] = nest(c, 30000, &err);
        assert_int_equal(atomic_load(&budget.left), i ? large : small); /* temporary memory was given back */
        assert_int_equal(nest(c, 100, &err), 100);                      /* and it works again */
        constraint_destroy(c);
        assert_int_equal(atomic_load(&budget.left), i ? large : small);
    }
    assert_in_range(depth[0], 1000, 29999);
    assert_int_equal(depth[1], 30000);
}

/* A budget that is used up means more forgetting, not other masks. */
static void test_same_masks(void **state)
{
    (void)state;
    struct constraint *c[2];
    struct constraint_state *s[2];
    struct error err = {0};
    struct constraint_budget budget = {512 << 10};
    size_t n = (size_t)tokenizer_n_vocab(tokenizer);
    uint8_t *allowed[2] = {malloc(n), malloc(n)};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(make(&c[i], i ? NULL : &budget, &err), 0);
        assert_int_equal(constraint_begin(&s[i], c[i], &err), 0);
    }
    for (int step = 0; step < 600 && !constraint_finished(s[0]); step++) {
        int count[2];
        for (int i = 0; i < 2; i++)
            count[i] = constraint_mask(s[i], 700 - step, allowed[i], &err);
        assert_int_equal(count[0], count[1]);
        assert_memory_equal(allowed[0], allowed[1], n);
        int32_t id = allowed_at(allowed[0], rng_u64(7, (uint64_t)step, 0, 0) % (uint64_t)count[0]);
        for (int i = 0; i < 2; i++)
            assert_int_equal(constraint_accept(s[i], id, &err), 0);
    }
    for (int i = 0; i < 2; i++) {
        constraint_end(s[i]);
        constraint_destroy(c[i]);
        free(allowed[i]);
    }
    assert_int_equal(atomic_load(&budget.left), 512 << 10);
}

/* ---- close to a limit ----------------------------------------------------------------------------------------------------------- */

/* Letters of all scripts: hundreds of places in the middle of a character, none of which makes a mask be refused. */
static void test_letters(void **state)
{
    (void)state;
    static const char *const patterns[] = {"^\\p{L}{3,20}$", "^\\p{L}+$", "^[\\p{L}\\p{N} ]{3,20}$",
                                           "^\\p{Lu}\\p{Ll}+$"};
    uint8_t *allowed = malloc((size_t)tokenizer_n_vocab(tokenizer));
    for (size_t i = 0; i < 4; i++) {
        struct constraint *c;
        struct error err = {0};
        struct grammar_maker *m = grammar_begin(NULL);
        assert_int_equal(finish(&c, m, regex_parse(m, patterns[i], strlen(patterns[i]), 1), NULL, &err), 0);
        for (uint64_t walk = 0; walk < 30; walk++) {
            struct constraint_state *s;
            assert_int_equal(constraint_begin(&s, c, &err), 0);
            int64_t left = constraint_shortest(c) + 1 + (int64_t)(walk % 6);
            for (; left > 0 && !constraint_finished(s); left--) {
                int count = constraint_mask(s, left, allowed, &err);
                assert_in_range(count, 1, tokenizer_n_vocab(tokenizer));
                int32_t id = allowed_at(allowed, rng_u64(3, walk, (uint64_t)left, 0) % (uint64_t)count);
                assert_int_equal(constraint_accept(s, id, &err), 0);
            }
            assert_true(constraint_complete(s));
            constraint_end(s);
        }
        constraint_destroy(c);
    }
    free(allowed);
}

/* What masks near a limit are, and whether they are refused, does not depend on what was asked for before. */
static void test_history(void **state)
{
    (void)state;
    static const char *const grammars[] = {
        "root ::= ([^a]{0,500} | \"b\"? ((. ((root{17,40}){17,40}){17,40} | [a-c]) \"a\")) | \"a\"\n",
        "root ::= ([a-c] (root{2,}){0,500} \"a\") | \"a\"\n",
        "root ::= (x{3,9} y){2,30} \"c\"\nx ::= \"a\" | \"aa\" | y\ny ::= \"b\"{1,5} | \"ab\" x?\n"};
    size_t n = (size_t)tokenizer_n_vocab(tokenizer);
    uint8_t *allowed[2] = {malloc(n), malloc(n)};
    for (size_t i = 0; i < 3; i++) {
        struct constraint *experienced = from_gbnf(grammars[i]);
        for (int64_t left = 60; left > 0; left -= 3) {
            struct constraint *c[2] = {from_gbnf(grammars[i]), experienced};
            int count[2];
            for (int k = 0; k < 2; k++) {
                struct constraint_state *s;
                struct error err = {0};
                assert_int_equal(constraint_begin(&s, c[k], &err), 0);
                assert_int_equal(constraint_accept(s, tokenizer_find(tokenizer, "b", 1), &err), 0);
                count[k] = constraint_mask(s, left, allowed[k], &err);
                constraint_end(s);
            }
            assert_int_equal(count[0], count[1]);
            if (count[0] > 0)
                assert_memory_equal(allowed[0], allowed[1], n);
            constraint_destroy(c[0]);
        }
        constraint_destroy(experienced);
    }
    free(allowed[0]);
    free(allowed[1]);
}

/* A long list's shortest text is not taken for longer than its parts are, each spelled for itself. */
static void test_long(void **state)
{
    (void)state;
    struct constraint *c = from_gbnf("root ::= \"[\" item{20000} \"]\"\nitem ::= \"(\" item? \")\"\n");
    assert_in_range(constraint_shortest(c), 20000, 40002);
    constraint_destroy(c);
    c = from_gbnf(
        "root ::= \"(\" item{10000} \")\"\nitem ::= \"[\" [a-z]{10000} \"]\"\n"); /* beyond the limit of counting */
    assert_true(constraint_shortest(c) == INT64_MAX);
    constraint_destroy(c);
}

/* A place must be worth planning: for the embedded model less than the slack of the smallest plan. */
static void test_place(void **state)
{
    (void)state;
    assert_in_range(constraint_start_bytes(trie), 1 << 20, 8 << 20);
}

/* What is certain behind a text. */
static void certain_behind(const char *grammar, const char *text, const char *expected, int32_t expected_token)
{
    struct constraint *c = from_gbnf(grammar);
    struct constraint_state *s;
    struct error err = {0};
    char out[40];
    int32_t token;
    uint64_t work = CONSTRAINT_MS;
    assert_int_equal(constraint_begin(&s, c, &err), 0);
    for (size_t said = 0, all = strlen(text); said <= all; said++) { /* the rest is looked at, and not said yet */
        work = CONSTRAINT_MS;
        size_t n = constraint_certain(s, text + said, all - said, out, sizeof out - 1, &token, &work);
        out[n] = 0;
        assert_string_equal(out, expected);
        assert_int_equal(token, expected_token);
        assert_in_range(work, 0, CONSTRAINT_MS + CONSTRAINT_STEP);
        work = CONSTRAINT_MS;
        assert_int_equal(constraint_certain(s, "\x01", 1, out, sizeof out - 1, &token, &work), 0); /* cannot follow */
        assert_int_equal(token, -1);
        assert_int_equal(constraint_accept_text(s, text + said, said < all, &err), 1);
    }
    work = 0; /* nothing may be done: nothing is certain */
    assert_int_equal(constraint_certain(s, NULL, 0, out, sizeof out - 1, &token, &work), 0);
    assert_int_equal(token, -1);
    assert_int_equal(constraint_accept_text(s, expected, strlen(expected), &err), 1); /* nothing changed */
    constraint_destroy(c);
}

static void test_certain(void **state)
{
    (void)state;
    static const char keys[] =
        "root ::= \"{name: \" [a-z]{1,3} \", n: \" (\"ten\" | \"two\") \"}\" rest?\nrest ::= \"more\"";
    static const char either[] = "root ::= \"left\" | \"less\" | \"\\u00e9\\u00e8\" \"!\"";
    certain_behind(keys, "", "{name: ", -1);
    certain_behind(keys, "{name: a", "", -1);
    certain_behind(keys, "{name: abc", ", n: t", -1);
    certain_behind(keys, "{name: abc, n: tw", "o}", -1); /* and there the text may end */
    certain_behind(keys, "{name: abc, n: two}", "", -1);
    certain_behind(keys, "{name: abc, n: two}m", "ore", -1);
    certain_behind(either, "", "", -1);
    certain_behind(either, "le", "", -1);
    certain_behind(either, "les", "s", -1);
    certain_behind(either, "\xc3", "\xa9\xc3\xa8!", -1); /* in the middle of a letter */
    certain_behind(either, "\xc3\xa9", "\xc3\xa8!", -1);
    certain_behind("root ::= \"certainly\"{10000}", "certainly", "certainlycertainlycertainlycertainlycer", -1);
    certain_behind("root ::= \"call\" <[7]> \"x\"", "ca", "ll", 7);
    certain_behind("root ::= \"call\" (<[7]> | <[8]>)", "ca", "ll", -1);
    certain_behind("root ::= \"call\" (<[7]> | \"x\")", "ca", "ll", -1);
    certain_behind("root ::= \"call\" !<[7]>", "ca", "ll", -1);
}

/* The same token in so many ways: looking for it is work, and ends. */
static void test_certain_token(void **state)
{
    (void)state;
    static char grammar[20000] = "root ::= <[7]> \"0\"";
    for (int i = 1; i < 900; i++)
        sprintf(grammar + strlen(grammar), " | <[7]> \"%d\"", i);
    struct constraint *c = from_gbnf(grammar);
    struct constraint_state *s;
    struct error err = {0};
    char out[8];
    int32_t token;
    uint64_t work = CONSTRAINT_MS;
    assert_int_equal(constraint_begin(&s, c, &err), 0);
    assert_int_equal(constraint_certain(s, NULL, 0, out, sizeof out, &token, &work), 0);
    assert_int_equal(token, 7);
    assert_in_range(work, 900, CONSTRAINT_MS);
    work = 100;
    assert_int_equal(constraint_certain(s, NULL, 0, out, sizeof out, &token, &work), 0);
    assert_int_equal(token, -1);
    assert_in_range(work, 100, 200);
    constraint_destroy(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_depth),   cmocka_unit_test(test_same_masks),    cmocka_unit_test(test_letters),
        cmocka_unit_test(test_history), cmocka_unit_test(test_long),          cmocka_unit_test(test_place),
        cmocka_unit_test(test_certain), cmocka_unit_test(test_certain_token),
    };
    return cmocka_run_group_tests(tests, open_ember, close_ember);
}
