/* See importance_write.h. Tensors are as large as those of models bigger than memory: they go to the file a piece at a time. */
#include "quant/importance_write.h"

#include "base/checked.h"
#include "base/error.h"
#include "format/header_write.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PIECE = 4096, MOST_NAME = 4096, FILE_VERSION = 1 };

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct importance_sums *)a)->name, ((const struct importance_sums *)b)->name);
}

void importance_sums_sort(struct importance_sums *s, size_t n)
{
    if (n) /* s may be NULL */
        qsort(s, n, sizeof *s, by_name);
}

struct importance_sums *importance_sums_named(struct importance_sums *s, size_t n, const char *name)
{
    struct importance_sums key = {.name = name};
    return n ? bsearch(&key, s, n, sizeof *s, by_name) : NULL;
}

static uint64_t n_values(const struct importance_sums *s) { return s->n_cols * s->n_mat; }

/* ---- GGUF ----------------------------------------------------------------------------------------------------------------------- */

static void put_keys(struct header_out *o, const struct importance_notes *n, size_t n_tensor)
{
    struct gguf_string text[IMPORTANCE_TEXTS];
    uint64_t n_text = n->n_dataset < IMPORTANCE_TEXTS ? n->n_dataset : IMPORTANCE_TEXTS;
    for (uint64_t i = 0; i < n_text; i++)
        text[i] = (struct gguf_string){n->dataset[i], strlen(n->dataset[i])};
    struct gguf_value value[8] = {header_text("general.type", "imatrix"),
                                  header_texts("imatrix.datasets", text, n_text),
                                  header_u64("imatrix.chunk_count", GGUF_U32, n->n_chunks),
                                  header_u64("imatrix.chunk_size", GGUF_U32, n->chunk_size),
                                  header_u64("stoker.imatrix.version", GGUF_U32, FILE_VERSION)};
    size_t n_value = 5;
    if (n->model_hash)
        value[n_value++] = header_u64("stoker.imatrix.model_hash", GGUF_U64, n->model_hash);
    if (n->text_sha256)
        value[n_value++] = header_text("stoker.imatrix.text_sha256", n->text_sha256);
    if (n->n_tokens)
        value[n_value++] = header_u64("stoker.imatrix.tokens", GGUF_U64, n->n_tokens);
    header_put_head(o, n_tensor, n_value);
    for (size_t i = 0; i < n_value; i++)
        header_put_value(o, &value[i]);
}

/* A tensor of the table; dimensions of 1 at the end are left out. */
static void put_tensor(struct header_out *o, const char *name, const char *end, uint64_t cols, uint64_t rows,
                       uint64_t *at)
{
    char full[MOST_NAME + 16];
    snprintf(full, sizeof full, "%s%s", name, end);
    header_put_tensor(o, full, rows > 1 ? 2 : 1, (uint64_t[]){cols, rows}, TYPE_F32, *at);
    *at += round_up(cols * rows * sizeof(float), HEADER_ALIGNMENT);
}

static void put_header(struct header_out *o, const struct importance_sums *s, size_t n,
                       const struct importance_notes *notes)
{
    uint64_t at = 0;
    put_keys(o, notes, 2 * n);
    for (size_t i = 0; i < n; i++) {
        int is_heads = s[i].n_counts == 1; /* one after another */
        put_tensor(o, s[i].name, ".in_sum2", is_heads ? n_values(&s[i]) : s[i].n_cols, is_heads ? 1 : s[i].n_mat, &at);
        put_tensor(o, s[i].name, ".counts", 1, s[i].n_counts, &at);
    }
    header_put_padding(o, HEADER_ALIGNMENT);
}

static void write_values(FILE *f, const double *v, uint64_t n)
{
    float piece[PIECE];
    for (uint64_t at = 0, m; at < n; at += m) {
        m = n - at < PIECE ? n - at : PIECE;
        for (uint64_t i = 0; i < m; i++)
            piece[i] = (float)v[at + i];
        fwrite(piece, sizeof *piece, m, f);
    }
}

static void write_padded(FILE *f, const double *v, uint64_t n)
{
    static const uint8_t zero[HEADER_ALIGNMENT];
    uint64_t bytes = n * sizeof(float);
    write_values(f, v, n);
    fwrite(zero, 1, round_up(bytes, HEADER_ALIGNMENT) - bytes, f);
}

