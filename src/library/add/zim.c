/* An archive into the library. A newer one of the same name is built beside the old one, which answers until the new one is complete. */
#include "library/add/add.h"

#include "base/error.h"
#include "base/utf8.h"
#include "library/document/encoding.h"
#include "library/document/html.h"
#include "library/library.h"
#include "library/source_vectors.h"
#include "library/zim/zim.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* As text of one line. */
static void metadata(struct zim *z, const char *name, char *out, size_t cap)
{
    zim_metadata(z, name, out, cap);
    utf8_make_plain(out);
}

static void describe(struct zim *z, const char *path, struct source_about *s)
{
    const struct zim_about *about = zim_about(z);
    char *absolute = realpath(path, NULL);
    *s = (struct source_about){.kind = "zim", .bytes = (int64_t)about->bytes, .rules = TEXT_RULES};
    snprintf(s->path, sizeof s->path, "%s", absolute ? absolute : path);
    free(absolute);
    for (size_t i = 0; i < sizeof about->uuid; i++)
        snprintf(s->identity + 2 * i, 3, "%02x", about->uuid[i]);
    metadata(z, "Title", s->title, sizeof s->title);
    metadata(z, "Date", s->date, sizeof s->date);
    metadata(z, "Language", s->language, sizeof s->language);
    metadata(z, "License", s->license, sizeof s->license);
}

/* What the source is called: as somebody says, as the archive says, as its file is called. */
static void choose_name(struct zim *z, const char *path, const struct add_options *o, char *name, size_t cap)
{
    if (o->name) {
        snprintf(name, cap, "%s", o->name);
    } else if (!zim_metadata(z, "Name", name, cap) || !*name) {
        const char *last = strrchr(path, '/');
        snprintf(name, cap, "%s", last ? last + 1 : path);
        char *dot = strstr(name, ".zim");
        if (dot)
            *dot = 0;
    }
}

static void warn(struct adding *a, const char *text)
{
    if (a->r->n_warning < 8)
        snprintf(a->r->warning[a->r->n_warning++], sizeof a->r->warning[0], "%s", text);
}

/* The database to write: the source's own, where it is of this archive or there is none; else one beside it. *moves: its name comes later.
 * 1: there is nothing to do. */
static int open_target(struct adding *a, const struct source_about *want, int *moves, struct error *err)
{
    struct source *s = &a->store;
    char path[PATH_MAX];
    library_path(path, a->o->dir, a->r->name, 0);
    if (source_open(s, path, a->r->name, 1, err))
        return -1;
    if (*s->source.kind && strcmp(s->source.kind, "zim"))
        return error_set(err, ERR_INPUT,
                         "the library has a source %s that is no archive; give this one another name: --name N",
                         a->r->name);
    int is_same = strcmp(s->source.identity, want->identity) == 0 && s->source.rules == TEXT_RULES;
    if (is_same && s->source.is_ready) {
        if (strcmp(s->source.path, want->path)) { /* it was moved */
            memcpy(s->source.path, want->path, sizeof want->path);
            return source_transaction(s, err) || source_commit(s, err) ? -1 : 1;
        }
        return 1;
    }
    *moves = *s->source.kind && !is_same;
    if (*moves && strcmp(want->date, s->source.date) < 0)
        return error_set(
            err, ERR_INPUT,
            "%s in the library is of %s and this archive of %s; to have the older one, first: stoker library remove %s",
            a->r->name, s->source.date, want->date, a->r->name);
    if (*moves) {
        source_close(s);
        library_path(path, a->o->dir, a->r->name, 1);
        if (source_open(s, path, a->r->name, 1, err))
            return -1;
        if (*s->source.kind && (strcmp(s->source.identity, want->identity) || s->source.rules != TEXT_RULES)) {
            source_close(s);
            library_unlink(path);
            if (source_open(s, path, a->r->name, 1, err))
                return -1;
        }
    }
    if (!*s->source.kind)
        s->source = *want;
    return 0;
}

static int add_page(struct adding *a, struct zim *z, const struct zim_entry *e, struct error *err)
{
    const uint8_t *data;
    size_t n;
    struct error skip = {0};
    if (zim_blob(z, e, ADD_HTML_MOST, &data, &n, &skip)) {
        add_skip(a, skip.text);
        return skip.code == ERR_IO ? error_set(err, skip.code, "%s", skip.text) : 0;
    }
    struct text_memory memory = {(const char *)data, n};
    struct text_input in = text_of_memory(&memory);
    struct source_article about = {.path = e->path, .title = e->title, .cluster = e->cluster, .blob = e->blob};
    if (source_article(&a->store, &about, err) || add_document(a, ADD_HTML, &in, -1, e->title, err))
        return -1;
    if (a->chunk_error.code != ERR_NONE) {
        *err = a->chunk_error;
        return -1;
    }
    a->r->n_new++;
    return source_article_end(&a->store, err);
}

/* ---- the order of articles ---------------------------------------- */

/* Articles of neighbouring paths may be in clusters far apart. So entries are taken in windows of ADD_WINDOW articles, and a window in the
 * order of its clusters, each of which is decompressed once then. The cursor of a source counts articles in this order. */
struct window {
    uint32_t from, to; /* entries */
    int64_t before;    /* articles of the windows before it */
    size_t n, cap;
    uint64_t *article; /* cluster, then entry */
};

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* An entry that cannot be read is one sentence: -1 where the file itself cannot. */
static int read_entry(struct adding *a, struct zim *z, uint32_t i, struct zim_entry *e, int *is_read, struct error *err)
{
    struct error skip = {0};
    *is_read = zim_entry(z, i, e, &skip) == 0;
    if (*is_read)
        return 0;
    if (a)
        add_skip(a, skip.text);
    return skip.code == ERR_IO ? error_set(err, skip.code, "%s", skip.text) : 0;
}

