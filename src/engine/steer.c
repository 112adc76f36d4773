/* Vectors and lists of requests: see steer.h, and stoker.h for the public functions. */
#include "engine/steer.h"

#include "base/error.h"
#include "engine/engine.h"
#include "engine/public_error.h"
#include "model/forced_routes.h"

#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert((int)STOKER_STEER_MOST == (int)STEERING_MOST, "a request's list fits");
_Static_assert((int)STOKER_STEER_FEATURE_ADD == 1 + (int)FEATURE_ADD &&
                   (int)STOKER_STEER_FEATURE_SET == 1 + (int)FEATURE_SET &&
                   (int)STOKER_STEER_FEATURE_MULTIPLY == 1 + (int)FEATURE_MULTIPLY,
               "public numbers are those inside, behind that of vectors");
_Static_assert((int)STOKER_STEER_EXPERTS_MOST == (int)EXPERT_BIASES_MOST &&
                   (int)STOKER_EXPERT_BIAS_MOST == (int)EXPERT_BIAS_MOST &&
                   sizeof(struct stoker_expert_bias) == sizeof(struct expert_bias) &&
                   offsetof(struct stoker_expert_bias, bias) == offsetof(struct expert_bias, bias),
               "public experts are those inside");
_Static_assert((int)STOKER_VECTOR_PROJECT == (int)VECTOR_PROJECT && (int)STOKER_SIDE_NEGATIVE == (int)STEER_NEGATIVE,
               "public numbers are those inside");

struct stoker_vector {
    struct vector *vector; /* or: */
    struct sae *sae;
    struct expert_biases *experts;
    struct forced_routes *routes;
    struct steer_memory *memory; /* of the engine */
    atomic_int users;
};

/* ---- vectors ----------------------------------------------------------------------------------------------------------------- */

int stoker_vector_bytes(const char *path, uint64_t *bytes, struct stoker_error *public)
{
    struct error err = {0};
    int is_trace = route_trace_is(AT_FDCWD, path);
    return (is_trace ? forced_routes_bytes : vector_bytes)(AT_FDCWD, path, bytes, &err) ? error_to_public(public, &err)
                                                                                        : 0;
}

/* An autoencoder's form, or NULL where its folder tells. */
static int form_of(struct sae_form *form, const struct stoker_sae_form *public, struct error *err)
{
    return public ? sae_form_of(form, public->gate, public->layer, err) : 0;
}

int stoker_sae_bytes(const char *path, const struct stoker_sae_form *form, uint64_t *bytes, struct stoker_error *public)
{
    struct error err = {0};
    struct sae_form inside;
    struct sae about;
    if (form_of(&inside, form, &err) || sae_look(AT_FDCWD, path, form ? &inside : NULL, &about, &err))
        return error_to_public(public, &err);
    *bytes = about.bytes;
    return 0;
}

static uint64_t bytes_of(const struct stoker_vector *v)
{
    return v->sae       ? v->sae->bytes
           : v->experts ? v->experts->bytes
           : v->routes  ? forced_routes_size(v->routes)
                        : v->vector->bytes;
}

/* What is to be opened. */
struct opening {
    int dir, is_sae;
    const char *name;
    const struct stoker_sae_form *form;
};

static int read_sae(struct stoker_vector *v, const struct stoker *s, const struct opening *o, struct error *err)
{
    const struct model *m = s->session->model;
    struct sae_form form;
    return form_of(&form, o->form, err) ||
           sae_open(&v->sae, o->dir, o->name, o->form ? &form : NULL, atomic_load(&s->steer.left), err) ||
           sae_check_model(v->sae, m->p.n_layer, m->p.n_embd, m->p.hyper.n, err);
}

/* Directions, or a trace of routes. */
static int read_file(struct stoker_vector *v, const struct stoker *s, const struct opening *o, struct error *err)
{
    const struct model *m = s->session->model;
    uint64_t most = atomic_load(&s->steer.left);
    if (route_trace_is(o->dir, o->name))
        return forced_routes_open(&v->routes, m, o->dir, o->name, most, err);
    return vector_open(&v->vector, o->dir, o->name, most, err) ||
           vector_check_model(v->vector, m->p.n_layer, m->p.n_embd, m->hooks, err);
}

