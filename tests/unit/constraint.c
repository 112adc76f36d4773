/* links: text format base */
/* Memory of constraints: what they take from a budget, what happens when it is used up, and that masks do not depend on it. What
 * constraints allow is held by tests/schema_cases.c. */
#include "text/constraint.h"
#include "base/rng.h"
#include "text/gbnf.h"
#include "text/grammar.h"
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

static int make(struct constraint **out, struct constraint_budget *budget, struct error *err)
{
    struct grammar_maker *m = grammar_begin();
    struct grammar *g = NULL;
    grammar_expr e = gbnf_parse(m, nested, sizeof nested - 1, tokenizer);
    *out = NULL;
    return grammar_finish(m, &e, 1, &g, err) ||
           constraint_create(out, trie, g, &(struct constraint_options){.close_at_limit = 1, .budget = budget}, err);
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

static void test_no_budget_left(void **state)
{
    (void)state;
    struct constraint *c;
    struct error err = {0};
    struct constraint_budget budget = {1000};
    assert_int_not_equal(make(&c, &budget, &err), 0);
    assert_int_equal(err.code, ERR_MEMORY);
    assert_non_null(strstr(err.text, "more than the plan has left"));
    assert_int_equal(atomic_load(&budget.left), 1000);
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
        size_t idle = atomic_load(&budget.left);
        assert_in_range(idle, (i ? large : small) - (512 << 10), (i ? large : small) - 1);
        depth[i] = nest(c, 30000, &err);
        assert_int_equal(atomic_load(&budget.left), idle); /* what was taken on the way is back */
        assert_int_equal(nest(c, 100, &err), 100);         /* and it works again */
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
        int skip = (int)(rng_u64(7, (uint64_t)step, 0, 0) % (uint64_t)count[0]);
        int32_t id = 0;
        while (!allowed[0][id] || skip-- > 0)
            id++;
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

/* A place must be worth planning: for the embedded model less than the slack of the smallest plan. */
static void test_place(void **state)
{
    (void)state;
    assert_in_range(constraint_place_bytes(trie), 1 << 20, 8 << 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_budget_left),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_same_masks),
        cmocka_unit_test(test_place),
    };
    return cmocka_run_group_tests(tests, open_ember, close_ember);
}
