/* links: base */
/* The compute pool: every share of a job is done once, also with more threads than cores, also after workers have slept, and by the
 * leader where a worker has not begun; workers stay awake as long as is set; the shares of a job cover all items, in order, without
 * overlap. */
#include "base/pool.h"
#include "base/error.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

struct job {
    int n_threads;
    int runs
        [POOL_MAX_THREADS]; /* of each share, written by its thread alone: lost or doubled runs and missing barriers show */
};

static void count_run(void *arg, int thread, int n_threads)
{
    struct job *j = arg;
    if (n_threads == j->n_threads)
        j->runs[thread]++;
}

static void check_pool(int n_threads, int jobs, long pause_ns)
{
    struct error err = {0};
    struct pool *p;
    assert_int_equal(pool_create(&p, n_threads, &err), 0);
    assert_int_equal(pool_threads(p), n_threads);
    struct job j = {.n_threads = n_threads};
    for (int i = 0; i < jobs; i++) {
        if (pause_ns)
            nanosleep(&(struct timespec){.tv_nsec = pause_ns}, NULL);
        pool_run(p, count_run, &j);
        for (int t = 0; t < n_threads; t++)
            assert_int_equal(j.runs[t], i + 1);
    }
    pool_destroy(p);
}

static void every_thread_runs_once(void **state)
{
    (void)state;
    for (int n = 1; n <= 8; n++)
        check_pool(n, 300, 0);
}

static void sleepers_wake(void **state)
{
    (void)state;
    check_pool(2, 50, 1000000);
    check_pool(5, 20, 1000000);
}

struct who {
    pthread_t leader;
    int by_leader; /* shares of workers */
};

static void note_who(void *arg, int thread, int n_threads)
{
    (void)n_threads;
    struct who *w = arg;
    if (thread > 0 && pthread_equal(pthread_self(), w->leader))
        w->by_leader++;
}

/* A worker sleeps for longer than its share takes. */
static void late_workers_are_not_waited_for(void **state)
{
    (void)state;
    struct error err = {0};
    struct pool *p;
    struct who w = {.leader = pthread_self()};
    assert_int_equal(pool_create(&p, 2, &err), 0);
    for (int i = 0; i < 100 && w.by_leader == 0; i++) {
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
        pool_run(p, note_who, &w);
    }
    assert_true(w.by_leader > 0);
    pool_destroy(p);
}

static void pause_ms(int ms) { nanosleep(&(struct timespec){.tv_nsec = ms * 1000000L}, NULL); }

/* Notes the worker's number once, for which the leader waits; later the leader may do its share. */
static void find_worker(void *arg, int thread, int n_threads)
{
    _Atomic long *worker = arg;
    (void)n_threads;
    if (thread == 0)
        for (int i = 0; i < 10000 && *worker == 0; i++)
            pause_ms(1);
    else if (*worker == 0)
        *worker = syscall(SYS_gettid);
}

/* 'R': it runs or waits for a core; 'S': it sleeps. */
static char state_of(long thread)
{
    char path[64], state = 0;
    snprintf(path, sizeof path, "/proc/self/task/%ld/stat", thread);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%*d (%*[^)]) %c", &state), 1);
    fclose(f);
    return state;
}

static void falls_asleep(long thread)
{
    for (int i = 0; i < 10000 && state_of(thread) != 'S'; i++)
        pause_ms(1);
    assert_int_equal(state_of(thread), 'S');
}

static void stays_awake(long thread)
{
    for (int i = 0; i < 20; i++) {
        pause_ms(5);
        assert_int_equal(state_of(thread), 'R');
    }
}

