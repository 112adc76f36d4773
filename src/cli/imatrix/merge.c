/* Several files of importance as one: sums and counts add, in the order of the files (quantize.md 5.4). One file is open at a time, and its
 * sums are read an entry at a time. */
#include "cli/imatrix/imatrix.h"

#include "base/arena.h"
#include "base/error.h"
#include "quant/importance.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct merged {
    struct importance_sums
        *sums; /* [n], each with arrays of its own; the first n_sorted, of the files before, by name */
    size_t n, n_sorted, room;
    const char *dataset[IMPORTANCE_TEXTS];
    uint64_t n_dataset, n_chunks;
    struct arena texts; /* names and datasets: their files are closed */
};

static int add_new(struct merged *m, const struct importance_values *v, struct error *err)
{
    const struct importance_entry *e = v->entry;
    if (m->n == m->room) {
        size_t room = m->room ? 2 * m->room : 64;
        struct importance_sums *grown = realloc(m->sums, room * sizeof *grown);
        if (!grown)
            return error_set(err, ERR_MEMORY, "no memory for %zu tensors", room);
        m->sums = grown;
        m->room = room;
    }
    uint64_t n = e->n_cols * e->n_mat;
    const char *name = arena_copy(&m->texts, e->name, strlen(e->name));
    double *sum = malloc(n * sizeof *sum), *count = malloc(e->n_counts * sizeof *count);
    m->sums[m->n++] = (struct importance_sums){name, e->n_cols, e->n_mat, e->n_counts, sum, count};
    if (!name || !sum || !count)
        return error_set(err, ERR_MEMORY, "no memory for the sums of %s", e->name);
    for (uint64_t i = 0; i < n; i++)
        sum[i] = (double)v->sum[i];
    for (uint64_t i = 0; i < e->n_counts; i++)
        count[i] = (double)e->count[i];
    return 0;
}

/* An old file has one count for all matrices, whose sums stand one behind the other, as one row or as one each: the count is each one's. */
static int as_matrices(struct importance_sums *s, uint64_t n_mat, struct error *err)
{
    double *count = malloc(n_mat * sizeof *count);
    if (!count)
        return error_set(err, ERR_MEMORY, "no memory for the counts of %s", s->name);
    for (uint64_t i = 0; i < n_mat; i++)
        count[i] = *s->count;
    free((void *)s->count);
    s->count = count;
    s->n_cols = s->n_cols * s->n_mat / n_mat;
    s->n_mat = s->n_counts = n_mat;
    return 0;
}

static int add_to(struct importance_sums *s, const struct importance_values *v, const char *path, struct error *err)
{
    const struct importance_entry *e = v->entry;
    double *sum = (double *)s->sum;
    int is_other = s->n_mat > 1 && e->n_mat > 1 && s->n_mat != e->n_mat;
    if (s->n_cols * s->n_mat != e->n_cols * e->n_mat || is_other)
        return error_set(err, ERR_INPUT,
                         "%s: %s has %" PRIu64 " x %" PRIu64 " columns, a file before it %" PRIu64 " x %" PRIu64, path,
                         s->name, e->n_cols, e->n_mat, s->n_cols, s->n_mat);
    if (s->n_counts == 1 && e->n_counts > 1 && as_matrices(s, e->n_counts, err))
        return -1;
    for (uint64_t i = 0; i < e->n_cols * e->n_mat; i++)
        sum[i] += (double)v->sum[i];
    for (uint64_t i = 0; i < s->n_counts; i++)
        ((double *)s->count)[i] += (double)importance_rows(e, e->n_counts > 1 ? i : 0);
    return 0;
}

static int add_entry(struct merged *m, const struct importance *file, const struct importance_entry *e,
                     struct error *err)
{
    struct importance_values v;
    struct importance_sums *s = importance_sums_named(m->sums, m->n_sorted, e->name);
    float *room = malloc(importance_floats(e) * sizeof *room);
    int status = room ? importance_read(file, e, room, &v, err)
                      : error_set(err, ERR_MEMORY, "no memory for the sums of %s", e->name);
    if (!status)
        status = s ? add_to(s, &v, file->path, err) : add_new(m, &v, err);
    free(room);
    return status;
}

static int add_file(struct merged *m, const struct importance *file, struct error *err)
{
    for (uint64_t i = 0; i < file->n_entry; i++)
        if (add_entry(m, file, &file->entry[i], err))
            return -1;
    importance_sums_sort(m->sums, m->n);
    m->n_sorted = m->n;
    m->n_chunks += file->n_chunks;
    for (uint64_t i = 0; i < file->n_datasets && m->n_dataset < IMPORTANCE_TEXTS; i++) {
        const char *text = arena_copy(&m->texts, file->datasets[i], strlen(file->datasets[i]));
        if (!text)
            return error_set(err, ERR_MEMORY, "no memory for the datasets of %s", file->path);
        m->dataset[m->n_dataset++] = text;
    }
    return 0;
}

static int add_path(struct merged *m, const char *path, int chunk, struct error *err)
{
    struct importance *file;
    if (importance_open_of(&file, path, chunk, err))
        return -1;
    int status = add_file(m, file, err);
    importance_close(file);
    return status;
}

static void print_json(const struct imatrix_command *m, const struct merged *all)
{
    json_t *o = json_pack("{s:s, s:I, s:I, s:i, s:o}", "path", m->out, "entries", (json_int_t)all->n, "chunks",
                          (json_int_t)all->n_chunks, "files", m->n_file, "experts",
                          imatrix_cover_json(all->sums, all->n));
    eval_print_json(o);
    json_decref(o);
}

static void print(const struct imatrix_command *m, const struct merged *all)
{
    imatrix_show_experts(all->sums, all->n);
    printf("%s: %zu tensors, of %d %s\n", m->out, all->n, m->n_file, m->n_file == 1 ? "file" : "files");
}

int imatrix_merge(const struct imatrix_command *m)
{
    struct merged all = {0};
    struct error err = {0};
    struct stat there;
    int failed = 0;
    eval_called = "imatrix";
    arena_init_growing(&all.texts);
    if (!m->force && lstat(m->out, &there) == 0)
        failed = error_set(&err, ERR_INPUT, "%s is there; --force replaces it", m->out);
    if (!failed && imatrix_refuse_place(m->out, m->force))
        return 2;
    for (int i = 0; i < m->n_file && !failed; i++)
        failed = add_path(&all, m->file[i], m->c.n_ctx, &err);
    const struct importance_notes notes = {.dataset = all.dataset,
                                           .n_dataset = all.n_dataset,
                                           .n_chunks = (uint32_t)all.n_chunks,
                                           .chunk_size = (uint32_t)m->c.n_ctx};
    if (!failed && importance_write(m->out, m->form, all.sums, all.n, &notes, &err) == 0)
        (m->json ? print_json : print)(m, &all);
    for (size_t i = 0; i < all.n; i++) {
        free((void *)all.sums[i].sum);
        free((void *)all.sums[i].count);
    }
    free(all.sums);
    arena_free(&all.texts);
    return failed ? imatrix_refuse(&err) : err.code ? eval_fail(&err) : 0;
}
