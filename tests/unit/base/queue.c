/* links: base */
/* The bounded queue: order, both limits, waiting and waking, and many threads at once. */
#include "base/queue.h"
#include "base/clock.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void first_in_first_out(void **state)
{
    (void)state;
    struct queue *q = queue_create(3, sizeof(int));
    assert_non_null(q);
    int got;
    assert_int_equal(queue_pop(q, &got, 0), 0);
    for (int round = 0; round < 10; round++) { /* goes round the ring */
        for (int i = 0; i < 3; i++)
            assert_int_equal(queue_push(q, &(int){round * 3 + i}), 1);
        assert_int_equal(queue_push(q, &(int){-1}), 0);
        for (int i = 0; i < 3; i++) {
            assert_int_equal(queue_pop(q, &got, 0), 1);
            assert_int_equal(got, round * 3 + i);
        }
        assert_int_equal(queue_pop(q, &got, 0), 0);
    }
    queue_destroy(q);
}

static void items_of_odd_size(void **state)
{
    (void)state;
    struct queue *q = queue_create(2, 13);
    assert_int_equal(queue_push(q, "twelve bytes"), 1);
    assert_int_equal(queue_push(q, "and another."), 1);
    char got[13];
    assert_int_equal(queue_pop(q, got, 0), 1);
    assert_string_equal(got, "twelve bytes");
    assert_int_equal(queue_pop(q, got, 0), 1);
    assert_string_equal(got, "and another.");
    queue_destroy(q);
}

static void waiting_ends_in_time(void **state)
{
    (void)state;
    struct queue *q = queue_create(1, sizeof(int));
    int got;
    uint64_t start = clock_ns();
    assert_int_equal(queue_pop(q, &got, 30), 0);
    assert_true(clock_ns() - start >= 29000000);
    assert_int_equal(queue_push(q, &(int){5}), 1);
    assert_int_equal(queue_pop(q, &got, -1), 1);
    assert_int_equal(got, 5);
    queue_destroy(q);
}

struct waiter {
    struct queue *q;
    _Atomic int returned;
};

static void *wait_for_ever(void *arg)
{
    struct waiter *w = arg;
    int item;
    int answer = queue_pop(w->q, &item, -1);
    atomic_fetch_add(&w->returned, 1);
    return answer ? arg : NULL;
}

static void waking_ends_waiting(void **state)
{
    (void)state;
    struct waiter w = {.q = queue_create(1, sizeof(int))};
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, wait_for_ever, &w), 0);
    while (atomic_load(&w.returned) < 3) { /* a thread that was not yet waiting is woken by a later round */
        queue_wake(w.q);
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    for (int i = 0; i < 3; i++) {
        void *got_item;
        pthread_join(threads[i], &got_item);
        assert_null(got_item);
    }
    queue_destroy(w.q);
}

/* Producers push their numbers in order, consumers add up what they get: nothing lost, nothing doubled, and one producer's items
 * reach one consumer in order. */
enum { PRODUCERS = 3, CONSUMERS = 3, EACH = 5000 };

struct item {
    int producer, number;
};

struct traffic {
    struct queue *q;
    _Atomic int next_producer, consumed, disorder;
    _Atomic long long sum;
};

static void *produce(void *arg)
{
    struct traffic *t = arg;
    int me = atomic_fetch_add(&t->next_producer, 1);
    for (int i = 0; i < EACH; i++)
        while (!queue_push(t->q, &(struct item){me, i}))
            sched_yield();
    return NULL;
}

static void *consume(void *arg)
{
    struct traffic *t = arg;
    int last[PRODUCERS] = {-1, -1, -1};
    while (atomic_load(&t->consumed) < PRODUCERS * EACH) {
        struct item item;
        if (!queue_pop(t->q, &item, 5))
            continue;
        if (item.number <= last[item.producer])
            atomic_fetch_add(&t->disorder, 1);
        last[item.producer] = item.number;
        atomic_fetch_add(&t->sum, item.number);
        atomic_fetch_add(&t->consumed, 1);
    }
    return NULL;
}

static void many_threads(void **state)
{
    (void)state;
    struct traffic t = {.q = queue_create(7, sizeof(struct item))};
    pthread_t threads[PRODUCERS + CONSUMERS];
    for (int i = 0; i < PRODUCERS + CONSUMERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, i < PRODUCERS ? produce : consume, &t), 0);
    for (int i = 0; i < PRODUCERS + CONSUMERS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(t.consumed, PRODUCERS * EACH);
    assert_true(t.sum == (long long)PRODUCERS * EACH * (EACH - 1) / 2);
    assert_int_equal(t.disorder, 0);
    queue_destroy(t.q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_in_first_out),   cmocka_unit_test(items_of_odd_size),
        cmocka_unit_test(waiting_ends_in_time), cmocka_unit_test(waking_ends_waiting),
        cmocka_unit_test(many_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
