/* links: store format base */
/* The policy against a model of sixty lines that scans everything: scores row by row as the definition says, victims by brute
 * force over all residents of the class. Random routes, 10^6 calls in all, equal event by event; and the definition's numbers
 * by hand. */
#include "store/expert_cache.h"
#include "base/error.h"
#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { LAYERS = 9, EXPERTS = 24, ROWS = 12, USED = 4 };

static uint64_t counter;
static int pick(int n) { return (int)(rng_u64(5, counter++, 0, 0) % (uint64_t)n); }

/* The model: every rule as it is written down, nothing remembered that can be computed. */
struct naive {
    uint64_t fast[LAYERS][EXPERTS], slow[LAYERS][EXPERTS];
    int slot[LAYERS][EXPERTS], evictable[LAYERS][EXPERTS], held[LAYERS][EXPERTS], kept[LAYERS], class[LAYERS],
        n_expert[LAYERS];
};

static void naive_turn(struct naive *m, int l)
{
    for (int id = 0; id < EXPERTS; id++) {
        m->fast[l][id] -= m->fast[l][id] >> 1;
        m->slow[l][id] -= m->slow[l][id] >> 5;
    }
}

static void naive_use(struct naive *m, int l, int row, uint8_t used[ROWS][EXPERTS])
{
    for (int id = 0; id < EXPERTS; id++) {
        m->fast[l][id] += used[row][id] ? 65536 : 0;
        m->slow[l][id] += used[row][id] ? 65536 : 0;
    }
}

static void naive_age(struct naive *m, int l, uint8_t used[ROWS][EXPERTS], int n_rows, int n_prompt)
{
    for (int r = 0; r < n_prompt; r++) {
        naive_turn(m, l);
        naive_use(m, l, r, used);
    }
    if (n_rows > n_prompt)
        naive_turn(m, l);
    for (int r = n_prompt; r < n_rows; r++)
        naive_use(m, l, r, used);
}

static int naive_victim(const struct naive *m, int class, int now, int reach)
{
    int best = -1, best_distance = 0, best_rank = 0;
    uint64_t best_score = 0;
    for (int l = 0; l < LAYERS; l++) {
        int distance = ((l - now) % LAYERS + LAYERS) % LAYERS;
        distance = distance ? distance : LAYERS;
        for (int id = 0; id < m->n_expert[l]; id++) {
            uint64_t score = 4 * m->fast[l][id] + m->slow[l][id];
            int rank = m->held[l][id] ? REACH_HELD : m->kept[l] ? REACH_KEPT : REACH_DONE;
            if (m->class[l] != class || !m->evictable[l][id] || rank > reach || (best >= 0 && rank > best_rank))
                continue;
            if (best < 0 || rank < best_rank || score < best_score ||
                (score == best_score && distance > best_distance)) {
                best = l * EXPERTS + id;
                best_rank = rank;
                best_score = score;
                best_distance = distance;
            }
        }
    }
    return best;
}

struct world {
    struct expert_layer layer[LAYERS];
    int class_of[LAYERS];
    struct expert_cache cache;
    struct naive naive;
    uint8_t *memory;
};

static void make_world(struct world *w)
{
    memset(w, 0, sizeof *w);
    for (int l = 0; l < LAYERS; l++) {
        int n = l == 4 ? 0 : l == 7 ? EXPERTS / 2 : EXPERTS;
        w->layer[l] = (struct expert_layer){.layer = l, .n_expert = n, .n_part = 1};
        w->class_of[l] = n == 0 ? -1 : l % 3 == 0;
        w->naive.class[l] = w->class_of[l];
        w->naive.n_expert[l] = n;
        for (int id = 0; id < EXPERTS; id++)
            w->naive.slot[l][id] = -1;
    }
    struct arena a;
    arena_init_measuring(&a);
    assert_int_equal(cache_allocate(&w->cache, w->layer, LAYERS, &a), 0);
    size_t bytes = arena_measured(&a);
    w->memory = aligned_alloc(64, bytes);
    memset(w->memory, 0x5A, bytes);
    arena_init(&a, w->memory, bytes);
    assert_int_equal(cache_allocate(&w->cache, w->layer, LAYERS, &a), 0);
    cache_init(&w->cache, w->layer, w->class_of);
    assert_int_equal((a.used + 63) / 64 * 64, bytes);
}

/* Routes of one call, as rows and as uses. */
struct call {
    uint8_t used[ROWS][EXPERTS];
    int32_t id[EXPERTS], row_start[EXPERTS + 1], row[ROWS * EXPERTS];
    struct expert_uses uses;
};

static void make_call(struct call *c, int n_expert)
{
    memset(c, 0, sizeof *c);
    int rows = 1 + pick(ROWS), prompt = pick(rows + 1), n = 0, k = 0;
    for (int r = 0; r < rows; r++)
        for (int u = 0; u < USED; u++)
            c->used[r][pick(n_expert) * pick(2)] = 1; /* expert 0 is popular: scores meet */
    for (int id = 0; id < EXPERTS; id++) {
        int first = k;
        for (int r = 0; r < rows; r++)
            if (c->used[r][id])
                c->row[k++] = r;
        if (k == first)
            continue;
        c->id[n] = id;
        c->row_start[n++] = first;
    }
    c->row_start[n] = k;
    c->uses = (struct expert_uses){c->id, c->row_start, c->row, n, rows, prompt};
}