static int open_vector(struct stoker_vector *v, struct stoker *s, const struct opening *o, struct error *err)
{
    pthread_mutex_lock(&s->steer.reading);
    int failed = (o->is_sae ? read_sae : read_file)(v, s, o, err);
    if (!failed) /* meanwhile others can only have given back */
        atomic_fetch_sub(&s->steer.left, bytes_of(v));
    pthread_mutex_unlock(&s->steer.reading);
    return failed ? -1 : 0;
}

static int open_any(struct stoker_vector **out, struct stoker *s, const struct opening *o, struct stoker_error *public)
{
    struct error err = {0};
    struct stoker_vector *v = calloc(1, sizeof *v);
    if (!v)
        error_set(&err, ERR_MEMORY, "no memory for a vector");
    else if (open_vector(v, s, o, &err) == 0) {
        v->memory = &s->steer;
        atomic_init(&v->users, 1);
        *out = v;
        return 0;
    }
    if (v) {
        vector_close(v->vector);
        sae_close(v->sae);
    }
    free(v);
    return error_to_public(public, &err);
}

int stoker_vector_open(struct stoker_vector **out, struct stoker *s, int dir, const char *name,
                       struct stoker_error *err)
{
    return open_any(out, s, &(struct opening){dir, 0, name, NULL}, err);
}

int stoker_sae_open(struct stoker_vector **out, struct stoker *s, int dir, const char *name,
                    const struct stoker_sae_form *form, struct stoker_error *err)
{
    return open_any(out, s, &(struct opening){dir, 1, name, form}, err);
}

/* Takes bytes of what is left for lists of experts. */
static int take_list(struct steer_memory *m, uint64_t bytes, struct error *err)
{
    uint_fast64_t left = atomic_load(&m->lists_left);
    do {
        if (left < bytes)
            return error_set(err, ERR_MEMORY,
                             "lists of experts of other requests have the memory for them: try again later");
    } while (!atomic_compare_exchange_weak(&m->lists_left, &left, left - bytes));
    return 0;
}

static int open_experts(struct stoker_vector **out, struct stoker *s, const struct stoker_expert_bias *list, size_t n,
                        struct error *err)
{
    uint64_t bytes = expert_biases_bytes(n <= EXPERT_BIASES_MOST ? n : 0);
    if (s->session->model->n_moe_layer == 0) {
        error_set(err, ERR_INPUT, "the model has no experts");
        return error_field(err, "list");
    }
    if (take_list(&s->steer, bytes, err))
        return -1;
    struct stoker_vector *v = calloc(1, sizeof *v);
    int failed = v ? expert_biases_make(&v->experts, s->session->model, (const struct expert_bias *)list, n, err)
                   : error_set(err, ERR_MEMORY, "no memory for a list of experts");
    if (failed) {
        free(v);
        atomic_fetch_add(&s->steer.lists_left, bytes);
        return -1;
    }
    v->memory = &s->steer;
    atomic_init(&v->users, 1);
    *out = v;
    return 0;
}

int stoker_experts_open(struct stoker_vector **out, struct stoker *s, const struct stoker_expert_bias *list, size_t n,
                        struct stoker_error *public)
{
    struct error err = {0};
    return open_experts(out, s, list, n, &err) ? error_to_public(public, &err) : 0;
}

void stoker_vector_hold(const struct stoker_vector *v) { atomic_fetch_add(&((struct stoker_vector *)v)->users, 1); }

void stoker_vector_close(const struct stoker_vector *shared)
{
    struct stoker_vector *v = (struct stoker_vector *)shared;
    if (!v || atomic_fetch_sub(&v->users, 1) > 1)
        return;
    uint64_t bytes = bytes_of(v);
    atomic_uint_fast64_t *left = v->experts ? &v->memory->lists_left : &v->memory->left;
    vector_close(v->vector);
    sae_close(v->sae);
    free(v->experts);
    forced_routes_close(v->routes);
    free(v);
    atomic_fetch_add(left, bytes);
}

