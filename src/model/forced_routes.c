/* See forced_routes.h. */
#include "model/forced_routes.h"

#include "base/error.h"
#include "model/model.h"

#include <stdlib.h>

/* ---- against the model ------------------------------------------------------------------------------------------------------- */

static int check_fit(struct forced_routes *r, const struct model *m, const char *path, struct error *err)
{
    const struct route_trace *t = r->trace;
    int n_layer = 0;
    for (int l = 0; l < m->p.n_layer; l++)
        r->position[l] = (int16_t)(m->expert_layer[l].n_expert > 0 ? n_layer++ : -1);
    for (int l = m->p.n_layer; l < PARAMS_MAX_LAYERS; l++)
        r->position[l] = -1;
    if (n_layer == 0)
        return error_set(err, ERR_INPUT, "%s: the model has no experts", path);
    if (t->n_expert == m->p.n_expert && n_layer <= t->n_layer && t->k <= m->p.n_expert_used)
        return 0;
    return error_set(
        err, ERR_INPUT, "%s does not fit %s: it has %d experts, %d layers, %d experts a token; the model %d, %d and %d",
        path, m->file->file->path, t->n_expert, t->n_layer, t->k, m->p.n_expert, n_layer, m->p.n_expert_used);
}

static const uint16_t *cell(const struct forced_routes *r, int l, int64_t step)
{
    const struct route_trace *t = r->trace;
    return t->id + ((size_t)step * (size_t)t->n_layer + (size_t)r->position[l]) * (size_t)t->k;
}

/* Layers of pruned models have fewer experts than others. */
static int check_layers(const struct forced_routes *r, const struct model *m)
{
    for (int l = 0; l < m->p.n_layer; l++)
        for (int step = 0; step < r->trace->n_step && r->position[l] >= 0; step++)
            if (route_trace_check_cell(cell(r, l, step), r->trace->k, m->expert_layer[l].n_expert))
                return -1;
    return 0;
}

static int open_trace(struct forced_routes *r, const struct model *m, int dir, const char *name, uint64_t most,
                      struct error *err)
{
    most = most > sizeof *r ? most - sizeof *r : 0;
    if (route_trace_open(&r->trace, dir, name, most, err) || check_fit(r, m, name, err))
        return -1;
    if (check_layers(r, m))
        return error_set(err, ERR_FORMAT,
                         "%s is not a trace of routes: it names an expert that a layer of the model does not have",
                         name);
    return 0;
}

int forced_routes_bytes(int dir, const char *name, uint64_t *bytes, struct error *err)
{
    if (route_trace_bytes(dir, name, bytes, err))
        return -1;
    *bytes += sizeof(struct forced_routes);
    return 0;
}

uint64_t forced_routes_size(const struct forced_routes *f) { return f->trace->bytes + sizeof *f; }

int forced_routes_open(struct forced_routes **out, const struct model *m, int dir, const char *name, uint64_t most,
                       struct error *err)
{
    struct forced_routes *r = calloc(1, sizeof *r);
    int failed = r ? open_trace(r, m, dir, name, most, err) : error_set(err, ERR_MEMORY, "%s: no memory for it", name);
    if (!failed)
        *out = r;
    else
        forced_routes_close(r);
    return failed;
}

void forced_routes_close(struct forced_routes *f)
{
    if (f)
        route_trace_close(f->trace);
    free(f);
}

/* ---- using it ---------------------------------------------------------------------------------------------------------------- */

int forced_routes_has(const struct forced_routes *f, int l) { return f->position[l] >= 0; }

/* Behind the end the decoded steps come again; a trace without any, from its beginning. */
static int64_t step_of(const struct route_trace *t, int64_t pos)
{
    if (pos < t->n_step)
        return pos;
    int first = t->n_prompt < t->n_step ? t->n_prompt : 0;
    return first + (pos - t->n_step) % (t->n_step - first);
}

void forced_routes_row(const struct forced_routes *f, int l, int64_t pos, int32_t *id, int n_used)
{
    const uint16_t *from = cell(f, l, step_of(f->trace, pos));
    int n = 0;
    for (int i = 0; i < f->trace->k && n < n_used; i++)
        if (from[i] != ROUTE_NONE)
            id[n++] = from[i];
    for (; n < n_used; n++)
        id[n] = -1;
}
