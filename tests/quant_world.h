/* Models of a few tensors, and files of importance of them: for tests of quant/. */
#ifndef TESTS_QUANT_WORLD_H
#define TESTS_QUANT_WORLD_H

#include "gguf_write.h"
#include "temporary.h"

#include <sys/resource.h>

struct world_tensor {
    const char *name;
    enum block_type type;
    int n_dims;
    uint64_t ne[3];
    const float *x; /* values, of an f32 tensor; NULL: not written */
};

/* A model of n_layer layers, the last n_draft of which predict further tokens. Without values: the beginning of a file, up to its data. */
static inline void world_model(const char *path, uint32_t n_layer, uint32_t n_draft, const struct world_tensor *t,
                               size_t n)
{
    struct gguf_writer w;
    struct error err = {0};
    gguf_write_begin(&w, path, 32);
    gguf_write_string(&w, "general.architecture", "llama", 5);
    gguf_write_string(&w, "general.license", "mit", 3);
    gguf_write_u32(&w, "llama.block_count", n_layer);
    if (n_draft)
        gguf_write_u32(&w, "llama.nextn_predict_layers", n_draft);
    for (size_t i = 0; i < n; i++)
        gguf_write_tensor(&w, t[i].name, t[i].type, t[i].n_dims, t[i].ne);
    gguf_write_data(&w, "", 0); /* the header */
    for (size_t i = 0; i < n && t[i].x; i++)
        gguf_write_data(&w, t[i].x, w.size[i]);
    w.next = w.n_tensor;
    if (gguf_write_end(&w, &err))
        fprintf(stderr, "%s\n", err.text);
}

struct world_importance {
    const char *name;
    uint64_t n_cols, n_mat;
    const float *sum,
        *count; /* [n_mat][n_cols], [n_mat]; NULL: the first sum is 1, the others a hole; and 100 rows each */
};

static inline void world_put_importance(struct gguf_writer *w, const struct world_importance *e)
{
    const float one = 1, hundred = 100;
    uint64_t n = e->n_cols * e->n_mat, bytes = round_up(n * sizeof(float), 32);
    off_t at = ftello(w->file);
    fwrite(e->sum ? e->sum : &one, sizeof one, e->sum ? n : 1, w->file);
    fseeko(w->file, at + (off_t)bytes, SEEK_SET);
    for (uint64_t i = 0; i < e->n_mat; i++)
        fwrite(e->count ? &e->count[i] : &hundred, sizeof hundred, 1, w->file);
    fseeko(w->file, at + (off_t)(bytes + round_up(e->n_mat * sizeof(float), 32)), SEEK_SET);
}

/* In the GGUF form. */
static inline void world_importance(const char *path, const struct world_importance *e, size_t n)
{
    struct gguf_writer w;
    struct error err = {0};
    char name[100];
    gguf_write_begin(&w, path, 32);
    gguf_write_string(&w, "general.type", "imatrix", 7);
    for (size_t i = 0; i < n; i++) {
        snprintf(name, sizeof name, "%s.in_sum2", e[i].name);
        gguf_write_tensor(&w, name, TYPE_F32, e[i].n_mat > 1 ? 2 : 1, (uint64_t[]){e[i].n_cols, e[i].n_mat});
        snprintf(name, sizeof name, "%s.counts", e[i].name);
        gguf_write_tensor(&w, name, TYPE_F32, e[i].n_mat > 1 ? 2 : 1, (uint64_t[]){1, e[i].n_mat});
    }
    gguf_write_data(&w, "", 0);
    for (size_t i = 0; i < n && !gguf_write_failed(&w); i++)
        world_put_importance(&w, &e[i]);
    if (!gguf_write_failed(&w) && (fflush(w.file) || ftruncate(fileno(w.file), ftello(w.file))))
        error_set(&w.err, ERR_IO, "%s: the file system takes no such hole", path);
    w.next = w.n_tensor;
    if (gguf_write_end(&w, &err))
        fprintf(stderr, "%s\n", err.text);
}

/* Bytes of this process that were resident at a time, at most until now. */
static inline uint64_t world_peak(void)
{
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return (uint64_t)use.ru_maxrss * 1024;
}

#endif
