/* See message.h. */
#include "mcp/message.h"

#include "base/utf8.h"

#include <stdio.h>
#include <string.h>

int mcp_is_old(const char *version, size_t n)
{
    static const char *const old[] = {MCP_OLD, "2025-06-18", "2025-03-26", "2024-11-05"};
    for (size_t i = 0; i < sizeof old / sizeof *old; i++)
        if (strlen(old[i]) == n && memcmp(old[i], version, n) == 0)
            return 1;
    return 0;
}

/* ---- parts ------------------------------------------------------------------------------------------- */

struct span span_member(struct span object, const char *name)
{
    struct json_item item;
    if (!span_is_object(object) || !json_member(object.text, object.n, name, &item))
        return (struct span){NULL, 0};
    return (struct span){object.text + item.value, item.value_n};
}

int span_is(struct span string, const char *text)
{
    struct json_piece piece;
    size_t at = 1, left = strlen(text);
    if (!span_is_string(string))
        return 0;
    while (json_piece(string.text, string.n, &at, &piece)) {
        if (piece.n > left || memcmp(piece.text, text, piece.n) != 0)
            return 0;
        text += piece.n;
        left -= piece.n;
    }
    return left == 0;
}

int span_integer(struct span number, long long *v)
{
    char digits[20], *end = digits;
    long long sum = 0;
    if (number.n == 0 || number.n > 16)
        return 0;
    memcpy(digits, number.text, number.n);
    digits[number.n] = 0;
    int is_negative = *end == '-';
    for (end += is_negative; *end >= '0' && *end <= '9'; end++)
        sum = 10 * sum + (*end - '0');
    *v = is_negative ? -sum : sum;
    return *end == 0 && end > digits + is_negative;
}

void span_plain(struct span string, char *out, size_t cap)
{
    struct json_piece piece;
    size_t at = 1, n = 0;
    if (span_is_string(string))
        while (n + 1 < cap && json_piece(string.text, string.n, &at, &piece)) {
            size_t fits = piece.n < cap - 1 - n ? piece.n : cap - 1 - n;
            while (fits > 0 && fits < piece.n && !utf8_begins(piece.text[fits]))
                fits--;
            for (size_t i = 0; i < fits; i++)
                out[n++] = piece.text[i] ? piece.text[i] : '?';
            if (fits < piece.n)
                break;
        }
    out[n] = 0;
    utf8_make_plain(out);
}

void span_walk(struct span_walk *w, struct span all)
{
    w->all = all;
    w->at = 0;
    json_scan_begin(&w->scan, JSON_DEPTH);
}

int span_next(struct span_walk *w, struct span *key, struct span *value)
{
    struct json_item item;
    if (w->all.n == 0 || !json_next(&w->scan, w->all.text, w->all.n, &w->at, &item))
        return 0;
    if (key)
        *key = (struct span){w->all.text + item.key, item.key_n};
    *value = (struct span){w->all.text + item.value, item.value_n};
    return 1;
}

/* ---- reading ------------------------------------------------------------------------------------------- */

static int is_id(struct span v)
{
    return v.n > 0 &&
           (v.text[0] == '"' || v.text[0] == 'n' || v.text[0] == '-' || (v.text[0] >= '0' && v.text[0] <= '9'));
}

static enum message_kind kind_of(const struct message *m, int has_id)
{
    if (has_id && !is_id(m->id))
        return MESSAGE_INVALID;
    if (m->method.n)
        return !span_is_string(m->method)                  ? MESSAGE_INVALID
               : m->params.n && !span_is_object(m->params) ? MESSAGE_INVALID
               : has_id && m->id.text[0] != 'n'            ? MESSAGE_REQUEST
               : has_id                                    ? MESSAGE_INVALID
                                                           : MESSAGE_NOTIFICATION;
    if (m->error.n)
        return span_is_object(m->error) ? MESSAGE_ERROR : MESSAGE_INVALID;
    return has_id && m->result.n ? MESSAGE_RESULT : MESSAGE_INVALID;
}

void message_read(struct message *m, const char *line, size_t n)
{
    *m = (struct message){.kind = MESSAGE_BROKEN};
    char kind = n <= MESSAGE_MOST ? json_whole(line, n) : 0;
    if (!kind)
        return;
    m->kind = MESSAGE_INVALID;
    while (n > 0 && *line != kind) { /* white space before the value */
        line++;
        n--;
    }
    const struct span all = {line, n};
    struct span_walk w;
    struct span key, value;
    if (kind != '{')
        return;
    span_walk(&w, all);
    while (span_next(&w, &key, &value)) {
        struct span *to = span_is(key, "id")       ? &m->id
                          : span_is(key, "method") ? &m->method
                          : span_is(key, "params") ? &m->params
                          : span_is(key, "result") ? &m->result
                          : span_is(key, "error")  ? &m->error
                                                   : NULL;
        if (to)
            *to = value;
    }
    if (span_is_null(m->params)) /* clients write fields that they leave empty */
        m->params = (struct span){NULL, 0};
    m->kind = kind_of(m, m->id.n > 0);
    if (m->id.n && !is_id(m->id))
        m->id = (struct span){NULL, 0};
    m->meta = span_member(m->params, "_meta");
}

/* ---- writing ------------------------------------------------------------------------------------------- */

static void put_head(struct buffer *out, const char *name, struct span id)
{
    buffer_puts(out, "{\"jsonrpc\":\"2.0\",\"id\":");
    buffer_put(out, id.n ? id.text : "null", id.n ? id.n : 4);
    buffer_puts(out, ",\"");
    buffer_puts(out, name);
    buffer_puts(out, "\":");
}

static void put_method(struct buffer *out, const char *method, const char *params, size_t n)
{
    buffer_puts(out, "\"method\":\"");
    buffer_puts(out, method);
    buffer_puts(out, params ? "\",\"params\":" : "\"");
    buffer_put(out, params, params ? n : 0);
    buffer_puts(out, "}\n");
}

void message_put_request(struct buffer *out, long long id, const char *method, const char *params, size_t n_params)
{
    char head[64];
    snprintf(head, sizeof head, "{\"jsonrpc\":\"2.0\",\"id\":%lld,", id);
    buffer_puts(out, head);
    put_method(out, method, params, n_params);
}

void message_put_notification(struct buffer *out, const char *method, const char *params, size_t n_params)
{
    buffer_puts(out, "{\"jsonrpc\":\"2.0\",");
    put_method(out, method, params, n_params);
}

void message_put_result(struct buffer *out, struct span id, const char *result, size_t n_result)
{
    put_head(out, "result", id);
    buffer_put(out, result, n_result);
    buffer_puts(out, "}\n");
}

void message_put_error(struct buffer *out, struct span id, int code, const char *text, const char *data)
{
    char number[40];
    snprintf(number, sizeof number, "{\"code\":%d,\"message\":", code);
    put_head(out, "error", id);
    buffer_puts(out, number);
    buffer_put_string(out, text, strlen(text));
    if (data) {
        buffer_puts(out, ",\"data\":");
        buffer_puts(out, data);
    }
    buffer_puts(out, "}}\n");
}