const struct vector *steer_vector(const struct stoker_vector *v) { return v->vector; }
const struct sae *steer_sae(const struct stoker_vector *v) { return v->sae; }
int steer_is_of(const struct stoker_vector *v, const struct stoker *s) { return v->memory == &s->steer; }

static void sae_about(const struct stoker_vector *v, struct stoker_vector_about *out)
{
    const struct sae *x = v->sae;
    *out = (struct stoker_vector_about){.kind = STOKER_VECTOR_SAE,
                                        .hook = vector_hook_name(VECTOR_LAYER),
                                        .n_embd = x->n_embd,
                                        .layer_first = x->form.layer,
                                        .layer_last = x->form.layer,
                                        .n_layer_held = 1,
                                        .n_feature = x->n_feature,
                                        .n_label = sae_labels_count(x->labels),
                                        .bytes = x->bytes,
                                        .users = atomic_load(&v->users)};
    memcpy(out->sha256, x->sha256, sizeof out->sha256);
    memcpy(out->file, x->file, sizeof out->file);
    memcpy(out->base_model, x->form.model, sizeof out->base_model);
    snprintf(out->method, sizeof out->method, "%s", sae_gate_name(x->form.gate));
}

static void experts_about(const struct stoker_vector *v, struct stoker_vector_about *out)
{
    const struct expert_biases *x = v->experts;
    *out = (struct stoker_vector_about){.kind = STOKER_VECTOR_EXPERTS,
                                        .hook = "",
                                        .n_expert = x->n,
                                        .layer_first = x->n ? x->bias[0].layer : 0,
                                        .layer_last = x->n ? x->bias[x->n - 1].layer : 0,
                                        .bytes = x->bytes,
                                        .users = atomic_load(&v->users)};
    for (int i = 0; i < x->n; i++)
        out->n_layer_held += i == 0 || x->bias[i].layer != x->bias[i - 1].layer;
    for (int i = 0; i < SHA256_BYTES; i++)
        snprintf(out->sha256 + 2 * i, 3, "%02x", x->sha256[i]);
}

static void routes_about(const struct stoker_vector *v, struct stoker_vector_about *out)
{
    const struct forced_routes *x = v->routes;
    const struct route_trace *t = x->trace;
    *out = (struct stoker_vector_about){.kind = STOKER_VECTOR_ROUTES,
                                        .hook = "",
                                        .n_step = t->n_step,
                                        .bytes = forced_routes_size(x),
                                        .users = atomic_load(&v->users)};
    for (int l = 0; l < PARAMS_MAX_LAYERS; l++)
        if (forced_routes_has(x, l)) {
            out->layer_first = out->n_layer_held++ ? out->layer_first : l;
            out->layer_last = l;
        }
    memcpy(out->file, t->file, sizeof out->file);
    for (int i = 0; i < SHA256_BYTES; i++)
        snprintf(out->sha256 + 2 * i, 3, "%02x", t->sha256[i]);
}

void stoker_vector_about(const struct stoker_vector *v, struct stoker_vector_about *out)
{
    const struct vector *x = v->vector;
    if (!x) {
        (v->sae ? sae_about : v->experts ? experts_about : routes_about)(v, out);
        return;
    }
    const struct vector_texts *t = &x->texts;
    *out = (struct stoker_vector_about){.kind = (enum stoker_vector_kind)x->kind,
                                        .hook = vector_hook_name(x->hook),
                                        .hook_differs = x->hook_differs,
                                        .n_embd = x->n_embd,
                                        .layer_first = x->first,
                                        .layer_last = x->last,
                                        .n_layer_held = x->n_held,
                                        .scale_default = x->scale,
                                        .scale_suggested = x->suggested,
                                        .bytes = x->bytes,
                                        .users = atomic_load(&v->users)};
    memcpy(out->sha256, x->sha256, sizeof out->sha256);
    memcpy(out->file, x->file, sizeof out->file);
    memcpy(out->name, t->name, sizeof out->name);
    memcpy(out->license, t->license, sizeof out->license);
    memcpy(out->author, t->author, sizeof out->author);
    memcpy(out->source, t->source, sizeof out->source);
    memcpy(out->base_model, t->base_model, sizeof out->base_model);
    memcpy(out->model_hint, t->model_hint, sizeof out->model_hint);
    memcpy(out->method, t->method, sizeof out->method);
}

