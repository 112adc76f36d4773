/* See call_body.h. */
#include "mcp/call_body.h"

#include "base/reqmem.h"

#include <stdlib.h>
#include <string.h>

/* A line is a message: between its parts JSON may have newlines. */
static char *put_line(char *to, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = text[i] == '\n' || text[i] == '\r' ? ' ' : text[i];
    return to + n;
}

/* Another thread frees it: no buffer, which is of its thread's request. */
int call_body_make(struct call_body *b, struct span name, const char *arguments, size_t n)
{
    static const char first[] = "\"name\":", second[] = ",\"arguments\":", end[] = ",";
    size_t all = strlen(first) + name.n + strlen(second) + n + strlen(end);
    char *to = malloc(all);
    *b = (struct call_body){.text = to, .n = to ? all : 0};
    if (!to)
        return -1;
    to = put_line(to, first, strlen(first));
    to = put_line(to, name.text, name.n);
    to = put_line(to, second, strlen(second));
    to = put_line(to, arguments, n);
    put_line(to, end, strlen(end));
    return 0;
}

void call_body_count(struct call_body *b, struct reqmem *of)
{
    b->counted = of;
    reqmem_take_of(of, b->n);
}

struct call_body call_body_move(struct call_body *b)
{
    struct call_body moved = *b;
    *b = (struct call_body){NULL, 0, NULL};
    return moved;
}

void call_body_free(struct call_body *b)
{
    free(b->text);
    reqmem_give_to(b->counted, b->n);
    *b = (struct call_body){NULL, 0, NULL};
}
