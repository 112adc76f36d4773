/* The memory plan: the one place that adds up bytes, before anything is allocated.
 *
 * Each part has one owner, which states its size by one function. The plan calls these functions and decides what shrinks, and in what
 * order; the session then cuts everything from one mapping. The sum never exceeds the number that the user gave. Definition: memory.md
 * 3, 4 and 7. */
#ifndef ENGINE_PLAN_H
#define ENGINE_PLAN_H

#include "engine/speed.h"
#include "store/reader.h"

#include <stdint.h>

struct error;

enum plan_part {
    PLAN_CODE,
    PLAN_INDEX,
    PLAN_TEXT,
    PLAN_WEIGHTS,
    PLAN_KV_B, /* key halves of latent attention, made while loading */
    PLAN_ROWS, /* tables of which tokens take rows: resident, or what reads them from disk */
    PLAN_KV,
    PLAN_STATE,
    PLAN_ACT,
    PLAN_LOGITS,
    PLAN_SLOTS,
    PLAN_READER,
    PLAN_STACKS,
    PLAN_PREFIX,     /* cached prefixes that no sequence uses */
    PLAN_SERVER,     /* the queue of requests, and what the caller needs itself */
    PLAN_STEER,      /* control vectors, and the lists of requests that use them */
    PLAN_CAPTURE,    /* recorded rows on their way to files, and what is kept of requests that record */
    PLAN_IMPORTANCE, /* sums of what weights are multiplied with */
    PLAN_EMBED,      /* all of a second model, which makes vectors */
    PLAN_RERANK,     /* and of a third, which judges pairs */
    PLAN_DRAFT,      /* and of one that drafts */
    PLAN_LIBRARY,    /* sources that are searched for the model */
    PLAN_KERNEL,
    PLAN_SLACK,
    PLAN_PARTS
};
const char *plan_part_name(enum plan_part p);

/* What the plan gave up: the dearer, the larger. */
enum {
    PLAN_CUT_EMBEDDING = 1,
    PLAN_CUT_EXPERTS = 2,
    PLAN_CUT_CACHE = 4,
    PLAN_CUT_PREFIX = 8,
    PLAN_CUT_SEQUENCES = 16,
    PLAN_CUT_CHUNK = 32,
    PLAN_CUT_CONTEXT = 64,
    PLAN_CUT_ENCODERS = 128,
    PLAN_CUT_CAPTURE = 256,
    PLAN_CUT_COPIES = 512 /* with PLAN_CUT_PREFIX: of states, and nothing of the cache */
};

/* Memory of constraints (constraint_cache.h), bytes. */
struct constraint_memory {
    uint64_t held;         /* compiled constraints, and what running ones take beyond constraint_state_bytes */
    uint64_t small, large; /* of one compilation, by its lane */
    int n_small;           /* lanes for small compilations, beside one for large ones; 0: all compilations are large */
};

enum { PLAN_TEXTS = 16 };   /* texts of a step of a model that pools */
enum { PLAN_ENCODERS = 2 }; /* models of vectors and scores beside another one: PLAN_EMBED and PLAN_RERANK ... */
enum { PLAN_FURTHER = 3 };  /* ... and all further models, of which PLAN_DRAFT is the last */

/* A model beside another one: what plan_beside() has of its plans. */
struct plan_further {
    const char *path; /* NULL: there is none */
    uint64_t whole, least;
    int buffered; /* 1: some file of it is read through the page cache */
};

enum plan_memory { PLAN_FROM_MACHINE, PLAN_BYTES, PLAN_MINIMUM, PLAN_WHOLE };

/* What the caller asks for. 0 in a field: not given, so the plan chooses it and may lower it. */
struct plan_request {
    enum plan_memory how;
    uint64_t memory; /* with PLAN_BYTES */
    int n_ctx, n_parallel, n_chunk, n_threads, n_snapshots, n_pages;
    struct plan_defaults {
        int n_ctx, n_parallel, n_snapshots; /* of stoker_options.defaults */
        uint64_t cache_ram, capture, capture_least;
        int capture_rows;
    } defaults;
    struct speed_rates rates; /* of the machine, for the plan's figures; they decide nothing. 0: usual ones */
    uint64_t cache_ram, server, steer, capture, library; /* bytes; steer: of vectors */
    int cache_dir;                                       /* 1: prefixes are kept in files too */
    int n_queue;                        /* requests that may wait; 0: so few that they are in the slack */
    int slots[EXPERT_CLASSES], n_slots; /* per class; tests and research */
    enum kv_type kv;
    int exact, lock;
    int importance; /* 1: importance is collected */
    int n_draft;    /* drafted rows of a step, of all sequences; 0: nothing is drafted */
    int ngrams;     /* with n_draft, 1: drafts by what texts repeat */
    int priced; /* with ngrams, 1: as many as are worth it; the plan lowers n_draft to what finds a place, if no further model drafts */
    int nextn;      /* with ngrams, 1: drafts by the model's own layer, if it has one that runs */
    int all_logits; /* every row of a step may want its logits, not one a sequence */
    struct plan_further further[PLAN_FURTHER];
    uint64_t text_bytes;             /* of the tokenizer, which is built first */
    int has_text;                    /* a tokenizer: answers may be constrained */
    uint64_t constraint_state_bytes; /* of a running constraint, for each sequence */
    struct reader_options reader;
};

