/* Calls in Python's spelling, [N(k=v, ..), ..]: lfm2, and N.call(k=v, ..) of llama3. Literals only, keyword arguments only. */
#include "text/tools/block.h"
#include "text/tools/value.h"

static enum scan literal(struct tool_block *b)
{
    return value_end(b->text, b->n, &b->mark, &b->quote, &b->depth, 0) ? SCAN_OK : SCAN_MORE;
}

static int take_value(struct tool_block *b)
{
    struct buffer *out = &block_current(b)->args;
    block_put_key(b, b->key.text, b->key.n);
    b->at = b->mark;
    return value_python(out, b->text + b->from, b->mark - b->from);
}

enum scan call_keywords(struct tool_block *b)
{
    READ_BEGIN(b->sub)
    for (;;) {
        READ_SUB(block_space(b));
        READ_SUB(block_any(b));
        if (b->text[b->at] == ')')
            break;
        b->from = b->at;
        READ_SUB(block_name(b));
        b->key.n = 0;
        buffer_put(&b->key, b->text + b->from, b->to - b->from);
        READ_SUB(block_space(b));
        READ_SUB(block_word(b, "="));
        b->from = b->mark = b->at;
        b->quote = 0;
        b->depth = 0;
        READ_SUB(literal(b));
        if (b->key.failed || take_value(b) != 0)
            return SCAN_BAD;
        if (b->text[b->at] == ',')
            b->at++;
        else if (b->text[b->at] != ')')
            return SCAN_BAD;
    }
    b->at++;
    block_end_members(b);
    b->sub = 0;
    return SCAN_OK;
    READ_END;
}

enum scan python_read(struct tool_block *b)
{
    READ_BEGIN(b->line)
    READ(block_space(b));
    READ(block_word(b, "["));
    READ(block_space(b));
    READ(block_any(b));
    if (b->text[b->at] == '{') { /* a list of objects */
        b->line = 0;
        b->read = list_read_open;
        return list_read_open(b);
    }
    for (;;) {
        block_call(b);
        b->from = b->at;
        READ(block_call_name(b));
        READ(block_space(b));
        READ(block_word(b, "("));
        READ(call_keywords(b));
        READ(block_space(b));
        READ(block_any(b));
        if (b->text[b->at] == ',') {
            b->at++;
            READ(block_space(b));
            READ(block_any(b));
        } else if (b->text[b->at] != ']') {
            return SCAN_BAD;
        }
        if (b->text[b->at] == ']')
            break;
    }
    b->at++;
    READ(block_close(b));
    READ_END;
}
