/* links: store format base */
/* The store against fake models: the bytes of every expert handed out, one event log whatever the back end, the
 * depth and the order of completions; reads that fail, are short, or never answer; waves; what is refused. */
#include "store/expert_store.h"
#include "base/clock.h"
#include "fault_reader.h"
#include "store_world.h"

#include <limits.h>

enum { SLOTS = 12 };

static int warnings;
static void on_log(enum log_level level, const char *line)
{
    (void)line;
    warnings += level == LOG_WARN;
}

static int fills; /* 1: each layer call lets the store read what nothing has asked for */

/* One layer call for ids (ascending), all in one row: begins wave w + 1 before wave w is taken, as a caller does. */
static int call(struct world *w, int layer, const int32_t *id, int n)
{
    int32_t start[MAX_EXPERTS + 1], row[MAX_EXPERTS] = {0};
    uint64_t seen[MAX_EXPERTS] = {0};
    for (int i = 0; i <= n; i++)
        start[i] = i;
    struct expert_uses uses = {id, start, row, n, 1, 0};
    struct expert_wave wave[MAX_EXPERTS];
    int n_wave = store_layer_begin(w->store, layer, &uses, wave), taken = 0;
    for (int k = 0; k < n_wave; k++) {
        if (k == 0)
            assert_int_equal(store_begin(w->store, &wave[0], &w->err), 0);
        if (k + 1 < n_wave)
            assert_int_equal(store_begin(w->store, &wave[k + 1], &w->err), 0);
        if (fills)
            store_fill(w->store);
        struct expert_view v;
        while (store_next(w->store, 1, &v, &w->err)) {
            assert_true(v.index >= wave[k].first && v.index < wave[k].first + wave[k].n);
            assert_int_equal(v.id, id[v.index]);
            assert_int_equal(seen[v.index]++, 0);
            taken++;
            w->failed += v.failed;
            if (v.failed)
                assert_null(v.part[0]);
            else
                check_view(w, layer, &v);
        }
        store_end(w->store);
    }
    assert_int_equal(taken, n);
    return n_wave;
}

static int random_ids(int32_t *id, uint64_t at, int n_expert, int used)
{
    uint8_t chosen[MAX_EXPERTS] = {0};
    int n = 0;
    for (int u = 0; u < used; u++) /* two of three among the first quarter: some hits */
        chosen[fake_random(9, at * 64 + (uint64_t)u) % (uint64_t)(u % 3 ? n_expert / 4 : n_expert)] = 1;
    for (int i = 0; i < n_expert; i++)
        if (chosen[i])
            id[n++] = i;
    return n;
}

/* tokens through all layers. */
static void run(struct world *w, int tokens, int used)
{
    int32_t id[MAX_EXPERTS];
    for (int t = 0; t < tokens; t++)
        for (int l = 0; l < w->model->n_layer; l++)
            if (w->model->layer[l].n_expert > 0) {
                int n = random_ids(id, (uint64_t)(t * 64 + l), w->model->layer[l].n_expert, used);
                call(w, l, id, n);
            }
}

static void assert_free(struct world *w, int slots)
{
    struct store_stats s;
    store_stats(w->store, &s);
    assert_int_equal(s.draining, 0);
    /* every slot can be had again: a call as wide as the class is one wave */
    int32_t id[MAX_EXPERTS];
    for (int i = 0; i < slots; i++)
        id[i] = i;
    assert_int_equal(call(w, 0, id, slots), 1);
}

static void assert_clean(struct world *w) { assert_free(w, SLOTS); }

static void assert_streamed(struct world *w)
{
    struct store_stats s;
    store_stats(w->store, &s);
    assert_true(s.misses > 0 && s.evictions > 0 && s.hits > 0);
    assert_true(s.reads >= 2 * s.misses && s.bytes_read > 0);
}

static struct fake_model model,
    on_disk; /* the same; model in memory where that can be, for the many runs with faults */
static const int slots[] = {SLOTS, SLOTS};
static uint64_t want_events;
static int want_n_event;

static int setup(void **state)
{
    (void)state;
    /* 52 layers of 16 experts: 102 tensors, and every residue of 32 modulo 4096 by slices of odd length */
    fake_experts(&on_disk, fake_dir(), 52, 16, 3001, 3);
    fake_experts(&model, access("/dev/shm", W_OK) == 0 ? "/dev/shm" : fake_dir(), 52, 16, 3001, 3);
    log_to(on_log);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fake_remove(&model);
    fake_remove(&on_disk);
    return 0;
}

