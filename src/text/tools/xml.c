/* Calls in tags: qwen_xml, seed_oss, minimax_m2, dsml, glm. A struct tool_xml says how a format spells them.
 *
 * A value ends at the first closing tag that is followed, after white space, by another parameter or the end of the function, so
 * a value may hold its closing tag elsewhere. Text is written to the arguments as it comes; what may be a number, a list or a
 * word of JSON is written when it is complete. */
#include "text/tools/block.h"
#include "text/tools/value.h"

#include <string.h>

/* What follows a value's closing tag at text[i]: SCAN_OK another parameter or the end. */
static enum scan value_closes(const struct tool_block *b, size_t i)
{
    const struct tool_xml *x = b->format->xml;
    const char *next[2] = {x->key, x->call_end};
    enum scan all = SCAN_BAD;
    for (int k = 0; k < 2; k++) {
        enum scan s = SCAN_BAD;
        size_t have = b->n - i, n = next[k] ? strlen(next[k]) : 0;
        if (!n)
            s = marker_at(&b->marker[ROLE_END], b->text, b->token, b->n, i);
        else if (!memcmp(b->text + i, next[k], have < n ? have : n))
            s = have < n ? SCAN_MORE : SCAN_OK;
        if (s == SCAN_OK)
            return s;
        if (s == SCAN_MORE)
            all = s;
    }
    return all;
}

static size_t newline_at(const char *p, size_t n)
{
    return n >= 1 && p[0] == '\n' ? 1 : n >= 2 && !memcmp(p, "\r\n", 2) ? 2 : 0;
}

/* The part of [from, to) that counts: newlines that belong to the tags are taken off. ended 0: the value goes on behind to, so
 * what could be such a newline is not counted yet. */
static void value_bounds(const struct tool_block *b, int ended, size_t *from, size_t *to)
{
    int style = b->format->xml->newlines;
    *from = b->from;
    *to = b->mark;
    if (style == XML_VERBATIM)
        return;
    if (!ended && *to - *from < 2) {
        *to = *from;
        return;
    }
    size_t lead = newline_at(b->text + *from, *to - *from);
    *from += lead;
    if (style == XML_STRIP_PAIR && !lead)
        return;
    if (*to > *from && b->text[*to - 1] == '\n')
        *to -= 1 + (*to - *from > 1 && b->text[*to - 2] == '\r');
    else if (!ended && *to > *from && b->text[*to - 1] == '\r')
        --*to;
}

static void write_text(struct tool_block *b, int ended)
{
    size_t from, to;
    value_bounds(b, ended, &from, &to);
    if (b->sent < from)
        b->sent = from;
    if (to > b->sent)
        buffer_put_escaped(&block_current(b)->args, b->text + b->sent, to - b->sent);
    if (to > b->sent)
        b->sent = to;
}

static const struct tool_def *called(struct tool_block *b)
{
    const struct tool_call *c = block_current(b);
    return tool_list_find(b->parser->options.tools, c->name.text, c->name.n - 1);
}

static void begin_value(struct tool_block *b)
{
    const struct tool_def *t = called(b);
    const json_t *schema = tool_argument_schema(t, b->key.text, b->key.n);
    block_put_key(b, b->key.text, b->key.n);
    b->text_value = b->format->xml->string_attribute ? b->choice == 0 : schema && value_is_text(schema, t->parameters);
    b->from = b->mark = b->sent = b->at;
    b->look = 0;
    if (b->text_value)
        buffer_puts(&block_current(b)->args, "\"");
}

static void end_value(struct tool_block *b)
{
    struct buffer *out = &block_current(b)->args;
    size_t from, to;
    value_bounds(b, 1, &from, &to);
    const char *text = b->text + from;
    size_t n = to - from;
    if (b->text_value) {
        write_text(b, 1);
        buffer_puts(out, "\"");
    } else if (b->format->xml->string_attribute) {
        while (n && is_white(*text))
            text++, n--;
        while (n && is_white(text[n - 1]))
            n--;
        if (json_whole(text, n))
            buffer_put(out, text, n);
        else
            buffer_put_string(out, b->text + from, to - from);
    } else {
        const struct tool_def *t = called(b);
        value_typed(out, tool_argument_schema(t, b->key.text, b->key.n), t ? t->parameters : NULL, text, n);
    }
}

