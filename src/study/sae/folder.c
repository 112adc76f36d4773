/* An autoencoder that was trained, as SAELens has them, and what it was made of. See inside.h.
 *
 * Biases are divided by the factor of the rows, so that it works on rows as they are; its features come out divided by it too. */
#include "study/sae/inside.h"

#include "base/reqmem.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char weights_name[] = "sae_weights.safetensors", cfg_name[] = "cfg.json", about_name[] = "stoker.json";

static int open_file(struct training *t, const char *name)
{
    int fd = openat(t->folder, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (fd < 0)
        error_set(t->err, ERR_IO, "%s/%s cannot be written: %s", t->part, name, strerror(errno));
    return fd;
}

static int close_file(struct training *t, const char *name, int fd, int failed)
{
    if (!failed && fsync(fd))
        failed = error_set(t->err, ERR_IO, "%s/%s cannot be written: %s", t->part, name, strerror(errno));
    close(fd);
    return failed;
}

/* ---- weights ------------------------------------------------------------------------------------------------------------------ */

/* Values [n], divided by the factor, through the memory for reading. */
static int write_bias(struct training *t, int fd, const float *v, size_t n, uint64_t at)
{
    float *part = (float *)(void *)t->io;
    for (size_t i = 0; i < n; i += IO / 4) {
        size_t m = n - i < IO / 4 ? n - i : IO / 4;
        for (size_t k = 0; k < m; k++)
            part[k] = (float)((double)v[i + k] / t->rows.scale);
        if (state_write(t, fd, weights_name, part, m * 4, at + i * 4))
            return -1;
    }
    return 0;
}

/* [n_feature][n_embd] as [n_embd][n_feature]. */
static int write_turned(struct training *t, int fd, const float *w, uint64_t at)
{
    size_t n = (size_t)t->n_feature, d = (size_t)t->rows.n_embd;
    float *part = (float *)(void *)t->io;
    for (size_t i = 0; i < d; i++)
        for (size_t j = 0; j < n; j += IO / 4) {
            size_t m = n - j < IO / 4 ? n - j : IO / 4;
            for (size_t k = 0; k < m; k++)
                part[k] = w[(j + k) * d + i];
            if (state_write(t, fd, weights_name, part, m * 4, at + (i * n + j) * 4))
                return -1;
        }
    return 0;
}

static int write_weights(struct training *t)
{
    uint64_t n = (uint64_t)t->n_feature, d = (uint64_t)t->rows.n_embd, at = 0;
    struct safetensors_tensor x[] = {{.name = "W_dec", .n_dim = 2, .shape = {n, d}, .bytes = n * d * 4},
                                     {.name = "W_enc", .n_dim = 2, .shape = {d, n}, .bytes = n * d * 4},
                                     {.name = "b_dec", .n_dim = 1, .shape = {d, 1}, .bytes = d * 4},
                                     {.name = "b_enc", .n_dim = 1, .shape = {n, 1}, .bytes = n * 4}};
    const struct safetensors_text text[] = {{"format", "pt"}};
    size_t length;
    for (int i = 0; i < 4; i++) {
        x[i].dtype = "F32";
        x[i].offset = at;
        at += x[i].bytes;
    }
    char *header = safetensors_header(text, 1, x, 4, 0, &length);
    if (!header)
        return error_set(t->err, ERR_MEMORY, "no memory for a header");
    int fd = open_file(t, weights_name), failed = fd < 0;
    failed = failed || state_write(t, fd, weights_name, header, length, 0) ||
             state_write(t, fd, weights_name, t->q.d, (size_t)(n * d * 4), length) ||
             write_turned(t, fd, t->q.w, length + x[1].offset) ||
             write_bias(t, fd, t->q.c, (size_t)d, length + x[2].offset) ||
             write_bias(t, fd, t->q.b, (size_t)n, length + x[3].offset);
    reqmem_free(header);
    return fd < 0 ? -1 : close_file(t, weights_name, fd, failed ? -1 : 0);
}

/* ---- JSON --------------------------------------------------------------------------------------------------------------------- */

/* Takes the value. */
static int write_json(struct training *t, const char *name, json_t *v)
{
    char *text = v ? json_dumps(v, JSON_INDENT(1) | JSON_REAL_PRECISION(17)) : NULL;
    json_decref(v);
    if (!text)
        return error_set(t->err, ERR_MEMORY, "no memory for %s", name);
    int fd = open_file(t, name);
    int failed = fd < 0 || state_write(t, fd, name, text, strlen(text), 0) ||
                 state_write(t, fd, name, "\n", 1, strlen(text));
    free(text);
    return fd < 0 ? -1 : close_file(t, name, fd, failed ? -1 : 0);
}

static int write_cfg(struct training *t)
{
    char hook[64];
    snprintf(hook, sizeof hook, "blocks.%d.hook_resid_post", t->rows.layer);
    return write_json(t, cfg_name,
                      json_pack("{s:s, s:i, s:i, s:i, s:s, s:s, s:b, s:s, s:s, s:b, s:{s:s, s:s}}", "architecture",
                                "topk", "d_in", t->rows.n_embd, "d_sae", t->n_feature, "k", t->o->k, "dtype", "float32",
                                "device", "cpu", "apply_b_dec_to_input", 1, "normalize_activations", "none",
                                "reshape_activations", "none", "rescale_acts_by_decoder_norm", 0, "metadata",
                                "hook_name", hook, "model_name", t->rows.model));
}

static int write_about(struct training *t, const struct train_result *r)
{
    const struct train_options *o = t->o;
    char hash[20];
    snprintf(hash, sizeof hash, "%016" PRIx64, t->rows.hash);
    return write_json(
        t, about_name,
        json_pack("{s:s, s:{s:s, s:I, s:i, s:s, s:s}, s:{s:i, s:i, s:f, s:i, s:i, s:I, s:f, s:I, s:I}, s:{s:f, s:f, "
                  "s:i}}",
                  "program", o->program, "rows", "tensor", t->rows.tensor->name, "n", (json_int_t)t->rows.n, "width",
                  t->rows.n_embd, "xxh3", hash, "model", t->rows.model, "training", "features", t->n_feature, "k", o->k,
                  "lr", t->rate, "batch", o->batch, "epochs", o->epochs, "seed", (json_int_t)o->seed, "aux", o->aux,
                  "dead", (json_int_t)o->dead, "batches", (json_int_t)t->n_step, "result", "fvu", r->fvu, "active",
                  r->active, "never_active", r->n_never));
}

int folder_write(struct training *t, const struct train_result *r)
{
    if (write_weights(t) == 0 && write_cfg(t) == 0 && write_about(t, r) == 0 && state_finish(t) == 0)
        return 0;
    unlinkat(t->folder, weights_name, 0); /* room for what was on the way */
    unlinkat(t->folder, cfg_name, 0);
    unlinkat(t->folder, about_name, 0);
    return -1;
}
