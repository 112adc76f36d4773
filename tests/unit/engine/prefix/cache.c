/* links: engine text model store op machine kernel format base */
/* The tree of known prefixes, without a model: what a row "computes" is the hash of all ids up to it, so every page and state shows
 * what it was computed from: where a sequence is steered, of the operations that acted so far too. */
#include "base/error.h"
#include "base/hash.h"
#include "base/rng.h"
#include "engine/prefix/found.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { KV_FULL, KV_WINDOW }; /* numbers of kinds */
enum { SEQUENCES = 3, MOST = 8, N_IDS = MOST * KV_PAGE, TEXTS = 12, LISTS = 9 };

/* A sequence, and what it is computed from. */
struct writer {
    struct sequence seq;
    struct prefix_cursor at;
    int32_t id[N_IDS];
    int n, runs;
};

static struct {
    struct arena memory, tables;
    struct kv_pool pools[KV_KINDS], states;
    struct prefix_cache c;
    struct writer w[SEQUENCES];
    struct steering list[LISTS]; /* the first has no operation */
    uint64_t draws;
} t;

static uint64_t draw(uint64_t n) { return rng_u64(41, t.draws++, 4, 4) % n; }

static void open_world(int n_page, struct kv_window window, int n_window, int n_state)
{
    struct error err = {0};
    struct kv_shape shape = {.n_head_kv = 1, .d_k = 2, .d_v = 0, .type = KV_F32};
    size_t state = n_state ? sizeof(uint64_t) : 0;
    memset(&t, 0, sizeof t);
    assert_int_equal(arena_map(&t.memory, 1 << 20, &err), 0);
    assert_int_equal(arena_map(&t.tables, 1 << 20, &err), 0);
    assert_int_equal(kv_pool_init(&t.pools[KV_FULL], &shape, 1, see_all(), n_page, &t.memory, &t.tables), 0);
    if (window.n)
        assert_int_equal(kv_pool_init(&t.pools[KV_WINDOW], &shape, 1, window, n_window, &t.memory, &t.tables), 0);
    assert_int_equal(state_pool_init(&t.states, state, n_state, &t.memory, &t.tables), 0);
    for (int i = 0; i < SEQUENCES; i++)
        assert_int_equal(seq_init(&t.w[i].seq, t.pools, MOST, state, &t.tables, &t.memory), 0);
    assert_int_equal(prefix_init(&t.c, t.pools, &t.states, n_page, MOST, &t.tables), 0);
    t.c.base = 1;
}

static void close_world(void)
{
    arena_unmap(&t.memory);
    arena_unmap(&t.tables);
}

/* ---- a model of one layer --------------------------------------------------------------------------------------------------- */

static uint64_t computed(const struct writer *w, int pos)
{
    const struct steering *list = w->at.of.list;
    uint64_t sum = hash64(w->id, (size_t)(pos + 1) * sizeof *w->id, w->at.of.root);
    for (int i = 0; list && i < list->n; i++) {
        const struct steering_op *o = &list->op[i];
        int64_t range[] = {o->from, o->to < pos + 1 ? o->to : pos + 1};
        sum += o->is_kept && range[0] < range[1] ? hash64(range, sizeof range, o->kept_hash[0]) : 0;
    }
    return sum;
}

/* An operation like any other, as far as known positions go. */
static struct steering_op acts(int what, int64_t from, int64_t to)
{
    return (struct steering_op){.from = from, .to = to, .is_kept = 1, .kept_hash = {(uint8_t)what}};
}

static void draw_lists(void)
{
    for (int i = 1; i < LISTS; i++) {
        t.list[i].n = 1 + (int)draw(2);
        for (int j = 0; j < t.list[i].n; j++) {
            int64_t from = draw(3) ? (int64_t)draw(900) : 0, to = from + 1 + (int64_t)draw(500);
            t.list[i].op[j] = acts(1 + (int)draw(2), from, draw(2) ? INT64_MAX : to);
        }
    }
}

static uint8_t *row_at(const struct writer *w, int kind, int pos)
{
    return w->seq.page[kind][pos / KV_PAGE] + (size_t)(pos % KV_PAGE) * sizeof(uint64_t);
}