/* How large everything is that a plan may choose. */
struct plan_config {
    int n_ctx, n_parallel, n_chunk, n_snapshots, n_draft;
    uint64_t cache_ram, capture;
    int tables_on_disk;    /* tables of rows stay on disk, where they may and that saves memory: see struct view */
    uint64_t row_cache;    /* bytes for rows of these, beyond what a small step takes */
    int least_constraints; /* constraints get only what they need to work at all */
    int least_further;     /* further models take the shortest texts that they may */
    int slots[EXPERT_CLASSES];
};

struct plan {
    struct plan_config config; /* what was chosen */
    uint64_t part[PLAN_PARTS]; /* bytes */
    uint64_t memory, total;    /* total <= memory */
    uint64_t minimum,
        whole; /* the smallest memory that works; nothing streamed and nothing degraded; without drafts that are priced */
    uint64_t most;           /* memory may become, for these; at least memory */
    const char *memory_from; /* "flag", "cgroup", "available" */
    int n_ctx, n_parallel, n_chunk, n_threads;
    int n_page[KV_KINDS], max_page; /* pages of a kind in all; of a sequence's table */
    int n_snapshots, n_state;       /* copies of recurrent state: of a sequence, in all */
    int n_node;                     /* of the tree of prefixes */
    int priced;                     /* 1: as many drafts as are worth it (draft/price.h) */
    int ngrams;                     /* 1: each sequence has tables of what its text repeats (draft/ngram.h) */
    int nextn;                      /* 1: a layer of the model predicts further tokens (step/nextn.h) */
    int n_draft;                    /* drafted rows of a step, each with its logits and a copy of recurrent state */
    int n_logits;                   /* rows of a step that may want logits */
    struct constraint_memory constraints;
    int n_class, slots[EXPERT_CLASSES];
    struct expert_class class[EXPERT_CLASSES];
    uint64_t expert_bytes_total, expert_bytes_per_token; /* bytes of all experts; of one token's */
    int tables_on_disk;                                  /* tables are left on disk where that saves memory ... */
    int table_cells[MODEL_TABLES]; /* ... with so many rows of each in memory; -1: it is resident */
    unsigned degraded;             /* PLAN_CUT_* */
    uint64_t capture;              /* bytes for recorded rows */
    int least_further;             /* 1: those of the request are at their least, 0: whole */
    int buffered;                  /* 1: some file of the model is read through the page cache */
    uint64_t step_bytes, thread_bytes, table_bytes, kv_table_bytes;
    uint64_t row_store_bytes;                    /* of PLAN_ROWS: of tables on disk; the rest is resident */
    uint64_t kv_bytes;                           /* of the sequences' pages */
    uint64_t prefix_bytes, prefix_table_bytes;   /* of pages and states beside theirs; and of tables for them */
    uint64_t kv_bytes_per_token, kv_fixed_bytes; /* of layers that see everything; of windows, a sequence */
    uint64_t state_bytes_per_sequence;
    int asked_ctx, asked_parallel; /* what was asked for, or the defaults */
    uint64_t asked_cache;          /* bytes of prefixes, likewise */
    uint64_t ctx_minimum, parallel_minimum, cache_minimum, chunk_minimum,
        draft_minimum;        /* the smallest memory with each given */
    struct speed_rates rates; /* with which speed was predicted */
    struct speed speed;
};

/* From headers only. -1 with ERR_MEMORY and the sentence that names the smallest memory and the context that would work; then
 * minimum and whole are filled in all the same. Sets on_disk of tables as planned. */
int plan_make(struct plan *out, struct model *m, const struct plan_request *request, struct error *err);

/* Gives a plan of the same request drafts that are priced, or, where the model is bound to its layer that predicts since, that layer too.
 * They take a small share of the memory: of slots, of a quarter of the prefixes that nobody asked for, and of free memory where nobody set
 * a limit; nothing else changes. 0: they find no place, and *p is as it was. */
int plan_add_drafts(struct plan *p, struct model *m, const struct plan_request *request);

/* What layers that keep the same, by enum layer_keeps, take of a sequence, in bytes. Bytes of a token are rounded so that all of them add
 * up to the plan's. */
struct plan_kept {
    uint64_t kv_bytes_per_token, kv_fixed_bytes, state_bytes;
};
void plan_kept(struct plan_kept out[LAYER_KEEPS_KINDS], const struct plan *p, const struct model *m, enum kv_type kv);

/* The tables that a session has by its plan. */
struct tables_request plan_tables(const struct plan *p, const struct model *m);

/* What a model that pools takes by its plan beside another one, whose process, threads and pool it shares. */
uint64_t plan_beside(const struct plan *p);

/* How fast a plan is for so many clients at a time, by the sizes that s has of the same model. */
struct speed plan_speed(const struct plan *p, const struct model *m, const struct speed_model *s, int n_client,
                        const struct speed_rates *r);

#endif