static enum scan read_value(struct tool_block *b)
{
    const char *tag = b->format->xml->value_end;
    for (;;) {
        enum scan s = block_until_word(b, tag);
        if (s == SCAN_OK) {
            size_t i = b->mark + strlen(tag) + b->look;
            while (i < b->n && is_white(b->text[i]))
                i++;
            b->look = i - b->mark - strlen(tag);
            s = i < b->n ? value_closes(b, i) : SCAN_MORE;
        }
        if (s == SCAN_MORE && b->text_value)
            write_text(b, 0);
        if (s != SCAN_BAD) {
            b->at = b->mark + (s == SCAN_OK ? strlen(tag) : 0);
            return s;
        }
        b->mark++;
        b->look = 0;
    }
}

/* Behind the opening of a parameter. */
static enum scan read_argument(struct tool_block *b)
{
    static const char *const types[] = {"true\">", "false\">"};
    const struct tool_xml *x = b->format->xml;
    READ_BEGIN(b->inner)
    b->from = b->mark = b->at;
    b->key.n = 0;
    READ_AT(b->inner, b->mark - b->from > 256 ? SCAN_BAD : block_until_word(b, x->key_end));
    if (b->to == b->from || b->to - b->from > 256)
        return SCAN_BAD;
    buffer_put(&b->key, b->text + b->from, b->to - b->from);
    if (b->key.failed)
        return SCAN_BAD;
    READ_AT(b->inner, block_word(b, x->key_end));
    if (x->string_attribute) {
        READ_AT(b->inner, block_word(b, " string=\""));
        READ_AT(b->inner, block_choose_word(b, types, 2));
        if (b->choice < 0)
            return SCAN_BAD;
    }
    if (x->value) {
        READ_AT(b->inner, block_space(b));
        READ_AT(b->inner, block_word(b, x->value));
    }
    begin_value(b);
    READ_AT(b->inner, read_value(b));
    end_value(b);
    b->inner = 0;
    return SCAN_OK;
    READ_END;
}

/* Behind the opening of a function. */
static enum scan read_function(struct tool_block *b)
{
    const struct tool_xml *x = b->format->xml;
    const char *const next[] = {x->key, x->call_end};
    READ_BEGIN(b->sub)
    block_call(b);
    b->from = b->at;
    READ_SUB(block_call_name(b));
    READ_SUB(block_word(b, x->call_name_end));
    for (;;) {
        READ_SUB(block_space(b));
        READ_SUB(block_choose_word(b, next, 2));
        if (b->choice < 0)
            return SCAN_BAD;
        if (b->choice == 1)
            break;
        READ_SUB(read_argument(b));
    }
    block_end_members(b);
    b->sub = 0;
    return SCAN_OK;
    READ_END;
}

/* The block's end (b->choice 0) or another opening of the word (1). */
static enum scan end_or_word(struct tool_block *b, const char *word)
{
    static const enum tool_role end[] = {ROLE_END};
    enum scan s = block_choose(b, end, 1), w;
    if (s == SCAN_OK && b->choice == 0)
        return s;
    w = block_word(b, word);
    b->choice = 1;
    return w == SCAN_BAD && s == SCAN_MORE ? s : w;
}

enum scan xml_read(struct tool_block *b)
{
    READ_BEGIN(b->line)
    READ(block_space(b));
    READ(block_word(b, b->format->xml->call));
    for (;;) {
        b->complete = 0;
        READ(read_function(b));
        b->complete = 1;
        READ(block_space(b));
        READ(end_or_word(b, b->format->xml->call));
        if (b->choice == 0)
            break;
        if (b->marker[ROLE_BEGIN2].n) /* qwen_xml: one function a block */
            return SCAN_BAD;
    }
    READ_END;
}

/* A function of qwen_xml without <tool_call>; its closing tag may be there nevertheless. */
enum scan xml_read_bare(struct tool_block *b)
{
    static const enum tool_role end[] = {ROLE_END};
    READ_BEGIN(b->line)
    READ(read_function(b));
    b->complete = 1;
    READ(block_space(b));
    READ(block_choose(b, end, 1));
    READ_END;
}

/* N and its arguments, each a key and a value in tags of their own. */
enum scan glm_read(struct tool_block *b)
{
    READ_BEGIN(b->line)
    block_call(b);
    READ(block_space(b));
    b->from = b->at;
    READ(block_call_name(b));
    for (;;) {
        READ(block_space(b));
        READ(end_or_word(b, b->format->xml->key));
        if (b->choice == 0)
            break;
        READ(read_argument(b));
    }
    block_end_members(b);
    READ_END;
}
