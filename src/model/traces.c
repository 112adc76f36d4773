/* Two files for the cache simulator.
 *
 *     routes   "STRT1\n", u32 length, JSON, then ids [step][layer][k] as u8 or u16, all ones: none; a step is a row
 *     cache    an event a line: {"t":row,"l":layer,"ev":"evict"|"read","layer":layer,"id":expert}
 *
 * Layers are positions among those that stream. The JSON's counts are known at the end only: they have places of fixed width, and
 * the header is written again after each step, so that a run that is killed leaves a file that can be read. The t of an event
 * is the first row of its step. Format: streaming.md T.1. */
#include "model/traces.h"

#include "base/error.h"
#include "base/log.h"
#include "model/model.h"
#include "store/expert_store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct traces {
    FILE *routes, *cache;
    int position[PARAMS_MAX_LAYERS]; /* of a layer among those that stream */
    int n_layer, k, id_bytes;
    uint64_t n_row, n_prompt; /* before the step at hand; n_prompt: rows before the first decode row */
    int decoded;
    int n_rows, n_chunk; /* of the step at hand */
    uint8_t *id;         /* [n_chunk][n_layer][k] of id_bytes */
    char *head;          /* the JSON, up to the counts */
    char path[256];
};

static size_t row_bytes(const struct traces *t) { return (size_t)t->n_layer * (size_t)t->k * (size_t)t->id_bytes; }

/* ---- header ----------------------------------------------------------------------------------------------------------------- */

static void add_numbers(FILE *f, const char *name, const uint64_t *x, int n)
{
    fprintf(f, "\"%s\":[", name);
    for (int i = 0; i < n; i++)
        fprintf(f, "%s%llu", i ? "," : "", (unsigned long long)x[i]);
    fputs("],", f);
}

/* A file name is any bytes; the simulator only shows it. */
static void add_name(FILE *f, const char *key, const char *path)
{
    const char *slash = strrchr(path, '/');
    fprintf(f, "\"%s\":\"", key);
    for (const char *c = slash ? slash + 1 : path; *c; c++)
        fputc(*c < ' ' || *c == '"' || *c == '\\' || *c == 127 ? '_' : *c, f);
    fputs("\",", f);
}

static char *make_head(const struct traces *t, const struct model *m, uint32_t align)
{
    uint64_t layer[PARAMS_MAX_LAYERS], bytes[PARAMS_MAX_LAYERS], slot[PARAMS_MAX_LAYERS];
    struct expert_class class[EXPERT_CLASSES];
    int class_of[PARAMS_MAX_LAYERS], n = 0, parts = 0;
    char *text = NULL;
    size_t length;
    expert_classes(m->expert_layer, m->p.n_layer, align, class, class_of);
    for (int l = 0; l < m->p.n_layer; l++) {
        const struct expert_layer *e = &m->expert_layer[l];
        if (e->n_expert == 0)
            continue;
        layer[n] = (uint64_t)e->layer;
        slot[n] = class[class_of[l]].slot_bytes;
        bytes[n] = 0;
        for (int p = 0; p < e->n_part; p++)
            bytes[n] += e->part[p].bytes;
        parts = e->n_part;
        n++;
    }
    FILE *f = open_memstream(&text, &length);
    if (!f)
        return NULL;
    fputc('{', f);
    add_name(f, "name", t->path);
    add_name(f, "model", m->file->file->path);
    fputs("\"source\":\"stoker --route-trace\",\"license\":\"as the model\",\"synthetic\":false,\"comp\":\"raw\",", f);
    add_numbers(f, "layers", layer, n);
    add_numbers(f, "expert_bytes", bytes, n);
    add_numbers(f, "slot_bytes", slot, n);
    fprintf(f, "\"extents\":%d,\"n_expert\":%d,\"k\":%d,\"id_bytes\":%d,", parts, m->p.n_expert, t->k, t->id_bytes);
    return fclose(f) == 0 ? text : NULL;
}

static void write_head(struct traces *t)
{
    char counts[64];
    snprintf(counts, sizeof counts, "\"n_prompt\":%12llu,\"n_step\":%12llu}", (unsigned long long)t->n_prompt,
             (unsigned long long)t->n_row);
    uint32_t n = (uint32_t)(strlen(t->head) + strlen(counts));
    const uint8_t length[4] = {n & 255, n >> 8 & 255, n >> 16 & 255, n >> 24};
    fseek(t->routes, 0, SEEK_SET);
    fputs("STRT1\n", t->routes);
    fwrite(length, 1, 4, t->routes);
    fputs(t->head, t->routes);
    fputs(counts, t->routes);
    fseek(t->routes, 0, SEEK_END);
}

