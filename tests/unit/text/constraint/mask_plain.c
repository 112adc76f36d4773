/* links: text format base */
/* text/constraint/mask_plain.c against its definition: every plain character is tried. Plain: what a JSON string may hold as it is, DEL
 * aside. */
#include "base/error.h"
#include "base/rng.h"
#include "text/constraint/mask.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static int is_plain(uint32_t x)
{
    return x >= 0x20 && x != '"' && x != '\\' && x != 0x7F && (x < 0xD800 || x > 0xDFFF) && x <= 0x10FFFF;
}

static size_t utf8(uint32_t x, uint8_t out[4])
{
    if (x < 0x80)
        return out[0] = (uint8_t)x, 1;
    size_t n = x < 0x800 ? 2 : x < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, x >>= 6)
        out[i] = (uint8_t)(0x80 | (x & 0x3F));
    static const uint8_t lead[5] = {0, 0, 0xC0, 0xE0, 0xF0};
    return out[0] = (uint8_t)(lead[n] | x), n;
}

/* ---- definitions ---------------------------------------------------------------------------------------------------------------- */

/* Every plain character leads from a set back to it. */
static int set_loops(struct matcher *m, uint32_t set)
{
    for (uint32_t x = 0x20; x <= 0x10FFFF; x++) {
        uint8_t bytes[4];
        uint32_t to = set;
        size_t n = is_plain(x) ? utf8(x, bytes) : 0;
        for (size_t i = 0; i < n; i++)
            to = matcher_step(m, to, bytes[i]);
        if (to != set)
            return 0;
    }
    return 1;
}

/* Where a character leads to; 0: nowhere, or it does not end an item of a counted rule with its last byte, and only there. */
static uint32_t step_character(struct matcher *m, uint32_t states, uint32_t x, int counted)
{
    uint8_t bytes[4];
    size_t n = utf8(x, bytes);
    for (size_t i = 0; i < n; i++) {
        uint32_t out[2];
        matcher_read(m, states, bytes[i], COUNT_FREE, out);
        int tick = out[1] != 0;
        if ((out[0] && out[1]) || !(out[0] | out[1]) || tick != (counted && i == n - 1))
            return 0;
        states = out[0] | out[1];
    }
    return states;
}

/* The states that plain text leads to, these among them: how many. 0: some text leads nowhere, or they are more than most. */
static uint32_t stay(struct matcher *m, uint32_t states, int counted, uint32_t most, uint32_t target[PLAIN_TARGETS])
{
    uint32_t n = 0;
    target[n++] = states;
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t x = 0x20; x <= 0x10FFFF; x++) {
            if (!is_plain(x))
                continue;
            uint32_t to = step_character(m, target[i], x, counted), at = 0;
            while (at < n && target[at] != to)
                at++;
            if (!to || (at == n && n == most))
                return 0;
            if (at == n)
                target[n++] = to;
        }
    return n;
}

/* ---- grammars ------------------------------------------------------------------------------------------------------------------- */

struct world {
    struct grammar *g;
    struct matcher m;
    uint32_t set;
};

static void open_world(struct world *w, struct grammar_maker *maker, grammar_expr e)
{
    struct error err = {0};
    assert_int_equal(grammar_finish(maker, &e, 1, &w->g, &err), 0);
    assert_int_equal(matcher_create(&w->m, w->g, 8 << 20, 8 << 20, &err), 0);
    w->set = matcher_start(&w->m, 0);
    assert_int_not_equal(w->set, SET_DEAD);
}

static void close_world(struct world *w)
{
    matcher_destroy(&w->m);
    grammar_free(w->g);
}

static void compare(struct world *w)
{
    const struct config *c = set_at(&w->m, w->set)->config;
    uint32_t states = c->states, rule = states_at(&w->m, states)->rule, target[PLAIN_TARGETS];
    int counted = w->g->rule[rule].counted;
    assert_int_equal(set_at(&w->m, w->set)->n, 1);
    assert_int_equal(masks_set_loops(&w->m, w->set), set_loops(&w->m, w->set));
    struct plain_targets found = {0};
    uint32_t n = stay(&w->m, states, counted, counted ? 1 : PLAIN_TARGETS, target);
    assert_int_equal(masks_states_stay(&w->m, states, &found), n != 0);
    assert_int_equal(found.n, n);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = 0;
        while (at < found.n && found.target[at] != target[i])
            at++;
        assert_in_range(at, 0, found.n - 1);
    }
    assert_false(w->m.full);
}

