/* Sizes: which layers share slots, how large a slot is, what the tables take. See expert_store.h. */
#include "base/checked.h"
#include "store/expert_inside.h"

uint64_t range_bytes(const struct expert_extent *x, int id, uint32_t align)
{
    uint64_t o = x->offset + (uint64_t)id * x->bytes;
    return round_up(o % align + x->bytes, align);
}

static uint64_t slot_need(const struct expert_layer *l, uint32_t align)
{
    uint64_t most = 0;
    for (int id = 0; id < l->n_expert; id++) {
        uint64_t need = 0;
        for (int p = 0; p < l->n_part; p++)
            need += range_bytes(&l->part[p], id, align);
        if (need > most)
            most = need;
    }
    return most;
}

static uint64_t expert_bytes(const struct expert_layer *l)
{
    uint64_t n = 0;
    for (int p = 0; p < l->n_part; p++)
        n += l->part[p].bytes;
    return n;
}

int expert_classes(const struct expert_layer *layer, int n_layer, uint32_t align, struct expert_class *out,
                   int *class_of)
{
    int n = 0;
    for (int l = 0; l < n_layer; l++) {
        class_of[l] = -1;
        if (layer[l].n_expert == 0)
            continue;
        int c = 0;
        while (c < n && expert_bytes(&layer[out[c].first_layer]) != expert_bytes(&layer[l]))
            c++;
        if (c == EXPERT_CLASSES)
            return -1;
        if (c == n)
            out[n++] = (struct expert_class){.first_layer = l};
        uint64_t need = slot_need(&layer[l], align);
        if (need > out[c].slot_bytes)
            out[c].slot_bytes = need;
        out[c].n_layer++;
        out[c].n_expert += layer[l].n_expert;
        class_of[l] = c;
    }
    return n;
}

int widest(const struct expert_layer *layer, int n_layer)
{
    int most = 1;
    for (int l = 0; l < n_layer; l++)
        if (layer[l].n_expert > most)
            most = layer[l].n_expert;
    return most;
}

uint64_t store_table_bytes(const struct expert_layer *layer, int n_layer, int n_slot)
{
    uint64_t n = (uint64_t)widest(layer, n_layer);
    return round_up(sizeof(struct expert_store), 64) + round_up((uint64_t)n_layer * sizeof *layer, 64) +
           round_up((uint64_t)n_layer * sizeof(int), 64) + round_up((uint64_t)n_slot * sizeof(struct slot), 64) +
           (2 * WAVES + 1) * round_up(n * 4, 64) + round_up(n * EXPERT_PARTS * sizeof(void *), 64) +
           cache_bytes(layer, n_layer);
}
