/* links: model store op kernel format base */
/* Pages of sequences: reserved as positions come, given back by clearing, shared by count; none is lost, none has two owners. */
#include "model/kv_pages.h"
#include "base/error.h"
#include "base/rng.h"
#include "model/bind.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { KV_FULL, KV_WINDOW }; /* numbers of kinds */
enum { PAGES = 12, SEQUENCES = 3, MOST = 6, LAYERS = 2 };

static struct {
    struct arena pages, tables;
    struct kv_pool pools[KV_KINDS];
    struct sequence seq[SEQUENCES];
} w;

static int open_pool(void **state)
{
    (void)state;
    struct error err = {0};
    struct kv_shape shape = {.n_head_kv = 2, .d_k = 8, .d_v = 4, .type = KV_F16};
    memset(&w, 0, sizeof w);
    /* as much as the plan would give, no more */
    assert_int_equal(arena_map(&w.pages, kv_pool_bytes(&shape, LAYERS, PAGES), &err), 0);
    assert_int_equal(arena_map(&w.tables, kv_pool_table_bytes(PAGES) + SEQUENCES * seq_table_bytes(MOST), &err), 0);
    assert_int_equal(kv_pool_init(&w.pools[KV_FULL], &shape, LAYERS, see_all(), PAGES, &w.pages, &w.tables), 0);
    for (int i = 0; i < SEQUENCES; i++)
        assert_int_equal(seq_init(&w.seq[i], w.pools, MOST, 0, &w.tables, &w.pages), 0);
    return 0;
}

static int close_pool(void **state)
{
    (void)state;
    arena_unmap(&w.pages);
    arena_unmap(&w.tables);
    return 0;
}

/* Every page is free or in exactly one table, and lies where a page may lie. */
static void expect_balance(void)
{
    int owners[PAGES] = {0}, n = w.pools[KV_FULL].n_free;
    for (int i = 0; i < w.pools[KV_FULL].n_free; i++)
        owners[w.pools[KV_FULL].free_page[i]]++;
    for (int s = 0; s < SEQUENCES; s++)
        for (int i = 0; i < w.seq[s].n_page[KV_FULL]; i++, n++) {
            size_t at = (size_t)(w.seq[s].page[KV_FULL][i] - w.pools[KV_FULL].memory);
            assert_int_equal(at % w.pools[KV_FULL].page_bytes, 0);
            assert_in_range(at / w.pools[KV_FULL].page_bytes, 0, PAGES - 1);
            owners[at / w.pools[KV_FULL].page_bytes]++;
        }
    assert_int_equal(n, PAGES);
    for (int i = 0; i < PAGES; i++)
        assert_int_equal(owners[i], 1);
}

static void reserve(void **state)
{
    (void)state;
    static const struct {
        int n_pos, pages;
    } steps[] = {{0, 0}, {1, 1}, {256, 1}, {257, 2}, {200, 2}, {512, 2}, {513, 3}, {1536, 6}};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        assert_int_equal(seq_reserve(&w.seq[0], steps[i].n_pos), 0);
        assert_int_equal(w.seq[0].n_page[KV_FULL], steps[i].pages);
        expect_balance();
    }
    assert_int_equal(seq_reserve(&w.seq[0], 1537), -1); /* its table is full */
    assert_int_equal(w.seq[0].n_page[KV_FULL], 6);
    expect_balance();
}

static void pool_runs_out(void **state)
{
    (void)state;
    assert_int_equal(seq_reserve(&w.seq[0], 6 * 256), 0);
    assert_int_equal(seq_reserve(&w.seq[1], 4 * 256), 0);
    assert_int_equal(seq_reserve(&w.seq[2], 3 * 256), -1);
    assert_int_equal(w.seq[2].n_page[KV_FULL], 2); /* what was taken stays */
    assert_int_equal(w.pools[KV_FULL].n_free, 0);
    expect_balance();
    seq_clear(&w.seq[0]);
    assert_int_equal(seq_reserve(&w.seq[2], 3 * 256), 0);
    expect_balance();
}

static void cleared(void **state)
{
    (void)state;
    struct sequence *s = &w.seq[1];
    assert_int_equal(seq_reserve(s, 700), 0);
    atomic_store(&s->cancelled, 1);
    seq_clear(s);
    assert_int_equal(s->n_pos, 0);
    assert_int_equal(s->n_page[KV_FULL], 0);
    assert_int_equal(atomic_load(&s->cancelled), 0);
    assert_int_equal(w.pools[KV_FULL].n_free, PAGES);
    expect_balance();
}

