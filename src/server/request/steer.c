/* See steer.h. */
#include "server/request/steer.h"

#include "base/reqmem.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- entries --------------------------------------------------------------------------------------------------------------- */

static int is_one_of(const char *key, const char *const *keys)
{
    while (*keys && strcmp(key, *keys) != 0)
        keys++;
    return *keys != NULL;
}

enum entry_kind { OF_VECTOR, OF_FEATURE, OF_EXPERTS, OF_ROUTES };

static int refuse_key(enum entry_kind kind, enum entry_kind of_other, const struct json_at *at, const char *key,
                      struct refusal *r)
{
    static const char *const others[] = {
        [OF_FEATURE] = "\"sae\", the feature's autoencoder", [OF_EXPERTS] = "\"experts\"", [OF_ROUTES] = "\"routes\""};
    static const char *const texts[] = {
        [OF_VECTOR] = "is none of a vector: \"vector\", \"scale\", \"layers\", \"from\", \"to\", \"side\" are",
        [OF_FEATURE] = "does not stand beside \"sae\": a feature has \"op\", \"feature\", \"value\", \"from\", \"to\"",
        [OF_EXPERTS] = "does not stand beside \"experts\": they have \"list\", \"from\", \"to\"",
        [OF_ROUTES] = "does not stand beside \"routes\": they have \"from\", \"to\""};
    if (kind == OF_VECTOR && of_other != OF_VECTOR)
        return json_refuse(r, "invalid_value", at, key, "belongs to an entry with %s", others[of_other]);
    return json_refuse(r, "invalid_value", at, key, "%s", texts[kind]);
}

/* What the entry is about. A key that it cannot have is refused: a misspelled one would steer otherwise than meant. */
static int check_kind(const json_t *entry, const struct json_at *at, struct refusal *r)
{
    static const char *const fields[][10] = {
        [OF_VECTOR] = {"vector", "id", "scale", "layers", "layer_start", "layer_end", "side", "from", "to"},
        [OF_FEATURE] = {"sae", "op", "feature", "value", "from", "to"},
        [OF_EXPERTS] = {"experts", "list", "from", "to"},
        [OF_ROUTES] = {"routes", "from", "to"}};
    const char *key;
    json_t *value;
    if (!json_is_dict(entry))
        return json_refuse(r, "invalid_type", at, NULL, "must be an object, not %s", json_kind(entry));
    enum entry_kind kind = json_get(entry, "sae")       ? OF_FEATURE
                           : json_get(entry, "experts") ? OF_EXPERTS
                           : json_get(entry, "routes")  ? OF_ROUTES
                                                        : OF_VECTOR;
    json_object_foreach((json_t *)entry, key, value)
    {
        if (json_is_null(value) || is_one_of(key, fields[kind]))
            continue;
        return refuse_key(kind,
                          is_one_of(key, fields[OF_FEATURE])   ? OF_FEATURE
                          : is_one_of(key, fields[OF_EXPERTS]) ? OF_EXPERTS
                          : is_one_of(key, fields[OF_ROUTES])  ? OF_ROUTES
                                                               : OF_VECTOR,
                          at, key, r);
    }
    return (int)kind;
}

/* The vector or autoencoder that a key names: held. */
static int read_name(struct named_vector *out, struct vectors *v, const json_t *entry, const struct json_at *at,
                     const char *key, struct refusal *r)
{
    const json_t *name = json_get(entry, key);
    char path[sizeof r->param];
    int64_t id = 0;
    if (!name)
        return json_missing(r, at, key);
    json_path(path, sizeof path, at, key);
    if (json_is_string(name))
        return vectors_find(v, json_string_value(name), json_string_length(name), 0, out, path, r);
    if (!json_is_integer(name) && !json_spelled(name))
        return json_refuse(r, "invalid_type", at, key, "must be a vector's name or number, not %s", json_kind(name));
    return json_get_int(entry, at, key, 0, INT32_MAX, &id, r) < 0 ? -1 : vectors_find(v, NULL, 0, id, out, path, r);
}

int steer_read_vector(struct named_vector *out, struct vectors *v, const json_t *entry, const struct json_at *at,
                      struct refusal *r)
{
    return read_name(out, v, entry, at, json_get(entry, "vector") || !json_get(entry, "id") ? "vector" : "id", r);
}

/* The one that a key names, which must be of a kind. */
static int read_of_kind(struct named_vector *out, struct vectors *v, const json_t *entry, const struct json_at *at,
                        const char *key, enum stoker_vector_kind kind, struct refusal *r)
{
    static const char *const called[] = {[STOKER_VECTOR_ADD] = "a control vector",
                                         [STOKER_VECTOR_PROJECT] = "a control vector",
                                         [STOKER_VECTOR_SAE] = "an autoencoder",
                                         [STOKER_VECTOR_ROUTES] = "a trace of routes"};
    struct stoker_vector_about about;
    if (read_name(out, v, entry, at, key, r))
        return -1;
    stoker_vector_about(out->vector, &about);
    if (about.kind == kind)
        return 0;
    stoker_vector_close(out->vector);
    out->vector = NULL;
    return json_refuse(r, "invalid_value", at, key, "names %s, which is %s", out->name, called[about.kind]);
}

