/* links: mcp base
 *
 * Fuzz target: lines of MCP servers, and CONFIG. Every part of a message lies in its line; the text of a result ends; what is written of a
 * message's parts is a message again, of the same id; arguments fit a schema, or are said not to; a file is taken or refused with a
 * sentence. */
#include "base/error.h"
#include "mcp/arguments.h"
#include "mcp/mcp.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void assert_within(struct span part, const char *line, size_t n)
{
    assert(part.n == 0 || (part.text >= line && part.text + part.n <= line + n && part.n <= n));
}

static void write_again(const struct message *m)
{
    struct buffer out = {0};
    struct message again;
    if (m->kind == MESSAGE_ERROR)
        message_put_error(&out, m->id, -1, "a", NULL);
    else
        message_put_result(&out, m->id, m->result.n ? m->result.text : "{}", m->result.n ? m->result.n : 2);
    assert(!out.failed);
    message_read(&again, out.text, out.n);
    assert(again.kind == MESSAGE_RESULT || again.kind == MESSAGE_ERROR);
    assert(m->id.n == 0 || (again.id.n == m->id.n && memcmp(again.id.text, m->id.text, m->id.n) == 0));
    buffer_free(&out);
}

/* Either may be the other's schema. What does not fit is said within bounds. */
static void hold_to(struct span schema, struct span arguments)
{
    struct buffer why = {0};
    if (schema.n && arguments.n)
        assert(arguments_fit(schema, arguments, &why) || (why.n > 9 && why.n < 4096));
    buffer_free(&why);
}

static void read_config(const char *text, size_t n)
{
    struct mcp_config c;
    struct error err = {0};
    assert(mcp_config_parse(&c, "C", text, n, &err) == 0 || *err.text);
    mcp_config_free(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *line = (const char *)data;
    struct message m;
    struct buffer text = {0};
    char plain[80];
    message_read(&m, line, size);
    assert_within(m.id, line, size);
    assert_within(m.method, line, size);
    assert_within(m.params, line, size);
    assert_within(m.result, line, size);
    assert_within(m.error, line, size);
    assert_within(m.meta, line, size);
    span_plain(m.method, plain, sizeof plain);
    if (m.kind >= MESSAGE_REQUEST)
        write_again(&m);
    if (m.kind == MESSAGE_RESULT)
        mcp_result_text(m.result, "", &text);
    buffer_free(&text);
    hold_to(m.params, m.result);
    hold_to(m.result, m.params);
    read_config(line, size);
    return 0;
}
