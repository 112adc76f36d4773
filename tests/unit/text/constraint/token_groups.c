/* links: text format base */
/* text/constraint/token_groups.c and matcher_group.c against their definitions: the grouped trie holds what the trie of bytes holds, and
 * a step over a group is that of each of its bytes. And what it is for: a mask of a pattern takes little work in a large vocabulary. */
#include "base/error.h"
#include "text/constraint/matcher.h"
#include "text/tokenizer/tokenizer.h"
#include "text_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct tokenizer *tokenizer;
static struct token_trie *trie;

static int open_vocabulary(void **state)
{
    struct error err = {0};
    (void)state;
    tokenizer = load_file(TEST_DATA "/tokenizers/vocab/qwen3.gguf");
    return !tokenizer || token_trie_create(&trie, tokenizer, &err) ? -1 : 0;
}

static int close_vocabulary(void **state)
{
    (void)state;
    token_trie_destroy(trie);
    tokenizer_destroy(tokenizer);
    return 0;
}

static uint8_t first_of_group(uint8_t byte)
{
    for (int i = 0; i < BYTE_GROUPS; i++)
        if (byte >= byte_group[i].low && byte <= byte_group[i].high)
            return byte_group[i].low;
    return byte;
}

/* Each token once, in a place whose bytes are its own, groups taken for one byte. */
static void test_tokens(void **state)
{
    uint8_t path[1 << 10], *seen = calloc((size_t)trie->n_vocab, 1);
    uint32_t n = 0;
    (void)state;
    for (uint32_t i = trie->grouped; i < trie->grouped_end; i++) {
        const struct trie_node *node = &trie->node[i];
        assert_in_range(node->depth, 1, sizeof path - 1);
        assert_in_range(node->skip, i + 1, trie->grouped_end);
        path[node->depth - 1] = node->byte;
        for (uint32_t t = node->token; t < node[1].token; t++, n++) {
            size_t length;
            const char *text = tokenizer_piece(tokenizer, (int32_t)trie->token[t], 0, &length);
            assert_int_equal(length, node->depth);
            assert_int_equal(seen[trie->token[t]]++, 0);
            for (size_t b = 0; b < length; b++)
                assert_int_equal(path[b], first_of_group((uint8_t)text[b]));
        }
    }
    assert_int_equal(n, trie->n_token);
    free(seen);
}

/* The members of a node are the nodes of its tokens' bytes: each node of the trie of bytes is a member once, with tokens below a member
 * among those below the node. */
static void test_members(void **state)
{
    uint8_t *seen = calloc(trie->n_node, 1);
    (void)state;
    for (uint32_t i = trie->grouped; i < trie->grouped_end; i++) {
        const struct trie_node *node = &trie->node[i];
        const uint32_t *first = trie->first_member + (i - trie->grouped);
        uint32_t below = 0;
        assert_true(first[0] < first[1]);
        for (uint32_t x = first[0]; x < first[1]; x++) {
            const struct trie_node *member = &trie->node[trie->member[x]];
            assert_int_equal(seen[trie->member[x]]++, 0);
            assert_int_equal(member->depth, node->depth);
            assert_int_equal(first_of_group(member->byte), node->byte);
            below += trie->node[member->skip].token - member->token;
        }
        assert_int_equal(below, trie->node[node->skip].token - node->token);
    }
    assert_null(memchr(seen, 0, trie->n_node));
    free(seen);
}

/* ---- steps ---------------------------------------------------------------------------------------------------------------------- */

static void compare_set(struct matcher *m, uint32_t set)
{
    for (uint32_t i = 0; i < BYTE_GROUPS; i++) {
        uint32_t low = byte_group[i].low, cost, to = matcher_step(m, set, (uint8_t)low);
        for (uint32_t b = low; b <= byte_group[i].high; b++)
            to = matcher_step(m, set, (uint8_t)b) == to ? to : SET_SPLIT;
        assert_int_equal(matcher_step_group(m, set, (uint8_t)low, &cost), to);
        assert_int_equal(matcher_step_group(m, set, (uint8_t)low, &cost), to); /* remembered */
    }
}

