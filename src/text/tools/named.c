/* Calls as a name between markers and then the arguments as a JSON object: deepseek, kimi_k2, mistral_args, solar_open,
 * functionary_v3_1. */
#include "text/tools/block.h"

#include <string.h>

static const enum tool_role call_or_end[] = {ROLE_CALL, ROLE_END};

/* begin, calls of N <sep> J or of "function" <sep> N and J in a fence, end. */
enum scan deepseek_read(struct tool_block *b)
{
    READ_BEGIN(b->line)
    READ(block_space(b));
    READ(block_marker(b, ROLE_CALL));
    for (;;) {
        b->complete = 0;
        b->flag = 0; /* a fence is open */
        block_call(b);
        READ(block_space(b));
        b->from = b->at;
        READ(block_call_name(b));
        READ(block_space(b));
        READ(block_marker(b, ROLE_SEP));
        READ(block_space(b));
        READ(block_any(b));
        if (b->text[b->at] != '{' && b->text[b->at] != '`') { /* what came was the word "function" */
            b->from = b->at;
            READ(block_call_name(b));
            READ(block_space(b));
            READ(block_any(b));
        }
        if (b->text[b->at] == '`') {
            READ(block_word(b, "```json"));
            READ(block_space(b));
            b->flag = 1;
        }
        block_json_begin(b);
        READ(block_arguments(b));
        block_end_call(b);
        b->complete = 1;
        READ(block_space(b));
        if (b->flag)
            READ(block_word(b, "```"));
        READ(block_space(b));
        READ(block_marker(b, ROLE_STOP));
        READ(block_space(b));
        READ(block_choose(b, call_or_end, 2));
        if (b->choice == 1)
            return SCAN_OK;
        if (b->choice < 0)
            return SCAN_BAD;
    }
    READ_END;
}

/* functions.N:INDEX, prefix and index optional. */
static int kimi_name(struct tool_block *b)
{
    static const char prefix[] = "functions.";
    const char *id = b->text + b->from;
    size_t n = b->to - b->from, digits = 0;
    block_set_id(b, id, n);
    while (digits < n && id[n - digits - 1] >= '0' && id[n - digits - 1] <= '9')
        digits++;
    if (digits && digits < n && id[n - digits - 1] == ':')
        n -= digits + 1;
    if (n > sizeof prefix - 1 && !memcmp(id, prefix, sizeof prefix - 1)) {
        id += sizeof prefix - 1;
        n -= sizeof prefix - 1;
    }
    return block_set_name(b, id, n);
}

/* Calls until the section ends; without a section one call, which the next one's marker may end too. */
static enum scan kimi_calls(struct tool_block *b, int section)
{
    static const enum tool_role after[] = {ROLE_STOP, ROLE_BEGIN2, ROLE_END}, next[] = {ROLE_BEGIN2, ROLE_END};
    READ_BEGIN(b->sub)
    for (;;) {
        b->complete = 0;
        block_call(b);
        READ_SUB(block_space(b));
        b->from = b->at;
        READ_SUB(block_name(b));
        if (kimi_name(b) != 0)
            return SCAN_BAD;
        READ_SUB(block_space(b));
        READ_SUB(block_marker(b, ROLE_ARGS));
        block_json_begin(b);
        READ_SUB(block_arguments(b));
        block_end_call(b);
        b->complete = 1;
        READ_SUB(block_space(b));
        READ_SUB(block_choose(b, after, 3));
        if (b->choice < 0)
            return SCAN_BAD;
        if (!section) {
            if (b->choice == 1)
                b->at -= b->marker[ROLE_BEGIN2].n; /* that one is another block */
            return SCAN_OK;
        }
        if (b->choice == 0) {
            READ_SUB(block_space(b));
            READ_SUB(block_choose(b, next, 2));
            if (b->choice < 0)
                return SCAN_BAD;
            b->choice++;
        }
        if (b->choice == 2)
            return SCAN_OK;
    }
    READ_END;
}