static int write_gguf(FILE *f, const struct importance_sums *s, size_t n, const struct importance_notes *notes)
{
    struct header_out o = {0};
    put_header(&o, s, n, notes);
    o.p = malloc(o.n);
    if (!o.p)
        return -1;
    o.n = 0;
    put_header(&o, s, n, notes);
    fwrite(o.p, 1, o.n, f);
    free(o.p);
    for (size_t i = 0; i < n; i++) {
        write_padded(f, s[i].sum, n_values(&s[i]));
        write_padded(f, s[i].count, s[i].n_counts);
    }
    return 0;
}

/* ---- .dat ----------------------------------------------------------------------------------------------------------------------- */

static void write_int(FILE *f, uint64_t v)
{
    int32_t i = v < INT32_MAX ? (int32_t)v : INT32_MAX;
    fwrite(&i, sizeof i, 1, f);
}

static void write_text(FILE *f, const char *text)
{
    write_int(f, strlen(text));
    fwrite(text, 1, strlen(text), f);
}

/* The values of this form are means times the calls that a file has of them: chunks of the most rows. */
static void write_means(FILE *f, const struct importance_sums *s, uint64_t mat, double calls)
{
    float piece[PIECE];
    double rows = s->count[s->n_counts > 1 ? mat : 0];
    const double *v = s->sum + mat * s->n_cols;
    for (uint64_t at = 0, m; at < s->n_cols; at += m) {
        m = s->n_cols - at < PIECE ? s->n_cols - at : PIECE;
        for (uint64_t i = 0; i < m; i++)
            piece[i] = (float)(rows > 0 ? v[at + i] / rows * calls : calls);
        fwrite(piece, sizeof *piece, m, f);
    }
}

static int write_old(FILE *f, const struct importance_sums *s, size_t n, const struct importance_notes *notes)
{
    write_int(f, n);
    for (size_t i = 0; i < n; i++) {
        double most = 0;
        for (uint64_t k = 0; k < s[i].n_counts; k++)
            most = s[i].count[k] > most ? s[i].count[k] : most;
        double calls = ceil(most / notes->chunk_size);
        write_text(f, s[i].name);
        write_int(f, (uint64_t)calls);
        write_int(f, n_values(&s[i]));
        for (uint64_t mat = 0; mat < s[i].n_mat; mat++)
            write_means(f, &s[i], mat, calls);
    }
    write_int(f, notes->n_chunks);
    write_text(f, notes->n_dataset ? notes->dataset[0] : "");
    return 0;
}

/* ---- all of it ------------------------------------------------------------------------------------------------------------------ */

static int check(const char *path, const struct importance_sums *s, size_t n, struct error *err)
{
    for (size_t i = 0; i < n; i++) {
        for (uint64_t k = 0; k < n_values(&s[i]); k++)
            if (!(s[i].sum[k] <= (double)FLT_MAX))
                return error_set(err, ERR_FORMAT, "%s is not written: %s has a sum of %g in column %llu", path,
                                 s[i].name, s[i].sum[k], (unsigned long long)(k % s[i].n_cols));
        for (uint64_t k = 0; k < s[i].n_counts; k++)
            if (!(s[i].count[k] <= (double)FLT_MAX))
                return error_set(err, ERR_FORMAT, "%s is not written: %s has %g rows", path, s[i].name, s[i].count[k]);
    }
    return 0;
}

int importance_write(const char *path, enum importance_form form, struct importance_sums *s, size_t n,
                     const struct importance_notes *notes, struct error *err)
{
    char part[4096];
    if (snprintf(part, sizeof part, "%s.part", path) >= (int)sizeof part)
        return error_set(err, ERR_INPUT, "%.100s..: the path is too long", path);
    importance_sums_sort(s, n);
    if (check(path, s, n, err))
        return -1;
    FILE *f = fopen(part, "wb");
    if (!f)
        return error_set(err, ERR_IO, "%s cannot be written: %s", part, strerror(errno));
    int no_memory = form == IMPORTANCE_GGUF ? write_gguf(f, s, n, notes) : write_old(f, s, n, notes);
    int why = fflush(f) || ferror(f) || fsync(fileno(f)) ? errno : 0;
    why = fclose(f) && !why ? errno : why;
    why = !why && !no_memory && rename(part, path) ? errno : why;
    if (!why && !no_memory)
        return 0;
    unlink(part);
    return no_memory ? error_set(err, ERR_MEMORY, "%s: no memory for its header", path)
                     : error_set(err, ERR_IO, "%s cannot be written: %s", path, strerror(why));
}
