/* A model: the parameters and tensors of its file; then, under a plan, its weights in memory and what it needs to run.
 *
 *   model_open           reads metadata and the tensor table, no weights; the plan is made from this
 *   model_measure_step   what a step takes of scratch; for the plan
 *   model_load           reads the resident weights into the plan's memory; the session sets op, store and kv
 *   model_forward        one step
 *
 * Only one thread at a time uses a model. */
#ifndef MODEL_MODEL_H
#define MODEL_MODEL_H

#include "base/arena.h"
#include "format/gguf.h"
#include "model/arch.h"
#include "model/params.h"
#include "op/op.h"
#include "store/expert_store.h"
#include "store/row_store.h"
#include "store/weights.h"

/* A matrix, a vector or a table of vectors. A matrix keeps the file's block type; the others are converted to f32 when they are loaded. */
struct weight {
    const struct gguf_tensor *tensor;
    const struct weight *scale;   /* NAME.scale: multiplies the product, one value, or one an expert; or NULL */
    struct wmat mat;              /* data NULL until loaded; always where the tensor stays on disk */
    const float *vector;          /* [n], of a table [n_rows][n_cols]; NULL of a matrix */
    int is_vector;                /* or a table */
    int transposed;               /* converted to f32 too, and kept [n_cols][n_rows]: convolutions */
    const struct weight *keys_of; /* made from another: the key rows of an unsplit kv_b, transposed, in f32 */
    int ids_below;                /* a table of numbers in [0, ids_below), not of weights; 0: weights */
    int on_disk;                  /* 1: a table of which rows are read (struct row_table); not loaded */
};

/* The expert tensors of a layer; slices of them come from the store. */
struct experts {
    int layer, n_expert, n_ff;
    struct wmat gate, up, down;                   /* of one expert, without data; gate without rows: none */
    int gate_part, up_part, down_part;            /* which part of the store's view; gate and up may be halves of one */
    size_t up_offset;                             /* of up's rows in its part: 0, or behind gate's */
    const struct weight *latent_down, *latent_up; /* into the space that they see and back, or NULL */
    const struct weight *post_norm;               /* of their sum, or NULL */
    float gate_limit, up_limit;                   /* of hidden values, as op/moe.h has them; 0: none */
    const struct weight *gate_bias, *up_bias, *down_bias;    /* [n_expert][n], or NULL */
    const struct weight *gate_scale, *up_scale, *down_scale; /* [n_expert], or NULL */
};

/* What becomes of a pooled row (model/pooling.h); what a model lacks is NULL. */
struct pool_weights {
    const struct weight *dense[2]; /* plain products, one behind the other */
    const struct weight *cls, *cls_bias,
        *cls_norm;                       /* of a head: its first product, behind which there is an activation ... */
    const struct weight *out, *out_bias; /* ... and its last one */
    int softmax;                         /* 1: scores are shares */
};

/* The gates of hyper-connections: logits by fn [n_gate][n * n_embd], then times scale plus base (op/hyper.h). */
struct hyper_weights {
    const struct weight *fn, *scale, *base;
};

/* Low-rank hyper-connections (block/hyper_mix.h). */
struct hyper_mix_weights {
    const struct weight *norm, *down, *up, *inject; /* inject NULL: nothing goes back into the streams */
};

/* What the layers of one kind keep of a sequence; the plan sizes pools by it and the session makes them. n_layer 0: no such kind. */
struct kv_layout {
    struct kv_shape shape; /* type is the plan's to fill in */
    int n_layer;
    struct kv_window window;
};

/* What a layer keeps of a sequence; of several the last in this order: a recurrent state, rows of a window, rows that stand for several
 * positions each, rows of all positions, latents of all positions. */
enum layer_keeps {
    LAYER_KEEPS_NOTHING,
    LAYER_KEEPS_STATE,
    LAYER_KEEPS_WINDOW,
    LAYER_KEEPS_COMPRESSED,
    LAYER_KEEPS_ALL,
    LAYER_KEEPS_LATENTS,
    LAYER_KEEPS_KINDS
};

struct layer_kept {
    enum layer_keeps most;
    int n_kv[KV_KINDS];  /* how often it keeps rows of each kind */
    size_t state_floats; /* its share of the model's */
};

/* A table of which a token takes rows. */
struct row_table {
    struct weight *weight; /* its matrix: on disk, if the plan says so */
    int n_take;            /* rows that a token takes */
    /* Their numbers into id [n_take], each below weight->mat.n_rows: a function of last[0], the token, and last[1 .. m->n_before], those
     * before it in its sequence (-1: there was none). NULL: the token is the number. */
    void (*ids)(const struct model *m, const int32_t *last, int32_t *id);
    struct row_store *rows; /* running, where the matrix is on disk */
};

enum { MODEL_TABLES = 4, TABLE_TOKENS = 0 }; /* the first is that of token embeddings */
enum { MODEL_BEFORE = 7 };                   /* the most tokens before a token that decide its rows */

