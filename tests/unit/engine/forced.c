/* links: engine text model store op machine kernel format base */
/* How far guesses go where a constraint leaves one text only: a model may spell it in its own tokens, again and again. And that what is
 * guessed does not depend on how far. */
#include "engine/draft/forced.h"
#include "base/error.h"
#include "text/constraint/constraint.h"
#include "text/grammar/gbnf.h"
#include "text/grammar/grammar.h"
#include "text_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { MOST = 20 };

static void guesses_that_hold_grow(void **state)
{
    struct forced f = {0};
    int last = forced_most(&f, MOST);
    (void)state;
    assert_in_range(last, 1, MOST);
    for (int i = 0; i < 3; i++) {
        forced_learn(&f, last, last, 0);
        assert_true(forced_most(&f, MOST) >= last);
        last = forced_most(&f, MOST);
    }
    assert_int_equal(last, MOST);
    forced_learn(&f, last, 3, 1); /* so much was right, and no more */
    assert_int_equal(forced_most(&f, MOST), 3);
    forced_learn(&f, 2, 2, 0); /* there was no more of it */
    assert_int_equal(forced_most(&f, MOST), 3);
    assert_int_equal(forced_most(&f, 1), 1);
}

/* Not one holds: hardly any is computed from then on. */
static void guesses_that_fail_are_given_up(void **state)
{
    struct forced f = {0};
    int drafted = 0, late = 0;
    (void)state;
    for (int i = 0; i < 400; i++) {
        int n = forced_most(&f, MOST);
        drafted += n;
        late += i >= 300 ? n : 0;
        if (n)
            forced_learn(&f, n, 0, 1);
    }
    assert_in_range(drafted, 1, 30);
    assert_in_range(late, 1, 3); /* it is tried again */
    while (!forced_most(&f, MOST))
        ;
    forced_learn(&f, 1, 1, 0);
    for (int i = 0; i < 5; i++)
        forced_learn(&f, forced_most(&f, MOST), forced_most(&f, MOST), 0);
    assert_int_equal(forced_most(&f, MOST), MOST);
}

/* Rows that nobody looked at, as behind an end, teach nothing. */
static void what_was_not_compared_teaches_nothing(void **state)
{
    struct forced f = {0};
    int first = forced_most(&f, MOST);
    (void)state;
    for (int i = 0; i < 40; i++) {
        forced_learn(&f, 0, 0, 0);
        forced_learn(&f, 4, 0, 0);
        assert_int_equal(forced_most(&f, MOST), first);
    }
}

/* The last token may be spelled in one with what is chosen behind it: that it is refused says nothing of the others. */
static void last_ones_may_be_spelled_otherwise(void **state)
{
    struct forced f = {0};
    int first = forced_most(&f, MOST);
    (void)state;
    forced_learn(&f, 5, 4, 1);
    forced_learn(&f, 1, 0, 1);
    assert_int_equal(forced_most(&f, MOST), first);
    forced_learn(&f, 5, 3, 1);
    assert_int_equal(forced_most(&f, MOST), 3);
}

static int propose_of(const struct token_trie *trie, const struct tokenizer *t, const char *text,
                      const stoker_token *guess, int n_guess, int most, stoker_token *out)
{
    struct error err = {0};
    char gbnf[200];
    struct constraint *c = NULL;
    struct constraint_state *s = NULL;
    struct grammar *g = NULL;
    uint64_t work = 400000;
    snprintf(gbnf, sizeof gbnf, "root ::= \"%s\"", text);
    struct grammar_maker *m = grammar_begin(NULL);
    grammar_expr e = gbnf_parse(m, gbnf, strlen(gbnf), t);
    assert_int_equal(grammar_finish(m, &e, 1, &g, &err), 0);
    assert_int_equal(constraint_create(&c, trie, g, &(struct constraint_options){0}, &err), 0);
    assert_int_equal(constraint_begin(&s, c, &err), 0);
    int n = forced_propose(s, t, guess, n_guess, most, out, &work);
    constraint_end(s);
    constraint_destroy(c);
    return n;
}

/* Wherever a text begins: few drafts are the first of many. */
static void words_are_not_cut(void **state)
{
    static const char text[] =
        "Once upon a time there was a little grandmother who wondered about something beautiful.";
    struct error err = {0};
    struct tokenizer *t = load_file(TEST_DATA "/tokenizers/vocab/qwen3.gguf");
    struct token_trie *trie = NULL;
    stoker_token all[STOKER_DRAFT_MOST], some[STOKER_DRAFT_MOST], digit = 16; /* "1" */
    (void)state;
    assert_non_null(t);
    assert_int_equal(token_trie_create(&trie, t, &err), 0);
    for (size_t i = 0; i + 48 < sizeof text; i++) {
        int n = propose_of(trie, t, text + i, NULL, 0, STOKER_DRAFT_MOST, all);
        for (int most = 1; most <= 4; most++) {
            assert_true(n >= most);
            assert_int_equal(propose_of(trie, t, text + i, NULL, 0, most, some), most);
            assert_memory_equal(some, all, (size_t)most * sizeof *some);
            /* and behind them, as a guess, the others; behind what cannot follow, nothing */
            assert_int_equal(propose_of(trie, t, text + i, some, most, n - most, some + most), n - most);
            assert_memory_equal(some, all, (size_t)n * sizeof *some);
            assert_int_equal(propose_of(trie, t, text + i, &digit, 1, most, some), 0);
        }
    }
    token_trie_destroy(trie);
    tokenizer_destroy(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(guesses_that_hold_grow),
        cmocka_unit_test(guesses_that_fail_are_given_up),
        cmocka_unit_test(what_was_not_compared_teaches_nothing),
        cmocka_unit_test(last_ones_may_be_spelled_otherwise),
        cmocka_unit_test(words_are_not_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
