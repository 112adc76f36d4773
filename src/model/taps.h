/* Taps: where rows of a sequence are recorded while they are computed.
 *
 * A tap is a place of a layer, or of the end of a step. It copies rows, and changes nothing. What it copies to belongs to the sequence's
 * user, who says before each step which positions are recorded; each row is copied whole, at the end of the place that made it.
 *
 *     run_layers()     resid_pre            routes_end()    router_logits, router_ids, router_weights
 *     block_out()      attn_out, ffn_out, resid_mid         layer_out()     resid_post, and what the lens looks at
 *     behind the last layer                 final, the lens: one row at a time, in the scratch of a scored row */
#ifndef MODEL_TAPS_H
#define MODEL_TAPS_H

#include <stddef.h>
#include <stdint.h>

enum tap {
    TAP_RESID_PRE,     /* the input of a layer; of the first one the embeddings, after scaling */
    TAP_ATTN_OUT,      /* what attention, a recurrence or a convolution adds, steered */
    TAP_RESID_MID,     /* behind the first of two blocks; none where there is one block, or several streams */
    TAP_FFN_OUT,       /* what the feed-forward or the experts add, steered */
    TAP_RESID_POST,    /* the layer's end, steered */
    TAP_ROUTER_LOGITS, /* before bias, gate and groups */
    TAP_ROUTER_IDS,    /* experts in order of selection */
    TAP_ROUTER_WEIGHTS,
    TAP_LENS,  /* the largest logits that the layer's end would have as the last one */
    TAP_FINAL, /* behind the output norm: no layer's own, counted to the last */
    TAPS
};
const char *tap_name(enum tap t);

struct model;
struct sae;
struct step;

/* Values in a row, of 4 bytes each: f32, of TAP_ROUTER_IDS i32. 0: the layer lacks the tap. */
int tap_width(const struct model *m, enum tap t, int layer);

/* What is recorded of a sequence in a step: n rows, from position first on. Of each tap all n rows stand together, behind those of the
 * taps before: at[layer * TAPS + tap] * n bytes from data; -1: the tap is not wanted. The lens has, behind the rows it looks at, top ids
 * and top values a row, the largest first, of equals the lower id. */
struct taps {
    const int64_t *at; /* [n_layer][TAPS] */
    uint8_t *data;
    int first, n;
    int top;
    int has_lens, has_final; /* on some layer */
    /* Features of the end of its layer, or NULL: sae_at as at, and there top ids and top values a row, as of the lens. */
    const struct sae *sae;
    int64_t sae_at;
};

/* Records rows x [n_rows][n_cols] of a step, 4 bytes a value. Notes, while a step is measured, that the layer has the tap. */
void tap_rows(struct step *s, enum tap t, const void *x, int n_cols);

/* 1: a sequence of the step records rows of the tap at this layer, or the step is measured. */
int tap_wants(const struct step *s, enum tap t);

/* Records features of the rows x [n_rows][n_embd] of a layer's end, where a sequence wants those of this layer. */
void tap_features(struct step *s, const float *x);

/* Recorded row i of a tap, w values wide. */
static inline uint8_t *tap_at(const struct taps *t, int layer, enum tap tap, int i, size_t w)
{
    return t->data + (size_t)t->at[layer * TAPS + (int)tap] * (size_t)t->n + (size_t)i * w * 4;
}

/* The k largest of n values, with their indices; of equals the lower index first. Fewer than k: the rest are 0, of index -1. */
void tap_largest(const float *x, int n, int k, int32_t *id, float *value);

#endif
