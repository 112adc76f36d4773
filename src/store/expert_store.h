/* The expert store of a model that is bigger than memory: a fixed number of slots in memory, and all experts on disk.
 *
 *     slot   FREE -> LOADING -> READY -> (evicted) LOADING ...         a slot is never reused while a read into it is in flight;
 *                       \-> DRAINING -> FREE                           after a failed read it waits until the device is done with it
 *
 * A layer asks for the distinct experts of its rows, in waves that fit the slots:
 *
 *     store_sweep_begin        once a step: says whether the step has many rows
 *     store_read_ahead         for layers whose experts are known before the step begins
 *       store_layer_begin      scores age once, waves are planned; in a sweep some slots are freed
 *         store_begin          pins the hits, chooses victims, submits every read of the wave; returns at once
 *         store_next ...       hands out experts as they become readable
 *         store_end            releases the pins
 *
 * Which experts are resident depends on routes and budget, never on timing: victims are chosen in these calls, by the order of
 * calls alone and never by which reads have completed. The caller sums in ascending expert id, so the results do not depend on
 * residency either.
 *
 * A class is the set of layers whose experts have equally many bytes (a Q4_K_M file has two). Slots and tables (scores, states of
 * slots) are cut from memory that the plan provides. Nothing is allocated after store_create().
 *
 * A slot holds the aligned ranges of an expert's parts one after another, as the disk wrote them, each on a new page (READER_PAGE).
 * With A the alignment of reads, part p begins at offset % A in its range. How victims are chosen: expert_cache.h.
 *
 * Layers are indices into the array that store_create() was given. Only the engine thread may call these functions, except store_stats()
 * and store_uses(). */
#ifndef STORE_EXPERT_STORE_H
#define STORE_EXPERT_STORE_H

#include "base/arena.h"

#include <stdint.h>

struct error;
struct expert_store;
struct reader;

enum { EXPERT_PARTS = 3, EXPERT_CLASSES = 16 }; /* parts: gate, up, down; fused or gateless experts use two */

/* Where one part of a layer's experts is on disk: that of expert i is [offset + i * bytes, + bytes) of a file, in bytes. */
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
    uint64_t slot_bytes;   /* of one slot: the largest aligned ranges of an expert's parts */
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

/* A store with slots[c] slots of class c, cut from slot_mem (2 MiB aligned), and its tables, cut from table_mem; layer [n_layer] is copied.
 * ERR_INPUT: fewer than two slots for a class with at least two experts (the plan gives n_expert_used + 4); ERR_UNSUPPORTED: more than
 * EXPERT_CLASSES classes; ERR_BUG: a memory is too small. The reader and the two memories belong to the caller and outlive the store. */
int store_create(struct expert_store **out, struct reader *reader, const struct expert_layer *layer, int n_layer,
                 const int *slots, struct arena *slot_mem, struct arena *table_mem, struct error *err);

/* Waits at most 2 s for reads in flight; NULL: nothing. reader_close() tells how many the device still holds after that. The memories are
 * the caller's to free. */
void store_destroy(struct expert_store *st);

/* One expert's weights in its slot: block-quantised rows as in the file, aligned to one byte only. Valid until store_end(). */
struct expert_view {
    int index; /* into uses->id */
    int id;
    int failed; /* 1: its read failed: the parts are NULL, and the rows that need this expert must leave the step */
    const uint8_t *part[EXPERT_PARTS]; /* in the order of expert_layer.part */
};

/* The distinct experts that one layer call needs. */
struct expert_uses {
    const int32_t *id;        /* [n] ascending, unique, 0 <= id < n_expert */
    const int32_t *row_start; /* [n + 1]: id[i] is used by row[row_start[i] .. row_start[i + 1]) */
    const int32_t *row;       /* [row_start[n]] rows of the step, ascending within an expert */
    int n, n_rows;
    int n_prompt; /* the first n_prompt rows are of prompts: each ages the scores by itself; decode rows do so together */
};

struct expert_wave {
    int first, n; /* the experts uses.id[first .. first + n) */
};

/* Once a step. A step of many rows is a sweep: it uses nearly all experts, layer by layer in ascending order. n_rows: its rows; 0: the
 * step is no sweep. Experts of layers that a sweep has not reached are kept, because it will use them; those of the next layer
 * are read while the current one is computed, before its routes are known: from 64 rows on those used often, from 256 on all. */
