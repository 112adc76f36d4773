/* links: base */
/* The room of requests: what is kept for small ones, what is told to who finds none, and that all of it comes back. */
#include "base/room.h"
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
    room_set(MOST, KEPT);
    room_enter(0);
    return 0;
}

static int end(void **state)
{
    (void)state;
    room_leave();
    return room_taken() == 0 ? 0 : -1;
}

/* The third try takes it; or nobody waits any longer. */
static int wait_thrice(void *tries, int (*try)(const void *of), const void *of)
{
    int *n = tries;
    while (++*n < 3)
        assert_int_equal(try(of), 0);
    room_give(MIB);
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
    assert_int_equal(room_take(MOST - KEPT, ROOM_LARGE), 0); /* what others have */
    room_enter(0);
    room_wait_by(wait_thrice, &tries);
    assert_int_equal(room_take(MIB, ROOM_LARGE), 0);
    assert_int_equal(tries, 3);
    room_wait_by(wait_never, &tries);
    assert_int_equal(room_take(MIB, ROOM_LARGE), -1);
    assert_int_equal(tries, 4);
    assert_int_equal(room_short(), ROOM_BUSY);
    assert_int_equal(room_take(MOST, ROOM_LARGE), -1);
    assert_int_equal(tries, 4);
    assert_int_equal(room_short(), ROOM_NEVER);
    room_give(MOST - KEPT);
}

static void small_beside_large(void **state)
{
    (void)state;
    void *large = room_malloc(MOST - KEPT - MIB);
    assert_non_null(large);
    assert_null(room_malloc(2 * MIB));
    assert_int_equal(room_short(), ROOM_NEVER); /* it alone wants more than there is */
    room_enter(0);
    assert_int_equal(room_short(), ROOM_ENOUGH);
    void *small = room_malloc(3 * MIB), *more;
    assert_non_null(small);
    assert_null(room_malloc(2 * MIB)); /* is none any more */
    assert_int_equal(room_short(), ROOM_BUSY);
    room_free(large);
    assert_non_null(more = room_malloc(2 * MIB));
    room_free(more);
    room_free(small);
}

/* What was granted is had whatever others take, used twice, and comes back. */
static void grants_are_kept(void **state)
{
    (void)state;
    assert_int_equal(room_take(10 * MIB, ROOM_LARGE), 0); /* a body */
    assert_int_equal(room_grant(MOST), -1);
    assert_int_equal(room_taken(), 10 * MIB);
    assert_int_equal(room_grant(20 * MIB), 0);
    assert_int_equal(room_taken(), 30 * MIB);
    size_t others = room_left(ROOM_LARGE);
    assert_int_equal(others, MOST - KEPT - 30 * MIB);
    room_enter(10 * MIB); /* goes on with it */
    for (int i = 0; i < 2; i++) {
        void *p = room_malloc(19 * MIB);
        assert_non_null(p);
        assert_int_equal(room_taken(), 30 * MIB);
        assert_int_equal(room_reserve(MIB / 2), 0);
        room_release();
        room_free(p);
    }
    room_give(10 * MIB); /* the body goes: its place can be had too */
    void *p = room_malloc(29 * MIB), *more = room_malloc(5 * MIB);
    assert_non_null(p);
    assert_non_null(more); /* beyond it */
    assert_true(room_taken() > 34 * MIB && room_left(ROOM_LARGE) < others - 4 * MIB);
    assert_null(room_malloc(MOST));
    room_free(more);
    room_end_grant();
    assert_true(room_taken() < 30 * MIB);
    room_free(p);
    assert_int_equal(room_taken(), 0);
    assert_int_equal(room_grant(MIB), 0); /* left, it goes back by itself */
}

static void half_is_for_middle_ones(void **state)
{
    (void)state;
    assert_int_equal(room_take(MOST - KEPT, ROOM_LARGE), 0);
    room_enter(0);
    assert_int_equal(room_take(1, ROOM_LARGE), -1);
    for (int i = 0; i < KEPT / 2 / MIB; i++) {
        assert_int_equal(room_take(MIB, ROOM_MIDDLE), 0);
        room_enter(0);
    }
    assert_int_equal(room_take(1, ROOM_MIDDLE), -1);
    assert_int_equal(room_take(MIB, ROOM_SMALL), 0);
    room_give(MOST - KEPT / 2 + MIB);
}