int steer_read_sae(struct named_vector *out, struct vectors *v, const json_t *entry, const struct json_at *at,
                   struct refusal *r)
{
    return read_of_kind(out, v, entry, at, "sae", STOKER_VECTOR_SAE, r);
}

static int read_scale(struct stoker_steer *how, const json_t *entry, const struct json_at *at, struct refusal *r)
{
    double scale = 0;
    how->has_amount = json_get_real(entry, at, "scale", -STOKER_SCALE_MOST, 0, STOKER_SCALE_MOST, &scale, r);
    how->amount = (float)scale;
    return how->has_amount < 0 ? -1 : 0;
}

/* "layers": [A, B] */
static int read_pair(struct stoker_steer *how, const json_t *entry, const struct json_at *at, struct refusal *r)
{
    const json_t *layers;
    int64_t pair[2];
    int got = json_get_array(entry, at, "layers", &layers, r);
    if (got <= 0)
        return got;
    if (json_array_size(layers) != 2)
        return json_refuse(r, "invalid_value", at, "layers", "has %zu numbers; it has the first layer and the last",
                           json_array_size(layers));
    for (size_t i = 0; i < 2; i++) {
        const json_t *layer = json_array_get(layers, i);
        const struct json_at list = {at, "layers", 0}, here = {&list, NULL, i};
        if (!json_is_integer(layer))
            return json_refuse(r, "invalid_type", &here, NULL, "must be an integer, not %s",
                               json_is_real(layer) ? "a fraction" : json_kind(layer));
        pair[i] = json_integer_value(layer);
        if (pair[i] < 0 || pair[i] > INT32_MAX)
            return json_refuse(r, "invalid_value", &here, NULL, "is %lld; layers count from 0", (long long)pair[i]);
    }
    how->layer_first = (int)pair[0];
    how->layer_last = (int)pair[1];
    how->has_layers = 1;
    return 0;
}

/* As of llama.cpp's flags, either is nothing where it is below 1: then it is the file's. */
int steer_read_layers(struct stoker_steer *how, const json_t *entry, const struct json_at *at, struct refusal *r)
{
    struct stoker_vector_about about;
    int64_t first = 0, last = 0;
    if (json_get(entry, "layers"))
        return read_pair(how, entry, at, r);
    if (json_get_int(entry, at, "layer_start", INT32_MIN, INT32_MAX, &first, r) < 0 ||
        json_get_int(entry, at, "layer_end", INT32_MIN, INT32_MAX, &last, r) < 0)
        return -1;
    if (first < 1 && last < 1)
        return 0;
    stoker_vector_about(how->vector, &about);
    how->layer_first = first < 1 ? about.layer_first : (int)first;
    how->layer_last = last < 1 ? about.layer_last : (int)last;
    how->has_layers = 1;
    return 0;
}

int steer_read_position(struct stoker_at *out, const json_t *entry, const struct json_at *at, const char *key,
                        struct refusal *r)
{
    const json_t *v = json_get(entry, key);
    int64_t n = 0;
    if (json_is_string(v) && strcmp(json_string_value(v), "generated") == 0) {
        *out = (struct stoker_at){.from_prompt_end = 1};
        return 1;
    }
    if (json_is_string(v))
        return json_refuse(r, "invalid_value", at, key, "must be a position or \"generated\"");
    int got = json_get_int(entry, at, key, -INT32_MAX, INT32_MAX, &n, r);
    *out = (struct stoker_at){n, n < 0};
    return got;
}

static int read_range(struct stoker_steer *how, const json_t *entry, const struct json_at *at, struct refusal *r)
{
    return steer_read_position(&how->from, entry, at, "from", r) < 0 ||
                   (how->has_to = steer_read_position(&how->to, entry, at, "to", r)) < 0
               ? -1
               : 0;
}

static int read_directions(struct stoker_steer *how, const json_t *entry, const struct json_at *at, struct refusal *r)
{
    static const char *const sides[] = {
        [STOKER_SIDE_BOTH] = "both", [STOKER_SIDE_POSITIVE] = "positive", [STOKER_SIDE_NEGATIVE] = "negative"};
    int side = STOKER_SIDE_BOTH;
    if (read_scale(how, entry, at, r) < 0 || steer_read_layers(how, entry, at, r) < 0 ||
        read_range(how, entry, at, r) < 0 ||
        json_get_word(entry, at, "side", sides, sizeof sides / sizeof *sides, &side, r) < 0)
        return -1;
    how->side = (enum stoker_side)side;
    return 0;
}