static void workers_stay_awake_as_long_as_is_set(void **state)
{
    (void)state;
    struct error err = {0};
    struct pool *p;
    _Atomic long worker = 0;
    assert_int_equal(pool_create(&p, 2, &err), 0);
    pool_run(p, find_worker, &worker);
    assert_true(worker != 0 && worker != syscall(SYS_gettid));
    falls_asleep(worker);
    pool_set_spin_ms(p, POOL_SPIN_MOST_MS);
    for (int i = 0; i < 2; i++) {
        pool_run(p, find_worker, &worker);
        stays_awake(worker);
    }
    pool_set_spin_ms(p, 0.001);
    falls_asleep(worker);
    pool_destroy(p);
}

static void usual_times_awake(void **state)
{
    (void)state;
    assert_true(pool_usual_spin_ms(POOL_MAX_THREADS) > 0);
    assert_true(pool_usual_spin_ms(POOL_MAX_THREADS) <= pool_usual_spin_ms(1));
    assert_true(pool_usual_spin_ms(1) <= 5);
}

static void unused_pools_end(void **state)
{
    (void)state;
    for (int n = 1; n <= 16; n *= 2)
        check_pool(n, 0, 0);
    pool_destroy(NULL);
}

static void impossible_numbers_of_threads(void **state)
{
    (void)state;
    struct pool *p;
    for (int n = -1; n <= POOL_MAX_THREADS + 1; n += n == 0 ? POOL_MAX_THREADS + 1 : 1) {
        struct error err = {0};
        assert_int_equal(pool_create(&p, n, &err), -1);
        assert_int_equal(err.code, ERR_INPUT);
    }
}

/* A job as ops write them: rows split over the threads, then read by the leader. */
struct rows {
    int n, unit;
    int hits[1000];
};

static void touch_rows(void *arg, int thread, int n_threads)
{
    struct rows *r = arg;
    int begin, end;
    pool_share(r->n, r->unit, thread, n_threads, &begin, &end);
    for (int i = begin; i < end; i++)
        r->hits[i]++;
}

static void rows_are_covered(void **state)
{
    (void)state;
    struct error err = {0};
    struct pool *p;
    assert_int_equal(pool_create(&p, 3, &err), 0);
    for (int n = 0; n <= 1000; n = n * 2 + 1) {
        struct rows r = {.n = n, .unit = 16};
        pool_run(p, touch_rows, &r);
        for (int i = 0; i < 1000; i++)
            assert_int_equal(r.hits[i], i < n);
    }
    pool_destroy(p);
}

static void shares_fit_together(void **state)
{
    (void)state;
    const int sizes[] = {0, 1, 2, 15, 16, 17, 31, 100, 255, 256, 4096, 151936, INT32_MAX - 100};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (int unit = 1; unit <= 64; unit *= 4)
            for (int n_threads = 1; n_threads <= 20; n_threads++) {
                int expected = 0, begin, end;
                for (int t = 0; t < n_threads; t++) {
                    pool_share(sizes[s], unit, t, n_threads, &begin, &end);
                    assert_int_equal(begin, expected);
                    assert_true(end >= begin);
                    assert_true(end == sizes[s] || end % unit == 0);
                    expected = end;
                }
                assert_int_equal(expected, sizes[s]);
            }
}

static void shares_are_fair(void **state)
{
    (void)state;
    for (int n_threads = 1; n_threads <= 20; n_threads++)
        for (int t = 0; t < n_threads; t++) {
            int begin, end;
            pool_share(1024, 16, t, n_threads, &begin, &end);
            assert_in_range(end - begin, 64 / n_threads * 16, (64 + n_threads - 1) / n_threads * 16);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_thread_runs_once),
        cmocka_unit_test(sleepers_wake),
        cmocka_unit_test(late_workers_are_not_waited_for),
        cmocka_unit_test(workers_stay_awake_as_long_as_is_set),
        cmocka_unit_test(usual_times_awake),
        cmocka_unit_test(unused_pools_end),
        cmocka_unit_test(impossible_numbers_of_threads),
        cmocka_unit_test(rows_are_covered),
        cmocka_unit_test(shares_fit_together),
        cmocka_unit_test(shares_are_fair),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
