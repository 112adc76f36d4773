/* Calls of gemma4: <|tool_call>call:N{K:V,..}<tool_call|>, strings between <|"|> without escapes. */
#include "text/tools/block.h"
#include "text/tools/value.h"

static enum scan member_end(struct tool_block *b)
{
    return value_end(b->text, b->n, &b->mark, &b->quote, &b->depth, 1) ? SCAN_OK : SCAN_MORE;
}

/* The member [from, mark); "{}" has none. */
static enum scan take_member(struct tool_block *b)
{
    struct buffer *out = &block_current(b)->args;
    size_t from = b->from;
    while (from < b->mark && is_white(b->text[from]))
        from++;
    b->at = b->mark;
    if (from == b->mark && out->n == 0 && b->text[b->mark] == '}')
        return SCAN_OK;
    buffer_puts(out, out->n ? ", " : "{");
    return value_gemma_member(out, b->text + from, b->mark - from) == 0 ? SCAN_OK : SCAN_BAD;
}

enum scan gemma_read(struct tool_block *b)
{
    READ_BEGIN(b->line)
    block_call(b);
    READ(block_word(b, "call:"));
    b->from = b->at;
    READ(block_call_name(b));
    READ(block_space(b));
    READ(block_word(b, "{"));
    for (;;) {
        b->from = b->mark = b->at;
        b->quote = 0;
        b->depth = 0;
        READ(member_end(b));
        if (take_member(b) != SCAN_OK)
            return SCAN_BAD;
        char c = b->text[b->at++];
        if (c == '}')
            break;
        if (c != ',')
            return SCAN_BAD;
    }
    block_end_members(b);
    READ(block_close(b));
    READ_END;
}
