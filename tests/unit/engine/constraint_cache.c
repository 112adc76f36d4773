/* links: engine text model store op machine kernel format base */
/* Constraints compiled once and shared: who compiles, who waits, what is evicted, what is refused. Compilations are fakes: they
 * count themselves, and block as long as the test wants. */
#include "engine/constraint_cache.h"
#include "base/error.h"
#include "engine/engine.h"
#include "text/grammar/compile.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum { SMALL = 1 << 16, LARGE = 1 << 20, HELD = 1 << 14, THREADS = 8, WARNING_BYTES = 400 };

static struct constraint_budget budget;

static struct constraint_cache *create(int n_small, int most_waiting)
{
    struct constraint_cache_options how = {.memory = {.held = HELD, .small = SMALL, .large = LARGE, .n_small = n_small},
                                           .budget = &budget,
                                           .most_waiting = most_waiting};
    atomic_store(&budget.left, HELD);
    struct constraint_cache *c = constraint_cache_create(&how);
    assert_non_null(c);
    return c;
}

/* All memory was given back. */
static void destroy(struct constraint_cache *c)
{
    constraint_cache_destroy(c);
    assert_int_equal(atomic_load(&budget.left), HELD);
}

/* What the compilations of a test do. */
struct fake {
    atomic_int begun, open; /* open: they may end */
    atomic_int stop;        /* what stopped() says */
    size_t needs;           /* memory; with more than a lane has they fail */
    uint64_t work;
    const char *error;    /* they fail with this sentence */
    enum error_code code; /* and this code; 0: ERR_INPUT */
    atomic_int hold;      /* stopped() does not return */
    atomic_int held;      /* it was called meanwhile */
    int misread;          /* they take the end of the compilation for an error of the schema */
    int n_warning;        /* they warn so often, of WARNING_BYTES each */
};

static void pause_a_moment(void) { nanosleep(&(struct timespec){0, 1000000}, NULL); }

static int fake_compile(void *arg, struct compile *limits, struct stoker_constraint *out, struct error *err)
{
    struct fake *f = arg;
    out->warning = f->n_warning ? calloc((size_t)f->n_warning, sizeof *out->warning) : NULL;
    for (; out->n_warning < (size_t)f->n_warning; out->n_warning++) {
        char *text = out->warning[out->n_warning] = calloc(1, WARNING_BYTES);
        memset(text, 'w', WARNING_BYTES - 1);
    }
    atomic_fetch_add(&f->begun, 1);
    while (!atomic_load(&f->open)) {
        if (compile_check_limits(limits) != 0)
            return f->misread ? error_set(err, ERR_INPUT, "no finite value fits") : compile_refused(limits, err);
        pause_a_moment();
    }
    void *memory = f->needs ? compile_alloc(limits, 1, f->needs) : NULL;
    int failed = (f->needs && !memory) || compile_work(limits, f->work) != 0 ? compile_refused(limits, err) : 0;
    compile_free(limits, memory);
    return failed ? -1 : f->error ? error_set(err, f->code ? f->code : ERR_INPUT, "%s", f->error) : 0;
}

static int fake_stopped(void *arg)
{
    struct fake *f = arg;
    while (atomic_load(&f->hold)) {
        atomic_store(&f->held, 1);
        pause_a_moment();
    }
    return atomic_load(&f->stop);
}

static struct constraint_source source(struct fake *f, int key)
{
    struct constraint_source s = {.compile = fake_compile, .arg = f, .stopped = fake_stopped, .stopped_arg = f};
    memcpy(s.key, &key, sizeof key);
    return s;
}

static const struct stoker_constraint *get(struct constraint_cache *c, struct fake *f, int key)
{
    struct constraint_source s = source(f, key);
    const struct stoker_constraint *out = NULL;
    struct error err = {0};
    if (constraint_cache_acquire(c, &s, &out, &err))
        fail_msg("%s", err.text);
    assert_non_null(out);
    return out;
}

static void refused(struct constraint_cache *c, struct fake *f, int key, enum error_code code, const char *text)
{
    struct constraint_source s = source(f, key);
    const struct stoker_constraint *out = NULL;
    struct error err = {0};
    assert_int_equal(constraint_cache_acquire(c, &s, &out, &err), -1);
    assert_null(out);
    assert_int_equal(err.code, code);
    assert_non_null(strstr(err.text, text));
}

/* ---- askers in threads ----------------------------------------------------------------------------------------------------- */

