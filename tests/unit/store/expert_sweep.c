/* links: store format base */
/* Sweeps against fake models: each used expert is read at most once a chunk whatever the slots, experts of later layers
 * stay, early reads are booked to the last one, and the decisions are the same whatever the back end, the depth, the order of
 * completions and the delays; early reads that fail or never answer. */
#include "base/clock.h"
#include "fault_reader.h"
#include "store_world.h"

enum { LAYERS = 20, EXPERTS = 32, USED = 4, ROWS = 300 };

static struct fake_model model;

static int setup(void **state)
{
    (void)state;
    fake_experts(&model, access("/dev/shm", W_OK) == 0 ? "/dev/shm" : fake_dir(), LAYERS, EXPERTS, 3001, 3);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fake_remove(&model);
    return 0;
}

/* What was read and evicted since the chunk began. */
static struct {
    int n[LAYERS][EXPERTS];
    int turn, reads, evicted_ahead;
    int is_called, idle_early; /* a layer was; reads of idle experts that were early */
} chunk;

static int is_idle(const void *arg, int layer, int id) { return arg == &chunk && (layer + id) % 4 == 1; }

static void on_read(const struct store_event *e)
{
    chunk.turn = e->turn;
    if (!e->evict)
        chunk.n[e->layer][e->id]++;
    chunk.reads += !e->evict;
    chunk.idle_early += !e->evict && (e->layer > e->turn || !chunk.is_called) && is_idle(&chunk, e->layer, e->id);
    chunk.evicted_ahead += e->evict && e->layer > e->turn;
}

/* Routes of a layer: rows x USED; the rows like some experts of a layer better. */
struct routes {
    int32_t id[EXPERTS], start[EXPERTS + 1], row[ROWS * USED];
    struct expert_uses uses;
};

static void make_routes(struct routes *r, int layer, int n_rows, uint64_t seed)
{
    uint8_t used[ROWS][EXPERTS] = {{0}};
    int n = 0, k = 0;
    for (int row = 0; row < n_rows; row++)
        for (uint64_t u = 0; u < USED; u++) {
            uint64_t x = fake_random(seed, ((uint64_t)layer * ROWS + (uint64_t)row) * USED + u);
            /* the first of any, the others near a place that moves */
            used[row][u == 0 ? x % EXPERTS : ((uint64_t)layer * 5 + x % (EXPERTS / 4)) % EXPERTS] = 1;
        }
    for (int id = 0; id < EXPERTS; id++) {
        int first = k;
        for (int row = 0; row < n_rows; row++)
            if (used[row][id])
                r->row[k++] = row;
        if (k == first)
            continue;
        r->id[n] = id;
        r->start[n++] = first;
    }
    r->start[n] = k;
    r->uses = (struct expert_uses){r->id, r->start, r->row, n, n_rows, n_rows};
}

static void take_wave(struct world *w, int layer, const struct routes *r, const struct expert_wave *wave)
{
    struct expert_view v;
    uint64_t seen = 0;
    while (store_next(w->store, 1, &v, &w->err)) {
        assert_in_range(v.index, wave->first, wave->first + wave->n - 1);
        assert_int_equal(v.id, r->id[v.index]);
        assert_false(seen >> v.id & 1);
        seen |= UINT64_C(1) << v.id;
        w->failed += v.failed;
        if (!v.failed)
            check_view(w, layer, &v);
        store_poll(w->store);
    }
    assert_int_equal(__builtin_popcountll(seen), wave->n);
}

static void layer_call(struct world *w, int layer, int n_rows, uint64_t seed)
{
    static struct routes r;
    struct expert_wave wave[EXPERTS];
    make_routes(&r, layer, n_rows, seed);
    int n = store_layer_begin(w->store, layer, &r.uses, wave), at = 0;
    chunk.is_called = 1;
    for (int i = 0; i < n; i++) { /* ascending, without gaps */
        assert_int_equal(wave[i].first, at);
        assert_true(wave[i].n > 0);
        at += wave[i].n;
    }
    assert_int_equal(at, r.uses.n);
    for (int k = 0, begun = 0; k < n; k++) {
        for (; begun < n && begun <= k + 1; begun++)
            if (store_begin(w->store, &wave[begun], &w->err) != 0)
                fail_msg("layer %d wave %d of %d: %s", layer, begun, n, w->err.text);
        take_wave(w, layer, &r, &wave[k]);
        store_end(w->store);
    }
}

