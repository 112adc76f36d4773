/* stoker library search and open: passages and articles. */
#include "cli/library/library.h"
#include "cli/library/print_json.h"

#include "base/error.h"
#include "base/utf8.h"
#include "library/library.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of a database that another program may have written: no control characters for the terminal. */
static void print_heading(const char *heading)
{
    char shown[8 * 512];
    for (; *heading; heading += *heading == '\n') {
        size_t n = strcspn(heading, "\n");
        snprintf(shown, sizeof shown, "%.*s", (int)n, heading);
        utf8_make_plain(shown);
        fputs(shown, stdout);
        heading += n;
        if (*heading)
            fputs(" > ", stdout);
    }
}

/* The query: all arguments, a space between them. free() it. */
static char *join(const struct library_command *c)
{
    size_t n = 1;
    for (int i = 0; i < c->n_rest; i++)
        n += strlen(c->rest[i]) + 1;
    char *query = calloc(1, n);
    for (int i = 0; query && i < c->n_rest; i++) {
        strcat(query, i ? " " : "");
        strcat(query, c->rest[i]);
    }
    return query;
}

static int warned(const struct error *err)
{
    if (err->code != ERR_NONE)
        fprintf(stderr, "stoker: %s\n", err->text);
    return err->code != ERR_NONE;
}

static void print_hits(const struct library_command *c, const struct library *l, const struct search_result *r)
{
    json_t *list = c->json ? json_array() : NULL;
    for (int i = 0; i < r->n; i++) {
        const struct search_hit *h = &r->hit[i];
        if (c->json) {
            json_array_append_new(list, library_hit_json(l->list[h->source], h, i + 1));
            continue;
        }
        printf("%s%d. ", i ? "\n" : "", i + 1);
        print_heading(h->heading);
        printf("\n   %s:%" PRId64 ":%" PRId64 "  %.*f\n%s\n", l->list[h->source]->name, h->article, h->chunk,
               r->n_by_vector || r->is_ranked ? 4 : 2, h->score, h->text);
    }
    if (c->json)
        print_json(json_pack("{s:o, s:i, s:i}", "results", list, "sources", l->n, "dropped", r->n_dropped));
    else if (r->n == 0)
        printf("nothing found\n");
}

/* 1: something could not be searched as it should; 0; -1: nothing was, after a sentence. */
static int find(const struct library_command *c, struct library *l, const char *query, struct library_models *m)
{
    static struct search_result r;
    struct error err = {0}, none = {0};
    const struct library_query q = {.text = query, .n = strlen(query), .limit = c->limit};
    if (l->n && (library_models_check("library", m) || library_models_open(m)))
        return -1;
    if (l->n && library_models_join(m, l, 0, &none) == 0) /* of some sources the search says it */
        warned(&none);
    int failed = library_find(l, l->list, l->n, &q, &r, &err), is_warned = warned(&err);
    if (failed)
        return -1;
    print_hits(c, l, &r);
    library_found_free(l, &r);
    return is_warned;
}

int library_cmd_search(const struct library_command *c)
{
    struct library_models models = {
        .embed = c->embed, .rerank = c->rerank, .memory = c->memory, .beside = LIBRARY_BESIDE};
    struct library l;
    struct error missing = {0};
    char *query = join(c);
    source_begin();
    library_open(&l, c->dir, c->sources.text, c->sources.n, &missing);
    if (l.n == 0 && missing.code == ERR_NONE)
        error_set(&missing, ERR_INPUT, "the library in %s has no sources; stoker library add makes one", c->dir);
    int is_missing = warned(&missing), state = query ? find(c, &l, query, &models) : -1;
    int is_less = (is_missing || state == 1) && (l.n == 0 || c->sources.n); /* than was asked for */
    library_models_close(&models);
    library_close(&l);
    free(query);
    return state < 0 || is_less;
}

/* ---- open ------------------------------------------------------------------------------------------ */

/* What is shown: a query for chunks, ordered. */
struct shown {
    struct source *s;
    sqlite3_stmt *chunks; /* article, start, length, heading, anchor, path, title */
    char heading[8 * 512];
    int n;
};

static void print_chunk(struct shown *o, const char *heading, const char *text)
{
    if (o->n == 0 || strcmp(o->heading, heading)) {
        printf("%s# ", o->n ? "\n" : "");
        print_heading(heading);
        putchar('\n');
        snprintf(o->heading, sizeof o->heading, "%s", heading);
    }
    printf("%s\n", text);
}