const char *stoker_feature_label(const struct stoker_vector *v, int feature)
{
    return v->sae ? sae_label(v->sae->labels, feature) : NULL;
}

double stoker_vector_norm(const struct stoker_vector *v, int layer)
{
    const struct vector *x = v->vector;
    return x && layer >= x->first && layer <= x->last && x->direction[layer].v ? x->direction[layer].norm : 0;
}

/* ---- lists ------------------------------------------------------------------------------------------------------------------- */

/* What is wrong with the field key of entry i. */
static int refuse_entry(struct error *err, size_t i, const char *key)
{
    return error_field(err, "steer[%zu].%s", i, key);
}

/* A position as a number; -1 with the sentence. A range may end behind the last one. */
static int64_t position(const struct stoker_at *at, size_t n_prompt, int n_ctx, const char *what, struct error *err)
{
    int64_t n = at->n;
    if (n >= -n_ctx && n <= n_ctx)
        n += at->from_prompt_end ? (int64_t)n_prompt : 0;
    if (n >= 0 && n <= n_ctx)
        return n;
    return error_set(err, ERR_INPUT, "\"%s\" is position %" PRId64 "; the context has %d, from 0", what, n, n_ctx);
}

static int read_layers(struct steering_op *o, const struct stoker_steer *e, int n_layer, struct error *err)
{
    o->first = e->has_layers ? e->layer_first : o->vector->first;
    o->last = e->has_layers ? e->layer_last : o->vector->last;
    if (o->first >= 0 && o->first <= o->last && o->last < n_layer)
        return 0;
    return error_set(err, ERR_INPUT, "layers %d to %d; the model has layers 0 to %d, the first comes first", o->first,
                     o->last, n_layer - 1);
}

static int read_scale(struct steering_op *o, const struct stoker_steer *e, struct error *err)
{
    o->amount = e->has_amount ? e->amount : o->vector->scale;
    if (fabsf(o->amount) <= STOKER_SCALE_MOST) /* nor is it NaN */
        return 0;
    return error_set(err, ERR_INPUT, "the scale is %g; from -%d to %d is possible", (double)o->amount,
                     STOKER_SCALE_MOST, STOKER_SCALE_MOST);
}

static int read_side(struct steering_op *o, const struct stoker_steer *e, struct error *err)
{
    o->side = (enum steer_side)e->side;
    if ((unsigned)e->side <= STOKER_SIDE_NEGATIVE && (!e->side || o->vector->kind == VECTOR_PROJECT))
        return 0;
    return error_set(err, ERR_INPUT, "%s is added: only a projection has a side", o->vector->file);
}

/* An operation on a feature. */
static int read_feature(struct steering_op *o, const struct stoker_steer *e, size_t i, struct error *err)
{
    const struct sae *s = e->vector->sae;
    if (!s || (unsigned)e->kind > STOKER_STEER_FEATURE_MULTIPLY) {
        error_set(err, ERR_INPUT, "an entry about a feature has a vector that is no autoencoder, or no such operation");
        return refuse_entry(err, i, "sae");
    }
    *o = (struct steering_op){.sae = s,
                              .act = (enum feature_act)((int)e->kind - 1),
                              .feature = e->feature,
                              .amount = e->amount,
                              .to = INT64_MAX};
    if (e->feature < 0 || e->feature >= s->n_feature) {
        error_set(err, ERR_INPUT, "feature %d; %s has features 0 to %d", e->feature, s->file, s->n_feature - 1);
        return refuse_entry(err, i, "feature");
    }
    if (!(fabsf(e->amount) <= STOKER_FEATURE_MOST)) { /* NaN too */
        error_set(err, ERR_INPUT, "the value is %g; from -%d to %d is possible", (double)e->amount, STOKER_FEATURE_MOST,
                  STOKER_FEATURE_MOST);
        return refuse_entry(err, i, "value");
    }
    if (e->has_layers || e->side) {
        error_set(err, ERR_INPUT, "%s: a feature has neither layers nor a side: it acts at layer %d", s->file,
                  s->form.layer);
        return refuse_entry(err, i, "layers");
    }
    return 0;
}