enum scan kimi_read_section(struct tool_block *b)
{
    READ_BEGIN(b->line)
    READ(block_space(b));
    READ(block_marker(b, ROLE_BEGIN2));
    READ(kimi_calls(b, 1));
    READ_END;
}

enum scan kimi_read_call(struct tool_block *b) { return kimi_calls(b, 0); }

/* N [CALL_ID]I [ARGS]J, or the older list of objects. */
enum scan mistral_read(struct tool_block *b)
{
    static const enum tool_role after[] = {ROLE_SEP, ROLE_ARGS};
    READ_BEGIN(b->line)
    READ(block_space(b));
    READ(block_any(b));
    b->mark = b->at;
    if (b->text[b->at] == '[' || b->text[b->at] == '{') {
        b->line = 0;
        b->at = b->mark;
        b->read = list_read;
        return list_read(b);
    }
    block_call(b);
    b->from = b->at;
    READ(block_call_name(b));
    READ(block_space(b));
    READ(block_choose(b, after, 2));
    if (b->choice < 0)
        return SCAN_BAD;
    if (b->choice == 0) {
        READ(block_space(b));
        b->from = b->at;
        READ(block_name(b));
        block_set_id(b, b->text + b->from, b->to - b->from);
        READ(block_space(b));
        READ(block_marker(b, ROLE_ARGS));
    }
    block_json_begin(b);
    READ(block_arguments(b));
    block_end_call(b);
    READ_END;
}

/* Calls of id, name and arguments, each behind its marker. */
enum scan solar_read(struct tool_block *b)
{
    READ_BEGIN(b->line)
    READ(block_space(b));
    READ(block_marker(b, ROLE_CALL));
    for (;;) {
        b->complete = 0;
        block_call(b);
        b->from = b->mark = b->at;
        READ(block_until(b, ROLE_SEP));
        block_set_id(b, b->text + b->from, b->to - b->from);
        READ(block_marker(b, ROLE_SEP));
        b->from = b->at;
        READ(block_call_name(b));
        READ(block_marker(b, ROLE_ARGS));
        block_json_begin(b);
        READ(block_arguments(b));
        block_end_call(b);
        READ(block_space(b));
        READ(block_marker(b, ROLE_STOP));
        b->complete = 1;
        READ(block_space(b));
        READ(block_choose(b, call_or_end, 2));
        if (b->choice == 1)
            return SCAN_OK;
        if (b->choice < 0)
            return SCAN_BAD;
    }
    READ_END;
}

/* <function=N>J</function> */
enum scan functionary_read(struct tool_block *b)
{
    READ_BEGIN(b->line)
    block_call(b);
    b->from = b->at;
    READ(block_call_name(b));
    READ(block_word(b, ">"));
    block_json_begin(b);
    READ(block_arguments(b));
    block_end_call(b);
    b->complete = 1;
    READ(block_space(b));
    READ(block_marker(b, ROLE_END));
    READ_END;
}

/* Code as far as the answer goes: an object of arguments, or {"code": CODE}. */
enum scan functionary_read_python(struct tool_block *b)
{
    if (!b->final)
        return SCAN_MORE;
    while (b->at < b->n && is_white(b->text[b->at]))
        b->at++;
    size_t end = b->n;
    while (end > b->at && is_white(b->text[end - 1]))
        end--;
    const char *code = b->text + b->at;
    struct tool_call *c = block_call(b);
    block_set_name(b, "python", 6);
    if (json_whole(code, end - b->at) == '{') {
        buffer_put(&c->args, code, end - b->at);
    } else {
        block_put_key(b, "code", 4);
        buffer_put_string(&c->args, code, end - b->at);
        buffer_puts(&c->args, "}");
    }
    block_end_call(b);
    b->at = b->n;
    return SCAN_OK;
}
