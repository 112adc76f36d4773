/* /control-vectors and below: which vectors and autoencoders there are, loading and unloading them, what people call features, the list
 * that steers requests without one of their own. Shapes as of ik_llama.cpp (pull request 1223), whose list is one for all; here it is a
 * default. */
#include "base/log.h"
#include "base/utf8.h"
#include "server/http/http.h"
#include "server/http/json.h"
#include "server/own/own.h"
#include "server/request/service.h"
#include "server/request/steer.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

/* ---- GET ------------------------------------------------------------------------------------------------------------------- */

static void put_text(struct out *o, const char *name, const char *text)
{
    out_print(o, ",\"%s\":", name);
    out_text(o, text);
}

static void put_layers(struct out *o, const struct stoker_vector *v, const struct stoker_vector_about *a)
{
    int n = 0;
    if (a->kind == STOKER_VECTOR_SAE) {
        out_print(o, ",\"layers\":[%d],\"norms\":[],\"features\":%d,\"gate\":\"%s\",\"labels\":%d", a->layer_first,
                  a->n_feature, a->method, a->n_label);
        return;
    }
    if (a->kind == STOKER_VECTOR_ROUTES) {
        out_print(o, ",\"layers\":[],\"norms\":[],\"steps\":%d", a->n_step);
        return;
    }
    out_print(o, ",\"layers\":[");
    for (int l = a->layer_first; l <= a->layer_last; l++)
        if (stoker_vector_norm(v, l) > 0)
            out_print(o, "%s%d", n++ ? "," : "", l);
    out_print(o, "],\"norms\":[");
    n = 0;
    for (int l = a->layer_first; l <= a->layer_last; l++)
        if (stoker_vector_norm(v, l) > 0) {
            out_print(o, n++ ? "," : "");
            out_real(o, stoker_vector_norm(v, l));
        }
    out_print(o, "]");
}

/* Its first entry on the default list, or NULL. */
static const struct stoker_steer *entry_of(const struct steer_list *l, const struct stoker_vector *v)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->how[i].vector == v)
            return &l->how[i];
    return NULL;
}

static void put_vector(struct out *o, const struct named_vector *v, const struct steer_list *l)
{
    struct stoker_vector_about a;
    const struct stoker_steer *how = entry_of(l, v->vector);
    stoker_vector_about(v->vector, &a);
    int held = 2; /* by the table and by this answer; each entry by the default list and by its copy */
    for (size_t i = 0; i < l->n; i++)
        held += l->how[i].vector == v->vector ? 2 : 0;
    out_print(o, "{\"id\":%d,\"name\":\"%s\"", v->id, v->name);
    put_text(o, "file", a.file);
    out_print(o, ",\"kind\":\"%s\",\"hook\":\"%s\",\"scale\":", steer_kind(&a), a.hook);
    out_real(o, !how ? 0 : how->has_amount || how->kind ? (double)how->amount : (double)a.scale_default);
    out_print(o, ",\"layer_start\":%d,\"layer_end\":%d", how && how->has_layers ? how->layer_first : a.layer_first,
              how && how->has_layers ? how->layer_last : a.layer_last);
    put_layers(o, v->vector, &a);
    if (a.scale_suggested > 0) {
        out_print(o, ",\"scale_suggested\":");
        out_real(o, a.scale_suggested);
    }
    out_print(o, ",\"sha256\":\"%s\"", a.sha256);
    put_text(o, "license", a.license);
    put_text(o, "author", a.author);
    put_text(o, "source", a.source);
    put_text(o, "base_model", a.base_model);
    put_text(o, "model_hint", a.model_hint);
    out_print(o, ",\"bytes\":%" PRIu64 ",\"in_use\":%s}", a.bytes, a.users > held ? "true" : "false");
}

void own_vectors(struct http_exchange *x)
{
    struct named_vector all[VECTORS_MOST];
    struct steer_list list;
    struct out o = {0};
    size_t n = vectors_all(&x->server->vectors, all);
    vectors_list(&x->server->vectors, &list);
    out_print(&o, "[");
    for (size_t i = 0; i < n; i++) {
        out_print(&o, i ? "," : "");
        put_vector(&o, &all[i], &list);
        stoker_vector_close(all[i].vector);
    }
    out_print(&o, "]");
    steer_list_free(&list);
    http_answer_json(x, &o);
}

/* ---- POST ------------------------------------------------------------------------------------------------------------------ */

static void answer_success(struct http_exchange *x, const struct named_vector *v)
{
    struct out o = {0};
    out_print(&o, "{\"success\":true");
    if (v)
        out_print(&o, ",\"id\":%d,\"name\":\"%s\"", v->id, v->name);
    out_print(&o, "}");
    http_answer_json(x, &o);
}

