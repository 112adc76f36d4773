/* The steps of readers: see block.h. */
#include "text/tools/block.h"

#include <stdlib.h>
#include <string.h>

enum scan marker_at(const struct tool_marker *m, const char *text, const uint8_t *token, size_t n, size_t i)
{
    size_t have = n - i < m->n ? n - i : m->n;
    if (m->n == 0 || memcmp(m->text, text + i, have) != 0)
        return SCAN_BAD;
    if (!m->either && memcmp(m->token, token + i, have) != 0)
        return SCAN_BAD;
    return have == m->n ? SCAN_OK : SCAN_MORE;
}

enum scan block_space(struct tool_block *b)
{
    while (b->at < b->n && is_white(b->text[b->at]))
        b->at++;
    return b->at < b->n || b->final ? SCAN_OK : SCAN_MORE;
}

enum scan block_any(struct tool_block *b) { return b->at < b->n ? SCAN_OK : SCAN_MORE; }

static enum scan word_at(const struct tool_block *b, const char *word, size_t at)
{
    size_t n = strlen(word), have = b->n - at < n ? b->n - at : n;
    if (memcmp(word, b->text + at, have) != 0)
        return SCAN_BAD;
    return have == n ? SCAN_OK : SCAN_MORE;
}

enum scan block_word(struct tool_block *b, const char *word)
{
    enum scan s = word_at(b, word, b->at);
    if (s == SCAN_OK)
        b->at += strlen(word);
    return s;
}

enum scan block_marker(struct tool_block *b, enum tool_role role)
{
    enum scan s = marker_at(&b->marker[role], b->text, b->token, b->n, b->at);
    if (s == SCAN_OK)
        b->at += b->marker[role].n;
    return s;
}

static int is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("_.:-", c));
}

enum scan block_name(struct tool_block *b)
{
    while (b->at < b->n && is_name_char(b->text[b->at]))
        b->at++;
    b->to = b->at;
    if (b->at - b->from > 256)
        return SCAN_BAD;
    if (b->at == b->n)
        return SCAN_MORE;
    return b->at > b->from ? SCAN_OK : SCAN_BAD;
}

enum scan block_call_name(struct tool_block *b)
{
    enum scan s = block_name(b);
    return s == SCAN_OK && block_set_name(b, b->text + b->from, b->to - b->from) != 0 ? SCAN_BAD : s;
}

enum scan block_choose(struct tool_block *b, const enum tool_role *a, int n)
{
    enum scan all = SCAN_OK;
    b->choice = -1;
    for (int i = 0; i < n; i++) {
        enum scan s = marker_at(&b->marker[a[i]], b->text, b->token, b->n, b->at);
        if (s == SCAN_OK) {
            b->at += b->marker[a[i]].n;
            b->choice = i;
            return SCAN_OK;
        }
        if (s == SCAN_MORE)
            all = SCAN_MORE;
    }
    return b->at == b->n ? SCAN_MORE : all;
}

enum scan block_choose_word(struct tool_block *b, const char *const *word, int n)
{
    enum scan all = SCAN_OK;
    b->choice = -1;
    for (int i = 0; i < n; i++) {
        enum scan s = word_at(b, word[i], b->at);
        if (s == SCAN_OK) {
            b->at += strlen(word[i]);
            b->choice = i;
            return SCAN_OK;
        }
        if (s == SCAN_MORE)
            all = SCAN_MORE;
    }
    return all;
}

enum scan block_close(struct tool_block *b)
{
    if (b->marker[ROLE_END].n == 0)
        return SCAN_OK;
    b->complete = 1;
    enum scan s = block_space(b);
    return s == SCAN_OK ? block_marker(b, ROLE_END) : s;
}

enum scan block_until(struct tool_block *b, enum tool_role role)
{
    for (; b->mark < b->n; b->mark++) {
        enum scan s = marker_at(&b->marker[role], b->text, b->token, b->n, b->mark);
        if (s == SCAN_MORE)
            return s;
        if (s == SCAN_OK) {
            b->to = b->at = b->mark;
            return s;
        }
    }
    return SCAN_MORE;
}

