/* links: base */
/* Arenas: alignment, zeroes, what a full arena answers, marks, and blocks that are larger than a block. */
#include "base/arena.h"
#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

static void assert_zero(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        assert_int_equal(p[i], 0);
}

static void fixed_fills_up(void **state)
{
    (void)state;
    uint8_t *memory = aligned_alloc(64, 1024);
    assert_non_null(memory);
    struct arena a;
    arena_init(&a, memory, 1024);
    assert_int_equal(a.total, 1024);
    uint8_t *first = arena_alloc(&a, 100), *second = arena_alloc(&a, 100);
    assert_ptr_equal(first, memory);
    assert_ptr_equal(second, memory + 128);
    assert_null(arena_alloc(&a, 1024 - 255));
    assert_null(arena_alloc(&a, SIZE_MAX - 10));
    assert_non_null(arena_alloc(&a, 1024 - 256)); /* exactly the rest; the failures took nothing */
    assert_null(arena_alloc(&a, 1));
    arena_reset(&a, 0);
    free(memory);
}

/* The same calls on a measuring arena and on a fixed one of the measured size: it fits, and not with a byte less. */
static void measures(void **state)
{
    (void)state;
    struct arena a, fixed;
    arena_init_measuring(&a);
    uint8_t *memory = NULL;
    for (int run = 0; run < 3; run++) {
        struct arena *at = run ? &fixed : &a;
        size_t size = a.peak - (run == 2);
        if (run) {
            memory = aligned_alloc(64, (size + 63) / 64 * 64);
            assert_non_null(memory);
            arena_init(&fixed, memory, size);
        }
        assert_non_null(arena_alloc(at, 100));
        size_t mark = arena_mark(at);
        void *last = arena_array(at, 1000, 3);
        assert_true((last != NULL) == (run < 2));
        arena_reset(at, mark);
        assert_non_null(arena_alloc_aligned(at, 7, 1));
        assert_true(run == 2 || at->peak == 128 + 3000);
        if (run)
            arena_reset(&fixed, 0);
        free(memory);
        memory = NULL;
    }
    assert_int_equal(arena_measured(&a), 49 * 64);
}

static void reset_gives_back(void **state)
{
    (void)state;
    struct error err = {0};
    struct arena a;
    assert_int_equal(arena_map(&a, 3 << 20, &err), 0);
    assert_int_equal(a.total, 4 << 20);
    assert_int_equal((uintptr_t)a.base % (2 << 20), 0);
    uint8_t *kept = arena_alloc(&a, 1 << 20);
    assert_zero(kept, 1 << 20);
    size_t mark = arena_mark(&a);
    uint8_t *scratch = arena_alloc(&a, 1000);
    arena_reset(&a, mark);
    assert_ptr_equal(arena_alloc(&a, 1000), scratch);
    memset(kept, 1, 1 << 20);
    assert_null(arena_alloc(&a, 3 << 20));
    arena_unmap(&a);
    assert_null(a.base);
}

static void mapping_too_much_fails(void **state)
{
    (void)state;
    struct error err = {0};
    struct arena a;
    assert_int_equal(arena_map(&a, (size_t)1 << 62, &err), -1);
    assert_int_equal(err.code, ERR_MEMORY);
    assert_non_null(strstr(err.text, "--memory"));
    err = (struct error){0};
    assert_int_equal(arena_map(&a, SIZE_MAX - 5, &err), -1);
}

/* The limit is what is in use: any further allocation is refused, and the sentence names the limit. */
static void a_limit_is_named(void **state)
{
    (void)state;
    static const struct {
        int resource;
        const char *name;
    } limits[] = {{RLIMIT_DATA, "the limit on data (ulimit -d, RLIMIT_DATA) is 1048576 bytes"},
                  {RLIMIT_AS, "the limit on address space (ulimit -v, RLIMIT_AS) is 1048576 bytes"}};
    for (int i = 0; i < 2; i++) {
        struct rlimit old, small;
        struct error err = {0};
        struct arena a;
        assert_int_equal(getrlimit(limits[i].resource, &old), 0);
        small = (struct rlimit){1 << 20, old.rlim_max};
        assert_int_equal(setrlimit(limits[i].resource, &small), 0);
        int rc = arena_map(&a, 1 << 20, &err);
        setrlimit(limits[i].resource, &old);
        assert_int_equal(rc, -1);
        assert_int_equal(err.code, ERR_MEMORY);
        if (!strstr(err.text, limits[i].name))
            fail_msg("\"%s\" does not say: %s", err.text, limits[i].name);
    }
}

