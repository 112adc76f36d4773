/* Lists of operations on rows: see steering.h. */
#include "model/steering.h"

#include "base/half.h"
#include "base/hash.h"
#include "model/forced_routes.h"
#include "model/step.h"

#include <math.h>
#include <stdio.h>

/* ---- what an operation is ---------------------------------------------------------------------------------------------------- */

static void put_u32(struct sha256 *h, uint32_t v)
{
    const uint8_t le[] = {(uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24)};
    sha256_add(h, le, sizeof le);
}

static void put_u64(struct sha256 *h, uint64_t v)
{
    put_u32(h, (uint32_t)v);
    put_u32(h, (uint32_t)(v >> 32));
}

static int acts_at(const struct steering_op *o, int l)
{
    int n = 0;
    if (o->sae)
        return l == o->sae->form.layer;
    if (o->experts)
        expert_biases_of(o->experts, l, &n);
    if (o->experts || o->routes)
        return n > 0 || (o->routes && forced_routes_has(o->routes, l));
    return l >= o->first && l <= o->last && l <= o->vector->last && o->vector->direction[l].v &&
           o->vector->direction[l].norm > 0;
}

/* Of experts and routes: none, since they act on no row. */
static enum vector_hook hook_of(const struct steering_op *o)
{
    return o->sae ? VECTOR_LAYER : o->vector ? o->vector->hook : VECTOR_HOOKS;
}

/* What kind it is, for hashes: of vectors 0 and 1, of features 2 to 4, of experts 5, of routes 6. */
static uint8_t kind_of(const struct steering_op *o)
{
    if (o->sae)
        return (uint8_t)((int)VECTOR_KINDS + (int)o->act);
    return o->vector ? (uint8_t)o->vector->kind : o->experts ? 5 : 6;
}

/* What a layer of it is. */
static void hash_layer(struct sha256 *h, const struct steering_op *o, int l)
{
    int n = 0;
    const struct expert_bias *b = o->experts ? expert_biases_of(o->experts, l, &n) : NULL;
    if (o->experts)
        put_u32(h, (uint32_t)n);
    for (int i = 0; i < n; i++) {
        put_u32(h, (uint32_t)b[i].expert);
        put_u32(h, f32_bits(b[i].bias));
    }
    if (!o->experts)
        sha256_add(h,
                   o->sae      ? o->sae->hash
                   : o->routes ? o->routes->trace->sha256
                               : o->vector->direction[l].sha256,
                   SHA256_BYTES);
}

/* What it does at layers below n_layer. Returns at how many. */
static int hash_layers(const struct steering_op *o, int n_layer, uint8_t out[SHA256_BYTES])
{
    const uint8_t what[] = {kind_of(o), o->vector || o->sae ? (uint8_t)hook_of(o) : 0, (uint8_t)o->side, 0};
    struct sha256 h;
    int n = 0;
    sha256_begin(&h);
    sha256_add(&h, what, sizeof what);
    put_u32(&h, f32_bits(o->amount));
    if (o->sae)
        put_u32(&h, (uint32_t)o->feature);
    for (int l = o->first; l <= o->last && l < n_layer; l++)
        if (acts_at(o, l)) {
            put_u32(&h, (uint32_t)l);
            hash_layer(&h, o, l);
            n++;
        }
    sha256_end(&h, out);
    return n;
}

/* Layers behind which a later one keeps something of its own: the last of these is not among them. */
static int kept_layers(const struct model *m)
{
    int last = m->p.n_layer - 1;
    while (last > 0 && m->kept[last].most == LAYER_KEEPS_NOTHING)
        last--;
    return last;
}

static int is_zero(const struct sae *s, int feature)
{
    const struct block_info *type = type_info(s->decoder.type);
    const uint8_t *d = s->decoder.data + (size_t)feature * (size_t)s->n_embd * (size_t)type->bytes;
    float value = 0;
    for (int i = 0; i < s->n_embd && value == 0; i++)
        type->decode(&value, d + (size_t)i * (size_t)type->bytes, 1);
    return value == 0;
}

/* No scale, a factor of 1, a direction of zeros. What setting a feature changes is known in the row alone. */
static int does_nothing(const struct steering_op *o)
{
    if (!o->sae)
        return o->vector && o->amount == 0;
    return (o->act == FEATURE_ADD && o->amount == 0) || (o->act == FEATURE_MULTIPLY && o->amount == 1) ||
           is_zero(o->sae, o->feature);
}

int steering_add(struct steering *s, const struct model *m, const struct steering_op *op)
{
    struct steering_op o = *op;
    if (o.sae)
        o.first = o.last = o.sae->form.layer;
    else if (!o.vector)
        o.first = 0, o.last = m->p.n_layer - 1;
    if (does_nothing(&o) || o.from >= o.to || hash_layers(&o, m->p.n_layer, o.hash) == 0)
        return 0;
    if (s->n == STEERING_MOST)
        return -1;
    o.is_kept = hash_layers(&o, kept_layers(m), o.kept_hash) > 0;
    s->op[s->n++] = o;
    s->n_routing += !o.sae && !o.vector;
    return 0;
}

uint64_t steering_key(const struct steering *s, uint64_t root, int64_t first, int n)
{
    for (int i = 0; s && i < s->n; i++) {
        const struct steering_op *o = &s->op[i];
        const int64_t range[] = {o->from > first ? o->from - first : 0, o->to < first + n ? o->to - first : INT64_MAX};
        if (o->is_kept && range[0] < n && range[0] < range[1])
            root = hash64(range, sizeof range, hash64(o->kept_hash, sizeof o->kept_hash, root));
    }
    return root;
}

