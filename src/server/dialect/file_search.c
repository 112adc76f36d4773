/* Responses' file_search: see file_search.h.
 *
 *     {"type": "file_search",             "library": {
 *      "vector_store_ids": names,          "sources": the same; absent or empty: all
 *      "max_num_results": 1..50,           "limit": the same, at most 8
 *      }, max_tool_calls: n                "rounds": n searches and the answer, at most 8 }
 *
 * A search is a call of search_library or open_article. An item's queries are what was searched for, or the passage whose article was
 * opened, as the model wrote it; its results the passages that the model was given. */
#include "server/dialect/file_search.h"

#include "base/reqmem.h"
#include "base/utf8.h"
#include "server/request/origin.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { RESULTS_MOST = 50 }; /* that OpenAI's clients may ask for */

/* ---- the tool -------------------------------------------------------------------------------------------------------------- */

/* What would change what is found, and is not here. */
static int check_unsupported(const json_t *tool, const struct json_at *at, struct refusal *r)
{
    const struct json_at here = {at, "ranking_options", 0};
    const json_t *options = NULL;
    double least = 0;
    if (json_get(tool, "filters"))
        return json_refuse(r, "unsupported", at, "filters",
                           "is not supported: name the sources to search in vector_store_ids");
    if (json_get_object(tool, at, "ranking_options", &options, r) < 0 ||
        (options && json_get_real(options, &here, "score_threshold", 0, 0, 1, &least, r) < 0))
        return -1;
    if (least > 0)
        return json_refuse(r, "unsupported", &here, "score_threshold",
                           "must be 0: scores of the library are not within a range");
    return json_get(options, "hybrid_search")
               ? json_refuse(r, "unsupported", &here, "hybrid_search", "is not supported: lists count alike")
               : 0;
}

int file_search_read(json_t *chat, json_t *origins, const json_t *body, const json_t *tool, const struct json_at *at,
                     struct refusal *r)
{
    static const char field[] = "library";
    const json_t *names;
    int64_t most, calls;
    if (json_get(chat, field))
        return json_refuse(r, "invalid_value", at, NULL,
                           "asks for the library, as an earlier file_search or the field library does: send one");
    if (check_unsupported(tool, at, r) < 0)
        return -1;
    json_t *library = json_object();
    if (json_put(r, chat, field, library) < 0)
        return -1;
    int got = json_get_array(tool, at, "vector_store_ids", &names, r);
    if (got > 0 && json_array_size(names) > 0) {
        if (origin_note(origins, at, "vector_store_ids", "library.sources"))
            return refuse_memory(r);
        json_put(r, library, "sources", json_incref((json_t *)names));
    }
    if (got >= 0 && (got = json_get_int(tool, at, "max_num_results", 1, RESULTS_MOST, &most, r)) > 0)
        json_put(r, library, "limit", json_integer(most < LIBRARY_LIMIT_MOST ? most : LIBRARY_LIMIT_MOST));
    if (got >= 0 && json_get_int(body, NULL, "max_tool_calls", 0, INT64_MAX, &calls, r) > 0)
        json_put(r, library, "rounds", json_integer(calls < TOOLBOX_ROUNDS ? calls + 1 : TOOLBOX_ROUNDS));
    return r->status ? -1 : 0;
}

/* ---- items that come back -------------------------------------------------------------------------------------------------- */

/* NAME:ARTICLE:CHUNK. -1: it is none. */
static int read_id(const char *id, char *name, size_t size, int64_t *article, int64_t *chunk)
{
    char end;
    const char *colon = id ? strchr(id, ':') : NULL;
    if (!colon || (size_t)(colon - id) >= size ||
        sscanf(colon, ":%" SCNd64 ":%" SCNd64 "%c", article, chunk, &end) != 2)
        return -1;
    snprintf(name, size, "%.*s", (int)(colon - id), id);
    utf8_make_plain(name);
    return 0;
}

static void copy_line(char *out, size_t size, const json_t *from, const char *key)
{
    const char *text = json_string_value(json_object_get(from, key));
    snprintf(out, size, "%s", text ? text : "");
    utf8_make_plain(out);
}

/* Appends a passage as the model was given it; what is no result of ours is left out. -1: no memory. */
static int recall_passage(struct out *o, struct passages *known, const json_t *result)
{
    static const char begin[] = "/library/";
    char name[128], title[300], date[40];
    const json_t *about = json_object_get(result, "attributes");
    const char *url = json_string_value(json_object_get(about, "url")),
               *text = json_string_value(json_object_get(result, "text"));
    struct passage p = {.source = name, .title = title, .date = date, .url = (char *)url};
    if (!url || !text || strncmp(url, begin, sizeof begin - 1) != 0 ||
        read_id(json_string_value(json_object_get(result, "file_id")), name, sizeof name, &p.article, &p.chunk) < 0)
        return 0;
    copy_line(title, sizeof title, about, "title");
    copy_line(date, sizeof date, about, "date");
    int number = passages_number(known, &p);
    if (number == 0)
        return known->n < PASSAGES_MOST ? -1 : 0;
    out_print(o, "%s[%d] %s (%s%s%s)\n%s\n", o->n ? "\n" : "", number, title, name, *date ? ", " : "", date, text);
    return o->failed ? -1 : 0;
}

