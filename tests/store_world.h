/* A store with everything below it, over a fake model: exactly the memory that was stated, every expert that is handed out held
 * against the file's bytes, the decisions hashed. */
#ifndef TESTS_STORE_WORLD_H
#define TESTS_STORE_WORLD_H

#include "base/hash.h"
#include "base/log.h"
#include "fake_model.h"
#include "store/expert_store.h"
#include "store/reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { MAX_EXPERTS = 64 };

struct world {
    struct fake_model *model;
    struct reader *reader;
    struct expert_store *store;
    struct arena tables, slots;
    int class_of[FAKE_LAYERS], n_class;
    struct expert_class class[EXPERT_CLASSES];
    uint64_t events; /* hash of the decisions */
    int n_event, failed;
    struct error err;
    void (*also)(const struct store_event *e); /* also called, for the test's own checks */
};

static inline void on_event(void *arg, const struct store_event *e)
{
    struct world *w = arg;
    w->events = hash64(e, sizeof *e, w->events);
    w->n_event++;
    if (w->also)
        w->also(e);
}

static inline void open_world(struct world *w, struct fake_model *m, const struct reader_options *opt, const int *slots)
{
    *w = (struct world){.model = m};
    uint32_t align = reader_align_of(m->file, m->n_file);
    w->n_class = expert_classes(m->layer, m->n_layer, align, w->class, w->class_of);
    uint64_t slot_bytes = 0;
    int n_slot = 0;
    for (int c = 0; c < w->n_class; c++) {
        slot_bytes += (uint64_t)slots[c] * w->class[c].slot_bytes;
        n_slot += slots[c];
    }
    uint64_t table_bytes = reader_bytes(opt) + store_table_bytes(m->layer, m->n_layer, n_slot);
    assert_int_equal(arena_map(&w->tables, table_bytes, &w->err), 0);
    assert_int_equal(arena_map(&w->slots, slot_bytes, &w->err), 0);
    /* exactly what was stated: not the rounding of the mapping */
    w->tables.size = table_bytes;
    w->slots.size = slot_bytes;
    if (reader_open(&w->reader, m->file, m->n_file, opt, &w->tables, &w->err) != 0 ||
        store_create(&w->store, w->reader, m->layer, m->n_layer, slots, &w->slots, &w->tables, &w->err) != 0)
        fail_msg("%s", w->err.text);
    assert_int_equal(w->slots.used, slot_bytes);
    store_log(w->store, on_event, w);
}

static inline void close_world(struct world *w)
{
    store_destroy(w->store);
    reader_close(w->reader);
    w->tables.size = w->tables.total;
    w->slots.size = w->slots.total;
    arena_unmap(&w->tables);
    arena_unmap(&w->slots);
}

/* Is it the expert that the file holds? */
static inline void check_view(struct world *w, int layer, const struct expert_view *v)
{
    const struct expert_layer *l = &w->model->layer[layer];
    for (int p = 0; p < l->n_part; p++) {
        const struct expert_extent *x = &l->part[p];
        const uint8_t *want = w->model->bytes[x->file] + x->offset + (uint64_t)v->id * x->bytes;
        if (memcmp(v->part[p], want, x->bytes) != 0)
            fail_msg("layer %d expert %d part %d: other bytes than the file's", layer, v->id, p);
    }
}

#endif
