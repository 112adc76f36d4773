/* Slots, waves and the protocol: see expert_store.h; the policy: expert_cache.h; the disk: reader.h.
 *
 * A slot is in one of these conditions; settle() is the one place that moves the counts:
 *
 *     state      pins  in the cache   loose
 *     FREE        0    no             yes: taken first
 *     LOADING    any   yes            no
 *     READY       0    yes            yes: a victim
 *     READY      >0    yes            no
 *     DRAINING   any   no             no; FREE once its last read is home and nobody has it pinned
 *
 * A wave holds one pin on each slot it uses. Each slot knows its place in both waves that may be open, so a completion finds
 * who waits for it. readable[] is the order in which experts are handed out: hits at store_begin, then arrivals. */
#include "store/expert_store.h"

#include "base/checked.h"
#include "base/clock.h"
#include "base/error.h"
#include "store/expert_cache.h"
#include "store/reader.h"

#include <assert.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

enum { WAVES = 2, SLOT_FREE = 0, SLOT_LOADING, SLOT_READY, SLOT_DRAINING };
static const uint64_t destroy_wait_ns = 2000000000;

struct slot {
    uint8_t *memory;
    int32_t layer, id;
    int32_t next_free;
    int32_t place[WAVES]; /* index into an open wave, -1 */
    int32_t pins;
    int32_t reads; /* requests that are not home */
    uint8_t state, loose, class;
    const struct read_request *failed; /* the first of its reads that failed */
    struct read_request read[EXPERT_PARTS];
};

struct slot_class {
    struct expert_class shape;
    int n_slot;
    int32_t free; /* head of the list, -1 */
    int n_loose;
};

struct wave {
    const int32_t *id; /* [n] of the layer's uses */
    int layer, first, n, n_readable, n_taken;
    int32_t *slot;     /* [n] */
    int32_t *readable; /* [n] places, in the order they are handed out */
};

struct expert_store {
    struct reader *reader;
    uint32_t align;
    const struct expert_layer *layer; /* a copy */
    int n_layer, n_class, n_slot;
    struct slot_class class[EXPERT_CLASSES];
    struct slot *slot;
    struct expert_cache cache;
    struct wave wave[WAVES];
    int oldest, n_open;
    int turn;                       /* the layer announced last, and its uses */
    const struct expert_uses *uses; /* of store_layer_begin */
    struct read_list list;
    struct read_request **batch; /* [largest n_expert * parts] */
    void (*log)(void *arg, const struct store_event *e);
    void *log_arg;
    struct reader_stats at_start;
    /* written by the engine thread, read by any */
    _Atomic uint64_t hits, misses, evictions, bytes_read, reads, failed, draining, wait_ns;
};

static void count(_Atomic uint64_t *c, uint64_t n)
{
    atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + n, memory_order_relaxed);
}

/* Sizes */

static uint64_t range_bytes(const struct expert_extent *x, int id, uint32_t align)
{
    uint64_t o = x->offset + (uint64_t)id * x->bytes;
    return round_up(o % align + x->bytes, align);
}

static uint64_t slot_need(const struct expert_layer *l, uint32_t align)
{
    uint64_t most = 0;
    for (int id = 0; id < l->n_expert; id++) {
        uint64_t need = 0;
        for (int p = 0; p < l->n_part; p++)
            need += range_bytes(&l->part[p], id, align);
        if (need > most)
            most = need;
    }
    return most;
}

static uint64_t expert_bytes(const struct expert_layer *l)
{
    uint64_t n = 0;
    for (int p = 0; p < l->n_part; p++)
        n += l->part[p].bytes;
    return n;
}

int expert_classes(const struct expert_layer *layer, int n_layer, uint32_t align, struct expert_class *out,
                   int *class_of)
{
    int n = 0;
    for (int l = 0; l < n_layer; l++) {
        class_of[l] = -1;
        if (layer[l].n_expert == 0)
            continue;
        int c = 0;
        while (c < n && expert_bytes(&layer[out[c].first_layer]) != expert_bytes(&layer[l]))
            c++;
        if (c == EXPERT_CLASSES)
            return -1;
        if (c == n)
            out[n++] = (struct expert_class){.first_layer = l};
        uint64_t need = slot_need(&layer[l], align);
        if (need > out[c].slot_bytes)
            out[c].slot_bytes = need;
        out[c].n_layer++;
        out[c].n_expert += layer[l].n_expert;
        class_of[l] = c;
    }
    return n;
}

