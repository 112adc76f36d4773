/* Several files of importance as one: sums and counts add, in the order of the files (quantize.md 5.4). */
#include "cli/imatrix/imatrix.h"

#include "base/error.h"
#include "quant/importance.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct merged {
    struct importance_sums *sums; /* [n], each with arrays of its own */
    size_t n, room;
    const char *dataset[IMPORTANCE_TEXTS];
    uint64_t n_dataset, n_chunks;
};

/* The entry of a name, with as many matrices as it has in either file: a count of all experts of an old file is one of each. */
static struct importance_sums *entry_of(struct merged *m, const char *name)
{
    for (size_t i = 0; i < m->n; i++)
        if (strcmp(m->sums[i].name, name) == 0)
            return &m->sums[i];
    return NULL;
}

static int add_new(struct merged *m, const struct importance_entry *e, struct error *err)
{
    if (m->n == m->room) {
        size_t room = m->room ? 2 * m->room : 64;
        struct importance_sums *grown = realloc(m->sums, room * sizeof *grown);
        if (!grown)
            return error_set(err, ERR_MEMORY, "no memory for %zu tensors", room);
        m->sums = grown;
        m->room = room;
    }
    uint64_t n = e->n_cols * e->n_mat;
    double *sum = malloc(n * sizeof *sum), *count = malloc(e->n_counts * sizeof *count);
    m->sums[m->n++] = (struct importance_sums){e->name, e->n_cols, e->n_mat, e->n_counts, sum, count};
    if (!sum || !count)
        return error_set(err, ERR_MEMORY, "no memory for the sums of %s", e->name);
    for (uint64_t i = 0; i < n; i++)
        sum[i] = (double)e->sum[i];
    for (uint64_t i = 0; i < e->n_counts; i++)
        count[i] = (double)e->count[i];
    return 0;
}

/* An old file has one row of all matrices where another has a row each, and one count for all. */
static int as_matrices(struct importance_sums *s, uint64_t n_mat, struct error *err)
{
    double *count = malloc(n_mat * sizeof *count);
    if (!count)
        return error_set(err, ERR_MEMORY, "no memory for the counts of %s", s->name);
    for (uint64_t i = 0; i < n_mat; i++)
        count[i] = *s->count;
    free((void *)s->count);
    s->count = count;
    s->n_cols /= n_mat;
    s->n_mat = s->n_counts = n_mat;
    return 0;
}

static int add_to(struct importance_sums *s, const struct importance_entry *e, const char *path, struct error *err)
{
    double *sum = (double *)s->sum;
    if (s->n_cols * s->n_mat != e->n_cols * e->n_mat)
        return error_set(err, ERR_INPUT,
                         "%s: %s has %" PRIu64 " x %" PRIu64 " columns, a file before it %" PRIu64 " x %" PRIu64, path,
                         s->name, e->n_cols, e->n_mat, s->n_cols, s->n_mat);
    if (s->n_counts == 1 && e->n_counts > 1 && as_matrices(s, e->n_counts, err))
        return -1;
    for (uint64_t i = 0; i < e->n_cols * e->n_mat; i++)
        sum[i] += (double)e->sum[i];
    for (uint64_t i = 0; i < s->n_counts; i++)
        ((double *)s->count)[i] += (double)importance_rows(e, e->n_counts > 1 ? i : 0);
    return 0;
}

static int add_file(struct merged *m, const struct importance *file, const char *path, struct error *err)
{
    for (uint64_t i = 0; i < file->n_entry; i++) {
        const struct importance_entry *e = &file->entry[i];
        struct importance_sums *s = entry_of(m, e->name);
        if (s ? add_to(s, e, path, err) : add_new(m, e, err))
            return -1;
    }
    m->n_chunks += file->n_chunks;
    for (uint64_t i = 0; i < file->n_datasets && m->n_dataset < IMPORTANCE_TEXTS; i++)
        m->dataset[m->n_dataset++] = file->datasets[i];
    return 0;
}

int imatrix_merge(const struct imatrix_command *m)
{
    struct merged all = {0};
    struct error err = {0};
    struct stat there;
    struct importance **file = calloc((size_t)m->n_file, sizeof *file);
    int failed = !file;
    eval_called = "imatrix";
    if (!file)
        error_set(&err, ERR_MEMORY, "no memory for %d files", m->n_file);
    if (!m->force && lstat(m->out, &there) == 0)
        failed = error_set(&err, ERR_INPUT, "%s is there; --force replaces it", m->out);
    for (int i = 0; i < m->n_file && !failed; i++)
        failed = importance_open_of(&file[i], m->file[i], m->c.n_ctx, &err) ||
                 add_file(&all, file[i], m->file[i], &err);
    const struct importance_notes notes = {.dataset = all.dataset,
                                           .n_dataset = all.n_dataset,
                                           .n_chunks = (uint32_t)all.n_chunks,
                                           .chunk_size = (uint32_t)m->c.n_ctx};
    if (!failed && importance_write(m->out, m->form, all.sums, all.n, &notes, &err) == 0 && !m->json)
        imatrix_show_experts(all.sums, all.n);
    if (!err.code)
        printf("%s: %zu tensors, of %d %s\n", m->out, all.n, m->n_file, m->n_file == 1 ? "file" : "files");
    for (size_t i = 0; i < all.n; i++) {
        free((void *)all.sums[i].sum);
        free((void *)all.sums[i].count);
    }
    free(all.sums);
    for (int i = 0; file && i < m->n_file; i++)
        importance_close(file[i]);
    free(file);
    return err.code ? eval_fail(&err) : 0;
}
