/* links: server toolbox mcp library kernel format base */
/* The banker's algorithm: what it allows can be completed and what it forbids cannot, compared with all orders; and requests that
 * follow it never deadlock. */
#include "server/http/claims.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MOST = 5 };

static unsigned drawn = 1;

static size_t draw(size_t below)
{
    drawn = drawn * 1664525 + 1013904223;
    return (drawn >> 8) % below;
}

/* The claims that can be completed, as a set of bits, found by trying every order. */
static unsigned can_end(const struct claim *c, size_t n, unsigned left, size_t free)
{
    unsigned best = 0;
    for (size_t i = 0; i < n; i++) {
        if (!(left >> i & 1) || c[i].need > free)
            continue;
        unsigned set = 1u << i | can_end(c, n, left & ~(1u << i), free + c[i].held);
        assert_true((set & best) == set ||
                    (set & best) == best); /* every order completes the same set, or a part of it */
        best |= set;
    }
    return best;
}

static void as_every_order_tried(void **state)
{
    (void)state;
    int can = 0, cannot = 0;
    for (int i = 0; i < 20000; i++) {
        struct claim c[MOST], after[MOST];
        size_t n = 1 + draw(MOST), free = draw(16), who = draw(n);
        for (size_t k = 0; k < n; k++)
            c[k] = (struct claim){draw(8), draw(24)};
        size_t more = draw(c[who].need + 1);
        memcpy(after, c, sizeof c);
        after[who].held += more;
        after[who].need -= more;
        unsigned all = (1u << n) - 1, before = can_end(c, n, all, free) | 1u << who;
        int want = more <= free && (can_end(after, n, all, free - more) & before) == before;
        assert_int_equal(claims_allow(c, n, c[who], more, free), want);
        can += want;
        cannot += !want;
    }
    assert_true(can > 1000 && cannot > 1000);
}

/* 1: w may take this much of what is free, and took it. */
static int take(struct claim *c, struct claim *w, size_t piece, size_t *free)
{
    struct claim list[MOST];
    memcpy(list, c, sizeof list);
    if (piece == 0 || !claims_allow(list, MOST, *w, piece, *free))
        return 0;
    *free -= piece;
    w->held += piece;
    w->need -= piece;
    return 1;
}

/* Many large claims that take memory in pieces, in any order, while others take some and give it back: once these have, there is always
 * a claim that gets its next piece, until all have ended. */
static void never_a_deadlock(void **state)
{
    (void)state;
    enum { ROUNDS = 1000, ALL = 100 };
    for (int i = 0; i < ROUNDS; i++) {
        struct claim c[MOST];
        size_t free = ALL, others = 0, running = MOST;
        for (size_t k = 0; k < MOST; k++)
            c[k] = (struct claim){0, 1 + draw(ALL)};
        while (running) {
            size_t first = draw(MOST);
            int got = 0, alone = draw(3) == 0;
            free += others;
            others = alone ? 0 : draw(free + 1);
            free -= others;
            for (size_t k = 0; k < MOST && !got; k++) {
                struct claim *w = &c[(first + k) % MOST];
                got = take(c, w, w->need ? 1 + draw(w->need) : 0, &free) || (alone && take(c, w, w->need, &free));
                if (got && w->need == 0) {
                    free += w->held;
                    *w = (struct claim){0};
                    running--;
                }
            }
            assert_true(got || !alone);
        }
        assert_int_equal(free + others, ALL);
    }
}

/* Of 128: nine that have brought 2 of a claim of 112 do not delay one of 14, also where others have so much that they cannot end
 * themselves; a tenth claim of 112 waits. */
static void small_claims_pass_large_ones(void **state)
{
    (void)state;
    const struct claim slow = {2, 110}, honest = {0, 14}, greedy = {0, 112};
    for (size_t others = 0; others < 80; others += 20) {
        struct claim c[10] = {slow, slow, slow, slow, slow, slow, slow, slow, slow, honest};
        assert_true(claims_allow(c, 10, honest, 14, 128 - 18 - others));
    }
    struct claim c[10] = {slow, slow, slow, slow, slow, slow, slow, slow, slow, greedy};
    assert_false(claims_allow(c, 10, greedy, 2, 128 - 18));
    assert_false(claims_allow((struct claim[]){slow}, 1, slow, 2, 100));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(as_every_order_tried), cmocka_unit_test(never_a_deadlock),
                                       cmocka_unit_test(small_claims_pass_large_ones)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