void steering_digest(const struct steering *s, char out[2 * SHA256_BYTES + 1])
{
    struct sha256 h;
    uint8_t sum[SHA256_BYTES];
    sha256_begin(&h);
    for (int i = 0; i < s->n; i++) {
        sha256_add(&h, s->op[i].hash, SHA256_BYTES);
        put_u64(&h, (uint64_t)s->op[i].from);
        put_u64(&h, (uint64_t)s->op[i].to);
    }
    sha256_end(&h, sum);
    for (int i = 0; i < SHA256_BYTES; i++)
        snprintf(out + 2 * i, 3, "%02x", sum[i]);
}

/* ---- doing it --------------------------------------------------------------------------------------------------------------- */

/* An operation on those of n rows, from position pos on, that are its own. A row of x is n_stream rows of n_embd. */
static void steer_run(struct op *op, const struct steering_op *o, int l, float *x, int pos, int n, int n_embd,
                      int n_stream)
{
    int64_t from = o->from > pos ? o->from - pos : 0, to = o->to - pos < n ? o->to - pos : n;
    if (from >= to)
        return;
    int rows = (int)(to - from) * n_stream;
    x += (size_t)from * (size_t)n_stream * (size_t)n_embd;
    if (o->sae) {
        features_change(op, o->sae, o->act, o->feature, o->amount, x, rows);
        return;
    }
    const float *v = o->vector->direction[l].v;
    if (o->vector->kind == VECTOR_PROJECT)
        op_steer_project(op, x, o->amount, v, o->side, rows, n_embd);
    else
        op_steer_add(op, x, o->amount, v, rows, n_embd);
}

void steer_rows(struct step *s, enum vector_hook hook, float *x, int n_stream)
{
    int n_embd = s->m->p.n_embd;
    if (op_measuring(&s->m->op)) { /* the plan measures every model: so it is known which layers have which hooks */
        s->m->hooks[s->layer] |= (uint8_t)(1 << hook);
        return;
    }
    for (int i = 0; i < s->n_run; i++) {
        const struct run *run = &s->run[i];
        const struct steering *list = s->b->seq[run->first]->steer;
        for (int j = 0; list && j < list->n; j++)
            if (hook_of(&list->op[j]) == hook && acts_at(&list->op[j], s->layer))
                steer_run(&s->m->op, &list->op[j], s->layer, x + (size_t)run->first * (size_t)n_stream * (size_t)n_embd,
                          s->b->pos[run->first], run->n, n_embd, n_stream);
    }
}

/* ---- routes ------------------------------------------------------------------------------------------------------------------ */

static int acts_on(const struct steering_op *o, int64_t pos) { return pos >= o->from && pos < o->to; }

/* The operation of a row that tells its experts, or NULL. */
static const struct steering_op *forcing(const struct step *s, int row)
{
    const struct steering *list = s->b->seq[row]->steer;
    for (int i = 0; list && list->n_routing && i < list->n; i++)
        if (list->op[i].routes && acts_on(&list->op[i], s->b->pos[row]))
            return &list->op[i];
    return NULL;
}

int steering_forces(const struct step *s, int row) { return forcing(s, row) != NULL; }

int steering_route(const struct step *s, int l, int32_t *id, int n_used)
{
    int turned = 0;
    if (op_measuring(&s->m->op))
        return 0;
    for (int i = 0; i < s->n_run; i++) {
        const struct run *run = &s->run[i];
        const struct steering *list = s->b->seq[run->first]->steer;
        if (!list || !list->n_routing)
            continue;
        for (int row = run->first; row < run->first + run->n; row++) {
            const struct steering_op *o = forcing(s, row);
            if (o && forced_routes_has(o->routes, l))
                forced_routes_row(o->routes, l, s->b->pos[row], id + (size_t)row * (size_t)n_used, n_used);
        }
        turned = 1;
    }
    return turned;
}

/* Of all rows of a run. */
static int excludes(const struct step *s, const struct run *run, int layer, int expert)
{
    const struct steering *list = s->b->seq[run->first]->steer;
    int64_t first = s->b->pos[run->first], last = first + run->n - 1;
    for (int i = 0, n; list && list->n_routing && i < list->n; i++) {
        const struct steering_op *o = &list->op[i];
        if (!o->experts || !acts_on(o, first) || !acts_on(o, last))
            continue;
        const struct expert_bias *b = expert_biases_of(o->experts, layer, &n);
        for (int k = 0; k < n; k++)
            if (b[k].expert == expert && b[k].bias == -INFINITY)
                return 1;
    }
    return 0;
}

int steering_leaves_out(const void *step, int layer, int expert)
{
    const struct step *s = step;
    for (int i = 0; i < s->n_run; i++)
        if (!excludes(s, &s->run[i], layer, expert))
            return 0;
    return s->n_run > 0;
}

void steering_turn(const void *turn, int row, float *choice)
{
    const struct steering_turn *t = turn;
    const struct steering *list = t->s->b->seq[row]->steer;
    for (int i = 0, n; list && list->n_routing && i < list->n; i++) {
        const struct steering_op *o = &list->op[i];
        if (!o->experts || !acts_on(o, t->s->b->pos[row]))
            continue;
        const struct expert_bias *b = expert_biases_of(o->experts, t->layer, &n);
        expert_biases_add(b, n, choice);
    }
}