void store_sweep_begin(struct expert_store *st, int n_rows);

/* Before store_sweep_begin(): experts of which is_idle() is 1 are not read early: no row of the step can choose them. It is asked until the
 * step is over. NULL: none is known to be. */
void store_sweep_without(struct expert_store *st, int (*is_idle)(const void *arg, int layer, int id), const void *arg);

/* A layer of a step that is no sweep will certainly use these n experts (ascending, unique): they are read now, into at most half of
 * the slots that are free or evictable. Before the step's first store_layer_begin(). */
void store_read_ahead(struct expert_store *st, int layer, const int32_t *id, int n);

/* Of classes in which every expert has a slot: while no read is under way, reads the next experts that nothing has asked for yet. Never
 * waits. Call it wherever store_poll() may be called between units of work, and while nothing is computed. What a log is told would
 * depend on the drive's speed, so nothing is read while there is one. 1: some are left to read. */
int store_fill(struct expert_store *st);

/* Age the layer's scores by its rows and plan the waves into out [uses->n], ascending. Returns their number: 1 if all experts fit,
 * else waves of half the evictable slots, so that two can be open. The caller leaves *uses alone until the last store_end(). */
int store_layer_begin(struct expert_store *st, int layer, const struct expert_uses *uses, struct expert_wave *out);

/* Pin the hits of a wave of this layer and submit reads for all of its experts that are not resident; does not wait. At most two waves are
 * open at a time (a third: ERR_BUG); they begin and end in ascending order. -1 with ERR_IO: no slot is left, because reads that never came
 * back hold them; the wave is not open then. */
int store_begin(struct expert_store *st, const struct expert_wave *w, struct error *err);

/* The next readable expert of the oldest open wave: hits first, ascending, then the others as their reads complete. 1: *out is filled;
 * 0: none is left, or, with wait 0, none is readable yet. wait 1 blocks until one is. A failed read is handed out with failed set
 * and the sentence in *err (it names file, offset, length, tensor and expert). */
int store_next(struct expert_store *st, int wait, struct expert_view *out, struct error *err);

/* Unpin the oldest open wave. Reads of experts that were not taken continue, and their slots stay in use until these complete. */
void store_end(struct expert_store *st);

/* Take completed reads and submit waiting ones, so that the disk stays busy during computation. Called between units of work; costs well
 * under a microsecond when there is nothing to do. Never waits. */
void store_poll(struct expert_store *st);

/* Report each decision to fn as it is made: within a layer call misses ascend, and each reports its victim, if it needs one, before its
 * read. Layers are indices. For tests and for --cache-log; fn NULL ends the reports. */
struct store_event {
    int turn;             /* the layer whose call this is */
    int evict, layer, id; /* 1: this expert is evicted; 0: it is read */
};
void store_log(struct expert_store *st, void (*fn)(void *arg, const struct store_event *e), void *arg);

/* Sums since store_create(), but for "now". */
struct store_stats {
    uint64_t hits, misses, evictions, failed; /* experts; failed: experts whose read failed */
    uint64_t bytes_read, reads;               /* of experts, with alignment; one read an extent */
    uint64_t retries, shorts;                 /* of the reader, since store_create() */
    uint64_t draining;                        /* slots that wait for the device after a failed read, now */
    uint64_t early, early_used, early_waste;  /* experts read before their layer's turn: all; used; evicted unused */
    double wait_seconds;                      /* blocked in store_next */
    double reading_seconds;                   /* with at least one read in flight */
    double piece_seconds;                     /* the same, times the pieces in flight */
    int n_class, slots[EXPERT_CLASSES], experts[EXPERT_CLASSES]; /* [n_class] */
    const char *backend;                                         /* reader_backend_name() */
};

/* How many rows have used each expert of a layer since store_create(), into out [n_expert of the layer]. From any thread. */
void store_uses(const struct expert_store *st, int layer, uint64_t *out);

/* Misses since store_create(). */
uint64_t store_misses(const struct expert_store *st);

/* From any thread. */
void store_stats(const struct expert_store *st, struct store_stats *out);

#endif