static const char *column(sqlite3_stmt *q, int i)
{
    const unsigned char *t = sqlite3_column_text(q, i);
    return t ? (const char *)t : "";
}

static int show_all(struct shown *o, int json, struct error *err)
{
    json_t *sections = json_array(), *whole = NULL;
    int failed = 0;
    while (!failed && sqlite3_step(o->chunks) == SQLITE_ROW) {
        sqlite3_stmt *q = o->chunks;
        char *text = source_text(o->s, sqlite3_column_int64(q, 0), sqlite3_column_int64(q, 1),
                                 sqlite3_column_int64(q, 2), err);
        if (!text) {
            failed = -1;
            break;
        }
        if (json) {
            if (!whole)
                whole = json_pack("{s:s, s:o, s:o, s:s}", "source", o->s->name, "path", library_text_json(column(q, 5)),
                                  "title", library_text_json(column(q, 6)), "date", o->s->source.date);
            json_array_append_new(sections,
                                  json_pack("{s:o, s:o, s:o}", "heading", library_heading_json(column(q, 3)), "anchor",
                                            library_text_json(column(q, 4)), "text", library_text_json(text)));
        } else {
            print_chunk(o, column(q, 3), text);
        }
        free(text);
        o->n++;
    }
    if (whole) {
        json_object_set(whole, "passages", sections);
        print_json(whole);
    }
    json_decref(sections);
    return failed;
}

#define COLUMNS                                                                                                        \
    "SELECT c.article, c.start, c.length, c.heading, c.anchor, a.path, a.title FROM article a JOIN chunk c ON c.id "   \
    ">= a.first"                                                                                                       \
    " AND c.id < a.first + a.chunks "

static sqlite3_stmt *by_id(struct source *s, int64_t article, int64_t chunk, struct error *err)
{
    sqlite3_stmt *q = source_prepare(s, COLUMNS "WHERE a.id = ? AND c.id = ?", err);
    if (q) {
        sqlite3_bind_int64(q, 1, article);
        sqlite3_bind_int64(q, 2, chunk);
    }
    return q;
}

/* With an anchor: the section alone. */
static sqlite3_stmt *by_path(struct source *s, const char *path, const char *anchor, struct error *err)
{
    sqlite3_stmt *q = source_prepare(s, COLUMNS "WHERE a.path = ?1 AND (?2 = '' OR c.anchor = ?2) ORDER BY c.id", err);
    if (q) {
        sqlite3_bind_text(q, 1, path, -1, SQLITE_TRANSIENT);
        sqlite3_bind_text(q, 2, anchor, -1, SQLITE_TRANSIENT);
    }
    return q;
}

int library_cmd_open(const struct library_command *c)
{
    struct library l = {.n = 0};
    struct error err = {0};
    char name[128];
    const char *what = c->rest[0];
    size_t n = strcspn(what, ":/");
    int64_t article = 0, chunk = 0;
    int used = 0, is_id = what[n] == ':' &&
                          sscanf(what + n, ":%" SCNd64 ":%" SCNd64 "%n", &article, &chunk, &used) == 2 &&
                          !what[n + (size_t)used];
    if (!what[n] || n >= sizeof name || (what[n] == ':' && !is_id)) {
        fprintf(stderr, "stoker library open: \"%s\" is neither NAME:ARTICLE:CHUNK nor NAME/PATH\n", what);
        return 2;
    }
    memcpy(name, what, n);
    name[n] = 0;
    const char *names[] = {name};
    source_begin();
    library_open(&l, c->dir, names, 1, &err);
    struct shown o = {.s = l.n ? l.list[0] : NULL};
    if (l.n && is_id) {
        o.chunks = by_id(o.s, article, chunk, &err);
    } else if (l.n) {
        char *path = strdup(what + n + 1), *hash = path ? strrchr(path, '#') : NULL;
        if (hash) {
            *hash = 0;
            o.chunks = by_path(o.s, path, hash + 1, &err);
        } else if (path) {
            o.chunks = by_path(o.s, path, "", &err);
        }
        free(path);
    }
    if (o.chunks && show_all(&o, c->json, &err) == 0 && o.n == 0)
        error_set(&err, ERR_INPUT, "%s has nothing at %s", name, what + n + 1);
    sqlite3_finalize(o.chunks);
    library_close(&l);
    return warned(&err);
}
