/* links: base */
/* The requests' memory: the share of small requests, the reason of a refusal, that all of it is given back, and that each
 * server has its own. */
#include "base/reqmem.h"
#include "base/arena.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { MIB = 1 << 20, MOST = 64 * MIB, KEPT = 16 * MIB };

static struct reqmem memory;
static struct reqmem_account account;

static int begin(void **state)
{
    (void)state;
    reqmem_init(&memory, MOST, KEPT);
    account = (struct reqmem_account){.of = &memory};
    reqmem_enter(&account, 0);
    return 0;
}

static int end(void **state)
{
    (void)state;
    reqmem_leave();
    return reqmem_taken(&memory) == 0 ? 0 : -1;
}

/* Two ways to wait: until the third try takes the memory; or not at all. */
static int wait_thrice(void *tries, int (*try)(const struct reqmem_demand *of), const struct reqmem_demand *of)
{
    int *n = tries;
    while (++*n < 3)
        assert_int_equal(try(of), 0);
    reqmem_give(&account, MIB);
    return try(of);
}

static int wait_never(void *tries, int (*try)(const struct reqmem_demand *of), const struct reqmem_demand *of)
{
    (void)try;
    (void)of;
    ++*(int *)tries;
    return 0;
}

/* A request may wait for memory that others hold, but not for more than there is in all. */
static void waiting_for_others(void **state)
{
    (void)state;
    int tries = 0;
    assert_int_equal(reqmem_take(&account, MOST - KEPT, REQMEM_LARGE), 0); /* what others have */
    reqmem_enter(&account, 0);
    reqmem_wait_by(&account, wait_thrice, &tries);
    assert_int_equal(reqmem_take(&account, MIB, REQMEM_LARGE), 0);
    assert_int_equal(tries, 3);
    reqmem_wait_by(&account, wait_never, &tries);
    assert_int_equal(reqmem_take(&account, MIB, REQMEM_LARGE), -1);
    assert_int_equal(tries, 4);
    assert_int_equal(reqmem_short(&account), REQMEM_BUSY);
    assert_int_equal(reqmem_take(&account, MOST, REQMEM_LARGE), -1);
    assert_int_equal(tries, 4);
    assert_int_equal(reqmem_short(&account), REQMEM_NEVER);
    reqmem_give(&account, MOST - KEPT);
}

static void small_beside_large(void **state)
{
    (void)state;
    void *large = reqmem_malloc(MOST - KEPT - MIB);
    assert_non_null(large);
    assert_null(reqmem_malloc(2 * MIB));
    assert_int_equal(reqmem_short(&account), REQMEM_NEVER); /* it alone needs more than there is */
    reqmem_enter(&account, 0);
    assert_int_equal(reqmem_short(&account), REQMEM_ENOUGH);
    void *small = reqmem_malloc(3 * MIB), *more;
    assert_non_null(small);
    assert_null(reqmem_malloc(2 * MIB)); /* is none any more */
    assert_int_equal(reqmem_short(&account), REQMEM_BUSY);
    reqmem_free(large);
    assert_non_null(more = reqmem_malloc(2 * MIB));
    reqmem_free(more);
    reqmem_free(small);
}