/* ---- steps ------------------------------------------------------------------------------------------------------------------ */

static void stop_on_error(struct traces *t)
{
    if (!ferror(t->routes) && fflush(t->routes) == 0)
        return;
    log_line(LOG_WARN, "%s: writing failed: %s; the trace ends here", t->path, strerror(errno));
    fclose(t->routes);
    t->routes = NULL;
}

static void end_step(struct traces *t)
{
    t->n_row += (uint64_t)t->n_rows;
    if (t->routes && t->n_rows > 0) {
        fwrite(t->id, row_bytes(t), (size_t)t->n_rows, t->routes);
        write_head(t);
        stop_on_error(t);
    }
    t->n_rows = 0;
}

void traces_step(struct traces *t, int n_rows, int n_prompt)
{
    end_step(t);
    t->n_rows = n_rows;
    t->n_prompt += t->decoded ? 0 : (uint64_t)n_prompt;
    t->decoded |= n_rows > n_prompt;
    if (t->routes)
        memset(t->id, 0xff, row_bytes(t) * (size_t)n_rows);
}

void traces_row(struct traces *t, int l, int row, const int32_t *id, int n_used)
{
    uint8_t *to = t->id + (size_t)row * row_bytes(t) + (size_t)(t->position[l] * t->k * t->id_bytes);
    for (int i = 0; t->routes && i < n_used && i < t->k; i++, to += t->id_bytes) {
        to[0] = (uint8_t)id[i];
        if (t->id_bytes == 2)
            to[1] = (uint8_t)(id[i] >> 8);
    }
}

static void on_event(void *arg, const struct store_event *e)
{
    struct traces *t = arg;
    fprintf(t->cache, "{\"t\":%llu,\"l\":%d,\"ev\":\"%s\",\"layer\":%d,\"id\":%d}\n", (unsigned long long)t->n_row,
            t->position[e->turn], e->evict ? "evict" : "read", t->position[e->layer], e->id);
}

/* ---- life ------------------------------------------------------------------------------------------------------------------- */

static FILE *make_file(const char *flag, const char *path, struct error *err)
{
    FILE *f = fopen(path, "wb");
    if (!f)
        error_set(err, ERR_IO, "%s %s cannot be written: %s", flag, path, strerror(errno));
    return f;
}

static int open_routes(struct traces *t, const struct model *m, const struct traces_options *opt, struct error *err)
{
    snprintf(t->path, sizeof t->path, "%s", opt->routes);
    t->id = malloc(row_bytes(t) * (size_t)opt->n_chunk);
    t->head = make_head(t, m, opt->align);
    if (!t->id || !t->head)
        return error_set(err, ERR_MEMORY, "no memory for a trace of steps of %d rows", opt->n_chunk);
    t->routes = make_file("--route-trace", opt->routes, err);
    if (!t->routes)
        return -1;
    write_head(t);
    return 0;
}

int traces_open(struct traces **out, const struct model *m, const struct traces_options *opt, struct error *err)
{
    if (!opt->routes && !opt->cache)
        return 0;
    if (!m->store)
        return error_set(err, ERR_INPUT, "%s has no experts: --route-trace and --cache-log have nothing to tell",
                         m->file->file->path);
    struct traces *t = calloc(1, sizeof *t);
    if (!t)
        return error_set(err, ERR_MEMORY, "no memory for traces");
    for (int l = 0; l < model_layers(m); l++)
        t->position[l] = m->expert_layer[l].n_expert > 0 ? t->n_layer++ : -1;
    t->k = m->p.n_expert_used;
    t->id_bytes = m->p.n_expert <= 255 ? 1 : 2;
    t->cache = opt->cache ? make_file("--cache-log", opt->cache, err) : NULL;
    if ((opt->cache && !t->cache) || (opt->routes && open_routes(t, m, opt, err) != 0)) {
        traces_close(t);
        return -1;
    }
    if (t->cache)
        store_log(m->store, on_event, t);
    *out = t;
    return 0;
}

void traces_close(struct traces *t)
{
    if (!t)
        return;
    end_step(t);
    if (t->routes)
        fclose(t->routes);
    if (t->cache && fclose(t->cache) != 0)
        log_line(LOG_WARN, "writing the cache log failed: %s", strerror(errno));
    free(t->id);
    free(t->head);
    free(t);
}