/* A page goes back when its last user gives it back. */
/* Pages behind what is committed go back, and no others. */
static void trimmed(void **state)
{
    struct sequence *seq = &w.seq[0];
    (void)state;
    assert_int_equal(seq_reserve(seq, 3 * KV_PAGE + 1), 0);
    seq_commit(seq, KV_PAGE + 1);
    seq_trim(seq);
    assert_int_equal(seq->n_page[KV_FULL], 2);
    seq_commit(seq, 2 * KV_PAGE);
    seq_trim(seq);
    assert_int_equal(seq->n_page[KV_FULL], 2);
    expect_balance();
    seq_commit(seq, 0);
    seq_trim(seq);
    assert_int_equal(w.pools[KV_FULL].n_free, PAGES);
}

static void users(void **state)
{
    (void)state;
    struct kv_pool *pool = &w.pools[KV_FULL];
    assert_int_equal(seq_reserve(&w.seq[0], 300), 0);
    int page = kv_page_number(pool, w.seq[0].page[KV_FULL][1]);
    assert_ptr_equal(kv_page_at(pool, page), w.seq[0].page[KV_FULL][1]);
    kv_page_hold(pool, page);
    seq_clear(&w.seq[0]);
    assert_int_equal(pool->n_free, PAGES - 1);
    kv_page_give(pool, page);
    assert_int_equal(pool->n_free, PAGES);
    for (int i = 0; i < PAGES; i++)
        assert_in_range(kv_page_take(pool), 0, PAGES - 1);
    assert_int_equal(kv_page_take(pool), -1);
}

static void by_chance(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 5000; i++) {
        uint64_t r = rng_u64(3, i, 0, 0);
        struct sequence *s = &w.seq[r % SEQUENCES];
        int n = (int)((r >> 16) % (MOST * 256 + 300));
        if (r >> 8 & 1) {
            if (seq_reserve(s, n) == 0 && n > s->n_pos)
                s->n_pos = n;
        } else
            seq_clear(s);
        expect_balance();
    }
}

static void written_pages_are_apart(void **state)
{
    (void)state;
    for (int s = 0; s < 2; s++) {
        assert_int_equal(seq_reserve(&w.seq[s], 1000), 0);
        for (int i = 0; i < w.seq[s].n_page[KV_FULL]; i++)
            memset(w.seq[s].page[KV_FULL][i], 16 * s + i, w.pools[KV_FULL].page_bytes);
    }
    for (int s = 0; s < 2; s++)
        for (int i = 0; i < w.seq[s].n_page[KV_FULL]; i++)
            for (size_t k = 0; k < w.pools[KV_FULL].page_bytes; k++)
                assert_int_equal(w.seq[s].page[KV_FULL][i][k], 16 * s + i);
}

/* ---- windows and states ---------------------------------------------------------------------------------------------------- */

enum { WINDOW = 100, STATE = 80, COPIES = 2 };

static struct {
    struct arena memory, tables;
    struct kv_pool pools[KV_KINDS], states;
    struct sequence seq;
} v;

static int open_mixed(void **state)
{
    (void)state;
    struct error err = {0};
    struct kv_shape shape = {.n_head_kv = 1, .d_k = 8, .d_v = 8, .type = KV_F16};
    memset(&v, 0, sizeof v);
    int n = kv_pages_needed(see_last(WINDOW), MOST * 256, 64);
    size_t pages = kv_pool_bytes(&shape, LAYERS, MOST) + kv_pool_bytes(&shape, LAYERS, n);
    assert_int_equal(arena_map(&v.memory, pages + seq_state_bytes(STATE) + state_pool_bytes(STATE, COPIES) + 64, &err),
                     0);
    assert_int_equal(
        arena_map(&v.tables, 2 * kv_pool_table_bytes(MOST) + kv_pool_table_bytes(COPIES) + seq_table_bytes(MOST), &err),
        0);
    assert_int_equal(kv_pool_init(&v.pools[KV_FULL], &shape, LAYERS, see_all(), MOST, &v.memory, &v.tables), 0);
    assert_int_equal(kv_pool_init(&v.pools[KV_WINDOW], &shape, LAYERS, see_last(WINDOW), n, &v.memory, &v.tables), 0);
    assert_int_equal(seq_init(&v.seq, v.pools, MOST, STATE, &v.tables, &v.memory), 0);
    assert_int_equal(state_pool_init(&v.states, STATE, COPIES, &v.memory, &v.tables), 0);
    return 0;
}

