/* The undecided text of a parser: bytes, where their tokens begin, and the assembler that lets only whole characters in. */
#include "base/utf8.h"
#include "text/tools/block.h"

#include <stdlib.h>
#include <string.h>

static int reserve(struct tool_parser *p, size_t n)
{
    if (p->head > 4096 && p->head > p->n / 2) {
        memmove(p->text, p->text + p->head, p->n - p->head);
        memmove(p->token, p->token + p->head, p->n - p->head);
        p->n -= p->head;
        p->head = 0;
    }
    if (n <= p->cap - p->n)
        return 0;
    size_t cap = p->cap ? p->cap : 1024;
    while (cap - p->n < n && cap <= SIZE_MAX / 4)
        cap *= 2;
    char *text = cap - p->n < n ? NULL : realloc(p->text, cap);
    if (text)
        p->text = text;
    uint8_t *token = text ? realloc(p->token, cap) : NULL;
    if (token)
        p->token = token;
    p->failed |= !token;
    if (token)
        p->cap = cap;
    return token ? 0 : -1;
}

static void append(struct tool_parser *p, const void *text, size_t n, int is_token)
{
    if (n == 0 || reserve(p, n) != 0)
        return;
    memcpy(p->text + p->n, text, n);
    memset(p->token + p->n, is_token ? 2 : 0, n);
    if (is_token)
        p->token[p->n] = 1;
    p->n += n;
}

/* Whole characters of text go on, each ill-formed sequence as U+FFFD; an unfinished character waits in p->partial. */
static void append_characters(struct tool_parser *p, const uint8_t *text, size_t n)
{
    size_t plain = 0, i = 0, length;
    while (i < n) {
        enum utf8_head h = utf8_head(text + i, n - i, &length);
        if (h == UTF8_WHOLE) {
            i += length;
            continue;
        }
        append(p, text + plain, i - plain, 0);
        if (h == UTF8_PARTIAL) {
            p->n_partial = n - i;
            memcpy(p->partial, text + i, n - i);
            return;
        }
        append(p, UTF8_REPLACEMENT, strlen(UTF8_REPLACEMENT), 0);
        plain = i += length;
    }
    append(p, text + plain, n - plain, 0);
}

void input_end(struct tool_parser *p)
{
    if (p->n_partial)
        append(p, UTF8_REPLACEMENT, strlen(UTF8_REPLACEMENT), 0);
    p->n_partial = 0;
}

void input_text(struct tool_parser *p, const char *text, size_t n)
{
    const uint8_t *u = (const uint8_t *)text;
    while (p->n_partial && n) { /* finish the character that waits, byte by byte */
        uint8_t joined[4];
        size_t have = p->n_partial, length;
        memcpy(joined, p->partial, have);
        joined[have] = *u;
        enum utf8_head h = utf8_head(joined, have + 1, &length);
        if (h == UTF8_BROKEN) { /* what waited is broken; the new byte begins something */
            input_end(p);
            break;
        }
        p->partial[p->n_partial++] = *u++;
        n--;
        if (h == UTF8_WHOLE) {
            append(p, joined, have + 1, 0);
            p->n_partial = 0;
        }
    }
    append_characters(p, u, n);
}

void input_token(struct tool_parser *p, const char *text, size_t n)
{
    input_end(p);
    append(p, text, n, 1);
}