/* Everything that the next row sees was computed from these ids. */
static void expect_sound(const struct writer *w)
{
    for (int k = 0; k < KV_KINDS; k++) {
        const struct kv_pool *pool = &t.pools[k];
        int first = kv_first_position(pool->window, w->seq.n_pos);
        for (int pos = first; pool->n_layer && pos < w->seq.n_pos; pos += pos % 7 ? 1 : 5) {
            uint64_t is, should = computed(w, pos);
            memcpy(&is, row_at(w, k, pos), sizeof is);
            assert_true(is == should);
        }
    }
    if (w->seq.state && w->seq.n_pos) {
        uint64_t should = computed(w, w->seq.n_pos - 1);
        assert_memory_equal(w->seq.state, &should, sizeof should);
    }
}

static int begin_as(struct writer *w, uint64_t root, const struct steering *list)
{
    seq_clear(&w->seq);
    w->at = (struct prefix_cursor){.of = {root, list}};
    w->runs = 1;
    int pos = prefix_resume(&t.c, &w->at, &w->seq, w->id, w->n - 1);
    assert_int_equal(pos, w->seq.n_pos);
    assert_in_range(pos, 0, w->n - 1);
    expect_sound(w);
    return pos;
}

static int begin(struct writer *w, uint64_t root) { return begin_as(w, root, NULL); }

/* Rows up to pos; 0: no page is left. */
static int go_to(struct writer *w, int pos)
{
    while (seq_reserve(&w->seq, pos))
        if (!prefix_evict(&t.c))
            return 0;
    for (int p = w->seq.n_pos; p < pos; p++) {
        uint64_t value = computed(w, p);
        for (int k = 0; k < KV_KINDS; k++)
            if (t.pools[k].n_layer)
                memcpy(row_at(w, k, p), &value, sizeof value);
        if (w->seq.state)
            memcpy(w->seq.state, &value, sizeof value);
    }
    prefix_publish(&t.c, &w->at, &w->seq, w->id, pos);
    seq_commit(&w->seq, pos);
    return 1;
}

static void leave(struct writer *w, int remembered)
{
    if (remembered)
        prefix_remember(&t.c, &w->at, &w->seq, w->id, PREFIX_ENDING);
    prefix_leave(&t.c, &w->at);
    seq_clear(&w->seq);
    w->runs = 0;
}

/* Every page has as many users as there are nodes and sequences with it; parents were used no earlier than children. */
static void expect_balance(void)
{
    uint64_t bytes = 0;
    for (int k = 0; k < KV_KINDS; k++) {
        const struct kv_pool *pool = &t.pools[k];
        int users[64] = {0}, free_pages = 0;
        for (int i = 0; i < t.c.n_node; i++)
            if (t.c.node[i].n && t.c.node[i].page[k] >= 0) {
                users[t.c.node[i].page[k]]++;
                bytes += pool->page_bytes;
            }
        for (int i = 0; i < SEQUENCES; i++)
            for (int p = t.w[i].seq.first_page[k]; pool->n_layer && p < t.w[i].seq.n_page[k]; p++)
                users[kv_page_number(pool, t.w[i].seq.page[k][p])]++;
        for (int i = 0; i < pool->n_page; i++) {
            assert_int_equal(users[i], pool->users[i]);
            free_pages += users[i] == 0;
        }
        assert_int_equal(free_pages, pool->n_free);
    }
    for (int i = 0; i < t.states.n_page; i++)
        bytes += t.c.state[i].node ? t.states.page_bytes : 0;
    assert_true(bytes == t.c.bytes);
    for (int i = 0; i < t.c.n_node; i++)
        if (t.c.node[i].n && t.c.node[i].parent) {
            assert_true(t.c.node[i].parent->used >= t.c.node[i].used);
            assert_int_equal(t.c.node[i].parent->n, KV_PAGE);
        }
}

static void say(struct writer *w, const struct writer *like, int n_like, int n, int seed)
{
    if (like != w)
        memcpy(w->id, like->id, (size_t)n_like * sizeof *w->id);
    w->n = n;
    for (int i = n_like; i < n; i++)
        w->id[i] = (int32_t)(rng_u64((uint64_t)seed, (uint64_t)i, 5, 5) % 1000);
}