/* An operation on the choice of experts. */
static int read_experts(struct steering_op *o, const struct stoker_steer *e, size_t i, struct error *err)
{
    *o = (struct steering_op){.experts = e->vector->experts, .to = INT64_MAX};
    if (!o->experts) {
        error_set(err, ERR_INPUT, "an entry about experts has another vector than a list of them");
        return refuse_entry(err, i, "list");
    }
    if (e->has_amount || e->has_layers || e->side) {
        error_set(err, ERR_INPUT, "experts have neither layers nor a scale nor a side but those of their list");
        return refuse_entry(err, i, "layers");
    }
    return 0;
}

/* The experts of a trace. */
static int read_routes(struct steering_op *o, const struct stoker_steer *e, size_t i, struct error *err)
{
    *o = (struct steering_op){.routes = e->vector->routes, .to = INT64_MAX};
    if (!o->routes) {
        error_set(err, ERR_INPUT, "an entry about routes has another vector than a trace of them");
        return refuse_entry(err, i, "routes");
    }
    if (e->has_amount || e->has_layers || e->side) {
        error_set(err, ERR_INPUT, "%s: routes have neither layers nor a scale nor a side", o->routes->trace->file);
        return refuse_entry(err, i, "layers");
    }
    return 0;
}

static int read_directions(struct steering_op *o, const struct stoker_steer *e, size_t i, const struct stoker *s,
                           struct error *err)
{
    *o = (struct steering_op){.vector = e->vector->vector, .to = INT64_MAX};
    if (!o->vector) {
        if (e->vector->sae)
            error_set(err, ERR_INPUT, "%s is an autoencoder: name a feature of it, and what is done to it",
                      e->vector->sae->file);
        else if (e->vector->routes)
            error_set(err, ERR_INPUT, "%s is a trace: its entry names it as routes", e->vector->routes->trace->file);
        else
            error_set(err, ERR_INPUT, "a list of experts is no vector: its entry is about experts");
        return refuse_entry(err, i, "vector");
    }
    if (read_scale(o, e, err))
        return refuse_entry(err, i, "scale");
    if (read_layers(o, e, s->session->model->p.n_layer, err))
        return refuse_entry(err, i, "layers");
    return read_side(o, e, err) ? refuse_entry(err, i, "side") : 0;
}

static int read_entry(struct steering_op *o, const struct stoker_steer *e, size_t i, const struct stoker *s,
                      size_t n_prompt, struct error *err)
{
    int n_ctx = s->session->plan.n_ctx;
    if (!e->vector || e->vector->memory != &s->steer) {
        error_set(err, ERR_INPUT, "an entry of the list has no vector of this engine");
        return refuse_entry(err, i, "vector");
    }
    if (e->kind == STOKER_STEER_EXPERTS  ? read_experts(o, e, i, err)
        : e->kind == STOKER_STEER_ROUTES ? read_routes(o, e, i, err)
        : e->kind                        ? read_feature(o, e, i, err)
                                         : read_directions(o, e, i, s, err))
        return -1;
    if ((o->from = position(&e->from, n_prompt, n_ctx, "from", err)) < 0)
        return refuse_entry(err, i, "from");
    if (e->has_to && (o->to = position(&e->to, n_prompt, n_ctx, "to", err)) < 0)
        return refuse_entry(err, i, "to");
    return 0;
}

static int add_entry(struct job_steer *j, const struct stoker *s, const struct stoker_steer *e, size_t i,
                     size_t n_prompt, struct error *err)
{
    struct steering_op o;
    int n = j->list.n;
    if (read_entry(&o, e, i, s, n_prompt, err))
        return -1;
    steering_add(&j->list, s->session->model, &o); /* the list has at most as many entries as fit */
    if (j->list.n > n) {
        stoker_vector_hold(e->vector);
        j->vector[j->n_vector++] = e->vector;
    }
    return 0;
}

/* What the lists of experts that act on a position leave together, at each position where one begins to. entry [list->n]: which of the
 * request's an operation was. */