static int close_mixed(void **state)
{
    (void)state;
    arena_unmap(&v.memory);
    arena_unmap(&v.tables);
    return 0;
}

/* Computed up to pos, which the state says. */
static void go_to(int pos)
{
    for (int at = v.seq.n_pos; at < pos; at = v.seq.n_pos) {
        int next = at + 64 < pos ? at + 64 : pos;
        assert_int_equal(seq_reserve(&v.seq, next), 0);
        seq_commit(&v.seq, next);
        if (v.seq.state)
            memcpy(v.seq.state, &next, sizeof next);
    }
}

static void windows_give_pages_back(void **state)
{
    (void)state;
    assert_int_equal(kv_first_page(see_last(WINDOW), 354), 0); /* the next row sees 255 and up */
    assert_int_equal(kv_first_page(see_last(WINDOW), 355), 1);
    assert_int_equal(kv_first_page(see_all(), 5000), 0);
    assert_int_equal(kv_first_page(see_last(1 << 30), 5000), 0);
    go_to(MOST * 256); /* with no more pages of the window than the plan has */
    assert_int_equal(v.seq.first_page[KV_WINDOW], 5);
    assert_null(v.seq.page[KV_WINDOW][4]);
    assert_int_equal(v.pools[KV_WINDOW].n_free, v.pools[KV_WINDOW].n_page - 1);
    assert_int_equal(v.seq.first_page[KV_FULL], 0);
    seq_clear(&v.seq);
    assert_int_equal(v.pools[KV_WINDOW].n_free, v.pools[KV_WINDOW].n_page);
    assert_int_equal(v.pools[KV_FULL].n_free, MOST);
}

/* Each row sees its own chunk from the chunk's first position on, and pages of earlier chunks are given back. */
static void chunks_give_pages_back(void **state)
{
    (void)state;
    static const int pos[] = {0, 299, 300, 301, 599, 600, 5000}, first[] = {0, 0, 300, 300, 300, 600, 4800};
    for (int i = 0; i < 7; i++)
        assert_int_equal(kv_first_position(see_chunk(300), pos[i]), first[i]);
    assert_int_equal(kv_first_page(see_chunk(300), 599), 1);
    assert_int_equal(kv_first_page(see_chunk(300), 600), 2);
    v.pools[KV_WINDOW].window = see_chunk(WINDOW); /* no more pages than those of a window */
    for (int at = 64; at <= MOST * 256; at += 64) {
        go_to(at);
        assert_int_equal(v.seq.first_page[KV_WINDOW], at / WINDOW * WINDOW / 256);
    }
}

static void copies_of_states(void **state)
{
    (void)state;
    go_to(20);
    int a = kv_page_take(&v.states), b = kv_page_take(&v.states);
    assert_int_equal(kv_page_take(&v.states), -1);
    memset(kv_page_at(&v.states, a), 1, STATE);
    memset(kv_page_at(&v.states, b), 2, STATE);
    assert_int_equal(*(int *)v.seq.state, 20);
    assert_int_equal(*kv_page_at(&v.states, a), 1);
    kv_page_give(&v.states, a);
    assert_int_equal(kv_page_take(&v.states), a);
    seq_invalidate(&v.seq);
    assert_true(v.seq.invalid);
    seq_clear(&v.seq);
    assert_false(v.seq.invalid);
    assert_int_equal(*(int *)v.seq.state, 0);
}

/* ---- kinds -------------------------------------------------------------------------------------------------------------------- */

/* Rows of several positions, keys without values: what a page of them takes, and where a head's part begins. */
static void shapes(void **state)
{
    (void)state;
    const struct kv_shape plain = {.n_head_kv = 2, .d_k = 8, .d_v = 4, .type = KV_F16},
                          compressed = {.n_head_kv = 1, .d_k = 512, .ratio = 128, .type = KV_F16},
                          index = {.n_head_kv = 1, .d_k = 128, .ratio = 4, .index = 1, .type = KV_F32},
                          coded = kv_shape_as((struct kv_shape){.n_head_kv = 2, .d_k = 64, .d_v = 40}, KV_Q8_0);
    static uint8_t page[256 * 2 * (68 + 68)];
    assert_int_equal(kv_page_bytes(&plain), 256 * 2 * (8 + 4) * 2);
    assert_int_equal(kv_page_bytes(&compressed), 2 * 512 * 2);
    assert_int_equal(kv_page_bytes(&index), 64 * 128 * 4);
    assert_int_equal(kv_page_bytes(&coded), 256 * 2 * (68 + 68)); /* 34 bytes for 32 values, rows of whole groups */
    assert_int_equal(kv_shape_as(index, KV_Q8_0).type, KV_F16);
    assert_ptr_equal(kv_keys(&coded, page, 1), page + 256 * 68);
    assert_ptr_equal(kv_values(&coded, page, 1), page + 256 * 3 * 68);
    assert_ptr_equal(kv_scales(&coded, kv_values(&coded, page, 1), 40), page + 256 * (3 * 68 + 64));
    assert_ptr_equal(kv_keys(&plain, page, 1), page + 256 * 8 * 2);
    assert_ptr_equal(kv_values(&plain, page, 1), page + 256 * (2 * 8 + 4) * 2);
}

