/* Answers of gpt-oss: messages, each with a header that says whom it is for.
 *
 *   [<|start|>role] [ to=R] <|channel|>CH [ to=R] [ <|constrain|>TYPE] <|message|>BODY END
 *
 * R other than assistant and all makes a call; else channel analysis is reasoning and the others are content. END is <|end|>,
 * <|return|>, <|call|>, the next <|start|> or the end of the answer. Text without a header is content. */
#include "text/tools/block.h"

#include <string.h>

enum { BETWEEN, HEADER, BODY_REASONING, BODY_CONTENT, BODY_CALL };

static const enum tool_role ends[] = {HARMONY_END, HARMONY_RETURN, HARMONY_CALL, HARMONY_START};

static enum scan here(const struct tool_parser *p, enum tool_role role, size_t i)
{
    enum scan s = marker_at(&p->marker[role], p->text, p->token, p->n, i);
    return s == SCAN_MORE && p->final ? SCAN_BAD : s;
}

/* The first of n markers in [i, p->n): SCAN_OK at *at, *which; SCAN_MORE: one may begin at *at; SCAN_BAD: none, *at the end. */
static enum scan find(const struct tool_parser *p, size_t i, const enum tool_role *a, int n, size_t *at, int *which)
{
    for (; i < p->n; i++)
        for (int k = 0; k < n; k++) {
            enum scan s = here(p, a[k], i);
            *at = i;
            *which = k;
            if (s != SCAN_BAD)
                return s;
        }
    *at = p->n;
    *which = -1;
    return SCAN_BAD;
}

static enum scan begins_with(const struct tool_parser *p, const char *word)
{
    size_t n = strlen(word), have = p->n - p->head < n ? p->n - p->head : n;
    if (memcmp(p->text + p->head, word, have) != 0)
        return SCAN_BAD;
    return have == n ? SCAN_OK : p->final ? SCAN_BAD : SCAN_MORE;
}

/* 0: wait for more. */
static int between(struct tool_parser *p)
{
    enum scan start = here(p, HARMONY_START, p->head), channel = here(p, HARMONY_CHANNEL, p->head);
    enum scan to = begins_with(p, " to="), end = SCAN_BAD;
    if (to == SCAN_BAD)
        to = begins_with(p, "to=");
    for (int k = 0; k < 3 && end != SCAN_OK; k++) {
        enum scan s = here(p, ends[k], p->head);
        if (s == SCAN_OK)
            p->head += p->marker[ends[k]].n;
        if (s != SCAN_BAD)
            end = s;
    }
    if (end == SCAN_OK) /* the end of nothing */
        flow_gap(&p->content);
    else if (start == SCAN_OK || channel == SCAN_OK || to == SCAN_OK)
        p->state = HEADER;
    else if (start == SCAN_MORE || channel == SCAN_MORE || to == SCAN_MORE || end == SCAN_MORE)
        return 0;
    else
        p->state = BODY_CONTENT;
    return 1;
}

/* R of the header text, without functions.; 0 bytes: none that makes a call. */
static void read_recipient(struct tool_parser *p, const char *text, const uint8_t *token, size_t n)
{
    static const char prefix[] = "functions.";
    const char *to = memmem(text, n, "to=", 3);
    p->recipient.n = 0;
    if (!to)
        return;
    size_t from = (size_t)(to - text) + 3, end = from;
    while (end < n && !is_white(text[end]) && !token[end] && text[end] != '<')
        end++;
    if (end - from > sizeof prefix - 1 && !memcmp(text + from, prefix, sizeof prefix - 1))
        from += sizeof prefix - 1;
    if ((end - from == 3 && !memcmp(text + from, "all", 3)) ||
        (end - from == 9 && !memcmp(text + from, "assistant", 9)))
        return;
    buffer_put(&p->recipient, text + from, end - from);
}

static int is_analysis(const struct tool_parser *p, const char *text, size_t n)
{
    const struct tool_marker *m = &p->marker[HARMONY_CHANNEL];
    const char *channel = memmem(text, n, m->text, m->n);
    static const char word[] = "analysis";
    return channel && (size_t)(text + n - channel) >= m->n + sizeof word - 1 &&
           !memcmp(channel + m->n, word, sizeof word - 1);
}

static enum scan read_body(struct tool_block *b)
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
    READ(block_choose(b, ends, 4));
    if (b->choice < 0)
        return SCAN_BAD;
    if (b->choice == 3)
        b->at -= b->marker[HARMONY_START].n;
    READ_END;
}

static void cut(struct tool_parser *p)
{
    parser_drop_calls(p);
    flow_gap(&p->content);
    parser_event(p, TOOL_CUT_CALL, p->text + p->head, p->n - p->head);
    p->head = p->n;
}

static int header(struct tool_parser *p)
{
    static const enum tool_role stops[] = {HARMONY_MESSAGE, HARMONY_END, HARMONY_RETURN, HARMONY_CALL, HARMONY_START};
    size_t begin = p->head, at;
    int which;
    if (here(p, HARMONY_START, begin) == SCAN_OK)
        begin += p->marker[HARMONY_START].n;
    enum scan s = find(p, begin, stops, 5, &at, &which);
    if (s != SCAN_OK && !p->final)
        return 0;
    const char *text = p->text + p->head;
    size_t n = at - p->head;
    read_recipient(p, text, p->token + p->head, n);
    int call = p->recipient.n && p->options.tools;
    p->block_call = p->n_call;
    if (s != SCAN_OK && call) {
        cut(p);
        return 0;
    }
    flow_gap(&p->content);
    flow_gap(&p->reasoning);
    if (s != SCAN_OK || which != 0) { /* cut off before any arguments */
        p->head = at;
        p->state = BETWEEN;
        return s == SCAN_OK;
    }
    p->state = call ? BODY_CALL : !p->recipient.n && is_analysis(p, text, n) ? BODY_REASONING : BODY_CONTENT;
    n += p->marker[HARMONY_MESSAGE].n;
    if (call)
        parser_block_begin(p, n, read_body);
    else
        p->head += n;
    return 1;
}

static int body_text(struct tool_parser *p, struct tool_flow *f)
{
    size_t at;
    int which;
    enum scan s = find(p, p->head, ends, 4, &at, &which);
    flow_text(p, f, p->text + p->head, at - p->head);
    p->head = at;
    if (s != SCAN_OK)
        return 0;
    p->head += which == 3 ? 0 : p->marker[ends[which]].n;
    flow_gap(f);
    p->state = BETWEEN;
    return 1;
}

static int body_call(struct tool_parser *p)
{
    struct tool_block *b = &p->block;
    enum scan s = parser_block_read(p);
    if (s == SCAN_OK || p->options.checked)
        parser_publish(p);
    if (s == SCAN_OK) {
        p->head += b->at;
        p->state = BETWEEN;
    } else if (s == SCAN_BAD) {
        parser_drop_calls(p);
        parser_event(p, TOOL_BAD_CALL, NULL, 0);
        p->head += b->open; /* the body is content, the header was no text */
        p->state = BODY_CONTENT;
    } else if (p->final) {
        cut(p);
    } else {
        return 0;
    }
    return 1;
}

void harmony_advance(struct tool_parser *p)
{
    int go = 1;
    while (go && p->head < p->n)
        go = p->state == BETWEEN          ? between(p)
             : p->state == HEADER         ? header(p)
             : p->state == BODY_CALL      ? body_call(p)
             : p->state == BODY_REASONING ? body_text(p, &p->reasoning)
                                          : body_text(p, &p->content);
}