/* Nobody's own doing: what a small request finds taken by others may come back. */
static void small_ones_may_try_again(void **state)
{
    (void)state;
    room_set(5 * MIB, 4 * MIB); /* a large one may have 1 MiB alone */
    assert_int_equal(room_alone(), MIB);
    assert_int_equal(room_take(4 * MIB, ROOM_SMALL), 0);
    room_enter(0);
    assert_int_equal(room_take(3 * MIB, ROOM_SMALL), -1);
    assert_int_equal(room_short(), ROOM_BUSY);
    room_give(4 * MIB);
}

static void refusals_have_room(void **state)
{
    (void)state;
    assert_int_equal(room_take(MOST - KEPT, ROOM_LARGE), 0);
    assert_int_equal(room_take(100, ROOM_SMALL), -1);
    room_spare(100);
    assert_int_equal(room_take(60, ROOM_SMALL), 0);
    assert_int_equal(room_take(60, ROOM_SMALL), -1); /* that much was not said */
    assert_int_equal(room_take(40, ROOM_SMALL), 0);
    room_spare(100);
    room_spare(0);
    assert_int_equal(room_take(1, ROOM_SMALL), -1);
    room_give(MOST - KEPT + 100);
}

static void sizes_follow(void **state)
{
    (void)state;
    char *p = NULL;
    for (size_t n = 1; n <= 8 * MIB; n *= 2) {
        assert_non_null(p = room_realloc(p, n));
        p[n - 1] = 1;
        assert_true(room_taken() >= n && room_taken() <= n + 8192);
    }
    assert_null(room_realloc(p, MOST)); /* and p stays */
    p[0] = 1;
    assert_non_null(p = room_realloc(p, 100));
    assert_true(room_taken() < 8192);
    room_free(p);
    room_free(NULL);
    p = room_calloc(1000, 3);
    assert_non_null(p);
    for (int i = 0; i < 3000; i++)
        assert_int_equal(p[i], 0);
    room_free(p);
    assert_null(room_calloc(SIZE_MAX / 2, 3));
    assert_null(room_malloc(SIZE_MAX - 100));
}

static void arenas_count(void **state)
{
    (void)state;
    struct arena a;
    arena_init_growing(&a);
    assert_non_null(arena_alloc(&a, 10 * MIB));
    assert_true(room_taken() >= 10 * MIB);
    assert_null(arena_alloc(&a, MOST));
    assert_int_equal(room_short(), ROOM_NEVER);
    arena_free(&a);
    assert_int_equal(room_taken(), 0);
}

static void *other(void *p)
{
    room_free(p);
    return room_malloc(2 * MOST); /* works for no request: counted, not refused */
}

static void other_threads(void **state)
{
    (void)state;
    pthread_t thread;
    void *p = room_malloc(MIB), *q;
    assert_int_equal(pthread_create(&thread, NULL, other, p), 0);
    assert_int_equal(pthread_join(thread, &q), 0);
    assert_non_null(q);
    assert_null(room_malloc(1));
    room_free(q);
    room_enter(0);
    assert_non_null(p = room_malloc(MIB));
    room_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(small_beside_large, begin, end),
                                       cmocka_unit_test_setup_teardown(grants_are_kept, begin, end),
                                       cmocka_unit_test_setup_teardown(half_is_for_middle_ones, begin, end),
                                       cmocka_unit_test_setup_teardown(small_ones_may_try_again, begin, end),
                                       cmocka_unit_test_setup_teardown(refusals_have_room, begin, end),
                                       cmocka_unit_test_setup_teardown(sizes_follow, begin, end),
                                       cmocka_unit_test_setup_teardown(arenas_count, begin, end),
                                       cmocka_unit_test_setup_teardown(waiting_for_others, begin, end),
                                       cmocka_unit_test_setup_teardown(other_threads, begin, end)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
