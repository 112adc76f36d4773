/* The machine in front of the readers: UTF-8, phases, publishing. See parser.h for the picture, block.h for the state. */
#include "text/tools/parser.h"

#include "base/error.h"
#include "text/tools/block.h"

#include <stdlib.h>
#include <string.h>

/* ---- events -------------------------------------------------------------------------------------------------------- */

void parser_event(struct tool_parser *p, enum tool_event_kind kind, const char *text, size_t n)
{
    p->event(p->arg, &(struct tool_event){.kind = kind, .text = text, .n = n});
}

void flow_text(struct tool_parser *p, struct tool_flow *f, const char *text, size_t n)
{
    size_t i = 0, end = n;
    while (f->skip && i < n && is_white(text[i]))
        i++;
    if (i == n)
        return;
    f->skip = 0;
    while (end > i && is_white(text[end - 1]))
        end--;
    if (end > i) {
        if (f->gap && f->any)
            parser_event(p, f->kind, "\n", 1);
        if (f->space.n)
            parser_event(p, f->kind, f->space.text, f->space.n);
        parser_event(p, f->kind, text + i, end - i);
        f->space.n = 0;
        f->gap = 0;
        f->any = 1;
    }
    buffer_put(&f->space, text + end, n - end);
}

void flow_gap(struct tool_flow *f)
{
    f->space.n = 0;
    f->gap = f->skip = 1;
}

/* Calls are published in their order, each once its name is known and its arguments have begun. */
void parser_publish(struct tool_parser *p)
{
    for (size_t i = 0; i < p->n_call; i++) {
        struct tool_call *c = &p->call[i];
        if (c->closed)
            continue;
        if (!c->named || c->args.n == 0)
            return;
        const char *id = c->id.n ? c->id.text : NULL;
        struct tool_event e = {.kind = TOOL_CALL_BEGIN, .call = i, .name = c->name.text, .id = c->id_first ? id : NULL};
        if (!c->published)
            p->event(p->arg, &e);
        c->published = 1;
        if (c->args.n > c->sent) {
            e.kind = TOOL_CALL_ARGS;
            e.text = c->args.text + c->sent;
            e.n = c->args.n - c->sent;
            p->event(p->arg, &e);
            c->sent = c->args.n;
        }
        if (!c->ended)
            return;
        e = (struct tool_event){.kind = TOOL_CALL_END, .call = i, .name = c->name.text, .id = id};
        p->event(p->arg, &e);
        c->closed = 1;
        p->failed |= c->name.failed | c->id.failed | c->args.failed;
        buffer_free(&c->args);
    }
}

void parser_drop_calls(struct tool_parser *p)
{
    while (p->n_call > p->block_call && !p->call[p->n_call - 1].published)
        call_free(&p->call[--p->n_call]);
}

/* ---- blocks -------------------------------------------------------------------------------------------------------- */

void parser_block_view(struct tool_parser *p)
{
    struct tool_block *b = &p->block;
    b->text = p->text + p->head;
    b->token = p->token + p->head;
    b->n = p->n - p->head;
    b->final = p->final;
}

void parser_block_begin(struct tool_parser *p, size_t at, enum scan (*read)(struct tool_block *))
{
    struct buffer key = p->block.key;
    key.n = 0;
    p->block = (struct tool_block){
        .parser = p, .format = p->format, .marker = p->marker, .read = read, .key = key, .at = at, .open = at};
    p->block_call = p->n_call;
    p->phase = PHASE_BLOCK;
    parser_block_view(p);
}

enum scan parser_block_read(struct tool_parser *p)
{
    struct tool_block *b = &p->block;
    parser_block_view(p);
    enum scan s = b->read(b);
    if (s == SCAN_MORE && b->n > TOOL_BLOCK_MAX)
        return SCAN_BAD;
    if (s != SCAN_MORE || !p->final || !b->complete)
        return s;
    b->at = b->n;
    return SCAN_OK;
}

static void to_content(struct tool_parser *p)
{
    p->phase = p->format->rules & RULE_BARE && p->options.tools ? PHASE_BARE : PHASE_CONTENT;
}

static void block_bad(struct tool_parser *p)
{
    struct tool_block *b = &p->block;
    parser_drop_calls(p);
    if (b->soft) {
        p->phase = PHASE_CONTENT;
        flow_text(p, &p->content, p->text + p->head, 1);
        p->head++;
        return;
    }
    parser_event(p, TOOL_BAD_CALL, NULL, 0);
    b->mark = b->open;
    p->phase = PHASE_BAD;
}

