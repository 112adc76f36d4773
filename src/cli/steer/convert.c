/* stoker steer convert: directions as a headerless file has them, values of f32 by layer from 0 on, as a control vector. */
#include "base/error.h"
#include "base/file.h"
#include "cli/activations/part.h"
#include "cli/common/cli.h"
#include "cli/steer/steer.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MOST = 64 << 20 };

struct convert {
    const struct steer_command *c;
    const char *path;
    float *v; /* [n_layer][n_embd] */
    size_t n_layer, n_embd;
    int projects;
    struct vector_row *row; /* [n_row] layers that have a direction */
    size_t n_row;
};

static int wrong(const struct convert *k, int status, const char *what)
{
    fprintf(stderr, "stoker %s: %s%s%s\n", k->c->name, k->path ? k->path : "", k->path ? ": " : "", what);
    return status;
}

static int check(struct convert *k)
{
    int range[2];
    const struct steer_command *c = k->c;
    const char *end = c->out ? strrchr(c->out, '.') : NULL;
    if (!k->path || !c->layers || !c->mode)
        return wrong(k, 2, "convert needs F.f32, --layers N (how many it has), --mode add or project, and -o OUT.gguf");
    if (!end || strcmp(end, ".gguf") != 0)
        return wrong(k, 2, "-o needs a file that ends in .gguf");
    if (steer_layers(c, range))
        return 2;
    if (range[0] != range[1] || range[0] < 2)
        return wrong(k, 2, "--layers N is how many layers the file has: 2 or more, for the first cannot be named");
    k->n_layer = (size_t)range[0];
    k->projects = strcmp(c->mode, "project") == 0;
    return 0;
}

static int read_file(struct convert *k)
{
    struct error err = {0};
    char what[160];
    size_t size, row = k->n_layer * sizeof(float);
    char *file = file_read_regular(k->path, FILE_MOST, &size, &err);
    if (!file)
        return steer_fail(k->c, &err);
    k->v = (float *)(void *)file;
    k->n_embd = size / row;
    if (size == 0 || size % row || k->n_embd > VECTOR_WIDTH) {
        snprintf(what, sizeof what, "its %zu bytes are no %zu rows of up to %d values of 4 bytes; see --layers", size,
                 k->n_layer, VECTOR_WIDTH);
        return wrong(k, 1, what);
    }
    for (size_t i = 0; i < k->n_layer * k->n_embd; i++)
        if (!isfinite(k->v[i])) {
            snprintf(what, sizeof what, "value %zu of layer %zu is not finite", i % k->n_embd, i / k->n_embd);
            return wrong(k, 1, what);
        }
    return 0;
}

/* Layers whose values are not all zero; of a projection directions count, not lengths. */
static int take_rows(struct convert *k)
{
    k->row = calloc(k->n_layer, sizeof *k->row);
    if (!k->row)
        return wrong(k, 1, "no memory for its rows");
    for (size_t l = 1; l < k->n_layer; l++) {
        float *v = k->v + l * k->n_embd;
        double norm = steer_norm(v, k->n_embd);
        if (!(norm > 0))
            continue;
        for (size_t i = 0; k->projects && i < k->n_embd; i++)
            v[i] = (float)((double)v[i] / norm);
        k->row[k->n_row++] = (struct vector_row){(int)l, v};
    }
    if (steer_norm(k->v, k->n_embd) > 0)
        fprintf(stderr, "stoker %s: %s: the direction of layer 0 is left out: a control vector cannot name it\n",
                k->c->name, k->path);
    return k->n_row ? 0 : wrong(k, 1, "all layers behind the first are zero: there is no direction");
}

/* NULL: a layer's end, which needs no word. */
static const char *hook_of(const struct steer_command *c)
{
    if (!c->hook || strcmp(c->hook, "layer") == 0)
        return NULL;
    return vector_hook_name(strcmp(c->hook, "attn") == 0 ? VECTOR_ATTN : VECTOR_FFN);
}

int steer_convert(struct steer_command *c)
{
    struct convert k = {.c = c, .path = c->file[0]};
    int status = check(&k);
    part_signals();
    status = status ? status : read_file(&k);
    status = status ? status : take_rows(&k);
    const struct steer_file f = {.projects = k.projects, .method = "converted", .hook = hook_of(c)};
    status = status ? status : steer_write_file(c, &f, k.row, k.n_row, (int)k.n_embd);
    free(k.v);
    free(k.row);
    return status;
}
