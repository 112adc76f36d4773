/* What the laws of steering steer by, made of seeds: directions at the layers that have a place, an autoencoder of the middle layer, biases
 * of experts, routes of a trace; and lists of them. Who is given one frees it: free(), of routes forced_routes_close(). */
#ifndef TESTS_STEER_MADE_H
#define TESTS_STEER_MADE_H

#include "base/rng.h"
#include "model/forced_routes.h"
#include "model/steering.h"
#include "temporary.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_LAYERS = 16, MOST_EXPERTS = 32, ROUTES_STEPS = 16 }; /* of goldens; steps of a trace */

/* ---- vectors made here ------------------------------------------------------------------------------------------------------- */

/* A direction a layer of norm 1 (a projection) or so large that it shows; from a seed. At the layers that have the hook. */
static inline struct vector *make_vector(const struct model *m, enum vector_kind kind, enum vector_hook hook,
                                         uint32_t seed)
{
    int n = m->p.n_embd, n_layer = m->p.n_layer;
    struct vector *v = calloc(1, sizeof *v + (size_t)n_layer * (sizeof *v->direction + (size_t)n * sizeof(float)));
    v->kind = kind;
    v->hook = hook;
    v->n_embd = n;
    v->last = n_layer - 1;
    v->scale = 1;
    v->direction = (struct vector_direction *)(v + 1);
    for (int l = 0; l < n_layer; l++) {
        float *to = (float *)(v->direction + n_layer) + (size_t)l * (size_t)n;
        double squares = 0;
        if (!(m->hooks[l] >> hook & 1))
            continue;
        for (int i = 0; i < n; i++) {
            to[i] = (float)((double)(rng_u64(77, (uint64_t)i, (uint32_t)l, seed) >> 40) * 0x1p-23 - 1);
            squares += (double)to[i] * (double)to[i];
        }
        for (int i = 0; i < n; i++)
            to[i] = (float)((double)to[i] / sqrt(squares) * (kind == VECTOR_PROJECT ? 1 : 2));
        sha256(to, (size_t)n * sizeof *to, v->direction[l].sha256);
        v->direction[l].v = to;
        v->direction[l].norm = kind == VECTOR_PROJECT ? 1 : 2;
        v->n_held++;
    }
    return v;
}

/* An autoencoder of the middle layer, whose features are active often; of k largest, or of thresholds. */
static inline struct sae *make_sae(const struct model *m, int k)
{
    enum { FEATURES = 70 };
    size_t n = (size_t)m->p.n_embd, all = FEATURES * n;
    struct sae *s = calloc(1, sizeof *s + (2 * all + (SAE_ROWS + 2) * n + (SAE_ROWS + 2) * FEATURES) * sizeof(float) +
                                  (size_t)(SAE_ROWS * k) * (sizeof(float) + sizeof(int32_t)));
    float *next = (float *)(s + 1), *encoder = next, *decoder = encoder + all, *bias = decoder + all,
          *threshold = bias + FEATURES, *centre = threshold + FEATURES;
    s->form = (struct sae_form){
        .gate = k ? SAE_TOPK : SAE_JUMPRELU, .k = k, .layer = m->p.n_layer / 2, .is_centred = k > 0};
    s->n_embd = (int)n;
    s->n_feature = FEATURES;
    for (size_t i = 0; i < 2 * all + 2 * FEATURES + n; i++)
        next[i] = (float)((double)(rng_u64(78, i, 1, (uint32_t)k) >> 40) * 0x1p-23 - 1);
    memset(decoder + all - n, 0, n * sizeof(float)); /* the last direction is one of zeros */
    s->encoder = (struct sae_matrix){(const uint8_t *)encoder, TYPE_F32};
    s->decoder = (struct sae_matrix){(const uint8_t *)decoder, TYPE_F32};
    s->encoder_bias = bias;
    s->threshold = k ? NULL : threshold;
    s->decoder_bias = centre;
    s->rows = centre + n;
    s->features = s->rows + SAE_ROWS * n;
    s->direction = s->features + SAE_ROWS * FEATURES;
    s->pick_value = s->direction + n;
    s->pick_id = (int32_t *)(void *)(s->pick_value + SAE_ROWS * k);
    s->hash[0] = (uint8_t)k;
    return s;
}