/* ---- tests ------------------------------------------------------------------------------------------------------------------ */

static void anywhere(void **state)
{
    (void)state;
    static const int cuts[] = {0, 1, 255, 256, 257, 511, 512, 513, 700, 767, 768, 899};
    open_world(20, see_all(), 0, 0);
    struct writer *a = &t.w[0], *b = &t.w[1];
    say(a, a, 0, 1000, 1);
    assert_int_equal(begin(a, 9), 0);
    assert_int_equal(go_to(a, 900), 1);
    leave(a, 1);
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        say(b, a, cuts[i], 1000, 2 + (int)i);
        assert_int_equal(begin(b, 9), cuts[i]);
        leave(b, 0);
        expect_balance();
    }
    say(b, a, 1000, 1000, 0);
    assert_int_equal(begin(b, 9), 900);
    leave(b, 0);
    b->n = 700; /* the last id is always computed */
    assert_int_equal(begin(b, 9), 699);
    leave(b, 0);
    assert_int_equal(begin(b, 10), 0); /* another root */
    leave(b, 0);
    prefix_clear(&t.c);
    assert_int_equal(t.pools[KV_FULL].n_free, 20);
    assert_true(t.c.bytes == 0);
    close_world();
}

/* Two sequences that compute the same prefix at once share its pages afterwards. */
static void twins(void **state)
{
    (void)state;
    open_world(20, see_all(), 0, 0);
    for (int i = 0; i < 2; i++) {
        say(&t.w[i], &t.w[i], 0, 800, 7);
        assert_int_equal(begin(&t.w[i], 9), 0);
    }
    for (int pos = 100; pos <= 700; pos += 100)
        for (int i = 0; i < 2; i++)
            assert_int_equal(go_to(&t.w[i], pos), 1);
    assert_int_equal(t.pools[KV_FULL].n_free, 20 - 2 - 2);
    expect_sound(&t.w[0]);
    expect_sound(&t.w[1]);
    for (int i = 0; i < 2; i++)
        leave(&t.w[i], 1);
    assert_int_equal(t.pools[KV_FULL].n_free, 20 - 3);
    expect_balance();
    close_world();
}

/* No page is left for the copy of a part page: the part page itself is taken. */
static void last_page(void **state)
{
    (void)state;
    open_world(3, see_all(), 0, 0);
    struct writer *a = &t.w[0];
    say(a, a, 0, 760, 1);
    begin(a, 9);
    assert_int_equal(go_to(a, 600), 1);
    leave(a, 1);
    assert_int_equal(begin(a, 9), 600);
    assert_int_equal(go_to(a, 760), 1);
    expect_balance();
    leave(a, 1);
    say(a, a, 0, 700, 2); /* something else needs all pages */
    assert_int_equal(begin(a, 9), 0);
    assert_int_equal(go_to(a, 700), 1);
    leave(a, 0);
    close_world();
}

static void least_recently_used_are_evicted(void **state)
{
    (void)state;
    open_world(6, see_all(), 0, 0);
    struct writer *a = &t.w[0], *b = &t.w[1];
    for (int i = 0; i < 3; i++) { /* three texts of two pages */
        say(a, a, 0, 513, i);
        begin(a, 9);
        assert_int_equal(go_to(a, 512), 1);
        leave(a, 1);
    }
    say(a, a, 0, 513, 0);
    assert_int_equal(begin(a, 9), 512); /* the first is used again */
    leave(a, 0);
    say(b, b, 0, 513, 3);
    begin(b, 9);
    assert_int_equal(go_to(b, 512), 1);
    leave(b, 1);
    say(a, a, 0, 513, 1);
    assert_int_equal(begin(a, 9), 0);
    leave(a, 0);
    say(a, a, 0, 513, 2);
    assert_int_equal(begin(a, 9), 512);
    leave(a, 0);
    close_world();
}