/* A grant holds whatever others take, can be used twice, and is given back. */
static void grants_are_kept(void **state)
{
    (void)state;
    assert_int_equal(reqmem_take(&account, 10 * MIB, REQMEM_LARGE), 0); /* a body */
    assert_int_equal(reqmem_grant(&account, MOST), -1);
    assert_int_equal(reqmem_taken(&memory), 10 * MIB);
    assert_int_equal(reqmem_grant(&account, 20 * MIB), 0);
    assert_int_equal(reqmem_taken(&memory), 30 * MIB);
    size_t others = reqmem_left(&memory, REQMEM_LARGE);
    assert_int_equal(others, MOST - KEPT - 30 * MIB);
    reqmem_enter(&account, 10 * MIB); /* goes on with it */
    for (int i = 0; i < 2; i++) {
        void *p = reqmem_malloc(19 * MIB);
        assert_non_null(p);
        assert_int_equal(reqmem_taken(&memory), 30 * MIB);
        assert_int_equal(reqmem_reserve(MIB / 2), 0);
        reqmem_release();
        reqmem_free(p);
    }
    reqmem_give(&account, 10 * MIB); /* the body goes: its place can be had too */
    void *p = reqmem_malloc(29 * MIB), *more = reqmem_malloc(5 * MIB);
    assert_non_null(p);
    assert_non_null(more); /* beyond it */
    assert_true(reqmem_taken(&memory) > 34 * MIB && reqmem_left(&memory, REQMEM_LARGE) < others - 4 * MIB);
    assert_null(reqmem_malloc(MOST));
    reqmem_free(more);
    reqmem_end_grant(&account);
    assert_true(reqmem_taken(&memory) < 30 * MIB);
    reqmem_free(p);
    assert_int_equal(reqmem_taken(&memory), 0);
    assert_int_equal(reqmem_grant(&account, MIB), 0); /* left, it goes back by itself */
}

/* What is taken apart is refused as any other, is of no account, and comes back from wherever it is given back. */
static void taken_apart(void **state)
{
    (void)state;
    assert_int_equal(reqmem_grant(&account, 8 * MIB), 0);
    assert_int_equal(reqmem_take_apart(&memory, 4 * MIB, REQMEM_SMALL), 0);
    assert_int_equal(reqmem_taken(&memory), 12 * MIB); /* not of the grant */
    assert_int_equal(reqmem_take_apart(&memory, MOST - KEPT - 12 * MIB, REQMEM_LARGE), 0);
    assert_int_equal(reqmem_take_apart(&memory, 1, REQMEM_LARGE), -1);
    assert_int_equal(reqmem_take_apart(&memory, KEPT, REQMEM_SMALL), 0);
    assert_int_equal(reqmem_take_apart(&memory, 1, REQMEM_SMALL), -1);
    assert_int_equal(reqmem_take_apart(&memory, SIZE_MAX, REQMEM_SMALL), -1);
    reqmem_give_apart(&memory, MOST - 8 * MIB);
    assert_int_equal(reqmem_taken(&memory), 8 * MIB);
    reqmem_end_grant(&account);
    assert_int_equal(reqmem_taken(&memory), 0);
    assert_int_equal(reqmem_take_apart(NULL, SIZE_MAX, REQMEM_SMALL), 0);
    reqmem_give_apart(NULL, SIZE_MAX);
}

static void half_is_for_middle_ones(void **state)
{
    (void)state;
    assert_int_equal(reqmem_take(&account, MOST - KEPT, REQMEM_LARGE), 0);
    reqmem_enter(&account, 0);
    assert_int_equal(reqmem_take(&account, 1, REQMEM_LARGE), -1);
    for (int i = 0; i < KEPT / 2 / MIB; i++) {
        assert_int_equal(reqmem_take(&account, MIB, REQMEM_MIDDLE), 0);
        reqmem_enter(&account, 0);
    }
    assert_int_equal(reqmem_take(&account, 1, REQMEM_MIDDLE), -1);
    assert_int_equal(reqmem_take(&account, MIB, REQMEM_SMALL), 0);
    reqmem_give(&account, MOST - KEPT / 2 + MIB);
}

/* A small request that finds no memory because others hold it may try again. */
static void small_ones_may_try_again(void **state)
{
    (void)state;
    reqmem_init(&memory, 5 * MIB, 4 * MIB); /* a large one may have 1 MiB alone */
    assert_int_equal(reqmem_alone(&memory), MIB);
    assert_int_equal(reqmem_take(&account, 4 * MIB, REQMEM_SMALL), 0);
    reqmem_enter(&account, 0);
    assert_int_equal(reqmem_take(&account, 3 * MIB, REQMEM_SMALL), -1);
    assert_int_equal(reqmem_short(&account), REQMEM_BUSY);
    reqmem_give(&account, 4 * MIB);
}