/* Any text without one character: min to max of them. */
static void all_but(uint32_t x, int32_t min, int32_t max)
{
    struct world w;
    struct grammar_maker *m = grammar_begin(NULL);
    struct grammar_range range = {x, x};
    open_world(&w, m, grammar_repeat(m, grammar_class(m, &range, 1, 1), min, max));
    compare(&w);
    close_world(&w);
}

static void loops_need_every_plain_character(void **state)
{
    (void)state;
    static const uint32_t borders[] = {0,       0x1F,    ' ',     '!',      '"',     '#',    '[',    '\\',
                                       ']',     '~',     0x7F,    0x80,     0xBF,    0xC0,   0x7FF,  0x800,
                                       0xFFF,   0x1000,  0xCFFF,  0xD000,   0xD7FF,  0xE000, 0xFFFF, 0x10000,
                                       0x3FFFF, 0x40000, 0xFFFFF, 0x100000, 0x10FFFF};
    for (size_t i = 0; i < sizeof borders / sizeof *borders; i++)
        all_but(borders[i], 0, GRAMMAR_MANY);
    for (uint64_t i = 0; i < 40; i++) {
        uint32_t x = (uint32_t)(rng_u64(7, i, 0, 0) >> (44 + i % 13));
        all_but(x > 0x10FFFF || (x >= 0xD800 && x <= 0xDFFF) ? 'x' : x, 0, GRAMMAR_MANY);
    }
}

static void counted_characters_are_items(void **state)
{
    (void)state;
    static const uint32_t without[] = {'"', 'x', 0x10FFFF, 0x800, 1};
    for (size_t i = 0; i < sizeof without / sizeof *without; i++)
        all_but(without[i], 500, 1000);
}

/* Digits are counted by states, none to three, from which an x leads back: four places; many of them are more than are noted. */
static void text_may_lead_from_place_to_place(void **state)
{
    (void)state;
    for (uint32_t targets = 2; targets <= PLAIN_TARGETS + 2; targets += targets < 4 ? 1 : 6) {
        struct world w;
        struct grammar_maker *m = grammar_begin(NULL);
        struct grammar_range digit = {'0', '9'};
        struct grammar_step step[2 * (PLAIN_TARGETS + 2) + 1];
        uint32_t n = 0;
        grammar_expr is_digit = grammar_class(m, &digit, 1, 0), other = grammar_class(m, &digit, 1, 1);
        for (uint32_t i = 0; i < targets; i++) { /* states 0 and 1 are begin and end; places 0, 2, 3, ... */
            uint32_t at = i ? i + 1 : 0;
            step[n++] = (struct grammar_step){at, i + 1 < targets ? i + 2 : at, is_digit};
            step[n++] = (struct grammar_step){at, 0, other};
        }
        step[n++] = (struct grammar_step){targets, 1, grammar_text(m, "\"", 1)};
        open_world(&w, m, grammar_machine(m, targets + 1, step, n));
        compare(&w);
        close_world(&w);
    }
}

/* Two characters an item: plain text does not end one with each character. */
static void pairs_are_not_items(void **state)
{
    (void)state;
    struct world w;
    struct grammar_maker *m = grammar_begin(NULL);
    struct grammar_range none = {'"', '"'};
    grammar_expr one = grammar_class(m, &none, 1, 1), pair[2] = {one, one};
    open_world(&w, m, grammar_repeat(m, grammar_sequence(m, pair, 2), 500, 1000));
    compare(&w);
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loops_need_every_plain_character),
        cmocka_unit_test(counted_characters_are_items),
        cmocka_unit_test(text_may_lead_from_place_to_place),
        cmocka_unit_test(pairs_are_not_items),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
