/* See source_vectors.h. */
#include "library/source_vectors.h"

#include "base/error.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

/* NAME.vec of the database's path. */
static void folder_of(char out[PATH_MAX], const char *database)
{
    size_t n = strlen(database);
    snprintf(out, PATH_MAX, "%.*s.vec", (int)(n > 3 ? n - 3 : n), database);
}

int source_vectors_path(struct source *s, int64_t segment, const char *end, char out[PATH_MAX], struct error *err)
{
    char folder[PATH_MAX];
    folder_of(folder, sqlite3_db_filename(s->db, "main"));
    int n = snprintf(out, PATH_MAX, "%s/%016" PRIx64 "%s", folder, (uint64_t)segment, end);
    return n < PATH_MAX ? 0 : error_set(err, ERR_INPUT, "%s: the path of its vectors is too long", s->name);
}

int source_vectors_read(struct source *s, struct source_vectors *v, struct error *err)
{
    *v = (struct source_vectors){.n_row = 0};
    sqlite3_stmt *q = source_prepare(s, "SELECT count(*) FROM sqlite_master WHERE name = 'vector'", err);
    int code = q ? sqlite3_step(q) : SQLITE_ERROR, has = code == SQLITE_ROW && sqlite3_column_int(q, 0);
    sqlite3_finalize(q);
    if (code != SQLITE_ROW)
        return q ? source_error(s, "reading", err) : -1;
    if (!has) /* it was written before there were vectors */
        return 0;
    q = source_prepare(s, "SELECT segment, model, width, bytes, n_row, last_chunk, is_lead, name FROM vector", err);
    if (!q)
        return -1;
    code = sqlite3_step(q);
    if (code == SQLITE_ROW) {
        const unsigned char *name = sqlite3_column_text(q, 7);
        v->about = (struct segment_about){sqlite3_column_int64(q, 0), (uint64_t)sqlite3_column_int64(q, 1),
                                          sqlite3_column_int(q, 2), sqlite3_column_int64(q, 3)};
        v->n_row = sqlite3_column_int64(q, 4);
        v->last = sqlite3_column_int64(q, 5);
        v->is_lead = sqlite3_column_int(q, 6);
        snprintf(v->model, sizeof v->model, "%s", name ? (const char *)name : "");
    } else if (code != SQLITE_DONE) {
        source_error(s, "reading", err);
    }
    sqlite3_finalize(q);
    return code == SQLITE_ROW || code == SQLITE_DONE ? 0 : -1;
}

int source_vectors_of(struct source *s, uint64_t model, int width, struct source_vectors *v, struct error *err)
{
    if (source_vectors_read(s, v, err))
        return -1;
    if (!v->about.bytes)
        return 0;
    if (v->about.model == model && v->about.width == width)
        return 1;
    return error_set(err, ERR_INPUT,
                     "%s: its vectors are of another model, %s, so it is searched by words alone; stoker library add "
                     "with --embed makes them anew",
                     s->name, v->model);
}

int source_vectors_open(struct source *s, const struct source_vectors *v, int writes, struct segment *out,
                        struct error *err)
{
    char path[PATH_MAX];
    return source_vectors_path(s, v->about.id, "", path, err) ||
                   segment_open(out, path, s->name, &v->about, writes, err)
               ? -1
               : 0;
}

/* ---- writing ---------------------------------------- */

static int write_row(struct source *s, const struct source_vectors *v, struct error *err)
{
    const struct segment_about *a = &v->about;
    const int64_t number[] = {a->id, (int64_t)a->model, a->width, a->bytes, v->n_row, v->last, v->is_lead};
    sqlite3_stmt *q = source_prepare(s, "INSERT OR REPLACE INTO vector VALUES(1, ?, ?, ?, ?, ?, ?, ?, ?)", err);
    if (!q)
        return -1;
    for (int i = 0; i < 7; i++)
        sqlite3_bind_int64(q, 1 + i, number[i]);
    sqlite3_bind_text(q, 8, v->model, -1, SQLITE_STATIC);
    int failed = sqlite3_step(q) != SQLITE_DONE ? source_error(s, "writing", err) : 0;
    sqlite3_finalize(q);
    return failed;
}

/* The name of a new file is on the drive too when this returns. */
static void sync_folder(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
}

static int make_segment(struct source *s, struct source_vectors *v, struct error *err)
{
    char path[PATH_MAX];
    if (getrandom(&v->about.id, sizeof v->about.id, 0) != sizeof v->about.id)
        return error_set(err, ERR_IO, "%s: no number for its vectors: %s", s->name, strerror(errno));
    v->about.id &= INT64_MAX;
    if (source_vectors_path(s, v->about.id, "", path, err))
        return -1;
    char *slash = strrchr(path, '/');
    *slash = 0;
    int failed = mkdir(path, 0700) && errno != EEXIST;
    if (failed)
        return error_set(err, ERR_IO, "%s: %s", path, strerror(errno));
    *slash = '/';
    failed = segment_create(path, s->name, &v->about, err);
    *slash = 0;
    sync_folder(path);
    return failed;
}

