/* See features.h. The memory that features are encoded in comes with the autoencoder and is the step's thread's, so rows go through it some
 * at a time. */
#include "model/features.h"

static struct op_sae encoder_of(const struct sae *s)
{
    size_t row = (size_t)s->n_embd * (size_t)type_info(s->encoder.type)->bytes;
    return (struct op_sae){.w = {s->encoder.data, s->encoder.type, s->n_feature, s->n_embd, row, NULL},
                           .bias = s->encoder_bias,
                           .threshold = s->threshold,
                           .k = s->form.gate == SAE_TOPK ? s->form.k : 0,
                           .centre = s->form.is_centred ? s->decoder_bias : NULL,
                           .most = SAE_ROWS,
                           .rows = s->rows,
                           .features = s->features,
                           .pick_value = s->pick_value,
                           .pick_id = s->pick_id};
}

void features_change(struct op *op, const struct sae *s, enum feature_act act, int j, float u, float *x, int n_rows)
{
    const struct op_sae e = encoder_of(s);
    size_t n = (size_t)s->n_embd;
    float h[SAE_ROWS];
    sae_row(s, &s->decoder, j, s->direction);
    if (act == FEATURE_ADD) {
        op_steer_add(op, x, u, s->direction, n_rows, s->n_embd);
        return;
    }
    for (int r = 0; r < n_rows; r += SAE_ROWS) {
        int m = n_rows - r < SAE_ROWS ? n_rows - r : SAE_ROWS;
        op_sae_feature(op, &e, j, x + (size_t)r * n, m, h);
        op_sae_change(op, x + (size_t)r * n, act == FEATURE_SET ? OP_SAE_SET : OP_SAE_MULTIPLY, u, h, s->direction, m,
                      s->n_embd);
    }
}

void features_largest(struct op *op, const struct sae *s, const float *x, int n_rows, int top, int32_t *id,
                      float *value)
{
    const struct op_sae e = encoder_of(s);
    for (int r = 0; r < n_rows; r += SAE_ROWS) {
        int m = n_rows - r < SAE_ROWS ? n_rows - r : SAE_ROWS;
        op_sae_encode(op, &e, x + (size_t)r * (size_t)s->n_embd, m);
        op_sae_largest(op, &e, m, top, id + (size_t)r * (size_t)top, value + (size_t)r * (size_t)top);
    }
}
