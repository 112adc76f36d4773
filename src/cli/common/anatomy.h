/* What a GGUF file is made of: bytes by kind of tensor and by type, and how its experts lie. From names and shapes alone, so
 * that files of any architecture have an anatomy. For `inspect`. */
#ifndef CLI_COMMON_ANATOMY_H
#define CLI_COMMON_ANATOMY_H

#include "format/gguf.h"

enum tensor_kind {
    KIND_EMBEDDING,
    KIND_ATTENTION,
    KIND_RECURRENT, /* state spaces, delta nets, short convolutions */
    KIND_FFN,
    KIND_SHARED, /* experts that every token uses */
    KIND_EXPERTS,
    KIND_ROUTER,
    KIND_NORMS,
    KIND_OUTPUT,
    KIND_DRAFT, /* all of the layers that only predict further tokens: they come last and are not run */
    KIND_OTHER,
    KIND_COUNT
};

const char *kind_name(enum tensor_kind k); /* static */

struct share {
    uint64_t n, bytes, weights; /* tensors, what they take, and how many numbers they hold */
};

enum { ANATOMY_GROUPS = 16, ANATOMY_PARTS = 4 };

/* Layers whose experts are alike: as many, of the same bytes and types. */
struct expert_group {
    int n_layer, first, last; /* layers; first and last of them */
    uint64_t n_expert, expert_bytes, expert_weights;
    struct {
        const char *tensor; /* of the first layer */
        enum block_type type;
        uint64_t bytes;    /* of one expert */
    } part[ANATOMY_PARTS]; /* [n_part] */
    int n_part;
};

struct anatomy {
    struct share kind[KIND_COUNT], type[TYPE_COUNT], kind_type[KIND_COUNT][TYPE_COUNT], all;
    int n_layer;          /* 1 + the largest N of blk.N. */
    uint64_t first_draft; /* layers from here on are of KIND_DRAFT */
    struct expert_group group[ANATOMY_GROUPS];
    int n_group, left_out; /* layers of experts beyond the groups */
    int n_moe_layer;
    uint64_t n_used;                                     /* experts a token and layer, by the metadata; 0 unknown */
    uint64_t expert_bytes_total, expert_bytes_per_token; /* bytes of all experts; of one token's (0 unknown) */
    uint64_t expert_weights_per_token;                   /* of one token's experts, as above */
    uint64_t expert_alignment; /* every expert of every tensor begins at a multiple of this in its file; at most 4096 */
    struct gguf_string arch;   /* "" when the file names none */
};

/* Weights that a token is multiplied with or takes: all but the experts that it is not routed to, the rows of tables that it does not take,
 * and draft layers. 0: unknown. */
uint64_t anatomy_active(const struct anatomy *a);

/* Fills *a, whose names are those of g and live as long. Cannot fail. */
void anatomy_of(struct anatomy *a, const struct gguf *g);
enum tensor_kind kind_of(const struct anatomy *a, const char *tensor_name);

#endif