struct asker {
    pthread_t thread;
    struct constraint_cache *cache;
    struct constraint_source source;
    const struct stoker_constraint *got;
    struct error err;
    int result;
};

static void *ask(void *arg)
{
    struct asker *a = arg;
    a->result = constraint_cache_acquire(a->cache, &a->source, &a->got, &a->err);
    return NULL;
}

static void begin_asking(struct asker *a, struct constraint_cache *c, struct fake *f, int key)
{
    *a = (struct asker){.cache = c, .source = source(f, key)};
    assert_int_equal(pthread_create(&a->thread, NULL, ask, a), 0);
}

static void await(const atomic_int *count, int n)
{
    while (atomic_load(count) < n)
        pause_a_moment();
}

/* ---- tests ----------------------------------------------------------------------------------------------------------------- */

static void equal_ones_are_compiled_once(void **state)
{
    (void)state;
    struct constraint_cache *c = create(2, THREADS);
    struct fake f = {0};
    struct asker a[THREADS];
    for (int i = 0; i < THREADS; i++)
        begin_asking(&a[i], c, &f, 1);
    await(&f.begun, 1);
    atomic_store(&f.open, 1);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(a[i].thread, NULL);
        assert_int_equal(a[i].result, 0);
        assert_ptr_equal(a[i].got, a[0].got);
    }
    assert_int_equal(f.begun, 1);
    for (int i = 0; i < THREADS; i++)
        constraint_cache_release(c, a[i].got);
    const struct stoker_constraint *later = get(c, &f, 1), *other = get(c, &f, 2);
    assert_ptr_equal(later, a[0].got);
    assert_ptr_not_equal(other, later);
    assert_int_equal(f.begun, 2);
    assert_int_equal(constraint_cache_stats(c).hits, THREADS);
    constraint_cache_release(c, later);
    constraint_cache_release(c, other);
    destroy(c);
}

static void all_waiters_get_the_failure(void **state)
{
    (void)state;
    struct constraint_cache *c = create(2, THREADS);
    struct fake f = {.error = "schema error at #/type: no such type"};
    struct asker a[THREADS];
    for (int i = 0; i < THREADS; i++)
        begin_asking(&a[i], c, &f, 1);
    await(&f.begun, 1);
    atomic_store(&f.open, 1);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(a[i].thread, NULL);
        assert_int_equal(a[i].result, -1);
        assert_string_equal(a[i].err.text, f.error);
    }
    assert_int_equal(f.begun, 1);
    destroy(c);
}

/* What can never be compiled is not tried again while it is among the newest failures; failures evict no constraints. */
static void refusals_are_remembered(void **state)
{
    (void)state;
    enum { KEPT = 64, REFUSED = KEPT + 10 };
    struct constraint_cache *c = create(1, THREADS);
    struct fake good = {.open = 1}, bad = {.open = 1, .error = "schema error at #/type: no such type"};
    constraint_cache_release(c, get(c, &good, 0));
    size_t one = constraint_cache_stats(c).held;
    for (int i = 0; i < 100; i++)
        refused(c, &bad, 1, ERR_INPUT, bad.error);
    assert_int_equal(bad.begun, 1);
    assert_int_equal(constraint_cache_stats(c).held, 2 * one);
    for (int key = 2; key <= REFUSED; key++)
        refused(c, &bad, key, ERR_INPUT, bad.error);
    refused(c, &bad, REFUSED, ERR_INPUT, bad.error);
    assert_int_equal(bad.begun, REFUSED);
    assert_in_range(constraint_cache_stats(c).n_entry, 3, KEPT + 1);
    constraint_cache_release(c, get(c, &good, 0));
    assert_int_equal(good.begun, 1);
    destroy(c);
}

/* A reason that may pass is not remembered: the system has no memory. */
static void temporary_failures_are_tried_again(void **state)
{
    (void)state;
    struct constraint_cache *c = create(1, THREADS);
    struct fake f = {.open = 1, .error = "no memory", .code = ERR_MEMORY};
    refused(c, &f, 1, ERR_MEMORY, "no memory");
    refused(c, &f, 1, ERR_MEMORY, "no memory");
    assert_int_equal(f.begun, 2);
    assert_int_equal(constraint_cache_stats(c).n_entry, 0);
    destroy(c);
}

