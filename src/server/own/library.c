/* /v1/library/...: the sources, a search by words, an article's text (library.md 13). The sources are one thread's at a time, and a search
 * ends when its client leaves. */
#include "base/clock.h"
#include "base/error.h"
#include "base/reqmem.h"
#include "library/article.h"
#include "server/answer/answer.h"
#include "server/http/http.h"
#include "server/http/json.h"
#include "server/own/own.h"
#include "server/own/path.h"
#include "server/request/service.h"

#include <inttypes.h>
#include <string.h>

enum { RESULTS = 10, NAME = 128 };

static int has_library(struct http_exchange *x, struct refusal *r)
{
    return x->server->library
               ? 0
               : refuse(r, 400, "unsupported", NULL, "this server has no library: start it with --library");
}

/* What went wrong there as a refusal. */
static int refuse_library(struct refusal *r, const struct error *err)
{
    if (err->code == ERR_CANCELLED)
        return refuse_draining(r);
    if (err->code == ERR_MEMORY)
        return refuse_memory(r);
    return refuse(r, err->code == ERR_INPUT ? 404 : 500, err->code == ERR_INPUT ? "not_found" : NULL, NULL, "%s",
                  err->text);
}

/* ---- sources --------------------------------------------------------------------------------------------------- */

static void put_source(struct out *o, const struct source *s)
{
    const struct source_about *a = &s->source;
    struct buffer url = {0};
    const struct {
        const char *name, *text;
    } texts[] = {
        {"title", a->title}, {"kind", a->kind}, {"date", a->date}, {"language", a->language}, {"license", a->license}};
    out_print(o, "{\"name\":");
    out_text(o, s->name);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        out_print(o, ",\"%s\":", texts[i].name);
        out_text(o, texts[i].text);
    }
    out_print(o, ",\"articles\":%" PRId64 ",\"chunks\":%" PRId64 ",\"ready\":%s,\"url\":", a->n_article, a->n_chunk,
              a->is_ready ? "true" : "false");
    library_url(&url, s->name, "", "");
    if (strcmp(a->kind, "zim") == 0) /* its main page */
        out_string(o, url.text, url.n);
    else
        out_print(o, "null");
    out_print(o, "}");
    o->failed |= url.failed;
    buffer_free(&url);
}

void own_library_sources(struct http_exchange *x)
{
    struct refusal r = {0};
    struct out o = {0};
    const struct library *l = x->server->library;
    if (has_library(x, &r)) {
        http_refuse(x, &r);
        return;
    }
    out_print(&o, "{\"sources\":[");
    for (int i = 0; i < l->n; i++) {
        out_print(&o, i ? "," : "");
        put_source(&o, l->list[i]);
    }
    out_print(&o, "]}");
    http_answer_json(x, &o);
}

/* ---- search ---------------------------------------------------------------------------------------------------- */

enum search_mode { AUTO, TEXT, VECTOR, HYBRID };

struct wanted {
    int mode, is_ranked;
    const char *query;
    size_t n_query;
    int64_t limit;
    struct source *source[SEARCH_SOURCES];
    int n;
};

static struct source *source_of(const struct library *l, const char *name)
{
    for (int i = 0; i < l->n; i++)
        if (strcmp(l->list[i]->name, name) == 0)
            return l->list[i];
    return NULL;
}

/* All sources, or those of the list, each once. */
static int read_sources(struct wanted *v, const struct library *l, const json_t *body, struct refusal *r)
{
    const json_t *list = NULL;
    const struct json_at here = {NULL, "sources", 0};
    int has = json_get_array(body, NULL, "sources", &list, r);
    size_t n = has > 0 ? json_array_size(list) : (size_t)l->n;
    if (has < 0)
        return -1;
    if (has > 0 && (n == 0 || n > SEARCH_SOURCES))
        return json_refuse(r, "invalid_value", NULL, "sources", "has %zu names; it may have 1 to %d", n,
                           SEARCH_SOURCES);
    for (size_t i = 0; i < n; i++) {
        const json_t *name = has > 0 ? json_array_get(list, i) : NULL;
        const struct json_at at = {&here, NULL, i};
        if (name && !json_is_string(name))
            return json_refuse(r, "invalid_type", &at, NULL, "must be a string, not %s", json_kind(name));
        struct source *s = name ? source_of(l, json_string_value(name)) : l->list[i];
        if (!s)
            return json_refuse(r, "invalid_value", &at, NULL, "names no source of this server's library");
        int known = 0;
        for (int k = 0; k < v->n; k++)
            known |= v->source[k] == s;
        if (!known)
            v->source[v->n++] = s;
    }
    return 0;
}

static int read_wanted(struct wanted *v, const struct library *l, const json_t *body, struct refusal *r)
{
    static const char *const modes[] = {[AUTO] = "auto", [TEXT] = "text", [VECTOR] = "vector", [HYBRID] = "hybrid"};
    int mode = AUTO, has = json_get_text(body, NULL, "query", &v->query, &v->n_query, r);
    v->limit = RESULTS;
    if (has == 0)
        return json_missing(r, NULL, "query");
    if (has < 0 || json_get_int(body, NULL, "limit", 1, SEARCH_LIMIT, &v->limit, r) < 0 ||
        json_get_word(body, NULL, "mode", modes, sizeof modes / sizeof *modes, &mode, r) < 0)
        return -1;
    if (mode > TEXT && !l->encoder.encode)
        return json_refuse(r, "unsupported", NULL, "mode", "must be auto or text: this library has no vectors");
    v->is_ranked = l->ranker.rank != NULL;
    if (json_get_bool(body, NULL, "rerank", &v->is_ranked, r) < 0)
        return -1;
    if (v->is_ranked && !l->ranker.rank)
        return json_refuse(r, "unsupported", NULL, "rerank",
                           "must be false: this server has no model that ranks (--rerank)");
    v->mode = mode;
    return read_sources(v, l, body, r);
}

