/* See steer_json.h. */
#include "cli/common/steer_json.h"

#include "base/error.h"
#include "base/file.h"

#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int refuse(const char *command, size_t entry, const char *what)
{
    fprintf(stderr, "stoker %s: --steer: entry %zu: %s\n", command, entry, what);
    return 2;
}

/* 1: path is that of NAME or NAME.gguf, in whatever folder. */
static int is_called(const char *path, const char *name)
{
    const char *slash = strrchr(path, '/'), *file = slash ? slash + 1 : path;
    size_t n = strlen(name);
    return strncmp(file, name, n) == 0 && (file[n] == 0 || strcmp(file + n, ".gguf") == 0);
}

/* Which of the files; -1: none. */
static int file_of(const struct steer_flags *f, const json_t *name)
{
    json_int_t number = json_is_integer(name) ? json_integer_value(name) : -1;
    for (size_t i = 0; i < f->n; i++)
        if (json_is_string(name) ? is_called(f->file[i].path, json_string_value(name)) : number == (json_int_t)i)
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

static int read_entry(const char *command, struct steer_flags *f, size_t i, json_t *entry)
{
    json_t *vector = NULL, *from = NULL, *to = NULL, *scale = NULL, *layers = NULL;
    const char *side = "both";
    json_int_t first = 0, last = 0;
    json_error_t why;
    struct stoker_steer *how = &f->list[i];
    *how = (struct stoker_steer){.vector = NULL};
    if (json_unpack_ex(entry, &why, JSON_STRICT, "{s:o, s?o, s?o, s?o, s?o, s?s}", "vector", &vector, "scale", &scale,
                       "layers", &layers, "from", &from, "to", &to, "side", &side))
        return refuse(command, i, why.text);
    if ((f->of[i] = file_of(f, vector)) < 0)
        return refuse(command, i, "no such vector; --control-vector and --project name their files");
    how->has_amount = scale != NULL;
    how->amount = (float)json_number_value(scale);
    how->has_layers = layers != NULL;
    if (layers && (json_unpack_ex(layers, &why, JSON_STRICT, "[I, I]", &first, &last) || first < 0 || last < 0 ||
                   first > INT_MAX || last > INT_MAX))
        return refuse(command, i, "layers must be [FIRST, LAST], from 0");
    how->layer_first = (int)first;
    how->layer_last = (int)last;
    if ((scale && !json_is_number(scale)) || read_position(&how->from, from) || read_position(&how->to, to))
        return refuse(command, i, "scale must be a number, from and to a position or \"generated\"");
    how->has_to = to != NULL;
    how->side = strcmp(side, "positive") == 0   ? STOKER_SIDE_POSITIVE
                : strcmp(side, "negative") == 0 ? STOKER_SIDE_NEGATIVE
                                                : STOKER_SIDE_BOTH;
    return how->side || strcmp(side, "both") == 0 ? 0 : refuse(command, i, "side must be both, positive or negative");
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