static void same_bytes_and_events(struct fake_model *m, const struct reader_options *opt)
{
    struct world w;
    open_world(&w, m, opt, slots);
    run(&w, 4, 6);
    assert_int_equal(w.failed, 0);
    assert_streamed(&w);
    if (want_n_event == 0) {
        want_n_event = w.n_event;
        want_events = w.events;
    }
    assert_int_equal(w.n_event, want_n_event);
    assert_true(w.events == want_events);
    assert_clean(&w);
    close_world(&w);
}

static void back_ends_and_depths(void **state)
{
    (void)state;
    static const enum reader_backend backend[] = {READER_AUTO, READER_THREADS, READER_BUFFERED};
    static const int depth[] = {1, 32, 0};
    for (int b = 0; b < 3; b++)
        for (int d = 0; d < 3; d++)
            for (int m = 0; m < 2; m++)
                same_bytes_and_events(m ? &model : &on_disk,
                                      &(struct reader_options){.backend = backend[b], .depth = depth[d]});
}

static void completions_in_any_order(void **state)
{
    (void)state;
    const struct reader_options opt = {.ops = &fault_ops};
    fault_reset(first_ops());
    fault.order = ORDER_REVERSED;
    same_bytes_and_events(&model, &opt);
    for (uint64_t seed = 0; seed < 200; seed++) {
        fault_reset(seed % 2 ? first_ops() : &reader_threads);
        fault.order = ORDER_RANDOM;
        fault.seed = seed;
        fault.delay_us = seed % 20 == 0 ? 200 : 0;
        struct world w;
        open_world(&w, &model, &opt, slots);
        run(&w, 1, 6);
        assert_clean(&w);
        close_world(&w);
    }
    fault_reset(first_ops());
    fault.delay_us = 5000;
    fault.order = ORDER_RANDOM;
    struct world w;
    open_world(&w, &model, &opt, slots);
    run(&w, 1, 3);
    assert_clean(&w);
    close_world(&w);
}

/* A short run over few experts, every one of which is held against the file: what was decided. */
static uint64_t short_run(struct fake_model *few, const struct reader_options *opt)
{
    static const int held[] = {4, 4};
    struct world w;
    open_world(&w, few, opt, held);
    run(&w, 4, 3);
    assert_int_equal(w.failed, 0);
    assert_streamed(&w);
    uint64_t events = hash64(&w.n_event, sizeof w.n_event, w.events);
    assert_free(&w, held[0]);
    close_world(&w);
    return events;
}

/* Faults that a retry repairs, at any read: only the statistics differ. */
static void faults_that_a_retry_repairs(void **state)
{
    (void)state;
    const struct reader_options opt = {.ops = &fault_ops};
    static const struct {
        enum fault_kind kind;
        int number, times, short_by;
    } faults[] = {
        {FAULT_ERROR, EIO, 1, 0},      {FAULT_ERROR, EIO, 2, 0},    {FAULT_ERROR, EINTR, 3, 0},
        {FAULT_ERROR, EAGAIN, 100, 0}, {FAULT_ERROR, EINVAL, 1, 0}, {FAULT_SHORT, 0, 1, 1},
        {FAULT_SHORT, 0, 1, 511},      {FAULT_SHORT, 0, 1, 512},    {FAULT_SHORT, 0, 1, 4095},
        {FAULT_SHORT, 0, 1, 4096},     {FAULT_SHORT, 0, 1, -1},     {FAULT_ZERO, 0, 1, 0},
        {FAULT_ZERO, 0, 2, 0},
    };
    struct fake_model few;
    fake_experts(&few, access("/dev/shm", W_OK) == 0 ? "/dev/shm" : fake_dir(), 2, 8, 3001, 1);
    fault_reset(first_ops());
    fault.kind = FAULT_ERROR; /* of a read that does not come: they are counted */
    fault.nth = INT_MAX;
    uint64_t want = short_run(&few, &opt);
    const int reads = fault.reads;
    assert_true(reads > 20);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        int nth = 0;
        do {
            fault_reset(first_ops());
            fault.kind = faults[i].kind;
            fault.number = faults[i].number;
            fault.times = faults[i].times;
            fault.short_by = faults[i].short_by;
            fault.nth = ++nth;
            assert_true(short_run(&few, &opt) == want);
            assert_true(fault.given == 0 || fault.given == fault.times);
        } while (fault.given > 0);
        assert_int_equal(nth, reads + 1); /* each was met once */
    }
    fake_remove(&few);
}

