/* See expert_biases.h. */
#include "model/expert_biases.h"

#include "base/error.h"
#include "base/half.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

uint64_t expert_biases_bytes(size_t n) { return sizeof(struct expert_biases) + n * sizeof(struct expert_bias); }

/* ---- reading ----------------------------------------------------------------------------------------------------------------- */

static int check_one(const struct expert_bias *b, const struct model *m, struct error *err)
{
    if (b->layer < 0 || b->layer >= m->p.n_layer)
        return error_set(err, ERR_INPUT, "layer %d: the model has layers 0 to %d", b->layer, m->p.n_layer - 1);
    int n_expert = m->expert_layer[b->layer].n_expert;
    if (n_expert == 0)
        return error_set(err, ERR_INPUT, "layer %d has no experts: it is dense", b->layer);
    if (b->layer < m->p.n_token_routed)
        return error_set(err, ERR_INPUT, "the experts of layer %d are chosen by the token alone, not by a router",
                         b->layer);
    if (b->expert < 0 || b->expert >= n_expert)
        return error_set(err, ERR_INPUT, "expert %d: layer %d has experts 0 to %d", b->expert, b->layer, n_expert - 1);
    if (fabsf(b->bias) <= EXPERT_BIAS_MOST || b->bias == -INFINITY) /* nor is it NaN */
        return 0;
    return error_set(err, ERR_INPUT, "the bias of expert %d of layer %d is %g; from -%d to %d is possible", b->expert,
                     b->layer, (double)b->bias, EXPERT_BIAS_MOST, EXPERT_BIAS_MOST);
}

static int compare(const void *x, const void *y)
{
    const struct expert_bias *a = x, *b = y;
    return a->layer != b->layer ? (a->layer > b->layer) - (a->layer < b->layer)
                                : (a->expert > b->expert) - (a->expert < b->expert);
}

static void hash(struct expert_biases *b)
{
    struct sha256 h;
    sha256_begin(&h);
    for (int i = 0; i < b->n; i++) {
        const uint32_t v[] = {(uint32_t)b->bias[i].layer, (uint32_t)b->bias[i].expert, f32_bits(b->bias[i].bias)};
        for (int k = 0; k < 3; k++) {
            const uint8_t le[] = {(uint8_t)v[k], (uint8_t)(v[k] >> 8), (uint8_t)(v[k] >> 16), (uint8_t)(v[k] >> 24)};
            sha256_add(&h, le, sizeof le);
        }
    }
    sha256_end(&h, b->sha256);
}

/* Sorted, each once, without those that change nothing. */
static int put_in_order(struct expert_biases *b, struct error *err)
{
    int n = 0;
    qsort(b->bias, (size_t)b->n, sizeof *b->bias, compare);
    for (int i = 0; i + 1 < b->n; i++)
        if (compare(&b->bias[i], &b->bias[i + 1]) == 0) {
            error_set(err, ERR_INPUT, "expert %d of layer %d is there twice", b->bias[i].expert, b->bias[i].layer);
            return error_field(err, "list");
        }
    for (int i = 0; i < b->n; i++)
        if (b->bias[i].bias != 0)
            b->bias[n++] = b->bias[i];
    b->n = n;
    hash(b);
    return 0;
}

int expert_biases_make(struct expert_biases **out, const struct model *m, const struct expert_bias *from, size_t n,
                       struct error *err)
{
    if (n > EXPERT_BIASES_MOST) {
        error_set(err, ERR_INPUT, "%zu experts; a list may have %d", n, EXPERT_BIASES_MOST);
        return error_field(err, "list");
    }
    for (size_t i = 0; i < n; i++)
        if (check_one(&from[i], m, err))
            return error_field(err, "list[%zu]", i);
    struct expert_biases *b = malloc(expert_biases_bytes(n));
    if (!b)
        return error_set(err, ERR_MEMORY, "no memory for a list of %zu experts", n);
    b->n = (int)n;
    b->bytes = expert_biases_bytes(n);
    if (n)
        memcpy(b->bias, from, n * sizeof *from);
    if (put_in_order(b, err)) {
        free(b);
        return -1;
    }
    *out = b;
    return 0;
}

const struct expert_bias *expert_biases_of(const struct expert_biases *b, int layer, int *n)
{
    int low = 0, high = b->n;
    while (low < high) {
        int middle = (low + high) / 2;
        if (b->bias[middle].layer < layer)
            low = middle + 1;
        else
            high = middle;
    }
    for (*n = 0; low + *n < b->n && b->bias[low + *n].layer == layer;)
        ++*n;
    return b->bias + low;
}

/* ---- what is left ------------------------------------------------------------------------------------------------------------ */

enum { MOST_EXPERTS = 1 << 14 }; /* of any model (params.c) */

/* Marks the experts of a layer that one of the lists excludes: a bit each. Returns how many. */
static int mark_excluded(const struct expert_biases *const *list, int n, int layer, uint8_t *mark)
{
    int excluded = 0, n_here;
    memset(mark, 0, MOST_EXPERTS / 8);
    for (int i = 0; i < n; i++) {
        const struct expert_bias *b = expert_biases_of(list[i], layer, &n_here);
        for (int k = 0; k < n_here; k++) {
            int bit = 1 << (b[k].expert & 7), is_new = b[k].bias == -INFINITY && !(mark[b[k].expert >> 3] & bit);
            excluded += is_new;
            mark[b[k].expert >> 3] |= (uint8_t)(is_new ? bit : 0);
        }
    }
    return excluded;
}

/* The fewest experts that are left in any choice of n_group_used groups which have some. */
static int fewest_in_groups(const struct params *p, int n_expert, const uint8_t *mark)
{
    int size = n_expert / p->n_group, left[256], n = 0, sum = 0;
    for (int g = 0; g < p->n_group; g++) {
        int here = 0;
        for (int e = g * size; e < (g + 1) * size; e++)
            here += !(mark[e >> 3] >> (e & 7) & 1);
        int at = n;
        if (here == 0)
            continue;
        for (; at > 0 && left[at - 1] > here; at--)
            left[at] = left[at - 1];
        left[at] = here;
        n++;
    }
    for (int g = 0; g < n && g < p->n_group_used; g++)
        sum += left[g];
    return sum;
}

int expert_biases_check(const struct expert_biases *const *list, int n, const struct model *m, struct error *err)
{
    uint8_t mark[MOST_EXPERTS / 8];
    for (int l = 0; l < m->p.n_layer; l++) {
        int n_expert = m->expert_layer[l].n_expert, used = m->p.n_expert_used;
        int excluded = n_expert && n_expert <= MOST_EXPERTS ? mark_excluded(list, n, l, mark) : 0;
        if (excluded == 0)
            continue;
        if (n_expert - excluded < used)
            return error_set(err, ERR_INPUT, "layer %d has %d experts left; a row takes %d of them", l,
                             n_expert - excluded, used);
        int fewest = m->p.n_group > 1 ? fewest_in_groups(&m->p, n_expert, mark) : used;
        if (fewest < used)
            return error_set(err, ERR_INPUT,
                             "layer %d has groups of experts of which %d have %d left together; a row takes %d of them",
                             l, m->p.n_group_used, fewest, used);
    }
    return 0;
}