static void refusals_have_memory(void **state)
{
    (void)state;
    assert_int_equal(reqmem_take(&account, MOST - KEPT, REQMEM_LARGE), 0);
    assert_int_equal(reqmem_take(&account, 100, REQMEM_SMALL), -1);
    reqmem_spare(&account, 100);
    assert_int_equal(reqmem_take(&account, 60, REQMEM_SMALL), 0);
    assert_int_equal(reqmem_take(&account, 60, REQMEM_SMALL), -1); /* more than the grant */
    assert_int_equal(reqmem_take(&account, 40, REQMEM_SMALL), 0);
    reqmem_spare(&account, 100);
    reqmem_spare(&account, 0);
    assert_int_equal(reqmem_take(&account, 1, REQMEM_SMALL), -1);
    reqmem_give(&account, MOST - KEPT + 100);
}

static void sizes_follow(void **state)
{
    (void)state;
    char *p = NULL;
    for (size_t n = 1; n <= 8 * MIB; n *= 2) {
        assert_non_null(p = reqmem_realloc(p, n));
        p[n - 1] = 1;
        assert_true(reqmem_taken(&memory) >= n && reqmem_taken(&memory) <= n + 8192);
    }
    assert_null(reqmem_realloc(p, MOST)); /* and p stays */
    p[0] = 1;
    assert_non_null(p = reqmem_realloc(p, 100));
    assert_true(reqmem_taken(&memory) < 8192);
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
    assert_true(reqmem_taken(&memory) >= 10 * MIB);
    assert_null(arena_alloc(&a, MOST));
    assert_int_equal(reqmem_short(&account), REQMEM_NEVER);
    for (int i = 0; i < 4; i++)
        assert_non_null(arena_alloc(&a, 200000));
    arena_clear(&a);
    assert_int_equal(reqmem_taken(&memory), a.total);
    assert_in_range(a.total, 200000, MIB / 2);
    arena_free(&a);
    assert_int_equal(reqmem_taken(&memory), 0);
}

/* An arena's blocks go back to where they came from, whoever frees them. */
static void arenas_know_their_budget(void **state)
{
    (void)state;
    struct reqmem others;
    struct reqmem_account of_others = {.of = &others};
    struct arena a[2];
    reqmem_init(&others, MOST, KEPT);
    for (int i = 0; i < 2; i++) {
        arena_init_growing(&a[i]);
        assert_non_null(arena_alloc(&a[i], MIB));
    }
    reqmem_enter(&of_others, 0);
    arena_free(&a[0]);
    reqmem_leave();
    assert_int_equal(reqmem_taken(&others), 0);
    assert_true(reqmem_taken(&memory) >= MIB && reqmem_taken(&memory) < 2 * MIB);
    assert_non_null(arena_alloc(&a[1], 2 * MOST)); /* for no request: counted, not refused */
    assert_true(reqmem_taken(&memory) > 2 * MOST);
    arena_free(&a[1]);
    assert_int_equal(reqmem_taken(&memory), 0);
    arena_init_growing(&a[0]);
    assert_non_null(arena_alloc(&a[0], 2 * MOST));
    assert_int_equal(reqmem_taken(&memory), 0);
    arena_free(&a[0]);
    reqmem_enter(&account, 0);
}

static void *free_in_another_request(void *p)
{
    struct reqmem_account another = {.of = &memory};
    reqmem_enter(&another, 0);
    reqmem_free(p);
    p = reqmem_malloc(MIB);
    assert_non_null(p);
    reqmem_leave();
    return p;
}

static void *work_for_nobody(void *p)
{
    reqmem_free(reqmem_realloc(reqmem_malloc(MIB), 2 * MOST)); /* neither counted nor refused */
    assert_int_equal(reqmem_reserve(2 * MOST), 0);
    reqmem_release();
    assert_null(reqmem_here());
    return p;
}

