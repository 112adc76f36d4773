/* See routes.h. A sequence at a time: its experts and weights are recorded into memory, counted, and forgotten. */
#include "study/routes.h"

#include "format/route_trace.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WAIT_MS = 100 };

/* ---- counts ------------------------------------------------------------------------------------------------------------------ */

static int make_layer(struct route_layer *l, int index, int n_expert, int k)
{
    *l = (struct route_layer){.index = index, .n_expert = n_expert, .k = k};
    l->count = calloc((size_t)n_expert, sizeof *l->count);
    l->weight = calloc((size_t)n_expert, sizeof *l->weight);
    return l->count && l->weight ? 0 : -1;
}

int route_counts_of_model(struct route_counts *c, const struct stoker_layer *layer, int n)
{
    *c = (struct route_counts){.layer = calloc((size_t)n + 1, sizeof *c->layer), .has_weights = 1};
    for (int l = 0; c->layer && l < n; l++)
        if (layer[l].n_expert > 0 && make_layer(&c->layer[c->n++], l, layer[l].n_expert, layer[l].n_expert_used))
            return -1;
    return c->layer ? 0 : -1;
}

int route_counts_of_trace(struct route_counts *c, const struct route_trace *t)
{
    *c = (struct route_counts){.layer = calloc((size_t)t->n_layer, sizeof *c->layer)};
    for (int l = 0; c->layer && l < t->n_layer; l++)
        if (make_layer(&c->layer[c->n++], l, t->n_expert, t->k))
            return -1;
    for (int step = 0; c->layer && step < t->n_step; step++)
        for (int l = 0; l < t->n_layer; l++) {
            const uint16_t *id = t->id + ((size_t)step * (size_t)t->n_layer + (size_t)l) * (size_t)t->k;
            c->layer[l].rows++;
            for (int i = 0; i < t->k; i++)
                if (id[i] != ROUTE_NONE) {
                    c->layer[l].count[id[i]]++;
                    c->layer[l].uses++;
                }
        }
    return c->layer ? 0 : -1;
}

void route_counts_free(struct route_counts *c)
{
    for (int l = 0; l < c->n; l++) {
        free(c->layer[l].count);
        free(c->layer[l].weight);
    }
    free(c->layer);
    *c = (struct route_counts){.n = 0};
}

void route_layer_add(struct route_layer *l, const int32_t *id, const float *w, size_t rows)
{
    l->rows += rows;
    for (size_t i = 0; i < rows * (size_t)l->k; i++)
        if (id[i] >= 0 && id[i] < l->n_expert) {
            l->count[id[i]]++;
            l->weight[id[i]] += (double)w[i];
            l->uses++;
        }
}

double route_layer_entropy(const struct route_layer *l)
{
    double bits = 0;
    for (int e = 0; e < l->n_expert; e++)
        if (l->count[e]) {
            double share = (double)l->count[e] / (double)l->uses;
            bits -= share * log2(share);
        }
    return bits > 0 ? bits : 0;
}

double route_layer_difference(const struct route_layer *a, const struct route_layer *b, int e)
{
    double n = (double)a->rows, m = (double)b->rows, both = (double)(a->count[e] + b->count[e]);
    if (n == 0 || m == 0)
        return 0;
    double share = both / (n + m), error = sqrt(share * (1 - share) * (1 / n + 1 / m));
    return error > 0 ? ((double)b->count[e] / m - (double)a->count[e] / n) / error : 0;
}

/* ---- texts ------------------------------------------------------------------------------------------------------------------- */

uint64_t route_count_bytes(const struct stoker_layer *layer, int n_layer, size_t n)
{
    uint64_t a_row = 0;
    for (int l = 0; l < n_layer; l++)
        a_row += layer[l].n_expert ? (uint64_t)layer[l].n_expert_used * (sizeof(int32_t) + sizeof(float)) : 0;
    return a_row * n;
}

static struct stoker_capture wants(void *memory, size_t n)
{
    return (struct stoker_capture){.taps = 1u << STOKER_TAP_ROUTER_IDS | 1u << STOKER_TAP_ROUTER_WEIGHTS,
                                   .no_tokens = 1,
                                   .memory = memory,
                                   .n_memory = n};
}

