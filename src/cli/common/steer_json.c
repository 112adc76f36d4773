/* See steer_json.h. */
#include "cli/common/steer_json.h"

#include "base/error.h"
#include "base/file.h"

#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int refuse(const char *command, size_t entry, const char *what)
{
    fprintf(stderr, "stoker %s: --steer: entry %zu: %s\n", command, entry, what);
    return 2;
}

/* 1: path is that of NAME, NAME.gguf or NAME.strt, in whatever folder. */
static int is_called(const char *path, const char *name)
{
    size_t n = strlen(name), end = strlen(path), first;
    while (end > 1 && path[end - 1] == '/') /* of a folder */
        end--;
    for (first = end; first > 0 && path[first - 1] != '/'; first--)
        ;
    size_t length = end - first;
    return length >= n && strncmp(path + first, name, n) == 0 &&
           (length == n || (length == n + 5 && (strncmp(path + first + n, ".gguf", 5) == 0 ||
                                                strncmp(path + first + n, ".strt", 5) == 0)));
}

enum file_kind { A_VECTOR, A_SAE, A_TRACE };

static enum file_kind kind_of(const struct steer_flags *f, size_t i)
{
    return f->file[i].is_sae ? A_SAE : f->file[i].is_routes ? A_TRACE : A_VECTOR;
}

/* Which of the files, by its place or, of those of a kind, its name; -1: none. */
static int file_of(const struct steer_flags *f, const json_t *name, enum file_kind kind)
{
    json_int_t number = json_is_integer(name) ? json_integer_value(name) : -1;
    for (size_t i = 0; i < f->n; i++)
        if (json_is_string(name) ? kind_of(f, i) == kind && is_called(f->file[i].path, json_string_value(name))
                                 : number == (json_int_t)i)
            return (int)i;
    return -1;
}

/* 0: v is absent, or a position. */
static int read_position(struct stoker_at *at, const json_t *v)
{
    json_int_t n = json_integer_value(v);
    int is_end = json_is_string(v) && strcmp(json_string_value(v), "generated") == 0;
    *at = (struct stoker_at){is_end ? 0 : n, is_end || n < 0};
    return v && !is_end && !json_is_integer(v) ? -1 : 0;
}

static int read_range(const char *command, size_t i, struct stoker_steer *how, const json_t *from, const json_t *to)
{
    how->has_to = to != NULL;
    return read_position(&how->from, from) || read_position(&how->to, to)
               ? refuse(command, i, "from and to must be a position or \"generated\"")
               : 0;
}

static int read_vector(const char *command, struct steer_flags *f, size_t i, json_t *entry)
{
    json_t *vector = NULL, *from = NULL, *to = NULL, *scale = NULL, *layers = NULL;
    const char *side = "both";
    json_int_t first = 0, last = 0;
    json_error_t why;
    struct stoker_steer *how = &f->list[i];
    if (json_unpack_ex(entry, &why, JSON_STRICT, "{s:o, s?o, s?o, s?o, s?o, s?s}", "vector", &vector, "scale", &scale,
                       "layers", &layers, "from", &from, "to", &to, "side", &side))
        return refuse(command, i, why.text);
    if ((f->of[i] = file_of(f, vector, A_VECTOR)) < 0)
        return refuse(command, i, "no such vector; --control-vector and --project name their files");
    how->has_amount = scale || f->file[f->of[i]].has_scale;
    how->amount = (float)(scale ? json_number_value(scale) : f->file[f->of[i]].scale);
    how->has_layers = layers != NULL;
    if (layers && (json_unpack_ex(layers, &why, JSON_STRICT, "[I, I]", &first, &last) || first < 0 || last < 0 ||
                   first > INT_MAX || last > INT_MAX))
        return refuse(command, i, "layers must be [FIRST, LAST], from 0");
    how->layer_first = (int)first;
    how->layer_last = (int)last;
    if (scale && !json_is_number(scale))
        return refuse(command, i, "scale must be a number");
    how->side = strcmp(side, "positive") == 0   ? STOKER_SIDE_POSITIVE
                : strcmp(side, "negative") == 0 ? STOKER_SIDE_NEGATIVE
                                                : STOKER_SIDE_BOTH;
    if (!how->side && strcmp(side, "both") != 0)
        return refuse(command, i, "side must be both, positive or negative");
    return read_range(command, i, how, from, to);
}

static int read_feature(const char *command, struct steer_flags *f, size_t i, json_t *entry)
{
    json_t *sae = NULL, *from = NULL, *to = NULL, *value = NULL;
    const char *op;
    json_int_t feature;
    json_error_t why;
    struct stoker_steer *how = &f->list[i];
    if (json_unpack_ex(entry, &why, JSON_STRICT, "{s:o, s:s, s:I, s:o, s?o, s?o}", "sae", &sae, "op", &op, "feature",
                       &feature, "value", &value, "from", &from, "to", &to))
        return refuse(command, i, why.text);
    if ((f->of[i] = file_of(f, sae, A_SAE)) < 0)
        return refuse(command, i, "no such autoencoder; --sae names its folder");
    how->kind = strcmp(op, "add") == 0        ? STOKER_STEER_FEATURE_ADD
                : strcmp(op, "set") == 0      ? STOKER_STEER_FEATURE_SET
                : strcmp(op, "multiply") == 0 ? STOKER_STEER_FEATURE_MULTIPLY
                                              : STOKER_STEER_VECTOR;
    if (!how->kind)
        return refuse(command, i, "op must be add, set or multiply");
    if (feature < 0 || feature > INT_MAX || !json_is_number(value))
        return refuse(command, i, "feature must be a number from 0, value a number");
    how->feature = (int)feature;
    how->amount = (float)json_number_value(value);
    return read_range(command, i, how, from, to);
}