/* 0: wait for more. */
static int phase_block(struct tool_parser *p)
{
    struct tool_block *b = &p->block;
    enum scan s = parser_block_read(p);
    if (s == SCAN_OK || (p->options.checked && !b->soft))
        parser_publish(p);
    if (s == SCAN_OK) {
        p->head += b->at;
        flow_gap(&p->content);
        to_content(p);
    } else if (s == SCAN_BAD || (p->final && b->soft)) {
        block_bad(p);
    } else if (p->final) {
        parser_drop_calls(p);
        flow_gap(&p->content);
        parser_event(p, TOOL_CUT_CALL, b->text, b->n);
        p->head = p->n;
    } else {
        return 0;
    }
    return 1;
}

/* The bytes of a bad block until its closing marker are content. Without such a marker: all that follows. */
static int phase_bad(struct tool_parser *p)
{
    struct tool_block *b = &p->block;
    parser_block_view(p);
    b->from = 0;
    enum scan s = p->marker[ROLE_END].n ? block_until(b, ROLE_END) : SCAN_MORE;
    if (!p->marker[ROLE_END].n || (s == SCAN_MORE && p->final))
        b->mark = b->n;
    size_t end = s == SCAN_OK ? b->mark + p->marker[ROLE_END].n : b->mark;
    flow_text(p, &p->content, b->text, end);
    p->head += end;
    b->mark = 0;
    if (s == SCAN_OK)
        p->phase = PHASE_CONTENT;
    return s == SCAN_OK;
}

/* ---- reasoning ----------------------------------------------------------------------------------------------------- */

static void reasoning_begin(struct tool_parser *p)
{
    p->phase = PHASE_REASONING;
    p->reasoned = 1;
    p->opening = p->format->rules & RULE_LATE_REASONING ? OPEN_REPEATED : OPEN_DONE;
    flow_gap(&p->content);
}

static enum scan marker_here(const struct tool_parser *p, enum tool_role role, size_t i)
{
    enum scan s = marker_at(&p->marker[role], p->text, p->token, p->n, i);
    return s == SCAN_MORE && p->final ? SCAN_BAD : s;
}

static int phase_start(struct tool_parser *p)
{
    size_t i = p->head;
    while (i < p->n && is_white(p->text[i]))
        i++;
    flow_text(p, &p->content, p->text + p->head, i - p->head);
    p->head = i;
    if (i == p->n)
        return 0;
    enum scan open = marker_here(p, ROLE_OPEN, i), close = marker_here(p, ROLE_CLOSE, i);
    if (open == SCAN_OK) {
        p->head += p->marker[ROLE_OPEN].n;
        reasoning_begin(p);
    } else if (close == SCAN_OK) {
        p->head += p->marker[ROLE_CLOSE].n;
        p->reasoned = 1;
        flow_gap(&p->content);
        to_content(p);
    } else if (open == SCAN_MORE || close == SCAN_MORE) {
        return 0;
    } else {
        to_content(p);
    }
    return 1;
}

/* Swallow what repeats or belongs to the open tag. 0: wait for more. */
static int reasoning_open(struct tool_parser *p)
{
    static const char word[] = "thought"; /* gemma4 names its channel */
    if (p->opening == OPEN_FORCED)
        while (p->head < p->n && is_white(p->text[p->head]))
            p->head++;
    if (p->head == p->n)
        return 0;
    enum scan s = marker_here(p, ROLE_OPEN, p->head);
    if (s == SCAN_MORE)
        return 0;
    if (s == SCAN_OK) {
        p->head += p->marker[ROLE_OPEN].n;
        p->opening = p->format->rules & RULE_LATE_REASONING ? OPEN_REPEATED : OPEN_DONE;
        return 1;
    }
    size_t have = p->n - p->head < sizeof word - 1 ? p->n - p->head : sizeof word - 1;
    if (p->opening == OPEN_REPEATED && !memcmp(p->text + p->head, word, have)) {
        if (have < sizeof word - 1 && !p->final)
            return 0;
        if (have == sizeof word - 1)
            p->head += have;
    }
    p->opening = OPEN_DONE;
    return 1;
}

static int ends_reasoning(const struct tool_parser *p, enum tool_role role)
{
    const struct tool_marker *m = &p->marker[role];
    return p->options.tools && p->format->rules & RULE_CALL_ENDS_REASONING && m->n &&
           (!(p->format->rules & RULE_TOKENS) || memchr(m->token, 1, m->n));
}

static int phase_reasoning(struct tool_parser *p)
{
    if (p->opening != OPEN_DONE)
        return reasoning_open(p);
    static const enum tool_role roles[] = {ROLE_CLOSE, ROLE_BEGIN, ROLE_BEGIN2};
    size_t i = p->head;
    enum scan s = SCAN_BAD;
    int k = 0;
    for (; i < p->n && s == SCAN_BAD; i += s == SCAN_BAD)
        for (k = 0; k < 3 && s == SCAN_BAD; k += s == SCAN_BAD)
            if (k == 0 || ends_reasoning(p, roles[k]))
                s = marker_here(p, roles[k], i);
    flow_text(p, &p->reasoning, p->text + p->head, i - p->head);
    p->head = i;
    if (s != SCAN_OK)
        return 0;
    flow_gap(&p->reasoning);
    if (k == 0)
        p->head += p->marker[ROLE_CLOSE].n;
    to_content(p);
    return 1;
}

