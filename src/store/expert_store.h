/* Experts of a model that is bigger than memory: a fixed number of slots, and the disk behind them.
 *
 *     slot   FREE -> LOADING -> READY -> (victim) LOADING ...          a slot with a read in flight is never reused;
 *                       \-> DRAINING -> FREE                           after an error it drains until the device lets go
 *
 * A layer asks for the distinct experts of its rows, in waves that fit the slots:
 *
 *     store_sweep_begin        once a step: is it one of many rows?
 *     store_read_ahead         layers whose experts are known already
 *       store_layer_begin      scores age once; waves are planned          (a sweep: room is made)
 *         store_begin          hits are pinned, victims chosen, every read of the wave submitted; returns at once
 *         store_next ...       experts as they become readable
 *         store_end            pins go back
 *
 * Who is resident depends on routes and budget, never on timing: victims are chosen in these calls by their order alone, never
 * by what has arrived. Bits never depend on residency: that is the caller's duty (sum in ascending expert id).
 *
 * A class is the set of layers whose experts have equally many bytes (a Q4_K_M file has two). Slots are cut from memory that
 * the plan gives; the tables (scores, slot states) likewise. Nothing is allocated after store_create().
 *
 * In a slot the parts' aligned ranges lie one after another, as the disk wrote them, each from a new page (READER_PAGE): part p
 * begins at offset % A of its range.
 * The victim's rule: expert_cache.h.
 *
 * Engine thread only, but for store_stats(). */
#ifndef STORE_EXPERT_STORE_H
#define STORE_EXPERT_STORE_H

#include "base/arena.h"

#include <stdint.h>

struct error;
struct expert_store;
struct reader;

enum { EXPERT_PARTS = 3, EXPERT_CLASSES = 16 }; /* parts: gate, up, down; fused or gateless experts use two */

/* Where a layer's experts lie: part p of expert i is [offset + i * bytes, + bytes) of a file. */
struct expert_extent {
    const char *tensor;
    int file;
    uint64_t offset, bytes;
};

struct expert_layer {            /* tensor names are the caller's and outlive the store */
    int layer, n_expert, n_part; /* layer: the model's number, for messages; n_expert 0: this layer streams nothing */
    struct expert_extent part[EXPERT_PARTS];
};

struct expert_class {
    uint64_t slot_bytes;
    int first_layer;       /* index into the layers */
    int n_layer, n_expert; /* n_expert: of all its layers together */
};

/* The classes into out [EXPERT_CLASSES], in order of their first layer, and the class of each layer into class_of [n_layer] (-1:
 * nothing streams; class_of may be NULL). align: the files' O_DIRECT alignment. Returns the number of classes, or -1 when there
 * are more than EXPERT_CLASSES. */
int expert_classes(const struct expert_layer *layer, int n_layer, uint32_t align, struct expert_class *out,
                   int *class_of);

/* Bytes that store_create() takes of its table_mem for these layers and n_slot slots in all: measured. */
uint64_t store_table_bytes(const struct expert_layer *layer, int n_layer, int n_slot);

/* slots[c] slots of class c are cut from slot_mem (2 MiB aligned), tables from table_mem. At least two slots a class that has
 * as many experts (ERR_INPUT); the plan gives n_expert_used + 4. The reader outlives the store. */
int store_create(struct expert_store **out, struct reader *reader, const struct expert_layer *layer, int n_layer,
                 const int *slots, struct arena *slot_mem, struct arena *table_mem, struct error *err);

/* Waits for reads in flight, at most 2 s. What the device still holds then, reader_close() counts. */
void store_destroy(struct expert_store *st);

/* One expert's weights where they lie: block-quantised rows, as in the file, no alignment beyond one byte. */
struct expert_view {
    int index; /* into uses->id */
    int id;
    int failed; /* its read failed: the parts are NULL, the rows that need it must leave, the others go on */
    const uint8_t *part[EXPERT_PARTS];
};

/* The distinct experts that one layer call needs. */
struct expert_uses {
    const int32_t *id;        /* [n] ascending, unique, 0 <= id < n_expert */
    const int32_t *row_start; /* [n + 1] into row: which rows use id[i] */
    const int32_t *row;       /* ascending within an expert */
    int n, n_rows;
    int n_prompt; /* the first n_prompt rows are prompt rows: each ages the scores by itself; the others do so together */
};

struct expert_wave {
    int first, n; /* uses.id[first .. first + n) */
};

/* A step of many rows goes through the layers in ascending order: a sweep (n_rows 0: a step that is none). Experts of layers
 * that it has not come to are kept, since it will want them for certain; the next layer's are read while this one computes,
 * before its routes are known: from 64 rows those used often, from 256 all. */
void store_sweep_begin(struct expert_store *st, int n_rows);

/* A layer of a step that is no sweep will use these experts for certain (ascending, unique): they are read now, as far as slots that
 * may go without harm reach. Before the step's first store_layer_begin(). */
void store_read_ahead(struct expert_store *st, int layer, const int32_t *id, int n);

/* Age the layer's scores by its rows and plan the waves: out[<= uses->n], ascending. Returns their number: 1 if all fit, else
 * waves of half the slots that may be used, so that two can be open. uses stays as it is until the last store_end(). */
int store_layer_begin(struct expert_store *st, int layer, const struct expert_uses *uses, struct expert_wave *out);

/* Pin the hits of a wave and submit everything of it that is not resident; at most two waves are open at a time, opened and
 * ended in ascending order. -1: only for faults of the store itself (no slot left: ERR_IO). */
int store_begin(struct expert_store *st, const struct expert_wave *w, struct error *err);

/* The next expert of the oldest open wave that can be computed: hits first, ascending, then arrivals as they come.
 * wait 0: 0 also means "nothing readable yet". wait 1: blocks until one is. 1: *out is filled; 0: none left.
 * A failed read is handed out with failed set and the sentence in *err (names file, offset, length, tensor, expert). */
int store_next(struct expert_store *st, int wait, struct expert_view *out, struct error *err);

/* Unpin the oldest open wave. Reads of experts that were not taken go on; their slots are in use until they are done. */
void store_end(struct expert_store *st);

/* Keep the disk busy while we compute: called between units of work, costs well under a microsecond when idle. */
void store_poll(struct expert_store *st);

/* Decisions as they are made: within a layer call misses ascend, each first its victim, if it needs one, then its read.
 * Layers are indices. For tests and for --cache-log; fn NULL: none. */
struct store_event {
    int turn; /* the layer whose call this is */
    int evict, layer, id;
};
void store_log(struct expert_store *st, void (*fn)(void *arg, const struct store_event *e), void *arg);

struct store_stats {
    uint64_t hits, misses, evictions, failed;
    uint64_t bytes_read, reads;              /* of experts, with alignment; one read an extent */
    uint64_t retries, shorts;                /* of the reader, since store_create() */
    uint64_t draining;                       /* slots now with a read in flight that has failed */
    uint64_t early, early_used, early_waste; /* experts read before their layer's turn: all, of misses, in vain */
    double wait_seconds;                     /* blocked in store_next */
    double reading_seconds;                  /* with at least one read in flight */
    double piece_seconds;                    /* the same, times the pieces in flight */
    int n_class, slots[EXPERT_CLASSES], experts[EXPERT_CLASSES];
    const char *backend;
};

/* How many rows have used each expert of a layer so far: out [n_expert]. Any thread. */
void store_uses(const struct expert_store *st, int layer, uint64_t *out);

/* Misses so far; engine thread. */
uint64_t store_misses(const struct expert_store *st);

void store_stats(const struct expert_store *st, struct store_stats *out);

#endif
