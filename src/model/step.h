/* The vocabulary that blocks and arch files are written in: each call is one sentence of a paper, over all rows of a step. Larger
 * sentences, which several papers share, are the blocks: block_NAME.h.
 *
 * Shapes are [n_rows][...]. Scratch comes from the step: step_rows() lasts until the step_reset() of the mark taken before. */
#ifndef MODEL_STEP_H
#define MODEL_STEP_H

#include "model/bind.h"
#include "model/model.h"
#include "op/act.h"
#include "op/attention.h"
#include "op/recur.h"
#include "op/rows.h"

struct step {
    struct model *m;
    struct batch *b;
    int n_rows;
    struct rope_rows {
        float *cos, *sin; /* [n_rows][n_rot / 2] */
    } rope[ROPES];
    struct attn_row *attn_row[KV_KINDS]; /* [n_rows], NULL where the model has no such kind */
    float *layer_embd;                   /* [n_layer][n_rows][d_layer_embd], or NULL */
    int32_t *chosen;                     /* [n_rows][params.index.top_k] what a layer of latents chose last */
    struct run *run;                     /* stretches of rows of one sequence */
    int n_run;
    struct error *err; /* of the step as a whole */
};

float *step_rows(struct step *s, int n_cols);
static inline size_t step_mark(const struct step *s) { return arena_mark(s->m->op.scratch); }
static inline void step_reset(struct step *s, size_t mark) { arena_reset(s->m->op.scratch, mark); }

struct act step_act(struct step *s, const float *x, int n_cols);
void rms_norm(struct step *s, float *out, const float *x, const struct weight *w);
void matmul(struct step *s, float *out, struct act *a, const struct weight *w); /* out = a w^T */
void matmul_rows(struct step *s, float *out, struct act *a, const struct weight *w, int first,
                 int n); /* out [n_rows][n]: rows [first, first + n) of w alone */
void add_bias(struct step *s, float *x, const struct weight *b); /* x += b on every row; NULL: untouched */
void scale_by(struct step *s, float *x, const struct weight *factor,
              int n_cols);                                      /* x *= a vector of one; NULL: untouched */
void add(struct step *s, float *x, const float *y, int n_cols); /* x += y */

/* Rows of x, ld apart, are those of the step's tokens, wherever the table is. -1 with the sentence in s->err. */
int embed(struct step *s, float *x, size_t ld, struct weight *table);

/* Rotary positions, on the first n_rot values of each head; rope: which of the model's. Its n_rot 0: none. */
void rotate_heads(struct step *s, float *x, int n_head, int head_dim, int rope);

/* The same backwards: what was rotated to its position comes back. */
void rotate_heads_back(struct step *s, float *x, int n_head, int head_dim, int rope);

/* The runs of the step [n_run], with what their sequences keep at these places of bind_state(). */
struct run *step_runs(struct step *s, size_t history, size_t state);

/* Every layer ends here: the tap of control vectors and capture; rows of cancelled sequences leave. */
void layer_out(struct step *s, int l, float *x);

/* A row leaves the step, and with it all rows of its sequence: they are routed nowhere from now on. */
void row_leaves(struct step *s, int row);

#endif