enum scan block_until_word(struct tool_block *b, const char *word)
{
    for (; b->mark < b->n; b->mark++) {
        const char *hit = memchr(b->text + b->mark, word[0], b->n - b->mark);
        b->mark = hit ? (size_t)(hit - b->text) : b->n;
        enum scan s = hit ? word_at(b, word, b->mark) : SCAN_MORE;
        if (s == SCAN_MORE)
            return s;
        if (s == SCAN_OK) {
            b->to = b->at = b->mark;
            return s;
        }
    }
    return SCAN_MORE;
}

void block_json_begin(struct tool_block *b)
{
    json_scan_begin(&b->json, JSON_DEPTH);
    b->from = b->at;
}

enum scan block_json(struct tool_block *b)
{
    enum scan s = json_scan(&b->json, b->text, b->n, &b->at, b->final);
    b->to = b->at;
    return s;
}

enum scan block_arguments(struct tool_block *b)
{
    struct tool_call *c = block_current(b);
    size_t old = b->at;
    while (b->json.kind == ' ' && old < b->n && is_white(b->text[old]))
        old++;
    enum scan s = json_scan(&b->json, b->text, b->n, &b->at, b->final);
    if (b->json.kind != ' ' && b->json.kind != '{')
        return SCAN_BAD;
    if (b->at > old)
        buffer_put(&c->args, b->text + old, b->at - old);
    return s;
}

void call_free(struct tool_call *c)
{
    buffer_free(&c->name);
    buffer_free(&c->id);
    buffer_free(&c->args);
}

struct tool_call *block_call(struct tool_block *b)
{
    struct tool_parser *p = b->parser;
    if (p->n_call == p->cap_call) {
        size_t cap = 2 * p->cap_call;
        struct tool_call *grown = realloc(p->call, cap * sizeof *grown);
        if (!grown) {
            p->failed = 1; /* told at the end of this feed; until then the last call's place serves */
            call_free(&p->call[--p->n_call]);
        } else {
            p->call = grown;
            p->cap_call = cap;
        }
    }
    b->call = p->n_call++;
    p->call[b->call] = (struct tool_call){0};
    return &p->call[b->call];
}

struct tool_call *block_current(struct tool_block *b) { return &b->parser->call[b->call]; }

int block_set_name(struct tool_block *b, const char *name, size_t n)
{
    struct tool_call *c = block_current(b);
    if (!tool_name_is_legal(name, n) || (b->known && !tool_list_find(b->parser->options.tools, name, n)))
        return -1;
    c->name.n = 0;
    buffer_put(&c->name, name, n);
    buffer_put(&c->name, "", 1);
    b->parser->failed |= c->name.failed; /* told at the end of this feed */
    c->named = !c->name.failed;
    return c->named ? 0 : -1;
}

void block_set_id(struct tool_block *b, const char *id, size_t n)
{
    struct tool_call *c = block_current(b);
    c->id.n = 0;
    c->id_first = c->args.n == 0;
    buffer_put(&c->id, id, n);
    buffer_put(&c->id, "", 1);
    b->parser->failed |= c->id.failed;
    if (c->id.failed)
        c->id.n = 0; /* it may have no end */
}

void block_end_call(struct tool_block *b)
{
    struct tool_call *c = block_current(b);
    if (c->args.n == 0)
        buffer_puts(&c->args, "{}");
    c->ended = 1;
}

void block_end_members(struct tool_block *b)
{
    if (block_current(b)->args.n)
        buffer_puts(&block_current(b)->args, "}");
    block_end_call(b);
}

void block_put_key(struct tool_block *b, const char *key, size_t n)
{
    struct tool_call *c = block_current(b);
    buffer_puts(&c->args, c->args.n ? ", " : "{");
    buffer_put_string(&c->args, key, n);
    buffer_puts(&c->args, ": ");
}
