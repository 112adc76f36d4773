/* A model: the numbers and tensors of its file, bound; then, under a plan, its weights in memory and what it needs to run.
 *
 *   model_open    metadata and tensor table only: no weight is read; the plan is made from this
 *   model_load    dense weights into the plan's memory; op, store, pages are the session's to set up (struct runtime)
 */
#ifndef MODEL_MODEL_H
#define MODEL_MODEL_H

#include "base/arena.h"
#include "format/gguf.h"
#include "model/arch.h"
#include "model/params.h"
#include "op/op.h"
#include "store/expert_store.h"
#include "store/weights.h"

/* A matrix, a vector or a table of vectors. A matrix is multiplied as it lies; the others are widened to f32 when they are loaded. */
struct weight {
    const struct gguf_tensor *tensor;
    const struct weight *scale;   /* NAME.scale: multiplies the product, one value, or one an expert; or NULL */
    struct wmat mat;              /* data NULL until loaded, or for ever where the tensor stays on disk */
    const float *vector;          /* [n], of a table [n_rows][n_cols]; NULL of a matrix */
    int is_vector;                /* or a table */
    int transposed;               /* f32 matrix that is kept [n_cols][n_rows]: convolutions */
    const struct weight *keys_of; /* derived: the key rows of an unsplit kv_b, turned and in f32 */
    int ids_below;                /* a table of numbers in [0, ids_below), not of weights; 0: weights */
    int on_disk;                  /* not loaded: rows are read one by one (tables of embeddings), */
    struct disk_rows rows;        /* through these */
};

/* The expert tensors of a layer; slices of them come from the store. */
struct experts {
    int layer, n_expert, n_ff;
    struct wmat gate, up, down;                   /* of one expert, without data; gate without rows: none */
    int gate_part, up_part, down_part;            /* which part of the store's view; gate and up may be halves of one */
    size_t up_offset;                             /* of up's rows in its part: 0, or behind gate's */
    const struct weight *latent_down, *latent_up; /* into the space that they see and back, or NULL */
    const struct weight *post_norm;               /* of their sum, or NULL */
    float limit;                                  /* of hidden values, as op/moe.h has it; 0: none */
    const struct weight *gate_bias, *up_bias, *down_bias;    /* [n_expert][n], or NULL */
    const struct weight *gate_scale, *up_scale, *down_scale; /* [n_expert], or NULL */
};

/* The gates of hyper-connections: logits by fn [n_gate][n * n_embd], then times scale plus base (op/hyper.h). */
struct hyper_weights {
    const struct weight *fn, *scale, *base;
};

/* What layers of a kind keep of a sequence; the plan and the session make pools of it. n_layer 0: no such kind. */
struct kv_layout {
    struct kv_shape shape; /* type is the plan's to fill in */
    int n_layer, window;
};

/* What a layer keeps of a sequence, the last that is true: rows of all positions, of a window, of several positions each. */
enum layer_keeps {
    LAYER_KEEPS_NOTHING,
    LAYER_KEEPS_STATE,
    LAYER_KEEPS_ALL,
    LAYER_KEEPS_WINDOW,
    LAYER_KEEPS_COMPRESSED
};

enum { MODEL_CALLS = 65 };

struct model {
    const struct gguf *file;
    const struct arch *arch;
    struct params p;
    struct arena arena; /* of everything below; counted in the plan's index */
    void *layer;        /* [n_layer] of arch->layer_bytes */
    struct weight *weight;
    int n_weight;
    struct weight *token_embd, *output_norm, *output; /* output is token_embd where tied */
    struct hyper_weights hyper;                       /* behind the last layer, where there are streams */
    struct {
        struct weight *table; /* embeddings of each layer, a row of all a token; NULL: none */
        const struct weight *proj, *norm;
    } layer_embd;
    struct model_rope {
        const struct weight *factors; /* [n_rot / 2], or NULL */
        double *freq, magnitude;      /* [n_rot / 2], made when the model is loaded */
    } rope[ROPES];
    struct expert_layer *expert_layer; /* [n_layer], n_expert 0 where dense */
    const struct weight **by_token;    /* [params.n_token_routed]: experts of each token, [n_vocab][n_expert_used] */
    int n_moe_layer;
    struct kv_layout kv_layout[KV_KINDS];
    uint8_t *keeps;      /* [n_layer] enum layer_keeps */
    size_t state_bytes;  /* recurrent state of a sequence, as laid out; 0: none */
    size_t state_floats; /* the numbers in it */

    /* running: set by the session from memory of the plan */
    struct op op;
    struct expert_store *store;
    struct traces *traces;        /* NULL: nobody wants any */
    struct forced_routes *forced; /* NULL: the routers choose */
    struct kv_pool kv[KV_KINDS];

    /* since the start, for statistics */
    double expert_seconds;       /* computing experts, without waiting for reads */
    uint64_t calls[MODEL_CALLS]; /* layer calls of few rows, by misses; the last: that many or more */
};

/* -1 with the sentence: unknown architecture (and what is close), missing key or tensor, wrong shape. The file outlives the
 * model. */
int model_open(struct model **out, const struct gguf *g, struct error *err);
void model_close(struct model *m);

/* The tensors that are read into memory: bytes each takes there (aligned to 64), and their sum. */
size_t weight_bytes(const struct weight *w);
size_t model_weight_bytes(const struct model *m);
size_t model_derived_bytes(const struct model *m); /* of them, those that no file has: keys_of */

/* Read them through the reader into mem (model_weight_bytes); bounce: as weights_load. */
int model_load(struct model *m, struct reader *r, struct arena *mem, uint8_t *bounce, size_t bounce_bytes,
               void (*progress)(void *arg, uint64_t done, uint64_t total), void *arg, struct error *err);

/* A hash of what makes the model: file sizes, tensor table, the architecture's keys, vectors. It is loaded. */
uint64_t model_identity(const struct model *m);

/* Rows of a step. Prompt rows come first; rows of one sequence stand together, positions ascending and following on what the
 * sequence holds; its pages are reserved. */
struct batch {
    int n_rows, n_prompt;
    int capacity;          /* the most rows that it may grow to */
    const int32_t *token;  /* [n_rows], 0 <= id < n_vocab */
    struct sequence **seq; /* [n_rows] */
    const int32_t *pos;    /* [n_rows] */
    const int32_t *wants;  /* [n_wants] rows whose logits are wanted, ascending */
    int n_wants;
    float *logits;           /* [n_wants][n_vocab] out */
    uint8_t *dead;           /* [n_rows] out: the row left on the way (cancelled, or an expert of it was unreadable) */
    struct error *row_error; /* the first reason, shared by the rows that left for a failure */
};

/* One step: all layers over all rows. -1 only when nothing of it can be used; rows that left are marked dead, their logits
 * are undefined, the others' are right. The caller commits positions afterwards. */
int model_forward(struct model *m, struct batch *b, struct error *err);

/* Scratch that the largest step takes, in bytes: of the step as a whole, and of each thread. Measured: steps of at most n_rows rows,
 * of which at most n_wants want logits, run without computing (op/op.h). The model need not be loaded. */
struct step_scratch {
    size_t step_bytes, thread_bytes;
};
struct step_scratch model_measure_step(const struct model *m, int n_rows, int n_wants);

#endif