enum { MODEL_CALLS = 65, MODEL_SCORE_ROWS = 32 };

struct model {
    const struct gguf *file;
    const struct arch *arch;
    struct params p;
    struct arena arena; /* of everything below; counted in the plan's index */
    void *layer;        /* [n_layer + 1] of arch->layer_bytes: the last is that of nextn */
    struct weight *weight;
    int n_weight;
    /* output is the tokens' table where the file has no other. Models that pool have none, and may have no norm either. */
    struct weight *output_norm, *output;
    struct first_weights { /* of encoders (encoder/layer.h); else NULL */
        const struct weight *types, *positions, *norm, *norm_bias;
    } first;
    struct pool_weights pool; /* behind pooled rows */
    struct row_table table[MODEL_TABLES];
    int n_table;
    int n_before;                                        /* tokens before a token that tables go by ... */
    size_t before_at;                                    /* ... which the sequence keeps here in its state */
    struct hyper_weights hyper;                          /* after the last layer, where there are several streams */
    struct hyper_mix_weights hyper_mix;                  /* ... or these, without an output_norm */
    const struct weight *output_norm_bias, *output_bias; /* or NULL */
    struct nextn_weights { /* of the layer that predicts further tokens (arch/nextn.c); proj NULL: it is not bound */
        const struct weight *token_norm, *hidden_norm, *proj, *norm;
        struct hyper_weights streams; /* of its streams as one: its own, or the model's; likewise, in norm's place, */
        struct hyper_mix_weights mix;
        int first; /* of weight [n_weight], those from here on are its */
    } nextn;
    struct {
        int table; /* embeddings of each layer, a row of all a token; 0: none */
        const struct weight *proj, *norm;
    } layer_embd;
    struct model_rope {
        const struct weight *factors; /* [n_rot / 2], or NULL */
        const struct weight
            *long_factors;       /* instead of them, where asked_ctx is more than the original context; or NULL */
        double *freq, magnitude; /* [n_rot / 2], made when the model is loaded */
    } rope[ROPES];
    struct expert_layer *expert_layer; /* [n_layer + 1] likewise, n_expert 0 where dense */
    const struct weight **by_token;    /* [params.n_token_routed]: experts of each token, [n_vocab][n_expert_used] */
    int n_moe_layer;                   /* of the n_layer */
    struct kv_layout kv_layout[KV_KINDS];
    struct layer_kept *kept; /* [n_layer + 1] likewise */
    uint8_t
        *hooks; /* [n_layer + 1] bits 1 << enum vector_hook: where rows can be steered. Noted by model_measure_step() */
    uint16_t *taps;      /* [n_layer + 1] bits 1 << enum tap: what can be recorded of a layer. Noted likewise */
    size_t state_bytes;  /* recurrent state of a sequence, as laid out; 0: none */
    size_t state_floats; /* the numbers in it */

    int collects;  /* 1: importance is collected (collector.h). Set by the plan */
    int asked_ctx; /* the context that was asked for: what a budget leaves of it decides no bits. Set by the plan */

    /* running: set by the session from memory of the plan */
    struct op op;
    struct expert_store *store;
    struct traces *traces;       /* NULL: nothing is recorded */
    struct collector *collector; /* NULL: no importance is collected */
    struct kv_pool kv[KV_KINDS];

    /* since the start, for statistics */
    double expert_seconds; /* computing experts, without waiting for reads */
    uint64_t
        calls[MODEL_CALLS]; /* layer calls of small batches by their number of misses; the last: that many or more */

    struct engrams *engrams; /* what the rows of such tables follow from (block/engram.c); NULL: there are none */
};

/* -1 with the sentence: unknown architecture (ERR_UNSUPPORTED, and the nearest name), missing key or tensor, wrong shape (ERR_FORMAT). g
 * belongs to the caller and outlives the model; model_close() frees m, but not what the session has set. */
int model_open(struct model **out, const struct gguf *g, struct error *err);
/* The same with another pooling than the file's; POOLING_OFF: as the file says. */
int model_open_as(struct model **out, const struct gguf *g, enum pooling pooling, struct error *err);
void model_close(struct model *m);

/* 1: it has a layer behind the last that predicts further tokens, of an architecture whose are run. */
int model_predicts(const struct model *m);
/* Binds the layer behind the last as well, which predicts further tokens. Before the plan. -1 with the sentence: the file has none, or it
 * is not as it should be, or stoker does not run those of this architecture; the model is as it was. */
int model_bind_nextn(struct model *m, struct error *err);
/* It is left alone again: the model is as it was before. */
void model_unbind_nextn(struct model *m, const struct model *was);

/* Layers that steps run: with the one that predicts further tokens, if it is bound. */
static inline int model_layers(const struct model *m) { return m->p.n_layer + (m->nextn.proj != NULL); }

