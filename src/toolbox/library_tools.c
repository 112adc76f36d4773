/* See library_tools.h. A search gives whole passages, as many as the context has room for; an article ends behind a section. */
#include "toolbox/library_tools.h"

#include "base/json/load.h"
#include "base/reqmem.h"
#include "base/utf8.h"
#include "library/article.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ARTICLE = 8000, /* bytes of an article in one result: near 2,000 tokens */
    TITLE = 300,
    LEAST = 160 /* bytes of a passage that are worth showing */
};

static const char search_name[] = "search_library", open_name[] = "open_article";

static struct source *source_named(struct source *const *list, int n_source, const char *name, size_t n)
{
    for (int i = 0; i < n_source; i++)
        if (strlen(list[i]->name) == n && memcmp(list[i]->name, name, n) == 0)
            return list[i];
    return NULL;
}

/* ---- what the model is told ------------------------------------------------------------------------------ */

static json_t *names_of(const struct library_talk *t)
{
    json_t *list = json_array();
    for (int i = 0; i < t->n; i++) {
        json_t *name = json_string(t->source[i]->name); /* NULL: a file's name that is not UTF-8 */
        if (name)
            json_array_append_new(list, name);
    }
    return list;
}

static json_t *search_properties(const struct library_talk *t)
{
    json_t *p = json_pack("{s:{s:s, s:s}, s:{s:s, s:i, s:i}}", "query", "type", "string", "description", "words",
                          "limit", "type", "integer", "minimum", 1, "maximum", LIBRARY_LIMIT_MOST);
    json_t *names = names_of(t);
    if (p && json_array_size(names) > 1)
        json_object_set_new(p, "source", json_pack("{s:s, s:O}", "type", "string", "enum", names));
    json_decref(names);
    return p;
}

static json_t *tool(const char *name, const char *description, json_t *properties, const char *required)
{
    return json_pack("{s:s, s:{s:s, s:s, s:{s:s, s:o, s:[s], s:b}}}", "type", "function", "function", "name", name,
                     "description", description, "parameters", "type", "object", "properties", properties, "required",
                     required, "additionalProperties", 0);
}

static json_t *make_list(const struct library_talk *t)
{
    json_t *open = json_pack("{s:{s:s, s:s}, s:{s:s, s:i, s:s}}", "id", "type", "string", "description",
                             "number of a passage", "from", "type", "integer", "minimum", 0, "description",
                             "where to go on");
    return json_pack("[o, o]",
                     tool(search_name,
                          "Search the library on this computer. Gives numbered passages; cite those that you use: [1].",
                          search_properties(t), "query"),
                     tool(open_name, "Read the article of a passage, from its section on.", open, "id"));
}

/* The sources of these names. -1: there is none of a name. */
static int choose_sources(struct library_talk *t, const struct library *l, const char *const *names, int n_name,
                          struct error *err)
{
    unsigned char is_wanted[SEARCH_SOURCES] = {0};
    for (int i = 0; i < n_name; i++) {
        struct source *s = source_named(l->list, l->n, names[i], strlen(names[i]));
        if (!s) {
            error_set(err, ERR_INPUT, "the library has no source of this name");
            return error_field(err, "%d", i);
        }
        for (int k = 0; k < l->n; k++)
            is_wanted[k] |= l->list[k] == s;
    }
    for (int k = 0; k < l->n; k++)
        if (n_name == 0 || is_wanted[k])
            t->source[t->n++] = l->list[k];
    return 0;
}