static void compare_states(struct matcher *m, uint32_t states)
{
    matcher_remember(m, states);
    for (uint32_t i = 0; i < BYTE_GROUPS; i++) {
        uint32_t low = byte_group[i].low, all[2], out[2];
        matcher_read(m, states, (uint8_t)low, COUNT_FREE, all);
        for (uint32_t b = low; b <= byte_group[i].high; b++) {
            matcher_read(m, states, (uint8_t)b, COUNT_FREE, out);
            if (out[0] != all[0] || out[1] != all[1])
                all[0] = STATES_SPLIT;
        }
        matcher_read_group(m, states, (uint8_t)low, out);
        assert_int_equal(out[0], all[0]);
        if (all[0] != STATES_SPLIT)
            assert_int_equal(out[1], all[1]);
    }
}

/* Text with letters and digits of which some have a meaning of their own, in many states. */
static void test_steps(void **state)
{
    static const char *const text[] = {"", "a", "q", "7", "ab", "title", "\xC3", "\xE0", "\xE2\x82", "x\xF0"};
    struct grammar_maker *maker = grammar_begin(NULL);
    struct grammar_range odd = {'m', 'q'}, high = {0xE9, 0x20AC};
    grammar_expr word = grammar_class(maker, &odd, 1, 1), other = grammar_class(maker, &high, 1, 0),
                 part[] = {word, other, grammar_text(maker, "title", 5), grammar_text(maker, "7", 1)},
                 all = grammar_repeat(maker, grammar_choice(maker, part, 4), 0, 400);
    struct error err = {0};
    struct grammar *g;
    struct matcher m;
    (void)state;
    assert_int_equal(grammar_finish(maker, &all, 1, &g, &err), 0);
    assert_int_equal(matcher_create(&m, g, 8 << 20, 8 << 20, &err), 0);
    for (size_t i = 0; i < sizeof text / sizeof *text; i++) {
        uint32_t set = matcher_start(&m, 0);
        for (const char *c = text[i]; *c && set != SET_DEAD; c++)
            set = matcher_step(&m, set, (uint8_t)*c);
        if (set == SET_DEAD)
            continue;
        compare_set(&m, set);
        for (uint32_t c = 0; c < set_at(&m, set)->n; c++)
            compare_states(&m, set_at(&m, set)->config[c].states);
    }
    assert_false(m.full);
    matcher_destroy(&m);
    grammar_free(g);
}

/* ---- work ----------------------------------------------------------------------------------------------------------------------- */

/* The first mask of a name: 1,005 units; 46,400 where each byte is a step of its own. */
static void test_work(void **state)
{
    struct grammar_maker *maker = grammar_begin(NULL);
    struct grammar_range letter = {'a', 'z'}, digit = {'0', '9'};
    grammar_expr one[2] = {grammar_class(maker, &letter, 1, 0), grammar_class(maker, &digit, 1, 0)},
                 name = grammar_repeat(maker, grammar_choice(maker, one, 2), 1, 60),
                 all[] = {name, grammar_text(maker, "-", 1), name};
    grammar_expr entry = grammar_sequence(maker, all, 3);
    struct error err = {0};
    struct grammar *g;
    struct constraint *c;
    struct constraint_state *s;
    uint8_t *allowed = malloc((size_t)trie->n_vocab);
    (void)state;
    assert_int_equal(grammar_finish(maker, &entry, 1, &g, &err), 0);
    assert_int_equal(constraint_create(&c, trie, g, &(struct constraint_options){0}, &err), 0);
    assert_int_equal(constraint_begin(&s, c, &err), 0);
    assert_in_range(constraint_mask(s, 100, allowed, &err), 1000, trie->n_vocab);
    assert_in_range(constraint_work(c), 1, CONSTRAINT_MS / 20);
    constraint_end(s);
    constraint_destroy(c);
    free(allowed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_steps),
        cmocka_unit_test(test_work),
    };
    return cmocka_run_group_tests(tests, open_vocabulary, close_vocabulary);
}