static void change_residents(struct world *w, int slots_of[2])
{
    int l = pick(LAYERS);
    if (w->layer[l].n_expert == 0)
        return;
    int id = pick(w->layer[l].n_expert), class = w->class_of[l];
    int32_t slot = cache_slot(&w->cache, l, id);
    assert_int_equal(slot, w->naive.slot[l][id]);
    if (slot < 0) {
        cache_put(&w->cache, l, id, w->naive.slot[l][id] = slots_of[class]++);
        w->naive.evictable[l][id] = 0;
    } else if (pick(8) == 0) {
        cache_drop(&w->cache, l, id);
        w->naive.slot[l][id] = -1;
        w->naive.evictable[l][id] = w->naive.held[l][id] = 0;
    } else if (pick(4) == 0) {
        w->naive.held[l][id] = pick(2);
        cache_hold(&w->cache, l, id, w->naive.held[l][id]);
    } else {
        w->naive.evictable[l][id] = pick(3) > 0;
        cache_set_evictable(&w->cache, l, id, w->naive.evictable[l][id]);
    }
    if (pick(64) == 0) {
        w->naive.kept[l] = pick(2);
        cache_keep(&w->cache, l, w->naive.kept[l]);
    }
    if (pick(256) == 0) {
        memset(w->naive.held[l], 0, sizeof w->naive.held[l]);
        cache_hold_none(&w->cache, l);
    }
}

static void compare_victim(struct world *w)
{
    int class = pick(2), now = pick(LAYERS), layer = -1, id = -1, evictable = 0;
    enum cache_reach reach = (enum cache_reach)pick(3);
    int want = naive_victim(&w->naive, class, now, reach);
    for (int l = 0; l < LAYERS; l++)
        for (int i = 0; i < EXPERTS; i++)
            evictable += w->naive.class[l] == class && !w->naive.kept[l] && w->naive.evictable[l][i] &&
                         !w->naive.held[l][i];
    assert_int_equal(cache_evictable(&w->cache, class), evictable);
    int32_t slot = cache_victim(&w->cache, class, now, reach, &layer, &id);
    if (want < 0) {
        assert_int_equal(slot, -1);
        return;
    }
    assert_int_equal(layer * EXPERTS + id, want);
    assert_int_equal(slot, w->naive.slot[layer][id]);
    assert_true(w->naive.evictable[layer][id]);
    if (pick(2))
        return;
    cache_drop(&w->cache, layer, id);
    w->naive.slot[layer][id] = -1;
    w->naive.evictable[layer][id] = w->naive.held[layer][id] = 0;
}

static void random_calls_equal_the_model(void **state)
{
    (void)state;
    struct world w;
    struct call c;
    int slots_of[2] = {0, 1000000}, victims = 0;
    make_world(&w);
    for (int i = 0; i < 1000000; i++) {
        int what = pick(16);
        if (what == 0) {
            int l = pick(LAYERS);
            if (w.layer[l].n_expert == 0)
                continue;
            make_call(&c, w.layer[l].n_expert);
            cache_age(&w.cache, l, &c.uses);
            naive_age(&w.naive, l, c.used, c.uses.n_rows, c.uses.n_prompt);
        } else if (what < 14) {
            change_residents(&w, slots_of);
        } else {
            compare_victim(&w);
            victims++;
        }
    }
    for (int l = 0; l < LAYERS; l++)
        for (int id = 0; id < w.layer[l].n_expert; id++) {
            int at = w.cache.layer[l].first + id;
            assert_int_equal(w.cache.fast[at], w.naive.fast[l][id]);
            assert_int_equal(w.cache.slow[at], w.naive.slow[l][id]);
        }
    assert_true(victims > 100000);
    free(w.memory);
}

static void scores_by_hand(void **state)
{
    (void)state;
    struct world w;
    make_world(&w);
    /* expert 3 in rows 0 and 2 of three prompt rows and one decode row, expert 5 in the decode row */
    int32_t id[] = {3, 5}, start[] = {0, 3, 4}, row[] = {0, 2, 3, 3};
    cache_age(&w.cache, 1, &(struct expert_uses){id, start, row, 2, 4, 3});
    int at = w.cache.layer[1].first;
    /* fast: 65536, 32768, 16384 + 65536, 40960 + 65536; slow: 65536, 63488, 61504 + 65536, 127040 - 3970 + 65536 */
    assert_int_equal(w.cache.fast[at + 3], 106496);
    assert_int_equal(w.cache.slow[at + 3], 188606);
    assert_int_equal(w.cache.fast[at + 5], 65536);
    assert_int_equal(w.cache.slow[at + 5], 65536);
    assert_int_equal(w.cache.fast[at + 4], 0);
    free(w.memory);
}

/* All scores zero: the current layer goes first, then the layer before it, and so on; in a layer the smallest id. */
static void ties(void **state)
{
    (void)state;
    struct world w;
    make_world(&w);
    for (int l = 0; l < LAYERS; l++)
        for (int id = 2; id < 4 && id < w.layer[l].n_expert; id++) {
            cache_put(&w.cache, l, id, l * 10 + id);
            cache_set_evictable(&w.cache, l, id, 1);
        }
    static const int want[] = {22, 23, 12, 13, 82, 83, 72, 73, 52, 53}; /* class 0, the turn of layer 2 */
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        int layer, id;
        assert_int_equal(cache_victim(&w.cache, 0, 2, REACH_DONE, &layer, &id), want[i]);
        cache_drop(&w.cache, layer, id);
    }
    int layer, id;
    assert_int_equal(cache_victim(&w.cache, 0, 2, REACH_DONE, &layer, &id), -1);
    assert_int_equal(cache_victim(&w.cache, 1, 2, REACH_DONE, &layer, &id), 2);
    free(w.memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_by_hand),
        cmocka_unit_test(ties),
        cmocka_unit_test(random_calls_equal_the_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