static void states(void **state)
{
    (void)state;
    open_world(20, see_all(), 0, 2);
    struct writer *a = &t.w[0];
    say(a, a, 0, 900, 1);
    begin(a, 9);
    go_to(a, 100);
    prefix_remember(&t.c, &a->at, &a->seq, a->id, PREFIX_REQUESTED);
    go_to(a, 300);
    prefix_remember(&t.c, &a->at, &a->seq, a->id, PREFIX_REQUESTED);
    go_to(a, 400); /* of lower priority than the request's resume points */
    prefix_remember(&t.c, &a->at, &a->seq, a->id, PREFIX_ENDING);
    leave(a, 0);
    assert_int_equal(begin(a, 9), 300);
    go_to(a, 500); /* the one at 100 is older than this request */
    prefix_remember(&t.c, &a->at, &a->seq, a->id, PREFIX_ENDING);
    seq_invalidate(&a->seq);
    leave(a, 1);
    a->n = 290;
    assert_int_equal(begin(a, 9), 0);
    leave(a, 0);
    a->n = 900;
    assert_int_equal(begin(a, 9), 500);
    leave(a, 0);
    expect_balance();
    close_world();
}

/* The state at a beginning that other conversations share is kept, however often one conversation continues. */
static void renewed(void **state)
{
    (void)state;
    open_world(20, see_all(), 0, 2);
    struct writer *a = &t.w[0], *b = &t.w[1];
    say(a, a, 0, 1500, 1);
    for (int turn = 0; turn < 4; turn++) {
        int end = 500 + 200 * turn;
        assert_int_equal(begin(a, 9), turn ? end - 200 : 0);
        if (turn == 0) {
            go_to(a, 300);
            prefix_remember(&t.c, &a->at, &a->seq, a->id, PREFIX_REQUESTED);
        } else
            prefix_renew(&t.c, &a->at, a->id, 300);
        prefix_renew(&t.c, &a->at, a->id, 299); /* where there is none nothing happens */
        go_to(a, end - 10);
        prefix_remember(&t.c, &a->at, &a->seq, a->id, PREFIX_PERIODIC);
        go_to(a, end);
        prefix_remember(&t.c, &a->at, &a->seq, a->id, PREFIX_REQUESTED);
        leave(a, 1);
        expect_balance();
    }
    say(b, a, 300, 800, 2);
    assert_int_equal(begin(b, 9), 300);
    leave(b, 0);
    close_world();
}

/* A piece read from a file becomes a node: any sequence may continue from its beginning, and from one of two tails that share a page. */
static void inserted(void **state)
{
    (void)state;
    static struct writer text[2];
    static const struct prefix_origin of = {9, NULL};
    open_world(20, see_all(), 0, 0);
    say(&text[0], &text[0], 0, 456, 1);
    say(&text[1], &text[0], 356, 456, 2);
    for (int i = 0; i < 2; i++) {
        struct prefix_node *first = prefix_child(&t.c, NULL, 9, text[i].id, text[i].n);
        text[i].at.of = of;
        for (int page = first ? 1 : 0; page < 2; page++) {
            struct prefix_found f = {.of = &of, .parent = page ? first : NULL, .ids = text[i].id + page * KV_PAGE};
            f.n = page ? 200 : KV_PAGE;
            assert_int_equal(prefix_found_reserve(&t.c, &f, 1u << KV_FULL, 0), 1);
            for (int k = 0; k < f.n; k++) {
                uint64_t value = computed(&text[i], page * KV_PAGE + k);
                memcpy(kv_page_at(&t.pools[KV_FULL], f.page[KV_FULL]) + (size_t)k * sizeof value, &value, sizeof value);
            }
            prefix_insert(&t.c, &f);
            first = first ? first : prefix_child(&t.c, NULL, 9, text[i].id, text[i].n);
            expect_balance();
        }
    }
    static const int cuts[] = {10, 256, 300, 355, 357, 400, 455};
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        struct writer *b = &t.w[0];
        say(b, &text[i % 2], cuts[i], 600, 30 + (int)i);
        assert_int_equal(begin(b, 9), cuts[i]);
        leave(b, 0);
        expect_balance();
    }
    assert_int_equal(t.pools[KV_FULL].n_free, 20 - 3); /* they share the first page */
    close_world();
}