static inline struct steering_op feature(const struct sae *s, enum feature_act act, int j, float u)
{
    return (struct steering_op){.sae = s, .act = act, .feature = j, .amount = u, .to = INT64_MAX};
}

static inline struct steering_op whole(const struct vector *v, float amount)
{
    return (struct steering_op){.vector = v, .amount = amount, .last = v->last, .to = INT64_MAX};
}

static inline struct steering list_of(const struct model *m, struct steering_op a, struct steering_op b)
{
    struct steering s = {0};
    steering_add(&s, m, &a);
    if (b.vector)
        steering_add(&s, m, &b);
    return s;
}

static const struct steering_op nothing;

/* ---- experts and routes -------------------------------------------------------------------------------------------------------- */

static inline int is_routed(const struct model *m, int l)
{
    return m->expert_layer[l].n_expert > 0 && l >= m->p.n_token_routed;
}

/* 1: expert e is among as few as a row takes: of groups the last of those that a row takes, so the first of them may have one alone. */
static inline int is_left(const struct model *m, int l, int e)
{
    int n = m->expert_layer[l].n_expert, used = m->p.n_expert_used;
    int end = m->p.n_group > 1 ? n / m->p.n_group * m->p.n_group_used : n;
    return e < end && e >= end - used;
}

/* At every layer that has a router: all but those, and one more with more; or only the first, with a bias. NULL: refused. */
static inline struct expert_biases *make_biases(const struct model *m, int more, float bias)
{
    struct expert_bias b[MOST_LAYERS * MOST_EXPERTS];
    struct expert_biases *out = NULL;
    struct error err = {0};
    size_t n = 0;
    for (int l = 0; l < m->p.n_layer; l++)
        for (int e = 0; is_routed(m, l) && e < m->expert_layer[l].n_expert; e++)
            if (bias > -INFINITY ? e == 0 : !is_left(m, l, e) || (more && !is_left(m, l, e + 1)))
                b[n++] = (struct expert_bias){l, e, bias};
    if (expert_biases_make(&out, m, b, n, &err))
        return NULL;
    const struct expert_biases *const list[] = {out};
    if (expert_biases_check(list, 1, m, &err) == 0)
        return out;
    free(out);
    return NULL;
}

/* A trace of ROUTES_STEPS steps, of which 9 are a prompt's; every third layer of a step has no experts. */
static inline struct forced_routes *make_routes(const struct model *m)
{
    char path[TEMPORARY_PATH], head[400], layers[2 * MOST_LAYERS + 2] = "0";
    struct forced_routes *out = NULL;
    struct error err = {0};
    int k = m->p.n_expert_used, cell = 0;
    for (int l = 1; l < m->n_moe_layer && l < MOST_LAYERS; l++) /* how many alone counts */
        strcat(layers, ",0");
    int n = snprintf(head, sizeof head,
                     "{\"layers\":[%s],\"n_expert\":%d,\"k\":%d,\"n_prompt\":9,\"n_step\":%d,\"id_bytes\":1,"
                     "\"comp\":\"raw\"}",
                     layers, m->p.n_expert, k, ROUTES_STEPS);
    int fd = temporary_file(path, "routes");
    FILE *f = fdopen(fd, "w");
    fwrite("STRT1\n", 1, 6, f);
    fwrite((const uint8_t[]){(uint8_t)n, (uint8_t)(n >> 8), 0, 0}, 1, 4, f);
    fwrite(head, 1, (size_t)n, f);
    for (int step = 0; step < ROUTES_STEPS; step++)
        for (int l = 0; l < m->p.n_layer; l++) {
            int n_expert = m->expert_layer[l].n_expert;
            for (int i = 0; n_expert && i < k; i++)
                fputc(cell % 3 == 2 ? 0xff : (step * 5 + l + i) % n_expert, f);
            cell += n_expert > 0;
        }
    fclose(f);
    if (forced_routes_open(&out, m, AT_FDCWD, path, UINT64_MAX, &err))
        printf("     %s\n", err.text);
    remove(path);
    return out;
}

static inline struct steering_op turned(const struct expert_biases *b, int64_t from, int64_t to)
{
    return (struct steering_op){.experts = b, .from = from, .to = to};
}

static inline struct steering steered(const struct model *m, struct steering_op a, const struct steering_op *b)
{
    struct steering s = {0};
    steering_add(&s, m, &a);
    if (b)
        steering_add(&s, m, b);
    return s;
}

#endif