static int widest(const struct expert_layer *layer, int n_layer)
{
    int most = 1;
    for (int l = 0; l < n_layer; l++)
        if (layer[l].n_expert > most)
            most = layer[l].n_expert;
    return most;
}

uint64_t store_table_bytes(const struct expert_layer *layer, int n_layer, int n_slot)
{
    uint64_t n = (uint64_t)widest(layer, n_layer);
    return round_up(sizeof(struct expert_store), 64) + round_up((uint64_t)n_layer * sizeof *layer, 64) +
           round_up((uint64_t)n_layer * sizeof(int), 64) + round_up((uint64_t)n_slot * sizeof(struct slot), 64) +
           2 * WAVES * round_up(n * 4, 64) + round_up(n * EXPERT_PARTS * sizeof(void *), 64) +
           cache_bytes(layer, n_layer);
}

/* Life */

static int make_slots(struct expert_store *st, const int *slots, struct arena *slot_mem)
{
    struct slot *s = st->slot;
    for (int c = 0; c < st->n_class; c++) {
        struct slot_class *k = &st->class[c];
        uint8_t *memory = arena_alloc_aligned(slot_mem, (size_t)slots[c] * k->shape.slot_bytes, st->align);
        if (!memory)
            return -1;
        k->n_slot = k->n_loose = slots[c];
        k->free = (int32_t)(s - st->slot);
        for (int i = 0; i < slots[c]; i++, s++) {
            *s = (struct slot){.memory = memory + (uint64_t)i * k->shape.slot_bytes, .class = (uint8_t)c, .loose = 1};
            s->next_free = i + 1 < slots[c] ? (int32_t)(s - st->slot) + 1 : -1;
            s->place[0] = s->place[1] = -1;
        }
    }
    return 0;
}

static int make_tables(struct expert_store *st, const struct expert_layer *layer, const int *class_of,
                       struct arena *mem)
{
    size_t n = (size_t)widest(layer, st->n_layer);
    struct expert_layer *copy = arena_array(mem, (size_t)st->n_layer, sizeof *copy);
    st->slot = arena_array(mem, (size_t)st->n_slot, sizeof *st->slot);
    st->batch = arena_array(mem, n * EXPERT_PARTS, sizeof *st->batch);
    int ok = copy && st->slot && st->batch;
    for (int w = 0; w < WAVES; w++) {
        st->wave[w].slot = arena_array(mem, n, 4);
        st->wave[w].readable = arena_array(mem, n, 4);
        ok = ok && st->wave[w].slot && st->wave[w].readable;
    }
    if (!ok || cache_create(&st->cache, layer, st->n_layer, class_of, mem) != 0)
        return -1;
    memcpy(copy, layer, (size_t)st->n_layer * sizeof *copy);
    st->layer = copy;
    return 0;
}

static int check_slots(const struct expert_store *st, const int *slots, struct error *err)
{
    for (int c = 0; c < st->n_class; c++) {
        const struct expert_class *k = &st->class[c].shape;
        const struct expert_layer *l = &st->layer[k->first_layer];
        int least = k->n_expert < 2 ? k->n_expert : 2;
        if (slots[c] < least)
            return error_set(err, ERR_INPUT,
                             "%d slots for the experts of %s and its like; at least %d are needed, raise "
                             "--memory or --slots",
                             slots[c], l->part[0].tensor, least);
    }
    return 0;
}