static void sweep_some(struct world *w, int n_rows, uint64_t seed, int layers)
{
    memset(&chunk, 0, sizeof chunk);
    store_sweep_begin(w->store, n_rows);
    for (int l = 0; l < layers; l++)
        if (model.layer[l].n_expert > 0)
            layer_call(w, l, n_rows, seed);
}

static void sweep(struct world *w, int n_rows, uint64_t seed) { sweep_some(w, n_rows, seed, LAYERS); }

static void decode(struct world *w, int tokens, uint64_t seed)
{
    for (int t = 0; t < tokens; t++) {
        store_sweep_begin(w->store, 0);
        for (int l = 0; l < LAYERS; l++)
            if (model.layer[l].n_expert > 0)
                layer_call(w, l, 1, seed + (uint64_t)t);
    }
}

static void open_small(struct world *w, const struct reader_options *opt, int n_slot)
{
    open_world(w, &model, opt, (int[]){n_slot, n_slot});
    w->also = on_read;
}

static void assert_settled(struct world *w)
{
    struct store_stats s;
    store_stats(w->store, &s);
    assert_int_equal(s.early, s.early_used + s.early_waste);
    assert_int_equal(s.draining, 0);
    assert_int_equal(w->failed, 0);
}

static void once_a_chunk(void **state)
{
    (void)state;
    static const int slots[] = {8, 9, 12, 20, 40, 100, 400}, rows[] = {17, 64, 255, 256, 300};
    for (size_t i = 0; i < sizeof slots / sizeof *slots; i++)
        for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
            struct world w;
            open_small(&w, &(struct reader_options){0}, slots[i] < 256 ? slots[i] : 256);
            for (uint64_t c = 0; c < 3; c++) {
                sweep(&w, rows[k], c);
                for (int l = 0; l < LAYERS; l++)
                    for (int id = 0; id < EXPERTS; id++)
                        if (chunk.n[l][id] > 1)
                            fail_msg("%d slots, %d rows, chunk %d: layer %d expert %d read %d times", slots[i], rows[k],
                                     (int)c, l, id, chunk.n[l][id]);
            }
            assert_settled(&w);
            struct store_stats s;
            store_stats(w.store, &s);
            if (rows[k] < 64 ? s.early != 0 : s.early == 0 && (slots[i] < 256 || rows[k] >= 256))
                fail_msg("%d slots, %d rows: %d early", slots[i], rows[k], (int)s.early);
            assert_true(s.misses > 0 && (s.evictions > 0) == (slots[i] < 256));
            decode(&w, 2, 9);
            assert_settled(&w);
            close_world(&w);
        }
}

/* What no row can choose is not read early, whatever it was used for before; and else it is. */
static void idle_ones_are_not_read_early(void **state)
{
    (void)state;
    struct world w;
    struct store_stats before, after;
    open_small(&w, &(struct reader_options){0}, 40);
    for (uint64_t c = 0; c < 6; c++) {
        store_sweep_without(w.store, c % 2 ? is_idle : NULL, &chunk);
        store_stats(w.store, &before);
        sweep(&w, c < 2 ? 100 : 300, c / 2);
        store_stats(w.store, &after);
        assert_true(c < 2 || after.early > before.early);
        if (c % 2 == 1)
            assert_int_equal(chunk.idle_early, 0);
        else if (c >= 2)
            assert_true(chunk.idle_early > 0);
    }
    assert_settled(&w);
    close_world(&w);
}

/* Experts of layers ahead are evicted only for the slots that a chunk frees at its begin; the rules of decoding would read more. */
static void which_experts_stay(void **state)
{
    (void)state;
    struct world w;
    int reads[2];
    for (int rules = 0; rules < 2; rules++) {
        open_small(&w, &(struct reader_options){0}, 100);
        sweep(&w, 300, 0);
        memset(&chunk, 0, sizeof chunk);
        if (rules)
            sweep(&w, 300, 0);
        else
            store_sweep_begin(w.store, 0);
        for (int l = 0; l < LAYERS && !rules; l++)
            if (model.layer[l].n_expert > 0)
                layer_call(&w, l, 300, 0);
        reads[rules] = chunk.reads;
        if (rules)
            assert_true(chunk.evicted_ahead <=
                        2 * 2 * 12); /* an eighth of each class, at its begin and at most once more */
        close_world(&w);
    }
    int used = 16 * EXPERTS, resident = 2 * 100 - 2 * 12;
    if (reads[1] >= reads[0] || reads[1] > used - resident * 9 / 10)
        fail_msg("%d reads with the rules of sweeps, %d without", reads[1], reads[0]);
}