static void a_file_that_refuses_direct(void **state)
{
    (void)state;
    fault_reset(first_ops());
    fault.kind = FAULT_ERROR;
    fault.number = EINVAL;
    fault.direct_only = 1;
    warnings = 0;
    same_bytes_and_events(&model, &(struct reader_options){.ops = &fault_ops});
    assert_int_equal(warnings, model.n_file);
    assert_true(fault.given > 0);
}

/* EIO for ever, n = every read of a short run: one expert fails with one sentence, the next call reads it. */
static void a_read_that_fails(void **state)
{
    (void)state;
    const struct reader_options opt = {.ops = &fault_ops};
    int32_t id[] = {1, 3, 15};
    for (int nth = 1; nth <= 9; nth++) {
        fault_reset(first_ops());
        fault.kind = FAULT_ERROR;
        fault.number = EIO;
        fault.times = 3;
        fault.nth = nth;
        struct world w;
        open_world(&w, &model, &opt, slots);
        call(&w, 2, id, 3);
        assert_int_equal(w.failed, 1);
        const struct expert_extent *x = &model.layer[2].part[(nth - 1) % 3];
        char want[400];
        const char *name = strrchr(model.path[x->file], '/') + 1;
        snprintf(want, sizeof want, "%s: reading %llu bytes at %llu failed: Input/output error (%s, expert %d)", name,
                 (unsigned long long)x->bytes, (unsigned long long)(x->offset + (uint64_t)id[(nth - 1) / 3] * x->bytes),
                 x->tensor, id[(nth - 1) / 3]);
        assert_string_equal(w.err.text, want);
        assert_int_equal(w.err.code, ERR_IO);
        w.err = (struct error){0};
        call(&w, 2, id, 3); /* the device is well again */
        assert_int_equal(w.failed, 1);
        struct store_stats s;
        store_stats(w.store, &s);
        assert_int_equal(s.failed, 1);
        assert_int_equal(s.misses, 4);
        assert_clean(&w);
        close_world(&w);
    }
}

/* A read never answers: the request fails after the timeout, its slot is not used again, everything else continues; when the
 * device answers at last the slot is free again, and nobody reads the late bytes. */
static void a_read_that_never_answers(void **state)
{
    (void)state;
    const struct reader_options opt = {.ops = &fault_ops, .timeout_seconds = 0.5};
    int32_t id[] = {1, 3, 15};
    fault_reset(first_ops());
    fault.kind = FAULT_SILENCE;
    fault.nth = 5;
    struct world w;
    open_world(&w, &model, &opt, slots);
    call(&w, 2, id, 3);
    assert_int_equal(w.failed, 1);
    assert_non_null(strstr(w.err.text, "failed: not answered for 0.5 s (blk.2.ffn_up_exps.weight, expert 3)"));
    w.err = (struct error){0};
    struct store_stats s;
    store_stats(w.store, &s);
    assert_int_equal(s.draining, 1);
    run(&w, 2, 6); /* checks bytes: a slot under a silent read would show */
    assert_int_equal(w.failed, 1);
    int32_t all[SLOTS];
    for (int i = 0; i < SLOTS; i++)
        all[i] = i;
    assert_true(call(&w, 2, all, SLOTS) > 1); /* one slot fewer */
    fault.let_go = LET_GO_RUBBISH;
    run(&w, 1, 6);
    assert_clean(&w);
    close_world(&w);

    fault_reset(first_ops());
    fault.kind = FAULT_SILENCE;
    fault.nth = 5;
    open_world(&w, &model, &opt, slots);
    call(&w, 2, id, 3);
    uint64_t since = clock_ns();
    close_world(&w);
    assert_true(clock_ns() - since < 2500000000u);
}