int store_create(struct expert_store **out, struct reader *reader, const struct expert_layer *layer, int n_layer,
                 const int *slots, struct arena *slot_mem, struct arena *table_mem, struct error *err)
{
    struct expert_class class[EXPERT_CLASSES];
    struct expert_store *st = arena_alloc(table_mem, sizeof *st);
    int *class_of = arena_array(table_mem, (size_t)n_layer, sizeof *class_of);
    if (!st || !class_of)
        return error_set(err, ERR_BUG, "the plan gave the expert tables less than store_table_bytes()");
    *st = (struct expert_store){.reader = reader, .align = reader_align(reader), .n_layer = n_layer};
    st->n_class = expert_classes(layer, n_layer, st->align, class, class_of);
    if (st->n_class < 0)
        return error_set(err, ERR_UNSUPPORTED, "experts of more than %d sizes in one model", EXPERT_CLASSES);
    for (int c = 0; c < st->n_class; c++) {
        st->class[c] = (struct slot_class){.shape = class[c], .free = -1};
        st->n_slot += slots[c];
    }
    if (make_tables(st, layer, class_of, table_mem) != 0)
        return error_set(err, ERR_BUG, "the plan gave the expert tables less than store_table_bytes()");
    if (check_slots(st, slots, err) != 0)
        return -1;
    if (make_slots(st, slots, slot_mem) != 0)
        return error_set(err, ERR_BUG, "the plan gave the expert slots less than their slot_bytes");
    reader_stats(reader, &st->at_start);
    *out = st;
    return 0;
}

/* Slots */

static void settle(struct expert_store *st, struct slot *s)
{
    struct slot_class *k = &st->class[s->class];
    if (s->state == SLOT_DRAINING && s->reads == 0 && s->pins == 0) {
        s->state = SLOT_FREE;
        s->next_free = k->free;
        k->free = (int32_t)(s - st->slot);
    }
    int victim = s->state == SLOT_READY && s->pins == 0;
    int loose = victim || s->state == SLOT_FREE;
    k->n_loose += loose - s->loose;
    s->loose = (uint8_t)loose;
    if (s->state == SLOT_READY || s->state == SLOT_LOADING)
        cache_set_loose(&st->cache, s->layer, s->id, victim);
}

static void tell(struct expert_store *st, int evict, int layer, int id)
{
    if (st->log)
        st->log(st->log_arg, &(struct store_event){st->turn, evict, layer, id});
}

/* A slot for a miss of this layer: a free one, else the victim's. The caller knows that there is one. */
static struct slot *take_slot(struct expert_store *st, int layer)
{
    int c = st->cache.layer[layer].class;
    struct slot_class *k = &st->class[c];
    struct slot *s;
    if (k->free >= 0) {
        s = &st->slot[k->free];
        k->free = s->next_free;
        return s;
    }
    int of_layer, id;
    s = &st->slot[cache_victim(&st->cache, c, layer, &of_layer, &id)];
    assert(s->state == SLOT_READY && s->pins == 0 && s->reads == 0);
    cache_drop(&st->cache, of_layer, id);
    count(&st->evictions, 1);
    tell(st, 1, of_layer, id);
    return s;
}

/* Make the slot the home of (layer, id) and add its reads to the batch. */
static int load(struct expert_store *st, struct slot *s, int layer, int id, struct read_request **batch)
{
    const struct expert_layer *l = &st->layer[layer];
    uint8_t *to = s->memory;
    for (int p = 0; p < l->n_part; p++) {
        const struct expert_extent *x = &l->part[p];
        uint64_t bytes = range_bytes(x, id, st->align);
        s->read[p] = (struct read_request){.file = x->file,
                                           .offset = x->offset + (uint64_t)id * x->bytes,
                                           .length = x->bytes,
                                           .to = to,
                                           .what = x->tensor,
                                           .unit = "expert",
                                           .id = id,
                                           .user = s};
        batch[p] = &s->read[p];
        to += bytes;
        count(&st->bytes_read, bytes);
    }
    s->layer = layer;
    s->id = id;
    s->state = SLOT_LOADING;
    s->failed = NULL;
    s->reads = l->n_part;
    cache_put(&st->cache, layer, id, (int32_t)(s - st->slot));
    tell(st, 0, layer, id);
    count(&st->reads, (uint64_t)l->n_part);
    return l->n_part;
}

