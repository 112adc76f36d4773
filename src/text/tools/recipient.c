/* Answers of functionary v3.2: parts for recipients. The prompt ends with ">>>", which the model may repeat; a part is the recipient's
 * line and its text, and ">>>" with another recipient's line begins the next:
 *
 *     all\n  TEXT  >>>  get_weather\n  {"city": "X"}  >>>  python\n  CODE
 *
 * "all" is content, a known tool takes JSON, python takes code. An answer whose first line names nobody is content as it is. */
#include "text/tools/block.h"

#include <string.h>

enum { FIRST, TEXT, PLAIN, CALL };
enum { TO_ALL = -1, TO_PYTHON = -2 };

static const char next[] = ">>>";

/* The recipient's line at text[i]: SCAN_OK with its length and whom it names; SCAN_MORE: the text ends inside such a line. */
static enum scan line_at(const struct tool_parser *p, size_t i, size_t *length, int *whom)
{
    enum scan all = SCAN_BAD;
    const struct tool_list *l = p->options.tools;
    int n_tool = l ? (int)l->n : 0;
    for (int k = l ? TO_PYTHON : TO_ALL; k < n_tool; k++) {
        const char *name = k == TO_ALL ? "all" : k == TO_PYTHON ? "python" : l->tool[k].name;
        size_t n = strlen(name), have = p->n - i;
        if (memcmp(name, p->text + i, have < n ? have : n) != 0)
            continue;
        if (have <= n)
            all = SCAN_MORE;
        if (have > n && p->text[i + n] == '\n') {
            *length = n + 1;
            *whom = k;
            return SCAN_OK;
        }
    }
    return all;
}

/* ">>>" and a recipient's line at text[i]. */
static enum scan next_at(const struct tool_parser *p, size_t i, size_t *length, int *whom)
{
    size_t have = p->n - i < 3 ? p->n - i : 3;
    if (memcmp(p->text + i, next, have) != 0)
        return SCAN_BAD;
    if (have < 3)
        return SCAN_MORE;
    enum scan s = line_at(p, i + 3, length, whom);
    *length += 3;
    return s;
}

/* From where the block is read on: does the next part, or the end, come here? SCAN_MORE at the end of the answer, too, where it has cut
 * the next part's line: the block is complete without it. */
static enum scan part_ends(struct tool_block *b)
{
    size_t length = 0;
    int whom;
    if (b->at == b->n)
        return SCAN_MORE;
    return next_at(b->parser, b->parser->head + b->at, &length, &whom);
}

/* Text is not what the answer's end has cut. */
static int may_be(const struct tool_parser *p, enum scan s) { return s == SCAN_OK || (s == SCAN_MORE && !p->final); }

static enum scan read_call(struct tool_block *b)
{
    READ_BEGIN(b->line)
    block_call(b);
    if (block_set_name(b, b->parser->recipient.text, b->parser->recipient.n) != 0)
        return SCAN_BAD;
    block_json_begin(b);
    READ(block_arguments(b));
    block_end_call(b);
    b->complete = 1;
    READ(block_space(b));
    READ(part_ends(b));
    READ_END;
}

/* Code is whole when the next part begins or the answer ends. */
static enum scan read_python(struct tool_block *b)
{
    enum scan s = SCAN_BAD;
    for (; b->at < b->n; b->at++)
        if (b->text[b->at] == '>' && may_be(b->parser, s = part_ends(b)))
            break;
    if (s != SCAN_OK && !b->final)
        return SCAN_MORE;
    size_t from = b->open, to = b->at;
    while (from < to && is_white(b->text[from]))
        from++;
    while (to > from && is_white(b->text[to - 1]))
        to--;
    block_call(b);
    block_set_name(b, "python", 6);
    block_put_key(b, "code", 4);
    buffer_put_string(&block_current(b)->args, b->text + from, to - from);
    block_end_members(b);
    return SCAN_OK;
}

static void part_begins(struct tool_parser *p, size_t length, int whom)
{
    flow_gap(&p->content);
    if (whom == TO_ALL) {
        p->head += length;
        p->state = TEXT;
        return;
    }
    const char *name = whom == TO_PYTHON ? "python" : p->options.tools->tool[whom].name;
    p->recipient.n = 0;
    buffer_puts(&p->recipient, name);
    p->state = CALL;
    parser_block_begin(p, length, whom == TO_PYTHON ? read_python : read_call);
}

static int first(struct tool_parser *p)
{
    size_t i = p->head, length = 0;
    int whom = 0;
    while (p->n - i >= 3 && memcmp(p->text + i, next, 3) == 0)
        i += 3;
    enum scan s = next_at(p, i, &length, &whom);
    if (s == SCAN_BAD)
        s = line_at(p, i, &length, &whom);
    if (s == SCAN_OK)
        part_begins(p, i - p->head + length, whom);
    else if (!may_be(p, s))
        p->state = PLAIN;
    return s == SCAN_OK || p->state == PLAIN;
}

static int text(struct tool_parser *p)
{
    size_t i = p->head, length = 0;
    int whom = 0;
    enum scan s = SCAN_BAD;
    for (; i < p->n; i++)
        if (p->text[i] == '>' && may_be(p, s = next_at(p, i, &length, &whom)))
            break;
    flow_text(p, &p->content, p->text + p->head, i - p->head);
    p->head = i;
    if (s == SCAN_OK)
        part_begins(p, length, whom);
    return s == SCAN_OK;
}

static int call(struct tool_parser *p)
{
    struct tool_block *b = &p->block;
    enum scan s = parser_block_read(p);
    if (s == SCAN_OK || p->options.checked)
        parser_publish(p);
    if (s == SCAN_OK) {
        p->head += b->at;
        flow_gap(&p->content);
        p->state = TEXT;
    } else if (s == SCAN_BAD) {
        parser_drop_calls(p);
        parser_event(p, TOOL_BAD_CALL, NULL, 0);
        p->state = PLAIN;
    } else if (p->final) {
        parser_drop_calls(p);
        parser_event(p, TOOL_CUT_CALL, b->text, b->n);
        p->head = p->n;
    } else {
        return 0;
    }
    return 1;
}

static int plain(struct tool_parser *p)
{
    flow_text(p, &p->content, p->text + p->head, p->n - p->head);
    p->head = p->n;
    return 0;
}

void recipient_advance(struct tool_parser *p)
{
    static int (*const states[])(struct tool_parser *) = {
        [FIRST] = first, [TEXT] = text, [PLAIN] = plain, [CALL] = call};
    while (p->head < p->n && states[p->state](p))
        ;
}