/* All rows of a page are all of it; of fewer rows the pieces are disjoint, in order, and hold the elements and scales of just those. */
static void pieces(void **state)
{
    (void)state;
    const struct kv_shape shapes[] = {{.n_head_kv = 2, .d_k = 8, .d_v = 4, .type = KV_F16},
                                      {.n_head_kv = 3, .d_k = 40, .ratio = 4, .type = KV_F32},
                                      {.n_head_kv = 2, .d_k = 96, .d_v = 32, .type = KV_Q8_0},
                                      {.n_head_kv = 1, .d_k = 576, .ratio = 128, .type = KV_Q8_0}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const struct kv_shape *s = &shapes[i];
        const int all = kv_page_rows(s);
        for (int n = 0; n <= all; n++) {
            struct kv_piece p;
            size_t end = 0, sum = 0;
            for (int k = 0; kv_piece(s, n, k, &p); k++) {
                assert_true(p.at >= end);
                end = p.at + p.bytes;
                sum += p.bytes;
            }
            assert_true(end <= kv_page_bytes(s));
            assert_int_equal(sum, kv_page_bytes(s) / (size_t)all * (size_t)n);
        }
    }
}

/* Layers with the same numbers share a kind, others do not; there are at most KV_KINDS, and a file that asks for more is told so. */
static void listed(void **state)
{
    (void)state;
    static struct model m;
    struct gguf_file file = {.path = "many.gguf"};
    struct gguf g = {.file = &file, .n_file = 1};
    struct error err = {0};
    struct binder b = {.m = &m, .err = &err};
    memset(&m, 0, sizeof m);
    m.file = &g;
    const struct kv_shape plain = {.n_head_kv = 2, .d_k = 8, .d_v = 8}, index = {.n_head_kv = 1, .d_k = 8},
                          several = {.n_head_kv = 1, .d_k = 8, .ratio = 4};
    const struct {
        struct kv_shape shape;
        int window, kind, index;
    } layers[] = {{plain, 0, 0, 0},   {plain, 100, 1, 0}, {plain, 0, 0, 1},   {index, 0, 2, 0},
                  {several, 0, 3, 0}, {index, 0, 2, 1},   {plain, 100, 1, 1}, {plain, 101, 4, 0}};
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
        struct kv_ref at = bind_kv(&b, 2, layers[i].shape, see_last(layers[i].window));
        assert_int_equal(at.kind, layers[i].kind);
        assert_int_equal(at.index, layers[i].index);
    }
    assert_int_equal(bind_kv(&b, 2, plain, see_chunk(100)).kind, 5);
    for (int i = 6; i < KV_KINDS; i++)
        bind_kv(&b, 2, plain, see_last(1000 + i));
    assert_int_equal(b.failed, 0);
    bind_kv(&b, 2, plain, see_last(100)); /* one of those that there are */
    assert_int_equal(b.failed, 0);
    bind_kv(&b, 2, plain, see_last(2000));
    assert_int_not_equal(b.failed, 0);
    assert_non_null(strstr(err.text, "many.gguf"));
}

#define TEST(f)  cmocka_unit_test_setup_teardown(f, open_pool, close_pool)
#define MIXED(f) cmocka_unit_test_setup_teardown(f, open_mixed, close_mixed)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(reserve),
                                       TEST(pool_runs_out),
                                       TEST(cleared),
                                       TEST(trimmed),
                                       TEST(users),
                                       TEST(by_chance),
                                       TEST(written_pages_are_apart),
                                       MIXED(windows_give_pages_back),
                                       MIXED(chunks_give_pages_back),
                                       MIXED(copies_of_states),
                                       cmocka_unit_test(shapes),
                                       cmocka_unit_test(pieces),
                                       cmocka_unit_test(listed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