static const char *const feature_ops[] = {"add", "set", "multiply"}; /* as STOKER_STEER_FEATURE_ADD and on */

/* All of op, feature and value must be there: none has a value that is right for most. */
static int read_feature(struct stoker_steer *how, const json_t *entry, const struct json_at *at, struct refusal *r)
{
    int op = 0;
    int64_t feature = 0;
    double value = 0;
    int got = json_get_word(entry, at, "op", feature_ops, sizeof feature_ops / sizeof *feature_ops, &op, r);
    if (got <= 0)
        return got < 0 ? -1 : json_missing(r, at, "op");
    got = json_get_int(entry, at, "feature", 0, INT32_MAX, &feature, r);
    if (got <= 0)
        return got < 0 ? -1 : json_missing(r, at, "feature");
    got = json_get_real(entry, at, "value", -STOKER_FEATURE_MOST, 0, STOKER_FEATURE_MOST, &value, r);
    if (got <= 0)
        return got < 0 ? -1 : json_missing(r, at, "value");
    how->kind = (enum stoker_steer_kind)(STOKER_STEER_FEATURE_ADD + op);
    how->feature = (int)feature;
    how->amount = (float)value;
    return read_range(how, entry, at, r);
}

/* [layer, expert], or with a bias. What of it the model does not have the engine finds. */
static int read_expert(struct stoker_expert_bias *out, const json_t *one, int is_biased, const struct json_at *at,
                       struct refusal *r)
{
    int64_t number[2];
    if (!json_is_array(one) || json_array_size(one) != (size_t)(2 + is_biased))
        return json_refuse(r, "invalid_value", at, NULL, "must be %s",
                           is_biased ? "[layer, expert, bias]" : "[layer, expert]");
    for (size_t i = 0; i < 2; i++) {
        const json_t *v = json_array_get(one, i);
        number[i] = json_is_integer(v) ? json_integer_value(v) : -1;
        if (number[i] < 0 || number[i] > INT32_MAX)
            return json_refuse(r, json_is_integer(v) ? "invalid_value" : "invalid_type", at, NULL,
                               "has %s that is no number from 0", i ? "an expert" : "a layer");
    }
    *out = (struct stoker_expert_bias){(int)number[0], (int)number[1], -INFINITY};
    if (!is_biased)
        return 0;
    const json_t *v = json_array_get(one, 2);
    const char *spelled = json_spelled(v);
    double bias = spelled ? strtod(spelled, NULL) : json_number_value(v);
    if (!spelled && !json_is_integer(v))
        return json_refuse(r, "invalid_type", at, NULL, "has a bias that must be a number, not %s", json_kind(v));
    if (!(fabs(bias) <= STOKER_EXPERT_BIAS_MOST))
        return json_refuse(r, "invalid_value", at, NULL, "has a bias of %g; from -%d to %d is possible", bias,
                           STOKER_EXPERT_BIAS_MOST, STOKER_EXPERT_BIAS_MOST);
    out->bias = (float)bias;
    return 0;
}

/* n experts of a list: opened. */
static int open_experts(const struct stoker_vector **out, struct vectors *v, const json_t *list, int is_biased,
                        const struct json_at *at, struct refusal *r)
{
    size_t n = json_array_size(list);
    struct stoker_expert_bias *b = reqmem_calloc(n ? n : 1, sizeof *b);
    struct stoker_vector *opened = NULL;
    struct stoker_error err;
    int failed = b ? 0 : refuse_memory(r);
    for (size_t i = 0; i < n && !failed; i++) {
        const struct json_at here = {at, NULL, i};
        failed = read_expert(&b[i], json_array_get(list, i), is_biased, &here, r);
    }
    if (!failed && stoker_experts_open(&opened, v->engine, b, n, &err)) {
        size_t i;
        int is_one = sscanf(err.field, "list[%zu]", &i) == 1;
        const struct json_at here = {at, NULL, is_one ? i : 0};
        failed = err.code == STOKER_ERR_INPUT
                     ? json_refuse(r, "invalid_value", is_one ? &here : at, NULL, "is refused: %s", err.text)
                     : refuse_error(r, NULL, &err);
    }
    reqmem_free(b);
    *out = opened;
    return failed;
}