static int put_results(struct out *o, const struct wanted *v, const struct search_result *found, struct refusal *r)
{
    out_print(o, "{\"results\":[");
    for (int i = 0; i < found->n; i++) {
        json_t *hit = library_hit_json(v->source[found->hit[i].source], &found->hit[i], i + 1);
        if (!hit)
            return refuse_memory(r);
        out_print(o, i ? "," : "");
        out_value(o, hit);
        json_decref(hit);
    }
    out_print(o, "],\"dropped\":%d", found->n_dropped);
    return 0;
}

static int answer_search(struct out *o, struct http_exchange *x, const struct wanted *v, struct refusal *r)
{
    struct error err = {0};
    uint64_t began = clock_ns();
    struct search_result *found = reqmem_calloc(1, sizeof *found);
    const struct library_query q = {.text = v->query,
                                    .n = v->n_query,
                                    .limit = (int)v->limit,
                                    .no_words = v->mode == VECTOR,
                                    .no_vectors = v->mode == TEXT,
                                    .no_ranking = !v->is_ranked,
                                    .stopped = answer_nobody_waits,
                                    .arg = x};
    if (!found)
        return refuse_memory(r);
    int failed = 0;
    if (library_find(x->server->library, v->source, v->n, &q, found, &err) == 0) {
        failed = put_results(o, v, found, r);
        library_found_free(x->server->library, found);
    } else {
        failed = refuse_library(r, &err);
    }
    reqmem_free(found);
    out_print(o, ",\"ms\":%.3f", (double)(clock_ns() - began) * 1e-6);
    if (!failed && err.code != ERR_NONE) { /* a source that could not be read; the others answered */
        out_print(o, ",\"warning\":");
        out_text(o, err.text);
    }
    out_print(o, "}");
    return failed;
}

void own_library_search(struct http_exchange *x)
{
    struct refusal r = {0};
    struct out o = {0};
    struct wanted v = {.n = 0};
    json_t *body = json_read(x->body, x->n_body, &r);
    if (body && has_library(x, &r) == 0 && read_wanted(&v, x->server->library, body, &r) == 0)
        answer_search(&o, x, &v, &r);
    if (r.status)
        http_refuse(x, &r);
    else
        http_answer_json(x, &o);
    out_free(&o);
    json_decref(body);
}

/* ---- an article's text ----------------------------------------------------------------------------------------- */

struct reading {
    struct out *o;
    const struct source *source;
    int64_t article;
    int n;
};

static void put_list(struct out *o, const char *heading)
{
    out_print(o, "[");
    while (*heading) {
        size_t n = strcspn(heading, "\n");
        out_string(o, heading, n);
        heading += n + (heading[n] != 0);
        out_print(o, *heading ? "," : "");
    }
    out_print(o, "]");
}

static int take_part(void *arg, const struct article_part *p)
{
    struct reading *g = arg;
    struct out *o = g->o;
    struct buffer url = {0};
    if (g->n == 0) {
        library_url(&url, g->source->name, p->path, "");
        out_print(o, "{\"source\":");
        out_text(o, g->source->name);
        out_print(o, ",\"path\":");
        out_text(o, p->path);
        out_print(o, ",\"url\":");
        out_string(o, url.text, url.n);
        out_print(o, ",\"date\":");
        out_text(o, g->source->source.date);
        out_print(o, ",\"passages\":[");
    }
    out_print(o, g->n++ ? ",{\"heading\":" : "{\"heading\":");
    put_list(o, p->heading);
    out_print(o, ",\"anchor\":");
    out_text(o, p->anchor);
    out_print(o, ",\"text\":");
    out_text(o, p->text);
    out_print(o, "}");
    o->failed |= url.failed;
    buffer_free(&url);
    return o->failed;
}

/* NAME:ARTICLE:CHUNK, decoded. NULL: it is none of this library's. */
static struct source *find(const struct library *l, char *id, int64_t *article, int64_t *chunk)
{
    char *colon = strchr(id, ':'), end;
    if (!colon || sscanf(colon, ":%" SCNd64 ":%" SCNd64 "%c", article, chunk, &end) != 2)
        return NULL;
    *colon = 0;
    return source_of(l, id);
}

static int read_article(struct out *o, struct http_exchange *x, struct refusal *r)
{
    char id[NAME + 64];
    int64_t article = 0, chunk = 0, next = -1;
    struct error err = {0};
    struct library *l = x->server->library;
    struct source *s = path_decode(x->rest, id, sizeof id) ? NULL : find(l, id, &article, &chunk);
    if (!s)
        return refuse(r, 404, "not_found", NULL,
                      "the library has no passage of this id; a search gives them: NAME:ARTICLE:CHUNK");
    if (library_enter(l, answer_nobody_waits, x))
        return refuse_draining(r);
    struct reading g = {.o = o, .source = s, .article = article};
    int64_t from = article_section(s, article, chunk, &err);
    int failed = from < 0 || article_read(s, article, from, take_part, &g, &next, &err);
    library_leave(l);
    if (failed)
        return refuse_library(r, &err);
    if (next >= 0)
        out_print(o, "],\"next\":%" PRId64 "}", next);
    else
        out_print(o, "],\"next\":null}");
    return 0;
}

void own_library_article(struct http_exchange *x)
{
    struct refusal r = {0};
    struct out o = {0};
    if (has_library(x, &r) == 0)
        read_article(&o, x, &r);
    if (r.status)
        http_refuse(x, &r);
    else
        http_answer_json(x, &o);
    out_free(&o);
}