/* [layer, expert], or with a bias. What the model does not have is told when it is open. */
static int read_expert(struct stoker_expert_bias *out, json_t *one, int is_biased)
{
    json_int_t layer, expert;
    json_t *bias = json_array_get(one, 2);
    if (!json_is_array(one) || json_array_size(one) != (size_t)(2 + is_biased) || (bias && !json_is_number(bias)) ||
        json_unpack(one, is_biased ? "[I, I, o]" : "[I, I]", &layer, &expert, &bias) || layer < 0 || expert < 0 ||
        layer > INT_MAX || expert > INT_MAX)
        return -1;
    *out = (struct stoker_expert_bias){(int)layer, (int)expert, bias ? (float)json_number_value(bias) : -INFINITY};
    return bias && !isfinite(out->bias) ? -1 : 0; /* excluded is what is said to be */
}

static int read_experts(const char *command, struct steer_flags *f, size_t i, json_t *entry)
{
    json_t *list = NULL, *from = NULL, *to = NULL;
    const char *what;
    json_error_t why;
    struct stoker_steer *how = &f->list[i];
    if (json_unpack_ex(entry, &why, JSON_STRICT, "{s:s, s:o, s?o, s?o}", "experts", &what, "list", &list, "from", &from,
                       "to", &to))
        return refuse(command, i, why.text);
    int is_biased = strcmp(what, "bias") == 0;
    size_t n = json_array_size(list);
    if (!is_biased && strcmp(what, "exclude") != 0)
        return refuse(command, i, "experts must be exclude or bias");
    if (!json_is_array(list) || n > STOKER_STEER_EXPERTS_MOST)
        return refuse(command, i, "list must be one of at most 4096 experts");
    f->of[i] = -1;
    how->kind = STOKER_STEER_EXPERTS;
    f->experts[i].n = n;
    if (!(f->experts[i].list = calloc(n + 1, sizeof *f->experts[i].list)))
        return refuse(command, i, "no memory");
    for (size_t k = 0; k < n; k++)
        if (read_expert(&f->experts[i].list[k], json_array_get(list, k), is_biased))
            return refuse(command, i,
                          is_biased ? "an expert must be [LAYER, EXPERT, BIAS], from 0, and the bias a number"
                                    : "an expert must be [LAYER, EXPERT], from 0");
    return read_range(command, i, how, from, to);
}

static int read_routes(const char *command, struct steer_flags *f, size_t i, json_t *entry)
{
    json_t *routes = NULL, *from = NULL, *to = NULL;
    json_error_t why;
    if (json_unpack_ex(entry, &why, JSON_STRICT, "{s:o, s?o, s?o}", "routes", &routes, "from", &from, "to", &to))
        return refuse(command, i, why.text);
    if ((f->of[i] = file_of(f, routes, A_TRACE)) < 0)
        return refuse(command, i, "no such trace; --routes names its file");
    f->list[i].kind = STOKER_STEER_ROUTES;
    return read_range(command, i, &f->list[i], from, to);
}

static int read_entry(const char *command, struct steer_flags *f, size_t i, json_t *entry)
{
    f->list[i] = (struct stoker_steer){.vector = NULL};
    return json_object_get(entry, "sae")       ? read_feature(command, f, i, entry)
           : json_object_get(entry, "experts") ? read_experts(command, f, i, entry)
           : json_object_get(entry, "routes")  ? read_routes(command, f, i, entry)
                                               : read_vector(command, f, i, entry);
}

static int read_list(const char *command, struct steer_flags *f, const char *text, size_t n)
{
    json_error_t why;
    json_t *list = json_loadb(text, n, JSON_REJECT_DUPLICATES, &why);
    int status = 0;
    if (!list || !json_is_array(list) || json_array_size(list) > STOKER_STEER_MOST) {
        fprintf(stderr, "stoker %s: --steer: %s\n", command,
                list ? "a list of at most 16 entries is expected" : why.text);
        status = 2;
    }
    f->n_list = status ? 0 : json_array_size(list);
    for (size_t i = 0; i < f->n_list && !status; i++)
        status = read_entry(command, f, i, json_array_get(list, i));
    json_decref(list);
    return status;
}

int steer_json_read(const char *command, struct steer_flags *f)
{
    enum { MOST = 1 << 20 };
    struct error err = {0};
    size_t n = strlen(f->steer);
    if (*f->steer != '@')
        return read_list(command, f, f->steer, n);
    char *text = file_read(f->steer + 1, MOST, &n, &err);
    int status = text ? read_list(command, f, text, n) : 1;
    if (!text)
        fprintf(stderr, "stoker %s: --steer %s\n", command, err.text);
    free(text);
    return status;
}