int library_talk_begin(struct library_talk *t, struct library *l, const char *const *names, int n_name,
                       struct error *err)
{
    *t = (struct library_talk){.library = l, .limit = LIBRARY_LIMIT};
    if (choose_sources(t, l, names, n_name, err))
        return -1;
    t->list = make_list(t);
    t->text = t->list ? json_dumps(t->list, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;
    if (!t->text) {
        library_talk_end(t);
        return error_set(err, ERR_MEMORY, "no memory for the library's tools");
    }
    t->n_text = strlen(t->text);
    return 0;
}

void library_talk_end(struct library_talk *t)
{
    passages_free(&t->passages);
    json_decref(t->list);
    reqmem_free(t->text);
    *t = (struct library_talk){.n = 0};
}

/* ---- several threads ---------------------------------------------------------------------------------------- */

static void enter(struct library_talk *t)
{
    if (t->lock)
        pthread_mutex_lock(t->lock);
}

static void leave(struct library_talk *t)
{
    if (t->lock)
        pthread_mutex_unlock(t->lock);
}

/* So many of the oldest that a call finds numbers. */
static void forget_old(struct library_talk *t)
{
    struct passages *p = &t->passages;
    if (!t->lock)
        return;
    if (p->n > PASSAGES_MOST - LIBRARY_FOUND)
        passages_forget(p, PASSAGES_MOST / 2);
    if (p->before > PASSAGES_LAST - PASSAGES_MOST) /* numbers begin anew: what had one before is an older passage's */
        passages_free(p);
}

/* ---- passages ----------------------------------------------------------------------------------------------- */

/* A path of headings on one line, of a database that another program may have written. */
static void one_line(char out[TITLE], const char *heading)
{
    size_t n = 0;
    for (; *heading && n + 8 < TITLE; heading++) {
        if (*heading == '\n')
            n += (size_t)snprintf(out + n, 4, " > ");
        else
            out[n++] = *heading;
    }
    out[n] = 0;
    utf8_make_plain(out);
}

struct shown { /* of a passage */
    const struct source *source;
    int64_t article, chunk;
    const char *heading, *path, *anchor;
    double score;
};

static int number_of(struct library_talk *t, const struct shown *p, char *name, char *title, char *date)
{
    struct buffer url = {0};
    library_url(&url, p->source->name, p->path, p->anchor);
    buffer_put(&url, "", 1);
    int number = url.failed ? 0
                            : passages_number(&t->passages,
                                              &(struct passage){p->article, p->chunk, name, title, date, url.text});
    buffer_free(&url);
    return number;
}

/* The line above a passage, with its number. -1: no number is left. */
static int put_title(struct library_talk *t, const struct shown *p, struct buffer *out)
{
    const struct source *s = p->source;
    char title[TITLE], name[sizeof s->name], date[sizeof s->source.date], line[TITLE + sizeof name + sizeof date + 40];
    one_line(title, p->heading);
    snprintf(name, sizeof name, "%s", s->name);
    snprintf(date, sizeof date, "%s", s->source.date);
    utf8_make_plain(name);
    utf8_make_plain(date);
    int number = number_of(t, p, name, title, date);
    if (number == 0)
        return -1;
    snprintf(line, sizeof line, "%s[%d] %s (%s%s%s)\n", out->n ? "\n" : "", number, title, name, *date ? ", " : "",
             date);
    buffer_puts(out, line);
    if (t->n_found < LIBRARY_FOUND)
        t->found[t->n_found++] = (struct library_found){number, out->n, out->n, p->score};
    return 0;
}

/* What out ends with, but for the newline, is the text of the newest passage. */
static void end_text(struct library_talk *t, const struct buffer *out)
{
    if (t->n_found > 0)
        t->found[t->n_found - 1].to = out->n - 1;
}

/* Text in the room that is left; cut between characters where it is the only one. 1: it had none. */
static int put_text(struct buffer *out, const char *text, size_t space, int may_cut)
{
    size_t n = strlen(text), left = out->n < space ? space - out->n : 0;
    if (n + 1 > left && (!may_cut || left < LEAST))
        return 1;
    int is_cut = n + 1 > left;
    if (is_cut)
        for (n = left - 5; n > 0 && !utf8_begins(text[n]);)
            n--;
    buffer_put_valid(out, text, n);
    buffer_puts(out, is_cut ? " ...\n" : "\n");
    return 0;
}

static enum toolbox_end say(struct buffer *out, const char *what, const char *why)
{
    out->n = 0;
    buffer_puts(out, what);
    buffer_puts(out, why);
    return TOOLBOX_DONE;
}

static const char too_little[] = "error: the context has no room for a passage; answer from what is there";
static const char no_number[] = "error: this conversation has had its 512 passages; answer from what is there";

/* ---- search_library ------------------------------------------------------------------------------------------ */

static void put_hits(struct library_talk *t, struct source *const *list, const struct search_result *r, size_t space,
                     struct buffer *out)
{
    for (int i = 0; i < r->n; i++) {
        const struct search_hit *h = &r->hit[i];
        size_t before = out->n;
        int n_passage = t->passages.n;
        const struct shown p = {list[h->source], h->article, h->chunk, h->heading, h->path, h->anchor, h->score};
        if (put_title(t, &p, out)) {
            if (i == 0)
                say(out, no_number, "");
            return;
        }
        if (put_text(out, h->text, space, i == 0)) {
            out->n = before;
            passages_cut(&t->passages, n_passage); /* the model has not seen it */
            t->n_found--;
            if (i == 0)
                say(out, too_little, "");
            return;
        }
        end_text(t, out);
    }
}

/* The sources of a call: all, or the one that it names. 0: there is no such one. */
static int choose(const struct library_talk *t, const json_t *name, struct source **list)
{
    int n = 0;
    const char *only = json_string_value(name);
    for (int i = 0; i < t->n; i++)
        if (!only || strcmp(only, t->source[i]->name) == 0)
            list[n++] = t->source[i];
    return n;
}

/* For people, whatever the model makes of it. */
static void warn(struct library_talk *t, const struct error *err)
{
    if (err->code == ERR_CANCELLED) /* by whoever would have read it */
        return;
    if (t->lock)
        library_warn(t->library, err);
    else
        t->warning = *err;
}

static enum toolbox_end search_library(struct library_talk *t, const struct toolbox_call *c, const json_t *o,
                                       struct buffer *out)
{
    static const char broken[] = "error: search_library takes {\"query\": words, \"limit\": 1 to 8, \"source\": name}";
    const json_t *query = json_object_get(o, "query"), *limit = json_object_get(o, "limit"),
                 *source = json_object_get(o, "source");
    struct source *list[SEARCH_SOURCES];
    struct error err = {0};
    if (!json_is_string(query) || (limit && !json_is_integer(limit)) || (source && !json_is_string(source)))
        return say(out, broken, "");
    int n = choose(t, source, list);
    if (n == 0)
        return say(out, "error: there is no source of that name", "");
    json_int_t most = limit ? json_integer_value(limit) : t->limit;
    const struct library_query q = {.text = json_string_value(query),
                                    .n = json_string_length(query),
                                    .limit = most < 1                    ? 1
                                             : most > LIBRARY_LIMIT_MOST ? LIBRARY_LIMIT_MOST
                                                                         : (int)most,
                                    .stopped = c->stopped,
                                    .arg = c->stopped_arg};
    struct search_result *r = calloc(1, sizeof *r);
    int failed = r ? library_find(t->library, list, n, &q, r, &err)
                   : error_set(&err, ERR_MEMORY, "no memory to search");
    warn(t, &err);
    if (failed) {
        say(out, "error: ", err.text);
    } else {
        enter(t);
        forget_old(t);
        put_hits(t, list, r, c->space, out);
        leave(t);
        if (r->n == 0)
            say(out, "nothing was found", r->n_dropped ? "; fewer words may find more" : "");
        library_found_free(t->library, r);
    }
    free(r);
    return err.code == ERR_CANCELLED ? TOOLBOX_NONE : TOOLBOX_DONE;
}

/* ---- open_article --------------------------------------------------------------------------------------------- */

static int read_number(const char *text, size_t n, int64_t *v)
{
    char digits[24], *end;
    if (n == 0 || n >= sizeof digits)
        return -1;
    memcpy(digits, text, n);
    digits[n] = 0;
    errno = 0;
    *v = strtoll(digits, &end, 10);
    return *end || errno || *v < 0 || digits[0] < '0' || digits[0] > '9' ? -1 : 0;
}

/* A passage's number, in brackets or not, or NAME:ARTICLE:CHUNK. NULL: it is neither. */
static struct source *find(const struct library_talk *t, const char *id, int64_t *article, int64_t *chunk)
{
    size_t n = strlen(id);
    int64_t number;
    int bracket = n > 2 && id[0] == '[' && id[n - 1] == ']';
    if (read_number(id + bracket, n - 2 * (size_t)bracket, &number) == 0) {
        const struct passage *p = number <= PASSAGES_LAST ? passages_get(&t->passages, (long)number) : NULL;
        *article = p ? p->article : 0;
        *chunk = p ? p->chunk : 0;
        return p ? source_named(t->source, t->n, p->source, strlen(p->source)) : NULL;
    }
    const char *last = strrchr(id, ':'), *first = last;
    while (first && first > id && *--first != ':') {
    }
    if (!first || first == last || *first != ':' || read_number(last + 1, strlen(last + 1), chunk) ||
        read_number(first + 1, (size_t)(last - first) - 1, article))
        return NULL;
    return source_named(t->source, t->n, id, (size_t)(first - id));
}

struct reading {
    struct library_talk *talk;
    struct source *source;
    int64_t article;
    size_t space;
    struct buffer *out;
    int n;           /* parts taken */
    const char *why; /* nothing could be shown */
};

static int put_part(struct reading *r, const struct article_part *p)
{
    size_t before = r->out->n;
    int n_passage = r->talk->passages.n, n_found = r->talk->n_found;
    const struct shown shown = {r->source, r->article, p->chunk, p->heading, p->path, p->anchor, NAN};
    if (p->begins && put_title(r->talk, &shown, r->out)) {
        r->why = no_number;
        return 1;
    }
    if (put_text(r->out, p->text, r->space, r->n == 0)) {
        r->out->n = before;
        passages_cut(&r->talk->passages, n_passage);
        r->talk->n_found = n_found;
        r->why = too_little;
        return 1;
    }
    end_text(r->talk, r->out);
    r->n++;
    return 0;
}

/* An article's result ends behind a section once most of the room is taken, else where there is no more. */
static int take_part(void *arg, const struct article_part *p)
{
    struct reading *r = arg;
    if (p->begins && r->n && r->out->n > r->space / 4 * 3)
        return 1;
    enter(r->talk);
    forget_old(r->talk);
    int is_full = put_part(r, p);
    leave(r->talk);
    return is_full;
}

static enum toolbox_end read_from(struct reading *r, int64_t from)
{
    struct error err = {0};
    int64_t next;
    char line[120];
    if (article_read(r->source, r->article, from, take_part, r, &next, &err))
        return err.code == ERR_CANCELLED ? TOOLBOX_NONE : say(r->out, "error: ", err.text);
    if (r->n == 0)
        return say(r->out, r->why ? r->why : "the article has no more", "");
    snprintf(line, sizeof line, "\nThe article goes on: open_article with the same id and from %" PRId64 ".\n", next);
    buffer_puts(r->out, next >= 0 ? line : "\nHere the article ends.\n");
    return TOOLBOX_DONE;
}

static enum toolbox_end open_article(struct library_talk *t, const json_t *o, size_t space, struct buffer *out)
{
    const json_t *id = json_object_get(o, "id"), *from = json_object_get(o, "from");
    struct error err = {0};
    int64_t article, chunk, start = json_integer_value(from);
    if (!json_is_string(id) || strlen(json_string_value(id)) != json_string_length(id) ||
        (from && (!json_is_integer(from) || start < 0)))
        return say(out, "error: open_article takes {\"id\": number of a passage, \"from\": number}", "");
    enter(t);
    struct source *s = find(t, json_string_value(id), &article, &chunk);
    leave(t);
    if (!s)
        return say(out, "error: no passage has this id; search_library gives passages their numbers", "");
    if (!from && (start = article_section(s, article, chunk, &err)) < 0)
        return err.code == ERR_CANCELLED ? TOOLBOX_NONE : say(out, "error: ", err.text);
    struct reading r = {
        .talk = t, .source = s, .article = article, .space = space < ARTICLE ? space : ARTICLE, .out = out};
    return read_from(&r, start);
}

/* ---- the provider --------------------------------------------------------------------------------------------- */

static enum toolbox_end call_object(struct library_talk *t, const struct toolbox_call *c, const json_t *o,
                                    struct buffer *out)
{
    if (strcmp(c->name, search_name) == 0)
        return search_library(t, c, o, out);
    if (library_enter(t->library, c->stopped, c->stopped_arg))
        return TOOLBOX_NONE;
    enum toolbox_end end = open_article(t, o, c->space, out);
    library_leave(t->library);
    return end;
}

static enum toolbox_end call(void *self, const struct toolbox_call *c, struct buffer *out)
{
    struct library_talk *t = self;
    json_error_t why;
    enter(t);
    t->warning = (struct error){0};
    t->n_found = 0;
    leave(t);
    json_t *o = json_load_reserved(c->arguments, c->n, 0, &why);
    enum toolbox_end end = json_is_dict(o) ? call_object(t, c, o, out)
                                           : say(out, "error: ",
                                                 !o && json_error_code(&why) == json_error_out_of_memory
                                                     ? "there is no memory for the arguments"
                                                     : "the arguments are no JSON object");
    json_decref(o);
    return end;
}

struct toolbox_provider library_talk_provider(struct library_talk *t)
{
    return (struct toolbox_provider){
        .from = "--library", .text = t->text, .n = t->n_text, .list = t->list, .call = call, .self = t};
}
