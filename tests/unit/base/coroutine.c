/* links: base */
/* Coroutines: pauses keep what the body holds, an abandoned body leaves the stack to the next, and several go on side by side. */
#include "base/coroutine.h"
#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct counting {
    struct coroutine *co;
    int to, at, ended;
    unsigned char seen;
};

static int deep(struct counting *c, int depth)
{
    volatile unsigned char frame[256];
    memset((void *)(uintptr_t)frame, depth, sizeof frame);
    int sum = depth ? deep(c, depth - 1) : 0;
    c->at++;
    coroutine_pause(c->co);
    return sum + frame[100];
}

static void count(void *arg)
{
    struct counting *c = arg;
    int sum = deep(c, c->to);
    assert_int_equal(sum, c->to * (c->to + 1) / 2); /* every frame is as it was */
    c->ended = 1;
}

static void test_pauses(void **state)
{
    (void)state;
    struct error err = {0};
    struct counting c[2] = {{.to = 20}, {.to = 50}};
    int done[2];
    for (int i = 0; i < 2; i++) {
        assert_int_equal(coroutine_create(&c[i].co, &err), 0);
        done[i] = coroutine_begin(c[i].co, count, &c[i]);
    }
    for (int calls = 1; !done[0] || !done[1]; calls++)
        for (int i = 0; i < 2; i++)
            if (!done[i]) {
                assert_int_equal(c[i].at, calls);
                done[i] = coroutine_resume(c[i].co);
            }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(c[i].at, c[i].to + 1);
        assert_true(c[i].ended);
        assert_in_range(coroutine_stack_used(c[i].co), (size_t)c[i].to * 256, coroutine_bytes());
        coroutine_destroy(c[i].co);
    }
}

static void test_abandoned(void **state)
{
    (void)state;
    struct error err = {0};
    struct counting c = {.to = 30};
    assert_int_equal(coroutine_create(&c.co, &err), 0);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(coroutine_begin(c.co, count, &c), 0);
        for (int j = 0; j < i * 5; j++)
            assert_int_equal(coroutine_resume(c.co), 0);
        coroutine_abandon(c.co);
    }
    assert_false(c.ended);
    coroutine_abandon(c.co); /* nothing to give up */
    coroutine_release(c.co);
    assert_int_equal(coroutine_stack_used(c.co), 0);
    c.at = 0;
    int done = coroutine_begin(c.co, count, &c);
    while (!done)
        done = coroutine_resume(c.co);
    assert_int_equal(c.at, 31);
    assert_int_equal(coroutine_begin(c.co, count, &c), 0);
    coroutine_destroy(c.co); /* in the middle */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_pauses), cmocka_unit_test(test_abandoned)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