/* Window pages in the middle of a text are evicted before those at the end of another one, even if that is older. */
static void windows(void **state)
{
    (void)state;
    open_world(20, see_last(100), 6, 0);
    struct writer *a = &t.w[0], *b = &t.w[1];
    say(a, a, 0, 1010, 1);
    begin(a, 9);
    for (int pos = 100; pos <= 1000; pos += 100)
        assert_int_equal(go_to(a, pos), 1);
    leave(a, 1);
    say(b, b, 0, 2000, 2);
    begin(b, 9);
    for (int pos = 100; pos <= 1900; pos += 100)
        assert_int_equal(go_to(b, pos), 1);
    leave(b, 1);
    expect_balance();
    assert_int_equal(begin(a, 9), 1000);
    leave(a, 0);
    b->n = 1901;
    assert_int_equal(begin(b, 9), 1900);
    leave(b, 0);
    b->n = 400; /* its window was evicted */
    assert_int_equal(begin(b, 9), 0);
    leave(b, 0);
    close_world();
}

static int found_as(const struct writer *like, int n, const struct steering *list)
{
    struct writer *w = &t.w[1];
    say(w, like, n, n, 0);
    int pos = begin_as(w, 9, list);
    leave(w, 0);
    expect_balance();
    return pos;
}

/* What another list did from some position on is found up to the page before; a node that ends there is found whole. */
static void lists(void **state)
{
    (void)state;
    static const struct steering from_300 = {1, {{.from = 300, .to = INT64_MAX, .is_kept = 1, .kept_hash = {1}}}},
                                 to_300 = {1, {{.to = 300, .is_kept = 1, .kept_hash = {1}}}},
                                 to_100 = {1, {{.to = 100, .is_kept = 1, .kept_hash = {1}}}},
                                 twice = {2,
                                          {{.from = 300, .to = INT64_MAX, .is_kept = 1, .kept_hash = {1}},
                                           {.from = 300, .to = INT64_MAX, .is_kept = 1, .kept_hash = {1}}}},
                                 not_kept = {1, {{.to = INT64_MAX, .kept_hash = {1}}}};
    open_world(20, see_all(), 0, 0);
    struct writer *a = &t.w[0];
    say(a, a, 0, 800, 1);
    begin(a, 9);
    assert_int_equal(go_to(a, 600), 1);
    leave(a, 1);
    assert_int_equal(found_as(a, 800, NULL), 600);
    assert_int_equal(found_as(a, 800, &not_kept), 600);
    assert_int_equal(found_as(a, 800, &from_300), 256);
    assert_int_equal(found_as(a, 800, &to_300), 0);
    assert_int_equal(begin_as(a, 9, &from_300), 256);
    assert_int_equal(go_to(a, 290), 1);
    prefix_remember(&t.c, &a->at, &a->seq, a->id, PREFIX_ENDING);
    assert_int_equal(go_to(a, 310), 1); /* the page is that of two nodes now */
    prefix_remember(&t.c, &a->at, &a->seq, a->id, PREFIX_ENDING);
    expect_balance();
    assert_int_equal(found_as(a, 800, &twice), 290);
    assert_int_equal(found_as(a, 800, &from_300), 310);
    assert_int_equal(found_as(a, 800, NULL), 600);
    assert_int_equal(go_to(a, 800), 1);
    leave(a, 1);
    assert_int_equal(found_as(a, 800, &from_300), 799);
    assert_int_equal(found_as(a, 800, &twice), 290);
    assert_int_equal(begin_as(a, 9, &to_300), 0);
    assert_int_equal(go_to(a, 800), 1);
    leave(a, 1);
    assert_int_equal(found_as(a, 800, &to_300), 799);
    assert_int_equal(found_as(a, 800, &to_100), 0);
    assert_int_equal(prefix_available(&t.c, KV_FULL), 20); /* nobody uses any of them */
    while (prefix_evict(&t.c) || kv_page_take(&t.pools[KV_FULL]) >= 0)
        ;
    assert_int_equal(t.pools[KV_FULL].n_free, 0);
    close_world();
}