/* A text without a zero byte, or NULL: absent. */
static int read_word(const json_t *body, const char *key, const char **out, struct refusal *r)
{
    size_t n = 0;
    int got = json_get_text(body, NULL, key, out, &n, r);
    if (got > 0 && strlen(*out) != n)
        return json_refuse(r, "invalid_value", NULL, key, "has a zero byte in it");
    return got;
}

/* Files are what a client chose: whatever is wrong with one is wrong with the request. */
static int refuse_file(struct refusal *r, const struct stoker_error *err)
{
    if (err->code == STOKER_ERR_MEMORY)
        return refuse(r, 413, "steer_memory_exceeded", "path", "%s", err->text);
    return refuse(r, 400, "invalid_value", "path", "%s", err->text);
}

/* Would the engine take such a list? Prompts differ, so positions that count from the end of one cannot be checked. The engine's name of
 * the field begins with so many bytes that the body does not have. */
static int check_list(struct server *s, const struct stoker_steer *list, size_t n, size_t bytes, struct refusal *r)
{
    struct stoker_error err;
    char digest[65];
    for (size_t i = 0; i < n; i++)
        if (list[i].from.n < 0 || list[i].to.n < 0)
            return refuse(r, 400, "invalid_value", NULL,
                          "entry %zu counts back from the end of the prompt: a list for all requests counts from 0, or "
                          "from \"generated\"",
                          i);
    if (stoker_steer_digest(s->engine, list, n, 1, digest, &err) == 0)
        return 0;
    memmove(err.field, err.field + bytes, strlen(err.field + bytes) + 1);
    return refuse_error(r, NULL, &err);
}