/* One log of decisions. */
static void same_decisions(const struct reader_options *opt)
{
    static uint64_t want;
    static int want_n;
    struct world w;
    open_small(&w, opt, 24);
    sweep(&w, 300, 1);
    sweep(&w, 100, 2);
    decode(&w, 2, 3);
    sweep_some(&w, 300, 4, LAYERS / 2); /* all rows left in the middle */
    decode(&w, 2, 5);
    sweep(&w, 20, 6);
    assert_settled(&w);
    if (want_n == 0) {
        want = w.events;
        want_n = w.n_event;
    }
    assert_int_equal(w.n_event, want_n);
    assert_true(w.events == want);
    close_world(&w);
}

static void decisions_do_not_depend_on_time(void **state)
{
    (void)state;
    for (int backend = (int)first_backend(); backend <= READER_BUFFERED; backend++)
        for (int depth = 0; depth <= 32; depth += depth ? 31 : 1)
            same_decisions(&(struct reader_options){.backend = (enum reader_backend)backend, .depth = depth});
    for (uint64_t seed = 0; seed < 20; seed++) {
        fault_reset(seed % 2 ? first_ops() : &reader_threads);
        fault.order = seed % 3 ? ORDER_RANDOM : ORDER_REVERSED;
        fault.seed = seed;
        fault.delay_us = seed % 4 == 3 ? 300 : 0;
        same_decisions(&(struct reader_options){.ops = &fault_ops});
    }
}

/* An early read that fails fails no row: the expert is read again when its turn comes. 0: the machine was so busy that
 * other reads were late as well. */
static int early_read_fails(int nth, int silent)
{
    struct world w;
    fault_reset(first_ops());
    fault.kind = silent ? FAULT_SILENCE : FAULT_ERROR;
    fault.number = EIO;
    fault.times = silent ? 1 : 3;
    fault.nth = nth;
    open_small(&w, &(struct reader_options){.ops = &fault_ops, .timeout_seconds = 0.05}, 40);
    sweep(&w, 300, 0);
    int failed = w.failed;
    fault.let_go = LET_GO_READ;
    sweep(&w, 300, 1);
    struct store_stats s;
    store_stats(w.store, &s);
    if (s.failed <= 1) {
        assert_true(failed <= 1);
        assert_int_equal(w.failed, failed);
        assert_int_equal(s.failed, 1);
        assert_int_equal(s.draining, 0);
        assert_int_equal(s.early, s.early_used + s.early_waste + (uint64_t)(1 - failed));
    }
    close_world(&w);
    return s.failed <= 1;
}

static void early_reads_that_fail(void **state)
{
    (void)state;
    for (int nth = 40; nth < 240; nth += 17)
        for (int silent = 0, tries = 0; silent <= 1; tries++) {
            assert_true(tries < 50);
            silent += early_read_fails(nth, silent);
        }
}

/* Closing in the middle of a sweep takes no longer than what is in flight. */
static void closed_in_the_middle(void **state)
{
    (void)state;
    struct world w;
    fault_reset(first_ops());
    fault.kind = FAULT_SILENCE;
    fault.nth = 60;
    open_small(&w, &(struct reader_options){.ops = &fault_ops, .timeout_seconds = 30}, 100);
    store_sweep_begin(w.store, 300);
    uint64_t since = clock_ns();
    close_world(&w);
    assert_true(clock_ns() - since < 2500000000u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(once_a_chunk),          cmocka_unit_test(idle_ones_are_not_read_early),
        cmocka_unit_test(which_experts_stay),    cmocka_unit_test(decisions_do_not_depend_on_time),
        cmocka_unit_test(early_reads_that_fail), cmocka_unit_test(closed_in_the_middle),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