/* A stopped compilation is reported as stopped whatever error its front end returned, and is not remembered. */
static void a_stopped_compilation_is_no_refusal(void **state)
{
    (void)state;
    struct constraint_cache *c = create(1, THREADS);
    struct fake f = {.stop = 1, .misread = 1};
    for (int i = 0; i < 2; i++)
        refused(c, &f, 1, ERR_CANCELLED, "");
    f.stop = 0;
    f.open = 1;
    constraint_cache_release(c, get(c, &f, 1));
    assert_int_equal(constraint_cache_stats(c).n_entry, 1);
    destroy(c);
}

/* The first asker hangs up: another one, which still waits, compiles. */
static void an_abandoned_compilation_is_taken_over(void **state)
{
    (void)state;
    struct constraint_cache *c = create(2, THREADS);
    struct fake gone = {0}, stays = {.open = 1};
    struct asker first, second;
    begin_asking(&first, c, &gone, 1);
    await(&gone.begun, 1);
    begin_asking(&second, c, &stays, 1);
    atomic_store(&gone.stop, 1);
    pthread_join(first.thread, NULL);
    pthread_join(second.thread, NULL);
    assert_int_equal(first.result, -1);
    assert_int_equal(first.err.code, ERR_CANCELLED);
    assert_int_equal(second.result, 0);
    constraint_cache_release(c, second.got);
    destroy(c);
}

/* A waiting request may be cancelled too; the compilation continues. */
static void a_waiting_asker_may_leave(void **state)
{
    (void)state;
    struct constraint_cache *c = create(2, THREADS);
    struct fake stays = {0}, gone = {.stop = 1};
    struct asker first, second;
    begin_asking(&first, c, &stays, 1);
    await(&stays.begun, 1);
    begin_asking(&second, c, &gone, 1);
    pthread_join(second.thread, NULL);
    assert_int_equal(second.err.code, ERR_CANCELLED);
    atomic_store(&stays.open, 1);
    pthread_join(first.thread, NULL);
    assert_int_equal(first.result, 0);
    constraint_cache_release(c, first.got);
    destroy(c);
}

/* A constraint too large for the small lane is compiled again in the large one, and refused if it is too large for that. */
static void lanes(void **state)
{
    (void)state;
    struct constraint_cache *c = create(1, THREADS);
    struct fake small = {.open = 1, .needs = SMALL / 2}, large = {.open = 1, .needs = LARGE / 2},
                huge = {.open = 1, .needs = LARGE}, long_one = {.open = 1, .work = COMPILE_WORK / 2},
                endless = {.open = 1, .work = COMPILE_WORK + 1};
    constraint_cache_release(c, get(c, &small, 1));
    constraint_cache_release(c, get(c, &large, 2));
    constraint_cache_release(c, get(c, &long_one, 3));
    refused(c, &huge, 4, ERR_INPUT, "memory");
    refused(c, &endless, 5, ERR_INPUT, "work");
    assert_int_equal(small.begun, 1);
    assert_int_equal(large.begun, 2);
    assert_int_equal(long_one.begun, 2);
    assert_int_equal(huge.begun, 2);
    assert_int_equal(endless.begun, 2);
    destroy(c);
}

/* One lane: the second waits for the first; and no more wait than may. */
static void compilations_wait_their_turn(void **state)
{
    (void)state;
    struct constraint_cache *c = create(1, 1);
    struct fake first = {0}, second = {.open = 1};
    struct asker a, b;
    begin_asking(&a, c, &first, 1);
    await(&first.begun, 1);
    begin_asking(&b, c, &second, 2);
    while (constraint_cache_stats(c).n_waiting < 1)
        pause_a_moment();
    refused(c, &second, 3, ERR_BUSY, "too many");
    assert_int_equal(second.begun, 0);
    atomic_store(&first.open, 1);
    pthread_join(a.thread, NULL);
    pthread_join(b.thread, NULL);
    assert_int_equal(a.result, 0);
    assert_int_equal(b.result, 0);
    constraint_cache_release(c, a.got);
    constraint_cache_release(c, b.got);
    destroy(c);
}

/* Whoever waits keeps its turn, and its place among those that may wait, also while it checks its client: those that come
 * meanwhile go behind it. */