/* ---- content ------------------------------------------------------------------------------------------------------- */

/* <function=N> outside a block counts when N is a known tool. */
static enum scan bare_function(const struct tool_parser *p, size_t i)
{
    size_t from = i + p->marker[ROLE_BEGIN2].n, n = p->n - from;
    const char *end = memchr(p->text + from, '>', n);
    if (!end)
        return n > 128 || p->final ? SCAN_BAD : SCAN_MORE;
    n = (size_t)(end - (p->text + from));
    return tool_list_find(p->options.tools, p->text + from, n) ? SCAN_OK : SCAN_BAD;
}

static int in_content(const struct tool_parser *p, enum tool_role role)
{
    if (role == ROLE_OPEN || role == ROLE_CLOSE)
        return (p->format->rules & RULE_LATE_REASONING) != 0;
    if (role == ROLE_BEGIN || role == ROLE_BEGIN2)
        return p->options.tools != NULL;
    return role >= ROLE_WRAP && (!(p->format->rules & RULE_WRAP_AFTER_REASONING) || p->reasoned);
}

/* The marker of content that stands at text[i]. */
static enum scan content_marker(const struct tool_parser *p, size_t i, enum tool_role *role)
{
    enum scan all = SCAN_BAD;
    for (enum tool_role r = 0; r < N_ROLE; r++) {
        if (!p->marker[r].n || !in_content(p, r))
            continue;
        enum scan s = marker_here(p, r, i);
        if (s == SCAN_OK && r == ROLE_BEGIN2 && p->format->rules & RULE_BEGIN2_NAMES)
            s = bare_function(p, i);
        if (s == SCAN_OK) {
            *role = r;
            return s;
        }
        if (s == SCAN_MORE)
            all = s;
    }
    return all;
}

static void content_take(struct tool_parser *p, enum tool_role role)
{
    size_t n = p->marker[role].n;
    if (role == ROLE_BEGIN || role == ROLE_BEGIN2) {
        parser_block_begin(p, n, role == ROLE_BEGIN ? p->format->read : p->format->read2);
        return;
    }
    p->head += n;
    if (role == ROLE_OPEN)
        reasoning_begin(p);
    else
        flow_gap(&p->content);
    if (role >= ROLE_WRAP && p->format->rules & RULE_TURN_ENDS && p->options.tools)
        p->phase = PHASE_TURN;
}

static int phase_content(struct tool_parser *p)
{
    enum tool_role role = N_ROLE;
    enum scan s = SCAN_BAD;
    size_t i = p->head;
    for (; i < p->n && s == SCAN_BAD; i += s == SCAN_BAD) {
        uint8_t c = (uint8_t)p->text[i];
        if (p->starts[c / 8] >> c % 8 & 1)
            s = content_marker(p, i, &role);
    }
    flow_text(p, &p->content, p->text + p->head, i - p->head);
    p->head = i;
    if (s == SCAN_OK)
        content_take(p, role);
    return s == SCAN_OK;
}

static int phase_turn(struct tool_parser *p)
{
    size_t i = p->head;
    while (i < p->n && i < p->head + 2 && p->text[i] == '\n')
        i++;
    enum scan s = i < p->n ? marker_here(p, ROLE_BEGIN, i) : SCAN_MORE;
    if (s == SCAN_MORE)
        return 0;
    p->phase = s == SCAN_OK ? PHASE_CONTENT : PHASE_OVER;
    return 1;
}

static int phase_over(struct tool_parser *p)
{
    p->head = p->n;
    return 0;
}

/* Content of llama3 that begins with a call object, and what may stand between several. */
static int phase_bare(struct tool_parser *p)
{
    size_t i = p->head;
    while (i < p->n && is_white(p->text[i]))
        i++;
    flow_text(p, &p->content, p->text + p->head, i - p->head);
    p->head = i;
    while (p->n_call && i < p->n && i - p->head < 64 &&
           (is_white(p->text[i]) || p->text[i] == ';' || p->text[i] == ','))
        i++;
    if (i == p->n && !p->final)
        return 0;
    if (i == p->n) { /* nothing but what stands between calls */
        p->head = i;
    } else if (p->text[i] == '{') {
        parser_block_begin(p, i - p->head, p->format->read2);
        p->block.soft = p->block.known = 1;
    } else {
        p->phase = PHASE_CONTENT;
    }
    return 1;
}

/* ---- input --------------------------------------------------------------------------------------------------------- */

