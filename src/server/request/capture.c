/* See capture.h. */
#include "server/request/capture.h"

#include "base/reqmem.h"
#include "server/request/service.h"
#include "server/request/steer.h"

#include <string.h>

enum { TOP = 10 }; /* where a request does not say */

void capture_wanted_free(struct capture_wanted *w)
{
    if (w->along.vector)
        stoker_vector_close(w->along.vector);
    if (w->sae.vector)
        stoker_vector_close(w->sae.vector);
    reqmem_free(w->layer);
    *w = (struct capture_wanted){.layer = NULL};
}

/* ---- layers ---------------------------------------------------------------------------------------------------------------- */

static int read_layer(const json_t *v, const struct json_at *at, int n_layer, int *out, struct refusal *r)
{
    if (!json_is_integer(v))
        return json_refuse(r, "invalid_type", at, NULL, "must be a layer's number, not %s",
                           json_is_real(v) ? "a fraction" : json_kind(v));
    if (json_integer_value(v) < 0 || json_integer_value(v) >= n_layer)
        return json_refuse(r, "invalid_value", at, NULL, "is %lld; the model has layers 0 to %d",
                           (long long)json_integer_value(v), n_layer - 1);
    *out = (int)json_integer_value(v);
    return 0;
}

/* A number, or the first and the last. */
static int read_range(const json_t *v, const struct json_at *at, int n_layer, int range[2], struct refusal *r)
{
    if (!json_is_array(v)) {
        int failed = read_layer(v, at, n_layer, &range[0], r);
        range[1] = range[0];
        return failed;
    }
    if (json_array_size(v) != 2)
        return json_refuse(r, "invalid_value", at, NULL, "has %zu numbers; a range has its first layer and its last",
                           json_array_size(v));
    for (size_t i = 0; i < 2; i++)
        if (read_layer(json_array_get(v, i), &(struct json_at){at, NULL, i}, n_layer, &range[i], r) < 0)
            return -1;
    if (range[0] > range[1])
        return json_refuse(r, "invalid_value", at, NULL, "begins at layer %d and ends at %d", range[0], range[1]);
    return 0;
}

static int read_layers(struct capture_wanted *w, const struct server *s, const json_t *o, const struct json_at *at,
                       struct refusal *r)
{
    const json_t *list;
    const struct json_at here = {at, "layers", 0};
    int range[2], n_layer = stoker_layers(s->engine, NULL, 0);
    int got = json_get_array(o, at, "layers", &list, r);
    if (got <= 0)
        return got;
    if (json_array_size(list) == 0)
        return json_refuse(r, "invalid_value", at, "layers", "names no layer; leave it out for all");
    if (!(w->layer = reqmem_calloc((size_t)n_layer, 1)))
        return refuse_memory(r);
    w->how.layer = w->layer;
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (read_range(json_array_get(list, i), &(struct json_at){&here, NULL, i}, n_layer, range, r) < 0)
            return -1;
        memset(w->layer + range[0], 1, (size_t)(range[1] - range[0]) + 1);
    }
    return 0;
}

/* ---- tensors --------------------------------------------------------------------------------------------------------------- */

static int read_tensor(struct capture_wanted *w, const json_t *v, const struct json_at *at, struct refusal *r)
{
    char all[200] = "";
    if (!json_is_string(v))
        return json_refuse(r, "invalid_type", at, NULL, "must be a tensor's name, not %s", json_kind(v));
    for (int t = 0; t < STOKER_TAPS; t++) {
        size_t n = strlen(all);
        if (strcmp(stoker_tap_name(t), json_string_value(v)) == 0 &&
            json_string_length(v) == strlen(stoker_tap_name(t))) {
            w->how.taps |= 1u << t;
            return 0;
        }
        snprintf(all + n, sizeof all - n, "%s%s", n ? ", " : "", stoker_tap_name(t));
    }
    return json_refuse(r, "invalid_value", at, NULL, "must be one of %s", all);
}

static int read_tensors(struct capture_wanted *w, const json_t *o, const struct json_at *at, struct refusal *r)
{
    const json_t *list;
    const struct json_at here = {at, "tensors", 0};
    int got = json_get_array(o, at, "tensors", &list, r);
    if (got == 0 && !w->sae.vector) /* features are recorded alone */
        w->how.taps = 1u << STOKER_TAP_RESID_POST;
    for (size_t i = 0; got > 0 && i < json_array_size(list); i++)
        if (read_tensor(w, json_array_get(list, i), &(struct json_at){&here, NULL, i}, r) < 0)
            return -1;
    return got < 0 ? -1 : 0; /* the engine refuses an empty list */
}

/* ---- the rest -------------------------------------------------------------------------------------------------------------- */

static int read_position(struct stoker_at *out, const struct server *s, const json_t *o, const struct json_at *at,
                         const char *key, struct refusal *r)
{
    int got = steer_read_position(out, o, at, key, r), n_ctx = s->plan.n_ctx;
    if (got > 0 && (out->n > n_ctx || out->n < -(int64_t)n_ctx))
        return json_refuse(r, "invalid_value", at, key, "is %lld; the context has %d positions", (long long)out->n,
                           n_ctx);
    return got;
}

static int read_words(struct capture_wanted *w, const json_t *o, const struct json_at *at, struct refusal *r)
{
    static const char *const dtypes[] = {[STOKER_F32] = "f32", [STOKER_F16] = "f16", [STOKER_BF16] = "bf16"};
    const char *reduces[STOKER_REDUCES];
    int reduce = STOKER_REDUCE_NONE, dtype = STOKER_F32;
    int64_t top = TOP;
    for (int i = 0; i < STOKER_REDUCES; i++)
        reduces[i] = stoker_reduce_name(i);
    if (json_get_word(o, at, "reduce", reduces, STOKER_REDUCES, &reduce, r) < 0 ||
        json_get_word(o, at, "dtype", dtypes, sizeof dtypes / sizeof *dtypes, &dtype, r) < 0 ||
        json_get_int(o, at, "top", 1, STOKER_CAPTURE_TOP, &top, r) < 0)
        return -1;
    w->how.reduce = (enum stoker_reduce)reduce;
    w->how.dtype = (enum stoker_dtype)dtype;
    w->how.top = (int)top;
    return 0;
}

int capture_read(struct capture_wanted *out, struct server *s, const json_t *o, const struct json_at *at,
                 struct refusal *r)
{
    *out = (struct capture_wanted){.how.fd = -1};
    if (json_get(o, "sae") && steer_read_sae(&out->sae, &s->vectors, o, at, r) < 0)
        return -1;
    out->how.sae = out->sae.vector;
    if (read_layers(out, s, o, at, r) < 0 || read_tensors(out, o, at, r) < 0 || read_words(out, o, at, r) < 0 ||
        read_position(&out->how.from, s, o, at, "from", r) < 0 ||
        (out->how.has_to = read_position(&out->how.to, s, o, at, "to", r)) < 0)
        return -1;
    if (!json_get(o, "vector"))
        return 0;
    if (steer_read_vector(&out->along, &s->vectors, o, at, r) < 0)
        return -1;
    out->how.along = out->along.vector;
    return 0;
}