static int check_experts(const struct steering *list, const struct model *m, const size_t *entry, struct error *err)
{
    const struct expert_biases *at_once[STEERING_MOST];
    int most = 0;
    for (int i = 0; i < list->n; i++) {
        int n = 0, last = i;
        if (!list->op[i].experts)
            continue;
        most += list->op[i].experts->n;
        for (int k = 0; k < list->n; k++)
            if (list->op[k].experts && list->op[k].from <= list->op[i].from && list->op[k].to > list->op[i].from) {
                at_once[n++] = list->op[k].experts;
                last = k;
            }
        if (most > EXPERT_BIASES_MOST)
            error_set(err, ERR_INPUT, "the list names %d experts so far; it may name %d", most, EXPERT_BIASES_MOST);
        if (most > EXPERT_BIASES_MOST || expert_biases_check(at_once, n, m, err))
            return refuse_entry(err, entry[last], "list");
    }
    return 0;
}

/* Routes tell all experts of a row: one trace, and nothing that turns routers. */
static int check_routes(const struct steering *list, const size_t *entry, struct error *err)
{
    const struct steering_op *first = NULL;
    for (int i = 0; i < list->n; i++) {
        const struct steering_op *o = &list->op[i];
        if (!o->routes && !o->experts)
            continue;
        if (first && (first->routes || o->routes)) {
            error_set(err, ERR_INPUT,
                      first->routes && o->routes ? "a list has routes once"
                                                 : "a list has routes or experts: routes tell all experts of a row");
            return refuse_entry(err, entry[i], o->routes ? "routes" : "list");
        }
        first = o;
    }
    return 0;
}

static int read_list(struct job_steer *j, const struct stoker *s, const struct stoker_steer *e, size_t n,
                     size_t n_prompt, struct error *err)
{
    size_t entry[STEERING_MOST];
    if (n > STOKER_STEER_MOST) {
        error_set(err, ERR_INPUT, "the list has %zu entries, at most %d are possible", n, STOKER_STEER_MOST);
        return error_field(err, "steer");
    }
    for (size_t i = 0; i < n; i++) {
        int before = j->list.n;
        if (add_entry(j, s, &e[i], i, n_prompt, err))
            return -1;
        if (j->list.n > before)
            entry[before] = i;
    }
    return check_routes(&j->list, entry, err) || check_experts(&j->list, s->session->model, entry, err) ? -1 : 0;
}

int steer_open(struct job_steer **out, const struct stoker *s, const struct stoker_request *r, struct error *err)
{
    *out = NULL;
    if (r->n_steer == 0)
        return 0;
    struct job_steer *j = calloc(1, sizeof *j);
    if (!j)
        return error_set(err, ERR_MEMORY, "no memory for a list of %zu operations", r->n_steer);
    int failed = read_list(j, s, r->steer, r->n_steer, r->n_prompt, err);
    if (!failed && j->list.n) {
        *out = j;
        return 0;
    }
    steer_close(j);
    return failed;
}

void steer_close(struct job_steer *j)
{
    for (int i = 0; j && i < j->n_vector; i++)
        stoker_vector_close(j->vector[i]);
    free(j);
}

void steer_blame(const struct job_steer *j, struct error *err)
{
    if (!j || err->code != ERR_FORMAT)
        return;
    *err = (struct error){0};
    error_set(err, ERR_INPUT,
              "non-finite logits: the request is steered too far; lower the scales of its list, or of the server's");
    error_field(err, "steer");
}

uint64_t steer_lists_bytes(int n_queue, int n_parallel)
{
    return ((uint64_t)n_queue + 2 * (uint64_t)n_parallel) * sizeof(struct job_steer);
}

int stoker_steer_digest(const struct stoker *s, const struct stoker_steer *op, size_t n, size_t n_prompt, char out[65],
                        struct stoker_error *public)
{
    struct error err = {0};
    struct job_steer j = {0};
    if (read_list(&j, s, op, n, n_prompt, &err) == 0 && j.list.n)
        steering_digest(&j.list, out);
    else
        out[0] = 0;
    for (int i = 0; i < j.n_vector; i++)
        stoker_vector_close(j.vector[i]);
    return err.code != ERR_NONE ? error_to_public(public, &err) : 0;
}
