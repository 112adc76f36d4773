/* stoker library list, remove and check: the sources themselves. */
#include "cli/library/library.h"
#include "cli/library/print_json.h"

#include "base/error.h"
#include "base/utf8.h"
#include "library/library.h"
#include "library/source_lists.h"
#include "library/zim/zim.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static uint64_t size_of(const struct library *l, const struct source *s)
{
    char path[PATH_MAX];
    struct stat st;
    library_path(path, l->dir, s->name, 0);
    return stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

/* What `list` tells of a source's vectors. */
struct vectors_shown {
    struct source_vectors v;
    int n_list; /* 0: they are in no lists */
    int64_t n_listed, list_bytes;
};

static void read_vectors(struct source *s, struct vectors_shown *shown, struct error *err)
{
    struct lists lists;
    *shown = (struct vectors_shown){.n_list = 0};
    if (source_vectors_read(s, &shown->v, err) || !shown->v.about.bytes)
        return;
    if (source_lists_open(s, &shown->v, &lists, err) == 1) {
        shown->n_list = lists.n;
        shown->n_listed = lists.n_row;
        shown->list_bytes = lists.file.about.bytes;
    }
    lists_close(&lists);
    utf8_make_plain(shown->v.model);
}

static json_t *json_source(const struct library *l, const struct source *s, const struct vectors_shown *shown)
{
    const struct source_vectors *v = &shown->v;
    const struct source_about *o = &s->source;
    json_t *list = json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:b}", "name", s->name, "kind",
                             o->kind, "path", library_text_json(o->path), "title", library_text_json(o->title), "date",
                             library_text_json(o->date), "language", library_text_json(o->language), "license",
                             library_text_json(o->license), "articles", (json_int_t)o->n_article, "chunks",
                             (json_int_t)o->n_chunk, "bytes", (json_int_t)size_of(l, s), "ready", o->is_ready);
    if (v->about.bytes)
        json_object_update_new(list,
                               json_pack("{s:I, s:o, s:I}", "vectors", (json_int_t)v->n_row, "vector_model",
                                         library_text_json(v->model), "vector_bytes", (json_int_t)v->about.bytes));
    if (shown->n_list)
        json_object_update_new(list,
                               json_pack("{s:i, s:I, s:I}", "lists", shown->n_list, "listed_vectors",
                                         (json_int_t)shown->n_listed, "list_bytes", (json_int_t)shown->list_bytes));
    return list;
}

static void print_source(const struct library *l, const struct source *s, const struct vectors_shown *shown)
{
    const struct source_vectors *v = &shown->v;
    const struct source_about *o = &s->source;
    printf("%s  %s%s%s  %" PRId64 " articles, %" PRId64 " chunks, %s", s->name, o->title, *o->date ? ", " : "", o->date,
           o->n_article, o->n_chunk, show_bytes(size_of(l, s)));
    if (v->about.bytes)
        printf("; %" PRId64 " vectors by %s, %s", v->n_row, v->model, show_bytes((uint64_t)v->about.bytes));
    if (shown->n_list)
        printf("; %" PRId64 " of them in %d lists, %s", shown->n_listed, shown->n_list,
               show_bytes((uint64_t)shown->list_bytes));
    printf("%s\n   %s\n", o->is_ready ? "" : ", not complete: add it again", o->path);
}

int library_cmd_list(const struct library_command *c)
{
    struct library l;
    struct error err = {0};
    source_begin();
    library_open(&l, c->dir, NULL, 0, &err);
    int status = err.code != ERR_NONE;
    if (status)
        fprintf(stderr, "stoker: %s\n", err.text);
    json_t *list = json_array();
    for (int i = 0; i < l.n; i++) {
        struct source_about *s = &l.list[i]->source;
        utf8_make_plain(s->title);
        utf8_make_plain(s->date);
        utf8_make_plain(s->language);
        utf8_make_plain(s->license);
        utf8_make_plain(s->path);
        struct vectors_shown shown;
        struct error why = {0};
        read_vectors(l.list[i], &shown, &why);
        if (why.code != ERR_NONE) {
            fprintf(stderr, "stoker: %s\n", why.text);
            status = 1;
        }
        if (c->json)
            json_array_append_new(list, json_source(&l, l.list[i], &shown));
        else
            print_source(&l, l.list[i], &shown);
    }
    if (c->json)
        print_json(json_incref(list));
    else if (l.n == 0 && err.code == ERR_NONE)
        printf("no sources in %s\n", c->dir);
    json_decref(list);
    library_close(&l);
    return status;
}