/* A class of which every read is silent: sentences, not a hang. */
static void a_dead_device(void **state)
{
    (void)state;
    const struct reader_options opt = {.ops = &fault_ops, .timeout_seconds = 0.02};
    const int few[] = {3, 3};
    fault_reset(&reader_threads);
    fault.kind = FAULT_SILENCE;
    struct world w;
    open_world(&w, &model, &opt, few);
    int32_t id[] = {1, 3};
    call(&w, 0, id, 2);
    assert_int_equal(w.failed, 2);
    int32_t start[] = {0, 1, 2}, row[] = {0, 0};
    struct expert_uses uses = {id, start, row, 2, 1, 0};
    struct expert_wave wave[2];
    w.err = (struct error){0};
    assert_int_equal(store_layer_begin(w.store, 0, &uses, wave), 2);
    assert_int_equal(store_begin(w.store, &wave[0], &w.err), 0);
    assert_int_equal(store_begin(w.store, &wave[1], &w.err), -1);
    assert_int_equal(w.err.code, ERR_IO);
    assert_non_null(strstr(w.err.text, "blk.0 needs 1 expert slots and 0 of 3 are usable"));
    close_world(&w);
}

static void waves(void **state)
{
    (void)state;
    int32_t id[16];
    for (int i = 0; i < 16; i++)
        id[i] = i;
    static const struct {
        int slots, n, waves;
    } cases[] = {{16, 16, 1}, {17, 16, 1}, {15, 16, 3}, {12, 16, 3}, {8, 16, 4},
                 {5, 16, 8},  {3, 16, 16}, {2, 16, 16}, {2, 2, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world w;
        open_world(&w, &model, &(struct reader_options){0}, (int[]){cases[i].slots, cases[i].slots});
        assert_int_equal(call(&w, 3, id, cases[i].n), cases[i].waves);
        assert_int_equal(call(&w, 2, id, cases[i].n), cases[i].waves);
        assert_int_equal(call(&w, 2, id + 1, 1), 1);
        close_world(&w);
    }
}

/* Slots for all experts: nothing is read twice, nothing is evicted. */
static void everything_resident(void **state)
{
    (void)state;
    uint32_t align = reader_align_of(model.file, model.n_file);
    struct expert_class class[EXPERT_CLASSES];
    int class_of[FAKE_LAYERS], all[EXPERT_CLASSES];
    int n = expert_classes(model.layer, model.n_layer, align, class, class_of);
    assert_int_equal(n, 2);
    assert_int_equal(class_of[4], -1);
    for (int c = 0; c < n; c++)
        all[c] = class[c].n_expert;
    struct world w;
    open_world(&w, &model, &(struct reader_options){0}, all);
    run(&w, 6, 16);
    struct store_stats s;
    store_stats(w.store, &s);
    assert_int_equal(s.evictions, 0);
    assert_true(s.hits > 0 && s.misses <= (uint64_t)(class[0].n_expert + class[1].n_expert));
    close_world(&w);
}

/* Reads all that a store with slots for all has not read yet. */
static void fill(struct world *w)
{
    uint64_t until = clock_ns() + 20000000000;
    while (store_fill(w->store) && clock_ns() < until) {
        nanosleep(&(struct timespec){0, 20000}, NULL);
        store_poll(w->store);
    }
    assert_true(clock_ns() < until);
}

/* Slots for all experts: they are read while nothing else is, also while a layer waits for its own, and a read that fails is the next
 * layer's to repeat. With fewer slots nothing is read unasked; nor for a log. */
static void filled_unasked(void **state)
{
    (void)state;
    struct expert_class class[EXPERT_CLASSES];
    int all[EXPERT_CLASSES], n_read = 0;
    int n = expert_classes(model.layer, model.n_layer, reader_align_of(model.file, model.n_file), class, NULL);
    for (int c = 0; c < n; c++)
        all[c] = class[c].n_expert;
    for (int l = 0; l < model.n_layer; l++)
        n_read += model.layer[l].n_expert * model.layer[l].n_part;
    for (int begun = 0; begun < 3; begun++) { /* nothing was asked for before; something was; a read fails */
        struct world w;
        struct store_stats s;
        fault_reset(first_ops());
        fault.kind = begun == 2 ? FAULT_ERROR : FAULT_NONE;
        fault.number = EIO;
        fault.times = 3;
        fault.nth = 20;
        open_world(&w, &model, &(struct reader_options){.ops = &fault_ops}, all);
        assert_int_equal(store_fill(w.store), 0);
        store_log(w.store, NULL, NULL);
        fills = begun == 1;
        if (begun == 1)
            run(&w, 1, 6);
        fills = 0;
        fill(&w);
        store_stats(w.store, &s);
        uint64_t misses = s.misses;
        run(&w, 6, 16);
        store_stats(w.store, &s);
        assert_int_equal(w.failed, 0);
        assert_int_equal(s.evictions, 0);
        assert_in_range(s.misses - misses, 0, begun == 2);
        assert_int_equal(s.failed, begun == 2);
        assert_in_range(s.reads, n_read + 2 * (begun == 2), n_read + 3 * (begun == 2));
        close_world(&w);
    }
    fault_reset(first_ops());
    struct world w;
    open_world(&w, &model, &(struct reader_options){0}, slots);
    store_log(w.store, NULL, NULL);
    assert_int_equal(store_fill(w.store), 0);
    close_world(&w);
}

/* The caller ends a wave before its reads complete: experts are unpinned, the slots stay in use until the reads complete. */
static void a_wave_left_early(void **state)
{
    (void)state;
    fault_reset(first_ops());
    fault.kind = FAULT_SILENCE;
    fault.nth = 2;
    struct world w;
    open_world(&w, &model, &(struct reader_options){.ops = &fault_ops, .timeout_seconds = 30}, slots);
    int32_t id[] = {1, 3}, start[] = {0, 1, 2}, row[] = {0, 0};
    struct expert_uses uses = {id, start, row, 2, 1, 0};
    struct expert_wave wave[2];
    assert_int_equal(store_layer_begin(w.store, 2, &uses, wave), 1);
    assert_int_equal(store_begin(w.store, &wave[0], &w.err), 0);
    struct expert_view v;
    assert_int_equal(store_next(w.store, 1, &v, &w.err), 1);
    assert_int_equal(v.id, 3);
    assert_int_equal(store_next(w.store, 0, &v, &w.err), 0);
    store_end(w.store);
    int32_t all[SLOTS];
    for (int i = 0; i < SLOTS; i++)
        all[i] = i;
    assert_true(call(&w, 0, all, SLOTS) > 1);
    fault.let_go = LET_GO_READ;
    store_poll(w.store);
    struct store_stats before, after;
    store_stats(w.store, &before);
    call(&w, 2, id, 1);
    store_stats(w.store, &after);
    assert_int_equal(after.misses, before.misses);
    assert_clean(&w);
    close_world(&w);
}

static void too_few_slots(void **state)
{
    (void)state;
    struct arena mem = {0}, slot_mem = {0};
    struct error err = {0};
    struct reader *r;
    struct expert_store *st;
    const struct reader_options opt = {0};
    assert_int_equal(arena_map(&mem, 4 << 20, &err), 0);
    assert_int_equal(arena_map(&slot_mem, 4 << 20, &err), 0);
    assert_int_equal(reader_open(&r, model.file, model.n_file, &opt, &mem, &err), 0);
    assert_int_equal(store_create(&st, r, model.layer, model.n_layer, (int[]){4, 1}, &slot_mem, &mem, &err), -1);
    assert_int_equal(err.code, ERR_INPUT);
    assert_string_equal(err.text,
                        "1 slots for the experts of blk.1.ffn_gate_exps.weight and its like; at least 2 are needed, "
                        "raise --memory or --slots");
    reader_close(r);
    arena_unmap(&mem);
    arena_unmap(&slot_mem);
}

/* Three layers know their experts when a token begins: they are read then, once, and used; without that the calls miss the same. */
static uint64_t tokens_ahead(const struct reader_options *opt, int ahead, struct store_stats *s)
{
    enum { TOKENS = 40, KNOWN = 3, LAYERS = 6 };
    struct world w;
    int32_t id[KNOWN][MAX_EXPERTS], other[MAX_EXPERTS];
    open_world(&w, &model, opt, (int[]){SLOTS, SLOTS});
    for (int t = 0; t < TOKENS; t++) {
        int n[KNOWN];
        store_sweep_begin(w.store, 0);
        for (int l = 0; l < KNOWN; l++) {
            n[l] = random_ids(id[l], (uint64_t)(t * 64 + l), 16, 3);
            if (ahead)
                store_read_ahead(w.store, l, id[l], n[l]);
        }
        for (int l = 0; l < LAYERS; l++)
            if (model.layer[l].n_expert == 0)
                continue;
            else if (l < KNOWN)
                call(&w, l, id[l], n[l]);
            else
                call(&w, l, other, random_ids(other, (uint64_t)(t * 64 + l), 16, 3));
    }
    assert_int_equal(w.failed, 0);
    store_stats(w.store, s);
    uint64_t events = hash64(&w.n_event, sizeof w.n_event, w.events);
    assert_clean(&w);
    close_world(&w);
    return events;
}

static void read_early(void **state)
{
    (void)state;
    struct store_stats with, without, again;
    uint64_t events = tokens_ahead(&(struct reader_options){0}, 1, &with);
    assert_true(tokens_ahead(&(struct reader_options){.backend = READER_THREADS, .depth = 1}, 1, &again) == events);
    fault_reset(first_ops());
    fault.order = ORDER_REVERSED;
    fault.delay_us = 100;
    assert_true(tokens_ahead(&(struct reader_options){.ops = &fault_ops}, 1, &again) == events);
    fault_reset(first_ops());
    tokens_ahead(&(struct reader_options){0}, 0, &without);
    assert_true(with.early > 40 && with.early_used + with.early_waste == with.early);
    assert_true(with.early_used * 20 >= with.early * 19);
    assert_int_equal(without.early, 0);
    assert_in_range(with.misses * 10, without.misses * 9, without.misses * 11);
}

/* An expert read early for a token that left before its layer is evicted like any other. */
static void read_early_and_not_used(void **state)
{
    (void)state;
    struct world w;
    int32_t id[MAX_EXPERTS];
    open_world(&w, &model, &(struct reader_options){0}, slots);
    for (int t = 0; t < 20; t++) {
        store_sweep_begin(w.store, 0);
        store_read_ahead(w.store, 1, id, random_ids(id, (uint64_t)t, 16, 6));
        call(&w, 0, id, random_ids(id, (uint64_t)(100 + t), 16, 6));
    }
    run(&w, 2, 6);
    assert_int_equal(w.failed, 0);
    assert_clean(&w);
    close_world(&w);
}

/* An early read that fails permanently fails no row yet: the layer reads the expert again. */
static void read_early_and_unreadable(void **state)
{
    (void)state;
    int32_t id[] = {1, 3, 15};
    for (int nth = 1; nth <= 9; nth++) {
        struct world w;
        struct store_stats s;
        fault_reset(first_ops());
        fault.kind = FAULT_ERROR;
        fault.number = EIO;
        fault.times = 3;
        fault.nth = nth;
        open_world(&w, &model, &(struct reader_options){.ops = &fault_ops}, slots);
        store_sweep_begin(w.store, 0);
        store_read_ahead(w.store, 2, id, 3);
        store_stats(w.store, &s);
        for (uint64_t until = clock_ns() + 5000000000; s.failed == 0 && clock_ns() < until;) {
            nanosleep(&(struct timespec){0, 100000}, NULL);
            store_poll(w.store);
            store_stats(w.store, &s);
        }
        call(&w, 2, id, 3);
        assert_int_equal(fault.given, 3);
        assert_int_equal(w.failed, 0);
        store_stats(w.store, &s);
        assert_int_equal(s.failed, 1);
        assert_int_equal(s.early_used, 2);
        assert_clean(&w);
        close_world(&w);
    }
    fault_reset(first_ops());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(back_ends_and_depths),
        cmocka_unit_test(completions_in_any_order),
        cmocka_unit_test(faults_that_a_retry_repairs),
        cmocka_unit_test(a_file_that_refuses_direct),
        cmocka_unit_test(a_read_that_fails),
        cmocka_unit_test(a_read_that_never_answers),
        cmocka_unit_test(a_dead_device),
        cmocka_unit_test(waves),
        cmocka_unit_test(everything_resident),
        cmocka_unit_test(filled_unasked),
        cmocka_unit_test(a_wave_left_early),
        cmocka_unit_test(too_few_slots),
        cmocka_unit_test(read_early),
        cmocka_unit_test(read_early_and_not_used),
        cmocka_unit_test(read_early_and_unreadable),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