/* 1: the context is so long that params.rope[i] takes its other factors. */
static inline int model_has_long_rope(const struct model *m, int i)
{
    return m->rope[i].long_factors && m->asked_ctx > m->p.rope[i].n_orig;
}

/* Values of a row of what a step writes: a vocabulary of logits, or of a model that pools a hidden row. */
static inline int model_out_width(const struct model *m) { return m->p.pooling ? m->p.n_embd : m->p.n_vocab; }

/* The type of keys and values: those of models that pool are read once, from memory for one layer. */
static inline enum kv_type model_kv(const struct model *m, enum kv_type asked) { return m->p.pooling ? KV_F32 : asked; }

/* Bytes that a tensor takes in memory, a multiple of 64 (0: it stays on disk), and the sum over all. */
size_t weight_bytes(const struct weight *w);
size_t model_weight_bytes(const struct model *m);
size_t model_derived_bytes(const struct model *m); /* of them those of weights with keys_of, which no file has */
int model_h_width(const struct model *m);          /* values of a row of struct batch's h */
size_t model_nextn_bytes(const struct model *m);   /* and those of the layer that predicts further tokens */

/* Read the weights into mem, which has model_weight_bytes() and belongs to the caller. bounce, progress: as weights_load().
 * -1 with the sentence: ERR_IO, ERR_MEMORY, or ERR_FORMAT for a table with a number out of range. */
int model_load(struct model *m, struct reader *r, struct arena *mem, uint8_t *bounce, size_t bounce_bytes,
               void (*progress)(void *arg, uint64_t done, uint64_t total), void *arg, struct error *err);

/* A hash of what identifies the model: file sizes, tensor table, the architecture's keys, vectors. The model is loaded. */
uint64_t model_identity(const struct model *m);

enum { ROW_LEFT = 1, ROW_REFUSED = 2 }; /* of a batch's dead: refused rows were computed, and are dropped */

/* The rows of a step; all arrays are the caller's. Prompt rows come first. Rows of one sequence are neighbours, with consecutive
 * positions that follow the sequence's last; seq_reserve() has reserved their pages. */
struct batch {
    int n_rows, n_prompt;
    int capacity;             /* the most rows that the arrays hold */
    const int32_t *token;     /* [n_rows], 0 <= id < n_vocab */
    struct sequence **seq;    /* [n_rows] */
    const int32_t *pos;       /* [n_rows] */
    const int32_t *logit_row; /* [n_logits] rows whose logits are computed, ascending */
    int n_logits;
    float *logits; /* out: [n_logits][n_vocab] */
    float *hidden; /* out, instead, of a model that pools: [n_logits][n_embd] rows behind its last norm */
    /* [n_rows][model_h_width()] all rows behind the last norm, or before it, all streams (arch.nextn): out, of a model with nextn, or NULL;
     * in and out of model_nextn() */
    float *h;
    /* Rows whose logits are handed to on_row and not kept; a row may be both. on_row is called once for each that did not leave, by the
     * threads of the pool: several rows at a time, those of a later group after those of an earlier one. It must not block. */
    const int32_t *scored_row; /* [n_scored] ascending */
    int n_scored;
    int score_rows; /* most rows of a group, from 1 to MODEL_SCORE_ROWS; fewer where the scratch is small */
    void (*on_row)(void *arg, int row, const float *logits); /* logits [n_vocab], during the call */
    void *on_row_arg;
    void (*on_layer)(
        void *arg); /* called behind each layer by the thread that runs the step: it may take its time; or NULL */
    void *on_layer_arg;
    uint8_t *dead;           /* out: [n_rows] 1: the row left the step (cancelled, or something of it was unreadable) */
    int n_drafted;           /* rows that are drafts; what they are is seen after the step (ROW_REFUSED) */
    struct error *row_error; /* out: the first failure that made rows leave; may be NULL */
};

/* One step: all layers over all rows. Rows that left are marked dead and their logits are undefined; those of the others are not affected.
 * The caller commits positions afterwards. */
void model_forward(struct model *m, struct batch *b);

/* The layer that predicts further tokens, over rows of pairs: the token at a position, from 1 on, and the row that the model left at
 * the position before it, in b->h. A pair's keys and values are kept at its token's position, as those of the other layers are. Its logits
 * are those of the token behind its own. b->h becomes the row that the layer leaves, from which a further one is predicted. With
 * n_logits 0 what the layer keeps of the pairs is all that is computed: no expert is used, and b->h means nothing afterwards. */
void model_nextn(struct model *m, struct batch *b);

/* Scratch that the largest step takes, in bytes: of the step as a whole, and of each thread. Measured: steps of at most n_rows rows, all
 * of them scored, with the logits of at most n_logits of them, run without computing (op/op.h). The model need not be loaded. */
struct step_scratch {
    size_t step_bytes, thread_bytes;
};
struct step_scratch model_measure_step(const struct model *m, enum kv_type kv, int n_rows, int n_logits);

#endif