static void alike(void **state)
{
    (void)state;
    static const struct steering list[] = {{1, {{.from = 300, .to = INT64_MAX, .is_kept = 1, .kept_hash = {1}}}},
                                           {1, {{.from = 300, .to = INT64_MAX, .is_kept = 1, .kept_hash = {2}}}},
                                           {1, {{.to = INT64_MAX, .is_kept = 1, .kept_hash = {1}}}}};
    const struct prefix_origin none = {9, NULL}, other = {8, NULL}, late = {9, &list[0]}, later = {9, &list[1]},
                               all = {9, &list[2]};
    assert_int_equal(prefix_alike(&none, 700, &none, 600), 600);
    assert_int_equal(prefix_alike(&none, 700, &other, 600), 0);
    assert_int_equal(prefix_alike(&none, 700, &all, 600), 0);
    assert_int_equal(prefix_alike(&all, 700, &all, 600), 600);
    assert_int_equal(prefix_alike(&none, 700, &late, 600), 256);
    assert_int_equal(prefix_alike(&late, 700, &later, 600), 256);
    assert_int_equal(prefix_alike(&none, 300, &late, 299), 299); /* what ends there is shared whole */
    assert_int_equal(prefix_alike(&none, 301, &late, 300), 256);
}

/* Random texts that begin alike, several at a time, few pages and states: what is found was computed from the same ids. */
static void by_chance(int n_page, struct kv_window window, int n_window, int n_state)
{
    static struct writer text[TEXTS];
    uint64_t found = 0;
    open_world(n_page, window, n_window, n_state);
    draw_lists();
    for (int i = 0; i < TEXTS; i++)
        say(&text[i], &text[i], 0, 1 + (int)draw(1500), i);
    for (int i = 0; i < 4000; i++) {
        struct writer *w = &t.w[draw(SEQUENCES)], *like = &text[draw(TEXTS)];
        if (!w->runs) {
            int n_like = (int)draw((uint64_t)like->n + 1), n = n_like + 1 + (int)draw(200);
            say(w, like, draw(2) ? like->n : n_like, n > like->n ? n : like->n + 1, 1000 + (int)draw(50));
            found += (uint64_t)begin_as(w, 9 + draw(2), draw(2) ? &t.list[draw(LISTS)] : NULL);
        } else if (w->seq.n_pos < w->n && draw(5)) {
            int to = w->seq.n_pos + 1 + (int)draw(300);
            if (!go_to(w, to < w->n ? to : w->n))
                leave(w, (int)draw(2)); /* no other sequence frees pages here */
            else if (draw(4) == 0)
                prefix_remember(&t.c, &w->at, &w->seq, w->id, (enum prefix_priority)draw(3));
        } else {
            like = &text[draw(TEXTS)]; /* another sequence may continue from it */
            memcpy(like->id, w->id, sizeof w->id);
            like->n = w->n < 1500 ? w->n : 1500;
            leave(w, (int)draw(4) > 0);
        }
        if (draw(200) == 0)
            prefix_clear(&t.c);
        for (int k = 0; k < SEQUENCES; k++)
            if (t.w[k].runs)
                expect_sound(&t.w[k]);
        expect_balance();
    }
    assert_true(found > 20000);
    close_world();
}

static void chance_pages(void **state)
{
    (void)state;
    by_chance(14, see_all(), 0, 0);
}

static void chance_windows(void **state)
{
    (void)state;
    by_chance(20, see_last(100), 10, 0);
    by_chance(22, see_last(300), 13, 0);
}

static void chance_chunks(void **state)
{
    (void)state;
    by_chance(20, see_chunk(100), 10, 0);
    by_chance(22, see_chunk(512), 13, 0);
}

static void chance_states(void **state)
{
    (void)state;
    by_chance(20, see_all(), 0, 5);
    by_chance(18, see_last(200), 11, 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(anywhere),      cmocka_unit_test(twins),
        cmocka_unit_test(last_page),     cmocka_unit_test(least_recently_used_are_evicted),
        cmocka_unit_test(states),        cmocka_unit_test(renewed),
        cmocka_unit_test(inserted),      cmocka_unit_test(windows),
        cmocka_unit_test(chance_pages),  cmocka_unit_test(chance_windows),
        cmocka_unit_test(chance_chunks), cmocka_unit_test(chance_states),
        cmocka_unit_test(lists),         cmocka_unit_test(alike)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