int source_vectors_begin(struct source *s, struct source_vectors *v, struct error *err)
{
    v->n_row = v->last = 0;
    if (make_segment(s, v, err) || source_transaction(s, err))
        return -1;
    if (sqlite3_exec(s->db, "DELETE FROM vector_gap", NULL, NULL, NULL) != SQLITE_OK)
        return source_error(s, "writing", err);
    return write_row(s, v, err) || source_commit(s, err) ? -1 : 0;
}

int source_vectors_commit(struct source *s, struct source_vectors *v, const struct segment *segment, int n_new,
                          int64_t last, struct error *err)
{
    v->about.bytes = segment->about.bytes;
    v->n_row += n_new;
    v->last = last;
    return source_transaction(s, err) || write_row(s, v, err) || source_commit(s, err) ? -1 : 0;
}

/* ---- left-overs ---------------------------------------- */

/* 1: a name that vectors or their lists have, of a file that was not finished too. */
static int is_ours(const char *name)
{
    const char *end = name + 16;
    return strlen(name) >= 16 && strspn(name, "0123456789abcdef") == 16 &&
           (*end == 0 || strcmp(end, ".lists") == 0 || strcmp(end, ".lists.new") == 0);
}

/* All files of the folder but those of one segment; the folder too where none is left. */
static void unlink_others(const char *folder, const char *keep)
{
    char path[2 * PATH_MAX];
    DIR *d = opendir(folder);
    const struct dirent *e;
    while (d && (e = readdir(d))) {
        const char *name = e->d_name;
        if (!is_ours(name) || (*keep && strncmp(name, keep, 16) == 0 && !strstr(name, ".new")))
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, name);
        unlink(path);
    }
    if (d)
        closedir(d);
    rmdir(folder); /* fails where there is something in it, as it should */
}

void source_vectors_sweep(struct source *s)
{
    struct source_vectors v;
    struct error ignored = {0};
    char folder[PATH_MAX], keep[24];
    if (source_vectors_read(s, &v, &ignored))
        return;
    folder_of(folder, sqlite3_db_filename(s->db, "main"));
    snprintf(keep, sizeof keep, "%016" PRIx64, (uint64_t)v.about.id);
    unlink_others(folder, v.about.bytes ? keep : "");
}

void source_vectors_unlink(const char *path)
{
    char folder[PATH_MAX];
    folder_of(folder, path);
    unlink_others(folder, "");
}

/* ---- chunks that have left ---------------------------------------- */

static int grow(struct source *s, struct vector_gaps *g, int *cap, struct error *err)
{
    const size_t n = *cap ? 2 * (size_t)*cap : 64;
    int64_t *first = realloc(g->first, n * sizeof *first);
    g->first = first ? first : g->first;
    int64_t *end = first ? realloc(g->end, n * sizeof *end) : NULL;
    g->end = end ? end : g->end;
    *cap = end ? (int)n : *cap;
    return end ? 0 : error_set(err, ERR_MEMORY, "%s: no memory for the passages that have left", s->name);
}

static int take_gap(struct source *s, sqlite3_stmt *q, struct vector_gaps *g, int *cap, struct error *err)
{
    if (g->n == GAPS_MOST)
        return error_set(err, ERR_INPUT,
                         "%s: too many of its articles have changed since they got vectors; stoker library add with "
                         "--embed makes them anew",
                         s->name);
    if (g->n == *cap && grow(s, g, cap, err))
        return -1;
    g->first[g->n] = sqlite3_column_int64(q, 0);
    g->end[g->n] = (int64_t)((uint64_t)g->first[g->n] + (uint64_t)sqlite3_column_int64(q, 1));
    g->n++;
    return 0;
}

int vector_gaps_read(struct source *s, struct vector_gaps *g, struct error *err)
{
    *g = (struct vector_gaps){.n = 0};
    sqlite3_stmt *q = source_prepare(s, "SELECT first, n FROM vector_gap ORDER BY first", err);
    int cap = 0, code = SQLITE_DONE, failed = !q;
    while (!failed && (code = sqlite3_step(q)) == SQLITE_ROW)
        failed = take_gap(s, q, g, &cap, err);
    if (!failed && code != SQLITE_DONE)
        failed = source_error(s, "reading", err);
    sqlite3_finalize(q);
    return failed ? -1 : 0;
}

void vector_gaps_free(struct vector_gaps *g)
{
    free(g->first);
    free(g->end);
    *g = (struct vector_gaps){.n = 0};
}

int vector_gaps_has(const struct vector_gaps *g, int64_t chunk)
{
    int low = 0, high = g->n; /* the first range that begins behind the chunk */
    while (low < high) {
        int middle = (low + high) / 2;
        if (g->first[middle] <= chunk)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 && chunk < g->end[low - 1];
}
