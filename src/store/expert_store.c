/* Creation of the store and the calls of a layer: see expert_store.h. Slots: expert_slots.c; policy: expert_cache.h; reads: reader.h.
 *
 * A wave holds one pin on each slot that it uses. Each slot knows its position in both waves that may be open, so a completion finds
 * the waves that wait for it. readable[] is the order in which experts are handed out: hits at store_begin, then completions. */
#include "base/checked.h"
#include "base/clock.h"
#include "base/error.h"
#include "store/expert_inside.h"

#include <assert.h>
#include <string.h>
#include <time.h>

static const uint64_t destroy_wait_ns = 2000000000;

/* ---- sizes ---- */

static uint64_t slot_need(const struct expert_layer *l, uint32_t align)
{
    uint64_t most = 0;
    for (int id = 0; id < l->n_expert; id++) {
        uint64_t need = 0;
        for (int p = 0; p < l->n_part; p++)
            need += range_slot_bytes(&l->part[p], id, align);
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
        if (class_of)
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
        if (class_of)
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

static uint64_t expert_count(const struct expert_layer *layer, int n_layer)
{
    uint64_t n = 0;
    for (int l = 0; l < n_layer; l++)
        n += (uint64_t)layer[l].n_expert;
    return n;
}

/* The store and its tables, from mem: *st gets their addresses, *class_of the [n_layer] classes. Returns where *st is to live; NULL:
 * mem is too small. Writes nothing behind the addresses, so mem may be a measuring arena. */
static struct expert_store *allocate(struct expert_store *st, const struct expert_layer *layer, int **class_of,
                                     struct arena *mem)
{
    size_t n = (size_t)widest(layer, st->n_layer);
    struct expert_store *at = arena_alloc(mem, sizeof *at);
    *class_of = arena_array(mem, (size_t)st->n_layer, sizeof **class_of);
    st->layer = arena_array(mem, (size_t)st->n_layer, sizeof *st->layer);
    st->slot = arena_array(mem, (size_t)st->n_slot, sizeof *st->slot);
    st->batch = arena_array(mem, n * EXPERT_PARTS, sizeof *st->batch);
    st->order = arena_array(mem, n, sizeof *st->order);
    st->used = arena_array(mem, expert_count(layer, st->n_layer), sizeof *st->used);
    int ok = at && *class_of && st->layer && st->slot && st->batch && st->order && st->used;
    for (int w = 0; w < WAVES; w++) {
        st->wave[w].slot = arena_array(mem, n, sizeof *st->wave[w].slot);
        st->wave[w].readable = arena_array(mem, n, sizeof *st->wave[w].readable);
        ok = ok && st->wave[w].slot && st->wave[w].readable;
    }
    return cache_allocate(&st->cache, layer, st->n_layer, mem) == 0 && ok ? at : NULL;
}

uint64_t store_table_bytes(const struct expert_layer *layer, int n_layer, int n_slot)
{
    struct expert_store st = {.n_layer = n_layer, .n_slot = n_slot};
    struct arena measure;
    int *class_of;
    arena_init_measuring(&measure);
    allocate(&st, layer, &class_of, &measure);
    return arena_measured(&measure);
}

/* ---- creating and destroying ---- */

static int make_slots(struct expert_store *st, const int *slots, struct arena *slot_mem)
{
    struct slot *s = st->slot;
    for (int c = 0; c < st->n_class; c++) {
        struct slot_class *k = &st->class[c];
        uint8_t *memory = arena_alloc_aligned(slot_mem, (size_t)slots[c] * k->shape.slot_bytes, READER_PAGE);
        if (!memory)
            return -1;
        k->n_slot = k->n_free = k->n_evictable = slots[c];
        k->free = (int32_t)(s - st->slot);
        for (int i = 0; i < slots[c]; i++, s++) {
            *s = (struct slot){
                .memory = memory + (uint64_t)i * k->shape.slot_bytes, .class = (uint8_t)c, .evictable = 1};
            s->next_free = i + 1 < slots[c] ? (int32_t)(s - st->slot) + 1 : -1;
            s->position[0] = s->position[1] = -1;
        }
    }
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
    struct expert_store made = {.reader = reader, .align = reader_align(reader), .n_layer = n_layer}, *st;
    int *class_of;
    made.n_class = expert_classes(layer, n_layer, made.align, class, NULL);
    if (made.n_class < 0)
        return error_set(err, ERR_UNSUPPORTED, "experts of more than %d sizes in one model", EXPERT_CLASSES);
    for (int c = 0; c < made.n_class; c++) {
        made.class[c] = (struct slot_class){.shape = class[c], .free = -1};
        made.n_slot += slots[c];
    }
    if (!(st = allocate(&made, layer, &class_of, table_mem)))
        return error_set(err, ERR_BUG, "the plan gave the expert tables less than store_table_bytes()");
    *st = made;
    expert_classes(layer, n_layer, st->align, class, class_of);
    cache_init(&st->cache, layer, class_of);
    memcpy(st->layer, layer, (size_t)n_layer * sizeof *layer);
    for (uint64_t i = 0; i < expert_count(layer, n_layer); i++)
        atomic_init(&st->used[i], 0);
    if (check_slots(st, slots, err) != 0)
        return -1;
    if (make_slots(st, slots, slot_mem) != 0)
        return error_set(err, ERR_BUG, "the plan gave the expert slots less than their slot_bytes");
    reader_stats(reader, &st->at_start);
    *out = st;
    return 0;
}

void store_poll(struct expert_store *st)
{
    struct read_request *q;
    while ((q = reader_reap(st->reader, &st->list, 0)))
        slot_on_completion(st, q);
}

void store_destroy(struct expert_store *st)
{
    if (!st)
        return;
    uint64_t until = clock_ns() + destroy_wait_ns;
    for (int i = 0; i < st->n_slot; i++)
        for (int p = 0; p < EXPERT_PARTS && st->slot[i].reads > 0; p++)
            if (st->slot[i].read[p].list)
                st->slot[i].reads -= reader_withdraw(st->reader, &st->slot[i].read[p]);
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

/* ---- the calls of a layer ---- */

/* An expert that was read early and that the layer does not use is evicted, and what of it has not been read yet never is. Where every
 * expert of the class has a slot it stays. */
static void wrong_guess(struct expert_store *st, struct slot *s)
{
    const struct slot_class *k = &st->class[s->class];
    if (k->n_slot < k->shape.n_expert) {
        slot_drop(st, s);
        return;
    }
    count(&st->early_waste, 1);
    s->early = 0;
    slot_update(st, s);
}

/* What this call uses is evicted last. */
static void hold_used(struct expert_store *st, const struct expert_uses *uses)
{
    int n = st->layer[st->turn].n_expert;
    for (int id = 0, i = 0; id < n; id++) {
        int used = i < uses->n && uses->id[i] == id;
        int32_t at = cache_slot(&st->cache, st->turn, id);
        i += used;
        if (at >= 0 && used)
            cache_hold(&st->cache, st->turn, id, 1);
        else if (at >= 0 && st->slot[at].early)
            wrong_guess(st, &st->slot[at]);
    }
}

static void count_uses(struct expert_store *st, int layer, const struct expert_uses *u)
{
    _Atomic uint64_t *used = st->used + st->cache.layer[layer].first;
    for (int i = 0; i < u->n; i++)
        count(&used[u->id[i]], (uint64_t)(u->row_start[i + 1] - u->row_start[i]));
}

void store_uses(const struct expert_store *st, int layer, uint64_t *out)
{
    const struct cache_layer *l = &st->cache.layer[layer];
    for (int i = 0; i < l->n_expert; i++)
        out[i] = atomic_load_explicit(&st->used[l->first + i], memory_order_relaxed);
}

int store_layer_begin(struct expert_store *st, int layer, const struct expert_uses *uses, struct expert_wave *out)
{
    assert(layer >= 0 && layer < st->n_layer && st->layer[layer].n_expert > 0);
    cache_hold_none(&st->cache, st->turn);
    cache_age(&st->cache, layer, uses);
    count_uses(st, layer, uses);
    store_poll(st);
    st->turn = layer;
    st->uses = uses;
    st->n_begun = 0;
    hold_used(st, uses);
    if (st->sweep)
        return st->n_wave = sweep_plan(st, uses, out);
    int evictable = st->class[st->cache.layer[layer].class].n_evictable;
    int size = uses->n <= evictable ? uses->n : evictable / 2;
    if (size < 1)
        size = 1;
    int n = 0;
    for (int first = 0; first < uses->n; first += size) {
        int left = uses->n - first;
        out[n++] = (struct expert_wave){first, left < size ? left : size};
    }
    return st->n_wave = n;
}

/* How many evictable slots a wave takes. */
static int evictable_needed(const struct expert_store *st, int layer, const int32_t *id, int n)
{
    int need = 0;
    for (int i = 0; i < n; i++) {
        int32_t at = cache_slot(&st->cache, layer, id[i]);
        need += at < 0 || st->slot[at].evictable;
    }
    return need;
}

static void pin(struct expert_store *st, int wave, int position, struct slot *s)
{
    struct wave *w = &st->wave[wave];
    w->slot[position] = (int32_t)(s - st->slot);
    s->position[wave] = position;
    s->pins++;
    if (s->state == SLOT_READY)
        w->readable[w->n_readable++] = position;
    cache_hold(&st->cache, w->layer, w->id[position], 0);
    slot_update(st, s);
}

static enum read_rank demand(const struct expert_store *st) { return st->sweep ? READ_SWEEP : READ_NOW; }

/* Pin an expert that is resident or being read. 1: it was read ahead of its layer's turn, for this use. */
static int pin_resident(struct expert_store *st, int wave, int position, struct slot *s)
{
    int early = s->early;
    s->early = 0;
    for (int p = 0; p < st->layer[s->layer].n_part && s->state == SLOT_LOADING; p++)
        reader_promote(st->reader, &s->read[p], demand(st));
    pin(st, wave, position, s);
    return early;
}

static void unpin(struct expert_store *st, int wave)
{
    struct wave *w = &st->wave[wave];
    for (int i = 0; i < w->n; i++) {
        struct slot *s = w->slot[i] >= 0 ? &st->slot[w->slot[i]] : NULL;
        if (!s)
            continue;
        s->position[wave] = -1;
        s->pins--;
        slot_update(st, s);
    }
}

static int no_slots(const struct expert_store *st, int layer, int need, struct error *err)
{
    const struct slot_class *k = &st->class[st->cache.layer[layer].class];
    return error_set(err, ERR_IO,
                     "blk.%d needs %d expert slots and %d of %d are usable: reads that never came back hold the "
                     "others; restart stoker",
                     st->layer[layer].layer, need, k->n_evictable, k->n_slot);
}

int store_begin(struct expert_store *st, const struct expert_wave *plan, struct error *err)
{
    int layer = st->turn, at = (st->oldest + st->n_open) % WAVES, n_read = 0, hits = 0, early = 0, rc = 0;
    struct wave *w = &st->wave[at];
    const int32_t *id = st->uses->id + plan->first;
    if (st->n_open == WAVES)
        return error_set(err, ERR_BUG, "more than %d waves of experts open", WAVES);
    store_poll(st);
    int need = evictable_needed(st, layer, id, plan->n);
    if (need > st->class[st->cache.layer[layer].class].n_evictable)
        return no_slots(st, layer, need, err);
    w->id = id;
    w->layer = layer;
    w->first = plan->first;
    w->n = plan->n;
    w->n_readable = w->n_taken = 0;
    for (int i = 0; i < w->n; i++) {
        int32_t s = w->slot[i] = cache_slot(&st->cache, layer, id[i]);
        if (s < 0)
            continue;
        int ahead = pin_resident(st, at, i, &st->slot[s]);
        early += ahead;
        hits += !ahead;
    }
    for (int i = 0; i < w->n && rc == 0; i++) {
        struct slot *s = w->slot[i] < 0 ? slot_take(st, layer, REACH_HELD) : NULL;
        if (s) {
            n_read += slot_load(st, s, layer, id[i], demand(st), st->batch + n_read);
            pin(st, at, i, s);
        } else if (w->slot[i] < 0)
            rc = no_slots(st, layer, need, err);
    }
    if (n_read > 0)
        reader_submit(st->reader, &st->list, st->batch, n_read);
    if (rc != 0) {
        unpin(st, at);
        return -1;
    }
    st->n_open++;
    st->n_begun++;
    count(&st->hits, (uint64_t)hits);
    count(&st->misses, (uint64_t)(w->n - hits));
    count(&st->early_used, (uint64_t)early);
    if (st->sweep)
        sweep_go_on(st);
    return 0;
}

static void fill_view(const struct expert_store *st, const struct wave *w, int position, struct expert_view *out,
                      struct error *err)
{
    const struct slot *s = &st->slot[w->slot[position]];
    const struct expert_layer *l = &st->layer[w->layer];
    *out = (struct expert_view){.index = w->first + position, .id = w->id[position], .failed = s->failed != NULL};
    if (s->failed) {
        reader_error(st->reader, s->failed, err);
        return;
    }
    const uint8_t *range = s->memory;
    for (int p = 0; p < l->n_part; p++) {
        const struct expert_extent *x = &l->part[p];
        out->part[p] = range + (x->offset + (uint64_t)out->id * x->bytes) % st->align;
        range += range_slot_bytes(x, out->id, st->align);
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
            slot_on_completion(st, q);
        }
        count(&st->wait_ns, clock_ns() - since);
    }
    if (w->n_taken == w->n_readable)
        return 0;
    fill_view(st, w, w->readable[w->n_taken++], out, err);
    return 1;
}

void store_end(struct expert_store *st)
{
    if (st->n_open == 0)
        return;
    unpin(st, st->oldest);
    st->oldest = (st->oldest + 1) % WAVES;
    st->n_open--;
    if (st->sweep)
        sweep_go_on(st);
}

/* ---- statistics ---- */

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
                                .early = st->early,
                                .early_used = st->early_used,
                                .early_waste = st->early_waste,
                                .retries = now.retries - st->at_start.retries,
                                .shorts = now.shorts - st->at_start.shorts,
                                .wait_seconds = (double)st->wait_ns * 1e-9,
                                .reading_seconds = now.busy_seconds - st->at_start.busy_seconds,
                                .piece_seconds = now.piece_seconds - st->at_start.piece_seconds,
                                .n_class = st->n_class,
                                .backend = reader_backend_name(st->reader)};
    for (int c = 0; c < st->n_class; c++) {
        out->slots[c] = st->class[c].n_slot;
        out->experts[c] = st->class[c].shape.n_expert;
    }
}
