/* Reading a trace of routes: see forced_routes.h. Everything in the file is checked before it is believed: it may come from anywhere. */
#include "model/forced_routes.h"

#include "base/error.h"
#include "base/file.h"
#include "model/model.h"

#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { MAX_FILE = 256 << 20, MAX_IDS = 256 << 20, HEAD = 10, NONE = 0xFFFF };

struct forced_routes {
    int position[PARAMS_MAX_LAYERS]; /* of a layer among those with experts */
    int n_layer, k, n_prompt, n_step;
    uint16_t *id; /* [n_step][n_layer][k], NONE: none */
    uint8_t sha256[SHA256_BYTES];
};

struct file {
    const char *path;
    uint8_t *bytes;
    size_t n;
};

static int bad(const struct file *f, struct error *err, const char *what)
{
    return error_set(err, ERR_INPUT, "%s is not a trace of routes: %s", f->path, what);
}

static int read_file(struct file *f, struct error *err)
{
    struct error why = {0};
    f->bytes = (uint8_t *)file_read_regular(f->path, MAX_FILE, &f->n, &why);
    return f->bytes ? 0 : error_set(err, why.code == ERR_MEMORY ? ERR_MEMORY : ERR_INPUT, "--routes %s", why.text);
}

static json_t *read_head(const struct file *f, size_t *payload, struct error *err)
{
    if (f->n < HEAD || memcmp(f->bytes, "STRT1\n", 6) != 0) {
        bad(f, err, "it does not begin with STRT1");
        return NULL;
    }
    const uint8_t *b = f->bytes + 6;
    uint32_t n = (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
    json_t *head = n <= f->n - HEAD ? json_loadb((const char *)f->bytes + HEAD, n, JSON_REJECT_DUPLICATES, NULL) : NULL;
    if (!head)
        bad(f, err, "its header is no JSON or longer than the file");
    *payload = HEAD + (size_t)n;
    return head;
}

static int number(const json_t *head, const char *key)
{
    const json_t *v = json_object_get(head, key);
    json_int_t n = json_is_integer(v) ? json_integer_value(v) : -1;
    return n >= 0 && n <= INT_MAX ? (int)n : -1;
}

/* The ids as they are in the file: bytes of them, whole. */
static uint8_t *read_payload(const struct file *f, size_t at, const char *comp, size_t bytes, struct error *err)
{
    uint8_t *out = malloc(bytes);
    uLongf n = bytes;
    int whole = 0;
    if (!out) {
        error_set(err, ERR_MEMORY, "no memory for the routes of %s", f->path);
        return NULL;
    }
    if (strcmp(comp, "raw") == 0 && f->n - at == bytes)
        whole = memcpy(out, f->bytes + at, bytes) != NULL;
    else if (strcmp(comp, "zlib") == 0)
        whole = uncompress(out, &n, f->bytes + at, f->n - at) == Z_OK && n == bytes;
    if (whole)
        return out;
    free(out);
    bad(f, err, "its payload is not what the header says");
    return NULL;
}

/* A layer's experts of a step: known to the model, no expert twice. */
static int check_cell(const uint16_t *id, int k, int n_expert)
{
    for (int i = 0; i < k; i++) {
        if (id[i] != NONE && id[i] >= n_expert)
            return -1;
        for (int j = 0; j < i && id[i] != NONE; j++)
            if (id[j] == id[i])
                return -1;
    }
    return 0;
}

/* Layers of pruned models have fewer experts than others. */
static int check_layers(const struct forced_routes *r, const struct model *m)
{
    for (int l = 0; l < m->p.n_layer; l++)
        for (int step = 0; step < r->n_step && r->position[l] >= 0; step++)
            if (check_cell(r->id + ((size_t)step * (size_t)r->n_layer + (size_t)r->position[l]) * (size_t)r->k, r->k,
                           m->expert_layer[l].n_expert))
                return -1;
    return 0;
}

static int read_ids(struct forced_routes *r, const struct file *f, size_t at, const json_t *head, int n_expert,
                    struct error *err)
{
    const char *comp = json_string_value(json_object_get(head, "comp"));
    int id_bytes = number(head, "id_bytes");
    size_t n = (size_t)r->n_step * (size_t)r->n_layer * (size_t)r->k;
    if (!comp || (id_bytes != 1 && id_bytes != 2))
        return bad(f, err, "its header has no comp, or an id_bytes other than 1 and 2");
    uint8_t *from = read_payload(f, at, comp, n * (size_t)id_bytes, err);
    r->id = from ? malloc(n * sizeof *r->id) : NULL;
    if (!r->id) {
        free(from);
        return from ? error_set(err, ERR_MEMORY, "no memory for the routes of %s", f->path) : -1;
    }
    for (size_t i = 0; i < n; i++)
        r->id[i] = id_bytes == 2     ? (uint16_t)(from[2 * i] | from[2 * i + 1] << 8)
                   : from[i] == 0xFF ? (uint16_t)NONE
                                     : from[i];
    free(from);
    for (size_t i = 0; i < n; i += (size_t)r->k)
        if (check_cell(r->id + i, r->k, n_expert))
            return bad(f, err, "a layer of a step names an expert twice, or one that is not there");
    return 0;
}

/* Of the counts that decide which ids a position has, and of the ids. */
static void hash(struct forced_routes *r)
{
    const int count[] = {r->n_layer, r->k, r->n_prompt, r->n_step};
    size_t n = (size_t)r->n_step * (size_t)r->n_layer * (size_t)r->k;
    struct sha256 h;
    sha256_begin(&h);
    for (int i = 0; i < 4; i++) {
        const uint8_t le[] = {(uint8_t)count[i], (uint8_t)(count[i] >> 8), (uint8_t)(count[i] >> 16),
                              (uint8_t)(count[i] >> 24)};
        sha256_add(&h, le, sizeof le);
    }
    sha256_add(&h, r->id, n * sizeof *r->id); /* all machines that this runs on are little-endian */
    sha256_end(&h, r->sha256);
}

static int read_trace(struct forced_routes *r, const struct file *f, const struct model *m, struct error *err)
{
    size_t at;
    json_t *head = read_head(f, &at, err);
    if (!head)
        return -1;
    int n_expert = number(head, "n_expert"), n_layer = 0, rc = -1;
    size_t layers = json_array_size(json_object_get(head, "layers"));
    for (int l = 0; l < m->p.n_layer; l++)
        r->position[l] = m->expert_layer[l].n_expert > 0 ? n_layer++ : -1;
    r->n_layer = layers < PARAMS_MAX_LAYERS * 8 ? (int)layers : 0;
    r->k = number(head, "k");
    r->n_prompt = number(head, "n_prompt");
    r->n_step = number(head, "n_step");
    if (n_expert < 1 || r->n_layer < 1 || r->k < 1 || r->n_step < 1 || r->n_prompt < 0 || r->n_prompt > r->n_step ||
        (uint64_t)r->n_step * (uint64_t)r->n_layer > MAX_IDS / (uint64_t)r->k)
        bad(f, err, "its counts (n_expert, layers, k, n_prompt, n_step) are absent or absurd");
    else if (n_expert != m->p.n_expert || n_layer > r->n_layer || r->k > m->p.n_expert_used)
        error_set(err, ERR_INPUT,
                  "%s does not fit %s: it has %d experts, %d layers, %d experts a token; the model %d, %d and %d",
                  f->path, m->file->file->path, n_expert, r->n_layer, r->k, m->p.n_expert, n_layer, m->p.n_expert_used);
    else
        rc = read_ids(r, f, at, head, n_expert, err);
    if (rc == 0 && check_layers(r, m))
        rc = bad(f, err, "it names an expert that a layer of the model does not have");
    json_decref(head);
    if (rc == 0)
        hash(r);
    return rc;
}

int forced_routes_open(struct forced_routes **out, const struct model *m, const char *path, struct error *err)
{
    struct file f = {.path = path};
    struct forced_routes *r = calloc(1, sizeof *r);
    int rc = r ? read_file(&f, err) : error_set(err, ERR_MEMORY, "no memory for routes");
    if (rc == 0)
        rc = read_trace(r, &f, m, err);
    free(f.bytes);
    if (rc == 0)
        *out = r;
    else
        forced_routes_close(r);
    return rc;
}

void forced_routes_close(struct forced_routes *f)
{
    if (f)
        free(f->id);
    free(f);
}

int forced_routes_has(const struct forced_routes *f, int l) { return f->position[l] >= 0; }
const uint8_t *forced_routes_sha256(const struct forced_routes *f) { return f->sha256; }

/* Behind the end the decoded steps come again; a trace without any, from its beginning. */
static int step_of(const struct forced_routes *f, int pos)
{
    if (pos < f->n_step)
        return pos;
    int first = f->n_prompt < f->n_step ? f->n_prompt : 0;
    return first + (pos - f->n_step) % (f->n_step - first);
}

void forced_routes_row(const struct forced_routes *f, int l, int pos, int32_t *id, int n_used)
{
    const uint16_t *from = f->id +
                           ((size_t)step_of(f, pos) * (size_t)f->n_layer + (size_t)f->position[l]) * (size_t)f->k;
    int n = 0;
    for (int i = 0; i < f->k && n < n_used; i++)
        if (from[i] != NONE)
            id[n++] = from[i];
    for (; n < n_used; n++)
        id[n] = -1;
}