static void alignment_is_kept(void **state)
{
    (void)state;
    struct arena a;
    arena_init_growing(&a);
    for (size_t align = 1; align <= 8192; align *= 2) {
        uint8_t *p = arena_alloc_aligned(&a, 3, align);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % align, 0);
        memset(p, 7, 3);
    }
    assert_int_equal((uintptr_t)arena_alloc(&a, 1) % 64, 0);
    arena_free(&a);
}

static void growing_holds_everything(void **state)
{
    (void)state;
    enum { N = 2000 };
    static uint8_t *p[N];
    struct arena a;
    arena_init_growing(&a);
    assert_int_equal(a.total, 0);
    for (size_t i = 0; i < N; i++) {
        size_t size = i % 100 == 99 ? 300000 : i; /* some larger than a block */
        p[i] = arena_alloc(&a, size);
        assert_non_null(p[i]);
        assert_zero(p[i], size);
        memset(p[i], (int)i, size);
    }
    for (size_t i = 0; i < N; i++)
        for (size_t k = 0; k < i; k += 17)
            assert_int_equal(p[i][k], (uint8_t)i);
    assert_true(a.total > N / 100 * 300000);
    arena_free(&a);
    assert_int_equal(a.total, 0);
}

/* Blocks that are kept stay at their address with their content; the rest is freed, and the arena can be used on. */
static void keeping_some(void **state)
{
    (void)state;
    struct arena a;
    arena_init_growing(&a);
    char *early = arena_alloc(&a, 1 << 20), *middle = arena_alloc(&a, 1 << 20), *late = arena_alloc(&a, 1 << 20);
    size_t all = a.total;
    memset(middle, 'm', 1 << 20);
    (void)early;
    (void)late;
    arena_keep(&a, (const void *const[]){middle, NULL, "text"}, 3);
    assert_in_range(a.total, 1 << 20, all / 2);
    assert_int_equal(middle[(1 << 20) - 1], 'm');
    char *next = arena_alloc(&a, 100);
    assert_non_null(next);
    assert_true(next < middle || next >= middle + (1 << 20));
    arena_keep(&a, (const void *const[]){next + 99}, 1);
    assert_in_range(a.total, 100, 1 << 19);
    next[0] = 'n';
    assert_non_null(arena_alloc(&a, 100));
    arena_free(&a);
}

/* The next allocations are where the first ones were, and zeroed. */
static void clearing_keeps_a_block(void **state)
{
    (void)state;
    struct arena a;
    arena_init_growing(&a);
    arena_clear(&a);
    assert_int_equal(a.total, 0);
    uint8_t *first = arena_alloc(&a, 1000);
    size_t one = a.total;
    memset(first, 7, 1000);
    for (int round = 0; round < 2; round++) {
        arena_clear(&a);
        assert_int_equal(a.total, one);
        assert_ptr_equal(arena_alloc(&a, 1000), first);
        assert_zero(first, 1000);
        memset(first, 7, 1000);
    }
    for (size_t got = 0; got < 3 * one; got += 10000)
        memset(arena_alloc(&a, 10000), 7, 10000);
    arena_clear(&a);
    assert_int_equal(a.total, one);
    assert_zero(arena_alloc(&a, 10000), 10000);
    arena_alloc(&a, 2 * one);
    arena_clear(&a);
    assert_int_equal(a.total, 0);
    assert_non_null(arena_alloc(&a, 1));
    arena_free(&a);
    assert_int_equal(a.total, 0);
}

static void sizes_from_outside(void **state)
{
    (void)state;
    struct arena a;
    arena_init_growing(&a);
    assert_null(arena_array(&a, (size_t)1 << 40, (size_t)1 << 40));
    assert_null(arena_alloc(&a, SIZE_MAX));
    assert_null(arena_alloc(&a, SIZE_MAX / 2));
    assert_null(arena_copy(&a, "x", SIZE_MAX));
    uint32_t *n = arena_array(&a, 10, sizeof *n);
    assert_zero((uint8_t *)n, 40);
    assert_string_equal(arena_copy(&a, "ember glows", 5), "ember");
    assert_string_equal(arena_copy(&a, "", 0), "");
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fixed_fills_up),           cmocka_unit_test(measures),
        cmocka_unit_test(reset_gives_back),         cmocka_unit_test(alignment_is_kept),
        cmocka_unit_test(growing_holds_everything), cmocka_unit_test(clearing_keeps_a_block),
        cmocka_unit_test(sizes_from_outside),       cmocka_unit_test(mapping_too_much_fails),
        cmocka_unit_test(a_limit_is_named),         cmocka_unit_test(keeping_some),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