json_t *file_search_recall(struct passages *known, const json_t *item, struct refusal *r)
{
    const json_t *results = json_object_get(item, "results"),
                 *query = json_array_get(json_object_get(item, "queries"), 0);
    const char *id = json_string_value(json_object_get(item, "id"));
    struct out text = {0}, arguments = {0};
    int failed = 0, is_search = json_get(json_array_get(results, 0), "score") != NULL;
    json_t *call = NULL;
    for (size_t i = 0; !failed && i < json_array_size(results); i++)
        failed = recall_passage(&text, known, json_array_get(results, i));
    if (text.n || failed) {
        out_print(&arguments, is_search ? "{\"query\": " : "{\"id\": ");
        out_string(&arguments, json_string_value(query), json_string_length(query));
        out_print(&arguments, "}");
        failed |= arguments.failed;
        call = failed ? NULL
                      : json_pack("{s:s, s:s, s:o, s:o}", "call_id", id ? id : "fs", "name",
                                  is_search ? "search_library" : "open_article", "arguments",
                                  json_stringn(arguments.text, arguments.n), "output", json_stringn(text.text, text.n));
        if (!call)
            refuse_memory(r);
    }
    out_free(&text);
    out_free(&arguments);
    return call;
}

void file_search_keep(struct request *w, struct passages *known)
{
    if (!w->own || !w->own->talk.library)
        return;
    w->own->talk.passages = *known;
    *known = (struct passages){0};
}

/* ---- items ----------------------------------------------------------------------------------------------------------------- */

struct file_search *file_search_begin(const struct lookup *l)
{
    struct file_search *s = reqmem_calloc(1, sizeof *s);
    if (!s)
        return NULL;
    const json_t *query = json_get(l->arguments, "query"), *subject = query ? query : json_get(l->arguments, "id");
    out_print(&s->queries, "[");
    out_string(&s->queries, json_string_value(subject), json_string_length(subject));
    out_print(&s->queries, "]");
    if (!s->queries.failed)
        return s;
    file_search_free(s);
    return NULL;
}

void file_search_free(struct file_search *s)
{
    if (!s)
        return;
    out_free(&s->queries);
    out_free(&s->results);
    reqmem_free(s);
}

/* The id by which GET /v1/library/article/ID knows the passage. */
static void put_id(struct out *o, const struct passage *p)
{
    struct out id = {0};
    out_print(&id, "%s:%" PRId64 ":%" PRId64, p->source, p->article, p->chunk);
    out_string(o, id.text, id.n);
    o->failed |= id.failed;
    out_free(&id);
}

/* The path that an address has: /library/NAME/PATH#ANCHOR. */
static void put_path(struct out *o, const char *url)
{
    static const char begin[] = "/library/";
    const char *slash = strchr(url + sizeof begin - 1, '/'), *path = slash ? slash + 1 : url;
    size_t n = strcspn(path, "#");
    struct out plain = {0};
    for (size_t i = 0; i < n; i++) {
        unsigned code;
        char byte = path[i];
        if (byte == '%' && sscanf(path + i + 1, "%2x", &code) == 1) {
            byte = (char)code;
            i += 2;
        }
        out_bytes(&plain, &byte, 1);
    }
    out_string(o, plain.text, plain.n);
    o->failed |= plain.failed;
    out_free(&plain);
}

static void put_result(struct out *o, const struct passage *p, const struct lookup *l, const struct library_found *f)
{
    size_t to = f->to < l->n_result ? f->to : l->n_result, from = f->from < to ? f->from : to;
    out_print(o, "{\"file_id\":");
    put_id(o, p);
    out_print(o, ",\"filename\":");
    put_path(o, p->url);
    if (isfinite(f->score)) {
        out_print(o, ",\"score\":");
        out_real(o, f->score);
    }
    out_print(o, ",\"text\":");
    out_string(o, l->result + from, to - from);
    out_print(o, ",\"attributes\":{\"n\":%d,\"title\":", f->number);
    out_text(o, p->title);
    out_print(o, ",\"source\":");
    out_text(o, p->source);
    out_print(o, ",\"date\":");
    out_text(o, p->date);
    out_print(o, ",\"url\":");
    out_text(o, p->url);
    out_print(o, "}}");
}

int file_search_end(struct file_search *s, const struct answer *a, const struct lookup *l, int wants_results)
{
    s->is_failed = toolbox_is_error(l->result, l->n_result);
    if (!wants_results)
        return 0;
    out_print(&s->results, "[");
    for (size_t i = 0; i < l->n_found; i++) {
        const struct passage *p = passages_get(&a->request->own->talk.passages, l->found[i].number);
        out_print(&s->results, i ? "," : "");
        put_result(&s->results, p, l, &l->found[i]);
    }
    out_print(&s->results, "]");
    return s->results.failed ? -1 : 0;
}

void file_search_put(struct out *o, const struct file_search *s)
{
    out_print(o, "\"queries\":");
    out_bytes(o, s->queries.text, s->queries.n);
    out_print(o, ",\"results\":");
    if (s->results.n)
        out_bytes(o, s->results.text, s->results.n);
    else
        out_print(o, "null");
}
