/* links: base */
/* The requests' memory: what is kept for small ones, what is told to who finds none, and that all of it comes back. */
#include "base/reqmem.h"
#include "base/arena.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { MIB = 1 << 20, MOST = 64 * MIB, KEPT = 16 * MIB };

static int begin(void **state)
{
    (void)state;
    reqmem_set(MOST, KEPT);
    reqmem_enter(0);
    return 0;
}

static int end(void **state)
{
    (void)state;
    reqmem_leave();
    return reqmem_taken() == 0 ? 0 : -1;
}

/* The third try takes it; or nobody waits any longer. */
static int wait_thrice(void *tries, int (*try)(const void *of), const void *of)
{
    int *n = tries;
    while (++*n < 3)
        assert_int_equal(try(of), 0);
    reqmem_give(MIB);
    return try(of);
}

static int wait_never(void *tries, int (*try)(const void *of), const void *of)
{
    (void)try;
    (void)of;
    ++*(int *)tries;
    return 0;
}

/* A request may wait for what others have, not for what there never is. */
static void waiting_for_others(void **state)
{
    (void)state;
    int tries = 0;
    assert_int_equal(reqmem_take(MOST - KEPT, REQMEM_LARGE), 0); /* what others have */
    reqmem_enter(0);
    reqmem_wait_by(wait_thrice, &tries);
    assert_int_equal(reqmem_take(MIB, REQMEM_LARGE), 0);
    assert_int_equal(tries, 3);
    reqmem_wait_by(wait_never, &tries);
    assert_int_equal(reqmem_take(MIB, REQMEM_LARGE), -1);
    assert_int_equal(tries, 4);
    assert_int_equal(reqmem_short(), REQMEM_BUSY);
    assert_int_equal(reqmem_take(MOST, REQMEM_LARGE), -1);
    assert_int_equal(tries, 4);
    assert_int_equal(reqmem_short(), REQMEM_NEVER);
    reqmem_give(MOST - KEPT);
}

static void small_beside_large(void **state)
{
    (void)state;
    void *large = reqmem_malloc(MOST - KEPT - MIB);
    assert_non_null(large);
    assert_null(reqmem_malloc(2 * MIB));
    assert_int_equal(reqmem_short(), REQMEM_NEVER); /* it alone wants more than there is */
    reqmem_enter(0);
    assert_int_equal(reqmem_short(), REQMEM_ENOUGH);
    void *small = reqmem_malloc(3 * MIB), *more;
    assert_non_null(small);
    assert_null(reqmem_malloc(2 * MIB)); /* is none any more */
    assert_int_equal(reqmem_short(), REQMEM_BUSY);
    reqmem_free(large);
    assert_non_null(more = reqmem_malloc(2 * MIB));
    reqmem_free(more);
    reqmem_free(small);
}

/* What was granted is had whatever others take, used twice, and comes back. */
static void grants_are_kept(void **state)
{
    (void)state;
    assert_int_equal(reqmem_take(10 * MIB, REQMEM_LARGE), 0); /* a body */
    assert_int_equal(reqmem_grant(MOST), -1);
    assert_int_equal(reqmem_taken(), 10 * MIB);
    assert_int_equal(reqmem_grant(20 * MIB), 0);
    assert_int_equal(reqmem_taken(), 30 * MIB);
    size_t others = reqmem_left(REQMEM_LARGE);
    assert_int_equal(others, MOST - KEPT - 30 * MIB);
    reqmem_enter(10 * MIB); /* goes on with it */
    for (int i = 0; i < 2; i++) {
        void *p = reqmem_malloc(19 * MIB);
        assert_non_null(p);
        assert_int_equal(reqmem_taken(), 30 * MIB);
        assert_int_equal(reqmem_reserve(MIB / 2), 0);
        reqmem_release();
        reqmem_free(p);
    }
    reqmem_give(10 * MIB); /* the body goes: its place can be had too */
    void *p = reqmem_malloc(29 * MIB), *more = reqmem_malloc(5 * MIB);
    assert_non_null(p);
    assert_non_null(more); /* beyond it */
    assert_true(reqmem_taken() > 34 * MIB && reqmem_left(REQMEM_LARGE) < others - 4 * MIB);
    assert_null(reqmem_malloc(MOST));
    reqmem_free(more);
    reqmem_end_grant();
    assert_true(reqmem_taken() < 30 * MIB);
    reqmem_free(p);
    assert_int_equal(reqmem_taken(), 0);
    assert_int_equal(reqmem_grant(MIB), 0); /* left, it goes back by itself */
}

