/* links: text format base */
/* Fuzzing the tool-call parsers: any bytes, any split, every format.
 *
 *   byte 0  the format          byte 1  tools, open reasoning, calls published as they come, markers as tokens
 *   then    text; 0xF8..0xFF and a byte: that marker of the format, as a token where markers are
 *
 * Laws: the answer of a split text is the answer of the whole text; arguments are one JSON object, as far as they came. */
#include "base/error.h"
#include "text/tools/list.h"
#include "text/tools/stream.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const char tools[] =
    "[{\"function\": {\"name\": \"f\", \"parameters\": {\"type\": \"object\", \"properties\": {\"s\": {\"type\": "
    "\"string\"}, \"n\": "
    "{\"type\": \"integer\"}, \"a\": {\"type\": \"array\"}, \"x\": {}}}}}, {\"function\": {\"name\": \"now\"}}]";

static void collect(void *arg, const struct tool_event *e) { tool_message_event(arg, e); }

static int is_token(const void *vocabulary, const char *text, size_t n)
{
    const char *t;
    for (size_t i = 0; (t = tool_format_token(vocabulary, i)); i++)
        if (strlen(t) == n && !memcmp(t, text, n))
            return 1;
    return 0;
}

static const char *marker_of(const struct tool_format *f, uint8_t pick)
{
    size_t n = 0;
    while (tool_format_token(f, n))
        n++;
    return n ? tool_format_token(f, pick % n) : "";
}

/* piece: bytes of text handed over at a time; 0: as much as there is. */
static void parse(struct tool_message *m, const struct tool_options *o, const uint8_t *data, size_t n, size_t piece)
{
    struct tool_parser *p;
    struct error err = {0};
    if (tool_parser_create(&p, o, collect, m, &err) != 0)
        abort();
    for (size_t i = 0; i < n;) {
        if (data[i] >= 0xF8 && i + 1 < n) {
            const char *text = marker_of(o->format, data[i + 1]);
            size_t length = strlen(text);
            if (o->is_token && length)
                tool_parser_token(p, text, length, &err);
            for (size_t k = 0; !o->is_token && k < length;) {
                size_t step = piece && piece < length - k ? piece : length - k;
                tool_parser_text(p, text + k, step, &err);
                k += step;
            }
            i += 2;
            continue;
        }
        size_t end = i + 1;
        while (end < n && data[end] < 0xF8 && (!piece || end - i < piece))
            end++;
        tool_parser_text(p, (const char *)data + i, end - i, &err);
        i = end;
    }
    if (tool_parser_end(p, &err) != 0)
        abort();
    tool_parser_destroy(p);
}

static void check_arguments(const struct tool_message *m)
{
    for (size_t i = 0; i < m->n_call; i++) {
        const struct tool_message_call *c = &m->call[i];
        if (!c->ended && !m->n_bad && !m->n_cut)
            abort();
        if (c->ended && json_whole(c->arguments.text, c->arguments.n) != '{')
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct tool_list *list;
    size_t n_format = 0;
    if (n < 3)
        return 0;
    while (tool_format_at(n_format))
        n_format++;
    struct tool_options o = {.format = tool_format_at(data[0] % n_format)};
    if (!list && tool_list_parse(&list, tools, strlen(tools), tool_format_find("none", NULL), NULL) != 0)
        abort();
    o.tools = data[1] & 1 ? NULL : list;
    o.forced_open = data[1] >> 1 & 1;
    o.checked = data[1] >> 2 & 1;
    o.is_token = data[1] & 8 ? is_token : NULL;
    o.vocabulary = o.format;

    struct tool_message a = {0}, b = {0};
    struct buffer whole = {0}, parts = {0};
    parse(&a, &o, data + 2, n - 2, 0);
    parse(&b, &o, data + 2, n - 2, 1 + (data[1] >> 4));
    tool_message_json(&a, &whole);
    tool_message_json(&b, &parts);
    if (whole.n != parts.n || memcmp(whole.text, parts.text, whole.n) != 0 || a.n_bad != b.n_bad ||
        a.n_cut != b.n_cut || a.cut.n != b.cut.n)
        abort();
    check_arguments(&a);
    buffer_free(&whole);
    buffer_free(&parts);
    tool_message_free(&a);
    tool_message_free(&b);
    return 0;
}