int library_cmd_remove(const struct library_command *c)
{
    int status = 0;
    for (int i = 0; i < c->n_rest; i++) {
        struct error err = {0};
        if (library_remove(c->dir, c->rest[i], &err)) {
            fprintf(stderr, "stoker: %s\n", err.text);
            status = 1;
        }
    }
    return status;
}

/* Of the vectors that *v says. */
static void check_files(struct source *s, const struct source_vectors *v, struct error *err)
{
    struct segment segment;
    if (!v->about.bytes || source_vectors_open(s, v, 0, &segment, err))
        return;
    if (segment_check(&segment, err) == 0)
        source_lists_check(s, v, &segment, err);
    segment_close(&segment);
}

/* Another process may have added vectors meanwhile, and lists of them: then what was found is not all of one moment, and it is looked at
 * once more. */
static void check_vectors(struct source *s, struct error *err)
{
    struct source_vectors v, now;
    struct error ignored = {0};
    if (source_vectors_read(s, &v, err))
        return;
    for (int tries = 0; tries < 2; tries++, v = now) {
        *err = (struct error){0};
        check_files(s, &v, err);
        if (err->code == ERR_NONE || source_vectors_read(s, &now, &ignored) ||
            (now.about.id == v.about.id && now.about.bytes == v.about.bytes))
            return;
    }
}

/* A sentence in *err: what is wrong with the database, its vectors, their lists, or with the archive that it was made of. */
static void check(struct source *s, struct error *err)
{
    sqlite3_stmt *q = source_prepare(s, "PRAGMA integrity_check(1)", err);
    if (q && (sqlite3_step(q) != SQLITE_ROW || strcmp((const char *)sqlite3_column_text(q, 0), "ok")))
        error_set(err, ERR_FORMAT, "%s: its database is damaged; stoker library remove %s, then add it again", s->name,
                  s->name);
    sqlite3_finalize(q);
    if (err->code == ERR_NONE)
        check_vectors(s, err);
    if (err->code == ERR_NONE && access(s->source.path, R_OK))
        error_set(err, ERR_INPUT, "%s: %s %s%s; what was added of it is still found", s->name, s->source.path,
                  errno == ENOENT ? "is not there" : "cannot be read: ", errno == ENOENT ? "" : strerror(errno));
    struct zim *z;
    if (err->code == ERR_NONE && strcmp(s->source.kind, "zim") == 0 && zim_open(&z, s->source.path, 1, err) == 0)
        zim_close(z);
}

int library_cmd_check(const struct library_command *c)
{
    struct library l;
    struct error missing = {0};
    json_t *list = json_array();
    source_begin();
    library_open(&l, c->dir, NULL, 0, &missing);
    int status = missing.code != ERR_NONE;
    if (status)
        fprintf(stderr, "stoker: %s\n", missing.text);
    for (int i = 0; i < l.n; i++) {
        struct error err = {0};
        check(l.list[i], &err);
        status |= err.code != ERR_NONE;
        if (c->json)
            json_array_append_new(list, json_pack("{s:s, s:b, s:s}", "name", l.list[i]->name, "whole",
                                                  err.code == ERR_NONE, "error", err.text));
        else
            printf("%s  %s\n", l.list[i]->name, err.code == ERR_NONE ? "whole" : err.text);
    }
    if (c->json)
        print_json(json_incref(list));
    json_decref(list);
    library_close(&l);
    return status;
}
