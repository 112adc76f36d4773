/* What a model is told of a call's result (library.md 14): its text parts, a line for what is not text; and a person of its progress. */
#include "mcp/mcp.h"

#include <stdio.h>
#include <string.h>

static void put_string(struct buffer *out, struct span v)
{
    if (span_is_string(v))
        json_unescape(out, v.text, v.n);
}

static void put_omitted(struct buffer *out, const char *type, struct span part, struct span data)
{
    char mime[80], line[160];
    size_t bytes = data.n / 4 * 3;
    span_plain(span_member(part, "mimeType"), mime, sizeof mime);
    snprintf(line, sizeof line, bytes < 1024 ? "[%s omitted, %s, %zu bytes]" : "[%s omitted, %s, %zu KB]", type,
             *mime ? mime : "of no type", bytes < 1024 ? bytes : bytes / 1024);
    buffer_puts(out, line);
}

static void put_part(struct buffer *out, struct span part)
{
    struct span type = span_member(part, "type"), resource = span_member(part, "resource");
    size_t before = out->n;
    if (before)
        buffer_puts(out, "\n");
    if (span_is(type, "text"))
        put_string(out, span_member(part, "text"));
    else if (span_is(type, "image"))
        put_omitted(out, "image", part, span_member(part, "data"));
    else if (span_is(type, "audio"))
        put_omitted(out, "audio", part, span_member(part, "data"));
    else if (span_is(type, "resource_link"))
        put_string(out, span_member(part, "uri"));
    else if (span_is(type, "resource") && span_is_string(span_member(resource, "text")))
        put_string(out, span_member(resource, "text"));
    else if (span_is(type, "resource"))
        put_omitted(out, "file", resource, span_member(resource, "blob"));
    else
        out->n = before;
}

void mcp_result_text(struct span result, const char *error, struct buffer *out)
{
    struct span content = span_member(result, "content"), structured = span_member(result, "structuredContent"),
                kind = span_member(result, "resultType"), part;
    struct buffer text = {0};
    struct span_walk w;
    if (!result.n) {
        buffer_puts(out, "error: ");
        buffer_puts(out, error);
        return;
    }
    if (kind.n && !span_is(kind, "complete")) {
        buffer_puts(out, span_is(kind, "input_required")
                             ? "error: the tool wants input of a person, which stoker does not pass on"
                             : "error: the server answered with a kind of result that stoker does not know");
        return;
    }
    if (span_is_list(content)) {
        span_walk(&w, content);
        while (span_next(&w, NULL, &part))
            put_part(&text, part);
    }
    if (span_is_true(span_member(result, "isError")))
        buffer_puts(out, "error: ");
    if (text.n)
        buffer_put(out, text.text, text.n);
    else
        buffer_put(out, structured.text, structured.n);
    out->failed |= text.failed;
    buffer_free(&text);
}

void mcp_progress_text(struct span params, char *out, size_t cap)
{
    struct span message = span_member(params, "message"), done = span_member(params, "progress"),
                total = span_member(params, "total");
    span_plain(message, out, cap);
    if (*out || !done.n || span_is_string(done))
        return;
    snprintf(out, cap, "%.*s%s%.*s", (int)(done.n < 20 ? done.n : 20), done.text, total.n ? " of " : "",
             (int)(total.n < 20 ? total.n : 20), total.n ? total.text : "");
}