static int read_experts(struct stoker_steer *how, struct vectors *v, const json_t *entry, const struct json_at *at,
                        struct refusal *r)
{
    static const char *const words[] = {"exclude", "bias"};
    const struct json_at field = {at, "list", 0};
    const json_t *list;
    int is_biased = 0;
    if (json_get_word(entry, at, "experts", words, 2, &is_biased, r) < 0)
        return -1;
    int got = json_get_array(entry, at, "list", &list, r);
    if (got <= 0)
        return got < 0 ? -1 : json_missing(r, at, "list");
    if (json_array_size(list) > STOKER_STEER_EXPERTS_MOST)
        return json_refuse(r, "invalid_value", &field, NULL, "has %zu experts; it may have %d", json_array_size(list),
                           STOKER_STEER_EXPERTS_MOST);
    how->kind = STOKER_STEER_EXPERTS;
    return read_range(how, entry, at, r) < 0 ? -1 : open_experts(&how->vector, v, list, is_biased, &field, r);
}

static int read_trace(struct named_vector *out, struct vectors *v, const json_t *entry, const struct json_at *at,
                      struct refusal *r)
{
    return read_of_kind(out, v, entry, at, "routes", STOKER_VECTOR_ROUTES, r);
}

/* An entry: its vector is held, unless it is NULL. */
static int read_entry(struct stoker_steer *how, char *name, struct vectors *v, const json_t *entry,
                      const struct json_at *at, struct refusal *r)
{
    struct named_vector vector;
    int kind = check_kind(entry, at, r);
    *how = (struct stoker_steer){.vector = NULL};
    if (kind < 0)
        return -1;
    snprintf(name, VECTOR_NAME, "experts");
    if (kind == OF_EXPERTS)
        return read_experts(how, v, entry, at, r);
    if ((kind == OF_FEATURE  ? steer_read_sae
         : kind == OF_ROUTES ? read_trace
                             : steer_read_vector)(&vector, v, entry, at, r) < 0)
        return -1;
    how->vector = vector.vector;
    memcpy(name, vector.name, VECTOR_NAME);
    how->kind = kind == OF_ROUTES ? STOKER_STEER_ROUTES : STOKER_STEER_VECTOR;
    return (kind == OF_FEATURE ? read_feature : kind == OF_ROUTES ? read_range : read_directions)(how, entry, at, r);
}

int steer_read(struct steer_list *out, struct vectors *v, const json_t *list, const struct json_at *at,
               struct refusal *r)
{
    size_t n = json_array_size(list);
    int failed = 0;
    if (n > STOKER_STEER_MOST)
        return json_refuse(r, "invalid_value", at, NULL, "has %zu entries; it may have %d", n, STOKER_STEER_MOST);
    for (size_t i = 0; i < n && !failed; i++) {
        const struct json_at here = {at, NULL, i};
        failed = read_entry(&out->how[i], out->name[i], v, json_array_get(list, i), &here, r);
        out->n += out->how[i].vector != NULL;
    }
    if (failed)
        steer_list_free(out);
    return failed;
}

/* ---- answers --------------------------------------------------------------------------------------------------------------- */

const char *steer_kind(const struct stoker_vector_about *a)
{
    static const char *const kinds[] = {[STOKER_VECTOR_ADD] = "add",
                                        [STOKER_VECTOR_PROJECT] = "project",
                                        [STOKER_VECTOR_SAE] = "sae",
                                        [STOKER_VECTOR_EXPERTS] = "experts",
                                        [STOKER_VECTOR_ROUTES] = "routes"};
    return kinds[a->kind];
}

void steer_write(struct out *o, const struct steer_list *l)
{
    struct stoker_vector_about a;
    out_print(o, "[");
    for (size_t i = 0; i < l->n; i++) {
        const struct stoker_steer *how = &l->how[i];
        stoker_vector_about(how->vector, &a);
        out_print(o, "%s{\"name\":\"%s\",\"sha256\":\"%s\",\"kind\":\"%s\",", i ? "," : "", l->name[i], a.sha256,
                  steer_kind(&a));
        int is_routing = a.kind == STOKER_VECTOR_EXPERTS || a.kind == STOKER_VECTOR_ROUTES;
        if (is_routing)
            out_print(o, a.kind == STOKER_VECTOR_ROUTES ? "\"steps\":%d" : "\"count\":%d", a.n_expert + a.n_step);
        else if (how->kind != STOKER_STEER_VECTOR)
            out_print(o, "\"op\":\"%s\",\"feature\":%d,\"value\":", feature_ops[how->kind - STOKER_STEER_FEATURE_ADD],
                      how->feature);
        else
            out_print(o, "\"scale\":");
        if (!is_routing)
            out_real(o, (double)(how->kind != STOKER_STEER_VECTOR || how->has_amount ? how->amount : a.scale_default));
        out_print(o, ",\"layers\":[%d,%d],\"license\":", how->has_layers ? how->layer_first : a.layer_first,
                  how->has_layers ? how->layer_last : a.layer_last);
        out_text(o, a.license);
        out_print(o, "}");
    }
    out_print(o, "]");
}