/* The window behind the last one. a: who is told of bad entries, or NULL. */
static int next_window(struct adding *a, struct zim *z, struct window *w, struct zim_entry *e, struct error *err)
{
    uint32_t n = zim_about(z)->n_entry;
    int failed = 0, is_read;
    w->before += (int64_t)w->n;
    w->n = 0;
    w->from = w->to;
    for (; !failed && w->to < n && w->n < w->cap; w->to++) {
        failed = read_entry(a, z, w->to, e, &is_read, err);
        if (!failed && is_read && zim_is_article(z, e))
            w->article[w->n++] = (uint64_t)e->cluster << 32 | w->to;
    }
    qsort(w->article, w->n, sizeof *w->article, compare);
    return failed;
}

/* From the cursor to the window's end: 0, 1 stopped, -1. */
static int add_window(struct adding *a, struct zim *z, const struct window *w, struct zim_entry *e, struct error *err)
{
    int64_t *cursor = &a->store.source.cursor;
    int state = 0, is_read;
    while (state == 0 && *cursor < w->before + (int64_t)w->n) {
        int64_t i = *cursor - w->before;
        state = read_entry(a, z, (uint32_t)w->article[i], e, &is_read, err);
        if (state == 0 && is_read)
            state = add_page(a, z, e, err);
        *cursor += 1;
        a->r->done = w->from + (w->to - w->from) * (i + 1) / (int64_t)w->n;
        if (state == 0)
            state = add_batch(a, err);
    }
    return state;
}

/* From the cursor to the end: 0, 1 stopped, -1. */
static int add_entries(struct adding *a, struct zim *z, struct error *err)
{
    struct zim_entry *e = malloc(sizeof *e);
    uint32_t n = zim_about(z)->n_entry;
    struct window w = {.cap = a->o->window ? a->o->window : ADD_WINDOW};
    w.article = malloc(w.cap * sizeof *w.article);
    int state = e && w.article ? source_transaction(&a->store, err)
                               : error_set(err, ERR_MEMORY, "no memory for the order of articles");
    a->r->total = n;
    while (state == 0 && w.to < n) {
        int64_t cursor = a->store.source.cursor;
        state = next_window(cursor < w.before + (int64_t)(w.n + w.cap) ? a : NULL, z, &w, e, err);
        if (state == 0)
            state = add_window(a, z, &w, e, err);
    }
    free(w.article);
    free(e);
    return state;
}

/* Before another database takes the place of this one, whose vectors go with it. */
static int had_vectors(struct adding *a)
{
    char path[PATH_MAX];
    struct source old;
    struct source_vectors v = {.n_row = 0};
    struct error ignored = {0};
    library_path(path, a->o->dir, a->r->name, 0);
    if (source_open(&old, path, a->r->name, 0, &ignored))
        return 0;
    source_vectors_read(&old, &v, &ignored);
    source_close(&old);
    return v.n_row > 0;
}

static int finish(struct adding *a, int moves, struct error *err)
{
    char from[PATH_MAX], to[PATH_MAX];
    struct source *s = &a->store;
    s->source.is_ready = 1;
    if (source_commit(s, err))
        return -1;
    sqlite3_exec(s->db, "PRAGMA wal_checkpoint(TRUNCATE)", NULL, NULL, NULL);
    if (!moves)
        return 0;
    a->r->n_article = s->source.n_article;
    a->r->n_chunk = s->source.n_chunk;
    a->r->has_lost_vectors = had_vectors(a);
    sqlite3_exec(s->db, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL); /* all of it is in the one file that moves */
    source_close(s);
    library_path(from, a->o->dir, a->r->name, 1);
    library_path(to, a->o->dir, a->r->name, 0);
    char beside[PATH_MAX + 8];
    snprintf(beside, sizeof beside, "%s-wal", to);
    unlink(beside);
    snprintf(beside, sizeof beside, "%s-shm", to);
    unlink(beside);
    return rename(from, to) ? error_set(err, ERR_IO, "%s: %s", to, strerror(errno))
                            : source_open(s, to, a->r->name, 1, err);
}

int add_zim(struct adding *a, const char *path, struct error *err)
{
    struct zim *z;
    struct source_about want;
    char name[128];
    int moves = 0, state;
    if (html_ready(err) || zim_open(&z, path, a->o->verify, err))
        return -1;
    for (int i = 0; i < zim_about(z)->n_warning; i++)
        warn(a, zim_about(z)->warning[i]);
    describe(z, path, &want);
    if (!*want.license)
        warn(a, "it does not say what its license is");
    choose_name(z, path, a->o, name, sizeof name);
    state = zim_about(z)->n_entry == 0 ? error_set(err, ERR_INPUT, "%s holds no articles", zim_about(z)->name)
                                       : add_begin(a, name, err);
    if (state == 0)
        state = open_target(a, &want, &moves, err);
    a->r->is_unchanged = state == 1;
    if (state == 0) {
        state = add_entries(a, z, err);
        if (state == 0 && a->store.source.n_article == 0)
            state = error_set(err, ERR_INPUT, "%s holds no articles", zim_about(z)->name);
        if (state == 0)
            state = finish(a, moves, err);
    }
    zim_close(z);
    return state < 0 ? -1 : 0;
}
