/* Calls as JSON objects, {"name": N, "arguments": J, "id": I} in any order, single, in lists, or {N: J}; the readers of hermes,
 * mistral_json, command_r7b, granite_3_3, nemotron_v2, apriel, hunyuan, apertus, firefunction and gigachat3. */
#include "text/tools/block.h"

#include <string.h>

enum { KEY_OTHER, KEY_NAME, KEY_ARGS, KEY_ID };

static int key_is(const struct tool_block *b, const char *name)
{
    return name && strlen(name) == b->key.n && !memcmp(name, b->key.text, b->key.n);
}

static int key_kind(struct tool_block *b)
{
    const struct tool_format *f = b->format;
    b->key.n = 0;
    json_unescape(&b->key, b->text + b->from, b->to - b->from);
    if (!f->name_key) /* {N: J} */
        return KEY_ARGS;
    return key_is(b, f->name_key)                              ? KEY_NAME
           : key_is(b, "arguments") || key_is(b, "parameters") ? KEY_ARGS
           : key_is(b, f->id_key)                              ? KEY_ID
                                                               : KEY_OTHER;
}

/* A name, id or other member: its value is [from, to). */
static enum scan take_member(struct tool_block *b, int kind)
{
    enum scan s = SCAN_OK;
    const char *value = b->text + b->from;
    size_t n = b->to - b->from;
    int number_id = b->json.kind == '0' && b->format->rules & RULE_ID_FIRST;
    if (kind == KEY_OTHER || (kind == KEY_ID && b->json.kind != '"' && !number_id))
        return s;
    if (kind == KEY_NAME && b->json.kind != '"')
        return SCAN_BAD;
    struct buffer text = {0};
    if (b->json.kind == '"')
        json_unescape(&text, value, n);
    else
        buffer_put(&text, value, n);
    if (kind == KEY_ID)
        block_set_id(b, text.text ? text.text : "", text.n);
    else if (block_set_name(b, text.text ? text.text : "", text.n) != 0)
        s = SCAN_BAD;
    b->parser->failed |= text.failed;
    buffer_free(&text);
    return s;
}

/* Arguments that are a string hold the object's text; null and "" mean none. */
static enum scan take_other_arguments(struct tool_block *b)
{
    struct tool_call *c = block_current(b);
    enum scan s = SCAN_OK;
    struct buffer text = {0};
    if (b->json.kind == '"')
        json_unescape(&text, b->text + b->from, b->to - b->from);
    size_t from = 0;
    while (from < text.n && is_white(text.text[from]))
        from++;
    while (text.n > from && is_white(text.text[text.n - 1]))
        text.n--;
    if (text.n > from && json_whole(text.text + from, text.n - from) == '{')
        buffer_put(&c->args, text.text + from, text.n - from);
    else if (text.n > from || (b->json.kind != '"' && b->json.kind != 'n'))
        s = SCAN_BAD;
    b->parser->failed |= text.failed;
    buffer_free(&text);
    return s;
}

/* The name of {N: J} is its key. */
static int name_from_key(struct tool_block *b)
{
    if (b->format->name_key)
        return 0;
    return block_current(b)->named ? -1 : block_set_name(b, b->key.text ? b->key.text : "", b->key.n);
}

enum scan call_object(struct tool_block *b)
{
    READ_BEGIN(b->sub)
    block_call(b);
    READ_SUB(block_word(b, "{"));
    for (;;) {
        block_json_begin(b);
        READ_SUB(block_json(b));
        if (b->json.kind != '"')
            return SCAN_BAD;
        while (is_white(b->text[b->from]))
            b->from++;
        b->flag = key_kind(b);
        if (b->flag == KEY_ARGS && name_from_key(b) != 0)
            return SCAN_BAD;
        READ_SUB(block_space(b));
        READ_SUB(block_word(b, ":"));
        READ_SUB(block_space(b));
        READ_SUB(block_any(b));
        block_json_begin(b);
        if (b->flag == KEY_ARGS)
            block_current(b)->args.n = 0; /* the last of several counts */
        if (b->flag == KEY_ARGS && b->text[b->at] == '{') {
            READ_SUB(block_arguments(b));
        } else {
            READ_SUB(block_json(b));
            if ((b->flag == KEY_ARGS ? take_other_arguments(b) : take_member(b, b->flag)) != SCAN_OK)
                return SCAN_BAD;
        }
        READ_SUB(block_space(b));
        READ_SUB(block_any(b));
        char c = b->text[b->at++];
        if (c == '}')
            break;
        if (c != ',')
            return SCAN_BAD;
    }
    if (!block_current(b)->named)
        return SCAN_BAD;
    block_end_call(b);
    b->sub = 0;
    return SCAN_OK;
    READ_END;
}

/* [..] of call objects from b->at on; b->sub and b->inner are its own. */
static enum scan call_list(struct tool_block *b, int bracket_open)
{
    READ_BEGIN(b->inner)
    if (!bracket_open)
        READ_AT(b->inner, block_word(b, "["));
    READ_AT(b->inner, block_space(b));
    READ_AT(b->inner, block_any(b));
    if (b->text[b->at] == ']' && b->format->rules & RULE_EMPTY_LIST) {
        b->at++;
        return SCAN_OK;
    }
    for (;;) {
        READ_AT(b->inner, call_object(b));
        READ_AT(b->inner, block_space(b));
        READ_AT(b->inner, block_any(b));
        char c = b->text[b->at++];
        if (c == ']')
            break;
        if (c != ',')
            return SCAN_BAD;
        READ_AT(b->inner, block_space(b));
    }
    READ_END;
}

enum scan object_read(struct tool_block *b)
{
    READ_BEGIN(b->line)
    READ(block_space(b));
    READ(call_object(b));
    READ(block_close(b));
    READ_END;
}

enum scan list_read(struct tool_block *b)
{
    READ_BEGIN(b->line)
    READ(block_space(b));
    READ(block_any(b));
    if (b->text[b->at] == '{' && b->format->rules & RULE_ONE_OBJECT)
        READ(call_object(b));
    else
        READ(call_list(b, 0));
    READ(block_close(b));
    READ_END;
}

enum scan list_read_open(struct tool_block *b)
{
    READ_BEGIN(b->line)
    READ(call_list(b, 1));
    READ(block_close(b));
    READ_END;
}