static void other_threads(void **state)
{
    (void)state;
    pthread_t thread;
    void *p = reqmem_malloc(MIB), *q;
    assert_int_equal(pthread_create(&thread, NULL, free_in_another_request, p), 0);
    assert_int_equal(pthread_join(thread, &q), 0);
    assert_true(reqmem_taken(&memory) >= MIB && reqmem_taken(&memory) < 2 * MIB);
    assert_int_equal(pthread_create(&thread, NULL, work_for_nobody, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(reqmem_taken(&memory) >= MIB && reqmem_taken(&memory) < 2 * MIB);
    reqmem_free(q);
}

/* ---- two servers in a process ---------------------------------------------------------------------------------------------- */

enum { ROUNDS = 500000, THREADS = 4, PIECES = 8, PIECE = 16 << 10 };

/* One of two, with threads that work for its requests and share what these leave behind. */
struct server {
    struct reqmem memory;
    size_t most;
    _Atomic(void *) left_behind[PIECES];
    atomic_int n_had, n_refused, n_beyond;
};

static void *serve(void *of)
{
    struct server *s = of;
    struct reqmem_account a = {.of = &s->memory};
    void *p[PIECES] = {0};
    reqmem_enter(&a, 0);
    for (int i = 0; i < ROUNDS; i++) {
        reqmem_free(p[i % PIECES]);
        p[i % PIECES] = reqmem_malloc(PIECE);
        atomic_fetch_add(p[i % PIECES] ? &s->n_had : &s->n_refused, 1);
        p[i % PIECES] = atomic_exchange(&s->left_behind[i * 5 % PIECES], p[i % PIECES]);
        if (reqmem_taken(&s->memory) > s->most + (size_t)THREADS * 64) /* what a piece is larger than was asked for */
            atomic_fetch_add(&s->n_beyond, 1);
    }
    for (int i = 0; i < PIECES; i++)
        reqmem_free(p[i]);
    reqmem_leave();
    return NULL;
}

/* Each has its own budget: one is short all the time, the other never, and both get all of theirs back. */
static void two_servers(void **state)
{
    (void)state;
    static struct server s[2] = {{.most = THREADS * PIECES * PIECE / 2}, {.most = 64 * MIB}};
    pthread_t thread[2 * THREADS];
    for (int i = 0; i < 2; i++)
        reqmem_init(&s[i].memory, s[i].most, 0);
    for (int i = 0; i < 2 * THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, serve, &s[i % 2]), 0);
    for (int i = 0; i < 2 * THREADS; i++)
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    assert_true(s[0].n_refused > 0 && s[0].n_had > 0);
    assert_int_equal(s[1].n_refused, 0);
    for (int i = 0; i < 2; i++) {
        struct reqmem_account last = {.of = &s[i].memory};
        reqmem_enter(&last, 0);
        for (int k = 0; k < PIECES; k++)
            reqmem_free(s[i].left_behind[k]);
        reqmem_leave();
        assert_int_equal(s[i].n_beyond, 0);
        assert_int_equal(reqmem_taken(&s[i].memory), 0);
    }
    reqmem_enter(&account, 0);
    assert_int_equal(reqmem_taken(&memory), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(small_beside_large, begin, end),
                                       cmocka_unit_test_setup_teardown(grants_are_kept, begin, end),
                                       cmocka_unit_test_setup_teardown(taken_apart, begin, end),
                                       cmocka_unit_test_setup_teardown(half_is_for_middle_ones, begin, end),
                                       cmocka_unit_test_setup_teardown(small_ones_may_try_again, begin, end),
                                       cmocka_unit_test_setup_teardown(refusals_have_memory, begin, end),
                                       cmocka_unit_test_setup_teardown(sizes_follow, begin, end),
                                       cmocka_unit_test_setup_teardown(arenas_count, begin, end),
                                       cmocka_unit_test_setup_teardown(waiting_for_others, begin, end),
                                       cmocka_unit_test_setup_teardown(arenas_know_their_budget, begin, end),
                                       cmocka_unit_test_setup_teardown(two_servers, begin, end),
                                       cmocka_unit_test_setup_teardown(other_threads, begin, end)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