static void advance(struct tool_parser *p)
{
    static int (*const phases[])(struct tool_parser *) = {
        [PHASE_START] = phase_start,     [PHASE_REASONING] = phase_reasoning,
        [PHASE_CONTENT] = phase_content, [PHASE_BARE] = phase_bare,
        [PHASE_BLOCK] = phase_block,     [PHASE_BAD] = phase_bad,
        [PHASE_TURN] = phase_turn,       [PHASE_OVER] = phase_over};
    if (p->format->advance) {
        p->format->advance(p);
        return;
    }
    while (p->head < p->n && phases[p->phase](p))
        ;
}

static int finish_input(struct tool_parser *p, struct error *err)
{
    advance(p);
    p->failed |= p->content.space.failed | p->reasoning.space.failed | p->block.key.failed | p->recipient.failed;
    for (size_t i = p->block_call; i < p->n_call; i++)
        p->failed |= p->call[i].args.failed | p->call[i].name.failed | p->call[i].id.failed;
    return p->failed ? error_set(err, ERR_MEMORY, "no memory for the text of a tool call") : 0;
}

int tool_parser_text(struct tool_parser *p, const char *text, size_t n, struct error *err)
{
    input_text(p, text, n);
    return finish_input(p, err);
}

int tool_parser_token(struct tool_parser *p, const char *text, size_t n, struct error *err)
{
    input_token(p, text, n);
    return finish_input(p, err);
}

int tool_parser_over(const struct tool_parser *p) { return p->phase == PHASE_OVER && !p->format->advance; }

const char *tool_parser_space(const struct tool_parser *p, size_t *n)
{
    *n = p->content.any ? p->content.space.n : 0;
    return p->content.space.text;
}

int tool_parser_end(struct tool_parser *p, struct error *err)
{
    input_end(p);
    p->final = 1;
    int rc = finish_input(p, err);
    if (p->content.space.n)
        parser_event(p, TOOL_CONTENT, p->content.space.text, p->content.space.n);
    p->content.space.n = 0;
    return rc;
}

/* ---- life ---------------------------------------------------------------------------------------------------------- */

static int asks_token(const struct tool_options *o, const char *text)
{
    return o->is_token && o->is_token(o->vocabulary, text, strlen(text));
}

/* Where the tokens of a marker are: all of it, its part, or nowhere. */
static void compile_marker(struct tool_parser *p, enum tool_role role)
{
    const struct tool_format *f = p->format;
    struct tool_marker *m = &p->marker[role];
    const char *text = f->marker[role], *part;
    if (!text)
        return;
    m->n = strlen(text);
    memcpy(m->text, text, m->n);
    m->either = !f->advance && role >= ROLE_SEP && role <= ROLE_STOP;
    part = f->part ? strstr(text, f->part) : NULL;
    size_t from = part ? (size_t)(part - text) : 0, n = part ? strlen(f->part) : m->n;
    if (asks_token(&p->options, part ? f->part : text)) {
        memset(m->token + from, 2, n);
        m->token[from] = 1;
    }
    if (!f->advance && in_content(p, role)) {
        uint8_t c = (uint8_t)text[0];
        p->starts[c / 8] |= (uint8_t)(1u << c % 8);
    }
}

int tool_parser_create(struct tool_parser **out, const struct tool_options *o, tool_event_fn *event, void *arg,
                       struct error *err)
{
    struct tool_parser *p = calloc(1, sizeof *p);
    *out = p;
    if (!p || !(p->call = calloc(4, sizeof *p->call))) {
        free(p);
        *out = NULL;
        return error_set(err, ERR_MEMORY, "no memory for a tool-call parser");
    }
    p->cap_call = 4;
    p->options = *o;
    p->format = o->format;
    p->event = event;
    p->arg = arg;
    p->content = (struct tool_flow){.kind = TOOL_CONTENT};
    p->reasoning = (struct tool_flow){.kind = TOOL_REASONING, .skip = 1};
    p->reasoned = 1; /* all wrappers count while their first bytes are noted */
    for (enum tool_role r = 0; r < N_ROLE; r++)
        compile_marker(p, r);
    p->reasoned = o->forced_open;
    if (o->forced_open && p->marker[ROLE_OPEN].n) {
        reasoning_begin(p);
        p->opening = OPEN_FORCED;
    } else if (p->format->rules & RULE_LATE_REASONING || !p->marker[ROLE_OPEN].n) {
        to_content(p);
    }
    return 0;
}

void tool_parser_destroy(struct tool_parser *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->n_call; i++)
        call_free(&p->call[i]);
    free(p->call);
    free(p->text);
    free(p->token);
    buffer_free(&p->content.space);
    buffer_free(&p->reasoning.space);
    buffer_free(&p->block.key);
    buffer_free(&p->recipient);
    free(p);
}