static void first_come_first_served(void **state)
{
    (void)state;
    struct constraint_cache *c = create(1, 2);
    struct fake first = {0}, second = {.hold = 1}, third = {.open = 1};
    struct asker a, b, d;
    begin_asking(&a, c, &first, 1);
    await(&first.begun, 1);
    begin_asking(&b, c, &second, 2);
    await(&second.held, 1);
    atomic_store(&first.open, 1);
    pthread_join(a.thread, NULL);
    begin_asking(&d, c, &third, 3);
    for (int i = 0; i < 100; i++)
        pause_a_moment();
    assert_int_equal(third.begun, 0);
    assert_int_equal(constraint_cache_stats(c).n_waiting, 2);
    refused(c, &third, 4, ERR_BUSY, "too many");
    atomic_store(&second.hold, 0);
    await(&second.begun, 1);
    assert_int_equal(third.begun, 0);
    atomic_store(&second.open, 1);
    pthread_join(b.thread, NULL);
    pthread_join(d.thread, NULL);
    assert_int_equal(a.result | b.result | d.result, 0);
    constraint_cache_release(c, a.got);
    constraint_cache_release(c, b.got);
    constraint_cache_release(c, d.got);
    destroy(c);
}

/* The budget holds a few entries: the least recently used are evicted, unused ones hold at most half of it, used ones stay. */
static void unused_ones_are_evicted(void **state)
{
    (void)state;
    struct constraint_cache *c = create(1, THREADS);
    struct fake f = {.open = 1};
    const struct stoker_constraint *kept = get(c, &f, 0);
    size_t one = constraint_cache_stats(c).held;
    int fit = (int)(HELD / 2 / one);
    assert_in_range(fit, 2, 100);
    for (int key = 1; key <= 3 * fit; key++)
        constraint_cache_release(c, get(c, &f, key));
    assert_int_equal(f.begun, 1 + 3 * fit);
    assert_int_equal(constraint_cache_stats(c).n_entry, 1 + fit);
    constraint_cache_release(c, get(c, &f, 3 * fit));
    constraint_cache_release(c, get(c, &f, 2 * fit + 1));
    assert_int_equal(f.begun, 1 + 3 * fit); /* the newest are there */
    constraint_cache_release(c, get(c, &f, 2 * fit));
    assert_int_equal(f.begun, 2 + 3 * fit); /* an older one was not */
    const struct stoker_constraint *again = get(c, &f, 0);
    assert_ptr_equal(again, kept);
    constraint_cache_release(c, again);
    constraint_cache_release(c, kept);
    destroy(c);
}

/* The budget is used up by running ones: the next waits until one is put back. */
static void without_memory_compilations_wait(void **state)
{
    (void)state;
    struct constraint_cache *c = create(1, THREADS);
    struct fake f = {.open = 1};
    const struct stoker_constraint *held[256] = {get(c, &f, 0)};
    int n = 1, most = (int)(HELD / constraint_cache_stats(c).held);
    assert_in_range(most, 2, 255);
    for (; n < most; n++)
        held[n] = get(c, &f, n);
    struct asker a;
    begin_asking(&a, c, &f, n);
    await(&f.begun, n + 1);
    assert_int_equal(constraint_cache_stats(c).evicted, 0);
    constraint_cache_release(c, held[--n]);
    pthread_join(a.thread, NULL);
    assert_int_equal(a.result, 0);
    assert_int_equal(constraint_cache_stats(c).evicted, 1);
    constraint_cache_release(c, a.got);
    while (n > 0)
        constraint_cache_release(c, held[--n]);
    destroy(c);
}

/* The warnings of a constraint count as its memory. */
static void warnings_are_counted(void **state)
{
    (void)state;
    struct constraint_cache *c = create(1, 0);
    struct fake silent = {.open = 1}, loud = {.open = 1, .n_warning = 10}, louder = {.open = 1, .n_warning = 64};
    constraint_cache_release(c, get(c, &silent, 0));
    size_t one = constraint_cache_stats(c).held;
    const struct stoker_constraint *held = get(c, &loud, 1);
    assert_true(constraint_cache_stats(c).held >= 2 * one + 10 * WARNING_BYTES);
    constraint_cache_release(c, held);
    refused(c, &louder, 2, ERR_INPUT, "KiB of memory once it is compiled");
    destroy(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_ones_are_compiled_once),
        cmocka_unit_test(all_waiters_get_the_failure),
        cmocka_unit_test(refusals_are_remembered),
        cmocka_unit_test(temporary_failures_are_tried_again),
        cmocka_unit_test(a_stopped_compilation_is_no_refusal),
        cmocka_unit_test(an_abandoned_compilation_is_taken_over),
        cmocka_unit_test(a_waiting_asker_may_leave),
        cmocka_unit_test(lanes),
        cmocka_unit_test(compilations_wait_their_turn),
        cmocka_unit_test(first_come_first_served),
        cmocka_unit_test(unused_ones_are_evicted),
        cmocka_unit_test(warnings_are_counted),
        cmocka_unit_test(without_memory_compilations_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
