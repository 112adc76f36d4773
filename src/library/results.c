/* What was found as addresses and JSON: see search.h. */
#include "library/search.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

void library_put_passage(struct buffer *out, const char *heading, const char *text)
{
    for (; *heading; heading++)
        if (*heading == '\n')
            buffer_puts(out, " > ");
        else
            buffer_put(out, heading, 1);
    buffer_puts(out, "\n");
    buffer_puts(out, text);
}

void library_put_escaped(struct buffer *out, const char *text)
{
    for (; *text; text++) {
        unsigned char b = (unsigned char)*text;
        char code[4];
        if ((b | 32u) - 'a' < 26u || b - (unsigned)'0' < 10u || strchr("-._~/!$'()*,:@", b)) {
            buffer_put(out, text, 1);
        } else {
            snprintf(code, sizeof code, "%%%02X", b);
            buffer_put(out, code, 3);
        }
    }
}

void library_url(struct buffer *out, const char *name, const char *path, const char *anchor)
{
    buffer_puts(out, "/library/");
    library_put_escaped(out, name);
    buffer_puts(out, "/");
    library_put_escaped(out, path);
    if (*anchor)
        buffer_puts(out, "#");
    library_put_escaped(out, anchor);
}

json_t *library_text_json(const char *text)
{
    json_t *v = json_string(text);
    return v ? v : json_string("");
}

json_t *library_heading_json(const char *heading)
{
    json_t *list = json_array();
    while (*heading) {
        size_t n = strcspn(heading, "\n");
        json_array_append_new(list, json_stringn(heading, n));
        heading += n + (heading[n] != 0);
    }
    return list;
}

json_t *library_hit_json(const struct source *s, const struct search_hit *h, int rank)
{
    char id[200];
    struct buffer url = {0};
    snprintf(id, sizeof id, "%s:%" PRId64 ":%" PRId64, s->name, h->article, h->chunk);
    library_url(&url, s->name, h->path, h->anchor);
    json_t *o = url.failed ? NULL
                           : json_pack("{s:i, s:f, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "rank", rank, "score",
                                       h->score, "id", library_text_json(id), "source", library_text_json(s->name),
                                       "title", library_text_json(h->title), "path", library_text_json(h->path),
                                       "anchor", library_text_json(h->anchor), "heading",
                                       library_heading_json(h->heading), "text", library_text_json(h->text), "url",
                                       json_stringn(url.text, url.n), "date", library_text_json(s->source.date));
    buffer_free(&url);
    return o;
}