/* Takes the events of a request to its end. 0; 1: stopped. */
static int wait_for(const struct route_count *k, stoker_id id, struct stoker_error *err)
{
    struct stoker_event e = {.kind = STOKER_TOKEN};
    int got, cancelled = 0;
    do {
        if (!cancelled && k->stopped(k->arg)) {
            stoker_cancel(k->s, id);
            cancelled = 1;
        }
    } while ((got = stoker_next_event(k->s, id, WAIT_MS, &e)) >= 0 &&
             (got == 0 || (e.kind != STOKER_END && e.kind != STOKER_FAILED)));
    if (got == 1 && e.kind == STOKER_FAILED) {
        *err = e.error;
        return -1;
    }
    return cancelled;
}

/* The tensor of a layer; NULL: it is not recorded. */
static const struct stoker_tensor *find(const struct stoker_tensor *t, int n, const char *what, int layer)
{
    char name[STOKER_TENSOR_NAME];
    snprintf(name, sizeof name, "%s.%d", what, layer);
    for (int i = 0; i < n; i++)
        if (strcmp(t[i].name, name) == 0)
            return &t[i];
    return NULL;
}

static void add(struct route_counts *out, const struct stoker_tensor *t, int n, const char *memory, size_t rows)
{
    for (int l = 0; l < out->n; l++) {
        const struct stoker_tensor *id = find(t, n, stoker_tap_name(STOKER_TAP_ROUTER_IDS), out->layer[l].index),
                                   *w = find(t, n, stoker_tap_name(STOKER_TAP_ROUTER_WEIGHTS), out->layer[l].index);
        if (id && w && id->shape[1] == (uint64_t)out->layer[l].k)
            route_layer_add(&out->layer[l], (const int32_t *)(const void *)(memory + id->offset),
                            (const float *)(const void *)(memory + w->offset), rows);
    }
}

/* Sequence i, into memory for n_tensor tensors of it. */
static int count_one(const struct route_count *k, struct route_counts *out, size_t i, char *memory, size_t bytes,
                     struct stoker_tensor *t, int n_tensor, struct stoker_error *err)
{
    size_t n = k->q->first[i + 1] - k->q->first[i];
    struct stoker_capture c = wants(memory, bytes);
    stoker_id id;
    c.n_rows = n;
    c.n_requests = 1;
    if (stoker_capture_layout(k->s, &c, t, (size_t)n_tensor, err) < 0)
        return -1;
    c.n_rows = c.n_requests = 0;
    struct stoker_request r = {.prompt = k->q->token + k->q->first[i],
                               .n_prompt = n,
                               .only_score = 1,
                               .capture = &c,
                               .steer = k->steer,
                               .n_steer = k->n_steer};
    if (stoker_submit(k->s, &r, &id, err))
        return -1;
    int status = wait_for(k, id, err);
    if (status == 0)
        add(out, t, n_tensor, memory, n);
    return status;
}

/* Bytes of the tensors of n rows. */
static size_t bytes_of(const struct stoker_tensor *t, int n)
{
    uint64_t most = 0;
    for (int i = 0; i < n; i++)
        most = t[i].offset + t[i].bytes > most ? t[i].offset + t[i].bytes : most;
    return (size_t)most;
}

int route_count_run(const struct route_count *k, struct route_counts *out, struct stoker_error *err)
{
    size_t longest = 0;
    for (size_t i = 0; i < k->q->n; i++) {
        size_t n = k->q->first[i + 1] - k->q->first[i];
        longest = n > longest ? n : longest;
    }
    struct stoker_capture c = wants(NULL, 0);
    c.n_rows = longest;
    c.n_requests = 1;
    int n_tensor = stoker_capture_layout(k->s, &c, NULL, 0, err), status = n_tensor < 0 ? -1 : 0;
    struct stoker_tensor *t = calloc((size_t)(n_tensor > 0 ? n_tensor : 0) + 1, sizeof *t);
    if (!status && t)
        stoker_capture_layout(k->s, &c, t, (size_t)n_tensor, err);
    size_t bytes = !status && t ? bytes_of(t, n_tensor) : 0;
    char *memory = malloc(bytes + 1);
    if (!status && (!t || !memory)) {
        *err = (struct stoker_error){.code = STOKER_ERR_MEMORY};
        snprintf(err->text, sizeof err->text, "no memory for the experts of %zu tokens", longest);
        status = -1;
    }
    for (size_t i = 0; i < k->q->n && !status; i++) {
        status = count_one(k, out, i, memory, bytes, t, n_tensor, err);
        k->progress(k->arg, k->q->first[i + 1], k->q->first[k->q->n]);
    }
    free(t);
    free(memory);
    return status;
}
