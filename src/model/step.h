/* The functions that blocks and architectures are written in: each is one operation over all rows of a step. Larger pieces that several
 * architectures share are the blocks (block/NAME.h).
 *
 * Shapes are [n_rows][...], row-major f32. All scratch is the step's: what was allocated after step_mark() is gone after step_reset() of
 * that mark. The plan runs a step on a measuring op (op/op.h), so only operations may follow pointers to rows, weights and states.
 * Nothing fails: the plan has measured the step. The thread that runs the step alone calls these functions.
 *
 * This holds for blocks too. The header of a block has its weights; bind_*(), which fills in that struct, zeroed by the caller, from the
 * tensors of layer l (errors: model/bind.h); params_read_*(), which reads the block's keys of the file into *p (0, or -1 with the
 * sentence); and block_*(), which changes the rows x [n_rows][n_embd] in place, unless a comment says otherwise, and frees its scratch. */
#ifndef MODEL_STEP_H
#define MODEL_STEP_H

#include "model/bind.h"
#include "model/model.h"
#include "model/steering.h"
#include "model/taps.h"
#include "op/act.h"
#include "op/attention.h"
#include "op/recur.h"
#include "op/rows.h"

struct step {
    struct model *m;
    struct batch *b;
    int n_rows;
    int layer; /* that is being computed */
    int pairs; /* 1: a step of model_nextn() */
    int keeps; /* 1: nobody reads what its layer makes of the rows: what it keeps of them is all that is computed */
    struct rope_rows {
        float *cos, *sin; /* [n_rows][n_rot / 2] */
    } rope[ROPES];
    struct attn_row *attn_row[KV_KINDS]; /* [n_rows], NULL where the model has no such kind */
    float *temperature;                  /* [n_rows] temperatures of queries, or NULL where the model has none */
    float *slopes;                       /* [n_head] of ALiBi, or NULL */
    float *layer_embd;                   /* [n_layer][n_rows][d_layer_embd], or NULL */
    int32_t *chosen;               /* [n_rows][params.index.top_k] what the last layer with an indexer chose; or NULL */
    int32_t *row_id[MODEL_TABLES]; /* [n_rows][n_take] of tables with ids() */
    struct run *run;               /* [n_run] neighbouring rows of one sequence each */
    int n_run;
    struct error *err;   /* why experts had no slots */
    int32_t *candidates; /* [n_rows][n] blocks within which layers choose (block/indexer.h); or NULL */
    float *collapse;     /* [n_rows][params.hyper.n] gates that the next block takes its input by; or NULL */
};

/* More rows than somebody waits for token by token; drafts go on with few texts, so they do not count. */
enum { STEP_FEW_ROWS = 16 };
static inline int step_has_many_rows(const struct step *s) { return s->n_rows - s->b->n_drafted > STEP_FEW_ROWS; }

/* Scratch for rows [n_rows][n_cols], 64-byte aligned, not zeroed. */
float *step_rows(struct step *s, int n_cols);
static inline size_t step_mark(const struct step *s) { return arena_mark(s->m->op.scratch); }
static inline void step_reset(struct step *s, size_t mark) { arena_reset(s->m->op.scratch, mark); }

/* Rows x [n_rows][n_cols] as activations (op/act.h): x is not copied, and lives as long as the act. */
struct act step_act(struct step *s, const float *x, int n_cols);
/* Of rows as wide as w; out may be x. */
void rms_norm(struct step *s, float *out, const float *x, const struct weight *w);
/* That, or around the mean without bias, as params.layer_norm says of the model. */
void model_norm(struct step *s, float *out, const float *x, const struct weight *w, int n_rows);
/* Around the mean, without bias, of n_rows rows. */
void layer_norm(struct step *s, float *out, const float *x, const struct weight *w, int n_rows);
/* The same of all rows, with bias b, or without one where it is NULL. */
void layer_norm_biased(struct step *s, float *out, const float *x, const struct weight *w, const struct weight *b);
/* out [n_rows][rows of w] = a w^T; with rows [first, first + n) of w alone: out [n_rows][n]. */
void matmul(struct step *s, float *out, struct act *a, const struct weight *w);
void matmul_rows(struct step *s, float *out, struct act *a, const struct weight *w, int first, int n);
/* Rows x, ld floats apart, count as what w is multiplied with (collector.h), although its own product is not computed. */
void step_collect(struct step *s, const struct weight *w, const float *x, size_t ld);
/* x += b on every row; x *= a vector of one value. b or factor NULL: x stays as it is. */
void add_bias(struct step *s, float *x, const struct weight *b);
/* Values [first, first + n) of a bias on every row of x [n_rows][n]. */
void add_bias_part(struct step *s, float *x, const struct weight *b, int first, int n);
void scale_by(struct step *s, float *x, const struct weight *factor, int n_cols);
void add(struct step *s, float *x, const float *y, int n_cols); /* x += y */

/* Where a block's output y [n_rows][n_embd] is added to the rows x: y is multiplied by params.residual_scale, then steered, so it is
 * overwritten, and recorded. hook: VECTOR_ATTN of attention, a recurrence, a convolution; VECTOR_FFN of a feed-forward or experts. */
void block_out(struct step *s, enum vector_hook hook, float *x, float *y);
/* The same but for the addition, where it is more than one. */
void block_steer(struct step *s, enum vector_hook hook, float *y);

/* The rows of m->table[table] that each row of the step takes, side by side, into rows of x, ld floats apart. A row that cannot be read
 * makes its sequence leave. */
void take_rows(struct step *s, int table, float *x, size_t ld);

/* Rotate the first n_rot values of each head by their positions, in place: x [n_rows][n_head][head_dim]. rope: which of params.rope; if
 * its n_rot is 0 nothing is rotated. Then the inverse rotation. */
void rotate_heads(struct step *s, float *x, int n_head, int head_dim, int rope);
void rotate_heads_back(struct step *s, float *x, int n_head, int head_dim, int rope);

/* Queries x [n_rows][n_cols] times the temperature of each row's position, where the model has one. */
void apply_temperature(struct step *s, float *x, int n_cols);

/* The runs of the step [s->n_run], in its scratch, with the parts of their sequences' state at these offsets, which bind_state()
 * returned. */
struct run *step_runs(struct step *s, size_t history, size_t state);

/* Called at the end of every layer: its rows are steered, each stream by itself, then recorded; rows of cancelled sequences leave the
 * step. */
void layer_out(struct step *s, int l, float *x);

/* A row leaves the step, and with it all rows of its sequence: no expert is asked for them any more. */
void row_leaves(struct step *s, int row);

#endif
