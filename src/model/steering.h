/* A request's steering: what is done to the rows of its sequence while they are computed.
 *
 * A list of operations, applied in its order. An operation adds the directions of a vector, or projects them out, at the layers and
 * positions that it names; each layer has its own direction. Or it changes a feature of an autoencoder, at its layer. Or it turns routers
 * from experts, or towards them, or tells which experts the layers use. A list has no operation without effect: it would be arithmetic all
 * the same (fmaf(0, v, x) turns -0 into 0), and another list for the cache of prefixes.
 *
 * What a sequence keeps depends on its list, so known prefixes are told apart by it. A hash stands for what an operation does, wherever
 * its file lies and whatever it is called. */
#ifndef MODEL_STEERING_H
#define MODEL_STEERING_H

#include "format/vector.h"
#include "model/expert_biases.h"
#include "model/features.h"
#include "model/model.h"
#include "op/steer.h"

enum { STEERING_MOST = 16 };

struct steering_op {
    const struct vector *vector; /* the request's, which outlives the list; NULL: of a feature */
    const struct sae *sae;       /* likewise */
    const struct expert_biases
        *experts; /* likewise: of routers; all lists together have passed expert_biases_check() */
    const struct forced_routes
        *routes;          /* likewise: instead of the routers' choice; one of a list, and then no experts */
    enum feature_act act; /* of a feature */
    int feature;
    float amount;         /* scale, or the feature's value */
    enum steer_side side; /* BOTH unless it is a projection */
    int first, last;      /* layers, inclusive; of a vector alone, of others steering_add() sets them */
    int64_t from, to;     /* positions [from, to) */
    /* steering_add() sets these: of all but from and to */
    uint8_t hash[SHA256_BYTES], kept_hash[SHA256_BYTES]; /* kept: of what it does where something is kept of it */
    int is_kept;                                         /* 1: keys, values or states depend on it */
};

struct steering {
    int n;
    struct steering_op op[STEERING_MOST];
    int n_routing; /* of experts and routes */
};

/* Appends an operation, but for one without effect. 0; -1: the list is full. */
int steering_add(struct steering *s, const struct model *m, const struct steering_op *op);

/* What steers rows of a run at a layer and hook: x [n_rows][n_embd] of the step, or with n streams each of them. */
struct step;
void steer_rows(struct step *s, enum vector_hook hook, float *x, int n_stream);

/* Of layer l of a step: which experts its rows are told to use into id [n_rows][n_used], where they are; 1: the lists of some rows turn the
 * routers, by steering_turn() of a struct steering_turn. */
struct steering_turn {
    const struct step *s;
    int layer;
};
int steering_route(const struct step *s, int l, int32_t *id, int n_used);
void steering_turn(const void *turn, int row, float *choice);
/* 1: every row of the step has a list that excludes the expert. */
int steering_leaves_out(const void *step, int layer, int expert);
int steering_forces(const struct step *s,
                    int row); /* 1: the experts of the row may be told; its tokens do not choose them */

/* What tells known positions [first, first + n) apart that were computed under this list, behind the same positions before: a hash of what
 * it does there to what is kept, and of root; without a list, or where nothing that is kept depends on it there, root itself. Where an
 * operation ends is seen only before the last position. s may be NULL. */
uint64_t steering_key(const struct steering *s, uint64_t root, int64_t first, int n);

/* 64 digits: SHA-256 of all operations with their positions. */
void steering_digest(const struct steering *s, char out[2 * SHA256_BYTES + 1]);

#endif