/* An entry that is a folder is taken for an autoencoder's; what is no entry is refused where it is opened. */
static int is_folder(int dir, const char *name)
{
    struct stat st;
    return !strchr(name, '/') && fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static int open_entry(struct stoker_vector **out, struct server *s, const char *path, int scaled, struct refusal *r)
{
    struct stoker_error err;
    int is_sae = is_folder(s->vectors.dir, path);
    if (is_sae && scaled)
        return refuse(r, 400, "invalid_value", "scale",
                      "%s is an autoencoder: its features are put on the default list by /control-vectors/apply", path);
    if (is_sae ? stoker_sae_open(out, s->engine, s->vectors.dir, path, NULL, &err)
               : stoker_vector_open(out, s->engine, s->vectors.dir, path, &err))
        return refuse_file(r, &err);
    struct stoker_vector_about about;
    stoker_vector_about(*out, &about);
    if (about.kind != STOKER_VECTOR_ROUTES || !scaled)
        return 0;
    stoker_vector_close(*out);
    return refuse(r, 400, "invalid_value", "scale",
                  "%s is a trace of routes: it is put on the default list by /control-vectors/apply", path);
}

static int load(struct http_exchange *x, const json_t *body, struct named_vector *out, struct refusal *r)
{
    struct server *s = x->server;
    const char *path = NULL, *name = NULL;
    struct stoker_vector *v;
    double scale = 0;
    if (s->vectors.dir < 0)
        return refuse(r, 403, "steering_disabled", NULL,
                      "this server loads no vectors: start it with --steer-dir and their folder");
    int got = read_word(body, "path", &path, r);
    int scaled = json_get_real(body, NULL, "scale", -STOKER_SCALE_MOST, 0, STOKER_SCALE_MOST, &scale, r);
    if (got < 0 || scaled < 0 || read_word(body, "name", &name, r) < 0)
        return -1;
    if (got == 0)
        return json_missing(r, NULL, "path");
    if (open_entry(&v, s, path, scaled, r))
        return -1;
    struct stoker_steer how = {.vector = v, .amount = (float)scale, .has_amount = scaled};
    if (steer_read_layers(&how, body, NULL, r) < 0 ||
        ((scaled || how.has_layers) && check_list(s, &how, 1, strlen("steer[0]."), r) < 0)) {
        stoker_vector_close(v);
        return -1;
    }
    if (how.has_layers && !scaled) {
        stoker_vector_close(v);
        return refuse(
            r, 400, "invalid_value", "scale",
            "\"layer_start\" and \"layer_end\" belong to an entry of the default list: give its \"scale\" as well");
    }
    if (vectors_add(&s->vectors, v, name, out, r))
        return -1;
    how.vector = out->vector;
    if (scaled)
        got = vectors_list_put(&s->vectors, &how, out->name, r);
    if (got < 0 && out->is_new)
        vectors_remove(&s->vectors, out->id);
    stoker_vector_close(out->vector);
    return got < 0 ? -1 : 0;
}

/* The vector of "id", a number or a name: held. */
static int find(struct http_exchange *x, const json_t *body, struct named_vector *out, struct refusal *r)
{
    const json_t *id = json_get(body, "id");
    int64_t number = 0;
    const char *name = json_string_value(id);
    if (!id)
        return json_missing(r, NULL, "id");
    if (!name && json_get_int(body, NULL, "id", 0, INT32_MAX, &number, r) < 0)
        return -1;
    return vectors_find(&x->server->vectors, name, json_string_length(id), number, out, "id", r);
}

static int unload(struct http_exchange *x, const json_t *body, struct named_vector *out, struct refusal *r)
{
    if (find(x, body, out, r))
        return -1;
    vectors_remove(&x->server->vectors, out->id);
    stoker_vector_close(out->vector);
    return 0;
}

/* What make does with a body that is an object. */
static void change(struct http_exchange *x, const char *what,
                   int (*make)(struct http_exchange *x, const json_t *body, struct named_vector *out,
                               struct refusal *r))
{
    struct refusal r = {0};
    struct named_vector v;
    json_t *body = json_read(x->body, x->n_body, &r);
    if (!body || make(x, body, &v, &r) < 0) {
        http_refuse(x, &r);
    } else {
        log_line(LOG_INFO, "vector %d, %s, was %s", v.id, v.name, what);
        answer_success(x, &v);
    }
    json_decref(body);
}

void own_vector_load(struct http_exchange *x) { change(x, "loaded", load); }
void own_vector_unload(struct http_exchange *x) { change(x, "unloaded", unload); }

void own_vectors_apply(struct http_exchange *x)
{
    struct refusal r = {0};
    struct steer_list list = {.n = 0};
    json_t *body = json_read_array(x->body, x->n_body, &r);
    if (!body || steer_read(&list, &x->server->vectors, body, NULL, &r) < 0 ||
        check_list(x->server, list.how, list.n, strlen("steer"), &r) < 0) {
        steer_list_free(&list);
        http_refuse(x, &r);
    } else {
        log_line(LOG_INFO, "requests are steered by a list of %zu vectors unless they have one", list.n);
        vectors_set_list(&x->server->vectors, &list);
        answer_success(x, NULL);
    }
    json_decref(body);
}

/* ---- what people call features ------------------------------------------------------------------------------------------------ */

enum { FEATURES_MOST = 256, LABEL_MOST = 1000 }; /* of a request; bytes of a label, so that an answer is bounded */

static int put_label(struct out *o, const struct named_vector *v, const struct stoker_vector_about *a,
                     const json_t *feature, size_t i, struct refusal *r)
{
    const struct json_at list = {NULL, "features", 0}, at = {&list, NULL, i};
    int64_t j = json_integer_value(feature);
    if (!json_is_integer(feature))
        return json_refuse(r, "invalid_type", &at, NULL, "must be the number of a feature, not %s", json_kind(feature));
    if (j < 0 || j >= a->n_feature)
        return json_refuse(r, "invalid_value", &at, NULL, "must be within 0 to %d: %s has no more features",
                           a->n_feature - 1, v->name);
    const char *label = stoker_feature_label(v->vector, (int)j);
    out_print(o, i ? "," : "");
    if (label)
        out_string(o, label, utf8_cut(label, LABEL_MOST));
    else
        out_print(o, "null");
    return 0;
}

/* {"labels":["text",null]}, in the order of the features that are asked for. */
static int put_labels(struct out *o, const struct named_vector *v, const json_t *body, struct refusal *r)
{
    struct stoker_vector_about a;
    const json_t *list = NULL;
    stoker_vector_about(v->vector, &a);
    if (a.kind != STOKER_VECTOR_SAE)
        return refuse(r, 400, "invalid_value", "id", "%s is no autoencoder: it has no features", v->name);
    int got = json_get_array(body, NULL, "features", &list, r);
    if (got <= 0)
        return got < 0 ? -1 : json_missing(r, NULL, "features");
    if (json_array_size(list) > FEATURES_MOST)
        return json_refuse(r, "invalid_value", NULL, "features", "must have at most %d numbers, not %zu", FEATURES_MOST,
                           json_array_size(list));
    out_print(o, "{\"labels\":[");
    for (size_t i = 0; i < json_array_size(list); i++)
        if (put_label(o, v, &a, json_array_get(list, i), i, r))
            return -1;
    out_print(o, "]}");
    return 0;
}

void own_feature_labels(struct http_exchange *x)
{
    struct refusal r = {0};
    struct named_vector v;
    struct out o = {0};
    json_t *body = json_read(x->body, x->n_body, &r);
    int failed = !body || find(x, body, &v, &r);
    if (!failed) {
        failed = put_labels(&o, &v, body, &r);
        stoker_vector_close(v.vector);
    }
    json_decref(body);
    if (!failed) {
        http_answer_json(x, &o);
        return;
    }
    out_free(&o);
    http_refuse(x, &r);
}
