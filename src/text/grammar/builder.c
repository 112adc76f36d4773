/* Adding states and edges: builder.h. */
#include "text/grammar/builder.h"

void *build_grow(struct builder *b, void *vector, uint32_t n, uint32_t more, uint32_t *capacity, size_t size)
{
    return maker_grow(b->m, vector, n, more, capacity, size);
}

struct compile *build_compile(const struct builder *b) { return b->m->compile; }

uint32_t build_state(struct builder *b)
{
    uint32_t *owner = maker_grow(b->m, b->owner, b->n_state, 1, &b->capacity_state, sizeof *owner);
    if (owner)
        b->owner = owner; /* the old one is gone, whatever follows */
    if (!owner || maker_work(b->m, 4) || b->n_state >= GRAMMAR_STATES_MAX) {
        error_set(&b->m->error, ERR_INPUT, "the grammar is too big: more than %d states", GRAMMAR_STATES_MAX);
        return 0;
    }
    owner[b->n_state] = b->current;
    return b->n_state++;
}

void build_edge(struct builder *b, uint32_t from, uint32_t to, enum edge_kind kind, uint8_t low, uint8_t high,
                uint32_t arg)
{
    struct new_edge *edge = maker_grow(b->m, b->edge, b->n_edge, 1, &b->capacity_edge, sizeof *edge);
    if (edge)
        b->edge = edge;
    if (!edge || maker_work(b->m, 4))
        return;
    edge[b->n_edge++] = (struct new_edge){from, {(uint8_t)kind, low, high, arg, to}};
}
