/* Calls of llama3: an object, with or without <|python_tag|>, or N.call(k=v, ..) behind it. */
#include "text/tools/block.h"

#include <string.h>

enum scan llama_read_bare(struct tool_block *b) { return call_object(b); }

/* <|python_tag|> and an object, or N.call(k=v, ..). */
enum scan llama_read(struct tool_block *b)
{
    READ_BEGIN(b->line)
    READ(block_space(b));
    READ(block_any(b));
    if (b->text[b->at] == '{') {
        READ(call_object(b));
        return SCAN_OK;
    }
    block_call(b);
    b->from = b->at;
    READ(block_name(b));
    static const char suffix[] = ".call";
    size_t n = b->to - b->from, k = sizeof suffix - 1;
    if (n <= k || memcmp(b->text + b->to - k, suffix, k) != 0 || block_set_name(b, b->text + b->from, n - k) != 0)
        return SCAN_BAD;
    READ(block_word(b, "("));
    READ(call_keywords(b));
    READ_END;
}