/* Readable now, or never. */
static void hand_over(struct expert_store *st, struct slot *s)
{
    for (int w = 0; w < WAVES; w++)
        if (s->place[w] >= 0)
            st->wave[w].readable[st->wave[w].n_readable++] = s->place[w];
}

static void read_home(struct expert_store *st, const struct read_request *q)
{
    struct slot *s = q->user;
    int was_draining = s->state == SLOT_DRAINING && s->reads > 0;
    if (!q->draining)
        s->reads--;
    if (q->state == READ_FAILED && !s->failed) {
        s->failed = q;
        s->state = SLOT_DRAINING;
        cache_drop(&st->cache, s->layer, s->id);
        count(&st->failed, 1);
        hand_over(st, s);
    } else if (s->state == SLOT_LOADING && s->reads == 0) {
        s->state = SLOT_READY;
        hand_over(st, s);
    }
    int draining = s->state == SLOT_DRAINING && s->reads > 0;
    count(&st->draining, (uint64_t)(draining - was_draining));
    settle(st, s);
}

void store_poll(struct expert_store *st)
{
    struct read_request *q;
    while ((q = reader_reap(st->reader, &st->list, 0)))
        read_home(st, q);
}

void store_destroy(struct expert_store *st)
{
    if (!st)
        return;
    uint64_t until = clock_ns() + destroy_wait_ns;
    for (;;) {
        int reads = 0;
        store_poll(st);
        for (int i = 0; i < st->n_slot; i++)
            reads += st->slot[i].reads;
        if (reads == 0)
            return;
        if (clock_ns() > until)
            break;
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
    for (int i = 0; i < st->n_slot; i++)
        for (int p = 0; p < EXPERT_PARTS && st->slot[i].reads > 0; p++)
            if (st->slot[i].read[p].list)
                reader_abandon(st->reader, &st->slot[i].read[p]);
}

/* Protocol */

int store_layer_begin(struct expert_store *st, int layer, const struct expert_uses *uses, struct expert_wave *out)
{
    assert(layer >= 0 && layer < st->n_layer && st->layer[layer].n_expert > 0);
    cache_age(&st->cache, layer, uses);
    store_poll(st);
    st->turn = layer;
    st->uses = uses;
    int loose = st->class[st->cache.layer[layer].class].n_loose;
    int size = uses->n <= loose ? uses->n : loose / 2;
    if (size < 1)
        size = 1;
    int n = 0;
    for (int first = 0; first < uses->n; first += size) {
        int left = uses->n - first;
        out[n++] = (struct expert_wave){first, left < size ? left : size};
    }
    return n;
}

/* Slots that a wave takes out of the loose ones. */
static int loose_needed(const struct expert_store *st, int layer, const int32_t *id, int n)
{
    int need = 0;
    for (int i = 0; i < n; i++) {
        int32_t at = cache_slot(&st->cache, layer, id[i]);
        need += at < 0 || st->slot[at].loose;
    }
    return need;
}

static void pin(struct expert_store *st, int wave, int place, struct slot *s)
{
    struct wave *w = &st->wave[wave];
    w->slot[place] = (int32_t)(s - st->slot);
    s->place[wave] = place;
    s->pins++;
    if (s->state == SLOT_READY)
        w->readable[w->n_readable++] = place;
    settle(st, s);
}

int store_begin(struct expert_store *st, const struct expert_wave *plan, struct error *err)
{
    int layer = st->turn, at = (st->oldest + st->n_open) % WAVES, n_read = 0, hits = 0;
    const struct expert_layer *l = &st->layer[layer];
    const struct slot_class *k = &st->class[st->cache.layer[layer].class];
    struct wave *w = &st->wave[at];
    const int32_t *id = st->uses->id + plan->first;
    if (st->n_open == WAVES)
        return error_set(err, ERR_BUG, "more than %d waves of experts open", WAVES);
    store_poll(st);
    int need = loose_needed(st, layer, id, plan->n);
    if (need > k->n_loose)
        return error_set(err, ERR_IO,
                         "blk.%d needs %d expert slots and %d of %d are usable: reads that never came back hold "
                         "the others; restart stoker",
                         l->layer, need, k->n_loose, k->n_slot);
    w->id = id;
    w->layer = layer;
    w->first = plan->first;
    w->n = plan->n;
    w->n_readable = w->n_taken = 0;
    for (int i = 0; i < w->n; i++) {
        int32_t s = w->slot[i] = cache_slot(&st->cache, layer, id[i]);
        if (s >= 0) {
            pin(st, at, i, &st->slot[s]);
            hits++;
        }
    }
    for (int i = 0; i < w->n; i++) {
        if (w->slot[i] >= 0)
            continue;
        struct slot *s = take_slot(st, layer);
        n_read += load(st, s, layer, id[i], st->batch + n_read);
        pin(st, at, i, s);
    }
    st->n_open++;
    count(&st->hits, (uint64_t)hits);
    count(&st->misses, (uint64_t)(w->n - hits));
    if (n_read > 0)
        reader_submit(st->reader, &st->list, st->batch, n_read);
    return 0;
}

static void show(const struct expert_store *st, const struct wave *w, int place, struct expert_view *out,
                 struct error *err)
{
    const struct slot *s = &st->slot[w->slot[place]];
    const struct expert_layer *l = &st->layer[w->layer];
    *out = (struct expert_view){.index = w->first + place, .id = w->id[place], .failed = s->failed != NULL};
    if (s->failed) {
        reader_error(st->reader, s->failed, err);
        return;
    }
    const uint8_t *range = s->memory;
    for (int p = 0; p < l->n_part; p++) {
        const struct expert_extent *x = &l->part[p];
        out->part[p] = range + (x->offset + (uint64_t)out->id * x->bytes) % st->align;
        range += range_bytes(x, out->id, st->align);
    }
}

int store_next(struct expert_store *st, int wait, struct expert_view *out, struct error *err)
{
    struct wave *w = &st->wave[st->oldest];
    if (st->n_open == 0)
        return 0;
    store_poll(st);
    if (w->n_taken == w->n_readable && w->n_taken < w->n && wait) {
        uint64_t since = clock_ns();
        while (w->n_taken == w->n_readable) {
            struct read_request *q = reader_reap(st->reader, &st->list, 1);
            assert(q);
            read_home(st, q);
        }
        count(&st->wait_ns, clock_ns() - since);
    }
    if (w->n_taken == w->n_readable)
        return 0;
    show(st, w, w->readable[w->n_taken++], out, err);
    return 1;
}

void store_end(struct expert_store *st)
{
    struct wave *w = &st->wave[st->oldest];
    if (st->n_open == 0)
        return;
    for (int i = 0; i < w->n; i++) {
        struct slot *s = &st->slot[w->slot[i]];
        s->place[st->oldest] = -1;
        s->pins--;
        settle(st, s);
    }
    st->oldest = (st->oldest + 1) % WAVES;
    st->n_open--;
}

/* Telling */

void store_log(struct expert_store *st, void (*fn)(void *arg, const struct store_event *e), void *arg)
{
    st->log = fn;
    st->log_arg = arg;
}

uint64_t store_misses(const struct expert_store *st) { return st->misses; }

void store_stats(const struct expert_store *st, struct store_stats *out)
{
    struct reader_stats now;
    reader_stats(st->reader, &now);
    *out = (struct store_stats){.hits = st->hits,
                                .misses = st->misses,
                                .evictions = st->evictions,
                                .failed = st->failed,
                                .bytes_read = st->bytes_read,
                                .reads = st->reads,
                                .draining = st->draining,
                                .retries = now.retries - st->at_start.retries,
                                .shorts = now.shorts - st->at_start.shorts,
                                .wait_seconds = (double)st->wait_ns * 1e-9,
                                .reading_seconds = now.busy_seconds - st->at_start.busy_seconds,
                                .n_class = st->n_class,
                                .backend = reader_backend_name(st->reader)};
    for (int c = 0; c < st->n_class; c++) {
        out->slots[c] = st->class[c].n_slot;
        out->experts[c] = st->class[c].shape.n_expert;
    }
}