static void half_is_for_middle_ones(void **state)
{
    (void)state;
    assert_int_equal(reqmem_take(MOST - KEPT, REQMEM_LARGE), 0);
    reqmem_enter(0);
    assert_int_equal(reqmem_take(1, REQMEM_LARGE), -1);
    for (int i = 0; i < KEPT / 2 / MIB; i++) {
        assert_int_equal(reqmem_take(MIB, REQMEM_MIDDLE), 0);
        reqmem_enter(0);
    }
    assert_int_equal(reqmem_take(1, REQMEM_MIDDLE), -1);
    assert_int_equal(reqmem_take(MIB, REQMEM_SMALL), 0);
    reqmem_give(MOST - KEPT / 2 + MIB);
}

/* Nobody's own doing: what a small request finds taken by others may come back. */
static void small_ones_may_try_again(void **state)
{
    (void)state;
    reqmem_set(5 * MIB, 4 * MIB); /* a large one may have 1 MiB alone */
    assert_int_equal(reqmem_alone(), MIB);
    assert_int_equal(reqmem_take(4 * MIB, REQMEM_SMALL), 0);
    reqmem_enter(0);
    assert_int_equal(reqmem_take(3 * MIB, REQMEM_SMALL), -1);
    assert_int_equal(reqmem_short(), REQMEM_BUSY);
    reqmem_give(4 * MIB);
}

static void refusals_have_memory(void **state)
{
    (void)state;
    assert_int_equal(reqmem_take(MOST - KEPT, REQMEM_LARGE), 0);
    assert_int_equal(reqmem_take(100, REQMEM_SMALL), -1);
    reqmem_spare(100);
    assert_int_equal(reqmem_take(60, REQMEM_SMALL), 0);
    assert_int_equal(reqmem_take(60, REQMEM_SMALL), -1); /* that much was not said */
    assert_int_equal(reqmem_take(40, REQMEM_SMALL), 0);
    reqmem_spare(100);
    reqmem_spare(0);
    assert_int_equal(reqmem_take(1, REQMEM_SMALL), -1);
    reqmem_give(MOST - KEPT + 100);
}

static void sizes_follow(void **state)
{
    (void)state;
    char *p = NULL;
    for (size_t n = 1; n <= 8 * MIB; n *= 2) {
        assert_non_null(p = reqmem_realloc(p, n));
        p[n - 1] = 1;
        assert_true(reqmem_taken() >= n && reqmem_taken() <= n + 8192);
    }
    assert_null(reqmem_realloc(p, MOST)); /* and p stays */
    p[0] = 1;
    assert_non_null(p = reqmem_realloc(p, 100));
    assert_true(reqmem_taken() < 8192);
    reqmem_free(p);
    reqmem_free(NULL);
    p = reqmem_calloc(1000, 3);
    assert_non_null(p);
    for (int i = 0; i < 3000; i++)
        assert_int_equal(p[i], 0);
    reqmem_free(p);
    assert_null(reqmem_calloc(SIZE_MAX / 2, 3));
    assert_null(reqmem_malloc(SIZE_MAX - 100));
}

static void arenas_count(void **state)
{
    (void)state;
    struct arena a;
    arena_init_growing(&a);
    assert_non_null(arena_alloc(&a, 10 * MIB));
    assert_true(reqmem_taken() >= 10 * MIB);
    assert_null(arena_alloc(&a, MOST));
    assert_int_equal(reqmem_short(), REQMEM_NEVER);
    arena_free(&a);
    assert_int_equal(reqmem_taken(), 0);
}

static void *other(void *p)
{
    reqmem_free(p);
    return reqmem_malloc(2 * MOST); /* works for no request: counted, not refused */
}

static void other_threads(void **state)
{
    (void)state;
    pthread_t thread;
    void *p = reqmem_malloc(MIB), *q;
    assert_int_equal(pthread_create(&thread, NULL, other, p), 0);
    assert_int_equal(pthread_join(thread, &q), 0);
    assert_non_null(q);
    assert_null(reqmem_malloc(1));
    reqmem_free(q);
    reqmem_enter(0);
    assert_non_null(p = reqmem_malloc(MIB));
    reqmem_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(small_beside_large, begin, end),
                                       cmocka_unit_test_setup_teardown(grants_are_kept, begin, end),
                                       cmocka_unit_test_setup_teardown(half_is_for_middle_ones, begin, end),
                                       cmocka_unit_test_setup_teardown(small_ones_may_try_again, begin, end),
                                       cmocka_unit_test_setup_teardown(refusals_have_memory, begin, end),
                                       cmocka_unit_test_setup_teardown(sizes_follow, begin, end),
                                       cmocka_unit_test_setup_teardown(arenas_count, begin, end),
                                       cmocka_unit_test_setup_teardown(waiting_for_others, begin, end),
                                       cmocka_unit_test_setup_teardown(other_threads, begin, end)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
