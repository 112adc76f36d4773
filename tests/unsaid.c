/* links: engine text model store op machine kernel format base
 *
 * Properties that a file does not state and stoker infers from the number of layers: a golden grown to the layers of a published model
 * gives the bits of the same file with the key that says it; with one layer fewer it does not.
 *
 *     build/tests/unsaid */
#include "base/hash.h"
#include "gguf_write.h"
#include "session_step.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { N_TOKENS = 6, MOST_LAYERS = 64 };

static char path[] = "/tmp/stoker-unsaid-XXXXXX";

/* ---- a golden with more layers ------------------------------------------------------------------------------------------------ */

/* A list of one number a layer becomes longer, its last number repeated. */
static void write_key(struct gguf_writer *w, const struct gguf *g, const struct gguf_value *v, int have, int n_layer)
{
    char blocks[100];
    float real[MOST_LAYERS];
    int32_t whole[MOST_LAYERS];
    snprintf(blocks, sizeof blocks, "%s.block_count", gguf_find(g, "general.architecture")->as.string.text);
    if (strcmp(v->key.text, blocks) == 0) {
        gguf_write_u32(w, blocks, (uint32_t)n_layer);
        return;
    }
    if (v->kind != GGUF_ARRAY || v->item == GGUF_STRING || v->n != (uint64_t)have) {
        gguf_write_value(w, v);
        return;
    }
    int is_real = v->item == GGUF_F32;
    for (int l = 0; l < n_layer; l++) {
        uint64_t from = (uint64_t)(l < have ? l : have - 1);
        real[l] = is_real ? (float)gguf_item_float(v, from) : 0;
        whole[l] = is_real ? 0 : (int32_t)gguf_item_int(v, from);
    }
    gguf_write_numbers(w, v->key.text, is_real ? GGUF_F32 : GGUF_I32, is_real ? (void *)real : (void *)whole,
                       (uint64_t)n_layer);
}

/* Tensor t of the file as the one of layer l; l -1: of no layer. */
static void write_tensor(struct gguf_writer *w, const struct gguf_tensor *t, int l)
{
    char name[120];
    const char *rest;
    gguf_layer_of(t->name, &rest);
    snprintf(name, sizeof name, "blk.%d.%s", l, rest);
    gguf_write_tensor(w, l < 0 ? t->name : name, t->type, t->n_dims, t->ne);
}

static void write_data(struct gguf_writer *w, const struct gguf *g, const struct gguf_tensor *t)
{
    void *bytes = malloc(t->n_bytes);
    if (bytes && pread(g->file[t->file].fd, bytes, t->n_bytes, (off_t)t->offset) == (ssize_t)t->n_bytes)
        gguf_write_data(w, bytes, t->n_bytes);
    free(bytes);
}

/* The tensors of no layer, then each layer's: beyond those of the file its last layer again. */
static void write_tensors(struct gguf_writer *w, const struct gguf *g, int have, int n_layer, int data)
{
    for (int l = -1; l < n_layer; l++)
        for (uint64_t i = 0; i < g->n_tensor; i++) {
            const struct gguf_tensor *t = &g->tensor[i];
            const char *rest;
            if (gguf_layer_of(t->name, &rest) != (l < have ? l : have - 1))
                continue;
            if (data)
                write_data(w, g, t);
            else
                write_tensor(w, t, l);
        }
}

struct unsaid {
    const char *golden, *key;
    int n_layer; /* of a published model */
    double value;
    int is_list; /* one a layer */
};

static int grow(const struct unsaid *c, int n_layer, int say, struct error *err)
{
    char from[200], key[100];
    struct gguf *g;
    struct gguf_writer w;
    int have = 0;
    snprintf(from, sizeof from, TEST_DATA "/golden/%s.gguf", c->golden);
    if (gguf_open(&g, from, err))
        return -1;
    for (uint64_t i = 0; i < g->n_tensor; i++) {
        const char *rest;
        int l = gguf_layer_of(g->tensor[i].name, &rest);
        have = l >= have ? l + 1 : have;
    }
    gguf_write_begin(&w, path, 32);
    for (uint64_t i = 0; i < g->n_value; i++)
        write_key(&w, g, &g->value[i], have, n_layer);
    snprintf(key, sizeof key, "%s.%s", gguf_find(g, "general.architecture")->as.string.text, c->key);
    float list[MOST_LAYERS];
    for (int l = 0; l < n_layer; l++)
        list[l] = (float)c->value;
    if (say && c->is_list)
        gguf_write_numbers(&w, key, GGUF_F32, list, (uint64_t)n_layer);
    else if (say)
        gguf_write_f32(&w, key, (float)c->value);
    write_tensors(&w, g, have, n_layer, 0);
    write_tensors(&w, g, have, n_layer, 1);
    int status = gguf_write_end(&w, err);
    gguf_close(g);
    return status;
}

/* ---- its logits ---------------------------------------------------------------------------------------------------------------- */

static int run(uint64_t *hash, struct error *err)
{
    const struct session_options o = {
        .plan_request = {.how = PLAN_WHOLE, .n_ctx = 32, .n_chunk = N_TOKENS, .n_threads = 1}};
    struct session *s = NULL;
    if (session_prepare(&s, path, &o, 0, err))
        return -1;
    int status = session_load(s, &o, err);
    struct batch b = {0};
    if (!status)
        b = session_batch(s);
    for (int i = 0; i < N_TOKENS && !status; i++)
        status = batch_add(s, &b, &s->tables.seq[0], 3 + 17 * i, i, i + 1 == N_TOKENS);
    b.n_prompt = b.n_rows;
    if (!status)
        status = session_forward(s, &b, err);
    if (!status)
        *hash = hash64(b.logits, (size_t)s->model->p.n_vocab * sizeof(float), 0);
    session_close(s);
    return status;
}

/* 1: the bits are those of the file that says it; 0: they are not; -1 with the sentence. */
static int says(const struct unsaid *c, int n_layer, struct error *err)
{
    uint64_t hash[2];
    for (int say = 0; say <= 1; say++)
        if (grow(c, n_layer, say, err) || run(&hash[say], err))
            return -1;
    return hash[0] == hash[1];
}

int main(void)
{
    const struct unsaid cases[] = {
        {"gemma2", "attention.scale", 46, 1 / sqrt(48 / 4), 0},
        {"gemma3", "attention.scale", 62, 1 / sqrt(32 / 4), 0},
        {"deepseek4", "swiglu_clamp_shexp", 43, 1, 1},
        {"deepseek4", "swiglu_clamp_shexp", 61, 1, 1},
    };
    int failed = 0, n = (int)(sizeof cases / sizeof *cases), fd = mkstemp(path);
    for (int i = 0; i < n && fd >= 0; i++) {
        struct error err = {0};
        int same = says(&cases[i], cases[i].n_layer, &err),
            fewer = same < 0 ? -1 : says(&cases[i], cases[i].n_layer - 1, &err), ok = same == 1 && fewer == 0;
        printf("%s %-10s %-20s %d layers%s%s\n", ok ? "ok  " : "FAIL", cases[i].golden, cases[i].key, cases[i].n_layer,
               ok ? "" : ": ",
               ok         ? ""
               : err.code ? err.text
               : same     ? "with one fewer too"
                          : "other bits");
        failed += !ok;
    }
    if (fd >= 0)
        close(fd);
    unlink(path);
    printf("%d passed, %d failed, 0 skipped\n", n - failed, failed);
    return failed || fd < 0;
}
